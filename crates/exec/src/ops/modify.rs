//! `InsertNode`, `UpdateNode`, `ReplaceNode`, `RemoveNode`: writes the rows block by block.

use super::inbox::{Inbox, Outbox};
use super::modify_request::{self, Wanted};
use crate::block::{BLOCK_ROWS_MAX, Block, Live};
use crate::pipeline::{Operator, Pull};
use crate::run::{Booked, Run};
use aql::expr::VarId;
use aql::plan::Modify as Plan;
use base::{Error, Result, code};
use database::document::{DocumentOutcome, OverwriteMode};
use std::collections::VecDeque;
use velocypack::Value;

/// What the rows still to come may be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Nothing that is written here.
    Nothing,
    /// The collection that is written: all input has to be there before the first write.
    TheCollection,
}

pub(crate) struct Modify {
    inbox: Inbox,
    plan: Plan,
    reads: Reads,
    waiting: VecDeque<Block>,
    booked: Booked,
    live: Live,
}

impl Modify {
    pub(crate) fn new(plan: &Plan, reads: Reads, live: Live) -> Self {
        Self { inbox: Inbox::default(), plan: plan.clone(), reads, waiting: VecDeque::new(), booked: Booked::default(), live }
    }

    fn outs(&self) -> Vec<VarId> {
        self.plan.old.into_iter().chain(self.plan.new).collect()
    }

    /// Writes a block. Rows that failed under `ignoreErrors` are missing in the result.
    fn write(&self, block: &Block, run: &mut Run) -> Result<Option<Block>> {
        let null = Value::null();
        let mut rows = Vec::with_capacity(block.rows());
        let mut documents = Vec::with_capacity(block.rows());
        for row in 0..block.rows() {
            let document = block.slice(self.plan.document, row).unwrap_or_else(|| null.as_slice());
            let key = self.plan.key.map(|key| block.slice(key, row).unwrap_or_else(|| null.as_slice()));
            match modify_request::document(self.plan.kind, &self.plan.options, document, key) {
                Ok(document) => {
                    rows.push(row);
                    documents.push(document);
                }
                Err(error) => self.failed(error, run)?,
            }
        }
        let is_live = |var: Option<VarId>| var.is_some_and(|var| self.live.contains(&var));
        let wanted = Wanted { old: is_live(self.plan.old), new: is_live(self.plan.new) };
        let request = modify_request::request(self.plan.kind, &self.plan.options, wanted, documents);
        let ignores = request.options.overwrite_mode == OverwriteMode::Ignore;
        let results = run.source().modify(&self.plan.collection, request)?;
        let mut outbox = Outbox::new(self.outs());
        for (row, item) in rows.into_iter().zip(results.items) {
            match item {
                Ok(outcome) => {
                    let is_written = !(ignores && outcome.old_rev.is_some());
                    run.stats.writes_executed += u64::from(is_written);
                    run.stats.writes_ignored += u64::from(!is_written);
                    outbox.push(row, self.values(outcome));
                }
                Err(error) => self.failed(error, run)?,
            }
        }
        Ok((!outbox.is_empty()).then(|| outbox.take(block, &self.live)))
    }

    /// Values of `OLD` and `NEW`, as far as there are such variables.
    fn values(&self, outcome: DocumentOutcome) -> Vec<Value> {
        let old = self.plan.old.map(|_| outcome.old.unwrap_or_else(Value::null));
        let new = self.plan.new.map(|_| outcome.new.unwrap_or_else(Value::null));
        old.into_iter().chain(new).collect()
    }

    fn failed(&self, error: Error, run: &mut Run) -> Result<()> {
        if !self.plan.options.ignore_errors || error.code() == code::QUERY_KILLED {
            return Err(error);
        }
        run.stats.writes_ignored += 1;
        Ok(())
    }
}

impl Operator for Modify {
    fn pull(&mut self, _max: usize, run: &mut Run) -> Result<Pull> {
        if let Some(block) = self.inbox.block.take() {
            if self.reads == Reads::TheCollection {
                let bytes = (0..block.rows()).map(|row| block.row_bytes(row, &self.live) + 64).sum();
                self.booked.grow(run, bytes)?;
            }
            self.waiting.push_back(block);
        }
        if self.reads == Reads::TheCollection && !self.inbox.ended {
            return Ok(Pull::Need(BLOCK_ROWS_MAX));
        }
        while let Some(block) = self.waiting.pop_front() {
            run.check()?;
            if let Some(written) = self.write(&block, run)? {
                return Ok(Pull::Block(written));
            }
        }
        self.booked.clear(run);
        Ok(self.inbox.need(BLOCK_ROWS_MAX))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, run: &mut Run) {
        self.inbox.clear();
        self.waiting.clear();
        self.booked.clear(run);
    }
}
