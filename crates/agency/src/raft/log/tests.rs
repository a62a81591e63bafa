//! The log as openraft uses it, and what is left of it after a crash.

use super::*;
use crate::raft::{Batch, Command};
use openraft::{CommittedLeaderId, EntryPayload};
use std::fs::OpenOptions;
use std::path::PathBuf;

fn id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, 1), index)
}

fn entry(term: u64, index: u64) -> Entry {
    Entry { log_id: id(term, index), payload: EntryPayload::Normal(Command::encode(&Batch { time_ms: index, items: vec![] })) }
}

/// Appends as openraft does and waits until the records are on disk.
async fn append(store: &LogStore, entries: &[Entry]) -> io::Result<()> {
    let records: Vec<Record> = entries.iter().cloned().map(Record::Entry).collect();
    for record in &records {
        store.shared.state.write().replay(record.clone());
    }
    let (done, outcome) = oneshot::channel();
    store.submit(&records, Done::Other(done)).map_err(|_| stopped())?;
    outcome.await.unwrap()
}

async fn indices(store: &mut LogStore) -> Vec<(u64, u64)> {
    let entries = store.try_get_log_entries(..).await.unwrap();
    entries.iter().map(|entry| (entry.log_id.leader_id.term, entry.log_id.index)).collect()
}

fn last_segment(directory: &Path) -> PathBuf {
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.pop().unwrap()
}

#[tokio::test]
async fn everything_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = LogStore::open(directory.path(), true).unwrap();
    assert_eq!(store.get_log_state().await.unwrap(), LogState::default());
    store.save_vote(&Vote::new(1, 1)).await.unwrap();
    append(&store, &[entry(1, 0), entry(1, 1), entry(1, 2), entry(1, 3)]).await.unwrap();
    store.truncate(id(1, 2)).await.unwrap();
    append(&store, &[entry(2, 2), entry(2, 3)]).await.unwrap();
    store.save_vote(&Vote::new_committed(2, 1)).await.unwrap();
    store.purge(id(1, 0)).await.unwrap();
    for _ in 0..2 {
        let mut again = LogStore::open(directory.path(), true).unwrap();
        assert_eq!(indices(&mut again).await, [(1, 1), (2, 2), (2, 3)]);
        assert_eq!(again.read_vote().await.unwrap(), Some(Vote::new_committed(2, 1)));
        let state = again.get_log_state().await.unwrap();
        assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(1, 0)), Some(id(2, 3))));
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_at_any_byte() {
    let directory = tempfile::tempdir().unwrap();
    let store = LogStore::open(directory.path(), true).unwrap();
    append(&store, &[entry(1, 0)]).await.unwrap();
    let sound = std::fs::metadata(last_segment(directory.path())).unwrap().len();
    append(&store, &[entry(1, 1)]).await.unwrap();
    let whole = std::fs::read(last_segment(directory.path())).unwrap();
    for cut in sound..whole.len() as u64 {
        let copy = tempfile::tempdir().unwrap();
        let file = copy.path().join("log-0000000001.seg");
        std::fs::write(&file, &whole[..cut as usize]).unwrap();
        let mut again = LogStore::open(copy.path(), true).unwrap();
        assert_eq!(indices(&mut again).await, [(1, 0)]);
        append(&again, &[entry(2, 1)]).await.unwrap();
        let mut third = LogStore::open(copy.path(), true).unwrap();
        assert_eq!(indices(&mut third).await, [(1, 0), (2, 1)]);
    }
}

#[tokio::test]
async fn segments_rotate_and_old_ones_disappear() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = LogStore::open(directory.path(), false).unwrap();
    store.save_vote(&Vote::new(7, 1)).await.unwrap();
    let large = Command::from_encoded(format!("[0,[{{\"r\":[\"{}\"]}}]]", "x".repeat(1 << 20)).into());
    for index in 0..40 {
        append(&store, &[Entry { log_id: id(1, index), payload: EntryPayload::Normal(large.clone()) }]).await.unwrap();
    }
    let files = || std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files(), 3);
    let read = store.limited_get_log_entries(0, 40).await.unwrap();
    assert!((1..10).contains(&read.len()), "{}", read.len());
    assert_eq!(store.surplus(100, 10 << 20), Some(30));
    assert_eq!(store.surplus(5, usize::MAX), Some(34));
    assert_eq!(store.surplus(100, usize::MAX), None);
    store.purge(id(1, 38)).await.unwrap();
    // Deleting follows the report of the purge; the next job comes after it.
    store.save_vote(&Vote::new(8, 1)).await.unwrap();
    assert_eq!(files(), 1);
    let mut again = LogStore::open(directory.path(), false).unwrap();
    assert_eq!(indices(&mut again).await, [(1, 39)]);
    assert_eq!(again.read_vote().await.unwrap(), Some(Vote::new(8, 1)));
    assert_eq!(again.get_log_state().await.unwrap().last_purged_log_id, Some(id(1, 38)));
}

#[tokio::test]
async fn damage_before_the_last_segment_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let store = LogStore::open(directory.path(), false).unwrap();
    append(&store, &[entry(1, 0)]).await.unwrap();
    drop(store);
    let first = last_segment(directory.path());
    std::fs::copy(&first, directory.path().join("log-0000000002.seg")).unwrap();
    let file = OpenOptions::new().write(true).open(&first).unwrap();
    file.set_len(std::fs::metadata(&first).unwrap().len() - 1).unwrap();
    let Err(error) = LogStore::open(directory.path(), false) else { panic!("opened") };
    assert!(error.to_string().contains("log-0000000001.seg is damaged at byte"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_the_rest_stays_sound() {
    let directory = tempfile::tempdir().unwrap();
    let store = LogStore::open(directory.path(), true).unwrap();
    append(&store, &[entry(1, 0)]).await.unwrap();
    // A device that is always full stands for a full disk.
    let mut segments = Segments::recover(directory.path(), true, |_| {}).unwrap();
    segments.replace_file_for_test(OpenOptions::new().read(true).write(true).open("/dev/full").unwrap());
    let mut record = Vec::new();
    codec::write_record(&Record::Entry(entry(1, 1)), &mut record);
    assert!(segments.append(&record, Some(1)).is_err());
    let mut again = LogStore::open(directory.path(), true).unwrap();
    assert_eq!(indices(&mut again).await, [(1, 0)]);
}
