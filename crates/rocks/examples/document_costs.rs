//! What single-document operations cost through a transaction on RocksDB, beside the bare engine,
//! and how much memory an idle store takes: `cargo run -p rocks --example document_costs [directory]`.

use database::document::{DocumentOptions, DocumentRequest, Operation};
use rocks::{RocksEngine, RocksOptions};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use storage::{Batch, Engine, Family, LocalCollection, Storage, StorageOptions, TransactionOptions};
use velocypack::Value;

const ROUNDS: u64 = 200_000;

fn main() {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "/tmp/document_costs".into());
    let engine = Arc::new(RocksEngine::open(directory.as_ref(), &RocksOptions::default()).expect("the directory is usable"));
    let now = || SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
    let storage = Storage::open(engine.clone(), StorageOptions::new(now, now)).expect("the store opens");
    println!("resident when idle: {} KiB", resident_kib());
    if storage.database("_system").is_err() {
        let system = serde_json::from_value(serde_json::json!({"id": "1", "name": "_system"})).expect("a definition");
        storage.create_database(&system).expect("a database");
    }
    if storage.collection("_system", "c").is_ok() {
        storage.drop_collection("_system", "c").expect("dropped");
    }
    let wanted = serde_json::from_value(serde_json::json!({"id": "", "name": "c"})).expect("a definition");
    let collection = storage.create_collection("_system", wanted).expect("a collection");

    let body = "x".repeat(200);
    measure("engine put", |n| {
        let mut batch = Batch::new();
        batch.put(Family::Local, &n.to_be_bytes(), body.as_bytes());
        engine.write(&batch, false).expect("written");
    });
    measure("engine get", |n| drop(engine.get(Family::Local, &n.to_be_bytes()).expect("read")));
    let document = |n: u64| {
        let attributes = [("_key", Value::string(&format!("k{n}"))), ("n", Value::uint(n)), ("text", Value::string(&body))];
        Value::object(attributes)
    };
    measure("insert", |n| run(&storage, &collection, Operation::Insert, document(n)));
    measure("read", |n| run(&storage, &collection, Operation::Read, Value::string(&format!("k{n}"))));
    measure("update", |n| run(&storage, &collection, Operation::Update, document(n)));
    measure("remove", |n| run(&storage, &collection, Operation::Remove, Value::string(&format!("k{n}"))));
    println!("resident at the end: {} KiB", resident_kib());
}

fn run(storage: &Arc<Storage>, collection: &Arc<LocalCollection>, operation: Operation, document: Value) {
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut transaction = storage.begin(TransactionOptions::single(deadline)).expect("begun");
    let request = DocumentRequest { operation, documents: vec![document], options: DocumentOptions::default() };
    let results = transaction.documents(collection, request).expect("done");
    assert!(results.items[0].is_ok(), "{:?}", results.items[0]);
    transaction.commit(false).expect("committed");
}

fn measure(name: &str, mut work: impl FnMut(u64)) {
    let start = Instant::now();
    (0..ROUNDS).for_each(&mut work);
    println!("{name:<12} {:>6.2} µs", start.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64);
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
