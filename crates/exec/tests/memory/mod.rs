//! A database in memory for tests: the executor's source and the compiler's catalog. With more than
//! one shard it plays a coordinator whose shards run snippets.

#![allow(dead_code, reason = "each test program uses a part of it")]

use aql::catalog::{CatalogView, CollectionInfo, EdgeDefinition, GraphInfo};
use aql::plan::Direction;
use base::revision::Revision;
use base::{Error, Result, code};
use database::catalog::{CollectionType, Index};
use database::document::{DocumentOutcome, DocumentRequest, DocumentResults, Operation, OverwriteMode};
use exec::source::{Documents, IndexRange, QueryContext, RemoteSnippet, Row, Rows, ScanSpec, Source};
use exec::stats::{Stats, Warning};
use exec::{SnippetRun, block};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use velocypack::{Slice, Value, order};

/// A collection.
#[derive(Clone)]
pub struct MemoryCollection {
    /// Documents or edges.
    pub kind: CollectionType,
    /// Indexes.
    pub indexes: Vec<Index>,
    documents: BTreeMap<String, Value>,
}

#[derive(Default)]
struct Content {
    collections: BTreeMap<String, MemoryCollection>,
    graphs: BTreeMap<String, GraphInfo>,
    next_number: u64,
}

/// The database, or one shard of each of its collections.
#[derive(Clone)]
pub struct MemoryDatabase {
    content: Arc<Mutex<Content>>,
    shards: u32,
    /// Set on a shard.
    shard: Option<u32>,
    context: QueryContext,
}

impl MemoryDatabase {
    /// An empty database; more than one shard makes it a cluster.
    pub fn new(shards: u32) -> Self {
        let context = QueryContext { now_ms: 1_700_000_000_000, random_seed: 7, user: "root".into(), database: "_system".into() };
        Self { content: Arc::default(), shards, shard: None, context }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }

    /// Adds a collection.
    pub fn create(&self, name: &str, kind: CollectionType) {
        let mut indexes = vec![Index::primary()];
        if kind == CollectionType::Edge {
            indexes.push(Index::edge());
        }
        self.content().collections.insert(name.into(), MemoryCollection { kind, indexes, documents: BTreeMap::new() });
    }

    /// Adds an index.
    pub fn create_index(&self, collection: &str, index: Index) {
        self.content().collections.get_mut(collection).unwrap().indexes.push(index);
    }

    /// Adds a named graph of `(edge collection, from, to)`.
    pub fn create_graph(&self, name: &str, definitions: Vec<(String, Vec<String>, Vec<String>)>) {
        let edge_definitions = definitions.into_iter().map(|(collection, from, to)| EdgeDefinition { collection, from, to }).collect();
        self.content().graphs.insert(name.into(), GraphInfo { edge_definitions, orphans: Vec::new() });
    }

    /// Inserts documents.
    pub fn insert(&self, collection: &str, documents: Vec<Value>) {
        let request = DocumentRequest { operation: Operation::Insert, documents, options: Default::default() };
        for item in self.modify(collection, request).unwrap().items {
            item.unwrap();
        }
    }

    /// A database with the same content that can be written to without changing this one.
    pub fn copy(&self) -> Self {
        let content = self.content();
        let content =
            Content { collections: content.collections.clone(), graphs: content.graphs.clone(), next_number: content.next_number };
        Self { content: Arc::new(Mutex::new(content)), ..self.clone() }
    }

    fn is_mine(&self, key: &str) -> bool {
        self.shard.is_none_or(|shard| shard_of(key, self.shards) == shard)
    }

    fn select(&self, collection: &str, keep: impl Fn(Slice<'_>) -> bool) -> Result<Vec<Value>> {
        let content = self.content();
        let documents = &find(&content, collection)?.documents;
        Ok(documents.iter().filter(|(key, document)| self.is_mine(key) && keep(document.as_slice())).map(|(_, d)| d.clone()).collect())
    }
}

fn find<'a>(content: &'a Content, collection: &str) -> Result<&'a MemoryCollection> {
    content.collections.get(collection).ok_or_else(|| Error::with_detail(code::ARANGO_DATA_SOURCE_NOT_FOUND, collection))
}

fn shard_of(key: &str, shards: u32) -> u32 {
    let hash = velocypack::hash(Value::string(key).as_slice(), 1);
    u32::try_from(hash % u64::from(shards)).unwrap()
}

struct Fixed(std::vec::IntoIter<Value>);

impl Documents for Fixed {
    fn next(&mut self, max: usize, out: &mut Vec<Value>) -> Result<bool> {
        out.extend(self.0.by_ref().take(max));
        Ok(self.0.len() > 0)
    }
}

