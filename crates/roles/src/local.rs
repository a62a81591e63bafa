//! The verbs on this server's own storage, for single servers and for DB-servers (where shards are
//! ordinary collections).
//!
//! Small operations run right where they are asked for, as long as no lock is in their way; all
//! others go to [`workers`]. A DB-server sets a [`CommitHook`]: it is asked before every commit, with
//! the locks held, and replicates.
//!
//! Invariant: once the hook has been asked, commit or abort follows whatever becomes of the request:
//! that part runs in a task of its own.

pub mod expiry;
pub mod statistics;
pub mod workers;

use crate::transactions::{Declared, InUse, Open, Shared, StreamLimits, Transactions};
use aql::plan::Direction;
use async_trait::async_trait;
use base::{Error, Result, code};
use database::Context;
use database::document::{DocumentRequest, DocumentResults, Operation};
use database::transaction::{TransactionId, TransactionOptions, TransactionStatus};
use parking_lot::Mutex;
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::{EdgeDirection, LocalCollection, Neighbor, ReplicatedOperation, Storage, Transaction};
use velocypack::Value;
use workers::Workers;

/// Most documents of a request that is carried out on the spot.
const ON_THE_SPOT_DOCUMENTS_MAX: usize = 16;
/// Most bytes of a request that is carried out on the spot.
const ON_THE_SPOT_BYTES_MAX: usize = 64 << 10;

/// Asked before every commit.
#[async_trait]
pub trait CommitHook: Send + Sync {
    /// Makes the operations safe elsewhere. What it returns is held until the commit is done. After
    /// an error the transaction is aborted.
    async fn before_commit(&self, operations: Vec<ReplicatedOperation>) -> Result<CommitPermit>;
}

/// Held while a transaction commits.
pub type CommitPermit = Box<dyn Any + Send>;

/// Limits of operations.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// How long a write waits for a lock.
    pub lock_timeout: Duration,
    /// Limits of stream transactions.
    pub stream: StreamLimits,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self { lock_timeout: Duration::from_secs(2), stream: StreamLimits::default() }
    }
}

/// The verbs on this server's storage.
pub struct Local {
    storage: Arc<Storage>,
    workers: Arc<Workers>,
    transactions: Transactions,
    hook: Option<Arc<dyn CommitHook>>,
    options: LocalOptions,
}

impl Local {
    /// Puts the parts together. A single server has no hook.
    #[must_use]
    pub fn new(storage: Arc<Storage>, workers: Arc<Workers>, hook: Option<Arc<dyn CommitHook>>, options: LocalOptions) -> Arc<Self> {
        let transactions = Transactions::new(options.stream.clone());
        Arc::new(Self { storage, workers, transactions, hook, options })
    }

    /// The storage.
    #[must_use]
    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// The threads that may block.
    #[must_use]
    pub fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// The stream transactions.
    #[must_use]
    pub fn transactions(&self) -> &Transactions {
        &self.transactions
    }

    /// Reads or writes documents, in the stream transaction of `cx` if it names one.
    pub async fn documents(
        self: &Arc<Self>,
        cx: &Context,
        database: &str,
        collection: &str,
        request: DocumentRequest,
    ) -> Result<DocumentResults> {
        let collection = self.storage.collection(database, collection)?;
        if let Some(id) = cx.transaction {
            return self.documents_in(cx, database, id, collection, request).await;
        }
        let sync = wants_sync(&collection, &request);
        if !sync && is_small(&request) {
            // Not waiting for anything: whatever is locked is left to the threads that may wait.
            let mut transaction = self.storage.begin(storage::TransactionOptions::single(Instant::now()))?;
            match transaction.documents(&collection, request.clone()) {
                Ok(results) if !results.items.iter().any(|item| item.as_ref().err().is_some_and(is_lock_fault)) => {
                    return self.finish_documents(transaction, results, false).await;
                }
                Err(fault) if !is_lock_fault(&fault) => return Err(fault),
                _ => {}
            }
        }
        let (this, deadline) = (Arc::clone(self), Instant::now() + self.options.lock_timeout);
        let job = move || {
            let mut transaction = this.storage.begin(storage::TransactionOptions::single(deadline))?;
            let results = transaction.documents(&collection, request)?;
            if this.hook.is_none() {
                return Ok((None, commit_documents(transaction, results, sync)?));
            }
            Ok((Some(transaction), results))
        };
        match self.workers.run(job).await? {
            (Some(transaction), results) => self.finish_documents(transaction, results, sync).await,
            (None, results) => Ok(results),
        }
    }

