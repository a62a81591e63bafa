//! Arithmetic with dates: adding, differences, comparison, truncation.

use super::arguments::{mismatch, null, number, slice};
use super::calendar::{Civil, DAY};
use super::dates::{self, iso8601, local, universal, valid, zone};
use super::{Function, FunctionContext, pure};
use base::{Result, code};
use velocypack::Value;

pub(super) static FUNCTIONS: &[Function] = &[
    pure("DATE_ADD", 2, 4, |args, cx| shift(args, cx, "DATE_ADD", 1.0)),
    pure("DATE_SUBTRACT", 2, 4, |args, cx| shift(args, cx, "DATE_SUBTRACT", -1.0)),
    pure("DATE_DIFF", 3, 6, difference),
    pure("DATE_COMPARE", 3, 6, compare),
    pure("DATE_TRUNC", 2, 3, truncate),
    pure("DATE_ROUND", 3, 4, round),
];

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Unit {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "y" | "year" | "years" => Self::Year,
            "m" | "month" | "months" => Self::Month,
            "w" | "week" | "weeks" => Self::Week,
            "d" | "day" | "days" => Self::Day,
            "h" | "hour" | "hours" => Self::Hour,
            "i" | "minute" | "minutes" => Self::Minute,
            "s" | "second" | "seconds" => Self::Second,
            "f" | "millisecond" | "milliseconds" | "ms" => Self::Millisecond,
            _ => return None,
        })
    }

    /// Milliseconds, of years and months on average.
    fn length(self) -> f64 {
        match self {
            Self::Year => 365.2425 * 86_400_000.0,
            Self::Month => 365.2425 * 86_400_000.0 / 12.0,
            Self::Week => 604_800_000.0,
            Self::Day => 86_400_000.0,
            Self::Hour => 3_600_000.0,
            Self::Minute => 60_000.0,
            Self::Second => 1000.0,
            Self::Millisecond => 1.0,
        }
    }
}

/// The unit at `position`; `None` after the warning.
fn unit(args: &[Value], position: usize, cx: &mut FunctionContext) -> Option<Unit> {
    let unit = slice(args, position).as_str().and_then(Unit::parse);
    if unit.is_none() {
        cx.warn_code(code::QUERY_INVALID_DATE_VALUE);
    }
    unit
}

/// A span of time: whole months, and milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Span {
    months: f64,
    milliseconds: f64,
}

impl Span {
    /// So many units; a fraction of a year becomes months, a fraction of a month days of 1/30.
    fn of(amount: f64, unit: Unit) -> Self {
        match unit {
            Unit::Year | Unit::Month => {
                let months = if unit == Unit::Year { amount * 12.0 } else { amount };
                Self { months: months.trunc(), milliseconds: (months.fract() * 30.0 * Unit::Day.length()).trunc() }
            }
            _ => Self { months: 0.0, milliseconds: (amount * unit.length()).trunc() },
        }
    }

    /// An ISO 8601 duration such as `P1Y2M3W4DT5H6M7.89S`.
    fn parse(text: &str) -> Option<Self> {
        let (date, clock) = match text.strip_prefix('P')?.split_once('T') {
            Some((date, clock)) => (date, Some(clock)),
            None => (text.strip_prefix('P')?, None),
        };
        let mut span = Self::default();
        let parts = Self::add_parts(&mut span, date, &[('Y', Unit::Year), ('M', Unit::Month), ('W', Unit::Week), ('D', Unit::Day)])?;
        let clock_parts = match clock {
            Some(clock) => Self::add_parts(&mut span, clock, &[('H', Unit::Hour), ('M', Unit::Minute), ('S', Unit::Second)])?,
            None => 1,
        };
        (clock_parts > 0 && (parts > 0 || clock.is_some())).then_some(span)
    }

    /// Adds parts such as `1Y2M` in the given order; returns how many there were.
    fn add_parts(span: &mut Self, text: &str, units: &[(char, Unit)]) -> Option<usize> {
        let (mut rest, mut count) = (text, 0);
        for (letter, unit) in units {
            let Some((amount, after)) = rest.split_once(*letter) else { continue };
            let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "0"));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
            let fraction_allowed = !amount.contains('.') || *unit == Unit::Second;
            if !digits(whole) || !digits(fraction) || fraction.len() > 3 || whole.len() > 12 || !fraction_allowed {
                return None;
            }
            let part = Self::of(amount.parse().ok()?, *unit);
            span.months += part.months;
            span.milliseconds += part.milliseconds.round();
            (rest, count) = (after, count + 1);
        }
        rest.is_empty().then_some(count)
    }

    /// The time after the span. Days beyond the end of a month carry over.
    #[expect(clippy::cast_possible_truncation, reason = "saturation is wanted; the result is checked")]
    fn after(self, time: i64, sign: f64) -> i64 {
        let mut civil = Civil::of(time);
        civil.month = civil.month.saturating_add((self.months * sign) as i64);
        civil.time().saturating_add((self.milliseconds * sign) as i64)
    }
}

fn shift(args: &[Value], cx: &mut FunctionContext, function: &str, sign: f64) -> Result<Value> {
    let amount = slice(args, 1);
    let by_units = amount.is_number();
    if (by_units && !slice(args, 2).is_string()) || (!by_units && (!amount.is_string() || args.len() > 3)) {
        return mismatch(cx, function);
    }
    let zone_at = if by_units { 3 } else { 2 };
    let span = match amount.as_str() {
        None => unit(args, 2, cx).map(|unit| Span::of(number(args, 1), unit)),
        Some(text) => {
            let span = Span::parse(text);
            if span.is_none() && args.len() > 2 {
                return mismatch(cx, function);
            }
            if span.is_none() {
                cx.warn_code(code::QUERY_INVALID_DATE_VALUE);
            }
            span
        }
    };
    let Some(time) = dates::date(args, 0, cx, function) else { return null() };
    let Some(span) = span else { return null() };
    let zone = zone(args, zone_at)?;
    let shifted = universal(span.after(local(time, zone), sign), zone);
    Ok(valid(Some(shifted), cx).map_or_else(Value::null, |time| Value::string(&iso8601(time))))
}

