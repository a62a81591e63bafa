//! A borrowed view of one value. See `layout.rs` for the bytes.

use crate::layout::{self, Layout, read_uint};
use crate::value::Value;
use std::fmt;

/// A value read in place. All accessors are total: a wrong type yields `None`, never a panic.
#[derive(Clone, Copy)]
pub struct Slice<'a> {
    /// Starts at the head byte; may reach beyond the value.
    data: &'a [u8],
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// No value at all.
    None,
    /// Never accepted from outside.
    Illegal,
    /// `null`.
    Null,
    /// `false` or `true`.
    Bool,
    /// IEEE double.
    Double,
    /// Signed or unsigned integer of any width.
    Int,
    /// Milliseconds since 1970; behaves as a number.
    UtcDate,
    /// UTF-8 text.
    String,
    /// Bytes.
    Binary,
    /// Array.
    Array,
    /// Object.
    Object,
    /// Anything that is never accepted from outside.
    Custom,
}

/// Attribute names that other writers may shorten to the numbers 1 to 5.
const SHORT_NAMES: [&str; 5] = ["_key", "_rev", "_id", "_from", "_to"];

impl<'a> Slice<'a> {
    /// Views the value at the start of `data`. Well-formedness is not checked; reading what is not
    /// well-formed yields `None` or empty results.
    #[must_use]
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data }
    }

    /// No value.
    #[must_use]
    pub const fn none() -> Self {
        Self { data: &[] }
    }

    /// The head byte.
    #[inline]
    pub(crate) fn head(self) -> u8 {
        self.data.first().copied().unwrap_or(0)
    }

    /// The type.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.head() {
            0x00 => Kind::None,
            0x01..=0x09 | 0x13 => Kind::Array,
            0x0a..=0x12 | 0x14 => Kind::Object,
            0x17 => Kind::Illegal,
            0x18 => Kind::Null,
            0x19 | 0x1a => Kind::Bool,
            0x1b => Kind::Double,
            0x1c => Kind::UtcDate,
            0x20..=0x3f => Kind::Int,
            0x40..=0xbf => Kind::String,
            0xc0..=0xc7 => Kind::Binary,
            _ => Kind::Custom,
        }
    }

    /// There is no value at all.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.head() == 0
    }

    /// It is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.head() == 0x18
    }

    /// It is `false` or `true`.
    #[must_use]
    pub fn is_bool(self) -> bool {
        matches!(self.head(), 0x19 | 0x1a)
    }

    /// It is a number of any representation.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self.head(), 0x1b | 0x1c | 0x20..=0x3f)
    }

    /// It is text.
    #[must_use]
    pub fn is_string(self) -> bool {
        matches!(self.head(), 0x40..=0xbf)
    }

    /// It is an array.
    #[must_use]
    pub fn is_array(self) -> bool {
        matches!(self.head(), 0x01..=0x09 | 0x13)
    }

    /// It is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        matches!(self.head(), 0x0a..=0x12 | 0x14)
    }

    /// The truth value, of booleans only.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.head() {
            0x19 => Some(false),
            0x1a => Some(true),
            _ => None,
        }
    }

    /// The integer behind every integer representation.
    pub(crate) fn as_integer(self) -> Option<i128> {
        let head = self.head();
        Some(match head {
            0x30..=0x39 => i128::from(head - 0x30),
            0x3a..=0x3f => i128::from(head) - 0x40,
            0x28..=0x2f => i128::from(read_uint(self.data, 1, usize::from(head - 0x27))?),
            0x20..=0x27 => {
                let width = usize::from(head - 0x1f);
                let shift = 64 - 8 * width;
                i128::from((read_uint(self.data, 1, width)? << shift).cast_signed() >> shift)
            }
            0x1c => i128::from(read_uint(self.data, 1, 8)?.cast_signed()),
            _ => return None,
        })
    }

    /// The double, of doubles only.
    pub(crate) fn as_double(self) -> Option<f64> {
        if self.head() == 0x1b { read_uint(self.data, 1, 8).map(f64::from_bits) } else { None }
    }

    /// The number as `i64` if it is that exactly, also from an integral double.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        self.exact_integer().and_then(|number| i64::try_from(number).ok())
    }

    /// The number as `u64` if it is that exactly, also from an integral double.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        self.exact_integer().and_then(|number| u64::try_from(number).ok())
    }

    fn exact_integer(self) -> Option<i128> {
        if let Some(number) = self.as_double() {
            #[expect(clippy::cast_possible_truncation, reason = "integral and far inside i128")]
            return (number.fract() == 0.0 && number.abs() < 1e30).then_some(number as i128);
        }
        self.as_integer()
    }

    /// Any number as double, rounded if needed.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "rounding is the contract")]
        self.as_double().or_else(|| self.as_integer().map(|number| number as f64))
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        std::str::from_utf8(self.as_str_bytes()?).ok()
    }

    /// The bytes of the text.
    #[must_use]
    #[inline]
    pub fn as_str_bytes(self) -> Option<&'a [u8]> {
        match self.head() {
            head @ 0x40..=0xbe => self.data.get(1..usize::from(head) - 0x3f),
            0xbf => {
                let length = layout::to_usize(read_uint(self.data, 1, 8)?)?;
                self.data.get(9..length.checked_add(9)?)
            }
            _ => None,
        }
    }

    /// The bytes of a binary value.
    #[must_use]
    pub fn as_binary(self) -> Option<&'a [u8]> {
        match self.head() {
            head @ 0xc0..=0xc7 => self.bytes().get(usize::from(head) - 0xbe..),
            _ => None,
        }
    }

    /// Number of members of an array or object; 0 of everything else.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a value is not a collection; emptiness is len() == 0")]
    pub fn len(self) -> usize {
        Layout::of(self.data).count
    }

    /// Member `position` of an array.
    #[must_use]
    pub fn at(self, position: usize) -> Option<Slice<'a>> {
        if !self.is_array() {
            return None;
        }
        let layout = Layout::of(self.data);
        if position >= layout.count {
            return None;
        }
        match layout.offset(self.data, position) {
            Some(offset) => self.data.get(offset..layout.end).map(Slice::new),
            None => self.elements().nth(position),
        }
    }

    /// The value of an attribute of an object.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Slice<'a>> {
        if !self.is_object() {
            return None;
        }
        let layout = Layout::of(self.data);
        if layout.width == 0 || !layout.sorted {
            return self.entries_raw().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value);
        }
        let (mut low, mut high) = (0, layout.count);
        while low < high {
            let middle = usize::midpoint(low, high);
            let entry = Slice::new(self.data.get(layout.offset(self.data, middle)?..layout.end)?);
            match entry.name_bytes()?.cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return entry.following(),
            }
        }
        None
    }

    /// The value at a path of attributes.
    #[must_use]
    pub fn path(self, path: &[impl AsRef<str>]) -> Option<Slice<'a>> {
        path.iter().try_fold(self, |slice, name| slice.get(name.as_ref()))
    }

    /// The members of an array; none of everything else.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        let layout = if self.is_array() { Layout::of(self.data) } else { Layout::default() };
        Elements { rest: self.data.get(layout.first..layout.end).unwrap_or_default(), left: layout.count }
    }

    /// The attributes of an object in the order they are stored in, which is the order they were
    /// written in; none of everything else.
    #[must_use]
    pub fn entries(self) -> Entries<'a> {
        let layout = if self.is_object() { Layout::of(self.data) } else { Layout::default() };
        Entries { rest: self.data.get(layout.first..layout.end).unwrap_or_default(), left: layout.count }
    }

    /// As [`Self::entries`], without checking that the names are text.
    pub(crate) fn entries_raw(self) -> impl Iterator<Item = (&'a [u8], Slice<'a>)> {
        let mut entries = self.entries();
        std::iter::from_fn(move || entries.next_raw())
    }

    /// The attributes of an object sorted by name, byte by byte.
    pub(crate) fn sorted_entries(self) -> Vec<(&'a [u8], Slice<'a>)> {
        let layout = Layout::of(self.data);
        if self.is_object() && layout.sorted {
            let entry = |position| {
                let entry = Slice::new(self.data.get(layout.offset(self.data, position)?..layout.end)?);
                Some((entry.name_bytes()?, entry.following()?))
            };
            return (0..layout.count).filter_map(entry).collect();
        }
        let mut entries: Vec<_> = self.entries_raw().collect();
        entries.sort_by(|a, b| a.0.cmp(b.0));
        entries
    }

    /// The name that this value is, in the place of an attribute name.
    #[inline]
    pub(crate) fn name_bytes(self) -> Option<&'a [u8]> {
        match self.head() {
            head @ 0x31..=0x35 => SHORT_NAMES.get(usize::from(head - 0x31)).map(|name| name.as_bytes()),
            _ => self.as_str_bytes(),
        }
    }

    /// The value behind this one.
    #[inline]
    fn following(self) -> Option<Slice<'a>> {
        self.data.get(layout::byte_len(self.data)?..).map(Slice::new)
    }

    /// All bytes of the value.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.data.get(..self.byte_len()).unwrap_or(self.data)
    }

    /// Length of the value in bytes.
    #[must_use]
    pub fn byte_len(self) -> usize {
        layout::byte_len(self.data).unwrap_or(0).min(self.data.len())
    }

    /// Copies the value out.
    #[must_use]
    pub fn to_value(self) -> Value {
        Value::from_trusted_bytes(self.bytes())
    }

    /// Whether arrays and objects are nested deeper than `limit` levels.
    #[must_use]
    pub fn nests_deeper_than(self, limit: usize) -> bool {
        if !self.is_array() && !self.is_object() {
            return false;
        }
        let Some(rest) = limit.checked_sub(1) else { return true };
        self.elements().any(|member| member.nests_deeper_than(rest)) || self.entries_raw().any(|(_, value)| value.nests_deeper_than(rest))
    }

    /// Appends the value as compact JSON.
    pub fn write_json(self, out: &mut Vec<u8>) {
        crate::json::write(self, out);
    }

    /// The value as compact JSON.
    #[must_use]
    pub fn to_json(self) -> String {
        let mut out = Vec::with_capacity(self.byte_len() + self.byte_len() / 2);
        self.write_json(&mut out);
        String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl fmt::Debug for Slice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

/// Members of an array.
#[derive(Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Slice<'a>;

    #[inline]
    fn next(&mut self) -> Option<Slice<'a>> {
        if self.left == 0 {
            return None;
        }
        let member = Slice::new(self.rest);
        self.rest = self.rest.get(layout::byte_len(self.rest)?..).unwrap_or_default();
        self.left -= 1;
        Some(member)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

/// Attributes of an object.
#[derive(Clone)]
pub struct Entries<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Entries<'a> {
    #[inline]
    fn next_raw(&mut self) -> Option<(&'a [u8], Slice<'a>)> {
        if self.left == 0 {
            return None;
        }
        let name = Slice::new(self.rest).name_bytes()?;
        let value = Slice::new(self.rest.get(layout::byte_len(self.rest)?..)?);
        self.rest = value.data.get(layout::byte_len(value.data)?..).unwrap_or_default();
        self.left -= 1;
        Some((name, value))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, Slice<'a>);

    #[inline]
    fn next(&mut self) -> Option<(&'a str, Slice<'a>)> {
        let (name, value) = self.next_raw()?;
        Some((std::str::from_utf8(name).ok()?, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}
