//! Evaluation of expressions on rows.
//!
//! An [`aql::expr::Expr`] is compiled once ([`Evaluator::new`]): functions are looked up, constant
//! sets and patterns prepared, attribute chains joined. Values are read in place; only results that
//! do not exist in a row are built.

mod array;
mod compile;
mod operators;

use crate::block::Block;
use crate::convert;
use crate::functions::{Function, FunctionContext};
use crate::like::LikePattern;
use aql::expr::{Expr, VarId};
use base::{Error, Result, code};
use compile::Step;
use velocypack::{Builder, Slice, Value};

/// Ranges with more members than this are never turned into arrays.
const RANGE_MEMBERS_MAX: u64 = 10_000_000;

/// A compiled expression.
pub struct Evaluator {
    root: Step,
}

impl Evaluator {
    /// Compiles an expression. Fails on unknown functions (1540, 1582).
    pub fn new(expr: &Expr) -> Result<Self> {
        Ok(Self { root: compile::compile(expr)? })
    }

    /// The value if the expression is constant.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        match &self.root {
            Step::Const(value) => Some(value),
            _ => None,
        }
    }

    /// Evaluates on a row.
    pub fn value(&self, frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<Value> {
        self.root.eval(frame, cx)?.into_value()
    }

    /// Evaluates on a row as a condition.
    pub fn is_true(&self, frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<bool> {
        self.root.eval(frame, cx)?.truth()
    }

    /// Evaluates on a row, leaving ranges and values that exist already as they are.
    pub fn eval<'a>(&'a self, frame: &Frame<'a>, cx: &mut FunctionContext) -> Result<Val<'a>> {
        self.root.eval(frame, cx)
    }
}

/// Value of a constant, deterministic expression; `None` if it is not one, or if it warns, fails or
/// would be large: then it is for the run time. This is the callback of `aql`'s constant folding.
#[must_use]
pub fn evaluate_const(expr: &Expr) -> Option<Value> {
    if !compile::is_foldable(expr) {
        return None;
    }
    let evaluator = Evaluator::new(expr).ok()?;
    let mut cx = FunctionContext::without_source();
    let block = Block::new(1, 0);
    let value = match evaluator.eval(&Frame::new(&block, 0), &mut cx).ok()? {
        Val::Range(..) => return None,
        other => other.into_value().ok()?,
    };
    cx.warnings().is_empty().then_some(value)
}

/// A row, with the iterators of array expansions on top.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    block: &'a Block,
    row: usize,
    local: Option<&'a Local<'a>>,
}

/// A variable that exists only inside an expression (or hides one of the row).
pub struct Local<'a> {
    var: VarId,
    value: Slice<'a>,
    outer: Option<&'a Local<'a>>,
}

impl<'a> Frame<'a> {
    /// A row of a block.
    #[must_use]
    pub fn new(block: &'a Block, row: usize) -> Self {
        Self { block, row, local: None }
    }

    /// A variable on top of this frame.
    #[must_use]
    pub fn local(&self, var: VarId, value: Slice<'a>) -> Local<'a> {
        Local { var, value, outer: self.local }
    }

    /// This frame with such variables.
    #[must_use]
    pub fn with<'b>(&self, local: &'b Local<'b>) -> Frame<'b>
    where
        'a: 'b,
    {
        Frame { block: self.block, row: self.row, local: Some(local) }
    }

    fn get(&self, var: VarId) -> Option<Slice<'a>> {
        let mut local = self.local;
        while let Some(here) = local {
            if here.var == var {
                return Some(here.value);
            }
            local = here.outer;
        }
        self.block.slice(var, self.row)
    }
}

/// Result of an evaluation: something that exists already, something new, or a range that nobody
/// has had to spell out yet.
#[derive(Debug)]
pub enum Val<'a> {
    /// In a row or a constant.
    Slice(Slice<'a>),
    /// New.
    Value(Value),
    /// `low..high`.
    Range(i64, i64),
}

impl<'a> Val<'a> {
    fn null() -> Self {
        Self::Value(Value::null())
    }

    fn bool(flag: bool) -> Self {
        Self::Value(Value::bool(flag))
    }

    fn truth(&self) -> Result<bool> {
        Ok(match self {
            Self::Slice(slice) => convert::to_bool(*slice),
            Self::Value(value) => convert::to_bool(value.as_slice()),
            Self::Range(..) => true,
        })
    }

