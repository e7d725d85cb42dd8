//! The run loop: read, prepare, map, write, commit, account.
//!
//! Batches are prepared and mapped on the executor, a few ahead, and taken in source order; from
//! there on everything happens on the run's own future, one batch after the other.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};

use crate::dataset::ReadRequest;
use crate::destination::CommitRequest;
use crate::host::{Context, Event, RejectSegment, run_on};
use crate::lookup::Lookup;
use crate::mapping::{Mapped, Mapper, Preparation};
use crate::record::{Batch, Cursor, Reject};
use crate::{Error, ErrorKind, Result};

use super::plan::{JobPlan, TargetPlan};
use super::report::{Outcome, RunReport, Timings};
use super::stage::Stage;
use super::sync::SyncJob;
use super::{CommitPolicy, RunRequest};

/// A batch that went through everything that can run ahead.
struct Ready {
    prepared: Batch,
    records: u64,
    filtered: u64,
    bytes: u64,
    /// One for each destination; empty if rows go through the destinations one by one.
    mapped: Vec<Mapped>,
}

/// Binds each destination's mapping to its lookups: to the writer of the earlier destination that
/// writes the object, if there is one, else to the connection.
pub(super) async fn bind(
    context: &Context,
    plan: &JobPlan,
    stages: &mut [Stage],
) -> Result<Vec<Mapper>> {
    let mut mappers = Vec::with_capacity(plan.targets.len());
    for target in &plan.targets {
        let mut lookups: Vec<Arc<dyn Lookup>> = Vec::new();
        for (request, writer) in target.mapping.lookups().iter().zip(&target.written_by) {
            lookups.push(match writer.and_then(|writer| stages.get_mut(writer)) {
                Some(stage) => stage.lookup(context, request.clone()).await?,
                None => target.connection.lookup(context, request.clone()).await?,
            });
        }
        mappers.push(target.mapping.bind(lookups)?);
    }
    Ok(mappers)
}

pub(super) async fn run(
    job: &SyncJob,
    context: &Context,
    request: RunRequest,
) -> Result<RunReport> {
    let started_at = context.clock().now();
    let plan = job.plan(context).await?;
    let cannot_try = |target: &&TargetPlan| !target.destination.info().capabilities.dry_run;
    if let (true, Some(target)) = (request.dry_run, plan.targets.iter().find(cannot_try)) {
        let message = "this destination cannot be opened for a dry run; use a preview";
        return Err(
            Error::new(ErrorKind::Unsupported, message).with("destination", &target.spec.object)
        );
    }
    let columns = Arc::clone(&job.dataset.info().columns);
    let mut stages = Vec::with_capacity(plan.targets.len());
    let mappers = match open(context, &plan, &request, &columns, &mut stages).await {
        Ok(mappers) => mappers,
        Err(error) => {
            abort(context, &mut stages).await;
            return Err(error);
        }
    };
    for (stage, mapper) in stages.iter_mut().zip(&mappers) {
        stage.set_lookup_bytes(mapper.lookup_bytes());
    }
    context.observer().observe(&Event::RunStarted {
        job: &job.info.name,
    });

    let mut run = Run {
        context,
        request: &request,
        stages,
        columns,
        bytes_total: job.dataset.info().size_bytes,
        records: 0,
        bytes: 0,
        group: Group::new(started_at),
        resume: None,
        timings: Timings {
            open: seconds(started_at, context.clock().now()),
            ..Timings::default()
        },
    };
    let ended = run.all(job, &plan, mappers).await;
    let (failure, cancelled) = match ended {
        Ok(end) => (None, end == End::Cancelled),
        Err(failure) => (Some(failure), false),
    };
    if failure.is_some() {
        // Records that were refused are kept, whatever else failed; the failure that came first is told.
        let _ = request.rejects.seal().await;
        run.stages.iter_mut().for_each(Stage::leave_rest_pending);
    }
    if failure.is_some() || cancelled {
        abort(context, &mut run.stages).await;
    }
    let report = run.report(job, started_at, failure, cancelled);
    context.observer().observe(&Event::RunFinished {
        job: &report.job,
        outcome: report.outcome.word(),
    });
    Ok(report)
}

/// Opens every destination, and binds the mappings; what is open by then is in `stages`.
async fn open(
    context: &Context,
    plan: &JobPlan,
    request: &RunRequest,
    columns: &Arc<[String]>,
    stages: &mut Vec<Stage>,
) -> Result<Vec<Mapper>> {
    for target in &plan.targets {
        stages.push(Stage::open(context, plan, target, request, Arc::clone(columns)).await?);
    }
    bind(context, plan, stages).await
}

