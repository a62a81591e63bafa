//! The aggregations of `COLLECT` and `WINDOW`.
//!
//! `X_STEP1` runs on shards and yields what `X_STEP2` on the coordinator merges. Aggregations never
//! warn: a value that does not fit makes the result `null`.

use super::key_table::KeyTable;
use crate::block::value_bytes;
use crate::convert;
use base::{Error, Result, code};
use std::cmp::Ordering;
use velocypack::{Slice, Value, order};

/// Which aggregation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregation {
    Length,
    Sum,
    Average,
    Min,
    Max,
    Unique,
    SortedUnique,
    CountDistinct,
    Variance(Spread),
    Bits(BitOp),
    Push,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitOp {
    And,
    Or,
    Xor,
}

/// Which measure of spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    sample: bool,
    deviation: bool,
}

/// Whole, or a half of a distributed aggregation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Step1,
    Step2,
}

/// An aggregation as a plan names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    aggregation: Aggregation,
    part: Part,
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Result<Self> {
        let (base, part) = match (name.strip_suffix("_STEP1"), name.strip_suffix("_STEP2")) {
            (Some(base), _) => (base, Part::Step1),
            (_, Some(base)) => (base, Part::Step2),
            _ => (name, Part::Whole),
        };
        let spread = |sample, deviation| Aggregation::Variance(Spread { sample, deviation });
        let aggregation = match base {
            "LENGTH" | "COUNT" => Aggregation::Length,
            "SUM" => Aggregation::Sum,
            "AVERAGE" | "AVG" => Aggregation::Average,
            "MIN" => Aggregation::Min,
            "MAX" => Aggregation::Max,
            "UNIQUE" => Aggregation::Unique,
            "SORTED_UNIQUE" => Aggregation::SortedUnique,
            "COUNT_DISTINCT" | "COUNT_UNIQUE" => Aggregation::CountDistinct,
            "VARIANCE" | "VARIANCE_POPULATION" => spread(false, false),
            "VARIANCE_SAMPLE" => spread(true, false),
            "STDDEV" | "STDDEV_POPULATION" => spread(false, true),
            "STDDEV_SAMPLE" => spread(true, true),
            "BIT_AND" => Aggregation::Bits(BitOp::And),
            "BIT_OR" => Aggregation::Bits(BitOp::Or),
            "BIT_XOR" => Aggregation::Bits(BitOp::Xor),
            "PUSH" => Aggregation::Push,
            _ => return Err(Error::new(code::QUERY_INVALID_AGGREGATE_EXPRESSION, format!("unknown aggregate function {name}"))),
        };
        Ok(Self { aggregation, part })
    }
}

/// An aggregation under way.
pub(crate) struct Accumulator {
    kind: Kind,
    state: State,
}

enum State {
    Length(u64),
    Numbers(Numbers),
    Best(Option<Value>),
    Distinct(KeyTable),
    Bits(Option<u64>, bool),
    List(Vec<Value>),
}

/// Running mean and squared distance after Welford, and the sum.
#[derive(Clone, Copy, Default)]
struct Numbers {
    rows: u64,
    count: f64,
    sum: f64,
    mean: f64,
    squares: f64,
    is_spoilt: bool,
}

impl Accumulator {
    pub(crate) fn new(kind: Kind) -> Self {
        let state = match kind.aggregation {
            Aggregation::Length => State::Length(0),
            Aggregation::Sum | Aggregation::Average | Aggregation::Variance(_) => State::Numbers(Numbers::default()),
            Aggregation::Min | Aggregation::Max => State::Best(None),
            Aggregation::Unique | Aggregation::SortedUnique | Aggregation::CountDistinct => State::Distinct(KeyTable::new(1)),
            Aggregation::Bits(_) => State::Bits(None, false),
            Aggregation::Push => State::List(Vec::new()),
        };
        Self { kind, state }
    }

    /// Takes a row's value in (`None`: the aggregation has no argument). Answers with the bytes of
    /// memory that it took.
    pub(crate) fn add(&mut self, value: Option<Slice<'_>>) -> u64 {
        let null = Value::null();
        let slice = value.unwrap_or_else(|| null.as_slice());
        match &mut self.state {
            State::Length(rows) => {
                *rows +=
                    if self.kind.part == Part::Step2 { convert::to_int(slice).and_then(|n| u64::try_from(n).ok()).unwrap_or(0) } else { 1 };
            }
            State::Numbers(numbers) if self.kind.part == Part::Step2 => numbers.merge(slice),
            State::Numbers(numbers) => numbers.add(slice),
            State::Best(best) => return better(best, slice, self.kind.aggregation),
            State::Distinct(set) if self.kind.part == Part::Step2 => return slice.elements().map(|member| add_distinct(set, member)).sum(),
            State::Distinct(set) => return add_distinct(set, slice),
            State::Bits(bits, is_spoilt) => add_bits(bits, is_spoilt, slice, self.kind.aggregation),
            State::List(list) if self.kind.part == Part::Step2 => {
                let before = list.len();
                list.extend(slice.elements().map(|member| member.to_value()));
                return list.iter().skip(before).map(value_bytes).sum();
            }
            State::List(list) => {
                list.push(slice.to_value());
                return slice.byte_len() as u64 + 32;
            }
        }
        0
    }

