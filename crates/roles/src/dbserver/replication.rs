//! Synchronous replication (S35–S39): before a transaction commits on the leader, its operations
//! have been applied by every follower in sync, or that follower has been dropped in the agency.
//!
//! Writes of many transactions to the same follower travel together: while requests are under way,
//! what arrives is collected and sent with the next one.

use super::followers::drop_follower;
use super::shards::{Shard, Shards};
use crate::cluster::Cluster;
use crate::wire;
use base::{Error, Result, code};
use futures_util::future::join_all;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use storage::ReplicatedOperation;
use tokio::sync::{OwnedRwLockReadGuard, Semaphore, mpsc, oneshot};
use velocypack::Value;

/// Transactions waiting for one follower; more wait in their own task.
const QUEUE: usize = 1024;
/// Requests to one follower at the same time.
const REQUESTS_UNDER_WAY: usize = 4;
/// Transactions in one request.
const TRANSACTIONS_PER_REQUEST: usize = 256;

type Operations = Arc<Vec<ReplicatedOperation>>;

struct Item {
    operations: Operations,
    done: oneshot::Sender<Result<()>>,
}

/// Held from the last check before a commit until it is done: no shard of the transaction can be
/// given up in between.
pub struct CommitPermit {
    _gates: Vec<OwnedRwLockReadGuard<()>>,
}

/// Sends operations to followers.
pub struct Replicator {
    cluster: Arc<Cluster>,
    shards: Arc<Shards>,
    timeout: Duration,
    queues: Mutex<HashMap<String, mpsc::Sender<Item>>>,
}

impl Replicator {
    /// `timeout`: how long a follower may take before it is given up (S39: 3 s).
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, shards: Arc<Shards>, timeout: Duration) -> Arc<Self> {
        Arc::new(Self { cluster, shards, timeout, queues: Mutex::default() })
    }

    /// Makes sure that every follower in sync has the operations; the transaction may commit while
    /// the permit is held.
    ///
    /// Errors: we do not lead one of the shards (1496, 1491, 1495); too few copies for the write
    /// concern (1004); a follower could be neither reached nor dropped (1488). After an error the
    /// outcome is open: a follower may have applied the operations.
    pub async fn replicate(&self, operations: Vec<ReplicatedOperation>) -> Result<CommitPermit> {
        let mut by_shard: BTreeMap<String, Vec<ReplicatedOperation>> = BTreeMap::new();
        for operation in operations {
            by_shard.entry(operation.collection.to_string()).or_default().push(operation);
        }
        // In name order, so that two transactions over the same shards cannot wait for each other.
        let mut gates = Vec::with_capacity(by_shard.len());
        for name in by_shard.keys() {
            let shard = self.shards.get(name).ok_or_else(|| Error::with_detail(code::CLUSTER_NOT_LEADER, name))?;
            gates.push(shard.enter().await);
        }
        let mut sent = Vec::new();
        for (name, operations) in by_shard {
            let shard = self.shards.led(&name)?;
            self.check_writable(&shard).await?;
            let operations = Arc::new(operations);
            for follower in shard.followers()?.iter() {
                sent.push(self.send(Arc::clone(&shard), follower.clone(), Arc::clone(&operations)));
            }
        }
        for outcome in join_all(sent).await {
            outcome?;
        }
        Ok(CommitPermit { _gates: gates })
    }

    /// Refuses if too few copies are in sync.
    async fn check_writable(&self, shard: &Arc<Shard>) -> Result<()> {
        if let Some(follower) = shard.stuck() {
            // The agency did not answer when that follower missed a write: first things first.
            let dropped = drop_follower(&self.cluster, shard, &follower).await;
            dropped.map_err(|fault| Error::with_detail(code::CLUSTER_COULD_NOT_DROP_FOLLOWER, fault))?;
        }
        let plan = self.cluster.plan();
        let concern = plan.shard(&shard.name).map_or(1, |planned| planned.collection.write_concern);
        let copies = shard.followers()?.len() + 1;
        if copies < usize::try_from(concern).unwrap_or(usize::MAX) {
            let text = format!("{copies} of {concern} copies of {} are in sync", shard.name);
            return Err(Error::with_detail(code::ARANGO_READ_ONLY, text));
        }
        Ok(())
    }

    /// Sends operations to one follower; a follower that does not take them is dropped.
    async fn send(&self, shard: Arc<Shard>, follower: String, operations: Operations) -> Result<()> {
        let (done, outcome) = oneshot::channel();
        let queue = self.queue(&follower);
        let answer = tokio::time::timeout(self.timeout, async {
            queue.send(Item { operations, done }).await.map_err(|_| Error::from(code::SHUTTING_DOWN))?;
            outcome.await.map_err(|_| Error::from(code::SHUTTING_DOWN))?
        });
        let fault = match answer.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(fault)) => fault,
            Err(_) => Error::with_detail(code::CLUSTER_TIMEOUT, &follower),
        };
        tracing::debug!(shard = %shard.name, follower, %fault, "replication failed");
        let refused = fault.code() == code::CLUSTER_SHARD_LEADER_REFUSES_REPLICATION;
        match drop_follower(&self.cluster, &shard, &follower).await {
            // It believes that it leads: if the agency agreed, dropping it would have failed.
            Ok(()) if refused => Ok(()),
            Ok(()) => Ok(()),
            Err(fault) if fault.code() == code::CLUSTER_NOT_LEADER => Err(fault),
            Err(fault) => Err(Error::with_detail(code::CLUSTER_COULD_NOT_DROP_FOLLOWER, fault)),
        }
    }

    fn queue(&self, follower: &str) -> mpsc::Sender<Item> {
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get(follower).filter(|queue| !queue.is_closed()) {
            return queue.clone();
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(forward(Arc::clone(&self.cluster), follower.to_owned(), receiver, self.timeout));
        queues.insert(follower.to_owned(), sender.clone());
        sender
    }
}

