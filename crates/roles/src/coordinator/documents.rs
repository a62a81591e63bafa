//! Document operations on a coordinator: find the shard, ask its leader, put the answers together.
//!
//! A request is repeated only if it was surely not carried out (or only reads): the leader was not
//! reached, or answered that it does not lead. Otherwise the client learns that the outcome is
//! unknown.

use super::Coordinator;
use crate::cluster::plan_view::{PlannedCollection, not_found};
use crate::cluster::surely_not_done;
use crate::wire::{self, ShardRequest};
use base::{Error, Result, code};
use database::Context;
use database::catalog::Collection;
use database::document::{DocumentOutcome, DocumentRequest, DocumentResults, Operation};
use database::sharding::{Location, locate, locate_new};
use database::transaction::TransactionId;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use velocypack::Value;

/// Longest time one shard's leader may take; also how long a request waits for a new leader.
pub(super) const LEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause between looks at the Plan while a shard has no leader.
const LEADER_POLL: Duration = Duration::from_millis(50);

impl Coordinator {
    /// Carries out a document request on the leaders of its shards.
    pub(super) async fn shard_documents(
        &self,
        cx: &Context,
        planned: &Arc<PlannedCollection>,
        mut request: DocumentRequest,
    ) -> Result<DocumentResults> {
        if request.operation == Operation::Insert {
            self.complete_keys(&planned.collection, &mut request.documents).await?;
        }
        let placement = Placement::of(planned, &request);
        if let Some(error) = placement.refused {
            return Err(error);
        }
        let transaction = cx.transaction;
        let total = request.documents.len();
        let known = placement.by_shard.into_iter().map(|(shard, positions)| {
            let part = pick(&request, &positions);
            let run = self.on_leader(planned, shard, transaction, part);
            async move { (positions, run.await) }
        });
        let mut merged = Merge::new(total);
        for (positions, results) in join_all(known).await {
            merged.add(&positions, results?)?;
        }
        if !placement.unknown.is_empty() {
            self.ask_all_shards(planned, transaction, &request, &placement.unknown, &mut merged).await?;
        }
        merged.finish()
    }

    /// Documents whose shard is not known: every shard is asked, the one that has it decides.
    async fn ask_all_shards(
        &self,
        planned: &Arc<PlannedCollection>,
        transaction: Option<TransactionId>,
        request: &DocumentRequest,
        positions: &[usize],
        merged: &mut Merge,
    ) -> Result<()> {
        let runs = (0..planned.shards.len()).map(|shard| self.on_leader(planned, shard, transaction, pick(request, positions)));
        for results in join_all(runs).await {
            merged.add_if_found(positions, results?)?;
        }
        Ok(())
    }

    /// Gives every document without `_key` one, because the shard depends on it. Keys of
    /// `autoincrement` collections, which have one shard, are left to the leader.
    async fn complete_keys(&self, collection: &Collection, documents: &mut [Value]) -> Result<()> {
        let generator = collection.key_options.generator.as_str();
        let lacks_key = |document: &Value| document.as_slice().is_object() && document.as_slice().get("_key").is_none();
        let missing = documents.iter().filter(|document| lacks_key(document)).count();
        if generator == "autoincrement" || missing == 0 {
            return Ok(());
        }
        let count = u64::try_from(missing).map_err(|_| Error::internal("too many documents"))?;
        let mut numbers = self.ids.take(&self.cluster.agency, count).await?;
        for document in documents.iter_mut().filter(|document| lacks_key(document)) {
            let number = numbers.next().ok_or_else(|| Error::internal("key numbers ran out"))?;
            let key = match generator {
                "uuid" => uuid::Uuid::new_v4().to_string(),
                "padded" => format!("{number:016x}"),
                _ => number.to_string(),
            };
            let with_key = Value::object([("_key", Value::string(&key))]);
            *document = velocypack::merge(with_key.as_slice(), document.as_slice(), false, true);
        }
        Ok(())
    }

    /// Asks the leader of a shard, waiting for a new one while a failover goes on.
    async fn on_leader(
        &self,
        planned: &Arc<PlannedCollection>,
        shard: usize,
        transaction: Option<TransactionId>,
        request: DocumentRequest,
    ) -> Result<DocumentResults> {
        let shard = planned.shards.get(shard).ok_or_else(|| Error::from(code::CLUSTER_SHARD_GONE))?;
        let reads = request.operation == Operation::Read;
        let begins = match transaction {
            Some(id) => self.transactions.note_participant(id, self.leader_of(shard)?)?,
            None => false,
        };
        let message = ShardRequest { database: planned.database.clone(), shard: shard.clone(), transaction, begins, request }.encode();
        let answer = self.ask_leader(shard, transaction, reads, "/_internal/documents", &message).await?;
        wire::decode_results(answer.as_slice())
    }