    /// An owned value.
    pub fn into_value(self) -> Result<Value> {
        match self {
            Self::Slice(slice) => Ok(slice.to_value()),
            Self::Value(value) => Ok(value),
            Self::Range(low, high) => spell_out(low, high),
        }
    }

    /// Spells ranges out.
    fn settle(self) -> Result<Val<'a>> {
        match self {
            Self::Range(low, high) => Ok(Self::Value(spell_out(low, high)?)),
            other => Ok(other),
        }
    }

    /// The value in place. Call it on settled values; a range reads as nothing.
    fn as_slice(&self) -> Option<Slice<'_>> {
        match self {
            Self::Slice(slice) => Some(*slice),
            Self::Value(value) => Some(value.as_slice()),
            Self::Range(..) => None,
        }
    }
}

/// The members of a range, in its direction.
#[must_use]
pub fn range_members(low: i64, high: i64) -> Box<dyn Iterator<Item = i64> + Send> {
    if low <= high { Box::new(low..=high) } else { Box::new((high..=low).rev()) }
}

fn spell_out(low: i64, high: i64) -> Result<Value> {
    if low.abs_diff(high) >= RANGE_MEMBERS_MAX {
        return Err(Error::new(code::QUERY_NUMBER_OUT_OF_RANGE, "range is too big to be materialized"));
    }
    Ok(Value::array(range_members(low, high).map(Value::int)))
}

impl Step {
    fn eval<'a>(&'a self, frame: &Frame<'a>, cx: &mut FunctionContext) -> Result<Val<'a>> {
        Ok(match self {
            Step::Const(value) => Val::Slice(value.as_slice()),
            Step::Path(var, path) => match frame.get(*var) {
                Some(slice) if path.is_empty() => Val::Slice(slice),
                Some(slice) => slice.path(path).map_or_else(Val::null, Val::Slice),
                None => Val::null(),
            },
            Step::Attribute(base, name) => member(base.eval(frame, cx)?, |slice| attribute(slice, name)),
            Step::Indexed(base, index) => {
                let base = base.eval(frame, cx)?.settle()?;
                let index = index.eval(frame, cx)?.settle()?;
                let Some(index) = index.as_slice() else { return Ok(Val::null()) };
                member(base, |slice| operators::indexed(slice, index))
            }
            Step::Not(operand) => Val::bool(!operand.eval(frame, cx)?.truth()?),
            Step::Negate(operand) => Val::Value(operand.on_slice(frame, cx, operators::negate)?),
            Step::Plus(operand) => Val::Value(operand.on_slice(frame, cx, operators::plus)?),
            Step::Arithmetic(op, left, right) => {
                let left = left.eval(frame, cx)?.settle()?;
                let right = right.eval(frame, cx)?.settle()?;
                match (left.as_slice(), right.as_slice()) {
                    (Some(left), Some(right)) => Val::Value(operators::arithmetic(*op, left, right, cx)),
                    _ => Val::null(),
                }
            }
            Step::Compare(op, left, right) => {
                let left = left.eval(frame, cx)?.settle()?;
                let right = right.eval(frame, cx)?.settle()?;
                match (left.as_slice(), right.as_slice()) {
                    (Some(left), Some(right)) => Val::bool(operators::compare(*op, left, right)),
                    _ => Val::bool(false),
                }
            }
            Step::In { negated, left, right } => {
                let left = left.eval(frame, cx)?.settle()?;
                let right = right.eval(frame, cx)?;
                Val::bool(left.as_slice().is_some_and(|left| operators::is_in(left, &right, *negated)))
            }
            Step::InSet { negated, left, set } => {
                let found = left.on_slice(frame, cx, |slice| set.contains(slice))?;
                Val::bool(found != *negated)
            }
            Step::Like { negated, text, pattern } => {
                let found = text.on_slice(frame, cx, |slice| pattern.matches(&convert::to_text(slice)))?;
                Val::bool(found != *negated)
            }
            Step::LikeDynamic { negated, text, pattern } => {
                let pattern = pattern.on_slice(frame, cx, |slice| LikePattern::new(&convert::to_text(slice), false))?;
                let found = text.on_slice(frame, cx, |slice| pattern.matches(&convert::to_text(slice)))?;
                Val::bool(found != *negated)
            }
            Step::Matches { negated, function, arguments } => {
                let found = call(function, arguments, frame, cx)?;
                if found.as_slice().is_null() { Val::Value(found) } else { Val::bool(convert::to_bool(found.as_slice()) != *negated) }
            }
            Step::And(operands) => return first_operand(operands, false, frame, cx),
            Step::Or(operands) => return first_operand(operands, true, frame, cx),
            Step::Ternary(condition, then, otherwise) => {
                let value = condition.eval(frame, cx)?;
                return match (value.truth()?, then) {
                    (true, None) => Ok(value),
                    (true, Some(then)) => then.eval(frame, cx),
                    (false, _) => otherwise.eval(frame, cx),
                };
            }
            Step::Range(low, high) => {
                let low = low.on_slice(frame, cx, convert::truncate)?;
                Val::Range(low, high.on_slice(frame, cx, convert::truncate)?)
            }
            Step::Array(..) | Step::Object(..) => {
                let mut builder = Builder::new();
                self.build(frame, cx, &mut builder)?;
                Val::Value(finish(builder)?)
            }
            Step::ObjectComputed(entries) => Val::Value(array::computed_object(entries, frame, cx)?),
            Step::Call(function, arguments) => Val::Value(call(function, arguments, frame, cx)?),
            Step::ArrayCompare(step) => Val::bool(step.eval(frame, cx)?),
            Step::Expansion(step) => Val::Value(step.eval(frame, cx)?),
            Step::Collection(name) => Val::Value(all_documents(name, cx)?),
            Step::CollectionCount(name) => Val::Value(Value::uint(cx.source()?.count(name)?)),
        })
    }

