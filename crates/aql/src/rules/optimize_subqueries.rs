//! `optimize-subqueries`: a subquery of which only the first element, or whether there is one, is wanted
//! stops after one row.

use crate::expr::{BinaryOp, Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let NodeKind::Subquery { plan: inner, out, .. } = &plan.nodes[at].kind else { continue };
        let has_limit = inner.nodes.iter().any(|node| matches!(node.kind, NodeKind::Limit { .. }));
        let single = inner.nodes.len() <= 2;
        if inner.is_modification() || has_limit || single || !only_first_matters(plan, *out) {
            continue;
        }
        let limit = cx.node(NodeKind::Limit { offset: 0, count: 1, full_count: false });
        if let NodeKind::Subquery { plan: inner, .. } = &mut plan.nodes[at].kind {
            let end = inner.nodes.len() - 1;
            inner.nodes.insert(end, limit);
            changed = true;
        }
    }
    Ok(changed)
}

fn only_first_matters(plan: &Plan, var: VarId) -> bool {
    let mut used = false;
    for node in &plan.nodes {
        if !node.kind.reads().contains(&var) {
            continue;
        }
        used = true;
        let NodeKind::Calculation { expr, .. } = &node.kind else { return false };
        if first_uses(expr, var) != expr.occurrences(var) {
            return false;
        }
    }
    used
}

/// Occurrences of the variable that ask for no more than its first element.
fn first_uses(expr: &Expr, var: VarId) -> usize {
    let is_var = |expr: &Expr| *expr == Expr::Var(var);
    let number = |expr: &Expr, number: f64| matches!(expr, Expr::Const(value) if value.as_slice().as_f64() == Some(number));
    let is_length = |expr: &Expr| matches!(expr, Expr::Call(name, args) if name == "LENGTH" && args.first().is_some_and(is_var));
    let own = match expr {
        Expr::Call(name, args) if name == "FIRST" => args.first().is_some_and(is_var),
        Expr::Indexed(base, index) => is_var(base) && number(index, 0.0),
        Expr::Binary(BinaryOp::Gt | BinaryOp::Ne | BinaryOp::Eq, left, right) => is_length(left) && number(right, 0.0),
        Expr::Binary(BinaryOp::Ge | BinaryOp::Lt, left, right) => is_length(left) && number(right, 1.0),
        _ => false,
    };
    if own {
        return 1;
    }
    let mut count = 0;
    expr.each_child(&mut |child| count += first_uses(child, var));
    count
}
