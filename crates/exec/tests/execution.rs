//! What the executor does beyond results: writes, limits, counters, warnings, batches, distribution.

mod memory;

use aql::CompileOptions;
use base::Result;
use database::catalog::{CollectionType, Index};
use exec::source::{QueryContext, RemoteSnippet, Row, Rows, ScanSpec, Source};
use exec::stats::Stats;
use exec::{ExecOptions, Executor};
use memory::MemoryDatabase;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use velocypack::Value;

struct Outcome {
    rows: Json,
    stats: Stats,
    warnings: Vec<u32>,
}

fn execute(database: &MemoryDatabase, query: &str, options: &ExecOptions, full_count: bool) -> Result<Outcome> {
    let compile_options = CompileOptions { full_count, ..CompileOptions::default() };
    let query = aql::compile(query, Value::empty_object().as_slice(), database, &compile_options, &exec::evaluate_const)?;
    let mut executor = Executor::new(&query, Arc::new(database.clone()), options)?;
    let mut rows = Vec::new();
    while !executor.is_done() {
        rows.extend(executor.next(7)?.iter().map(Value::to_serde));
    }
    let warnings = executor.warnings().iter().map(|(number, _)| *number).collect();
    Ok(Outcome { rows: Json::Array(rows), stats: executor.stats(), warnings })
}

fn rows(database: &MemoryDatabase, query: &str) -> Json {
    execute(database, query, &ExecOptions::default(), false).unwrap_or_else(|error| panic!("{query}: {error}")).rows
}

fn error_of(database: &MemoryDatabase, query: &str) -> (u32, String) {
    match execute(database, query, &ExecOptions::default(), false) {
        Ok(outcome) => panic!("{query} answered {}", outcome.rows),
        Err(error) => (error.code().0, error.message().to_owned()),
    }
}

/// `numbers`: 100 documents with `n` 0..99 and an index on `n`; `links`: n -> n + 1 and n -> 2 n.
fn database(shards: u32) -> MemoryDatabase {
    let database = MemoryDatabase::new(shards);
    database.create("numbers", CollectionType::Document);
    database.create("links", CollectionType::Edge);
    database.create("target", CollectionType::Document);
    database.create_index("numbers", Index::plain("7", "persistent", "by_n", &["n"], false));
    let numbers = (0..100).map(|n| Value::from_serde(&json!({"_key": format!("{n:02}"), "n": n, "third": n % 3})));
    database.insert("numbers", numbers.collect());
    let link = |from: i64, to: i64, weight: i64| {
        let id = |n: i64| format!("numbers/{n:02}");
        Value::from_serde(&json!({"_key": format!("{from:02}-{to:02}"), "_from": id(from), "_to": id(to), "w": weight}))
    };
    let steps = (0..20).map(|n| link(n, n + 1, 1));
    let jumps = (2..10).map(|n| link(n, 2 * n, 3));
    database.insert("links", steps.chain(jumps).collect());
    database
}

