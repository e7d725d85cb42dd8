//! Filters and formulas as data.

use serde::{Deserialize, Serialize};

use super::ValueFormat;
use crate::record::FieldType;

/// A constant in a spec: a JSON scalar, read as the type that its place asks for.
///
/// Exact decimals, dates and instants are written as text: `"12.50"`, `"2025-01-31"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "a constant is null, true, false, a number or a text"
)]
pub enum Literal {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Literal::Text(text.into())
    }
}

impl From<i64> for Literal {
    fn from(number: i64) -> Self {
        Literal::Number(number.into())
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Literal::Boolean(value)
    }
}

/// A filter or formula; [`expr`](crate::expr) gives it a type, evaluates it, and has the rules of each.
///
/// In JSON each node is an object of one key: of a list of operands, as in
/// `{"multiply": [{"field": "mrr"}, {"value": 12}]}`, or of named ones, as in
/// `{"round": {"of": {"field": "share"}, "digits": 2, "rounding": "half_even"}}`.
///
/// A comparison with null is null, `and`, `or` and `not` follow SQL's three values, and a filter keeps
/// the rows for which it is true.
///
/// ```
/// use syncline::spec::Expr;
///
/// let full_name: Expr = serde_json::from_str(
///     r#"{"concat": [{"field": "first"}, {"value": " "}, {"upper": {"field": "last"}}]}"#)?;
/// assert!(matches!(&full_name, Expr::Concat(parts) if parts.len() == 3));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Expr {
    /// The value of a field.
    Field(String),
    /// A constant. Numbers without a point are integers, with one exact decimals; a text compared
    /// with a field is read as that field's type.
    Value(Literal),

    /// Equal.
    Eq(Box<[Expr; 2]>),
    /// Not equal.
    Ne(Box<[Expr; 2]>),
    /// Less.
    Lt(Box<[Expr; 2]>),
    /// Less or equal.
    Le(Box<[Expr; 2]>),
    /// Greater.
    Gt(Box<[Expr; 2]>),
    /// Greater or equal.
    Ge(Box<[Expr; 2]>),
    /// Between two values, both included.
    Between {
        /// What is compared.
        of: Box<Expr>,
        /// The least value.
        from: Box<Expr>,
        /// The greatest value.
        to: Box<Expr>,
    },
    /// Equal to one of a list.
    In {
        /// What is compared.
        of: Box<Expr>,
        /// At least one constant, none of them null.
        list: Vec<Literal>,
    },
    /// Matches a pattern of SQL: `%` stands for any text, also the empty one, `_` for any one character.
    Like {
        /// What is compared.
        of: Box<Expr>,
        /// The pattern; a backslash makes the `%`, `_` or backslash behind it an ordinary character.
        pattern: String,
        /// Whether upper and lower case letters match each other.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ignore_case: bool,
    },
    /// The first text contains the second.
    Contains(Box<[Expr; 2]>),
    /// The first text starts with the second.
    StartsWith(Box<[Expr; 2]>),
    /// The first text ends with the second.
    EndsWith(Box<[Expr; 2]>),

    /// All are true.
    And(Vec<Expr>),
    /// At least one is true.
    Or(Vec<Expr>),
    /// It is false.
    Not(Box<Expr>),
    /// Labelled conditions, joined by a text like `(A OR B) AND NOT C`.
    Logic(Logic),
    /// Whether it is null; never null itself.
    IsNull(Box<Expr>),
    /// Whether it is not null; never null itself.
    IsNotNull(Box<Expr>),
    /// The first value that is not null.
    Coalesce(Vec<Expr>),
    /// The value of the first branch whose condition is true.
    Case {
        /// At least one branch, tried in order.
        when: Vec<Branch>,
        /// The value if no condition is true; null without it.
        #[serde(rename = "else", default, skip_serializing_if = "Option::is_none")]
        otherwise: Option<Box<Expr>>,
    },
    /// The value as another type, exact or refused; a text is read, by a format if one is given.
    Convert {
        /// What is converted.
        of: Box<Expr>,
        /// The type.
        to: FieldType,
        /// How a text is written: of a number, a boolean, a date or a time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<ValueFormat>,
        /// What becomes of a value that does not convert.
        #[serde(default)]
        invalid: Unfit,
    },

    /// The sum, exact.
    Add(Box<[Expr; 2]>),
    /// The difference, exact.
    Subtract(Box<[Expr; 2]>),
    /// The product, exact.
    Multiply(Box<[Expr; 2]>),
    /// The quotient. Of exact numbers it is rounded, and says how; of floats it is not.
    Divide {
        /// What is divided.
        of: Box<Expr>,
        /// By what.
        by: Box<Expr>,
        /// How many digits stand behind the point; required of exact numbers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<u8>,
        /// How the last one is found; required of exact numbers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rounding: Option<Rounding>,
    },
    /// The rest of a division, with the sign of the first number.
    Modulo(Box<[Expr; 2]>),
    /// Rounded to some digits.
    Round {
        /// What is rounded.
        of: Box<Expr>,
        /// How many digits stay behind the point.
        #[serde(default)]
        digits: u8,
        /// How the last one is found.
        rounding: Rounding,
    },
    /// The least whole number that is not less.
    Ceil(Box<Expr>),
    /// The greatest whole number that is not greater.
    Floor(Box<Expr>),
    /// Without its sign.
    Abs(Box<Expr>),
    /// With the other sign.
    Negate(Box<Expr>),
    /// The square root of a float.
    Sqrt(Box<Expr>),
    /// e to the power of a float.
    Exp(Box<Expr>),
    /// The logarithm of a float.
    Log {
        /// A positive number.
        of: Box<Expr>,
        /// The base, positive and not 1; e without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<f64>,
    },

    /// The texts joined; null if one of them is null.
    Concat(Vec<Expr>),
    /// How many characters a text has.
    Length(Box<Expr>),
    /// In upper case.
    Upper(Box<Expr>),
    /// In lower case.
    Lower(Box<Expr>),
    /// Without white space, or some characters, at its ends.
    Trim {
        /// A text.
        of: Box<Expr>,
        /// At which ends.
        #[serde(default)]
        side: TrimSide,
        /// The characters to take away; white space without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        characters: Option<String>,
    },
    /// Made longer; a text that is long enough stays as it is.
    Pad {
        /// A text.
        of: Box<Expr>,
        /// How many characters it has at least.
        to: u32,
        /// On which end.
        side: PadSide,
        /// By which characters, repeated and cut; not empty.
        #[serde(default = "blank")]
        with: String,
    },
    /// A part of a text, by characters.
    Substring {
        /// A text.
        of: Box<Expr>,
        /// The number of the first character: 1 is the first of the text, -1 its last.
        from: Box<Expr>,
        /// How many characters at most; all that follow without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<Box<Expr>>,
    },
    /// The number of the character at which the second text first stands in the first: 1 is its first
    /// character, 0 says that it does not.
    Position(Box<[Expr; 2]>),
    /// Every occurrence of a text exchanged for another.
    Replace {
        /// A text.
        of: Box<Expr>,
        /// What is looked for; not empty.
        find: Box<Expr>,
        /// What takes its place.
        with: Box<Expr>,
    },
    /// One of the parts into which a text splits a text.
    Split {
        /// A text.
        of: Box<Expr>,
        /// What stands between the parts; not empty.
        by: Box<Expr>,
        /// The number of the part: 1 is the first, -1 the last.
        part: i32,
        /// What becomes of a text without such a part.
        #[serde(default)]
        missing: Unfit,
    },
    /// What stands in front of the first occurrence of a text.
    Before {
        /// A text.
        of: Box<Expr>,
        /// What is looked for; not empty.
        find: Box<Expr>,
        /// What becomes of a text without it.
        #[serde(default)]
        missing: Unfit,
    },
    /// What stands behind the first occurrence of a text.
    After {
        /// A text.
        of: Box<Expr>,
        /// What is looked for; not empty.
        find: Box<Expr>,
        /// What becomes of a text without it.
        #[serde(default)]
        missing: Unfit,
    },

    /// The UTC calendar day of an instant.
    UtcDay(Box<Expr>),
    /// The calendar day of an instant in a zone, or of a local time.
    Day {
        /// A datetime or a local_datetime.
        of: Box<Expr>,
        /// The zone of a datetime; UTC without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
    /// What the clocks of a zone show at an instant.
    ToLocal {
        /// A datetime.
        of: Box<Expr>,
        /// The zone, like `Europe/Berlin`.
        zone: String,
    },
    /// The instant at which the clocks of a zone show a local time.
    ToInstant {
        /// A local_datetime.
        of: Box<Expr>,
        /// The zone, like `Europe/Berlin`.
        zone: String,
        /// What becomes of a time that the clocks show twice. One that they never show is refused.
        #[serde(default)]
        repeated: Repeated,
    },
    /// A later, or with a negative number earlier, day or time.
    DateAdd {
        /// A date, datetime or local_datetime.
        of: Box<Expr>,
        /// How many units.
        count: Box<Expr>,
        /// The unit; of a date, days or longer.
        unit: TimeUnit,
        /// The zone in whose calendar days and longer units of a datetime are counted; UTC without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
    /// How many whole units lie between two days or times.
    DateDiff {
        /// A date, datetime or local_datetime.
        from: Box<Expr>,
        /// One of the same type; earlier than `from` gives a negative number.
        to: Box<Expr>,
        /// The unit; of dates, days or longer.
        unit: TimeUnit,
        /// The zone in whose calendar days and longer units of datetimes are counted; UTC without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
    /// The begin of the year, month, ... that a day or time is in.
    Truncate {
        /// A date, datetime or local_datetime.
        of: Box<Expr>,
        /// The unit; of a date, days or longer. Weeks begin on Monday.
        to: TimeUnit,
        /// The zone of the calendar of a datetime; UTC without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
        /// The month, 1 to 12, in which fiscal years begin: for years and quarters.
        #[serde(default = "january", skip_serializing_if = "is_january")]
        fiscal_start: u8,
    },
    /// A part of a day or time as a number.
    Part {
        /// A date, datetime or local_datetime.
        of: Box<Expr>,
        /// Which.
        part: TimePart,
        /// The zone of the calendar of a datetime; UTC without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
        /// The month, 1 to 12, in which fiscal years begin: for year and quarter. A fiscal year has the
        /// number of the calendar year in which it ends.
        #[serde(default = "january", skip_serializing_if = "is_january")]
        fiscal_start: u8,
    },
    /// A day or time as text.
    Format {
        /// A date, datetime or local_datetime.
        of: Box<Expr>,
        /// How it is written, see [`record::pattern`](crate::record::pattern).
        pattern: String,
        /// The zone of a datetime; UTC without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
}

fn blank() -> String {
    " ".into()
}

fn january() -> u8 {
    1
}

fn is_january(month: &u8) -> bool {
    *month == 1
}

/// Conditions that a text joins, each by its label.
///
/// ```
/// use syncline::spec::Expr;
///
/// let filter: Expr = serde_json::from_str(r#"{"logic": {
///   "text": "(A OR B) AND NOT C",
///   "conditions": [
///     {"when": {"eq": [{"field": "state"}, {"value": "NY"}]}},
///     {"when": {"ge": [{"field": "seats"}, {"value": 100}]}, "include_nulls": true},
///     {"when": {"like": {"of": {"field": "name"}, "pattern": "test%"}}}
///   ]
/// }}"#)?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Logic {
    /// Labels, `AND`, `OR`, `NOT` (in any case) and parentheses; `NOT` binds closest, then `AND`. Names every condition.
    /// Without it all conditions must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// At least one condition.
    pub conditions: Vec<Condition>,
}

impl Logic {
    /// Conditions that must all hold.
    pub fn all(conditions: Vec<Condition>) -> Self {
        Logic {
            text: None,
            conditions,
        }
    }

    /// Conditions joined by a text.
    pub fn new(text: impl Into<String>, conditions: Vec<Condition>) -> Self {
        Logic {
            text: Some(text.into()),
            conditions,
        }
    }
}

/// One condition of a [`Logic`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Condition {
    /// Its name in the text: a letter, then letters, digits and `_`; case does not matter. Without one, the first 26 conditions are
    /// called `A` to `Z` by their place. Its number, from `1` on, names every condition too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The condition.
    pub when: Expr,
    /// Whether it is true for the rows for which it would be null, since a value that it asks about is null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_nulls: bool,
}

impl Condition {
    /// A condition that is called by its place.
    pub fn new(when: Expr) -> Self {
        Condition {
            label: None,
            when,
            include_nulls: false,
        }
    }

    /// The same, called so.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same, true where it would be null.
    #[must_use]
    pub fn including_nulls(mut self) -> Self {
        self.include_nulls = true;
        self
    }
}

/// One branch of a [`Case`](Expr::Case).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Branch {
    /// True where the branch is taken.
    #[serde(rename = "if")]
    pub condition: Expr,
    /// The value then; a constant null is allowed.
    #[serde(rename = "then")]
    pub value: Expr,
}

