//! `remove-sort-rand-limit-1`: `FOR d IN c SORT RAND() LIMIT 1` picks one random document.
//!
//! Only if nothing stands between, and no other loop is around.

use super::pipeline::{definition, is_loop};
use crate::expr::Expr;
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    if cx.catalog.is_cluster() {
        return Ok(false);
    }
    let loops = plan.nodes.iter().filter(|node| is_loop(&node.kind)).count();
    for at in 0..plan.nodes.len() {
        let window = plan.nodes.get(at..at + 4).unwrap_or_default();
        let [scan, calculation, sort, limit] = window else { break };
        let kinds = (&scan.kind, &calculation.kind, &sort.kind, &limit.kind);
        let (
            NodeKind::EnumerateCollection(_),
            NodeKind::Calculation { out, .. },
            NodeKind::Sort { elements, .. },
            NodeKind::Limit { offset: 0, count: 1, full_count: false },
        ) = kinds
        else {
            continue;
        };
        let is_random = matches!(definition(plan, *out), Some(Expr::Call(name, _)) if name == "RAND");
        if loops == 1 && is_random && elements.len() == 1 && elements.iter().all(|element| element.input == *out) {
            plan.nodes.remove(at + 2);
            if let NodeKind::EnumerateCollection(scan) = &mut plan.nodes[at].kind {
                scan.random = true;
            }
            return Ok(true);
        }
    }
    Ok(false)
}
