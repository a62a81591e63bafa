//! `/_admin/aardvark`: the web page.

use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use rt::http::{Method, header};
use serde_json::{Value as Json, json};

const PAGE: &str = include_str!("../page/index.html");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'self'; form-action 'self'";

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    if !matches!(*call.method(), Method::GET | Method::HEAD) {
        return call.method_not_allowed();
    }
    match parts {
        [] | ["index.html"] => Ok(Reply::other(200, "text/html; charset=utf-8", PAGE).header(header::CONTENT_SECURITY_POLICY, POLICY)),
        ["whoAmI"] => Ok(Reply::tree(200, json!({"user": who(call).await}))),
        _ => call.unknown_path(),
    }
}

/// The user of a valid credential; null without one, which the page takes as a wish to log in.
async fn who(call: &Call) -> Json {
    match call.state.authenticator.identify(call.request.header("authorization")).await {
        Ok(identity) => identity.user.into(),
        Err(_) => Json::Null,
    }
}
