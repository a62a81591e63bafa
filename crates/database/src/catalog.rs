//! Databases, collections and indexes as values, with their JSON names and defaults
//! (`reference/api/objects.md`). The same structures are stored by `storage`, kept in the
//! agency's Plan and shown to clients.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// Unique number as text.
    pub id: String,
    /// Name.
    pub name: String,
    /// `""`, `"flexible"` or `"single"`.
    #[serde(default)]
    pub sharding: String,
    /// Default replication factor of new collections.
    #[serde(default = "one")]
    pub replication_factor: u32,
    /// Default write concern of new collections.
    #[serde(default = "one")]
    pub write_concern: u32,
}

/// Document or edge collection (`type` 2 or 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum CollectionType {
    /// 2
    Document,
    /// 3
    Edge,
}

impl From<CollectionType> for u8 {
    fn from(kind: CollectionType) -> u8 {
        match kind {
            CollectionType::Document => 2,
            CollectionType::Edge => 3,
        }
    }
}

impl TryFrom<u8> for CollectionType {
    type Error = String;
    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            2 => Ok(Self::Document),
            3 => Ok(Self::Edge),
            other => Err(format!("collection type {other}")),
        }
    }
}

/// How keys are made and which are accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyOptions {
    /// `traditional`, `autoincrement`, `uuid` or `padded`.
    #[serde(rename = "type")]
    pub generator: String,
    /// Clients may choose keys.
    pub allow_user_keys: bool,
    /// Step of `autoincrement`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub increment: Option<u64>,
    /// First value of `autoincrement` less one step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Greatest value handed out so far.
    pub last_value: u64,
}

impl Default for KeyOptions {
    fn default() -> Self {
        Self { generator: "traditional".into(), allow_user_keys: true, increment: None, offset: None, last_value: 0 }
    }
}

/// A collection; on a DB-server also a shard, which is a collection named `s<number>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collection {
    /// Unique number as text.
    pub id: String,
    /// Name; on a DB-server the shard's name.
    pub name: String,
    /// Name of the collection that a shard belongs to; `_id` and `_from` speak of this one.
    /// Empty if it is the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub logical_name: String,
    /// Id of the collection that a shard belongs to (empty if it is no shard).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan_id: String,
    /// Documents or edges.
    #[serde(rename = "type", default = "document_type")]
    pub kind: CollectionType,
    /// 3 = loaded.
    #[serde(default = "loaded")]
    pub status: u8,
    /// Name starts with an underscore.
    #[serde(default)]
    pub is_system: bool,
    /// Every write is synced to disk before it is acknowledged.
    #[serde(default)]
    pub wait_for_sync: bool,
    /// Documents are cached in memory.
    #[serde(default)]
    pub cache_enabled: bool,
    /// Key generator.
    #[serde(default)]
    pub key_options: KeyOptions,
    /// JSON Schema or null.
    #[serde(default)]
    pub schema: Json,
    /// Computed values or null.
    #[serde(default)]
    pub computed_values: Json,
    /// Id that is unique over servers.
    #[serde(default)]
    pub globally_unique_id: String,
    /// Number of shards.
    #[serde(default = "one")]
    pub number_of_shards: u32,
    /// Copies of each shard; 0 means satellite (one on every DB-server).
    #[serde(default = "one", with = "replication_factor")]
    pub replication_factor: u32,
    /// Copies that must be in sync for writes to be accepted.
    #[serde(default = "one", alias = "minReplicationFactor")]
    pub write_concern: u32,
    /// Attributes that decide the shard.
    #[serde(default = "key_shard_keys")]
    pub shard_keys: Vec<String>,
    /// `hash` and older names.
    #[serde(default = "hash_strategy")]
    pub sharding_strategy: String,
    /// Id of the collection whose shard distribution is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribute_shards_like: Option<String>,
    /// Shard name to servers, leader first (cluster only).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shards: BTreeMap<String, Vec<String>>,
    /// Indexes, the primary one first.
    #[serde(default)]
    pub indexes: Vec<Index>,
    /// Attributes that no code here interprets, kept for clients (smart graph options …).
    #[serde(flatten)]
    pub other: serde_json::Map<String, Json>,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Number as text, without the collection.
    pub id: String,
    /// `primary`, `edge`, `persistent` (also `hash`, `skiplist` as given), `ttl`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Name, unique in the collection.
    #[serde(default)]
    pub name: String,
    /// Attribute paths; `[*]` marks array expansion.
    pub fields: Vec<String>,
    /// No two documents with equal values.
    #[serde(default)]
    pub unique: bool,
    /// Documents with a null in one of the fields are left out.
    #[serde(default)]
    pub sparse: bool,
    /// Equal array members of one document make one entry.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub deduplicate: bool,
    /// Selectivity estimates are kept.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub estimates: bool,
    /// Equality look-ups are cached.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cache_enabled: bool,
    /// Further attributes kept in the index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored_values: Vec<String>,
    /// Seconds after the field's time at which a document goes (`ttl`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<f64>,
    /// Being built: not yet visible to clients nor used by queries.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_building: bool,
    /// Writes go on while it is built.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_background: bool,
}

