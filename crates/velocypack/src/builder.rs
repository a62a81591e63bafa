//! Writes one value into a reusable buffer. Containers get their headers when they are closed.
//!
//! Invariant: what [`Builder::finish`] hands out is well-formed, with sorted index tables and
//! distinct attribute names. A call out of place is remembered and reported by `finish`.

use crate::slice::Slice;
use crate::value::Value;
use std::fmt;

/// Room left before the first member of an open container: the header of most.
const HEADER_ROOM: usize = 3;

/// Limit: containers that may be open at a time.
const OPEN_MAX: usize = 600;

/// Writes one value.
#[derive(Default)]
pub struct Builder {
    buffer: Vec<u8>,
    open: Vec<Open>,
    /// Offsets of members of the open containers, relative to the head of each.
    offsets: Vec<usize>,
    name_written: bool,
    fault: Option<BuildError>,
}

struct Open {
    start: usize,
    is_object: bool,
    offsets_from: usize,
}

/// A misuse of the builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// A container is still open, or nothing was written.
    Incomplete,
    /// A value in an object without a name, or a name outside an object or without a value.
    Misplaced,
    /// More than one value.
    Several,
    /// Too many containers inside one another.
    TooDeep,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incomplete => "incomplete value",
            Self::Misplaced => "value without name or name without value",
            Self::Several => "more than one value",
            Self::TooDeep => "too deeply nested",
        })
    }
}

impl std::error::Error for BuildError {}

