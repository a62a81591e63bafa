//! Cases of the state machine, driven by hand-made events and a clock that is a number.

use super::*;
use proptest::prelude::*;

/// A cluster as the request describes it: 3 agents, 2 primaries, 2 secondaries, 1 coordinator.
fn cluster() -> Vec<Task> {
    let mut tasks = Vec::new();
    for (kind, count) in [(Kind::Agent, 3), (Kind::Primary, 2), (Kind::Secondary, 2), (Kind::Coordinator, 1)] {
        for number in 1..=count {
            tasks.push(Task::new(kind, number, "127.0.0.1", 8000 + tasks.len() as u16));
        }
    }
    tasks
}

/// Carries every command out at once and faithfully, and keeps a log of names.
struct World {
    machine: Machine,
    now_ms: u64,
    next_pid: i32,
    log: Vec<String>,
    finished: Option<bool>,
}

impl World {
    fn new(tasks: Vec<Task>) -> Self {
        Self { machine: Machine::new(tasks, false, Limits::default(), 0), now_ms: 0, next_pid: 100, log: Vec::new(), finished: None }
    }

    fn name(&self, task: usize) -> String {
        self.machine.tasks()[task].name.clone()
    }

    fn event(&mut self, event: Event) {
        let mut queue = vec![event];
        while let Some(event) = queue.pop() {
            for command in self.machine.step(event, self.now_ms) {
                queue.extend(self.carry_out(command));
            }
            self.check();
        }
    }

    fn carry_out(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Launch(task) => {
                self.log.push(format!("launch {}", self.name(task)));
                self.next_pid += 1;
                Some(Event::Launched { task, process: ProcessId { pid: self.next_pid, started_ticks: 0 } })
            }
            Command::Probe(task) => Some(Event::Answered { task, server_id: None }),
            Command::Link(task) => {
                self.log.push(format!("link {}", self.name(task)));
                Some(Event::Linked { task, result: Ok(()) })
            }
            Command::Initialise => {
                self.log.push("initialise".to_owned());
                Some(Event::Initialised { result: Ok(()) })
            }
            Command::End(task, stop) => {
                self.log.push(format!("{stop:?} {}", self.name(task)));
                self.machine.tasks()[task].process.map(|process| Event::Ended { task, process, how: "ended".to_owned() })
            }
            Command::Say(_) => None,
            Command::Complete => {
                self.log.push("complete".to_owned());
                None
            }
            Command::Finish { failed } => {
                self.finished = Some(failed);
                None
            }
        }
    }

    fn check(&self) {
        for task in self.machine.tasks() {
            if matches!(task.state, State::New | State::Killed | State::Dead) {
                assert_eq!(task.process, None, "{} in {} has a process", task.name, task.state);
            }
        }
    }

    fn kill(&mut self, task: usize) {
        let process = self.machine.tasks()[task].process.unwrap();
        self.event(Event::Ended { task, process, how: "was killed".to_owned() });
    }
}

#[test]
fn kinds_are_launched_one_after_the_other_and_initialised_last() {
    let mut world = World::new(cluster());
    world.event(Event::Tick);
    let expected = "launch agent1,launch agent2,launch agent3,launch primary1,launch primary2,link secondary1,link secondary2,\
                    launch secondary1,launch secondary2,launch coordinator1,initialise,complete";
    let mut log = world.log.clone();
    // Within one kind the order does not matter.
    let groups = [0..3, 3..5, 5..7, 7..9];
    groups.into_iter().for_each(|group| log[group].sort());
    let mut relaxed = log.clone();
    relaxed[5..9].sort();
    let mut wanted: Vec<&str> = expected.split(',').collect();
    wanted[5..9].sort_unstable();
    assert_eq!(relaxed, wanted);
    for number in 1..=2 {
        let at = |what: String| world.log.iter().position(|line| *line == what).unwrap();
        assert!(at(format!("link secondary{number}")) < at(format!("launch secondary{number}")));
    }
}

