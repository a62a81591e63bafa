//! `/_api/user`: accounts and permissions.

use crate::auth::accounts;
use crate::auth::grants::{level, level_name};
use crate::auth::users::User;
use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::context::Access;
use rt::http::Method;
use serde_json::{Map, Value as Json, json};

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::GET, []) => list(call).await,
        (&Method::POST, []) => create(call).await,
        (&Method::GET, [name]) => Ok(shape(200, &own(call, name).await?)),
        (&Method::POST, [name]) => check(call, name).await,
        (&Method::PUT, [name]) => replace(call, name).await,
        (&Method::PATCH, [name]) => update(call, name).await,
        (&Method::DELETE, [name]) => remove(call, name).await,
        (&Method::GET, [name, "database"]) => databases(call, name).await,
        (&Method::GET, [name, "database", database]) => database_level(call, name, database).await,
        (&Method::GET, [name, "database", database, collection]) => collection_level(call, name, database, collection).await,
        (&Method::PUT, [name, "database", rest @ ..]) => grant(call, name, rest).await,
        (&Method::DELETE, [name, "database", rest @ ..]) => revoke(call, name, rest).await,
        (method, [name, "config", rest @ ..]) => config(call, method, name, rest).await,
        (&Method::GET | &Method::PUT | &Method::PATCH | &Method::DELETE | &Method::POST, _) => Err(Error::from(code::HTTP_BAD_PARAMETER)),
        _ => call.method_not_allowed(),
    }
}

/// `POST /_admin/auth/reload`: forget checked credentials.
pub fn reload(call: &Call) -> Result<Reply> {
    call.need_admin()?;
    call.state.authenticator.forget();
    Ok(Reply::result(200, true))
}

fn shape(status: u16, user: &User) -> Reply {
    Reply::tree(status, json!({"user": user.name(), "active": user.is_active(), "extra": user.extra(), "code": status, "error": false}))
}

/// A user whom the caller may see: everybody for administrators, else the own account.
async fn own(call: &Call, name: &str) -> Result<User> {
    if call.identity.user != name {
        call.need_admin()?;
    }
    accounts::find(call.backend(), name).await
}

/// A user whom the caller, an administrator, may change.
async fn managed(call: &Call, name: &str) -> Result<User> {
    call.need_admin()?;
    accounts::find(call.backend(), name).await
}

async fn store(call: &Call, user: &User) -> Result<()> {
    accounts::store(call.backend(), user).await?;
    call.state.authenticator.forget();
    Ok(())
}

async fn list(call: &Call) -> Result<Reply> {
    call.need_admin()?;
    let users = accounts::list(call.backend()).await?;
    let shown: Vec<Json> =
        users.iter().map(|user| json!({"user": user.name(), "active": user.is_active(), "extra": user.extra()})).collect();
    Ok(Reply::result(200, shown))
}

/// The changeable parts of an account in a body.
struct Given {
    password: Option<String>,
    active: Option<bool>,
    extra: Option<Json>,
}

fn given(body: &Map<String, Json>) -> Result<Given> {
    let password = match body.get("passwd").or_else(|| body.get("password")) {
        None | Some(Json::Null) => None,
        Some(Json::String(password)) => Some(password.clone()),
        Some(_) => return Err(Error::bad_parameter("'passwd' must be a string")),
    };
    let active = match body.get("active") {
        None | Some(Json::Null) => None,
        Some(Json::Bool(active)) => Some(*active),
        Some(_) => return Err(Error::bad_parameter("'active' must be a boolean")),
    };
    Ok(Given { password, active, extra: body.get("extra").filter(|extra| extra.is_object()).cloned() })
}

async fn create(call: &Call) -> Result<Reply> {
    call.need_admin()?;
    let body = call.object()?;
    let name = body.get("user").or_else(|| body.get("username")).and_then(Json::as_str).unwrap_or_default();
    let given = given(&body)?;
    let mut user = User::new(name, &given.password.unwrap_or_default())?;
    user.set_active(given.active.unwrap_or(true));
    if let Some(extra) = given.extra {
        user.set_extra(extra);
    }
    accounts::create(call.backend(), &user).await?;
    call.state.authenticator.forget();
    Ok(shape(201, &user))
}

async fn replace(call: &Call, name: &str) -> Result<Reply> {
    let mut user = managed(call, name).await?;
    let given = given(&call.object()?)?;
    user.set_password(&given.password.unwrap_or_default());
    user.set_active(given.active.unwrap_or(true));
    user.set_extra(given.extra.unwrap_or_else(|| json!({})));
    store(call, &user).await?;
    Ok(shape(200, &user))
}

async fn update(call: &Call, name: &str) -> Result<Reply> {
    let mut user = own(call, name).await?;
    let given = given(&call.object()?)?;
    if let Some(password) = given.password {
        user.set_password(&password);
    }
    if let Some(active) = given.active {
        call.need_admin()?;
        user.set_active(active);
    }
    if let Some(extra) = given.extra {
        user.set_extra(extra);
    }
    store(call, &user).await?;
    Ok(shape(200, &user))
}

