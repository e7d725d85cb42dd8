//! Functions of texts. Characters are Unicode scalar values, and counted from 1.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};

use super::evaluate::{Node, wrong_layout};
use super::kernel::Kernel;
use super::side::{Side, Texts, Value};
use super::typing::{Compiler, Operand};
use crate::Result;
use crate::record::{FieldType, Reason, Refusal};
use crate::spec::{Expr, PadSide, TrimSide, Unfit};

/// The most characters to which a text is padded.
const MOST_PADDING: u32 = 10_000;

/// The most bytes of a text that a function makes.
pub(super) const MOST_BYTES: usize = 16 << 20;

pub(super) fn compile(compiler: &mut Compiler<'_>, expr: &Expr) -> Option<Operand> {
    let (function, operands) = match expr {
        Expr::Length(of) => {
            let of = compiler.at(".length", |this| this.text(of))?;
            return Some(number(Count::Length, vec![of]));
        }
        Expr::Position(sides) => {
            let texts = compiler.texts("position", sides)?;
            return Some(number(Count::Position, texts));
        }
        Expr::Upper(of) => (
            Function::Upper,
            vec![compiler.at(".upper", |this| this.text(of))?],
        ),
        Expr::Lower(of) => (
            Function::Lower,
            vec![compiler.at(".lower", |this| this.text(of))?],
        ),
        Expr::Trim {
            of,
            side,
            characters,
        } => compiler.at(".trim", |this| {
            let characters: Option<Box<[char]>> =
                characters.as_ref().map(|text| text.chars().collect());
            let of = this.at(".of", |this| this.text(of))?;
            Some((Function::Trim(*side, characters), vec![of]))
        })?,
        Expr::Pad { of, to, side, with } => compiler.at(".pad", |this| {
            let of = this.at(".of", |this| this.text(of));
            if *to > MOST_PADDING {
                let message = format!("a text is padded to {MOST_PADDING} characters at most");
                this.at(".to", |this| this.problem(message));
                return None;
            }
            if with.is_empty() {
                this.at(".with", |this| this.problem("name at least one character"));
                return None;
            }
            let pad = Function::Pad {
                to: *to as usize,
                side: *side,
                with: with.chars().collect(),
            };
            Some((pad, vec![of?]))
        })?,
        Expr::Substring { of, from, length } => compiler.at(".substring", |this| {
            let of = this.at(".of", |this| this.text(of));
            let integer = |this: &mut Compiler<'_>, expr: &Expr| {
                this.of_type(expr, &FieldType::Integer)
                    .map(|operand| operand.node)
            };
            let from = this.at(".from", |this| integer(this, from));
            let length = length
                .as_ref()
                .map(|length| this.at(".length", |this| integer(this, length)));
            let mut operands = vec![of?, from?];
            if let Some(length) = length {
                operands.push(length?);
            }
            Some((Function::Substring, operands))
        })?,
        Expr::Replace { of, find, with } => compiler.at(".replace", |this| {
            let of = this.at(".of", |this| this.text(of));
            let find = this.at(".find", |this| this.text(find));
            let with = this.at(".with", |this| this.text(with));
            Some((Function::Replace, vec![of?, find?, with?]))
        })?,
        Expr::Split {
            of,
            by,
            part,
            missing,
        } => compiler.at(".split", |this| {
            let of = this.at(".of", |this| this.text(of));
            let by = this.at(".by", |this| this.text(by));
            if *part == 0 {
                this.at(".part", |this| {
                    this.problem("the first part is 1, the last -1; there is no 0")
                });
                return None;
            }
            Some((Function::Split(*part, *missing), vec![of?, by?]))
        })?,
        Expr::Before { of, find, missing } => {
            let texts = compiler.at(".before", |this| around(this, of, find))?;
            (Function::Before(*missing), texts)
        }
        Expr::After { of, find, missing } => {
            let texts = compiler.at(".after", |this| around(this, of, find))?;
            (Function::After(*missing), texts)
        }
        _ => return None,
    };
    Some(Operand::new(
        Node::Call(Arc::new(function), operands),
        FieldType::Text,
    ))
}

fn around(compiler: &mut Compiler<'_>, of: &Expr, find: &Expr) -> Option<Vec<Node>> {
    let of = compiler.at(".of", |this| this.text(of));
    let find = compiler.at(".find", |this| this.text(find));
    Some(vec![of?, find?])
}

fn number(count: Count, operands: Vec<Node>) -> Operand {
    Operand::new(Node::Call(Arc::new(count), operands), FieldType::Integer)
}

