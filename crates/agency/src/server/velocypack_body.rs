//! Bodies in VelocyPack: inside the agency everything is JSON.

use super::message;
use rt::http::{Bytes, Request, Response};
use velocypack::Value;

const TYPE: &str = "application/x-velocypack";

/// Turns a VelocyPack body into JSON.
pub fn take(request: &mut Request) -> Result<(), Box<Response>> {
    let is_velocypack = request.header("content-type").is_some_and(|kind| kind.starts_with(TYPE));
    if is_velocypack && !request.body.is_empty() {
        match Value::from_bytes(&request.body) {
            Ok(value) => request.body = Bytes::from(value.to_json()),
            Err(error) => return Err(message(400, &error.to_string()).into()),
        }
    }
    Ok(())
}

/// True if the client wants VelocyPack back.
pub fn is_wanted(request: &Request) -> bool {
    request.header("accept").is_some_and(|kind| kind.starts_with(TYPE))
}

/// Turns a JSON body into VelocyPack; anything else stays as it is.
pub fn give(response: Response) -> Response {
    match Value::parse_json(&response.body) {
        Ok(value) if !response.body.is_empty() => response.with_body(TYPE, value.as_bytes().to_vec()),
        _ => response,
    }
}