impl Builder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty builder with room for this many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { buffer: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Forgets everything written; keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.open.clear();
        self.offsets.clear();
        self.name_written = false;
        self.fault = None;
    }

    /// Bytes written so far.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.buffer.len()
    }

    /// Begins an array.
    pub fn open_array(&mut self) -> &mut Self {
        self.open(false)
    }

    /// Begins an object.
    pub fn open_object(&mut self) -> &mut Self {
        self.open(true)
    }

    fn open(&mut self, is_object: bool) -> &mut Self {
        if self.open.len() >= OPEN_MAX {
            self.fault.get_or_insert(BuildError::TooDeep);
        }
        if self.begin_value() {
            self.open.push(Open { start: self.buffer.len(), is_object, offsets_from: self.offsets.len() });
            self.buffer.extend_from_slice(&[0; HEADER_ROOM]);
        }
        self
    }

    /// Writes the name of the next attribute.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.key_bytes(name.as_bytes())
    }

    pub(crate) fn key_bytes(&mut self, name: &[u8]) -> &mut Self {
        match self.open.last() {
            Some(open) if open.is_object && !self.name_written && self.fault.is_none() => {
                self.offsets.push(self.buffer.len() - open.start);
                write_string(&mut self.buffer, name);
                self.name_written = true;
            }
            _ => {
                self.fault.get_or_insert(BuildError::Misplaced);
            }
        }
        self
    }

    /// Writes a copy of a value.
    pub fn add(&mut self, slice: Slice<'_>) -> &mut Self {
        let bytes = slice.bytes();
        if bytes.is_empty() || slice.is_none() {
            return self.null();
        }
        if self.begin_value() {
            self.buffer.extend_from_slice(bytes);
        }
        self
    }

    /// Writes `null`.
    pub fn null(&mut self) -> &mut Self {
        if self.begin_value() {
            self.buffer.push(0x18);
        }
        self
    }

    /// Writes `false` or `true`.
    pub fn bool(&mut self, flag: bool) -> &mut Self {
        if self.begin_value() {
            self.buffer.push(0x19 + u8::from(flag));
        }
        self
    }

    /// Writes an integer.
    pub fn int(&mut self, number: i64) -> &mut Self {
        if self.begin_value() {
            write_int(&mut self.buffer, number);
        }
        self
    }

    /// Writes a non-negative integer.
    pub fn uint(&mut self, number: u64) -> &mut Self {
        if self.begin_value() {
            write_uint(&mut self.buffer, number);
        }
        self
    }

    /// Writes a double.
    pub fn double(&mut self, number: f64) -> &mut Self {
        if self.begin_value() {
            write_double(&mut self.buffer, number);
        }
        self
    }

    /// Writes text.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.string_bytes(text.as_bytes())
    }

    /// Writes text known to be UTF-8.
    pub(crate) fn string_bytes(&mut self, text: &[u8]) -> &mut Self {
        if self.begin_value() {
            write_string(&mut self.buffer, text);
        }
        self
    }

    /// Ends the innermost array or object.
    pub fn close(&mut self) -> &mut Self {
        if self.name_written {
            self.fault.get_or_insert(BuildError::Misplaced);
        }
        let Some(open) = self.open.pop() else {
            self.fault.get_or_insert(BuildError::Misplaced);
            return self;
        };
        if self.fault.is_none() {
            if self.offsets.len() == open.offsets_from {
                self.buffer.truncate(open.start);
                self.buffer.push(if open.is_object { 0x0a } else { 0x01 });
            } else if open.is_object {
                self.close_object(&open);
            } else {
                self.close_array(&open);
            }
        }
        self.offsets.truncate(open.offsets_from);
        self
    }

    /// Hands out the value and clears the builder.
    pub fn finish(&mut self) -> Result<Value, BuildError> {
        let fault = match self.fault {
            Some(fault) => Some(fault),
            None if !self.open.is_empty() || self.buffer.is_empty() => Some(BuildError::Incomplete),
            None => None,
        };
        let result = fault.map_or_else(|| Ok(Value::from_trusted_bytes(&self.buffer)), Err);
        self.clear();
        result
    }

    /// Registers that a value begins here; false if it must not.
    #[inline]
    fn begin_value(&mut self) -> bool {
        if self.fault.is_some() {
            return false;
        }
        match self.open.last() {
            Some(open) if open.is_object => {
                if !self.name_written {
                    self.fault = Some(BuildError::Misplaced);
                    return false;
                }
                self.name_written = false;
            }
            Some(open) => self.offsets.push(self.buffer.len() - open.start),
            None if self.buffer.is_empty() => {}
            None => {
                self.fault = Some(BuildError::Several);
                return false;
            }
        }
        true
    }

    fn close_array(&mut self, open: &Open) {
        let offsets = self.offsets.get(open.offsets_from..).unwrap_or_default();
        let length = self.buffer.len() - open.start;
        let stride = offsets.get(1).copied().unwrap_or(length) - HEADER_ROOM;
        let equal = offsets.windows(2).all(|pair| matches!(pair, [a, b] if b - a == stride))
            && offsets.last().is_none_or(|last| length - last == stride);
        if !equal {
            self.close_indexed(open, 0x06);
            return;
        }
        let data = length - HEADER_ROOM;
        let (exponent, width) = narrowest(|width| 1 + width + data);
        self.move_members(open, 1 + width);
        let total = self.buffer.len() - open.start;
        self.write_at(open.start, &[0x02 + exponent]);
        self.write_number(open.start + 1, total, width);
    }

    fn close_object(&mut self, open: &Open) {
        let base = open.start;
        let buffer = &self.buffer;
        let name = |offset: &usize| name_at(buffer, base + offset);
        let offsets = self.offsets.get_mut(open.offsets_from..).unwrap_or_default();
        if !offsets.is_sorted_by(|a, b| name(a) < name(b)) {
            // Stable: of equal names the one written last comes last.
            offsets.sort_by(|a, b| name(a).cmp(name(b)));
            if offsets.windows(2).any(|pair| matches!(pair, [a, b] if name(a) == name(b))) {
                self.drop_repeated(open);
            }
        }
        self.close_indexed(open, 0x0b);
    }

    /// Removes attributes whose name was written again later. Offsets are sorted by name.
    fn drop_repeated(&mut self, open: &Open) {
        let offsets = self.offsets.split_off(open.offsets_from);
        let buffer = &self.buffer;
        let mut kept: Vec<usize> = Vec::with_capacity(offsets.len());
        for (position, offset) in offsets.iter().enumerate() {
            let repeated =
                offsets.get(position + 1).is_some_and(|next| name_at(buffer, open.start + next) == name_at(buffer, open.start + offset));
            if !repeated {
                kept.push(*offset);
            }
        }
        let members = buffer.get(open.start..).unwrap_or_default().to_vec();
        let mut by_place = kept.clone();
        by_place.sort_unstable();
        self.buffer.truncate(open.start + HEADER_ROOM);
        for offset in by_place {
            let name = Slice::new(members.get(offset..).unwrap_or_default());
            let value = Slice::new(members.get(offset + name.byte_len()..).unwrap_or_default());
            self.offsets.push(self.buffer.len() - open.start);
            self.buffer.extend_from_slice(name.bytes());
            self.buffer.extend_from_slice(value.bytes());
        }
        let buffer = &self.buffer;
        if let Some(offsets) = self.offsets.get_mut(open.offsets_from..) {
            offsets.sort_by(|a, b| name_at(buffer, open.start + a).cmp(name_at(buffer, open.start + b)));
        }
    }

    /// Writes header and index table of the container; `first_head` is the head of the narrowest form.
    fn close_indexed(&mut self, open: &Open, first_head: u8) {
        let count = self.offsets.len() - open.offsets_from;
        let data = self.buffer.len() - open.start - HEADER_ROOM;
        let header = |width: usize| if width == 8 { 9 } else { 1 + 2 * width };
        let table = |width: usize| if width == 8 { 8 * count + 8 } else { width * count };
        let (exponent, width) = narrowest(|width| header(width) + data + table(width));
        let shift = header(width) - HEADER_ROOM;
        self.move_members(open, header(width));
        self.buffer.reserve(table(width));
        for position in open.offsets_from..self.offsets.len() {
            let offset = self.offsets.get(position).copied().unwrap_or_default() + shift;
            self.buffer.extend(offset.to_le_bytes().into_iter().take(width));
        }
        if width == 8 {
            self.buffer.extend_from_slice(&count.to_le_bytes());
        }
        let total = self.buffer.len() - open.start;
        self.write_at(open.start, &[first_head + exponent]);
        self.write_number(open.start + 1, total, width);
        if width < 8 {
            self.write_number(open.start + 1 + width, count, width);
        }
    }

    /// Moves the members so that the header gets exactly the room it needs.
    fn move_members(&mut self, open: &Open, header: usize) {
        if header > HEADER_ROOM {
            let room = [0_u8; 9];
            let wanted = room.into_iter().take(header - HEADER_ROOM);
            self.buffer.splice(open.start..open.start, wanted);
        } else if header < HEADER_ROOM {
            self.buffer.drain(open.start..open.start + (HEADER_ROOM - header));
        }
    }

    fn write_number(&mut self, at: usize, number: usize, width: usize) {
        let bytes = number.to_le_bytes();
        self.write_at(at, bytes.get(..width).unwrap_or_default());
    }

    fn write_at(&mut self, at: usize, bytes: &[u8]) {
        if let Some(room) = self.buffer.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }
}

