//! From options to a running server, and back: sockets, data directory, the role's wiring, stop.
//!
//! The sockets are bound first: a port that is taken is found before any file is touched. From
//! then on requests are answered with 503 until the role is wired.

use crate::gate::Gate;
use crate::lock::DataDirectory;
use crate::logging::Log;
use crate::options::Options;
use crate::{commands, signals, wire_agent, wire_cluster, wire_single};
use database::backend::Role;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rt::endpoint::Endpoint;
use rt::http::{Handler, Listener, ServerOptions};
use rt::shutdown::Shutdown;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

/// Where to listen if no endpoint is given.
pub const ENDPOINT_DEFAULT: &str = "tcp://127.0.0.1:8529";
/// Stack of a thread: expressions and JSON nest at most a few hundred levels deep.
const STACK_BYTES: usize = 2 << 20;
/// Idle threads of the blocking pool go after this time.
const THREAD_IDLE: Duration = Duration::from_secs(5);

/// Everything a role needs in order to start.
pub struct Launch {
    /// The options.
    pub options: Arc<Options>,
    /// The role.
    pub role: Role,
    /// The locked data directory.
    pub directory: Arc<DataDirectory>,
    /// Given when the server is to stop.
    pub shutdown: Shutdown,
    /// For network, heartbeats and Raft: nothing on it blocks.
    pub control: Handle,
}

/// A role that is up.
pub struct Service {
    /// Answers requests.
    pub handler: Arc<dyn Handler>,
    /// Run when no request is under way any more: closes what is open.
    pub stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Runs a server until it is told to stop. The fault is one line for the user.
pub fn run(options: Options, role: Role, log: &'static Log) -> Result<(), String> {
    let directory = options.text("database.directory");
    if directory.is_empty() {
        return Err("no database path has been supplied, giving up, please use the '--database.directory' option".into());
    }
    raise_descriptor_limit();
    let (control, work) = runtimes(&options, role)?;
    let outcome = work.block_on(serve(Arc::new(options), role, log, control.handle().clone()));
    // Jobs that hang must not keep the process alive: whatever is durable has been written.
    work.shutdown_timeout(Duration::from_secs(2));
    control.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(options: Arc<Options>, role: Role, log: &'static Log, control: Handle) -> Result<(), String> {
    let shutdown = Shutdown::new();
    signals::watch(shutdown.clone(), log).map_err(|error| format!("cannot watch signals: {error}"))?;
    let listeners = bind(&options).await?;
    let server_options = server_options(&options)?;
    tracing::info!(target: "startup", "arangodb-rs {} (compatible with {}), role {}", env!("CARGO_PKG_VERSION"), commands::COMPATIBLE_VERSION, role.as_str());
    let gate = Arc::new(Gate::default());
    let mut sockets = JoinSet::new();
    for (endpoint, listener) in listeners {
        tracing::info!(target: "startup", "listening on {endpoint}");
        let handler: Arc<dyn Handler> = Arc::clone(&gate) as Arc<dyn Handler>;
        sockets.spawn(rt::http::serve(listener, handler, server_options.clone(), shutdown.clone()));
    }
    let path = Path::new(options.text("database.directory")).to_owned();
    let state = options.text("database.required-directory-state").to_owned();
    let directory = tokio::task::spawn_blocking(move || DataDirectory::open(&path, role, &state)).await;
    let directory = Arc::new(directory.map_err(|_| "cannot open the database directory".to_owned())??);
    let is_member = matches!(role, Role::Coordinator | Role::DbServer | Role::Secondary);
    if is_member && options.flag("cluster.require-persisted-id") && directory.server_id()?.is_none() {
        return Err("there is no server id in the database directory, but --cluster.require-persisted-id asks for one".into());
    }
    write_pid_file(&options)?;
    let launch = Launch { options, role, directory, shutdown: shutdown.clone(), control };
    // A member of a cluster waits here for its agency, perhaps for ever.
    let started = tokio::select! {
        started = start(&launch) => started,
        () = shutdown.wait() => {
            while sockets.join_next().await.is_some() {}
            remove_pid_file(&launch.options);
            return Ok(());
        }
    };
    let service = match started {
        Ok(service) => service,
        Err(fault) => {
            shutdown.trigger();
            return Err(fault);
        }
    };
    gate.open(service.handler);
    tracing::info!(target: "startup", "ArangoDB is ready for business. Have fun!");
    shutdown.wait().await;
    while sockets.join_next().await.is_some() {}
    service.stop.await;
    remove_pid_file(&launch.options);
    tracing::info!(target: "startup", "the server has been shut down");
    Ok(())
}

async fn start(launch: &Launch) -> Result<Service, String> {
    match launch.role {
        Role::Single => wire_single::start(launch).await,
        Role::Agent => wire_agent::start(launch).await,
        Role::Coordinator | Role::DbServer | Role::Secondary => wire_cluster::start(launch).await,
    }
}

/// One runtime for what must be on time, one for what may be slow. Agents and single servers have
/// nothing that could delay a heartbeat, so they make do with one worker on the first.
fn runtimes(options: &Options, role: Role) -> Result<(Runtime, Runtime), String> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let fault = |error: std::io::Error| format!("cannot start threads: {error}");
    let control = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .thread_stack_size(STACK_BYTES)
        .thread_keep_alive(THREAD_IDLE)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(fault)?;
    let work = Builder::new_multi_thread()
        .worker_threads(if role == Role::Agent { cores.min(2) } else { cores })
        // The pool of blocking jobs is bounded by its users; this is the last line of defence.
        .max_blocking_threads(threads(options) + 32)
        .thread_stack_size(STACK_BYTES)
        .thread_keep_alive(THREAD_IDLE)
        .thread_name("arangod")
        .enable_all()
        .build()
        .map_err(fault)?;
    Ok((control, work))
}

/// `--server.maximal-threads`: threads for queries and storage operations that may block.
pub fn threads(options: &Options) -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    match usize::try_from(options.number("server.maximal-threads")) {
        Ok(0) | Err(_) => (2 * cores).max(32),
        Ok(given) => given.clamp(4, 4096),
    }
}

