//! The spellings by which people address a server: its id, its short name with four digits
//! (`DBServer0001`), the three digits of ArangoDB 3.0 (`DBServer001`, S79), and its address.

use agency::Snapshot;
use serde_json::Value as Json;

/// Id of the server that a spelling means; `None` if there is no such server.
#[must_use]
pub fn resolve(tree: &Snapshot, spelling: &str) -> Option<String> {
    let registered = tree.get("Current/ServersRegistered").and_then(Json::as_object);
    let planned = |kind: &str| tree.get(&format!("Plan/{kind}/{spelling}")).is_some();
    if planned("DBServers") || planned("Coordinators") || registered.is_some_and(|all| all.contains_key(spelling)) {
        return Some(spelling.to_owned());
    }
    let wanted = canonical(spelling);
    let names = tree.get("Target/MapUniqueToShortID").and_then(Json::as_object);
    let by_name = names.into_iter().flatten().find(|(_, entry)| entry["ShortName"].as_str().is_some_and(|name| canonical(name) == wanted));
    let by_address = || registered?.iter().find(|(_, entry)| entry["endpoint"].as_str() == Some(spelling)).map(|(id, _)| id.clone());
    by_name.map(|(id, _)| id.clone()).or_else(by_address)
}

/// Letters, then the number without leading zeros; other names stay as they are.
fn canonical(name: &str) -> (String, Option<u64>) {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name.get(letters.len()..).and_then(|digits| digits.parse().ok());
    match number {
        Some(number) => (letters.to_ascii_lowercase(), Some(number)),
        None => (name.to_ascii_lowercase(), None),
    }
}

/// Short name of a server, or its id if it has none.
#[must_use]
pub fn short_name(tree: &Snapshot, id: &str) -> String {
    let name = tree.get(&format!("Target/MapUniqueToShortID/{id}/ShortName")).and_then(Json::as_str);
    name.unwrap_or(id).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_do_not_matter_but_numbers_do() {
        assert_eq!(canonical("DBServer001"), canonical("DBServer0001"));
        assert_eq!(canonical("dbserver1"), canonical("DBServer0001"));
        assert_ne!(canonical("DBServer001"), canonical("DBServer0002"));
        assert_ne!(canonical("DBServer001"), canonical("Coordinator0001"));
        assert_eq!(canonical("PRMR-abc"), ("prmr-abc".to_owned(), None));
    }
}
