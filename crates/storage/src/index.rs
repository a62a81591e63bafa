//! Indexes of a collection: which entries a document has in them.
//!
//! An entry is a key and a value of the engine. The value of a persistent index repeats the
//! indexed values and the stored ones, so that queries can be answered without the documents
//! ("covering"). Neighbours: [`crate::index_path`] finds the values, [`crate::index_cursor`] reads
//! the entries.

use crate::engine::Family;
use crate::expiry;
use crate::index_path::IndexPath;
use crate::keys::{self, EdgeDirection};
use base::{Error, Result, code};
use database::catalog::Index;
use velocypack::{Builder, Slice, order};

/// Limit: entries that one document may have in one index.
const ENTRIES_MAX: usize = 100_000;
/// Limit: stored values of one index.
const STORED_VALUES_MAX: usize = 32;

/// An index with what is derived from its definition.
pub(crate) struct LocalIndex {
    pub(crate) object_id: u64,
    pub(crate) definition: Index,
    pub(crate) kind: IndexKind,
    /// Older snapshots do not hold all its entries.
    pub(crate) ready_tick: u64,
}

pub(crate) enum IndexKind {
    Primary,
    Edge,
    Persistent { fields: Vec<IndexPath>, stored: Vec<IndexPath> },
    Ttl { field: IndexPath },
}

/// One entry of one document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexEntry {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// Checks a definition that a client wants, without creating anything.
pub fn validate(index: &Index) -> Result<()> {
    LocalIndex::new(0, index.clone()).map(|_| ())
}

/// Is it the same index for `create_index`? (Name, stored values and options do not count.)
pub(crate) fn is_same(one: &Index, other: &Index) -> bool {
    let kind = |index: &Index| match index.kind.as_str() {
        "hash" | "skiplist" => "persistent".to_owned(),
        kind => kind.to_owned(),
    };
    kind(one) == kind(other)
        && one.fields == other.fields
        && one.unique == other.unique
        && one.sparse == other.sparse
        && one.expire_after == other.expire_after
}

impl LocalIndex {
    pub(crate) fn new(object_id: u64, definition: Index) -> Result<Self> {
        let kind = match definition.kind.as_str() {
            "primary" => IndexKind::Primary,
            "edge" => IndexKind::Edge,
            "persistent" | "hash" | "skiplist" => persistent(&definition)?,
            "ttl" => ttl(&definition)?,
            other => return Err(Error::bad_parameter(format!("invalid index type '{other}'"))),
        };
        Ok(Self { object_id, definition, kind, ready_tick: 0 })
    }

    /// Family of its entries; `None` if it has none of its own.
    pub(crate) fn family(&self) -> Option<Family> {
        match self.kind {
            IndexKind::Primary => None,
            IndexKind::Edge => Some(Family::EdgeIndex),
            IndexKind::Persistent { .. } | IndexKind::Ttl { .. } => Some(Family::PersistentIndex),
        }
    }

    pub(crate) fn is_unique(&self) -> bool {
        self.definition.unique && matches!(self.kind, IndexKind::Persistent { .. })
    }

    /// One document may have several entries.
    pub(crate) fn expands(&self) -> bool {
        matches!(&self.kind, IndexKind::Persistent { fields, .. } if fields.iter().any(IndexPath::expands))
    }

    /// Have two versions of a document surely the same entries?
    pub(crate) fn is_unchanged(&self, old: Slice<'_>, new: Slice<'_>) -> bool {
        let same = |path: &IndexPath| match (path.root(old), path.root(new)) {
            (None, None) => true,
            (Some(old), Some(new)) => old.bytes() == new.bytes(),
            _ => false,
        };
        match &self.kind {
            IndexKind::Primary => true,
            IndexKind::Edge => {
                let end = |document: Slice<'_>, name| document.get(name).map(|end| end.bytes().to_vec());
                end(old, "_from") == end(new, "_from") && end(old, "_to") == end(new, "_to")
            }
            IndexKind::Persistent { fields, stored } => fields.iter().chain(stored).all(same),
            IndexKind::Ttl { field } => same(field),
        }
    }

    /// The entries of a document, sorted by key.
    pub(crate) fn entries(&self, document: Slice<'_>, key: &str) -> Result<Vec<IndexEntry>> {
        match &self.kind {
            IndexKind::Primary => Ok(Vec::new()),
            IndexKind::Edge => Ok(self.edge_entries(document, key)),
            IndexKind::Persistent { fields, stored } => self.persistent_entries(fields, stored, document, key),
            IndexKind::Ttl { field } => Ok(self.ttl_entries(field, document, key)),
        }
    }

