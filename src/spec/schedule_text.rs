//! Schedules as sentences.

use std::fmt::{self, Display, Formatter};

use chrono::NaiveDateTime;

use super::schedule_words::quoted;
use super::{
    Blackout, CountedFrom, Event, Exclusion, HolidayRule, IntervalUnit, MonthDay, Recurrence,
    ScheduleSpec, TimeOfDay, Weekday, WorkDays,
};
use crate::record::pattern::MONTHS;

pub(super) const WEEKDAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "Monday"),
    (Weekday::Tuesday, "Tuesday"),
    (Weekday::Wednesday, "Wednesday"),
    (Weekday::Thursday, "Thursday"),
    (Weekday::Friday, "Friday"),
    (Weekday::Saturday, "Saturday"),
    (Weekday::Sunday, "Sunday"),
];

pub(super) const UNITS: [(IntervalUnit, &str, &str); 4] = [
    (IntervalUnit::Seconds, "second", "seconds"),
    (IntervalUnit::Minutes, "minute", "minutes"),
    (IntervalUnit::Hours, "hour", "hours"),
    // `every day` goes by the clocks, so one day of real time has its number.
    (IntervalUnit::Days, "", "days"),
];

pub(super) const ORDINALS: [&str; 5] = ["1st", "2nd", "3rd", "4th", "5th"];

fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    one: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            f.write_str(", ")?;
        }
        one(f, item)?;
    }
    Ok(())
}

fn at(f: &mut Formatter<'_>, times: &[TimeOfDay]) -> fmt::Result {
    f.write_str(" at ")?;
    list(f, times, |f, time| time.fmt(f))
}

fn month_days(f: &mut Formatter<'_>, days: &[MonthDay]) -> fmt::Result {
    f.write_str("on ")?;
    list(f, days, |f, day| match day {
        MonthDay::Day(date) => write!(f, "day {date}"),
        MonthDay::LastDay => f.write_str("the last day"),
        MonthDay::LastWorkingDay => f.write_str("the last weekday"),
        MonthDay::Nth { nth, weekday } => match ORDINALS.get(usize::from(*nth).wrapping_sub(1)) {
            Some(ordinal) => write!(f, "the {ordinal} {weekday}"),
            None => write!(f, "the {nth}th {weekday}"),
        },
        MonthDay::Last(weekday) => write!(f, "the last {weekday}"),
    })?;
    f.write_str(" of ")
}

fn local(f: &mut Formatter<'_>, at: &NaiveDateTime) -> fmt::Result {
    match at.and_utc().timestamp() % 60 {
        0 => write!(f, "{}", at.format("%Y-%m-%d %H:%M")),
        _ => write!(f, "{}", at.format("%Y-%m-%d %H:%M:%S")),
    }
}

impl Display for Weekday {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let found = WEEKDAYS.iter().find(|(day, _)| day == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

impl Display for Recurrence {
    /// The words for it in the text of a [`ScheduleSpec`].
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Recurrence::OnDemand => f.write_str("on demand"),
            Recurrence::Once(at) => {
                f.write_str("once at ")?;
                local(f, at)
            }
            Recurrence::Every { count, unit, from } => {
                let (_, one, many) = UNITS
                    .iter()
                    .find(|(known, ..)| known == unit)
                    .unwrap_or(&UNITS[0]);
                match count {
                    1 if !one.is_empty() => write!(f, "every {one}")?,
                    _ => write!(f, "every {count} {many}")?,
                }
                match from {
                    CountedFrom::Epoch => Ok(()),
                    CountedFrom::Anchor(at) => {
                        write!(f, " from {}", at.format("%Y-%m-%dT%H:%M:%SZ"))
                    }
                    CountedFrom::LastEnd => f.write_str(" after the end"),
                }
            }
            Recurrence::Daily { days, at: times } => {
                f.write_str(match days {
                    WorkDays::EveryDay => "every day",
                    WorkDays::Weekdays => "every weekday",
                })?;
                at(f, times)
            }
            Recurrence::Weekly { on, at: times } => {
                f.write_str("every ")?;
                list(f, on, |f, day| day.fmt(f))?;
                at(f, times)
            }
            Recurrence::Monthly { on, at: times } => {
                month_days(f, on)?;
                f.write_str("every month")?;
                at(f, times)
            }
            Recurrence::Quarterly {
                month,
                on,
                at: times,
            } => {
                month_days(f, on)?;
                write!(f, "month {month} of every quarter")?;
                at(f, times)
            }
            Recurrence::Yearly {
                months,
                on,
                at: times,
            } => {
                month_days(f, on)?;
                list(f, months, |f, month| {
                    match MONTHS.get(usize::from(*month).wrapping_sub(1)) {
                        Some(name) => f.write_str(name),
                        None => month.fmt(f),
                    }
                })?;
                at(f, times)
            }
            Recurrence::Cron(expression) => write!(f, "cron {}", quoted(expression)),
            Recurrence::AnyOf(all) => {
                for (position, one) in all.iter().enumerate() {
                    f.write_str(if position > 0 { " or " } else { "" })?;
                    one.fmt(f)?;
                }
                Ok(())
            }
            Recurrence::Event(Event::FileArrived { prefix }) => {
                write!(f, "on file {}", quoted(prefix))
            }
            Recurrence::Event(Event::ApiCall { topic }) => write!(f, "on call {}", quoted(topic)),
            Recurrence::Event(Event::JobEnded { job, only_success }) => {
                let success = if *only_success { " success" } else { "" };
                write!(f, "on job {}{success}", quoted(job))
            }
        }
    }
}

impl Display for Blackout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("not ")?;
        match self {
            Blackout::Between { from, until } => {
                local(f, from)?;
                f.write_str(" to ")?;
                local(f, until)
            }
            Blackout::Daily { from, until, on } => {
                write!(f, "{from}-{until}")?;
                if on.is_empty() {
                    return Ok(());
                }
                f.write_str(" on ")?;
                list(f, on, |f, day| day.fmt(f))
            }
        }
    }
}

impl Display for ScheduleSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.recurrence.fmt(f)?;
        // What never runs by itself has no clock, unless it was given one.
        if self.recurrence != Recurrence::OnDemand || self.zone != "UTC" {
            write!(f, " {}", self.zone)?;
        }
        if let Some(day) = self.starts {
            write!(f, "; from {day}")?;
        }
        if let Some(day) = self.ends {
            write!(f, "; until {day}")?;
        }
        for blackout in &self.blackouts {
            write!(f, "; {blackout}")?;
        }
        for except in &self.except {
            f.write_str("; except ")?;
            match except {
                Exclusion::Dates(days) => {
                    f.write_str("on ")?;
                    list(f, days, |f, day| day.fmt(f))?;
                }
                Exclusion::Runs(recurrence) => recurrence.fmt(f)?,
            }
        }
        match self.holidays {
            HolidayRule::Run => {}
            HolidayRule::Skip => f.write_str("; skip holidays")?,
            HolidayRule::NextDay => f.write_str("; move holidays")?,
        }
        match self.jitter {
            0 => Ok(()),
            seconds => write!(f, "; jitter {seconds} seconds"),
        }
    }
}
