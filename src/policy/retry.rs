//! When a call is tried again.

use std::time::Duration;

use crate::host::{Bug, Entropy};
use crate::{Error, ErrorKind, Retry};

/// When a call that failed is tried again.
///
/// The error decides whether: one that says [`Never`](Retry::Never), as errors do unless their maker knows better, is not tried
/// again, and neither is one of a kind that cannot pass, such as [`Invalid`](ErrorKind::Invalid) or
/// [`CorruptState`](ErrorKind::CorruptState). A record that was refused is no error and is never tried again.
///
/// The wait before try `n + 1` is drawn evenly between nothing and the lesser of `cap` and `base` doubled `n - 1` times: *full jitter*, so
/// that those who failed together do not come back together. An error that names a [time](Retry::After) is waited for that long at
/// least.
///
/// ```
/// use std::time::Duration;
/// use syncline::policy::RetryPolicy;
///
/// let policy = RetryPolicy::default().with_attempts(3).with_backoff(Duration::from_secs(1), Duration::from_secs(20));
/// assert_eq!((policy.attempts, policy.cap.as_secs()), (3, 20));
/// assert_eq!(RetryPolicy::never().attempts, 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How often a call is tried, the first time included. 5.
    pub attempts: u32,
    /// The longest wait before the second try. 200 ms.
    pub base: Duration,
    /// The longest wait before any try. 30 seconds.
    pub cap: Duration,
    /// The longest time that an error may ask to wait; where it asks for more, the call fails with it. 5 minutes.
    pub longest_wait: Duration,
    /// How often anything is tried again in a run. 100.
    pub budget: u64,
    /// What becomes of inserts when nobody knows whether they were made.
    pub unanswered_inserts: UnansweredInserts,
}

/// What a run does when a write fails that could do harm if it were tried again: plain inserts into a destination that knows
/// neither keys nor [batches](crate::destination::DestinationCapabilities::dedups_batches), which could be there twice; and upserts
/// with a field that is written [on update only](crate::spec::WriteOn::Update), which would change what they had made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UnansweredInserts {
    /// The run fails.
    #[default]
    Fail,
    /// They are made again, and some may be there twice, or changed as if they had been there before.
    Repeat,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            attempts: 5,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(30),
            longest_wait: Duration::from_secs(300),
            budget: 100,
            unanswered_inserts: UnansweredInserts::default(),
        }
    }
}

impl RetryPolicy {
    /// Nothing is tried again.
    pub fn never() -> Self {
        Self::default().with_attempts(1)
    }

    /// The same, trying a call so often, the first time included; 0 counts as 1.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The same, with these waits.
    #[must_use]
    pub fn with_backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.base = base;
        self.cap = cap;
        self
    }

    /// The same, waiting at most so long for who asks for it.
    #[must_use]
    pub fn with_longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// The same, trying again at most so often in a run.
    #[must_use]
    pub fn with_budget(mut self, retries: u64) -> Self {
        self.budget = retries;
        self
    }

    /// The same, doing this with inserts of which nobody knows whether they were made.
    #[must_use]
    pub fn with_unanswered_inserts(mut self, choice: UnansweredInserts) -> Self {
        self.unanswered_inserts = choice;
        self
    }

    /// How long to wait after the `failed`-th try of a call, from 1; `None` if it is not tried again.
    pub(super) fn wait(
        &self,
        error: &Error,
        failed: u32,
        entropy: &dyn Entropy,
    ) -> Option<Duration> {
        if failed >= self.attempts && !Bug::RetriesWithoutEnd.is_on() {
            return None;
        }
        let least = match error.retry() {
            _ if !can_pass(error.kind()) => return None,
            Retry::Never => return None,
            Retry::After(_) if Bug::RetryAfterIgnored.is_on() => Duration::ZERO,
            Retry::After(asked) => asked,
            Retry::Now => Duration::ZERO,
        };
        if least > self.longest_wait {
            return None;
        }
        let doubled = 2_u32.checked_pow(failed - 1);
        let most = doubled.and_then(|times| self.base.checked_mul(times));
        let most = most.map_or(self.cap, |most| most.min(self.cap));
        Some(least.max(draw(most, entropy)))
    }
}

/// Whether doing the same again can ever help.
fn can_pass(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Io
        | ErrorKind::Timeout
        | ErrorKind::LimitExceeded
        | ErrorKind::QuotaSpent
        | ErrorKind::CircuitOpen
        | ErrorKind::Conflict
        | ErrorKind::NotFound => true,
        ErrorKind::Invalid
        | ErrorKind::Unsupported
        | ErrorKind::Malformed
        | ErrorKind::Drifted
        | ErrorKind::OtherLineage
        | ErrorKind::CorruptState
        | ErrorKind::NewerState
        | ErrorKind::Cancelled
        | ErrorKind::Closed
        | ErrorKind::HostNotAllowed
        | ErrorKind::StateMismatch
        | ErrorKind::InsufficientScope
        | ErrorKind::OtherOrganization
        | ErrorKind::BadTokenAnswer
        | ErrorKind::ReauthorizationRequired
        | ErrorKind::Contract => false,
    }
}

/// Whether the call is known not to have been made, so that it may be made again whatever it is.
pub(super) fn was_not_made(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::QuotaSpent | ErrorKind::CircuitOpen)
}

/// A time from nothing to `most`, each as likely.
fn draw(most: Duration, entropy: &dyn Entropy) -> Duration {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    let share = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
    most.mul_f64(share)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::host::SeededEntropy;

    fn error(retry: Retry) -> Error {
        Error::new(ErrorKind::Io, "down").retrying(retry)
    }

    #[test]
    fn waits_are_drawn_below_a_bound_that_doubles_up_to_the_cap() {
        let seconds = Duration::from_secs;
        let policy = RetryPolicy::default()
            .with_attempts(40)
            .with_backoff(seconds(1), seconds(10));
        let entropy = SeededEntropy::new(3);
        for (failed, bound) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (38, 10)] {
            let draws =
                (0..500).map(|_| policy.wait(&error(Retry::Now), failed, &entropy).unwrap());
            let draws: Vec<Duration> = draws.collect();
            assert!(draws.iter().all(|wait| *wait <= seconds(bound)), "{failed}");
            let half = |wait: &&Duration| **wait < seconds(bound) / 2;
            let low = draws.iter().filter(half).count();
            assert!((200..300).contains(&low), "{low} of 500 below the half");
        }
        assert_eq!(policy.wait(&error(Retry::Now), 40, &entropy), None);
    }

    #[test]
    fn the_error_decides() {
        let (policy, entropy) = (RetryPolicy::default(), SeededEntropy::new(1));
        let wait = |error: &Error| policy.wait(error, 1, &entropy);
        assert_eq!(wait(&error(Retry::Never)), None);
        let minute = Duration::from_secs(60);
        assert_eq!(wait(&error(Retry::After(minute))), Some(minute));
        assert_eq!(wait(&error(Retry::After(minute * 6))), None);
        let contract = Error::contract("rows vanish").retrying(Retry::Now);
        assert_eq!(wait(&contract), None);
        let base = RetryPolicy::never();
        assert_eq!(base.wait(&error(Retry::Now), 1, &entropy), None);
    }
}
