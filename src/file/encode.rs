//! From records to delimited text.

use std::collections::HashSet;

use arrow_array::{Array as _, RecordBatch};
use wide::u8x16;

use super::dialect::{Dialect, ESCAPE};
use super::guard::guard_cell;
use crate::record::Picked;
use crate::record::format::ColumnText;
use crate::record::touch::touch_texts;
use crate::spec::{Delimited, Header};
use crate::{Error, ErrorKind, Result};

/// Writes delimited text that a [`DelimitedDataset`](super::DelimitedDataset) of the same format reads
/// back as it was: null is the unquoted empty cell, the empty text is `""`, and a text that would be
/// read as null is quoted. Records end with `\n`; there is no byte order mark.
///
/// Where the unquoted empty cell cannot stand for null, the format's first null token does: if
/// [`empty_is_text`](Delimited::empty_is_text) is set, and in a file of one column, where the empty
/// cell alone would be a blank line, which is no record.
///
/// Without quotes, special characters and a text that would be read as null have a backslash in front if the
/// [escape](Delimited::escape) is that; such a record ends with `\r\n` if its last character is `\r`. What a format cannot
/// express at all is an error: without quotes the empty text, and without an escape as well any text that needs one. In any
/// format so is a value that has no text: a number that is not finite, a day or time outside of the years 1 to 9999.
///
/// The [limits](Delimited::limits) of a format are those of reading: what is longer is written, and needs higher ones to be read.
///
/// ```
/// use syncline::file::DelimitedEncoder;
/// use syncline::spec::Delimited;
///
/// let encoder = DelimitedEncoder::new(&Delimited::csv())?;
/// let mut text = Vec::new();
/// encoder.header(["name", "note"], &mut text)?;
/// encoder.cells([Some("Ada".as_bytes()), None], &mut text)?;
/// encoder.cells([Some("".as_bytes()), Some("a \"b\", c".as_bytes())], &mut text)?;
/// assert_eq!(text, b"name,note\nAda,\n\"\",\"a \"\"b\"\", c\"\n");
/// # Ok::<(), syncline::Error>(())
/// ```
//
// The `csv` crate's writer decides by the text alone whether to quote, or quotes all: it cannot write
// an unquoted null beside a quoted empty text, so the encoder is ours and that crate its test oracle.
#[derive(Debug, Clone)]
pub struct DelimitedEncoder {
    dialect: Dialect,
    /// A null token that is read as one when it is written as it is.
    null_token: Option<Box<[u8]>>,
    /// Whether the text of a value that is no text never needs quotes.
    numbers_are_plain: bool,
    /// The bytes that need quotes, besides the escape.
    special: [u8; 4],
}

/// How many rows are touched before the first of them is written: runs of a column that are worth reading ahead.
const ROWS: usize = 256;

/// Where a cell stands in its record.
#[derive(Debug, Clone, Copy)]
struct At {
    first: bool,
    /// Whether the record has no other.
    alone: bool,
}

/// What a format has no way to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inexpressible {
    Null,
    Text,
    Value,
}

