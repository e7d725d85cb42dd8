//! What is saved of a job: when it runs next, whether it runs, and how that changes. No I/O.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::due::due;
use super::provider::ProvidedJob;
use crate::host::Bug;
use crate::job::{Outcome, Trigger};
use crate::schedule::{LastOutcome, NextRun, NoRun, Schedule, ScheduleRequest};
use crate::spec::{MissedRuns, RunSettings, WhileRunning};

/// A run that begins later than this after it was due was missed.
const LATE: TimeDelta = TimeDelta::minutes(1);
/// In place of a time: it runs, so it is looked at whatever the clocks say. Behind all times, as they are spelled in the index.
pub(super) const RUNNING: i64 = 999_999_999_999;
/// The most runs that somebody asked for and that wait.
pub(super) const MOST_WAITING: usize = 100;
/// How many events are remembered, so that one that is told twice starts one run.
const MOST_HEARD: usize = 100;

/// The truth about when a job runs. It changes by compare-and-swap, and a run begins with the change that says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timetable {
    pub(super) name: String,
    pub(super) edition: String,
    pub(super) enabled: bool,
    pub(super) connections: Vec<String>,
    pub(super) settings: RunSettings,
    /// What was due up to here is decided: it waits, runs, has run, or was left out.
    pub(super) decided: DateTime<Utc>,
    /// The latest run of the schedule that ever began: neither it nor one before it begins again, whatever clocks say.
    pub(super) begun_through: DateTime<Utc>,
    /// Runs that are to start, in order.
    pub(super) waiting: Vec<Waiting>,
    pub(super) running: Option<Running>,
    pub(super) last: LastRun,
    /// Events that started a run.
    pub(super) heard: Vec<String>,
    /// Runs that were left out because another one went on.
    pub(super) skipped: u64,
    /// Runs that were left out because nobody was there to start them.
    pub(super) missed: u64,
    /// The job is gone: nothing starts any more, and this goes when nothing runs.
    pub(super) gone: bool,
    /// Goes up with each change.
    pub(super) change: u64,
    /// Where it stands in the index.
    pub(super) hint: Option<Hint>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    pub(super) run: String,
    pub(super) due: DateTime<Utc>,
    pub(super) trigger: Trigger,
    pub(super) not_before: DateTime<Utc>,
    /// How often it has begun, and how often of these it failed.
    pub(super) begun: u32,
    pub(super) failed: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Running {
    pub(super) run: Waiting,
    /// Drawn for this start, so that who began it knows it again.
    pub(super) start: String,
    /// The session of the scheduler that runs it, and what people call that one.
    pub(super) session: String,
    pub(super) scheduler: String,
    pub(super) since: DateTime<Utc>,
    /// Whether it is to stop.
    pub(super) cancel: bool,
    /// The places that it has.
    pub(super) slots: Vec<Slot>,
}

/// A place to run in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slot {
    /// A connection; empty for the tenant as a whole.
    pub(super) of: String,
    pub(super) number: u16,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastRun {
    pub(super) start: Option<DateTime<Utc>>,
    pub(super) end: Option<DateTime<Utc>>,
    pub(super) outcome: Option<LastOutcome>,
}

/// An entry of the index: the change that wrote it, and when to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hint {
    pub(super) at: i64,
    pub(super) change: u64,
    /// What its store calls its bytes.
    pub(super) version: String,
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    /// The provider said so.
    Ended(Outcome),
    /// It was stopped, since its time was over.
    TimedOut,
    /// Its scheduler stopped, or died: the run is still to be made.
    Interrupted,
}

impl Timetable {
    pub(super) fn new(job: ProvidedJob, now: DateTime<Utc>) -> Self {
        Timetable {
            name: job.name,
            edition: job.edition,
            enabled: job.enabled,
            connections: job.connections,
            settings: job.settings,
            decided: now,
            begun_through: now,
            waiting: Vec::new(),
            running: None,
            last: LastRun::default(),
            heard: Vec::new(),
            skipped: 0,
            missed: 0,
            gone: false,
            change: 0,
            hint: None,
        }
    }

    /// What its provider says. What was due by another schedule is forgotten; `false` if nothing has changed.
    pub(super) fn provided(&mut self, job: &ProvidedJob, now: DateTime<Utc>) -> bool {
        let same = self.edition == job.edition
            && self.enabled == job.enabled
            && self.name == job.name
            && self.settings == job.settings
            && self.connections == job.connections
            && !self.gone;
        if same {
            return false;
        }
        if self.settings.schedule != job.settings.schedule || self.enabled != job.enabled {
            self.decided = self.decided.max(now);
            self.waiting
                .retain(|run| run.trigger != Trigger::Schedule && job.enabled);
        }
        self.name.clone_from(&job.name);
        self.edition.clone_from(&job.edition);
        (self.enabled, self.gone) = (job.enabled, false);
        self.settings = job.settings.clone();
        self.connections.clone_from(&job.connections);
        true
    }

