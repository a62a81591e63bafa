//! Reading arguments: by position, with AQL's implicit conversions, and the usual ways to answer
//! arguments of a wrong type.

use super::FunctionContext;
use crate::convert;
use base::{Result, code};
use std::borrow::Cow;
use velocypack::{Slice, Value};

/// The argument at `position`; null if it was left out.
pub(super) fn slice(args: &[Value], position: usize) -> Slice<'_> {
    args.get(position).map_or(Slice::new(&[0x18]), Value::as_slice)
}

/// The argument as text.
pub(super) fn text(args: &[Value], position: usize) -> Cow<'_, str> {
    convert::to_text(slice(args, position))
}

/// The argument as number.
pub(super) fn number(args: &[Value], position: usize) -> f64 {
    convert::to_number(slice(args, position))
}

/// The argument as integer, truncated towards zero.
pub(super) fn integer(args: &[Value], position: usize) -> i64 {
    convert::truncate(slice(args, position))
}

/// The argument as truth value.
pub(super) fn flag(args: &[Value], position: usize) -> bool {
    convert::to_bool(slice(args, position))
}

/// `null`, silently.
pub(super) fn null() -> Result<Value> {
    Ok(Value::null())
}

/// `null` with warning 1542 for a call of `function`.
pub(super) fn mismatch(cx: &mut FunctionContext, function: &str) -> Result<Value> {
    cx.warn_argument(function);
    null()
}

/// `null` with warning 1563.
pub(super) fn array_expected(cx: &mut FunctionContext) -> Result<Value> {
    cx.warn_code(code::QUERY_ARRAY_EXPECTED);
    null()
}

/// A count or position as the value of a result; -1 for none.
pub(super) fn position(found: Option<usize>) -> Value {
    found.map_or(Value::int(-1), |position| Value::uint(position as u64))
}

/// Either a position or whether there is one, as the caller of the function asked for.
pub(super) fn found(found: Option<usize>, wants_position: bool) -> Value {
    if wants_position { position(found) } else { Value::bool(found.is_some()) }
}
