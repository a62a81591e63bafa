//! What a query on a coordinator can reach: the leaders of all shards.
//!
//! The executor runs on a thread of its own and calls synchronously; every call here waits for
//! requests to DB-servers. A traversal asks each DB-server once per level for the whole frontier,
//! a look-up of documents once for all of them.

use super::Coordinator;
use crate::cluster::plan_view::PlannedCollection;
use crate::query::running::QueryControl;
use crate::wire::malformed;
use aql::expr::{Expr, VarId};
use aql::plan::{Direction, FieldCondition, IndexBranch, IndexScan, Node, NodeKind, Scan};
use base::{Error, Result, code};
use database::Context;
use database::catalog::Index;
use database::document::{DocumentOptions, DocumentRequest, DocumentResults, Operation};
use database::sharding::locate_values;
use database::transaction::{TransactionId, TransactionOptions};
use exec::source::{Documents, IndexRange, QueryContext, RemoteSnippet, Row, Rows, ScanSpec, Source};
use exec::stats::{Stats, Warning};
use futures_util::future::try_join_all;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use velocypack::{Slice, Value};

/// Rows a DB-server sends at once.
const ROWS_PER_REQUEST: usize = 1000;
/// A killed query stops waiting for other servers after this time.
const KILL_POLL: Duration = Duration::from_millis(100);

/// One query's view of the cluster.
pub(super) struct ClusterSource {
    coordinator: Arc<Coordinator>,
    runtime: tokio::runtime::Handle,
    database: String,
    context: QueryContext,
    control: Arc<QueryControl>,
    caller: Context,
    /// The query's own transaction, begun with its first write.
    transaction: Mutex<Option<TransactionId>>,
    requests: AtomicU64,
}

impl ClusterSource {
    pub(super) fn new(
        coordinator: Arc<Coordinator>,
        database: &str,
        caller: &Context,
        context: QueryContext,
        control: Arc<QueryControl>,
    ) -> Arc<Self> {
        Arc::new(Self {
            coordinator,
            runtime: tokio::runtime::Handle::current(),
            database: database.to_owned(),
            context,
            control,
            caller: caller.clone(),
            transaction: Mutex::new(None),
            requests: AtomicU64::new(0),
        })
    }

    /// Commits or aborts what the query has written, unless a stream transaction goes on with it.
    pub(super) async fn finish(&self, commit: bool) -> Result<()> {
        let own = self.transaction.lock().take();
        match own {
            Some(id) => self.coordinator.finish_transaction(&self.database, id, commit).await,
            None => Ok(()),
        }
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.control.check()?;
        self.runtime.block_on(async {
            tokio::pin!(work);
            loop {
                tokio::select! {
                    outcome = &mut work => return outcome,
                    () = tokio::time::sleep(KILL_POLL) => self.control.check()?,
                }
            }
        })
    }

    fn planned(&self, collection: &str) -> Result<Arc<PlannedCollection>> {
        self.coordinator.planned(&self.database, collection)
    }

    /// The transaction reads belong to: that of the client, or the query's own once it writes.
    fn reading(&self) -> Option<TransactionId> {
        self.caller.transaction.or(*self.transaction.lock())
    }

    async fn writing(&self) -> Result<TransactionId> {
        if let Some(id) = self.reading() {
            return Ok(id);
        }
        let id = self.coordinator.begin_transaction(&self.database, TransactionOptions::default()).await?;
        *self.transaction.lock() = Some(id);
        Ok(id)
    }

    fn context_in(&self, transaction: Option<TransactionId>) -> Context {
        Context { transaction, ..self.caller.clone() }
    }

    /// Transaction attributes of a message to a shard's leader.
    fn transaction_parts(&self, shard: &str) -> Result<Vec<(&'static str, Value)>> {
        let Some(id) = self.reading() else { return Ok(Vec::new()) };
        let begins = self.coordinator.transactions.note_participant(id, self.coordinator.leader_of(shard)?)?;
        Ok(vec![("t", Value::uint(id.0)), ("begins", Value::bool(begins))])
    }

