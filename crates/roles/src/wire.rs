//! Messages between servers: document operations and their results as VelocyPack.
//!
//! Names are single letters because every write travels in this form; `docs/formats.md` lists
//! them. Documents go over the wire as the bytes that are stored. Decoding never trusts the peer:
//! anything malformed becomes an error.

use base::error::StoredIdentity;
use base::{Code, Error, Result, Revision, code};
use database::document::{DocumentOptions, DocumentOutcome, DocumentRequest, DocumentResults, Operation, OverwriteMode};
use database::transaction::TransactionId;
use storage::{ReplicatedKind, ReplicatedOperation};
use velocypack::{Slice, Value};

/// A document request to one shard.
#[derive(Clone, Debug)]
pub struct ShardRequest {
    /// Database.
    pub database: String,
    /// Shard.
    pub shard: String,
    /// Stream transaction it belongs to.
    pub transaction: Option<TransactionId>,
    /// First request of that transaction to this server: the receiver begins it. Otherwise it must
    /// know it, or else writes of it have been lost.
    pub begins: bool,
    /// What to do.
    pub request: DocumentRequest,
}

const RETURN_NEW: u64 = 1;
const RETURN_OLD: u64 = 1 << 1;
const SILENT: u64 = 1 << 2;
const DROP_NULL: u64 = 1 << 3;
const REPLACE_OBJECTS: u64 = 1 << 4;
const COMPARE_REVS: u64 = 1 << 5;
const IS_RESTORE: u64 = 1 << 6;
const SYNC_SET: u64 = 1 << 7;
const SYNC: u64 = 1 << 8;
const BEGINS: u64 = 1 << 9;

/// Error 4 for a message that does not follow this page.
#[must_use]
pub fn malformed(what: &str) -> Error {
    Error::internal(format!("malformed message between servers: {what}"))
}

fn text<'a>(message: Slice<'a>, name: &str) -> Result<&'a str> {
    message.get(name).and_then(|value| value.as_str()).ok_or_else(|| malformed(name))
}

fn number(message: Slice<'_>, name: &str) -> Option<u64> {
    message.get(name).and_then(|value| value.as_u64())
}

impl ShardRequest {
    /// The message.
    #[must_use]
    pub fn encode(&self) -> Value {
        let DocumentRequest { operation, documents, options } = &self.request;
        let mut members: Vec<(&str, Value)> = vec![
            ("d", Value::string(&self.database)),
            ("s", Value::string(&self.shard)),
            ("o", Value::uint(operation_number(*operation))),
            ("f", Value::uint(flags(options) | if self.begins { BEGINS } else { 0 })),
            ("b", Value::array(documents.iter().cloned())),
        ];
        if options.overwrite_mode != OverwriteMode::Conflict {
            members.push(("w", Value::uint(overwrite_number(options.overwrite_mode))));
        }
        if let Some(id) = self.transaction {
            members.push(("t", Value::uint(id.0)));
        }
        if let Some(attribute) = &options.version_attribute {
            members.push(("v", Value::string(attribute)));
        }
        if let Some(rev) = options.if_match {
            members.push(("m", Value::uint(rev.0)));
        }
        if let Some(rev) = options.if_none_match {
            members.push(("n", Value::uint(rev.0)));
        }
        Value::object(members)
    }

    /// Reads the message.
    pub fn decode(message: Slice<'_>) -> Result<Self> {
        let flags = number(message, "f").ok_or_else(|| malformed("f"))?;
        let has = |flag: u64| flags & flag != 0;
        let options = DocumentOptions {
            wait_for_sync: has(SYNC_SET).then_some(has(SYNC)),
            return_new: has(RETURN_NEW),
            return_old: has(RETURN_OLD),
            silent: has(SILENT),
            overwrite_mode: overwrite_mode(number(message, "w").unwrap_or(0))?,
            keep_null: !has(DROP_NULL),
            merge_objects: !has(REPLACE_OBJECTS),
            ignore_revs: !has(COMPARE_REVS),
            is_restore: has(IS_RESTORE),
            version_attribute: message.get("v").and_then(|name| name.as_str()).map(str::to_owned),
            if_match: number(message, "m").map(Revision),
            if_none_match: number(message, "n").map(Revision),
        };
        let documents = message.get("b").ok_or_else(|| malformed("b"))?.elements().map(|document| document.to_value()).collect();
        Ok(Self {
            database: text(message, "d")?.to_owned(),
            shard: text(message, "s")?.to_owned(),
            transaction: number(message, "t").map(TransactionId),
            begins: has(BEGINS),
            request: DocumentRequest { operation: operation(number(message, "o").ok_or_else(|| malformed("o"))?)?, documents, options },
        })
    }
}

