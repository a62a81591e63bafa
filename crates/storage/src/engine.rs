//! The seam below storage: ordered bytes in families, batches, snapshots and the write-ahead log.
//!
//! Two engines implement it: [`crate::MemoryEngine`] here and RocksDB in the crate `rocks`. Both
//! pass [`crate::engine_contract::check`], which spells out what storage relies on.

use crate::batch::Batch;
use base::Result;

/// Kinds of data; each has its own key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// Databases, collections, indexes, high-water marks.
    Definitions = 1,
    /// Documents, clustered by collection and key.
    Documents = 2,
    /// Entries of edge indexes.
    EdgeIndex = 3,
    /// Entries of persistent and TTL indexes.
    PersistentIndex = 4,
    /// Document counts and last generated keys.
    Counters = 5,
    /// What concerns this server alone; never replicated.
    Local = 6,
}

impl Family {
    /// All families in the order in which engines create them.
    pub const ALL: [Self; 6] = [Self::Definitions, Self::Documents, Self::EdgeIndex, Self::PersistentIndex, Self::Counters, Self::Local];

    /// The family with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Name, as used for RocksDB's column families.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Definitions => "definitions",
            Self::Documents => "documents",
            Self::EdgeIndex => "edge_index",
            Self::PersistentIndex => "persistent_index",
            Self::Counters => "counters",
            Self::Local => "local",
        }
    }
}

/// Keys from `from` to before `to`; an empty `to` means no end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// First key.
    pub from: Vec<u8>,
    /// First key that does not belong to it.
    pub to: Vec<u8>,
}

impl KeyRange {
    /// All keys that start with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { from: prefix.to_vec(), to: after_prefix(prefix) }
    }

    /// Does the range hold this key?
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.from.as_slice() && (self.to.is_empty() || key < self.to.as_slice())
    }

    /// Can no key be in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.to.is_empty() && self.from >= self.to
    }
}

/// The first key after all keys that start with `prefix`; empty if there is none.
#[must_use]
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if last < u8::MAX {
            next.push(last + 1);
            return next;
        }
    }
    next
}

/// Direction of an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Reverse,
}

impl Order {
    /// `Reverse` if the flag is set.
    #[must_use]
    pub fn reverse_if(reverse: bool) -> Self {
        if reverse { Self::Reverse } else { Self::Forward }
    }
}

/// Part of the write-ahead log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The log still holds everything after the tick asked for. If not, `batches` is empty.
    pub present: bool,
    /// Batches with the tick that each one ends at, in order. An engine may merge batches that
    /// were written together.
    pub batches: Vec<(u64, Batch)>,
    /// Newest tick of the log; when it is that of the last batch, nothing is left.
    pub last_tick: u64,
}

/// An ordered, crash-safe store of bytes.
///
/// Obligations: a batch is atomic and durable in the order of acknowledgement (with `sync` also
/// against a power failure); ticks grow strictly with every non-empty batch; a snapshot never
/// changes; no operation panics because of the disk.
pub trait Engine: Send + Sync + 'static {
    /// The latest value of a key.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// The present state. Batches are visible in it completely or not at all.
    fn snapshot(&self) -> Box<dyn Snapshot>;
    /// Writes a batch; the answer is a tick that is not smaller than that of the batch. An empty
    /// batch with `sync` makes durable what was written before.
    fn write(&self, batch: &Batch, sync: bool) -> Result<u64>;
    /// Tick of the newest batch; 0 before the first.
    fn latest_tick(&self) -> u64;
    /// Batches after `from_tick`, at least one if there is any, then until `bytes_max` are
    /// exceeded.
    fn tail(&self, from_tick: u64, bytes_max: usize) -> Result<Tail>;
    /// Nobody needs the log up to this tick any more; the engine may drop it.
    fn release_log(&self, tick: u64);
    /// Makes everything durable and moves it from the log into tables.
    fn flush(&self) -> Result<()>;
    /// Approximate bytes that a range takes.
    fn size_bytes(&self, family: Family, range: &KeyRange) -> u64;
    /// Figures for metrics: name and value.
    fn figures(&self) -> Vec<(String, u64)>;
}

/// An unchanging view of an engine.
pub trait Snapshot: Send + Sync {
    /// Tick of the newest batch in it.
    fn tick(&self) -> u64;
    /// Value of a key.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// An iterator over a range, which stands on the first entry in its direction. It keeps what it
    /// needs of the snapshot alive.
    fn iter(&self, family: Family, range: &KeyRange, order: Order) -> Result<Box<dyn EngineIterator>>;
}

/// A position in a range of a snapshot.
pub trait EngineIterator: Send {
    /// Stands on an entry?
    fn valid(&self) -> bool;
    /// Key; empty if not valid.
    fn key(&self) -> &[u8];
    /// Value; empty if not valid.
    fn value(&self) -> &[u8];
    /// Goes on to the next entry.
    fn advance(&mut self) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_after_a_prefix() {
        assert_eq!(after_prefix(b"ab"), b"ac");
        assert_eq!(after_prefix(&[1, 255, 255]), [2]);
        assert!(after_prefix(&[255]).is_empty());
        assert!(KeyRange::prefix(b"a").contains(b"azz"));
        assert!(!KeyRange::prefix(b"a").contains(b"b"));
    }

    #[test]
    fn family_numbers_are_stable() {
        for family in Family::ALL {
            assert_eq!(Family::from_number(family as u8), Some(family));
        }
        assert_eq!(Family::from_number(0), None);
        assert_eq!(Family::from_number(7), None);
    }
}
