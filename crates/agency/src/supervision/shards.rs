//! Shards as the supervision sees them: a shard of a prototype together with the shards of all
//! collections that are distributed like it. They have the same servers and move together.

use super::Cx;
use crate::node::Node;
use crate::transaction::Transaction;
use serde_json::json;
use std::collections::BTreeMap;

/// One shard with the place it has in the trees.
#[derive(Clone, Debug, PartialEq)]
pub struct Shard {
    /// Collection id.
    pub collection: String,
    /// `s<number>`.
    pub name: String,
    /// Servers in the Plan.
    pub planned: Vec<String>,
    /// Servers in Current: leader and in-sync followers; empty if nobody has reported.
    pub current: Vec<String>,
    /// Servers that may become leader.
    pub candidates: Vec<String>,
    has_candidates: bool,
}

/// A shard of a prototype (first) and those that follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Database.
    pub database: String,
    /// Never empty.
    pub shards: Vec<Shard>,
    /// Wanted number of replicas.
    pub replication_factor: usize,
    /// True while one of the collections is being created.
    pub is_building: bool,
}

/// A leader that was told to resign stands in the lists as `_<id>`.
pub fn bare(server: &str) -> &str {
    server.strip_prefix('_').unwrap_or(server)
}

fn shard_number(name: &str) -> (u64, &str) {
    (name.trim_start_matches('s').parse().unwrap_or(u64::MAX), name)
}

/// Names of a collection's shards by number.
fn shard_names(collection: &Node) -> Vec<&str> {
    let mut names: Vec<&str> = collection.at("shards").into_iter().flat_map(Node::children).map(|(name, _)| name).collect();
    names.sort_by_key(|name| shard_number(name));
    names
}

/// The id of the collection that `collection` is distributed like, if any.
fn prototype<'a>(collections: &'a Node, collection: &'a Node) -> Option<&'a str> {
    let like = collection.str_at("distributeShardsLike").filter(|like| !like.is_empty())?;
    if collections.child(like).is_some() {
        return Some(like);
    }
    collections.children().find(|(_, other)| other.str_at("name") == Some(like)).map(|(id, _)| id)
}

fn read_shard(tree: &Node, database: &str, collection: &str, name: &str) -> Shard {
    let current = tree.at(&format!("Current/Collections/{database}/{collection}/{name}"));
    let servers = current.map(|node| node.strings_at("servers")).unwrap_or_default();
    let candidates = current.and_then(|node| node.at("failoverCandidates"));
    Shard {
        collection: collection.to_owned(),
        name: name.to_owned(),
        planned: tree.strings_at(&format!("Plan/Collections/{database}/{collection}/shards/{name}")),
        candidates: match candidates {
            Some(node) => node.strings().map(str::to_owned).collect(),
            None => servers.clone(),
        },
        current: servers,
        has_candidates: candidates.is_some(),
    }
}

/// All groups of a database.
fn groups_of(tree: &Node, database: &str, collections: &Node) -> Vec<Group> {
    let mut followers: BTreeMap<&str, Vec<(&str, &Node)>> = BTreeMap::new();
    for (id, collection) in collections.children() {
        if let Some(like) = prototype(collections, collection) {
            followers.entry(like).or_default().push((id, collection));
        }
    }
    let mut groups = Vec::new();
    for (id, collection) in collections.children() {
        if prototype(collections, collection).is_some() {
            continue;
        }
        let clones = followers.get(id).map_or(&[][..], Vec::as_slice);
        let building = |node: &Node| node.bool_at("isBuilding");
        let is_building = building(collection) || clones.iter().any(|(_, clone)| building(clone));
        let factor = match collection.get("replicationFactor") {
            Some(serde_json::Value::String(text)) if text == "satellite" => tree.at("Plan/DBServers").map_or(1, Node::len),
            factor => factor.and_then(serde_json::Value::as_u64).map_or(1, |factor| factor as usize),
        };
        for (at, name) in shard_names(collection).into_iter().enumerate() {
            let mut shards = vec![read_shard(tree, database, id, name)];
            for (clone_id, clone) in clones {
                if let Some(name) = shard_names(clone).get(at) {
                    shards.push(read_shard(tree, database, clone_id, name));
                }
            }
            groups.push(Group { database: database.to_owned(), shards, replication_factor: factor, is_building });
        }
    }
    groups
}

