//! `POST /_api/import`: many documents from one body, in three formats, with a report.
//!
//! Limit: documents are handed on in bounded batches.

mod format;

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::Context;
use database::catalog::CollectionType;
use database::context::Access;
use database::document::{DocumentOptions, DocumentRequest, Operation, OverwriteMode};
use database::transaction::TransactionOptions;
use format::Entry;
use rt::http::Method;
use serde_json::json;
use velocypack::{Slice, Value};

/// Most documents handed on at once.
const BATCH_DOCUMENTS: usize = 2000;
/// Most bytes of an offending document in the report.
const SHOWN_BYTES: usize = 400;

#[derive(Default)]
struct Report {
    created: u64,
    errors: u64,
    empty: u64,
    updated: u64,
    ignored: u64,
    details: Vec<String>,
}

/// A document that is ready to be stored.
struct Ready {
    position: usize,
    document: Value,
}

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    if *call.method() != Method::POST || !matches!(parts, [] | ["json"]) {
        return call.method_not_allowed();
    }
    let name = call.parameter("collection").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Error::from(code::ARANGO_COLLECTION_PARAMETER_MISSING).status(400))?;
    call.need_collection(name, Access::Write)?;
    let collection = call.backend().collection(&call.cx, &call.database, name).await?;
    let mut report = Report::default();
    let ready = prepare(call, collection.kind == CollectionType::Edge, &mut report)?;
    if call.flag("complete") {
        store_all_or_nothing(call, &collection.name, &ready, &mut report).await?;
    } else {
        if call.flag("overwrite") {
            call.backend().truncate(&call.cx, &call.database, name).await?;
        }
        store(call, &call.cx, &collection.name, &ready, &mut report).await?;
    }
    Ok(shape(call, report))
}

fn shape(call: &Call, report: Report) -> Reply {
    let mut out = json!({"error": false, "created": report.created, "errors": report.errors, "empty": report.empty,
        "updated": report.updated, "ignored": report.ignored});
    if call.flag("details") {
        out["details"] = report.details.into();
    }
    Reply::tree(201, out)
}

/// Reads the body, completes edges and sorts out what cannot be stored.
fn prepare(call: &Call, is_edge: bool, report: &mut Report) -> Result<Vec<Ready>> {
    let entries = format::read(&call.request.body, call.parameter("type").unwrap_or_default(), call.flag("ignoreMissing"))?;
    let complete = call.flag("complete");
    let mut ready = Vec::with_capacity(entries.len());
    for (at, entry) in entries.into_iter().enumerate() {
        let refused = match entry {
            Entry::Empty => {
                report.empty += 1;
                continue;
            }
            Entry::Broken(error) => error,
            Entry::Document(document) => match completed(call, is_edge, document) {
                Ok(document) => {
                    ready.push(Ready { position: ready.len(), document });
                    continue;
                }
                Err(error) => error,
            },
        };
        if complete {
            return Err(Error::bad_parameter(format!("at position {}: {refused}", at + 1)));
        }
        report.errors += 1;
        report.details.push(format!("at position {}: {refused}", at + 1));
    }
    Ok(ready)
}

/// An edge with the prefixes added to `_from` and `_to`; other documents as they are.
fn completed(call: &Call, is_edge: bool, document: Value) -> Result<Value, String> {
    let slice = document.as_slice();
    if !slice.is_object() {
        return Err(format!("invalid JSON type (expecting object), offending context: {}", shown(slice)));
    }
    if !is_edge {
        return Ok(document);
    }
    let missing = || format!("missing '_from' or '_to' attribute, offending document: {}", shown(slice));
    let overwrite = call.flag("overwriteCollectionPrefix");
    let end = |attribute: &str, prefix: &str| {
        slice.get(attribute).and_then(Slice::as_str).map(|id| prefixed(id, call.parameter(prefix), overwrite)).ok_or_else(missing)
    };
    let (from, to) = (end("_from", "fromPrefix")?, end("_to", "toPrefix")?);
    if slice.get("_from").and_then(Slice::as_str) == Some(from.as_str()) && slice.get("_to").and_then(Slice::as_str) == Some(to.as_str()) {
        return Ok(document);
    }
    let others = slice.entries().filter(|(name, _)| !matches!(*name, "_from" | "_to")).map(|(name, value)| (name, value.to_value()));
    let ends = [("_from", Value::string(&from)), ("_to", Value::string(&to))];
    Ok(Value::object(others.chain(ends)))
}

