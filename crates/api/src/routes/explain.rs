//! `POST /_api/explain`.

use super::query_body;
use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use rt::http::Method;

pub async fn handle(call: &Call) -> Result<Reply> {
    if *call.method() != Method::POST {
        return call.method_not_allowed();
    }
    let request = query_body::read(call)?;
    query_body::need_rights(call, &request).await?;
    let explained = call.backend().explain(&call.cx, &call.database, request).await?;
    Ok(Reply::object(200, explained))
}
