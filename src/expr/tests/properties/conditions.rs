//! Random conditions.

use super::conversions;
use super::grow::{KINDS, Kind, beside, grow, literal, pair, sides};
use super::tape::Tape;
use crate::spec::{Condition, Expr, Literal, Logic};

/// Kinds with an order.
const ORDERED: [Kind; 7] = [
    Kind::Exact,
    Kind::Integer,
    Kind::Float,
    Kind::Text,
    Kind::Date,
    Kind::DateTime,
    Kind::Local,
];

pub(super) fn boolean(tape: &mut Tape<'_>, depth: u32) -> Expr {
    let parts = |tape: &mut Tape<'_>| -> Vec<Expr> {
        (0..=tape.below(3))
            .map(|_| grow(tape, Kind::Boolean, depth))
            .collect()
    };
    let text = |tape: &mut Tape<'_>| grow(tape, Kind::Text, depth);
    match tape.below(16) {
        0 => Expr::And(parts(tape)),
        1 => Expr::Or(parts(tape)),
        2 => Expr::Not(grow(tape, Kind::Boolean, depth).into()),
        3 | 4 => Expr::Logic(logic(tape, depth)),
        5 => {
            let kind = tape.one(&KINDS);
            let of = grow(tape, kind, depth).into();
            if tape.below(2) == 0 {
                Expr::IsNull(of)
            } else {
                Expr::IsNotNull(of)
            }
        }
        6 => {
            let kind = tape.one(&ORDERED);
            // One of them is no constant.
            let typed = tape.below(3);
            let [of, from, to] = [0, 1, 2].map(|place| {
                Box::new(if place == typed {
                    grow(tape, kind, depth)
                } else {
                    beside(tape, kind, depth)
                })
            });
            Expr::Between { of, from, to }
        }
        7 => {
            let kind = tape.one(&KINDS);
            let list = (0..=tape.below(3)).map(|_| match literal(tape, kind) {
                Expr::Value(literal) => literal,
                _ => Literal::Boolean(true),
            });
            let list = list.collect();
            Expr::In {
                of: grow(tape, kind, depth).into(),
                list,
            }
        }
        8 => Expr::Like {
            of: text(tape).into(),
            pattern: tape
                .one(&[
                    "%",
                    "a%",
                    "%a%",
                    "_",
                    "%_b%c",
                    "\\%%",
                    "%ß%",
                    "%SS",
                    "10\\%\\_\\\\",
                    "",
                    "Ä%",
                    "%ς",
                    "i%",
                    "İ_c",
                    "a_c",
                    "%%",
                ])
                .to_owned(),
            ignore_case: tape.below(2) == 0,
        },
        9 => Expr::Contains(pair(text(tape), beside(tape, Kind::Text, depth))),
        10 => Expr::StartsWith(pair(text(tape), beside(tape, Kind::Text, depth))),
        11 => Expr::EndsWith(pair(text(tape), beside(tape, Kind::Text, depth))),
        12 => conversions::to_boolean(tape, depth),
        13 => {
            let sides = sides(tape, Kind::Boolean, depth);
            if tape.below(2) == 0 {
                Expr::Eq(sides)
            } else {
                Expr::Ne(sides)
            }
        }
        _ => {
            let kind = tape.one(&ORDERED);
            let sides = sides(tape, kind, depth);
            match tape.below(6) {
                0 => Expr::Eq(sides),
                1 => Expr::Ne(sides),
                2 => Expr::Lt(sides),
                3 => Expr::Le(sides),
                4 => Expr::Gt(sides),
                _ => Expr::Ge(sides),
            }
        }
    }
}

/// Up to four conditions, each named at least once.
fn logic(tape: &mut Tape<'_>, depth: u32) -> Logic {
    let conditions: Vec<Condition> = (0..=tape.below(4))
        .map(|place| {
            let mut condition = Condition::new(grow(tape, Kind::Boolean, depth));
            if tape.below(4) == 1 {
                condition =
                    condition.labelled(format!("{}{place}", tape.one(&["x_", "Order", "nota"])));
            }
            if tape.below(3) == 1 {
                condition = condition.including_nulls();
            }
            condition
        })
        .collect();
    if tape.below(5) == 1 {
        return Logic::all(conditions);
    }
    let mut leaves: Vec<usize> = (0..conditions.len()).collect();
    if tape.below(2) == 1 {
        leaves.push(tape.below(conditions.len()));
    }
    let named: Vec<String> = leaves
        .into_iter()
        .map(|place| {
            let letter = || char::from(b'A' + place as u8).to_string();
            let label = conditions[place].label.clone().unwrap_or_else(letter);
            match tape.below(3) {
                0 => label,
                1 => label.to_lowercase(),
                _ => (place + 1).to_string(),
            }
        })
        .collect();
    Logic::new(joined(tape, &named), conditions)
}

/// A text that names all of them in their order.
fn joined(tape: &mut Tape<'_>, named: &[String]) -> String {
    let not = if tape.below(4) == 1 {
        tape.one(&["NOT ", "not ", "Not not "])
    } else {
        ""
    };
    match named {
        [one] => format!("{not}{one}"),
        _ => {
            let (left, right) = named.split_at(1 + tape.below(named.len() - 1));
            let (left, right) = (joined(tape, left), joined(tape, right));
            let word = tape.one(&["AND", "OR", "and", "Or"]);
            match tape.below(3) {
                0 => format!("{not}({left} {word} {right})"),
                1 => format!("{not}( {left} )  {word}\t{right}"),
                _ => format!("{left} {word} {right}"),
            }
        }
    }
}
