//! The writes of a transaction, ordered like the engine, and reading through them.
//!
//! Invariant: what lies in the overlay hides what the engine has under the same key; a truncated
//! object hides everything of it. Cursors keep the overlay as it was when they were opened: it is
//! copied when it changes while a cursor still reads it.

use crate::batch::Batch;
use crate::engine::{Engine, EngineIterator, Family, KeyRange, Order, Snapshot};
use crate::keys;
use base::Result;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

type Bytes = Arc<[u8]>;

/// Writes that are not committed yet.
#[derive(Clone, Default)]
pub(crate) struct Overlay {
    maps: [BTreeMap<Bytes, Option<Bytes>>; Family::ALL.len()],
    /// Objects (collections, indexes) whose stored entries are to be deleted.
    truncated: BTreeSet<(Family, u64)>,
    bytes: usize,
}

/// What an overlay knows of a key.
enum Known<'a> {
    Nothing,
    Removed,
    Value(&'a [u8]),
}

impl Overlay {
    pub(crate) fn is_empty(&self) -> bool {
        self.truncated.is_empty() && self.maps.iter().all(BTreeMap::is_empty)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn set(&mut self, family: Family, key: &[u8], value: Option<&[u8]>) {
        self.bytes += key.len() + value.map_or(0, <[u8]>::len) + 64;
        self.maps[family as usize - 1].insert(key.into(), value.map(Bytes::from));
    }

    /// Hides everything stored and written of an object.
    pub(crate) fn truncate(&mut self, family: Family, object_id: u64) {
        let range = keys::object_range(object_id);
        self.maps[family as usize - 1].retain(|key, _| !range.contains(key));
        self.truncated.insert((family, object_id));
    }

    fn hides(&self, family: Family, key: &[u8]) -> bool {
        !self.truncated.is_empty() && keys::object_id(key).is_some_and(|id| self.truncated.contains(&(family, id)))
    }

    fn known(&self, family: Family, key: &[u8]) -> Known<'_> {
        match self.maps[family as usize - 1].get(key) {
            Some(Some(value)) => Known::Value(value),
            Some(None) => Known::Removed,
            None if self.hides(family, key) => Known::Removed,
            None => Known::Nothing,
        }
    }

    /// Everything as a batch.
    pub(crate) fn write(&self, batch: &mut Batch) {
        for (family, object_id) in &self.truncated {
            let range = keys::object_range(*object_id);
            batch.delete_range(*family, &range.from, &range.to);
        }
        for family in Family::ALL {
            for (key, value) in &self.maps[family as usize - 1] {
                match value {
                    Some(value) => batch.put(family, key, value),
                    None => batch.delete(family, key),
                }
            }
        }
    }

    /// The latest state: the engine's present one below the overlay.
    pub(crate) fn get_latest(&self, engine: &dyn Engine, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.known(family, key) {
            Known::Value(value) => Ok(Some(value.to_vec())),
            Known::Removed => Ok(None),
            Known::Nothing => engine.get(family, key),
        }
    }

    /// Did the transaction itself write this key?
    pub(crate) fn touches(&self, family: Family, key: &[u8]) -> bool {
        !matches!(self.known(family, key), Known::Nothing)
    }

    fn next(&self, family: Family, range: &KeyRange, order: Order) -> Option<(Bytes, Option<Bytes>)> {
        if range.is_empty() {
            return None;
        }
        let end = if range.to.is_empty() { Bound::Unbounded } else { Bound::Excluded(range.to.as_slice()) };
        let mut entries = self.maps[family as usize - 1].range::<[u8], _>((Bound::Included(range.from.as_slice()), end));
        let entry = if order == Order::Forward { entries.next() } else { entries.next_back() };
        entry.map(|(key, value)| (key.clone(), value.clone()))
    }
}

/// An engine snapshot below an overlay: what a transaction sees.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) snapshot: Arc<dyn Snapshot>,
    pub(crate) overlay: Arc<Overlay>,
}

impl View {
    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.overlay.known(family, key) {
            Known::Value(value) => Ok(Some(value.to_vec())),
            Known::Removed => Ok(None),
            Known::Nothing => self.snapshot.get(family, key),
        }
    }

    pub(crate) fn iter(&self, family: Family, range: KeyRange, order: Order) -> Result<ViewIterator> {
        let hidden = self.overlay.hides(family, &range.from);
        let stored = if hidden { None } else { Some(self.snapshot.iter(family, &range, order)?) };
        let first = self.overlay.next(family, &range, order);
        let written = first.map(|current| Written { overlay: self.overlay.clone(), family, rest: range, order, current: Some(current) });
        let mut iterator = ViewIterator { stored, written, order, source: Source::End };
        iterator.settle()?;
        Ok(iterator)
    }
}

/// Entries of a range of one object, merged from the engine and the overlay.
pub(crate) struct ViewIterator {
    stored: Option<Box<dyn EngineIterator>>,
    written: Option<Written>,
    order: Order,
    source: Source,
}

