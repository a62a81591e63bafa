//! Runs queries: lists them while they run, carries them out on threads that may block, and keeps
//! what a client has not fetched yet as a cursor.
//!
//! Every role runs its queries here; what differs is how a plan is made and what the plan can
//! reach, which the role hands over as [`Prepared`]. A query's modifications are committed when its
//! last row has been made, by [`End::commit`]; a query that fails or is forgotten just drops its end.

pub mod running;
pub mod source;

use crate::cursors::{Cursor, Cursors, Rows, Stream};
use crate::local::workers::Workers;
use aql::plan::Query;
use base::revision::HybridClock;
use base::{Error, Result, code};
use database::Context;
use database::query::{CursorBatch, QueryRequest};
use exec::source::Source;
use exec::{ExecOptions, Executor};
pub use running::QueryControl;
use running::{Beginning, Phase, Registered, Running};
use serde_json::{Map, Value as Json, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use velocypack::Value;

/// Rows an executor is asked for at a time.
const ROWS_PER_PULL: usize = 1000;

/// Limits and defaults of queries (`--query.*`).
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// Most bytes of one query; 0 = no limit.
    pub memory_limit: u64,
    /// A client may ask for more than that.
    pub memory_limit_override: bool,
    /// Most bytes of all results that wait to be fetched; 0 = no limit.
    pub results_bytes_max: u64,
    /// Longest run time unless the query says otherwise; zero = no limit.
    pub runtime_max: Duration,
    /// A warning is an error unless the query says otherwise.
    pub fail_on_warning: bool,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self { memory_limit: 0, memory_limit_override: true, results_bytes_max: 0, runtime_max: Duration::ZERO, fail_on_warning: false }
    }
}

/// A query that is ready to run.
pub struct Prepared {
    /// The plan.
    pub query: Arc<Query>,
    /// What it can reach.
    pub source: Arc<dyn Source>,
    /// What happens after the last row.
    pub end: Box<dyn End>,
}

/// The end of a query. Dropping it instead of committing undoes what the query has written.
pub trait End: Send {
    /// Makes the query's writes permanent. May block.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// The queries and cursors of a server.
pub struct Queries {
    workers: Arc<Workers>,
    cursors: Arc<Cursors>,
    running: Arc<Running>,
    options: QueryOptions,
    ids: Arc<HybridClock>,
    results_bytes: Arc<AtomicU64>,
}

impl Queries {
    /// No queries yet; `ids` numbers them and their cursors.
    #[must_use]
    pub fn new(workers: Arc<Workers>, options: QueryOptions, ids: Arc<HybridClock>) -> Arc<Self> {
        Arc::new(Self { workers, cursors: Arc::default(), running: Arc::default(), options, ids, results_bytes: Arc::default() })
    }

    /// Runs a query and answers with its first batch. `prepare` runs on a thread that may block.
    pub async fn open(
        self: &Arc<Self>,
        cx: &Context,
        database: &str,
        request: QueryRequest,
        prepare: impl FnOnce(&Arc<QueryControl>) -> Result<Prepared> + Send + 'static,
    ) -> Result<CursorBatch> {
        let registered = self.register(cx, database, &request)?;
        let id = registered.control().id;
        let this = Arc::clone(self);
        let (cursor, batch) = self.workers.run(move || this.first_batch(registered, &request, prepare)).await?;
        if batch.id.is_some() {
            self.cursors.insert(id, database, &cx.user, cursor, rt::clock::monotonic())?;
        }
        Ok(batch)
    }

    /// The following batch of a cursor, or the last one again.
    pub async fn next_batch(&self, cx: &Context, database: &str, id: &str, batch: Option<&str>) -> Result<CursorBatch> {
        let mut lease = self.cursors.lease(database, owner(cx), id)?;
        let (id, wanted) = (id.to_owned(), batch.map(str::to_owned));
        let advance = move || {
            let cursor = lease.cursor().ok_or_else(|| Error::from(code::CURSOR_NOT_FOUND))?;
            let (may_retry, before) = (cursor.allow_retry, cursor.is_exhausted());
            let outcome = cursor.advance(&id, wanted.as_deref());
            // Asking for a batch that does not exist does no harm; a failed query is over.
            let is_over = match &outcome {
                Ok(batch) => !batch.has_more && !may_retry,
                Err(fault) => fault.code() != code::CURSOR_NOT_FOUND || before && !may_retry,
            };
            if !is_over {
                lease.keep(rt::clock::monotonic());
            }
            outcome
        };
        self.workers.run(advance).await
    }

    /// Forgets a cursor.
    pub fn close(&self, cx: &Context, database: &str, id: &str) -> Result<()> {
        self.cursors.remove(database, owner(cx), id)
    }

    /// Forgets cursors that nobody fetches; to be called every second or so.
    pub fn sweep(&self) {
        self.cursors.sweep(rt::clock::monotonic());
    }

    /// Ends everything of a database that is being dropped.
    pub fn drop_database(&self, database: &str) {
        for control in self.running.list(Some(database)) {
            control.kill();
        }
        self.cursors.drop_database(database);
    }

    /// The queries that run now.
    #[must_use]
    pub fn running(&self) -> &Arc<Running> {
        &self.running
    }

    /// Open cursors.
    #[must_use]
    pub fn cursors(&self) -> &Arc<Cursors> {
        &self.cursors
    }

