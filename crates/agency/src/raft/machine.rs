//! The replicated state machine: applies the entries of the log to the [`Store`], remembers which
//! client ids were applied under which index, keeps the newest transactions for the change feed,
//! makes and takes snapshots.
//!
//! Two numberings: Raft counts entries, the agency's clients count applied transactions
//! ([`View::index`]). Everything that changes the tree gets an index of its own: each transaction whose
//! preconditions held, and each removal of expired nodes.
//!
//! Invariant: what `apply` does depends on the entries alone, so all agents agree.

use super::snapshot::{self, Meta};
use super::{Answer, Batch, Entry, Item, ItemResult, LogId, StorageError, StoredMembership, TypeConfig};
use crate::node::Node;
use crate::store::{Applied, Store};
use base::{Error, Result};
use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, ErrorSubject, ErrorVerb, OptionalSend, RaftSnapshotBuilder};
use parking_lot::RwLock;
use serde_json::{Map, Value as Json, json};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Limits of the change feed: transactions, and their bytes roughly.
const FEED_ENTRIES_MAX: usize = 8192;
const FEED_BYTES_MAX: usize = 2 << 20;
/// Client ids are remembered for at least this long, as the entries' times tell.
const ID_KEPT_MS: u64 = 120_000;
/// So many ids are remembered however old they are.
const IDS_MIN: usize = 10_000;
/// Limit: never more ids than this.
const IDS_MAX: usize = 1_000_000;

/// The state machine; clones are handles to the same state.
#[derive(Clone)]
pub struct Machine {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    state: RwLock<State>,
    index: watch::Sender<u64>,
    /// Changed paths for the task that calls observers.
    observed: mpsc::Sender<Notification>,
}

/// An observer to be called, unless this agent is a follower.
#[derive(Debug)]
pub struct Notification {
    /// Index of the transaction.
    pub index: u64,
    /// Whom to call.
    pub url: String,
    /// What it observes.
    pub observed: String,
    /// Changed path and its operation.
    pub changed: (String, Json),
}

#[derive(Default, Clone)]
struct State {
    store: Store,
    /// Applied transactions so far.
    index: u64,
    applied: Option<LogId>,
    membership: StoredMembership,
    ids: Ids,
    feed: Feed,
}

/// Client ids with the index of their last transaction.
#[derive(Default, Clone)]
struct Ids {
    index: HashMap<Arc<str>, u64>,
    /// In order of application, with times; an id may stand here more than once.
    order: VecDeque<(u64, u64, Arc<str>)>,
}

/// The newest transactions.
#[derive(Default, Clone)]
struct Feed {
    /// With their bytes, roughly.
    entries: VecDeque<(Change, usize)>,
    bytes: usize,
}

/// Index and operations of a transaction.
pub type Change = (u64, Arc<Map<String, Json>>);

/// What a poll finds.
pub enum News {
    /// The log goes on from the asked index.
    Log(Vec<Change>),
    /// The asked index is no longer in the feed.
    Tree(Node),
}

/// A consistent view of the applied state.
pub struct View {
    /// Index of the last applied transaction.
    pub index: u64,
    /// The store; cheap to hold.
    pub tree: Node,
}

impl Machine {
    /// Loads the newest snapshot of `directory`; `observed` receives what observers wait for.
    pub fn open(directory: &Path, observed: mpsc::Sender<Notification>) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut state = State::default();
        if let Some((meta, data)) = snapshot::load(directory)? {
            state = State::from_snapshot(&meta, &data).map_err(|error| io::Error::other(error.to_string()))?;
        }
        let index = watch::Sender::new(state.index);
        let shared = Shared { directory: directory.to_owned(), state: RwLock::new(state), index, observed };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Index of the last applied transaction.
    #[must_use]
    pub fn index(&self) -> u64 {
        *self.shared.index.borrow()
    }

