//! `/_api/database`.

use crate::auth::accounts;
use crate::auth::users::User;
use crate::call::Call;
use crate::path::SYSTEM_DATABASE;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::backend::Role;
use database::catalog::Database;
use database::context::Access;
use rt::http::Method;
use serde_json::{Value as Json, json};

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::GET, []) => {
            call.need_system()?;
            call.need_admin()?;
            Ok(Reply::result(200, names(call, Access::None).await?))
        }
        (&Method::GET, ["user"]) => Ok(Reply::result(200, names(call, Access::Read).await?)),
        (&Method::GET, ["current"]) => current(call).await,
        (&Method::POST, []) => create(call).await,
        (&Method::DELETE, [name]) => drop(call, name).await,
        (&Method::GET, _) => Err(Error::from(code::HTTP_BAD_PARAMETER)),
        _ => call.method_not_allowed(),
    }
}

async fn names(call: &Call, access: Access) -> Result<Vec<String>> {
    let databases = call.backend().databases(&call.cx).await?;
    let visible = databases.into_iter().filter(|database| call.identity.database(&database.name) >= access);
    Ok(visible.map(|database| database.name).collect())
}

async fn current(call: &Call) -> Result<Reply> {
    call.need_database(Access::Read)?;
    let database = call.backend().database(&call.cx, &call.database).await?;
    Ok(Reply::result(200, shape(&database, call.backend().role())))
}

fn shape(database: &Database, role: Role) -> Json {
    let is_system = database.name == SYSTEM_DATABASE;
    let mut out = json!({"id": database.id, "name": database.name, "isSystem": is_system, "path": "none"});
    if role != Role::Single {
        out["path"] = "".into();
        out["sharding"] = database.sharding.as_str().into();
        out["replicationFactor"] = database.replication_factor.into();
        out["writeConcern"] = database.write_concern.into();
        out["replicationVersion"] = "1".into();
    }
    out
}

async fn create(call: &Call) -> Result<Reply> {
    call.need_system()?;
    call.need_admin()?;
    let body = call.object()?;
    let Some(name) = body.get("name").and_then(Json::as_str) else {
        return Err(Error::from(code::ARANGO_DATABASE_NAME_INVALID));
    };
    let users = users(&body)?;
    let options = body.get("options").cloned().unwrap_or_else(|| json!({}));
    call.backend().create_database(&call.cx, name, &options).await?;
    if call.state.authenticator.is_on() || !users.is_empty() {
        grant(call, name, users).await?;
    }
    Ok(Reply::result(201, true))
}

/// A user that comes with a new database.
struct GivenUser {
    name: String,
    password: String,
    active: bool,
    extra: Option<Json>,
}

fn users(body: &serde_json::Map<String, Json>) -> Result<Vec<GivenUser>> {
    let list = match body.get("users") {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Array(list)) => list,
        Some(_) => return Err(Error::bad_parameter("'users' must be an array")),
    };
    list.iter().map(given_user).collect()
}

/// Compat: both `username`/`passwd` and `user`/`password` are in use.
fn given_user(entry: &Json) -> Result<GivenUser> {
    let text = |first: &str, second: &str| entry.get(first).or_else(|| entry.get(second)).and_then(Json::as_str);
    let Some(name) = text("username", "user").filter(|name| !name.is_empty()) else {
        return Err(Error::bad_parameter("each user needs a 'username'"));
    };
    Ok(GivenUser {
        name: name.to_owned(),
        password: text("passwd", "password").unwrap_or_default().to_owned(),
        active: entry.get("active").and_then(Json::as_bool).unwrap_or(true),
        extra: entry.get("extra").filter(|extra| extra.is_object()).cloned(),
    })
}

/// Gives the users of a new database every right in it; without any, the caller gets it.
async fn grant(call: &Call, database: &str, mut users: Vec<GivenUser>) -> Result<()> {
    if users.is_empty() {
        let name = if call.identity.user.is_empty() { "root" } else { &call.identity.user };
        users.push(GivenUser { name: name.to_owned(), password: String::new(), active: true, extra: None });
    }
    let backend = call.backend();
    for given in users {
        match accounts::find(backend, &given.name).await {
            Ok(mut user) => {
                allow(&mut user, database);
                accounts::store(backend, &user).await?;
            }
            Err(error) if error.code() == code::USER_NOT_FOUND => {
                let mut user = User::new(&given.name, &given.password)?;
                user.set_active(given.active);
                if let Some(extra) = given.extra {
                    user.set_extra(extra);
                }
                allow(&mut user, database);
                accounts::create(backend, &user).await?;
            }
            Err(error) => return Err(error),
        }
    }
    call.state.authenticator.forget();
    Ok(())
}

fn allow(user: &mut User, database: &str) {
    let mut grants = user.grants();
    grants.set_database(database, Some(Access::Write));
    grants.set_collection(database, "*", Some(Access::Write));
    user.set_grants(&grants);
}

async fn drop(call: &Call, name: &str) -> Result<Reply> {
    call.need_system()?;
    call.need_admin()?;
    if name == SYSTEM_DATABASE {
        return Err(Error::from(code::FORBIDDEN));
    }
    call.backend().drop_database(&call.cx, name).await?;
    Ok(Reply::result(200, true))
}
