//! Searching in text: containment, positions, replacement, wildcards, similarity.

use super::arguments::{flag, found, integer, mismatch, null, number, position, slice, text};
use super::{Function, FunctionContext, pure};
use crate::convert;
use crate::like::LikePattern;
use base::{Error, Result, code};
use std::borrow::Cow;
use std::collections::HashMap;
use velocypack::{Slice, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("CONTAINS", 2, 3, contains),
    pure("FIND_FIRST", 2, 4, find_first),
    pure("FIND_LAST", 2, 4, find_last),
    pure("STARTS_WITH", 2, 4, starts_with),
    pure("SUBSTITUTE", 2, 4, substitute),
    pure("LIKE", 2, 3, |args, _| Ok(Value::bool(LikePattern::new(&text(args, 1), flag(args, 2)).matches(&text(args, 0))))),
    pure("LEVENSHTEIN_DISTANCE", 2, 2, levenshtein_distance),
    pure("LEVENSHTEIN_MATCH", 3, 6, levenshtein_match),
    pure("SOUNDEX", 1, 1, soundex),
];

/// Limit: cells of the table that a comparison of two texts fills.
const CELLS_MAX: usize = 64 << 20;

fn contains(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let (text, wanted) = (text(args, 0), text(args, 1));
    let place = if wanted.is_empty() { None } else { text.find(wanted.as_ref()) };
    // Compat: the position counts code points, as recorded.
    let place = place.map(|at| text.get(..at).unwrap_or("").chars().count());
    Ok(found(place, flag(args, 2)))
}

/// Bounds in UTF-16 units that a match has to lie in: start, and end exclusive; `None` if nothing can.
fn bounds(args: &[Value], length: usize) -> Option<(usize, usize)> {
    let start = usize::try_from(integer(args, 2)).ok()?;
    if slice(args, 3).is_null() {
        return Some((start, length));
    }
    let end = usize::try_from(integer(args, 3)).ok()?;
    (end >= start).then_some((start, end.saturating_add(1).min(length)))
}

fn find_first(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let (text, wanted) = utf16(args);
    let place = bounds(args, text.len()).filter(|_| !text.is_empty()).and_then(|(start, end)| {
        let part = text.get(start..end)?;
        if wanted.is_empty() { Some(start) } else { part.windows(wanted.len()).position(|window| window == wanted).map(|at| at + start) }
    });
    Ok(position(place))
}

fn find_last(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let (text, wanted) = utf16(args);
    let place = bounds(args, text.len()).filter(|_| !text.is_empty()).and_then(|(start, end)| {
        let part = text.get(start..end)?;
        if wanted.is_empty() { Some(end) } else { part.windows(wanted.len()).rposition(|window| window == wanted).map(|at| at + start) }
    });
    Ok(position(place))
}

fn utf16(args: &[Value]) -> (Vec<u16>, Vec<u16>) {
    (text(args, 0).encode_utf16().collect(), text(args, 1).encode_utf16().collect())
}

fn starts_with(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let prefixes = slice(args, 1);
    let Some(text) = slice(args, 0).as_str() else { return mismatch(cx, "STARTS_WITH") };
    if let Some(prefix) = prefixes.as_str() {
        return Ok(Value::bool(text.starts_with(prefix)));
    }
    let prefixes: Option<Vec<&str>> = if prefixes.is_array() { prefixes.elements().map(Slice::as_str).collect() } else { None };
    let Some(prefixes) = prefixes else { return mismatch(cx, "STARTS_WITH") };
    let wanted = if args.len() > 2 { usize::try_from(integer(args, 2)).unwrap_or(0) } else { 1 };
    Ok(Value::bool(prefixes.iter().filter(|prefix| text.starts_with(**prefix)).count() >= wanted))
}

