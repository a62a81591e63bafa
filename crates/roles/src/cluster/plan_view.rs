//! The agency's Plan and Current as typed values.
//!
//! Parsing the Plan costs milliseconds when there are thousands of collections, so it is done once
//! per `Plan/Version`; readers share the result. Current is read straight from the tree, because
//! it changes with every shard.

use base::{Error, Result, code};
use database::catalog::{Collection, Database};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A planned collection and what only the Plan knows of it.
#[derive(Debug)]
pub struct PlannedCollection {
    /// Database it belongs to.
    pub database: String,
    /// Properties, with the shards' servers as planned.
    pub collection: Collection,
    /// Shard names in numeric order.
    pub shards: Vec<String>,
    /// Not yet visible to clients.
    pub is_building: bool,
    /// The entry as it stands in the agency, for preconditions.
    pub raw: Json,
}

/// All that is planned, parsed.
#[derive(Debug, Default)]
pub struct PlanView {
    /// `Plan/Version` this was made from.
    pub version: u64,
    databases: BTreeMap<String, PlannedDatabase>,
    /// Shard name to its collection.
    by_shard: HashMap<String, Arc<PlannedCollection>>,
}

#[derive(Debug)]
struct PlannedDatabase {
    database: Database,
    is_building: bool,
    by_id: BTreeMap<String, Arc<PlannedCollection>>,
    by_name: HashMap<String, String>,
}

impl PlanView {
    /// Parses the subtree `Plan`. Entries that cannot be read are left out and named in the log:
    /// one broken collection must not stop a server.
    #[must_use]
    pub fn parse(plan: &Json) -> Self {
        let mut view = Self { version: plan["Version"].as_u64().unwrap_or(0), ..Self::default() };
        for (name, entry) in members(&plan["Databases"]) {
            match serde_json::from_value::<Database>(entry.clone()) {
                Ok(database) => {
                    let is_building = entry["isBuilding"].as_bool().unwrap_or(false);
                    let planned = PlannedDatabase { database, is_building, by_id: BTreeMap::new(), by_name: HashMap::new() };
                    view.databases.insert(name.clone(), planned);
                }
                Err(fault) => tracing::error!(database = %name, %fault, "unreadable database in the Plan"),
            }
        }
        for (name, collections) in members(&plan["Collections"]) {
            for (id, entry) in members(collections) {
                view.add_collection(name, id, entry);
            }
        }
        view
    }

    fn add_collection(&mut self, database: &str, id: &str, entry: &Json) {
        let collection = match serde_json::from_value::<Collection>(entry.clone()) {
            Ok(collection) => collection,
            Err(fault) => return tracing::error!(%database, %id, %fault, "unreadable collection in the Plan"),
        };
        let Some(home) = self.databases.get_mut(database) else { return };
        let shards: Vec<String> = collection.shard_names().into_iter().map(str::to_owned).collect();
        let is_building = entry["isBuilding"].as_bool().unwrap_or(false);
        let planned = Arc::new(PlannedCollection { database: database.to_owned(), collection, shards, is_building, raw: entry.clone() });
        for shard in &planned.shards {
            self.by_shard.insert(shard.clone(), Arc::clone(&planned));
        }
        home.by_name.insert(planned.collection.name.clone(), id.to_owned());
        home.by_id.insert(id.to_owned(), planned);
    }

    /// Databases that clients may see.
    pub fn databases(&self) -> impl Iterator<Item = &Database> {
        self.databases.values().filter(|planned| !planned.is_building).map(|planned| &planned.database)
    }

    /// All databases, also those being built.
    pub fn planned_databases(&self) -> impl Iterator<Item = &Database> {
        self.databases.values().map(|planned| &planned.database)
    }

    /// A visible database; 1228.
    pub fn database(&self, name: &str) -> Result<&Database> {
        match self.databases.get(name) {
            Some(planned) if !planned.is_building => Ok(&planned.database),
            _ => Err(code::ARANGO_DATABASE_NOT_FOUND.into()),
        }
    }

    /// Visible collections of a database; 1228.
    pub fn collections(&self, database: &str) -> Result<impl Iterator<Item = &Arc<PlannedCollection>>> {
        self.database(database)?;
        Ok(self.planned_collections(database).filter(|planned| !planned.is_building))
    }

    /// All collections of a database, also those being built.
    pub fn planned_collections(&self, database: &str) -> impl Iterator<Item = &Arc<PlannedCollection>> {
        self.databases.get(database).into_iter().flat_map(|planned| planned.by_id.values())
    }

