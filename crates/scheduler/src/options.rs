//! The command line of `arangodb`: commands, options, options passed on to the servers.
//!
//! Both spellings (`--name value`, `--name=value`), options in any place, and a configuration file
//! with `[section]` and `name = value`. An unknown option is refused with the nearest known name.

use base::{Error, Result};
use std::path::{Path, PathBuf};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Run in the foreground.
    Run,
    /// Run in the background; return when the cluster is up.
    Start,
    /// Stop a cluster.
    Stop,
    /// Show what runs where.
    Status,
    /// Print the version.
    Version,
    /// Print the options.
    Help,
}

/// Which deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One server, no cluster.
    Single,
    /// Agents, primaries, secondaries, coordinators.
    Cluster,
}

/// Options for the servers of one kind, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOn {
    /// `all`, `agents`, `dbservers`, `secondaries`, `coordinators` or `single`.
    pub group: String,
    /// Option of arangod with its value, `--name=value`.
    pub argument: String,
}

/// All options.
#[derive(Clone, Debug)]
pub struct Options {
    /// Command.
    pub verb: Verb,
    /// Deployment.
    pub mode: Mode,
    /// Folder of everything.
    pub data_dir: PathBuf,
    /// First port; servers use the ports after it.
    pub port: u16,
    /// Address on which the scheduler listens; the first node's if not given.
    pub host: Option<String>,
    /// Addresses of the nodes; several loopback addresses stand for several machines.
    pub nodes: Vec<String>,
    /// Agents.
    pub agents: usize,
    /// Primaries.
    pub dbservers: usize,
    /// Coordinators.
    pub coordinators: usize,
    /// One secondary for each primary.
    pub secondaries: bool,
    /// Program of the servers.
    pub arangod: Option<PathBuf>,
    /// File with the secret of the cluster; switches authentication on.
    pub jwt_secret: Option<PathBuf>,
    /// Seconds for a server to answer.
    pub instance_up_timeout_s: u64,
    /// `start` returns only when the cluster is up.
    pub wait: bool,
    /// Options for servers.
    pub passed_on: Vec<PassedOn>,
}

/// Name, whether it takes a value, and what it is for.
const KNOWN: [(&str, bool, &str); 17] = [
    ("starter.mode", true, "single or cluster (default cluster)"),
    ("starter.local", false, "all processes on this machine (default, and the only form yet)"),
    ("starter.data-dir", true, "folder of all data, logs and the scheduler's own state (default .)"),
    ("starter.port", true, "port of the scheduler; the servers use the ports after it (default 8528)"),
    ("starter.host", true, "address on which the scheduler listens (default: that of the first node)"),
    ("starter.address", true, "address of the node (default 127.0.0.1); given several times: several nodes"),
    ("starter.instance-up-timeout", true, "time in which a server must answer, such as 300s or 5m (default 5m)"),
    ("starter.wait", false, "`start` returns only when the cluster is up (default true)"),
    ("starter.join", true, "not available yet: clusters over several machines"),
    ("cluster.agency-size", true, "number of agents, odd (default 3)"),
    ("cluster.dbservers", true, "number of primary DB-servers (default 2)"),
    ("cluster.coordinators", true, "number of coordinators (default 2)"),
    ("cluster.secondaries", false, "one secondary for each primary (default true)"),
    ("server.arangod", true, "path of arangod (default: beside this program, then in PATH)"),
    ("auth.jwt-secret", true, "file with the cluster's secret; switches authentication on"),
    ("configuration", true, "file with [section] and name = value"),
    ("data.dir", true, "old name of starter.data-dir"),
];

const GROUPS: [&str; 6] = ["all", "agents", "dbservers", "secondaries", "coordinators", "single"];

impl Default for Options {
    fn default() -> Self {
        Self {
            verb: Verb::Run,
            mode: Mode::Cluster,
            data_dir: PathBuf::from("."),
            port: 8528,
            host: None,
            nodes: Vec::new(),
            agents: 3,
            dbservers: 2,
            coordinators: 2,
            secondaries: true,
            arangod: None,
            jwt_secret: None,
            instance_up_timeout_s: 300,
            wait: true,
            passed_on: Vec::new(),
        }
    }
}

