//! Talks to the agency: finds the leader, follows redirects, tries the other agents, repeats what
//! may be repeated.
//!
//! Invariant: a write is applied at most once, however often it had to be sent. Every transaction
//! carries its own id, and the header [`ONCE`] makes the agents answer a transaction whose id they
//! have already applied with its old index instead of applying it again.
//!
//! Cancel safety: dropping the future of a write leaves it open whether it is applied.

use crate::transaction::{PREFIX, Transaction};
use base::{Error, Result, code};
use rt::endpoint::Endpoint;
use rt::http::{Bytes, Client, HeaderMap, HeaderValue, Method, Response, SendError};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Header by which a client asks that transactions with an id already applied are not applied again.
pub const ONCE: &str = "x-arangodb-agency-once";

/// Gives the bearer token for the `Authorization` header; `None` without authentication.
pub type TokenSource = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Default time for one operation with everything it needs (elections included).
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for one answer before the next agent is asked.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied; the index under which caches will show it.
    Committed(u64),
    /// A precondition did not hold; nothing changed.
    PreconditionFailed,
}

impl Outcome {
    /// True if the transaction was applied.
    #[must_use]
    pub fn is_committed(self) -> bool {
        matches!(self, Self::Committed(_))
    }

    /// The index, or 1492 with the text `what` if a precondition failed.
    pub fn committed(self, what: &str) -> Result<u64> {
        match self {
            Self::Committed(index) => Ok(index),
            Self::PreconditionFailed => {
                Err(Error::new(code::CLUSTER_AGENCY_COMMUNICATION_FAILED, format!("precondition failed: {what}")).status(412))
            }
        }
    }
}

/// What a poll brought.
#[derive(Debug)]
pub enum Feed {
    /// The whole tree at this index: the asked index is no longer (or never was) in the log.
    Tree {
        /// Index of the last transaction in the tree.
        index: u64,
        /// The tree from the root.
        tree: Json,
    },
    /// Transactions in order; may be empty.
    Log {
        /// Index of the last transaction that the agency has committed.
        index: u64,
        /// `(index, operations by absolute path)`.
        entries: Vec<(u64, serde_json::Map<String, Json>)>,
    },
}

/// A handle to the agency; cheap to clone.
#[derive(Clone)]
pub struct AgencyClient {
    inner: Arc<Inner>,
    timeout: Duration,
}

struct Inner {
    http: Client,
    auth: Option<TokenSource>,
    endpoints: parking_lot::RwLock<Vec<Endpoint>>,
    /// The agent to ask first; moved on failures and redirects.
    current: AtomicUsize,
}

