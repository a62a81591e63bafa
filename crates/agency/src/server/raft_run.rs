//! From the pool to a running Raft: gossip until the pool is complete, start Raft, start it again
//! after its disk failed.

use super::{Agent, Leading};
use crate::raft::log::LogStore;
use crate::raft::network::{PREFIX, headers};
use crate::raft::{Member, Raft, number_of};
use base::{Error, Result};
use futures_util::future::join_all;
use openraft::{Config, ServerState, SnapshotPolicy};
use rt::endpoint::Endpoint;
use rt::http::{Bytes, Method};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const GOSSIP_PAUSE_MIN: Duration = Duration::from_millis(100);
const GOSSIP_PAUSE_MAX: Duration = Duration::from_millis(2500);
/// Pause of gossip once the agency works.
const GOSSIP_PAUSE_CALM: Duration = Duration::from_secs(10);
const GOSSIP_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before Raft is started again after its disk failed.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How often the log is looked at for compaction.
const COMPACTION_CHECK: Duration = Duration::from_secs(1);
/// Shortest time between two snapshots, unless the log is large.
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(10);
/// A log of this size is compacted at once.
const LOG_BYTES_MAX: usize = 24 << 20;
/// Limit: bytes of entries kept behind a snapshot.
const KEEP_BYTES_MAX: usize = 8 << 20;

impl Agent {
    /// Tells the others what this agent knows and hears what they know, for as long as it runs.
    pub(super) async fn gossip_for_ever(self) {
        let mut pause = GOSSIP_PAUSE_MIN;
        loop {
            let all_answered = self.gossip().await;
            let calm = all_answered && self.inner.pool.is_ready();
            tokio::time::sleep(if calm { GOSSIP_PAUSE_CALM } else { pause }).await;
            pause = if self.inner.pool.is_ready() { (pause * 2).min(GOSSIP_PAUSE_MAX) } else { (pause * 3 / 2).min(GOSSIP_PAUSE_MAX / 5) };
        }
    }

    /// One round; true if every member answered.
    async fn gossip(&self) -> bool {
        let own = &self.inner.options.endpoint;
        let members = self.inner.pool.members();
        let mut targets: Vec<Endpoint> = self.inner.options.peers.clone();
        targets.extend(members.values().cloned());
        targets.sort_by_key(ToString::to_string);
        targets.dedup();
        let text = Bytes::from(self.inner.pool.message().to_string());
        let calls = targets.iter().filter(|target| *target != own).map(|target| self.gossip_with(target, text.clone()));
        let heard: BTreeSet<String> = join_all(calls).await.into_iter().flatten().collect();
        members.keys().all(|id| *id == self.inner.id || heard.contains(id))
    }

