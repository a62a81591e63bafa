//! What a query reaches on this server: a storage transaction as the executor's data source.
//!
//! All operators of a query work in one transaction, so they see one snapshot and their own writes.
//! On a DB-server a snippet names the collection; the shard it runs on stands for it.

use super::End;
use super::QueryControl;
use crate::local::{Local, edges_of};
use crate::transactions::{Declared, InUse, Shared};
use aql::plan::Direction;
use base::{Error, Result, code};
use database::catalog::Index;
use database::document::{DocumentRequest, DocumentResults};
use exec::source::{Documents, IndexRange, QueryContext, RemoteSnippet, Row, Rows, ScanSpec, Source};
use parking_lot::MappedMutexGuard;
use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Memory};
use std::time::Instant;
use storage::{IndexRead, LocalCollection, Transaction};
use velocypack::{Slice, Value, order};

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
        let transaction = self.transaction()?;
        let mut parts = VecDeque::with_capacity(ranges.len());
        for range in ranges {
            parts.push_back(part(&transaction, &collection, index, range, reverse, covering)?);
        }
        Ok(Box::new(Parts(parts)))
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
        edges_of(&*self.transaction()?, &collection, direction, vertices, covering)
    }

    fn modify(&self, collection: &str, request: DocumentRequest) -> Result<DocumentResults> {
        let collection = self.collection(collection)?;
        self.declared(&collection, Declared::Write)?;
        if request.options.wait_for_sync == Some(true) {
            self.wants_sync.store(true, Memory::Relaxed);
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
            Some(transaction) => self.local.commit_blocking(transaction, self.wants_sync.load(Memory::Relaxed)),
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

/// All documents of a collection.
struct Scanned(storage::Cursor);

impl Documents for Scanned {
    fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool> {
        self.0.next(max, out)
    }
}

/// The ranges of an index scan, one after the other.
struct Parts(VecDeque<Box<dyn Documents>>);

impl Documents for Parts {
    fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool> {
        let wanted = out.len().saturating_add(max);
        while let Some(part) = self.0.front_mut() {
            if !part.next(wanted.saturating_sub(out.len()), out)? {
                self.0.pop_front();
            } else if out.len() >= wanted {
                break;
            }
        }
        Ok(!self.0.is_empty())
    }
}

/// Documents of one range of an index.
struct Indexed(storage::IndexCursor);

impl Documents for Indexed {
    fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool> {
        self.0.next(max, out)
    }
}

/// Documents that pass a test.
struct Filtered<F> {
    input: Box<dyn Documents>,
    passes: F,
}

impl<F: Fn(Slice<'_>) -> bool + Send> Documents for Filtered<F> {
    fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool> {
        let mut read = Vec::new();
        let more = self.input.next(max, &mut read)?;
        out.extend(read.into_iter().filter(|document| (self.passes)(document.as_slice())));
        Ok(more)
    }
}

/// One range of an index.
fn part(
    transaction: &Transaction,
    collection: &LocalCollection,
    index: &Index,
    range: &IndexRange,
    reverse: bool,
    covering: bool,
) -> Result<Box<dyn Documents>> {
    match index.kind.as_str() {
        "primary" if range.equal.is_empty() => return key_range(transaction, collection, range, reverse),
        "edge" => return edge_part(transaction, collection, index, range, reverse, covering),
        _ => {}
    }
    let wanted = storage::IndexRange { prefix: range.equal.clone(), low: range.low.clone(), high: range.high.clone() };
    Ok(Box::new(Indexed(transaction.index_scan(collection, &index.id, &wanted, reverse, read(covering))?)))
}

fn read(covering: bool) -> IndexRead {
    if covering { IndexRead::Covered } else { IndexRead::Documents }
}

/// A range of keys. Documents lie in the order of their keys' bytes, which is not that of AQL.
fn key_range(transaction: &Transaction, collection: &LocalCollection, range: &IndexRange, reverse: bool) -> Result<Box<dyn Documents>> {
    let all = Box::new(Scanned(transaction.scan(collection, reverse)?));
    let (low, high) = (range.low.clone(), range.high.clone());
    let within = move |document: Slice<'_>| {
        let Some(key) = document.get("_key") else { return false };
        let above = low.as_ref().is_none_or(|(low, inclusive)| is_after(key, low.as_slice(), *inclusive));
        above && high.as_ref().is_none_or(|(high, inclusive)| is_after(high.as_slice(), key, *inclusive))
    };
    Ok(Box::new(Filtered { input: all, passes: within }))
}

fn is_after(value: Slice<'_>, bound: Slice<'_>, inclusive: bool) -> bool {
    match order::compare(value, bound) {
        Ordering::Greater => true,
        Ordering::Equal => inclusive,
        Ordering::Less => false,
    }
}

/// Edges by `_from`, by `_to`, or by both: then the index finds one end and the other is compared.
fn edge_part(
    transaction: &Transaction,
    collection: &LocalCollection,
    index: &Index,
    range: &IndexRange,
    reverse: bool,
    covering: bool,
) -> Result<Box<dyn Documents>> {
    let by_to = index.fields.first().is_some_and(|field| field == "_to");
    let (first, second) = (range.equal.first().cloned().unwrap_or_default(), range.equal.get(1).cloned());
    let prefix = if by_to { vec![Value::null(), first] } else { vec![first] };
    let wanted = storage::IndexRange { prefix, low: None, high: None };
    let found = Box::new(Indexed(transaction.index_scan(collection, "edge", &wanted, reverse, read(covering))?));
    let Some(second) = second else { return Ok(found) };
    let other_end = if by_to { "_from" } else { "_to" };
    let fits = move |edge: Slice<'_>| edge.get(other_end).is_some_and(|end| order::equal(end, second.as_slice()));
    Ok(Box::new(Filtered { input: found, passes: fits }))
}
