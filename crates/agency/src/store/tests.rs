//! Tables and properties of the store.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn store_of(tree: Json) -> Store {
    Store { tree: Node::from_json(&tree), ..Store::default() }
}

fn apply(store: &mut Store, now_ms: u64, transaction: Json) -> Applied {
    store.expire(now_ms);
    store.apply(&Transaction::parse(transaction).unwrap(), now_ms)
}

#[test]
fn reads_show_the_way_from_the_root_and_the_deepest_existing_part() {
    let store = store_of(json!({"a": {"b": {"c": 1}, "d": 2}, ".agency": {"id": 1}}));
    let cases = [
        (vec!["/a/b/c"], json!({"a": {"b": {"c": 1}}})),
        (vec!["/a/b/d"], json!({"a": {"b": {}}})),
        (vec!["/a/b/c/x"], json!({"a": {"b": {}}})),
        (vec!["/y"], json!({})),
        (vec!["/"], json!({"a": {"b": {"c": 1}, "d": 2}})),
        (vec!["/.agency"], json!({".agency": {"id": 1}})),
        (vec!["/a/d", "a/b", "/a/b/c"], json!({"a": {"b": {"c": 1}, "d": 2}})),
        (vec!["/a/x", "/a/d"], json!({"a": {"d": 2}})),
        (vec!["/a/d", "/a/x"], json!({"a": {"d": 2}})),
        (vec![], json!({})),
    ];
    for (paths, expected) in cases {
        assert_eq!(store.read(paths.clone(), 0).to_json(), expected, "{paths:?}");
    }
}

#[test]
fn operations_are_applied_in_sorted_order_of_paths() {
    let mut store = Store::default();
    let outcome = apply(&mut store, 0, json!([{"/a/b": 2, "/a": {"b": 1, "c": 1}}]));
    assert_eq!(outcome, Applied::Done);
    assert_eq!(store.tree().to_json(), json!({"a": {"b": 2, "c": 1}}));
}

#[test]
fn a_failing_operation_undoes_the_ones_before_it() {
    let before = json!({"a": {"x": 1}, "leaf": 5, "z": [1]});
    let mut store = store_of(before.clone());
    let outcome = apply(
        &mut store,
        0,
        json!([{"/a": {"op": "delete"}, "/b/c/d": 1, "/leaf/below": 2, "/a/new": 3, "/z": {"op": "erase", "pos": 9}}]),
    );
    assert!(matches!(outcome, Applied::Refused(_)));
    assert_eq!(store.tree().to_json(), before);
}

#[test]
fn failed_preconditions_change_nothing() {
    let mut store = store_of(json!({"a": 1}));
    assert_eq!(apply(&mut store, 0, json!([{"/a": 2}, {"/a": {"old": 2}}])), Applied::PreconditionFailed);
    assert_eq!(apply(&mut store, 0, json!([{"/a": 2}, {"/a": {"old": 1}, "/b": {"oldEmpty": true}}])), Applied::Done);
    assert_eq!(store.tree().get("a"), Some(&json!(2)));
}

#[test]
fn nodes_expire_and_a_set_without_ttl_clears_the_time() {
    let mut store = Store::default();
    apply(&mut store, 1000, json!([{"/a/x": {"op": "set", "new": 1, "ttl": 2}, "/a/y": {"op": "set", "new": 1, "ttl": 3}}]));
    assert_eq!(store.next_expiry_ms(), Some(3000));
    assert_eq!(store.read(["/a"], 2999).to_json(), json!({"a": {"x": 1, "y": 1}}));
    assert_eq!(store.read(["/a"], 3000).to_json(), json!({"a": {"y": 1}}));
    // An expired node is absent for preconditions and operations.
    assert_eq!(apply(&mut store, 3500, json!([{"/a/x": {"op": "increment"}}, {"/a/x": {"oldEmpty": true}}])), Applied::Done);
    assert_eq!(store.tree().get("a/x"), Some(&json!(1)));
    apply(&mut store, 3600, json!([{"/a/y": 7}]));
    assert_eq!(store.expire(99_000), Vec::<String>::new());
    assert_eq!(store.tree().get("a"), Some(&json!({"x": 1, "y": 7})));
}

#[test]
fn replacing_or_deleting_a_parent_forgets_the_expiry_below() {
    for operation in [json!({"op": "delete"}), json!({"b": 1})] {
        let mut store = Store::default();
        apply(&mut store, 0, json!([{"/a/b": {"op": "set", "new": 1, "ttl": 2}, "/ab": {"op": "set", "new": 1, "ttl": 2}}]));
        apply(&mut store, 1, json!([{"/a": operation}]));
        assert_eq!(store.expire(5000), ["/ab"]);
    }
}

