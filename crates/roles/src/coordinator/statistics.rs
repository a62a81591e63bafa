//! Numbers of a collection, put together from its shards.

use super::Coordinator;
use crate::cluster::plan_view::PlannedCollection;
use crate::wire::malformed;
use base::{Result, Revision};
use database::backend::Statistic;
use futures_util::future::try_join_all;
use serde_json::{Value as Json, json};
use velocypack::{Slice, Value};

impl Coordinator {
    /// Sends the same question to the leader of every shard.
    pub(super) async fn ask_all_leaders(&self, planned: &PlannedCollection, reads: bool, path: &str) -> Result<Vec<Value>> {
        self.ask_all_leaders_with(planned, reads, path, &[]).await
    }

    /// Like `ask_all_leaders`, with further attributes in the message.
    pub(super) async fn ask_all_leaders_with(
        &self,
        planned: &PlannedCollection,
        reads: bool,
        path: &str,
        more: &[(&str, Value)],
    ) -> Result<Vec<Value>> {
        let asked = planned.shards.iter().map(|shard| {
            let own = [("d", Value::string(&planned.database)), ("s", Value::string(shard))];
            let message = Value::object(own.into_iter().chain(more.iter().cloned()));
            async move { self.ask_leader(shard, None, reads, path, &message).await }
        });
        try_join_all(asked).await
    }

    /// Number of documents per shard.
    pub(super) async fn count_shards(&self, planned: &PlannedCollection) -> Result<Vec<(String, u64)>> {
        let answers = self.ask_all_leaders(planned, true, "/_internal/count").await?;
        let counts = answers.iter().map(|answer| number(answer.as_slice(), "count"));
        planned.shards.iter().cloned().zip(counts).map(|(shard, count)| Ok((shard, count?))).collect()
    }

    /// Removes all documents of all shards.
    pub(super) async fn truncate_shards(&self, planned: &PlannedCollection) -> Result<()> {
        self.ask_all_leaders(planned, false, "/_internal/truncate").await.map(drop)
    }

    /// `figures`, `revision` or `checksum` over all shards.
    pub(super) async fn collection_statistic(&self, planned: &PlannedCollection, what: Statistic) -> Result<Json> {
        match what {
            Statistic::Figures => {
                let answers = self.ask_all_leaders_with(planned, true, "/_internal/statistics", &[("w", Value::string("figures"))]).await?;
                let sum = |name: &str| answers.iter().filter_map(|answer| answer.as_slice().get(name).and_then(Slice::as_u64)).sum::<u64>();
                let indexes = json!({"count": planned.collection.indexes.len(), "size": sum("indexesSize")});
                Ok(json!({"indexes": indexes, "documentsSize": sum("documentsSize"), "cacheInUse": false, "cacheSize": 0, "cacheUsage": 0}))
            }
            Statistic::Revision => {
                let answers =
                    self.ask_all_leaders_with(planned, true, "/_internal/statistics", &[("w", Value::string("revision"))]).await?;
                Ok(json!({"revision": newest(&answers)?}))
            }
            Statistic::Checksum { with_data, with_revisions } => {
                let more = [("w", Value::string("checksum")), ("data", Value::bool(with_data)), ("revisions", Value::bool(with_revisions))];
                let answers = self.ask_all_leaders_with(planned, true, "/_internal/statistics", &more).await?;
                let mut checksum = 0u64;
                for answer in &answers {
                    checksum ^= number(answer.as_slice(), "checksum")?;
                }
                Ok(json!({"checksum": checksum.to_string(), "revision": newest(&answers)?}))
            }
        }
    }
}

fn number(answer: Slice<'_>, name: &str) -> Result<u64> {
    answer.get(name).and_then(Slice::as_u64).ok_or_else(|| malformed(name))
}

fn newest(answers: &[Value]) -> Result<String> {
    let revisions = answers.iter().map(|answer| number(answer.as_slice(), "revision")).collect::<Result<Vec<_>>>()?;
    let newest = revisions.into_iter().max().unwrap_or(0);
    Ok(if newest == 0 { "0".to_owned() } else { Revision(newest).encode() })
}
