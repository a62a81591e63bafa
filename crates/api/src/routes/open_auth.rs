//! `POST /_open/auth`: a token for user name and password.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use rt::http::Method;
use serde_json::{Value as Json, json};

/// Bounds of `expiryTime` in seconds.
const LIFETIME_S: std::ops::RangeInclusive<f64> = 10.0..=3600.0;

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    if *call.method() != Method::POST {
        return call.method_not_allowed();
    }
    let token = match parts {
        [] => open(call).await?,
        ["renew"] if !call.identity.user.is_empty() => call.state.authenticator.renew_session(&call.identity.user)?,
        ["renew"] => return Err(Error::from(code::FORBIDDEN)),
        _ => return call.unknown_path(),
    };
    Ok(Reply::tree(200, json!({"jwt": token})))
}

async fn open(call: &Call) -> Result<String> {
    let body = call.object()?;
    let text = |name: &str| body.get(name).and_then(Json::as_str);
    let (Some(user), Some(password)) = (text("username"), text("password")) else {
        return Err(Error::new(code::HTTP_BAD_PARAMETER, "expecting 'username' and 'password' as strings"));
    };
    let lifetime_s = body.get("expiryTime").and_then(Json::as_f64);
    if lifetime_s.is_some_and(|lifetime| !LIFETIME_S.contains(&lifetime)) {
        return Err(Error::bad_parameter("'expiryTime' must be between 10 and 3600 seconds"));
    }
    call.state.authenticator.open_session(user, password, lifetime_s).await
}
