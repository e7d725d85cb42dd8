//! Refused records as a dataset.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use futures::StreamExt as _;

use super::Entry;
use super::keys::{Cells, place};
use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::host::Context;
use crate::record::{
    Batch, Origins, Position, RawRecord, Reason, Refusal, Reject, Schema, SourceRecords,
};
use crate::{Error, ErrorKind, Result};

/// Refused records, read as their source would read them: in the order in which they were refused, or in that of a field. Each has its number
/// among the entries as its position.
#[derive(Debug)]
pub(super) struct Kept {
    info: DatasetInfo,
    schema: Schema,
    cells: Vec<Cells>,
    records: Arc<Records>,
    given: Arc<Mutex<HashSet<u64>>>,
}

type Split = Vec<Option<bytes::Bytes>>;

#[derive(Debug)]
struct Records {
    numbers: Vec<u64>,
    cells: Vec<Split>,
}

impl SourceRecords for Records {
    fn position(&self, record: u32) -> Position {
        let number = self.numbers.get(record as usize).copied();
        Position::new("", number.unwrap_or(u64::MAX))
    }

    fn raw(&self, record: u32) -> RawRecord {
        RawRecord::Cells(self.cells.get(record as usize).cloned().unwrap_or_default())
    }
}

/// The cells of a record in the order of these columns. A ledger may have left out some, or named those apart that had one name.
fn in_order(entry: &Entry, cells: &Split, columns: &[String]) -> Split {
    let cell = |name: &String| cells.get(place(&entry.columns, name)?).cloned().flatten();
    columns.iter().map(cell).collect()
}

impl Kept {
    /// The records that were split and are no deletes, of a ledger of this dataset; with `order`, those that have a value in this field.
    pub(super) fn new(
        dataset: &Arc<dyn Dataset>,
        entries: &[Entry],
        order: Option<&str>,
    ) -> Result<Self> {
        let source = dataset.info();
        let schema = dataset.schema().clone();
        let mut info = DatasetInfo::new(&source.name, Arc::clone(&source.columns));
        info.raw_text = true;
        // Its job may say what becomes of deletes, though none is sent here.
        info.tells_deletes = source.tells_deletes;
        info.notations.clone_from(&source.notations);
        let cells = schema
            .fields()
            .iter()
            .map(|field| Cells::new(&**dataset, field));
        let cells: Vec<Cells> = cells.collect::<Result<_>>()?;
        let mut records: Vec<(u64, Split)> = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            if let (RawRecord::Cells(split), false) = (&entry.reject.raw, entry.is_delete()) {
                let split = match entry.columns == source.columns {
                    true => split.clone(),
                    false => {
                        let lacks = cells.iter().find(|field| !field.is_in(&entry.columns));
                        if let Some(field) = lacks {
                            let message = "the ledger has no column of a field: the source had none of that name when the records were refused, or the ledger names a column of its own so; redrive by `read_again`";
                            return Err(
                                Error::new(ErrorKind::Drifted, message).with("field", field.name())
                            );
                        }
                        in_order(entry, split, &source.columns)
                    }
                };
                records.push((number as u64, split));
            }
        }
        if let Some(name) = order {
            let field = schema.index_of(name).and_then(|at| cells.get(at));
            let field = field.ok_or_else(|| {
                let message = "the dataset has no such field; name one of its own";
                Error::new(ErrorKind::Invalid, message).with("field", name)
            })?;
            let split: Vec<&[Option<bytes::Bytes>]> =
                records.iter().map(|(_, cells)| cells.as_slice()).collect();
            let (values, _) = field.values(&field.texts(&source.columns, &split)?)?;
            let options = arrow_schema::SortOptions::default();
            let compare = arrow_ord::ord::make_comparator(&values, &values, options)?;
            let mut rows: Vec<usize> = (0..records.len())
                .filter(|row| values.is_valid(*row))
                .collect();
            // Those of one value keep their order.
            rows.sort_by(|a, b| compare(*a, *b));
            records = rows
                .iter()
                .filter_map(|row| records.get(*row).cloned())
                .collect();
        }
        let (numbers, split) = records.into_iter().unzip();
        Ok(Kept {
            info,
            schema,
            cells,
            records: Arc::new(Records {
                numbers,
                cells: split,
            }),
            given: Arc::default(),
        })
    }

    /// The numbers of those that were given to the job.
    pub(super) fn given(&self) -> Arc<Mutex<HashSet<u64>>> {
        Arc::clone(&self.given)
    }
}

