//! The single server: every verb on its own storage.
//!
//! `catalog` creates, changes and drops databases, collections and indexes; `graphs` knows named
//! graphs; `queries` plans queries; the rest is `local`.

mod catalog;
mod graphs;
pub(crate) mod queries;

use crate::local::expiry::{self, ExpiryOptions, MayExpire};
use crate::local::workers::Workers;
use crate::local::{CommitHook, Local, LocalOptions};
use crate::query::{Queries, QueryOptions};
use async_trait::async_trait;
use base::revision::HybridClock;
use base::{Error, Result, code};
use database::backend::{Backend, Role, Statistic};
use database::catalog::{Collection, Database, Index};
use database::cluster::ClusterRequest;
use database::document::{DocumentRequest, DocumentResults};
use database::query::{CursorBatch, QueryRequest};
use database::transaction::{TransactionId, TransactionOptions, TransactionStatus};
use database::{Context, database_input};
use rt::shutdown::Shutdown;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use storage::Storage;
use velocypack::Value;

/// Pause between two rounds of forgetting what has expired.
const SWEEP: Duration = Duration::from_secs(1);

/// Settings of a single server.
#[derive(Clone, Debug)]
pub struct SingleOptions {
    /// This server's number, part of `globallyUniqueId`.
    pub server_number: u64,
    /// Threads that may block.
    pub threads: usize,
    /// Requests that may wait for one.
    pub queue: usize,
    /// `waitForSync` of new collections unless they say otherwise.
    pub wait_for_sync: bool,
    /// Queries may not write (servers that hold data for a cluster).
    pub read_only_queries: bool,
    /// Most databases.
    pub databases_max: u64,
    /// Limits of operations and stream transactions.
    pub local: LocalOptions,
    /// Limits of queries.
    pub query: QueryOptions,
    /// Removal of expired documents.
    pub expiry: ExpiryOptions,
}

impl Default for SingleOptions {
    fn default() -> Self {
        Self {
            server_number: 1,
            threads: 32,
            queue: 4096,
            wait_for_sync: false,
            read_only_queries: false,
            databases_max: u64::MAX,
            local: LocalOptions::default(),
            query: QueryOptions::default(),
            expiry: ExpiryOptions::default(),
        }
    }
}

/// A single server.
pub struct Single {
    pub(crate) local: Arc<Local>,
    pub(crate) queries: Arc<Queries>,
    /// Numbers transactions, queries and cursors.
    ids: Arc<HybridClock>,
    options: SingleOptions,
    /// Changes of databases, collections and indexes happen one after the other.
    definitions: Arc<tokio::sync::Mutex<()>>,
}

impl Single {
    /// A single server on its storage. Call [`Single::bootstrap`] before it takes requests.
    #[must_use]
    pub fn new(storage: Arc<Storage>, options: SingleOptions) -> Arc<Self> {
        Self::with_hook(storage, None, options)
    }

    /// The same verbs for a server that replicates before it commits.
    #[must_use]
    pub fn with_hook(storage: Arc<Storage>, hook: Option<Arc<dyn CommitHook>>, options: SingleOptions) -> Arc<Self> {
        let workers = Workers::new(options.threads, options.queue);
        let local = Local::new(storage, Arc::clone(&workers), hook, options.local.clone());
        let ids = Arc::new(HybridClock::default());
        let queries = Queries::new(workers, options.query.clone(), Arc::clone(&ids));
        Arc::new(Self { local, queries, ids, options, definitions: Arc::default() })
    }

    /// The verbs on its storage.
    #[must_use]
    pub fn local(&self) -> &Arc<Local> {
        &self.local
    }

    /// Its queries.
    #[must_use]
    pub fn queries(&self) -> &Arc<Queries> {
        &self.queries
    }

