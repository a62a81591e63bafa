//! What the tests of storage share: a store in memory whose clock is a counter.
#![allow(dead_code, reason = "each test file uses a part")]

use base::Result;
use database::catalog::{Collection, Database, Index};
use database::document::{DocumentOptions, DocumentOutcome, DocumentRequest, Operation};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use storage::{IndexRange, IndexRead, LocalCollection, MemoryEngine, Storage, StorageOptions, Transaction, TransactionOptions};
use velocypack::Value;

pub const DB: &str = "_system";

pub fn soon() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

pub fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub fn options() -> StorageOptions {
    let now = AtomicU64::new(1_700_000_000_000);
    let random = AtomicU64::new(1);
    let mut options = StorageOptions::new(
        move || now.fetch_add(1, Ordering::Relaxed),
        move || random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed),
    );
    options.definition_lock_wait = Duration::from_millis(100);
    options.index_batch_documents = 7;
    options
}

pub fn open(engine: &MemoryEngine) -> Arc<Storage> {
    Storage::open(Arc::new(engine.clone()), options()).unwrap()
}

/// A store with the database `_system`.
pub fn store() -> Arc<Storage> {
    let storage = open(&MemoryEngine::new());
    create_system(&storage);
    storage
}

pub fn create_system(storage: &Storage) {
    let system: Database = serde_json::from_value(json!({"id": "1", "name": DB})).unwrap();
    storage.create_database(&system).unwrap();
}

pub fn definition(name: &str, kind: u8) -> Collection {
    serde_json::from_value(json!({"id": "", "name": name, "type": kind})).unwrap()
}

pub fn collection(storage: &Storage, name: &str) -> Arc<LocalCollection> {
    storage.create_collection(DB, definition(name, 2)).unwrap()
}

pub fn edges(storage: &Storage, name: &str) -> Arc<LocalCollection> {
    storage.create_collection(DB, definition(name, 3)).unwrap()
}

pub fn index(kind: &str, fields: &[&str], unique: bool) -> Index {
    let mut index = Index::plain("", kind, "", fields, unique);
    if kind == "ttl" {
        index.expire_after = Some(10.0);
    }
    index
}

pub fn json(text: &str) -> Value {
    Value::parse_json(text.as_bytes()).unwrap()
}

pub fn request(operation: Operation, documents: &[&str], options: DocumentOptions) -> DocumentRequest {
    DocumentRequest { operation, documents: documents.iter().map(|text| json(text)).collect(), options }
}

/// One operation on one document in its own transaction.
pub fn run(
    storage: &Arc<Storage>,
    collection: &Arc<LocalCollection>,
    operation: Operation,
    document: &str,
    options: DocumentOptions,
) -> Result<DocumentOutcome> {
    let mut transaction = storage.begin(TransactionOptions::single(soon()))?;
    let mut results = transaction.documents(collection, request(operation, &[document], options))?;
    transaction.commit(false)?;
    results.items.pop().unwrap()
}

pub fn insert(storage: &Arc<Storage>, collection: &Arc<LocalCollection>, document: &str) -> Result<DocumentOutcome> {
    run(storage, collection, Operation::Insert, document, DocumentOptions::default())
}

pub fn read(storage: &Arc<Storage>, collection: &Arc<LocalCollection>, key: &str) -> Result<Value> {
    let outcome = run(storage, collection, Operation::Read, &format!("\"{key}\""), DocumentOptions::default())?;
    Ok(outcome.new.unwrap())
}

/// Keys of all documents in the order of a scan.
pub fn keys(transaction: &Transaction, collection: &LocalCollection) -> Vec<String> {
    let mut documents = Vec::new();
    let mut cursor = transaction.scan(collection, false).unwrap();
    while cursor.next(3, &mut documents).unwrap() {}
    documents.iter().map(key).collect()
}

pub fn key(document: &Value) -> String {
    document.as_slice().get("_key").and_then(|key| key.as_str()).unwrap().to_owned()
}

/// Keys found through an index.
pub fn found(transaction: &Transaction, collection: &LocalCollection, index: &str, range: &IndexRange) -> Vec<String> {
    let mut documents = Vec::new();
    let mut cursor = transaction.index_scan(collection, index, range, false, IndexRead::Documents).unwrap();
    while cursor.next(2, &mut documents).unwrap() {}
    documents.iter().map(key).collect()
}

pub fn begin(storage: &Arc<Storage>) -> Transaction {
    storage.begin(TransactionOptions::snapshot(soon())).unwrap()
}
