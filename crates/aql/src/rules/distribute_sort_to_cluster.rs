//! `distribute-sort-to-cluster`: each shard sorts its rows, `Gather` merges the streams.
//!
//! Only for snippets that begin with `Singleton`: the results of others come in the order of their input.

use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let Some(gather_at) = first_gather(plan) else { return Ok(false) };
    let Some(NodeKind::Sort { elements, .. }) = plan.nodes.get(gather_at + 1).map(|node| &node.kind) else { return Ok(false) };
    let elements = elements.clone();
    let sort = plan.nodes.remove(gather_at + 1);
    plan.nodes.insert(gather_at - 1, sort);
    if let NodeKind::Gather { elements: order } = &mut plan.nodes[gather_at + 1].kind {
        *order = elements;
    }
    Ok(true)
}

/// The `Gather` of a snippet that begins with the plan's `Singleton`.
pub(super) fn first_gather(plan: &Plan) -> Option<usize> {
    let at = plan.nodes.iter().position(|node| matches!(node.kind, NodeKind::Gather { .. }))?;
    let scattered = plan.nodes.iter().take(at).any(|node| matches!(node.kind, NodeKind::Scatter));
    (!scattered && at > 0).then_some(at)
}
