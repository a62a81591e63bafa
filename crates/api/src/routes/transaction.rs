//! `/_api/transaction`: stream transactions.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::context::Access;
use database::transaction::{TransactionId, TransactionOptions, TransactionStatus};
use rt::http::Method;
use serde_json::{Map, Value as Json, json};

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::POST, ["begin"]) => begin(call).await,
        (&Method::POST, []) => Err(Error::new(code::NOT_IMPLEMENTED, "JavaScript transactions are not supported yet")),
        (&Method::GET, []) => list(call).await,
        (&Method::GET, [id]) => {
            let id = number(id)?;
            let status = call.backend().transaction_status(&call.cx, &call.database, id).await?;
            Ok(status_reply(200, id, status))
        }
        (&Method::PUT, [id]) => {
            let id = number(id)?;
            call.backend().commit(&call.cx, &call.database, id).await?;
            Ok(status_reply(200, id, TransactionStatus::Committed))
        }
        (&Method::DELETE, ["write"]) => abort_all(call).await,
        (&Method::DELETE, [id]) => {
            let id = number(id)?;
            call.backend().abort(&call.cx, &call.database, id).await?;
            Ok(status_reply(200, id, TransactionStatus::Aborted))
        }
        (&Method::POST | &Method::GET | &Method::PUT | &Method::DELETE, _) => Err(Error::from(code::HTTP_BAD_PARAMETER)),
        _ => call.method_not_allowed(),
    }
}

fn number(text: &str) -> Result<TransactionId> {
    text.parse().map(TransactionId).map_err(|_| Error::bad_parameter(format!("illegal transaction id '{text}'")))
}

fn status_reply(status: u16, id: TransactionId, state: TransactionStatus) -> Reply {
    Reply::result(status, json!({"id": id.to_string(), "status": state.as_str()}))
}

async fn begin(call: &Call) -> Result<Reply> {
    let options = options(&call.object()?)?;
    call.need_database(Access::Read)?;
    for (names, access) in [(&options.read, Access::Read), (&options.write, Access::Write), (&options.exclusive, Access::Write)] {
        for name in names {
            call.need_collection(name, access)?;
        }
    }
    let id = call.backend().begin(&call.cx, &call.database, options).await?;
    Ok(status_reply(201, id, TransactionStatus::Running))
}

fn options(body: &Map<String, Json>) -> Result<TransactionOptions> {
    let Some(collections) = body.get("collections").and_then(Json::as_object) else {
        return Err(Error::bad_parameter("missing/invalid collections definition for transaction"));
    };
    let flag = |name: &str| body.get(name).or_else(|| collections.get(name)).and_then(Json::as_bool);
    let lock_timeout_s = body.get("lockTimeout").and_then(Json::as_f64);
    if lock_timeout_s.is_some_and(|timeout| timeout < 0.0) {
        return Err(Error::bad_parameter("'lockTimeout' needs to be positive"));
    }
    Ok(TransactionOptions {
        read: names(collections.get("read"))?,
        write: names(collections.get("write"))?,
        exclusive: names(collections.get("exclusive"))?,
        allow_implicit: flag("allowImplicit").unwrap_or(true),
        wait_for_sync: flag("waitForSync").unwrap_or(false),
        lock_timeout_s,
        max_transaction_size: body.get("maxTransactionSize").and_then(Json::as_u64),
    })
}

/// One name or a list of names.
fn names(given: Option<&Json>) -> Result<Vec<String>> {
    let invalid = || Error::bad_parameter("missing/invalid collections definition for transaction");
    match given {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::String(name)) => Ok(vec![name.clone()]),
        Some(Json::Array(list)) => list.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(invalid)).collect(),
        Some(_) => Err(invalid()),
    }
}

async fn list(call: &Call) -> Result<Reply> {
    let transactions = call.backend().transactions(&call.cx, &call.database).await?;
    let shown: Vec<Json> = transactions.iter().map(|(id, state)| json!({"id": id.to_string(), "state": state.as_str()})).collect();
    Ok(Reply::tree(200, json!({"transactions": shown})))
}

async fn abort_all(call: &Call) -> Result<Reply> {
    call.need_admin()?;
    for (id, _) in call.backend().transactions(&call.cx, &call.database).await? {
        call.backend().abort(&call.cx, &call.database, id).await?;
    }
    Ok(Reply::tree(200, json!({})))
}
