//! Searches for paths between two vertices: the cheapest one (Dijkstra), the next cheapest ones
//! (Yen), all simple ones within bounds.

use super::graph::{Graph, Id};
use crate::run::Run;
use base::Result;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};
use velocypack::Value;

/// A path from the start to the target.
#[derive(Clone, Debug)]
pub(crate) struct FoundPath {
    pub(crate) vertices: Vec<Id>,
    pub(crate) edges: Vec<(Id, Value)>,
    pub(crate) weights: Vec<f64>,
}

impl FoundPath {
    pub(crate) fn weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    fn has_edges_of(&self, other: &FoundPath) -> bool {
        self.edges.len() == other.edges.len() && self.edges.iter().zip(&other.edges).all(|((a, _), (b, _))| a == b)
    }
}

/// Edges and vertices that a search must not use.
#[derive(Default)]
pub(crate) struct Banned {
    edges: HashSet<Id>,
    vertices: HashSet<Id>,
}

struct Candidate {
    weight: f64,
    number: u64,
    vertex: Id,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        other.weight.total_cmp(&self.weight).then(other.number.cmp(&self.number))
    }
}

struct Reached {
    weight: f64,
    from: Option<(Id, Id, Value, f64)>,
    is_final: bool,
}

/// The cheapest path, if there is one.
pub(crate) fn cheapest(graph: &mut Graph, start: &Id, target: &Id, banned: &Banned, run: &mut Run) -> Result<Option<FoundPath>> {
    let mut reached: HashMap<Id, Reached> = HashMap::new();
    let mut heap = BinaryHeap::new();
    let mut number = 0_u64;
    reached.insert(start.clone(), Reached { weight: 0.0, from: None, is_final: false });
    heap.push(Candidate { weight: 0.0, number, vertex: start.clone() });
    while let Some(Candidate { weight, vertex, .. }) = heap.pop() {
        match reached.get_mut(&vertex) {
            Some(entry) if !entry.is_final => entry.is_final = true,
            _ => continue,
        }
        if vertex == *target {
            return Ok(Some(path_to(&reached, target)));
        }
        let hops = graph.hops(&vertex, &mut heap.iter().map(|candidate| &candidate.vertex), run)?;
        for hop in hops.iter() {
            if banned.vertices.contains(&hop.target) || banned.edges.contains(&hop.edge_id) {
                continue;
            }
            let edge_weight = graph.weight(&hop.edge)?;
            let total = weight + edge_weight;
            if reached.get(&hop.target).is_some_and(|known| known.is_final || known.weight <= total) {
                continue;
            }
            number += 1;
            let from = Some((vertex.clone(), hop.edge_id.clone(), hop.edge.clone(), edge_weight));
            reached.insert(hop.target.clone(), Reached { weight: total, from, is_final: false });
            heap.push(Candidate { weight: total, number, vertex: hop.target.clone() });
        }
    }
    Ok(None)
}

fn path_to(reached: &HashMap<Id, Reached>, target: &Id) -> FoundPath {
    let mut path = FoundPath { vertices: vec![target.clone()], edges: Vec::new(), weights: Vec::new() };
    let mut at = target;
    while let Some((parent, edge_id, edge, weight)) = reached.get(at).and_then(|entry| entry.from.as_ref()) {
        path.vertices.push(parent.clone());
        path.edges.push((edge_id.clone(), edge.clone()));
        path.weights.push(*weight);
        at = parent;
    }
    path.vertices.reverse();
    path.edges.reverse();
    path.weights.reverse();
    path
}

/// Paths without repeated vertices in order of their weight, one at a time.
pub(crate) struct Cheapest {
    start: Id,
    target: Id,
    given: Vec<FoundPath>,
    candidates: Vec<FoundPath>,
    is_first: bool,
}

impl Cheapest {
    pub(crate) fn new(start: Id, target: Id) -> Self {
        Self { start, target, given: Vec::new(), candidates: Vec::new(), is_first: true }
    }

    pub(crate) fn next(&mut self, graph: &mut Graph, run: &mut Run) -> Result<Option<FoundPath>> {
        if self.is_first {
            self.is_first = false;
            self.candidates.extend(cheapest(graph, &self.start, &self.target, &Banned::default(), run)?);
        } else if let Some(last) = self.given.last().cloned() {
            for position in 0..last.edges.len() {
                self.deviate(&last, position, graph, run)?;
            }
        }
        let lightest = self.candidates.iter().enumerate().min_by(|(_, a), (_, b)| a.weight().total_cmp(&b.weight()));
        let Some(position) = lightest.map(|(position, _)| position) else { return Ok(None) };
        let path = self.candidates.remove(position);
        self.given.push(path.clone());
        Ok(Some(path))
    }