    /// Sends a message to whoever leads a shard. Repeated while it was surely not processed, or
    /// whenever it only reads; never within a stream transaction, whose state would be lost.
    pub(super) async fn ask_leader(
        &self,
        shard: &str,
        transaction: Option<TransactionId>,
        reads: bool,
        path: &str,
        message: &Value,
    ) -> Result<Value> {
        let deadline = tokio::time::Instant::now() + LEADER_TIMEOUT;
        loop {
            let leader = self.leader_of(shard)?;
            let outcome = match &leader {
                Some(leader) => self.call_while_leading(leader, shard, path, message).await,
                None => Err(Error::with_detail(code::CLUSTER_LEADERSHIP_CHALLENGE_ONGOING, shard)),
            };
            let error = match outcome {
                Ok(answer) => {
                    if let (Some(id), Some(leader)) = (transaction, &leader) {
                        self.transactions.confirm_participant(id, leader);
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let lost = [code::CLUSTER_CONNECTION_LOST, code::CLUSTER_TIMEOUT].contains(&error.code());
            let may_repeat = transaction.is_none() && (surely_not_done(&error) || (reads && lost));
            if !may_repeat || tokio::time::Instant::now() >= deadline {
                return Err(error);
            }
            self.wait_for_news(LEADER_POLL).await;
        }
    }

    /// Planned leader of a shard; an error if the shard is gone.
    pub(super) fn leader_of(&self, shard: &str) -> Result<Option<String>> {
        let plan = self.cluster.plan();
        let planned = plan.shard(shard).ok_or_else(|| not_found(shard))?;
        Ok(planned.leader(shard).map(str::to_owned))
    }

    /// Waits until the agency's tree changes, at most `longest`.
    pub(super) async fn wait_for_news(&self, longest: Duration) {
        let mut changed = self.cluster.cache.changed();
        changed.mark_unchanged();
        let _ = tokio::time::timeout(longest, changed.changed()).await;
    }

    /// Calls a leader, giving up as soon as the Plan names another one: a stopped process never
    /// answers and never refuses.
    async fn call_while_leading(&self, leader: &str, shard: &str, path: &str, message: &Value) -> Result<Value> {
        let call = self.cluster.call(leader, path, message, LEADER_TIMEOUT);
        let deposed = async {
            loop {
                self.wait_for_news(Duration::from_secs(1)).await;
                if !matches!(self.leader_of(shard), Ok(Some(now)) if now == leader) {
                    return;
                }
            }
        };
        tokio::select! {
            answer = call => answer,
            () = deposed => {
                let text = format!("{leader} was replaced as leader of {shard} before it answered");
                Err(Error::with_detail(code::CLUSTER_CONNECTION_LOST, text))
            }
        }
    }
}

/// Which documents of a request go to which shard.
struct Placement {
    by_shard: BTreeMap<usize, Vec<usize>>,
    unknown: Vec<usize>,
    refused: Option<Error>,
}

impl Placement {
    fn of(planned: &PlannedCollection, request: &DocumentRequest) -> Self {
        let mut placement = Self { by_shard: BTreeMap::new(), unknown: Vec::new(), refused: None };
        let collection = &planned.collection;
        for (position, document) in request.documents.iter().enumerate() {
            let location = match request.operation {
                Operation::Insert => insert_location(collection, document),
                _ => locate(collection, document.as_slice()),
            };
            match location {
                Location::Shard(shard) => placement.by_shard.entry(shard).or_default().push(position),
                // Without a key there is nothing to look for: one leader reports the error.
                Location::Unknown if database::sharding::selector_key(document.as_slice()).is_none() => {
                    placement.by_shard.entry(0).or_default().push(position);
                }
                Location::Unknown => placement.unknown.push(position),
            }
        }
        placement
    }
}

fn insert_location(collection: &Collection, document: &Value) -> Location {
    let slice = document.as_slice();
    // A body that is no object, or whose key is no string, is refused by the leader of any shard.
    let key = slice.get("_key").and_then(|key| key.as_str()).unwrap_or_default();
    Location::Shard(locate_new(collection, slice, key))
}

fn pick(request: &DocumentRequest, positions: &[usize]) -> DocumentRequest {
    let documents = positions.iter().filter_map(|&at| request.documents.get(at).cloned()).collect();
    DocumentRequest { operation: request.operation, documents, options: request.options.clone() }
}

/// Puts the shards' results back into the order of the request.
struct Merge {
    items: Vec<Option<Result<DocumentOutcome>>>,
    synced: bool,
}

impl Merge {
    fn new(total: usize) -> Self {
        Self { items: (0..total).map(|_| None).collect(), synced: true }
    }

    fn add(&mut self, positions: &[usize], results: DocumentResults) -> Result<()> {
        self.check(positions, &results)?;
        for (&position, item) in positions.iter().zip(results.items) {
            if let Some(slot) = self.items.get_mut(position) {
                *slot = Some(item);
            }
        }
        self.synced &= results.synced;
        Ok(())
    }

    /// Like `add`, but "not found" never replaces what another shard said.
    fn add_if_found(&mut self, positions: &[usize], results: DocumentResults) -> Result<()> {
        self.check(positions, &results)?;
        for (&position, item) in positions.iter().zip(results.items) {
            let is_missing = matches!(&item, Err(error) if error.code() == code::ARANGO_DOCUMENT_NOT_FOUND);
            if let Some(slot) = self.items.get_mut(position)
                && (slot.is_none() || !is_missing)
            {
                *slot = Some(item);
            }
        }
        self.synced &= results.synced;
        Ok(())
    }

    fn check(&self, positions: &[usize], results: &DocumentResults) -> Result<()> {
        if positions.len() == results.items.len() { Ok(()) } else { Err(wire::malformed("number of results")) }
    }

    fn finish(self) -> Result<DocumentResults> {
        let items = self.items.into_iter().map(|item| item.ok_or_else(|| wire::malformed("missing result")));
        Ok(DocumentResults { items: items.collect::<Result<Vec<_>>>()?, synced: self.synced })
    }
}
