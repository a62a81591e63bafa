//! The write operations: given a node (or its absence) and an operation, what shall be there
//! afterwards. Pure; `store.rs` puts the result into the tree.
//!
//! Invariant: an operation decides completely before anything is changed, so a failing one leaves
//! no trace.

use crate::node::{Node, equal};
use base::{Error, Result};
use serde_json::{Number, Value as Json};

/// What an operation wants done to its node.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// Leave everything as it is.
    Keep,
    /// Replace the node and its expiry (milliseconds after the transaction's time).
    Set(Node, Option<u64>),
    /// Replace the node, keep its expiry.
    Put(Node),
    /// Remove the node.
    Delete,
    /// Call this address on changes.
    Observe(String),
    /// Do not call this address any more.
    Unobserve(String),
}

/// Decides what `operation` does to `node`.
pub fn decide(operation: &Json, node: Option<&Node>) -> Result<Change> {
    let Json::Object(members) = operation else { return Ok(Change::Set(Node::from_json(operation), None)) };
    let Some(Json::String(name)) = members.get("op") else {
        // Compat: an object without `op` but with `new` sets the value of `new`.
        let value = members.get("new").unwrap_or(operation);
        return Ok(Change::Set(Node::from_json(value), ttl(members.get("ttl"), members.contains_key("new"))?));
    };
    let argument = |name: &str| members.get(name).ok_or_else(|| missing(operation, name));
    match name.as_str() {
        "set" => Ok(Change::Set(Node::from_json(argument("new")?), ttl(members.get("ttl"), true)?)),
        "delete" => Ok(Change::Delete),
        "increment" => step(node, members.get("step"), 1).map(put),
        "decrement" => step(node, members.get("step"), -1).map(put),
        "push" => argument("new").map(|new| put(edited(node, |items| items.push(new.clone())))),
        "prepend" => argument("new").map(|new| put(edited(node, |items| items.insert(0, new.clone())))),
        "pop" => Ok(put(edited(node, |items| drop(items.pop())))),
        "shift" => Ok(put(edited(node, |items| drop((!items.is_empty()).then(|| items.remove(0)))))),
        "push-queue" => push_queue(node, argument("new")?, argument("len")?),
        "erase" => erase(node, members.get("val"), members.get("pos")),
        "replace" => replace(node, argument("val")?, argument("new")?),
        "observe" => Ok(Change::Observe(text(argument("url")?)?)),
        "unobserve" => Ok(Change::Unobserve(text(argument("url")?)?)),
        "read-lock" => read_lock(node, &text(argument("by")?)?),
        "read-unlock" => read_unlock(node, &text(argument("by")?)?),
        "write-lock" => write_lock(node, &text(argument("by")?)?),
        "write-unlock" => write_unlock(node, &text(argument("by")?)?),
        other => Err(Error::bad_parameter(format!("unknown agency operation '{other}'"))),
    }
}

fn put(value: Json) -> Change {
    Change::Put(Node::from(value))
}

fn json(operation: &Json, name: &str) -> Json {
    operation.get(name).cloned().unwrap_or(Json::Null)
}

fn missing(operation: &Json, argument: &str) -> Error {
    Error::bad_parameter(format!("agency operation {} needs '{argument}'", json(operation, "op")))
}

fn text(value: &Json) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| Error::bad_parameter("agency operation needs a text"))
}

fn ttl(value: Option<&Json>, allowed: bool) -> Result<Option<u64>> {
    match value {
        Some(value) if allowed => match value.as_f64() {
            // Limit: a century, far from any overflow.
            Some(seconds) if (0.0..=3.2e9).contains(&seconds) => Ok(Some((seconds * 1000.0).round() as u64)),
            _ => Err(Error::bad_parameter("ttl must be a number of seconds")),
        },
        _ => Ok(None),
    }
}

