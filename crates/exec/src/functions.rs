//! AQL's built-in functions: the registry and the way to call one.
//!
//! One file per group of functions below `functions/`; [`FunctionContext`] is what a function may
//! know of the query that calls it.

mod context;

pub use context::{FunctionContext, WARNINGS_MAX_DEFAULT};

use base::{Error, Result, code};
use velocypack::Value;

/// A built-in function.
pub struct Function {
    /// Canonical upper-case name.
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

static TABLE: &[Function] = &[
    Function { name: "LENGTH", min_args: 1, max_args: 1, deterministic: true, run: length },
    Function { name: "NOOPT", min_args: 1, max_args: 1, deterministic: false, run: first_argument },
    Function { name: "PASSTHRU", min_args: 1, max_args: 1, deterministic: false, run: first_argument },
];

/// The function of this canonical name.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Function> {
    TABLE.iter().find(|function| function.name == name)
}

/// Calls a function by its canonical name.
pub fn call(name: &str, args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let function = lookup(name).ok_or_else(|| Error::with_detail(code::QUERY_FUNCTION_NAME_UNKNOWN, name))?;
    (function.run)(args, cx)
}

fn length(args: &[Value], _cx: &mut FunctionContext) -> Result<Value> {
    let Some(value) = args.first() else { return Ok(Value::int(0)) };
    let slice = value.as_slice();
    let length = match slice.as_str() {
        Some(text) => text.chars().count(),
        None if slice.is_array() || slice.is_object() => slice.len(),
        None if slice.is_null() => 0,
        None => crate::convert::to_text(slice).chars().count(),
    };
    Ok(Value::uint(length as u64))
}

fn first_argument(args: &[Value], _cx: &mut FunctionContext) -> Result<Value> {
    Ok(args.first().cloned().unwrap_or_else(Value::null))
}
