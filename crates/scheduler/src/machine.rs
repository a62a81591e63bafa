//! The scheduler's decisions: a pure state machine over all tasks (S112–S120).
//!
//! Events go in, commands come out; no clock, no process, no socket. The main loop (`run`) feeds
//! it and writes the tasks to disk before it carries the commands out, so that a scheduler that
//! dies between the two finds its intention again.
//!
//! Launch order (S102–S107): agents, primaries, secondaries, coordinators, initialisation. A kind
//! is due when every task of the kinds before it answers. A secondary is linked to its primary in
//! the agency before it is launched. Once the cluster is complete the order is no longer asked
//! for: what dies is started again at once, whatever else is down.
//!
//! Invariant: a task has at most one process; it is launched only in the states NEW and KILLED,
//! and leaves those states before the launch command is given.

use crate::task::{Kind, ProcessId, State, Task};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Time went on.
    Tick,
    /// A process was started, or found running.
    Launched { task: usize, process: ProcessId },
    /// A process could not be started.
    LaunchFailed { task: usize, reason: String },
    /// A process ended.
    Ended { task: usize, process: ProcessId, how: String },
    /// A server answered the question whether it is ready.
    Answered { task: usize, server_id: Option<String> },
    /// A server is not ready.
    NoAnswer { task: usize },
    /// The agency has, or has not, taken over the link of a secondary.
    Linked { task: usize, result: Result<(), String> },
    /// The cluster was, or was not, told that it is complete.
    Initialised { result: Result<(), String> },
    /// Somebody wants the cluster to stop.
    StopWanted,
}

/// How a process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// In order (SIGINT).
    Orderly,
    /// At once (SIGKILL).
    Kill,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Start the process of a task.
    Launch(usize),
    /// Ask a server whether it is ready.
    Probe(usize),
    /// Write the secondary's link in the agency.
    Link(usize),
    /// Tell the cluster how many servers it has.
    Initialise,
    /// End the process of a task.
    End(usize, Stop),
    /// Tell the user.
    Say(String),
    /// The cluster is complete.
    Complete,
    /// All is over.
    Finish { failed: bool },
}

/// Time limits; tests shorten them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From launch to the first answer (S116).
    pub start_ms_max: u64,
    /// From the wish to stop to the forced end.
    pub stop_ms_max: u64,
    /// A process that ends sooner after its launch counts as a quick failure.
    pub quick_ms: u64,
    /// First pause before a new launch; doubles with every quick failure.
    pub pause_ms_min: u64,
    /// Longest pause.
    pub pause_ms_max: u64,
    /// Quick failures after which a task that never answered stops the start of the cluster.
    pub boot_failures_max: u32,
    /// Quick failures after which a task is given up.
    pub failures_max: u32,
    /// Pause between two tries at the link of a secondary or at the initialisation.
    pub retry_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start_ms_max: 300_000,
            stop_ms_max: 120_000,
            quick_ms: 30_000,
            pause_ms_min: 250,
            pause_ms_max: 15_000,
            boot_failures_max: 4,
            failures_max: 100,
            retry_ms: 500,
        }
    }
}

/// All tasks and where the whole stands.
#[derive(Debug)]
pub struct Machine {
    tasks: Vec<Task>,
    limits: Limits,
    /// Initialisation was carried out in this or an earlier run.
    initialised: bool,
    /// Every task has answered in this run.
    complete: bool,
    stopping: bool,
    failed: bool,
    finished: bool,
    probing: Vec<bool>,
    answered_once: Vec<bool>,
    link_not_before_ms: Vec<u64>,
    initialise_not_before_ms: u64,
    initialising: bool,
}

const LAUNCH_ORDER: [Kind; 5] = [Kind::Agent, Kind::Primary, Kind::Secondary, Kind::Coordinator, Kind::Single];
const STOP_ORDER: [Kind; 5] = [Kind::Single, Kind::Coordinator, Kind::Secondary, Kind::Primary, Kind::Agent];

impl Machine {
    /// Takes up tasks as they were kept; processes of earlier runs count as ended unless `adopt`
    /// is called for them before the first step.
    pub fn new(mut tasks: Vec<Task>, initialised: bool, limits: Limits, now_ms: u64) -> Self {
        for task in &mut tasks {
            task.process = None;
            task.quick_failures = 0;
            task.not_before_ms = 0;
            if task.state != State::New {
                task.enter(State::Killed, now_ms);
            }
        }
        let count = tasks.len();
        Self {
            tasks,
            limits,
            initialised,
            complete: false,
            stopping: false,
            failed: false,
            finished: false,
            probing: vec![false; count],
            answered_once: vec![false; count],
            link_not_before_ms: vec![0; count],
            initialise_not_before_ms: 0,
            initialising: false,
        }
    }