async fn bind(options: &Options) -> Result<Vec<(Endpoint, Listener)>, String> {
    let mut given = options.list("server.endpoint");
    if given.is_empty() {
        given.push(ENDPOINT_DEFAULT);
    }
    let mut listeners = Vec::with_capacity(given.len());
    for text in given {
        let endpoint = Endpoint::parse(text).map_err(|error| error.message().to_owned())?;
        let listener = rt::http::bind(&endpoint).await.map_err(|error| error.to_string())?;
        listeners.push((endpoint, listener));
    }
    Ok(listeners)
}

fn server_options(options: &Options) -> Result<ServerOptions, String> {
    let mut server = ServerOptions { idle_timeout: options.seconds("http.keep-alive-timeout"), ..ServerOptions::default() };
    let key_file = options.text("ssl.keyfile");
    if !key_file.is_empty() {
        let config = rt::http::tls::server_config(Path::new(key_file));
        server.tls = Some(config.map_err(|error| format!("cannot use the key file '{key_file}': {error}"))?);
    } else if options.list("server.endpoint").iter().any(|endpoint| Endpoint::parse(endpoint).is_ok_and(|endpoint| endpoint.is_tls())) {
        return Err("--ssl.keyfile is missing: an ssl:// endpoint needs a certificate and a key".into());
    }
    Ok(server)
}

fn write_pid_file(options: &Options) -> Result<(), String> {
    let path = options.text("pid-file");
    if path.is_empty() {
        return Ok(());
    }
    std::fs::write(path, format!("{}\n", std::process::id())).map_err(|error| format!("cannot write the pid file '{path}': {error}"))
}

fn remove_pid_file(options: &Options) {
    let path = options.text("pid-file");
    if !path.is_empty() {
        let _ = std::fs::remove_file(path);
    }
}

/// RocksDB keeps many files open, clients many connections: use all that the system grants.
fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
