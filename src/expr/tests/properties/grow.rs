//! Random expressions that have a type.

use super::tape::Tape;
use crate::spec::{Branch, Expr, Literal, Rounding, TimeUnit, Unfit};

/// What an expression is, as far as the one around it must know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Integers, decimals, currencies, percents.
    Exact,
    Integer,
    Float,
    Boolean,
    Text,
    Date,
    DateTime,
    Local,
}

pub(super) const KINDS: [Kind; 8] = [
    Kind::Exact,
    Kind::Integer,
    Kind::Float,
    Kind::Boolean,
    Kind::Text,
    Kind::Date,
    Kind::DateTime,
    Kind::Local,
];

pub(super) const ROUNDINGS: [Rounding; 5] = [
    Rounding::HalfEven,
    Rounding::HalfAway,
    Rounding::TowardZero,
    Rounding::Floor,
    Rounding::Ceiling,
];

pub(super) fn number(text: &str) -> Literal {
    serde_json::from_str(text).unwrap()
}

pub(super) fn pair(left: Expr, right: Expr) -> Box<[Expr; 2]> {
    Box::new([left, right])
}

pub(super) fn unfit(tape: &mut Tape<'_>) -> Unfit {
    tape.one(&[Unfit::Null, Unfit::Null, Unfit::Reject])
}

fn leaf(tape: &mut Tape<'_>, kind: Kind) -> Expr {
    let names: &[&str] = match kind {
        Kind::Exact => &["i", "j", "d", "w", "c", "p"],
        Kind::Integer => &["i", "j"],
        Kind::Float => &["f", "g"],
        Kind::Boolean => &["b", "e"],
        Kind::Text => &["t", "u"],
        Kind::Date => &["day"],
        Kind::DateTime => &["at"],
        Kind::Local => &["local"],
    };
    Expr::field(tape.one(names))
}

pub(super) fn grow(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    if depth == 0 || tape.below(8) == 0 {
        return leaf(tape, kind);
    }
    if tape.rarely(8) {
        return choice(tape, kind, depth - 1);
    }
    match kind {
        Kind::Exact => super::numbers::exact(tape, depth - 1),
        Kind::Integer => super::numbers::integer(tape, depth - 1),
        Kind::Float => super::numbers::float(tape, depth - 1),
        Kind::Boolean => super::conditions::boolean(tape, depth - 1),
        Kind::Text => super::texts::text(tape, depth - 1),
        Kind::Date => super::times::date(tape, depth - 1),
        Kind::DateTime => super::times::datetime(tape, depth - 1),
        Kind::Local => super::times::local(tape, depth - 1),
    }
}

/// A constant that can stand beside something of the kind.
pub(super) fn literal(tape: &mut Tape<'_>, kind: Kind) -> Expr {
    Expr::Value(match kind {
        Kind::Exact => match tape.below(4) {
            0 => number(tape.one(&["0", "1", "-7", "12"])),
            1 => number(tape.one(&["0.5", "-2.25", "3.001", "99.95"])),
            2 => Literal::from(tape.one(&["2.50", "-3", "0.001", "123456789012345678901.5"])),
            _ => number(&(tape.below(200) as i64 - 100).to_string()),
        },
        Kind::Integer => number(tape.one(&["0", "1", "-1", "2", "3", "-5", "12"])),
        Kind::Float => number(tape.one(&["0.5", "2", "-3.5", "0.25", "100"])),
        Kind::Boolean => Literal::Boolean(tape.one(&[true, false])),
        Kind::Text => Literal::from(tape.one(&["a", "", ",", "b", "ß", "abc", "X", "🦀", "12"])),
        Kind::Date => Literal::from(tape.one(&["2024-02-29", "2000-06-15", "2024-12-31"])),
        Kind::DateTime => {
            Literal::from(tape.one(&["2024-10-27T01:30:00Z", "2000-06-15T12:00:00Z"]))
        }
        Kind::Local => Literal::from(tape.one(&["2024-03-31T02:30:00", "2000-06-15T12:00:00.25"])),
    })
}

/// A part, or now and then a constant; something must stand beside it.
pub(super) fn beside(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    if tape.rarely(3) {
        literal(tape, kind)
    } else {
        grow(tape, kind, depth)
    }
}

/// Two that go together, at most one of them a constant.
pub(super) fn sides(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Box<[Expr; 2]> {
    match tape.below(4) {
        0 => pair(grow(tape, kind, depth), literal(tape, kind)),
        1 => pair(literal(tape, kind), grow(tape, kind, depth)),
        _ => pair(grow(tape, kind, depth), grow(tape, kind, depth)),
    }
}

/// Of several, the first one that is no constant.
fn choice(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    let first = grow(tape, kind, depth);
    let more = tape.below(3);
    if tape.below(2) == 0 {
        let rest = (0..more)
            .map(|_| maybe_null(tape, kind, depth))
            .collect::<Vec<_>>();
        return Expr::Coalesce([vec![first], rest].concat());
    }
    let mut when = vec![Branch::new(grow(tape, Kind::Boolean, depth), first)];
    for _ in 0..more {
        let value = maybe_null(tape, kind, depth);
        when.push(Branch::new(grow(tape, Kind::Boolean, depth), value));
    }
    let otherwise = (tape.below(3) > 0).then(|| Box::new(maybe_null(tape, kind, depth)));
    Expr::Case { when, otherwise }
}

fn maybe_null(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    match tape.below(6) {
        0 => Expr::Value(Literal::Null),
        _ => beside(tape, kind, depth),
    }
}

/// A text of any type; constants beside it would have to fit that.
pub(super) fn any_text(tape: &mut Tape<'_>, depth: u32) -> Expr {
    if depth == 0 || tape.below(3) == 0 {
        return Expr::field(tape.one(&["mail", "mail", "stage", "t"]));
    }
    let values = (0..=tape.below(2)).map(|_| any_text(tape, depth - 1));
    Expr::Coalesce(values.collect())
}

pub(super) const UNITS: [TimeUnit; 8] = [
    TimeUnit::Year,
    TimeUnit::Quarter,
    TimeUnit::Month,
    TimeUnit::Week,
    TimeUnit::Day,
    TimeUnit::Hour,
    TimeUnit::Minute,
    TimeUnit::Second,
];
