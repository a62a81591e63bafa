//! Stream transactions of one server: begun by one request, used by many, ended by another or by
//! the clock.
//!
//! One request at a time works with a transaction; others wait a while for it (28). After its end a
//! tombstone answers for it, so that a repeated commit or abort is harmless.

use base::{Error, Result, code};
use database::transaction::{TransactionId, TransactionOptions, TransactionStatus};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use storage::Transaction;
use tokio::sync::OwnedMutexGuard;

/// Limit: open stream transactions of one server.
const OPEN_MAX: usize = 4_096;
/// Limit: tombstones kept; the oldest ones go first.
const TOMBSTONES_MAX: usize = 16_384;
/// How long the end of a transaction is remembered.
const TOMBSTONE_TIME: Duration = Duration::from_secs(600);

/// A storage transaction that a query and its commit share. `None` once it has ended.
pub type Shared = Arc<Mutex<Option<Transaction>>>;

/// Limits (`--transaction.streaming-*`).
#[derive(Clone, Debug)]
pub struct StreamLimits {
    /// Idle time after which a transaction is aborted.
    pub idle_timeout: Duration,
    /// How long a request waits for the one before it.
    pub lock_timeout: Duration,
    /// Largest size of the writes in bytes.
    pub size_bytes_max: u64,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { idle_timeout: Duration::from_secs(60), lock_timeout: Duration::from_secs(8), size_bytes_max: 128 << 20 }
    }
}

/// What may be done with a collection in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Declared {
    /// Read.
    Read,
    /// Written.
    Write,
}

/// What may be done with collections that were not declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undeclared {
    Nothing,
    Read,
    /// Somebody else has checked.
    Anything,
}

/// Names of collections, seen also while a request works with the transaction.
type Used = Arc<Mutex<BTreeSet<String>>>;

/// An open transaction.
pub struct Open {
    shared: Shared,
    declared: BTreeMap<String, Declared>,
    rest: Undeclared,
    /// Collections that have been used or may be at any time.
    used: Used,
    /// Commit with a sync to disk.
    pub wait_for_sync: bool,
}

impl Open {
    /// An open transaction. Collections are declared by the names that storage knows them by.
    #[must_use]
    pub fn new(transaction: Transaction, options: &TransactionOptions) -> Self {
        let mut declared = BTreeMap::new();
        for name in &options.read {
            declared.insert(name.clone(), Declared::Read);
        }
        for name in options.write.iter().chain(&options.exclusive) {
            declared.insert(name.clone(), Declared::Write);
        }
        Self {
            shared: Arc::new(Mutex::new(Some(transaction))),
            used: Arc::new(Mutex::new(declared.keys().cloned().collect())),
            declared,
            rest: if options.allow_implicit { Undeclared::Read } else { Undeclared::Nothing },
            wait_for_sync: options.wait_for_sync,
        }
    }

    /// This server's part of a transaction that another server has begun and checks.
    #[must_use]
    pub fn part(transaction: Transaction) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Some(transaction))),
            used: Used::default(),
            declared: BTreeMap::new(),
            rest: Undeclared::Anything,
            wait_for_sync: false,
        }
    }

    /// The storage transaction.
    #[must_use]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// 1652 unless the collection was declared for this use.
    pub fn check(&self, collection: &str, wanted: Declared) -> Result<()> {
        match (self.declared.get(collection), self.rest) {
            (Some(declared), _) if *declared >= wanted => Ok(()),
            (None, Undeclared::Read) if wanted == Declared::Read => self.note_use(collection),
            (None, Undeclared::Anything) => self.note_use(collection),
            _ => {
                let access = if wanted == Declared::Write { "write" } else { "read" };
                let text = format!("{}: {collection} [{access}]", code::TRANSACTION_UNREGISTERED_COLLECTION.text());
                Err(Error::new(code::TRANSACTION_UNREGISTERED_COLLECTION, text))
            }
        }
    }
}

impl Open {
    fn note_use(&self, collection: &str) -> Result<()> {
        let mut used = self.used.lock();
        if !used.contains(collection) {
            used.insert(collection.to_owned());
        }
        Ok(())
    }
}

