//! What flows from a dataset to a writer.

use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use serde::{Deserialize, Serialize};

use super::{Origins, Reject};
use crate::Result;

/// What a source says happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowOp {
    /// The record is as given.
    Upsert,
    /// The record is gone in the source.
    Delete,
}

/// A position in a source from which reading can go on; only its source reads it.
///
/// ```
/// use syncline::record::Cursor;
///
/// let cursor = Cursor::new("byte 4096, line 77, record 75");
/// let saved = serde_json::to_string(&cursor)?;
/// assert_eq!(serde_json::from_str::<Cursor>(&saved)?, cursor);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor in the source's own words.
    pub fn new(text: impl Into<String>) -> Self {
        Cursor(text.into())
    }

    /// The source's own words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Rows, where each came from, and what was refused on the way.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Batch {
    /// The rows; columns as the reader was asked for.
    pub records: RecordBatch,
    /// What happened to each row in the source; `None` if all are [`RowOp::Upsert`].
    pub ops: Option<Vec<RowOp>>,
    /// Where each row came from; as long as `records`.
    pub origins: Origins,
    /// Records of this stretch of the source that were refused, in source order.
    pub rejects: Vec<Reject>,
    /// Everything up to this cursor is in the stream.
    pub resume: Option<Cursor>,
    /// Bytes of the source that this batch was made of, for progress; 0 if unknown.
    pub bytes_read: u64,
}

impl Batch {
    /// A batch of these rows. `origins` must be as long as `records`.
    pub fn new(records: RecordBatch, origins: Origins) -> Self {
        Batch {
            records,
            ops: None,
            origins,
            rejects: Vec::new(),
            resume: None,
            bytes_read: 0,
        }
    }

    /// The same batch with these rejects.
    #[must_use]
    pub fn with_rejects(mut self, rejects: Vec<Reject>) -> Self {
        self.rejects = rejects;
        self
    }

    /// The same batch; everything up to `cursor` is in the stream.
    #[must_use]
    pub fn with_resume(mut self, cursor: Cursor) -> Self {
        self.resume = Some(cursor);
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.records.num_rows()
    }

    /// Whether there are no rows (there may be rejects).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the rows where `keep` is true (null counts as false); rejects and cursor stay.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if `keep` is not as long as the batch.
    pub fn filter(self, keep: &BooleanArray) -> Result<Self> {
        if keep.len() != self.len() {
            return Err(crate::Error::contract(
                "a filter must answer for every row of its batch",
            ));
        }
        if keep.true_count() == self.len() {
            return Ok(self);
        }
        let rows: Vec<u32> = (0u32..)
            .zip(keep.iter())
            .filter(|(_, keep)| *keep == Some(true))
            .map(|(i, _)| i)
            .collect();
        let origins = self.origins.take(&rows);
        let ops = self
            .ops
            .map(|ops| rows.iter().map(|&row| ops[row as usize]).collect());
        let records = arrow_select::filter::filter_record_batch(&self.records, keep)?;
        Ok(Batch {
            records,
            ops,
            origins,
            ..self
        })
    }

    /// The same rows in batches of at most so many, as a source that gives whole pages is asked for them; rejects and cursor are
    /// the last one's. 0 counts as 1.
    ///
    /// ```
    /// use syncline::record::{Cursor, Field, FieldType, RecordBuilder, Schema};
    ///
    /// let mut page = RecordBuilder::new(&Schema::new(vec![Field::new("name", FieldType::Text)]));
    /// for name in ["Ada", "Bo", "Cleo"] {
    ///     page.push(&serde_json::json!({"name": name})).unwrap();
    /// }
    /// let batches = page.finish_batch("people", 0)?.with_resume(Cursor::new("page 2")).pieces(2);
    /// assert_eq!((batches[0].len(), batches[1].len()), (2, 1));
    /// assert!(batches[0].resume.is_none() && batches[1].resume.is_some());
    /// # Ok::<(), syncline::Error>(())
    /// ```
    pub fn pieces(self, rows: usize) -> Vec<Batch> {
        let (rows, total) = (rows.max(1), self.len());
        if total <= rows {
            return vec![self];
        }
        let piece = |start: usize| {
            let count = rows.min(total - start);
            let numbers: Vec<u32> = (start..start + count).map(|row| row as u32).collect();
            let records = self.records.slice(start, count);
            let mut piece = Batch::new(records, self.origins.take(&numbers));
            let ops = self
                .ops
                .as_ref()
                .and_then(|ops| ops.get(start..start + count));
            piece.ops = ops.map(<[RowOp]>::to_vec);
            piece
        };
        let mut pieces: Vec<Batch> = (0..total).step_by(rows).map(piece).collect();
        if let Some(last) = pieces.last_mut() {
            (last.rejects, last.resume, last.bytes_read) =
                (self.rejects, self.resume, self.bytes_read);
        }
        pieces
    }

    /// The chosen rows in that order; rejects and cursor stay.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if a row is out of range.
    pub fn take(self, rows: &[u32]) -> Result<Self> {
        if rows.iter().any(|&row| row as usize >= self.len()) {
            return Err(crate::Error::contract(
                "a row number is past the end of its batch",
            ));
        }
        let origins = self.origins.take(rows);
        let ops = self
            .ops
            .map(|ops| rows.iter().map(|&row| ops[row as usize]).collect());
        let indices = UInt32Array::from(rows.to_vec());
        let columns = self.records.columns().iter();
        let columns = columns.map(|column| arrow_select::take::take(column, &indices, None));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        // A batch may have rows and no columns.
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let schema = self.records.schema();
        let records = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(Batch {
            records,
            ops,
            origins,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow_schema::Schema;

    use super::*;
    use crate::record::RowsAsRead;

    #[test]
    fn rows_without_columns_are_taken_and_filtered_too() {
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let schema = Arc::new(Schema::empty());
        let records = RecordBatch::try_new_with_options(schema, Vec::new(), &options).unwrap();
        let origins = RowsAsRead::new("rows", 0, records.clone()).into_origins();
        let batch = Batch::new(records, origins);
        let taken = batch.clone().take(&[2, 0]).unwrap();
        assert_eq!((taken.len(), taken.origins.sequence(0)), (2, 2));
        let keep = BooleanArray::from(vec![false, true, false]);
        let kept = batch.filter(&keep).unwrap();
        assert_eq!((kept.len(), kept.origins.sequence(0)), (1, 1));
    }
}
