//! One destination within a run: its writer, its counts, what waits for the run's end.

use std::sync::Arc;

use arrow_array::{Array, BooleanArray};

use crate::destination::{
    Checkpoint, CommitRequest, Durability, OpenRequest, Opened, RowOutcome, WriteReport, Writer,
};
use crate::host::{Bug, Context};
use crate::lookup::{Lookup, LookupRequest};
use crate::mapping::{Mapped, MappingPlan};
use crate::record::{Refusal, Reject};
use crate::spec::{DuplicateKeys, WriteMode};
use crate::{Error, Result};

use super::checkpoint::Counts;
use super::deletes::Deletes;
use super::held::Held;
use super::pending::Pending;
use super::plan::{JobPlan, TargetPlan};
use super::report::DestinationReport;
use super::states::States;
use super::{RunRequest, apart};

/// One destination within a run.
pub(super) struct Stage {
    name: Arc<str>,
    plan: Arc<MappingPlan>,
    destination: Arc<dyn crate::destination::Destination>,
    opened: OpenRequest,
    writer: Box<dyn Writer>,
    request: RunRequest,
    columns: Arc<[String]>,
    report: DestinationReport,
    states: States,
    /// Rows written with a self lookup to come.
    pending: Pending,
    deletes: Deletes,
    /// Rows that are not written before all are known.
    held: Option<Held>,
    /// The identifiers by which rows of one key are kept out of one batch; empty if the writer copes.
    apart: Vec<Vec<String>>,
    /// Rows that are not committed do not stay.
    loses: bool,
    group: GroupState,
}

/// What a destination has of the commit groups.
struct GroupState {
    /// The group that is open.
    number: u64,
    /// The checkpoint that the destination keeps itself.
    kept: Option<Checkpoint>,
    /// The destination has the open group already, while others catch up.
    is_there: bool,
    /// Everything through this group is durable.
    through: u64,
    /// What had been counted when the open group began, if rows that are not committed do not stay.
    before: Option<DestinationReport>,
    /// A later row may be judged by what an earlier one was.
    remembers: bool,
}

impl Stage {
    pub(super) async fn open(
        context: &Context,
        plan: &JobPlan,
        target: &TargetPlan,
        request: &RunRequest,
        group: u64,
        columns: Arc<[String]>,
    ) -> Result<Self> {
        let info = target.destination.info();
        let opened = target.open_request(&plan.job, request, group);
        let Opened {
            writer, checkpoint, ..
        } = target.destination.open(context, opened.clone()).await?;
        let lookup_fields = target.mapping.lookup_fields().map(str::to_owned);
        let tells_same_run = info.capabilities.tells_same_run;
        let keyed = target.spec.mode != WriteMode::Insert;
        let can = info.capabilities;
        Ok(Stage {
            group: GroupState {
                number: group,
                kept: checkpoint.filter(|_| can.keeps_checkpoint),
                is_there: false,
                through: 0,
                before: None,
                remembers: remembers(target),
            },
            loses: can.keeps_checkpoint || can.dedups_groups,
            name: info.name.as_str().into(),
            report: DestinationReport::new(&info.name, lookup_fields),
            states: States::new(
                target.mapping.lookup_fields().count(),
                keyed && tells_same_run,
            ),
            pending: Pending::new(&target.mapping),
            deletes: Deletes::new(target, context, request.batch_rows),
            held: target.holds.then(Held::default),
            apart: if tells_same_run {
                Vec::new()
            } else {
                target.spec.mode.identifiers().to_vec()
            },
            plan: Arc::clone(&target.mapping),
            destination: Arc::clone(&target.destination),
            opened,
            writer,
            request: request.clone(),
            columns,
        })
    }

    /// A lookup over the object as the writer leaves it.
    pub(super) async fn lookup(
        &mut self,
        context: &Context,
        request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        self.writer.lookup(context, request).await
    }

    pub(super) fn set_lookup_bytes(&mut self, bytes: u64) {
        self.report.lookup_bytes = bytes;
    }

    pub(super) fn report(&self) -> &DestinationReport {
        &self.report
    }

    /// The name of the destination.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The checkpoint that the destination keeps itself.
    pub(super) fn kept(&self) -> Option<&Checkpoint> {
        (self.group.kept.as_ref()).filter(|_| !Bug::DestinationCheckpointIgnored.is_on())
    }

