//! A lease that several threads renew, take, give back and take over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use loom::thread::JoinHandle;
use syncline::host::{
    CancelToken, Clock as _, Context, Expected, StateKey, StateKind, StateStore, StateVersion,
    Stored, Swap,
};
use syncline::job::{Lease, LeaseRequest};
use syncline::memory::{ManualClock, MemoryState};
use syncline::{ErrorKind, Result, Tenant};

use super::bounded;

/// A store before each call of which another thread may have its turn. Clones share it.
#[derive(Debug, Clone)]
struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    turn: loom::sync::Mutex<()>,
    kept: MemoryState,
    /// Whether it ignores what is expected, as no store may.
    blind: bool,
    /// Whether the next put is never answered, and lands later.
    late: AtomicBool,
    landing: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    fn new(blind: bool) -> Self {
        Store(Arc::new(Inner {
            turn: loom::sync::Mutex::new(()),
            kept: MemoryState::new(),
            blind,
            late: AtomicBool::new(false),
            landing: Mutex::new(None),
        }))
    }

    async fn land(&self, key: &StateKey, bytes: Bytes, mut expected: Expected) -> Result<Swap> {
        let _turn = self.0.turn.lock().unwrap();
        if self.0.blind {
            let present = self.0.kept.get(key).await?;
            expected = present.map_or(Expected::Absent, |it| Expected::Version(it.version));
        }
        self.0.kept.put(key, bytes, expected).await
    }
}

/// What never waits.
fn now<T>(work: impl Future<Output = T>) -> T {
    futures::FutureExt::now_or_never(work).unwrap()
}

#[async_trait]
impl StateStore for Store {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        drop(self.0.turn.lock().unwrap());
        self.0.kept.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        if self.0.late.swap(false, Ordering::Relaxed) {
            let (store, key) = (self.clone(), key.clone());
            let landing = move || drop(now(store.land(&key, bytes, expected)));
            *self.0.landing.lock().unwrap() = Some(loom::thread::spawn(landing));
            return std::future::pending().await;
        }
        // The turn is over before anybody waits.
        now(self.land(key, bytes, expected))
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.0.kept.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.0.kept.list(tenant, kind, start_after, limit).await
    }
}

#[derive(Clone)]
struct Scene {
    clock: ManualClock,
    context: Context,
    store: Store,
}

impl Scene {
    fn new(blind: bool) -> Self {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        Scene {
            context: Context::new().with_clock(Arc::new(clock.clone())),
            clock,
            store: Store::new(blind),
        }
    }

    /// Whoever finds that another one has it does not wait.
    fn in_a_hurry(mut self) -> Self {
        let stop = CancelToken::new();
        stop.cancel();
        self.context = self.context.with_cancel(stop);
        self
    }

    fn acquire(&self) -> Result<Lease> {
        let tenant = Tenant::new("acme").unwrap();
        let request = LeaseRequest::new(tenant, "nightly", Arc::new(self.store.clone()));
        self.drive(Lease::acquire(&self.context, request))
    }

    /// Time goes on when all that this thread does waits for it.
    fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        self.clock.drive(work).unwrap()
    }
}

#[test]
fn renewals_beside_each_other_never_lose_the_lease() {
    bounded(|| {
        let scene = Scene::new(false);
        let lease = Arc::new(scene.acquire().unwrap());
        let (beside, there) = (lease.clone(), scene.clone());
        let other = loom::thread::spawn(move || there.drive(beside.renew(&there.context)).unwrap());
        scene.drive(lease.renew(&scene.context)).unwrap();
        assert!(lease.may_write(&scene.context).is_ok());
        other.join().unwrap();
        // Whatever each of them took for the newest version, the next one finds its way.
        scene.drive(lease.renew(&scene.context)).unwrap();
        let lease = Arc::into_inner(lease).unwrap();
        scene.drive(lease.release()).unwrap();
        assert_eq!(scene.acquire().unwrap().epoch(), 2);
    });
}

