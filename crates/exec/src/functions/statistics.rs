//! Figures of arrays of numbers: sums, means, spreads.
//!
//! [`Moments`] is also what the aggregates of COLLECT and WINDOW use.

use super::arguments::{array_expected, mismatch, null, number, slice, text};
use super::{Function, FunctionContext, pure};
use crate::convert;
use base::{Result, code};
use std::cmp::Ordering;
use velocypack::{Slice, Value, order};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("SUM", 1, 1, |args, cx| fold(args, cx, 0.0, |sum, number| sum + number)),
    pure("PRODUCT", 1, 1, |args, cx| fold(args, cx, 1.0, |product, number| product * number)),
    pure("AVERAGE", 1, 1, average),
    pure("AVG", 1, 1, average),
    pure("MIN", 1, 1, |args, cx| extreme(args, cx, Ordering::Less)),
    pure("MAX", 1, 1, |args, cx| extreme(args, cx, Ordering::Greater)),
    pure("MEDIAN", 1, 1, median),
    pure("PERCENTILE", 2, 3, percentile),
    pure("STDDEV_POPULATION", 1, 1, |args, cx| spread(args, cx, |moments| moments.variance(0).map(f64::sqrt))),
    pure("STDDEV", 1, 1, |args, cx| spread(args, cx, |moments| moments.variance(0).map(f64::sqrt))),
    pure("STDDEV_SAMPLE", 1, 1, |args, cx| spread(args, cx, |moments| moments.variance(1).map(f64::sqrt))),
    pure("VARIANCE_POPULATION", 1, 1, |args, cx| spread(args, cx, |moments| moments.variance(0))),
    pure("VARIANCE", 1, 1, |args, cx| spread(args, cx, |moments| moments.variance(0))),
    pure("VARIANCE_SAMPLE", 1, 1, |args, cx| spread(args, cx, |moments| moments.variance(1))),
];

/// Count, mean and squared distance from the mean of a stream of numbers (Welford's method).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// Numbers so far.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Sum of the squares of their distances from the mean.
    pub squares: f64,
}

impl Moments {
    /// Takes one more number in.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn add(&mut self, number: f64) {
        self.count += 1;
        let distance = number - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (number - self.mean);
    }

    /// Joins the figures of two disjoint sets.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn join(self, other: Self) -> Self {
        if self.count == 0 {
            return other;
        }
        if other.count == 0 {
            return self;
        }
        let count = self.count + other.count;
        let distance = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        Self {
            count,
            mean: self.mean + distance * share,
            squares: self.squares + other.squares + distance * distance * self.count as f64 * share,
        }
    }

    /// Variance with the divisor `count - missing` (0: population, 1: sample); `None` for too few numbers.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn variance(&self, missing: u64) -> Option<f64> {
        let divisor = self.count.checked_sub(missing).filter(|divisor| *divisor > 0)?;
        Some(self.squares / divisor as f64)
    }
}

/// The numbers of an array without its nulls; `None` if another value is among them.
fn numbers(array: Slice<'_>) -> Option<Vec<f64>> {
    array.elements().filter(|member| !member.is_null()).map(Slice::as_f64).collect()
}

fn fold(args: &[Value], cx: &mut FunctionContext, start: f64, step: fn(f64, f64) -> f64) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    match numbers(array) {
        Some(numbers) => Ok(convert::number(numbers.into_iter().fold(start, step))),
        None => null(),
    }
}

fn average(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    let Some(numbers) = numbers(array) else { return array_expected(cx) };
    if numbers.is_empty() {
        return null();
    }
    #[expect(clippy::cast_precision_loss, reason = "an array has far fewer than 2^53 members")]
    Ok(convert::number(numbers.iter().sum::<f64>() / numbers.len() as f64))
}

fn extreme(args: &[Value], cx: &mut FunctionContext, wanted: Ordering) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    let members = array.elements().filter(|member| !member.is_null());
    let best = members.reduce(|best, member| if order::compare(member, best) == wanted { member } else { best });
    Ok(best.map_or_else(Value::null, Slice::to_value))
}

