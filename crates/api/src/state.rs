//! What all requests of one server share.

use crate::auth::Authenticator;
use crate::jobs::Jobs;
use crate::measure::Measures;
use crate::options::ApiOptions;
use database::Backend;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Shared by all requests.
pub struct State {
    pub backend: Arc<dyn Backend>,
    pub options: ApiOptions,
    pub authenticator: Arc<dyn Authenticator>,
    pub jobs: Jobs,
    pub measures: Measures,
    pub started: Duration,
    read_only: AtomicBool,
}

impl State {
    pub fn new(backend: Arc<dyn Backend>, options: ApiOptions, authenticator: Arc<dyn Authenticator>) -> Self {
        let jobs = Jobs::new(options.jobs_max);
        let started = rt::clock::monotonic();
        Self { backend, options, authenticator, jobs, measures: Measures::new(), started, read_only: AtomicBool::new(false) }
    }

    /// `PUT /_admin/server/mode {"mode": "readonly"}` was called.
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    pub fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Ordering::Relaxed);
    }
}
