//! Starting jobs when they are due, in any number of processes, each run once.
//!
//! | type | is |
//! |---|---|
//! | [`Timetables`] | when the jobs of all tenants run, in the host's state store: put, run now, cancel, look |
//! | [`JobProvider`] | has the jobs and runs them; a [workspace](crate::workspace::Workspaces) is one |
//! | [`Scheduler`] | starts what is due; has no thread: it is one future, or is asked tick by tick |
//!
//! How it works, and what it promises, stands in [the guide](crate::docs::scheduling).

mod begin;
mod config;
mod decide;
mod due;
mod ending;
mod index;
mod life;
mod listeners;
mod look;
mod provider;
mod queue;
mod resting;
mod run;
mod session;
mod shelf;
mod slots;
mod timetable;
mod timetables;
mod view;

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use self::queue::Queue;
use self::resting::Resting;
use self::run::Shared;
use self::session::{Session, Watch, is_lost};
use crate::host::{Context, Event, StateKey};
use crate::{Error, Result};

pub use config::{RunLimits, SchedulerConfig};
pub use listeners::EventReport;
pub use provider::{JobProvider, JobRun, ProvidedJob, RunEnd};
pub use run::{EndedRun, RunFate, StartedRun};
pub use timetables::Timetables;
pub use view::{RunView, TimetableView};

/// Starts jobs when they are due.
///
/// Any number of schedulers, in any number of processes, share [`Timetables`]: each run of a job is started by one of them. If that one dies, another one goes on with
/// the run.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::{Arc, Mutex};
/// use async_trait::async_trait;
/// use syncline::host::{CancelToken, Clock, Context};
/// use syncline::job::Outcome;
/// use syncline::memory::{ManualClock, MemoryState};
/// use syncline::scheduler::{JobProvider, JobRun, ProvidedJob, Scheduler, SchedulerConfig, Timetables};
/// use syncline::spec::RunSettings;
/// use syncline::{Result, Tenant};
///
/// #[derive(Debug, Default)]
/// struct Notes(Mutex<Vec<String>>, CancelToken);
///
/// #[async_trait]
/// impl JobProvider for Notes {
///     async fn job(&self, _: &Context, _: &Tenant, _: &str) -> Result<Option<ProvidedJob>> {
///         Ok(Some(ProvidedJob::new("hello", RunSettings::new("every hour".parse()?))))
///     }
///
///     async fn run(&self, _: &Context, run: &JobRun) -> Result<Outcome> {
///         let mut runs = self.0.lock().unwrap();
///         runs.push(run.run.clone());
///         if runs.len() == 3 {
///             self.1.cancel();
///         }
///         Ok(Outcome::Success)
///     }
/// }
///
/// let clock = ManualClock::new("2026-03-01T11:30:00Z".parse().unwrap());
/// let (provider, acme) = (Arc::new(Notes::default()), Tenant::new("acme")?);
/// let context = Context::new().with_clock(Arc::new(clock.clone())).with_cancel(provider.1.clone());
/// let timetables = Timetables::new(Tenant::new("the host")?, Arc::new(MemoryState::new()));
/// timetables.put(&context, &acme, "1", provider.job(&context, &acme, "1").await?.unwrap()).await?;
///
/// let mut scheduler = Scheduler::new(SchedulerConfig::new("machine 7", timetables, provider.clone()));
/// clock.drive(scheduler.run(&context)).unwrap()?;
/// assert_eq!(*provider.0.lock().unwrap(), ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z"]);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
pub struct Scheduler {
    config: SchedulerConfig,
    session: Option<Arc<Session>>,
    watch: Watch,
    queue: Queue,
    shared: Arc<Shared>,
    /// Up to where the index was looked at; `None` begins anew.
    looked: Option<StateKey>,
    /// Up to where timetables were compared with the index.
    compared: Option<StateKey>,
    /// When runs that go on were looked after, by the clock that never jumps.
    looked_after: Option<Duration>,
    /// Jobs that are left alone for a while.
    resting: Resting,
}

/// What a scheduler did when it looked what is due.
#[derive(Debug, Default)]
#[must_use = "its runs go on only while somebody polls them"]
#[non_exhaustive]
pub struct Tick {
    /// Runs that have begun: the host polls them, where and as long as it likes.
    pub started: Vec<StartedRun>,
    /// How many runs are known to wait for a place.
    pub waiting: usize,
    /// Jobs that could not be looked at or started now; they are tried again.
    pub problems: Vec<Error>,
}

impl Scheduler {
    /// A scheduler that has not begun.
    pub fn new(config: SchedulerConfig) -> Self {
        Scheduler {
            config,
            session: None,
            watch: Watch::default(),
            queue: Queue::default(),
            shared: Arc::default(),
            looked: None,
            compared: None,
            looked_after: None,
            resting: Resting::default(),
        }
    }

    /// What it is made of.
    pub fn config(&self) -> &SchedulerConfig {
        &self.config
    }

