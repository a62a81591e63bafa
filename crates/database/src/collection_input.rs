//! From the attributes of `POST /_api/collection` and `PUT …/properties` to a [`Collection`].
//!
//! Single servers and coordinators share these rules. Nothing here knows which collections exist:
//! the caller resolves `distributeShardsLike` and assigns ids.

use crate::catalog::{Collection, CollectionType, Index, KeyOptions};
use base::{Error, Result, code, names};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Most attributes in `shardKeys`.
const SHARD_KEYS_MAX: usize = 8;
/// Key generators that a client may name.
const KEY_GENERATORS: [&str; 4] = ["traditional", "autoincrement", "uuid", "padded"];
/// Sharding strategies that a client may name.
const SHARDING_STRATEGIES: [&str; 6] = [
    "hash",
    "community-compat",
    "enterprise-compat",
    "enterprise-smart-edge-compat",
    "enterprise-hash-smart-edge",
    "enterprise-hex-smart-vertex",
];
/// Attributes that no code interprets but clients expect to find again.
const KEPT: [&str; 5] = ["isSmart", "isDisjoint", "smartGraphAttribute", "smartJoinAttribute", "shadowCollections"];
/// What a client may change afterwards.
const CHANGEABLE: [&str; 7] =
    ["waitForSync", "cacheEnabled", "schema", "computedValues", "replicationFactor", "writeConcern", "minReplicationFactor"];

/// Bounds and defaults that options of the server or the database set.
#[derive(Clone, Debug)]
pub struct CollectionLimits {
    /// Greatest `numberOfShards`; 0 = any.
    pub shards_max: u32,
    /// Least `replicationFactor`; 0 = any.
    pub replication_factor_min: u32,
    /// Greatest `replicationFactor`; 0 = any.
    pub replication_factor_max: u32,
    /// `replicationFactor` if the client gives none (the database's default).
    pub replication_factor_default: u32,
    /// `writeConcern` if the client gives none (the database's default).
    pub write_concern_default: u32,
    /// `waitForSync` if the client gives none.
    pub wait_for_sync_default: bool,
    /// Shards and copies mean something.
    pub is_cluster: bool,
}

impl CollectionLimits {
    /// A single server: no shards, no copies.
    #[must_use]
    pub fn single() -> Self {
        Self {
            shards_max: 0,
            replication_factor_min: 0,
            replication_factor_max: 0,
            replication_factor_default: 1,
            write_concern_default: 1,
            wait_for_sync_default: false,
            is_cluster: false,
        }
    }

    /// ArangoDB's defaults in a cluster.
    #[must_use]
    pub fn cluster() -> Self {
        Self { shards_max: 1000, replication_factor_min: 1, replication_factor_max: 10, is_cluster: true, ..Self::single() }
    }
}

/// A new collection without id, with its implicit indexes. `distributeShardsLike` is kept as the
/// client wrote it (a name).
pub fn create(properties: &Json, limits: &CollectionLimits) -> Result<Collection> {
    let given = properties.as_object().ok_or_else(|| Error::bad_parameter("expecting a JSON object in the request"))?;
    let is_system = boolean(given, "isSystem")?.unwrap_or(false);
    let name = given.get("name").and_then(Json::as_str).unwrap_or_default();
    check_name(name, is_system)?;
    let kind = collection_type(given)?;
    let mut collection = Collection {
        id: String::new(),
        name: name.to_owned(),
        logical_name: String::new(),
        plan_id: String::new(),
        kind,
        status: 3,
        is_system,
        wait_for_sync: boolean(given, "waitForSync")?.unwrap_or(limits.wait_for_sync_default),
        cache_enabled: boolean(given, "cacheEnabled")?.unwrap_or(false),
        key_options: key_options(given)?,
        schema: schema(given)?,
        computed_values: computed_values(given)?,
        globally_unique_id: String::new(),
        number_of_shards: 1,
        replication_factor: limits.replication_factor_default,
        write_concern: limits.write_concern_default,
        shard_keys: vec!["_key".into()],
        sharding_strategy: "hash".into(),
        distribute_shards_like: None,
        shards: BTreeMap::new(),
        indexes: implicit_indexes(kind),
        other: kept(given),
    };
    if limits.is_cluster {
        distribution(given, limits, &mut collection)?;
    } else {
        (collection.replication_factor, collection.write_concern) = (1, write_concern(given)?.unwrap_or(1));
    }
    Ok(collection)
}

