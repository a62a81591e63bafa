//! `GET /_api/endpoint`: where this server listens.

use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use rt::endpoint::Endpoint;
use rt::http::Method;
use serde_json::json;

pub fn handle(call: &Call) -> Result<Reply> {
    if *call.method() != Method::GET {
        return call.method_not_allowed();
    }
    call.need_system()?;
    let shown = Endpoint::parse(&call.state.options.endpoint).map(|endpoint| endpoint.http_url());
    Ok(Reply::tree(200, json!([{"endpoint": shown.unwrap_or_default()}])))
}
