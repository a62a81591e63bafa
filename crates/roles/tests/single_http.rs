//! The single server through its HTTP API, in one process on the memory engine: databases,
//! collections, documents, indexes, cursors, transactions, as a driver uses them.

use api::auth::Disabled;
use api::{Api, ApiOptions};
use roles::single::{Single, SingleOptions};
use rt::http::{Handler, Method, Request, Response};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use storage::{MemoryEngine, Storage, StorageOptions};

/// A server and what was last answered.
struct Server {
    single: Arc<Single>,
    api: Api,
}

impl Server {
    async fn start() -> Self {
        let options = StorageOptions::new(rt::clock::now_ms, || 7);
        let storage = Storage::open(Arc::new(MemoryEngine::default()), options).unwrap();
        let single = Single::new(storage, SingleOptions { threads: 4, ..SingleOptions::default() });
        single.bootstrap(None).await.unwrap();
        let api = Api::new(single.clone(), ApiOptions::default(), Arc::new(Disabled::default()));
        Self { single, api }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&'static str, &str)], body: &Json) -> (u16, Json, Response) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut request = Request::new(method, path, body);
        for (name, value) in headers {
            request.headers.insert(*name, value.parse().unwrap());
        }
        let response = self.api.handle(request).await;
        let json = serde_json::from_slice(&response.body).unwrap_or(Json::Null);
        (response.status, json, response)
    }

    async fn get(&self, path: &str) -> (u16, Json) {
        let (status, json, _) = self.send(Method::GET, path, &[], &Json::Null).await;
        (status, json)
    }

    async fn post(&self, path: &str, body: Json) -> (u16, Json) {
        let (status, json, _) = self.send(Method::POST, path, &[], &body).await;
        (status, json)
    }

    async fn put(&self, path: &str, body: Json) -> (u16, Json) {
        let (status, json, _) = self.send(Method::PUT, path, &[], &body).await;
        (status, json)
    }

    async fn delete(&self, path: &str) -> (u16, Json) {
        let (status, json, _) = self.send(Method::DELETE, path, &[], &Json::Null).await;
        (status, json)
    }

    async fn in_transaction(&self, id: &str, method: Method, path: &str, body: Json) -> (u16, Json) {
        let (status, json, _) = self.send(method, path, &[("x-arango-trx-id", id)], &body).await;
        (status, json)
    }

    /// The rows of a query.
    async fn query(&self, text: &str) -> Json {
        let (status, json) = self.post("/_api/cursor", json!({"query": text})).await;
        assert_eq!(status, 201, "{text}: {json}");
        json["result"].clone()
    }
}

