//! What storage relies on, as checks that every engine runs in its tests.
//!
//! [`check`] panics with a message at the first broken promise; it is meant for tests only.

use crate::batch::{Batch, Write};
use crate::engine::{Engine, EngineIterator, Family, KeyRange, Order};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs all checks, each against a fresh engine.
///
/// # Panics
/// If the engine breaks a promise.
pub fn check(make: &mut dyn FnMut() -> Arc<dyn Engine>) {
    reads_what_was_written(&*make());
    families_are_separate(&*make());
    batches_apply_in_order(&*make());
    ticks_grow(&*make());
    snapshots_do_not_change(&*make());
    iterators_keep_to_their_range(&*make());
    iterators_outlive_their_snapshot(&*make());
    ranges_are_deleted(&*make());
    the_tail_replays_everything(&*make(), &*make());
    the_tail_continues_in_pieces(&*make());
    batches_are_atomic_for_readers(&make());
    agrees_with_a_model(&*make());
}

const FAMILY: Family = Family::Documents;

fn put(engine: &dyn Engine, key: &[u8], value: &[u8]) -> u64 {
    let mut batch = Batch::new();
    batch.put(FAMILY, key, value);
    engine.write(&batch, false).expect("a write succeeds")
}

fn entries(mut iterator: Box<dyn EngineIterator>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    while iterator.valid() {
        entries.push((iterator.key().to_vec(), iterator.value().to_vec()));
        iterator.advance().expect("an iterator advances");
    }
    entries
}

fn keys(engine: &dyn Engine, range: &KeyRange, order: Order) -> Vec<Vec<u8>> {
    let iterator = engine.snapshot().iter(FAMILY, range, order).expect("an iterator opens");
    entries(iterator).into_iter().map(|(key, _)| key).collect()
}

fn reads_what_was_written(engine: &dyn Engine) {
    assert_eq!(engine.get(FAMILY, b"a").expect("a read succeeds"), None);
    put(engine, b"a", b"1");
    put(engine, b"", b"empty key");
    put(engine, b"empty value", b"");
    assert_eq!(engine.get(FAMILY, b"a").expect("a read succeeds").as_deref(), Some(&b"1"[..]));
    assert_eq!(engine.get(FAMILY, b"").expect("a read succeeds").as_deref(), Some(&b"empty key"[..]));
    assert_eq!(engine.get(FAMILY, b"empty value").expect("a read succeeds").as_deref(), Some(&b""[..]));
    let mut batch = Batch::new();
    batch.delete(FAMILY, b"a");
    batch.delete(FAMILY, b"never there");
    engine.write(&batch, true).expect("a synced write succeeds");
    assert_eq!(engine.get(FAMILY, b"a").expect("a read succeeds"), None);
    engine.flush().expect("a flush succeeds");
    assert_eq!(engine.get(FAMILY, b"").expect("a read succeeds").as_deref(), Some(&b"empty key"[..]), "a flush changes nothing");
}

fn families_are_separate(engine: &dyn Engine) {
    let mut batch = Batch::new();
    for family in Family::ALL {
        batch.put(family, b"k", family.name().as_bytes());
    }
    engine.write(&batch, false).expect("a write succeeds");
    for family in Family::ALL {
        assert_eq!(engine.get(family, b"k").expect("a read succeeds").as_deref(), Some(family.name().as_bytes()));
    }
}

fn batches_apply_in_order(engine: &dyn Engine) {
    put(engine, b"b", b"old");
    let mut batch = Batch::new();
    batch.put(FAMILY, b"a", b"1");
    batch.delete(FAMILY, b"a");
    batch.put(FAMILY, b"a", b"2");
    batch.delete_range(FAMILY, b"b", b"c");
    batch.put(FAMILY, b"b2", b"after the range");
    engine.write(&batch, false).expect("a write succeeds");
    assert_eq!(keys(engine, &KeyRange::default(), Order::Forward), [b"a".to_vec(), b"b2".to_vec()], "later writes of a batch win");
    assert_eq!(engine.get(FAMILY, b"a").expect("a read succeeds").as_deref(), Some(&b"2"[..]));
}

fn ticks_grow(engine: &dyn Engine) {
    let start = engine.latest_tick();
    let first = put(engine, b"a", b"1");
    let second = put(engine, b"a", b"1");
    assert!(start < first && first < second, "ticks grow strictly: {start} {first} {second}");
    assert_eq!(engine.latest_tick(), second);
    assert_eq!(engine.snapshot().tick(), second);
    assert_eq!(engine.write(&Batch::new(), true).expect("an empty write succeeds"), second, "an empty batch takes no tick");
}

