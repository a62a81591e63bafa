//! Brings what this DB-server holds in line with the agency's Plan (S20–S23, life cycle §6).
//!
//! A loop wakes with every change of the agency's tree, asks `reconcile` for the next step of every
//! shard and carries the steps out, one per shard at a time. It never trusts a tree that it has not
//! fully read, since it drops what is not planned.

use super::DbServer;
use super::followers::{report_indexes, report_resigned, take_leadership};
use super::reconcile::{Action, ShardView, next_action, reported_indexes, shard_properties};
use super::shards::Part;
use super::synchronize::synchronize;
use crate::cluster::plan_view::{PlannedCollection, members};
use agency::Transaction;
use base::{Result, code};
use database::catalog::{Collection, Index};
use parking_lot::Mutex;
use rt::shutdown::Shutdown;
use serde_json::{Value as Json, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// Even without news from the agency, everything is compared this often.
const IDLE: Duration = Duration::from_secs(5);
/// Pause after a step that failed.
const RETRY: Duration = Duration::from_millis(300);
/// Steps of different shards at the same time.
const STEPS_AT_ONCE: usize = 8;

/// What maintenance remembers between rounds.
pub struct Maintenance {
    busy: Mutex<HashSet<String>>,
    failed_indexes: Mutex<HashMap<String, Vec<(String, Json)>>>,
    finished: Notify,
    slots: Arc<Semaphore>,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            busy: Mutex::default(),
            failed_indexes: Mutex::default(),
            finished: Notify::new(),
            slots: Arc::new(Semaphore::new(STEPS_AT_ONCE)),
        }
    }
}

impl Maintenance {
    /// Ids of the indexes that could not be built; those the Plan has given up are forgotten.
    fn failed_indexes_of(&self, shard: &str, planned: &Collection) -> Vec<String> {
        let mut all = self.failed_indexes.lock();
        let Some(failed) = all.get_mut(shard) else { return Vec::new() };
        failed.retain(|(id, _)| planned.indexes.iter().any(|index| index.id == *id));
        failed.iter().map(|(id, _)| id.clone()).collect()
    }
}

/// Runs until shutdown.
pub async fn run(server: Arc<DbServer>, shutdown: Shutdown) {
    let mut changed = server.cluster.cache.changed();
    while !shutdown.is_triggered() {
        changed.mark_unchanged();
        if let Err(fault) = round(&server).await {
            tracing::warn!(%fault, "maintenance round failed");
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = server.maintenance.finished.notified() => {}
            () = tokio::time::sleep(IDLE) => {}
            () = shutdown.wait() => break,
        }
    }
}

async fn round(server: &Arc<DbServer>) -> Result<()> {
    let tree = server.cluster.tree();
    if tree.get("Plan/Version").is_none() {
        return Ok(());
    }
    create_databases(server).await?;
    drop_shards(server).await?;
    drop_databases(server).await?;
    let plan = server.cluster.plan();
    let held: Vec<(Arc<PlannedCollection>, String)> =
        plan.shards_of(server.id()).map(|(planned, shard, _)| (Arc::clone(planned), shard.clone())).collect();
    for (planned, shard) in held {
        start_step(server, &planned, &shard);
    }
    Ok(())
}

/// Carries out the next step of a shard in the background unless one is under way.
fn start_step(server: &Arc<DbServer>, planned: &Arc<PlannedCollection>, shard: &str) {
    let Some(action) = decide(server, planned, shard) else { return };
    if !server.maintenance.busy.lock().insert(shard.to_owned()) {
        return;
    }
    let (server, planned, shard) = (Arc::clone(server), Arc::clone(planned), shard.to_owned());
    tokio::spawn(async move {
        // Synchronising takes long and waits mostly; it must not keep others from becoming leader.
        let _slot = match action {
            Action::Synchronize(_) => None,
            _ => Arc::clone(&server.maintenance.slots).acquire_owned().await.ok(),
        };
        tracing::debug!(shard, ?action, "maintenance step");
        if let Err(fault) = perform(&server, &planned, &shard, &action).await {
            tracing::warn!(shard, ?action, %fault, "maintenance step failed");
            tokio::time::sleep(RETRY).await;
        }
        server.maintenance.busy.lock().remove(&shard);
        server.maintenance.finished.notify_one();
    });
}

