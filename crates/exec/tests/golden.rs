//! Runs the recorded cases of `tests/data` on a database in memory: as a single server and as a
//! cluster of three shards. See `tests/data/README.md` for the rules of comparison.

mod memory;

use aql::CompileOptions;
use database::catalog::{CollectionType, Index};
use exec::{ExecOptions, Executor};
use memory::MemoryDatabase;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use velocypack::Value;

const GOLDEN: &str = include_str!("data/golden.jsonl");
const DATASETS: &str = include_str!("data/golden-datasets.json");
const ORACLE: &str = include_str!("data/oracle-3.2.jsonl");
const ORACLE_SETUP: &str = include_str!("data/oracle-3.2-setup.json");
const KNOWN_FAILURES: &str = include_str!("data/known-failures.tsv");

/// What a query answered.
struct Answer {
    rows: Vec<Json>,
    warnings: Vec<u32>,
}

fn run(database: &MemoryDatabase, query: &str, bind_vars: &Json) -> Result<Answer, base::Error> {
    let bind_vars = Value::from_serde(bind_vars);
    let options = CompileOptions::default();
    let query = aql::compile(query, bind_vars.as_slice(), database, &options, &exec::evaluate_const)?;
    let mut executor = Executor::new(&query, Arc::new(database.clone()), &ExecOptions::default())?;
    let mut rows = Vec::new();
    while !executor.is_done() {
        rows.extend(executor.next(memory::SMALL_BATCH)?.iter().map(Value::to_serde));
    }
    Ok(Answer { rows, warnings: executor.warnings().iter().map(|(number, _)| *number).collect() })
}

fn text<'a>(case: &'a Json, name: &str) -> &'a str {
    case.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn values(list: Option<&Json>) -> Vec<Value> {
    list.and_then(Json::as_array).into_iter().flatten().map(Value::from_serde).collect()
}

fn strings(list: Option<&Json>) -> Vec<String> {
    list.and_then(Json::as_array).into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn kind(number: Option<&Json>) -> CollectionType {
    if number.and_then(Json::as_u64) == Some(3) { CollectionType::Edge } else { CollectionType::Document }
}

fn definitions(list: Option<&Json>) -> Vec<(String, Vec<String>, Vec<String>)> {
    let list = list.and_then(Json::as_array).into_iter().flatten();
    list.map(|one| (text(one, "collection").to_owned(), strings(one.get("from")), strings(one.get("to")))).collect()
}

fn dataset(name: &str, shards: u32) -> MemoryDatabase {
    let all: Json = serde_json::from_str(DATASETS).unwrap();
    let database = MemoryDatabase::new(shards);
    let Some(set) = all.get(name) else { return database };
    for collection in set["collections"].as_array().unwrap() {
        database.create(text(collection, "name"), kind(collection.get("type")));
        database.insert(text(collection, "name"), values(collection.get("documents")));
    }
    if let Some(graph) = set.get("graph") {
        database.create_graph(text(graph, "name"), definitions(graph.get("edgeDefinitions")));
    }
    database
}

fn oracle_database(shards: u32) -> MemoryDatabase {
    let requests: Json = serde_json::from_str(ORACLE_SETUP).unwrap();
    let database = MemoryDatabase::new(shards);
    for request in requests.as_array().unwrap() {
        let path = text(request, "path");
        let body = &request["body"];
        if path == "/_api/collection" {
            database.create(text(body, "name"), kind(body.get("type")));
        } else if let Some(collection) = path.strip_prefix("/_api/document/") {
            database.insert(collection, values(Some(body)));
        } else if let Some(collection) = path.strip_prefix("/_api/index?collection=") {
            let fields = strings(body.get("fields"));
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let name = fields.join("_");
            database.create_index(collection, Index::plain(&name, "persistent", &name, &fields, false));
        } else if path == "/_api/gharial" {
            database.create_graph(text(body, "name"), definitions(body.get("edgeDefinitions")));
        } else {
            panic!("unknown request {path}");
        }
    }
    database
}

/// Brings a value into a form that is equal for values that count as equal.
fn without(value: &Json, ignored: &[String]) -> Json {
    match value {
        Json::Array(members) => members.iter().map(|member| without(member, ignored)).collect(),
        Json::Object(members) => {
            let kept = members.iter().filter(|(name, _)| !ignored.contains(name));
            let sorted: BTreeMap<String, Json> = kept.map(|(name, member)| (name.clone(), without(member, ignored))).collect();
            sorted.into_iter().collect()
        }
        other => other.clone(),
    }
}

fn same(expected: &Json, found: &Json, tolerance: f64) -> bool {
    match (expected, found) {
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-15_f64.max(tolerance * a.abs().max(b.abs()))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, tolerance)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b, tolerance)))
        }
        _ => expected == found,
    }
}

fn same_multiset(expected: &[Json], found: &[Json], tolerance: f64) -> bool {
    let mut rest: Vec<&Json> = found.iter().collect();
    expected.len() == found.len()
        && expected.iter().all(|wanted| match rest.iter().position(|candidate| same(wanted, candidate, tolerance)) {
            Some(position) => {
                rest.swap_remove(position);
                true
            }
            None => false,
        })
}

fn show(rows: &[Json]) -> String {
    let text = Json::Array(rows.to_vec()).to_string();
    text.chars().take(600).collect()
}