#[test]
fn single_server_and_cluster_agree() {
    let (single, cluster) = (database(1), database(4));
    for query in [
        "FOR d IN numbers SORT d.n RETURN d.n",
        "FOR d IN numbers FILTER d.n > 90 SORT d.n DESC RETURN d.n",
        "FOR d IN numbers SORT d.n LIMIT 5, 10 RETURN d.n",
        "FOR d IN numbers FILTER d._key == '17' RETURN d.n",
        "FOR d IN numbers FILTER d.n IN [3, 1, 3, 200] SORT d.n RETURN d.n",
        "FOR d IN numbers COLLECT t = d.third WITH COUNT INTO c SORT t RETURN [t, c]",
        "FOR d IN numbers COLLECT t = d.third AGGREGATE s = SUM(d.n), a = AVG(d.n), m = MAX(d.n), v = VARIANCE(d.n), u = COUNT_DISTINCT(d.n % 7) SORT t RETURN [t, s, a, m, ROUND(v), u]",
        "FOR d IN numbers COLLECT AGGREGATE l = LENGTH(), lo = MIN(d.n), sd = STDDEV_SAMPLE(d.n) RETURN [l, lo, ROUND(sd * 1000)]",
        "FOR d IN numbers COLLECT WITH COUNT INTO c RETURN c",
        "FOR d IN numbers FILTER d.n < 0 COLLECT WITH COUNT INTO c RETURN c",
        "FOR d IN numbers FILTER d.n < 9 COLLECT t = d.third INTO g = d.n SORT t RETURN [t, SORTED(g)]",
        "FOR d IN numbers SORT d.n RETURN DISTINCT d.third",
        "FOR a IN numbers FILTER a.n < 5 FOR b IN numbers FILTER b.n == a.n + 1 SORT a.n RETURN [a.n, b.n]",
        "FOR a IN numbers FILTER a.n < 3 LET bs = (FOR b IN numbers FILTER b.third == a.third AND b.n < 7 SORT b.n RETURN b.n) SORT a.n RETURN [a.n, bs]",
        "FOR n IN 1..3 FOR d IN numbers FILTER d.n == n * 10 RETURN d.n",
        "FOR d IN numbers FILTER d.n IN [3, 4] FOR v, e, p IN 1..2 OUTBOUND d links SORT d.n, LENGTH(p.edges), v.n RETURN [d.n, v.n, e.w]",
        "FOR v IN OUTBOUND SHORTEST_PATH 'numbers/00' TO 'numbers/16' links RETURN v.n",
        "RETURN LENGTH(numbers)",
        "LET c = (FOR d IN numbers FILTER d.third == 0 RETURN 1) RETURN LENGTH(c)",
        "FOR d IN numbers SORT d.third, d.n DESC LIMIT 3 RETURN [d.third, d.n]",
        "FOR x IN [1, 2] LET s = (FOR d IN numbers FILTER d.n < x SORT d.n LIMIT 2 RETURN d.n) RETURN s",
    ] {
        assert_eq!(rows(&single, query), rows(&cluster, query), "{query}");
    }
}

#[test]
fn writes_follow_the_statements() {
    for shards in [1, 3] {
        let database = database(shards);
        assert_eq!(rows(&database, "FOR i IN 1..25 INSERT {_key: CONCAT('k', i), v: i} INTO target"), json!([]));
        assert_eq!(rows(&database, "RETURN LENGTH(target)"), json!([25]));
        let updated = rows(
            &database,
            "FOR d IN target FILTER d.v > 23 SORT d.v UPDATE d WITH {v: d.v * 10, w: 1} IN target RETURN [OLD.v, NEW.v, NEW.w]",
        );
        assert_eq!(updated, json!([[24, 240, 1], [25, 250, 1]]));
        assert_eq!(rows(&database, "REPLACE 'k1' WITH {z: 1} IN target RETURN UNSET(NEW, '_rev', '_id')"), json!([{"_key": "k1", "z": 1}]));
        assert_eq!(rows(&database, "REMOVE {_key: 'k2'} IN target RETURN OLD.v"), json!([2]));
        assert_eq!(rows(&database, "FOR d IN target FILTER d.v < 20 REMOVE d._key IN target"), json!([]));
        assert_eq!(rows(&database, "FOR d IN target SORT d.v RETURN d._key").as_array().map(Vec::len), Some(6));
        let upserts =
            "FOR k IN ['new', 'k1', 'new'] UPSERT {_key: k} INSERT {_key: k, n: 1} UPDATE {n: 2} IN target RETURN [k, OLD == null, NEW.n]";
        assert_eq!(rows(&database, upserts), json!([["new", true, 1], ["k1", true, 1], ["new", false, 2]]), "{shards} shards");
    }
}

#[test]
fn a_query_does_not_see_its_own_inserts() {
    let database = database(1);
    rows(&database, "FOR d IN numbers INSERT {n: d.n + 1000} INTO numbers");
    assert_eq!(rows(&database, "RETURN LENGTH(numbers)"), json!([200]));
}

#[test]
fn a_limit_after_a_write_does_not_stop_the_writes() {
    let database = database(1);
    let query = "FOR i IN 1..2500 INSERT {v: i} INTO target LIMIT 2 RETURN NEW.v";
    let outcome = execute(&database, query, &ExecOptions::default(), false).unwrap();
    assert_eq!((outcome.rows, outcome.stats.writes_executed), (json!([1, 2]), 2500));
}

