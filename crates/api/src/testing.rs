//! A scripted backend for tests: answers what it was told to, and remembers what it was asked.

use crate::auth::{Authenticator, Disabled};
use crate::{Api, ApiOptions};
use async_trait::async_trait;
use base::{Error, Result, Revision, code};
use database::backend::{Role, Statistic};
use database::catalog::{Collection, Database, Index};
use database::cluster::ClusterRequest;
use database::document::{DocumentOutcome, DocumentRequest, DocumentResults, Operation};
use database::query::{CursorBatch, QueryRequest};
use database::transaction::{TransactionId, TransactionOptions, TransactionStatus};
use database::{Backend, Context};
use parking_lot::Mutex;
use rt::http::{Handler, HeaderName, HeaderValue, Method, Request, Response};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use velocypack::Value;

/// The revision of every document the script knows.
pub const REV: Revision = Revision(1_700_000_000_000 << 20);

/// A backend that follows a script.
pub struct Script {
    pub role: Mutex<Role>,
    pub available: Mutex<bool>,
    rows: Mutex<Vec<Value>>,
    collections: Mutex<Vec<Collection>>,
    pub requests: Mutex<Vec<(String, DocumentRequest)>>,
    pub queries: Mutex<Vec<QueryRequest>>,
    pub cluster_requests: Mutex<Vec<ClusterRequest>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            role: Mutex::new(Role::Single),
            available: Mutex::new(true),
            rows: Mutex::default(),
            collections: Mutex::default(),
            requests: Mutex::default(),
            queries: Mutex::default(),
            cluster_requests: Mutex::default(),
        }
    }
}

impl Script {
    /// What the next queries answer.
    pub fn rows(&self, rows: Vec<Value>) {
        *self.rows.lock() = rows;
    }

    /// A collection that exists.
    pub fn add_collection(&self, properties: Json) {
        self.collections.lock().push(serde_json::from_value(properties).unwrap());
    }
}

/// A script and the API on top of it, without authentication.
pub fn api() -> (Arc<Script>, Api) {
    api_with(Arc::new(Disabled::default()))
}

/// A script and the API on top of it.
pub fn api_with(authenticator: Arc<dyn Authenticator>) -> (Arc<Script>, Api) {
    let script = Arc::new(Script::default());
    let backend: Arc<dyn Backend> = Arc::clone(&script) as Arc<dyn Backend>;
    (script, Api::new(backend, ApiOptions::default(), authenticator))
}

