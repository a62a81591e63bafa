//! The pool: which agents there are and where, found by gossip and kept in a file.
//!
//! A fresh agent tells everyone it knows of (`--agency.endpoint`, then whoever it hears about) what
//! its pool holds, and takes over what they hold, until `--agency.size` agents are known. Then its
//! pool is *sealed*: written to disk, and no other agent can enter any more. Raft starts when all
//! members report the same sealed pool (or one of them has already started with it).
//!
//! Afterwards gossip goes on at a low rate, so that an agent which comes back at another address is
//! found again: of two addresses for one id the one with the later stamp (start of the process)
//! wins.
//!
//! Invariant: a sealed pool never changes its members.

use crate::raft::network::Addresses;
use crate::raft::number_of;
use base::{Error, Result};
use parking_lot::RwLock;
use rt::endpoint::Endpoint;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The pool of one agent.
pub struct Pool {
    file: PathBuf,
    own_id: String,
    size: usize,
    addresses: Addresses,
    state: RwLock<State>,
}

#[derive(Clone, Default)]
struct State {
    members: BTreeMap<String, Place>,
    sealed: bool,
    started: bool,
    /// Members that have reported the same sealed pool.
    agreed: BTreeMap<String, bool>,
}

#[derive(Clone, Debug, PartialEq)]
struct Place {
    endpoint: Endpoint,
    stamp: u64,
}

/// Refuses sizes that cannot have a clear majority.
pub fn check_size(size: usize) -> Result<()> {
    if size == 0 || size.is_multiple_of(2) {
        return Err(Error::bad_parameter(format!("agency: --agency.size must be odd and at least 1, not {size}")));
    }
    Ok(())
}

/// Reads the id of this server from the file `UUID` in `directory`, or makes one and writes it.
pub fn own_id(directory: &Path, wanted: Option<&str>) -> io::Result<String> {
    let file = directory.join("UUID");
    match std::fs::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let id = wanted.map_or_else(|| format!("AGNT-{}", uuid::Uuid::new_v4()), str::to_owned);
    replace_file(&file, id.as_bytes())?;
    Ok(id)
}

