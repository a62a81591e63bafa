//! Transactions as clients send them: operations on paths, preconditions on paths, an id by which
//! the client can ask later whether the transaction was applied.
//!
//! [`Transaction`]'s builder methods take paths relative to `/arango/`; [`Transaction::parse`]
//! reads the wire form `[operations, preconditions?, clientId?]`. What operations and
//! preconditions mean is decided in `operation.rs` and `precondition.rs`.

use crate::node;
use crate::path::{self, DEPTH_MAX};
use base::{Error, Result};
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// Prefix of all keys of the database cluster.
pub const PREFIX: &str = "/arango/";

/// Operations that are applied together if all preconditions hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    pub(crate) operations: Map<String, Json>,
    pub(crate) preconditions: Map<String, Json>,
    pub(crate) client_id: String,
}

impl Transaction {
    /// A transaction that does nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one element of a write request.
    pub fn parse(value: Json) -> Result<Self> {
        let Json::Array(parts) = value else { return Err(Error::bad_parameter("transaction must be an array")) };
        let mut parts = parts.into_iter();
        let operations = match parts.next() {
            Some(Json::Object(operations)) => checked_keys(operations)?,
            _ => return Err(Error::bad_parameter("first element of a transaction must be an object of operations")),
        };
        let preconditions = match parts.next() {
            None => Map::new(),
            Some(Json::Object(preconditions)) => checked_keys(preconditions)?,
            Some(_) => return Err(Error::bad_parameter("second element of a transaction must be an object of preconditions")),
        };
        let client_id = match parts.next() {
            None => String::new(),
            Some(Json::String(id)) => id,
            Some(_) => return Err(Error::bad_parameter("third element of a transaction must be a client id")),
        };
        if parts.next().is_some() {
            return Err(Error::bad_parameter("a transaction has at most three elements"));
        }
        Ok(Self { operations, preconditions, client_id })
    }

    /// The same transaction with its paths normalised and in sorted order, as it is applied.
    #[must_use]
    pub(crate) fn sorted(self) -> Self {
        let sort = |members: Map<String, Json>| {
            let mut entries: Vec<_> = members.into_iter().map(|(path, value)| (path::normal(&path), value)).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.into_iter().collect()
        };
        Self { operations: sort(self.operations), preconditions: sort(self.preconditions), client_id: self.client_id }
    }

