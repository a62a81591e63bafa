//! Requests as drivers send them and answers as ArangoDB gives them, through the whole API, on a
//! scripted backend.

use crate::auth::users::User;
use crate::auth::{Accounts, Secrets, ServersOnly};
use crate::testing::{REV, Script, api, api_with, ask, send};
use crate::{Api, ApiOptions, Guard};
use async_trait::async_trait;
use database::Backend;
use database::backend::Role;
use database::cluster::ClusterRequest;
use database::document::{Operation, OverwriteMode};
use rt::http::{Handler, Method, Request, Response};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use velocypack::Value;

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

fn error(status: u16, number: u32, message: &str) -> (u16, Json) {
    (status, json!({"code": status, "error": true, "errorMessage": message, "errorNum": number}))
}

#[tokio::test]
async fn the_first_requests_of_drivers() {
    let (_, api) = api();
    let version = json!({"server": "arango", "license": "community", "version": "3.12.6"});
    assert_eq!(ask(&api, GET, "/_api/version", "").await, (200, version.clone()));
    assert_eq!(ask(&api, GET, "/_db/d/_arango/v0/_api/version?details=undefined", "").await, (200, version));
    let (_, details) = ask(&api, GET, "/_api/version?details=True", "").await;
    assert_eq!((&details["details"]["role"], &details["details"]["v8-version"]), (&json!("SINGLE"), &json!("none")));
    let root = send(&api, GET, "/", &[], "").await;
    assert_eq!((root.status, root.header("server")), (302, Some("ArangoDB")));
    assert_eq!(root.header("location"), Some("/_db/_system/_admin/aardvark/index.html"));
    assert_eq!(ask(&api, GET, "/_api/user/", "").await.0, 200);
    for list in ["/_api/tasks", "/_api/foxx?excludeSystem=False"] {
        assert_eq!(ask(&api, GET, list, "").await, (200, json!([])), "{list}");
    }
    let (status, role) = ask(&api, GET, "/_admin/server/role", "").await;
    let expected = json!({"error": false, "code": 200, "errorNum": 0, "role": "SINGLE", "mode": "default"});
    assert_eq!((status, role), (200, expected));
    assert_eq!(ask(&api, GET, "/_api/cluster/endpoints", "").await.0, 501);
    assert_eq!(ask(&api, GET, "/_admin/status", "").await.1["serverInfo"]["role"], "SINGLE");
    assert_eq!(ask(&api, GET, "/_admin/server/id", "").await.0, 500);
    assert_eq!(ask(&api, GET, "/_admin/server/availability", "").await, (200, json!({"mode": "default", "error": false, "code": 200})));
}

#[tokio::test]
async fn unknown_things() {
    let (_, api) = api();
    for path in ["/_api/nothing", "/_db/d/_api/nothing"] {
        assert_eq!(ask(&api, GET, path, "").await, error(404, 404, "unknown path '/_api/nothing'"));
    }
    assert_eq!(ask(&api, GET, "/_db/unknown/_api/version", "").await, error(404, 1228, "database not found"));
    assert_eq!(ask(&api, PATCH, "/_api/version", "").await, error(405, 405, "method not supported"));
    let (status, body) = ask(&api, POST, "/_api/document/c", "{1: 2}").await;
    assert_eq!((status, &body["errorNum"]), (400, &json!(600)));
    assert!(body["errorMessage"].as_str().unwrap().starts_with("VPackError error: "), "{body}");
    assert_eq!(send(&api, Method::OPTIONS, "/_api/x", &[], "").await.status, 200);
}

#[tokio::test]
async fn cross_origin_requests() {
    let (_, api) = api();
    let answer = send(&api, Method::OPTIONS, "/", &[("origin", "http://a"), ("access-control-request-headers", "x-y")], "").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://a"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-y"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("false"));
    assert_eq!(answer.header("allow"), Some("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"));
}

