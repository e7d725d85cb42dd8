//! A source that has changed, read as it was when its job was built.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Array as _, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow_schema::DataType;
use async_trait::async_trait;
use futures::StreamExt as _;

use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::host::Context;
use crate::record::convert::Converter;
use crate::record::{
    Batch, Cursor, CursorValue, Field, RawRecord, Reason, Refusal, Reject, RowOp, Schema,
};
use crate::{Error, Result};

/// What becomes of what does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Discard {
    Rows,
    Values,
}

/// A dataset with the fields of then.
#[derive(Debug)]
pub(super) struct Conformed {
    dataset: Arc<dyn Dataset>,
    then: Schema,
    /// Columns of the source's records that were not there then and that no field of now is.
    untyped: Vec<(usize, String)>,
    discard: Discard,
    discarded: Arc<AtomicU64>,
}

impl Conformed {
    /// Fields of then that are gone are left out: a job that uses one cannot run.
    pub(super) fn new(
        dataset: Arc<dyn Dataset>,
        then: &Schema,
        now: &Schema,
        discard: Discard,
    ) -> Self {
        let is_there = |field: &&Field| dataset.schema().field(&field.name).is_some();
        let untyped_now = |field: &&Field| {
            then.field(&field.name).is_none() && dataset.schema().field(&field.name).is_none()
        };
        let added: Vec<&str> = now
            .fields()
            .iter()
            .filter(untyped_now)
            .map(|field| field.name.as_str())
            .collect();
        let then: Vec<Field> = then.fields().iter().filter(is_there).cloned().collect();
        let columns = dataset.info().columns.iter().enumerate();
        let untyped = columns.filter(|(_, name)| added.contains(&name.as_str()));
        Conformed {
            untyped: match discard {
                Discard::Rows => untyped.map(|(at, name)| (at, name.clone())).collect(),
                Discard::Values => Vec::new(),
            },
            then: Schema::new(then),
            dataset,
            discard,
            discarded: Arc::default(),
        }
    }

    /// Counts the values that are dropped.
    pub(super) fn discarded(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.discarded)
    }

    /// The fields that nobody knew when the job was built.
    fn added(&self) -> impl Iterator<Item = &Field> {
        let is_new = |field: &&Field| self.then.field(&field.name).is_none();
        self.dataset.schema().fields().iter().filter(is_new)
    }

    fn reading(&self, request: &ReadRequest) -> Result<(ReadRequest, Reading)> {
        let names = match &request.fields {
            Some(names) => names.clone(),
            None => self
                .then
                .fields()
                .iter()
                .map(|field| field.name.clone())
                .collect(),
        };
        let mut columns = Vec::with_capacity(names.len());
        for name in &names {
            let now = self.dataset.schema().field(name);
            let (Some(then), Some(now)) = (self.then.field(name), now) else {
                let message = "a field was asked for that the dataset does not have";
                return Err(Error::contract(message).with("field", name));
            };
            let same = request.raw.contains(name) || now.field_type == then.field_type;
            columns.push(
                match Converter::new(&now.field_type, &then.field_type, false) {
                    _ if same => Column::Same,
                    Ok(converter) => Column::Converted(converter),
                    // What cannot be converted at all fits nowhere, whatever its value.
                    Err(_) => Column::Unfit(then.field_type.data_type()),
                },
            );
        }
        let mut asked = names.clone();
        let mut new = Vec::new();
        if self.discard == Discard::Rows {
            for field in self.added() {
                new.push((asked.len(), field.name.clone()));
                asked.push(field.name.clone());
            }
        }
        if let (true, Some(first)) = (asked.is_empty(), self.dataset.schema().fields().first()) {
            // A row for each record is wanted all the same.
            asked.push(first.name.clone());
        }
        let schema = names.iter().map(|name| {
            let data_type = match self.then.field(name) {
                Some(field) if !request.raw.contains(name) => field.field_type.data_type(),
                _ => DataType::Utf8View,
            };
            arrow_schema::Field::new(name, data_type, true)
        });
        let reading = Reading {
            schema: Arc::new(arrow_schema::Schema::new(schema.collect::<Vec<_>>())),
            names,
            columns,
            new,
            untyped: self.untyped.clone(),
            discard: self.discard,
            discarded: Arc::clone(&self.discarded),
        };
        let mut request = request.clone();
        request.raw.retain(|name| asked.contains(name));
        request.fields = Some(asked);
        Ok((request, reading))
    }
}

/// How a column of now becomes one of then.
#[derive(Debug, Clone)]
enum Column {
    Same,
    Converted(Converter),
    /// No value fits.
    Unfit(DataType),
}

