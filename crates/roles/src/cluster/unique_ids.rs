//! Numbers that are unique in the whole cluster (`Sync/LatestID`), taken in blocks.

use agency::{AgencyClient, Outcome, Transaction};
use base::{Error, Result, code};
use serde_json::Value as Json;
use tokio::sync::Mutex;

/// Numbers taken from the agency at once: a coordinator that makes keys for 100,000 documents a
/// second asks ten times a second.
const BLOCK: u64 = 10_000;

/// The numbers this server may still hand out.
#[derive(Debug, Default)]
pub struct UniqueIds {
    free: Mutex<std::ops::Range<u64>>,
}

impl UniqueIds {
    /// The next number.
    pub async fn next(&self, agency: &AgencyClient) -> Result<u64> {
        Ok(self.take(agency, 1).await?.start)
    }

    /// `count` numbers in a row.
    pub async fn take(&self, agency: &AgencyClient, count: u64) -> Result<std::ops::Range<u64>> {
        let mut free = self.free.lock().await;
        if free.end - free.start < count {
            *free = reserve(agency, BLOCK.max(count)).await?;
        }
        let taken = free.start..free.start + count;
        free.start = taken.end;
        Ok(taken)
    }
}

async fn reserve(agency: &AgencyClient, count: u64) -> Result<std::ops::Range<u64>> {
    loop {
        let latest = agency.read(&["Sync/LatestID"]).await?;
        let last = latest.pointer("/Sync/LatestID").and_then(Json::as_u64);
        let last = last.ok_or_else(|| Error::with_detail(code::CLUSTER_AGENCY_COMMUNICATION_FAILED, "no Sync/LatestID"))?;
        let transaction = Transaction::new().set("Sync/LatestID", last + count).require("Sync/LatestID", last);
        if let Outcome::Committed(_) = agency.write(transaction).await? {
            return Ok(last + 1..last + count + 1);
        }
    }
}
