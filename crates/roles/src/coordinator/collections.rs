//! Creating, changing and dropping collections through the agency (life cycle §8, §9).

use super::Coordinator;
use crate::cluster::plan_view::{PlanView, PlannedCollection, strings};
use agency::{Outcome, Transaction};
use base::{Error, Result, code};
use database::catalog::{Collection, Index};
use rand::seq::SliceRandom;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long creating a collection waits for followers to be in sync before it answers anyway: they
/// go on, and writes meanwhile are replicated to those that are.
const FOLLOWERS_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest pause before trying again after somebody else has changed the Plan.
const RETRY: Duration = Duration::from_millis(100);

impl Coordinator {
    /// Plans a collection whose properties have been checked, waits for its shards, and shows it.
    pub(super) async fn plan_collection(&self, database: &str, mut collection: Collection) -> Result<Arc<PlannedCollection>> {
        let plan = self.cluster.plan();
        if plan.planned_collections(database).any(|known| known.collection.name == collection.name) {
            return Err(Error::with_detail(code::ARANGO_DUPLICATE_NAME, &collection.name));
        }
        let first = self.ids.take(&self.cluster.agency, u64::from(collection.number_of_shards) + 1).await?.start;
        collection.id = first.to_string();
        collection.globally_unique_id = format!("c{first}/");
        collection.shards = self.distribute(&plan, database, &collection, first + 1)?;
        collection.indexes = basic_indexes(&collection);
        let path = format!("Plan/Collections/{database}/{}", collection.id);
        let mut entry = serde_json::to_value(&collection).map_err(|_| Error::internal("collection entry"))?;
        entry["deleted"] = json!(false);
        entry["statusString"] = json!("loaded");
        let finished = entry.clone();
        entry["isBuilding"] = json!(true);
        entry["coordinator"] = json!(self.cluster.identity.id);
        entry["coordinatorRebootId"] = json!(self.cluster.identity.reboot_id);
        let begin = Transaction::new()
            .set(&path, entry.clone())
            .increment("Plan/Version")
            .require("Plan/Version", json!(plan.version))
            .require_present(&format!("Plan/Databases/{database}"));
        let Outcome::Committed(index) = self.cluster.agency.write(begin).await? else {
            return Err(code::CLUSTER_CREATE_COLLECTION_PRECONDITION_FAILED.into());
        };
        self.see(index).await?;
        let built = self.wait_for_shards(database, &collection).await;
        let finish = Transaction::new().increment("Plan/Version").require(&path, entry);
        match built {
            Ok(()) => self.commit_and_see(finish.set(&path, finished), code::CLUSTER_COULD_NOT_CREATE_COLLECTION).await?,
            Err(fault) => {
                self.cluster.agency.write(finish.delete(&path)).await?;
                return Err(fault);
            }
        }
        let plan = self.cluster.plan();
        plan.collection_by_id(database, &collection.id).cloned().ok_or_else(|| crate::cluster::plan_view::not_found(&collection.name))
    }

    /// Like `plan_collection`, trying again while others change the Plan at the same time.
    pub(super) async fn create_planned(&self, database: &str, collection: &Collection) -> Result<Arc<PlannedCollection>> {
        loop {
            match self.plan_collection(database, collection.clone()).await {
                Err(fault) if fault.code() == code::CLUSTER_CREATE_COLLECTION_PRECONDITION_FAILED => self.wait_for_news(RETRY).await,
                outcome => return outcome,
            }
        }
    }

    /// Waits until every shard has a leader, and a while longer for all followers.
    async fn wait_for_shards(&self, database: &str, collection: &Collection) -> Result<()> {
        let confirmed = |wanted: &dyn Fn(&[String], &[String]) -> bool| {
            let tree = self.cluster.tree();
            collection.shards.iter().all(|(shard, planned)| {
                let path = format!("Current/Collections/{database}/{}/{shard}/servers", collection.id);
                wanted(planned, &tree.get(&path).map(strings).unwrap_or_default())
            })
        };
        self.wait_until(code::CLUSTER_COULD_NOT_CREATE_COLLECTION, || {
            Ok(confirmed(&|planned, current| current.first() == planned.first()).then_some(()))
        })
        .await?;
        let all = self.wait_until(code::CLUSTER_TIMEOUT, || {
            Ok(confirmed(&|planned, current| planned.iter().all(|server| current.contains(server))).then_some(()))
        });
        if tokio::time::timeout(FOLLOWERS_TIMEOUT, all).await.is_err() {
            tracing::warn!(collection = %collection.name, "created before all followers were in sync");
        }
        Ok(())
    }

