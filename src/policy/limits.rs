//! What an account allows, and the book in which calls are entered.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many calls an outside system lets one account make.
///
/// ```
/// use std::time::Duration;
/// use syncline::policy::CallLimits;
///
/// let limits = CallLimits::default()
///     .with_rate(5)
///     .with_window(10, Duration::from_secs(3600))
///     .with_window(100, Duration::from_secs(86_400))
///     .with_concurrency(2);
/// assert_eq!((limits.per_second, limits.windows.len(), limits.concurrency), (Some(5), 2, Some(2)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLimits {
    /// Calls a second: they are spaced evenly.
    pub per_second: Option<u32>,
    /// Calls in each window of time.
    pub windows: Vec<CallWindow>,
    /// Calls under way at the same time.
    pub concurrency: Option<u32>,
    /// How far our clocks and theirs may differ, the way of a call included: no call begins so close to the border of a
    /// window that it could count in its neighbour. At most a tenth of the window is kept free on either side. 500 ms.
    pub margin: Duration,
    /// How long a call waits for its turn. If that would take longer, the answer is
    /// [`QuotaSpent`](crate::ErrorKind::QuotaSpent). No longer in any case than half of what is left to the
    /// [deadline](crate::host::Context::deadline) of the call. 10 seconds.
    pub longest_wait: Duration,
    /// How long a call may take, where their number at the same time is bounded: one that a dead process made is counted
    /// so long. 10 minutes.
    pub longest_call: Duration,
}

/// So many calls in each window of this length; windows begin at the multiples of it since 1970 in UTC, as hours and days do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallWindow {
    /// Calls.
    pub calls: u32,
    /// The length.
    pub length: Duration,
}

impl CallWindow {
    fn micros(&self) -> Micros {
        micros(self.length).max(1)
    }

    /// No call begins so close to a border.
    fn margin(&self, margin: Duration) -> Micros {
        micros(margin).min(self.micros() / 10)
    }

    /// Where one of the windows begins, and the last moment for a call of it.
    fn bounds(&self, margin: Duration, index: i64) -> (Micros, Micros) {
        let begins = index.saturating_mul(self.micros());
        let ends = begins.saturating_add(self.micros());
        (
            begins,
            ends.saturating_sub(self.margin(margin)).saturating_sub(1),
        )
    }
}

impl Default for CallLimits {
    fn default() -> Self {
        CallLimits {
            per_second: None,
            windows: Vec::new(),
            concurrency: None,
            margin: Duration::from_millis(500),
            longest_wait: Duration::from_secs(10),
            longest_call: Duration::from_secs(600),
        }
    }
}

impl CallLimits {
    /// The same, with so many calls a second; 0 counts as 1.
    #[must_use]
    pub fn with_rate(mut self, per_second: u32) -> Self {
        self.per_second = Some(per_second.max(1));
        self
    }

    /// The same, with at most so many calls in each window of this length, which is a millisecond at least.
    #[must_use]
    pub fn with_window(mut self, calls: u32, length: Duration) -> Self {
        let length = length.max(Duration::from_millis(1));
        self.windows.push(CallWindow { calls, length });
        self
    }

    /// The same, with at most so many calls at the same time; 0 counts as 1.
    #[must_use]
    pub fn with_concurrency(mut self, calls: u32) -> Self {
        self.concurrency = Some(calls.max(1));
        self
    }

    /// The same, keeping this away from the borders of windows.
    #[must_use]
    pub fn with_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// The same, waiting at most so long for a turn.
    #[must_use]
    pub fn with_longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// The same, with calls that take at most so long.
    #[must_use]
    pub fn with_longest_call(mut self, time: Duration) -> Self {
        self.longest_call = time;
        self
    }
}

/// Microseconds since 1970.
pub(super) type Micros = i64;

/// Clocks that differ by more than this are wrong, and whoever has them counts apart.
const SKEW: Duration = Duration::from_secs(60);

fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}

/// The calls of an account, as all processes know them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Book {
    /// Tells this entry from every other, so that no two writers ever save the same bytes.
    pub(super) entry: u64,
    /// When the last call was to begin. No later one begins earlier, unless that is so far ahead that a clock must be wrong.
    latest: Micros,
    /// When the next one may, by the rate.
    next: Micros,
    windows: Vec<Used>,
    running: Vec<Running>,
}

/// What of a window is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Used {
    length: Micros,
    /// Which of the windows of this length.
    index: i64,
    calls: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Running {
    id: u64,
    /// Then it is over, or its process is dead.
    until: Micros,
}

/// When a call may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// After this wait; it is entered in the book for calls that begin within this time.
    In(Duration, RangeInclusive<Micros>),
    /// Not as soon as was asked: in this time.
    Spent(Duration),
    /// When one of those under way is over.
    Busy,
}

