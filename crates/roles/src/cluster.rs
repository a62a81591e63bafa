//! What every member of a cluster shares: its identity, the way to the agency, the parsed Plan,
//! and calls to the other servers.
//!
//! Neighbours: `registration` makes the identity, `heartbeat` keeps it alive, `coordinator`,
//! `dbserver` and `secondary` build on this handle.

pub mod lease;
pub mod plan_view;
pub mod server_names;
pub mod unique_ids;

use agency::{AgencyCache, AgencyClient, Snapshot};
use base::{Error, Result, code};
use parking_lot::RwLock;
use plan_view::PlanView;
use rt::endpoint::Endpoint;
use rt::http::{Bytes, HeaderMap, HeaderValue, Method};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
use velocypack::Value;

/// Content type of messages between servers.
pub const VELOCYPACK: HeaderValue = HeaderValue::from_static("application/x-velocypack");

/// Makes the bearer token that servers show one another; `None` while authentication is off.
pub type TokenSource = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Who this server is in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `PRMR-…`, `CRDN-…` or the fixed id of a secondary.
    pub id: String,
    /// `DBServer0001`, `Coordinator0001`; the id for secondaries.
    pub short_name: String,
    /// Announced address.
    pub endpoint: Endpoint,
    /// Number of this start.
    pub reboot_id: u64,
}

/// Handle shared by all parts of a role.
pub struct Cluster {
    /// This server.
    pub identity: Identity,
    /// Writes to the agency.
    pub agency: AgencyClient,
    /// The agency's tree as this server knows it.
    pub cache: Arc<AgencyCache>,
    http: rt::http::Client,
    token: TokenSource,
    plan: RwLock<Arc<PlanView>>,
}

impl Cluster {
    /// Puts the handle together; the cache must be running.
    #[must_use]
    pub fn new(identity: Identity, agency: AgencyClient, cache: Arc<AgencyCache>, http: rt::http::Client, token: TokenSource) -> Arc<Self> {
        Arc::new(Self { identity, agency, cache, http, token, plan: RwLock::default() })
    }

    /// The agency's tree now.
    #[must_use]
    pub fn tree(&self) -> Arc<Snapshot> {
        self.cache.snapshot()
    }

    /// The parsed Plan, made anew when its version has changed.
    #[must_use]
    pub fn plan(&self) -> Arc<PlanView> {
        let tree = self.tree();
        let version = tree.get("Plan/Version").and_then(Json::as_u64).unwrap_or(0);
        let known = Arc::clone(&self.plan.read());
        if known.version == version {
            return known;
        }
        let parsed = Arc::new(tree.get("Plan").map(PlanView::parse).unwrap_or_default());
        let mut slot = self.plan.write();
        if slot.version < parsed.version {
            *slot = Arc::clone(&parsed);
        }
        Arc::clone(&slot)
    }

    /// Address of a server; 1478 if it is not registered.
    pub fn endpoint(&self, server: &str) -> Result<Endpoint> {
        let tree = self.tree();
        let address = tree.get(&format!("Current/ServersRegistered/{server}/endpoint")).and_then(Json::as_str);
        let address = address.ok_or_else(|| Error::with_detail(code::CLUSTER_BACKEND_UNAVAILABLE, format!("no address of {server}")))?;
        Endpoint::parse(address)
    }

    /// Sends a message to another server and waits for its answer.
    ///
    /// Errors: those of the peer; 1478 if the peer surely did not process the message; 1457 if
    /// that is unknown.
    pub async fn call(&self, server: &str, path: &str, message: &Value, timeout: Duration) -> Result<Value> {
        let endpoint = self.endpoint(server)?;
        let body = Bytes::copy_from_slice(message.as_bytes());
        self.call_endpoint(&endpoint, path, body, timeout).await
    }

    /// Like [`Cluster::call`], to an address.
    pub async fn call_endpoint(&self, endpoint: &Endpoint, path: &str, body: Bytes, timeout: Duration) -> Result<Value> {
        let answer = self.call_bytes(endpoint, path, body, timeout).await?;
        Value::from_bytes(&answer).map_err(|_| crate::wire::malformed("answer"))
    }

    /// Like [`Cluster::call_endpoint`], for answers that are no values.
    pub async fn call_bytes(&self, endpoint: &Endpoint, path: &str, body: Bytes, timeout: Duration) -> Result<Bytes> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", VELOCYPACK);
        if let Some(token) = (self.token)() {
            let value = HeaderValue::try_from(format!("bearer {token}")).map_err(|_| Error::internal("token is no header value"))?;
            headers.insert("authorization", value);
        }
        let sent = self.http.send(endpoint, Method::POST, path, headers, body, timeout).await;
        let response = sent.map_err(|fault| send_error(endpoint, &fault))?;
        crate::wire::check_answer(response.status, &response.body)?;
        Ok(response.body)
    }
}

fn send_error(endpoint: &Endpoint, fault: &rt::http::SendError) -> Error {
    use rt::http::SendError;
    match fault {
        SendError::NotSent(reason) => Error::with_detail(code::CLUSTER_BACKEND_UNAVAILABLE, format!("{endpoint}: {reason}")),
        SendError::Unknown(reason) => Error::with_detail(code::CLUSTER_CONNECTION_LOST, format!("{endpoint}: {reason}")),
        SendError::Timeout => Error::with_detail(code::CLUSTER_TIMEOUT, endpoint).status(503),
    }
}

/// Was the operation surely not carried out, so that repeating it is harmless?
#[must_use]
pub fn surely_not_done(error: &Error) -> bool {
    [
        code::CLUSTER_BACKEND_UNAVAILABLE,
        code::CLUSTER_NOT_LEADER,
        code::CLUSTER_SHARD_LEADER_RESIGNED,
        code::CLUSTER_LEADERSHIP_CHALLENGE_ONGOING,
        code::STARTING_UP,
        code::SHUTTING_DOWN,
    ]
    .contains(&error.code())
}
