//! Tidying: what dead coordinators left half-built, entries of collections that are gone, locks of
//! jobs that are gone, too many ended jobs, a dead Foxxmaster, servers that will not come back.

use super::job::{Job, State, parse_iso};
use super::shards::{self, bare};
use super::{Cx, Supervisor};
use crate::node::Node;
use crate::transaction::Transaction;
use serde_json::{Value as Json, json};

/// Ended jobs: how many make it worth while, how many stay.
const TRIM: [(State, usize, usize); 2] = [(State::Finished, 1000, 500), (State::Failed, 2000, 1000)];

/// All rules that need no memory.
pub fn tidy(cx: &mut Cx<'_>) {
    upgrade(cx);
    half_built(cx);
    orphaned_indexes(cx);
    lost_collections(cx);
    orphaned_locks(cx);
    foxxmaster(cx);
    trim(cx);
}

/// Older agencies kept `FailedServers` as an array.
fn upgrade(cx: &mut Cx<'_>) {
    let Some(Json::Array(servers)) = cx.tree.at("Target/FailedServers").and_then(Node::leaf) else { return };
    let as_object: serde_json::Map<String, Json> =
        servers.iter().filter_map(Json::as_str).map(|server| (server.to_owned(), json!([]))).collect();
    let transaction = Transaction::new().require("Target/FailedServers", Json::Array(servers.clone()));
    cx.push(transaction.set("Target/FailedServers", Json::Object(as_object)));
}

/// True if the coordinator that builds `entry` has gone or has started anew since.
fn is_abandoned(cx: &Cx<'_>, entry: &Json) -> bool {
    if entry.get("isBuilding").and_then(Json::as_bool) != Some(true) {
        return false;
    }
    let coordinator = entry.get("coordinator").and_then(Json::as_str);
    let reboot = entry.get("coordinatorRebootId").and_then(Json::as_u64);
    let (Some(coordinator), Some(reboot)) = (coordinator, reboot) else { return false };
    cx.tree.u64_at(&format!("Current/ServersKnown/{coordinator}/rebootId")) != Some(reboot)
        || cx.tree.at(&format!("Plan/Coordinators/{coordinator}")).is_none()
}

/// Databases and collections whose creation nobody will finish.
fn half_built(cx: &mut Cx<'_>) {
    let databases = cx.tree.at("Plan/Databases").into_iter().flat_map(Node::children);
    for (name, entry) in databases {
        if is_abandoned(cx, entry.json()) {
            let path = format!("Plan/Databases/{name}");
            let transaction = Transaction::new().require(&path, entry.to_json()).delete(&path).increment("Plan/Version");
            let parts = ["Collections", "Views", "Analyzers"];
            cx.push(parts.iter().fold(transaction, |transaction, part| transaction.delete(&format!("Plan/{part}/{name}"))));
        }
    }
    let databases = cx.tree.at("Plan/Collections").into_iter().flat_map(Node::children);
    for (database, collections) in databases {
        for (id, entry) in collections.children() {
            if is_abandoned(cx, entry.json()) {
                let path = format!("Plan/Collections/{database}/{id}");
                cx.push(Transaction::new().require(&path, entry.to_json()).delete(&path).increment("Plan/Version"));
            }
        }
    }
}

/// Indexes whose coordinator is gone: shown if every shard has them, taken back if one could not build
/// them, left alone while they are being built.
fn orphaned_indexes(cx: &mut Cx<'_>) {
    let databases = cx.tree.at("Plan/Collections").into_iter().flat_map(Node::children);
    for (database, collections) in databases {
        for (id, collection) in collections.children() {
            let Some(planned) = collection.at("indexes").and_then(Node::as_array) else { continue };
            if !planned.iter().any(|index| is_abandoned(cx, index)) {
                continue;
            }
            let built = |index: &Json| built_everywhere(cx, database, id, collection, index.get("id"));
            let finish = |index: &Json| {
                if !is_abandoned(cx, index) {
                    return Some(index.clone());
                }
                match built(index) {
                    Built::Failed => None,
                    Built::Partly => Some(index.clone()),
                    Built::Everywhere => {
                        let mut index = index.clone();
                        if let Json::Object(members) = &mut index {
                            for name in ["isBuilding", "coordinator", "coordinatorRebootId"] {
                                members.shift_remove(name);
                            }
                        }
                        Some(index)
                    }
                }
            };
            let list: Vec<Json> = planned.iter().filter_map(finish).collect();
            if list != *planned {
                let path = format!("Plan/Collections/{database}/{id}/indexes");
                let transaction = Transaction::new().require(&path, Json::Array(planned.clone()));
                cx.push(transaction.set(&path, Json::Array(list)).increment("Plan/Version"));
            }
        }
    }
}

enum Built {
    Everywhere,
    Partly,
    Failed,
}

