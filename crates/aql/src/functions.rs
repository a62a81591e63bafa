//! Names, argument counts and properties of AQL's built-in functions (`data/functions.tsv`).
//!
//! What they compute is `exec`'s business.

use std::collections::HashMap;
use std::sync::OnceLock;

/// A built-in function as the compiler sees it.
#[derive(Clone, Debug)]
pub struct FunctionInfo {
    /// Upper-case name that plans use: aliases are resolved.
    pub name: &'static str,
    /// Fewest arguments.
    pub min_args: usize,
    /// Most arguments.
    pub max_args: usize,
    /// Equal arguments give equal results within a query, and nothing else happens.
    pub is_deterministic: bool,
    /// May be evaluated once at compile time if its arguments are constant.
    pub is_foldable: bool,
    /// Reads documents, so it must not follow a modification.
    pub reads_documents: bool,
}

/// The function of this name, in any case.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static FunctionInfo> {
    table().get(name.to_ascii_uppercase().as_str())
}

fn table() -> &'static HashMap<&'static str, FunctionInfo> {
    static TABLE: OnceLock<HashMap<&'static str, FunctionInfo>> = OnceLock::new();
    TABLE.get_or_init(|| include_str!("../data/functions.tsv").lines().skip(1).filter_map(read).collect())
}

fn read(line: &'static str) -> Option<(&'static str, FunctionInfo)> {
    let mut columns = line.split('\t');
    let written = columns.next()?;
    let min_args = columns.next()?.parse().ok()?;
    let max_args = match columns.next()? {
        "*" => 1000,
        number => number.parse().ok()?,
    };
    let name = columns.next().filter(|alias| !alias.is_empty()).unwrap_or(written);
    let flags: Vec<&str> = columns.next().unwrap_or_default().split_whitespace().collect();
    let has = |flag: &str| flags.contains(&flag);
    let info = FunctionInfo {
        name,
        min_args,
        max_args,
        is_deterministic: !has("nd"),
        is_foldable: !(has("nd") || has("ne") || has("nc") || has("co") || has("dx") || has("search") || has("scorer")),
        reads_documents: has("dx"),
    };
    Some((written, info))
}

/// Canonical name of an aggregation (`COLLECT AGGREGATE`, `WINDOW`).
#[must_use]
pub fn aggregation(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_uppercase().as_str() {
        "LENGTH" | "COUNT" => "LENGTH",
        "MIN" => "MIN",
        "MAX" => "MAX",
        "SUM" => "SUM",
        "AVERAGE" | "AVG" => "AVERAGE",
        "STDDEV_POPULATION" | "STDDEV" => "STDDEV_POPULATION",
        "STDDEV_SAMPLE" => "STDDEV_SAMPLE",
        "VARIANCE_POPULATION" | "VARIANCE" => "VARIANCE_POPULATION",
        "VARIANCE_SAMPLE" => "VARIANCE_SAMPLE",
        "UNIQUE" => "UNIQUE",
        "SORTED_UNIQUE" => "SORTED_UNIQUE",
        "COUNT_DISTINCT" | "COUNT_UNIQUE" => "COUNT_DISTINCT",
        "BIT_AND" => "BIT_AND",
        "BIT_OR" => "BIT_OR",
        "BIT_XOR" => "BIT_XOR",
        "PUSH" => "PUSH",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_flags() {
        assert_eq!(lookup("count").unwrap().name, "LENGTH");
        assert_eq!((lookup("CONCAT").unwrap().min_args, lookup("CONCAT").unwrap().max_args), (1, 1000));
        assert!(!lookup("RAND").unwrap().is_deterministic && lookup("RAND").unwrap().name == "RAND");
        assert!(lookup("DOCUMENT").unwrap().reads_documents);
        assert!(lookup("NOSUCH").is_none());
        assert!(table().len() > 200);
    }
}