    /// Forgets idle cursors and transactions, and removes expired documents, until shutdown.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let expiry = tokio::spawn(Arc::clone(&self).expire_until(Arc::new(|_, _| true), shutdown.clone()));
        self.sweep_until(shutdown).await;
        let _ = expiry.await;
    }

    /// Removes expired documents of the collections that `may_expire` names, until shutdown.
    pub async fn expire_until(self: Arc<Self>, may_expire: MayExpire, shutdown: Shutdown) {
        expiry::run(Arc::clone(&self.local), self.options.expiry.clone(), may_expire, shutdown).await;
    }

    /// Forgets idle cursors and transactions until shutdown.
    pub async fn sweep_until(self: Arc<Self>, shutdown: Shutdown) {
        while tokio::time::timeout(SWEEP, shutdown.wait()).await.is_err() {
            self.queries.sweep();
            self.local.sweep().await;
        }
    }

    fn storage(&self) -> &Arc<Storage> {
        self.local.storage()
    }
}

#[async_trait]
impl Backend for Single {
    fn role(&self) -> Role {
        Role::Single
    }

    fn server_id(&self) -> Option<String> {
        None
    }

    fn is_available(&self) -> bool {
        true
    }

    async fn databases(&self, _cx: &Context) -> Result<Vec<Database>> {
        Ok(self.storage().databases())
    }

    async fn database(&self, _cx: &Context, name: &str) -> Result<Database> {
        self.storage().database(name)
    }

    async fn create_database(&self, _cx: &Context, name: &str, options: &Json) -> Result<Database> {
        self.make_database(database_input::create(name, options, 1, 1)?).await
    }

    async fn drop_database(&self, _cx: &Context, name: &str) -> Result<()> {
        self.remove_database(name).await
    }

