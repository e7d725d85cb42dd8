//! Running jobs.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::activity::{Came, Recorder, RunRecord};
use super::super::notices::RunEnded;
use super::super::specs;
use super::{JobView, Jobs, connection_of};
use crate::dataset::Dataset;
use crate::error::Problem;
use crate::file::DelimitedDataset;
use crate::host::Context;
use crate::job::{
    Deed, Job as _, JobPlan, Outcome, Redrive, RedriveReport, RunLease, RunReport, RunRequest,
    RunState, SyncJob, Trigger,
};
use crate::spec::{JobSpec, RunCondition, SourceSpec};
use crate::{Error, ErrorKind, Result};

impl Jobs<'_> {
    /// Plans a job that need not be one of the workspace: all that is wrong with it shows.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with every mistake and its path; those of its connection.
    pub async fn validate(self, context: &Context, spec: &JobSpec) -> Result<JobPlan> {
        self.valid(context, spec).await?;
        let roster = self.0.roster(context).await?;
        let connection = connection_of(&roster, spec)?;
        let job = self.made(context, spec, connection.as_deref()).await?;
        job.plan(context).await
    }

    /// Opens a job: to preview or plan it, to redrive its rejects, to run it in ways of one's own.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if it is disabled or its source is gone, and those of its connection.
    pub async fn open(self, context: &Context, id: &str) -> Result<SyncJob> {
        let view = self.get(context, id).await?;
        self.opened(context, &view).await
    }

    async fn opened(self, context: &Context, view: &JobView) -> Result<SyncJob> {
        let rests = match (view.enabled, view.retired) {
            (true, false) => None,
            (false, _) => Some("the job is disabled; enable it first"),
            (true, true) => {
                Some("the source of the job is gone; refresh the connection when it is there again")
            }
        };
        if let Some(message) = rests {
            return Err(Error::new(ErrorKind::Invalid, message).with("job", &view.spec.name));
        }
        self.made(context, &view.spec, view.connection.as_deref())
            .await
    }

    /// Runs it now. Unless the request says otherwise, its state is in the workspace's store, and the run takes the job's lease.
    ///
    /// A job that cannot be opened, since it is disabled or its connection was revoked, has a report too: it failed, and says why.
    ///
    /// People are [told](crate::workspace::Notices) how it ended, by the job's lists, unless it was a dry run.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for the job, and those of [`SyncJob`].
    pub async fn run(self, context: &Context, id: &str, request: RunRequest) -> Result<RunReport> {
        let view = self.get(context, id).await?;
        let (run, dry_run) = (request.run.clone(), request.dry_run);
        let (record, ran) = self.run_untold(context, &view, request).await;
        if !dry_run {
            let mut ended = job_end(ran.as_ref(), &view, context.clock().now());
            (ended.run, ended.record) = (run.as_deref(), Some(record.as_str()));
            self.0.notices().job_ended(context, &view, &ended).await;
        }
        ran
    }

    /// Runs it, for those who tell people of it themselves; answers the id of its record too.
    pub(in crate::workspace) async fn run_untold(
        self,
        context: &Context,
        view: &JobView,
        request: RunRequest,
    ) -> (String, Result<RunReport>) {
        let recorder = self.recorder(context, view, &request).await;
        let gate = request.gate.clone();
        let run = self.ran(recorder.context(), view, request);
        let ran = recorder.during(run).await;
        match gate.is_some_and(|gate| gate.is_given_up()) {
            // It read ahead in vain, and did nothing.
            true => recorder.forget().await,
            false => recorder.end(&Came::of(&ran)).await,
        }
        (recorder.id().to_owned(), ran)
    }

    async fn ran(
        self,
        context: &Context,
        view: &JobView,
        request: RunRequest,
    ) -> Result<RunReport> {
        let started_at = context.clock().now();
        let job = match self.opened(context, view).await {
            Ok(job) => job,
            Err(error) => {
                let now = context.clock().now();
                let report = RunReport::new(&view.spec.name, started_at, now);
                return Ok(report.not_begun(context, error, request.dry_run));
            }
        };
        job.run(context, self.complete(request)).await
    }

    /// Sends the refused records of the request's ledger through it again, under the job's lease, as a run of its history.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for the job, those of [`open`](Self::open), and those of [`SyncJob::redrive`].
    pub async fn redrive(
        self,
        context: &Context,
        id: &str,
        request: RunRequest,
        by: &Redrive,
    ) -> Result<RedriveReport> {
        let view = self.get(context, id).await?;
        let request = request.with_trigger(Trigger::Redrive);
        let recorder = self.recorder(context, &view, &request).await;
        let redrive = async {
            let job = self.opened(recorder.context(), &view).await?;
            let request = self.complete(request);
            job.redrive(recorder.context(), request, by).await
        };
        let redrove = recorder.during(redrive).await;
        recorder.end(&Came::of_redrive(&redrove)).await;
        redrove
    }

    /// The request with what the workspace knows: its store for the job's state, and the job's lease. [`run`](Self::run) completes its own; who runs or
    /// redrives a job that was [opened](Self::open) asks here first, so that nobody else runs it meanwhile.
    #[must_use]
    pub fn complete(self, mut request: RunRequest) -> RunRequest {
        if request.state.is_none() {
            request.state = Some(RunState {
                tenant: self.0.tenant().clone(),
                store: Arc::clone(&self.0.0.config.state),
            });
            request.lease = (request.lease).or_else(|| Some(RunLease::new("workspace")));
        }
        request
    }

    async fn made(
        self,
        context: &Context,
        spec: &JobSpec,
        connection: Option<&str>,
    ) -> Result<SyncJob> {
        let dataset = self.dataset(context, spec, connection).await?;
        Ok(specs::sync_job(spec, &dataset, Arc::clone(self.0.home())))
    }

    async fn dataset(
        self,
        context: &Context,
        spec: &JobSpec,
        connection: Option<&str>,
    ) -> Result<Arc<dyn Dataset>> {
        let source = match connection {
            Some(id) => Some(self.0.connections().open(context, id).await?),
            None => None,
        };
        match (&spec.dataset.source, &source) {
            (SourceSpec::Object(object), Some(source)) => source.dataset(context, object).await,
            (SourceSpec::Object(object), None) => self.0.home().dataset(context, object).await,
            (SourceSpec::File(file), source) => {
                let files = match source {
                    Some(source) => source.info().files.clone(),
                    None => self.0.0.config.files.clone(),
                };
                let files = files.ok_or_else(|| {
                    let message = "there are no files here; name a connection that has files";
                    let problem = Problem::new("dataset.connection", message);
                    Error::invalid("the job cannot run as it is", vec![problem])
                })?;
                let opened = DelimitedDataset::open(context, files, file).await;
                let opened = opened.map_err(|error| error.with("path", "dataset.source.file"));
                Ok(Arc::new(opened?))
            }
        }
    }
}