impl Collection {
    /// The name that `_id` values carry.
    #[must_use]
    pub fn document_collection(&self) -> &str {
        if self.logical_name.is_empty() { &self.name } else { &self.logical_name }
    }

    /// Shard names in numeric order, which is the order `distributeShardsLike` and hashing use.
    #[must_use]
    pub fn shard_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.shards.keys().map(String::as_str).collect();
        names.sort_by_key(|name| name.trim_start_matches('s').parse::<u64>().unwrap_or(u64::MAX));
        names
    }
}

impl Index {
    /// The index on `_key` that every collection has.
    #[must_use]
    pub fn primary() -> Self {
        Self::plain("0", "primary", "primary", &["_key"], true)
    }

    /// The index on `_from` and `_to` that every edge collection has.
    #[must_use]
    pub fn edge() -> Self {
        Self::plain("1", "edge", "edge", &["_from", "_to"], false)
    }

    /// An index without any option.
    #[must_use]
    pub fn plain(id: &str, kind: &str, name: &str, fields: &[&str], unique: bool) -> Self {
        Self {
            id: id.into(),
            kind: kind.into(),
            name: name.into(),
            fields: fields.iter().map(|&field| field.into()).collect(),
            unique,
            sparse: false,
            deduplicate: true,
            estimates: true,
            cache_enabled: false,
            stored_values: Vec::new(),
            expire_after: None,
            is_building: false,
            in_background: false,
        }
    }
}

fn one() -> u32 {
    1
}
fn loaded() -> u8 {
    3
}
fn yes() -> bool {
    true
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_true(flag: &bool) -> bool {
    *flag
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
fn document_type() -> CollectionType {
    CollectionType::Document
}
fn key_shard_keys() -> Vec<String> {
    vec!["_key".into()]
}
fn hash_strategy() -> String {
    "hash".into()
}

/// `replicationFactor` is a number, or `"satellite"` for 0.
mod replication_factor {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use serde_json::Value as Json;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub fn serialize<S: Serializer>(factor: &u32, to: S) -> Result<S::Ok, S::Error> {
        if *factor == 0 { to.serialize_str("satellite") } else { to.serialize_u32(*factor) }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        match Json::deserialize(from)? {
            Json::String(word) if word == "satellite" => Ok(0),
            Json::Number(number) => {
                number.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| D::Error::custom("replicationFactor out of range"))
            }
            _ => Err(D::Error::custom("replicationFactor must be a number or \"satellite\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_round_trips_through_json_with_defaults() {
        let given =
            serde_json::json!({"id": "7", "name": "c", "type": 3, "replicationFactor": "satellite", "smartGraphAttribute": "region"});
        let collection: Collection = serde_json::from_value(given).unwrap();
        assert_eq!(collection.kind, CollectionType::Edge);
        assert_eq!((collection.replication_factor, collection.number_of_shards), (0, 1));
        let back = serde_json::to_value(&collection).unwrap();
        assert_eq!(back["smartGraphAttribute"], "region");
        assert_eq!(serde_json::from_value::<Collection>(back).unwrap(), collection);
    }

    #[test]
    fn shards_are_ordered_by_number() {
        let mut collection: Collection = serde_json::from_value(serde_json::json!({"id": "7", "name": "c"})).unwrap();
        for shard in ["s100", "s9", "s11"] {
            collection.shards.insert(shard.into(), vec![]);
        }
        assert_eq!(collection.shard_names(), ["s9", "s11", "s100"]);
    }
}
