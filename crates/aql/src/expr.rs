//! Expressions as they stand in a plan: names resolved to variables, bind parameters replaced by
//! constants, subqueries replaced by the variable that holds their result.
//!
//! `exec` evaluates them; servers send them to one another inside a plan snippet.

use serde::{Deserialize, Serialize};
use velocypack::Value;

/// Number of a variable, unique in a query (also over its subqueries). It is the register that
/// holds the value at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VarId(pub u32);

/// An expression. Evaluation never fails on data: type errors yield `null` and a warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Expr {
    /// A constant.
    Const(Value),
    /// Value of a variable.
    Var(VarId),
    /// `expr.name`.
    Attribute(Box<Expr>, String),
    /// `expr[index]`: array position (negative from the end) or attribute name.
    Indexed(Box<Expr>, Box<Expr>),
    /// `-x`, `+x`, `!x`.
    Unary(UnaryOp, Box<Expr>),
    /// Two operands; `&&`/`||` are [`Expr::And`] and [`Expr::Or`].
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// n-ary `&&`: the first falsy operand's value, else the last one's.
    And(Vec<Expr>),
    /// n-ary `||`: the first truthy operand's value, else the last one's.
    Or(Vec<Expr>),
    /// `left ANY|ALL|NONE|AT LEAST (n) op right`.
    ArrayCompare(Quantifier, BinaryOp, Box<Expr>, Box<Expr>),
    /// `cond ? then : otherwise`; without `then` it is `cond ?: otherwise`.
    Ternary(Box<Expr>, Option<Box<Expr>>, Box<Expr>),
    /// `low..high`.
    Range(Box<Expr>, Box<Expr>),
    /// `[a, b, …]`.
    Array(Vec<Expr>),
    /// `{name: value, …}`; a later entry of the same name wins.
    Object(Vec<(ObjectKey, Expr)>),
    /// Call of a built-in function; the name is upper case and canonical (aliases resolved).
    Call(String, Vec<Expr>),
    /// Call of a user-defined function `namespace::name`.
    UserCall(String, Vec<Expr>),
    /// `input[*]`, `input[**]`, `input[* FILTER … LIMIT … RETURN …]`, `input[? …]`.
    Expansion(Box<Expansion>),
    /// A collection used as a value: an array of all its documents.
    Collection(String),
}

/// Key of an object literal's entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ObjectKey {
    /// `name: …`
    Name(String),
    /// `[expr]: …`
    Computed(Expr),
}

/// Array expansion or question-mark operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expansion {
    /// The array.
    pub input: Expr,
    /// Number of `*`: 1 keeps, n flattens n−1 levels.
    pub levels: u32,
    /// Variable of the current element (`CURRENT`), visible in the parts below.
    pub iterator: VarId,
    /// Kept elements.
    pub filter: Option<Expr>,
    /// `(offset, count)`.
    pub limit: Option<(Expr, Expr)>,
    /// What each element becomes; `None` for the element itself.
    pub projection: Option<Expr>,
    /// Set for the question-mark operator: the result is a boolean.
    pub question: Option<Quantifier>,
}

/// How many elements must match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// Every one.
    All,
    /// Not one.
    None,
    /// `AT LEAST (n)`.
    AtLeast(Box<Expr>),
    /// A number or range of matches (`[? 2..3 FILTER …]`).
    Between(Box<Expr>, Box<Expr>),
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `!`
    Not,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BinaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `IN`
    In,
    /// `NOT IN`
    NotIn,
    /// `LIKE`
    Like,
    /// `NOT LIKE`
    NotLike,
    /// `=~`
    Matches,
    /// `!~`
    NotMatches,
}

impl Expr {
    /// `expr.a.b.c` over `path`.
    #[must_use]
    pub fn path(base: Expr, path: &[String]) -> Expr {
        path.iter().fold(base, |expr, name| Expr::Attribute(Box::new(expr), name.clone()))
    }

    /// If this is an attribute path on a variable (`v`, `v.a`, `v.a.b`): both.
    #[must_use]
    pub fn as_path(&self) -> Option<(VarId, Vec<&str>)> {
        match self {
            Expr::Var(var) => Some((*var, Vec::new())),
            Expr::Attribute(base, name) => {
                let (var, mut path) = base.as_path()?;
                path.push(name);
                Some((var, path))
            }
            _ => None,
        }
    }
}
