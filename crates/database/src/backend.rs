//! The seam between the HTTP routes and the roles. A single server, a coordinator and a
//! DB-server each implement [`Backend`]; the routes never ask which one they talk to.

use crate::catalog::{Collection, Database, Index};
use crate::cluster::ClusterRequest;
use crate::context::Context;
use crate::document::{DocumentRequest, DocumentResults};
use crate::query::{CursorBatch, QueryRequest};
use crate::transaction::{TransactionId, TransactionOptions, TransactionStatus};
use async_trait::async_trait;
use base::Result;
use serde_json::Value as Json;
use velocypack::Value;

/// The role a server shows to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One server without a cluster.
    Single,
    /// Takes client requests in a cluster.
    Coordinator,
    /// Holds data in a cluster.
    DbServer,
    /// Asynchronous copy of a DB-server.
    Secondary,
    /// Keeps the configuration of a cluster.
    Agent,
}

impl Role {
    /// The word of `/_admin/server/role`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "SINGLE",
            Self::Coordinator => "COORDINATOR",
            Self::DbServer => "PRIMARY",
            Self::Secondary => "SECONDARY",
            Self::Agent => "AGENT",
        }
    }
}

/// Everything a client may ask a server for. Every verb demands the caller's [`Context`]; the
/// names of databases and collections are as the client wrote them (a collection may be named by
/// its id).
///
/// Errors: unknown database 1228, unknown collection 1203, and those named at each verb.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Role of this server.
    fn role(&self) -> Role;
    /// Id of this server in the cluster; `None` on a single server.
    fn server_id(&self) -> Option<String>;
    /// Can requests be answered now? (`/_admin/server/availability`.)
    fn is_available(&self) -> bool;

    /// All databases.
    async fn databases(&self, cx: &Context) -> Result<Vec<Database>>;
    /// One database.
    async fn database(&self, cx: &Context, name: &str) -> Result<Database>;
    /// Creates a database; 1207 if it exists, 1229 for an illegal name.
    async fn create_database(&self, cx: &Context, name: &str, options: &Json) -> Result<Database>;
    /// Drops a database with everything in it; `_system` cannot be dropped (1230).
    async fn drop_database(&self, cx: &Context, name: &str) -> Result<()>;

    /// All collections of a database, sorted by name.
    async fn collections(&self, cx: &Context, db: &str) -> Result<Vec<Collection>>;
    /// One collection.
    async fn collection(&self, cx: &Context, db: &str, name: &str) -> Result<Collection>;
    /// Creates a collection from the attributes of `POST /_api/collection`; 1207, 1208.
    async fn create_collection(&self, cx: &Context, db: &str, properties: &Json) -> Result<Collection>;
    /// Drops a collection; system collections only with `allow_system`.
    async fn drop_collection(&self, cx: &Context, db: &str, name: &str, allow_system: bool) -> Result<Collection>;
    /// Changes `waitForSync`, `schema`, `replicationFactor`, … of a collection.
    async fn change_collection(&self, cx: &Context, db: &str, name: &str, properties: &Json) -> Result<Collection>;
    /// Renames a collection (single server only; 1470 in a cluster).
    async fn rename_collection(&self, cx: &Context, db: &str, name: &str, new_name: &str) -> Result<Collection>;
    /// Removes all documents.
    async fn truncate(&self, cx: &Context, db: &str, name: &str) -> Result<()>;
    /// Number of documents per shard (one entry, named like the collection, without shards).
    async fn count(&self, cx: &Context, db: &str, name: &str) -> Result<Vec<(String, u64)>>;
    /// `figures`, `revision`, `checksum` (with or without data), as JSON for the answer.
    async fn statistics(&self, cx: &Context, db: &str, name: &str, what: Statistic) -> Result<Json>;
    /// The shard that holds a document with these shard key values (cluster only; 1470 else).
    async fn responsible_shard(&self, cx: &Context, db: &str, name: &str, document: &Value) -> Result<String>;

    /// Creates an index from the attributes of `POST /_api/index`. The flag tells whether it is new.
    async fn create_index(&self, cx: &Context, db: &str, collection: &str, definition: &Json) -> Result<(Index, bool)>;
    /// Drops an index by id or name; 1212 if unknown, 1213-like errors for primary and edge indexes.
    async fn drop_index(&self, cx: &Context, db: &str, collection: &str, index: &str) -> Result<Index>;

    /// Reads or writes documents of one collection. Errors of single documents are in the items;
    /// an error of the whole means that nothing was done.
    async fn documents(&self, cx: &Context, db: &str, collection: &str, request: DocumentRequest) -> Result<DocumentResults>;

    /// Runs a query and answers with its first batch.
    async fn open_cursor(&self, cx: &Context, db: &str, request: QueryRequest) -> Result<CursorBatch>;
    /// The following batch; `batch` asks for that very batch (again). 1600 if unknown.
    async fn next_batch(&self, cx: &Context, db: &str, cursor: &str, batch: Option<&str>) -> Result<CursorBatch>;
    /// Forgets a cursor; 1600 if unknown.
    async fn close_cursor(&self, cx: &Context, db: &str, cursor: &str) -> Result<()>;
    /// The answer of `/_api/explain` (`{plan | plans, warnings, stats, cacheable}`).
    async fn explain(&self, cx: &Context, db: &str, request: QueryRequest) -> Result<Json>;
    /// The answer of `POST /_api/query` (`{bindVars, collections, ast, parsed}`).
    async fn parse_query(&self, cx: &Context, db: &str, query: &str) -> Result<Json>;

    /// Begins a stream transaction.
    async fn begin(&self, cx: &Context, db: &str, options: TransactionOptions) -> Result<TransactionId>;
    /// Status of a stream transaction; 1655 if unknown.
    async fn transaction_status(&self, cx: &Context, db: &str, id: TransactionId) -> Result<TransactionStatus>;
    /// Commits.
    async fn commit(&self, cx: &Context, db: &str, id: TransactionId) -> Result<()>;
    /// Aborts.
    async fn abort(&self, cx: &Context, db: &str, id: TransactionId) -> Result<()>;
    /// Running stream transactions.
    async fn transactions(&self, cx: &Context, db: &str) -> Result<Vec<(TransactionId, TransactionStatus)>>;

    /// Carries out a cluster-wide wish; the JSON is the answer without `error` and `code`.
    async fn cluster(&self, cx: &Context, request: ClusterRequest) -> Result<Json>;
}

/// Which statistic of a collection is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// `figures`.
    Figures,
    /// `revision`.
    Revision,
    /// `checksum`.
    Checksum {
        /// Include document contents.
        with_data: bool,
        /// Include revisions.
        with_revisions: bool,
    },
}
