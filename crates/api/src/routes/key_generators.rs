//! `GET /_api/key-generators`.

use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use rt::http::Method;
use serde_json::json;

pub fn handle(call: &Call) -> Result<Reply> {
    if *call.method() != Method::GET {
        return call.method_not_allowed();
    }
    Ok(Reply::tree(200, json!({"keyGenerators": ["padded", "uuid", "autoincrement", "traditional"]})))
}
