//! Objects: attributes in and out, merging, matching.

use super::arguments::{flag, found, mismatch, null, slice, text};
use super::arrays::array_of;
use super::{Function, FunctionContext, pure};
use base::{Error, Result};
use std::collections::HashSet;
use velocypack::{Builder, Slice, Value, merge, order};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("ATTRIBUTES", 1, 3, attributes),
    pure("KEYS", 1, 3, attributes),
    pure("VALUES", 1, 2, values),
    pure("ENTRIES", 1, 1, entries),
    pure("VALUE", 2, 2, value),
    pure("HAS", 2, 2, |args, _| Ok(Value::bool(slice(args, 0).get(&text(args, 1)).is_some()))),
    pure("KEEP", 2, usize::MAX, |args, cx| pick(args, cx, "KEEP", Pick::Keep)),
    pure("KEEP_RECURSIVE", 2, usize::MAX, |args, cx| pick(args, cx, "KEEP_RECURSIVE", Pick::KeepRecursive)),
    pure("UNSET", 2, usize::MAX, |args, cx| pick(args, cx, "UNSET", Pick::Unset)),
    pure("UNSET_RECURSIVE", 2, usize::MAX, |args, cx| pick(args, cx, "UNSET_RECURSIVE", Pick::UnsetRecursive)),
    pure("MERGE", 1, usize::MAX, merge_shallow),
    pure("MERGE_RECURSIVE", 1, usize::MAX, merge_recursive),
    pure("MATCHES", 2, 3, matches_example),
    pure("TRANSLATE", 2, 3, translate),
    pure("ZIP", 2, 2, zip),
];

/// Deepest level to which recursive functions descend.
const DEPTH_MAX: usize = 500;

fn finish(builder: &mut Builder) -> Result<Value> {
    builder.finish().map_err(|error| Error::internal(error.to_string()))
}

fn attributes(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let object = slice(args, 0);
    if !object.is_object() {
        return mismatch(cx, "ATTRIBUTES");
    }
    let without_system = flag(args, 1);
    let mut names: Vec<&str> = object.entries().map(|(name, _)| name).filter(|name| !without_system || !name.starts_with('_')).collect();
    if flag(args, 2) {
        names.sort_unstable();
    }
    Ok(Value::array(names.into_iter().map(Value::string)))
}

fn values(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let object = slice(args, 0);
    if !object.is_object() {
        return mismatch(cx, "VALUES");
    }
    let without_system = flag(args, 1);
    array_of(object.entries().filter(|(name, _)| !without_system || !name.starts_with('_')).map(|(_, value)| value))
}

fn entries(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let object = slice(args, 0);
    if !object.is_object() {
        return mismatch(cx, "ENTRIES");
    }
    let mut builder = Builder::new();
    builder.open_array();
    for (name, value) in object.entries() {
        builder.open_array().string(name).add(value).close();
    }
    finish(builder.close())
}

fn value(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (mut at, path) = (slice(args, 0), slice(args, 1));
    if !at.is_object() || !path.is_array() {
        return mismatch(cx, "VALUE");
    }
    if path.len() == 0 {
        return null();
    }
    for step in path.elements() {
        let next = match (step.as_str(), step.as_i64()) {
            (Some(name), _) => at.get(name),
            (None, Some(number)) if at.is_object() => at.get(&number.to_string()),
            (None, Some(number)) if number < 0 => at.len().checked_sub(number.unsigned_abs() as usize).and_then(|place| at.at(place)),
            (None, Some(number)) => usize::try_from(number).ok().and_then(|place| at.at(place)),
            (None, None) => return mismatch(cx, "VALUE"),
        };
        match next {
            Some(next) => at = next,
            None => return null(),
        }
    }
    Ok(at.to_value())
}

#[derive(Clone, Copy, PartialEq)]
enum Pick {
    Keep,
    KeepRecursive,
    Unset,
    UnsetRecursive,
}

fn pick(args: &[Value], cx: &mut FunctionContext, function: &str, pick: Pick) -> Result<Value> {
    let object = slice(args, 0);
    if !object.is_object() {
        return mismatch(cx, function);
    }
    let names = names(args.get(1..).unwrap_or_default(), cx, function);
    let mut builder = Builder::with_capacity(object.byte_len());
    write_picked(object, &names, pick, &mut builder, 0);
    finish(&mut builder)
}

