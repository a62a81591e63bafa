//! What a DB-server answers to the other servers of its cluster (`/_internal/…`).
//!
//! Messages are VelocyPack, see `wire` and `docs/formats.md`. Whoever mounts these routes lets only
//! servers of the cluster in. Everything that reads or writes a shard checks first that this server
//! leads it and has a lease; reads check again before they answer.

use super::DbServer;
use super::shards::Part;
use crate::secondary::log_routes::LogRoutes;
use crate::wire::{self, ShardRequest, malformed};
use aql::plan::Direction;
use async_trait::async_trait;
use base::{Error, Result, code};
use database::Context;
use database::document::Operation;
use database::transaction::TransactionId;
use rt::http::{Handler, Request, Response};
use std::collections::BTreeSet;
use std::sync::Arc;
use storage::ReplicatedOperation;
use velocypack::{Slice, Value};

/// Path prefix of these routes.
pub const PREFIX: &str = "/_internal/";

/// The routes of one DB-server.
pub struct PeerRoutes(Arc<DbServer>, LogRoutes);

impl PeerRoutes {
    /// The routes of `server`.
    #[must_use]
    pub fn new(server: Arc<DbServer>) -> Self {
        let log = LogRoutes::new(Arc::clone(&server.storage));
        Self(server, log)
    }
}

#[async_trait]
impl Handler for PeerRoutes {
    async fn handle(&self, request: Request) -> Response {
        let path = request.path.strip_prefix(PREFIX).unwrap_or_default().to_owned();
        if let Some(what) = path.strip_prefix("wal/") {
            return match self.1.serve(what, &request.body).await {
                Ok(bytes) => Response::new(200).with_body("application/octet-stream", bytes),
                Err(error) => answer(Err(error)),
            };
        }
        let outcome = match Value::from_bytes(&request.body) {
            Ok(message) => self.0.serve(&path, &message).await,
            Err(_) => Err(malformed("no VelocyPack")),
        };
        answer(outcome)
    }
}

/// An answer between servers.
pub(crate) fn answer(outcome: Result<Value>) -> Response {
    match outcome {
        Ok(value) => Response::new(200).with_body("application/x-velocypack", value.as_bytes().to_vec()),
        Err(error) => {
            let value = wire::encode_error(&error);
            Response::new(error.http_status()).with_body("application/x-velocypack", value.as_bytes().to_vec())
        }
    }
}

impl DbServer {
    async fn serve(self: &Arc<Self>, path: &str, message: &Value) -> Result<Value> {
        let slice = message.as_slice();
        match path {
            "documents" => self.serve_document_request(slice).await,
            "replicate" => self.serve_replication(slice).await,
            "transaction" => self.serve_transaction(slice).await,
            "edges" => self.serve_edges(slice).await,
            "count" => {
                let (database, shard) = shard_of(slice)?;
                self.shards.led(shard)?;
                let count = self.storage.collection(database, shard)?.count();
                self.shards.led(shard)?;
                Ok(Value::object([("count", Value::uint(count))]))
            }
            "truncate" => {
                let (database, shard) = shard_of(slice)?;
                self.shards.led(shard)?;
                self.local.truncate(&Context::superuser(), database, shard).await?;
                Ok(Value::empty_object())
            }
            "statistics" => self.serve_statistics(slice).await,
            "query/open" => self.open_snippet(slice).await,
            "query/next" => self.next_rows(slice).await,
            "query/close" => self.close_snippet(slice).await,
            path => match path.split_once('/') {
                Some(("shard", what)) => self.serve_shard(what, slice).await,
                _ => Err(code::HTTP_NOT_FOUND.into()),
            },
        }
    }

    async fn serve_document_request(self: &Arc<Self>, message: Slice<'_>) -> Result<Value> {
        let ShardRequest { database, shard, transaction, begins, request } = ShardRequest::decode(message)?;
        self.shards.led(&shard)?;
        let cx = self.context(&database, transaction, begins).await?;
        let reads = request.operation == Operation::Read;
        let results = self.local.documents(&cx, &database, &shard, request).await?;
        if reads {
            self.shards.led(&shard)?;
        }
        Ok(wire::encode_results(&results))
    }

    /// The identity under which a coordinator's request runs, with its transaction begun here if
    /// this is its first request.
    pub(super) async fn context(&self, database: &str, transaction: Option<TransactionId>, begins: bool) -> Result<Context> {
        if let Some(id) = transaction
            && begins
        {
            self.local.begin_as(database, id).await?;
        }
        Ok(Context { transaction, ..Context::superuser() })
    }

