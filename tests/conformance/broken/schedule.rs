//! Schedules that are no pure functions, or give the wrong run.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use syncline::schedule::{NextRun, NoRun, Schedule, ScheduleRequest};
use syncline::testing::conformance::{SCHEDULE, ScheduleFixture};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    AnswersWithTheInstant,
    CountsFromTheQuestion,
    RemembersWhatItWasAsked,
    RisesAgain,
}

/// Every hour, up to a day.
#[derive(Debug)]
struct Hourly {
    flaw: Flaw,
    asked: AtomicUsize,
}

fn begin() -> DateTime<Utc> {
    Utc.timestamp_opt(1_767_225_600, 0).unwrap()
}

impl Schedule for Hourly {
    fn next(&self, request: &ScheduleRequest) -> NextRun {
        let hour = TimeDelta::hours(1);
        let gone = (request.after - begin()).num_hours();
        let next = begin() + hour * i32::try_from(gone + 1).unwrap();
        let over = NextRun::Never(NoRun::Over);
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        match self.flaw {
            // At a whole hour, this one.
            Flaw::AnswersWithTheInstant if next - request.after == hour => {
                NextRun::At(request.after)
            }
            Flaw::CountsFromTheQuestion => NextRun::At(request.after + hour),
            // As if a run was done whenever it was asked about.
            Flaw::RemembersWhatItWasAsked if asked > 500 => NextRun::At(next + hour),
            Flaw::RisesAgain if (24..240).contains(&gone) => over,
            _ => NextRun::At(next),
        }
    }
}

pub(super) fn broken_schedules() -> Vec<Broken> {
    let all: [(&str, Flaw, &[&str]); 4] = [
        ("SC-01", Flaw::AnswersWithTheInstant, &[]),
        ("SC-02", Flaw::CountsFromTheQuestion, &[]),
        ("SC-03", Flaw::RemembersWhatItWasAsked, &["SC-02"]),
        ("SC-04", Flaw::RisesAgain, &[]),
    ];
    all.into_iter()
        .map(|(clause, flaw, collateral)| {
            broken(&SCHEDULE, clause, flaw, collateral, move || {
                let asked = AtomicUsize::new(0);
                ScheduleFixture::new(Hourly { flaw, asked }, begin())
            })
        })
        .collect()
}
