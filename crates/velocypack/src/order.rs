//! AQL's total order of all values: null < bool < number < text < array < object.
//!
//! Numbers compare by value whatever their representation, exactly. Text compares by the collation of
//! `en_US` (CLDR root, tertiary strength, upper case first); text that collates equal compares byte by byte, so
//! that the order agrees with equality, which is byte-wise. A missing member of an array and a
//! missing attribute of an object count as null.
//!
//! Invariant: [`compare`] yields `Equal` exactly where [`equal`] holds, and comparing the bytes of
//! [`write_sort_key`] yields the same as [`compare`].

pub use crate::sort_key::write_sort_key;

use crate::slice::{Kind, Slice};
use icu_collator::options::{CollatorOptions, Strength};
use icu_collator::preferences::CollationCaseFirst;
use icu_collator::{Collator, CollatorBorrowed, CollatorPreferences};
use std::cmp::Ordering;
use std::sync::OnceLock;

/// AQL's order.
#[must_use]
pub fn compare(a: Slice<'_>, b: Slice<'_>) -> Ordering {
    compare_nested(a, b, 0)
}

/// AQL's `==`.
#[must_use]
pub fn equal(a: Slice<'_>, b: Slice<'_>) -> bool {
    match (a.as_str_bytes(), b.as_str_bytes()) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.bytes() == b.bytes() || compare(a, b) == Ordering::Equal,
        _ => false,
    }
}

/// Place of a type in the order.
pub(crate) fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::None | Kind::Illegal | Kind::Null | Kind::Custom => 0,
        Kind::Bool => 1,
        Kind::Double | Kind::Int | Kind::UtcDate => 2,
        Kind::String => 3,
        Kind::Binary => 4,
        Kind::Array => 5,
        Kind::Object => 6,
    }
}

fn compare_nested(a: Slice<'_>, b: Slice<'_>, depth: usize) -> Ordering {
    let (kind, other) = (a.kind(), b.kind());
    let by_type = rank(kind).cmp(&rank(other));
    if by_type != Ordering::Equal || depth >= crate::WALK_MAX {
        return by_type;
    }
    match kind {
        Kind::Bool => a.as_bool().cmp(&b.as_bool()),
        Kind::Double | Kind::Int | Kind::UtcDate => compare_numbers(a, b),
        Kind::String => compare_text(a.as_str_bytes().unwrap_or_default(), b.as_str_bytes().unwrap_or_default()),
        Kind::Binary => a.as_binary().cmp(&b.as_binary()),
        Kind::Array => compare_arrays(a, b, depth + 1),
        Kind::Object => compare_objects(a, b, depth + 1),
        Kind::None | Kind::Illegal | Kind::Null | Kind::Custom => Ordering::Equal,
    }
}

fn compare_numbers(a: Slice<'_>, b: Slice<'_>) -> Ordering {
    match (a.as_double(), b.as_double()) {
        (None, None) => a.as_integer().cmp(&b.as_integer()),
        (Some(a), Some(b)) => compare_doubles(a, b),
        (None, Some(b)) => compare_mixed(a.as_integer().unwrap_or_default(), b),
        (Some(a), None) => compare_mixed(b.as_integer().unwrap_or_default(), a).reverse(),
    }
}

/// NaN comes before all other numbers.
fn compare_doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

fn compare_mixed(a: i128, b: f64) -> Ordering {
    const BEYOND: f64 = 1e30;
    if b.is_nan() || b < -BEYOND {
        return Ordering::Greater;
    }
    if b > BEYOND {
        return Ordering::Less;
    }
    #[expect(clippy::cast_possible_truncation, reason = "inside i128")]
    let whole = b.trunc() as i128;
    a.cmp(&whole).then_with(|| compare_doubles(0.0, b.fract()))
}

fn compare_arrays(a: Slice<'_>, b: Slice<'_>, depth: usize) -> Ordering {
    const NULL: &[u8] = &[0x18];
    let (mut a, mut b) = (a.elements(), b.elements());
    loop {
        let (x, y) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (x, y) => (x.unwrap_or(Slice::new(NULL)), y.unwrap_or(Slice::new(NULL))),
        };
        match compare_nested(x, y, depth) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
}