/// Sends a request; headers as pairs.
pub async fn send(api: &Api, method: Method, path: &str, headers: &[(&'static str, &str)], body: &str) -> Response {
    let mut request = Request::new(method, path, body.to_owned());
    for (name, value) in headers {
        request.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    api.handle(request).await
}

/// Sends a request and reads the JSON answer.
pub async fn ask(api: &Api, method: Method, path: &str, body: &str) -> (u16, Json) {
    let response = send(api, method, path, &[], body).await;
    let body = if response.body.is_empty() { Json::Null } else { serde_json::from_slice(&response.body).unwrap() };
    (response.status, body)
}

fn outcome(operation: Operation, collection: &str, given: &Value) -> Result<DocumentOutcome> {
    let key = given.as_slice().as_str().or_else(|| given.as_slice().get("_key")?.as_str()).unwrap_or("1").to_owned();
    match key.as_str() {
        "missing" => return Err(Error::from(code::ARANGO_DOCUMENT_NOT_FOUND)),
        "taken" if operation == Operation::Insert => return Err(Error::from(code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED)),
        _ => {}
    }
    let id = format!("{collection}/{key}");
    let stored = json!({"_key": key, "_id": id, "_rev": REV.encode(), "a": 1});
    let is_change = matches!(operation, Operation::Update | Operation::Replace);
    let new = (operation == Operation::Read).then(|| Value::from_serde(&stored));
    Ok(DocumentOutcome { key, id, rev: REV, old_rev: is_change.then_some(Revision(REV.0 - 1)), new, old: None })
}

#[async_trait]
impl Backend for Script {
    fn role(&self) -> Role {
        *self.role.lock()
    }

    fn server_id(&self) -> Option<String> {
        (self.role() != Role::Single).then(|| "CRDN-1".into())
    }

    fn is_available(&self) -> bool {
        *self.available.lock()
    }

    async fn databases(&self, cx: &Context) -> Result<Vec<Database>> {
        Ok(vec![self.database(cx, "_system").await?, self.database(cx, "d").await?])
    }

    async fn database(&self, _cx: &Context, name: &str) -> Result<Database> {
        if !matches!(name, "_system" | "d") {
            return Err(Error::from(code::ARANGO_DATABASE_NOT_FOUND));
        }
        Ok(Database { id: "1".into(), name: name.into(), sharding: String::new(), replication_factor: 1, write_concern: 1 })
    }

    async fn create_database(&self, cx: &Context, _name: &str, _options: &Json) -> Result<Database> {
        self.database(cx, "d").await
    }

    async fn drop_database(&self, cx: &Context, name: &str) -> Result<()> {
        self.database(cx, name).await.map(|_| ())
    }

    async fn collections(&self, _cx: &Context, _db: &str) -> Result<Vec<Collection>> {
        Ok(self.collections.lock().clone())
    }

    async fn collection(&self, _cx: &Context, _db: &str, name: &str) -> Result<Collection> {
        let found = self.collections.lock().iter().find(|collection| collection.name == name || collection.id == name).cloned();
        found.ok_or_else(|| Error::with_detail(code::ARANGO_DATA_SOURCE_NOT_FOUND, name))
    }

    async fn create_collection(&self, _cx: &Context, _db: &str, properties: &Json) -> Result<Collection> {
        let mut properties = properties.clone();
        properties["id"] = "7".into();
        serde_json::from_value(properties).map_err(|error| Error::bad_parameter(error.to_string()))
    }

    async fn drop_collection(&self, cx: &Context, db: &str, name: &str, _allow_system: bool) -> Result<Collection> {
        self.collection(cx, db, name).await
    }

    async fn change_collection(&self, cx: &Context, db: &str, name: &str, _properties: &Json) -> Result<Collection> {
        self.collection(cx, db, name).await
    }

    async fn rename_collection(&self, cx: &Context, db: &str, name: &str, new_name: &str) -> Result<Collection> {
        let found = self.collection(cx, db, name).await?;
        Ok(Collection { name: new_name.into(), ..found })
    }

    async fn truncate(&self, _cx: &Context, _db: &str, _name: &str) -> Result<()> {
        Ok(())
    }

    async fn count(&self, _cx: &Context, _db: &str, name: &str) -> Result<Vec<(String, u64)>> {
        Ok(vec![(name.into(), 3)])
    }

    async fn statistics(&self, _cx: &Context, _db: &str, _name: &str, _what: Statistic) -> Result<Json> {
        Ok("0".into())
    }

    async fn responsible_shard(&self, _cx: &Context, _db: &str, _name: &str, _document: &Value) -> Result<String> {
        Ok("s1".into())
    }

    async fn create_index(&self, _cx: &Context, _db: &str, _collection: &str, definition: &Json) -> Result<(Index, bool)> {
        let fields: Vec<&str> = definition["fields"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
        Ok((Index::plain("9", "persistent", "idx_9", &fields, false), true))
    }

    async fn drop_index(&self, _cx: &Context, _db: &str, _collection: &str, index: &str) -> Result<Index> {
        Ok(Index::plain(index, "persistent", "idx", &["a"], false))
    }

    async fn documents(&self, _cx: &Context, _db: &str, collection: &str, request: DocumentRequest) -> Result<DocumentResults> {
        let synced = request.options.wait_for_sync == Some(true);
        let items = request.documents.iter().map(|given| outcome(request.operation, collection, given)).collect();
        self.requests.lock().push((collection.to_owned(), request));
        Ok(DocumentResults { items, synced })
    }

    async fn open_cursor(&self, _cx: &Context, _db: &str, request: QueryRequest) -> Result<CursorBatch> {
        let extra = json!({"warnings": [], "stats": {"writesExecuted": 2}});
        let count = request.count.then(|| self.rows.lock().len() as u64);
        self.queries.lock().push(request);
        Ok(CursorBatch { id: None, rows: self.rows.lock().clone(), has_more: false, count, extra: Some(extra), next_batch_id: None })
    }

    async fn next_batch(&self, _cx: &Context, _db: &str, cursor: &str, batch: Option<&str>) -> Result<CursorBatch> {
        if cursor != "5" {
            return Err(Error::from(code::CURSOR_NOT_FOUND));
        }
        let rows = vec![Value::int(3)];
        let next_batch_id = batch.map(|_| "3".to_owned());
        Ok(CursorBatch { id: Some("5".into()), rows, has_more: true, count: None, extra: None, next_batch_id })
    }

    async fn close_cursor(&self, _cx: &Context, _db: &str, cursor: &str) -> Result<()> {
        if cursor == "5" { Ok(()) } else { Err(Error::from(code::CURSOR_NOT_FOUND)) }
    }

    async fn explain(&self, _cx: &Context, _db: &str, _request: QueryRequest) -> Result<Json> {
        Ok(json!({"plan": {"nodes": [], "collections": [{"name": "secret", "type": "write"}]}, "warnings": [], "cacheable": true}))
    }

    async fn parse_query(&self, _cx: &Context, _db: &str, _query: &str) -> Result<Json> {
        Ok(json!({"collections": [], "bindVars": [], "ast": []}))
    }

    async fn begin(&self, _cx: &Context, _db: &str, _options: TransactionOptions) -> Result<TransactionId> {
        Ok(TransactionId(11))
    }

    async fn transaction_status(&self, _cx: &Context, _db: &str, id: TransactionId) -> Result<TransactionStatus> {
        if id.0 == 11 { Ok(TransactionStatus::Running) } else { Err(Error::from(code::TRANSACTION_NOT_FOUND)) }
    }

    async fn commit(&self, _cx: &Context, _db: &str, _id: TransactionId) -> Result<()> {
        Ok(())
    }

    async fn abort(&self, _cx: &Context, _db: &str, _id: TransactionId) -> Result<()> {
        Ok(())
    }

    async fn transactions(&self, _cx: &Context, _db: &str) -> Result<Vec<(TransactionId, TransactionStatus)>> {
        Ok(vec![(TransactionId(11), TransactionStatus::Running)])
    }

    async fn cluster(&self, _cx: &Context, request: ClusterRequest) -> Result<Json> {
        if self.role() == Role::Single {
            return Err(Error::from(code::CLUSTER_ONLY_ON_COORDINATOR));
        }
        self.cluster_requests.lock().push(request);
        Ok(json!({}))
    }
}