#[tokio::test]
async fn a_document_is_written_and_read() {
    let (script, api) = api();
    let rev = REV.encode();
    let made = send(&api, POST, "/_api/document/c?waitForSync=true", &[], "{\"_key\":\"k\",\"a\":1}").await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body, format!("{{\"_id\":\"c/k\",\"_key\":\"k\",\"_rev\":\"{rev}\"}}"));
    assert_eq!(made.header("etag"), Some(format!("\"{rev}\"").as_str()));
    assert_eq!(made.header("location"), Some("/_db/_system/_api/document/c/k"));
    assert_eq!(made.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(made.header("x-arango-queue-time-seconds"), Some("0.000000"));
    let read = send(&api, GET, "/_api/document/c/k", &[], "").await;
    assert_eq!(serde_json::from_slice::<Json>(&read.body).unwrap(), json!({"_key": "k", "_id": "c/k", "_rev": rev, "a": 1}));
    for seen in [rev.clone(), format!("\"{rev}\"")] {
        let unchanged = send(&api, GET, "/_api/document/c/k", &[("if-none-match", &seen)], "").await;
        assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    }
    assert_eq!(ask(&api, GET, "/_api/document/c/missing", "").await, error(404, 1202, "document not found"));
    let silent = send(&api, POST, "/_api/document/c?silent=true", &[], "{}").await;
    assert_eq!((silent.status, silent.body.as_ref()), (202, b"{}".as_slice()));
    let options = script.requests.lock()[0].1.options.clone();
    assert_eq!((options.wait_for_sync, options.overwrite_mode, options.ignore_revs), (Some(true), OverwriteMode::Conflict, true));
}

#[tokio::test]
async fn the_key_of_the_path_wins_and_preconditions_are_passed_on() {
    let (script, api) = api();
    let rev = REV.encode();
    let path = "/_api/document/c/k?keepNull=false&mergeObjects=false&returnOld=1";
    let changed = send(&api, PATCH, path, &[("if-match", &rev)], "{\"_key\":\"other\",\"a\":null}").await;
    assert_eq!(changed.status, 202);
    assert!(serde_json::from_slice::<Json>(&changed.body).unwrap()["_oldRev"].is_string());
    let (_, request) = script.requests.lock().pop().unwrap();
    assert_eq!((request.operation, request.documents[0].to_json()), (Operation::Update, "{\"_key\":\"k\",\"a\":null}".to_owned()));
    assert_eq!((request.options.if_match, request.options.keep_null, request.options.merge_objects), (Some(REV), false, false));
    assert_eq!(ask(&api, PUT, "/_api/document/c/k", "[]").await.1["errorNum"], 1227);
    assert_eq!(ask(&api, DELETE, "/_api/document/c/k", "").await.0, 202);
}

#[tokio::test]
async fn arrays_of_documents() {
    let (script, api) = api();
    let answer = send(&api, POST, "/_api/document/c?overwriteMode=ignore", &[], "[{\"_key\":\"taken\"},{\"_key\":\"k\"}]").await;
    assert_eq!((answer.status, answer.header("x-arango-error-codes")), (202, Some("{\"1210\":1}")));
    let body: Json = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body[0], json!({"error": true, "errorNum": 1210, "errorMessage": "unique constraint violated"}));
    assert_eq!(body[1], json!({"_id": "c/k", "_key": "k", "_rev": REV.encode()}));
    assert_eq!(ask(&api, POST, "/_api/document/c?silent=true", "[{\"_key\":\"k\"}]").await, (202, json!({})));
    let (_, failures) = ask(&api, POST, "/_api/document/c?silent=true", "[{\"_key\":\"k\"},{\"_key\":\"taken\"}]").await;
    assert_eq!(failures.as_array().unwrap().len(), 1);
    assert_eq!(ask(&api, POST, "/_api/document/c", "[]").await, (202, json!([])));
    let (status, read) = ask(&api, PUT, "/_api/document/c?onlyget=true", "[\"k\",{\"_key\":\"missing\"}]").await;
    assert_eq!((status, &read[0]["_id"], &read[1]["errorNum"]), (200, &json!("c/k"), &json!(1202)));
    let (status, removed) = ask(&api, DELETE, "/_api/document/c?waitForSync=true", "[\"k\"]").await;
    assert_eq!((status, &removed[0]["_key"]), (200, &json!("k")));
    assert_eq!(ask(&api, DELETE, "/_api/document/c?waitForSync=true", "[\"missing\"]").await.0, 202);
    assert_eq!(ask(&api, DELETE, "/_api/document/c", "{\"_key\":\"k\"}").await.1["_key"], "k");
    assert_eq!(script.requests.lock().len(), 8);
}

