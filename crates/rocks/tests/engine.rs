//! RocksDB as an engine: the contract, reopening, locks, the log, and `kill -9`.

use base::code;
use database::catalog::{Collection, Database, Index};
use database::document::{DocumentOptions, DocumentRequest, Operation};
use rocks::{RocksEngine, RocksOptions};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use storage::{Batch, Engine, Family, IndexRange, IndexRead, KeyRange, Order, Storage, StorageOptions, TransactionOptions};
use velocypack::Value;

const CHILD_DIRECTORY: &str = "ROCKS_TEST_CHILD_DIRECTORY";

fn small() -> RocksOptions {
    RocksOptions { block_cache_bytes: 4 << 20, write_buffer_bytes: 1 << 20, ..RocksOptions::default() }
}

fn open(path: &Path) -> RocksEngine {
    RocksEngine::open(path, &small()).unwrap()
}

fn open_storage(path: &Path) -> Arc<Storage> {
    let (now, random) = (AtomicU64::new(1_700_000_000_000), AtomicU64::new(1));
    let options = StorageOptions::new(move || now.fetch_add(1, Ordering::Relaxed), move || random.fetch_add(1, Ordering::Relaxed));
    Storage::open(Arc::new(open(path)), options).unwrap()
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn passes_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let mut number = 0;
    storage::engine_contract::check(&mut || {
        number += 1;
        Arc::new(open(&directory.path().join(number.to_string())))
    });
}

#[test]
fn everything_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let mut batch = Batch::new();
    for family in Family::ALL {
        batch.put(family, b"k", family.name().as_bytes());
    }
    let engine = open(directory.path());
    let tick = engine.write(&batch, true).unwrap();
    drop(engine);
    let engine = open(directory.path());
    assert_eq!(engine.latest_tick(), tick);
    for family in Family::ALL {
        assert_eq!(engine.get(family, b"k").unwrap().as_deref(), Some(family.name().as_bytes()));
    }
    let tail = engine.tail(0, usize::MAX).unwrap();
    assert!(tail.present, "the log survives a restart");
    assert_eq!(tail.batches, [(tick, batch)]);
}

#[test]
fn a_directory_is_opened_once() {
    let directory = tempfile::tempdir().unwrap();
    let _engine = open(directory.path());
    let error = RocksEngine::open(directory.path(), &small()).err().unwrap();
    assert_eq!(error.code(), code::ARANGO_DATADIR_LOCKED);
}

#[test]
fn an_unusable_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let error = RocksEngine::open(&file.join("below"), &small()).err().unwrap();
    assert_eq!(error.code(), code::ARANGO_DATADIR_NOT_WRITABLE);
}

#[test]
fn an_old_log_is_not_present() {
    let directory = tempfile::tempdir().unwrap();
    let options = RocksOptions { log_keep_s: 0, log_keep_mb: 0, ..small() };
    let engine = RocksEngine::open(directory.path(), &options).unwrap();
    let put = |key: &[u8]| {
        let mut batch = Batch::new();
        batch.put(Family::Documents, key, b"v");
        engine.write(&batch, false).unwrap()
    };
    let first = put(b"a");
    let second = put(b"b");
    // Flushed logs go at once, because none are to be kept.
    engine.flush().unwrap();
    let third = put(b"c");
    assert!(!engine.tail(0, usize::MAX).unwrap().present);
    assert!(!engine.tail(first, usize::MAX).unwrap().present);
    let tail = engine.tail(second, usize::MAX).unwrap();
    assert!(tail.present);
    assert_eq!(tail.batches.iter().map(|(tick, _)| *tick).collect::<Vec<_>>(), [third]);
    assert!(!engine.tail(third + 1, usize::MAX).unwrap().present, "a tick from the future belongs to another history");
}

#[test]
fn snapshots_and_iterators_keep_the_database_open() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    let mut batch = Batch::new();
    batch.put(Family::Documents, b"k", b"v");
    engine.write(&batch, false).unwrap();
    let snapshot = engine.snapshot();
    let iterator = snapshot.iter(Family::Documents, &KeyRange::default(), Order::Forward).unwrap();
    drop(engine);
    drop(snapshot);
    assert_eq!((iterator.key(), iterator.value()), (&b"k"[..], &b"v"[..]));
}

