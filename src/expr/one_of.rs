//! Whether a value is one of a list.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use hashbrown::HashSet;

use super::conditions::each;
use super::evaluate::wrong_layout;
use super::kernel::Kernel;
use super::side::{Texts, Value};
use crate::Result;
use crate::record::{FieldType, Refusal};

type Set<T> = HashSet<T, foldhash::fast::RandomState>;

/// The constants of a list, so that a row costs the same for a list of any length.
#[derive(Debug)]
pub(super) enum OneOf {
    Text(Set<String>),
    Boolean {
        yes: bool,
        no: bool,
    },
    /// Days, microseconds, or units of an exact number.
    Whole(Set<i128>),
    /// The bits of floats; zero without its sign.
    Float(Set<u64>),
}

impl OneOf {
    /// A list of constants of one row each, typed beside values of `field_type`. `None` for a layout that is not compared.
    pub(super) fn new(constants: &[ArrayRef], field_type: &FieldType) -> Option<Self> {
        Some(match field_type.data_type() {
            DataType::Utf8View => {
                let text =
                    |array: &ArrayRef| Some(array.as_string_view_opt()?.iter().next()??.to_owned());
                OneOf::Text(constants.iter().map(text).collect::<Option<_>>()?)
            }
            DataType::Boolean => {
                let value = |array: &ArrayRef| array.as_boolean_opt()?.iter().next()?;
                let values: Vec<bool> = constants.iter().map(value).collect::<Option<_>>()?;
                OneOf::Boolean {
                    yes: values.contains(&true),
                    no: values.contains(&false),
                }
            }
            DataType::Float64 => {
                let bits = |array: &ArrayRef| {
                    Some(bits(
                        array.as_primitive_opt::<Float64Type>()?.iter().next()??,
                    ))
                };
                OneOf::Float(constants.iter().map(bits).collect::<Option<_>>()?)
            }
            DataType::Int64 => Self::exact(constants, 0),
            DataType::Decimal128(_, scale) => Self::exact(constants, u8::try_from(scale).ok()?),
            DataType::Date32 => {
                let day = |array: &ArrayRef| {
                    Some(i128::from(
                        array.as_primitive_opt::<Date32Type>()?.iter().next()??,
                    ))
                };
                OneOf::Whole(constants.iter().map(day).collect::<Option<_>>()?)
            }
            DataType::Timestamp(..) => {
                let micros = |array: &ArrayRef| {
                    let array = array.as_primitive_opt::<TimestampMicrosecondType>()?;
                    Some(i128::from(array.iter().next()??))
                };
                OneOf::Whole(constants.iter().map(micros).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    /// Exact numbers in units of `scale` digits; one of more digits, or too large, is no value of the column.
    fn exact(constants: &[ArrayRef], scale: u8) -> Self {
        let units = |array: &ArrayRef| -> Option<i128> {
            let (units, digits) = match array.data_type() {
                DataType::Decimal128(_, digits) => (
                    array
                        .as_primitive_opt::<Decimal128Type>()?
                        .iter()
                        .next()??,
                    u8::try_from(*digits).ok()?,
                ),
                _ => (
                    array
                        .as_primitive_opt::<Int64Type>()?
                        .iter()
                        .next()??
                        .into(),
                    0,
                ),
            };
            match scale.checked_sub(digits) {
                Some(more) => units.checked_mul(10i128.checked_pow(more.into())?),
                None => {
                    let unit = 10i128.checked_pow((digits - scale).into())?;
                    (units % unit == 0).then_some(units / unit)
                }
            }
        };
        OneOf::Whole(constants.iter().filter_map(units).collect())
    }
}

fn bits(value: f64) -> u64 {
    // Zero and minus zero are equal.
    if value == 0.0 { 0 } else { value.to_bits() }
}

impl Kernel for OneOf {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        _: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [value] = operands else {
            return Err(wrong_layout());
        };
        if let OneOf::Text(set) = self {
            let texts = Texts::of(value).ok_or_else(wrong_layout)?;
            return Ok(each(texts, rows, |text| set.contains(text)));
        }
        let array = &value.array;
        let row = |row: usize| if value.constant { 0 } else { row };
        let found = match (self, array.data_type()) {
            (OneOf::Boolean { yes, no }, DataType::Boolean) => {
                let array = array.as_boolean();
                BooleanBuffer::collect_bool(rows, |i| if array.value(row(i)) { *yes } else { *no })
            }
            (OneOf::Float(set), DataType::Float64) => {
                let array = array.as_primitive::<Float64Type>();
                BooleanBuffer::collect_bool(rows, |i| set.contains(&bits(array.value(row(i)))))
            }
            (OneOf::Whole(set), DataType::Int64) => {
                let array = array.as_primitive::<Int64Type>();
                BooleanBuffer::collect_bool(rows, |i| {
                    set.contains(&i128::from(array.value(row(i))))
                })
            }
            (OneOf::Whole(set), DataType::Decimal128(..)) => {
                let array = array.as_primitive::<Decimal128Type>();
                BooleanBuffer::collect_bool(rows, |i| set.contains(&array.value(row(i))))
            }
            (OneOf::Whole(set), DataType::Date32) => {
                let array = array.as_primitive::<Date32Type>();
                BooleanBuffer::collect_bool(rows, |i| {
                    set.contains(&i128::from(array.value(row(i))))
                })
            }
            (OneOf::Whole(set), DataType::Timestamp(..)) => {
                let array = array.as_primitive::<TimestampMicrosecondType>();
                BooleanBuffer::collect_bool(rows, |i| {
                    set.contains(&i128::from(array.value(row(i))))
                })
            }
            _ => return Err(wrong_layout()),
        };
        let nulls = if value.constant {
            None
        } else {
            array.nulls().cloned()
        };
        Ok(Arc::new(BooleanArray::new(found, nulls)))
    }
}
