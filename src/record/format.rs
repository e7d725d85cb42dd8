//! From a value to its one canonical text, which [`parse`](super::parse) reads back.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    Array, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};

/// Appends the text of one value; answers false, and appends nothing, for null.
///
/// For many values of one column a [`ColumnText`] is cheaper.
pub fn value(column: &dyn Array, row: usize, out: &mut Vec<u8>) -> bool {
    match ColumnText::new(column) {
        Some(text) => text.append(row, out),
        None => false,
    }
}

/// Writes the values of one column as text.
#[derive(Debug)]
pub enum ColumnText<'a> {
    /// The text itself.
    Text(&'a StringViewArray),
    /// `-12`.
    Integer(&'a Int64Array),
    /// `12.50`, always with as many digits behind the point as the scale.
    Decimal(&'a Decimal128Array, u8),
    /// The shortest text that reads back as the same number.
    Float(&'a Float64Array),
    /// `true`, `false`.
    Boolean(&'a BooleanArray),
    /// `2025-01-31`.
    Date(&'a Date32Array),
    /// `2025-01-31T12:34:56Z`, with six digits of fraction if there is one.
    DateTime(&'a TimestampMicrosecondArray),
    /// `2025-01-31T12:34:56`.
    LocalDateTime(&'a TimestampMicrosecondArray),
}

impl<'a> ColumnText<'a> {
    /// `None` if the column is none of the layouts of a [`FieldType`](super::FieldType).
    pub fn new(column: &'a dyn Array) -> Option<Self> {
        Some(match column.data_type() {
            DataType::Utf8View => ColumnText::Text(column.as_string_view()),
            DataType::Int64 => ColumnText::Integer(column.as_primitive::<Int64Type>()),
            DataType::Decimal128(_, scale) => ColumnText::Decimal(
                column.as_primitive::<Decimal128Type>(),
                u8::try_from(*scale).ok()?,
            ),
            DataType::Float64 => ColumnText::Float(column.as_primitive::<Float64Type>()),
            DataType::Boolean => ColumnText::Boolean(column.as_boolean()),
            DataType::Date32 => ColumnText::Date(column.as_primitive::<Date32Type>()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let column = column.as_primitive::<TimestampMicrosecondType>();
                match zone {
                    Some(_) => ColumnText::DateTime(column),
                    None => ColumnText::LocalDateTime(column),
                }
            }
            _ => return None,
        })
    }

    /// Appends the text of the value in `row`; answers false, and appends nothing, for null.
    ///
    /// # Panics
    /// If the column has no such row.
    pub fn append(&self, row: usize, out: &mut Vec<u8>) -> bool {
        macro_rules! write_if_valid {
            ($column:expr, $value:ident => $write:expr) => {{
                if $column.is_null(row) {
                    return false;
                }
                let $value = $column.value(row);
                $write;
            }};
        }
        match self {
            ColumnText::Text(column) => {
                write_if_valid!(column, v => out.extend_from_slice(v.as_bytes()))
            }
            ColumnText::Integer(column) => write_if_valid!(column, v => integer(v, out)),
            ColumnText::Decimal(column, scale) => {
                write_if_valid!(column, v => decimal(v, *scale, out))
            }
            ColumnText::Float(column) => write_if_valid!(column, v => float(v, out)),
            ColumnText::Boolean(column) => {
                write_if_valid!(column, v => out.extend_from_slice(if v { b"true" } else { b"false" }));
            }
            ColumnText::Date(column) => write_if_valid!(column, v => date(v, out)),
            ColumnText::DateTime(column) => write_if_valid!(column, v => {
                local_datetime(v, out);
                out.push(b'Z');
            }),
            ColumnText::LocalDateTime(column) => {
                write_if_valid!(column, v => local_datetime(v, out))
            }
        }
        true
    }
}

/// Appends a whole number.
pub fn integer(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    digits(u128::from(value.unsigned_abs()), 1, out);
}

/// Appends a decimal that counts units of its last digit.
pub fn decimal(value: i128, scale: u8, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    digits(value.unsigned_abs(), usize::from(scale) + 1, out);
    if scale > 0 {
        let point = out.len() - usize::from(scale);
        out.insert(point, b'.');
    }
}

/// Appends a floating-point number: plain digits where they are short, an exponent elsewhere.
pub fn float(value: f64, out: &mut Vec<u8>) {
    use std::io::Write;
    let size = value.abs();
    // Writing to a vector cannot fail.
    let _ = if size == 0.0 || (1e-5..1e16).contains(&size) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
}

/// Appends a day, given as days since 1970-01-01. Years of more than four digits have a sign.
pub fn date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(i64::from(days));
    match year {
        0..=9999 => digits(year.unsigned_abs().into(), 4, out),
        _ => {
            out.push(if year < 0 { b'-' } else { b'+' });
            digits(year.unsigned_abs().into(), 4, out);
        }
    }
    out.extend_from_slice(&[b'-', tens(month), ones(month), b'-', tens(day), ones(day)]);
}

/// Appends a wall-clock time, given as microseconds since 1970-01-01T00:00:00.
pub fn local_datetime(micros: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    // Microseconds in 64 bits reach some 292,000 years: days fit 32 bits.
    date(seconds.div_euclid(86_400) as i32, out);
    let clock = seconds.rem_euclid(86_400);
    let (h, m, s) = (clock / 3600, clock / 60 % 60, clock % 60);
    out.extend_from_slice(&[
        b'T',
        tens(h),
        ones(h),
        b':',
        tens(m),
        ones(m),
        b':',
        tens(s),
        ones(s),
    ]);
    if fraction > 0 {
        out.push(b'.');
        digits(fraction.unsigned_abs().into(), 6, out);
    }
}

/// Appends a number with at least `least` digits.
fn digits(mut value: u128, least: usize, out: &mut Vec<u8>) {
    let mut buffer = [b'0'; 40];
    let mut at = buffer.len();
    while value > u128::from(u64::MAX) {
        at -= 1;
        buffer[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    let mut value = value as u64;
    while value > 0 {
        at -= 1;
        buffer[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&buffer[at.min(buffer.len() - least.min(buffer.len()))..]);
}

fn tens(value: i64) -> u8 {
    b'0' + (value / 10 % 10) as u8
}

fn ones(value: i64) -> u8 {
    b'0' + (value % 10) as u8
}

/// Year, month and day of a day of the proleptic Gregorian calendar; the inverse of what `parse` does.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
