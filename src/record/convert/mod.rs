//! From one field type to another: exactly, or not at all.
//!
//! A conversion is one of four [`Class`]es, and [`class`] says which:
//!
#![doc = include_str!("matrix.md")]
//!
//! - **E**, [exact](Class::Exact): every value has an equal one.
//! - **R**, [in range](Class::InRange): what does not fit is refused for its row; it never becomes null or a neighbour.
//! - **L**, [lossy](Class::Lossy): only where the mapped field says `lossy`.
//! - blank, [refused](Class::Refused): no field may ask for it.
//!
//! Parameters can make an exact conversion of one in range: `decimal(12,2)` to `decimal(14,2)` is exact.
//! Null stays null everywhere.
//!
//! # What a value becomes
//! - **Text** of anything is its canonical text, the one of [`format`](super::format); from text every type
//!   is read as strictly as in a file ([`parse`](super::parse)), `lossy` or not.
//! - **Decimal, currency and percent** keep their number: 12.5 % is 12.5, not 0.125.
//! - **Digits**: a number with too many of them behind the point is refused. With `lossy` it is rounded, from the
//!   middle to the even neighbour (2.5 to 2, 3.5 to 4); a number that is too large stays refused.
//! - **A float stands for** the shortest decimal that reads back as it: 0.1 is 0.1, not
//!   0.1000000000000000055; from 2^53 on, where floats are whole, for its whole number. A decimal or an
//!   integer becomes a float only if that gives the same number back; with `lossy`, the nearest one.
//! - **Boolean and integer**: false is 0, true is 1, and other integers are no booleans.
//! - **Datetime and local_datetime never mix**, not even with `lossy`: one is an instant, the other what some
//!   clock on a wall showed, and only a zone that neither has could tell them apart.
//! - **Date** to local_datetime is midnight. To datetime it is refused: a day is no instant. The way
//!   back to a date drops the time of day, so it is lossy; of a datetime the UTC day remains (the
//!   formula [`utc_day`](crate::spec::Expr::UtcDay) says so in a job, without `lossy`).
//! - **Picklist** reads like the text of its item, and is exact where every item fits.
//!   A multi_picklist keeps its set of items and takes the order of the target's list.
//! - **Json** of a number or boolean is its canonical text, which is JSON; back, the document must be
//!   such a scalar, and its `null` is no value of any type. Text to json is the document itself, not a JSON string.
//! - **Lookup and id**: an identity is its text. An integer, an e-mail address or any text that is not empty may be the
//!   supplied identity of a record; a lookup of one object is never one of another.
//!
//! ```
//! use std::sync::Arc;
//! use syncline::record::{FieldType, array::{Array, ArrayRef, Float64Array}, convert::Converter};
//!
//! let seats: ArrayRef = Arc::new(Float64Array::from(vec![Some(3.0), None, Some(2.5)]));
//! let converted = Converter::new(&FieldType::Float, &FieldType::Integer, false)?.convert(&seats)?;
//! assert_eq!(converted.invalid, [2]);
//! assert_eq!(converted.column.null_count(), 2);
//!
//! let why = Converter::new(&FieldType::Date, &FieldType::DateTime, false).unwrap_err();
//! assert!(why.contains("a day is no instant"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod kernel;
mod matrix;
pub(crate) mod number;
mod plan;
#[cfg(test)]
mod tests;

pub use matrix::{Class, class};

use std::sync::Arc;

use arrow_array::ArrayRef;

use self::number::Rounding;
use self::plan::Plan;
use super::FieldType;
use super::notation::Notation;
use crate::{Error, Result};

/// Converts columns of one type to another.
///
/// Made once for a mapped field, used for every batch. Where the values stay the same, as from an e-mail
/// address to text or to a decimal of more digits, no value is copied.
///
/// ```
/// use std::sync::Arc;
/// use syncline::record::FieldType;
/// use syncline::record::array::{ArrayRef, StringViewArray};
/// use syncline::record::convert::Converter;
///
/// let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("12"), Some("twelve"), None]));
/// let converted = Converter::new(&FieldType::Text, &FieldType::Integer, false)?.convert(&texts).unwrap();
/// assert_eq!(converted.invalid, [1], "the null is no mistake");
/// assert!(Converter::new(&FieldType::Date, &FieldType::Boolean, false).is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct Converter {
    from: FieldType,
    to: FieldType,
    class: Class,
    plan: Plan,
}

/// A converted column.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Converted {
    /// The values, in the layout of the target type; null where the value was null or is invalid.
    pub column: ArrayRef,
    /// The rows whose value does not convert, in ascending order.
    pub invalid: Vec<u32>,
}

impl Converter {
    /// A converter of values of `from` for a field of type `to`; `lossy` lets it drop digits and times
    /// of day.
    ///
    /// # Errors
    /// Why the conversion is refused, and what would be right, as a sentence for a
    /// [`Problem`](crate::Problem).
    pub fn new(from: &FieldType, to: &FieldType, lossy: bool) -> Result<Self, String> {
        let class = class(from, to);
        match class {
            Class::Refused => return Err(matrix::refusal(from, to)),
            Class::Lossy if !lossy => {
                return Err(format!(
                    "{from} to {to} drops the time of day; set `lossy` on the field if that is meant"
                ));
            }
            _ => {}
        }
        let rounding = if lossy {
            Rounding::HalfEven
        } else {
            Rounding::None
        };
        let plan = Plan::new(from, to, class, rounding).ok_or_else(|| matrix::refusal(from, to))?;
        Ok(Converter {
            from: from.clone(),
            to: to.clone(),
            class,
            plan,
        })
    }

    /// A converter of texts that are written like this to values of the notation's type. What it refuses is told by
    /// [`Notation::refusal`].
    pub fn reading(notation: &Notation) -> Self {
        Converter {
            from: FieldType::Text,
            to: notation.field_type().clone(),
            class: Class::InRange,
            plan: Plan::Read(Arc::new(notation.clone())),
        }
    }

    /// The type that values come from.
    pub fn from(&self) -> &FieldType {
        &self.from
    }

    /// The type that values become.
    pub fn to(&self) -> &FieldType {
        &self.to
    }

    /// The class of the conversion; `lossy` does not change it.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Converts a column in the layout of the type that values come from.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if the column has another layout.
    pub fn convert(&self, column: &ArrayRef) -> Result<Converted> {
        if *column.data_type() != self.from.data_type() {
            return Err(wrong_layout().with("type", &self.from));
        }
        let (column, invalid) = self.plan.run(column)?;
        Ok(Converted { column, invalid })
    }
}

fn wrong_layout() -> Error {
    Error::contract("a column does not have the Arrow layout of its field's type")
}
