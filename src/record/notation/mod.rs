//! How values are written in a text, where that is not the [usual form](super::parse).
//!
//! ```
//! use syncline::record::FieldType;
//! use syncline::record::notation::Notation;
//!
//! let amount = FieldType::Decimal { precision: 12, scale: 2 };
//! let german = Notation::numbers(&amount, ',', Some('.')).unwrap();
//! assert_eq!(german.decimal("1.234.567,89".as_bytes()), Some(123_456_789));
//! assert_eq!(german.decimal("1234567,89".as_bytes()), Some(123_456_789));
//! // A group of two digits, and a point where a comma belongs.
//! assert_eq!(german.decimal("1.23,4".as_bytes()), None);
//! assert_eq!(german.decimal("1234.5".as_bytes()), None);
//! ```

mod number;
#[cfg(test)]
mod tests;
mod time;

use super::{FieldType, parse};
use crate::error::Problem;

use self::number::Marks;
use self::time::Times;

/// How the values of a type are written: checked, and ready to read them one by one, as strictly as
/// [`parse`] does. Nothing is trimmed and nothing is guessed.
///
/// A reader for another type than the notation's own answers `None`.
#[derive(Debug, Clone)]
pub struct Notation {
    field_type: FieldType,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Number {
        /// `None` if the marks are the usual ones.
        marks: Option<Marks>,
        /// A number, for messages.
        sample: String,
    },
    Boolean {
        yes: Box<[String]>,
        no: Box<[String]>,
    },
    Time(Times),
}

impl Notation {
    /// Numbers with this mark in front of the fraction, and possibly this one between groups of three digits in front of
    /// it: between all of them or none, and not where the first digit is 0.
    ///
    /// # Errors
    /// Problems of `decimal_mark` and `grouping`: a mark is no digit, letter or sign, the decimal mark no white space,
    /// and the two differ. One without path if `field_type` is no number.
    pub fn numbers(
        field_type: &FieldType,
        decimal_mark: char,
        grouping: Option<char>,
    ) -> Result<Self, Vec<Problem>> {
        let is_whole = *field_type == FieldType::Integer;
        if !is_whole && *field_type != FieldType::Float && field_type.decimal().is_none() {
            return Err(unfit("a number", field_type));
        }
        let marks = Marks::new(decimal_mark, grouping)?;
        let mut sample = String::from("1");
        sample.extend(grouping);
        sample.push_str("234");
        if !is_whole {
            sample.push(decimal_mark);
            sample.push_str("56");
        }
        Ok(Notation {
            field_type: field_type.clone(),
            kind: Kind::Number {
                marks: (decimal_mark != '.' || grouping.is_some()).then_some(marks),
                sample,
            },
        })
    }

    /// Booleans by these words, in any case of their ASCII letters.
    ///
    /// # Errors
    /// Problems of `true` and `false`: each has a word at least, and no word is there twice. One without path if
    /// `field_type` is not boolean.
    pub fn booleans(
        field_type: &FieldType,
        yes: &[String],
        no: &[String],
    ) -> Result<Self, Vec<Problem>> {
        if *field_type != FieldType::Boolean {
            return Err(unfit("a boolean", field_type));
        }
        let mut problems = Vec::new();
        let mut seen: Vec<&String> = Vec::new();
        for (name, words) in [("true", yes), ("false", no)] {
            if words.is_empty() {
                problems.push(Problem::new(name, "name at least one word"));
            }
            for (i, word) in words.iter().enumerate() {
                if seen.iter().any(|other| other.eq_ignore_ascii_case(word)) {
                    let message = format!("the word `{word}` is there twice; keep one of the two");
                    problems.push(Problem::new(format!("{name}[{i}]"), message));
                }
                seen.push(word);
            }
        }
        match problems.is_empty() {
            true => Ok(Notation {
                field_type: FieldType::Boolean,
                kind: Kind::Boolean {
                    yes: yes.into(),
                    no: no.into(),
                },
            }),
            false => Err(problems),
        }
    }

