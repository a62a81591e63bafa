//! Document operations: what `_key`, `_rev`, preconditions and options mean.
//!
//! Each item is decided completely before anything of it is written, so an item that fails leaves no
//! trace. Invariant: a stored document begins with `_key`, `_id`, `_rev` (and in edge collections
//! `_from`, `_to`), each exactly once.

use crate::collection::{LocalCollection, Shape};
use crate::engine::Family;
use crate::index::unique_violation;
use crate::key_generator::{self, Numbers};
use crate::keys;
use crate::locks::Mode;
use crate::replication::ReplicatedKind;
use crate::transaction::{Authority, Change, Transaction};
use base::error::StoredIdentity;
use base::{Error, Result, Revision, code, names};
use database::catalog::Index;
use database::document::{DocumentOptions, DocumentOutcome, DocumentRequest, DocumentResults, Operation, OverwriteMode};
use std::sync::Arc;
use velocypack::{Slice, Value};

/// Limit: how many generated keys may be taken already before the insert gives up.
const KEY_ATTEMPTS_MAX: usize = 100;

/// A collection that is being written to.
struct Target<'a> {
    collection: &'a Arc<LocalCollection>,
    shape: Arc<Shape>,
    options: &'a DocumentOptions,
}

/// The document an operation is about.
struct Selector<'a> {
    key: &'a str,
    /// `_rev` of the body.
    rev: Option<&'a str>,
}

impl Transaction {
    /// Carries out document operations in their order. The error of an item leaves no trace of that
    /// item; an error of the whole (unknown collection, lock) means that nothing was done.
    pub fn documents(&mut self, collection: &Arc<LocalCollection>, request: DocumentRequest) -> Result<DocumentResults> {
        if request.operation == Operation::Read {
            return self.read_documents(collection, &request);
        }
        self.lock_collection(collection, Mode::Shared)?;
        let target = Target { collection, shape: collection.shape(), options: &request.options };
        let mut items = Vec::with_capacity(request.documents.len());
        for document in &request.documents {
            let savepoint = self.savepoint();
            let outcome = match request.operation {
                Operation::Insert => self.insert(&target, document.as_slice()),
                Operation::Update | Operation::Replace => self.modify(&target, document.as_slice(), request.operation),
                Operation::Remove | Operation::Read => self.remove(&target, document.as_slice()),
            };
            if outcome.is_err() {
                self.roll_back_locks(savepoint);
            }
            items.push(outcome);
        }
        let synced = request.options.wait_for_sync.unwrap_or(false) || target.shape.info.wait_for_sync;
        Ok(DocumentResults { items, synced })
    }

    fn read_documents(&mut self, collection: &Arc<LocalCollection>, request: &DocumentRequest) -> Result<DocumentResults> {
        collection.check_alive()?;
        let target = Target { collection, shape: collection.shape(), options: &request.options };
        let read = |document: &Value| {
            let selector = target.selector(document.as_slice())?;
            let found = self.get(collection, selector.key)?.ok_or_else(|| Error::from(code::ARANGO_DOCUMENT_NOT_FOUND))?;
            let rev = revision_of(found.as_slice());
            target.check_precondition(&selector, rev)?;
            Ok(target.outcome(selector.key, rev, None, Some(found), None))
        };
        Ok(DocumentResults { items: request.documents.iter().map(read).collect(), synced: true })
    }

    fn insert(&mut self, target: &Target<'_>, body: Slice<'_>) -> Result<DocumentOutcome> {
        if !body.is_object() {
            return Err(Error::from(code::ARANGO_DOCUMENT_TYPE_INVALID));
        }
        target.check_edge(body)?;
        let Some(wanted) = body.get("_key") else {
            let key = self.free_key(target)?;
            return self.put_new(target, &key, body);
        };
        let key = wanted.as_str().filter(|key| names::is_document_key(key)).ok_or_else(|| Error::from(code::ARANGO_DOCUMENT_KEY_BAD))?;
        if !target.shape.info.key_options.allow_user_keys && !target.options.is_restore {
            return Err(Error::new(code::ARANGO_DOCUMENT_KEY_UNEXPECTED, "collection does not allow using user-defined keys"));
        }
        self.lock_key(target.collection, key)?;
        match self.latest(Family::Documents, &keys::document(target.collection.object_id(), key))? {
            None => {
                key_generator::note(&target.shape.info.key_options, &target.collection.counter, key);
                self.put_new(target, key, body)
            }
            Some(stored) => self.insert_over(target, key, body, &stored),
        }
    }

