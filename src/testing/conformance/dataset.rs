//! What is asked of a dataset.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{Array as _, Date32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use futures::StreamExt as _;

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, reached, same};
use super::{Capability, Fixture, Suite};
use crate::Result;
use crate::dataset::{Dataset, ReadBounds, ReadRequest};
use crate::host::{Context, Inline, ThreadPool};
use crate::record::{Cursor, CursorValue, RawRecord, Reject, RowOp, Schema, format};

/// A dataset of a few records, at least three and at most some hundred: it is read from every cursor on.
pub struct DatasetFixture {
    open: Box<dyn Fn() -> Arc<dyn Dataset> + Send + Sync>,
    cursor_field: Option<String>,
    records: Option<RecordBatch>,
}

opaque!(DatasetFixture);

impl DatasetFixture {
    /// `open` gives the dataset, each time as if nobody had read it.
    pub fn new(open: impl Fn() -> Arc<dyn Dataset> + Send + Sync + 'static) -> Self {
        DatasetFixture {
            open: Box::new(open),
            cursor_field: None,
            records: None,
        }
    }

    /// The same, with the field that tells how new a record is.
    #[must_use]
    pub fn by(mut self, cursor_field: impl Into<String>) -> Self {
        self.cursor_field = Some(cursor_field.into());
        self
    }

    /// The same, of which exactly these records must come. [`fidelity`](super::fidelity) has records worth putting there.
    #[must_use]
    pub fn holding(mut self, records: RecordBatch) -> Self {
        self.records = Some(records);
        self
    }
}

#[async_trait]
impl Fixture for DatasetFixture {
    fn subject(&self) -> String {
        (self.open)().info().name.clone()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let dataset = (self.open)();
        let info = dataset.info();
        let declared = [
            (info.resumable, Capability::Resumes),
            (info.raw_text, Capability::RawText),
            (info.bounded, Capability::Bounds),
            (self.cursor_field.is_some(), Capability::CursorField),
            (self.records.is_some(), Capability::KnownRecords),
        ];
        let declared = declared.into_iter().filter(|(declares, _)| *declares);
        Ok(declared.map(|(_, capability)| capability).collect())
    }
}

/// The contract of a [`Dataset`].
pub static DATASET: Suite<DatasetFixture> = Suite {
    name: "dataset",
    clauses: &[
        clause!(
            "DS-01",
            None,
            "A batch has the asked fields in the asked order and the schema's types, one origin and operation for each row, and no more rows than were asked for.",
            "What is mapped by position would land in another field.",
            shape
        ),
        clause!(
            "DS-02",
            None,
            "Records, rejects and positions are the same for any batch size and any number of threads, whenever they are read.",
            "A job would write something else on another machine.",
            same_however_read
        ),
        clause!(
            "DS-03",
            None,
            "Record numbers grow from row to row and from reject to reject, and no record is both.",
            "The last row of a key wins; without order it would be any.",
            numbers_grow
        ),
        clause!(
            "DS-04",
            None,
            "Each row shows its record: the position tells its number, and the cells are those of all columns.",
            "A record that is refused late could not be found and mended.",
            origins
        ),
        clause!(
            "DS-05",
            Some(Capability::Resumes),
            "From every cursor on, a read gives exactly the rest: rows, origins and rejects. The last batch has a cursor.",
            "A run that goes on would lose records, or write them twice.",
            resumes_everywhere
        ),
        clause!(
            "DS-06",
            Some(Capability::Resumes),
            "A read up to a cursor gives exactly what stands in front of it, also from another cursor on.",
            "A commit group that comes again must end where it ended, or its end is written twice.",
            ends_everywhere
        ),
        clause!(
            "DS-07",
            Some(Capability::Resumes),
            "A cursor that is none of the dataset's is an error, and nothing is read.",
            "A full read that nobody asked for, or a gap that nobody sees.",
            foreign_cursor
        ),
        clause!(
            "DS-08",
            None,
            "Of fewer fields, in any order, the values are the same; a field that there is not is an error, and the read ends with it.",
            "A job that maps less would read other records.",
            projection
        ),
        clause!(
            "DS-09",
            Some(Capability::RawText),
            "A column asked for raw is text, and has one where the value has one; its bad values reject no record.",
            "A mapping that reads text its own way would never see what it is there for.",
            raw_text
        ),
        clause!(
            "DS-10",
            Some(Capability::Bounds),
            "A read within bounds leaves out no record whose value is from the lower bound on and below the upper one.",
            "What is left out at a bound is left out for good: the watermark passes it.",
            bounds
        ),
        clause!(
            "DS-11",
            Some(Capability::CursorField),
            "The source's time is of the cursor field's type and does not go back.",
            "The watermark would be compared with a value that has no order to it.",
            upper_bound
        ),
        clause!(
            "DS-12",
            Some(Capability::Resumes),
            "A cursor may be acknowledged again and again, and what stands behind it is still read.",
            "A run that breaks off behind an acknowledgement repeats it, and goes on there.",
            acknowledged
        ),
        clause!(
            "DS-13",
            Some(Capability::KnownRecords),
            "The records are exactly those that the source holds, to the last bit.",
            "Values that change on the way are the worst loss: nobody is told.",
            known_records
        ),
    ],
};

