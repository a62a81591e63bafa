//! The option a user may have meant.

use super::table;

/// The name nearest to `name`, if any is near at all.
#[must_use]
pub fn option(name: &str) -> Option<&'static str> {
    // Limit: the cost is quadratic in the length of what somebody typed.
    if name.len() > 100 {
        return None;
    }
    let ranked = table::all().iter().map(|row| (cost(name, row.name), row.name));
    ranked.min().filter(|(cost, nearest)| *cost * 2 <= name.len().max(nearest.len())).map(|(_, nearest)| nearest)
}

/// Edit distance; when only the section is missing, the distance is that of the rest and one.
fn cost(typed: &str, known: &str) -> usize {
    let whole = distance(typed, known);
    match known.split_once('.') {
        Some((_, rest)) if !typed.contains('.') => whole.min(distance(typed, rest) + 1),
        _ => whole,
    }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *cell;
            left = (above + 1).min(left + 1).min(diagonal + usize::from(x != y));
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant() {
        assert_eq!(option("server.endpont"), Some("server.endpoint"));
        assert_eq!(option("endpoint"), Some("agency.endpoint"));
        assert_eq!(option("agency.my-adress"), Some("agency.my-address"));
        assert_eq!(option("qqqqqqqqqqqqqqqqqqqqqqqq"), None);
        assert_eq!(option(&"x".repeat(1000)), None);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("ab", ""), 2);
        assert_eq!(distance("ab", "ab"), 0);
    }
}
