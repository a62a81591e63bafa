//! `cleanOutServer`: moves everything away from a DB-server, by one `moveShard` for each shard. The
//! server gets no new shards from the beginning (`ToBeCleanedServers`), and for ever if it ends well
//! (`CleanedServers`). `resignLeadership` shares all but the beginning.

use super::Cx;
use super::job::{Job, State, new_entry};
use super::shards::{self, Group};
use crate::transaction::Transaction;
use serde_json::{Value as Json, json};

/// Limit: a job that takes longer is aborted.
const SECONDS_MAX: u64 = 86_400;

/// Checks the wish and makes the children.
pub fn start(cx: &mut Cx<'_>, job: &Job) {
    let server = job.text("server").to_owned();
    if let Some(wait) = refuse_or_wait(cx, job, &server) {
        return wait;
    }
    let others: Vec<String> = cx.free_servers().into_iter().filter(|id| *id != server).collect();
    let mut children = Vec::new();
    for group in shards::groups(cx.tree) {
        if !group.planned().contains(&server) {
            continue;
        }
        let at = (children.len()) % others.len().max(1);
        let turn = others.iter().cycle().skip(at).take(others.len());
        let Some(to) = turn.into_iter().find(|id| group.is_unknown_to(id)) else {
            return cx.push(job.end(cx, State::Failed, "a shard finds no other server"));
        };
        children.push(child(cx, job, &group, &server, to, children.len(), false));
    }
    begin(cx, job, &server, children, true);
}

/// Ends or delays a job that cannot start; `None` if it can.
pub fn refuse_or_wait(cx: &mut Cx<'_>, job: &Job, server: &str) -> Option<()> {
    let refusal = if cx.tree.at(&format!("Plan/DBServers/{server}")).is_none() {
        "the server is not known"
    } else if cx.is_cleaned(server) {
        "the server is cleaned out already"
    } else if !cx.is_good(server) {
        "the server is not GOOD"
    } else if cx.db_servers().len() < 2 {
        "there is no other server"
    } else {
        let lock = cx.tree.at(&format!("Supervision/DBServers/{server}"));
        let is_free = lock.is_none_or(|lock| lock.is_branch() && lock.is_empty());
        return (!is_free).then_some(());
    };
    cx.push(job.end(cx, State::Failed, refusal));
    Some(())
}

/// A job that moves the shard of `group` from `server` to `to`.
pub fn child(cx: &Cx<'_>, job: &Job, group: &Group, server: &str, to: &str, number: usize, remains: bool) -> (String, Json) {
    let id = format!("{}-{number}", job.id);
    let shard = group.first();
    let is_leader = shard.planned.first().is_some_and(|id| id == server);
    let more = json!({
        "parentJob": job.id, "database": group.database, "collection": shard.collection, "shard": shard.name,
        "fromServer": server, "toServer": to, "isLeader": is_leader, "remainsFollower": remains,
    });
    let entry = new_entry(cx, "moveShard", &id, &job.id, more);
    (id, entry)
}

/// Locks the server and makes the children, provided that the Plan has not changed.
pub fn begin(cx: &mut Cx<'_>, job: &Job, server: &str, children: Vec<(String, Json)>, cleans: bool) {
    let lock = format!("Supervision/DBServers/{server}");
    let transaction = job.moved(cx, State::Pending).set(&lock, job.id.as_str());
    // An empty object is as good as nothing.
    let is_there = cx.tree.at(&lock).is_some();
    let transaction = if is_there { transaction.require(&lock, json!({})) } else { transaction.require_absent(&lock) };
    let mut transaction = transaction.require(&format!("Supervision/Health/{server}/Status"), "GOOD");
    if let Some(version) = cx.tree.get("Plan/Version") {
        transaction = transaction.require("Plan/Version", version.clone());
    }
    if cleans {
        transaction = transaction.push("Target/ToBeCleanedServers", server);
    }
    cx.push(children.into_iter().fold(transaction, |transaction, (id, entry)| {
        let path = format!("Target/ToDo/{id}");
        transaction.set(&path, entry).require_absent(&path)
    }));
}

