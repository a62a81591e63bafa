//! `optimize-traversals`: conditions on the path are tested while it grows, so that no path is followed
//! that cannot pass.
//!
//! `p.edges[*].x ALL == v` must hold for every edge, `p.edges[2].x == v` for the third edge of the path.
//! A path too short to have that edge is judged by the filter, which stays (a missing edge reads as
//! null); `remove-filter-covered-by-traversal` drops it where it cannot matter.
//!
//! Not if the compared value depends on the traversal itself, and not if vertices are visited once in all
//! (`uniqueVertices: global`): a path not followed would leave its vertices to others.

use super::conditions::{filters_after, known_before};
use super::pipeline::{conjunction, conjuncts};
use crate::expr::{BinaryOp, Expr, Quantifier, VarId};
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan, Traversal};
use crate::variables::VarSet;
use base::Result;

/// A condition on parts of the path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PathCondition {
    pub is_edge: bool,
    /// The part's position on the path; `None` for all of them.
    pub depth: Option<u64>,
    /// Over the traversal's `condition_var`.
    pub condition: Expr,
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let NodeKind::Traversal(traversal) = &plan.nodes[at].kind else { continue };
        let known = known_before(plan, at);
        let found: Vec<PathCondition> = filters_after(plan, at)
            .iter()
            .flat_map(|found| conjuncts(&found.condition).into_iter().cloned().collect::<Vec<_>>())
            .filter_map(|part| path_condition(&part, traversal, &known))
            .collect();
        if let NodeKind::Traversal(traversal) = &mut plan.nodes[at].kind {
            found.into_iter().for_each(|condition| changed |= add(traversal, condition));
        }
    }
    Ok(changed)
}

fn add(traversal: &mut Traversal, condition: PathCondition) -> bool {
    let PathCondition { is_edge, depth, condition } = condition;
    if let Some(depth) = depth {
        let conditions = if is_edge { &mut traversal.edge_conditions } else { &mut traversal.vertex_conditions };
        match conditions.iter_mut().find(|(known, _)| *known == depth) {
            Some((_, known)) => *known = conjunction(vec![known.clone(), condition]),
            None => conditions.push((depth, condition)),
        }
        return true;
    }
    let all = if is_edge { &mut traversal.edge_condition } else { &mut traversal.vertex_condition };
    *all = Some(match all.take() {
        Some(known) => conjunction(vec![known, condition]),
        None => condition,
    });
    true
}

/// Reads a filter's part as a condition on the path.
pub(super) fn path_condition(part: &Expr, traversal: &Traversal, known: &VarSet) -> Option<PathCondition> {
    let path = traversal.path_out.filter(|_| traversal.options.unique_vertices != "global")?;
    let element = Expr::Var(traversal.condition_var);
    let is_known = |expr: &Expr| {
        let mut reads = VarSet::new();
        expr.reads(&mut reads);
        expr.is_deterministic() && reads.is_subset(known) && !expr.any(&|expr| matches!(expr, Expr::Collection(_)))
    };
    match part {
        Expr::ArrayCompare(quantifier @ (Quantifier::All | Quantifier::None), op, left, right) if is_known(right) => {
            let Expr::Expansion(expansion) = &**left else { return None };
            let plain = expansion.levels == 1 && expansion.filter.is_none() && expansion.limit.is_none() && expansion.question.is_none();
            let is_edge = of_path(&expansion.input, path)?;
            let mut attribute = expansion.projection.clone().unwrap_or(Expr::Var(expansion.iterator));
            let (var, _) = attribute.as_path()?;
            if !plain || var != expansion.iterator {
                return None;
            }
            attribute.replace(&|own| (own == expansion.iterator).then(|| element.clone()));
            let holds = Expr::Binary(*op, Box::new(attribute), right.clone());
            let condition = match quantifier {
                Quantifier::All => holds,
                _ => Expr::Unary(crate::expr::UnaryOp::Not, Box::new(holds)),
            };
            Some(PathCondition { is_edge, depth: None, condition })
        }
        Expr::Binary(op, left, right) if is_comparison(*op) => {
            let (at, side) = match (at_depth(left, path), at_depth(right, path)) {
                (Some(at), None) if is_known(right) => (at, true),
                (None, Some(at)) if is_known(left) => (at, false),
                _ => return None,
            };
            let (is_edge, depth) = at;
            let local = |expr: &Expr| on_element(expr, &element);
            let (left, right) = if side { (local(left), (**right).clone()) } else { ((**left).clone(), local(right)) };
            Some(PathCondition { is_edge, depth: Some(depth), condition: Expr::Binary(*op, Box::new(left), Box::new(right)) })
        }
        _ => None,
    }
}

fn is_comparison(op: BinaryOp) -> bool {
    use BinaryOp::{Eq, Ge, Gt, In, Le, Like, Lt, Matches, Ne, NotIn, NotLike, NotMatches};
    matches!(op, Eq | Ne | Lt | Le | Gt | Ge | In | NotIn | Like | NotLike | Matches | NotMatches)
}

/// `p.edges` or `p.vertices`: is it the edges?
fn of_path(expr: &Expr, path: VarId) -> Option<bool> {
    match expr {
        Expr::Attribute(base, name) if **base == Expr::Var(path) => match name.as_str() {
            "edges" => Some(true),
            "vertices" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// `p.edges[n].a.b`: which part of the path.
fn at_depth(expr: &Expr, path: VarId) -> Option<(bool, u64)> {
    match expr {
        Expr::Attribute(base, _) => at_depth(base, path),
        Expr::Indexed(base, index) => {
            let is_edge = of_path(base, path)?;
            let Expr::Const(position) = &**index else { return None };
            Some((is_edge, position.as_slice().as_i64().and_then(|position| u64::try_from(position).ok())?))
        }
        _ => None,
    }
}

/// The same attribute of `element` instead of a part of the path.
fn on_element(expr: &Expr, element: &Expr) -> Expr {
    match expr {
        Expr::Attribute(base, name) => Expr::Attribute(Box::new(on_element(base, element)), name.clone()),
        _ => element.clone(),
    }
}
