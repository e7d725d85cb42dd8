//! The static type of an expression, by the documentation's tables.

use crate::record::FieldType;
use crate::spec::{Branch, Expr, Literal};

use super::value::{self, Value};

/// The type of an expression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Type {
    Integer,
    /// Precision, scale, and what its type is called.
    Decimal(u32, u32, &'static str),
    Float,
    Boolean,
    /// What its type is called.
    Text(&'static str),
    Date,
    DateTime,
    Local,
}

pub(crate) const TEXT: Type = Type::Text("text");

impl Type {
    pub(crate) fn name(self) -> String {
        match self {
            Type::Integer => "integer".into(),
            Type::Decimal(precision, scale, name) => format!("{name}({precision},{scale})"),
            Type::Float => "float".into(),
            Type::Boolean => "boolean".into(),
            Type::Text(name) => name.into(),
            Type::Date => "date".into(),
            Type::DateTime => "datetime".into(),
            Type::Local => "local_datetime".into(),
        }
    }

    /// The type that a spec names.
    pub(crate) fn of(named: &FieldType) -> Type {
        let digits =
            |precision: u8, scale: u8, name| Type::Decimal(precision.into(), scale.into(), name);
        match *named {
            FieldType::Integer => Type::Integer,
            FieldType::Decimal { precision, scale } => digits(precision, scale, "decimal"),
            FieldType::Currency { precision, scale } => digits(precision, scale, "currency"),
            FieldType::Percent { precision, scale } => digits(precision, scale, "percent"),
            FieldType::Float => Type::Float,
            FieldType::Boolean => Type::Boolean,
            FieldType::Date => Type::Date,
            FieldType::DateTime => Type::DateTime,
            FieldType::LocalDateTime => Type::Local,
            FieldType::Text => TEXT,
            ref other => panic!("the reference does not convert to {other}"),
        }
    }

    fn is_exact(self) -> bool {
        matches!(self, Type::Integer | Type::Decimal(..))
    }
}

pub(crate) fn field_type(name: &str) -> Type {
    match name {
        "i" | "j" => Type::Integer,
        "d" => Type::Decimal(10, 2, "decimal"),
        "w" => Type::Decimal(38, 10, "decimal"),
        "c" => Type::Decimal(18, 2, "currency"),
        "p" => Type::Decimal(9, 4, "percent"),
        "f" | "g" => Type::Float,
        "b" | "e" => Type::Boolean,
        "t" | "u" => TEXT,
        "mail" => Type::Text("email"),
        "stage" => Type::Text("picklist"),
        "day" => Type::Date,
        "at" => Type::DateTime,
        "local" => Type::Local,
        other => panic!("the reference does not know {other}"),
    }
}

/// The value of a field, from its canonical text.
pub(crate) fn field_value(field_type: Type, text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    match field_type {
        Type::Integer | Type::Decimal(..) => {
            let (units, scale) = value::exact(text);
            Value::Exact(units, scale)
        }
        Type::Float => Value::Float(text.parse().unwrap()),
        Type::Boolean => Value::Boolean(text == "true"),
        Type::Text(_) => Value::Text(text.into()),
        Type::Date => Value::Date(value::date(text)),
        Type::DateTime => Value::Instant(value::instant(text)),
        Type::Local => Value::Local(value::instant(text)),
    }
}

/// A literal by itself: its type and its value.
pub(crate) fn alone(literal: &Literal) -> (Type, Value) {
    match literal {
        Literal::Number(number) => plain(&number.to_string()),
        Literal::Boolean(value) => (Type::Boolean, Value::Boolean(*value)),
        Literal::Text(text) => (TEXT, Value::Text(text.clone())),
        Literal::Null => panic!("null is no literal"),
    }
}

fn plain(text: &str) -> (Type, Value) {
    let (units, scale) = value::exact(text);
    let of = if text.contains('.') {
        Type::Decimal(digits(units).max(scale), scale, "decimal")
    } else {
        Type::Integer
    };
    (of, Value::Exact(units, scale))
}

/// The literal beside something of another type.
pub(crate) fn beside(literal: &Literal, other: Type) -> (Type, Value) {
    match (literal, other) {
        (Literal::Number(number), Type::Float) => {
            (other, Value::Float(number.to_string().parse().unwrap()))
        }
        (Literal::Text(text), _) if other.is_exact() => plain(text),
        (Literal::Text(text), _) => (other, field_value(other, Some(text))),
        _ => alone(literal),
    }
}

fn digits(units: arrow_buffer::i256) -> u32 {
    units.to_string().trim_start_matches('-').len() as u32
}

/// The type of the operands that stand side by side: that of the first which is no literal, or else of the first.
pub(crate) fn common<'e>(parts: impl IntoIterator<Item = &'e Expr> + Clone) -> Option<Type> {
    let mut all = parts.clone().into_iter();
    let first = (parts.into_iter()).find(|part| !matches!(part, Expr::Value(_)));
    match first {
        Some(part) => type_of(part),
        None => all.next().and_then(type_of),
    }
}

