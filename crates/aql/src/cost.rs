//! Estimates of cost and rows for every node; only their order matters.

use crate::expr::Expr;
use crate::optimizer::Cx;
use crate::plan::{FieldCondition, IndexBranch, NodeKind, Plan};
use database::catalog::Index;

/// Members of a list whose length is not known.
const LIST_ROWS: f64 = 100.0;
/// Share of the documents that a range of an index is thought to hold.
const RANGE_SHARE: f64 = 0.5;
/// Look-ups of an `IN` whose list is not known.
const IN_ROWS: f64 = 10.0;
/// Groups per row of a `COLLECT`.
const GROUP_SHARE: f64 = 0.8;

/// Fills in the estimates of a plan and its subqueries.
pub(crate) fn estimate(plan: &mut Plan, cx: &Cx<'_>) {
    let (mut cost, mut rows) = (0.0, 1.0);
    let lengths: Vec<Option<f64>> = (0..plan.nodes.len()).map(|at| list_length(plan, at)).collect();
    for (node, length) in plan.nodes.iter_mut().zip(lengths) {
        match &mut node.kind {
            NodeKind::Singleton => (cost, rows) = (1.0, 1.0),
            NodeKind::EnumerateCollection(scan) => {
                let count = as_f64(cx.collection(&scan.collection).count);
                cost += rows * (count + 1.0);
                rows *= count;
            }
            NodeKind::Index(scan) => {
                let count = as_f64(cx.collection(&scan.scan.collection).count);
                let found: f64 = scan.branches.iter().map(|branch| branch_rows(branch, count)).sum();
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let seeks = scan.branches.len() as f64;
                cost += rows * (seeks * count.max(2.0).log2() + 0.05 * found);
                rows *= found.min(count).max(0.0);
            }
            NodeKind::EnumerateList { .. } => {
                rows *= length.unwrap_or(LIST_ROWS);
                cost += rows;
            }
            NodeKind::Sort { .. } => cost += rows * rows.max(2.0).log2(),
            NodeKind::Limit { count, .. } => {
                rows = rows.min(as_f64(*count));
                cost += rows;
            }
            NodeKind::Collect(collect) => {
                cost += rows;
                rows = if collect.groups.is_empty() { 1.0 } else { (rows * GROUP_SHARE).max(1.0) };
            }
            NodeKind::NoResults => (cost, rows) = (0.5, 0.0),
            NodeKind::Subquery { plan, .. } => {
                estimate(plan, cx);
                cost += rows * plan.nodes.last().map_or(0.0, |last| last.cost);
            }
            NodeKind::Traversal(traversal) => {
                rows *= 10.0_f64.powf(as_f64(traversal.max_depth).min(10.0)).max(1.0);
                cost += rows;
            }
            NodeKind::Paths(_) => {
                rows *= 10.0;
                cost += rows * 100.0;
            }
            _ => cost += rows,
        }
        (node.cost, node.rows) = (cost, rows);
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

fn list_length(plan: &Plan, at: usize) -> Option<f64> {
    let NodeKind::EnumerateList { input, .. } = &plan.nodes.get(at)?.kind else { return None };
    let NodeKind::Calculation { expr, .. } = &plan.setter(*input)?.kind else { return None };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    match expr {
        Expr::Const(value) => Some(value.as_slice().len() as f64),
        Expr::Array(items) => Some(items.len() as f64),
        Expr::Range(low, high) => match (&**low, &**high) {
            (Expr::Const(low), Expr::Const(high)) => Some((high.as_slice().as_f64()? - low.as_slice().as_f64()?).abs() + 1.0),
            _ => None,
        },
        _ => None,
    }
}

/// Documents that a look-up is thought to find among `count`.
pub(crate) fn branch_rows(branch: &IndexBranch, count: f64) -> f64 {
    let mut rows = count;
    let mut equal = 0;
    let mut lookups = 1.0;
    for condition in &branch.conditions {
        match condition {
            FieldCondition::Eq(_) => equal += 1,
            FieldCondition::In(list) => {
                equal += 1;
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let length = match list {
                    Expr::Const(value) => value.as_slice().len() as f64,
                    Expr::Array(items) => items.len() as f64,
                    _ => IN_ROWS,
                };
                lookups *= length;
            }
            FieldCondition::Range { low, high } => {
                rows *= if low.is_some() && high.is_some() { RANGE_SHARE * RANGE_SHARE } else { RANGE_SHARE };
            }
        }
    }
    if equal > 0 {
        rows *= equality_share(&branch.index, equal, count);
    }
    (rows * lookups).min(count)
}

/// Share of the documents with one value of the leading fields.
fn equality_share(index: &Index, equal: usize, count: f64) -> f64 {
    let is_unique = index.unique && equal >= index.fields.len() || index.kind == "primary";
    if is_unique {
        return 1.0 / count.max(1.0);
    }
    let per_field = if index.kind == "edge" { 0.01 } else { 0.1 };
    let exponent = i32::try_from(equal).unwrap_or(1);
    f64::powi(per_field, exponent).max(1.0 / count.max(1.0))
}
