//! AQL's implicit conversions between types (`reference` chapter: conversion table). They are
//! total; nothing here warns.

use std::borrow::Cow;
use velocypack::{Slice, Value};

/// Truth: everything but `null`, `false`, 0 and `""`.
#[must_use]
pub fn to_bool(slice: Slice<'_>) -> bool {
    if let Some(flag) = slice.as_bool() {
        return flag;
    }
    if let Some(number) = slice.as_f64() {
        return number != 0.0 && !number.is_nan();
    }
    if let Some(text) = slice.as_str() {
        return !text.is_empty();
    }
    slice.is_array() || slice.is_object()
}

/// Numeric value: `null` 0, `true` 1, strings as far as they are numbers, arrays of one element
/// like the element, everything else 0.
#[must_use]
pub fn to_number(slice: Slice<'_>) -> f64 {
    let mut slice = slice;
    loop {
        if let Some(number) = slice.as_f64() {
            return number;
        }
        if let Some(flag) = slice.as_bool() {
            return if flag { 1.0 } else { 0.0 };
        }
        if let Some(text) = slice.as_str() {
            return text_to_number(text).unwrap_or(0.0);
        }
        match slice.at(0) {
            Some(only) if slice.is_array() && slice.len() == 1 => slice = only,
            _ => return 0.0,
        }
    }
}

/// Numeric value as integer where it is one exactly.
#[must_use]
pub fn to_int(slice: Slice<'_>) -> Option<i64> {
    match slice.kind() {
        velocypack::Kind::Double => None,
        _ if slice.is_number() => slice.as_i64(),
        _ => None,
    }
}

/// Integer by truncation, as ranges and limits use it.
#[must_use]
pub fn truncate(slice: Slice<'_>) -> i64 {
    match to_int(slice) {
        Some(number) => number,
        #[expect(clippy::cast_possible_truncation, reason = "saturation is wanted")]
        None => to_number(slice) as i64,
    }
}

/// A number written like C's `strtod` understands it, with white space around it; nothing else.
#[must_use]
pub fn text_to_number(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}'));
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let number = u64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+'))?;
        #[expect(clippy::cast_precision_loss, reason = "strtod rounds as well")]
        let number = number as f64;
        return Some(if text.starts_with('-') { -number } else { number });
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok()
}

/// Text: `null` empty, arrays and objects as compact JSON.
#[must_use]
pub fn to_text(slice: Slice<'_>) -> Cow<'_, str> {
    if let Some(text) = slice.as_str() {
        return Cow::Borrowed(text);
    }
    if slice.is_null() {
        return Cow::Borrowed("");
    }
    let mut json = Vec::new();
    slice.write_json(&mut json);
    Cow::Owned(String::from_utf8_lossy(&json).into_owned())
}

/// Array: `null` empty, objects as their values, anything else as the only element.
#[must_use]
pub fn to_array(slice: Slice<'_>) -> Value {
    if slice.is_array() {
        slice.to_value()
    } else if slice.is_null() {
        Value::empty_array()
    } else if slice.is_object() {
        Value::array(slice.entries().map(|(_, value)| value.to_value()))
    } else {
        Value::array([slice.to_value()])
    }
}

/// A number as value; what is not finite is `null`.
#[must_use]
pub fn number(value: f64) -> Value {
    if value.is_finite() { Value::double(value) } else { Value::null() }
}