impl Branch {
    /// `value` if `condition` is true.
    pub fn new(condition: Expr, value: Expr) -> Self {
        Branch { condition, value }
    }
}

/// How a number loses digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rounding {
    /// To the nearest; from the middle to the even digit. 0.5 is 0, 1.5 and 2.5 are 2.
    HalfEven,
    /// To the nearest; from the middle away from zero. 2.5 is 3, -2.5 is -3.
    HalfAway,
    /// Towards zero.
    TowardZero,
    /// Down, towards minus infinity.
    Floor,
    /// Up, towards infinity.
    Ceiling,
}

/// What becomes of a row whose value does not fit: one that does not convert, or a part that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unfit {
    /// The row is refused.
    #[default]
    Reject,
    /// The value is null.
    Null,
}

/// The ends of a text that are trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrimSide {
    /// Both.
    #[default]
    Both,
    /// The start.
    Start,
    /// The end.
    End,
}

/// The end of a text that is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PadSide {
    /// The start.
    Start,
    /// The end.
    End,
}

/// A time that the clocks of a zone show twice, when they are turned back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Repeated {
    /// The row is refused.
    #[default]
    Reject,
    /// The first time.
    Earlier,
    /// The second time.
    Later,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeUnit {
    /// Years.
    Year,
    /// Three months.
    Quarter,
    /// Months.
    Month,
    /// Seven days; weeks begin on Monday.
    Week,
    /// Days.
    Day,
    /// Hours.
    Hour,
    /// Minutes.
    Minute,
    /// Seconds.
    Second,
}

/// A part of a day or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimePart {
    /// The year.
    Year,
    /// The quarter of the year, 1 to 4.
    Quarter,
    /// The month, 1 to 12.
    Month,
    /// The week by ISO 8601, 1 to 53.
    Week,
    /// The year that the ISO 8601 week belongs to.
    WeekYear,
    /// The day of the month, 1 to 31.
    Day,
    /// The day of the week, 1 (Monday) to 7 (Sunday).
    Weekday,
    /// The day of the year, 1 to 366.
    DayOfYear,
    /// The hour, 0 to 23.
    Hour,
    /// The minute, 0 to 59.
    Minute,
    /// The second, 0 to 59.
    Second,
    /// The microsecond of the second, 0 to 999999.
    Microsecond,
}

impl Expr {
    /// The value of a field.
    pub fn field(name: impl Into<String>) -> Self {
        Expr::Field(name.into())
    }

    /// A constant.
    pub fn value(literal: impl Into<Literal>) -> Self {
        Expr::Value(literal.into())
    }
}
