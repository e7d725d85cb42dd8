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

use super::parse::{is_day, is_instant};

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
    #[inline(always)]
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
                write_if_valid!(column, v => boolean(v, out));
            }
            ColumnText::Date(column) => write_if_valid!(column, v => date(v, out)),
            ColumnText::DateTime(column) => write_if_valid!(column, v => datetime(v, out)),
            ColumnText::LocalDateTime(column) => {
                write_if_valid!(column, v => local_datetime(v, out))
            }
        }
        true
    }
}

/// Appends a whole number.
#[inline]
pub fn integer(value: i64, out: &mut Vec<u8>) {
    Digits::of(value.unsigned_abs(), 0, value < 0).append(out);
}

/// Appends a decimal that counts units of its last digit.
#[inline]
pub fn decimal(value: i128, scale: u8, out: &mut Vec<u8>) {
    match u64::try_from(value.unsigned_abs()) {
        Ok(size) if usize::from(scale) < Digits::MOST => {
            Digits::of(size, usize::from(scale), value < 0).append(out)
        }
        _ => long_decimal(value, usize::from(scale), out),
    }
}

/// A decimal of more than 64 bits, or of so many digits behind the point.
#[cold]
fn long_decimal(value: i128, scale: usize, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let (begin, mut rest) = (out.len(), value.unsigned_abs());
    let mut count = 0;
    while rest > 0 || count <= scale {
        if count == scale && scale > 0 {
            out.push(b'.');
        }
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        count += 1;
    }
    if let Some(digits) = out.get_mut(begin..) {
        digits.reverse();
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

/// Appends `true` or `false`.
#[inline]
pub fn boolean(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a day, given as days since 1970-01-01. Years of more than four digits, and such before the
/// year 0, have a sign; no text that is read has them.
#[inline]
pub fn date(days: i32, out: &mut Vec<u8>) {
    match plain_date(days) {
        Some(text) => out.extend_from_slice(&text),
        None => far_date(days, out),
    }
}

/// A day of a year of four digits.
#[inline]
fn plain_date(days: i32) -> Option<[u8; 10]> {
    let (year, month, day) = civil_from_days(days);
    let year = u32::try_from(year).ok().filter(|&year| year <= 9999)?;
    let ([y1, y2], [y3, y4]) = (two(year / 100), two(year % 100));
    let ([m1, m2], [d1, d2]) = (two(month), two(day));
    Some([y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2])
}

#[cold]
fn far_date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    let ([m1, m2], [d1, d2]) = (two(month), two(day));
    out.push(if year < 0 { b'-' } else { b'+' });
    for _ in year.unsigned_abs().to_string().len()..4 {
        out.push(b'0');
    }
    Digits::of(year.unsigned_abs(), 0, false).append(out);
    out.extend_from_slice(&[b'-', m1, m2, b'-', d1, d2]);
}

/// Appends an instant, given as microseconds since 1970-01-01T00:00:00Z.
#[inline]
pub fn datetime(micros: i64, out: &mut Vec<u8>) {
    local_datetime(micros, out);
    out.push(b'Z');
}

/// Appends a wall-clock time, given as microseconds since 1970-01-01T00:00:00.
#[inline]
pub fn local_datetime(micros: i64, out: &mut Vec<u8>) {
    const DAY: i64 = 86_400_000_000;
    // Microseconds in 64 bits reach some 292,000 years: days fit 32 bits.
    date(micros.div_euclid(DAY) as i32, out);
    let micros = micros.rem_euclid(DAY);
    let (clock, fraction) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
    let (minutes, seconds) = (clock / 60, clock % 60);
    let ([h1, h2], [m1, m2]) = (two(minutes / 60), two(minutes % 60));
    let [s1, s2] = two(seconds);
    out.extend_from_slice(&[b'T', h1, h2, b':', m1, m2, b':', s1, s2]);
    if fraction > 0 {
        let ([f1, f2], [f3, f4]) = (two(fraction / 10_000), two(fraction / 100 % 100));
        let [f5, f6] = two(fraction % 100);
        out.extend_from_slice(&[b'.', f1, f2, f3, f4, f5, f6]);
    }
}

/// The text of a number, made from its last digit on.
///
/// It is appended with some of what stands behind it, at a fixed length, and cut: for so few bytes that is
/// cheaper than a call that copies just those.
struct Digits {
    /// The text ends at [`END`](Self::END).
    buffer: [u8; 2 * Self::END],
    begin: usize,
}

impl Digits {
    /// As many digits as 64 bits can have.
    const MOST: usize = 20;
    /// Room for these, a sign, a point and a zero in front of it.
    const END: usize = 24;

    /// Units of the last of `scale` digits behind the point; `scale` is below [`MOST`](Self::MOST).
    #[inline]
    fn of(value: u64, scale: usize, is_negative: bool) -> Self {
        let mut digits = Digits {
            buffer: [0; 2 * Self::END],
            begin: Self::END,
        };
        let mut rest = value;
        if scale > 0 {
            for _ in 0..scale / 2 {
                digits.push_pair(&mut rest);
            }
            if scale % 2 > 0 {
                digits.push(b'0' + (rest % 10) as u8);
                rest /= 10;
            }
            digits.push(b'.');
        }
        while rest >= 10 {
            digits.push_pair(&mut rest);
        }
        if rest > 0 || digits.begin == Self::END || digits.starts_with_point() {
            digits.push(b'0' + rest as u8);
        }
        if is_negative {
            digits.push(b'-');
        }
        digits
    }

    #[inline(always)]
    fn starts_with_point(&self) -> bool {
        self.buffer.get(self.begin) == Some(&b'.')
    }

    #[inline(always)]
    fn push(&mut self, byte: u8) {
        self.begin -= 1;
        self.buffer[self.begin] = byte;
    }

    #[inline(always)]
    fn push_pair(&mut self, rest: &mut u64) {
        self.begin -= 2;
        let place = self.buffer.get_mut(self.begin..);
        if let Some(place) = place.and_then(<[u8]>::first_chunk_mut) {
            *place = two((*rest % 100) as u32);
        }
        *rest /= 100;
    }

    #[inline(always)]
    fn append(&self, out: &mut Vec<u8>) {
        let end = out.len() + Self::END - self.begin;
        let text = self.buffer.get(self.begin..);
        if let Some(text) = text.and_then(<[u8]>::first_chunk::<{ Self::END }>) {
            out.extend_from_slice(text);
            out.truncate(end);
        }
    }
}

/// Every number below 128 in two digits, those from 100 on by their last two: as many as need no check.
const PAIRS: [[u8; 2]; 128] = {
    let mut pairs = [[0; 2]; 128];
    let mut number = 0;
    while number < 128 {
        pairs[number] = [
            b'0' + (number % 100) as u8 / 10,
            b'0' + (number % 100) as u8 % 10,
        ];
        number += 1;
    }
    pairs
};

/// A number below 100 in two digits.
#[inline]
pub(super) fn two(value: u32) -> [u8; 2] {
    PAIRS[(value & 127) as usize]
}

/// Year, month and day of a day of the proleptic Gregorian calendar; the inverse of what `parse` does.
#[inline]
pub(crate) fn civil_from_days(days: i32) -> (i64, u32, u32) {
    // Eras of 400 years have one number of days. Counted from a March before the year 0, days of the years
    // that have texts are not negative and fit 32 bits, in which division is cheapest.
    let from_march = i64::from(days) + 719_468;
    let (era, day_of_era) = match u32::try_from(from_march) {
        Ok(from_march) => (i64::from(from_march / 146_097), from_march % 146_097),
        Err(_) => (
            from_march.div_euclid(146_097),
            from_march.rem_euclid(146_097) as u32,
        ),
    };
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
