//! Which tasks a deployment has, on which node and port each runs, and with which command line.
//!
//! Ports follow the starter: the group number `n` (0, 1, 2 …) has its ports from
//! `starter.port + 10·n`: coordinator or single +1, primary +2, agent +3, secondary +4. A node, port
//! and directory once given to a task stay with it (`setup_file`).

use crate::options::{Mode, Options};
use crate::task::{Kind, Task};
use std::path::Path;

/// The tasks of a new deployment.
pub fn tasks(options: &Options) -> Vec<Task> {
    if options.mode == Mode::Single {
        return vec![place(options, Kind::Single, 0, 0)];
    }
    let group = |kind: Kind, count: usize| (0..count).map(move |index| place(options, kind, index, index));
    let secondaries = if options.secondaries { options.dbservers } else { 0 };
    let mut tasks: Vec<Task> = group(Kind::Agent, options.agents).chain(group(Kind::Primary, options.dbservers)).collect();
    tasks.extend((0..secondaries).map(|index| secondary(options, index)));
    tasks.extend(group(Kind::Coordinator, options.coordinators));
    tasks
}

fn place(options: &Options, kind: Kind, index: usize, node_index: usize) -> Task {
    let node = options.nodes.get(node_index % options.nodes.len().max(1)).map_or("127.0.0.1", String::as_str);
    let port = options.port + kind.port_offset() + u16::try_from(index * 10).unwrap_or(0);
    Task::new(kind, index + 1, node, port)
}

/// A secondary goes to the node after that of its primary, so never to the same one if there are
/// several (S105).
fn secondary(options: &Options, index: usize) -> Task {
    let mut task = place(options, Kind::Secondary, index, index + 1);
    task.copies = Some(format!("{}{}", Kind::Primary.directory_prefix(), index + 1));
    task.server_id = Some(format!("Secondary{:03}", index + 1));
    task
}

/// Arguments of arangod for one task.
pub fn arguments(task: &Task, all: &[Task], options: &Options, data_dir: &Path) -> Vec<String> {
    let mut arguments = vec![
        format!("--database.directory={}", data_dir.join(&task.name).display()),
        format!("--server.endpoint=tcp://{}:{}", listen_address(&task.node), task.port),
    ];
    match &options.jwt_secret {
        Some(file) => {
            arguments.push("--server.authentication=true".to_owned());
            arguments.push(format!("--server.jwt-secret-keyfile={}", file.display()));
        }
        None => arguments.push("--server.authentication=false".to_owned()),
    }
    let agents = || all.iter().filter(|other| other.kind == Kind::Agent);
    let member = |arguments: &mut Vec<String>, name: String| {
        arguments.push(name);
        arguments.push(format!("--cluster.my-address={}", task.endpoint()));
        arguments.extend(agents().map(|agent| format!("--cluster.agency-endpoint={}", agent.endpoint())));
    };
    match task.kind {
        Kind::Single => {}
        Kind::Agent => {
            arguments.push("--agency.activate=true".to_owned());
            arguments.push(format!("--agency.size={}", agents().count()));
            arguments.push(format!("--agency.my-address={}", task.endpoint()));
            arguments.extend(agents().map(|agent| format!("--agency.endpoint={}", agent.endpoint())));
            arguments.push("--agency.supervision=true".to_owned());
        }
        Kind::Primary => {
            arguments.push("--cluster.my-role=PRIMARY".to_owned());
            member(&mut arguments, format!("--cluster.my-local-info={}", task.name));
        }
        Kind::Coordinator => {
            arguments.push("--cluster.my-role=COORDINATOR".to_owned());
            member(&mut arguments, format!("--cluster.my-local-info={}", task.name));
        }
        Kind::Secondary => member(&mut arguments, format!("--cluster.my-id={}", task.server_id.as_deref().unwrap_or(&task.name))),
    }
    let group = group_of(task.kind);
    let wanted = options.passed_on.iter().filter(|option| option.group == "all" || option.group == group);
    arguments.extend(wanted.map(|option| option.argument.clone()));
    arguments
}

/// Name of the options passed on to this kind.
fn group_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent => "agents",
        Kind::Primary => "dbservers",
        Kind::Secondary => "secondaries",
        Kind::Coordinator => "coordinators",
        Kind::Single => "single",
    }
}

/// Servers of a cluster on this machine only do not listen to the network.
fn listen_address(node: &str) -> &str {
    if node.starts_with("127.") || node == "localhost" || node == "[::1]" { node } else { "0.0.0.0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_default_cluster_and_its_ports() {
        let tasks = tasks(&options(""));
        let shown: Vec<_> = tasks.iter().map(|task| format!("{} {}", task.name, task.port)).collect();
        let expected = "agent1 8531,agent2 8541,agent3 8551,primary1 8530,primary2 8540,secondary1 8532,secondary2 8542,coordinator1 8529,coordinator2 8539";
        assert_eq!(shown.join(","), expected);
    }

    #[test]
    fn no_port_is_given_twice() {
        let tasks = tasks(&options("--cluster.agency-size 7 --cluster.dbservers 9 --cluster.coordinators 5"));
        let mut ports: Vec<u16> = tasks.iter().map(|task| task.port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 7 + 9 + 9 + 5);
    }

    #[test]
    fn a_secondary_is_never_on_the_node_of_its_primary() {
        for nodes in 2..5 {
            let addresses: String = (1..=nodes).map(|node| format!(" --starter.address 127.0.0.{node}")).collect();
            for servers in 1..9 {
                let tasks = tasks(&options(&format!("--cluster.dbservers {servers}{addresses}")));
                for secondary in tasks.iter().filter(|task| task.kind == Kind::Secondary) {
                    let primary = tasks.iter().find(|task| Some(&task.name) == secondary.copies.as_ref()).unwrap();
                    assert_ne!(primary.node, secondary.node, "{servers} primaries on {nodes} nodes");
                }
            }
        }
    }

    #[test]
    fn command_lines_carry_the_options_of_the_request() {
        let options = options("--all.log.level=info --secondaries.server.threads=2");
        let tasks = tasks(&options);
        let of = |name: &str| {
            let task = tasks.iter().find(|task| task.name == name).unwrap();
            arguments(task, &tasks, &options, Path::new("/data")).join(" ")
        };
        let agency = "--cluster.agency-endpoint=tcp://127.0.0.1:8531 --cluster.agency-endpoint=tcp://127.0.0.1:8541 --cluster.agency-endpoint=tcp://127.0.0.1:8551";
        assert_eq!(
            of("primary1"),
            format!(
                "--database.directory=/data/primary1 --server.endpoint=tcp://127.0.0.1:8530 --server.authentication=false \
                 --cluster.my-role=PRIMARY --cluster.my-local-info=primary1 --cluster.my-address=tcp://127.0.0.1:8530 {agency} --log.level=info"
            )
        );
        assert!(of("secondary2").ends_with(&format!(
            "--cluster.my-id=Secondary002 --cluster.my-address=tcp://127.0.0.1:8542 {agency} --log.level=info --server.threads=2"
        )));
        assert!(of("agent2").contains("--agency.activate=true --agency.size=3 --agency.my-address=tcp://127.0.0.1:8541"));
        assert!(of("agent2").contains("--agency.supervision=true"));
    }
}
