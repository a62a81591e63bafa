//! From the attributes of `POST /_api/index` to an [`Index`], and when two are the same.
//!
//! Shared by single servers and coordinators. The caller assigns the id and keeps the list.

use crate::catalog::{Collection, Index};
use base::{Error, Result, code, names};
use serde_json::{Map, Value as Json};

/// Most attributes in `storedValues`.
const STORED_VALUES_MAX: usize = 32;
/// Limit: most fields of one index.
const FIELDS_MAX: usize = 32;
/// Index types of ArangoDB that are not built yet.
const KNOWN_BUT_MISSING: [&str; 10] =
    ["geo", "geo1", "geo2", "fulltext", "mdi", "zkd", "mdi-prefixed", "inverted", "vector", "arangosearch"];

/// A checked definition without id; the name is empty if the client gave none.
pub fn definition(given: &Json) -> Result<Index> {
    let given = given.as_object().ok_or_else(|| Error::bad_parameter("expecting a JSON object in the request"))?;
    let kind = given.get("type").and_then(Json::as_str).ok_or_else(|| Error::bad_parameter("invalid index type definition"))?;
    let fields = fields(given)?;
    let mut index = Index::plain("", kind, &name(given)?, &[], boolean(given, "unique")?.unwrap_or(false));
    index.fields = fields;
    index.in_background = boolean(given, "inBackground")?.unwrap_or(false);
    match kind {
        "persistent" | "hash" | "skiplist" => persistent(given, &mut index)?,
        "ttl" => ttl(given, &mut index)?,
        "primary" | "edge" => {
            return Err(Error::bad_parameter(format!(
                "cannot create an index of the type '{kind}': every collection that needs one has it"
            )));
        }
        kind if KNOWN_BUT_MISSING.contains(&kind) => {
            return Err(Error::new(code::NOT_IMPLEMENTED, format!("indexes of the type '{kind}' are not supported yet")));
        }
        _ => return Err(Error::bad_parameter("invalid index type")),
    }
    Ok(index)
}

/// What a new definition means in a collection that has indexes already.
pub enum Placement {
    /// The same index is there.
    Existing(Index),
    /// A new one.
    New(Index),
}

/// Compares with the collection's indexes; the new one gets `id` and, if it has none, a name.
pub fn place(collection: &Collection, mut index: Index, id: &str) -> Result<Placement> {
    if let Some(existing) = collection.indexes.iter().find(|existing| is_same(existing, &index)) {
        return Ok(Placement::Existing(existing.clone()));
    }
    if index.kind == "ttl" && collection.indexes.iter().any(|existing| existing.kind == "ttl") {
        return Err(Error::bad_parameter("there can only be one ttl index per collection"));
    }
    if index.unique {
        check_shard_keys(collection, &index)?;
    }
    if index.name.is_empty() {
        index.name = format!("idx_{id}");
    }
    if collection.indexes.iter().any(|existing| existing.name == index.name) {
        let text = format!("duplicate value for `name`: index with name '{}' already exists", index.name);
        return Err(Error::new(code::ARANGO_DUPLICATE_IDENTIFIER, text).status(409));
    }
    index.id = id.to_owned();
    Ok(Placement::New(index))
}

/// ArangoDB's rule of identity: type, fields in order, unique, sparse and `expireAfter`.
#[must_use]
pub fn is_same(a: &Index, b: &Index) -> bool {
    a.kind == b.kind && a.fields == b.fields && a.unique == b.unique && a.sparse == b.sparse && a.expire_after == b.expire_after
}

/// The index that `id_or_name` (perhaps with the collection before it) names.
pub fn find<'a>(collection: &'a Collection, id_or_name: &str) -> Result<&'a Index> {
    let bare = match id_or_name.split_once('/') {
        Some((of, bare)) if of == collection.document_collection() || of == collection.id => bare,
        Some(_) => return Err(code::ARANGO_CROSS_COLLECTION_REQUEST.into()),
        None => id_or_name,
    };
    let found = collection.indexes.iter().find(|index| index.id == bare || index.name == bare);
    found.ok_or_else(|| code::ARANGO_INDEX_NOT_FOUND.into())
}

/// 11 for the indexes that belong to the collection.
pub fn check_droppable(index: &Index) -> Result<()> {
    match index.kind.as_str() {
        "primary" | "edge" => Err(code::FORBIDDEN.into()),
        _ => Ok(()),
    }
}

