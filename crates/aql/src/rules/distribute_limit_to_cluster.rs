//! `distribute-limit-to-cluster`: no shard sends more rows than the LIMIT behind the `Gather` can use.
//!
//! Compat: ArangoDB does this inside its `Gather`, without a rule. Not with `fullCount`.

use super::distribute_sort_to_cluster::first_gather;
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let Some(gather_at) = first_gather(plan) else { return Ok(false) };
    let mut after = plan.nodes.iter().skip(gather_at + 1).filter(|node| !matches!(node.kind, NodeKind::Calculation { .. }));
    let Some(NodeKind::Limit { offset, count, full_count: false }) = after.next().map(|node| &node.kind) else { return Ok(false) };
    let count = offset.saturating_add(*count);
    let limit = cx.node(NodeKind::Limit { offset: 0, count, full_count: false });
    plan.nodes.insert(gather_at - 1, limit);
    Ok(true)
}
