//! An agent: pool discovery, Raft, the HTTP interface `/_api/agency/*` and `/_api/agency_priv/*`, and
//! what only the leader does (expiry, supervision, calls to observers).
//!
//! [`Agent::start`] returns at once; the agent answers requests from then on (with 503 while it has
//! no leader) and works until the shutdown is triggered. Requests are answered in `server/requests.rs`
//! (reads and writes), `server/poll.rs` (change feed) and `server/inspect.rs` (configuration, state).
//!
//! Invariant: no answer shows anything that was not committed, and no read is older than the moment
//! at which it arrived.

mod inspect;
mod lead;
mod observers;
mod poll;
mod raft_run;
mod requests;
mod transient;
mod velocypack_body;

use crate::client::TokenSource;
use crate::pool::{self, Pool};
use crate::raft::log::LogStore;
use crate::raft::machine::Machine;
use crate::raft::network::{self, Addresses, Network};
use crate::raft::propose::{Proposer, Slot};
use crate::raft::{Raft, number_of};
use crate::supervision;
use async_trait::async_trait;
use base::{Error, Result};
use parking_lot::{Mutex, RwLock};
use rt::endpoint::Endpoint;
use rt::http::{Client, Handler, Method, Request, Response};
use rt::shutdown::Shutdown;
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use transient::Transient;

/// How an agent is started.
#[derive(Clone)]
pub struct AgentOptions {
    /// Database directory: `UUID` is there, everything else in its folder `agency`.
    pub directory: PathBuf,
    /// Address under which other servers reach this agent (`--agency.my-address`).
    pub endpoint: Endpoint,
    /// Agents to ask for the others (`--agency.endpoint`); the own address may be among them.
    pub peers: Vec<Endpoint>,
    /// Number of agents, odd.
    pub size: usize,
    /// Shortest time without a leader after which an election begins.
    pub election_timeout_min: Duration,
    /// Longest time without a leader after which an election begins.
    pub election_timeout_max: Duration,
    /// Sync every write to disk before it counts.
    pub wait_for_sync: bool,
    /// Transactions after which the log is compacted.
    pub compaction_step_size: u64,
    /// Transactions kept in the log behind a snapshot.
    pub compaction_keep_size: u64,
    /// Id for an agent that replaces a lost one.
    pub disaster_recovery_id: Option<String>,
    /// Act as supervision while leading; `None` for `--agency.supervision false`.
    pub supervision: Option<supervision::Options>,
    /// Token for the other agents.
    pub auth: Option<TokenSource>,
}

impl AgentOptions {
    /// Defaults for an agent at `endpoint` with its data in `directory`.
    #[must_use]
    pub fn new(directory: PathBuf, endpoint: Endpoint) -> Self {
        Self {
            directory,
            endpoint,
            peers: Vec::new(),
            size: 1,
            election_timeout_min: Duration::from_millis(1000),
            election_timeout_max: Duration::from_millis(2000),
            wait_for_sync: true,
            compaction_step_size: 1000,
            compaction_keep_size: 50_000,
            disaster_recovery_id: None,
            supervision: None,
            auth: None,
        }
    }
}

/// A running agent; clones are handles to the same one.
#[derive(Clone)]
pub struct Agent {
    inner: Arc<Inner>,
}

struct Inner {
    options: AgentOptions,
    id: String,
    number: u64,
    pool: Pool,
    network: Network,
    slot: Slot,
    machine: Machine,
    /// The log of the running Raft.
    log: RwLock<Option<LogStore>>,
    proposer: Proposer,
    transient: Mutex<Transient>,
    /// Client ids of writes that are on their way, with how often.
    in_flight: Mutex<HashMap<Arc<str>, usize>>,
    settled: Notify,
    /// Term in which this agent leads.
    leading: watch::Sender<Option<Leading>>,
    supervision: RwLock<supervision::Options>,
    /// Wakes the supervision.
    wake: Notify,
    shutdown: Shutdown,
}

/// Since when this agent leads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leading {
    /// Raft's term.
    pub term: u64,
    /// Monotonic time of the election.
    pub since: Duration,
}

/// Who leads, as far as this agent knows.
enum Leader {
    Me,
    Other(Endpoint),
    Unknown,
}

impl Agent {
    /// Starts an agent in the present runtime.
    pub async fn start(options: AgentOptions, http: Client, shutdown: Shutdown) -> Result<Self> {
        pool::check_size(options.size)?;
        if options.election_timeout_min >= options.election_timeout_max {
            return Err(Error::bad_parameter("agency: --agency.election-timeout-max must be larger than --agency.election-timeout-min"));
        }
        let directory = options.directory.join("agency");
        let io = |error: std::io::Error| Error::internal(format!("agency: {}: {error}", directory.display()));
        std::fs::create_dir_all(&directory).map_err(io)?;
        let id = pool::own_id(&options.directory, options.disaster_recovery_id.as_deref()).map_err(io)?;
        let addresses = Addresses::default();
        let pool = Pool::open(&directory, &id, options.endpoint.clone(), options.size, addresses.clone())?;
        let (observed, notifications) = tokio::sync::mpsc::channel(observers::QUEUE);
        let machine = Machine::open(&directory, observed).map_err(io)?;
        let slot = Slot::default();
        let inner = Arc::new(Inner {
            number: number_of(&id),
            id,
            pool,
            network: Network::new(http, addresses, options.auth.clone()),
            proposer: Proposer::start(slot.clone(), &shutdown),
            slot,
            machine,
            log: RwLock::new(None),
            transient: Mutex::default(),
            in_flight: Mutex::default(),
            settled: Notify::new(),
            leading: watch::Sender::new(None),
            supervision: RwLock::new(options.supervision.clone().unwrap_or_default()),
            wake: Notify::new(),
            shutdown: shutdown.clone(),
            options,
        });
        let agent = Self { inner };
        agent.spawn(agent.clone().run_raft());
        agent.spawn(agent.clone().gossip_for_ever());
        agent.spawn(agent.clone().lead_for_ever());
        agent.spawn(agent.clone().compact_for_ever());
        agent.spawn(agent.clone().call_observers(notifications));
        Ok(agent)
    }

