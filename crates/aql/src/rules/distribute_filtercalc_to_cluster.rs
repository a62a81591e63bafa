//! `distribute-filtercalc-to-cluster`: filters and calculations behind a `Gather` run on the shards.
//!
//! Not for calculations that reach for other data or depend on the server, nor for what depends on those.

use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use crate::variables::VarSet;
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    let mut at = 0;
    while at < plan.nodes.len() {
        if matches!(plan.nodes[at].kind, NodeKind::Remote { .. }) {
            let moved = move_before(plan, at);
            changed |= moved > 0;
            at += moved;
        }
        at += 1;
    }
    Ok(changed)
}

/// Moves what can go before the `Remote` at `remote_at`; how many nodes went.
fn move_before(plan: &mut Plan, remote_at: usize) -> usize {
    let mut moved = 0;
    let mut stays = VarSet::new();
    let mut at = remote_at + 2;
    while let Some(node) = plan.nodes.get(at) {
        let reads = node.kind.reads();
        let independent = reads.is_disjoint(&stays);
        let goes = match &node.kind {
            NodeKind::Calculation { expr, .. } => expr.is_local() && independent,
            NodeKind::Filter { .. } | NodeKind::EnumerateList { .. } => {
                if !independent {
                    return moved;
                }
                true
            }
            _ => return moved,
        };
        if goes {
            let node = plan.nodes.remove(at);
            plan.nodes.insert(remote_at + moved, node);
            moved += 1;
        } else {
            stays.extend(node.kind.writes());
        }
        at += 1;
    }
    moved
}
