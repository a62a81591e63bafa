//! Documents on an ordered-bytes engine. (Being built up.)

pub mod batch;
pub mod engine;
pub mod engine_contract;
pub mod memory;

pub use batch::{Batch, Write};
pub use engine::{Engine, EngineIterator, Family, KeyRange, Order, Snapshot, Tail};
pub use memory::MemoryEngine;