fn built_everywhere(cx: &Cx<'_>, database: &str, id: &str, collection: &Node, index: Option<&Json>) -> Built {
    let mut outcome = Built::Everywhere;
    for (shard, _) in collection.at("shards").into_iter().flat_map(Node::children) {
        let indexes = cx.tree.at(&format!("Current/Collections/{database}/{id}/{shard}/indexes"));
        let entry = indexes.and_then(Node::as_array).into_iter().flatten().find(|entry| entry.get("id") == index);
        match entry {
            Some(entry) if entry.get("error").and_then(Json::as_bool) == Some(true) => return Built::Failed,
            Some(_) => {}
            None => outcome = Built::Partly,
        }
    }
    outcome
}

/// Entries in Current of collections that are gone, if their servers cannot remove them.
fn lost_collections(cx: &mut Cx<'_>) {
    let databases = cx.tree.at("Current/Collections").into_iter().flat_map(Node::children);
    for (database, collections) in databases {
        for (id, entry) in collections.children() {
            let planned = format!("Plan/Collections/{database}/{id}");
            if cx.tree.at(&planned).is_some() {
                continue;
            }
            let lives = |shard: &Node| {
                shard.at("servers").into_iter().flat_map(Node::strings).any(|server| {
                    let server = bare(server);
                    cx.tree.at(&format!("Plan/DBServers/{server}")).is_some() && !cx.is_failed(server)
                })
            };
            if entry.children().any(|(_, shard)| lives(shard)) {
                continue;
            }
            let path = format!("Current/Collections/{database}/{id}");
            let transaction = Transaction::new().require(&path, entry.to_json()).require_absent(&planned);
            cx.push(transaction.delete(&path).increment("Current/Version"));
        }
    }
}

/// Locks that belong to no open job.
fn orphaned_locks(cx: &mut Cx<'_>) {
    for part in ["Shards", "DBServers"] {
        let locks = cx.tree.at(&format!("Supervision/{part}")).into_iter().flat_map(Node::children);
        for (name, lock) in locks {
            let Some(holder) = lock.as_str() else { continue };
            if Job::open(cx.tree, holder).is_none() {
                let path = format!("Supervision/{part}/{name}");
                let transaction = Transaction::new().delete(&path).require(&path, holder);
                let jobs = [State::ToDo, State::Pending].map(|state| format!("Target/{}/{holder}", state.name()));
                cx.push(jobs.iter().fold(transaction, |transaction, job| transaction.require_absent(job)));
            }
        }
    }
}

/// A FAILED Foxxmaster is replaced by a GOOD coordinator.
fn foxxmaster(cx: &mut Cx<'_>) {
    let Some(master) = cx.tree.str_at("Current/Foxxmaster").filter(|master| !master.is_empty()) else { return };
    let is_planned = cx.tree.at(&format!("Plan/Coordinators/{master}")).is_some();
    if is_planned && !cx.is_failed(master) {
        return;
    }
    let coordinators = cx.tree.at("Plan/Coordinators").into_iter().flat_map(Node::children).map(|(id, _)| id);
    let next = coordinators.into_iter().find(|id| cx.is_good(id)).unwrap_or_default();
    let transaction = Transaction::new().require("Current/Foxxmaster", master).set("Current/Foxxmaster", next);
    cx.push(transaction.set("Current/FoxxmasterQueueupdate", true).increment("Current/Version"));
}

/// Forgets the oldest ended jobs.
fn trim(cx: &mut Cx<'_>) {
    for (state, many, keep) in TRIM {
        let path = format!("Target/{}", state.name());
        if cx.tree.at(&path).map_or(0, Node::len) <= many {
            continue;
        }
        let mut jobs = Job::all(cx.tree, state);
        jobs.sort_by_cached_key(|job| (parse_iso(job.text("timeFinished")), job.id.clone()));
        let surplus = jobs.len().saturating_sub(keep);
        cx.push(jobs.iter().take(surplus).fold(Transaction::new(), |transaction, job| transaction.delete(&job.path())));
    }
}

impl Supervisor {
    /// Forgets servers that have been FAILED for long and hold nothing.
    pub(super) fn forget_expired(&mut self, cx: &mut Cx<'_>) {
        let load = shards::load(cx.tree);
        for (id, seen) in &self.servers {
            let Some(since) = seen.failed_since else { continue };
            let long = cx.input.monotonic.saturating_sub(since) >= cx.input.options.expired_servers_grace_period;
            if !long || load.contains_key(id) || holds_current(cx.tree, id) {
                continue;
            }
            let places = [
                "Plan/DBServers",
                "Plan/Coordinators",
                "Plan/Singles",
                "Current/DBServers",
                "Current/Coordinators",
                "Current/Singles",
                "Current/ServersRegistered",
                "Current/ServersKnown",
                "Supervision/Health",
                "Target/FailedServers",
                "Target/MapUniqueToShortID",
            ];
            let transaction = Transaction::new().require(&format!("Supervision/Health/{id}/Status"), "FAILED");
            let transaction = match cx.tree.get("Plan/Version") {
                Some(version) => transaction.require("Plan/Version", version.clone()),
                None => transaction,
            };
            let transaction = places.iter().fold(transaction, |transaction, place| transaction.delete(&format!("{place}/{id}")));
            cx.push(transaction.increment("Plan/Version").increment("Current/Version"));
        }
    }
}

