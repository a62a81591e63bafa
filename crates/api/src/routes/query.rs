//! `/_api/query`: parsing, and what is known about queries.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::context::Access;
use rt::http::Method;
use serde_json::Value as Json;

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::POST, []) => parse(call).await,
        (&Method::GET, ["rules"]) => Ok(Reply::tree(200, call.state.options.optimizer_rules.clone())),
        (&Method::GET | &Method::PUT | &Method::DELETE, _) => Err(Error::new(code::NOT_IMPLEMENTED, "queries are not tracked yet")),
        _ => call.method_not_allowed(),
    }
}

async fn parse(call: &Call) -> Result<Reply> {
    call.need_database(Access::Read)?;
    let body = call.object()?;
    let Some(query) = body.get("query").and_then(Json::as_str).filter(|query| !query.trim().is_empty()) else {
        return Err(Error::from(code::QUERY_EMPTY));
    };
    let mut parsed = call.backend().parse_query(&call.cx, &call.database, query).await?;
    if let Json::Object(members) = &mut parsed {
        members.entry("parsed").or_insert(true.into());
    }
    Ok(Reply::object(200, parsed))
}
