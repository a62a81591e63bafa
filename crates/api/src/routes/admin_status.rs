//! `GET /_admin/status`.

use crate::call::Call;
use crate::options::VERSION;
use crate::reply::Reply;
use base::Result;
use rt::http::Method;
use serde_json::json;

pub fn handle(call: &Call) -> Result<Reply> {
    if *call.method() != Method::GET {
        return call.method_not_allowed();
    }
    let backend = call.backend();
    let is_writable = !call.state.is_read_only();
    let mut info = json!({
        "progress": {"phase": "in wait", "feature": "", "recoveryTick": 0},
        "maintenance": !backend.is_available(),
        "role": backend.role().as_str(),
        "writeOpsEnabled": is_writable,
        "readOnly": !is_writable,
    });
    if let Some(id) = backend.server_id() {
        info["persistedId"] = id.as_str().into();
        info["address"] = call.state.options.endpoint.as_str().into();
        info["serverId"] = id.into();
        info["state"] = if backend.is_available() { "SERVING" } else { "STARTUP" }.into();
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Ok(Reply::tree(
        200,
        json!({
            "server": "arango",
            "version": VERSION,
            "pid": std::process::id(),
            "license": "community",
            "mode": "server",
            "operationMode": "server",
            "foxxApi": false,
            "host": host.trim(),
            "hostname": host.trim(),
            "serverInfo": info,
        }),
    ))
}