/// `Err` tells what is wrong.
fn check_golden(case: &Json, database: &MemoryDatabase) -> Result<(), String> {
    let answer = run(database, text(case, "query"), &case["bindVars"]).map_err(|error| error.to_string())?;
    let ignored = strings(case.get("ignoreAttrs"));
    let tolerance = case.get("tol").and_then(Json::as_f64).unwrap_or(1e-12);
    let expected: Vec<Json> = case["expected"].as_array().unwrap().iter().map(|row| without(row, &ignored)).collect();
    let found: Vec<Json> = answer.rows.iter().map(|row| without(row, &ignored)).collect();
    let matches = match text(case, "compare") {
        "multiset" => same_multiset(&expected, &found, tolerance),
        "inner-multiset" => match (expected.as_slice(), found.as_slice()) {
            ([Json::Array(expected)], [Json::Array(found)]) => same_multiset(expected, found, tolerance),
            _ => false,
        },
        _ => same(&Json::Array(expected.clone()), &Json::Array(found.clone()), tolerance),
    };
    if !matches {
        return Err(format!("expected {} but found {}", show(&expected), show(&found)));
    }
    if case.get("warns").and_then(Json::as_bool) == Some(true) && answer.warnings.is_empty() {
        return Err("a warning is missing".into());
    }
    Ok(())
}

fn check_oracle(case: &Json, database: &MemoryDatabase) -> Result<(), String> {
    let answer = run(database, text(case, "query"), &case["bindVars"]);
    let expected_error = case.get("errorNum").and_then(Json::as_u64);
    let answer = match (answer, expected_error) {
        (Err(error), Some(number)) if u64::from(error.code().0) == number => return Ok(()),
        (Err(error), Some(number)) => return Err(format!("expected error {number} but found {error}")),
        (Err(error), None) => return Err(error.to_string()),
        (Ok(answer), Some(number)) => return Err(format!("expected error {number} but found {}", show(&answer.rows))),
        (Ok(answer), None) => answer,
    };
    // Revisions are never the same twice; the recorded results come without them.
    let ignored = ["_rev".to_owned()];
    let expected: Vec<Json> = case["result"].as_array().unwrap().iter().map(|row| without(row, &ignored)).collect();
    let found: Vec<Json> = answer.rows.iter().map(|row| without(row, &ignored)).collect();
    let unordered = case.get("unordered").and_then(Json::as_bool) == Some(true);
    let matches = if unordered {
        same_multiset(&expected, &found, 1e-12)
    } else {
        same(&Json::Array(expected.clone()), &Json::Array(found.clone()), 1e-12)
    };
    if !matches {
        return Err(format!("expected {} but found {}", show(&expected), show(&found)));
    }
    let mut wanted: Vec<u64> = case["warnings"].as_array().into_iter().flatten().filter_map(Json::as_u64).collect();
    let mut found: Vec<u64> = answer.warnings.iter().map(|number| u64::from(*number)).collect();
    for list in [&mut wanted, &mut found] {
        list.sort_unstable();
        list.dedup();
    }
    if wanted == found { Ok(()) } else { Err(format!("expected warnings {wanted:?} but found {found:?}")) }
}

/// Ids of cases that are listed as failing.
fn known(suite: &str) -> Vec<&'static str> {
    let lines = KNOWN_FAILURES.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.filter_map(|line| line.split('\t').next()).filter_map(|id| id.strip_prefix(suite)?.strip_prefix(':')).collect()
}

fn judge(suite: &str, results: Vec<(String, Result<(), String>)>) {
    let known = known(suite);
    let mut report = String::new();
    let mut failed = 0;
    for (id, result) in &results {
        match (result, known.contains(&id.as_str())) {
            (Ok(()), true) => report.push_str(&format!("{suite}:{id}\tpasses now: take it off the list\n")),
            (Err(reason), false) => {
                failed += 1;
                report.push_str(&format!("{suite}:{id}\t{reason}\n"));
            }
            _ => {}
        }
    }
    println!("{suite}: {} cases, {} listed as failing, {failed} others fail", results.len(), known.len());
    assert!(report.is_empty(), "\n{report}");
}

fn cases(lines: &str) -> Vec<Json> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn golden(suite: &str, shards: u32) {
    let mut databases: BTreeMap<String, MemoryDatabase> = BTreeMap::new();
    let mut results = Vec::new();
    for case in cases(GOLDEN) {
        let name = text(&case, "dataset");
        let database = databases.entry(name.to_owned()).or_insert_with(|| dataset(name, shards));
        results.push((text(&case, "id").to_owned(), check_golden(&case, database)));
    }
    judge(suite, results);
}

fn oracle(suite: &str, shards: u32) {
    let database = oracle_database(shards);
    let results = cases(ORACLE).iter().map(|case| (text(case, "id").to_owned(), check_oracle(case, &database.copy()))).collect();
    judge(suite, results);
}

#[test]
fn documented_results_on_a_single_server() {
    golden("golden", 1);
}

#[test]
fn documented_results_on_a_cluster() {
    golden("golden-cluster", 3);
}

#[test]
fn recorded_results_on_a_single_server() {
    oracle("oracle", 1);
}

#[test]
fn recorded_results_on_a_cluster() {
    oracle("oracle-cluster", 3);
}
