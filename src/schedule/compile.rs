//! From a spec to a plan, with all that is wrong with it.

use std::sync::Arc;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Timelike as _, Utc};

use super::Holidays;
use super::cron::Cron;
use super::days::{DayRule, DaySet, bit_of};
use super::plan::{Calendar, Plan};
use super::times::Times;
use super::zone::Zone;
use crate::error::Problem;
use crate::spec::{
    CountedFrom, Event, HolidayRule, MonthDay, Recurrence, TimeOfDay, Weekday, WorkDays,
};

/// The most entries that a list of a spec may have.
pub(super) const MOST: usize = 100;
/// The most times of a day, and days that are left out at once.
pub(super) const MOST_TIMES: usize = 1_000;
/// Years in which something may begin or end.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9_999;

/// Makes plans of recurrences, and gathers what is wrong with them.
pub(super) struct Compiler<'a> {
    pub(super) zone: &'a Zone,
    pub(super) problems: Vec<Problem>,
    /// To move runs away from, if that is wanted.
    pub(super) moved: Option<Arc<dyn Holidays>>,
    /// What was found to start runs.
    pub(super) events: Vec<Event>,
    pub(super) rule: HolidayRule,
}

impl Compiler<'_> {
    pub(super) fn wrong(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    /// The plan of a whole schedule, or of one whose runs are left out.
    pub(super) fn recurrence(&mut self, recurrence: &Recurrence, path: &str) -> Plan {
        let by_calendar = matches!(
            recurrence,
            Recurrence::Daily { .. }
                | Recurrence::Weekly { .. }
                | Recurrence::Monthly { .. }
                | Recurrence::Quarterly { .. }
                | Recurrence::Yearly { .. }
                | Recurrence::Cron(_)
                | Recurrence::AnyOf(_)
        );
        if self.rule == HolidayRule::NextDay && !by_calendar {
            self.wrong(
                path,
                "only runs that go by the calendar can be moved away from holidays; skip them, or choose another recurrence",
            );
        }
        match recurrence {
            Recurrence::OnDemand => Plan::Nothing,
            Recurrence::Once(at) => {
                let path = format!("{path}.once");
                Plan::Once(self.zone.first(self.local(*at, &path)))
            }
            Recurrence::Every { count, unit, from } => {
                let step = i64::from(*count) * i64::from(unit.seconds());
                if *count == 0 {
                    self.wrong(
                        format!("{path}.every.count"),
                        "an interval of 0 has no end of runs; give it 1 at least",
                    );
                }
                let step = step.max(1);
                match from {
                    CountedFrom::Epoch => Plan::Every { step, anchor: 0 },
                    CountedFrom::Anchor(at) => {
                        let anchor = self.instant(*at, &format!("{path}.every.from.anchor"));
                        Plan::Every { step, anchor }
                    }
                    CountedFrom::LastEnd => Plan::AfterEnd { step },
                }
            }
            Recurrence::Daily { days, at } => {
                let weekdays = match days {
                    WorkDays::EveryDay => None,
                    WorkDays::Weekdays => Some(0b1_1111),
                };
                self.calendar(DayRule::weekly(weekdays), at, &format!("{path}.daily"))
            }
            Recurrence::Weekly { on, at } => {
                let path = format!("{path}.weekly");
                self.filled(on, &format!("{path}.on"), "weekday", MOST);
                self.calendar(DayRule::weekly(Some(weekdays(on))), at, &path)
            }
            Recurrence::Monthly { on, at } => {
                self.months(DayRule::EVERY_MONTH, on, at, &format!("{path}.monthly"))
            }
            Recurrence::Quarterly { month, on, at } => {
                let path = format!("{path}.quarterly");
                if !(1..=3).contains(month) {
                    self.wrong(format!("{path}.month"), "a quarter has the months 1 to 3");
                }
                // January, April, July and October.
                let first = 0b100_1001_0010u32;
                let shift = u32::from(month.saturating_sub(1).min(2));
                self.months(first << shift, on, at, &path)
            }
            Recurrence::Yearly { months, on, at } => {
                let path = format!("{path}.yearly");
                self.filled(months, &format!("{path}.months"), "month", MOST);
                let mut bits = 0;
                for (position, month) in months.iter().enumerate().take(MOST) {
                    match month {
                        1..=12 => bits |= 1u32 << month,
                        _ => self.wrong(
                            format!("{path}.months[{position}]"),
                            "a year has the months 1 to 12",
                        ),
                    }
                }
                self.months(bits, on, at, &path)
            }
            Recurrence::Cron(expression) => match Cron::parse(expression) {
                Ok(cron) => {
                    if !self.comes(&cron.days) {
                        self.wrong(
                            format!("{path}.cron"),
                            "no calendar has a day like this; it would never run",
                        );
                    }
                    Plan::Calendar(Calendar {
                        days: self.days(cron.days),
                        times: cron.times,
                        wildcard: cron.wildcard,
                    })
                }
                Err(because) => {
                    self.wrong(format!("{path}.cron"), because);
                    Plan::Nothing
                }
            },
            Recurrence::AnyOf(all) => {
                let path = format!("{path}.any_of");
                self.filled(all, &path, "recurrence", MOST);
                let mut plans = Vec::new();
                for (position, one) in all.iter().enumerate().take(MOST) {
                    let path = format!("{path}[{position}]");
                    match one {
                        Recurrence::AnyOf(_) => {
                            self.wrong(path, "`any_of` may not stand in `any_of`; write one list")
                        }
                        Recurrence::OnDemand => {
                            self.wrong(path, "every job may run on demand; leave it out")
                        }
                        _ => plans.push(self.recurrence(one, &path)),
                    }
                }
                Plan::AnyOf(plans.into())
            }
            Recurrence::Event(event) => {
                let (what, name) = match event {
                    Event::FileArrived { .. } => ("", None),
                    Event::ApiCall { topic } => ("api_call.topic", Some(topic)),
                    Event::JobEnded { job, .. } => ("job_ended.job", Some(job)),
                };
                if name.is_some_and(String::is_empty) {
                    self.wrong(
                        format!("{path}.event.{what}"),
                        "it is empty; name what is waited for",
                    );
                }
                self.events.push(event.clone());
                Plan::Nothing
            }
        }
    }

    fn months(&mut self, months: u32, on: &[MonthDay], at: &[TimeOfDay], path: &str) -> Plan {
        self.filled(on, &format!("{path}.on"), "day", MOST);
        let before = self.problems.len();
        for (position, day) in on.iter().enumerate().take(MOST) {
            match day {
                MonthDay::Day(date) if !(1..=31).contains(date) => {
                    self.wrong(
                        format!("{path}.on[{position}].day"),
                        "a month has the days 1 to 31",
                    );
                }
                MonthDay::Nth { nth, .. } if !(1..=5).contains(nth) => {
                    self.wrong(
                        format!("{path}.on[{position}].nth.nth"),
                        "a weekday comes five times in a month at most; give 1 to 5",
                    );
                }
                one => {
                    let alone = DayRule::monthly(months, std::slice::from_ref(one));
                    if months != 0 && !self.comes(&alone) {
                        self.wrong(
                            format!("{path}.on[{position}]"),
                            "none of these months ever has this day; it would never run",
                        );
                    }
                }
            }
        }
        let sound = before == self.problems.len() && !on.is_empty() && months != 0;
        let rule = if sound {
            DayRule::monthly(months, on)
        } else {
            DayRule::weekly(None)
        };
        self.calendar(rule, at, path)
    }

    fn calendar(&mut self, rule: DayRule, at: &[TimeOfDay], path: &str) -> Plan {
        self.filled(at, &format!("{path}.at"), "time", MOST_TIMES);
        Plan::Calendar(Calendar {
            days: self.days(rule),
            times: Times::list(at.iter().map(|time| time.seconds()).collect()),
            wildcard: false,
        })
    }

    fn days(&self, rule: DayRule) -> DaySet {
        DaySet {
            rule,
            moved: self.moved.clone(),
        }
    }

    /// Whether a day of a rule ever comes.
    fn comes(&self, rule: &DayRule) -> bool {
        NaiveDate::from_ymd_opt(2000, 1, 1).is_some_and(|day| rule.next(day).is_some())
    }

    /// A list must have something.
    fn filled<T>(&mut self, list: &[T], path: &str, what: &str, most: usize) {
        if list.is_empty() {
            self.wrong(path, format!("there is no {what}; give one at least"));
        }
        self.bounded(list, path, most);
    }

    /// A list must not take too long.
    pub(super) fn bounded<T>(&mut self, list: &[T], path: &str, most: usize) {
        if list.len() > most {
            let has = list.len();
            self.wrong(
                path,
                format!("a list may have {most} entries here, and this has {has}"),
            );
        }
    }

    /// A local time in seconds, checked.
    pub(super) fn local(&mut self, at: NaiveDateTime, path: &str) -> i64 {
        self.year(at.date(), path);
        if at.nanosecond() != 0 {
            self.wrong(
                path,
                "a schedule goes by whole seconds; leave the fraction out",
            );
        }
        at.and_utc().timestamp()
    }

    fn instant(&mut self, at: DateTime<Utc>, path: &str) -> i64 {
        self.local(at.naive_utc(), path)
    }

    pub(super) fn year(&mut self, day: NaiveDate, path: &str) {
        if !YEARS.contains(&day.year()) {
            self.wrong(
                path,
                format!(
                    "a schedule knows the years {} to {}",
                    YEARS.start(),
                    YEARS.end()
                ),
            );
        }
    }
}

pub(super) fn weekdays(days: &[Weekday]) -> u8 {
    days.iter().fold(0, |bits, day| bits | bit_of(*day))
}
