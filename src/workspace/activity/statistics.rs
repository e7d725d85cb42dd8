//! Runs of a job over time, and what is unusual about one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Serialize;

use super::Activity;
use super::query::RunQuery;
use super::record::{RunRecord, RunStatus};
use crate::Result;
use crate::host::Context;

/// How many runs statistics are made of.
const RUNS: usize = 200;

/// Figures over some runs. Dry runs do not count, and of counts only those of runs that wrote what they read.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunStatistics {
    /// How many runs.
    pub runs: u64,
    /// How many of each status.
    pub by_status: BTreeMap<RunStatus, u64>,
    /// Records read in all.
    pub records: u64,
    /// Records refused in all.
    pub rejected: u64,
    /// The median of the records of a run; `None` if none wrote what it read.
    pub median_records: Option<f64>,
    /// The median of the records refused.
    pub median_rejected: Option<f64>,
    /// The median of the seconds that a run took.
    pub median_seconds: Option<f64>,
    /// Each day on which a run began, in UTC, the latest first.
    pub days: Vec<DayStatistics>,
}

/// Figures over the runs of a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DayStatistics {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// How many runs began.
    pub runs: u64,
    /// How many of them failed or broke off.
    pub failed: u64,
    /// Records read.
    pub records: u64,
    /// Records refused.
    pub rejected: u64,
    /// Seconds that the runs took in all.
    pub seconds: f64,
}

impl RunStatistics {
    /// Of these runs, in any order.
    ///
    /// ```
    /// use syncline::workspace::RunStatistics;
    ///
    /// assert_eq!(RunStatistics::of(&[]).median_records, None);
    /// ```
    pub fn of(runs: &[RunRecord]) -> Self {
        let mut all = RunStatistics::default();
        let mut days: BTreeMap<NaiveDate, DayStatistics> = BTreeMap::new();
        let mut told = BTreeSet::new();
        for run in runs.iter().filter(|run| !run.dry_run) {
            all.runs += 1;
            *all.by_status.entry(run.status).or_default() += 1;
            let day = run.started_at.date_naive();
            let of_day = days.entry(day).or_insert(DayStatistics {
                day,
                runs: 0,
                failed: 0,
                records: 0,
                rejected: 0,
                seconds: 0.0,
            });
            of_day.runs += 1;
            let failed = matches!(run.status, RunStatus::Failed | RunStatus::BrokenOff);
            of_day.failed += u64::from(failed);
            of_day.seconds += run.busy_seconds();
            // One that came to its end before tells its counts again.
            let is_new = run
                .run
                .as_ref()
                .is_none_or(|name| told.insert((&run.job, name)));
            if run.status.wrote() && is_new {
                all.records += run.progress.records;
                all.rejected += run.rejected();
                of_day.records += run.progress.records;
                of_day.rejected += run.rejected();
            }
        }
        let figures = |figure: Figure| {
            let counted = runs.iter().filter(|run| counts(run));
            median(counted.map(figure).collect())
        };
        all.median_records = figures(records);
        all.median_rejected = figures(rejected);
        all.median_seconds = figures(RunRecord::busy_seconds);
        all.days = days.into_values().rev().collect();
        all
    }
}

/// When something counts as unusual. What is usual is the median of the runs before, and how far they lie around it, which a few odd ones do
/// not move.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AnomalyPolicy {
    /// How many runs that wrote what they read there must be to know what is usual: 8.
    pub history: usize,
    /// How many of them are looked at, the latest: 30.
    pub latest: usize,
    /// How many standard deviations from the median are usual, as the median deviation tells them: 4.
    pub deviations: f64,
    /// By which factor something must be more, or less, besides: 2.
    pub factor: f64,
}

impl Default for AnomalyPolicy {
    fn default() -> Self {
        AnomalyPolicy {
            history: 8,
            latest: 30,
            deviations: 4.0,
            factor: 2.0,
        }
    }
}

/// What is unusual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnomalyKind {
    /// It read far fewer records.
    FewRecords,
    /// It refused far more.
    ManyRejects,
    /// It took far longer.
    Slow,
}

