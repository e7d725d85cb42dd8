//! What goes wrong with one job, tenant or scheduler, and what it does to the others: nothing.

use super::*;
use bytes::Bytes;
use syncline::Retry;
use syncline::host::{Event, Expected, Observer, StateStore, StateVersion, Stored, Swap};

/// A store that answers nothing of what is filed under this job.
#[derive(Debug)]
struct Broken(Arc<MemoryState>, &'static str);

impl Broken {
    fn check(&self, key: &StateKey) -> Result<()> {
        let of_job = key.kind() == StateKind::Due && key.parts().iter().any(|part| part == self.1);
        match of_job {
            true => Err(Error::new(ErrorKind::Io, "this disk is broken")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl StateStore for Broken {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.check(key)?;
        self.0.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        self.check(key)?;
        self.0.put(key, bytes, expected).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.check(key)?;
        self.0.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.0.list(tenant, kind, start_after, limit).await
    }
}

/// What an observer heard, by its name.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<serde_json::Value>>);

impl Observer for Heard {
    fn observe(&self, event: &Event<'_>) {
        let event = serde_json::to_value(event).unwrap();
        self.0.lock().unwrap().push(event);
    }
}

impl Heard {
    fn of(&self, event: &str) -> Vec<serde_json::Value> {
        let heard = self.0.lock().unwrap();
        heard
            .iter()
            .filter(|heard| heard["event"] == event)
            .cloned()
            .collect()
    }
}

fn listening(world: &World) -> (Arc<Heard>, Context) {
    let heard = Arc::new(Heard::default());
    (heard.clone(), world.context.clone().with_observer(heard))
}

#[test]
fn a_timetable_that_cannot_be_looked_at_keeps_no_other_from_running_or_being_mended() {
    let world = World::new();
    for job in ["bad", "good", "lost"] {
        world.put(job, "every day at 01:00", |settings| settings);
    }
    let host = Tenant::new("host").unwrap();
    let entries = block_on(world.state.list(&host, StateKind::Due, None, 10)).unwrap();
    let lost = entries
        .iter()
        .find(|key| key.parts().iter().any(|part| part == "lost"));
    let stored = block_on(world.state.get(lost.unwrap())).unwrap().unwrap();
    assert!(block_on(world.state.delete(lost.unwrap(), stored.version)).unwrap());
    let broken = Timetables::new(host, Arc::new(Broken(world.state.clone(), "bad")));
    let mut config = world.config();
    config.timetables = broken;
    let mut scheduler = Scheduler::new(config.with_repair(1));
    world.clock.advance(TimeDelta::hours(1));
    let mut began = Vec::new();
    for _ in 0..6 {
        let tick = block_on(scheduler.tick(&world.context)).unwrap();
        began.extend(tick.started.iter().map(|run| run.run().job.clone()));
        assert!(
            tick.problems
                .iter()
                .all(|error| error.kind() == ErrorKind::Io)
        );
        let _ = world.clock.drive(join_all(tick.started)).unwrap();
        world.clock.advance(TimeDelta::seconds(6));
    }
    assert!(
        began.contains(&"good".to_owned()) && began.contains(&"lost".to_owned()),
        "{began:?}"
    );
}

#[test]
fn a_job_that_counts_from_its_end_waits_for_its_retry() {
    let world = World::new();
    world.put("a", "every 10 minutes after the end", |settings| {
        settings.with_retry(RunRetry::times(1))
    });
    *world.jobs.ends.lock().unwrap() = vec![Outcome::Failed; 2];
    let mut scheduler = world.scheduler();
    let first = world.names(&mut scheduler, "00:00:01");
    assert_eq!(first.len(), 1);
    assert!(world.names(&mut scheduler, "00:00:59").is_empty());
    assert_eq!(world.names(&mut scheduler, "00:01:01"), first);
    assert_eq!(world.view("a").next, Some(at("00:11:01")));
    assert!(world.names(&mut scheduler, "00:11:00").is_empty());
    assert_eq!(world.names(&mut scheduler, "00:11:01").len(), 1);
}

#[test]
fn a_provider_that_wants_to_be_left_alone_is_whatever_is_due_but_not_by_people() {
    for schedule in ["every 10 minutes", "every 10 minutes after the end"] {
        let world = World::new();
        world.put("a", schedule, |settings| settings);
        let until = at("00:45:00");
        *world.jobs.ends.lock().unwrap() = vec![Outcome::Paused { until }];
        let mut scheduler = world.scheduler();
        world.run_until("00:44:59", &mut scheduler);
        assert_eq!(world.jobs.began.lock().unwrap().len(), 1, "{schedule}");
        world.run_until("00:45:01", &mut scheduler);
        assert_eq!(world.jobs.began.lock().unwrap().len(), 2, "{schedule}");
        *world.jobs.ends.lock().unwrap() = vec![Outcome::Paused {
            until: at("03:00:00"),
        }];
        world.run_until("01:10:01", &mut scheduler);
        let run = world.run_now("a");
        world.run_until("01:10:02", &mut scheduler);
        assert_eq!(world.jobs.began.lock().unwrap().last().unwrap().run, run);
    }
}

#[test]
fn a_tenant_whose_provider_hangs_holds_up_nobody() {
    let silent = Tenant::new("silent").unwrap();
    let world = World::with(Jobs {
        silent: Some(silent.clone()),
        ..Jobs::default()
    });
    world.put("a", "every 10 minutes", |settings| settings);
    *world.jobs.seconds.lock().unwrap() = 300;
    for number in 0..200 {
        let provided = ProvidedJob::new("x", RunSettings::new("every minute".parse().unwrap()));
        let job = number.to_string();
        let put = world
            .timetables
            .put(&world.context, &silent, &job, provided);
        block_on(put).unwrap();
    }
    let (heard, context) = listening(&world);
    let mut world = world;
    world.context = context;
    let mut scheduler = world.scheduler();
    world.run_until("00:58:00", &mut scheduler);
    assert_eq!(
        world.began("a"),
        ["00:10", "00:20", "00:30", "00:40", "00:50"]
    );
    assert!(
        world
            .jobs
            .began
            .lock()
            .unwrap()
            .iter()
            .all(|run| run.begun == 0)
    );
    assert_eq!(heard.of("scheduler_lost"), Vec::<serde_json::Value>::new());
    let silences = heard.of("not_scheduled");
    assert!(
        silences
            .iter()
            .all(|event| event["kind"] == "timeout" && event["tenant"] == "silent")
    );
    // It is asked about once a minute, by a few jobs.
    assert!(
        (10..20 * 60).contains(&silences.len()),
        "{}",
        silences.len()
    );
}

#[test]
fn a_run_that_is_stopped_with_an_error_is_stopped_and_one_that_says_when_waits() {
    let world = World::new();
    world.put("a", "every day at 01:00", |settings| settings);
    *world.jobs.seconds.lock().unwrap() = 600;
    let cancelled = Error::new(
        ErrorKind::Cancelled,
        "stopped while it waited for its lease",
    );
    let taken = || {
        let taken = Error::new(ErrorKind::Conflict, "somebody else has its lease");
        taken.retrying(Retry::After(Duration::from_secs(90)))
    };
    world.jobs.errors.lock().unwrap().push(cancelled);
    let mut scheduler = world.scheduler();
    world.run_until("01:00:05", &mut scheduler);
    // It was stopped with its scheduler, so it is still to be made.
    let waiting = world.view("a").waiting;
    assert_eq!((waiting.len(), waiting[0].begun), (1, 1));
    world.jobs.errors.lock().unwrap().push(taken());
    *world.jobs.seconds.lock().unwrap() = 0;
    let ended = world.tick(&mut scheduler);
    let until = world.clock.now() + TimeDelta::seconds(90);
    assert_eq!(ended[0].fate, RunFate::Ended(Outcome::Paused { until }));
    assert_eq!(
        ended[0].error.as_ref().map(Error::kind),
        Some(ErrorKind::Conflict)
    );
    assert_eq!(world.view("a").last_outcome, None);
    world.clock.advance(TimeDelta::seconds(90));
    assert_eq!(
        world.tick(&mut scheduler)[0].fate,
        RunFate::Ended(Outcome::Success)
    );
}

#[test]
fn a_run_that_somebody_cancels_does_not_come_again_however_it_ends() {
    let errors = || Error::new(ErrorKind::Io, "down");
    let again = Error::new(ErrorKind::Io, "later").retrying(Retry::After(Duration::from_secs(5)));
    for error in [errors(), again] {
        let world = World::new();
        world.put("a", "every day at 01:00", |settings| {
            settings.with_retry(RunRetry::times(5))
        });
        *world.jobs.seconds.lock().unwrap() = 600;
        world.jobs.errors.lock().unwrap().push(error);
        let mut scheduler = world.scheduler();
        world.clock.advance(TimeDelta::hours(1));
        let tick = block_on(scheduler.tick(&world.context)).unwrap();
        block_on(world.timetables.cancel(&world.context, &world.acme, "a")).unwrap();
        let _ = world.clock.drive(join_all(tick.started)).unwrap();
        let view = world.view("a");
        assert_eq!(
            (view.waiting.len(), view.last_outcome),
            (0, Some(LastOutcome::Stopped))
        );
        world.run_until("02:00:00", &mut scheduler);
        assert_eq!(world.began("a"), ["01:00"]);
    }
}

#[test]
fn one_of_the_runs_that_wait_is_cancelled_by_its_name() {
    let world = World::new();
    world.put("a", "on demand", |settings| settings);
    let (first, second) = (world.run_now("a"), world.run_now("a"));
    let cancel = |run: &str| {
        let cancelled = world
            .timetables
            .cancel_run(&world.context, &world.acme, "a", run);
        block_on(cancelled).unwrap()
    };
    assert!(cancel(&first));
    assert!(!cancel(&first));
    let mut scheduler = world.scheduler();
    *world.jobs.seconds.lock().unwrap() = 100;
    let tick = block_on(scheduler.tick(&world.context)).unwrap();
    assert_eq!(tick.started[0].run().run, second);
    assert!(cancel(&second));
    let ended = world.clock.drive(join_all(tick.started)).unwrap();
    assert_eq!(ended[0].fate, RunFate::Ended(Outcome::Cancelled));
}

#[test]
fn a_run_that_takes_no_notice_of_its_token_is_given_up() {
    for stop in ["timeout", "cancel", "remove", "drain"] {
        let world = World::new();
        world.put("a", "every day at 01:00", |settings| match stop {
            "timeout" => settings.with_timeout(30),
            _ => settings,
        });
        world.jobs.deaf.store(true, Ordering::Relaxed);
        *world.jobs.seconds.lock().unwrap() = 100_000;
        let mut scheduler = world.scheduler();
        world.clock.advance(TimeDelta::hours(1));
        let tick = block_on(scheduler.tick(&world.context)).unwrap();
        match stop {
            "cancel" => {
                block_on(world.timetables.cancel(&world.context, &world.acme, "a")).unwrap()
            }
            "remove" => {
                block_on(world.timetables.remove(&world.context, &world.acme, "a")).unwrap()
            }
            "drain" => scheduler.stop(),
            _ => {}
        }
        // Somebody goes on to look, as a host does.
        let runs = join_all(tick.started);
        let ended = world.clock.drive(async {
            let mut runs = std::pin::pin!(runs);
            loop {
                let nap = std::pin::pin!(world.clock.sleep(Duration::from_secs(1)));
                match futures::future::select(runs.as_mut(), nap).await {
                    futures::future::Either::Left((ended, _)) => return ended,
                    futures::future::Either::Right(_) => {
                        assert!(
                            scheduler
                                .tick(&world.context)
                                .await
                                .unwrap()
                                .started
                                .is_empty()
                        );
                    }
                }
            }
        });
        let expected = match stop {
            "timeout" => RunFate::TimedOut,
            "drain" => RunFate::Interrupted,
            _ => RunFate::Ended(Outcome::Cancelled),
        };
        assert_eq!(ended.unwrap()[0].fate, expected, "{stop}");
        assert!(
            world.clock.now() <= at("01:02:00"),
            "{stop}: {}",
            world.clock.now()
        );
        if stop == "drain" {
            world.jobs.deaf.store(false, Ordering::Relaxed);
            *world.jobs.seconds.lock().unwrap() = 0;
            assert_eq!(world.tick(&mut world.scheduler()).len(), 1);
        }
    }
}

#[test]
fn what_was_due_behind_the_death_of_a_scheduler_was_missed_and_not_skipped() {
    for (missed, due) in [
        (MissedRuns::Latest, &["04:00"][..]),
        (
            MissedRuns::All { most: 9 },
            &["01:00", "02:00", "03:00", "04:00"],
        ),
        (MissedRuns::None, &["01:00"]),
    ] {
        let world = World::new();
        world.put("a", "every hour", |settings| settings.with_missed(missed));
        *world.jobs.seconds.lock().unwrap() = 10;
        let mut dies = world.scheduler();
        world.clock.advance(TimeDelta::hours(1));
        let tick = block_on(dies.tick(&world.context)).unwrap();
        drop((tick, dies));
        world.clock.advance(TimeDelta::minutes(3 * 60 + 5));
        let mut scheduler = world.scheduler();
        // Also others who look do not decide that it was skipped.
        world.run_until("04:30:00", &mut scheduler);
        assert_eq!(world.began("a"), due, "{missed:?}");
        assert_eq!(world.view("a").skipped, 0, "{missed:?}");
    }
}

#[test]
fn the_observer_hears_of_the_end_of_each_run_and_of_a_session_that_is_lost() {
    let mut world = World::new();
    let (heard, context) = listening(&world);
    world.context = context;
    world.put("a", "every day at 01:00", |settings| settings);
    world
        .jobs
        .errors
        .lock()
        .unwrap()
        .push(Error::new(ErrorKind::Io, "down"));
    let mut scheduler = world.scheduler();
    let run = world.names(&mut scheduler, "01:00:00").remove(0);
    let ended = serde_json::json!({
        "event": "scheduled_run", "tenant": "acme", "job": "a", "run": run, "fate": "failed", "kind": "io",
    });
    assert_eq!(heard.of("scheduled_run"), [ended]);
    // It stands still for so long that another one takes it for dead.
    world.run_until("01:10:00", &mut world.scheduler());
    world.tick(&mut scheduler);
    let lost = serde_json::json!({"event": "scheduler_lost", "scheduler": "a machine"});
    assert_eq!(heard.of("scheduler_lost"), [lost]);
}

#[test]
fn a_scheduler_that_died_leaves_nothing_whether_it_ran_something_or_not() {
    let world = World::new();
    let mut dies = world.scheduler();
    world.tick(&mut dies);
    drop(dies);
    assert_eq!(world.left().len(), 1);
    let mut scheduler = world.scheduler();
    world.run_until("00:10:00", &mut scheduler);
    assert_eq!(world.left(), []);
}

#[test]
fn terms_that_cannot_be_kept_are_said_before_anything_begins() {
    let world = World::new();
    let terms = syncline::job::LeaseTerms::default().with_ttl(Duration::from_secs(1));
    let mut scheduler = Scheduler::new(world.config().with_terms(terms));
    let run = world.clock.drive(scheduler.run(&world.context)).unwrap();
    assert_eq!(run.unwrap_err().kind(), ErrorKind::Invalid);
}
