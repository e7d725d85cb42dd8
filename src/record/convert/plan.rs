//! Which loop serves which pair of types.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::DataType;
use hashbrown::HashSet;

use super::kernel::{self, Rows};
use super::number::{self, Digits, Rounding};
use super::{Class, FieldType};
use crate::Result;
use crate::record::{notation::Notation, parse};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The texts of a list.
type Items = Arc<HashSet<String, foldhash::fast::RandomState>>;

/// What to do with a column; everything about the types is decided.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// The same array.
    Same,
    /// The same values in a decimal type of more rounding.
    Widen(DataType),
    /// The same texts, if they are values of this type.
    Check(FieldType),
    /// The same texts, if they are among these.
    CheckItems(Items),
    /// The same items, in the order of this list.
    Reorder(Arc<[String]>),
    /// Canonical text.
    Write,
    /// Canonical text, if it is among these.
    WriteItems(Items),
    /// Canonical text of a number, which is JSON.
    WriteNumber,
    /// Reads texts that are written like this.
    Read(Arc<Notation>),
    ParseInteger,
    ParseDecimal(Digits, DataType),
    ParseFloat,
    ParseBoolean,
    ParseDate,
    ParseDateTime(DataType),
    ParseLocalDateTime,
    IntegerToDecimal(Digits, DataType),
    IntegerToFloat(Rounding),
    IntegerToBoolean,
    /// From a decimal of this scale.
    DecimalToInteger(u8, Rounding),
    DecimalToDecimal(u8, Digits, DataType, Rounding),
    DecimalToFloat(u8, Rounding),
    FloatToInteger(Rounding),
    FloatToDecimal(Digits, DataType, Rounding),
    BooleanToInteger,
    DateToLocalDateTime,
    /// The day of a timestamp of either kind.
    ToDay,
}

impl Plan {
    /// `None` for a pair that is refused.
    pub(super) fn new(
        from: &FieldType,
        to: &FieldType,
        class: Class,
        rounding: Rounding,
    ) -> Option<Plan> {
        use FieldType::*;
        let layout = to.data_type();
        let target = to
            .decimal()
            .map(|(precision, scale)| Digits { precision, scale });
        Some(match (from, to) {
            (MultiPicklist(items), MultiPicklist(allowed)) => {
                let mut rest = allowed.iter();
                if items.iter().all(|item| rest.any(|other| other == item)) {
                    Plan::Same
                } else {
                    Plan::Reorder(Arc::clone(allowed))
                }
            }
            (MultiPicklist(items), Picklist(allowed))
            | (Picklist(items), MultiPicklist(allowed))
                if class != Class::Exact =>
            {
                let both = items.iter().filter(|item| allowed.contains(item));
                Plan::CheckItems(Arc::new(both.cloned().collect()))
            }
            _ if from.is_textual() && to.is_textual() => match to {
                _ if class == Class::Exact => Plan::Same,
                Picklist(items) => Plan::CheckItems(Arc::new(items.iter().cloned().collect())),
                _ => Plan::Check(to.clone()),
            },
            _ if from.is_textual() => match to {
                Integer => Plan::ParseInteger,
                Float => Plan::ParseFloat,
                Boolean => Plan::ParseBoolean,
                Date => Plan::ParseDate,
                DateTime => Plan::ParseDateTime(layout),
                LocalDateTime => Plan::ParseLocalDateTime,
                _ => Plan::ParseDecimal(target?, layout),
            },
            (_, Picklist(items)) => Plan::WriteItems(Arc::new(items.iter().cloned().collect())),
            (Float, Json) => Plan::WriteNumber,
            _ if to.is_textual() => Plan::Write,
            (Integer, Float) => Plan::IntegerToFloat(rounding),
            (Integer, Boolean) => Plan::IntegerToBoolean,
            (Float, Integer) => Plan::FloatToInteger(rounding),
            (Boolean, Integer) => Plan::BooleanToInteger,
            (Date, LocalDateTime) => Plan::DateToLocalDateTime,
            (DateTime | LocalDateTime, Date) => Plan::ToDay,
            _ if from == to => Plan::Same,
            _ => match (from.decimal(), target) {
                (Some((precision, scale)), Some(target)) => {
                    if scale != target.scale || precision > target.precision {
                        Plan::DecimalToDecimal(scale, target, layout, rounding)
                    } else if precision < target.precision {
                        Plan::Widen(layout)
                    } else {
                        Plan::Same
                    }
                }
                (Some((_, scale)), None) if *to == Integer => {
                    Plan::DecimalToInteger(scale, rounding)
                }
                (Some((_, scale)), None) if *to == Float => Plan::DecimalToFloat(scale, rounding),
                (None, Some(target)) if *from == Integer => Plan::IntegerToDecimal(target, layout),
                (None, Some(target)) if *from == Float => {
                    Plan::FloatToDecimal(target, layout, rounding)
                }
                _ => return None,
            },
        })
    }

