//! The writer of an object in memory.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, RecordBatch, StringViewArray, TimestampMicrosecondArray,
    UInt32Array,
};
use arrow_select::{nullif::nullif, take::take};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::apply::{Applied, Memory, apply};
use super::ids::Ids;
use super::lookup::LiveLookup;
use super::object::{JobPart, MemoryObject, State};
use super::plan::Plan;
use super::touched::Touched;
use super::transaction::Transaction;
use crate::destination::{
    CommitReport, CommitRequest, Durability, OpenRequest, Patch, RowOutcome, WriteField,
    WriteReport, Writer,
};
use crate::host::{Bug, Context};
use crate::lookup::{Lookup, LookupRequest};
use crate::record::{Batch, RowOp};
use crate::spec::{DuplicateKeys, WriteMode};
use crate::{Error, ErrorKind, Result};

/// Writes rows into an object, or into the copy of it that a dry run has.
#[derive(Debug)]
pub(super) struct MemoryWriter {
    object: MemoryObject,
    plan: Plan,
    memory: Memory,
    job: String,
    partition: String,
    epoch: u64,
    /// The position of the identity, if the batches' ids are wanted.
    ids_from: Option<usize>,
    /// Time and name for system fields: arrays of one value.
    stamps: [ArrayRef; 2],
    /// The object itself, if `object` is a copy of it that is to go back.
    transaction: Option<Transaction>,
    /// The last batch and what was answered, if one that comes again is to be recognised.
    last: Option<(Batch, WriteReport)>,
    dedups_batches: bool,
    closed: bool,
}

/// Whether two batches are the same rows of the source.
fn same(a: &Batch, b: &Batch) -> bool {
    let sequences = |batch: &Batch| {
        (
            batch.origins.sequence(0),
            batch.origins.sequence(batch.len() - 1),
        )
    };
    a.len() == b.len()
        && !a.is_empty()
        && [a, b]
            .iter()
            .all(|batch| batch.origins.len() == batch.len())
        && sequences(a) == sequences(b)
        && (a.records.columns().iter().zip(b.records.columns()))
            .all(|(a, b)| Arc::ptr_eq(a, b) || a.as_ref() == b.as_ref())
}

impl MemoryWriter {
    pub(super) fn new(
        object: MemoryObject,
        plan: Plan,
        request: OpenRequest,
        ids: Ids,
        tells_same_run: bool,
        now: DateTime<Utc>,
    ) -> Self {
        let follows = tells_same_run || request.duplicates == DuplicateKeys::Reject;
        let time =
            TimestampMicrosecondArray::from(vec![now.timestamp_micros()]).with_timezone("UTC");
        let name = StringViewArray::from(vec![request.job.as_str()]);
        let identity = object.facts().identity.single_field();
        let ids_from = identity.and_then(|name| object.schema().index_of(name));
        MemoryWriter {
            memory: Memory {
                ids,
                touched: follows.then(Touched::default),
            },
            ids_from: ids_from.filter(|_| request.wants_ids),
            stamps: [Arc::new(time), Arc::new(name)],
            job: request.job,
            partition: request.partition,
            epoch: request.epoch,
            transaction: None,
            last: None,
            dedups_batches: false,
            closed: false,
            object,
            plan,
        }
    }

    /// The same, writing a copy that goes back at each commit.
    pub(super) fn with_transaction(mut self, transaction: Option<Transaction>) -> Self {
        self.transaction = transaction;
        self
    }

    /// The same, recognising a batch that comes again.
    pub(super) fn with_dedup_of_batches(mut self, dedups: bool) -> Self {
        self.dedups_batches = dedups;
        self
    }

    fn key(&self) -> JobPart {
        (self.job.clone(), self.partition.clone())
    }

    /// Refuses to go on after the end, or when a newer writer was opened.
    fn check_open(&self, state: &State) -> Result<()> {
        if self.closed {
            let message = "the writer was aborted; open another";
            return Err(Error::new(ErrorKind::Closed, message).with("object", self.object.name()));
        }
        match &self.transaction {
            Some(transaction) => check_epoch(&transaction.base.read(), &self.key(), self.epoch),
            None => check_epoch(state, &self.key(), self.epoch),
        }
        .map_err(|error| error.with("object", self.object.name()))
    }

