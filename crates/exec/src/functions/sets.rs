//! Arrays as sets: union, intersection and so on. Members are equal as `==` says; of equal ones the
//! first stays, and results keep the order of first appearance.

use super::arguments::{array_expected, mismatch, slice};
use super::arrays::array_of;
use super::{Function, FunctionContext, pure};
use base::Result;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use velocypack::{Slice, Value, order};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("UNION", 2, usize::MAX, union),
    pure("UNION_DISTINCT", 2, usize::MAX, union_distinct),
    pure("INTERSECTION", 2, usize::MAX, intersection),
    pure("OUTERSECTION", 2, usize::MAX, outersection),
    pure("MINUS", 2, usize::MAX, minus),
    pure("UNIQUE", 1, 1, unique),
    pure("COUNT_DISTINCT", 1, 1, count_distinct),
    pure("COUNT_UNIQUE", 1, 1, count_distinct),
    pure("JACCARD", 2, 2, jaccard),
];

/// A value as member of a hash set, by AQL's equality.
#[derive(Clone, Copy)]
pub(super) struct Distinct<'a>(pub Slice<'a>);

impl PartialEq for Distinct<'_> {
    fn eq(&self, other: &Self) -> bool {
        order::equal(self.0, other.0)
    }
}

impl Eq for Distinct<'_> {}

impl Hash for Distinct<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(velocypack::hash(self.0, 0));
    }
}

fn all_arrays(args: &[Value]) -> bool {
    args.iter().all(|arg| arg.as_slice().is_array())
}

fn members(args: &[Value]) -> impl Iterator<Item = Slice<'_>> {
    args.iter().flat_map(|arg| arg.as_slice().elements())
}

fn union(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if all_arrays(args) { array_of(members(args)) } else { mismatch(cx, "UNION") }
}

fn union_distinct(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if !all_arrays(args) {
        return mismatch(cx, "UNION_DISTINCT");
    }
    let mut seen = HashSet::new();
    array_of(members(args).filter(|member| seen.insert(Distinct(*member))))
}

fn intersection(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if !all_arrays(args) {
        return mismatch(cx, "INTERSECTION");
    }
    let Some((first, others)) = args.split_first() else { return mismatch(cx, "INTERSECTION") };
    let others: Vec<HashSet<Distinct<'_>>> = others.iter().map(|arg| arg.as_slice().elements().map(Distinct).collect()).collect();
    let mut seen = HashSet::new();
    array_of(first.as_slice().elements().filter(|member| {
        let member = Distinct(*member);
        others.iter().all(|other| other.contains(&member)) && seen.insert(member)
    }))
}

fn outersection(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if !all_arrays(args) {
        return mismatch(cx, "OUTERSECTION");
    }
    let mut counts: HashMap<Distinct<'_>, usize> = HashMap::new();
    for member in members(args) {
        *counts.entry(Distinct(member)).or_default() += 1;
    }
    array_of(members(args).filter(|member| counts.get(&Distinct(*member)) == Some(&1)))
}

fn minus(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if !all_arrays(args) {
        return mismatch(cx, "MINUS");
    }
    let Some((first, others)) = args.split_first() else { return mismatch(cx, "MINUS") };
    let mut seen: HashSet<Distinct<'_>> = members(others).map(Distinct).collect();
    array_of(first.as_slice().elements().filter(|member| seen.insert(Distinct(*member))))
}

fn unique(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    let mut seen = HashSet::new();
    array_of(array.elements().filter(|member| seen.insert(Distinct(*member))))
}

fn count_distinct(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let array = slice(args, 0);
    if !array.is_array() {
        return array_expected(cx);
    }
    let members: HashSet<Distinct<'_>> = array.elements().map(Distinct).collect();
    Ok(Value::uint(members.len() as u64))
}

fn jaccard(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    if !all_arrays(args) {
        return mismatch(cx, "JACCARD");
    }
    let set = |position| slice(args, position).elements().map(Distinct).collect::<HashSet<_>>();
    let (a, b) = (set(0), set(1));
    let (shared, all) = (a.intersection(&b).count(), a.union(&b).count());
    #[expect(clippy::cast_precision_loss, reason = "an array has far fewer than 2^53 members")]
    Ok(Value::double(if all == 0 { 1.0 } else { shared as f64 / all as f64 }))
}
