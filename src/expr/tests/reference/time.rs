//! Days, times and zones, by chrono's own calendar.

use chrono::{
    DateTime, Datelike, Days, MappedLocalTime, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset,
    TimeDelta, TimeZone, Timelike,
};
use chrono_tz::Tz;

use super::value::whole;
use super::{Row, Value, evaluate, integer_of, operands};
use crate::record::Reason;
use crate::spec::{Expr, Repeated, TimePart, TimeUnit};

fn zone(name: &Option<String>) -> Tz {
    name.as_deref().unwrap_or("UTC").parse().unwrap()
}

/// What the clocks of a zone show at an instant.
fn shown(at: NaiveDateTime, zone: Tz) -> NaiveDateTime {
    zone.from_utc_datetime(&at).naive_local()
}

fn within(at: NaiveDateTime) -> Option<NaiveDateTime> {
    (1..=9999).contains(&at.year()).then_some(at)
}

/// The instant at which the clocks show it: of a repeated time the earlier; a time in a gap is read as
/// by the clocks before it, which is later by the gap.
fn settled(local: NaiveDateTime, zone: Tz) -> NaiveDateTime {
    if let Some(at) = zone.from_local_datetime(&local).earliest() {
        return at.naive_utc();
    }
    let before = (1..=2000)
        .filter_map(|minutes| {
            let earlier = local - TimeDelta::minutes(minutes);
            zone.from_local_datetime(&earlier).latest()
        })
        .next()
        .unwrap();
    local - TimeDelta::seconds(before.offset().fix().local_minus_utc().into())
}

/// The first instant at which the clocks show it or a later time.
fn first_shown(local: NaiveDateTime, zone: Tz) -> NaiveDateTime {
    let (mut before, mut shows) = (local - TimeDelta::hours(50), settled(local, zone));
    while shows - before > TimeDelta::microseconds(1) {
        let middle = before + (shows - before) / 2;
        let middle = middle
            .with_nanosecond(middle.nanosecond() / 1000 * 1000)
            .unwrap();
        if shown(middle, zone) >= local {
            shows = middle;
        } else {
            before = middle;
        }
    }
    shows
}

pub(super) fn to_instant(
    local: NaiveDateTime,
    zone: Tz,
    repeated: Repeated,
) -> Result<NaiveDateTime, Reason> {
    let at: DateTime<Tz> = match (zone.from_local_datetime(&local), repeated) {
        (MappedLocalTime::Single(at), _) => at,
        (MappedLocalTime::Ambiguous(earlier, _), Repeated::Earlier) => earlier,
        (MappedLocalTime::Ambiguous(_, later), Repeated::Later) => later,
        _ => return Err(Reason::BadValue),
    };
    within(at.naive_utc()).ok_or(Reason::Overflow)
}

/// What a unit counts.
enum Step {
    Months(i64),
    Days(i64),
    Seconds(i64),
}

fn counted(unit: TimeUnit) -> Step {
    match unit {
        TimeUnit::Year => Step::Months(12),
        TimeUnit::Quarter => Step::Months(3),
        TimeUnit::Month => Step::Months(1),
        TimeUnit::Week => Step::Days(7),
        TimeUnit::Day => Step::Days(1),
        TimeUnit::Hour => Step::Seconds(3600),
        TimeUnit::Minute => Step::Seconds(60),
        TimeUnit::Second => Step::Seconds(1),
    }
}

/// A wall clock moved; `None` outside of the years.
fn moved(local: NaiveDateTime, count: i64, unit: TimeUnit) -> Option<NaiveDateTime> {
    let moved = match counted(unit) {
        Step::Months(months) => {
            let months = count.checked_mul(months)?;
            let size = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
            if months < 0 {
                local.checked_sub_months(size)?
            } else {
                local.checked_add_months(size)?
            }
        }
        Step::Days(days) => {
            let days = count.checked_mul(days)?;
            let size = Days::new(days.unsigned_abs());
            if days < 0 {
                local.checked_sub_days(size)?
            } else {
                local.checked_add_days(size)?
            }
        }
        Step::Seconds(seconds) => {
            local.checked_add_signed(TimeDelta::try_seconds(count.checked_mul(seconds)?)?)?
        }
    };
    within(moved)
}

