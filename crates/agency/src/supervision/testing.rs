//! A cluster in a tree, for the tests of jobs: servers `A`, `B`, …, database `db`.

use super::{Cx, Input, Options, Output, Supervisor};
use crate::node::Node;
use crate::store::{Applied, Store};
use crate::transaction::Transaction;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The trees and clocks that a round looks at.
pub struct Cluster {
    store: Store,
    transient: Store,
    pub now: Duration,
    pub options: Options,
    last_id: u64,
    beats: u64,
}

impl Cluster {
    /// A cluster with `servers` GOOD DB-servers.
    pub fn new(servers: u8) -> Self {
        let mut cluster = Self {
            store: Store::default(),
            transient: Store::default(),
            now: Duration::from_secs(1000),
            options: Options::default(),
            last_id: 0,
            beats: 0,
        };
        cluster.set("Plan/Version", json!(1));
        for path in ["Target/ToDo", "Target/Pending", "Target/Finished", "Target/Failed", "Target/FailedServers"] {
            cluster.set(path, json!({}));
        }
        cluster.set("Target/CleanedServers", json!([]));
        cluster.set("Target/ToBeCleanedServers", json!([]));
        for n in 0..servers {
            let id = char::from(b'A' + n);
            cluster.set(&format!("Plan/DBServers/{id}"), json!("none"));
            cluster.set(&format!("Supervision/Health/{id}"), json!({"Status": "GOOD"}));
        }
        cluster
    }

    pub fn set(&mut self, path: &str, value: Json) {
        self.write(Transaction::new().set(path, value));
    }

    pub fn remove(&mut self, path: &str) {
        self.write(Transaction::new().delete(path));
    }

    fn write(&mut self, transaction: Transaction) -> bool {
        match self.store.apply(&transaction.sorted(), 0) {
            Applied::Done => true,
            Applied::PreconditionFailed => false,
            Applied::Refused(reason) => panic!("{reason}"),
        }
    }

    /// A collection whose shards are all in sync.
    pub fn collection(&mut self, name: &str, id: &str, shards: &[(&str, &[&str])], like: Option<&str>) {
        let lists: Map<String, Json> = shards.iter().map(|(shard, servers)| ((*shard).to_owned(), json!(servers))).collect();
        let factor = shards[0].1.len();
        let mut entry = json!({"id": id, "name": name, "shards": lists, "replicationFactor": factor});
        if let Some(like) = like {
            entry["distributeShardsLike"] = json!(like);
        }
        self.set(&format!("Plan/Collections/db/{id}"), entry);
        for (shard, servers) in shards {
            self.current(id, shard, servers);
        }
    }

    /// What the leader of a shard reports.
    pub fn current(&mut self, collection: &str, shard: &str, servers: &[&str]) {
        let candidates: Vec<&str> = servers.iter().map(|id| super::shards::bare(id)).collect();
        self.set(&format!("Current/Collections/db/{collection}/{shard}"), json!({"servers": servers, "failoverCandidates": candidates}));
    }

    pub fn fail(&mut self, server: &str) {
        self.set(&format!("Supervision/Health/{server}/Status"), json!("FAILED"));
        self.set(&format!("Target/FailedServers/{server}"), json!({}));
    }

    pub fn revive(&mut self, server: &str) {
        self.set(&format!("Supervision/Health/{server}/Status"), json!("GOOD"));
        self.remove(&format!("Target/FailedServers/{server}"));
    }

    /// A waiting job, created now.
    pub fn job(&mut self, id: &str, mut entry: Json) {
        entry["jobId"] = json!(id);
        entry["timeCreated"] = json!(rt::clock::iso(self.now.as_millis() as u64));
        self.set(&format!("Target/ToDo/{id}"), entry);
    }

