//! `--name value`, `--name=value`, `--flag`, `-c FILE` and one positional directory.

use super::table::{Found, Kind};
use super::{Options, Refusal, nearest, table, value};

/// Turns the arguments into options.
pub fn parse(arguments: &[String]) -> Result<Options, Refusal> {
    let mut options = Options::default();
    let mut rest = arguments.iter().map(String::as_str).peekable();
    let mut positional: Option<&str> = None;
    while let Some(argument) = rest.next() {
        let Some(name) = option_name(argument) else {
            if let Some(first) = positional {
                return Err(Refusal::usage(format!("only one directory can be given, but there are '{first}' and '{argument}'")));
            }
            positional = Some(argument);
            continue;
        };
        let (name, mut given) = match name.split_once('=') {
            Some((name, given)) => (name, Some(given)),
            None => (name, None),
        };
        let found = lookup(name)?;
        if given.is_none() && rest.peek().is_some_and(|next| takes(&found, next)) {
            given = rest.next();
        }
        if let Found::Known(definition) = found {
            options.assign(definition, given)?;
        }
    }
    if let Some(directory) = positional {
        place_directory(&mut options, directory)?;
    }
    Ok(options)
}

/// The name behind the dashes; `None` for a positional argument.
fn option_name(argument: &str) -> Option<&str> {
    match argument {
        "-c" => Some("configuration"),
        "-v" => Some("version"),
        "-h" => Some("help"),
        _ => argument.strip_prefix("--").filter(|name| !name.is_empty()),
    }
}

/// What the name means; an unknown one is refused with the nearest known one.
pub fn lookup(name: &str) -> Result<Found, Refusal> {
    // `--help-server` shows one section.
    if name.starts_with("help-") && table::find(name).is_none() {
        return lookup("help");
    }
    match table::resolve(name) {
        Found::Unknown => Err(Refusal::usage(match nearest::option(name) {
            Some(near) => format!("unknown option '--{name}', did you mean '--{near}'?"),
            None => format!("unknown option '--{name}' (--help lists all options)"),
        })),
        found => Ok(found),
    }
}

/// Is the next argument the option's value?
fn takes(option: &Found, next: &str) -> bool {
    match option {
        Found::Known(definition) if definition.kind == Kind::Boolean => value::boolean(next).is_some(),
        Found::Known(_) | Found::Obsolete => option_name(next).is_none(),
        Found::Unknown => false,
    }
}

fn place_directory(options: &mut Options, directory: &str) -> Result<(), Refusal> {
    let given = options.text("database.directory");
    if !given.is_empty() && given != directory {
        return Err(Refusal::usage(format!("only one directory can be given, but there are '{given}' and '{directory}'")));
    }
    match table::find("database.directory") {
        Some(definition) => options.assign(definition, Some(directory)),
        None => Ok(()),
    }
}
