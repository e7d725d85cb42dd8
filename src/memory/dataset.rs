//! A dataset in memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::StreamExt;

use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::host::Context;
use crate::record::{Batch, Cursor, Origins, Refusal, Reject, RowsAsRead, Schema, SourceRecords};
use crate::{Error, ErrorKind, Result};

/// A [`Dataset`] of given records.
///
/// A read gives every `batch_rows` records as one batch, however they were given; the cursor behind a
/// batch is the number of its last record plus one.
///
/// ```
/// use futures::StreamExt;
/// use std::sync::Arc;
/// use syncline::dataset::{Dataset, ReadRequest};
/// use syncline::host::Context;
/// use syncline::memory::MemoryDataset;
/// use syncline::record::array::{ArrayRef, Int64Array, RecordBatch};
/// use syncline::record::{Field, FieldType, Reason, Refusal, Schema};
///
/// let schema = Schema::new(vec![Field::new("number", FieldType::Integer)]);
/// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
/// let records = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![numbers]).unwrap();
/// let dataset = MemoryDataset::new("numbers", schema, vec![records])?
///     .with_reject(1, Refusal::new(Reason::BadValue, "no number"));
///
/// let request = ReadRequest::new().with_batch_rows(2);
/// let batches: Vec<_> = futures::executor::block_on(dataset.read(&Context::new(), request).collect());
/// assert_eq!(batches.len(), 2);
/// let first = batches[0].as_ref().unwrap();
/// assert_eq!((first.len(), first.rejects.len()), (1, 1));
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryDataset {
    info: DatasetInfo,
    schema: Schema,
    records: RecordBatch,
    rejects: BTreeMap<u64, Refusal>,
}

impl MemoryDataset {
    /// A dataset of these records, with all fields of the schema in its order.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if the columns of a batch are not the schema's.
    pub fn new(name: impl Into<String>, schema: Schema, records: Vec<RecordBatch>) -> Result<Self> {
        let name = name.into();
        for batch in &records {
            let (given, expected) = (batch.schema(), schema.arrow());
            let same = given.fields().len() == expected.fields().len()
                && (given.fields().iter().zip(expected.fields()))
                    .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
            if !same {
                let message = "a batch does not have exactly the schema's fields, in order";
                return Err(Error::new(ErrorKind::Invalid, message).with("dataset", name));
            }
        }
        // The batches may call a field not nullable, so only their columns are taken over.
        let records = (records.into_iter())
            .map(|batch| RecordBatch::try_new(Arc::clone(schema.arrow()), batch.columns().to_vec()))
            .collect::<Result<Vec<_>, _>>()?;
        let records = match <[RecordBatch; 1]>::try_from(records) {
            Ok([only]) => only,
            Err(several) => arrow_select::concat::concat_batches(schema.arrow(), &several)?,
        };
        let columns: Vec<String> = schema.fields().iter().map(|f| f.name.clone()).collect();
        Ok(MemoryDataset {
            info: DatasetInfo::new(name, columns).with_resume("record number"),
            schema,
            records,
            rejects: BTreeMap::new(),
        })
    }

    /// The same, but record number `record` (from 0) is refused when it is read.
    #[must_use]
    pub fn with_reject(mut self, record: u64, refusal: Refusal) -> Self {
        self.rejects.insert(record, refusal);
        self
    }

    /// The same, whose cursors are valid for this lineage only.
    #[must_use]
    pub fn with_lineage(mut self, lineage: impl Into<String>) -> Self {
        self.info.lineage = lineage.into();
        self
    }

    /// The same, giving no cursors: it can only be read from its beginning. For tests of what reads such datasets.
    #[must_use]
    pub fn without_resume(mut self) -> Self {
        self.info.resumable = false;
        self
    }

