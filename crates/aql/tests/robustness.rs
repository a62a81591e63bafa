//! The parser and the compiler survive any text.

mod view;

use aql::{CompileOptions, compile, parse_for_client};
use proptest::prelude::*;
use velocypack::Value;
use view::TestView;

fn code_of(text: &str) -> Option<u32> {
    let binds = Value::empty_object();
    compile(text, binds.as_slice(), &TestView::recorded(), &CompileOptions::default(), &|_| None).err().map(|error| error.code().0)
}

/// Runs on a stack as small as a server's threads have.
fn on_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

const WORDS: &[&str] = &[
    "FOR",
    "x",
    "IN",
    "users",
    "RETURN",
    "FILTER",
    "LET",
    "=",
    "==",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    "..",
    ".",
    "*",
    "[*",
    "1",
    "'a'",
    "@p",
    "@@c",
    "COLLECT",
    "INTO",
    "WITH",
    "COUNT",
    "AGGREGATE",
    "SUM",
    "SORT",
    "DESC",
    "LIMIT",
    "INSERT",
    "UPDATE",
    "REMOVE",
    "UPSERT",
    "OLD",
    "OUTBOUND",
    "ANY",
    "edges",
    "GRAPH",
    "SHORTEST_PATH",
    "TO",
    "PRUNE",
    "OPTIONS",
    "NOT",
    "AND",
    "||",
    "-",
    "LIKE",
    "DISTINCT",
    "CURRENT",
    "ALL",
    "AT LEAST",
    "WINDOW",
    "`q`",
    "MAX",
    "::",
    "!",
    "null",
];

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,200}") {
        let _ = parse_for_client(&text);
        let _ = code_of(&text);
    }

    #[test]
    fn any_sequence_of_words_is_compiled_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        let text = words.join(" ");
        let _ = parse_for_client(&text);
        let _ = code_of(&text);
    }

    #[test]
    fn queries_from_templates_compile(filter in prop::sample::select(&["u.a == 1", "u.a > u.b", "LENGTH(u.c[* FILTER CURRENT.d RETURN CURRENT.e]) > 1", "u.a IN (FOR v IN edges RETURN v.x)"][..]),
        tail in prop::sample::select(&["RETURN u", "SORT u.a LIMIT 3 RETURN u.a", "COLLECT a = u.a INTO g RETURN [a, LENGTH(g)]", "UPDATE u WITH {z: 1} IN users RETURN NEW", "RETURN DISTINCT u.a"][..]),
        outer in prop::sample::select(&["", "FOR i IN 1..3 ", "LET y = NOOPT(1) "][..]), cluster in any::<bool>()) {
        let text = format!("{outer}FOR u IN users FILTER {filter} {tail}");
        let binds = Value::empty_object();
        let view = TestView { cluster, ..TestView::recorded() };
        let query = compile(&text, binds.as_slice(), &view, &CompileOptions::default(), &|_| None).unwrap();
        let explained = aql::explain(&query, &view);
        prop_assert!(explained["plan"]["nodes"].as_array().unwrap().len() > 1);
        assert_every_variable_is_set_before_it_is_read(&query.plan, &aql::variables::VarSet::new());
    }
}

/// Invariant of plans, whatever rules did to them.
fn assert_every_variable_is_set_before_it_is_read(plan: &aql::plan::Plan, outer: &aql::variables::VarSet) {
    let mut known = outer.clone();
    for node in &plan.nodes {
        if let aql::plan::NodeKind::Subquery { plan, .. } = &node.kind {
            assert_every_variable_is_set_before_it_is_read(plan, &known);
        }
        let reads = node.kind.reads();
        assert!(reads.is_subset(&known), "{:?} reads {reads:?}, known are {known:?}", node.kind);
        if matches!(node.kind, aql::plan::NodeKind::Collect(_)) {
            known = outer.clone();
        }
        known.extend(node.kind.writes());
    }
}

#[test]
fn deep_nesting_is_refused_not_overflowed() {
    on_small_stack(|| {
        let nested = |open: &str, close: &str, depth: usize| format!("RETURN {}1{}", open.repeat(depth), close.repeat(depth));
        for (open, close) in
            [("(", ")"), ("[", "]"), ("{a:", "}"), ("-", ""), ("!", ""), ("ABS(", ")"), ("(RETURN ", ")"), ("1 + ", ""), ("1 ? 2 : ", "")]
        {
            let _ = code_of(&nested(open, close, 150));
            let code = code_of(&nested(open, close, 5000));
            let flat = open == "1 + ";
            assert!(code == Some(1524) || flat, "{open}: {code:?}");
        }
        assert_eq!(code_of(&format!("RETURN x{}", ".a".repeat(10_000))), Some(1524));
        assert_eq!(code_of(&format!("RETURN 1{}", " + 1".repeat(10_000))), Some(1524));
        assert_eq!(code_of(&format!("FOR u IN users FILTER u.a{} RETURN u", " OR u.a".repeat(10_000))), None);
    });
}

#[test]
fn errors_have_their_numbers_and_places() {
    let message = |text: &str| {
        let binds = Value::empty_object();
        compile(text, binds.as_slice(), &TestView::recorded(), &CompileOptions::default(), &|_| None).unwrap_err().message().to_owned()
    };
    assert_eq!(
        message("FOR i IN 1..100 FILTER i = 1 LIMIT 2 RETURN i * 3"),
        "AQL: syntax error, unexpected assignment near '= 1 LIMIT 2 RETURN i * 3' at position 1:26 (while parsing)"
    );
    assert_eq!(message("RETURN @x"), "AQL: no value specified for declared bind parameter 'x' (while parsing)");
    for (text, code) in [
        ("", 1502),
        ("LET a = 1 LET a = 2 RETURN a", 1511),
        ("RETURN FOO(1)", 1540),
        ("RETURN ABS()", 1541),
        ("FOR u IN users COLLECT AGGREGATE m = MEDIAN(u.x) RETURN m", 1574),
        ("FOR u IN users REMOVE u IN users FOR v IN users RETURN v", 1579),
        ("FOR u IN users LIMIT 'a' RETURN u", 1504),
        ("FOR v IN 2..1 OUTBOUND 'a/b' edges RETURN v", 1501),
        ("FOR v IN 1..2 OUTBOUND 'a/b' GRAPH 'nosuch' RETURN v", 1924),
        ("RETURN DISTINCT 1", 1501),
        ("RETURN 1 RETURN 2", 1501),
        ("FOR u IN users SEARCH u.x == 1 RETURN u", 1501),
    ] {
        assert_eq!(code_of(text), Some(code), "{text}");
    }
}
