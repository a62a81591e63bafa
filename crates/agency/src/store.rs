//! The store: the tree, the times at which nodes expire, the observers. A pure state machine: time
//! comes with every call, equal calls in equal order make equal stores on every agent.
//!
//! Invariant: a transaction is applied completely or leaves no trace. Expired nodes are removed
//! before a transaction looks at anything ([`Store::expire`]).

use crate::node::Node;
use crate::operation::{self, Change};
use crate::path::{self, is_within};
use crate::precondition;
use crate::transaction::Transaction;
use base::{Error, Result};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// All operations are applied.
    Done,
    /// At least one precondition did not hold; nothing is applied.
    PreconditionFailed,
    /// An operation was impossible; nothing is applied.
    Refused(String),
}

/// The tree and what belongs to it.
#[derive(Clone, Debug, Default)]
pub struct Store {
    tree: Node,
    /// Normal path -> milliseconds since the epoch.
    expiry: BTreeMap<String, u64>,
    by_time: BTreeSet<(u64, String)>,
    /// Normal path -> addresses to call.
    observers: BTreeMap<String, BTreeSet<String>>,
}

impl Store {
    /// The whole tree.
    #[must_use]
    pub fn tree(&self) -> &Node {
        &self.tree
    }

    /// The tree without nodes that have expired at `now_ms`.
    #[must_use]
    pub fn tree_at(&self, now_ms: u64) -> Node {
        let mut tree = self.tree.clone();
        for (_, path) in self.by_time.iter().take_while(|(time, _)| *time <= now_ms) {
            tree.remove(path);
        }
        tree
    }

