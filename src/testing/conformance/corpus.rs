//! Values that are easily damaged on the way.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringViewArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow_select::take::take;

use crate::record::{Field, FieldType, Schema};
use crate::{Error, Result};

/// Microseconds of the first moment of year 1, of the last of year 9999.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_799_999_999;
/// Days of the first of year 1, of the last of year 9999.
const FIRST_DAY: i32 = -719_162;
const LAST_DAY: i32 = 2_932_896;
/// 2^53 + 1: the first whole number that is no binary floating-point number.
const ODD: i64 = (1 << 53) + 1;

const TEXTS: [&str; 20] = [
    "",
    " ",
    "  padded  ",
    "007",
    "null",
    "\\N",
    "true",
    "1e5",
    "=1+1",
    "a,b;c\td|e",
    "a \"quote\", 'another'",
    "two\r\nlines\n",
    "a\0b",
    "\u{feff}mark",
    "é",
    "e\u{301}",
    "漢字 Ω",
    "\u{1f600}",
    "\u{10ffff}",
    "\u{202e}right to left",
];

/// Values of a type that are easily damaged, each once, and null behind them.
///
/// Text has NUL, combining and non-BMP characters, blanks, line ends, and what looks like another type; numbers have both ends of their
/// range, 2^53 + 1, -0.0 and all digits; times have both ends of the calendar, instants before 1970 and single microseconds.
/// There is no infinite [`Float`](FieldType::Float), since there is none among records.
///
/// ```
/// use syncline::record::FieldType;
/// use syncline::record::array::{Array, Int64Array};
/// use syncline::testing::conformance::corpus;
///
/// let numbers = corpus(&FieldType::Integer);
/// let numbers = numbers.as_any().downcast_ref::<Int64Array>().unwrap();
/// assert!(numbers.values().contains(&9_007_199_254_740_993));
/// assert_eq!(numbers.null_count(), 1);
/// ```
pub fn corpus(field_type: &FieldType) -> ArrayRef {
    fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
        let values = values.into_iter().map(Some).chain([None]);
        Arc::new(values.collect::<StringViewArray>())
    }
    fn optional<T: Copy, C: FromIterator<Option<T>>>(values: &[T]) -> C {
        values.iter().copied().map(Some).chain([None]).collect()
    }
    let instants = [
        FIRST,
        -1_000_001,
        -1,
        0,
        1,
        1_743_296_400_000_000,
        1_761_438_600_123_456,
        LAST,
    ];
    match field_type {
        FieldType::Text => texts(TEXTS),
        FieldType::Integer => {
            let values = [
                0,
                1,
                -1,
                ODD,
                -ODD,
                999_999_999_999_999_999,
                i64::MAX,
                i64::MIN,
            ];
            Arc::new(optional::<_, Int64Array>(&values))
        }
        FieldType::Decimal { precision, scale }
        | FieldType::Currency { precision, scale }
        | FieldType::Percent { precision, scale } => {
            let most = 10_i128.saturating_pow(u32::from(*precision)) - 1;
            let values = [0, 1, -1, most, -most, most / 10 + 1, most / 3];
            let array = optional::<_, Decimal128Array>(&values);
            match array.with_precision_and_scale(*precision, *scale as i8) {
                Ok(array) => Arc::new(array),
                // A type that no batch can have.
                Err(_) => arrow_array::new_empty_array(&field_type.data_type()),
            }
        }
        FieldType::Float => {
            let values = [
                0.0,
                -0.0,
                0.1,
                -1.5,
                1.0 / 3.0,
                9_007_199_254_740_992.0,
                f64::MAX,
                f64::MIN,
                f64::MIN_POSITIVE,
                5e-324,
                f64::EPSILON,
                1e23,
            ];
            Arc::new(optional::<_, Float64Array>(&values))
        }
        FieldType::Boolean => Arc::new(optional::<_, BooleanArray>(&[true, false])),
        FieldType::Date => {
            let values = [FIRST_DAY, -141_428, -141_427, -1, 0, 11_016, LAST_DAY];
            Arc::new(optional::<_, Date32Array>(&values))
        }
        FieldType::DateTime => {
            let array = optional::<_, TimestampMicrosecondArray>(&instants);
            Arc::new(array.with_timezone("UTC"))
        }
        FieldType::LocalDateTime => Arc::new(optional::<_, TimestampMicrosecondArray>(&instants)),
        FieldType::Email => texts([
            "a@example.com",
            "A.B+c@example.com",
            "o'neil@sub.example.org",
        ]),
        FieldType::Url => texts([
            "https://example.com/",
            "https://example.com:8443/a%20b?c=d&e=%2F#f",
            "ftp://example.org/UPPER",
        ]),
        FieldType::Picklist(items) => texts(items.iter().map(String::as_str)),
        FieldType::MultiPicklist(items) => {
            let all = items.join(";");
            let several = (items.len() > 1).then_some(all.as_str());
            texts(items.iter().map(String::as_str).chain(several))
        }
        FieldType::Json => texts([
            "{}",
            "null",
            "[9007199254740993, 1.50, -0.0]",
            "{\"b\": \"\\u00e9\", \"a\": {\"b\": []}}",
            "\"a text\"",
        ]),
        FieldType::Lookup(_) => texts(["a", "A", "0001"]),
        FieldType::Id => texts([
            "000000000000000000000000000000000000",
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        ]),
    }
}

