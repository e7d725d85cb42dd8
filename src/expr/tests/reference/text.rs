//! Texts as lists of characters.

use crate::record::Reason;
use crate::spec::{PadSide, TrimSide, Unfit};

use super::value::{Value, whole};

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn texts(chars: &[char]) -> Value {
    Value::Text(chars.iter().collect())
}

/// SQL's `LIKE`: tries every length for a `%`.
fn like(text: &[char], pattern: &[char]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        (['%', rest @ ..], text) => (0..=text.len()).any(|skip| like(&text[skip..], rest)),
        (['_', rest @ ..], [_, text @ ..]) => like(text, rest),
        (['\\', escaped, rest @ ..], [first, text @ ..]) => escaped == first && like(text, rest),
        (['\\', ..] | ['_', ..], _) => false,
        ([wanted, rest @ ..], [first, text @ ..]) => wanted == first && like(text, rest),
        _ => false,
    }
}

pub(crate) fn matches(text: &str, pattern: &str, ignore_case: bool) -> bool {
    if ignore_case {
        let lower = |text: &str| -> Vec<char> { text.chars().map(simple_lower).collect() };
        return like(&lower(text), &lower(pattern));
    }
    like(&chars(text), &chars(pattern))
}

/// One character for one: of the only one that becomes two, the dotted capital I, the first.
fn simple_lower(c: char) -> char {
    c.to_lowercase().next().unwrap()
}

/// Where a text first stands in another.
fn found(text: &[char], wanted: &[char]) -> Option<usize> {
    (0..=text.len()).find(|&at| text[at..].starts_with(wanted))
}

pub(crate) fn position(text: &str, wanted: &str) -> Value {
    let at = found(&chars(text), &chars(wanted));
    whole(at.map_or(0, |at| at as i64 + 1))
}

pub(crate) fn trim(text: &str, side: TrimSide, characters: Option<&str>) -> Value {
    let goes = |c: char| match characters {
        Some(characters) => characters.contains(c),
        None => c.is_whitespace(),
    };
    let mut text = chars(text);
    if side != TrimSide::Start {
        while text.last().is_some_and(|&c| goes(c)) {
            text.pop();
        }
    }
    if side != TrimSide::End {
        while text.first().is_some_and(|&c| goes(c)) {
            text.remove(0);
        }
    }
    texts(&text)
}

pub(crate) fn pad(text: &str, to: u32, side: PadSide, with: &str) -> Value {
    let text = chars(text);
    let missing = (to as usize).saturating_sub(text.len());
    let padding: Vec<char> = with.chars().cycle().take(missing).collect();
    texts(&match side {
        PadSide::Start => [padding, text].concat(),
        PadSide::End => [text, padding].concat(),
    })
}

pub(crate) fn substring(text: &str, from: i64, length: Option<i64>) -> Result<Value, Reason> {
    if from == 0 || length.is_some_and(|length| length < 0) {
        return Err(Reason::OutOfRange);
    }
    let text = chars(text);
    let first = match from {
        ..0 => 1.max(i128::from(from) + text.len() as i128 + 1),
        _ => i128::from(from),
    };
    let last = length.map_or(i128::MAX, |length| first + i128::from(length) - 1);
    let kept: Vec<char> = (text.iter().zip(1i128..))
        .filter(|(_, number)| (first..=last).contains(number))
        .map(|(c, _)| *c)
        .collect();
    Ok(texts(&kept))
}

/// The parts of a text; what stands between them is not empty.
fn parts(text: &str, by: &str) -> Vec<Vec<char>> {
    let (mut rest, by) = (chars(text), chars(by));
    let mut parts = Vec::new();
    while let Some(at) = found(&rest, &by) {
        let behind = rest.split_off(at);
        parts.push(rest);
        rest = behind[by.len()..].to_vec();
    }
    parts.push(rest);
    parts
}

fn missing(missing: Unfit) -> Result<Value, Reason> {
    match missing {
        Unfit::Reject => Err(Reason::OutOfRange),
        Unfit::Null => Ok(Value::Null),
    }
}

pub(crate) fn replace(text: &str, find: &str, with: &str) -> Result<Value, Reason> {
    if find.is_empty() {
        return Err(Reason::OutOfRange);
    }
    Ok(texts(&parts(text, find).join(&chars(with)[..])))
}

pub(crate) fn split(text: &str, by: &str, part: i32, unfit: Unfit) -> Result<Value, Reason> {
    if by.is_empty() {
        return Err(Reason::OutOfRange);
    }
    let mut parts = parts(text, by);
    if part < 0 {
        parts.reverse();
    }
    match parts.get(part.unsigned_abs() as usize - 1) {
        Some(part) => Ok(texts(part)),
        None => missing(unfit),
    }
}

pub(crate) fn before(text: &str, find: &str, unfit: Unfit) -> Result<Value, Reason> {
    if find.is_empty() {
        return Err(Reason::OutOfRange);
    }
    match &parts(text, find)[..] {
        [_] => missing(unfit),
        parts => Ok(texts(&parts[0])),
    }
}

pub(crate) fn after(text: &str, find: &str, unfit: Unfit) -> Result<Value, Reason> {
    if find.is_empty() {
        return Err(Reason::OutOfRange);
    }
    match &parts(text, find)[..] {
        [_] => missing(unfit),
        parts => Ok(texts(&parts[1..].join(&chars(find)[..]))),
    }
}
