//! A server's entry into the cluster (S27, S71–S79): its id, the agency's skeleton, its short name
//! and its registration. Facts: life cycle §1.
//!
//! Invariant: a DB-server whose directory is empty never takes an id that holds data elsewhere. An
//! id belongs to a directory (file `UUID`); a server that was started under a local name it had
//! before, but with an empty directory, gets a new id, so that it cannot become leader of shards
//! it has lost.

use crate::cluster::Identity;
use crate::cluster::plan_view::members;
use agency::{AgencyClient, Outcome, Transaction};
use base::{Error, Result, code};
use rt::endpoint::Endpoint;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Kind of member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// Primary DB-server.
    DbServer,
    /// Coordinator.
    Coordinator,
    /// Asynchronous copy of a DB-server.
    Secondary,
}

impl MemberKind {
    fn plural(self) -> &'static str {
        match self {
            Self::DbServer | Self::Secondary => "DBServers",
            Self::Coordinator => "Coordinators",
        }
    }

    fn short(self) -> &'static str {
        match self {
            Self::DbServer | Self::Secondary => "DBServer",
            Self::Coordinator => "Coordinator",
        }
    }

    fn id_prefix(self) -> &'static str {
        match self {
            Self::DbServer | Self::Secondary => "PRMR",
            Self::Coordinator => "CRDN",
        }
    }
}

/// What a server knows of itself before it registers.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// `--cluster.my-role`, unknown for servers that are started by id only.
    pub kind: Option<MemberKind>,
    /// Id kept in the database directory from an earlier start.
    pub persisted_id: Option<String>,
    /// `--cluster.my-id`.
    pub fixed_id: Option<String>,
    /// `--cluster.my-local-info`.
    pub local_info: Option<String>,
    /// `--cluster.my-address`.
    pub endpoint: Endpoint,
    /// `--cluster.my-advertised-endpoint`.
    pub advertised_endpoint: Option<String>,
    /// Id of the machine, for the health record.
    pub host: String,
}

/// Result of a registration.
#[derive(Clone, Debug)]
pub struct Member {
    /// Kind, as given or as the agency says.
    pub kind: MemberKind,
    /// The server's names and number of starts.
    pub identity: Identity,
}

/// Number of tries at changes that others make at the same time.
const TRIES: u32 = 300;

/// Version of ArangoDB whose interface this server offers.
pub const VERSION: (u32, &str) = (31_206, "3.12.6");

/// Registers a server; waits for the agency as long as it takes.
///
/// Errors: the given role contradicts the agency; an id without a role is unknown to the agency.
pub async fn register(agency: &AgencyClient, candidate: &Candidate) -> Result<Member> {
    create_skeleton(agency).await?;
    let tree = agency.read(&["Plan/DBServers", "Plan/Coordinators"]).await?;
    let kind = kind_of(&tree, candidate)?;
    let id = candidate.persisted_id.clone().or_else(|| candidate.fixed_id.clone()).unwrap_or_else(|| fresh_id(kind));
    if kind != MemberKind::Secondary {
        claim(agency, kind, &id).await?;
    }
    let short_name = match kind {
        MemberKind::Secondary => id.clone(),
        _ => short_name(agency, kind, &id).await?,
    };
    if let Some(info) = &candidate.local_info {
        let path = format!("Target/MapLocalToID/{}", info.replace('/', "%2F"));
        agency.write(Transaction::new().set(&path, json!(id))).await?;
    }
    let reboot_id = announce(agency, kind, &id, candidate).await?;
    Ok(Member { kind, identity: Identity { id, short_name, endpoint: candidate.endpoint.clone(), reboot_id } })
}

fn fresh_id(kind: MemberKind) -> String {
    format!("{}-{}", kind.id_prefix(), uuid::Uuid::new_v4())
}

/// Role by the agency: a key of `Plan/Coordinators` or `Plan/DBServers`, or a value of the latter.
fn role_in(tree: &Json, id: &str) -> Option<MemberKind> {
    let is_key = |kind: &str| tree["Plan"][kind].get(id).is_some();
    let is_value = || members(&tree["Plan"]["DBServers"]).any(|(_, secondary)| secondary.as_str() == Some(id));
    match () {
        () if is_key("Coordinators") => Some(MemberKind::Coordinator),
        () if is_key("DBServers") => Some(MemberKind::DbServer),
        () if is_value() => Some(MemberKind::Secondary),
        () => None,
    }
}

