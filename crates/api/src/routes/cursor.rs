//! `/_api/cursor`: queries and their results, batch by batch.

use super::query_body;
use crate::call::Call;
use crate::emit::Emit;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::query::CursorBatch;
use rt::http::Method;
use serde_json::json;

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::POST, [] | ["json"]) => open(call).await,
        (&Method::POST | &Method::PUT, [id]) => next(call, id, None).await,
        (&Method::POST, [id, batch]) => next(call, id, Some(batch)).await,
        (&Method::DELETE, [id]) => close(call, id).await,
        (&Method::PUT, _) => Err(Error::new(code::HTTP_BAD_PARAMETER, "expecting POST /_api/cursor/<cursor-id>")),
        (&Method::POST | &Method::DELETE, _) => Err(Error::from(code::HTTP_BAD_PARAMETER)),
        _ => call.method_not_allowed(),
    }
}

async fn open(call: &Call) -> Result<Reply> {
    let request = query_body::read(call)?;
    query_body::need_rights(call, &request).await?;
    let batch = call.backend().open_cursor(&call.cx, &call.database, request).await?;
    reply(call, 201, &batch)
}

async fn next(call: &Call, id: &str, batch: Option<&str>) -> Result<Reply> {
    let batch = call.backend().next_batch(&call.cx, &call.database, id, batch).await?;
    reply(call, 200, &batch)
}

async fn close(call: &Call, id: &str) -> Result<Reply> {
    call.backend().close_cursor(&call.cx, &call.database, id).await?;
    Ok(Reply::object(202, json!({"id": id})))
}

/// The envelope of a batch, in the order in which ArangoDB writes it.
pub fn reply(call: &Call, status: u16, batch: &CursorBatch) -> Result<Reply> {
    let mut emit = Emit::new(call.format);
    emit.open_object();
    emit.key("result");
    emit.open_array();
    for row in &batch.rows {
        emit.slice(row.as_slice());
    }
    emit.close_array();
    emit.key("hasMore");
    emit.bool(batch.has_more);
    if let Some(id) = &batch.id {
        emit.key("id");
        emit.string(id);
    }
    if let Some(count) = batch.count {
        emit.key("count");
        emit.uint(count);
    }
    if let Some(extra) = &batch.extra {
        emit.key("extra");
        emit.tree(extra);
    }
    emit.key("cached");
    emit.bool(false);
    if let Some(next) = &batch.next_batch_id {
        emit.key("nextBatchId");
        emit.string(next);
    }
    emit.key("error");
    emit.bool(false);
    emit.key("code");
    emit.uint(status.into());
    emit.close_object();
    Reply::emitted(status, emit)
}
