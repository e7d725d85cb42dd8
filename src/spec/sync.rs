//! How much of a source a run reads, and what becomes of records that the source deletes.

use serde::{Deserialize, Serialize};

/// How much of a source each run reads.
///
/// ```
/// use syncline::spec::{Incremental, Overlap, SyncMode};
///
/// let mode = SyncMode::Incremental(Incremental::new("updated_at").with_key(["id"]).with_overlap(Overlap::Seconds(600)));
/// let text = r#"{"incremental": {"field": "updated_at", "key": ["id"], "overlap": {"seconds": 600}}}"#;
/// assert_eq!(serde_json::from_str::<SyncMode>(text)?, mode);
/// assert_eq!(serde_json::from_str::<SyncMode>(r#""full""#)?, SyncMode::default());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SyncMode {
    /// All of it.
    #[default]
    Full,
    /// What is new since the runs before.
    Incremental(Incremental),
}

impl SyncMode {
    /// Whether it is the default.
    pub(crate) fn is_full(&self) -> bool {
        *self == SyncMode::Full
    }

    /// The fields of the dataset that are read for it.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        let (field, key): (_, &[String]) = match self {
            SyncMode::Full => (None, &[]),
            SyncMode::Incremental(by) => (Some(&by.field), &by.key),
        };
        field.into_iter().chain(key).map(String::as_str)
    }
}

/// Reading what is new since the runs before, by a field that tells how new a record is.
///
/// The *watermark* is the greatest value of that field among the records that are safe. A run reads from the watermark on,
/// the value itself included, less the overlap; and moves it when all that it read is safe.
///
/// ```
/// use syncline::spec::{Incremental, NullCursor, Overlap};
///
/// let by = Incremental::new("day").with_overlap(Overlap::Days(2)).with_nulls(NullCursor::Skip);
/// assert_eq!((by.clock_skew, by.remember), (60, 10_000));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Incremental {
    /// The cursor field: a field of the dataset, `integer`, `date` or `datetime`, whose value grows with each change of a
    /// record.
    pub field: String,
    /// The fields that identify a record in the source. With them, records of the overlap that are as the last run left them
    /// are known again and skipped; without them, they are written again by each run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// How far below the watermark a run reads again. It must be no less than the longest time between the moment that the
    /// cursor field tells and the moment when the record can be read: of transactions, of replication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// What becomes of a record without a value in the cursor field.
    #[serde(default)]
    pub nulls: NullCursor,
    /// Seconds by which our clock may be ahead of the source's. Used where a source does not tell its own time: the
    /// watermark stays so far behind our clock.
    #[serde(default = "clock_skew")]
    pub clock_skew: u32,
    /// How many records of the overlap are known again at most, 24 bytes each in the saved state. Those beyond are written
    /// again.
    #[serde(default = "remember")]
    pub remember: u32,
}

fn clock_skew() -> u32 {
    60
}

fn remember() -> u32 {
    10_000
}

impl Incremental {
    /// By this cursor field, without overlap.
    pub fn new(field: impl Into<String>) -> Self {
        Incremental {
            field: field.into(),
            key: Vec::new(),
            overlap: None,
            nulls: NullCursor::default(),
            clock_skew: clock_skew(),
            remember: remember(),
        }
    }

    /// The same, knowing records again by these fields.
    #[must_use]
    pub fn with_key<S: Into<String>>(mut self, key: impl IntoIterator<Item = S>) -> Self {
        self.key = key.into_iter().map(Into::into).collect();
        self
    }

    /// The same, reading so far below the watermark.
    #[must_use]
    pub fn with_overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = Some(overlap);
        self
    }

    /// The same, doing so with records without a value.
    #[must_use]
    pub fn with_nulls(mut self, nulls: NullCursor) -> Self {
        self.nulls = nulls;
        self
    }

    /// The same, with our clock at most so many seconds ahead.
    #[must_use]
    pub fn with_clock_skew(mut self, seconds: u32) -> Self {
        self.clock_skew = seconds;
        self
    }

    /// The same, knowing at most so many records again.
    #[must_use]
    pub fn with_remember(mut self, records: u32) -> Self {
        self.remember = records;
        self
    }
}

/// How far below the watermark a run reads again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Overlap {
    /// Of a `datetime` field.
    Seconds(u32),
    /// Of a `date` field.
    Days(u32),
    /// Of an `integer` field.
    Steps(u32),
}

/// What an incremental sync does with a record without a value in the cursor field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NullCursor {
    /// Reject it, in each run: nobody knows whether it is new.
    #[default]
    Reject,
    /// Write it in each run.
    Always,
    /// Skip it, and count it.
    Skip,
}

/// What becomes of records that the source deletes.
///
/// A [`delete`](crate::record::RowOp::Delete) of the source is matched by the identifiers of the update or upsert, and only
/// these have to be in it; filters do not apply to it. One that hits no record is skipped.
///
/// ```
/// use syncline::spec::SourceDeletes;
///
/// let mirror: SourceDeletes = serde_json::from_str(r#"{"mirror": {"most_percent": 5}}"#)?;
/// assert_eq!(mirror, SourceDeletes::Mirror { most_percent: 5 });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SourceDeletes {
    /// Nothing: deletes are skipped and counted.
    #[default]
    Ignore,
    /// A field of the record is set to true, and to false when the record comes again.
    Soft {
        /// The field, a `boolean` that is not mapped.
        field: String,
    },
    /// The record is deleted.
    Delete,
    /// For sources that are read in full and tell of no deletes: when all was read, every record of the object that the run
    /// did not write is deleted, whoever made it. Nothing is deleted if any record was rejected, since it may be one of those.
    Mirror {
        /// The most that may be deleted, in percent of the records there are then. If more would be, the run fails and deletes
        /// nothing.
        most_percent: u8,
    },
}

impl SourceDeletes {
    /// Whether it is the default.
    pub(crate) fn is_ignore(&self) -> bool {
        *self == SourceDeletes::Ignore
    }
}
