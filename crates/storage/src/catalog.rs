//! Databases, collections and indexes of this server.
//!
//! The catalog in memory is an immutable value that a change replaces as a whole, so looking a
//! collection up never waits for a change of definitions. Invariant: the engine's `Definitions`
//! and the catalog agree whenever the mutex `definitions` is free.

use crate::batch::Batch;
use crate::collection::{CollectionRecord, LocalCollection, Shape};
use crate::engine::{Family, KeyRange, Order};
use crate::index::LocalIndex;
use crate::key_generator;
use crate::keys;
use crate::locks::{Held, LockId, Mode, Wait};
use crate::storage::Storage;
use base::{Error, Result, code, names};
use database::catalog::{Collection, CollectionType, Database, Index};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Databases with their collections.
#[derive(Clone, Default)]
pub(crate) struct Catalog {
    databases: BTreeMap<String, DatabaseEntry>,
    by_object_id: HashMap<u64, Arc<LocalCollection>>,
}

#[derive(Clone)]
struct DatabaseEntry {
    info: Database,
    name: Arc<str>,
    by_name: BTreeMap<Arc<str>, Arc<LocalCollection>>,
    by_id: HashMap<String, Arc<LocalCollection>>,
}

impl Catalog {
    fn database(&self, name: &str) -> Result<&DatabaseEntry> {
        self.databases.get(name).ok_or_else(|| Error::with_detail(code::ARANGO_DATABASE_NOT_FOUND, name))
    }

    fn database_mut(&mut self, name: &str) -> Result<&mut DatabaseEntry> {
        self.databases.get_mut(name).ok_or_else(|| Error::with_detail(code::ARANGO_DATABASE_NOT_FOUND, name))
    }

    pub(crate) fn by_object_id(&self, object_id: u64) -> Option<&Arc<LocalCollection>> {
        self.by_object_id.get(&object_id)
    }

    fn insert(&mut self, database: &str, collection: Arc<LocalCollection>) -> Result<()> {
        let info = collection.info();
        let entry = self.database_mut(database)?;
        entry.by_name.insert(collection.name(), collection.clone());
        entry.by_id.insert(info.id.clone(), collection.clone());
        self.by_object_id.insert(collection.object_id(), collection);
        Ok(())
    }

    fn remove(&mut self, collection: &LocalCollection) {
        if let Some(entry) = self.databases.get_mut(collection.database()) {
            entry.by_name.retain(|_, other| other.object_id() != collection.object_id());
            entry.by_id.retain(|_, other| other.object_id() != collection.object_id());
        }
        self.by_object_id.remove(&collection.object_id());
    }
}

impl DatabaseEntry {
    fn collection(&self, name_or_id: &str) -> Result<&Arc<LocalCollection>> {
        let found = self.by_name.get(name_or_id).or_else(|| self.by_id.get(name_or_id));
        found.ok_or_else(|| Error::with_detail(code::ARANGO_DATA_SOURCE_NOT_FOUND, name_or_id))
    }
}

impl Storage {
    /// All databases, sorted by name.
    #[must_use]
    pub fn databases(&self) -> Vec<Database> {
        self.catalog().databases.values().map(|entry| entry.info.clone()).collect()
    }

    /// A database; 1228 if unknown.
    pub fn database(&self, name: &str) -> Result<Database> {
        self.catalog().database(name).map(|entry| entry.info.clone())
    }

    /// Creates a database; 1207 if it exists, 1229 for an illegal name. An empty id is filled in.
    pub fn create_database(&self, wanted: &Database) -> Result<Database> {
        let _guard = self.definitions.lock();
        if wanted.name.is_empty() || wanted.name.len() > names::NAME_BYTES_MAX || wanted.name.contains(['/', '\0']) {
            return Err(Error::from(code::ARANGO_DATABASE_NAME_INVALID));
        }
        let mut catalog = (*self.catalog()).clone();
        if catalog.databases.contains_key(&wanted.name) {
            return Err(Error::from(code::ARANGO_DUPLICATE_NAME));
        }
        let mut info = wanted.clone();
        if info.id.is_empty() {
            info.id = self.next_number()?.to_string();
        }
        let mut batch = Batch::new();
        batch.put(Family::Definitions, &keys::database(&info.name), &to_json(&info)?);
        self.engine.write(&batch, true)?;
        catalog.databases.insert(info.name.clone(), DatabaseEntry::new(info.clone()));
        *self.catalog.write() = Arc::new(catalog);
        Ok(info)
    }

