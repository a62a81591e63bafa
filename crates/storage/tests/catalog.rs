//! Databases and collections: creation, changes, dropping, renaming, crashes.

mod support;

use base::code;
use database::document::{DocumentOptions, Operation};
use serde_json::json;
use storage::{Batch, Engine, Family, KeyRange, MemoryEngine, Order};
use support::*;

#[test]
fn names_are_unique_and_unknown_ones_are_errors() {
    let storage = store();
    let c = collection(&storage, "c");
    assert_eq!(storage.create_collection(DB, definition("c", 2)).unwrap_err().code(), code::ARANGO_DUPLICATE_NAME);
    assert_eq!(storage.create_collection(DB, definition("", 2)).unwrap_err().code(), code::ARANGO_ILLEGAL_NAME);
    assert_eq!(storage.create_collection("x", definition("d", 2)).unwrap_err().code(), code::ARANGO_DATABASE_NOT_FOUND);
    assert_eq!(storage.collection(DB, "x").unwrap_err().message(), "collection or view not found: x");
    assert_eq!(storage.collection(DB, &c.info().id).unwrap().object_id(), c.object_id());
    assert_eq!(storage.database("x").unwrap_err().code(), code::ARANGO_DATABASE_NOT_FOUND);
    assert_eq!(storage.drop_database(DB).unwrap_err().code(), code::FORBIDDEN);
    let mut odd = definition("odd", 2);
    odd.key_options.generator = "odd".into();
    assert_eq!(storage.create_collection(DB, odd).unwrap_err().code(), code::ARANGO_INVALID_KEY_GENERATOR);
    let info = edges(&storage, "e").info();
    assert_eq!(info.indexes.iter().map(|index| index.kind.as_str()).collect::<Vec<_>>(), ["primary", "edge"]);
}

#[test]
fn dropping_leaves_no_bytes_behind() {
    let engine = MemoryEngine::new();
    let storage = open(&engine);
    create_system(&storage);
    storage.create_database(&serde_json::from_value(json!({"id": "", "name": "d"})).unwrap()).unwrap();
    let e = storage.create_collection("d", definition("e", 3)).unwrap();
    storage.create_index("d", "e", index("persistent", &["_to"], false)).unwrap();
    insert(&storage, &e, r#"{"_from":"v/1","_to":"v/2"}"#).unwrap();
    let kept = edges(&storage, "e");
    insert(&storage, &kept, r#"{"_from":"v/1","_to":"v/2"}"#).unwrap();
    storage.drop_collection(DB, "e").unwrap();
    assert_eq!(insert(&storage, &kept, r#"{"_from":"v/1","_to":"v/2"}"#).unwrap_err().code(), code::ARANGO_DATA_SOURCE_NOT_FOUND);
    storage.drop_database("d").unwrap();
    assert_eq!(insert(&storage, &e, r#"{"_from":"v/1","_to":"v/2"}"#).unwrap_err().code(), code::ARANGO_DATA_SOURCE_NOT_FOUND);
    for family in [Family::Documents, Family::EdgeIndex, Family::PersistentIndex, Family::Counters] {
        assert!(!engine.snapshot().iter(family, &KeyRange::default(), Order::Forward).unwrap().valid(), "{}", family.name());
    }
    assert_eq!(storage.databases().len(), 1);
    assert!(open(&engine).collections(DB).unwrap().is_empty());
}

#[test]
fn a_renamed_collection_shows_the_new_name() {
    let engine = MemoryEngine::new();
    let storage = open(&engine);
    create_system(&storage);
    let c = collection(&storage, "old");
    insert(&storage, &c, r#"{"_key":"k","a":1}"#).unwrap();
    storage.rename_collection(DB, "old", "new").unwrap();
    assert!(storage.collection(DB, "old").is_err());
    for storage in [storage.clone(), open(&engine)] {
        let c = storage.collection(DB, "new").unwrap();
        assert_eq!(read(&storage, &c, "k").unwrap().as_slice().get("_id").unwrap().as_str(), Some("new/k"));
    }
    let options = DocumentOptions { return_new: true, ..DocumentOptions::default() };
    let updated = run(&storage, &c, Operation::Update, r#"{"_key":"k","a":2}"#, options).unwrap().new.unwrap();
    assert_eq!(updated.as_slice().get("_id").unwrap().as_str(), Some("new/k"));
}

#[test]
fn changed_properties_are_durable() {
    let engine = MemoryEngine::new();
    let storage = open(&engine);
    create_system(&storage);
    collection(&storage, "c");
    let changed = storage.change_collection(DB, "c", |info| {
        info.wait_for_sync = true;
        info.name = "ignored".into();
        Ok(())
    });
    assert!(changed.unwrap().wait_for_sync);
    let info = open(&engine).collection(DB, "c").unwrap().info();
    assert!(info.wait_for_sync && info.name == "c");
}

#[test]
fn a_shard_speaks_of_its_collection() {
    let storage = store();
    let mut wanted = definition("s100001", 2);
    wanted.logical_name = "products".into();
    let shard = storage.create_collection(DB, wanted).unwrap();
    let outcome = insert(&storage, &shard, r#"{"_key":"k"}"#).unwrap();
    assert_eq!(outcome.id, "products/k");
    assert_eq!(read(&storage, &shard, "k").unwrap().as_slice().get("_id").unwrap().as_str(), Some("products/k"));
}

#[test]
fn an_interrupted_index_creation_is_cleaned_up() {
    let engine = MemoryEngine::new();
    let storage = open(&engine);
    create_system(&storage);
    let c = collection(&storage, "c");
    for n in 0..30 {
        insert(&storage, &c, &format!(r#"{{"n":{n}}}"#)).unwrap();
    }
    storage.create_index(DB, "c", index("persistent", &["n"], false)).unwrap();
    // What a crash before the end of the creation would have left.
    let mut definitions = engine.snapshot().iter(Family::Definitions, &KeyRange::prefix(b"C"), Order::Forward).unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(definitions.value()).unwrap();
    record["collection"]["indexes"][1]["isBuilding"] = json!(true);
    let mut batch = Batch::new();
    batch.put(Family::Definitions, definitions.key(), &serde_json::to_vec(&record).unwrap());
    definitions.advance().unwrap();
    engine.write(&batch, false).unwrap();
    drop(storage);
    let storage = open(&engine);
    assert_eq!(storage.collection(DB, "c").unwrap().info().indexes.len(), 1);
    assert!(!engine.snapshot().iter(Family::PersistentIndex, &KeyRange::default(), Order::Forward).unwrap().valid());
    storage.create_index(DB, "c", index("persistent", &["n"], false)).unwrap();
}

#[test]
fn local_values_are_kept() {
    let storage = store();
    assert_eq!(storage.local_value("id").unwrap(), None);
    storage.set_local_value("id", Some(b"PRMR-1"), true).unwrap();
    assert_eq!(storage.local_value("id").unwrap().as_deref(), Some(&b"PRMR-1"[..]));
    storage.set_local_value("id", None, false).unwrap();
    assert_eq!(storage.local_value("id").unwrap(), None);
}