/// The numbers of the first argument, sorted; `None` after the warning for anything else.
fn sorted_numbers(args: &[Value], cx: &mut FunctionContext) -> Option<Vec<f64>> {
    let array = slice(args, 0);
    if !array.is_array() {
        cx.warn_code(code::QUERY_ARRAY_EXPECTED);
        return None;
    }
    let Some(mut numbers) = numbers(array) else {
        cx.warn_code(code::QUERY_INVALID_ARITHMETIC_VALUE);
        return None;
    };
    numbers.sort_by(f64::total_cmp);
    Some(numbers)
}

fn median(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(numbers) = sorted_numbers(args, cx) else { return null() };
    let middle = numbers.len() / 2;
    let Some(upper) = numbers.get(middle) else { return null() };
    let lower = if numbers.len().is_multiple_of(2) { numbers.get(middle.wrapping_sub(1)) } else { None };
    Ok(convert::number(lower.map_or(*upper, |lower| f64::midpoint(*lower, *upper))))
}

fn percentile(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if !slice(args, 0).is_array() {
        return array_expected(cx);
    }
    let share = number(args, 1);
    if !slice(args, 1).is_number() || !(0.0..=100.0).contains(&share) {
        return mismatch(cx, "PERCENTILE");
    }
    let interpolates = match text(args, 2).as_ref() {
        _ if args.len() < 3 => false,
        "rank" => false,
        "interpolation" => true,
        _ => return mismatch(cx, "PERCENTILE"),
    };
    let Some(numbers) = sorted_numbers(args, cx) else { return null() };
    let result = if interpolates { interpolated(&numbers, share) } else { ranked(&numbers, share) };
    Ok(result.map_or_else(Value::null, convert::number))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are small and not negative"
)]
fn ranked(numbers: &[f64], share: f64) -> Option<f64> {
    let rank = (share * numbers.len() as f64 / 100.0).ceil() as usize;
    numbers.get(rank.saturating_sub(1)).copied()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are small and not negative"
)]
fn interpolated(numbers: &[f64], share: f64) -> Option<f64> {
    let rank = share * (numbers.len() as f64 + 1.0) / 100.0;
    if rank < 1.0 {
        return numbers.first().copied();
    }
    if rank >= numbers.len() as f64 {
        return numbers.last().copied();
    }
    let (low, high) = (numbers.get(rank as usize - 1)?, numbers.get(rank as usize)?);
    Some(low + rank.fract() * (high - low))
}

fn spread(args: &[Value], cx: &mut FunctionContext, figure: fn(Moments) -> Option<f64>) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    let Some(numbers) = numbers(array) else {
        cx.warn_code(code::QUERY_INVALID_ARITHMETIC_VALUE);
        return null();
    };
    let mut moments = Moments::default();
    numbers.into_iter().for_each(|number| moments.add(number));
    Ok(figure(moments).map_or_else(Value::null, convert::number))
}

#[cfg(test)]
mod tests {
    use super::Moments;

    #[test]
    fn joined_moments_are_those_of_all_numbers() {
        let numbers: Vec<f64> = (0..20).map(|number| f64::from(number * number % 17)).collect();
        for cut in 0..=numbers.len() {
            let (mut left, mut right, mut all) = (Moments::default(), Moments::default(), Moments::default());
            let (head, tail) = numbers.split_at(cut);
            head.iter().for_each(|number| left.add(*number));
            tail.iter().for_each(|number| right.add(*number));
            numbers.iter().for_each(|number| all.add(*number));
            let joined = left.join(right);
            assert_eq!(joined.count, all.count);
            assert!((joined.variance(1).unwrap() - all.variance(1).unwrap()).abs() < 1e-9);
        }
        assert_eq!(Moments::default().variance(0), None);
    }
}