/// The indexes every collection of that type has.
#[must_use]
pub fn implicit_indexes(kind: CollectionType) -> Vec<Index> {
    match kind {
        CollectionType::Document => vec![Index::primary()],
        CollectionType::Edge => vec![Index::primary(), Index::edge()],
    }
}

/// 1208 unless the name is legal; system names need `is_system`.
pub fn check_name(name: &str, is_system: bool) -> Result<()> {
    if names::is_collection_name(name, is_system) {
        return Ok(());
    }
    let fault = if name.is_empty() { "collection name must be non-empty".to_owned() } else { format!("'{name}' is not a collection name") };
    Err(Error::with_detail(code::ARANGO_ILLEGAL_NAME, fault))
}

/// Takes over shards and copies from the collection that `distributeShardsLike` names.
pub fn distribute_like(collection: &mut Collection, prototype: &Collection) -> Result<()> {
    if prototype.distribute_shards_like.is_some() {
        return Err(code::CLUSTER_CHAIN_OF_DISTRIBUTESHARDSLIKE.into());
    }
    if collection.shard_keys.len() != prototype.shard_keys.len() {
        return Err(Error::bad_parameter("a collection with distributeShardsLike needs as many shardKeys as its prototype"));
    }
    collection.number_of_shards = prototype.number_of_shards;
    collection.replication_factor = prototype.replication_factor;
    collection.write_concern = prototype.write_concern;
    collection.sharding_strategy.clone_from(&prototype.sharding_strategy);
    collection.distribute_shards_like = Some(prototype.id.clone());
    Ok(())
}

/// The collection with the changes of `PUT …/properties`.
pub fn change(collection: &Collection, properties: &Json, limits: &CollectionLimits) -> Result<Collection> {
    let given = properties.as_object().ok_or_else(|| Error::bad_parameter("expecting a JSON object in the request"))?;
    let mut changed = collection.clone();
    if !given.keys().any(|name| CHANGEABLE.contains(&name.as_str())) {
        return Ok(changed);
    }
    if let Some(flag) = boolean(given, "waitForSync")? {
        changed.wait_for_sync = flag;
    }
    if let Some(flag) = boolean(given, "cacheEnabled")? {
        changed.cache_enabled = flag;
    }
    if given.contains_key("schema") {
        changed.schema = schema(given)?;
    }
    if given.contains_key("computedValues") {
        changed.computed_values = computed_values(given)?;
    }
    if limits.is_cluster {
        change_copies(given, limits, &mut changed)?;
    } else if let Some(concern) = write_concern(given)? {
        changed.write_concern = concern;
    }
    Ok(changed)
}

fn change_copies(given: &Map<String, Json>, limits: &CollectionLimits, changed: &mut Collection) -> Result<()> {
    if let Some(factor) = replication_factor(given, limits)?
        && factor != changed.replication_factor
    {
        if changed.distribute_shards_like.is_some() {
            return Err(Error::new(code::FORBIDDEN, "cannot change the replicationFactor of a collection with distributeShardsLike"));
        }
        if (factor == 0) != (changed.replication_factor == 0) {
            return Err(Error::new(code::FORBIDDEN, "satellite collections cannot become ordinary ones, nor the other way round"));
        }
        changed.replication_factor = factor;
    }
    if let Some(concern) = write_concern(given)? {
        changed.write_concern = concern;
    }
    check_concern(changed)
}

