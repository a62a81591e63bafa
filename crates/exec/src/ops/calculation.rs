//! `CalculationNode`: sets a variable of every row.

use super::inbox::Inbox;
use crate::block::{Block, Column, Live};
use crate::eval::{Evaluator, Frame};
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use aql::expr::{Expr, VarId};
use base::Result;

pub(crate) struct Calculation {
    inbox: Inbox,
    evaluator: Evaluator,
    out: VarId,
    live: Live,
}

impl Calculation {
    pub(crate) fn new(expr: &Expr, out: VarId, live: Live) -> Result<Self> {
        Ok(Self { inbox: Inbox::default(), evaluator: Evaluator::new(expr)?, out, live })
    }

    fn column(&self, block: &Block, run: &mut Run) -> Result<Column> {
        if let Some(value) = self.evaluator.constant() {
            return Ok(Column::Same(value.clone()));
        }
        let rows = (0..block.rows()).map(|row| self.evaluator.value(&Frame::new(block, row), &mut run.functions));
        Ok(Column::Values(rows.collect::<Result<_>>()?))
    }
}

impl Operator for Calculation {
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

    fn reset(&mut self, _outer: &Block, _run: &mut Run) {
        self.inbox.clear();
    }
}