    /// The job is gone. A run that goes on is to stop.
    pub(super) fn remove(&mut self) {
        (self.enabled, self.gone) = (false, true);
        self.waiting.clear();
        let running = self.running.as_mut();
        running
            .into_iter()
            .for_each(|running| running.cancel = true);
    }

    /// Whether nobody needs it any more.
    pub(super) fn is_over(&self) -> bool {
        self.gone && self.running.is_none()
    }

    fn request(&self, job: &str) -> ScheduleRequest {
        let mut request = ScheduleRequest::new(self.decided).with_job(job);
        request.last_start = self.running.as_ref().map(|running| running.since);
        request.last_start = request.last_start.or(self.last.start);
        (request.last_end, request.last_outcome) = (self.last.end, self.last.outcome);
        request
    }

    /// Decides what becomes of all that is due by now.
    pub(super) fn decide(&mut self, now: DateTime<Utc>, schedule: &dyn Schedule, job: &str) {
        if !self.enabled {
            return;
        }
        self.undecide(now);
        let keep = match self.settings.missed {
            MissedRuns::All { most } => usize::from(most.max(1)),
            _ => 1,
        };
        let found = due(schedule, self.request(job), now, keep);
        if let Some(through) = found.through.filter(|_| !Bug::InstantNotDecided.is_on()) {
            self.decided = self.decided.max(through);
        }
        if found.total == 0 {
            return;
        }
        let mut chosen: Vec<DateTime<Utc>> = found.latest.into();
        if self.running.is_some() {
            match self.settings.while_running {
                WhileRunning::Skip => chosen.clear(),
                WhileRunning::Queue => chosen = chosen.pop().into_iter().collect(),
                WhileRunning::Cancel => {
                    chosen = chosen.pop().into_iter().collect();
                    self.running
                        .iter_mut()
                        .for_each(|running| running.cancel = true);
                }
            }
            self.skipped += found.total - chosen.len() as u64;
            if chosen.is_empty() {
                return;
            }
            self.skipped += self.drop_scheduled();
        } else {
            if self.settings.missed == MissedRuns::None {
                chosen.retain(|at| now - at <= LATE);
            }
            self.missed += found.total - chosen.len() as u64;
            if chosen.is_empty() || !self.latest_counts() {
                let scheduled = |run: &&Waiting| run.trigger == Trigger::Schedule;
                let most = keep.saturating_sub(self.waiting.iter().filter(scheduled).count());
                let over = chosen.len().saturating_sub(most);
                self.missed += over as u64;
                chosen.drain(..over.min(chosen.len()));
            } else {
                // The newer one reads what an older one would have read.
                self.missed += self.drop_scheduled();
            }
        }
        self.waiting.extend(chosen.into_iter().map(|due| Waiting {
            run: due.to_rfc3339_opts(SecondsFormat::Secs, true),
            due,
            trigger: Trigger::Schedule,
            not_before: due,
            begun: 0,
            failed: 0,
        }));
    }

    /// Takes back what somebody decided of a time that is far from having come: one of the two clocks is wrong. If it is this one, others decide again, and nothing begins
    /// twice.
    fn undecide(&mut self, now: DateTime<Utc>) {
        let decided = now.max(self.begun_through);
        if self.decided > decided + LATE {
            self.decided = decided;
            let has_come = |run: &Waiting| {
                run.trigger != Trigger::Schedule || run.begun > 0 || run.due <= decided
            };
            self.waiting.retain(has_come);
        }
    }

    /// Forgets runs of the schedule that wait and never began; answers how many. One that has begun gives way only when another one
    /// [starts](Self::start): what is due is for a clock to say, and that may be taken back.
    fn drop_scheduled(&mut self) -> u64 {
        let before = self.waiting.len();
        let stays = |run: &Waiting| run.trigger != Trigger::Schedule || run.begun > 0;
        self.waiting.retain(stays);
        (before - self.waiting.len()) as u64
    }

    /// Whether a run of the schedule does the work of those that were due before it.
    fn latest_counts(&self) -> bool {
        !matches!(self.settings.missed, MissedRuns::All { .. })
    }

    /// The run that may start now: the first in order, and of the schedule's the latest, where that does the work of all.
    pub(super) fn startable(&self, now: DateTime<Utc>) -> Option<&Waiting> {
        if self.running.is_some() || !self.enabled {
            return None;
        }
        let mut ready = self.waiting.iter().filter(|run| run.not_before <= now);
        let first = ready.next()?;
        if first.trigger != Trigger::Schedule || !self.latest_counts() {
            return Some(first);
        }
        let later = ready.filter(|run| run.trigger == Trigger::Schedule);
        later.chain([first]).max_by_key(|run| run.due)
    }

