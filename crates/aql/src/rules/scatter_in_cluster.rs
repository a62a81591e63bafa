//! `scatter-in-cluster`: a scan runs on the shards of its collection, and the rows come back through
//! `Remote` and `Gather`.
//!
//! If all that comes before can run there as well, the snippet begins with the plan's `Singleton`; otherwise
//! with `Scatter`, which sends the rows before it to all shards.

use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    let mut at = 0;
    while at < plan.nodes.len() {
        let collection = match &plan.nodes[at].kind {
            NodeKind::EnumerateCollection(scan) => scan.collection.clone(),
            NodeKind::Index(scan) => scan.scan.collection.clone(),
            _ => {
                at += 1;
                continue;
            }
        };
        if !runs_on_shards(plan, at) {
            let scatter = cx.node(NodeKind::Scatter);
            plan.nodes.insert(at, scatter);
            at += 1;
        }
        let remote = cx.node(NodeKind::Remote { collection, shard_values: Vec::new() });
        let gather = cx.node(NodeKind::Gather { elements: Vec::new() });
        plan.nodes.splice(at + 1..at + 1, [remote, gather]);
        at += 3;
        changed = true;
    }
    Ok(changed)
}

/// Can everything before the scan run on each shard with the same result?
fn runs_on_shards(plan: &Plan, at: usize) -> bool {
    plan.nodes.iter().take(at).all(|node| match &node.kind {
        NodeKind::Singleton => true,
        NodeKind::Calculation { expr, .. } => expr.is_local(),
        _ => false,
    })
}
