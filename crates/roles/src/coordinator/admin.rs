//! What administrators ask of the cluster (`/_admin/cluster/…`): answered from the agency's tree or
//! handed to its supervision as a job.

use super::Coordinator;
use crate::cluster::plan_view::{members, strings};
use crate::cluster::server_names::{resolve, short_name};
use agency::{Outcome, Snapshot, Transaction};
use base::{Error, Result, code};
use database::cluster::ClusterRequest;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Longest supervision pause one call may ask for: a week.
const MAINTENANCE_S_MAX: u64 = 7 * 24 * 3600;

impl Coordinator {
    pub(super) async fn administer(&self, request: ClusterRequest) -> Result<Json> {
        match request {
            ClusterRequest::Health => self.health().await,
            ClusterRequest::NumberOfServers => Ok(self.number_of_servers()),
            ClusterRequest::SetNumberOfServers(wish) => self.set_number_of_servers(&wish).await,
            ClusterRequest::CleanOutServer(server) => {
                let server = self.db_server(&server)?;
                self.add_job(json!({"type": "cleanOutServer", "server": server})).await
            }
            ClusterRequest::ResignLeadership(server) => {
                let server = self.db_server(&server)?;
                self.add_job(json!({"type": "resignLeadership", "server": server})).await
            }
            ClusterRequest::RemoveServer(server) => self.remove_server(&server).await,
            ClusterRequest::MoveShard { database, collection, shard, from_server, to_server } => {
                self.move_shard(&database, &collection, &shard, &from_server, &to_server).await
            }
            ClusterRequest::QueryJob(id) => self.query_job(&id),
            ClusterRequest::ShardDistribution { database } => self.shard_distribution(&database),
            ClusterRequest::Maintenance(seconds) => self.maintenance(seconds).await,
            ClusterRequest::ReplaceSecondary { primary, old_secondary, new_secondary } => {
                self.replace_secondary(&primary, &old_secondary, &new_secondary).await
            }
            ClusterRequest::GetSecondary { primary } => self.get_secondary(&primary),
            ClusterRequest::SwapPrimaryAndSecondary { primary, secondary } => self.swap(&primary, &secondary).await,
            ClusterRequest::AgencyDump => {
                let tree = self.cluster.agency.read(&["/"]).await?;
                Ok(json!({"agency": {"arango": tree}, "index": self.cluster.tree().index}))
            }
            ClusterRequest::Endpoints => Ok(self.endpoints()),
        }
    }

    async fn health(&self) -> Result<Json> {
        let tree = self.cluster.tree();
        let mut health = serde_json::Map::new();
        for (id, entry) in tree.get("Supervision/Health").into_iter().flat_map(members) {
            let mut entry = entry.clone();
            let role = if tree.get(&format!("Plan/Coordinators/{id}")).is_some() { "Coordinator" } else { "DBServer" };
            entry["Role"] = json!(role);
            entry["CanBeDeleted"] = json!(entry["Status"] == "FAILED" && (role == "Coordinator" || !is_used(&tree, id)));
            health.insert(id.clone(), entry);
        }
        if let Ok(agents) = self.cluster.agency.config().await {
            add_agents(&mut health, &agents);
        }
        Ok(json!({"ClusterId": tree.get("Cluster").cloned().unwrap_or_default(), "Health": health}))
    }

    fn number_of_servers(&self) -> Json {
        let tree = self.cluster.tree();
        let get = |path: &str| tree.get(path).cloned().unwrap_or_default();
        json!({"numberOfDBServers": get("Target/NumberOfDBServers"), "numberOfCoordinators": get("Target/NumberOfCoordinators"),
            "cleanedServers": tree.get("Target/CleanedServers").cloned().unwrap_or_else(|| json!([]))})
    }

    async fn set_number_of_servers(&self, wish: &Json) -> Result<Json> {
        let bad = || {
            Error::bad_parameter(
                "object with the numbers numberOfCoordinators and numberOfDBServers and/or the array cleanedServers expected",
            )
        };
        let mut transaction = Transaction::new();
        let wish = wish.as_object().filter(|wish| !wish.is_empty()).ok_or_else(bad)?;
        for (name, path) in [("numberOfDBServers", "Target/NumberOfDBServers"), ("numberOfCoordinators", "Target/NumberOfCoordinators")] {
            match wish.get(name) {
                Some(number) if number.is_null() || number.is_u64() => transaction = transaction.set(path, number.clone()),
                Some(_) => return Err(bad()),
                None => {}
            }
        }
        match wish.get("cleanedServers") {
            Some(Json::Array(servers)) if servers.iter().all(Json::is_string) => {
                transaction = transaction.set("Target/CleanedServers", Json::Array(servers.clone()));
            }
            Some(_) => return Err(bad()),
            None => {}
        }
        self.cluster.agency.write(transaction.increment("Target/Version")).await?;
        Ok(json!(true))
    }

