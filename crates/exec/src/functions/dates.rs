//! Dates: parts of them, conversions, time zones. Arithmetic is in `date_math.rs`, formatting in
//! `date_format.rs`.
//!
//! A date is a number of milliseconds since 1970 or text; see `calendar.rs`.

use super::arguments::{mismatch, null, slice};
use super::calendar::{Civil, RANGE, local_iso8601, parse_date};
use super::time_zones::{self, ZoneInfo};
use super::{Function, FunctionContext, pure, volatile};
use base::{Result, code};
use chrono_tz::Tz;
use velocypack::{Slice, Value};

pub(super) use super::calendar::iso8601;

pub(super) static FUNCTIONS: &[Function] = &[
    volatile("DATE_NOW", 0, 0, |_, cx| Ok(Value::uint(cx.query().now_ms))),
    pure("DATE_TIMESTAMP", 1, 7, |args, cx| Ok(given(args, cx, "DATE_TIMESTAMP").map_or_else(Value::null, Value::int))),
    pure("DATE_ISO8601", 1, 7, |args, cx| {
        Ok(given(args, cx, "DATE_ISO8601").map_or_else(Value::null, |time| Value::string(&iso8601(time))))
    }),
    pure("DATE_DAYOFWEEK", 1, 2, |args, cx| part(args, cx, "DATE_DAYOFWEEK", |civil| Value::int(civil.weekday()))),
    pure("DATE_YEAR", 1, 2, |args, cx| part(args, cx, "DATE_YEAR", |civil| Value::int(civil.year))),
    pure("DATE_MONTH", 1, 2, |args, cx| part(args, cx, "DATE_MONTH", |civil| Value::int(civil.month))),
    pure("DATE_DAY", 1, 2, |args, cx| part(args, cx, "DATE_DAY", |civil| Value::int(civil.day))),
    pure("DATE_HOUR", 1, 2, |args, cx| part(args, cx, "DATE_HOUR", |civil| Value::int(civil.hour))),
    pure("DATE_MINUTE", 1, 2, |args, cx| part(args, cx, "DATE_MINUTE", |civil| Value::int(civil.minute))),
    pure("DATE_SECOND", 1, 1, |args, cx| part(args, cx, "DATE_SECOND", |civil| Value::int(civil.second))),
    pure("DATE_MILLISECOND", 1, 1, |args, cx| part(args, cx, "DATE_MILLISECOND", |civil| Value::int(civil.millisecond))),
    pure("DATE_DAYOFYEAR", 1, 2, |args, cx| part(args, cx, "DATE_DAYOFYEAR", |civil| Value::int(civil.day_of_year()))),
    pure("DATE_ISOWEEK", 1, 2, |args, cx| part(args, cx, "DATE_ISOWEEK", |civil| Value::int(civil.iso_week().0))),
    pure("DATE_ISOWEEKYEAR", 1, 2, |args, cx| {
        part(args, cx, "DATE_ISOWEEKYEAR", |civil| {
            let (week, year) = civil.iso_week();
            Value::object([("week", Value::int(week)), ("year", Value::int(year))])
        })
    }),
    pure("DATE_LEAPYEAR", 1, 2, |args, cx| part(args, cx, "DATE_LEAPYEAR", |civil| Value::bool(civil.is_leap_year()))),
    pure("DATE_QUARTER", 1, 2, |args, cx| part(args, cx, "DATE_QUARTER", |civil| Value::int((civil.month + 2) / 3))),
    pure("DATE_DAYS_IN_MONTH", 1, 2, |args, cx| part(args, cx, "DATE_DAYS_IN_MONTH", |civil| Value::int(civil.days_in_month()))),
    pure("DATE_UTCTOLOCAL", 2, 3, utc_to_local),
    pure("DATE_LOCALTOUTC", 2, 3, local_to_utc),
    pure("DATE_TIMEZONE", 0, 0, |_, _| Ok(Value::string("UTC"))),
    pure("DATE_TIMEZONES", 0, 0, |_, _| Ok(Value::array(chrono_tz::TZ_VARIANTS.iter().map(|zone| Value::string(zone.name()))))),
];

/// Is this text a date?
pub(super) fn is_date_text(text: &str) -> bool {
    parse_date(text).is_some()
}

