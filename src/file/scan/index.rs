//! What a scan finds: where records and fields are, without a copy of them.

use std::ops::Range;

/// A place between two bytes of a file, in front of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Bytes in front of it.
    pub(crate) byte: u64,
    /// The line that begins or goes on here, from 1.
    pub(crate) line: u64,
    /// Records in front of it, rejected ones included.
    pub(crate) record: u64,
}

impl Place {
    /// The front of a file.
    pub(crate) const START: Place = Place {
        byte: 0,
        line: 1,
        record: 0,
    };

    /// A place further on: the parts are counted from here.
    pub(crate) fn plus(self, byte: usize, line: u32, record: u32) -> Self {
        Place {
            byte: self.byte + byte as u64,
            line: self.line + u64::from(line),
            record: self.record + u64::from(record),
        }
    }
}

/// A record that was split into as many fields as there are columns. All counts are from the block's front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Offset of its first byte.
    pub(crate) start: u32,
    /// Lines in front of it.
    pub(crate) line: u32,
    /// Records in front of it, rejected ones included.
    pub(crate) number: u32,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Text follows a closing quote, or a quote is never closed. The bytes are the first line.
    Quotes,
    /// So many fields and no more.
    TooFewFields(u32),
    /// More fields than columns.
    TooManyFields,
    /// The record is over its limit.
    LongRecord,
    /// The field of this column is over its limit.
    LongField(u32),
}

/// A record that is refused, with as many of its bytes as are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// As for a good record.
    pub(crate) record: Record,
    /// End of the bytes kept.
    pub(crate) end: u32,
    /// Whether the record has more bytes.
    pub(crate) truncated: bool,
    /// What is wrong.
    pub(crate) fault: Fault,
}

/// The records of a block of bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Index {
    /// Where the block begins.
    pub(crate) first: Place,
    /// Where the next one does.
    pub(crate) next: Place,
    /// From this byte of the file on, a record's front is a place where a new scan finds the same. The block's end may
    /// lie in front of it.
    pub(crate) settled: u64,
    /// Fields of a good record.
    pub(crate) columns: usize,
    /// Good records, in order.
    pub(crate) records: Vec<Record>,
    /// For each good record, the end of each field. A field begins behind the delimiter that ended
    /// the one before it.
    pub(crate) ends: Vec<u32>,
    /// Refused records, in order.
    pub(crate) refused: Vec<Refused>,
}

impl Index {
    /// An empty index with room for so many good records.
    pub(super) fn new(first: Place, columns: usize, room: usize) -> Self {
        Index {
            first,
            next: first,
            settled: 0,
            columns,
            records: Vec::with_capacity(room),
            ends: Vec::with_capacity(room.saturating_mul(columns)),
            refused: Vec::new(),
        }
    }

    /// The number of the next record to be found.
    #[inline]
    pub(super) fn next_number(&self) -> u32 {
        (self.records.len() + self.refused.len()) as u32
    }

    /// Where a record stands in the file.
    pub(crate) fn place(&self, record: Record) -> Place {
        self.first
            .plus(record.start as usize, record.line, record.number)
    }

    /// For each of these good records, the offsets of a field: its first byte, and the byte behind its last.
    #[inline(always)]
    pub(crate) fn fields(
        &self,
        rows: Range<usize>,
        column: usize,
    ) -> impl Iterator<Item = (usize, usize)> {
        let ends = rows.start * self.columns..rows.end * self.columns;
        let ends = self.ends.get(ends).unwrap_or_default();
        let records = self.records.get(rows).unwrap_or_default();
        let each = ends.chunks_exact(self.columns.max(1)).zip(records);
        each.map(move |(ends, record)| {
            let end = |column: usize| ends.get(column).map_or(0, |&end| end as usize);
            let start = match column.checked_sub(1) {
                Some(before) => end(before) + 1,
                None => record.start as usize,
            };
            (start, end(column))
        })
    }

    /// The same for one record; `None` if there is no such field.
    pub(crate) fn field(&self, row: usize, column: usize) -> Option<(usize, usize)> {
        let found = self.fields(row..row + 1, column).next();
        found.filter(|_| column < self.columns)
    }
}
