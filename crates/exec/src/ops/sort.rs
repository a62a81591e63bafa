//! `SortNode`: sorts all rows, or keeps the first ones if no more are needed. Rows with equal keys
//! stay in the order of the input.

use super::inbox::Inbox;
use super::sort_key;
use crate::block::{Block, Column, Live};
use crate::pipeline::{Operator, Pull};
use crate::run::{Booked, Run};
use aql::plan::SortElement;
use base::Result;
use velocypack::Value;

/// Rows collected beyond twice the limit before those that cannot win are dropped.
const SLACK_ROWS: usize = 1000;

pub(crate) struct Sort {
    inbox: Inbox,
    elements: Vec<SortElement>,
    limit: Option<usize>,
    rows: Rows,
    booked: Booked,
    /// Rows given out so far, once everything is sorted.
    given: Option<usize>,
    live: Live,
}

/// Collected rows with their keys.
#[derive(Default)]
struct Rows {
    blocks: Vec<Block>,
    keys: Vec<u8>,
    order: Vec<Entry>,
    next_number: u64,
    /// Rows with a greater or equal key are not among the first ones.
    bound: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Entry {
    from: usize,
    to: usize,
    number: u64,
    block: u32,
    row: u32,
}

impl Sort {
    pub(crate) fn new(elements: &[SortElement], limit: Option<u64>, live: Live) -> Self {
        Self {
            inbox: Inbox::default(),
            elements: elements.to_vec(),
            limit: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            rows: Rows::default(),
            booked: Booked::default(),
            given: None,
            live,
        }
    }

    fn collect(&mut self, block: Block, run: &mut Run) -> Result<()> {
        let number = u32::try_from(self.rows.blocks.len()).unwrap_or(u32::MAX);
        let mut bytes = 0;
        for row in 0..block.rows() {
            let from = self.rows.keys.len();
            sort_key::write(&self.elements, &block, row, &mut self.rows.keys);
            let key = self.rows.keys.get(from..).unwrap_or_default();
            if self.rows.bound.as_deref().is_some_and(|bound| key >= bound) {
                self.rows.keys.truncate(from);
                continue;
            }
            let to = self.rows.keys.len();
            bytes += (to - from) as u64 + block.row_bytes(row, &self.live) + 32;
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            self.rows.order.push(Entry { from, to, number: self.rows.next_number, block: number, row });
            self.rows.next_number += 1;
        }
        self.rows.blocks.push(block);
        self.booked.grow(run, bytes)?;
        if let Some(limit) = self.limit.filter(|limit| self.rows.order.len() > limit.saturating_mul(2).saturating_add(SLACK_ROWS)) {
            self.rows.keep_first(limit, &self.live);
            self.booked.clear(run);
            let kept: u64 =
                self.rows.blocks.iter().map(|block| (0..block.rows()).map(|row| block.row_bytes(row, &self.live)).sum::<u64>()).sum();
            self.booked.grow(run, kept + self.rows.keys.len() as u64)?;
        }
        Ok(())
    }
}

impl Rows {
    fn sort(&mut self) {
        let keys = &self.keys;
        let key = |entry: &Entry| keys.get(entry.from..entry.to).unwrap_or_default();
        self.order.sort_unstable_by(|a, b| key(a).cmp(key(b)).then(a.number.cmp(&b.number)));
    }

    /// Drops everything but the first `limit` rows.
    fn keep_first(&mut self, limit: usize, live: &Live) {
        self.sort();
        self.order.truncate(limit);
        self.bound = self.order.last().map(|last| self.keys.get(last.from..last.to).unwrap_or_default().to_vec());
        let block = self.gather(0, limit, live);
        let mut keys = Vec::new();
        for (entry, row) in self.order.iter_mut().zip(0_u32..) {
            let from = keys.len();
            keys.extend_from_slice(self.keys.get(entry.from..entry.to).unwrap_or_default());
            *entry = Entry { from, to: keys.len(), number: entry.number, block: 0, row };
        }
        self.keys = keys;
        self.blocks = vec![block];
    }

    /// Sorted rows `from..to` as a block.
    fn gather(&self, from: usize, to: usize, live: &Live) -> Block {
        let picks = self.order.get(from..to.min(self.order.len())).unwrap_or_default();
        let variables = self.blocks.first().map_or(0, Block::variables);
        let mut out = Block::new(picks.len(), variables);
        for &var in live.iter() {
            let values = picks.iter().map(|pick| {
                let block = self.blocks.get(pick.block as usize);
                block.and_then(|block| block.get(var, pick.row as usize)).cloned().unwrap_or_else(Value::null)
            });
            out.set(var, Column::Values(values.collect()));
        }
        out
    }
}

impl Operator for Sort {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        if let Some(block) = self.inbox.block.take() {
            self.collect(block, run)?;
        }
        if !self.inbox.ended {
            return Ok(Pull::Need(crate::block::BLOCK_ROWS_MAX));
        }
        let given = match self.given {
            Some(given) => given,
            None => {
                self.rows.sort();
                if let Some(limit) = self.limit {
                    self.rows.order.truncate(limit);
                }
                0
            }
        };
        let block = self.rows.gather(given, given.saturating_add(max), &self.live);
        self.given = Some(given + block.rows());
        if block.rows() == 0 {
            self.rows = Rows::default();
            self.booked.clear(run);
            return Ok(Pull::Done);
        }
        Ok(Pull::Block(block))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, run: &mut Run) {
        self.inbox.clear();
        self.rows = Rows::default();
        self.booked.clear(run);
        self.given = None;
    }
}
