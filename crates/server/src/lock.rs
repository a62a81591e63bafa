//! The data directory: one server at a time, one role for ever.
//!
//! `LOCK` is locked with flock as long as the server lives and holds its process id; `ROLE` says
//! which role the directory belongs to; `UUID` holds the server's id. Everything is checked before
//! anything is written, so that a refused start leaves the directory as it was.

use database::backend::Role;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// A data directory that this process holds locked.
pub struct DataDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl DataDirectory {
    /// Locks `path` for a server of this role, creating the directory if needed. The fault is one
    /// line for the user.
    pub fn open(path: &Path, role: Role, required_state: &str) -> Result<Self, String> {
        check_state(path, required_state)?;
        fs::create_dir_all(path).map_err(|error| format!("cannot create the database directory '{}': {error}", path.display()))?;
        let path = fs::canonicalize(path).map_err(|error| format!("cannot use the database directory '{}': {error}", path.display()))?;
        let lock = lock(&path)?;
        check_role(&path, role)?;
        let directory = Self { path, _lock: lock };
        directory.write("ROLE", word(role))?;
        directory.write("ENGINE", "rocksdb")?;
        Ok(directory)
    }

    /// Absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The server's id from `UUID`, if it has one.
    pub fn server_id(&self) -> Result<Option<String>, String> {
        read(&self.path.join("UUID"))
    }

    /// The server's id; a new one is made with `make` and kept.
    pub fn server_id_or(&self, make: impl FnOnce() -> String) -> Result<String, String> {
        if let Some(id) = self.server_id()? {
            return Ok(id);
        }
        let id = make();
        self.write("UUID", &id)?;
        Ok(id)
    }

    /// Keeps `id` as the server's id.
    pub fn set_server_id(&self, id: &str) -> Result<(), String> {
        self.write("UUID", id)
    }

    /// Writes a small file whole or not at all.
    fn write(&self, name: &str, content: &str) -> Result<(), String> {
        let target = self.path.join(name);
        if read(&target)?.as_deref() == Some(content) {
            return Ok(());
        }
        let written = || -> io::Result<()> {
            let draft = self.path.join(format!("{name}.tmp"));
            let mut file = File::create(&draft)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &target)?;
            File::open(&self.path)?.sync_all()
        };
        written().map_err(|error| format!("the database directory '{}' is not writable: {error}", self.path.display()))
    }
}

/// `--database.required-directory-state`.
fn check_state(path: &Path, required: &str) -> Result<(), String> {
    let exists = path.exists();
    let is_populated = path.join("ENGINE").exists();
    let is_empty = exists && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let fits = match required {
        "any" => true,
        "existing" => exists,
        "non-existing" => !exists,
        "empty" => is_empty,
        "populated" => is_populated,
        _ => return Err(format!("'{required}' is no state of a directory (any, existing, non-existing, empty, populated)")),
    };
    if exists && !path.is_dir() {
        return Err(format!("the database directory '{}' is not a directory", path.display()));
    }
    if fits { Ok(()) } else { Err(format!("the database directory '{}' is not in the required state '{required}'", path.display())) }
}

fn lock(path: &Path) -> Result<Flock<File>, String> {
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path.join("LOCK"));
    let file = file.map_err(|error| format!("the database directory '{}' is not writable: {error}", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            let noted = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| write!(&mut *lock, "{}", std::process::id()));
            noted.map_err(|error| format!("the database directory '{}' is not writable: {error}", path.display()))?;
            Ok(lock)
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let _ = io::Read::take(&mut file, 32).read_to_string(&mut holder);
            let holder = holder.trim();
            let who = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
            Err(format!("the database directory '{}' is locked by another server{who}", path.display()))
        }
        Err((_, error)) => Err(format!("cannot lock the database directory '{}': {error}", path.display())),
    }
}

/// A DB-server's directory may become that of a secondary and the other way round: that is how
/// they change places.
fn check_role(path: &Path, role: Role) -> Result<(), String> {
    let Some(found) = read(&path.join("ROLE"))? else { return Ok(()) };
    let holds_shards = |word: &str| word == self::word(Role::DbServer) || word == self::word(Role::Secondary);
    if found == word(role) || (holds_shards(&found) && holds_shards(word(role))) {
        return Ok(());
    }
    Err(format!("the database directory '{}' belongs to a server with the role {found}, not {}", path.display(), word(role)))
}

fn word(role: Role) -> &'static str {
    role.as_str()
}

/// A small text file; `None` if there is none.
fn read(path: &Path) -> Result<Option<String>, String> {
    match File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            let read = file.take(4096).read_to_string(&mut text);
            read.map_err(|error| format!("cannot read '{}': {error}", path.display()))?;
            let text = text.trim();
            Ok((!text.is_empty()).then(|| text.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read '{}': {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_by_one_server_and_keeps_its_role() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        let held = DataDirectory::open(&path, Role::Agent, "any").unwrap();
        let refused = DataDirectory::open(&path, Role::Agent, "any").err().unwrap();
        assert!(refused.contains(&format!("locked by another server (process {})", std::process::id())), "{refused}");
        drop(held);
        let refused = DataDirectory::open(&path, Role::Single, "any").err().unwrap();
        assert!(refused.contains("role AGENT, not SINGLE"), "{refused}");
        assert!(DataDirectory::open(&path, Role::Agent, "populated").is_ok());
        assert!(DataDirectory::open(&path, Role::Agent, "empty").is_err());
    }

    #[test]
    fn the_server_keeps_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path(), Role::DbServer, "any").unwrap();
        assert_eq!(directory.server_id().unwrap(), None);
        assert_eq!(directory.server_id_or(|| "PRMR-1".into()).unwrap(), "PRMR-1");
        assert_eq!(directory.server_id_or(|| "PRMR-2".into()).unwrap(), "PRMR-1");
        drop(directory);
        let directory = DataDirectory::open(folder.path(), Role::Secondary, "existing").unwrap();
        assert_eq!(directory.server_id().unwrap().as_deref(), Some("PRMR-1"));
    }

    #[test]
    fn a_file_is_no_directory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(DataDirectory::open(&path, Role::Single, "any").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
    }
}