async fn remove(call: &Call, name: &str) -> Result<Reply> {
    if name == "root" {
        return Err(Error::from(code::FORBIDDEN));
    }
    let user = managed(call, name).await?;
    accounts::remove(call.backend(), &user).await?;
    call.state.authenticator.forget();
    Ok(Reply::object(202, json!({})))
}

/// Are these the user's credentials? Compat: 1703 also for a wrong password.
async fn check(call: &Call, name: &str) -> Result<Reply> {
    let body = call.object()?;
    let password = body.get("passwd").and_then(Json::as_str).unwrap_or_default();
    let user = accounts::find(call.backend(), name).await?;
    if user.has_password(password) { Ok(Reply::result(200, true)) } else { Err(Error::from(code::USER_NOT_FOUND)) }
}

async fn databases(call: &Call, name: &str) -> Result<Reply> {
    let user = own(call, name).await?;
    let grants = user.grants();
    let full = call.flag("full");
    let mut out = Map::new();
    for database in call.backend().databases(&call.cx).await? {
        let level = grants.database(&database.name);
        if !full {
            if level != Access::None {
                out.insert(database.name, level_name(level).into());
            }
            continue;
        }
        let mut collections = Map::new();
        let existing = call.backend().collections(&call.cx, &database.name).await?;
        for collection in existing.iter().map(|collection| collection.name.as_str()).chain(["*"]) {
            let configured = grants.configured_collection(&database.name, collection);
            collections.insert(collection.to_owned(), configured.map_or("undefined", level_name).into());
        }
        out.insert(database.name, json!({"permission": level_name(level), "collections": collections}));
    }
    if full {
        let level = grants.configured_database("*").map_or("undefined", level_name);
        let all = grants.configured_collection("*", "*").map_or("undefined", level_name);
        out.insert("*".into(), json!({"permission": level, "collections": {"*": all}}));
    } else if let Some(level) = grants.configured_database("*") {
        out.insert("*".into(), level_name(level).into());
    }
    Ok(Reply::result(200, out))
}

async fn database_level(call: &Call, name: &str, database: &str) -> Result<Reply> {
    let grants = own(call, name).await?.grants();
    let shown = if call.flag("configured") {
        grants.configured_database(database).map_or("undefined", level_name)
    } else {
        level_name(grants.database(database))
    };
    Ok(Reply::result(200, shown))
}

async fn collection_level(call: &Call, name: &str, database: &str, collection: &str) -> Result<Reply> {
    let grants = own(call, name).await?.grants();
    let shown = if call.flag("configured") {
        grants.configured_collection(database, collection).map_or("undefined", level_name)
    } else {
        level_name(grants.collection(database, collection))
    };
    Ok(Reply::result(200, shown))
}

async fn grant(call: &Call, name: &str, target: &[&str]) -> Result<Reply> {
    let mut user = managed(call, name).await?;
    let body = call.object()?;
    let wanted = body.get("grant").and_then(Json::as_str).and_then(level);
    let wanted = wanted.ok_or_else(|| Error::bad_parameter("'grant' must be 'rw', 'ro' or 'none'"))?;
    let mut grants = user.grants();
    match target {
        [database] => grants.set_database(database, Some(wanted)),
        [database, collection] => grants.set_collection(database, collection, Some(wanted)),
        _ => return Err(Error::from(code::HTTP_BAD_PARAMETER)),
    }
    user.set_grants(&grants);
    store(call, &user).await?;
    Ok(Reply::tree(200, json!({target.join("/"): level_name(wanted), "code": 200, "error": false})))
}

async fn revoke(call: &Call, name: &str, target: &[&str]) -> Result<Reply> {
    let mut user = managed(call, name).await?;
    let mut grants = user.grants();
    match target {
        [database] => grants.set_database(database, None),
        [database, collection] => grants.set_collection(database, collection, None),
        _ => return Err(Error::from(code::HTTP_BAD_PARAMETER)),
    }
    user.set_grants(&grants);
    store(call, &user).await?;
    Ok(Reply::object(202, json!({})))
}

/// What the web interface keeps for a user.
async fn config(call: &Call, method: &Method, name: &str, key: &[&str]) -> Result<Reply> {
    let mut user = own(call, name).await?;
    let mut config = user.config();
    match (method, key) {
        (&Method::GET, []) => return Ok(Reply::result(200, config)),
        (&Method::GET, [key]) => return Ok(Reply::result(200, config.get(*key).cloned().unwrap_or(Json::Null))),
        (&Method::PUT, [key]) => {
            config.insert((*key).to_owned(), call.object()?.get("value").cloned().unwrap_or(Json::Null));
        }
        (&Method::DELETE, []) => config.clear(),
        (&Method::DELETE, [key]) => {
            config.remove(*key);
        }
        _ => return call.method_not_allowed(),
    }
    user.set_config(config);
    store(call, &user).await?;
    Ok(Reply::object(if *method == Method::DELETE { 202 } else { 200 }, json!({})))
}