/// One operand as arithmetic sees it.
struct Side {
    of: Type,
    /// Precision and scale.
    digits: (u32, u32),
    /// Whether it takes the kind of the other: a literal or an integer.
    neutral: bool,
}

fn side(expr: &Expr, other: Type) -> Option<Side> {
    let (of, literal) = match expr {
        Expr::Value(literal) => {
            let (of, value) = beside(literal, other);
            (of, Some(value))
        }
        _ => (type_of(expr)?, None),
    };
    let digits = match (of, &literal) {
        (Type::Decimal(precision, scale, _), _) => (precision, scale),
        (_, Some(Value::Exact(units, _))) => (digits(*units), 0),
        _ => (19, 0),
    };
    Some(Side {
        of,
        digits,
        neutral: literal.is_some() || of == Type::Integer,
    })
}

fn kind(side: &Side) -> &'static str {
    match side.of {
        Type::Decimal(_, _, name) => name,
        _ => "decimal",
    }
}

/// The type of a sum, a difference or a product; `None` if it has more than 38 digits behind the point.
fn arithmetic(multiply: bool, sides: &[Expr; 2]) -> Option<Type> {
    let other = common(sides)?;
    let [left, right] = sides;
    let (left, right) = (side(left, other)?, side(right, other)?);
    if left.of == Type::Float {
        return Some(Type::Float);
    }
    if left.of == Type::Integer && right.of == Type::Integer {
        return Some(Type::Integer);
    }
    let ((p1, s1), (p2, s2)) = (left.digits, right.digits);
    let (precision, scale) = if multiply {
        (p1 + p2, s1 + s2)
    } else {
        let scale = s1.max(s2);
        ((p1 - s1).max(p2 - s2) + scale + 1, scale)
    };
    let name = match (left.neutral, right.neutral) {
        (true, true) => "decimal",
        (false, true) => kind(&left),
        (true, false) => kind(&right),
        (false, false) if !multiply && kind(&left) == kind(&right) => kind(&left),
        (false, false) => "decimal",
    };
    (scale <= 38).then_some(Type::Decimal(precision.min(38), scale, name))
}

/// The values of a case.
pub(crate) fn branches<'e>(
    when: &'e [Branch],
    otherwise: &'e Option<Box<Expr>>,
) -> impl Iterator<Item = &'e Expr> + Clone {
    (when.iter().map(|branch| &branch.value)).chain(otherwise.as_deref())
}

/// The type beside which the constants of a choice stand; nulls stand beside everything.
pub(crate) fn chosen<'e>(values: impl IntoIterator<Item = &'e Expr> + Clone) -> Option<Type> {
    let is_null = |value: &&Expr| matches!(value, Expr::Value(Literal::Null));
    let values: Vec<&Expr> = values.into_iter().filter(|value| !is_null(value)).collect();
    common(values)
}

/// The type that holds all values of a choice.
fn joined<'e>(values: impl IntoIterator<Item = &'e Expr> + Clone) -> Option<Type> {
    let other = chosen(values.clone())?;
    let is_null = |value: &&Expr| matches!(value, Expr::Value(Literal::Null));
    let values = values.into_iter().filter(|value| !is_null(value));
    let sides: Vec<Side> = values
        .map(|value| side(value, other))
        .collect::<Option<_>>()?;
    let first = sides[0].of;
    if sides.iter().all(|side| side.of == Type::Integer) {
        return Some(Type::Integer);
    }
    if let Type::Text(_) = first {
        return Some(if sides.iter().all(|side| side.of == first) {
            first
        } else {
            TEXT
        });
    }
    if !first.is_exact() {
        assert!(sides.iter().all(|side| side.of == first));
        return Some(first);
    }
    let scale = sides.iter().map(|side| side.digits.1).max()?;
    let whole = sides
        .iter()
        .map(|side| side.digits.0 - side.digits.1)
        .max()?;
    let mut kinds = sides.iter().filter(|side| !side.neutral).map(kind);
    let name = kinds.next().unwrap_or("decimal");
    let name = if kinds.all(|other| other == name) {
        name
    } else {
        "decimal"
    };
    (whole + scale <= 38).then_some(Type::Decimal(whole + scale, scale, name))
}

fn all<'e>(parts: impl IntoIterator<Item = &'e Expr>, of: Type) -> Option<Type> {
    for part in parts {
        type_of(part)?;
    }
    Some(of)
}