/// Attribute names given as text, numbers or arrays of them.
fn names(args: &[Value], cx: &mut FunctionContext, function: &str) -> HashSet<String> {
    let mut names = HashSet::new();
    let is_name = |slice: Slice<'_>| slice.is_string() || slice.is_number();
    for arg in args {
        let arg = arg.as_slice();
        if is_name(arg) {
            names.insert(crate::convert::to_text(arg).into_owned());
        }
        for member in arg.elements() {
            if is_name(member) {
                names.insert(crate::convert::to_text(member).into_owned());
            } else {
                cx.warn_argument(function);
            }
        }
    }
    names
}

fn write_picked(object: Slice<'_>, names: &HashSet<String>, pick: Pick, builder: &mut Builder, depth: usize) {
    let keeps = matches!(pick, Pick::Keep | Pick::KeepRecursive);
    let recursive = matches!(pick, Pick::KeepRecursive | Pick::UnsetRecursive) && depth < DEPTH_MAX;
    builder.open_object();
    for (name, value) in object.entries() {
        if names.contains(name) != keeps {
            continue;
        }
        builder.key(name);
        if recursive && value.is_object() {
            write_picked(value, names, pick, builder, depth + 1);
        } else {
            builder.add(value);
        }
    }
    builder.close();
}

/// The objects to merge: all arguments, or the members of a single array; `None` if one is no object.
fn parts(args: &[Value]) -> Option<Vec<Slice<'_>>> {
    let parts: Vec<Slice<'_>> = match args {
        [only] if only.as_slice().is_array() => only.as_slice().elements().collect(),
        _ => args.iter().map(Value::as_slice).collect(),
    };
    parts.iter().all(|part| part.is_object()).then_some(parts)
}

fn merge_shallow(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(parts) = parts(args) else { return mismatch(cx, "MERGE") };
    if let [base, patch] = parts.as_slice() {
        return Ok(merge(*base, *patch, false, true));
    }
    let mut builder = Builder::new();
    builder.open_object();
    // Of equal names the builder keeps the one written last.
    for (name, value) in parts.into_iter().flat_map(Slice::entries) {
        builder.key(name).add(value);
    }
    finish(builder.close())
}

fn merge_recursive(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(parts) = parts(args) else { return mismatch(cx, "MERGE_RECURSIVE") };
    let merged = parts.into_iter().fold(Value::empty_object(), |merged, part| merge(merged.as_slice(), part, true, true));
    Ok(merged)
}

fn matches_example(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (object, examples) = (slice(args, 0), slice(args, 1));
    if !object.is_object() {
        return Ok(Value::bool(false));
    }
    let single = [examples].into_iter().filter(|example| !example.is_array());
    let mut place = None;
    for (position, example) in examples.elements().chain(single).enumerate() {
        if !example.is_object() {
            cx.warn_argument("MATCHES");
            continue;
        }
        let missing = Slice::new(&[0x18]);
        if example.entries().all(|(name, wanted)| order::equal(object.get(name).unwrap_or(missing), wanted)) {
            place = Some(position);
            break;
        }
    }
    Ok(found(place, flag(args, 2)))
}

fn translate(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let lookup = slice(args, 1);
    if !lookup.is_object() {
        return mismatch(cx, "TRANSLATE");
    }
    let default = if args.len() > 2 { slice(args, 2) } else { slice(args, 0) };
    Ok(lookup.get(&text(args, 0)).unwrap_or(default).to_value())
}

fn zip(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (names, values) = (slice(args, 0), slice(args, 1));
    if !names.is_array() || !values.is_array() || names.len() != values.len() {
        return mismatch(cx, "ZIP");
    }
    let mut seen = HashSet::new();
    let mut builder = Builder::new();
    builder.open_object();
    for (name, value) in names.elements().zip(values.elements()) {
        let name = crate::convert::to_text(name);
        // Compat: of equal names the first one counts.
        if seen.insert(name.clone()) {
            builder.key(&name).add(value);
        }
    }
    finish(builder.close())
}
