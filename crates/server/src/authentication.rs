//! Who is let in: the secrets that sign tokens, and the first password of root.

use crate::options::Options;
use api::auth::users::User;
use api::auth::{Accounts, Authenticator, Disabled, Secrets};
use database::Backend;
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Limit: largest secret in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Is authentication on? Containers may switch it off in the environment.
pub fn is_on(options: &Options) -> bool {
    options.flag("server.authentication") && std::env::var_os("ARANGO_NO_AUTH").is_none_or(|value| value.is_empty())
}

/// The secrets for tokens: from files, from the command line, or made up for this start.
pub fn secrets(options: &Options) -> Result<Secrets, String> {
    let mut secrets = Vec::new();
    let folder = options.text("server.jwt-secret-folder");
    let file = options.text("server.jwt-secret-keyfile");
    if !folder.is_empty() {
        for path in files_in_order(Path::new(folder))? {
            secrets.push(read_secret(&path)?);
        }
        if secrets.is_empty() {
            return Err(format!("there is no secret in the folder '{folder}'"));
        }
    } else if !file.is_empty() {
        secrets.push(read_secret(Path::new(file))?);
    } else if !options.text("server.jwt-secret").is_empty() {
        secrets.push(options.text("server.jwt-secret").as_bytes().to_vec());
    }
    if secrets.is_empty() {
        return Ok(Secrets::random());
    }
    Secrets::new(secrets).map_err(|error| error.message().to_owned())
}

/// Was a secret given, so that servers of a cluster can know one another?
pub fn has_secret(options: &Options) -> bool {
    ["server.jwt-secret", "server.jwt-secret-keyfile", "server.jwt-secret-folder"].iter().any(|name| !options.text(name).is_empty())
}

/// The authenticator of a server that has users.
pub fn authenticator(options: &Options, backend: Arc<dyn Backend>, secrets: Secrets) -> Arc<dyn Authenticator> {
    if is_on(options) { Arc::new(Accounts::new(backend, secrets)) } else { Arc::new(Disabled::default()) }
}

/// The `_users` document of root for a new installation.
pub fn root_user(options: &Options) -> Result<Json, String> {
    let given = options.text("database.password").to_owned();
    let password = if given.is_empty() { std::env::var("ARANGO_ROOT_PASSWORD").unwrap_or_default() } else { given };
    User::root(&password).map(|user| user.document()).map_err(|error| error.message().to_owned())
}

fn files_in_order(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: std::io::Error| format!("cannot read the folder '{}': {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_secret(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot read the secret '{}': {error}", path.display());
    if fs::metadata(path).map_err(unreadable)?.len() > SECRET_BYTES_MAX {
        return Err(format!("the secret '{}' is too long", path.display()));
    }
    let secret = fs::read(path).map_err(unreadable)?;
    let trimmed = secret.trim_ascii().to_vec();
    if trimmed.is_empty() { Err(format!("the secret '{}' is empty", path.display())) } else { Ok(trimmed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(parts: &[&str]) -> Options {
        Options::read(&parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>(), &[]).unwrap()
    }

    #[test]
    fn secrets_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let path = file.to_str().unwrap();
        assert!(secrets(&options(&["--server.jwt-secret-keyfile", path])).is_err());
        fs::write(&file, "  \n").unwrap();
        assert!(secrets(&options(&["--server.jwt-secret-keyfile", path])).is_err());
        fs::write(&file, "abc\n").unwrap();
        let ours = secrets(&options(&["--server.jwt-secret-keyfile", path])).unwrap();
        let same = secrets(&options(&["--server.jwt-secret", "abc"])).unwrap();
        assert!(same.verify(&ours.server_token("x").unwrap()).is_some());
        let other = secrets(&options(&[])).unwrap();
        assert!(other.verify(&ours.server_token("x").unwrap()).is_none());
        let from_folder = secrets(&options(&["--server.jwt-secret-folder", folder.path().to_str().unwrap()])).unwrap();
        assert!(from_folder.verify(&ours.server_token("x").unwrap()).is_some());
    }

    #[test]
    fn root_has_the_password_that_was_given() {
        let document = root_user(&options(&["--database.password", "secret"])).unwrap();
        let user = User::from_document(document).unwrap();
        assert!(user.has_password("secret") && !user.has_password(""));
    }
}
