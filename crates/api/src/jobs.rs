//! Asynchronous requests (`x-arango-async`): work goes on without the client, which fetches the
//! result later through `/_api/job`.
//!
//! Limit: results and running jobs are bounded together; beyond that a request is refused with
//! `QUEUE_FULL` instead of filling the memory.

use base::{Error, Result, code};
use parking_lot::Mutex;
use rt::http::Response;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::AbortHandle;

/// The asynchronous requests of one server.
pub struct Jobs {
    inner: Arc<Inner>,
    jobs_max: usize,
}

struct Inner {
    next: AtomicU64,
    known: Mutex<BTreeMap<u64, Job>>,
}

struct Job {
    user: String,
    stored_ms: u64,
    state: JobState,
}

enum JobState {
    Pending(Option<AbortHandle>),
    Done(Response),
}

/// What a client learns about a job.
pub enum Lookup {
    Pending,
    Done(Response),
    Unknown,
}

/// Which jobs are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Pending,
    Done,
}

impl Jobs {
    pub fn new(jobs_max: usize) -> Self {
        // Ids start at the clock, so that a restarted server does not reuse those of before.
        Self { inner: Arc::new(Inner { next: AtomicU64::new(rt::clock::now_ms()), known: Mutex::default() }), jobs_max }
    }

    /// Runs `work` on its own and keeps its result for the user. Answers with the job's id.
    pub fn start(&self, user: &str, work: impl Future<Output = Response> + Send + 'static) -> Result<u64> {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        {
            let mut known = self.inner.known.lock();
            if known.len() >= self.jobs_max {
                return Err(Error::from(code::QUEUE_FULL));
            }
            known.insert(id, Job { user: user.to_owned(), stored_ms: rt::clock::now_ms(), state: JobState::Pending(None) });
        }
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let response = work.await;
            if let Some(job) = inner.known.lock().get_mut(&id) {
                job.stored_ms = rt::clock::now_ms();
                job.state = JobState::Done(response);
            }
        });
        if let Some(Job { state: JobState::Pending(handle), .. }) = self.inner.known.lock().get_mut(&id) {
            *handle = Some(task.abort_handle());
        }
        Ok(id)
    }

    /// Is the result there? It stays.
    pub fn look(&self, user: &str, id: u64) -> Lookup {
        match self.inner.known.lock().get(&id) {
            Some(job) if job.user == user => match &job.state {
                JobState::Pending(_) => Lookup::Pending,
                JobState::Done(response) => Lookup::Done(response.clone()),
            },
            _ => Lookup::Unknown,
        }
    }

    /// The result, which is forgotten then.
    pub fn fetch(&self, user: &str, id: u64) -> Lookup {
        let found = self.look(user, id);
        if matches!(found, Lookup::Done(_)) {
            self.inner.known.lock().remove(&id);
        }
        found
    }

    /// Ends a running job, which then has the result "cancelled".
    pub fn cancel(&self, user: &str, id: u64, cancelled: Response) -> bool {
        match self.inner.known.lock().get_mut(&id) {
            Some(job) if job.user == user => {
                if let JobState::Pending(handle) = &job.state {
                    if let Some(handle) = handle {
                        handle.abort();
                    }
                    job.state = JobState::Done(cancelled);
                }
                true
            }
            _ => false,
        }
    }

    /// Ids of the user's jobs in one state, the latest first.
    pub fn ids(&self, user: &str, which: Which, count: usize) -> Vec<u64> {
        let known = self.inner.known.lock();
        let matching = known.iter().rev().filter(|(_, job)| {
            let state = if matches!(job.state, JobState::Pending(_)) { Which::Pending } else { Which::Done };
            job.user == user && state == which
        });
        matching.take(count).map(|(&id, _)| id).collect()
    }

    /// Lets a job go on without keeping its result.
    pub fn abandon(&self, id: u64) {
        self.inner.known.lock().remove(&id);
    }

    /// Forgets one finished job.
    pub fn remove(&self, user: &str, id: u64) -> bool {
        matches!(self.fetch(user, id), Lookup::Done(_))
    }

    /// Forgets the user's finished jobs that ended before `before_ms`.
    pub fn remove_older(&self, user: &str, before_ms: u64) {
        let keep = |job: &Job| job.user != user || job.stored_ms >= before_ms || matches!(job.state, JobState::Pending(_));
        self.inner.known.lock().retain(|_, job| keep(job));
    }

    /// Number of running and finished jobs.
    #[cfg(test)]
    pub fn counts(&self) -> (usize, usize) {
        let known = self.inner.known.lock();
        let pending = known.values().filter(|job| matches!(job.state, JobState::Pending(_))).count();
        (pending, known.len() - pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_is_fetched_once_and_only_by_its_owner() {
        let jobs = Jobs::new(2);
        let (open, gate) = tokio::sync::oneshot::channel::<()>();
        let id = jobs
            .start("anna", async {
                let _ = gate.await;
                Response::new(201)
            })
            .unwrap();
        assert!(matches!(jobs.look("anna", id), Lookup::Pending));
        assert!(matches!(jobs.look("bob", id), Lookup::Unknown));
        assert_eq!(jobs.ids("anna", Which::Pending, 10), [id]);
        open.send(()).unwrap();
        while jobs.counts() != (0, 1) {
            tokio::task::yield_now().await;
        }
        assert!(matches!(jobs.fetch("anna", id), Lookup::Done(response) if response.status == 201));
        assert!(matches!(jobs.fetch("anna", id), Lookup::Unknown));
    }

    #[tokio::test]
    async fn jobs_are_bounded_and_can_be_cancelled() {
        let jobs = Jobs::new(1);
        let id = jobs.start("anna", std::future::pending()).unwrap();
        assert_eq!(jobs.start("anna", std::future::pending()).unwrap_err().code(), code::QUEUE_FULL);
        assert!(!jobs.remove("anna", id));
        assert!(jobs.cancel("anna", id, Response::new(410)));
        assert!(matches!(jobs.look("anna", id), Lookup::Done(response) if response.status == 410));
        jobs.remove_older("anna", u64::MAX);
        assert_eq!(jobs.counts(), (0, 0));
    }
}
