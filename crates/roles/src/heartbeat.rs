//! Heartbeats of coordinators, DB-servers and secondaries (S13, S19, S23).
//!
//! Each beat writes `Sync/ServerStates/<id>` into the agency's transient store, which answers only
//! after a majority of agents has confirmed its leader. A DB-server's lease is counted from the
//! sending of such a beat.

use crate::cluster::Cluster;
use crate::cluster::lease::Lease;
use agency::Transaction;
use rt::shutdown::Shutdown;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// Lease if the agency's supervision has not yet published one: none at all, since nobody knows
/// how fast it fails servers over.
const LEASE_UNKNOWN: Duration = Duration::ZERO;

/// Longest time one beat may take before the next one is tried.
const BEAT_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends heartbeats until shutdown. `status` tells the state to report (`SERVING`, `STARTUP`, …).
pub async fn run(cluster: Arc<Cluster>, lease: Arc<Lease>, status: impl Fn() -> &'static str + Send, shutdown: Shutdown) {
    let path = format!("Sync/ServerStates/{}", cluster.identity.id);
    let mut failures = 0u64;
    while !shutdown.is_triggered() {
        let sent = rt::clock::monotonic();
        let beat = json!({"status": status(), "time": rt::clock::now_iso(), "beat": sent.as_micros() as u64});
        let written = tokio::time::timeout(BEAT_TIMEOUT, cluster.agency.transient(Transaction::new().set(&path, beat))).await;
        match written {
            Ok(Ok(_)) => {
                lease.extend(sent, lease_length(&cluster));
                if failures > 0 {
                    tracing::info!(failures, "heartbeats are accepted again");
                }
                failures = 0;
            }
            Ok(Err(fault)) => failures = note(failures, &fault.to_string()),
            Err(_) => failures = note(failures, "no answer in time"),
        }
        let pause = interval(&cluster).saturating_sub(rt::clock::monotonic().saturating_sub(sent));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.wait() => break,
        }
    }
}

fn note(failures: u64, reason: &str) -> u64 {
    if failures.is_power_of_two() || failures == 0 {
        tracing::warn!(failures = failures + 1, reason, "heartbeat not accepted by the agency");
    }
    failures + 1
}

fn milliseconds(cluster: &Cluster, path: &str) -> Option<Duration> {
    cluster.tree().get(path).and_then(Json::as_u64).map(Duration::from_millis)
}

fn lease_length(cluster: &Cluster) -> Duration {
    milliseconds(cluster, "Sync/LeaseMs").unwrap_or(LEASE_UNKNOWN)
}

/// A third of the lease at most, so that one lost beat does no harm.
fn interval(cluster: &Cluster) -> Duration {
    let wished = milliseconds(cluster, "Sync/HeartbeatIntervalMs").unwrap_or(Duration::from_millis(300));
    let lease = lease_length(cluster);
    let bound = if lease.is_zero() { wished } else { lease / 4 };
    wished.min(bound).max(Duration::from_millis(20))
}
