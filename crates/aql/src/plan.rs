//! The execution plan: a pipeline of nodes from `Singleton` to `Return` (or a modification).
//!
//! A query's plan is linear; subqueries hold a plan of their own. The optimiser rewrites it, the
//! distribution step cuts it into snippets at [`NodeKind::Remote`], `exec` turns each node into an
//! operator, explain prints it (`reference/aql/execution.md`).

use crate::expr::{Expr, VarId};
use database::catalog::Index;
use serde::{Deserialize, Serialize};

/// A plan or the plan of a subquery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Nodes in execution order; each one's input is the node before it.
    pub nodes: Vec<Node>,
}

/// A node with its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Number shown by explain, unique in the query.
    pub id: u32,
    /// What it does.
    pub kind: NodeKind,
    /// Estimated cost up to here (filled by the optimiser).
    pub cost: f64,
    /// Estimated rows that leave it.
    pub rows: f64,
}

/// A whole query, ready to be optimised, distributed, explained or executed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The pipeline.
    pub plan: Plan,
    /// All variables; `variables[id]` has number `id`.
    pub variables: Vec<Variable>,
    /// Collections with their access.
    pub collections: Vec<CollectionUse>,
    /// Names of the optimiser rules that changed the plan, in order.
    pub rules: Vec<String>,
    /// Warnings of the compilation: number and message.
    pub warnings: Vec<(u32, String)>,
}

/// A variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// Name in the query; internal ones are named like their number.
    pub name: String,
}

/// Use of a collection by a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectionUse {
    /// Name.
    pub name: String,
    /// How.
    pub access: CollectionAccess,
}

/// How a query uses a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CollectionAccess {
    /// Reads.
    Read,
    /// Writes (and reads).
    Write,
    /// Writes with `exclusive: true`.
    Exclusive,
}

/// The nodes. Names are those explain prints, less the suffix `Node`.
#[expect(clippy::large_enum_variant, reason = "a plan has few nodes, and they are read in place")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NodeKind {
    /// One empty row.
    Singleton,
    /// All documents of a collection.
    EnumerateCollection(Scan),
    /// Documents by index look-ups.
    Index(IndexScan),
    /// Elements of an array, or pairs of an object.
    EnumerateList {
        /// The array.
        input: VarId,
        /// Element.
        out: VarId,
    },
    /// `LET`.
    Calculation {
        /// What.
        expr: Expr,
        /// Where to.
        out: VarId,
    },
    /// Runs its plan once per row and collects the rows into an array.
    Subquery {
        /// The inner pipeline; it may read all variables of the outer one.
        plan: Plan,
        /// Result array.
        out: VarId,
        /// Depends on no outer variable and is deterministic: run once.
        is_const: bool,
    },
    /// Keeps rows whose variable is true.
    Filter {
        /// Condition.
        input: VarId,
    },
    /// Sorts.
    Sort {
        /// Keys, most significant first.
        elements: Vec<SortElement>,
        /// Only that many rows are needed.
        limit: Option<u64>,
    },
    /// Skips and stops.
    Limit {
        /// Rows to skip.
        offset: u64,
        /// Rows to pass.
        count: u64,
        /// Go on counting for `fullCount`.
        full_count: bool,
    },
    /// `COLLECT`.
    Collect(Collect),
    /// `WINDOW`.
    Window(Window),
    /// `RETURN`: the result of the (sub)query.
    Return {
        /// Value.
        input: VarId,
    },
    /// No rows.
    NoResults,
    /// `INSERT`, `UPDATE`, `REPLACE`, `REMOVE`.
    Modify(Modify),
    /// `UPSERT`.
    Upsert(Upsert),
    /// Graph traversal.
    Traversal(Traversal),
    /// `SHORTEST_PATH`, `K_SHORTEST_PATHS`, `K_PATHS`, `ALL_SHORTEST_PATHS`.
    Paths(Paths),
    /// Cut between snippets: everything before it runs on the other side.
    Remote {
        /// Which collection's shards the snippet before it runs on.
        collection: String,
        /// Values of all shard keys, in the collection's order of shard keys, if they are the same
        /// for all rows: then only one shard is asked. Otherwise empty. The expressions read nothing
        /// but constants and variables of an outer query.
        #[serde(default)]
        shard_values: Vec<Expr>,
    },
    /// Begins a snippet that needs input rows: every shard gets all rows of the node before, and
    /// the results come in the order of the rows.
    Scatter,
    /// Merges the streams of all shards; with elements, in that order.
    Gather {
        /// Order of the streams, empty if any order will do.
        elements: Vec<SortElement>,
    },
}

