//! Text: parts, joining, trimming, case. Searching is in `text_search.rs`, regular expressions in
//! `patterns.rs`.
//!
//! Positions count Unicode code points unless a function says otherwise.

use super::arguments::{flag, integer, mismatch, null, slice, text};
use super::{Function, FunctionContext, pure};
use crate::convert;
use base::{Result, code};
use std::borrow::Cow;
use std::cmp::Ordering;
use velocypack::{Builder, Slice, Value, order};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("CHAR_LENGTH", 1, 1, char_length),
    pure("LENGTH", 1, 1, length),
    pure("COUNT", 1, 1, length),
    pure("CONCAT", 1, usize::MAX, concat),
    pure("CONCAT_SEPARATOR", 2, usize::MAX, concat_separator),
    pure("LEFT", 2, 2, |args, _| Ok(Value::string(text(args, 0).chars().take(count(args, 1)).collect::<String>().as_str()))),
    pure("RIGHT", 2, 2, right),
    pure("SUBSTRING", 2, 3, substring),
    pure("SUBSTRING_BYTES", 2, 5, substring_bytes),
    pure("LOWER", 1, 1, |args, _| Ok(Value::string(&text(args, 0).to_lowercase()))),
    pure("UPPER", 1, 1, |args, _| Ok(Value::string(&text(args, 0).to_uppercase()))),
    pure("LTRIM", 1, 2, |args, _| Ok(Value::string(text(args, 0).trim_start_matches(listed(args).as_slice())))),
    pure("RTRIM", 1, 2, |args, _| Ok(Value::string(text(args, 0).trim_end_matches(listed(args).as_slice())))),
    pure("TRIM", 1, 2, trim),
    pure("REPEAT", 2, 3, repeat),
    pure("SPLIT", 1, 3, split),
    pure("JSON_PARSE", 1, 1, json_parse),
    pure("JSON_STRINGIFY", 1, 1, |args, _| Ok(Value::string(&slice(args, 0).to_json()))),
    pure("ENCODE_URI_COMPONENT", 1, 1, encode_uri_component),
    pure("IN_RANGE", 5, 5, in_range),
];

/// Limit: bytes that `REPEAT` makes.
const REPEAT_BYTES_MAX: usize = 16 << 20;

/// What is trimmed unless the caller says otherwise.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

fn char_length(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let value = slice(args, 0);
    // Compat: the JSON of arrays and objects counts in bytes.
    let length = if value.is_array() || value.is_object() { value.to_json().len() } else { text(args, 0).chars().count() };
    Ok(Value::uint(length as u64))
}

fn length(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let value = slice(args, 0);
    let length = match value.as_bool() {
        Some(flag) => usize::from(flag),
        None if value.is_array() || value.is_object() => value.len(),
        None => text(args, 0).chars().count(),
    };
    Ok(Value::uint(length as u64))
}

fn concat(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let mut joined = String::new();
    match args {
        [only] if only.as_slice().is_array() => {
            only.as_slice().elements().for_each(|member| joined.push_str(&convert::to_text(member)));
        }
        _ => args.iter().for_each(|arg| joined.push_str(&convert::to_text(arg.as_slice()))),
    }
    Ok(Value::string(&joined))
}

fn concat_separator(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let separator = text(args, 0);
    let parts: Vec<Slice<'_>> = match args {
        [_, only] if only.as_slice().is_array() => only.as_slice().elements().collect(),
        _ => args.iter().skip(1).map(Value::as_slice).collect(),
    };
    let parts: Vec<Cow<'_, str>> = parts.into_iter().filter(|part| !part.is_null()).map(convert::to_text).collect();
    Ok(Value::string(&parts.join(&separator)))
}

/// A number of code points; 0 for negative ones.
fn count(args: &[Value], position: usize) -> usize {
    usize::try_from(integer(args, position)).unwrap_or(0)
}

fn right(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let text = text(args, 0);
    let left_out = text.chars().count().saturating_sub(count(args, 1));
    Ok(Value::string(text.char_indices().nth(left_out).map_or("", |(at, _)| text.get(at..).unwrap_or(""))))
}