impl Inexpressible {
    /// What is wrong and what would be right.
    pub(super) fn message(self) -> &'static str {
        match self {
            Inexpressible::Null => {
                "this format cannot express a null here: the empty cell is a text, or the file has one column and a \
                 blank line is no record; give the format a null token"
            }
            Inexpressible::Text => {
                "this format cannot express the value here: without quotes, an empty text, a delimiter, a line break \
                 and what reads as null or as a comment cannot be written; give the format a `quote`, or the escape \
                 `backslash`"
            }
            Inexpressible::Value => {
                "no file expresses the value here: a number must be finite, and a year 1 to 9999; correct it, or map \
                 null"
            }
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

impl DelimitedEncoder {
    /// An encoder of this format.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a format with [problems](Delimited::problems), or with
    /// [problems of writing](Delimited::problems_of_writing).
    pub fn new(format: &Delimited) -> Result<Self> {
        let dialect = Dialect::new(format)?;
        let problems = format.problems_of_writing("format");
        if !problems.is_empty() {
            return Err(Error::invalid("files are not written so", problems));
        }
        let quote = dialect.quote.unwrap_or(dialect.delimiter);
        let in_numbers = |mark: u8| matches!(mark, b'+' | b'-' | b'.' | b':');
        let marks = [dialect.delimiter, quote, dialect.comment.unwrap_or(quote)];
        Ok(DelimitedEncoder {
            null_token: dialect
                .nulls
                .iter()
                .find(|token| is_writable(&dialect, token))
                .cloned(),
            numbers_are_plain: dialect.nulls.is_empty() && !marks.into_iter().any(in_numbers),
            special: [dialect.delimiter, quote, b'\n', b'\r'],
            dialect,
        })
    }

    /// Appends the header, or nothing if the format has none.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a name that the format cannot express, or two that are one column under its
    /// [rule](Delimited::header); nothing is appended then.
    pub fn header<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if self.dialect.header == Header::Absent {
            return Ok(());
        }
        let names: Vec<N> = names.into_iter().collect();
        let mut known = HashSet::with_capacity(names.len());
        for (number, name) in (1..).zip(&names) {
            if !known.insert(self.dialect.header.key(name.as_ref())) {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "two columns have the same name under the format's `header`; give each a name of its own",
                )
                .with("column", format_args!("number {number}")));
            }
        }
        self.cells(names.iter().map(|name| Some(name.as_ref().as_bytes())), out)
    }

    /// Appends a record for each row. The columns are of the layouts of
    /// [`FieldType::data_type`](crate::record::FieldType::data_type).
    ///
    /// # Errors
    /// - [`Contract`](ErrorKind::Contract) for a column of another layout, or no column at all.
    /// - [`Invalid`](ErrorKind::Invalid) for a null or a value that the format cannot express; the records in front of
    ///   that one have been appended by then.
    pub fn batch(&self, records: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.picked(&records.clone().into(), out)
    }

    /// Appends a record for each row, as [`batch`](Self::batch) does.
    ///
    /// # Errors
    /// Those of [`batch`](Self::batch).
    pub fn picked(&self, records: &Picked, out: &mut Vec<u8>) -> Result<()> {
        if records.schema().fields().is_empty() && !records.rows().is_empty() {
            return Err(Error::contract("records without columns cannot be written"));
        }
        let sources = records.sources().iter().map(texts);
        let sources: Vec<Vec<ColumnText<'_>>> = sources.collect::<Result<_>>()?;
        for rows in records.rows().chunks(ROWS) {
            touch_columns(&sources, rows);
            for &(source, row) in rows {
                let columns = sources.get(source as usize).map_or(&[][..], Vec::as_slice);
                self.row(columns, row as usize, out)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn row(&self, columns: &[ColumnText<'_>], row: usize, out: &mut Vec<u8>) -> Result<()> {
        let begin = out.len();
        for (number, column) in columns.iter().enumerate() {
            let at = self.begin_field(number, columns.len() == 1, out);
            if let Err(fault) = self.value(column, row, at, out) {
                out.truncate(begin);
                return Err(error(fault, number));
            }
        }
        end_record(out);
        Ok(())
    }

    /// Appends a record of cells that are text already, of any bytes; `None` is null.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a null or a text that the format cannot express; nothing is appended then.
    pub fn cells<'a>(
        &self,
        cells: impl IntoIterator<Item = Option<&'a [u8]>>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let begin = out.len();
        let mut cells = cells.into_iter().peekable();
        let mut number = 0;
        while let Some(cell) = cells.next() {
            let at = self.begin_field(number, number == 0 && cells.peek().is_none(), out);
            let written = match cell {
                Some(text) => self.text(at, text, out),
                None => self.null(at, out),
            };
            if let Err(fault) = written {
                out.truncate(begin);
                return Err(error(fault, number));
            }
            number += 1;
        }
        end_record(out);
        Ok(())
    }

    /// Whether a null of a record of so many columns can be written.
    pub(super) fn has_null(&self, columns: usize) -> bool {
        let alone = columns <= 1;
        self.null(At { first: true, alone }, &mut Vec::new())
            .is_ok()
    }

    /// The row and column of values that cannot be written, the first of each row, and why. Nulls are passed over.
    pub(super) fn inexpressible(
        &self,
        records: &RecordBatch,
    ) -> Result<Vec<(usize, (usize, Inexpressible))>> {
        let mut found = Vec::new();
        let columns = texts(records)?;
        // Quotes express every text.
        let doubtful: Vec<_> = (columns.iter().enumerate())
            .filter(|(_, column)| self.dialect.quote.is_none() || has_unreadable(column))
            .collect();
        let mut out = Vec::new();
        for row in (0..records.num_rows()).take_while(|_| !doubtful.is_empty()) {
            for &(number, column) in &doubtful {
                out.clear();
                let at = At {
                    first: number == 0,
                    alone: columns.len() == 1,
                };
                match self.value(column, row, at, &mut out) {
                    Ok(()) | Err(Inexpressible::Null) => {}
                    Err(fault) => {
                        found.push((row, (number, fault)));
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    #[inline]
    fn begin_field(&self, number: usize, alone: bool, out: &mut Vec<u8>) -> At {
        if number > 0 {
            out.push(self.dialect.delimiter);
        }
        At {
            first: number == 0,
            alone,
        }
    }

    #[inline]
    fn value(
        &self,
        column: &ColumnText<'_>,
        row: usize,
        at: At,
        out: &mut Vec<u8>,
    ) -> Result<(), Inexpressible> {
        let begin = out.len();
        match column {
            ColumnText::Text(texts) if texts.is_null(row) => self.null(at, out),
            ColumnText::Text(texts) => self.text(at, texts.value(row).as_bytes(), out),
            other if !other.is_readable(row) => Err(Inexpressible::Value),
            other => match other.append(row, out) {
                false => self.null(at, out),
                true if self.numbers_are_plain => Ok(()),
                true => {
                    let text = out.split_off(begin);
                    self.text(at, &text, out)
                }
            },
        }
    }

    #[inline]
    fn null(&self, at: At, out: &mut Vec<u8>) -> Result<(), Inexpressible> {
        if !at.alone && !self.dialect.empty_is_text {
            return Ok(());
        }
        let token = self.null_token.as_ref().ok_or(Inexpressible::Null)?;
        out.extend_from_slice(token);
        Ok(())
    }

    #[inline]
    fn text(&self, at: At, text: &[u8], out: &mut Vec<u8>) -> Result<(), Inexpressible> {
        match self.dialect.is_guarded {
            true => self.plain_text(at, &guard_cell(text), out),
            false => self.plain_text(at, text, out),
        }
    }

    #[inline]
    fn plain_text(&self, at: At, text: &[u8], out: &mut Vec<u8>) -> Result<(), Inexpressible> {
        if text.is_empty() || self.has_special(text) || !self.is_read_as_text(at, text) {
            match self.dialect.quote {
                Some(quote) => self.quoted(quote, text, out),
                None => return self.unquoted(at, text, out),
            }
        } else {
            out.extend_from_slice(text);
        }
        Ok(())
    }

    /// Whether a cell that is written like this, without quotes, is neither null nor no cell at all.
    #[inline]
    fn is_read_as_text(&self, at: At, written: &[u8]) -> bool {
        let is_lost = at.first && is_lost(&self.dialect, written);
        !is_lost && !self.dialect.is_null_token(written)
    }

    fn quoted(&self, quote: u8, mut text: &[u8], out: &mut Vec<u8>) {
        let find = |text: &[u8]| match self.dialect.has_escape {
            true => memchr::memchr2(quote, ESCAPE, text),
            false => memchr::memchr(quote, text),
        };
        let escape = match self.dialect.has_escape {
            true => ESCAPE,
            false => quote,
        };
        out.push(quote);
        while let Some(at) = find(text) {
            let (head, rest) = text.split_at(at);
            out.extend_from_slice(head);
            out.push(escape);
            out.extend(rest.first());
            text = rest.get(1..).unwrap_or_default();
        }
        out.extend_from_slice(text);
        out.push(quote);
    }

    /// A text that would need quotes, where there are none.
    fn unquoted(&self, at: At, text: &[u8], out: &mut Vec<u8>) -> Result<(), Inexpressible> {
        if text.is_empty() && self.dialect.empty_is_text && !at.alone {
            return Ok(());
        }
        if text.is_empty() || !self.dialect.has_escape {
            return Err(Inexpressible::Text);
        }
        let is_special =
            |byte: u8| matches!(byte, b'\n' | b'\r' | ESCAPE) || byte == self.dialect.delimiter;
        // What is to be escaped besides, so that no null token is met.
        let more: [fn(usize, u8) -> bool; 3] = [
            |_, _| false,
            |at, _| at == 0,
            |at, byte| at == 0 || byte.is_ascii(),
        ];
        let begin = out.len();
        for is_more in more {
            for (at, &byte) in text.iter().enumerate() {
                if is_special(byte) || is_more(at, byte) {
                    out.push(ESCAPE);
                }
                out.push(byte);
            }
            if self.is_read_as_text(at, out.get(begin..).unwrap_or_default()) {
                return Ok(());
            }
            out.truncate(begin);
        }
        Err(Inexpressible::Text)
    }

    /// Whether a text holds a byte that needs quotes.
    #[inline]
    fn has_special(&self, text: &[u8]) -> bool {
        if self.dialect.has_escape && memchr::memchr(ESCAPE, text).is_some() {
            return true;
        }
        // Whole lanes, and the last bytes once more with some of those in front.
        if let Some(last) = text.last_chunk::<16>() {
            let lanes = text.chunks_exact(16).filter_map(<[u8]>::first_chunk);
            return lanes.fold(self.special_in(last), |found, lane| {
                found | self.special_in(lane)
            }) != 0;
        }
        let mut lane = [b'x'; 16];
        if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            lane[..8].copy_from_slice(first);
            lane[8..].copy_from_slice(last);
        } else {
            for (to, &from) in lane.iter_mut().zip(text) {
                *to = from;
            }
        }
        self.special_in(&lane) != 0
    }

    /// A bit for each byte that needs quotes.
    #[inline]
    fn special_in(&self, lane: &[u8; 16]) -> i32 {
        let lane = u8x16::from(*lane);
        let [a, b, c, d] = self
            .special
            .map(|special| lane.cmp_eq(u8x16::splat(special)));
        (a | b | c | d).move_mask()
    }
}

/// Touches the texts of the rows that are written next.
fn touch_columns(sources: &[Vec<ColumnText<'_>>], rows: &[(u32, u32)]) {
    let columns = sources.first().map_or(&[][..], Vec::as_slice);
    for (number, column) in columns.iter().enumerate() {
        if !matches!(column, ColumnText::Text(_)) {
            continue;
        }
        touch_texts(rows.iter().filter_map(|&(source, row)| {
            match sources.get(source as usize)?.get(number)? {
                ColumnText::Text(texts) => Some((*texts, row as usize)),
                _ => None,
            }
        }));
    }
}

/// The columns as texts.
fn texts(records: &RecordBatch) -> Result<Vec<ColumnText<'_>>> {
    let columns = records.columns().iter();
    let texts = columns.map(|column| {
        ColumnText::new(column).ok_or_else(|| {
            Error::contract("a column to be written is of no layout of a field type")
        })
    });
    texts.collect()
}

/// Whether a value of the column has no text.
fn has_unreadable(column: &ColumnText<'_>) -> bool {
    let rows = match column {
        ColumnText::Float(column) => column.len(),
        ColumnText::Date(column) => column.len(),
        ColumnText::DateTime(column) | ColumnText::LocalDateTime(column) => column.len(),
        _ => 0,
    };
    (0..rows).any(|row| !column.is_readable(row))
}

/// Whether a record that begins like this would lose its beginning, or be a comment.
fn is_lost(dialect: &Dialect, written: &[u8]) -> bool {
    // In front of a file, a byte order mark is dropped.
    written.starts_with(BYTE_ORDER_MARK)
        || (dialect.comment.is_some() && written.first().copied() == dialect.comment)
}

/// Whether a null token is read as one wherever it is written as it is.
fn is_writable(dialect: &Dialect, token: &[u8]) -> bool {
    let is_quoted = dialect.quote.is_some() && token.first().copied() == dialect.quote;
    if is_quoted || is_lost(dialect, token) {
        return false;
    }
    let mut bytes = token.iter().copied();
    while let Some(mut byte) = bytes.next() {
        let is_escaped = dialect.has_escape && byte == ESCAPE;
        if is_escaped {
            let Some(behind) = bytes.next() else {
                return false;
            };
            byte = behind;
        }
        if matches!(byte, b'\n' | b'\r') || (byte == dialect.delimiter && !is_escaped) {
            return false;
        }
    }
    true
}

#[inline]
fn end_record(out: &mut Vec<u8>) {
    // Behind an escaped `\r`, a `\n` would be escaped too.
    if out.last() == Some(&b'\r') {
        out.push(b'\r');
    }
    out.push(b'\n');
}

#[cold]
fn error(fault: Inexpressible, column: usize) -> Error {
    Error::new(ErrorKind::Invalid, fault.message())
        .with("column", format_args!("number {}", column + 1))
}
