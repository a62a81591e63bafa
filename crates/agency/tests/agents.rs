//! Three agents in one process over loopback HTTP: election, writes, failover, restart, snapshots.

use agency::server::{Agent, AgentOptions};
use agency::{AgencyCache, AgencyClient, Outcome, Transaction};
use rt::endpoint::Endpoint;
use rt::http::{Bytes, Client, ClientOptions, HeaderMap, Listener, Method, Response, ServerOptions, bind, serve};
use rt::shutdown::Shutdown;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

fn http() -> Client {
    Client::new(ClientOptions::default())
}

/// A running agent with its HTTP server.
struct Running {
    agent: Agent,
    shutdown: Shutdown,
    server: tokio::task::JoinHandle<()>,
    endpoint: Endpoint,
}

impl Running {
    async fn start(
        directory: &Path,
        listener: Listener,
        endpoint: &Endpoint,
        peers: &[Endpoint],
        change: impl Fn(&mut AgentOptions),
    ) -> Self {
        let mut options = AgentOptions::new(directory.to_owned(), endpoint.clone());
        options.peers = peers.to_vec();
        options.size = 3;
        options.election_timeout_min = Duration::from_millis(400);
        options.election_timeout_max = Duration::from_millis(800);
        change(&mut options);
        let shutdown = Shutdown::new();
        let agent = Agent::start(options, http(), shutdown.clone()).await.unwrap();
        let server_options = ServerOptions { grace: Duration::ZERO, ..ServerOptions::default() };
        let server = tokio::spawn(serve(listener, Arc::new(agent.clone()), server_options, shutdown.clone()));
        Self { agent, shutdown, server, endpoint: endpoint.clone() }
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.agent.stop().await;
        self.server.await.unwrap();
    }
}

/// An agency of three with its directories.
struct Agency {
    directories: Vec<tempfile::TempDir>,
    endpoints: Vec<Endpoint>,
    agents: Vec<Option<Running>>,
    change: fn(&mut AgentOptions),
}