fn difference(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(first) = dates::date(args, 0, cx, "DATE_DIFF") else { return null() };
    let Some(second) = dates::date(args, 1, cx, "DATE_DIFF") else { return null() };
    let Some(unit) = unit(args, 2, cx) else { return null() };
    let zone_at = if dates::is_zone(slice(args, 3)) { 3 } else { 4 };
    let as_float = slice(args, 3).as_bool() == Some(true);
    let first_zone = zone(args, zone_at)?;
    let second_zone = zone(args, zone_at + 1)?.or(first_zone);
    #[expect(clippy::cast_precision_loss, reason = "dates lie within 2^53 milliseconds")]
    let distance = (local(second, second_zone) - local(first, first_zone)) as f64 / unit.length();
    Ok(crate::convert::number(if as_float { distance } else { distance.round() }))
}

fn compare(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(first) = dates::date(args, 0, cx, "DATE_COMPARE") else { return null() };
    let Some(second) = dates::date(args, 1, cx, "DATE_COMPARE") else { return null() };
    let Some(from) = unit(args, 2, cx) else { return null() };
    let to = if slice(args, 3).is_null() { Some(from) } else { unit(args, 3, cx) };
    let Some(to) = to else { return null() };
    if to < from || from == Unit::Week || to == Unit::Week {
        cx.warn_code(code::QUERY_INVALID_DATE_VALUE);
        return null();
    }
    let first_zone = zone(args, 4)?;
    let second_zone = zone(args, 5)?.or(first_zone);
    let parts = |time| {
        let civil = Civil::of(time);
        [
            (Unit::Year, civil.year),
            (Unit::Month, civil.month),
            (Unit::Day, civil.day),
            (Unit::Hour, civil.hour),
            (Unit::Minute, civil.minute),
            (Unit::Second, civil.second),
            (Unit::Millisecond, civil.millisecond),
        ]
    };
    let pairs = parts(local(first, first_zone)).into_iter().zip(parts(local(second, second_zone)));
    let equal = pairs.filter(|((unit, _), _)| (from..=to).contains(unit)).all(|(a, b)| a == b);
    Ok(Value::bool(equal))
}

fn truncate(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(time) = dates::date(args, 0, cx, "DATE_TRUNC") else { return null() };
    if !slice(args, 1).is_string() {
        return mismatch(cx, "DATE_TRUNC");
    }
    let Some(unit) = unit(args, 1, cx) else { return null() };
    let zone = zone(args, 2)?;
    let time = local(time, zone);
    let civil = Civil::of(time);
    let truncated = match unit {
        Unit::Year => time.div_euclid(DAY) * DAY - (civil.day_of_year() - 1) * DAY,
        Unit::Month => time.div_euclid(DAY) * DAY - (civil.day - 1) * DAY,
        Unit::Week => {
            cx.warn_code(code::QUERY_INVALID_DATE_VALUE);
            return null();
        }
        #[expect(clippy::cast_possible_truncation, reason = "lengths of fixed units are small integers")]
        unit => time.div_euclid(unit.length() as i64) * unit.length() as i64,
    };
    Ok(Value::string(&iso8601(universal(truncated, zone))))
}

fn round(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(time) = dates::date(args, 0, cx, "DATE_ROUND") else { return null() };
    let amount = number(args, 1).trunc();
    if !slice(args, 1).is_number() || amount <= 0.0 || !slice(args, 2).is_string() {
        return mismatch(cx, "DATE_ROUND");
    }
    let Some(unit) = unit(args, 2, cx) else { return null() };
    if unit < Unit::Week {
        cx.warn_code(code::QUERY_INVALID_DATE_VALUE);
        return null();
    }
    let zone = zone(args, 3)?;
    #[expect(clippy::cast_possible_truncation, reason = "saturation is wanted")]
    let step = ((amount * unit.length()) as i64).max(1);
    let rounded = local(time, zone) / step * step;
    Ok(valid(Some(universal(rounded, zone)), cx).map_or_else(Value::null, |time| Value::string(&iso8601(time))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let day = 86_400_000.0;
        for (text, wanted) in [
            ("P1Y", Some((12.0, 0.0))),
            ("P1Y2M3W4DT5H6M7.5S", Some((14.0, 25.0 * day + 18_367_500.0))),
            ("PT44.4S", Some((0.0, 44_400.0))),
            ("P2W", Some((0.0, 14.0 * day))),
            ("P", None),
            ("PT", None),
            ("P1DT", None),
            ("P1.5D", None),
            ("PT1.2345S", None),
            ("P-1D", None),
            ("P1D2Y", None),
            ("1D", None),
            ("foo", None),
        ] {
            assert_eq!(Span::parse(text).map(|span| (span.months, span.milliseconds)), wanted, "{text}");
        }
    }

    #[test]
    fn fractions_cascade() {
        assert_eq!(Span::of(1.5, Unit::Year), Span { months: 18.0, milliseconds: 0.0 });
        assert_eq!(Span::of(0.5, Unit::Month), Span { months: 0.0, milliseconds: 15.0 * 86_400_000.0 });
        assert_eq!(Span::of(0.5, Unit::Day), Span { months: 0.0, milliseconds: 43_200_000.0 });
    }
}
