//! How a chain is run.

use std::fmt;
use std::sync::Arc;

use super::super::JobView;
use crate::job::{CursorRange, RunRequest, Trigger};
use crate::record::CursorValue;

/// What the name of a further try has behind that of the run.
const AGAIN: &str = " again ";

/// Whether a run of this name is the run of that name, or a further try of it.
pub(in crate::workspace) fn is_try_of(name: Option<&str>, run: Option<&str>) -> bool {
    let (Some(name), Some(run)) = (name, run) else {
        return name == run;
    };
    let behind = name.strip_prefix(run);
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(AGAIN))
}

/// How to run a chain.
///
/// ```
/// use std::sync::Arc;
/// use syncline::job::RunRequest;
/// use syncline::memory::MemoryRejects;
/// use syncline::record::CursorValue;
/// use syncline::workspace::ChainRequest;
///
/// let day = |text: &str| Some(CursorValue::Date(text.parse().unwrap()));
/// let request = ChainRequest::new(|_| RunRequest::new(Arc::new(MemoryRejects::new())))
///     .with_run("2025-01-31T06:00:00Z")
///     .with_range(day("2024-01-01"), day("2025-01-01"));
/// assert!(request.range.is_some());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ChainRequest<'a> {
    /// The run's name, for instance the moment that it was due at. A run of this name that came to its end is told again, and nothing is run. One
    /// that broke off is gone on with, whatever it was called, and is called so from then on.
    pub run: Option<String>,
    /// What its jobs that read incrementally read instead of what is new; the others run as always. A run that goes on has the range that it
    /// began with.
    pub range: Option<CursorRange>,
    /// Whether a run that broke off is given up, unless it has the name of this one. Its jobs go on where they are.
    pub start_over: bool,
    /// Which try of the run of this name it is, behind the first. A further one runs although the one before came to its end: if that failed, at the
    /// links that failed; if it was not enough for whoever asks, from the first on.
    pub again: u32,
    /// What starts it, for whoever looks at the history of runs.
    pub trigger: Trigger,
    requests: Arc<dyn Fn(&JobView) -> RunRequest + Send + Sync + 'a>,
}

impl<'a> ChainRequest<'a> {
    /// A run in which each job is run so; the name of that run and what it waits for are the chain's affair. A job that reads ahead may be
    /// asked for twice.
    pub fn new(requests: impl Fn(&JobView) -> RunRequest + Send + Sync + 'a) -> Self {
        ChainRequest {
            run: None,
            range: None,
            start_over: false,
            again: 0,
            trigger: Trigger::default(),
            requests: Arc::new(requests),
        }
    }

    /// The same, as the run of this name.
    #[must_use]
    pub fn with_run(mut self, name: impl Into<String>) -> Self {
        self.run = Some(name.into());
        self
    }

    /// The same, reading a stretch of the past again: from `from` on, and below `to`, as
    /// [`RunRequest::with_range`](RunRequest::with_range) has it.
    #[must_use]
    pub fn with_range(mut self, from: Option<CursorValue>, to: Option<CursorValue>) -> Self {
        self.range = Some(CursorRange { from, to });
        self
    }

    /// The same, giving up a run that broke off.
    #[must_use]
    pub fn with_start_over(mut self) -> Self {
        self.start_over = true;
        self
    }

    /// The same, as the so manieth try behind the first.
    #[must_use]
    pub fn with_again(mut self, times: u32) -> Self {
        self.again = times;
        self
    }

    /// The same, started by this.
    #[must_use]
    pub fn with_trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// The request of a run of the job that it is all for: as if it ran alone.
    pub(in crate::workspace) fn of_own(&self, job: &JobView) -> RunRequest {
        let request = self.of_job(job);
        match self.own_run() {
            Some(run) => request.with_run(run),
            None => request,
        }
    }

    /// What that run is called. A further try that was called the same would not read again what was read to the end.
    pub(in crate::workspace) fn own_run(&self) -> Option<String> {
        let run = self.run.as_ref()?;
        Some(match self.again {
            0 => run.clone(),
            times => format!("{run}{AGAIN}{times}"),
        })
    }

    /// The request of a run of a job.
    pub(in crate::workspace) fn of_job(&self, job: &JobView) -> RunRequest {
        (self.requests)(job)
    }

    /// The request of a chain that is a link of this one.
    pub(super) fn inner(&self, run: String, trigger: Trigger, range: Option<CursorRange>) -> Self {
        ChainRequest {
            run: Some(run),
            range,
            start_over: false,
            again: 0,
            trigger,
            requests: Arc::clone(&self.requests),
        }
    }
}

impl fmt::Debug for ChainRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainRequest")
            .field("run", &self.run)
            .field("range", &self.range)
            .field("start_over", &self.start_over)
            .field("again", &self.again)
            .field("trigger", &self.trigger)
            .finish_non_exhaustive()
    }
}
