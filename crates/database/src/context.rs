//! Who asks: the checked identity that every verb demands.

use crate::transaction::TransactionId;

/// Access level of a user to a database or collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// No access.
    None,
    /// `ro`.
    Read,
    /// `rw`.
    Write,
}

/// The caller of a verb.
#[derive(Clone, Debug)]
pub struct Context {
    /// User name; `root` when authentication is off; empty for servers of the cluster.
    pub user: String,
    /// A server of the cluster (superuser token) or authentication is off.
    pub superuser: bool,
    /// Stream transaction named by `x-arango-trx-id`.
    pub transaction: Option<TransactionId>,
    /// `x-arango-allow-dirty-read: true`.
    pub dirty_read: bool,
}

impl Context {
    /// The identity of servers of the cluster, and of everybody while authentication is off.
    #[must_use]
    pub fn superuser() -> Self {
        Self { user: "root".into(), superuser: true, transaction: None, dirty_read: false }
    }
}
