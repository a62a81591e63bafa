//! `replace-or-with-in`: `a == 1 || a == 2` is `a IN [1, 2]`, which one look-up list can answer.

use crate::expr::{BinaryOp, Expr};
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use crate::simplify;
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for node in &mut plan.nodes {
        if let NodeKind::Calculation { expr, .. } = &mut node.kind {
            changed |= rewrite(expr, cx);
        }
    }
    Ok(changed)
}

fn rewrite(expr: &mut Expr, cx: &Cx<'_>) -> bool {
    let mut changed = false;
    expr.each_child_mut(&mut |child| changed |= rewrite(child, cx));
    if let Expr::Or(operands) = expr
        && let Some((path, values)) = members(operands)
    {
        let list = simplify::fold_top(Expr::Array(values), cx.fold);
        *expr = Expr::Binary(BinaryOp::In, Box::new(path), Box::new(list));
        changed = true;
    }
    changed
}

/// The attribute that all operands compare, and the values.
fn members(operands: &[Expr]) -> Option<(Expr, Vec<Expr>)> {
    let mut path: Option<&Expr> = None;
    let mut values = Vec::with_capacity(operands.len());
    for operand in operands {
        let (attribute, mut compared) = comparison(operand)?;
        if path.is_some_and(|path| path != attribute) {
            return None;
        }
        path = Some(attribute);
        values.append(&mut compared);
    }
    Some((path?.clone(), values))
}

fn comparison(expr: &Expr) -> Option<(&Expr, Vec<Expr>)> {
    let attribute = |expr: &Expr| matches!(expr, Expr::Attribute(..)) && expr.as_path().is_some();
    match expr {
        Expr::Binary(BinaryOp::Eq, left, right) if attribute(left) && !attribute(right) && right.is_deterministic() => {
            Some((left, vec![(**right).clone()]))
        }
        Expr::Binary(BinaryOp::Eq, left, right) if attribute(right) && !attribute(left) && left.is_deterministic() => {
            Some((right, vec![(**left).clone()]))
        }
        Expr::Binary(BinaryOp::In, left, right) if attribute(left) => match &**right {
            Expr::Const(list) if list.as_slice().is_array() => {
                Some((left, list.as_slice().elements().map(|member| Expr::Const(member.to_value())).collect()))
            }
            Expr::Array(items) => Some((left, items.clone())),
            _ => None,
        },
        _ => None,
    }
}