fn distribution(given: &Map<String, Json>, limits: &CollectionLimits, collection: &mut Collection) -> Result<()> {
    if let Some(shards) = unsigned(given, "numberOfShards")? {
        if shards == 0 {
            return Err(Error::bad_parameter("invalid number of shards"));
        }
        collection.number_of_shards = shards;
    }
    if limits.shards_max > 0 && collection.number_of_shards > limits.shards_max {
        let text = format!("too many shards. maximum number of shards is {}", limits.shards_max);
        return Err(Error::new(code::CLUSTER_TOO_MANY_SHARDS, text));
    }
    if let Some(factor) = replication_factor(given, limits)? {
        collection.replication_factor = factor;
    }
    if let Some(concern) = write_concern(given)? {
        collection.write_concern = concern;
    } else if collection.replication_factor > 0 {
        collection.write_concern = collection.write_concern.min(collection.replication_factor);
    }
    check_concern(collection)?;
    if collection.replication_factor == 0 {
        // A satellite has one shard with a copy on every DB-server.
        (collection.number_of_shards, collection.write_concern) = (1, 1);
    }
    if let Some(keys) = given.get("shardKeys").filter(|keys| !keys.is_null()) {
        collection.shard_keys = shard_keys(keys)?;
    }
    if let Some(strategy) = text(given, "shardingStrategy")?.filter(|strategy| !strategy.is_empty()) {
        if !SHARDING_STRATEGIES.contains(&strategy) {
            return Err(Error::bad_parameter(format!("invalid sharding strategy: '{strategy}'")));
        }
        strategy.clone_into(&mut collection.sharding_strategy);
    }
    collection.distribute_shards_like = text(given, "distributeShardsLike")?.filter(|like| !like.is_empty()).map(str::to_owned);
    if collection.key_options.generator == "autoincrement" && collection.number_of_shards > 1 {
        let text = "the autoincrement key generator is not supported for collections with more than one shard";
        return Err(Error::new(code::CLUSTER_UNSUPPORTED, text));
    }
    Ok(())
}

fn check_concern(collection: &Collection) -> Result<()> {
    if collection.replication_factor > 0 && collection.write_concern > collection.replication_factor {
        return Err(Error::bad_parameter("writeConcern must not be greater than replicationFactor"));
    }
    Ok(())
}

/// A number or `"satellite"` (0).
fn replication_factor(given: &Map<String, Json>, limits: &CollectionLimits) -> Result<Option<u32>> {
    let factor = match given.get("replicationFactor") {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::String(word)) if word == "satellite" => return Ok(Some(0)),
        Some(value) => number(value).ok_or_else(|| Error::bad_parameter("invalid value for replicationFactor"))?,
    };
    if factor == 0 {
        return Ok(Some(0));
    }
    if limits.replication_factor_max > 0 && factor > limits.replication_factor_max {
        let text =
            format!("replicationFactor must not be higher than maximum allowed replicationFactor ({})", limits.replication_factor_max);
        return Err(Error::bad_parameter(text));
    }
    if factor < limits.replication_factor_min {
        let text =
            format!("replicationFactor must not be lower than minimum allowed replicationFactor ({})", limits.replication_factor_min);
        return Err(Error::bad_parameter(text));
    }
    Ok(Some(factor))
}

fn write_concern(given: &Map<String, Json>) -> Result<Option<u32>> {
    for name in ["writeConcern", "minReplicationFactor"] {
        if let Some(value) = given.get(name).filter(|value| !value.is_null()) {
            let concern = number(value).ok_or_else(|| Error::bad_parameter(format!("invalid value for {name}")))?;
            return if concern == 0 {
                Err(Error::bad_parameter("invalid value for writeConcern: must be at least 1"))
            } else {
                Ok(Some(concern))
            };
        }
    }
    Ok(None)
}

