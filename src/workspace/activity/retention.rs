//! Forgetting what is old.

use chrono::{DateTime, TimeDelta, Utc};

use super::query::Walk;
use super::{Activity, RunRecord, RunStatus, RunSubject, log_key, run_key, run_keys};
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
    /// How many runs of a job, or of a chain, are kept at most, the newest: 1,000.
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
        let to = days_before(context, policy.days);
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
        for subject in [RunSubject::Job, RunSubject::Chain] {
            self.sweep_many_of(context, subject, policy, swept).await?;
        }
        Ok(())
    }

    async fn sweep_many_of(
        self,
        context: &Context,
        subject: RunSubject,
        policy: &RetentionPolicy,
        swept: &mut Swept,
    ) -> Result<()> {
        let mut one = self.one_behind(context, subject, None).await?;
        while let Some(id) = one {
            let names = vec![subject.word().to_owned(), id.clone()];
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
                        let of_subject = Some((subject, id.as_str()));
                        self.forget(context, of_subject, &run, swept).await?;
                    }
                }
            }
            one = self.one_behind(context, subject, Some(&id)).await?;
        }
        Ok(())
    }

    /// The next job or chain that has runs, by id.
    async fn one_behind(
        self,
        context: &Context,
        subject: RunSubject,
        id: Option<&str>,
    ) -> Result<Option<String>> {
        let word = subject.word();
        // Behind all ids of runs.
        let mut start = match id {
            Some(id) => self.0.key(StateKind::Run, [word, id, "z"])?,
            None => self.0.key(StateKind::Run, [word, ""])?,
        };
        loop {
            let documents = self.0.documents(context);
            let keys = documents
                .store()
                .list(self.0.tenant(), StateKind::Run, Some(&start), 1);
            let Some(key) = keys.await?.pop() else {
                return Ok(None);
            };
            match key.parts() {
                [first, other, _] if first == word && Some(other.as_str()) != id => {
                    return Ok(Some(other.clone()));
                }
                [first, ..] if first == word => start = key,
                _ => return Ok(None),
            }
        }
    }

    /// Forgets a run, unless it goes on.
    async fn forget(
        self,
        context: &Context,
        of_subject: Option<(RunSubject, &str)>,
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
        match (&record, of_subject) {
            (Some(record), _) => self.remove(context, record).await?,
            (None, of_subject) => {
                let documents = self.0.documents(context);
                documents.remove(&log_key(self.0, id)?).await?;
                if let Some((subject, job)) = of_subject {
                    let leads_to_it = self.0.key(StateKind::Run, [subject.word(), job, id])?;
                    documents.remove(&leads_to_it).await?;
                }
                documents.remove(&run_key(self.0, id)?).await?;
            }
        }
        swept.runs += 1;
        Ok(())
    }

    /// Removes a run with its log.
    pub(super) async fn remove(self, context: &Context, record: &RunRecord) -> Result<()> {
        let documents = self.0.documents(context);
        documents.remove(&log_key(self.0, &record.id)?).await?;
        // The record goes last: by it the rest is found.
        let [run, of_subject] = run_keys(self.0, record)?;
        documents.remove(&of_subject).await?;
        documents.remove(&run).await
    }

    async fn sweep_audit(
        self,
        context: &Context,
        policy: &RetentionPolicy,
        swept: &mut Swept,
    ) -> Result<()> {
        let to = days_before(context, policy.audit_days);
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

/// So many days ago; the beginning of time, if that is longer ago.
fn days_before(context: &Context, days: u32) -> DateTime<Utc> {
    let days = TimeDelta::days(i64::from(days));
    let before = context.clock().now().checked_sub_signed(days);
    before.unwrap_or(DateTime::UNIX_EPOCH)
}
