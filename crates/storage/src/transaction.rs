//! Transactions: a view of the past, an ordered set of own writes, and the locks they need.
//!
//! Reads see the snapshot (or, for single operations, the latest state) below the own writes. A
//! write locks the collection shared, the key and the unique values it touches exclusively, looks at
//! the latest state, and lies in the overlay until the commit writes one batch. Invariant: the
//! locks are kept until the batch is written, so nobody else changes what was looked at.

use crate::batch::Batch;
use crate::collection::{LocalCollection, Shape};
use crate::counter::Reservation;
use crate::engine::Family;
use crate::index::LocalIndex;
use crate::keys;
use crate::locks::{Held, LockId, Mode, Wait};
use crate::replication::{ReplicatedKind, ReplicatedOperation};
use crate::storage::Storage;
use crate::write_set::{Overlay, View};
use base::{Error, Result, code};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use velocypack::{Builder, Slice, Value};

/// What reads of a transaction see besides its own writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// What is committed at the time of each operation: for requests of one operation.
    Latest,
    /// What was committed when the transaction began. Writing what somebody else has changed since
    /// is error 1200.
    Snapshot,
}

/// How a transaction begins.
#[derive(Clone, Debug)]
pub struct TransactionOptions {
    /// Until when locks are waited for.
    pub lock_deadline: Instant,
    /// What reads see.
    pub isolation: Isolation,
    /// Collections to lock exclusively.
    pub exclusive: Vec<Arc<LocalCollection>>,
    /// Most bytes of writes (errorNum 32).
    pub bytes_max: Option<u64>,
}

impl TransactionOptions {
    /// For one request of document operations.
    #[must_use]
    pub fn single(lock_deadline: Instant) -> Self {
        Self { lock_deadline, isolation: Isolation::Latest, exclusive: Vec::new(), bytes_max: None }
    }

    /// For a query or a stream transaction.
    #[must_use]
    pub fn snapshot(lock_deadline: Instant) -> Self {
        Self { isolation: Isolation::Snapshot, ..Self::single(lock_deadline) }
    }
}

/// A running transaction. Dropping it aborts it.
pub struct Transaction {
    pub(crate) storage: Arc<Storage>,
    id: u64,
    lock_deadline: Instant,
    bytes_max: Option<u64>,
    snapshot: Option<Arc<dyn crate::engine::Snapshot>>,
    overlay: Arc<Overlay>,
    operations: Vec<ReplicatedOperation>,
    touched: BTreeMap<u64, Touched>,
    held: HashMap<LockId, Mode>,
    /// Locks in the order of their acquisition, for savepoints.
    acquired: Vec<LockId>,
    pub(crate) builder: Builder,
}

/// A collection that the transaction writes to.
struct Touched {
    collection: Arc<LocalCollection>,
    delta: i64,
    /// Truncated: the counter starts again.
    truncated: bool,
    /// The record of the counter must be written though the count stays.
    keys_changed: bool,
}

/// A change of one entry of the engine.
pub(crate) struct Change {
    pub(crate) family: Family,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// Who decides about a write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    /// This server: locks are taken and unique values checked.
    Leader,
    /// The leader has decided; the write is applied as it comes.
    Follower,
}

impl Transaction {
    pub(crate) fn begin(storage: Arc<Storage>, options: TransactionOptions) -> Result<Self> {
        let id = storage.transactions.fetch_add(1, Ordering::Relaxed) + 1;
        let mut transaction = Self {
            storage,
            id,
            lock_deadline: options.lock_deadline,
            bytes_max: options.bytes_max,
            snapshot: None,
            overlay: Arc::default(),
            operations: Vec::new(),
            touched: BTreeMap::new(),
            held: HashMap::new(),
            acquired: Vec::new(),
            builder: Builder::new(),
        };
        for collection in &options.exclusive {
            transaction.lock_collection(collection, Mode::Exclusive)?;
        }
        if options.isolation == Isolation::Snapshot {
            transaction.snapshot = Some(Arc::from(transaction.storage.engine.snapshot()));
        }
        Ok(transaction)
    }

    /// Number of the transaction on this server.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Sets the deadline for the locks of the following operations.
    pub fn set_lock_deadline(&mut self, lock_deadline: Instant) {
        self.lock_deadline = lock_deadline;
    }

    /// Locks a collection exclusively, if it is not locked so already.
    pub fn lock_exclusively(&mut self, collection: &Arc<LocalCollection>) -> Result<()> {
        self.lock_collection(collection, Mode::Exclusive)
    }

    /// A document as the transaction sees it.
    pub fn get(&self, collection: &LocalCollection, key: &str) -> Result<Option<Value>> {
        collection.check_alive()?;
        let bytes = self.seen(Family::Documents, &keys::document(collection.object_id(), key))?;
        Ok(bytes.map(|bytes| collection.shape().document(&bytes)))
    }

