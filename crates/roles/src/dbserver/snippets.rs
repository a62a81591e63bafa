//! The parts of coordinators' queries that run on this server's shards.
//!
//! A snippet without transaction reads one snapshot for its whole life and makes rows as they are
//! fetched. Inside a stream transaction its rows are made at once, so that the transaction is free
//! for the query's writes between fetches.

use super::DbServer;
use super::serve::{shard_of, transaction_of};
use crate::local::{opened, shared};
use crate::query::running::{Beginning, Registered, Running};
use crate::query::source::LocalSource;
use crate::wire::malformed;
use base::{Error, Result, code};
use database::Context;
use exec::remote::SnippetRun;
use exec::source::{QueryContext, RemoteSnippet, Row, Source};
use parking_lot::Mutex;
use rt::shutdown::Shutdown;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use velocypack::{Slice, Value};

/// A stream nobody has asked for this long belongs to a coordinator that is gone.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// Limit: streams kept for coordinators.
const STREAMS_MAX: usize = 10_000;

/// A stream between two requests.
struct Stream {
    shard: String,
    rows: VecDeque<Row>,
    run: Run,
    _registered: Registered,
    used: Duration,
}

/// What makes a stream's rows.
enum Run {
    /// Makes more when they are asked for.
    Open(Box<SnippetRun>),
    /// All rows are there; what it has to report.
    Done(Value),
}

impl Run {
    fn is_done(&self) -> bool {
        match self {
            Self::Open(run) => run.is_done(),
            Self::Done(_) => true,
        }
    }

    fn report(&self) -> Result<Value> {
        match self {
            Self::Open(run) => report(run),
            Self::Done(report) => Ok(report.clone()),
        }
    }
}

/// All streams of this server.
#[derive(Default)]
pub(super) struct Snippets {
    next: AtomicU64,
    streams: Mutex<HashMap<u64, Stream>>,
    running: Arc<Running>,
}

/// Forgets streams that nobody fetches any more.
pub(super) async fn sweep(server: Arc<DbServer>, shutdown: Shutdown) {
    while !shutdown.is_triggered() {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
            () = shutdown.wait() => break,
        }
        let now = rt::clock::monotonic();
        let expired: Vec<Stream> = {
            let mut streams = server.snippets.streams.lock();
            let old: Vec<u64> =
                streams.iter().filter(|(_, stream)| now.saturating_sub(stream.used) > IDLE_MAX).map(|(id, _)| *id).collect();
            old.iter().filter_map(|id| streams.remove(id)).collect()
        };
        drop(expired);
    }
}

impl DbServer {
    /// Starts a snippet on one shard and answers with its first rows.
    pub(super) async fn open_snippet(self: &Arc<Self>, message: Slice<'_>) -> Result<Value> {
        let (database, shard) = shard_of(message)?;
        self.shards.led(shard)?;
        let text = message.get("snippet").and_then(Slice::as_str).ok_or_else(|| malformed("snippet"))?;
        let snippet: RemoteSnippet = serde_json::from_str(text).map_err(|_| malformed("snippet"))?;
        let input = message.get("input").map(|rows| rows.elements().map(row).collect::<Vec<Row>>());
        let max = rows_wanted(message)?;
        let (transaction, begins) = transaction_of(message);
        let cx = self.context(database, transaction, begins).await?;
        let context = QueryContext {
            now_ms: message.get("now").and_then(Slice::as_u64).unwrap_or_else(rt::clock::now_ms),
            random_seed: rand::random(),
            user: message.get("user").and_then(Slice::as_str).unwrap_or_default().to_owned(),
            database: database.to_owned(),
        };
        let id = self.snippets.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (source, registered) = self.snippet_source(id, &cx, database, shard, &snippet, context).await?;
        let in_transaction = transaction.is_some();
        let stream = self
            .local
            .workers()
            .run(move || {
                let mut run = SnippetRun::new(&snippet, input, source)?;
                let mut rows = VecDeque::from(run.next(max)?);
                if !in_transaction {
                    return Ok((Run::Open(Box::new(run)), rows));
                }
                while !run.is_done() {
                    rows.extend(run.next(max)?);
                }
                // Lets go of the transaction.
                Ok((Run::Done(report(&run)?), rows))
            })
            .await;
        let (run, rows) = stream?;
        self.shards.led(shard)?;
        let used = rt::clock::monotonic();
        self.hand_out(id, Stream { shard: shard.to_owned(), rows, run, _registered: registered, used }, max)
    }

