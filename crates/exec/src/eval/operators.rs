//! Operators on values: arithmetic, comparison, membership, index access.

use super::Val;
use super::compile::CompareOp;
use crate::convert::{self, to_int, to_number};
use crate::functions::FunctionContext;
use aql::expr::BinaryOp;
use base::code;
use std::cmp::Ordering;
use std::collections::HashMap;
use velocypack::{Slice, Value, order};

/// Arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArithmeticOp {
    Plus,
    Minus,
    Times,
    Div,
    Mod,
}

impl ArithmeticOp {
    pub(super) fn of(op: BinaryOp) -> Option<Self> {
        Some(match op {
            BinaryOp::Plus => Self::Plus,
            BinaryOp::Minus => Self::Minus,
            BinaryOp::Times => Self::Times,
            BinaryOp::Div => Self::Div,
            BinaryOp::Mod => Self::Mod,
            _ => return None,
        })
    }
}

/// Integers stay integers while they fit; everything else is computed with doubles.
pub(super) fn arithmetic(op: ArithmeticOp, left: Slice<'_>, right: Slice<'_>, cx: &mut FunctionContext) -> Value {
    if let (Some(a), Some(b)) = (to_int(left), to_int(right)) {
        let exact = match op {
            ArithmeticOp::Plus => a.checked_add(b),
            ArithmeticOp::Minus => a.checked_sub(b),
            ArithmeticOp::Times => a.checked_mul(b),
            ArithmeticOp::Div => a.checked_rem(b).filter(|rest| *rest == 0).and_then(|_| a.checked_div(b)),
            ArithmeticOp::Mod => a.checked_rem(b),
        };
        if let Some(number) = exact {
            return Value::int(number);
        }
    }
    let (a, b) = (to_number(left), to_number(right));
    if b == 0.0 && matches!(op, ArithmeticOp::Div | ArithmeticOp::Mod) {
        cx.warn_code(code::QUERY_DIVISION_BY_ZERO);
        return Value::null();
    }
    convert::number(match op {
        ArithmeticOp::Plus => a + b,
        ArithmeticOp::Minus => a - b,
        ArithmeticOp::Times => a * b,
        ArithmeticOp::Div => a / b,
        ArithmeticOp::Mod => a % b,
    })
}

/// `-x`.
pub(super) fn negate(slice: Slice<'_>) -> Value {
    match to_int(slice).and_then(i64::checked_neg) {
        Some(number) => Value::int(number),
        // 0 - x rather than -x: there is no negative zero in AQL.
        None => convert::number(0.0 - to_number(slice)),
    }
}

/// `+x`.
pub(super) fn plus(slice: Slice<'_>) -> Value {
    if slice.is_number() { slice.to_value() } else { convert::number(to_number(slice)) }
}

pub(super) fn compare(op: CompareOp, left: Slice<'_>, right: Slice<'_>) -> bool {
    match op {
        CompareOp::Eq => order::equal(left, right),
        CompareOp::Ne => !order::equal(left, right),
        CompareOp::Lt => order::compare(left, right) == Ordering::Less,
        CompareOp::Le => order::compare(left, right) != Ordering::Greater,
        CompareOp::Gt => order::compare(left, right) == Ordering::Greater,
        CompareOp::Ge => order::compare(left, right) != Ordering::Less,
    }
}

/// `left IN right`. Compat: if `right` is no array, both `IN` and `NOT IN` are false.
pub(super) fn is_in(left: Slice<'_>, right: &Val<'_>, negated: bool) -> bool {
    let found = match right {
        Val::Range(low, high) => is_in_range(left, *low, *high),
        other => match other.as_slice().filter(|slice| slice.is_array()) {
            Some(members) => members.elements().any(|member| order::equal(left, member)),
            None => return false,
        },
    };
    found != negated
}

fn is_in_range(left: Slice<'_>, low: i64, high: i64) -> bool {
    let (low, high) = (low.min(high), low.max(high));
    match to_int(left) {
        Some(number) => (low..=high).contains(&number),
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the check after it catches both")]
        None => left.as_f64().is_some_and(|number| {
            let whole = number as i64;
            whole as f64 == number && (low..=high).contains(&whole)
        }),
    }
}

/// `base[index]`.
pub(super) fn indexed<'a>(base: Slice<'a>, index: Slice<'_>) -> Option<Slice<'a>> {
    if base.is_array() {
        let position = match index.as_str() {
            Some(text) => convert::text_to_number(text)?,
            None => index.as_f64()?,
        };
        #[expect(clippy::cast_possible_truncation, reason = "saturation is wanted")]
        let position = position as i64;
        let position = if position < 0 { position.checked_add(i64::try_from(base.len()).ok()?)? } else { position };
        return base.at(usize::try_from(position).ok()?);
    }
    if base.is_object() {
        return match index.as_str() {
            Some(name) => base.get(name),
            None if index.is_number() => base.get(&convert::to_text(index)),
            None => None,
        };
    }
    None
}

/// The members of a constant array, found by hash.
pub(super) struct ConstSet {
    array: Value,
    by_hash: HashMap<u64, Vec<u32>>,
}

impl ConstSet {
    pub(super) fn new(array: Value) -> Self {
        let mut by_hash: HashMap<u64, Vec<u32>> = HashMap::new();
        for (position, member) in (0_u32..).zip(array.as_slice().elements()) {
            by_hash.entry(velocypack::hash(member, 0)).or_default().push(position);
        }
        Self { array, by_hash }
    }

    pub(super) fn contains(&self, value: Slice<'_>) -> bool {
        let Some(positions) = self.by_hash.get(&velocypack::hash(value, 0)) else { return false };
        let members = self.array.as_slice();
        positions.iter().any(|&position| members.at(position as usize).is_some_and(|member| order::equal(member, value)))
    }
}