struct Written {
    overlay: Arc<Overlay>,
    family: Family,
    rest: KeyRange,
    order: Order,
    current: Option<(Bytes, Option<Bytes>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Stored,
    Written,
    End,
}

impl Written {
    fn advance(&mut self) {
        let Some((key, _)) = self.current.take() else { return };
        match self.order {
            Order::Forward => {
                self.rest.from.clear();
                self.rest.from.extend_from_slice(&key);
                self.rest.from.push(0);
            }
            Order::Reverse => self.rest.to = key.to_vec(),
        }
        self.current = self.overlay.next(self.family, &self.rest, self.order);
    }
}

impl ViewIterator {
    pub(crate) fn valid(&self) -> bool {
        self.source != Source::End
    }

    pub(crate) fn key(&self) -> &[u8] {
        match self.source {
            Source::Stored => self.stored.as_ref().map_or(&[], |stored| stored.key()),
            Source::Written => self.written_entry().map_or(&[], |(key, _)| key),
            Source::End => &[],
        }
    }

    pub(crate) fn value(&self) -> &[u8] {
        match self.source {
            Source::Stored => self.stored.as_ref().map_or(&[], |stored| stored.value()),
            Source::Written => self.written_entry().and_then(|(_, value)| value.as_deref()).unwrap_or_default(),
            Source::End => &[],
        }
    }

    pub(crate) fn advance(&mut self) -> Result<()> {
        match self.source {
            Source::Stored => self.advance_stored()?,
            Source::Written => self.advance_written(),
            Source::End => {}
        }
        self.settle()
    }

    fn written_entry(&self) -> Option<&(Bytes, Option<Bytes>)> {
        self.written.as_ref()?.current.as_ref()
    }

    fn advance_stored(&mut self) -> Result<()> {
        self.stored.as_mut().map_or(Ok(()), |stored| stored.advance())
    }

    fn advance_written(&mut self) {
        if let Some(written) = &mut self.written {
            written.advance();
        }
    }

    /// Decides which source has the next visible entry.
    fn settle(&mut self) -> Result<()> {
        loop {
            let stored = self.stored.as_ref().filter(|stored| stored.valid()).map(|stored| stored.key());
            let written = self.written_entry();
            let (stored, (key, value)) = match (stored, written) {
                (None, None) => {
                    self.source = Source::End;
                    return Ok(());
                }
                (Some(_), None) => {
                    self.source = Source::Stored;
                    return Ok(());
                }
                (stored, Some(written)) => (stored, written),
            };
            let order = stored.map_or(Ordering::Greater, |stored| stored.cmp(key));
            let order = if stored.is_some() && self.order == Order::Reverse { order.reverse() } else { order };
            let is_removed = value.is_none();
            match order {
                Ordering::Less => {
                    self.source = Source::Stored;
                    return Ok(());
                }
                Ordering::Equal => self.advance_stored()?,
                Ordering::Greater if is_removed => self.advance_written(),
                Ordering::Greater => {
                    self.source = Source::Written;
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryEngine;
    use proptest::prelude::*;

    fn object_key(number: u8) -> Vec<u8> {
        [&1u64.to_be_bytes()[..], &[number]].concat()
    }

    proptest! {
        #[test]
        fn the_merge_equals_the_committed_state(
            stored in proptest::collection::vec(any::<u8>(), 0..20),
            written in proptest::collection::vec((any::<u8>(), any::<bool>()), 0..20),
            truncate in any::<bool>(),
            from in any::<u8>(),
            to in any::<u8>(),
        ) {
            let engine = MemoryEngine::new();
            let mut batch = Batch::new();
            for number in &stored {
                batch.put(Family::Documents, &object_key(*number), b"stored");
            }
            engine.write(&batch, false).unwrap();
            let mut overlay = Overlay::default();
            if truncate {
                overlay.truncate(Family::Documents, 1);
            }
            for (number, remove) in &written {
                overlay.set(Family::Documents, &object_key(*number), (!remove).then_some(&b"written"[..]));
            }
            let view = View { snapshot: Arc::from(engine.snapshot()), overlay: Arc::new(overlay.clone()) };
            let mut batch = Batch::new();
            overlay.write(&mut batch);
            engine.write(&batch, false).unwrap();
            let range = KeyRange { from: object_key(from), to: object_key(to) };
            for order in [Order::Forward, Order::Reverse] {
                let mut merged = view.iter(Family::Documents, range.clone(), order).unwrap();
                let mut expected = engine.snapshot().iter(Family::Documents, &range, order).unwrap();
                while expected.valid() {
                    prop_assert!(merged.valid());
                    prop_assert_eq!((merged.key(), merged.value()), (expected.key(), expected.value()));
                    merged.advance().unwrap();
                    expected.advance().unwrap();
                }
                prop_assert!(!merged.valid());
            }
            for number in 0..=255 {
                let key = object_key(number);
                prop_assert_eq!(view.get(Family::Documents, &key).unwrap(), engine.get(Family::Documents, &key).unwrap());
            }
        }
    }
}
