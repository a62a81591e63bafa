//! AQL's built-in functions: the registry and the way to call one.
//!
//! One file per family of functions below `functions/`; each lists its functions in a table.
//! [`FunctionContext`] is what a function may know of the query that calls it. Arguments of a wrong type
//! are warnings and `null`, hardly ever errors.
//!
//! Invariant: a function never panics and never makes results of unbounded size, whatever its
//! arguments.

mod arguments;
mod arrays;
mod bits;
mod calendar;
mod checks;
mod context;
mod control;
mod date_format;
mod date_math;
mod dates;
mod documents;
mod geo;
mod geometry;
mod hashing;
mod net;
mod numbers;
mod objects;
mod patterns;
mod search;
mod sets;
pub mod statistics;
mod strings;
mod text_search;
mod time_zones;
mod tokens;
mod vectors;

pub use context::{FunctionContext, WARNINGS_MAX_DEFAULT};

use base::{Error, Result, code};
use std::collections::HashMap;
use std::sync::OnceLock;
use velocypack::Value;

/// A built-in function.
pub struct Function {
    /// Upper-case name; aliases have entries of their own.
    pub name: &'static str,
    /// Fewest arguments.
    pub min_args: usize,
    /// Most arguments.
    pub max_args: usize,
    /// Equal arguments give equal results, and nothing else happens.
    pub deterministic: bool,
    /// The implementation; the number of arguments has been checked.
    pub run: fn(&[Value], &mut FunctionContext) -> Result<Value>,
}

type Run = fn(&[Value], &mut FunctionContext) -> Result<Value>;

/// A function of its arguments alone.
const fn pure(name: &'static str, min_args: usize, max_args: usize, run: Run) -> Function {
    Function { name, min_args, max_args, deterministic: true, run }
}

/// A function that must be called each time anew.
const fn volatile(name: &'static str, min_args: usize, max_args: usize, run: Run) -> Function {
    Function { name, min_args, max_args, deterministic: false, run }
}

static FAMILIES: &[&[Function]] = &[
    arrays::FUNCTIONS,
    bits::FUNCTIONS,
    checks::FUNCTIONS,
    control::FUNCTIONS,
    date_format::FUNCTIONS,
    date_math::FUNCTIONS,
    dates::FUNCTIONS,
    documents::FUNCTIONS,
    geo::FUNCTIONS,
    hashing::FUNCTIONS,
    net::FUNCTIONS,
    numbers::FUNCTIONS,
    objects::FUNCTIONS,
    patterns::FUNCTIONS,
    search::FUNCTIONS,
    sets::FUNCTIONS,
    statistics::FUNCTIONS,
    strings::FUNCTIONS,
    text_search::FUNCTIONS,
    text_search::NGRAM_FUNCTIONS,
    tokens::FUNCTIONS,
    vectors::FUNCTIONS,
];

/// The function of this upper-case name.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Function> {
    static TABLE: OnceLock<HashMap<&'static str, &'static Function>> = OnceLock::new();
    let table = TABLE.get_or_init(|| all().map(|function| (function.name, function)).collect());
    table.get(name).copied()
}

/// All functions.
pub fn all() -> impl Iterator<Item = &'static Function> {
    FAMILIES.iter().copied().flatten()
}

/// Calls a function by its upper-case name.
pub fn call(name: &str, args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let function = lookup(name).ok_or_else(|| Error::with_detail(code::QUERY_FUNCTION_NAME_UNKNOWN, name))?;
    (function.run)(args, cx)
}
