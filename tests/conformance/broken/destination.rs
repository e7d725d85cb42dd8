//! Destinations that do not write as they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use syncline::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, Durability, OpenRequest, Opened,
    Patch, RowOutcome, WriteReport, Writer,
};
use syncline::host::Context;
use syncline::lookup::{Lookup, LookupRequest};
use syncline::memory::{Commits, MemoryDestination};
use syncline::record::array::{Array, ArrayRef, Date32Array, RecordBatch, StringViewArray};
use syncline::record::{Batch, Reason, Refusal, Schema};
use syncline::spec::{Identity, NoMatchOnUpdate, WriteMode, WriteOn};
use syncline::testing::conformance::{DESTINATION, DestinationFixture};
use syncline::{Error, ErrorKind, Result};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    LosesTheEndOfLongBatches,
    TrimsTexts,
    BeginsItsCalendarIn1900,
    NothingIsEverDurable,
    OneRefusalRefusesAll,
    UpsertOnlyInserts,
    RowsReplaceThemselves,
    SkipsWhatItInserts,
    NamesAnotherReason,
    WritesFieldsAlways,
    TellsTheFirstRowAsReplaced,
    KeepsADryRun,
    WritesGroupsAgain,
    WritesBatchesAgain,
    ForgetsItsCheckpoint,
    OneCheckpointForAllJobs,
    LetsOldWritersGoOn,
    DeletesTheFirstOnly,
    LookupSeesNothingNew,
    PatchIsForgotten,
    LockedByADroppedWriter,
}

#[derive(Debug)]
struct Landing {
    flaw: Flaw,
    info: DestinationInfo,
    inner: MemoryDestination,
    locked: Arc<AtomicBool>,
}

#[async_trait]
impl Destination for Landing {
    fn info(&self) -> &DestinationInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        self.inner.schema()
    }

    async fn open(&self, context: &Context, mut request: OpenRequest) -> Result<Opened> {
        if self.flaw == Flaw::LockedByADroppedWriter && self.locked.swap(true, Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Conflict, "somebody writes"));
        }
        let mode = request.mode.clone();
        match (self.flaw, &mode) {
            (Flaw::UpsertOnlyInserts, WriteMode::Upsert { .. }) => request.mode = WriteMode::Insert,
            (Flaw::SkipsWhatItInserts, WriteMode::Update { identifiers })
                if request.no_match == NoMatchOnUpdate::Skip =>
            {
                let identifiers = identifiers.clone();
                request.mode = WriteMode::Upsert { identifiers };
            }
            (Flaw::WritesFieldsAlways, _) => {
                request
                    .fields
                    .iter_mut()
                    .for_each(|field| field.on = WriteOn::Always);
            }
            (Flaw::KeepsADryRun, _) => request.dry_run = false,
            (Flaw::OneCheckpointForAllJobs, _) => request.job = "the job".into(),
            (Flaw::LetsOldWritersGoOn, _) => request.epoch = 1,
            _ => {}
        }
        let skips = request.mode != mode;
        let opened = self.inner.open(context, request).await?;
        let checkpoint = opened
            .checkpoint
            .filter(|_| self.flaw != Flaw::ForgetsItsCheckpoint);
        let writer = Pen {
            flaw: self.flaw,
            mode,
            skips,
            writer: opened.writer,
            first: None,
            last: None,
            locked: Arc::clone(&self.locked),
        };
        Ok(Opened::new(Box::new(writer)).with_checkpoint(checkpoint))
    }
}

#[derive(Debug)]
struct Pen {
    flaw: Flaw,
    mode: WriteMode,
    skips: bool,
    writer: Box<dyn Writer>,
    /// The sequence of the first row of the run, and of the last batch's.
    first: Option<u64>,
    last: Option<u64>,
    locked: Arc<AtomicBool>,
}

impl Pen {
    fn change(&self, batch: &mut Batch) {
        let columns = batch.records.columns().iter().map(|column| -> ArrayRef {
            let texts = column.as_any().downcast_ref::<StringViewArray>();
            let dates = column.as_any().downcast_ref::<Date32Array>();
            match (self.flaw, texts, dates) {
                (Flaw::TrimsTexts, Some(texts), _) => Arc::new(
                    texts
                        .iter()
                        .map(|text| text.map(str::trim))
                        .collect::<StringViewArray>(),
                ),
                (Flaw::BeginsItsCalendarIn1900, _, Some(dates)) => Arc::new(
                    dates
                        .iter()
                        .map(|day| day.map(|day| day.max(-25_567)))
                        .collect::<Date32Array>(),
                ),
                _ => Arc::clone(column),
            }
        });
        batch.records = RecordBatch::try_new(batch.records.schema(), columns.collect()).unwrap();
    }
}

