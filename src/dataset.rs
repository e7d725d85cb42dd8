//! The contract of a source: a prepared, named stream of record batches with a known schema.

use std::fmt;
use std::sync::Arc;

use futures::stream::BoxStream;

use crate::Result;
use crate::host::Context;
use crate::record::notation::Notation;
use crate::record::{Batch, Schema};

/// Batches in source order. Owns what it needs, does nothing before the first poll, ends after an error.
pub type BatchStream = BoxStream<'static, Result<Batch>>;

/// Facts about a dataset.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DatasetInfo {
    /// Its name, used in positions and reports.
    pub name: String,
    /// The columns of a raw record, in order; they may be more than the schema's fields.
    pub columns: Arc<[String]>,
    /// Whether [`ReadRequest::raw`] is honoured: the source is text, and a column can be had unparsed.
    pub raw_text: bool,
    /// How the texts of such columns are written, where that is not the usual form.
    pub notations: Vec<(String, Notation)>,
    /// The source's size in bytes, for progress, if known: the sum of [`Batch::bytes_read`].
    pub size_bytes: Option<u64>,
}

impl DatasetInfo {
    /// A dataset of this name whose raw records have these columns.
    pub fn new(name: impl Into<String>, columns: impl Into<Arc<[String]>>) -> Self {
        DatasetInfo {
            name: name.into(),
            columns: columns.into(),
            raw_text: false,
            notations: Vec::new(),
            size_bytes: None,
        }
    }

    /// The same, able to hand out columns as unparsed text.
    #[must_use]
    pub fn with_raw_text(mut self) -> Self {
        self.raw_text = true;
        self
    }

    /// The same, with the notations of fields by name.
    #[must_use]
    pub fn with_notations(mut self, notations: Vec<(String, Notation)>) -> Self {
        self.notations = notations;
        self
    }

    /// The same, with its size.
    #[must_use]
    pub fn with_size_bytes(mut self, size: Option<u64>) -> Self {
        self.size_bytes = size;
        self
    }
}

/// What to read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReadRequest {
    /// The fields wanted, in the order wanted; only these are parsed. `None` means all of the schema.
    pub fields: Option<Vec<String>>,
    /// Those of them that are wanted as text, unparsed: a bad value there is the asker's affair.
    pub raw: Vec<String>,
    /// The most rows in a batch. The rows, rejects and counts of a read are the same for any value.
    pub batch_rows: usize,
}

impl Default for ReadRequest {
    fn default() -> Self {
        ReadRequest {
            fields: None,
            raw: Vec::new(),
            batch_rows: 8192,
        }
    }
}

impl ReadRequest {
    /// Everything, in batches of the default size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these fields, in this order.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<String>) -> Self {
        self.fields = Some(fields);
        self
    }

    /// These of the fields as unparsed text.
    #[must_use]
    pub fn with_raw(mut self, raw: Vec<String>) -> Self {
        self.raw = raw;
        self
    }

    /// At most this many rows in a batch; 0 counts as 1.
    #[must_use]
    pub fn with_batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }
}

/// A prepared, named stream of record batches with a known schema.
///
/// **Contract.** A read gives the asked fields in the asked order, in [`Schema`] types (text for raw
/// columns). Every record of the source is either a row of one batch or one of its rejects, in source
/// order within each; record numbers only grow. The same source gives the same records, rejects and
/// positions for any batch size and any number of threads.
///
/// ```
/// use futures::{StreamExt, executor::block_on};
/// use syncline::dataset::{Dataset, ReadRequest};
/// use syncline::host::Context;
/// use syncline::memory::MemoryDataset;
/// use syncline::record::{Field, FieldType, RecordBuilder, Schema};
///
/// let schema = Schema::new(vec![Field::new("name", FieldType::Text)]);
/// let mut rows = RecordBuilder::new(&schema);
/// rows.push(&serde_json::json!({"name": "Ada"})).unwrap();
/// let people = MemoryDataset::new("people", schema, vec![rows.finish()?])?;
///
/// let batch = block_on(people.read(&Context::new(), ReadRequest::new()).next()).unwrap()?;
/// assert_eq!((batch.len(), batch.origins.position(0).to_string()), (1, "people#0".to_owned()));
/// # Ok::<(), syncline::Error>(())
/// ```
pub trait Dataset: fmt::Debug + Send + Sync {
    /// Facts.
    fn info(&self) -> &DatasetInfo;
    /// The fields that can be asked for.
    fn schema(&self) -> &Schema;
    /// Begins to read.
    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream;
}
