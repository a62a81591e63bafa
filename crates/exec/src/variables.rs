//! Which variables the nodes of a plan read, and so which must be kept between them.

use crate::block::Live;
use aql::expr::{Expr, ObjectKey, Quantifier, VarId};
use aql::plan::{Aggregate, FieldCondition, IndexScan, Node, NodeKind, Paths, Scan, SortElement, Traversal, Window};
use std::collections::BTreeSet;

type Set = BTreeSet<VarId>;

/// For each node the variables that are read after it; `at_end` are those read after the last one.
pub(crate) fn live_after(nodes: &[Node], at_end: &[VarId]) -> Vec<Live> {
    let mut set: Set = at_end.iter().copied().collect();
    let mut live = Vec::with_capacity(nodes.len());
    for node in nodes.iter().rev() {
        live.push(set.iter().copied().collect::<Live>());
        of_node(&node.kind, &mut set);
    }
    live.reverse();
    live
}

/// All variables that the nodes read.
pub(crate) fn read_by(nodes: &[Node]) -> BTreeSet<VarId> {
    let mut set = Set::new();
    for node in nodes {
        of_node(&node.kind, &mut set);
    }
    set
}

/// All variables that an expression reads, its own iterators included.
pub(crate) fn of_expr(expr: &Expr, set: &mut Set) {
    match expr {
        Expr::Const(_) | Expr::Collection(_) => {}
        Expr::Var(var) => {
            set.insert(*var);
        }
        Expr::Attribute(base, _) | Expr::Unary(_, base) => of_expr(base, set),
        Expr::Indexed(left, right) | Expr::Binary(_, left, right) | Expr::Range(left, right) => {
            of_expr(left, set);
            of_expr(right, set);
        }
        Expr::And(operands) | Expr::Or(operands) | Expr::Array(operands) | Expr::Call(_, operands) | Expr::UserCall(_, operands) => {
            operands.iter().for_each(|operand| of_expr(operand, set));
        }
        Expr::ArrayCompare(quantifier, _, left, right) => {
            of_quantifier(quantifier, set);
            of_expr(left, set);
            of_expr(right, set);
        }
        Expr::Ternary(condition, then, otherwise) => {
            of_expr(condition, set);
            then.iter().for_each(|then| of_expr(then, set));
            of_expr(otherwise, set);
        }
        Expr::Object(entries) => {
            for (key, value) in entries {
                if let ObjectKey::Computed(key) = key {
                    of_expr(key, set);
                }
                of_expr(value, set);
            }
        }
        Expr::Expansion(expansion) => {
            of_expr(&expansion.input, set);
            let limits = expansion.limit.iter().flat_map(|(offset, count)| [offset, count]);
            expansion.filter.iter().chain(&expansion.projection).chain(limits).for_each(|expr| of_expr(expr, set));
            expansion.question.iter().for_each(|quantifier| of_quantifier(quantifier, set));
        }
    }
}

fn of_quantifier(quantifier: &Quantifier, set: &mut Set) {
    match quantifier {
        Quantifier::Any | Quantifier::All | Quantifier::None => {}
        Quantifier::AtLeast(count) => of_expr(count, set),
        Quantifier::Between(low, high) => {
            of_expr(low, set);
            of_expr(high, set);
        }
    }
}

fn of_node(kind: &NodeKind, set: &mut Set) {
    match kind {
        NodeKind::Singleton | NodeKind::Scatter | NodeKind::Limit { .. } | NodeKind::NoResults => {}
        NodeKind::Remote { shard_values, .. } => shard_values.iter().for_each(|value| of_expr(value, set)),
        NodeKind::EnumerateCollection(scan) => of_scan(scan, set),
        NodeKind::Index(scan) => of_index(scan, set),
        NodeKind::EnumerateList { input, .. } | NodeKind::Filter { input } | NodeKind::Return { input } => {
            set.insert(*input);
        }
        NodeKind::Calculation { expr, .. } => of_expr(expr, set),
        NodeKind::Subquery { plan, .. } => set.extend(read_by(&plan.nodes)),
        NodeKind::Sort { elements, .. } | NodeKind::Gather { elements } => of_sort(elements, set),
        NodeKind::Collect(collect) => {
            set.extend(collect.groups.iter().map(|(_, input)| *input));
            of_aggregates(&collect.aggregates, set);
            set.extend(collect.into_expr);
            if collect.into.is_some() && collect.into_expr.is_none() {
                set.extend(collect.keep.iter().map(|(_, var)| *var));
            }
        }
        NodeKind::Window(window) => of_window(window, set),
        NodeKind::Modify(modify) => {
            set.insert(modify.document);
            set.extend(modify.key);
        }
        NodeKind::Upsert(upsert) => set.extend([upsert.found, upsert.insert, upsert.update]),
        NodeKind::Traversal(traversal) => of_traversal(traversal, set),
        NodeKind::Paths(paths) => of_paths(paths, set),
    }
}

