//! The coordinator behind the HTTP routes.

use super::Coordinator;
use crate::cluster::plan_view::PlannedCollection;
use async_trait::async_trait;
use base::{Error, Result, code};
use database::backend::{Backend, Role, Statistic};
use database::catalog::{Collection, Database, Index};
use database::cluster::ClusterRequest;
use database::document::{DocumentRequest, DocumentResults};
use database::index_input::{self, Placement};
use database::query::{CursorBatch, QueryRequest};
use database::transaction::{TransactionId, TransactionOptions, TransactionStatus};
use database::{Context, collection_input, database_input};
use serde_json::Value as Json;
use std::sync::Arc;
use velocypack::Value;

impl Coordinator {
    /// A visible collection.
    pub(super) fn planned(&self, db: &str, name: &str) -> Result<Arc<PlannedCollection>> {
        self.cluster.plan().collection(db, name).cloned()
    }
}

#[async_trait]
impl Backend for Coordinator {
    fn role(&self) -> Role {
        Role::Coordinator
    }

    fn server_id(&self) -> Option<String> {
        Some(self.cluster.identity.id.clone())
    }

    fn is_available(&self) -> bool {
        true
    }

    async fn databases(&self, _cx: &Context) -> Result<Vec<Database>> {
        Ok(self.cluster.plan().databases().cloned().collect())
    }

    async fn database(&self, _cx: &Context, name: &str) -> Result<Database> {
        self.cluster.plan().database(name).cloned()
    }

    async fn create_database(&self, _cx: &Context, name: &str, options: &Json) -> Result<Database> {
        let limits = &self.options.limits;
        let database = database_input::create(name, options, limits.replication_factor_default, limits.write_concern_default)?;
        self.survive(move |me| async move { me.plan_database(database).await }).await
    }

    async fn drop_database(&self, _cx: &Context, name: &str) -> Result<()> {
        if name == database_input::SYSTEM {
            return Err(code::FORBIDDEN.into());
        }
        self.cluster.plan().database(name)?;
        let name = name.to_owned();
        self.survive(move |me| async move { me.unplan_database(&name).await }).await
    }

