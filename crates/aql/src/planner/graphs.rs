//! Traversals and path searches.

use super::Planner;
use crate::ast::{self, Subject};
use crate::binding::named;
use crate::catalog::GraphInfo;
use crate::expr::{Expr, VarId};
use crate::plan::{CollectionAccess, Direction, GraphUse, NodeKind, Paths, PathsKind, Traversal};
use base::{Error, Result, code};
use database::catalog::CollectionType;

impl Planner<'_> {
    pub(super) fn traversal(&mut self, traversal: &ast::Traversal, at: u32) -> Result<()> {
        self.check_unmodified("traversal")?;
        let depth = self.depth(traversal.depth.as_ref(), at)?;
        let start = self.lower(&traversal.start)?;
        self.check_start(&start, traversal.start.at)?;
        let start = self.calculate(start, None)?;
        let graph = self.graph(&traversal.subject, traversal.direction, at)?;
        let options = self.traversal_options(traversal.options.as_ref())?;
        self.scope().loops += 1;
        let mut outs = [None; 3];
        for (slot, ident) in outs.iter_mut().zip(&traversal.variables) {
            *slot = Some(self.declare(ident)?);
        }
        let [vertex_out, edge_out, path_out] = outs;
        let (prune, prune_out) = self.prune(traversal)?;
        let condition_var = self.new_var(None)?;
        self.push(NodeKind::Traversal(Traversal {
            graph,
            start,
            min_depth: depth.0,
            max_depth: depth.1,
            vertex_out,
            edge_out,
            path_out,
            prune,
            prune_out,
            options,
            edge_condition: None,
            vertex_condition: None,
            edge_conditions: Vec::new(),
            vertex_conditions: Vec::new(),
            condition_var,
        }))
    }

    fn prune(&mut self, traversal: &ast::Traversal) -> Result<(Option<Expr>, Option<VarId>)> {
        let Some((name, condition)) = &traversal.prune else { return Ok((None, None)) };
        let nodes_before = self.nodes.len();
        let prune = self.lower(condition)?;
        if self.nodes.len() > nodes_before {
            return self.fail(condition.at, "PRUNE condition must not use a subquery");
        }
        let out = name.as_ref().map(|name| self.declare(name)).transpose()?;
        Ok((Some(prune), out))
    }

    pub(super) fn paths(&mut self, paths: &ast::Paths, at: u32) -> Result<()> {
        self.check_unmodified("path search")?;
        let (min_depth, max_depth) = self.depth(paths.depth.as_ref(), at)?;
        let start = self.lower(&paths.start)?;
        self.check_start(&start, paths.start.at)?;
        let start = self.calculate(start, None)?;
        let target = self.lower(&paths.target)?;
        self.check_start(&target, paths.target.at)?;
        let target = self.calculate(target, None)?;
        let graph = self.graph(&paths.subject, paths.direction, at)?;
        let options = self.traversal_options(paths.options.as_ref())?;
        self.scope().loops += 1;
        let mut outs = Vec::with_capacity(2);
        for ident in &paths.variables {
            outs.push(self.declare(ident)?);
        }
        let (first, second) = (outs.first().copied(), outs.get(1).copied());
        let is_shortest = paths.kind == PathsKind::Shortest;
        self.push(NodeKind::Paths(Paths {
            kind: paths.kind,
            graph,
            start,
            target,
            min_depth,
            max_depth,
            vertex_out: first.filter(|_| is_shortest),
            edge_out: second,
            path_out: first.filter(|_| !is_shortest),
            options,
        }))
    }

    fn check_unmodified(&self, what: &str) -> Result<()> {
        if self.modified.is_empty() { Ok(()) } else { Err(named(code::QUERY_ACCESS_AFTER_MODIFICATION, what)) }
    }

    /// A constant start must at least be text or an object; what is not known yet is checked later.
    fn check_start(&self, start: &Expr, at: u32) -> Result<()> {
        match start {
            Expr::Const(value) if !value.as_slice().is_string() && !value.as_slice().is_object() => {
                self.fail(at, "invalid start vertex. Must either be an _id string or an object with _id.")
            }
            _ => Ok(()),
        }
    }

    fn depth(&mut self, depth: Option<&ast::Expr>, at: u32) -> Result<(u64, u64)> {
        let Some(depth) = depth else { return Ok((1, 1)) };
        let (low, high) = match self.lower(depth)? {
            Expr::Range(low, high) => (*low, *high),
            single => (single.clone(), single),
        };
        let number = |expr: &Expr| match expr {
            Expr::Const(value) => {
                let slice = value.as_slice();
                #[expect(clippy::cast_possible_truncation, reason = "whole doubles only")]
                let whole = slice.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64);
                slice.as_i64().or(whole).and_then(|number| u64::try_from(number).ok())
            }
            _ => None,
        };
        match (number(&low), number(&high)) {
            (Some(low), Some(high)) if low <= high => Ok((low, high)),
            _ => self.fail(at, "invalid traversal depth"),
        }
    }

    fn graph(&mut self, subject: &Subject, direction: Direction, at: u32) -> Result<GraphUse> {
        match subject {
            Subject::Named(name) => {
                let name = match self.lower(name)? {
                    Expr::Const(value) => value.as_slice().as_str().map(str::to_owned),
                    _ => None,
                };
                let Some(name) = name else { return self.fail(at, "invalid graph name") };
                let unknown = || named(code::GRAPH_NOT_FOUND, &name);
                let graph = self.catalog.graph(&name).ok_or_else(unknown)?;
                self.named_graph(name, &graph, direction)
            }
            Subject::Edges(edges) => self.edge_collections(edges, direction, at),
        }
    }

    fn named_graph(&mut self, name: String, graph: &GraphInfo, direction: Direction) -> Result<GraphUse> {
        let mut edges: Vec<(String, Direction)> = Vec::new();
        for definition in &graph.edge_definitions {
            self.use_collection(&definition.collection, CollectionAccess::Read)?;
            if !edges.iter().any(|(known, _)| *known == definition.collection) {
                edges.push((definition.collection.clone(), direction));
            }
        }
        let vertices = graph.vertex_collections();
        for vertex in &vertices {
            self.use_collection(vertex, CollectionAccess::Read)?;
        }
        Ok(GraphUse { name: Some(name), edges, vertices, direction })
    }

    fn edge_collections(&mut self, edges: &[(Option<Direction>, ast::SourceName)], direction: Direction, at: u32) -> Result<GraphUse> {
        let mut used: Vec<(String, Direction)> = Vec::with_capacity(edges.len());
        for (own, source) in edges {
            let name = self.source_name(source)?;
            let own = own.unwrap_or(direction);
            if self.use_collection(&name, CollectionAccess::Read)?.kind != CollectionType::Edge {
                return Err(Error::from(code::ARANGO_COLLECTION_TYPE_INVALID));
            }
            match used.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if *known != own => {
                    return self.fail(at, &format!("conflicting directions specified for collection '{name}'"));
                }
                Some(_) => {}
                None => used.push((name, own)),
            }
        }
        Ok(GraphUse { name: None, edges: used, vertices: self.with.clone(), direction })
    }
}
