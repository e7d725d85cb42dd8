//! A writer under trial, and its rows: a key and a value for each, as numbers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::{Array, ArrayRef, RecordBatch};

use super::super::clause::{Checked, Finding, same};
use super::super::corpus::numbered;
use super::DestinationFixture;
use crate::destination::{
    Checkpoint, CommitRequest, OpenRequest, RowOutcome, WriteField, WriteReport, Writer,
};
use crate::host::Context;
use crate::record::{Batch, Reason, RowsAsRead, Schema, format};
use crate::spec::WriteMode;

pub(super) type Found<T> = Result<T, Finding>;

/// Key and value of a row.
pub(super) type Row = (Option<u32>, Option<u32>);

/// A row with both.
pub(super) fn row(key: u32, value: u32) -> Row {
    (Some(key), Some(value))
}

/// What became of a row, or why it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Inserted,
    /// `Updated` or `Unchanged`.
    Updated,
    Skipped,
    Refused(Reason),
    /// In place of the row of this sequence.
    Replaced(u64),
    Other,
}

impl DestinationFixture {
    /// A column of numbers, in the type of a field.
    pub(super) fn column(&self, field: &str, numbers: &[Option<u32>]) -> Found<ArrayRef> {
        let known = self.destination.schema().field(field);
        let column = known.and_then(|field| numbered(&field.field_type, numbers));
        column.ok_or_else(|| {
            let why =
                format!("{field:?} is no field with many values: name another in the fixture");
            Finding::NotReached(why)
        })
    }

    /// Key and value, always written.
    pub(super) fn both(&self) -> Vec<WriteField> {
        vec![WriteField::new(&self.key), WriteField::new(&self.value)]
    }

    /// A writer of a job that has not written yet.
    pub(super) fn request(&self, mode: WriteMode) -> OpenRequest {
        let job = self.jobs.fetch_add(1, Ordering::Relaxed);
        OpenRequest::new(format!("job {job}"), self.both(), mode)
    }

    pub(super) fn upsert(&self) -> WriteMode {
        WriteMode::upsert([self.key.as_str()])
    }

    pub(super) fn update(&self) -> WriteMode {
        WriteMode::update([self.key.as_str()])
    }

    pub(super) async fn open<'a>(
        &'a self,
        context: &'a Context,
        request: OpenRequest,
    ) -> Found<Run<'a>> {
        let opened = self.destination.open(context, request).await?;
        Ok(Run {
            fixture: self,
            context,
            writer: opened.writer,
            checkpoint: opened.checkpoint,
            next: 0,
            group: 1,
        })
    }

    /// The texts of a column.
    fn texts(column: &dyn Array) -> Vec<Option<String>> {
        let text = |row| {
            let mut text = Vec::new();
            let has = format::value(column, row, &mut text);
            has.then(|| String::from_utf8_lossy(&text).into_owned())
        };
        (0..column.len()).map(text).collect()
    }

    pub(super) async fn read(&self) -> Found<Vec<RecordBatch>> {
        Ok((self.read_back)().await?)
    }

    /// What is there for others must be these rows, in any order.
    pub(super) async fn holds(&self, what: &str, rows: &[Row]) -> Checked {
        let mut is = Vec::new();
        for batch in self.read().await? {
            let column = |name: &str| {
                let missing =
                    || Finding::NotReached(format!("`read_back` gives no column {name:?}"));
                batch.column_by_name(name).ok_or_else(missing)
            };
            let keys = Self::texts(column(&self.key)?.as_ref());
            is.extend(
                keys.into_iter()
                    .zip(Self::texts(column(&self.value)?.as_ref())),
            );
        }
        let keys: Vec<_> = rows.iter().map(|row| row.0).collect();
        let values: Vec<_> = rows.iter().map(|row| row.1).collect();
        let keys = Self::texts(self.column(&self.key, &keys)?.as_ref());
        let values = Self::texts(self.column(&self.value, &values)?.as_ref());
        let mut expected: Vec<_> = keys.into_iter().zip(values).collect();
        is.sort_unstable();
        expected.sort_unstable();
        same(&format!("the records {what}"), &is, &expected)
    }
}

