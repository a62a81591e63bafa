//! `config`, `state`, `stores`, `store`: what this very agent has, leader or not.

use super::{Agent, Leader, failure, message};
use crate::raft::number_of;
use rt::endpoint::Endpoint;
use rt::http::{Method, Request, Response};
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// Limit: transactions shown by `state`.
const STATE_ENTRIES_MAX: usize = 10_000;

impl Agent {
    pub(super) fn config(&self, request: &Request) -> Response {
        match request.method {
            Method::GET | Method::HEAD => Response::json(200, &self.configuration()),
            Method::POST => self.move_member(request),
            Method::PUT => self.change_supervision(request),
            _ => failure(405, 405, "method not supported"),
        }
    }

    /// A member tells its new address: `{"<id>": "<endpoint>"}`.
    fn move_member(&self, request: &Request) -> Response {
        let Ok(Json::Object(members)) = serde_json::from_slice(&request.body) else {
            return message(400, "Expecting an object {id: endpoint}");
        };
        for (id, endpoint) in members {
            let Some(endpoint) = endpoint.as_str().and_then(|endpoint| Endpoint::parse(endpoint).ok()) else {
                return message(400, "Expecting an object {id: endpoint}");
            };
            if let Err(error) = self.inner.pool.moved(&id, endpoint) {
                return message(500, error.message());
            }
        }
        Response::json(200, &self.configuration())
    }

    /// Changes some settings of the supervision of this agent until its next start.
    fn change_supervision(&self, request: &Request) -> Response {
        let Ok(Json::Object(settings)) = serde_json::from_slice(&request.body) else {
            return message(400, "Expecting an object of settings");
        };
        let mut options = self.inner.supervision.write();
        let mut changed = options.clone();
        for (name, value) in settings {
            // Limit: a year.
            let Some(seconds) = value.as_f64().filter(|seconds| (0.0..=31_536_000.0).contains(seconds)) else {
                return message(400, &format!("{name} must be a number of seconds"));
            };
            let time = Duration::from_secs_f64(seconds);
            match name.as_str() {
                "delayAddFollower" => changed.delay_add_follower = time,
                "delayFailedFollower" => changed.delay_failed_follower = time,
                "supervision grace period" | "gracePeriod" => changed.grace_period = time,
                "supervision ok threshold" | "okThreshold" => changed.ok_threshold = time,
                "supervision frequency" | "frequency" => changed.frequency = time,
                _ => return message(400, &format!("unknown setting {name}")),
            }
        }
        *options = changed;
        drop(options);
        Response::json(200, &self.configuration())
    }

    pub(super) fn configuration(&self) -> Json {
        let (term, leader) = match self.raft() {
            Some(raft) => {
                let metrics = raft.metrics().borrow().clone();
                (metrics.current_term, metrics.current_leader)
            }
            None => (0, None),
        };
        let leader_id = leader.and_then(|number| self.inner.pool.member(number)).map_or_else(String::new, |(id, _)| id);
        let members = self.inner.pool.members();
        let pool: Map<String, Json> = members.iter().map(|(id, endpoint)| (id.clone(), json!(endpoint.to_string()))).collect();
        let active: Vec<&String> = if self.inner.pool.is_ready() { members.keys().collect() } else { Vec::new() };
        let options = &self.inner.options;
        let supervision = self.inner.supervision.read();
        json!({
            "term": term,
            "leaderId": leader_id,
            "commitIndex": self.inner.machine.index(),
            "lastApplied": self.inner.machine.index(),
            "lastAcked": self.last_acked(),
            "configuration": {
                "pool": pool,
                "active": active,
                "id": self.inner.id,
                "agency size": options.size,
                "pool size": options.size,
                "endpoint": options.endpoint.to_string(),
                "min ping": options.election_timeout_min.as_secs_f64(),
                "max ping": options.election_timeout_max.as_secs_f64(),
                "timeoutMult": 1,
                "supervision": options.supervision.is_some(),
                "supervision frequency": supervision.frequency.as_secs_f64(),
                "supervision grace period": supervision.grace_period.as_secs_f64(),
                "supervision ok threshold": supervision.ok_threshold.as_secs_f64(),
                "supervision delay add follower": supervision.delay_add_follower.as_secs_f64(),
                "supervision delay failed follower": supervision.delay_failed_follower.as_secs_f64(),
                "compaction step size": options.compaction_step_size,
                "compaction keep size": options.compaction_keep_size,
                "version": 1,
                "startup": "origin",
            },
            "engine": "rocksdb",
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    /// Seconds since each member last answered this leader.
    fn last_acked(&self) -> Json {
        if !matches!(self.leader(), Leader::Me) {
            return json!({});
        }
        let mut acked = Map::new();
        for id in self.inner.pool.members().into_keys() {
            let age = if id == self.inner.id { Some(Duration::ZERO) } else { self.inner.network.acked_age(number_of(&id)) };
            if let Some(age) = age {
                acked.insert(id, json!({"lastAckedTime": age.as_secs_f64(), "lastAppended": self.inner.machine.index()}));
            }
        }
        Json::Object(acked)
    }

    pub(super) fn state(&self, request: &Request) -> Response {
        if request.query_value("redirectToLeader") == Some("true")
            && let Some(response) = self.elsewhere(request)
        {
            return response;
        }
        let (first, entries) = self.inner.machine.feed(STATE_ENTRIES_MAX);
        let log: Vec<Json> = entries.iter().map(|(index, operations)| json!({"index": index, "query": **operations})).collect();
        let snapshot = self.inner.machine.with_store(crate::store::Store::to_json);
        Response::json(200, &json!({"current": self.inner.machine.index(), "index": first, "snapshot": snapshot, "log": log}))
    }

    pub(super) fn stores(&self) -> Response {
        let stored = self.inner.machine.with_store(crate::store::Store::to_json);
        let transient = self.inner.transient.lock().store().to_json();
        Response::json(200, &json!({"spearhead": stored, "read_db": stored, "transient": transient}))
    }

    /// The tree as it was after the transaction whose index is the body.
    pub(super) fn store_at(&self, request: &Request) -> Response {
        let Ok(index) = serde_json::from_slice::<u64>(&request.body) else {
            return message(400, "Expecting a log index");
        };
        match self.inner.machine.tree_at_index(index) {
            Ok(Some(tree)) => Response::json(200, &tree.to_json()),
            Ok(None) => message(400, "this index is not in the log"),
            Err(_) => message(500, "the snapshot cannot be read"),
        }
    }

    pub(super) fn hear_gossip(&self, request: &Request) -> Response {
        if request.method != Method::POST {
            return failure(405, 405, "method not supported");
        }
        let Ok(gossip) = serde_json::from_slice::<Json>(&request.body) else {
            return message(400, "malformed gossip message");
        };
        match self.inner.pool.hear(&gossip) {
            Ok(()) => Response::json(200, &self.inner.pool.message()),
            Err(error) => {
                tracing::warn!(%error, "gossip is refused");
                message(409, error.message())
            }
        }
    }
}
