//! Schedulers one by one: what starts when, what stops it, and what is told to whom. What many of them do to each other the simulator tries out.

mod clocks;
mod events;
mod faults;
mod limits;
mod told;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;
use futures::future::join_all;
use syncline::host::{CancelToken, Clock as _, Context, StateKey, StateKind, StateStore as _};
use syncline::job::{Outcome, Trigger};
use syncline::memory::{ManualClock, MemoryState};
use syncline::schedule::LastOutcome;
use syncline::scheduler::{
    EndedRun, JobProvider, JobRun, ProvidedJob, RunEnd, RunFate, RunLimits, Scheduler,
    SchedulerConfig, TimetableView, Timetables,
};
use syncline::spec::{MissedRuns, RunRetry, RunSettings, WhileRunning};
use syncline::{Error, ErrorKind, Result, Tenant};

/// Jobs by name, each of which takes a while and comes to an end.
#[derive(Debug, Default)]
struct Jobs {
    settings: Mutex<Vec<(String, RunSettings)>>,
    ends: Mutex<Vec<Outcome>>,
    /// They come before the ends.
    errors: Mutex<Vec<Error>>,
    seconds: Mutex<u64>,
    /// Whether runs take no notice of their token.
    deaf: AtomicBool,
    connections: Vec<String>,
    /// Of this tenant nobody ever says how a job runs.
    silent: Option<Tenant>,
    began: Mutex<Vec<JobRun>>,
    /// What was heard of ends, and what happens behind each.
    ended: Mutex<Vec<(JobRun, RunFate, bool)>>,
    behind: Mutex<Option<Arc<AtomicBool>>>,
    mute: AtomicBool,
}

#[async_trait]
impl JobProvider for Jobs {
    async fn job(&self, _: &Context, tenant: &Tenant, job: &str) -> Result<Option<ProvidedJob>> {
        if self.silent.as_ref() == Some(tenant) {
            std::future::pending::<()>().await;
        }
        let settings = self.settings.lock().unwrap();
        let found = settings.iter().find(|(name, _)| name == job);
        let provided = found.map(|(name, settings)| ProvidedJob::new(name, settings.clone()));
        Ok(provided.map(|provided| provided.with_connections(self.connections.clone())))
    }

    async fn run(&self, context: &Context, run: &JobRun) -> Result<Outcome> {
        self.began.lock().unwrap().push(run.clone());
        let seconds = *self.seconds.lock().unwrap();
        for _ in 0..seconds {
            context.clock().sleep(Duration::from_secs(1)).await;
            if context.cancel().is_cancelled() && !self.deaf.load(Ordering::Relaxed) {
                return match self.errors.lock().unwrap().pop() {
                    Some(error) => Err(error),
                    None => Ok(Outcome::Cancelled),
                };
            }
        }
        if let Some(error) = self.errors.lock().unwrap().pop() {
            return Err(error);
        }
        Ok(self.ends.lock().unwrap().pop().unwrap_or(Outcome::Success))
    }

    async fn ended(&self, _: &Context, run: &JobRun, end: &RunEnd) -> Result<()> {
        let heard = (run.clone(), end.fate, end.again);
        self.ended.lock().unwrap().push(heard);
        if let Some(flag) = self.behind.lock().unwrap().take() {
            flag.store(true, Ordering::Release);
        }
        match self.mute.load(Ordering::Acquire) {
            true => Err(Error::new(ErrorKind::Io, "nobody can be told")),
            false => Ok(()),
        }
    }
}

impl Jobs {
    /// The ends that were heard of: when the run was due, how often it had begun, how it ended, and whether it comes again.
    fn heard(&self) -> Vec<(DateTime<Utc>, u32, RunFate, bool)> {
        let ended = self.ended.lock().unwrap();
        let heard = ended
            .iter()
            .map(|(run, fate, again)| (run.due, run.begun, *fate, *again));
        heard.collect()
    }
}

struct World {
    clock: ManualClock,
    context: Context,
    state: Arc<MemoryState>,
    jobs: Arc<Jobs>,
    timetables: Timetables,
    acme: Tenant,
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-03-01T{text}Z").parse().unwrap()
}

impl World {
    fn new() -> Self {
        World::with(Jobs::default())
    }

