//! Explain against recorded answers of 3.12: node types and the fields that clients read.

mod view;

use aql::{CompileOptions, compile, explain};
use database::catalog::Index;
use serde_json::{Value as Json, json};
use velocypack::Value;
use view::TestView;

fn explained(query: &str, view: &TestView) -> Json {
    let options = CompileOptions { is_explain: true, ..CompileOptions::default() };
    let query = compile(query, Value::empty_object().as_slice(), view, &options, &|_| None).unwrap();
    explain(&query, view)
}

fn types(answer: &Json) -> Vec<&str> {
    answer["plan"]["nodes"].as_array().unwrap().iter().map(|node| node["type"].as_str().unwrap()).collect()
}

fn node<'a>(answer: &'a Json, kind: &str) -> &'a Json {
    answer["plan"]["nodes"].as_array().unwrap().iter().find(|node| node["type"] == kind).unwrap()
}

#[test]
fn an_index_look_up_has_the_recorded_fields() {
    let view = TestView::default().documents("test", 100, &[Index::plain("1592", "persistent", "idx", &["value"], false)]);
    let answer = explained("FOR i IN test FILTER i.value > 97 SORT i.value RETURN i.value", &view);
    assert_eq!(types(&answer), ["SingletonNode", "IndexNode", "CalculationNode", "ReturnNode"]);
    let index = node(&answer, "IndexNode");
    let recorded = [
        "type",
        "dependencies",
        "id",
        "estimatedCost",
        "estimatedNrItems",
        "outVariable",
        "projections",
        "filterProjections",
        "count",
        "producesResult",
        "readOwnWrites",
        "useCache",
        "maxProjections",
        "collection",
        "satellite",
        "isSatellite",
        "isSatelliteOf",
        "strategy",
        "needsGatherNodeSort",
        "indexCoversProjections",
        "indexCoversOutProjections",
        "indexCoversFilterProjections",
        "indexes",
        "condition",
        "allCoveredByOneIndex",
        "sorted",
        "ascending",
        "evalFCalls",
        "waitForSync",
        "limit",
        "isLateMaterialized",
        "lookahead",
    ];
    for field in recorded {
        assert!(index.get(field).is_some(), "{field}");
    }
    assert_eq!((&index["strategy"], &index["sorted"], &index["ascending"]), (&json!("covering"), &json!(true), &json!(true)));
    let condition = json!({"type": "n-ary or", "typeID": 63, "subNodes": [{"type": "n-ary and", "typeID": 62, "subNodes": [
        {"type": "compare >", "typeID": 29, "subNodes": [
            {"type": "attribute access", "typeID": 35, "name": "value", "subNodes": [
                {"type": "reference", "typeID": 45, "name": "i", "id": 0, "subqueryReference": false}]},
            {"type": "value", "typeID": 40, "value": 97, "vTypeID": 2}]}]}]});
    assert_eq!(index["condition"], condition);
    for rule in ["use-indexes", "remove-filter-covered-by-index", "use-index-for-sort", "reduce-extraction-to-projection"] {
        assert!(answer["plan"]["rules"].as_array().unwrap().contains(&json!(rule)), "{rule}");
    }
    assert_eq!(answer["plan"]["collections"], json!([{"name": "test", "type": "read"}]));
    assert_eq!(answer["cacheable"], json!(true));
}

#[test]
fn a_filter_that_is_never_true_gives_no_results() {
    let answer = explained("FOR i IN [1, 2, 3] FILTER 1 == 2 RETURN i", &TestView::default());
    // Compat: ArangoDB leaves the node behind the loop; here the filter has gone before it.
    assert_eq!(types(&answer), ["SingletonNode", "CalculationNode", "NoResultsNode", "EnumerateListNode", "ReturnNode"]);
    assert_eq!(node(&answer, "CalculationNode")["expression"], json!({"type": "array", "typeID": 41, "raw": [1, 2, 3]}));
    assert_eq!(answer["plan"]["estimatedCost"], json!(0.5));
}

#[test]
fn a_distributed_plan_shows_both_ways_of_the_rows() {
    let view = TestView { cluster: true, ..TestView::default().documents("c", 10, &[]) };
    let answer = explained("FOR i IN 1..2 FOR d IN c FILTER d.x == i RETURN d", &view);
    let tail = ["ScatterNode", "RemoteNode", "EnumerateCollectionNode", "RemoteNode", "GatherNode", "ReturnNode"];
    assert!(types(&answer).ends_with(&tail), "{:?}", types(&answer));
    let nodes = answer["plan"]["nodes"].as_array().unwrap();
    for pair in nodes.windows(2) {
        assert_eq!(pair[1]["dependencies"], json!([pair[0]["id"]]));
    }
    assert_eq!(node(&answer, "EnumerateCollectionNode")["numberOfShards"], json!(3));
}

#[test]
fn every_kind_of_node_can_be_printed() {
    let view = TestView::recorded();
    for query in [
        "FOR v, e, p IN 1..2 OUTBOUND 'persons/a' GRAPH 'knows_graph' PRUNE v.x FILTER p.edges[*].w ALL > 1 RETURN p",
        "FOR v IN ANY SHORTEST_PATH 'persons/a' TO 'persons/b' knows RETURN v",
        "FOR p IN 1..3 ANY K_PATHS 'persons/a' TO 'persons/b' knows RETURN p",
        "FOR u IN users COLLECT a = u.a INTO g SORT a DESC LIMIT 1, 2 RETURN [a, g]",
        "FOR u IN users WINDOW {preceding: 1, following: 'unbounded'} AGGREGATE s = SUM(u.x) RETURN s",
        "FOR u IN users UPSERT {x: u.x} INSERT u UPDATE {n: OLD.n + 1} IN relations RETURN NEW",
        "FOR u IN users UPDATE u WITH {a: 1} IN users OPTIONS {keepNull: false} RETURN [OLD, NEW]",
        "FOR u IN users LET s = (FOR r IN relations FILTER r.u == u._key RETURN r) RETURN {u, s, [u.k]: s[* FILTER CURRENT.x RETURN CURRENT.y], z: u.a ANY IN [1]}",
        "FOR u IN users REMOVE u IN users",
    ] {
        let answer = explained(query, &view);
        let text = answer.to_string();
        assert!(text.contains("estimatedCost"), "{query}");
    }
}