#[tokio::test]
async fn velocypack_in_and_out() {
    let (_, api) = api();
    let mut request = Request::new(POST, "/_api/document/c", Value::parse_json(b"{\"_key\":\"v\"}").unwrap().as_bytes().to_vec());
    for name in ["content-type", "accept"] {
        request.headers.insert(name, "application/x-velocypack".parse().unwrap());
    }
    let answer = api.handle(request).await;
    assert_eq!((answer.status, answer.header("content-type")), (202, Some("application/x-velocypack")));
    let body = Value::from_bytes(&answer.body).unwrap();
    assert_eq!(body.as_slice().get("_id").and_then(|id| id.as_str()), Some("c/v"));
}

#[tokio::test]
async fn collections() {
    let (script, api) = api();
    let (status, made) = ask(&api, POST, "/_api/collection", "{\"name\":\"c\",\"type\":3}").await;
    assert_eq!(status, 200);
    let expected = json!({"error": false, "code": 200, "id": "7", "name": "c", "status": 3, "type": 3, "isSystem": false,
        "globallyUniqueId": "c", "statusString": "loaded", "waitForSync": false, "writeConcern": 1, "schema": null,
        "computedValues": null, "keyOptions": {"type": "traditional", "allowUserKeys": true, "lastValue": 0}, "cacheEnabled": false,
        "syncByRevision": true, "usesRevisionsAsDocumentIds": true, "isSmartChild": false, "internalValidatorType": 0, "objectId": "7"});
    assert_eq!(made, expected);
    assert_eq!(ask(&api, POST, "/_api/collection", "{}").await.1["errorNum"], 1208);
    script.add_collection(json!({"id": "8", "name": "_s", "isSystem": true}));
    script.add_collection(
        json!({"id": "9", "name": "c", "shards": {"s2": ["B", "A"], "s1": ["A"]}, "numberOfShards": 2, "replicationFactor": 0}),
    );
    let (_, list) = ask(&api, GET, "/_api/collection?excludeSystem=true", "").await;
    let basics = json!({"id": "9", "name": "c", "status": 3, "type": 2, "isSystem": false, "globallyUniqueId": "c"});
    assert_eq!(list, json!({"error": false, "code": 200, "result": [basics]}));
    let counted = send(&api, GET, "/_api/collection/c/count", &[], "").await;
    assert_eq!(counted.header("location"), Some("/_db/_system/_api/collection/c/count"));
    let counted: Json = serde_json::from_slice(&counted.body).unwrap();
    assert_eq!(
        (&counted["count"], &counted["replicationFactor"], &counted["shardKeys"]),
        (&json!(3), &json!("satellite"), &json!(["_key"]))
    );
    assert_eq!(ask(&api, GET, "/_api/collection/c/shards", "").await.1["shards"], json!(["s1", "s2"]));
    assert_eq!(ask(&api, GET, "/_api/collection/9/shards?details=true", "").await.1["shards"]["s2"], json!(["B", "A"]));
    assert_eq!(ask(&api, GET, "/_api/collection/c/revision", "").await.1["revision"], "0");
    assert_eq!(ask(&api, PUT, "/_api/collection/c/truncate", "").await.1["name"], "c");
    assert_eq!(ask(&api, DELETE, "/_api/collection/c", "").await, (200, json!({"error": false, "code": 200, "id": "9"})));
    assert_eq!(ask(&api, GET, "/_api/collection/x", "").await, error(404, 1203, "collection or view not found: x"));
}

