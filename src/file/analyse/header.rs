//! Whether the first record names the columns.

use super::guess::Guess;
use super::records::Record;
use super::types;
use crate::record::FieldType;
use crate::spec::Header;

/// By the contrast between the first record and those below it: a name is unlike the values of its column.
pub(super) fn guess(records: &[Record<'_>], delimiter: char) -> Guess<Header> {
    let Some((first, below)) = records.split_first() else {
        return Guess::only(Header::Exact, 0.0);
    };
    let (mut votes, mut weights) = (0.0, 0.0);
    for (number, cell) in first.cells.iter().enumerate() {
        let name = cell.text.trim();
        let values: Vec<&str> = below
            .iter()
            .filter_map(|record| record.cells.get(number))
            .filter(|cell| !cell.is_null())
            .map(|cell| cell.text.as_ref())
            .filter(|value| !types::NULL_TOKENS.contains(value))
            .take(VALUES)
            .collect();
        let (vote, weight) = vote(name, &values, delimiter);
        votes += vote * weight;
        weights += weight;
    }
    // Names are there, each once.
    let mut names: Vec<&str> = first.cells.iter().map(|cell| cell.text.trim()).collect();
    names.sort_unstable();
    let doubtful = names.windows(2).any(|pair| pair.first() == pair.last());
    if doubtful {
        votes -= 0.5;
        weights += 0.5;
    }
    let named = match weights > 0.0 {
        true => (1.0 + votes / weights) / 2.0,
        false => 0.5,
    };
    let is_trimmed = first.cells.iter().all(|cell| cell.text.trim() == cell.text);
    let header = if is_trimmed {
        Header::Exact
    } else {
        Header::Trimmed
    };
    match named >= 0.5 {
        true => Guess::by_score(header, [(Header::Absent, 1.0 - named)], named),
        false => Guess::by_score(Header::Absent, [(header, named)], 1.0 - named),
    }
}

/// So many values of a column are compared with its name.
const VALUES: usize = 200;

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_year(text: &str) -> bool {
    text.len() == 4
        && text
            .parse()
            .is_ok_and(|year: u16| (1900..2100).contains(&year))
}

/// From -1, a value, to 1, a name; and what that counts.
fn vote(name: &str, values: &[&str], delimiter: char) -> (f64, f64) {
    let type_of = |values: &[&str]| types::guess(values, delimiter).reading.value.field_type;
    let own = type_of(&[name]);
    if name.is_empty() {
        return (-1.0, 0.5);
    }
    if values.is_empty() {
        return match own {
            FieldType::Text => (0.5, 0.5),
            _ => (-1.0, 0.5),
        };
    }
    let column = type_of(values);
    match (column == FieldType::Text, own == FieldType::Text) {
        (false, true) => (1.0, 1.0),
        // A year over numbers that are no years.
        (false, false) if is_year(name) && !values.iter().any(|value| is_year(value)) => (0.6, 0.5),
        (_, false) => (-1.0, 1.0),
        (true, true) if values.contains(&name) => (-1.0, 0.5),
        // Codes, numbered names.
        (true, true) if !has_digit(name) && values.iter().all(|value| has_digit(value)) => {
            (0.8, 0.5)
        }
        (true, true) => (0.4, 0.25),
    }
}
