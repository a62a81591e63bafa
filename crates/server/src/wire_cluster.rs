//! The members of a cluster, put together: coordinator, DB-server, secondary.
//!
//! All of them register with the agency first and wait for it as long as it takes. A DB-server and
//! a secondary may change places while they run (`swapPrimaryAndSecondary`): the storage stays
//! open, the role on top of it is exchanged.

use crate::launch::{self, Launch, Service};
use crate::wire_single::api_options;
use crate::{authentication, store};
use agency::{AgencyCache, AgencyClient};
use api::auth::{Authenticator, Disabled, Secrets, ServersOnly};
use api::{Api, Guard};
use async_trait::async_trait;
use base::revision::HybridClock;
use database::backend::Role;
use database::collection_input::CollectionLimits;
use parking_lot::RwLock;
use roles::cluster::lease::Lease;
use roles::cluster::{Cluster, TokenSource};
use roles::coordinator::{Coordinator, CoordinatorOptions};
use roles::dbserver::serve::{PREFIX, PeerRoutes};
use roles::dbserver::{DbServer, DbServerOptions};
use roles::direct::Direct;
use roles::heartbeat;
use roles::local::workers::Workers;
use roles::query::Queries;
use roles::registration::{AGENCY_RETRY, Candidate, Member, MemberKind, register, role_by_plan};
use roles::secondary::{Secondary, leave_secondary_role};
use roles::single::{Single, SingleOptions};
use rt::endpoint::Endpoint;
use rt::http::{Client, ClientOptions, Handler, Request, Response};
use rt::shutdown::Shutdown;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use storage::Storage;

/// Starts a member of a cluster; returns when it can take requests.
pub async fn start(launch: &Launch) -> Result<Service, String> {
    let secrets = shared_secrets(launch)?;
    let http = Client::new(ClientOptions::default());
    let token = token_source(launch, &secrets);
    let endpoints = parse_endpoints(launch, "cluster.agency-endpoint")?;
    let agency = AgencyClient::new(endpoints, http.clone(), Some(Arc::clone(&token)));
    let member = enroll(launch, &agency).await?;
    tracing::info!(target: "cluster", id = %member.identity.id, name = %member.identity.short_name, "registered as {:?}", member.kind);
    let cache = {
        // The change feed must be on time, like heartbeats.
        let _on_control = launch.control.enter();
        AgencyCache::start(agency.clone(), launch.shutdown.clone())
    };
    // Whoever answers before it knows the Plan would deny that anything exists.
    let knows_plan = |tree: &agency::Snapshot| tree.get("Plan/Version").is_some();
    while cache.wait_for(AGENCY_RETRY, knows_plan).await.is_none() {}
    let cluster = Cluster::new(member.identity.clone(), agency, cache, http, token);
    match member.kind {
        MemberKind::Coordinator => start_coordinator(launch, cluster, secrets).await,
        kind => start_holder(launch, cluster, secrets, kind).await,
    }
}

fn parse_endpoints(launch: &Launch, option: &str) -> Result<Vec<Endpoint>, String> {
    launch.options.list(option).into_iter().map(|text| Endpoint::parse(text).map_err(|error| error.message().to_owned())).collect()
}

/// Servers know one another by a secret that all of them were given.
fn shared_secrets(launch: &Launch) -> Result<Secrets, String> {
    if authentication::is_on(&launch.options) && !authentication::has_secret(&launch.options) {
        return Err(
            "a cluster with authentication needs the same --server.jwt-secret-keyfile on every server (or --server.authentication false)"
                .into(),
        );
    }
    authentication::secrets(&launch.options)
}

fn token_source(launch: &Launch, secrets: &Secrets) -> TokenSource {
    if !authentication::is_on(&launch.options) {
        return Arc::new(|| None);
    }
    let (secrets, token) = (secrets.clone(), OnceLock::new());
    Arc::new(move || token.get_or_init(|| secrets.server_token("cluster-member").ok()).clone())
}

