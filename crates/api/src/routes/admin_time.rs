//! `GET /_admin/time`.

use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use rt::http::Method;
use serde_json::json;

pub fn handle(call: &Call) -> Result<Reply> {
    if *call.method() != Method::GET {
        return call.method_not_allowed();
    }
    Ok(Reply::object(200, json!({"time": rt::clock::now_ms() as f64 / 1000.0})))
}
