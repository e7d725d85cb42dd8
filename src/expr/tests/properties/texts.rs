//! Random texts.

use super::grow::{KINDS, Kind, any_text, beside, grow, literal, unfit};
use super::tape::Tape;
use super::{conversions, times};
use crate::spec::{Expr, PadSide, TrimSide};

pub(super) fn text(tape: &mut Tape<'_>, depth: u32) -> Expr {
    let of = |tape: &mut Tape<'_>| match tape.below(6) {
        5 => Box::new(any_text(tape, depth)),
        _ => Box::new(grow(tape, Kind::Text, depth)),
    };
    let other = |tape: &mut Tape<'_>| Box::new(beside(tape, Kind::Text, depth));
    match tape.below(14) {
        0 => Expr::Upper(of(tape)),
        1 => Expr::Lower(of(tape)),
        2 => Expr::Trim {
            of: of(tape),
            side: tape.one(&[TrimSide::Both, TrimSide::Start, TrimSide::End]),
            characters: tape
                .one(&[None, None, Some("a"), Some("ä,c "), Some("0")])
                .map(str::to_owned),
        },
        3 => Expr::Pad {
            of: of(tape),
            to: tape.one(&[0, 1, 5, 12]),
            side: tape.one(&[PadSide::Start, PadSide::End]),
            with: tape.one(&[" ", "0", "ab", "🦀ß"]).to_owned(),
        },
        4 | 5 => Expr::Substring {
            of: of(tape),
            from: position(tape, depth),
            length: (tape.below(2) == 0).then(|| position(tape, depth)),
        },
        6 => Expr::Replace {
            of: of(tape),
            find: other(tape),
            with: other(tape),
        },
        7 => Expr::Split {
            of: of(tape),
            by: other(tape),
            part: tape.one(&[1, 2, 3, -1, -2]),
            missing: unfit(tape),
        },
        8 => Expr::Before {
            of: of(tape),
            find: other(tape),
            missing: unfit(tape),
        },
        9 => Expr::After {
            of: of(tape),
            find: other(tape),
            missing: unfit(tape),
        },
        10 | 11 => times::format(tape, depth),
        12 => conversions::to_text(tape, depth),
        _ => {
            let parts = (0..=tape.below(3)).map(|_| match tape.below(4) {
                0 => literal(tape, Kind::Text),
                1 => Expr::field(tape.one(&["mail", "stage"])),
                _ => {
                    let kind = tape.one(&KINDS);
                    grow(tape, kind, depth)
                }
            });
            Expr::Concat(parts.collect())
        }
    }
}

/// Mostly a constant within a short text.
fn position(tape: &mut Tape<'_>, depth: u32) -> Box<Expr> {
    if tape.rarely(3) {
        return grow(tape, Kind::Integer, depth).into();
    }
    literal(tape, Kind::Integer).into()
}
