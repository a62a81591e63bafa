//! `sort-limit`: a sort before a LIMIT keeps only the rows that can pass it.
//!
//! Not with `fullCount`, which needs them all.

use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        if !matches!(plan.nodes[at].kind, NodeKind::Sort { limit: None, .. }) {
            continue;
        }
        let mut after = plan.nodes.iter().skip(at + 1).filter(|node| !matches!(node.kind, NodeKind::Calculation { .. }));
        let Some(NodeKind::Limit { offset, count, full_count: false }) = after.next().map(|node| &node.kind) else { continue };
        let needed = offset.saturating_add(*count);
        if let NodeKind::Sort { limit, .. } = &mut plan.nodes[at].kind {
            *limit = Some(needed);
            changed = true;
        }
    }
    Ok(changed)
}
