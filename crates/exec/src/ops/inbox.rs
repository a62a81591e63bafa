//! The input side of an operator that works through its input row by row, and the output side of
//! one that makes several rows of each.

use crate::block::{Block, Column, Live};
use crate::pipeline::Pull;
use aql::expr::VarId;
use velocypack::Value;

/// The block being worked on, and whether others follow.
#[derive(Default)]
pub(crate) struct Inbox {
    /// The block.
    pub(crate) block: Option<Block>,
    /// Its row to work on next.
    pub(crate) row: usize,
    /// No further blocks.
    pub(crate) ended: bool,
}

impl Inbox {
    pub(crate) fn push(&mut self, input: Option<Block>) {
        self.ended |= input.is_none();
        self.block = input;
        self.row = 0;
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What to answer while there is no block.
    pub(crate) fn need(&self, rows: usize) -> Pull {
        if self.ended { Pull::Done } else { Pull::Need(rows) }
    }
}

/// Rows under construction: each is a row of the input with some more variables.
pub(crate) struct Outbox {
    chosen: Vec<u32>,
    vars: Vec<VarId>,
    columns: Vec<Vec<Value>>,
}

impl Outbox {
    pub(crate) fn new(vars: Vec<VarId>) -> Self {
        let columns = vars.iter().map(|_| Vec::new()).collect();
        Self { chosen: Vec::new(), vars, columns }
    }

    pub(crate) fn len(&self) -> usize {
        self.chosen.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Adds a row: input row `row` with a value for each variable.
    pub(crate) fn push(&mut self, row: usize, values: impl IntoIterator<Item = Value>) {
        self.chosen.push(u32::try_from(row).unwrap_or(u32::MAX));
        let mut values = values.into_iter();
        for column in &mut self.columns {
            column.push(values.next().unwrap_or_else(Value::null));
        }
    }

    /// The rows built so far as a block; the box is empty then.
    pub(crate) fn take(&mut self, input: &Block, live: &Live) -> Block {
        let mut block = input.select(&self.chosen, live);
        self.chosen.clear();
        for (var, column) in self.vars.iter().zip(&mut self.columns) {
            let values = std::mem::take(column);
            if live.contains(var) {
                block.set(*var, Column::Values(values));
            }
        }
        block
    }

    pub(crate) fn clear(&mut self) {
        self.chosen.clear();
        self.columns.iter_mut().for_each(Vec::clear);
    }
}
