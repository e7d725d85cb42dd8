//! Filters and formulas over batches: typed before any data, evaluated column by column.
//!
//! An [`Expr`] is data in a spec. [`Formula::compile`] gives it a type and finds every mistake with
//! its path; [`Formula::evaluate`] then gives each row a value, null, or a [`Refusal`], and never a null
//! that hides a failure. A [`Filter`] is a formula that is true or false.
//!
//! # Types
//! | expression | operands | result |
//! |---|---|---|
//! | `eq` `ne` | two of one family | boolean |
//! | `lt` `le` `gt` `ge` | two of one family that has an order | boolean |
//! | `and` `or` `not` | boolean | boolean |
//! | `is_null` `is_not_null` | any | boolean |
//! | `add` `subtract` `multiply` | two numbers | see below |
//! | `concat` | any, by their canonical texts ([`format`](crate::record::format)) | text |
//! | `utc_day` | datetime | date |
//!
//! The functions of texts, numbers, days and times, conditions joined by a text, `case`, `coalesce` and `convert` have
//! [a guide of their own](crate::docs::expressions).
//!
//! The families: **exact numbers** (integer, decimal, currency, percent; compared exactly, whatever their scales),
//! **float**, **texts** (text, email, url, the picklists, id, lookup; by bytes; lookups only of one object),
//! **boolean** (no order), **date**, **datetime**, **local_datetime**. Json documents are not compared: equal
//! ones can have different texts.
//!
//! # Literals
//! A constant takes the type of the other side: `{"eq": [{"field": "since"}, {"value": "2025-01-31"}]}` compares
//! days, and a text that is none, or no item of a picklist, is found at compile time. Numbers without a point
//! or exponent are integers, the others exact decimals of the digits they have; next to a float a number is a float.
//! Where each digit counts, a number of which JSON may have lost some is found too: with a point or exponent it has at most 15
//! digits, and none is larger than 64 bits; a text keeps all, like `"12345678901234567.89"`.
//! A constant null is refused: what is compared with it is never true (`is_null` asks), and the rest is always null.
//!
//! # Arithmetic
//! - Integer with integer is an integer; past 64 bits the row is refused with [`Reason::Overflow`].
//! - With a decimal, a currency or a percent the result is exact. A sum has the larger scale and one more digit
//!   before the point; a product the sum of the scales and the sum of the precisions; no more than 38 digits
//!   in all, and what does not fit is an overflow. An integer field counts as 19 digits, a literal as those it has:
//!   `mrr * 12` of `currency(18,2)` is `currency(20,2)`.
//! - A currency (a percent) stays one next to an integer or a literal, and in a sum with its like; any other mix is a
//!   decimal. A percent counts as its number: 12.5 % is 12.5.
//! - Float with float is a float; what is not finite is an overflow. A float with any other field is refused:
//!   one is exact and the other is not, and the dataset's field types should say which is meant.
//!
//! # Null
//! A comparison, a sum and a text with a null in it are null. `and`, `or` and `not` have SQL's three values: `false and
//! null` is false, `true or null` is true. `is_null` is never null. A filter keeps the rows for which it is true.
//!
//! # Refused rows
//! A row that one step refuses is refused as a whole, whatever the other steps make of it: `true or
//! (overflow)` is refused. Every part is evaluated for every row, so the order of parts does not matter; only `case` and
//! `coalesce` ask no more than a row needs, so that a condition can guard a division.
//!
//! ```
//! use std::sync::Arc;
//! use syncline::expr::{Filter, Formula};
//! use syncline::record::array::{ArrayRef, Decimal128Array, RecordBatch};
//! use syncline::record::{Field, FieldType, Schema};
//! use syncline::spec::Expr;
//!
//! let schema = Schema::new(vec![Field::new("mrr", FieldType::Currency { precision: 18, scale: 2 })]);
//! let annual: Expr = serde_json::from_str(r#"{"multiply": [{"field": "mrr"}, {"value": 12}]}"#)?;
//! let annual = Formula::compile(&annual, &schema, "formulas.annual").unwrap();
//! assert_eq!(annual.field_type().to_string(), "currency(20,2)");
//!
//! let mrr: ArrayRef = Arc::new(Decimal128Array::from(vec![Some(1050), None]).with_precision_and_scale(18, 2)?);
//! let records = RecordBatch::try_new(schema.arrow().clone(), vec![mrr])?;
//! let evaluated = annual.evaluate(&records)?;
//! let expected: ArrayRef = Arc::new(Decimal128Array::from(vec![Some(12600), None]).with_precision_and_scale(20, 2)?);
//! assert_eq!(&evaluated.column, &expected);
//!
//! let large: Expr = serde_json::from_str(r#"{"gt": [{"field": "mrr"}, {"value": 10.5}]}"#)?;
//! let (keep, refused) = Filter::compile(&large, &schema, "filter").unwrap().evaluate(&records)?;
//! assert_eq!((keep.true_count(), refused.len()), (0, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arithmetic;
mod calendar;
mod choice;
mod compare;
mod conditions;
mod conversion;
mod evaluate;
mod families;
mod kernel;
mod like;
mod literal;
mod logic;
mod logic_text;
mod number;
mod one_of;
mod side;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod typing;

pub use literal::constant;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};

use crate::record::{FieldType, Refusal, Schema};
use crate::spec::Expr;
use crate::{Problem, Result};

#[cfg(doc)]
use crate::record::Reason;

