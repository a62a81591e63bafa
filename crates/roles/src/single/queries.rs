//! AQL on the single server: plan over the local catalog, run in one local transaction.

use super::{Single, graphs};
use crate::local::{Local, opened, owner, shared};
use crate::query::source::{LocalSource, NothingToCommit};
use crate::query::{End, Prepared, QueryControl};
use crate::transactions::InUse;
use aql::catalog::{CatalogView, CollectionInfo, EdgeDefinition, GraphInfo};
use aql::plan::{CollectionAccess, Query};
use aql::{CompileOptions, compile};
use base::{Result, code};
use database::Context;
use database::query::{CursorBatch, QueryRequest};
use exec::source::QueryContext;
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Instant;
use storage::{Transaction, TransactionOptions};

/// The catalog of one database as the planner sees it.
pub(crate) struct LocalCatalog {
    local: Arc<Local>,
    database: String,
}

impl LocalCatalog {
    /// The catalog of a database.
    pub(crate) fn new(local: Arc<Local>, database: &str) -> Self {
        Self { local, database: database.to_owned() }
    }
}

impl CatalogView for LocalCatalog {
    fn collection(&self, name: &str) -> Option<CollectionInfo> {
        let collection = self.local.storage().collection(&self.database, name).ok()?;
        let info = collection.info();
        let indexes = info.indexes.iter().filter(|index| !index.is_building).cloned().collect();
        Some(CollectionInfo { kind: info.kind, indexes, count: collection.count(), ..CollectionInfo::default() })
    }

    fn graph(&self, name: &str) -> Option<GraphInfo> {
        let document = graphs::graph(&self.local, &self.database, name).ok()??;
        Some(graph_info(&document))
    }
}

/// A document of `_graphs` as the planner wants it.
pub(crate) fn graph_info(document: &Json) -> GraphInfo {
    let names = |list: &Json| list.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect::<Vec<_>>();
    let definitions = document["edgeDefinitions"].as_array().into_iter().flatten();
    GraphInfo {
        edge_definitions: definitions
            .map(|definition| EdgeDefinition {
                collection: definition["collection"].as_str().unwrap_or_default().to_owned(),
                from: names(&definition["from"]),
                to: names(&definition["to"]),
            })
            .collect(),
        orphans: names(&document["orphanCollections"]),
    }
}

/// The compiler's choices from a request.
pub(crate) fn compile_options(request: &QueryRequest) -> CompileOptions {
    CompileOptions { rules: request.optimizer_rules.clone(), full_count: request.full_count, ..CompileOptions::default() }
}

impl Single {
    /// Runs a query, in the stream transaction of `cx` if it names one.
    pub(super) async fn run_query(&self, cx: &Context, db: &str, request: QueryRequest) -> Result<CursorBatch> {
        self.storage().database(db)?;
        let in_use = match cx.transaction {
            Some(id) => Some(self.local.transactions().enter(db, owner(cx), id).await?),
            None => None,
        };
        let (local, asked, user) = (Arc::clone(&self.local), request.clone(), cx.user.clone());
        let read_only = self.options.read_only_queries;
        let prepare = move |control: &Arc<QueryControl>| {
            let prepared = prepare(local, &asked, user, in_use, control)?;
            let writes = prepared.query.collections.iter().any(|used| used.access != CollectionAccess::Read);
            if read_only && writes { Err(code::ARANGO_READ_ONLY.into()) } else { Ok(prepared) }
        };
        let batch = self.queries.open(cx, db, request, prepare).await;
        if let Some(id) = cx.transaction {
            self.local.transactions().touch(id);
        }
        batch
    }

    /// The plan of a query, as clients see it.
    pub(super) async fn explain_query(&self, _cx: &Context, db: &str, request: QueryRequest) -> Result<Json> {
        self.storage().database(db)?;
        let catalog = LocalCatalog::new(Arc::clone(&self.local), db);
        let explain = move || {
            let options = CompileOptions { is_explain: true, ..compile_options(&request) };
            let query = compile(&request.query, request.bind_vars.as_slice(), &catalog, &options, &exec::evaluate_const)?;
            Ok(aql::explain(&query, &catalog))
        };
        self.local.workers().run(explain).await
    }
}

/// Plans a query and opens what it can reach.
fn prepare(
    local: Arc<Local>,
    request: &QueryRequest,
    user: String,
    in_use: Option<InUse>,
    control: &Arc<QueryControl>,
) -> Result<Prepared> {
    let catalog = LocalCatalog::new(Arc::clone(&local), &control.database);
    let query = compile(&request.query, request.bind_vars.as_slice(), &catalog, &compile_options(request), &exec::evaluate_const)?;
    let cx = QueryContext { now_ms: control.started_ms, random_seed: rand::random(), user, database: control.database.clone() };
    let (source, end): (LocalSource, Box<dyn End>) = match in_use {
        Some(in_use) => {
            let transaction = Arc::clone(opened(&in_use)?.shared());
            (LocalSource::new(local, transaction, Arc::clone(control), cx).inside(in_use), Box::new(NothingToCommit))
        }
        None => {
            let source = LocalSource::new(Arc::clone(&local), shared(begin(&local, &control.database, &query)?), Arc::clone(control), cx);
            let end = Box::new(source.own_end());
            (source, end)
        }
    };
    Ok(Prepared { query: Arc::new(query), source: Arc::new(source), end })
}

/// The transaction of a query, with the collections locked that it wants for itself.
fn begin(local: &Arc<Local>, database: &str, query: &Query) -> Result<Transaction> {
    let wanted = query.collections.iter().filter(|used| used.access == CollectionAccess::Exclusive);
    let exclusive = wanted.map(|used| local.storage().collection(database, &used.name)).collect::<Result<Vec<_>>>()?;
    let begun = TransactionOptions::snapshot(Instant::now() + local.lock_timeout());
    local.storage().begin(TransactionOptions { exclusive, ..begun })
}
