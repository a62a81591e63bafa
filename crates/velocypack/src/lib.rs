//! The value format of documents, query rows and messages between servers: VelocyPack 1.x, read in
//! place.
//!
//! [`Value`] owns one well-formed value, [`Slice`] looks into one without copying, [`Builder`]
//! writes one. JSON is parsed straight into a builder ([`json`]) and written straight from a slice.
//! [`order`] holds AQL's order of all values; [`fn@hash`] and [`merge`] agree with it.
//!
//! Invariant: reading never panics, whatever the bytes; [`Value::from_bytes`] admits only values
//! that can be read completely. Start with `layout.rs`, which describes the bytes.

mod builder;
mod from_serde;
mod hash;
pub mod json;
mod json_number;
mod layout;
mod merge;
pub mod order;
mod slice;
mod sort_key;
mod validate;
mod value;

pub use builder::{BuildError, Builder};
pub use hash::hash;
pub use json::JsonError;
pub use merge::merge;
pub use slice::{Elements, Entries, Kind, Slice};
pub use validate::FormatError;
pub use value::Value;

/// Deepest nesting of arrays and objects accepted from outside.
///
/// Limit: deeper documents are refused by the JSON parser and by [`Value::from_bytes`].
pub const NESTING_MAX: usize = 200;

/// Depth at which walks over values that were built inside the server stop descending, so that no
/// input can exhaust the stack.
pub(crate) const WALK_MAX: usize = 1000;