#[tokio::test]
async fn indexes() {
    let (script, api) = api();
    script.add_collection(
        json!({"id": "9", "name": "c", "indexes": [{"id": "0", "type": "primary", "name": "primary", "fields": ["_key"], "unique": true},
        {"id": "5", "type": "ttl", "name": "t", "fields": ["at"], "sparse": true, "expireAfter": 3600.0}]}),
    );
    let (status, made) = ask(&api, POST, "/_api/index?collection=c", "{\"type\":\"persistent\",\"fields\":[\"a\",\"b\"]}").await;
    let expected = json!({"error": false, "code": 201, "fields": ["a", "b"], "id": "c/9", "isNewlyCreated": true, "name": "idx_9",
        "sparse": false, "type": "persistent", "unique": false, "deduplicate": true, "estimates": true, "cacheEnabled": false});
    assert_eq!((status, made), (201, expected));
    let (_, listed) = ask(&api, GET, "/_api/index?collection=c", "").await;
    let primary = json!({"fields": ["_key"], "id": "c/0", "name": "primary", "selectivityEstimate": 1, "sparse": false, "type": "primary", "unique": true});
    assert_eq!((&listed["indexes"][0], &listed["identifiers"]["c/0"]), (&primary, &primary));
    assert_eq!(listed["indexes"][1]["expireAfter"], 3600);
    assert_eq!(ask(&api, GET, "/_api/index/c/primary", "").await.1["id"], "c/0");
    assert_eq!(ask(&api, GET, "/_api/index/c/77", "").await, error(404, 1212, "index not found"));
    assert_eq!(ask(&api, DELETE, "/_api/index/c/5", "").await, (200, json!({"error": false, "code": 200, "id": "c/5"})));
}

#[tokio::test]
async fn cursors() {
    let (script, api) = api();
    script.rows(vec![Value::int(1), Value::string("two")]);
    let body = "{\"query\":\"RETURN 1\",\"count\":true,\"batchSize\":2,\"ttl\":5,\"bindVars\":{\"a\":1},\"memoryLimit\":7,\
        \"options\":{\"fullCount\":true,\"profile\":2,\"allowRetry\":true,\"optimizer\":{\"rules\":[\"-all\"]}}}";
    let answer = send(&api, POST, "/_api/cursor", &[], body).await;
    let expected = "{\"result\":[1,\"two\"],\"hasMore\":false,\"count\":2,\"extra\":{\"warnings\":[],\"stats\":{\"writesExecuted\":2}},\
        \"cached\":false,\"error\":false,\"code\":201}";
    assert_eq!((answer.status, std::str::from_utf8(&answer.body).unwrap()), (201, expected));
    let query = script.queries.lock().pop().unwrap();
    assert_eq!((query.batch_size, query.ttl_s, query.memory_limit, query.profile), (2, 5.0, 7, 2));
    assert!(query.count && query.full_count && query.allow_retry && !query.stream);
    assert_eq!((query.bind_vars.to_json(), query.optimizer_rules), ("{\"a\":1}".to_owned(), vec!["-all".to_owned()]));
    for method in [POST, PUT] {
        let (status, next) = ask(&api, method, "/_api/cursor/5", "").await;
        assert_eq!((status, &next["result"], &next["id"], &next["hasMore"]), (200, &json!([3]), &json!("5"), &json!(true)));
    }
    assert_eq!(ask(&api, POST, "/_api/cursor/5/2", "").await.1["nextBatchId"], "3");
    assert_eq!(ask(&api, DELETE, "/_api/cursor/5", "").await, (202, json!({"error": false, "code": 202, "id": "5"})));
    assert_eq!(ask(&api, PUT, "/_api/cursor/123", "").await, error(404, 1600, "cursor not found"));
    assert_eq!(ask(&api, PUT, "/_api/cursor", "").await, error(400, 400, "expecting POST /_api/cursor/<cursor-id>"));
    assert_eq!(ask(&api, POST, "/_api/cursor", "").await, error(400, 1502, "query is empty"));
    assert_eq!(ask(&api, POST, "/_api/cursor", "{\"query\":\"RETURN 1\",\"batchSize\":0}").await.0, 400);
}

#[tokio::test]
async fn explain_and_parse() {
    let (_, api) = api();
    let (status, explained) = ask(&api, POST, "/_api/explain", "{\"query\":\"RETURN 1\"}").await;
    assert_eq!(
        (status, &explained["plan"]["nodes"], &explained["cacheable"], &explained["code"]),
        (200, &json!([]), &json!(true), &json!(200))
    );
    let (status, parsed) = ask(&api, POST, "/_api/query", "{\"query\":\"RETURN 1\"}").await;
    assert_eq!((status, &parsed["parsed"], &parsed["bindVars"]), (200, &json!(true), &json!([])));
}

