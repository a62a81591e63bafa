//! Isolation, locks, aborts, crashes.

mod support;

use base::code;
use database::document::{DocumentOptions, Operation};
use std::sync::Arc;
use std::thread;
use storage::{MemoryEngine, TransactionOptions};
use support::*;

fn write(
    transaction: &mut storage::Transaction,
    c: &Arc<storage::LocalCollection>,
    operation: Operation,
    document: &str,
) -> base::Result<()> {
    let results = transaction.documents(c, request(operation, &[document], DocumentOptions::default()))?;
    results.items.into_iter().next().unwrap().map(|_| ())
}

#[test]
fn a_transaction_reads_its_own_writes_and_nobody_elses() {
    let storage = store();
    let c = collection(&storage, "c");
    insert(&storage, &c, r#"{"_key":"a"}"#).unwrap();
    insert(&storage, &c, r#"{"_key":"b"}"#).unwrap();
    let mut transaction = begin(&storage);
    write(&mut transaction, &c, Operation::Remove, r#""a""#).unwrap();
    write(&mut transaction, &c, Operation::Insert, r#"{"_key":"c"}"#).unwrap();
    insert(&storage, &c, r#"{"_key":"d"}"#).unwrap();
    assert_eq!(keys(&transaction, &c), ["b", "c"]);
    assert!(transaction.get(&c, "a").unwrap().is_none());
    assert!(transaction.get(&c, "d").unwrap().is_none());
    assert_eq!(keys(&begin(&storage), &c), ["a", "b", "d"]);
    assert_eq!(transaction.count(&c), 3, "three are committed, one removed, one inserted");
    transaction.commit(true).unwrap();
    assert_eq!(keys(&begin(&storage), &c), ["b", "c", "d"]);
}

#[test]
fn a_cursor_does_not_see_later_writes_of_its_transaction() {
    let storage = store();
    let c = collection(&storage, "c");
    for key in ["a", "b", "c"] {
        insert(&storage, &c, &format!(r#"{{"_key":"{key}"}}"#)).unwrap();
    }
    let mut transaction = begin(&storage);
    write(&mut transaction, &c, Operation::Insert, r#"{"_key":"d"}"#).unwrap();
    let mut cursor = transaction.scan(&c, true).unwrap();
    write(&mut transaction, &c, Operation::Remove, r#""b""#).unwrap();
    write(&mut transaction, &c, Operation::Insert, r#"{"_key":"aa"}"#).unwrap();
    drop(transaction);
    let mut documents = Vec::new();
    while cursor.next(1, &mut documents).unwrap() {}
    assert_eq!(documents.iter().map(key).collect::<Vec<_>>(), ["d", "c", "b", "a"]);
}

#[test]
fn an_aborted_transaction_leaves_nothing() {
    let storage = store();
    let c = collection(&storage, "c");
    let mut transaction = begin(&storage);
    write(&mut transaction, &c, Operation::Insert, r#"{"_key":"a"}"#).unwrap();
    transaction.abort();
    assert_eq!(c.count(), 0);
    insert(&storage, &c, r#"{"_key":"a"}"#).unwrap();
}

#[test]
fn a_locked_key_is_waited_for_until_the_deadline() {
    let storage = store();
    let c = collection(&storage, "c");
    insert(&storage, &c, r#"{"_key":"a","n":0}"#).unwrap();
    let mut first = storage.begin(TransactionOptions::single(soon())).unwrap();
    write(&mut first, &c, Operation::Update, r#"{"_key":"a","n":1}"#).unwrap();
    let error = run(&storage, &c, Operation::Remove, r#""a""#, DocumentOptions::default()).unwrap_err();
    assert_eq!((error.code(), error.http_status()), (code::ARANGO_CONFLICT, 409));
    let waiter = {
        let (storage, c) = (storage.clone(), c.clone());
        thread::spawn(move || {
            let mut second = storage.begin(TransactionOptions::single(later())).unwrap();
            write(&mut second, &c, Operation::Update, r#"{"_key":"a","m":2}"#).unwrap();
            second.commit(false).unwrap();
        })
    };
    first.commit(false).unwrap();
    waiter.join().unwrap();
    let document = read(&storage, &c, "a").unwrap();
    assert_eq!(document.as_slice().get("n").unwrap().as_i64(), Some(1));
    assert_eq!(document.as_slice().get("m").unwrap().as_i64(), Some(2));
}

#[test]
fn writing_what_changed_after_the_snapshot_is_a_conflict() {
    let storage = store();
    let c = collection(&storage, "c");
    insert(&storage, &c, r#"{"_key":"a"}"#).unwrap();
    insert(&storage, &c, r#"{"_key":"b"}"#).unwrap();
    let mut transaction = begin(&storage);
    run(&storage, &c, Operation::Update, r#"{"_key":"a","n":1}"#, DocumentOptions::default()).unwrap();
    assert_eq!(write(&mut transaction, &c, Operation::Update, r#"{"_key":"a","n":2}"#).unwrap_err().code(), code::ARANGO_CONFLICT);
    write(&mut transaction, &c, Operation::Update, r#"{"_key":"b","n":2}"#).unwrap();
    write(&mut transaction, &c, Operation::Update, r#"{"_key":"b","n":3}"#).unwrap();
    transaction.commit(false).unwrap();
    assert_eq!(read(&storage, &c, "b").unwrap().as_slice().get("n").unwrap().as_i64(), Some(3));
}

#[test]
fn exclusive_collections_keep_writers_out() {
    let storage = store();
    let c = collection(&storage, "c");
    let mut options = TransactionOptions::snapshot(soon());
    options.exclusive.push(c.clone());
    let mut exclusive = storage.begin(options).unwrap();
    write(&mut exclusive, &c, Operation::Insert, r#"{"_key":"a"}"#).unwrap();
    assert_eq!(insert(&storage, &c, "{}").unwrap_err().code(), code::ARANGO_CONFLICT);
    assert!(read(&storage, &c, "a").is_err(), "readers are let in");
    assert_eq!(storage.drop_collection(DB, "c").unwrap_err().code(), code::ARANGO_CONFLICT);
    exclusive.commit(false).unwrap();
    insert(&storage, &c, "{}").unwrap();
}

#[test]
fn the_size_of_a_transaction_is_limited() {
    let storage = store();
    let c = collection(&storage, "c");
    let mut options = TransactionOptions::single(soon());
    options.bytes_max = Some(1000);
    let mut transaction = storage.begin(options).unwrap();
    write(&mut transaction, &c, Operation::Insert, r#"{"_key":"a"}"#).unwrap();
    let large = format!(r#"{{"_key":"b","text":"{}"}}"#, "x".repeat(2000));
    assert_eq!(write(&mut transaction, &c, Operation::Insert, &large).unwrap_err().code(), code::RESOURCE_LIMIT);
    transaction.commit(false).unwrap();
    assert_eq!(c.count(), 1);
}

#[test]
fn truncation_is_part_of_the_transaction() {
    let storage = store();
    let c = collection(&storage, "c");
    storage.create_index(DB, "c", index("persistent", &["v"], true)).unwrap();
    for n in 0..20 {
        insert(&storage, &c, &format!(r#"{{"v":{n}}}"#)).unwrap();
    }
    let mut transaction = begin(&storage);
    transaction.truncate(&c).unwrap();
    assert!(keys(&transaction, &c).is_empty());
    assert_eq!(transaction.count(&c), 0);
    write(&mut transaction, &c, Operation::Insert, r#"{"_key":"new","v":3}"#).unwrap();
    assert_eq!(keys(&transaction, &c), ["new"]);
    assert_eq!(c.count(), 20);
    transaction.commit(false).unwrap();
    assert_eq!(c.count(), 1);
    let name = c.info().indexes[1].name.clone();
    let by_name = |v: i64| found(&begin(&storage), &c, &name, &storage::IndexRange::equal([velocypack::Value::int(v)]));
    assert_eq!(by_name(3), ["new"]);
    assert!(by_name(4).is_empty());
}

#[test]
fn counts_keys_and_definitions_survive_a_crash() {
    let engine = MemoryEngine::new();
    let storage = open(&engine);
    create_system(&storage);
    let mut wanted = definition("c", 2);
    wanted.key_options.generator = "autoincrement".into();
    storage.create_collection(DB, wanted).unwrap();
    let c = storage.collection(DB, "c").unwrap();
    storage.create_index(DB, "c", index("persistent", &["v"], true)).unwrap();
    thread::scope(|scope| {
        for worker in 0..4 {
            let (storage, c) = (&storage, &c);
            scope.spawn(move || {
                for n in 0..50 {
                    let mut transaction = storage.begin(TransactionOptions::single(later())).unwrap();
                    write(&mut transaction, c, Operation::Insert, &format!(r#"{{"v":{}}}"#, worker * 50 + n)).unwrap();
                    transaction.commit(false).unwrap();
                }
            });
        }
    });
    run(&storage, &c, Operation::Remove, r#""200""#, DocumentOptions::default()).unwrap();
    let traditional = collection(&storage, "t");
    let before: u64 = insert(&storage, &traditional, "{}").unwrap().key.parse().unwrap();
    drop(storage);
    let storage = open(&engine);
    let c = storage.collection(DB, "c").unwrap();
    assert_eq!(c.count(), 199);
    assert_eq!(insert(&storage, &c, r#"{"v":1000}"#).unwrap().key, "201");
    assert_eq!(insert(&storage, &c, r#"{"v":1000}"#).unwrap_err().code(), code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED);
    let traditional = storage.collection(DB, "t").unwrap();
    assert!(insert(&storage, &traditional, "{}").unwrap().key.parse::<u64>().unwrap() > before);
}

#[test]
fn a_full_disk_is_an_error_and_changes_nothing() {
    let engine = MemoryEngine::new();
    let storage = open(&engine);
    create_system(&storage);
    let c = collection(&storage, "c");
    insert(&storage, &c, r#"{"_key":"a"}"#).unwrap();
    engine.set_failing(true);
    assert_eq!(insert(&storage, &c, r#"{"_key":"b"}"#).unwrap_err().code(), code::ARANGO_FILESYSTEM_FULL);
    assert_eq!(storage.create_collection(DB, definition("d", 2)).unwrap_err().code(), code::ARANGO_FILESYSTEM_FULL);
    engine.set_failing(false);
    assert_eq!((c.count(), keys(&begin(&storage), &c)), (1, vec!["a".to_owned()]));
    assert!(storage.collection(DB, "d").is_err());
    insert(&storage, &c, r#"{"_key":"b"}"#).unwrap();
}

#[test]
fn the_same_sum_after_many_transfers() {
    let storage = store();
    let c = collection(&storage, "c");
    for n in 0..4 {
        insert(&storage, &c, &format!(r#"{{"_key":"{n}","n":100}}"#)).unwrap();
    }
    let amount = |transaction: &storage::Transaction, key: &str| {
        transaction.get(&c, key).unwrap().unwrap().as_slice().get("n").unwrap().as_i64().unwrap()
    };
    thread::scope(|scope| {
        for worker in 0..4i64 {
            let (storage, c, amount) = (&storage, &c, &amount);
            scope.spawn(move || {
                for round in 0..50i64 {
                    let (from, to) = ((worker + round) % 4, (worker + round * 3 + 1) % 4);
                    if from == to {
                        continue;
                    }
                    let mut transaction = begin(storage);
                    let (a, b) = (amount(&transaction, &from.to_string()), amount(&transaction, &to.to_string()));
                    let update = |key: i64, n: i64| format!(r#"{{"_key":"{key}","n":{n}}}"#);
                    let done = write(&mut transaction, c, Operation::Update, &update(from, a - 1))
                        .and_then(|()| write(&mut transaction, c, Operation::Update, &update(to, b + 1)));
                    match done {
                        Ok(()) => drop(transaction.commit(false).unwrap()),
                        Err(error) => assert_eq!(error.code(), code::ARANGO_CONFLICT),
                    }
                    let reader = begin(storage);
                    assert_eq!((0..4).map(|n| amount(&reader, &n.to_string())).sum::<i64>(), 400);
                }
            });
        }
    });
}
