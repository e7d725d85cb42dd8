//! The contract of a source: a prepared, named stream of record batches with a known schema.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::host::Context;
use crate::record::notation::Notation;
use crate::record::{Batch, Cursor, CursorValue, Schema};
use crate::{Error, ErrorKind, Result};

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
    /// Whether [`ReadRequest::resume`] and [`ReadRequest::until`] are honoured.
    pub resumable: bool,
    /// Whether the source can be read again from its beginning; if not, what a crash takes is lost.
    pub replayable: bool,
    /// What its cursors are valid for, in the source's own words: a cursor is never used with another lineage.
    pub lineage: String,
    /// Whether [`ReadRequest::bounds`] are honoured.
    pub bounded: bool,
    /// Whether it tells of records that are gone, as [`RowOp::Delete`](crate::record::RowOp::Delete).
    pub tells_deletes: bool,
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
            resumable: false,
            replayable: true,
            lineage: String::new(),
            bounded: false,
            tells_deletes: false,
        }
    }

    /// The same, able to read on from a cursor. `lineage` says what its cursors are valid for: the format in which they
    /// are written, and which object or version of it they point into.
    ///
    /// ```
    /// use syncline::dataset::DatasetInfo;
    ///
    /// let info = DatasetInfo::new("orders.csv", ["id".to_owned()]).with_resume("bytes of version 7");
    /// assert!(info.resumable && info.replayable);
    /// ```
    #[must_use]
    pub fn with_resume(mut self, lineage: impl Into<String>) -> Self {
        self.resumable = true;
        self.lineage = lineage.into();
        self
    }

    /// The same, of a source that gives each record once and never again.
    #[must_use]
    pub fn read_once(mut self) -> Self {
        self.replayable = false;
        self
    }

    /// The same, asking its source only for what is within [bounds](ReadRequest::bounds).
    #[must_use]
    pub fn with_bounds(mut self) -> Self {
        self.bounded = true;
        self
    }

    /// The same, telling of records that are gone.
    #[must_use]
    pub fn with_deletes(mut self) -> Self {
        self.tells_deletes = true;
        self
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
    /// Where to go on: behind everything that an earlier read gave up to this [cursor](Batch::resume). Record numbers
    /// and positions are those of a read from the beginning.
    pub resume: Option<Cursor>,
    /// Where to end: with the last record in front of this cursor.
    pub until: Option<Cursor>,
    /// The records wanted, by the value of their cursor field. Who asks filters what comes, so a dataset may give more.
    pub bounds: Option<ReadBounds>,
}

/// Which records of an incremental read are wanted: those whose cursor field has a value from `from` on, and below `to`.
///
/// A dataset that [honours](DatasetInfo::bounded) them leaves out none of these. Many records may have one value, and one
/// value may be cut by a page: a source that is paged by this field is paged by it and the key together, or by position,
/// never by the field alone.
///
/// ```
/// use syncline::dataset::ReadBounds;
/// use syncline::record::CursorValue;
///
/// let bounds = ReadBounds::new("version").with_key(["id"]).between(Some(CursorValue::Integer(7)), None);
/// assert_eq!(bounds.from, Some(CursorValue::Integer(7)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadBounds {
    /// The cursor field, an `integer`, `date` or `datetime` of the schema.
    pub field: String,
    /// The fields that identify a record, if they are known.
    pub key: Vec<String>,
    /// The least value wanted, itself included; `None`: there is none.
    pub from: Option<CursorValue>,
    /// The value at which to end, itself left out; `None`: all from `from` on.
    pub to: Option<CursorValue>,
    /// Whether records without a value are wanted.
    pub nulls: bool,
}

impl ReadBounds {
    /// All records by this field, also those without a value.
    pub fn new(field: impl Into<String>) -> Self {
        ReadBounds {
            field: field.into(),
            key: Vec::new(),
            from: None,
            to: None,
            nulls: true,
        }
    }

    /// The same, of records that these fields identify.
    #[must_use]
    pub fn with_key<S: Into<String>>(mut self, key: impl IntoIterator<Item = S>) -> Self {
        self.key = key.into_iter().map(Into::into).collect();
        self
    }

    /// The same, from `from` on, and below `to`.
    #[must_use]
    pub fn between(mut self, from: Option<CursorValue>, to: Option<CursorValue>) -> Self {
        self.from = from;
        self.to = to;
        self
    }

    /// The same, without the records that have no value.
    #[must_use]
    pub fn without_nulls(mut self) -> Self {
        self.nulls = false;
        self
    }
}

impl Default for ReadRequest {
    fn default() -> Self {
        ReadRequest {
            fields: None,
            raw: Vec::new(),
            batch_rows: 8192,
            resume: None,
            until: None,
            bounds: None,
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

    /// Only what stands behind `resume` and in front of `until`: cursors that a read of the same
    /// [lineage](DatasetInfo::lineage) gave.
    #[must_use]
    pub fn between(mut self, resume: Option<Cursor>, until: Option<Cursor>) -> Self {
        self.resume = resume;
        self.until = until;
        self
    }

    /// The positions in a schema of the fields that are asked for, in the order asked: what a batch is
    /// [projected](crate::record::array::RecordBatch::project) to.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if the schema has no field of a name.
    ///
    /// ```
    /// use syncline::dataset::ReadRequest;
    /// use syncline::record::{Field, FieldType, Schema};
    ///
    /// let schema = Schema::new(vec![Field::new("id", FieldType::Id), Field::new("name", FieldType::Text)]);
    /// assert_eq!(ReadRequest::new().positions(&schema)?, [0, 1]);
    /// assert_eq!(ReadRequest::new().with_fields(vec!["name".into()]).positions(&schema)?, [1]);
    /// assert!(ReadRequest::new().with_fields(vec!["seats".into()]).positions(&schema).is_err());
    /// # Ok::<(), syncline::Error>(())
    /// ```
    pub fn positions(&self, schema: &Schema) -> Result<Vec<usize>> {
        let position = |name: &String| {
            let message = "the dataset has no such field; ask for one of its schema";
            let unknown = || Error::new(ErrorKind::NotFound, message).with("field", name);
            schema.index_of(name).ok_or_else(unknown)
        };
        match &self.fields {
            None => Ok((0..schema.fields().len()).collect()),
            Some(names) => names.iter().map(position).collect(),
        }
    }

    /// The records within these bounds only.
    #[must_use]
    pub fn within(mut self, bounds: Option<ReadBounds>) -> Self {
        self.bounds = bounds;
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
/// A [resumable](DatasetInfo::resumable) dataset gives cursors with its batches, not necessarily with each: only where a
/// read that goes on there gives exactly the rest. Its last batch has one.
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
#[async_trait]
pub trait Dataset: fmt::Debug + Send + Sync {
    /// Facts.
    fn info(&self) -> &DatasetInfo;
    /// The fields that can be asked for.
    fn schema(&self) -> &Schema;
    /// Begins to read.
    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream;

    /// What the source's own clock shows, in the type of the cursor field; asked before a read begins. `None`: it has no clock,
    /// or does not tell.
    ///
    /// No record that cannot be read yet may come to have a lesser value later, except by as much as the overlap of the job.
    async fn upper_bound(&self, _context: &Context, _field: &str) -> Result<Option<CursorValue>> {
        Ok(None)
    }

    /// Everything up to this cursor is safe at the destinations, and the checkpoint says so: the source may forget it.
    /// May come again for the same cursor, and does not come at all if the run breaks off in front of it.
    async fn acknowledge(&self, _context: &Context, _cursor: &Cursor) -> Result<()> {
        Ok(())
    }
}
