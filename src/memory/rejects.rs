//! Rejects kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::host::{KeptRejects, RejectKey, RejectLedger, RejectMarks, RejectRewind, RejectSegment};
use crate::record::Reject;
use crate::{Error, ErrorKind, Result};

/// A [`RejectLedger`] that keeps everything and shows it.
///
/// ```
/// use syncline::host::{RejectLedger, RejectSegment};
/// use syncline::memory::MemoryRejects;
///
/// let ledger = MemoryRejects::new();
/// futures::executor::block_on(async {
///     ledger.append(RejectSegment::new(None, ["a".to_owned()].into(), Vec::new())).await?;
///     ledger.seal().await
/// })?;
/// assert!(ledger.sealed() && ledger.all().is_empty());
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryRejects(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Each with its number among all that were ever appended.
    segments: Vec<(u64, RejectSegment)>,
    appended: u64,
    sealed: bool,
    /// The newest that rewound each partition; runs that save no state have none.
    epochs: BTreeMap<Arc<str>, u64>,
}

impl MemoryRejects {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was appended, in order.
    pub fn segments(&self) -> Vec<RejectSegment> {
        let kept = self.kept();
        kept.segments.iter().map(|(_, one)| one.clone()).collect()
    }

    /// The rejects of one destination, or with `None` those that no destination saw, in the order appended.
    pub fn rejects(&self, destination: Option<&str>) -> Vec<Reject> {
        let kept = self.kept();
        let segments = kept.segments.iter().map(|(_, segment)| segment);
        segments
            .filter(|segment| segment.destination.as_deref() == destination)
            .flat_map(|segment| segment.rejects.iter().cloned())
            .collect()
    }

    /// All rejects, in the order appended.
    pub fn all(&self) -> Vec<Reject> {
        let kept = self.kept();
        let segments = kept.segments.iter().map(|(_, segment)| segment);
        segments
            .flat_map(|segment| segment.rejects.iter().cloned())
            .collect()
    }

    /// Whether nothing was appended since the ledger was last sealed.
    pub fn sealed(&self) -> bool {
        self.kept().sealed
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn taken_over() -> Error {
    let message = "a run of a newer epoch keeps the rejects now; this one must end";
    Error::new(ErrorKind::Conflict, message).during("keep rejects")
}

#[async_trait]
impl RejectLedger for MemoryRejects {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        let mut kept = self.kept();
        let epoch = kept.epochs.get(&segment.partition).copied();
        if segment.epoch > 0 && epoch.is_some_and(|epoch| segment.epoch < epoch) {
            return Err(taken_over());
        }
        kept.appended += 1;
        let number = kept.appended;
        kept.segments.push((number, segment));
        kept.sealed = false;
        Ok(())
    }

    async fn seal(&self) -> Result<()> {
        self.kept().sealed = true;
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.seal().await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        let stays = |segment: &RejectSegment| {
            segment.destination != to.destination
                || segment.partition != to.partition
                || segment.group <= to.group
        };
        let mut kept = self.kept();
        let epoch = kept.epochs.entry(Arc::clone(&to.partition)).or_default();
        if to.epoch < *epoch {
            return Err(taken_over());
        }
        *epoch = to.epoch;
        kept.segments.retain(|(_, segment)| stays(segment));
        Ok(())
    }

    async fn list(&self, destination: Option<&str>) -> Result<Vec<KeptRejects>> {
        let kept = self.kept();
        let segments = kept.segments.iter();
        let segments =
            segments.filter(|(_, segment)| segment.destination.as_deref() == destination);
        let kept = segments.map(|(number, segment)| {
            let columns = Arc::clone(&segment.columns);
            KeptRejects::new(
                number.to_string(),
                columns,
                segment.job_version.clone(),
                segment.rejects.clone(),
            )
        });
        Ok(kept.collect())
    }

    async fn mark(&self, destination: Option<&str>, marks: &RejectMarks) -> Result<()> {
        let mut kept = self.kept();
        let kept = &mut *kept;
        let mut apart: Vec<RejectSegment> = Vec::new();
        for (number, segment) in &mut kept.segments {
            if segment.destination.as_deref() != destination {
                continue;
            }
            let mut changed = false;
            let place: Arc<str> = number.to_string().into();
            let mut by_destination: BTreeMap<&Arc<str>, Vec<Reject>> = BTreeMap::new();
            segment.rejects.retain_mut(|reject| {
                let key = RejectKey::new(Arc::clone(&place), reject);
                if let Some(refused) = marks.apart.get(&key) {
                    for (destination, reject) in refused {
                        let rejects = by_destination.entry(destination).or_default();
                        rejects.push(reject.clone());
                    }
                    return false;
                }
                match marks.by_key.get(&key) {
                    None => true,
                    Some(None) => false,
                    Some(Some(again)) => {
                        *reject = again.clone();
                        changed = true;
                        true
                    }
                }
            });
            apart.extend(by_destination.into_iter().map(|(destination, rejects)| {
                let columns = Arc::clone(&segment.columns);
                RejectSegment::new(Some(Arc::clone(destination)), columns, rejects)
                    .with_group(segment.group, segment.epoch)
                    .in_partition(Arc::clone(&segment.partition))
                    .with_job_version(marks.job_version.clone())
            }));
            if changed {
                segment.job_version.clone_from(&marks.job_version);
            }
        }
        for segment in apart {
            kept.appended += 1;
            kept.segments.push((kept.appended, segment));
        }
        Ok(())
    }
}
