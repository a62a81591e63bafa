//! The main loop (S117–S120): takes events that other threads and tasks report, lets the machine
//! decide, writes the decision to disk, carries it out.

use crate::layout;
use crate::machine::{Command, Event, Limits, Machine};
use crate::options::Options;
use crate::platform::Platform;
use crate::servers::Servers;
use crate::setup_file::Setup;
use crate::task::{Kind, Task};
use crate::web::View;
use base::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Pause between two looks at the clock; also between two questions to a server that starts.
const TICK: Duration = Duration::from_millis(100);
/// Events that wait for the loop. Each task has at most a handful under way.
const QUEUE_LENGTH: usize = 4096;

/// A deployment under the scheduler's care.
pub struct Run<P: Platform> {
    options: Options,
    data_dir: PathBuf,
    setup: Setup,
    machine: Machine,
    platform: Arc<P>,
    servers: Servers,
    events: mpsc::Sender<Event>,
    inbox: mpsc::Receiver<Event>,
    view: watch::Sender<View>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stopped as wished.
    Stopped,
    /// A server never came up.
    Failed,
}

impl<P: Platform> Run<P> {
    /// Takes up a deployment: adopts what runs, checks that the rest can be started.
    pub fn new(options: Options, data_dir: PathBuf, setup: Setup, platform: P, servers: Servers) -> Result<(Self, watch::Receiver<View>)> {
        let (events, inbox) = mpsc::channel(QUEUE_LENGTH);
        let (view, view_receiver) = watch::channel(View::default());
        let limits = Limits { start_ms_max: options.instance_up_timeout_s.saturating_mul(1000), ..Limits::default() };
        let machine = Machine::new(setup.tasks.clone(), setup.initialised, limits, rt::clock::now_ms());
        let mut run = Self { options, data_dir, setup, machine, platform: Arc::new(platform), servers, events, inbox, view };
        run.adopt()?;
        Ok((run, view_receiver))
    }

    fn adopt(&mut self) -> Result<()> {
        for (index, task) in self.machine.tasks().to_vec().iter().enumerate() {
            if let Some(process) = self.platform.find(task, self.ended(index)) {
                println!("{} runs already as process {}", task.name, process.pid);
                self.machine.adopt(index, process, rt::clock::now_ms());
            } else if let Some(obstacle) = self.platform.obstacle(task) {
                return Err(Error::bad_parameter(obstacle));
            }
        }
        Ok(())
    }

    /// A call for the platform that reports the end of a process.
    fn ended(&self, task: usize) -> Box<dyn FnOnce(crate::task::ProcessId, String) + Send> {
        let events = self.events.clone();
        Box::new(move |process, how| {
            // The loop is gone only when the program ends.
            let _ = events.blocking_send(Event::Ended { task, process, how });
        })
    }

    /// Runs until everything has stopped. `stop` is a wish to stop; a second one changes nothing.
    pub async fn run(mut self, mut stop: mpsc::Receiver<()>) -> Result<Outcome> {
        let mut clock = tokio::time::interval(TICK);
        loop {
            let event = tokio::select! {
                Some(()) = stop.recv() => Event::StopWanted,
                Some(event) = self.inbox.recv() => event,
                _ = clock.tick() => Event::Tick,
            };
            if let Some(outcome) = self.handle(event)? {
                return Ok(outcome);
            }
        }
    }

    /// One event and everything that follows from it at once.
    fn handle(&mut self, event: Event) -> Result<Option<Outcome>> {
        let mut pending = vec![event];
        while let Some(event) = pending.pop() {
            let commands = self.machine.step(event, rt::clock::now_ms());
            self.save()?;
            for command in commands {
                match command {
                    Command::Launch(index) => pending.extend(self.launch(index)),
                    Command::Probe(index) => self.probe(index),
                    Command::Link(index) => self.link(index),
                    Command::Initialise => self.initialise(),
                    Command::End(index, stop) => {
                        if let Some(process) = self.machine.tasks().get(index).and_then(|task| task.process) {
                            self.platform.end(process, stop);
                        }
                    }
                    Command::Say(text) => println!("{text}"),
                    Command::Complete => self.announce(),
                    Command::Finish { failed } => return Ok(Some(if failed { Outcome::Failed } else { Outcome::Stopped })),
                }
            }
        }
        Ok(None)
    }

