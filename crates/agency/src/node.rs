//! The configuration tree: inner nodes are objects, leaves are any other JSON value (arrays are
//! opaque leaves).
//!
//! A [`Node`] is persistent: cloning it costs one reference count, and a change copies only the
//! nodes on the way to the changed place, and those only while somebody else still holds them. So
//! snapshots are free and unchanged subtrees of two snapshots are the same allocation
//! ([`Node::same`]).
//!
//! Invariant: children are sorted by name and names are not empty and contain no `/`; no branch is
//! deeper than [`path::DEPTH_MAX`].

use crate::path;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// One node of the tree with everything below it.
#[derive(Clone)]
pub struct Node(Arc<Kind>);

#[derive(Clone)]
enum Kind {
    Branch(Branch),
    Leaf(Json),
}

#[derive(Default)]
struct Branch {
    children: BTreeMap<Arc<str>, Node>,
    /// The branch as JSON, made when first asked for.
    json: OnceLock<Json>,
}

impl Clone for Branch {
    /// The JSON form is not copied: who clones a branch is about to change it.
    fn clone(&self) -> Self {
        Self { children: self.children.clone(), json: OnceLock::new() }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::empty()
    }
}

impl Node {
    /// An object without members.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(Kind::Branch(Branch::default())))
    }

    /// The tree of a JSON value; `/` in names of objects splits into sub-nodes.
    #[must_use]
    pub fn from_json(value: &Json) -> Self {
        match value {
            Json::Object(members) => {
                let mut node = Self::empty();
                for (name, member) in members {
                    // A name without any component would replace the object itself.
                    if path::parts(name).next().is_some() {
                        node.set(name, Self::from_json(member));
                    }
                }
                node
            }
            leaf => Self(Arc::new(Kind::Leaf(leaf.clone()))),
        }
    }

    /// The node as JSON, with sorted names; made once per node and kept.
    #[must_use]
    pub fn json(&self) -> &Json {
        match &*self.0 {
            Kind::Leaf(leaf) => leaf,
            Kind::Branch(branch) => branch.json.get_or_init(|| self.to_json()),
        }
    }

    /// The node as JSON, not kept in the tree.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &*self.0 {
            Kind::Leaf(leaf) => leaf.clone(),
            Kind::Branch(branch) => Json::Object(branch.children.iter().map(|(name, child)| (name.to_string(), child.to_json())).collect()),
        }
    }

    /// The node at `path` below this one.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Node> {
        let mut node = self;
        for part in path::parts(path) {
            node = node.child(part)?;
        }
        Some(node)
    }

    /// The JSON at `path` below this node.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Json> {
        self.at(path).map(Node::json)
    }

    /// The direct child `name`.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Node> {
        match &*self.0 {
            Kind::Branch(branch) => branch.children.get(name),
            Kind::Leaf(_) => None,
        }
    }

    /// Direct children in order of their names; none for a leaf.
    pub fn children(&self) -> impl Iterator<Item = (&str, &Node)> {
        let children = match &*self.0 {
            Kind::Branch(branch) => Some(&branch.children),
            Kind::Leaf(_) => None,
        };
        children.into_iter().flatten().map(|(name, child)| (&**name, child))
    }

    /// Number of direct children.
    #[must_use]
    pub fn len(&self) -> usize {
        match &*self.0 {
            Kind::Branch(branch) => branch.children.len(),
            Kind::Leaf(_) => 0,
        }
    }

    /// True if there are no children (also for leaves).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True for inner nodes.
    #[must_use]
    pub fn is_branch(&self) -> bool {
        matches!(&*self.0, Kind::Branch(_))
    }

    /// The leaf's value.
    #[must_use]
    pub fn leaf(&self) -> Option<&Json> {
        match &*self.0 {
            Kind::Leaf(leaf) => Some(leaf),
            Kind::Branch(_) => None,
        }
    }

    /// The leaf as text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.leaf().and_then(Json::as_str)
    }

    /// The leaf as unsigned number.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.leaf().and_then(Json::as_u64)
    }

    /// The leaf as truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        self.leaf().and_then(Json::as_bool)
    }

    /// The leaf's elements.
    #[must_use]
    pub fn as_array(&self) -> Option<&Vec<Json>> {
        self.leaf().and_then(Json::as_array)
    }

    /// The texts in the leaf's array.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        self.as_array().into_iter().flatten().filter_map(Json::as_str)
    }

    /// Text at `path`.
    #[must_use]
    pub fn str_at(&self, path: &str) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// Unsigned number at `path`.
    #[must_use]
    pub fn u64_at(&self, path: &str) -> Option<u64> {
        self.at(path)?.as_u64()
    }

    /// Truth value at `path`; false if there is none.
    #[must_use]
    pub fn bool_at(&self, path: &str) -> bool {
        self.at(path).and_then(Node::as_bool).unwrap_or(false)
    }

    /// The texts of the array at `path`; none if there is no array.
    #[must_use]
    pub fn strings_at(&self, path: &str) -> Vec<String> {
        self.at(path).into_iter().flat_map(Node::strings).map(str::to_owned).collect()
    }

    /// True if both are the same allocation, which implies that they are equal. Cheap test for
    /// "nothing below here has changed between two snapshots".
    #[must_use]
    pub fn same(&self, other: &Node) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Replaces the node at `path`, making the way there; a leaf in the way becomes an object.
    pub fn set(&mut self, path: &str, value: Node) {
        let mut node = self;
        for part in path::parts(path) {
            node = node.branch_mut().children.entry(Arc::from(part)).or_default();
        }
        *node = value;
    }

    /// Removes and returns the node at `path`; its parent stays, even empty.
    pub fn remove(&mut self, path: &str) -> Option<Node> {
        // Looked up first so that a miss copies nothing.
        self.at(path)?;
        let mut parts = path::parts(path);
        let Some(last) = parts.next_back() else { return Some(std::mem::take(self)) };
        let mut node = self;
        for part in parts {
            node = node.branch_mut().children.get_mut(part)?;
        }
        node.branch_mut().children.remove(last)
    }

    /// This node without members whose name starts with `.`, at any level. Shares everything
    /// that has none.
    #[must_use]
    pub fn without_hidden(&self) -> Node {
        let Kind::Branch(branch) = &*self.0 else { return self.clone() };
        let mut out = None::<Branch>;
        for (name, child) in &branch.children {
            if name.starts_with('.') {
                out.get_or_insert_with(|| branch.clone()).children.remove(name);
                continue;
            }
            let visible = child.without_hidden();
            if !visible.same(child) {
                out.get_or_insert_with(|| branch.clone()).children.insert(name.clone(), visible);
            }
        }
        out.map_or_else(|| self.clone(), |changed| Node(Arc::new(Kind::Branch(changed))))
    }

    /// Levels below this node.
    #[must_use]
    pub fn depth(&self) -> usize {
        match &*self.0 {
            Kind::Branch(branch) => branch.children.values().map(|child| 1 + child.depth()).max().unwrap_or(0),
            Kind::Leaf(leaf) => json_depth(leaf),
        }
    }

    fn branch_mut(&mut self) -> &mut Branch {
        if !self.is_branch() {
            *self = Self::empty();
        }
        // Both arms return; the second match is needed because `make_mut` hands out `Kind`.
        match Arc::make_mut(&mut self.0) {
            Kind::Branch(branch) => {
                branch.json.take();
                branch
            }
            Kind::Leaf(_) => unreachable!("made a branch above"),
        }
    }
}