/// Carries a follower's queue to it, several transactions per request.
async fn forward(cluster: Arc<Cluster>, follower: String, mut queue: mpsc::Receiver<Item>, timeout: Duration) {
    let slots = Arc::new(Semaphore::new(REQUESTS_UNDER_WAY));
    let mut batch = Vec::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        if queue.recv_many(&mut batch, TRANSACTIONS_PER_REQUEST).await == 0 {
            return;
        }
        let items = std::mem::take(&mut batch);
        let (cluster, follower) = (Arc::clone(&cluster), follower.clone());
        tokio::spawn(async move {
            send_batch(&cluster, &follower, items, timeout).await;
            drop(slot);
        });
    }
}

async fn send_batch(cluster: &Cluster, follower: &str, items: Vec<Item>, timeout: Duration) {
    let transactions = items.iter().map(|item| wire::encode_operations(item.operations.iter()));
    let message = Value::object([("l", Value::string(&cluster.identity.id)), ("t", Value::array(transactions))]);
    let answer = cluster.call(follower, "/_internal/replicate", &message, timeout).await;
    let verdicts = answer.map(|answer| answer.as_slice().elements().map(verdict).collect::<Vec<_>>());
    match verdicts {
        Ok(verdicts) if verdicts.len() == items.len() => {
            for (item, verdict) in items.into_iter().zip(verdicts) {
                let _ = item.done.send(verdict);
            }
        }
        Ok(_) => fail(items, &wire::malformed("number of verdicts")),
        Err(fault) => fail(items, &fault),
    }
}

fn verdict(value: velocypack::Slice<'_>) -> Result<()> {
    wire::decode_error(value).map_or(Ok(()), Err)
}

fn fail(items: Vec<Item>, fault: &Error) {
    for item in items {
        let _ = item.done.send(Err(fault.clone()));
    }
}
