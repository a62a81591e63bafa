//! `/_api/simple`: the old queries by example that drivers still use, as AQL.

use super::cursor;
use crate::call::Call;
use crate::reply::Reply;
use base::{Error, Result, code};
use database::context::Access;
use database::query::{CursorBatch, QueryRequest};
use rt::http::Method;
use serde_json::{Map, Value as Json, json};
use velocypack::Value;

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    let [operation] = parts else { return call.unknown_path() };
    if *call.method() != Method::PUT {
        return call.method_not_allowed();
    }
    let mut body = call.object()?;
    if let Some(collection) = call.parameter("collection") {
        body.entry("collection").or_insert_with(|| collection.into());
    }
    let simple = Simple::new(call, body)?;
    match *operation {
        "all" => simple.cursor("FOR d IN @@collection", "d", Access::Read).await,
        "all-keys" => simple.all_keys().await,
        "by-example" => simple.cursor(&format!("FOR d IN @@collection{}", simple.example()?), "d", Access::Read).await,
        "first-example" => simple.first_example().await,
        "any" => simple.any().await,
        "range" => simple.range().await,
        "lookup-by-keys" => simple.lookup_by_keys().await,
        "remove-by-keys" => simple.remove_by_keys().await,
        "remove-by-example" => simple.by_example("REMOVE d IN @@collection", "deleted").await,
        "replace-by-example" => {
            simple.object("newValue")?;
            simple.by_example("REPLACE d WITH @newValue IN @@collection", "replaced").await
        }
        "update-by-example" => {
            simple.object("newValue")?;
            let option = |name: &str, default| simple.body.get(name).and_then(Json::as_bool).unwrap_or(default);
            let (keep_null, merge) = (option("keepNull", true), option("mergeObjects", true));
            let options = format!("OPTIONS {{keepNull: {keep_null}, mergeObjects: {merge}}}");
            simple.by_example(&format!("UPDATE d WITH @newValue IN @@collection {options}"), "updated").await
        }
        _ => call.unknown_path(),
    }
}

/// One simple query.
struct Simple<'a> {
    call: &'a Call,
    collection: String,
    body: Map<String, Json>,
}

impl<'a> Simple<'a> {
    fn new(call: &'a Call, body: Map<String, Json>) -> Result<Self> {
        let Some(collection) = body.get("collection").and_then(Json::as_str).filter(|name| !name.is_empty()) else {
            return Err(Error::bad_parameter("expecting string for <collection>"));
        };
        Ok(Self { call, collection: collection.to_owned(), body })
    }

    fn object(&self, name: &str) -> Result<&Map<String, Json>> {
        self.body.get(name).and_then(Json::as_object).ok_or_else(|| Error::bad_parameter(format!("expecting object for <{name}>")))
    }

    fn keys(&self) -> Result<&Json> {
        self.body.get("keys").filter(|keys| keys.is_array()).ok_or_else(|| Error::bad_parameter("expecting array for <keys>"))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.body.get(name).and_then(Json::as_u64)
    }

    /// `FILTER`s that compare the example's attributes; their names and values are parameters.
    fn example(&self) -> Result<String> {
        let count = self.object("example")?.len();
        Ok((0..count).map(|at| format!(" FILTER d.@n{at} == @v{at}")).collect())
    }

    /// Bind parameters: the collection, the example, and those given.
    fn bind(&self, more: &[(&str, Json)]) -> Value {
        let mut bind = Map::new();
        bind.insert("@collection".into(), self.collection.as_str().into());
        let example = self.body.get("example").and_then(Json::as_object);
        for (at, (name, value)) in example.into_iter().flatten().enumerate() {
            bind.insert(format!("n{at}"), name.split('.').collect::<Vec<_>>().into());
            bind.insert(format!("v{at}"), value.clone());
        }
        bind.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Value::from_serde(&bind.into())
    }

    async fn run(&self, mut query: QueryRequest, access: Access) -> Result<CursorBatch> {
        self.call.need_collection(&self.collection, access)?;
        if let Some(size) = self.number("batchSize").filter(|&size| size > 0) {
            query.batch_size = usize::try_from(size).unwrap_or(usize::MAX);
        }
        query.ttl_s = self.body.get("ttl").and_then(Json::as_f64).filter(|&ttl| ttl > 0.0).unwrap_or(query.ttl_s);
        self.call.backend().open_cursor(&self.call.cx, &self.call.database, query).await
    }

    /// `skip` and `limit` of the body as a `LIMIT`.
    fn limit(&self) -> String {
        match (self.number("skip").unwrap_or(0), self.number("limit")) {
            (0, None) => String::new(),
            (skip, limit) => format!(" LIMIT {skip}, {}", limit.unwrap_or(u64::from(u32::MAX))),
        }
    }

