//! `failedServer`: a DB-server is FAILED. Makes a `failedLeader` for every shard that it leads and a
//! `failedFollower` for every shard that it follows, and stays until they have ended.

use super::Cx;
use super::job::{Job, State, new_entry};
use super::shards::{self, Group, bare};
use crate::transaction::Transaction;
use serde_json::{Value as Json, json};

fn server_lock(server: &str) -> String {
    format!("Supervision/DBServers/{server}")
}

/// Creates the children and becomes pending.
pub fn start(cx: &mut Cx<'_>, job: &Job) {
    let server = job.text("server").to_owned();
    if !cx.is_failed(&server) {
        return cx.push(job.end(cx, State::Finished, "the server is back"));
    }
    let lock = server_lock(&server);
    if let Some(holder) = cx.tree.str_at(&lock).filter(|holder| *holder != job.id) {
        match Job::open(cx.tree, holder) {
            Some(holder) if holder.is_abortable() => return holder.abort(cx, "the server has failed"),
            Some(_) => return,
            // A lock that nobody holds is taken over.
            None => {
                let free = Transaction::new().delete(&lock).require(&lock, holder);
                return cx.push(free);
            }
        }
    }
    let mut transaction = job.moved(cx, State::Pending).require(&format!("Supervision/Health/{server}/Status"), "FAILED");
    match cx.tree.at(&lock) {
        None => transaction = transaction.set(&lock, job.id.as_str()).require_absent(&lock),
        // An empty object is as good as nothing.
        Some(node) if node.is_branch() => transaction = transaction.set(&lock, job.id.as_str()).require(&lock, json!({})),
        // Read locks of jobs that end by themselves.
        Some(_) => {}
    }
    let children = children(cx, job, &server, 0);
    cx.push(children.into_iter().fold(transaction, add_child));
}

fn add_child(transaction: Transaction, (id, entry): (String, Json)) -> Transaction {
    let path = format!("Target/ToDo/{id}");
    transaction.set(&path, entry).require_absent(&path)
}

/// Jobs for all shards that name `server` and have no open job of this parent, numbered from `next`.
fn children(cx: &Cx<'_>, job: &Job, server: &str, next: usize) -> Vec<(String, Json)> {
    let open = Job::children(cx.tree, &job.id);
    let has_job = |group: &Group| open.iter().any(|child| child.text("shard") == group.first().name);
    let mut children = Vec::new();
    for group in shards::groups(cx.tree) {
        let Some(at) = group.planned().iter().position(|id| bare(id) == server) else { continue };
        // A shard without another replica can only wait for its server.
        if group.planned().len() < 2 || has_job(&group) {
            continue;
        }
        let kind = if at == 0 { "failedLeader" } else { "failedFollower" };
        let id = format!("{}-{}", job.id, next + children.len());
        let shard = group.first();
        let more = json!({"database": group.database, "collection": shard.collection, "shard": shard.name, "fromServer": server});
        let entry = new_entry(cx, kind, &id, &job.id, more);
        children.push((id, entry));
    }
    children
}

/// The first number that no child of this job has ever had.
fn next_number(cx: &Cx<'_>, job: &Job) -> usize {
    let prefix = format!("{}-", job.id);
    let states = [State::ToDo, State::Pending, State::Finished, State::Failed];
    let ids = states.iter().flat_map(|state| cx.tree.at(&format!("Target/{}", state.name()))).flat_map(crate::Node::children);
    ids.filter_map(|(id, _)| id.strip_prefix(&prefix)?.parse::<usize>().ok()).max().map_or(0, |last| last + 1)
}

/// Ends when no child is open; makes new ones for shards that came to the server in the meantime.
pub fn run(cx: &mut Cx<'_>, job: &Job) {
    let server = job.text("server").to_owned();
    let open = Job::children(cx.tree, &job.id);
    if cx.is_failed(&server) {
        let leads = |group: &Group| group.planned().first().is_some_and(|id| bare(id) == server);
        let has_job = |group: &Group| open.iter().any(|child| child.text("shard") == group.first().name);
        let missed = shards::groups(cx.tree).iter().any(|group| leads(group) && group.planned().len() > 1 && !has_job(group));
        if missed {
            let next = next_number(cx, job);
            let transaction = Transaction::new().require_present(&job.path());
            let fresh = children(cx, job, &server, next).into_iter().filter(|(_, entry)| entry["type"] == "failedLeader");
            cx.push(fresh.fold(transaction, add_child));
            return;
        }
    } else {
        for child in open.iter().filter(|child| child.state == State::ToDo) {
            cx.push(child.end(cx, State::Finished, "the server is back"));
        }
    }
    if open.is_empty() {
        let lock = server_lock(&server);
        let mut transaction = job.moved(cx, State::Finished);
        if cx.tree.str_at(&lock) == Some(&job.id) {
            transaction = transaction.delete(&lock);
        }
        cx.push(transaction);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn every_shard_of_the_server_gets_its_job() {
        let mut cluster = Cluster::new(3);
        cluster.collection("c", "10", &[("s11", &["A", "B"]), ("s12", &["B", "A"]), ("s13", &["B", "C"])], None);
        cluster.collection("d", "20", &[("s21", &["A", "B"]), ("s22", &["B", "A"]), ("s23", &["B", "C"])], Some("10"));
        cluster.fail("A");
        cluster.job("1", json!({"type": "failedServer", "server": "A"}));
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        assert_eq!(cluster.text("Target/ToDo/1-0/type"), "failedLeader");
        assert_eq!(cluster.text("Target/ToDo/1-0/shard"), "s11");
        assert_eq!(cluster.text("Target/ToDo/1-1/type"), "failedFollower");
        assert_eq!(cluster.text("Target/ToDo/1-1/shard"), "s12");
        assert!(!cluster.has("Target/ToDo/1-2"));
        assert_eq!(cluster.text("Supervision/DBServers/A"), "1");
        assert!(cluster.has("Target/Pending/1"));
        // A collection that was created meanwhile is noticed.
        cluster.collection("e", "30", &[("s31", &["A", "C"])], None);
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert_eq!(cluster.text("Target/ToDo/1-2/shard"), "s31");
    }

    #[test]
    fn it_ends_with_its_children_and_when_the_server_is_back() {
        let mut cluster = Cluster::new(2);
        cluster.collection("c", "10", &[("s11", &["B", "A"])], None);
        cluster.fail("A");
        cluster.job("1", json!({"type": "failedServer", "server": "A"}));
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/Pending/1") && cluster.has("Target/ToDo/1-0"));
        cluster.revive("A");
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/Finished/1-0"));
        cluster.step(|cx| run(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(cluster.has("Target/Finished/1") && !cluster.has("Supervision/DBServers/A"));
    }

    #[test]
    fn shards_without_another_replica_wait() {
        let mut cluster = Cluster::new(2);
        cluster.collection("c", "10", &[("s11", &["A"])], None);
        cluster.fail("A");
        cluster.job("1", json!({"type": "failedServer", "server": "A"}));
        cluster.step(|cx| start(cx, &Job::open(cx.tree, "1").unwrap()));
        assert!(!cluster.has("Target/ToDo/1-0"));
    }
}
