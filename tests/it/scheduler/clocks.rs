//! Schedulers and hosts with wrong clocks, and the host's calendar.

use super::*;
use chrono::{Datelike as _, NaiveDate};
use futures::future::BoxFuture;
use syncline::host::Clock;
use syncline::schedule::Holidays;

/// A clock whose calendar is ahead.
#[derive(Debug)]
struct Ahead(ManualClock, TimeDelta);

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        self.0.now() + self.1
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(time)
    }
}

impl World {
    /// As a host whose clock is so far ahead sees it.
    fn ahead(&self, by: TimeDelta) -> Context {
        let clock = Ahead(self.clock.clone(), by);
        self.context.clone().with_clock(Arc::new(clock))
    }
}

#[test]
fn a_host_whose_clock_is_fast_keeps_no_job_from_running() {
    let world = World::new();
    let fast = world.ahead(TimeDelta::hours(1));
    let settings = RunSettings::new("every 10 minutes".parse().unwrap());
    let mut all = world.jobs.settings.lock().unwrap();
    all.push(("a".into(), settings.clone()));
    drop(all);
    let provided = ProvidedJob::new("a", settings);
    block_on(world.timetables.put(&fast, &world.acme, "a", provided)).unwrap();
    let mut scheduler = world.scheduler();
    world.run_until("00:25:00", &mut scheduler);
    assert_eq!(world.began("a"), ["00:10", "00:20"]);
    // What it asks for runs at once, though it says so in an hour.
    let run = block_on(world.timetables.run_now(&fast, &world.acme, "a")).unwrap();
    assert_eq!(world.names(&mut scheduler, "00:25:01"), [run]);
}

#[test]
fn a_run_that_was_stopped_for_one_that_is_not_due_after_all_goes_on() {
    let world = World::new();
    world.put("a", "every hour", |settings| {
        settings.with_while_running(WhileRunning::Cancel)
    });
    *world.jobs.seconds.lock().unwrap() = 600;
    let mut scheduler = world.scheduler();
    world.clock.advance(TimeDelta::hours(1));
    let tick = block_on(scheduler.tick(&world.context)).unwrap();
    // By a fast clock the next one is due already.
    let mut fast = world.scheduler();
    let ahead = world.ahead(TimeDelta::hours(1));
    assert!(block_on(fast.tick(&ahead)).unwrap().started.is_empty());
    let ended = world.clock.drive(join_all(tick.started)).unwrap();
    assert_eq!(ended[0].fate, RunFate::Ended(Outcome::Cancelled));
    *world.jobs.seconds.lock().unwrap() = 0;
    let again = world.tick(&mut scheduler);
    assert_eq!(
        (again[0].run.run.as_str(), again[0].run.begun),
        ("2026-03-01T01:00:00Z", 1)
    );
    assert_eq!(again[0].fate, RunFate::Ended(Outcome::Success));
}

#[derive(Debug)]
struct FirstOfMarch;

impl Holidays for FirstOfMarch {
    fn is_holiday(&self, day: NaiveDate) -> bool {
        (day.month(), day.day()) == (3, 1)
    }
}

#[test]
fn on_holidays_of_the_host_nothing_starts_that_leaves_them_out() {
    let mut world = World::new();
    world.timetables = world.timetables.with_holidays(Arc::new(FirstOfMarch));
    world.put("a", "every day at 01:00; skip holidays", |settings| {
        settings
    });
    world.put("b", "every day at 01:00", |settings| settings);
    let mut scheduler = world.scheduler();
    world.clock.advance(TimeDelta::hours(1));
    let jobs = |ended: Vec<EndedRun>| -> Vec<String> {
        ended.into_iter().map(|ended| ended.run.job).collect()
    };
    assert_eq!(jobs(world.tick(&mut scheduler)), ["b"]);
    world.clock.advance(TimeDelta::days(1));
    assert_eq!(jobs(world.tick(&mut scheduler)), ["a", "b"]);
}

#[test]
fn a_timetable_that_needs_a_calendar_is_replaced_and_removed_by_who_has_none() {
    let mut world = World::new();
    let without = world.timetables.clone();
    world.timetables = world.timetables.with_holidays(Arc::new(FirstOfMarch));
    for job in ["a", "b"] {
        world.put(job, "every day at 01:00; skip holidays", |settings| {
            settings
        });
    }
    world.timetables = without;
    let got = block_on(world.timetables.get(&world.context, &world.acme, "a"));
    assert_eq!(got.unwrap_err().kind(), ErrorKind::Invalid);
    world.put("a", "every day at 02:00", |settings| settings);
    assert_eq!(world.view("a").next, Some(at("02:00:00")));
    for job in ["a", "b"] {
        block_on(world.timetables.remove(&world.context, &world.acme, job)).unwrap();
    }
    assert_eq!(world.left(), []);
}
