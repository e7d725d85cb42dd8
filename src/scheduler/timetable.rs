//! What is saved of a job: when it runs next, whether it runs, and who changes that. No I/O.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::provider::ProvidedJob;
use super::queue::rank;
use crate::job::Trigger;
use crate::schedule::{LastOutcome, NextRun, NoRun, Schedule, ScheduleRequest};
use crate::spec::{MissedRuns, RunSettings};

/// What clocks may be apart; and a run that begins later than this after it was due was missed.
pub(super) const LATE: TimeDelta = TimeDelta::minutes(1);
/// In place of a time: it runs, so it is looked at whatever the clocks say. Behind all times, as they are spelled in the index.
pub(super) const RUNNING: i64 = 999_999_999_999;
/// The most runs that somebody asked for and that wait.
pub(super) const MOST_WAITING: usize = 100;
/// How many events are remembered, so that one that is told twice starts one run.
const MOST_HEARD: usize = 1_000;

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
    /// Until when the provider wants to be left alone, since a run said so.
    pub(super) pause: Option<Wait>,
    pub(super) last: LastRun,
    /// Events that started a run, as digests.
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
    /// What it is filed under as a listener.
    pub(super) listens: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    pub(super) run: String,
    pub(super) due: DateTime<Utc>,
    pub(super) trigger: Trigger,
    /// The jobs whose ends led to it.
    pub(super) behind: Vec<String>,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<String>,
    pub(super) wait: Wait,
    /// How often it has begun, how often of these it failed, and how often its scheduler died.
    pub(super) begun: u32,
    pub(super) failed: u32,
    pub(super) died: u32,
}

/// A time to wait, by the clock of whoever said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    pub(super) since: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
}

impl Wait {
    /// Not at all, whatever clocks say.
    pub(super) const NONE: Wait = Wait {
        since: DateTime::UNIX_EPOCH,
        until: DateTime::UNIX_EPOCH,
    };

    pub(super) fn until(since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Wait { since, until }
    }

    /// Waits as long from now on, if it began later than that: one of the two clocks is wrong.
    pub(super) fn mend(&mut self, now: DateTime<Utc>) {
        if self.since > now + LATE {
            (self.since, self.until) = (now, now + (self.until - self.since));
        }
    }
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
    /// Through when runs had begun before it, if it is one of the schedule: for a start that is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) begun_before: Option<DateTime<Utc>>,
    /// Why it is to stop, if it is.
    pub(super) stop: Option<Stop>,
    /// The places that it has.
    pub(super) slots: Vec<Slot>,
}

