//! `RemoteNode` and `GatherNode` on the coordinator: sends the nodes before them to the shards of a
//! collection and merges the rows that come back.
//!
//! A snippet that begins with `Singleton` is opened once per input row, with the outer variables as
//! constants. One that begins with `Scatter` gets a whole block of input rows with a number each;
//! the results carry the number and come back in its order.

use super::inbox::Inbox;
use super::sort_key;
use crate::block::{BLOCK_ROWS_MAX, Block, Column, Live};
use crate::eval::{Evaluator, Frame};
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use crate::source::{RemoteSnippet, Row, Rows};
use crate::variables;
use aql::expr::{Expr, VarId};
use aql::plan::{Node, NodeKind, SortElement};
use base::Result;
use std::collections::VecDeque;
use velocypack::Value;

/// The nodes that belong together.
pub(crate) struct Cut<'a> {
    /// Run on the shards.
    pub(crate) nodes: &'a [Node],
    /// Whose shards.
    pub(crate) collection: &'a str,
    /// Values of the shard keys, if they pick one shard.
    pub(crate) shard_values: &'a [Expr],
    /// Order of the streams.
    pub(crate) elements: &'a [SortElement],
}

pub(crate) struct Gather {
    inbox: Inbox,
    nodes: Vec<Node>,
    collection: String,
    shard_values: Vec<Evaluator>,
    elements: Vec<SortElement>,
    /// Variables that the nodes read.
    reads: Vec<VarId>,
    /// Variables that come back from the shards.
    outputs: Vec<VarId>,
    scatters: bool,
    /// Input of a snippet whose results are sorted: needed as a whole.
    waiting: Vec<Block>,
    open: Option<Open>,
    live: Live,
}

/// An opened snippet.
struct Open {
    input: Block,
    /// Input row of a snippet that was opened for one row.
    row: usize,
    streams: Vec<Stream>,
}

/// Variables sent along: once for all rows, and with each row.
struct Split {
    constants: Vec<VarId>,
    inputs: Vec<VarId>,
}

struct Stream {
    rows: Box<dyn Rows>,
    /// Rows that have come, with their sort keys if streams are merged.
    buffer: VecDeque<(Vec<u8>, Row)>,
    more: bool,
}

impl Gather {
    pub(crate) fn new(cut: &Cut<'_>, wanted: &[VarId], live: Live) -> Result<Self> {
        Ok(Self {
            inbox: Inbox::default(),
            nodes: cut.nodes.to_vec(),
            collection: cut.collection.to_owned(),
            shard_values: cut.shard_values.iter().map(Evaluator::new).collect::<Result<_>>()?,
            elements: cut.elements.to_vec(),
            reads: variables::read_by(cut.nodes).into_iter().collect(),
            outputs: super::produced(cut.nodes, wanted),
            scatters: matches!(cut.nodes.first().map(|node| &node.kind), Some(NodeKind::Scatter)),
            waiting: Vec::new(),
            open: None,
            live,
        })
    }

    /// Number of the row that results belong to; it is a variable of its own.
    fn number_var(run: &Run) -> VarId {
        VarId(u32::try_from(run.variables()).unwrap_or(u32::MAX))
    }

    fn snippet(&self, input: &Block, row: usize, vars: Split, run: &mut Run) -> Result<RemoteSnippet> {
        let frame = Frame::new(input, row);
        let shard_values = self.shard_values.iter().map(|value| value.value(&frame, &mut run.functions)).collect::<Result<_>>()?;
        let constants = vars.constants.into_iter().filter_map(|var| Some((var, input.get(var, row)?.clone()))).collect();
        let mut outputs = self.outputs.clone();
        if self.scatters {
            outputs.push(Self::number_var(run));
        }
        Ok(RemoteSnippet {
            collection: self.collection.clone(),
            shard_values,
            nodes: self.nodes.clone(),
            variable_count: u32::try_from(run.variables() + 1).unwrap_or(u32::MAX),
            constants,
            inputs: vars.inputs,
            outputs,
            memory_limit: run.memory_limit(),
            fail_on_warning: run.fail_on_warning(),
        })
    }

    fn open_for_row(&self, input: Block, row: usize, run: &mut Run) -> Result<Open> {
        let vars = Split { constants: self.reads.clone(), inputs: Vec::new() };
        let snippet = self.snippet(&input, row, vars, run)?;
        let streams = run.source().remote(&snippet, None)?;
        Ok(Open { input, row, streams: streams.into_iter().map(Stream::new).collect() })
    }

    fn open_for_block(&self, input: Block, run: &mut Run) -> Result<Open> {
        let (constants, varying) = input.split_columns(&self.reads);
        let rows = (0..input.rows()).map(|row| {
            let mut values = input.row(row, &varying);
            values.push(Value::uint(row as u64));
            values
        });
        let rows: Vec<Row> = rows.collect();
        let mut inputs = varying;
        inputs.push(Self::number_var(run));
        let snippet = self.snippet(&input, 0, Split { constants, inputs }, run)?;
        let streams = run.source().remote(&snippet, Some(rows))?;
        Ok(Open { input, row: 0, streams: streams.into_iter().map(Stream::new).collect() })
    }

