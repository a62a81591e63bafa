//! `optimize-count`: a subquery that is only counted counts its rows instead of building an array.
//!
//! ```text
//! LET n = LENGTH(FOR d IN c FILTER d.a > 1 RETURN d)   ->   LET n = FIRST(FOR d IN c … COLLECT WITH COUNT INTO m RETURN m)
//! ```

use crate::expr::{Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{Aggregate, Collect, CollectMethod, NodeKind, Plan};
use base::Result;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let NodeKind::Subquery { plan: inner, out, .. } = &plan.nodes[at].kind else { continue };
        let out = *out;
        let countable = matches!(inner.nodes.last().map(|node| &node.kind), Some(NodeKind::Return { .. }))
            && !inner.is_modification()
            && inner.nodes.len() > 2
            && !inner.nodes.iter().any(|node| matches!(node.kind, NodeKind::Limit { .. }));
        if !countable || !only_counted(plan, out) {
            continue;
        }
        count_rows(plan, at, cx);
        plan.nodes.iter_mut().for_each(|node| {
            node.kind.each_expr_mut(&mut |expr| read_first(expr, out));
        });
        changed = true;
    }
    Ok(changed)
}

fn count_rows(plan: &mut Plan, at: usize, cx: &mut Cx<'_>) {
    let count = cx.new_var();
    let collect = cx.node(NodeKind::Collect(Collect {
        method: CollectMethod::Count,
        groups: Vec::new(),
        aggregates: vec![Aggregate { out: count, input: None, function: "LENGTH".into() }],
        into: None,
        into_expr: None,
        keep: Vec::new(),
    }));
    if let NodeKind::Subquery { plan: inner, .. } = &mut plan.nodes[at].kind {
        if let Some(last) = inner.nodes.last_mut() {
            last.kind = NodeKind::Return { input: count };
        }
        let end = inner.nodes.len() - 1;
        inner.nodes.insert(end, collect);
        // What was returned is read no more; a sort of what is only counted is for nothing.
        inner.nodes.retain(|node| !matches!(node.kind, NodeKind::Sort { .. }));
    }
}

fn is_length_of(expr: &Expr, var: VarId) -> bool {
    matches!(expr, Expr::Call(name, args) if name == "LENGTH" && args.first() == Some(&Expr::Var(var)))
}

fn only_counted(plan: &Plan, var: VarId) -> bool {
    let mut used = false;
    for node in &plan.nodes {
        if !node.kind.reads().contains(&var) {
            continue;
        }
        used = true;
        let NodeKind::Calculation { expr, .. } = &node.kind else { return false };
        if counts(expr, var) != expr.occurrences(var) {
            return false;
        }
    }
    used
}

fn counts(expr: &Expr, var: VarId) -> usize {
    if is_length_of(expr, var) {
        return 1;
    }
    let mut count = 0;
    expr.each_child(&mut |child| count += counts(child, var));
    count
}

fn read_first(expr: &mut Expr, var: VarId) {
    if is_length_of(expr, var) {
        *expr = Expr::Call("FIRST".into(), vec![Expr::Var(var)]);
        return;
    }
    expr.each_child_mut(&mut |child| read_first(child, var));
}