    /// Tells each new index.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.index.subscribe()
    }

    /// The tree without what has expired at `now_ms`.
    #[must_use]
    pub fn view(&self, now_ms: u64) -> View {
        let state = self.shared.state.read();
        View { index: state.index, tree: state.store.tree_at(now_ms) }
    }

    /// Runs `read` on the store under the lock: keep it short.
    pub fn with_store<T>(&self, read: impl FnOnce(&Store) -> T) -> T {
        read(&self.shared.state.read().store)
    }

    /// Last applied entry.
    #[must_use]
    pub fn applied(&self) -> Option<LogId> {
        self.shared.state.read().applied
    }

    /// Index of the transaction with this client id; 0 if it is not known (any more).
    #[must_use]
    pub fn index_of(&self, client_id: &str) -> u64 {
        self.shared.state.read().ids.get(client_id).unwrap_or(0)
    }

    /// Transactions from `index` on, at most `entries_max`, and the index of the last applied one.
    #[must_use]
    pub fn news(&self, index: u64, entries_max: usize) -> (u64, News) {
        let state = self.shared.state.read();
        if index > state.index {
            return (state.index, News::Log(Vec::new()));
        }
        match state.feed.from(index, entries_max) {
            Some(entries) => (state.index, News::Log(entries)),
            None => (state.index, News::Tree(state.store.tree().clone())),
        }
    }

    /// The newest transactions, at most `entries_max`, and the index of the first of them.
    #[must_use]
    pub fn feed(&self, entries_max: usize) -> (u64, Vec<Change>) {
        let state = self.shared.state.read();
        let skip = state.feed.entries.len().saturating_sub(entries_max);
        let entries: Vec<Change> = state.feed.entries.iter().skip(skip).map(|(change, _)| change.clone()).collect();
        (entries.first().map_or(state.index, |(index, _)| *index), entries)
    }

    /// The tree after the transaction `index`, made from the snapshot on disk and the feed; `None` if
    /// they do not reach there.
    pub fn tree_at_index(&self, index: u64) -> Result<Option<Node>> {
        let (last, News::Log(_)) = self.news(index, 0) else { return Ok(None) };
        if index > last {
            return Ok(None);
        }
        let mut state = match snapshot::load(&self.shared.directory).map_err(|error| Error::internal(error.to_string()))? {
            Some((meta, data)) => State::from_snapshot(&meta, &data)?,
            None => State::default(),
        };
        if state.index > index {
            return Ok(None);
        }
        let (_, News::Log(entries)) = self.news(state.index + 1, FEED_ENTRIES_MAX) else { return Ok(None) };
        for (_, operations) in entries.iter().take_while(|(at, _)| *at <= index) {
            state.store.apply_operations(operations, 0)?;
        }
        Ok(Some(state.store.tree().clone()))
    }

    fn apply_batch(&self, state: &mut State, batch: Batch, bytes: usize) -> Answer {
        let share = bytes / batch.items.len().max(1);
        let gone = state.store.expire(batch.time_ms);
        if !gone.is_empty() {
            let deletions = gone.into_iter().map(|path| (path, json!({"op": "delete"}))).collect();
            self.record(state, deletions, share);
        }
        let mut answer = Answer { results: Vec::with_capacity(batch.items.len()) };
        for item in batch.items {
            let result = match item {
                Item::Read(paths) => ItemResult::Tree(state.store.read(paths.iter().map(String::as_str), batch.time_ms).to_json()),
                Item::Write { transaction, once } => {
                    let known = if once { state.ids.get(&transaction.client_id) } else { None };
                    match known {
                        Some(index) => ItemResult::Index(index),
                        None => match state.store.apply(&transaction, batch.time_ms) {
                            Applied::Done => {
                                self.record(state, transaction.operations, share);
                                state.ids.add(&transaction.client_id, state.index, batch.time_ms);
                                ItemResult::Index(state.index)
                            }
                            Applied::PreconditionFailed => ItemResult::PreconditionFailed,
                            Applied::Refused(reason) => ItemResult::Refused(reason),
                        },
                    }
                }
            };
            answer.results.push(result);
        }
        answer
    }

    /// Gives the change the next index and puts it into the feed.
    fn record(&self, state: &mut State, operations: Map<String, Json>, bytes: usize) {
        state.index += 1;
        if !state.store.has_no_observers() {
            for (path, operation) in &operations {
                for (observed, url) in state.store.observers_of(path) {
                    let changed = (path.clone(), operation.clone());
                    // A full queue drops the call: observers must look for themselves anyway.
                    let _ = self.shared.observed.try_send(Notification { index: state.index, url, observed, changed });
                }
            }
        }
        state.feed.push(state.index, operations, bytes);
    }

    fn apply_entry(&self, state: &mut State, entry: Entry) -> Result<Answer> {
        let answer = match entry.payload {
            EntryPayload::Blank => Answer::default(),
            EntryPayload::Normal(command) => self.apply_batch(state, command.batch()?, command.encoded().len()),
            EntryPayload::Membership(membership) => {
                state.membership = StoredMembership::new(Some(entry.log_id), membership);
                Answer::default()
            }
        };
        state.applied = Some(entry.log_id);
        Ok(answer)
    }
}

impl Ids {
    fn get(&self, id: &str) -> Option<u64> {
        self.index.get(id).copied()
    }

    fn add(&mut self, id: &str, index: u64, time_ms: u64) {
        if id.is_empty() {
            return;
        }
        let id: Arc<str> = Arc::from(id);
        self.index.insert(id.clone(), index);
        self.order.push_back((time_ms, index, id));
        while let Some((time, index, id)) = self.order.front() {
            let old = self.order.len() > IDS_MIN && time.saturating_add(ID_KEPT_MS) < time_ms;
            if !old && self.order.len() <= IDS_MAX {
                break;
            }
            if self.index.get(id) == Some(index) {
                self.index.remove(id);
            }
            self.order.pop_front();
        }
    }
}

