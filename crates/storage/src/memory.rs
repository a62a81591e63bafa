//! The engine in memory: for tests and for building without C++.
//!
//! Every key keeps the versions that a living snapshot can see. Invariant: the versions of a key
//! are in ascending order of ticks and the last one is the present state.

use crate::batch::{Batch, Write};
use crate::engine::{Engine, EngineIterator, Family, KeyRange, Order, Snapshot, Tail};
use base::{Error, Result, code};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// Default size of the log.
const LOG_BYTES_MAX: usize = 64 << 20;
/// Entries an iterator fetches at a time.
const ITERATOR_ENTRIES: usize = 64;

type Bytes = Arc<[u8]>;
type Versions = Vec<(u64, Option<Bytes>)>;

/// An engine that forgets everything when it is dropped. Its clones are the same engine, so that
/// a test can reopen storage on it as if after a crash.
#[derive(Clone)]
pub struct MemoryEngine {
    shared: Arc<Shared>,
}

struct Shared {
    state: RwLock<State>,
    /// Ticks of living snapshots and their number.
    snapshots: Mutex<BTreeMap<u64, usize>>,
    log_bytes_max: usize,
}

#[derive(Default)]
struct State {
    tick: u64,
    families: [BTreeMap<Bytes, Versions>; Family::ALL.len()],
    log: VecDeque<(u64, Batch)>,
    log_bytes: usize,
    /// Everything after this tick is in the log.
    log_from: u64,
    failing: bool,
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryEngine {
    /// An empty engine.
    #[must_use]
    pub fn new() -> Self {
        Self::with_log_limit(LOG_BYTES_MAX)
    }

    /// An empty engine whose log keeps about so many bytes.
    #[must_use]
    pub fn with_log_limit(log_bytes_max: usize) -> Self {
        let shared = Shared { state: RwLock::default(), snapshots: Mutex::default(), log_bytes_max };
        Self { shared: Arc::new(shared) }
    }

    /// While set, writes fail as on a full disk.
    pub fn set_failing(&self, failing: bool) {
        self.shared.state.write().failing = failing;
    }

    /// Number of stored versions, for tests of their collection.
    #[must_use]
    pub fn versions(&self) -> usize {
        self.shared.state.read().families.iter().flat_map(BTreeMap::values).map(Vec::len).sum()
    }
}

impl State {
    fn family(&self, family: Family) -> &BTreeMap<Bytes, Versions> {
        &self.families[family as usize - 1]
    }

    fn set(&mut self, family: Family, key: &[u8], value: Option<&[u8]>, tick: u64, oldest: u64) {
        let map = &mut self.families[family as usize - 1];
        let value = value.map(Bytes::from);
        let Some(versions) = map.get_mut(key) else {
            if value.is_some() {
                map.insert(key.into(), vec![(tick, value)]);
            }
            return;
        };
        versions.push((tick, value));
        let unneeded = versions.iter().rposition(|(since, _)| *since <= oldest).unwrap_or(0);
        versions.drain(..unneeded);
        if versions.iter().all(|(_, value)| value.is_none()) {
            map.remove(key);
        }
    }

    fn set_range(&mut self, family: Family, from: &[u8], to: &[u8], tick: u64, oldest: u64) {
        if from >= to {
            return;
        }
        let range = (Bound::Included(from), Bound::Excluded(to));
        let keys: Vec<Bytes> = self.family(family).range::<[u8], _>(range).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.set(family, &key, None, tick, oldest);
        }
    }
}

fn version(versions: &Versions, tick: u64) -> Option<&Bytes> {
    versions.iter().rev().find(|(since, _)| *since <= tick)?.1.as_ref()
}

