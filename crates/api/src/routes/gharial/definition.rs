//! What a graph is: edge definitions and orphan collections, and the rules between graphs. Pure.

use base::{Error, Result, code, names};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

/// Options of new collections that a graph keeps in a cluster.
const SHARDING: [&str; 4] = ["numberOfShards", "replicationFactor", "minReplicationFactor", "writeConcern"];

/// Which vertices the edges of one collection connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeDefinition {
    pub collection: String,
    pub from: BTreeSet<String>,
    pub to: BTreeSet<String>,
}

impl EdgeDefinition {
    /// `{collection, from: [], to: []}`; 1923 if it is not.
    pub fn parse(given: &Json) -> Result<Self> {
        let malformed = || Error::from(code::GRAPH_CREATE_MALFORMED_EDGE_DEFINITION);
        let side = |name: &str| -> Result<BTreeSet<String>> {
            let list = given.get(name).and_then(Json::as_array).filter(|list| !list.is_empty()).ok_or_else(malformed)?;
            list.iter().map(|entry| collection_name(entry).ok_or_else(malformed)).collect()
        };
        let collection = given.get("collection").and_then(collection_name).ok_or_else(malformed)?;
        Ok(Self { collection, from: side("from")?, to: side("to")? })
    }

    fn shape(&self) -> Json {
        json!({"collection": self.collection, "from": self.from, "to": self.to})
    }

    fn vertices(&self) -> impl Iterator<Item = &String> {
        self.from.iter().chain(&self.to)
    }
}

fn collection_name(given: &Json) -> Option<String> {
    given.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// A named graph.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    definitions: Vec<EdgeDefinition>,
    orphans: BTreeSet<String>,
    /// `numberOfShards` and the like.
    options: Map<String, Json>,
    pub rev: String,
}

impl Graph {
    /// From the body of `POST /_api/gharial`.
    pub fn parse(body: &Map<String, Json>) -> Result<Self> {
        let name = body.get("name").and_then(Json::as_str).unwrap_or_default();
        if name.is_empty() {
            return Err(Error::from(code::GRAPH_CREATE_MISSING_NAME));
        }
        if !names::is_document_key(name) {
            return Err(Error::from(code::ARANGO_ILLEGAL_NAME));
        }
        if body.get("isSmart").and_then(Json::as_bool) == Some(true) {
            return Err(Error::new(code::NOT_IMPLEMENTED, "smart graphs are not supported yet"));
        }
        let mut graph =
            Self { name: name.into(), definitions: Vec::new(), orphans: BTreeSet::new(), options: Map::new(), rev: String::new() };
        for given in list(body, "edgeDefinitions")? {
            graph.add_edge_definition(EdgeDefinition::parse(given)?)?;
        }
        for given in list(body, "orphanCollections")? {
            let name = collection_name(given).ok_or_else(|| Error::from(code::GRAPH_CREATE_MALFORMED_ORPHAN_LIST).status(400))?;
            graph.add_orphan(&name)?;
        }
        if let Some(options) = body.get("options").and_then(Json::as_object) {
            graph.take_options(options);
        }
        Ok(graph)
    }

    /// From a document of `_graphs`.
    pub fn from_document(document: &Json) -> Option<Self> {
        let text = |name: &str| document.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let mut graph =
            Self { name: text("_key"), definitions: Vec::new(), orphans: BTreeSet::new(), options: Map::new(), rev: text("_rev") };
        let definitions = document.get("edgeDefinitions").and_then(Json::as_array)?;
        graph.definitions = definitions.iter().filter_map(|given| EdgeDefinition::parse(given).ok()).collect();
        let orphans = document.get("orphanCollections").and_then(Json::as_array);
        graph.orphans = orphans.into_iter().flatten().filter_map(collection_name).collect();
        graph.take_options(document.as_object()?);
        Some(graph)
    }

