//! `failedLeader`: makes an in-sync follower the leader of a shard (and of all shards distributed
//! like it), because the leader is FAILED.
//!
//! Invariant: only a server that Current names as failover candidate in every shard can become
//! leader; the transaction requires that Current has not changed since it was looked at.

use super::Cx;
use super::job::{Job, State};
use super::shards::{self, Group, bare};
use serde_json::json;

/// Limit: a job that does not come to its end in this time fails.
const SECONDS_MAX: u64 = 4620;

fn group(cx: &Cx<'_>, job: &Job) -> Option<Group> {
    shards::find(cx.tree, job.text("database"), job.text("collection"), job.text("shard"))
}

/// Plans the new leader, if there is one to take.
pub fn start(cx: &mut Cx<'_>, job: &Job) {
    let from = job.text("fromServer").to_owned();
    let Some(group) = group(cx, job) else { return cx.push(job.end(cx, State::Finished, "the collection is gone")) };
    if group.planned().first().map(|id| bare(id)) != Some(&from) {
        return cx.push(job.end(cx, State::Finished, "the server does not lead any more"));
    }
    if !cx.is_failed(&from) {
        return cx.push(job.end(cx, State::Finished, "the server is back"));
    }
    if let Some(holder) = group.locked_by(cx) {
        match Job::open(cx.tree, holder) {
            Some(holder) => {
                if holder.is_abortable() {
                    holder.abort(cx, "the leader has failed");
                }
            }
            None => {
                let free = crate::Transaction::new().delete(&group.lock_path()).require(&group.lock_path(), holder);
                cx.push(free);
            }
        }
        return;
    }
    let Some(to) = candidate(cx, &group, &from) else { return };
    let more = [("toServer".to_owned(), json!(to))].into_iter().collect();
    let transaction = job.moved_with(cx, State::Pending, more);
    let transaction = group.lock(transaction, &job.id);
    let transaction = group.require_current(transaction);
    let transaction = group.plan(transaction, &new_plan(&group, &from, &to));
    let transaction = transaction
        .require(&format!("Supervision/Health/{from}/Status"), "FAILED")
        .require(&format!("Supervision/Health/{to}/Status"), "GOOD");
    tracing::info!(shard = group.first().name, from, to, "failover");
    cx.push(transaction);
}

/// The server to take: a candidate of every shard, planned, GOOD; one that is in sync everywhere and
/// not about to be cleaned out if possible.
fn candidate(cx: &Cx<'_>, group: &Group, from: &str) -> Option<String> {
    let possible = |server: &&String| {
        *server != from
            && cx.is_good(server)
            && group.shards.iter().all(|shard| shard.candidates.contains(server) && shard.planned.contains(server))
    };
    let possible: Vec<&String> = group.planned().iter().filter(possible).collect();
    let best = possible.iter().find(|server| group.is_in_sync(server) && !cx.is_cleaned(server));
    let best = best.or_else(|| possible.iter().find(|server| group.is_in_sync(server)));
    best.or_else(|| possible.first()).map(|server| (*server).clone())
}

/// New leader, other in-sync followers, the failed one, followers that were not in sync.
fn new_plan(group: &Group, from: &str, to: &str) -> Vec<String> {
    let others = || group.planned().iter().map(|id| bare(id).to_owned()).filter(|id| id != from && id != to);
    let mut servers = vec![to.to_owned()];
    servers.extend(others().filter(|id| group.is_in_sync(id)));
    servers.push(from.to_owned());
    servers.extend(others().filter(|id| !group.is_in_sync(id)));
    servers
}

