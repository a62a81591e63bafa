//! Checksums, digests and encodings of text.

use super::arguments::{mismatch, number, slice, text};
use super::{Function, FunctionContext, pure};
use base::Result;
use base64::Engine;
use md5::Digest;
use std::fmt::Write;
use velocypack::Value;

pub(super) static FUNCTIONS: &[Function] = &[
    pure("MD5", 1, 1, |args, _| hex(&md5::Md5::digest(text(args, 0).as_bytes()))),
    pure("SHA1", 1, 1, |args, _| hex(&sha1::Sha1::digest(text(args, 0).as_bytes()))),
    pure("SHA256", 1, 1, |args, _| hex(&sha2::Sha256::digest(text(args, 0).as_bytes()))),
    pure("SHA512", 1, 1, |args, _| hex(&sha2::Sha512::digest(text(args, 0).as_bytes()))),
    pure("CRC32", 1, 1, |args, _| Ok(Value::string(&format!("{:X}", crc32c(text(args, 0).as_bytes()))))),
    pure("FNV64", 1, 1, |args, _| Ok(Value::string(&format!("{:X}", fnv64(text(args, 0).as_bytes()))))),
    pure("HASH", 1, 1, |args, _| Ok(Value::uint(velocypack::hash(slice(args, 0), 0) & HASH_MASK))),
    pure("TO_HEX", 1, 1, |args, _| hex(text(args, 0).as_bytes())),
    pure("TO_BASE64", 1, 1, |args, _| Ok(Value::string(&base64::engine::general_purpose::STANDARD.encode(text(args, 0).as_bytes())))),
    pure("MINHASH", 2, 2, minhash),
    pure("MINHASH_COUNT", 1, 1, |args, cx| match number(args, 0) {
        error if slice(args, 0).is_number() && error > 0.0 => Ok(crate::convert::number((1.0 / (error * error)).ceil())),
        _ => mismatch(cx, "MINHASH_COUNT"),
    }),
    pure("MINHASH_ERROR", 1, 1, |args, cx| match number(args, 0) {
        count if slice(args, 0).is_number() && count > 0.0 => Ok(crate::convert::number(1.0 / count.sqrt())),
        _ => mismatch(cx, "MINHASH_ERROR"),
    }),
];

/// Hashes stay below 2^51, so that every JSON reader keeps them exactly.
const HASH_MASK: u64 = 0x0007_ffff_ffff_ffff;

fn hex(bytes: &[u8]) -> Result<Value> {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}");
    }
    Ok(Value::string(&digits))
}

/// CRC-32C (Castagnoli), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// FNV-1a with 64 bits.
fn fnv64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The smallest hashes of the members, as signature for comparing sets.
fn minhash(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (array, count) = (slice(args, 0), number(args, 1));
    if !array.is_array() || count < 1.0 {
        return mismatch(cx, "MINHASH");
    }
    let mut hashes: Vec<u64> = array.elements().map(|member| velocypack::hash(member, 0)).collect();
    hashes.sort_unstable();
    hashes.dedup();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1; saturation is wanted")]
    hashes.truncate(count as usize);
    let encode = |hash: u64| Value::string(&base64::engine::general_purpose::STANDARD_NO_PAD.encode(hash.to_le_bytes()));
    Ok(Value::array(hashes.into_iter().map(encode)))
}
