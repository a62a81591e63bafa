//! Named graphs: the documents of `_graphs`, as the planner and the catalog need them.

use super::Single;
use crate::local::Local;
use base::Result;
use database::Context;
use database::document::{DocumentOptions, DocumentRequest, Operation};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Instant;
use velocypack::Value;

/// Collection that holds the definitions of graphs.
const GRAPHS: &str = "_graphs";
/// Limit: graphs of one database that are looked through.
const GRAPHS_MAX: usize = 10_000;

/// All graph definitions of a database. May block.
pub(super) fn all_graphs(local: &Arc<Local>, database: &str) -> Result<Vec<Json>> {
    let Ok(collection) = local.storage().collection(database, GRAPHS) else { return Ok(Vec::new()) };
    if collection.count() == 0 {
        return Ok(Vec::new());
    }
    let transaction = local.begin(Instant::now())?;
    let mut cursor = transaction.scan(&collection, false)?;
    let mut documents = Vec::new();
    while documents.len() < GRAPHS_MAX && cursor.next(1000, &mut documents)? {}
    Ok(documents.iter().map(Value::to_serde).collect())
}

/// One graph definition by name. May block.
pub(super) fn graph(local: &Arc<Local>, database: &str, name: &str) -> Result<Option<Json>> {
    let Ok(collection) = local.storage().collection(database, GRAPHS) else { return Ok(None) };
    Ok(local.begin(Instant::now())?.get(&collection, name)?.map(|document| document.to_serde()))
}

/// The collections that a definition names.
fn collections_of(graph: &Json) -> impl Iterator<Item = &str> {
    let definitions = graph["edgeDefinitions"].as_array().into_iter().flatten();
    let of_edges = definitions.flat_map(|definition| {
        let ends = ["from", "to"].into_iter().flat_map(|end| definition[end].as_array().into_iter().flatten());
        ends.chain(definition.get("collection"))
    });
    of_edges.chain(graph["orphanCollections"].as_array().into_iter().flatten()).filter_map(Json::as_str)
}

/// Puts a new name in all places of a definition; `None` if the old one is not there.
fn renamed(graph: &Json, old: &str, new: &str) -> Option<Json> {
    if !collections_of(graph).any(|name| name == old) {
        return None;
    }
    let replace = |name: &mut Json| {
        if name.as_str() == Some(old) {
            *name = json!(new);
        }
    };
    let mut graph = graph.clone();
    for definition in graph["edgeDefinitions"].as_array_mut().into_iter().flatten() {
        replace(&mut definition["collection"]);
        for end in ["from", "to"] {
            definition[end].as_array_mut().into_iter().flatten().for_each(replace);
        }
    }
    graph["orphanCollections"].as_array_mut().into_iter().flatten().for_each(replace);
    Some(graph)
}

impl Single {
    /// Name of a graph that uses a collection.
    pub(super) async fn graph_that_uses(&self, database: &str, collection: &str) -> Result<Option<String>> {
        let (local, database, collection) = (Arc::clone(&self.local), database.to_owned(), collection.to_owned());
        self.local
            .workers()
            .run(move || {
                let graphs = all_graphs(&local, &database)?;
                let found = graphs.iter().find(|graph| collections_of(graph).any(|name| name == collection));
                Ok(found.and_then(|graph| graph["_key"].as_str()).map(str::to_owned))
            })
            .await
    }

    /// Puts a collection's new name into all graphs.
    pub(super) async fn rename_in_graphs(&self, database: &str, old: &str, new: &str) -> Result<()> {
        let (local, db) = (Arc::clone(&self.local), database.to_owned());
        let graphs = self.local.workers().run(move || all_graphs(&local, &db)).await?;
        let documents: Vec<Value> =
            graphs.iter().filter_map(|graph| renamed(graph, old, new)).map(|graph| Value::from_serde(&graph)).collect();
        if documents.is_empty() {
            return Ok(());
        }
        let request = DocumentRequest { operation: Operation::Replace, documents, options: DocumentOptions::default() };
        let results = self.local.documents(&Context::superuser(), database, GRAPHS, request).await?;
        results.items.into_iter().try_for_each(|item| item.map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_renamed_everywhere_in_a_graph() {
        let graph = json!({
            "_key": "g",
            "edgeDefinitions": [{"collection": "e", "from": ["a", "b"], "to": ["a"]}],
            "orphanCollections": ["c"]
        });
        let after = renamed(&graph, "a", "z").unwrap();
        assert_eq!(after["edgeDefinitions"][0], json!({"collection": "e", "from": ["z", "b"], "to": ["z"]}));
        assert_eq!(renamed(&graph, "c", "z").unwrap()["orphanCollections"], json!(["z"]));
        assert_eq!(renamed(&graph, "e", "z").unwrap()["edgeDefinitions"][0]["collection"], "z");
        assert_eq!(renamed(&graph, "x", "z"), None);
        assert_eq!(collections_of(&graph).collect::<Vec<_>>(), ["a", "b", "a", "e", "c"]);
    }
}