    /// The cheapest path that shares the first `position` edges with `path` and then leaves it.
    fn deviate(&mut self, path: &FoundPath, position: usize, graph: &mut Graph, run: &mut Run) -> Result<()> {
        let (Some(root), Some(spur)) = (path.edges.get(..position), path.vertices.get(position)) else { return Ok(()) };
        let mut banned = Banned::default();
        banned.vertices.extend(path.vertices.iter().take(position).cloned());
        for known in &self.given {
            let same_root = known.edges.len() > position && known.edges.iter().zip(root).all(|((a, _), (b, _))| a == b);
            if let (true, Some((edge, _))) = (same_root, known.edges.get(position)) {
                banned.edges.insert(edge.clone());
            }
        }
        let Some(rest) = cheapest(graph, spur, &self.target, &banned, run)? else { return Ok(()) };
        let mut found = FoundPath {
            vertices: path.vertices.iter().take(position).cloned().collect(),
            edges: root.to_vec(),
            weights: path.weights.iter().take(position).copied().collect(),
        };
        found.vertices.extend(rest.vertices);
        found.edges.extend(rest.edges);
        found.weights.extend(rest.weights);
        if !self.candidates.iter().chain(&self.given).any(|known| known.has_edges_of(&found)) {
            self.candidates.push(found);
        }
        Ok(())
    }
}

/// All simple paths with a number of edges within bounds, one at a time. Vertices from which the
/// target is too far away are never entered.
pub(crate) struct Simple {
    target: Id,
    min: u64,
    max: u64,
    /// Edges still needed from a vertex to the target.
    distance: HashMap<Id, u64>,
    path: FoundPath,
    /// Per vertex of the path: the next of its edges to follow.
    next_hop: Vec<usize>,
}

impl Simple {
    /// Paths of `min` to `max` edges.
    pub(crate) fn new(graph: &Graph, start: Id, target: Id, min: u64, max: u64, run: &mut Run) -> Result<Self> {
        let distance = distances(graph, &target, &start, max, Reach::All, run)?;
        Ok(Self::over(start, target, min, max, distance))
    }

    /// The shortest paths.
    pub(crate) fn shortest(graph: &Graph, start: Id, target: Id, run: &mut Run) -> Result<Self> {
        let distance = distances(graph, &target, &start, u64::MAX, Reach::UpToStart, run)?;
        let length = distance.get(&start).copied().unwrap_or(0);
        Ok(Self::over(start, target, length, length, distance))
    }

    fn over(start: Id, target: Id, min: u64, max: u64, distance: HashMap<Id, u64>) -> Self {
        let is_reachable = distance.contains_key(&start);
        let vertices = if is_reachable { vec![start] } else { Vec::new() };
        let next_hop = vec![0; vertices.len()];
        let path = FoundPath { vertices, edges: Vec::new(), weights: Vec::new() };
        Self { target, min, max, distance, path, next_hop }
    }

    pub(crate) fn next(&mut self, graph: &mut Graph, run: &mut Run) -> Result<Option<FoundPath>> {
        loop {
            let depth = self.path.edges.len() as u64;
            let (Some(vertex), Some(position)) = (self.path.vertices.last().cloned(), self.next_hop.last_mut()) else { return Ok(None) };
            if *position == 0 && vertex == self.target {
                *position = usize::MAX;
                if depth >= self.min {
                    return Ok(Some(self.path.clone()));
                }
            }
            if vertex == self.target || depth >= self.max {
                self.back();
                continue;
            }
            let hops = graph.hops(&vertex, &mut std::iter::empty(), run)?;
            let Some(hop) = hops.get(*position) else {
                self.back();
                continue;
            };
            *position += 1;
            let left = self.max - depth - 1;
            let leads_on = self.distance.get(&hop.target).is_some_and(|distance| *distance <= left);
            if leads_on && !self.path.vertices.contains(&hop.target) {
                self.path.weights.push(graph.weight(&hop.edge)?);
                self.path.edges.push((hop.edge_id.clone(), hop.edge.clone()));
                self.path.vertices.push(hop.target.clone());
                self.next_hop.push(0);
            }
        }
    }

    fn back(&mut self) {
        self.path.vertices.pop();
        self.path.edges.pop();
        self.path.weights.pop();
        self.next_hop.pop();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    All,
    UpToStart,
}

/// Number of edges from each vertex to the target, up to `max`, by a search from the target.
fn distances(graph: &Graph, target: &Id, start: &Id, max: u64, reach: Reach, run: &mut Run) -> Result<HashMap<Id, u64>> {
    let mut backwards = graph.reversed();
    let mut distance = HashMap::from([(target.clone(), 0)]);
    let mut level = vec![target.clone()];
    let mut depth = 0;
    while depth < max && !level.is_empty() && !(reach == Reach::UpToStart && distance.contains_key(start)) {
        depth += 1;
        let mut next = Vec::new();
        for (position, vertex) in level.iter().enumerate() {
            let hops = backwards.hops(vertex, &mut level.iter().skip(position + 1), run)?;
            for hop in hops.iter() {
                if !distance.contains_key(&hop.target) {
                    distance.insert(hop.target.clone(), depth);
                    next.push(hop.target.clone());
                }
            }
        }
        level = next;
    }
    backwards.clear(run);
    Ok(distance)
}
