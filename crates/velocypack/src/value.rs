//! One owned value. Small values lie inside the handle, large ones behind a shared pointer, so
//! that a clone never copies a document.

use crate::builder::{self, Builder};
use crate::json::{self, JsonError};
use crate::order;
use crate::slice::{Kind, Slice};
use crate::validate::{self, FormatError};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Bytes that fit into the handle.
const INLINE_MAX: usize = 22;

/// An owned value, cheap to clone.
#[derive(Clone)]
pub struct Value(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE_MAX]),
    Shared(Arc<[u8]>),
}

impl Value {
    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::from_trusted_bytes(&[0x18])
    }

    /// `false` or `true`.
    #[must_use]
    pub fn bool(flag: bool) -> Self {
        Self::from_trusted_bytes(&[0x19 + u8::from(flag)])
    }

    /// An integer.
    #[must_use]
    pub fn int(number: i64) -> Self {
        let mut bytes = Scalar::default();
        builder::write_int(&mut bytes, number);
        bytes.into()
    }

    /// A non-negative integer.
    #[must_use]
    pub fn uint(number: u64) -> Self {
        let mut bytes = Scalar::default();
        builder::write_uint(&mut bytes, number);
        bytes.into()
    }

    /// A double.
    #[must_use]
    pub fn double(number: f64) -> Self {
        let mut bytes = Scalar::default();
        builder::write_double(&mut bytes, number);
        bytes.into()
    }

    /// Text.
    #[must_use]
    pub fn string(text: &str) -> Self {
        if text.len() < INLINE_MAX {
            let mut bytes = Scalar::default();
            builder::write_string(&mut bytes, text.as_bytes());
            return bytes.into();
        }
        let mut bytes = Vec::with_capacity(text.len() + 9);
        builder::write_string(&mut bytes, text.as_bytes());
        Self::from_trusted_bytes(&bytes)
    }

    /// An array of these members.
    pub fn array(members: impl IntoIterator<Item = Value>) -> Self {
        let mut builder = Builder::new();
        builder.open_array();
        for member in members {
            builder.add(member.as_slice());
        }
        builder.close();
        builder.finish().unwrap_or_else(|_| Self::null())
    }

    /// An object of these attributes; of equal names the last counts.
    pub fn object(attributes: impl IntoIterator<Item = (impl AsRef<str>, Value)>) -> Self {
        let mut builder = Builder::new();
        builder.open_object();
        for (name, value) in attributes {
            builder.key(name.as_ref());
            builder.add(value.as_slice());
        }
        builder.close();
        builder.finish().unwrap_or_else(|_| Self::null())
    }

    /// `[]`.
    #[must_use]
    pub fn empty_array() -> Self {
        Self::from_trusted_bytes(&[0x01])
    }

    /// `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::from_trusted_bytes(&[0x0a])
    }

    /// Takes bytes from outside after checking all of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        validate::validate(bytes)?;
        Ok(Self::from_trusted_bytes(bytes))
    }

    /// Takes bytes that this server has written itself. Reading bytes that are not well-formed is
    /// safe but yields nothing sensible.
    #[must_use]
    pub fn from_trusted_bytes(bytes: &[u8]) -> Self {
        let mut inline = [0; INLINE_MAX];
        match inline.get_mut(..bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                #[expect(clippy::cast_possible_truncation, reason = "at most INLINE_MAX")]
                Self(Repr::Inline(bytes.len() as u8, inline))
            }
            None => Self(Repr::Shared(Arc::from(bytes))),
        }
    }

    /// Parses JSON text: at most 200 levels deep; of equal attribute names the last counts; integers
    /// beyond 64 bits become doubles.
    pub fn parse_json(text: &[u8]) -> Result<Self, JsonError> {
        json::parse(text)
    }

    /// Compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.as_slice().to_json()
    }

    /// A view of the value.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> Slice<'_> {
        Slice::new(self.as_bytes())
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// Memory that this value occupies outside its handle.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline(..) => 0,
            Repr::Shared(bytes) => bytes.len() + 16,
        }
    }
}

impl Default for Value {
    fn default() -> Self {
        Self::null()
    }
}

/// Room for a scalar without allocation.
#[derive(Default)]
struct Scalar {
    length: usize,
    bytes: [u8; INLINE_MAX],
}

impl builder::Sink for Scalar {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            room.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }
}

impl From<Scalar> for Value {
    #[inline]
    fn from(scalar: Scalar) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most INLINE_MAX")]
        Self(Repr::Inline(scalar.length as u8, scalar.bytes))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

/// Same structure: numbers by value, text byte by byte, arrays member by member, objects with the same
/// names whatever their order. Stricter than [`order::equal`], for which a missing attribute is null.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        same(self.as_slice(), other.as_slice(), 0)
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(crate::hash(self.as_slice(), 0));
    }
}

fn same(a: Slice<'_>, b: Slice<'_>, depth: usize) -> bool {
    if a.bytes() == b.bytes() {
        return true;
    }
    if depth >= crate::WALK_MAX {
        return false;
    }
    match (a.kind(), b.kind()) {
        (Kind::Array, Kind::Array) => a.len() == b.len() && a.elements().zip(b.elements()).all(|(a, b)| same(a, b, depth + 1)),
        (Kind::Object, Kind::Object) => {
            let (a, b) = (a.sorted_entries(), b.sorted_entries());
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && same(a.1, b.1, depth + 1))
        }
        (Kind::Array | Kind::Object, _) | (_, Kind::Array | Kind::Object) => false,
        _ => order::equal(a, b),
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::string(&text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::int(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::int(i64::from(number))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::uint(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::uint(u64::from(number))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::double(number)
    }
}

impl From<Slice<'_>> for Value {
    fn from(slice: Slice<'_>) -> Self {
        slice.to_value()
    }
}
