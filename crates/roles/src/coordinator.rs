//! Coordinator: takes any client request, finds the data's leaders, plans queries over them
//! (S14–S19). Keeps nothing that must survive it.
//!
//! `documents` routes document operations, `source` and `queries` run AQL, `databases`,
//! `collections`, `indexes` change the Plan, `admin` answers administrators, `transactions` knows
//! who takes part in which stream transaction, `bootstrap` fills a new cluster.

mod admin;
mod bootstrap;
mod collections;
mod databases;
mod documents;
mod indexes;
mod queries;
mod source;
mod statistics;
pub mod transactions;
mod verbs;

use crate::cluster::Cluster;
use crate::cluster::unique_ids::UniqueIds;
use crate::query::Queries;
use database::collection_input::CollectionLimits;
use rt::shutdown::Shutdown;
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
use transactions::ClusterTransactions;

/// Pause between two rounds of forgetting what has expired.
const SWEEP: Duration = Duration::from_secs(1);

/// Settings of a coordinator.
#[derive(Clone, Debug)]
pub struct CoordinatorOptions {
    /// Copies of system collections (`--cluster.system-replication-factor`).
    pub system_replication_factor: u32,
    /// Bounds and defaults of new collections.
    pub limits: CollectionLimits,
    /// The `_users` document of root, made once; `None` leaves `_users` empty.
    pub root_user: Option<Json>,
}

/// A coordinator.
pub struct Coordinator {
    pub(crate) cluster: Arc<Cluster>,
    ids: UniqueIds,
    transactions: ClusterTransactions,
    queries: Arc<Queries>,
    options: CoordinatorOptions,
    /// The coordinator itself, for work that outlives a call.
    me: std::sync::Weak<Coordinator>,
}

impl Coordinator {
    /// A coordinator that is registered already.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, queries: Arc<Queries>, options: CoordinatorOptions) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            cluster,
            ids: UniqueIds::default(),
            transactions: ClusterTransactions::default(),
            queries,
            options,
            me: me.clone(),
        })
    }

    /// Forgets idle cursors until shutdown.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        while tokio::time::timeout(SWEEP, shutdown.wait()).await.is_err() {
            self.queries.sweep();
        }
    }
}