    /// The id of the agent at `target` if it answered.
    async fn gossip_with(&self, target: &Endpoint, text: Bytes) -> Option<String> {
        let headers = headers(self.inner.options.auth.as_ref());
        let path = format!("{PREFIX}/gossip");
        let sent = self.inner.network.http.send(target, Method::POST, &path, headers, text, GOSSIP_TIMEOUT).await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(%target, %error, "no gossip");
                return None;
            }
        };
        let answer: Json = serde_json::from_slice(&response.body).ok()?;
        if response.status != 200 {
            tracing::warn!(%target, status = response.status, %answer, "gossip is refused");
            return None;
        }
        if let Err(error) = self.inner.pool.hear(&answer) {
            tracing::warn!(%target, %error, "gossip is not understood");
            return None;
        }
        answer.get("id").and_then(Json::as_str).map(str::to_owned)
    }

    /// Runs Raft as soon as the pool is complete, and again after its disk failed.
    pub(super) async fn run_raft(self) {
        while !self.inner.pool.is_ready() {
            tokio::time::sleep(GOSSIP_PAUSE_MIN / 4).await;
        }
        loop {
            match self.start_raft().await {
                Ok(raft) => {
                    *self.inner.slot.write() = Some(raft.clone());
                    self.watch_raft(&raft).await;
                    *self.inner.slot.write() = None;
                    self.set_leading(None);
                    // The error is in the log already; shutting down releases the files.
                    let _ = raft.shutdown().await;
                }
                Err(error) => tracing::error!(%error, "Raft cannot be started, trying again"),
            }
            tokio::time::sleep(RESTART_PAUSE).await;
        }
    }

    async fn start_raft(&self) -> Result<Raft> {
        let directory = self.inner.options.directory.join("agency");
        let sync = self.inner.options.wait_for_sync;
        let log = tokio::task::spawn_blocking(move || LogStore::open(&directory, sync)).await;
        let log = log.map_err(|error| Error::internal(error.to_string()))?.map_err(|error| Error::internal(error.to_string()))?;
        let config = Arc::new(self.raft_config()?);
        let (network, machine) = (self.inner.network.clone(), self.inner.machine.clone());
        *self.inner.log.write() = Some(log.clone());
        let raft = Raft::new(self.inner.number, config, network, log, machine).await;
        let raft = raft.map_err(|error| Error::internal(error.to_string()))?;
        let initialized = raft.is_initialized().await.map_err(|error| Error::internal(error.to_string()))?;
        if !initialized {
            let ids = self.inner.pool.members().into_keys();
            let members: BTreeMap<u64, Member> = ids.map(|id| (number_of(&id), Member { id })).collect();
            raft.initialize(members).await.map_err(|error| Error::internal(error.to_string()))?;
        }
        self.inner.pool.started()?;
        Ok(raft)
    }

    fn raft_config(&self) -> Result<Config> {
        let options = &self.inner.options;
        // openraft starts an election after its maximum plus a random time between its two limits;
        // halves make that the time between our two limits.
        let min = (options.election_timeout_min.as_millis() as u64 / 2).max(20);
        let max = (options.election_timeout_max.as_millis() as u64 / 2).max(min + 1);
        let config = Config {
            cluster_name: "agency".into(),
            election_timeout_min: min,
            election_timeout_max: max,
            heartbeat_interval: (min * 2 / 5).clamp(10, 300),
            install_snapshot_timeout: 10_000,
            max_payload_entries: 256,
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: options.compaction_keep_size,
            ..Config::default()
        };
        config.validate().map_err(|error| Error::bad_parameter(format!("agency: {error}")))
    }

    /// Follows Raft's state until it stops.
    async fn watch_raft(&self, raft: &Raft) {
        let mut metrics = raft.metrics();
        loop {
            let (term, leads) = {
                let now = metrics.borrow_and_update();
                if let Err(error) = &now.running_state {
                    tracing::error!(%error, "Raft has stopped");
                    return;
                }
                (now.current_term, now.state == ServerState::Leader && now.current_leader == Some(self.inner.number))
            };
            self.set_leading(leads.then_some(term));
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    fn set_leading(&self, term: Option<u64>) {
        self.inner.leading.send_if_modified(|leading| {
            if leading.map(|leading| leading.term) == term {
                return false;
            }
            // A new term begins without heartbeats from the one before.
            self.inner.transient.lock().clear();
            *leading = term.map(|term| Leading { term, since: rt::clock::monotonic() });
            match term {
                Some(term) => tracing::info!(id = self.inner.id, term, "this agent leads the agency"),
                None => tracing::info!(id = self.inner.id, "this agent does not lead the agency any more"),
            }
            true
        });
    }

    /// Ends Raft cleanly; the shutdown signal ends everything else.
    pub async fn stop(&self) {
        self.inner.shutdown.trigger();
        let raft = self.inner.slot.write().take();
        *self.inner.log.write() = None;
        if let Some(raft) = raft
            && let Err(error) = raft.shutdown().await
        {
            tracing::warn!(%error, "Raft did not end cleanly");
        }
    }

    /// Makes snapshots and cuts the log.
    pub(super) async fn compact_for_ever(self) {
        let mut last = (self.inner.machine.index(), rt::clock::monotonic());
        loop {
            tokio::time::sleep(COMPACTION_CHECK).await;
            let log = self.inner.log.read().clone();
            let (Some(raft), Some(log)) = (self.raft(), log) else { continue };
            let index = self.inner.machine.index();
            let (_, bytes) = log.size();
            let due = index.saturating_sub(last.0) >= self.inner.options.compaction_step_size;
            let calm = rt::clock::monotonic().saturating_sub(last.1) >= SNAPSHOT_PAUSE;
            if (due && calm) || bytes > LOG_BYTES_MAX {
                last = (index, rt::clock::monotonic());
                if let Err(error) = raft.trigger().snapshot().await {
                    tracing::warn!(%error, "no snapshot");
                }
            }
            let keep = usize::try_from(self.inner.options.compaction_keep_size).unwrap_or(usize::MAX);
            let covered = raft.metrics().borrow().snapshot.map(|log_id| log_id.index);
            if let (Some(upto), Some(covered)) = (log.surplus(keep, KEEP_BYTES_MAX), covered)
                && let Err(error) = raft.trigger().purge_log(upto.min(covered)).await
            {
                tracing::warn!(%error, "the log is not cut");
            }
        }
    }
}
