//! Locks on keys, unique index values and collections, with fair queues and deadlines.
//!
//! A lock is named by a 64-bit hash of what it protects; two things that share a hash merely wait
//! for one another. Who comes first gets it first; an owner never asks twice (transactions keep
//! track of what they hold), except to turn a shared lock into an exclusive one.
//!
//! Deadlocks end at the deadline of one of the waiters, which becomes error 1200.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SHARDS: usize = 128;

/// Name of a lock.
pub(crate) type LockId = u64;

/// Kind of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Together with other shared ones.
    Shared,
    /// Alone.
    Exclusive,
}

/// What the one who asks holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Nothing,
    Shared,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    Until(Instant),
    For(Duration),
}

/// All locks of a server.
pub(crate) struct LockTable {
    shards: Vec<Mutex<HashMap<LockId, Lock>>>,
    hasher: RandomState,
}

#[derive(Default)]
struct Lock {
    shared: u32,
    exclusive: bool,
    queue: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    mode: Mode,
    held: Held,
    granted: AtomicBool,
    ready: Condvar,
}

impl LockTable {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// Name of the lock on a collection.
    pub(crate) fn collection(&self, object_id: u64) -> LockId {
        self.hasher.hash_one((0u8, object_id))
    }

    /// Name of the lock on an entry, given by its engine key.
    pub(crate) fn entry(&self, key: &(impl Hash + ?Sized)) -> LockId {
        self.hasher.hash_one((1u8, key))
    }

    /// Takes a lock; false if the wait was in vain.
    pub(crate) fn acquire(&self, id: LockId, mode: Mode, held: Held, wait: Wait) -> bool {
        let mut shard = self.shard(id).lock();
        let lock = shard.entry(id).or_default();
        let may_overtake = held == Held::Shared;
        if (lock.queue.is_empty() || may_overtake) && lock.admits(mode, held) {
            lock.grant(mode, held);
            return true;
        }
        let waiter = Arc::new(Waiter { mode, held, granted: AtomicBool::new(false), ready: Condvar::new() });
        if may_overtake {
            lock.queue.push_front(waiter.clone())
        } else {
            lock.queue.push_back(waiter.clone())
        }
        while !waiter.granted.load(Ordering::Acquire) {
            let timed_out = match wait {
                Wait::Until(deadline) => waiter.ready.wait_until(&mut shard, deadline).timed_out(),
                Wait::For(time) => waiter.ready.wait_for(&mut shard, time).timed_out(),
            };
            if timed_out && !waiter.granted.load(Ordering::Acquire) {
                give_up(&mut shard, id, &waiter);
                return false;
            }
        }
        true
    }

    /// Gives a lock back.
    pub(crate) fn release(&self, id: LockId, mode: Mode) {
        let mut shard = self.shard(id).lock();
        if let Entry::Occupied(mut entry) = shard.entry(id) {
            let lock = entry.get_mut();
            match mode {
                Mode::Shared => lock.shared = lock.shared.saturating_sub(1),
                Mode::Exclusive => lock.exclusive = false,
            }
            if lock.serve_queue() {
                entry.remove();
            }
        }
    }

    fn shard(&self, id: LockId) -> &Mutex<HashMap<LockId, Lock>> {
        &self.shards[(id % SHARDS as u64) as usize]
    }

    #[cfg(test)]
    fn waiting(&self, id: LockId) -> usize {
        self.shard(id).lock().get(&id).map_or(0, |lock| lock.queue.len())
    }

    #[cfg(test)]
    pub(crate) fn is_unused(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }
}

fn give_up(shard: &mut MutexGuard<'_, HashMap<LockId, Lock>>, id: LockId, waiter: &Arc<Waiter>) {
    if let Entry::Occupied(mut entry) = shard.entry(id) {
        entry.get_mut().queue.retain(|other| !Arc::ptr_eq(other, waiter));
        // Those behind the one who left may fit in now.
        if entry.get_mut().serve_queue() {
            entry.remove();
        }
    }
}

