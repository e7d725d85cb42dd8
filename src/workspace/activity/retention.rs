//! Forgetting what is old.

use chrono::TimeDelta;

use super::query::Walk;
use super::{Activity, RunRecord, RunStatus, log_key, run_key, run_keys};
use crate::Result;
use crate::host::{Context, StateKind};

/// How much is removed in one go.
const MOST: u32 = 500;
/// How many keys are asked for at a time.
const PAGE: usize = 100;

/// How long the history is kept.
///
/// ```
/// use syncline::workspace::RetentionPolicy;
///
/// let policy = RetentionPolicy::default().with_runs(30, 200);
/// assert_eq!((policy.days, policy.runs_of_a_job, policy.audit_days), (30, 200, 730));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionPolicy {
    /// Days for which a run is kept: 90. One that began just that long ago goes.
    pub days: u32,
    /// How many runs of a job are kept at most, the newest: 1,000.
    pub runs_of_a_job: u32,
    /// Days for which it is kept who changed what: 730.
    pub audit_days: u32,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        RetentionPolicy {
            days: 90,
            runs_of_a_job: 1_000,
            audit_days: 730,
        }
    }
}

impl RetentionPolicy {
    /// The same, with runs kept for so many days, and so many of a job.
    #[must_use]
    pub fn with_runs(mut self, days: u32, of_a_job: u32) -> Self {
        (self.days, self.runs_of_a_job) = (days, of_a_job);
        self
    }

    /// The same, with changes kept for so many days.
    #[must_use]
    pub fn with_audit(mut self, days: u32) -> Self {
        self.audit_days = days;
        self
    }
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// How many runs, each with its log.
    pub runs: u32,
    /// How many changes.
    pub changes: u32,
    /// Whether there is more to forget: then call again. At most 500 go at a time.
    pub more: bool,
}

impl Swept {
    /// Whether there is no room for more.
    fn is_full(&mut self) -> bool {
        self.more = self.runs + self.changes >= MOST;
        self.more
    }
}

impl Activity<'_> {
    /// Forgets what the policy does not keep. A run that goes on is kept. What breaks off amid it is completed by the next.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sweep(self, context: &Context, policy: &RetentionPolicy) -> Result<Swept> {
        let mut swept = Swept::default();
        self.sweep_old(context, policy, &mut swept).await?;
        self.sweep_many(context, policy, &mut swept).await?;
        self.sweep_audit(context, policy, &mut swept).await?;
        Ok(swept)
    }

    async fn sweep_old(
        self,
        context: &Context,
        policy: &RetentionPolicy,
        swept: &mut Swept,
    ) -> Result<()> {
        let to = context.clock().now() - days(policy.days);
        let names = vec!["run".to_owned()];
        let mut walk = Walk::new(self.0, StateKind::Run, names, None, Some(to), None)?;
        while !swept.is_full() {
            let ids = walk.next(context, PAGE).await?;
            if ids.is_empty() {
                break;
            }
            for id in ids {
                if swept.is_full() {
                    return Ok(());
                }
                self.forget(context, None, &id, swept).await?;
            }
        }
        Ok(())
    }

    async fn sweep_many(
        self,
        context: &Context,
        policy: &RetentionPolicy,
        swept: &mut Swept,
    ) -> Result<()> {
        let mut job = self.job_behind(context, None).await?;
        while let Some(id) = job {
            let names = vec!["job".to_owned(), id.clone()];
            let mut walk = Walk::new(self.0, StateKind::Run, names, None, None, None)?;
            let mut kept = 0;
            loop {
                let runs = walk.next(context, PAGE).await?;
                if runs.is_empty() {
                    break;
                }
                for run in runs {
                    if swept.is_full() {
                        return Ok(());
                    }
                    kept += 1;
                    if kept > policy.runs_of_a_job {
                        self.forget(context, Some(&id), &run, swept).await?;
                    }
                }
            }
            job = self.job_behind(context, Some(&id)).await?;
        }
        Ok(())
    }

    /// The next job that has runs, by id.
    async fn job_behind(self, context: &Context, job: Option<&str>) -> Result<Option<String>> {
        // Behind all ids of runs.
        let start = match job {
            Some(job) => self.0.key(StateKind::Run, ["job", job, "z"])?,
            None => self.0.key(StateKind::Run, ["job", ""])?,
        };
        let mut start = start;
        loop {
            let documents = self.0.documents(context);
            let keys = documents
                .store()
                .list(self.0.tenant(), StateKind::Run, Some(&start), 1);
            let Some(key) = keys.await?.pop() else {
                return Ok(None);
            };
            match key.parts() {
                [first, other, _] if first == "job" && Some(other.as_str()) != job => {
                    return Ok(Some(other.clone()));
                }
                [first, ..] if first == "job" => start = key,
                _ => return Ok(None),
            }
        }
    }

    /// Forgets a run, unless it goes on.
    async fn forget(
        self,
        context: &Context,
        job: Option<&str>,
        id: &str,
        swept: &mut Swept,
    ) -> Result<()> {
        let record: Option<RunRecord> = self.record(context, id).await?;
        let record = record.map(|record| record.seen(context.clock().now()));
        if record
            .as_ref()
            .is_some_and(|record| record.status == RunStatus::Running)
        {
            return Ok(());
        }
        let documents = self.0.documents(context);
        documents.remove(&log_key(self.0, id)?).await?;
        // The record goes last: by it the rest is found.
        if let Some(record) = &record {
            let [_, by_job] = run_keys(self.0, record)?;
            documents.remove(&by_job).await?;
        } else if let Some(job) = job {
            let by_job = self.0.key(StateKind::Run, ["job", job, id])?;
            documents.remove(&by_job).await?;
        }
        documents.remove(&run_key(self.0, id)?).await?;
        swept.runs += 1;
        Ok(())
    }

    async fn sweep_audit(
        self,
        context: &Context,
        policy: &RetentionPolicy,
        swept: &mut Swept,
    ) -> Result<()> {
        let to = context.clock().now() - days(policy.audit_days);
        let names = Vec::new();
        let mut walk = Walk::new(self.0, StateKind::Audit, names, None, Some(to), None)?;
        let documents = self.0.documents(context);
        while !swept.is_full() {
            let ids = walk.next(context, PAGE).await?;
            if ids.is_empty() {
                break;
            }
            for id in ids {
                if swept.is_full() {
                    return Ok(());
                }
                documents
                    .remove(&self.0.key(StateKind::Audit, [id])?)
                    .await?;
                swept.changes += 1;
            }
        }
        Ok(())
    }
}

fn days(days: u32) -> TimeDelta {
    TimeDelta::days(i64::from(days))
}
