//! Functions of numbers: exact or refused, and rounded only by name.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, i256};

use super::arithmetic::Number;
use super::evaluate::{Node, wrong_layout};
use super::families::{MAX_DIGITS, is_exact, modulo_type, quotient_type, with_digits};
use super::kernel::Kernel;
use super::side::{Side, Value, exact};
use super::typing::{Compiler, Operand};
use crate::Result;
use crate::record::{FieldType, Reason, Refusal};
use crate::spec::{Expr, Rounding};

pub(super) fn compile(compiler: &mut Compiler<'_>, expr: &Expr) -> Option<Operand> {
    match expr {
        Expr::Divide {
            of,
            by,
            digits,
            rounding,
        } => compiler.at(".divide", |this| divide(this, [of, by], *digits, *rounding)),
        Expr::Modulo(sides) => {
            let [left, right] = compiler.sides("modulo", sides)?;
            let field_type = modulo_type(&left, &right);
            let field_type = compiler.at(".modulo", |this| this.note(field_type))?;
            let modulo = Binary::Modulo(Number::of(&field_type));
            Some(call(modulo, vec![left.node, right.node], field_type))
        }
        Expr::Round {
            of,
            digits,
            rounding,
        } => compiler.at(".round", |this| {
            let of = this.at(".of", |this| number(this, of))?;
            if *digits > MAX_DIGITS {
                this.at(".digits", |this| this.problem(TOO_MANY));
                return None;
            }
            Some(rounded(of, *digits, *rounding))
        }),
        Expr::Ceil(of) => {
            let of = compiler.at(".ceil", |this| number(this, of))?;
            Some(rounded(of, 0, Rounding::Ceiling))
        }
        Expr::Floor(of) => {
            let of = compiler.at(".floor", |this| number(this, of))?;
            Some(rounded(of, 0, Rounding::Floor))
        }
        Expr::Abs(of) => {
            let of = compiler.at(".abs", |this| number(this, of))?;
            Some(call(Unary::Abs, vec![of.node], of.field_type))
        }
        Expr::Negate(of) => {
            let of = compiler.at(".negate", |this| number(this, of))?;
            Some(call(Unary::Negate, vec![of.node], of.field_type))
        }
        Expr::Sqrt(of) => {
            let of = compiler.at(".sqrt", |this| this.of_type(of, &FieldType::Float))?;
            Some(call(Unary::Sqrt, vec![of.node], FieldType::Float))
        }
        Expr::Exp(of) => {
            let of = compiler.at(".exp", |this| this.of_type(of, &FieldType::Float))?;
            Some(call(Unary::Exp, vec![of.node], FieldType::Float))
        }
        Expr::Log { of, base } => compiler.at(".log", |this| {
            let of = this.at(".of", |this| this.of_type(of, &FieldType::Float));
            let is_base = |base: f64| base > 0.0 && base != 1.0 && base.is_finite();
            if base.is_some_and(|base| !is_base(base)) {
                this.at(".base", |this| this.problem("a base is positive and not 1"));
                return None;
            }
            Some(call(Unary::Log(*base), vec![of?.node], FieldType::Float))
        }),
        _ => None,
    }
}

const TOO_MANY: &str = "a number has at most 38 digits";

fn call(kernel: impl Kernel + 'static, operands: Vec<Node>, field_type: FieldType) -> Operand {
    Operand::new(Node::Call(Arc::new(kernel), operands), field_type)
}

/// An operand that is a number.
fn number(compiler: &mut Compiler<'_>, expr: &Expr) -> Option<Operand> {
    let operand = compiler.operand(expr)?;
    if operand.field_type == FieldType::Float || is_exact(&operand.field_type) {
        return Some(operand);
    }
    compiler.problem(format!(
        "this must be a number and is {}; `convert` it",
        operand.field_type
    ));
    None
}

