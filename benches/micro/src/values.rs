//! Values: parsed, converted, filtered, computed.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, StringViewArray};
use syncline::expr::{Filter, Formula};
use syncline::record::convert::Converter;
use syncline::record::{FieldType, Schema, parse};

use crate::Work;
use crate::data::{spread, usage_batch, usage_fields, usage_texts};

pub(crate) fn parse_integer(rows: usize) -> Work {
    parse_each(usage_texts(rows, "seats"), |text| {
        parse::integer(text).map(|value| value as u64)
    })
}

pub(crate) fn parse_decimal(rows: usize) -> Work {
    parse_each(usage_texts(rows, "mrr"), |text| {
        parse::decimal(text, 12, 2).map(|value| value as u64)
    })
}

pub(crate) fn parse_float(rows: usize) -> Work {
    parse_each(usage_texts(rows, "mrr"), |text| {
        parse::float(text).map(f64::to_bits)
    })
}

pub(crate) fn parse_boolean(rows: usize) -> Work {
    parse_each(usage_texts(rows, "active"), |text| {
        parse::boolean(text).map(u64::from)
    })
}

pub(crate) fn parse_date(rows: usize) -> Work {
    parse_each(front(&usage_texts(rows, "event_ts"), 10), |text| {
        parse::date(text).map(|value| value as u64)
    })
}

pub(crate) fn parse_datetime(rows: usize) -> Work {
    parse_each(usage_texts(rows, "event_ts"), |text| {
        parse::datetime(text).map(|value| value as u64)
    })
}

pub(crate) fn parse_local(rows: usize) -> Work {
    parse_each(front(&usage_texts(rows, "event_ts"), 19), |text| {
        parse::local_datetime(text).map(|value| value as u64)
    })
}

/// What the loop around the parsers costs.
pub(crate) fn walk_cells(rows: usize) -> Work {
    parse_each(usage_texts(rows, "event_ts"), |text| {
        Some(u64::from(*text.last()?) + text.len() as u64)
    })
}

fn parse_each(texts: StringViewArray, parse: impl Fn(&[u8]) -> Option<u64> + 'static) -> Work {
    let bytes = texts.iter().flatten().map(str::len).sum();
    Work::new(texts.len(), bytes, move || {
        let mut sum = 0u64;
        for row in 0..texts.len() {
            if let Some(value) = parse(texts.value(row).as_bytes()) {
                sum = sum.wrapping_add(value);
            }
        }
        sum
    })
}

/// The first characters of each text.
fn front(texts: &StringViewArray, length: usize) -> StringViewArray {
    let cut = |text: &str| text[..length].to_owned();
    texts.iter().map(|text| text.map(cut)).collect()
}

/// Every value has an equal one in the same layout.
pub(crate) fn widen_decimal(rows: usize) -> Work {
    let wider = FieldType::Decimal {
        precision: 14,
        scale: 2,
    };
    convert(column(rows, "mrr"), &field_type("mrr"), &wider, false)
}

pub(crate) fn integer_to_text(rows: usize) -> Work {
    let seats = column(rows, "seats");
    convert(seats, &FieldType::Integer, &FieldType::Text, false)
}

pub(crate) fn text_to_integer(rows: usize) -> Work {
    let seats: ArrayRef = Arc::new(usage_texts(rows, "seats"));
    convert(seats, &FieldType::Text, &FieldType::Integer, false)
}

pub(crate) fn float_to_integer(rows: usize) -> Work {
    let seats: Float64Array = (0..rows.min(8192))
        .map(|row| Some((spread(row as u64) % 5000) as f64))
        .collect();
    convert(
        Arc::new(seats),
        &FieldType::Float,
        &FieldType::Integer,
        false,
    )
}

pub(crate) fn datetime_to_date(rows: usize) -> Work {
    let events = column(rows, "event_ts");
    convert(events, &FieldType::DateTime, &FieldType::Date, true)
}

fn convert(column: ArrayRef, from: &FieldType, to: &FieldType, lossy: bool) -> Work {
    let converter = Converter::new(from, to, lossy).unwrap();
    let bytes = column.get_buffer_memory_size();
    Work::new(column.len(), bytes, move || {
        let converted = converter.convert(&column).unwrap();
        (converted.column.len() + converted.invalid.len()) as u64
    })
}

fn column(rows: usize, name: &str) -> ArrayRef {
    let batch = usage_batch(rows);
    Arc::clone(batch.records.column_by_name(name).unwrap())
}

fn field_type(name: &str) -> FieldType {
    let schema = Schema::new(usage_fields(true));
    schema.field(name).unwrap().field_type.clone()
}

pub(crate) fn filter_boolean(rows: usize) -> Work {
    filter(rows, r#"{"eq": [{"field": "active"}, {"value": true}]}"#)
}

pub(crate) fn filter_integer(rows: usize) -> Work {
    filter(rows, r#"{"gt": [{"field": "seats"}, {"value": 100}]}"#)
}

pub(crate) fn filter_text(rows: usize) -> Work {
    filter(
        rows,
        r#"{"eq": [{"field": "product"}, {"value": "Analytics"}]}"#,
    )
}

fn filter(rows: usize, condition: &str) -> Work {
    let batch = usage_batch(rows);
    let condition = serde_json::from_str(condition).unwrap();
    let schema = Schema::new(usage_fields(true));
    let filter = Filter::compile(&condition, &schema, "filter").unwrap();
    let name = filter.fields().next().unwrap().to_owned();
    let column = batch.records.column_by_name(&name).unwrap();
    let bytes = column.get_buffer_memory_size();
    Work::new(batch.len(), bytes, move || {
        let (keep, refused) = filter.evaluate(&batch.records).unwrap();
        (keep.true_count() + refused.len()) as u64
    })
}

/// The rows that are kept, out of all columns.
pub(crate) fn filter_batch(rows: usize) -> Work {
    let batch = usage_batch(rows);
    let condition = serde_json::from_str(r#"{"field": "active"}"#).unwrap();
    let schema = Schema::new(usage_fields(true));
    let filter = Filter::compile(&condition, &schema, "filter").unwrap();
    let (keep, _) = filter.evaluate(&batch.records).unwrap();
    let bytes = batch.records.get_array_memory_size();
    Work::new(batch.len(), bytes, move || {
        batch.clone().filter(&keep).unwrap().len() as u64
    })
}

pub(crate) fn multiply(rows: usize) -> Work {
    formula(
        rows,
        "mrr",
        r#"{"multiply": [{"field": "mrr"}, {"value": 12}]}"#,
    )
}

pub(crate) fn utc_day(rows: usize) -> Work {
    formula(rows, "event_ts", r#"{"utc_day": {"field": "event_ts"}}"#)
}

pub(crate) fn concat(rows: usize) -> Work {
    let parts = r#"{"concat": [{"field": "product"}, {"value": "/"}, {"field": "seats"}]}"#;
    formula(rows, "product", parts)
}

fn formula(rows: usize, column: &str, expression: &str) -> Work {
    let batch = usage_batch(rows);
    let expression = serde_json::from_str(expression).unwrap();
    let schema = Schema::new(usage_fields(true));
    let formula = Formula::compile(&expression, &schema, "formula").unwrap();
    let column = batch.records.column_by_name(column).unwrap();
    let bytes = column.get_buffer_memory_size();
    Work::new(batch.len(), bytes, move || {
        let evaluated = formula.evaluate(&batch.records).unwrap();
        (evaluated.column.len() + evaluated.refused.len()) as u64
    })
}
