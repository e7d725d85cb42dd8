//! Leases: one runner at a time, whoever stands still, whatever a clock says.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{BoxFuture, join_all};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use syncline::host::{
    Clock, Context, Expected, SeededEntropy, StateKey, StateKind, StateStore, StateVersion, Stored,
    Swap,
};
use syncline::job::{Lease, LeaseRequest, LeaseTerms};
use syncline::memory::{ManualClock, MemoryState};
use syncline::{Error, ErrorKind, Result, Retry, Tenant};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn terms() -> LeaseTerms {
    LeaseTerms::default()
        .with_ttl(seconds(60))
        .with_write_timeout(seconds(20))
        .with_margin(seconds(5))
}

fn request(store: &Arc<dyn StateStore>, runner: &str) -> LeaseRequest {
    let tenant = Tenant::new("acme").unwrap();
    LeaseRequest::new(tenant, "nightly", Arc::clone(store))
        .with_runner(runner)
        .with_terms(terms())
}

struct World {
    clock: ManualClock,
    store: Arc<dyn StateStore>,
}

impl World {
    fn new() -> Self {
        World {
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            store: Arc::new(MemoryState::new()),
        }
    }

    /// What a process has.
    fn context(&self, seed: u64) -> Context {
        Context::new()
            .with_clock(Arc::new(self.clock.clone()))
            .with_entropy(Arc::new(SeededEntropy::new(seed)))
    }

    fn acquire(&self, seed: u64) -> Result<Lease> {
        let context = self.context(seed);
        let acquired = Lease::acquire(&context, request(&self.store, &format!("runner {seed}")));
        self.clock.drive(acquired).expect("nothing waits for ever")
    }
}

#[test]
fn a_lease_is_released_and_taken_at_once() {
    let world = World::new();
    for epoch in 1..4 {
        let lease = world.acquire(epoch).unwrap();
        assert_eq!(lease.epoch(), epoch);
        world.clock.drive(lease.release()).unwrap().unwrap();
    }
    assert_eq!(world.clock.monotonic(), Duration::ZERO);
}

#[test]
fn who_holds_a_lease_keeps_it_as_long_as_it_works() {
    let world = World::new();
    let context = world.context(1);
    let lease = world.acquire(1).unwrap();
    let work = async {
        for _ in 0..100 {
            context.clock().sleep(seconds(7)).await;
            assert!(lease.remaining(&context) >= seconds(40));
        }
        "done"
    };
    let other = async {
        context.clock().sleep(seconds(13)).await;
        let other = Lease::acquire(&world.context(2), request(&world.store, "other")).await;
        let error = other.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.retry(), Retry::After(seconds(60)));
        let text = error.to_string();
        assert!(
            text.contains("runner: runner 1") && text.contains("epoch: 1"),
            "{text}"
        );
    };
    let both = async { futures::join!(lease.hold(&context, work), other).0 };
    assert_eq!(world.clock.drive(both).unwrap().unwrap(), "done");
    assert_eq!(world.clock.monotonic(), seconds(700));
}