fn decide(server: &DbServer, planned: &PlannedCollection, shard: &str) -> Option<Action> {
    let local = server.storage.collection(&planned.database, shard).ok().map(|found| found.info());
    let state = server.shards.ensure(&planned.database, &planned.collection.id, shard);
    let tree = server.cluster.tree();
    let current = tree.get(&format!("Current/Collections/{}/{}/{shard}", planned.database, planned.collection.id));
    let failed = server.maintenance.failed_indexes_of(shard, &planned.collection);
    next_action(&ShardView {
        me: server.id(),
        servers: planned.servers(shard),
        planned: &planned.collection,
        local: local.as_deref(),
        part: &state.part(),
        current,
        failed_indexes: &failed,
    })
}

async fn perform(server: &Arc<DbServer>, planned: &PlannedCollection, shard: &str, action: &Action) -> Result<()> {
    let database = &planned.database;
    let state = server.shards.ensure(database, &planned.collection.id, shard);
    match action {
        Action::Create => {
            let properties = shard_properties(&planned.collection, shard);
            server.blocking_storage(database, move |storage, db| storage.create_collection(db, properties).map(drop)).await
        }
        Action::Lead => {
            // What the former leader still sends is applied first or refused.
            state.set_part(Part::Unknown);
            drop(state.close().await);
            let local = server.storage.collection(database, shard)?;
            take_leadership(&server.cluster, &state, true, &reported_indexes(&local.info())).await
        }
        Action::Follow(leader) => {
            // Writes that are under way finish or fail before we obey somebody else.
            state.set_part(Part::Unknown);
            let _closed = state.close().await;
            server.abort_transactions_on(shard).await;
            state.set_part(Part::Following { leader: leader.clone() });
            Ok(())
        }
        Action::Resign => {
            state.set_part(Part::Unknown);
            let _closed = state.close().await;
            server.abort_transactions_on(shard).await;
            report_resigned(&server.cluster, &state).await
        }
        Action::Synchronize(leader) => synchronize(server, planned, &state, leader).await,
        Action::UpdateProperties => {
            let properties = shard_properties(&planned.collection, shard);
            let name = shard.to_owned();
            server.blocking_storage(database, move |storage, db| change_properties(storage, db, &name, &properties)).await
        }
        Action::EnsureIndex(index) => ensure_index(server, database, shard, index).await,
        Action::DropIndex(id) => {
            let (name, id) = (shard.to_owned(), id.clone());
            server.blocking_storage(database, move |storage, db| storage.drop_index(db, &name, &id).map(drop)).await
        }
        Action::ReportIndexes => {
            let indexes = all_indexes(server, database, shard)?;
            report_indexes(&server.cluster, &state, &indexes).await
        }
    }
}

fn change_properties(storage: &storage::Storage, database: &str, shard: &str, planned: &Collection) -> Result<()> {
    let change = |local: &mut Collection| {
        local.wait_for_sync = planned.wait_for_sync;
        local.cache_enabled = planned.cache_enabled;
        local.schema = planned.schema.clone();
        local.computed_values = planned.computed_values.clone();
        Ok(())
    };
    storage.change_collection(database, shard, change).map(drop)
}

/// Builds an index. What the data forbids (1210) is reported once and not tried again until the
/// Plan drops the index.
async fn ensure_index(server: &Arc<DbServer>, database: &str, shard: &str, index: &Index) -> Result<()> {
    let (name, mut definition) = (shard.to_owned(), index.clone());
    definition.is_building = false;
    let built = server.blocking_storage(database, move |storage, db| storage.create_index(db, &name, definition).map(drop)).await;
    let Err(fault) = built else { return Ok(()) };
    let report = json!({"id": index.id, "error": true, "errorNum": fault.code().0, "errorMessage": fault.message()});
    server.maintenance.failed_indexes.lock().entry(shard.to_owned()).or_default().push((index.id.clone(), report));
    let state = server.shards.ensure(database, "", shard);
    if state.followers().is_ok() {
        report_indexes(&server.cluster, &state, &all_indexes(server, database, shard)?).await?;
    }
    Ok(())
}

