//! Keys for documents that come without one: `traditional`, `autoincrement`, `padded`, `uuid`.

use crate::counter::Counter;
use base::{Error, Result, code};
use database::catalog::KeyOptions;
use std::sync::atomic::Ordering;

/// Checks the key options of a new collection.
pub(crate) fn validate(options: &KeyOptions) -> Result<()> {
    match options.generator.as_str() {
        "traditional" | "uuid" | "padded" => Ok(()),
        "autoincrement" if options.increment != Some(0) => Ok(()),
        _ => Err(Error::from(code::ARANGO_INVALID_KEY_GENERATOR)),
    }
}

/// Sources of numbers for new keys.
pub(crate) struct Numbers<'a> {
    /// The server's next number.
    pub(crate) next: &'a dyn Fn() -> Result<u64>,
    /// A stamp of the hybrid clock.
    pub(crate) stamp: &'a dyn Fn() -> u64,
    /// 64 random bits.
    pub(crate) random: &'a dyn Fn() -> u64,
}

/// A new key. It may exist already if clients choose keys too: the caller tries again then.
pub(crate) fn generate(options: &KeyOptions, counter: &Counter, numbers: &Numbers<'_>) -> Result<String> {
    match options.generator.as_str() {
        "autoincrement" => advance(counter, |last| autoincrement(options, last)).map(|key| key.to_string()),
        "padded" => Ok(format!("{:016x}", (numbers.stamp)())),
        "uuid" => Ok(uuid((numbers.random)(), (numbers.random)())),
        _ => {
            let next = (numbers.next)()?;
            advance(counter, |last| Some(next.max(last.checked_add(1)?))).map(|key| key.to_string())
        }
    }
}

/// Notes a key that a client chose or another server generated, so that no smaller one is generated.
pub(crate) fn note(options: &KeyOptions, counter: &Counter, key: &str) {
    let numeric = matches!(options.generator.as_str(), "autoincrement" | "traditional");
    if numeric
        && key.len() < 20
        && key.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(number) = key.parse()
    {
        counter.last_key().fetch_max(number, Ordering::AcqRel);
    }
}

fn advance(counter: &Counter, next: impl Fn(u64) -> Option<u64>) -> Result<u64> {
    let before = counter.last_key().fetch_update(Ordering::AcqRel, Ordering::Acquire, &next);
    before.ok().and_then(next).ok_or_else(|| Error::from(code::ARANGO_OUT_OF_KEYS))
}

fn autoincrement(options: &KeyOptions, last: u64) -> Option<u64> {
    let (increment, offset) = (options.increment.unwrap_or(1).max(1), options.offset.unwrap_or(0));
    if last < offset {
        return Some(offset);
    }
    last.checked_add(increment - (last - offset) % increment)
}

fn uuid(high: u64, low: u64) -> String {
    let high = high & !0xf000 | 0x4000;
    let low = low & !(3 << 62) | 2 << 62;
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(options: &KeyOptions, note_key: &str, count: usize) -> Vec<String> {
        let counter = Counter::new(1);
        note(options, &counter, note_key);
        let numbers = Numbers { next: &|| Ok(100), stamp: &|| 255, random: &|| u64::MAX };
        (0..count).map(|_| generate(options, &counter, &numbers).unwrap()).collect()
    }

    #[test]
    fn each_generator_has_its_form() {
        let options = |generator: &str| KeyOptions { generator: generator.into(), ..KeyOptions::default() };
        assert_eq!(keys(&options("traditional"), "x", 2), ["100", "101"]);
        assert_eq!(keys(&options("traditional"), "200", 2), ["201", "202"]);
        assert_eq!(keys(&options("autoincrement"), "x", 2), ["1", "2"]);
        let stepped = KeyOptions { increment: Some(10), offset: Some(5), ..options("autoincrement") };
        assert_eq!(keys(&stepped, "x", 2), ["5", "15"]);
        assert_eq!(keys(&stepped, "17", 2), ["25", "35"]);
        assert_eq!(keys(&options("padded"), "x", 1), ["00000000000000ff"]);
        assert_eq!(keys(&options("uuid"), "x", 1), ["ffffffff-ffff-4fff-bfff-ffffffffffff"]);
        assert!(validate(&options("best")).is_err());
    }

    #[test]
    fn numbers_run_out() {
        let options = KeyOptions { generator: "autoincrement".into(), ..KeyOptions::default() };
        let counter = Counter::new(1);
        counter.last_key().store(u64::MAX, Ordering::Release);
        let numbers = Numbers { next: &|| Ok(1), stamp: &|| 1, random: &|| 1 };
        assert_eq!(generate(&options, &counter, &numbers).unwrap_err().code(), code::ARANGO_OUT_OF_KEYS);
    }
}
