//! A run that a scheduler has started.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;

use futures::future::BoxFuture;

use super::ending::Ending;
use super::life::End;
use super::provider::{JobProvider, JobRun, RunEnd};
use super::session::Session;
use super::shelf::{Found, Shelf, TRIES, too_busy};
use super::slots;
use super::timetable::{Running, Slot, Timetable};
use crate::host::{Bug, CancelToken, Context, Event};
use crate::job::Outcome;
use crate::schedule::LastOutcome;
use crate::spec::WhileRunning;
use crate::{Error, ErrorKind, Result, Tenant};

/// How long a run that is to stop may take to do so.
const STOPPING: Duration = Duration::from_secs(60);

/// A run that has begun: a future that makes it. It may be polled anywhere; dropping it is like a crash, and another scheduler goes on with it
/// later.
#[must_use = "a run goes on only while somebody polls it"]
pub struct StartedRun {
    pub(super) run: JobRun,
    pub(super) future: BoxFuture<'static, EndedRun>,
}

/// What became of a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct EndedRun {
    /// The run.
    pub run: JobRun,
    /// What became of it.
    pub fate: RunFate,
    /// What the provider said of it, if it could not be made, or the store, if its end could not be saved.
    pub error: Option<Error>,
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

impl RunFate {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            RunFate::Ended(outcome) => outcome.word(),
            RunFate::TimedOut => "timed_out",
            RunFate::Interrupted => "interrupted",
            RunFate::Lost => "lost",
        }
    }
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
        self.future.as_mut().poll(task)
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
    draining: AtomicBool,
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

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(super) fn begin_anew(&self) {
        self.draining.store(false, Ordering::Release);
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
            has_begun: false,
        }
    }
}

impl Place {
    /// The same, of a run that has begun: when it ends there is room for others.
    pub(super) fn begun(mut self) -> Self {
        self.has_begun = true;
        self
    }
}

/// The place of a run in its scheduler, given back however it ends.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    start: String,
    tenant: Tenant,
    token: CancelToken,
    has_begun: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.live().remove(&self.start);
        if !self.has_begun {
            return;
        }
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
        End::Died => RunFate::Lost,
    }
}

/// How the work of a run ended.
enum Worked {
    Ended(Result<Outcome>),
    /// It was to stop and did not.
    GivenUp,
    Lost,
}

impl UnderWay {
    pub(super) async fn made(self) -> EndedRun {
        let (fate, error) = self.came_to().await;
        let (tenant, job, run) = (self.run.tenant.as_ref(), &*self.run.job, &*self.run.run);
        self.context.observer().observe(&Event::ScheduledRun {
            tenant,
            job,
            run,
            fate: fate.word(),
            kind: error.as_ref().map(Error::kind),
        });
        if Bug::ListenersToldLate.is_on() {
            self.told_late(fate).await;
        }
        EndedRun {
            run: self.run,
            fate,
            error,
        }
    }

    /// A defect: so late that its process may be gone by then.
    async fn told_late(&self, fate: RunFate) {
        let RunFate::Ended(Outcome::Success | Outcome::PartialSuccess) = fate else {
            return;
        };
        self.context.clock().sleep(STOPPING).await;
        let ending = Ending {
            context: &self.context,
            shelf: &self.shelf,
            provider: &*self.provider,
            run: &self.run,
            name: &self.name,
            behind: &[],
        };
        let _ = ending.tell_listeners(LastOutcome::Succeeded).await;
    }

    async fn came_to(&self) -> (RunFate, Option<Error>) {
        let timed_out = AtomicBool::new(false);
        let worked = self.worked(&timed_out).await;
        let stopped = match (timed_out.into_inner(), self.place.shared.is_draining()) {
            (true, _) => End::TimedOut,
            (false, true) => End::Interrupted,
            (false, false) => End::Ended(Outcome::Cancelled),
        };
        let (end, error) = match worked {
            Worked::Lost => {
                // If this fails, whoever finds no place takes it away.
                let _ = self.give_back().await;
                return (RunFate::Lost, None);
            }
            Worked::GivenUp | Worked::Ended(Ok(Outcome::Cancelled)) => (stopped, None),
            Worked::Ended(Ok(outcome)) => (End::Ended(outcome), None),
            Worked::Ended(Err(error)) if self.is_stopped_by(&error) => (stopped, Some(error)),
            Worked::Ended(Err(error)) => (
                End::Ended(Outcome::of(&error, self.shelf.now())),
                Some(error),
            ),
        };
        let forgets = end == End::Interrupted && Bug::DrainForgets.is_on();
        let mut told = RunEnd {
            fate: fate(end),
            again: false,
            failure: error,
        };
        let saved = self.save(
            if forgets {
                End::Ended(Outcome::Cancelled)
            } else {
                end
            },
            &mut told,
        );
        let fate = match saved.await {
            Ok(true) => told.fate,
            // If it was not saved, whoever looks after it next takes it for dead, and its work is done again under the same name.
            Ok(false) => RunFate::Lost,
            Err(unsaved) => return (RunFate::Lost, Some(unsaved)),
        };
        (fate, told.failure)
    }