    async fn finish_documents(self: &Arc<Self>, transaction: Transaction, results: DocumentResults, sync: bool) -> Result<DocumentResults> {
        if self.hook.is_none() {
            return commit_documents(transaction, results, sync);
        }
        self.commit(transaction, sync).await?;
        Ok(DocumentResults { synced: sync, ..results })
    }

    /// Documents inside a stream transaction.
    async fn documents_in(
        &self,
        cx: &Context,
        database: &str,
        id: TransactionId,
        collection: Arc<LocalCollection>,
        request: DocumentRequest,
    ) -> Result<DocumentResults> {
        let wanted = if request.operation == Operation::Read { Declared::Read } else { Declared::Write };
        let name = collection.info().name.clone();
        self.inside(cx, database, id, &name, wanted, move |transaction| transaction.documents(&collection, request)).await
    }

    /// Does something inside a stream transaction, on a thread that may block.
    pub async fn inside<T: Send + 'static>(
        &self,
        cx: &Context,
        database: &str,
        id: TransactionId,
        collection: &str,
        wanted: Declared,
        job: impl FnOnce(&mut Transaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let in_use = self.transactions.enter(database, owner(cx), id).await?;
        opened(&in_use)?.check(collection, wanted)?;
        let lock_timeout = self.options.lock_timeout;
        let result = self
            .workers
            .run(move || {
                let mut slot = opened(&in_use)?.shared().lock();
                let transaction = slot.as_mut().ok_or_else(|| Error::from(code::TRANSACTION_ABORTED))?;
                transaction.set_lock_deadline(Instant::now() + lock_timeout);
                job(transaction)
            })
            .await;
        self.transactions.touch(id);
        result
    }

    /// Begins a storage transaction that sees the state of now; its lock waits end at `deadline`.
    pub fn begin(&self, deadline: Instant) -> Result<Transaction> {
        self.storage.begin(storage::TransactionOptions::snapshot(deadline))
    }

    /// The lock timeout of ordinary operations.
    #[must_use]
    pub fn lock_timeout(&self) -> Duration {
        self.options.lock_timeout
    }

    /// Commits: asks the hook, then writes.
    ///
    /// Cancel safety: goes on to the end even if the caller is gone.
    pub async fn commit(self: &Arc<Self>, transaction: Transaction, sync: bool) -> Result<()> {
        let operations = transaction.operations().to_vec();
        let Some(hook) = self.hook.clone().filter(|_| !operations.is_empty()) else {
            return if sync {
                self.workers.run_at_once(move || transaction.commit(true).map(drop)).await
            } else {
                transaction.commit(false).map(drop)
            };
        };
        let workers = Arc::clone(&self.workers);
        let task = tokio::spawn(async move {
            let permit = hook.before_commit(operations).await?;
            let committed = if sync { workers.run_at_once(move || transaction.commit(true)).await } else { transaction.commit(false) };
            drop(permit);
            committed.map(drop)
        });
        task.await.map_err(|_| Error::internal("the commit did not end in order"))?
    }

    /// Like [`Local::commit`], on a thread that may block.
    pub fn commit_blocking(self: &Arc<Self>, transaction: Transaction, sync: bool) -> Result<()> {
        let permit = match &self.hook {
            Some(hook) => {
                let operations = transaction.operations().to_vec();
                if operations.is_empty() { None } else { Some(tokio::runtime::Handle::current().block_on(hook.before_commit(operations))?) }
            }
            None => None,
        };
        let committed = transaction.commit(sync);
        drop(permit);
        committed.map(drop)
    }

    /// Begins a stream transaction under a given id. Collections are named as storage knows them.
    pub async fn begin_stream(
        self: &Arc<Self>,
        cx: &Context,
        database: &str,
        id: TransactionId,
        mut options: TransactionOptions,
    ) -> Result<()> {
        let lock_timeout = options.lock_timeout_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let lock_timeout = lock_timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(self.options.stream.lock_timeout);
        for names in [&mut options.read, &mut options.write, &mut options.exclusive] {
            for name in names.iter_mut() {
                let known = self.storage.collection(database, name)?;
                name.clone_from(&known.info().name);
            }
        }
        let exclusive = options.exclusive.iter().map(|name| self.storage.collection(database, name)).collect::<Result<Vec<_>>>()?;
        let storage = Arc::clone(&self.storage);
        let bytes_max = options.max_transaction_size.unwrap_or(u64::MAX).min(self.options.stream.size_bytes_max);
        let begin = move || {
            let begun = storage::TransactionOptions::snapshot(Instant::now() + lock_timeout);
            storage.begin(storage::TransactionOptions { exclusive, bytes_max: Some(bytes_max), ..begun })
        };
        let begun = self.workers.run(begin).await?;
        let open = Open::new(begun, &options);
        self.transactions.insert(id, database, &cx.user, open)
    }

