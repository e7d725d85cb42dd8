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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn values_of_one_type_have_an_order_and_a_text() {
        let pairs = [
            (CursorValue::Integer(-3), CursorValue::Integer(7), "-3", "7"),
            (
                CursorValue::Date("2024-12-31".parse().unwrap()),
                CursorValue::Date("2025-01-01".parse().unwrap()),
                "2024-12-31",
                "2025-01-01",
            ),
            (
                CursorValue::DateTime("2025-01-31T06:00:00Z".parse().unwrap()),
                CursorValue::DateTime("2025-01-31T06:00:00.000001Z".parse().unwrap()),
                "2025-01-31T06:00:00Z",
                "2025-01-31T06:00:00.000001Z",
            ),
        ];
        for (i, (less, more, less_text, more_text)) in pairs.into_iter().enumerate() {
            assert_eq!(
                (less.partial_cmp(&more), more.partial_cmp(&less)),
                (Some(Ordering::Less), Some(Ordering::Greater))
            );
            assert_eq!(
                (less.to_string(), more.to_string()),
                (less_text.to_owned(), more_text.to_owned())
            );
            let mut others = pairs.into_iter().skip(i + 1);
            assert!(others.all(|(other, ..)| less.partial_cmp(&other).is_none()));
        }
    }
}
