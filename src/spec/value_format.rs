//! How the values of a text column are written.

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::record::FieldType;
use crate::record::notation::Notation;

/// How values are written in a text: one of three kinds, by the type that they have.
///
/// ```
/// use syncline::spec::ValueFormat;
///
/// let day: ValueFormat = serde_json::from_str(r#"{"time": {"patterns": ["%d.%m.%Y"]}}"#)?;
/// let amount: ValueFormat = serde_json::from_str(r#"{"number": {"decimal_mark": ",", "grouping": "."}}"#)?;
/// let active: ValueFormat = serde_json::from_str(r#"{"boolean": {"true": ["yes", "y"], "false": ["no", "n"]}}"#)?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ValueFormat {
    /// Of dates and times.
    Time {
        /// One or more patterns, tried in order; see [`record::pattern`](crate::record::pattern).
        patterns: Vec<String>,
        /// For datetimes whose patterns have no offset: the zone, like `Europe/Berlin`, of the clocks that they show.
        /// A time that those clocks never show, or show twice, is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
    /// Of numbers.
    Number {
        /// Stands in front of the fraction.
        #[serde(default = "point")]
        decimal_mark: char,
        /// May stand between groups of three digits in front of the decimal mark; if it does, it stands between all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grouping: Option<char>,
    },
    /// Of booleans.
    Boolean {
        /// The words for true, in any case of their ASCII letters.
        #[serde(rename = "true")]
        yes: Vec<String>,
        /// The words for false, in any case of their ASCII letters.
        #[serde(rename = "false")]
        no: Vec<String>,
    },
}

impl ValueFormat {
    /// The format checked for values of a type, and ready to read them. `path` is its place in a spec.
    ///
    /// ```
    /// use syncline::record::FieldType;
    /// use syncline::spec::ValueFormat;
    ///
    /// let seats: ValueFormat = serde_json::from_str(r#"{"number": {"grouping": "'"}}"#)?;
    /// let notation = seats.notation(&FieldType::Integer, "columns[0].format").unwrap();
    /// assert_eq!(notation.integer(b"12'500"), Some(12_500));
    /// let problems = seats.notation(&FieldType::Date, "columns[0].format").unwrap_err();
    /// assert_eq!(problems[0].path, "columns[0].format");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with it, and that it is for another type.
    pub fn notation(&self, field_type: &FieldType, path: &str) -> Result<Notation, Vec<Problem>> {
        let (kind, made) = match self {
            ValueFormat::Time { patterns, zone } => (
                "time",
                Notation::times(field_type, patterns, zone.as_deref()),
            ),
            ValueFormat::Number {
                decimal_mark,
                grouping,
            } => (
                "number",
                Notation::numbers(field_type, *decimal_mark, *grouping),
            ),
            ValueFormat::Boolean { yes, no } => {
                ("boolean", Notation::booleans(field_type, yes, no))
            }
        };
        let placed = |problem: Problem| match problem.path.as_str() {
            "" => Problem::new(path, problem.message),
            below => Problem::new(format!("{path}.{kind}.{below}"), problem.message),
        };
        made.map_err(|problems| problems.into_iter().map(placed).collect())
    }
}

fn point() -> char {
    '.'
}
