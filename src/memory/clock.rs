//! Time that stands still until it is moved.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;

use crate::host::Clock;

/// A clock that only moves when told to. Clones share one time.
///
/// [`drive`](ManualClock::drive) runs a future and lets time leap to the next sleeper whenever nothing else is left to do, so
/// that an hour of waiting takes no time at all:
///
/// ```
/// use std::time::Duration;
/// use chrono::{DateTime, TimeDelta};
/// use syncline::host::Clock;
/// use syncline::memory::ManualClock;
///
/// let clock = ManualClock::new(DateTime::UNIX_EPOCH);
/// clock.advance(TimeDelta::seconds(90));
/// assert_eq!(clock.now().timestamp(), 90);
///
/// let hour = clock.sleep(Duration::from_secs(3_600));
/// assert_eq!(clock.drive(hour), Some(()));
/// assert_eq!(clock.now().timestamp(), 3_690);
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Time>>);

#[derive(Debug)]
struct Time {
    now: DateTime<Utc>,
    passed: Duration,
    /// By the time to wake at; the number tells those of one time apart.
    sleepers: BTreeMap<Place, Waker>,
    count: u64,
}

type Place = (Duration, u64);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: DateTime<Utc>) -> Self {
        ManualClock(Arc::new(Mutex::new(Time {
            now: start,
            passed: Duration::ZERO,
            sleepers: BTreeMap::new(),
            count: 0,
        })))
    }

    /// Lets time pass and wakes those whose time has come. A negative time sets the clock back, as [`jump`](ManualClock::jump)
    /// does. Beyond the range of dates `now` stays where it is.
    pub fn advance(&self, by: TimeDelta) {
        match by.to_std() {
            Ok(passing) => self.pass(passing),
            Err(_) => self.jump(by),
        }
    }

    /// Sets the clock, forward or back, as people and time servers do: no time passes for those who sleep.
    pub fn jump(&self, by: TimeDelta) {
        let mut time = self.time();
        time.now = time.now.checked_add_signed(by).unwrap_or(time.now);
    }

    /// Runs a future to its end. Whenever it waits and nothing has woken it, time leaps to the next sleeper; `None` if there is
    /// no sleeper either, so that it would wait for ever.
    ///
    /// What it waits for must happen on this thread, as with the executor [`Inline`](crate::host::Inline): nobody waits for others.
    pub fn drive<F: Future>(&self, future: F) -> Option<F::Output> {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if woken.0.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                    return Some(output);
                }
            } else if !self.leap() {
                return None;
            }
        }
    }

    /// Lets time pass up to the next sleeper and wakes it; `false` if nobody sleeps.
    pub fn leap(&self) -> bool {
        let (next, passed) = {
            let time = self.time();
            (
                time.sleepers.keys().next().map(|place| place.0),
                time.passed,
            )
        };
        if let Some(next) = next {
            self.pass(next.saturating_sub(passed));
        }
        next.is_some()
    }

    fn pass(&self, by: Duration) {
        let mut time = self.time();
        time.passed = time.passed.saturating_add(by);
        let delta = TimeDelta::from_std(by).ok();
        let now = delta.and_then(|delta| time.now.checked_add_signed(delta));
        time.now = now.unwrap_or(time.now);
        let later = match time.passed.checked_add(Duration::from_nanos(1)) {
            Some(end) => time.sleepers.split_off(&(end, 0)),
            None => BTreeMap::new(),
        };
        let due = std::mem::replace(&mut time.sleepers, later);
        drop(time);
        due.into_values().for_each(Waker::wake);
    }

    /// No panic can leave it half changed.
    fn time(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.time().now
    }

    fn monotonic(&self) -> Duration {
        self.time().passed
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let end = self.time().passed.saturating_add(time);
        Box::pin(Sleep {
            clock: self.clone(),
            end,
            place: None,
        })
    }
}

#[derive(Debug)]
struct Sleep {
    clock: ManualClock,
    end: Duration,
    place: Option<Place>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut time = clock.time();
        if time.passed >= self.end {
            return Poll::Ready(());
        }
        let place = self.place.unwrap_or_else(|| {
            time.count += 1;
            (self.end, time.count)
        });
        time.sleepers.insert(place, context.waker().clone());
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.clock.time().sleepers.remove(&place);
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use futures::future::{self, Either, FutureExt as _};

    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn time_leaps_from_sleeper_to_sleeper() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let waits = |count| {
            let clock = clock.clone();
            async move {
                clock.sleep(seconds(count)).await;
                let first = clock.monotonic();
                clock.sleep(seconds(count)).await;
                [first, clock.monotonic()]
            }
        };
        let both = clock.drive(future::join(waits(7), waits(3)));
        let expected = ([seconds(7), seconds(14)], [seconds(3), seconds(6)]);
        assert_eq!(both, Some(expected));
        assert_eq!(clock.now().timestamp(), 14);
    }

    #[test]
    fn who_can_never_be_woken_is_told() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        assert_eq!(clock.drive(future::pending::<()>()), None);
        // A sleeper that was dropped wakes nobody.
        let never = async {
            let raced = future::select(clock.sleep(seconds(9)), clock.sleep(seconds(1))).await;
            assert!(matches!(raced, Either::Right(_)));
            drop(raced);
            future::pending::<()>().await;
        };
        assert_eq!(clock.drive(never), None);
        assert_eq!(clock.monotonic(), seconds(1));
        assert!(!clock.leap());
    }

    #[test]
    fn a_future_that_wakes_itself_lets_no_time_pass() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let mut left = 5;
        let busy = future::poll_fn(|context| {
            left -= 1;
            context.waker().wake_by_ref();
            if left == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let nap = clock.sleep(seconds(1));
        let done = clock.drive(future::select(busy, nap).map(|raced| raced.factor_first().0));
        assert_eq!(done, Some(()));
        assert_eq!(clock.monotonic(), Duration::ZERO);
    }

    #[test]
    fn setting_the_clock_wakes_nobody() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let mut nap = clock.sleep(seconds(10));
        clock.jump(TimeDelta::hours(1));
        assert_eq!((&mut nap).now_or_never(), None);
        clock.advance(TimeDelta::hours(-1));
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
        assert_eq!(clock.monotonic(), Duration::ZERO);
        clock.advance(TimeDelta::seconds(10));
        assert_eq!((&mut nap).now_or_never(), Some(()));
        clock.advance(TimeDelta::MAX);
        assert_eq!(clock.now().timestamp(), 10);
    }
}
