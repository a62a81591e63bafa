//! What a DB-server has to do next for one shard, decided from the Plan, Current and what is here
//! (life cycle §6). Pure: `maintenance` carries it out and asks again.

use super::shards::Part;
use crate::cluster::plan_view::strings;
use database::catalog::{Collection, Index};
use serde_json::Value as Json;

/// Everything the decision depends on.
pub struct ShardView<'a> {
    /// Id of this server.
    pub me: &'a str,
    /// Planned servers of the shard, leader first.
    pub servers: &'a [String],
    /// The planned collection.
    pub planned: &'a Collection,
    /// The shard as it is stored here.
    pub local: Option<&'a Collection>,
    /// This server's part in it.
    pub part: &'a Part,
    /// The shard's entry in Current.
    pub current: Option<&'a Json>,
    /// Indexes that could not be built here: reported, not tried again.
    pub failed_indexes: &'a [String],
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make the shard.
    Create,
    /// Become leader.
    Lead,
    /// Become follower of the named server.
    Follow(String),
    /// Stop writing and say so.
    Resign,
    /// Copy what is missing from the leader and get back in sync.
    Synchronize(String),
    /// Take over changed properties.
    UpdateProperties,
    /// Build an index.
    EnsureIndex(Index),
    /// Drop an index.
    DropIndex(String),
    /// Tell the agency which indexes there are.
    ReportIndexes,
}

/// The next step, or nothing.
#[must_use]
pub fn next_action(view: &ShardView<'_>) -> Option<Action> {
    let first = view.servers.first()?;
    let current_servers = view.current.map(|entry| strings(&entry["servers"])).unwrap_or_default();
    if first.strip_prefix('_') == Some(view.me) {
        let reported = current_servers.first() != Some(&view.me.to_owned());
        return (!reported || matches!(view.part, Part::Leading { .. })).then_some(Action::Resign);
    }
    let leads = first == view.me;
    let Some(local) = view.local else {
        // Invariant: a copy that was lost is never replaced by an empty one that leads.
        return (!leads || current_servers.is_empty()).then_some(Action::Create);
    };
    if leads {
        if !matches!(view.part, Part::Leading { .. }) {
            return Some(Action::Lead);
        }
    } else {
        let leader = first.trim_start_matches('_');
        if !matches!(view.part, Part::Following { leader: known } if known == leader) {
            return Some(Action::Follow(leader.to_owned()));
        }
    }
    content_action(view, local).or_else(|| {
        if leads {
            return (view.current?["indexes"] != *reported_indexes(local))
                .then_some(Action::ReportIndexes)
                .filter(|_| view.failed_indexes.is_empty());
        }
        let in_sync = current_servers.iter().any(|server| server == view.me);
        let leader_ready = current_servers.first().is_some_and(|leader| leader == first);
        (!in_sync && leader_ready).then(|| Action::Synchronize(first.clone()))
    })
}

fn content_action(view: &ShardView<'_>, local: &Collection) -> Option<Action> {
    let planned = view.planned;
    let missing = |index: &&Index| !local.indexes.iter().any(|known| known.id == index.id) && !view.failed_indexes.contains(&index.id);
    if let Some(index) = planned.indexes.iter().find(missing) {
        return Some(Action::EnsureIndex(index.clone()));
    }
    let is_basic = |index: &Index| matches!(index.kind.as_str(), "primary" | "edge");
    let obsolete = |index: &&Index| !is_basic(index) && !planned.indexes.iter().any(|wanted| wanted.id == index.id);
    if let Some(index) = local.indexes.iter().find(obsolete) {
        return Some(Action::DropIndex(index.id.clone()));
    }
    let same = planned.wait_for_sync == local.wait_for_sync
        && planned.cache_enabled == local.cache_enabled
        && planned.schema == local.schema
        && planned.computed_values == local.computed_values;
    (!same).then_some(Action::UpdateProperties)
}

/// The indexes of a shard as Current lists them.
#[must_use]
pub fn reported_indexes(local: &Collection) -> Box<Json> {
    Box::new(serde_json::to_value(&local.indexes).unwrap_or_default())
}

