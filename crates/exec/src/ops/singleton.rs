//! `SingletonNode`, `ScatterNode` (on the side of the shard), `ReturnNode`: pass rows on, without
//! the variables that nobody reads any more.

use super::inbox::Inbox;
use crate::block::{Block, Live};
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use base::Result;

pub(crate) struct Singleton {
    inbox: Inbox,
    live: Live,
}

impl Singleton {
    pub(crate) fn new(live: Live) -> Self {
        Self { inbox: Inbox::default(), live }
    }
}

impl Operator for Singleton {
    fn pull(&mut self, max: usize, _run: &mut Run) -> Result<Pull> {
        let Some(mut block) = self.inbox.block.take() else { return Ok(self.inbox.need(max)) };
        let from = self.inbox.row;
        if from >= block.rows() {
            return Ok(self.inbox.need(max));
        }
        if from == 0 && block.rows() <= max {
            block.keep(&self.live);
            return Ok(Pull::Block(block));
        }
        let mut part = block.slice_rows(from, from + max);
        part.keep(&self.live);
        self.inbox.row = from + part.rows();
        self.inbox.block = Some(block);
        Ok(Pull::Block(part))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, _run: &mut Run) {
        self.inbox.clear();
    }
}
