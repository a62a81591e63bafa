//! Document operations with their options and errors.

mod support;

use base::code;
use database::document::{DocumentOptions, Operation, OverwriteMode};
use serde_json::json;
use support::*;

fn options() -> DocumentOptions {
    DocumentOptions { return_new: true, return_old: true, ..DocumentOptions::default() }
}

#[test]
fn stored_documents_begin_with_the_system_attributes() {
    let storage = store();
    let c = collection(&storage, "c");
    let outcome = insert(&storage, &c, r#"{"a":1,"_key":"k","_rev":"x","_id":"y","_from":"kept"}"#).unwrap();
    assert_eq!((outcome.key.as_str(), outcome.id.as_str()), ("k", "c/k"));
    let stored = read(&storage, &c, "k").unwrap();
    let names: Vec<String> = stored.as_slice().entries().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["_key", "_id", "_rev", "a", "_from"]);
    assert_eq!(stored.as_slice().get("_rev").unwrap().as_str(), Some(outcome.rev.encode().as_str()));
    assert_eq!(c.count(), 1);
}

#[test]
fn an_existing_key_is_a_unique_violation() {
    let storage = store();
    let c = collection(&storage, "c");
    insert(&storage, &c, r#"{"_key":"abc"}"#).unwrap();
    let error = insert(&storage, &c, r#"{"_key":"abc"}"#).unwrap_err();
    assert_eq!(error.code(), code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED);
    assert_eq!(error.message(), "unique constraint violated - in index primary of type primary over '_key'; conflicting key: abc");
    assert_eq!(c.count(), 1);
}

#[test]
fn bad_documents_are_refused() {
    let storage = store();
    let c = collection(&storage, "c");
    let error = |operation, document: &str| run(&storage, &c, operation, document, options()).unwrap_err().code();
    assert_eq!(error(Operation::Insert, "[]"), code::ARANGO_DOCUMENT_TYPE_INVALID);
    assert_eq!(error(Operation::Insert, r#"{"_key":1}"#), code::ARANGO_DOCUMENT_KEY_BAD);
    assert_eq!(error(Operation::Insert, r#"{"_key":""}"#), code::ARANGO_DOCUMENT_KEY_BAD);
    assert_eq!(error(Operation::Insert, r#"{"_key":"a b"}"#), code::ARANGO_DOCUMENT_KEY_BAD);
    assert_eq!(error(Operation::Update, r#"{"_key":"k"}"#), code::ARANGO_DOCUMENT_NOT_FOUND);
    assert_eq!(error(Operation::Replace, "{}"), code::ARANGO_DOCUMENT_HANDLE_BAD);
    assert_eq!(error(Operation::Remove, "7"), code::ARANGO_DOCUMENT_TYPE_INVALID);
    assert_eq!(error(Operation::Remove, r#""other/k""#), code::ARANGO_DOCUMENT_NOT_FOUND);
    assert_eq!(error(Operation::Read, r#""k""#), code::ARANGO_DOCUMENT_NOT_FOUND);
    assert_eq!(c.count(), 0);
}

#[test]
fn edges_need_both_ends() {
    let storage = store();
    let e = edges(&storage, "e");
    let error = |operation, document: &str| run(&storage, &e, operation, document, options()).unwrap_err().code();
    for wrong in
        ["{}", r#"{"_from":"v/1"}"#, r#"{"_from":"v","_to":"v/1"}"#, r#"{"_from":"v/1","_to":7}"#, r#"{"_from":"v/1","_to":"v/1/2"}"#]
    {
        assert_eq!(error(Operation::Insert, wrong), code::ARANGO_INVALID_EDGE_ATTRIBUTE, "{wrong}");
    }
    insert(&storage, &e, r#"{"_key":"e","_from":"v/1","_to":"v/2"}"#).unwrap();
    assert_eq!(error(Operation::Update, r#"{"_key":"e","_to":null}"#), code::ARANGO_INVALID_EDGE_ATTRIBUTE);
    assert_eq!(error(Operation::Replace, r#"{"_key":"e","_to":"v/1"}"#), code::ARANGO_INVALID_EDGE_ATTRIBUTE);
    let moved = run(&storage, &e, Operation::Update, r#"{"_key":"e","_to":"v/3"}"#, options()).unwrap().new.unwrap();
    assert_eq!(moved.as_slice().get("_from").unwrap().as_str(), Some("v/1"));
    let transaction = begin(&storage);
    assert!(transaction.neighbors(&e, None, "v/2").unwrap().is_empty());
    assert_eq!(transaction.neighbors(&e, None, "v/3").unwrap()[0].vertex, "v/1");
}

#[test]
fn updates_merge_and_replacements_replace() {
    let storage = store();
    let c = collection(&storage, "c");
    insert(&storage, &c, r#"{"_key":"k","a":{"x":1},"b":1}"#).unwrap();
    let user = |document: &velocypack::Value| {
        let mut json = document.to_serde();
        let object = json.as_object_mut().unwrap();
        for name in ["_key", "_id", "_rev"] {
            assert!(object.remove(name).is_some(), "{name} is there");
        }
        json
    };
    let updated = run(&storage, &c, Operation::Update, r#"{"_key":"k","a":{"y":2},"b":null}"#, options()).unwrap();
    assert_eq!(user(&updated.new.unwrap()), json!({"a": {"x": 1, "y": 2}, "b": null}));
    assert_eq!(user(&updated.old.unwrap()), json!({"a": {"x": 1}, "b": 1}));
    assert!(updated.rev > updated.old_rev.unwrap());
    let flat = DocumentOptions { merge_objects: false, keep_null: false, ..options() };
    let updated = run(&storage, &c, Operation::Update, r#"{"_key":"k","a":{"z":3},"b":null}"#, flat).unwrap();
    assert_eq!(user(&updated.new.unwrap()), json!({"a": {"z": 3}}));
    let replaced = run(&storage, &c, Operation::Replace, r#"{"_key":"k","n":1}"#, options()).unwrap();
    assert_eq!(user(&replaced.new.unwrap()), json!({"n": 1}));
    let removed = run(&storage, &c, Operation::Remove, r#""c/k""#, options()).unwrap();
    assert_eq!((removed.rev, user(&removed.old.unwrap())), (replaced.rev, json!({"n": 1})));
    assert_eq!(c.count(), 0);
}

#[test]
fn preconditions_compare_revisions() {
    let storage = store();
    let c = collection(&storage, "c");
    let rev = insert(&storage, &c, r#"{"_key":"k"}"#).unwrap().rev;
    let matching = DocumentOptions { if_match: Some(rev), ..options() };
    run(&storage, &c, Operation::Read, r#""k""#, matching.clone()).unwrap();
    let new_rev = run(&storage, &c, Operation::Update, r#"{"_key":"k"}"#, matching.clone()).unwrap().rev;
    let error = run(&storage, &c, Operation::Remove, r#""k""#, matching).unwrap_err();
    assert_eq!((error.code(), error.http_status()), (code::ARANGO_CONFLICT, 412));
    assert_eq!(error.message(), "conflict, _rev values do not match");
    assert_eq!(error.stored.unwrap().rev, new_rev.encode());
    let strict = DocumentOptions { ignore_revs: false, ..options() };
    let old = format!(r#"{{"_key":"k","_rev":"{}"}}"#, rev.encode());
    assert_eq!(run(&storage, &c, Operation::Replace, &old, strict.clone()).unwrap_err().code(), code::ARANGO_CONFLICT);
    run(&storage, &c, Operation::Replace, &old, options()).unwrap();
    let present =
        format!(r#"{{"_key":"k","_rev":"{}"}}"#, read(&storage, &c, "k").unwrap().as_slice().get("_rev").unwrap().as_str().unwrap());
    run(&storage, &c, Operation::Remove, &present, strict).unwrap();
}

#[test]
fn overwrite_modes() {
    let storage = store();
    let c = collection(&storage, "c");
    let first = insert(&storage, &c, r#"{"_key":"k","a":1}"#).unwrap();
    let with = |overwrite_mode| DocumentOptions { overwrite_mode, ..options() };
    let ignored = run(&storage, &c, Operation::Insert, r#"{"_key":"k","b":1}"#, with(OverwriteMode::Ignore)).unwrap();
    assert_eq!((ignored.rev, ignored.new.is_none()), (first.rev, true));
    let updated = run(&storage, &c, Operation::Insert, r#"{"_key":"k","b":1}"#, with(OverwriteMode::Update)).unwrap();
    assert_eq!(updated.old_rev, Some(first.rev));
    assert!(updated.new.unwrap().as_slice().get("a").is_some());
    let replaced = run(&storage, &c, Operation::Insert, r#"{"_key":"k","c":1}"#, with(OverwriteMode::Replace)).unwrap();
    assert!(replaced.new.unwrap().as_slice().get("a").is_none());
    assert_eq!(c.count(), 1);
}

#[test]
fn restored_documents_keep_their_revision_and_versions_only_grow() {
    let storage = store();
    let c = collection(&storage, "c");
    let restore = DocumentOptions { is_restore: true, ..options() };
    let outcome = run(&storage, &c, Operation::Insert, r#"{"_key":"k","_rev":"_l6zhVRe---","v":5}"#, restore).unwrap();
    assert_eq!(outcome.rev.encode(), "_l6zhVRe---");
    let versioned = DocumentOptions { version_attribute: Some("v".into()), ..options() };
    let skipped = run(&storage, &c, Operation::Update, r#"{"_key":"k","v":5,"n":1}"#, versioned.clone()).unwrap();
    assert_eq!(skipped.rev, outcome.rev);
    let newer = run(&storage, &c, Operation::Update, r#"{"_key":"k","v":6,"n":1}"#, versioned).unwrap();
    assert!(newer.rev > outcome.rev);
}

#[test]
fn generated_keys_step_over_keys_of_clients() {
    let storage = store();
    let mut wanted = definition("c", 2);
    wanted.key_options.generator = "autoincrement".into();
    let c = storage.create_collection(DB, wanted).unwrap();
    assert_eq!(insert(&storage, &c, "{}").unwrap().key, "1");
    insert(&storage, &c, r#"{"_key":"7"}"#).unwrap();
    assert_eq!(insert(&storage, &c, "{}").unwrap().key, "8");
    let mut closed = definition("closed", 2);
    closed.key_options.allow_user_keys = false;
    let closed = storage.create_collection(DB, closed).unwrap();
    assert_eq!(insert(&storage, &closed, r#"{"_key":"k"}"#).unwrap_err().code(), code::ARANGO_DOCUMENT_KEY_UNEXPECTED);
    let first: u64 = insert(&storage, &closed, "{}").unwrap().key.parse().unwrap();
    let second: u64 = insert(&storage, &closed, "{}").unwrap().key.parse().unwrap();
    assert!(second > first);
}

#[test]
fn a_failed_item_leaves_no_trace_and_the_others_stay() {
    let storage = store();
    let c = collection(&storage, "c");
    storage.create_index(DB, "c", index("persistent", &["v"], true)).unwrap();
    let mut transaction = begin(&storage);
    let documents = [r#"{"_key":"a","v":1}"#, r#"{"_key":"b","v":1}"#, r#"{"_key":"c","v":2}"#, "null", r#"{"_key":"a","v":3}"#];
    let results = transaction.documents(&c, request(Operation::Insert, &documents, DocumentOptions::default())).unwrap();
    let codes: Vec<u32> = results.items.iter().map(|item| item.as_ref().map_or_else(|error| error.code().0, |_| 0)).collect();
    assert_eq!(codes, [0, 1210, 0, 1227, 1210]);
    assert_eq!(transaction.operations().len(), 2);
    let other = std::thread::scope(|scope| scope.spawn(|| insert(&storage, &c, r#"{"_key":"b","v":9}"#)).join().unwrap());
    other.unwrap();
    transaction.commit(false).unwrap();
    assert_eq!(keys(&begin(&storage), &c), ["a", "b", "c"]);
    assert_eq!(c.count(), 3);
}