fn divide(
    compiler: &mut Compiler<'_>,
    [of, by]: [&Expr; 2],
    digits: Option<u8>,
    rounding: Option<Rounding>,
) -> Option<Operand> {
    let [of, by] = compiler.abreast([(".of", of), (".by", by)])?;
    let is_float = of.field_type == FieldType::Float && by.field_type == FieldType::Float;
    let field_type = quotient_type(&of, &by, digits.unwrap_or(0));
    let mut field_type = compiler.note(field_type);
    for (name, is_there) in [
        ("digits", digits.is_some()),
        ("rounding", rounding.is_some()),
    ] {
        if is_there == is_float && field_type.is_some() {
            let message = match is_float {
                true => "a quotient of floats is not rounded; leave this out, or `round` it",
                false => {
                    "a quotient of exact numbers says how many `digits` it has behind the point, and by which `rounding`"
                }
            };
            compiler.at(&format!(".{name}"), |this| this.problem(message));
        }
    }
    if digits.is_some_and(|digits| digits > MAX_DIGITS) {
        compiler.at(".digits", |this| this.problem(TOO_MANY));
        field_type = None;
    }
    let field_type = field_type?;
    let divide = match rounding {
        Some(rounding) => Binary::Divide(Number::of(&field_type), rounding),
        None => Binary::Divide(Number::Float, Rounding::HalfEven),
    };
    Some(call(divide, vec![of.node, by.node], field_type))
}

fn rounded(of: Operand, digits: u8, rounding: Rounding) -> Operand {
    match of.field_type.decimal() {
        Some((precision, scale)) if digits < scale => {
            // Rounding up may need a digit more in front of the point.
            let precision = precision - scale + 1 + digits;
            let field_type = with_digits(&of.field_type, precision, digits);
            let round = Unary::Shorten {
                by: scale - digits,
                rounding,
                to: (precision, digits),
            };
            call(round, vec![of.node], field_type)
        }
        None if of.field_type == FieldType::Float => call(
            Unary::RoundFloat(digits, rounding),
            vec![of.node],
            FieldType::Float,
        ),
        // There is nothing to round.
        _ => Operand {
            literal: None,
            ..of
        },
    }
}

/// Why a row has no result.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Zero,
    Overflow,
    Domain,
}

impl Fault {
    #[cold]
    fn refusal(self, what: &'static str) -> Refusal {
        match self {
            Fault::Zero => Refusal::new(Reason::DivisionByZero, format!("`{what}` by zero")),
            Fault::Overflow => Refusal::new(
                Reason::Overflow,
                format!("the result of `{what}` does not fit its type"),
            ),
            Fault::Domain => Refusal::new(
                Reason::OutOfRange,
                format!("`{what}` of a number that has none"),
            ),
        }
    }
}

/// The result of each row; a row without one is null, and told to `refuse` unless it is null anyway.
fn each<R: ArrowPrimitiveType>(
    rows: usize,
    nulls: Option<NullBuffer>,
    mut refuse: impl FnMut(u32, Fault),
    f: impl Fn(usize) -> Result<R::Native, Fault>,
) -> PrimitiveArray<R> {
    let values: Vec<R::Native> = (0..rows)
        .map(|row| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return R::Native::default();
            }
            f(row).unwrap_or_else(|fault| {
                refuse(row as u32, fault);
                R::Native::default()
            })
        })
        .collect();
    PrimitiveArray::new(values.into(), nulls)
}

fn side<A: ArrowPrimitiveType>(value: &Value) -> Result<Side<'_, A::Native>>
where
    A::Native: ArrowNativeType,
{
    Side::of::<A>(value).ok_or_else(wrong_layout)
}

#[derive(Debug)]
enum Binary {
    Divide(Number, Rounding),
    Modulo(Number),
}