    /// Whether the destination saves our checkpoint with the rows.
    pub(super) fn keeps_checkpoint(&self) -> bool {
        self.destination.info().capabilities.keeps_checkpoint
    }

    /// The last group that the destination has already, beyond `safe`.
    pub(super) fn has_through(&self, safe: u64) -> u64 {
        self.kept().map_or(safe, |kept| kept.group.max(safe))
    }

    /// Whether it matters to the destination where a group ends.
    pub(super) fn tells_groups(&self) -> bool {
        self.loses
    }

    /// The run goes on behind what was counted so far.
    pub(super) fn resume(&mut self, counts: Option<&Counts>) {
        if let (Some(counts), false) = (counts, Bug::CountsAnew.is_on()) {
            counts.restore(&mut self.report);
        }
    }

    /// Begins a group.
    pub(super) fn begin(&mut self, number: u64) {
        self.group.number = number;
        self.group.is_there = self.has_through(0) >= number && !Bug::WrittenTwice.is_on();
        self.group.before = self.loses.then(|| self.report.clone());
    }

    /// The destination has had the open group since an earlier run: what was counted then counts.
    pub(super) fn take_over(&mut self, counts: Option<&Counts>) {
        if let (true, Some(counts)) = (self.group.is_there, counts) {
            counts.restore(&mut self.report);
        }
    }

    /// What will have been counted once the open group is committed.
    pub(super) fn counts(&self) -> Counts {
        let groups = self.report.groups + u64::from(!self.group.is_there);
        Counts::of(&DestinationReport {
            groups,
            ..self.report.clone()
        })
    }

    /// Everything through this group is durable.
    pub(super) fn through(&self) -> u64 {
        self.group.through
    }

    /// Counts what was read, and what met its fate before any destination.
    pub(super) fn count(&mut self, records: u64, filtered: u64, rejects: &[Reject]) {
        if self.group.is_there {
            return;
        }
        self.report.read += records;
        self.report.filtered += filtered;
        for reject in rejects {
            self.report.reject(reject.refusal.reason, 1);
        }
    }

    /// Takes mapped rows, or deletes of the source: mapped to what they are found by, if they are looked for.
    pub(super) async fn take(
        &mut self,
        context: &Context,
        deletes: bool,
        rows: u64,
        mapped: Option<Mapped>,
    ) -> Result<()> {
        match mapped {
            Some(mapped) if !deletes => self.accept(context, mapped).await,
            mapped => self.delete(context, rows, mapped).await,
        }
    }

    /// Takes a mapped batch: writes it, or holds it back.
    async fn accept(&mut self, context: &Context, mut mapped: Mapped) -> Result<()> {
        if self.group.is_there {
            return Ok(());
        }
        let rejects = std::mem::take(&mut mapped.batch.rejects);
        self.report.filtered += mapped.filtered;
        if let Some(held) = &mut self.held {
            self.report.pending += mapped.batch.len() as u64;
            held.push(mapped);
            return self.refuse(context, rejects).await;
        }
        self.write(context, mapped, rejects).await
    }

    /// Counts records that no destination is to see.
    pub(super) fn skip(&mut self, records: u64) {
        if !self.group.is_there {
            self.report.skipped += records;
        }
    }

    async fn delete(
        &mut self,
        context: &Context,
        rows: u64,
        found_by: Option<Mapped>,
    ) -> Result<()> {
        let Some(mut mapped) = found_by.filter(|_| !self.group.is_there) else {
            self.skip(rows);
            return Ok(());
        };
        let mut rejects = std::mem::take(&mut mapped.batch.rejects);
        let writer = &mut *self.writer;
        let deleted = self.deletes.apply(context, writer, &mapped.batch).await?;
        self.report.deleted += deleted.count;
        self.report.skipped += deleted.skipped;
        for ids in &deleted.gone {
            self.pending.forget(ids)?;
        }
        rejects.extend(deleted.rejects);
        rejects.sort_by_key(|reject| reject.position.record);
        let rejects = rejects.into_iter().map(Reject::of_delete).collect();
        self.refuse(context, rejects).await
    }