    /// Asks the leaders of these shards with the same message, in parallel.
    async fn ask_shards(
        &self,
        planned: &PlannedCollection,
        shards: &[String],
        path: &str,
        message: &[(&str, Value)],
    ) -> Result<Vec<Value>> {
        let transaction = self.reading();
        let mut asked = Vec::with_capacity(shards.len());
        for shard in shards {
            let own = [("d", Value::string(&planned.database)), ("s", Value::string(shard))];
            let parts = own.into_iter().chain(self.transaction_parts(shard)?).chain(message.iter().cloned());
            let message = Value::object(parts);
            self.requests.fetch_add(1, Ordering::Relaxed);
            asked.push(async move { self.coordinator.ask_leader(shard, transaction, true, path, &message).await });
        }
        try_join_all(asked).await
    }

    async fn read_documents(&self, ids: &[&str]) -> Result<Vec<Option<Value>>> {
        let mut by_collection: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (position, id) in ids.iter().enumerate() {
            if let Some((collection, _)) = base::names::split_document_id(id) {
                by_collection.entry(collection).or_default().push(position);
            }
        }
        let mut found: Vec<Option<Value>> = vec![None; ids.len()];
        let cx = self.context_in(self.reading());
        for (collection, positions) in by_collection {
            let Ok(planned) = self.planned(collection) else { continue };
            let documents = positions.iter().filter_map(|&at| ids.get(at).map(|id| Value::string(id))).collect();
            let request = DocumentRequest { operation: Operation::Read, documents, options: DocumentOptions::default() };
            self.requests.fetch_add(1, Ordering::Relaxed);
            let results = self.coordinator.shard_documents(&cx, &planned, request).await?;
            for (position, item) in positions.into_iter().zip(results.items) {
                let document = match item {
                    Ok(outcome) => outcome.new,
                    Err(fault) if fault.code() == code::ARANGO_DOCUMENT_NOT_FOUND => None,
                    Err(fault) => return Err(fault),
                };
                if let Some(slot) = found.get_mut(position) {
                    *slot = document;
                }
            }
        }
        Ok(found)
    }

    async fn read_edges(&self, collection: &str, direction: Direction, vertices: &[&str], covering: bool) -> Result<Vec<Vec<Value>>> {
        let planned = self.planned(collection)?;
        let message = [
            ("out", Value::bool(direction == Direction::Outbound)),
            ("cover", Value::bool(covering)),
            ("v", Value::array(vertices.iter().map(|id| Value::string(id)))),
        ];
        let answers = self.ask_shards(&planned, &planned.shards, "/_internal/edges", &message).await?;
        let mut edges: Vec<Vec<Value>> = vec![Vec::new(); vertices.len()];
        for answer in &answers {
            let lists = answer.as_slice();
            if lists.len() != vertices.len() {
                return Err(malformed("number of edge lists"));
            }
            for (slot, list) in edges.iter_mut().zip(lists.elements()) {
                slot.extend(list.elements().map(Slice::to_value));
            }
        }
        Ok(edges)
    }

    /// Opens a snippet on all shards of its collection.
    async fn open_remote(self: &Arc<Self>, snippet: &RemoteSnippet, input: Option<Vec<Row>>) -> Result<Vec<Box<dyn Rows>>> {
        let planned = self.planned(&snippet.collection)?;
        let text = serde_json::to_string(snippet).map_err(|_| Error::internal("snippet"))?;
        let mut message = vec![
            ("snippet", Value::string(&text)),
            ("max", Value::uint(ROWS_PER_REQUEST as u64)),
            ("now", Value::uint(self.context.now_ms)),
            ("user", Value::string(&self.context.user)),
        ];
        message.extend(input.map(|rows| ("input", Value::array(rows.into_iter().map(Value::array)))));
        let shards = match snippet.shard_values.as_slice() {
            [] => planned.shards.as_slice(),
            values => planned.shards.get(locate_values(&planned.collection, values)).map(std::slice::from_ref).unwrap_or_default(),
        };
        let leaders = shards.iter().map(|shard| self.coordinator.leader_of(shard)).collect::<Result<Vec<_>>>()?;
        let answers = self.ask_shards(&planned, shards, "/_internal/query/open", &message).await?;
        let streams = answers
            .into_iter()
            .zip(leaders)
            .map(|(first, leader)| Ok(Box::new(ShardRows::new(Arc::clone(self), leader.unwrap_or_default(), &first)?) as Box<dyn Rows>));
        streams.collect()
    }

