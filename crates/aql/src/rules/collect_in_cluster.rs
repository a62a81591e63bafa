//! `collect-in-cluster`: each shard collects its rows, the coordinator joins the groups.
//!
//! ```text
//! Gather, Collect g = x aggregate n = SUM(y)
//!   ->  Collect #1 = x aggregate #2 = SUM_STEP1(y), Remote, Gather, Collect g = #1 aggregate n = SUM_STEP2(#2)
//! ```
//!
//! Not with INTO, which needs the rows themselves, and not for sorted input (PUSH would lose its order).

use super::distribute_sort_to_cluster::first_gather;
use crate::optimizer::Cx;
use crate::plan::{Aggregate, Collect, CollectMethod, NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let Some(gather_at) = first_gather(plan) else { return Ok(false) };
    let sorted = matches!(&plan.nodes[gather_at].kind, NodeKind::Gather { elements } if !elements.is_empty());
    let Some(NodeKind::Collect(collect)) = plan.nodes.get(gather_at + 1).map(|node| &node.kind) else { return Ok(false) };
    if sorted || collect.into.is_some() || collect.method == CollectMethod::Sorted {
        return Ok(false);
    }
    let (partial, joined) = split(collect.clone(), cx);
    let partial = cx.node(NodeKind::Collect(partial));
    plan.nodes[gather_at + 1].kind = NodeKind::Collect(joined);
    plan.nodes.insert(gather_at - 1, partial);
    Ok(true)
}

/// The part for the shards and the part that joins their results.
fn split(collect: Collect, cx: &mut Cx<'_>) -> (Collect, Collect) {
    let mut partial = collect.clone();
    let mut joined = collect;
    for ((part, _), (_, whole)) in partial.groups.iter_mut().zip(&mut joined.groups) {
        *part = cx.new_var();
        *whole = *part;
    }
    let halves = partial.aggregates.iter_mut().zip(&mut joined.aggregates);
    for (part, whole) in halves {
        let Aggregate { out, function, .. } = part;
        *out = cx.new_var();
        whole.input = Some(*out);
        whole.function = format!("{function}_STEP2");
        *function = format!("{function}_STEP1");
    }
    if joined.method == CollectMethod::Count {
        // The counters of the shards are added, rows are not counted again.
        joined.method = CollectMethod::Hash;
    }
    (partial, joined)
}
