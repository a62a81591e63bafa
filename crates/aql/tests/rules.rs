//! Golden scripts of the optimiser's rules: `rules/<rule>.txt` holds queries with the plan before and after.
//!
//! A script begins with comments (`#`), `with:` names other rules that are switched on in both plans,
//! `cluster` plans for a coordinator. Cases are separated by `====`, their parts by `----`. With
//! `UPDATE_GOLDEN=1` the plans are written anew.

mod view;

use aql::{CompileOptions, compile, text};
use database::catalog::Index;
use std::path::Path;
use velocypack::Value;
use view::TestView;

fn catalog(cluster: bool) -> TestView {
    let persistent = |id: &str, name: &str, fields: &[&str], unique: bool| Index::plain(id, "persistent", name, fields, unique);
    let sparse = Index { sparse: true, ..persistent("12", "by_s", &["s"], false) };
    let indexes = [
        persistent("10", "by_ab", &["a", "b"], false),
        persistent("11", "by_u", &["u"], true),
        sparse,
        persistent("13", "by_tags", &["tags[*]"], false),
        persistent("14", "by_x", &["x"], false),
    ];
    let view = TestView::default().documents("c", 1000, &indexes).documents("plain", 1000, &[]).edges("e", 5000).graph("g", "e", "plain");
    TestView { cluster, ..view }
}

fn plan_with(query: &str, rules: &[String], catalog: &TestView) -> String {
    let options = CompileOptions { rules: rules.to_vec(), ..CompileOptions::default() };
    let binds = Value::empty_object();
    match compile(query, binds.as_slice(), catalog, &options, &|_| None) {
        Ok(query) => text::plan(&query),
        Err(error) => format!("{}\n", error.message()),
    }
}

fn render(script: &str, rule: &str) -> String {
    let (mut with, mut cluster) = (vec!["-all".to_owned()], false);
    let mut head = String::new();
    let mut rest = script;
    while let Some((line, after)) = rest.split_once('\n') {
        if let Some(rules) = line.strip_prefix("with:") {
            with.extend(rules.split(',').map(|name| format!("+{}", name.trim())));
        } else if line == "cluster" {
            cluster = true;
        } else if !line.starts_with('#') {
            break;
        }
        head.push_str(line);
        head.push('\n');
        rest = after;
    }
    let catalog = catalog(cluster);
    let mut and_rule = with.clone();
    and_rule.push(format!("+{rule}"));
    let cases = rest.split("====\n").map(|case| {
        let query = case.split("----\n").next().unwrap_or_default().trim();
        let (before, after) = (plan_with(query, &with, &catalog), plan_with(query, &and_rule, &catalog));
        let after = if after == before { "unchanged\n".to_owned() } else { after };
        format!("{query}\n----\n{before}----\n{after}")
    });
    head + &cases.collect::<Vec<_>>().join("====\n")
}

#[test]
fn rules_turn_plans_into_the_recorded_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let mut wrong = Vec::new();
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let rule = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let script = std::fs::read_to_string(&path).unwrap();
        let rendered = render(&script, &rule);
        if rendered != script {
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, &rendered).unwrap();
            } else {
                wrong.push(format!("{rule}:\n{rendered}"));
            }
        }
        scripts.push(rule);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    for rule in aql::rules_json().as_array().unwrap() {
        let name = rule["name"].as_str().unwrap();
        let first_pass = name.trim_end_matches("-2");
        assert!(scripts.iter().any(|script| script == first_pass), "rule {name} has no script");
    }
}
