//! The proleptic Gregorian calendar on milliseconds since 1970, and dates as text.
//!
//! Limit: dates lie in the years 0 to 9999.

/// Milliseconds of a day.
pub(super) const DAY: i64 = 86_400_000;

/// First and last millisecond of the years that are understood.
pub(super) const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// A point in time by the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub millisecond: i64,
}

impl Civil {
    /// The calendar's view of a time.
    pub(super) fn of(time: i64) -> Self {
        let (days, rest) = (time.div_euclid(DAY), time.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        Self { year, month, day, hour: rest / 3_600_000, minute: rest / 60_000 % 60, second: rest / 1000 % 60, millisecond: rest % 1000 }
    }

    /// The time; parts out of their ranges carry over. Saturates far outside the years understood.
    pub(super) fn time(&self) -> i64 {
        let bounded = |part: i64| part.clamp(-1_000_000_000_000, 1_000_000_000_000);
        let months = bounded(self.year).saturating_mul(12).saturating_add(bounded(self.month) - 1);
        let days = days_from_civil(months.div_euclid(12).clamp(-1_000_000, 1_000_000), months.rem_euclid(12) + 1, 1);
        let day_time = [(self.day - 1, DAY), (self.hour, 3_600_000), (self.minute, 60_000), (self.second, 1000), (self.millisecond, 1)];
        day_time.into_iter().fold(days * DAY, |time, (count, unit)| time.saturating_add(bounded(count).saturating_mul(unit)))
    }

    /// Days since 1970.
    pub(super) fn days(&self) -> i64 {
        days_from_civil(self.year, self.month, self.day)
    }

    /// 0 for Sunday.
    pub(super) fn weekday(&self) -> i64 {
        (self.days() + 4).rem_euclid(7)
    }

    /// 1 to 366.
    pub(super) fn day_of_year(&self) -> i64 {
        self.days() - days_from_civil(self.year, 1, 1) + 1
    }

    /// Week and year by ISO 8601.
    pub(super) fn iso_week(&self) -> (i64, i64) {
        // The Thursday of the week decides.
        let thursday = Self::of((self.days() + 3 - (self.weekday() + 6) % 7) * DAY);
        ((thursday.day_of_year() - 1) / 7 + 1, thursday.year)
    }

    pub(super) fn is_leap_year(&self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }

    pub(super) fn days_in_month(&self) -> i64 {
        match self.month {
            2 => 28 + i64::from(self.is_leap_year()),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

/// Days since 1970 of a date; months from 1 to 12, any day.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that leap days come last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A time as `YYYY-MM-DDTHH:MM:SS.mmmZ`.
#[must_use]
pub(super) fn iso8601(time: i64) -> String {
    let mut text = local_iso8601(time);
    text.push('Z');
    text
}

/// As [`iso8601`], without the suffix.
pub(super) fn local_iso8601(time: i64) -> String {
    let civil = Civil::of(time);
    let (date, clock) = ((civil.year, civil.month, civil.day), (civil.hour, civil.minute, civil.second, civil.millisecond));
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}", date.0, date.1, date.2, clock.0, clock.1, clock.2, clock.3)
}

/// Reads a date with optional parts: `2017`, `2017-6-1`, `2017-06-01 12:30`, `2017-06-01T12:30:15.5+02:00`.
///
/// Days up to 31 are accepted in every month and carry over.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let mut scanner = Scanner(text.trim());
    let mut civil = Civil { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, millisecond: 0 };
    scanner.eat("+");
    civil.year = scanner.digits(1, usize::MAX).filter(|year| *year <= 9999)?;
    if scanner.eat("-") {
        civil.month = scanner.digits(1, 2).filter(|month| (1..=12).contains(month))?;
        if scanner.eat("-") {
            civil.day = scanner.digits(1, 2).filter(|day| (1..=31).contains(day))?;
        }
    }
    let mut offset = 0;
    if scanner.eat("T") || scanner.eat(" ") {
        scanner.clock(&mut civil)?;
        offset = scanner.offset()?;
    } else {
        let _ = scanner.eat("Z") || scanner.eat("z");
    }
    if !scanner.0.is_empty() {
        return None;
    }
    Some(civil.time() - offset * 60_000).filter(|time| RANGE.contains(time))
}

/// What is left of a text.
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn eat(&mut self, prefix: &str) -> bool {
        match self.0.strip_prefix(prefix) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        digits.parse().ok()
    }

    fn clock(&mut self, civil: &mut Civil) -> Option<()> {
        civil.hour = self.digits(1, 2).filter(|hour| *hour <= 23)?;
        if !self.eat(":") {
            return None;
        }
        civil.minute = self.digits(1, 2).filter(|minute| *minute <= 59)?;
        if self.eat(":") {
            civil.second = self.digits(1, 2).filter(|second| *second <= 59)?;
            if self.eat(".") {
                let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
                let (digits, rest) = self.0.split_at(count);
                self.0 = rest;
                let three: String = digits.chars().chain("00".chars()).take(3).collect();
                civil.millisecond = three.parse().ok().filter(|_| count > 0)?;
            }
        }
        Some(())
    }

    /// Minutes east of Greenwich.
    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.eat("Z") || self.eat("z") {
            return Some(0);
        }
        let sign = if self.eat("+") {
            1
        } else if self.eat("-") {
            -1
        } else {
            return None;
        };
        let hours = self.digits(1, 2).filter(|hours| *hours <= 23)?;
        if !self.eat(":") {
            return None;
        }
        let minutes = self.digits(2, 2).filter(|minutes| *minutes <= 59)?;
        Some(sign * (hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_range_comes_back() {
        let (mut year, mut month, mut day) = (0, 1, 1);
        let mut time = *RANGE.start();
        while RANGE.contains(&time) {
            let civil = Civil::of(time);
            assert_eq!((civil.year, civil.month, civil.day), (year, month, day));
            assert_eq!(civil.time(), time);
            day += 1;
            if day > civil.days_in_month() {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
            time += DAY;
        }
        assert_eq!(year, 10_000);
    }

    #[test]
    fn texts_of_dates() {
        for (text, wanted) in [
            ("2017", Some("2017-01-01T00:00:00.000Z")),
            ("2017-2-31", Some("2017-03-03T00:00:00.000Z")),
            (" 2017-06-01 12:30 ", Some("2017-06-01T12:30:00.000Z")),
            ("2017-06-01T12:30:15.1234567+02:00", Some("2017-06-01T10:30:15.123Z")),
            ("+2017-06-01T12:30:15.5z", Some("2017-06-01T12:30:15.500Z")),
            ("0000-01-01", Some("0000-01-01T00:00:00.000Z")),
            ("9999-12-31T23:59:59.999Z", Some("9999-12-31T23:59:59.999Z")),
            ("0000-01-01T00:00:00+01:00", None),
            ("-2017-01-01", None),
            ("10000", None),
            ("2017-13-01", None),
            ("2017-01-32", None),
            ("2017-01-01T12", None),
            ("2017-01-01T24:00", None),
            ("2017-01-01x", None),
            ("", None),
        ] {
            assert_eq!(parse_date(text).map(iso8601).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn iso_weeks() {
        for (text, week) in [("2020-12-31", (53, 2020)), ("2021-01-03", (53, 2020)), ("2021-01-04", (1, 2021)), ("2018-12-31", (1, 2019))] {
            assert_eq!(Civil::of(parse_date(text).unwrap()).iso_week(), week);
        }
    }
}
