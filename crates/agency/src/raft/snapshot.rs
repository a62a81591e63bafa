//! Snapshots of the state machine on disk: one file, replaced as a whole.
//!
//! `magic (8) ‖ length of the description (4) ‖ CRC-32 of what follows (4) ‖ description ‖ data`, both
//! JSON. A new snapshot is written beside the old one, synced, and only then takes its place; the
//! log is purged afterwards.

use super::codec::{Reader, checksum};
use super::{Member, TypeConfig};
use openraft::SnapshotMeta;
use std::fs::File;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"AGSNP\x00\x00\x01";
const NAME: &str = "snapshot";

/// What openraft wants to know about a snapshot.
pub type Meta = SnapshotMeta<u64, Member>;

/// Makes `data` the current snapshot of `directory`; durable when it returns.
pub fn save(directory: &Path, meta: &Meta, data: &[u8]) -> io::Result<()> {
    let description = serde_json::to_vec(meta)?;
    let mut body = description.clone();
    body.extend_from_slice(data);
    let fresh = directory.join("snapshot.new");
    let written = write(&fresh, &description, &body);
    if let Err(error) = written {
        // A half-written file would only waste the space that is missing.
        let _ = std::fs::remove_file(&fresh);
        return Err(error);
    }
    std::fs::rename(&fresh, path(directory))?;
    File::open(directory)?.sync_all()
}

fn write(path: &Path, description: &[u8], body: &[u8]) -> io::Result<()> {
    rt::fault::check("agency_snapshot_write").map_err(|error| io::Error::other(error.to_string()))?;
    let mut file = File::create(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&(description.len() as u32).to_le_bytes())?;
    file.write_all(&checksum(body).to_le_bytes())?;
    file.write_all(body)?;
    file.sync_all()
}

fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// The current snapshot, if there is one.
pub fn load(directory: &Path) -> io::Result<Option<(Meta, Vec<u8>)>> {
    let path = path(directory);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("agency snapshot {} is damaged", path.display()));
    parse(&bytes).map(Some).ok_or_else(damaged)
}

fn parse(bytes: &[u8]) -> Option<(Meta, Vec<u8>)> {
    let mut reader = Reader { bytes: bytes.strip_prefix(MAGIC)? };
    let (length, sum) = (reader.u32()? as usize, reader.u32()?);
    if checksum(reader.bytes) != sum {
        return None;
    }
    let meta = serde_json::from_slice(reader.take(length)?).ok()?;
    Some((meta, reader.bytes.to_vec()))
}

/// The current snapshot in openraft's form.
pub fn current(directory: &Path) -> io::Result<Option<openraft::Snapshot<TypeConfig>>> {
    Ok(load(directory)?.map(|(meta, data)| openraft::Snapshot { meta, snapshot: Box::new(Cursor::new(data)) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openraft::{CommittedLeaderId, LogId};

    fn meta(index: u64) -> Meta {
        Meta { last_log_id: Some(LogId::new(CommittedLeaderId::new(1, 1), index)), snapshot_id: index.to_string(), ..Meta::default() }
    }

    #[test]
    fn snapshots_replace_each_other_and_damage_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        assert!(load(directory.path()).unwrap().is_none());
        save(directory.path(), &meta(1), b"one").unwrap();
        save(directory.path(), &meta(2), b"two").unwrap();
        assert_eq!(load(directory.path()).unwrap(), Some((meta(2), b"two".to_vec())));
        let mut bytes = std::fs::read(path(directory.path())).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path(directory.path()), bytes).unwrap();
        assert!(load(directory.path()).unwrap_err().to_string().contains("damaged"));
    }
}
