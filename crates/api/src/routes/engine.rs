//! `GET /_api/engine`.

use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use rt::http::Method;
use serde_json::json;

pub fn handle(call: &Call) -> Result<Reply> {
    if *call.method() != Method::GET {
        return call.method_not_allowed();
    }
    Ok(Reply::tree(
        200,
        json!({
            "name": "rocksdb",
            "supports": {
                "indexes": ["primary", "edge", "hash", "skiplist", "ttl", "persistent"],
                "aliases": {"indexes": {"hash": "persistent", "skiplist": "persistent"}},
            },
            "endianness": "little",
        }),
    ))
}
