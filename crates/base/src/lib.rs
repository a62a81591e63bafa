//! Layer 0: what every other crate may use: errors with their numbers, revisions, names.
//!
//! Start with [`Error`]: its number is chosen where the fault is understood and never rewritten
//! on its way to the client.

pub mod code;
pub mod error;
pub mod names;
pub mod revision;

pub use code::Code;
pub use error::{Error, Result};
pub use revision::Revision;
