//! `remove-unnecessary-filters`: a filter that is always true goes, one that is always false ends the
//! pipeline with no rows.

use super::pipeline::definition;
use crate::expr::Expr;
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use crate::simplify::is_true;
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in (0..plan.nodes.len()).rev() {
        let NodeKind::Filter { input } = plan.nodes[at].kind else { continue };
        let Some(Expr::Const(value)) = definition(plan, input) else { continue };
        if is_true(value.as_slice()) {
            plan.nodes.remove(at);
        } else {
            plan.nodes[at].kind = NodeKind::NoResults;
        }
        changed = true;
    }
    Ok(changed)
}
