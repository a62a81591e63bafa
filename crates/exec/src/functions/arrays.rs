//! Arrays: members in and out, positions, order. Sets of arrays are in `sets.rs`.
//!
//! Positions from the end and fractions: a position below zero counts from the end, and what
//! remains is truncated.

use super::arguments::{array_expected, flag, found, integer, mismatch, null, number, slice};
use super::sets::Distinct;
use super::{Function, FunctionContext, pure};
use base::{Error, Result, code};
use std::collections::HashSet;
use velocypack::{Builder, Slice, Value, order};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("APPEND", 2, 3, append),
    pure("PUSH", 2, 3, push),
    pure("UNSHIFT", 2, 3, unshift),
    pure("POP", 1, 1, |args, cx| part(args, cx, "POP", |length| 0..length.saturating_sub(1))),
    pure("SHIFT", 1, 1, |args, cx| part(args, cx, "SHIFT", |length| 1..length)),
    pure("REMOVE_VALUE", 2, 3, remove_value),
    pure("REMOVE_VALUES", 2, 2, remove_values),
    pure("REMOVE_NTH", 2, 2, remove_nth),
    pure("REPLACE_NTH", 3, 4, replace_nth),
    pure("FIRST", 1, 1, |args, cx| member(args, cx, |array| array.at(0))),
    pure("LAST", 1, 1, |args, cx| member(args, cx, |array| array.at(array.len().checked_sub(1)?))),
    pure("NTH", 2, 2, nth),
    pure("POSITION", 2, 3, position),
    pure("CONTAINS_ARRAY", 2, 3, position),
    pure("SLICE", 2, 3, slice_of),
    pure("FLATTEN", 1, 2, flatten),
    pure("INTERLEAVE", 2, usize::MAX, interleave),
    pure("SORTED", 1, 1, sorted),
    pure("SORTED_UNIQUE", 1, 1, sorted_unique),
    pure("REVERSE", 1, 1, reverse),
];

/// Limit: members added in front of the place that `REPLACE_NTH` writes to.
const PADDING_MAX: usize = 10_000_000;

/// An array of members of other arrays.
pub(super) fn array_of<'a>(members: impl IntoIterator<Item = Slice<'a>>) -> Result<Value> {
    let mut builder = Builder::new();
    builder.open_array();
    for member in members {
        builder.add(member);
    }
    builder.close().finish().map_err(|error| Error::internal(error.to_string()))
}

fn append(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (array, values) = (slice(args, 0), slice(args, 1));
    if !array.is_array() && !array.is_null() {
        return mismatch(cx, "APPEND");
    }
    if values.is_null() || (values.is_array() && values.len() == 0) {
        return Ok(array.to_value());
    }
    let single = [values].into_iter().filter(|values| !values.is_array());
    let members = array.elements().chain(values.elements()).chain(single);
    if flag(args, 2) {
        let mut seen = HashSet::new();
        return array_of(members.filter(|member| seen.insert(Distinct(*member))));
    }
    array_of(members)
}

fn push(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (array, value) = (slice(args, 0), slice(args, 1));
    if !array.is_array() && !array.is_null() {
        return mismatch(cx, "PUSH");
    }
    if flag(args, 2) && contains(array, value) {
        return Ok(array.to_value());
    }
    array_of(array.elements().chain([value]))
}

fn unshift(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (array, value) = (slice(args, 0), slice(args, 1));
    if !array.is_array() && !array.is_null() {
        return mismatch(cx, "UNSHIFT");
    }
    if flag(args, 2) && contains(array, value) {
        return Ok(array.to_value());
    }
    array_of([value].into_iter().chain(array.elements()))
}

fn contains(array: Slice<'_>, value: Slice<'_>) -> bool {
    array.elements().any(|member| order::equal(member, value))
}

fn part(args: &[Value], cx: &mut FunctionContext, name: &str, range: fn(usize) -> std::ops::Range<usize>) -> Result<Value> {
    let array = slice(args, 0);
    if array.is_null() {
        return null();
    }
    if !array.is_array() {
        return mismatch(cx, name);
    }
    let range = range(array.len());
    array_of(array.elements().skip(range.start).take(range.len()))
}

fn remove_value(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (array, value) = (slice(args, 0), slice(args, 1));
    if array.is_null() {
        return Ok(Value::empty_array());
    }
    if !array.is_array() {
        return mismatch(cx, "REMOVE_VALUE");
    }
    let unlimited = slice(args, 2).is_null() || integer(args, 2) < 0;
    let mut left = if unlimited { u64::MAX } else { integer(args, 2).unsigned_abs() };
    array_of(array.elements().filter(|member| {
        let removed = left > 0 && order::equal(*member, value);
        left -= u64::from(removed);
        !removed
    }))
}

fn remove_values(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (array, values) = (slice(args, 0), slice(args, 1));
    if values.is_null() {
        return Ok(array.to_value());
    }
    if array.is_null() {
        return Ok(Value::empty_array());
    }
    if !array.is_array() || !values.is_array() {
        return mismatch(cx, "REMOVE_VALUES");
    }
    let removed: HashSet<Distinct<'_>> = values.elements().map(Distinct).collect();
    array_of(array.elements().filter(|member| !removed.contains(&Distinct(*member))))
}