    /// The wire form.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json!([self.operations, self.preconditions, self.client_id])
    }

    /// True if there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The id under which the outcome can be inquired; clients fill it in if it is missing.
    #[must_use]
    pub fn with_client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = id.into();
        self
    }

    fn operation(mut self, path: &str, operation: Json) -> Self {
        self.operations.insert(key(path), operation);
        self
    }

    fn precondition(mut self, path: &str, operator: &str, argument: Json) -> Self {
        let entry = self.preconditions.entry(key(path)).or_insert_with(|| json!({}));
        if let Json::Object(operators) = entry {
            operators.insert(operator.to_owned(), argument);
        }
        self
    }

    /// Replaces the node.
    #[must_use]
    pub fn set(self, path: &str, value: impl Into<Json>) -> Self {
        self.operation(path, json!({"op": "set", "new": value.into()}))
    }

    /// Replaces the node; it disappears after `ttl`.
    #[must_use]
    pub fn set_with_ttl(self, path: &str, value: impl Into<Json>, ttl: Duration) -> Self {
        self.operation(path, json!({"op": "set", "new": value.into(), "ttl": ttl.as_secs_f64()}))
    }

    /// Removes the node if it exists.
    #[must_use]
    pub fn delete(self, path: &str) -> Self {
        self.operation(path, json!({"op": "delete"}))
    }

    /// Adds one.
    #[must_use]
    pub fn increment(self, path: &str) -> Self {
        self.increment_by(path, 1)
    }

    /// Adds `step`.
    #[must_use]
    pub fn increment_by(self, path: &str, step: u64) -> Self {
        self.operation(path, json!({"op": "increment", "step": step}))
    }

    /// Subtracts one.
    #[must_use]
    pub fn decrement(self, path: &str) -> Self {
        self.operation(path, json!({"op": "decrement"}))
    }

    /// Appends to an array.
    #[must_use]
    pub fn push(self, path: &str, value: impl Into<Json>) -> Self {
        self.operation(path, json!({"op": "push", "new": value.into()}))
    }

    /// Inserts in front of an array.
    #[must_use]
    pub fn prepend(self, path: &str, value: impl Into<Json>) -> Self {
        self.operation(path, json!({"op": "prepend", "new": value.into()}))
    }

    /// Removes all elements equal to `value` from an array.
    #[must_use]
    pub fn erase(self, path: &str, value: impl Into<Json>) -> Self {
        self.operation(path, json!({"op": "erase", "val": value.into()}))
    }

    /// Replaces all elements of an array that equal `old`.
    #[must_use]
    pub fn replace(self, path: &str, old: impl Into<Json>, new: impl Into<Json>) -> Self {
        self.operation(path, json!({"op": "replace", "val": old.into(), "new": new.into()}))
    }

    /// Takes a write lock for `by`; the transaction fails if somebody else holds any lock.
    #[must_use]
    pub fn write_lock(self, path: &str, by: &str) -> Self {
        self.operation(path, json!({"op": "write-lock", "by": by}))
    }

    /// Gives back a write lock.
    #[must_use]
    pub fn write_unlock(self, path: &str, by: &str) -> Self {
        self.operation(path, json!({"op": "write-unlock", "by": by}))
    }

    /// Takes a read lock for `by`.
    #[must_use]
    pub fn read_lock(self, path: &str, by: &str) -> Self {
        self.operation(path, json!({"op": "read-lock", "by": by}))
    }

    /// Gives back a read lock.
    #[must_use]
    pub fn read_unlock(self, path: &str, by: &str) -> Self {
        self.operation(path, json!({"op": "read-unlock", "by": by}))
    }

    /// Requires the node to equal `value` (`old`).
    #[must_use]
    pub fn require(self, path: &str, value: impl Into<Json>) -> Self {
        self.precondition(path, "old", value.into())
    }

    /// Requires the node to differ from `value` (`oldNot`); a missing node differs.
    #[must_use]
    pub fn require_not(self, path: &str, value: impl Into<Json>) -> Self {
        self.precondition(path, "oldNot", value.into())
    }

    /// Requires that there is no node (`oldEmpty: true`).
    #[must_use]
    pub fn require_absent(self, path: &str) -> Self {
        self.precondition(path, "oldEmpty", Json::Bool(true))
    }

    /// Requires that there is a node (`oldEmpty: false`).
    #[must_use]
    pub fn require_present(self, path: &str) -> Self {
        self.precondition(path, "oldEmpty", Json::Bool(false))
    }

    /// Requires an array that contains `value` (`in`).
    #[must_use]
    pub fn require_in(self, path: &str, value: impl Into<Json>) -> Self {
        self.precondition(path, "in", value.into())
    }

    /// Requires a missing node or an array without `value` (`notin`).
    #[must_use]
    pub fn require_not_in(self, path: &str, value: impl Into<Json>) -> Self {
        self.precondition(path, "notin", value.into())
    }

    /// Requires a missing node or an array that shares nothing with `values`
    /// (`intersectionEmpty`).
    #[must_use]
    pub fn require_disjoint(self, path: &str, values: Vec<Json>) -> Self {
        self.precondition(path, "intersectionEmpty", Json::Array(values))
    }
}

fn key(path: &str) -> String {
    format!("{PREFIX}{}", path.trim_start_matches('/'))
}

/// Normalises the paths, refuses what is too deep.
fn checked_keys(members: Map<String, Json>) -> Result<Map<String, Json>> {
    let mut entries = Vec::with_capacity(members.len());
    for (name, value) in members {
        let path = path::checked(&name)?;
        if path::parts(&path).count() + node::json_depth(&value) > DEPTH_MAX {
            return Err(Error::bad_parameter("agency value is nested too deeply"));
        }
        entries.push((path, value));
    }
    // Operations of one transaction are applied in sorted order of their normal paths.
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builder_makes_the_wire_form() {
        let transaction = Transaction::new()
            .set("Plan/x", json!({"a": 1}))
            .increment("Plan/Version")
            .require("Plan/x", json!(3))
            .require_absent("Plan/y")
            .with_client_id("me:1");
        assert_eq!(
            transaction.to_json(),
            json!([
                {"/arango/Plan/x": {"op": "set", "new": {"a": 1}}, "/arango/Plan/Version": {"op": "increment", "step": 1}},
                {"/arango/Plan/x": {"old": 3}, "/arango/Plan/y": {"oldEmpty": true}},
                "me:1"
            ])
        );
    }

    #[test]
    fn parse_normalises_and_sorts_paths() {
        let transaction = Transaction::parse(json!([{"z": 1, "//a//b": 2, "/a": 3}])).unwrap();
        assert_eq!(transaction.operations.keys().collect::<Vec<_>>(), ["/a", "/a/b", "/z"]);
    }

    #[test]
    fn malformed_transactions_are_refused() {
        let deep = format!("[{{\"{}\": 1}}]", "/x".repeat(101));
        for text in ["{}", "[]", "[1]", "[{},1]", "[{},{},1]", "[{},{},\"\",1]", &deep] {
            assert!(Transaction::parse(serde_json::from_str(text).unwrap()).is_err(), "{text}");
        }
    }
}
