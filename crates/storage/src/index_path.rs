//! Attribute paths of indexes: `a.b` or, with array expansion, `a.b[*].c`.

use base::{Error, Result, code};
use velocypack::Slice;

/// A path to the value, or to the array whose members are indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexPath {
    /// Attributes up to the value or the array.
    root: Vec<String>,
    /// Attributes below each member, if the array is expanded.
    below_members: Option<Vec<String>>,
}

fn null() -> Slice<'static> {
    Slice::new(&[0x18])
}

impl IndexPath {
    /// Parses a field of an index definition.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let invalid = || Error::with_detail(code::ARANGO_ATTRIBUTE_PARSER_FAILED, format!("'{text}'"));
        let (root, below_members) = match text.split_once("[*]") {
            None => (text, None),
            Some((root, "")) => (root, Some(Vec::new())),
            Some((root, below)) => (root, Some(split(below.strip_prefix('.').ok_or_else(invalid)?).ok_or_else(invalid)?)),
        };
        let root = split(root).ok_or_else(invalid)?;
        if root.first().is_some_and(|first| first == "_id") {
            return Err(Error::bad_parameter("_id attribute cannot be indexed"));
        }
        Ok(Self { root, below_members })
    }

    pub(crate) fn expands(&self) -> bool {
        self.below_members.is_some()
    }

    /// Attributes of a path without expansion.
    pub(crate) fn attributes(&self) -> &[String] {
        &self.root
    }

    /// The value (or the array to expand) in a document.
    pub(crate) fn root<'a>(&self, document: Slice<'a>) -> Option<Slice<'a>> {
        match self.root.as_slice() {
            [only] => document.get(only),
            path => document.path(path),
        }
    }

    /// The values to index; never empty. What is not there is null, and so is the only value of
    /// an array without members or of something that is no array: the document must be found by
    /// the other fields of the index.
    pub(crate) fn values<'a>(&self, document: Slice<'a>) -> Vec<Slice<'a>> {
        let root = self.root(document);
        let Some(below) = &self.below_members else { return vec![root.unwrap_or(null())] };
        match root {
            Some(array) if array.is_array() && array.len() > 0 => array.elements().map(|member| below_member(member, below)).collect(),
            _ => vec![null()],
        }
    }
}

fn below_member<'a>(member: Slice<'a>, path: &[String]) -> Slice<'a> {
    if path.is_empty() { member } else { member.path(path).unwrap_or(null()) }
}

fn split(path: &str) -> Option<Vec<String>> {
    let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
    parts.iter().all(|part| !part.is_empty() && !part.contains(['[', ']', '\0'])).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use velocypack::Value;

    #[test]
    fn paths_are_parsed() {
        assert!(IndexPath::parse("a.b").is_ok());
        assert!(IndexPath::parse("a[*].b.c").is_ok_and(|path| path.expands()));
        for wrong in ["", "a..b", "a[*]b", "a[*][*]", "a[*].b[*]", "[*]", "a[0]", "a."] {
            assert_eq!(IndexPath::parse(wrong).unwrap_err().code(), code::ARANGO_ATTRIBUTE_PARSER_FAILED, "{wrong}");
        }
    }

    #[test]
    fn values_are_found() {
        let document = Value::parse_json(br#"{"a":{"b":[{"c":1},{},7]}}"#).unwrap();
        let found = |path: &str| {
            let path = IndexPath::parse(path).unwrap();
            path.values(document.as_slice()).iter().map(|value| value.to_json()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("a.b[*].c"), "1 null null");
        assert_eq!(found("a.x"), "null");
        assert_eq!(found("a[*]"), "null");
    }
}
