//! The side of the shard: runs a [`RemoteSnippet`] on a local source and yields its rows.

use crate::block::{BLOCK_ROWS_MAX, Block, Column};
use crate::executor::while_executing;
use crate::functions::FunctionContext;
use crate::pipeline::Pipeline;
use crate::run::Run;
use crate::source::{RemoteSnippet, Row, Source};
use crate::stats::{Stats, Warning};
use aql::expr::VarId;
use base::{Error, Result};
use std::sync::Arc;

/// Most variables of a snippet; a greater number is a broken request.
const VARIABLES_MAX: u32 = 100_000;

/// A running snippet.
pub struct SnippetRun {
    pipeline: Pipeline,
    run: Run,
    outputs: Vec<VarId>,
    is_done: bool,
}

impl SnippetRun {
    /// Prepares a snippet; `input` are the rows for a snippet that begins with `Scatter`.
    pub fn new(snippet: &RemoteSnippet, input: Option<Vec<Row>>, source: Arc<dyn Source>) -> Result<Self> {
        if snippet.variable_count > VARIABLES_MAX {
            return Err(Error::bad_parameter("too many variables in a query snippet"));
        }
        let variables = snippet.variable_count as usize;
        let mut pipeline = Pipeline::new(&snippet.nodes, &snippet.outputs)?;
        let mut run = Run::new(source, variables, snippet.memory_limit, crate::functions::WARNINGS_MAX_DEFAULT, snippet.fail_on_warning);
        let mut start = match input {
            Some(rows) => Block::from_rows(rows, &snippet.inputs, variables),
            None => Block::new(1, variables),
        };
        for (var, value) in &snippet.constants {
            start.set(*var, Column::Same(value.clone()));
        }
        pipeline.start(start, &mut run);
        Ok(Self { pipeline, run, outputs: snippet.outputs.clone(), is_done: false })
    }

    /// Up to `max` rows of the snippet's outputs; fewer only at the end.
    pub fn next(&mut self, max: usize) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        while rows.len() < max && !self.is_done {
            match self.pipeline.next((max - rows.len()).min(BLOCK_ROWS_MAX), &mut self.run).map_err(while_executing)? {
                Some(block) => rows.extend((0..block.rows()).map(|row| block.row(row, &self.outputs))),
                None => {
                    self.is_done = true;
                    self.pipeline.stop(&mut self.run);
                }
            }
        }
        Ok(rows)
    }

    /// Have all rows been given?
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
        FunctionContext::warnings(&self.run.functions).to_vec()
    }
}
