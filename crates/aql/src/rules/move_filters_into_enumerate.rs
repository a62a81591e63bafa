//! `move-filters-into-enumerate`: a filter right behind a scan is tested while scanning, before a row is
//! made of the document.
//!
//! Not if its calculation has effects or is read by others.

use super::pipeline::{conjunction, uses};
use crate::expr::{Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan, Scan};
use crate::variables::VarSet;
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        while let Some((calculation_at, filter_at)) = filter_behind(plan, at) {
            plan.nodes.remove(filter_at);
            let NodeKind::Calculation { expr, .. } = plan.nodes.remove(calculation_at).kind else { break };
            if let Some(scan) = plan.nodes.get_mut(at).and_then(|node| scan_mut(&mut node.kind)) {
                scan.filter = Some(match scan.filter.take() {
                    Some(before) => conjunction(vec![before, expr]),
                    None => expr,
                });
            }
            changed = true;
        }
    }
    Ok(changed)
}

fn scan_mut(kind: &mut NodeKind) -> Option<&mut Scan> {
    match kind {
        NodeKind::EnumerateCollection(scan) if !scan.random => Some(scan),
        NodeKind::Index(scan) => Some(&mut scan.scan),
        _ => None,
    }
}

/// Calculation and filter that can go into the scan at `at`; only calculations stand between.
fn filter_behind(plan: &Plan, at: usize) -> Option<(usize, usize)> {
    match &plan.nodes.get(at)?.kind {
        NodeKind::EnumerateCollection(scan) if !scan.random => {}
        NodeKind::Index(_) => {}
        _ => return None,
    }
    let mut calculated = VarSet::new();
    for (position, node) in plan.nodes.iter().enumerate().skip(at + 1) {
        match &node.kind {
            NodeKind::Calculation { out, .. } => {
                calculated.insert(*out);
            }
            NodeKind::Filter { input } => {
                let calculation_at = calculation(plan, at, position, *input)?;
                let NodeKind::Calculation { expr, .. } = &plan.nodes.get(calculation_at)?.kind else { return None };
                return fits(plan, expr, *input, &calculated).then_some((calculation_at, position));
            }
            _ => return None,
        }
    }
    None
}

fn calculation(plan: &Plan, after: usize, before: usize, var: VarId) -> Option<usize> {
    (after + 1..before).find(|&position| matches!(&plan.nodes[position].kind, NodeKind::Calculation { out, .. } if *out == var))
}

fn fits(plan: &Plan, expr: &Expr, var: VarId, calculated: &VarSet) -> bool {
    let mut reads = VarSet::new();
    expr.reads(&mut reads);
    expr.is_deterministic() && uses(plan, var) == 1 && reads.is_disjoint(calculated)
}
