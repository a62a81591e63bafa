//! Jobs as they stand in `Target/ToDo`, `Target/Pending`, `Target/Finished`, `Target/Failed`.
//!
//! A job's place is its state: it is created in `ToDo`, works in `Pending`, ends in `Finished` or
//! `Failed`; short ones go from `ToDo` to the end at once. Each step is one transaction that also
//! requires the job to be where it was.

use super::{
    Cx, add_follower, clean_out_server, failed_follower, failed_leader, failed_server, move_shard, remove_follower, resign_leadership,
};
use crate::node::Node;
use crate::transaction::Transaction;
use serde_json::{Map, Value as Json, json};

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits.
    ToDo,
    /// Works.
    Pending,
    /// Has ended well.
    Finished,
    /// Has ended badly.
    Failed,
}

impl State {
    /// Its place below `Target`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ToDo => "ToDo",
            Self::Pending => "Pending",
            Self::Finished => "Finished",
            Self::Failed => "Failed",
        }
    }
}

/// A job with its description.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub state: State,
    /// Its description.
    pub entry: Map<String, Json>,
}

impl Job {
    /// All jobs in one state, in order of their ids.
    pub fn all(tree: &Node, state: State) -> Vec<Self> {
        let jobs = tree.at(&format!("Target/{}", state.name()));
        let jobs = jobs.into_iter().flat_map(Node::children);
        jobs.filter_map(|(id, node)| match node.to_json() {
            Json::Object(entry) => Some(Self { id: id.to_owned(), state, entry }),
            _ => None,
        })
        .collect()
    }

    /// The job with this id if it has not ended.
    pub fn open(tree: &Node, id: &str) -> Option<Self> {
        [State::ToDo, State::Pending].into_iter().find_map(|state| match tree.get(&format!("Target/{}/{id}", state.name()))? {
            Json::Object(entry) => Some(Self { id: id.to_owned(), state, entry: entry.clone() }),
            _ => None,
        })
    }

    /// Open jobs whose ids begin with `<parent>-`.
    pub fn children(tree: &Node, parent: &str) -> Vec<Self> {
        let prefix = format!("{parent}-");
        let mut jobs = Self::all(tree, State::ToDo);
        jobs.extend(Self::all(tree, State::Pending));
        jobs.retain(|job| job.id.starts_with(&prefix));
        jobs
    }

    /// Text in the description.
    pub fn text(&self, name: &str) -> &str {
        self.entry.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    /// Truth value in the description.
    pub fn flag(&self, name: &str) -> bool {
        self.entry.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// What kind of job it is.
    pub fn kind(&self) -> &str {
        self.text("type")
    }

    /// Repairs come before wishes.
    pub fn is_urgent(&self) -> bool {
        self.kind().starts_with("failed")
    }

    /// Path of the job below `/arango`.
    pub fn path(&self) -> String {
        format!("Target/{}/{}", self.state.name(), self.id)
    }

    /// Tries to start a job that waits.
    pub fn start(&self, cx: &mut Cx<'_>) {
        if self.flag("abort") {
            return cx.push(self.end(cx, State::Failed, "aborted before it started"));
        }
        match self.kind() {
            "failedServer" => failed_server::start(cx, self),
            "failedLeader" => failed_leader::start(cx, self),
            "failedFollower" => failed_follower::start(cx, self),
            "addFollower" => add_follower::start(cx, self),
            "removeFollower" => remove_follower::start(cx, self),
            "moveShard" => move_shard::start(cx, self),
            "cleanOutServer" => clean_out_server::start(cx, self),
            "resignLeadership" => resign_leadership::start(cx, self),
            other => {
                let reason = format!("unknown type of job: {other}");
                cx.push(self.end(cx, State::Failed, &reason));
            }
        }
    }

    /// Moves on a job that works.
    pub fn run(&self, cx: &mut Cx<'_>) {
        if self.flag("abort") {
            return self.abort(cx, "aborted on demand");
        }
        match self.kind() {
            "failedServer" => failed_server::run(cx, self),
            "failedLeader" => failed_leader::run(cx, self),
            "moveShard" => move_shard::run(cx, self),
            "cleanOutServer" => clean_out_server::run(cx, self),
            "resignLeadership" => resign_leadership::run(cx, self),
            other => {
                let reason = format!("a job of type {other} does not stay pending");
                cx.push(self.end(cx, State::Failed, &reason));
            }
        }
    }

    /// Gives up a job, if its type allows that: what it changed is taken back or brought to an end.
    pub fn abort(&self, cx: &mut Cx<'_>, reason: &str) {
        match (self.state, self.kind()) {
            (State::ToDo, _) => cx.push(self.end(cx, State::Failed, reason)),
            (_, "moveShard") => move_shard::abort(cx, self, reason),
            (_, "cleanOutServer" | "resignLeadership") => clean_out_server::abort(cx, self, reason),
            // Repairs end by themselves.
            _ => {}
        }
    }

    /// True if [`Job::abort`] ends the job.
    pub fn is_abortable(&self) -> bool {
        matches!(self.kind(), "moveShard" | "cleanOutServer" | "resignLeadership" | "addFollower")
    }

    /// A transaction that moves the job into its next state.
    pub fn moved(&self, cx: &Cx<'_>, state: State) -> Transaction {
        self.moved_with(cx, state, Map::new())
    }

    /// Like [`Job::moved`], with more in its description.
    pub fn moved_with(&self, cx: &Cx<'_>, state: State, more: Map<String, Json>) -> Transaction {
        let mut entry = self.entry.clone();
        if self.state == State::ToDo {
            entry.insert("timeStarted".into(), json!(cx.now()));
        }
        if matches!(state, State::Finished | State::Failed) {
            entry.insert("timeFinished".into(), json!(cx.now()));
        }
        entry.extend(more);
        Transaction::new()
            .delete(&self.path())
            .set(&format!("Target/{}/{}", state.name(), self.id), Json::Object(entry))
            .require_present(&self.path())
    }

    /// A transaction that ends the job with a reason.
    pub fn end(&self, cx: &Cx<'_>, state: State, reason: &str) -> Transaction {
        let more = [("reason".to_owned(), json!(reason))].into_iter().collect();
        self.moved_with(cx, state, more)
    }

    /// Time since the job was created or started, by the wall clock.
    pub fn age_seconds(&self, cx: &Cx<'_>) -> u64 {
        let began = if self.state == State::Pending { "timeStarted" } else { "timeCreated" };
        cx.input.now_ms.saturating_sub(parse_iso(self.text(began)).unwrap_or(cx.input.now_ms)) / 1000
    }
}

/// `2026-01-31T12:34:56Z` -> milliseconds since 1970.
pub fn parse_iso(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    // Days since 1970 in years that begin in March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year;
    Some((days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second) * 1000)
}

/// The description of a new job.
pub fn new_entry(cx: &Cx<'_>, kind: &str, id: &str, creator: &str, more: Json) -> Json {
    let mut entry = json!({"type": kind, "jobId": id, "creator": creator, "timeCreated": cx.now()});
    if let (Json::Object(entry), Json::Object(more)) = (&mut entry, more) {
        entry.extend(more);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_times_are_read_back() {
        for ms in [0, 951_782_400_000, 1_700_000_000_000, 1_735_689_599_000, 4_102_444_800_000] {
            assert_eq!(parse_iso(&rt::clock::iso(ms)), Some(ms));
        }
        assert_eq!(parse_iso("yesterday"), None);
    }
}