/// Something unusual about a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Anomaly {
    /// What.
    pub kind: AnomalyKind,
    /// What it is: records, or seconds.
    pub value: f64,
    /// What is usual.
    pub usual: f64,
}

/// What is looked at of a run.
type Figure = fn(&RunRecord) -> f64;

/// Fewer rejects than this, or a shorter time in seconds, is never unusual.
const LITTLE: f64 = 10.0;

impl RunRecord {
    /// What is unusual about this run, beside those that were before it, in any order. Nothing is of a run that did not write what it read, and
    /// nothing if too few did before.
    ///
    /// ```
    /// use syncline::workspace::{AnomalyPolicy, RunRecord};
    ///
    /// fn is_odd(run: &RunRecord, before: &[RunRecord]) -> bool {
    ///     !run.anomalies(before, &AnomalyPolicy::default()).is_empty()
    /// }
    /// ```
    pub fn anomalies(&self, before: &[RunRecord], policy: &AnomalyPolicy) -> Vec<Anomaly> {
        let is_before = |run: &&RunRecord| {
            run.job == self.job && run.started_at < self.started_at && counts(run)
        };
        let mut before: Vec<&RunRecord> = before.iter().filter(is_before).collect();
        before.sort_by_key(|run| std::cmp::Reverse(run.started_at));
        before.truncate(policy.latest);
        if !counts(self) || before.is_empty() || before.len() < policy.history {
            return Vec::new();
        }
        let figures: [(AnomalyKind, Figure); 3] = [
            (AnomalyKind::FewRecords, records),
            (AnomalyKind::ManyRejects, rejected),
            (AnomalyKind::Slow, RunRecord::busy_seconds),
        ];
        let unusual = figures.into_iter().filter_map(|(kind, figure)| {
            let value = figure(self);
            let all: Vec<f64> = before.iter().map(|run| figure(run)).collect();
            let usual = median(all.clone())?;
            let apart = median(all.iter().map(|value| (value - usual).abs()).collect())?;
            // Of a normal distribution this is the standard deviation.
            let reach = policy.deviations * 1.4826 * apart;
            let is_unusual = match kind {
                AnomalyKind::FewRecords => value < usual - reach && value * policy.factor < usual,
                AnomalyKind::ManyRejects | AnomalyKind::Slow => {
                    value > usual + reach && value > usual * policy.factor && value > LITTLE
                }
            };
            is_unusual.then_some(Anomaly { kind, value, usual })
        });
        unusual.collect()
    }
}

/// Whether a run tells what is usual.
fn counts(run: &RunRecord) -> bool {
    !run.dry_run && run.status.wrote() && run.trigger != crate::job::Trigger::Redrive
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn records(run: &RunRecord) -> f64 {
    run.progress.records as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn rejected(run: &RunRecord) -> f64 {
    run.rejected() as f64
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = values.get(half).copied()?;
    match values.len() % 2 {
        0 => Some(f64::midpoint(*values.get(half.checked_sub(1)?)?, upper)),
        _ => Some(upper),
    }
}

/// The latest runs of a job, in figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobStatistics {
    /// Over its latest 200 runs.
    pub over: RunStatistics,
    /// What is unusual about the runs among them that have enough before them, by the run's id, the newest first.
    pub anomalies: Vec<(String, Vec<Anomaly>)>,
}

impl Activity<'_> {
    /// Figures over the latest runs of a job, and what is unusual about them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn statistics(
        self,
        context: &Context,
        job: &str,
        policy: &AnomalyPolicy,
    ) -> Result<JobStatistics> {
        let query = RunQuery::new().of_job(job).with_limit(RUNS);
        let runs = self.runs(context, &query).await?.runs;
        let unusual = runs
            .iter()
            .map(|run| (run.id.clone(), run.anomalies(&runs, policy)));
        Ok(JobStatistics {
            over: RunStatistics::of(&runs),
            anomalies: unusual.filter(|(_, found)| !found.is_empty()).collect(),
        })
    }
}
