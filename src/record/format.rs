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

use super::parse::is_instant;

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

    /// Whether [`parse`](super::parse) reads the text of the value in `row` back, as it does of all but numbers that are not finite
    /// and days and times outside of the years 1 to 9999. True for null.
    ///
    /// # Panics
    /// If the column has no such row.
    pub fn is_readable(&self, row: usize) -> bool {
        let is_day = |days: i32| is_instant(i64::from(days).saturating_mul(86_400_000_000));
        match self {
            ColumnText::Float(column) => column.is_null(row) || column.value(row).is_finite(),
            ColumnText::Date(column) => column.is_null(row) || is_day(column.value(row)),
            ColumnText::DateTime(column) | ColumnText::LocalDateTime(column) => {
                column.is_null(row) || is_instant(column.value(row))
            }
            ColumnText::Text(_)
            | ColumnText::Integer(_)
            | ColumnText::Decimal(..)
            | ColumnText::Boolean(_) => true,
        }
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
    out.extend_from_slice(Digits::of(value.unsigned_abs().into(), 1).as_slice());
}

/// Appends a decimal that counts units of its last digit.
pub fn decimal(value: i128, scale: u8, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let scale = usize::from(scale);
    let digits = Digits::of(value.unsigned_abs(), scale + 1);
    let digits = digits.as_slice();
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.extend_from_slice(whole);
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
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

/// Appends a day, given as days since 1970-01-01. Years of more than four digits, and such before the
/// year 0, have a sign; no text that is read has them.
pub fn date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    let ([m1, m2], [d1, d2]) = (two(month), two(day));
    if let Ok(year @ 0..=9999) = u32::try_from(year) {
        let ([y1, y2], [y3, y4]) = (two(year / 100), two(year % 100));
        out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
    } else {
        out.push(if year < 0 { b'-' } else { b'+' });
        out.extend_from_slice(Digits::of(year.unsigned_abs().into(), 4).as_slice());
        out.extend_from_slice(&[b'-', m1, m2, b'-', d1, d2]);
    }
}

/// Appends a wall-clock time, given as microseconds since 1970-01-01T00:00:00.
pub fn local_datetime(micros: i64, out: &mut Vec<u8>) {
    const DAY: i64 = 86_400_000_000;
    // Microseconds in 64 bits reach some 292,000 years: days fit 32 bits.
    date(micros.div_euclid(DAY) as i32, out);
    let micros = micros.rem_euclid(DAY);
    let (clock, fraction) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
    let ([h1, h2], [m1, m2]) = (two(clock / 3600), two(clock / 60 % 60));
    let [s1, s2] = two(clock % 60);
    out.extend_from_slice(&[b'T', h1, h2, b':', m1, m2, b':', s1, s2]);
    if fraction > 0 {
        out.push(b'.');
        for pair in [fraction / 10_000, fraction / 100 % 100, fraction % 100] {
            out.extend_from_slice(&two(pair));
        }
    }
}

/// The decimal digits of a number, at the end of a buffer.
struct Digits {
    buffer: [u8; 40],
    start: usize,
}

impl Digits {
    /// At least `least` digits of `value`, with zeros in front.
    #[inline]
    fn of(value: u128, least: usize) -> Self {
        let mut digits = Digits {
            buffer: [b'0'; 40],
            start: 40,
        };
        let mut rest = value;
        // Division by ten is cheap in 64 bits only; most numbers are there at once.
        while rest > u128::from(u64::MAX) {
            digits.push((rest % 10) as u8);
            rest /= 10;
        }
        let mut rest = rest as u64;
        while rest > 0 {
            digits.push((rest % 10) as u8);
            rest /= 10;
        }
        digits.start = digits.start.min(40usize.saturating_sub(least));
        digits
    }

    /// Puts a digit in front. Numbers of 128 bits have at most 39.
    #[inline]
    fn push(&mut self, digit: u8) {
        if let Some(start) = self.start.checked_sub(1) {
            self.start = start;
            self.buffer[start % 40] = b'0' + digit;
        }
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }
}

/// A number below 100 in two digits.
#[inline]
pub(super) fn two(value: u32) -> [u8; 2] {
    [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]
}

/// Year, month and day of a day of the proleptic Gregorian calendar; the inverse of what `parse` does.
#[inline]
pub(crate) fn civil_from_days(days: i32) -> (i64, u32, u32) {
    let days = i64::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097) as u32;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let (month, carry) = match shifted_month {
        0..10 => (shifted_month + 3, 0),
        _ => (shifted_month - 9, 1),
    };
    (i64::from(year_of_era) + era * 400 + carry, month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        write(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_value_has_one_text() {
        for (value, scale, expected) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (-5, 2, "-0.05"),
            (1250, 2, "12.50"),
            (-1250, 0, "-1250"),
            (i128::MAX, 38, "1.70141183460469231731687303715884105727"),
        ] {
            assert_eq!(text(|out| decimal(value, scale, out)), expected);
        }
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (12.5, "12.5"),
            (1e15, "1000000000000000"),
            (1e16, "1e16"),
            (0.00001, "0.00001"),
            (-1.5e-7, "-1.5e-7"),
        ] {
            assert_eq!(text(|out| float(value, out)), expected);
        }
        assert_eq!(text(|out| integer(i64::MIN, out)), "-9223372036854775808");
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
            (2_932_897, "+10000-01-01"),
        ] {
            assert_eq!(text(|out| date(days, out)), expected);
        }
        assert_eq!(
            text(|out| local_datetime(-1, out)),
            "1969-12-31T23:59:59.999999"
        );
        assert_eq!(
            text(|out| local_datetime(60_000_050, out)),
            "1970-01-01T00:01:00.000050"
        );
    }

    #[test]
    fn what_no_reader_reads_is_told() {
        let floats =
            Float64Array::from(vec![Some(1e300), Some(f64::NAN), Some(f64::INFINITY), None]);
        let days = Date32Array::from(vec![
            Some(-719_162),
            Some(-719_163),
            Some(2_932_896),
            Some(2_932_897),
        ]);
        let times =
            TimestampMicrosecondArray::from(vec![Some(i64::MIN), Some(0), Some(i64::MAX), None]);
        let readable = |column: &dyn Array| -> Vec<bool> {
            let text = ColumnText::new(column).unwrap();
            (0..column.len()).map(|row| text.is_readable(row)).collect()
        };
        assert_eq!(readable(&floats), [true, false, false, true]);
        assert_eq!(readable(&days), [true, false, true, false]);
        assert_eq!(readable(&times), [false, true, false, true]);
        assert_eq!(
            readable(&times.with_timezone("UTC")),
            [false, true, false, true]
        );
    }

    #[test]
    fn null_has_no_text_and_other_layouts_neither() {
        let column = Int64Array::from(vec![Some(7), None]);
        let mut out = Vec::new();
        assert!(value(&column, 0, &mut out) && !value(&column, 1, &mut out));
        assert_eq!(out, b"7");
        assert!(ColumnText::new(&arrow_array::Int32Array::from(vec![1])).is_none());
    }
}
