//! Primary DB-server: holds shards, leads some and follows others (S20–S23, S32–S53).
//!
//! `reconcile` decides and `maintenance` carries out what the Plan asks; `shards` knows our part in
//! each shard; `replication` brings writes to the followers before they commit; `followers` keeps
//! their list in the agency; `synchronize` gets a follower back in sync; `serve` answers the other
//! servers, `shard_sync` the followers among them; `crate::direct` stands behind the HTTP routes.

pub mod followers;
pub mod maintenance;
pub mod reconcile;
pub mod replication;
pub mod serve;
mod shard_sync;
pub mod shards;
mod snippets;
mod synchronize;

use crate::cluster::Cluster;
use crate::cluster::lease::Lease;
use crate::direct::Direct;
use crate::local::{CommitHook, CommitPermit, Local};
use crate::single::{Single, SingleOptions};
use async_trait::async_trait;
use base::Result;
use database::backend::Role;
use maintenance::Maintenance;
use replication::Replicator;
use rt::shutdown::Shutdown;
use shards::Shards;
use std::sync::Arc;
use std::time::Duration;
use storage::{ReplicatedOperation, Storage};

/// How long applying a leader's operations waits for what holds the documents here.
const APPLY_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Settings of a DB-server.
#[derive(Clone, Debug)]
pub struct DbServerOptions {
    /// How long a follower may take to apply a write before it is given up (S39).
    pub replication_timeout: Duration,
    /// Limits of operations and queries.
    pub local: SingleOptions,
}

impl Default for DbServerOptions {
    fn default() -> Self {
        Self { replication_timeout: Duration::from_secs(3), local: SingleOptions { read_only_queries: true, ..SingleOptions::default() } }
    }
}

/// A DB-server.
pub struct DbServer {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) local: Arc<Local>,
    single: Arc<Single>,
    pub(crate) shards: Arc<Shards>,
    lease: Arc<Lease>,
    maintenance: Maintenance,
    locks: shard_sync::Locks,
    snippets: snippets::Snippets,
}

/// Replicates before a transaction commits.
struct ReplicateFirst(Arc<Replicator>);

#[async_trait]
impl CommitHook for ReplicateFirst {
    async fn before_commit(&self, operations: Vec<ReplicatedOperation>) -> Result<CommitPermit> {
        Ok(Box::new(self.0.replicate(operations).await?))
    }
}

impl DbServer {
    /// A DB-server that is registered already.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, storage: Arc<Storage>, options: &DbServerOptions) -> Arc<Self> {
        let lease = Arc::new(Lease::default());
        let shards = Arc::new(Shards::new(Arc::clone(&lease)));
        let replicator = Replicator::new(Arc::clone(&cluster), Arc::clone(&shards), options.replication_timeout);
        let single = Single::with_hook(Arc::clone(&storage), Some(Arc::new(ReplicateFirst(replicator))), options.local.clone());
        Arc::new(Self {
            cluster,
            storage,
            local: Arc::clone(single.local()),
            single,
            shards,
            lease,
            maintenance: Maintenance::default(),
            locks: shard_sync::Locks::default(),
            snippets: snippets::Snippets::default(),
        })
    }

    /// Direct access to what is stored here, as clients of this very server see it.
    #[must_use]
    pub fn direct(self: &Arc<Self>) -> Arc<Direct> {
        let shards = Arc::clone(&self.shards);
        let may_read = move |name: &str| shards.get(name).is_none() || shards.led(name).is_ok();
        Arc::new(Direct::new(Arc::clone(&self.single), Role::DbServer, self.id(), Box::new(may_read)))
    }

    /// Id of this server.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.cluster.identity.id
    }

    /// The lease that heartbeats extend; whoever starts the server runs them.
    #[must_use]
    pub fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease)
    }

    /// Maintenance until shutdown.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let streams = tokio::spawn(snippets::sweep(Arc::clone(&self), shutdown.clone()));
        let sweeps = tokio::spawn(Arc::clone(&self.single).sweep_until(shutdown.clone()));
        let shards = Arc::clone(&self.shards);
        let may_expire = Arc::new(move |_: &str, collection: &storage::LocalCollection| shards.led(&collection.name()).is_ok());
        let expiry = tokio::spawn(Arc::clone(&self.single).expire_until(may_expire, shutdown.clone()));
        maintenance::run(Arc::clone(&self), shutdown).await;
        let _ = tokio::join!(streams, sweeps, expiry);
    }

    /// Runs storage work that may block.
    pub(crate) async fn blocking_storage<T: Send + 'static>(
        &self,
        database: &str,
        work: impl FnOnce(&Storage, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (storage, database) = (Arc::clone(&self.storage), database.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&storage, &database)).await;
        done.map_err(|_| base::Error::internal("storage work was ended"))?
    }

    /// Applies operations of a leader.
    pub(crate) async fn apply(&self, operations: Vec<ReplicatedOperation>, sync: bool) -> Result<()> {
        let storage = Arc::clone(&self.storage);
        let deadline = std::time::Instant::now() + APPLY_LOCK_TIMEOUT;
        let done = tokio::task::spawn_blocking(move || storage.apply(&operations, deadline, sync).map(drop)).await;
        done.map_err(|_| base::Error::internal("storage work was ended"))?
    }

    /// Ends the stream transactions that have touched a shard whose leader changes.
    pub(crate) async fn abort_transactions_on(&self, shard: &str) {
        self.local.abort_transactions_on(shard).await;
    }
}
