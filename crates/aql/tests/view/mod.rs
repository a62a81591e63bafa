//! A catalog for tests.
#![allow(dead_code, reason = "each test uses a part of it")]

use aql::catalog::EdgeDefinition;
use aql::{CatalogView, CollectionInfo, GraphInfo};
use database::catalog::{CollectionType, Index};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct TestView {
    pub collections: BTreeMap<String, CollectionInfo>,
    pub graphs: BTreeMap<String, GraphInfo>,
    pub cluster: bool,
}

impl CatalogView for TestView {
    fn collection(&self, name: &str) -> Option<CollectionInfo> {
        self.collections.get(name).cloned()
    }

    fn graph(&self, name: &str) -> Option<GraphInfo> {
        self.graphs.get(name).cloned()
    }

    fn is_cluster(&self) -> bool {
        self.cluster
    }
}

impl TestView {
    pub fn documents(mut self, name: &str, count: u64, indexes: &[Index]) -> Self {
        let mut all = vec![Index::primary()];
        all.extend_from_slice(indexes);
        self.collections.insert(name.into(), CollectionInfo { count, indexes: all, number_of_shards: 3, ..CollectionInfo::default() });
        self
    }

    pub fn edges(mut self, name: &str, count: u64) -> Self {
        let indexes = vec![Index::primary(), Index::edge()];
        let info = CollectionInfo { kind: CollectionType::Edge, count, indexes, ..CollectionInfo::default() };
        self.collections.insert(name.into(), info);
        self
    }

    pub fn graph(mut self, name: &str, edges: &str, vertices: &str) -> Self {
        let definition = EdgeDefinition { collection: edges.into(), from: vec![vertices.into()], to: vec![vertices.into()] };
        self.graphs.insert(name.into(), GraphInfo { edge_definitions: vec![definition], orphans: Vec::new() });
        self
    }

    /// The collections of the recorded queries.
    pub fn recorded() -> Self {
        let mut view = Self::default();
        for name in ["circles", "places", "persons", "users", "relations", "observations", "Characters", "oracleDocs", "oracleVertices"] {
            view = view.documents(name, 10, &[]);
        }
        for name in ["edges", "connections", "knows", "ChildOf", "oracleEdges"] {
            view = view.edges(name, 10);
        }
        let graphs = [
            ("traversalGraph", "edges", "circles"),
            ("kShortestPathsGraph", "connections", "places"),
            ("knows_graph", "knows", "persons"),
            ("oracleGraph", "oracleEdges", "oracleVertices"),
        ];
        for (name, edges, vertices) in graphs {
            view = view.graph(name, edges, vertices);
        }
        view
    }
}
