//! Time.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

/// The only source of time.
///
/// ```
/// use std::time::Duration;
/// use syncline::host::{Clock, SystemClock};
///
/// let began = SystemClock.monotonic();
/// futures::executor::block_on(SystemClock.sleep(Duration::from_millis(5)));
/// assert!(SystemClock.monotonic() - began >= Duration::from_millis(5));
/// ```
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present instant, as calendars have it. It may jump: people and time servers set clocks.
    fn now(&self) -> DateTime<Utc>;
    /// The time since some fixed moment of this process. It never goes back and never jumps, and may stand still while
    /// the machine is suspended.
    fn monotonic(&self) -> Duration;
    /// Is ready when this much time has passed since the call, by [`monotonic`](Clock::monotonic).
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// Waits for work as long as this; `None` says that it is not done.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    time: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    // Most answers are there at once, and need no clock.
    let mut alarm = None;
    poll_fn(|task: &mut Context<'_>| {
        if let Poll::Ready(answer) = work.as_mut().poll(task) {
            return Poll::Ready(Some(answer));
        }
        if time == Duration::MAX {
            return Poll::Pending;
        }
        let alarm = alarm.get_or_insert_with(|| clock.sleep(time));
        alarm.as_mut().poll(task).map(|()| None)
    })
    .await
}

/// The machine's clock. Those who sleep share one thread, which is started for the first of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        std::time::SystemTime::now().into()
    }

    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        match Instant::now().checked_add(time) {
            Some(end) => Box::pin(Sleep { end, place: None }),
            // Longer than any machine runs.
            None => Box::pin(std::future::pending()),
        }
    }
}

/// When to wake whom; the number tells those of one instant apart.
type Place = (Instant, u64);

/// Wakes sleepers on a thread of its own.
#[derive(Debug, Default)]
struct Timer {
    sleepers: Mutex<Sleepers>,
    /// A sleeper came who wakes before all others.
    earlier: Condvar,
}

#[derive(Debug, Default)]
struct Sleepers {
    wakers: BTreeMap<Place, Waker>,
    /// How many there ever were.
    count: u64,
    has_thread: bool,
}

static TIMER: OnceLock<Timer> = OnceLock::new();

impl Timer {
    fn get() -> &'static Timer {
        TIMER.get_or_init(Timer::default)
    }

    /// No panic can leave the map half changed.
    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a sleeper to bed; `None` if there is no thread to wake it.
    fn add(&'static self, end: Instant, waker: Waker) -> Option<Place> {
        let mut sleepers = self.sleepers();
        if !sleepers.has_thread {
            let thread = std::thread::Builder::new().name("syncline-timer".into());
            thread.spawn(|| self.run()).ok()?;
            sleepers.has_thread = true;
        }
        sleepers.count += 1;
        let place = (end, sleepers.count);
        let first = sleepers.wakers.keys().next();
        let wakes_first = first.is_none_or(|first| place < *first);
        sleepers.wakers.insert(place, waker);
        if wakes_first {
            self.earlier.notify_one();
        }
        Some(place)
    }

    fn run(&self) {
        let mut sleepers = self.sleepers();
        loop {
            let now = Instant::now();
            let Some((&(end, _), _)) = sleepers.wakers.first_key_value() else {
                let woken = self.earlier.wait(sleepers);
                sleepers = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if end > now {
                let woken = self.earlier.wait_timeout(sleepers, end - now);
                sleepers = woken.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let waker = sleepers.wakers.pop_first();
            drop(sleepers);
            if let Some((_, waker)) = waker {
                waker.wake();
            }
            sleepers = self.sleepers();
        }
    }
}

#[derive(Debug)]
struct Sleep {
    end: Instant,
    place: Option<Place>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        let timer = Timer::get();
        if let Some(place) = self.place {
            if let Some(waker) = timer.sleepers().wakers.get_mut(&place) {
                waker.clone_from(context.waker());
                return Poll::Pending;
            }
        }
        self.place = timer.add(self.end, context.waker().clone());
        if self.place.is_none() {
            // The machine has no thread left. To hold up the caller's keeps the promise all the same.
            std::thread::sleep(left);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            Timer::get().sleepers().wakers.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use futures::executor::block_on;
    use futures::future::{self, FutureExt as _};

    use super::*;

    #[test]
    fn sleepers_wake_in_their_order_whatever_order_they_came_in() {
        let order = Mutex::new(Vec::new());
        let began = Instant::now();
        let sleepers = [60, 20, 40].map(|milliseconds| {
            let order = &order;
            SystemClock
                .sleep(Duration::from_millis(milliseconds))
                .map(move |()| order.lock().unwrap().push(milliseconds))
        });
        block_on(future::join_all(sleepers));
        assert_eq!(*order.lock().unwrap(), [20, 40, 60]);
        assert!(began.elapsed() >= Duration::from_millis(60));
    }

    #[test]
    fn who_no_longer_sleeps_is_forgotten() {
        let long = SystemClock.sleep(Duration::from_secs(3_601));
        let short = SystemClock.sleep(Duration::from_millis(1));
        // Polls both.
        let (_, long) = match block_on(future::select(long, short)) {
            future::Either::Right(done) => done,
            future::Either::Left(_) => panic!("an hour went by"),
        };
        let hours = |sleepers: MutexGuard<'_, Sleepers>| {
            let soon = Instant::now() + Duration::from_secs(3_000);
            sleepers
                .wakers
                .keys()
                .filter(|place| place.0 > soon)
                .count()
        };
        assert_eq!(hours(Timer::get().sleepers()), 1);
        drop(long);
        assert_eq!(hours(Timer::get().sleepers()), 0);
        assert_eq!(SystemClock.sleep(Duration::MAX).now_or_never(), None);
        assert_eq!(SystemClock.sleep(Duration::ZERO).now_or_never(), Some(()));
    }
}
