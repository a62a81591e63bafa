//! `CollectNode`: groups rows. One operator for all methods: `hash` keeps all groups to the end,
//! `sorted` lets a group go as soon as the next one begins, `distinct` passes the first row of each
//! group on at once.

use super::aggregate::{Accumulator, Kind};
use super::inbox::Inbox;
use super::key_table::KeyTable;
use crate::block::{BLOCK_ROWS_MAX, Block, Column, Live};
use crate::pipeline::{Operator, Pull};
use crate::run::{Booked, Run};
use aql::expr::VarId;
use aql::plan::{Collect as Plan, CollectMethod};
use base::Result;
use std::collections::VecDeque;
use velocypack::Value;

/// The operator for a node.
pub(crate) fn operator(plan: &Plan, live: Live) -> Result<Box<dyn Operator>> {
    if plan.method == CollectMethod::Distinct && plan.aggregates.is_empty() && plan.into.is_none() {
        return Ok(Box::new(Distinct::new(plan, live)));
    }
    Ok(Box::new(Collect::new(plan, live)?))
}

struct Collect {
    inbox: Inbox,
    groups: Vec<(VarId, VarId)>,
    aggregates: Vec<(VarId, Option<VarId>, Kind)>,
    into: Option<VarId>,
    into_expr: Option<VarId>,
    keep: Vec<(String, VarId)>,
    sorted: bool,
    table: KeyTable,
    states: Vec<Group>,
    finished: VecDeque<Vec<Value>>,
    is_finished: bool,
    booked: Booked,
    outer: Block,
    live: Live,
}

struct Group {
    accumulators: Vec<Accumulator>,
    members: Vec<Value>,
}

impl Collect {
    fn new(plan: &Plan, live: Live) -> Result<Self> {
        let aggregates = plan.aggregates.iter().map(|aggregate| Ok((aggregate.out, aggregate.input, Kind::parse(&aggregate.function)?)));
        Ok(Self {
            inbox: Inbox::default(),
            groups: plan.groups.clone(),
            aggregates: aggregates.collect::<Result<_>>()?,
            into: plan.into,
            into_expr: plan.into_expr,
            keep: plan.keep.clone(),
            sorted: plan.method == CollectMethod::Sorted,
            table: KeyTable::new(plan.groups.len()),
            states: Vec::new(),
            finished: VecDeque::new(),
            is_finished: false,
            booked: Booked::default(),
            outer: Block::default(),
            live,
        })
    }

    fn new_group(&self) -> Group {
        Group { accumulators: self.aggregates.iter().map(|(_, _, kind)| Accumulator::new(*kind)).collect(), members: Vec::new() }
    }

    fn add(&mut self, block: &Block, run: &mut Run) -> Result<()> {
        let null = Value::null();
        let mut bytes = 0;
        let mut key = Vec::with_capacity(self.groups.len());
        for row in 0..block.rows() {
            key.clear();
            key.extend(self.groups.iter().map(|(_, input)| block.slice(*input, row).unwrap_or_else(|| null.as_slice())));
            let (number, is_new) = self.table.insert(&key);
            if is_new {
                let group = self.new_group();
                self.states.push(group);
                bytes += key.iter().map(|value| value.byte_len() as u64 + 64).sum::<u64>() + 64 * self.aggregates.len() as u64;
            }
            let member = self.into.map(|_| self.member(block, row));
            let Some(group) = self.states.get_mut(number) else { continue };
            for ((_, input, _), accumulator) in self.aggregates.iter().zip(&mut group.accumulators) {
                bytes += accumulator.add(input.and_then(|input| block.slice(input, row)));
            }
            if let Some(member) = member {
                bytes += crate::block::value_bytes(&member);
                group.members.push(member);
            }
        }
        self.booked.grow(run, bytes)
    }

    /// What `INTO` keeps of a row.
    fn member(&self, block: &Block, row: usize) -> Value {
        match self.into_expr {
            Some(var) => block.value(var, row),
            None => Value::object(self.keep.iter().map(|(name, var)| (name.as_str(), block.value(*var, row)))),
        }
    }