    /// Drops a database with all its collections; 1228, and 403 for `_system`.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        if name == "_system" {
            return Err(Error::from(code::FORBIDDEN));
        }
        let mut locked = BTreeMap::new();
        loop {
            // Locks of collections always come before the mutex. A collection that was created in
            // between is locked in another round.
            for collection in self.collections(name)? {
                if let Entry::Vacant(place) = locked.entry(collection.object_id()) {
                    place.insert(self.lock_definition(&collection)?);
                }
            }
            let _guard = self.definitions.lock();
            let mut catalog = (*self.catalog()).clone();
            let entry = catalog.database(name)?.clone();
            if !entry.by_name.values().all(|collection| locked.contains_key(&collection.object_id())) {
                continue;
            }
            let mut batch = Batch::new();
            batch.delete(Family::Definitions, &keys::database(name));
            for collection in entry.by_name.values() {
                delete_collection(&mut batch, &entry.info.id, collection);
            }
            self.engine.write(&batch, true)?;
            for collection in entry.by_name.values() {
                collection.mark_dropped();
                catalog.remove(collection);
            }
            catalog.databases.remove(name);
            *self.catalog.write() = Arc::new(catalog);
            return Ok(());
        }
    }

    /// All collections of a database, sorted by name.
    pub fn collections(&self, database: &str) -> Result<Vec<Arc<LocalCollection>>> {
        Ok(self.catalog().database(database)?.by_name.values().cloned().collect())
    }

    /// A collection by name or id; 1228, 1203.
    pub fn collection(&self, database: &str, name_or_id: &str) -> Result<Arc<LocalCollection>> {
        self.catalog().database(database)?.collection(name_or_id).cloned()
    }

    /// Creates a collection; 1207, 1208, 1232. Missing ids and the primary and edge index are filled in;
    /// other indexes in the definition are created with it.
    pub fn create_collection(&self, database: &str, wanted: Collection) -> Result<Arc<LocalCollection>> {
        let _guard = self.definitions.lock();
        let mut catalog = (*self.catalog()).clone();
        let (database_id, database_name) = {
            let entry = catalog.database(database)?;
            if entry.by_name.contains_key(wanted.name.as_str()) || entry.by_id.contains_key(&wanted.id) {
                return Err(Error::from(code::ARANGO_DUPLICATE_NAME));
            }
            (entry.info.id.clone(), entry.name.clone())
        };
        let record = self.new_record(wanted)?;
        let object_id = record.object_id;
        let key = keys::collection(&database_id, &record.collection.id);
        let json = to_json(&record)?;
        let collection = Arc::new(LocalCollection::new(object_id, database_name, Shape::from_record(record)?));
        let mut batch = Batch::new();
        batch.put(Family::Definitions, &key, &json);
        self.engine.write(&batch, true)?;
        catalog.insert(database, collection.clone())?;
        *self.catalog.write() = Arc::new(catalog);
        Ok(collection)
    }

    fn new_record(&self, mut wanted: Collection) -> Result<CollectionRecord> {
        if !is_legal_name(&wanted.name) {
            return Err(Error::from(code::ARANGO_ILLEGAL_NAME));
        }
        key_generator::validate(&wanted.key_options)?;
        let object_id = self.next_number()?;
        if wanted.id.is_empty() {
            wanted.id = object_id.to_string();
        }
        if wanted.globally_unique_id.is_empty() {
            wanted.globally_unique_id = format!("h/{}", wanted.id);
        }
        wanted.shards.clear();
        if !wanted.indexes.iter().any(|index| index.kind == "primary") {
            wanted.indexes.insert(0, Index::primary());
        }
        if wanted.kind == CollectionType::Edge && !wanted.indexes.iter().any(|index| index.kind == "edge") {
            wanted.indexes.insert(1, Index::edge());
        }
        let mut index_object_ids = BTreeMap::new();
        for index in &mut wanted.indexes {
            let number = self.next_number()?;
            // There is nothing to fill.
            index.is_building = false;
            name_index(index, number);
            index_object_ids.insert(index.id.clone(), number);
        }
        Ok(CollectionRecord { object_id, collection: wanted, index_object_ids, renamed: false })
    }

    /// Drops a collection with all its data; 1228, 1203, 1200 if a transaction keeps it locked.
    pub fn drop_collection(&self, database: &str, name_or_id: &str) -> Result<()> {
        let collection = self.collection(database, name_or_id)?;
        let _lock = self.lock_definition(&collection)?;
        let _guard = self.definitions.lock();
        let mut catalog = (*self.catalog()).clone();
        let database_id = catalog.database(database)?.info.id.clone();
        let mut batch = Batch::new();
        delete_collection(&mut batch, &database_id, &collection);
        self.engine.write(&batch, true)?;
        collection.mark_dropped();
        catalog.remove(&collection);
        *self.catalog.write() = Arc::new(catalog);
        Ok(())
    }

    /// Changes the definition of a collection. The closure gets a copy; its name, id, type and
    /// indexes stay as they are.
    pub fn change_collection(
        &self,
        database: &str,
        name_or_id: &str,
        change: impl FnOnce(&mut Collection) -> Result<()>,
    ) -> Result<Arc<Collection>> {
        let _guard = self.definitions.lock();
        let collection = self.collection(database, name_or_id)?;
        let shape = collection.shape();
        let mut info = (*shape.info).clone();
        change(&mut info)?;
        let old = &shape.info;
        (info.id, info.name, info.kind, info.indexes) = (old.id.clone(), old.name.clone(), old.kind, old.indexes.clone());
        let changed = Shape { info: Arc::new(info), name: shape.name.clone(), indexes: shape.indexes.clone(), renamed: shape.renamed };
        self.store_shape(&collection, changed)?;
        Ok(collection.info())
    }

    /// Renames a collection; 1207, 1208. Edges that point into it keep the old name.
    pub fn rename_collection(&self, database: &str, name_or_id: &str, new_name: &str) -> Result<Arc<LocalCollection>> {
        if !is_legal_name(new_name) {
            return Err(Error::from(code::ARANGO_ILLEGAL_NAME));
        }
        let collection = self.collection(database, name_or_id)?;
        let _lock = self.lock_definition(&collection)?;
        let _guard = self.definitions.lock();
        let mut catalog = (*self.catalog()).clone();
        if catalog.database(database)?.by_name.contains_key(new_name) {
            return Err(Error::from(code::ARANGO_DUPLICATE_NAME));
        }
        let shape = collection.shape();
        let mut info = (*shape.info).clone();
        info.name = new_name.to_owned();
        let renamed = Shape { info: Arc::new(info), name: new_name.into(), indexes: shape.indexes.clone(), renamed: true };
        catalog.remove(&collection);
        self.store_shape(&collection, renamed)?;
        catalog.insert(database, collection.clone())?;
        *self.catalog.write() = Arc::new(catalog);
        Ok(collection)
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().clone()
    }

    /// Stores a changed definition and makes it visible.
    pub(crate) fn store_shape(&self, collection: &LocalCollection, shape: Shape) -> Result<()> {
        let mut batch = Batch::new();
        self.put_shape(collection, &shape, &mut batch)?;
        self.engine.write(&batch, true)?;
        collection.set_shape(shape);
        Ok(())
    }

    pub(crate) fn put_shape(&self, collection: &LocalCollection, shape: &Shape, batch: &mut Batch) -> Result<()> {
        let catalog = self.catalog();
        let database_id = &catalog.database(collection.database())?.info.id;
        let record = shape.to_record(collection.object_id());
        batch.put(Family::Definitions, &keys::collection(database_id, &record.collection.id), &to_json(&record)?);
        Ok(())
    }

    /// Locks a collection against all transactions while its definition changes. It comes before
    /// the mutex `definitions`, so that one busy collection holds up no other one's changes.
    pub(crate) fn lock_definition(&self, collection: &LocalCollection) -> Result<DefinitionLock<'_>> {
        let id = self.locks.collection(collection.object_id());
        if !self.locks.acquire(id, Mode::Exclusive, Held::Nothing, Wait::For(self.options.definition_lock_wait)) {
            let name = collection.name();
            return Err(Error::new(code::ARANGO_CONFLICT, format!("timeout waiting to lock collection {name} exclusively")));
        }
        let lock = DefinitionLock { storage: self, id };
        collection.check_alive()?;
        Ok(lock)
    }

    /// Reads all definitions; collections that are known already keep their identity.
    pub(crate) fn reload_catalog(&self) -> Result<()> {
        let _guard = self.definitions.lock();
        let old = self.catalog();
        let mut new = Catalog::default();
        let mut database_names = HashMap::new();
        let snapshot = self.engine.snapshot();
        let mut entries = snapshot.iter(Family::Definitions, &KeyRange::prefix(b"D"), Order::Forward)?;
        while entries.valid() {
            let info: Database = from_json(entries.value())?;
            database_names.insert(info.id.clone(), info.name.clone());
            new.databases.insert(info.name.clone(), DatabaseEntry::new(info));
            entries.advance()?;
        }
        let mut entries = snapshot.iter(Family::Definitions, &KeyRange::prefix(b"C"), Order::Forward)?;
        while entries.valid() {
            let database_id = entries.key()[1..].split(|byte| *byte == 0).next().unwrap_or_default();
            if let Some(database) = std::str::from_utf8(database_id).ok().and_then(|id| database_names.get(id)) {
                let record: CollectionRecord = from_json(entries.value())?;
                let collection = old.refreshed(record, new.database(database)?.name.clone())?;
                new.insert(database, collection)?;
            }
            entries.advance()?;
        }
        self.load_counters(&new)?;
        for (object_id, collection) in &old.by_object_id {
            if !new.by_object_id.contains_key(object_id) {
                collection.mark_dropped();
            }
        }
        *self.catalog.write() = Arc::new(new);
        Ok(())
    }
}

