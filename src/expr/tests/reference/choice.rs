//! Conditions, three-valued logic and choice.

use std::cmp::Ordering;

use crate::record::Reason;
use crate::spec::{Expr, Logic};

use super::types::{self, Type, type_of};
use super::{Row, Value, evaluate, operand, operands, value};

/// Null if it is not known.
type Truth = Option<bool>;

fn truth(value: Value) -> Truth {
    match value {
        Value::Boolean(value) => Some(value),
        Value::Null => None,
        other => panic!("{other:?} is neither true nor false"),
    }
}

fn from(truth: Truth) -> Result<Value, Reason> {
    Ok(truth.map_or(Value::Null, Value::Boolean))
}

fn and(parts: &[Truth]) -> Truth {
    if parts.contains(&Some(false)) {
        Some(false)
    } else if parts.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn not(part: Truth) -> Truth {
    part.map(|value| !value)
}

fn or(parts: &[Truth]) -> Truth {
    let parts: Vec<Truth> = parts.iter().map(|part| not(*part)).collect();
    not(and(&parts))
}

fn all(parts: &[Expr], row: &Row<'_>) -> Vec<Truth> {
    parts
        .iter()
        .map(|part| truth(evaluate(part, row)))
        .collect()
}

pub(super) fn step(expr: &Expr, row: &Row<'_>) -> Result<Value, Reason> {
    match expr {
        Expr::And(parts) => from(and(&all(parts, row))),
        Expr::Or(parts) => from(or(&all(parts, row))),
        Expr::Not(part) => from(not(truth(evaluate(part, row)))),
        Expr::IsNull(part) => from(Some(evaluate(part, row) == Value::Null)),
        Expr::IsNotNull(part) => from(Some(evaluate(part, row) != Value::Null)),
        Expr::Between {
            of,
            from: least,
            to: greatest,
        } => {
            let [of, least, greatest] = operands([&**of, &**least, &**greatest], row);
            let low = value::order(&of, &least).map(|order| order != Ordering::Less);
            let high = value::order(&of, &greatest).map(|order| order != Ordering::Greater);
            from(and(&[low, high]))
        }
        Expr::In { of, list } => {
            let beside = type_of(of).unwrap();
            let of = evaluate(of, row);
            from((|| {
                let mut found = false;
                for item in list {
                    found |= value::order(&of, &types::beside(item, beside).1)?.is_eq();
                }
                Some(found)
            })())
        }
        Expr::Logic(logic) => from(joined(logic, row)),
        Expr::Coalesce(parts) => {
            let of = type_of(expr).unwrap();
            let beside = types::chosen(parts).unwrap();
            for part in parts {
                let value = choose(part, beside, row);
                if value != Value::Null {
                    return Ok(as_type(value, of));
                }
            }
            Ok(Value::Null)
        }
        Expr::Case { when, otherwise } => {
            let of = type_of(expr).unwrap();
            let beside = types::chosen(types::branches(when, otherwise)).unwrap();
            for branch in when {
                if truth(evaluate(&branch.condition, row)) == Some(true) {
                    return Ok(as_type(choose(&branch.value, beside, row), of));
                }
            }
            Ok(otherwise
                .as_ref()
                .map_or(Value::Null, |value| as_type(choose(value, beside, row), of)))
        }
        other => panic!("{other:?} is no condition"),
    }
}

/// A branch; a constant null is allowed.
fn choose(value: &Expr, beside: Type, row: &Row<'_>) -> Value {
    match value {
        Expr::Value(crate::spec::Literal::Null) => Value::Null,
        value => operand(value, beside, row),
    }
}

/// A chosen value as the type of all.
fn as_type(value: Value, of: Type) -> Value {
    match (value, of) {
        (Value::Exact(units, scale), Type::Decimal(_, to, _)) => {
            Value::Exact(value::at_scale(units, scale, to), to)
        }
        (value, _) => value,
    }
}

fn joined(logic: &Logic, row: &Row<'_>) -> Truth {
    let conditions: Vec<Truth> = (logic.conditions.iter())
        .map(|condition| match truth(evaluate(&condition.when, row)) {
            None if condition.include_nulls => Some(true),
            known => known,
        })
        .collect();
    let Some(text) = &logic.text else {
        return and(&conditions);
    };
    let spaced = text.replace('(', " ( ").replace(')', " ) ").to_lowercase();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let named = |word: &str| {
        let place = (0..conditions.len()).find(|&place| {
            let letter = || char::from(b'a' + place as u8).to_string();
            let label = logic.conditions[place].label.as_deref();
            let label = label.map_or_else(letter, str::to_lowercase);
            word == label || word == (place + 1).to_string()
        });
        conditions[place.unwrap()]
    };
    let mut reader = Reader {
        words: &words,
        named: &named,
    };
    let truth = reader.any();
    assert!(reader.words.is_empty(), "{text}");
    truth
}

/// Reads `NOT` first, then `AND`, then `OR`.
struct Reader<'a> {
    words: &'a [&'a str],
    named: &'a dyn Fn(&str) -> Truth,
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        let is = self.words.first() == Some(&word);
        if is {
            self.words = &self.words[1..];
        }
        is
    }

    fn any(&mut self) -> Truth {
        let mut parts = vec![self.every()];
        while self.take("or") {
            parts.push(self.every());
        }
        or(&parts)
    }

    fn every(&mut self) -> Truth {
        let mut parts = vec![self.one()];
        while self.take("and") {
            parts.push(self.one());
        }
        and(&parts)
    }

    fn one(&mut self) -> Truth {
        if self.take("not") {
            return not(self.one());
        }
        if self.take("(") {
            let truth = self.any();
            assert!(self.take(")"));
            return truth;
        }
        let (word, rest) = self.words.split_first().unwrap();
        self.words = rest;
        (self.named)(word)
    }
}