    fn insert_over(&mut self, target: &Target<'_>, key: &str, body: Slice<'_>, stored: &[u8]) -> Result<DocumentOutcome> {
        if matches!(target.options.overwrite_mode, OverwriteMode::Replace | OverwriteMode::Update) {
            self.check_unchanged(&keys::document(target.collection.object_id(), key), Some(stored))?;
        }
        match target.options.overwrite_mode {
            OverwriteMode::Conflict => Err(unique_violation(&Index::primary(), key)),
            OverwriteMode::Ignore => {
                let old = target.shape.document(stored);
                let rev = revision_of(old.as_slice());
                let kept = target.options.return_old.then_some(old);
                Ok(target.outcome(key, rev, None, None, kept))
            }
            OverwriteMode::Replace => self.put_changed(target, key, body, stored, Operation::Replace),
            OverwriteMode::Update => self.put_changed(target, key, body, stored, Operation::Update),
        }
    }

    fn modify(&mut self, target: &Target<'_>, body: Slice<'_>, operation: Operation) -> Result<DocumentOutcome> {
        if !body.is_object() {
            return Err(Error::from(code::ARANGO_DOCUMENT_TYPE_INVALID));
        }
        let selector = target.selector(body)?;
        let stored = self.lock_existing(target, &selector)?;
        if operation == Operation::Replace {
            target.check_edge(body)?;
        }
        self.put_changed(target, selector.key, body, &stored, operation)
    }

    fn remove(&mut self, target: &Target<'_>, selector: Slice<'_>) -> Result<DocumentOutcome> {
        let selector = target.selector(selector)?;
        let stored = self.lock_existing(target, &selector)?;
        let old = target.shape.document(&stored);
        let rev = revision_of(old.as_slice());
        let mut changes = self.index_changes(&target.shape, selector.key, Some(old.as_slice()), None, Authority::Leader)?;
        changes.push(Change { family: Family::Documents, key: keys::document(target.collection.object_id(), selector.key), value: None });
        self.check_size(changes_size(&changes))?;
        self.apply(target.collection, &changes, -1, ReplicatedKind::Remove { key: selector.key.to_owned(), rev });
        let old = target.options.return_old.then_some(old);
        Ok(target.outcome(selector.key, rev, None, None, old))
    }

    /// Locks a stored document and checks the preconditions.
    fn lock_existing(&mut self, target: &Target<'_>, selector: &Selector<'_>) -> Result<Vec<u8>> {
        self.lock_key(target.collection, selector.key)?;
        let key = keys::document(target.collection.object_id(), selector.key);
        let stored = self.latest(Family::Documents, &key)?;
        self.check_unchanged(&key, stored.as_deref())?;
        let stored = stored.ok_or_else(|| Error::from(code::ARANGO_DOCUMENT_NOT_FOUND))?;
        target.check_precondition(selector, revision_of(Slice::new(&stored)))?;
        Ok(stored)
    }

    /// A generated key that is locked and free.
    fn free_key(&mut self, target: &Target<'_>) -> Result<String> {
        for _ in 0..KEY_ATTEMPTS_MAX {
            let storage = &self.storage;
            let numbers =
                Numbers { next: &|| storage.next_number(), stamp: &|| storage.next_revision().0, random: &|| (storage.options.random)() };
            let key = key_generator::generate(&target.shape.info.key_options, &target.collection.counter, &numbers)?;
            self.lock_key(target.collection, &key)?;
            if self.latest(Family::Documents, &keys::document(target.collection.object_id(), &key))?.is_none() {
                return Ok(key);
            }
        }
        Err(Error::from(code::ARANGO_OUT_OF_KEYS))
    }

