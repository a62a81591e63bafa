//! Checks bytes from outside completely, so that readers need not.

use crate::layout::{self, Layout};
use crate::slice::{Kind, Slice};
use std::fmt;

/// Why bytes are not an acceptable value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError(&'static str);

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid VelocyPack: {}", self.0)
    }
}

impl std::error::Error for FormatError {}

type Result<T> = std::result::Result<T, FormatError>;

/// Checks that `bytes` are exactly one acceptable value.
pub(crate) fn validate(bytes: &[u8]) -> Result<()> {
    let length = check_value(bytes, crate::NESTING_MAX)?;
    if length == bytes.len() { Ok(()) } else { Err(FormatError("unexpected bytes after the value")) }
}

/// Checks the value at the start of `data` and returns its length.
fn check_value(data: &[u8], nesting_left: usize) -> Result<usize> {
    let slice = Slice::new(data);
    let length = layout::byte_len(data).ok_or(FormatError("length out of bounds"))?;
    if length > data.len() || length == 0 {
        return Err(FormatError("length out of bounds"));
    }
    match slice.kind() {
        Kind::Null | Kind::Bool | Kind::Double | Kind::Int | Kind::UtcDate | Kind::Binary => {}
        Kind::String => check_text(slice)?,
        Kind::Array | Kind::Object => check_container(slice.bytes(), slice.is_object(), nesting_left)?,
        Kind::None | Kind::Illegal | Kind::Custom => return Err(FormatError("type not allowed")),
    }
    Ok(length)
}

fn check_text(slice: Slice<'_>) -> Result<()> {
    slice.as_str().map(|_| ()).ok_or(FormatError("text is not UTF-8"))
}

fn check_container(data: &[u8], is_object: bool, nesting_left: usize) -> Result<()> {
    let nesting_left = nesting_left.checked_sub(1).ok_or(FormatError("too deeply nested"))?;
    let layout = Layout::read(data).ok_or(FormatError("lengths do not fit"))?;
    if data.len() == 1 {
        return Ok(());
    }
    // Limit: every member takes a byte at least, so `count` cannot exceed what was sent.
    if layout.count == 0 || layout.count > layout.end - layout.first {
        return Err(FormatError("number of members does not fit"));
    }
    let mut starts = Vec::with_capacity(layout.count);
    let mut at = layout.first;
    for _ in 0..layout.count {
        starts.push(at);
        let member = data.get(at..layout.end).ok_or(FormatError("member out of bounds"))?;
        if is_object {
            at += check_name(member)?;
        }
        let value = data.get(at..layout.end).ok_or(FormatError("member out of bounds"))?;
        let length = check_value(value, nesting_left)?;
        if layout.stride > 0 && length != layout.stride {
            return Err(FormatError("members differ in length"));
        }
        at += length;
    }
    if at != layout.end {
        return Err(FormatError("unexpected bytes after the last member"));
    }
    if is_object { check_object(data, &layout, &starts) } else { check_array_table(data, &layout, &starts) }
}

fn check_name(data: &[u8]) -> Result<usize> {
    let slice = Slice::new(data);
    let length = layout::byte_len(data).filter(|length| *length <= data.len()).ok_or(FormatError("name out of bounds"))?;
    if slice.is_string() {
        check_text(slice)?;
    } else if slice.name_bytes().is_none() {
        return Err(FormatError("attribute name is not text"));
    }
    Ok(length)
}

fn check_array_table(data: &[u8], layout: &Layout, starts: &[usize]) -> Result<()> {
    let fits = |(position, start): (usize, &usize)| layout.offset(data, position) == Some(*start);
    if layout.width == 0 || starts.iter().enumerate().all(fits) { Ok(()) } else { Err(FormatError("index table does not fit")) }
}

/// Names are distinct, and the index table lists every attribute in the order that it promises.
fn check_object(data: &[u8], layout: &Layout, starts: &[usize]) -> Result<()> {
    let name = |start: usize| data.get(start..).and_then(|data| Slice::new(data).name_bytes()).unwrap_or_default();
    let in_table = |position: usize| layout.offset(data, position).filter(|offset| starts.binary_search(offset).is_ok());
    let mut listed = Vec::with_capacity(starts.len());
    for (position, start) in starts.iter().enumerate() {
        let start = if layout.width == 0 { Some(*start) } else { in_table(position) };
        listed.push(start.ok_or(FormatError("index table does not fit"))?);
    }
    if !layout.sorted {
        listed.sort_by(|a, b| name(*a).cmp(name(*b)));
    }
    if listed.is_sorted_by(|a, b| name(*a) < name(*b)) { Ok(()) } else { Err(FormatError("attribute names repeated or out of order")) }
}
