//! Numbers as their decimal texts, and division by hand.

use arrow_buffer::i256;

use super::types::Type;
use super::value::{self, Value, at_scale, power};
use crate::record::Reason;
use crate::spec::{Expr, Rounding};

/// A sum, a difference or a product.
pub(crate) fn exact(expr: &Expr, a: (i256, u32), b: (i256, u32)) -> Value {
    let scale = a.1.max(b.1);
    let (left, right) = (at_scale(a.0, a.1, scale), at_scale(b.0, b.1, scale));
    match expr {
        Expr::Add(_) => Value::Exact(left.checked_add(right).unwrap(), scale),
        Expr::Subtract(_) => Value::Exact(left.checked_sub(right).unwrap(), scale),
        _ => Value::Exact(a.0.checked_mul(b.0).unwrap(), a.1 + b.1),
    }
}

/// A plain decimal text with exactly so many digits behind the point.
pub(crate) fn rounded(text: &str, digits: usize, rounding: Rounding) -> String {
    let (negative, size) = match text.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, text),
    };
    let (whole, fraction) = size.split_once('.').unwrap_or((size, ""));
    let fraction = format!("{fraction:0<digits$}");
    let (stays, goes) = fraction.split_at(digits);
    let mut kept: Vec<u8> = format!("{whole}{stays}").into_bytes();
    let is_rest = goes.bytes().any(|digit| digit != b'0');
    let middle = goes.starts_with('5') && goes[1..].bytes().all(|digit| digit == b'0');
    let above = goes.as_bytes().first().is_some_and(|&digit| digit >= b'5') && !middle;
    let larger = match rounding {
        Rounding::HalfEven => above || (middle && kept.last().unwrap() % 2 == 1),
        Rounding::HalfAway => above || middle,
        Rounding::TowardZero => false,
        Rounding::Floor => negative && is_rest,
        Rounding::Ceiling => !negative && is_rest,
    };
    if larger {
        let nines = kept
            .iter()
            .rev()
            .take_while(|&&digit| digit == b'9')
            .count();
        let at = kept.len() - nines;
        kept[at..].fill(b'0');
        match at.checked_sub(1) {
            Some(before) => kept[before] += 1,
            None => kept.insert(0, b'1'),
        }
    }
    let kept = String::from_utf8(kept).unwrap();
    let (whole, fraction) = kept.split_at(kept.len() - digits);
    let sign = if negative { "-" } else { "" };
    let point = if digits > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

/// What has no more digits stays as it is.
pub(crate) fn round_exact(units: i256, scale: u32, digits: u32, rounding: Rounding) -> Value {
    if digits >= scale {
        return Value::Exact(units, scale);
    }
    let (units, scale) = value::exact(&rounded(
        &value::plain(units, scale),
        digits as usize,
        rounding,
    ));
    Value::Exact(units, scale)
}

/// Rust writes the shortest digits that read back as the float, without an exponent.
pub(crate) fn round_float(value: f64, digits: u32, rounding: Rounding) -> f64 {
    let rounded: f64 = rounded(&value.to_string(), digits as usize, rounding)
        .parse()
        .unwrap();
    // What has no more digits stays as it is; a zero that comes of others has no sign.
    match rounded {
        same if same == value => value,
        0.0 => 0.0,
        other => other,
    }
}

/// The quotient, digit by digit.
pub(crate) fn quotient(a: (i256, u32), b: (i256, u32), digits: u32, rounding: Rounding) -> Value {
    let scale = a.1.max(b.1);
    let (left, right) = (at_scale(a.0, a.1, scale), at_scale(b.0, b.1, scale));
    let zero = i256::from_i128(0);
    let negative = (left < zero) != (right < zero);
    let (left, right) = (left.checked_abs().unwrap(), right.checked_abs().unwrap());
    let mut text = left.checked_div(right).unwrap().to_string() + ".";
    let mut rest = left.checked_rem(right).unwrap();
    for _ in 0..=digits {
        // Ten times the rest can pass 256 bits, so it is summed up.
        let (mut sum, mut digit) = (zero, 0);
        for _ in 0..10 {
            sum = sum.checked_add(rest).unwrap();
            if sum >= right {
                sum = sum.checked_sub(right).unwrap();
                digit += 1;
            }
        }
        text += &digit.to_string();
        rest = sum;
    }
    // Something behind all digits tells more than the middle from the middle.
    if rest != zero {
        text += "1";
    }
    let sign = if negative { "-" } else { "" };
    let (units, scale) = value::exact(&rounded(
        &format!("{sign}{text}"),
        digits as usize,
        rounding,
    ));
    Value::Exact(units, scale)
}

/// The rest, with the sign of the first.
pub(crate) fn remainder(a: (i256, u32), b: (i256, u32)) -> Value {
    let scale = a.1.max(b.1);
    let (left, right) = (at_scale(a.0, a.1, scale), at_scale(b.0, b.1, scale));
    let zero = i256::from_i128(0);
    let rest = (left.checked_abs().unwrap())
        .checked_rem(right.checked_abs().unwrap())
        .unwrap();
    let rest = if left < zero {
        rest.checked_neg().unwrap()
    } else {
        rest
    };
    Value::Exact(rest, scale)
}

/// The number as its type has it, or an overflow.
pub(crate) fn fitted(value: Value, of: Type) -> Result<Value, Reason> {
    let fits = match (&value, of) {
        (Value::Exact(units, 0), Type::Integer) => units
            .to_i128()
            .is_some_and(|units| i64::try_from(units).is_ok()),
        (Value::Exact(units, scale), Type::Decimal(precision, to, _)) => {
            let units = at_scale(*units, *scale, to);
            let fits = units.checked_abs().unwrap() < power(precision);
            return if fits {
                Ok(Value::Exact(units, to))
            } else {
                Err(Reason::Overflow)
            };
        }
        (Value::Float(value), Type::Float) => value.is_finite(),
        (value, of) => panic!("{value:?} as {of:?}"),
    };
    if fits {
        Ok(value)
    } else {
        Err(Reason::Overflow)
    }
}
