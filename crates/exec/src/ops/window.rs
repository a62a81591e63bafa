//! `WindowNode`: aggregations over the rows around each row, counted in rows or by the distance of
//! a value. The input comes sorted by that value.

use super::aggregate::{Accumulator, Kind};
use super::inbox::Inbox;
use crate::block::{BLOCK_ROWS_MAX, Block, Column, Live};
use crate::convert;
use crate::eval::{Evaluator, Frame};
use crate::pipeline::{Operator, Pull};
use crate::run::{Booked, Run};
use aql::expr::VarId;
use aql::plan::Window as Plan;
use base::{Error, Result, code};
use std::collections::VecDeque;
use velocypack::{Slice, Value};

use super::duration::Duration;

pub(crate) struct Window {
    inbox: Inbox,
    range: Option<VarId>,
    preceding: Option<Evaluator>,
    following: Option<Evaluator>,
    aggregates: Vec<(VarId, Option<VarId>, Kind)>,
    blocks: Vec<Block>,
    results: VecDeque<Block>,
    is_finished: bool,
    booked: Booked,
    live: Live,
}

/// Distance from a row to the end of its frame.
enum Bound {
    Unbounded,
    Rows(usize),
    Distance(f64),
    Duration(Duration),
}

/// First row of a frame and the row after its last one.
type FrameRows = (usize, usize);

impl Window {
    pub(crate) fn new(plan: &Plan, live: Live) -> Result<Self> {
        let aggregates = plan.aggregates.iter().map(|aggregate| Ok((aggregate.out, aggregate.input, Kind::parse(&aggregate.function)?)));
        Ok(Self {
            inbox: Inbox::default(),
            range: plan.range,
            preceding: plan.preceding.as_ref().map(Evaluator::new).transpose()?,
            following: plan.following.as_ref().map(Evaluator::new).transpose()?,
            aggregates: aggregates.collect::<Result<_>>()?,
            blocks: Vec::new(),
            results: VecDeque::new(),
            is_finished: false,
            booked: Booked::default(),
            live,
        })
    }

    fn finish(&mut self, run: &mut Run) -> Result<()> {
        let rows: Vec<(usize, usize)> =
            self.blocks.iter().enumerate().flat_map(|(number, block)| (0..block.rows()).map(move |row| (number, row))).collect();
        let frames = self.frames(&rows, run)?;
        let mut columns: Vec<Vec<Value>> = Vec::with_capacity(self.aggregates.len());
        for (_, input, kind) in &self.aggregates {
            let input_of = |position: usize| {
                let (block, row) = *rows.get(position)?;
                self.blocks.get(block)?.slice((*input)?, row)
            };
            columns.push(aggregate(*kind, &frames, input_of, run)?);
        }
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        for mut block in std::mem::take(&mut self.blocks) {
            for ((out, ..), column) in self.aggregates.iter().zip(&mut columns) {
                block.set(*out, Column::Values(column.by_ref().take(block.rows()).collect()));
            }
            block.keep(&self.live);
            self.results.push_back(block);
        }
        Ok(())
    }

    /// The frame of each row; `None` for rows whose value does not fit.
    fn frames(&self, rows: &[(usize, usize)], run: &mut Run) -> Result<Vec<Option<FrameRows>>> {
        let Some(range) = self.range else {
            let before = row_bound(self.bound_value(self.preceding.as_ref(), run)?)?;
            let after = row_bound(self.bound_value(self.following.as_ref(), run)?)?;
            return Ok((0..rows.len()).map(|at| Some(row_frame(at, rows.len(), &before, &after))).collect());
        };
        let before = self.bound_value(self.preceding.as_ref(), run)?;
        let after = self.bound_value(self.following.as_ref(), run)?;
        let (before, after) = range_bounds(before, after)?;
        let is_time = matches!(before, Bound::Duration(_)) || matches!(after, Bound::Duration(_));
        let values: Vec<Option<f64>> = rows
            .iter()
            .map(|&(block, row)| {
                let value = self.blocks.get(block).map(|block| block.value(range, row)).unwrap_or_else(Value::null);
                range_value(value.as_slice(), is_time, run)
            })
            .collect();
        Ok(range_frames(&values, &before, &after))
    }

    fn bound_value(&self, bound: Option<&Evaluator>, run: &mut Run) -> Result<Option<Value>> {
        let block = Block::new(1, 0);
        bound.map(|bound| bound.value(&Frame::new(&block, 0), &mut run.functions)).transpose()
    }
}

fn is_unbounded(value: Option<&Value>) -> bool {
    value.is_none_or(|value| matches!(value.as_slice().as_str(), Some("unbounded" | "inf")))
}

fn row_bound(value: Option<Value>) -> Result<Bound> {
    if is_unbounded(value.as_ref()) {
        return Ok(Bound::Unbounded);
    }
    let number = value.as_ref().and_then(|value| value.as_slice().as_f64()).filter(|number| *number >= 0.0);
    match number {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturation is wanted")]
        Some(number) => Ok(Bound::Rows(number as usize)),
        None => Err(Error::bad_parameter("WINDOW row spec is invalid; bounds must be positive integers or \"unbounded\"")),
    }
}

fn row_frame(at: usize, rows: usize, before: &Bound, after: &Bound) -> FrameRows {
    let first = if let Bound::Rows(count) = before { at.saturating_sub(*count) } else { 0 };
    let end = if let Bound::Rows(count) = after { at.saturating_add(*count).saturating_add(1).min(rows) } else { rows };
    (first, end)
}