/// Functions whose answer is a number.
#[derive(Debug, Clone, Copy)]
enum Count {
    Length,
    Position,
}

impl Kernel for Count {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        _: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let texts = |number: usize| {
            operands
                .get(number)
                .and_then(Texts::of)
                .ok_or_else(wrong_layout)
        };
        let length = |text: &str| text.chars().count() as i64;
        let of = texts(0)?;
        Ok(Arc::new(match self {
            Count::Length => (0..rows)
                .map(|row| of.get(row).map(length))
                .collect::<Int64Array>(),
            Count::Position => {
                let part = texts(1)?;
                let position = |row: usize| {
                    let (text, part) = (of.get(row)?, part.get(row)?);
                    let before = text.find(part).and_then(|at| text.get(..at));
                    Some(before.map_or(0, |before| length(before) + 1))
                };
                (0..rows).map(position).collect::<Int64Array>()
            }
        }))
    }
}

/// Functions whose answer is a text.
#[derive(Debug)]
enum Function {
    Upper,
    Lower,
    /// Of these characters, or of white space.
    Trim(TrimSide, Option<Box<[char]>>),
    Pad {
        to: usize,
        side: PadSide,
        with: Vec<char>,
    },
    Substring,
    Replace,
    Split(i32, Unfit),
    Before(Unfit),
    After(Unfit),
}

impl Kernel for Function {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        refuse: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let texts = |number: usize| {
            operands
                .get(number)
                .and_then(Texts::of)
                .ok_or_else(wrong_layout)
        };
        let of = texts(0)?;
        match self {
            Function::Upper => build(rows, refuse, |row| {
                Ok(of.get(row).map(|text| text.to_uppercase().into()))
            }),
            Function::Lower => build(rows, refuse, |row| {
                Ok(of.get(row).map(|text| text.to_lowercase().into()))
            }),
            Function::Trim(side, characters) => build(rows, refuse, |row| {
                Ok(of
                    .get(row)
                    .map(|text| trim(text, *side, characters.as_deref()).into()))
            }),
            Function::Pad { to, side, with } => build(rows, refuse, |row| {
                Ok(of.get(row).map(|text| pad(text, *to, *side, with)))
            }),
            Function::Substring => {
                let from = operands.get(1).ok_or_else(wrong_layout)?;
                let length = operands.get(2);
                let is_null = |value: &Value, row: usize| {
                    value.nulls().is_some_and(|nulls| nulls.is_null(row))
                };
                let starts = Side::of::<Int64Type>(from).ok_or_else(wrong_layout)?;
                let lengths = match length {
                    Some(length) => Some(Side::of::<Int64Type>(length).ok_or_else(wrong_layout)?),
                    None => None,
                };
                build(rows, refuse, |row| {
                    let Some(text) = of.get(row) else {
                        return Ok(None);
                    };
                    if is_null(from, row) || length.is_some_and(|length| is_null(length, row)) {
                        return Ok(None);
                    }
                    let length = lengths.as_ref().map(|lengths| lengths.get(row));
                    substring(text, starts.get(row), length).map(|part| Some(part.into()))
                })
            }
            Function::Replace => {
                let (find, with) = (texts(1)?, texts(2)?);
                build(rows, refuse, |row| {
                    match (of.get(row), find.get(row), with.get(row)) {
                        (Some(text), Some(find), Some(with)) => replace(text, find, with).map(Some),
                        _ => Ok(None),
                    }
                })
            }
            Function::Split(part, missing) => {
                let by = texts(1)?;
                found(rows, refuse, (of, by), *missing, |text, by| {
                    // From the left, also when counted from the last part.
                    let wanted = match usize::try_from(*part) {
                        Ok(part) => part.checked_sub(1)?,
                        Err(_) => {
                            let back = part.unsigned_abs() as usize;
                            text.split(by).count().checked_sub(back)?
                        }
                    };
                    text.split(by).nth(wanted)
                })
            }
            Function::Before(missing) => {
                let find = texts(1)?;
                found(rows, refuse, (of, find), *missing, |text, find| {
                    text.split_once(find).map(|(before, _)| before)
                })
            }
            Function::After(missing) => {
                let find = texts(1)?;
                found(rows, refuse, (of, find), *missing, |text, find| {
                    text.split_once(find).map(|(_, after)| after)
                })
            }
        }
    }
}

