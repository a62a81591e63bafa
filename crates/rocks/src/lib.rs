//! RocksDB as the engine of storage: one database per server, a column family per family of data.
//!
//! Start with [`RocksEngine::open`]. `view.rs` holds snapshots and iterators (the only unsafe code),
//! `log.rs` reads batches back from the write-ahead log. Invariant: what storage calls a tick is
//! RocksDB's sequence number; a batch ends at the sequence number of its last write.

mod engine;
mod fault;
mod log;
mod options;
mod view;

pub use engine::RocksEngine;
pub use options::RocksOptions;