impl Catalog {
    fn refreshed(&self, record: CollectionRecord, database: Arc<str>) -> Result<Arc<LocalCollection>> {
        let object_id = record.object_id;
        let shape = Shape::from_record(record)?;
        if let Some(known) = self.by_object_id(object_id) {
            known.set_shape(shape);
            return Ok(known.clone());
        }
        Ok(Arc::new(LocalCollection::new(object_id, database, shape)))
    }
}

impl DatabaseEntry {
    fn new(info: Database) -> Self {
        let name = info.name.as_str().into();
        Self { info, name, by_name: BTreeMap::new(), by_id: HashMap::new() }
    }
}

/// An exclusive lock that lasts as long as this value.
pub(crate) struct DefinitionLock<'a> {
    storage: &'a Storage,
    id: LockId,
}

impl Drop for DefinitionLock<'_> {
    fn drop(&mut self) {
        self.storage.locks.release(self.id, Mode::Exclusive);
    }
}

/// Collection names are checked in detail where clients come in; here only what would break keys.
fn is_legal_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= names::NAME_BYTES_MAX && !name.contains(['/', '\0'])
}

/// Fills in id and name of an index.
pub(crate) fn name_index(index: &mut Index, number: u64) {
    if index.id.is_empty() {
        index.id = number.to_string();
    }
    if index.name.is_empty() {
        index.name = format!("idx_{}", index.id);
    }
}

fn delete_collection(batch: &mut Batch, database_id: &str, collection: &LocalCollection) {
    let shape = collection.shape();
    batch.delete(Family::Definitions, &keys::collection(database_id, &shape.info.id));
    delete_data(batch, collection.object_id(), &shape.indexes);
}

/// Deletes documents, counters and index entries of a collection.
pub(crate) fn delete_data(batch: &mut Batch, object_id: u64, indexes: &[Arc<LocalIndex>]) {
    let range = keys::object_range(object_id);
    batch.delete_range(Family::Documents, &range.from, &range.to);
    batch.delete_range(Family::Counters, &range.from, &range.to);
    for index in indexes {
        delete_entries(batch, index);
    }
}

pub(crate) fn delete_entries(batch: &mut Batch, index: &LocalIndex) {
    if let Some(family) = index.family() {
        let range = keys::object_range(index.object_id);
        batch.delete_range(family, &range.from, &range.to);
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|fault| Error::internal(format!("definition cannot be stored: {fault}")))
}

pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|fault| Error::new(code::ARANGO_CORRUPTED_COLLECTION, format!("stored definition cannot be read: {fault}")))
}