    pub fn pass_seconds(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// A server reports itself.
    pub fn beat(&mut self, server: &str) {
        self.beats += 1;
        let entry = json!({"status": "SERVING", "time": self.beats.to_string()});
        let transaction = Transaction::new().set(&format!("Sync/ServerStates/{server}"), entry).sorted();
        assert_eq!(self.transient.apply(&transaction, 0), Applied::Done);
    }

    fn input(&self) -> Input {
        let arango = |store: &Store| store.tree().at("arango").cloned().unwrap_or_default();
        Input {
            now_ms: self.now.as_millis() as u64,
            monotonic: self.now,
            tree: arango(&self.store),
            transient: arango(&self.transient),
            options: self.options.clone(),
        }
    }

    /// What `decide` wants to write.
    pub fn decide(&mut self, decide: impl FnOnce(&mut Cx<'_>)) -> Vec<Transaction> {
        let input = self.input();
        let mut cx =
            Cx { input: &input, tree: &input.tree, transactions: Vec::new(), touched: BTreeSet::new(), last_id: &mut self.last_id };
        decide(&mut cx);
        std::mem::take(&mut cx.transactions)
    }

    /// Writes; tells which preconditions held.
    pub fn apply(&mut self, transactions: Vec<Transaction>) -> Vec<bool> {
        transactions.into_iter().map(|transaction| self.write(transaction)).collect()
    }

    /// Decides and writes; everything must go through.
    pub fn step(&mut self, decide: impl FnOnce(&mut Cx<'_>)) {
        let transactions = self.decide(decide);
        let applied = self.apply(transactions.clone());
        for (transaction, applied) in transactions.iter().zip(applied) {
            assert!(applied, "{}", transaction.to_json());
        }
    }

    /// A whole round.
    pub fn round(&mut self, supervisor: &mut Supervisor) {
        let Output { transient, transactions } = supervisor.round(&self.input());
        if let Some(transient) = transient {
            assert_eq!(self.transient.apply(&transient.sorted(), 0), Applied::Done);
        }
        self.apply(transactions);
    }

    pub fn has(&self, path: &str) -> bool {
        self.node(path).is_some()
    }

    pub fn json(&self, path: &str) -> Json {
        self.node(path).map_or(Json::Null, Node::to_json)
    }

    pub fn text(&self, path: &str) -> String {
        self.node(path).and_then(Node::as_str).unwrap_or_default().to_owned()
    }

    fn node(&self, path: &str) -> Option<&Node> {
        self.store.tree().at("arango")?.at(path)
    }
}

#[test]
fn a_dead_leader_is_replaced_and_comes_back_as_follower() {
    let mut cluster = Cluster::new(2);
    cluster.collection("c", "10", &[("s11", &["A", "B"])], None);
    let mut supervisor = Supervisor::new(cluster.now);
    let tick = |cluster: &mut Cluster, supervisor: &mut Supervisor, alive: &[&str], rounds: u32| {
        for _ in 0..rounds {
            for server in alive {
                cluster.beat(server);
            }
            cluster.round(supervisor);
            cluster.now += Duration::from_millis(200);
        }
    };
    tick(&mut cluster, &mut supervisor, &["A", "B"], 10);
    assert_eq!(cluster.json("Sync/LeaseMs"), json!(1800));
    assert_eq!(cluster.text("Supervision/Health/A/Status"), "GOOD");
    // 1.5 s of silence: BAD; 3 s: FAILED, and at once another leader.
    tick(&mut cluster, &mut supervisor, &["B"], 9);
    assert_eq!(cluster.text("Supervision/Health/A/Status"), "BAD");
    tick(&mut cluster, &mut supervisor, &["B"], 6);
    assert_eq!(cluster.json("Plan/Collections/db/10/shards/s11"), json!(["A", "B"]));
    tick(&mut cluster, &mut supervisor, &["B"], 4);
    assert_eq!(cluster.text("Supervision/Health/A/Status"), "FAILED");
    assert_eq!(cluster.json("Current/ServersKnown/A/rebootId"), json!(1));
    assert_eq!(cluster.json("Plan/Collections/db/10/shards/s11"), json!(["B", "A"]));
    cluster.current("10", "s11", &["B"]);
    tick(&mut cluster, &mut supervisor, &["B"], 4);
    for part in ["ToDo", "Pending", "Failed"] {
        assert_eq!(cluster.json(&format!("Target/{part}")), json!({}), "{part}");
    }
    assert!(!cluster.has("Supervision/Shards/s11"));
    tick(&mut cluster, &mut supervisor, &["A", "B"], 2);
    assert_eq!(cluster.text("Supervision/Health/A/Status"), "GOOD");
    assert!(!cluster.has("Target/FailedServers/A"));
    assert_eq!(cluster.json("Plan/Collections/db/10/shards/s11"), json!(["B", "A"]));
}

#[test]
fn a_new_leader_of_the_agency_waits_the_whole_grace_period() {
    let mut cluster = Cluster::new(2);
    cluster.set("Sync/LeaseMs", json!(1800));
    cluster.now += Duration::from_secs(100);
    let mut supervisor = Supervisor::new(cluster.now);
    for round in 0..15 {
        cluster.round(&mut supervisor);
        assert_ne!(cluster.text("Supervision/Health/A/Status"), "FAILED", "{round}");
        cluster.now += Duration::from_millis(200);
    }
    cluster.now += Duration::from_millis(200);
    cluster.round(&mut supervisor);
    assert_eq!(cluster.text("Supervision/Health/A/Status"), "FAILED");
}

#[test]
fn a_shorter_grace_period_waits_for_the_longer_leases_to_run_out() {
    let mut cluster = Cluster::new(1);
    cluster.set("Sync/LeaseMs", json!(9000));
    let mut supervisor = Supervisor::new(cluster.now);
    for round in 0..45 {
        cluster.round(&mut supervisor);
        assert_ne!(cluster.text("Supervision/Health/A/Status"), "FAILED", "{round}");
        cluster.now += Duration::from_millis(200);
    }
    cluster.round(&mut supervisor);
    assert_eq!(cluster.text("Supervision/Health/A/Status"), "FAILED");
    assert_eq!(cluster.json("Sync/LeaseMs"), json!(1800));
}

#[test]
fn maintenance_stops_everything_but_the_state() {
    let mut cluster = Cluster::new(1);
    cluster.set("Supervision/Maintenance", json!("2026-01-01T11:00:00Z"));
    let mut supervisor = Supervisor::new(cluster.now);
    cluster.now += Duration::from_secs(100);
    cluster.round(&mut supervisor);
    assert_eq!(cluster.text("Supervision/Health/A/Status"), "GOOD");
    assert_eq!(cluster.transient.tree().get("arango/Supervision/State/Mode"), Some(&json!("Maintenance")));
    cluster.remove("Supervision/Maintenance");
    cluster.round(&mut supervisor);
    assert_eq!(cluster.text("Supervision/Health/A/Status"), "GOOD");
}

#[test]
fn missing_replicas_are_made_good_and_surplus_ones_removed() {
    let mut cluster = Cluster::new(3);
    cluster.collection("c", "10", &[("s11", &["A", "B"])], None);
    let mut supervisor = Supervisor::new(cluster.now);
    let tick = |cluster: &mut Cluster, supervisor: &mut Supervisor, alive: &[&str], rounds: u32| {
        for _ in 0..rounds {
            alive.iter().for_each(|server| cluster.beat(server));
            cluster.round(supervisor);
            cluster.now += Duration::from_millis(200);
        }
    };
    tick(&mut cluster, &mut supervisor, &["A", "C"], 40);
    cluster.now += Duration::from_secs(30);
    tick(&mut cluster, &mut supervisor, &["A", "C"], 4);
    assert_eq!(cluster.json("Plan/Collections/db/10/shards/s11"), json!(["A", "C", "B"]));
    cluster.current("10", "s11", &["A", "C"]);
    tick(&mut cluster, &mut supervisor, &["A", "C"], 4);
    assert_eq!(cluster.json("Plan/Collections/db/10/shards/s11"), json!(["A", "C"]));
}
