//! Choosing among values, stopping a query, dynamic calls, circumstances of the query.

use super::arguments::{flag, integer, mismatch, null, number, slice, text};
use super::{Function, FunctionContext, lookup, pure, volatile};
use base::code::{self, Code};
use base::{Error, Result};
use std::time::Duration;
use velocypack::{Slice, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("NOT_NULL", 1, usize::MAX, |args, _| first(args, |slice| !slice.is_null())),
    pure("FIRST_LIST", 1, usize::MAX, |args, _| first(args, Slice::is_array)),
    pure("FIRST_DOCUMENT", 1, usize::MAX, |args, _| first(args, Slice::is_object)),
    pure("MIN_MATCH", 2, usize::MAX, min_match),
    pure("PASSTHRU", 1, 1, |args, _| Ok(slice(args, 0).to_value())),
    volatile("NOOPT", 1, 1, |args, _| Ok(slice(args, 0).to_value())),
    volatile("NOEVAL", 1, 1, |args, _| Ok(slice(args, 0).to_value())),
    pure("V8", 1, 1, |args, _| Ok(slice(args, 0).to_value())),
    volatile("ASSERT", 2, 2, assert),
    volatile("WARN", 2, 2, warn),
    volatile("FAIL", 0, 1, |args, _| Err(stop(code::QUERY_FAIL_CALLED, slice(args, 0).as_str().unwrap_or("")))),
    volatile("SLEEP", 1, 1, sleep),
    volatile("CALL", 1, usize::MAX, |args, cx| call(slice(args, 0), args.get(1..).unwrap_or_default(), cx)),
    volatile("APPLY", 1, 2, apply),
    volatile("CURRENT_DATABASE", 0, 0, |_, cx| Ok(Value::string(&cx.query().database))),
    volatile("CURRENT_USER", 0, 0, current_user),
    volatile("VERSION", 0, 0, |_, _| Ok(Value::string(VERSION))),
    volatile("UUID", 0, 0, uuid),
    volatile("RANDOM_TOKEN", 1, 1, random_token),
];

/// The version of ArangoDB that this server behaves like.
const VERSION: &str = "3.12.6";

/// Limit: length of a random token.
const TOKEN_MAX: i64 = 65_536;

/// How long `SLEEP` sleeps before it looks whether the query is still wanted.
const NAP: Duration = Duration::from_millis(20);

/// Functions that cannot be called by name at run time.
const NOT_CALLABLE: &[&str] = &["CALL", "APPLY", "V8", "FULLTEXT", "NEAR", "WITHIN", "WITHIN_RECTANGLE"];

fn first<'a>(args: &'a [Value], holds: impl Fn(Slice<'a>) -> bool) -> Result<Value> {
    Ok(args.iter().find(|arg| holds(arg.as_slice())).cloned().unwrap_or_default())
}

fn min_match(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some((wanted, conditions)) = args.split_last() else { return mismatch(cx, "MIN_MATCH") };
    if !wanted.as_slice().is_number() {
        return mismatch(cx, "MIN_MATCH");
    }
    let met = conditions.iter().filter(|condition| crate::convert::to_bool(condition.as_slice())).count();
    Ok(Value::bool(i64::try_from(met).is_ok_and(|met| met >= crate::convert::truncate(wanted.as_slice()))))
}

fn stop(code: Code, message: &str) -> Error {
    if message.is_empty() { Error::from(code) } else { Error::new(code, message.to_owned()) }
}

fn assert(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(message) = slice(args, 1).as_str() else { return mismatch(cx, "ASSERT") };
    if flag(args, 0) { Ok(Value::bool(true)) } else { Err(stop(code::QUERY_USER_ASSERT, message)) }
}

fn warn(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(message) = slice(args, 1).as_str() else { return mismatch(cx, "WARN") };
    if !flag(args, 0) {
        cx.warn(code::QUERY_USER_WARN, message);
    }
    Ok(Value::bool(flag(args, 0)))
}

/// Sleeps on the thread of the query, which is one made for blocking; ends when the query is killed.
fn sleep(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let seconds = number(args, 0);
    if !slice(args, 0).is_number() || seconds < 0.0 {
        return mismatch(cx, "SLEEP");
    }
    let mut left = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    while !left.is_zero() {
        cx.source()?.check()?;
        let nap = left.min(NAP);
        std::thread::sleep(nap);
        left -= nap;
    }
    null()
}

fn call(name: Slice<'_>, args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let written = name.as_str().unwrap_or("");
    let name = aql::functions::lookup(written).map(|function| function.name);
    let Some(function) = name.and_then(lookup) else {
        return Err(Error::new(code::QUERY_FUNCTION_NAME_UNKNOWN, format!("usage of unknown function '{written}()'")));
    };
    if NOT_CALLABLE.contains(&function.name) {
        return Err(Error::with_detail(code::QUERY_DISALLOWED_DYNAMIC_CALL, function.name));
    }
    if args.len() < function.min_args || args.len() > function.max_args {
        return Err(Error::new(
            code::QUERY_FUNCTION_ARGUMENT_NUMBER_MISMATCH,
            format!("invalid number of arguments for function '{}()'", function.name),
        ));
    }
    (function.run)(args, cx)
}

fn apply(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let list = slice(args, 1);
    if !list.is_array() && !list.is_null() {
        return mismatch(cx, "APPLY");
    }
    let list: Vec<Value> = list.elements().map(Slice::to_value).collect();
    call(slice(args, 0), &list, cx)
}

fn current_user(_: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let user = &cx.query().user;
    Ok(if user.is_empty() { Value::null() } else { Value::string(user) })
}

/// A random UUID (version 4).
fn uuid(_: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (high, low) = (cx.random_u64() & !0xf000 | 0x4000, cx.random_u64() & !(3 << 62) | 2 << 62);
    let text =
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff);
    Ok(Value::string(&text))
}

fn random_token(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let length = integer(args, 0);
    if !(0..=TOKEN_MAX).contains(&length) {
        return Err(Error::new(
            code::QUERY_FUNCTION_ARGUMENT_TYPE_MISMATCH,
            format!("invalid argument type in call to function 'RANDOM_TOKEN()': {}", text(args, 0)),
        ));
    }
    let mut token = String::new();
    for _ in 0..length {
        #[expect(clippy::cast_possible_truncation, reason = "less than the length of the alphabet")]
        let letter = (cx.random_u64() % ALPHABET.len() as u64) as usize;
        token.push(char::from(ALPHABET.get(letter).copied().unwrap_or(b'A')));
    }
    Ok(Value::string(&token))
}
