//! What happens in a run, as it happens.

use std::fmt;

use crate::record::Reason;

/// Something that happened in a run. Holds counts and names, never row values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A run of the job began.
    RunStarted {
        /// The job.
        job: &'a str,
    },
    /// A stretch of the source went through the job; the figures are those of the whole run so far.
    Progress {
        /// Records read.
        records: u64,
        /// Source bytes read; 0 if unknown.
        bytes: u64,
        /// Source bytes in all, if known.
        bytes_total: Option<u64>,
        /// Records refused so far, by the destination that refused the most.
        rejected: u64,
    },
    /// Records were refused.
    Rejected {
        /// The destination, or `None` if no destination saw the records.
        destination: Option<&'a str>,
        /// Why.
        reason: Reason,
        /// How many.
        count: u64,
    },
    /// The run ended.
    RunFinished {
        /// The job.
        job: &'a str,
        /// How.
        outcome: &'a str,
    },
}

/// Is told what happens in a run, on the run's own thread; it must not block.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}

/// Takes no notice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ignore;

impl Observer for Ignore {
    fn observe(&self, _: &Event<'_>) {}
}