    /// Writes a mapped batch, and sends its rejects and those of the writer on in source order.
    async fn write(
        &mut self,
        context: &Context,
        mapped: Mapped,
        mut rejects: Vec<Reject>,
    ) -> Result<()> {
        let mut start = 0;
        for end in apart::cuts(&mapped.batch, &self.apart)? {
            let part = if start == 0 && end == mapped.batch.len() {
                mapped.clone()
            } else {
                mapped.slice(start, end - start)
            };
            start = end;
            if part.batch.is_empty() {
                continue;
            }
            let mut report = self.writer.write(context, part.batch.clone()).await;
            if report.is_err() && Bug::WriteTriedAgain.is_on() {
                report = self.writer.write(context, part.batch.clone()).await;
            }
            let report = report?;
            self.account(&part, report, &mut rejects)?;
        }
        rejects.sort_by_key(|reject| reject.position.record);
        self.refuse(context, rejects).await
    }

    /// Books the answer of the writer, row by row.
    fn account(
        &mut self,
        mapped: &Mapped,
        report: WriteReport,
        rejects: &mut Vec<Reject>,
    ) -> Result<()> {
        let broken = |what: &'static str| Error::contract(what).with("destination", &self.name);
        let origins = &mapped.batch.origins;
        let rows = mapped.batch.len();
        if report.outcomes.len() != rows {
            return Err(broken("a writer must answer for every row of a batch"));
        }
        let mut counts = Outcomes::default();
        report
            .outcomes
            .iter()
            .for_each(|outcome| counts.add(*outcome));
        if report.refusals.len() as u64 != counts.rejected
            || report.replaced.len() as u64 != counts.replaced
        {
            return Err(broken(
                "a writer must explain every rejected and every replaced row",
            ));
        }
        for (row, refusal) in report.refusals {
            if report.outcomes.get(row as usize) != Some(&RowOutcome::Rejected) {
                return Err(broken("a writer explained a row that it did not reject"));
            }
            let row = row as usize;
            rejects.push(Reject::new(
                origins.position(row),
                refusal,
                origins.raw(row),
            ));
        }
        let totals = &mut self.report;
        totals.inserted += counts.inserted;
        totals.updated += counts.updated;
        totals.unchanged += counts.unchanged;
        totals.deleted += counts.deleted;
        totals.skipped += counts.skipped;
        totals.superseded += counts.replaced;

        if self.deletes.is_mirror() {
            self.deletes.keep(report.ids.as_ref(), rows)?;
        }
        if !mapped.states.is_empty() {
            let mut replaced = report.replaced.iter().peekable();
            let written = |row: usize| {
                !matches!(
                    report.outcomes[row],
                    RowOutcome::Rejected | RowOutcome::Skipped
                )
            };
            for row in (0..rows).filter(|&row| written(row)) {
                let earlier = replaced
                    .next_if(|(replacing, _)| *replacing as usize == row)
                    .map(|(_, earlier)| *earlier);
                let states = mapped.states.iter().map(|states| states[row]);
                if !self.states.write(
                    &mut self.report.lookups,
                    origins.sequence(row),
                    earlier,
                    states,
                ) {
                    return Err(broken(
                        "a writer replaced a row that this run did not write",
                    ));
                }
            }
            let forgets = Bug::PendingLinkLost.is_on() && self.request.state.is_some();
            let waits = |row: usize| match forgets {
                true => matches!(report.outcomes[row], RowOutcome::Inserted),
                false => written(row),
            };
            let keep: BooleanArray = (0..rows).map(|row| Some(waits(row))).collect();
            if !mapped.self_keys.is_empty() {
                let ids = report.ids.filter(|ids| ids.len() == rows);
                let ids = ids.ok_or_else(|| {
                    Error::contract("a writer must answer with the identity of every row")
                        .with("destination", &self.name)
                })?;
                self.pending.push(mapped, &ids, &keep)?;
            }
        }
        Ok(())
    }

    /// Everything has been read: held rows are judged and written, self lookups resolved.
    pub(super) async fn finish(&mut self, context: &Context, cancelled: bool) -> Result<()> {
        if self.group.is_there {
            self.held = None;
            return Ok(());
        }
        if let Some(held) = self.held.take().filter(|_| !cancelled) {
            let judged = held
                .judge(context, &self.plan, &*self.destination, &self.opened)
                .await?;
            let rejects: Vec<Reject> = judged.rejects;
            self.report.pending -= rejects.len() as u64;
            self.refuse(context, rejects).await?;
            for mapped in judged.accepted {
                self.report.pending -= mapped.batch.len() as u64;
                self.write(context, mapped, Vec::new()).await?;
            }
        }
        let pending = std::mem::replace(&mut self.pending, Pending::new(&self.plan));
        let (states, lookups) = (&mut self.states, &mut self.report.lookups);
        pending
            .resolve(context, &self.plan, &mut *self.writer, states, lookups)
            .await?;
        if cancelled {
            return Ok(());
        }
        let (writer, report) = (&mut *self.writer, &mut self.report);
        self.deletes.sweep(context, writer, report).await
    }

