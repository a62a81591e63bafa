//! The files of the log: `log-<number>.seg`, written at the end, deleted at the front.
//!
//! Invariant: a new segment exists only after everything before it is on disk, so a torn record can
//! only be in the last one.

use super::{LogId, Record, Vote, codec};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"AGLOG\x00\x00\x01";
/// A segment of this size is followed by a new one.
const SEGMENT_BYTES: u64 = 16 << 20;

/// All segments of one log, oldest first; the last one is open for writing.
pub struct Segments {
    directory: PathBuf,
    sync: bool,
    closed: VecDeque<Segment>,
    open: Segment,
    file: File,
    /// Sound bytes in `file`.
    length: u64,
}

struct Segment {
    number: u64,
    /// Highest index of any entry ever written to it.
    index_max: Option<u64>,
}

impl Segments {
    /// Reads all records in order into `replay` and opens the last segment for writing.
    pub fn recover(directory: &Path, sync: bool, mut replay: impl FnMut(Record)) -> io::Result<Self> {
        let mut numbers = existing(directory)?;
        let last = numbers.pop();
        let mut closed = VecDeque::new();
        for number in numbers {
            let mut segment = Segment { number, index_max: None };
            let bytes = std::fs::read(path(directory, number))?;
            let sound = read(&bytes, &mut segment, &mut replay);
            if sound != bytes.len() {
                return Err(damaged(directory, number, sound));
            }
            closed.push_back(segment);
        }
        let mut open = Segment { number: last.unwrap_or(1), index_max: None };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path(directory, open.number))?;
        let bytes = std::fs::read(path(directory, open.number))?;
        let sound = read(&bytes, &mut open, &mut replay) as u64;
        let mut segments = Self { directory: directory.to_owned(), sync, closed, open, file, length: sound };
        if sound == 0 {
            // New, or torn while it was made: nothing in it was ever reported as flushed.
            segments.begin(None, None)?;
        } else if sound < bytes.len() as u64 {
            tracing::warn!(cut = bytes.len() as u64 - sound, "agency log: torn record at the end is cut off");
            segments.file.set_len(sound)?;
            segments.file.sync_all()?;
        }
        Ok(segments)
    }

    /// Appends records; on disk when it returns.
    pub fn append(&mut self, bytes: &[u8], index_max: Option<u64>) -> io::Result<()> {
        let written = self.write_and_sync(bytes);
        if let Err(error) = written {
            // Half a record at the end would hide later ones.
            if let Err(error) = self.file.set_len(self.length) {
                tracing::error!(%error, "agency log: cannot be cut back after a failed write");
            }
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.open.index_max = self.open.index_max.max(index_max);
        Ok(())
    }

    fn write_and_sync(&mut self, bytes: &[u8]) -> io::Result<()> {
        rt::fault::check("agency_log_write").map_err(|error| io::Error::other(error.to_string()))?;
        self.file.write_all_at(bytes, self.length)?;
        if self.sync { self.file.sync_data() } else { Ok(()) }
    }

    /// Starts a new segment if the open one is large, deletes old ones that hold nothing of value.
    pub fn tidy(&mut self, vote: Option<Vote>, purged: Option<LogId>) -> io::Result<()> {
        if self.length >= SEGMENT_BYTES {
            self.file.sync_all()?;
            let number = self.open.number + 1;
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path(&self.directory, number))?;
            let before = (std::mem::replace(&mut self.file, file), self.length);
            let closed = std::mem::replace(&mut self.open, Segment { number, index_max: None });
            if let Err(error) = self.begin(vote, purged) {
                // The old one goes on; the attempt is repeated with the next write.
                (self.file, self.length) = before;
                self.open = closed;
                let _ = std::fs::remove_file(path(&self.directory, number));
                return Err(error);
            }
            self.closed.push_back(closed);
        }
        while let (Some(first), Some(purged)) = (self.closed.front(), purged) {
            if first.index_max.is_some_and(|index| index > purged.index) {
                break;
            }
            std::fs::remove_file(path(&self.directory, first.number))?;
            self.closed.pop_front();
        }
        Ok(())
    }

    /// Writes the beginning of the open segment.
    fn begin(&mut self, vote: Option<Vote>, purged: Option<LogId>) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        if let Some(vote) = vote {
            codec::write_record(&Record::Vote(vote), &mut bytes);
        }
        if let Some(purged) = purged {
            codec::write_record(&Record::Purge(purged), &mut bytes);
        }
        self.file.set_len(0)?;
        self.file.write_all_at(&bytes, 0)?;
        self.file.sync_all()?;
        File::open(&self.directory)?.sync_all()?;
        self.length = bytes.len() as u64;
        Ok(())
    }
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("log-{number:010}.seg"))
}

/// Numbers of the segments in `directory`, ascending.
fn existing(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| name.strip_prefix("log-")?.strip_suffix(".seg")?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Replays the sound records at the beginning of `bytes`; answers where they end.
fn read(bytes: &[u8], segment: &mut Segment, replay: &mut impl FnMut(Record)) -> usize {
    if !bytes.starts_with(MAGIC) {
        return 0;
    }
    let mut at = MAGIC.len();
    while let Some((record, length)) = bytes.get(at..).and_then(codec::read_record) {
        if let Record::Entry(entry) = &record {
            segment.index_max = segment.index_max.max(Some(entry.log_id.index));
        }
        replay(record);
        at += length;
    }
    at
}

fn damaged(directory: &Path, number: u64, at: usize) -> io::Error {
    let path = path(directory, number);
    io::Error::new(io::ErrorKind::InvalidData, format!("agency log {} is damaged at byte {at}", path.display()))
}

#[cfg(test)]
impl Segments {
    /// Lets all further writes go to `file`.
    pub fn replace_file_for_test(&mut self, file: File) {
        self.file = file;
    }
}