    /// Converts a column; its layout is the one that the plan was made for.
    pub(super) fn run(&self, column: &ArrayRef) -> Result<(ArrayRef, Rows)> {
        let integers = || column.as_primitive::<Int64Type>();
        let decimals = || column.as_primitive::<Decimal128Type>();
        let floats = || column.as_primitive::<Float64Type>();
        let texts = || column.as_string_view();
        Ok(match self {
            Plan::Same => (ArrayRef::clone(column), Rows::new()),
            Plan::Widen(layout) => {
                let widened = decimals().clone().with_data_type(layout.clone());
                (Arc::new(widened), Rows::new())
            }
            Plan::Check(to) => kernel::check(column, texts(), |text| parse::is_textual(to, text))?,
            Plan::CheckItems(items) => kernel::check(column, texts(), |text| items.contains(text))?,
            Plan::Reorder(order) => array(kernel::rewrite(texts(), |text, out| {
                reorder(text, order, out)
            })),
            Plan::Write => array(kernel::write(column, |_| true)?),
            Plan::WriteItems(items) => array(kernel::write(column, |text| items.contains(text))?),
            Plan::WriteNumber => {
                // A float column of foreign make may hold what is no number.
                let finite = |text: &str| !text.ends_with(['N', 'f']);
                array(kernel::write(column, finite)?)
            }
            Plan::Read(notation) => read(texts(), notation)?,
            Plan::ParseInteger => array(kernel::parse::<Int64Type>(texts(), parse::integer)),
            Plan::ParseDecimal(to, layout) => decimal(
                kernel::parse(texts(), |text| parse::decimal(text, to.precision, to.scale)),
                layout,
            ),
            Plan::ParseFloat => array(kernel::parse::<Float64Type>(texts(), parse::float)),
            Plan::ParseBoolean => array(kernel::booleans(texts().iter(), |text: &str| {
                parse::boolean(text.as_bytes())
            })),
            Plan::ParseDate => array(kernel::parse::<Date32Type>(texts(), parse::date)),
            Plan::ParseDateTime(layout) => {
                let (instants, invalid) =
                    kernel::parse::<TimestampMicrosecondType>(texts(), parse::datetime);
                array((instants.with_data_type(layout.clone()), invalid))
            }
            Plan::ParseLocalDateTime => array(kernel::parse::<TimestampMicrosecondType>(
                texts(),
                parse::local_datetime,
            )),
            Plan::IntegerToDecimal(to, layout) => decimal(
                kernel::map(integers(), |value| to.of(value.into(), 0, Rounding::None)),
                layout,
            ),
            Plan::IntegerToFloat(rounding) => {
                array(kernel::map::<_, Float64Type>(integers(), |value| {
                    number::float_of_integer(value, *rounding)
                }))
            }
            Plan::IntegerToBoolean => {
                array(kernel::booleans(integers().iter(), |value| match value {
                    0 => Some(false),
                    1 => Some(true),
                    _ => None,
                }))
            }
            Plan::DecimalToInteger(scale, rounding) => {
                array(kernel::map::<_, Int64Type>(decimals(), |value| {
                    number::integer_of_decimal(value, *scale, *rounding)
                }))
            }
            Plan::DecimalToDecimal(scale, to, layout, rounding) => decimal(
                kernel::map(decimals(), |value| to.of(value, *scale, *rounding)),
                layout,
            ),
            Plan::DecimalToFloat(scale, rounding) => {
                array(kernel::map::<_, Float64Type>(decimals(), |value| {
                    number::float_of_decimal(value, *scale, *rounding)
                }))
            }
            Plan::FloatToInteger(rounding) => {
                array(kernel::map::<_, Int64Type>(floats(), |value| {
                    number::integer_of_float(value, *rounding)
                }))
            }
            Plan::FloatToDecimal(to, layout, rounding) => decimal(
                kernel::map(floats(), |value| to.of_float(value, *rounding)),
                layout,
            ),
            Plan::BooleanToInteger => {
                let column = column.as_boolean();
                let values: Vec<i64> = column.values().iter().map(i64::from).collect();
                let integers = arrow_array::Int64Array::new(values.into(), column.nulls().cloned());
                array((integers, Rows::new()))
            }
            Plan::DateToLocalDateTime => {
                let days = column.as_primitive::<Date32Type>();
                array(kernel::map::<_, TimestampMicrosecondType>(days, |day| {
                    i64::from(day).checked_mul(MICROS_PER_DAY)
                }))
            }
            Plan::ToDay => {
                let micros = column.as_primitive::<TimestampMicrosecondType>();
                array(kernel::map::<_, Date32Type>(micros, |micros| {
                    i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()
                }))
            }
        })
    }
}

