//! Schedules that are made from a spec.

use std::sync::Arc;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeZone as _, Utc};
use sha2::{Digest as _, Sha256};

use super::compile::{Compiler, MOST, MOST_TIMES, weekdays};
use super::plan::{LastRun, Plan};
use super::zone::{BEGIN, DAY, Zone, day_number, day_of};
use super::{Happened, Holidays, NextRun, NoRun, PreviewRun, Schedule, ScheduleRequest};
use crate::error::Problem;
use crate::spec::{Blackout, Event, Exclusion, HolidayRule, Recurrence, ScheduleSpec};
use crate::{Error, Result};

/// How many runs in a row may be left out before a search gives up.
const TRIES: u32 = 10_000;
/// 10000-01-01T00:00:00Z.
const FOREVER: i64 = 253_402_300_800;

/// A schedule that was made from a [`ScheduleSpec`], checked.
///
/// ```
/// use syncline::schedule::CompiledSchedule;
///
/// let spec = "on the last day of every month at 02:30 Europe/Berlin".parse()?;
/// let schedule = CompiledSchedule::new(&spec)?;
/// // On the last day of March 2024 the clocks were put forward from 02:00 to 03:00.
/// let runs = schedule.preview("2024-03-01T00:00:00Z".parse()?, 2);
/// assert_eq!(runs[0].local.to_rfc3339(), "2024-03-31T03:00:00+02:00");
/// assert_eq!(runs[1].local.to_rfc3339(), "2024-04-30T02:30:00+02:00");
///
/// let error = CompiledSchedule::new(&"on day 30 of February at 06:30 UTC".parse()?).unwrap_err();
/// assert_eq!(error.problems()[0].path, "recurrence.yearly.on[0]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CompiledSchedule {
    zone: Zone,
    plan: Plan,
    on_demand: bool,
    events: Box<[Event]>,
    /// The first instant at which it may run, and the first at which it may no more.
    begins: i64,
    ends: i64,
    left_out: LeftOut,
    jitter: i64,
}

/// What is left out of a plan.
#[derive(Debug, Clone, Default)]
struct LeftOut {
    blackouts: Vec<Window>,
    /// In order.
    dates: Vec<NaiveDate>,
    runs: Vec<Plan>,
    holidays: Option<Arc<dyn Holidays>>,
}

/// A time in which nothing runs.
#[derive(Debug, Clone)]
enum Window {
    Between {
        from: i64,
        until: i64,
    },
    /// Seconds from the midnight before it begins, and bits of weekdays from Monday on.
    Daily {
        from: i64,
        until: i64,
        on: u8,
    },
}

impl Window {
    /// When the window that an instant lies in began and ends.
    fn around(&self, zone: &Zone, at: i64) -> Option<(i64, i64)> {
        match *self {
            Window::Between { from, until } => (from <= at && at < until).then_some((from, until)),
            Window::Daily { from, until, on } => {
                let today = zone.local(at).div_euclid(DAY);
                // It may have begun on another day: before midnight, or by clocks that were changed since.
                (-2..=1).map(|shift| today + shift).find_map(|day| {
                    let weekday = day_of(day)?.weekday().num_days_from_monday();
                    let begun = zone.first(day * DAY + from);
                    let ended = zone.first(day * DAY + until);
                    let around = on & (1 << weekday) != 0 && begun <= at && at < ended;
                    around.then_some((begun, ended))
                })
            }
        }
    }
}

impl LeftOut {
    /// If there must be no run at an instant: the first instant behind it at which there may be one.
    fn until(&self, zone: &Zone, at: i64) -> Option<i64> {
        if let Some((_, until)) = self.blackout(zone, at) {
            return Some(until);
        }
        if !self.dates.is_empty() || self.holidays.is_some() {
            let day = day_of(zone.local(at).div_euclid(DAY));
            let free = |day| {
                let holiday = self
                    .holidays
                    .as_ref()
                    .is_some_and(|all| all.is_holiday(day));
                holiday || self.dates.binary_search(&day).is_ok()
            };
            if day.is_some_and(free) {
                return Some(zone.day_end(at));
            }
        }
        let excluded = |plan: &Plan| plan.next(zone, at - 1, LastRun::default()) == Some(at);
        self.runs.iter().any(excluded).then_some(at + 1)
    }