fn kind_of(tree: &Json, candidate: &Candidate) -> Result<MemberKind> {
    let known = candidate.persisted_id.as_ref().or(candidate.fixed_id.as_ref()).and_then(|id| role_in(tree, id));
    match (candidate.kind, known) {
        (Some(MemberKind::DbServer), Some(MemberKind::Secondary)) => Ok(MemberKind::Secondary),
        (Some(given), Some(known)) if given != known => {
            Err(Error::bad_parameter(format!("the agency knows this server as {known:?}, but it was started as {given:?}")))
        }
        (_, Some(known)) => Ok(known),
        (Some(given), None) => Ok(given),
        (None, None) => {
            let id = candidate.fixed_id.as_deref().unwrap_or("without id");
            let hint = "start a secondary only after PUT /_admin/cluster/replaceSecondary, or give --cluster.my-role";
            Err(Error::bad_parameter(format!("unable to determine the role of server {id}: {hint}")))
        }
    }
}

/// Role that the Plan gives an id now; for servers whose role may change while they run.
#[must_use]
pub fn role_by_plan(tree: &agency::Snapshot, id: &str) -> Option<MemberKind> {
    let part = |name: &str| tree.get(&format!("Plan/{name}")).cloned().unwrap_or_default();
    role_in(&json!({"Plan": {"DBServers": part("DBServers"), "Coordinators": part("Coordinators")}}), id)
}

/// Writes the empty tree if there is none; any number of servers may try at the same time.
pub async fn create_skeleton(agency: &AgencyClient) -> Result<()> {
    let existing = agency.read(&["Plan/Version"]).await?;
    if existing.pointer("/Plan/Version").is_some() {
        return Ok(());
    }
    let transaction =
        skeleton().into_iter().fold(Transaction::new().require_absent("Plan"), |transaction, (path, value)| transaction.set(path, value));
    agency.write(transaction).await?;
    Ok(())
}

fn skeleton() -> Vec<(&'static str, Json)> {
    vec![
        ("Agency", json!({"Definition": 1})),
        ("Cluster", json!(uuid::Uuid::new_v4().to_string())),
        ("InitDone", json!(true)),
        (
            "Plan",
            json!({"Version": 1, "Lock": "UNLOCKED", "DBServers": {}, "Coordinators": {}, "Singles": {}, "AsyncReplication": {},
                "Databases": {"_system": {"name": "_system", "id": "1"}}, "Collections": {"_system": {}}, "Views": {"_system": {}},
                "Analyzers": {"_system": {"Revision": 0, "BuildingRevision": 0}}}),
        ),
        (
            "Current",
            json!({"Version": 1, "Lock": "UNLOCKED", "DBServers": {}, "Coordinators": {}, "Singles": {}, "AsyncReplication": {},
                "Databases": {}, "Collections": {"_system": {}}, "NewServers": {}, "ShardsCopied": {}, "ServersKnown": {},
                "ServersRegistered": {"Version": 1}}),
        ),
        ("Sync/LatestID", json!(1_000_000)),
        ("Sync/UserVersion", json!(1)),
        ("Sync/HeartbeatIntervalMs", json!(HEARTBEAT_INTERVAL_MS)),
        ("Sync/Problems", json!({})),
        (
            "Target",
            json!({"Version": 1, "Lock": "UNLOCKED", "NumberOfDBServers": null, "NumberOfCoordinators": null, "CleanedServers": [],
                "ToBeCleanedServers": [], "FailedServers": {}, "MapLocalToID": {}, "MapUniqueToShortID": {}, "ToDo": {}, "Pending": {},
                "Finished": {}, "Failed": {}}),
        ),
    ]
}

/// Default pause between heartbeats: short, because the time to notice a dead server is a small
/// multiple of it.
pub const HEARTBEAT_INTERVAL_MS: u64 = 300;

async fn claim(agency: &AgencyClient, kind: MemberKind, id: &str) -> Result<()> {
    for tree in ["Plan", "Current"] {
        let path = format!("{tree}/{}/{id}", kind.plural());
        let version = format!("{tree}/Version");
        agency.write(Transaction::new().set(&path, json!("none")).increment(&version).require_absent(&path)).await?;
    }
    Ok(())
}