struct ShardRows(SnippetRun);

impl Rows for ShardRows {
    fn next(&mut self, max: usize, out: &mut Vec<Row>) -> Result<bool> {
        out.extend(self.0.next(max)?);
        Ok(!self.0.is_done())
    }

    fn close(&mut self) -> (Stats, Vec<Warning>) {
        (self.0.stats(), self.0.warnings())
    }
}

fn field<'a>(document: Slice<'a>, field: &str) -> Value {
    let path: Vec<&str> = field.split('.').collect();
    document.path(&path).map_or_else(Value::null, |value: Slice<'a>| value.to_value())
}

fn in_range(document: Slice<'_>, index: &Index, range: &IndexRange) -> bool {
    let fields: Vec<Value> = index.fields.iter().map(|name| field(document, name)).collect();
    let compare = |value: &Value, bound: &Value| order::compare(value.as_slice(), bound.as_slice());
    let equal = range.equal.iter().zip(&fields).all(|(wanted, value)| {
        let value_is = order::equal(wanted.as_slice(), value.as_slice());
        // Primary look-ups may name ids.
        value_is || (index.kind == "primary" && document.get("_id").is_some_and(|id| order::equal(id, wanted.as_slice())))
    });
    let Some(next) = fields.get(range.equal.len()) else { return equal };
    let above = range.low.as_ref().is_none_or(|(low, inclusive)| match compare(next, low) {
        Ordering::Greater => true,
        Ordering::Equal => *inclusive,
        Ordering::Less => false,
    });
    let below = range.high.as_ref().is_none_or(|(high, inclusive)| match compare(next, high) {
        Ordering::Less => true,
        Ordering::Equal => *inclusive,
        Ordering::Greater => false,
    });
    let present = !index.sparse || fields.iter().all(|value| !value.as_slice().is_null());
    equal && above && below && present
}

impl Source for MemoryDatabase {
    fn scan(&self, collection: &str, spec: &ScanSpec) -> Result<Box<dyn Documents>> {
        let mut documents = self.select(collection, |_| true)?;
        if spec.reverse {
            documents.reverse();
        }
        Ok(Box::new(Fixed(documents.into_iter())))
    }

    fn index_scan(
        &self,
        collection: &str,
        index: &Index,
        ranges: &[IndexRange],
        reverse: bool,
        _covering: bool,
    ) -> Result<Box<dyn Documents>> {
        let mut found = Vec::new();
        for range in ranges {
            let mut documents = self.select(collection, |document| in_range(document, index, range))?;
            let key = |document: &Value| Value::array(index.fields.iter().map(|name| field(document.as_slice(), name)));
            documents.sort_by(|a, b| order::compare(key(a).as_slice(), key(b).as_slice()));
            if reverse {
                documents.reverse();
            }
            found.extend(documents);
        }
        Ok(Box::new(Fixed(found.into_iter())))
    }

    fn documents(&self, ids: &[&str]) -> Result<Vec<Option<Value>>> {
        let content = self.content();
        let one = |id: &&str| {
            let (collection, key) = id.split_once('/')?;
            content.collections.get(collection)?.documents.get(key).cloned()
        };
        Ok(ids.iter().map(one).collect())
    }

    fn edges(&self, collection: &str, direction: Direction, vertices: &[&str], _covering: bool) -> Result<Vec<Vec<Value>>> {
        let end = if direction == Direction::Inbound { "_to" } else { "_from" };
        vertices.iter().map(|vertex| self.select(collection, |edge| edge.get(end).and_then(|id| id.as_str()) == Some(*vertex))).collect()
    }

    fn modify(&self, collection: &str, request: DocumentRequest) -> Result<DocumentResults> {
        let mut content = self.content();
        find(&content, collection)?;
        let items = request.documents.iter().map(|document| modify_one(&mut content, collection, document, &request)).collect();
        Ok(DocumentResults { items, synced: false })
    }

    fn count(&self, collection: &str) -> Result<u64> {
        Ok(find(&self.content(), collection)?.documents.len() as u64)
    }

    fn remote(&self, snippet: &RemoteSnippet, input: Option<Vec<Row>>) -> Result<Vec<Box<dyn Rows>>> {
        // What a server would get: the snippet after a journey over the wire.
        let wire = serde_json::to_vec(snippet).unwrap();
        let snippet: RemoteSnippet = serde_json::from_slice(&wire).unwrap();
        let mut streams: Vec<Box<dyn Rows>> = Vec::new();
        for shard in 0..self.shards {
            if let [key] = snippet.shard_values.as_slice()
                && key.as_slice().as_str().is_none_or(|key| shard_of(key, self.shards) != shard)
            {
                continue;
            }
            let source = Arc::new(Self { shard: Some(shard), ..self.clone() });
            streams.push(Box::new(ShardRows(SnippetRun::new(&snippet, input.clone(), source)?)));
        }
        Ok(streams)
    }

    fn query_context(&self) -> &QueryContext {
        &self.context
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn collections(&self) -> Result<Vec<(String, String)>> {
        Ok(self.content().collections.keys().map(|name| (name.clone(), name.clone())).collect())
    }
}

/// The checks that storage makes.
fn check(content: &Content, collection: &str, document: &Value, operation: Operation) -> Result<()> {
    let slice = document.as_slice();
    if slice.get("_key").is_some_and(|key| !key.is_string()) {
        return Err(Error::from(code::ARANGO_DOCUMENT_KEY_BAD));
    }
    if operation == Operation::Insert && !slice.is_object() {
        return Err(Error::from(code::ARANGO_DOCUMENT_TYPE_INVALID));
    }
    let is_edge = find(content, collection)?.kind == CollectionType::Edge;
    let is_id = |name| slice.get(name).and_then(|id| id.as_str()).is_some_and(|id| id.contains('/'));
    if is_edge && operation == Operation::Insert && !(is_id("_from") && is_id("_to")) {
        return Err(Error::from(code::ARANGO_INVALID_EDGE_ATTRIBUTE));
    }
    Ok(())
}

fn modify_one(content: &mut Content, collection: &str, document: &Value, request: &DocumentRequest) -> Result<DocumentOutcome> {
    content.next_number += 1;
    let number = content.next_number;
    let slice = document.as_slice();
    check(content, collection, document, request.operation)?;
    let key = match slice.as_str().or_else(|| slice.get("_key").and_then(|key| key.as_str())) {
        Some(key) => key.to_owned(),
        None if request.operation == Operation::Insert => format!("{number:08}"),
        None => return Err(Error::from(code::ARANGO_DOCUMENT_KEY_MISSING)),
    };
    let documents = &mut content.collections.get_mut(collection).unwrap().documents;
    let old = documents.get(&key).cloned();
    let id = format!("{collection}/{key}");
    let stored = |body: Slice<'_>| {
        let system = [("_key", Value::string(&key)), ("_id", Value::string(&id)), ("_rev", Value::string(&format!("_r{number}")))];
        let rest = body.entries().filter(|(name, _)| !matches!(*name, "_key" | "_id" | "_rev"));
        Value::object(system.into_iter().chain(rest.map(|(name, value)| (name, value.to_value()))))
    };
    let options = &request.options;
    let merged = |old: &Value| stored(velocypack::merge(old.as_slice(), slice, options.merge_objects, options.keep_null).as_slice());
    let new = match (request.operation, &old) {
        (Operation::Insert, None) => Some(stored(slice)),
        (Operation::Insert, Some(old)) => match options.overwrite_mode {
            OverwriteMode::Conflict => return Err(Error::from(code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED)),
            OverwriteMode::Ignore => None,
            OverwriteMode::Replace => Some(stored(slice)),
            OverwriteMode::Update => Some(merged(old)),
        },
        (_, None) => return Err(Error::from(code::ARANGO_DOCUMENT_NOT_FOUND)),
        (Operation::Update, Some(old)) => Some(merged(old)),
        (Operation::Replace, Some(_)) => Some(stored(slice)),
        (Operation::Read | Operation::Remove, Some(_)) => None,
    };
    if request.operation == Operation::Remove {
        documents.remove(&key);
    }
    if let Some(new) = &new {
        documents.insert(key.clone(), new.clone());
    }
    let old_rev = old.is_some().then_some(Revision(1));
    Ok(DocumentOutcome { key, id, rev: Revision(number), old_rev, new, old })
}

impl CatalogView for MemoryDatabase {
    fn collection(&self, name: &str) -> Option<CollectionInfo> {
        let content = self.content();
        let collection = content.collections.get(name)?;
        Some(CollectionInfo {
            kind: collection.kind,
            indexes: collection.indexes.clone(),
            count: collection.documents.len() as u64,
            number_of_shards: self.shards,
            shard_keys: vec!["_key".into()],
        })
    }

    fn graph(&self, name: &str) -> Option<GraphInfo> {
        self.content().graphs.get(name).cloned()
    }

    fn is_cluster(&self) -> bool {
        self.shards > 1
    }
}

/// Rows asked for at a time by tests that want several batches.
pub const SMALL_BATCH: usize = block::BLOCK_ROWS_MAX / 100;
