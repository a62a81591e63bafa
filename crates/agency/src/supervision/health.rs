//! Health of servers: GOOD, BAD after the ok threshold, FAILED after the grace period.
//!
//! A server is alive when its entry in the transient `Sync/ServerStates` is written; what it says
//! about the time does not matter, only the clock of this leader does. After an election every server
//! has the whole grace period anew.

use super::{Cx, Supervisor};
use crate::node::Node;
use crate::transaction::Transaction;
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// What is known about a server in this term.
#[derive(Debug)]
pub struct Seen {
    /// Its last entry; writing it again makes another allocation.
    beat: Option<Node>,
    /// Monotonic time of the last beat, or when it was first looked for.
    at: Duration,
    /// Since when it is FAILED.
    pub failed_since: Option<Duration>,
}

/// Roles with their names in `Plan` and in health records.
const ROLES: [(&str, &str); 3] = [("DBServers", "DBServer"), ("Coordinators", "Coordinator"), ("Singles", "Single")];

impl Supervisor {
    /// Checks all planned servers; answers what goes into the transient store.
    pub(super) fn check_health(&mut self, cx: &mut Cx<'_>) -> Transaction {
        let mut transient = Transaction::new();
        let mut planned = Vec::new();
        for (plan, role) in ROLES {
            let servers: Vec<String> =
                cx.tree.at(&format!("Plan/{plan}")).into_iter().flat_map(Node::children).map(|(id, _)| id.to_owned()).collect();
            for id in servers {
                transient = self.check_server(cx, &id, role, transient);
                planned.push(id);
            }
        }
        self.servers.retain(|id, _| planned.contains(id));
        let known = cx.tree.at("Supervision/Health").into_iter().flat_map(Node::children);
        let gone: Vec<String> = known.map(|(id, _)| id.to_owned()).filter(|id| !planned.contains(id)).collect();
        for id in gone {
            let forget = Transaction::new().delete(&format!("Supervision/Health/{id}")).delete(&format!("Target/FailedServers/{id}"));
            cx.push(ROLES.iter().fold(forget, |forget, (plan, _)| forget.require_absent(&format!("Plan/{plan}/{id}"))));
        }
        transient
    }

    fn check_server(&mut self, cx: &mut Cx<'_>, id: &str, role: &str, transient: Transaction) -> Transaction {
        let now = cx.input.monotonic;
        let since = self.since;
        let beat = cx.input.transient.at(&format!("Sync/ServerStates/{id}"));
        let seen = self.servers.entry(id.to_owned()).or_insert_with(|| {
            // A server that was there before this term has been silent since its beginning.
            let known = cx.tree.at(&format!("Supervision/Health/{id}")).is_some();
            Seen { beat: None, at: if known { since } else { now }, failed_since: None }
        });
        let alive = match (beat, &seen.beat) {
            (Some(beat), Some(known)) => !beat.same(known),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if alive {
            seen.at = now;
            seen.beat = beat.cloned();
        }
        let silence = now.saturating_sub(seen.at);
        let options = &cx.input.options;
        let old = cx.tree.str_at(&format!("Supervision/Health/{id}/Status")).unwrap_or("UNCLEAR").to_owned();
        let reported = seen.beat.is_some();
        let protected = now < self.protected_until;
        let status = match old.as_str() {
            _ if silence <= options.ok_threshold && reported => "GOOD",
            // Nothing heard yet, nothing to complain about yet.
            old if silence <= options.ok_threshold => old,
            "FAILED" => "FAILED",
            // FAILED only from BAD, so that never one late beat alone decides.
            "BAD" if silence > options.grace_period && !protected => "FAILED",
            _ => "BAD",
        };
        seen.failed_since = if status == "FAILED" { seen.failed_since.or(Some(now)) } else { None };
        if status == "UNCLEAR" {
            return transient;
        }
        let record = record(cx.tree, id, role, status, beat);
        let path = format!("Supervision/Health/{id}");
        write_record(cx, id, role, &old, status, &record);
        let mut live = record;
        if let Some(beat) = seen.beat.as_ref() {
            live.insert("SyncTime".into(), json!(beat.str_at("time").unwrap_or_default()));
            live.insert("SyncStatus".into(), json!(beat.str_at("status").unwrap_or("UNKNOWN")));
        }
        let acked_ms = cx.input.now_ms.saturating_sub(silence.as_millis() as u64);
        live.insert("LastAckedTime".into(), json!(rt::clock::iso(acked_ms)));
        live.insert("Timestamp".into(), json!(cx.now()));
        transient.set(&path, Json::Object(live))
    }
}

/// The part of the record that is the same in both stores and changes rarely.
fn record(tree: &Node, id: &str, role: &str, status: &str, beat: Option<&Node>) -> Map<String, Json> {
    let registered = tree.at(&format!("Current/ServersRegistered/{id}"));
    let text = |name: &str| registered.and_then(|node| node.str_at(name)).unwrap_or_default();
    let mut record = Map::new();
    let short = tree.str_at(&format!("Target/MapUniqueToShortID/{id}/ShortName")).unwrap_or(id);
    record.insert("ShortName".into(), json!(short));
    record.insert("Role".into(), json!(role));
    record.insert("Endpoint".into(), json!(text("endpoint")));
    if !text("advertisedEndpoint").is_empty() {
        record.insert("AdvertisedEndpoint".into(), json!(text("advertisedEndpoint")));
    }
    record.insert("Host".into(), json!(text("host")));
    record.insert("Version".into(), json!(text("versionString")));
    record.insert("Engine".into(), json!(text("engine")));
    record.insert("Status".into(), json!(status));
    record.insert("SyncStatus".into(), json!(beat.and_then(|beat| beat.str_at("status")).unwrap_or("UNKNOWN")));
    record
}

/// Writes the persistent record if something of it has changed, with everything that follows from a
/// change of the status.
fn write_record(cx: &mut Cx<'_>, id: &str, role: &str, old: &str, status: &str, record: &Map<String, Json>) {
    let path = format!("Supervision/Health/{id}");
    let stored = cx.tree.at(&path);
    let unchanged = stored
        .is_some_and(|stored| record.iter().filter(|(name, _)| *name != "SyncStatus").all(|(name, value)| stored.get(name) == Some(value)));
    if unchanged {
        return;
    }
    let mut record = record.clone();
    record.insert("Timestamp".into(), json!(cx.now()));
    let mut transaction = Transaction::new().set(&path, Json::Object(record));
    transaction = match stored {
        Some(stored) if stored.child("Status").is_none() => transaction.require_absent(&format!("{path}/Status")),
        Some(_) => transaction.require(&format!("{path}/Status"), old),
        None => transaction.require_absent(&path),
    };
    let failed = format!("Target/FailedServers/{id}");
    let is_db_server = role == "DBServer";
    if status == "FAILED" && old != "FAILED" {
        tracing::warn!(id, "server is FAILED");
        // The server's own past life ends here, also for those who wait for it.
        transaction = transaction.increment(&format!("Current/ServersKnown/{id}/rebootId")).increment("Current/Version");
        if is_db_server {
            let job = cx.new_id();
            let todo = format!("Target/ToDo/{job}");
            let entry = json!({"type": "failedServer", "server": id, "creator": "supervision", "jobId": job, "timeCreated": cx.now()});
            transaction = transaction.set(&failed, json!({})).set(&todo, entry).require_absent(&todo);
        }
    }
    if status == "GOOD" && old != "GOOD" {
        tracing::info!(id, "server is GOOD");
        if is_db_server && cx.tree.at(&failed).is_some() {
            transaction = transaction.delete(&failed);
        }
    }
    cx.push(transaction);
}
