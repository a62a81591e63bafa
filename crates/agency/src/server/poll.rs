//! `poll`: the change feed. A client asks for the transactions from an index on and waits for them.

use super::{Agent, no_leader};
use crate::raft::machine::News;
use rt::http::{Request, Response};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Limit: transactions in one answer.
const ENTRIES_MAX: usize = 1000;
const TIMEOUT_DEFAULT: f64 = 60.0;
const TIMEOUT_MAX: f64 = 600.0;
/// How often a waiting poll looks whether this agent still leads.
const CHECK: Duration = Duration::from_millis(500);

impl Agent {
    pub(super) async fn poll(&self, request: &Request) -> Response {
        if let Some(response) = self.elsewhere(request) {
            return response;
        }
        let index: u64 = request.query_value("index").and_then(|index| index.parse().ok()).unwrap_or(0);
        let timeout: f64 = request.query_value("timeout").and_then(|timeout| timeout.parse().ok()).unwrap_or(TIMEOUT_DEFAULT);
        let timeout = if timeout.is_finite() { timeout.clamp(0.0, TIMEOUT_MAX) } else { TIMEOUT_DEFAULT };
        // A leader fresh in office may not have applied everything that the asker has seen; and an
        // asker without anything must not be given an old tree.
        if index == 0 || index > self.inner.machine.index() + 1 {
            if self.inner.proposer.confirm().await.is_err() {
                return no_leader();
            }
            if index > self.inner.machine.index() + 1 {
                return answer(index, self.inner.machine.index(), News::Log(Vec::new()));
            }
        }
        let mut changed = self.inner.machine.changed();
        let deadline = tokio::time::Instant::now() + Duration::from_secs_f64(timeout);
        loop {
            let known = *changed.borrow_and_update();
            if known >= index {
                let (commit, news) = self.inner.machine.news(index, ENTRIES_MAX);
                return answer(index, commit, news);
            }
            tokio::select! {
                changed = changed.changed() => {
                    if changed.is_err() {
                        return no_leader();
                    }
                }
                () = tokio::time::sleep_until(deadline) => return answer(index, known, News::Log(Vec::new())),
                () = tokio::time::sleep(CHECK) => {}
            }
            if let Some(response) = self.elsewhere(request) {
                return response;
            }
        }
    }
}

fn answer(first: u64, commit: u64, news: News) -> Response {
    let result = match news {
        News::Tree(tree) => json!({"firstIndex": 0, "commitIndex": commit, "readDB": tree}),
        News::Log(entries) => {
            let log: Vec<Json> = entries.iter().map(|(index, operations)| json!({"index": index, "query": **operations})).collect();
            json!({"firstIndex": first, "commitIndex": commit, "log": log})
        }
    };
    Response::json(200, &json!({"error": false, "code": 200, "result": result}))
}