/// Full scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// Collection name.
    pub collection: String,
    /// Document (or object of projections).
    pub out: VarId,
    /// Condition on `out` evaluated during the scan.
    pub filter: Option<Expr>,
    /// Attribute paths that are needed; empty = the whole document.
    pub projections: Vec<Vec<String>>,
    /// One random document (`SORT RAND() LIMIT 1`).
    pub random: bool,
    /// Names in `indexHint`.
    pub index_hint: Vec<String>,
    /// `forceIndexHint`.
    pub force_index_hint: bool,
    /// `disableIndex`.
    pub disable_index: bool,
    /// The document itself is never read, only that there is one.
    pub count_only: bool,
}

impl Scan {
    /// A scan without hints, filter or projections.
    #[must_use]
    pub fn of(collection: &str, out: VarId) -> Self {
        Self {
            collection: collection.to_owned(),
            out,
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

/// Index look-ups; documents found through several branches come once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexScan {
    /// Collection, variable, residual filter, projections and hints.
    pub scan: Scan,
    /// OR of branches.
    pub branches: Vec<IndexBranch>,
    /// Descending order.
    pub reverse: bool,
    /// The result is in index order (one branch).
    pub sorted: bool,
    /// All projections and the filter can be answered from the index entries.
    pub covering: bool,
}

/// One look-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexBranch {
    /// The index.
    pub index: Index,
    /// Conditions on the leading fields: equalities (or `IN`), then at most one range.
    pub conditions: Vec<FieldCondition>,
}

/// Condition on one index field; the expressions do not use the scan's own variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FieldCondition {
    /// `field == expr`
    Eq(Expr),
    /// `field IN expr`
    In(Expr),
    /// Bounds; the flag says whether the bound itself belongs to it.
    Range {
        /// Lower bound.
        low: Option<(Expr, bool)>,
        /// Upper bound.
        high: Option<(Expr, bool)>,
    },
}

/// Key of a sort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SortElement {
    /// Variable.
    pub input: VarId,
    /// Attribute path below it.
    pub path: Vec<String>,
    /// `ASC`.
    pub ascending: bool,
}

/// `COLLECT`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collect {
    /// How it is carried out.
    pub method: CollectMethod,
    /// `(out, in)` per group key.
    pub groups: Vec<(VarId, VarId)>,
    /// Aggregations.
    pub aggregates: Vec<Aggregate>,
    /// `INTO var`: array of objects (or of `into_expr`).
    pub into: Option<VarId>,
    /// `INTO var = expr`: its variable, calculated before.
    pub into_expr: Option<VarId>,
    /// `KEEP` (or all user variables): name and variable, for `INTO` without expression.
    pub keep: Vec<(String, VarId)>,
}

/// Kinds of `COLLECT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CollectMethod {
    /// Hash table; any input order.
    Hash,
    /// Input sorted by the groups.
    Sorted,
    /// `RETURN DISTINCT`.
    Distinct,
    /// `COLLECT WITH COUNT INTO`.
    Count,
}

/// One aggregation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Result.
    pub out: VarId,
    /// Argument (`None` for `LENGTH`/`COUNT` of rows).
    pub input: Option<VarId>,
    /// Upper-case canonical name: `SUM`, `AVERAGE`, `LENGTH`, `MIN`, `MAX`, `UNIQUE`, … and, in a
    /// distributed plan, the parts `AVERAGE_STEP1`, `AVERAGE_STEP2` and the like.
    pub function: String,
}

/// `WINDOW`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Range variable; `None` for row-based windows.
    pub range: Option<VarId>,
    /// Rows or range before (`None` = unbounded).
    pub preceding: Option<Expr>,
    /// Rows or range after.
    pub following: Option<Expr>,
    /// Aggregations.
    pub aggregates: Vec<Aggregate>,
}

/// Kind of modification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModifyKind {
    /// `INSERT`
    Insert,
    /// `UPDATE`
    Update,
    /// `REPLACE`
    Replace,
    /// `REMOVE`
    Remove,
}

/// A data modification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Modify {
    /// Kind.
    pub kind: ModifyKind,
    /// Collection.
    pub collection: String,
    /// Document (or, for removals and without `key`, key or document).
    pub document: VarId,
    /// `UPDATE key WITH document`.
    pub key: Option<VarId>,
    /// `OLD`.
    pub old: Option<VarId>,
    /// `NEW`.
    pub new: Option<VarId>,
    /// Options.
    pub options: ModifyOptions,
}

