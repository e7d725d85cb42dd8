//! The jobs of all tenants, and a book of what became of each of their runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use syncline::host::{Clock as _, Context, Event, Observer};
use syncline::job::{Outcome, Trigger};
use syncline::memory::ManualClock;
use syncline::scheduler::{JobProvider, JobRun, ProvidedJob};
use syncline::spec::RunSettings;
use syncline::{Error, ErrorKind, Result, Tenant};

use super::super::sweep::Chance;
use super::{LONGEST, Name, provided};

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    /// It is over, as far as the run itself knows.
    Over,
    /// It is to come again.
    Again,
    /// Its cancel token was set.
    Stopped,
}

/// A run that began, with places in the one order of all that happened.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) process: usize,
    pub(super) tenant: Tenant,
    pub(super) job: String,
    pub(super) run: String,
    pub(super) began: u64,
    pub(super) last_step: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) last_at: DateTime<Utc>,
    pub(super) end: Option<End>,
    /// What became of it, as its scheduler said when that was saved.
    pub(super) fate: Option<String>,
    pub(super) trigger: Trigger,
    pub(super) due: DateTime<Utc>,
    /// When its process died, ended, or was disturbed, before its end was saved.
    pub(super) process_ended_by: Option<u64>,
}

/// Something that somebody did, and when.
#[derive(Debug, Clone)]
pub(super) struct Deed {
    pub(super) job: Name,
    /// The run, or the id of what happened.
    pub(super) of: String,
    pub(super) at: DateTime<Utc>,
}

#[derive(Debug)]
struct Pages {
    draw: Chance,
    happened: u64,
    attempts: Vec<Attempt>,
    asked: Vec<Deed>,
    cancelled: Vec<Deed>,
    told: Vec<Deed>,
    disturbed: BTreeSet<usize>,
}

/// The book, which all processes share.
#[derive(Debug, Clone)]
pub(super) struct Book {
    clock: ManualClock,
    jobs: Arc<BTreeMap<Name, RunSettings>>,
    pages: Arc<Mutex<Pages>>,
}