/// Why a run is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stop {
    /// Somebody said so: it does not come again.
    Asked,
    /// The next one is due: it gives way, once that one starts.
    GivesWay,
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
    /// Whose turn it is among those of the tenant.
    pub(super) rank: i64,
    pub(super) change: u64,
    /// What its store calls its bytes.
    pub(super) version: String,
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
            begun_through: DateTime::UNIX_EPOCH,
            waiting: Vec::new(),
            running: None,
            pause: None,
            last: LastRun::default(),
            heard: Vec::new(),
            skipped: 0,
            missed: 0,
            gone: false,
            change: 0,
            hint: None,
            listens: Vec::new(),
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
        self.stop();
    }

    /// Takes away the runs that wait, and stops the one that goes on: all of them, or that of this name; whether there was one.
    pub(super) fn cancel(&mut self, run: Option<&str>, now: DateTime<Utc>) -> bool {
        let is_meant = |waiting: &Waiting| run.is_none_or(|run| run == waiting.run);
        let broke_off = |waiting: &Waiting| is_meant(waiting) && waiting.begun > 0;
        if self.waiting.iter().any(broke_off) {
            // Never before the start, whatever clock that was of: or a schedule that counts from the end would wait for it for good.
            self.last.end = self.last.start.max(Some(now));
            self.last.outcome = Some(LastOutcome::Stopped);
        }
        let before = self.waiting.len();
        self.waiting.retain(|waiting| !is_meant(waiting));
        let goes_on = self.running.as_ref();
        let goes_on = goes_on.is_some_and(|running| is_meant(&running.run));
        if goes_on {
            self.stop();
        }
        goes_on || self.waiting.len() < before
    }

    fn stop(&mut self) {
        let running = self.running.iter_mut();
        running.for_each(|running| running.stop = Some(Stop::Asked));
    }

    /// Whether nobody needs it any more.
    pub(super) fn is_over(&self) -> bool {
        self.gone && self.running.is_none()
    }

    pub(super) fn request(&self, job: &str) -> ScheduleRequest {
        let mut request = ScheduleRequest::new(self.decided).with_job(job);
        (request.last_end, request.last_outcome) = (self.last.end, self.last.outcome);
        let running = self.running.as_ref().map(|running| running.since);
        // One that waits to go on is not over either.
        let waits = self.waiting.iter().any(|run| run.begun > 0);
        request.last_start = match running.or(waits.then_some(self.decided)) {
            // Whatever clocks were set to meanwhile, it began behind the last end.
            Some(began) => self
                .last
                .end
                .map(|end| end + TimeDelta::seconds(1))
                .max(Some(began)),
            None => self.last.start,
        };
        request
    }

    /// Whether a run of the schedule does the work of those that were due before it.
    pub(super) fn latest_counts(&self) -> bool {
        !matches!(self.settings.missed, MissedRuns::All { .. })
    }

    /// When a run that waits may start. A pause is for all but those whom a person asks for.
    fn may_start(&self, run: &Waiting) -> DateTime<Utc> {
        let pause = self.pause.filter(|_| run.trigger != Trigger::Manual);
        pause.map_or(run.wait.until, |pause| pause.until.max(run.wait.until))
    }

    /// The run that may start now: the first in order, and of the schedule's the latest, where that does the work of all.
    pub(super) fn startable(&self, now: DateTime<Utc>) -> Option<&Waiting> {
        if self.running.is_some() || !self.enabled {
            return None;
        }
        let mut ready = self.waiting.iter().filter(|run| self.may_start(run) <= now);
        let first = ready.next()?;
        if first.trigger != Trigger::Schedule || !self.latest_counts() {
            return Some(first);
        }
        let later = ready.filter(|run| run.trigger == Trigger::Schedule);
        later.chain([first]).max_by_key(|run| run.due)
    }

    /// Adds a run that somebody asked for, or something that happened behind the ends of these jobs; `false` if there are too many.
    pub(super) fn ask(
        &mut self,
        run: String,
        now: DateTime<Utc>,
        trigger: Trigger,
        behind: &[String],
    ) -> bool {
        let goes_on = self.running.as_ref().map(|running| &running.run);
        if (self.waiting.iter().chain(goes_on)).any(|known| known.run == run) {
            return true;
        }
        let asked_for = |run: &&Waiting| run.trigger != Trigger::Schedule;
        if self.waiting.iter().filter(asked_for).count() >= MOST_WAITING {
            return false;
        }
        self.waiting.push(Waiting {
            run,
            due: now,
            trigger,
            behind: behind.to_vec(),
            actor: None,
            wait: Wait::NONE,
            begun: 0,
            failed: 0,
            died: 0,
        });
        true
    }

    /// Says who asked for a run that waits, if nobody else has.
    pub(super) fn on_behalf(&mut self, run: &str, actor: Option<&str>) {
        let asked = self.waiting.iter_mut().find(|waiting| waiting.run == run);
        if let Some(asked) = asked.filter(|asked| asked.actor.is_none()) {
            asked.actor = actor.map(str::to_owned);
        }
    }

    /// Whether an event started a run here already, by its digest.
    pub(super) fn has_heard(&self, event: &str) -> bool {
        self.heard.iter().any(|heard| heard == event)
    }

    /// Remembers an event.
    pub(super) fn hear(&mut self, event: String) {
        self.heard.push(event);
        let over = self.heard.len().saturating_sub(MOST_HEARD);
        self.heard.drain(..over);
    }

    /// When it runs next by its schedule.
    pub(super) fn next(&self, schedule: &dyn Schedule, job: &str) -> NextRun {
        match self.enabled {
            true => schedule.next(&self.request(job)),
            false => NextRun::Never(NoRun::OnDemand),
        }
    }

    /// When somebody must look at it again, in seconds since 1970, and whose turn it is then; [`RUNNING`] while it runs.
    pub(super) fn wake(&self, schedule: &dyn Schedule, job: &str) -> Option<(i64, i64)> {
        if self.running.is_some() {
            return Some((RUNNING, 0));
        }
        if self.gone {
            // At once, to be taken away.
            return Some((0, 0));
        }
        let next = match self.next(schedule, job) {
            NextRun::At(at) | NextRun::Never(NoRun::NotUntil(at)) => Some((at, at)),
            _ => None,
        };
        let waiting = self.waiting.iter().filter(|_| self.enabled);
        let waiting = waiting.map(|run| (self.may_start(run), run.due));
        let (at, due) = waiting.chain(next).min()?;
        let at = at.timestamp().clamp(0, RUNNING - 1);
        Some((at, rank(due, self.settings.priority)))
    }
}