    fn edge_entries(&self, document: Slice<'_>, key: &str) -> Vec<IndexEntry> {
        let end = |name| document.get(name).and_then(Slice::as_str).unwrap_or_default();
        let (from, to) = (end("_from"), end("_to"));
        let entry = |direction, vertex: &str, opposite: &str| {
            let mut bytes = keys::edge_prefix(self.object_id, direction, vertex);
            bytes.extend_from_slice(key.as_bytes());
            IndexEntry { key: bytes, value: opposite.as_bytes().to_vec() }
        };
        vec![entry(EdgeDirection::Outbound, from, to), entry(EdgeDirection::Inbound, to, from)]
    }

    fn ttl_entries(&self, field: &IndexPath, document: Slice<'_>, key: &str) -> Vec<IndexEntry> {
        let Some(seconds) = field.root(document).and_then(expiry::time_seconds) else { return Vec::new() };
        let mut bytes = self.object_id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&expiry::sortable(seconds));
        keys::push_key_and_length(&mut bytes, key);
        vec![IndexEntry { key: bytes, value: Vec::new() }]
    }

    fn persistent_entries(&self, fields: &[IndexPath], stored: &[IndexPath], document: Slice<'_>, key: &str) -> Result<Vec<IndexEntry>> {
        let values: Vec<Vec<Slice<'_>>> = fields.iter().map(|field| field.values(document)).collect();
        let mut keys = vec![self.object_id.to_be_bytes().to_vec()];
        for alternatives in &values {
            let sparse = self.definition.sparse;
            let usable: Vec<Slice<'_>> = alternatives.iter().copied().filter(|value| !sparse || !value.is_null()).collect();
            keys = append_alternatives(keys, &usable)?;
        }
        let covering = !self.expands();
        let covered = if covering { covered_values(&values, stored, document)? } else { Vec::new() };
        let mut entries: Vec<IndexEntry> = keys.into_iter().map(|bytes| self.persistent_entry(bytes, &covered, key)).collect();
        entries.sort_unstable();
        if !self.is_unique() || self.definition.deduplicate {
            entries.dedup();
        }
        Ok(entries)
    }

    fn persistent_entry(&self, mut bytes: Vec<u8>, covered: &[u8], key: &str) -> IndexEntry {
        let mut value = Vec::with_capacity(1 + key.len() + covered.len());
        if self.is_unique() {
            keys::push_length_and_key(&mut value, key);
        } else {
            keys::push_key_and_length(&mut bytes, key);
        }
        value.extend_from_slice(covered);
        IndexEntry { key: bytes, value }
    }

    /// The `_key` of the document that an entry belongs to.
    pub(crate) fn document_key<'a>(&self, key: &'a [u8], value: &'a [u8]) -> &'a str {
        match self.kind {
            IndexKind::Primary => keys::document_key(key),
            IndexKind::Edge => keys::edge_document_key(key),
            IndexKind::Persistent { .. } if self.is_unique() => keys::split_unique_value(value).0,
            IndexKind::Persistent { .. } | IndexKind::Ttl { .. } => keys::entry_document_key(key),
        }
    }

    /// The error for a value that another document has already.
    pub(crate) fn violation(&self, conflicting_key: &str) -> Error {
        unique_violation(&self.definition, conflicting_key)
    }
}

/// Error 1210 with ArangoDB's wording.
pub(crate) fn unique_violation(index: &Index, conflicting_key: &str) -> Error {
    let fields = index.fields.join(", ");
    Error::new(
        code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED,
        format!(
            "unique constraint violated - in index {} of type {} over '{fields}'; conflicting key: {conflicting_key}",
            index.name, index.kind
        ),
    )
}

fn persistent(definition: &Index) -> Result<IndexKind> {
    if definition.fields.is_empty() {
        return Err(Error::bad_parameter("index 'fields' must be a non-empty array of attribute names"));
    }
    if definition.stored_values.len() > STORED_VALUES_MAX {
        return Err(Error::bad_parameter(format!("an index can have at most {STORED_VALUES_MAX} stored values")));
    }
    let fields = parse_paths(&definition.fields)?;
    let stored = parse_paths(&definition.stored_values)?;
    if stored.iter().any(IndexPath::expands) {
        return Err(Error::bad_parameter("stored values cannot use array expansion"));
    }
    let repeated = |(at, field): (usize, &String)| definition.fields[..at].contains(field);
    if definition.fields.iter().enumerate().any(repeated) {
        return Err(Error::bad_parameter("index fields must not be repeated"));
    }
    Ok(IndexKind::Persistent { fields, stored })
}

fn ttl(definition: &Index) -> Result<IndexKind> {
    let [field] = definition.fields.as_slice() else {
        return Err(Error::bad_parameter("a ttl index has exactly one field"));
    };
    if !definition.expire_after.is_some_and(|seconds| seconds.is_finite() && seconds >= 0.0) {
        return Err(Error::bad_parameter("expireAfter attribute must be a non-negative number"));
    }
    let field = IndexPath::parse(field)?;
    if field.expands() || definition.unique {
        return Err(Error::bad_parameter("a ttl index can neither be unique nor use array expansion"));
    }
    Ok(IndexKind::Ttl { field })
}

