//! `remove-data-modification-out-variables`: OLD and NEW that nobody reads are not made.

use super::pipeline::uses;
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let (NodeKind::Modify(crate::plan::Modify { old, new, .. }) | NodeKind::Upsert(crate::plan::Upsert { old, new, .. })) =
            &plan.nodes[at].kind
        else {
            continue;
        };
        let unused = |var: &Option<_>| var.is_some_and(|var| uses(plan, var) == 0);
        let (drop_old, drop_new) = (unused(old), unused(new));
        if let NodeKind::Modify(crate::plan::Modify { old, new, .. }) | NodeKind::Upsert(crate::plan::Upsert { old, new, .. }) =
            &mut plan.nodes[at].kind
        {
            *old = old.filter(|_| !drop_old);
            *new = new.filter(|_| !drop_new);
        }
        changed |= drop_old || drop_new;
    }
    Ok(changed)
}
