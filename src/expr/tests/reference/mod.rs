//! Slow and plain: one row, one value, one step after the other. Written from the module's documentation and the guide
//! of expressions, not from the code: numbers are 256-bit integers and decimal texts, texts are lists of
//! characters, days and times are those of chrono.

mod choice;
mod convert;
mod number;
mod text;
mod time;
mod types;
mod value;

use std::cell::RefCell;
use std::collections::BTreeMap;

pub(crate) use types::{field_type, field_value, type_of};
pub(crate) use value::{Value, text};

use crate::record::Reason;
use crate::spec::{Expr, Rounding};
use types::{TEXT, Type, common};

/// One row, and what is noted on the way.
pub(crate) struct Row<'a> {
    /// The value of a field.
    pub(crate) field: &'a dyn Fn(&str) -> Value,
    /// Why the row is refused; it is not if this is empty.
    pub(crate) refusals: RefCell<Vec<Reason>>,
    /// How many values that are not null each step gave.
    pub(crate) hits: &'a RefCell<BTreeMap<String, usize>>,
}

impl Row<'_> {
    /// The value; a refused one is noted, and counts as null from there on.
    fn settle(&self, value: Result<Value, Reason>) -> Value {
        value.unwrap_or_else(|reason| {
            self.refusals.borrow_mut().push(reason);
            Value::Null
        })
    }

    fn hit(&self, name: String) {
        *self.hits.borrow_mut().entry(name).or_default() += 1;
    }
}

/// The key of a step in a spec.
fn key(expr: &Expr) -> String {
    let json = serde_json::to_value(expr).unwrap();
    json.as_object().unwrap().keys().next().unwrap().clone()
}

/// The value of an expression that has a type.
pub(crate) fn evaluate(expr: &Expr, row: &Row<'_>) -> Value {
    let value = row.settle(step(expr, row));
    if value != Value::Null {
        row.hit(key(expr));
        for detail in details(expr) {
            row.hit(format!("{} {detail}", key(expr)));
        }
    }
    value
}

/// The choices of a step that all should be met.
fn details(expr: &Expr) -> Vec<String> {
    fn kind(of: &Expr) -> String {
        let name = type_of(of).unwrap().name();
        name.split('(').next().unwrap().to_owned()
    }
    fn detail(of: impl std::fmt::Debug) -> Vec<String> {
        vec![format!("{of:?}")]
    }
    match expr {
        Expr::Divide {
            rounding: Some(of), ..
        }
        | Expr::Round { rounding: of, .. } => detail(of),
        Expr::Trim { side, .. } => detail(side),
        Expr::Pad { side, .. } => detail(side),
        Expr::ToInstant { repeated, .. } => detail(repeated),
        Expr::DateAdd { of, unit, .. } | Expr::Truncate { of, to: unit, .. } => {
            vec![format!("{unit:?} of {}", kind(of))]
        }
        Expr::DateDiff { from, to, unit, .. } => {
            let of = common([&**from, &**to]).unwrap();
            vec![format!("{unit:?} of {}", of.name())]
        }
        Expr::Part { part, of, .. } => vec![format!("{part:?} of {}", kind(of))],
        Expr::Format { of, .. } => vec![format!("of {}", kind(of))],
        Expr::Convert { of, to, .. } => {
            let to = Type::of(to).name();
            vec![format!("{} to {}", kind(of), to.split('(').next().unwrap())]
        }
        _ => Vec::new(),
    }
}

/// The value of an operand beside something of a type.
fn operand(expr: &Expr, beside: Type, row: &Row<'_>) -> Value {
    match expr {
        Expr::Value(literal) => types::beside(literal, beside).1,
        _ => evaluate(expr, row),
    }
}

/// The values of operands that stand side by side.
fn operands<const N: usize>(parts: [&Expr; N], row: &Row<'_>) -> [Value; N] {
    let of = common(parts).unwrap();
    parts.map(|part| operand(part, of, row))
}

fn text_of(expr: &Expr, row: &Row<'_>) -> Option<String> {
    match operand(expr, TEXT, row) {
        Value::Text(text) => Some(text),
        Value::Null => None,
        other => panic!("{other:?} is no text"),
    }
}

fn integer_of(expr: &Expr, row: &Row<'_>) -> Option<i64> {
    match operand(expr, Type::Integer, row) {
        Value::Exact(units, 0) => i64::try_from(units.to_i128().unwrap()).ok(),
        Value::Null => None,
        other => panic!("{other:?} is no integer"),
    }
}

/// A function of texts, null if one of them is.
fn with_texts<const N: usize>(
    parts: [&Expr; N],
    row: &Row<'_>,
    f: impl FnOnce([String; N]) -> Result<Value, Reason>,
) -> Result<Value, Reason> {
    let texts: Vec<Option<String>> = parts.into_iter().map(|part| text_of(part, row)).collect();
    let texts: Option<Vec<String>> = texts.into_iter().collect();
    match texts {
        Some(texts) => f(texts.try_into().unwrap()),
        None => Ok(Value::Null),
    }
}

