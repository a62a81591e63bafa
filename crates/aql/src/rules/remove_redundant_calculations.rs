//! `remove-redundant-calculations`: equal deterministic calculations are done once, and variables that
//! only repeat another one are replaced by it.
//!
//! Not across COLLECT, which ends the life of the earlier variable.

use crate::expr::{Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    let mut at = 0;
    while at < plan.nodes.len() {
        match earlier(plan, at) {
            Some((var, by)) => {
                plan.nodes.remove(at);
                plan.nodes.iter_mut().skip(at).for_each(|node| node.kind.exchange(var, by));
                changed = true;
            }
            None => at += 1,
        }
    }
    Ok(changed)
}

/// The variable that node `at` sets, and the one that has its value already.
fn earlier(plan: &Plan, at: usize) -> Option<(VarId, VarId)> {
    let NodeKind::Calculation { expr, out } = &plan.nodes.get(at)?.kind else { return None };
    if let Expr::Var(by) = expr {
        return Some((*out, *by));
    }
    if !expr.is_deterministic() || matches!(expr, Expr::Const(_)) {
        return None;
    }
    for before in plan.nodes.iter().take(at).rev() {
        match &before.kind {
            NodeKind::Calculation { expr: same, out: by } if same == expr => return Some((*out, *by)),
            NodeKind::Collect(_) | NodeKind::Remote { .. } => return None,
            _ => {}
        }
    }
    None
}
