//! One request on its way to a route: path parts, parameters, body, and the caller's rights.

use crate::auth::Identity;
use crate::reply::{Format, Reply};
use crate::state::State;
use base::{Error, Result, Revision, code};
use database::context::Access;
use database::{Backend, Context};
use rt::http::{Method, Request};
use serde_json::Value as Json;
use std::sync::Arc;
use velocypack::Value;

/// A request whose caller is known.
pub struct Call {
    pub state: Arc<State>,
    pub request: Request,
    /// Database named by the path.
    pub database: String,
    pub cx: Context,
    pub identity: Identity,
    pub format: Format,
}

impl Call {
    pub fn backend(&self) -> &dyn Backend {
        self.state.backend.as_ref()
    }

    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// A query parameter as a flag; absent and unknown words are false.
    pub fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// A query parameter as a flag with a default for its absence.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        self.request.query_value(name).map_or(default, is_true)
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.request.query_value(name)
    }

    /// A query parameter that must be there.
    pub fn required(&self, name: &str) -> Result<&str> {
        self.parameter(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Error::bad_parameter(format!("missing or invalid '{name}' parameter")))
    }

    /// The body as a value. JSON unless the content type says VelocyPack: clients send JSON under
    /// all kinds of types, or none.
    pub fn body(&self) -> Result<Value> {
        if self.is_vpack_body() {
            let broken = |error| Error::new(code::HTTP_CORRUPTED_JSON, format!("VPackError error: {error}"));
            return Value::from_bytes(&self.request.body).map_err(broken);
        }
        parse_json(&self.request.body)
    }

    /// The body as a JSON tree, for definitions and options; an empty body is null.
    pub fn tree(&self) -> Result<Json> {
        if self.request.body.is_empty() {
            return Ok(Json::Null);
        }
        Ok(self.body()?.to_serde())
    }

    /// The body as a JSON object.
    pub fn object(&self) -> Result<serde_json::Map<String, Json>> {
        match self.tree()? {
            Json::Object(members) => Ok(members),
            Json::Null if self.request.body.is_empty() => Ok(serde_json::Map::new()),
            _ => Err(Error::bad_parameter("expecting a JSON object in the request body")),
        }
    }

    pub fn is_vpack_body(&self) -> bool {
        self.request.header("content-type").is_some_and(|kind| kind.starts_with("application/x-velocypack"))
    }

    /// `If-Match` (or the old parameter `rev`).
    pub fn if_match(&self) -> Option<Revision> {
        self.request.header("if-match").or_else(|| self.parameter("rev")).map(revision)
    }

    /// `If-None-Match`.
    pub fn if_none_match(&self) -> Option<Revision> {
        self.request.header("if-none-match").map(revision)
    }

    /// Demands access to the database of the path.
    pub fn need_database(&self, access: Access) -> Result<()> {
        self.refuse_if_read_only(access)?;
        if self.identity.database(&self.database) >= access { Ok(()) } else { Err(Error::from(code::FORBIDDEN)) }
    }

    /// Demands access to a collection of the path's database.
    pub fn need_collection(&self, collection: &str, access: Access) -> Result<()> {
        self.refuse_if_read_only(access)?;
        if self.identity.collection(&self.database, collection) >= access {
            return Ok(());
        }
        Err(Error::new(code::FORBIDDEN, format!("not authorized to access collection '{collection}'")))
    }

    /// Demands the rights of an administrator: `rw` on `_system`.
    pub fn need_admin(&self) -> Result<()> {
        if self.identity.is_admin() { Ok(()) } else { Err(Error::from(code::FORBIDDEN)) }
    }

    /// Demands that the path's database is `_system`.
    pub fn need_system(&self) -> Result<()> {
        if self.database == crate::path::SYSTEM_DATABASE { Ok(()) } else { Err(Error::from(code::ARANGO_USE_SYSTEM_DATABASE)) }
    }

    fn refuse_if_read_only(&self, access: Access) -> Result<()> {
        if access == Access::Write && self.state.is_read_only() && !self.identity.superuser {
            return Err(Error::from(code::ARANGO_READ_ONLY));
        }
        Ok(())
    }

    /// 405.
    pub fn method_not_allowed(&self) -> Result<Reply> {
        Err(Error::from(code::HTTP_METHOD_NOT_ALLOWED))
    }

    /// 404 for a path that no route knows.
    pub fn unknown_path(&self) -> Result<Reply> {
        // Compat: the message names the path without the database.
        let path = &self.request.path;
        let shown = path.strip_prefix("/_db/").and_then(|rest| rest.get(rest.find('/')?..)).unwrap_or(path);
        Err(Error::new(code::HTTP_NOT_FOUND, format!("unknown path '{shown}'")))
    }
}

/// Words for true; everything else is false.
pub fn is_true(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "y" | "1")
}

/// JSON text to a value; 400/600 if it is broken.
pub fn parse_json(text: &[u8]) -> Result<Value> {
    Value::parse_json(text).map_err(|error| Error::new(code::HTTP_CORRUPTED_JSON, format!("VPackError error: {error}")))
}

/// A revision from a header, quoted or not. What is no revision becomes 0, which no document has.
fn revision(text: &str) -> Revision {
    Revision::decode(text.trim().trim_matches('"')).unwrap_or(Revision(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_revisions_as_clients_write_them() {
        for word in ["true", "True", "1", "yes", "on", "y"] {
            assert!(is_true(word), "{word}");
        }
        for word in ["false", "undefined", "", "0", "2"] {
            assert!(!is_true(word), "{word}");
        }
        let known = Revision(1_700_000_000_000 << 20);
        assert_eq!(revision(&format!("\"{}\"", known.encode())), known);
        assert_eq!(revision(&known.encode()), known);
        assert_eq!(revision("non-matching revision"), Revision(0));
    }
}
