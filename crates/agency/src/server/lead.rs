//! What an agent does only while it leads: it announces itself, removes expired nodes, proves its
//! leadership to itself, supervises.

use super::{Agent, Leading};
use crate::raft::Item;
use crate::supervision::{self, Supervisor};
use crate::transaction::Transaction;
use serde_json::json;
use std::time::Duration;

/// How often the leader makes sure that it still leads.
const CHALLENGE: Duration = Duration::from_millis(500);
/// Longest sleep between two looks at expiry times.
const EXPIRY_CHECK: Duration = Duration::from_secs(1);
/// Shortest pause between two supervision rounds that were woken early.
const ROUND_PAUSE_MIN: Duration = Duration::from_millis(20);

impl Agent {
    /// Leads whenever this agent is elected.
    pub(super) async fn lead_for_ever(self) {
        let mut leading = self.inner.leading.subscribe();
        loop {
            let term = *leading.borrow_and_update();
            tokio::select! {
                () = self.lead(term) => {}
                changed = leading.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Runs until the term is over; never returns by itself.
    async fn lead(&self, term: Option<Leading>) {
        let Some(term) = term else { return std::future::pending().await };
        self.announce(term).await;
        tokio::join!(self.expire_for_ever(), self.challenge_for_ever(), self.announce_changes(term), self.supervise(term));
    }

    /// Writes who leads and where the agents are into `/.agency`.
    async fn announce(&self, term: Leading) {
        let members = self.inner.pool.members();
        let pool: serde_json::Map<_, _> = members.iter().map(|(id, endpoint)| (id.clone(), json!(endpoint.to_string()))).collect();
        let active: Vec<&String> = members.keys().collect();
        let entry = json!({
            "term": term.term, "id": self.inner.id, "active": active, "pool": pool,
            "size": self.inner.options.size, "timeoutMult": 1,
        });
        loop {
            let operations = json!([{"/.agency": {"op": "set", "new": entry}}]);
            // The literal above is well-formed.
            let Ok(transaction) = Transaction::parse(operations) else { return };
            match self.inner.proposer.write(vec![Item::Write { transaction, once: false }]).await {
                Ok(_) => return,
                Err(_) => tokio::time::sleep(CHALLENGE).await,
            }
        }
    }

    /// Announces again when an agent has moved.
    async fn announce_changes(&self, term: Leading) {
        let mut known = self.inner.pool.members();
        loop {
            tokio::time::sleep(CHALLENGE).await;
            let now = self.inner.pool.members();
            if now != known {
                known = now;
                self.announce(term).await;
            }
        }
    }

    /// Lets an empty entry remove what has expired, so that every agent and every cache sees it.
    async fn expire_for_ever(&self) {
        let mut changed = self.inner.machine.changed();
        loop {
            changed.borrow_and_update();
            let next = self.inner.machine.with_store(|store| store.next_expiry_ms());
            let now = rt::clock::now_ms();
            match next {
                Some(time) if time <= now => {
                    if self.inner.proposer.write(Vec::new()).await.is_err() {
                        tokio::time::sleep(CHALLENGE).await;
                    }
                }
                next => {
                    let pause = next.map_or(EXPIRY_CHECK, |time| Duration::from_millis(time - now).min(EXPIRY_CHECK));
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        // A closed channel means shutdown, which ends this task anyway.
                        _ = changed.changed() => {}
                    }
                }
            }
        }
    }

    /// Confirms leadership now and then, so that an agent that was cut off notices.
    async fn challenge_for_ever(&self) {
        loop {
            if self.inner.proposer.confirm().await.is_err() {
                tracing::debug!("leadership is not confirmed");
            }
            tokio::time::sleep(CHALLENGE).await;
        }
    }

    async fn supervise(&self, term: Leading) {
        if self.inner.options.supervision.is_none() {
            return std::future::pending().await;
        }
        let mut supervisor = Supervisor::new(term.since);
        let mut changed = self.inner.machine.changed();
        loop {
            changed.borrow_and_update();
            self.round(&mut supervisor).await;
            let pause = self.inner.supervision.read().frequency.max(ROUND_PAUSE_MIN);
            tokio::time::sleep(ROUND_PAUSE_MIN).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.inner.wake.notified() => {}
                _ = changed.changed() => {}
            }
        }
    }

    /// One round: what is, what shall be done, do it.
    async fn round(&self, supervisor: &mut Supervisor) {
        let now_ms = rt::clock::now_ms();
        let transient = self.inner.transient.lock().tree(now_ms);
        let view = self.inner.machine.view(now_ms);
        let arango = |tree: &crate::Node| tree.at("arango").cloned().unwrap_or_default();
        let input = supervision::Input {
            now_ms,
            monotonic: rt::clock::monotonic(),
            tree: arango(&view.tree),
            transient: arango(&transient),
            options: self.inner.supervision.read().clone(),
        };
        let output = supervisor.round(&input);
        if let Some(transaction) = output.transient {
            self.inner.transient.lock().apply(&transaction.sorted(), now_ms);
        }
        if output.transactions.is_empty() {
            return;
        }
        let items = output.transactions.into_iter().map(|transaction| Item::Write { transaction: transaction.sorted(), once: false });
        if let Err(lost) = self.inner.proposer.write(items.collect()).await {
            tracing::warn!(?lost, "the supervision could not write");
        }
    }
}
