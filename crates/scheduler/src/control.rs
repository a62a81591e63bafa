//! The commands: run in the foreground, start in the background, stop, status.

use crate::options::Options;
use crate::platform::Platform;
use crate::platform::local::{LocalProcesses, is_alive};
use crate::run::{Outcome, Run};
use crate::servers::Servers;
use crate::setup_file::Setup;
use crate::table;
use crate::task::Kind;
use crate::web::Web;
use base::{Error, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rt::endpoint::Endpoint;
use rt::http::{ServerOptions, bind, serve};
use rt::shutdown::Shutdown;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// `stop` waits a little longer than the scheduler itself waits for its servers.
const STOP_TIME_MAX: Duration = Duration::from_secs(150);

/// Runs the deployment in the foreground.
pub fn run(options: Options) -> Result<ExitCode> {
    let data_dir = make_data_dir(&options.data_dir)?;
    let _lock = lock(&data_dir)?;
    let arangod = find_arangod(&options)?;
    let secret = options.jwt_secret.as_deref().map(read_secret).transpose()?;
    let options = Options { jwt_secret: options.jwt_secret.as_deref().map(absolute).transpose()?, ..options };
    let setup = Setup::load_or_new(&data_dir, &options)?;
    let listen = Endpoint::tcp(&setup.host, setup.port);
    setup.save(&data_dir)?;
    let platform = LocalProcesses::new(arangod, data_dir.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Error::internal(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(serve_and_run(options, data_dir, setup, platform, Servers::new(secret), listen))?;
    Ok(match outcome {
        Outcome::Stopped => ExitCode::SUCCESS,
        Outcome::Failed => ExitCode::FAILURE,
    })
}

async fn serve_and_run<P: Platform>(
    options: Options,
    data_dir: PathBuf,
    setup: Setup,
    platform: P,
    servers: Servers,
    listen: Endpoint,
) -> Result<Outcome> {
    let listener = bind(&listen).await.map_err(|error| Error::bad_parameter(format!("cannot listen on {listen}: {error}")))?;
    let (run, view) = Run::new(options, data_dir, setup, platform, servers)?;
    let (stop, stop_receiver) = mpsc::channel(4);
    let shutdown = Shutdown::new();
    let web = tokio::spawn(serve(listener, Arc::new(Web { view, stop: stop.clone() }), ServerOptions::default(), shutdown.clone()));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).map_err(|error| Error::internal(format!("cannot take signals: {error}")))?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                println!("stopping");
                // A full queue already holds such a wish.
                let _ = stop.try_send(());
            }
        });
    }
    let outcome = run.run(stop_receiver).await;
    shutdown.trigger();
    // The interface has ended, or a panic there ended it; either way we are done.
    let _ = web.await;
    outcome
}

/// Runs the deployment in a process of its own and returns when it is up.
pub fn start(options: &Options, arguments: &[String]) -> Result<ExitCode> {
    let data_dir = make_data_dir(&options.data_dir)?;
    drop(lock(&data_dir)?);
    let program = std::env::current_exe().map_err(|error| Error::internal(format!("cannot find myself: {error}")))?;
    let log_path = data_dir.join("arangodb.log");
    let log = File::options().create(true).append(true).open(&log_path).map_err(|error| cannot("write", &log_path, &error))?;
    let begin = log.metadata().map(|meta| meta.len()).unwrap_or_default();
    let errors = log.try_clone().map_err(|error| cannot("write", &log_path, &error))?;
    let mut child = Command::new(program)
        .args(arguments.iter().filter(|argument| *argument != "start"))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|error| Error::internal(format!("cannot start in the background: {error}")))?;
    if !options.wait {
        return Ok(ExitCode::SUCCESS);
    }
    wait_until_up(&mut child, &data_dir, &log_path, begin)
}

/// Shows the background process's messages until it says that all is ready, or ends.
fn wait_until_up(child: &mut Child, data_dir: &Path, log_path: &Path, begin: u64) -> Result<ExitCode> {
    let mut shown = usize::try_from(begin).unwrap_or_default();
    loop {
        let ended = child.try_wait().ok().flatten().is_some();
        let text = fs::read(log_path).unwrap_or_default();
        // Only whole lines are shown.
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1).max(shown.min(text.len()));
        let news = String::from_utf8_lossy(text.get(shown..end).unwrap_or_default()).into_owned();
        print!("{news}");
        shown = end;
        if news.contains("Your deployment is ready") {
            println!("It runs in the background; stop it with: arangodb stop --starter.data-dir {}", data_dir.display());
            return Ok(ExitCode::SUCCESS);
        }
        if ended {
            return Ok(ExitCode::FAILURE);
        }
        thread::sleep(LOOK_PAUSE);
    }
}

