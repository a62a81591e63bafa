//! Followers, secondaries, and comparing copies of a shard.

mod support;

use base::code;
use database::document::{DocumentOptions, Operation};
use std::sync::Arc;
use storage::{
    Batch, DumpChunk, Engine, Family, IndexRange, KeyRange, MemoryEngine, Order, ReplicatedKind, Storage, Tail, TransactionOptions,
    decode_operations, encode_operations,
};
use support::*;
use velocypack::Value;

/// Everything that is replicated, as bytes.
fn contents(engine: &MemoryEngine) -> Vec<(Family, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for family in Family::ALL.into_iter().filter(|family| *family != Family::Local) {
        let mut entries = engine.snapshot().iter(family, &KeyRange::default(), Order::Forward).unwrap();
        while entries.valid() {
            all.push((family, entries.key().to_vec(), entries.value().to_vec()));
            entries.advance().unwrap();
        }
    }
    all
}

fn fill(storage: &Arc<Storage>, from: usize, to: usize) {
    let c = storage.collection(DB, "c").unwrap();
    for n in from..to {
        insert(storage, &c, &format!(r#"{{"_key":"k{n:03}","n":{n},"g":{}}}"#, n % 7)).unwrap();
    }
}

#[test]
fn a_follower_that_applies_the_operations_is_equal() {
    let (leader, follower) = (store(), store());
    for storage in [&leader, &follower] {
        collection(storage, "c");
        storage.create_index(DB, "c", index("persistent", &["u"], true)).unwrap();
    }
    let c = leader.collection(DB, "c").unwrap();
    let steps: [(Operation, &[&str]); 5] = [
        (Operation::Insert, &[r#"{"_key":"a","u":1}"#, r#"{"_key":"b","u":2}"#, r#"{"_key":"x","u":2}"#]),
        (Operation::Update, &[r#"{"_key":"a","u":3}"#, r#"{"_key":"b","u":1}"#]),
        (Operation::Remove, &[r#""a""#]),
        (Operation::Insert, &[r#"{"_key":"c","u":3}"#]),
        (Operation::Replace, &[r#"{"_key":"c","v":3}"#]),
    ];
    for (operation, documents) in steps {
        let mut transaction = leader.begin(TransactionOptions::single(soon())).unwrap();
        transaction.documents(&c, request(operation, documents, DocumentOptions::default())).unwrap();
        let wire = encode_operations(transaction.operations());
        let operations = decode_operations(&wire).unwrap();
        follower.apply(&operations, soon(), false).unwrap();
        follower.apply(&operations, soon(), false).unwrap();
        transaction.commit(false).unwrap();
        let copy = follower.collection(DB, "c").unwrap();
        let (mine, theirs) = (leader.shard_snapshot(&c), follower.shard_snapshot(&copy));
        assert_eq!(mine.hash_of_range(None, None).unwrap(), theirs.hash_of_range(None, None).unwrap());
        assert_eq!(copy.count(), c.count());
        let name = copy.info().indexes[1].name.clone();
        let by_index = found(&begin(&follower), &copy, &name, &IndexRange::default());
        assert_eq!(by_index.len() as u64, copy.count(), "the index of the follower has one entry per document");
    }
    let truncate = decode_operations(&encode_operations(&[storage::ReplicatedOperation {
        database: DB.into(),
        collection: "c".into(),
        kind: ReplicatedKind::Truncate,
    }]));
    follower.apply(&truncate.unwrap(), soon(), true).unwrap();
    let copy = follower.collection(DB, "c").unwrap();
    assert_eq!((copy.count(), keys(&begin(&follower), &copy).len()), (0, 0));
    insert(&follower, &copy, r#"{"u":1}"#).unwrap();
}

#[test]
fn chunks_find_what_differs() {
    let storage = store();
    let c = collection(&storage, "c");
    fill(&storage, 0, 25);
    let snapshot = storage.shard_snapshot(&c);
    fill(&storage, 25, 30);
    let (mut after, mut count, mut chunks) = (None, 0, 0);
    while let Some(chunk) = snapshot.chunk(after.as_deref(), 10).unwrap() {
        assert_eq!(snapshot.hash_of_range(Some(&chunk.low), Some(&chunk.high)).unwrap(), (chunk.count, chunk.hash));
        count += chunk.count;
        chunks += 1;
        assert_eq!(chunk.more, count < 25);
        after = Some(chunk.high);
    }
    assert_eq!((count, chunks), (25, 3));
    let before = snapshot.hash_of_range(Some("k003"), Some("k004")).unwrap();
    run(&storage, &c, Operation::Update, r#"{"_key":"k003","n":0}"#, DocumentOptions::default()).unwrap();
    let now = storage.shard_snapshot(&c);
    assert_ne!(now.hash_of_range(Some("k003"), Some("k004")).unwrap(), before);
    let revs = now.keys_and_revs(Some("k003"), Some("k004")).unwrap();
    assert_eq!(revs.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["k003", "k004"]);
    let documents = now.documents_by_keys(&["k003", "none", "k001"]).unwrap();
    assert_eq!(documents.iter().map(key).collect::<Vec<_>>(), ["k003", "k001"]);
}

#[test]
fn the_log_of_one_shard() {
    let storage = store();
    let c = collection(&storage, "c");
    let other = collection(&storage, "other");
    let snapshot = storage.shard_snapshot(&c);
    fill(&storage, 0, 2);
    insert(&storage, &other, "{}").unwrap();
    run(&storage, &c, Operation::Remove, r#""k000""#, DocumentOptions::default()).unwrap();
    let mut transaction = begin(&storage);
    transaction.truncate(&c).unwrap();
    transaction.commit(false).unwrap();
    let tail = storage.tail_collection(&c, snapshot.tick(), usize::MAX).unwrap();
    let kinds: Vec<&str> = tail
        .operations
        .iter()
        .map(|operation| match &operation.kind {
            ReplicatedKind::Put { key, .. } => key.as_str(),
            ReplicatedKind::Remove { .. } => "removed",
            ReplicatedKind::Truncate => "truncated",
        })
        .collect();
    assert_eq!(kinds, ["k000", "k001", "removed", "truncated"]);
    assert!(tail.present && tail.read_to == tail.last_tick);
    assert!(storage.tail_collection(&c, tail.read_to, 1000).unwrap().operations.is_empty());
}

fn copy_dump(source: &Storage, target: &Storage) {
    target.begin_load().unwrap();
    assert_eq!(target.applied_tick().unwrap(), None, "incomplete until the end");
    let dump = source.dump();
    let mut next = None;
    loop {
        let chunk = DumpChunk::from_bytes(&dump.chunk(next.as_ref(), 200).unwrap().to_bytes()).unwrap();
        target.load_dump_chunk(&chunk).unwrap();
        next = chunk.next;
        if next.is_none() {
            break;
        }
    }
    target.finish_load(dump.tick()).unwrap();
}

fn catch_up(source: &Storage, target: &Storage) {
    loop {
        let from = target.applied_tick().unwrap().unwrap();
        let tail = Tail::from_bytes(&source.tail(from, 500).unwrap().to_bytes()).unwrap();
        assert!(tail.present);
        if tail.batches.is_empty() {
            return;
        }
        target.apply_physical(&tail.batches, false).unwrap();
        target.apply_physical(&tail.batches, false).unwrap();
    }
}

#[test]
fn a_secondary_is_equal_and_can_take_over() {
    let (source_engine, engine) = (MemoryEngine::new(), MemoryEngine::new());
    let source = open(&source_engine);
    create_system(&source);
    collection(&source, "c");
    source.create_index(DB, "c", index("persistent", &["g"], false)).unwrap();
    fill(&source, 0, 40);
    let secondary = open(&engine);
    create_system(&secondary);
    collection(&secondary, "to be forgotten");
    secondary.set_local_value("id", Some(b"secondary"), true).unwrap();
    copy_dump(&source, &secondary);
    assert!(secondary.collection(DB, "to be forgotten").is_err());
    source.set_local_value("id", Some(b"primary"), true).unwrap();
    fill(&source, 40, 60);
    edges(&source, "e");
    let c = source.collection(DB, "c").unwrap();
    run(&source, &c, Operation::Remove, r#""k001""#, DocumentOptions::default()).unwrap();
    catch_up(&source, &secondary);
    assert_eq!(contents(&engine), contents(&source_engine));
    assert_eq!(secondary.local_value("id").unwrap().as_deref(), Some(&b"secondary"[..]));
    assert_eq!(secondary.collection(DB, "c").unwrap().count(), 59);
    drop(secondary);
    let secondary = open(&engine);
    assert_eq!(secondary.applied_tick().unwrap(), Some(source.latest_tick()), "the tick survives a restart");
    fill(&source, 60, 65);
    source.rename_collection(DB, "c", "renamed").unwrap();
    catch_up(&source, &secondary);
    assert_eq!(contents(&engine), contents(&source_engine));
    secondary.end_copy().unwrap();
    let c = secondary.collection(DB, "renamed").unwrap();
    assert_eq!(c.count(), 64);
    let existing = keys(&begin(&secondary), &c);
    let fresh = insert(&secondary, &c, r#"{"g":3}"#).unwrap();
    assert!(!existing.contains(&fresh.key));
    assert_eq!(found(&begin(&secondary), &c, &c.info().indexes[1].name, &IndexRange::equal([Value::int(3)])).len(), 10);
}

#[test]
fn a_gap_in_the_log_is_reported() {
    let engine = MemoryEngine::with_log_limit(200);
    let storage = open(&engine);
    create_system(&storage);
    collection(&storage, "c");
    let from = storage.latest_tick();
    fill(&storage, 0, 50);
    assert!(!storage.tail(from, 1000).unwrap().present);
    let fresh = open(&MemoryEngine::new());
    assert_eq!(fresh.apply_physical(&[(1, Batch::new())], false).unwrap_err().code(), code::REPLICATION_NO_START_TICK);
    fresh.begin_load().unwrap();
    assert!(fresh.end_copy().is_err(), "half a copy does not take over");
}
