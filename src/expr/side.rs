//! One side of a binary step: a column, or the same value for every row.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Int64Type};
use arrow_array::{Array, ArrayRef, StringViewArray, UInt32Array};
use arrow_buffer::{ArrowNativeType, NullBuffer};
use arrow_schema::DataType;

use crate::Result;

/// The value of a step.
#[derive(Debug, Clone)]
pub(super) struct Value {
    /// As many values as there are rows, or one if it is constant.
    pub(super) array: ArrayRef,
    /// Whether its one value, never null, is that of every row.
    pub(super) constant: bool,
}

impl Value {
    pub(super) fn column(array: ArrayRef) -> Self {
        Value {
            array,
            constant: false,
        }
    }

    /// A value for each of so many rows.
    pub(super) fn spread(self, rows: usize) -> Result<ArrayRef> {
        if !self.constant {
            return Ok(self.array);
        }
        let first = UInt32Array::from(vec![0; rows]);
        Ok(arrow_select::take::take(&self.array, &first, None)?)
    }

    /// The rows without a value; a constant has none.
    pub(super) fn nulls(&self) -> Option<&NullBuffer> {
        if self.constant {
            None
        } else {
            self.array.nulls()
        }
    }
}

/// The values of a [`Value`] in the machine's type.
#[derive(Debug, Clone)]
pub(super) enum Side<'a, T: ArrowNativeType> {
    Column(Cow<'a, [T]>),
    Constant(T),
}

impl<'a, T: ArrowNativeType> Side<'a, T> {
    /// The values as they are; `None` if the array is of another type.
    pub(super) fn of<A: ArrowPrimitiveType<Native = T>>(value: &'a Value) -> Option<Self> {
        let array = value.array.as_primitive_opt::<A>()?;
        if value.constant {
            array.values().first().copied().map(Side::Constant)
        } else {
            Some(Side::Column(Cow::Borrowed(array.values())))
        }
    }

    /// The value of a row; also what lies under a null.
    #[inline]
    pub(super) fn get(&self, row: usize) -> T {
        match self {
            Side::Column(values) => values.get(row).copied().unwrap_or_default(),
            Side::Constant(value) => *value,
        }
    }

    /// Every value mapped; `f` also sees what lies under nulls.
    pub(super) fn map<U: ArrowNativeType>(self, f: impl Fn(T) -> U) -> Side<'a, U> {
        match self {
            Side::Column(values) => Side::Column(values.iter().map(|&value| f(value)).collect()),
            Side::Constant(value) => Side::Constant(f(value)),
        }
    }
}

/// The units and the scale of an exact number; `None` for other types.
pub(super) fn exact(value: &Value) -> Option<(Side<'_, i128>, u8)> {
    match value.array.data_type() {
        DataType::Int64 => Some((Side::of::<Int64Type>(value)?.map(i128::from), 0)),
        DataType::Decimal128(_, scale) => Some((
            Side::of::<Decimal128Type>(value)?,
            u8::try_from(*scale).ok()?,
        )),
        _ => None,
    }
}

/// The texts of a [`Value`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Texts<'a> {
    Column(&'a StringViewArray),
    Constant(&'a str),
}

impl<'a> Texts<'a> {
    /// `None` if the array is of another type.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        let array = value.array.as_string_view_opt()?;
        if value.constant {
            array.iter().next()?.map(Texts::Constant)
        } else {
            Some(Texts::Column(array))
        }
    }

    /// The text of a row; `None` is null.
    #[inline]
    pub(super) fn get(self, row: usize) -> Option<&'a str> {
        match self {
            Texts::Constant(text) => Some(text),
            Texts::Column(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}