impl Engine for MemoryEngine {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let state = self.shared.state.read();
        Ok(state.family(family).get(key).and_then(|versions| version(versions, u64::MAX)).map(|value| value.to_vec()))
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(MemorySnapshot { view: Arc::new(View::new(&self.shared)) })
    }

    fn write(&self, batch: &Batch, _sync: bool) -> Result<u64> {
        let mut state = self.shared.state.write();
        if state.failing {
            return Err(Error::from(code::ARANGO_FILESYSTEM_FULL));
        }
        if batch.is_empty() {
            return Ok(state.tick);
        }
        let tick = state.tick + batch.len();
        let oldest = self.shared.snapshots.lock().keys().next().copied().unwrap_or(tick);
        for write in batch {
            match write {
                Write::Put { family, key, value } => state.set(family, key, Some(value), tick, oldest),
                Write::Delete { family, key } => state.set(family, key, None, tick, oldest),
                Write::DeleteRange { family, from, to } => state.set_range(family, from, to, tick, oldest),
            }
        }
        state.tick = tick;
        state.log_bytes += batch.as_bytes().len();
        state.log.push_back((tick, batch.clone()));
        while state.log_bytes > self.shared.log_bytes_max {
            let Some((end, dropped)) = state.log.pop_front() else { break };
            state.log_bytes -= dropped.as_bytes().len();
            state.log_from = end;
        }
        Ok(tick)
    }

    fn latest_tick(&self) -> u64 {
        self.shared.state.read().tick
    }

    fn tail(&self, from_tick: u64, bytes_max: usize) -> Result<Tail> {
        let state = self.shared.state.read();
        let mut tail = Tail { present: from_tick >= state.log_from, batches: Vec::new(), last_tick: state.tick };
        if !tail.present {
            return Ok(tail);
        }
        let mut bytes = 0;
        let first = state.log.partition_point(|(end, _)| *end <= from_tick);
        for (end, batch) in state.log.range(first..) {
            tail.batches.push((*end, batch.clone()));
            bytes += batch.as_bytes().len();
            if bytes > bytes_max {
                break;
            }
        }
        Ok(tail)
    }

    fn release_log(&self, tick: u64) {
        let mut state = self.shared.state.write();
        while state.log.front().is_some_and(|(end, _)| *end <= tick) {
            let Some((end, dropped)) = state.log.pop_front() else { break };
            state.log_bytes -= dropped.as_bytes().len();
            state.log_from = end;
        }
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn size_bytes(&self, family: Family, range: &KeyRange) -> u64 {
        let state = self.shared.state.read();
        if range.is_empty() {
            return 0;
        }
        let bytes = |(key, versions): (&Bytes, &Versions)| key.len() + version(versions, u64::MAX).map_or(0, |value| value.len());
        state.family(family).range::<[u8], _>(bounds(range)).map(bytes).sum::<usize>() as u64
    }

    fn figures(&self) -> Vec<(String, u64)> {
        let state = self.shared.state.read();
        let entries = state.families.iter().map(BTreeMap::len).sum::<usize>() as u64;
        vec![("memory_engine_entries".into(), entries), ("memory_engine_log_bytes".into(), state.log_bytes as u64)]
    }
}

fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let end = if range.to.is_empty() { Bound::Unbounded } else { Bound::Excluded(range.to.as_slice()) };
    (Bound::Included(range.from.as_slice()), end)
}

/// Registration of a tick whose versions must be kept.
struct View {
    shared: Arc<Shared>,
    tick: u64,
}

impl View {
    fn new(shared: &Arc<Shared>) -> Self {
        // The state stays locked until the tick is registered, so that no write in between drops versions.
        let state = shared.state.read();
        *shared.snapshots.lock().entry(state.tick).or_default() += 1;
        Self { shared: shared.clone(), tick: state.tick }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let mut snapshots = self.shared.snapshots.lock();
        if let Some(count) = snapshots.get_mut(&self.tick) {
            *count -= 1;
            if *count == 0 {
                snapshots.remove(&self.tick);
            }
        }
    }
}

struct MemorySnapshot {
    view: Arc<View>,
}

