//! `moveShard`: moves a replica of a shard (and of all shards distributed like it) from one server to
//! another. The Plan itself tells how far the job is.
//!
//! A follower: plan the new server too, wait until it is in sync, take the old one out.
//! A leader: `[from, to, …]`, wait for `to`; `[_from, to, …]` (please resign), wait until `from` has
//! resigned; `[to, …, from]`, wait until everyone is in sync; without `from`.
//!
//! Invariant: `to` becomes leader only after `from` has reported that it resigned and while `to`
//! stands in Current of every shard.

use super::Cx;
use super::job::{Job, State};
use super::shards::{self, Group, bare};
use crate::transaction::Transaction;
use serde_json::json;

/// Limits: a job that takes longer is aborted.
const LEADER_SECONDS_MAX: u64 = 43_200;
const FOLLOWER_SECONDS_MAX: u64 = 10_000;

fn group(cx: &Cx<'_>, job: &Job) -> Option<Group> {
    shards::find(cx.tree, job.text("database"), job.text("collection"), job.text("shard"))
}

/// The servers of the Plan without these two.
fn others(group: &Group, from: &str, to: &str) -> Vec<String> {
    group.planned().iter().map(|id| bare(id).to_owned()).filter(|id| id != from && id != to).collect()
}

fn list(head: &[&str], middle: &[String], tail: &[&str]) -> Vec<String> {
    let head = head.iter().map(|id| (*id).to_owned());
    head.chain(middle.iter().cloned()).chain(tail.iter().map(|id| (*id).to_owned())).collect()
}

/// Checks the wish, locks the shard, plans the new server.
pub fn start(cx: &mut Cx<'_>, job: &Job) {
    let (from, to) = (job.text("fromServer").to_owned(), job.text("toServer").to_owned());
    let Some(group) = group(cx, job) else { return cx.push(job.end(cx, State::Failed, "the collection is gone")) };
    if let Err(reason) = check(cx, &group, &from, &to) {
        return cx.push(job.end(cx, State::Failed, reason));
    }
    if group.locked_by(cx).is_some() || !cx.touched.insert(group.first().name.clone()) {
        return;
    }
    let is_leader = group.planned().first() == Some(&from);
    let was_planned = group.planned().contains(&to);
    let rest = others(&group, &from, &to);
    let servers = if is_leader { list(&[&from, &to], &rest, &[]) } else { list(&[], group.planned(), &[&to]) };
    let more = [("isLeader".to_owned(), json!(is_leader)), ("toWasFollower".to_owned(), json!(was_planned))];
    let transaction = group.lock(job.moved_with(cx, State::Pending, more.into_iter().collect()), &job.id);
    let transaction = group.plan(transaction, &servers);
    cx.push(transaction.require(&format!("Supervision/Health/{to}/Status"), "GOOD").require_not_in("Target/CleanedServers", to));
}

