//! `IndexNode`: a row for each document that index look-ups find. Look-ups with `IN` go through
//! the values in order and without repetitions; documents found through several branches come once.

use super::documents::DocumentFilter;
use super::inbox::{Inbox, Outbox};
use crate::block::{Block, Live};
use crate::eval::{Evaluator, Frame};
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use crate::source::{Documents, IndexRange};
use aql::plan::{FieldCondition, IndexBranch, IndexScan};
use base::Result;
use std::collections::HashSet;
use velocypack::{Value, order};

/// Look-ups handed to the source at a time.
const RANGES_PER_SCAN: usize = 256;

pub(crate) struct Index {
    inbox: Inbox,
    outbox: Outbox,
    collection: String,
    branches: Vec<Branch>,
    reverse: bool,
    covering: bool,
    filter: DocumentFilter,
    /// Branches of the current row that are still to come, last first.
    lookups: Vec<Lookups>,
    row_open: bool,
    cursor: Option<Box<dyn Documents>>,
    seen: Option<HashSet<String>>,
    fetched: Vec<Value>,
    live: Live,
}

struct Branch {
    index: database::catalog::Index,
    conditions: Vec<Condition>,
}

enum Condition {
    Eq(Evaluator),
    In(Evaluator),
    Range { low: Option<(Evaluator, bool)>, high: Option<(Evaluator, bool)> },
}

/// The look-ups of one branch for one row: all combinations of the values of the leading fields.
struct Lookups {
    branch: usize,
    /// Values per leading field, in the order in which they are looked up.
    values: Vec<Vec<Value>>,
    /// Position in each of them; `None` once all combinations are used up.
    at: Option<Vec<usize>>,
    low: Option<(Value, bool)>,
    high: Option<(Value, bool)>,
}

impl Index {
    pub(crate) fn new(scan: &IndexScan, live: Live) -> Result<Self> {
        let branches = scan.branches.iter().map(Branch::new).collect::<Result<Vec<_>>>()?;
        let repeats = branches.len() > 1 || branches.iter().any(|branch| branch.index.fields.iter().any(|field| field.contains("[*]")));
        Ok(Self {
            inbox: Inbox::default(),
            outbox: Outbox::new(vec![scan.scan.out]),
            collection: scan.scan.collection.clone(),
            branches,
            reverse: scan.reverse,
            covering: scan.covering,
            filter: DocumentFilter::new(&scan.scan)?,
            lookups: Vec::new(),
            row_open: false,
            cursor: None,
            seen: repeats.then(HashSet::new),
            fetched: Vec::new(),
            live,
        })
    }

    fn open_row(&mut self, block: &Block, run: &mut Run) -> Result<()> {
        let frame = Frame::new(block, self.inbox.row);
        self.lookups.clear();
        for (number, branch) in self.branches.iter().enumerate().rev() {
            self.lookups.push(branch.lookups(number, self.reverse, &frame, run)?);
        }
        if let Some(seen) = &mut self.seen {
            seen.clear();
        }
        self.row_open = true;
        Ok(())
    }

    /// Opens the next scan of the current row; `false` if there is none.
    fn open_scan(&mut self, run: &mut Run) -> Result<bool> {
        while let Some(lookups) = self.lookups.last_mut() {
            let ranges = lookups.take(RANGES_PER_SCAN);
            if ranges.is_empty() {
                self.lookups.pop();
                continue;
            }
            let Some(branch) = self.branches.get(lookups.branch) else { return Ok(false) };
            run.stats.seeks += ranges.len() as u64;
            run.stats.cursors_created += 1;
            self.cursor = Some(run.source().index_scan(&self.collection, &branch.index, &ranges, self.reverse, self.covering)?);
            return Ok(true);
        }
        Ok(false)
    }

    fn is_new(&mut self, document: &Value) -> bool {
        let Some(seen) = &mut self.seen else { return true };
        match document.as_slice().get("_key").and_then(|key| key.as_str()) {
            Some(key) => seen.insert(key.to_owned()),
            None => true,
        }
    }

    /// Fetches up to `max` documents of the current row; `false` once it has no more.
    fn fetch(&mut self, max: usize, block: &Block, run: &mut Run) -> Result<bool> {
        if !self.row_open {
            self.open_row(block, run)?;
        }
        if self.cursor.is_none() && !self.open_scan(run)? {
            self.row_open = false;
            return Ok(false);
        }
        let Some(mut cursor) = self.cursor.take() else { return Ok(false) };
        let more = cursor.next(max, &mut self.fetched)?;
        run.stats.scanned_index += self.fetched.len() as u64;
        if more {
            self.cursor = Some(cursor);
        }
        Ok(true)
    }
}

