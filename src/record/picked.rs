//! Rows of batches that have been picked and not gathered yet.

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;

use crate::{Error, Result};

/// Rows of some batches, in an order of their own: where each stands, without a copy.
///
/// Whoever reads every value once, such as an encoder, need not have them gathered.
///
/// ```
/// use std::sync::Arc;
/// use syncline::record::Picked;
/// use syncline::record::array::{ArrayRef, Int64Array, RecordBatch};
///
/// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![10, 20, 30]));
/// let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
/// let picked = Picked::new(batch.schema(), vec![batch], vec![(0, 2), (0, 0)])?;
/// let expected: ArrayRef = Arc::new(Int64Array::from(vec![30, 10]));
/// assert_eq!(picked.gather()?.column(0), &expected);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Picked {
    schema: SchemaRef,
    sources: Vec<RecordBatch>,
    rows: Vec<(u32, u32)>,
}

impl Picked {
    /// Rows of `sources`, each given by the number of its source and its row there.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) for a source of another schema, or a row that is not there.
    pub fn new(
        schema: SchemaRef,
        sources: Vec<RecordBatch>,
        rows: Vec<(u32, u32)>,
    ) -> Result<Self> {
        let lengths: Vec<usize> = sources.iter().map(RecordBatch::num_rows).collect();
        let is_there = |&(source, row): &(u32, u32)| {
            (lengths.get(source as usize)).is_some_and(|&length| (row as usize) < length)
        };
        if !sources.iter().all(|source| source.schema_ref() == &schema) {
            return Err(Error::contract(
                "rows are picked from batches of one schema",
            ));
        }
        if !rows.iter().all(is_there) {
            return Err(Error::contract("a row is picked that is not there"));
        }
        Ok(Picked {
            schema,
            sources,
            rows,
        })
    }

    /// The schema of every source.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batches.
    pub fn sources(&self) -> &[RecordBatch] {
        &self.sources
    }

    /// For each row the number of its source, and its row there.
    pub fn rows(&self) -> &[(u32, u32)] {
        &self.rows
    }

    /// The rows as one batch.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if it would pass Arrow's limits.
    pub fn gather(&self) -> Result<RecordBatch> {
        let rows: Vec<(usize, usize)> = (self.rows.iter())
            .map(|&(source, row)| (source as usize, row as usize))
            .collect();
        let column = |column: usize| {
            let sources = self.sources.iter().map(|source| &**source.column(column));
            let sources: Vec<&dyn Array> = sources.collect();
            Ok(arrow_select::interleave::interleave(&sources, &rows)?)
        };
        if self.sources.is_empty() {
            return Ok(RecordBatch::new_empty(self.schema.clone()));
        }
        let columns = (0..self.schema.fields().len()).map(column);
        let columns = columns.collect::<Result<_>>()?;
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// All rows of a batch, in its order.
impl From<RecordBatch> for Picked {
    fn from(batch: RecordBatch) -> Self {
        Picked {
            schema: batch.schema(),
            rows: (0..batch.num_rows() as u32).map(|row| (0, row)).collect(),
            sources: vec![batch],
        }
    }
}
