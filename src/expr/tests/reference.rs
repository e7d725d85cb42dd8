//! Slow and plain: one row, one value, arithmetic in 256 bits. Written from the module's documentation.

use arrow_buffer::i256;

use crate::spec::{Expr, Literal};

/// The type of an expression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Type {
    Integer,
    /// Precision, scale, and what its type is called.
    Decimal(u32, u32, &'static str),
    Float,
    Boolean,
    Text,
    Date,
    DateTime,
}

impl Type {
    pub(super) fn name(self) -> String {
        match self {
            Type::Integer => "integer".into(),
            Type::Decimal(precision, scale, name) => format!("{name}({precision},{scale})"),
            Type::Float => "float".into(),
            Type::Boolean => "boolean".into(),
            Type::Text => "text".into(),
            Type::Date => "date".into(),
            Type::DateTime => "datetime".into(),
        }
    }
}

/// A value. Days and instants are held as their canonical texts, whose order is theirs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    /// Units, and the digits behind the point.
    Exact(i256, u32),
    Float(f64),
    Boolean(bool),
    Text(String),
}

/// A row that is refused.
#[derive(Debug, PartialEq)]
pub(super) struct Refused;

pub(super) fn field_type(name: &str) -> Type {
    match name {
        "i" | "j" => Type::Integer,
        "d" => Type::Decimal(10, 2, "decimal"),
        "w" => Type::Decimal(38, 10, "decimal"),
        "c" => Type::Decimal(18, 2, "currency"),
        "p" => Type::Decimal(9, 4, "percent"),
        "f" | "g" => Type::Float,
        "b" | "e" => Type::Boolean,
        "t" | "u" => Type::Text,
        "day" => Type::Date,
        "at" => Type::DateTime,
        other => panic!("the reference does not know {other}"),
    }
}

fn power(exponent: u32) -> i256 {
    (0..exponent).fold(i256::from_i128(1), |power, _| {
        power.checked_mul(i256::from_i128(10)).unwrap()
    })
}

/// `-12.50` as units and scale.
fn exact(text: &str) -> (i256, u32) {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let units = i256::from_string(&format!("{whole}{fraction}")).unwrap();
    (units, fraction.len() as u32)
}

/// The value of a field, from its canonical text.
pub(super) fn field_value(field_type: Type, text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    match field_type {
        Type::Integer | Type::Decimal(..) => {
            let (units, scale) = exact(text);
            Value::Exact(units, scale)
        }
        Type::Float => Value::Float(text.parse().unwrap()),
        Type::Boolean => Value::Boolean(text == "true"),
        Type::Text | Type::Date | Type::DateTime => Value::Text(text.into()),
    }
}

/// The canonical text of a value.
pub(super) fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Exact(units, scale) => {
            let digits = units.to_string();
            let (sign, digits) = digits
                .strip_prefix('-')
                .map_or(("", digits.as_str()), |rest| ("-", rest));
            let digits = format!("{digits:0>width$}", width = *scale as usize + 1);
            let (whole, fraction) = digits.split_at(digits.len() - *scale as usize);
            let point = if *scale > 0 { "." } else { "" };
            format!("{sign}{whole}{point}{fraction}")
        }
        Value::Float(value) => {
            let mut text = Vec::new();
            crate::record::format::float(*value, &mut text);
            String::from_utf8(text).unwrap()
        }
        Value::Boolean(value) => value.to_string(),
        Value::Text(text) => text.clone(),
    })
}

/// A literal by itself: its type, its value, and whether it is one.
fn literal(literal: &Literal) -> (Type, Value) {
    match literal {
        Literal::Number(number) => {
            let text = number.to_string();
            let (units, scale) = exact(&text);
            let digits = units.to_string().trim_start_matches('-').len() as u32;
            let of = if text.contains('.') {
                Type::Decimal(digits.max(scale), scale, "decimal")
            } else {
                Type::Integer
            };
            (of, Value::Exact(units, scale))
        }
        Literal::Boolean(value) => (Type::Boolean, Value::Boolean(*value)),
        Literal::Text(text) => (Type::Text, Value::Text(text.clone())),
        Literal::Null => panic!("null is no literal"),
    }
}

