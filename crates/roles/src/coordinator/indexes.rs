//! Creating and dropping indexes through the agency (life cycle §8).

use super::Coordinator;
use crate::cluster::plan_view::{PlannedCollection, members};
use agency::{Outcome, Transaction};
use base::{Error, Result, code};
use database::catalog::Index;
use serde_json::{Value as Json, json};
use std::time::Duration;

impl Coordinator {
    /// Plans an index, waits until the leader of every shard has built it, and shows it. If one of
    /// them cannot (1210), it is taken back everywhere.
    pub(super) async fn plan_index(&self, planned: &PlannedCollection, mut index: Index) -> Result<Index> {
        index.id = self.ids.next(&self.cluster.agency).await?.to_string();
        if index.name.is_empty() {
            index.name = format!("idx_{}", index.id);
        }
        let finished = serde_json::to_value(&index).map_err(|_| Error::internal("index entry"))?;
        let mut entry = finished.clone();
        entry["isBuilding"] = json!(true);
        entry["coordinator"] = json!(self.cluster.identity.id);
        entry["coordinatorRebootId"] = json!(self.cluster.identity.reboot_id);
        self.change_indexes(planned, |list| list.push(entry.clone())).await?;
        let built = self.wait_for_index(planned, &index.id).await;
        let is_this = |known: &Json| known["id"] == finished["id"];
        match built {
            Ok(()) => {
                let show =
                    |list: &mut Vec<Json>| list.iter_mut().filter(|known| is_this(known)).for_each(|known| *known = finished.clone());
                self.change_indexes(planned, show).await?;
                Ok(index)
            }
            Err(fault) => {
                self.change_indexes(planned, |list| list.retain(|known| !is_this(known))).await?;
                Err(fault)
            }
        }
    }

    async fn wait_for_index(&self, planned: &PlannedCollection, id: &str) -> Result<()> {
        let path = format!("Current/Collections/{}/{}", planned.database, planned.collection.id);
        self.wait_until(code::CLUSTER_TIMEOUT, || {
            let tree = self.cluster.tree();
            let current = tree.get(&path).cloned().unwrap_or_default();
            let mut ready = 0;
            for (_, shard) in members(&current) {
                let Some(entry) = shard["indexes"].as_array().and_then(|list| list.iter().find(|index| index["id"] == id)) else {
                    continue;
                };
                if entry["error"].as_bool() == Some(true) {
                    return Err(index_error(entry));
                }
                ready += 1;
            }
            Ok((ready >= planned.shards.len()).then_some(()))
        })
        .await
    }

    /// Unplans an index and waits until the leaders have dropped it.
    pub(super) async fn unplan_index(&self, planned: &PlannedCollection, id: &str) -> Result<()> {
        self.change_indexes(planned, |list| list.retain(|known| known["id"] != id)).await?;
        let path = format!("Current/Collections/{}/{}", planned.database, planned.collection.id);
        self.wait_until(code::CLUSTER_TIMEOUT, || {
            let tree = self.cluster.tree();
            let current = tree.get(&path).cloned().unwrap_or_default();
            let left = members(&current)
                .any(|(_, shard)| shard["indexes"].as_array().is_some_and(|list| list.iter().any(|index| index["id"] == id)));
            Ok((!left).then_some(()))
        })
        .await
    }

    /// Changes the planned list of indexes; repeated while others change it at the same time.
    async fn change_indexes(&self, planned: &PlannedCollection, change: impl Fn(&mut Vec<Json>)) -> Result<()> {
        let (database, id) = (&planned.database, &planned.collection.id);
        let path = format!("Plan/Collections/{database}/{id}/indexes");
        loop {
            let tree = self.cluster.agency.read(&[&path]).await?;
            let old = tree["Plan"]["Collections"][database][id].get("indexes").cloned();
            let old = old.ok_or_else(|| crate::cluster::plan_view::not_found(&planned.collection.name))?;
            let mut list = old.as_array().cloned().unwrap_or_default();
            change(&mut list);
            let transaction = Transaction::new().set(&path, Json::Array(list)).increment("Plan/Version").require(&path, old);
            match self.cluster.agency.write(transaction).await? {
                Outcome::Committed(index) => return self.see(index).await,
                Outcome::PreconditionFailed => self.wait_for_news(Duration::from_millis(20)).await,
            }
        }
    }
}

fn index_error(entry: &Json) -> Error {
    let number = entry["errorNum"].as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(code::INTERNAL.0);
    Error::new(base::Code(number), entry["errorMessage"].as_str().unwrap_or_default().to_owned())
}