#[test]
fn a_lease_that_runs_out_is_taken_when_no_write_can_be_under_way() {
    let world = World::new();
    let first = world.acquire(1).unwrap();
    assert!(first.may_write(&world.context(1)).is_ok());
    world.clock.advance(TimeDelta::seconds(34));
    assert!(first.may_write(&world.context(1)).is_ok());
    // 25 seconds are left: the write timeout and the margin, and no moment more.
    world.clock.advance(TimeDelta::seconds(1));
    let error = first.may_write(&world.context(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(first.remaining(&world.context(1)), seconds(25));

    let second = world.acquire(2).unwrap();
    assert_eq!(second.epoch(), 2);
    assert_eq!(world.clock.monotonic(), seconds(35 + 60 + 20));
    // The first one is a zombie.
    for _ in 0..2 {
        let error = world
            .clock
            .drive(first.renew(&world.context(1)))
            .unwrap()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("runner 2"), "{error}");
    }
    assert_eq!(
        world
            .clock
            .drive(first.release())
            .unwrap()
            .unwrap_err()
            .kind(),
        ErrorKind::Conflict
    );
    world.clock.drive(second.release()).unwrap().unwrap();
}

#[test]
fn of_several_that_wait_one_takes_it() {
    let world = World::new();
    drop(world.acquire(1).unwrap());
    let waiting = (2..8).map(|seed| {
        let context = world.context(seed);
        let request = request(&world.store, "waiting");
        async move { Lease::acquire(&context, request).await }
    });
    let taken = world.clock.drive(join_all(waiting)).unwrap();
    let won = taken.iter().filter(|lease| lease.is_ok()).count();
    assert_eq!(won, 1);
    for lost in taken.into_iter().filter_map(Result::err) {
        assert_eq!(lost.kind(), ErrorKind::Conflict);
    }
}

#[test]
fn work_that_outlives_its_lease_is_dropped() {
    let world = World::new();
    let context = world.context(1);
    let lease = world.acquire(1).unwrap();
    let steps = Mutex::new(0);
    let work = async {
        loop {
            *steps.lock().unwrap() += 1;
            context.clock().sleep(seconds(1)).await;
        }
    };
    let mut held = Box::pin(lease.hold(&context, work));
    let mut task = Task::from_waker(std::task::Waker::noop());
    assert!(held.as_mut().poll(&mut task).is_pending());
    // The process stands still, and goes on when another one has the lease.
    world.acquire(2).unwrap();
    let Poll::Ready(Err(lost)) = held.as_mut().poll(&mut task) else {
        panic!("it must not go on")
    };
    assert_eq!(lost.kind(), ErrorKind::Conflict);
    assert_eq!(*steps.lock().unwrap(), 1);
}

#[test]
fn a_calendar_that_is_set_does_not_make_a_lease_longer() {
    let world = World::new();
    let context = world.context(1);
    let lease = world.acquire(1).unwrap();
    world.clock.jump(TimeDelta::hours(-1));
    world.clock.advance(TimeDelta::seconds(50));
    assert_eq!(lease.remaining(&context), seconds(10));
    // A machine that was suspended: its other clock stood still.
    let lease = world.acquire(2).unwrap();
    world.clock.jump(TimeDelta::seconds(50));
    assert_eq!(lease.remaining(&context), seconds(10));
    // Nor does it let another one take it early.
    world.clock.jump(TimeDelta::hours(2));
    let before = world.clock.monotonic();
    world.acquire(3).unwrap();
    assert_eq!(world.clock.monotonic() - before, seconds(80));
}

#[test]
fn a_wait_can_be_cancelled() {
    let world = World::new();
    drop(world.acquire(1).unwrap());
    let context = world.context(2);
    let cancel = async {
        world.clock.sleep(seconds(12)).await;
        context.cancel().cancel();
    };
    let wait = Lease::acquire(&context, request(&world.store, "waiting"));
    let (waited, ()) = world
        .clock
        .drive(async { futures::join!(wait, cancel) })
        .unwrap();
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(world.clock.monotonic() <= seconds(20));
}

#[test]
fn terms_that_leave_no_time_are_refused() {
    let world = World::new();
    for (terms, fits) in [
        (terms().with_ttl(seconds(50)), false),
        (terms().with_ttl(seconds(51)), true),
        (terms().with_write_timeout(Duration::MAX), false),
    ] {
        let request = request(&world.store, "a").with_terms(terms);
        let lease = world
            .clock
            .drive(Lease::acquire(&world.context(1), request))
            .unwrap();
        match lease {
            Ok(_) => assert!(fits),
            Err(error) => assert!(!fits && error.kind() == ErrorKind::Invalid, "{error}"),
        }
    }
}

/// A store that fails as it is told to: `true` after it has done what was asked, `false` instead.
#[derive(Debug)]
struct Failing {
    inner: MemoryState,
    puts: Mutex<VecDeque<Option<bool>>>,
}

#[async_trait]
impl StateStore for Failing {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let failure = self.puts.lock().unwrap().pop_front().flatten();
        let error = Error::new(ErrorKind::Io, "the store does not answer").retrying(Retry::Now);
        match failure {
            None => self.inner.put(key, bytes, expected).await,
            Some(false) => Err(error),
            Some(true) => {
                let _ = self.inner.put(key, bytes, expected).await?;
                Err(error)
            }
        }
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.inner.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.inner.list(tenant, kind, after, limit).await
    }
}

fn failing(puts: &[Option<bool>]) -> World {
    World {
        clock: ManualClock::new(DateTime::UNIX_EPOCH),
        store: Arc::new(Failing {
            inner: MemoryState::new(),
            puts: Mutex::new(puts.iter().copied().collect()),
        }),
    }
}

