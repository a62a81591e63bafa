//! Raft for the agency: openraft's type configuration, and what travels through its log.
//!
//! One log entry is a [`Batch`]: everything that clients sent while the previous entry was on its
//! way. Preconditions are decided when the entry is applied, on every agent alike; the leader passes
//! the results back to the waiting clients.
//!
//! Neighbours: `log.rs` keeps log and vote on disk, `machine.rs` applies entries and keeps
//! snapshots, `network.rs` talks to the other agents, `propose.rs` makes batches and confirms
//! leadership for reads.

pub mod codec;
pub mod log;
pub mod machine;
pub mod network;
pub mod propose;
pub mod snapshot;

use crate::transaction::Transaction;
use base::{Error, Result};
use rt::http::Bytes;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;
use std::io::Cursor;

openraft::declare_raft_types!(
    /// The types that openraft works with here.
    pub TypeConfig:
        D = Command,
        R = Answer,
        NodeId = u64,
        Node = Member,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = openraft::TokioRuntime,
);

/// The running Raft of one agent.
pub type Raft = openraft::Raft<TypeConfig>;
/// An entry of the log.
pub type Entry = openraft::Entry<TypeConfig>;
/// Place of an entry in the log.
pub type LogId = openraft::LogId<u64>;
/// A vote, also the identity of a leader.
pub type Vote = openraft::Vote<u64>;
/// Members with the place where they were decided.
pub type StoredMembership = openraft::StoredMembership<u64, Member>;
/// Error of openraft's storage traits.
pub type StorageError = openraft::StorageError<u64>;

/// An agent as Raft's membership names it. Its address may change: see `pool.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// `AGNT-<uuid>`.
    pub id: String,
}

/// Raft's number of the agent `id`: FNV-1a, because Raft wants a number and agents have names.
/// The pool refuses two ids with one number.
#[must_use]
pub fn number_of(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What an entry asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Apply a transaction; with `once`, unless its id was applied before.
    Write {
        /// The transaction.
        transaction: Transaction,
        /// The client may have sent it before.
        once: bool,
    },
    /// Read these paths between the writes around it.
    Read(Vec<String>),
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Write { transaction, once } => {
                map.serialize_entry("w", &(&transaction.operations, &transaction.preconditions, &transaction.client_id))?;
                map.serialize_entry("o", once)?;
            }
            Self::Read(paths) => map.serialize_entry("r", paths)?,
        }
        map.end()
    }
}

/// Everything in one log entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The leader's clock in milliseconds since the epoch: the time of everything in the batch.
    pub time_ms: u64,
    /// In order.
    pub items: Vec<Item>,
}

impl Batch {
    fn from_json(mut value: Json) -> Result<Self> {
        let malformed = || Error::internal("malformed entry in the agency's log");
        let time_ms = value.get(0).and_then(Json::as_u64).ok_or_else(malformed)?;
        let items = value.get_mut(1).and_then(Json::as_array_mut).ok_or_else(malformed)?;
        let mut batch = Self { time_ms, items: Vec::with_capacity(items.len()) };
        for item in items {
            if let Some(transaction) = item.get_mut("w").map(Json::take) {
                let once = item.get("o").and_then(Json::as_bool).unwrap_or(false);
                batch.items.push(Item::Write { transaction: Transaction::parse(transaction)?, once });
            } else {
                let paths = item.get("r").and_then(Json::as_array).ok_or_else(malformed)?;
                batch.items.push(Item::Read(paths.iter().filter_map(Json::as_str).map(str::to_owned).collect()));
            }
        }
        Ok(batch)
    }
}

/// A [`Batch`] in the form in which it is logged and sent: encoded once, by the leader.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Command {
    encoded: Bytes,
}

impl Command {
    /// Encodes a batch.
    #[must_use]
    pub fn encode(batch: &Batch) -> Self {
        // Serialising plain data into memory cannot fail.
        let encoded = serde_json::to_vec(&(batch.time_ms, &batch.items)).unwrap_or_default();
        Self { encoded: encoded.into() }
    }

    /// Takes bytes that [`Command::encoded`] gave.
    #[must_use]
    pub fn from_encoded(encoded: Bytes) -> Self {
        Self { encoded }
    }

    /// The bytes.
    #[must_use]
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// Decodes the batch.
    pub fn batch(&self) -> Result<Batch> {
        let value = serde_json::from_slice(&self.encoded).map_err(|error| Error::internal(error.to_string()))?;
        Batch::from_json(value)
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.encoded)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<u8>::deserialize(deserializer).map(|encoded| Self { encoded: encoded.into() })
    }
}

/// Result of one [`Item`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ItemResult {
    /// Applied under this index.
    Index(u64),
    /// A precondition did not hold.
    PreconditionFailed,
    /// An operation was impossible.
    Refused(String),
    /// What a read found.
    Tree(Json),
}

/// Results of a batch, in the order of its items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// One for each item.
    pub results: Vec<ItemResult>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_survive_encoding() {
        let batch = Batch {
            time_ms: 17,
            items: vec![
                Item::Write { transaction: Transaction::new().set("a", 1).require_absent("b").with_client_id("x"), once: true },
                Item::Read(vec!["/a".into(), "/b".into()]),
            ],
        };
        assert_eq!(Command::encode(&batch).batch().unwrap(), batch);
        assert!(Command::from_encoded(Bytes::from_static(b"[1")).batch().is_err());
        assert!(Command::from_encoded(Bytes::from_static(b"[1,[{}]]")).batch().is_err());
    }
}