    /// Servers for every shard: those of the prototype, or a ring over the shuffled DB-servers.
    fn distribute(
        &self,
        plan: &PlanView,
        database: &str,
        collection: &Collection,
        first_shard: u64,
    ) -> Result<BTreeMap<String, Vec<String>>> {
        let names = (0..u64::from(collection.number_of_shards)).map(|at| format!("s{}", first_shard + at));
        if let Some(prototype) = &collection.distribute_shards_like {
            let unknown = || Error::from(code::CLUSTER_UNKNOWN_DISTRIBUTESHARDSLIKE);
            let prototype = plan.collection_by_id(database, prototype).ok_or_else(unknown)?;
            let lists = prototype.shards.iter().map(|shard| prototype.servers(shard).to_vec());
            return Ok(names.zip(lists).collect());
        }
        let mut servers = self.usable_db_servers();
        servers.shuffle(&mut rand::rng());
        let copies = match collection.replication_factor {
            0 => servers.len(),
            wanted => usize::try_from(wanted).unwrap_or(usize::MAX),
        };
        if servers.is_empty() || copies > servers.len() {
            return Err(code::CLUSTER_INSUFFICIENT_DBSERVERS.into());
        }
        let ring = |start: usize| (0..copies).filter_map(|step| servers.get((start + step) % servers.len()).cloned()).collect();
        Ok(names.enumerate().map(|(at, name)| (name, ring(at))).collect())
    }

    /// DB-servers that may get new shards.
    pub(super) fn usable_db_servers(&self) -> Vec<String> {
        let tree = self.cluster.tree();
        let avoided: Vec<String> = ["Target/CleanedServers", "Target/ToBeCleanedServers"]
            .iter()
            .flat_map(|path| tree.get(path).map(strings).unwrap_or_default())
            .collect();
        self.live_db_servers().into_iter().filter(|server| !avoided.contains(server)).collect()
    }

    /// Unplans a collection and waits until its shards are gone.
    pub(super) async fn unplan_collection(&self, planned: &PlannedCollection) -> Result<()> {
        let (database, id) = (&planned.database, &planned.collection.id);
        let plan = self.cluster.plan();
        let follows = |other: &Arc<PlannedCollection>| other.collection.distribute_shards_like.as_ref() == Some(id);
        if plan.planned_collections(database).any(follows) {
            return Err(code::CLUSTER_MUST_NOT_DROP_COLL_OTHER_DISTRIBUTESHARDSLIKE.into());
        }
        let path = format!("Plan/Collections/{database}/{id}");
        let transaction = Transaction::new().delete(&path).increment("Plan/Version").require_present(&path);
        let Outcome::Committed(index) = self.cluster.agency.write(transaction).await? else {
            return Err(crate::cluster::plan_view::not_found(&planned.collection.name));
        };
        self.see(index).await?;
        let live = self.live_db_servers();
        self.wait_until(code::CLUSTER_COULD_NOT_DROP_COLLECTION, || {
            let tree = self.cluster.tree();
            let left = tree.get(&format!("Current/Collections/{database}/{id}")).cloned().unwrap_or_default();
            let held = crate::cluster::plan_view::members(&left).any(|(_, entry)| {
                entry["servers"].get(0).and_then(Json::as_str).is_some_and(|leader| live.iter().any(|server| server == leader))
            });
            Ok((!held).then_some(()))
        })
        .await?;
        let left = format!("Current/Collections/{database}/{id}");
        self.cluster.agency.write(Transaction::new().delete(&left).increment("Current/Version").require_absent(&path)).await?;
        Ok(())
    }

    /// Changes attributes of a planned collection.
    pub(super) async fn change_planned(&self, planned: &PlannedCollection, changes: &[(&str, Json)]) -> Result<()> {
        let path = format!("Plan/Collections/{}/{}", planned.database, planned.collection.id);
        let transaction =
            changes.iter().fold(Transaction::new().increment("Plan/Version").require_present(&path), |transaction, (name, value)| {
                transaction.set(&format!("{path}/{name}"), value.clone())
            });
        self.commit_and_see(transaction, code::ARANGO_DATA_SOURCE_NOT_FOUND).await
    }
}

fn basic_indexes(collection: &Collection) -> Vec<Index> {
    let mut indexes = vec![Index::primary()];
    if collection.kind == database::catalog::CollectionType::Edge {
        indexes.push(Index::edge());
    }
    indexes
}
