//! `use-indexes`: a full scan whose documents must pass a filter becomes look-ups in an index.
//!
//! ```text
//! FOR d IN c FILTER d.a == 1 && d.b > 2 RETURN d   ->   index on [a, b]: a == 1 && b > 2
//! ```
//!
//! The conditions are those of all filters up to the next LIMIT, COLLECT or modification. Leading fields
//! may be fixed by `==` or `IN`, the next one bounded. If no index helps all documents, each branch of one
//! `||` may use its own. The filters stay; `remove-filter-covered-by-index` drops what is answered.
//!
//! Not for: sparse indexes unless null is excluded for all fields; ranges on `_key` (its index is in the
//! order of bytes, not of the collation); values that are known only after the scan.

use super::conditions::{Condition, condition, conditions, filters_after, known_before};
use super::pipeline::conjuncts;
use crate::cost;
use crate::expr::{BinaryOp, Expr, VarId};
use crate::optimizer::Cx;
use crate::plan::{FieldCondition, IndexBranch, IndexScan, NodeKind, Plan, Scan};
use crate::variables::VarSet;
use base::{Error, Result, code};
use database::catalog::Index;
use velocypack::Value;

/// Limit: branches of an `||` that may each use an index.
const BRANCHES_MAX: usize = 64;

/// Small (or unknown) collections are judged as if they had so many documents, or all look-ups looked alike.
const COUNT_MIN: u64 = 1000;

pub(super) fn run(plan: &mut Plan, cx: &mut Cx<'_>) -> Result<bool> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let NodeKind::EnumerateCollection(scan) = &plan.nodes[at].kind else { continue };
        if scan.disable_index || scan.random {
            continue;
        }
        let branches = branches(plan, at, scan, cx);
        match branches {
            Some(branches) => {
                let scan = IndexScan { scan: scan.clone(), branches, reverse: false, sorted: false, covering: false };
                plan.nodes[at].kind = NodeKind::Index(scan);
                changed = true;
            }
            None if scan.force_index_hint => return Err(Error::from(code::QUERY_FORCED_INDEX_HINT_UNUSABLE)),
            None => {}
        }
    }
    Ok(changed)
}

/// The look-ups that find all documents which pass the filters.
fn branches(plan: &Plan, at: usize, scan: &Scan, cx: &Cx<'_>) -> Option<Vec<IndexBranch>> {
    let info = cx.collection(&scan.collection);
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let chooser = Chooser { scan, indexes: &info.indexes, count: info.count.max(COUNT_MIN) as f64 };
    let known = known_before(plan, at);
    let filters = filters_after(plan, at);
    let all: Vec<Condition> = filters.iter().flat_map(|found| conditions(&found.condition, scan.out, &known)).collect();
    if let Some(branch) = chooser.best(&all) {
        return Some(vec![branch]);
    }
    let ors = filters.iter().flat_map(|found| conjuncts(&found.condition)).filter_map(|conjunct| match conjunct {
        Expr::Or(operands) if operands.len() <= BRANCHES_MAX => Some(operands),
        _ => None,
    });
    for operands in ors {
        let per_branch = operands.iter().map(|operand| {
            let mut conditions = conditions_of_branch(operand, scan.out, &known);
            conditions.extend(all.iter().cloned());
            chooser.best(&conditions)
        });
        if let Some(branches) = per_branch.collect::<Option<Vec<_>>>() {
            return Some(branches);
        }
    }
    None
}

fn conditions_of_branch(expr: &Expr, document: VarId, known: &VarSet) -> Vec<Condition> {
    conjuncts(expr).into_iter().filter_map(|conjunct| condition(conjunct, document, known)).collect()
}

struct Chooser<'a> {
    scan: &'a Scan,
    indexes: &'a [Index],
    count: f64,
}

