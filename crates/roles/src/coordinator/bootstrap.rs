//! The first coordinator makes the system collections and the root user (life cycle §1.3).

use super::Coordinator;
use agency::{Outcome, Transaction};
use base::{Result, code};
use database::catalog::{Collection, Index};
use database::{collection_input, database_input};
use serde_json::json;
use std::time::Duration;

/// A coordinator that dies while it bootstraps frees the lock after this time.
const LOCK_TTL: Duration = Duration::from_secs(300);
/// Pause between looks while another coordinator bootstraps, or no DB-server is there yet.
const POLL: Duration = Duration::from_millis(100);

impl Coordinator {
    /// Returns once the cluster's system collections exist, made by this coordinator or another.
    pub async fn bootstrap(&self) -> Result<()> {
        let mine = self.cluster.identity.id.clone();
        loop {
            let tree = self.cluster.agency.read(&["Bootstrap", "SystemCollectionsCreated"]).await?;
            let state = tree["Bootstrap"].as_str().unwrap_or_default();
            if state.ends_with(": done") {
                return Ok(());
            }
            if state.is_empty() && !self.live_db_servers().is_empty() {
                let lock = Transaction::new().set_with_ttl("Bootstrap", json!(mine), LOCK_TTL).require_absent("Bootstrap");
                if let Outcome::Committed(_) = self.cluster.agency.write(lock).await? {
                    return self.bootstrap_as(&mine).await;
                }
            }
            self.wait_for_news(POLL).await;
        }
    }

    async fn bootstrap_as(&self, mine: &str) -> Result<()> {
        let outcome = async {
            self.create_system_collections(database_input::SYSTEM).await?;
            self.create_root_user().await
        }
        .await;
        let finish = match &outcome {
            Ok(()) => Transaction::new().set("SystemCollectionsCreated", json!(true)).set("Bootstrap", json!(format!("{mine}: done"))),
            Err(_) => Transaction::new().delete("Bootstrap"),
        };
        self.cluster.agency.write(finish.require("Bootstrap", json!(mine))).await?;
        outcome
    }

    /// Makes what is missing of a database's system collections: the prototype first, all others
    /// distributed like it.
    pub(super) async fn create_system_collections(&self, database: &str) -> Result<()> {
        let copies = self.options.system_replication_factor.min(u32::try_from(self.usable_db_servers().len()).unwrap_or(u32::MAX)).max(1);
        let mut prototype: Option<String> = None;
        for wanted in database_input::system_collections(database) {
            let existing = self.planned_even_hidden(database, wanted.name);
            let collection = match existing {
                Some(collection) => collection,
                None => {
                    let given = json!({"name": wanted.name, "type": u8::from(wanted.kind), "isSystem": true, "replicationFactor": copies});
                    let mut collection = collection_input::create(&given, &self.options.limits)?;
                    collection.distribute_shards_like.clone_from(&prototype);
                    self.create_planned(database, &collection).await?.collection.clone()
                }
            };
            prototype.get_or_insert(collection.id.clone());
            for (fields, unique) in wanted.indexes {
                let mut index = Index::plain("", "persistent", "", fields, *unique);
                index.sparse = *unique;
                if !collection.indexes.iter().any(|known| known.fields == index.fields)
                    && let Some(planned) = self.cluster.plan().collection_by_id(database, &collection.id)
                {
                    self.plan_index(planned, index).await?;
                }
            }
        }
        Ok(())
    }

    fn planned_even_hidden(&self, database: &str, name: &str) -> Option<Collection> {
        let plan = self.cluster.plan();
        plan.planned_collections(database).find(|planned| planned.collection.name == name).map(|planned| planned.collection.clone())
    }

    async fn create_root_user(&self) -> Result<()> {
        let Some(user) = &self.options.root_user else { return Ok(()) };
        let document = velocypack::Value::from_serde(user);
        let request = database::document::DocumentRequest {
            operation: database::document::Operation::Insert,
            documents: vec![document],
            options: database::document::DocumentOptions::default(),
        };
        let cx = database::Context::superuser();
        let plan = self.cluster.plan();
        let users = plan.collection(database_input::SYSTEM, "_users")?;
        let mut results = self.shard_documents(&cx, users, request).await?;
        match results.items.pop() {
            Some(Err(fault)) if fault.code() != code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED => Err(fault),
            _ => Ok(()),
        }
    }
}
