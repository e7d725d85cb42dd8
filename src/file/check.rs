//! A test run: what a file would be read as, without writing anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;

use super::DelimitedDataset;
use crate::Result;
use crate::dataset::{Dataset as _, ReadRequest};
use crate::host::{Context, FileStore};
use crate::record::{RawRecord, Reason, Reject};
use crate::spec::FileSource;

/// What a test run tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckRequest {
    /// The most rejects that are kept; all are counted.
    pub rejects: usize,
    /// The most bytes of raw records that are kept: from the reject on that would pass this, none is.
    pub reject_bytes: usize,
}

impl Default for CheckRequest {
    fn default() -> Self {
        CheckRequest {
            rejects: 100,
            reject_bytes: 16 << 20,
        }
    }
}

impl CheckRequest {
    /// Keeps the first 100 rejects, of 16 MiB at most.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the first `rejects` rejects; 0 only counts.
    #[must_use]
    pub fn with_rejects(mut self, rejects: usize) -> Self {
        self.rejects = rejects;
        self
    }

    /// Keeps rejects with no more than `bytes` bytes of raw records in all.
    #[must_use]
    pub fn with_reject_bytes(mut self, bytes: usize) -> Self {
        self.reject_bytes = bytes;
        self
    }
}

/// What a test run found. `good` and `rejected` together are the records read.
///
/// ```
/// use std::sync::Arc;
/// use syncline::file::{CheckRequest, check};
/// use syncline::host::Context;
/// use syncline::memory::MemoryFiles;
/// use syncline::record::{FieldType, Reason};
/// use syncline::spec::{Column, FileSource};
///
/// let files = MemoryFiles::new();
/// files.insert("seats.csv", "seats\n3\nmany\n5\n");
/// let source = FileSource::new("seats.csv", [Column::new("seats", FieldType::Integer)]);
/// let context = Context::new();
/// let report = check(&context, Arc::new(files), &source, CheckRequest::new());
/// let report = futures::executor::block_on(report)?;
/// assert_eq!((report.good, report.rejected, report.reasons[&Reason::BadValue]), (2, 1, 1));
/// assert_eq!(report.rejects[0].position.to_string(), "seats.csv:3 (byte 8)");
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Records whose columns all have values of their types.
    pub good: u64,
    /// Records that were refused.
    pub rejected: u64,
    /// How many were refused for each reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// How many were refused for each column. A record counts for the first bad column that the source declares; a record
    /// that could not be split counts for none.
    pub columns: BTreeMap<String, u64>,
    /// The first rejects, in file order, as many as were asked for and have room. They hold raw records; their messages hold no values.
    pub rejects: Vec<Reject>,
    /// Bytes that were read, of the text as UTF-8: of a packed file, what it holds.
    pub bytes: u64,
    /// Whether the cancel token stopped the run, so that the counts are of the front of the file only.
    pub cancelled: bool,
}

impl CheckReport {
    /// Records read, good and refused.
    pub fn records(&self) -> u64 {
        self.good + self.rejected
    }

    /// Keeps the reject if it is among those asked for, of which `left` are still to come.
    fn count(&mut self, reject: Reject, left: &mut CheckRequest) {
        self.rejected += 1;
        *self.reasons.entry(reject.refusal.reason).or_default() += 1;
        if let Some(field) = &reject.refusal.field {
            // Only names of the file's columns get here, so the map is bounded.
            match self.columns.get_mut(field) {
                Some(count) => *count += 1,
                None => drop(self.columns.insert(field.clone(), 1)),
            }
        }
        if left.rejects == 0 {
            return;
        }
        match left.reject_bytes.checked_sub(raw_bytes(&reject.raw)) {
            Some(bytes) => {
                left.rejects -= 1;
                left.reject_bytes = bytes;
                self.rejects.push(reject);
            }
            None => left.rejects = 0,
        }
    }
}

fn raw_bytes(raw: &RawRecord) -> usize {
    match raw {
        RawRecord::Cells(cells) => cells.iter().flatten().map(Bytes::len).sum(),
        RawRecord::Unsplit { bytes, .. } => bytes.len(),
    }
}

/// Reads a whole file in the format and types of `source`, counts what is bad in it, and writes nothing.
///
/// In memory are the rejects asked for and what a [`DelimitedDataset`] holds while it reads. The context's cancel token stops
/// the run between two batches; the report then says so.
///
/// ```
/// use std::sync::Arc;
/// use futures::executor::block_on;
/// use syncline::file::{CheckRequest, check};
/// use syncline::host::Context;
/// use syncline::memory::MemoryFiles;
/// use syncline::record::{Field, FieldType, Reason};
/// use syncline::spec::FileSource;
///
/// let files = MemoryFiles::new();
/// files.insert("seats.csv", "name,seats\nAda,3\nBob,many\n");
/// let source = FileSource::new("seats.csv", vec![Field::new("seats", FieldType::Integer)]);
///
/// let report = block_on(check(&Context::new(), Arc::new(files), &source, CheckRequest::new()))?;
/// assert_eq!((report.good, report.rejected), (1, 1));
/// assert_eq!(report.reasons[&Reason::BadValue], 1);
/// assert_eq!(report.rejects[0].position.to_string(), "seats.csv:3 (byte 17)");
/// # Ok::<(), syncline::Error>(())
/// ```
///
/// # Errors
/// What [`DelimitedDataset::open`] fails with, and what reading fails with.
pub async fn check(
    context: &Context,
    files: Arc<dyn FileStore>,
    source: &FileSource,
    request: CheckRequest,
) -> Result<CheckReport> {
    let dataset = DelimitedDataset::open(context, files, source).await?;
    let mut batches = dataset.read(context, ReadRequest::new());
    let mut report = CheckReport::default();
    let mut left = request;
    loop {
        if context.cancel().is_cancelled() {
            report.cancelled = true;
            return Ok(report);
        }
        let Some(batch) = batches.next().await else {
            return Ok(report);
        };
        let batch = batch?;
        report.good += batch.len() as u64;
        report.bytes += batch.bytes_read;
        for reject in batch.rejects {
            report.count(reject, &mut left);
        }
    }
}