impl Feed {
    fn push(&mut self, index: u64, operations: Map<String, Json>, bytes: usize) {
        self.entries.push_back(((index, Arc::new(operations)), bytes));
        self.bytes += bytes;
        while self.entries.len() > FEED_ENTRIES_MAX || self.bytes > FEED_BYTES_MAX {
            let Some((_, bytes)) = self.entries.pop_front() else { break };
            self.bytes -= bytes;
        }
    }

    /// The entries from `index` on; `None` if the first of them is gone.
    fn from(&self, index: u64, entries_max: usize) -> Option<Vec<Change>> {
        let first = self.entries.front()?.0.0;
        let skip = usize::try_from(index.checked_sub(first)?).ok()?;
        Some(self.entries.iter().skip(skip).take(entries_max).map(|(change, _)| change.clone()).collect())
    }
}

impl State {
    fn from_snapshot(meta: &Meta, data: &[u8]) -> Result<Self> {
        let value: Json = serde_json::from_slice(data).map_err(|error| Error::internal(format!("agency snapshot: {error}")))?;
        let store = Store::from_json(value.get("store").unwrap_or(&Json::Null))?;
        let index = value.get("index").and_then(Json::as_u64).ok_or_else(|| Error::internal("agency snapshot without an index"))?;
        let mut ids = Ids::default();
        for entry in value.get("ids").and_then(Json::as_array).into_iter().flatten() {
            let (time, index, id) = (entry.get(0), entry.get(1), entry.get(2));
            if let (Some(time), Some(index), Some(id)) =
                (time.and_then(Json::as_u64), index.and_then(Json::as_u64), id.and_then(Json::as_str))
            {
                ids.add(id, index, time);
            }
        }
        Ok(Self { store, index, applied: meta.last_log_id, membership: meta.last_membership.clone(), ids, feed: Feed::default() })
    }

    fn to_snapshot(&self) -> Vec<u8> {
        let ids: Vec<Json> = self.ids.order.iter().map(|(time, index, id)| json!([time, index, &**id])).collect();
        json!({"store": self.store.to_json(), "index": self.index, "ids": ids}).to_string().into_bytes()
    }

    fn meta(&self) -> Meta {
        let place = self.applied.map_or_else(|| "0".to_owned(), |log_id| log_id.to_string());
        Meta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: format!("{place}-{}", uuid::Uuid::new_v4()),
        }
    }
}