    fn take_options(&mut self, given: &Map<String, Json>) {
        let known = given.iter().filter(|(name, _)| SHARDING.contains(&name.as_str()));
        self.options.extend(known.map(|(name, value)| (name.clone(), value.clone())));
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn rev(&self) -> &str {
        &self.rev
    }

    /// The document to store.
    pub fn document(&self) -> Json {
        let mut out = json!({"_key": self.name});
        self.write_members(&mut out);
        out
    }

    /// The graph as clients see it.
    pub fn shape(&self) -> Json {
        let mut out = self.document();
        out["_rev"] = self.rev.as_str().into();
        out["_id"] = format!("_graphs/{}", self.name).into();
        out["name"] = self.name.as_str().into();
        out
    }

    fn write_members(&self, out: &mut Json) {
        for (name, value) in &self.options {
            out[name.as_str()] = value.clone();
        }
        out["edgeDefinitions"] = self.definitions.iter().map(EdgeDefinition::shape).collect();
        out["orphanCollections"] = json!(self.orphans);
    }

    /// Options for the graph's new collections.
    pub fn collection_options(&self) -> Map<String, Json> {
        self.options.clone()
    }

    pub fn edge_collections(&self) -> BTreeSet<String> {
        self.definitions.iter().map(|definition| definition.collection.clone()).collect()
    }

    /// Vertex collections, orphans included.
    pub fn vertex_collections(&self) -> BTreeSet<String> {
        self.connected().into_iter().chain(self.orphans.iter().cloned()).collect()
    }

    /// All collections of the graph.
    pub fn collections(&self) -> BTreeSet<String> {
        self.vertex_collections().into_iter().chain(self.edge_collections()).collect()
    }

    pub fn uses(&self, collection: &str) -> bool {
        self.collections().contains(collection)
    }

    pub fn edge_definition(&self, collection: &str) -> Option<&EdgeDefinition> {
        self.definitions.iter().find(|definition| definition.collection == collection)
    }

    /// Vertex collections of the edge definitions.
    fn connected(&self) -> BTreeSet<String> {
        self.definitions.iter().flat_map(EdgeDefinition::vertices).cloned().collect()
    }

    /// 1920 if the edge collection is in use, 1938 if it is an orphan.
    pub fn add_edge_definition(&mut self, definition: EdgeDefinition) -> Result<()> {
        if self.edge_definition(&definition.collection).is_some() {
            return Err(Error::new(
                code::GRAPH_COLLECTION_MULTI_USE,
                format!("{} {}", code::GRAPH_COLLECTION_MULTI_USE.text(), definition.collection),
            ));
        }
        if self.orphans.contains(&definition.collection) {
            return Err(Error::from(code::GRAPH_COLLECTION_USED_IN_ORPHANS));
        }
        for vertex in definition.vertices() {
            self.orphans.remove(vertex);
        }
        self.definitions.push(definition);
        self.definitions.sort_by(|a, b| a.collection.cmp(&b.collection));
        Ok(())
    }

    /// Vertex collections that lose their last definition become orphans; 1930 if it is unknown.
    pub fn replace_edge_definition(&mut self, definition: EdgeDefinition) -> Result<()> {
        let before = self.connected();
        match self.definitions.iter_mut().find(|known| known.collection == definition.collection) {
            Some(known) => *known = definition,
            None => return Err(Error::from(code::GRAPH_EDGE_COLLECTION_NOT_USED)),
        }
        self.keep_as_orphans(before);
        Ok(())
    }

    /// Vertex collections that lose their last definition become orphans; 1930 if it is unknown.
    pub fn remove_edge_definition(&mut self, collection: &str) -> Result<()> {
        let before = self.connected();
        let count = self.definitions.len();
        self.definitions.retain(|definition| definition.collection != collection);
        if self.definitions.len() == count {
            return Err(Error::from(code::GRAPH_EDGE_COLLECTION_NOT_USED));
        }
        self.keep_as_orphans(before);
        Ok(())
    }

    fn keep_as_orphans(&mut self, before: BTreeSet<String>) {
        let connected = self.connected();
        self.orphans.extend(before);
        self.orphans.retain(|orphan| !connected.contains(orphan));
    }

    /// 1929 if a definition uses the collection, 1938 if it is an orphan already.
    pub fn add_orphan(&mut self, collection: &str) -> Result<()> {
        if self.connected().contains(collection) || self.edge_definition(collection).is_some() {
            return Err(Error::from(code::GRAPH_COLLECTION_USED_IN_EDGE_DEF));
        }
        if !self.orphans.insert(collection.to_owned()) {
            return Err(Error::from(code::GRAPH_COLLECTION_USED_IN_ORPHANS));
        }
        Ok(())
    }

    /// 1926 if the collection is not part of the graph, 1928 if a definition uses it.
    pub fn remove_orphan(&mut self, collection: &str) -> Result<()> {
        if self.orphans.remove(collection) {
            return Ok(());
        }
        let is_known = self.vertex_collections().contains(collection);
        Err(Error::from(if is_known { code::GRAPH_NOT_IN_ORPHAN_COLLECTION } else { code::GRAPH_VERTEX_COL_DOES_NOT_EXIST }))
    }

    pub fn rename_collection(&mut self, old: &str, new: &str) {
        let rename = |names: &mut BTreeSet<String>| {
            if names.remove(old) {
                names.insert(new.to_owned());
            }
        };
        rename(&mut self.orphans);
        for definition in &mut self.definitions {
            rename(&mut definition.from);
            rename(&mut definition.to);
            if definition.collection == old {
                new.clone_into(&mut definition.collection);
            }
        }
    }

    /// 1921 unless all graphs define an edge collection alike.
    pub fn agree_with(&self, others: &[Graph]) -> Result<()> {
        for definition in &self.definitions {
            let known =
                others.iter().filter(|other| other.name != self.name).filter_map(|other| other.edge_definition(&definition.collection));
            for other in known {
                if other != definition {
                    return Err(Error::new(
                        code::GRAPH_COLLECTION_USE_IN_MULTI_GRAPHS,
                        format!("{} {}", code::GRAPH_COLLECTION_USE_IN_MULTI_GRAPHS.text(), definition.collection),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn list<'a>(body: &'a Map<String, Json>, name: &str) -> Result<&'a [Json]> {
    match body.get(name) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(list)) => Ok(list),
        Some(_) => Err(Error::bad_parameter(format!("'{name}' must be an array"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(body: Json) -> Result<Graph> {
        Graph::parse(body.as_object().unwrap())
    }

    fn knows() -> Json {
        json!({"collection": "knows", "from": ["b", "a"], "to": ["a"]})
    }

    #[test]
    fn a_graph_round_trips_through_its_document() {
        let made =
            graph(json!({"name": "g", "edgeDefinitions": [knows()], "orphanCollections": ["o"], "options": {"numberOfShards": 3, "x": 1}}));
        let made = made.unwrap();
        let document = made.document();
        let expected = json!({"_key": "g", "numberOfShards": 3, "orphanCollections": ["o"],
            "edgeDefinitions": [{"collection": "knows", "from": ["a", "b"], "to": ["a"]}]});
        assert_eq!(document, expected);
        assert_eq!(Graph::from_document(&document).unwrap().document(), document);
        assert_eq!(made.shape()["_id"], "_graphs/g");
        assert_eq!(made.vertex_collections(), BTreeSet::from(["a".into(), "b".into(), "o".into()]));
    }

    #[test]
    fn illegal_graphs() {
        let number = |body: Json| graph(body).unwrap_err().code();
        assert_eq!(number(json!({})), code::GRAPH_CREATE_MISSING_NAME);
        assert_eq!(number(json!({"name": "a/b"})), code::ARANGO_ILLEGAL_NAME);
        assert_eq!(number(json!({"name": "g", "edgeDefinitions": [{"collection": "e"}]})), code::GRAPH_CREATE_MALFORMED_EDGE_DEFINITION);
        assert_eq!(number(json!({"name": "g", "edgeDefinitions": [knows(), knows()]})), code::GRAPH_COLLECTION_MULTI_USE);
        let orphan = json!({"name": "g", "edgeDefinitions": [knows()], "orphanCollections": ["a"]});
        assert_eq!(number(orphan), code::GRAPH_COLLECTION_USED_IN_EDGE_DEF);
    }

    #[test]
    fn vertices_without_definition_become_orphans() {
        let mut graph = graph(json!({"name": "g", "edgeDefinitions": [knows()]})).unwrap();
        let narrower = EdgeDefinition::parse(&json!({"collection": "knows", "from": ["a"], "to": ["a"]})).unwrap();
        graph.replace_edge_definition(narrower).unwrap();
        assert_eq!(graph.document()["orphanCollections"], json!(["b"]));
        assert_eq!(graph.remove_orphan("a").unwrap_err().code(), code::GRAPH_NOT_IN_ORPHAN_COLLECTION);
        graph.remove_edge_definition("knows").unwrap();
        assert_eq!(graph.document()["orphanCollections"], json!(["a", "b"]));
        assert_eq!(graph.remove_edge_definition("knows").unwrap_err().code(), code::GRAPH_EDGE_COLLECTION_NOT_USED);
        assert_eq!(graph.remove_orphan("x").unwrap_err().code(), code::GRAPH_VERTEX_COL_DOES_NOT_EXIST);
        graph.rename_collection("a", "z");
        assert!(graph.uses("z") && !graph.uses("a"));
    }

    #[test]
    fn graphs_agree_on_an_edge_collection() {
        let first = graph(json!({"name": "g", "edgeDefinitions": [knows()]})).unwrap();
        let same = graph(json!({"name": "h", "edgeDefinitions": [knows()]})).unwrap();
        let other = graph(json!({"name": "i", "edgeDefinitions": [{"collection": "knows", "from": ["x"], "to": ["a"]}]})).unwrap();
        assert!(same.agree_with(std::slice::from_ref(&first)).is_ok());
        assert_eq!(other.agree_with(&[first]).unwrap_err().code(), code::GRAPH_COLLECTION_USE_IN_MULTI_GRAPHS);
    }
}
