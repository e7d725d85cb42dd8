//! Random expressions over random rows, against the reference.

mod conditions;
mod conversions;
mod coverage;
mod examples;
mod grow;
mod numbers;
mod rows;
mod tape;
mod texts;
mod times;

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::Formula;
use super::reference::{self, Row};
use super::{batch, schema, texts};
use crate::Problem;
use crate::record::Reason;
use crate::spec::Expr;
use grow::{Kind, any_text, grow};
use rows::{Columns, FIELDS, columns};
use tape::{Tape, choices};

/// How many values that are not null each step gave.
type Hits = RefCell<BTreeMap<String, usize>>;

/// The steps of an expression are nested so deep, and some of them one deeper.
const DEPTH: u32 = 4;

/// The formula, if the reference agrees that there is one and of which type it is.
fn compiled(expr: &Expr) -> Result<Option<Formula>, TestCaseError> {
    match (
        Formula::compile(expr, &schema(), ""),
        reference::type_of(expr),
    ) {
        (Ok(formula), Some(of)) => {
            prop_assert_eq!(formula.field_type().to_string(), of.name());
            Ok(Some(formula))
        }
        (Err(problems), None) => {
            let is_about_digits = |problem: &Problem| problem.message.contains("digits");
            prop_assert!(problems.iter().any(is_about_digits), "{problems:?}");
            Ok(None)
        }
        (compiled, of) => Err(TestCaseError::fail(format!("{compiled:?} and {of:?}"))),
    }
}

/// Compares type, values and refused rows; what the reference evaluated is counted.
fn agrees(expr: &Expr, columns: &Columns, hits: &Hits) -> Result<(), TestCaseError> {
    let Some(formula) = compiled(expr)? else {
        return Ok(());
    };
    let named: Vec<(&str, Vec<Option<String>>)> =
        FIELDS.into_iter().zip(columns.iter().cloned()).collect();
    let evaluated = formula.evaluate(&batch(&schema(), &named)).unwrap();
    prop_assert!(evaluated.refused.is_sorted_by(|a, b| a.0 < b.0));
    let mut refused: BTreeMap<usize, Reason> = (evaluated.refused.iter())
        .map(|(row, refusal)| (*row as usize, refusal.reason))
        .collect();
    for (number, found) in texts(&evaluated.column).into_iter().enumerate() {
        let text = |name: &str| {
            let at = FIELDS.iter().position(|&field| field == name).unwrap();
            columns[at][number].as_deref()
        };
        let field = |name: &str| reference::field_value(reference::field_type(name), text(name));
        let row = Row {
            field: &field,
            refusals: RefCell::default(),
            hits,
        };
        let value = reference::evaluate(expr, &row);
        let values: Vec<_> = formula.fields().map(|name| (name, text(name))).collect();
        // Of several refusals of a row the first counts.
        let reason = row.refusals.into_inner().first().copied();
        prop_assert_eq!(refused.remove(&number), reason, "refused {:?}", values);
        let expected = match reason {
            None => reference::text(&value),
            Some(_) => None,
        };
        prop_assert_eq!(found, expected, "of {:?}", values);
    }
    prop_assert!(refused.is_empty());
    Ok(())
}

/// Tests the expression and the rows that come of two lists of choices.
fn check(kind: Kind, form: &[u32], rows: &[u32], hits: &Hits) -> Result<(), TestCaseError> {
    let mut tape = Tape::new(form);
    let expr = match kind {
        Kind::Text if tape.rarely(10) => any_text(&mut tape, DEPTH),
        _ => grow(&mut tape, kind, DEPTH),
    };
    let columns = columns(&mut Tape::new(rows), 12);
    agrees(&expr, &columns, hits).map_err(|error| {
        let json = serde_json::to_string(&expr).unwrap();
        TestCaseError::fail(format!("{error}\n{json}"))
    })
}

macro_rules! as_in_the_reference {
    ($($name:ident: $kind:expr, $cases:expr;)*) => {$(
        proptest! {
            #![proptest_config(ProptestConfig {
                cases: $cases, failure_persistence: None, ..ProptestConfig::default()
            })]

            #[test]
            fn $name(form in choices(160), rows in choices(900)) {
                check($kind, &form, &rows, &Hits::default())?;
            }
        }
    )*};
}

as_in_the_reference! {
    exact_numbers_are_as_in_the_reference: Kind::Exact, 1000;
    integers_are_as_in_the_reference: Kind::Integer, 800;
    floats_are_as_in_the_reference: Kind::Float, 600;
    conditions_are_as_in_the_reference: Kind::Boolean, 1200;
    texts_are_as_in_the_reference: Kind::Text, 1000;
    days_are_as_in_the_reference: Kind::Date, 500;
    instants_are_as_in_the_reference: Kind::DateTime, 800;
    clocks_are_as_in_the_reference: Kind::Local, 800;
}