    /// Writes the tasks to disk if they changed, and shows them.
    fn save(&mut self) -> Result<()> {
        let (tasks, initialised) = (self.machine.tasks(), self.machine.is_initialised());
        let complete = self.machine.is_complete();
        if self.setup.tasks != tasks || self.setup.initialised != initialised {
            self.setup.tasks = tasks.to_vec();
            self.setup.initialised = initialised;
            self.setup.save(&self.data_dir)?;
        } else if self.view.borrow().complete == complete && !self.view.borrow().tasks.is_empty() {
            return Ok(());
        }
        self.view.send_replace(View { tasks: tasks.to_vec(), complete });
        Ok(())
    }

    fn launch(&self, index: usize) -> Option<Event> {
        let tasks = self.machine.tasks();
        let task = tasks.get(index)?;
        let arguments = layout::arguments(task, tasks, &self.options, &self.data_dir);
        Some(match self.platform.launch(task, &arguments, self.ended(index)) {
            Ok(process) => Event::Launched { task: index, process },
            Err(reason) => Event::LaunchFailed { task: index, reason },
        })
    }

    fn probe(&self, index: usize) {
        let Some(task) = self.machine.tasks().get(index).cloned() else { return };
        let servers = self.servers.clone();
        self.report(async move {
            match servers.probe(&task).await {
                Some(ready) => Event::Answered { task: index, server_id: ready.server_id },
                None => {
                    tokio::time::sleep(TICK).await;
                    Event::NoAnswer { task: index }
                }
            }
        });
    }

    fn link(&self, index: usize) {
        let tasks = self.machine.tasks();
        let Some(secondary) = tasks.get(index) else { return };
        let primary = tasks.iter().find(|task| Some(&task.name) == secondary.copies.as_ref()).and_then(|task| task.server_id.clone());
        let id = secondary.server_id.clone();
        let agents = of_kind(tasks, Kind::Agent);
        let servers = self.servers.clone();
        self.report(async move {
            let result = match (primary, id) {
                (Some(primary), Some(id)) => servers.link(&agents, &primary, &id).await,
                _ => Err("its primary has no id".to_owned()),
            };
            Event::Linked { task: index, result }
        });
    }

    fn initialise(&self) {
        let tasks = self.machine.tasks();
        let coordinators = of_kind(tasks, Kind::Coordinator);
        let dbservers = of_kind(tasks, Kind::Primary).len();
        let servers = self.servers.clone();
        self.report(async move {
            let result = match coordinators.first() {
                Some(first) => servers.initialise(first, dbservers, coordinators.len()).await,
                None => Err("there is no coordinator".to_owned()),
            };
            Event::Initialised { result }
        });
    }

    fn report(&self, work: impl Future<Output = Event> + Send + 'static) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let event = work.await;
            // The loop is gone only when the program ends.
            let _ = events.send(event).await;
        });
    }

    fn announce(&self) {
        let tasks = self.machine.tasks();
        println!("\n{}", crate::table::render(tasks, &self.data_dir, |_| true));
        let doors = tasks.iter().filter(|task| matches!(task.kind, Kind::Coordinator | Kind::Single)).map(Task::url);
        println!("Your deployment is ready: {}", doors.collect::<Vec<_>>().join(" "));
    }
}

fn of_kind(tasks: &[Task], kind: Kind) -> Vec<Task> {
    tasks.iter().filter(|task| task.kind == kind).cloned().collect()
}
