//! Sums, differences and products, exact or refused.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, i256};

use super::evaluate::wrong_layout;
use super::side::{Side, Value, exact};
use crate::Result;
use crate::record::FieldType;
use crate::record::convert::number::product;

/// One of the three operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
}

impl Operation {
    /// Its key in a spec.
    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Add => "add",
            Operation::Subtract => "subtract",
            Operation::Multiply => "multiply",
        }
    }
}

/// What the result is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Integer,
    Decimal { precision: u8, scale: u8 },
    Float,
}

impl Number {
    pub(super) fn of(field_type: &FieldType) -> Self {
        match (field_type, field_type.decimal()) {
            (_, Some((precision, scale))) => Number::Decimal { precision, scale },
            (FieldType::Float, _) => Number::Float,
            _ => Number::Integer,
        }
    }
}

/// Computes each row; `overflow` is told the rows, in ascending order, whose result does not fit.
pub(super) fn compute(
    op: Operation,
    number: Number,
    left: &Value,
    right: &Value,
    overflow: impl FnMut(u32),
) -> Result<ArrayRef> {
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    match number {
        Number::Integer => {
            let sides = Side::of::<Int64Type>(left).zip(Side::of::<Int64Type>(right));
            let (left, right) = sides.ok_or_else(wrong_layout)?;
            let f = match op {
                Operation::Add => i64::checked_add,
                Operation::Subtract => i64::checked_sub,
                Operation::Multiply => i64::checked_mul,
            };
            Ok(Arc::new(rows::<_, Int64Type>(
                left, right, nulls, overflow, f,
            )))
        }
        Number::Float => {
            let sides = Side::of::<Float64Type>(left).zip(Side::of::<Float64Type>(right));
            let (left, right) = sides.ok_or_else(wrong_layout)?;
            let f = |a: f64, b: f64| {
                Some(match op {
                    Operation::Add => a + b,
                    Operation::Subtract => a - b,
                    Operation::Multiply => a * b,
                })
                .filter(|result| result.is_finite())
            };
            Ok(Arc::new(rows::<_, Float64Type>(
                left, right, nulls, overflow, f,
            )))
        }
        Number::Decimal { precision, scale } => {
            let (Some((left, left_scale)), Some((right, right_scale))) =
                (exact(left), exact(right))
            else {
                return Err(wrong_layout());
            };
            let limit = 10u128.saturating_pow(precision.into());
            let bound = move |value: i128| (value.unsigned_abs() < limit).then_some(value);
            let unit = |from: u8| 10i128.saturating_pow(scale.saturating_sub(from).into());
            let (left_unit, right_unit) = (unit(left_scale), unit(right_scale));
            let column = match op {
                Operation::Multiply => {
                    rows::<_, Decimal128Type>(left, right, nulls, overflow, |a, b| {
                        bound(product(a, b)?)
                    })
                }
                Operation::Add => rows(left, right, nulls, overflow, |a, b| {
                    bound(sum(a, left_unit, b, right_unit)?)
                }),
                Operation::Subtract => rows(left, right, nulls, overflow, |a, b| {
                    bound(sum(a, left_unit, b, -right_unit)?)
                }),
            };
            Ok(Arc::new(
                column.with_precision_and_scale(precision, scale as i8)?,
            ))
        }
    }
}

/// The loop. Rows without an answer are null, and told unless they are null anyway.
fn rows<T: ArrowNativeType, R: ArrowPrimitiveType>(
    left: Side<'_, T>,
    right: Side<'_, T>,
    nulls: Option<NullBuffer>,
    mut overflow: impl FnMut(u32),
    f: impl Fn(T, T) -> Option<R::Native>,
) -> PrimitiveArray<R> {
    let mut step = |row: usize, answer: Option<R::Native>| {
        answer.unwrap_or_else(|| {
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                overflow(row as u32);
            }
            R::Native::default()
        })
    };
    let values: Vec<R::Native> = match (left, right) {
        (Side::Column(left), Side::Column(right)) => (left.iter().zip(right.iter()).enumerate())
            .map(|(row, (&a, &b))| step(row, f(a, b)))
            .collect(),
        (Side::Column(left), Side::Constant(b)) => (left.iter().enumerate())
            .map(|(row, &a)| step(row, f(a, b)))
            .collect(),
        (Side::Constant(a), Side::Column(right)) => (right.iter().enumerate())
            .map(|(row, &b)| step(row, f(a, b)))
            .collect(),
        (Side::Constant(a), Side::Constant(b)) => vec![step(0, f(a, b))],
    };
    PrimitiveArray::new(values.into(), nulls)
}

/// `a * a_unit + b * b_unit`, also where only a step on the way does not fit 128 bits.
#[inline]
fn sum(a: i128, a_unit: i128, b: i128, b_unit: i128) -> Option<i128> {
    match (product(a, a_unit), product(b, b_unit)) {
        (Some(a), Some(b)) => a.checked_add(b),
        _ => long_sum(a, a_unit, b, b_unit),
    }
}

#[cold]
fn long_sum(a: i128, a_unit: i128, b: i128, b_unit: i128) -> Option<i128> {
    let wide = |value, unit| i256::from_i128(value).checked_mul(i256::from_i128(unit));
    wide(a, a_unit)?.checked_add(wide(b, b_unit)?)?.to_i128()
}