/// Writes a small file as a whole, durably.
fn replace_file(file: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = file.with_extension("new");
    let mut out = File::create(&fresh)?;
    out.write_all(content)?;
    out.sync_all()?;
    std::fs::rename(&fresh, file)?;
    if let Some(directory) = file.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

impl Pool {
    /// Loads the pool of agent `own_id` from `directory`; the own address is `endpoint` from now on.
    pub fn open(directory: &Path, own_id: &str, endpoint: Endpoint, size: usize, addresses: Addresses) -> Result<Self> {
        check_size(size)?;
        let file = directory.join("pool.json");
        let mut state = State::default();
        match std::fs::read(&file) {
            Ok(bytes) => state = State::parse(&bytes, size)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::internal(format!("agency: cannot read {}: {error}", file.display()))),
        }
        if state.sealed && !state.members.contains_key(own_id) {
            return Err(Error::internal(format!("agency: {} does not name this agent {own_id}", file.display())));
        }
        let stamp = rt::clock::now_ms().max(state.members.get(own_id).map_or(0, |place| place.stamp + 1));
        state.members.insert(own_id.to_owned(), Place { endpoint, stamp });
        let pool = Self { file, own_id: own_id.to_owned(), size, addresses, state: RwLock::new(state) };
        pool.settle()?;
        Ok(pool)
    }

    /// Publishes addresses, seals and saves where due.
    fn settle(&self) -> Result<()> {
        let mut state = self.state.write();
        for (id, place) in &state.members {
            self.addresses.set(number_of(id), place.endpoint.clone());
        }
        if state.members.len() == self.size {
            let mut numbers: Vec<u64> = state.members.keys().map(|id| number_of(id)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            if numbers.len() < self.size {
                return Err(Error::internal("agency: two agents have the same number; remove one agent's directory and start it anew"));
            }
            state.sealed = true;
        }
        if state.sealed {
            self.save(&state)?;
        }
        Ok(())
    }

    fn save(&self, state: &State) -> Result<()> {
        let text = json!({
            "id": self.own_id, "size": self.size, "sealed": state.sealed, "started": state.started,
            "pool": state.endpoints(), "stamps": state.stamps(),
        });
        let saved = replace_file(&self.file, text.to_string().as_bytes());
        saved.map_err(|error| Error::internal(format!("agency: cannot write {}: {error}", self.file.display())))
    }

    /// Raft has started with this pool; remembered for the next start.
    pub fn started(&self) -> Result<()> {
        let mut state = self.state.write();
        state.started = true;
        self.save(&state)
    }

    /// True if Raft was started with this pool before.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.state.read().started
    }

    /// True if all members have agreed on the pool.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let state = self.state.read();
        let agreed = |id: &String| *id == self.own_id || state.agreed.contains_key(id);
        state.sealed && (state.started || state.agreed.values().any(|started| *started) || state.members.keys().all(agreed))
    }

    /// Members by id, with their addresses.
    #[must_use]
    pub fn members(&self) -> BTreeMap<String, Endpoint> {
        self.state.read().members.iter().map(|(id, place)| (id.clone(), place.endpoint.clone())).collect()
    }

    /// How many agents there shall be.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Address of the member with Raft's `number`.
    #[must_use]
    pub fn member(&self, number: u64) -> Option<(String, Endpoint)> {
        self.members().into_iter().find(|(id, _)| number_of(id) == number)
    }

    /// What this agent tells others.
    #[must_use]
    pub fn message(&self) -> Json {
        let state = self.state.read();
        json!({
            "id": self.own_id,
            "endpoint": state.members.get(&self.own_id).map(|place| place.endpoint.to_string()),
            "size": self.size, "sealed": state.sealed, "started": state.started,
            "pool": state.endpoints(), "stamps": state.stamps(),
        })
    }

    /// Takes over what another agent told; an error text if the two cannot be in one agency.
    pub fn hear(&self, message: &Json) -> Result<()> {
        let malformed = || Error::new(base::code::AGENCY_MALFORMED_GOSSIP_MESSAGE, "malformed gossip message").status(400);
        let id = message.get("id").and_then(Json::as_str).ok_or_else(malformed)?;
        let pool = message.get("pool").and_then(Json::as_object).ok_or_else(malformed)?;
        if id == self.own_id {
            return Ok(());
        }
        if let Some(size) = message.get("size").and_then(Json::as_u64)
            && size != self.size as u64
        {
            return Err(Error::bad_parameter(format!("agency: {id} was started with --agency.size {size}, this agent with {}", self.size)));
        }
        let sealed = message.get("sealed").and_then(Json::as_bool).unwrap_or(false);
        let started = message.get("started").and_then(Json::as_bool).unwrap_or(false);
        let changed = {
            let mut state = self.state.write();
            if sealed && state.sealed && !state.has_members(pool) {
                return Err(Error::bad_parameter(format!("agency: {id} belongs to another complete pool than this agent")));
            }
            if sealed && !pool.contains_key(&self.own_id) {
                return Err(Error::bad_parameter("agency: the pool is complete without this agent"));
            }
            let changed = state.merge(pool, message.get("stamps"), &self.own_id, self.size);
            if sealed && state.has_members(pool) {
                state.agreed.insert(id.to_owned(), started);
            }
            changed
        };
        if changed { self.settle() } else { Ok(()) }
    }

    /// The known member `id` is at `endpoint`, as it or an operator says.
    pub fn moved(&self, id: &str, endpoint: Endpoint) -> Result<()> {
        let changed = match self.state.write().members.get_mut(id) {
            Some(place) if place.endpoint != endpoint => {
                *place = Place { endpoint, stamp: place.stamp + 1 };
                true
            }
            _ => false,
        };
        if changed { self.settle() } else { Ok(()) }
    }
}

impl State {
    fn has_members(&self, pool: &Map<String, Json>) -> bool {
        pool.len() == self.members.len() && pool.keys().all(|id| self.members.contains_key(id))
    }

    fn endpoints(&self) -> Map<String, Json> {
        self.members.iter().map(|(id, place)| (id.clone(), json!(place.endpoint.to_string()))).collect()
    }

    fn stamps(&self) -> Map<String, Json> {
        self.members.iter().map(|(id, place)| (id.clone(), json!(place.stamp))).collect()
    }

    fn parse(bytes: &[u8], size: usize) -> Result<Self> {
        let broken = || Error::internal("agency: the file pool.json is damaged");
        let value: Json = serde_json::from_slice(bytes).map_err(|_| broken())?;
        let stored = value.get("size").and_then(Json::as_u64).ok_or_else(broken)?;
        if stored != size as u64 {
            return Err(Error::bad_parameter(format!("agency: this agent belongs to an agency of size {stored}, not {size}")));
        }
        let flag = |name: &str| value.get(name).and_then(Json::as_bool).unwrap_or(false);
        let mut state = Self { sealed: flag("sealed"), started: flag("started"), ..Self::default() };
        let pool = value.get("pool").and_then(Json::as_object).ok_or_else(broken)?;
        for (id, endpoint) in pool {
            let endpoint = endpoint.as_str().and_then(|endpoint| Endpoint::parse(endpoint).ok()).ok_or_else(broken)?;
            let stamp = value.get("stamps").and_then(|stamps| stamps.get(id)).and_then(Json::as_u64).unwrap_or(0);
            state.members.insert(id.clone(), Place { endpoint, stamp });
        }
        Ok(state)
    }

