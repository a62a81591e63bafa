//! The log in ArangoDB's line form: `2026-01-01T10:00:00Z [pid] INFO {topic} message`.
//!
//! A topic is the event's target where it is one word (`target: "startup"`), else it follows from
//! the crate that speaks. Levels are set per topic by `--log.level topic=level`.

use crate::options::Options;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Where log lines go.
enum Sink {
    Stdout,
    Stderr,
    File { path: PathBuf, file: Mutex<File> },
}

/// Levels by topic and the places to write to.
pub struct Log {
    default_level: LevelFilter,
    topics: BTreeMap<String, LevelFilter>,
    sinks: Vec<Sink>,
    is_json: bool,
    process: u32,
}

/// Sets up the log of this process as the options say; the fault is one line for the user.
pub fn start(options: &Options) -> Result<&'static Log, String> {
    let log: &'static Log = Box::leak(Box::new(Log::new(options)?));
    tracing_subscriber::registry().with(log.layer()).try_init().map_err(|error| format!("cannot start the log: {error}"))?;
    Ok(log)
}

impl Log {
    fn new(options: &Options) -> Result<Self, String> {
        let mut log = Self {
            default_level: LevelFilter::INFO,
            topics: BTreeMap::new(),
            sinks: Vec::new(),
            is_json: options.flag("log.use-json-format"),
            process: std::process::id(),
        };
        for entry in options.list("log.level") {
            log.set_level(entry)?;
        }
        let mut targets = options.list("log.output");
        if options.is_given("log.file") {
            targets.push(options.text("log.file"));
        }
        for target in targets {
            log.sinks.push(Sink::open(target)?);
        }
        if log.sinks.is_empty() {
            log.sinks.push(Sink::Stderr);
        }
        Ok(log)
    }

    /// `LEVEL` or `TOPIC=LEVEL`.
    fn set_level(&mut self, entry: &str) -> Result<(), String> {
        let (topic, level) = entry.split_once('=').map_or(("", entry), |(topic, level)| (topic.trim(), level.trim()));
        let level = match level.to_ascii_lowercase().as_str() {
            "fatal" | "error" | "err" => LevelFilter::ERROR,
            "warning" | "warn" => LevelFilter::WARN,
            "info" | "default" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => return Err(format!("'{level}' is no log level (fatal, error, warning, info, debug, trace)")),
        };
        match topic {
            "" | "all" => self.default_level = level,
            topic => {
                self.topics.insert(topic.to_ascii_lowercase(), level);
            }
        }
        Ok(())
    }

    fn level(&self, topic: &str) -> LevelFilter {
        let default = match topic {
            // openraft tells every vote; what an operator should know of it, `agency` says.
            "raft" => self.default_level.min(LevelFilter::ERROR),
            _ => self.default_level,
        };
        self.topics.get(topic).copied().unwrap_or(default)
    }

    fn layer(&'static self) -> LogLayer {
        LogLayer(self)
    }

    /// Opens the log files anew, after they have been moved away (SIGHUP).
    pub fn reopen(&self) {
        for sink in &self.sinks {
            if let Sink::File { path, file } = sink
                && let Ok(new) = OpenOptions::new().create(true).append(true).open(path)
            {
                *file.lock() = new;
            }
        }
    }

    fn write(&self, line: &str) {
        for sink in &self.sinks {
            // A log that cannot be written must not stop the server.
            let _ = match sink {
                Sink::Stdout => io::stdout().lock().write_all(line.as_bytes()),
                Sink::Stderr => io::stderr().lock().write_all(line.as_bytes()),
                Sink::File { file, .. } => file.lock().write_all(line.as_bytes()),
            };
        }
    }
}

impl Sink {
    /// `-`, `+`, `file://PATH`, `[TOPIC=]TARGET` or a path.
    fn open(target: &str) -> Result<Self, String> {
        let target = match target.split_once('=') {
            Some((topic, rest)) if topic.bytes().all(|b| b.is_ascii_alphabetic()) => rest,
            _ => target,
        };
        let path = match target {
            "-" => return Ok(Self::Stdout),
            "+" => return Ok(Self::Stderr),
            _ if target.starts_with("syslog://") => {
                return Err(format!("'{target}': the log cannot go to syslog, only to -, + or file://PATH"));
            }
            _ => target.strip_prefix("file://").unwrap_or(target).replace("$PID", &std::process::id().to_string()),
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| format!("cannot write the log file '{path}': {error}"))?;
        Ok(Self::File { path: path.into(), file: Mutex::new(file) })
    }
}

/// The topic under which an event is logged.
fn topic(target: &str) -> &str {
    let (first, rest) = target.split_once("::").unwrap_or((target, ""));
    match (first, rest) {
        ("agency", _) => "agency",
        ("openraft", _) => "raft",
        ("roles", rest) if rest.starts_with("query") || rest.starts_with("cursors") => "queries",
        ("roles", rest) if rest.starts_with("coordinator") || rest.starts_with("dbserver") || rest.starts_with("cluster") => "cluster",
        ("aql" | "exec", _) => "queries",
        ("storage" | "rocks", _) => "engines",
        ("api", _) => "requests",
        ("rt" | "hyper" | "h2", _) => "communication",
        ("arangod" | "server" | "roles", _) => "general",
        (word, "") => word,
        _ => "general",
    }
}

struct LogLayer(&'static Log);

impl<S: Subscriber> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.0.level(topic(metadata.target()))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.topics.values().copied().chain([self.0.default_level]).max()
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = Message::default();
        event.record(&mut text);
        let line = if self.0.is_json {
            json_line(self.0.process, *metadata.level(), topic(metadata.target()), &text)
        } else {
            format!(
                "{} [{}] {} {{{}}} {}{}\n",
                rt::clock::now_iso(),
                self.0.process,
                level_word(*metadata.level()),
                topic(metadata.target()),
                escaped(&text.message),
                escaped(&text.fields)
            )
        };
        self.0.write(&line);
    }
}

fn json_line(process: u32, level: Level, topic: &str, text: &Message) -> String {
    let message = format!("{}{}", text.message, text.fields);
    let line = serde_json::json!({
        "time": rt::clock::now_iso(), "pid": process, "level": level_word(level), "topic": topic, "message": message
    });
    format!("{line}\n")
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// One event is one line: control characters are escaped.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(line, "\\x{:02x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line
}

#[derive(Default)]
struct Message {
    message: String,
    fields: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, ", {name}: {value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, ", {name}: {value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics() {
        assert_eq!(topic("startup"), "startup");
        assert_eq!(topic("agency::server::raft"), "agency");
        assert_eq!(topic("exec::operators"), "queries");
        assert_eq!(topic("somewhere::else"), "general");
    }

    #[test]
    fn levels_by_topic() {
        let parsed = Options::read(&["--log.level", "warning", "--log.level", "agency = debug"].map(str::to_owned), &[]).unwrap();
        let log = Log::new(&parsed).unwrap();
        assert_eq!(log.level("general"), LevelFilter::WARN);
        assert_eq!(log.level("agency"), LevelFilter::DEBUG);
        let wrong = Options::read(&["--log.level", "loud"].map(str::to_owned), &[]).unwrap();
        assert!(Log::new(&wrong).is_err());
    }
}