    /// Whether rows are held back, or wait for a self lookup.
    pub(super) fn is_waiting(&self) -> bool {
        self.held.is_some() || !self.pending.is_empty()
    }

    /// Whether a run that went on behind this row would come to another end.
    pub(super) fn must_go_on(&self) -> bool {
        self.is_waiting() && !Bug::WaitingRowsPassed.is_on()
            || self.group.remembers && !Bug::DuplicatesForgotten.is_on()
    }

    /// The run broke off: what was read and met no other fate is left pending.
    pub(super) fn leave_rest_pending(&mut self) {
        self.report = self.if_broken_off();
        self.group.before = None;
    }

    /// What the report would be if the run broke off now.
    pub(super) fn if_broken_off(&self) -> DestinationReport {
        let booked = self.group.before.as_ref().unwrap_or(&self.report);
        let mut report = DestinationReport {
            read: self.report.read,
            pending: 0,
            ..booked.clone()
        };
        report.pending = report.read.saturating_sub(report.fates());
        report
    }

    /// The conservation law; at the end nothing may be pending.
    pub(super) fn check(&self, last: bool) -> Result<()> {
        match last {
            true => self.report.check_at_end(),
            false => self.report.check(),
        }
    }

    pub(super) async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<()> {
        let group = request.group;
        if self.group.is_there {
            self.group.through = group;
            self.report.durable = true;
            return Ok(());
        }
        let durability = match self.writer.commit(context, request).await {
            Err(_) if Bug::CommitErrorIgnored.is_on() => Durability::Durable { through: group },
            answer => answer?.durability,
        };
        if let Durability::Durable { through } = durability {
            self.group.through = self.group.through.max(through.min(group));
        }
        if Bug::AcceptedIsDurable.is_on() {
            self.group.through = group;
        }
        self.report.groups += 1;
        self.report.durable = self.group.through >= group;
        self.group.before = None;
        Ok(())
    }

    pub(super) async fn abort(&mut self, context: &Context) -> Result<()> {
        self.writer.abort(context).await
    }

    async fn refuse(&mut self, context: &Context, rejects: Vec<Reject>) -> Result<()> {
        for reject in &rejects {
            self.report.reject(reject.refusal.reason, 1);
        }
        super::refuse::refuse(
            context,
            &self.request,
            Some(&self.name),
            &self.columns,
            self.group.number,
            rejects,
        )
        .await
    }
}

/// Whether a later row may be judged by what an earlier one was.
fn remembers(target: &TargetPlan) -> bool {
    let keyed = target.spec.mode != WriteMode::Insert;
    keyed && target.spec.duplicates == DuplicateKeys::Reject
        || target.is_mirror() && !Bug::MirrorForgets.is_on()
}

/// The outcomes of a batch, counted.
#[derive(Default)]
struct Outcomes {
    inserted: u64,
    updated: u64,
    unchanged: u64,
    deleted: u64,
    replaced: u64,
    skipped: u64,
    rejected: u64,
}

impl Outcomes {
    fn add(&mut self, outcome: RowOutcome) {
        let count = match outcome {
            RowOutcome::Inserted => &mut self.inserted,
            RowOutcome::Updated => &mut self.updated,
            RowOutcome::Unchanged => &mut self.unchanged,
            RowOutcome::Deleted => &mut self.deleted,
            RowOutcome::Replaced => &mut self.replaced,
            RowOutcome::Skipped => &mut self.skipped,
            RowOutcome::Rejected => &mut self.rejected,
        };
        *count += 1;
    }
}

/// A refusal of a row of a mapped batch as a reject.
pub(super) fn reject(mapped: &Mapped, row: usize, refusal: Refusal) -> Reject {
    let origins = &mapped.batch.origins;
    Reject::new(origins.position(row), refusal, origins.raw(row))
}