    async fn worked(&self, timed_out: &AtomicBool) -> Worked {
        let mut context = self.context.clone().with_cancel(self.place.token.clone());
        if let Some(actor) = &self.run.actor {
            context = context.with_actor(actor.as_str());
        }
        let mut work = pin!(self.provider.run(&context, &self.run));
        let mut heed = pin!(self.heed(timed_out));
        poll_fn(|task| {
            if !self.session.is_alive(&self.context) && !Bug::RunnerOutlivesSession.is_on() {
                return Poll::Ready(Worked::Lost);
            }
            if let Poll::Ready(ended) = work.as_mut().poll(task) {
                return Poll::Ready(Worked::Ended(ended));
            }
            heed.as_mut().poll(task)
        })
        .await
    }

    /// Whether an error says that it stopped because it was to.
    fn is_stopped_by(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::Cancelled && self.place.token.is_cancelled()
    }

    /// Ends when the run must be given up; asks it to stop before that.
    async fn heed(&self, timed_out: &AtomicBool) -> Worked {
        let (clock, token) = (self.context.clock(), &self.place.token);
        let began = clock.monotonic();
        let mut stops_since = None;
        loop {
            // By when something must be done, heard of or not.
            let by = match (stops_since, self.timeout) {
                (Some(since), _) => since + STOPPING,
                (None, Some(timeout)) => began.saturating_add(timeout),
                (None, None) => Duration::MAX,
            };
            let left = by.saturating_sub(clock.monotonic());
            clock.sleep(self.heed_every.min(left)).await;
            let now = clock.monotonic();
            if now >= by && stops_since.is_some() {
                return Worked::GivenUp;
            }
            if now >= by && !token.is_cancelled() {
                timed_out.store(true, Ordering::Release);
                token.cancel();
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
            if token.is_cancelled() {
                stops_since = stops_since.or(Some(now));
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
        let told = self.mine(&found.timetable)?.stop.is_some();
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
            Ok(true) => Some(self.mine(&found.timetable)?.stop.is_some()),
            _ => Some(told),
        }
    }

    async fn give_back(&self) -> Result<()> {
        let (tenant, job) = (&self.run.tenant, &self.run.job);
        slots::give_back(&self.shelf, tenant, job, &self.slots, &self.place.start).await
    }

    /// Saves the end; `false` if the run is somebody else's by now. What others are told is what is saved: whoever was faster with another change makes it
    /// begin anew.
    async fn save(&self, end: End, told: &mut RunEnd) -> Result<bool> {
        let (shelf, tenant, job) = (&self.shelf, &self.run.tenant, &self.run.job);
        self.give_back().await?;
        for attempt in 0..TRIES {
            let Some(mut found) = shelf.find(tenant, job).await? else {
                return Ok(true);
            };
            let Some(running) = self.mine(&found.timetable) else {
                return Ok(false);
            };
            let (behind, last) = (running.run.behind.clone(), found.timetable.last);
            let ending = Ending {
                context: &self.context,
                shelf,
                provider: &*self.provider,
                run: &self.run,
                name: &self.name,
                behind: &behind,
            };
            found.timetable.end(shelf.now(), &found.schedule, job, end);
            // Before it is saved: who dies here tells it again, and it is heard once.
            ending.tell_provider(&found.timetable, told, STOPPING).await;
            let outcome = found.timetable.last.outcome;
            let outcome = outcome.filter(|_| found.timetable.last != last);
            if let Some(outcome) = outcome.filter(|_| !Bug::ListenersToldLate.is_on()) {
                ending.tell_listeners(outcome).await?;
            }
            if shelf.swap(tenant, job, &mut found).await? {
                return Ok(true);
            }
            shelf.give_way(attempt).await;
        }
        Err(too_busy(job))
    }
}
