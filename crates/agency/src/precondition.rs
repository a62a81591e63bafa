//! The preconditions of transactions. Pure.
//!
//! Invariant: an operator that is not known fails, so that a client that is newer than the agency
//! never gets a write through unguarded.

use crate::node::{Node, equal};
use crate::operation::{Lock, lock};
use serde_json::Value as Json;

/// True if `condition` holds for `node`.
#[must_use]
pub fn holds(condition: &Json, node: Option<&Node>) -> bool {
    match condition {
        Json::Object(operators) if !operators.is_empty() => {
            operators.iter().all(|(operator, argument)| operator_holds(operator, argument, node))
        }
        value => equals(node, value),
    }
}

fn operator_holds(operator: &str, argument: &Json, node: Option<&Node>) -> bool {
    match operator {
        "old" => equals(node, argument),
        "oldNot" => !equals(node, argument),
        "oldEmpty" => argument.as_bool() == Some(node.is_none()),
        "isArray" => argument.as_bool() == Some(node.is_some_and(|node| node.as_array().is_some())),
        "in" => array(node).is_some_and(|items| items.iter().any(|item| equal(item, argument))),
        "notin" => node.is_none() || array(node).is_some_and(|items| !items.iter().any(|item| equal(item, argument))),
        "intersectionEmpty" => match argument {
            Json::Array(others) => {
                node.is_none() || array(node).is_some_and(|items| !items.iter().any(|item| others.iter().any(|other| equal(item, other))))
            }
            _ => false,
        },
        "is-write-locked" | "isWriteLocked" => by(argument, |by| matches!(lock(node), Lock::Write(holder) if holder == by)),
        "is-read-locked" | "isReadLocked" => by(argument, |by| matches!(lock(node), Lock::Read(holders) if holders.contains(&by))),
        "can-write-lock" | "canWriteLock" => by(argument, |_| matches!(lock(node), Lock::Free)),
        "can-read-lock" | "canReadLock" => by(argument, |by| match lock(node) {
            Lock::Free => true,
            Lock::Read(holders) => !holders.contains(&by),
            _ => false,
        }),
        _ => false,
    }
}

fn equals(node: Option<&Node>, value: &Json) -> bool {
    node.is_some_and(|node| *node == Node::from_json(value))
}

fn array(node: Option<&Node>) -> Option<&Vec<Json>> {
    node.and_then(Node::as_array)
}

fn by(argument: &Json, test: impl FnOnce(&str) -> bool) -> bool {
    argument.as_str().is_some_and(test)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn table_of_preconditions() {
        let cases = [
            (None, json!(null), false),
            (Some(json!(null)), json!(null), true),
            (Some(json!(1)), json!(1.0), true),
            (Some(json!({"a": 1, "b": 2})), json!({"old": {"b": 2.0, "a": 1}}), true),
            (Some(json!({})), json!({}), true),
            (None, json!({"old": {}}), false),
            (None, json!({"oldNot": 1}), true),
            (Some(json!(1)), json!({"oldNot": 1}), false),
            (None, json!({"oldEmpty": true}), true),
            (Some(json!(null)), json!({"oldEmpty": true}), false),
            (Some(json!(null)), json!({"oldEmpty": false}), true),
            (None, json!({"isArray": false}), true),
            (Some(json!([])), json!({"isArray": true}), true),
            (Some(json!([])), json!({"isArray": 1}), false),
            (Some(json!([1, 2])), json!({"in": 2}), true),
            (None, json!({"in": 2}), false),
            (None, json!({"notin": 2}), true),
            (Some(json!([1])), json!({"notin": 2}), true),
            (Some(json!([2])), json!({"notin": 2}), false),
            (Some(json!("x")), json!({"notin": 2}), false),
            (None, json!({"intersectionEmpty": [1]}), true),
            (Some(json!([1, 2])), json!({"intersectionEmpty": [3]}), true),
            (Some(json!([1, 2])), json!({"intersectionEmpty": [2]}), false),
            (Some(json!([1, 2])), json!({"intersectionEmpty": 5}), false),
            (Some(json!("a")), json!({"is-write-locked": "a"}), true),
            (Some(json!("a")), json!({"isWriteLocked": "b"}), false),
            (Some(json!(["a"])), json!({"is-read-locked": "a"}), true),
            (None, json!({"can-write-lock": "a"}), true),
            (Some(json!(["a"])), json!({"can-write-lock": "a"}), false),
            (Some(json!(["a"])), json!({"can-read-lock": "b"}), true),
            (Some(json!("a")), json!({"can-read-lock": "b"}), false),
            (Some(json!(1)), json!({"old": 1, "oldNot": 2}), true),
            (Some(json!(1)), json!({"old": 1, "sometimes": 2}), false),
        ];
        for (node, condition, expected) in cases {
            let tree = node.clone().map(|value| Node::from_json(&value));
            assert_eq!(holds(&condition, tree.as_ref()), expected, "{node:?} {condition}");
        }
    }
}