/// The shard as it is stored here: a collection of its own that knows what it is part of.
#[must_use]
pub fn shard_properties(planned: &Collection, shard: &str) -> Collection {
    let mut local = planned.clone();
    local.id = shard.trim_start_matches('s').to_owned();
    local.name = shard.to_owned();
    local.logical_name.clone_from(&planned.name);
    local.plan_id.clone_from(&planned.id);
    local.shards.clear();
    for index in &mut local.indexes {
        index.is_building = false;
    }
    local.other.clear();
    local
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    struct Case {
        servers: Vec<String>,
        planned: Collection,
        local: Option<Collection>,
        part: Part,
        current: Option<Json>,
    }

    impl Case {
        fn new(servers: &[&str]) -> Self {
            let planned: Collection = serde_json::from_value(json!({"id": "1", "name": "c", "indexes": [
                {"id": "0", "type": "primary", "name": "primary", "fields": ["_key"], "unique": true}]}))
            .unwrap();
            let servers = servers.iter().map(|&server| server.to_owned()).collect();
            Self { servers, local: Some(shard_properties(&planned, "s2")), planned, part: Part::Unknown, current: None }
        }

        fn part(mut self, part: Part) -> Self {
            self.part = part;
            self
        }

        fn current(mut self, servers: &[&str]) -> Self {
            let indexes = self.local.as_ref().map(|local| *reported_indexes(local));
            self.current = Some(json!({"servers": servers, "indexes": indexes}));
            self
        }

        fn next(&self) -> Option<Action> {
            next_action(&ShardView {
                me: "A",
                servers: &self.servers,
                planned: &self.planned,
                local: self.local.as_ref(),
                part: &self.part,
                current: self.current.as_ref(),
                failed_indexes: &[],
            })
        }
    }

    fn leading() -> Part {
        Part::Leading { followers: Arc::default() }
    }

    #[test]
    fn a_new_shard_is_made_then_led() {
        let mut case = Case::new(&["A", "B"]);
        case.local = None;
        assert_eq!(case.next(), Some(Action::Create));
        assert_eq!(Case::new(&["A", "B"]).next(), Some(Action::Lead));
        assert_eq!(Case::new(&["A", "B"]).part(leading()).current(&["A"]).next(), None);
    }

    #[test]
    fn a_lost_copy_is_not_made_anew_by_a_planned_leader() {
        let mut case = Case::new(&["A", "B"]).current(&["A", "B"]);
        case.local = None;
        assert_eq!(case.next(), None);
        case.servers = vec!["B".into(), "A".into()];
        assert_eq!(case.next(), Some(Action::Create));
    }

    #[test]
    fn a_follower_synchronises_once_its_leader_is_confirmed() {
        let following = Part::Following { leader: "B".into() };
        let case = Case::new(&["B", "A"]);
        assert_eq!(case.next(), Some(Action::Follow("B".into())));
        let case = Case::new(&["B", "A"]).part(following.clone());
        assert_eq!(case.next(), None);
        assert_eq!(case.current(&["B"]).next(), Some(Action::Synchronize("B".into())));
        assert_eq!(Case::new(&["B", "A"]).part(following.clone()).current(&["B", "A"]).next(), None);
        assert_eq!(Case::new(&["B", "A"]).part(following.clone()).current(&["C"]).next(), None);
        assert_eq!(Case::new(&["_B", "A"]).part(following).current(&["_B", "A"]).next(), None);
    }

    #[test]
    fn a_leader_resigns_when_the_plan_asks() {
        assert_eq!(Case::new(&["_A", "B"]).part(leading()).current(&["A", "B"]).next(), Some(Action::Resign));
        assert_eq!(Case::new(&["_A", "B"]).current(&["A", "B"]).next(), Some(Action::Resign));
        assert_eq!(Case::new(&["_A", "B"]).current(&["_A", "B"]).next(), None);
        assert_eq!(Case::new(&["B", "A"]).part(leading()).next(), Some(Action::Follow("B".into())));
    }

    #[test]
    fn indexes_are_built_dropped_and_reported() {
        let mut case = Case::new(&["A"]).part(leading()).current(&["A"]);
        let index = Index::plain("9", "persistent", "i", &["x"], false);
        case.planned.indexes.push(index.clone());
        assert_eq!(case.next(), Some(Action::EnsureIndex(index.clone())));
        if let Some(local) = &mut case.local {
            local.indexes.push(index);
        }
        assert_eq!(case.next(), Some(Action::ReportIndexes));
        case.planned.indexes.pop();
        assert_eq!(case.next(), Some(Action::DropIndex("9".into())));
    }
}
