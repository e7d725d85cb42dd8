//! The loops: one value after the other, with the type decided outside.

use arrow_array::builder::{BooleanBuilder, StringViewBuilder};
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, StringViewArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBuffer};

use crate::Result;
use crate::record::format::ColumnText;

/// Rows whose value does not fit.
pub(super) type Rows = Vec<u32>;

/// Maps each value; rows for which `f` has no answer are null and listed.
///
/// `f` also sees what lies under nulls, so it must not panic on any value.
pub(super) fn map<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    column: &PrimitiveArray<A>,
    f: impl Fn(A::Native) -> Option<B::Native>,
) -> (PrimitiveArray<B>, Rows) {
    let mut invalid = Rows::new();
    let values: Vec<B::Native> = (column.values().iter().enumerate())
        .map(|(row, &value)| {
            f(value).unwrap_or_else(|| {
                if column.is_valid(row) {
                    invalid.push(row as u32);
                }
                B::Native::default()
            })
        })
        .collect();
    let nulls = without(column.nulls(), column.len(), &invalid);
    (PrimitiveArray::new(values.into(), nulls), invalid)
}

/// Reads each text; rows for which `f` has no answer are null and listed.
pub(super) fn parse<B: ArrowPrimitiveType>(
    column: &StringViewArray,
    f: impl Fn(&[u8]) -> Option<B::Native>,
) -> (PrimitiveArray<B>, Rows) {
    let mut invalid = Rows::new();
    let values: Vec<B::Native> = (column.iter().enumerate())
        .map(|(row, text)| match text {
            Some(text) => f(text.as_bytes()).unwrap_or_else(|| {
                invalid.push(row as u32);
                B::Native::default()
            }),
            None => B::Native::default(),
        })
        .collect();
    let nulls = without(column.nulls(), column.len(), &invalid);
    (PrimitiveArray::new(values.into(), nulls), invalid)
}

/// As [`map`] and [`parse`], from any iterator to booleans.
pub(super) fn booleans<T>(
    values: impl Iterator<Item = Option<T>>,
    f: impl Fn(T) -> Option<bool>,
) -> (BooleanArray, Rows) {
    let mut invalid = Rows::new();
    let mut out = BooleanBuilder::with_capacity(values.size_hint().0);
    for (row, value) in values.enumerate() {
        let answer = value.and_then(|value| {
            let answer = f(value);
            if answer.is_none() {
                invalid.push(row as u32);
            }
            answer
        });
        out.append_option(answer);
    }
    (out.finish(), invalid)
}

/// The same texts; those that `holds` refuses are null and listed. No text is copied.
pub(super) fn check(
    column: &ArrayRef,
    texts: &StringViewArray,
    holds: impl Fn(&str) -> bool,
) -> Result<(ArrayRef, Rows)> {
    let invalid: Rows = (texts.iter().enumerate())
        .filter(|(_, text)| text.is_some_and(|text| !holds(text)))
        .map(|(row, _)| row as u32)
        .collect();
    if invalid.is_empty() {
        return Ok((ArrayRef::clone(column), invalid));
    }
    let refused = BooleanArray::from(marked(texts.len(), &invalid));
    Ok((arrow_select::nullif::nullif(texts, &refused)?, invalid))
}

/// The canonical text of each value; texts that `holds` refuses are null and listed.
pub(super) fn write(
    column: &dyn Array,
    holds: impl Fn(&str) -> bool,
) -> Result<(StringViewArray, Rows)> {
    let writer = ColumnText::new(column).ok_or_else(super::wrong_layout)?;
    let mut invalid = Rows::new();
    let mut out = StringViewBuilder::with_capacity(column.len());
    let mut text = Vec::new();
    for row in 0..column.len() {
        text.clear();
        if !writer.append(row, &mut text) {
            out.append_null();
            continue;
        }
        match std::str::from_utf8(&text) {
            Ok(text) if holds(text) => out.append_value(text),
            _ => {
                invalid.push(row as u32);
                out.append_null();
            }
        }
    }
    Ok((out.finish(), invalid))
}

/// Maps each text to a text; rows for which `f` answers false are null and listed.
pub(super) fn rewrite(
    column: &StringViewArray,
    mut f: impl FnMut(&str, &mut String) -> bool,
) -> (StringViewArray, Rows) {
    let mut invalid = Rows::new();
    let mut out = StringViewBuilder::with_capacity(column.len());
    let mut buffer = String::new();
    for (row, text) in column.iter().enumerate() {
        buffer.clear();
        match text.map(|text| f(text, &mut buffer)) {
            Some(true) => out.append_value(&buffer),
            Some(false) => {
                invalid.push(row as u32);
                out.append_null();
            }
            None => out.append_null(),
        }
    }
    (out.finish(), invalid)
}

/// The nulls of a column, and the invalid rows with them.
fn without(nulls: Option<&NullBuffer>, len: usize, invalid: &[u32]) -> Option<NullBuffer> {
    if invalid.is_empty() {
        return nulls.cloned();
    }
    let valid = NullBuffer::new(!&marked(len, invalid));
    NullBuffer::union(nulls, Some(&valid))
}

/// True at these rows.
fn marked(len: usize, rows: &[u32]) -> BooleanBuffer {
    let mut bits = BooleanBufferBuilder::new(len);
    bits.append_n(len, false);
    for &row in rows {
        bits.set_bit(row as usize, true);
    }
    bits.finish()
}