fn holds_current(tree: &Node, server: &str) -> bool {
    let databases = tree.at("Current/Collections").into_iter().flat_map(Node::children);
    let collections = databases.flat_map(|(_, collections)| collections.children());
    let mut shards = collections.flat_map(|(_, collection)| collection.children());
    shards.any(|(_, shard)| shard.at("servers").into_iter().flat_map(Node::strings).any(|id| bare(id) == server))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn half_built_things_of_a_dead_coordinator_disappear() {
        let mut cluster = Cluster::new(2);
        let mine = json!({"name": "x", "isBuilding": true, "coordinator": "K", "coordinatorRebootId": 1});
        cluster.set("Plan/Coordinators/K", json!("none"));
        cluster.set("Current/ServersKnown/K/rebootId", json!(1));
        cluster.set("Plan/Databases/x", mine.clone());
        cluster.collection("c", "10", &[("s11", &["A"])], None);
        for (name, value) in mine.as_object().unwrap() {
            cluster.set(&format!("Plan/Collections/db/10/{name}"), value.clone());
        }
        cluster.step(tidy);
        assert!(cluster.has("Plan/Databases/x") && cluster.has("Plan/Collections/db/10"));
        cluster.set("Current/ServersKnown/K/rebootId", json!(2));
        cluster.step(tidy);
        assert!(!cluster.has("Plan/Databases/x") && !cluster.has("Plan/Collections/db/10"));
    }

    #[test]
    fn indexes_of_a_dead_coordinator_are_finished_or_taken_back() {
        let mut cluster = Cluster::new(2);
        cluster.set("Plan/Coordinators/K", json!("none"));
        cluster.set("Current/ServersKnown/K/rebootId", json!(2));
        cluster.collection("c", "10", &[("s11", &["A"]), ("s12", &["B"])], None);
        let index = |id: &str| json!({"id": id, "isBuilding": true, "coordinator": "K", "coordinatorRebootId": 1});
        let others = json!({"id": "4", "isBuilding": true, "coordinator": "K", "coordinatorRebootId": 2});
        cluster.set("Plan/Collections/db/10/indexes", json!([index("1"), index("2"), index("3"), others]));
        cluster.set("Current/Collections/db/10/s11/indexes", json!([{"id": "1"}, {"id": "2"}, {"id": "3"}, {"id": "4"}]));
        cluster.set("Current/Collections/db/10/s12/indexes", json!([{"id": "1"}, {"id": "3", "error": true}, {"id": "4"}]));
        cluster.step(tidy);
        assert_eq!(cluster.json("Plan/Collections/db/10/indexes"), json!([{"id": "1"}, index("2"), others]));
    }

    #[test]
    fn locks_without_a_job_are_removed() {
        let mut cluster = Cluster::new(2);
        cluster.set("Supervision/Shards/s1", json!("7"));
        cluster.set("Supervision/Shards/s2", json!("8"));
        cluster.job("8", json!({"type": "moveShard"}));
        cluster.step(tidy);
        assert!(!cluster.has("Supervision/Shards/s1") && cluster.has("Supervision/Shards/s2"));
    }

    #[test]
    fn current_of_lost_collections_is_removed_only_without_living_servers() {
        let mut cluster = Cluster::new(2);
        cluster.collection("c", "10", &[("s11", &["A"])], None);
        cluster.remove("Plan/Collections/db/10");
        cluster.step(tidy);
        assert!(cluster.has("Current/Collections/db/10"));
        cluster.fail("A");
        cluster.step(tidy);
        assert!(!cluster.has("Current/Collections/db/10"));
    }

    #[test]
    fn a_failed_foxxmaster_is_replaced() {
        let mut cluster = Cluster::new(1);
        for id in ["K", "L"] {
            cluster.set(&format!("Plan/Coordinators/{id}"), json!("none"));
            cluster.set(&format!("Supervision/Health/{id}/Status"), json!("GOOD"));
        }
        cluster.set("Current/Foxxmaster", json!("K"));
        cluster.step(tidy);
        assert_eq!(cluster.text("Current/Foxxmaster"), "K");
        cluster.fail("K");
        cluster.step(tidy);
        assert_eq!(cluster.text("Current/Foxxmaster"), "L");
    }

    #[test]
    fn old_jobs_are_trimmed() {
        let mut cluster = Cluster::new(1);
        for n in 0..1001_u64 {
            let time = rt::clock::iso(n * 1000);
            cluster.set(&format!("Target/Finished/{n}"), json!({"type": "addFollower", "timeFinished": time}));
        }
        cluster.step(tidy);
        assert!(!cluster.has("Target/Finished/500") && cluster.has("Target/Finished/501"));
    }

    #[test]
    fn the_old_form_of_failed_servers_is_upgraded() {
        let mut cluster = Cluster::new(1);
        cluster.set("Target/FailedServers", json!(["A"]));
        cluster.step(tidy);
        assert_eq!(cluster.json("Target/FailedServers"), json!({"A": []}));
    }
}