#[test]
fn a_lost_answer_loses_no_lease() {
    let world = failing(&[Some(true), Some(true), Some(false), None, Some(true)]);
    let context = world.context(1);
    let lease = world.acquire(1).unwrap();
    world.clock.advance(TimeDelta::seconds(20));
    let renew = || world.clock.drive(lease.renew(&context)).unwrap();
    renew().unwrap();
    assert_eq!(lease.remaining(&context), seconds(60));
    world.clock.advance(TimeDelta::seconds(20));
    assert_eq!(renew().unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(lease.remaining(&context), seconds(40));
    renew().unwrap();
    world.clock.drive(lease.release()).unwrap().unwrap();
    assert_eq!(world.acquire(2).unwrap().epoch(), 2);
}

#[test]
fn who_finds_that_another_one_has_the_lease_ends_at_once() {
    let world = World::new();
    let context = world.context(1);
    let lease = world.acquire(1).unwrap();
    let key = StateKey::new(&Tenant::new("acme").unwrap(), StateKind::Lease, ["nightly"]).unwrap();
    let found = world
        .clock
        .drive(world.store.get(&key))
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(
        world
            .clock
            .drive(world.store.delete(&key, found.version))
            .unwrap()
            .unwrap()
    );
    world.acquire(2).unwrap();
    let work = context.clock().sleep(seconds(1000));
    let error = world
        .clock
        .drive(lease.hold(&context, work))
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    // It is renewed when a third of its time is over.
    assert_eq!(world.clock.monotonic(), seconds(20));
}

#[test]
fn a_store_that_is_away_for_a_while_loses_no_lease() {
    // The lease; two renewals that fail; the third that does not.
    let world = failing(&[None, Some(false), Some(false), None]);
    let context = world.context(1);
    let lease = world.acquire(1).unwrap();
    let work = context.clock().sleep(seconds(50));
    world
        .clock
        .drive(lease.hold(&context, work))
        .unwrap()
        .unwrap();

    let world = failing(&[[None].as_slice(), &[Some(false); 99]].concat());
    let context = world.context(1);
    let lease = world.acquire(1).unwrap();
    let work = context.clock().sleep(seconds(50));
    let error = world
        .clock
        .drive(lease.hold(&context, work))
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!((seconds(35)..seconds(38)).contains(&world.clock.monotonic()));
}

/// A store that never answers its second put.
#[derive(Debug, Default)]
struct Silent {
    inner: MemoryState,
    puts: Mutex<usize>,
}

#[async_trait]
impl StateStore for Silent {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let nth = {
            let mut puts = self.puts.lock().unwrap();
            *puts += 1;
            *puts
        };
        if nth == 2 {
            std::future::pending::<()>().await;
        }
        self.inner.put(key, bytes, expected).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.inner.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.inner.list(tenant, kind, after, limit).await
    }
}

#[test]
fn a_renewal_that_is_never_answered_loses_no_lease() {
    // The default terms, and those that leave the least time.
    let tight = terms().with_ttl(seconds(51));
    for terms in [LeaseTerms::default(), tight] {
        let world = World {
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            store: Arc::new(Silent::default()),
        };
        let context = world.context(1);
        let request = request(&world.store, "one").with_terms(terms);
        let work = async {
            let lease = Lease::acquire(&context, request).await?;
            let work = async {
                for _ in 0..200 {
                    context.clock().sleep(seconds(1)).await;
                }
            };
            lease.hold(&context, work).await
        };
        world.clock.drive(work).unwrap().unwrap();
        assert_eq!(world.clock.monotonic(), seconds(200));
    }
}

// What follows plays many runners that stand still, lose answers and have their clocks set.

/// The clock of one machine: its calendar is set, it runs a little fast or slow, and may stand still with the machine.
#[derive(Debug)]
struct Skewed {
    base: ManualClock,
    /// Its seconds for a thousand true ones.
    rate: u32,
    calendar: Mutex<TimeDelta>,
    suspended: Mutex<Duration>,
}

impl Clock for Skewed {
    fn now(&self) -> DateTime<Utc> {
        self.base.now() + *self.calendar.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        let awake = self.base.monotonic() - *self.suspended.lock().unwrap();
        awake * self.rate / 1_000
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.base.sleep(time * 1_000 / self.rate)
    }
}