fn array<A: Array + 'static>((column, invalid): (A, Rows)) -> (ArrayRef, Rows) {
    (Arc::new(column), invalid)
}

fn decimal(
    (column, invalid): (arrow_array::Decimal128Array, Rows),
    layout: &DataType,
) -> (ArrayRef, Rows) {
    (Arc::new(column.with_data_type(layout.clone())), invalid)
}

/// The values of texts that are written like this.
fn read(texts: &StringViewArray, notation: &Notation) -> Result<(ArrayRef, Rows)> {
    let field_type = notation.field_type();
    let layout = field_type.data_type();
    Ok(match field_type {
        FieldType::Integer => array(kernel::parse::<Int64Type>(texts, |text| {
            notation.integer(text)
        })),
        FieldType::Float => array(kernel::parse::<Float64Type>(texts, |text| {
            notation.float(text)
        })),
        FieldType::Boolean => array(kernel::booleans(texts.iter(), |text: &str| {
            notation.boolean(text.as_bytes())
        })),
        FieldType::Date => array(kernel::parse::<Date32Type>(texts, |text| {
            notation.date(text)
        })),
        FieldType::DateTime => {
            let (instants, invalid) =
                kernel::parse::<TimestampMicrosecondType>(texts, |text| notation.datetime(text));
            array((instants.with_data_type(layout), invalid))
        }
        FieldType::LocalDateTime => {
            array(kernel::parse::<TimestampMicrosecondType>(texts, |text| {
                notation.local_datetime(text)
            }))
        }
        _ if field_type.decimal().is_some() => {
            decimal(kernel::parse(texts, |text| notation.decimal(text)), &layout)
        }
        _ => return Err(super::wrong_layout().with("type", field_type)),
    })
}

/// The items of `text` in the order of the list; false if one is not in it.
fn reorder(text: &str, order: &[String], out: &mut String) -> bool {
    if text.is_empty() {
        return true;
    }
    let mut places = Vec::new();
    for part in text.split(';') {
        match order.iter().position(|item| item == part) {
            Some(place) => places.push(place),
            None => return false,
        }
    }
    places.sort_unstable();
    for item in places.iter().filter_map(|&place| order.get(place)) {
        if !out.is_empty() {
            out.push(';');
        }
        out.push_str(item);
    }
    true
}
