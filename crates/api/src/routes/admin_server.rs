//! `/_admin/server`: who this server is and whether it can be used.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::backend::Role;
use rt::http::Method;
use serde_json::{Value as Json, json};

pub fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::GET, ["id"]) => match call.backend().server_id() {
            Some(id) => Ok(Reply::object(200, json!({"id": id}))),
            // Compat: a single server has no id, which is an error of the server.
            None => Err(Error::from(code::INTERNAL)),
        },
        (&Method::GET, ["role"]) => Ok(role(call)),
        (&Method::GET | &Method::HEAD, ["availability"]) => availability(call),
        (&Method::GET, ["mode"]) => Ok(Reply::object(200, json!({"mode": mode(call)}))),
        (&Method::PUT, ["mode"]) => set_mode(call),
        (&Method::GET, ["databaseDefaults"]) => Ok(Reply::object(200, json!({"replicationFactor": 1, "writeConcern": 1, "sharding": ""}))),
        (&Method::GET | &Method::PUT | &Method::POST, _) => call.unknown_path(),
        _ => call.method_not_allowed(),
    }
}

fn mode(call: &Call) -> &'static str {
    if call.state.is_read_only() { "readonly" } else { "default" }
}

/// Compat: this one answer has an `errorNum` although all is well.
fn role(call: &Call) -> Reply {
    let role = call.backend().role();
    Reply::object(200, json!({"errorNum": 0, "role": role.as_str(), "mode": "default"}))
}

fn availability(call: &Call) -> Result<Reply> {
    if !call.backend().is_available() || call.state.is_read_only() {
        return Err(Error::from(code::HTTP_SERVICE_UNAVAILABLE));
    }
    Ok(Reply::object(200, json!({"mode": "default"})))
}

/// Only a single server can be made read-only here; a cluster keeps this wish in the agency.
fn set_mode(call: &Call) -> Result<Reply> {
    call.need_admin()?;
    if call.backend().role() != Role::Single {
        return Err(Error::new(code::NOT_IMPLEMENTED, "the mode of a cluster cannot be changed yet"));
    }
    match call.object()?.get("mode").and_then(Json::as_str) {
        Some("readonly") => call.state.set_read_only(true),
        Some("default") => call.state.set_read_only(false),
        _ => return Err(Error::bad_parameter("mode invalid: expecting 'default' or 'readonly'")),
    }
    Ok(Reply::object(200, json!({"mode": mode(call)})))
}