/// The literal beside something of another type.
fn literal_beside(of: &Literal, other: Type) -> (Type, Value) {
    match (of, other) {
        (Literal::Number(number), Type::Float) => (
            Type::Float,
            Value::Float(number.to_string().parse().unwrap()),
        ),
        (Literal::Text(text), Type::Integer | Type::Decimal(..)) => {
            literal(&Literal::Number(serde_json::from_str(text).unwrap()))
        }
        (Literal::Text(text), other) => (other, Value::Text(text.clone())),
        _ => literal(of),
    }
}

/// One side of a binary step.
struct Side {
    of: Type,
    value: Result<Value, Refused>,
    is_literal: bool,
}

impl Side {
    fn new(expr: &Expr, other: &Expr, row: &dyn Fn(&str) -> Value) -> Option<Side> {
        let (of, value, is_literal) = match (expr, other) {
            (Expr::Value(of), Expr::Value(_)) => {
                let (of, value) = literal(of);
                (of, Ok(value), true)
            }
            (Expr::Value(of), other) => {
                let (of, value) = literal_beside(of, type_of(other)?);
                (of, Ok(value), true)
            }
            (expr, _) => (type_of(expr)?, evaluate(expr, row), false),
        };
        Some(Side {
            of,
            value,
            is_literal,
        })
    }

    fn digits(&self) -> (u32, u32) {
        match (self.of, &self.value) {
            (Type::Decimal(precision, scale, _), _) => (precision, scale),
            (_, Ok(Value::Exact(units, _))) if self.is_literal => {
                (units.to_string().trim_start_matches('-').len() as u32, 0)
            }
            _ => (19, 0),
        }
    }

    fn neutral(&self) -> bool {
        self.is_literal || self.of == Type::Integer
    }
}

/// The type of the result; `None` if it has more than 38 digits behind the point.
fn arithmetic_type(multiply: bool, left: &Side, right: &Side) -> Option<Type> {
    if left.of == Type::Float {
        return Some(Type::Float);
    }
    if left.of == Type::Integer && right.of == Type::Integer {
        return Some(Type::Integer);
    }
    let ((p1, s1), (p2, s2)) = (left.digits(), right.digits());
    let scale = if multiply { s1 + s2 } else { s1.max(s2) };
    let precision = if multiply {
        p1 + p2
    } else {
        (p1 - s1).max(p2 - s2) + scale + 1
    };
    let name = |side: &Side| match side.of {
        Type::Decimal(_, _, name) => name,
        _ => "decimal",
    };
    let name = match (left.neutral(), right.neutral()) {
        (true, true) => "decimal",
        (false, true) => name(left),
        (true, false) => name(right),
        (false, false) if !multiply && name(left) == name(right) => name(left),
        (false, false) => "decimal",
    };
    (scale <= 38).then_some(Type::Decimal(precision.min(38), scale, name))
}

/// The type of a well-formed expression; `None` if a product has too many digits.
pub(super) fn type_of(expr: &Expr) -> Option<Type> {
    let nothing = |_: &str| Value::Null;
    Some(match expr {
        Expr::Field(name) => field_type(name),
        Expr::Value(of) => literal(of).0,
        Expr::Add(sides) | Expr::Subtract(sides) | Expr::Multiply(sides) => {
            let [left, right] = &**sides;
            let multiply = matches!(expr, Expr::Multiply(_));
            let (left, right) = (
                Side::new(left, right, &nothing)?,
                Side::new(right, left, &nothing)?,
            );
            arithmetic_type(multiply, &left, &right)?
        }
        Expr::Concat(parts) => {
            parts
                .iter()
                .try_for_each(|part| type_of(part).map(|_| ()))?;
            Type::Text
        }
        Expr::UtcDay(_) => Type::Date,
        Expr::And(parts) | Expr::Or(parts) => {
            parts
                .iter()
                .try_for_each(|part| type_of(part).map(|_| ()))?;
            Type::Boolean
        }
        Expr::Not(part) | Expr::IsNull(part) => type_of(part).map(|_| Type::Boolean)?,
        Expr::Eq(sides)
        | Expr::Ne(sides)
        | Expr::Lt(sides)
        | Expr::Le(sides)
        | Expr::Gt(sides)
        | Expr::Ge(sides) => {
            sides
                .iter()
                .try_for_each(|side| type_of(side).map(|_| ()))?;
            Type::Boolean
        }
        _ => return None,
    })
}

fn at_scale(units: i256, scale: u32, to: u32) -> i256 {
    units.checked_mul(power(to - scale)).unwrap()
}

