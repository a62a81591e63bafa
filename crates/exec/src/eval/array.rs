//! Array comparison, array expansion, the question-mark operator, objects with computed names.

use super::compile::{CompareOp, KeyStep, Step};
use super::operators;
use super::{Frame, Val};
use crate::convert;
use crate::functions::FunctionContext;
use aql::expr::{BinaryOp, VarId};
use base::Result;
use std::collections::HashMap;
use velocypack::{Slice, Value};

/// `left ANY|ALL|NONE|AT LEAST (n) op right`.
pub(super) struct ArrayCompareStep {
    pub(super) quantifier: QuantifierStep,
    pub(super) op: BinaryOp,
    pub(super) left: Step,
    pub(super) right: Step,
}

/// How many elements must match.
pub(super) enum QuantifierStep {
    Any,
    All,
    None,
    AtLeast(Step),
    Between(Step, Step),
}

impl QuantifierStep {
    /// Least and greatest number of matches among `total`.
    fn bounds(&self, total: usize, frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<(i64, i64)> {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        Ok(match self {
            Self::Any => (1, i64::MAX),
            Self::All => (total, i64::MAX),
            Self::None => (0, 0),
            Self::AtLeast(count) => (count.on_slice(frame, cx, convert::truncate)?, i64::MAX),
            Self::Between(low, high) => (low.on_slice(frame, cx, convert::truncate)?, high.on_slice(frame, cx, convert::truncate)?),
        })
    }
}

/// Do as many of `total` elements match as the bounds ask for? Stops as soon as that is known.
fn count_within((low, high): (i64, i64), total: usize, mut matches: impl FnMut(usize) -> Result<bool>) -> Result<bool> {
    let mut found = 0_i64;
    for position in 0..total {
        let rest = i64::try_from(total - position).unwrap_or(i64::MAX);
        if found > high || found.saturating_add(rest) < low {
            return Ok(false);
        }
        if found >= low && high == i64::MAX {
            return Ok(true);
        }
        found += i64::from(matches(position)?);
    }
    Ok((low..=high).contains(&found))
}

impl ArrayCompareStep {
    pub(super) fn eval(&self, frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<bool> {
        let left = self.left.eval(frame, cx)?.settle()?;
        let right = self.right.eval(frame, cx)?.settle()?;
        let (Some(left), Some(members)) = (left.as_slice().filter(|slice| slice.is_array()), right.as_slice()) else { return Ok(false) };
        let elements: Vec<Slice<'_>> = left.elements().collect();
        let bounds = self.quantifier.bounds(elements.len(), frame, cx)?;
        let op = CompareOp::of(self.op);
        if op.is_none() && !members.is_array() {
            return Ok(false);
        }
        count_within(bounds, elements.len(), |position| {
            let Some(&element) = elements.get(position) else { return Ok(false) };
            Ok(match op {
                Some(op) => operators::compare(op, element, members),
                None => operators::is_in(element, &Val::Slice(members), self.op == BinaryOp::NotIn),
            })
        })
    }
}

/// `input[* …]` and `input[? …]`.
pub(super) struct ExpansionStep {
    pub(super) input: Step,
    pub(super) levels: u32,
    pub(super) iterator: VarId,
    pub(super) filter: Option<Step>,
    pub(super) limit: Option<(Step, Step)>,
    pub(super) projection: Option<Step>,
    pub(super) question: Option<QuantifierStep>,
}

impl ExpansionStep {
    pub(super) fn eval(&self, frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<Value> {
        let input = self.input.eval(frame, cx)?.settle()?;
        let mut elements = Vec::new();
        let is_array = match input.as_slice().filter(|slice| slice.is_array()) {
            Some(array) => {
                flatten(array, self.levels, &mut elements);
                true
            }
            None => false,
        };
        match &self.question {
            Some(quantifier) => Ok(Value::bool(is_array && self.question(quantifier, &elements, frame, cx)?)),
            None => self.expand(&elements, frame, cx),
        }
    }

    fn is_kept(&self, element: Slice<'_>, frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<bool> {
        let Some(filter) = &self.filter else { return Ok(true) };
        let local = frame.local(self.iterator, element);
        filter.eval(&frame.with(&local), cx)?.truth()
    }

    fn question(&self, quantifier: &QuantifierStep, elements: &[Slice<'_>], frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<bool> {
        let bounds = quantifier.bounds(elements.len(), frame, cx)?;
        count_within(bounds, elements.len(), |position| match elements.get(position) {
            Some(&element) => self.is_kept(element, frame, cx),
            None => Ok(false),
        })
    }

    fn expand(&self, elements: &[Slice<'_>], frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<Value> {
        let (mut skip, mut count) = (0, i64::MAX);
        if let Some((offset, limit)) = &self.limit {
            skip = offset.on_slice(frame, cx, convert::truncate)?;
            count = limit.on_slice(frame, cx, convert::truncate)?;
            if skip < 0 || count <= 0 {
                return Ok(Value::empty_array());
            }
        }
        let mut out = Vec::new();
        for &element in elements {
            if count == 0 {
                break;
            }
            if !self.is_kept(element, frame, cx)? {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            count -= 1;
            let local = frame.local(self.iterator, element);
            out.push(match &self.projection {
                Some(projection) => projection.eval(&frame.with(&local), cx)?.into_value()?,
                None => element.to_value(),
            });
        }
        Ok(Value::array(out))
    }
}

/// The elements of an array; with more than one level those of its member arrays instead of them.
fn flatten<'a>(array: Slice<'a>, levels: u32, out: &mut Vec<Slice<'a>>) {
    for element in array.elements() {
        // Nesting of values is limited, and so is this recursion.
        if levels > 1 && element.is_array() { flatten(element, levels - 1, out) } else { out.push(element) }
    }
}

/// An object with computed names; of equal names the last one counts.
pub(super) fn computed_object(entries: &[(KeyStep, Step)], frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<Value> {
    let mut members: Vec<(String, Value)> = Vec::with_capacity(entries.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for (key, value) in entries {
        let name = match key {
            KeyStep::Name(name) => name.clone(),
            KeyStep::Computed(step) => step.on_slice(frame, cx, |slice| convert::to_text(slice).into_owned())?,
        };
        let value = value.eval(frame, cx)?.into_value()?;
        match places.get(&name).and_then(|&place| members.get_mut(place)) {
            Some(member) => member.1 = value,
            None => {
                places.insert(name.clone(), members.len());
                members.push((name, value));
            }
        }
    }
    Ok(Value::object(members))
}
