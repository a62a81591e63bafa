//! Copying the whole store of this server to another one: first a dump of a snapshot, then the log.
//!
//! What is copied are the writes themselves, of all families but `Local`; the copy notes in its own
//! `Local` family how far it has come, in the same batch. Invariant: the applied tick of a copy is
//! exactly the tick of the source whose state it has.

use crate::batch::{Batch, Write, push_sized, take_sized, take_u64};
use crate::engine::{Family, KeyRange, Order, Snapshot, Tail};
use crate::keys;
use crate::storage::Storage;
use base::{Error, Result, code};

/// A consistent view of all replicated data.
pub struct Dump {
    snapshot: Box<dyn Snapshot>,
}

/// Where the next chunk of a dump begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpPosition {
    family: Family,
    /// First key.
    key: Vec<u8>,
}

/// Part of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpChunk {
    /// The entries, as writes.
    pub entries: Batch,
    /// Where to go on; `None` after the last chunk.
    pub next: Option<DumpPosition>,
}

impl Dump {
    /// Tick of the state that is dumped; the log goes on from there.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.snapshot.tick()
    }

    /// The entries from a position (`None`: from the beginning), about `bytes_max` of them.
    pub fn chunk(&self, from: Option<&DumpPosition>, bytes_max: usize) -> Result<DumpChunk> {
        let mut entries = Batch::new();
        let start = from.map_or(Family::Definitions, |from| from.family);
        for family in Family::ALL.into_iter().filter(|family| *family >= start && *family != Family::Local) {
            let key = from.filter(|from| from.family == family).map(|from| from.key.clone()).unwrap_or_default();
            let mut iterator = self.snapshot.iter(family, &KeyRange { from: key, to: Vec::new() }, Order::Forward)?;
            while iterator.valid() {
                if entries.as_bytes().len() >= bytes_max.max(1) {
                    let next = DumpPosition { family, key: iterator.key().to_vec() };
                    return Ok(DumpChunk { entries, next: Some(next) });
                }
                entries.put(family, iterator.key(), iterator.value());
                iterator.advance()?;
            }
        }
        Ok(DumpChunk { entries, next: None })
    }
}

impl DumpPosition {
    /// The form for the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[self.family as u8], self.key.as_slice()].concat()
    }

    /// Reads the form for the wire.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (&family, key) = bytes.split_first().ok_or_else(malformed)?;
        Ok(Self { family: Family::from_number(family).ok_or_else(malformed)?, key: key.to_vec() })
    }
}

impl DumpChunk {
    /// The form for the wire: length and bytes of the position (empty at the end), then the entries.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.as_bytes().len() + 64);
        push_sized(&mut out, &self.next.as_ref().map(DumpPosition::to_bytes).unwrap_or_default());
        out.extend_from_slice(self.entries.as_bytes());
        out
    }

    /// Reads the form for the wire.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let next = take_sized(&mut rest).ok_or_else(malformed)?;
        let next = if next.is_empty() { None } else { Some(DumpPosition::from_bytes(next)?) };
        Ok(Self { entries: Batch::from_bytes(rest.to_vec())?, next })
    }
}

impl Tail {
    /// The form for the wire: present (1 byte), last tick (8), then per batch its tick (8) and its
    /// bytes with their length (4) before them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.present)];
        out.extend_from_slice(&self.last_tick.to_le_bytes());
        for (tick, batch) in &self.batches {
            out.extend_from_slice(&tick.to_le_bytes());
            push_sized(&mut out, batch.as_bytes());
        }
        out
    }

    /// Reads the form for the wire.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (&present, mut rest) = bytes.split_first().ok_or_else(malformed)?;
        let last_tick = take_u64(&mut rest).ok_or_else(malformed)?;
        let mut batches = Vec::new();
        while !rest.is_empty() {
            let tick = take_u64(&mut rest).ok_or_else(malformed)?;
            let batch = take_sized(&mut rest).ok_or_else(malformed)?;
            batches.push((tick, Batch::from_bytes(batch.to_vec())?));
        }
        Ok(Self { present: present != 0, batches, last_tick })
    }
}

fn malformed() -> Error {
    Error::bad_parameter("malformed replication data")
}

impl Storage {
    /// The log after a tick, without what concerns this server alone. Batches may be empty then,
    /// but their ticks count.
    pub fn tail(&self, from_tick: u64, bytes_max: usize) -> Result<Tail> {
        let mut tail = self.engine.tail(from_tick, bytes_max)?;
        for (_, batch) in &mut tail.batches {
            if batch.iter().any(|write| write.family() == Family::Local) {
                *batch = without_local(batch);
            }
        }
        Ok(tail)
    }