    /// Runs `work` until the shutdown.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.inner.shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                () = shutdown.wait() => {}
            }
        });
    }

    /// `AGNT-<uuid>`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The term in which this agent leads; changes with every election.
    #[must_use]
    pub fn leading(&self) -> watch::Receiver<Option<Leading>> {
        self.inner.leading.subscribe()
    }

    fn raft(&self) -> Option<Raft> {
        self.inner.slot.read().clone()
    }

    fn leader(&self) -> Leader {
        let Some(raft) = self.raft() else { return Leader::Unknown };
        let leader = raft.server_metrics().borrow().current_leader;
        match leader {
            None => Leader::Unknown,
            Some(number) if number == self.inner.number => {
                if self.is_cut_off() {
                    Leader::Unknown
                } else {
                    Leader::Me
                }
            }
            Some(number) => self.inner.pool.member(number).map_or(Leader::Unknown, |(_, endpoint)| Leader::Other(endpoint)),
        }
    }

    /// True if this agent believes to lead but has not heard of a majority for too long.
    fn is_cut_off(&self) -> bool {
        let leading = self.inner.leading.borrow().as_ref().map(|leading| leading.since);
        let Some(since) = leading else { return false };
        let age = rt::clock::monotonic().saturating_sub(since).min(self.inner.proposer.confirmed_age());
        age > self.inner.options.election_timeout_max
    }

    /// The answer to give unless this agent leads: 307 to the leader or 503 without one.
    fn elsewhere(&self, request: &Request) -> Option<Response> {
        match self.leader() {
            Leader::Me => None,
            Leader::Unknown => Some(no_leader()),
            Leader::Other(endpoint) => {
                let mut location = format!("{}{}", endpoint.http_url().trim_end_matches('/'), request.path);
                for (at, (name, value)) in request.query.iter().enumerate() {
                    let separator = if at == 0 { '?' } else { '&' };
                    location.push_str(&format!("{separator}{name}={value}"));
                }
                Some(Response::empty(307).with_header("location", location))
            }
        }
    }

    async fn agency(&self, name: &str, request: &Request) -> Response {
        let post = request.method == Method::POST;
        let get = request.method == Method::GET || request.method == Method::HEAD;
        match name {
            "write" if post => self.write(request).await,
            "read" if post || get => self.read(request).await,
            "transact" if post => self.transact(request).await,
            "transient" if post => self.transient(request).await,
            "inquire" if post => self.inquire(request).await,
            "poll" if get => self.poll(request).await,
            "config" => self.config(request),
            "state" if get => self.state(request),
            "stores" if get => self.stores(),
            "store" if post => self.store_at(request),
            "write" | "read" | "transact" | "transient" | "inquire" | "poll" | "state" | "stores" | "store" => {
                failure(405, 405, "method not supported")
            }
            _ => failure(404, 405, "unknown agency method"),
        }
    }

    async fn private(&self, name: &str, request: &Request) -> Response {
        match name {
            "gossip" => self.hear_gossip(request),
            "inform" => Response::json(200, &self.configuration()),
            _ => {
                let Some(raft) = self.raft() else { return no_leader() };
                let answer = network::receive(&raft, self.inner.number, name, request).await;
                answer.unwrap_or_else(|| failure(404, 404, "unknown path"))
            }
        }
    }
}

#[async_trait]
impl Handler for Agent {
    async fn handle(&self, mut request: Request) -> Response {
        if let Err(response) = velocypack_body::take(&mut request) {
            return *response;
        }
        let wanted = velocypack_body::is_wanted(&request);
        let response = self.dispatch(request).await;
        if wanted { velocypack_body::give(response) } else { response }
    }
}

impl Agent {
    async fn dispatch(&self, request: Request) -> Response {
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["_api", "agency", name] => self.agency(name, &request).await,
            ["_api", "agency_priv", name] => self.private(name, &request).await,
            _ => failure(404, 404, "unknown path"),
        }
    }
}

fn message(status: u16, text: &str) -> Response {
    Response::json(status, &json!({ "message": text }))
}

fn failure(status: u16, number: u32, text: &str) -> Response {
    Response::json(status, &json!({"error": true, "code": status, "errorNum": number, "errorMessage": text}))
}

fn no_leader() -> Response {
    message(503, "No leader")
}