/// Registers, again and again until the agency answers.
async fn enroll(launch: &Launch, agency: &AgencyClient) -> Result<Member, String> {
    let options = &launch.options;
    let text = |name: &str| Some(options.text(name)).filter(|text| !text.is_empty()).map(str::to_owned);
    let endpoint = Endpoint::parse(options.text("cluster.my-address")).map_err(|error| error.message().to_owned())?;
    let candidate = Candidate {
        kind: match launch.role {
            Role::Coordinator => Some(MemberKind::Coordinator),
            Role::DbServer => Some(MemberKind::DbServer),
            _ => None,
        },
        persisted_id: launch.directory.server_id()?,
        fixed_id: text("cluster.my-id"),
        local_info: text("cluster.my-local-info"),
        endpoint,
        advertised_endpoint: text("cluster.my-advertised-endpoint"),
        host: host_id(),
    };
    let mut complaints = 0u32;
    loop {
        match register(agency, &candidate).await {
            Ok(member) => {
                launch.directory.set_server_id(&member.identity.id)?;
                return Ok(member);
            }
            Err(fault) if fault.code() == base::code::BAD_PARAMETER => return Err(fault.message().to_owned()),
            Err(fault) => {
                if complaints.is_power_of_two() || complaints == 0 {
                    tracing::warn!(target: "cluster", "waiting for the agency: {}", fault.message());
                }
                complaints += 1;
                tokio::time::sleep(AGENCY_RETRY).await;
            }
        }
    }
}

/// Id of the machine for the health record.
fn host_id() -> String {
    let from_environment = ["HOST", "NODE_NAME"].into_iter().find_map(|name| std::env::var(name).ok()).filter(|id| !id.is_empty());
    let from_machine = || std::fs::read_to_string("/etc/machine-id").ok().map(|id| id.trim().to_owned());
    from_environment.or_else(from_machine).unwrap_or_default()
}

async fn start_coordinator(launch: &Launch, cluster: Arc<Cluster>, secrets: Secrets) -> Result<Service, String> {
    let options = &launch.options;
    let workers = Workers::new(launch::threads(options), queue_size(launch));
    let queries = Queries::new(workers, store::query_options(options), Arc::new(HybridClock::default()));
    let number = |name: &str| u32::try_from(options.number(name)).unwrap_or(u32::MAX);
    let limits = CollectionLimits {
        shards_max: number("cluster.max-number-of-shards"),
        replication_factor_min: number("cluster.min-replication-factor"),
        replication_factor_max: number("cluster.max-replication-factor"),
        replication_factor_default: number("cluster.default-replication-factor"),
        write_concern_default: number("cluster.write-concern"),
        ..CollectionLimits::cluster()
    };
    let coordinator_options = CoordinatorOptions {
        system_replication_factor: number("cluster.system-replication-factor"),
        limits,
        root_user: Some(authentication::root_user(options)?),
    };
    let coordinator = Coordinator::new(Arc::clone(&cluster), Arc::clone(&queries), coordinator_options);
    let beats = launch.control.spawn(heartbeat::run(cluster, Arc::new(Lease::default()), || "SERVING", launch.shutdown.clone()));
    coordinator.bootstrap().await.map_err(|error| format!("cannot prepare the cluster: {}", error.message()))?;
    let authenticator = authentication::authenticator(options, coordinator.clone(), secrets);
    let api = Api::new(coordinator.clone(), api_options(launch), authenticator);
    let sweeps = tokio::spawn(Arc::clone(&coordinator).run(launch.shutdown.clone()));
    let stop = async move {
        let _ = tokio::join!(beats, sweeps);
    };
    Ok(Service { handler: Arc::new(api), stop: Box::pin(stop) })
}

fn queue_size(launch: &Launch) -> usize {
    usize::try_from(launch.options.number("server.maximal-queue-size")).unwrap_or(usize::MAX)
}

/// The handler of the present role.
struct Slot(RwLock<Arc<dyn Handler>>);

#[async_trait]
impl Handler for Slot {
    async fn handle(&self, request: Request) -> Response {
        let present = Arc::clone(&self.0.read());
        present.handle(request).await
    }
}

/// What a server that holds data keeps while its role changes.
struct Holder {
    cluster: Arc<Cluster>,
    storage: Arc<Storage>,
    authenticator: Arc<dyn Authenticator>,
    api_options: api::ApiOptions,
    options: DbServerOptions,
    control: tokio::runtime::Handle,
    shutdown: Shutdown,
}

async fn start_holder(launch: &Launch, cluster: Arc<Cluster>, secrets: Secrets, kind: MemberKind) -> Result<Service, String> {
    let storage = store::open(launch).await?;
    let is_on = authentication::is_on(&launch.options);
    let authenticator: Arc<dyn Authenticator> = if is_on { Arc::new(ServersOnly::new(secrets)) } else { Arc::new(Disabled::default()) };
    let holder = Holder {
        cluster,
        storage: Arc::clone(&storage),
        authenticator,
        api_options: api_options(launch),
        options: db_server_options(launch),
        control: launch.control.clone(),
        shutdown: launch.shutdown.clone(),
    };
    let slot = Arc::new(Slot(RwLock::new(Arc::new(crate::gate::Gate::default()))));
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let running = tokio::spawn(holder.run(kind, Arc::clone(&slot), ready));
    is_ready.await.map_err(|_| "the role could not be started".to_owned())?;
    let stop = async move {
        let _ = running.await;
        store::close(storage).await;
    };
    Ok(Service { handler: slot, stop: Box::pin(stop) })
}