    /// Turns the groups into rows, but for the last `open` ones.
    fn finish(&mut self, open: usize) {
        let count = self.states.len().saturating_sub(open);
        let table = std::mem::replace(&mut self.table, KeyTable::new(self.groups.len()));
        for (number, group) in std::mem::take(&mut self.states).into_iter().enumerate() {
            if number >= count {
                let key: Vec<_> = table.key(number).iter().map(Value::as_slice).collect();
                self.table.insert(&key);
                self.states.push(group);
                continue;
            }
            let mut row = table.key(number).to_vec();
            row.extend(group.accumulators.iter().map(Accumulator::result));
            if self.into.is_some() {
                row.push(Value::array(group.members));
            }
            self.finished.push_back(row);
        }
    }

    fn give(&mut self, max: usize) -> Block {
        let rows: Vec<Vec<Value>> = self.finished.drain(..max.min(self.finished.len())).collect();
        let outs = self.groups.iter().map(|(out, _)| *out).chain(self.aggregates.iter().map(|(out, ..)| *out)).chain(self.into);
        let outs: Vec<VarId> = outs.collect();
        let mut block = Block::from_rows(rows, &outs, self.outer.variables());
        for &var in self.live.iter().filter(|var| !outs.contains(var)) {
            // Only variables of an outer query are still visible.
            if let Some(value) = self.outer.get(var, 0) {
                block.set(var, Column::Same(value.clone()));
            }
        }
        block.keep(&self.live);
        block
    }
}

impl Operator for Collect {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        if let Some(block) = self.inbox.block.take() {
            self.add(&block, run)?;
            if self.sorted && self.states.len() > 1 {
                self.finish(1);
            }
        }
        if self.inbox.ended && !self.is_finished {
            self.is_finished = true;
            if self.groups.is_empty() && self.states.is_empty() {
                let group = self.new_group();
                self.table.insert(&[]);
                self.states.push(group);
            }
            self.finish(0);
        }
        if !self.finished.is_empty() {
            return Ok(Pull::Block(self.give(max)));
        }
        if self.is_finished {
            self.booked.clear(run);
            return Ok(Pull::Done);
        }
        Ok(Pull::Need(BLOCK_ROWS_MAX))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, outer: &Block, run: &mut Run) {
        self.inbox.clear();
        self.table = KeyTable::new(self.groups.len());
        self.states.clear();
        self.finished.clear();
        self.is_finished = false;
        self.booked.clear(run);
        self.outer = outer.clone();
    }
}

struct Distinct {
    inbox: Inbox,
    groups: Vec<(VarId, VarId)>,
    table: KeyTable,
    booked: Booked,
    outer: Block,
    live: Live,
}

impl Distinct {
    fn new(plan: &Plan, live: Live) -> Self {
        let table = KeyTable::new(plan.groups.len());
        Self { inbox: Inbox::default(), groups: plan.groups.clone(), table, booked: Booked::default(), outer: Block::default(), live }
    }
}

impl Operator for Distinct {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let Some(block) = self.inbox.block.take() else { return Ok(self.inbox.need(max)) };
        let null = Value::null();
        let mut rows = Vec::new();
        let mut bytes = 0;
        for row in 0..block.rows() {
            let key: Vec<_> = self.groups.iter().map(|(_, input)| block.slice(*input, row).unwrap_or_else(|| null.as_slice())).collect();
            let (number, is_new) = self.table.insert(&key);
            if is_new {
                bytes += key.iter().map(|value| value.byte_len() as u64 + 64).sum::<u64>();
                rows.push(self.table.key(number).to_vec());
            }
        }
        self.booked.grow(run, bytes)?;
        if rows.is_empty() {
            return Ok(self.inbox.need(max));
        }
        let outs: Vec<VarId> = self.groups.iter().map(|(out, _)| *out).collect();
        let mut out = Block::from_rows(rows, &outs, block.variables());
        for &var in self.live.iter().filter(|var| !outs.contains(var)) {
            if let Some(value) = self.outer.get(var, 0) {
                out.set(var, Column::Same(value.clone()));
            }
        }
        out.keep(&self.live);
        Ok(Pull::Block(out))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, outer: &Block, run: &mut Run) {
        self.inbox.clear();
        self.table = KeyTable::new(self.groups.len());
        self.booked.clear(run);
        self.outer = outer.clone();
    }
}