    /// Evaluates and looks at the result in place.
    fn on_slice<T>(&self, frame: &Frame<'_>, cx: &mut FunctionContext, look: impl FnOnce(Slice<'_>) -> T) -> Result<T> {
        let value = self.eval(frame, cx)?.settle()?;
        match value.as_slice() {
            Some(slice) => Ok(look(slice)),
            None => Ok(look(Value::null().as_slice())),
        }
    }

    /// Evaluates straight into a builder, so that nested arrays and objects are written once.
    fn build(&self, frame: &Frame<'_>, cx: &mut FunctionContext, builder: &mut Builder) -> Result<()> {
        match self {
            Step::Array(members) => {
                builder.open_array();
                for member in members {
                    member.build(frame, cx, builder)?;
                }
                builder.close();
            }
            Step::Object(entries) => {
                builder.open_object();
                for (name, value) in entries {
                    builder.key(name);
                    value.build(frame, cx, builder)?;
                }
                builder.close();
            }
            other => other.on_slice(frame, cx, |slice| {
                builder.add(slice);
            })?,
        }
        Ok(())
    }
}

fn finish(mut builder: Builder) -> Result<Value> {
    builder.finish().map_err(|error| Error::internal(error.to_string()))
}

fn attribute<'a>(slice: Slice<'a>, name: &str) -> Option<Slice<'a>> {
    if slice.is_object() { slice.get(name) } else { None }
}

/// A part of a value, in place if the value is.
fn member<'a>(base: Val<'a>, part: impl for<'s> FnOnce(Slice<'s>) -> Option<Slice<'s>>) -> Val<'a> {
    match base {
        Val::Slice(slice) => part(slice).map_or_else(Val::null, Val::Slice),
        Val::Value(value) => part(value.as_slice()).map_or_else(Val::null, |slice| Val::Value(slice.to_value())),
        Val::Range(..) => Val::null(),
    }
}

/// The first operand whose truth is `wanted`, else the last one.
fn first_operand<'a>(operands: &'a [Step], wanted: bool, frame: &Frame<'a>, cx: &mut FunctionContext) -> Result<Val<'a>> {
    let mut last = Val::bool(!wanted);
    for operand in operands {
        last = operand.eval(frame, cx)?;
        if last.truth()? == wanted {
            break;
        }
    }
    Ok(last)
}

fn call(function: &Function, arguments: &[Step], frame: &Frame<'_>, cx: &mut FunctionContext) -> Result<Value> {
    let mut values = Vec::with_capacity(arguments.len());
    for argument in arguments {
        values.push(argument.eval(frame, cx)?.into_value()?);
    }
    (function.run)(&values, cx)
}

fn all_documents(collection: &str, cx: &mut FunctionContext) -> Result<Value> {
    let mut documents = cx.source()?.scan(collection, &crate::source::ScanSpec::default())?;
    let mut all = Vec::new();
    while documents.next(crate::block::BLOCK_ROWS_MAX, &mut all)? {}
    Ok(Value::array(all))
}