    fn put_new(&mut self, target: &Target<'_>, key: &str, body: Slice<'_>) -> Result<DocumentOutcome> {
        let rev = self.revision(target, body);
        let document = self.build(target, key, rev, body)?;
        self.store(target, key, None, &document, 1)?;
        let new = target.options.return_new.then_some(document);
        Ok(target.outcome(key, rev, None, new, None))
    }

    fn put_changed(
        &mut self,
        target: &Target<'_>,
        key: &str,
        body: Slice<'_>,
        stored: &[u8],
        operation: Operation,
    ) -> Result<DocumentOutcome> {
        let old = target.shape.document(stored);
        let old_rev = revision_of(old.as_slice());
        if target.is_outdated(old.as_slice(), body) {
            let (new, kept) = (target.options.return_new.then(|| old.clone()), target.options.return_old.then_some(old));
            return Ok(target.outcome(key, old_rev, Some(old_rev), new, kept));
        }
        self.storage.merge_revision(old_rev);
        let rev = self.revision(target, body);
        let document = if operation == Operation::Update {
            self.merged(target, old.as_slice(), rev, body)?
        } else {
            self.build(target, key, rev, body)?
        };
        self.store(target, key, Some(old.as_slice()), &document, 0)?;
        let (new, kept) = (target.options.return_new.then_some(document), target.options.return_old.then_some(old));
        Ok(target.outcome(key, rev, Some(old_rev), new, kept))
    }

    fn store(&mut self, target: &Target<'_>, key: &str, old: Option<Slice<'_>>, document: &Value, delta: i64) -> Result<()> {
        let mut changes = self.index_changes(&target.shape, key, old, Some(document.as_slice()), Authority::Leader)?;
        let bytes = document.as_bytes().to_vec();
        changes.push(Change { family: Family::Documents, key: keys::document(target.collection.object_id(), key), value: Some(bytes) });
        self.check_size(changes_size(&changes))?;
        let kind = ReplicatedKind::Put { key: key.to_owned(), document: document.clone() };
        self.apply(target.collection, &changes, delta, kind);
        Ok(())
    }

    fn revision(&self, target: &Target<'_>, body: Slice<'_>) -> Revision {
        let restored = if target.options.is_restore { body.get("_rev").and_then(Slice::as_str).and_then(Revision::decode) } else { None };
        match restored {
            Some(rev) => {
                self.storage.merge_revision(rev);
                rev
            }
            None => self.storage.next_revision(),
        }
    }

    /// The document to store for an insert or a replacement.
    fn build(&mut self, target: &Target<'_>, key: &str, rev: Revision, body: Slice<'_>) -> Result<Value> {
        let is_edge = target.shape.is_edge();
        let builder = &mut self.builder;
        builder.clear();
        builder.open_object();
        builder.key("_key").string(key);
        builder.key("_id").string(&target.shape.document_id(key));
        builder.key("_rev").string(&rev.encode());
        if is_edge {
            for end in ["_from", "_to"] {
                if let Some(vertex) = body.get(end) {
                    builder.key(end).add(vertex);
                }
            }
        }
        for (name, value) in body.entries() {
            if !is_decided_here(name, is_edge) {
                builder.key(name).add(value);
            }
        }
        builder.close();
        builder.finish().map_err(|fault| Error::internal(fault.to_string()))
    }

    /// The document to store for an update: the old one with the body merged into it.
    fn merged(&mut self, target: &Target<'_>, old: Slice<'_>, rev: Revision, body: Slice<'_>) -> Result<Value> {
        let builder = &mut self.builder;
        builder.clear();
        builder.open_object();
        builder.key("_rev").string(&rev.encode());
        for (name, value) in body.entries() {
            if !is_decided_here(name, false) {
                builder.key(name).add(value);
            }
        }
        builder.close();
        let patch = builder.finish().map_err(|fault| Error::internal(fault.to_string()))?;
        let merged = velocypack::merge(old, patch.as_slice(), target.options.merge_objects, target.options.keep_null);
        target.check_edge(merged.as_slice())?;
        Ok(merged)
    }
}

