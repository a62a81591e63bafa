//! `enforceReplication`: makes `addFollower` and `removeFollower` jobs for shards whose number of
//! replicas is not what it should be.

use super::job::{Job, State, new_entry};
use super::shards::{self, Group, bare};
use super::{Cx, Supervisor, remove_follower};
use crate::transaction::Transaction;
use serde_json::json;
use std::collections::BTreeSet;

/// Limit: waiting jobs of this kind.
const JOBS_MAX: usize = 50;

impl Supervisor {
    pub(super) fn enforce_replication(&mut self, cx: &mut Cx<'_>) {
        let mut busy: BTreeSet<String> = BTreeSet::new();
        let mut waiting = 0;
        for state in [State::ToDo, State::Pending] {
            for job in Job::all(cx.tree, state) {
                waiting += usize::from(matches!(job.kind(), "addFollower" | "removeFollower"));
                busy.insert(job.text("shard").to_owned());
            }
        }
        let mut short = BTreeSet::new();
        for group in shards::groups(cx.tree) {
            let name = &group.first().name;
            if waiting >= JOBS_MAX || group.is_building || busy.contains(name) || group.locked_by(cx).is_some() {
                continue;
            }
            let alive = group.planned().iter().filter(|id| !cx.is_failed(bare(id))).count();
            if alive < group.replication_factor {
                short.insert(name.clone());
                let since = *self.short.entry(name.clone()).or_insert(cx.input.monotonic);
                let patient = cx.input.monotonic.saturating_sub(since) < cx.input.options.delay_add_follower;
                // A shard that never had enough servers need not wait.
                let someone_failed = alive < group.planned().len();
                if (patient && someone_failed) || !cx.free_servers().iter().any(|id| group.is_unknown_to(id)) {
                    continue;
                }
                create(cx, "addFollower", &group);
                waiting += 1;
            } else if remove_follower::remaining(cx, &group).is_some() {
                create(cx, "removeFollower", &group);
                waiting += 1;
            }
        }
        self.short.retain(|name, _| short.contains(name));
    }
}

fn create(cx: &mut Cx<'_>, kind: &str, group: &Group) {
    let id = cx.new_id();
    let shard = group.first();
    let more = json!({"database": group.database, "collection": shard.collection, "shard": shard.name});
    let entry = new_entry(cx, kind, &id, "supervision", more);
    let path = format!("Target/ToDo/{id}");
    let transaction = Transaction::new().set(&path, entry).require_absent(&path).require_absent(&group.lock_path());
    cx.push(group.require_plan(transaction));
}
