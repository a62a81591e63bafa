//! `/_admin/cluster`: what administrators and the scheduler ask of a cluster.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::cluster::ClusterRequest;
use rt::http::Method;
use serde_json::{Map, Value as Json};

/// How long maintenance lasts if nobody says so, in seconds.
const MAINTENANCE_S_DEFAULT: u64 = 3600;

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    let Some((request, status)) = request(call, parts)? else {
        return if *call.method() == Method::GET { call.unknown_path() } else { Err(known_path(parts)) };
    };
    if !matches!(request, ClusterRequest::Health | ClusterRequest::NumberOfServers) {
        call.need_admin()?;
    }
    Ok(Reply::object(status, call.backend().cluster(&call.cx, request).await?))
}

/// 405 for a known path with another method, 403 where ArangoDB says so, 404 else.
fn known_path(parts: &[&str]) -> Error {
    match parts {
        // Compat: these two answer 403 to a wrong method.
        ["replaceSecondary" | "swapPrimaryAndSecondary"] => Error::from(code::HTTP_FORBIDDEN),
        [
            "health" | "numberOfServers" | "moveShard" | "cleanOutServer" | "resignLeadership" | "removeServer" | "queryAgencyJob"
            | "shardDistribution" | "maintenance" | "getSecondary",
        ] => Error::from(code::HTTP_METHOD_NOT_ALLOWED),
        _ => Error::from(code::HTTP_NOT_FOUND),
    }
}

/// The wish in a request and the status of its answer.
fn request(call: &Call, parts: &[&str]) -> Result<Option<(ClusterRequest, u16)>> {
    let [name] = parts else { return Ok(None) };
    Ok(Some(match (call.method(), *name) {
        (&Method::GET, "health") => (ClusterRequest::Health, 200),
        (&Method::GET, "numberOfServers") => (ClusterRequest::NumberOfServers, 200),
        (&Method::PUT, "numberOfServers") => (ClusterRequest::SetNumberOfServers(body(call)?.into()), 200),
        (&Method::POST, "cleanOutServer") => (ClusterRequest::CleanOutServer(server(call)?), 202),
        (&Method::POST, "resignLeadership") => (ClusterRequest::ResignLeadership(server(call)?), 202),
        (&Method::POST, "removeServer") => (ClusterRequest::RemoveServer(server(call)?), 200),
        (&Method::POST, "moveShard") => (move_shard(&body(call)?)?, 202),
        (&Method::GET, "queryAgencyJob") => (ClusterRequest::QueryJob(call.required("id")?.to_owned()), 200),
        (&Method::GET, "shardDistribution") => (ClusterRequest::ShardDistribution { database: call.database.clone() }, 200),
        (&Method::PUT, "maintenance") => (ClusterRequest::Maintenance(maintenance(&call.tree()?)?), 200),
        (&Method::GET, "getSecondary") => (ClusterRequest::GetSecondary { primary: call.required("primary")?.to_owned() }, 200),
        (&Method::PUT, "replaceSecondary") => (replace_secondary(&body(call)?)?, 200),
        (&Method::PUT, "swapPrimaryAndSecondary") => {
            let body = body(call)?;
            (ClusterRequest::SwapPrimaryAndSecondary { primary: text(&body, "primary")?, secondary: text(&body, "secondary")? }, 200)
        }
        _ => return Ok(None),
    }))
}

fn body(call: &Call) -> Result<Map<String, Json>> {
    match call.tree()? {
        Json::Object(body) => Ok(body),
        _ => Err(Error::new(code::HTTP_BAD_PARAMETER, "body must be an object")),
    }
}

fn text(body: &Map<String, Json>, name: &str) -> Result<String> {
    let text = body.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| Error::new(code::HTTP_BAD_PARAMETER, format!("body must have a string attribute '{name}'")))
}

/// `{"server": id}`, or the id alone.
fn server(call: &Call) -> Result<String> {
    match call.tree()? {
        Json::String(server) if !server.is_empty() => Ok(server),
        Json::Object(body) => text(&body, "server"),
        _ => {
            Err(Error::new(code::HTTP_BAD_PARAMETER, "body must be an object with a string attribute 'server' or a server ID as a string"))
        }
    }
}

fn move_shard(body: &Map<String, Json>) -> Result<ClusterRequest> {
    let database = body.get("database").and_then(Json::as_str).unwrap_or(crate::path::SYSTEM_DATABASE);
    Ok(ClusterRequest::MoveShard {
        database: database.to_owned(),
        collection: text(body, "collection")?,
        shard: text(body, "shard")?,
        from_server: text(body, "fromServer")?,
        to_server: text(body, "toServer")?,
    })
}

fn replace_secondary(body: &Map<String, Json>) -> Result<ClusterRequest> {
    Ok(ClusterRequest::ReplaceSecondary {
        primary: text(body, "primary")?,
        old_secondary: text(body, "oldSecondary")?,
        new_secondary: text(body, "newSecondary")?,
    })
}

/// `"on"`, `"off"` or a number of seconds.
fn maintenance(body: &Json) -> Result<Option<u64>> {
    let refused = || Error::new(code::HTTP_BAD_PARAMETER, "state string must be 'on', 'off' or a number of seconds");
    match body {
        Json::String(word) if word == "on" => Ok(Some(MAINTENANCE_S_DEFAULT)),
        Json::String(word) if word == "off" => Ok(None),
        Json::String(word) => word.parse().map(Some).map_err(|_| refused()),
        other => other.as_u64().map(Some).ok_or_else(refused),
    }
}
