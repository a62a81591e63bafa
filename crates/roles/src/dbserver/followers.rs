//! The followers of a shard in the agency: added and dropped by its leader with one conditional
//! transaction (life cycle §6.4).
//!
//! Invariant: the agency's list is what supervision chooses a new leader from, so a follower that
//! missed a write is removed from it before that write is acknowledged.

use super::shards::{Part, Shard};
use crate::cluster::Cluster;
use crate::cluster::plan_view::strings;
use agency::{Outcome, Transaction};
use base::{Error, Result, code};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The agency's two entries of a shard, as read for a conditional change.
struct Entries {
    plan_path: String,
    plan: Json,
    current_path: String,
    current: Option<Json>,
}

impl Entries {
    async fn read(cluster: &Cluster, shard: &Shard) -> Result<Self> {
        let (db, id, name) = (&shard.database, &shard.collection, &shard.name);
        let plan_path = format!("Plan/Collections/{db}/{id}/shards/{name}");
        let current_path = format!("Current/Collections/{db}/{id}/{name}");
        let tree = cluster.agency.read(&[&plan_path, &current_path]).await?;
        let plan = tree["Plan"]["Collections"][db][id]["shards"][name].clone();
        let current = tree["Current"]["Collections"][db][id].get(name).cloned();
        Ok(Self { plan_path, plan, current_path, current })
    }

    fn is_planned_leader(&self, server: &str) -> bool {
        self.plan.get(0).and_then(Json::as_str) == Some(server)
    }

    fn servers(&self) -> Vec<String> {
        self.current.as_ref().map(|entry| strings(&entry["servers"])).unwrap_or_default()
    }

    /// The transaction that replaces the Current entry if nothing has changed since it was read.
    fn replace(&self, entry: Json) -> Transaction {
        let transaction =
            Transaction::new().set(&self.current_path, entry).increment("Current/Version").require(&self.plan_path, self.plan.clone());
        match &self.current {
            Some(current) => transaction.require(&self.current_path, current.clone()),
            None => transaction.require_absent(&self.current_path),
        }
    }
}

/// The Current entry of a shard; leader first. Every server that is in sync may become leader.
fn current_entry(servers: &[String], indexes: &Json) -> Json {
    json!({"error": false, "errorMessage": "", "errorNum": 0, "indexes": indexes, "servers": servers, "failoverCandidates": servers})
}

/// Reports that we lead a shard, with nobody in sync: the others come back by synchronising. After
/// a start or a change of leader they may have applied writes that were never acknowledged, which
/// only a comparison finds.
///
/// Errors: 1496 if the Plan does not name us, or if Current says that our copy is not in sync.
pub async fn take_leadership(cluster: &Cluster, shard: &Arc<Shard>, has_data: bool, indexes: &Json) -> Result<()> {
    let _change = shard.change.lock().await;
    let me = &cluster.identity.id;
    loop {
        let entries = Entries::read(cluster, shard).await?;
        if !entries.is_planned_leader(me) {
            return Err(Error::with_detail(code::CLUSTER_NOT_LEADER, &shard.name));
        }
        let known = entries.current.is_some();
        let listed = |name: &str| {
            entries.current.as_ref().is_some_and(|entry| strings(&entry[name]).iter().any(|s| s.trim_start_matches('_') == me))
        };
        if known && !(has_data && (listed("servers") || listed("failoverCandidates"))) {
            let text = format!("{}: this server's copy is not in sync, it must not lead", shard.name);
            return Err(Error::with_detail(code::CLUSTER_NOT_LEADER, text));
        }
        let entry = current_entry(std::slice::from_ref(me), indexes);
        if let Outcome::Committed(_) = cluster.agency.write(entries.replace(entry)).await? {
            shard.set_stuck(None);
            shard.set_part(Part::Leading { followers: Arc::default() });
            return Ok(());
        }
    }
}

