//! One value of a row, and the columns that values go to.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    StringViewBuilder, TimestampMicrosecondBuilder,
};
use serde_json::Value;

use crate::Result;
use crate::record::convert::number::{self, Digits, Rounding};
use crate::record::{FieldType, parse};

/// A value of the field that it stands in.
#[derive(Debug)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    /// Units of the last digit.
    Decimal(i128),
    Float(f64),
    Boolean(bool),
    /// Days.
    Date(i32),
    /// Microseconds.
    Time(i64),
    Text(String),
}

/// Precision and scale as the conversions want them.
fn digits(field_type: &FieldType) -> Option<Digits> {
    let (precision, scale) = field_type.decimal()?;
    Some(Digits { precision, scale })
}

/// A text, read as from a file.
pub(super) fn of_text(text: &str, field_type: &FieldType) -> Option<Cell> {
    use FieldType::*;
    let bytes = text.as_bytes();
    match field_type {
        Integer => parse::integer(bytes).map(Cell::Integer),
        Float => parse::float(bytes).map(Cell::Float),
        Boolean => parse::boolean(bytes).map(Cell::Boolean),
        Date => parse::date(bytes).map(Cell::Date),
        DateTime => parse::datetime(bytes).map(Cell::Time),
        LocalDateTime => parse::local_datetime(bytes).map(Cell::Time),
        Decimal { precision, scale }
        | Currency { precision, scale }
        | Percent { precision, scale } => {
            parse::decimal(bytes, *precision, *scale).map(Cell::Decimal)
        }
        Json => serde_json::to_string(text).ok().map(Cell::Text),
        Text | Email | Url | Picklist(_) | MultiPicklist(_) | Lookup(_) | Id => {
            parse::is_textual(field_type, text).then(|| Cell::Text(text.to_owned()))
        }
    }
}

/// A number without a point.
pub(super) fn of_integer(value: i128, field_type: &FieldType) -> Option<Cell> {
    match field_type {
        FieldType::Integer => i64::try_from(value).ok().map(Cell::Integer),
        FieldType::Float => {
            let float = value as f64;
            // 2^127 is no such integer, but would be cast to the greatest.
            let within = float < -(i128::MIN as f64);
            (within && float as i128 == value).then_some(Cell::Float(float))
        }
        FieldType::Json => Some(Cell::Text(value.to_string())),
        _ => digits(field_type)?
            .of(value, 0, Rounding::None)
            .map(Cell::Decimal),
    }
}

/// A number with a point: the decimal that its shortest text says.
pub(super) fn of_float(value: f64, field_type: &FieldType) -> Option<Cell> {
    match field_type {
        FieldType::Integer => number::integer_of_float(value, Rounding::None).map(Cell::Integer),
        FieldType::Float => value.is_finite().then_some(Cell::Float(value)),
        FieldType::Json => value
            .is_finite()
            .then(|| serde_json::to_string(&value).ok().map(Cell::Text))?,
        _ => digits(field_type)?
            .of_float(value, Rounding::None)
            .map(Cell::Decimal),
    }
}

pub(super) fn of_boolean(value: bool, field_type: &FieldType) -> Option<Cell> {
    match field_type {
        FieldType::Boolean => Some(Cell::Boolean(value)),
        FieldType::Json => Some(Cell::Text(value.to_string())),
        _ => None,
    }
}

/// Items of a list, put into its order.
pub(super) fn of_items(items: &[String], field_type: &FieldType) -> Option<Cell> {
    let FieldType::MultiPicklist(allowed) = field_type else {
        return None;
    };
    let in_order: Vec<&str> = (allowed.iter())
        .filter(|item| items.contains(item))
        .map(String::as_str)
        .collect();
    // Fewer are found if one is unknown or given twice.
    (in_order.len() == items.len()).then(|| Cell::Text(in_order.join(";")))
}

