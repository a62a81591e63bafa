//! AQL on a coordinator: plan over the collections of the agency's Plan, cut the plan into the
//! parts that run on the shards, run the rest here.

use super::Coordinator;
use super::source::{ClusterSource, SharedSource};
use crate::cluster::plan_view::PlanView;
use crate::query::running::QueryControl;
use crate::query::{End, Prepared};
use crate::single::queries::{compile_options, graph_info};
use aql::catalog::{CatalogView, CollectionInfo, GraphInfo};
use aql::{CompileOptions, compile};
use base::{Error, Result, code};
use database::Context;
use database::query::{CursorBatch, QueryRequest};
use exec::source::QueryContext;
use serde_json::Value as Json;
use std::sync::Arc;

/// The catalog of one database of the cluster as the planner sees it.
struct PlanCatalog {
    plan: Arc<PlanView>,
    database: String,
    coordinator: Arc<Coordinator>,
    runtime: tokio::runtime::Handle,
}

impl CatalogView for PlanCatalog {
    fn collection(&self, name: &str) -> Option<CollectionInfo> {
        let planned = self.plan.collection(&self.database, name).ok()?;
        let collection = &planned.collection;
        Some(CollectionInfo {
            kind: collection.kind,
            indexes: collection.indexes.iter().filter(|index| !index.is_building).cloned().collect(),
            number_of_shards: u32::try_from(planned.shards.len()).unwrap_or(u32::MAX),
            shard_keys: collection.shard_keys.clone(),
            ..CollectionInfo::default()
        })
    }

    fn graph(&self, name: &str) -> Option<GraphInfo> {
        let read = self.coordinator.graph_document(&self.database, name);
        // Invariant: compiling happens on a thread that may block.
        self.runtime.block_on(read).ok().flatten().map(|document| graph_info(&document))
    }

    fn is_cluster(&self) -> bool {
        true
    }
}

impl Coordinator {
    /// Runs a query over the shards, in the stream transaction of `cx` if it names one.
    pub(super) async fn run_query(&self, cx: &Context, db: &str, request: QueryRequest) -> Result<CursorBatch> {
        self.cluster.plan().database(db)?;
        if let Some(id) = cx.transaction {
            self.transactions.options(id)?;
        }
        let me = self.me()?;
        let (database, caller, asked) = (db.to_owned(), cx.clone(), request.clone());
        let prepare = move |control: &Arc<QueryControl>| {
            let catalog = me.catalog(&database);
            let options = compile_options(&asked);
            let query = compile(&asked.query, asked.bind_vars.as_slice(), &catalog, &options, &exec::evaluate_const)?;
            let context = QueryContext {
                now_ms: control.started_ms,
                random_seed: rand::random(),
                user: caller.user.clone(),
                database: database.clone(),
            };
            let source = ClusterSource::new(me, &database, &caller, context, Arc::clone(control));
            let end = Box::new(ClusterEnd { source: Some(Arc::clone(&source)), runtime: tokio::runtime::Handle::current() });
            Ok(Prepared { query: Arc::new(query), source: Arc::new(SharedSource(source)), end })
        };
        self.queries.open(cx, db, request, prepare).await
    }

    /// The plan of a query, as clients see it.
    pub(super) async fn explain_query(&self, db: &str, request: QueryRequest) -> Result<Json> {
        self.cluster.plan().database(db)?;
        let catalog = self.me()?.catalog(db);
        let explained = tokio::task::spawn_blocking(move || {
            let options = CompileOptions { is_explain: true, ..compile_options(&request) };
            let query = compile(&request.query, request.bind_vars.as_slice(), &catalog, &options, &exec::evaluate_const)?;
            Ok(aql::explain(&query, &catalog))
        });
        explained.await.map_err(|_| Error::internal("explaining was ended"))?
    }

    fn catalog(self: &Arc<Self>, database: &str) -> PlanCatalog {
        PlanCatalog {
            plan: self.cluster.plan(),
            database: database.to_owned(),
            coordinator: Arc::clone(self),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    pub(super) fn me(&self) -> Result<Arc<Self>> {
        self.me.upgrade().ok_or_else(|| Error::from(code::SHUTTING_DOWN))
    }

    /// The definition of a named graph.
    async fn graph_document(&self, database: &str, name: &str) -> Result<Option<Json>> {
        let planned = self.planned(database, "_graphs")?;
        let request = database::document::DocumentRequest {
            operation: database::document::Operation::Read,
            documents: vec![velocypack::Value::string(name)],
            options: database::document::DocumentOptions::default(),
        };
        let mut results = self.shard_documents(&Context::superuser(), &planned, request).await?;
        match results.items.pop() {
            Some(Ok(outcome)) => Ok(outcome.new.map(|document| document.to_serde())),
            Some(Err(fault)) if fault.code() != code::ARANGO_DOCUMENT_NOT_FOUND => Err(fault),
            _ => Ok(None),
        }
    }
}

/// Commits what a query has written, or undoes it.
struct ClusterEnd {
    source: Option<Arc<ClusterSource>>,
    runtime: tokio::runtime::Handle,
}

impl End for ClusterEnd {
    fn commit(mut self: Box<Self>) -> Result<()> {
        match self.source.take() {
            Some(source) => self.runtime.block_on(source.finish(true)),
            None => Ok(()),
        }
    }
}

impl Drop for ClusterEnd {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            self.runtime.spawn(async move {
                if let Err(fault) = source.finish(false).await {
                    tracing::debug!(%fault, "a query's transaction was not aborted everywhere; it ends by itself");
                }
            });
        }
    }
}
