//! `setup.json` in the data directory: the deployment and its tasks, so that ports, directories
//! and links stay the same and a later run finds the processes of an earlier one (S115).
//!
//! Invariant: the file on disk is always whole: it is written beside, synced and renamed.

use crate::layout;
use crate::options::{Mode, Options};
use crate::task::Task;
use base::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

const NAME: &str = "setup.json";
const VERSION: u32 = 1;

/// What the scheduler keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Version of this file's form.
    pub version: u32,
    /// `single` or `cluster`.
    pub mode: String,
    /// Port of the scheduler.
    pub port: u16,
    /// Address of the scheduler.
    pub host: String,
    /// Process number of the scheduler that wrote the file last.
    pub scheduler_pid: u32,
    /// The cluster was told that it is complete.
    pub initialised: bool,
    /// All tasks.
    pub tasks: Vec<Task>,
}

impl Setup {
    /// The setup of a data directory, or a new one by the options.
    pub fn load_or_new(data_dir: &Path, options: &Options) -> Result<Self> {
        let host = options.host.clone().or_else(|| options.nodes.first().cloned()).unwrap_or_else(|| "127.0.0.1".to_owned());
        let mode = mode_name(options.mode);
        let Some(mut setup) = Self::load(data_dir)? else {
            let tasks = layout::tasks(options);
            return Ok(Self {
                version: VERSION,
                mode: mode.to_owned(),
                port: options.port,
                host,
                scheduler_pid: std::process::id(),
                initialised: false,
                tasks,
            });
        };
        if setup.mode != mode {
            return Err(Error::bad_parameter(format!("{} holds a deployment of mode {}, not {mode}", data_dir.display(), setup.mode)));
        }
        setup.add_missing(layout::tasks(options));
        setup.port = options.port;
        setup.host = host;
        setup.scheduler_pid = std::process::id();
        Ok(setup)
    }

    /// The setup of a data directory, if it has one.
    pub fn load(data_dir: &Path) -> Result<Option<Self>> {
        let path = path(data_dir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::bad_parameter(format!("cannot read {}: {error}", path.display()))),
        };
        let setup: Self =
            serde_json::from_slice(&text).map_err(|error| Error::bad_parameter(format!("{} is damaged: {error}", path.display())))?;
        if setup.version != VERSION {
            return Err(Error::bad_parameter(format!("{} has version {}, this program knows {VERSION}", path.display(), setup.version)));
        }
        Ok(Some(setup))
    }

    /// Tasks that the options ask for and the directory does not have yet; none is ever removed or
    /// moved here.
    fn add_missing(&mut self, wanted: Vec<Task>) {
        for task in wanted {
            let known = self.tasks.iter().any(|other| other.name == task.name);
            let taken = self.tasks.iter().any(|other| (other.port, &other.node) == (task.port, &task.node));
            if !known && !taken {
                self.tasks.push(task);
                self.initialised = false;
            }
        }
        self.tasks.sort_by(|left, right| (left.kind, left.name.len(), &left.name).cmp(&(right.kind, right.name.len(), &right.name)));
    }

    /// Writes the setup.
    pub fn save(&self, data_dir: &Path) -> Result<()> {
        let write = || -> std::io::Result<()> {
            let part = data_dir.join("setup.json.part");
            let mut file = File::create(&part)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&part, path(data_dir))?;
            File::open(data_dir)?.sync_all()
        };
        write().map_err(|error| Error::bad_parameter(format!("cannot write {}: {error}", path(data_dir).display())))
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Single => "single",
        Mode::Cluster => "cluster",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_setup_survives_and_grows_but_never_moves() {
        let folder = tempfile::tempdir().unwrap();
        let first = Setup::load_or_new(folder.path(), &options("--starter.port 9000")).unwrap();
        first.save(folder.path()).unwrap();
        assert_eq!(Setup::load(folder.path()).unwrap(), Some(first.clone()));
        let second = Setup::load_or_new(folder.path(), &options("--starter.port 9000 --cluster.coordinators 3")).unwrap();
        assert_eq!(second.tasks.len(), first.tasks.len() + 1);
        for task in &first.tasks {
            assert!(second.tasks.contains(task));
        }
        let third = Setup::load_or_new(folder.path(), &options("--starter.port 7000")).unwrap();
        assert!(third.tasks.iter().filter(|task| task.port < 9000).all(|task| !first.tasks.iter().any(|old| old.name == task.name)));
    }

    #[test]
    fn wrong_and_damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        Setup::load_or_new(folder.path(), &options("--starter.mode single")).unwrap().save(folder.path()).unwrap();
        let error = Setup::load_or_new(folder.path(), &options("")).unwrap_err().to_string();
        assert!(error.contains("mode single, not cluster"), "{error}");
        fs::write(path(folder.path()), "{").unwrap();
        assert!(Setup::load(folder.path()).unwrap_err().to_string().contains("damaged"));
    }
}
