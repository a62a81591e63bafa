//! Which shard holds a document (pure; used by coordinators for every request).
//!
//! The values of the collection's shard keys are hashed one after the other, missing ones as
//! null, and the hash is taken modulo the number of shards. Equal values hash equally whatever
//! their encoding, so the same document always finds the same shard.

use crate::catalog::Collection;
use velocypack::{Slice, Value};

/// Seed of the hash; changing it would move every document.
const SEED: u64 = 0x7368_6172_6473;

/// Where a document lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The shard with this position in numeric order.
    Shard(usize),
    /// The request does not tell: every shard has to be asked.
    Unknown,
}

/// Position of the shard for a new document with this key.
#[must_use]
pub fn locate_new(collection: &Collection, document: Slice<'_>, key: &str) -> usize {
    let null = Value::null();
    let hash = collection.shard_keys.iter().fold(SEED, |hash, attribute| match attribute.as_str() {
        "_key" => velocypack::hash(Value::string(key).as_slice(), hash),
        attribute => velocypack::hash(document.path(&parts(attribute)).unwrap_or(null.as_slice()), hash),
    });
    position(hash, collection)
}

/// Position of the shard for documents whose shard keys have these values, in the collection's
/// order of shard keys.
#[must_use]
pub fn locate_values(collection: &Collection, values: &[Value]) -> usize {
    position(values.iter().fold(SEED, |hash, value| velocypack::hash(value.as_slice(), hash)), collection)
}

/// Position of the shard for a selector: a key, an id, or an object with `_key` and perhaps the
/// shard keys.
#[must_use]
pub fn locate(collection: &Collection, selector: Slice<'_>) -> Location {
    if collection.number_of_shards <= 1 {
        return Location::Shard(0);
    }
    let Some(key) = selector_key(selector) else { return Location::Unknown };
    let knows = |attribute: &String| attribute == "_key" || selector.path(&parts(attribute)).is_some();
    if collection.shard_keys.iter().all(knows) { Location::Shard(locate_new(collection, selector, key)) } else { Location::Unknown }
}

/// The key that a selector names.
#[must_use]
pub fn selector_key(selector: Slice<'_>) -> Option<&str> {
    let text = match selector.as_str() {
        Some(text) => text,
        None => match selector.get("_key").and_then(Slice::as_str) {
            Some(key) => return Some(key),
            None => selector.get("_id").and_then(Slice::as_str)?,
        },
    };
    Some(text.split_once('/').map_or(text, |(_, key)| key))
}

fn parts(attribute: &str) -> Vec<&str> {
    attribute.split('.').collect()
}

fn position(hash: u64, collection: &Collection) -> usize {
    let shards = u64::from(collection.number_of_shards.max(1));
    usize::try_from(hash % shards).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn collection(shard_keys: &[&str]) -> Collection {
        serde_json::from_value(json!({"id": "1", "name": "c", "numberOfShards": 4, "shardKeys": shard_keys})).unwrap()
    }

    #[test]
    fn every_spelling_of_a_key_finds_the_shard_it_was_put_in() {
        let c = collection(&["_key"]);
        for number in 0..100 {
            let key = format!("k{number}");
            let document = Value::object([("_key", Value::string(&key)), ("x", Value::int(number))]);
            let put = Location::Shard(locate_new(&c, document.as_slice(), &key));
            let id = Value::string(&format!("c/{key}"));
            assert_eq!(locate(&c, Value::string(&key).as_slice()), put);
            assert_eq!(locate(&c, id.as_slice()), put);
            assert_eq!(locate(&c, document.as_slice()), put);
            assert_eq!(Location::Shard(locate_values(&c, &[Value::string(&key)])), put);
        }
    }

    #[test]
    fn keys_spread_over_all_shards() {
        let c = collection(&["_key"]);
        let mut seen = [0; 4];
        for number in 0..400 {
            seen[locate_new(&c, Value::null().as_slice(), &number.to_string())] += 1;
        }
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
    }

    #[test]
    fn custom_shard_keys_must_be_known() {
        let c = collection(&["region"]);
        let with = Value::object([("_key", Value::string("a")), ("region", Value::string("eu"))]);
        assert_eq!(locate(&c, with.as_slice()), Location::Shard(locate_new(&c, with.as_slice(), "other")));
        assert_eq!(locate(&c, Value::string("a").as_slice()), Location::Unknown);
    }
}
