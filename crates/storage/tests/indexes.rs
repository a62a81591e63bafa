//! Secondary indexes: creation, look-ups, ranges, covering, violations, expiry.

mod support;

use base::code;
use database::document::{DocumentOptions, Operation};
use std::thread;
use storage::{EdgeDirection, IndexRange, IndexRead, TransactionOptions};
use support::*;
use velocypack::Value;

fn equal(value: impl Into<Value>) -> IndexRange {
    IndexRange::equal([value.into()])
}

#[test]
fn an_index_is_filled_from_existing_documents() {
    let storage = store();
    let c = collection(&storage, "c");
    for n in 0..50 {
        insert(&storage, &c, &format!(r#"{{"_key":"k{n:02}","n":{}}}"#, n % 5)).unwrap();
    }
    let (created, new) = storage.create_index(DB, "c", index("hash", &["n"], false)).unwrap();
    assert!(new && !created.is_building && created.name == format!("idx_{}", created.id));
    let again = storage.create_index(DB, "c", index("persistent", &["n"], false)).unwrap();
    assert_eq!((again.0.id, again.1), (created.id.clone(), false), "hash, skiplist and persistent are the same");
    let transaction = begin(&storage);
    assert_eq!(found(&transaction, &c, &created.id, &equal(3i64)).len(), 10);
    assert_eq!(found(&transaction, &c, &created.name, &equal(3.0)).len(), 10);
    assert!(found(&transaction, &c, &created.name, &equal("3")).is_empty());
    storage.drop_index(DB, "c", &created.name).unwrap();
    let range = equal(3i64);
    let gone = begin(&storage).index_scan(&c, &created.id, &range, false, IndexRead::Documents).err().unwrap();
    assert_eq!(gone.code(), code::ARANGO_INDEX_NOT_FOUND);
    assert_eq!(storage.drop_index(DB, "c", "primary").unwrap_err().code(), code::FORBIDDEN);
}

#[test]
fn ranges_respect_their_bounds_and_the_order_of_types() {
    let storage = store();
    let c = collection(&storage, "c");
    let (index, _) = storage.create_index(DB, "c", index("persistent", &["a", "b"], false)).unwrap();
    for (key, b) in [("n", "null"), ("t", "true"), ("1", "1"), ("2", "2.5"), ("3", "3"), ("s", "\"x\""), ("z", "[1]"), ("o", "{}")] {
        insert(&storage, &c, &format!(r#"{{"_key":"{key}","a":"g","b":{b}}}"#)).unwrap();
    }
    insert(&storage, &c, r#"{"_key":"other","a":"h","b":2}"#).unwrap();
    let transaction = begin(&storage);
    let scan = |low: Option<(i64, bool)>, high: Option<(i64, bool)>| {
        let bound = |bound: Option<(i64, bool)>| bound.map(|(value, included)| (Value::int(value), included));
        let range = IndexRange { prefix: vec![Value::string("g")], low: bound(low), high: bound(high) };
        found(&transaction, &c, &index.id, &range).join(" ")
    };
    assert_eq!(scan(None, None), "n t 1 2 3 s z o");
    assert_eq!(scan(Some((1, true)), Some((3, true))), "1 2 3");
    assert_eq!(scan(Some((1, false)), Some((3, false))), "2");
    assert_eq!(scan(None, Some((1, false))), "n t");
    assert_eq!(scan(Some((3, false)), None), "s z o");
    let mut reversed = Vec::new();
    let range = IndexRange::equal([Value::string("g")]);
    let mut cursor = transaction.index_scan(&c, &index.id, &range, true, IndexRead::Documents).unwrap();
    while cursor.next(100, &mut reversed).unwrap() {}
    assert_eq!(reversed.iter().map(key).collect::<Vec<_>>().join(" "), "o z s 3 2 1 t n");
    let wrong = IndexRange::equal([Value::null(), Value::null(), Value::null()]);
    assert!(transaction.index_scan(&c, &index.id, &wrong, false, IndexRead::Documents).is_err());
}

#[test]
fn unique_values_are_checked_and_freed() {
    let storage = store();
    let c = collection(&storage, "c");
    let mut wanted = index("persistent", &["a", "b"], true);
    wanted.name = "ab".into();
    storage.create_index(DB, "c", wanted).unwrap();
    insert(&storage, &c, r#"{"_key":"x","a":1,"b":1}"#).unwrap();
    let error = insert(&storage, &c, r#"{"_key":"y","a":1.0,"b":1}"#).unwrap_err();
    assert_eq!(error.message(), "unique constraint violated - in index ab of type persistent over 'a, b'; conflicting key: x");
    run(&storage, &c, Operation::Update, r#"{"_key":"x","a":1,"c":5}"#, DocumentOptions::default()).unwrap();
    run(&storage, &c, Operation::Update, r#"{"_key":"x","a":2}"#, DocumentOptions::default()).unwrap();
    insert(&storage, &c, r#"{"_key":"y","a":1,"b":1}"#).unwrap();
    run(&storage, &c, Operation::Remove, r#""y""#, DocumentOptions::default()).unwrap();
    let mut transaction = begin(&storage);
    let both = [r#"{"_key":"p","a":1,"b":1}"#, r#"{"_key":"q","a":1,"b":1}"#];
    let results = transaction.documents(&c, request(Operation::Insert, &both, DocumentOptions::default())).unwrap();
    assert!(results.items[0].is_ok() && results.items[1].is_err(), "also within one transaction");
    let taken = insert(&storage, &c, r#"{"_key":"r","a":1,"b":1}"#).unwrap_err();
    assert_eq!(taken.code(), code::ARANGO_CONFLICT, "a value another transaction is about to take is waited for");
    transaction.abort();
    insert(&storage, &c, r#"{"_key":"r","a":1,"b":1}"#).unwrap();
}

#[test]
fn a_violation_ends_the_creation_of_an_index() {
    let storage = store();
    let c = collection(&storage, "c");
    for n in 0..30 {
        insert(&storage, &c, &format!(r#"{{"_key":"k{n:02}","n":{}}}"#, n % 29)).unwrap();
    }
    let error = storage.create_index(DB, "c", index("persistent", &["n"], true)).unwrap_err();
    assert_eq!(error.code(), code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED);
    assert_eq!(c.info().indexes.len(), 1);
    insert(&storage, &c, r#"{"n":1}"#).unwrap();
}

#[test]
fn indexes_are_created_while_writers_run() {
    let storage = store();
    let c = collection(&storage, "c");
    for n in 0..300 {
        insert(&storage, &c, &format!(r#"{{"_key":"k{n:03}","n":{n}}}"#)).unwrap();
    }
    thread::scope(|scope| {
        for worker in 0..3 {
            let (storage, c) = (&storage, &c);
            scope.spawn(move || {
                for n in (worker..300).step_by(3) {
                    let mut transaction = storage.begin(TransactionOptions::single(later())).unwrap();
                    let document = match n % 4 {
                        0 => (Operation::Remove, format!(r#""k{n:03}""#)),
                        1 => (Operation::Insert, format!(r#"{{"_key":"x{n:03}","n":{}}}"#, 1000 + n)),
                        _ => (Operation::Update, format!(r#"{{"_key":"k{n:03}","n":{}}}"#, 2000 + n)),
                    };
                    transaction.documents(c, request(document.0, &[&document.1], DocumentOptions::default())).unwrap();
                    transaction.commit(false).unwrap();
                }
            });
        }
        scope.spawn(|| storage.create_index(DB, "c", index("persistent", &["n"], true)).unwrap());
    });
    let transaction = begin(&storage);
    let name = c.info().indexes[1].name.clone();
    let mut expected: Vec<(i64, String)> = Vec::new();
    let mut documents = Vec::new();
    let mut cursor = transaction.scan(&c, false).unwrap();
    while cursor.next(100, &mut documents).unwrap() {}
    expected.extend(documents.iter().map(|document| (document.as_slice().get("n").unwrap().as_i64().unwrap(), key(document))));
    expected.sort_unstable();
    let keys: Vec<String> = expected.into_iter().map(|(_, key)| key).collect();
    assert_eq!(found(&transaction, &c, &name, &IndexRange::default()), keys);
    assert_eq!(c.count(), keys.len() as u64);
}

#[test]
fn a_transaction_does_not_use_an_index_that_is_younger() {
    let storage = store();
    let c = collection(&storage, "c");
    insert(&storage, &c, r#"{"_key":"k","n":1}"#).unwrap();
    let old = begin(&storage);
    let (index, _) = storage.create_index(DB, "c", index("persistent", &["n"], false)).unwrap();
    let refused = old.index_scan(&c, &index.id, &equal(1i64), false, IndexRead::Documents).err().unwrap();
    assert_eq!(refused.code(), code::ARANGO_INDEX_NOT_FOUND);
    assert_eq!(found(&begin(&storage), &c, &index.id, &equal(1i64)), ["k"]);
}

#[test]
fn covering_reads_need_no_document() {
    let storage = store();
    let c = collection(&storage, "c");
    let mut wanted = index("persistent", &["a.b", "c"], false);
    wanted.stored_values = vec!["a.d".into(), "e".into()];
    let (index, _) = storage.create_index(DB, "c", wanted).unwrap();
    insert(&storage, &c, r#"{"_key":"k","a":{"b":1,"d":2,"x":3},"c":"t","e":[1],"y":4}"#).unwrap();
    let mut rows = Vec::new();
    let transaction = begin(&storage);
    let mut cursor = transaction.index_scan(&c, &index.id, &equal(1i64), false, IndexRead::Covered).unwrap();
    assert_eq!(cursor.read(), IndexRead::Covered);
    cursor.next(10, &mut rows).unwrap();
    assert_eq!(rows[0].to_serde(), serde_json::json!({"_key": "k", "_id": "c/k", "a": {"b": 1, "d": 2}, "c": "t", "e": [1]}));
    run(&storage, &c, Operation::Update, r#"{"_key":"k","e":7}"#, DocumentOptions::default()).unwrap();
    rows.clear();
    begin(&storage).index_scan(&c, &index.id, &equal(1i64), false, IndexRead::Covered).unwrap().next(10, &mut rows).unwrap();
    assert_eq!(rows[0].as_slice().get("e").unwrap().as_i64(), Some(7), "stored values follow the document");
}

#[test]
fn array_members_are_found_once() {
    let storage = store();
    let c = collection(&storage, "c");
    let (index, _) = storage.create_index(DB, "c", index("persistent", &["tags[*]"], false)).unwrap();
    insert(&storage, &c, r#"{"_key":"a","tags":["x","y","x"]}"#).unwrap();
    insert(&storage, &c, r#"{"_key":"b","tags":["y"]}"#).unwrap();
    let transaction = begin(&storage);
    assert_eq!(found(&transaction, &c, &index.id, &equal("x")), ["a"]);
    assert_eq!(found(&transaction, &c, &index.id, &equal("y")), ["a", "b"]);
    assert_eq!(found(&transaction, &c, &index.id, &IndexRange::default()), ["a", "b"], "a document with several entries comes once");
    run(&storage, &c, Operation::Update, r#"{"_key":"a","tags":["y"]}"#, DocumentOptions::default()).unwrap();
    assert!(found(&begin(&storage), &c, &index.id, &equal("x")).is_empty());
}

#[test]
fn the_primary_and_edge_index_are_looked_up() {
    let storage = store();
    let e = edges(&storage, "e");
    for (key, from, to) in [("1", "a", "b"), ("2", "b", "a"), ("3", "a", "a"), ("4", "ab", "c")] {
        insert(&storage, &e, &format!(r#"{{"_key":"{key}","_from":"v/{from}","_to":"v/{to}"}}"#)).unwrap();
    }
    let transaction = begin(&storage);
    assert_eq!(found(&transaction, &e, "primary", &equal("2")), ["2"]);
    assert_eq!(found(&transaction, &e, "primary", &equal("e/2")), ["2"]);
    assert!(found(&transaction, &e, "primary", &equal("x/2")).is_empty());
    assert!(found(&transaction, &e, "primary", &equal(2i64)).is_empty());
    assert_eq!(found(&transaction, &e, "edge", &equal("v/a")), ["1", "3"]);
    let inbound = IndexRange::equal([Value::null(), Value::string("v/a")]);
    assert_eq!(found(&transaction, &e, "edge", &inbound), ["2", "3"]);
    let at = |direction| {
        let edges = transaction.edges(&e, direction, &["v/a", "v/none"]).unwrap();
        assert!(edges[1].is_empty());
        edges[0].iter().map(key).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(at(Some(EdgeDirection::Outbound)), "1 3");
    assert_eq!(at(Some(EdgeDirection::Inbound)), "2 3");
    assert_eq!(at(None), "1 3 2");
    let mut rows = Vec::new();
    transaction.index_scan(&e, "edge", &inbound, false, IndexRead::Covered).unwrap().next(1, &mut rows).unwrap();
    assert_eq!(rows[0].to_serde(), serde_json::json!({"_key": "2", "_id": "e/2", "_from": "v/b", "_to": "v/a"}));
}

#[test]
fn expired_documents_are_removed() {
    let storage = store();
    let c = collection(&storage, "c");
    storage.create_index(DB, "c", index("ttl", &["at"], false)).unwrap();
    assert!(storage.create_index(DB, "c", index("ttl", &["other"], false)).is_err(), "one per collection");
    for (key, at) in [("a", "100"), ("b", "\"1970-01-01T00:01:35Z\""), ("c", "200"), ("d", "\"never\""), ("e", "null")] {
        insert(&storage, &c, &format!(r#"{{"_key":"{key}","at":{at}}}"#)).unwrap();
    }
    assert_eq!(storage.expired_keys(&c, 110.5, 10).unwrap(), ["b", "a"]);
    assert_eq!(storage.remove_expired(&c, 110.5, later()).unwrap(), 2);
    assert_eq!(keys(&begin(&storage), &c), ["c", "d", "e"]);
    assert_eq!(storage.remove_expired(&c, 110.5, later()).unwrap(), 0);
}
