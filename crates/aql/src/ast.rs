//! The syntax tree, as written: names are not resolved, bind parameters not replaced.
//!
//! Invariant: no expression is nested deeper than [`NESTING_MAX`], so every recursion over the tree
//! is bounded; `height` is what the parser checks.

use crate::expr::{BinaryOp, UnaryOp};
use crate::plan::{Direction, ModifyKind, PathsKind};
use velocypack::Value;

/// Deepest nesting of expressions and subqueries.
pub(crate) const NESTING_MAX: u32 = 500;

/// A query or subquery.
#[derive(Debug)]
pub(crate) struct Query {
    /// `WITH` at the beginning.
    pub with: Vec<SourceName>,
    pub statements: Vec<Statement>,
}

/// A data source by name or bind parameter.
#[derive(Clone, Debug)]
pub(crate) enum SourceName {
    Name(String),
    /// `@@name`, without the signs.
    SourceParam(String),
    /// `@name` where only a data source can stand.
    Param(String),
}

/// A name that a statement introduces.
#[derive(Clone, Debug)]
pub(crate) struct Ident {
    pub name: String,
    pub at: u32,
}

#[derive(Debug)]
pub(crate) struct Statement {
    pub kind: StatementKind,
    pub at: u32,
}

#[derive(Debug)]
pub(crate) enum StatementKind {
    For(Box<For>),
    Traversal(Box<Traversal>),
    Paths(Box<Paths>),
    Let(Vec<(Target, Expr)>),
    Filter(Expr),
    Collect(Box<Collect>),
    Sort(Vec<SortItem>),
    Limit { offset: Option<Expr>, count: Expr },
    Window(Box<Window>),
    Return { distinct: bool, value: Expr },
    Modify(Box<Modify>),
    Upsert(Box<Upsert>),
}

/// Name or pattern on the left of an assignment.
#[derive(Debug)]
pub(crate) enum Target {
    Name(Ident),
    Array(Vec<Option<Target>>),
    Object(Vec<(String, Target)>),
}

#[derive(Debug)]
pub(crate) struct For {
    pub target: Target,
    pub source: Expr,
    pub search: Option<Expr>,
    pub options: Option<Expr>,
}

/// `GRAPH …` or edge collections.
#[derive(Debug)]
pub(crate) enum Subject {
    Named(Expr),
    Edges(Vec<(Option<Direction>, SourceName)>),
}

#[derive(Debug)]
pub(crate) struct Traversal {
    pub variables: Vec<Ident>,
    pub depth: Option<Expr>,
    pub direction: Direction,
    pub start: Expr,
    pub subject: Subject,
    pub prune: Option<(Option<Ident>, Expr)>,
    pub options: Option<Expr>,
}

#[derive(Debug)]
pub(crate) struct Paths {
    pub variables: Vec<Ident>,
    pub kind: PathsKind,
    pub depth: Option<Expr>,
    pub direction: Direction,
    pub start: Expr,
    pub target: Expr,
    pub subject: Subject,
    pub options: Option<Expr>,
}

#[derive(Debug)]
pub(crate) struct Collect {
    pub groups: Vec<(Ident, Expr)>,
    pub aggregates: Vec<(Ident, Expr)>,
    /// `WITH COUNT INTO`
    pub count: Option<Ident>,
    pub into: Option<(Ident, Option<Expr>)>,
    pub keep: Option<Vec<Ident>>,
    pub options: Option<Expr>,
}

#[derive(Debug)]
pub(crate) struct SortItem {
    pub expr: Expr,
    pub direction: SortDirection,
}

#[derive(Debug)]
pub(crate) enum SortDirection {
    Ascending,
    Descending,
    Value(Expr),
}

#[derive(Debug)]
pub(crate) struct Window {
    pub range: Option<Expr>,
    pub bounds: Expr,
    pub aggregates: Vec<(Ident, Expr)>,
}

#[derive(Debug)]
pub(crate) struct Modify {
    pub kind: ModifyKind,
    /// Document, or key if `with` is there.
    pub subject: Expr,
    pub with: Option<Expr>,
    pub target: SourceName,
    pub options: Option<Expr>,
}

#[derive(Debug)]
pub(crate) struct Upsert {
    pub search: UpsertSearch,
    pub insert: Expr,
    pub replace: bool,
    pub update: Expr,
    pub target: SourceName,
    pub options: Option<Expr>,
}

#[derive(Debug)]
pub(crate) enum UpsertSearch {
    Example(Expr),
    Filter(Expr),
}

/// An expression.
#[derive(Debug)]
pub(crate) struct Expr {
    pub kind: ExprKind,
    /// Byte offset in the text.
    pub at: u32,
    /// Nesting below, this one included.
    pub height: u32,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Literal(Value),
    /// A literal out of range: `null` and warning 1504.
    HugeNumber,
    Name(String),
    Param(String),
    SourceParam(String),
    /// The element of the expansion that this is the tail of.
    Element,
    Attribute(Box<Expr>, String),
    BoundAttribute(Box<Expr>, String),
    Indexed(Box<Expr>, Box<Expr>),
    Expansion(Box<Expansion>),
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    ArrayCompare(Quantifier, BinaryOp, Box<Expr>, Box<Expr>),
    Ternary(Box<Expr>, Option<Box<Expr>>, Box<Expr>),
    Range(Box<Expr>, Box<Expr>),
    Array(Vec<Expr>),
    Object(Vec<(Key, Expr)>),
    Call(String, Vec<Expr>),
    Subquery(Box<Query>),
}

#[derive(Debug)]
pub(crate) enum Key {
    Name(String),
    Param(String),
    SourceParam(String),
    Computed(Expr),
}

#[derive(Debug)]
pub(crate) enum Quantifier {
    Any,
    All,
    None,
    AtLeast(Box<Expr>),
    Exactly(Box<Expr>),
    Between(Box<Expr>, Box<Expr>),
}

/// `input[* …]` or `input[? …]`.
#[derive(Debug)]
pub(crate) struct Expansion {
    pub input: Expr,
    pub levels: u32,
    pub filter: Option<Expr>,
    pub limit: Option<(Option<Expr>, Expr)>,
    pub projection: Option<Expr>,
    /// What follows in the same chain, over [`ExprKind::Element`].
    pub tail: Option<Expr>,
    /// `[? …]`; the quantifier may be left out.
    pub question: Option<Option<Quantifier>>,
}
