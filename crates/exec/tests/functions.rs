//! Functions against what ArangoDB answered: every line of `data/functions-3.12.jsonl` and
//! `data/functions-3.2.jsonl` is one call with its result. Where 3.2 answered otherwise than 3.12
//! documents, `data/functions-3.2-differences.tsv` names the call and the reason.

use exec::functions::{self, FunctionContext};
use std::collections::HashMap;
use std::fmt::Write;
use velocypack::{Slice, Value, order};

struct Case<'a>(Slice<'a>);

impl<'a> Case<'a> {
    fn text(&self, name: &str) -> &'a str {
        self.0.get(name).and_then(Slice::as_str).unwrap_or_default()
    }

    fn args(&self) -> Vec<Value> {
        self.0.get("args").into_iter().flat_map(Slice::elements).map(Slice::to_value).collect()
    }

    fn tolerance(&self) -> f64 {
        self.0.get("tol").and_then(Slice::as_f64).unwrap_or(1e-12)
    }
}

/// What a call yields: result or number of the error, and the numbers of the warnings.
fn call(name: &str, args: &[Value]) -> (Result<Value, u32>, Vec<u32>) {
    let mut cx = FunctionContext::without_source();
    let result = match functions::lookup(name) {
        None => Err(1540),
        Some(function) if args.len() < function.min_args || args.len() > function.max_args => Err(1541),
        Some(function) => (function.run)(args, &mut cx).map_err(|error| error.code().0),
    };
    (result, cx.warnings().iter().map(|warning| warning.0).collect())
}

/// Equal up to the tolerance of numbers, and up to the order of members at the top if it does not matter.
fn agree(wanted: Slice<'_>, got: Slice<'_>, tolerance: f64, unordered: bool) -> bool {
    if unordered && wanted.is_array() && got.is_array() {
        let mut left: Vec<Slice<'_>> = got.elements().collect();
        return wanted.elements().all(|wanted| {
            let place = left.iter().position(|got| agree(wanted, *got, tolerance, false));
            place.map(|place| left.remove(place)).is_some()
        }) && left.is_empty();
    }
    match (wanted.as_f64(), got.as_f64()) {
        (Some(wanted), Some(got)) => (wanted - got).abs() <= tolerance * wanted.abs().max(got.abs()) + 1e-15,
        _ if wanted.is_array() && got.is_array() => {
            wanted.len() == got.len() && wanted.elements().zip(got.elements()).all(|(wanted, got)| agree(wanted, got, tolerance, false))
        }
        _ if wanted.is_object() && got.is_object() => {
            wanted.len() == got.len()
                && wanted.entries().all(|(name, wanted)| got.get(name).is_some_and(|got| agree(wanted, got, tolerance, false)))
        }
        _ => wanted.kind() == got.kind() && order::equal(wanted, got),
    }
}

fn check(data: &str, differences: &HashMap<&str, &str>) {
    let mut report = String::new();
    let (mut passed, mut unused) = (0, differences.clone());
    for line in data.lines() {
        let row = Value::parse_json(line.as_bytes()).expect("a line is JSON");
        let case = Case(row.as_slice());
        let (id, name) = (case.text("id"), case.text("function"));
        let (result, warnings) = call(name, &case.args());
        let as_wanted = match (row.as_slice().get("result"), &result) {
            (Some(wanted), Ok(got)) => {
                let unordered = row.as_slice().get("unordered").is_some();
                let warned = match row.as_slice().get("warnings") {
                    Some(wanted) => (wanted.len() == 0) == warnings.is_empty(),
                    None => row.as_slice().get("warns").is_none() || !warnings.is_empty(),
                };
                warned && agree(wanted, got.as_slice(), case.tolerance(), unordered)
            }
            (None, Err(got)) => row.as_slice().get("error").and_then(Slice::as_u64) == Some(u64::from(*got)),
            _ => false,
        };
        match (as_wanted, unused.remove(id)) {
            (true, None) => passed += 1,
            (false, Some(_)) => {}
            (true, Some(reason)) => writeln!(report, "{id} agrees, but is listed as different: {reason}").unwrap(),
            (false, None) => writeln!(report, "{line}\n    got {result:?} {warnings:?}").unwrap(),
        }
    }
    assert!(report.is_empty(), "{report}\n{passed} calls agree");
    assert!(unused.is_empty(), "listed differences without a call: {unused:?}");
}

#[test]
fn calls_answer_like_3_12() {
    check(include_str!("data/functions-3.12.jsonl"), &HashMap::new());
}

#[test]
fn calls_answer_like_3_2_where_nothing_changed() {
    let differences = include_str!("data/functions-3.2-differences.tsv").lines();
    let differences = differences.filter_map(|line| line.split_once('\t')).collect();
    check(include_str!("data/functions-3.2.jsonl"), &differences);
}

/// Every function with up to three odd arguments in every combination: it answers, and what it answers is
/// well-formed.
#[test]
fn odd_arguments_never_break_a_function() {
    let odd = [
        "null",
        "true",
        "-1",
        "2.5",
        "1e300",
        "9223372036854775807",
        "\"\"",
        "\"ä%(\\u0000\"",
        "\"2020-02-30\"",
        "\"years\"",
        "\"c/k\"",
        "[]",
        "[3,null,\"x\"]",
        "[[0,0],[0,9],[9,9],[0,0]]",
        "{}",
        "{\"type\":\"Point\",\"coordinates\":[200,1],\"_id\":7}",
    ];
    let odd: Vec<Value> = odd.iter().map(|text| Value::parse_json(text.as_bytes()).expect("JSON")).collect();
    for function in functions::all().filter(|function| function.name != "SLEEP") {
        for count in function.min_args..=function.max_args.min(3).max(function.min_args) {
            // Of more than three arguments, all but the first three are the same.
            let places = count.min(3);
            for choice in 0..odd.len().pow(u32::try_from(places).expect("small")) {
                let pick = |place: usize| odd[choice / odd.len().pow(u32::try_from(place.min(2)).expect("small")) % odd.len()].clone();
                let args: Vec<Value> = (0..count).map(pick).collect();
                if let (Ok(value), _) = call(function.name, &args) {
                    assert!(Value::from_bytes(value.as_bytes()).is_ok(), "{} {args:?}", function.name);
                }
            }
        }
    }
}

#[test]
fn the_compiler_and_the_functions_agree_on_names_and_arguments() {
    for function in functions::all() {
        let info = aql::functions::lookup(function.name).unwrap_or_else(|| panic!("{} is unknown to the compiler", function.name));
        assert_eq!(info.min_args, function.min_args, "{}", function.name);
        assert_eq!(info.max_args, function.max_args.min(1000), "{}", function.name);
    }
}
