//! The body of `/_api/cursor` and `/_api/explain`, and who may run what it asks for.

use crate::call::Call;
use base::{Error, Result, code};
use database::context::Access;
use database::query::{BATCH_ROWS_DEFAULT, QueryRequest};
use serde_json::{Map, Value as Json};
use velocypack::{Slice, Value};

/// Seconds an unused cursor lives: less on a single server, as in ArangoDB.
const TTL_S_DEFAULT: f64 = 30.0;

/// Reads the query, its parameters and options.
pub fn read(call: &Call) -> Result<QueryRequest> {
    if call.request.body.is_empty() {
        return Err(Error::from(code::QUERY_EMPTY));
    }
    let body = call.body()?;
    let body = body.as_slice();
    if !body.is_object() {
        return Err(Error::bad_parameter("expecting a JSON object in the request body"));
    }
    let Some(query) = body.get("query").and_then(Slice::as_str).filter(|query| !query.trim().is_empty()) else {
        return Err(Error::from(code::QUERY_EMPTY));
    };
    let mut request = QueryRequest::new(query, bind_vars(body)?);
    request.batch_size = batch_size(body)?;
    request.count = body.get("count").and_then(Slice::as_bool).unwrap_or(false);
    request.ttl_s = body.get("ttl").and_then(Slice::as_f64).filter(|&ttl| ttl > 0.0).unwrap_or(TTL_S_DEFAULT);
    read_options(body, &mut request)?;
    Ok(request)
}

fn bind_vars(body: Slice<'_>) -> Result<Value> {
    match body.get("bindVars") {
        None => Ok(Value::empty_object()),
        Some(given) if given.is_null() => Ok(Value::empty_object()),
        Some(given) if given.is_object() => Ok(given.to_value()),
        Some(_) => Err(Error::from(code::QUERY_BIND_PARAMETERS_INVALID)),
    }
}

fn batch_size(body: Slice<'_>) -> Result<usize> {
    let Some(given) = body.get("batchSize").filter(|given| !given.is_null()) else { return Ok(BATCH_ROWS_DEFAULT) };
    match given.as_f64() {
        Some(size) if size >= 1.0 => Ok(size.min(1e9) as usize),
        _ => Err(Error::new(code::TYPE_ERROR, "expecting a positive number for 'batchSize'")),
    }
}

fn read_options(body: Slice<'_>, request: &mut QueryRequest) -> Result<()> {
    let options: Map<String, Json> = match body.get("options").map(Slice::to_serde) {
        None | Some(Json::Null) => Map::new(),
        Some(Json::Object(options)) => options,
        Some(_) => return Err(Error::new(code::TYPE_ERROR, "expecting an object for 'options'")),
    };
    let flag = |name: &str| options.get(name).and_then(Json::as_bool).unwrap_or(false);
    let number = |name: &str| options.get(name).and_then(Json::as_f64).unwrap_or(0.0);
    request.full_count = flag("fullCount");
    request.stream = flag("stream");
    request.fail_on_warning = flag("failOnWarning");
    request.allow_retry = flag("allowRetry");
    request.max_runtime_s = number("maxRuntime").max(0.0);
    request.profile = match options.get("profile") {
        Some(Json::Bool(profile)) => u8::from(*profile),
        Some(level) => level.as_u64().unwrap_or(0).min(2) as u8,
        None => 0,
    };
    // Compat: the limit is accepted at both places.
    let limit = body.get("memoryLimit").and_then(Slice::as_f64).unwrap_or_else(|| number("memoryLimit"));
    request.memory_limit = limit.max(0.0) as u64;
    if let Some(rules) = options.get("optimizer").and_then(|optimizer| optimizer.get("rules")).and_then(Json::as_array) {
        request.optimizer_rules = rules.iter().filter_map(Json::as_str).map(str::to_owned).collect();
    }
    if request.stream {
        // Compat: streaming cursors know neither count nor full count.
        request.count = false;
        request.full_count = false;
    }
    request.options = options;
    Ok(())
}

/// Demands the rights a query needs: on the database, and on each collection it uses unless the
/// user may use all of them anyway.
pub async fn need_rights(call: &Call, request: &QueryRequest) -> Result<()> {
    call.need_database(Access::Read)?;
    if call.identity.superuser || (!call.state.is_read_only() && may_everything(call)) {
        return Ok(());
    }
    let explained = call.backend().explain(&call.cx, &call.database, request.clone()).await?;
    let used = explained.get("plan").and_then(|plan| plan.get("collections")).and_then(Json::as_array);
    for collection in used.into_iter().flatten() {
        let Some(name) = collection.get("name").and_then(Json::as_str) else { continue };
        let is_read = collection.get("type").and_then(Json::as_str) == Some("read");
        call.need_collection(name, if is_read { Access::Read } else { Access::Write })?;
    }
    Ok(())
}

/// `_users` is closed to everybody, so in `_system` queries are always looked at.
fn may_everything(call: &Call) -> bool {
    call.database != crate::path::SYSTEM_DATABASE && call.identity.grants.writes_all(&call.database)
}
