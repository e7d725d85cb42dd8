//! A sample split as the reader would split it.

use std::borrow::Cow;

use crate::Result;
use crate::file::dialect::{self, Dialect};
use crate::file::scan::{FirstRecord, first_record};
use crate::spec::Delimited;

/// A cell as text, and whether it was quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) is_quoted: bool,
}

impl Cell<'_> {
    /// Whether it is null in any format.
    pub(super) fn is_null(&self) -> bool {
        self.text.is_empty() && !self.is_quoted
    }
}

#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) cells: Vec<Cell<'a>>,
    /// Its offset in the sample.
    pub(super) start: usize,
}

/// A sample's records.
#[derive(Debug, Default)]
pub(super) struct Records<'a> {
    pub(super) good: Vec<Record<'a>>,
    /// Records whose quotes are not as they should be, or that are too long to be true.
    pub(super) bad: usize,
    /// Whether one of those comes first.
    pub(super) begins_bad: bool,
}

/// A longer record is the wrong dialect's.
const RECORD_BYTES: u32 = 1 << 20;

/// So many bad records are enough to see that a dialect is wrong; each may cost a look at [`RECORD_BYTES`].
const MOST_BAD: usize = 200;

/// More cells of a record are not told apart: no delimiter of a real file makes so many.
const MOST_CELLS: usize = 4096;

/// Splits a sample into at most `most` records; one that its end cuts off is left out, unless the sample is the whole
/// file.
///
/// # Errors
/// Those of the format.
pub(super) fn split<'a>(
    sample: &'a [u8],
    is_whole: bool,
    format: &Delimited,
    most: usize,
) -> Result<Records<'a>> {
    let mut dialect = Dialect::new(format)?;
    dialect.limits.record_bytes = RECORD_BYTES;
    // In any format a token and not an escaped letter.
    dialect.nulls = vec![(*b"\\N").into()];
    let form = dialect.form(0);
    let mut found = Records::default();
    let mut at = 0;
    while found.good.len() < most && found.bad < MOST_BAD {
        let rest = sample.get(at..).unwrap_or_default();
        match first_record(form, rest, is_whole) {
            FirstRecord::Found { fields, end, .. } => {
                let start = at + fields.first().map_or(0, |(start, _)| *start);
                let cells = fields.iter().take(MOST_CELLS).map(|&(start, end)| {
                    let bytes = rest.get(start..end).unwrap_or_default();
                    cell(&dialect, bytes)
                });
                let cells = cells.collect();
                found.good.push(Record { cells, start });
                at += end;
            }
            FirstRecord::BadQuotes { start } | FirstRecord::Long { start } => {
                found.begins_bad |= found.good.is_empty();
                found.bad += 1;
                let line = rest.get(start..).unwrap_or_default();
                let length = memchr::memchr2(b'\n', b'\r', line).unwrap_or(line.len());
                at += start + length.max(1);
            }
            FirstRecord::Open | FirstRecord::None => break,
        }
    }
    Ok(found)
}

fn cell<'a>(dialect: &Dialect, bytes: &'a [u8]) -> Cell<'a> {
    let is_quoted = bytes
        .first()
        .is_some_and(|first| Some(*first) == dialect.quote);
    let text = match dialect.cells().cell(bytes, 0) {
        dialect::Cell::Null => String::from_utf8_lossy(bytes),
        dialect::Cell::Plain(range) => {
            String::from_utf8_lossy(bytes.get(range).unwrap_or_default())
        }
        dialect::Cell::Escaped(range) => {
            let mut text = Vec::new();
            dialect.unescape(bytes.get(range).unwrap_or_default(), &mut text);
            String::from_utf8_lossy(&text).into_owned().into()
        }
    };
    Cell { text, is_quoted }
}
