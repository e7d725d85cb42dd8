//! Reads within bounds, and the source's time.

use std::sync::Arc;

use arrow_array::{Array, Date32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use chrono::{DateTime, TimeDelta};

use super::super::clause::{Checked, Finding, OrBroken as _, must};
use super::DatasetFixture;
use super::read::{read, whole};
use crate::dataset::{ReadBounds, ReadRequest};
use crate::host::Context;
use crate::record::{CursorValue, format};

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
    let text = |column: &Arc<dyn Array>| {
        let mut text = Vec::new();
        format::value(column, row, &mut text).then_some(text)
    };
    records.columns().iter().map(text).collect()
}

pub(super) async fn bounds(context: &Context, fixture: &DatasetFixture) -> Checked {
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

pub(super) async fn upper_bound(context: &Context, fixture: &DatasetFixture) -> Checked {
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
            return Err(Finding::Broken("the source does not tell its time".into()));
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
