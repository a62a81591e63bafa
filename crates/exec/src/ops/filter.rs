//! `FilterNode`: keeps rows whose variable is true.

use super::inbox::Inbox;
use crate::block::{Block, Live};
use crate::convert;
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use aql::expr::VarId;
use base::Result;

pub(crate) struct Filter {
    inbox: Inbox,
    input: VarId,
    live: Live,
}

impl Filter {
    pub(crate) fn new(input: VarId, live: Live) -> Self {
        Self { inbox: Inbox::default(), input, live }
    }
}

impl Operator for Filter {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let Some(mut block) = self.inbox.block.take() else { return Ok(self.inbox.need(max)) };
        let mut kept = Vec::with_capacity(block.rows());
        for (row, number) in (0..block.rows()).zip(0_u32..) {
            if block.slice(self.input, row).is_some_and(convert::to_bool) {
                kept.push(number);
            }
        }
        run.stats.filtered += (block.rows() - kept.len()) as u64;
        if kept.is_empty() {
            return Ok(self.inbox.need(max));
        }
        if kept.len() == block.rows() {
            block.keep(&self.live);
            return Ok(Pull::Block(block));
        }
        Ok(Pull::Block(block.select(&kept, &self.live)))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, _run: &mut Run) {
        self.inbox.clear();
    }
}