fn db_server_options(launch: &Launch) -> DbServerOptions {
    let options = &launch.options;
    DbServerOptions {
        replication_timeout: options.seconds("cluster.synchronous-replication-timeout").max(Duration::from_millis(100)),
        local: SingleOptions {
            threads: launch::threads(options),
            queue: queue_size(launch),
            local: store::local_options(options),
            query: store::query_options(options),
            expiry: store::expiry_options(options),
            read_only_queries: true,
            ..SingleOptions::default()
        },
    }
}

impl Holder {
    /// Runs one role after the other until shutdown.
    async fn run(self, mut kind: MemberKind, slot: Arc<Slot>, ready: tokio::sync::oneshot::Sender<()>) {
        let mut ready = Some(ready);
        loop {
            let stop_role = self.shutdown.child();
            let tasks = self.start_role(kind, &slot, &stop_role).await;
            ready.take().map(|ready| ready.send(()));
            let next = self.role_change(kind).await;
            *slot.0.write() = Arc::new(crate::gate::Gate::default());
            stop_role.trigger();
            for task in tasks {
                let _ = task.await;
            }
            match next {
                Some(next) => {
                    tracing::info!(target: "cluster", "the role changes from {kind:?} to {next:?}");
                    kind = next;
                }
                None => return,
            }
        }
    }

    async fn start_role(&self, kind: MemberKind, slot: &Slot, stop: &Shutdown) -> Vec<tokio::task::JoinHandle<()>> {
        let (backend, peers, tasks) =
            if kind == MemberKind::Secondary { self.start_secondary(stop) } else { self.start_primary(stop).await };
        let mut api = Api::new(backend, self.api_options.clone(), Arc::clone(&self.authenticator));
        if let Some(peers) = peers {
            api = api.mount(PREFIX, Guard::Superuser, Arc::new(peers));
        }
        *slot.0.write() = Arc::new(api);
        tasks
    }

    async fn start_primary(&self, stop: &Shutdown) -> (Arc<Direct>, Option<PeerRoutes>, Vec<tokio::task::JoinHandle<()>>) {
        if let Err(fault) = leave_secondary_role(&self.storage).await {
            tracing::error!(target: "replication", %fault, "cannot forget the position in the former primary's log");
        }
        let server = DbServer::new(Arc::clone(&self.cluster), Arc::clone(&self.storage), &self.options);
        let beats = heartbeat::run(Arc::clone(&self.cluster), server.lease(), || "SERVING", stop.clone());
        let tasks = vec![self.control.spawn(beats), tokio::spawn(Arc::clone(&server).run(stop.clone()))];
        (server.direct(), Some(PeerRoutes::new(server)), tasks)
    }

    fn start_secondary(&self, stop: &Shutdown) -> (Arc<Direct>, Option<PeerRoutes>, Vec<tokio::task::JoinHandle<()>>) {
        let secondary = Secondary::new(Arc::clone(&self.cluster), Arc::clone(&self.storage));
        let beats = heartbeat::run(Arc::clone(&self.cluster), Arc::new(Lease::default()), || "SERVINGASYNC", stop.clone());
        let tasks = vec![self.control.spawn(beats), tokio::spawn(secondary.run(stop.clone()))];
        let single = Single::new(Arc::clone(&self.storage), self.options.local.clone());
        let direct = Direct::new(single, Role::Secondary, &self.cluster.identity.id, Box::new(|_| false));
        (Arc::new(direct), None, tasks)
    }

    /// The next role, when the Plan gives this server another one; `None` at shutdown.
    async fn role_change(&self, kind: MemberKind) -> Option<MemberKind> {
        let mut changed = self.cluster.cache.changed();
        loop {
            let tree = self.cluster.tree();
            match role_by_plan(&tree, &self.cluster.identity.id) {
                Some(planned) if planned != kind && planned != MemberKind::Coordinator => return Some(planned),
                _ => {}
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = self.shutdown.wait() => return None,
            }
        }
    }
}
