//! Layout of the keys of all families. Numbers are big-endian, so that bytes sort like numbers.
//!
//! | family | key | value |
//! |---|---|---|
//! | Definitions | `D` database name | JSON |
//! | Definitions | `C` database id, 0, collection id | JSON |
//! | Definitions | `N` | greatest number that may have been handed out |
//! | Documents | object id, `_key` | document |
//! | EdgeIndex | index object id, direction, vertex id, 0, `_key` | opposite vertex id |
//! | PersistentIndex | index object id, sort keys of the fields [, `_key`, its length] | [length, `_key`,] array of values |
//! | Counters | object id, stripe | count, last generated key |
//! | Local | name | anything |

use crate::engine::KeyRange;

/// Direction byte of an edge index entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeDirection {
    /// From the vertex to others: the vertex is `_from`.
    Outbound = 0,
    /// From others to the vertex: the vertex is `_to`.
    Inbound = 1,
}

pub(crate) const NUMBERS: &[u8] = b"N";
pub(crate) const APPLIED_TICK: &[u8] = b"applied_tick";
pub(crate) const COPY_INCOMPLETE: &[u8] = b"copy_incomplete";

pub(crate) fn database(name: &str) -> Vec<u8> {
    [b"D", name.as_bytes()].concat()
}

pub(crate) fn collection(database_id: &str, id: &str) -> Vec<u8> {
    [b"C", database_id.as_bytes(), b"\0", id.as_bytes()].concat()
}

pub(crate) fn document(object_id: u64, key: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + key.len());
    bytes.extend_from_slice(&object_id.to_be_bytes());
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

/// The `_key` in a key of the family `Documents`.
pub(crate) fn document_key(bytes: &[u8]) -> &str {
    bytes.get(8..).and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default()
}

/// The object id at the start of every key but those of `Definitions` and `Local`.
pub(crate) fn object_id(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|id| u64::from_be_bytes(*id))
}

pub(crate) fn counter(object_id: u64, stripe: u8) -> [u8; 9] {
    let mut bytes = [stripe; 9];
    bytes[..8].copy_from_slice(&object_id.to_be_bytes());
    bytes
}

/// Everything of one collection or index.
pub(crate) fn object_range(object_id: u64) -> KeyRange {
    KeyRange::prefix(&object_id.to_be_bytes())
}

pub(crate) fn edge_prefix(object_id: u64, direction: EdgeDirection, vertex: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + vertex.len() + 32);
    bytes.extend_from_slice(&object_id.to_be_bytes());
    bytes.push(direction as u8);
    bytes.extend_from_slice(vertex.as_bytes());
    bytes.push(0);
    bytes
}

/// The `_key` in a key of the family `EdgeIndex`: no vertex id and no key contains a zero byte.
pub(crate) fn edge_document_key(bytes: &[u8]) -> &str {
    let start = bytes.iter().skip(9).position(|&byte| byte == 0).map_or(bytes.len(), |at| at + 10);
    bytes.get(start..).and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default()
}

/// The `_key` at the end of an entry of an index that is not unique.
pub(crate) fn entry_document_key(bytes: &[u8]) -> &str {
    let Some((&length, head)) = bytes.split_last() else { return "" };
    let start = head.len().saturating_sub(usize::from(length));
    std::str::from_utf8(&head[start..]).unwrap_or_default()
}

/// The `_key` at the start of the value of a unique index, and what follows it.
pub(crate) fn split_unique_value(bytes: &[u8]) -> (&str, &[u8]) {
    let Some((&length, tail)) = bytes.split_first() else { return ("", &[]) };
    let (key, values) = tail.split_at_checked(usize::from(length)).unwrap_or((&[], &[]));
    (std::str::from_utf8(key).unwrap_or_default(), values)
}

/// Appends a `_key` and its length, or (for unique values) the length and the `_key`. Keys have at
/// most 254 bytes.
pub(crate) fn push_key_and_length(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(key.as_bytes());
    out.push(key_length(key));
}

pub(crate) fn push_length_and_key(out: &mut Vec<u8>, key: &str) {
    out.push(key_length(key));
    out.extend_from_slice(key.as_bytes());
}

fn key_length(key: &str) -> u8 {
    u8::try_from(key.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_again() {
        assert_eq!(document_key(&document(7, "abc")), "abc");
        assert_eq!(object_id(&document(7, "abc")), Some(7));
        let mut edge = edge_prefix(3, EdgeDirection::Inbound, "v/1");
        edge.extend_from_slice(b"e1");
        assert_eq!(edge_document_key(&edge), "e1");
        let mut entry = vec![0, 1, 2];
        push_key_and_length(&mut entry, "abc");
        assert_eq!(entry_document_key(&entry), "abc");
        let mut value = Vec::new();
        push_length_and_key(&mut value, "abc");
        value.push(9);
        assert_eq!(split_unique_value(&value), ("abc", &[9][..]));
        assert_eq!(split_unique_value(&[]), ("", &[][..]));
        assert_eq!(entry_document_key(&[200]), "");
    }

    #[test]
    fn object_ranges_do_not_overlap() {
        assert!(object_range(255).contains(&document(255, "z")));
        assert!(!object_range(255).contains(&document(256, "")));
    }
}
