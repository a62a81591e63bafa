//! `/_api/index`.

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::catalog::{Collection, Index};
use database::context::Access;
use rt::http::Method;
use serde_json::{Map, Value as Json, json};

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::GET, []) => list(call).await,
        (&Method::GET, [collection, index]) => get(call, collection, index).await,
        (&Method::POST, []) => create(call).await,
        (&Method::DELETE, [collection, index]) => drop(call, collection, index).await,
        (&Method::GET | &Method::DELETE, [_]) => Err(Error::from(code::ARANGO_INDEX_HANDLE_BAD)),
        _ => call.method_not_allowed(),
    }
}

/// The index as clients see it, with the collection's name before the id.
pub fn shape(collection: &str, index: &Index) -> Json {
    let mut out = json!({
        "fields": index.fields,
        "id": format!("{collection}/{}", index.id),
        "name": index.name,
        "sparse": index.sparse,
        "type": index.kind,
        "unique": index.unique,
    });
    if index.unique {
        out["selectivityEstimate"] = 1.into();
    }
    match index.kind.as_str() {
        "persistent" | "hash" | "skiplist" => {
            out["deduplicate"] = index.deduplicate.into();
            out["estimates"] = index.estimates.into();
            out["cacheEnabled"] = index.cache_enabled.into();
            if !index.stored_values.is_empty() {
                out["storedValues"] = index.stored_values.as_slice().into();
            }
        }
        "ttl" => {
            out["expireAfter"] = seconds(index.expire_after.unwrap_or(0.0));
            out["estimates"] = false.into();
        }
        _ => {}
    }
    if index.is_building {
        out["isBuilding"] = true.into();
    }
    out
}

/// Whole seconds are shown as whole numbers.
fn seconds(seconds: f64) -> Json {
    if seconds.fract() == 0.0 && seconds.abs() < 1e15 { (seconds as i64).into() } else { seconds.into() }
}

async fn find(call: &Call, collection: &str, access: Access) -> Result<Collection> {
    let found = call.backend().collection(&call.cx, &call.database, collection).await?;
    call.need_collection(&found.name, access)?;
    Ok(found)
}

async fn list(call: &Call) -> Result<Reply> {
    let collection = find(call, call.required("collection")?, Access::Read).await?;
    let with_hidden = call.flag("withHidden");
    let shown = collection.indexes.iter().filter(|index| with_hidden || !index.is_building);
    let indexes: Vec<Json> = shown.map(|index| shape(&collection.name, index)).collect();
    let identifiers: Map<String, Json> =
        indexes.iter().filter_map(|index| Some((index.get("id")?.as_str()?.to_owned(), index.clone()))).collect();
    Ok(Reply::object(200, json!({"indexes": indexes, "identifiers": identifiers})))
}

async fn get(call: &Call, collection: &str, index: &str) -> Result<Reply> {
    let collection = find(call, collection, Access::Read).await?;
    let found = collection.indexes.iter().find(|known| known.id == index || known.name == index);
    match found {
        Some(index) => Ok(Reply::object(200, shape(&collection.name, index))),
        None => Err(Error::from(code::ARANGO_INDEX_NOT_FOUND)),
    }
}

async fn create(call: &Call) -> Result<Reply> {
    let collection = find(call, call.required("collection")?, Access::Write).await?;
    call.need_database(Access::Write)?;
    let definition = call.object()?.into();
    let (index, is_new) = call.backend().create_index(&call.cx, &call.database, &collection.name, &definition).await?;
    let mut out = shape(&collection.name, &index);
    out["isNewlyCreated"] = is_new.into();
    Ok(Reply::object(if is_new { 201 } else { 200 }, out))
}

async fn drop(call: &Call, collection: &str, index: &str) -> Result<Reply> {
    let collection = find(call, collection, Access::Write).await?;
    call.need_database(Access::Write)?;
    let dropped = call.backend().drop_index(&call.cx, &call.database, &collection.name, index).await?;
    Ok(Reply::object(200, json!({"id": format!("{}/{}", collection.name, dropped.id)})))
}
