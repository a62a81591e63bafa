//! Raft's log and vote on disk: append-only segment files, one writer thread, one `fdatasync` for
//! everything that waits (group commit).
//!
//! Entries that are not yet in a snapshot are also kept in memory: they are read for replication and
//! for applying. A segment begins with the state that older segments held (vote, last purged
//! place), so old segments can be deleted as a whole. Recovery replays the records in order; a torn
//! record at the end of the last segment is cut off, anywhere else it stops the start.
//!
//! Invariant: whatever was reported as flushed is found again after `kill -9`. After a failed write
//! the file is cut back to its last sound length and the error goes to openraft, which stops this
//! agent's Raft; `server.rs` starts it again from what is on disk.

mod segment;

use super::codec::{self, Record};
use super::{Entry, LogId, StorageError, TypeConfig, Vote};
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{ErrorSubject, ErrorVerb, LogState, OptionalSend, RaftLogReader};
use parking_lot::RwLock;
use segment::Segments;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

/// Limit: bytes of entries in one answer to a reader, so that one `appendEntries` stays small.
const READ_BYTES_MAX: usize = 4 << 20;

/// The log; clones are handles to the same log.
#[derive(Clone)]
pub struct LogStore {
    shared: Arc<Shared>,
}

struct Shared {
    state: RwLock<State>,
    writer: Sender<Job>,
}

/// What the segments hold, in memory.
#[derive(Default, Clone)]
struct State {
    entries: BTreeMap<u64, Entry>,
    purged: Option<LogId>,
    vote: Option<Vote>,
}

enum Done {
    Append(LogFlushed<TypeConfig>),
    Other(oneshot::Sender<io::Result<()>>),
}

struct Job {
    bytes: Vec<u8>,
    /// Highest index of an entry in `bytes`.
    index_max: Option<u64>,
    /// State to put at the beginning of a new segment, should one be due, and what may be deleted.
    vote: Option<Vote>,
    purged: Option<LogId>,
    done: Done,
}

impl LogStore {
    /// Opens the log in `directory` (made if missing).
    pub fn open(directory: &Path, wait_for_sync: bool) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut state = State::default();
        let segments = Segments::recover(directory, wait_for_sync, |record| state.replay(record))?;
        let (writer, jobs) = channel();
        std::thread::Builder::new().name("agency-log".into()).spawn(move || write_jobs(segments, &jobs))?;
        Ok(Self { shared: Arc::new(Shared { state: RwLock::new(state), writer }) })
    }

    /// Number of entries in memory and their bytes.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let state = self.shared.state.read();
        (state.entries.len(), state.entries.values().map(entry_bytes).sum())
    }

    /// The first place from which on the entries have at most `bytes_max` bytes and are at most
    /// `entries_max`, if something lies before it: up to there the log may be purged.
    #[must_use]
    pub fn surplus(&self, entries_max: usize, bytes_max: usize) -> Option<u64> {
        let state = self.shared.state.read();
        let mut bytes = 0;
        for (count, (index, entry)) in state.entries.iter().rev().enumerate() {
            bytes += entry_bytes(entry);
            if count >= entries_max || bytes > bytes_max {
                return Some(*index);
            }
        }
        None
    }

    /// All entries in memory.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.shared.state.read().entries.values().cloned().collect()
    }

    fn submit(&self, records: &[Record], done: Done) -> Result<(), Done> {
        let mut bytes = Vec::new();
        let mut index_max = None;
        for record in records {
            codec::write_record(record, &mut bytes);
            if let Record::Entry(entry) = record {
                index_max = index_max.max(Some(entry.log_id.index));
            }
        }
        let (vote, purged) = {
            let state = self.shared.state.read();
            (state.vote, state.purged)
        };
        self.shared.writer.send(Job { bytes, index_max, vote, purged, done }).map_err(|error| error.0.done)
    }

    async fn write(&self, record: Record, subject: ErrorSubject<u64>) -> Result<(), StorageError> {
        let (done, outcome) = oneshot::channel();
        let sent = self.submit(&[record], Done::Other(done));
        let outcome = match sent {
            Ok(()) => outcome.await.unwrap_or_else(|_| Err(stopped())),
            Err(_) => Err(stopped()),
        };
        outcome.map_err(|error| StorageError::from_io_error(subject, ErrorVerb::Write, error))
    }
}

fn entry_bytes(entry: &Entry) -> usize {
    64 + match &entry.payload {
        openraft::EntryPayload::Normal(command) => command.encoded().len(),
        _ => 0,
    }
}

fn stopped() -> io::Error {
    io::Error::other("the agency's log is closed after an earlier failure")
}

impl State {
    fn replay(&mut self, record: Record) {
        match record {
            Record::Entry(entry) => {
                let index = entry.log_id.index;
                drop(self.entries.split_off(&index));
                self.entries.insert(index, entry);
            }
            Record::Truncate(index) => drop(self.entries.split_off(&index)),
            Record::Purge(log_id) => self.purge(log_id),
            Record::Vote(vote) => self.vote = Some(vote),
        }
    }

    fn purge(&mut self, log_id: LogId) {
        self.entries = self.entries.split_off(&(log_id.index + 1));
        self.purged = self.purged.max(Some(log_id));
    }
}

/// The writer thread: takes what waits, writes it, syncs once, reports.
fn write_jobs(mut segments: Segments, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter());
        let bytes: Vec<u8> = batch.iter().flat_map(|job| job.bytes.iter().copied()).collect();
        let index_max = batch.iter().filter_map(|job| job.index_max).max();
        let state = batch.last().map(|job| (job.vote, job.purged)).unwrap_or_default();
        let outcome = segments.append(&bytes, index_max);
        let failed = outcome.is_err();
        for job in batch {
            report(job.done, &outcome);
        }
        if failed {
            // Later jobs would build on entries that are not there.
            return;
        }
        if let Err(error) = segments.tidy(state.0, state.1) {
            tracing::warn!(%error, "agency log: segments could not be tidied, trying again later");
        }
    }
}

fn report(done: Done, outcome: &io::Result<()>) {
    let outcome = match outcome {
        Ok(()) => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    };
    match done {
        Done::Append(callback) => callback.log_io_completed(outcome),
        // Nobody waits any more only if Raft has ended.
        Done::Other(done) => drop(done.send(outcome)),
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(self.shared.state.read().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        let state = self.shared.state.read();
        let mut bytes = 0;
        let within = |entry: &&Entry| {
            let first = bytes == 0;
            bytes += entry_bytes(entry);
            first || bytes <= READ_BYTES_MAX
        };
        Ok(state.entries.range(start..end).map(|(_, entry)| entry).take_while(within).cloned().collect())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let state = self.shared.state.read();
        let last = state.entries.last_key_value().map(|(_, entry)| entry.log_id);
        Ok(LogState { last_purged_log_id: state.purged, last_log_id: last.or(state.purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.shared.state.write().vote = Some(*vote);
        self.write(Record::Vote(*vote), ErrorSubject::Vote).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.shared.state.read().vote)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records: Vec<Record> = entries.into_iter().map(Record::Entry).collect();
        {
            let mut state = self.shared.state.write();
            for record in &records {
                state.replay(record.clone());
            }
        }
        if let Err(done) = self.submit(&records, Done::Append(callback)) {
            report(done, &Err(stopped()));
        }
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.shared.state.write().replay(Record::Truncate(log_id.index));
        self.write(Record::Truncate(log_id.index), ErrorSubject::Log(log_id)).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.shared.state.write().purge(log_id);
        self.write(Record::Purge(log_id), ErrorSubject::Log(log_id)).await
    }
}

#[cfg(test)]
mod tests;