#[test]
fn nothing_else_is_launched_while_an_agent_does_not_answer() {
    let mut machine = Machine::new(cluster(), false, Limits::default(), 0);
    let commands = machine.step(Event::Tick, 0);
    assert_eq!(commands, [Command::Launch(0), Command::Launch(1), Command::Launch(2)]);
    for task in 0..3 {
        machine.step(Event::Launched { task, process: ProcessId { pid: 1 + task as i32, started_ticks: 0 } }, 0);
    }
    machine.step(Event::Answered { task: 0, server_id: None }, 1);
    machine.step(Event::Answered { task: 1, server_id: None }, 1);
    assert!(!machine.step(Event::Tick, 2).iter().any(|command| matches!(command, Command::Launch(_))));
    let commands = machine.step(Event::Answered { task: 2, server_id: None }, 3);
    assert!(commands.contains(&Command::Launch(3)) && commands.contains(&Command::Launch(4)));
}

#[test]
fn a_dead_server_is_started_again_whatever_else_is_down() {
    let mut world = World::new(cluster());
    world.event(Event::Tick);
    world.log.clear();
    let agent_process = world.machine.tasks()[0].process.unwrap();
    world.machine.step(Event::Ended { task: 0, process: agent_process, how: "died".to_owned() }, 0);
    world.kill(3);
    assert!(world.log.is_empty(), "a pause comes first: {:?}", world.log);
    assert_eq!(world.machine.tasks()[3].state, State::Killed);
    world.now_ms += 250;
    world.event(Event::Tick);
    world.log.sort();
    assert_eq!(world.log, ["launch agent1", "launch primary1"]);
    assert_eq!(world.machine.tasks()[3].state, State::Running);
}

#[test]
fn pauses_double_and_an_old_process_does_not_count() {
    let mut world = World::new(cluster());
    world.event(Event::Tick);
    let first = world.machine.tasks()[3].process.unwrap();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        world.kill(3);
        let task = &world.machine.tasks()[3];
        pauses.push(task.not_before_ms - world.now_ms);
        world.now_ms = task.not_before_ms;
        world.event(Event::Tick);
    }
    assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000]);
    world.event(Event::Ended { task: 3, process: first, how: "old news".to_owned() });
    assert_eq!(world.machine.tasks()[3].state, State::Running);
    world.now_ms += 30_000;
    world.kill(3);
    assert_eq!(world.machine.tasks()[3].not_before_ms - world.now_ms, 250);
}

#[test]
fn kinds_stop_in_the_reverse_order() {
    let mut world = World::new(cluster());
    world.event(Event::Tick);
    world.log.clear();
    world.event(Event::StopWanted);
    let kinds: Vec<_> = world.log.iter().map(|line| line.trim_start_matches("Orderly ").trim_end_matches(char::is_numeric)).collect();
    assert_eq!(kinds, ["coordinator", "secondary", "secondary", "primary", "primary", "agent", "agent", "agent"]);
    assert_eq!(world.finished, Some(false));
}

#[test]
fn a_server_that_hangs_is_killed_at_start_and_at_stop() {
    let mut machine = Machine::new(vec![Task::new(Kind::Single, 1, "127.0.0.1", 8529)], false, Limits::default(), 0);
    let process = ProcessId { pid: 7, started_ticks: 7 };
    assert_eq!(machine.step(Event::Tick, 0), [Command::Launch(0)]);
    machine.step(Event::Launched { task: 0, process }, 0);
    assert!(!machine.step(Event::Tick, 300_000).contains(&Command::End(0, Stop::Kill)));
    assert!(machine.step(Event::Tick, 300_001).contains(&Command::End(0, Stop::Kill)));
    assert!(machine.step(Event::StopWanted, 300_002).contains(&Command::End(0, Stop::Orderly)));
    assert!(machine.step(Event::Tick, 420_003).contains(&Command::End(0, Stop::Kill)));
    let commands = machine.step(Event::Ended { task: 0, process, how: "killed".to_owned() }, 420_004);
    assert_eq!(commands, [Command::Finish { failed: false }]);
}

