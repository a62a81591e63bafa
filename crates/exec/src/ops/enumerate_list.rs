//! `EnumerateListNode`: a row for each element of an array or of a range. A range is not spelt out.

use super::inbox::{Inbox, Outbox};
use crate::block::{Block, Live};
use crate::eval::{Evaluator, Frame, Val, range_members};
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use aql::expr::{Expr, VarId};
use base::{Error, Result, code};
use velocypack::{Slice, Value};

pub(crate) struct EnumerateList {
    inbox: Inbox,
    outbox: Outbox,
    input: Input,
    current: Option<Elements>,
    live: Live,
}

enum Input {
    Variable(VarId),
    Range(Evaluator),
}

/// What is left of the list of the current row.
enum Elements {
    Array { array: Value, next: usize },
    Range(Box<dyn Iterator<Item = i64> + Send>),
}

impl EnumerateList {
    pub(crate) fn over_variable(input: VarId, out: VarId, live: Live) -> Self {
        Self::new(Input::Variable(input), out, live)
    }

    pub(crate) fn over_range(range: &Expr, out: VarId, live: Live) -> Result<Self> {
        Ok(Self::new(Input::Range(Evaluator::new(range)?), out, live))
    }

    fn new(input: Input, out: VarId, live: Live) -> Self {
        Self { inbox: Inbox::default(), outbox: Outbox::new(vec![out]), input, current: None, live }
    }

    fn open(&self, block: &Block, row: usize, run: &mut Run) -> Result<Elements> {
        match &self.input {
            Input::Variable(var) => array_elements(&block.value(*var, row)),
            Input::Range(range) => match range.eval(&Frame::new(block, row), &mut run.functions)? {
                Val::Range(low, high) => Ok(Elements::Range(range_members(low, high))),
                other => array_elements(&other.into_value()?),
            },
        }
    }
}

fn array_elements(value: &Value) -> Result<Elements> {
    let slice = value.as_slice();
    if !slice.is_array() {
        let text = format!("collection or array expected as operand to FOR loop; you provided a value of type '{}'", kind_name(slice));
        return Err(Error::new(code::QUERY_ARRAY_EXPECTED, text));
    }
    Ok(Elements::Array { array: value.clone(), next: 0 })
}

fn kind_name(slice: Slice<'_>) -> &'static str {
    if slice.is_null() {
        "null"
    } else if slice.is_bool() {
        "bool"
    } else if slice.is_number() {
        "number"
    } else if slice.is_string() {
        "string"
    } else {
        "object"
    }
}

impl Elements {
    fn next(&mut self) -> Option<Value> {
        match self {
            Self::Array { array, next } => {
                let element = array.as_slice().at(*next)?;
                *next += 1;
                Some(element.to_value())
            }
            Self::Range(numbers) => numbers.next().map(Value::int),
        }
    }
}

impl Operator for EnumerateList {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let Some(block) = self.inbox.block.take() else { return Ok(self.inbox.need(max)) };
        while self.outbox.len() < max && self.inbox.row < block.rows() {
            let mut elements = match self.current.take() {
                Some(elements) => elements,
                None => self.open(&block, self.inbox.row, run)?,
            };
            let mut exhausted = false;
            while self.outbox.len() < max && !exhausted {
                match elements.next() {
                    Some(element) => self.outbox.push(self.inbox.row, [element]),
                    None => exhausted = true,
                }
            }
            if exhausted {
                self.inbox.row += 1;
            } else {
                self.current = Some(elements);
            }
        }
        if self.outbox.is_empty() {
            return Ok(self.inbox.need(max));
        }
        let out = self.outbox.take(&block, &self.live);
        self.inbox.block = Some(block);
        Ok(Pull::Block(out))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, _run: &mut Run) {
        self.inbox.clear();
        self.outbox.clear();
        self.current = None;
    }
}
