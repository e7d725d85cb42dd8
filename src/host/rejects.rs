//! Where refused records go.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::record::Reject;
use crate::{Error, ErrorKind, Result};

/// Refused records of one stretch of one run, in source order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RejectSegment {
    /// The destination that they were refused for; `None` if they were refused before any destination saw them.
    pub destination: Option<Arc<str>>,
    /// The commit group that they were refused in: 1 and up, over all runs of a job that saves its state.
    pub group: u64,
    /// The epoch of the run, if it saves its state; else 0.
    pub epoch: u64,
    /// The source's columns, in the order of the cells of each record.
    pub columns: Arc<[String]>,
    /// The records.
    pub rejects: Vec<Reject>,
}

impl RejectSegment {
    /// A segment of refused records.
    pub fn new(
        destination: Option<Arc<str>>,
        columns: Arc<[String]>,
        rejects: Vec<Reject>,
    ) -> Self {
        RejectSegment {
            destination,
            group: 1,
            epoch: 0,
            columns,
            rejects,
        }
    }

    /// The same, of this commit group of a run of this epoch.
    #[must_use]
    pub fn with_group(mut self, group: u64, epoch: u64) -> Self {
        self.group = group;
        self.epoch = epoch;
        self
    }
}

fn one_run_only() -> Error {
    let message = "this ledger keeps the rejects of one run that is never broken off; give a run that saves its state another";
    Error::new(ErrorKind::Unsupported, message).during("keep rejects")
}

/// Keeps refused records.
///
/// **Contract.** Segments of one destination come in source order, save those of records that were
/// held back until the source had been read. What was appended is kept for good once
/// [`seal`](RejectLedger::seal) or [`flush`](RejectLedger::flush) has answered; a run whose ledger fails is failed.
///
/// A run that saves its state may break off and go on in another process. It then takes back what was refused in groups
/// that are read again, and a ledger that is for one run only answers that with
/// [`Unsupported`](crate::ErrorKind::Unsupported).
#[async_trait]
pub trait RejectLedger: fmt::Debug + Send + Sync {
    /// Takes a segment.
    async fn append(&self, segment: RejectSegment) -> Result<()>;
    /// Makes everything appended so far durable; the last call of a run.
    async fn seal(&self) -> Result<()>;
    /// Makes everything appended so far durable, and more will come.
    async fn flush(&self) -> Result<()> {
        Err(one_run_only())
    }
    /// Forgets what was appended for a destination, or in front of all with `None`, in groups behind `group`: they are
    /// read again, by a run of this epoch. What runs of older ones append from now on is refused as a
    /// [`Conflict`](ErrorKind::Conflict): they were taken for dead.
    async fn rewind(&self, _destination: Option<&str>, _group: u64, _epoch: u64) -> Result<()> {
        Err(one_run_only())
    }
}