    async fn collections(&self, _cx: &Context, db: &str) -> Result<Vec<Collection>> {
        let plan = self.cluster.plan();
        let mut all: Vec<Collection> = plan.collections(db)?.map(|planned| shown(&planned.collection)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn collection(&self, _cx: &Context, db: &str, name: &str) -> Result<Collection> {
        Ok(shown(&self.planned(db, name)?.collection))
    }

    async fn create_collection(&self, _cx: &Context, db: &str, properties: &Json) -> Result<Collection> {
        let plan = self.cluster.plan();
        let database = plan.database(db)?;
        let mut limits = self.options.limits.clone();
        limits.replication_factor_default = database.replication_factor.max(limits.replication_factor_default);
        limits.write_concern_default = database.write_concern.max(limits.write_concern_default);
        let mut collection = collection_input::create(properties, &limits)?;
        if let Some(prototype) = collection.distribute_shards_like.clone() {
            let prototype = plan.collection(db, &prototype).map_err(|_| Error::from(code::CLUSTER_UNKNOWN_DISTRIBUTESHARDSLIKE))?;
            collection_input::distribute_like(&mut collection, &prototype.collection)?;
        }
        if plan.collection(db, &collection.name).is_ok() {
            return Err(Error::with_detail(code::ARANGO_DUPLICATE_NAME, &collection.name));
        }
        let db = db.to_owned();
        let planned = self.survive(move |me| async move { me.create_planned(&db, &collection).await }).await?;
        Ok(shown(&planned.collection))
    }

    async fn drop_collection(&self, _cx: &Context, db: &str, name: &str, allow_system: bool) -> Result<Collection> {
        let planned = self.planned(db, name)?;
        if planned.collection.is_system && (!allow_system || database_input::is_system_collection(&planned.collection.name)) {
            return Err(code::FORBIDDEN.into());
        }
        let dropped = Arc::clone(&planned);
        self.survive(move |me| async move { me.unplan_collection(&dropped).await }).await?;
        Ok(shown(&planned.collection))
    }

    async fn change_collection(&self, _cx: &Context, db: &str, name: &str, properties: &Json) -> Result<Collection> {
        let planned = self.planned(db, name)?;
        let changed = collection_input::change(&planned.collection, properties, &self.options.limits)?;
        let before = serde_json::to_value(&planned.collection).map_err(|_| Error::internal("collection"))?;
        let after = serde_json::to_value(&changed).map_err(|_| Error::internal("collection"))?;
        let changes: Vec<(&str, Json)> = crate::cluster::plan_view::members(&after)
            .filter(|(name, value)| name.as_str() != "shards" && name.as_str() != "indexes" && before.get(name.as_str()) != Some(value))
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        if !changes.is_empty() {
            self.change_planned(&planned, &changes).await?;
        }
        Ok(shown(&self.planned(db, name)?.collection))
    }

    async fn rename_collection(&self, _cx: &Context, db: &str, name: &str, _new_name: &str) -> Result<Collection> {
        self.planned(db, name)?;
        Err(code::CLUSTER_UNSUPPORTED.into())
    }

    async fn truncate(&self, _cx: &Context, db: &str, name: &str) -> Result<()> {
        let planned = self.planned(db, name)?;
        self.truncate_shards(&planned).await
    }

    async fn count(&self, _cx: &Context, db: &str, name: &str) -> Result<Vec<(String, u64)>> {
        let planned = self.planned(db, name)?;
        self.count_shards(&planned).await
    }

    async fn statistics(&self, _cx: &Context, db: &str, name: &str, what: Statistic) -> Result<Json> {
        let planned = self.planned(db, name)?;
        self.collection_statistic(&planned, what).await
    }

    async fn responsible_shard(&self, _cx: &Context, db: &str, name: &str, document: &Value) -> Result<String> {
        use database::sharding::{Location, locate, locate_new};
        let planned = self.planned(db, name)?;
        let collection = &planned.collection;
        let position = match locate(collection, document.as_slice()) {
            Location::Shard(position) => position,
            Location::Unknown if collection.shard_keys.iter().any(|attribute| attribute == "_key") => {
                return Err(code::CLUSTER_NOT_ALL_SHARDING_ATTRIBUTES_GIVEN.into());
            }
            Location::Unknown => locate_new(collection, document.as_slice(), ""),
        };
        planned.shards.get(position).cloned().ok_or_else(|| code::CLUSTER_SHARD_GONE.into())
    }

    async fn create_index(&self, _cx: &Context, db: &str, collection: &str, definition: &Json) -> Result<(Index, bool)> {
        let planned = self.planned(db, collection)?;
        let id = self.ids.next(&self.cluster.agency).await?.to_string();
        match index_input::place(&planned.collection, index_input::definition(definition)?, &id)? {
            Placement::Existing(index) => Ok((index, false)),
            Placement::New(index) => {
                let index = self.survive(move |me| async move { me.plan_index(&planned, index).await }).await?;
                Ok((index, true))
            }
        }
    }

    async fn drop_index(&self, _cx: &Context, db: &str, collection: &str, index: &str) -> Result<Index> {
        let planned = self.planned(db, collection)?;
        let found = index_input::find(&planned.collection, index)?.clone();
        index_input::check_droppable(&found)?;
        let id = found.id.clone();
        self.survive(move |me| async move { me.unplan_index(&planned, &id).await }).await?;
        Ok(found)
    }

    async fn documents(&self, cx: &Context, db: &str, collection: &str, request: DocumentRequest) -> Result<DocumentResults> {
        let planned = self.planned(db, collection)?;
        self.shard_documents(cx, &planned, request).await
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

    async fn explain(&self, _cx: &Context, db: &str, request: QueryRequest) -> Result<Json> {
        self.explain_query(db, request).await
    }

    async fn parse_query(&self, _cx: &Context, db: &str, query: &str) -> Result<Json> {
        self.cluster.plan().database(db)?;
        aql::parse_for_client(query)
    }

    async fn begin(&self, _cx: &Context, db: &str, options: TransactionOptions) -> Result<TransactionId> {
        self.begin_transaction(db, options).await
    }

    async fn transaction_status(&self, _cx: &Context, db: &str, id: TransactionId) -> Result<TransactionStatus> {
        self.transactions.status(db, id)
    }

    async fn commit(&self, _cx: &Context, db: &str, id: TransactionId) -> Result<()> {
        let db = db.to_owned();
        self.survive(move |me| async move { me.finish_transaction(&db, id, true).await }).await
    }

    async fn abort(&self, _cx: &Context, db: &str, id: TransactionId) -> Result<()> {
        self.finish_transaction(db, id, false).await
    }

    async fn transactions(&self, _cx: &Context, db: &str) -> Result<Vec<(TransactionId, TransactionStatus)>> {
        Ok(self.transactions.running(db))
    }

    async fn cluster(&self, _cx: &Context, request: ClusterRequest) -> Result<Json> {
        self.administer(request).await
    }
}

/// A collection as clients see it: without indexes that are being built.
fn shown(collection: &Collection) -> Collection {
    let mut collection = collection.clone();
    collection.indexes.retain(|index| !index.is_building);
    collection
}

impl Coordinator {
    /// Runs work to its end even if the client goes away in the middle: half-made changes of the
    /// Plan would have to be cleaned up by others.
    async fn survive<T, F, R>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Self>) -> R,
        R: Future<Output = Result<T>> + Send + 'static,
    {
        let me = self.me()?;
        let done = tokio::spawn(work(me)).await;
        done.map_err(|_| Error::internal("the work was ended"))?
    }
}
