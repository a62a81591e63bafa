//! The graph as traversals and path searches see it: neighbours of vertices and vertex documents,
//! fetched for many vertices at a time.
//!
//! Invariant: one request to the source per edge collection and direction for each batch of
//! vertices. Batches grow while the search goes on, so that a query that stops early reads little.

use crate::block::value_bytes;
use crate::run::{Booked, Run};
use aql::plan::{Direction, GraphUse, TraversalOptions};
use base::{Error, Result, code};
use std::collections::HashMap;
use std::sync::Arc;
use velocypack::{Slice, Value};

/// Most vertices expanded with one request.
const BATCH_VERTICES_MAX: usize = 1000;

/// Neighbours and vertices kept for later; beyond that the caches start anew.
const CACHED_MAX: usize = 200_000;

/// Id of a vertex or an edge.
pub(crate) type Id = Arc<str>;

/// An edge as one side sees it.
#[derive(Clone)]
pub(crate) struct Hop {
    pub(crate) edge: Value,
    pub(crate) edge_id: Id,
    pub(crate) target: Id,
}

/// Are whole edges needed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EdgeNeed {
    /// Their ends will do.
    Ends,
    /// All attributes.
    Documents,
}

pub(crate) struct Graph {
    /// Collections with one direction each.
    edges: Vec<(String, Direction)>,
    need: EdgeNeed,
    /// Only vertices of these collections, if there are any.
    vertex_collections: Vec<String>,
    weight_attribute: Option<String>,
    default_weight: f64,
    hops: HashMap<Id, Arc<[Hop]>>,
    hop_count: usize,
    vertices: HashMap<Id, Value>,
    batch: usize,
    booked: Booked,
}

impl Graph {
    pub(crate) fn new(graph: &GraphUse, options: &TraversalOptions, need: EdgeNeed) -> Self {
        let wanted = |name: &str| options.edge_collections.is_empty() || options.edge_collections.iter().any(|only| only == name);
        let mut edges: Vec<(String, Direction)> = Vec::new();
        for (name, direction) in graph.edges.iter().filter(|(name, _)| wanted(name)) {
            let both = [Direction::Outbound, Direction::Inbound];
            let directions = match direction {
                Direction::Any => both.as_slice(),
                Direction::Outbound => &both[..1],
                Direction::Inbound => &both[1..],
            };
            for &direction in directions {
                if !edges.iter().any(|(known, known_direction)| known == name && *known_direction == direction) {
                    edges.push((name.clone(), direction));
                }
            }
        }
        Self {
            edges,
            need,
            vertex_collections: options.vertex_collections.clone(),
            weight_attribute: options.weight_attribute.clone(),
            default_weight: options.default_weight,
            hops: HashMap::new(),
            hop_count: 0,
            vertices: HashMap::new(),
            batch: 1,
            booked: Booked::default(),
        }
    }

    /// The same graph with all edges turned round.
    pub(crate) fn reversed(&self) -> Self {
        let turn = |direction: Direction| match direction {
            Direction::Outbound => Direction::Inbound,
            Direction::Inbound => Direction::Outbound,
            Direction::Any => Direction::Any,
        };
        Self {
            edges: self.edges.iter().map(|(name, direction)| (name.clone(), turn(*direction))).collect(),
            need: EdgeNeed::Ends,
            vertex_collections: self.vertex_collections.clone(),
            weight_attribute: None,
            default_weight: self.default_weight,
            hops: HashMap::new(),
            hop_count: 0,
            vertices: HashMap::new(),
            batch: 1,
            booked: Booked::default(),
        }
    }

    /// Forgets what was fetched.
    pub(crate) fn clear(&mut self, run: &mut Run) {
        self.hops.clear();
        self.hop_count = 0;
        self.vertices.clear();
        self.batch = 1;
        self.booked.clear(run);
    }

    /// The edges of a vertex. `ahead` are vertices that will probably be asked for next.
    pub(crate) fn hops(&mut self, vertex: &Id, ahead: &mut dyn Iterator<Item = &Id>, run: &mut Run) -> Result<Arc<[Hop]>> {
        if let Some(hops) = self.hops.get(vertex) {
            return Ok(hops.clone());
        }
        if self.hop_count + self.hops.len() > CACHED_MAX {
            self.clear(run);
        }
        let mut batch = vec![vertex.clone()];
        for next in ahead {
            if batch.len() >= self.batch {
                break;
            }
            if !self.hops.contains_key(next) && !batch.contains(next) {
                batch.push(next.clone());
            }
        }
        self.batch = (self.batch * 2).min(BATCH_VERTICES_MAX);
        self.fetch_hops(&batch, run)?;
        Ok(self.hops.get(vertex).cloned().unwrap_or_else(|| Arc::from(Vec::new())))
    }