    fn with(jobs: Jobs) -> Self {
        let clock = ManualClock::new(at("00:00:00"));
        let state = Arc::new(MemoryState::new());
        World {
            context: Context::new().with_clock(Arc::new(clock.clone())),
            timetables: Timetables::new(Tenant::new("host").unwrap(), state.clone()),
            state,
            clock,
            jobs: Arc::new(jobs),
            acme: Tenant::new("acme").unwrap(),
        }
    }

    fn put(&self, job: &str, schedule: &str, with: impl FnOnce(RunSettings) -> RunSettings) {
        let settings = with(RunSettings::new(schedule.parse().unwrap()));
        let mut all = self.jobs.settings.lock().unwrap();
        all.retain(|(name, _)| name != job);
        all.push((job.to_owned(), settings.clone()));
        let provided =
            ProvidedJob::new(job, settings).with_connections(self.jobs.connections.clone());
        block_on(
            self.timetables
                .put(&self.context, &self.acme, job, provided),
        )
        .unwrap();
    }

    fn config(&self) -> SchedulerConfig {
        let limits = RunLimits::default().with_at_once(100);
        SchedulerConfig::new("a machine", self.timetables.clone(), self.jobs.clone())
            .with_limits(limits)
    }

    fn scheduler(&self) -> Scheduler {
        Scheduler::new(self.config())
    }

    fn view(&self, job: &str) -> TimetableView {
        block_on(self.timetables.get(&self.context, &self.acme, job)).unwrap()
    }

    fn run_now(&self, job: &str) -> String {
        block_on(self.timetables.run_now(&self.context, &self.acme, job)).unwrap()
    }

    /// The hours and minutes at which the runs of a job were due that began.
    fn began(&self, job: &str) -> Vec<String> {
        let began = self.jobs.began.lock().unwrap();
        let of_job = began.iter().filter(|run| run.job == job);
        of_job
            .map(|run| run.due.format("%H:%M").to_string())
            .collect()
    }

    /// What schedulers left in the store.
    fn left(&self) -> Vec<StateKey> {
        let host = Tenant::new("host").unwrap();
        let kinds = [
            StateKind::Timetable,
            StateKind::Due,
            StateKind::Slot,
            StateKind::Lease,
        ];
        let left = kinds.map(|kind| block_on(self.state.list(&host, kind, None, 100)).unwrap());
        left.into_iter().flatten().collect()
    }

    /// Looks once, and lets what has begun come to its end.
    fn tick(&self, scheduler: &mut Scheduler) -> Vec<EndedRun> {
        let tick = block_on(scheduler.tick(&self.context)).unwrap();
        assert!(tick.problems.is_empty(), "{:?}", tick.problems);
        self.clock.drive(join_all(tick.started)).unwrap()
    }

    /// The names of the runs that begin when it looks at this time.
    fn names(&self, scheduler: &mut Scheduler, time: &str) -> Vec<String> {
        self.clock.advance(at(time) - self.clock.now());
        let ended = self.tick(scheduler);
        ended.into_iter().map(|ended| ended.run.run).collect()
    }

    /// Runs a scheduler until a time.
    fn run_until(&self, time: &str, scheduler: &mut Scheduler) {
        let stop = CancelToken::new();
        let context = self.context.clone().with_cancel(stop.clone());
        let left = (at(time) - self.clock.now()).to_std().unwrap();
        let alarm = self.clock.sleep(left);
        let both = futures::future::join(scheduler.run(&context), async {
            alarm.await;
            stop.cancel();
        });
        self.clock.drive(both).unwrap().0.unwrap();
    }
}

#[test]
fn a_scheduler_may_be_run_by_any_thread() {
    fn moves<T: Send>(_: &T) {}

    let world = World::new();
    let mut scheduler = world.scheduler();
    moves(&scheduler);
    moves(&scheduler.tick(&world.context));
    moves(&world.scheduler().run(&world.context));
    moves(&world.timetables.run_now(&world.context, &world.acme, "a"));
}

#[test]
fn of_the_runs_that_were_missed_those_start_that_the_policy_says() {
    for (policy, expected, missed) in [
        (MissedRuns::Latest, &["04:00:00"][..], 3),
        (MissedRuns::None, &[], 4),
        (
            MissedRuns::All { most: 3 },
            &["02:00:00", "03:00:00", "04:00:00"],
            1,
        ),
    ] {
        let world = World::new();
        world.put("a", "every hour", |settings| settings.with_missed(policy));
        let mut scheduler = world.scheduler();
        world.clock.advance(TimeDelta::minutes(4 * 60 + 30));
        let mut names = Vec::new();
        for _ in 0..5 {
            names.extend(
                world
                    .tick(&mut scheduler)
                    .into_iter()
                    .map(|ended| ended.run.due),
            );
        }
        let expected: Vec<_> = expected.iter().map(|time| at(time)).collect();
        assert_eq!(names, expected, "{policy:?}");
        let view = block_on(world.timetables.get(&world.context, &world.acme, "a")).unwrap();
        assert_eq!(
            (view.missed, view.next),
            (missed, Some(at("05:00:00"))),
            "{policy:?}"
        );
    }
}