fn order(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::Exact(a, a_scale), Value::Exact(b, b_scale)) => {
            let scale = *a_scale.max(b_scale);
            Some(at_scale(*a, *a_scale, scale).cmp(&at_scale(*b, *b_scale, scale)))
        }
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    }
}

fn compute(expr: &Expr, of: Type, left: Value, right: Value) -> Result<Value, Refused> {
    match (left, right) {
        (Value::Exact(a, a_scale), Value::Exact(b, b_scale)) => {
            let scale = a_scale.max(b_scale);
            let (a_units, b_units) = (at_scale(a, a_scale, scale), at_scale(b, b_scale, scale));
            let (units, scale) = match expr {
                Expr::Add(_) => (a_units.checked_add(b_units).unwrap(), scale),
                Expr::Subtract(_) => (a_units.checked_sub(b_units).unwrap(), scale),
                _ => (a.checked_mul(b).unwrap(), a_scale + b_scale),
            };
            let limit = match of {
                Type::Decimal(precision, ..) => power(precision),
                _ => i256::from_i128(1 << 63),
            };
            let least = match of {
                Type::Decimal(..) => limit
                    .checked_neg()
                    .unwrap()
                    .checked_add(i256::from_i128(1))
                    .unwrap(),
                _ => limit.checked_neg().unwrap(),
            };
            if units < least || units >= limit {
                Err(Refused)
            } else {
                Ok(Value::Exact(units, scale))
            }
        }
        (Value::Float(a), Value::Float(b)) => {
            let value = match expr {
                Expr::Add(_) => a + b,
                Expr::Subtract(_) => a - b,
                _ => a * b,
            };
            if value.is_finite() {
                Ok(Value::Float(value))
            } else {
                Err(Refused)
            }
        }
        _ => Ok(Value::Null),
    }
}

/// The value of an expression that has a type. Every part is looked at: a refusal anywhere refuses.
pub(super) fn evaluate(expr: &Expr, row: &dyn Fn(&str) -> Value) -> Result<Value, Refused> {
    let all = |parts: &[Expr]| -> Result<Vec<Value>, Refused> {
        parts.iter().map(|part| evaluate(part, row)).collect()
    };
    let sides = |sides: &[Expr; 2]| {
        let [left, right] = sides;
        (
            Side::new(left, right, row).unwrap(),
            Side::new(right, left, row).unwrap(),
        )
    };
    Ok(match expr {
        Expr::Field(name) => row(name),
        Expr::Value(of) => literal(of).1,
        Expr::And(parts) | Expr::Or(parts) => {
            let parts = all(parts)?;
            let decides = Value::Boolean(matches!(expr, Expr::Or(_)));
            if parts.contains(&decides) {
                decides
            } else if parts.contains(&Value::Null) {
                Value::Null
            } else {
                Value::Boolean(matches!(expr, Expr::And(_)))
            }
        }
        Expr::Not(part) => match evaluate(part, row)? {
            Value::Boolean(value) => Value::Boolean(!value),
            _ => Value::Null,
        },
        Expr::IsNull(part) => Value::Boolean(evaluate(part, row)? == Value::Null),
        Expr::Add(both) | Expr::Subtract(both) | Expr::Multiply(both) => {
            let (left, right) = sides(both);
            let of = arithmetic_type(matches!(expr, Expr::Multiply(_)), &left, &right).unwrap();
            compute(expr, of, left.value?, right.value?)?
        }
        Expr::Concat(parts) => {
            let texts: Option<Vec<String>> = all(parts)?.iter().map(text).collect();
            texts.map_or(Value::Null, |texts| Value::Text(texts.concat()))
        }
        Expr::UtcDay(part) => match evaluate(part, row)? {
            Value::Text(instant) => Value::Text(instant[..10].into()),
            _ => Value::Null,
        },
        Expr::Eq(both)
        | Expr::Ne(both)
        | Expr::Lt(both)
        | Expr::Le(both)
        | Expr::Gt(both)
        | Expr::Ge(both) => {
            let (left, right) = sides(both);
            let Some(order) = order(&left.value?, &right.value?) else {
                return Ok(Value::Null);
            };
            Value::Boolean(match expr {
                Expr::Eq(_) => order.is_eq(),
                Expr::Ne(_) => order.is_ne(),
                Expr::Lt(_) => order.is_lt(),
                Expr::Le(_) => order.is_le(),
                Expr::Gt(_) => order.is_gt(),
                _ => order.is_ge(),
            })
        }
        other => panic!("{other:?}"),
    })
}
