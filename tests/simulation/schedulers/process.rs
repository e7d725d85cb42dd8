//! One process with a scheduler, its clock, and its way to the store.

use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use syncline::host::{
    CancelToken, Clock, Context, Expected, SeededEntropy, StateKey, StateKind, StateStore,
    StateVersion, Stored, Swap,
};
use syncline::job::LeaseTerms;
use syncline::memory::{ManualClock, MemoryState};
use syncline::scheduler::{RunLimits, Scheduler, SchedulerConfig, Timetables};
use syncline::{Error, ErrorKind, Result, Retry, Tenant};

use super::super::sweep::Chance;
use super::book::{Book, Provider};
use super::{OF_TENANT, poll_once};

/// Whether somebody woke a process.
#[derive(Debug)]
pub(super) struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

pub(super) struct Process {
    pub(super) number: usize,
    future: BoxFuture<'static, Result<()>>,
    woken: Arc<Woken>,
    stands_until: Option<DateTime<Utc>>,
    clock: Arc<Skewed>,
    way: Arc<Way>,
    cancel: CancelToken,
    time: ManualClock,
}

/// A clock whose calendar is wrong.
#[derive(Debug)]
struct Skewed {
    clock: ManualClock,
    ahead: Mutex<TimeDelta>,
}

impl Clock for Skewed {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now() + *self.ahead.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(time)
    }
}

/// What a process's calls meet with on their way.
#[derive(Debug)]
struct Way {
    draw: Mutex<Chance>,
    /// Of a thousand calls, how many fail.
    fails: AtomicU64,
    /// So many effects from now the process dies, if any.
    left: AtomicU64,
    dead: AtomicBool,
}

/// The store, as one process reaches it.
struct Reached {
    store: Arc<MemoryState>,
    way: Arc<Way>,
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reached")
    }
}

impl Reached {
    /// Others may do something before each call, and it may fail before it is made.
    async fn before(&self, changes: bool) -> Result<()> {
        let mut waited = false;
        poll_fn(|task| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            task.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        if changes
            && self.way.left.load(Ordering::Relaxed) > 0
            && self.way.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            self.way.dead.store(true, Ordering::Relaxed);
            pending::<()>().await;
        }
        self.fails()
    }

    fn fails(&self) -> Result<()> {
        let mut draw = self.way.draw.lock().unwrap();
        match draw.below(1_000) < self.way.fails.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Io, "the store is away").retrying(Retry::Now)),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl StateStore for Reached {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.before(false).await?;
        self.store.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        self.before(true).await?;
        let put = self.store.put(key, bytes, expected).await;
        // Done, and the answer is lost.
        self.fails()?;
        put
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.before(true).await?;
        let deleted = self.store.delete(key, expected).await;
        self.fails()?;
        deleted
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.before(false).await?;
        self.store.list(tenant, kind, start_after, limit).await
    }
}

impl Process {
    pub(super) fn begin(
        number: usize,
        time: &ManualClock,
        state: &Arc<MemoryState>,
        book: &Book,
        draw: &mut Chance,
        disturbed: bool,
        repairs: bool,
    ) -> Self {
        let clock = Arc::new(Skewed {
            clock: time.clone(),
            ahead: Mutex::default(),
        });
        let seed = draw.below(u64::MAX);
        let fails = if disturbed && draw.below(2) == 0 {
            15
        } else {
            0
        };
        if fails > 0 {
            // It may lose its session.
            book.disturbed(number);
        }
        let way = Arc::new(Way {
            draw: Mutex::new(Chance(seed)),
            fails: AtomicU64::new(fails),
            left: AtomicU64::new(0),
            dead: AtomicBool::new(false),
        });
        let reached = Arc::new(Reached {
            store: state.clone(),
            way: way.clone(),
        });
        let timetables = Timetables::new(Tenant::new("host").unwrap(), reached);
        let provider = Provider {
            process: number,
            book: book.clone(),
        };
        let observer = Arc::new(provider.clone());
        let seconds = Duration::from_secs;
        let terms = LeaseTerms::default()
            .with_ttl(seconds(60))
            .with_write_timeout(seconds(5))
            .with_margin(seconds(5));
        let limits = RunLimits::default()
            .with_at_once(3)
            .with_of_tenant(Some(OF_TENANT))
            .with_of_connection(Some(OF_TENANT));
        let config =
            SchedulerConfig::new(format!("process {number}"), timetables, Arc::new(provider))
                .with_limits(limits)
                .with_terms(terms)
                .with_look_every(seconds(15))
                .with_heed_every(seconds(10))
                .with_drain(seconds(5))
                .with_repair(if repairs { 2 } else { 0 });
        let cancel = CancelToken::new();
        let context = Context::new()
            .with_clock(clock.clone())
            .with_observer(observer)
            .with_entropy(Arc::new(SeededEntropy::new(seed)))
            .with_cancel(cancel.clone());
        // They do not all look at the same moment.
        let nap = clock.sleep(Duration::from_millis(draw.below(15_000)));
        let future = Box::pin(async move {
            nap.await;
            Scheduler::new(config).run(&context).await
        });
        Process {
            number,
            future,
            woken: Arc::new(Woken(AtomicBool::new(true))),
            stands_until: None,
            clock,
            way,
            cancel,
            time: time.clone(),
        }
    }

    pub(super) fn is_ready(&self, now: DateTime<Utc>) -> bool {
        self.woken.0.load(Ordering::Acquire) && self.stands_until.is_none_or(|until| until <= now)
    }

    pub(super) fn stands_until(&self) -> Option<DateTime<Utc>> {
        let until = self.stands_until?;
        (until > self.time.now()).then_some(until)
    }

    /// Goes on; whether it is over.
    pub(super) fn poll(&mut self) -> bool {
        self.woken.0.store(false, Ordering::Release);
        let waker = Waker::from(self.woken.clone());
        match poll_once(&mut self.future, &waker) {
            Poll::Ready(ended) => {
                ended.unwrap_or_else(|error| match error.kind() {
                    ErrorKind::Conflict | ErrorKind::Io => {}
                    _ => panic!("{error}"),
                });
                true
            }
            Poll::Pending => self.way.dead.load(Ordering::Relaxed),
        }
    }

    pub(super) fn stand_still(&mut self, until: DateTime<Utc>) {
        self.stands_until = Some(until);
    }

    pub(super) fn jump(&mut self, by: TimeDelta) {
        let mut ahead = self.clock.ahead.lock().unwrap();
        *ahead = (*ahead + by).clamp(TimeDelta::hours(-1), TimeDelta::hours(1));
    }

    pub(super) fn stop(&mut self) {
        self.cancel.cancel();
    }

    pub(super) fn dies_amid_effects(&mut self, effects: u64) {
        self.way.left.store(effects, Ordering::Relaxed);
    }

    pub(super) fn leave_in_peace(&mut self) {
        self.stands_until = None;
        *self.clock.ahead.lock().unwrap() = TimeDelta::zero();
        self.way.fails.store(0, Ordering::Relaxed);
        self.way.left.store(0, Ordering::Relaxed);
    }
}
