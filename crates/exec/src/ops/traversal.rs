//! `TraversalNode`: walks from a vertex along edges, depth first, breadth first or by weight.
//!
//! Paths are lists that share their beginnings. Depth-first order is that of a stack onto which the
//! edges of a vertex are put in the order of the edge index: the last one is followed first.

use super::graph::{EdgeNeed, Graph, Id, vertex_id};
use super::inbox::{Inbox, Outbox};
use crate::block::{Block, Live};
use crate::convert;
use crate::eval::{Evaluator, Frame};
use crate::pipeline::{Operator, Pull};
use crate::run::{Booked, Run};
use crate::variables;
use aql::expr::{Expr, VarId};
use aql::plan::Traversal as Plan;
use base::Result;
use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap, HashSet, VecDeque};
use std::sync::Arc;
use velocypack::Value;

pub(crate) struct Traversal {
    inbox: Inbox,
    plan: Plan,
    graph: Graph,
    prune: Option<Evaluator>,
    conditions: Conditions,
    needs: Needs,
    starts: Vec<Option<Id>>,
    walk: Option<Walk>,
    found: Vec<Found>,
    booked: Booked,
    live: Live,
}

/// What has to be at hand.
struct Needs {
    /// Vertex documents before a vertex is accepted (conditions on vertices).
    vertices_early: bool,
    /// Vertex documents before a vertex is left (`PRUNE`).
    vertices_for_prune: bool,
    path_for_prune: bool,
    /// Vertex documents for the result.
    vertices: bool,
    path: bool,
}

struct Conditions {
    var: VarId,
    edge: Option<Evaluator>,
    vertex: Option<Evaluator>,
    edge_at: Vec<(u64, Evaluator)>,
    vertex_at: Vec<(u64, Evaluator)>,
}

/// The last vertex of a path, and the rest of the path.
struct Step {
    parent: Option<Arc<Step>>,
    vertex: Id,
    edge: Option<(Id, Value)>,
    depth: u64,
    weight: f64,
}

impl Drop for Step {
    /// Long paths are freed in a loop, not by recursion.
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(mut step) = parent.and_then(Arc::into_inner) {
            parent = step.parent.take();
        }
    }
}

impl Step {
    fn path(self: &Arc<Self>) -> Vec<Arc<Step>> {
        let mut steps = vec![self.clone()];
        let mut at = self;
        while let Some(parent) = &at.parent {
            steps.push(parent.clone());
            at = parent;
        }
        steps.reverse();
        steps
    }

    fn any(&self, mut is: impl FnMut(&Step) -> bool) -> bool {
        let mut at = Some(self);
        while let Some(step) = at {
            if is(step) {
                return true;
            }
            at = step.parent.as_deref();
        }
        false
    }
}

/// A walk from one start vertex.
struct Walk {
    frontier: Frontier,
    /// Already given out, but its edges have not been followed yet.
    unexpanded: Option<Arc<Step>>,
    visited: HashSet<Id>,
    number: u64,
}

enum Frontier {
    Depth(Vec<Arc<Step>>),
    Breadth(VecDeque<Arc<Step>>),
    Weight(BinaryHeap<Weighted>),
}

struct Weighted {
    step: Arc<Step>,
    number: u64,
}

impl PartialEq for Weighted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Weighted {}

impl PartialOrd for Weighted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Weighted {
    /// The lightest path is the greatest, and of equal ones the oldest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.step.weight.total_cmp(&self.step.weight).then(other.number.cmp(&self.number))
    }
}

impl Frontier {
    fn new(order: &str) -> Self {
        match order {
            "bfs" => Self::Breadth(VecDeque::new()),
            "weighted" => Self::Weight(BinaryHeap::new()),
            _ => Self::Depth(Vec::new()),
        }
    }

    fn pop(&mut self) -> Option<Arc<Step>> {
        match self {
            Self::Depth(steps) => steps.pop(),
            Self::Breadth(steps) => steps.pop_front(),
            Self::Weight(steps) => steps.pop().map(|weighted| weighted.step),
        }
    }

    fn push(&mut self, step: Arc<Step>, number: u64) {
        match self {
            Self::Depth(steps) => steps.push(step),
            Self::Breadth(steps) => steps.push_back(step),
            Self::Weight(steps) => steps.push(Weighted { step, number }),
        }
    }

