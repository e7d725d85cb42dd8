//! The run loop: read, prepare, map, write, commit, account.
//!
//! Batches are prepared and mapped on the executor, a few ahead, and taken in source order; from
//! there on everything happens on the run's own future, one batch after the other. While that waits, reading goes on.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::destination::CommitRequest;
use crate::host::{Bug, Context, Event, RejectRewind};
use crate::record::Cursor;
use crate::spec::RejectLimit;
use crate::{Error, ErrorKind, Result, Retry};

use super::bind::{Bound, bind};
use super::checkpoint::{Border, Checkpoints};
use super::group::{End, Group, GroupEnd, Stop, paused_until};
use super::incremental::{Reading, Seen};
use super::intake::{Early, Intake, Stretch};
use super::plan::{JobPlan, TargetPlan};
use super::ready::Ready;
use super::refuse::refuse;
use super::report::{DestinationReport, Outcome, RunReport, Timings};
use super::stage::Stage;
use super::sync::SyncJob;
use super::waiting::{Passed, reading, wait};
use super::{Guarantee, RunRequest};

/// What a run has booked so far, for whoever drops it.
#[derive(Debug, Default)]
pub(super) struct Booked(Mutex<Option<RunReport>>);

impl Booked {
    fn put(&self, report: RunReport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    /// `None` if the run did not come to read anything.
    pub(super) fn take(&self) -> Option<RunReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

pub(super) async fn run(
    job: &SyncJob,
    context: &Context,
    mut request: RunRequest,
    booked: Option<&Booked>,
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
    if request.range.is_some() && plan.incremental.is_none() {
        let message = "a range is one of a cursor field; read the dataset incrementally";
        return Err(Error::new(ErrorKind::Invalid, message).with("job", &job.info.name));
    }
    if request.dry_run {
        request.state = None;
    } else if request.state.is_none() && job.required > Guarantee::BestEffort {
        let message = "the job requires a guarantee, and that rests on saved state; give the request a state store";
        return Err(Error::new(ErrorKind::Invalid, message).with("job", &job.info.name));
    }
    let mut checkpoints = match &request.state {
        Some(state) => {
            let names = plan.targets.iter().map(|target| target.destination.info());
            let names: Vec<&str> = names.map(|info| &*info.name).collect();
            let (name, dataset) = (job.info.key(), job.dataset.info());
            Some(Checkpoints::open(context, state, &request, name, dataset, &names).await?)
        }
        None => None,
    };
    request.epoch = checkpoints
        .as_ref()
        .map_or(request.epoch, Checkpoints::epoch);
    let passed = wait(context, job, &plan, &request, checkpoints.as_ref()).await?;
    let Passed::Open(waited) = passed else {
        let mut report = RunReport::new(&job.info.name, started_at, context.clock().now());
        report.outcome = Outcome::Cancelled;
        report.dry_run = request.dry_run;
        return Ok(report);
    };
    let began_at = waited.as_ref().map_or(started_at, |waited| waited.until);
    let columns = Arc::clone(&job.dataset.info().columns);
    let mut stages = Vec::with_capacity(plan.targets.len());
    let state = checkpoints.as_mut();
    let opened = match open(context, job, &plan, &request, state, &mut stages).await {
        Ok(mappers) => {
            let early = waited.and_then(|waited| waited.still_fits(checkpoints.as_ref()));
            match early {
                Some((reading, early)) => Ok((mappers, reading, Some(early))),
                None => {
                    let reading = reading(context, job, &plan, &request, checkpoints.as_ref());
                    reading.await.map(|reading| (mappers, reading, None))
                }
            }
        }
        Err(error) => Err(error),
    };
    let (mappers, reading, early) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            abort(context, &mut stages).await;
            return Err(error);
        }
    };
    for (stage, mapper) in stages.iter_mut().zip(&mappers) {
        stage.set_lookup_bytes(mapper.write.lookup_bytes());
    }
    let safe = checkpoints.as_ref().map(Checkpoints::safe);
    let safe_before = safe.map(|safe| safe.group);
    context.observer().observe(&Event::RunStarted {
        job: &job.info.name,
        epoch: request.epoch,
        resumed: safe.map_or(0, |safe| safe.records),
        resumed_bytes: safe.map_or(0, |safe| safe.bytes),
    });