/// Records of these fields in which each value of each field's [`corpus`] comes once at least.
///
/// ```
/// use syncline::testing::conformance::{every_type, fidelity};
///
/// let records = fidelity(&every_type())?;
/// assert_eq!(records.num_columns(), 17);
/// # Ok::<(), syncline::Error>(())
/// ```
///
/// # Errors
/// [`Contract`](crate::ErrorKind::Contract) if a field's type is none that a batch can have.
pub fn fidelity(schema: &Schema) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = (schema.fields().iter())
        .map(|field| corpus(&field.field_type))
        .collect();
    let rows = columns.iter().map(|column| column.len()).max().unwrap_or(0);
    if columns.iter().any(|column| column.is_empty()) {
        return Err(Error::contract("a field has a type that no batch can have"));
    }
    let columns = columns.iter().map(|column| {
        let again = (0..rows).map(|row| (row % column.len()) as u32);
        Ok(take(column, &again.collect::<UInt32Array>(), None)?)
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?)
}

/// A field of each of the 17 types, named after it.
pub fn every_type() -> Schema {
    let items: Arc<[String]> = ["open", "closed", "in work"].map(String::from).into();
    let digits = |precision, scale| (precision, scale);
    let ((p, s), (cp, cs), (pp, ps)) = (digits(38, 9), digits(18, 2), digits(9, 4));
    let types = [
        ("text", FieldType::Text),
        ("integer", FieldType::Integer),
        (
            "decimal",
            FieldType::Decimal {
                precision: p,
                scale: s,
            },
        ),
        ("float", FieldType::Float),
        ("boolean", FieldType::Boolean),
        ("date", FieldType::Date),
        ("datetime", FieldType::DateTime),
        ("local_datetime", FieldType::LocalDateTime),
        ("email", FieldType::Email),
        ("url", FieldType::Url),
        ("picklist", FieldType::Picklist(Arc::clone(&items))),
        ("multi_picklist", FieldType::MultiPicklist(items)),
        (
            "currency",
            FieldType::Currency {
                precision: cp,
                scale: cs,
            },
        ),
        (
            "percent",
            FieldType::Percent {
                precision: pp,
                scale: ps,
            },
        ),
        ("json", FieldType::Json),
        ("lookup", FieldType::Lookup("other".into())),
        ("id_of_another", FieldType::Id),
    ];
    Schema::new(
        types
            .map(|(name, field_type)| Field::new(name, field_type))
            .to_vec(),
    )
}

/// A column of plain values, one for each number; the same number gives the same value, and two numbers never the same.
///
/// `None` if the type has too few values for that.
pub(super) fn numbered(field_type: &FieldType, numbers: &[Option<u32>]) -> Option<ArrayRef> {
    let texts = |text: &dyn Fn(u32) -> String| -> ArrayRef {
        let texts = numbers.iter().map(|number| number.map(text));
        Arc::new(texts.collect::<StringViewArray>())
    };
    let numbers = || numbers.iter().copied();
    let micros = |number: u32| 1_700_000_000_000_000 + i64::from(number) * 1_000_000;
    Some(match field_type {
        FieldType::Text | FieldType::Lookup(_) => texts(&|number| format!("name {number}")),
        FieldType::Email => texts(&|number| format!("name{number}@example.com")),
        FieldType::Url => texts(&|number| format!("https://example.com/{number}")),
        FieldType::Json => texts(&|number| format!("{{\"n\":{number}}}")),
        FieldType::Id => texts(&|number| format!("{number:036}")),
        FieldType::Integer => Arc::new(numbers().map(|n| n.map(i64::from)).collect::<Int64Array>()),
        FieldType::Float => Arc::new(
            numbers()
                .map(|n| n.map(f64::from))
                .collect::<Float64Array>(),
        ),
        FieldType::Date => {
            let days = numbers().map(|n| n.map(|n| 20_000 + n as i32));
            Arc::new(days.collect::<Date32Array>())
        }
        FieldType::DateTime => {
            let instants = numbers().map(|n| n.map(micros));
            Arc::new(
                instants
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            )
        }
        FieldType::LocalDateTime => {
            let times = numbers().map(|n| n.map(micros));
            Arc::new(times.collect::<TimestampMicrosecondArray>())
        }
        _ => {
            let (precision, scale) = field_type.decimal()?;
            let units = numbers().map(|n| n.map(i128::from));
            let units = units.collect::<Decimal128Array>();
            Arc::new(
                units
                    .with_precision_and_scale(precision, scale as i8)
                    .ok()?,
            )
        }
    })
}