    /// Commits a stream transaction; again is harmless.
    pub async fn commit_stream(self: &Arc<Self>, cx: &Context, database: &str, id: TransactionId) -> Result<()> {
        self.commit_ended(id, self.transactions.end(Some(database), owner(cx), id, TransactionStatus::Committed).await?).await
    }

    /// Commits this server's part of a transaction, whatever its database.
    pub async fn commit_any(self: &Arc<Self>, id: TransactionId) -> Result<()> {
        self.commit_ended(id, self.transactions.end(None, None, id, TransactionStatus::Committed).await?).await
    }

    async fn commit_ended(self: &Arc<Self>, id: TransactionId, open: Option<Open>) -> Result<()> {
        let Some(open) = open else { return Ok(()) };
        let Some(transaction) = open.shared().lock().take() else { return Err(code::TRANSACTION_ABORTED.into()) };
        let committed = self.commit(transaction, open.wait_for_sync).await;
        if committed.is_err() {
            self.transactions.bury(id, TransactionStatus::Aborted);
        }
        committed
    }

    /// Aborts a stream transaction; again is harmless.
    pub async fn abort_stream(&self, cx: &Context, database: &str, id: TransactionId) -> Result<()> {
        let open = self.transactions.end(Some(database), owner(cx), id, TransactionStatus::Aborted).await?;
        self.let_go(open).await;
        Ok(())
    }

    /// Aborts this server's part of a transaction, whatever its database.
    pub async fn abort_any(&self, id: TransactionId) -> Result<()> {
        let open = self.transactions.end(None, None, id, TransactionStatus::Aborted).await?;
        self.let_go(open).await;
        Ok(())
    }

    /// Begins this server's part of a transaction that a coordinator has begun; again is harmless.
    pub async fn begin_as(self: &Arc<Self>, database: &str, id: TransactionId) -> Result<()> {
        if self.transactions.knows(id) {
            return Ok(());
        }
        let begun = storage::TransactionOptions::snapshot(Instant::now() + self.options.lock_timeout);
        let bytes_max = Some(self.options.stream.size_bytes_max);
        let open = Open::part(self.storage.begin(storage::TransactionOptions { bytes_max, ..begun })?);
        match self.transactions.insert(id, database, "", open) {
            // Two first requests at the same time.
            Err(_) if self.transactions.knows(id) => Ok(()),
            outcome => outcome,
        }
    }

    /// Drops what may take time to let go.
    async fn let_go<T: Send + 'static>(&self, what: T) {
        let dropped = self.workers.run_at_once(move || {
            drop(what);
            Ok(())
        });
        // Nothing in there fails; at shutdown the thread may be gone already.
        let _ = dropped.await;
    }

    /// Aborts what has been idle for too long; to be called every second or so.
    pub async fn sweep(&self) {
        let aborted = self.transactions.sweep(rt::clock::monotonic());
        if !aborted.is_empty() {
            self.let_go(aborted).await;
        }
    }

    /// Aborts the stream transactions that have declared a collection.
    pub async fn abort_transactions_on(&self, collection: &str) {
        let aborted = self.transactions.abort_using(collection).await;
        self.let_go(aborted).await;
    }

    /// Number of documents, as the stream transaction of `cx` sees it.
    pub async fn count(&self, cx: &Context, database: &str, collection: &str) -> Result<u64> {
        let collection = self.storage.collection(database, collection)?;
        let Some(id) = cx.transaction else { return Ok(collection.count()) };
        let name = collection.info().name.clone();
        self.inside(cx, database, id, &name, Declared::Read, move |transaction| Ok(transaction.count(&collection))).await
    }

    /// The edges of many vertices.
    pub async fn edges(
        self: &Arc<Self>,
        cx: &Context,
        database: &str,
        collection: &str,
        direction: Direction,
        vertices: Vec<String>,
        covering: bool,
    ) -> Result<Vec<Vec<Value>>> {
        let collection = self.storage.collection(database, collection)?;
        let (edges, name) = (Arc::clone(&collection), collection.info().name.clone());
        let read = move |transaction: &mut Transaction| {
            let vertices: Vec<&str> = vertices.iter().map(String::as_str).collect();
            edges_of(transaction, &edges, direction, &vertices, covering)
        };
        match cx.transaction {
            Some(id) => self.inside(cx, database, id, &name, Declared::Read, read).await,
            None => {
                let this = Arc::clone(self);
                self.workers.run(move || read(&mut this.begin(Instant::now())?)).await
            }
        }
    }

    /// Removes all documents of a collection.
    pub async fn truncate(self: &Arc<Self>, cx: &Context, database: &str, collection: &str) -> Result<()> {
        let collection = self.storage.collection(database, collection)?;
        if let Some(id) = cx.transaction {
            let name = collection.info().name.clone();
            return self.inside(cx, database, id, &name, Declared::Write, move |transaction| transaction.truncate(&collection)).await;
        }
        let (this, deadline) = (Arc::clone(self), Instant::now() + self.options.lock_timeout);
        let job = move || {
            let mut transaction = this.storage.begin(storage::TransactionOptions::single(deadline))?;
            transaction.truncate(&collection)?;
            this.commit_blocking(transaction, false)
        };
        self.workers.run(job).await
    }
}