    /// Adds members while there is room, takes newer addresses; true if something changed.
    fn merge(&mut self, pool: &Map<String, Json>, stamps: Option<&Json>, own_id: &str, size: usize) -> bool {
        let mut changed = false;
        for (id, endpoint) in pool {
            let Some(endpoint) = endpoint.as_str().and_then(|endpoint| Endpoint::parse(endpoint).ok()) else { continue };
            let stamp = stamps.and_then(|stamps| stamps.get(id)).and_then(Json::as_u64).unwrap_or(0);
            let place = Place { endpoint, stamp };
            let has_room = !self.sealed && self.members.len() < size;
            match self.members.get_mut(id) {
                // Nobody knows the own address better.
                Some(_) if id == own_id => {}
                Some(known) if known.stamp < stamp && *known != place => {
                    *known = place;
                    changed = true;
                }
                Some(_) => {}
                None if has_room => {
                    self.members.insert(id.clone(), place);
                    changed = true;
                }
                None => {}
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint::tcp("127.0.0.1", port)
    }

    fn pool(directory: &Path, id: &str, port: u16) -> Pool {
        Pool::open(directory, id, endpoint(port), 3, Addresses::default()).unwrap()
    }

    #[test]
    fn even_sizes_are_refused_with_a_clear_text() {
        for size in [0, 2, 4] {
            let text = check_size(size).unwrap_err().message().to_owned();
            assert_eq!(text, format!("agency: --agency.size must be odd and at least 1, not {size}"));
        }
        assert!(check_size(1).is_ok() && check_size(3).is_ok());
    }

    #[test]
    fn the_id_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let id = own_id(directory.path(), None).unwrap();
        assert!(id.starts_with("AGNT-") && id.len() == 41, "{id}");
        assert_eq!(own_id(directory.path(), Some("AGNT-other")).unwrap(), id);
    }

    #[test]
    fn a_pool_is_complete_through_one_common_agent_and_ready_when_all_agree() {
        let directories: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let pools: Vec<Pool> = directories.iter().zip(1..).map(|(directory, n)| pool(directory.path(), &format!("AGNT-{n}"), n)).collect();
        for other in [&pools[1], &pools[2]] {
            pools[0].hear(&other.message()).unwrap();
            other.hear(&pools[0].message()).unwrap();
        }
        assert_eq!((pools[0].members().len(), pools[1].members().len()), (3, 2));
        assert!(!pools[0].is_ready());
        pools[1].hear(&pools[0].message()).unwrap();
        pools[0].hear(&pools[1].message()).unwrap();
        pools[0].hear(&pools[2].message()).unwrap();
        assert!(pools[0].is_ready());
        assert!(!pools[1].is_ready());
        pools[0].started().unwrap();
        pools[1].hear(&pools[0].message()).unwrap();
        assert!(pools[1].is_ready());
        // A fourth one finds no room.
        let elsewhere = tempfile::tempdir().unwrap();
        let fourth = pool(elsewhere.path(), "AGNT-4", 4);
        pools[0].hear(&fourth.message()).unwrap();
        assert_eq!(pools[0].members().len(), 3);
        assert!(fourth.hear(&pools[0].message()).unwrap_err().message().contains("complete without this agent"));
    }

    #[test]
    fn a_restart_at_another_address_reaches_the_others() {
        let directories: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut pools: Vec<Pool> =
            directories.iter().zip(1..).map(|(directory, n)| pool(directory.path(), &format!("AGNT-{n}"), n)).collect();
        for _ in 0..2 {
            for from in &pools {
                for to in &pools {
                    to.hear(&from.message()).unwrap();
                }
            }
        }
        pools[2].started().unwrap();
        pools[2] = pool(directories[2].path(), "AGNT-3", 33);
        assert!(pools[2].is_started());
        pools[0].hear(&pools[2].message()).unwrap();
        pools[1].hear(&pools[0].message()).unwrap();
        assert_eq!(pools[1].members()["AGNT-3"], endpoint(33));
        // Old news does not win.
        pools[2].hear(&pools[1].message()).unwrap();
        assert_eq!(pools[2].members()["AGNT-3"], endpoint(33));
        assert!(Pool::open(directories[2].path(), "AGNT-3", endpoint(3), 5, Addresses::default()).is_err());
    }

    #[test]
    fn other_sizes_and_malformed_messages_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool(directory.path(), "AGNT-1", 1);
        assert!(pool.hear(&json!({"id": "AGNT-2", "pool": {}, "size": 5})).is_err());
        assert!(pool.hear(&json!({"pool": {}})).is_err());
        assert!(pool.hear(&json!([])).is_err());
    }
}
