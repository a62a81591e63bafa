//! `/_api/collection`.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::backend::Statistic;
use database::catalog::Collection;
use database::context::Access;
use rt::http::{Method, header};
use serde_json::{Map, Value as Json, json};

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::GET, []) => list(call).await,
        (&Method::POST, []) => create(call).await,
        (&Method::GET, [name]) => Ok(Reply::object(200, basics(&find(call, name, Access::Read).await?))),
        (&Method::GET, [name, what]) => Ok(located(call, parts, get(call, name, what).await?)),
        (&Method::PUT, [name, action]) => Ok(located(call, parts, put(call, name, action).await?)),
        (&Method::DELETE, [name]) => drop(call, name).await,
        (&Method::PUT, _) => Err(Error::new(code::HTTP_BAD_PARAMETER, "expected PUT /_api/collection/<collection-name>/<action>")),
        (&Method::GET, _) => Err(Error::new(code::HTTP_SUPERFLUOUS_SUFFICES, "expect GET /_api/collection/<collection-name>/<method>")),
        _ => call.method_not_allowed(),
    }
}

/// `{id, name, status, type, isSystem, globallyUniqueId}`.
pub fn basics(collection: &Collection) -> Json {
    json!({
        "id": collection.id,
        "name": collection.name,
        "status": collection.status,
        "type": collection.kind,
        "isSystem": collection.is_system,
        "globallyUniqueId": globally_unique_id(collection),
    })
}

/// Everything a client sees of a collection.
///
/// Compat: what concerns shards is shown in a cluster only, `objectId` on a single server only;
/// strict drivers insist on either.
pub fn properties(collection: &Collection) -> Json {
    let mut out = basics(collection);
    let mut set = |name: &str, value: Json| out[name] = value;
    set("statusString", "loaded".into());
    set("waitForSync", collection.wait_for_sync.into());
    set("writeConcern", collection.write_concern.into());
    set("schema", collection.schema.clone());
    set("computedValues", collection.computed_values.clone());
    set("keyOptions", key_options(collection));
    set("cacheEnabled", collection.cache_enabled.into());
    set("syncByRevision", true.into());
    set("usesRevisionsAsDocumentIds", true.into());
    set("isSmartChild", false.into());
    set("internalValidatorType", 0.into());
    if collection.shards.is_empty() {
        set("objectId", collection.other.get("objectId").cloned().unwrap_or_else(|| collection.id.as_str().into()));
        return out;
    }
    set("numberOfShards", collection.number_of_shards.into());
    set("shardKeys", collection.shard_keys.as_slice().into());
    set("shardingStrategy", collection.sharding_strategy.as_str().into());
    set("replicationFactor", replication_factor(collection));
    set("minReplicationFactor", collection.write_concern.into());
    for flag in ["isSmart", "isDisjoint"] {
        set(flag, collection.other.get(flag).cloned().unwrap_or(false.into()));
    }
    for name in ["smartGraphAttribute", "smartJoinAttribute", "shadowCollections"] {
        if let Some(value) = collection.other.get(name) {
            set(name, value.clone());
        }
    }
    if let Some(prototype) = &collection.distribute_shards_like {
        set("distributeShardsLike", prototype.as_str().into());
    }
    out
}

fn globally_unique_id(collection: &Collection) -> &str {
    if collection.globally_unique_id.is_empty() { &collection.name } else { &collection.globally_unique_id }
}

fn replication_factor(collection: &Collection) -> Json {
    if collection.replication_factor == 0 { "satellite".into() } else { collection.replication_factor.into() }
}

fn key_options(collection: &Collection) -> Json {
    let given = &collection.key_options;
    let mut out = json!({"type": given.generator, "allowUserKeys": given.allow_user_keys});
    if given.generator == "autoincrement" {
        out["increment"] = given.increment.unwrap_or(1).into();
        out["offset"] = given.offset.unwrap_or(0).into();
    }
    if collection.shards.len() <= 1 {
        out["lastValue"] = given.last_value.into();
    }
    out
}

async fn find(call: &Call, name: &str, access: Access) -> Result<Collection> {
    let collection = call.backend().collection(&call.cx, &call.database, name).await?;
    call.need_collection(&collection.name, access)?;
    Ok(collection)
}

/// Compat: answers about a part of a collection carry its location.
fn located(call: &Call, parts: &[&str], reply: Reply) -> Reply {
    reply.header(header::LOCATION, &format!("/_db/{}/_api/collection/{}", call.database, parts.join("/")))
}

async fn list(call: &Call) -> Result<Reply> {
    call.need_database(Access::Read)?;
    let exclude_system = call.flag("excludeSystem");
    let collections = call.backend().collections(&call.cx, &call.database).await?;
    let is_shown = |collection: &&Collection| {
        !(exclude_system && collection.is_system) && call.need_collection(&collection.name, Access::Read).is_ok()
    };
    Ok(Reply::result(200, collections.iter().filter(is_shown).map(basics).collect::<Json>()))
}

async fn create(call: &Call) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let mut given = call.object()?;
    if !given.get("name").is_some_and(Json::is_string) {
        return Err(Error::new(code::ARANGO_ILLEGAL_NAME, "illegal name: collection name missing"));
    }
    for flag in ["waitForSyncReplication", "enforceReplicationFactor"] {
        if let Some(value) = call.parameter(flag) {
            given.insert(flag.into(), crate::call::is_true(value).into());
        }
    }
    let created = call.backend().create_collection(&call.cx, &call.database, &given.into()).await?;
    Ok(Reply::object(200, properties(&created)))
}