/// Ends when the new leader has reported.
pub fn run(cx: &mut Cx<'_>, job: &Job) {
    let to = job.text("toServer");
    let Some(group) = group(cx, job) else {
        let lock = format!("Supervision/Shards/{}", job.text("shard"));
        return cx.push(job.end(cx, State::Finished, "the collection is gone").delete(&lock));
    };
    if group.is_leader_confirmed() {
        cx.push(group.unlock(job.moved(cx, State::Finished)));
    } else if cx.is_failed(to) {
        cx.push(group.unlock(job.end(cx, State::Failed, "the new leader has failed too")));
    } else if job.age_seconds(cx) > SECONDS_MAX {
        cx.push(group.unlock(job.end(cx, State::Failed, "the new leader did not report in time")));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn cluster() -> Cluster {
        let mut cluster = Cluster::new(4);
        cluster.collection("c", "10", &[("s11", &["A", "B", "C"])], None);
        cluster.collection("d", "20", &[("s21", &["A", "B", "C"])], Some("10"));
        cluster.fail("A");
        cluster.job("1", json!({"type": "failedLeader", "database": "db", "collection": "10", "shard": "s11", "fromServer": "A"}));
        cluster
    }

    fn started(cluster: &mut Cluster) -> bool {
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        cluster.has("Target/Pending/1")
    }

    #[test]
    fn the_first_common_candidate_leads_all_clones() {
        let mut cluster = cluster();
        cluster.current("10", "s11", &["A", "C", "B"]);
        cluster.current("20", "s21", &["A", "C"]);
        assert!(started(&mut cluster));
        for path in ["Plan/Collections/db/10/shards/s11", "Plan/Collections/db/20/shards/s21"] {
            assert_eq!(cluster.json(path), json!(["C", "A", "B"]));
        }
        assert_eq!(cluster.json("Plan/Version"), json!(2));
        assert_eq!(cluster.text("Supervision/Shards/s11"), "1");
        // Not finished before both have reported.
        cluster.current("10", "s11", &["C"]);
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/Pending/1"));
        cluster.current("20", "s21", &["C"]);
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/Finished/1") && !cluster.has("Supervision/Shards/s11"));
    }

    #[test]
    fn nobody_leads_without_being_a_candidate_everywhere() {
        let mut cluster = cluster();
        cluster.current("10", "s11", &["A", "B"]);
        cluster.current("20", "s21", &["A", "C"]);
        assert!(!started(&mut cluster));
        assert!(cluster.has("Target/ToDo/1"));
    }

    #[test]
    fn candidates_must_be_good() {
        let mut cluster = cluster();
        for (collection, shard) in [("10", "s11"), ("20", "s21")] {
            cluster.current(collection, shard, &["A", "B"]);
        }
        cluster.set("Supervision/Health/B/Status", json!("BAD"));
        assert!(!started(&mut cluster));
        cluster.set("Supervision/Health/B/Status", json!("GOOD"));
        assert!(started(&mut cluster));
    }

    #[test]
    fn failover_candidates_may_lead_though_not_in_sync() {
        let mut cluster = cluster();
        for (collection, shard) in [("10", "s11"), ("20", "s21")] {
            cluster.current(collection, shard, &["A"]);
            cluster.set(&format!("Current/Collections/db/{collection}/{shard}/failoverCandidates"), json!(["A", "C"]));
        }
        assert!(started(&mut cluster));
        assert_eq!(cluster.json("Plan/Collections/db/10/shards/s11"), json!(["C", "A", "B"]));
    }

    #[test]
    fn a_change_of_current_in_between_forbids_the_failover() {
        let mut cluster = cluster();
        for (collection, shard) in [("10", "s11"), ("20", "s21")] {
            cluster.current(collection, shard, &["A", "B"]);
        }
        let transactions = cluster.decide(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        cluster.current("20", "s21", &["A"]);
        assert_eq!(cluster.apply(transactions), [false]);
    }

    #[test]
    fn a_server_that_is_back_stays_leader() {
        let mut cluster = cluster();
        cluster.revive("A");
        assert!(!started(&mut cluster));
        assert!(cluster.has("Target/Finished/1"));
    }

    #[test]
    fn a_move_under_way_is_aborted_first() {
        let mut cluster = cluster();
        for (collection, shard) in [("10", "s11"), ("20", "s21")] {
            cluster.current(collection, shard, &["A", "B"]);
        }
        cluster.set("Supervision/Shards/s11", json!("7"));
        cluster.set("Target/ToDo/7", json!({"type": "moveShard"}));
        assert!(!started(&mut cluster));
        assert!(cluster.has("Target/Failed/7"));
    }

    #[test]
    fn a_new_leader_that_fails_too_ends_the_job() {
        let mut cluster = cluster();
        for (collection, shard) in [("10", "s11"), ("20", "s21")] {
            cluster.current(collection, shard, &["A", "B"]);
        }
        assert!(started(&mut cluster));
        cluster.fail("B");
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/Failed/1") && !cluster.has("Supervision/Shards/s11"));
    }
}
