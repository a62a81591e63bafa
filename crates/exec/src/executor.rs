//! Runs a whole query and gives out its results.

use crate::block::{BLOCK_ROWS_MAX, Block};
use crate::functions::WARNINGS_MAX_DEFAULT;
use crate::pipeline::Pipeline;
use crate::run::Run;
use crate::source::Source;
use crate::stats::{Stats, Warning};
use aql::plan::{NodeKind, Query};
use base::{Error, Result};
use std::sync::Arc;
use velocypack::Value;

/// Options of a run.
#[derive(Clone, Debug)]
pub struct ExecOptions {
    /// Most bytes of memory; 0 = no limit.
    pub memory_limit: u64,
    /// The first warning is an error.
    pub fail_on_warning: bool,
    /// Warnings kept.
    pub warnings_max: usize,
}

impl Default for ExecOptions {
    fn default() -> Self {
        Self { memory_limit: 0, fail_on_warning: false, warnings_max: WARNINGS_MAX_DEFAULT }
    }
}

/// A running query.
pub struct Executor {
    pipeline: Pipeline,
    run: Run,
    is_done: bool,
}

impl Executor {
    /// Prepares a query; nothing is read or written yet.
    pub fn new(query: &Query, source: Arc<dyn Source>, options: &ExecOptions) -> Result<Self> {
        let variables = query.variables.len();
        let mut run = Run::new(source, variables, options.memory_limit, options.warnings_max, options.fail_on_warning);
        run.functions.add_warnings(query.warnings.clone());
        let wanted = match query.plan.nodes.last().map(|node| &node.kind) {
            Some(NodeKind::Return { input }) => vec![*input],
            _ => Vec::new(),
        };
        let mut pipeline = Pipeline::new(&query.plan.nodes, &wanted).map_err(while_executing)?;
        pipeline.start(Block::new(1, variables), &mut run);
        Ok(Self { pipeline, run, is_done: false })
    }

    /// Up to `max` results; fewer only at the end. A query without a result runs to its end.
    ///
    /// After an error the query is over.
    pub fn next(&mut self, max: usize) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        while values.len() < max && !self.is_done {
            let wanted = (max - values.len()).min(BLOCK_ROWS_MAX);
            match self.pipeline.next(wanted, &mut self.run) {
                Ok(Some(mut block)) => {
                    if let Some(result) = self.pipeline.result() {
                        values.extend(block.take(result));
                    }
                }
                Ok(None) => self.finish(),
                Err(error) => {
                    self.finish();
                    return Err(while_executing(error));
                }
            }
        }
        Ok(values)
    }

    /// Lets go of everything that is still open, so that shards report their counters.
    pub fn finish(&mut self) {
        if !self.is_done {
            self.is_done = true;
            self.pipeline.stop(&mut self.run);
        }
    }

    /// Have all results been given? Known only after a call of [`Self::next`] that found the end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.run.stats.clone();
        stats.http_requests += self.run.source().http_requests();
        stats
    }

    /// Warnings so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.run.functions.warnings().to_vec()
    }
}

/// Errors as clients know them: `AQL: … (while executing)`.
pub(crate) fn while_executing(error: Error) -> Error {
    if error.message().starts_with("AQL: ") {
        return error;
    }
    let message = format!("AQL: {} (while executing)", error.message());
    Error::new(error.code(), message).status(error.http_status())
}
