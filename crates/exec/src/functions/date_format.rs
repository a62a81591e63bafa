//! `DATE_FORMAT`: placeholders begin with `%`, in any case; the longest one counts, and a lone `%`
//! disappears.

use super::arguments::{mismatch, null, slice};
use super::calendar::{Civil, iso8601};
use super::dates::{self, local, zone};
use super::{Function, FunctionContext, pure};
use base::{Result, code};
use velocypack::Value;

pub(super) static FUNCTIONS: &[Function] = &[pure("DATE_FORMAT", 2, 3, format)];

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Longer ones before shorter ones with the same beginning.
const PLACEHOLDERS: [&str; 32] = [
    "yyyyyy", "yyyy", "yy", "y", "mmmm", "mmm", "mm", "m", "wwww", "www", "w", "dd", "d", "hh", "h", "ii", "i", "ss", "s", "fff", "f",
    "xxx", "x", "kk", "k", "l", "t", "z", "q", "a", "&", "%",
];

fn format(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let Some(time) = dates::date(args, 0, cx, "DATE_FORMAT") else { return null() };
    let Some(pattern) = slice(args, 1).as_str() else {
        cx.warn_code(code::QUERY_INVALID_DATE_VALUE);
        return null();
    };
    if args.len() > 2 && !slice(args, 2).is_string() {
        return mismatch(cx, "DATE_FORMAT");
    }
    Ok(Value::string(&fill(pattern, local(time, zone(args, 2)?))))
}

fn fill(pattern: &str, time: i64) -> String {
    let civil = Civil::of(time);
    let mut result = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        result.push_str(before);
        rest = after;
        let begins = |placeholder: &&&str| after.get(..placeholder.len()).is_some_and(|head| head.eq_ignore_ascii_case(placeholder));
        if let Some(placeholder) = PLACEHOLDERS.iter().find(begins) {
            result.push_str(&replacement(placeholder, time, &civil));
            rest = after.get(placeholder.len()..).unwrap_or("");
        }
    }
    result.push_str(rest);
    result
}

fn replacement(placeholder: &str, time: i64, civil: &Civil) -> String {
    let name =
        |names: &[&str], place: i64| usize::try_from(place).ok().and_then(|place| names.get(place).copied()).unwrap_or("").to_owned();
    let short = |mut name: String| {
        name.truncate(3);
        name
    };
    match placeholder {
        "yyyyyy" => format!("{:+07}", civil.year),
        "yyyy" => format!("{:04}", civil.year),
        "yy" => format!("{:02}", civil.year % 100),
        "y" => civil.year.to_string(),
        "mmmm" => name(&MONTHS, civil.month - 1),
        "mmm" => short(name(&MONTHS, civil.month - 1)),
        "mm" => format!("{:02}", civil.month),
        "m" => civil.month.to_string(),
        "wwww" => name(&DAYS, civil.weekday()),
        "www" => short(name(&DAYS, civil.weekday())),
        "w" => civil.weekday().to_string(),
        "dd" => format!("{:02}", civil.day),
        "d" => civil.day.to_string(),
        "hh" => format!("{:02}", civil.hour),
        "h" => civil.hour.to_string(),
        "ii" => format!("{:02}", civil.minute),
        "i" => civil.minute.to_string(),
        "ss" => format!("{:02}", civil.second),
        "s" => civil.second.to_string(),
        "fff" => format!("{:03}", civil.millisecond),
        "f" => civil.millisecond.to_string(),
        "xxx" => format!("{:03}", civil.day_of_year()),
        "x" => civil.day_of_year().to_string(),
        "kk" => format!("{:02}", civil.iso_week().0),
        "k" => civil.iso_week().0.to_string(),
        "l" => u8::from(civil.is_leap_year()).to_string(),
        "t" => time.to_string(),
        "z" => iso8601(time),
        "q" => ((civil.month + 2) / 3).to_string(),
        "a" => civil.days_in_month().to_string(),
        "%" => "%".to_owned(),
        _ => String::new(),
    }
}