impl Snapshot for MemorySnapshot {
    fn tick(&self) -> u64 {
        self.view.tick
    }

    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let state = self.view.shared.state.read();
        Ok(state.family(family).get(key).and_then(|versions| version(versions, self.view.tick)).map(|value| value.to_vec()))
    }

    fn iter(&self, family: Family, range: &KeyRange, order: Order) -> Result<Box<dyn EngineIterator>> {
        let mut iterator = MemoryIterator {
            view: self.view.clone(),
            family,
            rest: range.clone(),
            order,
            fetched: VecDeque::new(),
            exhausted: range.is_empty(),
        };
        iterator.fetch();
        Ok(Box::new(iterator))
    }
}

struct MemoryIterator {
    view: Arc<View>,
    family: Family,
    /// What has not been fetched yet.
    rest: KeyRange,
    order: Order,
    fetched: VecDeque<(Bytes, Bytes)>,
    exhausted: bool,
}

impl MemoryIterator {
    fn fetch(&mut self) {
        if self.exhausted {
            return;
        }
        let state = self.view.shared.state.read();
        let tick = self.view.tick;
        let entries = state.family(self.family).range::<[u8], _>(bounds(&self.rest));
        let visible = |(key, versions): (&Bytes, &Versions)| Some((key.clone(), version(versions, tick)?.clone()));
        match self.order {
            Order::Forward => self.fetched.extend(entries.filter_map(visible).take(ITERATOR_ENTRIES)),
            Order::Reverse => self.fetched.extend(entries.rev().filter_map(visible).take(ITERATOR_ENTRIES)),
        }
        drop(state);
        self.exhausted = self.fetched.len() < ITERATOR_ENTRIES;
        let Some((last, _)) = self.fetched.back() else { return };
        match self.order {
            Order::Forward => {
                self.rest.from = last.to_vec();
                self.rest.from.push(0);
            }
            Order::Reverse => self.rest.to = last.to_vec(),
        }
        // An empty upper end would mean "no end".
        self.exhausted |= self.rest.is_empty() || (self.order == Order::Reverse && self.rest.to.is_empty());
    }
}

impl EngineIterator for MemoryIterator {
    fn valid(&self) -> bool {
        !self.fetched.is_empty()
    }

    fn key(&self) -> &[u8] {
        self.fetched.front().map_or(&[], |(key, _)| key)
    }

    fn value(&self) -> &[u8] {
        self.fetched.front().map_or(&[], |(_, value)| value)
    }

    fn advance(&mut self) -> Result<()> {
        self.fetched.pop_front();
        if self.fetched.is_empty() {
            self.fetch();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_the_contract() {
        crate::engine_contract::check(&mut || Arc::new(MemoryEngine::new()));
    }

    #[test]
    fn versions_go_with_their_snapshots() {
        let engine = MemoryEngine::new();
        let put = |value: &[u8]| {
            let mut batch = Batch::new();
            batch.put(Family::Documents, b"k", value);
            engine.write(&batch, false).unwrap();
        };
        put(b"1");
        let snapshot = engine.snapshot();
        put(b"2");
        put(b"3");
        assert_eq!(engine.versions(), 3);
        drop(snapshot);
        put(b"4");
        assert_eq!(engine.versions(), 1);
    }

    #[test]
    fn a_short_log_is_not_present() {
        let engine = MemoryEngine::with_log_limit(40);
        for value in 0..10u8 {
            let mut batch = Batch::new();
            batch.put(Family::Documents, b"key", &[value]);
            engine.write(&batch, false).unwrap();
        }
        assert!(!engine.tail(0, 1000).unwrap().present);
        assert!(engine.tail(9, 1000).unwrap().present);
        engine.release_log(10);
        assert!(!engine.tail(9, 1000).unwrap().present);
        assert!(engine.tail(10, 1000).unwrap().batches.is_empty());
    }
}
