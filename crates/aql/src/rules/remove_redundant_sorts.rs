//! `remove-redundant-sorts`: of sorts that follow one another only the last counts; constant keys do
//! not count at all.
//!
//! Not if something between them depends on the order of rows (LIMIT, COLLECT, a modification …).

use super::pipeline::definition;
use crate::expr::Expr;
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = drop_constant_keys(plan);
    for at in (0..plan.nodes.len()).rev() {
        let NodeKind::Sort { elements, .. } = &plan.nodes[at].kind else { continue };
        if elements.is_empty() || is_overwritten(plan, at) {
            plan.nodes.remove(at);
            changed = true;
        }
    }
    Ok(changed)
}

fn drop_constant_keys(plan: &mut Plan) -> bool {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let NodeKind::Sort { elements, .. } = &plan.nodes[at].kind else { continue };
        let kept: Vec<_> =
            elements.iter().filter(|element| !matches!(definition(plan, element.input), Some(Expr::Const(_)))).cloned().collect();
        if kept.len() < elements.len()
            && let NodeKind::Sort { elements, .. } = &mut plan.nodes[at].kind
        {
            *elements = kept;
            changed = true;
        }
    }
    changed
}

fn is_overwritten(plan: &Plan, at: usize) -> bool {
    let after = plan.nodes.iter().skip(at + 1);
    let mut relevant = after.skip_while(|node| match &node.kind {
        NodeKind::Filter { .. } => true,
        NodeKind::Calculation { expr, .. } => expr.is_deterministic(),
        _ => false,
    });
    matches!(relevant.next().map(|node| &node.kind), Some(NodeKind::Sort { .. }))
}
