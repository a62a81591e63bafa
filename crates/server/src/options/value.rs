//! One value: check and normal form.

use super::table::Kind;

/// The value in normal form (`true`/`false`, plain integers), or what was expected.
pub fn normalise(kind: Kind, text: &str) -> Result<String, String> {
    let text = text.trim();
    match kind {
        Kind::Text | Kind::List => Ok(text.to_owned()),
        Kind::Boolean => boolean(text).map(|flag| flag.to_string()).ok_or_else(|| "true or false".to_owned()),
        Kind::Double => {
            text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number.to_string()).ok_or_else(|| "a number".into())
        }
        Kind::Integer { least, greatest } => integer(text)
            .filter(|number| (least..=greatest).contains(number))
            .map(|number| number.to_string())
            .ok_or_else(|| format!("an integer from {least} to {greatest}")),
    }
}

/// ArangoDB's words for booleans.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "1" => Some(true),
        "false" | "no" | "off" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// An integer, perhaps with a unit of size (`64MiB`, `2gb`) or a share of the machine's memory
/// (`30%`).
#[must_use]
pub fn integer(text: &str) -> Option<i128> {
    if let Some(percent) = text.strip_suffix('%') {
        let percent: u64 = percent.trim().parse().ok().filter(|percent| *percent <= 100)?;
        return Some(i128::from(memory_bytes()? / 100 * percent));
    }
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '+')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: i128 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "t" | "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<i64>().map(i128::from).or_else(|_| number.parse::<u64>().map(i128::from)).ok()?.checked_mul(factor)
}

/// Memory of the machine, or what `ARANGODB_OVERRIDE_DETECTED_TOTAL_MEMORY` says.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    if let Ok(text) = std::env::var("ARANGODB_OVERRIDE_DETECTED_TOTAL_MEMORY")
        && !text.ends_with('%')
        && let Some(bytes) = integer(&text)
    {
        return u64::try_from(bytes).ok();
    }
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}