impl Kernel for Binary {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        refuse: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [left, right] = operands else {
            return Err(wrong_layout());
        };
        let nulls = NullBuffer::union(left.nulls(), right.nulls());
        let (what, number) = match self {
            Binary::Divide(number, _) => ("divide", *number),
            Binary::Modulo(number) => ("modulo", *number),
        };
        let refuse = |row, fault: Fault| refuse(row, fault.refusal(what));
        match number {
            Number::Float => {
                let (a, b) = (side::<Float64Type>(left)?, side::<Float64Type>(right)?);
                let f = |row| {
                    let (a, b) = (a.get(row), b.get(row));
                    if b == 0.0 {
                        return Err(Fault::Zero);
                    }
                    let result = match self {
                        Binary::Divide(..) => a / b,
                        Binary::Modulo(_) => a % b,
                    };
                    Some(result)
                        .filter(|result| result.is_finite())
                        .ok_or(Fault::Overflow)
                };
                Ok(Arc::new(each::<Float64Type>(rows, nulls, refuse, f)))
            }
            Number::Integer => {
                let (a, b) = (side::<Int64Type>(left)?, side::<Int64Type>(right)?);
                let f = |row| match (a.get(row), b.get(row)) {
                    (_, 0) => Err(Fault::Zero),
                    // The least number by -1 leaves nothing either.
                    (a, b) => Ok(a.wrapping_rem(b)),
                };
                Ok(Arc::new(each::<Int64Type>(rows, nulls, refuse, f)))
            }
            Number::Decimal { precision, scale } => {
                let (Some((a, a_scale)), Some((b, b_scale))) = (exact(left), exact(right)) else {
                    return Err(wrong_layout());
                };
                let limit = 10u128.saturating_pow(precision.into());
                let f = |row| {
                    let (a, b) = (a.get(row), b.get(row));
                    if b == 0 {
                        return Err(Fault::Zero);
                    }
                    let result = match self {
                        Binary::Divide(_, rounding) => quotient(
                            a,
                            b,
                            i32::from(scale) + i32::from(b_scale) - i32::from(a_scale),
                            *rounding,
                        ),
                        Binary::Modulo(_) => rest(
                            a,
                            scale.saturating_sub(a_scale),
                            b,
                            scale.saturating_sub(b_scale),
                        ),
                    };
                    result
                        .filter(|value| value.unsigned_abs() < limit)
                        .ok_or(Fault::Overflow)
                };
                let column = each::<Decimal128Type>(rows, nulls, refuse, f);
                Ok(Arc::new(
                    column.with_precision_and_scale(precision, scale as i8)?,
                ))
            }
        }
    }
}

fn power(digits: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(digits)
}

/// `a * 10^shift / b`, rounded to a whole number; `b` is not zero.
fn quotient(a: i128, b: i128, shift: i32, rounding: Rounding) -> Option<i128> {
    let (mut above, mut below) = (i256::from_i128(a), i256::from_i128(b));
    match u32::try_from(shift) {
        // What is too large for 256 bits here has more than 38 digits once divided.
        Ok(shift) => above = above.checked_mul(power(shift)?)?,
        Err(_) => below = below.checked_mul(power(shift.unsigned_abs())?)?,
    }
    let (whole, rest) = (above.checked_div(below)?, above.checked_rem(below)?);
    if rest == i256::ZERO {
        return whole.to_i128();
    }
    let negative = above.is_negative() != below.is_negative();
    let (rest, below) = (rest.wrapping_abs(), below.wrapping_abs());
    let half = rest.cmp(&below.checked_sub(rest)?);
    let is_odd = whole.checked_rem(i256::from_i128(2))? != i256::ZERO;
    let whole = match away_from_zero(rounding, negative, half, is_odd) {
        true if negative => whole.checked_sub(i256::ONE)?,
        true => whole.checked_add(i256::ONE)?,
        false => whole,
    };
    whole.to_i128()
}

/// Whether a number that lies between two neighbours becomes the one further from zero. `half` says how its distance to the
/// nearer to zero compares to that to the other, `is_odd` whether the nearer to zero is odd.
fn away_from_zero(
    rounding: Rounding,
    negative: bool,
    half: std::cmp::Ordering,
    is_odd: bool,
) -> bool {
    match rounding {
        Rounding::HalfEven => half.is_gt() || (half.is_eq() && is_odd),
        Rounding::HalfAway => half.is_ge(),
        Rounding::TowardZero => false,
        Rounding::Floor => negative,
        Rounding::Ceiling => !negative,
    }
}

/// The rest of `a * 10^a_more / (b * 10^b_more)`; `b` is not zero.
fn rest(a: i128, a_more: u8, b: i128, b_more: u8) -> Option<i128> {
    let wide = |value: i128, more: u8| i256::from_i128(value).checked_mul(power(more.into())?);
    wide(a, a_more)?.checked_rem(wide(b, b_more)?)?.to_i128()
}

