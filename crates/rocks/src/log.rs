//! Reading batches as RocksDB writes them into its log: a header of 12 bytes (sequence number,
//! count), then records of a tag, a column family, and texts with their length (varints) before
//! them. RocksDB's own iterator over batches passes deleted ranges over, so the bytes are read here.

use base::{Error, Result, code};
use std::collections::HashMap;
use storage::{Batch, Family};

const HEADER: usize = 12;

/// Families by the number RocksDB gave their column family.
pub(crate) type FamilyNumbers = HashMap<u32, Family>;

/// Number of the column family of the first record of a batch.
pub(crate) fn first_family(data: &[u8]) -> Option<u32> {
    let mut rest = data.get(HEADER..)?;
    read_record(&mut rest)?.family
}

/// The batch in the bytes of a RocksDB batch, and how many sequence numbers it takes.
pub(crate) fn read_batch(data: &[u8], families: &FamilyNumbers) -> Result<(Batch, u64)> {
    let malformed = || Error::new(code::ARANGO_CORRUPTED_DATAFILE, "unknown record in the write-ahead log");
    let mut rest = data.get(HEADER..).ok_or_else(malformed)?;
    let count = data.get(8..HEADER).and_then(|count| count.first_chunk()).map_or(0, |count| u32::from_le_bytes(*count));
    let mut batch = Batch::with_capacity(data.len());
    while !rest.is_empty() {
        let record = read_record(&mut rest).ok_or_else(malformed)?;
        let Some(family) = record.family.and_then(|number| families.get(&number)).copied() else { continue };
        match record.operation {
            Operation::Put => batch.put(family, record.first, record.second),
            Operation::Delete => batch.delete(family, record.first),
            Operation::DeleteRange => batch.delete_range(family, record.first, record.second),
            Operation::Nothing => {}
        }
    }
    Ok((batch, u64::from(count)))
}

struct Record<'a> {
    operation: Operation,
    /// `None` if the record writes nothing.
    family: Option<u32>,
    first: &'a [u8],
    second: &'a [u8],
}

#[derive(Clone, Copy)]
enum Operation {
    Put,
    Delete,
    DeleteRange,
    Nothing,
}

/// Reads one record; `None` if it is cut off or of a kind that this engine never writes.
fn read_record<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let (&tag, tail) = rest.split_first()?;
    *rest = tail;
    let (operation, has_family) = match tag {
        0x0 => (Operation::Delete, false),
        0x1 => (Operation::Put, false),
        0x4 => (Operation::Delete, true),
        0x5 => (Operation::Put, true),
        0xe => (Operation::DeleteRange, true),
        0xf => (Operation::DeleteRange, false),
        // Data for the log alone.
        0x3 => {
            take_text(rest)?;
            return Some(Record { operation: Operation::Nothing, family: None, first: &[], second: &[] });
        }
        // A record that only keeps its place.
        0xd => return Some(Record { operation: Operation::Nothing, family: None, first: &[], second: &[] }),
        _ => return None,
    };
    let family = if has_family { take_varint(rest)? } else { 0 };
    let first = take_text(rest)?;
    let second = if matches!(operation, Operation::Delete) { &[][..] } else { take_text(rest)? };
    Some(Record { operation, family: Some(family), first, second })
}

fn take_varint(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in (0..35).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_varint(rest)? as usize;
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rocksdb::WriteBatch;

    #[test]
    fn batches_of_the_default_family_are_read() {
        let mut written = WriteBatch::default();
        written.put(b"k", vec![7; 300]);
        written.delete(b"gone");
        written.delete_range(b"a", b"b");
        written.put_log_data(b"not stored");
        let families = FamilyNumbers::from([(0, Family::Documents)]);
        let (batch, count) = read_batch(written.data(), &families).unwrap();
        let mut expected = Batch::new();
        expected.put(Family::Documents, b"k", &[7; 300]);
        expected.delete(Family::Documents, b"gone");
        expected.delete_range(Family::Documents, b"a", b"b");
        assert_eq!((batch, count), (expected, 3));
    }

    #[test]
    fn cut_batches_are_refused() {
        let mut written = WriteBatch::default();
        written.put(b"key", b"value");
        let data = written.data();
        for length in (0..HEADER).chain(HEADER + 1..data.len()) {
            assert!(read_batch(&data[..length], &FamilyNumbers::new()).is_err(), "length {length}");
        }
    }
}
