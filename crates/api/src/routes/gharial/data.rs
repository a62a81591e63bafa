//! Vertices and edges of a graph, kept consistent: edges end at vertices that exist and fit the
//! definition, and a vertex takes its edges along.

use super::definition::Graph;
use super::store;
use crate::call::Call;
use crate::emit::Emit;
use crate::reply::Reply;
use crate::routes::document;
use base::{Error, Result, code, names};
use database::Context;
use database::context::Access;
use database::document::{DocumentOptions, DocumentOutcome, DocumentRequest, Operation};
use database::query::QueryRequest;
use database::transaction::TransactionOptions;
use rt::http::header;
use std::collections::BTreeSet;
use velocypack::{Slice, Value};

/// 1926 or 1930 unless the collection belongs to the graph as `kind` (`vertex` or `edge`).
async fn graph_with(call: &Call, name: &str, kind: &str, collection: &str) -> Result<Graph> {
    let graph = store::load(call, name).await?;
    if kind == "vertex" && !graph.vertex_collections().contains(collection) {
        return Err(Error::from(code::GRAPH_VERTEX_COL_DOES_NOT_EXIST));
    }
    if kind == "edge" && graph.edge_definition(collection).is_none() {
        return Err(Error::from(code::GRAPH_EDGE_COLLECTION_NOT_USED));
    }
    Ok(graph)
}

pub async fn insert(call: &Call, graph: &str, kind: &str, collection: &str) -> Result<Reply> {
    call.need_collection(collection, Access::Write)?;
    let graph = graph_with(call, graph, kind, collection).await?;
    let body = call.body()?;
    if !body.as_slice().is_object() {
        return Err(Error::from(code::ARANGO_DOCUMENT_TYPE_INVALID));
    }
    if kind == "edge" {
        check_ends(call, &graph, collection, body.as_slice(), true).await?;
    }
    let (outcome, synced) = document::single(call, collection, Operation::Insert, body, document::options(call)?).await?;
    written(call, kind, &outcome, if synced { 201 } else { 202 })
}

pub async fn read(call: &Call, graph: &str, kind: &str, collection: &str, key: &str) -> Result<Reply> {
    call.need_collection(collection, Access::Read)?;
    graph_with(call, graph, kind, collection).await?;
    let wanted = call.if_none_match();
    let options = DocumentOptions { if_match: call.if_match(), if_none_match: wanted, ..DocumentOptions::default() };
    let (outcome, _) = document::single(call, collection, Operation::Read, document::selector(key), options).await?;
    let etag = outcome.rev.encode();
    let Some(found) = outcome.new.filter(|_| wanted != Some(outcome.rev)) else {
        return Ok(Reply::empty(304).header(header::ETAG, &etag));
    };
    let mut emit = open_envelope(call, 200);
    emit.key(kind);
    emit.slice(found.as_slice());
    emit.close_object();
    Ok(Reply::emitted(200, emit)?.header(header::ETAG, &etag))
}

pub async fn change(call: &Call, graph: &str, kind: &str, collection: &str, key: &str, operation: Operation) -> Result<Reply> {
    call.need_collection(collection, Access::Write)?;
    let graph = graph_with(call, graph, kind, collection).await?;
    let body = document::with_key(call.body()?.as_slice(), key)?;
    if kind == "edge" {
        check_ends(call, &graph, collection, body.as_slice(), operation == Operation::Replace).await?;
    }
    let options = DocumentOptions { if_match: call.if_match(), ..document::options(call)? };
    let (outcome, synced) = document::single(call, collection, operation, body, options).await?;
    written(call, kind, &outcome, if synced { 200 } else { 202 })
}

pub async fn remove_edge(call: &Call, graph: &str, collection: &str, key: &str) -> Result<Reply> {
    call.need_collection(collection, Access::Write)?;
    graph_with(call, graph, "edge", collection).await?;
    let options = DocumentOptions { if_match: call.if_match(), ..document::options(call)? };
    let (outcome, synced) = document::single(call, collection, Operation::Remove, document::selector(key), options).await?;
    removed(call, &outcome, synced)
}

/// Removes the vertex and its edges in all graphs, all or nothing.
///
/// Cancel safety: if the client goes away in between, the transaction is left to its time limit,
/// which aborts it.
pub async fn remove_vertex(call: &Call, graph: &str, collection: &str, key: &str) -> Result<Reply> {
    call.need_collection(collection, Access::Write)?;
    graph_with(call, graph, "vertex", collection).await?;
    let edges = edge_collections_of(&store::list(call).await?, collection);
    for edge_collection in &edges {
        call.need_collection(edge_collection, Access::Write)?;
    }
    if call.cx.transaction.is_some() || edges.is_empty() {
        let (outcome, synced) = remove_with_edges(call, &call.cx, collection, key, &edges).await?;
        return removed(call, &outcome, synced);
    }
    let write = edges.iter().cloned().chain([collection.to_owned()]).collect();
    let options = TransactionOptions { write, wait_for_sync: call.flag("waitForSync"), ..TransactionOptions::default() };
    let transaction = call.backend().begin(&call.cx, &call.database, options).await?;
    let cx = Context { transaction: Some(transaction), ..call.cx.clone() };
    match remove_with_edges(call, &cx, collection, key, &edges).await {
        Ok((outcome, _)) => {
            call.backend().commit(&call.cx, &call.database, transaction).await?;
            removed(call, &outcome, call.flag("waitForSync"))
        }
        Err(error) => {
            if let Err(fault) = call.backend().abort(&call.cx, &call.database, transaction).await {
                tracing::warn!("cannot abort transaction {transaction}: {fault}");
            }
            Err(error)
        }
    }
}