    /// Starts what is due and makes the runs, until the cancel token of the context is set. Then no run begins any more; those that go on may end
    /// within [a time](SchedulerConfig::drain), are [stopped](Self::stop) then, and left to other schedulers.
    ///
    /// A store that cannot be reached ends nothing: the observer of the context hears of it ([`Event::NotScheduled`]), and it is tried again. It hears of the end of each
    /// run, too ([`Event::ScheduledRun`]).
    ///
    /// # Errors
    /// Terms of the lease that cannot be kept, before anything begins.
    pub async fn run(&mut self, context: &Context) -> Result<()> {
        self.config.terms.check()?;
        let mut runs = FuturesUnordered::new();
        while !context.cancel().is_cancelled() {
            let ticked = beside(&mut runs, self.tick(context)).await;
            match ticked {
                Ok(tick) => {
                    tick.problems.iter().for_each(|error| tell(context, error));
                    runs.extend(tick.started);
                }
                Err(error) => tell(context, &error),
            }
            let pause = context.clock().sleep(self.config.look_every);
            beside(&mut runs, pause).await;
        }
        self.drained(context, runs).await;
        self.end().await
    }

    /// Lets runs end for a while, stops them then, and waits until they have.
    async fn drained(&mut self, context: &Context, mut runs: FuturesUnordered<StartedRun>) {
        let clock = context.clock();
        let until = clock.monotonic().saturating_add(self.config.drain);
        while !runs.is_empty() {
            let left = until.saturating_sub(clock.monotonic());
            if left.is_zero() {
                self.stop();
            }
            let pause = match left.is_zero() {
                true => self.config.look_every,
                false => self.config.look_every.min(left),
            };
            beside(&mut runs, clock.sleep(pause)).await;
            if let Some(session) = &self.session {
                let beat = session.beat(context);
                // If it is lost, its runs end.
                let _ = beside(&mut runs, beat).await;
            }
        }
    }

    /// Starts nothing any more and has its runs stop, so that others go on with them. One that does not stop within a minute is dropped. The host goes on to poll them,
    /// and to call [`tick`](Self::tick), which keeps it alive, until they have ended.
    pub fn stop(&self) {
        self.shared.stop_all();
    }

    /// Says that it starts nothing more, so that others need not wait for it. Runs that it has started and that still go on count as lost. One that is asked again what is due
    /// begins anew.
    ///
    /// # Errors
    /// Those of the store; others wait for a while then.
    pub async fn end(&mut self) -> Result<()> {
        self.shared.begin_anew();
        match self.session.take().and_then(Arc::into_inner) {
            Some(session) => session.end().await,
            None => Ok(()),
        }
    }

    /// Looks once what is due and starts it. A host that has its own loop calls this every second or so, once at a time, polls the
    /// [runs](Tick::started) itself, and calls [`end`](Self::end) at last.
    ///
    /// # Errors
    /// Those of the store, and of terms that cannot be kept. What was begun before goes on.
    pub async fn tick(&mut self, context: &Context) -> Result<Tick> {
        let session = self.alive(context).await?;
        // A tenant whose jobs take long to look at does not make it look dead.
        session
            .beside(context, self.looked(context, &session))
            .await
    }

    async fn looked(&mut self, context: &Context, session: &Arc<Session>) -> Result<Tick> {
        self.watch.look().await;
        for tenant in self.shared.take_ended() {
            self.queue.ended(&tenant);
            self.resting.wake(&tenant);
        }
        self.resting.pass(context.clock().monotonic());
        let shelf = self.config.timetables.shelf(context);
        let mut tick = Tick::default();
        self.look_after(&shelf, session, &mut tick).await?;
        self.look(&shelf, session, &mut tick).await?;
        self.start(context, &shelf, session, &mut tick).await;
        self.compare(&shelf, &mut tick).await;
        tick.waiting = self.queue.len();
        Ok(tick)
    }

    /// Its session, which has given a sign of life lately; a new one where that was lost.
    async fn alive(&mut self, context: &Context) -> Result<Arc<Session>> {
        if let Some(session) = &self.session {
            match session.beat(context).await {
                Ok(()) => return Ok(Arc::clone(session)),
                // What it had begun ends.
                Err(error) if is_lost(error.kind()) => {
                    let scheduler = &self.config.name;
                    let lost = Event::SchedulerLost { scheduler };
                    context.observer().observe(&lost);
                    self.session = None;
                }
                Err(error) => return Err(error),
            }
        }
        let session = Arc::new(Session::begin(context, &self.config).await?);
        self.watch
            .doubt_others(context, &self.config, &session.id)
            .await;
        self.session = Some(Arc::clone(&session));
        Ok(session)
    }
}

/// Does `work`, and lets runs go on beside it.
async fn beside<O>(runs: &mut FuturesUnordered<StartedRun>, work: impl Future<Output = O>) -> O {
    let mut work = pin!(work);
    poll_fn(|task| {
        while let Poll::Ready(Some(_)) = runs.poll_next_unpin(task) {}
        work.as_mut().poll(task)
    })
    .await
}

/// Tells the observer what could not be done.
fn tell(context: &Context, error: &Error) {
    let named = |wanted| {
        let mut context = error.context();
        context.find_map(|(key, value)| (key == wanted).then_some(value))
    };
    context.observer().observe(&Event::NotScheduled {
        kind: error.kind(),
        tenant: named("tenant"),
        job: named("job"),
    });
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("config", &self.config)
            .field("runs", &self.shared.count())
            .field("waiting", &self.queue.len())
            .finish_non_exhaustive()
    }
}