    fn blackout(&self, zone: &Zone, at: i64) -> Option<(i64, i64)> {
        self.blackouts
            .iter()
            .find_map(|window| window.around(zone, at))
    }
}

/// What a search for a run came to.
enum Found {
    At(i64),
    None,
    /// Nothing up to this instant, and no more was looked at.
    NotUntil(i64),
}

impl CompiledSchedule {
    /// A schedule that looks at no holidays.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with all that is wrong with the spec: names and numbers that are none, and a schedule that
    /// can never run.
    pub fn new(spec: &ScheduleSpec) -> Result<Self> {
        Self::compile(spec, None)
    }

    /// A schedule that looks at the host's holidays, as the spec says.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_holidays(spec: &ScheduleSpec, holidays: Arc<dyn Holidays>) -> Result<Self> {
        Self::compile(spec, Some(holidays))
    }

    fn compile(spec: &ScheduleSpec, holidays: Option<Arc<dyn Holidays>>) -> Result<Self> {
        const WRONG: &str = "the schedule cannot be kept to";
        let Some(zone) = Zone::new(&spec.zone) else {
            let message = "there is no such zone; name one of the IANA database, like `Europe/Berlin` or `UTC`";
            return Err(Error::invalid(WRONG, vec![Problem::new("zone", message)]));
        };
        let mut compiler = Compiler {
            zone: &zone,
            problems: Vec::new(),
            moved: holidays
                .clone()
                .filter(|_| spec.holidays == HolidayRule::NextDay),
            events: Vec::new(),
            rule: spec.holidays,
        };
        if spec.version != 1 {
            compiler.wrong("version", "this release knows version 1");
        }
        if spec.holidays != HolidayRule::Run && holidays.is_none() {
            compiler.wrong(
                "holidays",
                "the host has given no calendar of holidays; compile the schedule with one",
            );
        }
        if i64::from(spec.jitter) > DAY {
            compiler.wrong(
                "jitter",
                "a run may be late by a day at most: 86400 seconds",
            );
        }
        let plan = compiler.recurrence(&spec.recurrence, "recurrence");
        let midnight = |day: NaiveDate| zone.first(day_number(day) * DAY);
        for (path, day) in [("starts", spec.starts), ("ends", spec.ends)] {
            if let Some(day) = day {
                compiler.year(day, path);
            }
        }
        let begins = spec.starts.map_or(BEGIN, midnight);
        let ends = spec
            .ends
            .and_then(|day| day.succ_opt())
            .map_or(FOREVER, midnight);
        if begins >= ends {
            compiler.wrong("ends", "it ends before it starts");
        }
        let events = std::mem::take(&mut compiler.events).into();
        let left_out = compiler.left_out(spec, holidays);
        let problems = compiler.problems;
        let schedule = CompiledSchedule {
            on_demand: spec.recurrence == Recurrence::OnDemand,
            events,
            begins,
            ends,
            left_out,
            jitter: spec.jitter.into(),
            plan,
            zone,
        };
        if !problems.is_empty() {
            return Err(Error::invalid(WRONG, problems));
        }
        schedule
            .ever_runs()
            .map_err(|problem| Error::invalid(WRONG, vec![problem]))?;
        Ok(schedule)
    }

    /// Finds a schedule that never runs, whatever the holidays are.
    fn ever_runs(&self) -> Result<(), Problem> {
        if self.on_demand || !self.events.is_empty() {
            return Ok(());
        }
        let holidays_aside = CompiledSchedule {
            plan: self.plan.unmoved(),
            left_out: LeftOut {
                holidays: None,
                ..self.left_out.clone()
            },
            ..self.clone()
        };
        let message = match holidays_aside.nominal(BEGIN - 1, LastRun::default()) {
            Found::At(_) => return Ok(()),
            Found::None => {
                "it never runs: what it leaves out, and where it starts and ends, leave nothing"
            }
            Found::NotUntil(_) => {
                "it leaves out the first 10000 runs; leave less out, or let it start later"
            }
        };
        Err(Problem::new("", message))
    }

    /// The first run after an instant, on time.
    fn nominal(&self, after: i64, last: LastRun) -> Found {
        let mut after = after.max(self.begins - 1);
        for _ in 0..TRIES {
            let Some(at) = self
                .plan
                .next(&self.zone, after, last)
                .filter(|at| *at < self.ends)
            else {
                return Found::None;
            };
            match self.left_out.until(&self.zone, at) {
                None => return Found::At(at),
                Some(until) => after = until - 1,
            }
        }
        Found::NotUntil(after)
    }

    /// The first run after an instant, late as it is.
    fn search(&self, after: i64, job: &str, last: LastRun) -> Found {
        if self.jitter == 0 || self.plan.follows_runs() {
            return self.nominal(after, last);
        }
        // No run is late beyond the next one, so the last one before is all that may still come.
        if let Some(run) = self.first_until(after - self.jitter - 1, after) {
            let late = self.late(self.last_until(run, after), job);
            if late > after {
                return Found::At(late);
            }
        }
        match self.nominal(after, last) {
            Found::At(on_time) => Found::At(self.late(on_time, job)),
            other => other,
        }
    }

    /// The first run on time after an instant and up to another.
    fn first_until(&self, mut after: i64, until: i64) -> Option<i64> {
        loop {
            match self.nominal(after, LastRun::default()) {
                Found::At(at) => return (at <= until).then_some(at),
                Found::NotUntil(looked) if after < looked && looked < until => after = looked,
                _ => return None,
            }
        }
    }

    /// The last run on time up to an instant, from a run on.
    fn last_until(&self, mut run: i64, mut until: i64) -> i64 {
        // Usually there is no other; where there are many, each look halves what is left.
        while let Some(following) = self.first_until(run, until) {
            run = following;
            let middle = run + (until - run) / 2;
            match self.first_until(middle, until) {
                Some(behind) => run = behind,
                None => until = middle,
            }
        }
        run
    }

    /// When a run is that is on time at an instant.
    fn late(&self, on_time: i64, job: &str) -> i64 {
        let hash = Sha256::new()
            .chain_update(on_time.to_be_bytes())
            .chain_update(job)
            .finalize();
        let number = hash
            .iter()
            .take(8)
            .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let mut room = (self.jitter + 1).min(self.ends - on_time);
        if let Found::At(next) | Found::NotUntil(next) = self.nominal(on_time, LastRun::default()) {
            room = room.min(next - on_time);
        }
        loop {
            // `room` is 1 at least: no other run, no end and no blackout is as early as the run itself.
            let late = number.checked_rem(room.unsigned_abs()).unwrap_or(0);
            let at = on_time.saturating_add_unsigned(late);
            match self.left_out.blackout(&self.zone, at) {
                Some((from, _)) if from > on_time => room = from - on_time,
                _ => return at,
            }
        }
    }

    /// The coming runs after an instant, at most so many. Those of an interval that is counted from the end of a run are shown as if runs took
    /// no time.
    ///
    /// ```
    /// use syncline::schedule::CompiledSchedule;
    ///
    /// let schedule = CompiledSchedule::new(&r#"cron "30 2 * * *" Europe/Berlin"#.parse()?)?;
    /// let runs = schedule.preview("2026-10-24T12:00:00Z".parse()?, 2);
    /// // The clocks are put back from 03:00 to 02:00.
    /// assert_eq!(runs[0].local.to_rfc3339(), "2026-10-25T02:30:00+02:00");
    /// assert_eq!(runs[1].local.to_rfc3339(), "2026-10-26T02:30:00+01:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn preview(&self, after: DateTime<Utc>, count: usize) -> Vec<PreviewRun> {
        self.preview_for(ScheduleRequest::new(after), count)
    }

    /// The coming runs of a job of which the request tells, at most so many.
    pub fn preview_for(&self, mut request: ScheduleRequest, count: usize) -> Vec<PreviewRun> {
        let runs = std::iter::from_fn(|| {
            let at = self.next(&request).at()?;
            request.after = at;
            (request.last_start, request.last_end) = (Some(at), Some(at));
            let local = self
                .zone
                .tz()
                .from_utc_datetime(&at.naive_utc())
                .fixed_offset();
            Some(PreviewRun { at, local })
        });
        runs.take(count).collect()
    }

    /// The version of the zone database that its instants follow from.
    pub fn zone_database() -> &'static str {
        chrono_tz::IANA_TZDB_VERSION
    }

    /// The events that start a run.
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