fn failed(verb: ErrorVerb, error: io::Error) -> StorageError {
    StorageError::from_io_error(ErrorSubject::Snapshot(None), verb, error)
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        let state = self.shared.state.read();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answer>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut answers = Vec::new();
        for entry in entries {
            let log_id = entry.log_id;
            // The lock is taken anew for each entry, so that readers get their turn.
            let outcome = {
                let mut state = self.shared.state.write();
                self.apply_entry(&mut state, entry).map(|answer| (answer, state.index))
            };
            let (answer, index) = outcome.map_err(|error| {
                // An entry that cannot be understood must not be skipped on one agent alone.
                StorageError::from_io_error(ErrorSubject::Apply(log_id), ErrorVerb::Read, io::Error::other(error.to_string()))
            })?;
            answers.push(answer);
            self.shared.index.send_if_modified(|now| std::mem::replace(now, index) != index);
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let mut state = self.shared.state.read().clone();
        state.feed = Feed::default();
        Builder { directory: self.shared.directory.clone(), state }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(&mut self, meta: &Meta, data: Box<Cursor<Vec<u8>>>) -> Result<(), StorageError> {
        let data = data.into_inner();
        let state = State::from_snapshot(meta, &data).map_err(|error| failed(ErrorVerb::Read, io::Error::other(error.to_string())))?;
        let (directory, meta) = (self.shared.directory.clone(), meta.clone());
        blocking(move || snapshot::save(&directory, &meta, &data)).await.map_err(|error| failed(ErrorVerb::Write, error))?;
        let index = state.index;
        *self.shared.state.write() = state;
        self.shared.index.send_replace(index);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<openraft::Snapshot<TypeConfig>>, StorageError> {
        let directory = self.shared.directory.clone();
        blocking(move || snapshot::current(&directory)).await.map_err(|error| failed(ErrorVerb::Read, error))
    }
}

/// Writes a snapshot of the state at the time it was made.
pub struct Builder {
    directory: PathBuf,
    state: State,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Result<openraft::Snapshot<TypeConfig>, StorageError> {
        let (directory, state) = (self.directory.clone(), std::mem::take(&mut self.state));
        let build = move || {
            let (meta, data) = (state.meta(), state.to_snapshot());
            snapshot::save(&directory, &meta, &data)?;
            Ok(openraft::Snapshot { meta, snapshot: Box::new(Cursor::new(data)) })
        };
        blocking(build).await.map_err(|error| failed(ErrorVerb::Write, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::Command;
    use crate::transaction::Transaction;
    use openraft::CommittedLeaderId;

    fn entry(index: u64, time_ms: u64, items: Vec<Item>) -> Entry {
        let log_id = LogId::new(CommittedLeaderId::new(1, 1), index);
        Entry { log_id, payload: EntryPayload::Normal(Command::encode(&Batch { time_ms, items })) }
    }

    fn write(transaction: Transaction) -> Item {
        Item::Write { transaction, once: true }
    }

    fn machine(directory: &Path) -> Machine {
        Machine::open(directory, mpsc::channel(10).0).unwrap()
    }

    async fn apply(machine: &mut Machine, entry: Entry) -> Vec<ItemResult> {
        machine.apply([entry]).await.unwrap().remove(0).results
    }

    #[tokio::test]
    async fn transactions_are_counted_ids_remembered_and_never_applied_twice() {
        let directory = tempfile::tempdir().unwrap();
        let mut machine = machine(directory.path());
        let count = || Transaction::new().increment("n").with_client_id("a");
        let results = apply(
            &mut machine,
            entry(
                1,
                0,
                vec![
                    write(count()),
                    write(count()),
                    write(Transaction::new().set("x", 1).require("y", 1)),
                    Item::Read(vec!["/arango/n".into()]),
                ],
            ),
        )
        .await;
        let expected =
            [ItemResult::Index(1), ItemResult::Index(1), ItemResult::PreconditionFailed, ItemResult::Tree(json!({"arango": {"n": 1}}))];
        assert_eq!(results, expected);
        let again = Item::Write { transaction: count(), once: false };
        assert_eq!(apply(&mut machine, entry(2, 0, vec![again])).await, [ItemResult::Index(2)]);
        assert_eq!((machine.index_of("a"), machine.index_of("b")), (2, 0));
    }

    #[tokio::test]
    async fn expiry_is_part_of_the_feed() {
        let directory = tempfile::tempdir().unwrap();
        let mut machine = machine(directory.path());
        let lease = Transaction::new().set_with_ttl("x", 1, std::time::Duration::from_secs(1));
        apply(&mut machine, entry(1, 1000, vec![write(lease)])).await;
        assert_eq!(apply(&mut machine, entry(2, 2000, vec![write(Transaction::new().set("y", 1))])).await, [ItemResult::Index(3)]);
        let (index, News::Log(entries)) = machine.news(2, 10) else { panic!() };
        assert_eq!(index, 3);
        assert_eq!(*entries[0].1, json!({"/arango/x": {"op": "delete"}}).as_object().unwrap().clone());
        assert_eq!(entries.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [2, 3]);
        assert!(matches!(machine.news(0, 10).1, News::Tree(_)));
        assert!(matches!(machine.news(4, 10), (3, News::Log(entries)) if entries.is_empty()));
    }

    #[tokio::test]
    async fn snapshots_hold_everything() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = machine(directory.path());
        let lease = Transaction::new().set_with_ttl("x", 1, std::time::Duration::from_secs(1)).with_client_id("id");
        apply(&mut first, entry(5, 1000, vec![write(lease)])).await;
        let built = first.get_snapshot_builder().await.build_snapshot().await.unwrap();

        let mut restarted = machine(directory.path());
        let elsewhere = tempfile::tempdir().unwrap();
        let mut other = machine(elsewhere.path());
        other.install_snapshot(&built.meta, built.snapshot).await.unwrap();
        for machine in [&mut restarted, &mut other] {
            assert_eq!((machine.index(), machine.index_of("id")), (1, 1));
            assert_eq!(machine.applied_state().await.unwrap().0.unwrap().index, 5);
            assert_eq!(machine.view(1999).tree.to_json(), json!({"arango": {"x": 1}}));
            assert_eq!(machine.view(2000).tree.to_json(), json!({"arango": {}}));
            assert!(machine.get_current_snapshot().await.unwrap().is_some());
        }
    }

    #[test]
    fn ids_are_forgotten_by_age() {
        let mut ids = Ids::default();
        for n in 0..=IDS_MIN as u64 {
            ids.add(&format!("id{n}"), n + 1, n);
        }
        assert_eq!(ids.get("id0"), Some(1));
        ids.add("late", 99_999, ID_KEPT_MS + 2);
        assert_eq!((ids.get("id0"), ids.get("id1"), ids.get("id2")), (None, None, Some(3)));
    }
}