/// A position that may count from the end; below zero if it lies before the array.
#[expect(clippy::cast_precision_loss, reason = "an array has far fewer than 2^53 members")]
fn from_end(position: f64, length: usize) -> f64 {
    if position < 0.0 { position + length as f64 } else { position }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturation is wanted")]
fn truncated(position: f64) -> usize {
    position as usize
}

fn remove_nth(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let array = slice(args, 0);
    if array.is_null() {
        return Ok(Value::empty_array());
    }
    if !array.is_array() {
        return mismatch(cx, "REMOVE_NTH");
    }
    let position = from_end(number(args, 1), array.len());
    let removed = if position < 0.0 { usize::MAX } else { truncated(position) };
    array_of(array.elements().enumerate().filter(|(place, _)| *place != removed).map(|(_, member)| member))
}

fn replace_nth(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (array, value) = (slice(args, 0), slice(args, 2));
    if !array.is_array() {
        return mismatch(cx, "REPLACE_NTH");
    }
    let refused = || Error::new(code::QUERY_FUNCTION_ARGUMENT_TYPE_MISMATCH, "invalid argument type in call to function 'REPLACE_NTH()'");
    if slice(args, 1).is_null() {
        return Err(refused());
    }
    let (length, place) = (array.len(), truncated(from_end(number(args, 1), array.len()).max(0.0)));
    if place > length && (args.len() < 4 || place - length > PADDING_MAX) {
        return Err(refused());
    }
    let padding = std::iter::repeat_n(slice(args, 3), place.saturating_sub(length));
    let head = array.elements().take(place);
    let tail = array.elements().skip(place.saturating_add(1));
    array_of(head.chain(padding).chain([value]).chain(tail))
}

fn member(args: &[Value], cx: &mut FunctionContext, pick: fn(Slice<'_>) -> Option<Slice<'_>>) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    Ok(pick(array).map_or_else(Value::null, Slice::to_value))
}

fn nth(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (array, place) = (slice(args, 0), number(args, 1));
    if !array.is_array() {
        return array_expected(cx);
    }
    if place < 0.0 || place.fract() != 0.0 {
        return null();
    }
    Ok(array.at(truncated(place)).map_or_else(Value::null, Slice::to_value))
}

fn position(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (array, wanted) = (slice(args, 0), slice(args, 1));
    if !array.is_array() {
        return array_expected(cx);
    }
    Ok(found(array.elements().position(|member| order::equal(member, wanted)), flag(args, 2)))
}

#[expect(clippy::cast_precision_loss, reason = "an array has far fewer than 2^53 members")]
fn slice_of(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return mismatch(cx, "SLICE");
    }
    let length = array.len() as f64;
    let start = from_end(number(args, 1), array.len()).max(0.0).trunc();
    let end = match number(args, 2) {
        _ if slice(args, 2).is_null() => length,
        count if count < 0.0 => length + count.trunc(),
        count => start + count.trunc(),
    };
    array_of(array.elements().skip(truncated(start)).take(truncated((end - start).max(0.0))))
}

fn flatten(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    // Depth 500 is more than any value nests.
    let depth = usize::try_from(integer(args, 1)).unwrap_or(1).clamp(1, 500);
    let mut members = Vec::new();
    flatten_into(array, depth, &mut members);
    array_of(members)
}

fn flatten_into<'a>(array: Slice<'a>, depth: usize, members: &mut Vec<Slice<'a>>) {
    for member in array.elements() {
        if member.is_array() && depth > 0 { flatten_into(member, depth - 1, members) } else { members.push(member) }
    }
}

fn interleave(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if args.iter().any(|arg| !arg.as_slice().is_array()) {
        return array_expected(cx);
    }
    let mut arrays: Vec<_> = args.iter().map(|arg| arg.as_slice().elements()).collect();
    let mut members = Vec::new();
    loop {
        let before = members.len();
        members.extend(arrays.iter_mut().filter_map(Iterator::next));
        if members.len() == before {
            return array_of(members);
        }
    }
}

fn sorted(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    let mut members: Vec<_> = array.elements().collect();
    members.sort_by(|a, b| order::compare(*a, *b));
    array_of(members)
}

fn sorted_unique(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    let mut members: Vec<_> = array.elements().collect();
    members.sort_by(|a, b| order::compare(*a, *b));
    members.dedup_by(|a, b| order::equal(*a, *b));
    array_of(members)
}

fn reverse(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let value = slice(args, 0);
    if let Some(text) = value.as_str() {
        return Ok(Value::string(&text.chars().rev().collect::<String>()));
    }
    if value.is_null() {
        return null();
    }
    if !value.is_array() {
        return array_expected(cx);
    }
    let members: Vec<_> = value.elements().collect();
    array_of(members.into_iter().rev())
}