    async fn cursor(&self, head: &str, returned: &str, access: Access) -> Result<Reply> {
        let mut query = QueryRequest::new(format!("{head}{} RETURN {returned}", self.limit()), self.bind(&[]));
        query.count = true;
        cursor::reply(self.call, 201, &self.run(query, access).await?)
    }

    async fn all_keys(&self) -> Result<Reply> {
        let returned = match self.body.get("type").and_then(Json::as_str) {
            Some("id") => "d._id",
            Some("key") => "d._key",
            _ => {
                let path = format!("CONCAT('/_db/{}/_api/document/', d._id)", self.call.database.replace(['\\', '\''], ""));
                return self.cursor("FOR d IN @@collection", &path, Access::Read).await;
            }
        };
        self.cursor("FOR d IN @@collection", returned, Access::Read).await
    }

    async fn first_example(&self) -> Result<Reply> {
        let query = QueryRequest::new(format!("FOR d IN @@collection{} LIMIT 1 RETURN d", self.example()?), self.bind(&[]));
        let found = self.run(query, Access::Read).await?;
        match found.rows.first() {
            Some(document) => Ok(Reply::object(200, json!({"document": document.to_serde()}))),
            None => Err(Error::new(code::HTTP_NOT_FOUND, "no match")),
        }
    }

    async fn any(&self) -> Result<Reply> {
        let query = QueryRequest::new("FOR d IN @@collection SORT RAND() LIMIT 1 RETURN d", self.bind(&[]));
        let found = self.run(query, Access::Read).await?;
        Ok(Reply::object(200, json!({"document": found.rows.first().map(Value::to_serde)})))
    }

    async fn range(&self) -> Result<Reply> {
        let Some(attribute) = self.body.get("attribute").and_then(Json::as_str) else {
            return Err(Error::bad_parameter("expecting string for <attribute>"));
        };
        let bound = |name: &str| self.body.get(name).cloned().unwrap_or(Json::Null);
        let closed = self.body.get("closed").and_then(Json::as_bool).unwrap_or(false);
        let upper = if closed { "<=" } else { "<" };
        let text = format!("FOR d IN @@collection FILTER d.@a >= @l && d.@a {upper} @r SORT d.@a{} RETURN d", self.limit());
        let path: Vec<&str> = attribute.split('.').collect();
        let mut query = QueryRequest::new(text, self.bind(&[("a", path.into()), ("l", bound("left")), ("r", bound("right"))]));
        query.count = true;
        cursor::reply(self.call, 201, &self.run(query, Access::Read).await?)
    }

    async fn lookup_by_keys(&self) -> Result<Reply> {
        let bind = self.bind(&[("keys", self.keys()?.clone())]);
        let mut query = QueryRequest::new("FOR d IN @@collection FILTER d._key IN @keys RETURN d", bind);
        query.batch_size = usize::MAX;
        let found = self.run(query, Access::Read).await?;
        let documents: Vec<Json> = found.rows.iter().map(Value::to_serde).collect();
        Ok(Reply::object(200, json!({"documents": documents})))
    }

    async fn remove_by_keys(&self) -> Result<Reply> {
        let keys = self.keys()?.clone();
        let count = keys.as_array().map_or(0, Vec::len) as u64;
        let bind = self.bind(&[("keys", keys)]);
        let text = "FOR k IN @keys REMOVE k IN @@collection OPTIONS {ignoreErrors: true} RETURN OLD";
        let mut query = QueryRequest::new(text, bind);
        query.batch_size = usize::MAX;
        let found = self.run(query, Access::Write).await?;
        let old: Vec<Json> = found.rows.iter().map(Value::to_serde).filter(|old| !old.is_null()).collect();
        let removed = old.len() as u64;
        let mut out = json!({"removed": removed, "ignored": count.saturating_sub(removed)});
        let wants_old = self.body.get("options").and_then(|options| options.get("returnOld")).and_then(Json::as_bool) == Some(true);
        if wants_old {
            out["old"] = old.into();
        }
        Ok(Reply::object(200, out))
    }

    /// Changes every document like the example and answers with their number.
    async fn by_example(&self, change: &str, name: &str) -> Result<Reply> {
        let limit = self.number("limit").map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        let new_value = self.body.get("newValue").cloned().map(|value| ("newValue", value));
        let bind = self.bind(new_value.as_slice());
        let query = QueryRequest::new(format!("FOR d IN @@collection{}{limit} {change}", self.example()?), bind);
        let done = self.run(query, Access::Write).await?;
        let stats = done.extra.as_ref().and_then(|extra| extra.get("stats"));
        let count = stats.and_then(|stats| stats.get("writesExecuted")).cloned().unwrap_or(0.into());
        Ok(Reply::object(200, json!({name: count})))
    }
}
