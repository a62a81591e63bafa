//! `move-calculations-down`: a calculation is done behind the filters and limits that do not need it.
//!
//! Never into a loop, and not across COLLECT, WINDOW or a modification.

use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in (0..plan.nodes.len()).rev() {
        if let Some(to) = destination(plan, at) {
            let node = plan.nodes.remove(at);
            plan.nodes.insert(to, node);
            changed = true;
        }
    }
    Ok(changed)
}

/// Position behind the last filter, sort or limit that can go first.
fn destination(plan: &Plan, at: usize) -> Option<usize> {
    let NodeKind::Calculation { expr, out } = &plan.nodes.get(at)?.kind else { return None };
    if !expr.is_deterministic() {
        return None;
    }
    let mut to = None;
    for (position, node) in plan.nodes.iter().enumerate().skip(at + 1) {
        let reads = node.kind.reads().contains(out);
        match &node.kind {
            _ if reads => break,
            NodeKind::Filter { .. } | NodeKind::Limit { .. } | NodeKind::Sort { .. } => to = Some(position),
            NodeKind::Calculation { .. } => {}
            _ => break,
        }
    }
    to
}