    /// A snippet of one node that reads a collection, for callers that want documents.
    fn documents_snippet(collection: &str, kind: NodeKind) -> RemoteSnippet {
        let node = |id: u32, kind: NodeKind| Node { id, kind, cost: 0.0, rows: 0.0 };
        RemoteSnippet {
            collection: collection.to_owned(),
            shard_values: Vec::new(),
            nodes: vec![node(1, NodeKind::Singleton), node(2, kind)],
            variable_count: 1,
            constants: Vec::new(),
            inputs: Vec::new(),
            outputs: vec![VarId(0)],
            memory_limit: 0,
            fail_on_warning: false,
        }
    }

    fn scan_of(collection: &str) -> Scan {
        Scan {
            collection: collection.to_owned(),
            out: VarId(0),
            filter: None,
            projections: Vec::new(),
            random: false,
            index_hint: Vec::new(),
            force_index_hint: false,
            disable_index: false,
            count_only: false,
        }
    }
}

/// Handle that implements [`Source`]; streams keep the source alive.
pub(super) struct SharedSource(pub(super) Arc<ClusterSource>);

impl Source for SharedSource {
    fn scan(&self, collection: &str, _spec: &ScanSpec) -> Result<Box<dyn Documents>> {
        let snippet = ClusterSource::documents_snippet(collection, NodeKind::EnumerateCollection(ClusterSource::scan_of(collection)));
        let streams = self.0.wait(self.0.open_remote(&snippet, None))?;
        Ok(Box::new(ShardDocuments { streams, rows: Vec::new() }))
    }

    fn index_scan(
        &self,
        collection: &str,
        index: &Index,
        ranges: &[IndexRange],
        reverse: bool,
        _covering: bool,
    ) -> Result<Box<dyn Documents>> {
        let branches = ranges.iter().map(|range| IndexBranch { index: index.clone(), conditions: conditions(range) }).collect();
        let scan = IndexScan { scan: ClusterSource::scan_of(collection), branches, reverse, sorted: false, covering: false };
        let snippet = ClusterSource::documents_snippet(collection, NodeKind::Index(scan));
        let streams = self.0.wait(self.0.open_remote(&snippet, None))?;
        Ok(Box::new(ShardDocuments { streams, rows: Vec::new() }))
    }

    fn documents(&self, ids: &[&str]) -> Result<Vec<Option<Value>>> {
        self.0.wait(self.0.read_documents(ids))
    }

    fn edges(&self, collection: &str, direction: Direction, vertices: &[&str], covering: bool) -> Result<Vec<Vec<Value>>> {
        self.0.wait(self.0.read_edges(collection, direction, vertices, covering))
    }

    fn modify(&self, collection: &str, request: DocumentRequest) -> Result<DocumentResults> {
        let planned = self.0.planned(collection)?;
        self.0.wait(async {
            let id = self.0.writing().await?;
            let cx = self.0.context_in(Some(id));
            self.0.requests.fetch_add(1, Ordering::Relaxed);
            self.0.coordinator.shard_documents(&cx, &planned, request).await
        })
    }

    fn count(&self, collection: &str) -> Result<u64> {
        let planned = self.0.planned(collection)?;
        let counts = self.0.wait(self.0.coordinator.count_shards(&planned))?;
        Ok(counts.iter().map(|(_, count)| count).sum())
    }

    fn remote(&self, snippet: &RemoteSnippet, input: Option<Vec<Row>>) -> Result<Vec<Box<dyn Rows>>> {
        self.0.wait(self.0.open_remote(snippet, input))
    }