fn snapshots_do_not_change(engine: &dyn Engine) {
    put(engine, b"a", b"1");
    put(engine, b"b", b"1");
    let snapshot = engine.snapshot();
    let open = snapshot.iter(FAMILY, &KeyRange::default(), Order::Forward).expect("an iterator opens");
    put(engine, b"a", b"2");
    put(engine, b"c", b"2");
    let mut batch = Batch::new();
    batch.delete(FAMILY, b"b");
    engine.write(&batch, false).expect("a write succeeds");
    engine.flush().expect("a flush succeeds");
    let expected = vec![(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"1".to_vec())];
    assert_eq!(entries(open), expected);
    let again = snapshot.iter(FAMILY, &KeyRange::default(), Order::Forward).expect("an iterator opens");
    assert_eq!(entries(again), expected, "the snapshot is as it was");
    assert_eq!(snapshot.get(FAMILY, b"b").expect("a read succeeds").as_deref(), Some(&b"1"[..]));
    assert_eq!(snapshot.get(FAMILY, b"c").expect("a read succeeds"), None);
    assert_eq!(engine.get(FAMILY, b"b").expect("a read succeeds"), None);
}

fn iterators_keep_to_their_range(engine: &dyn Engine) {
    let mut batch = Batch::new();
    for number in 0..200u8 {
        batch.put(FAMILY, &[number, 7], &[number]);
    }
    engine.write(&batch, false).expect("a write succeeds");
    let numbers = |range: &KeyRange, order| keys(engine, range, order).iter().map(|key| key[0]).collect::<Vec<u8>>();
    assert_eq!(numbers(&KeyRange::default(), Order::Forward), (0..200).collect::<Vec<_>>());
    assert_eq!(numbers(&KeyRange::default(), Order::Reverse), (0..200).rev().collect::<Vec<_>>());
    let range = KeyRange { from: vec![10], to: vec![150, 7] };
    assert_eq!(numbers(&range, Order::Forward), (10..150).collect::<Vec<_>>());
    assert_eq!(numbers(&range, Order::Reverse), (10..150).rev().collect::<Vec<_>>());
    assert_eq!(numbers(&KeyRange { from: vec![190], to: vec![] }, Order::Reverse), (190..200).rev().collect::<Vec<_>>());
    assert_eq!(numbers(&KeyRange::prefix(&[42]), Order::Reverse), [42]);
    assert!(numbers(&KeyRange { from: vec![5], to: vec![5] }, Order::Forward).is_empty());
    assert!(numbers(&KeyRange { from: vec![6], to: vec![5] }, Order::Forward).is_empty());
    assert!(numbers(&KeyRange { from: vec![6], to: vec![5] }, Order::Reverse).is_empty());
    assert!(numbers(&KeyRange { from: vec![250], to: vec![] }, Order::Forward).is_empty());
}

fn iterators_outlive_their_snapshot(engine: &dyn Engine) {
    for number in 0..100u8 {
        put(engine, &[number], b"old");
    }
    let snapshot = engine.snapshot();
    let iterator = snapshot.iter(FAMILY, &KeyRange::default(), Order::Forward).expect("an iterator opens");
    drop(snapshot);
    for number in 0..100u8 {
        put(engine, &[number], b"new");
    }
    let seen = entries(iterator);
    assert_eq!(seen.len(), 100);
    assert!(seen.iter().all(|(_, value)| value == b"old"), "an iterator keeps its snapshot alive");
}

fn ranges_are_deleted(engine: &dyn Engine) {
    for key in [b"a1", b"a2", b"b1", b"c1"] {
        put(engine, key, b"v");
    }
    let before = engine.snapshot();
    let mut batch = Batch::new();
    batch.delete_range(FAMILY, b"a2", b"c");
    batch.delete_range(FAMILY, b"x", b"x");
    engine.write(&batch, false).expect("a write succeeds");
    assert_eq!(keys(engine, &KeyRange::default(), Order::Forward), [b"a1".to_vec(), b"c1".to_vec()]);
    assert_eq!(before.get(FAMILY, b"b1").expect("a read succeeds").as_deref(), Some(&b"v"[..]), "snapshots keep deleted ranges");
}

