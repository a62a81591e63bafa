//! The documents of `_users`: how passwords and permissions are stored, as ArangoDB stores them.

use super::Grants;
use base::{Error, Result, code};
use database::context::Access;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use subtle::ConstantTimeEq;

/// A user as stored.
#[derive(Clone, Debug)]
pub struct User {
    /// The whole document, so that attributes this code does not know survive a change.
    document: Map<String, Json>,
}

impl User {
    /// A new user without permissions.
    ///
    /// # Errors
    /// 1700 for an empty name or one in the syntax of roles.
    pub fn new(name: &str, password: &str) -> Result<Self> {
        if name.is_empty() || name.starts_with(":role:") {
            return Err(Error::from(code::USER_INVALID_NAME));
        }
        let document = json!({"user": name, "source": "LOCAL", "authData": {"active": true}, "databases": {}});
        let Json::Object(document) = document else { return Err(Error::internal("a user is an object")) };
        let mut user = Self { document };
        user.set_password(password);
        Ok(user)
    }

    /// The user every new installation has, with every permission.
    ///
    /// # Errors
    /// None that can be provoked from outside.
    pub fn root(password: &str) -> Result<Self> {
        let mut user = Self::new("root", password)?;
        let mut grants = Grants::default();
        grants.set_database("*", Some(Access::Write));
        grants.set_collection("*", "*", Some(Access::Write));
        grants.set_database("_system", Some(Access::Write));
        grants.set_collection("_system", "*", Some(Access::Write));
        user.set_grants(&grants);
        Ok(user)
    }

    /// From a stored document.
    #[must_use]
    pub fn from_document(document: Json) -> Option<Self> {
        match document {
            Json::Object(document) if document.get("user").is_some_and(Json::is_string) => Some(Self { document }),
            _ => None,
        }
    }

    /// The document to store.
    #[must_use]
    pub fn document(&self) -> Json {
        Json::Object(self.document.clone())
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.document.get("user").and_then(Json::as_str).unwrap_or_default()
    }

    /// Key of the stored document.
    #[must_use]
    pub fn key(&self) -> &str {
        self.document.get("_key").and_then(Json::as_str).unwrap_or_default()
    }

    /// May log in.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.auth("active").and_then(Json::as_bool).unwrap_or(true)
    }

    /// Lets the user log in or not.
    pub fn set_active(&mut self, active: bool) {
        self.set_auth("active", active.into());
    }

    /// What the application keeps with the user.
    #[must_use]
    pub fn extra(&self) -> Json {
        self.document.get("userData").cloned().unwrap_or_else(|| json!({}))
    }

    /// Sets what the application keeps with the user.
    pub fn set_extra(&mut self, extra: Json) {
        self.document.insert("userData".into(), extra);
    }

    /// What the web interface keeps with the user.
    #[must_use]
    pub fn config(&self) -> Map<String, Json> {
        self.document.get("configData").and_then(Json::as_object).cloned().unwrap_or_default()
    }

    /// Sets what the web interface keeps with the user.
    pub fn set_config(&mut self, config: Map<String, Json>) {
        self.document.insert("configData".into(), config.into());
    }

    /// Permissions.
    #[must_use]
    pub fn grants(&self) -> Grants {
        self.document.get("databases").map(Grants::parse).unwrap_or_default()
    }

    /// Sets the permissions.
    pub fn set_grants(&mut self, grants: &Grants) {
        self.document.insert("databases".into(), grants.to_json());
    }

    /// Is this the password?
    #[must_use]
    pub fn has_password(&self, password: &str) -> bool {
        let simple = self.auth("simple");
        let part = |name: &str| simple.and_then(|simple| simple.get(name)).and_then(Json::as_str);
        let (Some("sha256"), Some(salt), Some(hash)) = (part("method"), part("salt"), part("hash")) else { return false };
        hashed(salt, password).as_bytes().ct_eq(hash.as_bytes()).into()
    }

    /// Stores a new password.
    pub fn set_password(&mut self, password: &str) {
        let salt = format!("{:08x}", rand::random::<u32>());
        let hash = hashed(&salt, password);
        self.set_auth("simple", json!({"hash": hash, "salt": salt, "method": "sha256"}));
    }

    fn auth(&self, name: &str) -> Option<&Json> {
        self.document.get("authData")?.get(name)
    }

    fn set_auth(&mut self, name: &str, value: Json) {
        match self.document.get_mut("authData").and_then(Json::as_object_mut) {
            Some(auth) => {
                auth.insert(name.to_owned(), value);
            }
            None => {
                self.document.insert("authData".into(), json!({name: value}));
            }
        }
    }
}

fn hashed(salt: &str, password: &str) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(password).finalize();
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        let mut user = User::new("anna", "secret").unwrap();
        assert!(user.has_password("secret") && !user.has_password("Secret"));
        user.set_password("");
        assert!(user.has_password("") && !user.has_password("secret"));
        assert_eq!(User::new("", "").unwrap_err().code(), code::USER_INVALID_NAME);
    }

    /// `sha256("abcd1234" + "pass")`, hexadecimal, as ArangoDB stores it.
    #[test]
    fn stored_form() {
        let stored = json!({"user": "u", "authData": {"active": true, "simple": {"method": "sha256", "salt": "abcd1234",
            "hash": "e5b8c19823b35520950cea58f7e56053bf222354eee918cb89faa16b77ca6edd"}}});
        assert!(User::from_document(stored).unwrap().has_password("pass"));
        let root = User::root("x").unwrap();
        assert_eq!(root.document()["databases"]["*"]["permissions"], json!({"read": true, "write": true}));
        assert_eq!(root.grants().collection("any", "c"), Access::Write);
        assert!(User::from_document(json!({"name": "x"})).is_none());
    }

    #[test]
    fn foreign_attributes_survive() {
        let mut user = User::from_document(json!({"_key": "7", "user": "u", "later": 1, "authData": {"x": 2}})).unwrap();
        user.set_active(false);
        user.set_extra(json!({"a": 1}));
        assert!(!user.is_active());
        assert_eq!((&user.document()["later"], &user.document()["authData"]["x"]), (&json!(1), &json!(2)));
        assert_eq!((user.key(), user.extra()), ("7", json!({"a": 1})));
    }
}