/// Everything that a read gave.
#[derive(Debug, Clone)]
struct Whole {
    records: RecordBatch,
    sequences: Vec<u64>,
    positions: Vec<String>,
    raws: Vec<RawRecord>,
    ops: Vec<RowOp>,
    rejects: Vec<Reject>,
    /// The rows and rejects in front of each cursor.
    marks: Vec<(usize, usize, Cursor)>,
    /// Whether the last batch had a cursor.
    ends_marked: bool,
}

type Found<T> = std::result::Result<T, Finding>;

async fn read(context: &Context, dataset: &dyn Dataset, request: ReadRequest) -> Result<Whole> {
    let wanted = request.fields.clone();
    let mut stream = dataset.read(context, request);
    let mut batches = Vec::new();
    let (mut sequences, mut positions, mut raws) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ops, mut rejects, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    let mut ends_marked = true;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        for row in 0..batch.len().min(batch.origins.len()) {
            sequences.push(batch.origins.sequence(row));
            positions.push(batch.origins.position(row).to_string());
            raws.push(batch.origins.raw(row));
        }
        ops.extend(
            batch
                .ops
                .unwrap_or_else(|| vec![RowOp::Upsert; batch.records.num_rows()]),
        );
        rejects.extend(batch.rejects);
        ends_marked = batch.resume.is_some();
        marks.extend(
            batch
                .resume
                .map(|cursor| (sequences.len(), rejects.len(), cursor)),
        );
        batches.push(batch.records);
    }
    let schema = match batches.first() {
        Some(first) => first.schema(),
        None => Arc::clone(projected(dataset.schema(), wanted.as_deref()).arrow()),
    };
    Ok(Whole {
        records: concat_batches(&schema, &batches)?,
        sequences,
        positions,
        raws,
        ops,
        rejects,
        marks,
        ends_marked,
    })
}

/// The fields of these names; unknown ones are left out.
fn projected(schema: &Schema, names: Option<&[String]>) -> Schema {
    match names {
        None => schema.clone(),
        Some(names) => {
            let fields = names.iter().filter_map(|name| schema.field(name).cloned());
            Schema::new(fields.collect::<Vec<_>>())
        }
    }
}

impl Whole {
    fn len(&self) -> usize {
        self.sequences.len()
    }

    /// The rows and rejects between two marks must be those of another read.
    fn stretch_is(
        &self,
        what: &str,
        from: (usize, usize),
        to: (usize, usize),
        is: &Whole,
    ) -> Checked {
        let (rows, rejects) = (from.0..to.0, from.1..to.1);
        fn part<'a, T>(all: &'a [T], range: &std::ops::Range<usize>) -> &'a [T] {
            all.get(range.clone()).unwrap_or_default()
        }
        same(
            &format!("{what}: record numbers"),
            &is.sequences.as_slice(),
            &part(&self.sequences, &rows),
        )?;
        same(
            &format!("{what}: positions"),
            &is.positions.as_slice(),
            &part(&self.positions, &rows),
        )?;
        same(
            &format!("{what}: operations"),
            &is.ops.as_slice(),
            &part(&self.ops, &rows),
        )?;
        must(is.raws == part(&self.raws, &rows), || {
            format!("{what}: other records as read")
        })?;
        same(
            &format!("{what}: rejects"),
            &is.rejects.as_slice(),
            &part(&self.rejects, &rejects),
        )?;
        let records = self.records.slice(rows.start, rows.len());
        must(is.records == records, || format!("{what}: other values"))
    }

    fn is(&self, what: &str, other: &Whole) -> Checked {
        self.stretch_is(what, (0, 0), (self.len(), self.rejects.len()), other)
    }
}