/// The date at `position`; `None` after the warning.
pub(super) fn date(args: &[Value], position: usize, cx: &mut FunctionContext, function: &str) -> Option<i64> {
    let value = slice(args, position);
    if !value.is_number() && !value.is_string() {
        cx.warn_argument(function);
        return None;
    }
    let time = match value.as_str() {
        Some(text) => parse_date(text),
        None => Some(crate::convert::truncate(value)).filter(|time| RANGE.contains(time)),
    };
    valid(time, cx)
}

/// `None` after warning 1572 for a date that does not exist.
pub(super) fn valid(time: Option<i64>, cx: &mut FunctionContext) -> Option<i64> {
    let time = time.filter(|time| RANGE.contains(time));
    if time.is_none() {
        cx.warn_code(code::QUERY_INVALID_DATE_VALUE);
    }
    time
}

/// The time zone at `position`, if one is given; an error if there is no such zone.
pub(super) fn zone(args: &[Value], position: usize) -> Result<Option<Tz>> {
    slice(args, position).as_str().map(time_zones::zone).transpose()
}

/// Local time in a zone, if one is given.
pub(super) fn local(time: i64, zone: Option<Tz>) -> i64 {
    zone.map_or(time, |zone| time_zones::to_local(zone, time))
}

/// Universal time of local time in a zone, if one is given.
pub(super) fn universal(time: i64, zone: Option<Tz>) -> i64 {
    zone.map_or(time, |zone| time_zones::to_universal(zone, time))
}

/// A date given as such or by its parts.
fn given(args: &[Value], cx: &mut FunctionContext, function: &str) -> Option<i64> {
    if args.len() == 1 {
        return date(args, 0, cx, function);
    }
    let is_part = |arg: &Value| arg.as_slice().is_number() || arg.as_slice().is_string();
    if args.len() < 3 || !args.iter().all(is_part) {
        cx.warn_argument(function);
        return None;
    }
    let part = |position| crate::convert::truncate(slice(args, position));
    let civil = Civil {
        year: part(0),
        month: part(1),
        day: part(2),
        hour: part(3),
        minute: part(4),
        second: part(5),
        millisecond: part(6).min(999),
    };
    let is_negative = (0..args.len()).any(|position| part(position) < 0);
    valid(if is_negative { None } else { Some(civil.time()) }, cx)
}

fn part(args: &[Value], cx: &mut FunctionContext, function: &str, pick: impl Fn(Civil) -> Value) -> Result<Value> {
    let Some(time) = date(args, 0, cx, function) else { return null() };
    Ok(pick(Civil::of(local(time, zone(args, 1)?))))
}

fn utc_to_local(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    convert_zone(args, cx, "DATE_UTCTOLOCAL", |zone, time| {
        let local = time_zones::to_local(zone, time);
        let info = time_zones::zone_info(zone, time);
        let is_universal = info.offset == 0 && !info.is_summer && info.name == "UTC";
        let text = if is_universal { iso8601(local) } else { local_iso8601(local) };
        ("local", text, info)
    })
}

fn local_to_utc(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    convert_zone(args, cx, "DATE_LOCALTOUTC", |zone, local| {
        let time = time_zones::to_universal(zone, local);
        ("utc", iso8601(time), time_zones::zone_info(zone, time))
    })
}

fn convert_zone(
    args: &[Value],
    cx: &mut FunctionContext,
    function: &str,
    convert: impl Fn(Tz, i64) -> (&'static str, String, ZoneInfo),
) -> Result<Value> {
    let wants_info = slice(args, 2);
    if !slice(args, 1).is_string() || (args.len() > 2 && !wants_info.is_bool()) {
        return mismatch(cx, function);
    }
    let Some(time) = date(args, 0, cx, function) else { return null() };
    let Some(zone) = zone(args, 1)? else { return null() };
    let (name, text, info) = convert(zone, time);
    if wants_info.as_bool() != Some(true) {
        return Ok(Value::string(&text));
    }
    let moment = |time: Option<i64>| time.map_or_else(Value::null, |time| Value::string(&iso8601(time)));
    let info = Value::object([
        ("name", Value::string(&info.name)),
        ("begin", moment(info.begin)),
        ("end", moment(info.end)),
        ("dst", Value::bool(info.is_summer)),
        ("offset", Value::int(info.offset)),
    ]);
    let database = Value::string(chrono_tz::IANA_TZDB_VERSION);
    Ok(Value::object([(name, Value::string(&text)), ("tzdb", database), ("zoneInfo", info)]))
}

/// Whether a slice can stand for an optional time zone.
pub(super) fn is_zone(slice: Slice<'_>) -> bool {
    slice.is_string()
}