impl Book {
    pub(super) fn new(clock: &ManualClock, jobs: BTreeMap<Name, RunSettings>, seed: u64) -> Self {
        Book {
            clock: clock.clone(),
            jobs: Arc::new(jobs),
            pages: Arc::new(Mutex::new(Pages {
                draw: Chance(seed ^ 0x5eed),
                happened: 0,
                attempts: Vec::new(),
                asked: Vec::new(),
                cancelled: Vec::new(),
                told: Vec::new(),
                disturbed: BTreeSet::new(),
            })),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap()
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.pages().attempts.clone()
    }

    fn deed(&self, job: Name, of: String) -> Deed {
        let at = self.clock.now();
        Deed { job, of, at }
    }

    pub(super) fn asked(&self, job: Name, run: String) {
        let deed = self.deed(job, run);
        self.pages().asked.push(deed);
    }

    pub(super) fn cancelled(&self, job: Name, run: String) {
        let deed = self.deed(job, run);
        self.pages().cancelled.push(deed);
    }

    pub(super) fn told(&self, job: Name, id: String) {
        let deed = self.deed(job, id);
        self.pages().told.push(deed);
    }

    /// Runs that were asked for and not cancelled.
    pub(super) fn asked_for(&self) -> Vec<Deed> {
        let pages = self.pages();
        let cancelled = |deed: &Deed| pages.cancelled.iter().any(|other| other.of == deed.of);
        let asked = pages.asked.iter().filter(|deed| !cancelled(deed));
        asked.cloned().collect()
    }

    pub(super) fn all_cancelled(&self) -> Vec<Deed> {
        self.pages().cancelled.clone()
    }

    pub(super) fn all_told(&self) -> Vec<Deed> {
        self.pages().told.clone()
    }

    pub(super) fn was_disturbed(&self) -> bool {
        !self.pages().disturbed.is_empty()
    }

    /// From now on nobody knows what it came to say of its runs.
    pub(super) fn disturbed(&self, process: usize) {
        let mut pages = self.pages();
        pages.happened += 1;
        let now = pages.happened;
        pages.disturbed.insert(process);
        let runs = pages
            .attempts
            .iter_mut()
            .filter(|attempt| attempt.process == process && attempt.fate.is_none());
        runs.for_each(|attempt| attempt.process_ended_by = attempt.process_ended_by.or(Some(now)));
    }

    pub(super) fn process_died(&self, process: usize) {
        self.disturbed(process);
    }

    pub(super) fn process_ended(&self, process: usize) {
        self.disturbed(process);
    }

    /// A run goes on.
    fn step(&self, attempt: usize) {
        let mut pages = self.pages();
        pages.happened += 1;
        let now = pages.happened;
        pages.attempts[attempt].last_step = now;
        pages.attempts[attempt].last_at = self.clock.now();
    }

    fn end(&self, attempt: usize, end: End) {
        self.step(attempt);
        self.pages().attempts[attempt].end = Some(end);
    }

    fn begin(&self, process: usize, run: &JobRun) -> usize {
        let mut pages = self.pages();
        pages.happened += 1;
        let began = pages.happened;
        let now = self.clock.now();
        let disturbed = pages.disturbed.contains(&process).then_some(began);
        pages.attempts.push(Attempt {
            process,
            tenant: run.tenant.clone(),
            job: run.job.clone(),
            run: run.run.clone(),
            began,
            last_step: began,
            at: now,
            last_at: now,
            end: None,
            fate: None,
            trigger: run.trigger.clone(),
            due: run.due,
            process_ended_by: disturbed,
        });
        pages.attempts.len() - 1
    }

    fn below(&self, bound: u64) -> u64 {
        self.pages().draw.below(bound)
    }
}

/// The book, as one process has it.
#[derive(Debug, Clone)]
pub(super) struct Provider {
    pub(super) process: usize,
    pub(super) book: Book,
}

impl Observer for Provider {
    fn observe(&self, event: &Event<'_>) {
        let Event::ScheduledRun {
            tenant,
            job,
            run,
            fate,
            ..
        } = event
        else {
            return;
        };
        let mut pages = self.book.pages();
        let mut attempts = pages.attempts.iter_mut().rev();
        let of_run = attempts.find(|attempt| {
            let it = (attempt.tenant.as_ref(), &*attempt.job, &*attempt.run);
            attempt.process == self.process && it == (tenant, job, run)
        });
        // What is lost was not saved.
        if let Some(attempt) = of_run.filter(|_| *fate != "lost") {
            attempt.fate = Some((*fate).to_owned());
        }
    }
}

#[async_trait]
impl JobProvider for Provider {
    async fn job(&self, _: &Context, tenant: &Tenant, job: &str) -> Result<Option<ProvidedJob>> {
        let settings = self.book.jobs.get(&(tenant.clone(), job.to_owned()));
        Ok(settings.map(|settings| provided(job, settings)))
    }

    async fn run(&self, context: &Context, run: &JobRun) -> Result<Outcome> {
        let attempt = self.book.begin(self.process, run);
        let long = match self.book.below(8) {
            0 => LONGEST,
            _ => 1 + self.book.below(20),
        };
        // Some take no notice of their token.
        let is_deaf = self.book.below(20) == 0;
        let ends = context.clock().monotonic() + Duration::from_secs(long);
        while context.clock().monotonic() < ends {
            let step = Duration::from_secs(1 + self.book.below(15));
            context.clock().sleep(step).await;
            self.book.step(attempt);
            if context.cancel().is_cancelled() && !is_deaf {
                self.book.end(attempt, End::Stopped);
                return Ok(Outcome::Cancelled);
            }
        }
        let (end, outcome) = match self.book.below(12) {
            0 => (End::Again, Ok(Outcome::Failed)),
            1 => (End::Again, Err(Error::new(ErrorKind::Io, "down"))),
            2 => {
                let until = context.clock().now() + chrono::TimeDelta::seconds(20);
                (End::Again, Ok(Outcome::Paused { until }))
            }
            3 => (End::Over, Ok(Outcome::PartialSuccess)),
            _ => (End::Over, Ok(Outcome::Success)),
        };
        self.book.end(attempt, end);
        outcome
    }
}
