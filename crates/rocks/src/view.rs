//! Snapshots and iterators that own what they borrow from RocksDB.
//!
//! RocksDB's types borrow the database; storage passes snapshots and cursors around freely. So each
//! of them carries a counted reference to the database beside the borrow. Invariant: fields are
//! dropped in the order of their declaration, the borrower always before what it borrows from.

use crate::fault::translate;
use base::Result;
use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions};
use std::mem::transmute;
use std::sync::Arc;
use storage::{EngineIterator, Family, KeyRange, Order, Snapshot};

pub(crate) struct RocksSnapshot {
    held: Arc<Held>,
}

struct Held {
    snapshot: rocksdb::Snapshot<'static>,
    database: Arc<DB>,
}

impl RocksSnapshot {
    pub(crate) fn new(database: &Arc<DB>) -> Self {
        let snapshot = database.snapshot();
        // Safety: the snapshot borrows the database behind the counted reference stored beside it.
        // The database does not move, and `snapshot` is dropped before `database`.
        let snapshot = unsafe { transmute::<rocksdb::Snapshot<'_>, rocksdb::Snapshot<'static>>(snapshot) };
        Self { held: Arc::new(Held { snapshot, database: database.clone() }) }
    }
}

/// The column family of a family; they are all created when the database is opened.
pub(crate) fn column_family(database: &DB, family: Family) -> Result<&ColumnFamily> {
    let missing = || base::Error::internal(format!("column family {} is missing", family.name()));
    database.cf_handle(family.name()).ok_or_else(missing)
}

impl Snapshot for RocksSnapshot {
    fn tick(&self) -> u64 {
        self.held.snapshot.sequence_number()
    }

    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let handle = column_family(&self.held.database, family)?;
        self.held.snapshot.get_cf(handle, key).map_err(translate)
    }

    fn iter(&self, family: Family, range: &KeyRange, order: Order) -> Result<Box<dyn EngineIterator>> {
        let handle = column_family(&self.held.database, family)?;
        if range.is_empty() {
            return Ok(Box::new(Nothing));
        }
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(range.from.as_slice());
        if !range.to.is_empty() {
            options.set_iterate_upper_bound(range.to.as_slice());
        }
        let mut iterator = self.held.snapshot.raw_iterator_cf_opt(handle, options);
        match order {
            Order::Forward => iterator.seek_to_first(),
            Order::Reverse => iterator.seek_to_last(),
        }
        iterator.status().map_err(translate)?;
        // Safety: the iterator borrows the snapshot and the database in `held`, which is stored beside
        // it, does not move and is dropped after it.
        let iterator = unsafe { transmute::<DBRawIterator<'_>, DBRawIterator<'static>>(iterator) };
        Ok(Box::new(RocksIterator { iterator, order, _held: self.held.clone() }))
    }
}

struct RocksIterator {
    iterator: DBRawIterator<'static>,
    order: Order,
    _held: Arc<Held>,
}

impl EngineIterator for RocksIterator {
    fn valid(&self) -> bool {
        self.iterator.valid()
    }

    fn key(&self) -> &[u8] {
        self.iterator.key().unwrap_or_default()
    }

    fn value(&self) -> &[u8] {
        self.iterator.value().unwrap_or_default()
    }

    fn advance(&mut self) -> Result<()> {
        if !self.iterator.valid() {
            return Ok(());
        }
        match self.order {
            Order::Forward => self.iterator.next(),
            Order::Reverse => self.iterator.prev(),
        }
        if self.iterator.valid() { Ok(()) } else { self.iterator.status().map_err(translate) }
    }
}

/// The iterator over an empty range.
struct Nothing;

impl EngineIterator for Nothing {
    fn valid(&self) -> bool {
        false
    }
    fn key(&self) -> &[u8] {
        &[]
    }
    fn value(&self) -> &[u8] {
        &[]
    }
    fn advance(&mut self) -> Result<()> {
        Ok(())
    }
}
