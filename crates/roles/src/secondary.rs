//! Secondary DB-server: an asynchronous copy of a whole primary (S24–S27, S54–S61, S98–S101).
//!
//! It copies the primary's key space once and then polls the primary's log and applies it as it is
//! (`docs/decisions/0002`). Nothing here ever makes the primary wait: it reads a snapshot and log
//! files that are there anyway. A gap in the log, or another primary than before, means a new copy.
//!
//! Invariant: the position reached is stored with the data it describes, in one batch; a copy that
//! was not finished is never continued as if it were whole.

pub mod log_routes;

use crate::cluster::Cluster;
use crate::cluster::plan_view::members;
use crate::wire::malformed;
use base::{Error, Result, code};
use rt::endpoint::Endpoint;
use rt::http::Bytes;
use rt::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use storage::{DumpChunk, Storage, Tail};
use velocypack::{Slice, Value};

/// Pause between polls when there is nothing new: at first, and at most.
const IDLE_MIN: Duration = Duration::from_millis(50);
const IDLE_MAX: Duration = Duration::from_millis(1000);
/// Pause after an error.
const RETRY: Duration = Duration::from_millis(500);
/// One request to the primary.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Where storage keeps the id of the primary that the copy comes from.
const PRIMARY: &str = "copy-of-primary";

/// A secondary.
pub struct Secondary {
    cluster: Arc<Cluster>,
    storage: Arc<Storage>,
}

impl Secondary {
    /// A secondary that is registered already.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, storage: Arc<Storage>) -> Arc<Self> {
        Arc::new(Self { cluster, storage })
    }

    /// The primary whose secondary this server is, by the Plan.
    fn primary(&self) -> Option<String> {
        let tree = self.cluster.tree();
        let planned = tree.get("Plan/DBServers")?;
        members(planned).find(|(_, secondary)| secondary.as_str() == Some(&self.cluster.identity.id)).map(|(primary, _)| primary.clone())
    }

    /// Copies and follows until shutdown.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let mut idle = IDLE_MIN;
        while !shutdown.is_triggered() {
            let pause = match self.step().await {
                Ok(true) => {
                    idle = IDLE_MIN;
                    continue;
                }
                Ok(false) => {
                    idle = (idle * 2).min(IDLE_MAX);
                    idle
                }
                Err(fault) => {
                    tracing::warn!(target: "replication", %fault, "asynchronous replication is interrupted");
                    RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.wait() => {}
            }
        }
    }

    /// Copies everything or applies the next part of the log; true if there was something to do.
    async fn step(&self) -> Result<bool> {
        let primary = self.primary().ok_or_else(|| Error::with_detail(code::REPLICATION_LEADER_ERROR, "no primary in the Plan"))?;
        let endpoint = self.cluster.endpoint(&primary)?;
        let Some(applied) = self.applied(&primary).await? else {
            self.copy(&primary, &endpoint).await?;
            return Ok(true);
        };
        let message = Value::object([("from", Value::uint(applied))]);
        let tail = Tail::from_bytes(&self.ask(&endpoint, "tail", &message).await?)?;
        if !tail.present {
            tracing::warn!(target: "replication", tick = applied, "the primary's log does not reach back to our position: copying again");
            self.copy(&primary, &endpoint).await?;
            return Ok(true);
        }
        if tail.batches.is_empty() {
            return Ok(false);
        }
        let storage = Arc::clone(&self.storage);
        blocking(move || storage.apply_physical(&tail.batches, false)).await?;
        Ok(true)
    }

    /// Tick up to which this is a complete copy of that primary.
    async fn applied(&self, primary: &str) -> Result<Option<u64>> {
        let (storage, primary) = (Arc::clone(&self.storage), primary.to_owned());
        blocking(move || {
            let known = storage.local_value(PRIMARY)?;
            if known.as_deref() == Some(primary.as_bytes()) { storage.applied_tick() } else { Ok(None) }
        })
        .await
    }

    /// Copies the whole key space of the primary as of one snapshot; what was written meanwhile
    /// comes with the log from the snapshot's tick on.
    async fn copy(&self, primary: &str, endpoint: &Endpoint) -> Result<()> {
        tracing::info!(target: "replication", primary, "copying everything from the primary");
        let opened = self.ask(endpoint, "open", &Value::empty_object()).await?;
        let opened = Value::from_bytes(&opened).map_err(|_| malformed("answer"))?;
        let number = |name: &str| opened.as_slice().get(name).and_then(Slice::as_u64).ok_or_else(|| malformed(name));
        let (dump, tick) = (number("dump")?, number("tick")?);
        let storage = Arc::clone(&self.storage);
        let from = primary.to_owned();
        blocking(move || {
            storage.begin_load()?;
            storage.set_local_value(PRIMARY, Some(from.as_bytes()), false)
        })
        .await?;
        let mut position = None;
        let mut bytes = 0usize;
        loop {
            let mut members = vec![("dump", Value::uint(dump))];
            members.extend(position.as_ref().map(|position| ("at", Value::string(&log_routes::position_text(position)))));
            let answer = self.ask(endpoint, "dump", &Value::object(members)).await?;
            bytes += answer.len();
            let chunk = DumpChunk::from_bytes(&answer)?;
            position = chunk.next.clone();
            let storage = Arc::clone(&self.storage);
            blocking(move || storage.load_dump_chunk(&chunk)).await?;
            if position.is_none() {
                break;
            }
        }
        let storage = Arc::clone(&self.storage);
        blocking(move || storage.finish_load(tick)).await?;
        tracing::info!(target: "replication", primary, bytes, tick, "the copy is complete, following the primary's log");
        Ok(())
    }

    async fn ask(&self, endpoint: &Endpoint, what: &str, message: &Value) -> Result<Bytes> {
        let body = Bytes::copy_from_slice(message.as_bytes());
        self.cluster.call_bytes(endpoint, &format!("/_internal/wal/{what}"), body, REQUEST_TIMEOUT).await
    }
}

/// A primary forgets that it was a secondary: its data goes its own way from now on.
pub async fn leave_secondary_role(storage: &Arc<Storage>) -> Result<()> {
    let storage = Arc::clone(storage);
    blocking(move || {
        if storage.local_value(PRIMARY)?.is_none() {
            return Ok(());
        }
        storage.end_copy()?;
        storage.set_local_value(PRIMARY, None, true)
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::internal("storage work was ended"))?
}