    /// Opens the snippet for the input that is there; `None` if more input is needed.
    fn open_next(&mut self, run: &mut Run) -> Result<Option<Open>> {
        if !self.scatters {
            let Some(block) = self.inbox.block.take() else { return Ok(None) };
            if self.inbox.row >= block.rows() {
                return Ok(None);
            }
            let row = self.inbox.row;
            self.inbox.row += 1;
            if self.inbox.row < block.rows() {
                self.inbox.block = Some(block.clone());
            }
            return self.open_for_row(block, row, run).map(Some);
        }
        let block = self.inbox.block.take();
        if self.elements.is_empty() {
            return block.map(|block| self.open_for_block(block, run)).transpose();
        }
        self.waiting.extend(block);
        if !self.inbox.ended || self.waiting.is_empty() {
            return Ok(None);
        }
        let all = Block::concat(std::mem::take(&mut self.waiting));
        self.open_for_block(all, run).map(Some)
    }

    fn sort_key(&self, row: &Row, variables: usize, key: &mut Vec<u8>) {
        if !self.elements.is_empty() {
            let mut block = Block::new(1, variables);
            for (&var, value) in self.outputs.iter().zip(row) {
                block.set(var, Column::Same(value.clone()));
            }
            sort_key::write(&self.elements, &block, 0, key);
        } else if self.scatters {
            let number = row.last().and_then(|number| number.as_slice().as_u64()).unwrap_or(0);
            key.extend_from_slice(&number.to_be_bytes());
        }
    }

    /// Up to `max` rows of the opened snippet.
    fn merge(&self, open: &mut Open, max: usize, variables: usize, run: &mut Run) -> Result<Vec<Row>> {
        let mut merged = Vec::new();
        let in_order = self.scatters || !self.elements.is_empty();
        while merged.len() < max {
            let mut best: Option<usize> = None;
            for position in 0..open.streams.len() {
                let Some(stream) = open.streams.get_mut(position) else { continue };
                if stream.buffer.is_empty() && stream.more {
                    let mut rows = Vec::new();
                    stream.more = stream.rows.next(BLOCK_ROWS_MAX, &mut rows)?;
                    run.check()?;
                    for row in rows {
                        let mut key = Vec::new();
                        self.sort_key(&row, variables, &mut key);
                        stream.buffer.push_back((key, row));
                    }
                    if stream.buffer.is_empty() && stream.more {
                        // An empty batch of a stream that goes on: ask again before choosing.
                        best = None;
                        continue;
                    }
                }
                let key = open.streams.get(position).and_then(|stream| stream.buffer.front()).map(|(key, _)| key);
                let best_key = best.and_then(|best| open.streams.get(best)).and_then(|stream| stream.buffer.front()).map(|(key, _)| key);
                match (key, best_key) {
                    (Some(_), None) => best = Some(position),
                    (Some(key), Some(best_key)) if key < best_key => best = Some(position),
                    _ => {}
                }
                if best.is_some() && !in_order {
                    break;
                }
            }
            if in_order && open.streams.iter().any(|stream| stream.buffer.is_empty() && stream.more) {
                continue;
            }
            match best.and_then(|best| open.streams.get_mut(best)).and_then(|stream| stream.buffer.pop_front()) {
                Some((_, row)) => merged.push(row),
                None if open.streams.iter().any(|stream| stream.more) => {}
                None => break,
            }
        }
        Ok(merged)
    }

    fn block(&self, open: &Open, mut rows: Vec<Row>, variables: usize) -> Block {
        let chosen: Vec<u32> = rows
            .iter_mut()
            .map(|row| {
                let number = if self.scatters { row.pop().and_then(|number| number.as_slice().as_u64()) } else { Some(open.row as u64) };
                number.and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX)
            })
            .collect();
        let mut block = open.input.select(&chosen, &self.live);
        let mut results = Block::from_rows(rows, &self.outputs, variables);
        for &var in self.outputs.iter().filter(|var| self.live.contains(var)) {
            block.set(var, Column::Values(results.take(var)));
        }
        block
    }
}

impl Stream {
    fn new(rows: Box<dyn Rows>) -> Self {
        Self { rows, buffer: VecDeque::new(), more: true }
    }
}

impl Open {
    fn close(mut self, run: &mut Run) {
        for stream in &mut self.streams {
            let (stats, warnings) = stream.rows.close();
            run.stats.add(&stats);
            run.functions.add_warnings(warnings);
        }
    }
}

impl Operator for Gather {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let variables = run.variables();
        loop {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => match self.open_next(run)? {
                    Some(open) => open,
                    None => return Ok(self.inbox.need(BLOCK_ROWS_MAX)),
                },
            };
            let rows = self.merge(&mut open, max, variables, run)?;
            if rows.is_empty() {
                open.close(run);
                continue;
            }
            let block = self.block(&open, rows, variables);
            self.open = Some(open);
            return Ok(Pull::Block(block));
        }
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, run: &mut Run) {
        self.inbox.clear();
        self.waiting.clear();
        if let Some(open) = self.open.take() {
            open.close(run);
        }
    }
}