fn range_bounds(before: Option<Value>, after: Option<Value>) -> Result<(Bound, Bound)> {
    let bound = |value: &Option<Value>, name: &str| -> Result<Bound> {
        if is_unbounded(value.as_ref()) {
            return Ok(Bound::Unbounded);
        }
        let slice = value.as_ref().map_or(Value::null(), Clone::clone);
        match slice.as_slice().as_str() {
            Some(text) => Duration::parse(text).map(Bound::Duration).ok_or_else(|| {
                Error::bad_parameter(format!("WINDOW range spec is invalid; '{name}' is not a valid ISO 8601 duration string"))
            }),
            None => Ok(Bound::Distance(convert::to_number(slice.as_slice()))),
        }
    };
    let bounds = (bound(&before, "preceding")?, bound(&after, "following")?);
    match &bounds {
        // An omitted bound is 0 of whatever the other one is.
        (Bound::Duration(_), Bound::Distance(distance)) if *distance == 0.0 => Ok(bounds),
        (Bound::Distance(distance), Bound::Duration(_)) if *distance == 0.0 => Ok(bounds),
        (Bound::Duration(_), Bound::Distance(_)) | (Bound::Distance(_), Bound::Duration(_)) => Err(Error::bad_parameter(
            "WINDOW range spec is invalid; bounds must be of the same type - either both are numeric values, or both are ISO 8601 duration strings",
        )),
        _ => Ok(bounds),
    }
}

/// Milliseconds of the years 0 to 9999.
const TIMES: std::ops::RangeInclusive<f64> = -62_167_219_200_000.0..=253_402_300_799_999.0;

fn range_value(value: Slice<'_>, is_time: bool, run: &mut Run) -> Option<f64> {
    if is_time {
        let time = value.as_f64().filter(|time| TIMES.contains(time));
        if time.is_none() {
            run.functions.warn(code::QUERY_INVALID_DATE_VALUE, "range value is not a valid timepoint (out of range)");
        }
        return time;
    }
    let number = match value.as_str() {
        Some(text) => convert::text_to_number(text),
        None if value.is_object() || (value.is_array() && value.len() > 1) => None,
        None => Some(convert::to_number(value)),
    };
    if number.is_none() {
        run.functions.warn_code(code::QUERY_INVALID_ARITHMETIC_VALUE);
    }
    number
}

fn range_frames(values: &[Option<f64>], before: &Bound, after: &Bound) -> Vec<Option<FrameRows>> {
    let mut first = 0;
    let mut end = 0;
    values
        .iter()
        .map(|value| {
            let value = (*value)?;
            let low = shifted(value, before, -1);
            let high = shifted(value, after, 1);
            // The input is sorted, so both ends only move on. Rows that do not fit are passed over.
            while values.get(first).is_some_and(|other| other.is_none_or(|other| other < low)) {
                first += 1;
            }
            while values.get(end).is_some_and(|other| other.is_none_or(|other| other <= high)) {
                end += 1;
            }
            Some((first, end.max(first)))
        })
        .collect()
}

fn shifted(value: f64, bound: &Bound, sign: i32) -> f64 {
    match bound {
        Bound::Unbounded => f64::INFINITY * f64::from(sign),
        Bound::Distance(distance) => value + distance * f64::from(sign),
        Bound::Duration(duration) => duration.shift(value, sign),
        Bound::Rows(_) => value,
    }
}

/// Aggregates each frame. While frames only grow, each row is taken in once.
fn aggregate<'a>(
    kind: Kind,
    frames: &[Option<FrameRows>],
    input_of: impl Fn(usize) -> Option<Slice<'a>>,
    run: &mut Run,
) -> Result<Vec<Value>> {
    let mut results = Vec::with_capacity(frames.len());
    let mut accumulator = Accumulator::new(kind);
    let mut taken: FrameRows = (0, 0);
    for frame in frames {
        let Some((first, end)) = *frame else {
            results.push(Value::null());
            continue;
        };
        if first != taken.0 || end < taken.1 {
            accumulator = Accumulator::new(kind);
            taken = (first, first);
        }
        for position in taken.1..end {
            // Rows that do not fit take no part in the frames of others.
            if frames.get(position).is_some_and(Option::is_some) {
                accumulator.add(input_of(position));
            }
        }
        taken = (first, end);
        results.push(accumulator.result());
        run.check()?;
    }
    Ok(results)
}

impl Operator for Window {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        if let Some(block) = self.inbox.block.take() {
            let bytes = (0..block.rows()).map(|row| block.row_bytes(row, &self.live)).sum();
            self.booked.grow(run, bytes)?;
            self.blocks.push(block);
        }
        if !self.inbox.ended {
            return Ok(Pull::Need(BLOCK_ROWS_MAX));
        }
        if !self.is_finished {
            self.is_finished = true;
            self.finish(run)?;
        }
        match self.results.pop_front() {
            Some(block) if block.rows() > max => {
                self.results.push_front(block.slice_rows(max, block.rows()));
                Ok(Pull::Block(block.slice_rows(0, max)))
            }
            Some(block) => Ok(Pull::Block(block)),
            None => {
                self.booked.clear(run);
                Ok(Pull::Done)
            }
        }
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, run: &mut Run) {
        self.inbox.clear();
        self.blocks.clear();
        self.results.clear();
        self.is_finished = false;
        self.booked.clear(run);
    }
}