/// The whole of a dataset that has enough records to see something.
async fn whole(context: &Context, fixture: &DatasetFixture, batch_rows: usize) -> Found<Whole> {
    let dataset = (fixture.open)();
    let whole = read(
        context,
        &*dataset,
        ReadRequest::new().with_batch_rows(batch_rows),
    )
    .await?;
    reached(whole.len() >= 3, || {
        format!(
            "{} records are too few to see anything: have three at least",
            whole.len()
        )
    })?;
    Ok(whole)
}

async fn shape(context: &Context, fixture: &DatasetFixture) -> Checked {
    let dataset = (fixture.open)();
    let names: Vec<String> = (dataset.schema().fields().iter())
        .map(|f| f.name.clone())
        .collect();
    let backwards = names.iter().rev().cloned().collect::<Vec<_>>();
    for (fields, rows) in [
        (None, 2),
        (Some(names.clone()), 1),
        (Some(backwards), 3),
        (Some(Vec::new()), 2),
    ] {
        let expected = projected(dataset.schema(), fields.as_deref());
        let mut request = ReadRequest::new().with_batch_rows(rows);
        request.fields = fields.clone();
        let mut batches = dataset.read(context, request);
        let mut seen = 0;
        while let Some(batch) = batches.next().await {
            let batch = batch.or_broken("a read")?;
            let columns = batch.records.schema();
            let is: Vec<_> = (columns.fields().iter())
                .map(|f| (f.name(), f.data_type()))
                .collect();
            let arrow = expected.arrow().fields().iter();
            let expected: Vec<_> = arrow.map(|f| (f.name(), f.data_type())).collect();
            same("the columns of a batch", &is, &expected)?;
            same("the origins of a batch", &batch.origins.len(), &batch.len())?;
            let ops = batch.ops.as_ref().map_or(batch.len(), Vec::len);
            same("the operations of a batch", &ops, &batch.len())?;
            must(batch.len() <= rows, || {
                format!("{} rows in a batch of {rows}", batch.len())
            })?;
            let deletes = (batch.ops.iter().flatten()).any(|op| *op == RowOp::Delete);
            must(!deletes || dataset.info().tells_deletes, || {
                "a delete of a dataset that declares none".into()
            })?;
            seen += batch.len();
        }
        reached(seen >= 3, || {
            format!("{seen} records are too few to see anything")
        })?;
    }
    Ok(())
}

async fn same_however_read(context: &Context, fixture: &DatasetFixture) -> Checked {
    let first = whole(context, fixture, 1_000).await?;
    let alone = context.clone().with_executor(Arc::new(Inline));
    let threads = context.clone().with_executor(Arc::new(ThreadPool::new(3)?));
    for (context, who) in [(&alone, "one thread"), (&threads, "three threads")] {
        for rows in [1, 2, 3, 7, 8_192] {
            let again = whole(context, fixture, rows).await?;
            first.is(&format!("on {who}, in batches of {rows}"), &again)?;
        }
    }
    Ok(())
}

async fn numbers_grow(context: &Context, fixture: &DatasetFixture) -> Checked {
    let whole = whole(context, fixture, 2).await?;
    let refused: Vec<u64> = whole
        .rejects
        .iter()
        .map(|reject| reject.position.record)
        .collect();
    for (what, numbers) in [("rows", &whole.sequences), ("rejects", &refused)] {
        must(numbers.is_sorted_by(|a, b| a < b), || {
            format!("the numbers of the {what}: {numbers:?}")
        })?;
    }
    let both = refused
        .iter()
        .find(|number| whole.sequences.contains(number));
    must(both.is_none(), || {
        format!("record {both:?} is a row and a reject")
    })
}

