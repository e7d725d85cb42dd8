//! A block of a file with its index: what decode reads, and what late rejects show.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::dialect::{Cell, Dialect};
use super::scan::{Fault, Index, Place, Record, Refused};
use crate::record::{Position, RawRecord, Reason, Refusal, Reject, SourceRecords};
use crate::spec::Header;

/// What is the same for all blocks of a file.
#[derive(Debug)]
pub(super) struct FileFacts {
    pub(super) name: Arc<str>,
    pub(super) columns: Arc<[String]>,
    pub(super) dialect: Dialect,
}

#[derive(Debug)]
pub(super) struct Block {
    pub(super) file: Arc<FileFacts>,
    pub(super) bytes: Vec<u8>,
    pub(super) index: Index,
}

impl Block {
    /// The cells of a column, of these good records.
    #[inline(always)]
    pub(super) fn column(&self, rows: Range<usize>, column: usize) -> impl Iterator<Item = Cell> {
        let bytes = self.bytes.as_slice();
        let cells = self.file.dialect.cells();
        let fields = self.index.fields(rows, column);
        fields.map(move |(start, end)| cells.cell(bytes.get(start..end).unwrap_or_default(), start))
    }

    /// A cell of the `row`-th good record.
    pub(super) fn cell(&self, row: usize, column: usize) -> Cell {
        let cell = self.column(row..row + 1, column).next();
        cell.unwrap_or(Cell::Null)
    }

    /// The text of a cell of the `row`-th good record, without its quotes.
    pub(super) fn text(&self, row: usize, column: usize) -> Option<Cow<'_, [u8]>> {
        let bytes = |range| self.bytes.get(range).unwrap_or_default();
        match self.cell(row, column) {
            Cell::Null => None,
            Cell::Plain(range) => Some(Cow::Borrowed(bytes(range))),
            Cell::Escaped(range) => {
                let mut text = Vec::with_capacity(range.len());
                self.file.dialect.unescape(bytes(range), &mut text);
                Some(Cow::Owned(text))
            }
        }
    }

    /// The reject of the `row`-th good record.
    pub(super) fn reject(&self, row: usize, record: Record, refusal: Refusal) -> Reject {
        let position = self.place_of(record);
        Reject::new(position, refusal, RawRecord::Cells(self.cells(row)))
    }

    /// The reject of a record that the scanner refused.
    pub(super) fn reject_refused(&self, refused: &Refused) -> Reject {
        Reject::new(
            self.place_of(refused.record),
            self.refusal(refused.fault),
            self.unsplit(refused),
        )
    }

    fn place_of(&self, record: Record) -> Position {
        let Place { byte, line, record } = self.index.place(record);
        Position::new(Arc::clone(&self.file.name), record).with_byte_and_line(byte, line)
    }

    /// All cells of a good record. They share one copy of its bytes, not the block.
    fn cells(&self, row: usize) -> Vec<Option<Bytes>> {
        let columns = self.index.columns;
        let start = self.index.field(row, 0).map_or(0, |(start, _)| start);
        let end = columns
            .checked_sub(1)
            .and_then(|last| self.index.field(row, last))
            .map_or(start, |(_, end)| end);
        let copy = Bytes::copy_from_slice(self.bytes.get(start..end).unwrap_or_default());
        (0..columns)
            .map(|column| match self.cell(row, column) {
                Cell::Null => None,
                Cell::Plain(range) => Some(copy.slice(range.start - start..range.end - start)),
                Cell::Escaped(range) => {
                    let mut cell = Vec::with_capacity(range.len());
                    let bytes = self.bytes.get(range).unwrap_or_default();
                    self.file.dialect.unescape(bytes, &mut cell);
                    Some(cell.into())
                }
            })
            .collect()
    }

    fn unsplit(&self, refused: &Refused) -> RawRecord {
        let range = refused.record.start as usize..refused.end as usize;
        RawRecord::Unsplit {
            bytes: Bytes::copy_from_slice(self.bytes.get(range).unwrap_or_default()),
            truncated: refused.truncated,
        }
    }

    fn refusal(&self, fault: Fault) -> Refusal {
        let columns = self.file.columns.len();
        let dialect = &self.file.dialect;
        let limits = dialect.limits;
        match fault {
            Fault::Quotes => Refusal::new(
                Reason::BadQuotes,
                match dialect.has_escape {
                    false => {
                        "text follows a closing quote, or a quote is never closed; a quote inside a quoted field is doubled"
                    }
                    true => {
                        "text follows a closing quote, or a quote is never closed; a quote inside a quoted field has a \
                         backslash in front"
                    }
                },
            ),
            Fault::TooFewFields(found) => Refusal::new(
                Reason::WrongColumnCount,
                match dialect.header {
                    Header::Absent => {
                        format!(
                            "{found} of the {columns} cells that are declared; write the others, empty if need be"
                        )
                    }
                    _ => format!(
                        "{found} of the {columns} cells of the header; write the others, empty if need be"
                    ),
                },
            ),
            Fault::TooManyFields => {
                let known = match dialect.header {
                    Header::Absent => "declared",
                    _ => "of the header",
                };
                let advice = match (dialect.quote, dialect.has_escape) {
                    (Some(_), _) => "a cell with the delimiter in it is quoted",
                    (None, true) => "a delimiter in a cell has a backslash in front",
                    (None, false) => "without quotes no cell can hold the delimiter",
                };
                Refusal::new(
                    Reason::WrongColumnCount,
                    format!("more cells than the {columns} {known}; {advice}"),
                )
            }
            Fault::LongRecord => Refusal::new(
                Reason::TooLarge,
                format!(
                    "the record has more than {} bytes, its limit; is a quote left open? If not, raise `record_bytes` of \
                     the limits",
                    limits.record_bytes
                ),
            ),
            Fault::LongField(column) => {
                let refusal = Refusal::new(
                    Reason::TooLarge,
                    format!(
                        "the cell has more than {} bytes, its limit; if it is right, raise `field_bytes` of the limits",
                        limits.field_bytes
                    ),
                );
                match self.file.columns.get(column as usize) {
                    Some(name) => refusal.of(name),
                    None => refusal,
                }
            }
        }
    }
}

impl SourceRecords for Block {
    fn position(&self, record: u32) -> Position {
        let index = &self.index;
        let found = match index
            .records
            .binary_search_by_key(&record, |known| known.number)
        {
            Ok(row) => index.records.get(row).copied(),
            Err(_) => None,
        };
        match found {
            Some(record) => self.place_of(record),
            None => Position::new(
                Arc::clone(&self.file.name),
                index.first.record + u64::from(record),
            ),
        }
    }

    fn raw(&self, record: u32) -> RawRecord {
        let records = &self.index.records;
        // Rows come from good records only.
        let cells = match records.binary_search_by_key(&record, |known| known.number) {
            Ok(row) => self.cells(row),
            Err(_) => vec![None; self.index.columns],
        };
        RawRecord::Cells(cells)
    }
}