fn shard_keys(keys: &Json) -> Result<Vec<String>> {
    let list = keys.as_array().ok_or_else(|| Error::bad_parameter("invalid shard keys: expecting an array of attribute names"))?;
    if list.is_empty() || list.len() > SHARD_KEYS_MAX {
        return Err(Error::bad_parameter(format!(
            "invalid number of shard keys for collection: between 1 and {SHARD_KEYS_MAX} are allowed"
        )));
    }
    let mut names = Vec::with_capacity(list.len());
    for key in list {
        let name = key.as_str().ok_or_else(|| Error::bad_parameter("invalid shard keys: expecting an array of attribute names"))?;
        let bare = name.trim_start_matches(':').trim_end_matches(':');
        if bare.is_empty() || bare == "_id" || bare == "_rev" {
            return Err(Error::bad_parameter(format!("'{name}' cannot be used as a shard key")));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn collection_type(given: &Map<String, Json>) -> Result<CollectionType> {
    match given.get("type") {
        None | Some(Json::Null) => Ok(CollectionType::Document),
        Some(value) => match value.as_u64().and_then(|number| u8::try_from(number).ok()).map(CollectionType::try_from) {
            Some(Ok(kind)) => Ok(kind),
            _ => Err(Error::new(code::ARANGO_COLLECTION_TYPE_INVALID, "invalid collection type")),
        },
    }
}

fn key_options(given: &Map<String, Json>) -> Result<KeyOptions> {
    let bad = |text: &str| Error::new(code::ARANGO_INVALID_KEY_GENERATOR, text.to_owned());
    let options = match given.get("keyOptions") {
        None | Some(Json::Null) => return Ok(KeyOptions::default()),
        Some(Json::Object(options)) => options,
        Some(_) => return Err(bad("invalid key generator type: keyOptions must be an object")),
    };
    let generator = text(options, "type")?.unwrap_or("traditional");
    if !KEY_GENERATORS.contains(&generator) {
        return Err(bad(&format!("invalid key generator type: '{generator}'")));
    }
    let mut result = KeyOptions {
        generator: generator.to_owned(),
        allow_user_keys: boolean(options, "allowUserKeys")?.unwrap_or(true),
        ..KeyOptions::default()
    };
    if generator == "autoincrement" {
        let value = |name: &str, default: u64| match options.get(name) {
            None | Some(Json::Null) => Ok(default),
            Some(value) => value.as_u64().ok_or_else(|| bad(&format!("{name} must be a non-negative integer"))),
        };
        let increment = value("increment", 1)?;
        if increment == 0 || increment >= 1 << 16 {
            return Err(bad("increment value must be greater than zero and smaller than 65536"));
        }
        (result.increment, result.offset) = (Some(increment), Some(value("offset", 0)?));
    }
    Ok(result)
}

/// Null, or an object with a `rule`; an empty object means null.
fn schema(given: &Map<String, Json>) -> Result<Json> {
    let bad = |text: &str| Error::new(code::VALIDATION_BAD_PARAMETER, text.to_owned());
    let schema = match given.get("schema") {
        None | Some(Json::Null) => return Ok(Json::Null),
        Some(Json::Object(schema)) if schema.is_empty() => return Ok(Json::Null),
        Some(Json::Object(schema)) => schema,
        Some(_) => return Err(bad("schema must be an object")),
    };
    let mut result = Map::new();
    let rule = schema.get("rule").filter(|rule| rule.is_object()).ok_or_else(|| bad("schema needs an object as rule"))?;
    result.insert("rule".into(), rule.clone());
    let level = schema.get("level").map_or(Some("strict"), Json::as_str).unwrap_or_default();
    if !["none", "new", "moderate", "strict"].contains(&level) {
        return Err(bad("schema level must be one of: none, new, moderate, strict"));
    }
    result.insert("level".into(), level.into());
    let message = schema.get("message").map_or(Some(""), Json::as_str).ok_or_else(|| bad("schema message must be a string"))?;
    result.insert("message".into(), message.into());
    let kind = schema.get("type").map_or(Some("json"), Json::as_str).unwrap_or_default();
    if kind != "json" {
        return Err(bad("schema type must be json"));
    }
    result.insert("type".into(), kind.into());
    Ok(Json::Object(result))
}

/// Null, or an array of definitions; an empty array means null.
fn computed_values(given: &Map<String, Json>) -> Result<Json> {
    let list = match given.get("computedValues") {
        None | Some(Json::Null) => return Ok(Json::Null),
        Some(Json::Array(list)) if list.is_empty() => return Ok(Json::Null),
        Some(Json::Array(list)) => list,
        Some(_) => return Err(Error::bad_parameter("'computedValues' must be an array")),
    };
    let mut seen = Vec::with_capacity(list.len());
    for entry in list {
        let name = entry["name"].as_str().unwrap_or_default();
        if name.is_empty() || ["_key", "_id", "_rev", "_from", "_to"].contains(&name) {
            return Err(Error::bad_parameter(format!("'computedValues' entry has an invalid attribute name '{name}'")));
        }
        if seen.contains(&name) {
            return Err(Error::bad_parameter(format!("'computedValues' names the attribute '{name}' twice")));
        }
        seen.push(name);
        if !entry["expression"].is_string() || !entry["overwrite"].is_boolean() {
            return Err(Error::bad_parameter(format!("'computedValues' entry for '{name}' needs an expression and overwrite")));
        }
    }
    Ok(Json::Array(list.clone()))
}

fn kept(given: &Map<String, Json>) -> Map<String, Json> {
    KEPT.iter().filter_map(|&name| Some((name.to_owned(), given.get(name)?.clone()))).collect()
}

fn number(value: &Json) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

fn boolean(given: &Map<String, Json>, name: &str) -> Result<Option<bool>> {
    match given.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Error::bad_parameter(format!("'{name}' must be a boolean"))),
    }
}

fn unsigned(given: &Map<String, Json>, name: &str) -> Result<Option<u32>> {
    match given.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => {
            number(value).map(Some).ok_or_else(|| Error::bad_parameter(format!("'{name}' must be a number from 0 to {}", u32::MAX)))
        }
    }
}