/// A writer, and where its source stands.
pub(super) struct Run<'a> {
    pub(super) fixture: &'a DestinationFixture,
    context: &'a Context,
    pub(super) writer: Box<dyn Writer>,
    pub(super) checkpoint: Option<Checkpoint>,
    /// The sequence of the next row.
    pub(super) next: u64,
    pub(super) group: u64,
}

/// A batch of columns by name, whose rows have sequences from `first` on.
pub(super) fn batch(columns: Vec<(&str, ArrayRef)>, first: u64) -> Found<Batch> {
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name, column, true));
    let records = RecordBatch::try_from_iter_with_nullable(columns)?;
    let origins = RowsAsRead::new("conformance", first, records.clone()).into_origins();
    Ok(Batch::new(records, origins))
}

impl Run<'_> {
    pub(super) fn batch(&mut self, rows: &[Row]) -> Found<Batch> {
        let keys: Vec<_> = rows.iter().map(|row| row.0).collect();
        let values: Vec<_> = rows.iter().map(|row| row.1).collect();
        let fixture = self.fixture;
        let columns = vec![
            (fixture.key.as_str(), fixture.column(&fixture.key, &keys)?),
            (
                fixture.value.as_str(),
                fixture.column(&fixture.value, &values)?,
            ),
        ];
        let first = self.next;
        self.next += rows.len() as u64;
        batch(columns, first)
    }

    /// Writes a batch; an error is not what is looked at.
    pub(super) async fn send(&mut self, batch: Batch) -> Found<WriteReport> {
        Ok(self.writer.write(self.context, batch).await?)
    }

    pub(super) async fn write(&mut self, rows: &[Row]) -> Found<Vec<Fate>> {
        let batch = self.batch(rows)?;
        fates(&self.send(batch).await?, rows.len())
    }

    /// Writes rows that must meet these fates.
    pub(super) async fn writes(&mut self, what: &str, rows: &[Row], expected: &[Fate]) -> Checked {
        let fates = self.write(rows).await?;
        same(
            &format!("the outcomes {what}"),
            &fates.as_slice(),
            &expected,
        )
    }

    /// The commit of a group that is not looked at.
    pub(super) async fn commit(&mut self, last: bool) -> Checked {
        let mut request = CommitRequest::new(self.group);
        request.last = last;
        self.group += 1;
        self.writer.commit(self.context, request).await?;
        Ok(())
    }

    /// The row's own schema is not the destination's: keep what a batch needs of it.
    pub(super) fn object(&self) -> (&str, &Schema) {
        let destination = &self.fixture.destination;
        (&destination.info().name, destination.schema())
    }
}

/// The fates of rows; a report that does not answer for each breaks the clause.
pub(super) fn fates(report: &WriteReport, rows: usize) -> Found<Vec<Fate>> {
    same("the number of outcomes", &report.outcomes.len(), &rows)?;
    let (mut refusals, mut replaced) = (report.refusals.iter(), report.replaced.iter());
    let mut fates = Vec::with_capacity(rows);
    for (row, outcome) in report.outcomes.iter().enumerate() {
        let told =
            |number: Option<&u32>| same("the row of an answer", &number, &Some(&(row as u32)));
        fates.push(match outcome {
            RowOutcome::Inserted => Fate::Inserted,
            RowOutcome::Updated | RowOutcome::Unchanged => Fate::Updated,
            RowOutcome::Skipped => Fate::Skipped,
            RowOutcome::Rejected => {
                let refusal = refusals.next();
                told(refusal.map(|(row, _)| row))?;
                refusal.map_or(Fate::Other, |(_, refusal)| Fate::Refused(refusal.reason))
            }
            RowOutcome::Replaced => {
                let earlier = replaced.next();
                told(earlier.map(|(row, _)| row))?;
                earlier.map_or(Fate::Other, |(_, sequence)| Fate::Replaced(*sequence))
            }
            RowOutcome::Deleted => Fate::Other,
        });
    }
    let more = refusals.len() + replaced.len();
    same("answers for rows that have none", &more, &0)?;
    Ok(fates)
}

/// A column as a batch has it.
pub(super) fn shared(column: &ArrayRef) -> ArrayRef {
    Arc::clone(column)
}
