//! `remove-collect-variables`: what COLLECT makes and nobody reads is not made.
//!
//! A group list of which only the length is asked becomes a counter, and it keeps only the variables
//! that are looked at.

use super::pipeline::uses;
use crate::expr::{Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{Aggregate, Collect, NodeKind, Plan};
use base::Result;
use std::collections::BTreeSet;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let NodeKind::Collect(collect) = &plan.nodes[at].kind else { continue };
        let mut collect = collect.clone();
        let before = collect.clone();
        if collect.aggregates.len() + collect.groups.len() > 1 || collect.into.is_some() {
            drop_aggregates(plan, &mut collect);
        }
        if let Some(into) = collect.into {
            narrow(plan, &mut collect, into);
        }
        if collect == before {
            continue;
        }
        let counted = before.into.filter(|_| collect.into.is_none());
        plan.nodes[at].kind = NodeKind::Collect(collect);
        if let Some(into) = counted {
            plan.nodes.iter_mut().for_each(|node| node.kind.each_expr_mut(&mut |expr| length_to_value(expr, into)));
        }
        changed = true;
    }
    Ok(changed)
}

fn drop_aggregates(plan: &Plan, collect: &mut Collect) {
    let has_groups = !collect.groups.is_empty();
    let used: Vec<Aggregate> = collect.aggregates.iter().filter(|aggregate| uses(plan, aggregate.out) > 0).cloned().collect();
    // Without groups and aggregates there would be nothing left of the node.
    if has_groups || !used.is_empty() {
        collect.aggregates = used;
    }
}

/// Drops the group list, turns it into a counter, or keeps less in it.
fn narrow(plan: &Plan, collect: &mut Collect, into: VarId) {
    let total = uses(plan, into);
    if total == 0 && !(collect.groups.is_empty() && collect.aggregates.is_empty()) {
        (collect.into, collect.into_expr) = (None, None);
        collect.keep.clear();
        return;
    }
    let mut lengths = 0;
    let mut attributes: Option<BTreeSet<String>> = Some(BTreeSet::new());
    for node in &plan.nodes {
        node.kind.each_expr(&mut |expr| {
            lengths += length_uses(expr, into);
            look_at(expr, into, &mut attributes);
        });
        let reads_as_such = !matches!(node.kind, NodeKind::Calculation { .. }) && node.kind.reads().contains(&into);
        if reads_as_such {
            attributes = None;
        }
    }
    if total > 0 && lengths == total {
        collect.aggregates.push(Aggregate { out: into, input: None, function: "LENGTH".into() });
        (collect.into, collect.into_expr) = (None, None);
        collect.keep.clear();
    } else if let Some(attributes) = attributes
        && !attributes.is_empty()
    {
        collect.keep.retain(|(name, _)| attributes.contains(name));
    }
}

fn is_length(expr: &Expr, var: VarId) -> bool {
    matches!(expr, Expr::Call(name, args) if name == "LENGTH" && args.first() == Some(&Expr::Var(var)))
}

fn length_uses(expr: &Expr, var: VarId) -> usize {
    if is_length(expr, var) {
        return 1;
    }
    let mut count = 0;
    expr.each_child(&mut |child| count += length_uses(child, var));
    count
}

/// `LENGTH(list)` becomes the variable, which holds the counter now.
fn length_to_value(expr: &mut Expr, var: VarId) {
    if is_length(expr, var) {
        *expr = Expr::Var(var);
        return;
    }
    expr.each_child_mut(&mut |child| length_to_value(child, var));
}

/// Attributes of the list's members that are looked at (`list[*].doc.a` looks at `doc`); `None` once
/// members are used as a whole.
fn look_at(expr: &Expr, var: VarId, attributes: &mut Option<BTreeSet<String>>) {
    match expr {
        Expr::Var(own) if *own == var => *attributes = None,
        Expr::Call(..) if is_length(expr, var) => {}
        Expr::Expansion(expansion) if expansion.input == Expr::Var(var) && expansion.levels == 1 => {
            if expansion.projection.is_none() && expansion.question.is_none() {
                *attributes = None;
            }
            let limits = expansion.limit.iter().flat_map(|(offset, count)| [offset, count]);
            for part in expansion.filter.iter().chain(&expansion.projection).chain(limits) {
                look_at(part, var, attributes);
                members(part, expansion.iterator, attributes);
            }
        }
        _ => expr.each_child(&mut |child| look_at(child, var, attributes)),
    }
}

fn members(expr: &Expr, iterator: VarId, attributes: &mut Option<BTreeSet<String>>) {
    match expr {
        Expr::Var(own) if *own == iterator => *attributes = None,
        Expr::Attribute(base, name) if **base == Expr::Var(iterator) => {
            if let Some(attributes) = attributes {
                attributes.insert(name.clone());
            }
        }
        _ => expr.each_child(&mut |child| members(child, iterator, attributes)),
    }
}
