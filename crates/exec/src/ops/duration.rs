//! ISO 8601 durations as bounds of `WINDOW`: years and months go by the calendar, everything else
//! has a fixed length.

use chrono::{DateTime, Months};

/// A parsed duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Duration {
    months: u32,
    millis: f64,
}

impl Duration {
    /// Parses `P1Y2M3W4DT5H6M7.008S`; every part may be missing, but not all after `P` or `T`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('P')?;
        let (date, time) = match rest.split_once('T') {
            Some((_, "")) => return None,
            Some((date, time)) => (date, time),
            None if rest.is_empty() => return None,
            None => (rest, ""),
        };
        let mut duration = Self { months: 0, millis: 0.0 };
        let date = parts(date, "YMWD")?;
        let time = parts(time, "HMS")?;
        for (unit, number) in date {
            match unit {
                'Y' => duration.months = duration.months.checked_add(whole(number)?.checked_mul(12)?)?,
                'M' => duration.months = duration.months.checked_add(whole(number)?)?,
                'W' => duration.millis += f64::from(whole(number)?) * 604_800_000.0,
                _ => duration.millis += f64::from(whole(number)?) * 86_400_000.0,
            }
        }
        for (unit, number) in time {
            match unit {
                'H' => duration.millis += f64::from(whole(number)?) * 3_600_000.0,
                'M' => duration.millis += f64::from(whole(number)?) * 60_000.0,
                _ => duration.millis += number.parse::<f64>().ok()? * 1000.0,
            }
        }
        Some(duration)
    }

    /// A time in milliseconds since 1970, moved by the duration forwards (1) or backwards (-1).
    pub(crate) fn shift(self, time: f64, sign: i32) -> f64 {
        #[expect(clippy::cast_possible_truncation, reason = "times are whole milliseconds")]
        let moved = DateTime::from_timestamp_millis(time as i64).and_then(|time| {
            if sign < 0 { time.checked_sub_months(Months::new(self.months)) } else { time.checked_add_months(Months::new(self.months)) }
        });
        #[expect(clippy::cast_precision_loss, reason = "years up to 9999 are exact")]
        let moved = match moved {
            Some(moved) => moved.timestamp_millis() as f64,
            None => f64::INFINITY * f64::from(sign),
        };
        moved + self.millis * f64::from(sign)
    }
}

fn whole(number: &str) -> Option<u32> {
    number.parse().ok()
}

/// Splits `1Y2M` into units and numbers; the units must come in the given order.
fn parts<'a>(text: &'a str, units: &str) -> Option<Vec<(char, &'a str)>> {
    let mut parts = Vec::new();
    let mut units = units.chars();
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(length);
        let unit = tail.chars().next()?;
        if number.is_empty() || !units.any(|known| known == unit) {
            return None;
        }
        parts.push((unit, number));
        rest = tail.get(1..)?;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_and_added_by_the_calendar() {
        assert_eq!(Duration::parse("P1Y2M3W4DT5H6M7.008S"), Some(Duration { months: 14, millis: 25.0 * 86_400_000.0 + 18_367_008.0 }));
        assert_eq!(Duration::parse("PT30M"), Some(Duration { months: 0, millis: 1_800_000.0 }));
        for wrong in ["", "P", "PT", "1D", "P1", "P1.5D", "PD", "P1D2Y"] {
            assert_eq!(Duration::parse(wrong), None, "{wrong}");
        }
        let month = Duration::parse("P1M").unwrap();
        // 2021-03-31 less a month is the last of February.
        assert_eq!(month.shift(1_617_148_800_000.0, -1), 1_614_470_400_000.0);
    }
}