    /// A consistent view of everything, for the first copy.
    #[must_use]
    pub fn dump(&self) -> Dump {
        Dump { snapshot: self.engine.snapshot() }
    }

    /// Begins to receive a copy: everything here is deleted. Until [`Storage::finish_load`] the
    /// store counts as incomplete, also after a crash.
    pub fn begin_load(&self) -> Result<()> {
        let mut batch = Batch::new();
        for family in Family::ALL.into_iter().filter(|family| *family != Family::Local) {
            // No key begins so: object ids are small numbers, names are ASCII.
            batch.delete_range(family, &[], &[u8::MAX; 16]);
        }
        batch.put(Family::Local, keys::COPY_INCOMPLETE, &[1]);
        batch.put(Family::Local, keys::APPLIED_TICK, &0u64.to_be_bytes());
        self.engine.write(&batch, true)?;
        self.reload_catalog()
    }

    /// Takes a chunk in. Chunks may come again.
    pub fn load_dump_chunk(&self, chunk: &DumpChunk) -> Result<()> {
        self.engine.write(&without_local(&chunk.entries), false).map(|_| ())
    }

    /// The copy is complete up to the tick of the dump.
    pub fn finish_load(&self, tick: u64) -> Result<()> {
        let mut batch = Batch::new();
        batch.delete(Family::Local, keys::COPY_INCOMPLETE);
        batch.put(Family::Local, keys::APPLIED_TICK, &tick.to_be_bytes());
        self.engine.write(&batch, true)?;
        self.reload_catalog()
    }

    /// Tick of the source up to which this copy has come; `None` if there is no complete copy here.
    pub fn applied_tick(&self) -> Result<Option<u64>> {
        if self.engine.get(Family::Local, keys::COPY_INCOMPLETE)?.is_some() {
            return Ok(None);
        }
        let stored = self.engine.get(Family::Local, keys::APPLIED_TICK)?;
        Ok(stored.and_then(|bytes| bytes.first_chunk().map(|tick| u64::from_be_bytes(*tick))))
    }

    /// Applies batches of the source in order. What came before is passed over.
    pub fn apply_physical(&self, batches: &[(u64, Batch)], sync: bool) -> Result<()> {
        let applied = self.applied_tick()?.ok_or_else(|| Error::new(code::REPLICATION_NO_START_TICK, "there is no complete copy here"))?;
        let mut merged = Batch::new();
        let mut last = applied;
        for (tick, batch) in batches.iter().filter(|(tick, _)| *tick > applied) {
            merged.append(&without_local(batch));
            last = *tick;
        }
        if last == applied {
            return Ok(());
        }
        let definitions_change = merged.iter().any(|write| write.family() == Family::Definitions);
        let mut batch = merged.clone();
        batch.put(Family::Local, keys::APPLIED_TICK, &last.to_be_bytes());
        self.engine.write(&batch, sync)?;
        if definitions_change {
            self.reload_catalog()?;
        }
        self.refresh_counters(&merged);
        Ok(())
    }

    /// This server is no copy any more: it goes on by itself.
    pub fn end_copy(&self) -> Result<()> {
        if self.applied_tick()?.is_none() && self.engine.get(Family::Local, keys::COPY_INCOMPLETE)?.is_some() {
            return Err(Error::new(code::REPLICATION_NO_START_TICK, "an incomplete copy cannot go on by itself"));
        }
        let mut batch = Batch::new();
        batch.delete(Family::Local, keys::APPLIED_TICK);
        self.engine.write(&batch, true)?;
        self.load_numbers()?;
        self.remove_unfinished_indexes()
    }

    fn refresh_counters(&self, batch: &Batch) {
        let catalog = self.catalog();
        for write in batch {
            let (key, value) = match write {
                Write::Put { family: Family::Counters, key, value } => (key, Some(value)),
                Write::Delete { family: Family::Counters, key } => (key, None),
                _ => continue,
            };
            if let Some(collection) = self.collection_of(&catalog, key) {
                collection.counter.load(key, value);
            }
        }
    }
}

fn without_local(batch: &Batch) -> Batch {
    let mut kept = Batch::with_capacity(batch.as_bytes().len());
    for write in batch.iter().filter(|write| write.family() != Family::Local) {
        kept.add(write);
    }
    kept
}
