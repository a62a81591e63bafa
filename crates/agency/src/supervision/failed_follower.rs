//! `failedFollower`: replaces a FAILED follower of a shard by a free server. The failed one stays at
//! the end of the list: if it comes back before the new one is in sync, nothing was lost;
//! `removeFollower` shortens the list afterwards.

use super::Cx;
use super::job::{Job, State};
use super::shards::{self, bare};
use serde_json::json;

/// Limit: a job that finds no server in this time fails; `enforceReplication` goes on trying.
const SECONDS_MAX: u64 = 4620;

/// Plans the replacement, if there is one; ends at once.
pub fn start(cx: &mut Cx<'_>, job: &Job) {
    let from = job.text("fromServer").to_owned();
    let group = shards::find(cx.tree, job.text("database"), job.text("collection"), job.text("shard"));
    let Some(group) = group else { return cx.push(job.end(cx, State::Finished, "the collection is gone")) };
    match group.planned().iter().position(|id| bare(id) == from) {
        None => return cx.push(job.end(cx, State::Finished, "the server does not follow any more")),
        Some(0) => return cx.push(job.end(cx, State::Finished, "the server leads now")),
        Some(_) => {}
    }
    if !cx.is_failed(&from) {
        return cx.push(job.end(cx, State::Finished, "the server is back"));
    }
    if group.locked_by(cx).is_some() || job.age_seconds(cx) < cx.input.options.delay_failed_follower.as_secs() {
        return;
    }
    if job.age_seconds(cx) > SECONDS_MAX {
        return cx.push(job.end(cx, State::Failed, "no server took its place in time"));
    }
    let Some(to) = cx.free_servers().into_iter().find(|id| group.is_unknown_to(id)) else { return };
    let mut servers: Vec<String> = group.planned().iter().filter(|id| bare(id) != from).cloned().collect();
    servers.push(to.clone());
    servers.push(from.clone());
    let more = [("toServer".to_owned(), json!(to))].into_iter().collect();
    let transaction = group.plan(job.moved_with(cx, State::Finished, more), &servers).require_absent(&group.lock_path());
    let transaction = transaction
        .require(&format!("Supervision/Health/{from}/Status"), "FAILED")
        .require(&format!("Supervision/Health/{to}/Status"), "GOOD");
    cx.push(transaction);
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_free_server_takes_the_place_and_the_failed_one_goes_last() {
        let mut cluster = Cluster::new(4);
        cluster.collection("c", "10", &[("s11", &["B", "A", "C"])], None);
        cluster.collection("d", "20", &[("s21", &["B", "A", "C"])], Some("10"));
        cluster.fail("A");
        cluster.job("1", json!({"type": "failedFollower", "database": "db", "collection": "10", "shard": "s11", "fromServer": "A"}));
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        // Patience first.
        assert!(cluster.has("Target/ToDo/1"));
        cluster.pass_seconds(60);
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        assert_eq!(cluster.json("Plan/Collections/db/10/shards/s11"), json!(["B", "C", "D", "A"]));
        assert_eq!(cluster.json("Plan/Collections/db/20/shards/s21"), json!(["B", "C", "D", "A"]));
        assert!(cluster.has("Target/Finished/1"));
    }

    #[test]
    fn without_a_free_server_it_waits() {
        let mut cluster = Cluster::new(2);
        cluster.collection("c", "10", &[("s11", &["B", "A"])], None);
        cluster.fail("A");
        cluster.job("1", json!({"type": "failedFollower", "database": "db", "collection": "10", "shard": "s11", "fromServer": "A"}));
        cluster.pass_seconds(60);
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/ToDo/1"));
    }
}