    /// Dates and times by these patterns, tried in order; of datetimes whose pattern has no offset, by the clocks of this
    /// zone.
    ///
    /// What a pattern is made of, [`pattern`](super::pattern) says.
    ///
    /// # Errors
    /// Problems of `patterns` and `zone`: a pattern says all that the type wants and no more, and only a datetime has a
    /// zone. One without path if `field_type` is neither date nor time.
    pub fn times(
        field_type: &FieldType,
        patterns: &[String],
        zone: Option<&str>,
    ) -> Result<Self, Vec<Problem>> {
        use FieldType::{Date, DateTime, LocalDateTime};
        if !matches!(field_type, Date | DateTime | LocalDateTime) {
            return Err(unfit("a date or time", field_type));
        }
        Ok(Notation {
            field_type: field_type.clone(),
            kind: Kind::Time(Times::new(field_type, patterns, zone)?),
        })
    }

    /// The type of the values.
    pub fn field_type(&self) -> &FieldType {
        &self.field_type
    }

    /// A whole number; see [`parse::integer`].
    #[inline]
    pub fn integer(&self, text: &[u8]) -> Option<i64> {
        self.read_number(text, parse::integer)
    }

    /// A decimal, currency or percent of the type's digits; see [`parse::decimal`].
    #[inline]
    pub fn decimal(&self, text: &[u8]) -> Option<i128> {
        let (precision, scale) = self.field_type.decimal()?;
        self.read_number(text, |text| parse::decimal(text, precision, scale))
    }

    /// A float; see [`parse::float`].
    #[inline]
    pub fn float(&self, text: &[u8]) -> Option<f64> {
        self.read_number(text, parse::float)
    }

    #[inline]
    fn read_number<V>(&self, text: &[u8], parse: impl FnOnce(&[u8]) -> Option<V>) -> Option<V> {
        match &self.kind {
            Kind::Number { marks: None, .. } => parse(text),
            Kind::Number {
                marks: Some(marks), ..
            } => marks.read(text, parse),
            _ => None,
        }
    }

    /// True or false, by its words.
    #[inline]
    pub fn boolean(&self, text: &[u8]) -> Option<bool> {
        let Kind::Boolean { yes, no } = &self.kind else {
            return None;
        };
        let is_in = |words: &[String]| {
            let mut words = words.iter();
            words.any(|word| word.as_bytes().eq_ignore_ascii_case(text))
        };
        if is_in(yes) {
            return Some(true);
        }
        is_in(no).then_some(false)
    }

    /// A date: days since 1970-01-01.
    #[inline]
    pub fn date(&self, text: &[u8]) -> Option<i32> {
        self.time(&FieldType::Date)?.date(text)
    }

    /// A datetime: microseconds since 1970-01-01 in UTC.
    #[inline]
    pub fn datetime(&self, text: &[u8]) -> Option<i64> {
        self.time(&FieldType::DateTime)?.datetime(text)
    }

    /// A local datetime: microseconds since 1970-01-01T00:00:00 of the same wall clock.
    #[inline]
    pub fn local_datetime(&self, text: &[u8]) -> Option<i64> {
        self.time(&FieldType::LocalDateTime)?.local_datetime(text)
    }

    #[inline]
    fn time(&self, of: &FieldType) -> Option<&Times> {
        match &self.kind {
            Kind::Time(times) if self.field_type == *of => Some(times),
            _ => None,
        }
    }

    /// Why a text is refused: a sentence for a reject, without the text.
    pub fn refusal(&self, text: &[u8]) -> String {
        let special = match &self.kind {
            Kind::Time(times) => times.refusal(text),
            _ => None,
        };
        special.unwrap_or_else(|| format!("expected {}", self.expected()))
    }

    /// What a value looks like, for messages.
    pub fn expected(&self) -> String {
        match &self.kind {
            Kind::Number { sample, .. } => match self.field_type {
                FieldType::Integer => {
                    format!("a whole number of at most 64 bits like {sample}")
                }
                FieldType::Float => format!("a finite number that a float can hold, like {sample}"),
                _ => format!("a decimal number within the field's digits, like {sample}"),
            },
            Kind::Boolean { yes, no } => {
                format!("{} for true or {} for false", list(yes), list(no))
            }
            Kind::Time(times) => times.expected(&self.field_type),
        }
    }
}

/// Words in backticks, joined by `or`.
fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(" or ")
}

fn unfit(what: &str, field_type: &FieldType) -> Vec<Problem> {
    let message = format!(
        "this says how {what} is written, and the type is {field_type}; leave it out, or choose another type"
    );
    vec![Problem::new("", message)]
}