/// A unique index can be kept only if equal values meet in one shard.
fn check_shard_keys(collection: &Collection, index: &Index) -> Result<()> {
    if collection.number_of_shards <= 1 || collection.shard_keys.iter().all(|key| index.fields.contains(key)) {
        return Ok(());
    }
    let text = "a unique index of a collection with more than one shard must contain all shardKeys";
    Err(Error::new(code::CLUSTER_UNSUPPORTED, text))
}

fn persistent(given: &Map<String, Json>, index: &mut Index) -> Result<()> {
    // Compat: 3.12 stores and shows the old types as persistent.
    "persistent".clone_into(&mut index.kind);
    index.sparse = boolean(given, "sparse")?.unwrap_or(false);
    index.deduplicate = boolean(given, "deduplicate")?.unwrap_or(true);
    index.estimates = boolean(given, "estimates")?.unwrap_or(true);
    index.cache_enabled = boolean(given, "cacheEnabled")?.unwrap_or(false);
    index.stored_values = stored_values(given, &index.fields)?;
    Ok(())
}

fn ttl(given: &Map<String, Json>, index: &mut Index) -> Result<()> {
    if index.fields.len() != 1 {
        return Err(Error::bad_parameter("'fields' of a ttl index must name exactly one attribute"));
    }
    let expire = given.get("expireAfter").and_then(Json::as_f64).filter(|seconds| *seconds >= 0.0);
    index.expire_after = Some(expire.ok_or_else(|| Error::bad_parameter("expireAfter attribute must be a non-negative number"))?);
    (index.unique, index.sparse, index.estimates) = (false, true, false);
    Ok(())
}

fn fields(given: &Map<String, Json>) -> Result<Vec<String>> {
    let list = match given.get("fields") {
        Some(Json::Array(list)) if !list.is_empty() => list,
        _ => return Err(Error::bad_parameter("invalid index definition: 'fields' must be a non-empty array of attribute names")),
    };
    if list.len() > FIELDS_MAX {
        return Err(Error::bad_parameter(format!("an index can have at most {FIELDS_MAX} fields")));
    }
    let mut fields: Vec<String> = Vec::with_capacity(list.len());
    for field in list {
        let field = field.as_str().ok_or_else(|| Error::bad_parameter("invalid index definition: fields must be strings"))?;
        check_path(field)?;
        if fields.iter().any(|seen| seen == field) {
            return Err(Error::bad_parameter(format!("duplicate attribute name '{field}' in index fields list")));
        }
        fields.push(field.to_owned());
    }
    Ok(fields)
}

/// An attribute path such as `a`, `a.b`, `tags[*]`, `tags[*].name`.
fn check_path(path: &str) -> Result<()> {
    if path.is_empty() || path.starts_with('.') || path.ends_with('.') || path.contains("..") {
        return Err(Error::bad_parameter(format!("invalid attribute path '{path}'")));
    }
    let mut expansions = 0;
    for part in path.split('.') {
        let name = match part.strip_suffix("[*]") {
            Some(name) => {
                expansions += 1;
                name
            }
            None => part,
        };
        if name.is_empty() || name.contains("[*]") {
            return Err(Error::bad_parameter(format!("invalid attribute path '{path}'")));
        }
        if name == "_id" {
            return Err(Error::bad_parameter("_id attribute cannot be indexed"));
        }
    }
    if expansions > 1 {
        return Err(Error::bad_parameter("cannot have more than one [*] in an attribute path"));
    }
    Ok(())
}

fn stored_values(given: &Map<String, Json>, fields: &[String]) -> Result<Vec<String>> {
    let list = match given.get("storedValues") {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Array(list)) => list,
        Some(_) => return Err(Error::bad_parameter("'storedValues' must be an array of attribute names")),
    };
    if list.len() > STORED_VALUES_MAX {
        return Err(Error::bad_parameter(format!("storedValues can have at most {STORED_VALUES_MAX} attributes")));
    }
    let mut stored: Vec<String> = Vec::with_capacity(list.len());
    for path in list {
        let path = path.as_str().ok_or_else(|| Error::bad_parameter("'storedValues' must be an array of attribute names"))?;
        check_path(path)?;
        if path.contains("[*]") {
            return Err(Error::bad_parameter("storedValues cannot contain [*]"));
        }
        if stored.iter().chain(fields).any(|seen| seen == path) {
            return Err(Error::bad_parameter(format!("duplicate attribute name '{path}' in index fields and storedValues")));
        }
        stored.push(path.to_owned());
    }
    Ok(stored)
}