fn text<'a>(given: &'a Map<String, Json>, name: &str) -> Result<Option<&'a str>> {
    match given.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::bad_parameter(format!("'{name}' must be a string"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(properties: Json) -> u32 {
        create(&properties, &CollectionLimits::cluster()).unwrap_err().code().0
    }

    #[test]
    fn defaults() {
        let made = create(&json!({"name": "c"}), &CollectionLimits::single()).unwrap();
        assert_eq!((made.kind, made.number_of_shards, made.replication_factor), (CollectionType::Document, 1, 1));
        assert_eq!(made.key_options, KeyOptions::default());
        assert!(made.schema.is_null() && made.computed_values.is_null());
        assert_eq!(made.indexes.len(), 1);
        let edges = create(&json!({"name": "e", "type": 3}), &CollectionLimits::single()).unwrap();
        assert_eq!(edges.indexes[1].kind, "edge");
    }

    #[test]
    fn names_and_types() {
        assert_eq!(fault(json!({})), 1208);
        assert_eq!(fault(json!({"name": "_x"})), 1208);
        assert_eq!(fault(json!({"name": "1"})), 1208);
        assert_eq!(fault(json!({"name": "c", "type": 4})), 1218);
        assert_eq!(fault(json!({"name": "c", "type": "edge"})), 1218);
        assert_eq!(fault(json!([])), 10);
        assert_eq!(fault(json!({"name": "c", "waitForSync": "yes"})), 10);
        assert!(create(&json!({"name": "_x", "isSystem": true}), &CollectionLimits::single()).is_ok());
    }

    #[test]
    fn shards_and_copies() {
        let given = json!({"name": "c", "numberOfShards": 3, "replicationFactor": 2, "minReplicationFactor": 2, "shardKeys": ["a"]});
        let made = create(&given, &CollectionLimits::cluster()).unwrap();
        assert_eq!((made.number_of_shards, made.replication_factor, made.write_concern), (3, 2, 2));
        assert_eq!(made.shard_keys, ["a"]);
        let single = create(&given, &CollectionLimits::single()).unwrap();
        assert_eq!((single.number_of_shards, single.replication_factor), (1, 1));
        let satellite = create(&json!({"name": "c", "replicationFactor": "satellite", "numberOfShards": 4}), &CollectionLimits::cluster());
        let satellite = satellite.unwrap();
        assert_eq!((satellite.number_of_shards, satellite.replication_factor), (1, 0));
        assert_eq!(fault(json!({"name": "c", "numberOfShards": 1001})), 1450);
        assert_eq!(fault(json!({"name": "c", "numberOfShards": 0})), 10);
        assert_eq!(fault(json!({"name": "c", "replicationFactor": 11})), 10);
        assert_eq!(fault(json!({"name": "c", "replicationFactor": 1, "writeConcern": 2})), 10);
        assert_eq!(fault(json!({"name": "c", "shardKeys": []})), 10);
        assert_eq!(fault(json!({"name": "c", "shardKeys": ["_id"]})), 10);
        assert_eq!(fault(json!({"name": "c", "shardingStrategy": "x"})), 10);
        assert_eq!(fault(json!({"name": "c", "numberOfShards": 2, "keyOptions": {"type": "autoincrement"}})), 1470);
    }

    #[test]
    fn key_generators() {
        let made = create(&json!({"name": "c", "keyOptions": {"type": "autoincrement", "increment": 5}}), &CollectionLimits::single());
        let options = made.unwrap().key_options;
        assert_eq!((options.generator.as_str(), options.increment, options.offset), ("autoincrement", Some(5), Some(0)));
        assert_eq!(fault(json!({"name": "c", "keyOptions": {"type": "odd"}})), 1232);
        assert_eq!(fault(json!({"name": "c", "keyOptions": {"type": "autoincrement", "increment": 0}})), 1232);
    }

    #[test]
    fn a_follower_takes_over_the_distribution_of_its_prototype() {
        let mut prototype =
            create(&json!({"name": "p", "numberOfShards": 3, "replicationFactor": 2}), &CollectionLimits::cluster()).unwrap();
        prototype.id = "7".into();
        let mut made = create(&json!({"name": "c", "distributeShardsLike": "p"}), &CollectionLimits::cluster()).unwrap();
        distribute_like(&mut made, &prototype).unwrap();
        assert_eq!((made.number_of_shards, made.replication_factor), (3, 2));
        assert_eq!(made.distribute_shards_like.as_deref(), Some("7"));
        assert_eq!(distribute_like(&mut prototype.clone(), &made).unwrap_err().code().0, 1484);
        let factor = change(&made, &json!({"replicationFactor": 1}), &CollectionLimits::cluster());
        assert_eq!(factor.unwrap_err().code().0, 11);
    }

    #[test]
    fn changes() {
        let made = create(&json!({"name": "c", "replicationFactor": 2}), &CollectionLimits::cluster()).unwrap();
        let schema = json!({"rule": {"type": "object"}});
        let changed =
            change(&made, &json!({"waitForSync": true, "schema": schema, "writeConcern": 2, "type": 3}), &CollectionLimits::cluster());
        let changed = changed.unwrap();
        assert!(changed.wait_for_sync);
        assert_eq!(changed.schema, json!({"rule": {"type": "object"}, "level": "strict", "message": "", "type": "json"}));
        assert_eq!((changed.write_concern, changed.kind), (2, CollectionType::Document));
        let cleared = change(&changed, &json!({"schema": null}), &CollectionLimits::cluster()).unwrap();
        assert!(cleared.schema.is_null());
        assert_eq!(change(&made, &json!({"schema": 5}), &CollectionLimits::cluster()).unwrap_err().code().0, 1621);
        assert_eq!(change(&made, &json!({"writeConcern": 3}), &CollectionLimits::cluster()).unwrap_err().code().0, 10);
    }
}
