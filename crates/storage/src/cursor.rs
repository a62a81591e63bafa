//! Reading a whole collection, or the edges of a vertex, through a transaction.

use crate::collection::{LocalCollection, Shape};
use crate::engine::{Family, KeyRange, Order};
use crate::index::IndexKind;
use crate::keys::{self, EdgeDirection};
use crate::transaction::Transaction;
use crate::write_set::{View, ViewIterator};
use base::{Error, Result, code};
use std::sync::Arc;
use velocypack::Value;

/// All documents of a collection in the order of their keys. It sees the transaction as it was when
/// the cursor was opened, and may outlive it.
pub struct Cursor {
    shape: Arc<Shape>,
    iterator: ViewIterator,
}

/// An edge as the edge index knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// `_key` of the edge.
    pub edge_key: String,
    /// Id of the vertex on the other side.
    pub vertex: String,
    /// Side of the asked vertex.
    pub direction: EdgeDirection,
}

impl Transaction {
    /// All documents of a collection.
    pub fn scan(&self, collection: &LocalCollection, reverse: bool) -> Result<Cursor> {
        self.scan_range(collection, keys::object_range(collection.object_id()), reverse)
    }

    /// Documents whose keys come after `after_key` in byte order.
    pub fn scan_after(&self, collection: &LocalCollection, after_key: &str) -> Result<Cursor> {
        let mut range = keys::object_range(collection.object_id());
        range.from = keys::document(collection.object_id(), after_key);
        range.from.push(0);
        self.scan_range(collection, range, false)
    }

    fn scan_range(&self, collection: &LocalCollection, range: KeyRange, reverse: bool) -> Result<Cursor> {
        collection.check_alive()?;
        let iterator = self.view().iter(Family::Documents, range, Order::reverse_if(reverse))?;
        Ok(Cursor { shape: collection.shape(), iterator })
    }

    /// The edges at a vertex without reading them: from the edge index alone. `None` means both
    /// directions; an edge from a vertex to itself comes once then.
    pub fn neighbors(&self, collection: &LocalCollection, direction: Option<EdgeDirection>, vertex: &str) -> Result<Vec<Neighbor>> {
        let mut found = Vec::new();
        collect_neighbors(&self.view(), collection, direction, vertex, &mut found)?;
        Ok(found)
    }

    /// The edges at each of many vertices, as documents, in the order of the vertices.
    pub fn edges(&self, collection: &LocalCollection, direction: Option<EdgeDirection>, vertices: &[&str]) -> Result<Vec<Vec<Value>>> {
        let view = self.view();
        let shape = collection.shape();
        let mut neighbors = Vec::new();
        let mut all = Vec::with_capacity(vertices.len());
        for vertex in vertices {
            neighbors.clear();
            collect_neighbors(&view, collection, direction, vertex, &mut neighbors)?;
            let mut edges = Vec::with_capacity(neighbors.len());
            for neighbor in &neighbors {
                let edge = view.get(Family::Documents, &keys::document(collection.object_id(), &neighbor.edge_key))?;
                edges.extend(edge.map(|edge| shape.document(&edge)));
            }
            all.push(edges);
        }
        Ok(all)
    }
}

fn collect_neighbors(
    view: &View,
    collection: &LocalCollection,
    direction: Option<EdgeDirection>,
    vertex: &str,
    out: &mut Vec<Neighbor>,
) -> Result<()> {
    let shape = collection.shape();
    let edge_index = shape.indexes.iter().find(|index| matches!(index.kind, IndexKind::Edge));
    let object_id = edge_index.ok_or_else(|| Error::from(code::ARANGO_COLLECTION_TYPE_INVALID))?.object_id;
    for side in [EdgeDirection::Outbound, EdgeDirection::Inbound] {
        if direction.is_some_and(|direction| direction != side) {
            continue;
        }
        let range = KeyRange::prefix(&keys::edge_prefix(object_id, side, vertex));
        let mut entries = view.iter(Family::EdgeIndex, range, Order::Forward)?;
        while entries.valid() {
            let opposite = std::str::from_utf8(entries.value()).unwrap_or_default();
            let seen_already = direction.is_none() && side == EdgeDirection::Inbound && opposite == vertex;
            if !seen_already {
                let edge_key = keys::edge_document_key(entries.key()).to_owned();
                out.push(Neighbor { edge_key, vertex: opposite.to_owned(), direction: side });
            }
            entries.advance()?;
        }
    }
    Ok(())
}

impl Cursor {
    /// Appends up to `max` documents; false once there are no more.
    pub fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool> {
        for _ in 0..max {
            if !self.iterator.valid() {
                return Ok(false);
            }
            out.push(self.shape.document(self.iterator.value()));
            self.iterator.advance()?;
        }
        Ok(self.iterator.valid())
    }

    /// Passes over up to `max` documents without reading them; the answer is how many there were.
    pub fn skip(&mut self, max: u64) -> Result<u64> {
        let mut skipped = 0;
        while skipped < max && self.iterator.valid() {
            self.iterator.advance()?;
            skipped += 1;
        }
        Ok(skipped)
    }
}