impl<'a> Jobs<'a> {
    /// Writes down that a run begins.
    pub(in crate::workspace) async fn recorder(
        self,
        context: &Context,
        view: &JobView,
        request: &RunRequest,
    ) -> Recorder<'a> {
        let record = RunRecord::of_job(context, view, request);
        Recorder::begin(self.0, context, record, view.spec.settings.success).await
    }
}

/// How a run of a job ended, as it counts.
pub(in crate::workspace) fn job_end<'a>(
    ran: std::result::Result<&'a RunReport, &'a Error>,
    view: &JobView,
    now: DateTime<Utc>,
) -> RunEnded<'a> {
    match ran {
        Ok(report) => {
            let success = &view.spec.settings.success;
            RunEnded {
                failure: report.failure.as_ref(),
                ..RunEnded::new(judged(report.outcome, Deed::of(report), success))
            }
        }
        Err(error) => RunEnded {
            failure: Some(error),
            ..RunEnded::new(Outcome::of(error, now))
        },
    }
}

/// How a run counts that must have done this.
pub(in crate::workspace) fn judged(
    outcome: Outcome,
    deed: Deed,
    success: &RunCondition,
) -> Outcome {
    match outcome {
        Outcome::Cancelled | Outcome::Paused { .. } => outcome,
        // Whatever it did is enough.
        Outcome::Failed if deed.lacks(success).is_none() => Outcome::PartialSuccess,
        _ if deed.lacks(success).is_some() => Outcome::Failed,
        _ => outcome,
    }
}
