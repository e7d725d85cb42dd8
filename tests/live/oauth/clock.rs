//! A clock on which tests need not wait for hours.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use syncline::host::{Clock, SystemClock};

/// It goes so many times as fast as the machine's, from a moment that all who share it know, and can be set on.
#[derive(Debug)]
pub(crate) struct FastClock {
    /// Milliseconds of the machine's clock when both showed the same.
    began: i64,
    times: u32,
    /// Seconds.
    ahead: AtomicI64,
}

impl FastClock {
    pub(crate) fn new(began: i64, times: u32) -> Self {
        FastClock {
            began,
            times,
            ahead: AtomicI64::new(0),
        }
    }

    /// As fast as the machine's.
    pub(crate) fn real() -> Self {
        Self::new(0, 1)
    }

    /// Sets it on.
    pub(crate) fn later(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// Milliseconds of the machine's clock.
pub(crate) fn milliseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

impl Clock for FastClock {
    fn now(&self) -> DateTime<Utc> {
        let passed = (milliseconds() - self.began) * i64::from(self.times);
        let now = DateTime::from_timestamp_millis(self.began + passed).unwrap();
        now + TimeDelta::seconds(self.ahead.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() * self.times
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(time / self.times)
    }
}