impl Book {
    /// Enters a call that would wait so long at most.
    pub(super) fn enter(
        &mut self,
        limits: &CallLimits,
        longest_wait: Duration,
        now: Micros,
        id: u64,
    ) -> Turn {
        if let Some(most) = limits.concurrency {
            self.running.retain(|call| call.until > now);
            if self.running.len() >= most as usize {
                return Turn::Busy;
            }
        }
        // Nobody waits for longer, so whoever entered a later one has another clock.
        let farthest = micros(limits.longest_wait.saturating_add(SKEW));
        let mut at = now;
        if self.latest <= now.saturating_add(farthest) {
            at = at.max(self.latest);
            if limits.per_second.is_some() {
                at = at.max(self.next);
            }
        }
        // Each pass moves to a window that is free, so this ends, but for windows that allow no call.
        loop {
            let before = at;
            for window in &limits.windows {
                if window.calls == 0 {
                    return Turn::Spent(window.length);
                }
                at = self.free_from(window, limits.margin, at);
            }
            if at == before {
                break;
            }
        }
        let wait = Duration::from_micros(u64::try_from(at.saturating_sub(now)).unwrap_or(0));
        if wait > longest_wait {
            return Turn::Spent(wait);
        }
        self.latest = at;
        if let Some(rate) = limits.per_second {
            self.next = at.saturating_add(i64::from(1_000_000_u32.div_ceil(rate.max(1))));
        }
        let mut windows = Vec::with_capacity(limits.windows.len());
        let (mut from, mut until) = (Micros::MIN, Micros::MAX);
        for window in &limits.windows {
            let length = window.micros();
            let index = at.div_euclid(length);
            windows.push(Used {
                length,
                index,
                calls: self.used(length, index) + 1,
            });
            // What a clock that is far off has counted is kept beside what the others have.
            let others = self.windows.iter();
            let others = others.filter(|used| used.length == length && used.index != index);
            windows.extend(others.max_by_key(|used| used.index).cloned());
            let (begins, last) = window.bounds(limits.margin, index);
            (from, until) = (from.max(begins), until.min(last));
        }
        self.windows = windows;
        if limits.concurrency.is_some() {
            let until = at.saturating_add(micros(limits.longest_call));
            self.running.push(Running { id, until });
        }
        Turn::In(wait, from..=until)
    }

    /// These calls are over. `false`: the book knows none of them.
    pub(super) fn leave(&mut self, over: &[u64]) -> bool {
        let before = self.running.len();
        self.running.retain(|call| !over.contains(&call.id));
        self.running.len() < before
    }

    fn used(&self, length: Micros, index: i64) -> u32 {
        let known = |used: &&Used| used.length == length && used.index == index;
        self.windows.iter().find(known).map_or(0, |used| used.calls)
    }

