//! Time zones: from universal to local time and back, and what is known of a zone at a time.

use super::calendar;
use base::{Error, Result};
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{OffsetComponents, OffsetName, Tz};

/// The zone of this name; error 10 if there is none.
pub(super) fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| Error::bad_parameter(format!("{name} not found in timezone database")))
}

fn naive(time: i64) -> NaiveDateTime {
    DateTime::from_timestamp_millis(time).unwrap_or_default().naive_utc()
}

fn offset_ms(zone: Tz, time: i64) -> i64 {
    i64::from(zone.offset_from_utc_datetime(&naive(time)).fix().local_minus_utc()) * 1000
}

/// Local time of a universal time.
pub(super) fn to_local(zone: Tz, time: i64) -> i64 {
    time + offset_ms(zone, time)
}

/// Universal time of a local time. A local time that happens twice means the first time; one that is
/// left out is read with the offset in force before.
pub(super) fn to_universal(zone: Tz, local: i64) -> i64 {
    match zone.offset_from_local_datetime(&naive(local)) {
        LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => local - i64::from(offset.fix().local_minus_utc()) * 1000,
        LocalResult::None => local - offset_ms(zone, local - calendar::DAY),
    }
}

/// What is known of a zone at a time.
pub(super) struct ZoneInfo {
    /// Abbreviation.
    pub name: String,
    /// Time since when this holds, if it ever changed.
    pub begin: Option<i64>,
    /// Time until when this holds, if it is known to change.
    pub end: Option<i64>,
    /// Summer time.
    pub is_summer: bool,
    /// Seconds east of Greenwich.
    pub offset: i64,
}

/// What is known of a zone at a time.
pub(super) fn zone_info(zone: Tz, time: i64) -> ZoneInfo {
    let offset = zone.offset_from_utc_datetime(&naive(time));
    ZoneInfo {
        name: offset.abbreviation().unwrap_or_default().to_owned(),
        begin: change(zone, time, -1).map(|(_, after)| after),
        end: change(zone, time, 1).map(|(_, after)| after),
        is_summer: !offset.dst_offset().is_zero(),
        offset: offset_ms(zone, time) / 1000,
    }
}

/// Looks for the nearest change of the zone's rules in one direction within twenty years: the last second
/// before it and the first after it.
fn change(zone: Tz, time: i64, direction: i64) -> Option<(i64, i64)> {
    let rules = |time: i64| {
        let offset = zone.offset_from_utc_datetime(&naive(time));
        (offset.base_utc_offset(), offset.dst_offset(), offset.abbreviation().unwrap_or_default().to_owned())
    };
    const STEP: i64 = 14 * calendar::DAY;
    let here = rules(time);
    let mut near = time;
    for _ in 0..20 * 26 {
        let far = near + direction * STEP;
        if rules(far) != here {
            let (mut same, mut other) = (near, far);
            while (other - same).abs() > 1000 {
                let middle = i64::midpoint(same, other);
                if rules(middle) == here { same = middle } else { other = middle }
            }
            let whole = |time: i64| time.div_euclid(1000) * 1000;
            let (before, after) = if direction > 0 { (same, other) } else { (other, same) };
            return Some((whole(before), whole(after)));
        }
        near = far;
    }
    None
}
