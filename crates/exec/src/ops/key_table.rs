//! A hash table from keys of one or more values to consecutive numbers. Keys are equal as `==` has
//! it: 1 and 1.0 are, and the order of attributes does not matter.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use velocypack::{Slice, Value, order};

const NONE: u32 = u32::MAX;

/// The table.
#[derive(Default)]
pub(crate) struct KeyTable {
    width: usize,
    /// `width` values per key.
    keys: Vec<Value>,
    first: HashMap<u64, u32, BuildHasherDefault<Identity>>,
    /// Next key with the same hash.
    next: Vec<u32>,
}

impl KeyTable {
    /// A table for keys of `width` values.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.next.len()
    }

    /// The values of a key.
    pub(crate) fn key(&self, number: usize) -> &[Value] {
        self.keys.get(number * self.width..(number + 1) * self.width).unwrap_or_default()
    }

    /// The values of all keys, one after the other.
    pub(crate) fn values(&self) -> &[Value] {
        &self.keys
    }

    /// Number of the key, and whether it is new.
    pub(crate) fn insert(&mut self, key: &[Slice<'_>]) -> (usize, bool) {
        let hash = key.iter().fold(0, |seed, value| velocypack::hash(*value, seed));
        let head = self.first.get(&hash).copied().unwrap_or(NONE);
        let mut at = head;
        while at != NONE {
            let known = self.key(at as usize);
            if known.iter().zip(key).all(|(known, value)| order::equal(known.as_slice(), *value)) {
                return (at as usize, false);
            }
            at = self.next.get(at as usize).copied().unwrap_or(NONE);
        }
        let number = self.next.len();
        self.keys.extend(key.iter().map(|value| value.to_value()));
        self.next.push(head);
        self.first.insert(hash, u32::try_from(number).unwrap_or(NONE));
        (number, true)
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 << 8) | u64::from(byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
