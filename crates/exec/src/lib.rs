//! Layer 3: runs a query plan of `aql` against a [`source::Source`] and yields rows. Pure: no
//! clock, no threads, no sockets.
//!
//! Start at [`executor::Executor`]; a plan's nodes become the operators of `ops`, which pass blocks
//! of rows ([`block`]) to one another and evaluate expressions with [`eval`].

pub mod block;
pub mod convert;
pub mod eval;
pub mod executor;
pub mod functions;
pub mod like;
mod ops;
pub mod pipeline;
pub mod remote;
pub mod run;
pub mod source;
pub mod stats;
mod variables;

pub use eval::evaluate_const;
pub use executor::{ExecOptions, Executor};
pub use remote::SnippetRun;
