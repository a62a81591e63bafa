//! Reading through an index: documents, or what the index itself knows of them.
//!
//! A range fixes the leading fields and bounds the next one. The order of the result is that of
//! the fields (AQL's order of values), then of the keys. Limit: ranges on the primary index are
//! not supported, only look-ups, because keys lie in byte order there.

use crate::collection::{LocalCollection, Shape};
use crate::engine::{Family, KeyRange, Order, after_prefix};
use crate::index::{IndexKind, LocalIndex};
use crate::keys::{self, EdgeDirection};
use crate::transaction::Transaction;
use crate::write_set::{View, ViewIterator};
use base::{Error, Result, code};
use std::collections::HashSet;
use std::sync::Arc;
use velocypack::{Builder, Slice, Value, order};

/// Which entries of an index are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexRange {
    /// Values of the leading fields.
    pub prefix: Vec<Value>,
    /// Lower bound of the next field; the flag says whether it belongs to the range.
    pub low: Option<(Value, bool)>,
    /// Upper bound of the next field.
    pub high: Option<(Value, bool)>,
}

impl IndexRange {
    /// The entries whose leading fields have these values.
    #[must_use]
    pub fn equal(prefix: impl IntoIterator<Item = Value>) -> Self {
        Self { prefix: prefix.into_iter().collect(), low: None, high: None }
    }
}

/// What an index cursor yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexRead {
    /// Whole documents.
    Documents,
    /// Objects with `_key`, `_id` and the attributes that the index holds (nested as in the
    /// document), without reading the documents. An index with array expansion cannot do this
    /// and yields documents.
    Covered,
}

/// Documents found through an index. It sees the transaction as it was when the cursor was opened,
/// and may outlive it.
pub struct IndexCursor {
    view: View,
    shape: Arc<Shape>,
    object_id: u64,
    index: Arc<LocalIndex>,
    position: Position,
    read: IndexRead,
    /// Keys that came already, if one document may have several entries in the range.
    seen: Option<HashSet<String>>,
}

enum Position {
    Entries(ViewIterator),
    /// Look-up in the primary index.
    Key(Option<String>),
}

impl Transaction {
    /// Documents in a range of an index (by id or name); 1212 if there is no such index.
    pub fn index_scan(
        &self,
        collection: &LocalCollection,
        index: &str,
        range: &IndexRange,
        reverse: bool,
        read: IndexRead,
    ) -> Result<IndexCursor> {
        collection.check_alive()?;
        // The snapshot comes first: an index that is found after it was not emptied before it.
        let view = self.view();
        let shape = collection.shape();
        let index = shape.index(index)?.clone();
        if index.definition.is_building {
            return Err(Error::from(code::ARANGO_INDEX_NOT_FOUND));
        }
        if view.snapshot.tick() < index.ready_tick {
            return Err(Error::with_detail(code::ARANGO_INDEX_NOT_FOUND, "the index was created after the transaction began"));
        }
        let order = Order::reverse_if(reverse);
        let position = match &index.kind {
            IndexKind::Primary => Position::Key(primary_key(&shape, range)?),
            IndexKind::Edge => Position::Entries(view.iter(Family::EdgeIndex, edge_range(&index, range)?, order)?),
            IndexKind::Persistent { .. } | IndexKind::Ttl { .. } => {
                Position::Entries(view.iter(Family::PersistentIndex, entry_range(&index, range)?, order)?)
            }
        };
        let seen = index.expands().then(HashSet::new);
        let covers = matches!(index.kind, IndexKind::Edge | IndexKind::Persistent { .. }) && !index.expands();
        let read = if covers { read } else { IndexRead::Documents };
        Ok(IndexCursor { view, shape, object_id: collection.object_id(), index, position, read, seen })
    }
}

impl IndexCursor {
    /// Does it yield index contents rather than documents?
    #[must_use]
    pub fn read(&self) -> IndexRead {
        self.read
    }

    /// Appends up to `max` documents; false once there are no more.
    pub fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool> {
        let wanted = out.len().saturating_add(max);
        while out.len() < wanted {
            match &mut self.position {
                Position::Key(key) => {
                    let Some(key) = key.take() else { return Ok(false) };
                    out.extend(self.document(&key)?);
                }
                Position::Entries(entries) if !entries.valid() => return Ok(false),
                Position::Entries(entries) => {
                    let key = self.index.document_key(entries.key(), entries.value()).to_owned();
                    let covered = match self.read {
                        IndexRead::Covered => Some(covered(&self.index, &self.shape, entries.key(), entries.value(), &key)?),
                        IndexRead::Documents => None,
                    };
                    entries.advance()?;
                    if self.seen.as_mut().is_none_or(|seen| seen.insert(key.clone())) {
                        match covered {
                            Some(covered) => out.push(covered),
                            None => out.extend(self.document(&key)?),
                        }
                    }
                }
            }
        }
        Ok(match &self.position {
            Position::Key(key) => key.is_some(),
            Position::Entries(entries) => entries.valid(),
        })
    }

    fn document(&self, key: &str) -> Result<Option<Value>> {
        let bytes = self.view.get(Family::Documents, &keys::document(self.object_id, key))?;
        Ok(bytes.map(|bytes| self.shape.document(&bytes)))
    }
}

