//! IPv4 addresses.

use super::arguments::{mismatch, slice};
use super::{Function, pure};
use std::net::Ipv4Addr;
use velocypack::{Slice, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("IS_IPV4", 1, 1, |args, _| Ok(Value::bool(address(slice(args, 0)).is_some()))),
    pure("IPV4_TO_NUMBER", 1, 1, |args, cx| match address(slice(args, 0)) {
        Some(address) => Ok(Value::uint(u64::from(u32::from(address)))),
        None => mismatch(cx, "IPV4_TO_NUMBER"),
    }),
    pure("IPV4_FROM_NUMBER", 1, 1, |args, cx| match super::bits::operand(slice(args, 0)).and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Ok(Value::string(&Ipv4Addr::from(number).to_string())),
        None => mismatch(cx, "IPV4_FROM_NUMBER"),
    }),
];

/// Four numbers from 0 to 255 without leading zeros.
fn address(slice: Slice<'_>) -> Option<Ipv4Addr> {
    slice.as_str()?.parse().ok()
}