    /// The result so far.
    pub(crate) fn result(&self) -> Value {
        match &self.state {
            State::Length(rows) => Value::uint(*rows),
            State::Numbers(numbers) => numbers.result(self.kind),
            State::Best(best) => best.clone().unwrap_or_else(Value::null),
            State::Distinct(set) => distinct_result(set, self.kind),
            State::Bits(_, true) | State::Bits(None, _) => Value::null(),
            State::Bits(Some(bits), false) => Value::uint(*bits),
            State::List(list) => Value::array(list.iter().cloned()),
        }
    }
}

fn better(best: &mut Option<Value>, slice: Slice<'_>, aggregation: Aggregation) -> u64 {
    let wanted = match aggregation {
        // MIN skips nulls, MAX takes everything.
        Aggregation::Min if slice.is_null() => return 0,
        Aggregation::Min => Ordering::Less,
        _ => Ordering::Greater,
    };
    if best.as_ref().is_none_or(|best| order::compare(slice, best.as_slice()) == wanted) {
        *best = Some(slice.to_value());
    }
    0
}

fn add_distinct(set: &mut KeyTable, slice: Slice<'_>) -> u64 {
    if set.insert(&[slice]).1 { slice.byte_len() as u64 + 64 } else { 0 }
}

fn distinct_result(set: &KeyTable, kind: Kind) -> Value {
    match (kind.aggregation, kind.part) {
        (Aggregation::CountDistinct, Part::Whole | Part::Step2) => Value::uint(set.len() as u64),
        (Aggregation::SortedUnique, Part::Whole | Part::Step2) => {
            let mut values = set.values().to_vec();
            values.sort_by(|a, b| order::compare(a.as_slice(), b.as_slice()));
            Value::array(values)
        }
        _ => Value::array(set.values().iter().cloned()),
    }
}

fn add_bits(bits: &mut Option<u64>, is_spoilt: &mut bool, slice: Slice<'_>, aggregation: Aggregation) {
    if slice.is_null() {
        return;
    }
    let Some(number) = slice.as_f64().filter(|number| (0.0..=4_294_967_295.0).contains(number)) else {
        *is_spoilt = true;
        return;
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range has been checked, fractions are cut off")]
    let number = number as u64;
    *bits = Some(match (*bits, aggregation) {
        (None, _) => number,
        (Some(bits), Aggregation::Bits(BitOp::And)) => bits & number,
        (Some(bits), Aggregation::Bits(BitOp::Or)) => bits | number,
        (Some(bits), _) => bits ^ number,
    });
}

impl Numbers {
    fn add(&mut self, slice: Slice<'_>) {
        self.rows += 1;
        if slice.is_null() {
            return;
        }
        match slice.as_f64().filter(|number| number.is_finite()) {
            Some(number) => {
                self.count += 1.0;
                self.sum += number;
                let distance = number - self.mean;
                self.mean += distance / self.count;
                self.squares += distance * (number - self.mean);
            }
            None => self.is_spoilt = true,
        }
    }

    /// Takes in the `[rows, count, sum, mean, squares]` of a shard; `[rows, null]` is spoilt.
    fn merge(&mut self, part: Slice<'_>) {
        let number = |position| part.at(position).and_then(|member| member.as_f64());
        self.rows += part.at(0).and_then(|rows| rows.as_u64()).unwrap_or(0);
        let (Some(count), Some(sum), Some(mean), Some(squares)) = (number(1), number(2), number(3), number(4)) else {
            self.is_spoilt |= part.is_array();
            return;
        };
        if count == 0.0 {
            return;
        }
        let total = self.count + count;
        let distance = mean - self.mean;
        self.squares += squares + distance * distance * self.count * count / total;
        self.mean += distance * count / total;
        self.sum += sum;
        self.count = total;
    }

    fn result(&self, kind: Kind) -> Value {
        if kind.part == Part::Step1 {
            let head = Value::uint(self.rows);
            return if self.is_spoilt {
                Value::array([head, Value::null()])
            } else {
                let rest = [self.count, self.sum, self.mean, self.squares].map(convert::number);
                Value::array(std::iter::once(head).chain(rest))
            };
        }
        if self.is_spoilt || self.rows == 0 {
            return Value::null();
        }
        match kind.aggregation {
            Aggregation::Sum => convert::number(self.sum),
            Aggregation::Variance(spread) => {
                let divisor = if spread.sample { self.count - 1.0 } else { self.count };
                if divisor <= 0.0 {
                    return Value::null();
                }
                let variance = self.squares / divisor;
                convert::number(if spread.deviation { variance.sqrt() } else { variance })
            }
            _ if self.count == 0.0 => Value::null(),
            _ => convert::number(self.sum / self.count),
        }
    }
}
