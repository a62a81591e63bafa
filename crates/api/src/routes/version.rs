//! `GET /_api/version` (also `/_admin/version`).

use crate::call::Call;
use crate::options::VERSION;
use crate::reply::Reply;
use base::Result;
use rt::http::Method;
use serde_json::json;

pub fn handle(call: &Call) -> Result<Reply> {
    if !matches!(*call.method(), Method::GET | Method::HEAD | Method::PUT) {
        return call.method_not_allowed();
    }
    // Compat: no `error` and no `code` here; drivers take `error` for a failure.
    let mut answer = json!({"server": "arango", "license": "community", "version": VERSION});
    if call.flag("details") && call.identity.is_admin() {
        answer["details"] = details(call);
    }
    Ok(Reply::tree(200, answer))
}

/// `GET /_admin/database/target-version`.
pub fn target(call: &Call) -> Result<Reply> {
    if *call.method() != Method::GET {
        return call.method_not_allowed();
    }
    Ok(Reply::object(200, json!({"version": "31200"})))
}

fn details(call: &Call) -> serde_json::Value {
    json!({
        "architecture": if cfg!(target_pointer_width = "64") { "64bit" } else { "32bit" },
        "arm": (cfg!(target_arch = "aarch64")).to_string(),
        "debug": cfg!(debug_assertions).to_string(),
        "endianness": if cfg!(target_endian = "little") { "little" } else { "big" },
        "host": call.backend().server_id().unwrap_or_default(),
        "license": "community",
        "maintainer-mode": "false",
        "mode": "server",
        "platform": std::env::consts::OS,
        "product": "arangodb-rs",
        "product-version": call.state.options.product_version,
        "role": call.backend().role().as_str(),
        "server-version": VERSION,
        "v8-version": "none",
    })
}
