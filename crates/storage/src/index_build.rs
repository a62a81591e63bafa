//! Creating and dropping indexes while the collection is in use.
//!
//! A new index is first made known to writers, who maintain it from then on; then existing documents
//! are added slice by slice, each under an exclusive lock of the collection, so memory stays
//! bounded and writers wait for one slice at most. Invariant: a building index holds entries of
//! documents as they are now, at any time; what is missing belongs to documents not reached yet.

use crate::batch::Batch;
use crate::catalog::{delete_entries, name_index};
use crate::collection::{LocalCollection, Shape};
use crate::engine::{Family, Order};
use crate::index::{self, LocalIndex};
use crate::keys;
use crate::storage::Storage;
use base::{Error, Result, code};
use database::catalog::Index;
use std::collections::HashMap;
use std::sync::Arc;
use velocypack::Slice;

impl Storage {
    /// Creates an index and fills it; the flag tells whether it is new. A unique violation is
    /// error 1210, an unusable definition 10 or 1220.
    pub fn create_index(&self, database: &str, collection: &str, wanted: Index) -> Result<(Index, bool)> {
        let collection = self.collection(database, collection)?;
        index::validate(&wanted)?;
        if matches!(wanted.kind.as_str(), "primary" | "edge") {
            return Err(Error::new(code::ARANGO_INDEX_CREATION_FAILED, "primary and edge indexes cannot be created"));
        }
        let index = match self.announce_index(&collection, wanted)? {
            Announced::Existing(existing) => return Ok((existing, false)),
            Announced::New(index) => index,
        };
        let filled = self.fill_index(&collection, &index).and_then(|()| self.finish_index(&collection, &index));
        if let Err(fault) = filled {
            if let Err(second) = self.withdraw_index(&collection, &index.definition.id) {
                tracing::warn!(error = %second, index = index.definition.name, "an unfinished index could not be removed");
            }
            return Err(fault);
        }
        let mut created = index.definition.clone();
        created.is_building = false;
        Ok((created, true))
    }

    /// Drops an index by id or name; 1212 if unknown, 403 for the primary and edge index.
    pub fn drop_index(&self, database: &str, collection: &str, id_or_name: &str) -> Result<Index> {
        let collection = self.collection(database, collection)?;
        let definition = collection.shape().index(id_or_name)?.definition.clone();
        if matches!(definition.kind.as_str(), "primary" | "edge") {
            return Err(Error::from(code::FORBIDDEN));
        }
        self.withdraw_index(&collection, &definition.id)?;
        Ok(definition)
    }

    fn announce_index(&self, collection: &LocalCollection, mut wanted: Index) -> Result<Announced> {
        let same = |shape: &Shape| shape.indexes.iter().find(|other| index::is_same(&other.definition, &wanted)).cloned();
        if let Some(existing) = same(&collection.shape()) {
            return Ok(Announced::Existing(existing.definition.clone()));
        }
        let _lock = self.lock_definition(collection)?;
        let _guard = self.definitions.lock();
        let shape = collection.shape();
        if let Some(existing) = same(&shape) {
            return Ok(Announced::Existing(existing.definition.clone()));
        }
        let object_id = self.next_number()?;
        name_index(&mut wanted, object_id);
        if shape.indexes.iter().any(|other| other.definition.name == wanted.name || other.definition.id == wanted.id) {
            return Err(Error::new(code::ARANGO_DUPLICATE_IDENTIFIER, format!("duplicate value for index id or name '{}'", wanted.name)));
        }
        if wanted.kind == "ttl" && shape.indexes.iter().any(|other| other.definition.kind == "ttl") {
            return Err(Error::bad_parameter("there can only be one ttl index per collection"));
        }
        wanted.is_building = true;
        let index = Arc::new(LocalIndex::new(object_id, wanted)?);
        let mut indexes = shape.indexes.clone();
        indexes.push(index.clone());
        self.store_shape(collection, shape.with_indexes(indexes))?;
        Ok(Announced::New(index))
    }