impl AgencyClient {
    /// A client for the agents at `endpoints`.
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>, http: Client, auth: Option<TokenSource>) -> Self {
        let inner = Inner { http, auth, endpoints: parking_lot::RwLock::new(endpoints), current: AtomicUsize::new(0) };
        Self { inner: Arc::new(inner), timeout: OPERATION_TIMEOUT }
    }

    /// The same agency with another limit for each operation.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { inner: self.inner.clone(), timeout }
    }

    /// The agents known so far.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.inner.endpoints.read().clone()
    }

    /// Adds agents that were learnt from the agency itself.
    pub fn learn(&self, endpoints: impl IntoIterator<Item = Endpoint>) {
        let mut known = self.inner.endpoints.write();
        for endpoint in endpoints {
            if !known.contains(&endpoint) {
                known.push(endpoint);
            }
        }
    }

    /// Linearizable read of `paths` (relative to `/arango/`); answers the content of `/arango`
    /// reduced to them, so that `answer["Plan"]["Version"]` is `Plan/Version`.
    pub async fn read(&self, paths: &[&str]) -> Result<Json> {
        let absolute: Vec<String> = paths.iter().map(|path| format!("{PREFIX}{}", path.trim_start_matches('/'))).collect();
        let mut tree = self.read_absolute(&absolute).await?;
        Ok(tree.get_mut("arango").map_or_else(|| json!({}), Json::take))
    }

    /// Linearizable read of absolute paths; answers the tree from the root.
    pub async fn read_absolute(&self, paths: &[String]) -> Result<Json> {
        let response = self.call(Method::POST, "/_api/agency/read", json!([paths])).await?;
        let mut answer = body(&response)?;
        match response.status {
            200 => Ok(answer.get_mut(0).map_or(Json::Null, Json::take)),
            _ => Err(failed("read", &response)),
        }
    }

    /// Applies `transaction`, at most once, within the time limit.
    pub async fn write(&self, transaction: Transaction) -> Result<Outcome> {
        let mut outcomes = self.write_all(vec![transaction]).await?;
        outcomes.pop().ok_or_else(|| Error::new(code::CLUSTER_AGENCY_COMMUNICATION_FAILED, "agency gave no result"))
    }

    /// Applies several transactions; they get adjacent places in the log, each stands alone.
    pub async fn write_all(&self, transactions: Vec<Transaction>) -> Result<Vec<Outcome>> {
        let count = transactions.len();
        let with_ids = transactions.into_iter().map(|transaction| {
            if transaction.client_id.is_empty() { transaction.with_client_id(uuid::Uuid::new_v4().to_string()) } else { transaction }
        });
        let request = Json::Array(with_ids.map(|transaction| transaction.to_json()).collect());
        let response = self.call(Method::POST, "/_api/agency/write", request).await?;
        if response.status != 200 && response.status != 412 {
            return Err(failed("write", &response));
        }
        let answer = body(&response)?;
        let results = answer.get("results").and_then(Json::as_array).filter(|results| results.len() == count);
        let results = results.ok_or_else(|| failed("write", &response))?;
        Ok(results
            .iter()
            .map(|index| match index.as_u64() {
                Some(index) if index > 0 => Outcome::Committed(index),
                _ => Outcome::PreconditionFailed,
            })
            .collect())
    }

    /// Changes the transient store of the leader; true if the preconditions held. The answer comes
    /// only after a majority has confirmed the leader.
    pub async fn transient(&self, transaction: Transaction) -> Result<bool> {
        let response = self.call(Method::POST, "/_api/agency/transient", json!([transaction.to_json()])).await?;
        match response.status {
            200 | 412 => Ok(body(&response)?.get(0).and_then(Json::as_bool).unwrap_or(false)),
            _ => Err(failed("transient", &response)),
        }
    }

    /// Reads absolute paths of the transient store.
    pub async fn read_transient(&self, paths: &[&str]) -> Result<Json> {
        let absolute: Vec<String> = paths.iter().map(|path| format!("{PREFIX}{}", path.trim_start_matches('/'))).collect();
        let response = self.call(Method::POST, "/_api/agency/transient", json!([absolute])).await?;
        match response.status {
            200 => Ok(body(&response)?.get_mut(0).and_then(|tree| tree.get_mut("arango")).map_or_else(|| json!({}), Json::take)),
            _ => Err(failed("transient", &response)),
        }
    }

    /// A mixed list of reads (arrays of absolute paths) and writes, applied in order as one; answers
    /// the list of results as the agency gave it.
    pub async fn transact(&self, items: Json) -> Result<Json> {
        let response = self.call(Method::POST, "/_api/agency/transact", items).await?;
        match response.status {
            200 | 412 => body(&response),
            _ => Err(failed("transact", &response)),
        }
    }

    /// Indices of transactions by their ids, 0 for unknown ones.
    pub async fn inquire(&self, ids: &[&str]) -> Result<Vec<u64>> {
        let response = self.call(Method::POST, "/_api/agency/inquire", json!(ids)).await?;
        match response.status {
            200 | 404 => {
                let answer = body(&response)?;
                let results = answer.get("results").and_then(Json::as_array);
                Ok(results.into_iter().flatten().map(|index| index.as_u64().unwrap_or(0)).collect())
            }
            _ => Err(failed("inquire", &response)),
        }
    }

    /// Waits up to `wait` for transactions from `index` on; index 0 asks for the whole tree.
    pub async fn poll(&self, index: u64, wait: Duration) -> Result<Feed> {
        let path = format!("/_api/agency/poll?index={index}&timeout={}", wait.as_secs_f64());
        let limit = wait + Duration::from_secs(2);
        let mut response = self.attempt(&Method::GET, &path, &Bytes::new(), limit).await;
        // One redirect is followed at once, so that a change of leader costs no pause.
        if let Ok(answer) = &response
            && answer.status == 307
        {
            response = self.attempt(&Method::GET, &path, &Bytes::new(), limit).await;
        }
        let response = response.map_err(|error| Error::new(code::CLUSTER_AGENCY_COMMUNICATION_FAILED, send_error(&error)))?;
        if response.status != 200 {
            return Err(failed("poll", &response));
        }
        feed(body(&response)?).ok_or_else(|| failed("poll", &response))
    }

    /// The configuration of some agent.
    pub async fn config(&self) -> Result<Json> {
        let response = self.call(Method::GET, "/_api/agency/config", Json::Null).await?;
        body(&response)
    }

    /// Sends until an agent has answered for good or the time is up.
    async fn call(&self, method: Method, path: &str, request: Json) -> Result<Response> {
        let request = if request.is_null() { Bytes::new() } else { Bytes::from(request.to_string()) };
        let deadline = Instant::now() + self.timeout;
        let mut pause = PAUSE_MIN;
        let mut redirects = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let reason = match self.attempt(&method, path, &request, left.min(ATTEMPT_TIMEOUT)).await {
                Ok(response) if response.status == 307 => {
                    redirects += 1;
                    if redirects % 4 != 0 && Instant::now() < deadline {
                        continue;
                    }
                    "redirected in circles".to_owned()
                }
                // 408 and 503 leave open what happened; ids make sending again harmless.
                Ok(response) if matches!(response.status, 408 | 500 | 502 | 503) => format!("status {}", response.status),
                Ok(response) => return Ok(response),
                Err(error) => send_error(&error),
            };
            if Instant::now() + pause >= deadline {
                return Err(Error::new(code::CLUSTER_AGENCY_COMMUNICATION_FAILED, format!("agency not reachable: {reason}")).status(503));
            }
            tracing::debug!(path, reason, "agency call is repeated");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Sends once to the current agent and decides who is the current one afterwards.
    async fn attempt(&self, method: &Method, path: &str, request: &Bytes, timeout: Duration) -> Result<Response, SendError> {
        let at = self.inner.current.load(Ordering::Relaxed);
        let Some(endpoint) = self.endpoint(at) else { return Err(SendError::NotSent("no agents are known".into())) };
        // A caller who gives up waiting has found out that this agent does not answer.
        let mut leaving = Leaving { client: self, at, goes_on: true };
        let sent = self.inner.http.send(&endpoint, method.clone(), path, self.headers(), request.clone(), timeout).await;
        leaving.goes_on = false;
        match &sent {
            Ok(response) if response.status == 307 => self.follow(response, at),
            Ok(response) if response.status != 503 => {}
            _ => self.next_after(at),
        }
        sent
    }

    fn endpoint(&self, at: usize) -> Option<Endpoint> {
        let endpoints = self.inner.endpoints.read();
        endpoints.get(at.checked_rem(endpoints.len())?).cloned()
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ONCE, HeaderValue::from_static("true"));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let token = self.inner.auth.as_ref().and_then(|source| source());
        if let Some(value) = token.and_then(|token| HeaderValue::from_str(&format!("bearer {token}")).ok()) {
            headers.insert("authorization", value);
        }
        headers
    }

    /// Makes the agent that a redirect names the current one.
    fn follow(&self, response: &Response, at: usize) {
        let target = response.headers.get("location").and_then(|value| value.to_str().ok()).and_then(endpoint_of_url);
        let Some(target) = target else { return self.next_after(at) };
        self.learn([target.clone()]);
        let position = self.inner.endpoints.read().iter().position(|endpoint| *endpoint == target);
        if let Some(position) = position {
            self.inner.current.store(position, Ordering::Relaxed);
        }
    }

    /// Goes on to the next agent, unless somebody else already has.
    fn next_after(&self, at: usize) {
        let _ = self.inner.current.compare_exchange(at, at.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Goes on to the next agent when dropped, unless told otherwise.
struct Leaving<'a> {
    client: &'a AgencyClient,
    at: usize,
    goes_on: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if self.goes_on {
            self.client.next_after(self.at);
        }
    }
}

