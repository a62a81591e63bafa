//! Questions about a plan's pipeline that several rules ask.

use crate::expr::{Expr, VarId};
use crate::plan::{NodeKind, Plan};

/// May yield more than one row per input row.
pub(super) fn is_loop(kind: &NodeKind) -> bool {
    matches!(
        kind,
        NodeKind::EnumerateCollection(_)
            | NodeKind::Index(_)
            | NodeKind::EnumerateList { .. }
            | NodeKind::Traversal(_)
            | NodeKind::Paths(_)
            | NodeKind::Gather { .. }
    )
}

/// Nothing may move across it: it counts rows, ends the life of variables or writes.
pub(super) fn is_barrier(kind: &NodeKind) -> bool {
    matches!(
        kind,
        NodeKind::Singleton
            | NodeKind::Limit { .. }
            | NodeKind::Collect(_)
            | NodeKind::Window(_)
            | NodeKind::Return { .. }
            | NodeKind::NoResults
            | NodeKind::Modify(_)
            | NodeKind::Upsert(_)
            | NodeKind::Remote { .. }
            | NodeKind::Scatter
            | NodeKind::Gather { .. }
    ) || kind.is_modification()
}

/// The expression that a variable is calculated from.
pub(super) fn definition(plan: &Plan, var: VarId) -> Option<&Expr> {
    plan.nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Calculation { expr, out } if *out == var => Some(expr),
        _ => None,
    })
}

/// How many times nodes (also of subqueries) read the variable.
pub(super) fn uses(plan: &Plan, var: VarId) -> usize {
    plan.nodes.iter().map(|node| node_uses(&node.kind, var)).sum()
}

pub(super) fn node_uses(kind: &NodeKind, var: VarId) -> usize {
    match kind {
        NodeKind::Subquery { plan, .. } => uses(plan, var),
        _ => {
            let mut count = 0;
            kind.each_expr(&mut |expr| count += expr.occurrences(var));
            // Reads outside expressions count once per node, which is enough to know whether there is one.
            count + usize::from(count == 0 && kind.reads().contains(&var))
        }
    }
}

/// The operands of `&&`, all the way down.
pub(super) fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::And(operands) => operands.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// `&&` of the operands; `true` of none.
pub(super) fn conjunction(mut operands: Vec<Expr>) -> Expr {
    match operands.len() {
        0 => Expr::Const(velocypack::Value::bool(true)),
        1 => operands.remove(0),
        _ => Expr::And(operands),
    }
}