fn compare_objects(a: Slice<'_>, b: Slice<'_>, depth: usize) -> Ordering {
    const NULL: Slice<'static> = Slice::none();
    let (a, b) = (a.sorted_entries(), b.sorted_entries());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let (in_a, in_b) = match (a.peek(), b.peek()) {
            (None, None) => return Ordering::Equal,
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(x), Some(y)) => (x.0 <= y.0, y.0 <= x.0),
        };
        let x = if in_a { a.next().map_or(NULL, |entry| entry.1) } else { NULL };
        let y = if in_b { b.next().map_or(NULL, |entry| entry.1) } else { NULL };
        match compare_nested(x, y, depth) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
}

/// The order of text.
#[must_use]
pub fn compare_strings(a: &str, b: &str) -> Ordering {
    compare_text(a.as_bytes(), b.as_bytes())
}

fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    compare_ascii(a, b).unwrap_or_else(|| collator().compare_utf8(a, b)).then_with(|| a.cmp(b))
}

/// The collator for text.
pub(crate) fn collator() -> &'static CollatorBorrowed<'static> {
    static COLLATOR: OnceLock<CollatorBorrowed<'static>> = OnceLock::new();
    COLLATOR.get_or_init(|| make_collator(Strength::Tertiary))
}

#[expect(clippy::expect_used, reason = "the data of the root collation are compiled in")]
fn make_collator(strength: Strength) -> CollatorBorrowed<'static> {
    let mut options = CollatorOptions::default();
    options.strength = Some(strength);
    // Compat: ArangoDB sets upper case first, as its recorded results show ("A" < "a" < "B").
    let mut preferences: CollatorPreferences = icu_locale_core::locale!("en-US").into();
    preferences.case_first = Some(CollationCaseFirst::Upper);
    Collator::try_new(preferences, options).expect("root collation is compiled in")
}

/// Weights of one ASCII character; primary 0: not for the fast path.
#[derive(Clone, Copy, Default)]
struct Weight {
    primary: u8,
    upper: u8,
}

/// Weights of ASCII, derived from the collator itself.
///
/// Every printable ASCII character and white space has one collation element of its own; contractions
/// need a character outside ASCII. Control characters are ignored by the collation and stay out.
fn weights() -> &'static [Weight; 256] {
    static WEIGHTS: OnceLock<[Weight; 256]> = OnceLock::new();
    WEIGHTS.get_or_init(|| {
        let primary = make_collator(Strength::Primary);
        let mut characters: Vec<u8> = (9..=13).chain(32..=126).collect();
        characters.sort_by(|a, b| collator().compare_utf8(&[*a], &[*b]));
        let mut weights = [Weight::default(); 256];
        let (mut before, mut rank) = (None, 0);
        for character in characters {
            let same = before.is_some_and(|before: u8| primary.compare_utf8(&[before], &[character]) == Ordering::Equal);
            rank += u8::from(!same);
            if let Some(weight) = weights.get_mut(usize::from(character)) {
                *weight = Weight { primary: rank, upper: u8::from(same) };
            }
            before = Some(character);
        }
        weights
    })
}

/// Collation of texts that consist of ASCII as far as it matters; `None` where the collator has to decide.
fn compare_ascii(a: &[u8], b: &[u8]) -> Option<Ordering> {
    let weights = weights();
    let weight = |byte: u8| weights.get(usize::from(byte)).copied().filter(|weight| weight.primary > 0);
    let mut by_case = Ordering::Equal;
    for (position, (x, y)) in a.iter().zip(b).enumerate() {
        let (left, right) = (weight(*x)?, weight(*y)?);
        if left.primary != right.primary {
            // What follows could only matter by combining with this character.
            let free = |text: &[u8]| text.get(position + 1).is_none_or(u8::is_ascii);
            return (free(a) && free(b)).then(|| left.primary.cmp(&right.primary));
        }
        by_case = by_case.then(left.upper.cmp(&right.upper));
    }
    let shared = a.len().min(b.len());
    let longer = if a.len() > shared { a } else { b };
    for byte in longer.get(shared..).unwrap_or_default() {
        weight(*byte)?;
    }
    Some(a.len().cmp(&b.len()).then(by_case))
}