async fn origins(context: &Context, fixture: &DatasetFixture) -> Checked {
    let dataset = (fixture.open)();
    let columns = dataset.info().columns.len();
    let mut batches = dataset.read(context, ReadRequest::new().with_batch_rows(2));
    let mut seen = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        for row in 0..batch.len().min(batch.origins.len()) {
            let (position, number) = (batch.origins.position(row), batch.origins.sequence(row));
            same("the number in a position", &position.record, &number)?;
            if let RawRecord::Cells(cells) = batch.origins.raw(row) {
                same("the cells of a record", &cells.len(), &columns)?;
            }
            seen += 1;
        }
        for reject in &batch.rejects {
            if let (RawRecord::Cells(cells), true) = (&reject.raw, fixture.records.is_some()) {
                same("the cells of a reject", &cells.len(), &columns)?;
            }
        }
    }
    reached(seen >= 3, || {
        format!("{seen} records are too few to see anything")
    })
}

async fn resumes_everywhere(context: &Context, fixture: &DatasetFixture) -> Checked {
    for rows in [1, 2, 3] {
        let whole = whole(context, fixture, rows).await?;
        must(whole.ends_marked, || "the last batch has no cursor".into())?;
        let end = (whole.len(), whole.rejects.len());
        for (nth, (row, reject, cursor)) in whole.marks.iter().enumerate() {
            // The one who goes on may have other batches.
            for batch_rows in [rows, 1_000] {
                let request = ReadRequest::new().with_batch_rows(batch_rows);
                let request = request.between(Some(cursor.clone()), None);
                let what = format!("from cursor {nth} of batches of {rows} on");
                let rest = read(context, &*(fixture.open)(), request)
                    .await
                    .or_broken(&what)?;
                whole.stretch_is(&what, (*row, *reject), end, &rest)?;
            }
        }
    }
    Ok(())
}

async fn ends_everywhere(context: &Context, fixture: &DatasetFixture) -> Checked {
    let whole = whole(context, fixture, 2).await?;
    reached(whole.marks.len() >= 2, || "there are no two cursors".into())?;
    for (nth, (row, reject, until)) in whole.marks.iter().enumerate() {
        let fronts = whole.marks.get(..nth).unwrap_or_default();
        let starts = fronts
            .iter()
            .map(|(row, reject, from)| ((*row, *reject), Some(from.clone())));
        for (start, from) in std::iter::once(((0, 0), None)).chain(starts) {
            for batch_rows in [1, 1_000] {
                let request = ReadRequest::new().with_batch_rows(batch_rows);
                let request = request.between(from.clone(), Some(until.clone()));
                let what = format!("from {from:?} up to cursor {nth}");
                let front = read(context, &*(fixture.open)(), request)
                    .await
                    .or_broken(&what)?;
                whole.stretch_is(&what, start, (*row, *reject), &front)?;
            }
        }
    }
    Ok(())
}

async fn foreign_cursor(context: &Context, fixture: &DatasetFixture) -> Checked {
    let dataset = (fixture.open)();
    let foreign = Cursor::new("no cursor of any source");
    let request = ReadRequest::new().between(Some(foreign), None);
    match dataset.read(context, request).next().await {
        Some(Err(_)) => Ok(()),
        Some(Ok(_)) => Err(Finding::Broken("it was read on from there".into())),
        None => Err(Finding::Broken(
            "the read ended as if all had been read".into(),
        )),
    }
}