/// The short name that the agency has for this id, or the next free one.
async fn short_name(agency: &AgencyClient, kind: MemberKind, id: &str) -> Result<String> {
    let entry = format!("Target/MapUniqueToShortID/{id}");
    let counter = format!("Target/Latest{}Id", kind.short());
    for _ in 0..TRIES {
        let tree = agency.read(&[&entry, &counter]).await?;
        if let Some(name) = tree["Target"]["MapUniqueToShortID"][id]["ShortName"].as_str() {
            return Ok(name.to_owned());
        }
        let last = tree["Target"][format!("Latest{}Id", kind.short())].as_u64();
        let number = last.unwrap_or(0) + 1;
        let name = format!("{}{number:04}", kind.short());
        let transaction = Transaction::new()
            .set(&entry, json!({"TransactionID": number, "ShortName": name}))
            .set(&counter, json!(number))
            .require_absent(&entry);
        let transaction = match last {
            Some(last) => transaction.require(&counter, json!(last)),
            None => transaction.require_absent(&counter),
        };
        if let Outcome::Committed(_) = agency.write(transaction).await? {
            return Ok(name);
        }
    }
    Err(Error::with_detail(code::CLUSTER_AGENCY_COMMUNICATION_FAILED, "no short name could be taken"))
}

/// Publishes address and version; returns the number of this start.
async fn announce(agency: &AgencyClient, kind: MemberKind, id: &str, candidate: &Candidate) -> Result<u64> {
    let registered = json!({
        "endpoint": candidate.endpoint.to_string(),
        "advertisedEndpoint": candidate.advertised_endpoint.clone().unwrap_or_default(),
        "host": candidate.host,
        "version": VERSION.0,
        "versionString": VERSION.1,
        "engine": "rocksdb",
        "timestamp": rt::clock::now_ms() / 1000,
    });
    let mut transaction = Transaction::new()
        .set(&format!("Current/ServersRegistered/{id}"), registered)
        .increment("Current/ServersRegistered/Version")
        .increment(&format!("Current/ServersKnown/{id}/rebootId"))
        .increment("Current/Version");
    if kind == MemberKind::Secondary {
        let plan = agency.read(&["Plan/DBServers"]).await?;
        let primary = members(&plan["Plan"]["DBServers"]).find(|(_, secondary)| secondary.as_str() == Some(id));
        if let Some((primary, _)) = primary {
            transaction = transaction.set(&format!("Current/DBServers/{primary}"), json!(id));
        }
    }
    agency.write(transaction).await?;
    let known = agency.read(&[&format!("Current/ServersKnown/{id}")]).await?;
    Ok(known["Current"]["ServersKnown"][id]["rebootId"].as_u64().unwrap_or(1))
}

/// Pause between tries while the agency does not answer.
pub const AGENCY_RETRY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: Option<MemberKind>, fixed_id: &str) -> Candidate {
        Candidate {
            kind,
            persisted_id: None,
            fixed_id: (!fixed_id.is_empty()).then(|| fixed_id.to_owned()),
            local_info: None,
            endpoint: Endpoint::parse("tcp://127.0.0.1:1").unwrap(),
            advertised_endpoint: None,
            host: String::new(),
        }
    }

    #[test]
    fn the_role_follows_from_the_plan() {
        let tree = json!({"Plan": {"DBServers": {"PRMR-1": "Secondary001", "PRMR-2": "none"}, "Coordinators": {"CRDN-1": "none"}}});
        let kind = |given, id: &str| kind_of(&tree, &candidate(given, id));
        assert_eq!(kind(None, "Secondary001").unwrap(), MemberKind::Secondary);
        assert_eq!(kind(None, "PRMR-1").unwrap(), MemberKind::DbServer);
        assert_eq!(kind(Some(MemberKind::DbServer), "").unwrap(), MemberKind::DbServer);
        assert!(kind(None, "Secondary009").unwrap_err().message().contains("Secondary009"));
        assert!(kind(Some(MemberKind::Coordinator), "PRMR-2").is_err());
        assert_eq!(kind(Some(MemberKind::DbServer), "Secondary001").unwrap(), MemberKind::Secondary);
    }
}