#[test]
fn concurrent_synced_writes_are_all_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let engine = &engine;
            scope.spawn(move || {
                for number in 0..50u8 {
                    let mut batch = Batch::new();
                    batch.put(Family::Documents, &[thread, number], b"v");
                    batch.put(Family::EdgeIndex, &[thread, number], b"v");
                    engine.write(&batch, true).unwrap();
                }
            });
        }
    });
    let mut from = 0;
    let mut writes = 0;
    loop {
        let tail = engine.tail(from, 500).unwrap();
        assert!(tail.present);
        let Some((tick, _)) = tail.batches.last() else { break };
        from = *tick;
        writes += tail.batches.iter().map(|(_, batch)| batch.len()).sum::<u64>();
    }
    assert_eq!((writes, from), (800, engine.latest_tick()));
}

fn insert(storage: &Arc<Storage>, number: u64) -> String {
    let collection = storage.collection("_system", "c").unwrap();
    let mut transaction = storage.begin(TransactionOptions::single(later())).unwrap();
    let documents = vec![Value::object([("n", Value::uint(number))])];
    let request = DocumentRequest { operation: Operation::Insert, documents, options: DocumentOptions::default() };
    let outcome = transaction.documents(&collection, request).unwrap().items.pop().unwrap().unwrap();
    transaction.commit(number.is_multiple_of(8)).unwrap();
    outcome.key
}

/// Does nothing unless the test below runs it in a process of its own, which is killed.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(directory) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let storage = open_storage(Path::new(&directory));
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let storage = &storage;
            scope.spawn(move || {
                for number in 0.. {
                    println!("acknowledged {}", insert(storage, number * 4 + thread));
                }
            });
        }
    });
}

#[test]
fn acknowledged_documents_survive_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open_storage(directory.path());
    let system: Database = serde_json::from_value(json!({"id": "1", "name": "_system"})).unwrap();
    storage.create_database(&system).unwrap();
    let wanted: Collection = serde_json::from_value(json!({"id": "", "name": "c"})).unwrap();
    storage.create_collection("_system", wanted).unwrap();
    storage.create_index("_system", "c", Index::plain("", "persistent", "by_n", &["n"], true)).unwrap();
    drop(storage);
    let mut acknowledged = BTreeSet::new();
    for round in 1..=3 {
        acknowledged.extend(write_and_kill(directory.path(), 3000 * round));
        let storage = open_storage(directory.path());
        check(&storage, &acknowledged);
        // The numbers of the next child's documents must be free again.
        let collection = storage.collection("_system", "c").unwrap();
        let mut transaction = storage.begin(TransactionOptions::single(later())).unwrap();
        transaction.truncate(&collection).unwrap();
        transaction.commit(false).unwrap();
        assert_eq!(collection.count(), 0);
        acknowledged.clear();
    }
}

fn write_and_kill(directory: &Path, count: usize) -> BTreeSet<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = BTreeSet::new();
    let key = |line: &str| line.rsplit_once("acknowledged ").map(|(_, key)| key.to_owned());
    while acknowledged.len() < count {
        acknowledged.extend(key(&lines.next().unwrap().unwrap()));
    }
    child.kill().unwrap();
    // What is still in the pipe was acknowledged too, except for a line that was cut.
    let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
    rest.pop();
    acknowledged.extend(rest.iter().filter_map(|line| key(line)));
    child.wait().unwrap();
    acknowledged
}

fn check(storage: &Arc<Storage>, acknowledged: &BTreeSet<String>) {
    let collection = storage.collection("_system", "c").unwrap();
    let transaction = storage.begin(TransactionOptions::snapshot(later())).unwrap();
    let mut documents = Vec::new();
    let mut cursor = transaction.scan(&collection, false).unwrap();
    while cursor.next(1000, &mut documents).unwrap() {}
    let stored: BTreeSet<String> =
        documents.iter().map(|document| document.as_slice().get("_key").unwrap().as_str().unwrap().to_owned()).collect();
    let lost: Vec<&String> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(collection.count(), stored.len() as u64, "the count is right");
    let mut indexed = Vec::new();
    let mut cursor = transaction.index_scan(&collection, "by_n", &IndexRange::default(), false, IndexRead::Covered).unwrap();
    while cursor.next(1000, &mut indexed).unwrap() {}
    let indexed: BTreeSet<String> = indexed.iter().map(|row| row.as_slice().get("_key").unwrap().as_str().unwrap().to_owned()).collect();
    assert_eq!(indexed, stored, "index and documents agree");
}
