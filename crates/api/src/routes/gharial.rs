//! `/_api/gharial`: named graphs, their collections, vertices and edges.
//!
//! [`definition`] decides what a graph is, [`store`] keeps definitions in `_graphs`, [`data`]
//! reads and writes vertices and edges.

mod data;
mod definition;
mod store;

use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::catalog::CollectionType;
use database::context::Access;
use database::document::Operation;
use definition::{EdgeDefinition, Graph};
use rt::http::{Method, header};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    match (call.method(), parts) {
        (&Method::GET, []) => list(call).await,
        (&Method::POST, []) => create(call).await,
        (&Method::GET, [graph]) => show(call, graph).await,
        (&Method::DELETE, [graph]) => drop(call, graph).await,
        (&Method::GET, [graph, "vertex"]) => collections(call, graph, Graph::vertex_collections).await,
        (&Method::GET, [graph, "edge"]) => collections(call, graph, Graph::edge_collections).await,
        (&Method::POST, [graph, "vertex"]) => add_vertex_collection(call, graph).await,
        (&Method::DELETE, [graph, "vertex", collection]) => remove_vertex_collection(call, graph, collection).await,
        (&Method::POST, [graph, "edge"]) => add_edge_definition(call, graph).await,
        (&Method::PUT, [graph, "edge", collection]) => replace_edge_definition(call, graph, collection).await,
        (&Method::DELETE, [graph, "edge", collection]) => remove_edge_definition(call, graph, collection).await,
        (&Method::POST, [graph, kind @ ("vertex" | "edge"), collection]) => data::insert(call, graph, kind, collection).await,
        (&Method::GET | &Method::HEAD, [graph, kind @ ("vertex" | "edge"), collection, key]) => {
            data::read(call, graph, kind, collection, key).await
        }
        (&Method::PATCH, [graph, kind @ ("vertex" | "edge"), collection, key]) => {
            data::change(call, graph, kind, collection, key, Operation::Update).await
        }
        (&Method::PUT, [graph, kind @ ("vertex" | "edge"), collection, key]) => {
            data::change(call, graph, kind, collection, key, Operation::Replace).await
        }
        (&Method::DELETE, [graph, "vertex", collection, key]) => data::remove_vertex(call, graph, collection, key).await,
        (&Method::DELETE, [graph, "edge", collection, key]) => data::remove_edge(call, graph, collection, key).await,
        (&Method::GET | &Method::POST | &Method::PUT | &Method::PATCH | &Method::DELETE, _) => call.unknown_path(),
        _ => call.method_not_allowed(),
    }
}

/// 1942 if a graph of the database uses the collection.
pub async fn refuse_if_used(call: &Call, collection: &str) -> Result<()> {
    if collection.starts_with('_') {
        return Ok(());
    }
    let graphs = store::list(call).await?;
    if graphs.iter().any(|graph| graph.uses(collection)) { Err(Error::from(code::GRAPH_MUST_NOT_DROP_COLLECTION)) } else { Ok(()) }
}

/// Lets all graphs follow a renamed collection.
pub async fn rename_collection(call: &Call, old: &str, new: &str) -> Result<()> {
    for mut graph in store::list(call).await? {
        if graph.uses(old) {
            graph.rename_collection(old, new);
            store::replace(call, &mut graph).await?;
        }
    }
    Ok(())
}

async fn list(call: &Call) -> Result<Reply> {
    call.need_database(Access::Read)?;
    let graphs: Vec<Json> = store::list(call).await?.iter().map(Graph::shape).collect();
    Ok(Reply::object(200, json!({"graphs": graphs})))
}

async fn show(call: &Call, name: &str) -> Result<Reply> {
    call.need_database(Access::Read)?;
    Ok(Reply::object(200, json!({"graph": store::load(call, name).await?.shape()})))
}

/// The graph after a change.
fn changed(graph: &Graph, synced: bool) -> Reply {
    let status = if synced { 201 } else { 202 };
    Reply::object(status, json!({"graph": graph.shape()})).header(header::ETAG, graph.rev())
}

async fn create(call: &Call) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let body = call.object()?;
    let mut graph = Graph::parse(&body)?;
    let others = store::list(call).await?;
    if others.iter().any(|other| other.name() == graph.name()) {
        return Err(Error::from(code::GRAPH_DUPLICATE));
    }
    graph.agree_with(&others)?;
    create_collections(call, &graph).await?;
    let synced = store::insert(call, &mut graph).await?;
    Ok(changed(&graph, synced))
}

async fn drop(call: &Call, name: &str) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let graph = store::load(call, name).await?;
    let synced = store::remove(call, name).await?;
    if call.flag("dropCollections") {
        drop_unused(call, &graph.collections()).await?;
    }
    Ok(Reply::object(if synced { 201 } else { 202 }, json!({"removed": true})))
}

