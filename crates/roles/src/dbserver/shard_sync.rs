//! The leader's side of synchronising a shard (`synchronize` is the follower's).
//!
//! Invariant: a follower joins while the shard is closed for writes and its number of documents
//! equals ours; the lock is given back by the follower or ends by itself.

use super::DbServer;
use super::followers::add_follower;
use super::shards::Shard;
use super::synchronize::CHUNK_DOCUMENTS;
use crate::wire::{self, malformed};
use base::{Error, Result, code};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::OwnedRwLockWriteGuard;
use velocypack::{Slice, Value};

/// A lock that its follower does not give back ends after this time.
const LOCK_TTL: Duration = Duration::from_secs(30);
/// Most bytes of operations in one answer.
const LOG_BYTES: usize = 4 << 20;

/// Shards closed for a follower, by number of the lock.
#[derive(Default)]
pub(super) struct Locks {
    next: AtomicU64,
    held: Mutex<HashMap<u64, (String, OwnedRwLockWriteGuard<()>)>>,
}

/// What every message about a shard carries.
struct Asked<'a> {
    database: &'a str,
    shard: &'a str,
    follower: &'a str,
    message: Slice<'a>,
}

impl<'a> Asked<'a> {
    fn read(message: Slice<'a>) -> Result<Self> {
        let text = |name: &'static str| message.get(name).and_then(Slice::as_str).ok_or_else(|| malformed(name));
        Ok(Self { database: text("d")?, shard: text("s")?, follower: text("f")?, message })
    }

    fn number(&self, name: &'static str) -> Result<u64> {
        self.message.get(name).and_then(Slice::as_u64).ok_or_else(|| malformed(name))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.message.get(name).and_then(Slice::as_str).map(str::to_owned)
    }
}

impl DbServer {
    /// Answers `/_internal/shard/<what>`.
    pub(super) async fn serve_shard(self: &Arc<Self>, what: &str, message: Slice<'_>) -> Result<Value> {
        let asked = Asked::read(message)?;
        let shard = self.shards.led(asked.shard)?;
        match what {
            "tick" => Ok(Value::object([("tick", Value::uint(self.storage.latest_tick()))])),
            "chunk" => self.serve_chunk(&asked).await,
            "keys" => self.serve_keys(&asked).await,
            "documents" => self.serve_documents(&asked).await,
            "log" => self.serve_log(&asked).await,
            "lock" => Ok(self.serve_lock(&shard).await),
            "join" => self.serve_join(&asked, &shard).await,
            "unlock" => {
                self.locks.held.lock().remove(&asked.number("lock")?);
                Ok(Value::empty_object())
            }
            _ => Err(Error::from(code::HTTP_NOT_FOUND)),
        }
    }

    /// Count and hash of the next documents, and the last key unless they are the last ones.
    async fn serve_chunk(&self, asked: &Asked<'_>) -> Result<Value> {
        // The follower asks for what lies after the last key of the chunk before.
        let after = asked.text("low").map(|low| low.trim_end_matches('\0').to_owned());
        let chunk = self.on_snapshot(asked, move |snapshot| snapshot.chunk(after.as_deref(), CHUNK_DOCUMENTS)).await?;
        let (count, hash, next) = match chunk {
            Some(chunk) => (chunk.count, chunk.hash, chunk.more.then_some(chunk.high)),
            None => self
                .on_snapshot(asked, |snapshot| snapshot.hash_of_range(Some("\0"), Some("\0")))
                .await
                .map(|(count, hash)| (count, hash, None))?,
        };
        let mut members = vec![("hash", Value::uint(hash)), ("count", Value::uint(count))];
        members.extend(next.map(|next| ("next", Value::string(&next))));
        Ok(Value::object(members))
    }

    async fn serve_keys(&self, asked: &Asked<'_>) -> Result<Value> {
        let (low, high) = (asked.text("low"), asked.text("high"));
        let pairs = self.on_snapshot(asked, move |snapshot| snapshot.keys_and_revs(low.as_deref(), high.as_deref())).await?;
        Ok(Value::array(pairs.into_iter().map(|(key, rev)| Value::array([Value::string(&key), Value::uint(rev.0)]))))
    }

    async fn on_snapshot<T: Send + 'static>(
        &self,
        asked: &Asked<'_>,
        work: impl FnOnce(&storage::ShardSnapshot) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shard = asked.shard.to_owned();
        self.blocking_storage(asked.database, move |storage, db| work(&storage.shard_snapshot(&storage.collection(db, &shard)?))).await
    }

    async fn serve_documents(&self, asked: &Asked<'_>) -> Result<Value> {
        let keys = asked.message.get("keys").ok_or_else(|| malformed("keys"))?;
        let keys: Vec<String> = keys.elements().filter_map(|key| key.as_str().map(str::to_owned)).collect();
        let documents = self.on_snapshot(asked, move |snapshot| snapshot.documents_by_keys(&keys)).await?;
        Ok(Value::array(documents))
    }

    async fn serve_log(&self, asked: &Asked<'_>) -> Result<Value> {
        let (shard, from) = (asked.shard.to_owned(), asked.number("from")?);
        let log = self
            .blocking_storage(asked.database, move |storage, db| {
                let collection = storage.collection(db, &shard)?;
                storage.tail_collection(&collection, from, LOG_BYTES)
            })
            .await?;
        if !log.present {
            return Err(code::REPLICATION_START_TICK_NOT_PRESENT.into());
        }
        Ok(Value::object([
            ("ops", wire::encode_operations(&log.operations)),
            ("tick", Value::uint(log.read_to)),
            ("more", Value::bool(log.read_to < log.last_tick)),
        ]))
    }

    /// Closes the shard; writes that are under way finish first.
    async fn serve_lock(self: &Arc<Self>, shard: &Arc<Shard>) -> Value {
        let guard = shard.close().await;
        let number = self.locks.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.locks.held.lock().insert(number, (shard.name.clone(), guard));
        let me = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(LOCK_TTL).await;
            me.locks.held.lock().remove(&number);
        });
        Value::object([("lock", Value::uint(number))])
    }

    async fn serve_join(&self, asked: &Asked<'_>, shard: &Arc<Shard>) -> Result<Value> {
        let lock = asked.number("lock")?;
        // Taken out, so that the lock cannot end in the middle; dropped when this call ends.
        let held = self.locks.held.lock().remove(&lock).filter(|(name, _)| *name == shard.name);
        let held = held.ok_or_else(|| Error::with_detail(code::REPLICATION_SHARD_SYNC_ATTEMPT_TIMEOUT_EXCEEDED, &shard.name))?;
        let ours = self.storage.collection(asked.database, asked.shard)?.count();
        let theirs = asked.number("count")?;
        if ours != theirs {
            return Err(Error::with_detail(code::REPLICATION_WRONG_CHECKSUM, format!("{theirs} documents instead of {ours}")));
        }
        add_follower(&self.cluster, shard, asked.follower).await?;
        drop(held);
        Ok(Value::empty_object())
    }
}