/// Transactions belong to a user, but the superuser may use all.
#[must_use]
pub fn owner(cx: &Context) -> Option<&str> {
    (!cx.superuser).then_some(cx.user.as_str())
}

/// The edges of each vertex; with `covering` only what the edge index knows of them.
pub fn edges_of(
    transaction: &Transaction,
    collection: &LocalCollection,
    direction: Direction,
    vertices: &[&str],
    covering: bool,
) -> Result<Vec<Vec<Value>>> {
    let side = match direction {
        Direction::Inbound => Some(EdgeDirection::Inbound),
        Direction::Outbound => Some(EdgeDirection::Outbound),
        Direction::Any => None,
    };
    if !covering {
        return transaction.edges(collection, side, vertices);
    }
    let info = collection.info();
    let name = info.document_collection();
    let edge = |vertex: &str, found: &Neighbor| {
        let (from, to) = match found.direction {
            EdgeDirection::Outbound => (vertex, found.vertex.as_str()),
            EdgeDirection::Inbound => (found.vertex.as_str(), vertex),
        };
        let id = format!("{name}/{}", found.edge_key);
        Value::object([("_id", Value::string(&id)), ("_from", Value::string(from)), ("_to", Value::string(to))])
    };
    let of = |vertex: &&str| -> Result<Vec<Value>> {
        let found = transaction.neighbors(collection, side, vertex)?;
        Ok(found.iter().map(|found| edge(vertex, found)).collect())
    };
    vertices.iter().map(of).collect()
}

/// The transaction in use; 1654 if it has ended meanwhile.
pub fn opened(in_use: &InUse) -> Result<&Open> {
    in_use.as_ref().ok_or_else(|| code::TRANSACTION_ABORTED.into())
}

/// A transaction that one query shares with its commit.
#[must_use]
pub fn shared(transaction: Transaction) -> Shared {
    Arc::new(Mutex::new(Some(transaction)))
}

fn commit_documents(transaction: Transaction, results: DocumentResults, sync: bool) -> Result<DocumentResults> {
    transaction.commit(sync)?;
    Ok(DocumentResults { synced: sync, ..results })
}

/// Must the writes be on disk before they are acknowledged?
fn wants_sync(collection: &LocalCollection, request: &DocumentRequest) -> bool {
    request.operation != Operation::Read && request.options.wait_for_sync.unwrap_or_else(|| collection.info().wait_for_sync)
}

fn is_small(request: &DocumentRequest) -> bool {
    let bytes = || request.documents.iter().map(|document| document.as_slice().byte_len()).sum::<usize>();
    request.documents.len() <= ON_THE_SPOT_DOCUMENTS_MAX && bytes() <= ON_THE_SPOT_BYTES_MAX
}

/// Does somebody else hold a lock? (Conflicts of revisions name the stored document, lost races for
/// a lock cannot.)
fn is_lock_fault(fault: &Error) -> bool {
    fault.code() == code::ARANGO_CONFLICT && fault.stored.is_none()
}
