//! Which days: every kind of schedule that goes by the calendar is one rule.

use std::sync::Arc;

use chrono::{Datelike as _, Days, NaiveDate};

use super::Holidays;
use crate::spec::{MonthDay, Weekday};

/// The Gregorian calendar repeats itself after 400 years, weekdays included: a day that is not found in so many months never comes.
const CYCLE: u32 = 400 * 12;
/// Bits 1 to 31.
const ALL_DATES: u32 = !1;
/// How many holidays in a row a run is moved over at most.
const HOLIDAYS_IN_A_ROW: u64 = 366;

/// Days of months, as sets of bits. Of weekdays bit 0 is Monday.
#[derive(Debug, Clone, Default)]
pub(super) struct DayRule {
    /// Bits 1 to 12.
    pub(super) months: u32,
    /// Whether each date is among them; then the other sets of dates do not count.
    pub(super) any_date: bool,
    /// Bits 1 to 31.
    pub(super) dates: u32,
    /// Bit n: n days before the last of the month.
    pub(super) before_last: u32,
    /// Bit n: the day from Monday to Friday that is nearest to date n in the same month.
    pub(super) nearest: u32,
    /// The last day from Monday to Friday.
    pub(super) last_working: bool,
    /// Whether each weekday is among them; then the other sets of weekdays do not count.
    pub(super) any_weekday: bool,
    pub(super) weekdays: u8,
    /// The weekdays that are meant when they come for the first, second .. fifth time in a month.
    pub(super) nth: [u8; 5],
    /// The weekdays that are meant when they come for the last time in a month.
    pub(super) last: u8,
    /// Whether a day must be of both sets; otherwise one is enough, if both say anything.
    pub(super) both: bool,
}

pub(super) fn bit_of(weekday: Weekday) -> u8 {
    1 << chrono::Weekday::from(weekday).num_days_from_monday()
}

impl DayRule {
    pub(super) const EVERY_MONTH: u32 = 0b1_1111_1111_1110;