    fn db_server(&self, spelling: &str) -> Result<String> {
        let tree = self.cluster.tree();
        let id = resolve(&tree, spelling).filter(|id| tree.get(&format!("Plan/DBServers/{id}")).is_some());
        id.ok_or_else(|| unknown_server(spelling))
    }

    async fn add_job(&self, mut job: Json) -> Result<Json> {
        let id = self.ids.next(&self.cluster.agency).await?.to_string();
        job["creator"] = json!(self.cluster.identity.id);
        job["jobId"] = json!(id);
        job["timeCreated"] = json!(rt::clock::now_iso());
        let written = self.cluster.agency.write(Transaction::new().set(&format!("Target/ToDo/{id}"), job)).await?;
        // Whoever asks for the job with its number finds it.
        self.see(written.committed("a new job")?).await?;
        Ok(json!({"id": id}))
    }

    async fn move_shard(&self, database: &str, collection: &str, shard: &str, from: &str, to: &str) -> Result<Json> {
        let (from, to) = (self.db_server(from)?, self.db_server(to)?);
        let plan = self.cluster.plan();
        let planned = plan.collection(database, collection)?;
        if !planned.shards.iter().any(|known| known == shard) {
            return Err(Error::with_detail(code::CLUSTER_SHARD_GONE, shard).status(404));
        }
        let servers = planned.servers(shard);
        let Some(at) = servers.iter().position(|server| *server == from) else {
            return Err(Error::bad_parameter(format!("{from} does not hold shard {shard}")));
        };
        if at > 0 && servers.contains(&to) {
            return Err(Error::bad_parameter(format!("{to} holds shard {shard} already")));
        }
        self.add_job(json!({"type": "moveShard", "database": database, "collection": planned.collection.id, "shard": shard,
            "fromServer": from, "toServer": to, "isLeader": at == 0, "remainsFollower": false}))
            .await
    }

    fn query_job(&self, id: &str) -> Result<Json> {
        let tree = self.cluster.tree();
        for status in ["ToDo", "Pending", "Finished", "Failed"] {
            if let Some(job) = tree.get(&format!("Target/{status}/{id}")) {
                return Ok(json!({"id": id, "status": status, "job": job}));
            }
        }
        Err(Error::new(code::HTTP_NOT_FOUND, format!("unknown job {id}")))
    }

    fn shard_distribution(&self, database: &str) -> Result<Json> {
        let tree = self.cluster.tree();
        let plan = self.cluster.plan();
        let named = |servers: &[String]| {
            let names: Vec<String> = servers.iter().map(|server| short_name(&tree, server.trim_start_matches('_'))).collect();
            json!({"leader": names.first().cloned().unwrap_or_default(), "followers": names.get(1..).unwrap_or_default()})
        };
        let mut results = serde_json::Map::new();
        for planned in plan.collections(database)? {
            let current = |shard: &str| {
                let path = format!("Current/Collections/{database}/{}/{shard}/servers", planned.collection.id);
                tree.get(&path).map(strings).unwrap_or_default()
            };
            let table = |servers: &dyn Fn(&str) -> Vec<String>| -> Json {
                planned.shards.iter().map(|shard| (shard.clone(), named(&servers(shard)))).collect::<serde_json::Map<_, _>>().into()
            };
            let entry = json!({"Plan": table(&|shard| planned.servers(shard).to_vec()), "Current": table(&current)});
            results.insert(planned.collection.name.clone(), entry);
        }
        Ok(json!({"results": results}))
    }

    async fn maintenance(&self, seconds: Option<u64>) -> Result<Json> {
        let transaction = match seconds {
            Some(seconds) => {
                let seconds = seconds.min(MAINTENANCE_S_MAX);
                let until = rt::clock::iso(rt::clock::now_ms() + seconds * 1000);
                Transaction::new().set_with_ttl("Supervision/Maintenance", json!(until), Duration::from_secs(seconds))
            }
            None => Transaction::new().delete("Supervision/Maintenance"),
        };
        self.cluster.agency.write(transaction).await?;
        let text = match seconds {
            Some(_) => "Cluster supervision deactivated. It will be reactivated automatically unless this call is repeated until then.",
            None => "Cluster supervision reactivated.",
        };
        Ok(json!({"warning": text}))
    }