/// Use of an open transaction by one request.
pub type InUse = OwnedMutexGuard<Option<Open>>;

struct Entry {
    database: String,
    user: String,
    status: TransactionStatus,
    used: Used,
    /// Monotonic time of the last use, or of the end.
    last_used: Duration,
    open: Arc<tokio::sync::Mutex<Option<Open>>>,
}

/// All stream transactions of a server.
pub struct Transactions {
    entries: Mutex<HashMap<TransactionId, Entry>>,
    limits: StreamLimits,
}

impl Transactions {
    /// None yet.
    #[must_use]
    pub fn new(limits: StreamLimits) -> Self {
        Self { entries: Mutex::default(), limits }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &StreamLimits {
        &self.limits
    }

    /// Registers an open transaction; 32 if there are too many.
    pub fn insert(&self, id: TransactionId, database: &str, user: &str, open: Open) -> Result<()> {
        let mut entries = self.entries.lock();
        if entries.values().filter(|entry| entry.status == TransactionStatus::Running).count() >= OPEN_MAX {
            return Err(Error::new(code::RESOURCE_LIMIT, "too many open transactions"));
        }
        if entries.contains_key(&id) {
            return Err(Error::new(code::TRANSACTION_INTERNAL, format!("transaction id {id} is in use")));
        }
        let entry = Entry {
            database: database.to_owned(),
            user: user.to_owned(),
            status: TransactionStatus::Running,
            used: Arc::clone(&open.used),
            last_used: rt::clock::monotonic(),
            open: Arc::new(tokio::sync::Mutex::new(Some(open))),
        };
        entries.insert(id, entry);
        Ok(())
    }

    /// Does this server know the transaction?
    #[must_use]
    pub fn knows(&self, id: TransactionId) -> bool {
        self.entries.lock().contains_key(&id)
    }

    /// Takes the transaction for one request. 1655 unknown, 1654 no longer running, 28 if another
    /// request keeps it too long.
    pub async fn enter(&self, database: &str, user: Option<&str>, id: TransactionId) -> Result<InUse> {
        let slot = {
            let mut entries = self.entries.lock();
            let entry = find(&mut entries, Some(database), user, id)?;
            match entry.status {
                TransactionStatus::Running => {}
                TransactionStatus::Aborted => return Err(code::TRANSACTION_ABORTED.into()),
                TransactionStatus::Committed => {
                    return Err(Error::with_detail(code::TRANSACTION_DISALLOWED_OPERATION, "the transaction is committed").status(400));
                }
            }
            entry.last_used = rt::clock::monotonic();
            Arc::clone(&entry.open)
        };
        let guard = tokio::time::timeout(self.limits.lock_timeout, slot.lock_owned()).await;
        let guard = guard.map_err(|_| Error::with_detail(code::LOCKED, format!("transaction {id} is in use")))?;
        if guard.is_none() { Err(code::TRANSACTION_ABORTED.into()) } else { Ok(guard) }
    }

    /// Notes that a request has ended its use.
    pub fn touch(&self, id: TransactionId) {
        if let Some(entry) = self.entries.lock().get_mut(&id) {
            entry.last_used = rt::clock::monotonic();
        }
    }

    /// Ends a running transaction: the caller gets what is to be committed or dropped, or `None` if
    /// it has ended that way before. 1653 if it has ended the other way. `None` stands for any
    /// database.
    pub async fn end(
        &self,
        database: Option<&str>,
        user: Option<&str>,
        id: TransactionId,
        status: TransactionStatus,
    ) -> Result<Option<Open>> {
        let slot = {
            let mut entries = self.entries.lock();
            let entry = find(&mut entries, database, user, id)?;
            match entry.status {
                TransactionStatus::Running => Arc::clone(&entry.open),
                ended if ended == status => return Ok(None),
                ended => {
                    let text = format!("the transaction has been {}", ended.as_str());
                    return Err(Error::with_detail(code::TRANSACTION_DISALLOWED_OPERATION, text));
                }
            }
        };
        let guard = tokio::time::timeout(self.limits.lock_timeout, slot.lock_owned()).await;
        let mut guard = guard.map_err(|_| Error::with_detail(code::LOCKED, format!("transaction {id} is in use")))?;
        let Some(open) = guard.take() else { return Err(code::TRANSACTION_ABORTED.into()) };
        self.bury(id, status);
        Ok(Some(open))
    }

    /// Notes how a transaction has ended.
    pub fn bury(&self, id: TransactionId, status: TransactionStatus) {
        if let Some(entry) = self.entries.lock().get_mut(&id) {
            entry.status = status;
            entry.last_used = rt::clock::monotonic();
        }
    }

    /// Status; 1655 if unknown.
    pub fn status(&self, database: &str, user: Option<&str>, id: TransactionId) -> Result<TransactionStatus> {
        find(&mut self.entries.lock(), Some(database), user, id).map(|entry| entry.status)
    }

    /// Running transactions of a database, oldest first.
    #[must_use]
    pub fn list(&self, database: &str, user: Option<&str>) -> Vec<(TransactionId, TransactionStatus)> {
        let entries = self.entries.lock();
        let visible = |entry: &Entry| entry.status == TransactionStatus::Running && is_visible(entry, Some(database), user);
        let mut list: Vec<_> = entries.iter().filter(|(_, entry)| visible(entry)).map(|(id, entry)| (*id, entry.status)).collect();
        list.sort_unstable_by_key(|(id, _)| *id);
        list
    }

    /// Aborts idle transactions and forgets old tombstones; to be called every second or so. The
    /// transactions returned are to be dropped where that may block.
    #[must_use]
    pub fn sweep(&self, now: Duration) -> Vec<Open> {
        let idle = |entry: &Entry, time: Duration| now.saturating_sub(entry.last_used) > time;
        self.abort_where(|entry| idle(entry, self.limits.idle_timeout), |entry| idle(entry, TOMBSTONE_TIME))
    }

    /// Aborts the transactions of a database that is being dropped.
    #[must_use]
    pub fn drop_database(&self, database: &str) -> Vec<Open> {
        self.abort_where(|entry| entry.database == database, |entry| entry.database == database)
    }

    /// Aborts the transactions that have used a collection, also those that a request works with
    /// right now: they are over as soon as that request is.
    pub async fn abort_using(&self, collection: &str) -> Vec<Open> {
        let slots: Vec<_> = {
            let mut entries = self.entries.lock();
            let uses = |entry: &&mut Entry| entry.status == TransactionStatus::Running && entry.used.lock().contains(collection);
            let used = entries.values_mut().filter(uses);
            used.map(|entry| {
                entry.status = TransactionStatus::Aborted;
                Arc::clone(&entry.open)
            })
            .collect()
        };
        let mut aborted = Vec::with_capacity(slots.len());
        for slot in slots {
            aborted.extend(slot.lock_owned().await.take());
        }
        aborted
    }

    fn abort_where(&self, is_over: impl Fn(&Entry) -> bool, is_forgotten: impl Fn(&Entry) -> bool) -> Vec<Open> {
        let mut aborted = Vec::new();
        let mut entries = self.entries.lock();
        let full = entries.len() > TOMBSTONES_MAX;
        entries.retain(|_, entry| entry.status == TransactionStatus::Running || !(full || is_forgotten(entry)));
        for entry in entries.values_mut().filter(|entry| entry.status == TransactionStatus::Running) {
            if !is_over(entry) {
                continue;
            }
            // A request that works with it right now keeps it alive.
            if let Ok(mut open) = Arc::clone(&entry.open).try_lock_owned() {
                aborted.extend(open.take());
                entry.status = TransactionStatus::Aborted;
                entry.last_used = rt::clock::monotonic();
            }
        }
        aborted
    }
}

fn find<'a>(
    entries: &'a mut HashMap<TransactionId, Entry>,
    database: Option<&str>,
    user: Option<&str>,
    id: TransactionId,
) -> Result<&'a mut Entry> {
    let entry = entries.get_mut(&id).filter(|entry| is_visible(entry, database, user));
    entry.ok_or_else(|| Error::with_detail(code::TRANSACTION_NOT_FOUND, id))
}

