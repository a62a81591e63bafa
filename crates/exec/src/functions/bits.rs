//! Bit operations on unsigned 32-bit numbers.

use super::arguments::{mismatch, null, slice};
use super::{Function, FunctionContext, pure};
use base::Result;
use velocypack::{Slice, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("BIT_AND", 1, 2, |args, cx| fold(args, cx, "BIT_AND", |a, b| a & b)),
    pure("BIT_OR", 1, 2, |args, cx| fold(args, cx, "BIT_OR", |a, b| a | b)),
    pure("BIT_XOR", 1, 2, |args, cx| fold(args, cx, "BIT_XOR", |a, b| a ^ b)),
    pure("BIT_NEGATE", 2, 2, |args, cx| match (operand(slice(args, 0)), width(slice(args, 1))) {
        (Some(number), Some(width)) => Ok(Value::uint(!number & mask(width))),
        _ => mismatch(cx, "BIT_NEGATE"),
    }),
    pure("BIT_TEST", 2, 2, |args, cx| match (operand(slice(args, 0)), width(slice(args, 1))) {
        (Some(number), Some(index)) if index < 32 => Ok(Value::bool(number >> index & 1 == 1)),
        _ => mismatch(cx, "BIT_TEST"),
    }),
    pure("BIT_POPCOUNT", 1, 1, |args, cx| match operand(slice(args, 0)) {
        Some(number) => Ok(Value::uint(u64::from(number.count_ones()))),
        None => mismatch(cx, "BIT_POPCOUNT"),
    }),
    pure("BIT_SHIFT_LEFT", 3, 3, |args, cx| shift(args, cx, "BIT_SHIFT_LEFT", |number, by| number << by)),
    pure("BIT_SHIFT_RIGHT", 3, 3, |args, cx| shift(args, cx, "BIT_SHIFT_RIGHT", |number, by| number >> by)),
    pure("BIT_CONSTRUCT", 1, 1, construct),
    pure("BIT_DECONSTRUCT", 1, 1, |args, cx| match operand(slice(args, 0)) {
        Some(number) => Ok(Value::array((0..32_u64).filter(|index| number >> index & 1 == 1).map(Value::uint))),
        None => mismatch(cx, "BIT_DECONSTRUCT"),
    }),
    pure("BIT_TO_STRING", 2, 2, to_text),
    pure("BIT_FROM_STRING", 1, 1, from_text),
];

/// An operand: a number from 0 to 2^32 - 1, truncated.
pub(crate) fn operand(slice: Slice<'_>) -> Option<u64> {
    let number = slice.as_f64()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    (0.0..=4_294_967_295.0).contains(&number).then_some(number as u64)
}

/// A number of bits from 0 to 32.
fn width(slice: Slice<'_>) -> Option<u64> {
    operand(slice).filter(|width| *width <= 32)
}

fn mask(width: u64) -> u64 {
    (1 << width) - 1
}

fn fold(args: &[Value], cx: &mut FunctionContext, name: &str, join: fn(u64, u64) -> u64) -> Result<Value> {
    if let [left, right] = args {
        let operands = (operand(left.as_slice()), operand(right.as_slice()));
        return match operands {
            (Some(left), Some(right)) => Ok(Value::uint(join(left, right))),
            _ => mismatch(cx, name),
        };
    }
    let array = slice(args, 0);
    let operands: Option<Vec<u64>> = array.elements().filter(|member| !member.is_null()).map(operand).collect();
    match operands {
        Some(operands) if array.is_array() => operands.into_iter().reduce(join).map_or_else(null, |number| Ok(Value::uint(number))),
        _ => mismatch(cx, name),
    }
}

fn shift(args: &[Value], cx: &mut FunctionContext, name: &str, apply: fn(u64, u64) -> u64) -> Result<Value> {
    match (operand(slice(args, 0)), width(slice(args, 1)), width(slice(args, 2))) {
        (Some(number), Some(by), Some(bits)) => Ok(Value::uint(apply(number, by) & mask(bits))),
        _ => mismatch(cx, name),
    }
}

fn construct(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let array = slice(args, 0);
    let indexes: Option<Vec<u64>> = array.elements().map(|member| width(member).filter(|index| *index < 32)).collect();
    match indexes {
        Some(indexes) if array.is_array() => Ok(Value::uint(indexes.into_iter().fold(0, |number, index| number | 1 << index))),
        _ => mismatch(cx, "BIT_CONSTRUCT"),
    }
}

fn to_text(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (Some(number), Some(width)) = (operand(slice(args, 0)), width(slice(args, 1))) else {
        return mismatch(cx, "BIT_TO_STRING");
    };
    let digits: String = (0..width).rev().map(|index| if number >> index & 1 == 1 { '1' } else { '0' }).collect();
    Ok(Value::string(&digits))
}

fn from_text(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let digits = slice(args, 0).as_str().filter(|text| text.len() <= 32 && text.bytes().all(|digit| matches!(digit, b'0' | b'1')));
    match digits {
        Some(digits) => Ok(Value::uint(digits.bytes().fold(0, |number, digit| number << 1 | u64::from(digit - b'0')))),
        None => mismatch(cx, "BIT_FROM_STRING"),
    }
}