    /// Takes over a process of an earlier run.
    pub fn adopt(&mut self, index: usize, process: ProcessId, now_ms: u64) {
        self.launched(index, process, now_ms);
    }

    /// The tasks.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Whether the cluster was told that it is complete.
    pub fn is_initialised(&self) -> bool {
        self.initialised
    }

    /// Whether every task has answered since the start.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes one event and says what is to be done.
    pub fn step(&mut self, event: Event, now_ms: u64) -> Vec<Command> {
        let mut commands = Vec::new();
        match event {
            Event::Tick => {}
            Event::Launched { task, process } => self.launched(task, process, now_ms),
            Event::LaunchFailed { task, reason } => self.ended(task, &reason, now_ms, &mut commands),
            Event::Ended { task, process, how } => {
                if self.tasks.get(task).is_some_and(|task| task.process == Some(process)) {
                    self.ended(task, &how, now_ms, &mut commands);
                }
            }
            Event::Answered { task, server_id } => self.answered(task, server_id, now_ms, &mut commands),
            Event::NoAnswer { task } => self.set_probing(task, false),
            Event::Linked { task, result } => self.linked(task, result, now_ms, &mut commands),
            Event::Initialised { result } => self.was_initialised(result, now_ms, &mut commands),
            Event::StopWanted => self.stopping = true,
        }
        self.time_outs(now_ms, &mut commands);
        if self.stopping {
            self.stop_next(now_ms, &mut commands);
        } else {
            self.launch_due(now_ms, &mut commands);
            self.finish_boot(now_ms, &mut commands);
        }
        self.probe(&mut commands);
        commands
    }

    fn set_probing(&mut self, task: usize, value: bool) {
        if let Some(flag) = self.probing.get_mut(task) {
            *flag = value;
        }
    }

    fn launched(&mut self, index: usize, process: ProcessId, now_ms: u64) {
        let Some(task) = self.tasks.get_mut(index) else { return };
        task.process = Some(process);
        let state = match task.state {
            State::Killed | State::TryingToRestart => State::TryingToRestart,
            State::ShuttingDown | State::Dead => State::ShuttingDown,
            State::New | State::TryingToStart | State::Running => State::TryingToStart,
        };
        task.enter(state, now_ms);
    }

    fn ended(&mut self, index: usize, how: &str, now_ms: u64, commands: &mut Vec<Command>) {
        let limits = self.limits;
        let answered_once = self.answered_once.get(index).copied().unwrap_or(false);
        let Some(task) = self.tasks.get_mut(index) else { return };
        task.process = None;
        if matches!(task.state, State::ShuttingDown | State::Dead) {
            task.enter(State::Dead, now_ms);
            return;
        }
        let quick = task.state != State::Running || now_ms.saturating_sub(task.since_ms) < limits.quick_ms;
        task.quick_failures = if quick { task.quick_failures + 1 } else { 1 };
        let doubled = limits.pause_ms_min << (task.quick_failures - 1).min(16);
        let pause_ms = doubled.min(limits.pause_ms_max);
        task.not_before_ms = now_ms + pause_ms;
        let never_answered = !answered_once && task.quick_failures >= limits.boot_failures_max;
        if never_answered || task.quick_failures >= limits.failures_max {
            task.enter(State::Dead, now_ms);
            commands
                .push(Command::Say(format!("{} {how}; given up after {} tries, see {}.log", task.name, task.quick_failures, task.name)));
            if !self.complete {
                self.failed = true;
                self.stopping = true;
            }
            return;
        }
        task.enter(State::Killed, now_ms);
        if !self.stopping {
            commands.push(Command::Say(format!("{} {how}; starting it again in {pause_ms} ms", task.name)));
        }
    }

    fn answered(&mut self, index: usize, server_id: Option<String>, now_ms: u64, commands: &mut Vec<Command>) {
        self.set_probing(index, false);
        let Some(task) = self.tasks.get_mut(index) else { return };
        if task.kind != Kind::Secondary && server_id.is_some() {
            task.server_id = server_id;
        }
        if matches!(task.state, State::TryingToStart | State::TryingToRestart) {
            task.enter(State::Running, now_ms);
            commands.push(Command::Say(format!("{} answers on {}", task.name, task.endpoint())));
            if let Some(flag) = self.answered_once.get_mut(index) {
                *flag = true;
            }
        }
    }

    fn linked(&mut self, index: usize, result: Result<(), String>, now_ms: u64, commands: &mut Vec<Command>) {
        let Some(task) = self.tasks.get_mut(index) else { return };
        match result {
            Ok(()) => task.linked = true,
            Err(reason) => {
                commands.push(Command::Say(format!("{} is not linked yet: {reason}", task.name)));
                if let Some(not_before) = self.link_not_before_ms.get_mut(index) {
                    *not_before = now_ms + self.limits.retry_ms;
                }
            }
        }
    }

