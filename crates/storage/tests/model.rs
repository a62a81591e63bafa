//! Random operations against a model: documents as a map, index contents as a full recomputation.

mod support;

use database::document::{DocumentOptions, Operation};
use proptest::prelude::*;
use std::collections::BTreeMap;
use storage::{IndexRange, MemoryEngine, TransactionOptions};
use support::*;
use velocypack::{Value, order};

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, Value),
    Replace(u8, Value),
    Update(u8, Value),
    Remove(u8),
    Truncate,
    Commit,
    Abort,
    Crash,
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::null()),
        any::<bool>().prop_map(Value::bool),
        (-3i64..3).prop_map(Value::int),
        (-3i32..3).prop_map(|n| Value::double(f64::from(n) / 2.0)),
        "[a-cA-C\u{e4}]{0,3}".prop_map(|text| Value::string(&text)),
        proptest::collection::vec((0i64..3).prop_map(Value::int), 0..3).prop_map(Value::array),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..12, any_value()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => (0u8..12, any_value()).prop_map(|(key, value)| Step::Replace(key, value)),
        2 => (0u8..12, any_value()).prop_map(|(key, value)| Step::Update(key, value)),
        2 => (0u8..12).prop_map(Step::Remove),
        1 => Just(Step::Truncate),
        3 => Just(Step::Commit),
        1 => Just(Step::Abort),
        1 => Just(Step::Crash),
    ]
}

type Model = BTreeMap<String, Value>;

fn names() -> [(&'static str, &'static [&'static str], bool); 4] {
    [("plain", &["v"], false), ("both", &["v", "_key"], false), ("array", &["v[*]"], false), ("unique", &["v"], true)]
}

fn check(transaction: &storage::Transaction, c: &storage::LocalCollection, model: &Model, unique: bool) {
    assert_eq!(keys(transaction, c), model.keys().cloned().collect::<Vec<_>>());
    for (key, value) in model {
        let stored = transaction.get(c, key).unwrap().unwrap();
        assert!(order::equal(stored.as_slice().get("v").unwrap(), value.as_slice()));
    }
    let mut expected: Vec<(&Value, &String)> = model.iter().map(|(key, value)| (value, key)).collect();
    expected.sort_by(|a, b| order::compare(a.0.as_slice(), b.0.as_slice()).then(a.1.cmp(b.1)));
    let expected: Vec<String> = expected.into_iter().map(|(_, key)| key.clone()).collect();
    let name = if unique { "unique" } else { "plain" };
    assert_eq!(found(transaction, c, name, &IndexRange::default()), expected, "the index is in AQL's order");
    for value in model.values() {
        let equal: Vec<&String> =
            model.iter().filter(|(_, other)| order::equal(other.as_slice(), value.as_slice())).map(|(key, _)| key).collect();
        let range = IndexRange::equal([value.clone()]);
        assert_eq!(found(transaction, c, name, &range).iter().collect::<Vec<_>>(), equal);
        if value.as_slice().is_array() {
            for member in value.as_slice().elements() {
                let holders = model.iter().filter(|(_, other)| {
                    let other = other.as_slice();
                    other.is_array() && other.elements().any(|other| order::equal(other, member))
                });
                let range = IndexRange::equal([member.to_value()]);
                assert_eq!(
                    found(transaction, c, "array", &range).iter().collect::<Vec<_>>(),
                    holders.map(|(key, _)| key).collect::<Vec<_>>()
                );
            }
        }
    }
}

fn may_hold(model: &Model, key: &str, value: &Value, unique: bool) -> bool {
    !unique || !model.iter().any(|(other, stored)| other != key && order::equal(stored.as_slice(), value.as_slice()))
}

fn run_steps(steps: Vec<Step>, unique: bool) {
    let engine = MemoryEngine::new();
    let mut storage = open(&engine);
    create_system(&storage);
    let mut c = collection(&storage, "c");
    for (name, fields, is_unique) in names() {
        if is_unique == unique || name != "plain" && !is_unique {
            let mut wanted = index("persistent", fields, is_unique);
            wanted.name = name.into();
            storage.create_index(DB, "c", wanted).unwrap();
        }
    }
    let (mut committed, mut model) = (Model::new(), Model::new());
    let mut transaction = storage.begin(TransactionOptions::snapshot(later())).unwrap();
    for step in steps {
        let write = |transaction: &mut storage::Transaction, operation, key: &str, value: Option<&Value>| {
            let document = match value {
                Some(value) => Value::object([("_key", Value::string(key)), ("v", value.clone())]),
                None => Value::string(key),
            };
            let request = database::document::DocumentRequest { operation, documents: vec![document], options: DocumentOptions::default() };
            transaction.documents(&c, request).unwrap().items.pop().unwrap().is_ok()
        };
        match step {
            Step::Insert(key, value) => {
                let key = key.to_string();
                let fits = !model.contains_key(&key) && may_hold(&model, &key, &value, unique);
                assert_eq!(write(&mut transaction, Operation::Insert, &key, Some(&value)), fits);
                if fits {
                    model.insert(key, value);
                }
            }
            Step::Replace(key, value) | Step::Update(key, value) => {
                let operation = if key % 2 == 0 { Operation::Replace } else { Operation::Update };
                let key = key.to_string();
                let fits = model.contains_key(&key) && may_hold(&model, &key, &value, unique);
                assert_eq!(write(&mut transaction, operation, &key, Some(&value)), fits);
                if fits {
                    model.insert(key, value);
                }
            }
            Step::Remove(key) => {
                let key = key.to_string();
                assert_eq!(write(&mut transaction, Operation::Remove, &key, None), model.remove(&key).is_some());
            }
            Step::Truncate => {
                transaction.truncate(&c).unwrap();
                model.clear();
            }
            Step::Commit => {
                check(&transaction, &c, &model, unique);
                transaction.commit(false).unwrap();
                committed = model.clone();
                transaction = storage.begin(TransactionOptions::snapshot(later())).unwrap();
            }
            Step::Abort => {
                transaction.abort();
                model = committed.clone();
                transaction = storage.begin(TransactionOptions::snapshot(later())).unwrap();
            }
            Step::Crash => {
                drop(transaction);
                storage = open(&engine);
                c = storage.collection(DB, "c").unwrap();
                model = committed.clone();
                transaction = storage.begin(TransactionOptions::snapshot(later())).unwrap();
            }
        }
        assert_eq!(transaction.count(&c), model.len() as u64);
    }
    check(&transaction, &c, &model, unique);
    drop(transaction);
    let committed_view = begin(&storage);
    check(&committed_view, &c, &committed, unique);
    assert_eq!(c.count(), committed.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn storage_agrees_with_the_model(steps in proptest::collection::vec(any_step(), 1..40)) {
        run_steps(steps, false);
    }

    #[test]
    fn storage_agrees_with_the_model_with_a_unique_index(steps in proptest::collection::vec(any_step(), 1..40)) {
        run_steps(steps, true);
    }
}