    async fn remove_server(&self, spelling: &str) -> Result<Json> {
        let tree = self.cluster.tree();
        let id = resolve(&tree, spelling).ok_or_else(|| unknown_server(spelling))?;
        let status = tree.get(&format!("Supervision/Health/{id}/Status")).and_then(Json::as_str);
        if status != Some("FAILED") || is_used(&tree, &id) {
            let text = format!("server {id} is not FAILED or still holds shards");
            return Err(Error::new(code::HTTP_PRECONDITION_FAILED, text));
        }
        let mut transaction = Transaction::new().increment("Plan/Version").increment("Current/Version");
        for part in [
            "Plan/DBServers",
            "Plan/Coordinators",
            "Current/DBServers",
            "Current/Coordinators",
            "Current/ServersRegistered",
            "Current/ServersKnown",
            "Supervision/Health",
            "Target/FailedServers",
            "Target/MapUniqueToShortID",
        ] {
            transaction = transaction.delete(&format!("{part}/{id}"));
        }
        self.cluster.agency.write(transaction.erase("Target/CleanedServers", json!(id))).await?;
        Ok(json!({}))
    }

    /// S78: links a secondary to a primary, before or after it runs.
    async fn replace_secondary(&self, primary: &str, old: &str, new: &str) -> Result<Json> {
        let id = self.db_server(primary)?;
        let path = format!("Plan/DBServers/{id}");
        let transaction = Transaction::new().set(&path, json!(new)).increment("Plan/Version").require(&path, json!(old));
        match self.cluster.agency.write(transaction).await? {
            Outcome::Committed(_) => Ok(json!({})),
            Outcome::PreconditionFailed => {
                let tree = self.cluster.agency.read(&[&path]).await?;
                let present = tree["Plan"]["DBServers"][&id].as_str().unwrap_or("none").to_owned();
                if present == new {
                    // The same command line may be typed again (S83).
                    return Ok(json!({}));
                }
                let text = format!("primary {primary} does not have the given oldSecondary {old} as its secondary, but {present}");
                Err(Error::new(code::HTTP_PRECONDITION_FAILED, text))
            }
        }
    }

    fn get_secondary(&self, primary: &str) -> Result<Json> {
        let id = self.db_server(primary)?;
        let tree = self.cluster.tree();
        Ok(json!({"primary": primary, "secondary": tree.get(&format!("Plan/DBServers/{id}")).cloned().unwrap_or_default()}))
    }

    /// Lets a secondary take the place of its (dead) primary everywhere, as one transaction.
    async fn swap(&self, primary: &str, secondary: &str) -> Result<Json> {
        let id = self.db_server(primary)?;
        let tree = self.cluster.agency.read(&["Plan/DBServers", "Plan/Collections", "Current/Collections"]).await?;
        let path = format!("Plan/DBServers/{id}");
        if tree["Plan"]["DBServers"][&id] != *secondary {
            return Err(Error::new(code::HTTP_PRECONDITION_FAILED, format!("{secondary} is not the secondary of {primary}")));
        }
        let transaction = Transaction::new()
            .delete(&path)
            .set(&format!("Plan/DBServers/{secondary}"), json!(id))
            .delete(&format!("Current/DBServers/{id}"))
            .set(&format!("Current/DBServers/{secondary}"), json!(id))
            .increment("Plan/Version")
            .increment("Current/Version")
            .require(&path, json!(secondary));
        match self.cluster.agency.write(swap_shards(transaction, &tree, &id, secondary)).await? {
            Outcome::Committed(_) => Ok(json!({"primary": secondary, "secondary": id})),
            Outcome::PreconditionFailed => {
                Err(Error::new(code::HTTP_PRECONDITION_FAILED, "the plan was changed meanwhile, please try again"))
            }
        }
    }

    fn endpoints(&self) -> Json {
        let tree = self.cluster.tree();
        let planned = tree.get("Plan/Coordinators").cloned().unwrap_or_default();
        let addresses: Vec<Json> = members(&planned)
            .filter_map(|(id, _)| {
                let entry = tree.get(&format!("Current/ServersRegistered/{id}"))?;
                let advertised = entry["advertisedEndpoint"].as_str().filter(|address| !address.is_empty());
                let address = advertised.or_else(|| entry["endpoint"].as_str())?;
                Some(json!({"endpoint": address}))
            })
            .collect();
        json!({"endpoints": addresses})
    }
}

fn unknown_server(spelling: &str) -> Error {
    Error::new(code::HTTP_NOT_FOUND, format!("unknown server '{spelling}'"))
}

/// Does any shard in Plan or Current name the server?
fn is_used(tree: &Snapshot, id: &str) -> bool {
    let plan = tree.get("Plan").cloned().unwrap_or_default();
    let current = tree.get("Current").cloned().unwrap_or_default();
    let both = json!({"Plan": plan, "Current": current});
    let named = |servers: &[String]| servers.iter().any(|server| server.trim_start_matches('_') == id);
    shard_lists(&both).iter().any(|shard| named(&shard.plan) || named(&shard.current))
}

