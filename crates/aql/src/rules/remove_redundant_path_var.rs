//! `remove-redundant-path-var`: vertices, edges and paths that nobody reads are not made.

use super::pipeline::uses;
use crate::expr::VarId;
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan, Traversal};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        match plan.nodes[at].kind.clone() {
            NodeKind::Traversal(mut traversal) => {
                let before = traversal.clone();
                let wanted = |var: Option<VarId>| {
                    let var = var?;
                    let pruned = before.prune.as_ref().is_some_and(|prune| prune.uses(var));
                    (pruned || read_after(plan, at, var)).then_some(var)
                };
                traversal.vertex_out = wanted(before.vertex_out);
                traversal.edge_out = wanted(before.edge_out);
                traversal.path_out = wanted(before.path_out);
                traversal.options.produce_vertices = before.options.produce_vertices && needs_vertices(&traversal);
                changed |= traversal != before;
                plan.nodes[at].kind = NodeKind::Traversal(traversal);
            }
            NodeKind::Paths(mut paths) => {
                let before = paths.clone();
                let wanted = |var: Option<VarId>| var.filter(|var| read_after(plan, at, *var));
                (paths.vertex_out, paths.edge_out) = (wanted(before.vertex_out), wanted(before.edge_out));
                paths.path_out = wanted(before.path_out);
                changed |= paths != before;
                plan.nodes[at].kind = NodeKind::Paths(paths);
            }
            _ => {}
        }
    }
    Ok(changed)
}

fn read_after(plan: &Plan, at: usize, var: VarId) -> bool {
    uses(&Plan { nodes: plan.nodes.get(at + 1..).unwrap_or_default().to_vec() }, var) > 0
}

/// Must the documents of vertices be read at all?
fn needs_vertices(traversal: &Traversal) -> bool {
    traversal.vertex_out.is_some()
        || traversal.path_out.is_some()
        || traversal.vertex_condition.is_some()
        || !traversal.vertex_conditions.is_empty()
        || !traversal.options.vertex_collections.is_empty()
}
