//! What the bytes mean: head bytes, lengths and where the members of a container lie.
//!
//! | head | value |
//! |---|---|
//! | `00` | nothing |
//! | `01`, `0a` | empty array, empty object |
//! | `02`-`05` | array of members of equal length, byte length of 1, 2, 4, 8 bytes, no index table |
//! | `06`-`09` | array with byte length, number of members and index table of that width |
//! | `0b`-`0e` | object with index table sorted by attribute name |
//! | `0f`-`12` | object with unsorted index table |
//! | `13`, `14` | compact array, compact object: variable length numbers, no index table |
//! | `17` `18` `19` `1a` | illegal, null, false, true |
//! | `1b` `1c` | double, UTC date |
//! | `20`-`27` `28`-`2f` | signed and unsigned integer of 1-8 bytes |
//! | `30`-`39` `3a`-`3f` | 0 to 9, -6 to -1 |
//! | `40`-`be` `bf` | string of 0-126 bytes, long string |
//! | `c0`-`c7` | binary, length of 1-8 bytes |
//!
//! Numbers are little-endian. Everything here is total: what does not fit yields `None` or an empty
//! container.

/// Width in bytes of lengths and offsets of an indexed container or an array of equal members.
pub(crate) fn width_of(head: u8) -> usize {
    match head {
        0x02..=0x05 => 1 << (head - 0x02),
        0x06..=0x09 => 1 << (head - 0x06),
        0x0b..=0x0e => 1 << (head - 0x0b),
        0x0f..=0x12 => 1 << (head - 0x0f),
        _ => 0,
    }
}

/// Reads `width` (1 to 8) little-endian bytes at `at`.
#[inline]
pub(crate) fn read_uint(data: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = data.get(at..at.checked_add(width)?)?;
    if let [only] = bytes {
        return Some(u64::from(*only));
    }
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Reads a variable length number forwards; returns it with its length in bytes.
pub(crate) fn read_varint(data: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for position in 0..8 {
        let byte = *data.get(at.checked_add(position)?)?;
        number |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some((number, position + 1));
        }
    }
    None
}

/// Reads a variable length number that ends at `end` (exclusive) backwards.
pub(crate) fn read_varint_reversed(data: &[u8], end: usize) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for position in 0..8 {
        let byte = *data.get(end.checked_sub(position + 1)?)?;
        number |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some((number, position + 1));
        }
    }
    None
}

/// Length in bytes of the value at the start of `data`, at least 1 so that walks end; never more than
/// `data` holds where `data` is well-formed.
#[inline]
pub(crate) fn byte_len(data: &[u8]) -> Option<usize> {
    let head = *data.first()?;
    Some(match head {
        0x40..=0xbe => usize::from(head) - 0x3f,
        0x1b | 0x1c => 9,
        0x20..=0x27 => usize::from(head) - 0x1e,
        0x28..=0x2f => usize::from(head) - 0x26,
        0x02..=0x09 | 0x0b..=0x12 => to_usize(read_uint(data, 1, width_of(head))?).filter(|total| *total > 0)?,
        0x13 | 0x14 => read_varint(data, 1).map(|(total, _)| total).filter(|total| *total > 0)?,
        0xbf => 9_usize.checked_add(to_usize(read_uint(data, 1, 8)?)?)?,
        0xc0..=0xc7 => {
            let width = usize::from(head) - 0xbf;
            (1 + width).checked_add(to_usize(read_uint(data, 1, width)?)?)?
        }
        _ => 1,
    })
}

pub(crate) fn to_usize(number: u64) -> Option<usize> {
    usize::try_from(number).ok()
}

/// Where the members of a container lie, relative to its head.
#[derive(Clone, Copy, Default)]
pub(crate) struct Layout {
    /// Number of members.
    pub count: usize,
    /// Offset of the first member.
    pub first: usize,
    /// Offset after the last member.
    pub end: usize,
    /// Width of an entry of the index table at `end`; 0 without such a table.
    pub width: usize,
    /// The index table is sorted by name.
    pub sorted: bool,
    /// Length of every member, where all are equal; else 0.
    pub stride: usize,
}

impl Layout {
    /// Layout of the container at the start of `data`; empty for everything else.
    #[inline]
    pub(crate) fn of(data: &[u8]) -> Self {
        Self::read(data).unwrap_or_default()
    }

    /// Layout of the container at the start of `data`; `None` if it is none or if lengths do not fit.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let head = *data.first()?;
        match head {
            0x01 | 0x0a => Some(Self { first: 1, end: 1, ..Self::default() }),
            0x02..=0x05 => Self::read_equal(data, head),
            0x06..=0x08 | 0x0b..=0x0d | 0x0f..=0x11 => Self::read_indexed(data, head),
            0x09 | 0x0e | 0x12 => Self::read_indexed_widest(data, head),
            0x13 | 0x14 => Self::read_compact(data),
            _ => None,
        }
    }

    fn read_equal(data: &[u8], head: u8) -> Option<Self> {
        let width = width_of(head);
        let total = to_usize(read_uint(data, 1, width)?)?;
        let first = first_member(data, 1 + width);
        let stride = byte_len(data.get(first..)?)?;
        let room = total.checked_sub(first)?;
        if stride == 0 || room % stride != 0 || total > data.len() {
            return None;
        }
        Some(Self { count: room / stride, first, end: total, stride, ..Self::default() })
    }

    fn read_indexed(data: &[u8], head: u8) -> Option<Self> {
        let width = width_of(head);
        let total = to_usize(read_uint(data, 1, width)?)?;
        let count = to_usize(read_uint(data, 1 + width, width)?)?;
        let first = first_member(data, 1 + 2 * width);
        let end = total.checked_sub(count.checked_mul(width)?)?;
        if end < first || total > data.len() {
            return None;
        }
        Some(Self { count, first, end, width, sorted: head <= 0x0e, stride: 0 })
    }

    fn read_indexed_widest(data: &[u8], head: u8) -> Option<Self> {
        let total = to_usize(read_uint(data, 1, 8)?)?;
        let count = to_usize(read_uint(data, total.checked_sub(8)?, 8)?)?;
        let end = total.checked_sub(8)?.checked_sub(count.checked_mul(8)?)?;
        if end < 9 || total > data.len() {
            return None;
        }
        Some(Self { count, first: 9, end, width: 8, sorted: head <= 0x0e, stride: 0 })
    }

    fn read_compact(data: &[u8]) -> Option<Self> {
        let (total, length_bytes) = read_varint(data, 1)?;
        let (count, count_bytes) = read_varint_reversed(data, total)?;
        let (first, end) = (1 + length_bytes, total.checked_sub(count_bytes)?);
        if end < first || total > data.len() {
            return None;
        }
        Some(Self { count, first, end, ..Self::default() })
    }

    /// Offset of member `position` by the index table or the equal length of members; `None`
    /// where only walking helps.
    #[inline]
    pub(crate) fn offset(&self, data: &[u8], position: usize) -> Option<usize> {
        if self.stride > 0 {
            return Some(self.first + position * self.stride);
        }
        if self.width == 0 {
            return None;
        }
        let offset = to_usize(read_uint(data, self.end + position * self.width, self.width)?)?;
        (self.first..self.end).contains(&offset).then_some(offset)
    }
}

/// Offset of the first member: writers may leave the room of wider lengths as zero bytes.
fn first_member(data: &[u8], header: usize) -> usize {
    let filled = |at: usize| data.get(at).is_some_and(|byte| *byte != 0);
    [2, 3, 5].into_iter().find(|at| header <= *at && filled(*at)).unwrap_or(9)
}
