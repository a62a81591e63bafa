//! `shrinkCluster`: `Target/NumberOfDBServers` is smaller than what there is: clean out the last server.

use super::Cx;
use super::job::new_entry;
use super::shards;
use crate::transaction::Transaction;
use serde_json::json;

/// Makes one `cleanOutServer` job, when nothing else is going on.
pub fn shrink(cx: &mut Cx<'_>) {
    let Some(wanted) = cx.tree.u64_at("Target/NumberOfDBServers") else { return };
    let is_quiet = ["Target/ToDo", "Target/Pending"].iter().all(|path| cx.tree.at(path).is_none_or(crate::Node::is_empty));
    if !is_quiet || !cx.transactions.is_empty() {
        return;
    }
    let available: Vec<String> = cx.db_servers().into_iter().filter(|id| cx.is_good(id) && !cx.is_cleaned(id)).collect();
    let factor = shards::groups(cx.tree).iter().map(|group| group.replication_factor).max().unwrap_or(1);
    if wanted >= available.len() as u64 || factor >= available.len() {
        return;
    }
    let Some(server) = available.last() else { return };
    let id = cx.new_id();
    let entry = new_entry(cx, "cleanOutServer", &id, "supervision", json!({"server": server}));
    let path = format!("Target/ToDo/{id}");
    cx.push(Transaction::new().set(&path, entry).require_absent(&path));
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use serde_json::json;

    #[test]
    fn the_last_server_goes_if_the_rest_is_enough() {
        let mut cluster = Cluster::new(3);
        cluster.collection("c", "10", &[("s11", &["A", "B"])], None);
        cluster.set("Target/NumberOfDBServers", json!(2));
        cluster.step(super::shrink);
        let jobs = cluster.json("Target/ToDo");
        let job = jobs.as_object().unwrap().values().next().unwrap();
        assert_eq!((&job["type"], &job["server"]), (&json!("cleanOutServer"), &json!("C")));
        let before = cluster.json("Target/ToDo");
        cluster.step(super::shrink);
        assert_eq!(cluster.json("Target/ToDo"), before);
    }
}
