//! Every kind of schedule in one inner form, and its next instant.

use chrono::Datelike as _;

use super::days::DaySet;
use super::times::Times;
use super::zone::{DAY, Zone, day_number, day_of};

/// No run is later than this year.
const LAST_YEAR: i32 = 9_999;

/// When something runs, without what is left out of it. Instants are seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// Not by itself.
    Nothing,
    /// Once.
    Once(i64),
    /// Every so many seconds, counted from an instant.
    Every { step: i64, anchor: i64 },
    /// So many seconds after the end of the last run.
    AfterEnd { step: i64 },
    /// At times of days.
    Calendar(Calendar),
    /// Whenever one of these runs.
    AnyOf(Box<[Plan]>),
}

/// Times of days.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    pub(super) days: DaySet,
    pub(super) times: Times,
    /// Whether it runs whenever the clocks show one of the times; otherwise at the first instant of each of them.
    pub(super) wildcard: bool,
}

/// What is known of the last run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastRun {
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
}

impl LastRun {
    /// Whether a run has begun and not ended.
    pub(super) fn goes_on(self) -> bool {
        self.start
            .is_some_and(|start| self.end.is_none_or(|end| end < start))
    }
}

impl Plan {
    /// The first instant after this one.
    pub(super) fn next(&self, zone: &Zone, after: i64, last: LastRun) -> Option<i64> {
        match self {
            Plan::Nothing => None,
            Plan::Once(at) => (*at > after).then_some(*at),
            Plan::Every { step, anchor } => {
                let gone = (after - anchor).div_euclid(*step) + 1;
                Some(anchor + gone.max(0) * step)
            }
            Plan::AfterEnd { .. } if last.goes_on() => None,
            Plan::AfterEnd { step } => {
                let due = last.end.map_or(after, |end| end + step);
                Some(due.max(after + 1))
            }
            Plan::Calendar(calendar) => calendar.next(zone, after),
            Plan::AnyOf(all) => all
                .iter()
                .filter_map(|plan| plan.next(zone, after, last))
                .min(),
        }
    }

    /// The same, with holidays as any other day.
    pub(super) fn unmoved(&self) -> Self {
        let mut plan = self.clone();
        match &mut plan {
            Plan::Calendar(calendar) => calendar.days.moved = None,
            Plan::AnyOf(all) => all.iter_mut().for_each(|plan| *plan = plan.unmoved()),
            _ => {}
        }
        plan
    }

    /// Whether it waits for the end of a run.
    pub(super) fn follows_runs(&self) -> bool {
        match self {
            Plan::AfterEnd { .. } => true,
            Plan::AnyOf(all) => all.iter().any(Plan::follows_runs),
            _ => false,
        }
    }
}

impl Calendar {
    fn next(&self, zone: &Zone, after: i64) -> Option<i64> {
        if self.wildcard {
            return zone.next_shown(after, |local| self.next_local(local));
        }
        let mut local = zone.not_reached(after);
        loop {
            let next = self.next_local(local)?;
            let at = zone.first(next);
            let day = day_of(next.div_euclid(DAY))?;
            // Only of a time that is never shown the day may be missing, too.
            if zone.local(at) == next || zone.has_day(day) {
                return Some(at);
            }
            local = (day_number(day) + 1) * DAY;
        }
    }

    /// The least of its local times that is no less than this one.
    fn next_local(&self, local: i64) -> Option<i64> {
        let today = day_of(local.div_euclid(DAY))?;
        let begun = u32::try_from(local.rem_euclid(DAY)).ok()?;
        let mut day = self.days.next(today)?;
        let mut time = self.times.next(if day == today { begun } else { 0 });
        if time.is_none() && day == today {
            day = self.days.next(today.succ_opt()?)?;
            time = self.times.next(0);
        }
        let time = time.filter(|_| day.year() <= LAST_YEAR)?;
        Some(day_number(day) * DAY + i64::from(time))
    }
}
