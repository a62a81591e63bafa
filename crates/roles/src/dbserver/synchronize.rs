//! Getting a shard back in sync with its leader (S40, S45–S47): the follower's side.
//!
//! 1. Compare: ranges of keys whose (key, revision) hashes differ are looked at more closely, and
//!    only documents that differ travel. Nothing is locked meanwhile.
//! 2. Catch up: what has been written since is read from the leader's log, until little is left.
//! 3. Hand-over: the leader closes the shard for a moment, the rest of its log is applied, and the
//!    leader puts us on the list of followers before it opens the shard again.
//!
//! Cancel safety: any step may be abandoned; the lock on the leader ends by itself.

use super::DbServer;
use super::shards::{Part, Shard};
use crate::cluster::plan_view::PlannedCollection;
use crate::wire::{self, malformed};
use base::{Error, Result, code};
use std::sync::Arc;
use std::time::Duration;
use storage::{ReplicatedKind, ReplicatedOperation};
use velocypack::{Slice, Value};

/// Documents compared by one hash.
pub(super) const CHUNK_DOCUMENTS: usize = 5000;
/// Documents fetched by one request.
const FETCH_DOCUMENTS: usize = 1000;
/// One request to the leader.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Once less than this is left in the log, the shard is closed.
const HAND_OVER_OPERATIONS: usize = 1000;
/// Rounds of catching up before closing the shard anyway.
const CATCH_UP_ROUNDS: usize = 20;

/// Brings our copy in line with the leader's and gets on the list of followers.
pub(super) async fn synchronize(server: &Arc<DbServer>, planned: &PlannedCollection, shard: &Arc<Shard>, leader: &str) -> Result<()> {
    let began = rt::clock::monotonic();
    let session = Session { server, leader, database: &planned.database, shard: &shard.name };
    let still_follows = || matches!(shard.part(), Part::Following { leader: known } if known == leader);
    let mut tick = session.tick().await?;
    let compared = session.compare().await?;
    for _ in 0..CATCH_UP_ROUNDS {
        let (next, applied) = session.catch_up(tick).await?;
        tick = next;
        if applied < HAND_OVER_OPERATIONS {
            break;
        }
    }
    if !still_follows() {
        return Err(Error::with_detail(code::CLUSTER_NOT_FOLLOWER, &shard.name));
    }
    let lock = session.lock().await?;
    let outcome = session.hand_over(tick, lock).await;
    let released = session.unlock(lock).await;
    outcome.and(released)?;
    let took = rt::clock::monotonic().saturating_sub(began);
    tracing::info!(shard = %shard.name, leader, changed = compared, took_ms = took.as_millis() as u64, "shard is in sync");
    Ok(())
}

/// A conversation with the leader about one shard.
struct Session<'a> {
    server: &'a Arc<DbServer>,
    leader: &'a str,
    database: &'a str,
    shard: &'a str,
}