async fn remove_with_edges(
    call: &Call,
    cx: &Context,
    collection: &str,
    key: &str,
    edges: &BTreeSet<String>,
) -> Result<(DocumentOutcome, bool)> {
    let options = DocumentOptions { if_match: call.if_match(), ..document::options(call)? };
    let request = DocumentRequest { operation: Operation::Remove, documents: vec![document::selector(key)], options };
    let results = call.backend().documents(cx, &call.database, collection, request).await?;
    let Some(outcome) = results.items.into_iter().next() else {
        return Err(Error::internal("no outcome of a single operation"));
    };
    let outcome = outcome?;
    for edge_collection in edges {
        let bind = Value::object([("@c", Value::string(edge_collection)), ("v", Value::string(&outcome.id))]);
        let query = QueryRequest::new("FOR e IN @@c FILTER e._from == @v || e._to == @v REMOVE e IN @@c", bind);
        call.backend().open_cursor(cx, &call.database, query).await?;
    }
    Ok((outcome, results.synced))
}

/// Edge collections of all graphs whose edges may end in the vertex collection.
fn edge_collections_of(graphs: &[Graph], collection: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for graph in graphs {
        for edge_collection in graph.edge_collections() {
            let ends_here = graph
                .edge_definition(&edge_collection)
                .is_some_and(|known| known.from.contains(collection) || known.to.contains(collection));
            if ends_here {
                found.insert(edge_collection);
            }
        }
    }
    found
}

/// Both ends must fit the definition (1947) and exist (1202). A patch may leave them out.
async fn check_ends(call: &Call, graph: &Graph, collection: &str, edge: Slice<'_>, required: bool) -> Result<()> {
    let Some(definition) = graph.edge_definition(collection) else {
        return Err(Error::from(code::GRAPH_EDGE_COLLECTION_NOT_USED));
    };
    for (attribute, allowed) in [("_from", &definition.from), ("_to", &definition.to)] {
        let Some(end) = edge.get(attribute) else {
            if required {
                return Err(Error::from(code::ARANGO_INVALID_EDGE_ATTRIBUTE));
            }
            continue;
        };
        let Some((vertex_collection, key)) = end.as_str().and_then(names::split_document_id) else {
            return Err(Error::from(code::ARANGO_INVALID_EDGE_ATTRIBUTE));
        };
        if !allowed.contains(vertex_collection) {
            return Err(Error::new(
                code::GRAPH_REFERENCED_VERTEX_COLLECTION_NOT_PART_OF_THE_GRAPH,
                format!("referenced {attribute} collection '{vertex_collection}' is not part of the graph"),
            ));
        }
        call.need_collection(vertex_collection, Access::Read)?;
        document::single(call, vertex_collection, Operation::Read, document::selector(key), DocumentOptions::default()).await?;
    }
    Ok(())
}

fn open_envelope(call: &Call, status: u16) -> Emit {
    let mut emit = Emit::new(call.format);
    emit.open_object();
    emit.key("error");
    emit.bool(false);
    emit.key("code");
    emit.uint(status.into());
    emit
}

/// `{error, code, vertex | edge: {_id, _key, _rev, _oldRev?}, old?, new?}`.
fn written(call: &Call, kind: &str, outcome: &DocumentOutcome, status: u16) -> Result<Reply> {
    let mut emit = open_envelope(call, status);
    emit.key(kind);
    document::emit_outcome(&mut emit, &DocumentOutcome { old: None, new: None, ..outcome.clone() });
    for (name, value) in [("old", &outcome.old), ("new", &outcome.new)] {
        if let Some(value) = value {
            emit.key(name);
            emit.slice(value.as_slice());
        }
    }
    emit.close_object();
    Ok(Reply::emitted(status, emit)?.header(header::ETAG, &outcome.rev.encode()))
}

fn removed(call: &Call, outcome: &DocumentOutcome, synced: bool) -> Result<Reply> {
    let status = if synced { 200 } else { 202 };
    let mut emit = open_envelope(call, status);
    emit.key("removed");
    emit.bool(true);
    if let Some(old) = &outcome.old {
        emit.key("old");
        emit.slice(old.as_slice());
    }
    emit.close_object();
    Reply::emitted(status, emit)
}
