//! The agency: the replicated configuration tree of a cluster and the supervision that acts on it.
//!
//! Two halves. Agents: [`store::Store`] is the pure state machine, Raft (openraft) orders the
//! transactions, the HTTP handler answers `/_api/agency/*`, the supervision on the leader watches
//! the health of servers and runs jobs. Clients: [`client`] talks to the agents, [`cache`] keeps a
//! local copy of the tree that follows the agency by its change feed.
//!
//! Start with [`node`] (the tree), [`operation`] and [`precondition`] (what a transaction does).

pub mod cache;
pub mod client;
pub mod node;
pub mod operation;
pub mod path;
pub mod pool;
pub mod precondition;
pub mod raft;
pub mod server;
pub mod store;
pub mod supervision;
pub mod transaction;

pub use cache::{AgencyCache, Snapshot};
pub use client::{AgencyClient, Outcome};
pub use node::Node;
pub use transaction::Transaction;
