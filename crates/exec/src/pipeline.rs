//! A chain of operators and the loop that drives it.
//!
//! Operators are state machines: asked for rows they give a block, ask for input, or are done. The
//! loop walks the chain, so that the depth of the stack does not depend on the length of a plan
//! (only on how deep subqueries are nested).

use crate::block::{BLOCK_ROWS_MAX, Block, Live};
use crate::ops;
use crate::run::Run;
use crate::variables;
use aql::expr::VarId;
use aql::plan::{Node, NodeKind};
use base::{Error, Result};

/// What an operator answers when it is asked for rows.
pub enum Pull {
    /// Rows, at least one.
    Block(Block),
    /// Give me up to so many rows of input (or the news that there are none) and ask again.
    Need(usize),
    /// No more rows.
    Done,
}

/// One step of a plan at run time.
pub trait Operator: Send {
    /// Asks for up to `max` rows (at least 1).
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull>;

    /// Brings the input it asked for; `None`: there is no more.
    fn push(&mut self, input: Option<Block>, run: &mut Run) -> Result<()>;

    /// Forgets everything, to run again on other input. `outer` has the values of outer variables
    /// (those that no node of this plan sets) in its first row.
    fn reset(&mut self, outer: &Block, run: &mut Run);
}

struct Stage {
    operator: Box<dyn Operator>,
    wants: usize,
}

/// A chain of operators.
pub struct Pipeline {
    stages: Vec<Stage>,
    start: Option<Block>,
    result: Option<VarId>,
    reads: Live,
}

impl Pipeline {
    /// Builds the operators of a plan. `at_end` are the variables wanted of the resulting rows.
    pub fn new(nodes: &[Node], at_end: &[VarId]) -> Result<Self> {
        let live = variables::live_after(nodes, at_end);
        let operators = ops::build(nodes, &live)?;
        let result = match nodes.last().map(|node| &node.kind) {
            Some(NodeKind::Return { input }) => Some(*input),
            _ => None,
        };
        let reads = variables::read_by(nodes).into_iter().collect();
        let stages = operators.into_iter().map(|operator| Stage { operator, wants: 0 }).collect();
        Ok(Self { stages, start: None, result, reads })
    }

    /// The variable of the final `RETURN`; `None` if the plan ends with something else.
    #[must_use]
    pub fn result(&self) -> Option<VarId> {
        self.result
    }

    /// Variables that the plan reads; a start block needs no others.
    #[must_use]
    pub fn reads(&self) -> &[VarId] {
        &self.reads
    }

    /// Begins (again), with these rows as the output of the first node.
    pub fn start(&mut self, block: Block, run: &mut Run) {
        for stage in &mut self.stages {
            stage.operator.reset(&block, run);
        }
        self.start = Some(block);
    }

    /// Gives back memory, streams and cursors.
    pub fn stop(&mut self, run: &mut Run) {
        let nothing = Block::default();
        self.stages.iter_mut().for_each(|stage| stage.operator.reset(&nothing, run));
        self.start = None;
    }

    /// The next block of up to `max` rows; `None` at the end.
    pub fn next(&mut self, max: usize, run: &mut Run) -> Result<Option<Block>> {
        let Some(last) = self.stages.len().checked_sub(1) else { return Ok(None) };
        let mut at = last;
        let mut wants = max;
        loop {
            run.check()?;
            let Some(stage) = self.stages.get_mut(at) else { return Err(Error::internal("operator out of range")) };
            stage.wants = wants.clamp(1, BLOCK_ROWS_MAX);
            let given = match stage.operator.pull(stage.wants, run)? {
                Pull::Need(rows) => {
                    if at == 0 {
                        let start = self.start.take();
                        stage.operator.push(start, run)?;
                    } else {
                        at -= 1;
                        wants = rows;
                    }
                    continue;
                }
                Pull::Block(block) => Some(block),
                Pull::Done => None,
            };
            if at == last {
                run.check()?;
                return Ok(given);
            }
            at += 1;
            let Some(stage) = self.stages.get_mut(at) else { return Err(Error::internal("operator out of range")) };
            wants = stage.wants;
            stage.operator.push(given, run)?;
        }
    }
}
