//! Expressions over one schema, with rows given as texts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod functions;
mod numbers;
mod properties;
mod reference;
mod times;
mod types;
mod values;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StringViewArray};

use super::Formula;
use crate::Problem;
use crate::record::convert::Converter;
use crate::record::{Field, FieldType, Schema, format};
use crate::spec::Expr;

/// One field of every kind that expressions tell apart.
fn schema() -> Schema {
    let lookup = |object: &str| FieldType::Lookup(object.into());
    let listed = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
    Schema::new(
        [
            ("i", FieldType::Integer),
            ("j", FieldType::Integer),
            ("d", "decimal(10,2)".parse().unwrap()),
            ("w", "decimal(38,10)".parse().unwrap()),
            ("c", "currency(18,2)".parse().unwrap()),
            ("p", "percent(9,4)".parse().unwrap()),
            ("f", FieldType::Float),
            ("g", FieldType::Float),
            ("b", FieldType::Boolean),
            ("e", FieldType::Boolean),
            ("t", FieldType::Text),
            ("u", FieldType::Text),
            ("mail", FieldType::Email),
            ("day", FieldType::Date),
            ("at", FieldType::DateTime),
            ("local", FieldType::LocalDateTime),
            ("stage", FieldType::Picklist(listed(&["open", "won"]))),
            ("doc", FieldType::Json),
            ("account", lookup("account")),
            ("contact", lookup("contact")),
        ]
        .map(|(name, field_type)| Field::new(name, field_type))
        .to_vec(),
    )
}

/// Rows whose values are given by texts, in the schema's order; a field that is not named is null.
fn batch(schema: &Schema, columns: &[(&str, Vec<Option<String>>)]) -> RecordBatch {
    let rows = columns
        .iter()
        .map(|(_, texts)| texts.len())
        .max()
        .unwrap_or(0);
    let columns = (schema.fields().iter())
        .map(|field| {
            let texts = columns.iter().find(|(name, _)| *name == field.name);
            let texts = texts.map_or_else(|| vec![None; rows], |(_, texts)| texts.clone());
            let texts: ArrayRef = Arc::new(StringViewArray::from_iter(texts));
            let converted = Converter::new(&FieldType::Text, &field.field_type, false)
                .unwrap()
                .convert(&texts)
                .unwrap();
            assert!(
                converted.invalid.is_empty(),
                "a bad sample of {}",
                field.name
            );
            converted.column
        })
        .collect();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema.arrow()), columns, &options).unwrap()
}

fn row(columns: &[(&str, &str)]) -> RecordBatch {
    let columns: Vec<(&str, Vec<Option<String>>)> = (columns.iter())
        .map(|&(name, text)| (name, vec![Some(text.to_owned())]))
        .collect();
    // One row, even if nothing is named.
    let schema = schema();
    if columns.is_empty() {
        return batch(&schema, &[("i", vec![None])]);
    }
    batch(&schema, &columns)
}

fn texts(column: &dyn Array) -> Vec<Option<String>> {
    (0..column.len())
        .map(|row| {
            let mut text = Vec::new();
            format::value(column, row, &mut text).then(|| String::from_utf8(text).unwrap())
        })
        .collect()
}

fn expr(json: &str) -> Expr {
    serde_json::from_str(json).unwrap()
}

fn compile(json: &str) -> Formula {
    Formula::compile(&expr(json), &schema(), "x")
        .unwrap_or_else(|problems| panic!("{json}: {problems:?}"))
}

fn problems(json: &str) -> Vec<(String, String)> {
    let problems = Formula::compile(&expr(json), &schema(), "filters[0]").unwrap_err();
    problems
        .into_iter()
        .map(|Problem { path, message, .. }| (path, message))
        .collect()
}

/// The one value of a formula over the one row.
fn value(json: &str, columns: &[(&str, &str)]) -> Option<String> {
    let evaluated = compile(json).evaluate(&row(columns)).unwrap();
    assert_eq!(evaluated.refused, []);
    assert_eq!(evaluated.column.len(), 1);
    texts(&evaluated.column).remove(0)
}
