//! The four kinds of ArangoDB task (S85–S101) and what the scheduler keeps about each task.
//!
//! Plain data: `machine` decides, `setup` makes the list, `setup_file` keeps it on disk.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Kind of task, in the order in which kinds are launched (S102–S106).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Keeps the configuration of the cluster; needs its directory for ever.
    Agent,
    /// Holds data; needs its directory.
    Primary,
    /// Asynchronous copy of one primary; needs its directory.
    Secondary,
    /// Takes the clients' requests; keeps nothing.
    Coordinator,
    /// A server without a cluster (`--starter.mode single`).
    Single,
}

impl Kind {
    /// Name in the public interface of the starter (`type` of a process, name of a log).
    pub fn public_name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Primary => "dbserver",
            Self::Secondary => "secondary",
            Self::Coordinator => "coordinator",
            Self::Single => "single",
        }
    }

    /// Distance of the task's port from the port of its group.
    pub fn port_offset(self) -> u16 {
        match self {
            Self::Coordinator | Self::Single => 1,
            Self::Primary => 2,
            Self::Agent => 3,
            Self::Secondary => 4,
        }
    }

    /// Begin of names of tasks and of their directories.
    pub fn directory_prefix(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Coordinator => "coordinator",
            Self::Single => "single",
        }
    }
}

/// What a task is doing. Every change carries its time stamp (`Task::since_ms`, S115).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Never launched.
    New,
    /// Launched for the first time, has not answered yet.
    TryingToStart,
    /// Answers.
    Running,
    /// Ended without being asked to; launched again after `Task::not_before_ms`.
    Killed,
    /// Launched again, has not answered yet.
    TryingToRestart,
    /// Asked to stop.
    ShuttingDown,
    /// Stopped as asked, or given up.
    Dead,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "NEW",
            Self::TryingToStart => "TRYING_TO_START",
            Self::Running => "RUNNING",
            Self::Killed => "KILLED",
            Self::TryingToRestart => "TRYING_TO_RESTART",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::Dead => "DEAD",
        })
    }
}

/// A process of the machine; the start time tells it from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process number.
    pub pid: i32,
    /// Start time in the kernel's ticks since boot.
    pub started_ticks: u64,
}

/// One task: what is planned (name, address, directory) and what is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Kind.
    pub kind: Kind,
    /// Name and directory below the data directory, such as `primary1`.
    pub name: String,
    /// Address of the machine it runs on.
    pub node: String,
    /// Port, the same at every start.
    pub port: u16,
    /// Secondary: name of the task it copies.
    pub copies: Option<String>,
    /// Id in the cluster: fixed for secondaries, learned from the server for the others.
    pub server_id: Option<String>,
    /// State.
    pub state: State,
    /// Wall clock of the last change of state.
    pub since_ms: u64,
    /// Process, while there is one.
    pub process: Option<ProcessId>,
    /// Secondary: the agency knows which primary it copies.
    pub linked: bool,
    /// Launches that ended soon, one after the other.
    pub quick_failures: u32,
    /// Killed: when it is launched again.
    pub not_before_ms: u64,
}

impl Task {
    /// A task that was never launched.
    pub fn new(kind: Kind, number: usize, node: &str, port: u16) -> Self {
        Self {
            kind,
            name: format!("{}{number}", kind.directory_prefix()),
            node: node.to_owned(),
            port,
            copies: None,
            server_id: None,
            state: State::New,
            since_ms: 0,
            process: None,
            linked: false,
            quick_failures: 0,
            not_before_ms: 0,
        }
    }

    /// Address as other servers use it.
    pub fn endpoint(&self) -> String {
        format!("tcp://{}:{}", self.node, self.port)
    }

    /// Address for HTTP.
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.node, self.port)
    }

    /// Enters a state at a time.
    pub fn enter(&mut self, state: State, now_ms: u64) {
        self.state = state;
        self.since_ms = now_ms;
    }

    /// Whether a process of this task should be there.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::TryingToStart | State::Running | State::TryingToRestart | State::ShuttingDown)
    }
}