fn check(cx: &Cx<'_>, group: &Group, from: &str, to: &str) -> Result<(), &'static str> {
    let position = |server: &str| group.planned().iter().position(|id| bare(id) == server);
    let from_at = position(from).ok_or("fromServer has no replica of the shard")?;
    if from == to {
        return Err("fromServer and toServer are the same");
    }
    if cx.tree.at(&format!("Plan/DBServers/{to}")).is_none() || !cx.is_good(to) {
        return Err("toServer is not GOOD");
    }
    if cx.is_cleaned(to) {
        return Err("toServer is cleaned out");
    }
    if group.is_building {
        return Err("the collection is still being created");
    }
    match position(to) {
        Some(_) if from_at != 0 => Err("toServer has a replica already"),
        Some(_) if !group.is_in_sync(to) => Err("toServer is not in sync"),
        Some(_) => Ok(()),
        None if !group.is_unknown_to(to) => Err("toServer still is a failover candidate"),
        None => Ok(()),
    }
}

/// The next step, if its time has come.
pub fn run(cx: &mut Cx<'_>, job: &Job) {
    let Some(group) = group(cx, job) else {
        let lock = format!("Supervision/Shards/{}", job.text("shard"));
        return cx.push(job.end(cx, State::Finished, "the collection is gone").delete(&lock));
    };
    let (from, to) = (job.text("fromServer").to_owned(), job.text("toServer").to_owned());
    let seconds_max = if job.flag("isLeader") { LEADER_SECONDS_MAX } else { FOLLOWER_SECONDS_MAX };
    if cx.is_failed(&to) || cx.is_failed(&from) || job.age_seconds(cx) > seconds_max {
        return abort(cx, job, "a server failed or it took too long");
    }
    if !cx.touched.insert(group.first().name.clone()) {
        return;
    }
    if job.flag("isLeader") { run_leader(cx, job, &group, &from, &to) } else { run_follower(cx, job, &group, &from, &to) }
}

fn run_follower(cx: &mut Cx<'_>, job: &Job, group: &Group, from: &str, to: &str) {
    if group.is_leader_confirmed() && group.is_in_sync(to) {
        let servers: Vec<String> = group.planned().iter().filter(|id| *id != from).cloned().collect();
        let transaction = group.unlock(group.plan(job.moved(cx, State::Finished), &servers));
        cx.push(in_current(transaction, group, to));
    }
}

/// Requires that `to` is in sync in every shard.
fn in_current(transaction: Transaction, group: &Group, to: &str) -> Transaction {
    group.shards.iter().fold(transaction, |transaction, shard| {
        transaction.require_in(&format!("Current/Collections/{}/{}/{}/servers", group.database, shard.collection, shard.name), to)
    })
}

fn run_leader(cx: &mut Cx<'_>, job: &Job, group: &Group, from: &str, to: &str) {
    let leader = group.planned().first().map_or("", String::as_str);
    let resigned = format!("_{from}");
    let rest = others(group, from, to);
    let here = Transaction::new().require_present(&job.path());
    if leader == from {
        if group.is_leader_confirmed() && group.is_in_sync(to) {
            cx.push(in_current(group.plan(here, &list(&[&resigned, to], &rest, &[])), group, to));
        }
    } else if leader == resigned {
        if group.is_leader_confirmed() {
            cx.push(in_current(group.plan(here, &list(&[to], &rest, &[from])), group, to));
        }
    } else if leader == to {
        let in_sync = |id: &String| id == from || group.is_in_sync(id);
        if group.is_leader_confirmed() && group.planned().iter().all(in_sync) {
            let transaction = group.unlock(job.moved(cx, State::Finished));
            let transaction = if job.flag("remainsFollower") { transaction } else { group.plan(transaction, &list(&[to], &rest, &[])) };
            cx.push(transaction);
        }
    } else {
        cx.push(group.unlock(job.end(cx, State::Failed, "somebody else changed the leader")));
    }
}

/// Takes the Plan back; after the new leader is planned there is no way back, and the job ends there.
pub fn abort(cx: &mut Cx<'_>, job: &Job, reason: &str) {
    let Some(group) = group(cx, job) else { return };
    let (from, to) = (job.text("fromServer").to_owned(), job.text("toServer").to_owned());
    let rest = others(&group, &from, &to);
    let transaction = group.unlock(job.end(cx, State::Failed, reason));
    let leader = group.planned().first().map_or("", |id| bare(id));
    let servers = if !job.flag("isLeader") {
        group.planned().iter().filter(|id| **id != to).cloned().collect()
    } else if leader == from {
        if job.flag("toWasFollower") { list(&[&from, &to], &rest, &[]) } else { list(&[&from], &rest, &[]) }
    } else {
        return cx.push(transaction);
    };
    cx.push(group.plan(transaction, &servers));
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const PLAN: &str = "Plan/Collections/db/10/shards/s11";

    fn cluster(from: &str, to: &str) -> Cluster {
        let mut cluster = Cluster::new(4);
        cluster.collection("c", "10", &[("s11", &["A", "B"])], None);
        cluster.collection("d", "20", &[("s21", &["A", "B"])], Some("10"));
        let entry = json!({"type": "moveShard", "database": "db", "collection": "10", "shard": "s11", "fromServer": from, "toServer": to});
        cluster.job("1", entry);
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        cluster
    }

    fn both(cluster: &mut Cluster, servers: &[&str]) {
        cluster.current("10", "s11", servers);
        cluster.current("20", "s21", servers);
    }

    fn go(cluster: &mut Cluster) -> serde_json::Value {
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert_eq!(cluster.json(PLAN), cluster.json("Plan/Collections/db/20/shards/s21"));
        cluster.json(PLAN)
    }

    #[test]
    fn a_leader_moves_in_five_steps() {
        let mut cluster = cluster("A", "C");
        assert_eq!(cluster.json(PLAN), json!(["A", "C", "B"]));
        assert_eq!(go(&mut cluster), json!(["A", "C", "B"]));
        cluster.current("10", "s11", &["A", "B", "C"]);
        assert_eq!(go(&mut cluster), json!(["A", "C", "B"]));
        both(&mut cluster, &["A", "B", "C"]);
        assert_eq!(go(&mut cluster), json!(["_A", "C", "B"]));
        assert_eq!(go(&mut cluster), json!(["_A", "C", "B"]));
        both(&mut cluster, &["_A", "C", "B"]);
        assert_eq!(go(&mut cluster), json!(["C", "B", "A"]));
        both(&mut cluster, &["C"]);
        assert_eq!(go(&mut cluster), json!(["C", "B", "A"]));
        both(&mut cluster, &["C", "B"]);
        assert_eq!(go(&mut cluster), json!(["C", "B"]));
        assert!(cluster.has("Target/Finished/1") && !cluster.has("Supervision/Shards/s11"));
    }

    #[test]
    fn a_follower_moves_when_the_new_one_is_in_sync() {
        let mut cluster = cluster("B", "D");
        assert_eq!(go(&mut cluster), json!(["A", "B", "D"]));
        both(&mut cluster, &["A", "B", "D"]);
        assert_eq!(go(&mut cluster), json!(["A", "D"]));
        assert!(cluster.has("Target/Finished/1"));
    }

    #[test]
    fn abort_before_the_change_restores_and_after_it_leaves_the_new_leader() {
        let mut first = cluster("A", "C");
        both(&mut first, &["A", "B", "C"]);
        assert_eq!(go(&mut first), json!(["_A", "C", "B"]));
        first.fail("C");
        assert_eq!(go(&mut first), json!(["A", "B"]));
        assert!(first.has("Target/Failed/1") && !first.has("Supervision/Shards/s11"));

        let mut second = cluster("A", "C");
        both(&mut second, &["A", "B", "C"]);
        go(&mut second);
        both(&mut second, &["_A", "C", "B"]);
        go(&mut second);
        second.fail("A");
        assert_eq!(go(&mut second), json!(["C", "B", "A"]));
        assert!(second.has("Target/Failed/1"));
    }

    #[test]
    fn impossible_wishes_fail_at_once() {
        for (from, to) in [("D", "C"), ("A", "A"), ("B", "A"), ("A", "nobody")] {
            assert!(cluster(from, to).has("Target/Failed/1"), "{from} {to}");
        }
        assert!(cluster("A", "B").has("Target/Pending/1"));
    }
}