/// An instant moved on the calendar of a zone.
fn moved_in(at: NaiveDateTime, count: i64, unit: TimeUnit, zone: Tz) -> Option<NaiveDateTime> {
    if count == 0 {
        return Some(at);
    }
    if let Step::Seconds(_) = counted(unit) {
        return moved(at, count, unit);
    }
    let local = within(shown(at, zone))?;
    within(settled(moved(local, count, unit)?, zone))
}

/// The most units towards `to` that do not pass it.
fn between(from: NaiveDateTime, to: NaiveDateTime, unit: TimeUnit) -> i64 {
    let apart = to - from;
    let guess = match counted(unit) {
        Step::Seconds(seconds) => {
            let micros = i128::from(apart.num_seconds()) * 1_000_000
                + i128::from(apart.subsec_nanos() / 1000);
            return i64::try_from(micros / (i128::from(seconds) * 1_000_000)).unwrap();
        }
        Step::Days(days) => apart.num_days() / days,
        Step::Months(months) => {
            let months_apart = i64::from(to.year() - from.year()) * 12 + i64::from(to.month())
                - i64::from(from.month());
            months_apart / months
        }
    };
    let forward = to >= from;
    let fits = |count: i64| {
        moved(from, count, unit)
            .is_some_and(|moved| if forward { moved <= to } else { moved >= to })
    };
    // From past the target back to it.
    let towards = if forward { -1 } else { 1 };
    let mut count = guess - 4 * towards;
    while count != 0 && !fits(count) {
        count += towards;
    }
    count
}

/// The begin of the unit that a wall clock is in.
fn truncated(local: NaiveDateTime, unit: TimeUnit, fiscal_start: u8) -> Option<NaiveDateTime> {
    let (day, time) = (local.date(), local.time());
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN);
    let first = |months_back: u32| {
        let month = day
            .with_day(1)?
            .checked_sub_months(Months::new(months_back))?;
        Some(midnight(month))
    };
    let into_year = (day.month() + 12 - u32::from(fiscal_start)) % 12;
    let begin = match unit {
        TimeUnit::Year => first(into_year)?,
        TimeUnit::Quarter => first(into_year % 3)?,
        TimeUnit::Month => first(0)?,
        TimeUnit::Week => midnight(day.week(chrono::Weekday::Mon).checked_first_day()?),
        TimeUnit::Day => midnight(day),
        TimeUnit::Hour => day.and_hms_opt(time.hour(), 0, 0)?,
        TimeUnit::Minute => day.and_hms_opt(time.hour(), time.minute(), 0)?,
        TimeUnit::Second => day.and_hms_opt(time.hour(), time.minute(), time.second())?,
    };
    within(begin)
}

fn truncated_in(
    at: NaiveDateTime,
    unit: TimeUnit,
    zone: Tz,
    fiscal_start: u8,
) -> Option<NaiveDateTime> {
    let local = within(shown(at, zone))?;
    let begin = truncated(local, unit, fiscal_start)?;
    match counted(unit) {
        // Within one hour of the clock: as far back as the clock shows.
        Step::Seconds(_) => within(at - (local - begin)),
        _ => within(first_shown(begin, zone)),
    }
}

fn part(local: NaiveDateTime, part: TimePart, fiscal_start: u8) -> i64 {
    let into_year = (local.month() + 12 - u32::from(fiscal_start)) % 12;
    match part {
        TimePart::Year => {
            // The year of its last month.
            let last = local.date().with_day(1).unwrap() + Months::new(11 - into_year);
            last.year().into()
        }
        TimePart::Quarter => (into_year / 3 + 1).into(),
        TimePart::Month => local.month().into(),
        TimePart::Week => local.iso_week().week().into(),
        TimePart::WeekYear => local.iso_week().year().into(),
        TimePart::Day => local.day().into(),
        TimePart::Weekday => local.weekday().number_from_monday().into(),
        TimePart::DayOfYear => local.ordinal().into(),
        TimePart::Hour => local.hour().into(),
        TimePart::Minute => local.minute().into(),
        TimePart::Second => local.second().into(),
        TimePart::Microsecond => local.and_utc().timestamp_subsec_micros().into(),
    }
}

/// A time as text.
fn format(value: &Value, zone: Tz, pattern: &str) -> Result<Value, Reason> {
    let at = clocks(value, zone)?.unwrap();
    let chronos = pattern.replace("%f", "%6f").replace("%z", "%:z");
    let seconds = match value {
        Value::Instant(at) => zone.offset_from_utc_datetime(at).fix().local_minus_utc(),
        _ => 0,
    };
    if pattern.contains("%y") && !(1969..=2068).contains(&at.year())
        || pattern.contains("%z") && seconds % 60 != 0
    {
        return Err(Reason::OutOfRange);
    }
    Ok(Value::Text(match value {
        Value::Instant(at) => zone.from_utc_datetime(at).format(&chronos).to_string(),
        _ => at.format(&chronos).to_string(),
    }))
}