impl Options {
    /// Reads the command line (without the program's name).
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter().peekable();
        while let Some(argument) = rest.next() {
            if matches!(argument.as_str(), "--help" | "-h" | "help") {
                options.verb = Verb::Help;
                continue;
            }
            if matches!(argument.as_str(), "--version" | "version") {
                options.verb = Verb::Version;
                continue;
            }
            let Some(name) = argument.strip_prefix("--").or_else(|| (argument == "-c").then_some("configuration")) else {
                options.verb = verb_of(argument)?;
                continue;
            };
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None if takes_value(name)? => (name, rest.next().cloned()),
                None => (name, rest.next_if(|next| matches!(next.as_str(), "true" | "false")).cloned()),
            };
            options.set(name, value)?;
        }
        options.check()?;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: Option<String>) -> Result<()> {
        if let Some((group, option)) = passed_on(name) {
            let argument = match value {
                Some(value) => format!("--{option}={value}"),
                None => format!("--{option}"),
            };
            self.passed_on.push(PassedOn { group: group.to_owned(), argument });
            return Ok(());
        }
        if !takes_value(name)? {
            let flag = match value.as_deref() {
                None | Some("true" | "1" | "yes" | "on") => true,
                Some("false" | "0" | "no" | "off") => false,
                Some(other) => return Err(Error::bad_parameter(format!("option --{name}: {other:?} is neither true nor false"))),
            };
            return self.set_flag(name, flag);
        }
        let value = value.ok_or_else(|| Error::bad_parameter(format!("option --{name} needs a value")))?;
        self.set_value(name, &value)
    }

    fn set_flag(&mut self, name: &str, flag: bool) -> Result<()> {
        match name {
            "starter.wait" => self.wait = flag,
            "cluster.secondaries" => self.secondaries = flag,
            "starter.local" if !flag => {
                return Err(Error::bad_parameter("--starter.local=false: clusters over several machines are not available yet"));
            }
            _ => {}
        }
        Ok(())
    }

    fn set_value(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "starter.mode" => self.mode = mode_of(value)?,
            "starter.data-dir" | "data.dir" => self.data_dir = PathBuf::from(value),
            "starter.port" => self.port = number(name, value)?,
            "starter.host" => self.host = Some(value.to_owned()),
            "starter.address" => self.nodes.push(value.to_owned()),
            "starter.instance-up-timeout" => self.instance_up_timeout_s = seconds(name, value)?,
            "cluster.agency-size" => self.agents = number(name, value)?,
            "cluster.dbservers" => self.dbservers = number(name, value)?,
            "cluster.coordinators" => self.coordinators = number(name, value)?,
            "server.arangod" => self.arangod = Some(PathBuf::from(value)),
            "auth.jwt-secret" => self.jwt_secret = Some(PathBuf::from(value)),
            "configuration" if value != "none" => self.read_file(Path::new(value))?,
            "starter.join" => {
                return Err(Error::bad_parameter(
                    "--starter.join: clusters over several machines are not available yet; start all processes here",
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::bad_parameter(format!("cannot read the configuration file {}: {error}", path.display())))?;
        let mut section = String::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = format!("{}.", name.trim());
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                return Err(Error::bad_parameter(format!("{}:{}: not `name = value`: {line}", path.display(), number + 1)));
            };
            let name = format!("{section}{}", name.trim());
            if name == "configuration" {
                return Err(Error::bad_parameter(format!(
                    "{}:{}: a configuration file cannot name another one",
                    path.display(),
                    number + 1
                )));
            }
            self.set(&name, Some(value.trim().to_owned()))?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        if self.nodes.is_empty() {
            self.nodes.push("127.0.0.1".to_owned());
        }
        if self.agents.is_multiple_of(2) {
            return Err(Error::bad_parameter(format!("--cluster.agency-size {}: the number of agents must be odd", self.agents)));
        }
        if self.dbservers == 0 || self.coordinators == 0 {
            return Err(Error::bad_parameter("a cluster needs at least one DB-server and one coordinator"));
        }
        let servers = self.agents.max(self.dbservers).max(self.coordinators);
        if servers > 100 || usize::from(self.port) + servers * 10 > 65_535 {
            return Err(Error::bad_parameter(format!("{servers} servers of a kind do not find ports after {}", self.port)));
        }
        Ok(())
    }
}

fn verb_of(word: &str) -> Result<Verb> {
    match word {
        "run" => Ok(Verb::Run),
        "start" => Ok(Verb::Start),
        "stop" => Ok(Verb::Stop),
        "status" => Ok(Verb::Status),
        _ => Err(Error::bad_parameter(format!("unknown command {word:?}; known are start, stop, status, version, help"))),
    }
}

fn mode_of(value: &str) -> Result<Mode> {
    match value {
        "single" => Ok(Mode::Single),
        "cluster" => Ok(Mode::Cluster),
        _ => Err(Error::bad_parameter(format!("--starter.mode {value}: known are single and cluster"))),
    }
}

