//! Places in the query text, for error messages.

use base::{Code, Error};

/// Characters of the query shown after `near`.
const SNIPPET_CHARS: usize = 32;

/// An error with ArangoDB's `near '…' at position L:C`.
pub(crate) fn error_near(text: &str, at: u32, code: Code, message: &str) -> Error {
    let at = (at as usize).min(text.len());
    let before = text.get(..at).unwrap_or_default();
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
    let rest = text.get(at..).unwrap_or_default();
    let snippet: String = rest.chars().take(SNIPPET_CHARS).collect();
    let more = if snippet.len() < rest.len() { "..." } else { "" };
    Error::new(code, format!("{message} near '{snippet}{more}' at position {line}:{column}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_line_column_and_what_follows() {
        let error = error_near("FOR i IN 1..100 FILTER i = 1 LIMIT 2 RETURN i * 3", 25, base::code::QUERY_PARSE, "x");
        assert_eq!(error.message(), "x near '= 1 LIMIT 2 RETURN i * 3' at position 1:26");
        let error = error_near("a\nbc", 3, base::code::QUERY_PARSE, "x");
        assert_eq!(error.message(), "x near 'c' at position 2:2");
    }
}
