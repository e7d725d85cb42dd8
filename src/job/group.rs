//! Where a commit group ends, and a run.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{CommitPolicy, Outcome};
use crate::{Error, ErrorKind, Retry};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    Stopped(Stop),
}

/// Why a run ends tidily in front of the source's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Cancelled,
    Paused(DateTime<Utc>),
}

/// When a run goes on that met this error, if it is one to wait for: nothing was done, and the moment is known.
pub(super) fn paused_until(error: &Error, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let wait = match error.retry() {
        _ if !matches!(error.kind(), ErrorKind::QuotaSpent | ErrorKind::CircuitOpen) => {
            return None;
        }
        Retry::After(wait) => wait,
        Retry::Now | Retry::Never => Duration::ZERO,
    };
    Some(
        now.checked_add_signed(TimeDelta::from_std(wait).ok()?)
            .unwrap_or(now),
    )
}

impl Outcome {
    /// How a run counts that could not be made for this error: one that says when to try again waits, and one that was stopped did not fail.
    pub(crate) fn of(error: &Error, now: DateTime<Utc>) -> Self {
        let wait = match error.retry() {
            Retry::After(wait) => TimeDelta::from_std(wait.max(Duration::from_secs(1))).ok(),
            Retry::Now | Retry::Never => None,
        };
        let until = wait.and_then(|wait| now.checked_add_signed(wait));
        match until.or_else(|| paused_until(error, now)) {
            Some(until) => Outcome::Paused { until },
            None if error.kind() == ErrorKind::Cancelled => Outcome::Cancelled,
            None => Outcome::Failed,
        }
    }
}

/// Where a commit group ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupEnd {
    /// It is large or old enough.
    Full,
    /// The source has no more.
    Source,
    /// The run is stopped.
    Stop,
}

/// The commit group that is open.
pub(super) struct Group {
    pub(super) number: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) since: DateTime<Utc>,
}

impl Group {
    pub(super) fn new(number: u64, since: DateTime<Utc>) -> Self {
        Group {
            number,
            records: 0,
            bytes: 0,
            since,
        }
    }

    pub(super) fn is_full(&self, policy: &CommitPolicy, now: DateTime<Utc>) -> bool {
        self.records >= policy.records
            || self.bytes >= policy.bytes
            || (now - self.since)
                .to_std()
                .is_ok_and(|age| age >= policy.interval)
    }
}