/// Indexes of a shard with those that could not be built.
fn all_indexes(server: &DbServer, database: &str, shard: &str) -> Result<Json> {
    let local = server.storage.collection(database, shard)?.info();
    let mut indexes = *reported_indexes(&local);
    if let (Some(list), Some(failed)) = (indexes.as_array_mut(), server.maintenance.failed_indexes.lock().get(shard)) {
        list.extend(failed.iter().map(|(_, report)| report.clone()));
    }
    Ok(indexes)
}

async fn create_databases(server: &Arc<DbServer>) -> Result<()> {
    let tree = server.cluster.tree();
    let plan = server.cluster.plan();
    for database in plan.planned_databases() {
        if server.storage.database(&database.name).is_err() {
            let wanted = database.clone();
            server.blocking_storage(&database.name, move |storage, _| storage.create_database(&wanted).map(drop)).await?;
        }
        let path = format!("Current/Databases/{}/{}", database.name, server.id());
        if tree.get(&path).is_none() {
            let entry = json!({"error": false, "errorMessage": "", "errorNum": 0, "id": database.id, "name": database.name});
            let planned = format!("Plan/Databases/{}", database.name);
            server
                .cluster
                .agency
                .write(Transaction::new().set(&path, entry).increment("Current/Version").require_present(&planned))
                .await?;
        }
    }
    Ok(())
}

/// Drops shards that the Plan does not give to this server any more, and what Current says of
/// collections that are gone.
async fn drop_shards(server: &Arc<DbServer>) -> Result<()> {
    let plan = server.cluster.plan();
    for database in server.storage.databases() {
        for local in server.storage.collections(&database.name)? {
            let info = local.info();
            let is_planned =
                plan.shard(&info.name).is_some_and(|planned| crate::cluster::plan_view::holds(planned.servers(&info.name), server.id()));
            if !is_planned && !info.plan_id.is_empty() && !server.maintenance.busy.lock().contains(&info.name) {
                server.shards.forget(&info.name);
                server.maintenance.failed_indexes.lock().remove(&info.name);
                let name = info.name.clone();
                tracing::info!(shard = name, "dropping a shard that is not planned here any more");
                server.blocking_storage(&database.name, move |storage, db| storage.drop_collection(db, &name).map(drop)).await?;
            }
        }
    }
    let tree = server.cluster.tree();
    for (database, collections) in tree.get("Current/Collections").into_iter().flat_map(members) {
        for (id, shards) in members(collections) {
            if plan.collection_by_id(database, id).is_some() {
                continue;
            }
            for (shard, entry) in members(shards) {
                remove_current(server, database, id, shard, entry).await?;
            }
        }
    }
    Ok(())
}

/// Removes the Current entry of a dropped shard that we led.
async fn remove_current(server: &Arc<DbServer>, database: &str, id: &str, shard: &str, entry: &Json) -> Result<()> {
    let leader = entry["servers"].get(0).and_then(Json::as_str).unwrap_or_default();
    if leader.trim_start_matches('_') != server.id() {
        return Ok(());
    }
    let transaction = Transaction::new()
        .delete(&format!("Current/Collections/{database}/{id}/{shard}"))
        .increment("Current/Version")
        .require_absent(&format!("Plan/Collections/{database}/{id}"));
    server.cluster.agency.write(transaction).await?;
    Ok(())
}

async fn drop_databases(server: &Arc<DbServer>) -> Result<()> {
    let plan = server.cluster.plan();
    let planned: HashSet<&str> = plan.planned_databases().map(|database| database.name.as_str()).collect();
    let obsolete: Vec<String> =
        server.storage.databases().into_iter().map(|database| database.name).filter(|name| !planned.contains(name.as_str())).collect();
    for name in obsolete {
        let dropped = server.blocking_storage(&name, |storage, db| storage.drop_database(db).map(drop)).await;
        if let Err(fault) = dropped
            && fault.code() != code::ARANGO_DATABASE_NOT_FOUND
        {
            return Err(fault);
        }
    }
    let tree = server.cluster.tree();
    for (name, servers) in tree.get("Current/Databases").into_iter().flat_map(members) {
        if !planned.contains(name.as_str()) && servers.get(server.id()).is_some() {
            let transaction = Transaction::new()
                .delete(&format!("Current/Databases/{name}/{}", server.id()))
                .increment("Current/Version")
                .require_absent(&format!("Plan/Databases/{name}"));
            server.cluster.agency.write(transaction).await?;
        }
    }
    Ok(())
}
