//! When a job runs next: schedules as pure functions.
//!
//! A [`Schedule`] answers one question, when the next run after an instant is, from what its [request](ScheduleRequest) holds and
//! nothing else: no clock, no thread, no state. So any scheduler can host it, and years of runs are seen in milliseconds.
//!
//! ```
//! use syncline::schedule::{CompiledSchedule, NextRun, Schedule, ScheduleRequest};
//!
//! let schedule = CompiledSchedule::new(&"every weekday at 06:30 Europe/Berlin".parse()?)?;
//! // A Friday in winter; the next weekday has summer time.
//! let friday = ScheduleRequest::new("2026-03-27T12:00:00Z".parse()?);
//! assert_eq!(schedule.next(&friday), NextRun::At("2026-03-30T04:30:00Z".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The kinds, and the rules for clocks that are put forward and back, stand in [the guide](crate::docs::scheduling).

mod compile;
mod compiled;
mod cron;
mod days;
mod plan;
#[cfg(test)]
mod tests;
mod times;
mod zone;

use std::fmt;

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::spec::Event;

pub use compiled::CompiledSchedule;

/// When something runs next.
///
/// An answer is a function of the request alone: the same for the same request, on every machine and at any time. Runs come one by one: the next
/// run after an instant is later than it, and for any instant from there up to the run the answer is the same.
///
/// ```
/// use chrono::TimeDelta;
/// use syncline::schedule::{NextRun, Schedule, ScheduleRequest};
///
/// /// An hour after a run that failed, and otherwise a day.
/// #[derive(Debug)]
/// struct SoonerAfterFailure;
///
/// impl Schedule for SoonerAfterFailure {
///     fn next(&self, request: &ScheduleRequest) -> NextRun {
///         let failed = request.last_outcome == Some(syncline::schedule::LastOutcome::Failed);
///         let due = request.last_end.map(|end| end + TimeDelta::hours(if failed { 1 } else { 24 }));
///         let soonest = request.after + TimeDelta::seconds(1);
///         NextRun::At(due.unwrap_or(soonest).max(soonest))
///     }
/// }
///
/// let request = ScheduleRequest::new("2026-03-01T12:00:00Z".parse()?).with_last_end("2026-03-01T11:30:00Z".parse()?);
/// assert_eq!(SoonerAfterFailure.next(&request), NextRun::At("2026-03-02T11:30:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Schedule: fmt::Debug + Send + Sync {
    /// The next run after [`ScheduleRequest::after`].
    fn next(&self, request: &ScheduleRequest) -> NextRun;

    /// Whether something that has happened starts a run, and may do so at that instant.
    fn starts_on(&self, _happened: &Happened, _at: DateTime<Utc>) -> bool {
        false
    }
}

/// What a [`Schedule`] is asked with.
///
/// ```
/// use syncline::schedule::ScheduleRequest;
///
/// let request = ScheduleRequest::new("2026-03-01T12:00:00Z".parse()?).with_job("people");
/// assert_eq!(request.job, "people");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleRequest {
    /// Asked for is the first run that is later.
    pub after: DateTime<Utc>,
    /// Whose runs they are; only jitter looks at it.
    pub job: String,
    /// When the last run began.
    pub last_start: Option<DateTime<Utc>>,
    /// When the last run that has ended did so.
    pub last_end: Option<DateTime<Utc>>,
    /// How it ended.
    pub last_outcome: Option<LastOutcome>,
}

impl ScheduleRequest {
    /// Asks for the first run after this instant, of a job without a name that has never run.
    pub fn new(after: DateTime<Utc>) -> Self {
        ScheduleRequest {
            after,
            job: String::new(),
            last_start: None,
            last_end: None,
            last_outcome: None,
        }
    }

    /// Of this job.
    #[must_use]
    pub fn with_job(mut self, job: impl Into<String>) -> Self {
        self.job = job.into();
        self
    }

    /// Whose last run began then.
    #[must_use]
    pub fn with_last_start(mut self, start: DateTime<Utc>) -> Self {
        self.last_start = Some(start);
        self
    }

    /// Whose last run ended then.
    #[must_use]
    pub fn with_last_end(mut self, end: DateTime<Utc>) -> Self {
        self.last_end = Some(end);
        self
    }

    /// Whose last run ended so.
    #[must_use]
    pub fn with_last_outcome(mut self, outcome: LastOutcome) -> Self {
        self.last_outcome = Some(outcome);
        self
    }
}

/// How a job's last run ended, as far as a schedule may care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LastOutcome {
    /// All records were written, or all that were not refused.
    Succeeded,
    /// It failed.
    Failed,
    /// It was stopped, or paused, before its end.
    Stopped,
}

/// When the next run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextRun {
    /// Then.
    At(DateTime<Utc>),
    /// Some time after the run that goes on has ended: ask again then.
    AfterEnd,
    /// Only when one of [its events](Schedule::starts_on) happens.
    OnEvent,
    /// Not by itself.
    Never(NoRun),
}

impl NextRun {
    /// The instant, if there is one.
    pub fn at(self) -> Option<DateTime<Utc>> {
        match self {
            NextRun::At(at) => Some(at),
            _ => None,
        }
    }
}

/// Why there is no next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoRun {
    /// The job only runs when somebody says so.
    OnDemand,
    /// The last run is over.
    Over,
    /// What a schedule leaves out left nothing of the runs up to this instant, and no more were looked at: ask again with it.
    NotUntil(DateTime<Utc>),
}

/// The days on which the host does not work.
///
/// A calendar must answer the same for a day each time, or runs are counted twice or missed.
///
/// ```
/// use chrono::{Datelike, NaiveDate};
/// use syncline::schedule::Holidays;
///
/// #[derive(Debug)]
/// struct NewYear;
///
/// impl Holidays for NewYear {
///     fn is_holiday(&self, day: NaiveDate) -> bool {
///         day.ordinal() == 1
///     }
/// }
/// ```
pub trait Holidays: fmt::Debug + Send + Sync {
    /// Whether this day, of the zone of the schedule, is one of them.
    fn is_holiday(&self, day: NaiveDate) -> bool;
}

/// What has happened, as the host tells it to [`Schedule::starts_on`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happened {
    /// A file of this name has come.
    File(String),
    /// The host's interface was called for this topic.
    Call(String),
    /// A job has run.
    JobEnded {
        /// Its name.
        job: String,
        /// How it ended.
        outcome: LastOutcome,
    },
}

impl Happened {
    /// Whether this is what an event waits for.
    pub fn is(&self, event: &Event) -> bool {
        match (self, event) {
            (Happened::File(name), Event::FileArrived { prefix }) => name.starts_with(prefix),
            (Happened::Call(called), Event::ApiCall { topic }) => called == topic,
            (
                Happened::JobEnded {
                    job: ended,
                    outcome,
                },
                Event::JobEnded { job, only_success },
            ) => ended == job && (!only_success || *outcome == LastOutcome::Succeeded),
            _ => false,
        }
    }
}

/// A coming run, as a [preview](CompiledSchedule::preview) shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreviewRun {
    /// When it is.
    pub at: DateTime<Utc>,
    /// What the clocks of the zone show then, and by how much they are ahead of UTC.
    pub local: DateTime<FixedOffset>,
}
