//! Documents, indexes, transactions, locks and replication on an engine of ordered bytes.
//!
//! Start with [`Storage`]: it opens what an [`Engine`] holds and begins [`Transaction`]s. All calls
//! are synchronous and may wait for the disk or, up to a deadline, for locks. How keys and values
//! lie in the engine is told in `keys.rs`.
//!
//! Invariant: the engine holds everything that must survive a crash; one commit is one batch.

pub mod batch;
mod catalog;
mod collection;
mod counter;
mod cursor;
mod documents;
pub mod engine;
pub mod engine_contract;
mod expiry;
mod index;
mod index_build;
mod index_cursor;
mod index_path;
mod key_generator;
mod keys;
mod locks;
pub mod memory;
mod physical;
mod replication;
mod shard_sync;
mod storage;
mod transaction;
mod write_set;

pub use batch::{Batch, Write};
pub use collection::LocalCollection;
pub use cursor::{Cursor, Neighbor};
pub use engine::{Engine, EngineIterator, Family, KeyRange, Order, Snapshot, Tail};
pub use index::validate as validate_index;
pub use index_cursor::{IndexCursor, IndexRange, IndexRead};
pub use keys::EdgeDirection;
pub use memory::MemoryEngine;
pub use physical::{Dump, DumpChunk, DumpPosition};
pub use replication::{CollectionTail, ReplicatedKind, ReplicatedOperation, decode_operations, encode_operations};
pub use shard_sync::{ShardChunk, ShardSnapshot};
pub use storage::{NumberSource, Storage, StorageOptions};
pub use transaction::{Isolation, Transaction, TransactionOptions};
