//! Every option by name: type, default, and whether it does anything here.
//!
//! The table is `data/options.tsv` (name, type, default, flags `h`idden `d`eprecated `c`ommand,
//! help). An option without help is accepted for compatibility and has no effect.

use std::sync::OnceLock;

/// Type of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true`, `false` or nothing.
    Boolean,
    /// Any text.
    Text,
    /// Text; may be given several times.
    List,
    /// Integer within bounds; sizes like `64MiB` are understood.
    Integer {
        /// Least value.
        least: i128,
        /// Greatest value.
        greatest: i128,
    },
    /// Number with fraction.
    Double,
}

/// One option.
#[derive(Debug)]
pub struct Definition {
    /// Name without the leading `--`.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Default as text.
    pub default: &'static str,
    /// Not shown by `--help`.
    pub is_hidden: bool,
    /// Acts and exits.
    pub is_command: bool,
    /// What it does; empty if it has no effect.
    pub help: &'static str,
}

/// Options of older versions that are accepted silently; a trailing `*` stands for any ending.
const OBSOLETE: &[&str] = &[
    "wal.*",
    "compaction.*",
    "ldap.*",
    "ldap2.*",
    "scheduler.*",
    "vst.*",
    "nonce.*",
    "server.disable-*",
    "server.flush-interval",
    "server.default-api-compatibility",
    "server.allow-method-override",
    "server.keep-alive-timeout",
    "server.threads-*",
    "database.maximal-journal-size",
    "database.index-threads",
    "database.throw-collection-not-loaded-error",
    "database.force-sync-properties",
    "database.revision-cache-*",
    "database.replication-applier",
    "database.old-system-collections",
    "cluster.username",
    "cluster.password",
    "cluster.dbserver-config",
    "cluster.coordinator-config",
    "cluster.data-path",
    "cluster.log-path",
    "cluster.arangod-path",
    "cluster.disable-dispatcher-*",
    "cluster.agency-prefix",
    "agency.id",
    "agency.notify",
    "agency.election-call-rate-multiplier",
    "agency.sanity-check",
    "log.escape",
    "log.content-filter",
    "log.source-filter",
    "log.application",
    "log.facility",
    "foxx.development-*",
    "javascript.v8-*",
    "rocksdb.throttle-*",
];

/// Options under a new name: old prefix or name, and what replaces it.
const RENAMED: &[(&str, &str)] = &[
    ("frontend.", "web-interface."),
    ("server.threads", "server.maximal-threads"),
    ("query.tracking-slow", "query.tracking-slow-queries"),
    ("log", "log.level"),
    ("uid", "server.uid"),
    ("gid", "server.gid"),
];

/// What a name on the command line or in a file stands for.
pub enum Found {
    /// An option.
    Known(&'static Definition),
    /// Something older versions knew: ignored with its value.
    Obsolete,
    /// Nothing.
    Unknown,
}

/// All options, sorted by name.
#[must_use]
pub fn all() -> &'static [Definition] {
    static TABLE: OnceLock<Vec<Definition>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut rows: Vec<Definition> = include_str!("../../data/options.tsv").lines().filter_map(definition).collect();
        rows.sort_by_key(|row| row.name);
        rows
    })
}

/// The option of that exact name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Definition> {
    let table = all();
    table.binary_search_by(|row| row.name.cmp(name)).ok().and_then(|at| table.get(at))
}

/// The option that `name` means, also by an old name.
#[must_use]
pub fn resolve(name: &str) -> Found {
    for &(old, new) in RENAMED {
        let renamed = match name.strip_prefix(old) {
            Some("") => Some(new.to_owned()),
            Some(rest) if old.ends_with('.') => Some(format!("{new}{rest}")),
            _ => None,
        };
        if let Some(definition) = renamed.and_then(|renamed| find(&renamed)) {
            return Found::Known(definition);
        }
    }
    match find(name) {
        Some(definition) => Found::Known(definition),
        None if OBSOLETE.iter().any(|pattern| matches(pattern, name)) => Found::Obsolete,
        None => Found::Unknown,
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

fn definition(line: &'static str) -> Option<Definition> {
    let mut columns = line.split('\t');
    let (name, kind, default, flags) = (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
    let kind = match kind {
        "boolean" => Kind::Boolean,
        "string" => Kind::Text,
        "string[]" => Kind::List,
        "uint64" => Kind::Integer { least: 0, greatest: i128::from(u64::MAX) },
        "uint32" => Kind::Integer { least: 0, greatest: i128::from(u32::MAX) },
        "uint16" => Kind::Integer { least: 0, greatest: i128::from(u16::MAX) },
        "int64" => Kind::Integer { least: i128::from(i64::MIN), greatest: i128::from(i64::MAX) },
        "int32" => Kind::Integer { least: i128::from(i32::MIN), greatest: i128::from(i32::MAX) },
        _ => Kind::Double,
    };
    Some(Definition {
        name,
        kind,
        default,
        is_hidden: flags.contains('h'),
        is_command: flags.contains('c'),
        help: columns.next().unwrap_or_default(),
    })
}
