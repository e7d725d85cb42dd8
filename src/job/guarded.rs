//! A run with all that stands between it and the world: patience, and the lease of its job.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::connection::Connection;
use crate::host::{Context, Event};
use crate::policy::{Patience, RetryPolicy, Timeouts};
use crate::{Error, ErrorKind, Result};

use super::group::paused_until;
use super::leased::{leased, leased_rejects};
use super::redrive::RedriveReport;
use super::run::{self, Booked};
use super::sync::{SyncJob, Target};
use super::{Lease, LeaseRequest, LeaseTerms, Outcome, RunReport, RunRequest};

pub(super) async fn run(
    job: &SyncJob,
    context: &Context,
    mut request: RunRequest,
) -> Result<RunReport> {
    request.job_version = Some(job.version().into());
    let started_at = context.clock().now();
    let settled = job.settle()?;
    if let Some(drift) = settled.report() {
        context.observer().observe(&Event::Drifted {
            dataset: &job.dataset.info().name,
            changes: drift.changes.len() as u64,
        });
    }
    let ended = run_settled(&settled.job, context, request, started_at).await;
    let mut report = ended.map_err(|error| settled.blame(error))?;
    report.drift = settled.report();
    tell_end(context, &report);
    Ok(report)
}

async fn run_settled(
    job: &SyncJob,
    context: &Context,
    request: RunRequest,
    started_at: DateTime<Utc>,
) -> Result<RunReport> {
    let Guarded {
        job: held,
        request,
        patience,
        lease,
    } = Guarded::new(job, context, request).await?;
    let booked = Booked::default();
    let books = lease.as_ref().map(|_| &booked);
    let work = run::run(&held, context, request, books);
    let (ended, lease) = match lease {
        None => (Ok(work.await), None),
        Some(lease) => (lease.hold(context, work).await, Some(lease)),
    };
    let ended = match ended {
        Ok(ended) => paused_or(ended, job, context, started_at),
        Err(lost) => {
            let now = context.clock().now();
            let nothing = || RunReport::new(&job.info.name, started_at, now);
            let mut report = booked.take().unwrap_or_else(nothing);
            report.finished_at = now;
            report.outcome = Outcome::Failed;
            report.failure = Some(lost);
            Ok(report)
        }
    };
    let failure = match &ended {
        Ok(report) => report.failure.as_ref(),
        Err(error) => Some(error),
    };
    give_back(lease, &patience, failure).await;
    ended.map(|mut report| {
        report.retries = patience.retries();
        report
    })
}

/// Redrives a job as a run does it: with patience, and under the lease, which is held from here to the end.
pub(super) async fn hold<F>(
    job: &SyncJob,
    context: &Context,
    request: RunRequest,
    work: impl FnOnce(SyncJob, RunRequest, Patience) -> F,
) -> Result<RedriveReport>
where
    F: Future<Output = Result<RedriveReport>>,
{
    let Guarded {
        job,
        request,
        patience,
        lease,
    } = Guarded::new(job, context, request).await?;
    let work = work(job, request, patience.clone());
    let Some(lease) = lease else {
        return work.await;
    };
    let ended = lease.hold(context, work).await.and_then(|ended| ended);
    let failure = match &ended {
        Ok(report) => {
            let mut failures = report.runs.iter().filter_map(|run| run.failure.as_ref());
            failures.find(|failure| !was_answered(failure))
        }
        Err(error) => Some(error),
    };
    give_back(Some(lease), &patience, failure).await;
    ended
}

/// A job and the request of its run with all that stands before the world.
struct Guarded {
    job: SyncJob,
    request: RunRequest,
    patience: Patience,
    lease: Option<Lease>,
}

impl Guarded {
    async fn new(job: &SyncJob, context: &Context, mut request: RunRequest) -> Result<Self> {
        if request.dry_run {
            request.lease = None;
        }
        let timeouts = match &request.lease {
            Some(lease) => within_lease(request.timeouts, lease.terms),
            None => request.timeouts,
        };
        let patience = Patience::new(context, request.retry, timeouts);
        let lease = acquire(job, context, &request).await?;
        // A try comes behind a look at the lease, so the lease is the inner one.
        let job = match &lease {
            None => with_patience(job, &patience, |connection| connection),
            Some(lease) => {
                request.epoch = request.epoch.max(lease.epoch());
                request.rejects = leased_rejects(request.rejects);
                with_patience(job, &patience, leased)
            }
        };
        request.rejects = patience.rejects(request.rejects);
        if let Some(state) = &mut request.state {
            state.store = patience.state(Arc::clone(&state.store));
        }
        Ok(Guarded {
            job,
            request,
            patience,
            lease,
        })
    }
}

