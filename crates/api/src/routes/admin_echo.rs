//! `/_admin/echo`: the request as the server saw it.

use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use serde_json::{Map, Value as Json, json};

pub fn handle(call: &Call) -> Result<Reply> {
    let request = &call.request;
    let headers = request.headers.iter().map(|(name, value)| (name.to_string(), Json::from(String::from_utf8_lossy(value.as_bytes()))));
    let headers: Map<String, Json> = headers.collect();
    let parameters = request.query.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str())));
    let parameters: Map<String, Json> = parameters.collect();
    let client = request.peer.map(|peer| json!({"address": peer.ip().to_string(), "port": peer.port()}));
    Ok(Reply::tree(
        200,
        json!({
            "authorized": true,
            "user": call.identity.user,
            "isAdminUser": call.identity.is_admin(),
            "database": call.database,
            "url": request.path,
            "path": request.path,
            "protocol": "http",
            "portType": "tcp/ip",
            "client": client,
            "server": {"endpoint": call.state.options.endpoint},
            "headers": headers,
            "requestType": request.method.as_str(),
            "requestBody": String::from_utf8_lossy(&request.body),
            "parameters": parameters,
        }),
    ))
}