/// A day or a time, as the clocks of a zone show it.
fn clocks(value: &Value, zone: Tz) -> Result<Option<NaiveDateTime>, Reason> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Date(day) => day.and_time(NaiveTime::MIN),
        Value::Local(local) => *local,
        Value::Instant(at) => within(shown(*at, zone)).ok_or(Reason::Overflow)?,
        other => panic!("{other:?} is no time"),
    }))
}

/// A moved or truncated time, of the type that it had.
fn like(value: &Value, moved: Option<NaiveDateTime>) -> Result<Value, Reason> {
    let moved = moved.ok_or(Reason::Overflow)?;
    Ok(match value {
        Value::Date(_) => Value::Date(moved.date()),
        Value::Local(_) => Value::Local(moved),
        _ => Value::Instant(moved),
    })
}

pub(super) fn step(expr: &Expr, row: &Row<'_>) -> Result<Value, Reason> {
    Ok(match expr {
        Expr::UtcDay(of) => match evaluate(of, row) {
            Value::Instant(at) => Value::Date(at.date()),
            _ => Value::Null,
        },
        Expr::Day { of, zone: name } => match clocks(&evaluate(of, row), zone(name))? {
            Some(local) => Value::Date(local.date()),
            None => Value::Null,
        },
        Expr::ToLocal { of, zone: name } => match evaluate(of, row) {
            Value::Instant(at) => {
                let local = shown(at, name.parse().unwrap());
                Value::Local(within(local).ok_or(Reason::Overflow)?)
            }
            _ => Value::Null,
        },
        Expr::ToInstant { of, zone, repeated } => match evaluate(of, row) {
            Value::Local(local) => {
                Value::Instant(to_instant(local, zone.parse().unwrap(), *repeated)?)
            }
            _ => Value::Null,
        },
        Expr::DateAdd {
            of,
            count,
            unit,
            zone: name,
        } => {
            let (of, count) = (evaluate(of, row), integer_of(count, row));
            match (&of, count) {
                (Value::Null, _) | (_, None) => Value::Null,
                (_, Some(count)) => like(&of, add(&of, count, *unit, zone(name)))?,
            }
        }
        Expr::DateDiff {
            from,
            to,
            unit,
            zone: name,
        } => {
            let [from, to] = operands([&**from, &**to], row);
            if from == Value::Null || to == Value::Null {
                return Ok(Value::Null);
            }
            // Elapsed time, or what the clocks show at both.
            let zone = match counted(*unit) {
                Step::Seconds(_) => Tz::UTC,
                _ => zone(name),
            };
            match (clocks(&from, zone)?, clocks(&to, zone)?) {
                (Some(from), Some(to)) => whole(between(from, to, *unit)),
                _ => Value::Null,
            }
        }
        Expr::Truncate {
            of,
            to,
            zone: name,
            fiscal_start,
        } => {
            let of = evaluate(of, row);
            match &of {
                Value::Null => Value::Null,
                Value::Instant(at) => like(&of, truncated_in(*at, *to, zone(name), *fiscal_start))?,
                _ => {
                    let local = at(&of).unwrap();
                    like(&of, truncated(local, *to, *fiscal_start))?
                }
            }
        }
        Expr::Part {
            of,
            part: which,
            zone: name,
            fiscal_start,
        } => match clocks(&evaluate(of, row), zone(name))? {
            Some(local) => whole(part(local, *which, *fiscal_start)),
            None => Value::Null,
        },
        Expr::Format {
            of,
            pattern,
            zone: name,
        } => match evaluate(of, row) {
            Value::Null => Value::Null,
            value => format(&value, zone(name), pattern)?,
        },
        other => panic!("{other:?} is no time"),
    })
}

/// What it is by itself: in UTC if it is an instant.
fn at(value: &Value) -> Option<NaiveDateTime> {
    clocks(value, Tz::UTC).unwrap()
}

fn add(value: &Value, count: i64, unit: TimeUnit, zone: Tz) -> Option<NaiveDateTime> {
    match value {
        Value::Instant(at) => moved_in(*at, count, unit, zone),
        other => moved(at(other)?, count, unit),
    }
}
