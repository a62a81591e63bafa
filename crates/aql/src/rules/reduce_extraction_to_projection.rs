//! `reduce-extraction-to-projection`: a scan of whose documents only a few attributes are read yields just
//! these; an index that holds them all is enough, the documents are not read.
//!
//! Not if a document is used as a whole, and for at most five attributes.

use crate::expr::{Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{IndexScan, NodeKind, Plan};
use base::Result;

/// Limit: attributes beyond which the whole document is cheaper.
const PROJECTIONS_MAX: usize = 5;

#[expect(clippy::unnecessary_wraps, reason = "the shape of rules")]
pub(super) fn run(plan: &mut Plan, _cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let document = match &plan.nodes[at].kind {
            NodeKind::EnumerateCollection(scan) => scan.out,
            NodeKind::Index(scan) => scan.scan.out,
            _ => continue,
        };
        let mut paths = Some(Vec::new());
        plan.nodes.iter().for_each(|node| node_paths(&node.kind, document, &mut paths));
        let Some(mut paths) = paths else { continue };
        paths.sort();
        paths.dedup();
        keep_shortest(&mut paths);
        if paths.len() > PROJECTIONS_MAX {
            continue;
        }
        changed = true;
        match &mut plan.nodes[at].kind {
            NodeKind::EnumerateCollection(scan) => {
                scan.count_only = paths.is_empty();
                scan.projections = paths;
            }
            // Documents found through several look-ups are told apart by their keys.
            NodeKind::Index(scan) if paths.is_empty() && repeats(scan) => {}
            NodeKind::Index(scan) => {
                scan.covering = covers(scan, &paths);
                scan.scan.count_only = paths.is_empty();
                scan.scan.projections = paths;
            }
            _ => {}
        }
    }
    Ok(changed)
}

/// Adds the attribute paths of `document` that a node reads; `None` once it reads it as a whole.
fn node_paths(kind: &NodeKind, document: VarId, paths: &mut Option<Vec<Vec<String>>>) {
    if let NodeKind::Subquery { plan, .. } = kind {
        plan.nodes.iter().for_each(|node| node_paths(&node.kind, document, paths));
        return;
    }
    let mut in_expressions = 0;
    kind.each_expr(&mut |expr| {
        in_expressions += expr.occurrences(document);
        expr_paths(expr, document, paths);
    });
    if let NodeKind::Sort { elements, .. } | NodeKind::Gather { elements } = kind {
        for element in elements.iter().filter(|element| element.input == document) {
            match paths {
                Some(paths) if !element.path.is_empty() => paths.push(element.path.clone()),
                _ => *paths = None,
            }
        }
    } else if in_expressions == 0 && kind.reads().contains(&document) {
        *paths = None;
    }
}

fn expr_paths(expr: &Expr, document: VarId, paths: &mut Option<Vec<Vec<String>>>) {
    if let Some((var, path)) = expr.as_path() {
        if var == document {
            match paths {
                Some(paths) if !path.is_empty() => paths.push(path.into_iter().map(str::to_owned).collect()),
                _ => *paths = None,
            }
        }
        return;
    }
    expr.each_child(&mut |child| expr_paths(child, document, paths));
}

/// Of a path and one below it the shorter one is enough. `paths` is sorted.
fn keep_shortest(paths: &mut Vec<Vec<String>>) {
    let mut kept: Vec<Vec<String>> = Vec::with_capacity(paths.len());
    for path in paths.drain(..) {
        if !kept.iter().any(|shorter| path.starts_with(shorter)) {
            kept.push(path);
        }
    }
    *paths = kept;
}

/// May the look-ups find a document more than once?
fn repeats(scan: &IndexScan) -> bool {
    scan.branches.len() != 1 || scan.branches.iter().any(|branch| branch.index.fields.iter().any(|field| field.contains("[*]")))
}

/// Does the index hold all of these?
fn covers(scan: &IndexScan, paths: &[Vec<String>]) -> bool {
    let [branch] = scan.branches.as_slice() else { return false };
    let index = &branch.index;
    let expands = index.fields.iter().any(|field| field.contains("[*]"));
    // The key of the primary index finds the document itself; the edge index knows both ends.
    let kind = matches!(index.kind.as_str(), "persistent" | "hash" | "skiplist" | "ttl");
    let holds = |path: &Vec<String>| {
        let name = path.join(".");
        index.fields.iter().chain(&index.stored_values).any(|field| *field == name || name.starts_with(&format!("{field}.")))
    };
    kind && !expands && paths.iter().all(holds)
}
