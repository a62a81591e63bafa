//! Comparing and repairing copies of a shard: hashes over ranges of keys, then keys with their
//! revisions, then the documents that differ.
//!
//! The hash of a range depends only on the keys and revisions in it, so two copies of any server
//! agree exactly if they hold the same documents.

use crate::collection::LocalCollection;
use crate::documents::revision_of;
use crate::engine::{Family, KeyRange, Order, Snapshot};
use crate::keys;
use crate::storage::Storage;
use crate::transaction::TransactionOptions;
use base::{Result, Revision};
use std::sync::Arc;
use std::time::Instant;
use velocypack::{Slice, Value};

/// Limit: documents removed at a time by [`Storage::remove_expired`].
const EXPIRED_MAX: usize = 1000;

/// An unchanging view of one shard.
pub struct ShardSnapshot {
    collection: Arc<LocalCollection>,
    snapshot: Box<dyn Snapshot>,
}

/// A range of keys with its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardChunk {
    /// First key.
    pub low: String,
    /// Last key.
    pub high: String,
    /// Number of documents.
    pub count: u64,
    /// Hash over keys and revisions.
    pub hash: u64,
    /// There are documents after it.
    pub more: bool,
}

impl Storage {
    /// A view of a shard as it is now.
    #[must_use]
    pub fn shard_snapshot(&self, collection: &Arc<LocalCollection>) -> ShardSnapshot {
        ShardSnapshot { collection: collection.clone(), snapshot: self.engine.snapshot() }
    }

    /// Keys of documents whose TTL index says that they have expired at `now_s`, oldest first.
    pub fn expired_keys(&self, collection: &LocalCollection, now_s: f64, max: usize) -> Result<Vec<String>> {
        let shape = collection.shape();
        let ttl = shape.indexes.iter().find(|index| index.definition.kind == "ttl" && !index.definition.is_building);
        let Some(index) = ttl else { return Ok(Vec::new()) };
        let limit = now_s - index.definition.expire_after.unwrap_or(f64::INFINITY);
        let mut range = keys::object_range(index.object_id);
        range.to = [&index.object_id.to_be_bytes()[..], &crate::expiry::sortable(limit)].concat();
        let snapshot = self.engine.snapshot();
        let mut entries = snapshot.iter(Family::PersistentIndex, &range, Order::Forward)?;
        let mut expired = Vec::new();
        while entries.valid() && expired.len() < max {
            expired.push(keys::entry_document_key(entries.key()).to_owned());
            entries.advance()?;
        }
        Ok(expired)
    }

    /// Removes expired documents of a collection, a limited number at a time; the answer is how
    /// many. For servers without followers; a leader removes [`Storage::expired_keys`] itself.
    pub fn remove_expired(self: &Arc<Self>, collection: &Arc<LocalCollection>, now_s: f64, lock_deadline: Instant) -> Result<u64> {
        let keys = self.expired_keys(collection, now_s, EXPIRED_MAX)?;
        if keys.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.begin(TransactionOptions::single(lock_deadline))?;
        let request = database::document::DocumentRequest {
            operation: database::document::Operation::Remove,
            documents: keys.iter().map(|key| Value::string(key)).collect(),
            options: database::document::DocumentOptions { silent: true, ..Default::default() },
        };
        let results = transaction.documents(collection, request)?;
        transaction.commit(false)?;
        Ok(results.items.iter().filter(|item| item.is_ok()).count() as u64)
    }
}

impl ShardSnapshot {
    /// Tick of the view: the log of the shard goes on from there.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.snapshot.tick()
    }

    /// The shard.
    #[must_use]
    pub fn collection(&self) -> &Arc<LocalCollection> {
        &self.collection
    }

    /// The range of up to `documents_max` documents after a key (`None`: from the first one);
    /// `None` if there are none.
    pub fn chunk(&self, after_key: Option<&str>, documents_max: usize) -> Result<Option<ShardChunk>> {
        let mut range = keys::object_range(self.collection.object_id());
        if let Some(after) = after_key {
            range.from = keys::document(self.collection.object_id(), after);
            range.from.push(0);
        }
        self.summarise(&range, documents_max.max(1))
    }

    /// Count and hash of all documents from `low` to `high`, both included; `None` stands for no bound.
    pub fn hash_of_range(&self, low: Option<&str>, high: Option<&str>) -> Result<(u64, u64)> {
        let chunk = self.summarise(&self.range(low, high), usize::MAX)?;
        Ok(chunk.map_or((0, HASH_START), |chunk| (chunk.count, chunk.hash)))
    }

    /// Keys and revisions from `low` to `high`, both included; `None` stands for no bound.
    pub fn keys_and_revs(&self, low: Option<&str>, high: Option<&str>) -> Result<Vec<(String, Revision)>> {
        let mut found = Vec::new();
        let mut documents = self.snapshot.iter(Family::Documents, &self.range(low, high), Order::Forward)?;
        while documents.valid() {
            found.push((keys::document_key(documents.key()).to_owned(), revision_of(Slice::new(documents.value()))));
            documents.advance()?;
        }
        Ok(found)
    }

    /// The documents with these keys that exist, in the order of the keys.
    pub fn documents_by_keys(&self, keys: &[impl AsRef<str>]) -> Result<Vec<Value>> {
        let shape = self.collection.shape();
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let bytes = self.snapshot.get(Family::Documents, &keys::document(self.collection.object_id(), key.as_ref()))?;
            found.extend(bytes.map(|bytes| shape.document(&bytes)));
        }
        Ok(found)
    }

    fn range(&self, low: Option<&str>, high: Option<&str>) -> KeyRange {
        let object_id = self.collection.object_id();
        let mut range = keys::object_range(object_id);
        if let Some(low) = low {
            range.from = keys::document(object_id, low);
        }
        if let Some(high) = high {
            range.to = keys::document(object_id, high);
            range.to.push(0);
        }
        range
    }

    fn summarise(&self, range: &KeyRange, documents_max: usize) -> Result<Option<ShardChunk>> {
        let mut documents = self.snapshot.iter(Family::Documents, range, Order::Forward)?;
        if !documents.valid() {
            return Ok(None);
        }
        let low = keys::document_key(documents.key()).to_owned();
        let mut chunk = ShardChunk { high: low.clone(), low, count: 0, hash: HASH_START, more: false };
        let mut high = Vec::new();
        while documents.valid() && (chunk.count as usize) < documents_max {
            let key = documents.key().get(8..).unwrap_or_default();
            chunk.hash = hash(chunk.hash, key);
            chunk.hash = hash(chunk.hash, &revision_of(Slice::new(documents.value())).0.to_le_bytes());
            chunk.count += 1;
            high.clear();
            high.extend_from_slice(documents.key());
            documents.advance()?;
        }
        chunk.high = keys::document_key(&high).to_owned();
        chunk.more = documents.valid();
        Ok(Some(chunk))
    }
}

const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a with a separator after each part; the same on every server and version.
fn hash(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().chain(&[0]).fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