#[tokio::test]
async fn transactions() {
    let (_, api) = api();
    let (status, begun) = ask(&api, POST, "/_api/transaction/begin", "{\"collections\":{\"write\":\"c\",\"read\":[\"d\"]}}").await;
    assert_eq!((status, &begun["result"]), (201, &json!({"id": "11", "status": "running"})));
    assert_eq!(ask(&api, PUT, "/_api/transaction/11", "").await.1["result"]["status"], "committed");
    assert_eq!(ask(&api, DELETE, "/_api/transaction/11", "").await.1["result"]["status"], "aborted");
    assert_eq!(ask(&api, GET, "/_api/transaction", "").await, (200, json!({"transactions": [{"id": "11", "state": "running"}]})));
    assert_eq!(ask(&api, GET, "/_api/transaction/12", "").await.1["errorNum"], 1655);
    assert_eq!(ask(&api, POST, "/_api/transaction/begin", "{}").await.0, 400);
    assert_eq!(send(&api, GET, "/_api/document/c/k", &[("x-arango-trx-id", "abc")], "").await.status, 400);
}

#[tokio::test]
async fn imports() {
    let (script, api) = api();
    script.add_collection(json!({"id": "9", "name": "c"}));
    script.add_collection(json!({"id": "10", "name": "e", "type": 3}));
    let lines = "{\"_key\":\"k\"}\n\n{\"_key\":\"taken\",\"a\":1}\n{\n";
    let (status, report) = ask(&api, POST, "/_api/import?collection=c&type=documents&details=true", lines).await;
    assert_eq!((status, &report["created"], &report["errors"], &report["empty"]), (201, &json!(1), &json!(2), &json!(1)));
    let details = report["details"].as_array().unwrap();
    let unique =
        "at position 1: creating document failed with error 'unique constraint violated', offending document: {\"_key\":\"taken\",\"a\":1}";
    assert!(details.contains(&json!(unique)), "{details:?}");
    let edges = "[\"_from\",\"_to\"]\n[\"1\",\"v/2\"]\n";
    assert_eq!(ask(&api, POST, "/_api/import?collection=e&fromPrefix=v&toPrefix=w", edges).await.1["created"], 1);
    let sent = script.requests.lock().pop().unwrap().1.documents;
    assert_eq!(sent[0].to_serde(), json!({"_from": "v/1", "_to": "v/2"}));
    let (_, missing) = ask(&api, POST, "/_api/import?collection=e&type=list&details=true", "[{\"name\":\"some name\"}]").await;
    let expected = "at position 1: missing '_from' or '_to' attribute, offending document: {\"name\":\"some name\"}";
    assert_eq!(missing["details"], json!([expected]));
    let failed = ask(&api, POST, "/_api/import?collection=c&type=documents&complete=true", "{\"_key\":\"taken\"}\n").await;
    assert_eq!(failed, error(409, 1210, "unique constraint violated"));
    assert_eq!(ask(&api, POST, "/_api/import?collection=x&type=documents", "{}").await.0, 404);
}

#[tokio::test]
async fn the_cluster() {
    let (script, api) = api();
    *script.role.lock() = Role::Coordinator;
    let replace = "{\"primary\":\"DBServer001\",\"oldSecondary\":\"none\",\"newSecondary\":\"Secondary001\"}";
    let path = "/_admin/cluster/replaceSecondary";
    assert_eq!(ask(&api, PUT, path, replace).await, (200, json!({"error": false, "code": 200})));
    let expected = ClusterRequest::ReplaceSecondary {
        primary: "DBServer001".into(),
        old_secondary: "none".into(),
        new_secondary: "Secondary001".into(),
    };
    assert_eq!(script.cluster_requests.lock().pop(), Some(expected));
    assert_eq!(ask(&api, PUT, path, "{}").await.0, 400);
    assert_eq!(ask(&api, POST, path, replace).await.0, 403);
    assert_eq!(ask(&api, GET, "/_admin/cluster/getSecondary", "").await.0, 400);
    assert_eq!(ask(&api, POST, "/_admin/cluster/cleanOutServer", "\"DBServer001\"").await.0, 202);
    assert_eq!(ask(&api, PUT, "/_admin/cluster/maintenance", "\"on\"").await.0, 200);
    assert_eq!(script.cluster_requests.lock().pop(), Some(ClusterRequest::Maintenance(Some(3600))));
    assert_eq!(ask(&api, GET, "/_admin/cluster/health", "").await.0, 200);
    assert_eq!(ask(&api, POST, "/_admin/cluster/health", "").await.0, 405);
    assert_eq!(ask(&api, GET, "/_admin/server/id", "").await.1["id"], "CRDN-1");
    *script.available.lock() = false;
    assert_eq!(ask(&api, GET, "/_admin/server/availability", "").await.0, 503);
}

