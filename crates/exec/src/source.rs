//! What one running query can reach: collections, graphs, other servers.
//!
//! The roles implement [`Source`] once per kind of server, bound to one query (its transaction, its
//! user, its database). Operators know nothing else of the world. All calls are synchronous and may
//! block; queries run on threads made for that.

use crate::stats::{Stats, Warning};
use aql::expr::VarId;
use aql::plan::{Direction, Node};
use base::Result;
use database::catalog::Index;
use database::document::{DocumentRequest, DocumentResults};
use serde::{Deserialize, Serialize};
use velocypack::Value;

/// The data and the circumstances of one running query.
///
/// Collection names are those of the query; on a DB-server the name of the collection that a
/// snippet was sent for stands for the shard.
pub trait Source: Send + Sync {
    /// All documents of a collection, in the order of their keys. 1203 if unknown.
    fn scan(&self, collection: &str, spec: &ScanSpec) -> Result<Box<dyn Documents>>;

    /// Documents found through an index, range by range in the given order and in index order
    /// within a range (`reverse` turns the order within a range, the ranges come turned already).
    ///
    /// With `covering` the values may be objects that hold only the index's fields and stored
    /// values, in the places where documents hold them.
    fn index_scan(
        &self,
        collection: &str,
        index: &Index,
        ranges: &[IndexRange],
        reverse: bool,
        covering: bool,
    ) -> Result<Box<dyn Documents>>;

    /// One document by `collection/key`. A missing document or collection is `None`.
    fn document(&self, id: &str) -> Result<Option<Value>> {
        Ok(self.documents(&[id])?.pop().flatten())
    }

    /// Documents by `collection/key`, in the order of the ids. Missing ones are `None`.
    fn documents(&self, ids: &[&str]) -> Result<Vec<Option<Value>>>;

    /// The edges of a whole frontier at once: for each vertex id the edges that leave it
    /// ([`Direction::Outbound`]) or reach it ([`Direction::Inbound`]); operators never ask for
    /// [`Direction::Any`]. Edges of one vertex come in the order in which the edge index holds them.
    ///
    /// With `covering` the edges may be objects of `_id`, `_from` and `_to` alone.
    fn edges(&self, collection: &str, direction: Direction, vertices: &[&str], covering: bool) -> Result<Vec<Vec<Value>>>;

    /// Writes documents. The items hold the errors of single documents.
    fn modify(&self, collection: &str, request: DocumentRequest) -> Result<DocumentResults>;

    /// Number of documents. 1203 if unknown.
    fn count(&self, collection: &str) -> Result<u64>;

    /// Opens a snippet on the shards of its collection; one stream per shard (coordinators only).
    ///
    /// `input` holds the input rows of a snippet that begins with `Scatter`; their values belong to
    /// [`RemoteSnippet::inputs`]. Every shard gets all of them.
    fn remote(&self, snippet: &RemoteSnippet, input: Option<Vec<Row>>) -> Result<Vec<Box<dyn Rows>>>;

    /// The circumstances.
    fn query_context(&self) -> &QueryContext;

    /// Called between blocks: 1500 once the query has been killed or its time is up.
    fn check(&self) -> Result<()>;

    /// Requests sent to other servers for this query so far.
    fn http_requests(&self) -> u64 {
        0
    }

    /// Names of the collections of the database (`COLLECTIONS()`), with their ids.
    fn collections(&self) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }
}

/// Circumstances of a query that its functions may ask for.
#[derive(Clone, Debug, Default)]
pub struct QueryContext {
    /// Milliseconds since 1970 at the start of the query (`DATE_NOW()`).
    pub now_ms: u64,
    /// Seed of `RAND()` and its like.
    pub random_seed: u64,
    /// Who runs the query (`CURRENT_USER()`); empty if nobody in particular.
    pub user: String,
    /// Database name.
    pub database: String,
}

/// A stream of documents.
pub trait Documents: Send {
    /// Appends up to `max` documents to `out`. `false`: there are no more after these.
    fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool>;
}

/// Values of a row, in the order of a list of variables that goes with it.
pub type Row = Vec<Value>;

/// A stream of rows from a shard.
pub trait Rows: Send {
    /// Appends up to `max` rows (values of [`RemoteSnippet::outputs`]) to `out`. `false`: there are
    /// no more after these.
    fn next(&mut self, max: usize, out: &mut Vec<Row>) -> Result<bool>;

    /// What the shard reports once its stream has ended or is no longer wanted.
    fn close(&mut self) -> (Stats, Vec<Warning>);
}

/// How a collection is scanned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanSpec {
    /// Descending keys.
    pub reverse: bool,
    /// Only these attribute paths are needed (empty: everything). A hint: whole documents will do.
    pub projections: Vec<Vec<String>>,
    /// Only the number of documents matters; their values may be `null`.
    pub count_only: bool,
}

/// Bounds in an index: equal values of the leading fields, then at most one range on the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexRange {
    /// Values of the leading fields.
    pub equal: Vec<Value>,
    /// Lower bound of the following field, and whether it belongs to the range.
    pub low: Option<(Value, bool)>,
    /// Upper bound of the following field, and whether it belongs to the range.
    pub high: Option<(Value, bool)>,
}

/// The part of a plan that runs on shards, with everything it needs from the coordinator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemoteSnippet {
    /// Its shards run the snippet.
    pub collection: String,
    /// Values of the shard keys, in their order, if only one shard can have rows; otherwise empty:
    /// all shards are asked.
    pub shard_values: Vec<Value>,
    /// From `Singleton` or `Scatter` to the node before `Remote`.
    pub nodes: Vec<Node>,
    /// Variables are numbered below this.
    pub variable_count: u32,
    /// Values of outer variables that are the same for all rows.
    pub constants: Vec<(VarId, Value)>,
    /// Variables of the input rows; empty for snippets that begin with `Singleton`.
    pub inputs: Vec<VarId>,
    /// Variables to send back.
    pub outputs: Vec<VarId>,
    /// Most bytes of memory; 0 = no limit.
    pub memory_limit: u64,
    /// The first warning is an error.
    pub fail_on_warning: bool,
}