fn flags(options: &DocumentOptions) -> u64 {
    [
        (options.return_new, RETURN_NEW),
        (options.return_old, RETURN_OLD),
        (options.silent, SILENT),
        (!options.keep_null, DROP_NULL),
        (!options.merge_objects, REPLACE_OBJECTS),
        (!options.ignore_revs, COMPARE_REVS),
        (options.is_restore, IS_RESTORE),
        (options.wait_for_sync.is_some(), SYNC_SET),
        (options.wait_for_sync == Some(true), SYNC),
    ]
    .into_iter()
    .filter(|(set, _)| *set)
    .fold(0, |flags, (_, flag)| flags | flag)
}

fn operation_number(operation: Operation) -> u64 {
    match operation {
        Operation::Read => 0,
        Operation::Insert => 1,
        Operation::Update => 2,
        Operation::Replace => 3,
        Operation::Remove => 4,
    }
}

fn operation(number: u64) -> Result<Operation> {
    Ok(match number {
        0 => Operation::Read,
        1 => Operation::Insert,
        2 => Operation::Update,
        3 => Operation::Replace,
        4 => Operation::Remove,
        _ => return Err(malformed("operation")),
    })
}

fn overwrite_number(mode: OverwriteMode) -> u64 {
    match mode {
        OverwriteMode::Conflict => 0,
        OverwriteMode::Ignore => 1,
        OverwriteMode::Replace => 2,
        OverwriteMode::Update => 3,
    }
}

fn overwrite_mode(number: u64) -> Result<OverwriteMode> {
    Ok(match number {
        0 => OverwriteMode::Conflict,
        1 => OverwriteMode::Ignore,
        2 => OverwriteMode::Replace,
        3 => OverwriteMode::Update,
        _ => return Err(malformed("overwrite mode")),
    })
}

/// An error as a value: number, message, HTTP status and the stored document's identity.
#[must_use]
pub fn encode_error(error: &Error) -> Value {
    let mut members: Vec<(&str, Value)> = vec![
        ("e", Value::uint(u64::from(error.code().0))),
        ("m", Value::string(error.message())),
        ("s", Value::uint(u64::from(error.http_status()))),
    ];
    if let Some(stored) = &error.stored {
        members.push(("x", Value::array([&stored.id, &stored.key, &stored.rev].map(|part| Value::string(part)))));
    }
    Value::object(members)
}

/// Reads an error; `None` if the value is not one.
#[must_use]
pub fn decode_error(value: Slice<'_>) -> Option<Error> {
    let code = Code(u32::try_from(number(value, "e")?).ok()?);
    let status = number(value, "s").and_then(|status| u16::try_from(status).ok()).filter(|status| (100..600).contains(status));
    let mut error = Error::new(code, text(value, "m").unwrap_or(code.text()).to_owned());
    if let Some(status) = status {
        error = error.status(status);
    }
    if let Some(stored) = value.get("x") {
        let part = |at: usize| stored.at(at).and_then(|part| part.as_str()).unwrap_or_default().to_owned();
        error = error.stored(StoredIdentity { id: part(0), key: part(1), rev: part(2) });
    }
    Some(error)
}

/// Results of a document request as a value.
#[must_use]
pub fn encode_results(results: &DocumentResults) -> Value {
    let items = results.items.iter().map(|item| match item {
        Ok(outcome) => encode_outcome(outcome),
        Err(error) => encode_error(error),
    });
    Value::object([("y", Value::bool(results.synced)), ("i", Value::array(items))])
}

fn encode_outcome(outcome: &DocumentOutcome) -> Value {
    let mut members: Vec<(&str, Value)> =
        vec![("k", Value::string(&outcome.key)), ("i", Value::string(&outcome.id)), ("r", Value::uint(outcome.rev.0))];
    if let Some(rev) = outcome.old_rev {
        members.push(("o", Value::uint(rev.0)));
    }
    if let Some(document) = &outcome.new {
        members.push(("n", document.clone()));
    }
    if let Some(document) = &outcome.old {
        members.push(("p", document.clone()));
    }
    Value::object(members)
}

/// Reads results.
pub fn decode_results(message: Slice<'_>) -> Result<DocumentResults> {
    let items = message.get("i").ok_or_else(|| malformed("i"))?.elements().map(decode_item).collect::<Result<Vec<_>>>()?;
    Ok(DocumentResults { items, synced: message.get("y").and_then(|flag| flag.as_bool()).unwrap_or(false) })
}

fn decode_item(item: Slice<'_>) -> Result<Result<DocumentOutcome>> {
    if let Some(error) = decode_error(item) {
        return Ok(Err(error));
    }
    Ok(Ok(DocumentOutcome {
        key: text(item, "k")?.to_owned(),
        id: text(item, "i")?.to_owned(),
        rev: Revision(number(item, "r").ok_or_else(|| malformed("r"))?),
        old_rev: number(item, "o").map(Revision),
        new: item.get("n").map(|document| document.to_value()),
        old: item.get("p").map(|document| document.to_value()),
    }))
}

