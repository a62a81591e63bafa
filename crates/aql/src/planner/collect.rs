//! `COLLECT` in all its forms, and `WINDOW`.

use super::Planner;
use crate::ast::{self, ExprKind, Ident};
use crate::binding::named;
use crate::expr::{Expr, VarId};
use crate::functions;
use crate::plan::{Aggregate, Collect, CollectMethod, NodeKind, SortElement, Window};
use base::{Error, Result, code};

impl Planner<'_> {
    pub(super) fn collect(&mut self, collect: &ast::Collect) -> Result<()> {
        let mut groups = Vec::with_capacity(collect.groups.len());
        for (ident, value) in &collect.groups {
            let lowered = self.lower(value)?;
            groups.push((ident, self.calculate(lowered, None)?));
        }
        let mut aggregates = self.aggregates(&collect.aggregates)?;
        if let Some(count) = &collect.count {
            aggregates.push((count, None, "LENGTH"));
        }
        let into_expr = match &collect.into {
            Some((_, Some(value))) => {
                let lowered = self.lower(value)?;
                Some(self.calculate(lowered, None)?)
            }
            _ => None,
        };
        let keep = if collect.into.is_some() && into_expr.is_none() { self.kept(collect.keep.as_deref())? } else { Vec::new() };
        let method = self.collect_options(collect.options.as_ref())?;
        // From here on the variables of this (sub)query are the ones that COLLECT introduces.
        self.scope().names.clear();
        (self.scope().old, self.scope().new) = (None, None);
        let groups = groups.into_iter().map(|(ident, input)| Ok((self.declare(ident)?, input))).collect::<Result<Vec<_>>>()?;
        let aggregates = self.declare_aggregates(aggregates)?;
        let into = collect.into.as_ref().map(|(ident, _)| self.declare(ident)).transpose()?;
        let method = if groups.is_empty() && collect.count.is_some() {
            CollectMethod::Count
        } else if method.as_deref() == Some("sorted") && !groups.is_empty() {
            CollectMethod::Sorted
        } else {
            CollectMethod::Hash
        };
        self.push_collect(Collect { method, groups, aggregates, into, into_expr, keep })
    }

    /// The node, sorted before (`sorted`) or after it (`hash`): Compat: groups come in order.
    fn push_collect(&mut self, collect: Collect) -> Result<()> {
        let sort = |vars: Vec<VarId>| {
            let elements = vars.into_iter().map(|input| SortElement { input, path: Vec::new(), ascending: true }).collect();
            NodeKind::Sort { elements, limit: None }
        };
        let (outs, inputs): (Vec<VarId>, Vec<VarId>) = collect.groups.iter().copied().unzip();
        match collect.method {
            CollectMethod::Sorted => {
                self.push(sort(inputs))?;
                self.push(NodeKind::Collect(collect))
            }
            _ if outs.is_empty() => self.push(NodeKind::Collect(collect)),
            _ => {
                self.push(NodeKind::Collect(collect))?;
                self.push(sort(outs))
            }
        }
    }

    fn aggregates<'s>(&mut self, items: &'s [(Ident, ast::Expr)]) -> Result<Vec<(&'s Ident, Option<VarId>, &'static str)>> {
        let mut aggregates = Vec::with_capacity(items.len());
        for (ident, value) in items {
            let (function, args) = match &value.kind {
                ExprKind::Call(name, args) => (functions::aggregation(name), args.as_slice()),
                _ => (None, [].as_slice()),
            };
            let Some(function) = function else { return Err(Error::from(code::QUERY_INVALID_AGGREGATE_EXPRESSION)) };
            let input = match args {
                [] if function == "LENGTH" => None,
                [arg] => {
                    let lowered = self.lower(arg)?;
                    Some(self.calculate(lowered, None)?)
                }
                _ => return Err(Error::from(code::QUERY_INVALID_AGGREGATE_EXPRESSION)),
            };
            aggregates.push((ident, input.filter(|_| function != "LENGTH"), function));
        }
        Ok(aggregates)
    }

    fn declare_aggregates(&mut self, aggregates: Vec<(&Ident, Option<VarId>, &'static str)>) -> Result<Vec<Aggregate>> {
        let declare = |(ident, input, function): (&Ident, Option<VarId>, &'static str)| {
            Ok(Aggregate { out: self.declare(ident)?, input, function: function.to_owned() })
        };
        aggregates.into_iter().map(declare).collect()
    }

    /// Variables that `INTO` keeps: those named, or all of this (sub)query; those set before the
    /// first `FOR` are left out if there is one.
    fn kept(&mut self, keep: Option<&[Ident]>) -> Result<Vec<(String, VarId)>> {
        if let Some(keep) = keep {
            let find = |ident: &Ident| {
                let var = self.visible(&ident.name);
                let unknown = || named(code::QUERY_VARIABLE_NAME_UNKNOWN, &ident.name).context("use of unknown variable for KEEP");
                var.map(|var| (ident.name.clone(), var)).ok_or_else(unknown)
            };
            return keep.iter().map(find).collect();
        }
        let scope = self.scope();
        let loops_min = scope.loops.min(1);
        Ok(scope.names.iter().filter(|name| name.loops >= loops_min).map(|name| (name.name.clone(), name.var)).collect())
    }

    pub(super) fn window(&mut self, window: &ast::Window, at: u32) -> Result<()> {
        if !self.modified.is_empty() {
            return Err(Error::from(code::QUERY_WINDOW_AFTER_MODIFICATION));
        }
        let range = match &window.range {
            Some(range) => {
                let lowered = self.lower(range)?;
                Some(self.calculate(lowered, None)?)
            }
            None => None,
        };
        let (preceding, following) = self.bounds(&window.bounds, at)?;
        let aggregates = self.aggregates(&window.aggregates)?;
        if let Some(input) = range {
            self.push(NodeKind::Sort { elements: vec![SortElement { input, path: Vec::new(), ascending: true }], limit: None })?;
        }
        let aggregates = self.declare_aggregates(aggregates)?;
        self.push(NodeKind::Window(Window { range, preceding, following, aggregates }))
    }

    /// Bounds as constants; `None` is unbounded.
    fn bounds(&mut self, bounds: &ast::Expr, at: u32) -> Result<(Option<Expr>, Option<Expr>)> {
        let Expr::Const(value) = self.lower(bounds)? else {
            return self.fail(at, "WINDOW bounds have to be constant");
        };
        let object = value.as_slice();
        let known = |name: &str| name == "preceding" || name == "following";
        if !object.is_object() || object.len() == 0 || !object.entries().all(|(name, _)| known(name)) {
            return self.fail(at, "unexpected WINDOW bounds");
        }
        let bound = |name: &str| match object.get(name) {
            None => Some(Expr::Const(velocypack::Value::int(0))),
            Some(value) if matches!(value.as_str(), Some("unbounded" | "inf")) => None,
            Some(value) => Some(Expr::Const(value.to_value())),
        };
        Ok((bound("preceding"), bound("following")))
    }
}