    fn query_context(&self) -> &QueryContext {
        &self.0.context
    }

    fn check(&self) -> Result<()> {
        self.0.control.check()
    }

    fn http_requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    fn collections(&self) -> Result<Vec<(String, String)>> {
        let plan = self.0.coordinator.cluster.plan();
        let all = plan.collections(&self.0.database)?;
        Ok(all.map(|planned| (planned.collection.name.clone(), planned.collection.id.clone())).collect())
    }
}

fn conditions(range: &IndexRange) -> Vec<FieldCondition> {
    let constant = |bound: &Option<(Value, bool)>| bound.clone().map(|(value, inclusive)| (Expr::Const(value), inclusive));
    let mut conditions: Vec<FieldCondition> = range.equal.iter().map(|value| FieldCondition::Eq(Expr::Const(value.clone()))).collect();
    if range.low.is_some() || range.high.is_some() {
        conditions.push(FieldCondition::Range { low: constant(&range.low), high: constant(&range.high) });
    }
    conditions
}

/// The rows of one shard: the first come with the answer that opened the stream.
struct ShardRows {
    source: Arc<ClusterSource>,
    leader: String,
    /// Number of the stream on the DB-server while it has more rows.
    stream: Option<u64>,
    rows: std::vec::IntoIter<Row>,
    report: (Stats, Vec<Warning>),
}

impl ShardRows {
    fn new(source: Arc<ClusterSource>, leader: String, first: &Value) -> Result<Self> {
        let mut stream = Self { source, leader, stream: None, rows: Vec::new().into_iter(), report: Default::default() };
        stream.take(first)?;
        Ok(stream)
    }

    fn take(&mut self, answer: &Value) -> Result<()> {
        let answer = answer.as_slice();
        let rows = answer.get("rows").ok_or_else(|| malformed("rows"))?;
        let rows: Vec<Row> = rows.elements().map(|row| row.elements().map(Slice::to_value).collect()).collect();
        self.rows = rows.into_iter();
        self.stream = answer.get("more").and_then(Slice::as_u64);
        if let Some(text) = answer.get("report").and_then(Slice::as_str) {
            self.report = serde_json::from_str(text).map_err(|_| malformed("report"))?;
        }
        Ok(())
    }

    fn ask(&self, path: &str, stream: u64) -> Result<Value> {
        let message = Value::object([("q", Value::uint(stream)), ("max", Value::uint(ROWS_PER_REQUEST as u64))]);
        self.source.requests.fetch_add(1, Ordering::Relaxed);
        let call = self.source.coordinator.cluster.call(&self.leader, path, &message, super::documents::LEADER_TIMEOUT);
        self.source.wait(call)
    }
}

impl Rows for ShardRows {
    fn next(&mut self, max: usize, out: &mut Vec<Row>) -> Result<bool> {
        if self.rows.as_slice().is_empty()
            && let Some(stream) = self.stream
        {
            let answer = self.ask("/_internal/query/next", stream)?;
            self.take(&answer)?;
        }
        out.extend(self.rows.by_ref().take(max));
        Ok(!self.rows.as_slice().is_empty() || self.stream.is_some())
    }

    fn close(&mut self) -> (Stats, Vec<Warning>) {
        if let Some(stream) = self.stream.take()
            && let Ok(answer) = self.ask("/_internal/query/close", stream)
        {
            // A stream that is not closed ends by itself after a while.
            let _ = self.take(&answer);
        }
        std::mem::take(&mut self.report)
    }
}

/// Documents of all shards, one shard after the other.
struct ShardDocuments {
    streams: Vec<Box<dyn Rows>>,
    rows: Vec<Row>,
}

impl Documents for ShardDocuments {
    fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool> {
        while let Some(stream) = self.streams.last_mut() {
            let more = stream.next(max, &mut self.rows)?;
            out.extend(self.rows.drain(..).filter_map(|mut row| row.pop()));
            if !more {
                self.streams.pop();
            }
            if !out.is_empty() {
                break;
            }
        }
        Ok(!self.streams.is_empty())
    }
}
