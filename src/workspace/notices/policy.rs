//! How often people are told.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::schedule::Schedule;

/// How often an address is told, and how long it is tried.
///
/// ```
/// use std::time::Duration;
/// use syncline::schedule::CompiledSchedule;
/// use syncline::workspace::NoticePolicy;
///
/// let mornings = CompiledSchedule::new(&"every weekday at 08:00 Europe/Berlin".parse()?)?;
/// let policy = NoticePolicy::default().with_per_hour(3).with_digest(mornings).with_repeat_after(Duration::from_secs(3_600));
/// assert_eq!((policy.per_hour, policy.tries), (3, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NoticePolicy {
    /// How many notices an address gets in an hour at most: 6, and 1 at least. What happens besides waits, and is told together in the next one.
    pub per_hour: u16,
    /// When an address gets a notice, of all that has happened since the one before: at once, if there is no schedule.
    pub digest: Option<Arc<dyn Schedule>>,
    /// For how long nobody is told again that a job fails as it did before, unless it succeeded in between: a day. Behind that it is told how often it
    /// did.
    pub repeat_after: Duration,
    /// How often a notice is tried to be delivered before it is given up: 10, and 1 at least. The first wait is a minute; each further one is twice as
    /// long, but an hour at most, or as long as the error says.
    pub tries: u32,
    /// How long a delivery may take: 30 seconds.
    pub timeout: Duration,
}

impl Default for NoticePolicy {
    fn default() -> Self {
        NoticePolicy {
            per_hour: 6,
            digest: None,
            repeat_after: Duration::from_secs(24 * 3_600),
            tries: 10,
            timeout: Duration::from_secs(30),
        }
    }
}

impl NoticePolicy {
    /// The same, with so many notices in an hour at most.
    #[must_use]
    pub fn with_per_hour(mut self, notices: u16) -> Self {
        self.per_hour = notices;
        self
    }

    /// The same, gathering what happens, and telling it when this schedule says so. One that has no more runs gathers nothing.
    #[must_use]
    pub fn with_digest(mut self, schedule: impl Schedule + 'static) -> Self {
        self.digest = Some(Arc::new(schedule));
        self
    }

    /// The same, telling a failure again after this time.
    #[must_use]
    pub fn with_repeat_after(mut self, time: Duration) -> Self {
        self.repeat_after = time;
        self
    }

    /// The same, trying so often.
    #[must_use]
    pub fn with_tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    /// The same, waiting so long for a delivery.
    #[must_use]
    pub fn with_timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// How long a delivery is nobody else's affair: longer than it may take.
    pub(super) fn claim(&self) -> TimeDelta {
        delta(self.timeout) + TimeDelta::seconds(30)
    }

    pub(super) fn repeat(&self) -> TimeDelta {
        delta(self.repeat_after)
    }
}

/// Long ones are cut to a thousand years, with which calendars can still be reckoned.
pub(super) fn delta(time: Duration) -> TimeDelta {
    const LONG: TimeDelta = TimeDelta::days(365_000);
    TimeDelta::from_std(time).unwrap_or(LONG).min(LONG)
}
