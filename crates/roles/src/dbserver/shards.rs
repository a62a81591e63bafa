//! What this DB-server is for each of its shards: leader, follower, or nothing yet.
//!
//! Invariants:
//! * A shard is led only after the agency's Current names us (`servers[0]`).
//! * The followers kept here are a superset of those in Current: nobody who might be chosen as the
//!   next leader misses a write that is acknowledged.
//! * Writes commit while they hold the shard's gate for reading; whoever needs a quiet shard
//!   (resigning, taking in a follower) holds it for writing.

use crate::cluster::lease::Lease;
use base::{Error, Result, code};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};

/// This server's part in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// After a start, or between leaders: answers nothing.
    Unknown,
    /// Leads, with these followers in sync.
    Leading {
        /// Ids of the followers every write goes to.
        followers: Arc<Vec<String>>,
    },
    /// Follows the named server.
    Following {
        /// Id of the leader.
        leader: String,
    },
}

/// A shard held by this server.
#[derive(Debug)]
pub struct Shard {
    /// Database.
    pub database: String,
    /// Id of the collection.
    pub collection: String,
    /// `s<number>`.
    pub name: String,
    part: RwLock<Part>,
    gate: Arc<tokio::sync::RwLock<()>>,
    /// Serialises changes of the follower list in the agency.
    pub change: tokio::sync::Mutex<()>,
    /// A follower could not be dropped in the agency: no write is accepted until it is.
    stuck: Mutex<Option<String>>,
}

impl Shard {
    fn new(database: &str, collection: &str, name: &str) -> Self {
        Self {
            database: database.to_owned(),
            collection: collection.to_owned(),
            name: name.to_owned(),
            part: RwLock::new(Part::Unknown),
            gate: Arc::default(),
            change: tokio::sync::Mutex::default(),
            stuck: Mutex::default(),
        }
    }

    /// This server's part now.
    #[must_use]
    pub fn part(&self) -> Part {
        self.part.read().clone()
    }

    /// Changes this server's part.
    pub fn set_part(&self, part: Part) {
        let mut slot = self.part.write();
        if *slot != part {
            tracing::info!(shard = %self.name, from = ?*slot, to = ?part, "part in shard changed");
            *slot = part;
        }
    }

    /// Followers of a shard that we lead; 1496 or 1491 if we do not.
    pub fn followers(&self) -> Result<Arc<Vec<String>>> {
        match &*self.part.read() {
            Part::Leading { followers } => Ok(Arc::clone(followers)),
            Part::Following { leader } => Err(Error::with_detail(code::CLUSTER_NOT_LEADER, format!("{} is led by {leader}", self.name))),
            Part::Unknown => Err(Error::with_detail(code::CLUSTER_SHARD_LEADER_RESIGNED, &self.name)),
        }
    }

    /// Changes the list of followers while we lead.
    pub fn change_followers(&self, change: impl FnOnce(&mut Vec<String>)) {
        if let Part::Leading { followers } = &mut *self.part.write() {
            change(Arc::make_mut(followers));
        }
    }

    /// Held while a write commits.
    pub async fn enter(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.gate).read_owned().await
    }

    /// Held while nothing may be written. Waits for the writes that are under way.
    pub async fn close(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    /// Refuses writes until the follower has been dropped in the agency.
    pub fn set_stuck(&self, follower: Option<String>) {
        *self.stuck.lock() = follower;
    }

    /// The follower that could not be dropped.
    #[must_use]
    pub fn stuck(&self) -> Option<String> {
        self.stuck.lock().clone()
    }
}

/// All shards of this server, by name.
#[derive(Default)]
pub struct Shards {
    by_name: RwLock<HashMap<String, Arc<Shard>>>,
    lease: Arc<Lease>,
}

impl Shards {
    /// No shards yet.
    #[must_use]
    pub fn new(lease: Arc<Lease>) -> Self {
        Self { by_name: RwLock::default(), lease }
    }

    /// A shard that exists here.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Shard>> {
        self.by_name.read().get(name).cloned()
    }

    /// The shard, made known if it is not.
    pub fn ensure(&self, database: &str, collection: &str, name: &str) -> Arc<Shard> {
        if let Some(shard) = self.get(name) {
            return shard;
        }
        let mut all = self.by_name.write();
        Arc::clone(all.entry(name.to_owned()).or_insert_with(|| Arc::new(Shard::new(database, collection, name))))
    }

    /// Forgets a shard that has been dropped.
    pub fn forget(&self, name: &str) {
        if let Some(shard) = self.by_name.write().remove(name) {
            shard.set_part(Part::Unknown);
        }
    }

    /// All shards.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Shard>> {
        self.by_name.read().values().cloned().collect()
    }

    /// The shard if this server may answer for it now: it leads it and its lease is valid.
    ///
    /// Reads check before and after: a lease that is valid when the answer leaves proves that
    /// nobody else led the shard when the value was read.
    pub fn led(&self, name: &str) -> Result<Arc<Shard>> {
        let shard = self.get(name).ok_or_else(|| Error::with_detail(code::CLUSTER_NOT_LEADER, name))?;
        shard.followers()?;
        if !self.lease.is_valid() {
            return Err(Error::with_detail(code::CLUSTER_LEADERSHIP_CHALLENGE_ONGOING, "no lease from the agency"));
        }
        Ok(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn nothing_is_led_without_part_and_lease() {
        let lease = Arc::new(Lease::default());
        let shards = Shards::new(Arc::clone(&lease));
        assert!(shards.led("s1").is_err());
        let shard = shards.ensure("d", "1", "s1");
        assert_eq!(shards.led("s1").unwrap_err().code(), code::CLUSTER_SHARD_LEADER_RESIGNED);
        shard.set_part(Part::Leading { followers: Arc::default() });
        assert_eq!(shards.led("s1").unwrap_err().code(), code::CLUSTER_LEADERSHIP_CHALLENGE_ONGOING);
        lease.extend(rt::clock::monotonic(), Duration::from_secs(3600));
        assert!(shards.led("s1").is_ok());
        shard.set_part(Part::Following { leader: "B".into() });
        assert_eq!(shards.led("s1").unwrap_err().code(), code::CLUSTER_NOT_LEADER);
        shards.forget("s1");
        assert!(shards.get("s1").is_none());
    }
}
