//! A run that a scheduler has started.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;

use chrono::SecondsFormat;
use futures::future::BoxFuture;

use super::provider::{JobProvider, JobRun, RunEnd};
use super::session::Session;
use super::shelf::{Found, Shelf, TRIES, too_busy};
use super::slots;
use super::timetable::{End, Running, Slot, Timetable};
use crate::host::{Bug, CancelToken, Context, Event};
use crate::job::Outcome;
use crate::schedule::{Happened, LastOutcome};
use crate::spec::WhileRunning;
use crate::{Result, Tenant};

/// How long a run that is to stop may take to do so.
const STOPPING: Duration = Duration::from_secs(60);

/// A run that has begun: a future that makes it. It may be polled anywhere; dropping it is like a crash, and another scheduler goes on with it
/// later.
#[must_use = "a run goes on only while somebody polls it"]
pub struct StartedRun {
    pub(super) run: JobRun,
    pub(super) future: BoxFuture<'static, RunFate>,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedRun {
    /// The run.
    pub run: JobRun,
    /// What became of it.
    pub fate: RunFate,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunFate {
    /// It came to its end.
    Ended(Outcome),
    /// It was stopped, since its time was over.
    TimedOut,
    /// It was stopped with its scheduler, and another one goes on with it.
    Interrupted,
    /// It is no longer this scheduler's: another one may have it, or will go on with it.
    Lost,
}

impl StartedRun {
    /// The run.
    pub fn run(&self) -> &JobRun {
        &self.run
    }
}

impl Future for StartedRun {
    type Output = EndedRun;

    fn poll(mut self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<EndedRun> {
        let polled = self.future.as_mut().poll(task);
        polled.map(|fate| EndedRun {
            run: self.run.clone(),
            fate,
        })
    }
}

impl fmt::Debug for StartedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartedRun").field(&self.run).finish()
    }
}

/// What runs tell their scheduler.
#[derive(Debug, Default)]
pub(super) struct Shared {
    live: Mutex<BTreeMap<String, CancelToken>>,
    /// Whose runs have ended.
    ended: Mutex<Vec<Tenant>>,
    pub(super) draining: AtomicBool,
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, BTreeMap<String, CancelToken>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self) -> usize {
        self.live().len()
    }

    pub(super) fn has(&self, start: &str) -> bool {
        self.live().contains_key(start)
    }

    pub(super) fn stop_all(&self) {
        self.draining.store(true, Ordering::Release);
        self.live().values().for_each(CancelToken::cancel);
    }

    pub(super) fn take_ended(&self) -> Vec<Tenant> {
        std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn enter(self: &Arc<Self>, start: &str, tenant: &Tenant) -> Place {
        let token = CancelToken::new();
        self.live().insert(start.to_owned(), token.clone());
        Place {
            shared: Arc::clone(self),
            start: start.to_owned(),
            tenant: tenant.clone(),
            token,
        }
    }
}

/// The place of a run in its scheduler, given back however it ends.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    start: String,
    tenant: Tenant,
    token: CancelToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.live().remove(&self.start);
        let mut ended = self
            .shared
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ended.push(self.tenant.clone());
    }
}

/// A run under way.
pub(super) struct UnderWay {
    pub(super) context: Context,
    pub(super) shelf: Shelf,
    pub(super) session: Arc<Session>,
    pub(super) provider: Arc<dyn JobProvider>,
    pub(super) place: Place,
    pub(super) run: JobRun,
    /// The job's name, for those who listen.
    pub(super) name: String,
    pub(super) slots: Vec<Slot>,
    pub(super) timeout: Option<Duration>,
    pub(super) heed_every: Duration,
}

/// What became of a run that ended so.
fn fate(end: End) -> RunFate {
    match end {
        End::Ended(outcome) => RunFate::Ended(outcome),
        End::TimedOut => RunFate::TimedOut,
        End::Interrupted => RunFate::Interrupted,
    }
}

/// How the work of a run ended.
enum Worked {
    Ended(Outcome),
    TimedOut,
    Lost,
}

impl UnderWay {
    pub(super) async fn made(self) -> RunFate {
        let token = &self.place.token;
        let context = self.context.clone().with_cancel(token.clone());
        let timed_out = AtomicBool::new(false);
        let mut failure = None;
        let worked = {
            let mut work = pin!(self.provider.run(&context, &self.run));
            let mut heed = pin!(self.heed(&timed_out));
            poll_fn(|task| {
                if !self.session.is_alive(&self.context) && !Bug::RunnerOutlivesSession.is_on() {
                    return Poll::Ready(Worked::Lost);
                }
                if let Poll::Ready(ended) = work.as_mut().poll(task) {
                    let outcome = ended.unwrap_or_else(|error| {
                        failure = Some(error);
                        Outcome::Failed
                    });
                    return Poll::Ready(Worked::Ended(outcome));
                }
                heed.as_mut().poll(task)
            })
            .await
        };
        let draining = self.place.shared.draining.load(Ordering::Acquire);
        let end = match worked {
            Worked::Lost => return RunFate::Lost,
            Worked::TimedOut => End::TimedOut,
            Worked::Ended(Outcome::Cancelled) if timed_out.load(Ordering::Acquire) => End::TimedOut,
            Worked::Ended(Outcome::Cancelled) if draining => End::Interrupted,
            Worked::Ended(outcome) => End::Ended(outcome),
        };
        let forgets = end == End::Interrupted && Bug::DrainForgets.is_on();
        let told = RunEnd {
            fate: fate(end),
            again: false,
            failure,
        };
        let saved = self.save(
            if forgets {
                End::Ended(Outcome::Cancelled)
            } else {
                end
            },
            told,
        );
        match saved.await {
            Ok(true) => fate(end),
            // If it was not saved, whoever looks after it next takes it for dead, and its work is done again under the same name.
            _ => RunFate::Lost,
        }
    }

