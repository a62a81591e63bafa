//! `/_api/document`: single documents and arrays of them.
//!
//! Bodies are parsed once, to VelocyPack, and travel on as they are.

use crate::call::Call;
use crate::emit::Emit;
use crate::reply::{Format, Reply};
use base::{Error, Result, code};
use database::context::Access;
use database::document::{DocumentOptions, DocumentOutcome, DocumentRequest, DocumentResults, Operation, OverwriteMode};
use rt::http::{HeaderName, Method, header};
use std::collections::BTreeMap;
use velocypack::{Slice, Value};

const ERROR_CODES: HeaderName = HeaderName::from_static("x-arango-error-codes");

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::GET | &Method::HEAD, [collection, key]) => read(call, collection, key).await,
        (&Method::POST, [collection]) => insert(call, collection).await,
        (&Method::POST, []) => insert(call, call.required("collection")?).await,
        (&Method::PUT, [collection]) if call.flag("onlyget") => read_many(call, collection).await,
        (&Method::PUT, [collection]) => write_many(call, collection, Operation::Replace).await,
        (&Method::PUT, []) => write_many(call, call.required("collection")?, Operation::Replace).await,
        (&Method::PUT, [collection, key]) => change(call, collection, key, Operation::Replace).await,
        (&Method::PATCH, [collection]) => write_many(call, collection, Operation::Update).await,
        (&Method::PATCH, []) => write_many(call, call.required("collection")?, Operation::Update).await,
        (&Method::PATCH, [collection, key]) => change(call, collection, key, Operation::Update).await,
        (&Method::DELETE, [collection]) => write_many(call, collection, Operation::Remove).await,
        (&Method::DELETE, [collection, key]) => remove(call, collection, key).await,
        (&Method::GET | &Method::POST | &Method::PUT | &Method::PATCH | &Method::DELETE, _) => {
            Err(Error::new(code::HTTP_SUPERFLUOUS_SUFFICES, "expecting /_api/document/<collection> or /_api/document/<collection>/<key>"))
        }
        _ => call.method_not_allowed(),
    }
}

/// The options in the query of a request.
pub fn options(call: &Call) -> Result<DocumentOptions> {
    let overwrite_mode = match call.parameter("overwriteMode") {
        None if call.flag("overwrite") => OverwriteMode::Replace,
        None | Some("conflict" | "") => OverwriteMode::Conflict,
        Some("ignore") => OverwriteMode::Ignore,
        Some("replace") => OverwriteMode::Replace,
        Some("update") => OverwriteMode::Update,
        Some(other) => return Err(Error::bad_parameter(format!("invalid overwriteMode '{other}'"))),
    };
    Ok(DocumentOptions {
        wait_for_sync: call.parameter("waitForSync").map(crate::call::is_true),
        return_new: call.flag("returnNew"),
        return_old: call.flag("returnOld"),
        silent: call.flag("silent"),
        overwrite_mode,
        keep_null: call.flag_or("keepNull", true),
        merge_objects: call.flag_or("mergeObjects", true),
        ignore_revs: call.flag_or("ignoreRevs", true),
        is_restore: call.flag("isRestore") && call.identity.superuser,
        version_attribute: call.parameter("versionAttribute").filter(|name| !name.is_empty()).map(str::to_owned),
        if_match: None,
        if_none_match: None,
    })
}

/// Carries out one operation on one document.
pub async fn single(
    call: &Call,
    collection: &str,
    operation: Operation,
    document: Value,
    options: DocumentOptions,
) -> Result<(DocumentOutcome, bool)> {
    let request = DocumentRequest { operation, documents: vec![document], options };
    let results = call.backend().documents(&call.cx, &call.database, collection, request).await?;
    match results.items.into_iter().next() {
        Some(outcome) => Ok((outcome?, results.synced)),
        None => Err(Error::internal("no outcome of a single operation")),
    }
}

/// `{_key}` for reads and removals.
pub fn selector(key: &str) -> Value {
    Value::object([("_key", Value::string(key))])
}

