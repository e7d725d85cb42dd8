//! Arithmetic on local times, in microseconds since 1970-01-01T00:00:00 of the clocks that show them: of the years 1 to 9999.

use crate::record::format::civil_from_days;
use crate::record::parse::{days_from_civil, days_in_month};
use crate::record::pattern::weekday;
use crate::spec::{TimePart, TimeUnit};

pub(super) const DAY: i64 = 86_400_000_000;

/// The length of a unit that always has the same.
pub(super) fn micros(unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Hour => Some(DAY / 24),
        TimeUnit::Minute => Some(60_000_000),
        TimeUnit::Second => Some(1_000_000),
        _ => None,
    }
}

/// How many months or days a unit of a calendar has.
enum Length {
    Months(i64),
    Days(i64),
}

fn length(unit: TimeUnit) -> Length {
    match unit {
        TimeUnit::Year => Length::Months(12),
        TimeUnit::Quarter => Length::Months(3),
        TimeUnit::Month => Length::Months(1),
        TimeUnit::Week => Length::Days(7),
        _ => Length::Days(1),
    }
}

/// Day since 1970-01-01 and time of day.
fn split(local: i64) -> (i32, i64) {
    // 64 bits of microseconds are fewer than 32 bits of days.
    (local.div_euclid(DAY) as i32, local.rem_euclid(DAY))
}

/// The day of a month, or the month's last one if it has fewer; `None` outside of the years 1 to 9999.
fn day_of(year: i64, month: u32, day: u32) -> Option<i32> {
    let year = u32::try_from(year)
        .ok()
        .filter(|year| (1..=9999).contains(year))?;
    Some(days_from_civil(
        year,
        month,
        day.min(days_in_month(year, month)),
    ))
}

/// So many units of a calendar later, at the same time of day; months and longer end on the month's last day at most.
pub(super) fn add(local: i64, count: i64, unit: TimeUnit) -> Option<i64> {
    match length(unit) {
        Length::Days(days) => local.checked_add(count.checked_mul(days)?.checked_mul(DAY)?),
        Length::Months(months) => add_months(local, count.checked_mul(months)?),
    }
}

fn add_months(local: i64, months: i64) -> Option<i64> {
    let (days, time) = split(local);
    let (year, month, day) = civil_from_days(days);
    let months = (year * 12 + i64::from(month) - 1).checked_add(months)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
    Some(i64::from(day_of(year, month, day)?) * DAY + time)
}

/// The most units that [`add`] can add to `from` without passing `to`; negative, if `to` is earlier.
pub(super) fn difference(from: i64, to: i64, unit: TimeUnit) -> i64 {
    match length(unit) {
        Length::Days(days) => (to - from) / (days * DAY),
        Length::Months(length) => {
            let months = |local: i64| {
                let (year, month, _) = civil_from_days(split(local).0);
                year * 12 + i64::from(month)
            };
            let months = months(to) - months(from);
            let reached = add_months(from, months);
            let passed = match reached {
                Some(reached) if months > 0 => i64::from(reached > to),
                Some(reached) if months < 0 => -i64::from(reached < to),
                _ => 0,
            };
            (months - passed) / length
        }
    }
}

/// When the unit of a calendar that a time is in began; years begin in the month `fiscal`.
pub(super) fn begin(local: i64, unit: TimeUnit, fiscal: u32) -> Option<i64> {
    let (days, _) = split(local);
    let (year, month, _) = civil_from_days(days);
    let since_fiscal = (month + 12 - fiscal) % 12;
    let back = |months: u32| {
        let begin = year * 12 + i64::from(month) - 1 - i64::from(months);
        day_of(begin.div_euclid(12), begin.rem_euclid(12) as u32 + 1, 1)
    };
    let begin = match unit {
        TimeUnit::Year => back(since_fiscal)?,
        TimeUnit::Quarter => back(since_fiscal % 3)?,
        TimeUnit::Month => back(0)?,
        TimeUnit::Week => days - (weekday(days) as i32 - 1),
        _ => days,
    };
    Some(i64::from(begin) * DAY)
}

/// A part of a time; years begin in the month `fiscal` and are called by the calendar year in which they end.
pub(super) fn part(local: i64, part: TimePart, fiscal: u32) -> i64 {
    let (days, time) = split(local);
    let (year, month, day) = civil_from_days(days);
    let day_of_year = |days: i32| {
        let (year, ..) = civil_from_days(days);
        let first = u32::try_from(year).map_or(days, |year| days_from_civil(year, 1, 1));
        i64::from(days - first) + 1
    };
    // A week belongs to the year of its Thursday.
    let thursday = days + 4 - weekday(days) as i32;
    let seconds = time / 1_000_000;
    match part {
        TimePart::Year => year + i64::from(fiscal > 1 && month >= fiscal),
        TimePart::Quarter => i64::from((month + 12 - fiscal) % 12 / 3 + 1),
        TimePart::Month => month.into(),
        TimePart::Week => (day_of_year(thursday) - 1) / 7 + 1,
        TimePart::WeekYear => civil_from_days(thursday).0,
        TimePart::Day => day.into(),
        TimePart::Weekday => weekday(days).into(),
        TimePart::DayOfYear => day_of_year(days),
        TimePart::Hour => seconds / 3600,
        TimePart::Minute => seconds / 60 % 60,
        TimePart::Second => seconds % 60,
        TimePart::Microsecond => time % 1_000_000,
    }
}
