//! Rewrites a plan by rules, in a fixed and visible order ([`RULES`]).
//!
//! Each rule keeps the meaning of a plan; it is one file below `rules/`. A rule works on one plan at a
//! time; the plans of subqueries come before the one around them.

use crate::catalog::{CatalogView, CollectionInfo};
use crate::compile::{CompileOptions, Fold};
use crate::cost;
use crate::expr::VarId;
use crate::plan::{Node, NodeKind, Plan, Query, Variable};
use crate::rules;
use base::Result;
use serde_json::{Value as Json, json};

/// A rule.
pub(crate) struct Rule {
    /// ArangoDB's name for it.
    pub name: &'static str,
    /// Whether `optimizer.rules` may switch it off, and where it applies.
    pub kind: RuleKind,
    /// Changes a plan; `true` if it did.
    pub run: fn(&mut Plan, &mut Cx<'_>) -> Result<bool>,
}

/// When a rule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleKind {
    /// Unless it is switched off.
    Optional,
    /// On a coordinator, unless it is switched off.
    OptionalInCluster,
    /// Always on a coordinator: without it a plan would be wrong.
    AlwaysInCluster,
}

/// What rules may use.
pub(crate) struct Cx<'a> {
    pub catalog: &'a dyn CatalogView,
    pub fold: Fold<'a>,
    pub variables: &'a mut Vec<Variable>,
    nodes_made: u32,
}

impl Cx<'_> {
    /// A node with a new number.
    pub(crate) fn node(&mut self, kind: NodeKind) -> Node {
        self.nodes_made += 1;
        Node { id: self.nodes_made, kind, cost: 0.0, rows: 0.0 }
    }

    /// A new internal variable.
    pub(crate) fn new_var(&mut self) -> VarId {
        let number = self.variables.len();
        self.variables.push(Variable { name: number.to_string() });
        VarId(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// The collection; one that vanished meanwhile looks empty.
    pub(crate) fn collection(&self, name: &str) -> CollectionInfo {
        self.catalog.collection(name).unwrap_or_default()
    }
}

/// All rules in the order of their application.
pub(crate) use rules::ALL as RULES;

/// Optimises and distributes a query.
pub(crate) fn optimize(query: &mut Query, catalog: &dyn CatalogView, options: &CompileOptions, fold: Fold<'_>) -> Result<()> {
    let Query { plan, variables, rules, .. } = query;
    let nodes_made = greatest_id(plan);
    let is_cluster = catalog.is_cluster();
    let mut cx = Cx { catalog, fold, variables, nodes_made };
    for rule in RULES {
        let runs = match rule.kind {
            RuleKind::Optional => is_enabled(rule.name, &options.rules),
            RuleKind::OptionalInCluster => is_cluster && is_enabled(rule.name, &options.rules),
            RuleKind::AlwaysInCluster => is_cluster,
        };
        if runs && apply(rule, plan, &mut cx)? {
            rules.push(rule.name.to_owned());
        }
    }
    cost::estimate(plan, &cx);
    Ok(())
}

fn apply(rule: &Rule, plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for node in &mut plan.nodes {
        if let NodeKind::Subquery { plan, .. } = &mut node.kind {
            changed |= apply(rule, plan, cx)?;
        }
    }
    Ok((rule.run)(plan, cx)? | changed)
}

/// The last word about a rule counts.
fn is_enabled(name: &str, switches: &[String]) -> bool {
    let mut enabled = true;
    for switch in switches {
        let (on, rule) = match switch.strip_prefix('-') {
            Some(rule) => (false, rule),
            None => (true, switch.strip_prefix('+').unwrap_or(switch)),
        };
        if rule == name || rule == "all" {
            enabled = on;
        }
    }
    enabled
}

fn greatest_id(plan: &Plan) -> u32 {
    let inner = |node: &Node| match &node.kind {
        NodeKind::Subquery { plan, .. } => greatest_id(plan).max(node.id),
        _ => node.id,
    };
    plan.nodes.iter().map(inner).max().unwrap_or(0)
}

/// `GET /_api/query/rules`.
#[must_use]
pub fn rules_json() -> Json {
    let describe = |rule: &Rule| {
        json!({"name": rule.name, "flags": {
            "hidden": false,
            "clusterOnly": rule.kind != RuleKind::Optional,
            "canBeDisabled": rule.kind != RuleKind::AlwaysInCluster,
            "canCreateAdditionalPlans": false,
            "disabledByDefault": false,
            "enterpriseOnly": false,
        }})
    };
    RULES.iter().map(describe).collect()
}
