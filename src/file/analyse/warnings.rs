//! What a person should look at before a guess becomes a job.

use super::records::Record;
use super::{AnalysedColumn, Analysis};
use crate::Problem;
use crate::record::FieldType;
use crate::spec::{Encoding, Escape, Header};

/// Below this a guess is one to confirm.
pub(super) const UNSURE: f64 = 0.6;

/// Without values of the file: places and numbers only. `bad` counts records that could not be split.
pub(super) fn about(
    analysis: &Analysis,
    text: &[u8],
    body: &[Record<'_>],
    bad: usize,
) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut warn = |path: &str, message: String| found.push(Problem::new(path, message));
    if analysis.encoding.confidence < UNSURE {
        let message = "the text is not UTF-8, and which of the encodings with one byte a character it is cannot be told \
                       for sure; look at words with accents";
        warn("encoding", message.into());
    }
    if analysis.encoding.value == Encoding::Utf8 && std::str::from_utf8(text).is_err() {
        let message = "some bytes are not UTF-8; a record is refused where such a cell is needed";
        warn("encoding", message.into());
    }
    if analysis.columns.len() < 2 {
        let message =
            "no character splits the lines in the same way; the file is read as one column";
        warn("delimiter", message.into());
    } else if analysis.delimiter.confidence < UNSURE / 2.0 {
        warn(
            "delimiter",
            "other characters split the records nearly as well; confirm it".into(),
        );
    }
    if analysis.escape.value == Escape::Backslash && has_escaped_letter(text) {
        let message = "a backslash stands in front of `n`, `r` or `t`, which is read as this letter; if a line break or tab is meant, \
                       have the file written with quotes around it";
        warn("escape", message.into());
    }
    if analysis.skip_lines > 0 {
        let message = "the lines in front of the table are passed over; look whether the names of the columns are among them";
        warn("skip_lines", message.into());
    }
    if analysis.header.confidence < UNSURE {
        let message = match analysis.header.value {
            Header::Absent => "the first record may name the columns; confirm that it does not",
            _ => "the first record may be values and not the names of the columns; confirm it",
        };
        warn("header", message.into());
    }
    let all = body.len() + bad;
    if bad > 0 {
        let message =
            format!("{bad} of {all} records have bad quotes, or no end; they would be refused");
        warn("records", message);
    }
    let ragged = body
        .iter()
        .filter(|record| record.cells.len() != analysis.columns.len())
        .count();
    if ragged > 0 {
        let message = format!(
            "{ragged} of {all} records have more or fewer cells than there are columns; they would be refused"
        );
        warn("records", message);
    }
    for (number, column) in analysis.columns.iter().enumerate() {
        let mut cells = body.iter().filter_map(|record| record.cells.get(number));
        let has_blanks = cells.any(|cell| cell.text.trim().len() < cell.text.len());
        let twin = analysis
            .columns
            .iter()
            .position(|other| is_twin(other, column, analysis.header.value));
        let is_twin = twin.is_some_and(|twin| twin < number);
        let path = format!("columns[{number}]");
        found.extend(
            about_column(column, has_blanks, is_twin)
                .into_iter()
                .map(|message| Problem::new(&path, message)),
        );
    }
    found
}

/// Whether an escape takes the place of a character that stands for another.
fn has_escaped_letter(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    while bytes.by_ref().any(|byte| *byte == b'\\') {
        if matches!(bytes.next(), Some(b'n' | b'r' | b't')) {
            return true;
        }
    }
    false
}

fn is_twin(one: &AnalysedColumn, other: &AnalysedColumn, header: Header) -> bool {
    header.key(&one.column.value.name) == header.key(&other.column.value.name)
}

fn about_column(column: &AnalysedColumn, has_blanks: bool, is_twin: bool) -> Vec<String> {
    let guess = &column.column;
    let mut found = Vec::new();
    if guess.value.name.is_empty() {
        found
            .push("the column has no name; it cannot be used until the header gives it one".into());
    } else if guess.value.name.contains('\u{FFFD}') {
        found.push("the column's name has bytes that are no characters of the encoding; the file cannot be opened so".into());
    } else if is_twin {
        found.push("another column has the same name; neither can be used until the header tells them apart".into());
    }
    if column.values == 0 {
        found.push("the sample has no value of the column; its type cannot be told".into());
    }
    let is_rival = guess.alternatives.first().is_some_and(|other| {
        other.confidence >= guess.confidence && other.value.field_type != FieldType::Text
    });
    if column.values > 0 && is_rival {
        let message = "the values can be read in another way too, and mean something else then; choose between the format and \
                       its alternatives";
        found.push(message.into());
    }
    if column.unfit > 0 {
        let message = format!(
            "{} of {} values are not of the type; their records would be refused",
            column.unfit, column.values
        );
        found.push(message);
    }
    if has_blanks {
        found.push(
            "values begin or end with white space, which is part of them; trim them with a formula"
                .into(),
        );
    }
    found
}