#[derive(Debug)]
enum Unary {
    /// A decimal with fewer digits behind the point.
    Shorten {
        by: u8,
        rounding: Rounding,
        to: (u8, u8),
    },
    RoundFloat(u8, Rounding),
    Abs,
    Negate,
    Sqrt,
    Exp,
    Log(Option<f64>),
}

impl Unary {
    fn name(&self) -> &'static str {
        match self {
            Unary::Shorten { .. } | Unary::RoundFloat(..) => "round",
            Unary::Abs => "abs",
            Unary::Negate => "negate",
            Unary::Sqrt => "sqrt",
            Unary::Exp => "exp",
            Unary::Log(_) => "log",
        }
    }

    fn float(&self, value: f64) -> Result<f64, Fault> {
        let result = match self {
            Unary::RoundFloat(digits, rounding) => round_float(value, *digits, *rounding),
            Unary::Abs => value.abs(),
            Unary::Negate => -value,
            Unary::Sqrt if value < 0.0 => return Err(Fault::Domain),
            Unary::Sqrt => value.sqrt(),
            Unary::Exp => value.exp(),
            Unary::Log(_) if value <= 0.0 => return Err(Fault::Domain),
            Unary::Log(None) => value.ln(),
            Unary::Log(Some(2.0)) => value.log2(),
            Unary::Log(Some(10.0)) => value.log10(),
            Unary::Log(Some(base)) => value.ln() / base.ln(),
            Unary::Shorten { .. } => return Err(Fault::Overflow),
        };
        Some(result)
            .filter(|result| result.is_finite())
            .ok_or(Fault::Overflow)
    }

    fn exact(&self, value: i128) -> Result<i128, Fault> {
        match self {
            Unary::Shorten { by, rounding, .. } => {
                quotient(value, 1, -i32::from(*by), *rounding).ok_or(Fault::Overflow)
            }
            Unary::Abs => value.checked_abs().ok_or(Fault::Overflow),
            Unary::Negate => value.checked_neg().ok_or(Fault::Overflow),
            _ => Err(Fault::Overflow),
        }
    }
}

impl Kernel for Unary {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        refuse: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [value] = operands else {
            return Err(wrong_layout());
        };
        let nulls = value.nulls().cloned();
        let refuse = |row, fault: Fault| refuse(row, fault.refusal(self.name()));
        if let Some(values) = Side::of::<Float64Type>(value) {
            let f = |row| self.float(values.get(row));
            return Ok(Arc::new(each::<Float64Type>(rows, nulls, refuse, f)));
        }
        let (values, scale) = exact(value).ok_or_else(wrong_layout)?;
        if Side::of::<Int64Type>(value).is_some() {
            let f = |row| i64::try_from(self.exact(values.get(row))?).map_err(|_| Fault::Overflow);
            return Ok(Arc::new(each::<Int64Type>(rows, nulls, refuse, f)));
        }
        let (precision, scale) = match (self, value.array.data_type()) {
            (Unary::Shorten { to, .. }, _) => *to,
            (_, arrow_schema::DataType::Decimal128(precision, _)) => (*precision, scale),
            _ => return Err(wrong_layout()),
        };
        let f = |row| self.exact(values.get(row));
        let column = each::<Decimal128Type>(rows, nulls, refuse, f);
        Ok(Arc::new(
            column.with_precision_and_scale(precision, scale as i8)?,
        ))
    }
}

/// Rounds the decimal number that a float is written as, with the fewest digits that tell it from other floats.
fn round_float(value: f64, digits: u8, rounding: Rounding) -> f64 {
    round_text(value, digits, rounding).unwrap_or(value)
}

/// `None` if there is nothing to round.
fn round_text(value: f64, digits: u8, rounding: Rounding) -> Option<f64> {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let units: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?;
    // So many digits stand behind those that stay.
    let over = -exponent - i32::from(digits);
    if units == 0 || over <= 0 {
        return None;
    }
    // A unit is less than half of the last digit that stays from 19 digits on, however many there are.
    let rounded = quotient(units, 1, -over.min(40), rounding)?;
    format!("{rounded}e-{digits}").parse().ok()
}
