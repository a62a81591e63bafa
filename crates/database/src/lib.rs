//! Layer 1: the nouns and verbs of a database, without any way to carry them out.
//!
//! [`catalog`] describes databases, collections and indexes; [`document`] the document
//! operations with their options; [`query`] cursors; [`sharding`] decides which shard holds a
//! document; [`collection_input`], [`index_input`] and [`database_input`] check what clients want to
//! create; [`backend`] is the seam between the HTTP routes and the roles: everything a client
//! may ask a server for.

pub mod backend;
pub mod catalog;
pub mod cluster;
pub mod collection_input;
pub mod context;
pub mod database_input;
pub mod document;
pub mod index_input;
pub mod query;
pub mod sharding;
pub mod transaction;

pub use backend::Backend;
pub use context::Context;