async fn projection(context: &Context, fixture: &DatasetFixture) -> Checked {
    let (all, dataset) = (whole(context, fixture, 1_000).await?, (fixture.open)());
    let names: Vec<&String> = dataset.schema().fields().iter().map(|f| &f.name).collect();
    let mut choices: Vec<Vec<&String>> = names.iter().map(|name| vec![*name]).collect();
    choices.push(names.iter().rev().copied().collect());
    choices.push(names.iter().rev().step_by(2).copied().collect());
    for fields in choices {
        let request =
            ReadRequest::new().with_fields(fields.iter().map(|f| f.to_string()).collect());
        let part = read(context, &*dataset, request)
            .await
            .or_broken("a read of fewer fields")?;
        // Records with a bad value elsewhere may come too.
        let known = |sequence| {
            part.sequences
                .iter()
                .position(|is| is == sequence)
                .map(|row| row as u32)
        };
        let rows: Vec<Option<u32>> = all.sequences.iter().map(known).collect();
        let missing = rows.iter().position(Option::is_none);
        must(missing.is_none(), || {
            format!("of {fields:?}: row {missing:?} is missing")
        })?;
        let rows: arrow_array::UInt32Array = rows.into_iter().collect();
        for field in fields {
            let (Some(is), Some(expected)) = (
                part.records.column_by_name(field),
                all.records.column_by_name(field),
            ) else {
                return Err(Finding::Broken(format!("there is no column {field:?}")));
            };
            let is = arrow_select::take::take(is, &rows, None)?;
            must(is.as_ref() == expected.as_ref(), || {
                format!("{field:?} has other values")
            })?;
        }
    }
    let unknown = ReadRequest::new().with_fields(vec!["no field of any source".into()]);
    let mut batches = dataset.read(context, unknown);
    let first = batches.next().await;
    must(matches!(first, Some(Err(_))), || {
        "a field that there is not is no error".into()
    })?;
    must(batches.next().await.is_none(), || {
        "a read goes on behind an error".into()
    })
}

async fn raw_text(context: &Context, fixture: &DatasetFixture) -> Checked {
    let (all, dataset) = (whole(context, fixture, 1_000).await?, (fixture.open)());
    for field in dataset.schema().fields() {
        let request = ReadRequest::new().with_fields(vec![field.name.clone()]);
        let request = request.with_raw(vec![field.name.clone()]);
        let raw = read(context, &*dataset, request)
            .await
            .or_broken("a read of raw text")?;
        let column = raw.records.column(0);
        same(
            "the type of a raw column",
            column.data_type(),
            &DataType::Utf8View,
        )?;
        let bad = raw
            .rejects
            .iter()
            .find(|reject| reject.refusal.reason == crate::record::Reason::BadValue);
        must(bad.is_none(), || {
            format!("{:?} rejects a record for a bad value", field.name)
        })?;
        let Some(values) = all.records.column_by_name(&field.name) else {
            continue;
        };
        for (row, sequence) in all.sequences.iter().enumerate() {
            let found = raw.sequences.iter().position(|is| is == sequence);
            let has_text = found.is_some_and(|row| column.is_valid(row));
            must(has_text || values.is_null(row), || {
                format!("{:?} has a value and no text in row {row}", field.name)
            })?;
        }
    }
    Ok(())
}

/// The values of a cursor field; `None` if it is of another type.
fn cursor_values(records: &RecordBatch, field: &str) -> Option<Vec<Option<CursorValue>>> {
    let column = records.column_by_name(field)?;
    let any = column.as_any();
    let value = |row: usize| {
        if let Some(column) = any.downcast_ref::<Int64Array>() {
            return Some(CursorValue::Integer(column.value(row)));
        }
        if let Some(column) = any.downcast_ref::<Date32Array>() {
            let day = DateTime::UNIX_EPOCH + TimeDelta::days(column.value(row).into());
            return Some(CursorValue::Date(day.date_naive()));
        }
        let column = any.downcast_ref::<TimestampMicrosecondArray>()?;
        let instant = DateTime::from_timestamp_micros(column.value(row));
        column.timezone().and(instant).map(CursorValue::DateTime)
    };
    let rows = 0..column.len();
    rows.map(|row| match column.is_null(row) {
        true => Some(None),
        false => value(row).map(Some),
    })
    .collect()
}

/// A row as texts, to be found again.
fn texts(records: &RecordBatch, row: usize) -> Vec<Option<Vec<u8>>> {
    let text = |column: &Arc<dyn arrow_array::Array>| {
        let mut text = Vec::new();
        format::value(column, row, &mut text).then_some(text)
    };
    records.columns().iter().map(text).collect()
}

