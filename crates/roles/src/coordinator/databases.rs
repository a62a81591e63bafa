//! Creating and dropping databases through the agency (life cycle §8).

use super::Coordinator;
use crate::cluster::plan_view::members;
use agency::{Outcome, Transaction};
use base::{Error, Result, code};
use database::catalog::Database;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// Longest time for the DB-servers to follow a change of databases or collections.
pub(super) const DDL_TIMEOUT: Duration = Duration::from_secs(120);

impl Coordinator {
    /// Plans a database, waits until every DB-server that lives has it, makes its system
    /// collections and then shows it.
    pub(super) async fn plan_database(&self, mut database: Database) -> Result<Database> {
        database.id = self.ids.next(&self.cluster.agency).await?.to_string();
        let name = database.name.clone();
        let path = format!("Plan/Databases/{name}");
        let mut entry = serde_json::to_value(&database).map_err(|_| Error::internal("database entry"))?;
        entry["isBuilding"] = json!(true);
        entry["coordinator"] = json!(self.cluster.identity.id);
        entry["coordinatorRebootId"] = json!(self.cluster.identity.reboot_id);
        let begin = Transaction::new()
            .set(&path, entry.clone())
            .set(&format!("Plan/Collections/{name}"), json!({}))
            .set(&format!("Plan/Views/{name}"), json!({}))
            .set(&format!("Plan/Analyzers/{name}"), json!({"Revision": 0, "BuildingRevision": 0}))
            .increment("Plan/Version")
            .require_absent(&path);
        if self.cluster.agency.write(begin).await? == Outcome::PreconditionFailed {
            return Err(Error::with_detail(code::ARANGO_DUPLICATE_NAME, format!("duplicate database name '{name}'")));
        }
        let built = self.build_database(&database).await;
        let finish = Transaction::new().increment("Plan/Version").require(&path, entry);
        match built {
            Ok(()) => {
                let done = serde_json::to_value(&database).map_err(|_| Error::internal("database entry"))?;
                self.commit_and_see(finish.set(&path, done), code::CLUSTER_COULD_NOT_CREATE_DATABASE).await?;
                Ok(database)
            }
            Err(fault) => {
                let finish = ["Databases", "Collections", "Views", "Analyzers"]
                    .iter()
                    .fold(finish, |transaction, part| transaction.delete(&format!("Plan/{part}/{name}")));
                self.cluster.agency.write(finish).await?;
                Err(fault)
            }
        }
    }

    async fn build_database(&self, database: &Database) -> Result<()> {
        let name = database.name.as_str();
        self.wait_until(code::CLUSTER_COULD_NOT_CREATE_DATABASE, || {
            let tree = self.cluster.tree();
            let reported = tree.get(&format!("Current/Databases/{name}")).cloned().unwrap_or_default();
            if let Some((_, failed)) = members(&reported).find(|(_, entry)| entry["error"].as_bool() == Some(true)) {
                let text = failed["errorMessage"].as_str().unwrap_or_default().to_owned();
                return Err(Error::with_detail(code::CLUSTER_COULD_NOT_CREATE_DATABASE, text));
            }
            let live = self.live_db_servers();
            Ok((!live.is_empty() && live.iter().all(|server| reported.get(server).is_some())).then_some(()))
        })
        .await?;
        self.create_system_collections(name).await
    }

    /// Unplans a database and waits until no DB-server has it.
    pub(super) async fn unplan_database(&self, name: &str) -> Result<()> {
        let path = format!("Plan/Databases/{name}");
        let transaction = ["Databases", "Collections", "Views", "Analyzers"]
            .iter()
            .fold(Transaction::new().increment("Plan/Version").require_present(&path), |transaction, part| {
                transaction.delete(&format!("Plan/{part}/{name}"))
            });
        let outcome = self.cluster.agency.write(transaction).await?;
        let Outcome::Committed(index) = outcome else { return Err(code::ARANGO_DATABASE_NOT_FOUND.into()) };
        self.see(index).await?;
        self.wait_until(code::CLUSTER_COULD_NOT_REMOVE_DATABASE_IN_CURRENT, || {
            let tree = self.cluster.tree();
            let reported = tree.get(&format!("Current/Databases/{name}")).cloned().unwrap_or_default();
            let live = self.live_db_servers();
            Ok((!members(&reported).any(|(server, _)| live.contains(server))).then_some(()))
        })
        .await
    }

    /// DB-servers that are planned and not known to have failed.
    pub(super) fn live_db_servers(&self) -> Vec<String> {
        let tree = self.cluster.tree();
        let failed = |server: &str| tree.get(&format!("Target/FailedServers/{server}")).is_some();
        let planned = tree.get("Plan/DBServers").cloned().unwrap_or_default();
        members(&planned).map(|(server, _)| server.clone()).filter(|server| !failed(server)).collect()
    }

    /// Waits until `check` yields a value, looking again with every change of the agency's tree.
    pub(super) async fn wait_until<T>(&self, timeout: base::Code, check: impl Fn() -> Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + DDL_TIMEOUT;
        loop {
            let mut changed = self.cluster.cache.changed();
            changed.mark_unchanged();
            if let Some(value) = check()? {
                return Ok(value);
            }
            if tokio::time::timeout_at(deadline, changed.changed()).await.is_err() {
                return Err(Error::with_detail(timeout, "the DB-servers did not follow in time"));
            }
        }
    }

    /// Waits until this coordinator's copy of the agency's tree contains a change.
    pub(super) async fn see(&self, index: u64) -> Result<()> {
        let seen = self.cluster.cache.wait_for_index(index, DDL_TIMEOUT).await;
        if seen { Ok(()) } else { Err(Error::with_detail(code::CLUSTER_AGENCY_COMMUNICATION_FAILED, "no news from the agency")) }
    }

    /// Writes and waits until this coordinator sees the change itself.
    pub(super) async fn commit_and_see(&self, transaction: Transaction, refused: base::Code) -> Result<()> {
        match self.cluster.agency.write(transaction).await? {
            Outcome::Committed(index) => self.see(index).await,
            Outcome::PreconditionFailed => Err(Error::with_detail(refused, "changed by somebody else meanwhile")),
        }
    }
}