/// Replicated operations as a value: `[[database, shard, key, document | revision], …]`; a
/// truncation has no key.
#[must_use]
pub fn encode_operations<'a>(operations: impl IntoIterator<Item = &'a ReplicatedOperation>) -> Value {
    Value::array(operations.into_iter().map(|operation| {
        let mut parts = vec![Value::string(&operation.database), Value::string(&operation.collection)];
        match &operation.kind {
            ReplicatedKind::Put { key, document } => parts.extend([Value::string(key), document.clone()]),
            ReplicatedKind::Remove { key, rev } => parts.extend([Value::string(key), Value::uint(rev.0)]),
            ReplicatedKind::Truncate => {}
        }
        Value::array(parts)
    }))
}

/// Reads replicated operations.
pub fn decode_operations(message: Slice<'_>) -> Result<Vec<ReplicatedOperation>> {
    message.elements().map(decode_operation).collect()
}

fn decode_operation(parts: Slice<'_>) -> Result<ReplicatedOperation> {
    let string = |at: usize| parts.at(at).and_then(|part| part.as_str()).map(str::to_owned).ok_or_else(|| malformed("operation"));
    let kind = match (parts.len(), parts.at(3)) {
        (2, None) => ReplicatedKind::Truncate,
        (4, Some(document)) if document.is_object() => ReplicatedKind::Put { key: string(2)?, document: document.to_value() },
        (4, Some(rev)) => {
            let rev = rev.as_u64().map(Revision).ok_or_else(|| malformed("revision"))?;
            ReplicatedKind::Remove { key: string(2)?, rev }
        }
        _ => return Err(malformed("operation")),
    };
    Ok(ReplicatedOperation { database: string(0)?.into(), collection: string(1)?.into(), kind })
}

/// Err with the error that a peer's answer carries.
pub fn check_answer(status: u16, body: &[u8]) -> Result<()> {
    if status < 400 {
        return Ok(());
    }
    let text = || format!("a server of the cluster answered with status {status} and no message");
    let value = Value::from_bytes(body).map_err(|_| Error::new(code::CLUSTER_BACKEND_UNAVAILABLE, text()))?;
    Err(decode_error(value.as_slice()).unwrap_or_else(|| Error::new(code::CLUSTER_BACKEND_UNAVAILABLE, text())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_round_trips() {
        let options = DocumentOptions {
            wait_for_sync: Some(false),
            return_old: true,
            keep_null: false,
            overwrite_mode: OverwriteMode::Update,
            if_match: Some(Revision(7)),
            version_attribute: Some("v".into()),
            ..DocumentOptions::default()
        };
        let documents = vec![Value::object([("_key", Value::string("k"))])];
        let request = ShardRequest {
            database: "d".into(),
            shard: "s1".into(),
            transaction: Some(TransactionId(12)),
            begins: true,
            request: DocumentRequest { operation: Operation::Insert, documents, options },
        };
        let decoded = ShardRequest::decode(request.encode().as_slice()).unwrap();
        assert_eq!(format!("{decoded:?}"), format!("{request:?}"));
    }

    #[test]
    fn results_keep_errors_with_their_identity() {
        let stored = StoredIdentity { id: "c/k".into(), key: "k".into(), rev: "_x".into() };
        let error = Error::from(code::ARANGO_CONFLICT).status(412).stored(stored);
        let outcome =
            DocumentOutcome { key: "k".into(), id: "c/k".into(), rev: Revision(3), old_rev: None, new: Some(Value::int(1)), old: None };
        let results = DocumentResults { items: vec![Ok(outcome), Err(error.clone())], synced: true };
        let decoded = decode_results(encode_results(&results).as_slice()).unwrap();
        assert!(decoded.synced);
        assert_eq!(decoded.items[0].as_ref().unwrap().new, Some(Value::int(1)));
        assert_eq!(decoded.items[1].as_ref().unwrap_err(), &error);
        assert_eq!(decoded.items[1].as_ref().unwrap_err().http_status(), 412);
    }

    #[test]
    fn operations_round_trip_and_garbage_is_refused() {
        let operation = |kind| ReplicatedOperation { database: "d".into(), collection: "s1".into(), kind };
        let document = Value::object([("_key", Value::string("k"))]);
        let operations = [
            operation(ReplicatedKind::Put { key: "k".into(), document }),
            operation(ReplicatedKind::Remove { key: "k".into(), rev: Revision(9) }),
            operation(ReplicatedKind::Truncate),
        ];
        let decoded = decode_operations(encode_operations(&operations).as_slice()).unwrap();
        assert_eq!(format!("{decoded:?}"), format!("{operations:?}"));
        assert!(decode_operations(Value::array([Value::array([Value::int(1)])]).as_slice()).is_err());
    }
}
