//! What happens starts runs: once for each event, of each job that listens, and never in a circle.

use super::*;
use syncline::host::Expected;
use syncline::schedule::Happened;
use syncline::scheduler::EventReport;

fn file() -> Happened {
    Happened::File("in/people.csv".into())
}

impl World {
    fn happened(&self, event: &Happened, id: &str) -> EventReport {
        block_on(
            self.timetables
                .happened(&self.context, &self.acme, event, id),
        )
        .unwrap()
    }

    /// Overwrites the timetable of a job with what nobody can read.
    fn corrupt(&self, job: &str) {
        let host = Tenant::new("host").unwrap();
        let key = StateKey::new(&host, StateKind::Timetable, ["acme", job]).unwrap();
        let stored = block_on(self.state.get(&key)).unwrap().unwrap();
        let expected = Expected::Version(stored.version);
        let put = self.state.put(&key, "not a timetable".into(), expected);
        let _ = block_on(put).unwrap();
    }
}

#[test]
fn an_event_starts_a_run_once_however_often_it_is_told() {
    let world = World::new();
    world.put("a", r#"on file "in/""#, |settings| settings);
    world.put("b", r#"on file "out/""#, |settings| settings);
    let mut scheduler = world.scheduler();
    let file = Happened::File("in/people.csv".into());
    for (id, expected) in [
        ("in/people.csv 1", vec!["a"]),
        ("in/people.csv 1", vec![]),
        ("in/people.csv 2", vec!["a"]),
    ] {
        let told = block_on(
            world
                .timetables
                .happened(&world.context, &world.acme, &file, id),
        )
        .unwrap();
        assert!(told.problems.is_empty());
        assert_eq!(told.started, expected, "{id}");
        assert_eq!(world.tick(&mut scheduler).len(), expected.len(), "{id}");
    }
}

#[test]
fn a_job_that_waits_for_another_one_runs_when_that_has_ended_well() {
    let world = World::new();
    world.put("people", "every day at 01:00", |settings| settings);
    world.put("cases", r#"on job "people" success"#, |settings| settings);
    world.put("always", r#"on job "people""#, |settings| settings);
    let mut scheduler = world.scheduler();
    *world.jobs.ends.lock().unwrap() = vec![Outcome::Failed];
    world.clock.advance(TimeDelta::hours(1));
    world.tick(&mut scheduler);
    let jobs = |ended: Vec<EndedRun>| -> Vec<String> {
        ended.into_iter().map(|ended| ended.run.job).collect()
    };
    assert_eq!(jobs(world.tick(&mut scheduler)), ["always"]);
    world.clock.advance(TimeDelta::days(1));
    assert_eq!(jobs(world.tick(&mut scheduler)), ["people"]);
    assert_eq!(jobs(world.tick(&mut scheduler)), ["always", "cases"]);
    assert!(world.tick(&mut scheduler).is_empty());
}

#[test]
fn a_call_finds_those_who_listen_for_it_and_no_others() {
    let world = World::new();
    world.put("a", r#"on call "import""#, |settings| settings);
    world.put("b", r#"on call "export""#, |settings| settings);
    let called = Happened::Call("import".into());
    assert_eq!(world.happened(&called, "1").started, ["a"]);
    // Who has stopped to listen is not found any more.
    world.put("a", "on demand", |settings| settings);
    assert_eq!(world.happened(&called, "2").started, Vec::<String>::new());
    block_on(world.timetables.remove(&world.context, &world.acme, "a")).unwrap();
    block_on(world.timetables.remove(&world.context, &world.acme, "b")).unwrap();
    assert_eq!(world.left(), []);
}

#[test]
fn hundreds_of_events_that_are_told_on_each_poll_start_nothing_twice() {
    let world = World::new();
    world.put("a", r#"on file "in/""#, |settings| settings);
    let mut scheduler = world.scheduler();
    for poll in 0..2 {
        let mut started = 0;
        for number in 0..300 {
            let report = world.happened(&file(), &format!("in/people.csv {number}"));
            started += report.started.len();
            assert!(report.problems.is_empty());
            world.tick(&mut scheduler);
        }
        assert_eq!(started, if poll == 0 { 300 } else { 0 });
    }
    assert_eq!(world.jobs.began.lock().unwrap().len(), 300);
}

#[test]
fn an_event_that_finds_a_hundred_runs_waiting_is_not_lost_but_refused() {
    let world = World::new();
    world.put("a", r#"on file "in/""#, |settings| settings);
    for _ in 0..100 {
        world.run_now("a");
    }
    let asked = block_on(world.timetables.run_now(&world.context, &world.acme, "a"));
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::LimitExceeded);
    let report = world.happened(&file(), "1");
    assert!(report.started.is_empty());
    assert_eq!(report.problems[0].kind(), ErrorKind::LimitExceeded);
    let mut scheduler = world.scheduler();
    world.tick(&mut scheduler);
    assert_eq!(world.happened(&file(), "1").started, ["a"]);
    assert_eq!(world.happened(&file(), "1").started, Vec::<String>::new());
}

#[test]
fn a_listener_that_cannot_be_read_keeps_nobody_from_ending_or_hearing() {
    let world = World::new();
    world.put("people", "every day at 01:00", |settings| settings);
    for listener in ["bad", "good"] {
        world.put(listener, r#"on job "people""#, |settings| settings);
    }
    world.corrupt("bad");
    let mut scheduler = world.scheduler();
    world.clock.advance(TimeDelta::hours(1));
    let ended = world.tick(&mut scheduler);
    assert_eq!(ended[0].fate, RunFate::Ended(Outcome::Success));
    assert_eq!(
        world.view("people").last_outcome,
        Some(LastOutcome::Succeeded)
    );
    let ended = world.tick(&mut scheduler);
    assert_eq!(ended[0].run.job, "good");
    let told = Happened::JobEnded {
        job: "people".into(),
        outcome: LastOutcome::Succeeded,
    };
    let report = world.happened(&told, "by hand");
    assert_eq!(report.started, ["good"]);
    assert_eq!(report.problems[0].kind(), ErrorKind::CorruptState);
    assert!(
        report.problems[0]
            .context()
            .any(|pair| pair == ("job", "bad"))
    );
    // It can be removed, and put anew.
    block_on(world.timetables.remove(&world.context, &world.acme, "bad")).unwrap();
    world.put("bad", r#"on job "people""#, |settings| settings);
    assert_eq!(world.happened(&told, "again").started, ["bad", "good"]);
}

#[test]
fn jobs_that_listen_for_each_other_do_not_go_round_and_round() {
    let world = World::new();
    world.put("a", r#"on job "b""#, |settings| settings);
    world.put("b", r#"on job "c""#, |settings| settings);
    world.put("c", r#"on job "a""#, |settings| settings);
    world.put("self", r#"on job "self""#, |settings| settings);
    let mut scheduler = world.scheduler();
    world.run_now("a");
    world.run_now("self");
    let mut began = Vec::new();
    for _ in 0..10 {
        let ended = world.tick(&mut scheduler);
        began.extend(ended.into_iter().map(|ended| ended.run));
    }
    let jobs: Vec<&str> = began.iter().map(|run| &*run.job).collect();
    assert_eq!(jobs, ["a", "self", "c", "b"]);
    let longest = began.iter().map(|run| run.run.len()).max();
    assert!(longest <= Some(64), "{began:?}");
}