async fn listen(endpoint: &Endpoint) -> Listener {
    // The port may still be held for a moment by the agent that was stopped before.
    loop {
        match bind(endpoint).await {
            Ok(listener) => return listener,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn free() -> (Listener, Endpoint) {
    let listener = bind(&Endpoint::tcp("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Endpoint::tcp("127.0.0.1", port))
}

impl Agency {
    async fn start(change: fn(&mut AgentOptions)) -> Self {
        let directories: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut sockets = Vec::new();
        for _ in 0..3 {
            sockets.push(free().await);
        }
        let endpoints: Vec<Endpoint> = sockets.iter().map(|(_, endpoint)| endpoint.clone()).collect();
        let mut agency = Self { directories, endpoints, agents: Vec::new(), change };
        // All know only the first one; the first one knows nobody but itself.
        let common = [agency.endpoints[0].clone()];
        for (at, (listener, endpoint)) in sockets.into_iter().enumerate() {
            let running = Running::start(agency.directories[at].path(), listener, &endpoint, &common, agency.change).await;
            agency.agents.push(Some(running));
        }
        agency
    }

    fn client(&self) -> AgencyClient {
        AgencyClient::new(self.endpoints.clone(), http(), None)
    }

    async fn stop(&mut self, at: usize) {
        self.agents[at].take().unwrap().stop().await;
    }

    async fn restart(&mut self, at: usize) {
        let endpoint = self.endpoints[at].clone();
        let listener = listen(&endpoint).await;
        let running = Running::start(self.directories[at].path(), listener, &endpoint, &self.endpoints.clone(), self.change).await;
        self.agents[at] = Some(running);
    }

    /// Position of the leader.
    async fn leader(&self) -> usize {
        let search = async {
            loop {
                for (at, running) in self.agents.iter().enumerate() {
                    if running.as_ref().is_some_and(|running| running.agent.leading().borrow().is_some()) {
                        return at;
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, search).await.expect("no leader")
    }

    async fn stop_all(&mut self) {
        for at in 0..self.agents.len() {
            if self.agents[at].is_some() {
                self.stop(at).await;
            }
        }
    }
}

async fn post(endpoint: &Endpoint, name: &str, body: Json) -> Response {
    let path = format!("/_api/agency/{name}");
    http().send(endpoint, Method::POST, &path, HeaderMap::new(), Bytes::from(body.to_string()), LIMIT).await.unwrap()
}

fn parsed(response: &Response) -> (u16, Json) {
    (response.status, serde_json::from_slice(&response.body).unwrap_or(Json::Null))
}

async fn count(client: &AgencyClient) -> u64 {
    client.read(&["count"]).await.unwrap()["count"].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_and_bodies_are_those_of_the_interface() {
    let mut agency = Agency::start(|_| {}).await;
    agency.client().write(Transaction::new().set("x", 1)).await.unwrap();
    let leader = agency.leader().await;
    let at = agency.endpoints[leader].clone();
    let other = &agency.endpoints[(leader + 1) % 3];

    let redirect = post(other, "read", json!([["/"]])).await;
    assert_eq!(redirect.status, 307);
    assert_eq!(redirect.header("location"), Some(format!("{}/_api/agency/read", at.http_url().trim_end_matches('/')).as_str()));

    let (status, body) =
        parsed(&post(&at, "write", json!([[{"/a": {"b": 1}}], [{"/c": 1}, {"/a/b": 2}, "id1"], [{"/c": 2}, {}, "id2"]])).await);
    let results = body["results"].as_array().unwrap();
    assert_eq!((status, results[1].as_u64()), (412, Some(0)));
    assert_eq!(results[2].as_u64().unwrap(), results[0].as_u64().unwrap() + 1);
    assert_eq!(parsed(&post(&at, "inquire", json!(["id2"])).await), (200, json!({"results": [results[2]], "inquired": true})));
    assert_eq!(parsed(&post(&at, "inquire", json!(["id1"])).await).0, 404);

    assert_eq!(parsed(&post(&at, "read", json!([["/a/b", "/a/x"], ["/c"]])).await), (200, json!([{"a": {"b": 1}}, {"c": 2}])));
    assert_eq!(post(&at, "read", json!([5])).await.status, 418);
    assert_eq!(parsed(&post(&at, "write", json!([[{"/.agency": 1}]])).await), (403, json!({"results": [0]})));
    assert_eq!(parsed(&post(&at, "write", json!([])).await), (400, json!({"message": "Empty request"})));
    let text = "Expecting array of arrays as body for writes";
    assert_eq!(parsed(&post(&at, "write", json!({})).await), (400, json!({"message": text})));
    assert_eq!(post(&at, "write", json!([[{"/a": {"op": "dance"}}]])).await.status, 400);
    let (status, body) =
        parsed(&post(&at, "transact", json!([["/c"], [{"/c": {"op": "increment"}}], ["/c"], [{"/c": 9}, {"/c": 9}]])).await);
    assert_eq!((status, &body[0], &body[2], &body[3]), (412, &json!({"c": 2}), &json!({"c": 3}), &json!(0)));
    assert_eq!(
        parsed(&post(&at, "transient", json!([[{"/t": 1}], [{"/t": 2}, {"/t": 5}], ["/t"]])).await),
        (412, json!([true, false, {"t": 1}]))
    );
    assert_eq!(parsed(&post(&at, "read", json!([["/t"]])).await), (200, json!([{}])));

    let mut headers = HeaderMap::new();
    for name in ["content-type", "accept"] {
        headers.insert(name, "application/x-velocypack".parse().unwrap());
    }
    let body = velocypack::Value::parse_json(b"[[\"/c\"]]").unwrap().as_bytes().to_vec();
    let packed = http().send(&at, Method::POST, "/_api/agency/read", headers, body.into(), LIMIT).await.unwrap();
    assert_eq!(velocypack::Value::from_bytes(&packed.body).unwrap().to_json(), r#"[{"c":3}]"#);

    let get = async |path: &str| http().send(&at, Method::GET, path, HeaderMap::new(), Bytes::new(), LIMIT).await.unwrap();
    assert_eq!(get("/_api/agency").await.status, 404);
    assert_eq!(get("/_api/agency/write").await.status, 405);
    assert_eq!(parsed(&get("/_api/agency/nonsense").await).1["errorNum"], json!(405));
    let (status, config) = parsed(&get("/_api/agency/config").await);
    assert_eq!((status, config["leaderId"].as_str()), (200, Some(agency.agents[leader].as_ref().unwrap().agent.id())));
    assert_eq!(config["configuration"]["pool"].as_object().unwrap().len(), 3);
    let commit = config["commitIndex"].as_u64().unwrap();
    let poll = parsed(&get(&format!("/_api/agency/poll?index={commit}&timeout=0")).await).1;
    assert_eq!(poll["result"]["log"][0]["query"], json!({"/c": {"op": "increment"}}));
    let stores = parsed(&get("/_api/agency/stores").await).1;
    assert_eq!((&stores["read_db"][0]["c"], &stores["transient"][0]["t"]), (&json!(3), &json!(1)));
    assert_eq!(parsed(&post(&at, "store", json!(commit - 1)).await).1["c"], json!(2));
    agency.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_the_loss_of_leaders_and_restarts() {
    let mut agency = Agency::start(|_| {}).await;
    let client = agency.client();
    let cache = AgencyCache::start(client.clone(), Shutdown::new());
    let writer = {
        let client = client.clone();
        tokio::spawn(async move {
            for n in 0..300_u64 {
                let outcome = client.write(Transaction::new().increment("count").with_client_id(format!("w:{n}"))).await.unwrap();
                assert!(outcome.is_committed());
            }
        })
    };
    for _ in 0..3 {
        let leader = agency.leader().await;
        let before = count(&client).await;
        agency.stop(leader).await;
        // Goes on with two agents.
        cache.wait_for(LIMIT, |snapshot| snapshot.node("count").and_then(agency::Node::as_u64).unwrap_or(0) > before).await.unwrap();
        agency.restart(leader).await;
    }
    writer.await.unwrap();
    assert_eq!(count(&client).await, 300);
    agency.stop_all().await;
    for at in [2, 0, 1] {
        agency.restart(at).await;
    }
    assert_eq!(count(&client).await, 300);
    assert!(client.inquire(&["w:0", "w:299"]).await.unwrap().iter().all(|index| *index > 0));
    let index = client.write(Transaction::new().set("end", true)).await.unwrap().committed("end").unwrap();
    assert!(cache.wait_for_index(index, LIMIT).await);
    assert_eq!(cache.snapshot().get("end"), Some(&json!(true)));
    assert_eq!(cache.snapshot().get("count"), Some(&json!(300)));
    agency.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_agent_of_three_does_not_answer() {
    let mut agency = Agency::start(|_| {}).await;
    let client = agency.client();
    client.write(Transaction::new().set("x", 1)).await.unwrap();
    let leader = agency.leader().await;
    for at in 0..3 {
        if at != leader {
            agency.stop(at).await;
        }
    }
    for (name, body) in [("read", json!([["/"]])), ("transient", json!([[{"/a": 1}]])), ("write", json!([[{"/a": 1}]]))] {
        let (status, answer) = parsed(&post(&agency.endpoints[leader], name, body).await);
        assert!(matches!(status, 503 | 408), "{name}: {status} {answer}");
    }
    let error = client.with_timeout(Duration::from_secs(1)).read(&["x"]).await.unwrap_err();
    assert_eq!(error.code(), base::code::CLUSTER_AGENCY_COMMUNICATION_FAILED);
    agency.restart((leader + 1) % 3).await;
    assert_eq!(client.read(&["x"]).await.unwrap(), json!({"x": 1}));
    agency.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_far_behind_gets_a_snapshot() {
    let change = |options: &mut AgentOptions| {
        options.compaction_step_size = 20;
        options.compaction_keep_size = 5;
    };
    let mut agency = Agency::start(change).await;
    let client = agency.client();
    client.write(Transaction::new().set("x", 1)).await.unwrap();
    let behind = (agency.leader().await + 1) % 3;
    agency.stop(behind).await;
    for n in 0..60_u64 {
        client.write(Transaction::new().increment("count").set("last", n)).await.unwrap();
    }
    // The others have cut their logs when a snapshot lies beside them.
    let compacted = async |agency: &Agency| {
        for at in (0..3).filter(|at| *at != behind) {
            while !agency.directories[at].path().join("agency/snapshot").exists() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(LIMIT, compacted(&agency)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    agency.restart(behind).await;
    let index = client.write(Transaction::new().set("end", true)).await.unwrap().committed("end").unwrap();
    let caught_up = async {
        loop {
            let path = "/_api/agency/config";
            let response = http().send(&agency.endpoints[behind], Method::GET, path, HeaderMap::new(), Bytes::new(), LIMIT).await.unwrap();
            if parsed(&response).1["commitIndex"].as_u64().unwrap_or(0) >= index {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, caught_up).await.unwrap();
    assert!(agency.directories[behind].path().join("agency/snapshot").exists());
    let response =
        http().send(&agency.endpoints[behind], Method::GET, "/_api/agency/stores", HeaderMap::new(), Bytes::new(), LIMIT).await.unwrap();
    assert_eq!(parsed(&response).1["read_db"][0]["arango"], json!({"count": 60, "end": true, "last": 59, "x": 1}));
    agency.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_may_come_back_at_another_address() {
    let mut agency = Agency::start(|_| {}).await;
    let client = agency.client();
    client.write(Transaction::new().set("x", 1)).await.unwrap();
    let moving = (agency.leader().await + 1) % 3;
    agency.stop(moving).await;
    let (listener, endpoint) = free().await;
    agency.endpoints[moving] = endpoint.clone();
    let peers = agency.endpoints.clone();
    agency.agents[moving] = Some(Running::start(agency.directories[moving].path(), listener, &endpoint, &peers, |_| {}).await);
    let id = agency.agents[moving].as_ref().unwrap().agent.id().to_owned();
    let cache = AgencyCache::start(client, Shutdown::new());
    let told = cache.wait_for(LIMIT, |snapshot| snapshot.root().str_at(&format!(".agency/pool/{id}")) == Some(&endpoint.to_string()));
    told.await.expect("the new address is announced");
    agency.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_agent_works_and_lets_nodes_expire() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, endpoint) = free().await;
    let change = |options: &mut AgentOptions| options.size = 1;
    let running = Running::start(directory.path(), listener, &endpoint, std::slice::from_ref(&endpoint), change).await;
    let client = AgencyClient::new(vec![endpoint.clone()], http(), None);
    let cache = AgencyCache::start(client.clone(), Shutdown::new());
    let lease = Transaction::new().set_with_ttl("lease", 1, Duration::from_millis(300)).set("stays", 1);
    assert!(matches!(client.write(lease).await.unwrap(), Outcome::Committed(_)));
    cache.wait_for(LIMIT, |snapshot| snapshot.get("stays").is_some()).await.unwrap();
    cache.wait_for(LIMIT, |snapshot| snapshot.get("stays").is_some() && snapshot.get("lease").is_none()).await.unwrap();
    assert_eq!(client.write(Transaction::new().set("a", 1).require_absent("stays")).await.unwrap(), Outcome::PreconditionFailed);
    assert_eq!(running.endpoint, endpoint);
    running.stop().await;
    let error =
        Agent::start(AgentOptions { size: 2, ..AgentOptions::new(directory.path().to_owned(), endpoint) }, http(), Shutdown::new()).await;
    assert!(error.is_err_and(|error| error.message().contains("must be odd")));
}