/// One reading of the records.
#[derive(Debug)]
struct Reading {
    records: Arc<Records>,
    columns: Arc<[String]>,
    /// Each with whether its text is wanted as it is.
    wanted: Vec<(Cells, bool)>,
    schema: arrow_schema::SchemaRef,
    given: Arc<Mutex<HashSet<u64>>>,
}

impl Reading {
    fn batch(&self, rows: std::ops::Range<usize>) -> Result<Batch> {
        let Reading { wanted, schema, .. } = self;
        let numbers = self.records.numbers.get(rows.clone()).unwrap_or_default();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.extend(numbers.iter().copied());
        drop(given);
        let split = self.records.cells.get(rows.clone()).unwrap_or_default();
        let split: Vec<&[Option<bytes::Bytes>]> = split.iter().map(Vec::as_slice).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(wanted.len());
        let mut refused: Vec<Option<String>> = vec![None; split.len()];
        for (cells, raw) in wanted {
            let texts = cells.texts(&self.columns, &split)?;
            if *raw {
                columns.push(texts);
                continue;
            }
            let (values, invalid) = cells.values(&texts)?;
            for row in invalid {
                if let Some(refused) = refused.get_mut(row as usize) {
                    refused.get_or_insert_with(|| cells.name().to_owned());
                }
            }
            columns.push(values);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(split.len()));
        let records = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
        let numbers: Vec<u32> = (rows.start as u32..rows.end as u32).collect();
        let source: Arc<dyn SourceRecords> = Arc::clone(&self.records) as _;
        let batch = Batch::new(records, Origins::new(source, 0, numbers));
        let rejects: Vec<Reject> = (refused.iter().enumerate())
            .filter_map(|(row, field)| {
                let message = "expected a value of the field's type, as in the source";
                let refusal = Refusal::new(Reason::BadValue, message).of(field.clone()?);
                Some(Reject::new(
                    batch.origins.position(row),
                    refusal,
                    batch.origins.raw(row),
                ))
            })
            .collect();
        if rejects.is_empty() {
            return Ok(batch);
        }
        let keep = refused.iter().map(|field| Some(field.is_none())).collect();
        Ok(batch.filter(&keep)?.with_rejects(rejects))
    }
}

#[async_trait]
impl Dataset for Kept {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, _: &Context, request: ReadRequest) -> BatchStream {
        let names: Vec<String> = match &request.fields {
            Some(names) => names.clone(),
            None => self
                .schema
                .fields()
                .iter()
                .map(|field| field.name.clone())
                .collect(),
        };
        let mut wanted = Vec::new();
        let mut fields = Vec::new();
        for name in &names {
            let at = self.schema.index_of(name);
            let Some((cells, field)) =
                at.and_then(|at| Some((self.cells.get(at)?, self.schema.fields().get(at)?)))
            else {
                let error = Error::contract("a field was asked for that the dataset does not have");
                return futures::stream::iter([Err(error.with("field", name))]).boxed();
            };
            let raw = request.raw.contains(name);
            let data_type = match raw {
                true => arrow_schema::DataType::Utf8View,
                false => field.field_type.data_type(),
            };
            fields.push(arrow_schema::Field::new(name, data_type, true));
            wanted.push((cells.clone(), raw));
        }
        let reading = Reading {
            records: Arc::clone(&self.records),
            columns: Arc::clone(&self.info.columns),
            wanted,
            schema: Arc::new(arrow_schema::Schema::new(fields)),
            given: Arc::clone(&self.given),
        };
        let (all, step) = (self.records.numbers.len(), request.batch_rows.max(1));
        let starts = futures::stream::iter((0..all).step_by(step));
        starts
            .map(move |start| reading.batch(start..(start + step).min(all)))
            .boxed()
    }
}