/// Ends with the last child.
pub fn run(cx: &mut Cx<'_>, job: &Job) {
    if job.age_seconds(cx) > SECONDS_MAX {
        return abort(cx, job, "it took too long");
    }
    if !Job::children(cx.tree, &job.id).is_empty() {
        return;
    }
    let prefix = format!("{}-", job.id);
    let failed = Job::all(cx.tree, State::Failed).iter().any(|child| child.id.starts_with(&prefix));
    if failed {
        return abort(cx, job, "a shard could not be moved");
    }
    let server = job.text("server");
    let transaction = leave(job, job.moved(cx, State::Finished));
    let transaction = if job.kind() == "cleanOutServer" { transaction.push("Target/CleanedServers", server) } else { transaction };
    cx.push(transaction);
}

/// Gives back the lock and the mark.
fn leave(job: &Job, transaction: Transaction) -> Transaction {
    let server = job.text("server");
    let transaction = transaction.delete(&format!("Supervision/DBServers/{server}"));
    if job.kind() == "cleanOutServer" { transaction.erase("Target/ToBeCleanedServers", server) } else { transaction }
}

/// Aborts what is open and gives up.
pub fn abort(cx: &mut Cx<'_>, job: &Job, reason: &str) {
    let open = Job::children(cx.tree, &job.id);
    for child in &open {
        child.abort(cx, reason);
    }
    let transaction = leave(job, job.end(cx, State::Failed, reason));
    cx.push(transaction);
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn cluster() -> Cluster {
        let mut cluster = Cluster::new(4);
        cluster.collection("c", "10", &[("s11", &["A", "B"]), ("s12", &["C", "A"]), ("s13", &["C", "B"])], None);
        cluster.job("1", json!({"type": "cleanOutServer", "server": "A"}));
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        cluster
    }

    #[test]
    fn every_shard_is_moved_and_then_the_server_is_clean() {
        let mut cluster = cluster();
        assert_eq!(cluster.json("Target/ToBeCleanedServers"), json!(["A"]));
        let first = cluster.json("Target/ToDo/1-0");
        assert_eq!((&first["shard"], &first["isLeader"], &first["fromServer"]), (&json!("s11"), &json!(true), &json!("A")));
        assert!(first["toServer"] == "C" || first["toServer"] == "D");
        assert!(cluster.has("Target/ToDo/1-1") && !cluster.has("Target/ToDo/1-2"));
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/Pending/1"));
        cluster.remove("Target/ToDo/1-0");
        cluster.remove("Target/ToDo/1-1");
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert_eq!(cluster.json("Target/CleanedServers"), json!(["A"]));
        assert_eq!(cluster.json("Target/ToBeCleanedServers"), json!([]));
        assert!(cluster.has("Target/Finished/1") && !cluster.has("Supervision/DBServers/A"));
    }

    #[test]
    fn abort_ends_the_children_too() {
        let mut cluster = cluster();
        cluster.step(|cx| abort(cx, &Job::open(cx.tree, "1").unwrap(), "enough"));
        for id in ["1", "1-0", "1-1"] {
            assert!(cluster.has(&format!("Target/Failed/{id}")), "{id}");
        }
        assert_eq!(cluster.json("Target/ToBeCleanedServers"), json!([]));
        assert!(!cluster.has("Supervision/DBServers/A"));
    }

    #[test]
    fn impossible_wishes_fail() {
        for server in ["B", "nobody"] {
            let mut cluster = Cluster::new(2);
            cluster.collection("c", "10", &[("s11", &["A", "B"])], None);
            cluster.job("1", json!({"type": "cleanOutServer", "server": server}));
            cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
            assert!(cluster.has("Target/Failed/1"), "{server}");
        }
    }
}
