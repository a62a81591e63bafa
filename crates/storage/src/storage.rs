//! The store of one server: opening, numbers, clock, and the way to transactions.
//!
//! Everything durable lies in the engine; [`Storage::open`] rebuilds what is kept in memory.
//! Neighbours: [`crate::catalog`] (databases, collections, indexes), [`crate::transaction`],
//! [`crate::replication`] and [`crate::physical`] (copies of this server), [`crate::shard_sync`].

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::collection::LocalCollection;
use crate::engine::{Engine, Family, KeyRange};
use crate::keys;
use crate::locks::LockTable;
use crate::transaction::{Transaction, TransactionOptions};
use base::revision::HybridClock;
use base::{Result, Revision};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Numbers are handed out in blocks of this size, so that only every so many need a write.
const NUMBER_BLOCK: u64 = 65_536;

/// A source of 64-bit numbers from outside: the wall clock or random bits.
pub type NumberSource = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What storage needs from the machine, and its limits.
#[derive(Clone)]
pub struct StorageOptions {
    /// Wall clock in milliseconds since 1970.
    pub now_ms: NumberSource,
    /// Random bits.
    pub random: NumberSource,
    /// How long changes of definitions wait for running transactions.
    pub definition_lock_wait: Duration,
    /// Documents that are indexed at a time while an index is created.
    pub index_batch_documents: usize,
}

impl StorageOptions {
    /// Default limits.
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static, random: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            now_ms: Arc::new(now_ms),
            random: Arc::new(random),
            definition_lock_wait: Duration::from_secs(30),
            index_batch_documents: 2000,
        }
    }
}

/// The store of one server.
pub struct Storage {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) options: StorageOptions,
    pub(crate) catalog: RwLock<Arc<Catalog>>,
    /// Serialises changes of definitions.
    pub(crate) definitions: Mutex<()>,
    pub(crate) locks: LockTable,
    pub(crate) clock: HybridClock,
    numbers: Numbers,
    pub(crate) transactions: AtomicU64,
}

/// Numbers for ids and traditional keys, never repeated, not even after a crash.
#[derive(Default)]
struct Numbers {
    next: AtomicU64,
    /// Durable: no number from here on has been handed out.
    limit: AtomicU64,
    extension: Mutex<()>,
}

impl Storage {
    /// Opens the store that lies in an engine.
    pub fn open(engine: Arc<dyn Engine>, options: StorageOptions) -> Result<Arc<Self>> {
        let storage = Self {
            engine,
            options,
            catalog: RwLock::default(),
            definitions: Mutex::new(()),
            locks: LockTable::new(),
            clock: HybridClock::default(),
            numbers: Numbers::default(),
            transactions: AtomicU64::new(0),
        };
        storage.load_numbers()?;
        storage.reload_catalog()?;
        // A copy of another server keeps what its source has, also what is unfinished there.
        if storage.engine.get(Family::Local, keys::APPLIED_TICK)?.is_none() {
            storage.remove_unfinished_indexes()?;
        }
        Ok(Arc::new(storage))
    }

    /// Begins a transaction; 1200 if a collection could not be locked in time.
    pub fn begin(self: &Arc<Self>, options: TransactionOptions) -> Result<Transaction> {
        Transaction::begin(self.clone(), options)
    }

    /// A number that was never handed out before, for ids.
    pub fn next_number(&self) -> Result<u64> {
        loop {
            let number = self.numbers.next.fetch_add(1, Ordering::AcqRel);
            if number < self.numbers.limit.load(Ordering::Acquire) {
                return Ok(number);
            }
            self.extend_numbers(number)?;
        }
    }

    /// The next revision.
    pub fn next_revision(&self) -> Revision {
        self.clock.tick((self.options.now_ms)())
    }

    /// Notes a revision of another server, so that later ones here are greater.
    pub fn merge_revision(&self, seen: Revision) {
        self.clock.merge(seen);
    }

    /// Tick of the newest write.
    #[must_use]
    pub fn latest_tick(&self) -> u64 {
        self.engine.latest_tick()
    }

    /// Makes everything durable.
    pub fn flush(&self) -> Result<()> {
        self.engine.flush()
    }

    /// Makes everything acknowledged so far safe against a power failure.
    pub fn sync(&self) -> Result<()> {
        self.engine.write(&Batch::new(), true).map(|_| ())
    }

    /// Nobody needs the log up to this tick.
    pub fn release_log(&self, tick: u64) {
        self.engine.release_log(tick);
    }

    /// Figures of the engine for metrics.
    #[must_use]
    pub fn figures(&self) -> Vec<(String, u64)> {
        self.engine.figures()
    }

    /// Approximate bytes of documents and of indexes of a collection.
    #[must_use]
    pub fn size_bytes(&self, collection: &LocalCollection) -> (u64, u64) {
        let documents = self.engine.size_bytes(Family::Documents, &keys::object_range(collection.object_id()));
        let shape = collection.shape();
        let index = |index: &Arc<crate::index::LocalIndex>| {
            index.family().map_or(0, |family| self.engine.size_bytes(family, &keys::object_range(index.object_id)))
        };
        (documents, shape.indexes.iter().map(index).sum())
    }

    /// A value that concerns this server alone and is never replicated.
    pub fn local_value(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.engine.get(Family::Local, &local_name(name))
    }

    /// Stores (or, with `None`, removes) a value that concerns this server alone.
    pub fn set_local_value(&self, name: &str, value: Option<&[u8]>, sync: bool) -> Result<()> {
        let mut batch = Batch::new();
        match value {
            Some(value) => batch.put(Family::Local, &local_name(name), value),
            None => batch.delete(Family::Local, &local_name(name)),
        }
        self.engine.write(&batch, sync).map(|_| ())
    }

    pub(crate) fn load_numbers(&self) -> Result<()> {
        let stored = self.engine.get(Family::Definitions, keys::NUMBERS)?;
        let limit = stored.and_then(|bytes| bytes.first_chunk().map(|limit| u64::from_be_bytes(*limit))).unwrap_or(1);
        self.numbers.limit.fetch_max(limit, Ordering::AcqRel);
        self.numbers.next.fetch_max(limit, Ordering::AcqRel);
        Ok(())
    }

    fn extend_numbers(&self, wanted: u64) -> Result<()> {
        let _guard = self.numbers.extension.lock();
        if wanted < self.numbers.limit.load(Ordering::Acquire) {
            return Ok(());
        }
        let limit = wanted + NUMBER_BLOCK;
        let mut batch = Batch::new();
        batch.put(Family::Definitions, keys::NUMBERS, &limit.to_be_bytes());
        self.engine.write(&batch, false)?;
        self.numbers.limit.store(limit, Ordering::Release);
        Ok(())
    }

    pub(crate) fn load_counters(&self, catalog: &Catalog) -> Result<()> {
        let snapshot = self.engine.snapshot();
        let mut entries = snapshot.iter(Family::Counters, &KeyRange::default(), crate::engine::Order::Forward)?;
        while entries.valid() {
            if let Some(collection) = keys::object_id(entries.key()).and_then(|id| catalog.by_object_id(id)) {
                collection.counter.load(entries.key(), Some(entries.value()));
            }
            entries.advance()?;
        }
        Ok(())
    }
}

/// Names chosen by callers never meet those that storage uses itself.
fn local_name(name: &str) -> Vec<u8> {
    [b"x:", name.as_bytes()].concat()
}