/// A body with the path's key instead of its own `_key` and `_id`.
pub fn with_key(body: Slice<'_>, key: &str) -> Result<Value> {
    if !body.is_object() {
        return Err(Error::from(code::ARANGO_DOCUMENT_TYPE_INVALID));
    }
    let mut builder = velocypack::Builder::with_capacity(body.byte_len() + key.len() + 16);
    builder.open_object();
    builder.key("_key").string(key);
    for (name, value) in body.entries().filter(|(name, _)| !matches!(*name, "_key" | "_id")) {
        builder.key(name).add(value);
    }
    builder.close();
    builder.finish().map_err(|error| Error::internal(error.to_string()))
}

async fn read(call: &Call, collection: &str, key: &str) -> Result<Reply> {
    call.need_collection(collection, Access::Read)?;
    let wanted = call.if_none_match();
    let options = DocumentOptions { if_match: call.if_match(), if_none_match: wanted, ..DocumentOptions::default() };
    let (outcome, _) = single(call, collection, Operation::Read, selector(key), options).await?;
    let etag = format!("\"{}\"", outcome.rev.encode());
    match outcome.new {
        Some(document) if wanted != Some(outcome.rev) => Ok(Reply::value(200, document).header(header::ETAG, &etag)),
        _ => Ok(Reply::empty(304).header(header::ETAG, &etag)),
    }
}

async fn insert(call: &Call, collection: &str) -> Result<Reply> {
    call.need_collection(collection, Access::Write)?;
    let body = call.body()?;
    if body.as_slice().is_array() {
        return many(call, collection, Operation::Insert, &body).await;
    }
    let (outcome, synced) = single(call, collection, Operation::Insert, body, options(call)?).await?;
    written(call, collection, &outcome, if synced { 201 } else { 202 })
}

async fn change(call: &Call, collection: &str, key: &str, operation: Operation) -> Result<Reply> {
    call.need_collection(collection, Access::Write)?;
    let body = call.body()?;
    let options = DocumentOptions { if_match: call.if_match(), ..options(call)? };
    let (outcome, synced) = single(call, collection, operation, with_key(body.as_slice(), key)?, options).await?;
    written(call, collection, &outcome, if synced { 201 } else { 202 })
}

async fn remove(call: &Call, collection: &str, key: &str) -> Result<Reply> {
    call.need_collection(collection, Access::Write)?;
    let options = DocumentOptions { if_match: call.if_match(), ..options(call)? };
    let (outcome, synced) = single(call, collection, Operation::Remove, selector(key), options).await?;
    written(call, collection, &outcome, if synced { 200 } else { 202 })
}

/// The answer to a written document.
fn written(call: &Call, collection: &str, outcome: &DocumentOutcome, status: u16) -> Result<Reply> {
    let mut emit = Emit::new(call.format);
    if call.flag("silent") {
        emit.open_object();
        emit.close_object();
    } else {
        emit_outcome(&mut emit, outcome);
    }
    let location = format!("/_db/{}/_api/document/{}/{}", call.database, collection, outcome.key);
    let reply = Reply::emitted(status, emit)?.header(header::ETAG, &format!("\"{}\"", outcome.rev.encode()));
    Ok(reply.header(header::LOCATION, &location))
}

async fn read_many(call: &Call, collection: &str) -> Result<Reply> {
    call.need_collection(collection, Access::Read)?;
    let request = DocumentRequest { operation: Operation::Read, documents: members(&call.body()?)?, options: options(call)? };
    let results = call.backend().documents(&call.cx, &call.database, collection, request).await?;
    let mut emit = Emit::new(call.format);
    emit.open_array();
    for item in &results.items {
        match item {
            Ok(DocumentOutcome { new: Some(document), .. }) => emit.slice(document.as_slice()),
            Ok(outcome) => emit_outcome(&mut emit, outcome),
            Err(error) => emit_error(&mut emit, error),
        }
    }
    emit.close_array();
    Ok(with_error_codes(Reply::emitted(200, emit)?, &results))
}

