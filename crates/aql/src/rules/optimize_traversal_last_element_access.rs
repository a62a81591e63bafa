//! `optimize-traversal-last-element-access`: `p.vertices[-1]` is the traversal's vertex, `p.edges[-1]` its
//! edge, so that the path need not be built.

use crate::expr::{Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let NodeKind::Traversal(traversal) = &plan.nodes[at].kind else { continue };
        let Some(path) = traversal.path_out else { continue };
        let vertex = traversal.vertex_out.unwrap_or_else(|| cx.new_var());
        let edge = traversal.edge_out.unwrap_or_else(|| cx.new_var());
        let mut found = (false, false);
        for node in plan.nodes.iter_mut().skip(at + 1) {
            node.kind.each_expr_mut(&mut |expr| rewrite(expr, path, vertex, edge, &mut found));
        }
        if let NodeKind::Traversal(traversal) = &mut plan.nodes[at].kind {
            traversal.vertex_out = traversal.vertex_out.or(found.0.then_some(vertex));
            traversal.edge_out = traversal.edge_out.or(found.1.then_some(edge));
        }
        changed |= found.0 || found.1;
    }
    Ok(changed)
}

fn rewrite(expr: &mut Expr, path: VarId, vertex: VarId, edge: VarId, found: &mut (bool, bool)) {
    if let Expr::Indexed(base, index) = expr
        && let (Expr::Attribute(of, name), Expr::Const(position)) = (&**base, &**index)
        && **of == Expr::Var(path)
        && position.as_slice().as_i64() == Some(-1)
    {
        match name.as_str() {
            "vertices" => {
                found.0 = true;
                *expr = Expr::Var(vertex);
                return;
            }
            "edges" => {
                found.1 = true;
                *expr = Expr::Var(edge);
                return;
            }
            _ => {}
        }
    }
    expr.each_child_mut(&mut |child| rewrite(child, path, vertex, edge, found));
}