/// Stops a deployment in order and waits for the end.
pub fn stop(options: &Options) -> Result<ExitCode> {
    let (data_dir, setup) = existing(options)?;
    let deadline = Instant::now() + STOP_TIME_MAX;
    if try_lock(&data_dir)?.is_none() {
        let pid = i32::try_from(setup.scheduler_pid).map_err(|_| Error::bad_parameter("setup.json has a strange process number"))?;
        kill(Pid::from_raw(pid), Signal::SIGINT).map_err(|error| Error::bad_parameter(format!("cannot stop process {pid}: {error}")))?;
        wait_for(deadline, || try_lock(&data_dir).is_ok_and(|lock| lock.is_some()))?;
    }
    stop_orphans(&data_dir, deadline)?;
    println!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Servers whose scheduler is gone are stopped here, in the same order.
fn stop_orphans(data_dir: &Path, deadline: Instant) -> Result<()> {
    let Some(setup) = Setup::load(data_dir)? else { return Ok(()) };
    let platform = LocalProcesses::new(PathBuf::from("arangod"), data_dir.to_owned());
    for kind in [Kind::Single, Kind::Coordinator, Kind::Secondary, Kind::Primary, Kind::Agent] {
        let tasks = setup.tasks.iter().filter(|task| task.kind == kind);
        let processes: Vec<_> = tasks.filter_map(|task| platform.find(task, Box::new(|_, _| ()))).collect();
        for process in &processes {
            platform.end(*process, crate::machine::Stop::Orderly);
        }
        wait_for(deadline, || processes.iter().all(|process| !is_alive(*process)))?;
    }
    Ok(())
}

fn wait_for(deadline: Instant, done: impl Fn() -> bool) -> Result<()> {
    while !done() {
        if Instant::now() > deadline {
            return Err(Error::bad_parameter(format!("the servers have not stopped within {} s", STOP_TIME_MAX.as_secs())));
        }
        thread::sleep(LOOK_PAUSE);
    }
    Ok(())
}

/// Prints what runs where. The exit code is 0 only if everything runs.
pub fn status(options: &Options) -> Result<ExitCode> {
    let (data_dir, setup) = existing(options)?;
    let alive = |task: &crate::task::Task| task.process.is_some_and(is_alive);
    print!("{}", table::render(&setup.tasks, &data_dir, alive));
    let scheduled = try_lock(&data_dir)?.is_none();
    match scheduled {
        true => println!("arangodb runs as process {} on http://{}:{}", setup.scheduler_pid, setup.host, setup.port),
        false => println!("arangodb does not run"),
    }
    let all = setup.tasks.iter().all(|task| task.state == crate::task::State::Running && alive(task));
    Ok(if scheduled && all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn existing(options: &Options) -> Result<(PathBuf, Setup)> {
    let nothing = || Error::bad_parameter(format!("{} holds no deployment", options.data_dir.display()));
    let data_dir = fs::canonicalize(&options.data_dir).map_err(|_| nothing())?;
    let setup = Setup::load(&data_dir)?.ok_or_else(nothing)?;
    Ok((data_dir, setup))
}

fn make_data_dir(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path).map_err(|error| cannot("make", path, &error))?;
    absolute(path)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| cannot("find", path, &error))
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::bad_parameter(format!("cannot {verb} {}: {error}", path.display()))
}

/// How long a scheduler that has just been killed may still hold its lock while it dies.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// One scheduler for each data directory.
fn lock(data_dir: &Path) -> Result<Flock<File>> {
    let began = rt::clock::monotonic();
    loop {
        if let Some(lock) = try_lock(data_dir)? {
            return Ok(lock);
        }
        if rt::clock::monotonic().saturating_sub(began) > LOCK_PATIENCE {
            return Err(Error::bad_parameter(format!("another arangodb uses {}", data_dir.display())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn try_lock(data_dir: &Path) -> Result<Option<Flock<File>>> {
    let path = data_dir.join("arangodb.lock");
    let file = File::options().create(true).append(true).open(&path).map_err(|error| cannot("write", &path, &error))?;
    Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok())
}

fn read_secret(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(|error| cannot("read", path, &error))?;
    Ok(text.trim().to_owned())
}

/// The given program, the one beside ours, or the one in PATH.
fn find_arangod(options: &Options) -> Result<PathBuf> {
    if let Some(given) = &options.arangod {
        return absolute(given);
    }
    let beside = std::env::current_exe().ok().and_then(|me| Some(me.parent()?.join("arangod")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = beside.into_iter().chain(std::env::split_paths(&path).map(|folder| folder.join("arangod")));
    let found = candidates.into_iter().find(|candidate| candidate.is_file());
    found.ok_or_else(|| Error::bad_parameter("arangod is neither beside arangodb nor in PATH; name it with --server.arangod"))
}