/// Status and errorNum of a failed request.
fn fault((status, json): (u16, Json)) -> (u16, u64) {
    assert_eq!(json["error"], true, "{json}");
    (status, json["errorNum"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases() {
    let server = Server::start().await;
    let (status, current) = server.get("/_api/database/current").await;
    assert_eq!((status, &current["result"]["name"]), (200, &json!("_system")));
    assert_eq!(server.post("/_api/database", json!({"name": "shop"})).await.0, 201);
    assert_eq!(fault(server.post("/_api/database", json!({"name": "shop"})).await), (409, 1207));
    assert_eq!(fault(server.post("/_api/database", json!({"name": "1shop"})).await), (400, 1229));
    let (_, all) = server.get("/_api/database").await;
    let names: Vec<&str> = all["result"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
    assert!(names.contains(&"shop") && names.contains(&"_system"), "{names:?}");
    let (_, collections) = server.get("/_db/shop/_api/collection").await;
    let names: Vec<&str> = collections["result"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"_graphs") && !names.contains(&"_users"), "{names:?}");
    assert_eq!(server.delete("/_api/database/shop").await.0, 200);
    assert_eq!(fault(server.delete("/_api/database/shop").await), (404, 1228));
    assert_eq!(fault(server.get("/_db/shop/_api/collection").await), (404, 1228));
    assert_eq!(server.delete("/_api/database/_system").await.0, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collections() {
    let server = Server::start().await;
    let (status, made) = server.post("/_api/collection", json!({"name": "c", "keyOptions": {"type": "autoincrement"}})).await;
    assert_eq!((status, &made["type"], &made["status"]), (200, &json!(2), &json!(3)), "{made}");
    assert!(made["globallyUniqueId"].as_str().unwrap().starts_with('h'));
    assert_eq!(fault(server.post("/_api/collection", json!({"name": "c"})).await), (409, 1207));
    assert_eq!(fault(server.post("/_api/collection", json!({"name": "_c"})).await), (400, 1208));
    assert_eq!(fault(server.get("/_api/collection/nope/properties").await), (404, 1203));
    let (_, by_id) = server.get(&format!("/_api/collection/{}/properties", made["id"].as_str().unwrap())).await;
    assert_eq!(by_id["name"], "c");
    let (status, changed) = server.put("/_api/collection/c/properties", json!({"waitForSync": true})).await;
    assert_eq!((status, &changed["waitForSync"]), (200, &json!(true)));
    assert_eq!(server.post("/_api/document/c", json!({"a": 1})).await.1["_key"], "1");
    assert_eq!(server.post("/_api/document/c", json!({"a": 2})).await.1["_key"], "2");
    assert_eq!(server.get("/_api/collection/c/count").await.1["count"], 2);
    let (_, revision) = server.get("/_api/collection/c/revision").await;
    assert_ne!(revision["revision"], "0");
    let (_, checksum) = server.get("/_api/collection/c/checksum?withData=true").await;
    assert!(checksum["checksum"].is_string(), "{checksum}");
    let (status, _) = server.put("/_api/collection/c/rename", json!({"name": "d"})).await;
    assert_eq!(status, 200);
    assert_eq!(server.get("/_api/document/d/1").await.1["_id"], "d/1");
    assert_eq!(fault(server.get("/_api/collection/c/count").await), (404, 1203));
    assert_eq!(server.put("/_api/collection/d/truncate", Json::Null).await.0, 200);
    assert_eq!(server.get("/_api/collection/d/count").await.1["count"], 0);
    assert_eq!(server.delete("/_api/collection/d").await.0, 200);
    assert_eq!(fault(server.delete("/_api/collection/d").await), (404, 1203));
    assert_eq!(fault(server.delete("/_api/collection/_graphs").await), (403, 11));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents() {
    let server = Server::start().await;
    server.post("/_api/collection", json!({"name": "c"})).await;
    let (status, made) = server.post("/_api/document/c?returnNew=true", json!({"_key": "k", "a": {"b": 1}})).await;
    assert_eq!((status, &made["_id"], &made["new"]["a"]), (202, &json!("c/k"), &json!({"b": 1})), "{made}");
    assert_eq!(fault(server.post("/_api/document/c", json!({"_key": "k"})).await), (409, 1210));
    assert_eq!(fault(server.post("/_api/document/c", json!({"_key": "a b"})).await), (400, 1221));
    assert_eq!(fault(server.post("/_api/document/nope", json!({})).await), (404, 1203));
    let (_, read) = server.get("/_api/document/c/k").await;
    assert_eq!(read["_rev"], made["_rev"]);
    let (status, _, _) = server.send(Method::PATCH, "/_api/document/c/k", &[], &json!({"a": {"c": 2}})).await;
    assert_eq!(status, 202);
    assert_eq!(server.get("/_api/document/c/k").await.1["a"], json!({"b": 1, "c": 2}));
    let stale = made["_rev"].as_str().unwrap();
    let (status, json, _) = server.send(Method::PUT, "/_api/document/c/k", &[("if-match", stale)], &json!({"x": 1})).await;
    assert_eq!((status, &json["errorNum"]), (412, &json!(1200)), "{json}");
    let (status, many) = server.post("/_api/document/c", json!([{"_key": "m1"}, {"_key": "k"}, {"_key": "m2"}])).await;
    assert_eq!(status, 202);
    assert_eq!((&many[0]["_key"], &many[1]["errorNum"], &many[2]["_key"]), (&json!("m1"), &json!(1210), &json!("m2")));
    assert_eq!(server.get("/_api/collection/c/count").await.1["count"], 3);
    assert_eq!(server.delete("/_api/document/c/k").await.0, 202);
    assert_eq!(fault(server.delete("/_api/document/c/k").await), (404, 1202));
    let (status, synced) = server.post("/_api/document/c?waitForSync=true", json!({})).await;
    assert_eq!(status, 201, "{synced}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes() {
    let server = Server::start().await;
    server.post("/_api/collection", json!({"name": "c"})).await;
    for number in 0..100 {
        server.post("/_api/document/c", json!({"n": number, "half": number / 2})).await;
    }
    let definition = json!({"type": "persistent", "fields": ["n"], "unique": true});
    let (status, made) = server.post("/_api/index?collection=c", definition.clone()).await;
    assert_eq!((status, &made["isNewlyCreated"], &made["unique"]), (201, &json!(true), &json!(true)), "{made}");
    let (status, again) = server.post("/_api/index?collection=c", definition).await;
    assert_eq!((status, &again["isNewlyCreated"], &again["id"]), (200, &json!(false), &made["id"]));
    let violated = server.post("/_api/index?collection=c", json!({"type": "persistent", "fields": ["half"], "unique": true})).await;
    assert_eq!(fault(violated), (409, 1210));
    assert_eq!(fault(server.post("/_api/document/c", json!({"n": 5})).await), (409, 1210));
    let (_, all) = server.get("/_api/index?collection=c").await;
    assert_eq!(all["indexes"].as_array().unwrap().len(), 2, "{all}");
    let (_, plan) = server.post("/_api/explain", json!({"query": "FOR d IN c FILTER d.n == 7 RETURN d"})).await;
    let nodes: Vec<&str> = plan["plan"]["nodes"].as_array().unwrap().iter().filter_map(|node| node["type"].as_str()).collect();
    assert!(nodes.contains(&"IndexNode"), "{nodes:?}");
    assert_eq!(server.query("FOR d IN c FILTER d.n >= 97 SORT d.n RETURN d.n").await, json!([97, 98, 99]));
    let handle = made["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/_api/index/{handle}")).await.0, 200);
    assert_eq!(server.delete(&format!("/_api/index/{handle}")).await.0, 200);
    assert_eq!(fault(server.delete(&format!("/_api/index/{handle}")).await), (404, 1212));
    assert_eq!(fault(server.delete("/_api/index/c/0").await).0, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_expire() {
    let server = Server::start().await;
    server.post("/_api/collection", json!({"name": "c"})).await;
    let (status, made) = server.post("/_api/index?collection=c", json!({"type": "ttl", "fields": ["at"], "expireAfter": 10})).await;
    assert_eq!((status, &made["expireAfter"]), (201, &json!(10)), "{made}");
    let times = [json!(1000), json!("1970-01-01T00:16:40Z"), json!(5000), json!("2100-01-01"), json!(true), Json::Null];
    for (key, at) in times.iter().enumerate() {
        assert_eq!(server.post("/_api/document/c", json!({"_key": key.to_string(), "at": at})).await.0, 202);
    }
    let local = Arc::clone(server.single.local());
    let removed = tokio::task::spawn_blocking(move || {
        local.remove_expired(1010.0, &roles::local::expiry::ExpiryOptions::default(), &|_, _| true, &|| false)
    });
    assert_eq!(removed.await.unwrap().unwrap(), 2);
    assert_eq!(server.query("FOR d IN c SORT d._key RETURN d._key").await, json!(["2", "3", "4", "5"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors() {
    let server = Server::start().await;
    let (status, first) = server.post("/_api/cursor", json!({"query": "FOR i IN 1..5 RETURN i", "batchSize": 2, "count": true})).await;
    assert_eq!((status, &first["result"], &first["hasMore"], &first["count"]), (201, &json!([1, 2]), &json!(true), &json!(5)));
    let id = first["id"].as_str().unwrap();
    let (status, second) = server.post(&format!("/_api/cursor/{id}"), Json::Null).await;
    assert_eq!((status, &second["result"]), (200, &json!([3, 4])));
    let (_, last) = server.put(&format!("/_api/cursor/{id}"), Json::Null).await;
    assert_eq!((&last["result"], &last["hasMore"]), (&json!([5]), &json!(false)));
    assert_eq!(fault(server.post(&format!("/_api/cursor/{id}"), Json::Null).await), (404, 1600));
    let retry = json!({"query": "FOR i IN 1..3 RETURN i", "batchSize": 2, "options": {"allowRetry": true, "stream": true}});
    let (_, first) = server.post("/_api/cursor", retry).await;
    let (id, next) = (first["id"].as_str().unwrap(), first["nextBatchId"].as_str().unwrap());
    for _ in 0..2 {
        let (_, again) = server.post(&format!("/_api/cursor/{id}/{next}"), Json::Null).await;
        assert_eq!(again["result"], json!([3]), "{again}");
    }
    assert_eq!(server.delete(&format!("/_api/cursor/{id}")).await.0, 202);
    assert_eq!(fault(server.delete(&format!("/_api/cursor/{id}")).await), (404, 1600));
    assert_eq!(fault(server.post("/_api/cursor", json!({"query": "RETURN"})).await), (400, 1501));
    assert_eq!(fault(server.post("/_api/cursor", json!({"query": ""})).await), (400, 1502));
    assert_eq!(fault(server.post("/_api/cursor", json!({"query": "FOR d IN nope RETURN d"})).await), (404, 1203));
    let memory = json!({"query": "FOR i IN 1..100000 RETURN CONCAT('xxxxxxxxxxxxxxxxxxxxx', i)", "memoryLimit": 100_000});
    assert_eq!(fault(server.post("/_api/cursor", memory).await), (500, 32));
    assert!(server.single.queries().cursors().is_empty());
    assert!(server.single.queries().running().list(None).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modifications_by_query_are_one_transaction() {
    let server = Server::start().await;
    server.post("/_api/collection", json!({"name": "c"})).await;
    let (status, inserted) =
        server.post("/_api/cursor", json!({"query": "FOR i IN 1..10 INSERT {_key: TO_STRING(i), i} INTO c RETURN NEW.i"})).await;
    assert_eq!((status, inserted["result"].as_array().unwrap().len()), (201, 10), "{inserted}");
    assert_eq!(inserted["extra"]["stats"]["writesExecuted"], 10);
    let failed =
        server.post("/_api/cursor", json!({"query": "FOR i IN 5..11 LET key = TO_STRING(16 - i) INSERT {_key: key} INTO c"})).await;
    assert_eq!(fault(failed), (409, 1210));
    assert_eq!(server.query("RETURN LENGTH(c)").await, json!([10]));
    server.query("FOR d IN c FILTER d.i > 5 UPDATE d WITH {big: true} IN c").await;
    assert_eq!(server.query("RETURN LENGTH(FOR d IN c FILTER d.big RETURN 1)").await, json!([5]));
    server.query("FOR d IN c FILTER d.big REMOVE d IN c").await;
    assert_eq!(server.get("/_api/collection/c/count").await.1["count"], 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions() {
    let server = Server::start().await;
    server.post("/_api/collection", json!({"name": "c"})).await;
    server.post("/_api/collection", json!({"name": "other"})).await;
    let begin = json!({"collections": {"write": ["c"]}});
    let (status, begun) = server.post("/_api/transaction/begin", begin.clone()).await;
    assert_eq!((status, &begun["result"]["status"]), (201, &json!("running")), "{begun}");
    let id = begun["result"]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.in_transaction(&id, Method::POST, "/_api/document/c", json!({"_key": "a"})).await.0, 202);
    assert_eq!(server.in_transaction(&id, Method::GET, "/_api/document/c/a", Json::Null).await.0, 200);
    assert_eq!(fault(server.get("/_api/document/c/a").await), (404, 1202));
    let inserted = server.in_transaction(&id, Method::POST, "/_api/cursor", json!({"query": "INSERT {_key: 'b'} INTO c"})).await;
    assert_eq!(inserted.0, 201, "{}", inserted.1);
    let (_, counted) = server.in_transaction(&id, Method::GET, "/_api/collection/c/count", Json::Null).await;
    assert_eq!(counted["count"], 2, "{counted}");
    let undeclared = server.in_transaction(&id, Method::POST, "/_api/document/other", json!({})).await;
    assert_eq!(fault(undeclared), (400, 1652));
    let (_, listed) = server.get("/_api/transaction").await;
    assert_eq!(listed["transactions"].as_array().unwrap().len(), 1, "{listed}");
    let (status, committed) = server.put(&format!("/_api/transaction/{id}"), Json::Null).await;
    assert_eq!((status, &committed["result"]["status"]), (200, &json!("committed")));
    assert_eq!(server.put(&format!("/_api/transaction/{id}"), Json::Null).await.0, 200);
    assert_eq!(server.get("/_api/collection/c/count").await.1["count"], 2);

    let (_, begun) = server.post("/_api/transaction/begin", begin).await;
    let id = begun["result"]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.in_transaction(&id, Method::DELETE, "/_api/document/c/a", Json::Null).await.0, 202);
    assert_eq!(server.delete(&format!("/_api/transaction/{id}")).await.0, 200);
    assert_eq!(server.get("/_api/document/c/a").await.0, 200);
    let over = server.in_transaction(&id, Method::GET, "/_api/document/c/a", Json::Null).await;
    assert_eq!(fault(over), (410, 1654));
    assert_eq!(fault(server.get("/_api/transaction/123").await), (404, 1655));
    assert_eq!(fault(server.post("/_api/transaction/begin", json!({"collections": {"write": ["nope"]}})).await), (404, 1203));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphs() {
    let server = Server::start().await;
    server.post("/_api/collection", json!({"name": "v"})).await;
    server.post("/_api/collection", json!({"name": "e", "type": 3})).await;
    for key in ["a", "b", "c"] {
        server.post("/_api/document/v", json!({"_key": key})).await;
    }
    for (from, to) in [("a", "b"), ("b", "c")] {
        let edge = json!({"_from": format!("v/{from}"), "_to": format!("v/{to}")});
        assert_eq!(server.post("/_api/document/e", edge).await.0, 202);
    }
    assert_eq!(fault(server.post("/_api/document/e", json!({"_from": "x"})).await), (400, 1233));
    assert_eq!(server.query("FOR v IN 1..2 OUTBOUND 'v/a' e RETURN v._key").await, json!(["b", "c"]));
    let graph = json!({"_key": "g", "edgeDefinitions": [{"collection": "e", "from": ["v"], "to": ["v"]}], "orphanCollections": []});
    assert_eq!(server.post("/_api/document/_graphs", graph).await.0, 202);
    assert_eq!(server.query("FOR v IN 1..1 INBOUND 'v/c' GRAPH 'g' RETURN v._key").await, json!(["b"]));
    assert_eq!(fault(server.delete("/_api/collection/e").await).1, 1942);
    server.put("/_api/collection/v/rename", json!({"name": "w"})).await;
    let (_, renamed) = server.get("/_api/document/_graphs/g").await;
    assert_eq!(renamed["edgeDefinitions"][0]["from"], json!(["w"]));
}
