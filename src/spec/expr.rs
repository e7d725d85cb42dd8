//! Filters and formulas as data.

use serde::{Deserialize, Serialize};

/// A constant in a spec: a JSON scalar, read as the type that its place asks for.
///
/// Exact decimals, dates and instants are written as text: `"12.50"`, `"2025-01-31"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
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

/// A filter or formula; [`expr`](crate::expr) gives it a type and evaluates it.
///
/// In JSON each node is an object of one key, e.g.
/// `{"multiply": [{"field": "mrr"}, {"value": 12}]}`.
///
/// A comparison with null is null, `and`, `or` and `not` follow SQL's three values, and a filter keeps
/// the rows for which it is true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// All are true.
    And(Vec<Expr>),
    /// At least one is true.
    Or(Vec<Expr>),
    /// It is false.
    Not(Box<Expr>),
    /// Whether it is null; never null itself.
    IsNull(Box<Expr>),
    /// The sum, exact.
    Add(Box<[Expr; 2]>),
    /// The difference, exact.
    Subtract(Box<[Expr; 2]>),
    /// The product, exact.
    Multiply(Box<[Expr; 2]>),
    /// The texts joined; null if one of them is null.
    Concat(Vec<Expr>),
    /// The UTC calendar day of an instant.
    UtcDay(Box<Expr>),
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
