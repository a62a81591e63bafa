//! The operators, one file per node of the plan, and how a plan becomes a chain of them.

mod aggregate;
mod calculation;
mod collect;
mod documents;
mod duration;
mod enumerate_collection;
mod enumerate_list;
mod filter;
mod found_path;
mod gather;
mod graph;
mod inbox;
mod index;
mod key_table;
mod limit;
mod modify;
mod modify_request;
mod no_results;
mod paths;
mod singleton;
mod sort;
mod sort_key;
mod subquery;
mod traversal;
mod upsert;
mod window;

use crate::block::Live;
use crate::pipeline::Operator;
use crate::variables;
use aql::expr::{Expr, VarId};
use aql::plan::{Node, NodeKind};
use base::Result;
use std::collections::BTreeSet;

/// Builds the operators of a plan; `live[n]` are the variables read after node `n`.
pub(crate) fn build(nodes: &[Node], live: &[Live]) -> Result<Vec<Box<dyn Operator>>> {
    let mut operators: Vec<Box<dyn Operator>> = Vec::with_capacity(nodes.len());
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        let segment = remote_segment(nodes, at);
        if let Some((remote, collection, shard_values)) = segment {
            let gathered = matches!(nodes.get(remote + 1).map(|node| &node.kind), Some(NodeKind::Gather { .. }));
            let end = if gathered { remote + 1 } else { remote };
            let elements = match nodes.get(end).map(|node| &node.kind) {
                Some(NodeKind::Gather { elements }) => elements.as_slice(),
                _ => &[],
            };
            let sent_back = live.get(remote).cloned().unwrap_or_default();
            let after = live.get(end).cloned().unwrap_or_default();
            let snippet_nodes = nodes.get(at..remote).unwrap_or_default();
            let cut = gather::Cut { nodes: snippet_nodes, collection, shard_values, elements };
            operators.push(Box::new(gather::Gather::new(&cut, &sent_back, after)?));
            at = end + 1;
            continue;
        }
        if let Some(range) = range_of_next(nodes, live, at)
            && let Some(NodeKind::EnumerateList { out, .. }) = nodes.get(at + 1).map(|node| &node.kind)
        {
            let after = live.get(at + 1).cloned().unwrap_or_default();
            operators.push(Box::new(enumerate_list::EnumerateList::over_range(range, *out, after)?));
            at += 2;
            continue;
        }
        let before = nodes.get(..at).unwrap_or_default();
        operators.push(operator(node, before, live.get(at).cloned().unwrap_or_default())?);
        at += 1;
    }
    Ok(operators)
}

/// If a snippet for shards begins at node `at`: the position of its `Remote`, the collection and the
/// shard keys' values.
fn remote_segment(nodes: &[Node], at: usize) -> Option<(usize, &str, &[Expr])> {
    let first = nodes.get(at)?;
    if !matches!(first.kind, NodeKind::Singleton | NodeKind::Scatter) {
        return None;
    }
    for (position, node) in nodes.iter().enumerate().skip(at + 1) {
        match &node.kind {
            NodeKind::Remote { collection, shard_values } => return Some((position, collection, shard_values)),
            NodeKind::Scatter => return None,
            _ => {}
        }
    }
    None
}

/// The range that the list enumeration after node `at` iterates, if nobody else needs it spelt out.
fn range_of_next<'a>(nodes: &'a [Node], live: &[Live], at: usize) -> Option<&'a Expr> {
    let NodeKind::Calculation { expr: expr @ Expr::Range(..), out } = &nodes.get(at)?.kind else { return None };
    let NodeKind::EnumerateList { input, .. } = &nodes.get(at + 1)?.kind else { return None };
    (input == out && !live.get(at + 1)?.contains(out)).then_some(expr)
}

