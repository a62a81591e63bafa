//! Graph definitions in `_graphs`.
//!
//! They are read and written with every right: who may see or change a graph is decided by the
//! routes, from the rights on the database.

use super::definition::Graph;
use crate::call::Call;
use base::{Error, Result, code};
use database::Context;
use database::document::{DocumentOptions, DocumentOutcome, DocumentRequest, Operation};
use database::query::QueryRequest;
use serde_json::Value as Json;
use velocypack::Value;

const GRAPHS: &str = "_graphs";

/// All graphs of the database, sorted by name.
pub async fn list(call: &Call) -> Result<Vec<Graph>> {
    let cx = Context::superuser();
    let query = QueryRequest::new("FOR g IN _graphs SORT g._key RETURN g", Value::empty_object());
    let mut batch = call.backend().open_cursor(&cx, &call.database, query).await?;
    let mut graphs = Vec::new();
    loop {
        graphs.extend(batch.rows.iter().filter_map(|row| Graph::from_document(&row.to_serde())));
        match (&batch.id, batch.has_more) {
            (Some(id), true) => batch = call.backend().next_batch(&cx, &call.database, id, None).await?,
            _ => return Ok(graphs),
        }
    }
}

/// One graph; 1924 if there is none of that name.
pub async fn load(call: &Call, name: &str) -> Result<Graph> {
    let found = run(call, Operation::Read, super::super::document::selector(name)).await.map_err(|error| not_found(error, name))?.0;
    let graph = found.new.and_then(|document| Graph::from_document(&document.to_serde()));
    graph.ok_or_else(|| Error::from(code::GRAPH_INTERNAL_DATA_CORRUPT))
}

/// Stores a new graph. Answers whether it is on disk.
pub async fn insert(call: &Call, graph: &mut Graph) -> Result<bool> {
    let duplicate = |error: Error| {
        if error.code() == code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED { Error::from(code::GRAPH_DUPLICATE) } else { error }
    };
    write(call, Operation::Insert, graph).await.map_err(duplicate)
}

/// Stores a changed graph. Answers whether it is on disk.
pub async fn replace(call: &Call, graph: &mut Graph) -> Result<bool> {
    write(call, Operation::Replace, graph).await
}

/// Removes a graph. Answers whether that is on disk.
pub async fn remove(call: &Call, name: &str) -> Result<bool> {
    let removed = run(call, Operation::Remove, super::super::document::selector(name)).await;
    removed.map(|(_, synced)| synced).map_err(|error| not_found(error, name))
}

async fn write(call: &Call, operation: Operation, graph: &mut Graph) -> Result<bool> {
    let document: Json = graph.document();
    let (outcome, synced) = run(call, operation, Value::from_serde(&document)).await?;
    graph.rev = outcome.rev.encode();
    Ok(synced)
}

async fn run(call: &Call, operation: Operation, document: Value) -> Result<(DocumentOutcome, bool)> {
    let options = DocumentOptions { wait_for_sync: call.parameter("waitForSync").map(crate::call::is_true), ..DocumentOptions::default() };
    let request = DocumentRequest { operation, documents: vec![document], options };
    let results = call.backend().documents(&Context::superuser(), &call.database, GRAPHS, request).await?;
    match results.items.into_iter().next() {
        Some(outcome) => Ok((outcome?, results.synced)),
        None => Err(Error::internal("no outcome of a single operation")),
    }
}

fn not_found(error: Error, name: &str) -> Error {
    if error.code() == code::ARANGO_DOCUMENT_NOT_FOUND {
        return Error::new(code::GRAPH_NOT_FOUND, format!("graph '{name}' not found"));
    }
    error
}