    /// What is likely to be popped next.
    fn ahead(&self) -> Box<dyn Iterator<Item = &Arc<Step>> + '_> {
        match self {
            Self::Depth(steps) => Box::new(steps.iter().rev()),
            Self::Breadth(steps) => Box::new(steps.iter()),
            Self::Weight(steps) => Box::new(steps.iter().map(|weighted| &weighted.step)),
        }
    }
}

/// A result that still lacks its documents.
struct Found {
    row: usize,
    step: Arc<Step>,
    pruned: Option<Value>,
}

impl Traversal {
    pub(crate) fn new(plan: &Plan, live: Live) -> Result<Self> {
        let mut prune_reads = BTreeSet::new();
        plan.prune.iter().for_each(|prune| variables::of_expr(prune, &mut prune_reads));
        let is_live = |var: Option<VarId>| var.is_some_and(|var| live.contains(&var));
        let prunes = |var: Option<VarId>| var.is_some_and(|var| prune_reads.contains(&var));
        let needs = Needs {
            vertices_early: plan.vertex_condition.is_some() || !plan.vertex_conditions.is_empty(),
            vertices_for_prune: prunes(plan.vertex_out) || prunes(plan.path_out),
            path_for_prune: prunes(plan.path_out),
            vertices: is_live(plan.vertex_out) || is_live(plan.path_out),
            path: is_live(plan.path_out),
        };
        let reads_edges = is_live(plan.edge_out)
            || needs.path
            || needs.path_for_prune
            || prunes(plan.edge_out)
            || plan.edge_condition.is_some()
            || !plan.edge_conditions.is_empty()
            || plan.options.weight_attribute.is_some();
        let need = if reads_edges { EdgeNeed::Documents } else { EdgeNeed::Ends };
        Ok(Self {
            inbox: Inbox::default(),
            graph: Graph::new(&plan.graph, &plan.options, need),
            prune: plan.prune.as_ref().map(Evaluator::new).transpose()?,
            conditions: Conditions::new(plan)?,
            plan: plan.clone(),
            needs,
            starts: Vec::new(),
            walk: None,
            found: Vec::new(),
            booked: Booked::default(),
            live,
        })
    }

    fn outs(&self) -> Vec<VarId> {
        [self.plan.vertex_out, self.plan.edge_out, self.plan.path_out, self.plan.prune_out].into_iter().flatten().collect()
    }

    /// Begins the walk of the current row.
    fn begin(&mut self, block: &Block, run: &mut Run) -> Result<Walk> {
        self.graph.trim(run);
        let mut walk = Walk { frontier: Frontier::new(&self.plan.options.order), unexpanded: None, visited: HashSet::new(), number: 0 };
        let Some(start) = self.starts.get(self.inbox.row).cloned().flatten() else { return Ok(walk) };
        if self.plan.min_depth == 0 || self.needs.vertices_early {
            self.graph.load(std::iter::once(&start), run)?;
        }
        let step = Step { parent: None, vertex: start.clone(), edge: None, depth: 0, weight: 0.0 };
        if self.needs.vertices_early {
            let frame = Frame::new(block, self.inbox.row);
            if !self.conditions.accept_vertex(&self.graph.vertex(&start), 0, &frame, run)? {
                run.stats.filtered += 1;
                return Ok(walk);
            }
        }
        walk.visited.insert(start);
        walk.frontier.push(Arc::new(step), 0);
        Ok(walk)
    }

    /// Goes on until a path has been found; `None` at the end of the walk.
    fn advance(&mut self, walk: &mut Walk, block: &Block, run: &mut Run) -> Result<Option<Found>> {
        let frame = Frame::new(block, self.inbox.row);
        loop {
            if let Some(step) = walk.unexpanded.take() {
                self.expand(walk, &step, &frame, run)?;
            }
            let Some(step) = walk.frontier.pop() else { return Ok(None) };
            // By weight, the first path that is popped is the lightest one to its vertex.
            let by_weight = matches!(walk.frontier, Frontier::Weight(_)) && self.plan.options.unique_vertices == "global";
            if by_weight && step.depth > 0 && !walk.visited.insert(step.vertex.clone()) {
                continue;
            }
            let pruned = self.evaluate_prune(&step, &frame, run)?;
            if step.depth < self.plan.max_depth && !pruned.as_ref().is_some_and(|value| convert::to_bool(value.as_slice())) {
                walk.unexpanded = Some(step.clone());
            }
            let is_missing_start = step.depth == 0 && self.graph.vertex(&step.vertex).as_slice().is_null();
            if step.depth >= self.plan.min_depth && !is_missing_start {
                return Ok(Some(Found { row: self.inbox.row, step, pruned }));
            }
        }
    }

