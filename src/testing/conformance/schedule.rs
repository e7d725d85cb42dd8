//! What is asked of a schedule.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::clause::{Checked, Finding, clause, must, opaque, reached, same};
use super::{Capability, Fixture, Suite};
use crate::Result;
use crate::host::Context;
use crate::schedule::{NextRun, NoRun, Schedule, ScheduleRequest};

/// A schedule, with the instant that the suite begins to ask from.
pub struct ScheduleFixture {
    schedule: Arc<dyn Schedule>,
    from: DateTime<Utc>,
}

opaque!(ScheduleFixture);

impl ScheduleFixture {
    /// This one, from an instant on after which it runs.
    pub fn new(schedule: impl Schedule + 'static, from: DateTime<Utc>) -> Self {
        ScheduleFixture {
            schedule: Arc::new(schedule),
            from,
        }
    }
}

#[async_trait]
impl Fixture for ScheduleFixture {
    fn subject(&self) -> String {
        format!("{:?}", self.schedule).chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        Ok(BTreeSet::new())
    }
}

/// The contract of a [`Schedule`].
pub static SCHEDULE: Suite<ScheduleFixture> = Suite {
    name: "schedule",
    clauses: &[
        clause!(
            "SC-01",
            None,
            "A run is later than the instant that it was asked for with.",
            "A scheduler that goes on from each run would do the same run for ever.",
            later
        ),
        clause!(
            "SC-02",
            None,
            "Whenever it is asked before a run and behind the one before, it answers with that run.",
            "A scheduler that was restarted would miss a run, or do another one.",
            from_anywhere
        ),
        clause!(
            "SC-03",
            None,
            "The same request has the same answer, in any order and on any thread.",
            "Two schedulers would disagree on what is due, and a run would be done twice or never.",
            pure
        ),
        clause!(
            "SC-04",
            None,
            "When there is no run any more, there is none later either.",
            "A scheduler forgets a job whose last run is over.",
            over_for_good
        ),
    ],
};

/// How many runs are looked at.
const RUNS: usize = 200;

/// What is asked with when a run has just begun and ended, in no time.
fn behind(run: DateTime<Utc>) -> ScheduleRequest {
    let request = ScheduleRequest::new(run).with_job("conformance");
    request.with_last_start(run).with_last_end(run)
}

/// The first runs, each after the one before. Those that would never end are cut off.
fn runs(fixture: &ScheduleFixture) -> std::result::Result<Vec<DateTime<Utc>>, Finding> {
    let first = ScheduleRequest::new(fixture.from).with_job("conformance");
    let first = fixture.schedule.next(&first).at();
    let next = |run: &DateTime<Utc>| fixture.schedule.next(&behind(*run)).at();
    let runs: Vec<_> = std::iter::successors(first, next).take(RUNS).collect();
    reached(!runs.is_empty(), || {
        "it does not run behind the instant of the fixture".into()
    })?;
    Ok(runs)
}

async fn later(_: &Context, fixture: &ScheduleFixture) -> Checked {
    let runs = runs(fixture)?;
    let asked = std::iter::once(&fixture.from).chain(&runs);
    for (asked, run) in asked.zip(&runs) {
        must(run > asked, || format!("{run} was answered after {asked}"))?;
    }
    Ok(())
}

async fn from_anywhere(_: &Context, fixture: &ScheduleFixture) -> Checked {
    let runs = runs(fixture)?;
    let mut looked = false;
    for (before, run) in runs.iter().zip(runs.iter().skip(1)) {
        let between = *run - *before;
        for asked in [
            *before + between / 3,
            *before + between / 2,
            *run - TimeDelta::seconds(1),
        ] {
            if *before < asked && asked < *run {
                looked = true;
                let mut request = behind(*before);
                request.after = asked;
                let what = format!("the run after {asked}");
                same(&what, &fixture.schedule.next(&request), &NextRun::At(*run))?;
            }
        }
    }
    reached(looked, || {
        "it has no two runs with time between them".into()
    })
}

async fn pure(_: &Context, fixture: &ScheduleFixture) -> Checked {
    let runs = runs(fixture)?;
    let asked: Vec<ScheduleRequest> = runs.iter().map(|run| behind(*run)).collect();
    let answers: Vec<NextRun> = asked.iter().map(|r| fixture.schedule.next(r)).collect();
    let schedule = Arc::clone(&fixture.schedule);
    // The last first, by somebody else.
    let backwards = std::thread::spawn(move || {
        let answers = asked.iter().rev().map(|request| schedule.next(request));
        answers.collect::<Vec<_>>()
    });
    let broken = |_| Finding::Broken("it panicked on another thread".into());
    let again = backwards.join().map_err(broken)?;
    for (run, (first, again)) in runs.iter().zip(answers.iter().zip(again.iter().rev())) {
        same(&format!("asked again after {run}"), again, first)?;
    }
    Ok(())
}

async fn over_for_good(_: &Context, fixture: &ScheduleFixture) -> Checked {
    let runs = runs(fixture)?;
    for run in &runs {
        let mut request = behind(*run);
        match fixture.schedule.next(&request) {
            NextRun::Never(NoRun::NotUntil(until)) => {
                must(until > *run, || format!("after {run}, not until {until}"))?;
            }
            NextRun::Never(_) => {
                for days in [1, 100, 10_000] {
                    request.after = *run + TimeDelta::days(days);
                    let next = fixture.schedule.next(&request);
                    must(next.at().is_none(), || {
                        format!("none after {run}, and later {next:?}")
                    })?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