impl Compiler<'_> {
    fn left_out(&mut self, spec: &ScheduleSpec, holidays: Option<Arc<dyn Holidays>>) -> LeftOut {
        let mut left_out = LeftOut {
            holidays: holidays.filter(|_| spec.holidays == HolidayRule::Skip),
            ..LeftOut::default()
        };
        self.bounded(&spec.blackouts, "blackouts", MOST);
        self.bounded(&spec.except, "except", MOST);
        for (position, blackout) in spec.blackouts.iter().enumerate().take(MOST) {
            let path = format!("blackouts[{position}]");
            let window = match blackout {
                Blackout::Between { from, until } => Window::Between {
                    from: self
                        .zone
                        .first(self.local(*from, &format!("{path}.between.from"))),
                    until: self
                        .zone
                        .first(self.local(*until, &format!("{path}.between.until"))),
                },
                Blackout::Daily { from, until, on } => {
                    let (from, until) = (from.seconds().into(), until.seconds().into());
                    let until = if until < from { until + DAY } else { until };
                    let on = if on.is_empty() {
                        0b111_1111
                    } else {
                        weekdays(on)
                    };
                    Window::Daily { from, until, on }
                }
            };
            let (Window::Between { from, until } | Window::Daily { from, until, .. }) = &window;
            if from >= until {
                self.wrong(path, "it ends when it begins, or before");
            }
            left_out.blackouts.push(window);
        }
        // What is left out is not moved.
        (self.moved, self.rule) = (None, HolidayRule::Run);
        for (position, except) in spec.except.iter().enumerate().take(MOST) {
            let path = format!("except[{position}]");
            match except {
                Exclusion::Dates(dates) => {
                    self.bounded(dates, &format!("{path}.dates"), MOST_TIMES);
                    left_out.dates.extend(dates);
                }
                Exclusion::Runs(recurrence) => {
                    let path = format!("{path}.runs");
                    let plan = self.recurrence(recurrence, &path);
                    let events = !self.events.is_empty();
                    self.events.clear();
                    if events || plan.follows_runs() || *recurrence == Recurrence::OnDemand {
                        self.wrong(
                            path,
                            "only runs of a time that is known before can be left out",
                        );
                    }
                    left_out.runs.push(plan);
                }
            }
        }
        left_out.dates.sort_unstable();
        left_out.dates.dedup();
        left_out
    }
}

