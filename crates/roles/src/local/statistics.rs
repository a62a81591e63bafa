//! Figures, revision and checksum of a local collection.

use super::Local;
use base::{Result, Revision};
use std::sync::Arc;
use std::time::Instant;
use storage::LocalCollection;
use velocypack::{Slice, Value};

/// Documents read at a time.
const DOCUMENTS_PER_STEP: usize = 1000;
/// Seed of checksums; the same on all servers, since checksums of shards are combined.
const CHECKSUM_SEED: u64 = 0x6368_6563_6b73_756d;

/// Checksum of a collection and the newest revision in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// Exclusive or of the documents' hashes, so that the order does not matter.
    pub checksum: u64,
    /// Newest revision; 0 without documents.
    pub revision: u64,
}

/// Sizes of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes of documents on disk, about.
    pub documents_bytes: u64,
    /// Bytes of indexes on disk, about.
    pub indexes_bytes: u64,
}

impl Local {
    /// Sizes on disk, about.
    #[must_use]
    pub fn figures(&self, collection: &LocalCollection) -> Figures {
        let (documents_bytes, indexes_bytes) = self.storage().size_bytes(collection);
        Figures { documents_bytes, indexes_bytes }
    }

    /// Checksum over keys, and revisions and contents if wanted. May block.
    pub fn checksum(self: &Arc<Self>, collection: &Arc<LocalCollection>, with_revisions: bool, with_data: bool) -> Result<Checksum> {
        let mut result = Checksum::default();
        self.each_document(collection, |document| {
            let revision = revision_of(document);
            result.revision = result.revision.max(revision);
            let mut hash = hash_of(document.get("_key"), CHECKSUM_SEED);
            if with_revisions {
                hash = hash_of(document.get("_rev"), hash);
            }
            if with_data {
                // Attributes in any order give the same checksum; the revision is not data.
                let data = document.entries().filter(|(name, _)| !["_key", "_id", "_rev"].contains(name));
                hash = data.fold(hash, |sum, (name, value)| {
                    sum ^ velocypack::hash(value, velocypack::hash(Value::string(name).as_slice(), CHECKSUM_SEED))
                });
            }
            result.checksum ^= hash;
        })?;
        Ok(result)
    }

    /// The newest revision in a collection; 0 without documents. May block.
    pub fn newest_revision(self: &Arc<Self>, collection: &Arc<LocalCollection>) -> Result<u64> {
        let mut newest = 0;
        self.each_document(collection, |document| newest = newest.max(revision_of(document)))?;
        Ok(newest)
    }

    fn each_document(self: &Arc<Self>, collection: &Arc<LocalCollection>, mut visit: impl FnMut(Slice<'_>)) -> Result<()> {
        let transaction = self.begin(Instant::now())?;
        let mut cursor = transaction.scan(collection, false)?;
        let mut documents = Vec::new();
        loop {
            documents.clear();
            let more = cursor.next(DOCUMENTS_PER_STEP, &mut documents)?;
            documents.iter().for_each(|document| visit(document.as_slice()));
            if !more {
                return Ok(());
            }
        }
    }
}

/// A revision as text; "0" without documents.
#[must_use]
pub fn revision_text(revision: u64) -> String {
    if revision == 0 { "0".to_owned() } else { Revision(revision).encode() }
}

fn revision_of(document: Slice<'_>) -> u64 {
    document.get("_rev").and_then(Slice::as_str).and_then(Revision::decode).map_or(0, |revision| revision.0)
}

fn hash_of(value: Option<Slice<'_>>, seed: u64) -> u64 {
    value.map_or(seed, |value| velocypack::hash(value, seed))
}