impl Chooser<'_> {
    /// The cheapest usable look-up; hinted indexes come first.
    fn best(&self, conditions: &[Condition]) -> Option<IndexBranch> {
        for hint in &self.scan.index_hint {
            let hinted = self.indexes.iter().filter(|index| index.name == *hint || index.id == *hint);
            if let Some(branch) = hinted.filter_map(|index| self.look_up(index, conditions)).next() {
                return Some(branch);
            }
        }
        if self.scan.force_index_hint {
            return None;
        }
        let candidates = self.indexes.iter().filter_map(|index| self.look_up(index, conditions));
        candidates.min_by(|a, b| {
            let (rows_a, rows_b) = (cost::branch_rows(a, self.count), cost::branch_rows(b, self.count));
            rows_a.total_cmp(&rows_b).then(b.conditions.len().cmp(&a.conditions.len()))
        })
    }

    fn look_up(&self, index: &Index, conditions: &[Condition]) -> Option<IndexBranch> {
        if index.is_building {
            return None;
        }
        match index.kind.as_str() {
            "primary" => self.primary(index, conditions),
            "edge" => edge(index, conditions),
            "persistent" | "hash" | "skiplist" | "ttl" => sorted(index, conditions),
            _ => None,
        }
    }

    fn primary(&self, index: &Index, conditions: &[Condition]) -> Option<IndexBranch> {
        let by_key = conditions.iter().find(|condition| condition.field == "_key").and_then(equality);
        let by_id = || {
            let found = conditions.iter().find(|condition| condition.field == "_id" && condition.op == BinaryOp::Eq)?;
            Some(FieldCondition::Eq(self.key_of_id(&found.value)))
        };
        Some(IndexBranch { index: index.clone(), conditions: vec![by_key.or_else(by_id)?] })
    }

    /// The key in `collection/key`; null, which is no key, if the id is of another collection.
    fn key_of_id(&self, id: &Expr) -> Expr {
        let prefix = format!("{}/", self.scan.collection);
        if let Expr::Const(value) = id {
            let key = value.as_slice().as_str().and_then(|id| id.strip_prefix(&prefix));
            return Expr::Const(key.map_or_else(Value::null, Value::string));
        }
        let length = Expr::Const(Value::uint(prefix.chars().count() as u64));
        let start = Expr::Call("LEFT".into(), vec![id.clone(), length.clone()]);
        let own = Expr::Binary(BinaryOp::Eq, Box::new(start), Box::new(Expr::Const(Value::string(&prefix))));
        let key = Expr::Call("SUBSTRING".into(), vec![id.clone(), length]);
        Expr::Ternary(Box::new(own), Some(Box::new(key)), Box::new(Expr::Const(Value::null())))
    }
}

/// `==` and `IN` as conditions of an index; a list of look-ups must be written out or an array.
fn equality(condition: &Condition) -> Option<FieldCondition> {
    match condition.op {
        BinaryOp::Eq => Some(FieldCondition::Eq(condition.value.clone())),
        BinaryOp::In => Some(FieldCondition::In(condition.value.clone())),
        _ => None,
    }
}

/// The edge index answers for one end at a time; its branch names that end as the only field.
fn edge(index: &Index, conditions: &[Condition]) -> Option<IndexBranch> {
    ["_from", "_to"].into_iter().find_map(|end| {
        let found = conditions.iter().filter(|condition| condition.field == end).find_map(equality)?;
        Some(IndexBranch { index: Index { fields: vec![end.into()], ..index.clone() }, conditions: vec![found] })
    })
}

fn sorted(index: &Index, conditions: &[Condition]) -> Option<IndexBranch> {
    let is_sparse = index.sparse || index.kind == "ttl";
    if is_sparse && !index.fields.iter().all(|field| conditions.iter().any(|condition| excludes_null(condition, field))) {
        return None;
    }
    let mut used: Vec<FieldCondition> = Vec::new();
    for field in &index.fields {
        let on_field = || conditions.iter().filter(|condition| condition.field == *field);
        if let Some(equal) = on_field().find(|condition| condition.op == BinaryOp::Eq).or_else(|| on_field().find(|c| c.op == BinaryOp::In))
        {
            used.extend(equality(equal));
            continue;
        }
        let bound = |ops: [BinaryOp; 2]| {
            let found = on_field().find(|condition| ops.contains(&condition.op))?;
            Some((found.value.clone(), found.op == ops[1]))
        };
        let (low, high) = (bound([BinaryOp::Gt, BinaryOp::Ge]), bound([BinaryOp::Lt, BinaryOp::Le]));
        if low.is_some() || high.is_some() {
            used.push(FieldCondition::Range { low, high });
        }
        break;
    }
    (!used.is_empty()).then(|| IndexBranch { index: index.clone(), conditions: used })
}

/// Is the condition false for null and missing values, whatever the variables in it?
fn excludes_null(condition: &Condition, field: &str) -> bool {
    if condition.field != field {
        return false;
    }
    let constant = match &condition.value {
        Expr::Const(value) => Some(value.as_slice()),
        _ => None,
    };
    match condition.op {
        BinaryOp::Gt => true,
        BinaryOp::Eq | BinaryOp::Ge => constant.is_some_and(|value| !value.is_null()),
        BinaryOp::Ne => constant.is_some_and(|value| value.is_null()),
        BinaryOp::In => constant.is_some_and(|list| list.is_array() && list.elements().all(|member| !member.is_null())),
        _ => false,
    }
}