    async fn collections(&self, _cx: &Context, db: &str) -> Result<Vec<Collection>> {
        self.storage().database(db)?;
        let mut all: Vec<Collection> = self.storage().collections(db)?.iter().map(|collection| shown(collection)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn collection(&self, _cx: &Context, db: &str, name: &str) -> Result<Collection> {
        Ok(shown(&*self.storage().collection(db, name)?))
    }

    async fn create_collection(&self, _cx: &Context, db: &str, properties: &Json) -> Result<Collection> {
        self.make_collection(db, properties).await
    }

    async fn drop_collection(&self, _cx: &Context, db: &str, name: &str, allow_system: bool) -> Result<Collection> {
        self.remove_collection(db, name, allow_system).await
    }

    async fn change_collection(&self, _cx: &Context, db: &str, name: &str, properties: &Json) -> Result<Collection> {
        self.alter_collection(db, name, properties).await
    }

    async fn rename_collection(&self, _cx: &Context, db: &str, name: &str, new_name: &str) -> Result<Collection> {
        self.relabel_collection(db, name, new_name).await
    }

    async fn truncate(&self, cx: &Context, db: &str, name: &str) -> Result<()> {
        self.local.truncate(cx, db, name).await
    }

    async fn count(&self, cx: &Context, db: &str, name: &str) -> Result<Vec<(String, u64)>> {
        let name = self.storage().collection(db, name)?.info().name.clone();
        let count = self.local.count(cx, db, &name).await?;
        Ok(vec![(name, count)])
    }

    async fn statistics(&self, _cx: &Context, db: &str, name: &str, what: Statistic) -> Result<Json> {
        let (local, collection) = (Arc::clone(&self.local), self.storage().collection(db, name)?);
        self.local.workers().run(move || statistic(&local, &collection, what)).await
    }

    async fn responsible_shard(&self, _cx: &Context, _db: &str, _name: &str, _document: &Value) -> Result<String> {
        Err(code::CLUSTER_ONLY_ON_COORDINATOR.into())
    }

    async fn create_index(&self, _cx: &Context, db: &str, collection: &str, definition: &Json) -> Result<(Index, bool)> {
        self.make_index(db, collection, definition).await
    }

    async fn drop_index(&self, _cx: &Context, db: &str, collection: &str, index: &str) -> Result<Index> {
        self.remove_index(db, collection, index).await
    }

    async fn documents(&self, cx: &Context, db: &str, collection: &str, request: DocumentRequest) -> Result<DocumentResults> {
        self.local.documents(cx, db, collection, request).await
    }

    async fn open_cursor(&self, cx: &Context, db: &str, request: QueryRequest) -> Result<CursorBatch> {
        self.run_query(cx, db, request).await
    }

    async fn next_batch(&self, cx: &Context, db: &str, cursor: &str, batch: Option<&str>) -> Result<CursorBatch> {
        self.queries.next_batch(cx, db, cursor, batch).await
    }

    async fn close_cursor(&self, cx: &Context, db: &str, cursor: &str) -> Result<()> {
        self.queries.close(cx, db, cursor)
    }

    async fn explain(&self, cx: &Context, db: &str, request: QueryRequest) -> Result<Json> {
        self.explain_query(cx, db, request).await
    }

    async fn parse_query(&self, _cx: &Context, db: &str, query: &str) -> Result<Json> {
        self.storage().database(db)?;
        aql::parse_for_client(query)
    }

    async fn begin(&self, cx: &Context, db: &str, options: TransactionOptions) -> Result<TransactionId> {
        self.storage().database(db)?;
        let id = TransactionId(self.ids.tick(rt::clock::now_ms()).0);
        self.local.begin_stream(cx, db, id, options).await?;
        Ok(id)
    }

    async fn transaction_status(&self, cx: &Context, db: &str, id: TransactionId) -> Result<TransactionStatus> {
        self.local.transactions().status(db, crate::local::owner(cx), id)
    }

    async fn commit(&self, cx: &Context, db: &str, id: TransactionId) -> Result<()> {
        self.local.commit_stream(cx, db, id).await
    }

    async fn abort(&self, cx: &Context, db: &str, id: TransactionId) -> Result<()> {
        self.local.abort_stream(cx, db, id).await
    }

    async fn transactions(&self, cx: &Context, db: &str) -> Result<Vec<(TransactionId, TransactionStatus)>> {
        self.storage().database(db)?;
        Ok(self.local.transactions().list(db, crate::local::owner(cx)))
    }

    async fn cluster(&self, _cx: &Context, request: ClusterRequest) -> Result<Json> {
        Err(match request {
            ClusterRequest::Health | ClusterRequest::Endpoints | ClusterRequest::Maintenance(_) => {
                Error::from(code::CLUSTER_ONLY_ON_COORDINATOR)
            }
            _ => Error::new(code::FORBIDDEN, "only allowed on coordinators"),
        })
    }
}

/// A collection as clients see it.
fn shown(collection: &storage::LocalCollection) -> Collection {
    let mut info = (*collection.info()).clone();
    info.indexes.retain(|index| !index.is_building);
    info.key_options.last_value = collection.last_key();
    info.other.insert("objectId".into(), json!(collection.object_id().to_string()));
    info
}

fn statistic(local: &Arc<Local>, collection: &Arc<storage::LocalCollection>, what: Statistic) -> Result<Json> {
    use crate::local::statistics::revision_text;
    Ok(match what {
        Statistic::Figures => {
            let info = collection.info();
            let sizes = local.figures(collection);
            json!({
                "indexes": {"count": info.indexes.len(), "size": sizes.indexes_bytes},
                "documentsSize": sizes.documents_bytes,
                "cacheInUse": false,
                "cacheSize": 0,
                "cacheUsage": 0
            })
        }
        Statistic::Revision => json!({"revision": revision_text(local.newest_revision(collection)?)}),
        Statistic::Checksum { with_data, with_revisions } => {
            let sum = local.checksum(collection, with_revisions, with_data)?;
            json!({"checksum": sum.checksum.to_string(), "revision": revision_text(sum.revision)})
        }
    })
}