impl Branch {
    fn new(branch: &IndexBranch) -> Result<Self> {
        let bound = |bound: &Option<(aql::expr::Expr, bool)>| {
            bound.as_ref().map(|(expr, inclusive)| Ok::<_, base::Error>((Evaluator::new(expr)?, *inclusive))).transpose()
        };
        let conditions = branch.conditions.iter().map(|condition| {
            Ok(match condition {
                FieldCondition::Eq(expr) => Condition::Eq(Evaluator::new(expr)?),
                FieldCondition::In(expr) => Condition::In(Evaluator::new(expr)?),
                FieldCondition::Range { low, high } => Condition::Range { low: bound(low)?, high: bound(high)? },
            })
        });
        Ok(Self { index: branch.index.clone(), conditions: conditions.collect::<Result<_>>()? })
    }

    fn lookups(&self, number: usize, reverse: bool, frame: &Frame<'_>, run: &mut Run) -> Result<Lookups> {
        let cx = &mut run.functions;
        let mut lookups = Lookups { branch: number, values: Vec::new(), at: None, low: None, high: None };
        for condition in &self.conditions {
            match condition {
                Condition::Eq(value) => lookups.values.push(vec![value.value(frame, cx)?]),
                Condition::In(array) => lookups.values.push(in_values(&array.value(frame, cx)?, reverse)),
                Condition::Range { low, high } => {
                    if let Some((low, inclusive)) = low {
                        lookups.low = Some((low.value(frame, cx)?, *inclusive));
                    }
                    if let Some((high, inclusive)) = high {
                        lookups.high = Some((high.value(frame, cx)?, *inclusive));
                    }
                }
            }
        }
        if lookups.values.iter().all(|values| !values.is_empty()) {
            lookups.at = Some(vec![0; lookups.values.len()]);
        }
        Ok(lookups)
    }
}

/// The members of an array in index order, each once. What is no array has no members.
fn in_values(array: &Value, reverse: bool) -> Vec<Value> {
    let slice = array.as_slice();
    if !slice.is_array() {
        return Vec::new();
    }
    let mut values: Vec<Value> = slice.elements().map(|member| member.to_value()).collect();
    values.sort_by(|a, b| order::compare(a.as_slice(), b.as_slice()));
    values.dedup_by(|a, b| order::equal(a.as_slice(), b.as_slice()));
    if reverse {
        values.reverse();
    }
    values
}

impl Lookups {
    /// The next up to `max` look-ups.
    fn take(&mut self, max: usize) -> Vec<IndexRange> {
        let mut ranges = Vec::new();
        while ranges.len() < max {
            let Some(at) = &mut self.at else { break };
            let equal = at.iter().zip(&self.values).filter_map(|(&position, values)| values.get(position).cloned()).collect();
            ranges.push(IndexRange { equal, low: self.low.clone(), high: self.high.clone() });
            if !advance(at, &self.values) {
                self.at = None;
            }
        }
        ranges
    }
}

/// Counts up, the last field fastest.
fn advance(at: &mut [usize], values: &[Vec<Value>]) -> bool {
    for (position, values) in at.iter_mut().zip(values).rev() {
        *position += 1;
        if *position < values.len() {
            return true;
        }
        *position = 0;
    }
    false
}

impl Operator for Index {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let Some(block) = self.inbox.block.take() else { return Ok(self.inbox.need(max)) };
        while self.outbox.len() < max && self.inbox.row < block.rows() {
            let more = self.fetch(max - self.outbox.len(), &block, run)?;
            for document in std::mem::take(&mut self.fetched) {
                if !self.is_new(&document) {
                    continue;
                }
                if let Some(value) = self.filter.apply(document, &block, self.inbox.row, run)? {
                    self.outbox.push(self.inbox.row, [value]);
                }
            }
            if !more {
                self.inbox.row += 1;
            }
            run.check()?;
        }
        if self.outbox.is_empty() {
            return Ok(self.inbox.need(max));
        }
        let out = self.outbox.take(&block, &self.live);
        if self.inbox.row < block.rows() {
            self.inbox.block = Some(block);
        }
        Ok(Pull::Block(out))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, _run: &mut Run) {
        self.inbox.clear();
        self.outbox.clear();
        self.lookups.clear();
        self.row_open = false;
        self.cursor = None;
        self.fetched.clear();
    }
}
