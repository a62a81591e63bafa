//! Threads for whatever may block: queries, storage operations that wait for locks or the disk.
//!
//! Limit: so many jobs run at a time and so many wait; beyond that a request is refused with
//! errorNum 21003 instead of growing memory. Threads are made when needed and go when idle.

use base::{Error, Result, code};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// The bounded pool.
pub struct Workers {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl Workers {
    /// `threads` jobs at a time, `waiting_max` more in the queue.
    #[must_use]
    pub fn new(threads: usize, waiting_max: usize) -> Arc<Self> {
        Arc::new(Self { permits: Arc::new(Semaphore::new(threads.max(1))), waiting: AtomicUsize::new(0), waiting_max })
    }

    /// Runs `job` on a thread that may block.
    ///
    /// Cancel safety: a job that has begun runs to its end even if nobody waits for it any more.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = self.wait()?;
                Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::from(code::SHUTTING_DOWN))?
            }
        };
        let done = tokio::task::spawn_blocking(move || {
            let result = job();
            drop(permit);
            result
        });
        finished(done.await)
    }

    /// Like [`Workers::run`] but without queue: for steps that set others free, such as commits.
    pub async fn run_at_once<T: Send + 'static>(&self, job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        finished(tokio::task::spawn_blocking(job).await)
    }

    /// Jobs in the queue now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn wait(&self) -> Result<Place<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let place = Place(&self.waiting);
        if before >= self.waiting_max { Err(code::QUEUE_FULL.into()) } else { Ok(place) }
    }
}

/// A panic in a job is a broken assumption inside one request.
fn finished<T>(outcome: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    outcome.unwrap_or_else(|fault| {
        if fault.is_panic() {
            tracing::error!(target: "general", "a job panicked");
            Err(Error::internal("internal error: an assumption did not hold"))
        } else {
            Err(code::SHUTTING_DOWN.into())
        }
    })
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn more_than_the_queue_holds_is_refused() {
        let workers = Workers::new(1, 1);
        let (begun, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (first, second) = (Arc::clone(&workers), Arc::clone(&workers));
        let running = tokio::spawn(async move {
            let job = move || {
                let _ = begun.send(());
                released.recv().map_err(|_| Error::internal("released"))
            };
            first.run(job).await
        });
        tokio::task::spawn_blocking(move || has_begun.recv()).await.unwrap().unwrap();
        let waiting = tokio::spawn(async move { second.run(|| Ok(7)).await });
        while workers.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(workers.run(|| Ok(())).await.unwrap_err().code(), code::QUEUE_FULL);
        release.send(()).unwrap();
        running.await.unwrap().unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), 7);
        assert_eq!(workers.waiting(), 0);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_the_request() {
        let workers = Workers::new(1, 1);
        #[expect(clippy::panic, reason = "that is the case under test")]
        let outcome = workers.run(|| -> Result<()> { panic!("broken") }).await;
        assert_eq!(outcome.unwrap_err().code(), code::INTERNAL);
        assert_eq!(workers.run(|| Ok(1)).await.unwrap(), 1);
    }
}