fn substitute(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (text, search) = (text(args, 0), slice(args, 1));
    if search.is_object() && args.len() > 3 {
        return Err(Error::from(code::QUERY_FUNCTION_ARGUMENT_NUMBER_MISMATCH));
    }
    let limit = slice(args, if search.is_object() { 2 } else { 3 });
    let mut left = if limit.is_null() { i64::MAX } else { convert::truncate(limit) };
    if left < 0 {
        return mismatch(cx, "SUBSTITUTE");
    }
    let pairs = replacements(search, args.get(2).map(Value::as_slice));
    if search.is_array() && pairs.is_empty() {
        cx.warn_argument("SUBSTITUTE");
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while left > 0 {
        // The leftmost match counts; of several there the one listed first.
        let matches = pairs.iter().filter_map(|(wanted, by)| Some((rest.find(wanted.as_ref())?, wanted.len(), by)));
        let Some((at, length, by)) = matches.min_by_key(|(at, ..)| *at) else { break };
        result.push_str(rest.get(..at).unwrap_or(""));
        result.push_str(by);
        rest = rest.get(at + length..).unwrap_or("");
        left -= 1;
    }
    result.push_str(rest);
    Ok(Value::string(&result))
}

/// What is replaced by what.
fn replacements<'a>(search: Slice<'a>, replace: Option<Slice<'a>>) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let single = |slice: Option<Slice<'a>>| slice.map_or(Cow::Borrowed(""), convert::to_text);
    let pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = if search.is_object() {
        search.entries().map(|(wanted, by)| (Cow::Borrowed(wanted), convert::to_text(by))).collect()
    } else if search.is_array() {
        let by = |place| match replace {
            Some(array) if array.is_array() => single(array.at(place)),
            other => single(other),
        };
        search.elements().enumerate().map(|(place, wanted)| (convert::to_text(wanted), by(place))).collect()
    } else {
        let by = replace.filter(|replace| replace.is_array()).map_or(replace, |array| array.at(0));
        vec![(convert::to_text(search), single(by))]
    };
    pairs.into_iter().filter(|(wanted, _)| !wanted.is_empty()).collect()
}

fn levenshtein_distance(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let distance = distance(&text(args, 0), &text(args, 1), true)?;
    Ok(Value::uint(distance as u64))
}

fn levenshtein_match(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let transpositions = args.len() < 4 || flag(args, 3);
    let (wanted, allowed) = (integer(args, 2), if transpositions { 3 } else { 4 });
    let texts = (slice(args, 0).as_str(), slice(args, 1).as_str());
    let (Some(text), Some(target), true) = (texts.0, texts.1, (0..=allowed).contains(&wanted)) else {
        return mismatch(cx, "LEVENSHTEIN_MATCH");
    };
    let prefix = slice(args, 5).as_str().unwrap_or("");
    let Some(rest) = text.strip_prefix(prefix) else { return Ok(Value::bool(false)) };
    let distance = distance(rest, target, transpositions)?;
    Ok(Value::bool(i64::try_from(distance).is_ok_and(|distance| distance <= wanted)))
}

/// Edit distance of two texts; with `transpositions`, swapping two neighbours is one edit (Damerau).
#[expect(clippy::indexing_slicing, reason = "all indexes are bounded by the dimensions of the table")]
fn distance(a: &str, b: &str, transpositions: bool) -> Result<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 2;
    if (a.len() + 2).saturating_mul(width) > CELLS_MAX {
        return Err(Error::from(code::RESOURCE_LIMIT));
    }
    let far = a.len() + b.len();
    let mut table = vec![far; (a.len() + 2) * width];
    for i in 0..=a.len() {
        table[(i + 1) * width + 1] = i;
    }
    for j in 0..=b.len() {
        table[width + j + 1] = j;
    }
    let mut last_row: HashMap<char, usize> = HashMap::new();
    for i in 1..=a.len() {
        let mut last_column = 0;
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            let edited = (table[i * width + j] + usize::from(!same)).min(table[(i + 1) * width + j] + 1).min(table[i * width + j + 1] + 1);
            let (row, column) = (last_row.get(&b[j - 1]).copied().unwrap_or(0), last_column);
            let swapped = table[row * width + column] + (i - row - 1) + 1 + (j - column - 1);
            table[(i + 1) * width + j + 1] = if transpositions { edited.min(swapped) } else { edited };
            if same {
                last_column = j;
            }
        }
        last_row.insert(a[i - 1], i);
    }
    Ok(table[(a.len() + 1) * width + b.len() + 1])
}