fn of_scan(scan: &Scan, set: &mut Set) {
    scan.filter.iter().for_each(|filter| of_expr(filter, set));
}

fn of_index(scan: &IndexScan, set: &mut Set) {
    of_scan(&scan.scan, set);
    for condition in scan.branches.iter().flat_map(|branch| &branch.conditions) {
        match condition {
            FieldCondition::Eq(expr) | FieldCondition::In(expr) => of_expr(expr, set),
            FieldCondition::Range { low, high } => low.iter().chain(high).for_each(|(expr, _)| of_expr(expr, set)),
        }
    }
}

fn of_sort(elements: &[SortElement], set: &mut Set) {
    set.extend(elements.iter().map(|element| element.input));
}

fn of_aggregates(aggregates: &[Aggregate], set: &mut Set) {
    set.extend(aggregates.iter().filter_map(|aggregate| aggregate.input));
}

fn of_window(window: &Window, set: &mut Set) {
    set.extend(window.range);
    of_aggregates(&window.aggregates, set);
    window.preceding.iter().chain(&window.following).for_each(|expr| of_expr(expr, set));
}

fn of_traversal(traversal: &Traversal, set: &mut Set) {
    set.insert(traversal.start);
    let by_depth = traversal.edge_conditions.iter().chain(&traversal.vertex_conditions).map(|(_, expr)| expr);
    let all = traversal.prune.iter().chain(&traversal.edge_condition).chain(&traversal.vertex_condition).chain(by_depth);
    all.for_each(|expr| of_expr(expr, set));
}

fn of_paths(paths: &Paths, set: &mut Set) {
    set.extend([paths.start, paths.target]);
}

/// All variables that the nodes set.
pub(crate) fn written_by(nodes: &[Node]) -> Set {
    let mut set = Set::new();
    for node in nodes {
        match &node.kind {
            NodeKind::Singleton
            | NodeKind::Scatter
            | NodeKind::Limit { .. }
            | NodeKind::NoResults
            | NodeKind::Remote { .. }
            | NodeKind::Filter { .. }
            | NodeKind::Sort { .. }
            | NodeKind::Return { .. }
            | NodeKind::Gather { .. } => {}
            NodeKind::EnumerateCollection(scan) => {
                set.insert(scan.out);
            }
            NodeKind::Index(scan) => {
                set.insert(scan.scan.out);
            }
            NodeKind::EnumerateList { out, .. } | NodeKind::Calculation { out, .. } | NodeKind::Subquery { out, .. } => {
                set.insert(*out);
            }
            NodeKind::Collect(collect) => {
                set.extend(collect.groups.iter().map(|(out, _)| *out));
                set.extend(collect.aggregates.iter().map(|aggregate| aggregate.out));
                set.extend(collect.into);
            }
            NodeKind::Window(window) => set.extend(window.aggregates.iter().map(|aggregate| aggregate.out)),
            NodeKind::Modify(modify) => set.extend(modify.old.into_iter().chain(modify.new)),
            NodeKind::Upsert(upsert) => set.extend(upsert.old.into_iter().chain(upsert.new)),
            NodeKind::Traversal(traversal) => {
                let outs = [traversal.vertex_out, traversal.edge_out, traversal.path_out, traversal.prune_out];
                set.extend(outs.into_iter().flatten());
            }
            NodeKind::Paths(paths) => set.extend([paths.vertex_out, paths.edge_out, paths.path_out].into_iter().flatten()),
        }
    }
    set
}
