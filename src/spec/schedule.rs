//! When a job runs.

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::job::{read, wrong};
use super::{Recurrence, TimeOfDay, Weekday};
use crate::Result;

/// When a job runs, as data. Its text says the same, and is read back without a change.
///
/// ```
/// use syncline::spec::{Recurrence, ScheduleSpec, WorkDays};
///
/// let spec: ScheduleSpec = "every weekday at 06:30 Europe/Berlin".parse()?;
/// let daily = Recurrence::Daily { days: WorkDays::Weekdays, at: vec!["06:30".parse()?] };
/// assert_eq!(spec, ScheduleSpec::new(daily).with_zone("Europe/Berlin"));
/// assert_eq!(spec.to_string(), "every weekday at 06:30 Europe/Berlin");
///
/// let json = r#"{"version": 1, "zone": "Europe/Berlin", "recurrence": {"daily": {"days": "weekdays", "at": ["06:30"]}}}"#;
/// assert_eq!(ScheduleSpec::from_json(json)?, spec);
/// # Ok::<(), syncline::Error>(())
/// ```
///
/// Whether it can be kept to is found when it is [compiled](crate::schedule::CompiledSchedule); the rules, also those for clocks that
/// are put forward and back, stand in [the guide](crate::docs::scheduling).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ScheduleSpec {
    /// The version of this form: 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: u32,
    /// The zone of the IANA database, like `Europe/Berlin`, whose clocks all local times and dates are of.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub zone: String,
    /// When it runs.
    pub recurrence: Recurrence,
    /// The first day on which it runs, if it does not always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schedule_schema::DateText>")
    )]
    pub starts: Option<NaiveDate>,
    /// The last day on which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schedule_schema::DateText>")
    )]
    pub ends: Option<NaiveDate>,
    /// Times in which nothing runs. A run that falls into one is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blackouts: Vec<Blackout>,
    /// Runs that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Exclusion>,
    /// What becomes of a run on a holiday.
    #[serde(default, skip_serializing_if = "HolidayRule::is_run")]
    pub holidays: HolidayRule,
    /// Seconds by which a run may be late, at most a day. How much it is follows from the job and the time of the run, so that jobs of
    /// one time are spread out, and each of them is always late by the same. It never reaches the next run, a blackout or
    /// another day than `ends`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub jitter: u32,
}

fn utc() -> String {
    "UTC".into()
}

fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl ScheduleSpec {
    /// Runs like this, by the clocks of UTC.
    pub fn new(recurrence: Recurrence) -> Self {
        ScheduleSpec {
            version: 1,
            zone: utc(),
            recurrence,
            starts: None,
            ends: None,
            blackouts: Vec::new(),
            except: Vec::new(),
            holidays: HolidayRule::Run,
            jitter: 0,
        }
    }

    /// By the clocks of this zone.
    #[must_use]
    pub fn with_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = zone.into();
        self
    }

    /// Not before this day.
    #[must_use]
    pub fn with_start(mut self, day: NaiveDate) -> Self {
        self.starts = Some(day);
        self
    }

    /// Not after this day.
    #[must_use]
    pub fn with_end(mut self, day: NaiveDate) -> Self {
        self.ends = Some(day);
        self
    }

    /// Not in these times.
    #[must_use]
    pub fn with_blackouts(mut self, blackouts: Vec<Blackout>) -> Self {
        self.blackouts = blackouts;
        self
    }

    /// Not these runs.
    #[must_use]
    pub fn with_except(mut self, except: Vec<Exclusion>) -> Self {
        self.except = except;
        self
    }

    /// This becomes of runs on holidays.
    #[must_use]
    pub fn with_holidays(mut self, rule: HolidayRule) -> Self {
        self.holidays = rule;
        self
    }

    /// Late by so many seconds at most.
    #[must_use]
    pub fn with_jitter(mut self, seconds: u32) -> Self {
        self.jitter = seconds;
        self
    }

    /// Reads a schedule from JSON.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the path and the place in the text of what is wrong; a form of a newer version is told
    /// apart from a wrong one.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            version: Option<Value>,
        }
        const NO_SCHEDULE: &str = "this is no schedule";
        if let Ok(Versioned { version: Some(v) }) = serde_json::from_str(text) {
            if v != 1 {
                return Err(wrong(
                    NO_SCHEDULE,
                    "version".into(),
                    super::unknown_version(v),
                ));
            }
        }
        read(NO_SCHEDULE, text)
    }
}

/// A time in which nothing runs.
///
/// ```
/// use syncline::spec::{Blackout, ScheduleSpec, Weekday};
///
/// let spec: ScheduleSpec = "every hour UTC; not 22:00-06:00 on Friday; not 2026-12-24 00:00 to 2026-12-27 00:00".parse()?;
/// let Blackout::Daily { on, .. } = &spec.blackouts[0] else { panic!() };
/// assert_eq!(on, &[Weekday::Friday]);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Blackout {
    /// Once, between two local times.
    Between {
        /// The first time in which nothing runs, in whole seconds.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "super::schedule_schema::DateTimeText")
        )]
        from: NaiveDateTime,
        /// The first time behind it.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "super::schedule_schema::DateTimeText")
        )]
        until: NaiveDateTime,
    },
    /// Again and again.
    Daily {
        /// The first time in which nothing runs.
        from: TimeOfDay,
        /// The first time behind it; on the next day if it is earlier than `from`.
        until: TimeOfDay,
        /// The days on which it begins; every day if there is none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        on: Vec<Weekday>,
    },
}

/// Runs that are left out.
///
/// ```
/// use syncline::spec::{Exclusion, ScheduleSpec};
///
/// let spec: ScheduleSpec = "every hour UTC; except on 2026-12-24, 2026-12-31; except every Sunday at 03:00".parse()?;
/// assert!(matches!(spec.except[..], [Exclusion::Dates(_), Exclusion::Runs(_)]));
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Exclusion {
    /// Those on these days.
    Dates(
        #[cfg_attr(
            feature = "schema",
            schemars(with = "Vec<super::schedule_schema::DateText>")
        )]
        Vec<NaiveDate>,
    ),
    /// Those at an instant at which this would run, too.
    Runs(Recurrence),
}

/// What becomes of a run on a holiday, by [the host's calendar](crate::schedule::Holidays).
///
/// ```
/// use syncline::spec::{HolidayRule, ScheduleSpec};
///
/// let spec: ScheduleSpec = "on the last day of every month at 18:00 Asia/Tokyo; move holidays".parse()?;
/// assert_eq!(spec.holidays, HolidayRule::NextDay);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HolidayRule {
    /// It runs as on any other day.
    #[default]
    Run,
    /// It is left out.
    Skip,
    /// It is moved to its time on the next day that is none: for schedules that go by the calendar.
    NextDay,
}

impl HolidayRule {
    fn is_run(&self) -> bool {
        *self == HolidayRule::Run
    }
}
