//! Permissions of one user: levels per database and collection, with `*` as default.

use database::context::Access;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// What a user may do, as stored under `databases` in the user's document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    databases: BTreeMap<String, DatabaseGrants>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct DatabaseGrants {
    level: Option<Access>,
    collections: BTreeMap<String, Access>,
}

impl Grants {
    /// Reads `databases` of a user's document.
    #[must_use]
    pub fn parse(databases: &Json) -> Self {
        let mut grants = Self::default();
        for (database, entry) in databases.as_object().into_iter().flatten() {
            let mut parsed = DatabaseGrants { level: read_level(entry), ..DatabaseGrants::default() };
            for (collection, entry) in entry.get("collections").and_then(Json::as_object).into_iter().flatten() {
                if let Some(level) = read_level(entry) {
                    parsed.collections.insert(collection.clone(), level);
                }
            }
            grants.databases.insert(database.clone(), parsed);
        }
        grants
    }

    /// The form stored in the user's document.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let databases = self.databases.iter().map(|(database, grants)| {
            let collections: Map<String, Json> =
                grants.collections.iter().map(|(name, &level)| (name.clone(), json!({"permissions": permissions(level)}))).collect();
            let mut entry = Map::new();
            if let Some(level) = grants.level {
                entry.insert("permissions".into(), permissions(level));
            }
            entry.insert("collections".into(), collections.into());
            (database.clone(), Json::Object(entry))
        });
        Json::Object(databases.collect())
    }

    /// Level of a database: its own, else the default.
    #[must_use]
    pub fn database(&self, database: &str) -> Access {
        self.configured_database(database).or_else(|| self.configured_database("*")).unwrap_or(Access::None)
    }

    /// Level of a collection: its own, else the database's default, else the general default.
    #[must_use]
    pub fn collection(&self, database: &str, collection: &str) -> Access {
        let configured = self
            .configured_collection(database, collection)
            .or_else(|| self.configured_collection(database, "*"))
            .or_else(|| self.configured_collection("*", "*"));
        configured.unwrap_or(Access::None)
    }

    /// May every collection of the database be written, without exception?
    #[must_use]
    pub fn writes_all(&self, database: &str) -> bool {
        let without_exception =
            self.databases.get(database).is_none_or(|grants| grants.collections.values().all(|&level| level == Access::Write));
        without_exception && self.database(database) == Access::Write && self.collection(database, "*") == Access::Write
    }

    /// Level given to this database itself.
    #[must_use]
    pub fn configured_database(&self, database: &str) -> Option<Access> {
        self.databases.get(database)?.level
    }

    /// Level given to this collection itself.
    #[must_use]
    pub fn configured_collection(&self, database: &str, collection: &str) -> Option<Access> {
        self.databases.get(database)?.collections.get(collection).copied()
    }

    /// Sets or (with `None`) takes away the level of a database.
    pub fn set_database(&mut self, database: &str, level: Option<Access>) {
        self.databases.entry(database.to_owned()).or_default().level = level;
        self.tidy(database);
    }

    /// Sets or (with `None`) takes away the level of a collection.
    pub fn set_collection(&mut self, database: &str, collection: &str, level: Option<Access>) {
        let grants = self.databases.entry(database.to_owned()).or_default();
        match level {
            Some(level) => {
                grants.collections.insert(collection.to_owned(), level);
            }
            None => {
                grants.collections.remove(collection);
            }
        }
        self.tidy(database);
    }

    fn tidy(&mut self, database: &str) {
        if self.databases.get(database).is_some_and(|grants| grants.level.is_none() && grants.collections.is_empty()) {
            self.databases.remove(database);
        }
    }
}

/// `rw`, `ro`, `none`.
#[must_use]
pub fn level_name(level: Access) -> &'static str {
    match level {
        Access::None => "none",
        Access::Read => "ro",
        Access::Write => "rw",
    }
}

/// The level that `rw`, `ro` or `none` names.
#[must_use]
pub fn level(name: &str) -> Option<Access> {
    match name {
        "rw" => Some(Access::Write),
        "ro" => Some(Access::Read),
        "none" => Some(Access::None),
        _ => None,
    }
}

fn read_level(entry: &Json) -> Option<Access> {
    let permissions = entry.get("permissions")?;
    let has = |name: &str| permissions.get(name).and_then(Json::as_bool).unwrap_or(false);
    Some(match (has("read"), has("write")) {
        (_, true) => Access::Write,
        (true, false) => Access::Read,
        (false, false) => Access::None,
    })
}

fn permissions(level: Access) -> Json {
    json!({"read": level >= Access::Read, "write": level >= Access::Write})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_level_counts() {
        let mut grants = Grants::default();
        assert_eq!(grants.database("d"), Access::None);
        grants.set_database("*", Some(Access::Read));
        grants.set_database("d", Some(Access::None));
        grants.set_collection("*", "*", Some(Access::Read));
        grants.set_collection("d", "*", Some(Access::Write));
        grants.set_collection("d", "c", Some(Access::None));
        assert_eq!((grants.database("e"), grants.database("d")), (Access::Read, Access::None));
        let levels = [grants.collection("d", "c"), grants.collection("d", "x"), grants.collection("e", "x")];
        assert_eq!(levels, [Access::None, Access::Write, Access::Read]);
        assert_eq!(Grants::parse(&grants.to_json()), grants);
        grants.set_collection("d", "c", None);
        grants.set_collection("d", "*", None);
        grants.set_database("d", None);
        assert_eq!(grants.configured_database("d"), None);
        assert_eq!(grants.to_json().as_object().unwrap().len(), 1);
    }
}