#[test]
fn what_is_due_while_a_run_goes_on_is_skipped_queued_or_stops_it() {
    for (policy, began, skipped, interrupted) in [
        (
            WhileRunning::Skip,
            &["01:00", "04:00"][..],
            2,
            &["04:00 1"][..],
        ),
        (
            WhileRunning::Queue,
            &["01:00", "03:00"],
            1,
            &["03:00 1", "04:00 0"],
        ),
        (
            WhileRunning::Cancel,
            &["01:00", "02:00", "03:00", "04:00"],
            0,
            &["04:00 1"],
        ),
    ] {
        let world = World::new();
        *world.jobs.seconds.lock().unwrap() = 150 * 60;
        world.put("a", "every hour", |settings| {
            settings.with_while_running(policy)
        });
        let mut scheduler = world.scheduler();
        world.run_until("04:10:00", &mut scheduler);
        let runs = world.jobs.began.lock().unwrap();
        let names: Vec<String> = runs
            .iter()
            .map(|run| run.due.format("%H:%M").to_string())
            .collect();
        assert_eq!(names, began, "{policy:?}");
        let view = block_on(world.timetables.get(&world.context, &world.acme, "a")).unwrap();
        assert_eq!(view.skipped, skipped, "{policy:?}");
        // What was stopped with its scheduler is still to be made, and so is what was queued.
        let waiting: Vec<String> = (view.waiting.iter())
            .map(|run| format!("{} {}", run.due.format("%H:%M"), run.begun))
            .collect();
        assert_eq!(waiting, interrupted, "{policy:?}");
        assert_eq!(view.running, None, "{policy:?}");
    }
}

#[test]
fn a_run_that_failed_comes_again_under_its_name_and_waits_longer_each_time() {
    let world = World::new();
    world.put("a", "every day at 01:00", |settings| {
        settings.with_retry(RunRetry::times(2))
    });
    *world.jobs.ends.lock().unwrap() = vec![Outcome::Failed; 3];
    let mut scheduler = world.scheduler();
    let first = world.names(&mut scheduler, "01:00:00");
    assert_eq!(first, ["2026-03-01T01:00:00Z"]);
    assert!(world.names(&mut scheduler, "01:00:59").is_empty());
    assert_eq!(world.names(&mut scheduler, "01:01:00"), first);
    assert!(world.names(&mut scheduler, "01:02:59").is_empty());
    assert_eq!(world.names(&mut scheduler, "01:03:00"), first);
    assert!(world.names(&mut scheduler, "01:30:00").is_empty());
    let begun: Vec<u32> = world
        .jobs
        .began
        .lock()
        .unwrap()
        .iter()
        .map(|run| run.begun)
        .collect();
    assert_eq!(begun, [0, 1, 2]);
    let failed = world.jobs.began.lock().unwrap();
    let failed: Vec<u32> = failed.iter().map(|run| run.failed).collect();
    assert_eq!(failed, [0, 1, 2]);
    let view = block_on(world.timetables.get(&world.context, &world.acme, "a")).unwrap();
    assert_eq!(view.last_outcome, Some(LastOutcome::Failed));
}

#[test]
fn a_run_that_pauses_goes_on_when_the_time_has_come() {
    let world = World::new();
    world.put("a", "every day at 01:00", |settings| settings);
    let until = at("01:20:00");
    *world.jobs.ends.lock().unwrap() = vec![Outcome::Paused { until }];
    let mut scheduler = world.scheduler();
    let first = world.names(&mut scheduler, "01:00:00");
    assert!(world.names(&mut scheduler, "01:19:59").is_empty());
    assert_eq!(world.names(&mut scheduler, "01:20:00"), first);
}

