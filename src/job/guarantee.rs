//! What a job promises, computed from what its parts can do.

use std::fmt;

use crate::dataset::DatasetInfo;
use crate::destination::DestinationCapabilities;
use crate::spec::SyncMode;

/// What a job promises of every record of its source, whenever it is stopped, if it
/// [saves its state](super::RunRequest::with_state).
///
/// It is computed for each destination:
///
/// | the destination | the job | promises |
/// |---|---|---|
/// | keeps the job's checkpoint in its own transaction | | exactly once |
/// | takes a commit group that comes again for the earlier one | reads a source that can be resumed | exactly once |
/// | writes by identifiers | updates or upserts | effectively once |
/// | any | | at least once |
/// | any | reads a source that cannot be read again | best effort |
///
/// An upsert with a field that is written [on update only](crate::spec::WriteOn::Update) does not count as written by identifiers: a row that
/// comes again finds the record that it made itself, and changes it.
///
/// An incremental job may read a record of its overlap again, so it promises at most effectively once, and at least once if it
/// inserts or has such a field.
///
/// ```
/// use syncline::job::Guarantee;
///
/// assert!(Guarantee::ExactlyOnce > Guarantee::AtLeastOnce);
/// assert_eq!(Guarantee::EffectivelyOnce.to_string(), "effectively once");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Guarantee {
    /// What is under way when a run breaks off may be lost, since the source does not give it again.
    BestEffort,
    /// No record is lost; after a run that broke off, some may be there twice.
    AtLeastOnce,
    /// No record is lost, and one that is written again comes to the same end.
    EffectivelyOnce,
    /// Each record is written once.
    ExactlyOnce,
}

impl Guarantee {
    /// What a destination promises. `writes_again_alike`: a row that is written again comes to the same.
    pub(super) fn of(
        dataset: &DatasetInfo,
        capabilities: DestinationCapabilities,
        writes_again_alike: bool,
        sync: &SyncMode,
    ) -> Self {
        let most = match sync {
            SyncMode::Full => Guarantee::ExactlyOnce,
            SyncMode::Incremental(_) if writes_again_alike => Guarantee::EffectivelyOnce,
            SyncMode::Incremental(_) => Guarantee::AtLeastOnce,
        };
        let guarantee = if !dataset.replayable {
            Guarantee::BestEffort
        } else if capabilities.keeps_checkpoint || (capabilities.dedups_groups && dataset.resumable)
        {
            Guarantee::ExactlyOnce
        } else if capabilities.keyed && writes_again_alike {
            Guarantee::EffectivelyOnce
        } else {
            Guarantee::AtLeastOnce
        };
        guarantee.min(most)
    }

    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Guarantee::BestEffort => "best effort",
            Guarantee::AtLeastOnce => "at least once",
            Guarantee::EffectivelyOnce => "effectively once",
            Guarantee::ExactlyOnce => "exactly once",
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