#[async_trait]
impl Writer for Pen {
    async fn write(&mut self, context: &Context, mut batch: Batch) -> Result<WriteReport> {
        self.change(&mut batch);
        let rows = batch.len();
        let first = (rows > 0).then(|| batch.origins.sequence(0));
        let again = first.is_some() && first == self.last;
        (self.first, self.last) = (self.first.or(first), first);
        if self.flaw == Flaw::LosesTheEndOfLongBatches && rows > 24 {
            let front: Vec<u32> = (0..24).collect();
            let mut report = self.writer.write(context, batch.take(&front)?).await?;
            report.outcomes.resize(rows, RowOutcome::Inserted);
            return Ok(report);
        }
        let mut report = self.writer.write(context, batch).await?;
        match self.flaw {
            Flaw::OneRefusalRefusesAll
                if self.mode == WriteMode::Insert && !report.refusals.is_empty() =>
            {
                let refusal = |row| (row, Refusal::new(Reason::Refused, "another row is refused"));
                report = WriteReport::new(vec![RowOutcome::Rejected; rows])
                    .with_refusals((0..rows as u32).map(refusal).collect());
            }
            Flaw::RowsReplaceThemselves if again => {
                let own = |row: u32| (row, self.last.unwrap() + u64::from(row));
                report = WriteReport::new(vec![RowOutcome::Replaced; rows])
                    .with_replaced((0..rows as u32).map(own).collect());
            }
            Flaw::SkipsWhatItInserts if self.skips => {
                for outcome in report
                    .outcomes
                    .iter_mut()
                    .filter(|is| **is == RowOutcome::Inserted)
                {
                    *outcome = RowOutcome::Skipped;
                }
            }
            Flaw::NamesAnotherReason => {
                for (_, refusal) in &mut report.refusals {
                    if refusal.reason == Reason::EmptyIdentifier {
                        refusal.reason = Reason::MissingRequired;
                    }
                }
            }
            Flaw::TellsTheFirstRowAsReplaced => {
                for (_, sequence) in &mut report.replaced {
                    *sequence = self.first.unwrap();
                }
            }
            _ => {}
        }
        Ok(report)
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        if request.last {
            self.locked.store(false, Ordering::Relaxed);
        }
        let done = self.writer.commit(context, request).await?;
        Ok(match self.flaw {
            Flaw::NothingIsEverDurable => CommitReport::new(Durability::Accepted),
            _ => done,
        })
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        self.locked.store(false, Ordering::Relaxed);
        self.writer.abort(context).await
    }

    async fn lookup(
        &mut self,
        context: &Context,
        mut request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        if self.flaw == Flaw::LookupSeesNothingNew {
            // By a field in which nothing that was just written has such a value.
            request.keys = vec!["text".into()];
        }
        self.writer.lookup(context, request).await
    }

    async fn patch(&mut self, context: &Context, patch: Patch) -> Result<()> {
        match self.flaw {
            Flaw::PatchIsForgotten => Ok(()),
            _ => self.writer.patch(context, patch).await,
        }
    }

    async fn delete(&mut self, context: &Context, ids: ArrayRef) -> Result<u64> {
        match self.flaw {
            Flaw::DeletesTheFirstOnly if ids.len() > 1 => {
                self.writer.delete(context, ids.slice(0, 1)).await?;
                Ok(ids.len() as u64)
            }
            _ => self.writer.delete(context, ids).await,
        }
    }
}

fn place(flaw: Flaw) -> DestinationFixture {
    let object = crate::destinations::object(Identity::Generated);
    let commits = match flaw {
        Flaw::ForgetsItsCheckpoint | Flaw::OneCheckpointForAllJobs | Flaw::LetsOldWritersGoOn => {
            Commits::WithCheckpoint
        }
        Flaw::WritesBatchesAgain => Commits::InsertsOnly,
        _ => Commits::AtOnce,
    };
    let inner = MemoryDestination::new(object.clone()).with_commits(commits);
    let mut info = inner.info().clone();
    match flaw {
        Flaw::WritesGroupsAgain => info.capabilities.dedups_groups = true,
        Flaw::WritesBatchesAgain => info.capabilities.dedups_batches = true,
        Flaw::RowsReplaceThemselves | Flaw::UpsertOnlyInserts => {
            info.capabilities.dedups_batches = false
        }
        _ => {}
    }
    let landing = Landing {
        flaw,
        info,
        inner,
        locked: Arc::default(),
    };
    crate::destinations::in_memory(object, Arc::new(landing))
}

pub(super) fn broken_destinations() -> Vec<Broken> {
    let all: [(&str, Flaw, &[&str]); 21] = [
        ("DW-01", Flaw::LosesTheEndOfLongBatches, &[]),
        ("DW-02", Flaw::TrimsTexts, &[]),
        ("DW-02", Flaw::BeginsItsCalendarIn1900, &[]),
        ("DW-03", Flaw::NothingIsEverDurable, &[]),
        ("DW-04", Flaw::OneRefusalRefusesAll, &[]),
        (
            "DW-05",
            Flaw::UpsertOnlyInserts,
            &["DW-07", "DW-08", "DW-09"],
        ),
        ("DW-05", Flaw::RowsReplaceThemselves, &[]),
        ("DW-06", Flaw::SkipsWhatItInserts, &[]),
        ("DW-07", Flaw::NamesAnotherReason, &[]),
        ("DW-08", Flaw::WritesFieldsAlways, &[]),
        ("DW-09", Flaw::TellsTheFirstRowAsReplaced, &[]),
        ("DW-10", Flaw::KeepsADryRun, &[]),
        ("DW-11", Flaw::WritesGroupsAgain, &[]),
        ("DW-12", Flaw::WritesBatchesAgain, &[]),
        ("DW-13", Flaw::ForgetsItsCheckpoint, &[]),
        ("DW-13", Flaw::OneCheckpointForAllJobs, &[]),
        ("DW-14", Flaw::LetsOldWritersGoOn, &[]),
        ("DW-15", Flaw::DeletesTheFirstOnly, &[]),
        ("DW-16", Flaw::LookupSeesNothingNew, &[]),
        ("DW-16", Flaw::PatchIsForgotten, &[]),
        ("DW-17", Flaw::LockedByADroppedWriter, &[]),
    ];
    all.into_iter()
        .map(|(clause, flaw, collateral)| {
            broken(&DESTINATION, clause, flaw, collateral, move || place(flaw))
        })
        .collect()
}
