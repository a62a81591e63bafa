//! The supervision: watches the health of servers and repairs the cluster by jobs.
//!
//! Everything here is pure: [`Supervisor::round`] looks at the committed tree, the transient tree and
//! a clock, and answers transactions. The loop around it is in `server/lead.rs`; only the leader
//! runs it. Transactions of one round do not see each other: each carries preconditions on all that
//! its decision was based on, and whatever fails is decided anew in the next round.
//!
//! Order of a round: `health.rs` (GOOD, BAD, FAILED), then jobs (`failed_*.rs` first), then the
//! rules that create jobs or tidy up (`enforce.rs`, `shrink.rs`, `tidy.rs`).
//!
//! Invariant: nobody is failed over before his lease has run out ([`Options::lease`]): a server that
//! has not reached the leader for the grace period has stopped serving long before.

mod add_follower;
mod clean_out_server;
mod enforce;
mod failed_follower;
mod failed_leader;
mod failed_server;
mod health;
mod job;
mod move_shard;
mod remove_follower;
mod resign_leadership;
mod shards;
mod shrink;
#[cfg(test)]
mod testing;
mod tidy;

use crate::node::Node;
use crate::transaction::Transaction;
use health::Seen;
use job::{Job, State};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Settings of the supervision.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Pause between rounds; changes of the tree wake it earlier.
    pub frequency: Duration,
    /// Silence after which a server is FAILED.
    pub grace_period: Duration,
    /// Silence after which a server is BAD.
    pub ok_threshold: Duration,
    /// How long a shard may lack replicas before another server gets one.
    pub delay_add_follower: Duration,
    /// How long a follower may be FAILED before it is replaced.
    pub delay_failed_follower: Duration,
    /// How long a server that holds nothing may be FAILED before it is forgotten.
    pub expired_servers_grace_period: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self::with_grace_period(Duration::from_secs(3))
    }
}

impl Options {
    /// Defaults that fit a grace period.
    #[must_use]
    pub fn with_grace_period(grace_period: Duration) -> Self {
        // Copying data because of a short pause would cost more than it gives.
        let patience = Duration::from_secs(15).saturating_sub(grace_period);
        Self {
            frequency: Duration::from_millis(200),
            grace_period,
            ok_threshold: grace_period / 2,
            delay_add_follower: patience,
            delay_failed_follower: patience,
            expired_servers_grace_period: Duration::from_secs(3600),
        }
    }

    /// How long a DB-server may serve after the sending of its last accepted heartbeat.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.grace_period * 6 / 10
    }
}

/// What a round looks at.
#[derive(Clone, Debug)]
pub struct Input {
    /// Wall clock, for time stamps only.
    pub now_ms: u64,
    /// Monotonic clock, for all decisions.
    pub monotonic: Duration,
    /// The node `/arango` of the committed tree.
    pub tree: Node,
    /// The node `/arango` of the transient tree.
    pub transient: Node,
    /// Settings.
    pub options: Options,
}

/// What a round wants done.
#[derive(Debug, Default)]
pub struct Output {
    /// For the transient store.
    pub transient: Option<Transaction>,
    /// For the replicated store; each stands alone.
    pub transactions: Vec<Transaction>,
}

/// What the supervision remembers between rounds of one term. Nothing of it is needed for safety
/// after a change of the leader.
#[derive(Debug)]
pub struct Supervisor {
    /// Monotonic time of the election.
    since: Duration,
    servers: BTreeMap<String, Seen>,
    /// Shards that lack replicas, and since when.
    short: BTreeMap<String, Duration>,
    /// Nobody is failed before this time: longer leases than today's may still be running.
    protected_until: Duration,
    /// Lease that servers may have learnt.
    lease_ms: Option<u64>,
    last_id: u64,
}

/// One round.
struct Cx<'a> {
    input: &'a Input,
    tree: &'a Node,
    transactions: Vec<Transaction>,
    /// Shards that already have a transaction in this round.
    touched: BTreeSet<String>,
    last_id: &'a mut u64,
}

