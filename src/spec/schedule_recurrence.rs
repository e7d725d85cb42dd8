//! How often, and on what, a schedule runs.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, ErrorKind};

/// How often, and on what, a schedule runs.
///
/// ```
/// use syncline::spec::{MonthDay, Recurrence, Weekday};
///
/// let text = r#"{"monthly": {"on": [{"day": 15}, {"nth": {"nth": 2, "weekday": "tuesday"}}, "last_day"], "at": ["06:30"]}}"#;
/// let monthly: Recurrence = serde_json::from_str(text)?;
/// let second_tuesday = MonthDay::Nth { nth: 2, weekday: Weekday::Tuesday };
/// let on = vec![MonthDay::Day(15), second_tuesday, MonthDay::LastDay];
/// assert_eq!(monthly, Recurrence::Monthly { on, at: vec!["06:30".parse()?] });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Recurrence {
    /// Only when somebody says so.
    OnDemand,
    /// Once, at a local time in whole seconds.
    Once(
        #[cfg_attr(
            feature = "schema",
            schemars(with = "super::schedule_schema::DateTimeText")
        )]
        NaiveDateTime,
    ),
    /// Again after a time, which is real time: the clocks of the zone do not matter.
    Every {
        /// How many units lie between two runs.
        count: u32,
        /// The unit.
        unit: IntervalUnit,
        /// What is counted from.
        #[serde(default, skip_serializing_if = "CountedFrom::is_epoch")]
        from: CountedFrom,
    },
    /// Every day, or every weekday.
    Daily {
        /// Which days.
        #[serde(default, skip_serializing_if = "WorkDays::is_every_day")]
        days: WorkDays,
        /// The local times, one at least.
        at: Vec<TimeOfDay>,
    },
    /// On days of the week.
    Weekly {
        /// The days, one at least.
        on: Vec<Weekday>,
        /// The local times, one at least.
        at: Vec<TimeOfDay>,
    },
    /// On days of each month. A month that does not have a day has no run for it.
    Monthly {
        /// The days, one at least.
        on: Vec<MonthDay>,
        /// The local times, one at least.
        at: Vec<TimeOfDay>,
    },
    /// On days of one month of each quarter, which begin with January, April, July and October.
    Quarterly {
        /// Which month of the quarter: 1 to 3.
        #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 255)))]
        month: u8,
        /// The days, one at least.
        on: Vec<MonthDay>,
        /// The local times, one at least.
        at: Vec<TimeOfDay>,
    },
    /// On days of some months of each year.
    Yearly {
        /// The months, 1 to 12, one at least.
        months: Vec<u8>,
        /// The days, one at least.
        on: Vec<MonthDay>,
        /// The local times, one at least.
        at: Vec<TimeOfDay>,
    },
    /// When the clocks fit a cron expression: minute, hour, day of the month, month and day of the week, with the second in front if
    /// there are six fields. What may stand in them is told in [the guide](crate::docs::scheduling).
    Cron(String),
    /// Whenever one of these would run. They may not be `any_of` or `on_demand` themselves.
    AnyOf(Vec<Recurrence>),
    /// When something happens.
    Event(Event),
}

/// A unit of real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IntervalUnit {
    /// Seconds.
    Seconds,
    /// 60 seconds.
    Minutes,
    /// 3,600 seconds.
    Hours,
    /// 86,400 seconds, whatever clocks show.
    Days,
}

impl IntervalUnit {
    /// How many seconds it has.
    pub fn seconds(self) -> u32 {
        match self {
            IntervalUnit::Seconds => 1,
            IntervalUnit::Minutes => 60,
            IntervalUnit::Hours => 3_600,
            IntervalUnit::Days => 86_400,
        }
    }
}

/// What an interval is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum CountedFrom {
    /// 1970-01-01T00:00:00Z, so that a unit that divides a day begins with the day of UTC.
    #[default]
    Epoch,
    /// This instant, in whole seconds.
    Anchor(
        #[cfg_attr(
            feature = "schema",
            schemars(with = "super::schedule_schema::InstantText")
        )]
        DateTime<Utc>,
    ),
    /// The end of the last run; the first run is due at once.
    LastEnd,
}

impl CountedFrom {
    fn is_epoch(&self) -> bool {
        *self == CountedFrom::Epoch
    }
}

/// Which days a daily schedule runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkDays {
    /// Every day.
    #[default]
    EveryDay,
    /// Monday to Friday.
    Weekdays,
}

impl WorkDays {
    fn is_every_day(&self) -> bool {
        *self == WorkDays::EveryDay
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// `monday`
    Monday,
    /// `tuesday`
    Tuesday,
    /// `wednesday`
    Wednesday,
    /// `thursday`
    Thursday,
    /// `friday`
    Friday,
    /// `saturday`
    Saturday,
    /// `sunday`
    Sunday,
}

impl From<Weekday> for chrono::Weekday {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => chrono::Weekday::Mon,
            Weekday::Tuesday => chrono::Weekday::Tue,
            Weekday::Wednesday => chrono::Weekday::Wed,
            Weekday::Thursday => chrono::Weekday::Thu,
            Weekday::Friday => chrono::Weekday::Fri,
            Weekday::Saturday => chrono::Weekday::Sat,
            Weekday::Sunday => chrono::Weekday::Sun,
        }
    }
}

/// A day of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum MonthDay {
    /// The date, 1 to 31.
    Day(u8),
    /// The last day.
    LastDay,
    /// The last day from Monday to Friday.
    LastWorkingDay,
    /// A weekday that comes for the first to fifth time.
    Nth {
        /// Which time: 1 to 5.
        nth: u8,
        /// The weekday.
        weekday: Weekday,
    },
    /// A weekday that comes for the last time.
    Last(Weekday),
}

/// What a schedule may wait for; the host tells when [it happened](crate::schedule::Happened).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Event {
    /// A file has come whose name begins like this.
    FileArrived {
        /// The beginning of its name; empty for any file.
        prefix: String,
    },
    /// The host's interface was called.
    ApiCall {
        /// What the call was for.
        topic: String,
    },
    /// Another job has run.
    JobEnded {
        /// Its name.
        job: String,
        /// Whether it must have gone well.
        #[serde(default)]
        only_success: bool,
    },
}

/// A time of the day by the clocks, in whole seconds: `06:30` or `06:30:15`.
///
/// ```
/// use syncline::spec::TimeOfDay;
///
/// let time: TimeOfDay = "06:30".parse()?;
/// assert_eq!((time.seconds(), time.to_string().as_str()), (23_400, "06:30"));
/// assert!("24:00".parse::<TimeOfDay>().is_err());
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u32);

impl TimeOfDay {
    /// Seconds since midnight by the clocks, up to 86,399.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |part: &str, most: u32| {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|n| digits && *n <= most)
        };
        let mut parts = text.split(':');
        let mut part = |most| parts.next().map(|part| number(part, most));
        let read = match (part(23), part(59), part(59), part(0)) {
            (Some(h), Some(m), s, None) => h.zip(m).zip(s.unwrap_or(Some(0))),
            _ => None,
        };
        match read {
            Some(((hour, minute), second)) => Ok(TimeOfDay(hour * 3_600 + minute * 60 + second)),
            None => {
                let message = "this is no time of the day; write it like `06:30` or `18:00:05`";
                Err(Error::new(ErrorKind::Invalid, message).with("time", text))
            }
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TimeOfDay(time) = self;
        write!(f, "{:02}:{:02}", time / 3_600, time / 60 % 60)?;
        match time % 60 {
            0 => Ok(()),
            second => write!(f, ":{second:02}"),
        }
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
