//! How a run begins, and what comes of its end. No I/O.

use chrono::{DateTime, TimeDelta, Utc};

use super::timetable::{LastRun, Running, Stop, Timetable, Wait, Waiting};
use crate::host::Bug;
use crate::job::{Outcome, Trigger};
use crate::schedule::{LastOutcome, Schedule};
use crate::spec::RunRetry;

/// How often a run begins again whose schedulers die of it, or with it. One more has failed.
const MOST_DEATHS: u32 = 10;

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    /// The provider said so.
    Ended(Outcome),
    /// It was stopped, since its time was over.
    TimedOut,
    /// Its scheduler stopped: the run is still to be made.
    Interrupted,
    /// Its scheduler died, nobody knows when: the run is still to be made.
    Died,
}

impl Timetable {
    /// A run begins, which was [startable](Self::startable).
    pub(super) fn start(&mut self, run: &str, mut running: Running) {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.run == run) else {
            return;
        };
        running.run = self.waiting.remove(at);
        running.run.begun += 1;
        if running.run.trigger == Trigger::Schedule {
            let due = running.run.due;
            if self.latest_counts() {
                // It reads what they would have read, and goes on where one of them broke off: so it has no more tries than that had left.
                let (replaced, waiting): (Vec<Waiting>, Vec<Waiting>) = self
                    .waiting
                    .drain(..)
                    .partition(|other| other.trigger == Trigger::Schedule && other.due <= due);
                self.waiting = waiting;
                for other in replaced {
                    running.run.failed = running.run.failed.max(other.failed);
                    running.run.died = running.run.died.max(other.died);
                }
            }
            if !Bug::InstantNotDecided.is_on() {
                running.begun_before = Some(self.begun_through);
                self.begun_through = self.begun_through.max(due);
            }
        }
        self.running = Some(running);
    }

    /// Takes back the start of this name, which found no place.
    pub(super) fn unstart(&mut self, start: &str) {
        if let Some(mut running) = self.running.take_if(|running| running.start == start) {
            running.run.begun -= 1;
            // Or, where the clock was fast, what is due until then would be taken for made.
            self.begun_through = running.begun_before.unwrap_or(self.begun_through);
            // Somebody may have cancelled it meanwhile, or disabled its job.
            if self.enabled && running.stop != Some(Stop::Asked) {
                self.waiting.insert(0, running.run);
            }
        }
    }

    /// The run that goes on came to its end.
    pub(super) fn end(&mut self, now: DateTime<Utc>, schedule: &dyn Schedule, job: &str, end: End) {
        if end != End::Died {
            // What was due meanwhile was due while it ran.
            self.settle(now, schedule, job);
        }
        let Some(mut running) = self.running.take() else {
            return;
        };
        let again = self.again(now, &mut running, end);
        let outcome = match (&again, self.enabled) {
            // It was disabled meanwhile.
            (Some(_), false) => LastOutcome::Stopped,
            _ => outcome(end, running.stop),
        };
        match again.filter(|_| self.enabled) {
            Some(wait) => {
                running.run.wait = wait;
                self.waiting.insert(0, running.run);
            }
            None => {
                self.last = LastRun {
                    start: Some(running.since),
                    // A clock may have been set back meanwhile.
                    end: Some(now.max(running.since)),
                    outcome: Some(outcome),
                };
            }
        }
        if end == End::Died {
            // What was due meanwhile nobody was there to start.
            self.settle(now, schedule, job);
        }
    }

    /// How long a run that ended so waits before it begins again; `None` if it does not.
    fn again(&mut self, now: DateTime<Utc>, running: &mut Running, end: End) -> Option<Wait> {
        let (run, stop) = (&mut running.run, running.stop);
        if let End::Ended(outcome) = end {
            self.pause = match outcome {
                Outcome::Paused { until } => Some(Wait::until(now, until)),
                _ => None,
            };
        }
        let later = |seconds: u32| Wait::until(now, now + TimeDelta::seconds(seconds.into()));
        match end {
            _ if stop == Some(Stop::Asked) && !Bug::CancelledComesAgain.is_on() => None,
            End::Ended(Outcome::Success | Outcome::PartialSuccess) => None,
            // Only one of the schedule is made by the next one.
            _ if stop == Some(Stop::GivesWay) && !self.gives_way(run) => None,
            End::Ended(Outcome::Paused { .. }) => self.pause,
            End::Died => {
                run.died += 1;
                match run.died {
                    1 => Some(Wait::NONE),
                    2..=MOST_DEATHS => Some(later(RunRetry::default().wait_after(run.died - 1))),
                    _ => None,
                }
            }
            // What it gives way to may be taken back.
            End::Interrupted => Some(Wait::NONE),
            _ if stop == Some(Stop::GivesWay) => Some(Wait::NONE),
            End::Ended(Outcome::Failed) | End::TimedOut
                if run.failed < u32::from(self.settings.retry.times) =>
            {
                (run.failed, run.died) = (run.failed + 1, 0);
                Some(later(self.settings.retry.wait_after(run.failed)))
            }
            End::Ended(_) | End::TimedOut => None,
        }
    }

    /// Whether the next run of the schedule goes on where this one broke off.
    fn gives_way(&self, run: &Waiting) -> bool {
        run.trigger == Trigger::Schedule && self.latest_counts()
    }
}