/// `http://host:port/path` -> endpoint.
fn endpoint_of_url(url: &str) -> Option<Endpoint> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    Endpoint::parse(&format!("{scheme}://{authority}")).ok()
}

fn body(response: &Response) -> Result<Json> {
    serde_json::from_slice(&response.body).map_err(|error| Error::with_detail(code::CLUSTER_AGENCY_COMMUNICATION_FAILED, error))
}

fn failed(what: &str, response: &Response) -> Error {
    let text: String = String::from_utf8_lossy(&response.body).chars().take(200).collect();
    Error::new(code::CLUSTER_AGENCY_COMMUNICATION_FAILED, format!("agency {what} answered {}: {text}", response.status))
}

fn send_error(error: &SendError) -> String {
    match error {
        SendError::NotSent(reason) | SendError::Unknown(reason) => reason.clone(),
        SendError::Timeout => "timeout".to_owned(),
    }
}

fn feed(mut answer: Json) -> Option<Feed> {
    let mut result = answer.get_mut("result")?.take();
    let index = result.get("commitIndex")?.as_u64()?;
    if let Some(tree) = result.get_mut("readDB") {
        return Some(Feed::Tree { index, tree: tree.take() });
    }
    let mut entries = Vec::new();
    for entry in result.get_mut("log")?.as_array_mut()? {
        let index = entry.get("index")?.as_u64()?;
        let Json::Object(operations) = entry.get_mut("query")?.take() else { return None };
        entries.push((index, operations));
    }
    Some(Feed::Log { index, entries })
}