fn is(value: bool) -> Result<Value, Reason> {
    Ok(Value::Boolean(value))
}

fn step(expr: &Expr, row: &Row<'_>) -> Result<Value, Reason> {
    match expr {
        Expr::Field(name) => Ok((row.field)(name)),
        Expr::Value(of) => Ok(types::alone(of).1),

        Expr::Eq(sides) => compared(sides, row, |order| order.is_eq()),
        Expr::Ne(sides) => compared(sides, row, |order| order.is_ne()),
        Expr::Lt(sides) => compared(sides, row, |order| order.is_lt()),
        Expr::Le(sides) => compared(sides, row, |order| order.is_le()),
        Expr::Gt(sides) => compared(sides, row, |order| order.is_gt()),
        Expr::Ge(sides) => compared(sides, row, |order| order.is_ge()),
        Expr::Between { .. }
        | Expr::In { .. }
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::Logic(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::Coalesce(_)
        | Expr::Case { .. } => choice::step(expr, row),
        Expr::Convert {
            of,
            to,
            format,
            invalid,
        } => {
            let from = type_of(of).unwrap();
            convert::convert(
                evaluate(of, row),
                from,
                Type::of(to),
                format.as_ref(),
                *invalid,
            )
        }

        Expr::Add(_)
        | Expr::Subtract(_)
        | Expr::Multiply(_)
        | Expr::Divide { .. }
        | Expr::Modulo(_)
        | Expr::Round { .. }
        | Expr::Ceil(_)
        | Expr::Floor(_)
        | Expr::Abs(_)
        | Expr::Negate(_)
        | Expr::Sqrt(_)
        | Expr::Exp(_)
        | Expr::Log { .. } => numbers(expr, row),

        Expr::Like {
            of,
            pattern,
            ignore_case,
        } => with_texts([of], row, |[of]| {
            is(text::matches(&of, pattern, *ignore_case))
        }),
        Expr::Contains(sides) => {
            let [of, wanted] = &**sides;
            with_texts([of, wanted], row, |[of, wanted]| {
                is((0..=of.len()).any(|at| of.as_bytes()[at..].starts_with(wanted.as_bytes())))
            })
        }
        Expr::StartsWith(sides) => {
            let [of, wanted] = &**sides;
            with_texts([of, wanted], row, |[of, wanted]| {
                is(of.get(..wanted.len()) == Some(&wanted))
            })
        }
        Expr::EndsWith(sides) => {
            let [of, wanted] = &**sides;
            with_texts([of, wanted], row, |[of, wanted]| {
                let at = of.len().checked_sub(wanted.len());
                is(at.and_then(|at| of.get(at..)) == Some(&wanted))
            })
        }
        Expr::Concat(parts) => {
            let values: Vec<Value> = parts.iter().map(|part| evaluate(part, row)).collect();
            let texts: Option<Vec<String>> = values.iter().map(text).collect();
            Ok(texts.map_or(Value::Null, |texts| Value::Text(texts.concat())))
        }
        Expr::Length(of) => with_texts([of], row, |[of]| {
            Ok(value::whole(of.chars().count() as i64))
        }),
        Expr::Upper(of) => with_texts([of], row, |[of]| Ok(Value::Text(of.to_uppercase()))),
        Expr::Lower(of) => with_texts([of], row, |[of]| Ok(Value::Text(of.to_lowercase()))),
        Expr::Trim {
            of,
            side,
            characters,
        } => with_texts([of], row, |[of]| {
            Ok(text::trim(&of, *side, characters.as_deref()))
        }),
        Expr::Pad { of, to, side, with } => {
            with_texts([of], row, |[of]| Ok(text::pad(&of, *to, *side, with)))
        }
        Expr::Substring { of, from, length } => {
            let (of, from) = (text_of(of, row), integer_of(from, row));
            let length = length.as_ref().map(|length| integer_of(length, row));
            match (of, from, length) {
                (None, ..) | (_, None, _) | (.., Some(None)) => Ok(Value::Null),
                (Some(of), Some(from), length) => text::substring(&of, from, length.flatten()),
            }
        }
        Expr::Position(sides) => {
            let [of, wanted] = &**sides;
            with_texts([of, wanted], row, |[of, wanted]| {
                Ok(text::position(&of, &wanted))
            })
        }
        Expr::Replace { of, find, with } => {
            with_texts([of, find, with], row, |[of, find, with]| {
                text::replace(&of, &find, &with)
            })
        }
        Expr::Split {
            of,
            by,
            part,
            missing,
        } => with_texts([of, by], row, |[of, by]| {
            text::split(&of, &by, *part, *missing)
        }),
        Expr::Before { of, find, missing } => with_texts([of, find], row, |[of, find]| {
            text::before(&of, &find, *missing)
        }),
        Expr::After { of, find, missing } => with_texts([of, find], row, |[of, find]| {
            text::after(&of, &find, *missing)
        }),

        Expr::UtcDay(_)
        | Expr::Day { .. }
        | Expr::ToLocal { .. }
        | Expr::ToInstant { .. }
        | Expr::DateAdd { .. }
        | Expr::DateDiff { .. }
        | Expr::Truncate { .. }
        | Expr::Part { .. }
        | Expr::Format { .. } => time::step(expr, row),
    }
}

fn compared(
    sides: &[Expr; 2],
    row: &Row<'_>,
    holds: impl Fn(std::cmp::Ordering) -> bool,
) -> Result<Value, Reason> {
    let [left, right] = operands(sides.each_ref(), row);
    Ok(value::order(&left, &right).map_or(Value::Null, |order| Value::Boolean(holds(order))))
}

/// Steps that make a number of numbers.
fn numbers(expr: &Expr, row: &Row<'_>) -> Result<Value, Reason> {
    let of = type_of(expr).unwrap();
    let result = match expr {
        Expr::Add(sides) | Expr::Subtract(sides) | Expr::Multiply(sides) => {
            match operands(sides.each_ref(), row) {
                [Value::Exact(a, a_scale), Value::Exact(b, b_scale)] => {
                    number::exact(expr, (a, a_scale), (b, b_scale))
                }
                [Value::Float(a), Value::Float(b)] => Value::Float(match expr {
                    Expr::Add(_) => a + b,
                    Expr::Subtract(_) => a - b,
                    _ => a * b,
                }),
                _ => Value::Null,
            }
        }
        Expr::Divide {
            of,
            by,
            digits,
            rounding,
        } => match operands([of, by], row) {
            [Value::Exact(a, a_scale), Value::Exact(b, b_scale)] => {
                if b == arrow_buffer::i256::from_i128(0) {
                    return Err(Reason::DivisionByZero);
                }
                let digits = digits.unwrap().into();
                number::quotient((a, a_scale), (b, b_scale), digits, rounding.unwrap())
            }
            [Value::Float(_), Value::Float(0.0)] => return Err(Reason::DivisionByZero),
            [Value::Float(a), Value::Float(b)] => Value::Float(a / b),
            _ => Value::Null,
        },
        Expr::Modulo(sides) => match operands(sides.each_ref(), row) {
            [Value::Exact(a, a_scale), Value::Exact(b, b_scale)] => {
                if b == arrow_buffer::i256::from_i128(0) {
                    return Err(Reason::DivisionByZero);
                }
                number::remainder((a, a_scale), (b, b_scale))
            }
            [Value::Float(_), Value::Float(0.0)] => return Err(Reason::DivisionByZero),
            [Value::Float(a), Value::Float(b)] => Value::Float(a % b),
            _ => Value::Null,
        },
        Expr::Round {
            of,
            digits,
            rounding,
        } => rounded(of, (*digits).into(), *rounding, row),
        Expr::Ceil(of) => rounded(of, 0, Rounding::Ceiling, row),
        Expr::Floor(of) => rounded(of, 0, Rounding::Floor, row),
        Expr::Abs(of) => match evaluate(of, row) {
            Value::Exact(units, scale) => Value::Exact(units.checked_abs().unwrap(), scale),
            Value::Float(value) => Value::Float(value.abs()),
            _ => Value::Null,
        },
        Expr::Negate(of) => match evaluate(of, row) {
            Value::Exact(units, scale) => Value::Exact(units.checked_neg().unwrap(), scale),
            Value::Float(value) => Value::Float(-value),
            _ => Value::Null,
        },
        Expr::Sqrt(of) => match operand(of, Type::Float, row) {
            Value::Float(value) if value < 0.0 => return Err(Reason::OutOfRange),
            Value::Float(value) => Value::Float(value.sqrt()),
            _ => Value::Null,
        },
        Expr::Exp(of) => match operand(of, Type::Float, row) {
            Value::Float(value) => Value::Float(value.exp()),
            _ => Value::Null,
        },
        Expr::Log { of, base } => match operand(of, Type::Float, row) {
            Value::Float(value) if value <= 0.0 => return Err(Reason::OutOfRange),
            Value::Float(value) => Value::Float(match base {
                Some(2.0) => value.log2(),
                Some(10.0) => value.log10(),
                Some(base) => value.ln() / base.ln(),
                None => value.ln(),
            }),
            _ => Value::Null,
        },
        other => panic!("{other:?} is no number"),
    };
    if result == Value::Null {
        return Ok(result);
    }
    number::fitted(result, of)
}

fn rounded(of: &Expr, digits: u32, rounding: Rounding, row: &Row<'_>) -> Value {
    match evaluate(of, row) {
        Value::Exact(units, scale) => number::round_exact(units, scale, digits, rounding),
        Value::Float(value) => Value::Float(number::round_float(value, digits, rounding)),
        _ => Value::Null,
    }
}
