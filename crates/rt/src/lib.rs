//! The machine: clock, HTTP server and client, endpoints, shutdown, metrics, fault points.
//!
//! Invariant: time and network reach the rest of the program through this crate only. Start with
//! [`http`]; [`endpoint`] names where a server is.

pub mod clock;
pub mod endpoint;
pub mod fault;
pub mod http;
pub mod metrics;
pub mod shutdown;