    /// Every day, or only these weekdays.
    pub(super) fn weekly(weekdays: Option<u8>) -> Self {
        DayRule {
            months: Self::EVERY_MONTH,
            any_date: true,
            any_weekday: weekdays.is_none(),
            weekdays: weekdays.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Days of these months.
    pub(super) fn monthly(months: u32, days: &[MonthDay]) -> Self {
        let mut rule = DayRule {
            months,
            any_date: true,
            any_weekday: true,
            ..Self::default()
        };
        for day in days {
            match day {
                MonthDay::Nth { .. } | MonthDay::Last(_) => rule.any_weekday = false,
                _ => rule.any_date = false,
            }
            match day {
                MonthDay::Day(date) => rule.dates |= 1u32.checked_shl((*date).into()).unwrap_or(0),
                MonthDay::LastDay => rule.before_last |= 1,
                MonthDay::LastWorkingDay => rule.last_working = true,
                MonthDay::Nth { nth, weekday } => {
                    if let Some(bits) = rule.nth.get_mut(usize::from(*nth).wrapping_sub(1)) {
                        *bits |= bit_of(*weekday);
                    }
                }
                MonthDay::Last(weekday) => rule.last |= bit_of(*weekday),
            }
        }
        rule
    }

    /// The days of a month that it names, as bits 1 to 31.
    fn of_month(&self, year: i32, month: u32) -> u32 {
        let Some(first) = NaiveDate::from_ymd_opt(year, month, 1) else {
            return 0;
        };
        let length = u32::from(first.num_days_in_month());
        // Monday is 0.
        let begins = first.weekday().num_days_from_monday();
        let valid = ALL_DATES & (u32::MAX >> (31 - length));
        let dates = match self.any_date {
            true => ALL_DATES,
            false => self.dates_of(begins, length),
        };
        let weekdays = match self.any_weekday {
            true => ALL_DATES,
            false => self.weekdays_of(begins, length),
        };
        let one_is_enough = !self.both && !self.any_date && !self.any_weekday;
        valid
            & match one_is_enough {
                true => dates | weekdays,
                false => dates & weekdays,
            }
    }

    fn dates_of(&self, begins: u32, length: u32) -> u32 {
        let mut found = self.dates;
        for n in bits(self.before_last).filter(|n| *n < length) {
            found |= 1 << (length - n);
        }
        let working = |date: u32| (begins + date - 1) % 7 < 5;
        for date in bits(self.nearest).filter(|date| (1..=length).contains(date)) {
            // Saturday goes to the day before and Sunday to the day behind, but not into another month.
            let near = [
                date,
                date.wrapping_sub(1),
                date + 1,
                date + 2,
                date.wrapping_sub(2),
            ];
            let near = near
                .into_iter()
                .find(|near| (1..=length).contains(near) && working(*near));
            found |= near.map_or(0, |near| 1 << near);
        }
        if self.last_working {
            let last = (1..=length).rev().find(|date| working(*date));
            found |= last.map_or(0, |last| 1 << last);
        }
        found
    }

    fn weekdays_of(&self, begins: u32, length: u32) -> u32 {
        let mut found = spread(self.weekdays, begins);
        for (week, weekdays) in (0u32..).zip(self.nth) {
            if weekdays != 0 {
                found |= spread(weekdays, begins) & (0b1111_1110 << (7 * week));
            }
        }
        if self.last != 0 {
            found |= spread(self.last, begins) & (u32::MAX << (length - 6));
        }
        found
    }

    /// The first of its days from this one on.
    pub(super) fn next(&self, from: NaiveDate) -> Option<NaiveDate> {
        let (mut year, mut month) = (from.year(), from.month());
        let mut left = u32::MAX << from.day();
        for _ in 0..=CYCLE {
            if self.months & (1 << month) != 0 {
                let days = self.of_month(year, month) & left;
                if days != 0 {
                    return NaiveDate::from_ymd_opt(year, month, days.trailing_zeros());
                }
            }
            left = u32::MAX;
            (year, month) = match month {
                12 => (year + 1, 1),
                _ => (year, month + 1),
            };
        }
        None
    }
}

/// The numbers of the bits that are set.
fn bits(mut set: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros())?;
        set &= set - 1;
        Some(bit)
    })
}

/// Where weekdays lie in a month that begins with the given one.
fn spread(weekdays: u8, begins: u32) -> u32 {
    let weekdays = u64::from(weekdays);
    let six_weeks = (0..6).fold(0u64, |found, week| found | weekdays << (7 * week));
    // Date 1 is bit 1.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "dates above 31 are cut off"
    )]
    let of_month = ((six_weeks >> begins) << 1) as u32;
    of_month
}

/// The days of a calendar schedule, moved away from holidays if that is wanted.
#[derive(Debug, Clone)]
pub(super) struct DaySet {
    pub(super) rule: DayRule,
    pub(super) moved: Option<Arc<dyn Holidays>>,
}

impl DaySet {
    /// The first of its days from this one on.
    pub(super) fn next(&self, from: NaiveDate) -> Option<NaiveDate> {
        let Some(holidays) = &self.moved else {
            return self.rule.next(from);
        };
        // What fell on the holidays just before comes on the first day that is none.
        let before = (1..=HOLIDAYS_IN_A_ROW).map_while(|n| from.checked_sub_days(Days::new(n)));
        let before = before.take_while(|day| holidays.is_holiday(*day));
        let mut day = self.rule.next(before.last().unwrap_or(from))?;
        for _ in 0..HOLIDAYS_IN_A_ROW {
            let behind = (0..=HOLIDAYS_IN_A_ROW).map_while(|n| day.checked_add_days(Days::new(n)));
            let mut behind = behind.skip_while(|day| holidays.is_holiday(*day));
            if let Some(found) = behind.next() {
                return Some(found);
            }
            // More holidays than a run is moved over: it is left out.
            day = self.rule.next(day.succ_opt()?)?;
        }
        None
    }
}