fn name(given: &Map<String, Json>) -> Result<String> {
    match given.get("name") {
        None | Some(Json::Null) => Ok(String::new()),
        Some(Json::String(name)) if names::is_collection_name(name, false) && name != "primary" && name != "edge" => Ok(name.clone()),
        Some(_) => Err(code::ARANGO_ILLEGAL_NAME.into()),
    }
}

fn boolean(given: &Map<String, Json>, name: &str) -> Result<Option<bool>> {
    match given.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Error::bad_parameter(format!("'{name}' must be a boolean"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection_input::{CollectionLimits, create};
    use serde_json::json;

    fn collection() -> Collection {
        create(&json!({"name": "c", "numberOfShards": 2, "shardKeys": ["a"]}), &CollectionLimits::cluster()).unwrap()
    }

    fn fault(given: Json) -> u32 {
        definition(&given).and_then(|index| place(&collection(), index, "9").map(|_| ())).unwrap_err().code().0
    }

    #[test]
    fn old_types_become_persistent() {
        for kind in ["persistent", "hash", "skiplist"] {
            let index = definition(&json!({"type": kind, "fields": ["a.b", "c[*]"], "sparse": true})).unwrap();
            assert_eq!((index.kind.as_str(), index.sparse, index.unique), ("persistent", true, false));
            assert_eq!(index.fields, ["a.b", "c[*]"]);
        }
    }

    #[test]
    fn a_ttl_index_is_sparse_and_has_one_field() {
        let index = definition(&json!({"type": "ttl", "fields": ["t"], "expireAfter": 10})).unwrap();
        assert_eq!((index.sparse, index.estimates, index.expire_after), (true, false, Some(10.0)));
        assert_eq!(fault(json!({"type": "ttl", "fields": ["t", "u"], "expireAfter": 10})), 10);
        assert_eq!(fault(json!({"type": "ttl", "fields": ["t"]})), 10);
        assert_eq!(fault(json!({"type": "ttl", "fields": ["t"], "expireAfter": -1})), 10);
    }

    #[test]
    fn wrong_definitions() {
        assert_eq!(fault(json!({})), 10);
        assert_eq!(fault(json!({"type": "persistent"})), 10);
        assert_eq!(fault(json!({"type": "odd", "fields": ["a"]})), 10);
        assert_eq!(fault(json!({"type": "edge", "fields": ["a"]})), 10);
        for fields in [json!([]), json!(["a", "a"]), json!([1]), json!([""]), json!(["a..b"]), json!(["a[*].b[*]"]), json!(["_id"])] {
            assert_eq!(fault(json!({"type": "persistent", "fields": fields})), 10);
        }
        assert_eq!(fault(json!({"type": "persistent", "fields": ["a"], "storedValues": ["a"]})), 10);
        assert_eq!(fault(json!({"type": "persistent", "fields": ["a"], "name": "1x"})), 1208);
        assert_eq!(fault(json!({"type": "persistent", "fields": ["b"], "unique": true})), 1470);
        assert_eq!(fault(json!({"type": "geo", "fields": ["b"]})), 9);
    }

    #[test]
    fn an_identical_definition_is_the_existing_index() {
        let mut c = collection();
        let given = json!({"type": "persistent", "fields": ["a"], "unique": true});
        let Ok(Placement::New(first)) = place(&c, definition(&given).unwrap(), "12") else { panic!("is new") };
        assert_eq!((first.id.as_str(), first.name.as_str()), ("12", "idx_12"));
        c.indexes.push(first.clone());
        let Ok(Placement::Existing(again)) = place(&c, definition(&given).unwrap(), "13") else { panic!("is old") };
        assert_eq!(again, first);
        let other = definition(&json!({"type": "persistent", "fields": ["b"], "name": "idx_12"})).unwrap();
        assert_eq!(place(&c, other, "14").err().unwrap().code().0, 1005);
        assert_eq!(find(&c, "c/12").unwrap().name, "idx_12");
        assert_eq!(find(&c, "idx_12").unwrap().id, "12");
        assert_eq!(find(&c, "c/99").unwrap_err().code().0, 1212);
        assert_eq!(find(&c, "d/12").unwrap_err().code().0, 1213);
        assert_eq!(check_droppable(find(&c, "0").unwrap()).unwrap_err().code().0, 11);
    }
}