    fn register(&self, cx: &Context, database: &str, request: &QueryRequest) -> Result<Registered> {
        let asked = Duration::try_from_secs_f64(request.max_runtime_s).unwrap_or_default();
        let runtime_max = if asked.is_zero() { self.options.runtime_max } else { asked };
        self.running.register(&Beginning {
            id: self.ids.tick(rt::clock::now_ms()).0,
            database,
            user: &cx.user,
            query: &request.query,
            bind_vars: &request.bind_vars,
            is_stream: request.stream,
            runtime_max: (!runtime_max.is_zero()).then_some(runtime_max),
        })
    }

    fn exec_options(&self, request: &QueryRequest) -> ExecOptions {
        let (asked, limit) = (request.memory_limit, self.options.memory_limit);
        let memory_limit = match (asked, limit) {
            (0, limit) => limit,
            (asked, 0) => asked,
            (asked, _) if self.options.memory_limit_override => asked,
            (asked, limit) => asked.min(limit),
        };
        ExecOptions { memory_limit, fail_on_warning: request.fail_on_warning || self.options.fail_on_warning, ..ExecOptions::default() }
    }

    /// Runs on a thread that may block: from the text to the first batch.
    fn first_batch(
        &self,
        registered: Registered,
        request: &QueryRequest,
        prepare: impl FnOnce(&Arc<QueryControl>) -> Result<Prepared>,
    ) -> Result<(Box<Cursor>, CursorBatch)> {
        let control = Arc::clone(registered.control());
        let prepared = prepare(&control)?;
        let parsed = rt::clock::monotonic();
        control.enter(Phase::Executing);
        let options = self.exec_options(request);
        let memory_limit = options.memory_limit;
        let executor = Executor::new(&prepared.query, prepared.source, &options)?;
        let query = Box::new(RunningQuery { executor, end: Some(prepared.end), registered, parsed, profile: request.profile });
        let ttl = Duration::try_from_secs_f64(request.ttl_s).unwrap_or(Duration::from_secs(30));
        let mut cursor = if request.stream {
            let rows = Rows::Streaming { ahead: VecDeque::new(), source: query };
            Cursor::new(rows, request.batch_size, None, None, ttl, request.allow_retry)
        } else {
            let (rows, extra, charge) = self.run_to_end(query, memory_limit)?;
            let count = request.count.then_some(rows.len() as u64);
            let mut cursor = Cursor::new(Rows::Ready(rows), request.batch_size, count, Some(extra), ttl, request.allow_retry);
            cursor.hold(Box::new(charge));
            cursor
        };
        let batch = cursor.advance(&control.id.to_string(), None)?;
        Ok((Box::new(cursor), batch))
    }

    /// All rows of a query and its `extra`, committed.
    fn run_to_end(&self, mut query: Box<RunningQuery>, memory_limit: u64) -> Result<(VecDeque<Value>, Json, Charge)> {
        let mut charge = Charge { total: Arc::clone(&self.results_bytes), bytes: 0 };
        let mut rows = VecDeque::new();
        loop {
            let part = query.next(ROWS_PER_PULL)?;
            let bytes: usize = part.iter().map(|row| row.as_slice().byte_len()).sum();
            charge.grow(bytes as u64);
            let all = self.results_bytes.load(Ordering::Relaxed);
            let limits = [(memory_limit, charge.bytes), (self.options.results_bytes_max, all)];
            if limits.iter().any(|&(limit, used)| limit > 0 && used > limit) {
                return Err(Error::new(code::RESOURCE_LIMIT, "AQL: query would use more memory than allowed (while executing)"));
            }
            let is_last = part.len() < ROWS_PER_PULL;
            rows.extend(part);
            if is_last {
                return Ok((rows, query.finish()?, charge));
            }
        }
    }
}

/// Cursors belong to a user, but the superuser may use all.
fn owner(cx: &Context) -> Option<&str> {
    (!cx.superuser).then_some(cx.user.as_str())
}

/// Bytes of results that wait to be fetched.
struct Charge {
    total: Arc<AtomicU64>,
    bytes: u64,
}

impl Charge {
    fn grow(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A query between its first and its last row.
struct RunningQuery {
    executor: Executor,
    end: Option<Box<dyn End>>,
    registered: Registered,
    /// Monotonic time when the plan was ready.
    parsed: Duration,
    profile: u8,
}

impl Stream for RunningQuery {
    fn next(&mut self, max: usize) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        while rows.len() < max && !self.executor.is_done() {
            self.registered.control().check()?;
            rows.extend(self.executor.next(max - rows.len())?);
        }
        Ok(rows)
    }

    fn finish(mut self: Box<Self>) -> Result<Json> {
        let executed = rt::clock::monotonic();
        let control = Arc::clone(self.registered.control());
        control.enter(Phase::Finalizing);
        if let Some(end) = self.end.take() {
            end.commit()?;
        }
        let done = rt::clock::monotonic();
        let mut stats = self.executor.stats();
        stats.execution_time = done.saturating_sub(control.started).as_secs_f64();
        let warnings: Vec<Json> =
            self.executor.warnings().into_iter().map(|(code, message)| json!({"code": code, "message": message})).collect();
        let mut extra = Map::new();
        extra.insert("warnings".into(), warnings.into());
        extra.insert("stats".into(), serde_json::to_value(stats).unwrap_or_default());
        if self.profile > 0 {
            let seconds = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64();
            let profile = json!({
                "parsing": seconds(control.started, self.parsed),
                "executing": seconds(self.parsed, executed),
                "finalizing": seconds(executed, done),
            });
            extra.insert("profile".into(), profile);
        }
        Ok(Json::Object(extra))
    }
}
