//! `/_api/edges`: the edges of a vertex.

use crate::call::Call;
use crate::emit::Emit;
use crate::reply::Reply;
use base::{Error, Result, code, names};
use database::catalog::CollectionType;
use database::context::Access;
use database::query::QueryRequest;
use rt::http::Method;
use serde_json::json;
use velocypack::{Slice, Value};

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    let [collection] = parts else { return call.unknown_path() };
    let vertices = match *call.method() {
        Method::GET => vec![call.required("vertex")?.to_owned()],
        Method::POST => vertices(&call.body()?)?,
        _ => return call.method_not_allowed(),
    };
    call.need_collection(collection, Access::Read)?;
    let found = call.backend().collection(&call.cx, &call.database, collection).await?;
    if found.kind != CollectionType::Edge {
        return Err(Error::from(code::ARANGO_COLLECTION_TYPE_INVALID));
    }
    if vertices.iter().any(|vertex| names::split_document_id(vertex).is_none()) {
        return Err(Error::from(code::ARANGO_DOCUMENT_HANDLE_BAD));
    }
    answer(call, query(&found.name, direction(call)?, &vertices)).await
}

fn vertices(body: &Value) -> Result<Vec<String>> {
    let invalid = || Error::bad_parameter("expecting an array of vertex ids in the request body");
    if !body.as_slice().is_array() {
        return Err(invalid());
    }
    body.as_slice().elements().map(|id| id.as_str().map(str::to_owned).ok_or_else(invalid)).collect()
}

fn direction(call: &Call) -> Result<&'static str> {
    match call.parameter("direction") {
        None | Some("any" | "") => Ok("FILTER e._from IN @v || e._to IN @v"),
        Some("out") => Ok("FILTER e._from IN @v"),
        Some("in") => Ok("FILTER e._to IN @v"),
        Some(_) => Err(Error::bad_parameter("<direction> must by any, in, or out")),
    }
}

fn query(collection: &str, filter: &str, vertices: &[String]) -> QueryRequest {
    let vertices = Value::array(vertices.iter().map(|vertex| Value::string(vertex)));
    let bind = Value::object([("@c", Value::string(collection)), ("v", vertices)]);
    QueryRequest::new(format!("FOR e IN @@c {filter} RETURN e"), bind)
}

async fn answer(call: &Call, query: QueryRequest) -> Result<Reply> {
    let mut batch = call.backend().open_cursor(&call.cx, &call.database, query).await?;
    let stats = batch.extra.as_ref().and_then(|extra| extra.get("stats")).cloned().unwrap_or_else(|| json!({}));
    let mut emit = Emit::new(call.format);
    emit.open_object();
    emit.key("edges");
    emit.open_array();
    loop {
        batch.rows.iter().map(Value::as_slice).for_each(|row: Slice<'_>| emit.slice(row));
        match (&batch.id, batch.has_more) {
            (Some(id), true) => batch = call.backend().next_batch(&call.cx, &call.database, id, None).await?,
            _ => break,
        }
    }
    emit.close_array();
    emit.key("error");
    emit.bool(false);
    emit.key("code");
    emit.uint(200);
    emit.key("stats");
    emit.tree(&stats);
    emit.close_object();
    Reply::emitted(200, emit)
}