impl Session<'_> {
    async fn ask(&self, what: &str, more: Vec<(&str, Value)>) -> Result<Value> {
        let mut members =
            vec![("d", Value::string(self.database)), ("s", Value::string(self.shard)), ("f", Value::string(self.server.id()))];
        members.extend(more);
        let path = format!("/_internal/shard/{what}");
        self.server.cluster.call(self.leader, &path, &Value::object(members), REQUEST_TIMEOUT).await
    }

    /// The leader's newest tick.
    async fn tick(&self) -> Result<u64> {
        number(self.ask("tick", vec![]).await?.as_slice(), "tick")
    }

    /// Makes our copy equal to what the leader had when each range was looked at. Returns the
    /// number of documents that were changed.
    async fn compare(&self) -> Result<u64> {
        let mut range = KeyBounds { low: None, high: None };
        let mut changed = 0;
        loop {
            let after = range.low.as_deref().map(|low| ("low", Value::string(low)));
            let answer = self.ask("chunk", after.into_iter().collect()).await?;
            let chunk = answer.as_slice();
            range.high = chunk.get("next").and_then(Slice::as_str).map(str::to_owned);
            let theirs = (number(chunk, "count")?, number(chunk, "hash")?);
            if self.local_hash(&range).await? != theirs {
                changed += self.repair(&range).await?;
            }
            match range.high.take() {
                // Keys hold no NUL, so nothing lies between a key and the same key with one.
                Some(high) => range.low = Some(format!("{high}\0")),
                None => return Ok(changed),
            }
        }
    }

    async fn local_hash(&self, range: &KeyBounds) -> Result<(u64, u64)> {
        let (shard, range) = (self.shard.to_owned(), range.clone());
        self.server
            .blocking_storage(self.database, move |storage, db| {
                let snapshot = storage.shard_snapshot(&storage.collection(db, &shard)?);
                snapshot.hash_of_range(range.low.as_deref(), range.high.as_deref())
            })
            .await
    }

    /// Fetches the keys and revisions of one range, then the documents that differ.
    async fn repair(&self, range: &KeyBounds) -> Result<u64> {
        let answer = self.ask("keys", range.message()).await?;
        let theirs = answer.as_slice().elements().map(key_and_revision).collect::<Result<Vec<_>>>()?;
        let (shard, bounds) = (self.shard.to_owned(), range.clone());
        let ours = self
            .server
            .blocking_storage(self.database, move |storage, db| {
                let snapshot = storage.shard_snapshot(&storage.collection(db, &shard)?);
                snapshot.keys_and_revs(bounds.low.as_deref(), bounds.high.as_deref())
            })
            .await?;
        let (wanted, surplus) = difference(&theirs, &ours);
        let removals = surplus.into_iter().map(|(key, rev)| self.operation(ReplicatedKind::Remove { key, rev })).collect::<Vec<_>>();
        let mut changed = removals.len() as u64;
        self.apply(removals).await?;
        for keys in wanted.chunks(FETCH_DOCUMENTS) {
            let keys = Value::array(keys.iter().map(|key| Value::string(key)));
            let answer = self.ask("documents", vec![("keys", keys)]).await?;
            let puts = answer.as_slice().elements().map(|document| self.put(document)).collect::<Result<Vec<_>>>()?;
            changed += puts.len() as u64;
            self.apply(puts).await?;
        }
        Ok(changed)
    }

    fn put(&self, document: Slice<'_>) -> Result<ReplicatedOperation> {
        let key = document.get("_key").and_then(Slice::as_str).ok_or_else(|| malformed("document without key"))?;
        Ok(self.operation(ReplicatedKind::Put { key: key.to_owned(), document: document.to_value() }))
    }

    fn operation(&self, kind: ReplicatedKind) -> ReplicatedOperation {
        ReplicatedOperation { database: self.database.into(), collection: self.shard.into(), kind }
    }

    async fn apply(&self, operations: Vec<ReplicatedOperation>) -> Result<()> {
        if operations.is_empty() {
            return Ok(());
        }
        self.server.apply(operations, false).await
    }

    /// Applies what the leader logged after `tick`. Returns the tick reached and the number of
    /// operations.
    async fn catch_up(&self, mut tick: u64) -> Result<(u64, usize)> {
        let mut applied = 0;
        loop {
            let answer = self.ask("log", vec![("from", Value::uint(tick))]).await?;
            let slice = answer.as_slice();
            let operations = wire::decode_operations(slice.get("ops").ok_or_else(|| malformed("ops"))?)?;
            applied += operations.len();
            self.apply(operations).await?;
            tick = number(slice, "tick")?;
            if !slice.get("more").and_then(Slice::as_bool).unwrap_or(false) {
                return Ok((tick, applied));
            }
        }
    }

    async fn lock(&self) -> Result<u64> {
        number(self.ask("lock", vec![]).await?.as_slice(), "lock")
    }

    /// The shard is closed on the leader: take the last operations and join.
    async fn hand_over(&self, tick: u64, lock: u64) -> Result<()> {
        self.catch_up(tick).await?;
        let (shard, database) = (self.shard.to_owned(), self.database);
        let count = self.server.blocking_storage(database, move |storage, db| Ok(storage.collection(db, &shard)?.count())).await?;
        self.ask("join", vec![("lock", Value::uint(lock)), ("count", Value::uint(count))]).await?;
        Ok(())
    }

    async fn unlock(&self, lock: u64) -> Result<()> {
        self.ask("unlock", vec![("lock", Value::uint(lock))]).await.map(drop)
    }
}

/// A range of keys, both ends included; `None` stands for no bound.
#[derive(Clone, Debug)]
struct KeyBounds {
    low: Option<String>,
    high: Option<String>,
}

impl KeyBounds {
    fn message(&self) -> Vec<(&'static str, Value)> {
        let low = self.low.as_deref().map(|low| ("low", Value::string(low)));
        let high = self.high.as_deref().map(|high| ("high", Value::string(high)));
        low.into_iter().chain(high).collect()
    }
}

fn number(message: Slice<'_>, name: &str) -> Result<u64> {
    message.get(name).and_then(Slice::as_u64).ok_or_else(|| malformed(name))
}

fn key_and_revision(pair: Slice<'_>) -> Result<(String, base::Revision)> {
    let key = pair.at(0).and_then(Slice::as_str).ok_or_else(|| malformed("key"))?;
    let rev = pair.at(1).and_then(Slice::as_u64).ok_or_else(|| malformed("revision"))?;
    Ok((key.to_owned(), base::Revision(rev)))
}

type Keys = [(String, base::Revision)];

/// Keys to fetch, and what we have too much. Both lists are sorted by key.
fn difference(theirs: &Keys, ours: &Keys) -> (Vec<String>, Vec<(String, base::Revision)>) {
    let (mut wanted, mut surplus) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (theirs.iter().peekable(), ours.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some((theirs, rev)), Some((ours, own))) => match theirs.as_bytes().cmp(ours.as_bytes()) {
                std::cmp::Ordering::Less => wanted.extend(left.next().map(|(key, _)| key.clone())),
                std::cmp::Ordering::Greater => surplus.extend(right.next().cloned()),
                std::cmp::Ordering::Equal => {
                    if rev != own {
                        wanted.push(theirs.clone());
                    }
                    left.next();
                    right.next();
                }
            },
            (Some(_), None) => wanted.extend(left.next().map(|(key, _)| key.clone())),
            (None, Some(_)) => surplus.extend(right.next().cloned()),
            (None, None) => return (wanted, surplus),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Revision;

    #[test]
    fn only_what_differs_is_fetched_or_removed() {
        let list = |pairs: &[(&str, u64)]| pairs.iter().map(|(key, rev)| ((*key).to_owned(), Revision(*rev))).collect::<Vec<_>>();
        let (wanted, surplus) = difference(&list(&[("a", 1), ("b", 2), ("d", 4)]), &list(&[("b", 2), ("c", 3), ("d", 9), ("e", 5)]));
        assert_eq!(wanted, ["a", "d"]);
        assert_eq!(surplus, list(&[("c", 3), ("e", 5)]));
        assert_eq!(difference(&list(&[]), &list(&[])), (vec![], vec![]));
    }
}