#[test]
fn errors_of_writes_carry_their_numbers() {
    let database = database(1);
    let (number, message) = error_of(&database, "INSERT {_key: '05'} INTO numbers");
    assert_eq!((number, message.as_str()), (1210, "AQL: unique constraint violated (while executing)"));
    for (query, number) in [
        ("INSERT 1 INTO numbers", 1227),
        ("UPDATE 'nope' WITH {a: 1} IN numbers", 1202),
        ("UPDATE {a: 1} IN numbers", 1226),
        ("REMOVE 17 IN numbers", 1227),
        ("INSERT {} INTO links", 1233),
    ] {
        assert_eq!(error_of(&database, query).0, number, "{query}");
    }
    let query = "FOR k IN ['00', 'x', '01'] INSERT {_key: k} INTO numbers OPTIONS {ignoreErrors: true} RETURN NEW._key";
    let outcome = execute(&database, query, &ExecOptions::default(), false).unwrap();
    assert_eq!(outcome.rows, json!(["x"]));
    assert_eq!((outcome.stats.writes_executed, outcome.stats.writes_ignored), (1, 2));
    let query =
        "FOR k IN ['00', 'y'] INSERT {_key: k, n: -1} INTO numbers OPTIONS {overwriteMode: 'update'} RETURN [OLD.n, NEW.n, NEW.third]";
    assert_eq!(rows(&database, query), json!([[0, -1, 0], [null, -1, null]]));
}

#[test]
fn counters_tell_what_was_read() {
    let database = database(1);
    let stats = |query: &str| execute(&database, query, &ExecOptions::default(), false).unwrap().stats;
    let full = stats("FOR d IN numbers FILTER d.third == 1 RETURN d");
    assert_eq!((full.scanned_full, full.scanned_index, full.filtered), (100, 0, 67));
    let index = stats("FOR d IN numbers FILTER d.n == 42 RETURN d");
    assert_eq!((index.scanned_full, index.scanned_index, index.filtered), (0, 1, 0));
    assert!(stats("FOR d IN numbers LIMIT 3 RETURN d").scanned_full < 10);
    assert!(stats("FOR d IN numbers SORT d.third RETURN d").peak_memory_usage > 1000);
}

#[test]
fn full_count_counts_before_the_last_limit() {
    for shards in [1, 3] {
        let database = database(shards);
        let query = "FOR d IN numbers FILTER d.n >= 10 SORT d.n LIMIT 2, 3 RETURN d.n";
        let outcome = execute(&database, query, &ExecOptions::default(), true).unwrap();
        assert_eq!((outcome.rows, outcome.stats.full_count), (json!([12, 13, 14]), Some(90)), "{shards} shards");
        let outcome = execute(&database, query, &ExecOptions::default(), false).unwrap();
        assert_eq!(outcome.stats.full_count, None);
    }
}

#[test]
fn warnings_are_bounded_and_may_be_errors() {
    let database = database(1);
    let query = "FOR i IN 1..50 RETURN NOOPT(i) / 0";
    let outcome = execute(&database, query, &ExecOptions::default(), false).unwrap();
    assert_eq!((outcome.rows.as_array().unwrap().len(), outcome.warnings), (50, vec![1562; 10]));
    let strict = ExecOptions { fail_on_warning: true, ..ExecOptions::default() };
    let error = execute(&database, query, &strict, false).err().unwrap();
    assert_eq!((error.code().0, error.message()), (1562, "AQL: division by zero (while executing)"));
}

#[test]
fn memory_is_limited() {
    let database = database(1);
    let options = ExecOptions { memory_limit: 400_000, ..ExecOptions::default() };
    for query in [
        "FOR i IN 1..100000 SORT i DESC RETURN i",
        "FOR i IN 1..100000 COLLECT x = i RETURN x",
        "FOR i IN 1..100000 RETURN DISTINCT i",
        "LET texts = (FOR i IN 1..100000 RETURN CONCAT('text', i)) RETURN texts[-1]",
        "FOR i IN 1..100000 COLLECT AGGREGATE u = UNIQUE(i) RETURN LENGTH(u)",
    ] {
        let error = execute(&database, query, &options, false).err().unwrap_or_else(|| panic!("{query}"));
        assert_eq!(error.code().0, 32, "{query}");
    }
    // A sort that needs few rows needs little memory.
    let few = execute(&database, "FOR i IN 1..100000 SORT i DESC LIMIT 2 RETURN i", &options, false).unwrap();
    assert_eq!(few.rows, json!([100_000, 99_999]));
}

