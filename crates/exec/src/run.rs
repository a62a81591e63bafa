//! State of a running query that its operators share: the source, the surroundings of functions,
//! counters and the memory budget.

use crate::functions::FunctionContext;
use crate::source::Source;
use crate::stats::Stats;
use base::{Error, Result, code};
use std::sync::Arc;

/// The shared state; operators get it by `&mut` with every call.
pub struct Run {
    source: Arc<dyn Source>,
    /// Surroundings of function calls, with the warnings.
    pub functions: FunctionContext,
    /// Counters.
    pub stats: Stats,
    memory: u64,
    memory_limit: u64,
    fail_on_warning: bool,
    variables: usize,
}

impl Run {
    /// State of a query over `variables` variables; a `memory_limit` of 0 means none.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, variables: usize, memory_limit: u64, warnings_max: usize, fail_on_warning: bool) -> Self {
        let functions = FunctionContext::new(source.clone(), warnings_max, fail_on_warning);
        Self { source, functions, stats: Stats::default(), memory: 0, memory_limit, fail_on_warning, variables }
    }

    /// What the query can reach.
    #[must_use]
    pub fn source(&self) -> Arc<dyn Source> {
        self.source.clone()
    }

    /// Variables are numbered below this.
    #[must_use]
    pub fn variables(&self) -> usize {
        self.variables
    }

    /// The limit of memory, 0 if there is none.
    #[must_use]
    pub fn memory_limit(&self) -> u64 {
        self.memory_limit
    }

    /// The first warning is an error.
    #[must_use]
    pub fn fail_on_warning(&self) -> bool {
        self.fail_on_warning
    }

    /// Called between blocks: killed, out of time, or a warning that is an error?
    pub fn check(&mut self) -> Result<()> {
        self.source.check()?;
        self.functions.check_warnings()
    }

    /// Books memory; errorNum 32 beyond the limit.
    pub fn charge(&mut self, bytes: u64) -> Result<()> {
        self.memory = self.memory.saturating_add(bytes);
        self.stats.peak_memory_usage = self.stats.peak_memory_usage.max(self.memory);
        if self.memory_limit != 0 && self.memory > self.memory_limit {
            return Err(Error::new(code::RESOURCE_LIMIT, "query would use more memory than allowed"));
        }
        Ok(())
    }

    /// Gives booked memory back.
    pub fn release(&mut self, bytes: u64) {
        self.memory = self.memory.saturating_sub(bytes);
    }
}

/// Memory that one operator has booked.
#[derive(Debug, Default)]
pub struct Booked(u64);

impl Booked {
    /// Books more.
    pub fn grow(&mut self, run: &mut Run, bytes: u64) -> Result<()> {
        self.0 += bytes;
        run.charge(bytes)
    }

    /// Gives everything back.
    pub fn clear(&mut self, run: &mut Run) {
        run.release(std::mem::take(&mut self.0));
    }
}