/// Adds to a transaction what a swap changes in the lists of every shard.
fn swap_shards(mut transaction: Transaction, tree: &Json, primary: &str, secondary: &str) -> Transaction {
    for shard in shard_lists(tree) {
        let (plan, current) = swapped(&shard.plan, &shard.current, primary, secondary);
        if plan != shard.plan {
            transaction = transaction.require(&shard.plan_path, json!(shard.plan)).set(&shard.plan_path, json!(plan));
        }
        if current != shard.current {
            let servers = format!("{}/servers", shard.current_path);
            transaction = transaction
                .require(&servers, json!(shard.current))
                .set(&servers, json!(current))
                .set(&format!("{}/failoverCandidates", shard.current_path), json!(current));
        }
    }
    transaction
}

/// A shard's servers in Plan and Current after a secondary has taken its primary's place.
///
/// The secondary's copy is asynchronous. So wherever somebody else is in sync, that server leads
/// and the secondary follows and synchronises; it vouches only for shards that nobody else has.
fn swapped(plan: &[String], current: &[String], primary: &str, secondary: &str) -> (Vec<String>, Vec<String>) {
    let is_primary = |server: &String| server.trim_start_matches('_') == primary;
    if !plan.iter().any(is_primary) {
        return (plan.to_vec(), current.to_vec());
    }
    let in_sync: Vec<String> = current.iter().filter(|server| !is_primary(server)).cloned().collect();
    let renamed = |server: &String| if is_primary(server) { secondary.to_owned() } else { server.clone() };
    match in_sync.first() {
        Some(leader) if plan.first().is_some_and(is_primary) => {
            let others = plan.iter().filter(|server| !is_primary(server) && *server != leader).cloned();
            let plan = std::iter::once(leader.clone()).chain(others).chain([secondary.to_owned()]).collect();
            (plan, in_sync)
        }
        Some(_) => (plan.iter().map(renamed).collect(), in_sync),
        None => (plan.iter().map(renamed).collect(), if current.is_empty() { Vec::new() } else { vec![secondary.to_owned()] }),
    }
}

/// The servers of one shard.
struct ShardLists {
    plan_path: String,
    plan: Vec<String>,
    current_path: String,
    current: Vec<String>,
}

fn shard_lists(tree: &Json) -> Vec<ShardLists> {
    let mut lists = Vec::new();
    for (database, collections) in members(&tree["Plan"]["Collections"]) {
        for (id, collection) in members(collections) {
            for (shard, servers) in members(&collection["shards"]) {
                lists.push(ShardLists {
                    plan_path: format!("Plan/Collections/{database}/{id}/shards/{shard}"),
                    plan: strings(servers),
                    current_path: format!("Current/Collections/{database}/{id}/{shard}"),
                    current: strings(&tree["Current"]["Collections"][database][id][shard]["servers"]),
                });
            }
        }
    }
    lists
}

fn add_agents(health: &mut serde_json::Map<String, Json>, configuration: &Json) {
    let leader = configuration["leaderId"].as_str().unwrap_or_default();
    for (id, endpoint) in members(&configuration["configuration"]["pool"]) {
        let acked = configuration["lastAcked"][id]["lastAckedTime"].as_f64();
        let good = id == leader || acked.is_some_and(|age| age < 10_000.0);
        let mut entry = json!({"Role": "Agent", "Endpoint": endpoint, "Leader": leader, "Engine": "rocksdb",
            "Version": crate::registration::VERSION.1, "CanBeDeleted": false, "Status": if good { "GOOD" } else { "BAD" }});
        if id == leader {
            entry["Leading"] = json!(true);
        }
        if let Some(age) = acked {
            entry["LastAckedTime"] = json!(age / 1000.0);
        }
        health.insert(id.clone(), entry);
    }
}

#[cfg(test)]
mod tests {
    use super::swapped;

    fn check(plan: &[&str], current: &[&str], expected_plan: &[&str], expected_current: &[&str]) {
        let owned = |list: &[&str]| list.iter().map(|&server| server.to_owned()).collect::<Vec<_>>();
        let (new_plan, new_current) = swapped(&owned(plan), &owned(current), "P", "S");
        assert_eq!((new_plan, new_current), (owned(expected_plan), owned(expected_current)));
    }

    #[test]
    fn a_swap_never_prefers_the_asynchronous_copy_to_one_in_sync() {
        check(&["P"], &["P"], &["S"], &["S"]);
        check(&["P", "F"], &["P"], &["S", "F"], &["S"]);
        check(&["P", "F"], &["P", "F"], &["F", "S"], &["F"]);
        check(&["F", "P"], &["F", "P"], &["F", "S"], &["F"]);
        check(&["F", "P"], &["F"], &["F", "S"], &["F"]);
        check(&["F", "G"], &["F", "G"], &["F", "G"], &["F", "G"]);
        check(&["P", "F"], &[], &["S", "F"], &[]);
    }
}
