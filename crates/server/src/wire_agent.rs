//! An agent, put together: the agency behind its routes, and the few others every server has
//! (version, role, metrics), which need no storage.

use crate::authentication;
use crate::launch::{Launch, Service};
use crate::options::Options;
use crate::wire_single::api_options;
use agency::server::{Agent, AgentOptions};
use agency::supervision;
use api::auth::{Authenticator, Disabled, ServersOnly};
use api::{Api, Guard};
use database::backend::Role;
use roles::direct::Direct;
use roles::single::{Single, SingleOptions};
use rt::endpoint::Endpoint;
use rt::http::{Client, ClientOptions};
use std::sync::Arc;
use std::time::Duration;
use storage::{MemoryEngine, Storage, StorageOptions};

/// Starts an agent in the data directory.
pub async fn start(launch: &Launch) -> Result<Service, String> {
    let options = &launch.options;
    let secrets = authentication::secrets(options)?;
    let is_on = authentication::is_on(options);
    if is_on && !authentication::has_secret(options) {
        return Err(
            "an agency with authentication needs the same --server.jwt-secret-keyfile on every server (or --server.authentication false)"
                .into(),
        );
    }
    let mut agent_options = agent_options(launch)?;
    if is_on {
        let secrets = secrets.clone();
        agent_options.auth = Some(Arc::new(move || secrets.server_token("agent").ok()));
    }
    let http = Client::new(ClientOptions::default());
    let agent = Agent::start(agent_options, http, launch.shutdown.clone()).await.map_err(|error| error.message().to_owned())?;
    let authenticator: Arc<dyn Authenticator> = if is_on { Arc::new(ServersOnly::new(secrets)) } else { Arc::new(Disabled::default()) };
    let direct = Direct::new(empty_single().await?, Role::Agent, agent.id(), Box::new(|_| true));
    let handler = Arc::new(agent);
    let api = Api::new(Arc::new(direct), api_options(launch), authenticator)
        .mount("/_api/agency", Guard::Superuser, handler.clone())
        .mount("/_api/agency_priv", Guard::Superuser, handler);
    Ok(Service { handler: Arc::new(api), stop: Box::pin(async {}) })
}

/// Agents have no databases of their own; what asks for one sees an empty `_system`.
async fn empty_single() -> Result<Arc<Single>, String> {
    let storage = Storage::open(Arc::new(MemoryEngine::default()), StorageOptions::new(rt::clock::now_ms, || 0));
    let storage = storage.map_err(|error| error.message().to_owned())?;
    let single = Single::new(storage, SingleOptions { threads: 2, read_only_queries: true, ..SingleOptions::default() });
    single.bootstrap(None).await.map_err(|error| error.message().to_owned())?;
    Ok(single)
}

fn agent_options(launch: &Launch) -> Result<AgentOptions, String> {
    let options = &launch.options;
    let parse = |text: &str| Endpoint::parse(text).map_err(|error| error.message().to_owned());
    let own = match options.text("agency.my-address") {
        "" => options.list("server.endpoint").first().copied().unwrap_or(crate::launch::ENDPOINT_DEFAULT).replace("0.0.0.0", "127.0.0.1"),
        address => address.to_owned(),
    };
    let defaults = AgentOptions::new(launch.directory.path().to_owned(), parse(&own)?);
    let given = |name: &str, default: Duration| if options.is_given(name) { options.seconds(name) } else { default };
    let recovery = Some(options.text("agency.disaster-recovery-id")).filter(|id| !id.is_empty()).map(str::to_owned);
    Ok(AgentOptions {
        peers: options.list("agency.endpoint").into_iter().map(parse).collect::<Result<_, _>>()?,
        size: usize::try_from(options.number("agency.size")).unwrap_or(usize::MAX),
        election_timeout_min: given("agency.election-timeout-min", defaults.election_timeout_min),
        election_timeout_max: given("agency.election-timeout-max", defaults.election_timeout_max),
        wait_for_sync: options.flag("agency.wait-for-sync"),
        compaction_step_size: options.number("agency.compaction-step-size").max(1),
        compaction_keep_size: options.number("agency.compaction-keep-size"),
        disaster_recovery_id: recovery,
        supervision: options.flag("agency.supervision").then(|| supervision_options(options)),
        ..defaults
    })
}

/// Unless the user says otherwise, failures are noticed as fast as is safe (ArangoDB: after 10 s).
fn supervision_options(options: &Options) -> supervision::Options {
    let given = |name: &str| options.is_given(name).then(|| options.seconds(name));
    let mut supervision = match given("agency.supervision-grace-period") {
        Some(grace) => supervision::Options::with_grace_period(grace.max(Duration::from_millis(500))),
        None => supervision::Options::default(),
    };
    let mut set = |name: &str, target: fn(&mut supervision::Options) -> &mut Duration| {
        if let Some(value) = given(name) {
            *target(&mut supervision) = value;
        }
    };
    set("agency.supervision-frequency", |options| &mut options.frequency);
    set("agency.supervision-ok-threshold", |options| &mut options.ok_threshold);
    set("agency.supervision-delay-add-follower", |options| &mut options.delay_add_follower);
    set("agency.supervision-delay-failed-follower", |options| &mut options.delay_failed_follower);
    set("agency.supervision-expired-servers-grace-period", |options| &mut options.expired_servers_grace_period);
    supervision
}
