//! What a DB-server or a secondary answers to clients that talk to it directly: administrators who
//! want to see what is stored here, and tools. Reads only; changes go through a coordinator.
//!
//! A shard that this server does not lead is shown only to those who accept dirty reads.

use crate::single::Single;
use async_trait::async_trait;
use base::{Error, Result, code};
use database::Context;
use database::backend::{Backend, Role, Statistic};
use database::catalog::{Collection, Database, Index};
use database::cluster::ClusterRequest;
use database::document::{DocumentRequest, DocumentResults, Operation};
use database::query::{CursorBatch, QueryRequest};
use database::transaction::{TransactionId, TransactionOptions, TransactionStatus};
use serde_json::Value as Json;
use std::sync::Arc;
use velocypack::Value;

/// Tells whether this server may answer for a collection.
pub type MayRead = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The verbs of a server that holds data for others.
pub struct Direct {
    single: Arc<Single>,
    role: Role,
    id: String,
    may_read: MayRead,
}

impl Direct {
    /// `may_read` decides about reads that are not to be dirty.
    #[must_use]
    pub fn new(single: Arc<Single>, role: Role, id: &str, may_read: MayRead) -> Self {
        Self { single, role, id: id.to_owned(), may_read }
    }

    fn check(&self, cx: &Context, collection: &str) -> Result<()> {
        if cx.dirty_read || (self.may_read)(collection) { Ok(()) } else { Err(Error::with_detail(code::CLUSTER_NOT_LEADER, collection)) }
    }
}

fn only_on_coordinator<T>() -> Result<T> {
    Err(code::CLUSTER_ONLY_ON_COORDINATOR.into())
}

#[async_trait]
impl Backend for Direct {
    fn role(&self) -> Role {
        self.role
    }

    fn server_id(&self) -> Option<String> {
        Some(self.id.clone())
    }

    fn is_available(&self) -> bool {
        true
    }

    async fn databases(&self, cx: &Context) -> Result<Vec<Database>> {
        self.single.databases(cx).await
    }

    async fn database(&self, cx: &Context, name: &str) -> Result<Database> {
        self.single.database(cx, name).await
    }

    async fn create_database(&self, _cx: &Context, _name: &str, _options: &Json) -> Result<Database> {
        only_on_coordinator()
    }

    async fn drop_database(&self, _cx: &Context, _name: &str) -> Result<()> {
        only_on_coordinator()
    }

    async fn collections(&self, cx: &Context, db: &str) -> Result<Vec<Collection>> {
        self.single.collections(cx, db).await
    }

    async fn collection(&self, cx: &Context, db: &str, name: &str) -> Result<Collection> {
        self.single.collection(cx, db, name).await
    }

    async fn create_collection(&self, _cx: &Context, _db: &str, _properties: &Json) -> Result<Collection> {
        only_on_coordinator()
    }

    async fn drop_collection(&self, _cx: &Context, _db: &str, _name: &str, _allow_system: bool) -> Result<Collection> {
        only_on_coordinator()
    }

    async fn change_collection(&self, _cx: &Context, _db: &str, _name: &str, _properties: &Json) -> Result<Collection> {
        only_on_coordinator()
    }

    async fn rename_collection(&self, _cx: &Context, _db: &str, _name: &str, _new_name: &str) -> Result<Collection> {
        only_on_coordinator()
    }

    async fn truncate(&self, _cx: &Context, _db: &str, _name: &str) -> Result<()> {
        only_on_coordinator()
    }

    async fn count(&self, cx: &Context, db: &str, name: &str) -> Result<Vec<(String, u64)>> {
        self.check(cx, name)?;
        self.single.count(cx, db, name).await
    }

    async fn statistics(&self, cx: &Context, db: &str, name: &str, what: Statistic) -> Result<Json> {
        self.single.statistics(cx, db, name, what).await
    }

    async fn responsible_shard(&self, _cx: &Context, _db: &str, _name: &str, _document: &Value) -> Result<String> {
        only_on_coordinator()
    }

    async fn create_index(&self, _cx: &Context, _db: &str, _collection: &str, _definition: &Json) -> Result<(Index, bool)> {
        only_on_coordinator()
    }

    async fn drop_index(&self, _cx: &Context, _db: &str, _collection: &str, _index: &str) -> Result<Index> {
        only_on_coordinator()
    }

    async fn documents(&self, cx: &Context, db: &str, collection: &str, request: DocumentRequest) -> Result<DocumentResults> {
        if request.operation != Operation::Read {
            return only_on_coordinator();
        }
        self.check(cx, collection)?;
        let results = self.single.documents(cx, db, collection, request).await?;
        self.check(cx, collection)?;
        Ok(results)
    }

    async fn open_cursor(&self, cx: &Context, db: &str, request: QueryRequest) -> Result<CursorBatch> {
        if !cx.dirty_read {
            let text = "queries on a DB-server read its own copy: allow dirty reads, or ask a coordinator";
            return Err(Error::with_detail(code::CLUSTER_ONLY_ON_COORDINATOR, text));
        }
        self.single.open_cursor(cx, db, request).await
    }

    async fn next_batch(&self, cx: &Context, db: &str, cursor: &str, batch: Option<&str>) -> Result<CursorBatch> {
        self.single.next_batch(cx, db, cursor, batch).await
    }

    async fn close_cursor(&self, cx: &Context, db: &str, cursor: &str) -> Result<()> {
        self.single.close_cursor(cx, db, cursor).await
    }

    async fn explain(&self, cx: &Context, db: &str, request: QueryRequest) -> Result<Json> {
        self.single.explain(cx, db, request).await
    }

    async fn parse_query(&self, cx: &Context, db: &str, query: &str) -> Result<Json> {
        self.single.parse_query(cx, db, query).await
    }

    async fn begin(&self, _cx: &Context, _db: &str, _options: TransactionOptions) -> Result<TransactionId> {
        only_on_coordinator()
    }

    async fn transaction_status(&self, _cx: &Context, _db: &str, _id: TransactionId) -> Result<TransactionStatus> {
        only_on_coordinator()
    }

    async fn commit(&self, _cx: &Context, _db: &str, _id: TransactionId) -> Result<()> {
        only_on_coordinator()
    }

    async fn abort(&self, _cx: &Context, _db: &str, _id: TransactionId) -> Result<()> {
        only_on_coordinator()
    }

    async fn transactions(&self, cx: &Context, db: &str) -> Result<Vec<(TransactionId, TransactionStatus)>> {
        self.single.transactions(cx, db).await
    }

    async fn cluster(&self, _cx: &Context, _request: ClusterRequest) -> Result<Json> {
        Err(Error::new(code::FORBIDDEN, "only allowed on coordinators"))
    }
}
