//! Refused records as a dataset.

use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use futures::StreamExt as _;

use super::keys::Cells;
use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::host::{Context, KeptRejects};
use crate::record::{
    Batch, FieldType, Origins, Position, RawRecord, Reason, Refusal, Reject, Schema, SourceRecords,
};
use crate::{Error, ErrorKind, Result};

/// Refused records, read as their source would read them: in the order in which they were refused, or in that of a field.
#[derive(Debug)]
pub(super) struct Kept {
    info: DatasetInfo,
    schema: Schema,
    cells: Vec<Cells>,
    records: Arc<Records>,
    left: Vec<String>,
}

#[derive(Debug)]
struct Records {
    positions: Vec<Position>,
    cells: Vec<Vec<Option<bytes::Bytes>>>,
}

impl SourceRecords for Records {
    fn position(&self, record: u32) -> Position {
        let position = self.positions.get(record as usize).cloned();
        position.unwrap_or_else(|| Position::new("", u64::from(record)))
    }

    fn raw(&self, record: u32) -> RawRecord {
        RawRecord::Cells(self.cells.get(record as usize).cloned().unwrap_or_default())
    }
}

impl Kept {
    /// The records that were split, of a ledger of this dataset; with `order`, those that have a value in this field.
    pub(super) fn new(
        dataset: &Arc<dyn Dataset>,
        kept: &[KeptRejects],
        order: Option<&str>,
    ) -> Result<Self> {
        let source = dataset.info();
        let schema = dataset.schema().clone();
        let mut info = DatasetInfo::new(&source.name, Arc::clone(&source.columns));
        info.raw_text = true;
        info.notations.clone_from(&source.notations);
        let cells = schema
            .fields()
            .iter()
            .map(|field| Cells::new(&**dataset, field));
        let cells: Vec<Cells> = cells.collect::<Result<_>>()?;
        let mut left = Vec::new();
        let mut records: Vec<(Position, Vec<Option<bytes::Bytes>>)> = Vec::new();
        for kept in kept {
            if kept.columns != source.columns {
                let message = "the records were refused when the source had other columns; read the source again instead";
                return Err(Error::new(ErrorKind::Drifted, message).during("redrive"));
            }
            for reject in &kept.rejects {
                match &reject.raw {
                    RawRecord::Cells(cells) => {
                        records.push((reject.position.clone(), cells.clone()))
                    }
                    RawRecord::Unsplit { .. } => left.push(reject.position.to_string()),
                }
            }
        }
        if let Some(name) = order {
            let field = schema.index_of(name).and_then(|at| cells.get(at));
            let field = field.ok_or_else(|| {
                let message = "the dataset has no such field; name one of its own";
                Error::new(ErrorKind::Invalid, message)
                    .during("redrive")
                    .with("field", name)
            })?;
            if !matches!(
                field.field_type(),
                FieldType::Integer | FieldType::Date | FieldType::DateTime
            ) {
                let message = "what tells how new a record is is an integer, a date or a datetime; name such a field";
                return Err(Error::new(ErrorKind::Invalid, message)
                    .during("redrive")
                    .with("field", name));
            }
            let split: Vec<&[Option<bytes::Bytes>]> =
                records.iter().map(|(_, cells)| cells.as_slice()).collect();
            let (values, _) = field.values(&field.texts(&source.columns, &split)?)?;
            let options = arrow_schema::SortOptions::default();
            let compare = arrow_ord::ord::make_comparator(&values, &values, options)?;
            let without = (0..records.len()).filter(|row| values.is_null(*row));
            let without = without.filter_map(|row| records.get(row));
            left.extend(without.map(|(position, _)| position.to_string()));
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
        let (positions, split) = records.into_iter().unzip();
        Ok(Kept {
            info,
            schema,
            cells,
            records: Arc::new(Records {
                positions,
                cells: split,
            }),
            left,
        })
    }

    /// The positions of those that cannot be sent.
    pub(super) fn left(&self) -> &[String] {
        &self.left
    }

    fn batch(
        &self,
        wanted: &[(Cells, bool)],
        schema: &arrow_schema::SchemaRef,
        rows: std::ops::Range<usize>,
    ) -> Result<Batch> {
        let split = self.records.cells.get(rows.clone()).unwrap_or_default();
        let split: Vec<&[Option<bytes::Bytes>]> = split.iter().map(Vec::as_slice).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(wanted.len());
        let mut refused: Vec<Option<String>> = vec![None; split.len()];
        for (cells, raw) in wanted {
            let texts = cells.texts(&self.info.columns, &split)?;
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
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        let (all, step) = (self.records.positions.len(), request.batch_rows);
        let batches: Vec<Result<Batch>> = (0..all)
            .step_by(step)
            .map(|start| self.batch(&wanted, &schema, start..(start + step).min(all)))
            .collect();
        futures::stream::iter(batches).boxed()
    }
}
