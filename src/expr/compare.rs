//! Comparisons, column by column.

use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, BooleanArray, Datum, Scalar};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer};
use arrow_ord::cmp;
use arrow_schema::DataType;

use super::evaluate::wrong_layout;
use super::side::{Side, Value, exact};
use crate::Result;

/// One of the six comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Comparison {
    /// The same comparison with its sides exchanged.
    fn flipped(self) -> Self {
        match self {
            Comparison::Lt => Comparison::Gt,
            Comparison::Le => Comparison::Ge,
            Comparison::Gt => Comparison::Lt,
            Comparison::Ge => Comparison::Le,
            same => same,
        }
    }

    /// Whether it asks for an order, not only for equality.
    pub(super) fn orders(self) -> bool {
        !matches!(self, Comparison::Eq | Comparison::Ne)
    }

    /// Its key in a spec.
    pub(super) fn name(self) -> &'static str {
        match self {
            Comparison::Eq => "eq",
            Comparison::Ne => "ne",
            Comparison::Lt => "lt",
            Comparison::Le => "le",
            Comparison::Gt => "gt",
            Comparison::Ge => "ge",
        }
    }
}

/// Compares two values of one family; at most one of them is constant.
pub(super) fn compare(op: Comparison, left: &Value, right: &Value) -> Result<BooleanArray> {
    let (op, left, right) = if left.constant {
        (op.flipped(), right, left)
    } else {
        (op, left, right)
    };
    let (left_type, right_type) = (left.array.data_type(), right.array.data_type());
    let values = match (left_type, right_type) {
        (DataType::Utf8View, DataType::Utf8View) | (DataType::Boolean, DataType::Boolean) => {
            return arrow(op, left, right);
        }
        (DataType::Int64, DataType::Int64) => run(
            op,
            Side::of::<Int64Type>(left),
            Side::of::<Int64Type>(right),
        ),
        // Not by Arrow's kernel: it orders floats by their bits, so that 0 would differ from -0.
        (DataType::Float64, DataType::Float64) => run(
            op,
            Side::of::<Float64Type>(left),
            Side::of::<Float64Type>(right),
        ),
        (DataType::Date32, DataType::Date32) => run(
            op,
            Side::of::<Date32Type>(left),
            Side::of::<Date32Type>(right),
        ),
        (DataType::Timestamp(..), DataType::Timestamp(..)) if left_type == right_type => run(
            op,
            Side::of::<TimestampMicrosecondType>(left),
            Side::of::<TimestampMicrosecondType>(right),
        ),
        _ => match (exact(left), exact(right)) {
            (Some((a, a_scale)), Some((b, b_scale))) => {
                let scale = a_scale.max(b_scale);
                run(
                    op,
                    Some(at_scale(a, scale - a_scale)),
                    Some(at_scale(b, scale - b_scale)),
                )
            }
            _ => None,
        },
    };
    let values = values.ok_or_else(wrong_layout)?;
    Ok(BooleanArray::new(
        values,
        NullBuffer::union(left.nulls(), right.nulls()),
    ))
}

/// Units of a digit that stands `more` places further behind the point.
///
/// Saturating is exact here: the other side, with at most 38 digits, is smaller than the largest 128-bit
/// number, and what saturates is larger than any number of 38 digits.
fn at_scale(side: Side<'_, i128>, more: u8) -> Side<'_, i128> {
    if more == 0 {
        return side;
    }
    let unit = 10i128.saturating_pow(more.into());
    side.map(|value| value.saturating_mul(unit))
}

fn run<T: ArrowNativeType>(
    op: Comparison,
    left: Option<Side<'_, T>>,
    right: Option<Side<'_, T>>,
) -> Option<BooleanBuffer> {
    let Side::Column(left) = left? else {
        return None;
    };
    let right = right?;
    Some(match op {
        Comparison::Eq => pairs(&left, right, |a, b| a == b),
        Comparison::Ne => pairs(&left, right, |a, b| a != b),
        Comparison::Lt => pairs(&left, right, |a, b| a < b),
        Comparison::Le => pairs(&left, right, |a, b| a <= b),
        Comparison::Gt => pairs(&left, right, |a, b| a > b),
        Comparison::Ge => pairs(&left, right, |a, b| a >= b),
    })
}

fn pairs<T: ArrowNativeType>(
    left: &[T],
    right: Side<'_, T>,
    f: impl Fn(T, T) -> bool,
) -> BooleanBuffer {
    match right {
        Side::Constant(right) => BooleanBuffer::collect_bool(left.len(), |row| f(left[row], right)),
        Side::Column(right) => {
            let len = left.len().min(right.len());
            let (left, right) = (&left[..len], &right[..len]);
            BooleanBuffer::collect_bool(len, |row| f(left[row], right[row]))
        }
    }
}

/// Texts and booleans, by Arrow's kernels.
fn arrow(op: Comparison, left: &Value, right: &Value) -> Result<BooleanArray> {
    let kernel = match op {
        Comparison::Eq => cmp::eq,
        Comparison::Ne => cmp::neq,
        Comparison::Lt => cmp::lt,
        Comparison::Le => cmp::lt_eq,
        Comparison::Gt => cmp::gt,
        Comparison::Ge => cmp::gt_eq,
    };
    let left: &dyn Datum = &left.array;
    Ok(if right.constant {
        kernel(left, &Scalar::new(&right.array))?
    } else {
        kernel(left, &right.array)?
    })
}