/// What an end counts as that is the last.
fn outcome(end: End, stop: Option<Stop>) -> LastOutcome {
    match end {
        End::Ended(Outcome::Success | Outcome::PartialSuccess) => LastOutcome::Succeeded,
        End::Ended(Outcome::Failed) | End::TimedOut | End::Died if stop.is_none() => {
            LastOutcome::Failed
        }
        _ => LastOutcome::Stopped,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::schedule::CompiledSchedule;
    use crate::scheduler::ProvidedJob;
    use crate::spec::{MissedRuns, RunSettings, WhileRunning};

    struct Job {
        timetable: Timetable,
        schedule: CompiledSchedule,
        now: DateTime<Utc>,
    }

    impl Job {
        fn new(schedule: &str, with: impl FnOnce(RunSettings) -> RunSettings) -> Self {
            let spec = schedule.parse().unwrap();
            let schedule = CompiledSchedule::new(&spec).unwrap();
            let now = "2026-03-01T00:00:00Z".parse().unwrap();
            let provided = ProvidedJob::new("a", with(RunSettings::new(spec)));
            Job {
                timetable: Timetable::new(provided, now),
                schedule,
                now,
            }
        }

        /// Goes on to a time of the day; answers the hours and minutes of what waits then.
        fn at(&mut self, time: &str) -> Vec<String> {
            self.now = format!("2026-03-01T{time}:00Z").parse().unwrap();
            self.timetable.decide(self.now, &self.schedule, "a");
            let due = self.timetable.waiting.iter().map(|run| run.due);
            due.map(|due| due.format("%H:%M").to_string()).collect()
        }

        /// Begins what may, and answers when it was due.
        fn begin(&mut self) -> Option<String> {
            let run = self.timetable.startable(self.now)?.clone();
            let running = Running {
                run: run.clone(),
                start: "a start".into(),
                session: "a session".into(),
                scheduler: "a machine".into(),
                since: self.now,
                begun_before: None,
                stop: None,
                slots: Vec::new(),
            };
            self.timetable.start(&run.run, running);
            Some(run.due.format("%H:%M").to_string())
        }

        fn end(&mut self, end: End) {
            self.timetable.end(self.now, &self.schedule, "a", end);
        }
    }

    #[test]
    fn a_run_that_kills_its_scheduler_waits_longer_each_time_and_fails_at_last() {
        let mut job = Job::new("every day at 01:00", |settings| settings);
        job.at("01:00");
        let mut waits = Vec::new();
        while job.begin().is_some() {
            job.end(End::Died);
            if let Some(run) = job.timetable.waiting.first() {
                waits.push((run.wait.until - run.wait.since).num_minutes());
                job.now = job.now.max(run.wait.until);
            }
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(job.timetable.last.outcome, Some(LastOutcome::Failed));
    }

    #[test]
    fn of_more_than_all_that_are_wanted_the_latest_wait() {
        let all = MissedRuns::All { most: 3 };
        let mut job = Job::new("every hour", |settings| settings.with_missed(all));
        assert_eq!(job.at("02:00"), ["01:00", "02:00"]);
        assert_eq!(job.at("05:00"), ["03:00", "04:00", "05:00"]);
        assert_eq!(job.timetable.missed, 2);
        // One that waits to be tried again is none of them.
        job.timetable.settings.retry = RunRetry::times(3);
        assert_eq!(job.begin().unwrap(), "03:00");
        job.end(End::Ended(Outcome::Failed));
        assert_eq!(job.at("06:00"), ["03:00", "04:00", "05:00", "06:00"]);
        assert_eq!(job.at("07:00"), ["03:00", "05:00", "06:00", "07:00"]);
    }

    #[test]
    fn what_waits_in_order_is_not_replaced_by_what_is_queued() {
        let mut job = Job::new("every hour", |settings| {
            settings
                .with_missed(MissedRuns::All { most: 9 })
                .with_while_running(WhileRunning::Queue)
        });
        job.at("03:00");
        assert_eq!(job.begin().unwrap(), "01:00");
        job.now += TimeDelta::hours(3);
        job.end(End::Ended(Outcome::Success));
        assert_eq!(job.at("06:00"), ["02:00", "03:00", "06:00"]);
        assert_eq!(job.timetable.skipped, 2);
    }

    #[test]
    fn a_run_that_gives_way_is_made_by_the_next_one() {
        let mut job = Job::new("every hour", |settings| {
            settings.with_while_running(WhileRunning::Cancel)
        });
        job.at("01:00");
        job.begin();
        job.at("02:00");
        assert_eq!(
            job.timetable.running.as_ref().unwrap().stop,
            Some(Stop::GivesWay)
        );
        job.end(End::Ended(Outcome::Failed));
        assert_eq!(job.begin().unwrap(), "02:00");
        assert_eq!(job.timetable.waiting, []);
        // One that somebody asked for does not come again in front of it.
        job.end(End::Ended(Outcome::Success));
        job.timetable
            .ask("by hand".into(), job.now, Trigger::Manual, &[]);
        job.begin();
        job.at("03:00");
        job.end(End::Ended(Outcome::Cancelled));
        assert_eq!(job.begin().unwrap(), "03:00");
        assert_eq!(job.timetable.waiting, []);
    }

    #[test]
    fn tries_that_are_replaced_by_the_next_run_come_to_an_end() {
        let fails_at = |schedule: &str, end: End| {
            let mut job = Job::new(schedule, |settings| settings.with_retry(RunRetry::times(3)));
            for minute in 1..24 * 60 {
                let time = format!("{:02}:{:02}", minute / 60, minute % 60);
                job.at(&time);
                if job.begin().is_some() {
                    job.end(end);
                }
                if job.timetable.last.outcome == Some(LastOutcome::Failed) {
                    return time;
                }
            }
            "never".into()
        };
        // At 00:05, and again at 00:06 and 00:08; the run of 00:10 is the last try.
        let failed = End::Ended(Outcome::Failed);
        assert_eq!(fails_at("every 5 minutes", failed), "00:10");
        assert_ne!(fails_at("every hour", End::Died), "never");
    }

    #[test]
    fn a_start_of_a_fast_clock_that_found_no_place_makes_nothing_due() {
        let mut job = Job::new("every hour", |settings| settings);
        job.at("09:00");
        job.begin();
        job.timetable.running.as_mut().unwrap().stop = Some(Stop::Asked);
        job.timetable.unstart("a start");
        assert_eq!(job.at("02:00"), [""; 0]);
        assert_eq!(job.at("03:00"), ["03:00"]);
    }

    #[test]
    fn what_was_cancelled_or_disabled_meanwhile_does_not_come_again() {
        for cancelled in [true, false] {
            let mut job = Job::new("every hour", |settings| settings);
            job.at("01:00");
            job.begin();
            if let (true, Some(running)) = (cancelled, &mut job.timetable.running) {
                running.stop = Some(Stop::Asked);
            }
            job.timetable.unstart("a start");
            assert_eq!(job.timetable.waiting.is_empty(), cancelled);
        }
        let mut job = Job::new("every hour", |settings| settings);
        job.at("01:00");
        job.begin();
        job.timetable.enabled = false;
        job.end(End::Died);
        assert_eq!(job.timetable.waiting, []);
        assert_eq!(job.timetable.last.outcome, Some(LastOutcome::Stopped));
    }

    #[test]
    fn a_retry_that_is_cancelled_by_another_clock_ends_behind_its_start() {
        let mut job = Job::new("every 5 minutes after the end", |settings| {
            settings.with_retry(RunRetry::times(1))
        });
        job.at("02:00");
        job.begin();
        job.end(End::Ended(Outcome::Success));
        job.at("02:05");
        job.begin();
        job.end(End::Ended(Outcome::Failed));
        job.now -= TimeDelta::hours(1);
        assert!(job.timetable.cancel(None, job.now));
        let next = job.schedule.next(&job.timetable.request("a"));
        assert!(next.at().is_some(), "{next:?}");
    }

    #[test]
    fn a_wait_by_a_clock_that_was_fast_is_counted_anew() {
        let mut job = Job::new("on demand", |settings| {
            settings.with_retry(RunRetry::times(1))
        });
        job.timetable
            .ask("by hand".into(), job.now, Trigger::Manual, &[]);
        job.begin();
        let right = job.now;
        job.now += TimeDelta::hours(1);
        job.end(End::Ended(Outcome::Failed));
        job.now = right;
        job.timetable.decide(right, &job.schedule, "a");
        let wait = job.timetable.waiting[0].wait;
        assert_eq!(wait, Wait::until(right, right + TimeDelta::minutes(1)));
    }
}
