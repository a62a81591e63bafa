//! `removeFollower`: a shard has more planned servers than wanted, and enough of them are in sync:
//! the least useful followers leave the Plan.

use super::Cx;
use super::job::{Job, State};
use super::shards::{self, Group};

/// Shortens the list of planned servers; ends at once.
pub fn start(cx: &mut Cx<'_>, job: &Job) {
    let group = shards::find(cx.tree, job.text("database"), job.text("collection"), job.text("shard"));
    let Some(group) = group else { return cx.push(job.end(cx, State::Finished, "the collection is gone")) };
    if group.locked_by(cx).is_some() {
        return;
    }
    match remaining(cx, &group) {
        None => cx.push(job.end(cx, State::Finished, "nothing may be removed")),
        Some(servers) => {
            let transaction = group.require_current(job.moved(cx, State::Finished)).require_absent(&group.lock_path());
            cx.push(group.plan(transaction, &servers));
        }
    }
}

/// The planned servers without the surplus; `None` if none may go.
pub fn remaining(cx: &Cx<'_>, group: &Group) -> Option<Vec<String>> {
    let wanted = group.replication_factor.max(1);
    let planned = group.planned();
    if planned.len() <= wanted || !group.is_leader_confirmed() {
        return None;
    }
    let leader = planned.first()?;
    let mut followers: Vec<&String> = planned.iter().skip(1).collect();
    while followers.len() + 1 > wanted {
        // `max_by_key` takes the last of equals: removal begins at the end of the list.
        let (at, _) = followers.iter().enumerate().max_by_key(|(_, id)| uselessness(cx, group, id))?;
        followers.remove(at);
    }
    let remaining: Vec<String> = std::iter::once(leader).chain(followers).cloned().collect();
    let useful = remaining.iter().all(|id| cx.is_good(id) && group.is_in_sync(id));
    useful.then_some(remaining)
}

/// Order in which followers go: not GOOD, not in sync, to be cleaned out, the others.
fn uselessness(cx: &Cx<'_>, group: &Group, id: &str) -> u8 {
    if !cx.is_good(id) {
        3
    } else if !group.is_in_sync(id) {
        2
    } else {
        u8::from(cx.is_cleaned(id))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use serde_json::json;

    fn run(cluster: &mut Cluster) -> serde_json::Value {
        cluster.set("Plan/Collections/db/10/replicationFactor", json!(2));
        cluster.job("1", json!({"type": "removeFollower", "database": "db", "collection": "10", "shard": "s11"}));
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/Finished/1"));
        cluster.json("Plan/Collections/db/10/shards/s11")
    }

    #[test]
    fn the_least_useful_goes() {
        let mut cluster = Cluster::new(4);
        cluster.collection("c", "10", &[("s11", &["A", "B", "C"])], None);
        assert_eq!(run(&mut cluster), json!(["A", "B"]));
        let mut cluster = Cluster::new(4);
        cluster.collection("c", "10", &[("s11", &["A", "B", "C"])], None);
        cluster.fail("B");
        assert_eq!(run(&mut cluster), json!(["A", "C"]));
    }

    #[test]
    fn nobody_goes_before_enough_are_in_sync() {
        let mut cluster = Cluster::new(4);
        cluster.collection("c", "10", &[("s11", &["A", "B", "C"])], None);
        cluster.current("10", "s11", &["A"]);
        assert_eq!(run(&mut cluster), json!(["A", "B", "C"]));
    }
}
