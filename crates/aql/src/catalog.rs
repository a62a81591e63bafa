//! What the compiler asks of the database that a query runs in.

use database::catalog::{CollectionType, Index};

/// Answers questions about collections and graphs. Implemented by the roles.
pub trait CatalogView {
    /// The collection of this name.
    fn collection(&self, name: &str) -> Option<CollectionInfo>;

    /// The named graph.
    fn graph(&self, name: &str) -> Option<GraphInfo>;

    /// Do queries run on a coordinator, so that plans must be distributed?
    fn is_cluster(&self) -> bool {
        false
    }
}

/// What the compiler needs to know of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectionInfo {
    /// Documents or edges.
    pub kind: CollectionType,
    /// Indexes; those being built are ignored.
    pub indexes: Vec<Index>,
    /// Number of documents, roughly.
    pub count: u64,
    /// Number of shards (1 outside a cluster).
    pub number_of_shards: u32,
    /// Attributes that decide the shard.
    pub shard_keys: Vec<String>,
}

impl Default for CollectionInfo {
    fn default() -> Self {
        Self {
            kind: CollectionType::Document,
            indexes: vec![Index::primary()],
            count: 0,
            number_of_shards: 1,
            shard_keys: vec!["_key".into()],
        }
    }
}

/// A named graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraphInfo {
    /// Edge collections with the vertex collections at their ends.
    pub edge_definitions: Vec<EdgeDefinition>,
    /// Vertex collections without edges.
    pub orphans: Vec<String>,
}

/// One edge collection of a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EdgeDefinition {
    /// Edge collection.
    pub collection: String,
    /// Vertex collections of `_from`.
    pub from: Vec<String>,
    /// Vertex collections of `_to`.
    pub to: Vec<String>,
}

impl GraphInfo {
    /// All vertex collections, each once.
    #[must_use]
    pub fn vertex_collections(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let ends = self.edge_definitions.iter().flat_map(|definition| definition.from.iter().chain(&definition.to));
        for name in ends.chain(&self.orphans) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}