#[test]
fn ranges_are_not_spelt_out_where_they_are_iterated() {
    let database = database(1);
    let options = ExecOptions { memory_limit: 1_000_000, ..ExecOptions::default() };
    let query = "FOR i IN 1..1000000000 FILTER i % 10 == 0 LIMIT 3 RETURN i";
    assert_eq!(execute(&database, query, &options, false).unwrap().rows, json!([10, 20, 30]));
    assert_eq!(rows(&database, "RETURN 5 IN 1..100000000000"), json!([true]));
    assert_eq!(error_of(&database, "RETURN 1..100000000000").0, 1504);
    assert_eq!(rows(&database, "FOR i IN 3..1 RETURN i"), json!([3, 2, 1]));
}

#[test]
fn traversals_respect_their_options() {
    let database = database(1);
    let mut wrong = Vec::new();
    for (query, expected) in [
        ("FOR v IN 1..2 OUTBOUND 'numbers/03' links SORT v.n RETURN v.n", json!([4, 5, 6, 7, 8, 12])),
        ("FOR v IN 2..2 INBOUND 'numbers/04' links SORT v.n RETURN v.n", json!([1, 2])),
        ("FOR v, e, p IN 1..3 OUTBOUND 'numbers/00' links RETURN p.vertices[*].n", json!([[0, 1], [0, 1, 2], [0, 1, 2, 4], [0, 1, 2, 3]])),
        (
            "FOR v IN 1..9 OUTBOUND 'numbers/02' links OPTIONS {order: 'bfs', uniqueVertices: 'global'} LIMIT 4 RETURN v.n",
            json!([3, 4, 6, 5]),
        ),
        (
            "FOR v, e, p IN 1..9 OUTBOUND 'numbers/04' links OPTIONS {order: 'weighted', weightAttribute: 'w'} LIMIT 4 RETURN LAST(p.weights)",
            json!([1, 2, 3, 3]),
        ),
        (
            "FOR v IN 1..20 OUTBOUND 'numbers/15' links OPTIONS {order: 'weighted', weightAttribute: 'w', uniqueVertices: 'global'} RETURN v.n",
            json!([16, 17, 18, 19, 20]),
        ),
        (
            "FOR v IN 1..20 OUTBOUND 'numbers/06' links OPTIONS {order: 'weighted', uniqueVertices: 'global'} SORT v.n RETURN v.n",
            json!([7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
        ),
        ("FOR v IN 0..5 OUTBOUND 'numbers/00' links PRUNE v.n == 2 RETURN v.n", json!([0, 1, 2])),
        ("FOR v, e IN 1..5 OUTBOUND 'numbers/08' links FILTER e.w == 3 SORT v.n RETURN v.n", json!([16, 18])),
        ("FOR v IN 1..1 OUTBOUND 'numbers/99' links RETURN v", json!([])),
        ("FOR v, e, p IN 1..2 OUTBOUND 'numbers/03' links FILTER p.edges[0].w == 3 SORT v.n RETURN v.n", json!([6, 7, 12])),
        ("FOR v IN OUTBOUND SHORTEST_PATH 'numbers/04' TO 'numbers/08' links OPTIONS {weightAttribute: 'w'} RETURN v.n", json!([4, 8])),
        ("FOR v IN OUTBOUND SHORTEST_PATH 'numbers/02' TO 'numbers/04' links OPTIONS {weightAttribute: 'w'} RETURN v.n", json!([2, 3, 4])),
        (
            "FOR p IN OUTBOUND K_SHORTEST_PATHS 'numbers/02' TO 'numbers/05' links OPTIONS {weightAttribute: 'w'} RETURN [p.vertices[*].n, p.weight]",
            json!([[[2, 3, 4, 5], 3], [[2, 4, 5], 4]]),
        ),
        (
            "FOR p IN 1..3 OUTBOUND K_PATHS 'numbers/02' TO 'numbers/05' links SORT LENGTH(p.edges) RETURN p.vertices[*].n",
            json!([[2, 4, 5], [2, 3, 4, 5]]),
        ),
        (
            "FOR p IN OUTBOUND ALL_SHORTEST_PATHS 'numbers/03' TO 'numbers/08' links SORT p.vertices[1].n RETURN p.vertices[*].n",
            json!([[3, 4, 8]]),
        ),
    ] {
        let found = rows(&database, query);
        if found != expected {
            wrong.push(format!("{query}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let outcome = execute(&database, "FOR v IN OUTBOUND NOOPT('nowhere') links RETURN v", &ExecOptions::default(), false).unwrap();
    assert_eq!((outcome.rows, outcome.warnings), (json!([]), vec![10]));
}

#[test]
fn long_paths_do_not_exhaust_the_stack() {
    let database = MemoryDatabase::new(1);
    database.create("v", CollectionType::Document);
    database.create("e", CollectionType::Edge);
    database.insert("v", vec![Value::from_serde(&json!({"_key": "a"}))]);
    database.insert("e", vec![Value::from_serde(&json!({"_from": "v/a", "_to": "v/a"}))]);
    let query = "FOR x IN 100000..100000 OUTBOUND 'v/a' e OPTIONS {uniqueEdges: 'none'} COLLECT WITH COUNT INTO c RETURN c";
    assert_eq!(rows(&database, query), json!([1]));
}

#[test]
fn windows_aggregate_around_rows() {
    let database = database(1);
    for (query, expected) in [
        ("FOR i IN 1..5 WINDOW {preceding: 1, following: 1} AGGREGATE s = SUM(i) RETURN s", json!([3, 6, 9, 12, 9])),
        (
            "FOR i IN 1..5 WINDOW {preceding: 'unbounded', following: 0} AGGREGATE s = SUM(i), n = LENGTH() RETURN [i, s, n]",
            json!([[1, 1, 1], [2, 3, 2], [3, 6, 3], [4, 10, 4], [5, 15, 5]]),
        ),
        (
            "FOR i IN [1, 2, 4, 8] WINDOW i WITH {preceding: 2, following: 1} AGGREGATE m = PUSH(i) RETURN m",
            json!([[1, 2], [1, 2], [2, 4], [8]]),
        ),
    ] {
        assert_eq!(rows(&database, query), expected, "{query}");
    }
}

/// Answers `check` with an error once it has been asked often enough.
struct Killed {
    inner: MemoryDatabase,
    patience: AtomicU64,
}

impl Source for Killed {
    fn scan(&self, collection: &str, spec: &ScanSpec) -> Result<Box<dyn exec::source::Documents>> {
        self.inner.scan(collection, spec)
    }
    fn index_scan(
        &self,
        collection: &str,
        index: &Index,
        ranges: &[exec::source::IndexRange],
        reverse: bool,
        covering: bool,
    ) -> Result<Box<dyn exec::source::Documents>> {
        self.inner.index_scan(collection, index, ranges, reverse, covering)
    }
    fn documents(&self, ids: &[&str]) -> Result<Vec<Option<Value>>> {
        self.inner.documents(ids)
    }
    fn edges(&self, collection: &str, direction: aql::plan::Direction, vertices: &[&str], covering: bool) -> Result<Vec<Vec<Value>>> {
        self.inner.edges(collection, direction, vertices, covering)
    }
    fn modify(&self, collection: &str, request: database::document::DocumentRequest) -> Result<database::document::DocumentResults> {
        self.inner.modify(collection, request)
    }
    fn count(&self, collection: &str) -> Result<u64> {
        self.inner.count(collection)
    }
    fn remote(&self, snippet: &RemoteSnippet, input: Option<Vec<Row>>) -> Result<Vec<Box<dyn Rows>>> {
        self.inner.remote(snippet, input)
    }
    fn query_context(&self) -> &QueryContext {
        self.inner.query_context()
    }
    fn check(&self) -> Result<()> {
        if self.patience.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(base::Error::from(base::code::QUERY_KILLED));
        }
        Ok(())
    }
}

#[test]
fn a_killed_query_ends() {
    let database = database(1);
    let text = "FOR i IN 1..1000000000 FILTER NOOPT(i) < 0 RETURN i";
    let query = aql::compile(text, Value::empty_object().as_slice(), &database, &CompileOptions::default(), &exec::evaluate_const).unwrap();
    let source = Arc::new(Killed { inner: database, patience: AtomicU64::new(50) });
    let mut executor = Executor::new(&query, source, &ExecOptions::default()).unwrap();
    let error = executor.next(1000).err().unwrap();
    assert_eq!((error.code().0, error.message(), executor.is_done()), (1500, "AQL: query killed (while executing)", true));
}
