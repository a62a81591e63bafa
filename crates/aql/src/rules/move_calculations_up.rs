//! `move-calculations-up`: a calculation that does not depend on a loop is done before it, once instead
//! of once per row.
//!
//! ```text
//! FOR i IN 1..10 LET x = LENGTH(@list) RETURN x   ->   LET x = LENGTH(@list) FOR i IN 1..10 RETURN x
//! ```
//!
//! Not for calculations with side effects or random results, and never across a node that writes or
//! ends the life of variables.

use super::pipeline::{is_barrier, is_loop};
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        if let Some(to) = destination(plan, at) {
            let node = plan.nodes.remove(at);
            plan.nodes.insert(to, node);
            changed = true;
        }
    }
    Ok(changed)
}

fn destination(plan: &Plan, at: usize) -> Option<usize> {
    let node = plan.nodes.get(at)?;
    let movable = matches!(node.kind, NodeKind::Calculation { .. } | NodeKind::Subquery { .. }) && node.kind.is_deterministic();
    if !movable {
        return None;
    }
    let reads = node.kind.reads();
    let mut to = None;
    for (position, before) in plan.nodes.iter().enumerate().take(at).rev() {
        if is_barrier(&before.kind) || before.kind.writes().iter().any(|out| reads.contains(out)) {
            break;
        }
        if is_loop(&before.kind) {
            to = Some(position);
        }
    }
    to
}
