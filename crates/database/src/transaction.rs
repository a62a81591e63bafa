//! Stream transactions as values.

use std::fmt;

/// Number of a stream transaction, unique in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a stream transaction declares when it begins.
#[derive(Clone, Debug, Default)]
pub struct TransactionOptions {
    /// Collections that are read.
    pub read: Vec<String>,
    /// Collections that are written.
    pub write: Vec<String>,
    /// Collections that are locked exclusively.
    pub exclusive: Vec<String>,
    /// Collections may be added for reading later.
    pub allow_implicit: bool,
    /// Commit with fsync.
    pub wait_for_sync: bool,
    /// Seconds to wait for a lock.
    pub lock_timeout_s: Option<f64>,
    /// Largest size in bytes.
    pub max_transaction_size: Option<u64>,
}

/// State of a stream transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Open.
    Running,
    /// Committed.
    Committed,
    /// Aborted.
    Aborted,
}

impl TransactionStatus {
    /// The word in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Committed => "committed",
            Self::Aborted => "aborted",
        }
    }
}
