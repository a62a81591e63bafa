//! Keys whose byte order is AQL's order of values.
//!
//! A key begins with a byte for the type and tells its own end, so keys of several fields can be put
//! one behind the other. Formats:
//!
//! - number: the greatest double not above it (8 bytes, big-endian, sign folded), then what is missing
//!   to the number (2 bytes): integers beyond 2^53 stay exact.
//! - text: collation key, `00`, the text itself with `00` written as `00 ff`, `00 00`.
//! - array: keys of the members without nulls at the end, `01`.
//! - object: attributes that are not null, sorted by name: `02`, the name inverted (an absent
//!   attribute counts as null, so the object whose next name is smaller is the greater one), `ff`, key of
//!   the value; then `01`.

use crate::order;
use crate::slice::{Kind, Slice};

const END: u8 = 0x01;
const ATTRIBUTE: u8 = 0x02;
const NULL: u8 = 0x10;
const FALSE: u8 = 0x20;
const NUMBER: u8 = 0x30;
const TEXT: u8 = 0x40;
const BINARY: u8 = 0x50;
const ARRAY: u8 = 0x60;
const OBJECT: u8 = 0x70;

/// Appends the key of a value.
pub fn write_sort_key(slice: Slice<'_>, out: &mut Vec<u8>) {
    write_nested(slice, out, 0);
}

fn write_nested(slice: Slice<'_>, out: &mut Vec<u8>, depth: usize) {
    match slice.kind() {
        Kind::None | Kind::Illegal | Kind::Null | Kind::Custom => out.push(NULL),
        Kind::Bool => out.push(FALSE + u8::from(slice.as_bool() == Some(true))),
        Kind::Double | Kind::Int | Kind::UtcDate => write_number(slice, out),
        Kind::String => write_text(slice.as_str_bytes().unwrap_or_default(), out),
        Kind::Binary => {
            out.push(BINARY);
            write_escaped(slice.as_binary().unwrap_or_default(), out);
        }
        Kind::Array => write_array(slice, out, depth + 1),
        Kind::Object => write_object(slice, out, depth + 1),
    }
}

fn write_number(slice: Slice<'_>, out: &mut Vec<u8>) {
    let (number, missing) = match slice.as_integer() {
        Some(integer) => floor_double(integer),
        // Adding 0.0 turns -0.0 into 0.0.
        None => (slice.as_double().unwrap_or_default() + 0.0, 0),
    };
    let bits = number.to_bits();
    let folded = match bits >> 63 {
        _ if number.is_nan() => 0,
        0 => bits | 1 << 63,
        _ => !bits,
    };
    out.push(NUMBER);
    out.extend_from_slice(&folded.to_be_bytes());
    out.extend_from_slice(&missing.to_be_bytes());
}

/// The greatest double not above `integer`, and the difference.
fn floor_double(integer: i128) -> (f64, u16) {
    #[expect(clippy::cast_precision_loss, reason = "corrected below")]
    let nearest = integer as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^64")]
    let floor = if nearest as i128 > integer { nearest.next_down() } else { nearest };
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^64")]
    let missing = integer - floor as i128;
    (floor, u16::try_from(missing).unwrap_or(u16::MAX))
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(TEXT);
    let _ = order::collator().write_sort_key_utf8_to(text, out);
    out.push(0);
    write_escaped(text, out);
}

fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

fn write_array(slice: Slice<'_>, out: &mut Vec<u8>, depth: usize) {
    out.push(ARRAY);
    let mut length = out.len();
    if depth < crate::WALK_MAX {
        for member in slice.elements() {
            write_nested(member, out, depth);
            if !member.is_null() {
                length = out.len();
            }
        }
    }
    out.truncate(length);
    out.push(END);
}

fn write_object(slice: Slice<'_>, out: &mut Vec<u8>, depth: usize) {
    out.push(OBJECT);
    if depth < crate::WALK_MAX {
        for (name, value) in slice.sorted_entries() {
            if value.is_null() {
                continue;
            }
            out.push(ATTRIBUTE);
            for byte in name {
                match byte {
                    0 => out.extend_from_slice(&[0xfe, 0xff]),
                    1 => out.extend_from_slice(&[0xfe, 0xfe]),
                    _ => out.push(0xff - byte),
                }
            }
            out.push(0xff);
            write_nested(value, out, depth);
        }
    }
    out.push(END);
}
