//! `SubqueryNode`: runs its plan for each row and collects the results into an array. A constant
//! subquery runs once.

use super::inbox::Inbox;
use crate::block::{BLOCK_ROWS_MAX, Block, Column, Live, value_bytes};
use crate::pipeline::{Operator, Pipeline, Pull};
use crate::run::{Booked, Run};
use aql::expr::VarId;
use aql::plan::{NodeKind, Plan};
use base::Result;
use velocypack::Value;

/// How often the plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    Once,
    PerRow,
}

impl Runs {
    pub(crate) fn of(is_const: bool) -> Self {
        if is_const { Self::Once } else { Self::PerRow }
    }
}

pub(crate) struct Subquery {
    inbox: Inbox,
    pipeline: Pipeline,
    out: VarId,
    runs: Runs,
    result: Option<Value>,
    live: Live,
}

impl Subquery {
    pub(crate) fn new(plan: &Plan, out: VarId, runs: Runs, live: Live) -> Result<Self> {
        let wanted = match plan.nodes.last().map(|node| &node.kind) {
            Some(NodeKind::Return { input }) => vec![*input],
            _ => Vec::new(),
        };
        Ok(Self { inbox: Inbox::default(), pipeline: Pipeline::new(&plan.nodes, &wanted)?, out, runs, result: None, live })
    }

    fn run_for(&mut self, block: &Block, row: usize, run: &mut Run) -> Result<Value> {
        let number = u32::try_from(row).unwrap_or(u32::MAX);
        let start = block.select(&[number], self.pipeline.reads());
        self.pipeline.start(start, run);
        let mut values = Vec::new();
        let mut booked = Booked::default();
        while let Some(mut found) = self.pipeline.next(BLOCK_ROWS_MAX, run)? {
            if let Some(result) = self.pipeline.result() {
                let rows = found.take(result);
                booked.grow(run, rows.iter().map(value_bytes).sum())?;
                values.extend(rows);
            }
        }
        booked.clear(run);
        Ok(Value::array(values))
    }

    fn column(&mut self, block: &Block, run: &mut Run) -> Result<Column> {
        if self.runs == Runs::Once {
            let value = match self.result.take() {
                Some(value) => value,
                None => self.run_for(block, 0, run)?,
            };
            self.result = Some(value.clone());
            return Ok(Column::Same(value));
        }
        let mut values = Vec::with_capacity(block.rows());
        for row in 0..block.rows() {
            values.push(self.run_for(block, row, run)?);
        }
        Ok(Column::Values(values))
    }
}

impl Operator for Subquery {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let Some(mut block) = self.inbox.block.take() else { return Ok(self.inbox.need(max)) };
        let column = self.column(&block, run)?;
        block.set(self.out, column);
        block.keep(&self.live);
        Ok(Pull::Block(block))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, run: &mut Run) {
        // The result of a constant subquery stays.
        self.inbox.clear();
        self.pipeline.stop(run);
    }
}
