//! Calls the observers of changed nodes. A call is only a hint to look again: it is not repeated.

use super::Agent;
use crate::raft::Item;
use crate::raft::machine::Notification;
use crate::raft::network::headers;
use crate::transaction::Transaction;
use rt::endpoint::Endpoint;
use rt::http::{Bytes, Method};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Limit: calls that wait.
pub const QUEUE: usize = 1024;
/// Limit: calls at the same time.
const CALLS: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(2);

impl Agent {
    /// Calls observers while this agent leads; drops the calls otherwise.
    pub(super) async fn call_observers(self, mut notifications: mpsc::Receiver<Notification>) {
        let permits = Arc::new(Semaphore::new(CALLS));
        while let Some(notification) = notifications.recv().await {
            let Some(leading) = *self.inner.leading.borrow() else { continue };
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let agent = self.clone();
            self.spawn(async move {
                agent.call_observer(leading.term, notification).await;
                drop(permit);
            });
        }
    }

    async fn call_observer(&self, term: u64, notification: Notification) {
        let Notification { index, url, observed, changed: (path, operation) } = notification;
        let Some((endpoint, target)) = split(&url) else { return };
        let body = json!({"term": term, "index": index, observed.clone(): {path: operation}});
        let headers = headers(self.inner.options.auth.as_ref());
        let sent = self.inner.network.http.send(&endpoint, Method::POST, &target, headers, Bytes::from(body.to_string()), TIMEOUT).await;
        if sent.is_ok_and(|response| response.status == 404) {
            let operations = json!([{observed: {"op": "unobserve", "url": url}}]);
            if let Ok(transaction) = Transaction::parse(operations) {
                // Not urgent: the next call finds out again.
                let _ = self.inner.proposer.write(vec![Item::Write { transaction, once: false }]).await;
            }
        }
    }
}

/// `scheme://host:port/path` -> endpoint and path.
fn split(url: &str) -> Option<(Endpoint, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    Some((Endpoint::parse(&format!("{scheme}://{authority}")).ok()?, format!("/{path}")))
}