fn substring(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let text = text(args, 0);
    let offset = integer(args, 1);
    let skipped = match usize::try_from(offset) {
        Ok(offset) => offset,
        Err(_) => text.chars().count().saturating_sub(usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let taken = if args.len() > 2 { count(args, 2) } else { usize::MAX };
    Ok(Value::string(&text.chars().skip(skipped).take(taken).collect::<String>()))
}

fn substring_bytes(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let part = slice(args, 0).as_str().and_then(|text| byte_part(text, args));
    match part {
        Some(part) => Ok(Value::string(part)),
        None => {
            cx.warn_code(code::BAD_PARAMETER);
            null()
        }
    }
}

/// The part by byte offsets, with so many code points more at either side.
fn byte_part<'a>(text: &'a str, args: &[Value]) -> Option<&'a str> {
    let place = |offset: i64| {
        usize::try_from(offset).unwrap_or_else(|_| text.len().saturating_sub(usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX)))
    };
    let start = place(integer(args, 1)).min(text.len());
    let end = match slice(args, 2) {
        length if length.is_null() => text.len(),
        _ => start.saturating_add(count(args, 2)).min(text.len()),
    };
    let (before, after) = (text.get(..start)?, text.get(end..)?);
    let start = match count(args, 3) {
        0 => start,
        more => before.char_indices().rev().nth(more - 1).map_or(0, |(at, _)| at),
    };
    let more = after.chars().take(count(args, 4)).map(char::len_utf8).sum::<usize>();
    text.get(start..end.max(start) + more)
}

/// The characters to trim.
fn listed(args: &[Value]) -> Vec<char> {
    if args.len() > 1 { text(args, 1).chars().collect() } else { SPACE.to_vec() }
}

fn trim(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let text = text(args, 0);
    let trimmed = match slice(args, 1) {
        kind if kind.is_number() || args.len() < 2 => match integer(args, 1) {
            1 => text.trim_start_matches(SPACE),
            2 => text.trim_end_matches(SPACE),
            _ => text.trim_matches(SPACE),
        },
        _ => text.trim_matches(listed(args).as_slice()),
    };
    Ok(Value::string(trimmed))
}

fn repeat(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (text, times, separator) = (text(args, 0), integer(args, 1), text(args, 2));
    let Ok(times) = usize::try_from(times) else { return mismatch(cx, "REPEAT") };
    let bytes = text.len().checked_add(separator.len()).and_then(|length| length.checked_mul(times));
    if times > REPEAT_BYTES_MAX || bytes.is_none_or(|bytes| bytes > REPEAT_BYTES_MAX) {
        cx.warn_code(code::RESOURCE_LIMIT);
        return null();
    }
    let parts = vec![text.as_ref(); times];
    Ok(Value::string(&parts.join(&separator)))
}

fn split(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (text, separator) = (text(args, 0), slice(args, 1));
    if args.len() < 2 {
        return Ok(Value::array([Value::string(&text)]));
    }
    if separator.is_object() || (args.len() > 2 && !slice(args, 2).is_number() && !slice(args, 2).is_null()) {
        return mismatch(cx, "SPLIT");
    }
    let limit = integer(args, 2);
    if limit < 0 {
        return mismatch(cx, "SPLIT");
    }
    let limit = if slice(args, 2).is_null() { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let separators: Vec<Cow<'_, str>> = match separator {
        array if array.is_array() => array.elements().map(convert::to_text).collect(),
        other => vec![convert::to_text(other)],
    };
    let mut builder = Builder::new();
    builder.open_array();
    if separators.iter().all(|separator| separator.is_empty()) {
        let mut buffer = [0; 4];
        text.chars().take(limit).for_each(|character| {
            builder.string(character.encode_utf8(&mut buffer));
        });
    } else {
        pieces(&text, &separators).take(limit).for_each(|piece| {
            builder.string(piece);
        });
    }
    builder.close().finish().map_err(|error| base::Error::internal(error.to_string()))
}

/// The pieces between separators; of several separators at one place the first listed counts.
fn pieces<'a>(text: &'a str, separators: &'a [Cow<'a, str>]) -> impl Iterator<Item = &'a str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let matches = separators.iter().filter(|separator| !separator.is_empty());
        let first = matches.filter_map(|separator| Some((whole.find(separator.as_ref())?, separator.len()))).min_by_key(|(at, _)| *at);
        match first {
            Some((at, length)) => {
                rest = whole.get(at + length..);
                whole.get(..at)
            }
            None => rest.take(),
        }
    })
}

fn json_parse(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let parsed = slice(args, 0).as_str().and_then(|text| Value::parse_json(text.as_bytes()).ok());
    parsed.map_or_else(|| mismatch(cx, "JSON_PARSE"), Ok)
}

fn encode_uri_component(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let mut encoded = String::new();
    for byte in text(args, 0).bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&format!("{byte:02X}"));
        }
    }
    Ok(Value::string(&encoded))
}

fn in_range(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if !slice(args, 3).is_bool() || !slice(args, 4).is_bool() {
        return mismatch(cx, "IN_RANGE");
    }
    let value = slice(args, 0);
    let (low, high) = (order::compare(value, slice(args, 1)), order::compare(value, slice(args, 2)));
    let above = low == Ordering::Greater || (low == Ordering::Equal && flag(args, 3));
    let below = high == Ordering::Less || (high == Ordering::Equal && flag(args, 4));
    Ok(Value::bool(above && below))
}