#[test]
fn a_run_that_takes_too_long_is_stopped_and_has_failed() {
    let world = World::new();
    world.put("a", "every day at 01:00", |settings| {
        settings.with_timeout(90)
    });
    *world.jobs.seconds.lock().unwrap() = 10_000;
    let mut scheduler = world.scheduler();
    world.run_until("01:05:00", &mut scheduler);
    let view = block_on(world.timetables.get(&world.context, &world.acme, "a")).unwrap();
    assert_eq!(view.last_outcome, Some(LastOutcome::Failed));
    let took = view.last_end.unwrap() - view.last_start.unwrap();
    let seconds = TimeDelta::seconds;
    assert!(took >= seconds(90) && took < seconds(93), "{took}");
}

#[test]
fn a_job_that_is_asked_for_runs_once_and_one_that_is_disabled_does_not() {
    let world = World::new();
    world.put("a", "on demand", |settings| settings);
    let mut scheduler = world.scheduler();
    assert!(world.tick(&mut scheduler).is_empty());
    let run = block_on(world.timetables.run_now(&world.context, &world.acme, "a")).unwrap();
    let ended = world.tick(&mut scheduler);
    assert_eq!(
        (&ended[0].run.run, &ended[0].run.trigger),
        (&run, &Trigger::Manual)
    );
    assert!(world.tick(&mut scheduler).is_empty());
    let disabled = ProvidedJob::new("a", RunSettings::default()).with_enabled(false);
    block_on(
        world
            .timetables
            .put(&world.context, &world.acme, "a", disabled),
    )
    .unwrap();
    let refused = block_on(world.timetables.run_now(&world.context, &world.acme, "a"));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    let other = Tenant::new("globex").unwrap();
    let unknown = block_on(world.timetables.run_now(&world.context, &other, "a"));
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_change_of_the_schedule_makes_up_for_nothing_and_a_job_that_is_gone_leaves_nothing() {
    let world = World::new();
    world.put("a", "on demand", |settings| settings);
    let mut scheduler = world.scheduler();
    world.clock.advance(TimeDelta::hours(12));
    world.put("a", "every day at 06:00", |settings| settings);
    assert!(world.tick(&mut scheduler).is_empty());
    world.jobs.settings.lock().unwrap().clear();
    world.clock.advance(TimeDelta::hours(20));
    assert!(world.tick(&mut scheduler).is_empty());
    let jobs = block_on(world.timetables.jobs(&world.context, &world.acme)).unwrap();
    assert!(jobs.is_empty());
    block_on(scheduler.end()).unwrap();
    assert_eq!(world.left(), []);
}

#[test]
fn a_job_that_is_removed_while_it_runs_is_stopped_and_leaves_nothing() {
    // Its scheduler lives, or dies meanwhile and another one comes.
    for dies in [false, true] {
        let world = World::new();
        *world.jobs.seconds.lock().unwrap() = 3_600;
        world.put("a", "every day at 01:00", |settings| settings);
        let mut scheduler = world.scheduler();
        world.clock.advance(TimeDelta::hours(1));
        let tick = block_on(scheduler.tick(&world.context)).unwrap();
        assert_eq!(tick.started.len(), 1);
        world.jobs.settings.lock().unwrap().clear();
        block_on(world.timetables.remove(&world.context, &world.acme, "a")).unwrap();
        if dies {
            drop((tick, scheduler));
            scheduler = world.scheduler();
        } else {
            let ended = world.clock.drive(join_all(tick.started)).unwrap();
            assert_eq!(ended[0].fate, RunFate::Ended(Outcome::Cancelled));
        }
        world.run_until("01:10:00", &mut scheduler);
        // One that is dropped before it is polled has not begun, and nobody begins it.
        let began = world.jobs.began.lock().unwrap().len();
        assert_eq!(began, usize::from(!dies));
        assert_eq!(world.left(), [], "{dies}");
    }
}

#[test]
fn an_entry_of_the_index_that_is_lost_is_put_back() {
    let world = World::new();
    world.put("a", "every day at 06:00", |settings| settings);
    let host = Tenant::new("host").unwrap();
    let entries = block_on(world.state.list(&host, StateKind::Due, None, 10)).unwrap();
    assert_eq!(entries.len(), 1);
    let stored = block_on(world.state.get(&entries[0])).unwrap().unwrap();
    assert!(block_on(world.state.delete(&entries[0], stored.version)).unwrap());
    let mut scheduler = world.scheduler();
    world.clock.advance(TimeDelta::hours(6));
    assert!(world.tick(&mut scheduler).is_empty());
    assert_eq!(world.tick(&mut scheduler).len(), 1);
}