/// Options of a modification, with AQL's defaults.
#[expect(clippy::struct_excessive_bools, reason = "they are the language's independent switches")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModifyOptions {
    /// Errors become warnings and skipped rows.
    pub ignore_errors: bool,
    /// Sync to disk.
    pub wait_for_sync: bool,
    /// Keep null attributes.
    pub keep_null: bool,
    /// Merge objects.
    pub merge_objects: bool,
    /// Do not compare `_rev`.
    pub ignore_revs: bool,
    /// `overwriteMode`: `conflict`, `ignore`, `replace`, `update`.
    pub overwrite_mode: String,
    /// Exclusive lock.
    pub exclusive: bool,
    /// `versionAttribute`.
    pub version_attribute: Option<String>,
}

/// `UPSERT`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upsert {
    /// Collection.
    pub collection: String,
    /// The document found, or null: calculated before by a subquery.
    pub found: VarId,
    /// Document to insert.
    pub insert: VarId,
    /// Document to update or replace with.
    pub update: VarId,
    /// `REPLACE` instead of `UPDATE`.
    pub replace: bool,
    /// `OLD`.
    pub old: Option<VarId>,
    /// `NEW`.
    pub new: Option<VarId>,
    /// Options.
    pub options: ModifyOptions,
}

/// Direction of edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From `_from` to `_to`.
    Outbound,
    /// From `_to` to `_from`.
    Inbound,
    /// Both.
    Any,
}

/// The graph part shared by traversals and path searches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphUse {
    /// Named graph.
    pub name: Option<String>,
    /// Edge collections with their directions.
    pub edges: Vec<(String, Direction)>,
    /// Known vertex collections (named graphs, `WITH`); empty = any.
    pub vertices: Vec<String>,
    /// Direction as written.
    pub direction: Direction,
}

/// Graph traversal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traversal {
    /// Graph.
    pub graph: GraphUse,
    /// Start vertex: a document or an id.
    pub start: VarId,
    /// Least depth.
    pub min_depth: u64,
    /// Greatest depth.
    pub max_depth: u64,
    /// Vertex.
    pub vertex_out: Option<VarId>,
    /// Edge.
    pub edge_out: Option<VarId>,
    /// Path `{vertices, edges, weights}`.
    pub path_out: Option<VarId>,
    /// `PRUNE` condition over the three variables below, set before it is evaluated.
    pub prune: Option<Expr>,
    /// Variable that holds the prune condition's value (`PRUNE x = …`).
    pub prune_out: Option<VarId>,
    /// Options.
    pub options: TraversalOptions,
    /// Conditions every edge of the path must fulfil, over `edge_out`-like variable `condition_var`.
    pub edge_condition: Option<Expr>,
    /// Conditions every vertex of the path must fulfil (start included).
    pub vertex_condition: Option<Expr>,
    /// Conditions on the edge at a depth (0 = first edge), over `condition_var`.
    pub edge_conditions: Vec<(u64, Expr)>,
    /// Conditions on the vertex at a depth (0 = start), over `condition_var`.
    pub vertex_conditions: Vec<(u64, Expr)>,
    /// Variable that the pushed-down conditions read.
    pub condition_var: VarId,
}

/// Options of traversals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraversalOptions {
    /// `dfs`, `bfs`, `weighted`.
    pub order: String,
    /// `path`, `global`, `none`.
    pub unique_vertices: String,
    /// `path`, `none`.
    pub unique_edges: String,
    /// `weightAttribute`.
    pub weight_attribute: Option<String>,
    /// `defaultWeight`.
    pub default_weight: f64,
    /// Restriction of edge collections.
    pub edge_collections: Vec<String>,
    /// Restriction of vertex collections.
    pub vertex_collections: Vec<String>,
    /// Vertices are needed.
    pub produce_vertices: bool,
}

/// Which path search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathsKind {
    /// `SHORTEST_PATH`: one row per vertex on the path.
    Shortest,
    /// `K_SHORTEST_PATHS`.
    KShortest,
    /// `K_PATHS`.
    KPaths,
    /// `ALL_SHORTEST_PATHS`.
    AllShortest,
}

/// Path search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// Which.
    pub kind: PathsKind,
    /// Graph.
    pub graph: GraphUse,
    /// Start vertex.
    pub start: VarId,
    /// Target vertex.
    pub target: VarId,
    /// Least depth (`K_PATHS`).
    pub min_depth: u64,
    /// Greatest depth (`K_PATHS`).
    pub max_depth: u64,
    /// Vertex (`SHORTEST_PATH`).
    pub vertex_out: Option<VarId>,
    /// Edge (`SHORTEST_PATH`).
    pub edge_out: Option<VarId>,
    /// Path (the others).
    pub path_out: Option<VarId>,
    /// Weights.
    pub options: TraversalOptions,
}