/// The run is over: what an abort cannot undo is in the report.
async fn abort(context: &Context, stages: &mut [Stage]) {
    for stage in stages {
        let _ = stage.abort(context).await;
    }
}

#[derive(PartialEq, Eq)]
enum End {
    Finished,
    Cancelled,
}

struct Run<'a> {
    context: &'a Context,
    request: &'a RunRequest,
    stages: Vec<Stage>,
    columns: Arc<[String]>,
    bytes_total: Option<u64>,
    records: u64,
    bytes: u64,
    group: Group,
    /// Everything up to here went through the run.
    resume: Option<Cursor>,
    timings: Timings,
}

/// The commit group that is open.
struct Group {
    number: u64,
    records: u64,
    bytes: u64,
    since: DateTime<Utc>,
}

impl Group {
    fn new(since: DateTime<Utc>) -> Self {
        Group {
            number: 1,
            records: 0,
            bytes: 0,
            since,
        }
    }

    fn is_full(&self, policy: &CommitPolicy, now: DateTime<Utc>) -> bool {
        self.records >= policy.records
            || self.bytes >= policy.bytes
            || (now - self.since)
                .to_std()
                .is_ok_and(|age| age >= policy.interval)
    }
}

impl Run<'_> {
    async fn all(&mut self, job: &SyncJob, plan: &JobPlan, mappers: Vec<Mapper>) -> Result<End> {
        let row_by_row = plan.row_by_row();
        let ahead = if row_by_row {
            Arc::from([])
        } else {
            Arc::<[Mapper]>::from(mappers.clone())
        };
        let mut batches = self.read_ahead(job, plan, ahead);
        let mut cancelled = false;
        loop {
            if self.context.cancel().is_cancelled() {
                cancelled = true;
                break;
            }
            let asked = self.context.clock().now();
            let Some(ready) = batches.try_next().await? else {
                break;
            };
            let given = self.context.clock().now();
            self.timings.read += seconds(asked, given);
            let ready = self.begin(ready).await?;
            if row_by_row {
                for row in 0..ready.prepared.len() as u32 {
                    let record = ready.prepared.clone().take(&[row])?;
                    for (stage, mapper) in self.stages.iter_mut().zip(&mappers) {
                        stage
                            .accept(self.context, mapper.map(self.context, &record).await?)
                            .await?;
                    }
                }
            } else {
                for (stage, mapped) in self.stages.iter_mut().zip(ready.mapped) {
                    stage.accept(self.context, mapped).await?;
                }
            }
            let written = self.context.clock().now();
            self.timings.write += seconds(given, written);
            self.progress();
            if self.group.is_full(&self.request.commit, written) {
                self.commit(false).await?;
            }
        }
        drop(batches);

        let finishing = self.context.clock().now();
        // Nobody knows what the rest of the source would have brought: after a cancel, rows that are held
        // back stay pending, and no cursor passes a row that waited.
        let waiting = cancelled && self.is_waiting();
        for stage in &mut self.stages {
            stage.finish(self.context, cancelled).await?;
        }
        // Rejects are durable before the last group is.
        self.request.rejects.seal().await?;
        if waiting {
            self.resume = None;
        }
        self.commit(!cancelled).await?;
        self.timings.finish = seconds(finishing, self.context.clock().now());
        Ok(if cancelled {
            End::Cancelled
        } else {
            End::Finished
        })
    }

    /// Batches in source order, prepared and mapped a few ahead on the executor.
    fn read_ahead(
        &self,
        job: &SyncJob,
        plan: &JobPlan,
        mappers: Arc<[Mapper]>,
    ) -> futures::stream::BoxStream<'static, Result<Ready>> {
        let request = ReadRequest::new()
            .with_fields(plan.fields.clone())
            .with_raw(plan.raw.clone())
            .with_batch_rows(self.request.batch_rows);
        let executor = self.context.executor_handle();
        let ahead = executor.ahead();
        let context = self.context.clone();
        let preparation = Arc::clone(&plan.preparation);
        // A lookup that asks somebody else must be awaited here, by the run itself.
        let computes_only = mappers.iter().all(Mapper::in_memory);
        let prepare = move |batch: Result<Batch>| {
            let work = ready(
                context.clone(),
                Arc::clone(&preparation),
                Arc::clone(&mappers),
                batch,
            );
            let executor = Arc::clone(&executor);
            async move {
                if computes_only {
                    run_on(&*executor, work).await?
                } else {
                    work.await
                }
            }
        };
        job.dataset
            .read(self.context, request)
            .map(prepare)
            .buffered(ahead)
            .boxed()
    }

    /// Counts a batch, and hands on what was refused before any destination saw it.
    async fn begin(&mut self, mut ready: Ready) -> Result<Ready> {
        let rejects = std::mem::take(&mut ready.prepared.rejects);
        self.records += ready.records;
        self.bytes += ready.bytes;
        self.group.records += ready.records;
        self.group.bytes += ready.bytes;
        if let Some(cursor) = ready.prepared.resume.take() {
            self.resume = Some(cursor);
        }
        for stage in &mut self.stages {
            stage.count(ready.records, ready.filtered, &rejects);
        }
        refuse(self.context, self.request, None, &self.columns, rejects).await?;
        Ok(ready)
    }

    fn is_waiting(&self) -> bool {
        self.stages.iter().any(Stage::is_waiting)
    }

    async fn commit(&mut self, last: bool) -> Result<()> {
        // The counts of all destinations agree before anything is called done.
        for stage in &self.stages {
            stage.check(last)?;
        }
        // A row that waits for the end of the run is not safe yet, so no cursor may pass it.
        let cursor = if self.is_waiting() {
            None
        } else {
            self.resume.clone()
        };
        for stage in &mut self.stages {
            let mut request = CommitRequest::new(self.group.number)
                .with_cursor(self.request.epoch, cursor.clone());
            if last {
                request = request.as_last();
            }
            stage.commit(self.context, request).await?;
        }
        self.group = Group {
            number: self.group.number + 1,
            ..Group::new(self.context.clock().now())
        };
        Ok(())
    }

    fn progress(&self) {
        self.context.observer().observe(&Event::Progress {
            records: self.records,
            bytes: self.bytes,
            bytes_total: self.bytes_total,
            rejected: self
                .stages
                .iter()
                .map(|stage| stage.report().rejected)
                .max()
                .unwrap_or(0),
        });
    }

    fn report(
        self,
        job: &SyncJob,
        started_at: DateTime<Utc>,
        failure: Option<Error>,
        cancelled: bool,
    ) -> RunReport {
        let finished_at = self.context.clock().now();
        let destinations: Vec<_> = self.stages.into_iter().map(Stage::into_report).collect();
        let all_rejected = self.records > 0 && destinations.iter().all(|d| d.rejected == d.read);
        let outcome = if failure.is_some() || (all_rejected && !cancelled) {
            Outcome::Failed
        } else if cancelled {
            Outcome::Cancelled
        } else if destinations.iter().any(|d| d.rejected > 0) {
            Outcome::PartialSuccess
        } else {
            Outcome::Success
        };
        RunReport {
            job: job.info.name.clone(),
            outcome,
            dry_run: self.request.dry_run,
            started_at,
            finished_at,
            records: self.records,
            bytes: self.bytes,
            records_per_second: (self.records as f64 / seconds(started_at, finished_at).max(1e-6))
                as u64,
            timings: self.timings,
            destinations,
            failure,
        }
    }
}

