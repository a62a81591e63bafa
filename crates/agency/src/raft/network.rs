//! Raft's messages between agents, over HTTP under `/_api/agency_priv/`.
//!
//! `appendEntries` is binary (see `codec.rs`), the rare messages are JSON. Every message names the
//! agent it is meant for, so one that reaches somebody else at a reused address is refused.
//!
//! Invariant: an answer that cannot be understood counts as no answer.

use super::codec::{self, Reader};
use super::{Member, Raft, TypeConfig, Vote};
use crate::client::TokenSource;
use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest, VoteResponse,
};
use parking_lot::RwLock;
use rt::endpoint::Endpoint;
use rt::http::{Bytes, Client, HeaderMap, HeaderValue, Method, Request, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Path of all messages between agents.
pub const PREFIX: &str = "/_api/agency_priv";
/// Pause before an agent that was not reachable is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Where the agents are at present.
#[derive(Clone, Default)]
pub struct Addresses {
    by_number: Arc<RwLock<HashMap<u64, Endpoint>>>,
}

impl Addresses {
    /// The agent `number` is at `endpoint` from now on.
    pub fn set(&self, number: u64, endpoint: Endpoint) {
        self.by_number.write().insert(number, endpoint);
    }

    /// Where the agent `number` is.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<Endpoint> {
        self.by_number.read().get(&number).cloned()
    }
}

/// Makes connections to other agents.
#[derive(Clone)]
pub struct Network {
    /// The client for messages of this agent.
    pub http: Client,
    /// Where the others are.
    pub addresses: Addresses,
    /// Token for the others.
    pub auth: Option<TokenSource>,
    /// Monotonic times at which others last answered `appendEntries`.
    acked: Arc<RwLock<HashMap<u64, Duration>>>,
}

impl Network {
    /// A network in which nobody has answered yet.
    #[must_use]
    pub fn new(http: Client, addresses: Addresses, auth: Option<TokenSource>) -> Self {
        Self { http, addresses, auth, acked: Arc::default() }
    }

    /// Time since the agent `number` last answered `appendEntries`.
    #[must_use]
    pub fn acked_age(&self, number: u64) -> Option<Duration> {
        self.acked.read().get(&number).map(|time| rt::clock::monotonic().saturating_sub(*time))
    }
}

/// The way to one other agent.
pub struct Peer {
    network: Network,
    number: u64,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &Member) -> Peer {
        Peer { network: self.clone(), number: target }
    }
}

/// Headers of a message between agents.
#[must_use]
pub fn headers(auth: Option<&TokenSource>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let token = auth.and_then(|source| source());
    if let Some(value) = token.and_then(|token| HeaderValue::from_str(&format!("bearer {token}")).ok()) {
        headers.insert("authorization", value);
    }
    headers
}

type Failed<E> = RPCError<u64, Member, RaftError<u64, E>>;

impl Peer {
    async fn call<E: std::error::Error>(&self, name: &str, body: Vec<u8>, timeout: Duration) -> Result<Bytes, Failed<E>> {
        let endpoint = self.network.addresses.get(self.number).ok_or_else(|| unreachable::<E>("address is not known"))?;
        let path = format!("{PREFIX}/{name}?to={}", self.number);
        let headers = headers(self.network.auth.as_ref());
        let sent = self.network.http.send(&endpoint, Method::POST, &path, headers, body.into(), timeout).await;
        let response = sent.map_err(|error| unreachable::<E>(&error.to_string()))?;
        if response.status != 200 {
            return Err(unreachable::<E>(&format!("{name} answered {}", response.status)));
        }
        Ok(response.body)
    }
}

fn unreachable<E: std::error::Error>(reason: &str) -> Failed<E> {
    RPCError::Unreachable(Unreachable::new(&io::Error::other(reason.to_owned())))
}

fn garbled<E: std::error::Error>() -> Failed<E> {
    RPCError::Network(NetworkError::new(&io::Error::new(io::ErrorKind::InvalidData, "answer is not understood")))
}

impl RaftNetwork<TypeConfig> for Peer {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failed<openraft::error::Infallible>> {
        let answer = self.call("appendEntries", encode_append(&request), option.hard_ttl()).await?;
        let answer = decode_append_answer(&answer).ok_or_else(garbled)?;
        self.network.acked.write().insert(self.number, rt::clock::monotonic());
        Ok(answer)
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failed<InstallSnapshotError>> {
        let answer = self.call("installSnapshot", encode_snapshot(&request), option.hard_ttl()).await?;
        self.decode(&answer)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, Failed<openraft::error::Infallible>> {
        let body = serde_json::to_vec(&request).unwrap_or_default();
        let answer = self.call("requestVote", body, option.hard_ttl()).await?;
        self.decode(&answer)
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(RETRY))
    }
}

impl Peer {
    #[expect(clippy::result_large_err, reason = "openraft's own error type")]
    fn decode<T: DeserializeOwned, E: std::error::Error + DeserializeOwned>(&self, answer: &[u8]) -> Result<T, Failed<E>> {
        match serde_json::from_slice::<Result<T, RaftError<u64, E>>>(answer) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(RPCError::RemoteError(RemoteError::new(self.number, error))),
            Err(_) => Err(garbled()),
        }
    }
}

fn encode_append(request: &AppendEntriesRequest<TypeConfig>) -> Vec<u8> {
    let mut out = Vec::new();
    codec::write_vote(&request.vote, &mut out);
    codec::write_optional_log_id(request.prev_log_id.as_ref(), &mut out);
    codec::write_optional_log_id(request.leader_commit.as_ref(), &mut out);
    for entry in &request.entries {
        codec::write_framed_entry(entry, &mut out);
    }
    out
}

