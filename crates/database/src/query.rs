//! Queries and cursors as values (`/_api/cursor`, `/_api/explain`).

use serde_json::{Map, Value as Json};
use velocypack::Value;

/// Most rows in one batch unless the client asks otherwise.
pub const BATCH_ROWS_DEFAULT: usize = 1000;

/// A query to run or explain.
#[expect(clippy::struct_excessive_bools, reason = "they are the API's independent switches")]
#[derive(Clone, Debug)]
pub struct QueryRequest {
    /// AQL text.
    pub query: String,
    /// Bind parameters: an object.
    pub bind_vars: Value,
    /// Rows per batch, at least 1.
    pub batch_size: usize,
    /// Answer with the number of rows.
    pub count: bool,
    /// Seconds the cursor lives between batches.
    pub ttl_s: f64,
    /// Most bytes of memory; 0 = the server's default.
    pub memory_limit: u64,
    /// `options.fullCount`.
    pub full_count: bool,
    /// `options.stream`.
    pub stream: bool,
    /// `options.failOnWarning`.
    pub fail_on_warning: bool,
    /// `options.allowRetry`: a batch can be fetched again by its id.
    pub allow_retry: bool,
    /// `options.profile`: 0, 1 or 2.
    pub profile: u8,
    /// `options.maxRuntime` in seconds; 0 = unlimited.
    pub max_runtime_s: f64,
    /// `options.optimizer.rules`: `+name`, `-name`, `-all`.
    pub optimizer_rules: Vec<String>,
    /// Everything in `options`, for what is not named above.
    pub options: Map<String, Json>,
}

impl QueryRequest {
    /// A query with default options.
    #[must_use]
    pub fn new(query: impl Into<String>, bind_vars: Value) -> Self {
        Self {
            query: query.into(),
            bind_vars,
            batch_size: BATCH_ROWS_DEFAULT,
            count: false,
            ttl_s: 30.0,
            memory_limit: 0,
            full_count: false,
            stream: false,
            fail_on_warning: false,
            allow_retry: false,
            profile: 0,
            max_runtime_s: 0.0,
            optimizer_rules: Vec::new(),
            options: Map::new(),
        }
    }
}

/// One batch of a cursor's result.
#[derive(Clone, Debug)]
pub struct CursorBatch {
    /// Cursor id while there is more (or while a retry is possible).
    pub id: Option<String>,
    /// The rows, concatenated VelocyPack values in order.
    pub rows: Vec<Value>,
    /// More rows follow.
    pub has_more: bool,
    /// Number of rows in the whole result, if asked for.
    pub count: Option<u64>,
    /// `extra`: `{warnings, stats, profile?, plan?}`; only with the first batch, or the last of a
    /// streaming cursor.
    pub extra: Option<Json>,
    /// Id of the following batch, if a retry is possible.
    pub next_batch_id: Option<String>,
}
