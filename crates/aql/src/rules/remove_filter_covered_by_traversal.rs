//! `remove-filter-covered-by-traversal`: filters that the traversal has tested for every path it emits.
//!
//! A condition on the edge (vertex) at depth n is tested for every path only if all are long enough.

use super::conditions::known_before;
use super::optimize_traversals::path_condition;
use super::pipeline::conjuncts;
use super::remove_filter_covered_by_index::{covered_filter, replace_filter};
use crate::expr::Expr;
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan, Traversal};
use crate::variables::VarSet;
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in (0..plan.nodes.len()).rev() {
        let Some(NodeKind::Traversal(traversal)) = plan.nodes.get(at).map(|node| node.kind.clone()) else { continue };
        let known = known_before(plan, at);
        while let Some((filter_at, kept)) = covered_filter(plan, at, &|part| is_covered(part, &traversal, &known)) {
            replace_filter(plan, filter_at, kept, cx);
            changed = true;
        }
    }
    Ok(changed)
}

fn is_covered(part: &Expr, traversal: &Traversal, known: &VarSet) -> bool {
    let Some(condition) = path_condition(part, traversal, known) else { return false };
    let holds = |pushed: &Option<Expr>| pushed.as_ref().is_some_and(|pushed| conjuncts(pushed).contains(&&condition.condition));
    let Some(depth) = condition.depth else {
        return holds(if condition.is_edge { &traversal.edge_condition } else { &traversal.vertex_condition });
    };
    let (conditions, always_there) = if condition.is_edge {
        (&traversal.edge_conditions, traversal.min_depth > depth)
    } else {
        (&traversal.vertex_conditions, traversal.min_depth >= depth)
    };
    always_there && conditions.iter().any(|(at, pushed)| *at == depth && conjuncts(pushed).contains(&&condition.condition))
}
