//! What a scheduler asks of whoever has the jobs.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::run::RunFate;
use crate::host::Context;
use crate::job::{Outcome, Trigger};
use crate::spec::RunSettings;
use crate::{Error, Result, Tenant};

/// Has the jobs that a [`Scheduler`](super::Scheduler) runs.
///
/// A job is whatever runs as one: a job of a [workspace](crate::workspace), a chain of them, or the host's own.
///
/// **Contract.** `run` has effects only inside its future: dropping it is like a crash. A run that comes again under the same name goes on where the one before
/// broke off, and does nothing where that had come to its end. It stops when the cancel token of its context is set; where it takes longer than a minute to, its future is
/// dropped.
///
/// ```
/// use async_trait::async_trait;
/// use syncline::host::Context;
/// use syncline::job::Outcome;
/// use syncline::scheduler::{JobProvider, JobRun, ProvidedJob};
/// use syncline::spec::RunSettings;
/// use syncline::{Result, Tenant};
///
/// /// One job, which says hello every hour.
/// #[derive(Debug)]
/// struct Hello;
///
/// #[async_trait]
/// impl JobProvider for Hello {
///     async fn job(&self, _: &Context, _: &Tenant, job: &str) -> Result<Option<ProvidedJob>> {
///         let hourly = "every hour".parse()?;
///         Ok((job == "hello").then(|| ProvidedJob::new("hello", RunSettings::new(hourly))))
///     }
///
///     async fn run(&self, _: &Context, run: &JobRun) -> Result<Outcome> {
///         println!("hello, {}: {}", run.tenant, run.run);
///         Ok(Outcome::Success)
///     }
/// }
/// ```
#[async_trait]
pub trait JobProvider: fmt::Debug + Send + Sync {
    /// When and how a job runs at present; `None` if there is no such job.
    ///
    /// # Errors
    /// If nobody knows at present: the job is asked for again later. Whoever takes longer than 5 seconds counts as not knowing, and all jobs of this tenant are left
    /// alone for a minute.
    async fn job(
        &self,
        context: &Context,
        tenant: &Tenant,
        job: &str,
    ) -> Result<Option<ProvidedJob>>;

    /// Runs it to its end. `Failed` is tried again as its [settings](RunSettings::retry) say, `Paused` when the time has come: until then only runs that a person asks for
    /// begin.
    ///
    /// # Errors
    /// If it could not begin, which counts as failed. An error that says [after which time](crate::Retry::After) to try again, such as that of a lease that
    /// somebody else has, counts as paused until then, and [`Cancelled`](crate::ErrorKind::Cancelled) behind a cancel token that is set as cancelled.
    async fn run(&self, context: &Context, run: &JobRun) -> Result<Outcome>;

    /// A run that this scheduler started ended; by default nobody minds. It is called before the end is saved: if the scheduler dies in between, or the end cannot
    /// be saved, the run comes again, and so does its end. Whoever tells people tells them once. The job does not run again before
    /// this comes to an end.
    ///
    /// # Errors
    /// If it could not be told. That is [observed](crate::host::Event::NotKept), and the run has ended all the same.
    async fn ended(&self, _context: &Context, _run: &JobRun, _end: &RunEnd) -> Result<()> {
        Ok(())
    }
}

/// How a run ended, before that is saved.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunEnd {
    /// What became of it.
    pub fate: RunFate,
    /// Whether it comes again by itself: it is tried again, or was paused or interrupted.
    pub again: bool,
    /// The error, if it could not be made.
    pub failure: Option<Error>,
}

impl RunEnd {
    /// It does not come again.
    pub fn new(fate: RunFate) -> Self {
        RunEnd {
            fate,
            again: false,
            failure: None,
        }
    }

    /// The same, coming again by itself.
    #[must_use]
    pub fn with_again(mut self) -> Self {
        self.again = true;
        self
    }

    /// The same, with the error because of which it could not begin.
    #[must_use]
    pub fn with_failure(mut self, failure: Error) -> Self {
        self.failure = Some(failure);
        self
    }
}

/// When and how a job runs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProvidedJob {
    /// Its name: schedules that wait for a job name it.
    pub name: String,
    /// When and how.
    pub settings: RunSettings,
    /// Whether it runs at all.
    pub enabled: bool,
    /// What tells these settings from others of the same job, for people. What was due is forgotten where the schedule changes, or whether the job is enabled.
    pub edition: String,
    /// The connections that it uses, of which each may bear so many runs only.
    pub connections: Vec<String>,
}

impl ProvidedJob {
    /// A job that is enabled and uses no connection.
    pub fn new(name: impl Into<String>, settings: RunSettings) -> Self {
        ProvidedJob {
            name: name.into(),
            settings,
            enabled: true,
            edition: String::new(),
            connections: Vec::new(),
        }
    }

    /// The same, running or not.
    #[must_use]
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The same, as this edition.
    #[must_use]
    pub fn with_edition(mut self, edition: impl Into<String>) -> Self {
        self.edition = edition.into();
        self
    }

    /// The same, using these connections.
    #[must_use]
    pub fn with_connections<S: Into<String>>(
        mut self,
        connections: impl IntoIterator<Item = S>,
    ) -> Self {
        self.connections = connections.into_iter().map(Into::into).collect();
        self
    }
}

/// A run that a scheduler starts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobRun {
    /// Whose job.
    pub tenant: Tenant,
    /// The job.
    pub job: String,
    /// The run's name: one that comes again has the same. For a run of the schedule, the instant that it was due at.
    pub run: String,
    /// When it was due.
    pub due: DateTime<Utc>,
    /// Why it starts.
    pub trigger: Trigger,
    /// On whose behalf; `None` if it is due by itself, or nobody [said](crate::host::Context::with_actor).
    pub actor: Option<String>,
    /// How often it has begun already: 0 for the first time.
    pub begun: u32,
    /// How often of these it, or a run whose place it took, came to its end and had failed, so that this is another try. One that goes on where its scheduler died
    /// is none.
    pub failed: u32,
}

impl JobRun {
    /// A run of the schedule, for the first time.
    pub fn new(
        tenant: Tenant,
        job: impl Into<String>,
        run: impl Into<String>,
        due: DateTime<Utc>,
    ) -> Self {
        JobRun {
            tenant,
            job: job.into(),
            run: run.into(),
            due,
            trigger: Trigger::Schedule,
            actor: None,
            begun: 0,
            failed: 0,
        }
    }
}