#[tokio::test]
async fn asynchronous_requests() {
    let (_, api) = api();
    assert_eq!(send(&api, GET, "/_api/version", &[("x-arango-async", "true")], "").await.status, 202);
    let stored = send(&api, GET, "/_api/version", &[("x-arango-async", "store")], "").await;
    let id = stored.header("x-arango-async-id").unwrap().to_owned();
    assert_eq!((stored.status, stored.body.len()), (202, 0));
    let path = format!("/_api/job/{id}");
    while send(&api, GET, &path, &[], "").await.status != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&api, GET, "/_api/job/done", "").await, (200, json!([id])));
    let fetched = send(&api, PUT, &path, &[], "").await;
    assert_eq!((fetched.status, fetched.header("x-arango-async-id")), (200, Some(id.as_str())));
    assert!(fetched.body.starts_with(b"{\"server\":\"arango\""));
    assert_eq!(ask(&api, PUT, &path, "").await, error(404, 404, "not found"));
    assert_eq!(ask(&api, PUT, "/_api/job", "").await, error(400, 400, "bad parameter"));
}

fn secured() -> (Arc<Script>, Api) {
    let script = Arc::new(Script::default());
    let backend = || Arc::clone(&script) as Arc<dyn Backend>;
    let mut user = User::new("anna", "secret").unwrap();
    let mut grants = user.grants();
    grants.set_database("d", Some(database::context::Access::Write));
    grants.set_collection("d", "*", Some(database::context::Access::Read));
    user.set_grants(&grants);
    script.rows(vec![Value::from_serde(&user.document())]);
    let accounts = Accounts::new(backend(), Secrets::random());
    let api = Api::new(backend(), ApiOptions::default(), Arc::new(accounts));
    (script, api)
}

#[tokio::test]
async fn rights() {
    let (_, api) = secured();
    // anna:secret
    let anna = [("authorization", "Basic YW5uYTpzZWNyZXQ=")];
    let status = async |method: Method, path: &str| send(&api, method, path, &anna, "{}").await.status;
    let refused = send(&api, GET, "/_db/d/_api/collection", &[], "").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer token_type=\"JWT\", realm=\"ArangoDB\""));
    let body: Json = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((&body["errorNum"], &body["errorMessage"]), (&json!(11), &json!("not authorized to execute this request")));
    let quiet = send(&api, GET, "/_db/d/_api/collection", &[("x-omit-www-authenticate", "true")], "").await;
    assert_eq!(quiet.header("www-authenticate"), None);
    assert_eq!(send(&api, GET, "/_admin/server/availability", &[], "").await.status, 200);
    assert_eq!(send(&api, GET, "/_admin/aardvark/index.html", &[], "").await.status, 200);
    assert_eq!(status(GET, "/_db/d/_api/document/c/k").await, 200);
    assert_eq!(status(POST, "/_db/d/_api/document/c").await, 403);
    assert_eq!(status(GET, "/_db/_system/_api/document/c/k").await, 401);
    assert_eq!(status(GET, "/_api/user").await, 403);
    assert_eq!(status(GET, "/_api/user/anna").await, 200);
    let query = send(&api, POST, "/_db/d/_api/cursor", &anna, "{\"query\":\"FOR d IN secret REMOVE d IN secret\"}").await;
    assert_eq!(query.status, 403);
}

