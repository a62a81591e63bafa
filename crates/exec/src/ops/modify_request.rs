//! From rows to the documents and options of a [`DocumentRequest`], shared by `Modify` and
//! `Upsert`.

use aql::plan::{ModifyKind, ModifyOptions};
use base::{Error, Result, code};
use database::document::{DocumentOptions, DocumentRequest, Operation, OverwriteMode};
use velocypack::{Slice, Value};

/// Which of `OLD` and `NEW` are read later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) old: bool,
    pub(crate) new: bool,
}

/// A request that writes `documents`.
pub(crate) fn request(kind: ModifyKind, options: &ModifyOptions, wanted: Wanted, documents: Vec<Value>) -> DocumentRequest {
    let operation = match kind {
        ModifyKind::Insert => Operation::Insert,
        ModifyKind::Update => Operation::Update,
        ModifyKind::Replace => Operation::Replace,
        ModifyKind::Remove => Operation::Remove,
    };
    let overwrite_mode = match options.overwrite_mode.as_str() {
        "ignore" => OverwriteMode::Ignore,
        "replace" => OverwriteMode::Replace,
        "update" => OverwriteMode::Update,
        _ => OverwriteMode::Conflict,
    };
    let options = DocumentOptions {
        wait_for_sync: options.wait_for_sync.then_some(true),
        return_new: wanted.new,
        return_old: wanted.old,
        silent: !wanted.new && !wanted.old,
        overwrite_mode,
        keep_null: options.keep_null,
        merge_objects: options.merge_objects,
        ignore_revs: options.ignore_revs,
        version_attribute: options.version_attribute.clone(),
        ..DocumentOptions::default()
    };
    DocumentRequest { operation, documents, options }
}

/// The document to send for a row.
pub(crate) fn document(kind: ModifyKind, options: &ModifyOptions, document: Slice<'_>, key: Option<Slice<'_>>) -> Result<Value> {
    match kind {
        ModifyKind::Insert if document.is_object() => Ok(document.to_value()),
        ModifyKind::Remove => selector(options, key.unwrap_or(document)),
        _ if !document.is_object() => Err(Error::from(code::ARANGO_DOCUMENT_TYPE_INVALID)),
        ModifyKind::Insert => Ok(document.to_value()),
        ModifyKind::Update | ModifyKind::Replace => {
            let holder = key.unwrap_or(document);
            let mut members = vec![("_key", key_of(holder)?)];
            if let Some(rev) = holder.get("_rev").filter(|_| !options.ignore_revs && holder.is_object()) {
                members.push(("_rev", rev.to_value()));
            }
            let rest = document.entries().filter(|(name, _)| !matches!(*name, "_key" | "_rev" | "_id"));
            Ok(Value::object(members.into_iter().chain(rest.map(|(name, value)| (name, value.to_value())))))
        }
    }
}

/// What a removal sends: the key alone, with the revision if it counts.
fn selector(options: &ModifyOptions, holder: Slice<'_>) -> Result<Value> {
    let key = key_of(holder)?;
    match holder.is_object().then(|| holder.get("_rev")).flatten() {
        Some(rev) if !options.ignore_revs => Ok(Value::object([("_key", key), ("_rev", rev.to_value())])),
        _ => Ok(Value::object([("_key", key)])),
    }
}

/// The key that a string or a document names.
fn key_of(holder: Slice<'_>) -> Result<Value> {
    if let Some(text) = holder.as_str() {
        return Ok(Value::string(text.split_once('/').map_or(text, |(_, key)| key)));
    }
    if !holder.is_object() {
        return Err(Error::from(code::ARANGO_DOCUMENT_TYPE_INVALID));
    }
    if let Some(key) = holder.get("_key") {
        return match key.as_str() {
            Some(_) => Ok(key.to_value()),
            None => Err(Error::from(code::ARANGO_DOCUMENT_KEY_BAD)),
        };
    }
    match holder.get("_id").and_then(|id| id.as_str()).and_then(|id| id.split_once('/')) {
        Some((_, key)) => Ok(Value::string(key)),
        None => Err(Error::from(code::ARANGO_DOCUMENT_KEY_MISSING)),
    }
}