#[test]
fn observers_of_path_ancestors_and_descendants() {
    let mut store = Store::default();
    for (path, url) in [("/a", "u1"), ("/a/b", "u2"), ("/a/b/c", "u3"), ("/x", "u4")] {
        apply(&mut store, 0, json!([{path: {"op": "observe", "url": url}}]));
    }
    let urls: Vec<String> = store.observers_of("/a/b").into_iter().map(|(_, url)| url).collect();
    assert_eq!(urls, ["u1", "u2", "u3"]);
    assert_eq!(store.tree().to_json(), json!({}));
    apply(&mut store, 0, json!([{"/a/b": {"op": "unobserve", "url": "u2"}}]));
    assert_eq!(store.observers_of("/a/b").len(), 2);
}

#[test]
fn json_form_round_trips_and_odd_tables_are_tolerated() {
    let mut store = Store::default();
    apply(&mut store, 5, json!([{"/a": {"op": "set", "new": {"b": []}, "ttl": 1.25}}]));
    apply(&mut store, 5, json!([{"/a": {"op": "observe", "url": "http://x"}}]));
    let json = store.to_json();
    assert_eq!(json[1], json!({"/a": 1.255}));
    let copy = Store::from_json(&json).unwrap();
    assert_eq!(copy.to_json(), json);
    assert_eq!(copy.next_expiry_ms(), Some(1255));
    assert_eq!(Store::from_json(&json!([{"a": 1}, [], 3])).unwrap().tree().to_json(), json!({"a": 1}));
    assert!(Store::from_json(&json!([])).is_err());
}

#[test]
fn golden_dump_reads_back_unchanged() {
    let dump: Json = serde_json::from_str(include_str!("../../tests/data/agency-dump-3.2.json")).unwrap();
    let store = Store::from_json(&dump).unwrap();
    assert_eq!(store.tree().to_json().to_string(), sorted(&dump[0]).to_string());
}

/// `value` with sorted names.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().map(|(name, member)| (name.clone(), sorted(member))).collect();
            Json::Object(members.into_iter().collect())
        }
        other => other.clone(),
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        "[a-c]{0,3}".prop_map(Json::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn any_operation() -> impl Strategy<Value = Json> {
    prop_oneof![
        (any_json(), prop::option::of(0_u32..5)).prop_map(|(new, ttl)| match ttl {
            Some(ttl) => json!({"op": "set", "new": new, "ttl": ttl}),
            None => json!({"op": "set", "new": new}),
        }),
        Just(json!({"op": "delete"})),
        Just(json!({"op": "increment"})),
        any_json().prop_map(|new| json!({"op": "push", "new": new})),
        Just(json!({"op": "pop"})),
        Just(json!({"op": "erase", "pos": 0})),
        Just(json!({"op": "write-lock", "by": "me"})),
        Just(json!({"op": "read-lock", "by": "me"})),
    ]
}

fn any_transaction() -> impl Strategy<Value = Transaction> {
    prop::collection::btree_map("(/[a-c]){1,3}", any_operation(), 1..4)
        .prop_map(|operations| Transaction::parse(json!([operations])).unwrap())
}

proptest! {
    #[test]
    fn all_or_nothing_and_consistent_tables(transactions in prop::collection::vec(any_transaction(), 1..20)) {
        let mut store = Store::default();
        for (at, transaction) in transactions.iter().enumerate() {
            let now_ms = at as u64 * 1000;
            store.expire(now_ms);
            let before = store.to_json();
            if store.apply(transaction, now_ms) != Applied::Done {
                prop_assert_eq!(store.to_json(), before);
            }
            let table: BTreeSet<_> = store.expiry.iter().map(|(path, time)| (*time, path.clone())).collect();
            prop_assert_eq!(&table, &store.by_time);
            let copy = Store::from_json(&store.to_json()).unwrap();
            prop_assert_eq!(copy.to_json(), store.to_json());
        }
    }

    #[test]
    fn trees_equal_their_json(value in any_json()) {
        let node = Node::from_json(&value);
        prop_assert_eq!(&Node::from_json(&node.to_json()), &node);
        prop_assert!(crate::node::equal(&node.to_json(), &value));
        prop_assert_eq!(serde_json::to_value(&node).unwrap(), node.to_json());
    }
}
