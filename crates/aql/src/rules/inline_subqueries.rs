//! `inline-subqueries`: `FOR x IN (subquery)` runs the subquery's nodes in place of building an array.
//!
//! ```text
//! FOR x IN (FOR d IN c FILTER d.a == 1 RETURN d.b) …   ->   FOR d IN c FILTER d.a == 1 LET x = d.b …
//! ```
//!
//! Only if nothing else reads the array. Inside a loop not with LIMIT, SORT, COLLECT or WINDOW, which
//! would then act on all rounds together; COLLECT only if no variable would have to survive it.

use super::pipeline::{is_loop, uses};
use crate::expr::Expr;
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    let mut at = 0;
    while at < plan.nodes.len() {
        if let Some(list_at) = enumerated_by(plan, at) {
            inline(plan, at, list_at, cx);
            changed = true;
        }
        at += 1;
    }
    Ok(changed)
}

/// Position of the list enumeration that can take in the subquery at `at`.
fn enumerated_by(plan: &Plan, at: usize) -> Option<usize> {
    let NodeKind::Subquery { plan: inner, out, .. } = &plan.nodes.get(at)?.kind else { return None };
    let list_at = at + 1;
    let NodeKind::EnumerateList { input, .. } = &plan.nodes.get(list_at)?.kind else { return None };
    let returns = matches!(inner.nodes.last()?.kind, NodeKind::Return { .. });
    if input != out || uses(plan, *out) != 1 || !returns || inner.is_modification() {
        return None;
    }
    let before = &plan.nodes[..at];
    let in_loop = before.iter().any(|node| is_loop(&node.kind));
    let first = before.iter().all(|node| matches!(node.kind, NodeKind::Singleton));
    let fits = inner.nodes.iter().all(|node| match &node.kind {
        NodeKind::Collect(_) => first,
        NodeKind::Sort { .. } | NodeKind::Limit { .. } | NodeKind::Window(_) | NodeKind::NoResults => !in_loop,
        _ => true,
    });
    fits.then_some(list_at)
}

fn inline(plan: &mut Plan, at: usize, list_at: usize, cx: &mut Cx<'_>) {
    let NodeKind::EnumerateList { out: element, .. } = plan.nodes[list_at].kind else { return };
    let NodeKind::Subquery { plan: inner, .. } = &mut plan.nodes[at].kind else { return };
    let mut nodes = std::mem::take(&mut inner.nodes);
    let Some(NodeKind::Return { input }) = nodes.pop().map(|node| node.kind) else { return };
    nodes.remove(0);
    nodes.push(cx.node(NodeKind::Calculation { expr: Expr::Var(input), out: element }));
    plan.nodes.splice(at..=list_at, nodes);
}
