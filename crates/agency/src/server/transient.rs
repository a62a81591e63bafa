//! The transient store: not replicated, not on disk, only on the leader, empty after each election.

use crate::node::Node;
use crate::store::{Applied, Store};
use crate::transaction::Transaction;

/// The store of one term.
#[derive(Default)]
pub struct Transient {
    store: Store,
}

impl Transient {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.store = Store::default();
    }

    /// Applies a transaction.
    pub fn apply(&mut self, transaction: &Transaction, now_ms: u64) -> Applied {
        self.store.expire(now_ms);
        self.store.apply(transaction, now_ms)
    }

    /// Reads paths.
    pub fn read(&mut self, paths: &[String], now_ms: u64) -> Node {
        self.store.expire(now_ms);
        self.store.read(paths.iter().map(String::as_str), now_ms)
    }

    /// The whole tree.
    pub fn tree(&mut self, now_ms: u64) -> Node {
        self.store.expire(now_ms);
        self.store.tree().clone()
    }

    /// The store itself.
    pub fn store(&self) -> &Store {
        &self.store
    }
}
