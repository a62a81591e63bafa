//! `NoResultsNode`: no rows.

use crate::block::Block;
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use base::Result;

pub(crate) struct NoResults;

impl Operator for NoResults {
    fn pull(&mut self, _max: usize, _run: &mut Run) -> Result<Pull> {
        Ok(Pull::Done)
    }

    fn push(&mut self, _input: Option<Block>, _run: &mut Run) -> Result<()> {
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, _run: &mut Run) {}
}