    /// A visible collection by name or id; 1228, 1203.
    pub fn collection(&self, database: &str, name_or_id: &str) -> Result<&Arc<PlannedCollection>> {
        self.database(database)?;
        let found = self.databases.get(database).and_then(|home| {
            let id = home.by_name.get(name_or_id).map_or(name_or_id, String::as_str);
            home.by_id.get(id)
        });
        match found {
            Some(planned) if !planned.is_building => Ok(planned),
            _ => Err(not_found(name_or_id)),
        }
    }

    /// A collection by id, also while it is being built.
    #[must_use]
    pub fn collection_by_id(&self, database: &str, id: &str) -> Option<&Arc<PlannedCollection>> {
        self.databases.get(database)?.by_id.get(id)
    }

    /// The collection that a shard belongs to.
    #[must_use]
    pub fn shard(&self, shard: &str) -> Option<&Arc<PlannedCollection>> {
        self.by_shard.get(shard)
    }

    /// Shards planned on a server: `(collection, shard, its servers)`.
    pub fn shards_of<'a>(&'a self, server: &'a str) -> impl Iterator<Item = (&'a Arc<PlannedCollection>, &'a String, &'a Vec<String>)> {
        self.databases.values().flat_map(|home| home.by_id.values()).flat_map(move |planned| {
            let held = planned.collection.shards.iter().filter(move |(_, servers)| holds(servers, server));
            held.map(move |(shard, servers)| (planned, shard, servers))
        })
    }
}

/// Error 1203 for a collection.
#[must_use]
pub fn not_found(name: &str) -> Error {
    Error::with_detail(code::ARANGO_DATA_SOURCE_NOT_FOUND, name)
}

impl PlannedCollection {
    /// Planned servers of a shard, leader first.
    #[must_use]
    pub fn servers(&self, shard: &str) -> &[String] {
        self.collection.shards.get(shard).map_or(&[], Vec::as_slice)
    }

    /// Planned leader of a shard; `None` while it is asked to resign or there is none.
    #[must_use]
    pub fn leader(&self, shard: &str) -> Option<&str> {
        self.servers(shard).first().map(String::as_str).filter(|server| !server.starts_with('_'))
    }
}

/// Is `server` in a list of servers, resigning (`_server`) or not?
#[must_use]
pub fn holds(servers: &[String], server: &str) -> bool {
    servers.iter().any(|listed| listed.strip_prefix('_').unwrap_or(listed) == server)
}

/// Members of a JSON object; none for anything else.
pub fn members(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flatten()
}

/// The strings of a JSON array.
#[must_use]
pub fn strings(value: &Json) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan() -> PlanView {
        PlanView::parse(&json!({
            "Version": 7,
            "Databases": {"_system": {"id": "1", "name": "_system"}, "new": {"id": "2", "name": "new", "isBuilding": true}},
            "Collections": {"_system": {
                "10": {"id": "10", "name": "c", "shards": {"s12": ["A", "B"], "s11": ["_B", "A"]}},
                "20": {"id": "20", "name": "hidden", "isBuilding": true, "shards": {"s21": ["A"]}},
                "30": {"id": "30", "name": 5}
            }}
        }))
    }

    #[test]
    fn collections_are_found_by_name_and_id_once_built() {
        let view = plan();
        assert_eq!(view.version, 7);
        assert_eq!(view.collection("_system", "c").unwrap().shards, ["s11", "s12"]);
        assert_eq!(view.collection("_system", "10").unwrap().collection.name, "c");
        assert_eq!(view.collection("_system", "hidden").unwrap_err().code(), code::ARANGO_DATA_SOURCE_NOT_FOUND);
        assert_eq!(view.collection("new", "c").unwrap_err().code(), code::ARANGO_DATABASE_NOT_FOUND);
        assert_eq!(view.collections("_system").unwrap().count(), 1);
    }

    #[test]
    fn a_resigning_leader_still_holds_its_shard_but_does_not_lead() {
        let view = plan();
        let c = view.shard("s11").unwrap();
        assert_eq!(c.leader("s11"), None);
        assert_eq!(c.leader("s12"), Some("A"));
        let mut held: Vec<_> = view.shards_of("B").map(|(_, shard, _)| shard.as_str()).collect();
        held.sort_unstable();
        assert_eq!(held, ["s11", "s12"]);
    }
}