    fn expand(&mut self, walk: &mut Walk, step: &Arc<Step>, frame: &Frame<'_>, run: &mut Run) -> Result<()> {
        let max_depth = self.plan.max_depth;
        let hops = {
            let frontier = walk.frontier.ahead().filter(|step| step.depth < max_depth).map(|step| &step.vertex);
            let next_starts = self.starts.iter().skip(self.inbox.row + 1).flatten();
            self.graph.hops(&step.vertex, &mut frontier.chain(next_starts), run)?
        };
        if self.needs.vertices_early {
            self.graph.load(hops.iter().map(|hop| &hop.target), run)?;
        }
        let is_weighted = matches!(walk.frontier, Frontier::Weight(_));
        let mut bytes = 0;
        for hop in hops.iter() {
            if !self.is_unique(walk, step, &hop.edge_id, &hop.target) {
                continue;
            }
            let accepted = self.conditions.accept_edge(&hop.edge, step.depth, frame, run)?
                && (!self.needs.vertices_early
                    || self.conditions.accept_vertex(&self.graph.vertex(&hop.target), step.depth + 1, frame, run)?);
            if !accepted {
                run.stats.filtered += 1;
                continue;
            }
            if self.plan.options.unique_vertices == "global" && !is_weighted {
                walk.visited.insert(hop.target.clone());
            }
            bytes += 96;
            walk.number += 1;
            let weight = step.weight + if is_weighted || self.needs.path { self.graph.weight(&hop.edge)? } else { 1.0 };
            let next = Step {
                parent: Some(step.clone()),
                vertex: hop.target.clone(),
                edge: Some((hop.edge_id.clone(), hop.edge.clone())),
                depth: step.depth + 1,
                weight,
            };
            walk.frontier.push(Arc::new(next), walk.number);
        }
        self.booked.grow(run, bytes)
    }

    fn is_unique(&self, walk: &Walk, step: &Step, edge: &Id, target: &Id) -> bool {
        let options = &self.plan.options;
        let edge_is_new = options.unique_edges == "none" || !step.any(|step| step.edge.as_ref().is_some_and(|(known, _)| known == edge));
        let vertex_is_new = match options.unique_vertices.as_str() {
            "path" => !step.any(|step| step.vertex == *target),
            "global" => !walk.visited.contains(target),
            _ => true,
        };
        edge_is_new && vertex_is_new
    }

    fn evaluate_prune(&mut self, step: &Arc<Step>, frame: &Frame<'_>, run: &mut Run) -> Result<Option<Value>> {
        let Some(prune) = &self.prune else { return Ok(None) };
        let null = Value::null();
        let mut path = Value::null();
        if self.needs.path_for_prune {
            let steps = step.path();
            self.graph.load(steps.iter().map(|step| &step.vertex), run)?;
            path = path_value(&self.graph, &steps);
        } else if self.needs.vertices_for_prune {
            self.graph.load(std::iter::once(&step.vertex), run)?;
        }
        let vertex = self.graph.vertex(&step.vertex);
        let edge = step.edge.as_ref().map_or(&null, |(_, edge)| edge);
        let unused = VarId(u32::MAX);
        let first = frame.local(self.plan.vertex_out.unwrap_or(unused), vertex.as_slice());
        let with_vertex = frame.with(&first);
        let second = with_vertex.local(self.plan.edge_out.unwrap_or(unused), edge.as_slice());
        let with_edge = with_vertex.with(&second);
        let third = with_edge.local(self.plan.path_out.unwrap_or(unused), path.as_slice());
        prune.value(&with_edge.with(&third), &mut run.functions).map(Some)
    }