    /// Number of records, those refused included.
    pub fn len(&self) -> usize {
        self.records.num_rows()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records from `start` on, `rows` of them.
    fn batch(&self, start: usize, rows: usize, columns: &[usize]) -> Result<Batch> {
        let (first, end) = (start as u64, (start + rows) as u64);
        let whole = self.records.slice(start, rows);
        let records = whole.project(columns)?;
        let source = RowsAsRead::new(self.info.name.as_str(), first, whole);
        let rejects: Vec<Reject> = (self.rejects.range(first..end))
            .map(|(&record, refusal)| {
                let row = (record - first) as u32;
                Reject::new(source.position(row), refusal.clone(), source.raw(row))
            })
            .collect();
        let kept: Vec<u32> = (0..rows as u32)
            .filter(|&row| !self.rejects.contains_key(&(first + u64::from(row))))
            .collect();
        let all: Vec<u32> = (0..rows as u32).collect();
        let mut batch =
            Batch::new(records, Origins::new(Arc::new(source), first, all)).with_rejects(rejects);
        if self.info.resumable {
            batch = batch.with_resume(Cursor::new(end.to_string()));
        }
        if kept.len() == rows {
            Ok(batch)
        } else {
            batch.take(&kept)
        }
    }
}

impl Dataset for MemoryDataset {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, _: &Context, request: ReadRequest) -> BatchStream {
        let columns = match &request.fields {
            _ if !request.raw.is_empty() => Err(Error::new(
                ErrorKind::Unsupported,
                "records in memory have no unparsed text; ask for their values",
            )),
            _ => request.positions(&self.schema),
        };
        let asked = columns.and_then(|columns: Vec<usize>| Ok((columns, self.stretch(&request)?)));
        let (columns, stretch) = match asked {
            Ok(asked) => asked,
            Err(error) => {
                let error = error.during("read").with("dataset", &self.info.name);
                return futures::stream::iter([Err(error)]).boxed();
            }
        };
        let (dataset, rows) = (self.clone(), request.batch_rows.max(1));
        let end = stretch.end;
        futures::stream::iter(stretch.step_by(rows))
            .map(move |start| dataset.batch(start, rows.min(end - start), &columns))
            .boxed()
    }
}

impl MemoryDataset {
    /// The records that are asked for.
    fn stretch(&self, request: &ReadRequest) -> Result<Range<usize>> {
        let place = |cursor: &Cursor| {
            let number = cursor.as_str().parse().ok();
            let number =
                number.filter(|&number: &usize| self.info.resumable && number <= self.len());
            number.ok_or_else(|| {
                let message = "the cursor is none of this dataset's; read it from the beginning";
                Error::new(ErrorKind::OtherLineage, message)
            })
        };
        let start = request.resume.as_ref().map_or(Ok(0), place)?;
        let end = request.until.as_ref().map_or(Ok(self.len()), place)?;
        Ok(start..end.max(start))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array, StringViewArray};
    use futures::executor::block_on;

    use super::*;
    use crate::record::{Field, FieldType, RawRecord, Reason};

