//! The bytes of log records and of the messages between agents.
//!
//! A record is `length (4) ‖ CRC-32 of the body (4) ‖ body`, numbers little-endian. The same encoding
//! of entries is used in the log files and in `appendEntries`, so that a leader encodes a batch once.
//!
//! Invariant: decoding is total. Any byte string gives a value or `None`, never a panic, and never
//! an allocation beyond the size of the input.

use super::{Command, Entry, LogId, Vote};
use openraft::{CommittedLeaderId, EntryPayload};
use rt::http::Bytes;

/// One record of a log file.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// An entry; replaces an older one with the same or a higher index.
    Entry(Entry),
    /// All entries from this index on are void.
    Truncate(u64),
    /// All entries up to this place are in a snapshot and gone.
    Purge(LogId),
    /// The vote.
    Vote(Vote),
}

const ENTRY: u8 = 1;
const TRUNCATE: u8 = 2;
const PURGE: u8 = 3;
const VOTE: u8 = 4;

const BLANK: u8 = 0;
const NORMAL: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Length and check sum before the body.
pub const HEADER_BYTES: usize = 8;

/// Appends `record` in the form it has in log files.
pub fn write_record(record: &Record, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    match record {
        Record::Entry(entry) => {
            out.push(ENTRY);
            write_entry(entry, out);
        }
        Record::Truncate(index) => {
            out.push(TRUNCATE);
            out.extend_from_slice(&index.to_le_bytes());
        }
        Record::Purge(log_id) => {
            out.push(PURGE);
            write_log_id(log_id, out);
        }
        Record::Vote(vote) => {
            out.push(VOTE);
            write_vote(vote, out);
        }
    }
    let length = (out.len() - start - HEADER_BYTES) as u32;
    let sum = checksum(&out[start + HEADER_BYTES..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
}

/// Reads the record at the beginning of `bytes` and how long it is; `None` if there is no whole and
/// sound record.
#[must_use]
pub fn read_record(bytes: &[u8]) -> Option<(Record, usize)> {
    let mut header = Reader { bytes };
    let length = header.u32()? as usize;
    let sum = header.u32()?;
    let body = header.bytes.get(..length)?;
    if length == 0 || checksum(body) != sum {
        return None;
    }
    let mut reader = Reader { bytes: body };
    let record = match reader.u8()? {
        ENTRY => Record::Entry(reader.entry()?),
        TRUNCATE => Record::Truncate(reader.u64()?),
        PURGE => Record::Purge(reader.log_id()?),
        VOTE => Record::Vote(reader.vote()?),
        _ => return None,
    };
    reader.bytes.is_empty().then_some((record, HEADER_BYTES + length))
}

/// CRC-32 of `bytes`.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Appends an entry with its length in front: a list of entries is these one after the other.
pub fn write_framed_entry(entry: &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write_entry(entry, out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    write_log_id(&entry.log_id, out);
    match &entry.payload {
        EntryPayload::Blank => out.push(BLANK),
        EntryPayload::Normal(command) => {
            out.push(NORMAL);
            out.extend_from_slice(command.encoded());
        }
        EntryPayload::Membership(membership) => {
            out.push(MEMBERSHIP);
            // Serialising plain data into memory cannot fail.
            out.extend_from_slice(&serde_json::to_vec(membership).unwrap_or_default());
        }
    }
}

/// Appends a place in the log.
pub fn write_log_id(log_id: &LogId, out: &mut Vec<u8>) {
    out.extend_from_slice(&log_id.index.to_le_bytes());
    out.extend_from_slice(&log_id.leader_id.term.to_le_bytes());
    out.extend_from_slice(&log_id.leader_id.node_id.to_le_bytes());
}

/// Appends a place in the log that may be missing.
pub fn write_optional_log_id(log_id: Option<&LogId>, out: &mut Vec<u8>) {
    out.push(u8::from(log_id.is_some()));
    if let Some(log_id) = log_id {
        write_log_id(log_id, out);
    }
}

/// Appends a vote.
pub fn write_vote(vote: &Vote, out: &mut Vec<u8>) {
    out.extend_from_slice(&vote.leader_id.term.to_le_bytes());
    out.extend_from_slice(&vote.leader_id.node_id.to_le_bytes());
    out.push(u8::from(vote.committed));
}

/// Takes values from the front of a byte string.
pub struct Reader<'a> {
    /// What is left.
    pub bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(length)?;
        self.bytes = tail;
        Some(head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// A place in the log.
    pub fn log_id(&mut self) -> Option<LogId> {
        let (index, term, node) = (self.u64()?, self.u64()?, self.u64()?);
        Some(LogId::new(CommittedLeaderId::new(term, node), index))
    }

    /// A place in the log that may be missing.
    pub fn optional_log_id(&mut self) -> Option<Option<LogId>> {
        match self.u8()? {
            0 => Some(None),
            _ => self.log_id().map(Some),
        }
    }

    /// A vote.
    pub fn vote(&mut self) -> Option<Vote> {
        let (term, node) = (self.u64()?, self.u64()?);
        Some(if self.u8()? == 0 { Vote::new(term, node) } else { Vote::new_committed(term, node) })
    }

    /// An entry that fills the rest.
    fn entry(&mut self) -> Option<Entry> {
        let log_id = self.log_id()?;
        let payload = match self.u8()? {
            BLANK => EntryPayload::Blank,
            NORMAL => EntryPayload::Normal(Command::from_encoded(Bytes::copy_from_slice(self.take(self.bytes.len())?))),
            MEMBERSHIP => EntryPayload::Membership(serde_json::from_slice(self.take(self.bytes.len())?).ok()?),
            _ => return None,
        };
        Some(Entry { log_id, payload })
    }

    /// An entry with its length in front.
    pub fn framed_entry(&mut self) -> Option<Entry> {
        let length = self.u32()? as usize;
        let mut inner = Reader { bytes: self.take(length)? };
        let entry = inner.entry()?;
        inner.bytes.is_empty().then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Batch, Member};
    use openraft::Membership;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn records() -> Vec<Record> {
        let id = |index| LogId::new(CommittedLeaderId::new(3, 9), index);
        let node = Member { id: "AGNT-1".into() };
        let membership = Membership::new(vec![BTreeSet::from([9])], BTreeMap::from([(9, node)]));
        vec![
            Record::Vote(Vote::new(3, 9)),
            Record::Vote(Vote::new_committed(3, 9)),
            Record::Entry(Entry { log_id: id(0), payload: EntryPayload::Membership(membership) }),
            Record::Entry(Entry { log_id: id(1), payload: EntryPayload::Blank }),
            Record::Entry(Entry { log_id: id(2), payload: EntryPayload::Normal(Command::encode(&Batch::default())) }),
            Record::Truncate(2),
            Record::Purge(id(1)),
        ]
    }

    #[test]
    fn records_round_trip() {
        let mut bytes = Vec::new();
        for record in records() {
            write_record(&record, &mut bytes);
        }
        let mut rest = &bytes[..];
        for expected in records() {
            let (record, length) = read_record(rest).unwrap();
            assert_eq!(record, expected);
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        assert_eq!(read_record(rest), None);
        assert_eq!(read_record(&[0; 64]), None);
    }

    proptest! {
        #[test]
        fn damaged_records_are_noticed(which in 0_usize..7, at in 0_usize..1000, bit in 0_u8..8) {
            let mut bytes = Vec::new();
            write_record(&records()[which], &mut bytes);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(read_record(&bytes), None);
        }

        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_record(&bytes);
            let _ = Reader { bytes: &bytes }.framed_entry();
            let _ = Reader { bytes: &bytes }.optional_log_id();
        }
    }
}