    /// Ends when the run must be given up; asks it to stop before that.
    async fn heed(&self, timed_out: &AtomicBool) -> Worked {
        let (clock, token) = (self.context.clock(), &self.place.token);
        let mut left = self.timeout.unwrap_or(Duration::MAX);
        loop {
            let wait = self.heed_every.min(left);
            clock.sleep(wait).await;
            left = left.saturating_sub(wait);
            if left.is_zero() {
                token.cancel();
                if timed_out.swap(true, Ordering::AcqRel) {
                    return Worked::TimedOut;
                }
                left = STOPPING;
            }
            match self.shelf.find(&self.run.tenant, &self.run.job).await {
                Ok(Some(found)) => match self.told(found).await {
                    None => return Worked::Lost,
                    Some(true) => token.cancel(),
                    Some(false) => {}
                },
                // The job is gone.
                Ok(None) => token.cancel(),
                // Nobody knows; the session says when it is too late.
                Err(_) => {}
            }
        }
    }

    /// This run, if its timetable says that it goes on.
    fn mine<'a>(&self, timetable: &'a Timetable) -> Option<&'a Running> {
        let running = timetable.running.as_ref();
        running.filter(|running| running.start == self.place.start)
    }

    /// Whether its timetable says that it is to stop; `None` if the run is somebody else's by now.
    async fn told(&self, mut found: Found) -> Option<bool> {
        let told = self.mine(&found.timetable)?.cancel;
        if found.timetable.settings.while_running != WhileRunning::Cancel {
            return Some(told);
        }
        // One that is due by now stops it.
        let (tenant, job) = (&self.run.tenant, &self.run.job);
        let before = found.timetable.clone();
        found
            .timetable
            .decide(self.shelf.now(), &found.schedule, job);
        if found.timetable == before {
            return Some(told);
        }
        // If somebody was faster, or the store is away, it is looked at again next time.
        match self.shelf.swap(tenant, job, &mut found).await {
            Ok(true) => Some(self.mine(&found.timetable)?.cancel),
            _ => Some(told),
        }
    }

    /// Saves the end; `false` if the run is somebody else's by now. What others are told is what is saved: whoever was faster with another change makes it
    /// begin anew.
    async fn save(&self, end: End, mut told: RunEnd) -> Result<bool> {
        let (shelf, tenant, job) = (&self.shelf, &self.run.tenant, &self.run.job);
        slots::give_back(shelf, tenant, &self.slots, &self.place.start).await?;
        for attempt in 0..TRIES {
            let Some(mut found) = shelf.find(tenant, job).await? else {
                return Ok(true);
            };
            if self.mine(&found.timetable).is_none() {
                return Ok(false);
            }
            let last = found.timetable.last;
            found.timetable.end(shelf.now(), &found.schedule, job, end);
            // Before it is saved: who dies here tells it again, and it is heard once.
            self.tell(&found.timetable, &mut told).await;
            if let Some(outcome) = found.timetable.last.outcome {
                if found.timetable.last != last {
                    self.tell_listeners(outcome).await?;
                }
            }
            if shelf.swap(tenant, job, &mut found).await? {
                return Ok(true);
            }
            shelf.give_way(attempt).await;
        }
        Err(too_busy(job))
    }

    /// Tells the provider, whose troubles do not keep a run from ending.
    async fn tell(&self, ended: &Timetable, told: &mut RunEnd) {
        let mut waiting = ended.waiting.iter();
        told.again = waiting.any(|waiting| waiting.run == self.run.name);
        if let Err(error) = self.provider.ended(&self.context, &self.run, told).await {
            let (what, kind) = ("notice", error.kind());
            let observer = self.context.observer();
            observer.observe(&Event::NotKept { what, kind });
        }
    }

    /// Tells the jobs that wait for this one.
    async fn tell_listeners(&self, outcome: LastOutcome) -> Result<()> {
        let (shelf, tenant) = (&self.shelf, &self.run.tenant);
        let happened = Happened::JobEnded {
            job: self.name.clone(),
            outcome,
        };
        let due = self.run.due.to_rfc3339_opts(SecondsFormat::Secs, true);
        let id = format!("{} {} {due}", self.name, self.run.name);
        let listeners = shelf.listeners(tenant, &self.name).await?;
        shelf.tell(tenant, listeners, &happened, &id).await?;
        Ok(())
    }
}
