//! Everything that a read gives, to be compared.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use futures::StreamExt as _;

use super::super::clause::{Checked, Finding, must, reached, same};
use super::DatasetFixture;
use crate::Result;
use crate::dataset::{Dataset, ReadRequest};
use crate::host::Context;
use crate::record::{Cursor, RawRecord, Reject, RowOp, Schema};

/// Everything that a read gave.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) records: RecordBatch,
    pub(super) sequences: Vec<u64>,
    pub(super) positions: Vec<String>,
    pub(super) raws: Vec<RawRecord>,
    pub(super) ops: Vec<RowOp>,
    pub(super) rejects: Vec<Reject>,
    /// The rows and rejects in front of each cursor.
    pub(super) marks: Vec<(usize, usize, Cursor)>,
    /// Whether the last batch had a cursor.
    pub(super) ends_marked: bool,
}

type Found<T> = std::result::Result<T, Finding>;

pub(super) async fn read(
    context: &Context,
    dataset: &dyn Dataset,
    request: ReadRequest,
) -> Result<Whole> {
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
pub(super) fn projected(schema: &Schema, names: Option<&[String]>) -> Schema {
    match names {
        None => schema.clone(),
        Some(names) => {
            let fields = names.iter().filter_map(|name| schema.field(name).cloned());
            Schema::new(fields.collect::<Vec<_>>())
        }
    }
}

impl Whole {
    pub(super) fn len(&self) -> usize {
        self.sequences.len()
    }

    /// The rows and rejects between two marks must be those of another read.
    pub(super) fn stretch_is(
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

    pub(super) fn is(&self, what: &str, other: &Whole) -> Checked {
        self.stretch_is(what, (0, 0), (self.len(), self.rejects.len()), other)
    }
}

/// The whole of a dataset that has enough records to see something.
pub(super) async fn whole(
    context: &Context,
    fixture: &DatasetFixture,
    batch_rows: usize,
) -> Found<Whole> {
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
