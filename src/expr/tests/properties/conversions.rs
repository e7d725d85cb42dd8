//! Random conversions.

use super::grow::{Kind, grow, unfit};
use super::tape::Tape;
use super::times;
use crate::record::FieldType;
use crate::spec::{Expr, ValueFormat};

fn convert(tape: &mut Tape<'_>, of: Expr, to: &str, format: Option<ValueFormat>) -> Expr {
    Expr::Convert {
        of: of.into(),
        to: to.parse::<FieldType>().unwrap(),
        format,
        invalid: unfit(tape),
    }
}

fn number_format(tape: &mut Tape<'_>) -> Option<ValueFormat> {
    let (decimal_mark, grouping) = tape.one(&[
        None,
        Some((',', None)),
        Some((',', Some('.'))),
        Some(('.', Some(','))),
    ])?;
    Some(ValueFormat::Number {
        decimal_mark,
        grouping,
    })
}

/// A number out of a text, or of another number.
fn number(tape: &mut Tape<'_>, to: &str, depth: u32) -> Expr {
    match tape.below(3) {
        0 => {
            let written = tape.one(&[Kind::Text, Kind::Exact, Kind::Float]);
            let of = match tape.below(3) {
                0 => Expr::value(tape.one(&[
                    "12.50",
                    "-7",
                    "1.234.567,5",
                    "1,234.50",
                    "1,5",
                    "",
                    "x",
                ])),
                _ => Expr::Concat(vec![grow(tape, written, depth)]),
            };
            let format = number_format(tape);
            convert(tape, of, to, format)
        }
        1 => {
            let of = grow(tape, Kind::Float, depth);
            convert(tape, of, to, None)
        }
        _ => {
            let of = grow(tape, Kind::Exact, depth);
            convert(tape, of, to, None)
        }
    }
}

pub(super) fn to_decimal(tape: &mut Tape<'_>, depth: u32) -> Expr {
    let to = tape.one(&[
        "decimal(12,2)",
        "decimal(38,20)",
        "currency(18,2)",
        "percent(9,4)",
        "decimal(5,0)",
    ]);
    number(tape, to, depth)
}

pub(super) fn to_integer(tape: &mut Tape<'_>, depth: u32) -> Expr {
    if tape.below(4) == 0 {
        let of = grow(tape, Kind::Boolean, depth);
        return convert(tape, of, "integer", None);
    }
    number(tape, "integer", depth)
}

pub(super) fn to_float(tape: &mut Tape<'_>, depth: u32) -> Expr {
    number(tape, "float", depth)
}

pub(super) fn to_boolean(tape: &mut Tape<'_>, depth: u32) -> Expr {
    if tape.below(2) == 0 {
        let of = grow(tape, Kind::Integer, depth);
        return convert(tape, of, "boolean", None);
    }
    let of = grow(tape, Kind::Text, depth);
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let format = (tape.below(2) == 0).then(|| ValueFormat::Boolean {
        yes: words(&["yes", "a"]),
        no: words(&["no", ""]),
    });
    convert(tape, of, "boolean", format)
}

/// Any value as its text.
pub(super) fn to_text(tape: &mut Tape<'_>, depth: u32) -> Expr {
    let kind = tape.one(&super::grow::KINDS);
    let of = grow(tape, kind, depth);
    convert(tape, of, "text", None)
}

/// A day or a time out of its text.
pub(super) fn to_time(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    let to = match kind {
        Kind::Date => "date",
        Kind::DateTime => "datetime",
        _ => "local_datetime",
    };
    if tape.below(2) == 0 {
        let (of, format) = by_pattern(tape, kind, depth);
        return convert(tape, of, to, Some(format));
    }
    let written = if tape.below(2) == 0 { Kind::Text } else { kind };
    let of = grow(tape, written, depth);
    convert(tape, Expr::Concat(vec![of]), to, None)
}

/// A text by a pattern, and a format with that pattern or others.
fn by_pattern(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> (Expr, ValueFormat) {
    let clocks: &[&str] = &[
        "%Y-%m-%d %H:%M:%S",
        "%d/%m/%y %H%M",
        "%b %d %Y %I:%M:%S %p",
        "%a %j %Y %H",
    ];
    let patterns: &[&str] = match kind {
        Kind::Date => &["%d.%m.%Y", "%Y%m%d", "%m.%d.%Y", "%A %d %B %Y"],
        _ => clocks,
    };
    let of = Expr::Format {
        of: grow(tape, kind, depth).into(),
        pattern: tape.one(patterns).to_owned(),
        zone: (kind == Kind::DateTime).then(|| tape.one(&times::ZONES).to_owned()),
    };
    let first = tape.one(patterns);
    let others = patterns.iter().filter(|&&pattern| pattern != first);
    let others = others.take(tape.below(patterns.len()));
    let format = ValueFormat::Time {
        patterns: [first]
            .iter()
            .chain(others)
            .map(|&pattern| pattern.to_owned())
            .collect(),
        zone: (kind == Kind::DateTime).then(|| tape.one(&times::ZONES).to_owned()),
    };
    (of, format)
}

pub(super) fn day_to_local(tape: &mut Tape<'_>, depth: u32) -> Expr {
    let of = grow(tape, Kind::Date, depth);
    convert(tape, of, "local_datetime", None)
}