    /// Number of documents: the committed ones and the own changes.
    #[must_use]
    pub fn count(&self, collection: &LocalCollection) -> u64 {
        let touched = self.touched.get(&collection.object_id());
        let committed = if touched.is_some_and(|touched| touched.truncated) { 0 } else { collection.count() };
        committed.saturating_add_signed(touched.map_or(0, |touched| touched.delta))
    }

    /// Removes all documents of a collection, which is locked exclusively.
    pub fn truncate(&mut self, collection: &Arc<LocalCollection>) -> Result<()> {
        self.lock_collection(collection, Mode::Exclusive)?;
        self.truncate_locked(collection);
        Ok(())
    }

    /// The document operations so far, for followers, in order.
    #[must_use]
    pub fn operations(&self) -> &[ReplicatedOperation] {
        &self.operations
    }

    /// Nothing was written?
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.overlay.is_empty()
    }

    /// Approximate memory of the writes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.overlay.bytes()
    }

    /// Writes everything as one batch; the answer is a tick not before it. With `sync` it is safe
    /// against a power failure. After an error nothing is written.
    pub fn commit(self, sync: bool) -> Result<u64> {
        if self.overlay.is_empty() {
            return Ok(self.storage.latest_tick());
        }
        let mut batch = Batch::with_capacity(self.overlay.bytes() + 64);
        self.overlay.write(&mut batch);
        let mut reserved: Vec<(Reservation<'_>, i64)> = Vec::with_capacity(self.touched.len());
        let mut sync = sync;
        // Ascending object ids: two commits never wait for one another's stripes in a circle.
        for touched in self.touched.values() {
            sync |= touched.collection.shape().info.wait_for_sync;
            if touched.truncated || touched.delta != 0 || touched.keys_changed {
                let reservation = touched.collection.counter.reserve();
                let delta = touched.counter_delta();
                reservation.write(delta, &mut batch);
                reserved.push((reservation, delta));
            }
        }
        let tick = self.storage.engine.write(&batch, sync)?;
        for (reservation, delta) in reserved {
            reservation.commit(delta);
        }
        Ok(tick)
    }

    /// Forgets everything.
    pub fn abort(self) {}

    /// What the transaction sees, for cursors.
    pub(crate) fn view(&self) -> View {
        let snapshot = self.snapshot.clone().unwrap_or_else(|| Arc::from(self.storage.engine.snapshot()));
        View { snapshot, overlay: self.overlay.clone() }
    }

    fn seen(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match &self.snapshot {
            None => self.overlay.get_latest(&*self.storage.engine, family, key),
            Some(snapshot) if self.overlay.is_empty() => snapshot.get(family, key),
            Some(_) => self.view().get(family, key),
        }
    }

    /// The latest state of an entry that this transaction has locked.
    pub(crate) fn latest(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.overlay.get_latest(&*self.storage.engine, family, key)
    }

    /// Error 1200 if somebody else changed the entry after the snapshot was taken.
    pub(crate) fn check_unchanged(&self, key: &[u8], latest: Option<&[u8]>) -> Result<()> {
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        if self.storage.engine.latest_tick() == snapshot.tick() || self.overlay.touches(Family::Documents, key) {
            return Ok(());
        }
        if snapshot.get(Family::Documents, key)?.as_deref() != latest {
            return Err(Error::new(code::ARANGO_CONFLICT, "write-write conflict"));
        }
        Ok(())
    }

    pub(crate) fn lock_collection(&mut self, collection: &LocalCollection, mode: Mode) -> Result<()> {
        let id = self.storage.locks.collection(collection.object_id());
        self.lock(id, mode, || format!("timeout waiting to lock collection {}", collection.name()))?;
        collection.check_alive()
    }

    pub(crate) fn lock_key(&mut self, collection: &LocalCollection, key: &str) -> Result<()> {
        let id = self.storage.locks.entry(&(collection.object_id(), key));
        self.lock(id, Mode::Exclusive, || {
            format!("timeout waiting to lock key - in index primary of type primary over '_key'; conflicting key: {key}")
        })
    }

    fn lock(&mut self, id: LockId, mode: Mode, message: impl FnOnce() -> String) -> Result<()> {
        let held = match self.held.get(&id) {
            Some(Mode::Exclusive) => return Ok(()),
            Some(Mode::Shared) if mode == Mode::Shared => return Ok(()),
            Some(Mode::Shared) => Held::Shared,
            None => Held::Nothing,
        };
        if !self.storage.locks.acquire(id, mode, held, Wait::Until(self.lock_deadline)) {
            return Err(Error::new(code::ARANGO_CONFLICT, message()));
        }
        self.held.insert(id, mode);
        if held == Held::Nothing {
            self.acquired.push(id);
        }
        Ok(())
    }

    /// Marks a place to which locks can be given back.
    pub(crate) fn savepoint(&self) -> usize {
        self.acquired.len()
    }

    /// Gives back the locks taken since; a failed item leaves no trace.
    pub(crate) fn roll_back_locks(&mut self, savepoint: usize) {
        for id in self.acquired.drain(savepoint..) {
            if let Some(mode) = self.held.remove(&id) {
                self.storage.locks.release(id, mode);
            }
        }
    }

    /// Decides which index entries change when a document changes, and checks unique values.
    pub(crate) fn index_changes(
        &mut self,
        shape: &Shape,
        key: &str,
        old: Option<Slice<'_>>,
        new: Option<Slice<'_>>,
        authority: Authority,
    ) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for index in &shape.indexes {
            let Some(family) = index.family() else { continue };
            if let (Some(old), Some(new)) = (old, new)
                && index.is_unchanged(old, new)
            {
                continue;
            }
            let mut old = old.map_or(Ok(Vec::new()), |old| index.entries(old, key))?;
            old.sort_unstable();
            let mut new = new.map_or(Ok(Vec::new()), |new| index.entries(new, key))?;
            new.sort_unstable();
            if index.is_unique() {
                self.check_unique(index, key, &new, authority)?;
            }
            let added = new.iter().filter(|entry| old.binary_search(entry).is_err());
            changes.extend(added.map(|entry| Change { family, key: entry.key.clone(), value: Some(entry.value.clone()) }));
            for entry in old {
                if new.binary_search_by(|other| other.key.cmp(&entry.key)).is_err() && self.may_remove(index, &entry.key, key, authority)? {
                    changes.push(Change { family, key: entry.key, value: None });
                }
            }
        }
        Ok(changes)
    }

    fn check_unique(&mut self, index: &LocalIndex, key: &str, new: &[crate::index::IndexEntry], authority: Authority) -> Result<()> {
        if authority == Authority::Follower {
            return Ok(());
        }
        for (at, entry) in new.iter().enumerate() {
            self.lock_value(index, &entry.key)?;
            if new[..at].last().is_some_and(|before| before.key == entry.key) {
                return Err(index.violation(key));
            }
            let stored = self.latest(Family::PersistentIndex, &entry.key)?;
            let owner = stored.as_deref().map(|value| keys::split_unique_value(value).0);
            if let Some(other) = owner.filter(|owner| *owner != key) {
                return Err(index.violation(other));
            }
        }
        Ok(())
    }

    fn lock_value(&mut self, index: &LocalIndex, entry: &[u8]) -> Result<()> {
        let id = self.storage.locks.entry(entry);
        self.lock(id, Mode::Exclusive, || format!("timeout waiting to lock a unique value of index {}", index.definition.name))
    }

    /// An entry of a unique index goes only if it still belongs to the document.
    fn may_remove(&mut self, index: &LocalIndex, entry: &[u8], key: &str, authority: Authority) -> Result<bool> {
        if !index.is_unique() {
            return Ok(true);
        }
        if authority == Authority::Leader {
            self.lock_value(index, entry)?;
        }
        let stored = self.latest(Family::PersistentIndex, entry)?;
        Ok(stored.is_some_and(|value| keys::split_unique_value(&value).0 == key))
    }

    /// Error 32 if the transaction would become too large.
    pub(crate) fn check_size(&self, more: usize) -> Result<()> {
        match self.bytes_max {
            Some(max) if (self.overlay.bytes() + more) as u64 > max => {
                Err(Error::with_detail(code::RESOURCE_LIMIT, format!("transaction size limit of {max} bytes exceeded")))
            }
            _ => Ok(()),
        }
    }

    /// Carries out what has been checked; it cannot fail.
    pub(crate) fn apply(&mut self, collection: &Arc<LocalCollection>, changes: &[Change], delta: i64, kind: ReplicatedKind) {
        let overlay = Arc::make_mut(&mut self.overlay);
        for change in changes {
            overlay.set(change.family, &change.key, change.value.as_deref());
        }
        let touched = self.touched.entry(collection.object_id()).or_insert_with(|| Touched::new(collection));
        touched.delta += delta;
        touched.keys_changed |= delta > 0;
        self.operations.push(ReplicatedOperation { database: collection.database_arc(), collection: collection.name(), kind });
    }

    pub(crate) fn truncate_locked(&mut self, collection: &Arc<LocalCollection>) {
        let overlay = Arc::make_mut(&mut self.overlay);
        overlay.truncate(Family::Documents, collection.object_id());
        for index in &collection.shape().indexes {
            if let Some(family) = index.family() {
                overlay.truncate(family, index.object_id);
            }
        }
        let touched = self.touched.entry(collection.object_id()).or_insert_with(|| Touched::new(collection));
        (touched.truncated, touched.delta) = (true, 0);
        let (database, name) = (collection.database_arc(), collection.name());
        self.operations.push(ReplicatedOperation { database, collection: name, kind: ReplicatedKind::Truncate });
    }
}

impl Touched {
    fn new(collection: &Arc<LocalCollection>) -> Self {
        Self { collection: collection.clone(), delta: 0, truncated: false, keys_changed: false }
    }

    /// Change of the counter. The count cannot change meanwhile if the collection was truncated,
    /// because it is locked exclusively then.
    fn counter_delta(&self) -> i64 {
        if self.truncated { self.delta - i64::try_from(self.collection.count()).unwrap_or(0) } else { self.delta }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.roll_back_locks(0);
    }
}
