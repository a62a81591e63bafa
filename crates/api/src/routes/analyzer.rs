//! `GET /_api/analyzer`: the analyzer that exists without search indexes.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use rt::http::Method;
use serde_json::json;

pub fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    let identity = json!({"name": "identity", "type": "identity", "properties": {}, "features": ["frequency", "norm"]});
    match (call.method(), parts) {
        (&Method::GET, []) => Ok(Reply::result(200, json!([identity]))),
        (&Method::GET, ["identity"]) => Ok(Reply::object(200, identity)),
        (&Method::GET | &Method::DELETE, [name]) => {
            Err(Error::new(code::ARANGO_DOCUMENT_NOT_FOUND, format!("unable to find analyzer '{name}'")))
        }
        (&Method::POST, []) => Err(Error::new(code::NOT_IMPLEMENTED, "analyzers cannot be created yet")),
        _ => call.method_not_allowed(),
    }
}