/// A text, null or a refusal for each row.
fn build<'a>(
    rows: usize,
    refuse: &mut dyn FnMut(u32, Refusal),
    mut make: impl FnMut(usize) -> Result<Option<Cow<'a, str>>, Refusal>,
) -> Result<ArrayRef> {
    let mut out = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        match make(row) {
            Ok(Some(Cow::Owned(text))) if text.len() > MOST_BYTES => {
                out.append_null();
                refuse(row as u32, too_large());
            }
            Ok(Some(text)) => out.append_value(text),
            Ok(None) => out.append_null(),
            Err(refusal) => {
                out.append_null();
                refuse(row as u32, refusal);
            }
        }
    }
    Ok(Arc::new(out.finish()))
}

/// A part of a text, found by another text that is not empty.
fn found<'a>(
    rows: usize,
    refuse: &mut dyn FnMut(u32, Refusal),
    (texts, finds): (Texts<'a>, Texts<'a>),
    missing: Unfit,
    part: impl Fn(&'a str, &'a str) -> Option<&'a str>,
) -> Result<ArrayRef> {
    build(rows, refuse, |row| {
        let (Some(text), Some(find)) = (texts.get(row), finds.get(row)) else {
            return Ok(None);
        };
        if find.is_empty() {
            return Err(empty_find());
        }
        match (part(text, find), missing) {
            (Some(part), _) => Ok(Some(part.into())),
            (None, Unfit::Null) => Ok(None),
            (None, _) => Err(Refusal::new(
                Reason::OutOfRange,
                "the text has no such part; say `\"missing\": \"null\"` if it need not",
            )),
        }
    })
}

#[cold]
fn empty_find() -> Refusal {
    Refusal::new(Reason::OutOfRange, "the text that is looked for is empty")
}

#[cold]
pub(super) fn too_large() -> Refusal {
    let message =
        format!("the text that is made has more than {MOST_BYTES} bytes; make it of less");
    Refusal::new(Reason::TooLarge, message)
}

fn trim<'t>(text: &'t str, side: TrimSide, characters: Option<&[char]>) -> &'t str {
    let (start, end) = (side != TrimSide::End, side != TrimSide::Start);
    let mut text = text;
    match characters {
        None => {
            text = if start { text.trim_start() } else { text };
            text = if end { text.trim_end() } else { text };
        }
        Some(characters) => {
            text = if start {
                text.trim_start_matches(characters)
            } else {
                text
            };
            text = if end {
                text.trim_end_matches(characters)
            } else {
                text
            };
        }
    }
    text
}

fn pad<'t>(text: &'t str, to: usize, side: PadSide, with: &[char]) -> Cow<'t, str> {
    let missing = to.saturating_sub(text.chars().count());
    if missing == 0 {
        return text.into();
    }
    let padding = with.iter().cycle().take(missing);
    match side {
        PadSide::Start => padding
            .copied()
            .chain(text.chars())
            .collect::<String>()
            .into(),
        PadSide::End => text
            .chars()
            .chain(padding.copied())
            .collect::<String>()
            .into(),
    }
}

fn substring(text: &str, from: i64, length: Option<i64>) -> Result<&str, Refusal> {
    let length = match length.map(usize::try_from) {
        None => usize::MAX,
        Some(Ok(length)) => length,
        Some(Err(_)) => {
            return Err(Refusal::new(
                Reason::OutOfRange,
                "the length of a part is negative",
            ));
        }
    };
    let begin = match usize::try_from(from) {
        Ok(0) => {
            let message = "the first character of a text is 1, the last -1; there is no 0";
            return Err(Refusal::new(Reason::OutOfRange, message));
        }
        Ok(from) => from - 1,
        // From further in front than the text reaches: from its first character.
        Err(_) => {
            let back = usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX);
            text.chars().count().saturating_sub(back)
        }
    };
    let offset = |text: &str, characters: usize| {
        text.char_indices()
            .nth(characters)
            .map_or(text.len(), |(at, _)| at)
    };
    let rest = text.get(offset(text, begin)..).unwrap_or_default();
    Ok(rest.get(..offset(rest, length)).unwrap_or_default())
}

fn replace<'t>(text: &'t str, find: &str, with: &str) -> Result<Cow<'t, str>, Refusal> {
    if find.is_empty() {
        return Err(empty_find());
    }
    if !text.contains(find) {
        return Ok(text.into());
    }
    if with.len() > find.len() {
        let more = text
            .matches(find)
            .count()
            .saturating_mul(with.len() - find.len());
        if more.saturating_add(text.len()) > MOST_BYTES {
            return Err(too_large());
        }
    }
    Ok(text.replace(find, with).into())
}
