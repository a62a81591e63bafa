//! `write`, `read`, `transact`, `transient`, `inquire`: what clients do with the tree.

use super::{Agent, message, no_leader};
use crate::client::ONCE;
use crate::path;
use crate::raft::propose::Lost;
use crate::raft::{Item, ItemResult};
use crate::store::{Applied, select};
use crate::transaction::Transaction;
use rt::http::{Request, Response};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// A write that is not applied in this time is answered with 408; it may still be applied later.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long `inquire` waits for writes that are on their way.
const INQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

const MODE: &str = "x-arangodb-agency-mode";

/// The elements of a body that must be an array and not be empty.
fn elements(request: &Request, expecting: &str) -> Result<Vec<Json>, Box<Response>> {
    match serde_json::from_slice(&request.body) {
        Ok(Json::Array(elements)) if elements.is_empty() => Err(message(400, "Empty request").into()),
        Ok(Json::Array(elements)) => Ok(elements),
        Ok(_) => Err(message(400, expecting).into()),
        Err(error) => Err(message(400, &error.to_string()).into()),
    }
}

/// Paths of a query; `None` if it is not an array of texts.
fn paths(query: &Json) -> Option<Vec<String>> {
    query.as_array()?.iter().map(|path| path.as_str().map(path::normal)).collect()
}

fn is_query(element: &Json) -> bool {
    element.get(0).is_some_and(Json::is_string)
}

/// True if an operation is on the agency's own entry.
fn touches_own(transaction: &Transaction) -> bool {
    transaction.operations.keys().any(|path| path::parts(path).next() == Some(".agency"))
}

fn once(request: &Request) -> bool {
    request.header(ONCE) == Some("true")
}