pub(super) fn of_json(value: &Value, field_type: &FieldType) -> Option<Cell> {
    match value {
        Value::Null => Some(Cell::Null),
        _ if *field_type == FieldType::Json => Some(Cell::Text(value.to_string())),
        Value::Bool(value) => of_boolean(*value, field_type),
        Value::String(text) => of_text(text, field_type),
        Value::Number(number) => {
            if let Some(value) = number.as_i128() {
                return of_integer(value, field_type);
            }
            match field_type.decimal() {
                // By its text, which has all digits; an exponent is left to the float.
                Some(_) => of_text(&number.to_string(), field_type)
                    .or_else(|| of_float(number.as_f64()?, field_type)),
                None => of_float(number.as_f64()?, field_type),
            }
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| item.as_str().map(str::to_owned));
            of_items(&items.collect::<Option<Vec<_>>>()?, field_type)
        }
        Value::Object(_) => None,
    }
}

/// A column that grows.
#[derive(Debug)]
pub(super) enum Column {
    Integer(Int64Builder),
    Decimal(Decimal128Builder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Time(TimestampMicrosecondBuilder),
    Text(StringViewBuilder),
}

impl Column {
    pub(super) fn new(field_type: &FieldType) -> Self {
        use FieldType::*;
        match field_type {
            Integer => Column::Integer(Int64Builder::new()),
            Decimal { .. } | Currency { .. } | Percent { .. } => {
                Column::Decimal(Decimal128Builder::new())
            }
            Float => Column::Float(Float64Builder::new()),
            Boolean => Column::Boolean(BooleanBuilder::new()),
            Date => Column::Date(Date32Builder::new()),
            DateTime | LocalDateTime => Column::Time(TimestampMicrosecondBuilder::new()),
            Text | Email | Url | Picklist(_) | MultiPicklist(_) | Json | Lookup(_) | Id => {
                Column::Text(StringViewBuilder::new())
            }
        }
    }

    /// Appends a cell that was read for this column's type.
    pub(super) fn append(&mut self, cell: Cell) {
        match (self, cell) {
            (Column::Integer(column), Cell::Integer(value)) => column.append_value(value),
            (Column::Decimal(column), Cell::Decimal(value)) => column.append_value(value),
            (Column::Float(column), Cell::Float(value)) => column.append_value(value),
            (Column::Boolean(column), Cell::Boolean(value)) => column.append_value(value),
            (Column::Date(column), Cell::Date(value)) => column.append_value(value),
            (Column::Time(column), Cell::Time(value)) => column.append_value(value),
            (Column::Text(column), Cell::Text(value)) => column.append_value(value),
            (column, cell) => {
                debug_assert!(matches!(cell, Cell::Null), "a cell of another type");
                column.append_null();
            }
        }
    }

    fn append_null(&mut self) {
        match self {
            Column::Integer(column) => column.append_null(),
            Column::Decimal(column) => column.append_null(),
            Column::Float(column) => column.append_null(),
            Column::Boolean(column) => column.append_null(),
            Column::Date(column) => column.append_null(),
            Column::Time(column) => column.append_null(),
            Column::Text(column) => column.append_null(),
        }
    }

    /// The values so far; the column is empty again.
    pub(super) fn finish(&mut self, field_type: &FieldType) -> Result<ArrayRef> {
        Ok(match self {
            Column::Integer(column) => Arc::new(column.finish()),
            Column::Decimal(column) => {
                let (precision, scale) = field_type.decimal().unwrap_or((38, 0));
                let column = column.finish();
                Arc::new(column.with_precision_and_scale(precision, scale as i8)?)
            }
            Column::Float(column) => Arc::new(column.finish()),
            Column::Boolean(column) => Arc::new(column.finish()),
            Column::Date(column) => Arc::new(column.finish()),
            Column::Time(column) => {
                Arc::new(column.finish().with_data_type(field_type.data_type()))
            }
            Column::Text(column) => Arc::new(column.finish()),
        })
    }
}
