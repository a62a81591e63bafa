//! What a query reaches on this server: a storage transaction as the executor's data source.
//!
//! All operators of a query work in one transaction, so they see one snapshot and their own writes.
//! On a DB-server a snippet names the collection; the shard it runs on stands for it.

use super::End;
use super::QueryControl;
use crate::local::{Local, edge_direction};
use crate::transactions::{Declared, InUse, Shared};
use aql::plan::Direction;
use base::{Error, Result, code};
use database::catalog::Index;
use database::document::{DocumentRequest, DocumentResults};
use exec::source::{Documents, IndexRange, QueryContext, RemoteSnippet, Row, Rows, ScanSpec, Source};
use parking_lot::MappedMutexGuard;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use storage::{LocalCollection, Transaction};
use velocypack::Value;

/// A query's view of this server's data.
pub struct LocalSource {
    local: Arc<Local>,
    database: String,
    transaction: Shared,
    /// The stream transaction, kept from other requests while the query runs.
    in_use: Option<InUse>,
    /// Collection name to the shard that stands for it.
    shards: HashMap<String, String>,
    control: Arc<QueryControl>,
    cx: QueryContext,
    /// A write has asked for a sync to disk.
    wants_sync: Arc<AtomicBool>,
}

impl LocalSource {
    /// A source over `transaction`.
    #[must_use]
    pub fn new(local: Arc<Local>, transaction: Shared, control: Arc<QueryControl>, cx: QueryContext) -> Self {
        let database = control.database.clone();
        Self { local, database, transaction, in_use: None, shards: HashMap::new(), control, cx, wants_sync: Arc::default() }
    }

    /// Runs inside a stream transaction, which nobody else may use meanwhile.
    #[must_use]
    pub fn inside(mut self, in_use: InUse) -> Self {
        self.in_use = Some(in_use);
        self
    }

    /// The end of the query, if the transaction is its own.
    #[must_use]
    pub fn own_end(&self) -> OwnTransaction {
        OwnTransaction {
            local: Arc::clone(&self.local),
            transaction: Arc::clone(&self.transaction),
            wants_sync: Arc::clone(&self.wants_sync),
        }
    }

    /// Lets a shard stand for a collection.
    #[must_use]
    pub fn with_shard(mut self, collection: &str, shard: &str) -> Self {
        self.shards.insert(collection.to_owned(), shard.to_owned());
        self
    }

    fn collection(&self, name: &str) -> Result<Arc<LocalCollection>> {
        let name = self.shards.get(name).map_or(name, String::as_str);
        self.local.storage().collection(&self.database, name)
    }

    fn declared(&self, collection: &LocalCollection, wanted: Declared) -> Result<()> {
        match self.in_use.as_ref().and_then(|in_use| in_use.as_ref()) {
            Some(open) => open.check(&collection.info().name, wanted),
            None => Ok(()),
        }
    }

    fn transaction(&self) -> Result<MappedMutexGuard<'_, Transaction>> {
        parking_lot::MutexGuard::try_map(self.transaction.lock(), Option::as_mut).map_err(|_| Error::from(code::TRANSACTION_ABORTED))
    }
}

impl Source for LocalSource {
    fn scan(&self, collection: &str, spec: &ScanSpec) -> Result<Box<dyn Documents>> {
        let collection = self.collection(collection)?;
        self.declared(&collection, Declared::Read)?;
        let cursor = self.transaction()?.scan(&collection, spec.reverse)?;
        Ok(Box::new(Scanned(cursor)))
    }

    fn index_scan(
        &self,
        collection: &str,
        index: &Index,
        ranges: &[IndexRange],
        reverse: bool,
        covering: bool,
    ) -> Result<Box<dyn Documents>> {
        let collection = self.collection(collection)?;
        self.declared(&collection, Declared::Read)?;
        let ranges = ranges.iter().map(storage_range).collect::<Vec<_>>();
        let cursor = self.transaction()?.index_scan(&collection, &index.id, &ranges, reverse, covering)?;
        Ok(Box::new(Scanned(cursor)))
    }

    fn documents(&self, ids: &[&str]) -> Result<Vec<Option<Value>>> {
        let transaction = self.transaction()?;
        let mut known: Option<(&str, Arc<LocalCollection>)> = None;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let Some((name, key)) = id.split_once('/') else {
                found.push(None);
                continue;
            };
            let collection = match &known {
                Some((last, collection)) if *last == name => Arc::clone(collection),
                _ => match self.collection(name) {
                    Ok(collection) => collection,
                    Err(_) => {
                        found.push(None);
                        continue;
                    }
                },
            };
            found.push(transaction.get(&collection, key)?);
            known = Some((name, collection));
        }
        Ok(found)
    }

    fn edges(&self, collection: &str, direction: Direction, vertices: &[&str], covering: bool) -> Result<Vec<Vec<Value>>> {
        let collection = self.collection(collection)?;
        self.declared(&collection, Declared::Read)?;
        let transaction = self.transaction()?;
        let direction = edge_direction(direction);
        vertices.iter().map(|vertex| transaction.edges(&collection, direction, vertex, covering)).collect()
    }

    fn modify(&self, collection: &str, request: DocumentRequest) -> Result<DocumentResults> {
        let collection = self.collection(collection)?;
        self.declared(&collection, Declared::Write)?;
        if request.options.wait_for_sync == Some(true) {
            self.wants_sync.store(true, Ordering::Relaxed);
        }
        let mut transaction = self.transaction()?;
        transaction.set_lock_deadline(Instant::now() + self.local.lock_timeout());
        transaction.documents(&collection, request)
    }

    fn count(&self, collection: &str) -> Result<u64> {
        let collection = self.collection(collection)?;
        Ok(self.transaction()?.count(&collection))
    }

    fn remote(&self, _: &RemoteSnippet, _: Option<Vec<Row>>) -> Result<Vec<Box<dyn Rows>>> {
        Err(Error::internal("a plan for one server has no remote parts"))
    }

    fn query_context(&self) -> &QueryContext {
        &self.cx
    }

    fn check(&self) -> Result<()> {
        self.control.check()
    }

    fn collections(&self) -> Result<Vec<(String, String)>> {
        let all = self.local.storage().collections(&self.database)?;
        let mut names: Vec<_> = all.iter().map(|collection| (collection.info().name.clone(), collection.info().id.clone())).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// The end of a query that has a transaction of its own.
pub struct OwnTransaction {
    local: Arc<Local>,
    transaction: Shared,
    wants_sync: Arc<AtomicBool>,
}

impl End for OwnTransaction {
    fn commit(self: Box<Self>) -> Result<()> {
        let transaction = self.transaction.lock().take();
        match transaction {
            Some(transaction) => self.local.commit_blocking(transaction, self.wants_sync.load(Ordering::Relaxed)),
            None => Err(code::TRANSACTION_ABORTED.into()),
        }
    }
}

impl Drop for OwnTransaction {
    fn drop(&mut self) {
        // Whoever still holds the source must not keep the locks.
        drop(self.transaction.lock().take());
    }
}

/// The end of a query inside a stream transaction, or on a snapshot: nothing to commit.
pub struct NothingToCommit;

impl End for NothingToCommit {
    fn commit(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A storage cursor as a stream of documents.
struct Scanned(storage::Cursor);

impl Documents for Scanned {
    fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool> {
        self.0.next(max, out)
    }
}

fn storage_range(range: &IndexRange) -> storage::IndexRange {
    storage::IndexRange { equal: range.equal.clone(), low: range.low.clone(), high: range.high.clone() }
}