/// The name written at `at`.
#[inline]
fn name_at(buffer: &[u8], at: usize) -> &[u8] {
    buffer.get(at..).and_then(|data| Slice::new(data).as_str_bytes()).unwrap_or_default()
}

/// The narrowest width (as exponent and in bytes) whose lengths can say `total(width)`.
fn narrowest(total: impl Fn(usize) -> usize) -> (u8, usize) {
    let fits = |exponent: &u8| (total(1 << exponent) as u64) >> ((8 << exponent) - 1) <= 1;
    let exponent = (0..3).find(fits).unwrap_or(3);
    (exponent, 1 << exponent)
}

/// Where the bytes of a scalar go.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[inline]
pub(crate) fn write_int(out: &mut impl Sink, number: i64) {
    match u64::try_from(number) {
        Ok(number) => write_uint(out, number),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "-6 to -1")]
        Err(_) if number >= -6 => out.put(&[(0x40 + number) as u8]),
        Err(_) => {
            let mut width = 1;
            while width < 8 && number < -(1_i64 << (8 * width - 1)) {
                width += 1;
            }
            write_wide(out, 0x1f, number.to_le_bytes(), width);
        }
    }
}

#[inline]
pub(crate) fn write_uint(out: &mut impl Sink, number: u64) {
    #[expect(clippy::cast_possible_truncation, reason = "0 to 9")]
    if number <= 9 {
        out.put(&[0x30 + number as u8]);
    } else {
        write_wide(out, 0x27, number.to_le_bytes(), 8 - (number.leading_zeros() / 8) as usize);
    }
}

#[inline]
fn write_wide(out: &mut impl Sink, head_before: u8, bytes: [u8; 8], width: usize) {
    #[expect(clippy::cast_possible_truncation, reason = "1 to 8")]
    out.put(&[head_before + width as u8]);
    out.put(bytes.get(..width).unwrap_or_default());
}

#[inline]
pub(crate) fn write_double(out: &mut impl Sink, number: f64) {
    out.put(&[0x1b]);
    out.put(&number.to_bits().to_le_bytes());
}

#[inline]
pub(crate) fn write_string(out: &mut impl Sink, text: &[u8]) {
    #[expect(clippy::cast_possible_truncation, reason = "at most 126")]
    if text.len() <= 126 {
        out.put(&[0x40 + text.len() as u8]);
    } else {
        out.put(&[0xbf]);
        out.put(&(text.len() as u64).to_le_bytes());
    }
    out.put(text);
}