    /// Turns what has been found into rows.
    fn give(&mut self, block: &Block, run: &mut Run) -> Result<Block> {
        let found = std::mem::take(&mut self.found);
        let paths: Vec<Vec<Arc<Step>>> = if self.needs.path { found.iter().map(|found| found.step.path()).collect() } else { Vec::new() };
        if self.needs.path {
            self.graph.load(paths.iter().flatten().map(|step| &step.vertex), run)?;
        } else if self.needs.vertices {
            self.graph.load(found.iter().map(|found| &found.step.vertex), run)?;
        }
        let mut outbox = Outbox::new(self.outs());
        for (position, found) in found.into_iter().enumerate() {
            let vertex = self.plan.vertex_out.map(|_| self.graph.vertex(&found.step.vertex));
            let edge = self.plan.edge_out.map(|_| found.step.edge.as_ref().map_or_else(Value::null, |(_, edge)| edge.clone()));
            let path = self.plan.path_out.map(|_| paths.get(position).map_or_else(Value::null, |steps| path_value(&self.graph, steps)));
            let pruned = self.plan.prune_out.map(|_| found.pruned.unwrap_or_else(Value::null));
            outbox.push(found.row, [vertex, edge, path, pruned].into_iter().flatten());
        }
        Ok(outbox.take(block, &self.live))
    }
}

fn path_value(graph: &Graph, steps: &[Arc<Step>]) -> Value {
    let edges = steps.iter().filter_map(|step| step.edge.as_ref().map(|(_, edge)| edge.clone()));
    let vertices = steps.iter().map(|step| graph.vertex(&step.vertex));
    let weights = steps.iter().map(|step| convert::number(step.weight));
    Value::object([("edges", Value::array(edges)), ("vertices", Value::array(vertices)), ("weights", Value::array(weights))])
}

impl Conditions {
    fn new(plan: &Plan) -> Result<Self> {
        let by_depth = |conditions: &[(u64, Expr)]| {
            conditions.iter().map(|(depth, expr)| Ok((*depth, Evaluator::new(expr)?))).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            var: plan.condition_var,
            edge: plan.edge_condition.as_ref().map(Evaluator::new).transpose()?,
            vertex: plan.vertex_condition.as_ref().map(Evaluator::new).transpose()?,
            edge_at: by_depth(&plan.edge_conditions)?,
            vertex_at: by_depth(&plan.vertex_conditions)?,
        })
    }

    /// Is an edge that begins at `depth` allowed?
    fn accept_edge(&self, edge: &Value, depth: u64, frame: &Frame<'_>, run: &mut Run) -> Result<bool> {
        self.accept(self.edge.as_ref(), &self.edge_at, edge, depth, frame, run)
    }

    fn accept_vertex(&self, vertex: &Value, depth: u64, frame: &Frame<'_>, run: &mut Run) -> Result<bool> {
        self.accept(self.vertex.as_ref(), &self.vertex_at, vertex, depth, frame, run)
    }

    fn accept(
        &self,
        always: Option<&Evaluator>,
        at: &[(u64, Evaluator)],
        value: &Value,
        depth: u64,
        frame: &Frame<'_>,
        run: &mut Run,
    ) -> Result<bool> {
        let local = frame.local(self.var, value.as_slice());
        let frame = frame.with(&local);
        let here = at.iter().filter(|(at, _)| *at == depth).map(|(_, condition)| condition);
        for condition in always.into_iter().chain(here) {
            if !condition.is_true(&frame, &mut run.functions)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Operator for Traversal {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let Some(block) = self.inbox.block.take() else { return Ok(self.inbox.need(max)) };
        if self.starts.is_empty() {
            self.starts = (0..block.rows()).map(|row| vertex_id(&block.value(self.plan.start, row), "traversal", run)).collect();
        }
        while self.found.len() < max && self.inbox.row < block.rows() {
            let mut walk = match self.walk.take() {
                Some(walk) => walk,
                None => self.begin(&block, run)?,
            };
            match self.advance(&mut walk, &block, run)? {
                Some(found) => {
                    self.found.push(found);
                    self.walk = Some(walk);
                }
                None => {
                    self.inbox.row += 1;
                    self.booked.clear(run);
                }
            }
        }
        if self.found.is_empty() {
            return Ok(self.inbox.need(max));
        }
        let out = self.give(&block, run)?;
        if self.inbox.row < block.rows() {
            self.inbox.block = Some(block);
        }
        Ok(Pull::Block(out))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        self.starts.clear();
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, run: &mut Run) {
        self.inbox.clear();
        self.graph.trim(run);
        self.starts.clear();
        self.walk = None;
        self.found.clear();
        self.booked.clear(run);
    }
}
