//! Configuration files: `[section]`, `key = value`, `# comment`, `@include FILE`, `@NAME@`.

use super::table::Found;
use super::{EXIT_CONFIG_NOT_FOUND, Options, Refusal, command_line};
use std::path::Path;

/// Limit: deepest nesting of `@include`.
const INCLUDE_DEPTH_MAX: usize = 8;
/// Limit: largest configuration file in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads `path` and, if it exists, `path.local` after it. `command_line` provides `--define`.
pub fn read(path: &Path, command_line: &Options) -> Result<Options, Refusal> {
    let defines: Vec<(String, String)> = command_line
        .list("define")
        .into_iter()
        .filter_map(|define| define.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut options = Options::default();
    read_into(path, &defines, 0, &mut options)?;
    let mut local = path.as_os_str().to_owned();
    local.push(".local");
    if Path::new(&local).is_file() {
        read_into(Path::new(&local), &defines, 0, &mut options)?;
    }
    Ok(options)
}

fn read_into(path: &Path, defines: &[(String, String)], depth: usize, options: &mut Options) -> Result<(), Refusal> {
    let unreadable = |why: String| Refusal {
        message: format!("cannot read the configuration file '{}': {why}", path.display()),
        exit_code: EXIT_CONFIG_NOT_FOUND,
    };
    if depth > INCLUDE_DEPTH_MAX {
        return Err(unreadable("too many files include one another".into()));
    }
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(format!("{size} bytes are too many")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let mut section = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let at = |fault: Refusal| Refusal { message: format!("{}:{}: {}", path.display(), number + 1, fault.message), ..fault };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(included) = line.strip_prefix("@include") {
            let mut included = path.parent().unwrap_or(Path::new(".")).join(included.trim());
            if included.extension().is_none() {
                included.set_extension("conf");
            }
            read_into(&included, defines, depth + 1, options)?;
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim().to_owned();
        } else {
            assign(line, &section, defines, options).map_err(at)?;
        }
    }
    Ok(())
}

fn assign(line: &str, section: &str, defines: &[(String, String)], options: &mut Options) -> Result<(), Refusal> {
    let Some((key, value)) = line.split_once('=') else {
        return Err(Refusal::usage(format!("'{line}' is neither a section nor 'key = value'")));
    };
    let key = key.trim();
    let name = if section.is_empty() || key.contains('.') { key.to_owned() } else { format!("{section}.{key}") };
    let value = substitute(value.trim(), defines);
    match command_line::lookup(&name)? {
        Found::Known(definition) if definition.is_command => Err(Refusal::usage(format!("'{name}' cannot stand in a configuration file"))),
        Found::Known(definition) => options.assign(definition, Some(&value)),
        Found::Obsolete | Found::Unknown => Ok(()),
    }
}

/// Replaces `@NAME@` by a definition, the process id or the environment; `@@` is a literal `@`.
fn substitute(value: &str, defines: &[(String, String)]) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('@') {
        text.push_str(before);
        match after.split_once('@') {
            Some(("", after)) => {
                text.push('@');
                rest = after;
            }
            Some((name, after)) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                text.push_str(&lookup(name, defines));
                rest = after;
            }
            _ => {
                text.push('@');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn lookup(name: &str, defines: &[(String, String)]) -> String {
    if let Some((_, value)) = defines.iter().find(|(defined, _)| defined == name) {
        return value.clone();
    }
    match name {
        "PID" => std::process::id().to_string(),
        "HOMEDIR" => std::env::var("HOME").unwrap_or_default(),
        _ => std::env::var(name).unwrap_or_default(),
    }
}