    fn fill_index(&self, collection: &LocalCollection, index: &LocalIndex) -> Result<()> {
        let mut range = keys::object_range(collection.object_id());
        loop {
            let _lock = self.lock_definition(collection)?;
            let snapshot = self.engine.snapshot();
            let mut documents = snapshot.iter(Family::Documents, &range, Order::Forward)?;
            let mut slice = FillSlice { batch: Batch::new(), written: HashMap::new() };
            let mut count = 0;
            while documents.valid() && count < self.options.index_batch_documents {
                self.fill_document(index, keys::document_key(documents.key()), Slice::new(documents.value()), &mut slice)?;
                range.from = documents.key().to_vec();
                range.from.push(0);
                count += 1;
                documents.advance()?;
            }
            self.engine.write(&slice.batch, false)?;
            if !documents.valid() {
                return Ok(());
            }
        }
    }

    fn fill_document(&self, index: &LocalIndex, key: &str, document: Slice<'_>, slice: &mut FillSlice) -> Result<()> {
        let Some(family) = index.family() else { return Ok(()) };
        for entry in index.entries(document, key)? {
            if index.is_unique() {
                let stored = self.engine.get(family, &entry.key)?;
                if let Some(other) = stored.as_deref().map(|value| keys::split_unique_value(value).0).filter(|other| *other != key) {
                    return Err(index.violation(other));
                }
                if let Some(other) = slice.written.insert(entry.key.clone(), key.to_owned()) {
                    return Err(index.violation(&other));
                }
            }
            slice.batch.put(family, &entry.key, &entry.value);
        }
        Ok(())
    }

    fn finish_index(&self, collection: &LocalCollection, index: &LocalIndex) -> Result<()> {
        let _guard = self.definitions.lock();
        let shape = collection.shape();
        let mut definition = index.definition.clone();
        definition.is_building = false;
        let finished = LocalIndex { ready_tick: self.latest_tick(), ..LocalIndex::new(index.object_id, definition)? };
        let finished = Arc::new(finished);
        let replace = |other: &Arc<LocalIndex>| if other.object_id == index.object_id { finished.clone() } else { other.clone() };
        let indexes = shape.indexes.iter().map(replace).collect();
        self.store_shape(collection, shape.with_indexes(indexes))
    }

    fn withdraw_index(&self, collection: &LocalCollection, id: &str) -> Result<()> {
        let _lock = self.lock_definition(collection)?;
        let _guard = self.definitions.lock();
        let shape = collection.shape();
        let Some(index) = shape.indexes.iter().find(|index| index.definition.id == id) else { return Ok(()) };
        let indexes = shape.indexes.iter().filter(|other| other.object_id != index.object_id).cloned().collect();
        let without = shape.with_indexes(indexes);
        let mut batch = Batch::new();
        self.put_shape(collection, &without, &mut batch)?;
        delete_entries(&mut batch, index);
        // Readers take their snapshot before they look the index up. Whoever still finds it has a
        // snapshot from before the deletion, because the index goes out of sight first.
        collection.set_shape(without);
        if let Err(fault) = self.engine.write(&batch, true) {
            collection.set_shape(shape.with_indexes(shape.indexes.clone()));
            return Err(fault);
        }
        Ok(())
    }

    /// Removes indexes whose creation a crash interrupted.
    pub(crate) fn remove_unfinished_indexes(&self) -> Result<()> {
        for database in self.databases() {
            for collection in self.collections(&database.name)? {
                let shape = collection.shape();
                for index in shape.indexes.iter().filter(|index| index.definition.is_building) {
                    self.withdraw_index(&collection, &index.definition.id)?;
                }
            }
        }
        Ok(())
    }
}

enum Announced {
    Existing(Index),
    New(Arc<LocalIndex>),
}

struct FillSlice {
    batch: Batch,
    /// Unique entries of this slice and whose they are.
    written: HashMap<Vec<u8>, String>,
}

impl Shape {
    pub(crate) fn with_indexes(&self, indexes: Vec<Arc<LocalIndex>>) -> Self {
        let mut info = (*self.info).clone();
        info.indexes = indexes.iter().map(|index| index.definition.clone()).collect();
        Self { info: Arc::new(info), name: self.name.clone(), indexes, renamed: self.renamed }
    }
}
