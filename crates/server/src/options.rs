//! The command line and the configuration file, in ArangoDB's manner.
//!
//! [`table`] knows every option by name and type, [`command_line`] and [`config_file`] turn text
//! into assignments, [`value`] checks one value. [`Options`] is the result: what was given, over the
//! defaults. Nothing here touches the disk except for reading configuration files.
//!
//! Invariant: whatever [`Options`] holds has passed the check of its type, so the getters cannot
//! fail.

pub mod command_line;
pub mod config_file;
pub mod nearest;
pub mod table;
pub mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use table::{Definition, Kind};

/// Exit code for an option that does not exist and all other faults of the command line.
pub const EXIT_UNKNOWN_OPTION: i32 = 1;
/// Exit code for a value that does not fit its option.
pub const EXIT_INVALID_VALUE: i32 = 4;
/// Exit code for a configuration file that cannot be read.
pub const EXIT_CONFIG_NOT_FOUND: i32 = 6;

/// Why the options were not accepted: one line for the user and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One line.
    pub message: String,
    /// Exit code of the process.
    pub exit_code: i32,
}

impl Refusal {
    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: EXIT_UNKNOWN_OPTION }
    }

    fn value(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: EXIT_INVALID_VALUE }
    }
}

/// All options with their values.
#[derive(Clone, Debug, Default)]
pub struct Options {
    given: BTreeMap<&'static str, Vec<String>>,
}

impl Options {
    /// Reads the arguments (without the program's name) and the configuration file they name, or
    /// the first of `config_files` that exists.
    pub fn read(arguments: &[String], config_files: &[PathBuf]) -> Result<Self, Refusal> {
        let from_command_line = command_line::parse(arguments)?;
        let mut options = match config_choice(&from_command_line, config_files)? {
            Some(path) => config_file::read(&path, &from_command_line)?,
            None => Self::default(),
        };
        // Compat: a list given on the command line replaces the configuration file's list.
        options.given.extend(from_command_line.given);
        Ok(options)
    }

    /// Adds one value, checked against the option's type. `value` is `None` if none was written.
    fn assign(&mut self, definition: &'static Definition, value: Option<&str>) -> Result<(), Refusal> {
        let value = match (definition.kind, value) {
            (Kind::Boolean, None) => "true".to_owned(),
            (_, None) => return Err(Refusal::value(format!("the option '--{}' needs a value", definition.name))),
            (kind, Some(text)) => value::normalise(kind, text)
                .map_err(|expected| Refusal::value(format!("'{text}' is no value for '--{}': {expected} expected", definition.name)))?,
        };
        let values = self.given.entry(definition.name).or_default();
        if definition.kind != Kind::List {
            values.clear();
        }
        values.push(value);
        Ok(())
    }

    /// Was the option given at all?
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Value of a text option (the default if it was not given).
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.given.get(name).and_then(|values| values.last()) {
            Some(value) => value,
            None => table::find(name).map_or("", |definition| definition.default),
        }
    }

    /// All values of a repeatable option.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        match self.given.get(name) {
            Some(values) => values.iter().map(String::as_str).filter(|value| !value.is_empty()).collect(),
            None => table::find(name).map_or("", |definition| definition.default).split(',').filter(|value| !value.is_empty()).collect(),
        }
    }

    /// Value of a boolean option.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// Value of an integer option; 0 if it has neither value nor default.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        value::integer(self.text(name)).map_or(0, |number| u64::try_from(number.max(0)).unwrap_or(u64::MAX))
    }

    /// Value of an option that is a number with fraction.
    #[must_use]
    pub fn double(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or(0.0)
    }

    /// The option's value as a time in seconds.
    #[must_use]
    pub fn seconds(&self, name: &str) -> std::time::Duration {
        std::time::Duration::try_from_secs_f64(self.double(name).max(0.0)).unwrap_or(std::time::Duration::MAX)
    }

    /// All options with their values, as `--dump-options` and `/_admin/options` show them.
    pub fn all(&self) -> impl Iterator<Item = (&'static Definition, Vec<&str>)> {
        table::all().iter().map(|definition| (definition, self.list(definition.name)))
    }
}

/// The configuration file to read: the one that was named, none, or the first that exists.
fn config_choice(options: &Options, config_files: &[PathBuf]) -> Result<Option<PathBuf>, Refusal> {
    let named = ["configuration", "config"].iter().find(|name| options.is_given(name)).map(|name| options.text(name));
    match named {
        Some("none" | "") => Ok(None),
        Some(path) if Path::new(path).is_file() => Ok(Some(path.into())),
        Some(path) => Err(Refusal { message: format!("cannot read the configuration file '{path}'"), exit_code: EXIT_CONFIG_NOT_FOUND }),
        None => Ok(config_files.iter().find(|path| path.is_file()).cloned()),
    }
}

/// Where a configuration file is looked for when none is named.
#[must_use]
pub fn usual_config_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Some(home) = std::env::var_os("HOME") {
        files.push(Path::new(&home).join(".arango/arangod.conf"));
    }
    if let Some(folder) = std::env::var_os("ARANGODB_CONFIG_PATH") {
        files.push(Path::new(&folder).join("arangod.conf"));
    }
    files.push("/etc/arangodb3/arangod.conf".into());
    files
}

#[cfg(test)]
mod tests;