    /// A run begins, which was [startable](Self::startable).
    pub(super) fn start(&mut self, run: &str, mut running: Running) {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.run == run) {
            running.run = self.waiting.remove(at);
            running.run.begun += 1;
            if running.run.trigger == Trigger::Schedule && self.latest_counts() {
                // It reads what they would have read, and goes on where one of them broke off.
                let due = running.run.due;
                self.waiting
                    .retain(|other| other.trigger != Trigger::Schedule || other.due > due);
            }
            if running.run.trigger == Trigger::Schedule && !Bug::InstantNotDecided.is_on() {
                self.begun_through = self.begun_through.max(running.run.due);
            }
            self.running = Some(running);
        }
    }

    /// The run that goes on came to its end.
    pub(super) fn end(&mut self, now: DateTime<Utc>, schedule: &dyn Schedule, job: &str, end: End) {
        // What was due meanwhile was due while it ran.
        self.decide(now, schedule, job);
        let Some(Running {
            mut run,
            since,
            cancel,
            ..
        }) = self.running.take()
        else {
            return;
        };
        let retry = self.settings.retry;
        let again = match end {
            End::Interrupted if cancel => None,
            // At once, whatever clocks say.
            End::Interrupted => Some(DateTime::UNIX_EPOCH),
            End::Ended(Outcome::Paused { until }) => Some(until),
            End::Ended(Outcome::Failed) | End::TimedOut if run.failed < u32::from(retry.times) => {
                run.failed += 1;
                let wait = retry.wait_after(run.failed);
                Some(now + TimeDelta::seconds(wait.into()))
            }
            End::Ended(_) | End::TimedOut => None,
        };
        match again.filter(|_| self.enabled) {
            Some(not_before) => {
                run.not_before = not_before;
                self.waiting.insert(0, run);
            }
            None => {
                let outcome = match end {
                    End::Ended(Outcome::Success | Outcome::PartialSuccess) => {
                        LastOutcome::Succeeded
                    }
                    End::Ended(Outcome::Failed) | End::TimedOut => LastOutcome::Failed,
                    End::Ended(_) | End::Interrupted => LastOutcome::Stopped,
                };
                self.last = LastRun {
                    start: Some(since),
                    // A clock may have been set back meanwhile.
                    end: Some(now.max(since)),
                    outcome: Some(outcome),
                };
            }
        }
    }

    /// Adds a run that somebody asked for; `false` if there are too many.
    pub(super) fn ask(&mut self, run: String, now: DateTime<Utc>, trigger: Trigger) -> bool {
        let is_there = self.waiting.iter().any(|waiting| waiting.run == run);
        let goes_on = self
            .running
            .as_ref()
            .is_some_and(|running| running.run.run == run);
        if is_there || goes_on {
            return true;
        }
        if self.waiting.len() >= MOST_WAITING {
            return false;
        }
        self.waiting.push(Waiting {
            run,
            due: now,
            trigger,
            not_before: now,
            begun: 0,
            failed: 0,
        });
        true
    }

    /// Remembers an event; `false` if it was heard before.
    pub(super) fn hear(&mut self, event: &str) -> bool {
        if self.heard.iter().any(|heard| heard == event) {
            return false;
        }
        self.heard.push(event.to_owned());
        let over = self.heard.len().saturating_sub(MOST_HEARD);
        self.heard.drain(..over);
        true
    }

    /// When it runs next by its schedule.
    pub(super) fn next(&self, schedule: &dyn Schedule, job: &str) -> NextRun {
        match self.enabled {
            true => schedule.next(&self.request(job)),
            false => NextRun::Never(NoRun::OnDemand),
        }
    }

    /// When somebody must look at it again, in seconds since 1970; [`RUNNING`] while it runs.
    pub(super) fn wake(&self, schedule: &dyn Schedule, job: &str) -> Option<i64> {
        if self.running.is_some() {
            return Some(RUNNING);
        }
        if self.gone {
            // At once, to be taken away.
            return Some(0);
        }
        let next = match self.next(schedule, job) {
            NextRun::At(at) | NextRun::Never(NoRun::NotUntil(at)) => Some(at),
            _ => None,
        };
        let waiting = self.waiting.iter().map(|run| run.not_before);
        let wake = waiting.filter(|_| self.enabled).chain(next).min();
        wake.map(|at| at.timestamp().clamp(0, RUNNING - 1))
    }
}
