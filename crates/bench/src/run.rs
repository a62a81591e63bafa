//! Runs all clients of a job side by side and counts what they got done.

use crate::client::Client;
use crate::job::Job;
use crate::record::{Histogram, Summary};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Failures in a row after which a client gives up.
const FAILURES_MAX: u32 = 20;
const FAILURE_PAUSE: Duration = Duration::from_millis(20);

/// What the clients of a job share; all of them run on one thread.
struct Shared {
    histogram: RefCell<Histogram>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
    /// Operations still to be begun, where the job is a number of operations.
    left: Cell<Option<u64>>,
    measure_from: Instant,
    measure_until: Instant,
}

/// Does the job.
pub async fn run(job: Job) -> Result<Summary, String> {
    let job = Rc::new(job);
    let next_number = Rc::new(Cell::new(0));
    let mut clients = Vec::with_capacity(job.clients);
    for number in 0..job.clients {
        clients.push(Client::open(job.clone(), number, next_number.clone()).await?);
    }
    let start = Instant::now();
    let (measure_from, measure_until) = match job.count {
        Some(_) => (start, start + Duration::from_secs(3600)),
        None => (start + Duration::from_millis(job.warmup_ms), start + Duration::from_millis(job.warmup_ms + job.measure_ms)),
    };
    let shared = Rc::new(Shared {
        histogram: RefCell::new(Histogram::new()),
        errors: Cell::new(0),
        first_error: RefCell::new(None),
        left: Cell::new(job.count),
        measure_from,
        measure_until,
    });
    let tasks = LocalSet::new();
    for client in clients {
        tasks.spawn_local(repeat(client, shared.clone()));
    }
    tasks.await;
    let end = if job.count.is_some() { Instant::now() } else { measure_until };
    Ok(summarise(&shared, end.duration_since(measure_from)))
}

async fn repeat(mut client: Client, shared: Rc<Shared>) {
    let mut failures = 0;
    while failures < FAILURES_MAX && shared.take_one() {
        let begun = Instant::now();
        match client.perform().await {
            Ok(()) => {
                failures = 0;
                shared.count(begun, Instant::now());
            }
            Err(error) => {
                failures += 1;
                shared.fail(error);
                tokio::time::sleep(FAILURE_PAUSE).await;
                if let Err(error) = client.reopen().await {
                    shared.fail(error);
                }
            }
        }
    }
}

impl Shared {
    /// Whether one more operation may begin.
    fn take_one(&self) -> bool {
        match self.left.get() {
            Some(0) => false,
            Some(left) => {
                self.left.set(Some(left - 1));
                true
            }
            None => Instant::now() < self.measure_until,
        }
    }

    fn count(&self, begun: Instant, ended: Instant) {
        if ended >= self.measure_from && ended < self.measure_until {
            self.histogram.borrow_mut().add(ended.duration_since(begun));
        }
    }

    fn fail(&self, error: String) {
        self.errors.set(self.errors.get() + 1);
        self.first_error.borrow_mut().get_or_insert(error);
    }
}

fn summarise(shared: &Shared, time: Duration) -> Summary {
    let histogram = shared.histogram.borrow();
    Summary {
        operations: histogram.total(),
        errors: shared.errors.get(),
        first_error: shared.first_error.borrow().clone(),
        per_second: histogram.total() as f64 / time.as_secs_f64().max(1e-9),
        p50_us: histogram.quantile_us(0.5),
        p95_us: histogram.quantile_us(0.95),
        p99_us: histogram.quantile_us(0.99),
        max_us: histogram.longest_us(),
    }
}