/// A store far away: answers take time and get lost, and for a while a runner cannot reach it at all.
#[derive(Debug)]
struct Far {
    inner: MemoryState,
    clock: ManualClock,
    chance: Arc<Chance>,
    away_until: Mutex<Duration>,
}

impl Far {
    async fn travel(&self) -> Result<()> {
        self.clock
            .sleep(Duration::from_millis(self.chance.below(400)))
            .await;
        let now = self.clock.monotonic();
        let mut away_until = self.away_until.lock().unwrap();
        if self.chance.below(150) == 0 {
            *away_until = now + seconds(self.chance.below(150));
        }
        if now < *away_until {
            return Err(Error::new(ErrorKind::Io, "lost on its way"));
        }
        Ok(())
    }
}

#[async_trait]
impl StateStore for Far {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.travel().await?;
        let got = self.inner.get(key).await;
        self.travel().await?;
        got
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        self.travel().await?;
        let put = self.inner.put(key, bytes, expected).await;
        self.travel().await?;
        put
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.inner.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.inner.list(tenant, kind, after, limit).await
    }
}

/// Numbers that the seed decides.
#[derive(Debug)]
struct Chance(SeededEntropy);

impl Chance {
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        syncline::host::Entropy::fill(&self.0, &mut bytes);
        u64::from_le_bytes(bytes) % bound
    }
}

/// A process that stands still now and then, between any two steps.
struct Pausing<'a> {
    process: BoxFuture<'a, ()>,
    pause: Option<BoxFuture<'static, ()>>,
    clock: Arc<Skewed>,
    /// Standing still, its other clock stands still as well.
    suspends: bool,
    fell_asleep: Duration,
    chance: Arc<Chance>,
}

impl Future for Pausing<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(task).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
            if self.suspends {
                let slept = self.clock.base.monotonic() - self.fell_asleep;
                *self.clock.suspended.lock().unwrap() += slept;
            } else if self.chance.below(3) == 0 {
                // Somebody sets the clock.
                let minutes = self.chance.below(121) as i64 - 60;
                *self.clock.calendar.lock().unwrap() += TimeDelta::minutes(minutes);
            }
            return self.process.as_mut().poll(task);
        }
        let polled = self.process.as_mut().poll(task);
        if polled.is_pending() && self.chance.below(60) == 0 {
            let longest = if self.chance.below(2) == 0 {
                70_000
            } else {
                600_000
            };
            let mut pause = self
                .clock
                .base
                .sleep(Duration::from_millis(self.chance.below(longest)));
            self.fell_asleep = self.clock.base.monotonic();
            if pause.as_mut().poll(task).is_pending() {
                self.pause = Some(pause);
            }
        }
        polled
    }
}

/// A write that a destination without fences took.
#[derive(Debug, Clone, Copy)]
struct Write {
    epoch: u64,
    sent: Duration,
    landed: Duration,
}

/// What happened in a game.
#[derive(Debug, Default)]
struct Played {
    writes: Vec<Write>,
    /// The epochs that moved the job's checkpoint, in order.
    moved: Vec<u64>,
    /// How often a checkpoint was not moved, because its run was a zombie's.
    fenced: usize,
    leases: usize,
}

impl Played {
    /// Pairs of writes of which the older holder's landed behind the newer one's begin.
    fn mixed(&self) -> usize {
        let pairs = self
            .writes
            .iter()
            .flat_map(|old| self.writes.iter().map(move |new| (old, new)));
        pairs
            .filter(|(old, new)| old.epoch < new.epoch && old.landed >= new.sent)
            .count()
    }
}

