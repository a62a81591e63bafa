//! JSON text into a builder and back, without a tree in between.
//!
//! Compat: doubles print as ArangoDB 3.12 does: integral ones below 2^53 without fraction, up to 2^64
//! exactly with `.0`, others in the shortest form that reads back; what is not finite prints as `null`.

use crate::builder::Builder;
use crate::json_number::write_double;
use crate::slice::{Kind, Slice};
use crate::value::Value;
use std::fmt;

/// Why a text is not acceptable JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Byte position in the text.
    pub position: usize,
    /// What is wrong there.
    pub message: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {}", self.message, self.position)
    }
}

impl std::error::Error for JsonError {}

/// Parses one JSON text.
pub(crate) fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let mut builder = Builder::with_capacity(text.len() + text.len() / 8 + 16);
    parse_into(text, &mut builder)?;
    builder.finish().map_err(|_| JsonError { position: text.len(), message: "Too deep nesting" })
}

/// Parses one JSON text as the next value of `builder`.
pub fn parse_into(text: &[u8], builder: &mut Builder) -> Result<(), JsonError> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(JsonError { position: error.valid_up_to(), message: "Invalid UTF-8 sequence" });
    }
    Parser { text, at: 0, open: Vec::new(), builder, scratch: Vec::new() }.run()
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// For every open container: it is an object.
    open: Vec<bool>,
    builder: &'a mut Builder,
    scratch: Vec<u8>,
}

type Parsed<T> = Result<T, JsonError>;

