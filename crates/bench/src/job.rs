//! What a job says: which server, which operation, how many clients, how long.
//!
//! Invariant: the same job gives the same sequence of keys and documents on either side, so that
//! both sides of a comparison do the same work.

use serde::Deserialize;
use std::fmt::Write;

/// Whom the clients talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The document API over HTTP.
    Documents,
    /// A JSONB table, by PostgreSQL's own protocol with prepared statements.
    Postgres,
    /// The agency's `write` and `read` over HTTP.
    Agency,
    /// etcd's JSON gateway over HTTP.
    Etcd,
}

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A new document with a key of its own.
    Insert,
    /// A document, or a value of the agency (linearizable), by its key.
    Read,
    /// One attribute of a document is replaced, the others stay.
    Update,
    /// A value of the agency is set.
    Write,
}

/// One measurement.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Whom the clients talk to.
    pub side: Side,
    /// What they do.
    pub operation: Operation,
    /// `host:port` of the server.
    pub address: String,
    /// PostgreSQL's user.
    #[serde(default)]
    pub user: String,
    /// Collection or table.
    #[serde(default)]
    pub collection: String,
    /// Whether the server answers only when the write is on disk.
    #[serde(default)]
    pub sync: bool,
    /// Number of connections, each with one request under way.
    pub clients: usize,
    /// Time before the measurement.
    #[serde(default)]
    pub warmup_ms: u64,
    /// Time of the measurement.
    #[serde(default)]
    pub measure_ms: u64,
    /// Instead of a time: this many operations are done and measured.
    #[serde(default)]
    pub count: Option<u64>,
    /// New keys are this and a number.
    pub prefix: String,
    /// Reads and updates take a key below this, at random.
    #[serde(default)]
    pub keys: u64,
}

/// Random numbers that are the same in each run (SplitMix64).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each client.
    pub fn new(client: usize) -> Random {
        Random((client as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678))
    }

    /// The next number below `limit` (0 when the limit is 0).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(limit).unwrap_or(0)
    }
}

/// Writes a document of about 200 bytes of JSON; `key` is its `_key` where the document carries it.
pub fn write_document(out: &mut String, key: Option<&str>, number: u64) {
    out.push('{');
    if let Some(key) = key {
        let _ = write!(out, "\"_key\":\"{key}\",");
    }
    let _ = write!(
        out,
        "\"number\":{number},\"name\":\"traveller {number}\",\"city\":\"Cologne\",\"visits\":{},\"score\":{}.5,\"tags\":[\"rail\",\"road\",\"river\"],\
         \"address\":{{\"street\":\"Hauptstrasse\",\"number\":{},\"code\":\"50667\"}},\"active\":true}}",
        number % 97,
        number % 1013,
        number % 211
    );
}

/// Writes the attribute that an update replaces.
pub fn write_patch(out: &mut String, number: u64) {
    let _ = write!(out, "{{\"visits\":{number}}}");
}

/// Writes a value of the agency: 100 bytes.
pub fn write_value(out: &mut String, number: u64) {
    let _ = write!(out, "{number:0>100}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_json_of_about_two_hundred_bytes() {
        let mut text = String::new();
        write_document(&mut text, Some("k1"), 12345);
        let parsed: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((parsed["_key"].as_str(), parsed["number"].as_u64()), (Some("k1"), Some(12345)));
        assert!((180..260).contains(&text.len()), "{} bytes", text.len());
    }

    #[test]
    fn random_numbers_stay_below_the_limit_and_repeat() {
        let draw = |client| (0..1000).map(|_| 0).scan(Random::new(client), |random, _: i32| Some(random.below(10))).collect::<Vec<_>>();
        assert!(draw(1).iter().all(|number| *number < 10));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(Random::new(1).below(0), 0);
    }
}
