//! `resignLeadership`: hands all shards that a DB-server leads to in-sync followers, before it is
//! stopped on purpose. It stays follower and may get new shards again.

use super::Cx;
use super::clean_out_server::{self, begin, child, refuse_or_wait};
use super::job::Job;
use super::shards;

/// Checks the wish and makes one `moveShard` for each shard with an in-sync follower.
pub fn start(cx: &mut Cx<'_>, job: &Job) {
    let server = job.text("server").to_owned();
    if let Some(wait) = refuse_or_wait(cx, job, &server) {
        return wait;
    }
    let mut children = Vec::new();
    for group in shards::groups(cx.tree) {
        if group.planned().first() != Some(&server) {
            continue;
        }
        let fits = |id: &&String| **id != server && cx.is_good(id) && !cx.is_cleaned(id) && group.is_in_sync(id);
        // A shard without such a follower goes down with its server; nothing can be done here.
        if let Some(to) = group.planned().iter().find(fits) {
            children.push(child(cx, job, &group, &server, to, children.len(), true));
        }
    }
    begin(cx, job, &server, children, false);
}

/// Ends with the last child.
pub fn run(cx: &mut Cx<'_>, job: &Job) {
    clean_out_server::run(cx, job);
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use serde_json::json;

    #[test]
    fn leaders_with_followers_move_and_the_server_stays_in_use() {
        let mut cluster = Cluster::new(3);
        cluster.collection("c", "10", &[("s11", &["A", "B"]), ("s12", &["B", "A"]), ("s13", &["A"])], None);
        cluster.job("1", json!({"type": "resignLeadership", "server": "A"}));
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        let child = cluster.json("Target/ToDo/1-0");
        assert_eq!((&child["shard"], &child["toServer"], &child["remainsFollower"]), (&json!("s11"), &json!("B"), &json!(true)));
        assert!(!cluster.has("Target/ToDo/1-1"));
        cluster.remove("Target/ToDo/1-0");
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/Finished/1"));
        assert_eq!(cluster.json("Target/CleanedServers"), json!([]));
    }
}
