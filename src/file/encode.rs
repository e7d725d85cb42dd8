//! From records to delimited text.

use arrow_array::RecordBatch;

use super::dialect::Dialect;
use crate::record::format::ColumnText;
use crate::spec::Delimited;
use crate::{Error, ErrorKind, Result};

/// Writes delimited text that a [`DelimitedDataset`](super::DelimitedDataset) of the same format reads
/// back as it was: null is the unquoted empty cell, the empty text is `""`, and a text that would be
/// read as null is quoted. Records end with `\n`; there is no byte order mark.
///
/// Where the unquoted empty cell cannot stand for null, the format's first null token does: if
/// [`empty_is_text`](Delimited::empty_is_text) is set, and in a file of one column, where the empty
/// cell alone would be a blank line, which is no record.
///
/// ```
/// use syncline::file::DelimitedEncoder;
/// use syncline::spec::Delimited;
///
/// let encoder = DelimitedEncoder::new(&Delimited::csv())?;
/// let mut text = Vec::new();
/// encoder.header(["name", "note"], &mut text);
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
    /// Each byte that needs quotes, in all bytes of a word.
    special: [u64; 4],
}

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

impl DelimitedEncoder {
    /// An encoder of this format.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a format with [problems](Delimited::problems).
    pub fn new(format: &Delimited) -> Result<Self> {
        let dialect = Dialect::new(format)?;
        let (delimiter, quote) = (dialect.delimiter, dialect.quote);
        let is_writable = |token: &[u8]| {
            let broken = |byte: &u8| matches!(*byte, b'\n' | b'\r') || *byte == delimiter;
            token.first() != Some(&quote) && !token.iter().any(broken)
        };
        let in_numbers = |mark: u8| matches!(mark, b'+' | b'-' | b'.' | b':');
        Ok(DelimitedEncoder {
            null_token: dialect
                .nulls
                .iter()
                .find(|token| is_writable(token))
                .cloned(),
            numbers_are_plain: dialect.nulls.is_empty()
                && !in_numbers(delimiter)
                && !in_numbers(quote),
            special: [delimiter, quote, b'\n', b'\r'].map(|byte| u64::from_ne_bytes([byte; 8])),
            dialect,
        })
    }

    /// Appends the header.
    pub fn header<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>, out: &mut Vec<u8>) {
        for (number, name) in names.into_iter().enumerate() {
            self.begin_field(number, out);
            self.text(number, name.as_ref().as_bytes(), out);
        }
        out.push(b'\n');
    }

    /// Appends a record for each row. The columns are of the layouts of
    /// [`FieldType::data_type`](crate::record::FieldType::data_type).
    ///
    /// # Errors
    /// - [`Contract`](ErrorKind::Contract) for a column of another layout, or no column at all.
    /// - [`Invalid`](ErrorKind::Invalid) for a null that the format cannot express; some records may
    ///   have been appended by then.
    pub fn batch(&self, records: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let mut columns = Vec::with_capacity(records.num_columns());
        for column in records.columns() {
            columns.push(ColumnText::new(column).ok_or_else(|| {
                Error::contract("a column to be written is of no layout of a field type")
            })?);
        }
        if columns.is_empty() && records.num_rows() > 0 {
            return Err(Error::contract("records without columns cannot be written"));
        }
        for row in 0..records.num_rows() {
            for (number, column) in columns.iter().enumerate() {
                self.begin_field(number, out);
                let begin = out.len();
                let is_valid = match column {
                    ColumnText::Text(texts) if arrow_array::Array::is_null(texts, row) => false,
                    ColumnText::Text(texts) => {
                        self.text(number, texts.value(row).as_bytes(), out);
                        true
                    }
                    other => {
                        let is_valid = other.append(row, out);
                        if is_valid && !self.numbers_are_plain {
                            let text = out.split_off(begin);
                            self.text(number, &text, out);
                        }
                        is_valid
                    }
                };
                if !is_valid {
                    self.null(columns.len(), out)?;
                }
            }
            out.push(b'\n');
        }
        Ok(())
    }

    /// Appends a record of cells that are text already, of any bytes; `None` is null.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a null that the format cannot express.
    pub fn cells<'a>(
        &self,
        cells: impl IntoIterator<Item = Option<&'a [u8]>>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let begin = out.len();
        let mut cells = cells.into_iter().peekable();
        let mut number = 0;
        while let Some(cell) = cells.next() {
            self.begin_field(number, out);
            match cell {
                Some(text) => self.text(number, text, out),
                None => {
                    let alone = number == 0 && cells.peek().is_none();
                    if let Err(error) = self.null(if alone { 1 } else { 2 }, out) {
                        out.truncate(begin);
                        return Err(error);
                    }
                }
            }
            number += 1;
        }
        out.push(b'\n');
        Ok(())
    }

    #[inline]
    fn begin_field(&self, number: usize, out: &mut Vec<u8>) {
        if number > 0 {
            out.push(self.dialect.delimiter);
        }
    }

    /// Whether a null of a record of so many columns can be written.
    pub(super) fn has_null(&self, columns: usize) -> bool {
        (columns > 1 && !self.dialect.empty_is_text) || self.null_token.is_some()
    }

    #[inline]
    fn null(&self, columns: usize, out: &mut Vec<u8>) -> Result<()> {
        if columns > 1 && !self.dialect.empty_is_text {
            return Ok(());
        }
        match &self.null_token {
            Some(token) => {
                out.extend_from_slice(token);
                Ok(())
            }
            None => Err(no_null()),
        }
    }

    #[inline]
    fn text(&self, number: usize, text: &[u8], out: &mut Vec<u8>) {
        // In front of a file, the mark would be dropped.
        let marked = number == 0 && text.starts_with(BYTE_ORDER_MARK);
        if text.is_empty() || self.has_special(text) || self.dialect.is_null_token(text) || marked {
            self.quoted(text, out);
        } else {
            out.extend_from_slice(text);
        }
    }

    fn quoted(&self, mut text: &[u8], out: &mut Vec<u8>) {
        let quote = self.dialect.quote;
        out.push(quote);
        while let Some(at) = memchr::memchr(quote, text) {
            let (head, rest) = text.split_at(at + 1);
            out.extend_from_slice(head);
            out.push(quote);
            text = rest;
        }
        out.extend_from_slice(text);
        out.push(quote);
    }

    /// Whether a text holds a byte that needs quotes, eight at a time.
    #[inline]
    fn has_special(&self, text: &[u8]) -> bool {
        // Whether a byte of a word is zero.
        let has_zero =
            |word: u64| word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
        let check = |word: [u8; 8]| {
            let word = u64::from_ne_bytes(word);
            let [a, b, c, d] = self.special.map(|special| has_zero(word ^ special));
            a | b | c | d
        };
        match text.last_chunk::<8>() {
            // The last eight bytes, whatever the chunks in front leave over.
            Some(last) => {
                let chunks = text.chunks_exact(8).filter_map(<[u8]>::first_chunk);
                chunks.fold(check(*last), |found, word| found | check(*word)) != 0
            }
            None => {
                let mut word = [b'x'; 8];
                for (to, &from) in word.iter_mut().zip(text) {
                    *to = from;
                }
                check(word) != 0
            }
        }
    }
}

#[cold]
fn no_null() -> Error {
    Error::new(
        ErrorKind::Invalid,
        "this format cannot express a null here: the empty cell is a text, or the file has one column and a \
         blank line is no record; give the format a null token",
    )
}
