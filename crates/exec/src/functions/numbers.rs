//! Arithmetic of single numbers, and `RANGE`.
//!
//! Compat: arguments that are no numbers are converted, and results that are not finite are null,
//! both silently.

use super::arguments::{integer, mismatch, number, slice};
use super::{Function, FunctionContext, pure, volatile};
use crate::convert;
use base::{Error, Result, code};
use velocypack::{Builder, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("ABS", 1, 1, |args, _| map(args, f64::abs)),
    pure("ACOS", 1, 1, |args, _| map(args, f64::acos)),
    pure("ASIN", 1, 1, |args, _| map(args, f64::asin)),
    pure("ATAN", 1, 1, |args, _| map(args, f64::atan)),
    pure("ATAN2", 2, 2, |args, _| Ok(convert::number(number(args, 0).atan2(number(args, 1))))),
    pure("CEIL", 1, 1, |args, _| map(args, f64::ceil)),
    pure("FLOOR", 1, 1, |args, _| map(args, f64::floor)),
    pure("ROUND", 1, 1, |args, _| map(args, |number| (number + 0.5).floor())),
    pure("COS", 1, 1, |args, _| map(args, f64::cos)),
    pure("SIN", 1, 1, |args, _| map(args, f64::sin)),
    pure("TAN", 1, 1, |args, _| map(args, f64::tan)),
    pure("DEGREES", 1, 1, |args, _| map(args, |radians| radians * (180.0 / std::f64::consts::PI))),
    pure("RADIANS", 1, 1, |args, _| map(args, |degrees| degrees * (std::f64::consts::PI / 180.0))),
    pure("EXP", 1, 1, |args, _| map(args, f64::exp)),
    pure("EXP2", 1, 1, |args, _| map(args, f64::exp2)),
    pure("LOG", 1, 1, |args, _| map(args, f64::ln)),
    pure("LOG2", 1, 1, |args, _| map(args, f64::log2)),
    pure("LOG10", 1, 1, |args, _| map(args, f64::log10)),
    pure("POW", 2, 2, |args, _| Ok(convert::number(number(args, 0).powf(number(args, 1))))),
    pure("SQRT", 1, 1, |args, _| map(args, f64::sqrt)),
    pure("PI", 0, 0, |_, _| Ok(Value::double(std::f64::consts::PI))),
    volatile("RAND", 0, 0, |_, cx| Ok(Value::double(cx.random_f64()))),
    volatile("RANDOM", 0, 0, |_, cx| Ok(Value::double(cx.random_f64()))),
    pure("RANGE", 2, 3, range),
];

/// Limit: members of an array made by `RANGE`.
const RANGE_MAX: f64 = 10_000_000.0;

fn map(args: &[Value], function: impl Fn(f64) -> f64) -> Result<Value> {
    // Adding 0.0 turns -0.0 into 0.0.
    Ok(convert::number(function(number(args, 0)) + 0.0))
}

fn range(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if args.len() < 3 || slice(args, 2).is_null() {
        return whole_range(integer(args, 0), integer(args, 1));
    }
    let (start, stop, step) = (number(args, 0), number(args, 1), number(args, 2));
    if step == 0.0 || (start < stop && step < 0.0) || (start > stop && step > 0.0) {
        return mismatch(cx, "RANGE");
    }
    let count = ((stop - start) / step).floor() + 1.0;
    if !count.is_finite() || count > RANGE_MAX {
        return Err(too_big());
    }
    let mut builder = Builder::new();
    builder.open_array();
    let mut member = start;
    // Counting ends also where a step is too small to change a large number.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and RANGE_MAX")]
    for _ in 0..=count as usize {
        let is_beyond = if step > 0.0 { member > stop } else { member < stop };
        if is_beyond {
            break;
        }
        builder.double(member);
        member += step;
    }
    finish(&mut builder)
}

fn whole_range(start: i64, stop: i64) -> Result<Value> {
    #[expect(clippy::cast_precision_loss, reason = "only compared with a small limit")]
    if start.abs_diff(stop) as f64 >= RANGE_MAX {
        return Err(too_big());
    }
    let mut builder = Builder::new();
    builder.open_array();
    let mut add = |number| {
        builder.int(number);
    };
    if start <= stop {
        (start..=stop).for_each(&mut add)
    } else {
        (stop..=start).rev().for_each(&mut add)
    }
    finish(&mut builder)
}

fn finish(builder: &mut Builder) -> Result<Value> {
    builder.close().finish().map_err(|error| Error::internal(error.to_string()))
}

fn too_big() -> Error {
    Error::new(code::QUERY_NUMBER_OUT_OF_RANGE, "range is too big to be materialized")
}