impl Agent {
    pub(super) async fn write(&self, request: &Request) -> Response {
        if let Some(response) = self.elsewhere(request) {
            return response;
        }
        let elements = match elements(request, "Expecting array of arrays as body for writes") {
            Ok(elements) => elements,
            Err(response) => return *response,
        };
        let once = once(request);
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            match Transaction::parse(element) {
                Ok(transaction) if touches_own(&transaction) => return Response::json(403, &json!({"results": [0]})),
                Ok(transaction) => items.push(Item::Write { transaction, once }),
                Err(error) => return message(400, error.message()),
            }
        }
        if request.header(MODE) == Some("noWait") {
            let agent = self.clone();
            self.spawn(async move { drop(agent.propose(items).await) });
            return Response::json(200, &json!({}));
        }
        match self.propose(items).await {
            Err(response) => response,
            Ok(results) => write_answer(&results),
        }
    }

    /// Proposes `items` and waits for their results within the time limit.
    pub(super) async fn propose(&self, items: Vec<Item>) -> Result<Vec<ItemResult>, Response> {
        let _guard = InFlight::new(self, &items);
        match tokio::time::timeout(WRITE_TIMEOUT, self.inner.proposer.write(items)).await {
            Ok(Ok(results)) => Ok(results),
            Ok(Err(Lost::NotLeader | Lost::Unknown)) => Err(no_leader()),
            Err(_) => Err(message(408, "the write was not committed in time")),
        }
    }

    pub(super) async fn read(&self, request: &Request) -> Response {
        if let Some(response) = self.elsewhere(request) {
            return response;
        }
        let elements = match elements(request, "Expecting array of arrays as body for reads") {
            Ok(elements) => elements,
            Err(response) => return *response,
        };
        let queries: Vec<Option<Vec<String>>> = elements.iter().map(paths).collect();
        if let [None] = queries.as_slice() {
            return message(418, "a read is an array of paths");
        }
        if self.inner.proposer.confirm().await.is_err() {
            return no_leader();
        }
        let tree = self.inner.machine.view(rt::clock::now_ms()).tree;
        let answers: Vec<Json> = queries
            .iter()
            .map(|query| match query {
                Some(paths) => select(&tree, paths.iter().map(String::as_str)).to_json(),
                None => json!([]),
            })
            .collect();
        Response::json(200, &Json::Array(answers))
    }

    pub(super) async fn transact(&self, request: &Request) -> Response {
        if let Some(response) = self.elsewhere(request) {
            return response;
        }
        let elements = match elements(request, "Expecting array of arrays as body for transact") {
            Ok(elements) => elements,
            Err(response) => return *response,
        };
        if elements.iter().all(is_query) {
            return self.read(request).await;
        }
        let once = once(request);
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            if is_query(&element) {
                let Some(paths) = paths(&element) else { return message(400, "a read is an array of paths") };
                items.push(Item::Read(paths));
                continue;
            }
            match Transaction::parse(element) {
                Ok(transaction) if touches_own(&transaction) => return Response::json(403, &json!([0])),
                Ok(transaction) => items.push(Item::Write { transaction, once }),
                Err(error) => return message(400, error.message()),
            }
        }
        match self.propose(items).await {
            Err(response) => response,
            Ok(results) => {
                if let Some(reason) = results.iter().find_map(refusal) {
                    return message(400, reason);
                }
                let failed = results.contains(&ItemResult::PreconditionFailed);
                let answers = results.into_iter().map(|result| match result {
                    ItemResult::Tree(tree) => tree,
                    ItemResult::Index(index) => json!(index),
                    ItemResult::PreconditionFailed | ItemResult::Refused(_) => json!(0),
                });
                Response::json(if failed { 412 } else { 200 }, &Json::Array(answers.collect()))
            }
        }
    }

    pub(super) async fn transient(&self, request: &Request) -> Response {
        if let Some(response) = self.elsewhere(request) {
            return response;
        }
        let elements = match elements(request, "Expecting array of arrays as body for transient") {
            Ok(elements) => elements,
            Err(response) => return *response,
        };
        let mut answers = Vec::with_capacity(elements.len());
        let mut failed = false;
        for element in elements {
            let now_ms = rt::clock::now_ms();
            if is_query(&element) {
                let Some(paths) = paths(&element) else { return message(400, "a read is an array of paths") };
                answers.push(self.inner.transient.lock().read(&paths, now_ms).to_json());
                continue;
            }
            let transaction = match Transaction::parse(element) {
                Ok(transaction) => transaction,
                Err(error) => return message(400, error.message()),
            };
            let done = self.inner.transient.lock().apply(&transaction, now_ms) == Applied::Done;
            failed |= !done;
            answers.push(json!(done));
        }
        self.inner.wake.notify_one();
        // DB-servers extend their lease on this answer: a leader that has been replaced without
        // knowing it must not give it.
        if self.inner.proposer.confirm().await.is_err() {
            return no_leader();
        }
        Response::json(if failed { 412 } else { 200 }, &Json::Array(answers))
    }

    pub(super) async fn inquire(&self, request: &Request) -> Response {
        if let Some(response) = self.elsewhere(request) {
            return response;
        }
        let elements = match elements(request, "Expecting array of client ids as body for inquire") {
            Ok(elements) => elements,
            Err(response) => return *response,
        };
        let ids: Option<Vec<String>> = elements.iter().map(|id| id.as_str().map(str::to_owned)).collect();
        let Some(ids) = ids else { return message(400, "Expecting array of client ids as body for inquire") };
        let waits = !matches!(request.header(MODE), Some("noWait" | "waitForSequenced"));
        if waits {
            // Time-out: the answer says `ongoing` then.
            let _ = tokio::time::timeout(INQUIRE_TIMEOUT, self.wait_for_in_flight(&ids)).await;
        }
        if self.inner.proposer.confirm().await.is_err() {
            return no_leader();
        }
        let ongoing = self.any_in_flight(&ids);
        let results: Vec<u64> = ids.iter().map(|id| self.inner.machine.index_of(id)).collect();
        let status = if results.contains(&0) { 404 } else { 200 };
        let mut answer = json!({"results": results, "inquired": true});
        if ongoing && let Json::Object(members) = &mut answer {
            members.insert("ongoing".to_owned(), json!(true));
        }
        Response::json(status, &answer)
    }

    fn any_in_flight(&self, ids: &[String]) -> bool {
        let in_flight = self.inner.in_flight.lock();
        ids.iter().any(|id| in_flight.contains_key(id.as_str()))
    }

    async fn wait_for_in_flight(&self, ids: &[String]) {
        loop {
            let settled = self.inner.settled.notified();
            if !self.any_in_flight(ids) {
                return;
            }
            settled.await;
        }
    }
}

fn refusal(result: &ItemResult) -> Option<&str> {
    match result {
        ItemResult::Refused(reason) => Some(reason),
        _ => None,
    }
}

fn write_answer(results: &[ItemResult]) -> Response {
    if let Some(reason) = results.iter().find_map(refusal) {
        return message(400, reason);
    }
    let indices: Vec<u64> = results.iter().map(|result| if let ItemResult::Index(index) = result { *index } else { 0 }).collect();
    let status = if indices.contains(&0) { 412 } else { 200 };
    Response::json(status, &json!({"results": indices}))
}

/// Remembers the client ids of a request until it is answered.
struct InFlight<'a> {
    agent: &'a Agent,
    ids: Vec<Arc<str>>,
}

impl<'a> InFlight<'a> {
    fn new(agent: &'a Agent, items: &[Item]) -> Self {
        let ids: Vec<Arc<str>> = items
            .iter()
            .filter_map(|item| match item {
                Item::Write { transaction, .. } if !transaction.client_id.is_empty() => Some(Arc::from(transaction.client_id.as_str())),
                _ => None,
            })
            .collect();
        if !ids.is_empty() {
            let mut in_flight = agent.inner.in_flight.lock();
            for id in &ids {
                *in_flight.entry(id.clone()).or_default() += 1;
            }
        }
        Self { agent, ids }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let mut in_flight = self.agent.inner.in_flight.lock();
        for id in &self.ids {
            if let Some(count) = in_flight.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    in_flight.remove(id);
                }
            }
        }
        drop(in_flight);
        self.agent.inner.settled.notify_waiters();
    }
}
