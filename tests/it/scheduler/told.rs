//! Who is told of the end of a run.

use syncline::host::{Expected, StateStore, StateVersion, Stored, Swap};

use super::*;

#[test]
fn a_provider_hears_of_each_end_and_whether_the_run_comes_again() {
    let world = World::new();
    let retry = RunRetry::times(1);
    world.put("a", "every hour", |settings| {
        settings.with_retry(retry).with_timeout(20)
    });
    let until = at("03:10:00");
    // The last comes first.
    *world.jobs.ends.lock().unwrap() = vec![
        Outcome::Success,
        Outcome::Paused { until },
        Outcome::Success,
        Outcome::Failed,
        Outcome::Failed,
    ];
    let mut scheduler = world.scheduler();
    world.run_until("03:30:00", &mut scheduler);
    let ended = RunFate::Ended;
    let expected = [
        (at("01:00:00"), 0, ended(Outcome::Failed), true),
        (at("01:00:00"), 1, ended(Outcome::Failed), false),
        (at("02:00:00"), 0, ended(Outcome::Success), false),
        (at("03:00:00"), 0, ended(Outcome::Paused { until }), true),
        (at("03:00:00"), 1, ended(Outcome::Success), false),
    ];
    assert_eq!(world.jobs.heard(), expected);
    // One that takes too long, and whose retry does.
    *world.jobs.seconds.lock().unwrap() = 100;
    world.jobs.ended.lock().unwrap().clear();
    world.run_until("04:10:00", &mut scheduler);
    let expected = [
        (at("04:00:00"), 0, RunFate::TimedOut, true),
        (at("04:00:00"), 1, RunFate::TimedOut, false),
    ];
    assert_eq!(world.jobs.heard(), expected);
}

#[test]
fn a_provider_that_cannot_be_told_keeps_no_run_from_ending() {
    let world = World::new();
    world.put("a", "every hour", |settings| settings);
    world.jobs.mute.store(true, Ordering::Release);
    let mut scheduler = world.scheduler();
    for hour in ["01:00:00", "02:00:00", "03:00:00"] {
        assert_eq!(world.names(&mut scheduler, hour).len(), 1, "{hour}");
    }
    let fates: Vec<RunFate> = world.jobs.heard().iter().map(|heard| heard.2).collect();
    assert_eq!(fates, [RunFate::Ended(Outcome::Success); 3]);
}

/// A store that can be reached until it is broken.
#[derive(Debug)]
struct Breakable(Arc<MemoryState>, Arc<AtomicBool>);

impl Breakable {
    fn reach(&self) -> Result<()> {
        match self.1.load(Ordering::Acquire) {
            true => Err(Error::new(ErrorKind::Io, "the network is down")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl StateStore for Breakable {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.reach()?;
        self.0.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        self.reach()?;
        self.0.put(key, bytes, expected).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.reach()?;
        self.0.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.reach()?;
        self.0.list(tenant, kind, start_after, limit).await
    }
}

#[test]
fn an_end_that_was_told_and_not_saved_is_told_again() {
    let world = World::new();
    world.put("a", "every hour", |settings| settings);
    let broken = Arc::new(AtomicBool::new(false));
    *world.jobs.behind.lock().unwrap() = Some(Arc::clone(&broken));
    let store = Arc::new(Breakable(world.state.clone(), broken));
    let timetables = Timetables::new(Tenant::new("host").unwrap(), store);
    let config = SchedulerConfig::new("another", timetables, world.jobs.clone());
    let mut first = Scheduler::new(config);
    world.clock.advance(at("01:00:00") - world.clock.now());
    let ended = world.tick(&mut first);
    assert_eq!(ended[0].fate, RunFate::Lost);
    assert_eq!(world.jobs.heard().len(), 1);
    let mut second = world.scheduler();
    world.run_until("01:30:00", &mut second);
    let fate = RunFate::Ended(Outcome::Success);
    let told = [
        (at("01:00:00"), 0, fate, false),
        (at("01:00:00"), 1, fate, false),
    ];
    assert_eq!(world.jobs.heard(), told);
}

#[test]
fn a_run_of_which_each_scheduler_dies_fails_at_last_and_that_is_told() {
    let world = World::new();
    world.put("a", "once at 2026-03-01 01:00", |settings| settings);
    world.put("b", r#"on job "a""#, |settings| settings);
    let fatal = at("01:00:00");
    let (mut deaths, mut listened) = (0, false);
    for _ in 0..12 {
        let mut scheduler = world.scheduler();
        // Long enough to find that the one before is dead, and to wait for the next try.
        for _ in 0..150 {
            let tick = block_on(scheduler.tick(&world.context)).unwrap();
            let (of_a, others): (Vec<_>, Vec<_>) =
                (tick.started.into_iter()).partition(|started| started.run().due == fatal);
            listened |= !others.is_empty();
            world.clock.drive(join_all(others)).unwrap();
            world.clock.advance(TimeDelta::minutes(1));
            if !of_a.is_empty() {
                // It takes its scheduler with it.
                deaths += 1;
                break;
            }
        }
    }
    assert_eq!(deaths, 11);
    let heard = world.jobs.heard();
    let of_a: Vec<_> = heard.iter().filter(|heard| heard.0 == fatal).collect();
    assert_eq!(of_a.len(), 1, "{heard:?}");
    assert_eq!(
        (of_a[0].2, of_a[0].3),
        (RunFate::Ended(Outcome::Failed), false)
    );
    assert!(listened, "who listens for its end hears of it");
}