async fn bounds(context: &Context, fixture: &DatasetFixture) -> Checked {
    let (all, dataset) = (whole(context, fixture, 1_000).await?, (fixture.open)());
    let Some(field) = &fixture.cursor_field else {
        return Err(Finding::NotReached(
            "the fixture names no cursor field".into(),
        ));
    };
    let Some(values) = cursor_values(&all.records, field) else {
        return Err(Finding::NotReached(format!("{field:?} is no cursor field")));
    };
    let mut ends: Vec<Option<CursorValue>> = values.clone();
    ends.push(None);
    for from in &ends {
        for to in &ends {
            let bounds = ReadBounds::new(field).between(*from, *to);
            let request = ReadRequest::new().with_batch_rows(2).within(Some(bounds));
            let part = read(context, &*dataset, request)
                .await
                .or_broken("a bounded read")?;
            let mut given: Vec<_> = (0..part.len())
                .map(|row| texts(&part.records, row))
                .collect();
            for (row, value) in values.iter().enumerate() {
                let within = value.is_none_or(|value| {
                    from.is_none_or(|from| value >= from) && to.is_none_or(|to| value < to)
                });
                let wanted = texts(&all.records, row);
                let found = given.iter().position(|given| *given == wanted);
                must(found.is_some() || !within, || {
                    format!("from {from:?} to {to:?}: a record of {value:?} is left out")
                })?;
                found.map(|found| given.swap_remove(found));
            }
        }
    }
    Ok(())
}

async fn upper_bound(context: &Context, fixture: &DatasetFixture) -> Checked {
    let (all, dataset) = (whole(context, fixture, 1_000).await?, (fixture.open)());
    let field = fixture.cursor_field.as_deref().unwrap_or_default();
    let values = cursor_values(&all.records, field).unwrap_or_default();
    let Some(known) = values.into_iter().flatten().next() else {
        return Err(Finding::NotReached(format!(
            "{field:?} has no value to compare with"
        )));
    };
    let mut last: Option<CursorValue> = None;
    for _ in 0..3 {
        let now = dataset
            .upper_bound(context, field)
            .await
            .or_broken("the source's time")?;
        let Some(now) = now else {
            // It has no clock, and says so.
            return must(last.is_none(), || {
                "the source's time is told once and not again".into()
            });
        };
        must(now.partial_cmp(&known).is_some(), || {
            format!("{now:?} has no order to {known:?}")
        })?;
        must(last.is_none_or(|last| now >= last), || {
            format!("{now:?} behind {last:?}")
        })?;
        last = Some(now);
    }
    Ok(())
}

async fn acknowledged(context: &Context, fixture: &DatasetFixture) -> Checked {
    let dataset = (fixture.open)();
    let request = || ReadRequest::new().with_batch_rows(2);
    let whole = read(context, &*dataset, request()).await?;
    reached(whole.marks.len() >= 2, || "there are no two cursors".into())?;
    let end = (whole.len(), whole.rejects.len());
    for (nth, (row, reject, cursor)) in whole.marks.iter().enumerate() {
        for _ in 0..2 {
            dataset
                .acknowledge(context, cursor)
                .await
                .or_broken("acknowledge")?;
        }
        let request = request().between(Some(cursor.clone()), None);
        let what = format!("behind acknowledged cursor {nth}");
        let rest = read(context, &*dataset, request).await.or_broken(&what)?;
        whole.stretch_is(&what, (*row, *reject), end, &rest)?;
    }
    Ok(())
}

async fn known_records(context: &Context, fixture: &DatasetFixture) -> Checked {
    let whole = whole(context, fixture, 3).await?;
    let Some(expected) = &fixture.records else {
        return Err(Finding::NotReached("the fixture has no records".into()));
    };
    same("the number of records", &whole.len(), &expected.num_rows())?;
    same("rejects", &whole.rejects.len(), &0)?;
    for (field, expected) in expected.schema().fields().iter().zip(expected.columns()) {
        let Some(is) = whole.records.column_by_name(field.name()) else {
            return Err(Finding::Broken(format!(
                "there is no field {:?}",
                field.name()
            )));
        };
        let other = (0..expected.len()).find(|&row| is.slice(row, 1) != expected.slice(row, 1));
        must(other.is_none(), || {
            format!("{:?} has another value in row {other:?}", field.name())
        })?;
    }
    Ok(())
}
