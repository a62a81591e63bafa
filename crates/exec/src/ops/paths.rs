//! `ShortestPathNode` and `EnumeratePathsNode`: paths between two vertices.

use super::found_path::{Banned, Cheapest, FoundPath, Simple, cheapest};
use super::graph::{EdgeNeed, Graph, vertex_id};
use super::inbox::{Inbox, Outbox};
use crate::block::{Block, Live};
use crate::convert;
use crate::pipeline::{Operator, Pull};
use crate::run::Run;
use aql::expr::VarId;
use aql::plan::{Paths as Plan, PathsKind};
use base::Result;
use std::collections::VecDeque;
use velocypack::Value;

pub(crate) struct Paths {
    inbox: Inbox,
    outbox: Outbox,
    plan: Plan,
    graph: Graph,
    search: Option<Search>,
    live: Live,
}

/// The search of the current row.
enum Search {
    /// Vertices and edges of the shortest path still to be given.
    Shortest(VecDeque<(Value, Value)>),
    Cheapest(Cheapest),
    Simple(Simple),
}

impl Paths {
    pub(crate) fn new(plan: &Plan, live: Live) -> Result<Self> {
        let reads_edges =
            plan.options.weight_attribute.is_some() || plan.path_out.is_some() || plan.edge_out.is_some_and(|var| live.contains(&var));
        let need = if reads_edges { EdgeNeed::Documents } else { EdgeNeed::Ends };
        let outs: Vec<VarId> = [plan.vertex_out, plan.edge_out, plan.path_out].into_iter().flatten().collect();
        Ok(Self {
            inbox: Inbox::default(),
            outbox: Outbox::new(outs),
            graph: Graph::new(&plan.graph, &plan.options, need),
            plan: plan.clone(),
            search: None,
            live,
        })
    }

    fn begin(&mut self, block: &Block, run: &mut Run) -> Result<Search> {
        self.graph.trim(run);
        let nothing = Search::Shortest(VecDeque::new());
        let start = vertex_id(&block.value(self.plan.start, self.inbox.row), "path search", run);
        let target = vertex_id(&block.value(self.plan.target, self.inbox.row), "path search", run);
        let (Some(start), Some(target)) = (start, target) else { return Ok(nothing) };
        self.graph.load([&start, &target].into_iter(), run)?;
        if [&start, &target].into_iter().any(|end| self.graph.vertex(end).as_slice().is_null()) {
            return Ok(nothing);
        }
        Ok(match self.plan.kind {
            PathsKind::Shortest => match cheapest(&mut self.graph, &start, &target, &Banned::default(), run)? {
                Some(path) => Search::Shortest(self.steps(&path, run)?),
                None => nothing,
            },
            PathsKind::KShortest => Search::Cheapest(Cheapest::new(start, target)),
            PathsKind::KPaths => Search::Simple(Simple::new(&self.graph, start, target, self.plan.min_depth, self.plan.max_depth, run)?),
            PathsKind::AllShortest => Search::Simple(Simple::shortest(&self.graph, start, target, run)?),
        })
    }

    fn steps(&mut self, path: &FoundPath, run: &mut Run) -> Result<VecDeque<(Value, Value)>> {
        self.graph.load(path.vertices.iter(), run)?;
        let edges = std::iter::once(Value::null()).chain(path.edges.iter().map(|(_, edge)| edge.clone()));
        Ok(path.vertices.iter().map(|id| self.graph.vertex(id)).zip(edges).collect())
    }

    /// The next row's values; `None` at the end of the search.
    fn advance(&mut self, search: &mut Search, run: &mut Run) -> Result<Option<Vec<Value>>> {
        let path = match search {
            Search::Shortest(steps) => {
                return Ok(steps.pop_front().map(|(vertex, edge)| {
                    let outs = [self.plan.vertex_out.map(|_| vertex), self.plan.edge_out.map(|_| edge)];
                    outs.into_iter().flatten().collect()
                }));
            }
            Search::Cheapest(search) => search.next(&mut self.graph, run)?,
            Search::Simple(search) => search.next(&mut self.graph, run)?,
        };
        let Some(path) = path else { return Ok(None) };
        self.graph.load(path.vertices.iter(), run)?;
        let edges = Value::array(path.edges.iter().map(|(_, edge)| edge.clone()));
        let vertices = Value::array(path.vertices.iter().map(|id| self.graph.vertex(id)));
        let mut members = vec![("edges", edges), ("vertices", vertices)];
        if self.plan.kind == PathsKind::KShortest {
            members.push(("weight", convert::number(path.weight())));
        }
        Ok(Some(vec![Value::object(members)]))
    }
}

impl Operator for Paths {
    fn pull(&mut self, max: usize, run: &mut Run) -> Result<Pull> {
        let Some(block) = self.inbox.block.take() else { return Ok(self.inbox.need(max)) };
        while self.outbox.len() < max && self.inbox.row < block.rows() {
            let mut search = match self.search.take() {
                Some(search) => search,
                None => self.begin(&block, run)?,
            };
            match self.advance(&mut search, run)? {
                Some(values) => {
                    self.outbox.push(self.inbox.row, values);
                    self.search = Some(search);
                }
                None => self.inbox.row += 1,
            }
        }
        if self.outbox.is_empty() {
            return Ok(self.inbox.need(max));
        }
        let out = self.outbox.take(&block, &self.live);
        if self.inbox.row < block.rows() {
            self.inbox.block = Some(block);
        }
        Ok(Pull::Block(out))
    }

    fn push(&mut self, input: Option<Block>, _run: &mut Run) -> Result<()> {
        self.inbox.push(input);
        Ok(())
    }

    fn reset(&mut self, _outer: &Block, run: &mut Run) {
        self.inbox.clear();
        self.outbox.clear();
        self.graph.trim(run);
        self.search = None;
    }
}