    /// When the next node expires.
    #[must_use]
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(time, _)| *time)
    }

    /// Removes what has expired; answers the removed paths.
    pub fn expire(&mut self, now_ms: u64) -> Vec<String> {
        let mut gone = Vec::new();
        while let Some((time, path)) = self.by_time.first().cloned() {
            if time > now_ms {
                break;
            }
            self.tree.remove(&path);
            self.forget_expiry(&path);
            gone.push(path);
        }
        gone
    }

    /// Applies `transaction` at the time `now_ms` if its preconditions hold.
    pub fn apply(&mut self, transaction: &Transaction, now_ms: u64) -> Applied {
        let holds = |(path, condition): (&String, &Json)| precondition::holds(condition, self.tree.at(path));
        if !transaction.preconditions.iter().all(holds) {
            return Applied::PreconditionFailed;
        }
        match self.apply_operations(&transaction.operations, now_ms) {
            Ok(()) => Applied::Done,
            Err(error) => Applied::Refused(error.message().to_owned()),
        }
    }

    /// Applies operations without preconditions, all or none.
    pub fn apply_operations(&mut self, operations: &Map<String, Json>, now_ms: u64) -> Result<()> {
        let single = operations.len() == 1;
        let mut undo = Vec::new();
        let mut changes = Vec::with_capacity(operations.len());
        for (path, operation) in operations {
            match operation::decide(operation, self.tree.at(path)) {
                Ok(change) => {
                    if !single {
                        undo.push(self.undo_of(path));
                    }
                    self.change_tree(path, &change);
                    changes.push((path, change));
                }
                Err(error) => {
                    for (path, before) in undo.into_iter().rev() {
                        self.restore(&path, before);
                    }
                    return Err(error);
                }
            }
        }
        // Nothing can fail any more: now expiry and observers follow.
        for (path, change) in changes {
            self.change_tables(path, change, now_ms);
        }
        Ok(())
    }

    fn change_tree(&mut self, path: &str, change: &Change) {
        match change {
            Change::Set(node, _) | Change::Put(node) => self.tree.set(path, node.clone()),
            Change::Delete => drop(self.tree.remove(path)),
            Change::Keep | Change::Observe(_) | Change::Unobserve(_) => {}
        }
    }

    fn change_tables(&mut self, path: &str, change: Change, now_ms: u64) {
        match change {
            Change::Set(_, ttl_ms) => {
                self.forget_expiry(path);
                if let Some(ttl_ms) = ttl_ms {
                    let time = now_ms.saturating_add(ttl_ms);
                    self.expiry.insert(path.to_owned(), time);
                    self.by_time.insert((time, path.to_owned()));
                }
            }
            Change::Delete => self.forget_expiry(path),
            Change::Observe(url) => {
                self.observers.entry(path.to_owned()).or_default().insert(url);
            }
            Change::Unobserve(url) => {
                if let Some(urls) = self.observers.get_mut(path) {
                    urls.remove(&url);
                    if urls.is_empty() {
                        self.observers.remove(path);
                    }
                }
            }
            Change::Keep | Change::Put(_) => {}
        }
    }

    /// Drops the expiry of `path` and of everything below it.
    fn forget_expiry(&mut self, path: &str) {
        let range = (Bound::Included(path.to_owned()), Bound::Unbounded);
        let inside = |candidate: &&String| path == "/" || candidate.starts_with(path);
        let gone: Vec<String> =
            self.expiry.range(range).map(|(at, _)| at).take_while(inside).filter(|at| is_within(at, path)).cloned().collect();
        for path in gone {
            if let Some(time) = self.expiry.remove(&path) {
                self.by_time.remove(&(time, path));
            }
        }
    }

    /// The place that has to be put back to undo a change at `path`: the path itself or, if the
    /// way there does not exist, its first part that is missing or a leaf.
    fn undo_of(&self, path: &str) -> (String, Option<Node>) {
        let mut node = &self.tree;
        let mut walked = String::new();
        for part in path::parts(path) {
            if !node.is_branch() {
                return (walked, Some(node.clone()));
            }
            walked.push('/');
            walked.push_str(part);
            match node.child(part) {
                Some(child) => node = child,
                None => return (walked, None),
            }
        }
        (walked, Some(node.clone()))
    }

    fn restore(&mut self, path: &str, before: Option<Node>) {
        match before {
            Some(node) => self.tree.set(path, node),
            None => drop(self.tree.remove(path)),
        }
    }

    /// Reads `paths` as one atomic view at `now_ms`: every path with its full way from the root; of
    /// a missing path the deepest part that exists. Names with a leading `.` are left out unless a
    /// path names one.
    #[must_use]
    pub fn read<'a>(&self, paths: impl IntoIterator<Item = &'a str>, now_ms: u64) -> Node {
        let tree = self.tree_at(now_ms);
        select(&tree, paths)
    }

    /// Addresses to call when one of `changed` changes, with the observed path: observers of the
    /// path, of its ancestors and of its descendants.
    #[must_use]
    pub fn observers_of(&self, changed: &str) -> Vec<(String, String)> {
        let touched = |observed: &str| is_within(changed, observed) || is_within(observed, changed);
        let concerned = self.observers.iter().filter(|(observed, _)| touched(observed));
        concerned.flat_map(|(observed, urls)| urls.iter().map(|url| (observed.clone(), url.clone()))).collect()
    }

    /// True if nobody observes anything.
    #[must_use]
    pub fn has_no_observers(&self) -> bool {
        self.observers.is_empty()
    }

    /// The store as the four elements of `/_api/agency/stores`: tree, expiry in seconds, observed
    /// paths by address, addresses by observed path.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let expiry: Map<String, Json> = self.expiry.iter().map(|(path, ms)| (path.clone(), json!(*ms as f64 / 1000.0))).collect();
        let mut by_url: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, urls) in &self.observers {
            for url in urls {
                by_url.entry(url).or_default().push(path);
            }
        }
        json!([self.tree, expiry, by_url, self.observers])
    }

    /// Rebuilds a store. Missing or odd elements behind the tree are taken as empty: snapshots with
    /// a damaged table of expiries exist in the field.
    pub fn from_json(value: &Json) -> Result<Self> {
        let tree = value.get(0).ok_or_else(|| Error::bad_parameter("agency store without a tree"))?;
        let mut store = Self { tree: Node::from_json(tree), ..Self::default() };
        for (path, seconds) in value.get(1).and_then(Json::as_object).into_iter().flatten() {
            if let Some(seconds) = seconds.as_f64().filter(|seconds| *seconds >= 0.0) {
                let (path, time) = (path::normal(path), (seconds * 1000.0).round() as u64);
                store.expiry.insert(path.clone(), time);
                store.by_time.insert((time, path));
            }
        }
        for (path, urls) in value.get(3).and_then(Json::as_object).into_iter().flatten() {
            let urls: BTreeSet<String> = urls.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect();
            if !urls.is_empty() {
                store.observers.insert(path::normal(path), urls);
            }
        }
        Ok(store)
    }
}

/// The parts of `tree` that `paths` ask for, see [`Store::read`].
pub fn select<'a>(tree: &Node, paths: impl IntoIterator<Item = &'a str>) -> Node {
    let mut paths: Vec<String> = paths.into_iter().map(path::normal).collect();
    paths.sort();
    let mut out = Node::empty();
    let mut taken: Option<String> = None;
    for path in paths {
        // Sorted order puts an ancestor before its descendants, though not next to them all.
        if taken.as_ref().is_some_and(|taken| is_within(&path, taken)) {
            continue;
        }
        take(tree, &path, &mut out);
        taken = Some(path);
    }
    out
}

fn take(tree: &Node, path: &str, out: &mut Node) {
    let mut node = tree;
    let mut walked = String::new();
    for part in path::parts(path) {
        match node.child(part) {
            Some(child) if child.is_branch() || is_last(&walked, part, path) => {
                walked.push('/');
                walked.push_str(part);
                node = child;
            }
            _ => {
                // Deepest existing part: an empty object, unless another path already filled it.
                if out.at(&walked).is_none() {
                    out.set(&walked, Node::empty());
                }
                return;
            }
        }
    }
    if out.at(path).is_none_or(Node::is_empty) || path == "/" {
        let shown = if path.contains("/.") { node.clone() } else { node.without_hidden() };
        out.set(path, shown);
    }
}

fn is_last(walked: &str, part: &str, path: &str) -> bool {
    walked.len() + 1 + part.len() == path.len()
}

#[cfg(test)]
mod tests;
