//! Stream transactions of a coordinator: which servers take part in which (life cycle §7.7).
//!
//! The data of a transaction is on the leaders of its shards, which begin their part with the first
//! request. A part that was lost with its server is never begun again: the transaction fails.

use super::Coordinator;
use base::{Error, Result, code};
use database::transaction::{TransactionId, TransactionOptions, TransactionStatus};
use futures_util::future::join_all;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use velocypack::Value;

/// Longest time one participant may take to commit or abort.
const FINISH_TIMEOUT: Duration = Duration::from_secs(60);
/// Transactions idle longer than this have been aborted by their participants.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Limit: transactions remembered, running or not.
const REMEMBERED_MAX: usize = 10_000;

struct Entry {
    database: String,
    options: TransactionOptions,
    status: TransactionStatus,
    /// Servers that take part, and whether one of their answers has proved that they know it.
    participants: BTreeMap<String, bool>,
    used: Duration,
}

/// The transactions this coordinator has begun.
#[derive(Default)]
pub struct ClusterTransactions {
    entries: Mutex<BTreeMap<u64, Entry>>,
}

impl ClusterTransactions {
    fn add(&self, id: TransactionId, database: &str, options: TransactionOptions) {
        let now = rt::clock::monotonic();
        let mut entries = self.entries.lock();
        if entries.len() >= REMEMBERED_MAX {
            entries.retain(|_, entry| entry.status == TransactionStatus::Running && now.saturating_sub(entry.used) <= IDLE_MAX);
        }
        let status = TransactionStatus::Running;
        entries.insert(id.0, Entry { database: database.to_owned(), options, status, participants: BTreeMap::new(), used: now });
    }

    /// Notes that a server takes part; true until it is known to have begun its part. 1655 if the
    /// transaction does not run; 1495 if there is no leader to take part.
    pub fn note_participant(&self, id: TransactionId, server: Option<String>) -> Result<bool> {
        let server = server.ok_or_else(|| Error::from(code::CLUSTER_LEADERSHIP_CHALLENGE_ONGOING))?;
        self.with_running(id, |entry| !*entry.participants.entry(server).or_insert(false))
    }

    /// Notes that a server has begun its part: from now on it must know the transaction.
    pub fn confirm_participant(&self, id: TransactionId, server: &str) {
        let confirmed = self.with_running(id, |entry| entry.participants.insert(server.to_owned(), true));
        // A transaction that has ended meanwhile needs no confirmation.
        drop(confirmed);
    }

    /// Options of a running transaction.
    pub fn options(&self, id: TransactionId) -> Result<TransactionOptions> {
        self.with_running(id, |entry| entry.options.clone())
    }

    fn with_running<T>(&self, id: TransactionId, then: impl FnOnce(&mut Entry) -> T) -> Result<T> {
        let mut entries = self.entries.lock();
        match entries.get_mut(&id.0) {
            Some(entry) if entry.status == TransactionStatus::Running => {
                entry.used = rt::clock::monotonic();
                Ok(then(entry))
            }
            _ => Err(not_found(id)),
        }
    }

    fn finish(&self, id: TransactionId, status: TransactionStatus) -> Result<BTreeMap<String, bool>> {
        self.with_running(id, |entry| {
            entry.status = status;
            std::mem::take(&mut entry.participants)
        })
    }

    /// Status of a transaction of this database.
    pub fn status(&self, database: &str, id: TransactionId) -> Result<TransactionStatus> {
        let entries = self.entries.lock();
        entries.get(&id.0).filter(|entry| entry.database == database).map(|entry| entry.status).ok_or_else(|| not_found(id))
    }

    /// Running transactions of a database.
    pub fn running(&self, database: &str) -> Vec<(TransactionId, TransactionStatus)> {
        let entries = self.entries.lock();
        let here = entries.iter().filter(|(_, entry)| entry.database == database && entry.status == TransactionStatus::Running);
        here.map(|(id, entry)| (TransactionId(*id), entry.status)).collect()
    }
}

fn not_found(id: TransactionId) -> Error {
    Error::with_detail(code::TRANSACTION_NOT_FOUND, format!("transaction '{id}' is not running"))
}

impl Coordinator {
    /// Begins a transaction; servers join when they are first needed.
    pub(super) async fn begin_transaction(&self, database: &str, options: TransactionOptions) -> Result<TransactionId> {
        let plan = self.cluster.plan();
        for name in options.read.iter().chain(&options.write).chain(&options.exclusive) {
            plan.collection(database, name)?;
        }
        // Ids of coordinators are multiples of four, as drivers expect of "coordinator" transactions.
        let id = TransactionId(self.ids.next(&self.cluster.agency).await? * 4);
        self.transactions.add(id, database, options);
        Ok(id)
    }

    /// Commits or aborts on every participant.
    pub(super) async fn finish_transaction(&self, database: &str, id: TransactionId, commit: bool) -> Result<()> {
        let wanted = if commit { TransactionStatus::Committed } else { TransactionStatus::Aborted };
        let status = self.transactions.status(database, id)?;
        if status == wanted {
            return Ok(());
        }
        if status != TransactionStatus::Running {
            let text = format!("transaction '{id}' is {}", status.as_str());
            return Err(Error::with_detail(code::TRANSACTION_DISALLOWED_OPERATION, text));
        }
        let participants = self.transactions.finish(id, wanted)?;
        let action = if commit { "commit" } else { "abort" };
        let message = Value::object([("t", Value::uint(id.0)), ("a", Value::string(action))]);
        let calls = participants.keys().map(|server| self.cluster.call(server, "/_internal/transaction", &message, FINISH_TIMEOUT));
        let outcomes: Vec<Result<Value>> = join_all(calls).await;
        match outcomes.into_iter().find_map(Result::err) {
            // An abort needs no answer: participants abort by themselves when they hear nothing.
            Some(fault) if commit => Err(fault),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_begins_its_part_until_it_has_answered() {
        let transactions = ClusterTransactions::default();
        let id = TransactionId(4);
        transactions.add(id, "d", TransactionOptions::default());
        let note = || transactions.note_participant(id, Some("A".into()));
        // Two requests may be under way at once: either may be the first to arrive.
        assert!(note().unwrap() && note().unwrap());
        transactions.confirm_participant(id, "A");
        assert!(!note().unwrap());
        transactions.finish(id, TransactionStatus::Committed).unwrap();
        assert_eq!(note().unwrap_err().code(), code::TRANSACTION_NOT_FOUND);
        assert_eq!(transactions.status("d", id).unwrap(), TransactionStatus::Committed);
    }
}