/// Levels of nesting of a JSON value.
#[must_use]
pub fn json_depth(value: &Json) -> usize {
    match value {
        Json::Array(items) => items.iter().map(|item| 1 + json_depth(item)).max().unwrap_or(0),
        Json::Object(members) => {
            members.iter().map(|(name, member)| path::parts(name).count().max(1) + json_depth(member)).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// Equality as the agency defines it: order of names is irrelevant, numbers compare by value.
#[must_use]
pub fn equal(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(a), Json::Number(b)) => equal_numbers(a, b),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| equal(x, y)),
        (Json::Object(a), Json::Object(b)) => a.len() == b.len() && a.iter().all(|(name, x)| b.get(name).is_some_and(|y| equal(x, y))),
        (a, b) => a == b,
    }
}

fn equal_numbers(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    if let (Some(a), Some(b)) = (a.as_u64(), b.as_u64()) {
        return a == b;
    }
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return a == b;
    }
    a.as_f64() == b.as_f64()
}

impl From<Json> for Node {
    fn from(value: Json) -> Self {
        match value {
            Json::Object(_) => Self::from_json(&value),
            leaf => Self(Arc::new(Kind::Leaf(leaf))),
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        if self.same(other) {
            return true;
        }
        match (&*self.0, &*other.0) {
            (Kind::Branch(a), Kind::Branch(b)) => a.children == b.children,
            (Kind::Leaf(a), Kind::Leaf(b)) => equal(a, b),
            _ => false,
        }
    }
}

impl Eq for Node {}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            Kind::Leaf(leaf) => leaf.serialize(serializer),
            Kind::Branch(branch) => {
                let mut map = serializer.serialize_map(Some(branch.children.len()))?;
                for (name, child) in &branch.children {
                    map.serialize_entry(&**name, child)?;
                }
                map.end()
            }
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree() -> Node {
        Node::from_json(&json!({"b": 1, "a": {"y": [1, {"z": 2}], "x": {}}, "p/q": null}))
    }

