//! A local copy of the configuration tree that follows the agency by its change feed.
//!
//! A background task polls the leader from the index after the last one it knows, applies the
//! transactions to the local tree, and reads everything anew after a gap. Readers take a
//! [`Snapshot`]: one reference count, and unchanged subtrees of two snapshots are the same
//! allocation ([`Node::same`]), so "has anything below `Plan/Collections/shop` changed" is a
//! comparison of pointers.
//!
//! Invariant: each snapshot shows the whole of every transaction up to its index. The index goes
//! back only if another agency answers under the old addresses.

use crate::client::{AgencyClient, Feed};
use crate::node::Node;
use crate::store::Store;
use parking_lot::RwLock;
use rt::endpoint::Endpoint;
use rt::shutdown::Shutdown;
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long one poll waits for news.
const POLL_WAIT: Duration = Duration::from_secs(2);
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The tree at one index.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Index of the last transaction in it; 0 before the first contact.
    pub index: u64,
    root: Node,
    tree: Node,
}

impl Snapshot {
    /// A snapshot of a tree given from the root (`{"arango": …}`).
    #[must_use]
    pub fn new(index: u64, root: Node) -> Self {
        let tree = root.at("arango").cloned().unwrap_or_default();
        Self { index, root, tree }
    }

    /// The node `/arango`.
    #[must_use]
    pub fn tree(&self) -> &Node {
        &self.tree
    }

    /// The node `/`.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The JSON at `path`, relative to `/arango`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Json> {
        self.tree.get(path)
    }

    /// The node at `path`, relative to `/arango`.
    #[must_use]
    pub fn node(&self, path: &str) -> Option<&Node> {
        self.tree.at(path)
    }

    /// True if nothing below `path` differs between the two snapshots as far as a cheap
    /// comparison tells (it may say false for equal subtrees after a gap in the feed).
    #[must_use]
    pub fn same(&self, other: &Snapshot, path: &str) -> bool {
        match (self.node(path), other.node(path)) {
            (Some(a), Some(b)) => a.same(b),
            (None, None) => true,
            _ => false,
        }
    }
}

/// The cache; shared by everything in one server.
pub struct AgencyCache {
    client: AgencyClient,
    snapshot: RwLock<Arc<Snapshot>>,
    changed: watch::Sender<u64>,
    /// Monotonic time of the last answer of a leader.
    contact: RwLock<Option<Duration>>,
}

impl AgencyCache {
    /// Starts following the agency; the task ends with `shutdown`.
    #[must_use]
    pub fn start(client: AgencyClient, shutdown: Shutdown) -> Arc<Self> {
        let cache = Arc::new(Self::idle(client));
        tokio::spawn(cache.clone().follow(shutdown));
        cache
    }

    /// A cache without a task behind it: tests and tools feed it with [`AgencyCache::publish`].
    #[must_use]
    pub fn idle(client: AgencyClient) -> Self {
        Self { client, snapshot: RwLock::default(), changed: watch::Sender::new(0), contact: RwLock::new(None) }
    }

    /// The client that the cache uses.
    #[must_use]
    pub fn client(&self) -> &AgencyClient {
        &self.client
    }