/// The type of a well-formed expression; `None` if it asks for more digits than there are.
pub(crate) fn type_of(expr: &Expr) -> Option<Type> {
    Some(match expr {
        Expr::Field(name) => field_type(name),
        Expr::Value(of) => alone(of).0,
        Expr::Add(sides) | Expr::Subtract(sides) => arithmetic(false, sides)?,
        Expr::Multiply(sides) => arithmetic(true, sides)?,

        Expr::Eq(sides)
        | Expr::Ne(sides)
        | Expr::Lt(sides)
        | Expr::Le(sides)
        | Expr::Gt(sides)
        | Expr::Ge(sides)
        | Expr::Contains(sides)
        | Expr::StartsWith(sides)
        | Expr::EndsWith(sides) => all(&**sides, Type::Boolean)?,
        Expr::Between { of, from, to } => all([&**of, &**from, &**to], Type::Boolean)?,
        Expr::In { of, .. } | Expr::Like { of, .. } => all([&**of], Type::Boolean)?,
        Expr::And(parts) | Expr::Or(parts) => all(parts, Type::Boolean)?,
        Expr::Not(of) | Expr::IsNull(of) | Expr::IsNotNull(of) => all([&**of], Type::Boolean)?,
        Expr::Logic(logic) => all(logic.conditions.iter().map(|c| &c.when), Type::Boolean)?,
        Expr::Convert { of, to, .. } => all([&**of], Type::of(to))?,

        Expr::Concat(parts) => all(parts, TEXT)?,
        Expr::Upper(of) | Expr::Lower(of) | Expr::Trim { of, .. } | Expr::Pad { of, .. } => {
            all([&**of], TEXT)?
        }
        Expr::Length(of) => all([&**of], Type::Integer)?,
        Expr::Substring { of, from, length } => {
            all([&**of, &**from].into_iter().chain(length.as_deref()), TEXT)?
        }
        Expr::Position(sides) => all(&**sides, Type::Integer)?,
        Expr::Replace { of, find, with } => all([&**of, &**find, &**with], TEXT)?,
        Expr::Split { of, by: other, .. }
        | Expr::Before {
            of, find: other, ..
        }
        | Expr::After {
            of, find: other, ..
        } => all([&**of, &**other], TEXT)?,

        Expr::UtcDay(of) | Expr::Day { of, .. } => all([&**of], Type::Date)?,
        Expr::ToLocal { of, .. } => all([&**of], Type::Local)?,
        Expr::ToInstant { of, .. } => all([&**of], Type::DateTime)?,
        Expr::DateAdd { of, count, .. } => {
            type_of(count)?;
            type_of(of)?
        }
        Expr::DateDiff { from, to, .. } => all([&**from, &**to], Type::Integer)?,
        Expr::Truncate { of, .. } => type_of(of)?,
        Expr::Part { of, .. } => all([&**of], Type::Integer)?,
        Expr::Format { of, .. } => all([&**of], TEXT)?,

        Expr::Sqrt(of) | Expr::Exp(of) | Expr::Log { of, .. } => all([&**of], Type::Float)?,
        Expr::Divide { of, by, digits, .. } => quotient(of, by, *digits)?,
        Expr::Modulo(sides) => remainder(sides)?,
        Expr::Round { of, digits, .. } => rounded(type_of(of)?, (*digits).into()),
        Expr::Ceil(of) | Expr::Floor(of) => rounded(type_of(of)?, 0),
        Expr::Abs(of) | Expr::Negate(of) => type_of(of)?,
        Expr::Coalesce(parts) => joined(parts)?,
        Expr::Case { when, otherwise } => {
            for branch in when {
                type_of(&branch.condition)?;
            }
            joined(branches(when, otherwise))?
        }
    })
}

/// The type of a division.
fn quotient(of: &Expr, by: &Expr, digits: Option<u8>) -> Option<Type> {
    let other = common([of, by])?;
    let (of, by) = (side(of, other)?, side(by, other)?);
    let Some(scale) = digits.map(u32::from) else {
        assert!(of.of == Type::Float && by.of == Type::Float);
        return Some(Type::Float);
    };
    let whole = of.digits.0 - of.digits.1 + by.digits.1 + 1;
    let name = if by.neutral { kind(&of) } else { "decimal" };
    Some(Type::Decimal((whole + scale).min(38), scale, name))
}

/// The type of what a division leaves.
fn remainder(sides: &[Expr; 2]) -> Option<Type> {
    Some(match arithmetic(false, sides)? {
        Type::Decimal(_, scale, name) => {
            let other = common(sides)?;
            let whole = |expr| side(expr, other).map(|side| side.digits.0 - side.digits.1);
            let whole = whole(&sides[0])?.min(whole(&sides[1])?);
            Type::Decimal((whole + scale).max(1), scale, name)
        }
        other => other,
    })
}

/// What loses digits may gain one in front of the point.
fn rounded(of: Type, digits: u32) -> Type {
    match of {
        Type::Decimal(precision, scale, name) if digits < scale => {
            Type::Decimal((precision - scale + 1 + digits).min(38), digits, name)
        }
        other => other,
    }
}