    fn was_initialised(&mut self, result: Result<(), String>, now_ms: u64, commands: &mut Vec<Command>) {
        self.initialising = false;
        match result {
            Ok(()) => self.initialised = true,
            Err(reason) => {
                self.initialise_not_before_ms = now_ms + self.limits.retry_ms;
                commands.push(Command::Say(format!("the cluster is not initialised yet: {reason}")));
            }
        }
    }

    fn time_outs(&mut self, now_ms: u64, commands: &mut Vec<Command>) {
        for (index, task) in self.tasks.iter_mut().enumerate() {
            let age_ms = now_ms.saturating_sub(task.since_ms);
            if task.process.is_none() {
                continue;
            }
            match task.state {
                State::TryingToStart | State::TryingToRestart if age_ms > self.limits.start_ms_max => {
                    commands.push(Command::Say(format!("{} has not answered for {age_ms} ms; killing it", task.name)));
                    task.since_ms = now_ms;
                    commands.push(Command::End(index, Stop::Kill));
                }
                State::ShuttingDown if age_ms > self.limits.stop_ms_max => {
                    commands.push(Command::Say(format!("{} does not stop; killing it", task.name)));
                    task.since_ms = now_ms;
                    commands.push(Command::End(index, Stop::Kill));
                }
                _ => {}
            }
        }
    }

    /// Whether all tasks of the kinds before this one answer.
    fn is_due(&self, kind: Kind) -> bool {
        self.complete || self.tasks.iter().filter(|task| task.kind < kind).all(|task| task.state == State::Running)
    }

    fn launch_due(&mut self, now_ms: u64, commands: &mut Vec<Command>) {
        for kind in LAUNCH_ORDER {
            if !self.is_due(kind) {
                return;
            }
            for index in 0..self.tasks.len() {
                if self.tasks.get(index).is_some_and(|task| task.kind == kind) {
                    self.launch(index, now_ms, commands);
                }
            }
        }
    }

    fn launch(&mut self, index: usize, now_ms: u64, commands: &mut Vec<Command>) {
        let Some(task) = self.tasks.get_mut(index) else { return };
        let waits = task.state == State::Killed && now_ms < task.not_before_ms;
        if !matches!(task.state, State::New | State::Killed) || waits {
            return;
        }
        if task.kind == Kind::Secondary && !task.linked {
            if let Some(not_before) = self.link_not_before_ms.get_mut(index).filter(|not_before| now_ms >= **not_before) {
                *not_before = u64::MAX;
                commands.push(Command::Link(index));
            }
            return;
        }
        let state = if task.state == State::New { State::TryingToStart } else { State::TryingToRestart };
        task.enter(state, now_ms);
        commands.push(Command::Launch(index));
    }

    fn finish_boot(&mut self, now_ms: u64, commands: &mut Vec<Command>) {
        if self.complete || !self.tasks.iter().all(|task| task.state == State::Running) {
            return;
        }
        let needs_initialisation = self.tasks.iter().any(|task| task.kind == Kind::Coordinator);
        if needs_initialisation && !self.initialised {
            if !self.initialising && now_ms >= self.initialise_not_before_ms {
                self.initialising = true;
                commands.push(Command::Initialise);
            }
            return;
        }
        self.initialised = true;
        self.complete = true;
        commands.push(Command::Complete);
    }

    /// Stops one kind after the other; the next kind only when the one before has ended.
    fn stop_next(&mut self, now_ms: u64, commands: &mut Vec<Command>) {
        for kind in STOP_ORDER {
            let mut waiting = false;
            for (index, task) in self.tasks.iter_mut().enumerate().filter(|(_, task)| task.kind == kind) {
                match (task.state, task.process) {
                    (State::Dead, _) => {}
                    (State::ShuttingDown, _) => waiting = true,
                    (State::New | State::Killed, _) => task.enter(State::Dead, now_ms),
                    // The launch is under way; its event decides.
                    (_, None) => waiting = true,
                    (_, Some(_)) => {
                        waiting = true;
                        task.enter(State::ShuttingDown, now_ms);
                        commands.push(Command::End(index, Stop::Orderly));
                    }
                }
            }
            if waiting {
                return;
            }
        }
        if !self.finished {
            self.finished = true;
            commands.push(Command::Finish { failed: self.failed });
        }
    }

    fn probe(&mut self, commands: &mut Vec<Command>) {
        for (index, (task, probing)) in self.tasks.iter().zip(&mut self.probing).enumerate() {
            let waits = matches!(task.state, State::TryingToStart | State::TryingToRestart) && task.process.is_some();
            if waits && !*probing {
                *probing = true;
                commands.push(Command::Probe(index));
            }
        }
    }
}

#[cfg(test)]
mod tests;
