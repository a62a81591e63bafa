//! Document counts that survive `kill -9` without a recount.
//!
//! The count of a collection is the sum of a few stripes. A commit that changes the number of
//! documents takes a free stripe and writes its new value in the batch of the documents; several
//! commits at a time use different stripes, so none waits for another one's disk. The greatest
//! generated key lies in the same record.
//!
//! Invariant: whoever holds a stripe is the only one who writes its record, so the record always
//! tells the sum of all committed changes that went through the stripe.

use crate::batch::Batch;
use crate::engine::Family;
use crate::keys;
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

const STRIPES: usize = 64;

/// Count and last generated key of one collection.
pub(crate) struct Counter {
    object_id: u64,
    total: AtomicI64,
    last_key: AtomicU64,
    stripes: Vec<Mutex<i64>>,
    turn: AtomicUsize,
}

/// A stripe taken for one commit.
pub(crate) struct Reservation<'a> {
    counter: &'a Counter,
    number: u8,
    count: MutexGuard<'a, i64>,
}

impl Counter {
    pub(crate) fn new(object_id: u64) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::new(0)).collect();
        Self { object_id, total: AtomicI64::new(0), last_key: AtomicU64::new(0), stripes, turn: AtomicUsize::new(0) }
    }

    /// Number of documents.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.total.load(Ordering::Acquire)).unwrap_or(0)
    }

    /// Greatest numeric key so far.
    pub(crate) fn last_key(&self) -> &AtomicU64 {
        &self.last_key
    }

    /// Takes a stripe, the first free one.
    pub(crate) fn reserve(&self) -> Reservation<'_> {
        let free = self.stripes.iter().enumerate().find_map(|(number, stripe)| Some((number, stripe.try_lock()?)));
        let (number, count) = free.unwrap_or_else(|| {
            let number = self.turn.fetch_add(1, Ordering::Relaxed) % STRIPES;
            (number, self.stripes[number].lock())
        });
        Reservation { counter: self, number: number as u8, count }
    }

    /// Takes over a record of the engine, found at the start or replicated. Only the one who
    /// applies a foreign log may call this while the collection is in use.
    pub(crate) fn load(&self, key: &[u8], value: Option<&[u8]>) {
        let Some(&number) = key.get(8) else { return };
        let Some(stripe) = self.stripes.get(usize::from(number)) else { return };
        let (count, last_key) = value.map_or((0, 0), read_record);
        let mut stripe = stripe.lock();
        self.total.fetch_add(count - *stripe, Ordering::AcqRel);
        *stripe = count;
        self.last_key.fetch_max(last_key, Ordering::AcqRel);
    }
}

fn read_record(value: &[u8]) -> (i64, u64) {
    let Some((count, rest)) = value.split_first_chunk::<8>() else { return (0, 0) };
    (i64::from_be_bytes(*count), rest.first_chunk::<8>().map_or(0, |last| u64::from_be_bytes(*last)))
}

impl Reservation<'_> {
    /// Puts the changed record into a batch.
    pub(crate) fn write(&self, delta: i64, batch: &mut Batch) {
        let mut value = [0; 16];
        value[..8].copy_from_slice(&(*self.count + delta).to_be_bytes());
        value[8..].copy_from_slice(&self.counter.last_key.load(Ordering::Acquire).to_be_bytes());
        batch.put(Family::Counters, &keys::counter(self.counter.object_id, self.number), &value);
    }

    /// The batch is committed.
    pub(crate) fn commit(mut self, delta: i64) {
        *self.count += delta;
        self.counter.total.fetch_add(delta, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Write;

    fn load_all(counter: &Counter, batch: &Batch) {
        for write in batch {
            if let Write::Put { key, value, .. } = write {
                counter.load(key, Some(value));
            }
        }
    }

    #[test]
    fn overlapping_commits_add_up_after_a_crash() {
        let counter = Counter::new(1);
        let mut batch = Batch::new();
        let (first, second) = (counter.reserve(), counter.reserve());
        first.write(3, &mut batch);
        second.write(-1, &mut batch);
        counter.last_key().store(77, Ordering::Release);
        second.commit(-1);
        first.commit(3);
        let third = counter.reserve();
        third.write(10, &mut batch);
        third.commit(10);
        assert_eq!(counter.count(), 12);
        let reopened = Counter::new(1);
        load_all(&reopened, &batch);
        assert_eq!((reopened.count(), reopened.last_key().load(Ordering::Acquire)), (12, 77));
    }

    #[test]
    fn an_abandoned_reservation_changes_nothing() {
        let counter = Counter::new(1);
        let mut batch = Batch::new();
        let reservation = counter.reserve();
        reservation.write(5, &mut batch);
        drop(reservation);
        assert_eq!(counter.count(), 0);
    }
}
