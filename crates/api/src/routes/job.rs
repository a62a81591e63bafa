//! `/_api/job`: results of asynchronous requests.

use crate::call::Call;
use crate::jobs::{Lookup, Which};
use crate::reply::{Format, Reply};
use base::{Error, Result, code};
use rt::http::{HeaderName, Method, Response};
use serde_json::{Value as Json, json};

const IDS_DEFAULT: usize = 100;

pub fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::GET, ["pending"]) => Ok(ids(call, Which::Pending)),
        (&Method::GET, ["done"]) => Ok(ids(call, Which::Done)),
        (&Method::GET, [id]) => look(call, number(id)?),
        (&Method::PUT, [id]) => fetch(call, number(id)?),
        (&Method::PUT, [id, "cancel"]) => cancel(call, number(id)?),
        (&Method::DELETE, ["all"]) => remove_older(call, u64::MAX),
        (&Method::DELETE, ["expired"]) => {
            let stamp_s: f64 = call.required("stamp")?.parse().map_err(|_| bad_parameter())?;
            remove_older(call, (stamp_s * 1000.0) as u64)
        }
        (&Method::DELETE, [id]) => {
            let removed = call.state.jobs.remove(&call.identity.user, number(id)?);
            if removed { Ok(Reply::tree(200, json!({"result": true}))) } else { not_found() }
        }
        (&Method::GET | &Method::PUT | &Method::DELETE, _) => Err(bad_parameter()),
        _ => call.method_not_allowed(),
    }
}

fn ids(call: &Call, which: Which) -> Reply {
    let count = call.parameter("count").and_then(|text| text.parse().ok()).unwrap_or(IDS_DEFAULT);
    let ids = call.state.jobs.ids(&call.identity.user, which, count);
    Reply::tree(200, ids.iter().map(|id| Json::from(id.to_string())).collect())
}

fn look(call: &Call, id: u64) -> Result<Reply> {
    match call.state.jobs.look(&call.identity.user, id) {
        Lookup::Done(_) => Ok(Reply::empty(200)),
        Lookup::Pending => Ok(Reply::empty(204)),
        Lookup::Unknown => not_found(),
    }
}

/// The original answer with the job's id; pending jobs answer 204 without it.
fn fetch(call: &Call, id: u64) -> Result<Reply> {
    match call.state.jobs.fetch(&call.identity.user, id) {
        Lookup::Done(response) => Ok(Reply::repeated(response).header(HeaderName::from_static("x-arango-async-id"), &id.to_string())),
        Lookup::Pending => Ok(Reply::empty(204)),
        Lookup::Unknown => not_found(),
    }
}

fn cancel(call: &Call, id: u64) -> Result<Reply> {
    let cancelled: Response = Reply::error(&Error::from(code::REQUEST_CANCELED)).into_response(Format::Json);
    let known = call.state.jobs.cancel(&call.identity.user, id, cancelled);
    if known { Ok(Reply::tree(200, json!({"result": true}))) } else { not_found() }
}

fn remove_older(call: &Call, before_ms: u64) -> Result<Reply> {
    call.state.jobs.remove_older(&call.identity.user, before_ms);
    Ok(Reply::tree(200, json!({"result": true})))
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::from(code::HTTP_NOT_FOUND))
}

fn not_found() -> Result<Reply> {
    Err(Error::from(code::HTTP_NOT_FOUND))
}

fn bad_parameter() -> Error {
    Error::from(code::HTTP_BAD_PARAMETER)
}
