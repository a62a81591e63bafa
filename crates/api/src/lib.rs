//! HTTP to verbs: turns ArangoDB's HTTP API into calls of [`database::Backend`] and shapes the
//! answers. Which role stands behind the backend is not known here.
//!
//! A request's way: [`Api::handle`] → [`path`] (database, path parts) → [`auth`] (who asks) →
//! [`routes`] (one file per public path) → [`reply`] (JSON or VelocyPack, compressed or not).
//!
//! Invariant: every answer to a failed request is ArangoDB's error body, and no route reaches the
//! backend before the caller's rights have been checked.

pub mod auth;
mod call;
mod emit;
mod encoding;
mod entry;
mod jobs;
pub mod log;
mod measure;
mod options;
mod path;
mod reply;
mod routes;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod wire_tests;

pub use entry::{Api, Guard};
pub use options::{ApiOptions, VERSION};
