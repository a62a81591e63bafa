//! `addFollower`: a shard has too few living replicas; free servers are added to its Plan. Ends at
//! once: the new followers synchronise by themselves.

use super::Cx;
use super::job::{Job, State};
use super::shards;

/// Plans as many followers as are missing.
pub fn start(cx: &mut Cx<'_>, job: &Job) {
    let group = shards::find(cx.tree, job.text("database"), job.text("collection"), job.text("shard"));
    let Some(group) = group else { return cx.push(job.end(cx, State::Finished, "the collection is gone")) };
    if group.locked_by(cx).is_some() {
        return;
    }
    let alive = group.planned().iter().filter(|id| !cx.is_failed(shards::bare(id))).count();
    let missing = group.replication_factor.saturating_sub(alive);
    if missing == 0 {
        return cx.push(job.end(cx, State::Finished, "there are enough replicas"));
    }
    let free: Vec<String> = cx.free_servers().into_iter().filter(|id| group.is_unknown_to(id)).take(missing).collect();
    if free.is_empty() {
        return cx.push(job.end(cx, State::Failed, "there is no free server"));
    }
    let servers: Vec<String> = group.planned().iter().cloned().chain(free.iter().cloned()).collect();
    let transaction = group.plan(job.moved(cx, State::Finished), &servers).require_absent(&group.lock_path());
    cx.push(free.iter().fold(transaction, |transaction, id| transaction.require(&format!("Supervision/Health/{id}/Status"), "GOOD")));
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use serde_json::json;

    #[test]
    fn missing_replicas_are_added_to_all_clones() {
        let mut cluster = Cluster::new(3);
        cluster.collection("c", "10", &[("s11", &["A"])], None);
        cluster.collection("d", "20", &[("s21", &["A"])], Some("10"));
        cluster.set("Plan/Collections/db/10/replicationFactor", json!(2));
        cluster.job("1", json!({"type": "addFollower", "database": "db", "collection": "10", "shard": "s11"}));
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        assert_eq!(cluster.json("Plan/Collections/db/10/shards/s11"), json!(["A", "B"]));
        assert_eq!(cluster.json("Plan/Collections/db/20/shards/s21"), json!(["A", "B"]));
        assert!(cluster.has("Target/Finished/1"));
    }

    #[test]
    fn a_locked_shard_waits_and_a_full_one_is_done() {
        let mut cluster = Cluster::new(3);
        cluster.collection("c", "10", &[("s11", &["A", "B"])], None);
        cluster.set("Supervision/Shards/s11", json!("9"));
        cluster.job("1", json!({"type": "addFollower", "database": "db", "collection": "10", "shard": "s11"}));
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/ToDo/1"));
        cluster.remove("Supervision/Shards/s11");
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        assert_eq!(cluster.json("Plan/Collections/db/10/shards/s11"), json!(["A", "B"]));
        assert!(cluster.has("Target/Finished/1"));
    }
}
