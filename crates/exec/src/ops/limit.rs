//! `LimitNode`: skips rows, passes rows, and then either leaves its input alone or pulls the rest
//! of it (to count, or because the input writes and all writes have to happen).

use super::inbox::Inbox;
use crate::block::{BLOCK_ROWS_MAX, Block};
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use base::Result;

/// What becomes of the input beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    Leave,
    /// It is pulled and dropped.
    Pull,
}

pub(crate) struct Limit {
    inbox: Inbox,
    offset: u64,
    count: u64,
    full_count: bool,
    rest: Rest,
    seen: u64,
}

impl Limit {
    pub(crate) fn new(offset: u64, count: u64, full_count: bool, rest: Rest) -> Self {
        Self { inbox: Inbox::default(), offset, count, full_count, rest, seen: 0 }
    }

    fn end(&self) -> u64 {
        self.offset.saturating_add(self.count)
    }
}

impl Operator for Limit {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let Some(block) = self.inbox.block.take() else {
            if self.inbox.ended {
                if self.full_count {
                    run.stats.full_count = Some(self.seen);
                }
                return Ok(Pull::Done);
            }
            let wanted = self.end().saturating_sub(self.seen);
            return Ok(match (wanted, self.rest) {
                (0, Rest::Leave) => Pull::Done,
                (0, Rest::Pull) => Pull::Need(BLOCK_ROWS_MAX),
                // Rows to be skipped may come in full blocks.
                _ => Pull::Need(usize::try_from(wanted).unwrap_or(usize::MAX).min(max.saturating_add(self.skipping()))),
            });
        };
        let first = self.seen;
        self.seen += block.rows() as u64;
        let from = self.offset.saturating_sub(first);
        let to = self.end().saturating_sub(first);
        let place = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
        if from == 0 && to >= block.rows() as u64 {
            return Ok(Pull::Block(block));
        }
        let part = block.slice_rows(place(from), place(to));
        if part.rows() == 0 {
            return self.pull(max, run);
        }
        Ok(Pull::Block(part))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, _run: &mut Run) {
        self.inbox.clear();
        self.seen = 0;
    }
}

impl Limit {
    /// Rows still to be skipped.
    fn skipping(&self) -> usize {
        usize::try_from(self.offset.saturating_sub(self.seen)).unwrap_or(usize::MAX)
    }
}
