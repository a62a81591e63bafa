//! Type checks and casts.

use super::arguments::{flag, integer, mismatch, slice, text};
use super::{Function, FunctionContext, pure};
use crate::convert;
use base::Result;
use velocypack::{Slice, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("IS_NULL", 1, 1, |args, _| check(args, Slice::is_null)),
    pure("IS_BOOL", 1, 1, |args, _| check(args, Slice::is_bool)),
    pure("IS_NUMBER", 1, 1, |args, _| check(args, Slice::is_number)),
    pure("IS_STRING", 1, 1, |args, _| check(args, Slice::is_string)),
    pure("IS_ARRAY", 1, 1, |args, _| check(args, Slice::is_array)),
    pure("IS_LIST", 1, 1, |args, _| check(args, Slice::is_array)),
    pure("IS_OBJECT", 1, 1, |args, _| check(args, Slice::is_object)),
    pure("IS_DOCUMENT", 1, 1, |args, _| check(args, Slice::is_object)),
    pure("IS_DATESTRING", 1, 1, |args, _| check(args, |slice| slice.as_str().is_some_and(super::dates::is_date_text))),
    pure("IS_KEY", 1, 1, |args, _| check(args, |slice| slice.as_str().is_some_and(base::names::is_document_key))),
    pure("TYPENAME", 1, 1, |args, _| Ok(Value::string(type_name(slice(args, 0))))),
    pure("TO_BOOL", 1, 1, |args, _| Ok(Value::bool(flag(args, 0)))),
    pure("TO_NUMBER", 1, 1, to_number),
    pure("TO_STRING", 1, 1, |args, _| Ok(Value::string(&text(args, 0)))),
    pure("TO_ARRAY", 1, 1, |args, _| Ok(convert::to_array(slice(args, 0)))),
    pure("TO_LIST", 1, 1, |args, _| Ok(convert::to_array(slice(args, 0)))),
    pure("TO_CHAR", 1, 1, to_char),
];

fn check<'a>(args: &'a [Value], holds: impl Fn(Slice<'a>) -> bool) -> Result<Value> {
    Ok(Value::bool(holds(slice(args, 0))))
}

fn type_name(slice: Slice<'_>) -> &'static str {
    match () {
        () if slice.is_bool() => "bool",
        () if slice.is_number() => "number",
        () if slice.is_string() => "string",
        () if slice.is_array() => "array",
        () if slice.is_object() => "object",
        () => "null",
    }
}

fn to_number(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let value = slice(args, 0);
    let number = convert::to_number(value);
    // Compat: text that stands for a number beyond all doubles is 0.
    Ok(if value.is_number() { value.to_value() } else { Value::double(if number.is_finite() { number } else { 0.0 }) })
}

fn to_char(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let point = integer(args, 0);
    let character = u32::try_from(point).ok().and_then(char::from_u32).filter(|_| slice(args, 0).is_number());
    match character {
        Some(character) => Ok(Value::string(character.encode_utf8(&mut [0; 4]))),
        None => mismatch(cx, "TO_CHAR"),
    }
}
