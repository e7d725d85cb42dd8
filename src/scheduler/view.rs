//! Timetables as people see them.

use chrono::{DateTime, Utc};

use super::ProvidedJob;
use super::shelf::Found;
use super::timetable::Waiting;
use crate::Tenant;
use crate::job::Trigger;
use crate::schedule::{LastOutcome, NextRun};

/// When a job runs, for people.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TimetableView {
    /// Whose job.
    pub tenant: Tenant,
    /// The job.
    pub job: String,
    /// When and how it runs.
    pub provided: ProvidedJob,
    /// When it is due next by its schedule.
    pub next: Option<DateTime<Utc>>,
    /// Runs that are to start, in order.
    pub waiting: Vec<RunView>,
    /// The run that goes on.
    pub running: Option<RunView>,
    /// The scheduler that runs it.
    pub scheduler: Option<String>,
    /// When the last run that came to its end began.
    pub last_start: Option<DateTime<Utc>>,
    /// When it ended.
    pub last_end: Option<DateTime<Utc>>,
    /// How.
    pub last_outcome: Option<LastOutcome>,
    /// How many runs were left out because another one went on.
    pub skipped: u64,
    /// How many were left out because nobody was there to start them in time.
    pub missed: u64,
}

/// A run that waits or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunView {
    /// Its name.
    pub run: String,
    /// When it was due.
    pub due: DateTime<Utc>,
    /// Why it starts.
    pub trigger: Trigger,
    /// When it may start, or when it began.
    pub at: DateTime<Utc>,
    /// How often it has begun.
    pub begun: u32,
}

pub(super) fn view(tenant: &Tenant, job: &str, found: Found, now: DateTime<Utc>) -> TimetableView {
    let Found {
        mut timetable,
        schedule,
        ..
    } = found;
    // What is due while a run goes on will be decided like this.
    timetable.settle(now, &schedule, job);
    let next = match timetable.next(&schedule, job) {
        NextRun::At(at) => Some(at),
        _ => None,
    };
    let shown = |run: &Waiting, at| RunView {
        run: run.run.clone(),
        due: run.due,
        trigger: run.trigger.clone(),
        at,
        begun: run.begun,
    };
    TimetableView {
        tenant: tenant.clone(),
        job: job.to_owned(),
        next,
        waiting: timetable
            .waiting
            .iter()
            .map(|run| shown(run, run.wait.until.max(run.due)))
            .collect(),
        running: timetable
            .running
            .as_ref()
            .map(|running| shown(&running.run, running.since)),
        scheduler: timetable.running.map(|running| running.scheduler),
        last_start: timetable.last.start,
        last_end: timetable.last.end,
        last_outcome: timetable.last.outcome,
        skipped: timetable.skipped,
        missed: timetable.missed,
        provided: ProvidedJob {
            name: timetable.name,
            settings: timetable.settings,
            enabled: timetable.enabled,
            edition: timetable.edition,
            connections: timetable.connections,
        },
    }
}