    #[test]
    fn names_with_slashes_split_and_names_are_sorted() {
        assert_eq!(tree().to_json().to_string(), r#"{"a":{"x":{},"y":[1,{"z":2}]},"b":1,"p":{"q":null}}"#);
    }

    #[test]
    fn set_replaces_leaf_in_the_way_and_keeps_siblings() {
        let mut node = tree();
        node.set("/b/c/d", Node::from_json(&json!(7)));
        node.set("a/x/new", Node::from_json(&json!(true)));
        assert_eq!(node.to_json(), json!({"a": {"x": {"new": true}, "y": [1, {"z": 2}]}, "b": {"c": {"d": 7}}, "p": {"q": null}}));
    }

    #[test]
    fn remove_leaves_the_empty_parent() {
        let mut node = tree();
        assert!(node.remove("/p/q").is_some());
        assert!(node.remove("/p/q").is_none());
        assert_eq!(node.get("/p"), Some(&json!({})));
        assert!(node.remove("/").is_some());
        assert_eq!(node.to_json(), json!({}));
    }

    #[test]
    fn changes_do_not_reach_older_snapshots_and_share_the_rest() {
        let old = tree();
        let mut new = old.clone();
        assert_eq!(new.get("b"), Some(&json!(1)));
        assert_eq!(new.json()["b"], json!(1));
        new.set("b", Node::from_json(&json!(2)));
        assert_eq!((old.get("b"), new.get("b")), (Some(&json!(1)), Some(&json!(2))));
        assert_eq!(new.json()["b"], json!(2));
        assert!(old.at("a").unwrap().same(new.at("a").unwrap()));
        assert!(!old.same(&new));
    }

    #[test]
    fn hidden_names_disappear_at_every_level() {
        let node = Node::from_json(&json!({".agency": 1, "a": {".x": 1, "b": {"c": 1}}}));
        let visible = node.without_hidden();
        assert_eq!(visible.to_json(), json!({"a": {"b": {"c": 1}}}));
        assert!(visible.at("a/b").unwrap().same(node.at("a/b").unwrap()));
    }

    #[test]
    fn equality_is_by_value() {
        assert!(equal(&json!({"a": 1, "b": [1.0]}), &json!({"b": [1], "a": 1.0})));
        assert!(!equal(&json!(u64::MAX), &json!(u64::MAX - 1)));
        assert!(!equal(&json!("1"), &json!(1)));
    }
}
