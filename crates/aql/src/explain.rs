//! Plans as ArangoDB's explain prints them (`execution.md` §2): JSON with its node types and field
//! names. `nodes` prints nodes, `expressions` expressions; clients draw their own text from it.

mod expressions;
mod nodes;

use crate::catalog::CatalogView;
use crate::expr::VarId;
use crate::functions;
use crate::plan::{CollectionAccess, Node, NodeKind, Plan, Query};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

pub(crate) use expressions::{binary_name, unary_name};

/// The answer to `POST /_api/explain`: `{plan, cacheable, warnings, stats}`.
#[must_use]
pub fn explain(query: &Query, catalog: &dyn CatalogView) -> Json {
    let warnings: Vec<Json> = query.warnings.iter().map(|(code, message)| json!({"code": code, "message": message})).collect();
    let is_cacheable = warnings.is_empty() && !query.plan.is_modification() && is_cacheable(&query.plan);
    json!({
        "plan": plan_json(query, catalog),
        "cacheable": is_cacheable,
        "warnings": warnings,
        "stats": {
            "rulesExecuted": crate::optimizer::RULES.len(),
            "rulesSkipped": 0,
            "plansCreated": 1,
            "rules": {},
            "peakMemoryUsage": 0,
            "executionTime": 0.0,
        },
    })
}

/// The plan alone, as `extra.plan` of a profiled query shows it.
#[must_use]
pub fn plan_json(query: &Query, catalog: &dyn CatalogView) -> Json {
    let printer = Printer::new(query, catalog);
    let last = query.plan.nodes.last();
    let collections: Vec<Json> = query
        .collections
        .iter()
        .map(|used| {
            let access = match used.access {
                CollectionAccess::Read => "read",
                CollectionAccess::Write => "write",
                CollectionAccess::Exclusive => "exclusive",
            };
            json!({"name": used.name, "type": access})
        })
        .collect();
    let variables: Vec<Json> =
        (0..query.variables.len()).rev().filter_map(|id| u32::try_from(id).ok()).map(|id| printer.var(VarId(id))).collect();
    json!({
        "nodes": printer.plan(&query.plan),
        "rules": query.rules,
        "asyncPrefetchNodes": 0,
        "estimatedCost": last.map_or(0.0, |last| last.cost),
        "estimatedNrItems": last.map_or(0, rows),
        "collections": collections,
        "variables": variables,
        "isModificationQuery": query.plan.is_modification(),
    })
}

fn rows(node: &Node) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, never negative")]
    let rows = node.rows.round() as u64;
    rows
}

/// Whether the results cache may keep a query's result.
fn is_cacheable(plan: &Plan) -> bool {
    plan.nodes.iter().all(|node| {
        let mut cacheable = true;
        node.kind.each_expr(&mut |expr| {
            cacheable = cacheable
                && !expr.any(&|expr| match expr {
                    crate::expr::Expr::Call(name, _) => functions::lookup(name).is_none_or(|function| !function.is_foldable),
                    crate::expr::Expr::UserCall(..) => true,
                    _ => false,
                });
        });
        match &node.kind {
            NodeKind::Subquery { plan, .. } => is_cacheable(plan),
            _ => cacheable,
        }
    })
}

/// What printing a node needs to know of the whole query.
struct Printer<'a> {
    query: &'a Query,
    catalog: &'a dyn CatalogView,
    /// Variables that hold whole documents.
    documents: BTreeSet<VarId>,
    /// Variables that hold results of subqueries.
    subqueries: BTreeSet<VarId>,
    /// Numbers above this are free for nodes that only explain shows.
    id_max: u32,
}

impl<'a> Printer<'a> {
    fn new(query: &'a Query, catalog: &'a dyn CatalogView) -> Self {
        let mut printer = Self { query, catalog, documents: BTreeSet::new(), subqueries: BTreeSet::new(), id_max: 0 };
        printer.note(&query.plan);
        printer
    }

    fn note(&mut self, plan: &Plan) {
        for node in &plan.nodes {
            self.id_max = self.id_max.max(node.id);
            match &node.kind {
                NodeKind::EnumerateCollection(scan) if scan.projections.is_empty() => {
                    self.documents.insert(scan.out);
                }
                NodeKind::Index(scan) if scan.scan.projections.is_empty() => {
                    self.documents.insert(scan.scan.out);
                }
                NodeKind::Subquery { plan, out, .. } => {
                    self.subqueries.insert(*out);
                    self.note(plan);
                }
                _ => {}
            }
        }
    }

    fn name(&self, var: VarId) -> String {
        self.query.variables.get(var.0 as usize).map_or_else(|| var.0.to_string(), |variable| variable.name.clone())
    }

    fn var(&self, var: VarId) -> Json {
        json!({"id": var.0, "name": self.name(var), "isFullDocumentFromCollection": self.documents.contains(&var)})
    }

    fn plan(&self, plan: &Plan) -> Vec<Json> {
        let mut printed: Vec<Json> = Vec::with_capacity(plan.nodes.len());
        let mut before: Option<u32> = None;
        for node in &plan.nodes {
            printed.push(self.node(node, before));
            before = Some(node.id);
            if matches!(node.kind, NodeKind::Scatter) {
                // The way to the shards, which a plan does not spell out.
                let hop = Node {
                    id: self.id_max + node.id,
                    kind: NodeKind::Remote { collection: String::new(), shard_values: Vec::new() },
                    ..node.clone()
                };
                printed.push(self.node(&hop, before));
                before = Some(hop.id);
            }
        }
        printed
    }

    fn node(&self, node: &Node, before: Option<u32>) -> Json {
        let (kind, fields) = self.kind(&node.kind);
        let mut all = Map::new();
        all.insert("type".into(), json!(kind));
        all.insert("dependencies".into(), before.map_or_else(|| json!([]), |id| json!([id])));
        all.insert("id".into(), json!(node.id));
        all.insert("estimatedCost".into(), json!(node.cost));
        all.insert("estimatedNrItems".into(), json!(rows(node)));
        if let Json::Object(fields) = fields {
            all.extend(fields);
        }
        Json::Object(all)
    }
}