fn parse_paths(fields: &[String]) -> Result<Vec<IndexPath>> {
    fields.iter().map(|field| IndexPath::parse(field)).collect()
}

fn append_alternatives(keys: Vec<Vec<u8>>, alternatives: &[Slice<'_>]) -> Result<Vec<Vec<u8>>> {
    if let [only] = alternatives {
        let mut keys = keys;
        for key in &mut keys {
            order::write_sort_key(*only, key);
        }
        return Ok(keys);
    }
    if keys.len().saturating_mul(alternatives.len()) > ENTRIES_MAX {
        return Err(Error::with_detail(code::RESOURCE_LIMIT, "too many array members to index in one document"));
    }
    let mut longer = Vec::with_capacity(keys.len() * alternatives.len());
    for alternative in alternatives {
        for key in &keys {
            let mut key = key.clone();
            order::write_sort_key(*alternative, &mut key);
            longer.push(key);
        }
    }
    Ok(longer)
}

fn covered_values(fields: &[Vec<Slice<'_>>], stored: &[IndexPath], document: Slice<'_>) -> Result<Vec<u8>> {
    let mut builder = Builder::with_capacity(64);
    builder.open_array();
    for value in fields.iter().flatten() {
        builder.add(*value);
    }
    for path in stored {
        match path.root(document) {
            Some(value) => builder.add(value),
            None => builder.null(),
        };
    }
    builder.close();
    let built = builder.finish().map_err(|fault| Error::internal(fault.to_string()))?;
    Ok(built.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use velocypack::Value;

    fn index(fields: &[&str]) -> Index {
        Index::plain("7", "persistent", "idx", fields, false)
    }

    fn entries(index: Index, json: &str) -> Result<Vec<IndexEntry>> {
        let document = Value::parse_json(json.as_bytes()).unwrap();
        LocalIndex::new(1, index).unwrap().entries(document.as_slice(), "k")
    }

    #[test]
    fn sparse_indexes_leave_nulls_out() {
        assert_eq!(entries(index(&["a", "b"]), r#"{"a":1}"#).unwrap().len(), 1);
        let mut sparse = index(&["a", "b"]);
        sparse.sparse = true;
        assert_eq!(entries(sparse.clone(), r#"{"a":1}"#).unwrap().len(), 0);
        assert_eq!(entries(sparse, r#"{"a":1,"b":{}}"#).unwrap().len(), 1);
    }

    #[test]
    fn arrays_are_expanded() {
        assert_eq!(entries(index(&["t[*]"]), r#"{"t":[1,2,2.0]}"#).unwrap().len(), 2);
        assert_eq!(entries(index(&["t[*].n", "u[*]"]), r#"{"t":[{"n":1},{"n":2}],"u":["a","b","c"]}"#).unwrap().len(), 6);
        assert_eq!(entries(index(&["t[*]"]), r#"{"t":[]}"#).unwrap().len(), 1, "an empty array is indexed as null");
        let mut unique = index(&["t[*]"]);
        unique.unique = true;
        assert_eq!(entries(unique.clone(), r#"{"t":[1,1]}"#).unwrap().len(), 1);
        unique.deduplicate = false;
        assert_eq!(entries(unique, r#"{"t":[1,1]}"#).unwrap().len(), 2);
    }

    #[test]
    fn the_number_of_entries_is_limited() {
        let many = format!(r#"{{"t":[{0}],"u":[{0}]}}"#, (0..400).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        assert_eq!(entries(index(&["t[*]", "u[*]"]), &many).unwrap_err().code(), code::RESOURCE_LIMIT);
    }

    #[test]
    fn definitions_are_checked() {
        assert!(validate(&index(&[])).is_err());
        assert!(validate(&index(&["a", "a"])).is_err());
        assert!(validate(&index(&["_id"])).is_err());
        assert!(validate(&Index::plain("1", "geo9", "x", &["a"], false)).is_err());
        let mut ttl = Index::plain("1", "ttl", "x", &["a"], false);
        assert!(validate(&ttl).is_err());
        ttl.expire_after = Some(5.0);
        assert!(validate(&ttl).is_ok());
    }

    #[test]
    fn changes_of_other_attributes_do_not_matter() {
        let index = LocalIndex::new(1, index(&["a.b"])).unwrap();
        let value = |json: &str| Value::parse_json(json.as_bytes()).unwrap();
        assert!(index.is_unchanged(value(r#"{"a":{"b":1},"c":1}"#).as_slice(), value(r#"{"a":{"b":1,"d":2}}"#).as_slice()));
        assert!(!index.is_unchanged(value(r#"{"a":{"b":1}}"#).as_slice(), value(r#"{"a":{"b":2}}"#).as_slice()));
        assert!(!index.is_unchanged(value("{}").as_slice(), value(r#"{"a":{"b":2}}"#).as_slice()));
    }
}