impl Lock {
    fn admits(&self, mode: Mode, held: Held) -> bool {
        match mode {
            Mode::Shared => !self.exclusive,
            Mode::Exclusive => !self.exclusive && self.shared == u32::from(held == Held::Shared),
        }
    }

    fn grant(&mut self, mode: Mode, held: Held) {
        match mode {
            Mode::Shared => self.shared += 1,
            Mode::Exclusive => {
                self.exclusive = true;
                self.shared -= u32::from(held == Held::Shared);
            }
        }
    }

    /// Grants what can be granted from the front; true if nobody holds or wants the lock.
    fn serve_queue(&mut self) -> bool {
        while let Some(front) = self.queue.front() {
            if !self.admits(front.mode, front.held) {
                return false;
            }
            let Some(waiter) = self.queue.pop_front() else { break };
            self.grant(waiter.mode, waiter.held);
            waiter.granted.store(true, Ordering::Release);
            waiter.ready.notify_one();
        }
        !self.exclusive && self.shared == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAIT: Wait = Wait::For(Duration::ZERO);
    const LONG: Wait = Wait::For(Duration::from_secs(60));

    fn wait_for_waiters(table: &LockTable, id: LockId, count: usize) {
        while table.waiting(id) < count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn exclusive_locks_exclude() {
        let table = LockTable::new();
        let id = table.entry("k");
        assert!(table.acquire(id, Mode::Exclusive, Held::Nothing, NO_WAIT));
        assert!(!table.acquire(id, Mode::Exclusive, Held::Nothing, NO_WAIT));
        assert!(!table.acquire(id, Mode::Shared, Held::Nothing, NO_WAIT));
        assert!(table.acquire(table.entry("other"), Mode::Exclusive, Held::Nothing, NO_WAIT));
        table.release(id, Mode::Exclusive);
        assert!(table.acquire(id, Mode::Shared, Held::Nothing, NO_WAIT));
        assert!(table.acquire(id, Mode::Shared, Held::Nothing, NO_WAIT));
        assert!(!table.acquire(id, Mode::Exclusive, Held::Shared, NO_WAIT));
        table.release(id, Mode::Shared);
        assert!(table.acquire(id, Mode::Exclusive, Held::Shared, NO_WAIT));
        table.release(id, Mode::Exclusive);
        table.release(table.entry("other"), Mode::Exclusive);
        assert!(table.is_unused());
    }

    #[test]
    fn first_come_first_served() {
        let table = Arc::new(LockTable::new());
        let id = table.entry("k");
        let served = Arc::new(Mutex::new(Vec::new()));
        assert!(table.acquire(id, Mode::Exclusive, Held::Nothing, NO_WAIT));
        let mut threads = Vec::new();
        for number in 0..8 {
            let (table, served) = (table.clone(), served.clone());
            let waiters = number + 1;
            let observer = table.clone();
            threads.push(std::thread::spawn(move || {
                assert!(table.acquire(id, Mode::Exclusive, Held::Nothing, LONG));
                served.lock().push(number);
                table.release(id, Mode::Exclusive);
            }));
            wait_for_waiters(&observer, id, waiters);
        }
        table.release(id, Mode::Exclusive);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*served.lock(), (0..8).collect::<Vec<_>>());
        assert!(table.is_unused());
    }

    #[test]
    fn a_waiter_who_leaves_lets_others_in() {
        let table = Arc::new(LockTable::new());
        let id = table.entry("k");
        assert!(table.acquire(id, Mode::Shared, Held::Nothing, NO_WAIT));
        let (writer, reader) = (table.clone(), table.clone());
        let writer = std::thread::spawn(move || writer.acquire(id, Mode::Exclusive, Held::Nothing, Wait::For(Duration::from_millis(50))));
        wait_for_waiters(&table, id, 1);
        let reader = std::thread::spawn(move || reader.acquire(id, Mode::Shared, Held::Nothing, LONG));
        assert!(!writer.join().unwrap(), "the exclusive wait ends at its deadline");
        assert!(reader.join().unwrap(), "the reader behind it is let in");
    }
}