    /// The newest tree.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().clone()
    }

    /// Tells the index of each new snapshot.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits until a snapshot of at least `index` is here; false if the time is up.
    pub async fn wait_for_index(&self, index: u64, timeout: Duration) -> bool {
        let mut changed = self.changed.subscribe();
        let reached = changed.wait_for(|now| *now >= index);
        matches!(tokio::time::timeout(timeout, reached).await, Ok(Ok(_)))
    }

    /// Waits until `test` holds for a snapshot and answers it; `None` if the time is up.
    pub async fn wait_for(&self, timeout: Duration, mut test: impl FnMut(&Snapshot) -> bool) -> Option<Arc<Snapshot>> {
        let mut changed = self.changed.subscribe();
        let search = async {
            loop {
                changed.borrow_and_update();
                let snapshot = self.snapshot();
                if test(&snapshot) {
                    return Some(snapshot);
                }
                changed.changed().await.ok()?;
            }
        };
        tokio::time::timeout(timeout, search).await.ok().flatten()
    }

    /// Time since a leader last answered; `None` before the first answer.
    #[must_use]
    pub fn contact_age(&self) -> Option<Duration> {
        self.contact.read().map(|time| rt::clock::monotonic().saturating_sub(time))
    }

    /// Makes `snapshot` the current one.
    pub fn publish(&self, snapshot: Snapshot) {
        let index = snapshot.index;
        *self.snapshot.write() = Arc::new(snapshot);
        self.changed.send_replace(index);
    }

    async fn follow(self: Arc<Self>, shutdown: Shutdown) {
        let mut state = Following::default();
        let mut pause = PAUSE_MIN;
        while !shutdown.is_triggered() {
            let poll = self.client.poll(state.next, POLL_WAIT);
            let answer = tokio::select! {
                answer = poll => answer,
                () = shutdown.wait() => return,
            };
            match answer {
                Ok(feed) => {
                    *self.contact.write() = Some(rt::clock::monotonic());
                    pause = PAUSE_MIN;
                    if let Some(snapshot) = state.take(feed) {
                        self.learn_agents(&snapshot);
                        self.publish(snapshot);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "agency cannot be polled");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = shutdown.wait() => return,
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Agents that joined at new addresses stand in the agency's own entry.
    fn learn_agents(&self, snapshot: &Snapshot) {
        let pool = snapshot.root.at(".agency/pool");
        let endpoints = pool.into_iter().flat_map(Node::children).filter_map(|(_, endpoint)| Endpoint::parse(endpoint.as_str()?).ok());
        self.client.learn(endpoints);
    }
}

/// The local copy between two polls.
#[derive(Default)]
struct Following {
    store: Store,
    /// First index not yet here; 0 asks for the whole tree.
    next: u64,
}

impl Following {
    /// Applies what a poll brought; a snapshot if there is something new.
    fn take(&mut self, feed: Feed) -> Option<Snapshot> {
        match feed {
            Feed::Tree { index, tree } => {
                self.store = Store::from_json(&Json::Array(vec![tree])).ok()?;
                self.next = index + 1;
            }
            Feed::Log { index, entries } => {
                if index + 1 < self.next {
                    // Another agency answers under the old address: begin anew.
                    self.next = 0;
                    return None;
                }
                if entries.is_empty() {
                    return None;
                }
                for (index, operations) in entries {
                    if index > self.next {
                        self.next = 0;
                        return None;
                    }
                    // Expiry is decided by the agency, which sends it as deletions: the time does
                    // not matter here.
                    if index == self.next && self.store.apply_operations(&operations, 0).is_err() {
                        self.next = 0;
                        return None;
                    }
                    self.next = self.next.max(index + 1);
                }
            }
        }
        Some(Snapshot::new(self.next - 1, self.store.tree().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn log(index: u64, entries: Json) -> Feed {
        let Json::Array(entries) = entries else { panic!() };
        let entries = entries.into_iter().map(|entry| (entry[0].as_u64().unwrap(), entry[1].as_object().unwrap().clone()));
        Feed::Log { index, entries: entries.collect() }
    }

    fn following() -> Following {
        let mut state = Following::default();
        let tree = json!({"arango": {"Plan": {"Version": 1}, "Current": {"Version": 1}}});
        assert_eq!(state.take(Feed::Tree { index: 7, tree }).unwrap().index, 7);
        state
    }

    #[test]
    fn entries_are_applied_in_order_and_share_what_did_not_change() {
        let mut state = following();
        let before = Snapshot::new(7, state.store.tree().clone());
        let feed =
            log(9, json!([[8, {"/arango/Plan/Version": {"op": "increment"}}], [9, {"/arango/x": {"op": "set", "new": 1, "ttl": 1}}]]));
        let after = state.take(feed).unwrap();
        assert_eq!((after.index, state.next), (9, 10));
        assert_eq!(after.get("Plan/Version"), Some(&json!(2)));
        assert_eq!(after.get("x"), Some(&json!(1)));
        assert!(after.same(&before, "Current"));
        assert!(!after.same(&before, "Plan"));
    }

    #[test]
    fn gaps_and_impossible_operations_lead_to_a_new_start() {
        for feed in [log(9, json!([[9, {"/a": 1}]])), log(8, json!([[8, {"/a": {"op": "erase"}}]])), log(5, json!([]))] {
            let mut state = following();
            assert!(state.take(feed).is_none());
            assert_eq!(state.next, 0);
        }
    }

    #[test]
    fn entries_already_known_are_skipped() {
        let mut state = following();
        let after = state.take(log(8, json!([[7, {"/a": 1}], [8, {"/b": 1}]]))).unwrap();
        assert!(after.root().at("a").is_none());
        assert_eq!(after.root().get("b"), Some(&json!(1)));
    }
}