impl Cx<'_> {
    /// `2026-01-01T10:00:00Z`.
    fn now(&self) -> String {
        rt::clock::iso(self.input.now_ms)
    }

    fn push(&mut self, transaction: Transaction) {
        self.transactions.push(transaction);
    }

    /// A new job id: unique because no clock runs backwards past it within a term, and because every
    /// creation requires that there is no such job.
    fn new_id(&mut self) -> String {
        *self.last_id = self.input.now_ms.max(*self.last_id + 1);
        self.last_id.to_string()
    }

    fn status(&self, server: &str) -> &str {
        self.tree.str_at(&format!("Supervision/Health/{server}/Status")).unwrap_or("UNCLEAR")
    }

    fn is_good(&self, server: &str) -> bool {
        self.status(server) == "GOOD" && self.tree.at(&format!("Target/FailedServers/{server}")).is_none()
    }

    fn is_failed(&self, server: &str) -> bool {
        self.status(server) == "FAILED"
    }

    /// Ids of all planned DB-servers.
    fn db_servers(&self) -> Vec<String> {
        self.tree.at("Plan/DBServers").into_iter().flat_map(Node::children).map(|(id, _)| id.to_owned()).collect()
    }

    /// True if `server` shall get no new shards.
    fn is_cleaned(&self, server: &str) -> bool {
        ["Target/CleanedServers", "Target/ToBeCleanedServers"].iter().any(|path| self.tree.strings_at(path).iter().any(|id| id == server))
    }

    /// DB-servers that may get new shards: GOOD, not cleaned, not locked; those with the fewest
    /// planned shards first.
    fn free_servers(&self) -> Vec<String> {
        let mut load = shards::load(self.tree);
        let mut servers: Vec<String> = self
            .db_servers()
            .into_iter()
            .filter(|id| {
                self.is_good(id) && !self.is_cleaned(id) && self.tree.at(&format!("Supervision/DBServers/{id}")).is_none_or(Node::is_empty)
            })
            .collect();
        servers.sort_by_cached_key(|id| (load.remove(id).unwrap_or(0), id.clone()));
        servers
    }
}

impl Supervisor {
    /// A supervisor for a term that began at `since` (monotonic).
    #[must_use]
    pub fn new(since: Duration) -> Self {
        Self { since, servers: BTreeMap::new(), short: BTreeMap::new(), protected_until: since, lease_ms: None, last_id: 0 }
    }

    /// Decides what to do now.
    pub fn round(&mut self, input: &Input) -> Output {
        let tree = &input.tree;
        if tree.at("Plan").is_none() {
            // No cluster has been set up yet.
            return Output::default();
        }
        let mode = if tree.at("Supervision/Maintenance").is_some() { "Maintenance" } else { "Normal" };
        let mut last_id = self.last_id;
        let mut cx = Cx { input, tree, transactions: Vec::new(), touched: BTreeSet::new(), last_id: &mut last_id };
        let mut transient = None;
        if mode == "Normal" {
            self.publish_lease(&mut cx);
            transient = Some(self.check_health(&mut cx));
            run_jobs(&mut cx);
            self.enforce_replication(&mut cx);
            shrink::shrink(&mut cx);
            tidy::tidy(&mut cx);
            self.forget_expired(&mut cx);
        } else {
            // Whoever is silent now is silent on purpose: time counts from the end of maintenance.
            self.servers.clear();
            self.since = input.monotonic;
        }
        let transactions = std::mem::take(&mut cx.transactions);
        self.last_id = last_id;
        let state = json!({"Mode": mode, "Timestamp": rt::clock::iso(input.now_ms)});
        Output { transient: Some(transient.unwrap_or_default().set("Supervision/State", state)), transactions }
    }

    /// Tells the DB-servers how long they may serve without a heartbeat, and waits out the lease that
    /// they may have had before.
    fn publish_lease(&mut self, cx: &mut Cx<'_>) {
        let wanted = cx.input.options.lease().as_millis() as u64;
        let published = cx.tree.u64_at("Sync/LeaseMs");
        let longest = published.unwrap_or(0).max(self.lease_ms.unwrap_or(0));
        if self.lease_ms != Some(wanted) || published != Some(wanted) {
            let from = if self.lease_ms.is_none() { self.since } else { cx.input.monotonic };
            self.protected_until = self.protected_until.max(from + Duration::from_millis(longest));
            self.lease_ms = Some(wanted);
        }
        if published != Some(wanted) {
            cx.push(Transaction::new().set("Sync/LeaseMs", wanted));
        }
    }
}

/// Starts what waits and moves on what runs; repairs after failures come first.
fn run_jobs(cx: &mut Cx<'_>) {
    let waiting = Job::all(cx.tree, State::ToDo);
    let (urgent, normal): (Vec<Job>, Vec<Job>) = waiting.into_iter().partition(Job::is_urgent);
    let before = cx.transactions.len();
    for job in &urgent {
        job.start(cx);
    }
    for job in Job::all(cx.tree, State::Pending) {
        job.run(cx);
    }
    if cx.transactions.len() == before {
        for job in &normal {
            job.start(cx);
        }
    }
}
