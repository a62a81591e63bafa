//! The leader's two queues: writes are batched into log entries, reads share confirmations of
//! leadership.
//!
//! While a batch is on its way (disk, network), everything that arrives waits in the queue and
//! becomes the next batch; so the more clients, the larger the batches (group commit). In the same
//! way one round of heartbeats confirms the leader for all readers that waited for it.
//!
//! Cancel safety: who stops waiting for a write does not take it back.

use super::{Batch, Command, Item, ItemResult, Raft};
use openraft::error::{ClientWriteError, RaftError};
use parking_lot::RwLock;
use rt::shutdown::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Limit: waiting requests; more wait outside.
const QUEUE: usize = 4096;
/// Limit: items in one batch.
const ITEMS_MAX: usize = 1024;
/// Batches on their way at the same time.
const IN_FLIGHT: usize = 2;
/// Longest wait for the clients of the previous batch to come back: short beside a sync of the disk,
/// which it may save.
const GATHER_MAX: Duration = Duration::from_micros(600);
/// A confirmation of leadership is tried so often before readers are told that there is no leader.
const CONFIRM_ATTEMPTS: usize = 3;

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// This agent does not lead; surely nothing was written.
    NotLeader,
    /// Leadership was lost on the way; it is open whether the write will stand.
    Unknown,
}

/// The running Raft; exchanged when Raft had to stop because of its disk.
pub type Slot = Arc<RwLock<Option<Raft>>>;

/// Handle to both queues.
#[derive(Clone)]
pub struct Proposer {
    writes: mpsc::Sender<Write>,
    reads: mpsc::Sender<oneshot::Sender<Result<(), Lost>>>,
    /// Monotonic milliseconds of the last proof of leadership.
    confirmed: Arc<AtomicU64>,
}

struct Write {
    items: Vec<Item>,
    answer: oneshot::Sender<Result<Vec<ItemResult>, Lost>>,
}

impl Proposer {
    /// Starts the two tasks; they end with `shutdown`.
    #[must_use]
    pub fn start(slot: Slot, shutdown: &Shutdown) -> Self {
        let (writes, waiting_writes) = mpsc::channel(QUEUE);
        let (reads, waiting_reads) = mpsc::channel(QUEUE);
        let confirmed = Arc::new(AtomicU64::new(0));
        tokio::spawn(run_until(shutdown.clone(), propose(slot.clone(), waiting_writes, confirmed.clone())));
        tokio::spawn(run_until(shutdown.clone(), confirm(slot, waiting_reads, confirmed.clone())));
        Self { writes, reads, confirmed }
    }

    /// Puts `items` next to each other into the log and waits until they are applied.
    pub async fn write(&self, items: Vec<Item>) -> Result<Vec<ItemResult>, Lost> {
        let (answer, outcome) = oneshot::channel();
        self.writes.send(Write { items, answer }).await.map_err(|_| Lost::NotLeader)?;
        outcome.await.unwrap_or(Err(Lost::Unknown))
    }

    /// Waits until a majority has confirmed, after this call, that this agent leads, and until
    /// everything committed before is applied here.
    pub async fn confirm(&self) -> Result<(), Lost> {
        let (answer, outcome) = oneshot::channel();
        self.reads.send(answer).await.map_err(|_| Lost::NotLeader)?;
        outcome.await.unwrap_or(Err(Lost::NotLeader))
    }

    /// Time since leadership was last proven.
    #[must_use]
    pub fn confirmed_age(&self) -> Duration {
        rt::clock::monotonic().saturating_sub(Duration::from_millis(self.confirmed.load(Ordering::Relaxed)))
    }
}

async fn run_until(shutdown: Shutdown, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = shutdown.wait() => {}
    }
}

fn prove(confirmed: &AtomicU64) {
    confirmed.fetch_max(rt::clock::monotonic().as_millis() as u64, Ordering::Relaxed);
}

