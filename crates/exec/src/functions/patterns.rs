//! Regular expressions.
//!
//! Compat: an expression that does not compile, or that takes too many steps, is warning 1543.

use super::arguments::{flag, integer, mismatch, null, slice, text};
use super::{Function, FunctionContext, pure};
use base::{Result, code};
use fancy_regex::{Captures, Regex};
use std::sync::Arc;
use velocypack::Value;

pub(super) static FUNCTIONS: &[Function] = &[
    pure("REGEX_TEST", 2, 3, test),
    pure("REGEX_MATCHES", 2, 3, matches),
    pure("REGEX_SPLIT", 2, 4, split),
    pure("REGEX_REPLACE", 3, 4, replace),
];

fn compiled(args: &[Value], flag_at: usize, cx: &mut FunctionContext) -> Option<Arc<Regex>> {
    let regex = cx.regex(&text(args, 1), flag(args, flag_at));
    if regex.is_none() {
        cx.warn_code(code::QUERY_INVALID_REGEX);
    }
    regex
}

fn failed(cx: &mut FunctionContext) -> Result<Value> {
    cx.warn_code(code::QUERY_INVALID_REGEX);
    null()
}

fn test(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(regex) = compiled(args, 2, cx) else { return Ok(Value::bool(false)) };
    match regex.is_match(&text(args, 0)) {
        Ok(found) => Ok(Value::bool(found)),
        Err(_) => failed(cx),
    }
}

fn matches(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(regex) = compiled(args, 2, cx) else { return null() };
    let text = text(args, 0);
    match regex.captures(&text) {
        Ok(Some(captures)) => Ok(Value::array(captures.iter().map(|group| Value::string(group.map_or("", |group| group.as_str()))))),
        Ok(None) => null(),
        Err(_) => failed(cx),
    }
}

fn split(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let limit = slice(args, 3);
    if args.len() > 3 && (!limit.is_number() || integer(args, 3) < 0) {
        return mismatch(cx, "REGEX_SPLIT");
    }
    let limit = if args.len() > 3 { usize::try_from(integer(args, 3)).unwrap_or(usize::MAX) } else { usize::MAX };
    let Some(regex) = compiled(args, 2, cx) else { return null() };
    let text = text(args, 0);
    let mut parts = Vec::new();
    let mut from = 0;
    for captures in regex.captures_iter(&text) {
        let Ok(captures) = captures else { return failed(cx) };
        let Some(whole) = captures.get(0).filter(|whole| !whole.as_str().is_empty()) else { continue };
        parts.push(text.get(from..whole.start()).unwrap_or(""));
        // Compat: what groups of the separator match belongs to the result.
        parts.extend(captures.iter().skip(1).flatten().map(|group| group.as_str()));
        from = whole.end();
    }
    parts.push(text.get(from..).unwrap_or(""));
    Ok(Value::array(parts.into_iter().take(limit).map(Value::string)))
}

fn replace(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(regex) = compiled(args, 3, cx) else { return Ok(Value::bool(false)) };
    let (text, replacement) = (text(args, 0), text(args, 2));
    let mut result = String::with_capacity(text.len());
    let mut from = 0;
    for captures in regex.captures_iter(&text) {
        let Ok(captures) = captures else { return failed(cx) };
        let Some(whole) = captures.get(0) else { continue };
        result.push_str(text.get(from..whole.start()).unwrap_or(""));
        expand(&replacement, &captures, &mut result);
        from = whole.end();
    }
    result.push_str(text.get(from..).unwrap_or(""));
    Ok(Value::string(&result))
}

/// Appends the replacement: `$1` and `${name}` stand for groups, `\` takes the next character literally.
fn expand(replacement: &str, captures: &Captures<'_>, out: &mut String) {
    let mut rest = replacement;
    while let Some(at) = rest.find(['$', '\\']) {
        out.push_str(rest.get(..at).unwrap_or(""));
        let tail = rest.get(at + 1..).unwrap_or("");
        let length = match rest.as_bytes().get(at) {
            Some(b'\\') => tail.chars().next().map_or(0, |character| {
                out.push(character);
                character.len_utf8()
            }),
            _ => expand_group(tail, captures, out),
        };
        rest = tail.get(length..).unwrap_or("");
    }
    out.push_str(rest);
}

/// Appends the group that `tail` begins with; returns how much of `tail` named it.
fn expand_group(tail: &str, captures: &Captures<'_>, out: &mut String) -> usize {
    let group = |found: Option<fancy_regex::Match<'_>>, out: &mut String| out.push_str(found.map_or("", |group| group.as_str()));
    if let Some((name, _)) = tail.strip_prefix('{').and_then(|tail| tail.split_once('}')) {
        group(captures.name(name), out);
        return name.len() + 2;
    }
    // As many digits as make the number of a group.
    let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
    let numbers = (1..=digits).rev().filter_map(|length| Some((length, tail.get(..length)?.parse::<usize>().ok()?)));
    match numbers.into_iter().find(|(_, number)| *number < captures.len()) {
        Some((length, number)) => {
            group(captures.get(number), out);
            length
        }
        None => {
            out.push('$');
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, args: &str) -> String {
        let args = Value::parse_json(args.as_bytes()).unwrap();
        let args: Vec<Value> = args.as_slice().elements().map(|arg| arg.to_value()).collect();
        crate::functions::call(name, &args, &mut FunctionContext::without_source()).unwrap().to_json()
    }

    #[test]
    fn groups_and_escapes_in_replacements() {
        for (args, wanted) in [
            (r#"["abc","(a)(b)","$2$1"]"#, "\"bac\""),
            (r#"["abc","b","\\$1"]"#, "\"a$1c\""),
            (r#"["abc","(?<x>b)","<${x}>"]"#, "\"a<b>c\""),
            (r#"["abc","(b)","$10"]"#, "\"ab0c\""),
            (r#"["aaa","a(?=a)","b"]"#, "\"bba\""),
        ] {
            assert_eq!(call("REGEX_REPLACE", args), wanted, "{args}");
        }
        assert_eq!(call("REGEX_MATCHES", r#"["key=17","(\\w+)=(\\d+)"]"#), r#"["key=17","key","17"]"#);
        assert_eq!(call("REGEX_MATCHES", r#"["x","y"]"#), "null");
        assert_eq!(call("REGEX_TEST", r#"["abab","^(ab)\\1$"]"#), "true");
    }

    #[test]
    fn catastrophic_patterns_end() {
        let mut cx = FunctionContext::without_source();
        let text = Value::string(&"a".repeat(60));
        let args = [text, Value::string("^(?=(a+)+$)(a|aa)+b\\1$")];
        assert!(crate::functions::call("REGEX_TEST", &args, &mut cx).is_ok());
    }
}
