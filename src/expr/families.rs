//! Which types can stand side by side, and what arithmetic makes of them.

use super::arithmetic::Operation;
use super::compare::Comparison;
use super::typing::Operand;
use crate::record::FieldType;

/// The most digits that an exact number has.
pub(super) const MAX_DIGITS: u8 = 38;

/// Types whose values compare with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Exact,
    Float,
    Text,
    Boolean,
    Date,
    DateTime,
    LocalDateTime,
    Json,
}

fn family(field_type: &FieldType) -> Family {
    use FieldType::*;
    match field_type {
        Integer | Decimal { .. } | Currency { .. } | Percent { .. } => Family::Exact,
        Float => Family::Float,
        Text | Email | Url | Picklist(_) | MultiPicklist(_) | Lookup(_) | Id => Family::Text,
        Boolean => Family::Boolean,
        Date => Family::Date,
        DateTime => Family::DateTime,
        LocalDateTime => Family::LocalDateTime,
        Json => Family::Json,
    }
}

/// Whether its values are texts to compute with.
pub(super) fn is_text(field_type: &FieldType) -> bool {
    family(field_type) == Family::Text
}

/// Whether its values are exact numbers.
pub(super) fn is_exact(field_type: &FieldType) -> bool {
    family(field_type) == Family::Exact
}

/// The one type that holds the values of all operands, or why there is none; `operands` is not empty.
pub(super) fn unify(operands: &[&Operand]) -> Result<FieldType, String> {
    let types = || operands.iter().map(|operand| &operand.field_type);
    let Some(first) = types().next() else {
        return Err("there is no value".into());
    };
    if types().all(|other| other == first) {
        return Ok(first.clone());
    }
    if types().all(is_text) {
        return Ok(FieldType::Text);
    }
    if types().all(is_exact) {
        if types().all(|other| *other == FieldType::Integer) {
            return Ok(FieldType::Integer);
        }
        let digits = || operands.iter().map(|operand| digits(operand));
        let scale = digits().map(|(_, scale)| scale).max().unwrap_or(0);
        let whole = digits()
            .map(|(precision, scale)| precision.saturating_sub(scale))
            .max();
        let precision = whole.unwrap_or(0).saturating_add(scale);
        if precision > MAX_DIGITS {
            return Err(format!(
                "a number that holds all of these has {precision} digits and {MAX_DIGITS} is the most; `round` or `convert` \
                 one of them"
            ));
        }
        // Integers and literals follow the others.
        let mut deciding = (operands.iter())
            .filter(|operand| operand.literal.is_none() && operand.field_type != FieldType::Integer)
            .map(|operand| &operand.field_type);
        let kind = deciding.next().filter(|kind| {
            deciding.all(|other| std::mem::discriminant(other) == std::mem::discriminant(*kind))
        });
        return Ok(with_digits(
            kind.unwrap_or(&FieldType::Integer),
            precision,
            scale,
        ));
    }
    let other = types().find(|other| *other != first).unwrap_or(first);
    let advice = match (family(first), family(other)) {
        (Family::Float, Family::Exact) | (Family::Exact, Family::Float) => MIXED,
        _ => "`convert` one of them",
    };
    Err(format!(
        "the values are of one type, and these are {first} and {other}: {advice}"
    ))
}

/// Why two values do not compare, and what to do instead.
pub(super) fn comparable(
    op: Comparison,
    left: &FieldType,
    right: &FieldType,
) -> Result<(), String> {
    use Family::*;
    let not = |advice: &str| Err(format!("{left} does not compare with {right}: {advice}"));
    match (family(left), family(right)) {
        (Json, _) | (_, Json) => not("equal documents can have different texts"),
        (Boolean, Boolean) if op.orders() => not("true and false have no order; use `eq` or `ne`"),
        (Text, Text) => match (left, right) {
            (FieldType::Lookup(a), FieldType::Lookup(b)) if a != b => {
                not("they are identities of different objects")
            }
            _ => Ok(()),
        },
        (a, b) if a == b => Ok(()),
        (DateTime, LocalDateTime) | (LocalDateTime, DateTime) => not(
            "one is an instant, the other a wall clock of no stated zone; `to_local` or `to_instant` names the zone",
        ),
        (Date, DateTime) | (DateTime, Date) => not(
            "take the `utc_day` of the datetime, its `day` in a zone, or a datetime as the constant",
        ),
        (Float, Exact) | (Exact, Float) => not(MIXED),
        _ => not(
            "they are of different families; give both the same type in the dataset, or `convert` one",
        ),
    }
}

const MIXED: &str = "a float is not exact and the other is; give both the same type in the dataset, or `convert` one";

