//! Which file answers which path. One file per public path.

mod aardvark;
mod admin_cluster;
mod admin_echo;
mod admin_log;
mod admin_metrics;
mod admin_server;
mod admin_shutdown;
mod admin_statistics;
mod admin_status;
mod admin_time;
mod analyzer;
mod cluster;
mod collection;
mod cursor;
mod database;
mod document;
mod edges;
mod endpoint;
mod engine;
mod explain;
mod gharial;
mod import;
mod index;
mod job;
mod key_generators;
mod open_auth;
mod query;
mod query_body;
mod simple;
mod transaction;
mod unbuilt;
mod user;
mod version;

use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use rt::http::Method;

/// Paths that need no credentials.
pub fn is_open(method: &Method, parts: &[String]) -> bool {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["_open", "auth"] => method == Method::POST,
        ["_admin", "server", "availability"] => true,
        ["_admin", "aardvark" | "html", ..] | ["favicon.ico"] => method == Method::GET || method == Method::HEAD,
        _ => false,
    }
}

/// Paths a user without access to the database may use, because they concern the own account or
/// check rights of their own.
pub fn is_own_account(parts: &[String]) -> bool {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    matches!(parts.as_slice(), ["_api", "user" | "version", ..] | ["_api", "database", "user"] | ["_open", ..])
}

/// Answers a call.
pub async fn route(call: &Call, parts: &[String]) -> Result<Reply> {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["_api", rest @ ..] => api(call, rest).await,
        ["_admin", rest @ ..] => admin(call, rest).await,
        ["_open", "auth", rest @ ..] => open_auth::handle(call, rest).await,
        _ => call.unknown_path(),
    }
}

async fn api(call: &Call, parts: &[&str]) -> Result<Reply> {
    match parts {
        ["document", rest @ ..] => document::handle(call, rest).await,
        ["cursor", rest @ ..] => cursor::handle(call, rest).await,
        ["collection", rest @ ..] => collection::handle(call, rest).await,
        ["index", rest @ ..] => index::handle(call, rest).await,
        ["database", rest @ ..] => database::handle(call, rest).await,
        ["import", rest @ ..] => import::handle(call, rest).await,
        ["explain"] => explain::handle(call).await,
        ["query", rest @ ..] => query::handle(call, rest).await,
        ["transaction", rest @ ..] => transaction::handle(call, rest).await,
        ["gharial", rest @ ..] => gharial::handle(call, rest).await,
        ["edges", rest @ ..] => edges::handle(call, rest).await,
        ["user", rest @ ..] => user::handle(call, rest).await,
        ["simple", rest @ ..] => simple::handle(call, rest).await,
        ["job", rest @ ..] => job::handle(call, rest),
        ["version"] => version::handle(call),
        ["engine"] => engine::handle(call),
        ["endpoint"] => endpoint::handle(call),
        ["key-generators"] => key_generators::handle(call),
        ["cluster", rest @ ..] => cluster::handle(call, rest).await,
        ["analyzer", rest @ ..] => analyzer::handle(call, rest),
        _ => unbuilt::handle(call, parts),
    }
}

async fn admin(call: &Call, parts: &[&str]) -> Result<Reply> {
    match parts {
        ["version"] => version::handle(call),
        ["status"] => admin_status::handle(call),
        ["time"] => admin_time::handle(call),
        ["echo", ..] => admin_echo::handle(call),
        ["server", rest @ ..] => admin_server::handle(call, rest),
        ["cluster", rest @ ..] => admin_cluster::handle(call, rest).await,
        ["metrics"] | ["metrics", "v2"] => admin_metrics::handle(call),
        ["statistics"] => admin_statistics::handle(call),
        ["statistics-description"] => admin_statistics::describe(call),
        ["log", rest @ ..] => admin_log::handle(call, rest),
        ["shutdown"] => admin_shutdown::handle(call),
        ["job", rest @ ..] => job::handle(call, rest),
        ["auth", "reload"] => user::reload(call),
        ["database", "target-version"] => version::target(call),
        ["aardvark", rest @ ..] => aardvark::handle(call, rest).await,
        _ => call.unknown_path(),
    }
}