/// Replace, update or remove by a body that lists the documents. An object stands for itself.
async fn write_many(call: &Call, collection: &str, operation: Operation) -> Result<Reply> {
    call.need_collection(collection, Access::Write)?;
    let body = call.body()?;
    if body.as_slice().is_array() {
        return many(call, collection, operation, &body).await;
    }
    // Compat: drivers delete a document given as an object (or a string) without key in the path.
    if operation != Operation::Remove && !body.as_slice().is_object() {
        return Err(Error::new(code::TYPE_ERROR, "expecting a JSON array or object in the request body"));
    }
    let (outcome, synced) = single(call, collection, operation, body, options(call)?).await?;
    written(call, collection, &outcome, status(operation, synced))
}

async fn many(call: &Call, collection: &str, operation: Operation, body: &Value) -> Result<Reply> {
    let options = options(call)?;
    let silent = options.silent;
    let request = DocumentRequest { operation, documents: members(body)?, options };
    let results = call.backend().documents(&call.cx, &call.database, collection, request).await?;
    let succeeded = results.items.iter().any(Result::is_ok);
    let reply = Reply::emitted(status(operation, results.synced && succeeded), emit_many(call.format, &results, silent))?;
    Ok(with_error_codes(reply, &results))
}

/// Compat: a silent request that went well answers with an empty object.
fn emit_many(format: Format, results: &DocumentResults, silent: bool) -> Emit {
    let mut emit = Emit::new(format);
    if silent && results.items.iter().all(Result::is_ok) {
        emit.open_object();
        emit.close_object();
        return emit;
    }
    emit.open_array();
    for item in &results.items {
        match item {
            Ok(_) if silent => {}
            Ok(outcome) => emit_outcome(&mut emit, outcome),
            Err(error) => emit_error(&mut emit, error),
        }
    }
    emit.close_array();
    emit
}

fn status(operation: Operation, synced: bool) -> u16 {
    match (operation, synced) {
        (_, false) => 202,
        (Operation::Remove | Operation::Read, true) => 200,
        (Operation::Insert | Operation::Update | Operation::Replace, true) => 201,
    }
}

fn members(body: &Value) -> Result<Vec<Value>> {
    if !body.as_slice().is_array() {
        return Err(Error::new(code::TYPE_ERROR, "expecting a JSON array in the request body"));
    }
    Ok(body.as_slice().elements().map(Slice::to_value).collect())
}

/// Writes `{_id, _key, _rev, _oldRev?, old?, new?}`.
pub fn emit_outcome(emit: &mut Emit, outcome: &DocumentOutcome) {
    emit.open_object();
    emit.key("_id");
    emit.string(&outcome.id);
    emit.key("_key");
    emit.string(&outcome.key);
    emit.key("_rev");
    emit.string(&outcome.rev.encode());
    if let Some(old_rev) = outcome.old_rev {
        emit.key("_oldRev");
        emit.string(&old_rev.encode());
    }
    for (name, document) in [("old", &outcome.old), ("new", &outcome.new)] {
        if let Some(document) = document {
            emit.key(name);
            emit.slice(document.as_slice());
        }
    }
    emit.close_object();
}

fn emit_error(emit: &mut Emit, error: &Error) {
    emit.open_object();
    emit.key("error");
    emit.bool(true);
    emit.key("errorNum");
    emit.uint(error.code().0.into());
    emit.key("errorMessage");
    emit.string(error.message());
    emit.close_object();
}

fn with_error_codes(reply: Reply, results: &DocumentResults) -> Reply {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for error in results.items.iter().filter_map(|item| item.as_ref().err()) {
        *counts.entry(error.code().0).or_default() += 1;
    }
    if counts.is_empty() {
        return reply;
    }
    let counts: Vec<String> = counts.iter().map(|(number, count)| format!("\"{number}\":{count}")).collect();
    reply.header(ERROR_CODES, &format!("{{{}}}", counts.join(",")))
}