    fn dataset(chunks: &[usize]) -> MemoryDataset {
        let fields = vec![
            Field::new("name", FieldType::Text),
            Field::new("n", FieldType::Integer),
        ];
        let schema = Schema::new(fields);
        let mut start = 0;
        let batches = chunks.iter().map(|&rows| {
            let numbers = start..start + rows as i64;
            start += rows as i64;
            let names =
                StringViewArray::from_iter_values(numbers.clone().map(|n| format!("name {n}")));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(names),
                Arc::new(Int64Array::from_iter_values(numbers)),
            ];
            RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap()
        });
        MemoryDataset::new("numbers", schema.clone(), batches.collect()).unwrap()
    }

    /// Every record, in order: its number and value, or its refusal; and the sizes of the batches.
    fn read(dataset: &MemoryDataset, batch_rows: usize) -> (Vec<(u64, Option<i64>)>, Vec<usize>) {
        let request = ReadRequest::new()
            .with_fields(vec!["n".into()])
            .with_batch_rows(batch_rows);
        let batches: Vec<_> = block_on(dataset.read(&Context::new(), request).collect());
        let (mut records, mut sizes) = (Vec::new(), Vec::new());
        for batch in batches {
            let batch = batch.unwrap();
            let values = batch.records.column(0).as_primitive::<Int64Type>().clone();
            records.extend(
                (0..batch.len()).map(|i| (batch.origins.sequence(i), Some(values.value(i)))),
            );
            records.extend(
                batch
                    .rejects
                    .iter()
                    .map(|reject| (reject.position.record, None)),
            );
            sizes.push(batch.len() + batch.rejects.len());
            let last = records.iter().map(|record| record.0).max().unwrap();
            assert_eq!(batch.resume, Some(Cursor::new((last + 1).to_string())));
        }
        records.sort();
        (records, sizes)
    }

    #[test]
    fn batches_do_not_depend_on_the_given_chunks() {
        let refusal = Refusal::new(Reason::BadValue, "scripted");
        let whole = dataset(&[10]).with_reject(3, refusal.clone());
        let split = dataset(&[1, 0, 7, 2]).with_reject(3, refusal);
        let (records, _) = read(&whole, 100);
        assert_eq!(records[3], (3, None));
        assert_eq!(records[4], (4, Some(4)));
        for rows in [1, 3, 4, 10, 11] {
            assert_eq!(read(&whole, rows), read(&split, rows));
            let (again, sizes) = read(&split, rows);
            assert_eq!(again, records);
            assert!(sizes[..sizes.len() - 1].iter().all(|&size| size == rows));
        }
        assert_eq!(read(&dataset(&[]), 5), (vec![], vec![]));
    }

    #[test]
    fn a_read_between_two_cursors_is_that_stretch_of_the_whole() {
        let refusal = Refusal::new(Reason::BadValue, "scripted");
        let whole = dataset(&[10]).with_reject(3, refusal);
        let between = |resume: Option<u64>, until: Option<u64>, rows| {
            let cursor = |at: u64| Cursor::new(at.to_string());
            let request = ReadRequest::new().with_batch_rows(rows);
            let request = request.between(resume.map(cursor), until.map(cursor));
            let batches: Vec<_> = block_on(whole.read(&Context::new(), request).collect());
            let numbers = |batch: Batch| -> Vec<u64> {
                let rejects = batch.rejects.iter().map(|reject| reject.position.record);
                (0..batch.len())
                    .map(|row| batch.origins.sequence(row))
                    .chain(rejects)
                    .collect()
            };
            let mut all: Vec<u64> = batches
                .into_iter()
                .flat_map(|b| numbers(b.unwrap()))
                .collect();
            all.sort_unstable();
            all
        };
        for rows in 1..6 {
            for start in 0..=10 {
                for end in start..=10 {
                    let expected: Vec<u64> = (start..end).collect();
                    assert_eq!(between(Some(start), Some(end), rows), expected);
                }
                assert_eq!(
                    between(Some(start), None, rows),
                    (start..10).collect::<Vec<_>>()
                );
            }
        }
        for bad in ["11", "page 2", ""] {
            let request = ReadRequest::new().between(Some(Cursor::new(bad)), None);
            let read: Vec<_> = block_on(whole.read(&Context::new(), request).collect());
            assert_eq!(
                read[0].as_ref().unwrap_err().kind(),
                ErrorKind::OtherLineage
            );
        }
    }

    #[test]
    fn a_late_reject_shows_the_whole_record() {
        let dataset = dataset(&[4]);
        let request = ReadRequest::new()
            .with_fields(vec!["n".into()])
            .with_batch_rows(3);
        let batches: Vec<_> = block_on(dataset.read(&Context::new(), request).collect());
        let batch = batches[1].as_ref().unwrap();
        let cells = vec![Some("name 3".into()), Some("3".into())];
        assert_eq!(batch.origins.raw(0), RawRecord::Cells(cells));
        assert_eq!(batch.origins.position(0).to_string(), "numbers#3");
    }

    #[test]
    fn what_it_does_not_have_is_an_error_of_the_stream() {
        let ask = |request| {
            let dataset = dataset(&[2]);
            let batches: Vec<_> = block_on(dataset.read(&Context::new(), request).collect());
            assert_eq!(batches.len(), 1);
            batches[0].as_ref().unwrap_err().kind()
        };
        let unknown = ReadRequest::new().with_fields(vec!["nothing".into()]);
        assert_eq!(ask(unknown), ErrorKind::NotFound);
        assert_eq!(
            ask(ReadRequest::new().with_raw(vec!["n".into()])),
            ErrorKind::Unsupported
        );
    }
}
