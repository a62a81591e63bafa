//! Functions that look at collections and documents, and at the identities of documents.
//!
//! The compiler hands names of collections over as text.

use super::arguments::{mismatch, null, slice, text};
use super::{Function, FunctionContext, pure, volatile};
use base::names::split_document_id;
use base::{Error, Result, Revision};
use velocypack::{Slice, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    volatile("DOCUMENT", 1, 2, document),
    volatile("COLLECTION_COUNT", 1, 1, |args, cx| Ok(Value::uint(cx.source()?.count(&text(args, 0))?))),
    volatile("COLLECTIONS", 0, 0, collections),
    volatile("CHECK_DOCUMENT", 1, 1, |args, _| Ok(Value::bool(slice(args, 0).is_object()))),
    pure("PARSE_IDENTIFIER", 1, 1, |args, cx| match identity(slice(args, 0)) {
        Some((collection, key)) => Ok(Value::object([("collection", Value::string(collection)), ("key", Value::string(key))])),
        None => mismatch(cx, "PARSE_IDENTIFIER"),
    }),
    pure("PARSE_COLLECTION", 1, 1, |args, cx| match identity(slice(args, 0)) {
        Some((collection, _)) => Ok(Value::string(collection)),
        None => mismatch(cx, "PARSE_COLLECTION"),
    }),
    pure("PARSE_KEY", 1, 1, |args, cx| match identity(slice(args, 0)) {
        Some((_, key)) => Ok(Value::string(key)),
        None => mismatch(cx, "PARSE_KEY"),
    }),
    pure("IS_SAME_COLLECTION", 2, 2, is_same_collection),
    pure("DECODE_REV", 1, 1, decode_rev),
];

/// Collection and key of a document or a document's id.
fn identity(slice: Slice<'_>) -> Option<(&str, &str)> {
    let id = if slice.is_object() { slice.get("_id")? } else { slice };
    split_document_id(id.as_str()?)
}

fn is_same_collection(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some((collection, _)) = identity(slice(args, 1)) else { return mismatch(cx, "IS_SAME_COLLECTION") };
    let wanted = match slice(args, 0) {
        document if document.is_object() => identity(document).map(|(collection, _)| collection),
        name => name.as_str().map(|name| name.split_once('/').map_or(name, |(collection, _)| collection)),
    };
    Ok(Value::bool(wanted == Some(collection)))
}

fn document(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (collection, wanted) = match args {
        [only] => (None, only.as_slice()),
        _ => (slice(args, 0).as_str(), slice(args, 1)),
    };
    if args.len() > 1 && collection.is_none() {
        return null();
    }
    let id_of = |slice: Slice<'_>| full_id(collection, slice);
    if !wanted.is_array() {
        let Some(id) = id_of(wanted) else { return null() };
        return Ok(cx.source()?.document(&id)?.unwrap_or_default());
    }
    let ids: Vec<String> = wanted.elements().filter_map(id_of).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let found = cx.source()?.documents(&ids)?;
    Ok(Value::array(found.into_iter().flatten()))
}

/// The id that an argument of `DOCUMENT` means; `None` if it is none or lies in another collection.
fn full_id(collection: Option<&str>, slice: Slice<'_>) -> Option<String> {
    let id = if slice.is_object() { slice.get("_id")? } else { slice };
    let id = id.as_str()?;
    match (collection, split_document_id(id)) {
        (None, Some(_)) => Some(id.to_owned()),
        (Some(collection), Some((named, _))) => (collection == named).then(|| id.to_owned()),
        (Some(collection), None) if !id.contains('/') => Some(format!("{collection}/{id}")),
        _ => None,
    }
}

fn collections(_: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let mut collections = cx.source()?.collections()?;
    collections.sort();
    let describe = |(name, id): (String, String)| Value::object([("_id", Value::string(&id)), ("name", Value::string(&name))]);
    Ok(Value::array(collections.into_iter().map(describe)))
}

fn decode_rev(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(revision) = slice(args, 0).as_str().and_then(Revision::decode) else { return mismatch(cx, "DECODE_REV") };
    let milliseconds = i64::try_from(revision.0 >> 20).map_err(|_| Error::internal("a revision has 44 bits of time"))?;
    let date = super::dates::iso8601(milliseconds);
    Ok(Value::object([("date", Value::string(&date)), ("count", Value::uint(revision.0 & 0xf_ffff))]))
}
