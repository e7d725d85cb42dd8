//! Where rows came from: position in the source, and the record as it was read.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use bytes::Bytes;

use super::format;

/// A record's place in its source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Position {
    /// The source: a file, a page, an object.
    pub source: Arc<str>,
    /// The record's number in the source, from 0, rejected records included.
    pub record: u64,
    /// Byte offset of the record's first byte and number of its first line (from 1), where the source has them.
    pub byte_and_line: Option<(u64, u64)>,
}

impl Position {
    /// The `record`-th record (from 0) of `source`.
    pub fn new(source: impl Into<Arc<str>>, record: u64) -> Self {
        Position {
            source: source.into(),
            record,
            byte_and_line: None,
        }
    }

    /// The same, with the byte offset and the line number (from 1) of its start.
    #[must_use]
    pub fn with_byte_and_line(mut self, byte: u64, line: u64) -> Self {
        self.byte_and_line = Some((byte, line));
        self
    }
}

impl fmt::Display for Position {
    /// `usage.csv:17 (byte 1204)` for a file, `accounts#16` for a source without lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.byte_and_line {
            Some((byte, line)) => write!(f, "{}:{line} (byte {byte})", self.source),
            None => write!(f, "{}#{}", self.source, self.record),
        }
    }
}

/// Reads what a position is displayed as. Where the text has a line, it has no record number, which is 0 then.
///
/// ```
/// use syncline::record::Position;
///
/// for text in ["a:b.csv:17 (byte 1204)", "accounts#16"] {
///     assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
/// }
/// assert!("17".parse::<Position>().is_err());
/// ```
impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let with_line = || {
            let (front, byte) = text.strip_suffix(')')?.rsplit_once(" (byte ")?;
            let (source, line) = front.rsplit_once(':')?;
            let position = Position::new(source, 0);
            Some(position.with_byte_and_line(byte.parse().ok()?, line.parse().ok()?))
        };
        let with_number = || {
            let (source, record) = text.rsplit_once('#')?;
            Some(Position::new(source, record.parse().ok()?))
        };
        with_line().or_else(with_number).ok_or(NoPosition)
    }
}

/// A text is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoPosition;

impl fmt::Display for NoPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a position like `usage.csv:17 (byte 1204)` or `accounts#16`")
    }
}

impl std::error::Error for NoPosition {}

/// A record as it was read, before anything was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawRecord {
    /// One cell for each column of the source, in the source's order; `None` is the source's null.
    Cells(Vec<Option<Bytes>>),
    /// A record that could not be split into cells: its bytes, and whether they were cut at a limit.
    Unsplit {
        /// The record's first bytes.
        bytes: Bytes,
        /// Whether more bytes followed.
        truncated: bool,
    },
}

/// The records that a batch was made of, kept so that a late reject can still show its source row.
///
/// `record` counts within this block, from 0.
pub trait SourceRecords: fmt::Debug + Send + Sync {
    /// Where the record stands.
    fn position(&self, record: u32) -> Position;
    /// The record as it was read.
    fn raw(&self, record: u32) -> RawRecord;
}

/// For each row of a batch, the source record that it came from.
#[derive(Debug, Clone)]
pub struct Origins {
    records: Arc<dyn SourceRecords>,
    /// Number of the block's first record in the source.
    first: u64,
    rows: Arc<[u32]>,
}

impl Origins {
    /// Row `i` came from record `rows[i]` of `records`, whose first record is number `first` of the source.
    pub fn new(records: Arc<dyn SourceRecords>, first: u64, rows: impl Into<Arc<[u32]>>) -> Self {
        Origins {
            records,
            first,
            rows: rows.into(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of the row's record in its source: rows of one source are ordered by it.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn sequence(&self, row: usize) -> u64 {
        self.first + u64::from(self.rows[row])
    }

    /// Where the row's record stands.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn position(&self, row: usize) -> Position {
        self.records.position(self.rows[row])
    }

    /// The row's record as it was read.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn raw(&self, row: usize) -> RawRecord {
        self.records.raw(self.rows[row])
    }

    /// The origins of the chosen rows, in that order.
    ///
    /// # Panics
    /// If a row is not below [`len`](Self::len).
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        let rows = rows.iter().map(|&row| self.rows[row as usize]).collect();
        Origins {
            records: Arc::clone(&self.records),
            first: self.first,
            rows,
        }
    }
}

/// [`SourceRecords`] of a source that has rows and no text: a cell is the canonical text of its value.
#[derive(Debug, Clone)]
pub struct RowsAsRead {
    source: Arc<str>,
    first: u64,
    records: RecordBatch,
}

impl RowsAsRead {
    /// `records` begin at record number `first` of `source`.
    pub fn new(source: impl Into<Arc<str>>, first: u64, records: RecordBatch) -> Self {
        RowsAsRead {
            source: source.into(),
            first,
            records,
        }
    }

    /// Origins of all rows, in order.
    pub fn into_origins(self) -> Origins {
        let rows: Vec<u32> = (0..self.records.num_rows() as u32).collect();
        let first = self.first;
        Origins::new(Arc::new(self), first, rows)
    }
}

impl SourceRecords for RowsAsRead {
    fn position(&self, record: u32) -> Position {
        Position::new(Arc::clone(&self.source), self.first + u64::from(record))
    }

    fn raw(&self, record: u32) -> RawRecord {
        let cell = |column: &Arc<dyn Array>| {
            let mut text = Vec::new();
            format::value(column, record as usize, &mut text).then(|| text.into())
        };
        RawRecord::Cells(self.records.columns().iter().map(cell).collect())
    }
}