fn is_visible(entry: &Entry, database: Option<&str>, user: Option<&str>) -> bool {
    database.is_none_or(|database| database == entry.database) && user.is_none_or(|user| user == entry.user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use storage::{MemoryEngine, Storage, StorageOptions};

    const ID: TransactionId = TransactionId(7);

    fn open(write: &[&str]) -> Open {
        let storage = Storage::open(Arc::new(MemoryEngine::new()), StorageOptions::new(|| 1, || 7)).unwrap();
        let begun = storage.begin(storage::TransactionOptions::snapshot(Instant::now())).unwrap();
        let options = TransactionOptions { write: write.iter().map(|&name| name.to_owned()).collect(), ..TransactionOptions::default() };
        Open::new(begun, &options)
    }

    fn transactions(limits: StreamLimits) -> Transactions {
        let all = Transactions::new(limits);
        all.insert(ID, "d", "ann", open(&["c"])).unwrap();
        all
    }

    fn number<T>(outcome: Result<T>) -> Option<u32> {
        outcome.err().map(|fault| fault.code().0)
    }

    #[tokio::test]
    async fn only_declared_collections_of_ones_own_transaction() {
        let all = transactions(StreamLimits::default());
        assert_eq!(number(all.enter("d", Some("bob"), ID).await), Some(1655));
        assert_eq!(number(all.enter("other", None, ID).await), Some(1655));
        let in_use = all.enter("d", Some("ann"), ID).await.unwrap();
        let open = in_use.as_ref().unwrap();
        assert_eq!(number(open.check("c", Declared::Write)), None);
        assert_eq!(number(open.check("c", Declared::Read)), None);
        assert_eq!(number(open.check("x", Declared::Read)), Some(1652));
        assert_eq!(all.list("d", Some("ann")).len(), 1);
        assert!(all.list("d", Some("bob")).is_empty());
    }

    #[tokio::test]
    async fn a_second_request_waits_only_so_long() {
        let all = transactions(StreamLimits { lock_timeout: Duration::from_millis(1), ..StreamLimits::default() });
        let in_use = all.enter("d", None, ID).await.unwrap();
        assert_eq!(number(all.enter("d", None, ID).await), Some(28));
        assert_eq!(number(all.end(None, None, ID, TransactionStatus::Committed).await), Some(28));
        drop(in_use);
        assert!(all.enter("d", None, ID).await.is_ok());
    }

    #[tokio::test]
    async fn the_end_is_remembered() {
        let all = transactions(StreamLimits::default());
        assert!(all.end(Some("d"), None, ID, TransactionStatus::Committed).await.unwrap().is_some());
        assert!(all.end(Some("d"), None, ID, TransactionStatus::Committed).await.unwrap().is_none());
        assert_eq!(number(all.end(Some("d"), None, ID, TransactionStatus::Aborted).await), Some(1653));
        assert_eq!(all.status("d", None, ID), Ok(TransactionStatus::Committed));
        assert_eq!(number(all.enter("d", None, ID).await), Some(1653));
        assert!(all.list("d", None).is_empty());
    }

    #[tokio::test]
    async fn idle_ones_are_aborted_unless_in_use() {
        let all = transactions(StreamLimits::default());
        let later = rt::clock::monotonic() + Duration::from_secs(61);
        let in_use = all.enter("d", None, ID).await.unwrap();
        assert!(all.sweep(later).is_empty());
        drop(in_use);
        assert_eq!(all.sweep(later).len(), 1);
        assert_eq!(number(all.enter("d", None, ID).await), Some(1654));
        assert!(all.sweep(later + Duration::from_secs(3600)).is_empty());
        assert_eq!(number(all.status("d", None, ID)), Some(1655));
    }

    #[tokio::test]
    async fn those_that_use_a_collection_can_be_aborted() {
        let all = transactions(StreamLimits::default());
        all.insert(TransactionId(8), "d", "ann", open(&["other"])).unwrap();
        assert_eq!(all.abort_using("c").await.len(), 1);
        assert_eq!(number(all.enter("d", None, ID).await), Some(1654));
        assert!(all.enter("d", None, TransactionId(8)).await.is_ok());
        assert_eq!(all.drop_database("d").len(), 1);
    }
}