/// Takes a follower that has missed a write off the list. Returns once nobody can choose it as
/// leader any more.
///
/// Errors: 1496 if we are no longer the planned leader; those of the agency, in which case the
/// shard accepts no write until a later try succeeds.
pub async fn drop_follower(cluster: &Cluster, shard: &Arc<Shard>, follower: &str) -> Result<()> {
    let _change = shard.change.lock().await;
    if !shard.followers()?.iter().any(|known| known == follower) {
        shard.set_stuck(None);
        return Ok(());
    }
    tracing::warn!(shard = %shard.name, follower, "follower is dropped: it did not take a write in time");
    let result = replace_servers(cluster, shard, |servers| servers.retain(|server| server != follower)).await;
    match &result {
        Ok(()) => {
            shard.change_followers(|followers| followers.retain(|known| known != follower));
            shard.set_stuck(None);
        }
        Err(fault) if fault.code() == code::CLUSTER_NOT_LEADER => shard.set_part(Part::Unknown),
        Err(_) => shard.set_stuck(Some(follower.to_owned())),
    }
    result
}

/// Puts a follower that has just synchronised on the list. The caller holds the shard's gate, so
/// that no write is under way which the follower has not seen.
pub async fn add_follower(cluster: &Cluster, shard: &Arc<Shard>, follower: &str) -> Result<()> {
    let _change = shard.change.lock().await;
    shard.followers()?;
    let result = replace_servers(cluster, shard, |servers| {
        if !servers.iter().any(|server| server == follower) {
            servers.push(follower.to_owned());
        }
    })
    .await;
    let surely_not_listed = matches!(&result, Err(fault) if fault.code() == code::CLUSTER_NOT_LEADER);
    if !surely_not_listed {
        // Also after an error: if the agency did list it, it must get every write from now on.
        shard.change_followers(|followers| {
            if !followers.iter().any(|known| known == follower) {
                followers.push(follower.to_owned());
            }
        });
    }
    result
}

/// Reports that we have stopped leading, as the Plan asks (`_server`): nothing is written any more.
pub async fn report_resigned(cluster: &Cluster, shard: &Arc<Shard>) -> Result<()> {
    let _change = shard.change.lock().await;
    let me = &cluster.identity.id;
    let resigned = format!("_{me}");
    loop {
        let entries = Entries::read(cluster, shard).await?;
        let servers = entries.servers();
        if entries.plan.get(0).and_then(Json::as_str) != Some(resigned.as_str()) || servers.first() != Some(me) {
            return Ok(());
        }
        let mut entry = entries.current.clone().unwrap_or_default();
        let renamed: Vec<String> = servers.iter().map(|server| if server == me { resigned.clone() } else { server.clone() }).collect();
        entry["servers"] = json!(renamed);
        if let Outcome::Committed(_) = cluster.agency.write(entries.replace(entry)).await? {
            return Ok(());
        }
    }
}

/// Reports the indexes of a shard that we lead.
pub async fn report_indexes(cluster: &Cluster, shard: &Arc<Shard>, indexes: &Json) -> Result<()> {
    let _change = shard.change.lock().await;
    loop {
        let entries = Entries::read(cluster, shard).await?;
        let Some(mut entry) = entries.current.clone() else { return Ok(()) };
        if entries.servers().first() != Some(&cluster.identity.id) || entry["indexes"] == *indexes {
            return Ok(());
        }
        entry["indexes"] = indexes.clone();
        if let Outcome::Committed(_) = cluster.agency.write(entries.replace(entry)).await? {
            return Ok(());
        }
    }
}

async fn replace_servers(cluster: &Cluster, shard: &Arc<Shard>, change: impl Fn(&mut Vec<String>)) -> Result<()> {
    let me = &cluster.identity.id;
    loop {
        let entries = Entries::read(cluster, shard).await?;
        let mut servers = entries.servers();
        if !entries.is_planned_leader(me) || servers.first() != Some(me) {
            return Err(Error::with_detail(code::CLUSTER_NOT_LEADER, &shard.name));
        }
        change(&mut servers);
        let mut entry = entries.current.clone().unwrap_or_default();
        entry["servers"] = json!(servers);
        entry["failoverCandidates"] = json!(servers);
        if let Outcome::Committed(_) = cluster.agency.write(entries.replace(entry)).await? {
            return Ok(());
        }
    }
}
