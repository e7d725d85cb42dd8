//! Where refused records go.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::record::Reject;

/// Refused records of one stretch of one run, in source order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RejectSegment {
    /// The destination that they were refused for; `None` if they were refused before any destination saw them.
    pub destination: Option<Arc<str>>,
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
            columns,
            rejects,
        }
    }
}

/// Keeps refused records.
///
/// **Contract.** Segments of one destination come in source order, save those of records that were
/// held back until the source had been read. What was appended is kept for good once
/// [`seal`](RejectLedger::seal) has answered; a run whose ledger fails is failed.
#[async_trait]
pub trait RejectLedger: fmt::Debug + Send + Sync {
    /// Takes a segment.
    async fn append(&self, segment: RejectSegment) -> Result<()>;
    /// Makes everything appended so far durable; the last call of a run.
    async fn seal(&self) -> Result<()>;
}
