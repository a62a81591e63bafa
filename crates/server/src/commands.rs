//! Options that print something and end the program: `--version`, `--help`, `--dump-options`, ….

use crate::options::Options;
use crate::options::table::{self, Definition, Kind};
use serde_json::{Map, Value as Json, json};

/// Version of ArangoDB whose interface this server speaks.
pub const COMPATIBLE_VERSION: &str = api::VERSION;

/// Carries out a command if one was given.
pub fn run(options: &Options) -> bool {
    if options.flag("version") {
        println!("{COMPATIBLE_VERSION}\n\nserver: arangodb-rs {}", env!("CARGO_PKG_VERSION"));
    } else if options.flag("version-json") {
        println!("{}", json!({"version": COMPATIBLE_VERSION, "server": "arangodb-rs", "build-version": env!("CARGO_PKG_VERSION")}));
    } else if options.flag("help-all") {
        help(|_| true);
    } else if options.flag("help") {
        help(|definition| !definition.is_hidden && !definition.help.is_empty());
    } else if options.flag("dump-options") {
        println!("{}", dump(options));
    } else if options.flag("check-configuration") {
        println!("options and configuration are in order");
    } else {
        return false;
    }
    true
}

fn help(is_shown: impl Fn(&Definition) -> bool) {
    println!("Usage: arangod [OPTIONS] [DIRECTORY]\n");
    let mut section = "";
    for definition in table::all().iter().filter(|definition| is_shown(definition)) {
        let this = definition.name.split_once('.').map_or("general", |(section, _)| section);
        if this != section {
            println!("{}Section '{this}':", if section.is_empty() { "" } else { "\n" });
            section = this;
        }
        let what = if definition.help.is_empty() { "accepted, without effect" } else { definition.help };
        let default = if definition.default.is_empty() { String::new() } else { format!(" (default: {})", definition.default) };
        println!("  {:<52} {what}{default}", format!("--{} <{}>", definition.name, type_word(definition.kind)));
    }
}

fn type_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Text => "string",
        Kind::List => "string...",
        Kind::Integer { .. } => "integer",
        Kind::Double => "double",
    }
}

/// All options with their values, secrets left out.
fn dump(options: &Options) -> Json {
    let mut all = Map::new();
    for (definition, values) in options.all() {
        let value = match definition.kind {
            _ if is_secret(definition.name) => continue,
            Kind::List => json!(values),
            Kind::Boolean => json!(options.flag(definition.name)),
            Kind::Integer { .. } => json!(options.number(definition.name)),
            Kind::Double => json!(options.double(definition.name)),
            Kind::Text => json!(options.text(definition.name)),
        };
        all.insert(definition.name.to_owned(), value);
    }
    Json::Object(all)
}

fn is_secret(name: &str) -> bool {
    name.contains("password") || name == "server.jwt-secret"
}
