//! Constant folding: an expression over constants becomes a constant.
//!
//! Integer `+`, `-`, `*` are calculated here and exactly, because the run time calculates in doubles
//! (Compat: ArangoDB folds with integers); everything else is left to the callback into `exec`.

use crate::compile::Fold;
use crate::expr::{BinaryOp, Expr, ObjectKey, UnaryOp};
use crate::functions;
use velocypack::{Slice, Value, order};

/// Is it true as a condition?
pub(crate) fn is_true(slice: Slice<'_>) -> bool {
    match (slice.as_bool(), slice.as_f64(), slice.as_str()) {
        (Some(flag), _, _) => flag,
        (_, Some(number), _) => number != 0.0 && !number.is_nan(),
        (_, _, Some(text)) => !text.is_empty(),
        _ => slice.is_array() || slice.is_object(),
    }
}

/// Folds the top of an expression whose operands are folded already.
pub(crate) fn fold_top(expr: Expr, fold: Fold<'_>) -> Expr {
    let expr = match shortcut(expr) {
        Ok(done) => return done,
        Err(expr) => expr,
    };
    let mut constant = !matches!(expr, Expr::Const(_) | Expr::Var(_) | Expr::Collection(_) | Expr::UserCall(..) | Expr::Range(..));
    if let Expr::Call(name, _) = &expr {
        constant = functions::lookup(name).is_some_and(|function| function.is_foldable);
    }
    if matches!(expr, Expr::Expansion(_)) {
        // Its parts read the iterator; the callback knows whether anything else is free.
        constant = expr_is_closed(&expr);
    } else {
        expr.each_child(&mut |child| constant = constant && matches!(child, Expr::Const(_)));
    }
    if !constant {
        return expr;
    }
    match integers(&expr).or_else(|| literal(&expr)).or_else(|| fold(&expr)) {
        Some(value) => Expr::Const(value),
        None => expr,
    }
}

fn expr_is_closed(expr: &Expr) -> bool {
    let mut reads = crate::variables::VarSet::new();
    expr.reads(&mut reads);
    let foldable = |expr: &Expr| match expr {
        Expr::UserCall(..) | Expr::Collection(_) => true,
        Expr::Call(name, _) => functions::lookup(name).is_none_or(|function| !function.is_foldable),
        _ => false,
    };
    reads.is_empty() && !expr.any(&foldable)
}

/// Logical operators and ternaries whose first operands are constant.
fn shortcut(expr: Expr) -> Result<Expr, Expr> {
    match expr {
        Expr::And(operands) => Ok(join(operands, true)),
        Expr::Or(operands) => Ok(join(operands, false)),
        Expr::Ternary(condition, then, otherwise) => match (&*condition, then) {
            (Expr::Const(value), Some(then)) => Ok(if is_true(value.as_slice()) { *then } else { *otherwise }),
            (Expr::Const(value), None) => Ok(if is_true(value.as_slice()) { *condition } else { *otherwise }),
            (_, then) => Err(Expr::Ternary(condition, then, otherwise)),
        },
        Expr::Unary(UnaryOp::Not, operand) => match *operand {
            Expr::Const(value) => Ok(Expr::Const(Value::bool(!is_true(value.as_slice())))),
            other => Err(Expr::Unary(UnaryOp::Not, Box::new(other))),
        },
        Expr::Attribute(base, name) => match *base {
            Expr::Const(value) => Ok(Expr::Const(value.as_slice().get(&name).map_or_else(Value::null, Slice::to_value))),
            other => Err(Expr::Attribute(Box::new(other), name)),
        },
        other => Err(other),
    }
}

/// `&&` (or `||`) of the operands: a constant that decides ends it, one that does not is dropped
/// unless it is the last, whose value is the result.
fn join(operands: Vec<Expr>, all: bool) -> Expr {
    let mut kept: Vec<Expr> = Vec::with_capacity(operands.len());
    let count = operands.len();
    for (position, operand) in operands.into_iter().enumerate() {
        if let Expr::Const(value) = &operand {
            let decides = is_true(value.as_slice()) != all;
            if decides {
                kept.push(operand);
                break;
            }
            if position + 1 < count {
                continue;
            }
        }
        kept.push(operand);
    }
    match kept.len() {
        1 => kept.pop().unwrap_or(Expr::Const(Value::null())),
        _ if all => Expr::And(kept),
        _ => Expr::Or(kept),
    }
}

fn integers(expr: &Expr) -> Option<Value> {
    let int = |expr: &Expr| match expr {
        Expr::Const(value) if !is_double(value) => value.as_slice().as_i64(),
        _ => None,
    };
    let number = match expr {
        Expr::Unary(UnaryOp::Minus, operand) => {
            if let (Expr::Const(value), None) = (&**operand, int(operand)) {
                return is_double(value).then(|| value.as_slice().as_f64()).flatten().map(|number| Value::double(-number));
            }
            int(operand)?.checked_neg()?
        }
        Expr::Unary(UnaryOp::Plus, operand) => int(operand)?,
        Expr::Binary(BinaryOp::Plus, left, right) => int(left)?.checked_add(int(right)?)?,
        Expr::Binary(BinaryOp::Minus, left, right) => int(left)?.checked_sub(int(right)?)?,
        Expr::Binary(BinaryOp::Times, left, right) => int(left)?.checked_mul(int(right)?)?,
        _ => return None,
    };
    Some(Value::int(number))
}

fn is_double(value: &Value) -> bool {
    value.as_slice().kind() == velocypack::Kind::Double
}

/// Array and object literals, comparisons: what needs no run time.
fn literal(expr: &Expr) -> Option<Value> {
    let constant = |expr: &Expr| match expr {
        Expr::Const(value) => Some(value.clone()),
        _ => None,
    };
    match expr {
        Expr::Array(items) => Some(Value::array(items.iter().map(constant).collect::<Option<Vec<_>>>()?)),
        Expr::Object(entries) => {
            let mut members: Vec<(&str, Value)> = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let ObjectKey::Name(name) = key else { return None };
                let value = constant(value)?;
                // A later entry of the same name wins.
                members.retain(|(known, _)| known != name);
                members.push((name, value));
            }
            Some(Value::object(members))
        }
        Expr::Binary(op, left, right) => {
            let (left, right) = (constant(left)?, constant(right)?);
            let (left, right) = (left.as_slice(), right.as_slice());
            Some(Value::bool(match op {
                BinaryOp::Eq => order::equal(left, right),
                BinaryOp::Ne => !order::equal(left, right),
                BinaryOp::Lt => order::compare(left, right).is_lt(),
                BinaryOp::Le => order::compare(left, right).is_le(),
                BinaryOp::Gt => order::compare(left, right).is_gt(),
                BinaryOp::Ge => order::compare(left, right).is_ge(),
                _ => return None,
            }))
        }
        _ => None,
    }
}
