//! A batch of writes, which takes effect as a whole or not at all.
//!
//! The writes lie one after the other in one buffer, which is also the form in which batches
//! travel to secondaries: `family (1) operation (1) length (4) bytes length (4) bytes`.
//! Invariant: the buffer of a [`Batch`] is always well-formed; [`Batch::from_bytes`] checks.

use crate::engine::Family;
use base::{Error, Result, code};

const PUT: u8 = 1;
const DELETE: u8 = 2;
const DELETE_RANGE: u8 = 3;

/// Writes that take effect together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    count: u64,
}

/// One write of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write<'a> {
    /// Stores a value.
    Put {
        /// Where.
        family: Family,
        /// Key.
        key: &'a [u8],
        /// Value.
        value: &'a [u8],
    },
    /// Removes a key, which need not be there.
    Delete {
        /// Where.
        family: Family,
        /// Key.
        key: &'a [u8],
    },
    /// Removes all keys from `from` to before `to`.
    DeleteRange {
        /// Where.
        family: Family,
        /// First key.
        from: &'a [u8],
        /// First key that stays.
        to: &'a [u8],
    },
}

impl Write<'_> {
    /// The family it writes to.
    #[must_use]
    pub fn family(&self) -> Family {
        match *self {
            Self::Put { family, .. } | Self::Delete { family, .. } | Self::DeleteRange { family, .. } => family,
        }
    }
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), count: 0 }
    }

    /// Stores a value.
    pub fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.push(family, PUT, key, value);
    }

    /// Removes a key.
    pub fn delete(&mut self, family: Family, key: &[u8]) {
        self.push(family, DELETE, key, &[]);
    }

    /// Removes all keys from `from` to before `to`.
    pub fn delete_range(&mut self, family: Family, from: &[u8], to: &[u8]) {
        self.push(family, DELETE_RANGE, from, to);
    }

    /// Adds a write of another batch.
    pub fn add(&mut self, write: Write<'_>) {
        match write {
            Write::Put { family, key, value } => self.put(family, key, value),
            Write::Delete { family, key } => self.delete(family, key),
            Write::DeleteRange { family, from, to } => self.delete_range(family, from, to),
        }
    }

    /// Adds all writes of another batch.
    pub fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    fn push(&mut self, family: Family, operation: u8, first: &[u8], second: &[u8]) {
        self.bytes.reserve(10 + first.len() + second.len());
        self.bytes.extend_from_slice(&[family as u8, operation]);
        push_sized(&mut self.bytes, first);
        push_sized(&mut self.bytes, second);
        self.count += 1;
    }

    /// Number of writes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Nothing to write?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The writes in order.
    #[must_use]
    pub fn iter(&self) -> Writes<'_> {
        Writes { rest: &self.bytes }
    }

    /// The form for the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads the form for the wire.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let mut rest = bytes.as_slice();
        let mut count = 0;
        while !rest.is_empty() {
            if read_write(&mut rest).is_none() {
                return Err(Error::new(code::ARANGO_CORRUPTED_DATAFILE, "malformed batch of writes"));
            }
            count += 1;
        }
        Ok(Self { bytes, count })
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Write<'a>;
    type IntoIter = Writes<'a>;
    fn into_iter(self) -> Writes<'a> {
        self.iter()
    }
}

/// Iterates over the writes of a batch.
#[derive(Debug)]
pub struct Writes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Writes<'a> {
    type Item = Write<'a>;
    fn next(&mut self) -> Option<Write<'a>> {
        read_write(&mut self.rest)
    }
}

fn read_write<'a>(rest: &mut &'a [u8]) -> Option<Write<'a>> {
    let (&[family, operation], tail) = rest.split_first_chunk::<2>()?;
    *rest = tail;
    let family = Family::from_number(family)?;
    let first = take_sized(rest)?;
    let second = take_sized(rest)?;
    match operation {
        PUT => Some(Write::Put { family, key: first, value: second }),
        DELETE => Some(Write::Delete { family, key: first }),
        DELETE_RANGE => Some(Write::DeleteRange { family, from: first, to: second }),
        _ => None,
    }
}

/// Appends the length (4 bytes, little-endian) and the bytes.
pub(crate) fn push_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    // Limit: one key or value is far below 4 GiB, because bodies are limited to 1 GiB.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&bytes[..length as usize]);
}

/// Takes what [`push_sized`] wrote; `None` if it is cut off.
pub(crate) fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    let (bytes, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = tail;
    Some(bytes)
}

/// Takes a number of 8 bytes, little-endian.
pub(crate) fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (number, tail) = rest.split_first_chunk::<8>()?;
    *rest = tail;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_batch_round_trips() {
        let mut batch = Batch::new();
        batch.put(Family::Documents, b"k", b"v");
        batch.delete(Family::EdgeIndex, b"");
        batch.delete_range(Family::Local, b"a", b"b");
        let read = Batch::from_bytes(batch.as_bytes().to_vec()).unwrap();
        assert_eq!(read, batch);
        assert_eq!(read.len(), 3);
        let writes: Vec<_> = read.iter().collect();
        assert_eq!(writes[2], Write::DeleteRange { family: Family::Local, from: b"a", to: b"b" });
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(batch) = Batch::from_bytes(bytes) {
                prop_assert_eq!(batch.iter().count() as u64, batch.len());
            }
        }

        #[test]
        fn a_cut_batch_is_refused(cut in 1usize..11) {
            let mut batch = Batch::new();
            batch.put(Family::Documents, b"k", b"v");
            let bytes = batch.as_bytes();
            prop_assert!(Batch::from_bytes(bytes[..bytes.len() - cut].to_vec()).is_err());
        }
    }
}
