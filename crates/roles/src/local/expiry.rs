//! Removes documents that a TTL index says have expired (`--ttl.*`).
//!
//! The indexed attribute holds seconds since 1970 or an ISO 8601 date; everything else never
//! expires and is not in the index.

use super::Local;
use base::{Result, code};
use database::catalog::Index;
use database::document::{DocumentOptions, DocumentRequest, Operation};
use rt::shutdown::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::{IndexRange, IndexRead, LocalCollection};
use velocypack::Value;

/// Documents removed in one transaction.
const DOCUMENTS_PER_STEP: usize = 1000;

/// How often and how much (`--ttl.frequency`, …).
#[derive(Clone, Debug)]
pub struct ExpiryOptions {
    /// Pause between two runs; zero = never.
    pub pause: Duration,
    /// Most documents removed by one run.
    pub removes_max: usize,
    /// Most documents removed by one run from one collection.
    pub collection_removes_max: usize,
}

impl Default for ExpiryOptions {
    fn default() -> Self {
        Self { pause: Duration::from_secs(30), removes_max: 1_000_000, collection_removes_max: 100_000 }
    }
}

/// Which collections this server cleans: all on a single server, on a DB-server those it leads.
pub type MayExpire = Arc<dyn Fn(&str, &LocalCollection) -> bool + Send + Sync>;

/// Removes expired documents again and again until shutdown.
pub async fn run(local: Arc<Local>, options: ExpiryOptions, may_expire: MayExpire, shutdown: Shutdown) {
    if options.pause.is_zero() {
        return;
    }
    while tokio::time::timeout(options.pause, shutdown.wait()).await.is_err() {
        let (expiring, options, may_expire) = (Arc::clone(&local), options.clone(), Arc::clone(&may_expire));
        let now_s = rt::clock::now_ms() as f64 / 1000.0;
        let shutdown = shutdown.clone();
        let run = move || expiring.remove_expired(now_s, &options, &*may_expire, &|| shutdown.is_triggered());
        match local.workers().run(run).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(target: "ttl", "removed {removed} expired documents"),
            Err(fault) => tracing::warn!(target: "ttl", "cannot remove expired documents: {}", fault.message()),
        }
    }
}

impl Local {
    /// Removes what has expired at `now_s` (seconds since 1970); answers with the number. May block.
    pub fn remove_expired(
        self: &Arc<Self>,
        now_s: f64,
        options: &ExpiryOptions,
        may_expire: &dyn Fn(&str, &LocalCollection) -> bool,
        is_over: &dyn Fn() -> bool,
    ) -> Result<usize> {
        let mut removed = 0;
        for database in self.storage().databases() {
            for collection in self.storage().collections(&database.name)? {
                let info = collection.info();
                let Some(index) = info.indexes.iter().find(|index| index.kind == "ttl" && !index.is_building) else { continue };
                if !may_expire(&database.name, &collection) {
                    continue;
                }
                let most = options.collection_removes_max.min(options.removes_max.saturating_sub(removed));
                match self.remove_expired_of(&collection, index, now_s, most, is_over) {
                    Ok(count) => removed += count,
                    // Dropped meanwhile, or led by somebody else: the next run will see.
                    Err(fault) => tracing::debug!(target: "ttl", collection = %info.name, "{}", fault.message()),
                }
                if removed >= options.removes_max || is_over() {
                    return Ok(removed);
                }
            }
        }
        Ok(removed)
    }

    fn remove_expired_of(
        self: &Arc<Self>,
        collection: &Arc<LocalCollection>,
        index: &Index,
        now_s: f64,
        most: usize,
        is_over: &dyn Fn() -> bool,
    ) -> Result<usize> {
        let until = now_s - index.expire_after.unwrap_or(f64::INFINITY);
        // The index holds times only, dates included.
        let range = IndexRange { prefix: Vec::new(), low: None, high: Some((Value::double(until), true)) };
        let mut cursor = self.begin(Instant::now())?.index_scan(collection, &index.id, &range, false, IndexRead::Documents)?;
        let (mut removed, mut more) = (0, true);
        while more && removed < most && !is_over() {
            let mut documents = Vec::new();
            more = cursor.next(DOCUMENTS_PER_STEP.min(most - removed), &mut documents)?;
            removed += self.remove_selected(collection, documents.iter().filter_map(selector).collect())?;
        }
        Ok(removed)
    }

    /// Removes documents unless they have changed since they were read.
    fn remove_selected(self: &Arc<Self>, collection: &Arc<LocalCollection>, selectors: Vec<Value>) -> Result<usize> {
        if selectors.is_empty() {
            return Ok(0);
        }
        let options = DocumentOptions { ignore_revs: false, silent: true, ..DocumentOptions::default() };
        let request = DocumentRequest { operation: Operation::Remove, documents: selectors, options };
        let mut transaction = self.storage().begin(storage::TransactionOptions::single(Instant::now() + self.lock_timeout()))?;
        let results = transaction.documents(collection, request)?;
        self.commit_blocking(transaction, false)?;
        let gone = |fault: &base::Error| [code::ARANGO_DOCUMENT_NOT_FOUND, code::ARANGO_CONFLICT].contains(&fault.code());
        if let Some(fault) = results.items.iter().filter_map(|item| item.as_ref().err()).find(|fault| !gone(fault)) {
            return Err(fault.clone());
        }
        Ok(results.items.iter().filter(|item| item.is_ok()).count())
    }
}

fn selector(document: &Value) -> Option<Value> {
    let document = document.as_slice();
    Some(Value::object([("_key", document.get("_key")?.to_value()), ("_rev", document.get("_rev")?.to_value())]))
}