/// Two runners come at the same time.
fn two_runners(blind: bool) {
    let (conflicts, waits) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (conflicts.clone(), waits.clone());
    bounded(move || {
        let scene = Scene::new(blind).in_a_hurry();
        scene.drive(scene.acquire().unwrap().release()).unwrap();
        let beside = scene.clone();
        let other = loom::thread::spawn(move || beside.acquire());
        let own = scene.acquire();
        let both = [own, other.join().unwrap()];
        let held: Vec<&Lease> = both.iter().flatten().collect();
        assert_eq!(held.len(), 1, "{both:?}");
        let lost = both.iter().find_map(|lease| lease.as_ref().err()).unwrap();
        assert_eq!(held[0].epoch(), 2);
        let count = match lost.kind() {
            ErrorKind::Conflict => &counts.0,
            ErrorKind::Cancelled => &counts.1,
            _ => panic!("{lost}"),
        };
        count.fetch_add(1, Ordering::Relaxed);
    });
    // One came between the other's look and its swap, and one behind both.
    assert!(conflicts.load(Ordering::Relaxed) > 0);
    assert!(waits.load(Ordering::Relaxed) > 0);
}

#[test]
fn of_two_runners_one_has_the_lease() {
    two_runners(false);
}

#[test]
#[should_panic(expected = "left: 2")]
fn with_a_store_that_ignores_what_is_expected_both_have_it() {
    two_runners(true);
}

/// A holder works and its lease is renewed beside that, while another runner waits for the lease to run out.
fn takeover(blind: bool) {
    let (kept, lost) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (kept.clone(), lost.clone());
    bounded(move || {
        let scene = Scene::new(blind);
        let lease = scene.acquire().unwrap();
        // No turn of the model: what is looked at in a step is so for the whole of it.
        let taken = Arc::new(AtomicBool::new(false));
        let (beside, takes) = (scene.clone(), taken.clone());
        let other = loom::thread::spawn(move || {
            let acquired = beside.acquire();
            takes.store(acquired.is_ok(), Ordering::Relaxed);
        });
        let work = async {
            for _ in 0..3 {
                assert!(!taken.load(Ordering::Relaxed), "two runners have it");
                scene.clock.sleep(Duration::from_secs(20)).await;
            }
            assert!(!taken.load(Ordering::Relaxed), "two runners have it");
        };
        let count = match scene.drive(lease.hold(&scene.context, work)) {
            Ok(()) => &counts.0,
            Err(_) => &counts.1,
        };
        count.fetch_add(1, Ordering::Relaxed);
        other.join().unwrap();
    });
    assert!(kept.load(Ordering::Relaxed) > 0);
    assert!(lost.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_holder_does_nothing_once_another_runner_has_the_lease() {
    takeover(false);
}

#[test]
#[should_panic(expected = "two runners have it")]
fn with_a_store_that_ignores_what_is_expected_it_does() {
    takeover(true);
}

/// A renewal is not answered in time, and lands while the lease is given back.
fn late_renewal(blind: bool) {
    let late = Arc::new(AtomicU64::new(0));
    let lates = late.clone();
    bounded(move || {
        let scene = Scene::new(blind).in_a_hurry();
        let lease = scene.acquire().unwrap();
        scene.store.0.late.store(true, Ordering::Relaxed);
        // It may have landed when the holder looks what became of it.
        if let Err(unanswered) = scene.drive(lease.renew(&scene.context)) {
            assert_eq!(unanswered.kind(), ErrorKind::Timeout);
            lates.fetch_add(1, Ordering::Relaxed);
        }
        scene.drive(lease.release()).unwrap();
        let landing = scene.store.0.landing.lock().unwrap().take();
        landing.unwrap().join().unwrap();
        assert_eq!(scene.acquire().unwrap().epoch(), 2);
    });
    assert!(late.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_lease_that_was_given_back_stays_so_whatever_lands_later() {
    late_renewal(false);
}

#[test]
#[should_panic(expected = "cancelled while waiting")]
fn with_a_store_that_ignores_what_is_expected_it_does_not() {
    late_renewal(true);
}