fn decode_append(bytes: &[u8]) -> Option<AppendEntriesRequest<TypeConfig>> {
    let mut reader = Reader { bytes };
    let (vote, prev_log_id, leader_commit) = (reader.vote()?, reader.optional_log_id()?, reader.optional_log_id()?);
    let mut entries = Vec::new();
    while !reader.bytes.is_empty() {
        entries.push(reader.framed_entry()?);
    }
    Some(AppendEntriesRequest { vote, prev_log_id, leader_commit, entries })
}

const SUCCESS: u8 = 0;
const PARTIAL: u8 = 1;
const CONFLICT: u8 = 2;
const HIGHER: u8 = 3;

fn encode_append_answer(answer: &AppendEntriesResponse<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    match answer {
        AppendEntriesResponse::Success => out.push(SUCCESS),
        AppendEntriesResponse::PartialSuccess(log_id) => {
            out.push(PARTIAL);
            codec::write_optional_log_id(log_id.as_ref(), &mut out);
        }
        AppendEntriesResponse::Conflict => out.push(CONFLICT),
        AppendEntriesResponse::HigherVote(vote) => {
            out.push(HIGHER);
            codec::write_vote(vote, &mut out);
        }
    }
    out
}

fn decode_append_answer(bytes: &[u8]) -> Option<AppendEntriesResponse<u64>> {
    let mut reader = Reader { bytes };
    Some(match reader.u8()? {
        SUCCESS => AppendEntriesResponse::Success,
        PARTIAL => AppendEntriesResponse::PartialSuccess(reader.optional_log_id()?),
        CONFLICT => AppendEntriesResponse::Conflict,
        HIGHER => AppendEntriesResponse::HigherVote(reader.vote()?),
        _ => return None,
    })
}

/// A part of a snapshot without its bytes, which follow it in the message.
#[derive(Serialize, Deserialize)]
struct Part {
    vote: Vote,
    meta: super::snapshot::Meta,
    offset: u64,
    done: bool,
}

fn encode_snapshot(request: &InstallSnapshotRequest<TypeConfig>) -> Vec<u8> {
    let part = Part { vote: request.vote, meta: request.meta.clone(), offset: request.offset, done: request.done };
    let part = serde_json::to_vec(&part).unwrap_or_default();
    let mut out = Vec::with_capacity(part.len() + request.data.len() + 4);
    out.extend_from_slice(&(part.len() as u32).to_le_bytes());
    out.extend_from_slice(&part);
    out.extend_from_slice(&request.data);
    out
}

fn decode_snapshot(bytes: &[u8]) -> Option<InstallSnapshotRequest<TypeConfig>> {
    let mut reader = Reader { bytes };
    let length = reader.u32()? as usize;
    let Part { vote, meta, offset, done } = serde_json::from_slice(reader.take(length)?).ok()?;
    Some(InstallSnapshotRequest { vote, meta, offset, data: reader.bytes.to_vec(), done })
}

/// Answers a Raft message `name`; `None` for unknown names.
pub async fn receive(raft: &Raft, own_number: u64, name: &str, request: &Request) -> Option<Response> {
    if !matches!(name, "appendEntries" | "requestVote" | "installSnapshot") {
        return None;
    }
    if request.query_value("to").and_then(|to| to.parse().ok()) != Some(own_number) {
        return Some(Response::empty(404));
    }
    let malformed = || Response::empty(400);
    Some(match name {
        "appendEntries" => match decode_append(&request.body) {
            None => malformed(),
            Some(message) => match raft.append_entries(message).await {
                Ok(answer) => Response::new(200).with_body("application/octet-stream", encode_append_answer(&answer)),
                Err(_) => Response::empty(503),
            },
        },
        "requestVote" => match serde_json::from_slice(&request.body) {
            Err(_) => malformed(),
            Ok(message) => json(&raft.vote(message).await),
        },
        _ => match decode_snapshot(&request.body) {
            None => malformed(),
            Some(message) => json(&raft.install_snapshot(message).await),
        },
    })
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => Response::new(200).with_body("application/json", body),
        Err(_) => Response::empty(500),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Batch, Command, Entry};
    use openraft::{CommittedLeaderId, EntryPayload, LogId};
    use proptest::prelude::*;

    #[test]
    fn messages_round_trip() {
        let id = |index| LogId::new(CommittedLeaderId::new(2, 5), index);
        let entries = vec![
            Entry { log_id: id(4), payload: EntryPayload::Blank },
            Entry { log_id: id(5), payload: EntryPayload::Normal(Command::encode(&Batch::default())) },
        ];
        let request = AppendEntriesRequest { vote: Vote::new_committed(2, 5), prev_log_id: Some(id(3)), leader_commit: None, entries };
        let copy = decode_append(&encode_append(&request)).unwrap();
        assert_eq!((copy.vote, copy.prev_log_id, copy.leader_commit), (request.vote, request.prev_log_id, None));
        assert_eq!(copy.entries, request.entries);
        for answer in [
            AppendEntriesResponse::Success,
            AppendEntriesResponse::PartialSuccess(Some(id(1))),
            AppendEntriesResponse::Conflict,
            AppendEntriesResponse::HigherVote(Vote::new(9, 1)),
        ] {
            assert_eq!(decode_append_answer(&encode_append_answer(&answer)), Some(answer));
        }
        let part = InstallSnapshotRequest { vote: Vote::new(1, 1), meta: Default::default(), offset: 7, data: vec![1, 2], done: true };
        let copy = decode_snapshot(&encode_snapshot(&part)).unwrap();
        assert_eq!((copy.offset, copy.data, copy.done), (7, vec![1, 2], true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_append(&bytes);
            let _ = decode_append_answer(&bytes);
            let _ = decode_snapshot(&bytes);
        }
    }
}