#[derive(Debug, Clone)]
struct Reading {
    schema: arrow_schema::SchemaRef,
    names: Vec<String>,
    columns: Vec<Column>,
    /// Columns of what is read now that may have no value.
    new: Vec<(usize, String)>,
    /// Columns of the raw record that nobody declared and that may have no value.
    untyped: Vec<(usize, String)>,
    discard: Discard,
    discarded: Arc<AtomicU64>,
}

impl Reading {
    fn conform(&self, batch: Batch) -> Result<Batch> {
        let records = &batch.records;
        let column = |at: usize| {
            records
                .columns()
                .get(at)
                .ok_or_else(|| Error::contract("a batch lacks a column that was asked for"))
        };
        // The first thing that does not fit, by row.
        let mut unfit: Vec<Option<&str>> = vec![None; records.num_rows()];
        let mut dropped = 0_u64;
        let mut mark = |row: usize, name| {
            dropped += 1;
            if let Some(mark) = unfit.get_mut(row) {
                mark.get_or_insert(name);
            }
        };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for (at, (name, source)) in self.names.iter().zip(&self.columns).enumerate() {
            let column = column(at)?;
            columns.push(match source {
                Column::Same => Arc::clone(column),
                Column::Unfit(data_type) => {
                    let filled = (0..column.len()).filter(|row| column.is_valid(*row));
                    filled.for_each(|row| mark(row, name.as_str()));
                    new_null_array(data_type, records.num_rows())
                }
                Column::Converted(converter) => {
                    let converted = converter.convert(column)?;
                    converted
                        .invalid
                        .iter()
                        .for_each(|row| mark(*row as usize, name));
                    converted.column
                }
            });
        }
        for (at, name) in &self.new {
            let column = column(*at)?;
            let filled = (0..column.len()).filter(|row| column.is_valid(*row));
            filled.for_each(|row| mark(row, name.as_str()));
        }
        for (at, name) in &self.untyped {
            for row in 0..records.num_rows() {
                if let RawRecord::Cells(cells) = batch.origins.raw(row) {
                    let cell = cells.get(*at).and_then(Option::as_ref);
                    if cell.is_some_and(|cell| !cell.is_empty()) {
                        mark(row, name);
                    }
                }
            }
        }
        let options =
            arrow_array::RecordBatchOptions::new().with_row_count(Some(records.num_rows()));
        let conformed =
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        let conformed = conformed.map_err(|error| {
            Error::contract("a source that has changed has another layout than it says")
                .because(error)
        })?;
        let is_delete = |row: usize| {
            let ops = batch.ops.as_ref();
            ops.and_then(|ops| ops.get(row))
                .is_some_and(|op| *op == RowOp::Delete)
        };
        let refused: Vec<(usize, &str)> = match self.discard {
            Discard::Values => Vec::new(),
            // A record that is gone needs to be known, not to fit.
            Discard::Rows => (unfit.iter().enumerate())
                .filter_map(|(row, name)| Some((row, (*name)?)))
                .filter(|(row, _)| !is_delete(*row))
                .collect(),
        };
        if self.discard == Discard::Values {
            self.discarded.fetch_add(dropped, Ordering::Relaxed);
        }
        let rejects = refused.iter().map(|(row, name)| {
            let message = "the source has changed since the job was built, and this value does not fit what it was; build the job anew, or take another mode of drift";
            Reject::new(
                batch.origins.position(*row),
                Refusal::new(Reason::Drifted, message).of(*name),
                batch.origins.raw(*row),
            )
        });
        let rejects: Vec<Reject> = rejects.collect();
        let mut keep = vec![true; records.num_rows()];
        for (row, _) in &refused {
            if let Some(keep) = keep.get_mut(*row) {
                *keep = false;
            }
        }
        let mut batch = Batch {
            records: conformed,
            ..batch
        };
        if !rejects.is_empty() {
            batch = batch.filter(&BooleanArray::from(keep))?;
            batch.rejects.extend(rejects);
            batch.rejects.sort_by_key(|reject| reject.position.record);
        }
        Ok(batch)
    }
}

#[async_trait]
impl Dataset for Conformed {
    fn info(&self) -> &DatasetInfo {
        self.dataset.info()
    }

    fn schema(&self) -> &Schema {
        &self.then
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        match self.reading(&request) {
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
            Ok((request, reading)) => (self.dataset.read(context, request))
                .map(move |batch| batch.and_then(|batch| reading.conform(batch)))
                .boxed(),
        }
    }

    async fn upper_bound(&self, context: &Context, field: &str) -> Result<Option<CursorValue>> {
        self.dataset.upper_bound(context, field).await
    }

    async fn acknowledge(&self, context: &Context, cursor: &Cursor) -> Result<()> {
        self.dataset.acknowledge(context, cursor).await
    }
}