    fn fetch_hops(&mut self, batch: &[Id], run: &mut Run) -> Result<()> {
        run.check()?;
        let ids: Vec<&str> = batch.iter().map(|id| &**id).collect();
        let mut all: Vec<Vec<Hop>> = batch.iter().map(|_| Vec::new()).collect();
        let mut bytes = 0;
        for (collection, direction) in &self.edges {
            let found = run.source().edges(collection, *direction, &ids, self.need == EdgeNeed::Ends)?;
            run.stats.cursors_created += 1;
            for (edges, hops) in found.into_iter().zip(&mut all) {
                run.stats.scanned_index += edges.len() as u64;
                for edge in edges {
                    bytes += value_bytes(&edge) + 64;
                    hops.extend(hop(edge, *direction).filter(|hop| self.is_wanted(&hop.target)));
                }
            }
        }
        self.booked.grow(run, bytes)?;
        for (id, hops) in batch.iter().zip(all) {
            self.hop_count += hops.len();
            self.hops.insert(id.clone(), hops.into());
        }
        Ok(())
    }

    fn is_wanted(&self, vertex: &str) -> bool {
        let collection = vertex.split_once('/').map_or("", |(collection, _)| collection);
        self.vertex_collections.is_empty() || self.vertex_collections.iter().any(|wanted| wanted == collection)
    }

    /// Fetches vertex documents that are not there yet.
    pub(crate) fn load<'a>(&mut self, ids: impl Iterator<Item = &'a Id>, run: &mut Run) -> Result<()> {
        let mut missing: Vec<&Id> = ids.filter(|id| !self.vertices.contains_key(*id)).collect();
        missing.sort_unstable();
        missing.dedup();
        for batch in missing.chunks(BATCH_VERTICES_MAX) {
            let names: Vec<&str> = batch.iter().map(|id| &***id).collect();
            let documents = run.source().documents(&names)?;
            run.stats.document_lookups += names.len() as u64;
            run.stats.scanned_index += names.len() as u64;
            let mut bytes = 0;
            for (id, document) in batch.iter().zip(documents) {
                let document = document.unwrap_or_else(Value::null);
                bytes += value_bytes(&document) + 64;
                self.vertices.insert(Id::clone(id), document);
            }
            self.booked.grow(run, bytes)?;
        }
        Ok(())
    }

    /// A vertex that has been loaded; `null` if there is no such document.
    pub(crate) fn vertex(&self, id: &Id) -> Value {
        self.vertices.get(id).cloned().unwrap_or_else(Value::null)
    }

    /// Starts the caches anew between searches once they are full.
    pub(crate) fn trim(&mut self, run: &mut Run) {
        if self.vertices.len() + self.hop_count > CACHED_MAX {
            self.clear(run);
        }
    }

    /// Weight of an edge; 1948 if it is negative.
    pub(crate) fn weight(&self, edge: &Value) -> Result<f64> {
        let Some(attribute) = &self.weight_attribute else { return Ok(self.default_weight.max(0.0)) };
        let weight = edge.as_slice().get(attribute).and_then(Slice::as_f64).unwrap_or(self.default_weight);
        if weight < 0.0 {
            return Err(Error::from(code::GRAPH_NEGATIVE_EDGE_WEIGHT));
        }
        Ok(weight)
    }
}

fn hop(edge: Value, direction: Direction) -> Option<Hop> {
    let slice = edge.as_slice();
    let target = slice.get(if direction == Direction::Inbound { "_from" } else { "_to" })?.as_str()?;
    let (target, edge_id) = (Id::from(target), Id::from(slice.get("_id")?.as_str()?));
    Some(Hop { edge, edge_id, target })
}

/// The id of a start or target vertex: a string or an object with `_id`. Anything else is a warning.
pub(crate) fn vertex_id(value: &Value, what: &str, run: &mut Run) -> Option<Id> {
    let slice = value.as_slice();
    let text = slice.as_str().or_else(|| if slice.is_object() { slice.get("_id")?.as_str() } else { None });
    let id = text.filter(|text| text.contains('/')).map(Id::from);
    if id.is_none() {
        run.functions.warn(code::BAD_PARAMETER, format!("Invalid input for {what}: Only id strings or objects with _id are allowed"));
    }
    id
}
