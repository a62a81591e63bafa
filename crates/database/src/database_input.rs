//! From the name and options of `POST /_api/database` to a [`Database`].

use crate::catalog::{CollectionType, Database};
use base::{Error, Result, code, names};
use serde_json::Value as Json;

/// Name of the database that always exists.
pub const SYSTEM: &str = "_system";

/// A system collection that a new database gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCollection {
    /// Name.
    pub name: &'static str,
    /// Persistent indexes: fields, unique (and then sparse).
    pub indexes: &'static [(&'static [&'static str], bool)],
    /// Type.
    pub kind: CollectionType,
    /// Only in the database `_system`.
    pub only_in_system: bool,
}

const fn system(name: &'static str, indexes: &'static [(&'static [&'static str], bool)], only_in_system: bool) -> SystemCollection {
    SystemCollection { name, indexes, kind: CollectionType::Document, only_in_system }
}

/// The system collections in the order they are created: the first one of a database is the
/// prototype whose shard distribution the others follow.
const SYSTEM_COLLECTIONS: [SystemCollection; 9] = [
    system("_users", &[(&["user"], true)], true),
    system("_graphs", &[], false),
    system("_analyzers", &[], false),
    system("_aqlfunctions", &[], false),
    system("_queues", &[], false),
    system("_jobs", &[(&["queue", "status", "delayUntil"], false), (&["status", "queue", "delayUntil"], false)], false),
    system("_apps", &[(&["mount"], true)], false),
    system("_appbundles", &[], false),
    system("_frontend", &[], false),
];

/// The system collections of a database.
pub fn system_collections(database: &str) -> impl Iterator<Item = &'static SystemCollection> + use<> {
    let is_system = database == SYSTEM;
    SYSTEM_COLLECTIONS.iter().filter(move |collection| is_system || !collection.only_in_system)
}

/// Is this one of the collections that every database keeps?
#[must_use]
pub fn is_system_collection(name: &str) -> bool {
    SYSTEM_COLLECTIONS.iter().any(|collection| collection.name == name)
}

/// 1229 unless the name is legal; 1207 for `_system`, which exists.
pub fn check_name(name: &str) -> Result<()> {
    if name == SYSTEM {
        return Err(code::ARANGO_DUPLICATE_NAME.into());
    }
    if names::is_database_name(name) { Ok(()) } else { Err(code::ARANGO_DATABASE_NAME_INVALID.into()) }
}

/// A checked database without id. `options` is the attribute of that name, or the whole body.
pub fn create(name: &str, options: &Json, replication_factor_default: u32, write_concern_default: u32) -> Result<Database> {
    check_name(name)?;
    let options = options.get("options").unwrap_or(options);
    if !(options.is_object() || options.is_null()) {
        return Err(Error::bad_parameter("options must be an object"));
    }
    let sharding = match options.get("sharding") {
        None | Some(Json::Null) => "",
        Some(Json::String(word)) if ["", "flexible", "single"].contains(&word.as_str()) => word,
        Some(_) => return Err(Error::bad_parameter("sharding must be \"\", \"flexible\" or \"single\"")),
    };
    let replication_factor = match options.get("replicationFactor") {
        Some(Json::String(word)) if word == "satellite" => 0,
        _ => number(options, "replicationFactor", replication_factor_default)?,
    };
    let write_concern = number(options, "writeConcern", write_concern_default)?;
    if replication_factor > 0 && write_concern > replication_factor && options.get("writeConcern").is_some() {
        return Err(Error::bad_parameter("writeConcern must not be greater than replicationFactor"));
    }
    Ok(Database { id: String::new(), name: name.to_owned(), sharding: sharding.to_owned(), replication_factor, write_concern })
}

fn number(options: &Json, name: &str, default: u32) -> Result<u32> {
    match options.get(name) {
        None | Some(Json::Null) => Ok(default),
        Some(value) => {
            let number = value.as_f64().filter(|number| number.fract() == 0.0 && (1.0..=1000.0).contains(number));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an integer from 1 to 1000")]
            number.map(|number| number as u32).ok_or_else(|| Error::bad_parameter(format!("invalid value for {name}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names() {
        assert_eq!(create("1", &json!({}), 1, 1).unwrap_err().code().0, 1229);
        assert_eq!(create("_x", &json!({}), 1, 1).unwrap_err().code().0, 1229);
        assert_eq!(create("_system", &json!({}), 1, 1).unwrap_err().code().0, 1207);
    }

    #[test]
    fn options() {
        let made = create("d", &json!({"options": {"sharding": "single", "replicationFactor": 3, "writeConcern": 2}}), 1, 1).unwrap();
        assert_eq!((made.sharding.as_str(), made.replication_factor, made.write_concern), ("single", 3, 2));
        assert_eq!(create("d", &Json::Null, 2, 1).unwrap().replication_factor, 2);
        assert_eq!(create("d", &json!({"replicationFactor": "satellite"}), 1, 1).unwrap().replication_factor, 0);
        for wrong in
            [json!({"sharding": "x"}), json!({"replicationFactor": -1}), json!({"writeConcern": 2, "replicationFactor": 1}), json!(5)]
        {
            assert_eq!(create("d", &wrong, 1, 1).unwrap_err().code().0, 10, "{wrong}");
        }
    }

    #[test]
    fn users_live_in_the_system_database_only() {
        assert_eq!(system_collections("_system").next().unwrap().name, "_users");
        assert_eq!(system_collections("d").next().unwrap().name, "_graphs");
        assert!(system_collections("d").all(|collection| collection.name != "_users"));
    }
}
