//! Processes of this machine. They outlive a scheduler that dies: each has its own process group,
//! writes to its own log file, and is found again by its database directory.

use super::Platform;
use crate::machine::Stop;
use crate::task::{ProcessId, Task};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// How often a process that is not our child is looked at.
const WATCH_PAUSE: Duration = Duration::from_millis(100);

/// Local processes of one data directory.
pub struct LocalProcesses {
    arangod: PathBuf,
    data_dir: PathBuf,
}

impl LocalProcesses {
    /// Processes of `arangod` with their directories and logs in `data_dir` (absolute).
    pub fn new(arangod: PathBuf, data_dir: PathBuf) -> Self {
        Self { arangod, data_dir }
    }

    fn log(&self, task: &Task) -> PathBuf {
        self.data_dir.join(format!("{}.log", task.name))
    }
}

type Ended = Box<dyn FnOnce(ProcessId, String) + Send>;

impl Platform for LocalProcesses {
    fn launch(&self, task: &Task, arguments: &[String], ended: Ended) -> Result<ProcessId, String> {
        let open = || fs::File::options().create(true).append(true).open(self.log(task));
        let log = open().map_err(|error| format!("has no log file {}: {error}", self.log(task).display()))?;
        let errors = log.try_clone().map_err(|error| format!("has no log file: {error}"))?;
        let mut child = Command::new(&self.arangod)
            .args(arguments)
            .current_dir(&self.data_dir)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot be started: {}: {error}", self.arangod.display()))?;
        let pid = i32::try_from(child.id()).map_err(|_| "has a strange process number".to_owned())?;
        let process = ProcessId { pid, started_ticks: started_ticks(pid).unwrap_or_default() };
        thread::spawn(move || {
            let how = child.wait().map_or_else(|error| format!("is lost: {error}"), describe);
            ended(process, how);
        });
        Ok(process)
    }

    fn find(&self, task: &Task, ended: Ended) -> Option<ProcessId> {
        let directory = self.data_dir.join(&task.name);
        let process = processes().find(|process| serves(process.pid, &directory))?;
        thread::spawn(move || {
            while is_alive(process) {
                thread::sleep(WATCH_PAUSE);
            }
            ended(process, "has ended".to_owned());
        });
        Some(process)
    }

    fn end(&self, process: ProcessId, stop: Stop) {
        let signal = match stop {
            Stop::Orderly => Signal::SIGINT,
            Stop::Kill => Signal::SIGKILL,
        };
        if is_alive(process) {
            // An error means that the process has ended in this instant.
            let _ = kill(Pid::from_raw(process.pid), signal);
        }
    }

    fn obstacle(&self, task: &Task) -> Option<String> {
        let address = format!("{}:{}", task.node, task.port);
        TcpListener::bind(&address).err().map(|error| format!("{} cannot have its address {address}: {error}", task.name))
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "has ended".to_owned(),
        (Some(code), _) => format!("has ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "has ended in an unknown way".to_owned(),
    }
}

/// All processes of the machine.
fn processes() -> impl Iterator<Item = ProcessId> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some(ProcessId { pid, started_ticks: started_ticks(pid)? })
    })
}

/// Whether the process is an arangod with this database directory.
fn serves(pid: i32, directory: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let wanted = format!("--database.directory={}", directory.display());
    let mut words = line.split(|byte| *byte == 0);
    let is_server = words.next().is_some_and(|program| program.ends_with(b"arangod"));
    is_server && words.any(|word| word == wanted.as_bytes())
}

/// Start time of a process; `None` if there is none, or only its remains (a zombie).
fn started_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the fields after it are numbered from 3 (state).
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(started)
}

/// Whether exactly this process is still there.
pub fn is_alive(process: ProcessId) -> bool {
    started_ticks(process.pid) == Some(process.started_ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Kind;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc;

    /// A stand-in server: a shell script named arangod that ends on SIGINT.
    fn platform(folder: &Path, script: &str) -> LocalProcesses {
        let program = folder.join("arangod");
        fs::write(&program, format!("#!/bin/bash\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        LocalProcesses::new(program, folder.to_owned())
    }

    #[test]
    fn a_process_is_launched_watched_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let platform = platform(folder.path(), "trap 'exit 3' INT; echo started; while true; do sleep 0.01; done");
        let task = Task::new(Kind::Single, 1, "127.0.0.1", 1);
        let (sender, receiver) = mpsc::channel();
        let process = platform.launch(&task, &[], Box::new(move |process, how| sender.send((process, how)).unwrap())).unwrap();
        let log = platform.log(&task);
        while fs::read_to_string(&log).unwrap() != "started\n" {
            thread::yield_now();
        }
        assert!(is_alive(process));
        platform.end(process, Stop::Orderly);
        assert_eq!(receiver.recv().unwrap(), (process, "has ended with exit code 3".to_owned()));
        assert!(!is_alive(process));
    }

    #[test]
    fn obstacles_are_found_before_anything_is_started() {
        let folder = tempfile::tempdir().unwrap();
        let platform = platform(folder.path(), "exit 0");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let task = Task::new(Kind::Single, 1, "127.0.0.1", port);
        assert!(platform.obstacle(&task).unwrap().contains(&port.to_string()));
        drop(taken);
        assert_eq!(platform.obstacle(&task), None);
        let missing = LocalProcesses::new(folder.path().join("nothing"), folder.path().to_owned());
        assert!(missing.launch(&task, &[], Box::new(|_, _| ())).unwrap_err().contains("cannot be started"));
    }
}
