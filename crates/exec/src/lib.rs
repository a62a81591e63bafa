//! Layer 3: runs a query plan of `aql` against a [`source::Source`] and yields rows. Pure: no
//! clock, no threads, no sockets.
//!
//! A plan's nodes become operators, which pass blocks of rows ([`block`]) to one another.

pub mod block;
pub mod convert;
pub mod functions;
pub mod source;
pub mod stats;
