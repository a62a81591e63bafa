//! Patterns of `LIKE`: `_` stands for one character, `%` for any run, `\` takes the next one
//! literally. The whole text must match.

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct LikePattern {
    parts: Vec<Part>,
    fold_case: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Char(char),
    One,
    Any,
}

impl LikePattern {
    /// Compiles a pattern. Every text is one.
    #[must_use]
    pub fn new(pattern: &str, case_insensitive: bool) -> Self {
        let mut parts = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '_' => parts.push(Part::One),
                '%' if parts.last() == Some(&Part::Any) => {}
                '%' => parts.push(Part::Any),
                '\\' => match chars.next_if(|next| matches!(next, '%' | '_' | '\\')) {
                    Some(next) => parts.push(Part::Char(next)),
                    None => parts.push(Part::Char('\\')),
                },
                c if case_insensitive => parts.extend(c.to_lowercase().map(Part::Char)),
                c => parts.push(Part::Char(c)),
            }
        }
        Self { parts, fold_case: case_insensitive }
    }

    /// Does the text match? Time is at most the product of both lengths.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        if self.fold_case { self.matches_exactly(&text.to_lowercase()) } else { self.matches_exactly(text) }
    }

    fn matches_exactly(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut part = 0;
        // Where to go on when the run of the latest `%` has to take one more character.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (self.parts.get(part), rest.next()) {
                (None, None) => return true,
                (Some(Part::Any), _) => {
                    part += 1;
                    retry = Some((part, before.clone()));
                    rest = before;
                    continue;
                }
                (Some(Part::One), Some(_)) => {
                    part += 1;
                    continue;
                }
                (Some(&Part::Char(wanted)), Some(found)) if wanted == found => {
                    part += 1;
                    continue;
                }
                _ => {}
            }
            match &mut retry {
                Some((after, chars)) => {
                    if chars.next().is_none() {
                        return false;
                    }
                    part = *after;
                    rest = chars.clone();
                }
                None => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_and_escapes() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("", "_", false),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "a_c", true),
            ("abc", "a_d", false),
            ("aXbXc", "%X%c", true),
            ("aXbXc", "a%b", false),
            ("100%", "100\\%", true),
            ("1000", "100\\%", false),
            ("a\nb", "a%b", true),
            ("äöü", "_ö_", true),
            ("a\\b", "a\\\\b", true),
            ("abcabd", "%abd", true),
        ] {
            assert_eq!(LikePattern::new(pattern, false).matches(text), expected, "{text:?} LIKE {pattern:?}");
        }
        assert!(LikePattern::new("ABC%", true).matches("abcd"));
    }
}
