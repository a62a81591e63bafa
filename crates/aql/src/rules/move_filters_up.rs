//! `move-filters-up`: a filter goes before everything that it does not depend on, with the calculation
//! of its condition if that stands right before it.
//!
//! Never across LIMIT, COLLECT, WINDOW or a modification, and not across calculations whose effect or
//! result is not determined.

use super::pipeline::is_barrier;
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 1..plan.nodes.len() {
        if let Some((from, to)) = destination(plan, at) {
            let moved: Vec<_> = plan.nodes.drain(from..=at).collect();
            plan.nodes.splice(to..to, moved);
            changed = true;
        }
    }
    Ok(changed)
}

/// First node of the group that moves, and where it goes.
fn destination(plan: &Plan, at: usize) -> Option<(usize, usize)> {
    let NodeKind::Filter { input } = plan.nodes.get(at)?.kind else { return None };
    let own_calculation = plan.nodes.get(at - 1).filter(|node| match &node.kind {
        NodeKind::Calculation { expr, out } => *out == input && expr.is_deterministic(),
        _ => false,
    });
    let (from, reads) = match own_calculation {
        Some(calculation) => (at - 1, calculation.kind.reads()),
        None => (at, [input].into_iter().collect()),
    };
    let mut to = None;
    for (position, before) in plan.nodes.iter().enumerate().take(from).rev() {
        let blocked = is_barrier(&before.kind) || !before.kind.is_deterministic();
        if blocked || before.kind.writes().iter().any(|out| reads.contains(out)) {
            break;
        }
        if !matches!(before.kind, NodeKind::Calculation { .. } | NodeKind::Filter { .. }) {
            to = Some(position);
        }
    }
    to.map(|to| (from, to))
}
