//! `restrict-to-single-shard`: if equalities fix all shard keys of a scan, only one shard can have its
//! documents.
//!
//! Only for snippets that begin with `Singleton`, and for values that read no variable of the plan.

use super::conditions::{condition, resolved};
use super::pipeline::{conjuncts, definition};
use crate::expr::{BinaryOp, Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{FieldCondition, NodeKind, Plan};
use crate::variables::VarSet;
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let Some(remote_at) = plan.nodes.iter().position(|node| matches!(node.kind, NodeKind::Remote { .. })) else { return Ok(false) };
    let snippet = plan.nodes.get(..remote_at).unwrap_or_default();
    if snippet.iter().any(|node| matches!(node.kind, NodeKind::Scatter)) {
        return Ok(false);
    }
    let NodeKind::Remote { collection, .. } = &plan.nodes[remote_at].kind else { return Ok(false) };
    let info = cx.collection(collection);
    if info.number_of_shards < 2 || info.shard_keys.is_empty() {
        return Ok(false);
    }
    let fixed = equalities(plan, remote_at);
    let value = |key: &String| fixed.iter().find(|(field, _)| field == key).map(|(_, value)| value.clone());
    let Some(values) = info.shard_keys.iter().map(value).collect::<Option<Vec<_>>>() else { return Ok(false) };
    if let NodeKind::Remote { shard_values, .. } = &mut plan.nodes[remote_at].kind {
        *shard_values = values;
    }
    Ok(true)
}

/// Fields of the scanned document that are equal to known values for all rows of the snippet.
fn equalities(plan: &Plan, remote_at: usize) -> Vec<(String, Expr)> {
    let written: VarSet = plan.nodes.iter().flat_map(|node| node.kind.writes()).collect();
    let outer: VarSet = plan.all_reads().difference(&written).copied().collect();
    let mut fixed = Vec::new();
    let mut document: Option<VarId> = None;
    for node in plan.nodes.iter().take(remote_at) {
        let mut add = |expr: &Expr, document: VarId| {
            let resolved = resolved(plan, expr);
            for part in conjuncts(&resolved) {
                if let Some(found) = condition(part, document, &outer).filter(|found| found.op == BinaryOp::Eq) {
                    fixed.push((found.field, found.value));
                }
            }
        };
        match &node.kind {
            NodeKind::EnumerateCollection(scan) => {
                document = Some(scan.out);
                scan.filter.iter().for_each(|filter| add(filter, scan.out));
            }
            NodeKind::Index(scan) => {
                document = Some(scan.scan.out);
                scan.scan.filter.iter().for_each(|filter| add(filter, scan.scan.out));
                if let [branch] = scan.branches.as_slice() {
                    for (field, used) in branch.index.fields.iter().zip(&branch.conditions) {
                        if let FieldCondition::Eq(value) = used
                            && let resolved = resolved(plan, value)
                            && reads_only(&resolved, &outer)
                        {
                            fixed.push((field.clone(), resolved));
                        }
                    }
                }
            }
            NodeKind::Filter { input } => {
                if let (Some(document), Some(expr)) = (document, definition(plan, *input)) {
                    add(expr, document);
                }
            }
            _ => {}
        }
    }
    fixed
}

fn reads_only(expr: &Expr, known: &VarSet) -> bool {
    let mut reads = VarSet::new();
    expr.reads(&mut reads);
    reads.is_subset(known) && expr.is_deterministic()
}