async fn propose(slot: Slot, mut queue: mpsc::Receiver<Write>, confirmed: Arc<AtomicU64>) {
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut waiting = Vec::new();
    let mut usual = 0;
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        if queue.recv_many(&mut waiting, ITEMS_MAX).await == 0 {
            return;
        }
        gather(&mut queue, &mut waiting, usual).await;
        // Forgets slowly, so that one small batch does not end the habit.
        usual = waiting.len().max(usual * 3 / 4);
        let writes = std::mem::take(&mut waiting);
        let raft = slot.read().clone();
        let Some(raft) = raft else {
            refuse(writes, Lost::NotLeader);
            continue;
        };
        let mut batch = Batch { time_ms: rt::clock::now_ms(), items: Vec::new() };
        let mut answers = Vec::with_capacity(writes.len());
        for Write { items, answer } in writes {
            answers.push((items.len(), answer));
            batch.items.extend(items);
        }
        // Handing over in this task keeps the order of batches.
        let handed_over = raft.client_write_ff(Command::encode(&batch)).await;
        let confirmed = confirmed.clone();
        tokio::spawn(async move {
            let outcome = match handed_over {
                Err(_) => Err(Lost::NotLeader),
                Ok(outcome) => match outcome.await {
                    Ok(Ok(response)) => Ok(response.data.results),
                    Ok(Err(ClientWriteError::ForwardToLeader(_))) => Err(Lost::Unknown),
                    Ok(Err(_)) | Err(_) => Err(Lost::Unknown),
                },
            };
            if outcome.is_ok() {
                prove(&confirmed);
            }
            distribute(outcome, answers);
            drop(permit);
        });
    }
}

/// Waits a moment if far fewer writes are here than there usually are: clients that were just answered
/// send their next write within microseconds, and would else miss this batch by as much.
async fn gather(queue: &mut mpsc::Receiver<Write>, waiting: &mut Vec<Write>, usual: usize) {
    let enough = usual.min(ITEMS_MAX) * 3 / 4;
    let fill = async {
        while waiting.len() < enough {
            if queue.recv_many(waiting, ITEMS_MAX).await == 0 {
                return;
            }
        }
    };
    // Time-out: whoever is here goes.
    let _ = tokio::time::timeout(GATHER_MAX, fill).await;
}

fn refuse(writes: Vec<Write>, lost: Lost) {
    for write in writes {
        // A client that is gone does not want the answer.
        let _ = write.answer.send(Err(lost));
    }
}

type Waiting = (usize, oneshot::Sender<Result<Vec<ItemResult>, Lost>>);

fn distribute(outcome: Result<Vec<ItemResult>, Lost>, answers: Vec<Waiting>) {
    match outcome {
        Err(lost) => {
            for (_, answer) in answers {
                let _ = answer.send(Err(lost));
            }
        }
        Ok(results) => {
            let mut results = results.into_iter();
            for (count, answer) in answers {
                let _ = answer.send(Ok(results.by_ref().take(count).collect()));
            }
        }
    }
}

async fn confirm(slot: Slot, mut queue: mpsc::Receiver<oneshot::Sender<Result<(), Lost>>>, confirmed: Arc<AtomicU64>) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, QUEUE).await > 0 {
        let raft = slot.read().clone();
        let outcome = match raft {
            Some(raft) => confirm_once(&raft, &confirmed).await,
            None => Err(Lost::NotLeader),
        };
        for answer in waiting.drain(..) {
            let _ = answer.send(outcome);
        }
    }
}

async fn confirm_once(raft: &Raft, confirmed: &AtomicU64) -> Result<(), Lost> {
    for _ in 0..CONFIRM_ATTEMPTS {
        let began = rt::clock::monotonic().as_millis() as u64;
        match raft.ensure_linearizable().await {
            Ok(_) => {
                confirmed.fetch_max(began, Ordering::Relaxed);
                return Ok(());
            }
            // A busy majority may only have been late.
            Err(RaftError::APIError(openraft::error::CheckIsLeaderError::QuorumNotEnough(_))) => {}
            Err(_) => return Err(Lost::NotLeader),
        }
    }
    Err(Lost::NotLeader)
}