/// `runners` take turns for some hours. A write lands within `timeout`; a process stands still for up to `margin` between its
/// look at the lease and the write.
fn play(seed: u64, runners: u64, terms: LeaseTerms, timeout: Duration, margin: Duration) -> Played {
    let base = ManualClock::new(DateTime::UNIX_EPOCH);
    let chance = Arc::new(Chance(SeededEntropy::new(seed)));
    let shared = MemoryState::new();
    let played = Mutex::new(Played::default());
    let processes = (0..runners).map(|runner| {
        let clock = Arc::new(Skewed {
            base: base.clone(),
            rate: 990 + u32::try_from(chance.below(21)).unwrap(),
            calendar: Mutex::new(TimeDelta::minutes(chance.below(121) as i64 - 60)),
            suspended: Mutex::default(),
        });
        let store: Arc<dyn StateStore> = Arc::new(Far {
            inner: shared.clone(),
            clock: base.clone(),
            chance: Arc::clone(&chance),
            away_until: Mutex::default(),
        });
        let context = Context::new()
            .with_clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .with_entropy(Arc::new(SeededEntropy::new(seed.wrapping_mul(64) + runner)));
        let request = request(&store, &format!("runner {runner}")).with_terms(terms);
        let process = process(
            runner,
            base.clone(),
            context,
            request,
            &chance,
            &played,
            timeout,
            margin,
        );
        Pausing {
            process: Box::pin(process),
            pause: None,
            clock,
            suspends: chance.below(2) == 0,
            fell_asleep: Duration::ZERO,
            chance: Arc::clone(&chance),
        }
    });
    let all = join_all(processes.collect::<Vec<_>>());
    base.drive(all).expect("nothing waits for ever");
    played.into_inner().unwrap()
}

#[allow(clippy::too_many_arguments)]
async fn process(
    runner: u64,
    base: ManualClock,
    context: Context,
    request: LeaseRequest,
    chance: &Chance,
    played: &Mutex<Played>,
    timeout: Duration,
    margin: Duration,
) {
    let checkpoint = StateKey::new(&request.tenant, StateKind::Checkpoint, ["nightly"]).unwrap();
    let store = Arc::clone(&request.store);
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    while base.monotonic() < seconds(3 * 3_600) {
        context
            .clock()
            .sleep(Duration::from_millis(chance.below(30_000)))
            .await;
        let Ok(lease) = Lease::acquire(&context, request.clone()).await else {
            continue;
        };
        played.lock().unwrap().leases += 1;
        let epoch = lease.epoch();
        let run = async {
            let mut expected = match store.get(&checkpoint).await? {
                Some(stored) => Expected::Version(stored.version),
                None => Expected::Absent,
            };
            for group in 0..chance.below(20) {
                for _ in 0..1 + chance.below(8) {
                    let late = chance.below(milliseconds(margin) + 1);
                    let sent = base.monotonic() + Duration::from_millis(late);
                    let landed =
                        sent + Duration::from_millis(chance.below(milliseconds(timeout) + 1));
                    (played.lock().unwrap().writes).push(Write {
                        epoch,
                        sent,
                        landed,
                    });
                    base.sleep(landed - base.monotonic()).await;
                }
                let bytes = format!("{epoch} {group} {runner}");
                match store.put(&checkpoint, bytes.into(), expected).await? {
                    Swap::Done(version) => {
                        played.lock().unwrap().moved.push(epoch);
                        expected = Expected::Version(version);
                    }
                    Swap::Conflict => {
                        played.lock().unwrap().fenced += 1;
                        return Err(Error::new(ErrorKind::Conflict, "fenced"));
                    }
                }
            }
            Ok(())
        };
        match lease.hold(&context, run).await {
            Ok(Ok(())) => drop(lease.release().await),
            // A crash: whatever was written may land yet.
            _ => drop(lease),
        }
    }
}

#[test]
fn no_two_runners_write_at_a_time() {
    let mut totals = Played::default();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let totals_of = Mutex::new(&mut totals);
    let held = runner.run(&(any::<u64>(), 2_u64..=8), |(seed, runners)| {
        let played = play(seed, runners, terms(), seconds(20), seconds(5));
        prop_assert_eq!(played.mixed(), 0);
        prop_assert!(played.moved.is_sorted(), "{:?}", played.moved);
        let mut totals = totals_of.lock().unwrap();
        totals.writes.extend(&played.writes);
        totals.leases += played.leases;
        totals.fenced += played.fenced;
        Ok(())
    });
    held.unwrap();
    // The games are worth the name.
    assert!(
        totals.leases > 5_000 && totals.writes.len() > 20_000,
        "{} leases, {} writes",
        totals.leases,
        totals.writes.len()
    );
}

#[test]
fn without_the_margin_they_do() {
    let careless = terms()
        .with_write_timeout(Duration::ZERO)
        .with_margin(Duration::ZERO);
    let mixed =
        (0..60).filter(|&seed| play(seed, 4, careless, seconds(20), seconds(5)).mixed() > 0);
    assert!(mixed.count() > 0);
}
