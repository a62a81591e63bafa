//! `use-index-for-sort`: an index that yields the wanted order makes the sort superfluous.
//!
//! Fields fixed by `==` may be left out of the order. A full scan turns into a scan of the index only if a
//! LIMIT follows (or the order is that of the look-ups anyway). Not inside another loop, and not on a
//! coordinator, where the shards' streams have to be merged.

use super::pipeline::{definition, is_loop};
use crate::expr::{Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{FieldCondition, IndexBranch, IndexScan, NodeKind, Plan};
use base::Result;
use database::catalog::Index;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    if cx.catalog.is_cluster() {
        return Ok(false);
    }
    let Some(at) = plan.nodes.iter().position(|node| is_loop(&node.kind)) else { return Ok(false) };
    let Some(sort_at) = sort_of(plan, at) else { return Ok(false) };
    let document = match &plan.nodes[at].kind {
        NodeKind::EnumerateCollection(scan) if !scan.random && !scan.disable_index => scan.out,
        NodeKind::Index(scan) => scan.scan.out,
        _ => return Ok(false),
    };
    let Some((fields, ascending)) = order(plan, sort_at, document) else { return Ok(false) };
    let Some(scan) = ordered(plan, at, sort_at, &fields, !ascending, cx) else { return Ok(false) };
    plan.nodes[at].kind = NodeKind::Index(scan);
    plan.nodes.remove(sort_at);
    Ok(true)
}

/// The sort that orders the rows of the loop at `at`.
fn sort_of(plan: &Plan, at: usize) -> Option<usize> {
    for (position, node) in plan.nodes.iter().enumerate().skip(at + 1) {
        match &node.kind {
            NodeKind::Sort { .. } => return Some(position),
            NodeKind::Filter { .. } | NodeKind::Calculation { .. } => {}
            _ => return None,
        }
    }
    None
}

/// The fields that the sort orders by, if they are the document's and all in one direction.
fn order(plan: &Plan, sort_at: usize, document: VarId) -> Option<(Vec<String>, bool)> {
    let NodeKind::Sort { elements, .. } = &plan.nodes[sort_at].kind else { return None };
    let ascending = elements.first()?.ascending;
    let mut fields = Vec::with_capacity(elements.len());
    for element in elements {
        let input = Expr::Var(element.input);
        let expr = definition(plan, element.input).unwrap_or(&input);
        let (var, path) = expr.as_path()?;
        let path: Vec<&str> = path.into_iter().chain(element.path.iter().map(String::as_str)).collect();
        if var != document || path.is_empty() || element.ascending != ascending || path.iter().any(|part| part.contains('.')) {
            return None;
        }
        fields.push(path.join("."));
    }
    Some((fields, ascending))
}

fn ordered(plan: &Plan, at: usize, sort_at: usize, fields: &[String], reverse: bool, cx: &Cx<'_>) -> Option<IndexScan> {
    match &plan.nodes[at].kind {
        NodeKind::Index(scan) => {
            let [branch] = scan.branches.as_slice() else { return None };
            let equal = branch.conditions.iter().take_while(|condition| matches!(condition, FieldCondition::Eq(_))).count();
            let has_list = branch.conditions.iter().any(|condition| matches!(condition, FieldCondition::In(_)));
            let fits = !has_list && is_sorted(&branch.index) && gives(&branch.index, equal, fields);
            fits.then(|| IndexScan { reverse, sorted: true, ..scan.clone() })
        }
        NodeKind::EnumerateCollection(scan) if limited(plan, sort_at) => {
            let info = cx.collection(&scan.collection);
            let complete = |index: &&Index| is_sorted(index) && !index.sparse && index.kind != "ttl" && gives(index, 0, fields);
            let index = info.indexes.iter().find(complete)?.clone();
            let branches = vec![IndexBranch { index, conditions: Vec::new() }];
            Some(IndexScan { scan: scan.clone(), branches, reverse, sorted: true, covering: false })
        }
        _ => None,
    }
}

fn is_sorted(index: &Index) -> bool {
    let kind = matches!(index.kind.as_str(), "persistent" | "hash" | "skiplist" | "ttl");
    kind && !index.is_building && !index.fields.iter().any(|field| field.contains("[*]"))
}

/// Are the rows of the index in the order of `fields`, its first `equal` fields being the same in all?
fn gives(index: &Index, equal: usize, fields: &[String]) -> bool {
    let fixed = index.fields.get(..equal).unwrap_or_default();
    let wanted: Vec<&String> = fields.iter().filter(|field| !fixed.contains(field)).collect();
    let rest = index.fields.get(equal..).unwrap_or_default();
    wanted.len() <= rest.len() && wanted.into_iter().zip(rest).all(|(wanted, field)| wanted == field)
}

fn limited(plan: &Plan, sort_at: usize) -> bool {
    let mut after = plan.nodes.iter().skip(sort_at + 1).filter(|node| !matches!(node.kind, NodeKind::Calculation { .. }));
    matches!(after.next().map(|node| &node.kind), Some(NodeKind::Limit { .. }))
}