    fn write_batch(&mut self, batch: &Batch) -> Result<Applied> {
        let records = &batch.records;
        self.plan.check(self.object.facts(), records)?;
        if batch.origins.len() != records.num_rows() {
            return Err(Error::contract(
                "a batch has one origin for each of its rows",
            ));
        }
        if batch.ops.iter().flatten().any(|op| *op == RowOp::Delete) {
            let message = "an object in memory does not delete records";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut state = self.object.write();
        self.check_open(&state)?;
        state.changes += 1;
        let given = with_stamps(&self.object, records, &self.stamps)?;
        let sequence = |row| batch.origins.sequence(row);
        apply(
            &mut state.table,
            &self.plan,
            given,
            records.num_rows(),
            &mut self.memory,
            sequence,
        )
    }

    fn patch_records(&mut self, patch: Patch) -> Result<()> {
        let Patch { ids, values } = patch;
        let facts = self.object.facts();
        let identity = facts.identity.single_field();
        let (Some(identity), [value]) = (identity, values.columns()) else {
            let message = "a patch sets one field in records that one field identifies";
            return Err(Error::contract(message));
        };
        if ids.len() != value.len() || ids.null_count() > 0 {
            return Err(Error::contract(
                "a patch has one id, not null, for each value",
            ));
        }
        let name = values.schema().field(0).name().clone();
        let fields = vec![WriteField::new(identity), WriteField::new(name)];
        let request = OpenRequest::new(&self.job, fields, WriteMode::update([identity]));
        let columns = vec![ids, Arc::clone(value)];
        let schema = request.fields.iter().zip(&columns);
        let schema = schema.map(|(field, column)| (&*field.name, Arc::clone(column)));
        let records = RecordBatch::try_from_iter_with_nullable(schema.map(|(n, c)| (n, c, true)))?;

        let mut state = self.object.write();
        self.check_open(&state)?;
        state.changes += 1;
        let plan = Plan::open(facts, &mut state.table, &request)?;
        plan.check(facts, &records)?;
        let given = with_stamps(&self.object, &records, &self.stamps)?;
        let mut memory = Memory {
            ids: self.memory.ids.clone(),
            touched: None,
        };
        let applied = apply(
            &mut state.table,
            &plan,
            given,
            records.num_rows(),
            &mut memory,
            |_| 0,
        )?;
        match applied.refusals.first() {
            None => Ok(()),
            Some((_, refusal)) => Err(Error::contract(
                "a patch was refused for one of its records",
            )
            .with("object", &facts.name)
            .with("reason", refusal.reason.code())),
        }
    }
}

/// Refuses a writer of an older epoch than the newest that was opened.
pub(super) fn check_epoch(state: &State, key: &JobPart, epoch: u64) -> Result<()> {
    match state.epochs.get(key) {
        Some(&newest) if newest > epoch => {
            let message = "a writer of a newer epoch has taken over; this run must end";
            Err(Error::new(ErrorKind::Conflict, message).with("epoch", epoch))
        }
        _ => Ok(()),
    }
}

/// The columns of a batch, with those of the system fields behind them.
fn with_stamps(
    object: &MemoryObject,
    records: &RecordBatch,
    stamps: &[ArrayRef; 2],
) -> Result<Vec<ArrayRef>> {
    let mut columns = records.columns().to_vec();
    if !object.facts().system.is_empty() {
        let same = UInt32Array::from(vec![0; records.num_rows()]);
        for stamp in stamps {
            columns.push(take(stamp, &same, None)?);
        }
    }
    Ok(columns)
}

#[async_trait]
impl Writer for MemoryWriter {
    async fn write(&mut self, _: &Context, batch: Batch) -> Result<WriteReport> {
        if let Some((last, report)) = &self.last {
            if same(last, &batch) && !Bug::RepeatNotRecognised.is_on() {
                self.check_open(&self.object.read())?;
                return Ok(report.clone());
            }
        }
        let applied = self
            .write_batch(&batch)
            .map_err(|error| error.during("write"))?;
        let Applied {
            outcomes,
            refusals,
            replaced,
            columns,
        } = applied;
        let ids = match self.ids_from {
            Some(field) => {
                let nothing = |outcome: &RowOutcome| {
                    matches!(outcome, RowOutcome::Rejected | RowOutcome::Skipped)
                };
                let nothing: BooleanArray = outcomes.iter().map(|o| Some(nothing(o))).collect();
                Some(nullif(&columns[field], &nothing)?)
            }
            None => None,
        };
        let report = WriteReport::new(outcomes)
            .with_refusals(refusals)
            .with_replaced(replaced)
            .with_ids(ids);
        if self.dedups_batches {
            self.last = Some((batch, report.clone()));
        }
        Ok(report)
    }

    async fn commit(&mut self, _: &Context, request: CommitRequest) -> Result<CommitReport> {
        let open = self.check_open(&self.object.read());
        let committed = open.and_then(|()| {
            let (key, epoch) = (self.key(), self.epoch);
            match &mut self.transaction {
                Some(transaction) => transaction.commit(&self.object, &key, epoch, &request),
                None => Ok(()),
            }
        });
        committed.map_err(|error| error.during("commit"))?;
        Ok(CommitReport::new(Durability::Durable {
            through: request.group,
        }))
    }

    async fn abort(&mut self, _: &Context) -> Result<()> {
        self.closed = true;
        Ok(())
    }

    async fn lookup(&mut self, _: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        if request.object != self.object.name() {
            let message = "a writer looks up its own object only";
            return Err(Error::new(ErrorKind::Invalid, message).with("object", &request.object));
        }
        let object = self.object.clone();
        Ok(Arc::new(LiveLookup::new(object, &request, u64::MAX)?))
    }

    async fn patch(&mut self, _: &Context, patch: Patch) -> Result<()> {
        self.patch_records(patch)
            .map_err(|error| error.during("patch"))
    }
}
