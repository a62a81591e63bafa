//! Conditions on the attributes of a scanned document, as indexes can answer them.

use super::pipeline::{conjuncts, definition, is_barrier};
use crate::expr::{BinaryOp, Expr, VarId};
use crate::plan::{NodeKind, Plan};
use crate::variables::VarSet;

/// `path op value`, where the value is known before the scan begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    /// Index field: `a.b`, or `a[*]` for membership in an array.
    pub field: String,
    pub op: BinaryOp,
    pub value: Expr,
}

/// A filter after a scan: where it stands, and its condition with all definitions put in.
pub(super) struct Found {
    /// Position of the `Filter`.
    pub at: usize,
    pub condition: Expr,
}

/// Filters that every document of the scan at `scan_at` must pass.
pub(super) fn filters_after(plan: &Plan, scan_at: usize) -> Vec<Found> {
    let mut found = Vec::new();
    for (at, node) in plan.nodes.iter().enumerate().skip(scan_at + 1) {
        match &node.kind {
            NodeKind::Filter { input } => {
                if let Some(expr) = definition(plan, *input) {
                    found.push(Found { at, condition: resolved(plan, expr) });
                }
            }
            kind if is_barrier(kind) => break,
            _ => {}
        }
    }
    found
}

/// The expression with the definitions of its variables put in, if those are deterministic and small.
pub(super) fn resolved(plan: &Plan, expr: &Expr) -> Expr {
    let mut expr = expr.clone();
    for _ in 0..8 {
        let mut changed = false;
        let mut reads = VarSet::new();
        expr.reads(&mut reads);
        let simple = |var: VarId| match definition(plan, var) {
            Some(definition @ (Expr::Const(_) | Expr::Attribute(..) | Expr::Var(_) | Expr::Binary(..)))
                if definition.is_deterministic() =>
            {
                Some(definition.clone())
            }
            _ => None,
        };
        for var in reads {
            if let Some(definition) = simple(var) {
                expr.replace(&|own| (own == var).then(|| definition.clone()));
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    expr
}

/// Variables that have a value before node `at`.
pub(super) fn known_before(plan: &Plan, at: usize) -> VarSet {
    let written_here: VarSet = plan.nodes.iter().skip(at).flat_map(|node| node.kind.writes()).collect();
    let written_before: VarSet = plan.nodes.iter().take(at).flat_map(|node| node.kind.writes()).collect();
    // Variables that no node of this plan sets belong to an outer query.
    let mut all = plan.all_reads();
    all.extend(&written_before);
    all.into_iter().filter(|var| !written_here.contains(var) || written_before.contains(var)).collect()
}

/// Reads an expression as a condition on an attribute of `document`.
pub(super) fn condition(expr: &Expr, document: VarId, known: &VarSet) -> Option<Condition> {
    let Expr::Binary(op, left, right) = expr else { return None };
    if *op == BinaryOp::In {
        // `value IN doc.array` is membership, `doc.a IN values` a list of look-ups.
        if let (Some(field), true) = (field(right, document), is_known(left, known)) {
            return Some(Condition { field: format!("{field}[*]"), op: BinaryOp::Eq, value: (**left).clone() });
        }
    }
    let mirrored = match op {
        BinaryOp::Eq | BinaryOp::Ne => *op,
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        BinaryOp::In => return sided(*op, left, right, document, known),
        _ => return None,
    };
    sided(*op, left, right, document, known).or_else(|| sided(mirrored, right, left, document, known))
}

fn sided(op: BinaryOp, left: &Expr, right: &Expr, document: VarId, known: &VarSet) -> Option<Condition> {
    let field = field(left, document)?;
    is_known(right, known).then(|| Condition { field, op, value: right.clone() })
}

fn field(expr: &Expr, document: VarId) -> Option<String> {
    let (var, path) = expr.as_path()?;
    let plain = path.iter().all(|part| !part.contains('.'));
    (var == document && !path.is_empty() && plain).then(|| path.join("."))
}

fn is_known(expr: &Expr, known: &VarSet) -> bool {
    let mut reads = VarSet::new();
    expr.reads(&mut reads);
    expr.is_deterministic() && reads.is_subset(known) && !expr.any(&|expr| matches!(expr, Expr::Collection(_)))
}

/// All simple conditions among the conjuncts of an expression.
pub(super) fn conditions(expr: &Expr, document: VarId, known: &VarSet) -> Vec<Condition> {
    conjuncts(expr).into_iter().filter_map(|conjunct| condition(conjunct, document, known)).collect()
}
