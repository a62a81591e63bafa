//! A collection on this server, which may be a shard.
//!
//! Invariant: what writers need (indexes, name) is one immutable [`Shape`], read after the
//! collection's lock has been taken; definitions change only while the lock is held exclusively.

use crate::counter::Counter;
use crate::index::LocalIndex;
use base::{Error, Result, code};
use database::catalog::{Collection, CollectionType, Index};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use velocypack::{Builder, Slice, Value};

/// A collection (or shard) that is stored here.
pub struct LocalCollection {
    object_id: u64,
    database: Arc<str>,
    shape: RwLock<Arc<Shape>>,
    pub(crate) counter: Counter,
    dropped: AtomicBool,
}

/// Definition of a collection with what is derived from it.
pub(crate) struct Shape {
    pub(crate) info: Arc<Collection>,
    pub(crate) name: Arc<str>,
    pub(crate) indexes: Vec<Arc<LocalIndex>>,
    /// Was renamed: stored `_id`s may carry an older name.
    pub(crate) renamed: bool,
}

/// The stored form of a definition.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CollectionRecord {
    pub(crate) object_id: u64,
    pub(crate) collection: Collection,
    /// Object ids of the indexes by index id.
    pub(crate) index_object_ids: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) renamed: bool,
}

impl Shape {
    pub(crate) fn from_record(record: CollectionRecord) -> Result<Self> {
        let object_ids = record.index_object_ids;
        let local = |index: &Index| {
            let object_id = object_ids.get(&index.id).copied().unwrap_or(record.object_id);
            LocalIndex::new(object_id, index.clone()).map(Arc::new)
        };
        let indexes = record.collection.indexes.iter().map(local).collect::<Result<Vec<_>>>()?;
        let name = record.collection.name.as_str().into();
        Ok(Self { info: Arc::new(record.collection), name, indexes, renamed: record.renamed })
    }

    pub(crate) fn to_record(&self, object_id: u64) -> CollectionRecord {
        let index_object_ids = self.indexes.iter().map(|index| (index.definition.id.clone(), index.object_id)).collect();
        CollectionRecord { object_id, collection: (*self.info).clone(), index_object_ids, renamed: self.renamed }
    }

    pub(crate) fn is_edge(&self) -> bool {
        self.info.kind == CollectionType::Edge
    }

    pub(crate) fn index(&self, id_or_name: &str) -> Result<&Arc<LocalIndex>> {
        let found = self.indexes.iter().find(|index| index.definition.id == id_or_name || index.definition.name == id_or_name);
        found.ok_or_else(|| Error::from(code::ARANGO_INDEX_NOT_FOUND))
    }

    /// `_id` of a document.
    pub(crate) fn document_id(&self, key: &str) -> String {
        let name = self.info.document_collection();
        let mut id = String::with_capacity(name.len() + 1 + key.len());
        id.push_str(name);
        id.push('/');
        id.push_str(key);
        id
    }

    /// A stored document as clients see it.
    pub(crate) fn document(&self, bytes: &[u8]) -> Value {
        if self.renamed { self.with_present_id(bytes) } else { Value::from_trusted_bytes(bytes) }
    }

    fn with_present_id(&self, bytes: &[u8]) -> Value {
        let stored = Slice::new(bytes);
        let id = self.document_id(stored.get("_key").and_then(Slice::as_str).unwrap_or_default());
        if stored.get("_id").and_then(Slice::as_str) == Some(&id) {
            return Value::from_trusted_bytes(bytes);
        }
        let mut builder = Builder::with_capacity(bytes.len() + id.len());
        builder.open_object();
        for (name, value) in stored.entries() {
            if name == "_id" {
                builder.key(name).string(&id)
            } else {
                builder.key(name).add(value)
            };
        }
        builder.close();
        builder.finish().unwrap_or_else(|_| Value::from_trusted_bytes(bytes))
    }
}

impl LocalCollection {
    pub(crate) fn new(object_id: u64, database: Arc<str>, shape: Shape) -> Self {
        let counter = Counter::new(object_id);
        Self { object_id, database, shape: RwLock::new(Arc::new(shape)), counter, dropped: AtomicBool::new(false) }
    }

    /// Number of the collection in the engine, unique on this server for all time.
    #[must_use]
    pub fn object_id(&self) -> u64 {
        self.object_id
    }

    /// Name of its database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Its definition, with the indexes (also those being built).
    #[must_use]
    pub fn info(&self) -> Arc<Collection> {
        self.shape.read().info.clone()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.shape.read().name.clone()
    }

    /// Number of committed documents.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counter.count()
    }

    /// Greatest numeric key that was generated or seen (`keyOptions.lastValue`).
    #[must_use]
    pub fn last_key(&self) -> u64 {
        self.counter.last_key().load(Ordering::Acquire)
    }

    pub(crate) fn database_arc(&self) -> Arc<str> {
        self.database.clone()
    }

    pub(crate) fn shape(&self) -> Arc<Shape> {
        self.shape.read().clone()
    }

    pub(crate) fn set_shape(&self, shape: Shape) {
        *self.shape.write() = Arc::new(shape);
    }

    pub(crate) fn mark_dropped(&self) {
        self.dropped.store(true, Ordering::Release);
    }

    /// Error 1203 once the collection has been dropped.
    pub(crate) fn check_alive(&self) -> Result<()> {
        if self.dropped.load(Ordering::Acquire) {
            return Err(Error::with_detail(code::ARANGO_DATA_SOURCE_NOT_FOUND, self.name()));
        }
        Ok(())
    }
}

impl std::fmt::Debug for LocalCollection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.database, self.name())
    }
}