/// Group and option of `--agents.log.level`, `--args.agents.log.level`.
fn passed_on(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_prefix("args.").unwrap_or(name);
    let (group, option) = name.split_once('.')?;
    (GROUPS.contains(&group) && option.contains('.')).then_some((group, option))
}

fn takes_value(name: &str) -> Result<bool> {
    if passed_on(name).is_some() {
        return Ok(true);
    }
    if let Some((_, takes_value, _)) = KNOWN.iter().find(|(known, ..)| *known == name) {
        return Ok(*takes_value);
    }
    let nearest = KNOWN.iter().map(|(known, ..)| *known).min_by_key(|known| distance(known, name)).unwrap_or_default();
    Err(Error::bad_parameter(format!("unknown option --{name}; did you mean --{nearest}?")))
}

/// Number of single-character changes between two names.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (b, cell) in right.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(a != *b);
            diagonal = *cell;
            *cell = changed.min(diagonal + 1).min(before + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| Error::bad_parameter(format!("--{name}: {value:?} is not a number in range")))
}

/// `90`, `90s`, `5m`.
fn seconds(name: &str, value: &str) -> Result<u64> {
    match value.strip_suffix('m') {
        Some(minutes) => Ok(number::<u64>(name, minutes)?.saturating_mul(60)),
        None => number(name, value.strip_suffix('s').unwrap_or(value)),
    }
}

/// Text for `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "arangodb: starts, watches and stops a cluster of arangod processes\n\n\
         usage: arangodb [OPTIONS]          run in the foreground, Ctrl-C stops everything in order\n\
         \x20      arangodb start [OPTIONS]    run in the background, return when the cluster is up\n\
         \x20      arangodb stop [OPTIONS]     stop the cluster of a data directory\n\
         \x20      arangodb status [OPTIONS]   show what runs where\n\noptions:\n",
    );
    for (name, takes_value, what) in KNOWN {
        let name = format!("--{name}{}", if takes_value { " VALUE" } else { "" });
        text.push_str(&format!("  {name:<38} {what}\n"));
    }
    text.push_str("  --all.X=V --agents.X=V --dbservers.X=V --secondaries.X=V --coordinators.X=V --single.X=V\n");
    text.push_str(&format!("  {:<38} option --X=V of arangod for all servers, or those of one kind\n", ""));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn both_spellings_and_commands_in_any_place() {
        let options = parse("--starter.local --starter.port=9000 start --cluster.coordinators 3 --cluster.secondaries false").unwrap();
        assert_eq!((options.verb, options.port, options.coordinators, options.secondaries), (Verb::Start, 9000, 3, false));
        assert_eq!(parse("").unwrap().verb, Verb::Run);
    }

    #[test]
    fn options_are_passed_on_by_kind() {
        let options = parse("--all.log.level=debug --args.agents.agency.supervision-grace-period 15 --dbservers.server.threads=4").unwrap();
        let passed: Vec<_> = options.passed_on.iter().map(|option| format!("{} {}", option.group, option.argument)).collect();
        assert_eq!(passed, ["all --log.level=debug", "agents --agency.supervision-grace-period=15", "dbservers --server.threads=4"]);
    }

    #[test]
    fn mistakes_are_named() {
        let message = |line: &str| parse(line).unwrap_err().to_string();
        assert!(message("--starter.prot 1").contains("did you mean --starter.port?"));
        assert!(message("--cluster.agency-size 2").contains("odd"));
        assert!(message("--starter.port seven").contains("not a number"));
        assert!(message("--starter.port").contains("needs a value"));
        assert!(message("strat").contains("unknown command"));
        assert!(message("--starter.mode forest").contains("single and cluster"));
        assert!(message("--starter.port 65530").contains("ports"));
    }

    #[test]
    fn a_file_gives_the_same_options() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arangodb-starter.conf");
        std::fs::write(&path, "# a cluster\n[starter]\nport = 9100\n[cluster]\nsecondaries = false\n[dbservers.log]\nlevel = trace\n")
            .unwrap();
        let options = parse(&format!("-c {}", path.display())).unwrap();
        assert_eq!((options.port, options.secondaries), (9100, false));
        assert_eq!(options.passed_on.first().unwrap().argument, "--log.level=trace");
        std::fs::write(&path, "nonsense\n").unwrap();
        assert!(parse(&format!("-c {}", path.display())).unwrap_err().to_string().contains(":1:"));
    }
}