/// What was to be done is done. Who comes next waits, if this fails.
async fn give_back(lease: Option<Lease>, patience: &Patience, failure: Option<&Error>) {
    // A call that was given up may still be done: then the lease runs out by itself.
    let all_answered = patience.given_up() == 0 && failure.is_none_or(was_answered);
    if let (Some(lease), true) = (lease, all_answered) {
        let _ = lease.release().await;
    }
}

/// A run of a job that is held already.
pub(super) async fn run_once(
    job: &SyncJob,
    context: &Context,
    request: RunRequest,
) -> Result<RunReport> {
    let started_at = context.clock().now();
    let ended = run::run(job, context, request, None).await;
    let report = paused_or(ended, job, context, started_at)?;
    tell_end(context, &report);
    Ok(report)
}

impl RunReport {
    /// The report of a run that did not begin, as is told of all runs: it failed, was cancelled, or waits for calls.
    pub(crate) fn not_begun(self, context: &Context, error: Error, dry_run: bool) -> Self {
        let outcome = match paused_until(&error, self.finished_at) {
            Some(until) => Outcome::Paused { until },
            None if error.kind() == ErrorKind::Cancelled => Outcome::Cancelled,
            None => Outcome::Failed,
        };
        self.without(context, outcome, error, dry_run)
    }

    /// The report of a run that could not be made, for whoever has to go on all the same.
    pub(crate) fn not_made(self, context: &Context, error: Error, dry_run: bool) -> Self {
        let outcome = Outcome::of(&error, self.finished_at);
        self.without(context, outcome, error, dry_run)
    }

    fn without(mut self, context: &Context, outcome: Outcome, error: Error, dry_run: bool) -> Self {
        (self.outcome, self.dry_run) = (outcome, dry_run);
        match outcome {
            Outcome::Paused { .. } => self.paused_by = Some(error),
            Outcome::Cancelled => {}
            _ => self.failure = Some(error),
        }
        tell_end(context, &self);
        self
    }
}

fn tell_end(context: &Context, report: &RunReport) {
    context.observer().observe(&Event::RunFinished {
        job: &report.job,
        outcome: report.outcome.word(),
    });
}

/// Whether an error tells what became of its call. Of others nobody knows whether they are done yet.
fn was_answered(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Io | ErrorKind::Timeout | ErrorKind::Conflict
    )
}

/// Waits for nothing that changes something outside longer than the terms say that it takes: a lease is no right to more.
fn within_lease(timeouts: Timeouts, terms: LeaseTerms) -> Timeouts {
    let most = terms.write_timeout;
    Timeouts {
        open: timeouts.open.min(most),
        write: timeouts.write.min(most),
        commit: timeouts.commit.min(most),
        rejects: timeouts.rejects.min(most),
        ..timeouts
    }
}

/// A run may have to wait before anything is open.
fn paused_or(
    ended: Result<RunReport>,
    job: &SyncJob,
    context: &Context,
    started_at: DateTime<Utc>,
) -> Result<RunReport> {
    let now = context.clock().now();
    ended.or_else(|error| {
        let Some(until) = paused_until(&error, now) else {
            return Err(error);
        };
        let mut report = RunReport::new(&job.info.name, started_at, now);
        report.outcome = Outcome::Paused { until };
        report.paused_by = Some(error);
        Ok(report)
    })
}

async fn acquire(job: &SyncJob, context: &Context, request: &RunRequest) -> Result<Option<Lease>> {
    let Some(policy) = &request.lease else {
        return Ok(None);
    };
    let Some(state) = &request.state else {
        let message = "a lease is kept beside the job's state; give the request a state store";
        return Err(Error::new(ErrorKind::Invalid, message).with("job", &job.info.name));
    };
    // A lease has its own way to try again.
    let once = Patience::new(context, RetryPolicy::never(), request.timeouts);
    let store = once.state(Arc::clone(&state.store));
    let wanted = LeaseRequest::new(state.tenant.clone(), job.info.key(), store)
        .with_runner(&policy.runner)
        .with_terms(policy.terms);
    Lease::acquire(context, wanted).await.map(Some)
}

/// The job, its dataset and its connections with patience.
fn with_patience(
    job: &SyncJob,
    patience: &Patience,
    inner: impl Fn(Arc<dyn Connection>) -> Arc<dyn Connection>,
) -> SyncJob {
    let targets = job.targets.iter().map(|target| Target {
        connection: patience.connection(inner(Arc::clone(&target.connection))),
        spec: target.spec.clone(),
    });
    SyncJob {
        info: job.info.clone(),
        dataset: patience.dataset(Arc::clone(&job.dataset)),
        filter: job.filter.clone(),
        formulas: job.formulas.clone(),
        targets: targets.collect(),
        required: job.required,
        sync: job.sync.clone(),
        reject_limit: job.reject_limit,
        built_on: None,
    }
}
