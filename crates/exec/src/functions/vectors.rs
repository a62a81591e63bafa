//! Distances of vectors of numbers, and decays of scores with distance.

use super::arguments::{mismatch, null, slice};
use super::{Function, FunctionContext, pure};
use crate::convert;
use base::Result;
use velocypack::{Slice, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("COSINE_SIMILARITY", 2, 2, |args, cx| measure(args, cx, "COSINE_SIMILARITY", cosine)),
    pure("L1_DISTANCE", 2, 2, |args, cx| measure(args, cx, "L1_DISTANCE", |x, y| Some(x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum()))),
    pure("L2_DISTANCE", 2, 2, |args, cx| {
        measure(args, cx, "L2_DISTANCE", |x, y| Some(x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()))
    }),
    pure("DECAY_GAUSS", 5, 5, |args, cx| {
        decay(args, cx, "DECAY_GAUSS", |distance, scale, decay| decay.powf(distance * distance / (scale * scale)))
    }),
    pure("DECAY_EXP", 5, 5, |args, cx| decay(args, cx, "DECAY_EXP", |distance, scale, decay| decay.powf(distance / scale))),
    pure("DECAY_LINEAR", 5, 5, |args, cx| {
        decay(args, cx, "DECAY_LINEAR", |distance, scale, decay| (1.0 - (1.0 - decay) * distance / scale).max(0.0))
    }),
];

type Measure = fn(&[f64], &[f64]) -> Option<f64>;

fn vector(slice: Slice<'_>) -> Option<Vec<f64>> {
    if slice.is_array() { slice.elements().map(Slice::as_f64).collect() } else { None }
}

/// Applies a measure to two vectors, or to each row of a matrix and a vector.
fn measure(args: &[Value], cx: &mut FunctionContext, name: &str, measure: Measure) -> Result<Value> {
    let (x, y) = (slice(args, 0), slice(args, 1));
    let is_matrix = |slice: Slice<'_>| slice.at(0).is_some_and(Slice::is_array);
    let (rows, other, matrix) = match (is_matrix(x), is_matrix(y)) {
        (true, false) => (x.elements().map(vector).collect(), vector(y), true),
        (false, true) => (y.elements().map(vector).collect(), vector(x), true),
        _ => (vector(x).map(|vector| vec![vector]), vector(y), false),
    };
    let (Some(rows), Some(other)) = (rows, other) else { return mismatch(cx, name) };
    let mut results = Vec::with_capacity(rows.len());
    for row in rows {
        let result = if row.len() == other.len() { measure(&row, &other) } else { None };
        match result {
            Some(result) => results.push(convert::number(result)),
            None => return mismatch(cx, name),
        }
    }
    if matrix { Ok(Value::array(results)) } else { results.pop().map_or_else(null, Ok) }
}

fn cosine(x: &[f64], y: &[f64]) -> Option<f64> {
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let lengths = (product(x, x) * product(y, y)).sqrt();
    (lengths > 0.0).then(|| (product(x, y) / lengths).clamp(-1.0, 1.0))
}

fn decay(args: &[Value], cx: &mut FunctionContext, name: &str, curve: fn(f64, f64, f64) -> f64) -> Result<Value> {
    let number = |position| slice(args, position).as_f64();
    let (Some(origin), Some(scale), Some(offset), Some(decay)) = (number(1), number(2), number(3), number(4)) else {
        return mismatch(cx, name);
    };
    if scale <= 0.0 || offset < 0.0 || decay <= 0.0 || decay >= 1.0 {
        return mismatch(cx, name);
    }
    let apply = |value: f64| convert::number(curve(((value - origin).abs() - offset).max(0.0), scale, decay));
    let argument = slice(args, 0);
    match (argument.as_f64(), vector(argument)) {
        (Some(value), _) => Ok(apply(value)),
        (None, Some(values)) => Ok(Value::array(values.into_iter().map(apply))),
        (None, None) => mismatch(cx, name),
    }
}