fn soundex(args: &[Value], _: &mut FunctionContext) -> Result<Value> {
    let letters: Vec<char> = text(args, 0).to_uppercase().chars().filter(char::is_ascii_alphabetic).collect();
    let Some(first) = letters.first() else { return Ok(Value::string("")) };
    let mut result = String::from(*first);
    let mut before = sound(*first);
    for letter in letters.iter().skip(1) {
        let sound = sound(*letter);
        if sound != '0' && sound != before && result.len() < 4 {
            result.push(sound);
        }
        before = sound;
    }
    while result.len() < 4 {
        result.push('0');
    }
    Ok(Value::string(&result))
}

fn sound(letter: char) -> char {
    match letter {
        'B' | 'F' | 'P' | 'V' => '1',
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => '2',
        'D' | 'T' => '3',
        'L' => '4',
        'M' | 'N' => '5',
        'R' => '6',
        _ => '0',
    }
}

pub(super) static NGRAM_FUNCTIONS: &[Function] = &[
    pure("NGRAM_SIMILARITY", 3, 3, |args, cx| ngrams(args, cx, "NGRAM_SIMILARITY", false)),
    pure("NGRAM_POSITIONAL_SIMILARITY", 3, 3, |args, cx| ngrams(args, cx, "NGRAM_POSITIONAL_SIMILARITY", true)),
];

fn ngrams(args: &[Value], cx: &mut FunctionContext, name: &str, positional: bool) -> Result<Value> {
    let (Some(a), Some(b)) = (slice(args, 0).as_str(), slice(args, 1).as_str()) else { return mismatch(cx, name) };
    let length = number(args, 2);
    if !slice(args, 2).is_number() || length < 1.0 {
        return mismatch(cx, name);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1; saturation is wanted")]
    let length = length as usize;
    match ngram_similarity(a, b, length, positional)? {
        Some(similarity) => Ok(convert::number(f64::from(similarity))),
        None => null(),
    }
}

/// Length of the longest common sequence of n-grams, relative to the number of n-grams of `b` (of the
/// longer text, where partial matches count).
#[expect(clippy::cast_precision_loss, reason = "the similarity is a 32-bit number, as in ArangoDB")]
fn ngram_similarity(a: &str, b: &str, length: usize, positional: bool) -> Result<Option<f32>> {
    let (x, y): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if x.len() < length || y.len() < length {
        return Ok(Some(if x == y { 1.0 } else { 0.0 }));
    }
    let (left, right): (Vec<&[char]>, Vec<&[char]>) = (x.windows(length).collect(), y.windows(length).collect());
    if left.len().saturating_mul(right.len()) > CELLS_MAX {
        return Err(Error::from(code::RESOURCE_LIMIT));
    }
    let mut row = vec![0.0_f32; right.len() + 1];
    for gram in &left {
        let mut diagonal = 0.0_f32;
        let mut beside = 0.0_f32;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let equal = gram.iter().zip(*other).filter(|(a, b)| a == b).count();
            let matched = match positional {
                true => equal as f32 / length as f32,
                false => f32::from(u8::from(equal == length)),
            };
            let best = (diagonal + matched).max(*cell).max(beside);
            diagonal = *cell;
            *cell = best;
            beside = best;
        }
    }
    let total = if positional { left.len().max(right.len()) } else { right.len() };
    Ok(row.last().map(|common| common / total as f32))
}