#[test]
fn a_server_that_never_comes_up_stops_the_start() {
    let mut machine = Machine::new(vec![Task::new(Kind::Single, 1, "127.0.0.1", 8529)], false, Limits::default(), 0);
    let mut now_ms = 0;
    let mut last = Vec::new();
    for pid in 0..4 {
        assert!(machine.step(Event::Tick, now_ms).contains(&Command::Launch(0)));
        let process = ProcessId { pid, started_ticks: 0 };
        machine.step(Event::Launched { task: 0, process }, now_ms);
        last = machine.step(Event::Ended { task: 0, process, how: "ended with code 1".to_owned() }, now_ms);
        now_ms += 20_000;
    }
    assert!(last.contains(&Command::Finish { failed: true }), "{last:?}");
}

#[test]
fn links_and_initialisation_are_tried_again() {
    let mut tasks = cluster();
    tasks.truncate(6);
    let mut machine = Machine::new(tasks, false, Limits::default(), 0);
    let mut links = 0;
    let mut now_ms = 0;
    let mut queue = vec![Event::Tick];
    while let Some(event) = queue.pop() {
        for command in machine.step(event, now_ms) {
            match command {
                Command::Launch(task) => queue.push(Event::Launched { task, process: ProcessId { pid: task as i32, started_ticks: 1 } }),
                Command::Probe(task) => queue.push(Event::Answered { task, server_id: None }),
                Command::Link(task) => {
                    links += 1;
                    let result = if links < 3 { Err("no leader".to_owned()) } else { Ok(()) };
                    queue.push(Event::Linked { task, result });
                }
                _ => {}
            }
        }
        if queue.is_empty() && !machine.is_complete() {
            now_ms += 500;
            queue.push(Event::Tick);
        }
    }
    assert_eq!(links, 3);
    assert_eq!(now_ms, 1000);
}

#[test]
fn a_later_run_adopts_processes_and_starts_the_rest() {
    let mut tasks = cluster();
    for task in &mut tasks {
        task.state = State::Running;
        task.linked = true;
    }
    let mut machine = Machine::new(tasks, true, Limits::default(), 10);
    for index in 0..7 {
        machine.adopt(index, ProcessId { pid: 50 + index as i32, started_ticks: 1 }, 10);
    }
    let mut launched = Vec::new();
    let mut queue = vec![Event::Tick];
    while let Some(event) = queue.pop() {
        for command in machine.step(event, 10) {
            match command {
                Command::Launch(task) => {
                    launched.push(task);
                    queue.push(Event::Launched { task, process: ProcessId { pid: 99, started_ticks: 2 } });
                }
                Command::Probe(task) => queue.push(Event::Answered { task, server_id: None }),
                Command::Initialise => panic!("was initialised before"),
                _ => {}
            }
        }
    }
    assert_eq!(launched, [7]);
    assert!(machine.is_complete());
}

proptest! {
    /// Whatever dies whenever: in the end everything runs, and a stop ends everything.
    #[test]
    fn everything_runs_after_any_deaths(deaths in proptest::collection::vec((0usize..8, 0u64..40_000), 0..60)) {
        let mut world = World::new(cluster());
        world.event(Event::Tick);
        for (task, pause_ms) in deaths {
            world.now_ms += pause_ms;
            world.event(Event::Tick);
            if world.machine.tasks()[task].process.is_some() {
                world.kill(task);
            }
        }
        world.now_ms += 15_000;
        world.event(Event::Tick);
        prop_assert!(world.machine.tasks().iter().all(|task| task.state == State::Running));
        world.event(Event::StopWanted);
        prop_assert_eq!(world.finished, Some(false));
        prop_assert!(world.machine.tasks().iter().all(|task| task.state == State::Dead && task.process.is_none()));
    }
}
