//! Times of TTL indexes: Unix seconds as a number, or a date as ISO 8601 text. Other values never
//! expire.

use velocypack::Slice;

/// The time that a value denotes, in seconds since 1970.
pub(crate) fn time_seconds(value: Slice<'_>) -> Option<f64> {
    if let Some(text) = value.as_str() {
        return parse_date(text);
    }
    value.as_f64().filter(|seconds| seconds.is_finite())
}

/// Eight bytes that sort like the number.
pub(crate) fn sortable(seconds: f64) -> [u8; 8] {
    let bits = (seconds + 0.0).to_bits();
    let flipped = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    flipped.to_be_bytes()
}

/// `YYYY-MM-DD[(T| )hh:mm[:ss[.fraction]][Z|(+|-)hh[:]mm]]`; without a zone it is UTC.
fn parse_date(text: &str) -> Option<f64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    let mut parts = date.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let day = digits(parts.next()?, 2).filter(|day| (1..=31).contains(day))?;
    let midnight = days_from_civil(year, month, day) as f64 * 86_400.0;
    Some(midnight + if time.is_empty() { 0.0 } else { parse_time(time)? })
}

fn parse_time(text: &str) -> Option<f64> {
    let zone_at = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_at);
    let mut parts = clock.splitn(3, ':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour <= 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute <= 59)?;
    let second = match parts.next() {
        None => 0.0,
        Some(second) => second.parse::<f64>().ok().filter(|second| (0.0..61.0).contains(second))?,
    };
    Some((hour * 3600 + minute * 60) as f64 + second - zone_seconds(zone)?)
}

fn zone_seconds(zone: &str) -> Option<f64> {
    let sign = match zone.chars().next() {
        None | Some('Z' | 'z') => return (zone.len() <= 1).then_some(0.0),
        Some('-') => -1.0,
        Some(_) => 1.0,
    };
    let compact = zone.get(1..)?.replace(':', "");
    let hours = digits(compact.get(..2)?, 2)?;
    let minutes = compact.get(2..).filter(|rest| !rest.is_empty()).map_or(Some(0), |rest| digits(rest, 2))?;
    Some(sign * (hours * 3600 + minutes * 60) as f64)
}

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant's algorithm).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_become_seconds() {
        assert_eq!(parse_date("1970-01-01"), Some(0.0));
        assert_eq!(parse_date("2000-03-01T00:00:00Z"), Some(951_868_800.0));
        assert_eq!(parse_date("2026-08-04T15:27:49.048Z"), Some(1_785_857_269.048));
        assert_eq!(parse_date("2000-03-01 01:00+01:00"), Some(951_868_800.0));
        assert_eq!(parse_date("2000-02-29T23:30:00-0030"), Some(951_868_800.0));
        for wrong in ["", "x", "2000-13-01", "2000-01-01Tx", "2000-01-01T10", "2000-1-1", "2000-01-01T10:00Zx"] {
            assert_eq!(parse_date(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn sortable_bytes_sort_like_numbers(a in -1e15..1e15f64, b in -1e15..1e15f64) {
            prop_assert_eq!(sortable(a).cmp(&sortable(b)), a.partial_cmp(&b).unwrap());
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,40}") {
            let _ = parse_date(&text);
        }
    }
}