/// All groups of all databases.
pub fn groups(tree: &Node) -> Vec<Group> {
    let databases = tree.at("Plan/Collections").into_iter().flat_map(Node::children);
    databases.flat_map(|(database, collections)| groups_of(tree, database, collections)).collect()
}

/// The group that `shard` of `collection` belongs to.
pub fn find(tree: &Node, database: &str, collection: &str, shard: &str) -> Option<Group> {
    let collections = tree.at(&format!("Plan/Collections/{database}"))?;
    let belongs = |group: &Group| group.shards.iter().any(|member| member.collection == collection && member.name == shard);
    groups_of(tree, database, collections).into_iter().find(belongs)
}

/// Number of planned shards by server.
pub fn load(tree: &Node) -> BTreeMap<String, usize> {
    let mut load = BTreeMap::new();
    for group in groups(tree) {
        for shard in &group.shards {
            for server in &shard.planned {
                *load.entry(bare(server).to_owned()).or_default() += 1;
            }
        }
    }
    load
}

impl Group {
    /// The prototype's shard: its name stands for the whole group in jobs and locks.
    pub fn first(&self) -> &Shard {
        &self.shards[0]
    }

    /// Servers in the Plan of the prototype.
    pub fn planned(&self) -> &[String] {
        &self.first().planned
    }

    /// True if `server` is in sync in every shard.
    pub fn is_in_sync(&self, server: &str) -> bool {
        self.shards.iter().all(|shard| shard.current.iter().any(|id| id == server))
    }

    /// True if `server` has nothing of any shard in Current or among the candidates.
    pub fn is_unknown_to(&self, server: &str) -> bool {
        self.shards
            .iter()
            .all(|shard| ![&shard.planned, &shard.current, &shard.candidates].iter().any(|list| list.iter().any(|id| bare(id) == server)))
    }

    /// True if every shard's leader in Current is the one in the Plan.
    pub fn is_leader_confirmed(&self) -> bool {
        self.shards.iter().all(|shard| !shard.planned.is_empty() && shard.planned.first() == shard.current.first())
    }

    fn plan_path(&self, shard: &Shard) -> String {
        format!("Plan/Collections/{}/{}/shards/{}", self.database, shard.collection, shard.name)
    }

    fn current_path(&self, shard: &Shard) -> String {
        format!("Current/Collections/{}/{}/{}", self.database, shard.collection, shard.name)
    }

    /// Path of the lock.
    pub fn lock_path(&self) -> String {
        format!("Supervision/Shards/{}", self.first().name)
    }

    /// The job that holds the lock.
    pub fn locked_by<'a>(&self, cx: &Cx<'a>) -> Option<&'a str> {
        cx.tree.str_at(&self.lock_path())
    }

    /// Takes the lock for a job.
    pub fn lock(&self, transaction: Transaction, job: &str) -> Transaction {
        let path = self.lock_path();
        transaction.set(&path, job).require_absent(&path)
    }

    /// Gives the lock back.
    pub fn unlock(&self, transaction: Transaction) -> Transaction {
        transaction.delete(&self.lock_path())
    }

    /// Requires that nobody has changed the Plan of any shard.
    pub fn require_plan(&self, transaction: Transaction) -> Transaction {
        self.shards.iter().fold(transaction, |transaction, shard| transaction.require(&self.plan_path(shard), json!(shard.planned)))
    }

    /// Requires that nobody has changed servers and candidates in Current.
    pub fn require_current(&self, transaction: Transaction) -> Transaction {
        self.shards.iter().fold(transaction, |transaction, shard| {
            let path = self.current_path(shard);
            let transaction = transaction.require(&format!("{path}/servers"), json!(shard.current));
            let candidates = format!("{path}/failoverCandidates");
            if shard.has_candidates {
                transaction.require(&candidates, json!(shard.candidates))
            } else {
                transaction.require_absent(&candidates)
            }
        })
    }

    /// Plans `servers` for every shard, provided that the Plan is unchanged.
    pub fn plan(&self, transaction: Transaction, servers: &[String]) -> Transaction {
        let transaction = self.require_plan(transaction);
        let transaction =
            self.shards.iter().fold(transaction, |transaction, shard| transaction.set(&self.plan_path(shard), json!(servers)));
        transaction.increment("Plan/Version")
    }
}