impl Target<'_> {
    fn selector<'s>(&self, selector: Slice<'s>) -> Result<Selector<'s>> {
        if let Some(text) = selector.as_str() {
            return Ok(Selector { key: self.key_of(text)?, rev: None });
        }
        if !selector.is_object() {
            return Err(Error::from(code::ARANGO_DOCUMENT_TYPE_INVALID));
        }
        let named = selector.get("_key").or_else(|| selector.get("_id"));
        let text = named.and_then(Slice::as_str).ok_or_else(|| Error::from(code::ARANGO_DOCUMENT_HANDLE_BAD))?;
        Ok(Selector { key: self.key_of(text)?, rev: selector.get("_rev").and_then(Slice::as_str) })
    }

    /// A key, or an id of this collection.
    fn key_of<'s>(&self, text: &'s str) -> Result<&'s str> {
        match text.split_once('/') {
            None if text.is_empty() => Err(Error::from(code::ARANGO_DOCUMENT_HANDLE_BAD)),
            None => Ok(text),
            Some((collection, key)) if collection == self.shape.info.document_collection() => Ok(key),
            Some(_) => Err(Error::from(code::ARANGO_DOCUMENT_NOT_FOUND)),
        }
    }

    fn check_precondition(&self, selector: &Selector<'_>, stored: Revision) -> Result<()> {
        let body_differs = !self.options.ignore_revs && selector.rev.is_some_and(|rev| Revision::decode(rev) != Some(stored));
        if !body_differs && self.options.if_match.is_none_or(|wanted| wanted == stored) {
            return Ok(());
        }
        let identity = StoredIdentity { id: self.shape.document_id(selector.key), key: selector.key.to_owned(), rev: stored.encode() };
        Err(Error::new(code::ARANGO_CONFLICT, "conflict, _rev values do not match").status(412).stored(identity))
    }

    fn check_edge(&self, document: Slice<'_>) -> Result<()> {
        let is_vertex_id = |end: &str| document.get(end).and_then(Slice::as_str).is_some_and(is_vertex_id);
        if !self.shape.is_edge() || (is_vertex_id("_from") && is_vertex_id("_to")) {
            return Ok(());
        }
        Err(Error::from(code::ARANGO_INVALID_EDGE_ATTRIBUTE))
    }

    /// `versionAttribute`: is the body not newer than what is stored?
    fn is_outdated(&self, old: Slice<'_>, body: Slice<'_>) -> bool {
        let Some(name) = &self.options.version_attribute else { return false };
        let version = |document: Slice<'_>| document.get(name).and_then(Slice::as_u64);
        matches!((version(old), version(body)), (Some(old), Some(new)) if new <= old)
    }

    fn outcome(&self, key: &str, rev: Revision, old_rev: Option<Revision>, new: Option<Value>, old: Option<Value>) -> DocumentOutcome {
        DocumentOutcome { key: key.to_owned(), id: self.shape.document_id(key), rev, old_rev, new, old }
    }
}

/// Attributes that the server sets.
fn is_decided_here(name: &str, with_edge_ends: bool) -> bool {
    match name {
        "_key" | "_id" | "_rev" => true,
        "_from" | "_to" => with_edge_ends,
        _ => false,
    }
}

/// `collection/key`, in a form that can be part of an index key.
fn is_vertex_id(id: &str) -> bool {
    id.split_once('/').is_some_and(|(collection, key)| {
        !collection.is_empty() && collection.len() <= names::NAME_BYTES_MAX && !collection.contains('\0') && names::is_document_key(key)
    })
}

/// The revision of a stored document.
pub(crate) fn revision_of(document: Slice<'_>) -> Revision {
    document.get("_rev").and_then(Slice::as_str).and_then(Revision::decode).unwrap_or(Revision(0))
}

fn changes_size(changes: &[Change]) -> usize {
    changes.iter().map(|change| change.key.len() + change.value.as_ref().map_or(0, Vec::len) + 64).sum()
}