fn operator(node: &Node, before: &[Node], live: Live) -> Result<Box<dyn Operator>> {
    Ok(match &node.kind {
        NodeKind::Singleton | NodeKind::Scatter => Box::new(singleton::Singleton::new(live)),
        NodeKind::EnumerateCollection(scan) => Box::new(enumerate_collection::EnumerateCollection::new(scan, live)?),
        NodeKind::Index(scan) => Box::new(index::Index::new(scan, live)?),
        NodeKind::EnumerateList { input, out } => Box::new(enumerate_list::EnumerateList::over_variable(*input, *out, live)),
        NodeKind::Calculation { expr, out } => Box::new(calculation::Calculation::new(expr, *out, live)?),
        NodeKind::Subquery { plan, out, is_const } => Box::new(subquery::Subquery::new(plan, *out, subquery::Runs::of(*is_const), live)?),
        NodeKind::Filter { input } => Box::new(filter::Filter::new(*input, live)),
        NodeKind::Sort { elements, limit } => Box::new(sort::Sort::new(elements, *limit, live)),
        NodeKind::Limit { offset, count, full_count } => {
            let rest = if writes(before) || *full_count { limit::Rest::Pull } else { limit::Rest::Leave };
            Box::new(limit::Limit::new(*offset, *count, *full_count, rest))
        }
        NodeKind::Collect(collect) => collect::operator(collect, live)?,
        NodeKind::Window(window) => Box::new(window::Window::new(window, live)?),
        // A `Gather` or `Remote` that stands alone has its streams from the operator before it.
        NodeKind::Return { .. } | NodeKind::Remote { .. } | NodeKind::Gather { .. } => Box::new(singleton::Singleton::new(live)),
        NodeKind::NoResults => Box::new(no_results::NoResults),
        NodeKind::Modify(modify) => Box::new(modify::Modify::new(modify, reads_again(before, &modify.collection, modify), live)),
        NodeKind::Upsert(upsert) => Box::new(upsert::Upsert::new(upsert, live)),
        NodeKind::Traversal(traversal) => Box::new(traversal::Traversal::new(traversal, live)?),
        NodeKind::Paths(paths) => Box::new(paths::Paths::new(paths, live)?),
    })
}

/// Do the nodes write?
fn writes(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match &node.kind {
        NodeKind::Modify(_) | NodeKind::Upsert(_) => true,
        NodeKind::Subquery { plan, .. } => writes(&plan.nodes),
        _ => false,
    })
}

/// Must a modification have all its input before it writes, because rows still to come could show
/// what it wrote? Not if it only changes or removes the very documents that a full scan hands it.
fn reads_again(before: &[Node], collection: &str, modify: &aql::plan::Modify) -> modify::Reads {
    let mut scans = 0_usize;
    let mut own_scan: Option<VarId> = None;
    for node in before {
        match &node.kind {
            NodeKind::EnumerateCollection(scan) if scan.collection == collection => {
                scans += 1;
                own_scan = Some(scan.out);
            }
            NodeKind::Index(scan) if scan.scan.collection == collection => scans += 2,
            NodeKind::Subquery { plan, .. } if reads_collection(&plan.nodes, collection) => scans += 2,
            NodeKind::Traversal(_) | NodeKind::Paths(_) => scans += 2,
            _ => {}
        }
    }
    let by_scanned_key = modify.kind != aql::plan::ModifyKind::Insert
        && own_scan.is_some_and(|scanned| comes_from(before, modify.key.unwrap_or(modify.document), scanned));
    if scans == 0 || (scans == 1 && by_scanned_key) { modify::Reads::Nothing } else { modify::Reads::TheCollection }
}

/// Is `var` the scanned document itself or its `_key`?
fn comes_from(nodes: &[Node], var: VarId, scanned: VarId) -> bool {
    var == scanned
        || nodes.iter().any(|node| match &node.kind {
            NodeKind::Calculation { expr, out } if *out == var => match expr.as_path() {
                Some((base, path)) => base == scanned && (path.is_empty() || path == ["_key"]),
                None => false,
            },
            _ => false,
        })
}

fn reads_collection(nodes: &[Node], collection: &str) -> bool {
    nodes.iter().any(|node| match &node.kind {
        NodeKind::EnumerateCollection(scan) => scan.collection == collection,
        NodeKind::Index(scan) => scan.scan.collection == collection,
        NodeKind::Subquery { plan, .. } => reads_collection(&plan.nodes, collection),
        NodeKind::Traversal(_) | NodeKind::Paths(_) => true,
        _ => false,
    })
}

/// Variables that `nodes` set and that are wanted of them.
fn produced(nodes: &[Node], wanted: &[VarId]) -> Vec<VarId> {
    let written: BTreeSet<VarId> = variables::written_by(nodes);
    wanted.iter().copied().filter(|var| written.contains(var)).collect()
}
