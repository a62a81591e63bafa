//! The queries that run on this server: who, what, since when; and the switch that ends one.

use base::{Error, Result, code};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use velocypack::Value;

/// Limit: queries running at the same time on one server.
const RUNNING_MAX: usize = 16_384;

/// What a query is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Text to plan.
    Parsing,
    /// Making rows.
    Executing,
    /// Committing and counting.
    Finalizing,
}

/// A query that runs.
#[derive(Debug)]
pub struct QueryControl {
    /// Number of the query.
    pub id: u64,
    /// Database.
    pub database: String,
    /// User.
    pub user: String,
    /// Text.
    pub query: String,
    /// Bind parameters.
    pub bind_vars: Value,
    /// Wall clock at the start, milliseconds since 1970.
    pub started_ms: u64,
    /// Monotonic time at the start.
    pub started: Duration,
    /// Rows are made while the client fetches.
    pub is_stream: bool,
    deadline: Option<Duration>,
    is_killed: AtomicBool,
    /// Wakes whoever waits for the kill.
    wake: Notify,
    phase: AtomicU8,
}

impl QueryControl {
    /// 1500 once the query has been killed or its time is up.
    pub fn check(&self) -> Result<()> {
        if self.is_killed.load(Ordering::Relaxed) {
            return Err(code::QUERY_KILLED.into());
        }
        match self.deadline {
            Some(deadline) if rt::clock::monotonic() >= deadline => Err(code::QUERY_KILLED.into()),
            _ => Ok(()),
        }
    }

    /// Makes the query end at its next check.
    pub fn kill(&self) {
        self.is_killed.store(true, Ordering::Relaxed);
        self.wake.notify_waiters();
    }

    /// Returns the error once the query has been killed or its time is up. Cancel safe.
    pub async fn killed(&self) -> Error {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            // Listening begins here, so that a kill between check and wait is not missed.
            woken.as_mut().enable();
            if let Err(fault) = self.check() {
                return fault;
            }
            match self.deadline {
                Some(deadline) => {
                    let left = deadline.saturating_sub(rt::clock::monotonic());
                    let _ = tokio::time::timeout(left, woken).await;
                }
                None => woken.await,
            }
        }
    }

    /// Has the query been killed?
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Relaxed)
    }

    /// Notes what the query is doing.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// The word of `/_api/query/current`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (self.is_killed(), self.phase.load(Ordering::Relaxed)) {
            (true, _) => "killed",
            (_, phase) if phase == Phase::Parsing as u8 => "parsing",
            (_, phase) if phase == Phase::Executing as u8 => "executing",
            _ => "finalizing",
        }
    }
}

/// All running queries of a server.
#[derive(Default)]
pub struct Running {
    queries: Mutex<BTreeMap<u64, Arc<QueryControl>>>,
}

/// A running query's place in the list; dropping it takes the query off.
pub struct Registered {
    running: Arc<Running>,
    control: Arc<QueryControl>,
}

/// What is known of a query when it begins.
pub struct Beginning<'a> {
    /// Number.
    pub id: u64,
    /// Database.
    pub database: &'a str,
    /// User.
    pub user: &'a str,
    /// Text.
    pub query: &'a str,
    /// Bind parameters.
    pub bind_vars: &'a Value,
    /// Rows are made while the client fetches.
    pub is_stream: bool,
    /// Longest time it may run.
    pub runtime_max: Option<Duration>,
}

impl Running {
    /// Lists a query that begins; 21003 if there are too many.
    pub fn register(self: &Arc<Self>, beginning: &Beginning<'_>) -> Result<Registered> {
        let started = rt::clock::monotonic();
        let control = Arc::new(QueryControl {
            id: beginning.id,
            database: beginning.database.to_owned(),
            user: beginning.user.to_owned(),
            query: beginning.query.to_owned(),
            bind_vars: beginning.bind_vars.clone(),
            started_ms: rt::clock::now_ms(),
            started,
            is_stream: beginning.is_stream,
            deadline: beginning.runtime_max.map(|longest| started.saturating_add(longest)),
            is_killed: AtomicBool::new(false),
            wake: Notify::new(),
            phase: AtomicU8::new(Phase::Parsing as u8),
        });
        let mut queries = self.queries.lock();
        if queries.len() >= RUNNING_MAX {
            return Err(code::QUEUE_FULL.into());
        }
        queries.insert(control.id, Arc::clone(&control));
        Ok(Registered { running: Arc::clone(self), control })
    }

    /// The queries of a database, oldest first; of all databases with `None`.
    #[must_use]
    pub fn list(&self, database: Option<&str>) -> Vec<Arc<QueryControl>> {
        let queries = self.queries.lock();
        queries.values().filter(|control| database.is_none_or(|name| name == control.database)).cloned().collect()
    }

    /// Kills a query; 1591 if unknown.
    pub fn kill(&self, database: Option<&str>, id: u64) -> Result<()> {
        let queries = self.queries.lock();
        let control = queries.get(&id).filter(|control| database.is_none_or(|name| name == control.database));
        control.map(|control| control.kill()).ok_or_else(|| Error::from(code::QUERY_NOT_FOUND))
    }
}

impl Registered {
    /// The query.
    #[must_use]
    pub fn control(&self) -> &Arc<QueryControl> {
        &self.control
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.running.queries.lock().remove(&self.control.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_query_fails_its_next_check() {
        let running = Arc::new(Running::default());
        let null = Value::null();
        let beginning =
            Beginning { id: 7, database: "d", user: "u", query: "RETURN 1", bind_vars: &null, is_stream: false, runtime_max: None };
        let registered = running.register(&beginning).unwrap();
        registered.control().check().unwrap();
        assert_eq!(running.kill(Some("other"), 7).unwrap_err().code(), code::QUERY_NOT_FOUND);
        running.kill(Some("d"), 7).unwrap();
        assert_eq!(registered.control().check().unwrap_err().code(), code::QUERY_KILLED);
        assert_eq!(registered.control().state(), "killed");
        assert_eq!(running.list(None).len(), 1);
        drop(registered);
        assert!(running.list(None).is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let running = Arc::new(Running::default());
        let null = Value::null();
        let beginning = Beginning { id: 7, database: "d", user: "u", query: "", bind_vars: &null, is_stream: false, runtime_max: None };
        let registered = running.register(&beginning).unwrap();
        let control = Arc::clone(registered.control());
        let waiting = tokio::spawn(async move { control.killed().await });
        running.kill(None, 7).unwrap();
        assert_eq!(waiting.await.unwrap().code(), code::QUERY_KILLED);
    }

    #[test]
    fn time_runs_out() {
        let running = Arc::new(Running::default());
        let null = Value::null();
        let runtime_max = Some(Duration::ZERO);
        let beginning = Beginning { id: 1, database: "d", user: "u", query: "", bind_vars: &null, is_stream: true, runtime_max };
        let registered = running.register(&beginning).unwrap();
        assert_eq!(registered.control().check().unwrap_err().code(), code::QUERY_KILLED);
    }
}
