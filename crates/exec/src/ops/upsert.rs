//! `UpsertNode`: updates or replaces the document that was found, or inserts one. It asks for its
//! input row by row, because the search for the next row has to see what this row wrote.

use super::inbox::{Inbox, Outbox};
use super::modify_request::{self, Wanted};
use crate::block::{Block, Live};
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use aql::expr::VarId;
use aql::plan::{ModifyKind, Upsert as Plan};
use base::{Error, Result};
use database::document::DocumentOutcome;
use velocypack::Value;

pub(crate) struct Upsert {
    inbox: Inbox,
    plan: Plan,
    live: Live,
}

impl Upsert {
    pub(crate) fn new(plan: &Plan, live: Live) -> Self {
        Self { inbox: Inbox::default(), plan: plan.clone(), live }
    }

    fn write(&self, block: &Block, row: usize, run: &mut Run) -> Result<DocumentOutcome> {
        let found = block.value(self.plan.found, row);
        let is_live = |var: Option<VarId>| var.is_some_and(|var| self.live.contains(&var));
        let wanted = Wanted { old: is_live(self.plan.old), new: is_live(self.plan.new) };
        let (kind, source, key) = if found.as_slice().is_object() {
            let kind = if self.plan.replace { ModifyKind::Replace } else { ModifyKind::Update };
            (kind, self.plan.update, Some(found.as_slice()))
        } else {
            (ModifyKind::Insert, self.plan.insert, None)
        };
        let document = modify_request::document(kind, &self.plan.options, block.value(source, row).as_slice(), key)?;
        let request = modify_request::request(kind, &self.plan.options, wanted, vec![document]);
        let mut results = run.source().modify(&self.plan.collection, request)?;
        results.items.pop().unwrap_or_else(|| Err(Error::internal("a write without a result")))
    }

    fn values(&self, outcome: DocumentOutcome) -> Vec<Value> {
        let old = self.plan.old.map(|_| outcome.old.unwrap_or_else(Value::null));
        let new = self.plan.new.map(|_| outcome.new.unwrap_or_else(Value::null));
        old.into_iter().chain(new).collect()
    }
}

impl Operator for Upsert {
    fn pull(&mut self, _max: usize, run: &mut Run) -> Result<Pull> {
        let Some(block) = self.inbox.block.take() else { return Ok(self.inbox.need(1)) };
        let mut outbox = Outbox::new(self.plan.old.into_iter().chain(self.plan.new).collect());
        for row in 0..block.rows() {
            match self.write(&block, row, run) {
                Ok(outcome) => {
                    run.stats.writes_executed += 1;
                    outbox.push(row, self.values(outcome));
                }
                Err(_) if self.plan.options.ignore_errors => run.stats.writes_ignored += 1,
                Err(error) => return Err(error),
            }
        }
        if outbox.is_empty() {
            return Ok(self.inbox.need(1));
        }
        Ok(Pull::Block(outbox.take(&block, &self.live)))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, _run: &mut Run) {
        self.inbox.clear();
    }
}
