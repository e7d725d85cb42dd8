//! A value of the field that tells how new a record is.

use std::cmp::Ordering;
use std::fmt;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A value of a cursor field: of the field of a dataset that tells how new a record is.
///
/// Two values have an order only if they are of one type. A wall-clock time is none of them: it goes back each autumn.
///
/// ```
/// use syncline::record::CursorValue;
///
/// let (monday, friday) = (CursorValue::Date("2025-01-27".parse().unwrap()), CursorValue::Date("2025-01-31".parse().unwrap()));
/// assert!(monday < friday);
/// assert_eq!(monday.partial_cmp(&CursorValue::Integer(7)), None);
/// assert_eq!(friday.to_string(), "2025-01-31");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CursorValue {
    /// A number that only grows, of an [`Integer`](super::FieldType::Integer) field.
    Integer(i64),
    /// A day, of a [`Date`](super::FieldType::Date) field.
    Date(NaiveDate),
    /// An instant, of a [`DateTime`](super::FieldType::DateTime) field; compared in whole microseconds.
    DateTime(DateTime<Utc>),
}

impl PartialOrd for CursorValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (CursorValue::Integer(a), CursorValue::Integer(b)) => Some(a.cmp(b)),
            (CursorValue::Date(a), CursorValue::Date(b)) => Some(a.cmp(b)),
            (CursorValue::DateTime(a), CursorValue::DateTime(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl fmt::Display for CursorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CursorValue::Integer(value) => value.fmt(f),
            CursorValue::Date(value) => value.fmt(f),
            CursorValue::DateTime(value) => {
                f.write_str(&value.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
        }
    }
}