    let mut run = Run {
        context,
        request: &request,
        limit: job.reject_limit,
        stages,
        columns,
        bytes_total: job.dataset.info().size_bytes,
        records: 0,
        resumed: 0,
        bytes: 0,
        group: Group::new(1, began_at),
        resume: None,
        at_cursor: true,
        checkpoints,
        reading,
        early,
        started_at,
        booked,
        paused_by: None,
        timings: Timings {
            open: seconds(began_at, context.clock().now()),
            ..Timings::default()
        },
    };
    let ended = run.all(job, &plan, mappers).await;
    let broke_off = ended.is_err();
    let (failure, stop) = match ended {
        Ok(End::Finished) => (None, None),
        Ok(End::Stopped(stop)) => (None, Some(stop)),
        Err(failure) => match paused_until(&failure, context.clock().now()) {
            Some(until) => {
                run.paused_by = Some(failure);
                (None, Some(Stop::Paused(until)))
            }
            None => (Some(failure), None),
        },
    };
    let safe = run.checkpoints.as_ref().map(|saved| saved.safe().group);
    if safe.is_some() && safe == safe_before && run.records > run.resumed {
        // The next run would come just as far.
        let vain = "nothing of what this run read; if it goes on like that, allow more calls, or make the commit groups smaller";
        run.paused_by = run.paused_by.map(|error| error.with("kept", vain));
    }
    if broke_off {
        // Records that were refused are kept, whatever else failed; the failure that came first is told.
        let _ = request.rejects.seal().await;
        run.stages.iter_mut().for_each(Stage::leave_rest_pending);
    }
    if broke_off || stop.is_some() {
        abort(context, &mut run.stages).await;
    }
    let destinations = run.stages.iter().map(|stage| stage.report().clone());
    let mut report = run.report(job, destinations.collect(), failure, stop);
    report.paused_by = run.paused_by;
    Ok(report)
}

/// Opens every destination, and binds the mappings; what is open by then is in `stages`. The checkpoint goes on to where
/// all destinations are, and what is behind it was not yet refused.
async fn open(
    context: &Context,
    job: &SyncJob,
    plan: &JobPlan,
    request: &RunRequest,
    checkpoints: Option<&mut Checkpoints>,
    stages: &mut Vec<Stage>,
) -> Result<Vec<Bound>> {
    let columns = &job.dataset.info().columns;
    let group = match &checkpoints {
        Some(checkpoints) if !Bug::GroupsCountAnew.is_on() => checkpoints.safe().group + 1,
        _ => 1,
    };
    for target in &plan.targets {
        stages.push(Stage::open(context, plan, target, request, group, Arc::clone(columns)).await?);
    }
    if let Some(checkpoints) = checkpoints {
        let kept: Vec<_> = stages.iter().map(|stage| stage.kept().cloned()).collect();
        for stage in stages.iter().filter(|stage| stage.keeps_checkpoint()) {
            checkpoints.check_kept(stage.name(), stage.kept())?;
        }
        checkpoints.adopt(&kept).await?;
        if stages.iter().any(Stage::tells_groups) {
            checkpoints.save_borders();
        }
        let safe = checkpoints.safe().group;
        if !Bug::RejectsDoubled.is_on() {
            let epoch = request.epoch;
            let partition = request.partition();
            let to = RejectRewind::new(None, safe, epoch).in_partition(partition.as_str());
            request.rejects.rewind(&to).await?;
            for stage in &mut *stages {
                let through = stage.has_through(safe);
                let name = Some(stage.name());
                let to = RejectRewind::new(name, through, epoch).in_partition(partition.as_str());
                request.rejects.rewind(&to).await?;
            }
        }
    }
    bind(context, plan, stages).await
}