async fn ready(
    context: Context,
    preparation: Arc<Preparation>,
    mappers: Arc<[Mapper]>,
    batch: Result<Batch>,
) -> Result<Ready> {
    let batch = batch?;
    let records = (batch.len() + batch.rejects.len()) as u64;
    let bytes = batch.bytes_read;
    let prepared = preparation.apply(batch)?;
    let mut mapped = Vec::with_capacity(mappers.len());
    for mapper in &*mappers {
        mapped.push(mapper.map(&context, &prepared.batch).await?);
    }
    Ok(Ready {
        prepared: prepared.batch,
        records,
        filtered: prepared.filtered,
        bytes,
        mapped,
    })
}

/// Sends refused records to the ledger and tells the observer.
pub(super) async fn refuse(
    context: &Context,
    request: &RunRequest,
    destination: Option<&Arc<str>>,
    columns: &Arc<[String]>,
    rejects: Vec<Reject>,
) -> Result<()> {
    if rejects.is_empty() {
        return Ok(());
    }
    let mut counts = std::collections::BTreeMap::new();
    for reject in &rejects {
        *counts.entry(reject.refusal.reason).or_insert(0) += 1;
    }
    for (reason, count) in counts {
        let destination = destination.map(|name| &**name);
        context.observer().observe(&Event::Rejected {
            destination,
            reason,
            count,
        });
    }
    request
        .rejects
        .append(RejectSegment::new(
            destination.cloned(),
            Arc::clone(columns),
            rejects,
        ))
        .await
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64()
}
