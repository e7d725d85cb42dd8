//! Random numbers.

use super::grow::{Kind, ROUNDINGS, beside, grow, literal, pair, sides};
use super::tape::Tape;
use super::{conversions, times};
use crate::spec::Expr;

fn arithmetic(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    let sides = sides(tape, kind, depth);
    match tape.below(4) {
        0 => Expr::Add(sides),
        1 => Expr::Subtract(sides),
        2 => Expr::Multiply(sides),
        _ => Expr::Modulo(sides),
    }
}

fn one_sided(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    let of = match (kind, tape.below(6)) {
        // By itself a constant is exact.
        (Kind::Exact, 5) => literal(tape, Kind::Float),
        _ => grow(tape, kind, depth),
    };
    let of = Box::new(of);
    match tape.below(5) {
        0 => Expr::Ceil(of),
        1 => Expr::Floor(of),
        2 => Expr::Abs(of),
        3 => Expr::Negate(of),
        _ => Expr::Round {
            of,
            digits: tape.one(&[0, 1, 2, 3, 12]),
            rounding: tape.one(&ROUNDINGS),
        },
    }
}

pub(super) fn exact(tape: &mut Tape<'_>, depth: u32) -> Expr {
    match tape.below(8) {
        0 => integer(tape, depth),
        1 | 2 => one_sided(tape, Kind::Exact, depth),
        3 | 4 => {
            let (of, by) = match tape.below(3) {
                0 => (
                    beside(tape, Kind::Exact, depth),
                    grow(tape, Kind::Exact, depth),
                ),
                _ => (
                    grow(tape, Kind::Exact, depth),
                    beside(tape, Kind::Exact, depth),
                ),
            };
            Expr::Divide {
                of: of.into(),
                by: by.into(),
                digits: Some(tape.one(&[0, 1, 2, 4, 20])),
                rounding: Some(tape.one(&ROUNDINGS)),
            }
        }
        5 => conversions::to_decimal(tape, depth),
        6 => {
            // Constants alone.
            let sides = pair(literal(tape, Kind::Integer), literal(tape, Kind::Float));
            if tape.below(2) == 0 {
                Expr::Add(sides)
            } else {
                Expr::Multiply(sides)
            }
        }
        _ => arithmetic(tape, Kind::Exact, depth),
    }
}

pub(super) fn integer(tape: &mut Tape<'_>, depth: u32) -> Expr {
    match tape.below(9) {
        0 => Expr::Length(grow(tape, Kind::Text, depth).into()),
        1 => Expr::Position(pair(
            grow(tape, Kind::Text, depth),
            beside(tape, Kind::Text, depth),
        )),
        2 | 3 => times::part(tape, depth),
        4 | 5 => times::difference(tape, depth),
        6 => conversions::to_integer(tape, depth),
        7 => {
            let of = Box::new(grow(tape, Kind::Integer, depth));
            if tape.below(2) == 0 {
                Expr::Abs(of)
            } else {
                Expr::Negate(of)
            }
        }
        _ => {
            let sides = sides(tape, Kind::Integer, depth);
            match tape.below(4) {
                0 => Expr::Add(sides),
                1 => Expr::Subtract(sides),
                2 => Expr::Multiply(sides),
                _ => Expr::Modulo(sides),
            }
        }
    }
}

pub(super) fn float(tape: &mut Tape<'_>, depth: u32) -> Expr {
    match tape.below(8) {
        0 => Expr::Sqrt(grow(tape, Kind::Float, depth).into()),
        1 => Expr::Exp(grow(tape, Kind::Float, depth).into()),
        2 => Expr::Log {
            of: grow(tape, Kind::Float, depth).into(),
            base: tape.one(&[None, Some(2.0), Some(10.0), Some(0.5), Some(3.0)]),
        },
        3 => Expr::Divide {
            of: grow(tape, Kind::Float, depth).into(),
            by: beside(tape, Kind::Float, depth).into(),
            digits: None,
            rounding: None,
        },
        4 => conversions::to_float(tape, depth),
        5 | 6 => one_sided(tape, Kind::Float, depth),
        _ => arithmetic(tape, Kind::Float, depth),
    }
}