/// How deep expressions may be nested.
pub const MAX_DEPTH: usize = 64;

/// A compiled [`Expr`]: typed, with its literals read.
///
/// Made once for a job and shared; the [module's documentation](self) has the rules and an example.
///
/// ```
/// use syncline::expr::Formula;
/// use syncline::record::{Field, FieldType, Schema};
/// use syncline::spec::Expr;
///
/// let schema = Schema::new(vec![Field::new("seats", FieldType::Integer)]);
/// let double: Expr = serde_json::from_str(r#"{"multiply": [{"field": "seats"}, {"value": 2}]}"#)?;
/// let double = Formula::compile(&double, &schema, "formulas[0].value").unwrap();
/// assert_eq!(double.field_type(), &FieldType::Integer);
///
/// let typo: Expr = serde_json::from_str(r#"{"upper": {"field": "seats"}}"#)?;
/// let problem = &Formula::compile(&typo, &schema, "formulas[0].value").unwrap_err()[0];
/// assert_eq!(problem.path, "formulas[0].value.upper");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Formula {
    node: evaluate::Node,
    field_type: FieldType,
    fields: Vec<evaluate::Input>,
}

/// What a [`Formula`] made of a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Evaluated {
    /// A value or null for each row, in the layout of [`Formula::field_type`]; null for a refused row.
    pub column: ArrayRef,
    /// The refused rows, each once, in ascending order. The refusals name no field: only the caller knows
    /// what the formula computes.
    pub refused: Vec<(u32, Refusal)>,
}

impl Formula {
    /// Types `expr` over rows of `schema`.
    ///
    /// # Errors
    /// Every mistake at once. A problem's path is `path`, which says where the expression stands in the
    /// spec, and the position inside it: `formulas.annual.multiply[0].field`.
    pub fn compile(expr: &Expr, schema: &Schema, path: &str) -> Result<Self, Vec<Problem>> {
        Self::compile_without(expr, schema, &[], path)
    }

    /// The same, where some fields are missing because they are formulas which could not be made: an expression that reads
    /// one cannot be made either, but that is no second mistake, and there may be no problem at all.
    pub(crate) fn compile_without(
        expr: &Expr,
        schema: &Schema,
        broken: &[String],
        path: &str,
    ) -> Result<Self, Vec<Problem>> {
        let typing::Compiled {
            node,
            field_type,
            fields,
        } = typing::compile(expr, schema, broken, path)?;
        Ok(Formula {
            node,
            field_type,
            fields,
        })
    }

    /// The type of the result.
    pub fn field_type(&self) -> &FieldType {
        &self.field_type
    }

    /// The names of the fields that it reads, each once, in the order of their first use.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(evaluate::Input::name)
    }

    /// Computes the value of every row. Columns are found by name; others may be there.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if a column that it reads is missing or has another
    /// layout than its field's type.
    pub fn evaluate(&self, records: &RecordBatch) -> Result<Evaluated> {
        let (column, refused) = evaluate::evaluate(&self.node, &self.fields, records)?;
        Ok(Evaluated { column, refused })
    }
}

/// A compiled [`Expr`] that is true, false or null for each row.
///
/// ```
/// use syncline::expr::Filter;
/// use syncline::record::{Field, FieldType, RecordBuilder, Schema};
/// use syncline::spec::Expr;
///
/// let schema = Schema::new(vec![Field::new("seats", FieldType::Integer)]);
/// let mut rows = RecordBuilder::new(&schema);
/// for seats in [Some(3), None, Some(40)] {
///     rows.push(&serde_json::json!({"seats": seats})).unwrap();
/// }
/// let large: Expr = serde_json::from_str(r#"{"ge": [{"field": "seats"}, {"value": 10}]}"#).unwrap();
/// let (keep, refused) = Filter::compile(&large, &schema, "filter").unwrap().evaluate(&rows.finish()?)?;
/// assert_eq!((keep.true_count(), keep.false_count(), refused.len()), (1, 1, 0)); // the third is null
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Filter(Formula);

impl Filter {
    /// Types `expr` over rows of `schema`; it must be a boolean.
    ///
    /// # Errors
    /// As [`Formula::compile`].
    pub fn compile(expr: &Expr, schema: &Schema, path: &str) -> Result<Self, Vec<Problem>> {
        Self::compile_without(expr, schema, &[], path)
    }

    /// As [`Formula::compile_without`].
    pub(crate) fn compile_without(
        expr: &Expr,
        schema: &Schema,
        broken: &[String],
        path: &str,
    ) -> Result<Self, Vec<Problem>> {
        let formula = Formula::compile_without(expr, schema, broken, path)?;
        match formula.field_type() {
            FieldType::Boolean => Ok(Filter(formula)),
            other => Err(vec![Problem::new(
                path,
                format!("a filter is true or false and this is {other}; compare it with something"),
            )]),
        }
    }

    /// The names of the fields that it reads, each once, in the order of their first use.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.fields()
    }

    /// Answers for every row: the rows with true are kept, and a refused row has null and stands in the list
    /// (each once, in ascending order).
    ///
    /// # Errors
    /// As [`Formula::evaluate`].
    pub fn evaluate(&self, records: &RecordBatch) -> Result<(BooleanArray, Vec<(u32, Refusal)>)> {
        let Evaluated { column, refused } = self.0.evaluate(records)?;
        Ok((column.as_boolean().clone(), refused))
    }
}
