//! Every recorded query parses and compiles, or fails with the recorded number.

mod view;

use aql::{CompileOptions, compile};
use serde_json::Value as Json;
use velocypack::Value;

/// Errors that only the execution can find.
const AT_RUN_TIME: &[u64] = &[1503, 1582, 1542, 1563, 1227, 1226, 1202, 1221, 1233, 1569];

/// Queries that 3.2 refused and 3.12 accepts, or the other way round, or with another number:
/// trailing commas, one argument of MERGE_RECURSIVE, negative LIMIT, an unfinished object, collections
/// in expressions.
const CHANGED_SINCE: &[(&str, Option<u64>)] = &[
    ("RETURN [1,2,]", None),
    ("RETURN {a:1,}", None),
    ("RETURN MERGE_RECURSIVE({\"a\":{\"b\":1}})", None),
    ("RETURN {a", Some(1501)),
    ("RETURN SUM(oracleDocs[*].n)", Some(1568)),
];

#[test]
fn recorded_queries_compile_or_fail_as_recorded() {
    let catalog = view::TestView::recorded();
    let mut wrong = Vec::new();
    for line in include_str!("data/queries.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let text = case["q"].as_str().unwrap();
        let binds = case.get("b").map_or_else(Value::empty_object, Value::from_serde);
        let expected = case["e"].as_u64().filter(|number| !AT_RUN_TIME.contains(number));
        let changed = CHANGED_SINCE.iter().find(|(changed, _)| *changed == text);
        let negative_limit = text.contains("LIMIT -1").then_some((text, Some(1504)));
        let expected = changed.copied().or(negative_limit).map_or(expected, |(_, number)| number);
        let outcome = compile(text, binds.as_slice(), &catalog, &CompileOptions::default(), &|_| None);
        let got = outcome.as_ref().err().map(|error| u64::from(error.code().0));
        if got != expected {
            let detail = outcome.err().map(|error| error.message().to_owned()).unwrap_or_default();
            wrong.push(format!("{text}\n    expected {expected:?}, got {got:?} {detail}"));
        }
    }
    assert!(wrong.is_empty(), "{} queries:\n{}", wrong.len(), wrong.join("\n"));
}
