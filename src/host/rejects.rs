//! Where refused records go.

use std::collections::BTreeMap;
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
    /// The partition of the job's source that the run reads, such as a stretch of the past; empty for all of it. Each
    /// counts groups and epochs by itself.
    pub partition: Arc<str>,
    /// The source's columns, in the order of the cells of each record.
    pub columns: Arc<[String]>,
    /// The [version](crate::job::SyncJob::version) of the job that refused them, if it has one.
    pub job_version: Option<Arc<str>>,
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
            partition: "".into(),
            columns,
            job_version: None,
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

impl RejectSegment {
    /// The same, of a run of this partition.
    #[must_use]
    pub fn in_partition(mut self, partition: impl Into<Arc<str>>) -> Self {
        self.partition = partition.into();
        self
    }

    /// The same, refused by this version of the job.
    #[must_use]
    pub fn with_job_version(mut self, version: Option<Arc<str>>) -> Self {
        self.job_version = version;
        self
    }
}

/// What a run takes back that goes on behind a group that is safe.
///
/// ```
/// use syncline::host::RejectRewind;
///
/// let to = RejectRewind::new(Some("person"), 6, 2).in_partition("range 2024-01-01..2025-01-01");
/// assert_eq!((to.group, to.epoch), (6, 2));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectRewind {
    /// The destination; `None` for what was refused in front of all.
    pub destination: Option<Arc<str>>,
    /// The partition; empty for the whole source.
    pub partition: Arc<str>,
    /// The last group that stays.
    pub group: u64,
    /// The epoch of the run that reads the others again.
    pub epoch: u64,
}

impl RejectRewind {
    /// Behind this group, by a run of this epoch over the whole source.
    pub fn new(destination: Option<&str>, group: u64, epoch: u64) -> Self {
        RejectRewind {
            destination: destination.map(Arc::from),
            partition: "".into(),
            group,
            epoch,
        }
    }

    /// The same, of this partition.
    #[must_use]
    pub fn in_partition(mut self, partition: impl Into<Arc<str>>) -> Self {
        self.partition = partition.into();
        self
    }
}

/// Refused records as a ledger gives them back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeptRejects {
    /// Where the ledger keeps them: a file, a segment. A ledger outlives runs, and a position numbers a record within one reading of its
    /// source, so only those of one place have each a position of its own.
    pub place: Arc<str>,
    /// The columns of the source, in the order of the cells of each record.
    pub columns: Arc<[String]>,
    /// The version of the job that refused them last, if it is known.
    pub job_version: Option<Arc<str>>,
    /// The records, in the order in which they were appended. Of a position only its text is kept for sure.
    pub rejects: Vec<Reject>,
}

impl KeptRejects {
    /// These records of a place.
    pub fn new(
        place: impl Into<Arc<str>>,
        columns: Arc<[String]>,
        job_version: Option<Arc<str>>,
        rejects: Vec<Reject>,
    ) -> Self {
        KeptRejects {
            place: place.into(),
            columns,
            job_version,
            rejects,
        }
    }
}

/// Which of the records that a ledger keeps for a destination.
///
/// ```
/// use syncline::host::{KeptRejects, RejectKey};
/// use syncline::record::{Position, RawRecord, Reason, Refusal, Reject};
///
/// let refusal = Refusal::new(Reason::BadValue, "expected a date like 2025-01-31");
/// let reject = Reject::new(Position::new("usage", 7), refusal, RawRecord::Cells(Vec::new()));
/// let [monday, tuesday] = ["monday", "tuesday"].map(|place| {
///     let kept = KeptRejects::new(place, [].into(), None, vec![reject.clone()]);
///     RejectKey::new(kept.place, &kept.rejects[0])
/// });
/// assert_ne!(monday, tuesday);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct RejectKey {
    /// Its [place](KeptRejects::place).
    pub place: Arc<str>,
    /// The text of its position.
    pub position: String,
}

impl RejectKey {
    /// The key of a record that is kept at this place.
    pub fn new(place: impl Into<Arc<str>>, reject: &Reject) -> Self {
        RejectKey {
            place: place.into(),
            position: reject.position.to_string(),
        }
    }
}

/// What became of refused records that were tried again: `None`, they are resolved; or why they were refused once more, and by which
/// version of the job.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RejectMarks {
    /// By record.
    pub by_key: BTreeMap<RejectKey, Option<Reject>>,
    /// Of records that were refused in front of all destinations: those that some destinations have taken now, with the others, which
    /// refused them.
    pub apart: BTreeMap<RejectKey, BTreeMap<Arc<str>, Reject>>,
    /// The version of the job that tried.
    pub job_version: Option<Arc<str>>,
}

impl RejectMarks {
    /// No mark, by this version of a job.
    pub fn new(job_version: Option<Arc<str>>) -> Self {
        RejectMarks {
            by_key: BTreeMap::new(),
            apart: BTreeMap::new(),
            job_version,
        }
    }
}

fn cannot_be_tried_again() -> Error {
    let message = "this ledger does not give its records back; read them where it keeps them, or keep them in another one";
    Error::new(ErrorKind::Unsupported, message).during("redrive")
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
    /// Forgets what was appended for a destination, or in front of all, in groups of a partition behind one that is safe: they are
    /// read again. What runs of older epochs append to that partition from now on is refused as a
    /// [`Conflict`](ErrorKind::Conflict): they were taken for dead. Other partitions count their groups and epochs by themselves, and stay as
    /// they are.
    async fn rewind(&self, _to: &RejectRewind) -> Result<()> {
        Err(one_run_only())
    }
    /// The records that were appended for a destination, or in front of all with `None`, and are not resolved.
    async fn list(&self, _destination: Option<&str>) -> Result<Vec<KeptRejects>> {
        Err(cannot_be_tried_again())
    }
    /// Records that were appended for a destination, or in front of all with `None`, were tried again: those that are resolved go, and those
    /// that were refused once more take the places of what they were. Those that are told [apart](RejectMarks::apart) are kept for each of the
    /// destinations that refused them, as if that one had refused them in the same group, and no longer where they were: before
    /// they are gone there, they are kept here. What was marked is kept for good. Doing it again changes nothing.
    async fn mark(&self, _destination: Option<&str>, _marks: &RejectMarks) -> Result<()> {
        Err(cannot_be_tried_again())
    }
}
