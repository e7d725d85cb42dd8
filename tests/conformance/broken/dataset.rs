//! Datasets that do not read as they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use serde_json::json;
use syncline::Result;
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::host::Context;
use syncline::memory::MemoryDataset;
use syncline::record::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use syncline::record::{
    Batch, Cursor, CursorValue, Field, FieldType, Origins, Position, RawRecord, Reason,
    RecordBuilder, Refusal, Schema, SourceRecords,
};
use syncline::spec::Encoding;
use syncline::testing::conformance::{DATASET, DatasetFixture, every_type, fidelity};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    IgnoresTheAskedOrder,
    FillsBatchesAsItLikes,
    LosesARowOfBatchesOfSeven,
    CountsDown,
    TellsTheNextPosition,
    GoesOnARowLate,
    LastBatchHasNoCursor,
    ReadsPastTheEnd,
    ReadsAllForAForeignCursor,
    LeavesOutUnknownFields,
    ParsesRawText,
    LowerBoundIsOpen,
    TellsADayForANumber,
    ForgetsMoreThanIsAcknowledged,
    LosesTheSignOfZero,
    CountsInFloats,
}

#[derive(Debug)]
struct Source {
    flaw: Flaw,
    info: DatasetInfo,
    inner: Arc<dyn Dataset>,
    forgot: AtomicBool,
}

/// Records that tell other numbers.
#[derive(Debug)]
struct Told {
    flaw: Flaw,
    origins: Origins,
}

impl SourceRecords for Told {
    fn position(&self, record: u32) -> Position {
        let mut position = self.origins.position(record as usize);
        match self.flaw {
            Flaw::CountsDown => position.record = 1_000 - position.record,
            _ => position.record += 1,
        }
        position
    }

    fn raw(&self, record: u32) -> RawRecord {
        self.origins.raw(record as usize)
    }
}

/// The same rows under other numbers: one block for each row, since its number may be any.
fn told(flaw: Flaw, batch: Batch) -> Vec<Batch> {
    if batch.is_empty() {
        return vec![batch];
    }
    (0..batch.len() as u32)
        .map(|row| {
            let one = batch.clone().take(&[row]).unwrap();
            let number = match flaw {
                Flaw::CountsDown => 1_000 - one.origins.sequence(0),
                _ => one.origins.sequence(0),
            };
            let records = Told {
                flaw,
                origins: one.origins.clone(),
            };
            let mut told = Batch::new(one.records, Origins::new(Arc::new(records), number, [0]));
            if row as usize == batch.len() - 1 {
                told.resume = batch.resume.clone();
                told.rejects = batch.rejects.clone();
            }
            told
        })
        .collect()
}

fn changed(flaw: Flaw, mut batch: Batch) -> Batch {
    let schema = batch.records.schema();
    let columns = batch.records.columns().iter().map(|column| -> ArrayRef {
        if let (Some(floats), Flaw::LosesTheSignOfZero) =
            (column.as_any().downcast_ref::<Float64Array>(), flaw)
        {
            return Arc::new(
                floats
                    .iter()
                    .map(|f| f.map(|f| f + 0.0))
                    .collect::<Float64Array>(),
            );
        }
        if let (Some(numbers), Flaw::CountsInFloats) =
            (column.as_any().downcast_ref::<Int64Array>(), flaw)
        {
            return Arc::new(
                numbers
                    .iter()
                    .map(|n| n.map(|n| n as f64 as i64))
                    .collect::<Int64Array>(),
            );
        }
        Arc::clone(column)
    });
    let columns: Vec<ArrayRef> = columns.collect();
    if !columns.is_empty() {
        batch.records = RecordBatch::try_new(schema, columns).unwrap();
    }
    batch
}

