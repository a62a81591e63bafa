//! Counters and warnings of a running query, by ArangoDB's names (`extra.stats`,
//! `extra.warnings`).

use serde::{Deserialize, Serialize};

/// `extra.stats`. Shards send theirs to the coordinator, which adds them up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    /// Documents written.
    pub writes_executed: u64,
    /// Failed writes that `ignoreErrors` swallowed.
    pub writes_ignored: u64,
    /// Documents fetched by id.
    pub document_lookups: u64,
    /// Index positions sought.
    pub seeks: u64,
    /// Documents visited by full scans.
    pub scanned_full: u64,
    /// Entries visited by index scans and traversals.
    pub scanned_index: u64,
    /// Index cursors opened.
    pub cursors_created: u64,
    /// Index cursors used again for another look-up.
    pub cursors_rearmed: u64,
    /// Look-ups that a cache answered.
    pub cache_hits: u64,
    /// Look-ups that a cache did not answer.
    pub cache_misses: u64,
    /// Rows that conditions rejected.
    pub filtered: u64,
    /// Requests to other servers.
    pub http_requests: u64,
    /// Rows before the last top-level `LIMIT`, if counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_count: Option<u64>,
    /// Seconds; filled by whoever has a clock.
    pub execution_time: f64,
    /// Most bytes held at a time.
    pub peak_memory_usage: u64,
    /// Commits before the end of the query.
    pub intermediate_commits: u64,
}

impl Stats {
    /// Adds the counters of a part of the query that ran elsewhere.
    pub fn add(&mut self, part: &Stats) {
        self.writes_executed += part.writes_executed;
        self.writes_ignored += part.writes_ignored;
        self.document_lookups += part.document_lookups;
        self.seeks += part.seeks;
        self.scanned_full += part.scanned_full;
        self.scanned_index += part.scanned_index;
        self.cursors_created += part.cursors_created;
        self.cursors_rearmed += part.cursors_rearmed;
        self.cache_hits += part.cache_hits;
        self.cache_misses += part.cache_misses;
        self.filtered += part.filtered;
        self.http_requests += part.http_requests;
        self.peak_memory_usage += part.peak_memory_usage;
        self.intermediate_commits += part.intermediate_commits;
        if let Some(count) = part.full_count {
            *self.full_count.get_or_insert(0) += count;
        }
    }
}

/// A warning: number and message.
pub type Warning = (u32, String);