async fn drop(call: &Call, name: &str) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let collection = find(call, name, Access::Write).await?;
    super::gharial::refuse_if_used(call, &collection.name).await?;
    let dropped = call.backend().drop_collection(&call.cx, &call.database, name, call.flag("isSystem")).await?;
    Ok(Reply::object(200, json!({"id": dropped.id})))
}

async fn get(call: &Call, name: &str, what: &str) -> Result<Reply> {
    let collection = find(call, name, Access::Read).await?;
    let mut out = properties(&collection);
    match what {
        "properties" => {}
        "count" => out["count"] = count(call, name, call.flag("details")).await?,
        "figures" => merge(&mut out, "figures", statistics(call, name, Statistic::Figures).await?),
        "revision" => merge(&mut out, "revision", statistics(call, name, Statistic::Revision).await?),
        "checksum" => {
            let statistic = Statistic::Checksum { with_data: call.flag("withData"), with_revisions: call.flag("withRevisions") };
            out = basics(&collection);
            merge(&mut out, "checksum", statistics(call, name, statistic).await?);
        }
        "shards" => out["shards"] = shards(call, &collection)?,
        _ => {
            return Err(Error::new(
                code::HTTP_NOT_FOUND,
                "expecting one of the resources 'checksum', 'count', 'figures', 'properties', 'revision', 'shards'",
            ));
        }
    }
    Ok(Reply::object(200, out))
}

async fn statistics(call: &Call, name: &str, statistic: Statistic) -> Result<Json> {
    call.backend().statistics(&call.cx, &call.database, name, statistic).await
}

/// Takes over a statistic: an object that has the attribute is merged, anything else becomes it.
fn merge(out: &mut Json, name: &str, statistic: Json) {
    match (out, statistic) {
        (Json::Object(out), Json::Object(members)) if members.contains_key(name) => out.extend(members),
        (out, other) => out[name] = other,
    }
}

async fn count(call: &Call, name: &str, details: bool) -> Result<Json> {
    let counts = call.backend().count(&call.cx, &call.database, name).await?;
    if details && counts.len() > 1 {
        return Ok(counts.into_iter().map(|(shard, count)| (shard, Json::from(count))).collect::<Map<_, _>>().into());
    }
    Ok(counts.iter().map(|(_, count)| count).sum::<u64>().into())
}

fn shards(call: &Call, collection: &Collection) -> Result<Json> {
    if collection.shards.is_empty() {
        return Err(Error::from(code::CLUSTER_ONLY_ON_COORDINATOR));
    }
    if !call.flag("details") {
        return Ok(collection.shard_names().into());
    }
    Ok(collection.shards.iter().map(|(shard, servers)| (shard.clone(), Json::from(servers.as_slice()))).collect::<Map<_, _>>().into())
}

async fn put(call: &Call, name: &str, action: &str) -> Result<Reply> {
    match action {
        "properties" => change(call, name).await,
        "truncate" => truncate(call, name).await,
        "rename" => rename(call, name).await,
        "load" => load(call, name).await,
        "unload" | "compact" => Ok(Reply::object(200, basics(&find(call, name, Access::Read).await?))),
        "loadIndexesIntoMemory" => {
            find(call, name, Access::Read).await?;
            Ok(Reply::result(200, true))
        }
        "recalculateCount" => {
            find(call, name, Access::Write).await?;
            Ok(Reply::object(200, json!({"result": true, "count": count(call, name, false).await?})))
        }
        "responsibleShard" => responsible_shard(call, name).await,
        _ => Err(Error::new(
            code::HTTP_NOT_FOUND,
            "expecting one of the actions 'load', 'unload', 'truncate', 'properties', 'compact', 'rename', 'loadIndexesIntoMemory'",
        )),
    }
}

async fn change(call: &Call, name: &str) -> Result<Reply> {
    find(call, name, Access::Write).await?;
    let changed = call.backend().change_collection(&call.cx, &call.database, name, &call.object()?.into()).await?;
    Ok(Reply::object(200, properties(&changed)))
}

async fn truncate(call: &Call, name: &str) -> Result<Reply> {
    let collection = find(call, name, Access::Write).await?;
    call.backend().truncate(&call.cx, &call.database, name).await?;
    Ok(Reply::object(200, basics(&collection)))
}

async fn rename(call: &Call, name: &str) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let collection = find(call, name, Access::Write).await?;
    let body = call.object()?;
    let Some(new_name) = body.get("name").and_then(Json::as_str).filter(|name| !name.is_empty()) else {
        return Err(Error::new(code::ARANGO_ILLEGAL_NAME, "name is empty"));
    };
    let renamed = call.backend().rename_collection(&call.cx, &call.database, name, new_name).await?;
    super::gharial::rename_collection(call, &collection.name, new_name).await?;
    Ok(Reply::object(200, basics(&renamed)))
}

/// Collections are always loaded; the answer counts unless told not to.
async fn load(call: &Call, name: &str) -> Result<Reply> {
    let mut out = basics(&find(call, name, Access::Read).await?);
    if call.object()?.get("count").and_then(Json::as_bool).unwrap_or(true) {
        out["count"] = count(call, name, false).await?;
    }
    Ok(Reply::object(200, out))
}

async fn responsible_shard(call: &Call, name: &str) -> Result<Reply> {
    find(call, name, Access::Read).await?;
    let shard = call.backend().responsible_shard(&call.cx, &call.database, name, &call.body()?).await?;
    Ok(Reply::object(200, json!({"shardId": shard})))
}
