//! Who runs first where not all can, and how many of whom.

use super::*;
use syncline::host::Expected;
use syncline::spec::Priority;

#[test]
fn no_more_runs_of_a_tenant_go_on_than_it_has_places_whoever_starts_them() {
    let world = World::new();
    for number in 0..6 {
        world.put(&format!("job {number}"), "every day at 01:00", |settings| {
            settings
        });
    }
    *world.jobs.seconds.lock().unwrap() = 30;
    world.clock.advance(TimeDelta::hours(1));
    let (mut one, mut other) = (world.scheduler(), world.scheduler());
    let first = block_on(one.tick(&world.context)).unwrap();
    let second = block_on(other.tick(&world.context)).unwrap();
    assert_eq!((first.started.len(), second.started.len()), (4, 0));
    world.clock.drive(join_all(first.started)).unwrap();
    let third = block_on(other.tick(&world.context)).unwrap();
    assert_eq!(third.started.len(), 2);
    // Those who are dropped are gone on with when their scheduler is known to be dead.
    drop((third, other));
    world.run_until("01:10:00", &mut one);
    assert_eq!(world.jobs.began.lock().unwrap().len(), 6);
}

#[test]
fn no_more_runs_use_a_connection_than_it_bears() {
    let world = World::with(Jobs {
        connections: vec!["crm".into()],
        ..Jobs::default()
    });
    for job in ["a", "b", "c"] {
        world.put(job, "every day at 01:00", |settings| settings);
    }
    *world.jobs.seconds.lock().unwrap() = 30;
    let limits = RunLimits::default().with_of_connection(Some(2));
    let mut scheduler = Scheduler::new(world.config().with_limits(limits));
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.tick(&mut scheduler).len(), 2);
    assert_eq!(world.tick(&mut scheduler).len(), 1);
}

#[test]
fn a_run_of_a_high_priority_starts_in_front_of_a_hundred_that_were_due_before() {
    let world = World::new();
    for number in 0..100 {
        world.put(
            &format!("normal {number}"),
            "every day at 01:00",
            |settings| settings,
        );
    }
    world.put("high", "every day at 01:05", |settings| {
        settings.with_priority(Priority::High)
    });
    world.put("low", "every day at 00:55", |settings| {
        settings.with_priority(Priority::Low)
    });
    let mut scheduler = Scheduler::new(
        world
            .config()
            .with_limits(RunLimits::default().with_at_once(1)),
    );
    world.clock.advance(TimeDelta::minutes(65));
    assert_eq!(world.tick(&mut scheduler)[0].run.job, "high");
    for _ in 0..100 {
        assert!(world.tick(&mut scheduler)[0].run.job.starts_with("normal"));
    }
    assert_eq!(world.tick(&mut scheduler)[0].run.job, "low");
}

#[test]
fn places_that_nobody_has_any_more_are_found_again() {
    let world = World::new();
    world.put("a", "on demand", |settings| settings);
    let host = Tenant::new("host").unwrap();
    for number in 0..4 {
        let number = format!("{number:05}");
        let key = StateKey::new(&host, StateKind::Slot, ["acme", "", &number]).unwrap();
        // As it lands when its scheduler was taken for dead meanwhile.
        let put = world
            .state
            .put(&key, "some start a".into(), Expected::Absent);
        let _ = block_on(put).unwrap();
    }
    world.run_now("a");
    let mut scheduler = world.scheduler();
    assert_eq!(world.tick(&mut scheduler).len(), 1);
}
