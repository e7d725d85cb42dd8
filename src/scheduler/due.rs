//! Which runs were due since somebody looked.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use crate::schedule::{NextRun, NoRun, Schedule, ScheduleRequest};

/// After so many runs in a row half of the time that is left is passed over.
const STRIDE: u32 = 1_000;

/// Runs that were due.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Due {
    /// The latest of them, in order.
    pub(super) latest: VecDeque<DateTime<Utc>>,
    /// How many there were; where there were very many, so many at least.
    pub(super) total: u64,
    /// Nothing is due up to here, if it was looked at.
    pub(super) through: Option<DateTime<Utc>>,
}

/// The runs that are due behind what the request asks for and up to now, of which at most so many are kept.
pub(super) fn due(
    schedule: &dyn Schedule,
    mut request: ScheduleRequest,
    now: DateTime<Utc>,
    keep: usize,
) -> Due {
    let mut found = Due::default();
    let mut stride = 0;
    loop {
        let at = match schedule.next(&request) {
            NextRun::At(at) if at <= now => at,
            NextRun::Never(NoRun::NotUntil(at)) if request.after < at && at <= now => {
                (request.after, found.through) = (at, Some(at));
                continue;
            }
            _ => return found,
        };
        found.total += 1;
        found.through = Some(at);
        found.latest.push_back(at);
        if found.latest.len() > keep.max(1) {
            found.latest.pop_front();
        }
        // From here on it counts as begun: what follows the end of a run is due once.
        (request.after, request.last_start) = (at, Some(at));
        stride += 1;
        if stride % STRIDE == 0 {
            let middle = at + (now - at) / 2;
            let mut further = request.clone();
            further.after = middle;
            let is_due = |next: NextRun| next.at().is_some_and(|at| at <= now);
            // Nobody needs those in between, as long as enough come behind them.
            if keep <= STRIDE as usize / 2
                && is_due(schedule.next(&further))
                && enough(schedule, &further, now, keep)
            {
                request = further;
            }
        }
    }
}

/// Whether so many runs are due still.
fn enough(
    schedule: &dyn Schedule,
    request: &ScheduleRequest,
    now: DateTime<Utc>,
    keep: usize,
) -> bool {
    let mut request = request.clone();
    (0..keep).all(|_| match schedule.next(&request).at() {
        Some(at) if at <= now => {
            (request.after, request.last_start) = (at, Some(at));
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use chrono::TimeDelta;

    use super::*;
    use crate::schedule::CompiledSchedule;

    fn of(schedule: &str, days: i64, keep: usize) -> Due {
        let schedule = CompiledSchedule::new(&schedule.parse().unwrap()).unwrap();
        let after: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
        due(
            &schedule,
            ScheduleRequest::new(after),
            after + TimeDelta::days(days),
            keep,
        )
    }

    #[test]
    fn the_latest_are_kept_and_all_are_counted() {
        let found = of("every day at 06:30 UTC", 10, 2);
        assert_eq!(found.total, 10);
        let days: Vec<String> = found
            .latest
            .iter()
            .map(|at| at.format("%d").to_string())
            .collect();
        assert_eq!(days, ["09", "10"]);
        assert_eq!(found.through, found.latest.back().copied());
        assert_eq!(of("on demand", 10, 2), Due::default());
    }

    #[test]
    fn what_follows_the_end_of_a_run_is_due_once() {
        let found = of("every 5 minutes after the end", 10, 3);
        assert_eq!((found.total, found.latest.len()), (1, 1));
    }

    #[test]
    fn years_of_minutes_are_passed_over_and_the_latest_is_the_latest() {
        let found = of("every minute", 3_650, 3);
        assert!(
            found.total >= 1_000 && found.total < 100_000,
            "{}",
            found.total
        );
        let last: DateTime<Utc> = "2036-02-27T00:00:00Z".parse().unwrap();
        let minutes: Vec<i64> = found
            .latest
            .iter()
            .map(|at| (last - at).num_minutes())
            .collect();
        assert_eq!(minutes, [2, 1, 0]);
    }
}