/// The type of a sum, a difference or a product, or why there is none.
pub(super) fn arithmetic_type(
    op: Operation,
    left: &Operand,
    right: &Operand,
) -> Result<FieldType, String> {
    numbers(op.name(), left, right)?;
    let (a, b) = (&left.field_type, &right.field_type);
    if *a == FieldType::Float {
        return Ok(FieldType::Float);
    }
    if *a == FieldType::Integer && *b == FieldType::Integer {
        return Ok(FieldType::Integer);
    }
    let ((p1, s1), (p2, s2)) = (digits(left), digits(right));
    let (precision, scale) = match op {
        Operation::Add | Operation::Subtract => {
            let scale = s1.max(s2);
            let whole = p1.saturating_sub(s1).max(p2.saturating_sub(s2));
            (whole.saturating_add(scale).saturating_add(1), scale)
        }
        Operation::Multiply => (p1.saturating_add(p2), s1.saturating_add(s2)),
    };
    if scale > MAX_DIGITS {
        return Err(format!(
            "the product of {a} and {b} has {scale} digits behind the point and {MAX_DIGITS} is the most; \
             give the fields fewer in the dataset"
        ));
    }
    let precision = precision.min(MAX_DIGITS);
    Ok(with_digits(&kind(op, left, right), precision, scale))
}

/// The kind of an exact number, with other digits.
pub(super) fn with_digits(kind: &FieldType, precision: u8, scale: u8) -> FieldType {
    match kind {
        FieldType::Currency { .. } => FieldType::Currency { precision, scale },
        FieldType::Percent { .. } => FieldType::Percent { precision, scale },
        _ => FieldType::Decimal { precision, scale },
    }
}

/// Whether two operands are numbers that compute with each other, or why not.
fn numbers(name: &str, left: &Operand, right: &Operand) -> Result<(), String> {
    let (a, b) = (&left.field_type, &right.field_type);
    match (family(a), family(b)) {
        (Family::Exact, Family::Exact) | (Family::Float, Family::Float) => Ok(()),
        (Family::Float, Family::Exact) | (Family::Exact, Family::Float) => {
            Err(format!("`{name}` of {a} and {b}: {MIXED}"))
        }
        (a_family, b_family) => {
            use Family::{Date, DateTime, LocalDateTime};
            let is_time = |family| matches!(family, Date | DateTime | LocalDateTime);
            let advice = match is_time(a_family) || is_time(b_family) {
                true => "`date_add` and `date_diff` count with days and times",
                false => "`convert` what is none",
            };
            Err(format!(
                "`{name}` wants two numbers and has {a} and {b}; {advice}"
            ))
        }
    }
}

/// The type of a quotient with so many digits behind the point, or why there is none.
pub(super) fn quotient_type(
    left: &Operand,
    right: &Operand,
    scale: u8,
) -> Result<FieldType, String> {
    numbers("divide", left, right)?;
    if left.field_type == FieldType::Float {
        return Ok(FieldType::Float);
    }
    let ((p1, s1), (_, s2)) = (digits(left), digits(right));
    // The least divisor is the unit of its last digit, and rounding up may need a digit more.
    let whole = p1.saturating_sub(s1).saturating_add(s2).saturating_add(1);
    let precision = whole.saturating_add(scale).min(MAX_DIGITS);
    let follows = right.literal.is_some() || right.field_type == FieldType::Integer;
    let kind = if follows {
        &left.field_type
    } else {
        &FieldType::Integer
    };
    Ok(with_digits(kind, precision, scale))
}

/// The type of the rest of a division, or why there is none.
pub(super) fn modulo_type(left: &Operand, right: &Operand) -> Result<FieldType, String> {
    numbers("modulo", left, right)?;
    if left.field_type == FieldType::Float {
        return Ok(FieldType::Float);
    }
    if left.field_type == FieldType::Integer && right.field_type == FieldType::Integer {
        return Ok(FieldType::Integer);
    }
    let ((p1, s1), (p2, s2)) = (digits(left), digits(right));
    let scale = s1.max(s2);
    // It is no larger than either.
    let whole = p1.saturating_sub(s1).min(p2.saturating_sub(s2));
    let precision = whole.saturating_add(scale).clamp(1, MAX_DIGITS);
    Ok(with_digits(
        &kind(Operation::Subtract, left, right),
        precision,
        scale,
    ))
}

/// The operand that says whether the result is a currency, a percent or a plain decimal.
fn kind(op: Operation, left: &Operand, right: &Operand) -> FieldType {
    let (a, b) = (&left.field_type, &right.field_type);
    let follows = |side: &Operand| side.literal.is_some() || side.field_type == FieldType::Integer;
    let alike = std::mem::discriminant(a) == std::mem::discriminant(b);
    if follows(right) || (alike && op != Operation::Multiply) {
        a.clone()
    } else if follows(left) {
        b.clone()
    } else {
        // Whatever the digits: neither side decides.
        FieldType::Integer
    }
}

/// Precision and scale of an exact number; an integer field has up to 19 digits.
fn digits(operand: &Operand) -> (u8, u8) {
    operand
        .literal
        .or_else(|| operand.field_type.decimal())
        .unwrap_or((19, 0))
}
