//! `DELETE /_admin/shutdown`.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use rt::http::Method;
use serde_json::json;

pub fn handle(call: &Call) -> Result<Reply> {
    if *call.method() != Method::DELETE {
        return call.method_not_allowed();
    }
    call.need_admin()?;
    match &call.state.options.shutdown {
        Some(shutdown) => {
            shutdown.trigger();
            Ok(Reply::tree(200, json!("OK")))
        }
        None => Err(Error::from(code::NOT_IMPLEMENTED)),
    }
}
