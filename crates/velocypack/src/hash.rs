//! A hash that agrees with AQL's equality: 1 and 1.0, `[]` and `[null]`, objects in any attribute
//! order. It is the same on every server and in every run.

use crate::slice::{Kind, Slice};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const STEP: u64 = 0xe703_7ed1_a0b4_28db;

/// Hash of a value.
#[must_use]
pub fn hash(slice: Slice<'_>, seed: u64) -> u64 {
    hash_nested(slice, seed, 0)
}

fn hash_nested(slice: Slice<'_>, seed: u64, depth: usize) -> u64 {
    let kind = slice.kind();
    let seed = mix(seed ^ SEED, u64::from(crate::order::rank(kind)) + 1);
    if depth >= crate::WALK_MAX {
        return seed;
    }
    match kind {
        Kind::Bool => mix(seed, u64::from(slice.as_bool() == Some(true))),
        Kind::Double | Kind::Int | Kind::UtcDate => mix(seed, number_bits(slice)),
        Kind::String => hash_bytes(slice.as_str_bytes().unwrap_or_default(), seed),
        Kind::Binary => hash_bytes(slice.as_binary().unwrap_or_default(), seed),
        Kind::Array => {
            let (mut state, mut settled) = (seed, seed);
            for member in slice.elements() {
                state = mix(state, hash_nested(member, 0, depth + 1));
                if !member.is_null() {
                    settled = state;
                }
            }
            settled
        }
        Kind::Object => {
            let attributes = slice.entries_raw().filter(|(_, value)| !value.is_null());
            let sum = attributes.fold(0_u64, |sum, (name, value)| sum.wrapping_add(hash_nested(value, hash_bytes(name, 0), depth + 1)));
            mix(seed, sum)
        }
        Kind::None | Kind::Illegal | Kind::Null | Kind::Custom => seed,
    }
}

/// The same bits for the same number in every representation.
fn number_bits(slice: Slice<'_>) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low 64 bits are the hash")]
    match slice.as_double() {
        None => slice.as_integer().unwrap_or_default() as u64,
        Some(number) if number.fract() == 0.0 && number.abs() < 2e19 => number as i128 as u64,
        Some(number) if number.is_nan() => u64::MAX,
        Some(number) => number.to_bits(),
    }
}

fn hash_bytes(bytes: &[u8], seed: u64) -> u64 {
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(STEP);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state, u64::from_le_bytes(*word));
    }
    let last = tail.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    mix(state, last)
}

/// Folds 64 bits into the state by a wide multiplication.
#[inline]
fn mix(state: u64, bits: u64) -> u64 {
    let product = u128::from(state ^ bits ^ SEED).wrapping_mul(u128::from(STEP ^ bits.rotate_left(32)));
    #[expect(clippy::cast_possible_truncation, reason = "both halves are folded")]
    let folded = (product >> 64) as u64 ^ product as u64;
    folded.wrapping_add(state.rotate_left(23))
}
