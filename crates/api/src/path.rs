//! What a path says before its route begins: API version and database.
//!
//! `/_arango/v0/_db/NAME/_api/…` in either order of the two prefixes; without `_db` it is
//! `_system`.

use base::{Error, Result, code};
use unicode_normalization::is_nfc;

/// Database of requests that name none.
pub const SYSTEM_DATABASE: &str = "_system";

/// A path taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Database named by the path, or `_system`.
    pub database: String,
    /// Decoded parts after the prefixes.
    pub parts: Vec<String>,
}

impl Target {
    /// Takes the decoded parts of a path.
    pub fn new(mut parts: Vec<String>) -> Result<Self> {
        strip_version(&mut parts)?;
        let database = match parts.first().map(String::as_str) {
            Some("_db") if parts.len() >= 2 => {
                let name = parts.remove(1);
                parts.remove(0);
                name
            }
            _ => SYSTEM_DATABASE.to_owned(),
        };
        strip_version(&mut parts)?;
        if !is_nfc(&database) {
            return Err(Error::with_detail(code::ARANGO_DATABASE_NAME_INVALID, "name is not NFC-normalised"));
        }
        Ok(Self { database, parts })
    }
}

fn strip_version(parts: &mut Vec<String>) -> Result<()> {
    if parts.first().is_none_or(|first| first != "_arango") {
        return Ok(());
    }
    match parts.get(1).map(String::as_str) {
        Some("v0" | "experimental") => {
            parts.drain(..2);
            Ok(())
        }
        other => Err(Error::new(code::HTTP_NOT_FOUND, format!("unknown API version '{}'", other.unwrap_or_default()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        Target::new(path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()).unwrap()
    }

    #[test]
    fn prefixes() {
        assert_eq!(target("/_api/version").database, "_system");
        assert_eq!(target("/_db/d/_api/x"), Target { database: "d".into(), parts: vec!["_api".into(), "x".into()] });
        assert_eq!(target("/_arango/v0/_db/d/_api/x"), target("/_db/d/_arango/v0/_api/x"));
        assert_eq!(target("/_db/d/_db/e/x").parts, ["_db", "e", "x"]);
        assert!(Target::new(vec!["_arango".into(), "v9".into()]).is_err());
        assert!(Target::new(vec!["_db".into(), "a\u{30a}".into()]).is_err());
    }
}