impl Parser<'_> {
    fn run(&mut self) -> Parsed<()> {
        loop {
            let complete = self.value()?;
            if complete && !self.after_value()? {
                break;
            }
        }
        self.skip_space();
        if self.at < self.text.len() { self.fail("Expecting EOF") } else { Ok(()) }
    }

    /// Reads a scalar or opens a container; true if the value is complete.
    fn value(&mut self) -> Parsed<bool> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string(false)?;
            }
            Some(b'{') => return self.enter(true),
            Some(b'[') => return self.enter(false),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => {
                self.word(b"true")?;
                self.builder.bool(true);
            }
            Some(b'f') => {
                self.word(b"false")?;
                self.builder.bool(false);
            }
            Some(b'n') => {
                self.word(b"null")?;
                self.builder.null();
            }
            Some(_) => return self.fail("Unexpected character, expecting a JSON value"),
            None => return self.fail("Unexpected end of input, expecting a JSON value"),
        }
        Ok(true)
    }

    fn enter(&mut self, is_object: bool) -> Parsed<bool> {
        if self.open.len() >= crate::NESTING_MAX {
            return self.fail("Too deep nesting in array/object");
        }
        self.at += 1;
        if is_object {
            self.builder.open_object()
        } else {
            self.builder.open_array()
        };
        self.skip_space();
        if self.peek() == Some(if is_object { b'}' } else { b']' }) {
            self.at += 1;
            self.builder.close();
            return Ok(true);
        }
        self.open.push(is_object);
        if is_object {
            self.name()?;
        }
        Ok(false)
    }

    /// Reads what follows a value; true if another value follows.
    fn after_value(&mut self) -> Parsed<bool> {
        while let Some(is_object) = self.open.last().copied() {
            self.skip_space();
            match (self.peek(), is_object) {
                (Some(b','), _) => {
                    self.at += 1;
                    if is_object {
                        self.skip_space();
                        self.name()?;
                    }
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.at += 1;
                    self.builder.close();
                    self.open.pop();
                }
                (_, true) => return self.fail("Expecting ',' or '}'"),
                (_, false) => return self.fail("Expecting ',' or ']'"),
            }
        }
        Ok(false)
    }

    fn name(&mut self) -> Parsed<()> {
        if self.peek() != Some(b'"') {
            return self.fail("Expecting '\"' or '}'");
        }
        self.at += 1;
        self.string(true)?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.fail("Expecting ':'");
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a string behind its opening quote.
    fn string(&mut self, is_name: bool) -> Parsed<()> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
        let plain = rest.get(..length).unwrap_or_default();
        if rest.get(length) == Some(&b'"') {
            self.at += length + 1;
            self.emit(plain, is_name);
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let result = self.string_with_escapes(&mut scratch);
        if result.is_ok() {
            self.emit(&scratch, is_name);
        }
        self.scratch = scratch;
        result
    }

    fn emit(&mut self, text: &[u8], is_name: bool) {
        if is_name {
            self.builder.key_bytes(text)
        } else {
            self.builder.string_bytes(text)
        };
    }

    fn string_with_escapes(&mut self, out: &mut Vec<u8>) -> Parsed<()> {
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(out)?;
                }
                Some(0..=0x1f) => return self.fail("Unexpected control character"),
                Some(byte) => {
                    out.push(byte);
                    self.at += 1;
                }
                None => return self.fail("Unfinished string"),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Parsed<()> {
        let Some(byte) = self.peek() else { return self.fail("Unfinished string") };
        self.at += 1;
        out.push(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut character = [0; 4];
                out.extend_from_slice(self.unicode_escape()?.encode_utf8(&mut character).as_bytes());
                return Ok(());
            }
            _ => return self.fail("Invalid escape sequence"),
        });
        Ok(())
    }

    fn unicode_escape(&mut self) -> Parsed<char> {
        let mut point = self.hex4()?;
        if (0xd800..0xdc00).contains(&point) && self.text.get(self.at..self.at + 2) == Some(b"\\u") {
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        match char::from_u32(point) {
            Some(character) => Ok(character),
            None => self.fail("Unexpected unicode surrogate"),
        }
    }

    fn hex4(&mut self) -> Parsed<u32> {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
        let number = digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?));
        match number {
            Some(number) if digits.len() == 4 => {
                self.at += 4;
                Ok(number)
            }
            _ => self.fail("Illegal \\uXXXX escape sequence"),
        }
    }

    fn number(&mut self) -> Parsed<()> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let digits_from = self.at;
        let mut integer = Some(0_u64);
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            integer = integer.and_then(|number| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
            self.at += 1;
        }
        match self.at - digits_from {
            0 => return self.fail("Expecting digit"),
            1 => {}
            _ if self.text.get(digits_from) == Some(&b'0') => return self.fail("Unexpected leading zero"),
            _ => {}
        }
        let is_integer = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        if is_integer {
            match integer {
                Some(number) if !negative => {
                    self.builder.uint(number);
                    return Ok(());
                }
                Some(number) if number <= i64::MIN.unsigned_abs() => {
                    self.builder.int(0_i64.wrapping_sub_unsigned(number));
                    return Ok(());
                }
                _ => {}
            }
        }
        self.double(start)
    }

    fn double(&mut self, start: usize) -> Parsed<()> {
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).and_then(|text| std::str::from_utf8(text).ok());
        match text.and_then(|text| text.parse::<f64>().ok()) {
            Some(number) if number.is_finite() => {
                self.builder.double(number);
                Ok(())
            }
            _ => self.fail("Number out of range"),
        }
    }

    fn digits(&mut self) -> Parsed<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { self.fail("Expecting digit") } else { Ok(()) }
    }

    fn word(&mut self, word: &[u8]) -> Parsed<()> {
        if self.text.get(self.at..self.at + word.len()) != Some(word) {
            return self.fail("Unexpected character, expecting true, false or null");
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn fail<T>(&self, message: &'static str) -> Parsed<T> {
        Err(JsonError { position: self.at, message })
    }
}

/// Appends compact JSON.
pub(crate) fn write(slice: Slice<'_>, out: &mut Vec<u8>) {
    write_value(slice, out, crate::WALK_MAX);
}

fn write_value(slice: Slice<'_>, out: &mut Vec<u8>, nesting_left: usize) {
    match slice.kind() {
        Kind::Bool => out.extend_from_slice(if slice.as_bool() == Some(true) { b"true" } else { b"false" }),
        Kind::String => write_text(slice.as_str_bytes().unwrap_or_default(), out),
        Kind::Int | Kind::UtcDate => {
            let mut digits = itoa::Buffer::new();
            let number = slice.as_integer().unwrap_or_default();
            out.extend_from_slice(match i64::try_from(number) {
                Ok(number) => digits.format(number).as_bytes(),
                Err(_) => digits.format(number).as_bytes(),
            });
        }
        Kind::Double => write_double(slice.as_double().unwrap_or_default(), out),
        Kind::Array if nesting_left > 0 => {
            out.push(b'[');
            for (position, member) in slice.elements().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_value(member, out, nesting_left - 1);
            }
            out.push(b']');
        }
        Kind::Object if nesting_left > 0 => {
            out.push(b'{');
            for (position, (name, value)) in slice.entries_raw().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                write_value(value, out, nesting_left - 1);
            }
            out.push(b'}');
        }
        Kind::Binary => {
            out.push(b'"');
            for byte in slice.as_binary().unwrap_or_default() {
                push_hex(*byte, out);
            }
            out.push(b'"');
        }
        _ => out.extend_from_slice(b"null"),
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(plain) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let (head, tail) = rest.split_at(plain);
        out.extend_from_slice(head);
        if let Some((byte, after)) = tail.split_first() {
            write_escape(*byte, out);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        8 => b'b',
        12 => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            push_hex(byte, out);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

fn push_hex(byte: u8, out: &mut Vec<u8>) {
    for digit in [byte >> 4, byte & 0xf] {
        out.push(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 });
    }
}
