//! Document operations as a leader sends them to its followers, and applying them.
//!
//! Applying is blind: the leader has decided. It is idempotent too, so operations may come again
//! after a synchronisation. Wire form: see [`encode_operations`].

use crate::batch::{push_sized, take_sized, take_u64};
use crate::catalog::Catalog;
use crate::collection::LocalCollection;
use crate::documents::revision_of;
use crate::engine::Family;
use crate::key_generator;
use crate::keys;
use crate::locks::Mode;
use crate::storage::Storage;
use crate::transaction::{Authority, Change, Transaction, TransactionOptions};
use base::{Error, Result, Revision, code};
use std::sync::Arc;
use std::time::Instant;
use velocypack::{Slice, Value};

const PUT: u8 = 1;
const REMOVE: u8 = 2;
const TRUNCATE: u8 = 3;

/// One change of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicatedOperation {
    /// Database name.
    pub database: Arc<str>,
    /// Collection (shard) name.
    pub collection: Arc<str>,
    /// What is done.
    pub kind: ReplicatedKind,
}

/// What a [`ReplicatedOperation`] does.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplicatedKind {
    /// The document is now this one.
    Put {
        /// `_key`.
        key: String,
        /// The whole document.
        document: Value,
    },
    /// The document is gone.
    Remove {
        /// `_key`.
        key: String,
        /// Revision that was removed; 0 if it is not known.
        rev: Revision,
    },
    /// All documents are gone.
    Truncate,
}

/// The operations as bytes: per operation its kind (1 byte), database, collection, key, revision
/// (8 bytes) and document, texts with their length (4 bytes) before them.
#[must_use]
pub fn encode_operations(operations: &[ReplicatedOperation]) -> Vec<u8> {
    let mut out = Vec::new();
    for operation in operations {
        let (number, key, rev, document) = match &operation.kind {
            ReplicatedKind::Put { key, document } => (PUT, key.as_str(), 0, document.as_bytes()),
            ReplicatedKind::Remove { key, rev } => (REMOVE, key.as_str(), rev.0, &[][..]),
            ReplicatedKind::Truncate => (TRUNCATE, "", 0, &[][..]),
        };
        out.push(number);
        push_sized(&mut out, operation.database.as_bytes());
        push_sized(&mut out, operation.collection.as_bytes());
        push_sized(&mut out, key.as_bytes());
        out.extend_from_slice(&rev.to_le_bytes());
        push_sized(&mut out, document);
    }
    out
}

/// Reads what [`encode_operations`] wrote; every document is checked.
pub fn decode_operations(bytes: &[u8]) -> Result<Vec<ReplicatedOperation>> {
    let mut rest = bytes;
    let mut operations = Vec::new();
    while !rest.is_empty() {
        let operation = decode_operation(&mut rest);
        operations.push(operation.ok_or_else(|| Error::bad_parameter("malformed replicated operations"))?);
    }
    Ok(operations)
}

fn decode_operation(rest: &mut &[u8]) -> Option<ReplicatedOperation> {
    let (&number, tail) = rest.split_first()?;
    *rest = tail;
    let database = std::str::from_utf8(take_sized(rest)?).ok()?;
    let collection = std::str::from_utf8(take_sized(rest)?).ok()?;
    let key = std::str::from_utf8(take_sized(rest)?).ok()?.to_owned();
    let rev = Revision(take_u64(rest)?);
    let document = take_sized(rest)?;
    let kind = match number {
        PUT => ReplicatedKind::Put { key, document: Value::from_bytes(document).ok()? },
        REMOVE => ReplicatedKind::Remove { key, rev },
        TRUNCATE => ReplicatedKind::Truncate,
        _ => return None,
    };
    Some(ReplicatedOperation { database: database.into(), collection: collection.into(), kind })
}

/// Operations of one collection from the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CollectionTail {
    /// The log still holds everything after the tick asked for.
    pub present: bool,
    /// Tick up to which the log was read: where to go on.
    pub read_to: u64,
    /// Newest tick of the log.
    pub last_tick: u64,
    /// The operations, in order.
    pub operations: Vec<ReplicatedOperation>,
}

impl Storage {
    /// Applies operations of a leader in one batch.
    pub fn apply(self: &Arc<Self>, operations: &[ReplicatedOperation], lock_deadline: Instant, sync: bool) -> Result<u64> {
        self.prepare(operations, lock_deadline)?.commit(sync)
    }