fn step(node: Option<&Node>, step: Option<&Json>, sign: i128) -> Result<Json> {
    let one = Number::from(1);
    let step = match step {
        None => &one,
        Some(Json::Number(step)) => step,
        Some(_) => return Err(Error::bad_parameter("step must be a number")),
    };
    let zero = Number::from(0);
    let present = match node.and_then(Node::leaf) {
        Some(Json::Number(number)) => number,
        _ => &zero,
    };
    if let (Some(present), Some(step)) = (whole(present), whole(step)) {
        let sum = present + sign * step;
        if let Ok(sum) = i64::try_from(sum) {
            return Ok(Json::from(sum));
        }
        if let Ok(sum) = u64::try_from(sum) {
            return Ok(Json::from(sum));
        }
    }
    let sum = present.as_f64().unwrap_or(0.0) + sign as f64 * step.as_f64().unwrap_or(0.0);
    Number::from_f64(sum).map(Json::Number).ok_or_else(|| Error::bad_parameter("number out of range"))
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// The array of `node` after `edit`; anything else counts as an empty array.
fn edited(node: Option<&Node>, edit: impl FnOnce(&mut Vec<Json>)) -> Json {
    let mut items = node.and_then(Node::as_array).cloned().unwrap_or_default();
    edit(&mut items);
    Json::Array(items)
}

fn push_queue(node: Option<&Node>, new: &Json, len: &Json) -> Result<Change> {
    let len = len.as_u64().ok_or_else(|| Error::bad_parameter("len must be a whole number"))?;
    Ok(put(edited(node, |items| {
        items.push(new.clone());
        let surplus = (items.len() as u64).saturating_sub(len) as usize;
        items.drain(..surplus);
    })))
}

fn erase(node: Option<&Node>, value: Option<&Json>, position: Option<&Json>) -> Result<Change> {
    if value.is_some() == position.is_some() {
        return Err(Error::bad_parameter("erase needs either 'val' or 'pos'"));
    }
    let Some(node) = node else { return Ok(Change::Keep) };
    if let Some(value) = value {
        return Ok(put(edited(Some(node), |items| items.retain(|item| !equal(item, value)))));
    }
    let length = node.as_array().map_or(0, Vec::len);
    match position.and_then(Json::as_u64).and_then(|at| usize::try_from(at).ok()) {
        Some(at) if at < length => Ok(put(edited(Some(node), |items| drop(items.remove(at))))),
        _ => Err(Error::bad_parameter("erase: 'pos' is out of range")),
    }
}

fn replace(node: Option<&Node>, old: &Json, new: &Json) -> Result<Change> {
    if node.is_none() {
        return Ok(Change::Keep);
    }
    Ok(put(edited(node, |items| {
        for item in items.iter_mut().filter(|item| equal(item, old)) {
            *item = new.clone();
        }
    })))
}

/// State of a node that is used as a lock.
#[derive(Debug, PartialEq)]
pub enum Lock<'a> {
    /// Missing or empty.
    Free,
    /// Held by one writer.
    Write(&'a str),
    /// Held by readers.
    Read(Vec<&'a str>),
    /// Not a lock at all.
    Foreign,
}

/// Reads a node as a lock.
#[must_use]
pub fn lock(node: Option<&Node>) -> Lock<'_> {
    let Some(node) = node else { return Lock::Free };
    match node.leaf() {
        None if node.is_empty() => Lock::Free,
        Some(Json::String(by)) if by.is_empty() => Lock::Free,
        Some(Json::String(by)) => Lock::Write(by),
        Some(Json::Array(holders)) if holders.is_empty() => Lock::Free,
        Some(Json::Array(holders)) => {
            let texts: Vec<&str> = holders.iter().filter_map(Json::as_str).collect();
            if texts.len() == holders.len() { Lock::Read(texts) } else { Lock::Foreign }
        }
        _ => Lock::Foreign,
    }
}

fn refused(what: &str) -> Error {
    Error::bad_parameter(format!("{what} is not possible"))
}

fn read_lock(node: Option<&Node>, by: &str) -> Result<Change> {
    match lock(node) {
        Lock::Free => Ok(put(Json::from(vec![by]))),
        Lock::Read(holders) if !holders.contains(&by) => Ok(put(edited(node, |items| items.push(Json::from(by))))),
        _ => Err(refused("read-lock")),
    }
}

fn read_unlock(node: Option<&Node>, by: &str) -> Result<Change> {
    match lock(node) {
        Lock::Read(holders) if holders == [by] => Ok(Change::Delete),
        Lock::Read(holders) if holders.contains(&by) => Ok(put(edited(node, |items| items.retain(|item| item.as_str() != Some(by))))),
        _ => Err(refused("read-unlock")),
    }
}

fn write_lock(node: Option<&Node>, by: &str) -> Result<Change> {
    match lock(node) {
        Lock::Free => Ok(put(Json::from(by))),
        _ => Err(refused("write-lock")),
    }
}

fn write_unlock(node: Option<&Node>, by: &str) -> Result<Change> {
    match lock(node) {
        Lock::Write(holder) if holder == by => Ok(Change::Delete),
        _ => Err(refused("write-unlock")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Applies `operation` to `before`; `None` for a missing node; text of the error for errors.
    fn run(before: Option<Json>, operation: Json) -> Option<Json> {
        let node = before.clone().map(|value| Node::from_json(&value));
        match decide(&operation, node.as_ref()) {
            Ok(Change::Keep) => before,
            Ok(Change::Set(node, _) | Change::Put(node)) => Some(node.to_json()),
            Ok(Change::Delete) => None,
            Ok(other) => panic!("{other:?}"),
            Err(_) => Some(json!("ERROR")),
        }
    }

    #[test]
    fn table_of_operations() {
        let cases = [
            (None, json!(5), Some(json!(5))),
            (None, json!({"a": 1}), Some(json!({"a": 1}))),
            (None, json!({"new": 1}), Some(json!(1))),
            (None, json!({"op": 5}), Some(json!({"op": 5}))),
            (None, json!({"op": "set", "new": {"op": "delete"}}), Some(json!({"op": "delete"}))),
            (None, json!({"op": "set"}), Some(json!("ERROR"))),
            (Some(json!(1)), json!({"op": "delete"}), None),
            (None, json!({"op": "delete"}), None),
            (None, json!({"op": "increment"}), Some(json!(1))),
            (Some(json!("x")), json!({"op": "decrement"}), Some(json!(-1))),
            (Some(json!(41)), json!({"op": "increment", "step": 1}), Some(json!(42))),
            (Some(json!(1)), json!({"op": "increment", "step": 0.5}), Some(json!(1.5))),
            (Some(json!(i64::MAX)), json!({"op": "increment"}), Some(json!(9_223_372_036_854_775_808_u64))),
            (None, json!({"op": "push", "new": 1}), Some(json!([1]))),
            (Some(json!([1])), json!({"op": "push", "new": [2]}), Some(json!([1, [2]]))),
            (Some(json!([1])), json!({"op": "push"}), Some(json!("ERROR"))),
            (Some(json!({"a": 1})), json!({"op": "prepend", "new": 1}), Some(json!([1]))),
            (Some(json!([1])), json!({"op": "prepend", "new": 2}), Some(json!([2, 1]))),
            (Some(json!([1, 2])), json!({"op": "pop"}), Some(json!([1]))),
            (Some(json!([1, 2])), json!({"op": "shift"}), Some(json!([2]))),
            (None, json!({"op": "shift"}), Some(json!([]))),
            (Some(json!([1, 2])), json!({"op": "push-queue", "new": 3, "len": 2}), Some(json!([2, 3]))),
            (Some(json!([1, 2, 1.0])), json!({"op": "erase", "val": 1}), Some(json!([2]))),
            (Some(json!([1, 2])), json!({"op": "erase", "pos": 1}), Some(json!([1]))),
            (Some(json!([1, 2])), json!({"op": "erase", "pos": 2}), Some(json!("ERROR"))),
            (Some(json!([1, 2])), json!({"op": "erase", "pos": 1, "val": 1}), Some(json!("ERROR"))),
            (Some(json!([1, 2])), json!({"op": "erase"}), Some(json!("ERROR"))),
            (None, json!({"op": "erase", "val": 1}), None),
            (Some(json!([1, 2, 1])), json!({"op": "replace", "val": 1, "new": 7}), Some(json!([7, 2, 7]))),
            (None, json!({"op": "replace", "val": 1, "new": 7}), None),
            (None, json!({"op": "read-lock", "by": "a"}), Some(json!(["a"]))),
            (Some(json!(["a"])), json!({"op": "read-lock", "by": "b"}), Some(json!(["a", "b"]))),
            (Some(json!(["a"])), json!({"op": "read-lock", "by": "a"}), Some(json!("ERROR"))),
            (Some(json!("w")), json!({"op": "read-lock", "by": "a"}), Some(json!("ERROR"))),
            (Some(json!(["a", "b"])), json!({"op": "read-unlock", "by": "a"}), Some(json!(["b"]))),
            (Some(json!(["a"])), json!({"op": "read-unlock", "by": "a"}), None),
            (Some(json!(["a"])), json!({"op": "read-unlock", "by": "b"}), Some(json!("ERROR"))),
            (None, json!({"op": "write-lock", "by": "a"}), Some(json!("a"))),
            (Some(json!({})), json!({"op": "write-lock", "by": "a"}), Some(json!("a"))),
            (Some(json!(["r"])), json!({"op": "write-lock", "by": "a"}), Some(json!("ERROR"))),
            (Some(json!("a")), json!({"op": "write-unlock", "by": "a"}), None),
            (Some(json!("a")), json!({"op": "write-unlock", "by": "b"}), Some(json!("ERROR"))),
            (None, json!({"op": "nonsense"}), Some(json!("ERROR"))),
        ];
        for (before, operation, after) in cases {
            assert_eq!(run(before.clone(), operation.clone()), after, "{before:?} {operation}");
        }
    }

    #[test]
    fn ttl_is_in_milliseconds() {
        assert_eq!(decide(&json!({"op": "set", "new": 1, "ttl": 1.5}), None).unwrap(), Change::Set(Node::from_json(&json!(1)), Some(1500)));
        assert!(decide(&json!({"op": "set", "new": 1, "ttl": -1}), None).is_err());
        assert!(decide(&json!({"op": "set", "new": 1, "ttl": "x"}), None).is_err());
    }
}
