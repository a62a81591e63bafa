//! Every recorded query parses and compiles, or fails with the recorded number.

mod view;

use aql::{CompileOptions, compile};
use serde_json::Value as Json;
use velocypack::Value;

/// Errors that only the execution can find.
const AT_RUN_TIME: &[u64] = &[1503, 1582, 1542, 1563, 1227, 1226, 1202, 1221, 1233, 1569];

/// Queries that 3.2 refused and 3.12 accepts.
const ACCEPTED_SINCE: &[&str] = &["RETURN [1,2,]", "RETURN {a:1,}"];

#[test]
fn recorded_queries_compile_or_fail_as_recorded() {
    let catalog = view::TestView::recorded();
    let mut wrong = Vec::new();
    for line in include_str!("data/queries.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let text = case["q"].as_str().unwrap();
        let binds = case.get("b").map_or_else(Value::empty_object, Value::from_serde);
        let expected = case["e"].as_u64().filter(|number| !AT_RUN_TIME.contains(number) && !ACCEPTED_SINCE.contains(&text));
        let outcome = compile(text, binds.as_slice(), &catalog, &CompileOptions::default(), &|_| None);
        let got = outcome.as_ref().err().map(|error| u64::from(error.code().0));
        if got != expected {
            let detail = outcome.err().map(|error| error.message().to_owned()).unwrap_or_default();
            wrong.push(format!("{text}\n    expected {expected:?}, got {got:?} {detail}"));
        }
    }
    assert!(wrong.is_empty(), "{} queries:\n{}", wrong.len(), wrong.join("\n"));
}
