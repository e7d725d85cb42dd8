//! Constants of a spec, read as the type that their place asks for.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Int64Array, StringViewArray, new_null_array,
};
use serde_json::Number;

use crate::record::convert::Converter;
use crate::record::{FieldType, parse};
use crate::spec::Literal;

/// A column of one row that holds `literal` as a value of `field_type`.
///
/// A text is read like one from a file, so every type can be written as text; a number is a value of
/// the number types, true and false of boolean, and both are JSON documents. For an exact type a number with
/// a point has at most 15 significant digits, and an integer at most 64 bits: JSON keeps no more, a text all.
///
/// # Errors
/// What the place wants, as a sentence for a [`Problem`](crate::Problem).
///
/// ```
/// use syncline::{expr, record::FieldType, spec::Literal};
///
/// let amount = FieldType::Decimal { precision: 6, scale: 2 };
/// let (text, number): (Literal, Literal) = ("12.50".into(), serde_json::from_str("12.5").unwrap());
/// assert_eq!(&expr::constant(&text, &amount)?, &expr::constant(&number, &amount)?);
/// assert!(expr::constant(&Literal::from("12.505"), &amount).is_err());
/// # Ok::<(), String>(())
/// ```
pub fn constant(literal: &Literal, field_type: &FieldType) -> Result<ArrayRef, String> {
    let wrong = || {
        let expected = parse::expected(field_type);
        format!("the constant must be {expected}, as the type is {field_type}")
    };
    let (column, from): (ArrayRef, FieldType) = match literal {
        Literal::Null => return Ok(new_null_array(&field_type.data_type(), 1)),
        Literal::Text(text) => (
            Arc::new(StringViewArray::from(vec![text.as_str()])),
            FieldType::Text,
        ),
        Literal::Boolean(value) => match field_type {
            FieldType::Boolean | FieldType::Json => (
                Arc::new(BooleanArray::from(vec![*value])),
                FieldType::Boolean,
            ),
            _ => return Err(wrong()),
        },
        Literal::Number(number) => {
            let text = number.to_string();
            match (field_type, Exact::read(&text)) {
                // Also where the digits are too many, or the exponent too large, for a decimal.
                (FieldType::Float | FieldType::Json, None) => (
                    Arc::new(StringViewArray::from(vec![text.as_str()])),
                    FieldType::Text,
                ),
                (
                    FieldType::Integer
                    | FieldType::Float
                    | FieldType::Decimal { .. }
                    | FieldType::Currency { .. }
                    | FieldType::Percent { .. }
                    | FieldType::Json,
                    Some(exact),
                ) => {
                    if *field_type == FieldType::Integer || field_type.decimal().is_some() {
                        check_value(number)?;
                    }
                    (exact.column()?, exact.field_type())
                }
                _ => return Err(wrong()),
            }
        }
    };
    let converted = Converter::new(&from, field_type, false).and_then(|converter| {
        converter
            .convert(&column)
            .map_err(|error| error.to_string())
    })?;
    if converted.invalid.is_empty() {
        Ok(converted.column)
    } else {
        Err(wrong())
    }
}

/// A typed literal.
#[derive(Debug)]
pub(super) struct Typed {
    /// One row.
    pub(super) column: ArrayRef,
    pub(super) field_type: FieldType,
    /// The digits that an exact number has.
    pub(super) digits: Option<(u8, u8)>,
}

impl Typed {
    pub(super) fn new(column: ArrayRef, field_type: FieldType) -> Self {
        Typed {
            column,
            field_type,
            digits: None,
        }
    }

    fn number(text: &str) -> Result<Self, String> {
        let exact = Exact::read(text)
            .ok_or("the constant must be a number of at most 38 digits, like 12 or \"12.50\"")?;
        let digits = Some((exact.precision, exact.scale));
        let plain = !text.contains(['.', 'e', 'E']);
        Ok(match i64::try_from(exact.units) {
            Ok(value) if plain => Typed {
                column: Arc::new(Int64Array::from(vec![value])),
                field_type: FieldType::Integer,
                digits,
            },
            _ => Typed {
                column: exact.column()?,
                field_type: exact.field_type(),
                digits,
            },
        })
    }
}

const LOST: &str =
    "the constant has more digits than a JSON number keeps; write it as text, like \"12.50\"";

/// Refuses a float where each digit counts, if digits may have been lost without a trace: one of more digits than every float
/// keeps, or so large that it may have been an integer which no integer type holds.
fn check_value(number: &Number) -> Result<(), String> {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return Ok(());
    };
    let text = number.to_string();
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0').trim_end_matches('0');
    if digits.len() > 15 || !(i64::MIN as f64..u64::MAX as f64).contains(&float) {
        return Err(LOST.into());
    }
    Ok(())
}

const NULL: &str =
    "null is no constant of an expression: nothing is equal to it; ask with `is_null`";

/// A literal with nothing beside it that could say its type.
pub(super) fn alone(literal: &Literal) -> Result<Typed, String> {
    match literal {
        Literal::Null => Err(NULL.into()),
        Literal::Boolean(_) => {
            constant(literal, &FieldType::Boolean).map(|c| Typed::new(c, FieldType::Boolean))
        }
        Literal::Number(number) => {
            check_value(number)?;
            Typed::number(&number.to_string())
        }
        Literal::Text(_) => {
            constant(literal, &FieldType::Text).map(|c| Typed::new(c, FieldType::Text))
        }
    }
}

/// A literal beside a value of `other`. An exact number keeps its own digits: it is compared and
/// computed with exactly.
pub(super) fn beside(literal: &Literal, other: &FieldType) -> Result<Typed, String> {
    let exact = *other == FieldType::Integer || other.decimal().is_some();
    match literal {
        Literal::Null => Err(NULL.into()),
        Literal::Number(number) if exact => {
            check_value(number)?;
            Typed::number(&number.to_string())
        }
        Literal::Text(text) if exact => Typed::number(text),
        _ => constant(literal, other).map(|column| Typed::new(column, other.clone())),
    }
}

/// An exact number and the digits that it is written with.
#[derive(Debug, Clone, Copy)]
struct Exact {
    units: i128,
    precision: u8,
    scale: u8,
}

impl Exact {
    /// Reads `-12.50` or `1.5e-7`; `None` if it is no number or has more than 38 digits.
    fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let units: i128 = format!("{whole}{fraction}").parse().ok()?;
        let exponent: i32 = exponent.parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let (units, scale) = match u8::try_from(scale) {
            Ok(scale) => (units, scale),
            Err(_) if scale < 0 => {
                let unit = 10i128.checked_pow(scale.unsigned_abs())?;
                (units.checked_mul(unit)?, 0)
            }
            Err(_) => return None,
        };
        let digits = units
            .unsigned_abs()
            .checked_ilog10()
            .map_or(1, |log| log + 1);
        let precision = u8::try_from(digits).ok()?.max(scale);
        (precision <= 38).then_some(Exact {
            units,
            precision,
            scale,
        })
    }

    fn field_type(self) -> FieldType {
        FieldType::Decimal {
            precision: self.precision,
            scale: self.scale,
        }
    }

    fn column(self) -> Result<ArrayRef, String> {
        Decimal128Array::from(vec![self.units])
            .with_precision_and_scale(self.precision, self.scale as i8)
            .map(|column| Arc::new(column) as ArrayRef)
            .map_err(|_| "the constant has too many digits".into())
    }
}