    /// The first instant from `at` on at which this window has a call left.
    fn free_from(&self, window: &CallWindow, margin: Duration, at: Micros) -> Micros {
        let index = at.div_euclid(window.micros());
        let (begins, last) = window.bounds(margin, index);
        let margin = window.margin(margin);
        if self.used(window.micros(), index) >= window.calls || at > last {
            return begins
                .saturating_add(window.micros())
                .saturating_add(margin);
        }
        at.max(begins.saturating_add(margin))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const MILLI: i64 = 1_000;

    /// With the limits' own longest wait.
    fn enter(book: &mut Book, limits: &CallLimits, now: Micros, id: u64) -> Result<Duration, Turn> {
        match book.enter(limits, limits.longest_wait, now, id) {
            Turn::In(wait, within) => {
                assert!(within.contains(&(now + micros(wait))));
                Ok(wait)
            }
            other => Err(other),
        }
    }

    fn millis(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    /// One caller after another, each with a clock of its own.
    fn begun(limits: &CallLimits, calls: &[i64]) -> Vec<Micros> {
        let mut book = Book::default();
        let mut begun = Vec::new();
        for (id, now) in calls.iter().enumerate() {
            if let Ok(wait) = enter(&mut book, limits, *now, id as u64) {
                begun.push(now + micros(wait));
            }
        }
        begun
    }

    proptest! {
        #[test]
        fn no_window_has_more_calls_than_it_allows(
            calls in proptest::collection::vec(0..20_000_i64, 1..80),
            windows in proptest::collection::vec((1..6_u32, 2..4_000_u64), 1..4),
            margin in 0..300_u64,
        ) {
            let mut now = 0;
            // Time goes on by steps, and clocks differ by up to a second.
            let calls: Vec<i64> = calls.iter().map(|draw| {
                now += draw % 400 * MILLI;
                now + (draw / 400 - 25) * 20 * MILLI
            }).collect();
            let mut limits = CallLimits::default().with_margin(millis(margin)).with_longest_wait(Duration::from_secs(3600));
            for (most, length) in &windows {
                limits = limits.with_window(*most, millis(*length));
            }
            let begun = begun(&limits, &calls);
            prop_assert_eq!(begun.len(), calls.len());
            prop_assert!(begun.is_sorted());
            for (most, length) in windows {
                let length = length as i64 * MILLI;
                let margin = (margin as i64 * MILLI).min(length / 10);
                // Also as seen by a server whose clock is off by as much as the margin.
                for skew in [-margin, 0, (margin - 1).max(0)] {
                    let mut counts = BTreeMap::new();
                    for at in &begun {
                        *counts.entry((at + skew).div_euclid(length)).or_insert(0) += 1;
                    }
                    prop_assert!(counts.values().all(|count| *count <= most), "{:?}", counts);
                }
            }
        }
    }

    #[test]
    fn calls_of_a_rate_are_spaced() {
        let limits = CallLimits::default().with_rate(4);
        let begun = begun(&limits, &[0; 9]);
        let expected: Vec<_> = (0..9).map(|n| n * 250 * MILLI).collect();
        assert_eq!(begun, expected);
    }

    #[test]
    fn a_clock_that_is_behind_does_not_find_an_earlier_window_free() {
        let limits = CallLimits::default()
            .with_margin(Duration::ZERO)
            .with_window(1, millis(1000));
        let mut book = Book::default();
        assert_eq!(enter(&mut book, &limits, 5_000_000, 1), Ok(Duration::ZERO));
        assert_eq!(enter(&mut book, &limits, 3_000_000, 2), Ok(millis(3000)));
    }

    #[test]
    fn what_takes_too_long_is_not_entered() {
        let limits = CallLimits::default()
            .with_margin(Duration::ZERO)
            .with_window(1, Duration::from_secs(3600));
        let mut book = Book::default();
        assert_eq!(enter(&mut book, &limits, 0, 1), Ok(Duration::ZERO));
        let before = book.clone();
        assert_eq!(
            enter(&mut book, &limits, 1_000_000, 2),
            Err(Turn::Spent(Duration::from_secs(3599)))
        );
        assert_eq!(book, before);
        let none = CallLimits::default().with_window(0, millis(1000));
        assert_eq!(
            enter(&mut book, &none, 0, 3),
            Err(Turn::Spent(millis(1000)))
        );
    }

    #[test]
    fn a_call_of_a_dead_process_is_over_in_the_end() {
        let limits = CallLimits::default()
            .with_concurrency(2)
            .with_longest_call(millis(100));
        let mut book = Book::default();
        assert_eq!(enter(&mut book, &limits, 0, 1), Ok(Duration::ZERO));
        assert_eq!(enter(&mut book, &limits, 10, 2), Ok(Duration::ZERO));
        assert_eq!(enter(&mut book, &limits, 20, 3), Err(Turn::Busy));
        assert!(book.leave(&[1]) && !book.leave(&[1]));
        assert_eq!(enter(&mut book, &limits, 30, 3), Ok(Duration::ZERO));
        assert_eq!(enter(&mut book, &limits, 40, 4), Err(Turn::Busy));
        assert_eq!(
            enter(&mut book, &limits, 100 * MILLI + 20, 4),
            Ok(Duration::ZERO)
        );
    }

    #[test]
    fn a_clock_that_is_a_day_ahead_keeps_nobody_waiting() {
        const HOUR: i64 = 3_600_000 * MILLI;
        let limits = CallLimits::default()
            .with_rate(1)
            .with_window(3, Duration::from_secs(3600));
        let mut book = Book::default();
        let noon = 12 * HOUR;
        for id in 0..2 {
            assert!(enter(&mut book, &limits, noon + id * 1_000 * MILLI, id as u64).is_ok());
        }
        assert!(enter(&mut book, &limits, noon + 24 * HOUR, 2).is_ok());
        // What was counted before is not forgotten, on neither side.
        let later = noon + 5_000 * MILLI;
        assert_eq!(enter(&mut book, &limits, later, 3), Ok(Duration::ZERO));
        assert!(matches!(
            enter(&mut book, &limits, later + 1_000 * MILLI, 4),
            Err(Turn::Spent(_))
        ));
        for id in 5..7 {
            let now = noon + 24 * HOUR + id * 1_000 * MILLI;
            assert!(enter(&mut book, &limits, now, id as u64).is_ok());
        }
        let now = noon + 24 * HOUR + 10_000 * MILLI;
        assert!(matches!(
            enter(&mut book, &limits, now, 8),
            Err(Turn::Spent(_))
        ));
    }
}
