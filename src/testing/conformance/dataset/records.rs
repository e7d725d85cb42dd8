//! Records, in whatever way they are read.

use std::sync::Arc;

use arrow_array::{Array as _, UInt32Array};
use arrow_schema::DataType;
use futures::StreamExt as _;

use super::super::clause::{Checked, Finding, OrBroken as _, must, reached, same};
use super::DatasetFixture;
use super::read::{projected, read, whole};
use crate::dataset::ReadRequest;
use crate::host::{Context, Inline, ThreadPool};
use crate::record::{RawRecord, Reason, RowOp};

pub(super) async fn shape(context: &Context, fixture: &DatasetFixture) -> Checked {
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

pub(super) async fn same_however_read(context: &Context, fixture: &DatasetFixture) -> Checked {
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

pub(super) async fn numbers_grow(context: &Context, fixture: &DatasetFixture) -> Checked {
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

pub(super) async fn origins(context: &Context, fixture: &DatasetFixture) -> Checked {
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

pub(super) async fn projection(context: &Context, fixture: &DatasetFixture) -> Checked {
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
        let rows: UInt32Array = rows.into_iter().collect();
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

pub(super) async fn raw_text(context: &Context, fixture: &DatasetFixture) -> Checked {
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
            .find(|reject| reject.refusal.reason == Reason::BadValue);
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

pub(super) async fn known_records(context: &Context, fixture: &DatasetFixture) -> Checked {
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
