//! `remove-filter-covered-by-index`: parts of a filter that index look-ups guarantee are not tested again.
//!
//! Only for look-ups in one index. Conditions on `_id` stay, because the look-up is by key.

use super::conditions::{condition, filters_after, known_before};
use super::pipeline::{conjunction, conjuncts, uses};
use crate::expr::{BinaryOp, Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{FieldCondition, IndexBranch, NodeKind, Plan};
use crate::variables::VarSet;
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in (0..plan.nodes.len()).rev() {
        changed |= covered_by(plan, at, cx);
    }
    Ok(changed)
}

fn covered_by(plan: &mut Plan, at: usize, cx: &mut Cx<'_>) -> bool {
    let Some(NodeKind::Index(scan)) = plan.nodes.get(at).map(|node| &node.kind) else { return false };
    let [branch] = scan.branches.as_slice() else { return false };
    let (branch, document) = (branch.clone(), scan.scan.out);
    let known = known_before(plan, at);
    let mut changed = false;
    // Positions change with every filter that goes, so they are looked up again.
    while let Some((filter_at, kept)) = covered_filter(plan, at, &|part| is_covered(part, &branch, document, &known)) {
        replace_filter(plan, filter_at, kept, cx);
        changed = true;
    }
    changed
}

/// The next filter behind node `at` with covered parts, and its other parts.
pub(super) fn covered_filter(plan: &Plan, at: usize, covered: &dyn Fn(&Expr) -> bool) -> Option<(usize, Vec<Expr>)> {
    filters_after(plan, at).into_iter().find_map(|found| {
        let parts = conjuncts(&found.condition);
        let kept: Vec<Expr> = parts.iter().filter(|part| !covered(part)).map(|&part| part.clone()).collect();
        (kept.len() < parts.len()).then_some((found.at, kept))
    })
}

/// Puts what is left of a condition in place of the filter's, or drops the filter.
pub(super) fn replace_filter(plan: &mut Plan, at: usize, kept: Vec<Expr>, cx: &mut Cx<'_>) {
    let NodeKind::Filter { input } = plan.nodes[at].kind else { return };
    if kept.is_empty() {
        plan.nodes.remove(at);
    } else {
        let out = cx.new_var();
        let calculation = cx.node(NodeKind::Calculation { expr: conjunction(kept), out });
        plan.nodes[at].kind = NodeKind::Filter { input: out };
        plan.nodes.insert(at, calculation);
    }
    if uses(plan, input) == 0 {
        plan.nodes.retain(|node| !matches!(&node.kind, NodeKind::Calculation { out, expr } if *out == input && expr.is_deterministic()));
    }
}

fn is_covered(part: &Expr, branch: &IndexBranch, document: VarId, known: &VarSet) -> bool {
    let Some(condition) = condition(part, document, known) else { return false };
    let pairs = branch.index.fields.iter().zip(&branch.conditions);
    pairs.into_iter().any(|(field, used)| {
        *field == condition.field
            && match (used, condition.op) {
                (FieldCondition::Eq(value), BinaryOp::Eq) | (FieldCondition::In(value), BinaryOp::In) => *value == condition.value,
                (FieldCondition::Range { low: Some((value, inclusive)), .. }, BinaryOp::Gt) => !inclusive && *value == condition.value,
                (FieldCondition::Range { low: Some((value, inclusive)), .. }, BinaryOp::Ge) => *inclusive && *value == condition.value,
                (FieldCondition::Range { high: Some((value, inclusive)), .. }, BinaryOp::Lt) => !inclusive && *value == condition.value,
                (FieldCondition::Range { high: Some((value, inclusive)), .. }, BinaryOp::Le) => *inclusive && *value == condition.value,
                _ => false,
            }
    })
}
