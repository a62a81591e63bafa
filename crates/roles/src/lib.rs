//! Layer 4: what a server is. A [`single`] server does everything on its own storage; in a cluster
//! a [`coordinator`] takes requests, a [`dbserver`] holds shards and a [`secondary`] copies a whole
//! DB-server.
//!
//! Shared below them: [`local`] (verbs on this server's storage), [`query`] and [`cursors`],
//! [`transactions`]; [`cluster`] (identity, agency, calls between servers), [`registration`],
//! [`heartbeat`] and [`wire`] (messages between servers).

pub mod bootstrap;
pub mod cluster;
pub mod coordinator;
pub mod cursors;
pub mod dbserver;
pub mod direct;
pub mod heartbeat;
pub mod local;
pub mod query;
pub mod registration;
pub mod secondary;
pub mod single;
pub mod transactions;
pub mod wire;