#[tokio::test]
async fn logging_in() {
    let (_, api) = secured();
    let (status, answer) = ask(&api, POST, "/_open/auth", "{\"username\":\"anna\",\"password\":\"secret\"}").await;
    assert_eq!(status, 200);
    let bearer = format!("bearer {}", answer["jwt"].as_str().unwrap());
    assert_eq!(send(&api, GET, "/_db/d/_api/document/c/k", &[("authorization", &bearer)], "").await.status, 200);
    let wrong = ask(&api, POST, "/_open/auth", "{\"username\":\"anna\",\"password\":\"x\"}").await;
    assert_eq!(wrong, error(401, 401, "Wrong credentials"));
    assert_eq!(ask(&api, POST, "/_open/auth", "{}").await.0, 400);
    let who = send(&api, GET, "/_admin/aardvark/whoAmI", &[("authorization", &bearer)], "").await;
    assert_eq!(who.body, "{\"user\":\"anna\"}");
}

struct Mounted;

#[async_trait]
impl Handler for Mounted {
    async fn handle(&self, request: Request) -> Response {
        Response::new(200).with_body("text/plain", request.path)
    }
}

#[tokio::test]
async fn mounted_handlers_are_guarded() {
    let secrets = Secrets::random();
    let (_, api) = api_with(Arc::new(ServersOnly::new(secrets.clone())));
    let api = api.mount("/_api/agency", Guard::Superuser, Arc::new(Mounted)).mount("/open", Guard::Open, Arc::new(Mounted));
    assert_eq!(send(&api, POST, "/_api/agency/read", &[], "").await.status, 401);
    assert_eq!(send(&api, GET, "/open", &[], "").await.status, 200);
    let bearer = format!("Bearer {}", secrets.server_token("A").unwrap());
    let answer = send(&api, POST, "/_api/agency/read", &[("authorization", &bearer)], "").await;
    assert_eq!((answer.status, answer.body.as_ref()), (200, b"/_api/agency/read".as_slice()));
    assert_eq!(send(&api, GET, "/_api/agencyx", &[("authorization", &bearer)], "").await.status, 404);
}

#[tokio::test]
async fn metrics_and_statistics() {
    let (_, api) = api();
    let metrics = send(&api, GET, "/_admin/metrics/v2", &[], "").await;
    let text = std::str::from_utf8(&metrics.body).unwrap();
    assert!(text.contains("arangodb_http_request_statistics_total_requests_total{role=\"SINGLE\"} "), "{text}");
    assert!(text.contains("arangodb_process_statistics_resident_set_size{role=\"SINGLE\"} "));
    let (status, statistics) = ask(&api, GET, "/_admin/statistics", "").await;
    assert_eq!((status, statistics["client"]["totalTime"]["counts"].as_array().unwrap().len()), (200, 10));
    assert_eq!(ask(&api, GET, "/_admin/time", "").await.0, 200);
    assert_eq!(ask(&api, POST, "/_admin/echo/x?a=1", "body").await.1["requestBody"], "body");
}

#[tokio::test]
async fn a_read_only_server_refuses_writes() {
    let (_, api) = api_with(Arc::new(Everybody));
    assert_eq!(ask(&api, PUT, "/_admin/server/mode", "{\"mode\":\"readonly\"}").await.1["mode"], "readonly");
    assert_eq!(ask(&api, POST, "/_api/document/c", "{}").await, error(403, 1004, "read only"));
    assert_eq!(ask(&api, GET, "/_api/document/c/k", "").await.0, 200);
    assert_eq!(ask(&api, PUT, "/_admin/server/mode", "{\"mode\":\"default\"}").await.1["mode"], "default");
    assert_eq!(ask(&api, POST, "/_api/document/c", "{}").await.0, 202);
}

/// Everybody is root without being a server of the cluster.
struct Everybody;

#[async_trait]
impl crate::auth::Authenticator for Everybody {
    fn is_on(&self) -> bool {
        true
    }
    async fn identify(&self, _authorization: Option<&str>) -> Result<crate::auth::Identity, crate::auth::Refusal> {
        let grants = Arc::new(User::root("")?.grants());
        Ok(crate::auth::Identity { user: "root".into(), superuser: false, grants, allowed_paths: None })
    }
    async fn open_session(&self, _user: &str, _password: &str, _lifetime_s: Option<f64>) -> base::Result<String> {
        Err(base::Error::from(base::code::FORBIDDEN))
    }
    fn renew_session(&self, _user: &str) -> base::Result<String> {
        Err(base::Error::from(base::code::FORBIDDEN))
    }
    fn forget(&self) {}
}