#[async_trait]
impl Dataset for Source {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        self.inner.schema()
    }

    fn read(&self, context: &Context, mut request: ReadRequest) -> BatchStream {
        let flaw = self.flaw;
        match (&mut request.fields, flaw) {
            (Some(fields), Flaw::IgnoresTheAskedOrder) => {
                let place = |name: &String| self.schema().index_of(name);
                fields.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
            }
            (Some(fields), Flaw::LeavesOutUnknownFields) => {
                fields.retain(|name| self.schema().field(name).is_some())
            }
            _ => {}
        }
        let late = match flaw {
            Flaw::GoesOnARowLate => request.resume.is_some(),
            Flaw::ForgetsMoreThanIsAcknowledged => {
                request.resume.is_some() && self.forgot.load(Ordering::Relaxed)
            }
            Flaw::LosesARowOfBatchesOfSeven => request.batch_rows == 7,
            _ => false,
        };
        if flaw == Flaw::FillsBatchesAsItLikes {
            request.batch_rows += 1;
        }
        if flaw == Flaw::ReadsPastTheEnd {
            request.until = None;
        }
        if flaw == Flaw::ParsesRawText {
            request.raw.clear();
        }
        let foreign = request
            .resume
            .as_ref()
            .is_some_and(|cursor| cursor.as_str().starts_with("no "));
        if flaw == Flaw::ReadsAllForAForeignCursor && foreign {
            request.resume = None;
        }
        let bounds = request.bounds.take();
        let mut first = true;
        let batches = self.inner.read(context, request).map(move |batch| {
            let mut batch = batch?;
            if std::mem::take(&mut first) && late {
                let rest: Vec<u32> = (1..batch.len() as u32).collect();
                batch = batch.take(&rest)?;
            }
            if let Some(bounds) = &bounds {
                let column = batch.records.column_by_name(&bounds.field).unwrap();
                let numbers = column.as_any().downcast_ref::<Int64Array>().unwrap();
                let within = |row: &u32| {
                    if numbers.is_null(*row as usize) {
                        return bounds.nulls;
                    }
                    let value = CursorValue::Integer(numbers.value(*row as usize));
                    bounds.to.is_none_or(|to| value < to)
                        && bounds.from.is_none_or(|from| match flaw {
                            Flaw::LowerBoundIsOpen => value > from,
                            _ => value >= from,
                        })
                };
                let rows: Vec<u32> = (0..batch.len() as u32).filter(within).collect();
                batch = batch.take(&rows)?;
            }
            Ok(changed(flaw, batch))
        });
        match flaw {
            Flaw::CountsDown | Flaw::TellsTheNextPosition => batches
                .flat_map(move |batch| match batch {
                    Ok(batch) => {
                        stream::iter(told(flaw, batch).into_iter().map(Ok).collect::<Vec<_>>())
                    }
                    Err(error) => stream::iter(vec![Err(error)]),
                })
                .boxed(),
            Flaw::LastBatchHasNoCursor => {
                let last = batches.peekable();
                stream::unfold(last, |mut batches| async move {
                    let mut batch = batches.next().await?;
                    if std::pin::Pin::new(&mut batches).peek().await.is_none() {
                        batch = batch.map(|mut batch| {
                            batch.resume = None;
                            batch
                        });
                    }
                    Some((batch, batches))
                })
                .boxed()
            }
            _ => batches.boxed(),
        }
    }

    async fn upper_bound(&self, _: &Context, _: &str) -> Result<Option<CursorValue>> {
        Ok(Some(match self.flaw {
            Flaw::TellsADayForANumber => CursorValue::Date("2025-01-31".parse().unwrap()),
            _ => CursorValue::Integer(100),
        }))
    }

    async fn acknowledge(&self, _: &Context, _: &Cursor) -> Result<()> {
        self.forgot.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn source(flaw: Flaw, inner: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
    let mut info = inner.info().clone();
    if !info.raw_text {
        info = info.with_bounds();
    }
    Arc::new(Source {
        flaw,
        info,
        inner,
        forgot: AtomicBool::new(false),
    })
}

pub(crate) fn goes_on_a_row_late(inner: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
    source(Flaw::GoesOnARowLate, inner)
}

/// Eight versions of records, one of which is refused.
fn versions() -> MemoryDataset {
    let fields = [
        ("id", FieldType::Integer),
        ("name", FieldType::Text),
        ("version", FieldType::Integer),
    ];
    let schema = Schema::new(fields.map(|(name, of)| Field::new(name, of)).to_vec());
    let mut rows = RecordBuilder::new(&schema);
    for (id, version) in [
        (1, Some(5)),
        (2, Some(3)),
        (3, Some(3)),
        (4, None),
        (5, Some(9)),
        (6, Some(7)),
        (7, Some(5)),
        (8, Some(1)),
    ] {
        rows.push(&json!({"id": id, "name": format!("name {id}"), "version": version}))
            .unwrap();
    }
    let dataset = MemoryDataset::new("versions", schema, vec![rows.finish().unwrap()]).unwrap();
    dataset.with_reject(
        4,
        Refusal::new(Reason::BadValue, "a refusal that a test asked for"),
    )
}

fn place(flaw: Flaw) -> DatasetFixture {
    match flaw {
        Flaw::ParsesRawText => {
            let inner = crate::sources::delimited_dataset(Encoding::default());
            DatasetFixture::new(move || source(flaw, inner()))
        }
        Flaw::LosesTheSignOfZero | Flaw::CountsInFloats => {
            let records = fidelity(&every_type()).unwrap();
            let dataset = MemoryDataset::new("all", every_type(), vec![records.clone()]).unwrap();
            DatasetFixture::new(move || source(flaw, Arc::new(dataset.clone()))).holding(records)
        }
        _ => DatasetFixture::new(move || source(flaw, Arc::new(versions())))
            .by("version")
            .telling_time(),
    }
}

pub(super) fn broken_datasets() -> Vec<Broken> {
    let all: [(&str, Flaw, &[&str]); 16] = [
        ("DS-01", Flaw::IgnoresTheAskedOrder, &[]),
        ("DS-01", Flaw::FillsBatchesAsItLikes, &[]),
        ("DS-02", Flaw::LosesARowOfBatchesOfSeven, &[]),
        ("DS-03", Flaw::CountsDown, &[]),
        ("DS-04", Flaw::TellsTheNextPosition, &[]),
        ("DS-05", Flaw::GoesOnARowLate, &["DS-06", "DS-12"]),
        ("DS-05", Flaw::LastBatchHasNoCursor, &[]),
        ("DS-06", Flaw::ReadsPastTheEnd, &[]),
        ("DS-07", Flaw::ReadsAllForAForeignCursor, &[]),
        ("DS-08", Flaw::LeavesOutUnknownFields, &[]),
        ("DS-09", Flaw::ParsesRawText, &[]),
        ("DS-10", Flaw::LowerBoundIsOpen, &[]),
        ("DS-11", Flaw::TellsADayForANumber, &[]),
        ("DS-12", Flaw::ForgetsMoreThanIsAcknowledged, &[]),
        ("DS-13", Flaw::LosesTheSignOfZero, &[]),
        ("DS-13", Flaw::CountsInFloats, &[]),
    ];
    all.into_iter()
        .map(|(clause, flaw, collateral)| {
            broken(&DATASET, clause, flaw, collateral, move || place(flaw))
        })
        .collect()
}

syncline::conformance!(the_source_that_is_broken_above: dataset, place(Flaw::None), skip: [
    ("DS-09", "records have no unparsed text"), ("DS-13", "some are refused")]);
