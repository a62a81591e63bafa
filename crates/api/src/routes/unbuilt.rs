//! Parts of ArangoDB's API that are not built yet. Lists of what cannot exist are empty, which is
//! the truth and what drivers ask for when they connect; making one answers 501.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use rt::http::Method;
use serde_json::json;

pub fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    let is_get = *call.method() == Method::GET;
    let missing = |what: &str| Err(Error::new(code::NOT_IMPLEMENTED, format!("{what} are not supported yet")));
    match parts {
        ["tasks"] if is_get => Ok(Reply::tree(200, json!([]))),
        ["tasks", _] if matches!(*call.method(), Method::GET | Method::DELETE) => Err(Error::from(code::TASK_NOT_FOUND)),
        ["tasks", ..] => missing("tasks"),
        ["foxx"] if is_get => Ok(Reply::tree(200, json!([]))),
        ["foxx", ..] => missing("Foxx services"),
        ["view"] if is_get => Ok(Reply::result(200, json!([]))),
        ["view", name, ..] if matches!(*call.method(), Method::GET | Method::DELETE) => {
            Err(Error::with_detail(code::ARANGO_DATA_SOURCE_NOT_FOUND, name))
        }
        ["view", ..] => missing("views"),
        ["aqlfunction", ..] if is_get => Ok(Reply::result(200, json!([]))),
        ["aqlfunction", ..] => missing("user-defined AQL functions"),
        ["query-cache", "entries"] | ["query-plan-cache"] if is_get => Ok(Reply::tree(200, json!([]))),
        ["query-cache", ..] | ["query-plan-cache", ..] => missing("query caches"),
        _ => call.unknown_path(),
    }
}