fn the_tail_replays_everything(source: &dyn Engine, target: &dyn Engine) {
    put(source, b"before", b"1");
    let from = source.latest_tick();
    let mut batch = Batch::new();
    batch.put(FAMILY, b"a", b"1");
    batch.put(Family::EdgeIndex, b"e", b"");
    batch.put(Family::Local, b"l", b"mine");
    source.write(&batch, false).expect("a write succeeds");
    put(source, b"b", b"2");
    let mut batch = Batch::new();
    batch.delete(FAMILY, b"a");
    batch.delete_range(FAMILY, b"before", b"before\0");
    source.write(&batch, true).expect("a write succeeds");
    let tail = source.tail(from, usize::MAX).expect("the tail is read");
    assert!(tail.present, "the log holds fresh writes");
    assert_eq!(tail.last_tick, source.latest_tick());
    assert_eq!(tail.batches.last().map(|(tick, _)| *tick), Some(tail.last_tick), "the last batch ends at the last tick");
    put(target, b"before", b"1");
    for (_, batch) in &tail.batches {
        target.write(batch, false).expect("a write succeeds");
    }
    for family in Family::ALL {
        let all =
            |engine: &dyn Engine| entries(engine.snapshot().iter(family, &KeyRange::default(), Order::Forward).expect("an iterator opens"));
        assert_eq!(all(source), all(target), "family {} is the same after the replay", family.name());
    }
}

fn the_tail_continues_in_pieces(engine: &dyn Engine) {
    let start = engine.latest_tick();
    for number in 0..50u8 {
        put(engine, &[number], &[0; 100]);
    }
    engine.flush().expect("a flush succeeds");
    let (mut from, mut seen) = (start, Vec::new());
    loop {
        let tail = engine.tail(from, 300).expect("the tail is read");
        assert!(tail.present);
        let Some((tick, _)) = tail.batches.last() else { break };
        assert!(*tick > from, "every piece goes forward");
        from = *tick;
        for (_, batch) in &tail.batches {
            for write in batch {
                match write {
                    Write::Put { key, .. } => seen.push(key[0]),
                    other => panic!("unexpected {other:?}"),
                }
            }
        }
        assert!(tail.batches.len() < 50, "the limit is respected");
    }
    assert_eq!(seen, (0..50).collect::<Vec<u8>>());
    assert_eq!(from, engine.latest_tick());
}

fn batches_are_atomic_for_readers(engine: &Arc<dyn Engine>) {
    let writer = {
        let engine = engine.clone();
        std::thread::spawn(move || {
            for number in 0..500u32 {
                let mut batch = Batch::new();
                batch.put(Family::Documents, b"x", &number.to_le_bytes());
                batch.put(Family::EdgeIndex, b"y", &number.to_le_bytes());
                engine.write(&batch, false).expect("a write succeeds");
            }
        })
    };
    while !writer.is_finished() {
        let snapshot = engine.snapshot();
        let x = snapshot.get(Family::Documents, b"x").expect("a read succeeds");
        let y = snapshot.get(Family::EdgeIndex, b"y").expect("a read succeeds");
        assert_eq!(x, y, "a snapshot shows whole batches");
    }
    writer.join().expect("the writer ends well");
}

fn agrees_with_a_model(engine: &dyn Engine) {
    let mut model = BTreeMap::new();
    // A small linear congruential generator: the same sequence for every engine.
    let mut random = 12345u32;
    let mut next = |limit: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) % limit
    };
    for round in 0..300u32 {
        let mut batch = Batch::new();
        for _ in 0..next(5) + 1 {
            let key = vec![b'k', next(40) as u8];
            match next(8) {
                0 | 1 => {
                    batch.delete(FAMILY, &key);
                    model.remove(&key);
                }
                2 => {
                    let to = vec![b'k', key[1].saturating_add(next(4) as u8)];
                    batch.delete_range(FAMILY, &key, &to);
                    model.retain(|kept, _| *kept < key || *kept >= to);
                }
                _ => {
                    batch.put(FAMILY, &key, &round.to_le_bytes());
                    model.insert(key, round.to_le_bytes().to_vec());
                }
            }
        }
        engine.write(&batch, false).expect("a write succeeds");
        if round % 50 == 0 {
            engine.flush().expect("a flush succeeds");
        }
        if round % 10 == 0 {
            let iterator = engine.snapshot().iter(FAMILY, &KeyRange::default(), Order::Forward).expect("an iterator opens");
            assert_eq!(entries(iterator), model.clone().into_iter().collect::<Vec<_>>(), "round {round}");
        }
    }
}