/// Whole seconds, up to which an instant has passed.
fn seconds(at: DateTime<Utc>) -> i64 {
    at.timestamp()
}

impl Schedule for CompiledSchedule {
    fn next(&self, request: &ScheduleRequest) -> NextRun {
        let last = LastRun {
            start: request.last_start.map(seconds),
            end: request.last_end.map(seconds),
        };
        let after = seconds(request.after).max(BEGIN - 1);
        let instant = |at| DateTime::from_timestamp(at, 0);
        match self.search(after, &request.job, last) {
            Found::At(at) => instant(at).map_or(NextRun::Never(NoRun::Over), NextRun::At),
            Found::NotUntil(at) => NextRun::Never(instant(at).map_or(NoRun::Over, NoRun::NotUntil)),
            Found::None if last.goes_on() && self.plan.follows_runs() => NextRun::AfterEnd,
            Found::None if !self.events.is_empty() && after < self.ends => NextRun::OnEvent,
            Found::None if self.on_demand => NextRun::Never(NoRun::OnDemand),
            Found::None => NextRun::Never(NoRun::Over),
        }
    }

    fn starts_on(&self, happened: &Happened, at: DateTime<Utc>) -> bool {
        let at = seconds(at);
        let waited_for = self.events.iter().any(|event| happened.is(event));
        waited_for
            && (self.begins..self.ends).contains(&at)
            && self.left_out.until(&self.zone, at).is_none()
    }
}