/// Drops those of the collections that no graph uses (any more).
async fn drop_unused(call: &Call, collections: &BTreeSet<String>) -> Result<()> {
    let graphs = store::list(call).await?;
    for collection in collections.iter().filter(|&collection| !graphs.iter().any(|graph| graph.uses(collection))) {
        call.need_collection(collection, Access::Write)?;
        match call.backend().drop_collection(&call.cx, &call.database, collection, false).await {
            Err(error) if error.code() != code::ARANGO_DATA_SOURCE_NOT_FOUND => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn collections(call: &Call, name: &str, which: fn(&Graph) -> BTreeSet<String>) -> Result<Reply> {
    call.need_database(Access::Read)?;
    Ok(Reply::object(200, json!({"collections": which(&store::load(call, name).await?)})))
}

async fn add_vertex_collection(call: &Call, name: &str) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let body = call.object()?;
    let Some(collection) = body.get("collection").and_then(Json::as_str) else {
        return Err(Error::bad_parameter("'collection' is missing"));
    };
    let mut graph = store::load(call, name).await?;
    graph.add_orphan(collection)?;
    store_changed(call, graph).await
}

async fn remove_vertex_collection(call: &Call, name: &str, collection: &str) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let mut graph = store::load(call, name).await?;
    graph.remove_orphan(collection)?;
    let reply = store_changed(call, graph).await?;
    if call.flag("dropCollection") || call.flag("dropCollections") {
        drop_unused(call, &BTreeSet::from([collection.to_owned()])).await?;
    }
    Ok(reply)
}

async fn add_edge_definition(call: &Call, name: &str) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let definition = EdgeDefinition::parse(&call.object()?.into())?;
    let mut graph = store::load(call, name).await?;
    graph.add_edge_definition(definition)?;
    graph.agree_with(&store::list(call).await?)?;
    store_changed(call, graph).await
}

/// Compat: the definition changes in all graphs that use the edge collection.
async fn replace_edge_definition(call: &Call, name: &str, collection: &str) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let definition = EdgeDefinition::parse(&call.object()?.into())?;
    if definition.collection != collection {
        return Err(Error::from(code::GRAPH_EDGE_COLLECTION_NOT_USED));
    }
    let mut graph = store::load(call, name).await?;
    let before = graph.collections();
    graph.replace_edge_definition(definition.clone())?;
    for mut other in store::list(call).await? {
        if other.name() != name && other.replace_edge_definition(definition.clone()).is_ok() {
            store::replace(call, &mut other).await?;
        }
    }
    let after = graph.collections();
    let reply = store_changed(call, graph).await?;
    if call.flag("dropCollections") {
        drop_unused(call, &before.difference(&after).cloned().collect()).await?;
    }
    Ok(reply)
}

async fn remove_edge_definition(call: &Call, name: &str, collection: &str) -> Result<Reply> {
    call.need_database(Access::Write)?;
    let mut graph = store::load(call, name).await?;
    graph.remove_edge_definition(collection)?;
    let reply = store_changed(call, graph).await?;
    if call.flag("dropCollections") {
        drop_unused(call, &BTreeSet::from([collection.to_owned()])).await?;
    }
    Ok(reply)
}

async fn store_changed(call: &Call, mut graph: Graph) -> Result<Reply> {
    create_collections(call, &graph).await?;
    let synced = store::replace(call, &mut graph).await?;
    Ok(changed(&graph, synced))
}

/// Creates the graph's collections that do not exist, and checks the type of the others.
async fn create_collections(call: &Call, graph: &Graph) -> Result<()> {
    let edges = graph.edge_collections();
    for collection in &edges {
        ensure_collection(call, graph, collection, CollectionType::Edge).await?;
    }
    for collection in graph.vertex_collections().difference(&edges) {
        ensure_collection(call, graph, collection, CollectionType::Document).await?;
    }
    Ok(())
}

async fn ensure_collection(call: &Call, graph: &Graph, name: &str, kind: CollectionType) -> Result<()> {
    match call.backend().collection(&call.cx, &call.database, name).await {
        Ok(found) if found.kind == kind => call.need_collection(name, Access::Read),
        Ok(_) if kind == CollectionType::Edge => Err(Error::from(code::GRAPH_EDGE_DEFINITION_IS_DOCUMENT)),
        Ok(_) => Err(Error::from(code::GRAPH_WRONG_COLLECTION_TYPE_VERTEX)),
        Err(error) if error.code() == code::ARANGO_DATA_SOURCE_NOT_FOUND => {
            let mut properties: Map<String, Json> = graph.collection_options();
            properties.insert("name".into(), name.into());
            properties.insert("type".into(), u8::from(kind).into());
            call.backend().create_collection(&call.cx, &call.database, &properties.into()).await.map(|_| ())
        }
        Err(error) => Err(error),
    }
}