    /// Applies operations of a leader to a transaction that is committed (or aborted) later.
    pub fn prepare(self: &Arc<Self>, operations: &[ReplicatedOperation], lock_deadline: Instant) -> Result<Transaction> {
        let mut transaction = self.begin(TransactionOptions::single(lock_deadline))?;
        for operation in operations {
            let collection = self.collection(&operation.database, &operation.collection)?;
            transaction.apply_operation(&collection, &operation.kind)?;
        }
        Ok(transaction)
    }

    /// What happened to one collection after a tick, read from the log.
    pub fn tail_collection(&self, collection: &LocalCollection, from_tick: u64, bytes_max: usize) -> Result<CollectionTail> {
        let tail = self.engine.tail(from_tick, bytes_max)?;
        let read_to = tail.batches.last().map_or(from_tick, |(tick, _)| *tick);
        let mut operations = Vec::new();
        let range = keys::object_range(collection.object_id());
        for write in tail.batches.iter().flat_map(|(_, batch)| batch) {
            let kind = match write {
                crate::Write::Put { family: Family::Documents, key, value } if range.contains(key) => {
                    ReplicatedKind::Put { key: keys::document_key(key).to_owned(), document: Value::from_trusted_bytes(value) }
                }
                crate::Write::Delete { family: Family::Documents, key } if range.contains(key) => {
                    ReplicatedKind::Remove { key: keys::document_key(key).to_owned(), rev: Revision(0) }
                }
                crate::Write::DeleteRange { family: Family::Documents, from, .. } if from == range.from => ReplicatedKind::Truncate,
                _ => continue,
            };
            operations.push(ReplicatedOperation { database: collection.database_arc(), collection: collection.name(), kind });
        }
        Ok(CollectionTail { present: tail.present, read_to, last_tick: tail.last_tick, operations })
    }

    pub(crate) fn collection_of(&self, catalog: &Catalog, key: &[u8]) -> Option<Arc<LocalCollection>> {
        keys::object_id(key).and_then(|id| catalog.by_object_id(id)).cloned()
    }
}

impl Transaction {
    /// Applies one operation as the leader decided it.
    pub fn apply_operation(&mut self, collection: &Arc<LocalCollection>, kind: &ReplicatedKind) -> Result<()> {
        match kind {
            ReplicatedKind::Put { key, document } => self.apply_document(collection, key, Some(document)),
            ReplicatedKind::Remove { key, .. } => self.apply_document(collection, key, None),
            ReplicatedKind::Truncate => {
                self.lock_collection(collection, Mode::Exclusive)?;
                self.truncate_locked(collection);
                Ok(())
            }
        }
    }

    fn apply_document(&mut self, collection: &Arc<LocalCollection>, key: &str, new: Option<&Value>) -> Result<()> {
        if !base::names::is_document_key(key) {
            return Err(Error::from(code::ARANGO_DOCUMENT_KEY_BAD));
        }
        self.lock_collection(collection, Mode::Shared)?;
        self.lock_key(collection, key)?;
        let shape = collection.shape();
        let engine_key = keys::document(collection.object_id(), key);
        let old = self.latest(Family::Documents, &engine_key)?;
        if old.is_none() && new.is_none() {
            return Ok(());
        }
        if let Some(new) = new {
            self.storage.merge_revision(revision_of(new.as_slice()));
            key_generator::note(&shape.info.key_options, &collection.counter, key);
        }
        let old_slice = old.as_deref().map(Slice::new);
        let mut changes = self.index_changes(&shape, key, old_slice, new.map(Value::as_slice), Authority::Follower)?;
        changes.push(Change { family: Family::Documents, key: engine_key, value: new.map(|new| new.as_bytes().to_vec()) });
        let delta = i64::from(new.is_some()) - i64::from(old.is_some());
        let kind = match new {
            Some(new) => ReplicatedKind::Put { key: key.to_owned(), document: new.clone() },
            None => ReplicatedKind::Remove { key: key.to_owned(), rev: old_slice.map_or(Revision(0), revision_of) },
        };
        self.apply(collection, &changes, delta, kind);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_round_trip_and_garbage_is_refused() {
        let operation = |kind| ReplicatedOperation { database: "d".into(), collection: "s1".into(), kind };
        let operations = vec![
            operation(ReplicatedKind::Put { key: "k".into(), document: Value::object([("a", Value::int(1))]) }),
            operation(ReplicatedKind::Remove { key: "k".into(), rev: Revision(7) }),
            operation(ReplicatedKind::Truncate),
        ];
        let bytes = encode_operations(&operations);
        assert_eq!(decode_operations(&bytes).unwrap(), operations);
        assert!(decode_operations(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode_operations(&[9, 0]).is_err());
    }
}
