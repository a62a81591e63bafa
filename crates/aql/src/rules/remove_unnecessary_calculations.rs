//! `remove-unnecessary-calculations`: calculations and subqueries that nobody reads go; one that only
//! one other calculation reads is put into it.
//!
//! Not if that would evaluate it more often (across a loop, inside an array expansion), nor if it has
//! effects. Subqueries are never put into something.

use super::pipeline::{is_loop, node_uses, uses};
use crate::expr::{Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in (0..plan.nodes.len()).rev() {
        let (NodeKind::Calculation { out, .. } | NodeKind::Subquery { out, .. }) = plan.nodes[at].kind else { continue };
        if !plan.nodes[at].kind.is_deterministic() {
            continue;
        }
        let total = uses(plan, out);
        if total == 0 {
            plan.nodes.remove(at);
            changed = true;
        } else if total == 1 {
            changed |= inline(plan, at, out);
        }
    }
    Ok(changed)
}

/// Puts the calculation at `at` into its only reader, if that is a calculation on the same level.
fn inline(plan: &mut Plan, at: usize, out: VarId) -> bool {
    let NodeKind::Calculation { expr, .. } = &plan.nodes[at].kind else { return false };
    let expr = expr.clone();
    let reader = (at + 1..plan.nodes.len()).find(|&position| node_uses(&plan.nodes[position].kind, out) > 0);
    let Some(reader) = reader else { return false };
    let ends_life = |kind: &NodeKind| is_loop(kind) || matches!(kind, NodeKind::Collect(_) | NodeKind::Remote { .. });
    if plan.nodes[at + 1..reader].iter().any(|node| ends_life(&node.kind)) {
        return false;
    }
    let NodeKind::Calculation { expr: target, .. } = &mut plan.nodes[reader].kind else { return false };
    if in_expansion(target, out) {
        return false;
    }
    target.replace(&|own| (own == out).then(|| expr.clone()));
    plan.nodes.remove(at);
    true
}

/// Does an array expansion read the variable for each element?
fn in_expansion(expr: &Expr, var: VarId) -> bool {
    expr.any(&|expr| matches!(expr, Expr::Expansion(expansion) if expr.occurrences(var) > expansion.input.occurrences(var)))
}