/// The key looked up in the primary index; a value that can be no key finds nothing.
fn primary_key(shape: &Shape, range: &IndexRange) -> Result<Option<String>> {
    let [value] = range.prefix.as_slice() else {
        return Err(Error::bad_parameter("the primary index can only be used for equality"));
    };
    let Some(text) = value.as_slice().as_str() else { return Ok(None) };
    Ok(match text.split_once('/') {
        None => Some(text.to_owned()),
        Some((collection, key)) => (collection == shape.info.document_collection()).then(|| key.to_owned()),
    })
}

/// The first value of the prefix is `_from` or, if null, the second one is `_to`.
fn edge_range(index: &LocalIndex, range: &IndexRange) -> Result<KeyRange> {
    let text = |at: usize| range.prefix.get(at).and_then(|value| value.as_slice().as_str().map(str::to_owned));
    let (direction, vertex) = match (text(0), text(1)) {
        (Some(from), _) => (EdgeDirection::Outbound, from),
        (None, Some(to)) => (EdgeDirection::Inbound, to),
        (None, None) => return Err(Error::bad_parameter("the edge index needs a value of _from or _to")),
    };
    Ok(KeyRange::prefix(&keys::edge_prefix(index.object_id, direction, &vertex)))
}

fn entry_range(index: &LocalIndex, range: &IndexRange) -> Result<KeyRange> {
    let bound = range.low.is_some() || range.high.is_some();
    if range.prefix.len() + usize::from(bound) > index.definition.fields.len() {
        return Err(Error::bad_parameter("more conditions than the index has fields"));
    }
    let mut prefix = index.object_id.to_be_bytes().to_vec();
    for value in &range.prefix {
        push_value(index, value.as_slice(), &mut prefix);
    }
    let with = |value: &Value| {
        let mut key = prefix.clone();
        push_value(index, value.as_slice(), &mut key);
        key
    };
    // No sort key is the beginning of another one, so an exclusive bound ends after all entries
    // that begin with it.
    let from = match &range.low {
        None => prefix.clone(),
        Some((value, true)) => with(value),
        Some((value, false)) => after_prefix(&with(value)),
    };
    let to = match &range.high {
        None => after_prefix(&prefix),
        Some((value, true)) => after_prefix(&with(value)),
        Some((value, false)) => with(value),
    };
    Ok(KeyRange { from, to })
}

fn push_value(index: &LocalIndex, value: Slice<'_>, out: &mut Vec<u8>) {
    match index.kind {
        IndexKind::Ttl { .. } => {
            let seconds = crate::expiry::time_seconds(value).unwrap_or(f64::NEG_INFINITY);
            out.extend_from_slice(&crate::expiry::sortable(seconds));
        }
        _ => order::write_sort_key(value, out),
    }
}

/// The object that stands for a document when only the index is read.
fn covered(index: &LocalIndex, shape: &Shape, key: &[u8], value: &[u8], document_key: &str) -> Result<Value> {
    let mut builder = Builder::with_capacity(64 + value.len());
    builder.open_object();
    builder.key("_key").string(document_key);
    builder.key("_id").string(&shape.document_id(document_key));
    match &index.kind {
        IndexKind::Edge => {
            let vertex = key.get(9..).and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default();
            let (vertex, opposite) = (text(vertex), text(value));
            let outbound = key.get(8) == Some(&(EdgeDirection::Outbound as u8));
            let (from, to) = if outbound { (vertex, opposite) } else { (opposite, vertex) };
            builder.key("_from").string(from);
            builder.key("_to").string(to);
        }
        IndexKind::Persistent { fields, stored } => {
            let values = if index.is_unique() { keys::split_unique_value(value).1 } else { value };
            let mut paths: Vec<(&[String], Slice<'_>)> =
                fields.iter().chain(stored).map(|path| path.attributes()).zip(Slice::new(values).elements()).collect();
            // Attributes that share the beginning of their path must lie together.
            paths.sort_by_key(|(path, _)| *path);
            paths.retain(|(path, _)| path.first().is_some_and(|first| first != "_key"));
            nest(&paths, 0, &mut builder);
        }
        IndexKind::Primary | IndexKind::Ttl { .. } => {}
    }
    builder.close();
    builder.finish().map_err(|fault| Error::internal(fault.to_string()))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Writes sorted paths below `depth` as nested attributes. A path that is the beginning of others
/// holds the whole object that they look into, so the others are left out. The depth is that of
/// the index definition's paths.
fn nest(paths: &[(&[String], Slice<'_>)], depth: usize, builder: &mut Builder) {
    let mut rest = paths;
    while let Some(((path, value), _)) = rest.split_first() {
        let Some(name) = path.get(depth) else { return };
        let length = rest.iter().take_while(|(other, _)| other.get(depth) == Some(name)).count();
        let (group, tail) = rest.split_at(length.max(1));
        builder.key(name);
        if path.len() == depth + 1 {
            builder.add(*value);
        } else {
            builder.open_object();
            nest(group, depth + 1, builder);
            builder.close();
        }
        rest = tail;
    }
}