    async fn snippet_source(
        self: &Arc<Self>,
        id: u64,
        cx: &Context,
        database: &str,
        shard: &str,
        snippet: &RemoteSnippet,
        context: QueryContext,
    ) -> Result<(Arc<dyn Source>, Registered)> {
        let null = Value::null();
        let beginning = Beginning { id, database, user: &context.user, query: "", bind_vars: &null, is_stream: true, runtime_max: None };
        let registered = self.snippets.running.register(&beginning)?;
        let control = Arc::clone(registered.control());
        let source = match cx.transaction {
            None => {
                let transaction = self.local.begin(Instant::now())?;
                LocalSource::new(Arc::clone(&self.local), shared(transaction), control, context)
            }
            Some(transaction) => {
                let in_use = self.local.transactions().enter(database, None, transaction).await?;
                let shared = Arc::clone(opened(&in_use)?.shared());
                LocalSource::new(Arc::clone(&self.local), shared, control, context).inside(in_use)
            }
        };
        Ok((Arc::new(source.with_shard(&snippet.collection, shard)), registered))
    }

    /// More rows of a stream.
    pub(super) async fn next_rows(self: &Arc<Self>, message: Slice<'_>) -> Result<Value> {
        let id = message.get("q").and_then(Slice::as_u64).ok_or_else(|| malformed("q"))?;
        let max = rows_wanted(message)?;
        let mut stream = self.snippets.streams.lock().remove(&id).ok_or_else(|| Error::from(code::QUERY_NOT_FOUND))?;
        self.shards.led(&stream.shard)?;
        let stream = self
            .local
            .workers()
            .run(move || {
                if stream.rows.is_empty()
                    && let Run::Open(run) = &mut stream.run
                {
                    stream.rows.extend(run.next(max)?);
                }
                Ok(stream)
            })
            .await?;
        self.shards.led(&stream.shard)?;
        self.hand_out(id, stream, max)
    }

    /// Ends a stream before its last row; answers with what it reports.
    pub(super) async fn close_snippet(self: &Arc<Self>, message: Slice<'_>) -> Result<Value> {
        let id = message.get("q").and_then(Slice::as_u64).ok_or_else(|| malformed("q"))?;
        let stream = self.snippets.streams.lock().remove(&id).ok_or_else(|| Error::from(code::QUERY_NOT_FOUND))?;
        Ok(Value::object([("rows", Value::empty_array()), ("report", stream.run.report()?)]))
    }

    /// Answers with a stream's next rows and keeps the stream if there are more.
    fn hand_out(&self, id: u64, mut stream: Stream, max: usize) -> Result<Value> {
        let count = max.min(stream.rows.len());
        let rows = Value::array(stream.rows.drain(..count).map(Value::array));
        if stream.rows.is_empty() && stream.run.is_done() {
            return Ok(Value::object([("rows", rows), ("report", stream.run.report()?)]));
        }
        stream.used = rt::clock::monotonic();
        let mut streams = self.snippets.streams.lock();
        if streams.len() >= STREAMS_MAX {
            return Err(Error::with_detail(code::RESOURCE_LIMIT, "too many running parts of queries"));
        }
        streams.insert(id, stream);
        Ok(Value::object([("rows", rows), ("more", Value::uint(id))]))
    }
}

fn row(row: Slice<'_>) -> Row {
    row.elements().map(Slice::to_value).collect()
}

fn rows_wanted(message: Slice<'_>) -> Result<usize> {
    let max = message.get("max").and_then(Slice::as_u64).ok_or_else(|| malformed("max"))?;
    Ok(usize::try_from(max).unwrap_or(1).clamp(1, 100_000))
}

fn report(run: &SnippetRun) -> Result<Value> {
    let text = serde_json::to_string(&(run.stats(), run.warnings())).map_err(|_| Error::internal("report"))?;
    Ok(Value::string(&text))
}
