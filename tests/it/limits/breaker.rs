//! Circuits that open, rest, and close.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::executor::block_on;
use syncline::host::{Context, Timeline};
use syncline::memory::{ManualClock, MemoryConnection};
use syncline::policy::{Breaker, BreakerPolicy};
use syncline::{Error, ErrorKind, Result, Retry};

struct Scene {
    clock: ManualClock,
    context: Context,
    timeline: Timeline,
    breaker: Breaker,
    /// How the other side fails.
    fails: Mutex<Option<ErrorKind>>,
    /// Who came through.
    calls: AtomicU32,
}

impl Scene {
    fn new(policy: BreakerPolicy) -> Self {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let timeline = Timeline::new(Arc::new(clock.clone()));
        Scene {
            context: Context::new()
                .with_clock(Arc::new(clock.clone()))
                .with_observer(Arc::new(timeline.clone())),
            clock,
            timeline,
            breaker: Breaker::new("crm", policy),
            fails: Mutex::new(None),
            calls: AtomicU32::new(0),
        }
    }

    fn fails(&self, kind: impl Into<Option<ErrorKind>>) {
        *self.fails.lock().unwrap() = kind.into();
    }

    /// Nothing is counted before it is polled.
    #[allow(clippy::unused_async)]
    async fn answer(&self) -> Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match *self.fails.lock().unwrap() {
            None => Ok(()),
            Some(kind) => Err(Error::new(kind, "down")),
        }
    }

    fn call(&self) -> Result<()> {
        block_on(self.breaker.call(&self.context, self.answer()))
    }

    fn kind(&self) -> ErrorKind {
        self.call().unwrap_err().kind()
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn wait(&self, seconds: i64) {
        self.clock.advance(chrono::TimeDelta::seconds(seconds));
    }
}

fn policy() -> BreakerPolicy {
    let seconds = Duration::from_secs;
    BreakerPolicy::default()
        .with_failures(3)
        .with_rest(seconds(10), seconds(35))
}

#[test]
fn failures_of_a_kind_in_a_row_open_the_circuit() {
    let scene = Scene::new(policy());
    scene.fails(ErrorKind::Io);
    for _ in 0..3 {
        assert_eq!(scene.kind(), ErrorKind::Io);
    }
    let error = scene.call().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (
            ErrorKind::CircuitOpen,
            Retry::After(Duration::from_secs(10))
        )
    );
    assert!(error.to_string().contains("crm"), "{error}");
    assert_eq!(scene.calls(), 3);
    let told = serde_json::to_value(&scene.timeline).unwrap();
    assert_eq!(told[0]["event"], "circuit_opened");
    assert_eq!(
        (told[0]["connection"].as_str(), told[0]["rest"].as_f64()),
        (Some("crm"), Some(10.0))
    );
}

#[test]
fn another_kind_begins_anew_and_an_answer_ends_the_row() {
    let scene = Scene::new(policy());
    for kind in [
        ErrorKind::Io,
        ErrorKind::Io,
        ErrorKind::Timeout,
        ErrorKind::Timeout,
        ErrorKind::Io,
        ErrorKind::Io,
    ] {
        scene.fails(kind);
        assert_eq!(scene.kind(), kind);
    }
    // Whoever says that something is wrong with the question is there.
    scene.fails(ErrorKind::Invalid);
    assert_eq!(scene.kind(), ErrorKind::Invalid);
    scene.fails(ErrorKind::Io);
    for _ in 0..3 {
        assert_eq!(scene.kind(), ErrorKind::Io);
    }
    assert_eq!(scene.kind(), ErrorKind::CircuitOpen);
}

#[test]
fn one_call_is_tried_after_the_rest_which_doubles_until_an_answer_comes() {
    let scene = Scene::new(policy());
    scene.fails(ErrorKind::Timeout);
    for _ in 0..3 {
        assert_eq!(scene.kind(), ErrorKind::Timeout);
    }
    for rest in [10, 20, 35, 35] {
        scene.wait(rest - 1);
        assert_eq!(scene.kind(), ErrorKind::CircuitOpen);
        scene.wait(1);
        // The trial. That it fails in another way than the others did makes no difference.
        scene.fails(ErrorKind::Io);
        assert_eq!(scene.kind(), ErrorKind::Io);
        assert_eq!(scene.kind(), ErrorKind::CircuitOpen);
    }
    assert_eq!(scene.calls(), 7);
    scene.wait(35);
    scene.fails(None);
    scene.call().unwrap();
    // It is closed, and the next rest is the first one again.
    scene.fails(ErrorKind::Io);
    for _ in 0..3 {
        assert_eq!(scene.kind(), ErrorKind::Io);
    }
    scene.wait(10);
    assert_eq!(scene.kind(), ErrorKind::Io);
}

#[test]
fn a_trial_whose_run_dies_does_not_keep_the_circuit_open_for_ever() {
    let scene = Scene::new(policy());
    scene.fails(ErrorKind::Io);
    for _ in 0..3 {
        assert_eq!(scene.kind(), ErrorKind::Io);
    }
    scene.wait(10);
    let pending = scene
        .breaker
        .call(&scene.context, futures::future::pending::<Result<()>>());
    assert!(pending.now_or_never().is_none());
    scene.fails(None);
    assert_eq!(scene.kind(), ErrorKind::CircuitOpen);
    scene.wait(10);
    scene.call().unwrap();
}

#[test]
fn calls_that_were_under_way_when_it_opened_do_not_prolong_the_rest() {
    let scene = Scene::new(policy());
    scene.fails(ErrorKind::Io);
    let slow = async {
        scene.context.clock().sleep(Duration::from_secs(1)).await;
        scene.answer().await
    };
    let mut slow = Box::pin(scene.breaker.call(&scene.context, slow));
    assert!((&mut slow).now_or_never().is_none());
    for _ in 0..3 {
        assert_eq!(scene.kind(), ErrorKind::Io);
    }
    scene.wait(1);
    assert_eq!(block_on(slow).unwrap_err().kind(), ErrorKind::Io);
    let Retry::After(rest) = scene.call().unwrap_err().retry() else {
        panic!()
    };
    assert_eq!(rest, Duration::from_secs(9));
}

#[test]
fn a_connection_behind_it_is_left_alone() {
    let scene = Scene::new(policy().with_failures(1));
    let home = scene
        .breaker
        .connection(Arc::new(MemoryConnection::new("home")));
    // An answer.
    assert_eq!(
        block_on(home.destination(&scene.context, "nothing"))
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    scene.fails(ErrorKind::Io);
    assert_eq!(scene.kind(), ErrorKind::Io);
    assert_eq!(
        block_on(home.discover(&scene.context)).unwrap_err().kind(),
        ErrorKind::CircuitOpen
    );
}