    /// Applies a leader's operations: all transactions of a request in one batch, except those that
    /// are refused.
    async fn serve_replication(self: &Arc<Self>, message: Slice<'_>) -> Result<Value> {
        let leader = message.get("l").and_then(Slice::as_str).ok_or_else(|| malformed("l"))?;
        let transactions = message.get("t").ok_or_else(|| malformed("t"))?;
        let transactions = transactions.elements().map(wire::decode_operations).collect::<Result<Vec<_>>>()?;
        let names: BTreeSet<&str> = transactions.iter().flatten().map(|operation| &*operation.collection).collect();
        // Entered before the check: whoever makes us leader waits until these are applied.
        let mut gates = Vec::new();
        for name in names {
            if let Some(shard) = self.shards.get(name) {
                gates.push(shard.enter().await);
            }
        }
        let verdicts: Vec<Result<()>> = transactions.iter().map(|operations| self.check_leader(leader, operations)).collect();
        let accepted: Vec<ReplicatedOperation> =
            transactions.into_iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok()).flat_map(|(operations, _)| operations).collect();
        if !accepted.is_empty() {
            let sync = accepted.iter().any(|operation| self.waits_for_sync(operation));
            self.apply(accepted, sync).await?;
        }
        drop(gates);
        let verdict = |outcome: Result<()>| outcome.map_or_else(|error| wire::encode_error(&error), |()| Value::null());
        Ok(Value::array(verdicts.into_iter().map(verdict)))
    }

    fn check_leader(&self, leader: &str, operations: &[ReplicatedOperation]) -> Result<()> {
        let plan = self.cluster.plan();
        for operation in operations {
            let name = &operation.collection;
            let part = self.shards.get(name).map_or(Part::Unknown, |shard| shard.part());
            match part {
                Part::Leading { .. } => return Err(Error::with_detail(code::CLUSTER_SHARD_LEADER_REFUSES_REPLICATION, name)),
                Part::Following { leader: known } if known == leader => {}
                Part::Following { .. } | Part::Unknown => {
                    return Err(Error::with_detail(code::CLUSTER_SHARD_FOLLOWER_REFUSES_OPERATION, name));
                }
            }
            let planned = plan.shard(name).and_then(|planned| planned.servers(name).first().cloned());
            if planned.is_none_or(|first| first.trim_start_matches('_') != leader) {
                return Err(Error::with_detail(code::CLUSTER_SHARD_FOLLOWER_REFUSES_OPERATION, name));
            }
        }
        Ok(())
    }

    fn waits_for_sync(&self, operation: &ReplicatedOperation) -> bool {
        self.storage.collection(&operation.database, &operation.collection).is_ok_and(|collection| collection.info().wait_for_sync)
    }

    async fn serve_transaction(self: &Arc<Self>, message: Slice<'_>) -> Result<Value> {
        let id = message.get("t").and_then(Slice::as_u64).map(TransactionId).ok_or_else(|| malformed("t"))?;
        match message.get("a").and_then(Slice::as_str) {
            Some("commit") => self.local.commit_any(id).await?,
            Some("abort") => self.local.abort_any(id).await?,
            _ => return Err(malformed("a")),
        }
        Ok(Value::empty_object())
    }

    async fn serve_edges(self: &Arc<Self>, message: Slice<'_>) -> Result<Value> {
        let (database, shard) = shard_of(message)?;
        self.shards.led(shard)?;
        let direction = match message.get("out").and_then(Slice::as_bool) {
            Some(true) => Direction::Outbound,
            Some(false) => Direction::Inbound,
            None => return Err(malformed("out")),
        };
        let covering = message.get("cover").and_then(Slice::as_bool).unwrap_or(false);
        let vertices: Vec<String> =
            message.get("v").ok_or_else(|| malformed("v"))?.elements().filter_map(|id| id.as_str().map(str::to_owned)).collect();
        let (transaction, begins) = transaction_of(message);
        let cx = self.context(database, transaction, begins).await?;
        let lists = self.local.edges(&cx, database, shard, direction, vertices, covering).await?;
        self.shards.led(shard)?;
        Ok(Value::array(lists.into_iter().map(Value::array)))
    }

    async fn serve_statistics(self: &Arc<Self>, message: Slice<'_>) -> Result<Value> {
        let (database, shard) = shard_of(message)?;
        self.shards.led(shard)?;
        let flag = |name: &str| message.get(name).and_then(Slice::as_bool).unwrap_or(false);
        let (data, revisions) = (flag("data"), flag("revisions"));
        let (local, collection) = (Arc::clone(&self.local), self.storage.collection(database, shard)?);
        match message.get("w").and_then(Slice::as_str) {
            Some("figures") => {
                let figures = local.figures(&collection);
                Ok(Value::object([
                    ("documentsSize", Value::uint(figures.documents_bytes)),
                    ("indexesSize", Value::uint(figures.indexes_bytes)),
                ]))
            }
            Some("revision") => {
                let newest = self.local.workers().run(move || local.newest_revision(&collection)).await?;
                Ok(Value::object([("revision", Value::uint(newest))]))
            }
            Some("checksum") => {
                let sum = self.local.workers().run(move || local.checksum(&collection, revisions, data)).await?;
                Ok(Value::object([("checksum", Value::uint(sum.checksum)), ("revision", Value::uint(sum.revision))]))
            }
            _ => Err(malformed("w")),
        }
    }
}

/// Database and shard of a message.
pub(super) fn shard_of(message: Slice<'_>) -> Result<(&str, &str)> {
    let text = |name: &'static str| message.get(name).and_then(Slice::as_str).ok_or_else(|| malformed(name));
    Ok((text("d")?, text("s")?))
}

/// Transaction of a message, and whether it begins here.
pub(super) fn transaction_of(message: Slice<'_>) -> (Option<TransactionId>, bool) {
    let id = message.get("t").and_then(Slice::as_u64).map(TransactionId);
    (id, message.get("begins").and_then(Slice::as_bool).unwrap_or(false))
}