/// The run is over: what an abort cannot undo is in the report.
async fn abort(context: &Context, stages: &mut [Stage]) {
    for stage in stages {
        let _ = stage.abort(context).await;
    }
}

struct Run<'a> {
    context: &'a Context,
    request: &'a RunRequest,
    limit: RejectLimit,
    stages: Vec<Stage>,
    columns: Arc<[String]>,
    bytes_total: Option<u64>,
    records: u64,
    /// Those of them that an earlier run brought to safety.
    resumed: u64,
    bytes: u64,
    group: Group,
    /// Everything up to here went through the run.
    resume: Option<Cursor>,
    /// Whether nothing behind that did.
    at_cursor: bool,
    checkpoints: Option<Checkpoints>,
    /// The window of an incremental job.
    reading: Option<Reading>,
    /// What was read while the gate was shut.
    early: Option<Early>,
    started_at: DateTime<Utc>,
    booked: Option<&'a Booked>,
    /// What it has to wait for.
    paused_by: Option<Error>,
    timings: Timings,
}

impl Run<'_> {
    async fn all(&mut self, job: &SyncJob, plan: &JobPlan, mappers: Vec<Bound>) -> Result<End> {
        let mut again = Vec::new();
        if let Some(checkpoints) = &self.checkpoints {
            let safe = checkpoints.safe();
            (self.records, self.bytes, self.resumed) = (safe.records, safe.bytes, safe.records);
            self.resume.clone_from(&safe.cursor);
            self.group.number = match Bug::GroupsCountAnew.is_on() {
                true => 1,
                false => safe.group + 1,
            };
            for (i, stage) in self.stages.iter_mut().enumerate() {
                stage.resume(safe.destinations.get(i));
            }
            self.book(job);
            // Whether the source heard of it when it was saved, nobody knows.
            let whole = self.request.partition().is_empty();
            if let Some(cursor) = checkpoints.unheard().filter(|_| whole) {
                job.dataset.acknowledge(self.context, cursor).await?;
            }
            if safe.ended {
                if let Some(gate) = &self.request.source_read {
                    gate.open();
                }
                return Ok(End::Finished);
            }
            again = checkpoints.begun();
        }
        for border in again {
            let end = self.stretch(job, plan, &mappers, Some(&border)).await?;
            if end != End::Finished {
                return Ok(end);
            }
            if border.ended {
                return Ok(End::Finished);
            }
        }
        self.stretch(job, plan, &mappers, None).await
    }

    /// Reads on to the source's end; or to a border that an earlier run had, and makes the same commit group of it.
    async fn stretch(
        &mut self,
        job: &SyncJob,
        plan: &JobPlan,
        mappers: &[Bound],
        again: Option<&Border>,
    ) -> Result<End> {
        let number = self.group.number;
        self.stages.iter_mut().for_each(|stage| stage.begin(number));
        let row_by_row = plan.row_by_row();
        let ahead = if row_by_row {
            Arc::from([])
        } else {
            Arc::<[Bound]>::from(mappers.to_vec())
        };
        let until = again.and_then(|border| border.cursor.clone());
        let until = until.filter(|_| !Bug::ReplayRunsOn.is_on());
        let mut batches = match self.early.take() {
            Some(early) => early.mapped(ahead),
            None => {
                let is_last = again.is_none_or(|border| border.ended);
                self.intake(job, plan, until, is_last).mapped(ahead)
            }
        };
        let mut stop = None;
        loop {
            if self.context.cancel().is_cancelled() {
                stop = Some(Stop::Cancelled);
                break;
            }
            let asked = self.context.clock().now();
            let next = batches.next().await;
            let given = self.context.clock().now();
            self.timings.read += seconds(asked, given);
            let ready = match next {
                Ok(Some(ready)) => ready,
                Ok(None) => break,
                // Whoever stopped the run ended its wait for another try too. What no try can help is told all the same.
                Err(error)
                    if self.context.cancel().is_cancelled() && error.retry() != Retry::Never =>
                {
                    stop = Some(Stop::Cancelled);
                    break;
                }
                Err(error) => {
                    let Some(until) = paused_until(&error, given) else {
                        return Err(error);
                    };
                    self.paused_by = Some(error);
                    stop = Some(Stop::Paused(until));
                    break;
                }
            };
            let taken = self.take(job, ready, mappers, row_by_row);
            batches.beside(taken).await?;
            let written = self.context.clock().now();
            self.timings.write += seconds(given, written);
            self.progress();
            self.book(job);
            self.check_rejects(self.limit.records)?;
            let full = self.group.is_full(&self.request.commit, written);
            if full && again.is_none() && self.may_close() {
                let committed = self.commit(job, GroupEnd::Full);
                batches.beside(committed).await?;
                self.timings.finish += seconds(written, self.context.clock().now());
            }
        }
        drop(batches);

        let finishing = self.context.clock().now();
        let ends = again.is_none_or(|border| border.ended);
        let stopped = stop.is_some();
        if let (Some(border), false) = (again, stopped) {
            self.arrive(border)?;
        }
        if ends || stopped {
            // Nobody knows what the rest of the source would have brought: after a stop, rows that are held
            // back stay pending, and no cursor passes a row that waited.
            let waiting = stopped && self.is_waiting();
            // What has no records needs no group of its own, and a group without records has no cursor to come again by.
            let has_records = self.group.records > 0 || self.checkpoints.is_none();
            let closes = !stopped || (again.is_none() && has_records && self.may_close());
            for stage in &mut self.stages {
                stage.finish(self.context, stopped).await?;
            }
            if waiting {
                self.resume = None;
            }
            if closes {
                let end = match stop {
                    None => GroupEnd::Source,
                    Some(_) => GroupEnd::Stop,
                };
                self.commit(job, end).await?;
            } else {
                self.request.rejects.seal().await?;
                self.stages.iter_mut().for_each(Stage::leave_rest_pending);
            }
        } else {
            self.commit(job, GroupEnd::Full).await?;
        }
        self.timings.finish += seconds(finishing, self.context.clock().now());
        Ok(stop.map_or(End::Finished, End::Stopped))
    }

    /// Takes a batch through all destinations.
    async fn take(
        &mut self,
        job: &SyncJob,
        ready: Ready,
        mappers: &[Bound],
        row_by_row: bool,
    ) -> Result<()> {
        let ready = self.begin(ready).await?;
        self.book(job);
        if row_by_row {
            for row in 0..ready.prepared.len() as u32 {
                let record = ready.prepared.clone().take(&[row])?;
                for (stage, mapper) in self.stages.iter_mut().zip(mappers) {
                    let mapped = mapper.map(self.context, &record, ready.deletes).await?;
                    stage.take(self.context, ready.deletes, 1, mapped).await?;
                }
            }
        } else {
            let rows = ready.prepared.len() as u64;
            for (stage, mapped) in self.stages.iter_mut().zip(ready.mapped) {
                let taken = stage.take(self.context, ready.deletes, rows, mapped);
                taken.await?;
            }
        }
        Ok(())
    }

    /// Whether a group may end here: a run that saves its state must be able to go on behind it.
    fn may_close(&self) -> bool {
        let at_cursor = self.at_cursor || Bug::ClosedWithoutCursor.is_on();
        self.checkpoints.is_none() || (at_cursor && !self.stages.iter().any(Stage::must_go_on))
    }

    /// The run is where the group ended that comes again.
    fn arrive(&mut self, border: &Border) -> Result<()> {
        if border.cursor.is_some() || !border.ended {
            if self.records != border.records {
                let message = "the source no longer gives what it gave when the last run broke off, so that run cannot be gone on \
                               with; start over";
                return Err(Error::new(ErrorKind::OtherLineage, message)
                    .during("resume")
                    .with("records then", border.records)
                    .with("records now", self.records));
            }
            self.resume.clone_from(&border.cursor);
        }
        for (i, stage) in self.stages.iter_mut().enumerate() {
            stage.take_over(border.destinations.get(i));
        }
        Ok(())
    }

    /// Batches in source order, prepared and mapped a few ahead.
    fn intake(
        &self,
        job: &SyncJob,
        plan: &JobPlan,
        until: Option<Cursor>,
        is_last: bool,
    ) -> Intake {
        let stretch = Stretch {
            from: self.resume.clone(),
            until,
            is_last,
        };
        let (context, reading) = (self.context, self.reading.as_ref());
        Intake::new(context, &*job.dataset, plan, self.request, stretch, reading)
    }

    /// Counts a batch, and hands on what was refused before any destination saw it.
    async fn begin(&mut self, mut ready: Ready) -> Result<Ready> {
        let rejects = std::mem::take(&mut ready.prepared.rejects);
        self.records += ready.records;
        self.bytes += ready.bytes;
        self.group.records += ready.records;
        self.group.bytes += ready.bytes;
        let cursor = ready.prepared.resume.take();
        self.at_cursor = cursor.is_some();
        if cursor.is_some() {
            self.resume = cursor;
        }
        let skipped = ready.seen.as_ref().map_or(0, Seen::skipped);
        for stage in &mut self.stages {
            stage.count(ready.records, ready.filtered, &rejects);
            stage.skip(skipped);
        }
        if let (Some(reading), Some(seen)) = (&mut self.reading, &ready.seen) {
            reading.take(seen);
        }
        let group = self.group.number;
        let columns = &self.columns;
        refuse(self.context, self.request, None, columns, group, rejects).await?;
        Ok(ready)
    }

    fn is_waiting(&self) -> bool {
        self.stages.iter().any(Stage::is_waiting)
    }

    /// Closes the open group.
    async fn commit(&mut self, job: &SyncJob, end: GroupEnd) -> Result<()> {
        let last = end == GroupEnd::Source;
        let most = self.limit.percent.map(|percent| {
            let share = u128::from(self.records) * u128::from(percent) / 100;
            u64::try_from(share).unwrap_or(u64::MAX)
        });
        self.check_rejects(most)?;
        // The counts of all destinations agree before anything is called done.
        for stage in &self.stages {
            stage.check(last)?;
        }
        // A row that waits for the end of the run is not safe yet, so no cursor may pass it.
        let cursor = if self.is_waiting() && self.checkpoints.is_none() {
            None
        } else {
            self.resume.clone()
        };
        let number = self.group.number;
        let mut kept = None;
        if let Some(checkpoints) = &mut self.checkpoints {
            let counts = self.stages.iter().map(Stage::counts);
            let border = Border {
                group: number,
                cursor: cursor.clone(),
                ended: last,
                records: self.records,
                bytes: self.bytes,
                destinations: counts.collect(),
                progress: self.reading.as_mut().map(Reading::progress),
            };
            kept = Some(checkpoints.to_keep(&border));
            checkpoints.begin(border).await?;
            if Bug::CheckpointBeforeCommit.is_on() {
                checkpoints.durable(number).await?;
            }
        }
        // Rejects are durable before any destination is; after the last group none will come.
        let closes = last || end == GroupEnd::Stop && self.checkpoints.is_none();
        let late = Bug::CheckpointBeforeRejects.is_on();
        if !late {
            self.keep_rejects(closes).await?;
        }
        for stage in &mut self.stages {
            let mut request = CommitRequest::new(number)
                .with_cursor(self.request.epoch, cursor.clone())
                .with_checkpoint(kept.clone());
            if last {
                request = request.as_last();
            }
            stage.commit(self.context, request).await?;
        }
        let through = match Bug::FirstDestinationDecides.is_on() {
            true => self.stages.first().map(Stage::through),
            false => self.stages.iter().map(Stage::through).min(),
        };
        let whole = self.request.partition().is_empty();
        if let Some(checkpoints) = &mut self.checkpoints {
            if let (true, Some(cursor)) = (Bug::AcknowledgedEarly.is_on(), &cursor) {
                job.dataset.acknowledge(self.context, cursor).await?;
            }
            let moved = checkpoints.durable(through.unwrap_or(0)).await?;
            // What a run over a part of the source has is not what the source may forget.
            if let Some(cursor) = moved.filter(|_| whole) {
                job.dataset.acknowledge(self.context, &cursor).await?;
            }
            if last && through.is_some_and(|through| through < number) {
                let message = "a destination does not say that the last group is durable, so each run would read everything again; the last commit answers `Durable`";
                return Err(Error::contract(message)
                    .during("commit")
                    .with("group", number));
            }
        }
        if late {
            self.keep_rejects(closes).await?;
        }
        self.context.observer().observe(&Event::Committed {
            group: number,
            records: self.group.records,
        });
        self.group = Group::new(number + 1, self.context.clock().now());
        self.stages
            .iter_mut()
            .for_each(|stage| stage.begin(number + 1));
        self.book(job);
        Ok(())
    }

    /// Whether no destination refused more than this.
    fn check_rejects(&self, most: Option<u64>) -> Result<()> {
        let Some(most) = most else { return Ok(()) };
        match self
            .stages
            .iter()
            .find(|stage| stage.report().rejected > most)
        {
            None => Ok(()),
            Some(stage) => {
                let message = "more records were refused than the job allows; see the rejects for why, mend the source or the mapping, or raise `reject_limit`";
                Err(Error::new(ErrorKind::LimitExceeded, message)
                    .with("destination", stage.name())
                    .with("rejected", stage.report().rejected)
                    .with("at most", most)
                    .with("records read", self.records))
            }
        }
    }

    /// Makes the rejects so far durable; `closes`: no more will come.
    async fn keep_rejects(&mut self, closes: bool) -> Result<()> {
        if closes {
            self.request.rejects.seal().await
        } else if self.checkpoints.is_some() && !Bug::RejectsAtTheEndOnly.is_on() {
            self.request.rejects.flush().await
        } else {
            Ok(())
        }
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

    /// Lets whoever drops the run know what it did.
    fn book(&self, job: &SyncJob) {
        if let Some(booked) = self.booked {
            let destinations = self.stages.iter().map(Stage::if_broken_off);
            booked.put(self.report(job, destinations.collect(), None, None));
        }
    }

    fn report(
        &self,
        job: &SyncJob,
        destinations: Vec<DestinationReport>,
        failure: Option<Error>,
        stop: Option<Stop>,
    ) -> RunReport {
        let started_at = self.started_at;
        let finished_at = self.context.clock().now();
        let ended = (self.checkpoints.as_ref()).is_some_and(|saved| saved.safe().ended);
        let window = self.reading.as_ref().map(|reading| reading.report(ended));
        let all_rejected = self.records > 0 && destinations.iter().all(|d| d.rejected == d.read);
        let outcome = match stop {
            _ if failure.is_some() => Outcome::Failed,
            Some(Stop::Cancelled) => Outcome::Cancelled,
            Some(Stop::Paused(until)) => Outcome::Paused { until },
            None if all_rejected => Outcome::Failed,
            None if destinations.iter().any(|d| d.rejected > 0) => Outcome::PartialSuccess,
            None => Outcome::Success,
        };
        RunReport {
            job: job.info.name.clone(),
            outcome,
            dry_run: self.request.dry_run,
            started_at,
            finished_at,
            records: self.records,
            resumed: self.resumed,
            bytes: self.bytes,
            retries: 0,
            records_per_second: ((self.records - self.resumed) as f64
                / seconds(started_at, finished_at).max(1e-6))
                as u64,
            timings: self.timings,
            destinations,
            drift: None,
            window,
            paused_by: None,
            failure,
        }
    }
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64()
}
