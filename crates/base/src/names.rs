//! Which names and keys are legal (`reference: data model, naming conventions of 3.12`).

/// Longest collection, database or index name in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Longest traditional database name in bytes.
pub const DATABASE_NAME_BYTES_MAX: usize = 64;
/// Longest document key in bytes.
pub const KEY_BYTES_MAX: usize = 254;

/// A collection name: a letter (or `_` for system collections), then letters, digits, `_`, `-`.
#[must_use]
pub fn is_collection_name(name: &str, is_system: bool) -> bool {
    traditional(name, NAME_BYTES_MAX, is_system)
}

/// A traditional database name; `_system` is the only one with a leading underscore.
#[must_use]
pub fn is_database_name(name: &str) -> bool {
    name == "_system" || traditional(name, DATABASE_NAME_BYTES_MAX, false)
}

fn traditional(name: &str, bytes_max: usize, may_start_with_underscore: bool) -> bool {
    let mut bytes = name.bytes();
    let Some(first) = bytes.next() else { return false };
    let first_fits = first.is_ascii_alphabetic() || (first == b'_' && may_start_with_underscore);
    name.len() <= bytes_max && first_fits && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A document key: 1 to 254 bytes of letters, digits and `_-:.@()+,=;$!*'%`.
#[must_use]
pub fn is_document_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:.@()+,=;$!*'%".contains(&b))
}

/// Splits `collection/key`; `None` unless both parts are there and legal.
#[must_use]
pub fn split_document_id(id: &str) -> Option<(&str, &str)> {
    let (collection, key) = id.split_once('/')?;
    (is_collection_name(collection, true) && is_document_key(key)).then_some((collection, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collection_names() {
        assert!(is_collection_name("a-b_1", false));
        assert!(!is_collection_name("_users", false));
        assert!(is_collection_name("_users", true));
        assert!(!is_collection_name("1a", true));
        assert!(!is_collection_name("", true));
        assert!(!is_collection_name(&"a".repeat(257), true));
    }

    #[test]
    fn keys_and_ids() {
        assert!(is_document_key("a:b@(c)+,=;$!*'%"));
        assert!(!is_document_key("a/b"));
        assert!(!is_document_key("ä"));
        assert_eq!(split_document_id("c/k"), Some(("c", "k")));
        assert_eq!(split_document_id("c/k/x"), None);
        assert_eq!(split_document_id("ck"), None);
    }
}