/// Puts `prefix/` before a key, or (if asked to) in place of the collection of an id.
fn prefixed(id: &str, prefix: Option<&str>, overwrite: bool) -> String {
    let Some(prefix) = prefix.map(|prefix| prefix.trim_end_matches('/')).filter(|prefix| !prefix.is_empty()) else {
        return id.to_owned();
    };
    match id.split_once('/') {
        Some((_, key)) if overwrite => format!("{prefix}/{key}"),
        Some(_) => id.to_owned(),
        None => format!("{prefix}/{id}"),
    }
}

fn shown(document: Slice<'_>) -> String {
    let mut text = document.to_json();
    if text.len() > SHOWN_BYTES {
        let end = (0..=SHOWN_BYTES).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

fn options(call: &Call) -> Result<DocumentOptions> {
    let overwrite_mode = match call.parameter("onDuplicate") {
        None | Some("error" | "") => OverwriteMode::Conflict,
        Some("update") => OverwriteMode::Update,
        Some("replace") => OverwriteMode::Replace,
        Some("ignore") => OverwriteMode::Ignore,
        Some(other) => return Err(Error::bad_parameter(format!("invalid value '{other}' of 'onDuplicate'"))),
    };
    Ok(DocumentOptions {
        wait_for_sync: call.parameter("waitForSync").map(crate::call::is_true),
        // Tells what was ignored from what was stored.
        return_new: overwrite_mode == OverwriteMode::Ignore,
        overwrite_mode,
        ..DocumentOptions::default()
    })
}

async fn store(call: &Call, cx: &Context, collection: &str, ready: &[Ready], report: &mut Report) -> Result<()> {
    let options = options(call)?;
    let ignores = options.overwrite_mode == OverwriteMode::Ignore;
    for batch in ready.chunks(BATCH_DOCUMENTS) {
        let documents = batch.iter().map(|ready| ready.document.clone()).collect();
        let request = DocumentRequest { operation: Operation::Insert, documents, options: options.clone() };
        let results = call.backend().documents(cx, &call.database, collection, request).await?;
        for (given, item) in batch.iter().zip(results.items) {
            match item {
                Ok(outcome) if outcome.old_rev.is_some() => report.updated += 1,
                // An ignored insert succeeds, but there is no new document.
                Ok(outcome) if ignores && outcome.new.is_none() => report.ignored += 1,
                Ok(_) => report.created += 1,
                Err(error) if call.flag("complete") => return Err(error),
                Err(error) => {
                    report.errors += 1;
                    let (position, shown) = (given.position, shown(given.document.as_slice()));
                    let text = error.code().text();
                    report
                        .details
                        .push(format!("at position {position}: creating document failed with error '{text}', offending document: {shown}"));
                }
            }
        }
    }
    Ok(())
}

async fn store_all_or_nothing(call: &Call, collection: &str, ready: &[Ready], report: &mut Report) -> Result<()> {
    let options = TransactionOptions {
        exclusive: vec![collection.to_owned()],
        wait_for_sync: call.flag("waitForSync"),
        ..TransactionOptions::default()
    };
    let transaction = call.backend().begin(&call.cx, &call.database, options).await?;
    let cx = Context { transaction: Some(transaction), ..call.cx.clone() };
    let stored = async {
        if call.flag("overwrite") {
            call.backend().truncate(&cx, &call.database, collection).await?;
        }
        store(call, &cx, collection, ready, report).await
    };
    match stored.await {
        Ok(()) => call.backend().commit(&call.cx, &call.database, transaction).await,
        Err(error) => {
            if let Err(fault) = call.backend().abort(&call.cx, &call.database, transaction).await {
                tracing::warn!("cannot abort transaction {transaction}: {fault}");
            }
            // Compat: the report of a failed complete import is the bare error.
            Err(Error::from(error.code()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert_eq!(prefixed("k", Some("c/"), false), "c/k");
        assert_eq!(prefixed("d/k", Some("c"), false), "d/k");
        assert_eq!(prefixed("d/k", Some("c"), true), "c/k");
        assert_eq!(prefixed("k", None, true), "k");
    }
}
