//! Document revisions: hybrid logical clock stamps and their text form.
//!
//! A stamp is `milliseconds since 1970 << 20 | counter`. The text form is ArangoDB's: base 64 with
//! the alphabet `-_A-Za-z0-9`, most significant digit first, leading zeros dropped. Both orders
//! agree only for equal lengths, which all stamps since 2005 have.

use std::sync::atomic::{AtomicU64, Ordering};

const ALPHABET: &[u8; 64] = b"-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A hybrid logical clock stamp, shown to clients as `_rev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(pub u64);

impl Revision {
    /// The text form, at most eleven ASCII characters.
    #[must_use]
    pub fn encode(self) -> String {
        let mut digits = [0u8; 11];
        let mut at = digits.len();
        let mut rest = self.0;
        while rest > 0 {
            at -= 1;
            digits[at] = ALPHABET[(rest & 63) as usize];
            rest >>= 6;
        }
        digits[at..].iter().map(|&b| b as char).collect()
    }

    /// Reads the text form; `None` if it is not one.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > 11 {
            return None;
        }
        let mut value = 0u64;
        for byte in text.bytes() {
            let digit = match byte {
                b'-' => 0,
                b'_' => 1,
                b'A'..=b'Z' => byte - b'A' + 2,
                b'a'..=b'z' => byte - b'a' + 28,
                b'0'..=b'9' => byte - b'0' + 54,
                _ => return None,
            };
            if value >> 58 != 0 {
                return None;
            }
            value = value << 6 | u64::from(digit);
        }
        Some(Self(value))
    }
}

/// The clock that hands out revisions: strictly growing on one server, merged with every stamp
/// that arrives from another one.
#[derive(Debug, Default)]
pub struct HybridClock(AtomicU64);

impl HybridClock {
    /// The next stamp, given the wall clock in milliseconds since 1970.
    pub fn tick(&self, now_ms: u64) -> Revision {
        let physical = now_ms << 20;
        let previous = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(physical.max(last.saturating_add(1))));
        let last = previous.unwrap_or_else(|unchanged| unchanged);
        Revision(physical.max(last.saturating_add(1)))
    }

    /// Notes a foreign stamp, so that later ticks are greater.
    pub fn merge(&self, seen: Revision) {
        self.0.fetch_max(seen.0, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        for value in [1, 63, 64, 1_700_000_000_000u64 << 20, u64::MAX] {
            assert_eq!(Revision::decode(&Revision(value).encode()), Some(Revision(value)));
        }
        assert_eq!(Revision::decode("!"), None);
        assert_eq!(Revision::decode(""), None);
        assert_eq!(Revision::decode("99999999999"), None);
    }

    #[test]
    fn the_clock_never_repeats_nor_goes_back() {
        let clock = HybridClock::default();
        let first = clock.tick(1000);
        let second = clock.tick(10);
        assert!(second > first);
        clock.merge(Revision(first.0 + 500));
        assert!(clock.tick(10).0 > first.0 + 500);
    }
}
