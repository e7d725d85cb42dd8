//! How far a job has come, saved so that a run goes on where the one before it was safe.
//!
//! One piece of state for each job and dataset, changed by compare-and-swap only. Whoever opens it takes it over:
//! the epoch in it goes up, and the next write of a run that had it before is a conflict.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::dataset::DatasetInfo;
use crate::destination::Checkpoint;
use crate::host::{
    Bug, Context, Expected, Saved, StateKey, StateKind, StateStore, StateVersion, Swap,
};
use crate::record::{Cursor, Reason};
use crate::{Error, ErrorKind, Result};

use super::incremental::Progress;
use super::report::{DestinationReport, LookupCounts};
use super::{RunRequest, RunState, Start};

/// The newest format of a saved checkpoint.
const FORMAT: u8 = 1;

/// What is saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedCheckpoint {
    /// What the cursors are valid for.
    lineage: String,
    /// The run that has it, if that has a name.
    run: Option<String>,
    /// Goes up with each run.
    epoch: u64,
    /// Drawn by each run, so that no two ever save the same: who finds its own knows that it saved it.
    claim: String,
    /// Everything in front of this is durable.
    safe: Border,
    /// Borders of groups that are being committed: a destination may have them or not, so they come again as they were.
    begun: Vec<Border>,
}

/// Where a commit group ends, and what the run had counted by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Border {
    /// The group's number; 0 is in front of the first.
    pub(super) group: u64,
    /// `None`: the beginning of the source, or its end if the source gives no cursors.
    pub(super) cursor: Option<Cursor>,
    /// Whether the source was read to its end: the next run begins anew.
    pub(super) ended: bool,
    /// Records and bytes read since the run began.
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) destinations: Vec<Counts>,
    /// Of an incremental job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) progress: Option<Progress>,
}

/// What a run did to one destination so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Counts {
    name: String,
    read: u64,
    inserted: u64,
    updated: u64,
    unchanged: u64,
    deleted: u64,
    filtered: u64,
    superseded: u64,
    skipped: u64,
    removed: u64,
    spared: u64,
    /// By code.
    rejects: BTreeMap<String, u64>,
    lookups: IndexMap<String, LookupCounts>,
    groups: u64,
}

impl Counts {
    pub(super) fn of(report: &DestinationReport) -> Self {
        let rejects = report.rejects.iter();
        Counts {
            name: report.name.clone(),
            read: report.read,
            inserted: report.inserted,
            updated: report.updated,
            unchanged: report.unchanged,
            deleted: report.deleted,
            filtered: report.filtered,
            superseded: report.superseded,
            skipped: report.skipped,
            removed: report.removed,
            spared: report.spared,
            rejects: rejects
                .map(|(reason, count)| (reason.code().to_owned(), *count))
                .collect(),
            lookups: report.lookups.clone(),
            groups: report.groups,
        }
    }

    /// The report goes on from here.
    pub(super) fn restore(&self, report: &mut DestinationReport) {
        report.read = self.read;
        report.inserted = self.inserted;
        report.updated = self.updated;
        report.unchanged = self.unchanged;
        report.deleted = self.deleted;
        report.filtered = self.filtered;
        report.superseded = self.superseded;
        report.skipped = self.skipped;
        report.removed = self.removed;
        report.spared = self.spared;
        report.pending = 0;
        let known = |code: &String| Reason::ALL.into_iter().find(|reason| reason.code() == code);
        report.rejects = (self.rejects.iter())
            .filter_map(|(code, count)| Some((known(code)?, *count)))
            .collect();
        report.rejected = report.rejects.values().sum();
        for (field, counts) in &mut report.lookups {
            *counts = self.lookups.get(field).copied().unwrap_or_default();
        }
        report.groups = self.groups;
    }
}

/// How far a job had come at one moment.
#[derive(Debug, PartialEq)]
pub(super) struct AsItWas(Border, Vec<Border>);

impl Border {
    /// In front of everything; groups go on behind `group`.
    fn start(group: u64) -> Self {
        Border {
            group,
            cursor: None,
            ended: false,
            records: 0,
            bytes: 0,
            destinations: Vec::new(),
            progress: None,
        }
    }
}

/// The saved checkpoint of a run under way.
#[derive(Debug)]
pub(super) struct Checkpoints {
    store: Arc<dyn StateStore>,
    key: StateKey,
    version: StateVersion,
    saved: SavedCheckpoint,
    /// Borders of groups that are committed and not yet durable everywhere, in order. All of them are saved too if a
    /// destination tells groups apart.
    open: VecDeque<Border>,
    saves_borders: bool,
    /// A destination that saves our checkpoint with its rows must have this group, or it has lost what no run would read again.
    floor: u64,
    /// What the source's cursors are valid for now.
    lineage: String,
    /// A cursor that was safe when the run began.
    unheard: Option<Cursor>,
}

impl Checkpoints {
    /// Takes the job's checkpoint over. `destinations` are the names of the job's, in order.
    pub(super) async fn open(
        context: &Context,
        state: &RunState,
        request: &RunRequest,
        job: &str,
        dataset: &DatasetInfo,
        destinations: &[&str],
    ) -> Result<Self> {
        let partition = request.partition();
        let parts = [job, &dataset.name, &partition];
        let key = StateKey::new(&state.tenant, StateKind::Checkpoint, parts)?;
        let lineage = lineage(dataset);
        let stored = state.store.get(&key).await?;
        let known = match &stored {
            Some(stored) => decode(&key, &stored.bytes)?,
            None => None,
        };
        let expected = match stored {
            Some(stored) => Expected::Version(stored.version),
            None => Expected::Absent,
        };
        let mut saved = match known {
            Some(saved) => saved,
            None => SavedCheckpoint {
                lineage: lineage.clone(),
                run: None,
                // A store that was lost leaves destinations that know epochs: higher than any that was ever counted up to.
                epoch: u64::try_from(context.clock().now().timestamp()).unwrap_or(0),
                claim: String::new(),
                safe: Border::start(0),
                begun: Vec::new(),
            },
        };
        let unheard = saved.safe.cursor.clone();
        let unheard = unheard.filter(|_| saved.lineage == lineage);
        let before = saved.safe.group;
        // Nobody may have heard of the end of this very run.
        let done = saved.safe.ended && request.run.is_some() && saved.run == request.run;
        if (saved.safe.ended && !done) || request.start != Start::Resume {
            let progress = saved.safe.progress.take();
            let progress = progress.filter(|_| request.start != Start::Refresh);
            let progress = progress.map(|progress| progress.next(saved.safe.ended));
            // Numbers that a destination may know are not used again.
            let newest = saved.begun.last().unwrap_or(&saved.safe).group;
            saved.safe = Border::start(newest);
            saved.safe.progress = progress;
            saved.begun.clear();
            saved.lineage.clone_from(&lineage);
        }
        let done = done && saved.safe.ended;
        let goes_on = !done && (saved.safe.cursor.is_some() || !saved.begun.is_empty());
        if goes_on && saved.lineage != lineage && !Bug::LineageIgnored.is_on() {
            let message = "the source is another one than when the last run broke off, and that run's cursor is not for it; \
                           bring the old one back, or start over";
            return Err(Error::new(ErrorKind::OtherLineage, message)
                .during("resume")
                .with("job", job)
                .with("dataset", &dataset.name));
        }
        let same = |border: &Border| {
            let names = border.destinations.iter().map(|counts| &*counts.name);
            border.destinations.is_empty() || names.eq(destinations.iter().copied())
        };
        if goes_on && ![&saved.safe].into_iter().chain(&saved.begun).all(same) {
            let message = "the job has other destinations than when its last run broke off, and some would miss what that run \
                           read; bring the old ones back, or start over";
            return Err(Error::new(ErrorKind::OtherLineage, message)
                .during("resume")
                .with("job", job));
        }
        // What earlier runs brought is not read again.
        let has_progress = saved.safe.progress.is_some();
        if !done {
            saved.lineage.clone_from(&lineage);
        }
        saved.run.clone_from(&request.run);
        let mut claim = [0; 8];
        context.entropy().fill(&mut claim);
        saved.claim = format!("{:016x}", u64::from_le_bytes(claim));
        if !Bug::NoClaim.is_on() {
            saved.epoch = request.epoch.max(saved.epoch.saturating_add(1));
        }
        let mut checkpoints = Checkpoints {
            store: Arc::clone(&state.store),
            version: StateVersion::new(""),
            key,
            saved,
            open: VecDeque::new(),
            saves_borders: false,
            floor: match goes_on || done || has_progress {
                true => before,
                false => 0,
            },
            lineage,
            unheard,
        };
        checkpoints.put(expected).await?;
        Ok(checkpoints)
    }

    /// From here on the borders of groups are saved before they are committed.
    pub(super) fn save_borders(&mut self) {
        self.saves_borders = !Bug::NoIntent.is_on();
    }

    /// Whether an earlier run broke off amid the source.
    pub(super) fn goes_on(&self) -> bool {
        let safe = &self.saved.safe;
        !safe.ended && safe.cursor.is_some() || !self.saved.begun.is_empty()
    }

    /// How far an incremental job has come, and how far it may have.
    pub(super) fn progress(&self) -> (Option<&Progress>, Option<&Progress>) {
        let begun = self.saved.begun.first();
        let begun = begun.and_then(|border| border.progress.as_ref());
        (self.saved.safe.progress.as_ref(), begun)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.saved.epoch
    }

    /// Everything in front of this is durable.
    pub(super) fn safe(&self) -> &Border {
        &self.saved.safe
    }

    /// The cursor that was safe when the run began: the source may not have heard of it.
    pub(super) fn unheard(&self) -> Option<&Cursor> {
        // A run that ended may have read another source under the same name.
        let safe = self.saved.safe.cursor.as_ref();
        let safe = safe.filter(|_| self.saved.lineage == self.lineage);
        safe.or(self.unheard.as_ref())
    }

    /// Whether what a run may read did not change since this was taken.
    pub(super) fn is_as(&self, before: &AsItWas) -> bool {
        self.as_it_is() == *before
    }

    /// What a run reads follows from this.
    pub(super) fn as_it_is(&self) -> AsItWas {
        AsItWas(self.saved.safe.clone(), self.saved.begun.clone())
    }

    /// The borders that groups had which come again.
    pub(super) fn begun(&self) -> Vec<Border> {
        match Bug::IntentIgnored.is_on() {
            true => Vec::new(),
            false => self.saved.begun.clone(),
        }
    }

    /// What a destination saves together with the rows in front of this border.
    pub(super) fn to_keep(&self, border: &Border) -> Checkpoint {
        Checkpoint::new(border.cursor.clone(), border.group, self.saved.epoch)
            .with_lineage(&self.saved.lineage)
            .with_state(border.progress.as_ref().and_then(Progress::to_text))
            .with_end(border.ended)
    }

    /// Every destination has everything in front of these checkpoints of their own: what is behind the saved one is
    /// safe as well.
    pub(super) async fn adopt(&mut self, kept: &[Option<Checkpoint>]) -> Result<()> {
        let Some(kept) = kept.iter().cloned().collect::<Option<Vec<_>>>() else {
            return self.check_known(kept.iter().flatten());
        };
        let Some(least) = kept.iter().min_by_key(|checkpoint| checkpoint.group) else {
            return Ok(());
        };
        if least.group <= self.saved.safe.group {
            return self.check_known(kept.iter());
        }
        let begun = &mut self.saved.begun;
        match begun.iter().position(|border| border.group == least.group) {
            Some(at) => {
                let passed: Vec<Border> = begun.drain(..=at).collect();
                if let Some(border) = passed.into_iter().next_back() {
                    self.saved.safe = border;
                }
            }
            // The store lost what the destinations have: theirs counts.
            None if kept.iter().all(|checkpoint| checkpoint == least) => {
                if least.lineage != self.saved.lineage {
                    let message = "the destination's checkpoint is for another source than the job's; bring that source back, or \
                                   start over with another job name";
                    return Err(Error::new(ErrorKind::OtherLineage, message).during("resume"));
                }
                begun.clear();
                self.saved.safe.cursor.clone_from(&least.cursor);
                self.saved.safe.group = least.group;
                self.saved.safe.ended = least.ended;
                self.saved.safe.progress = least
                    .state
                    .as_deref()
                    .map(Progress::from_text)
                    .transpose()?;
            }
            None => return self.check_known(kept.iter()),
        }
        self.save().await
    }

    /// A destination that saves our checkpoint with its rows is no older than the saved state.
    pub(super) fn check_kept(&self, destination: &str, kept: Option<&Checkpoint>) -> Result<()> {
        let has = kept.map_or(0, |checkpoint| checkpoint.group);
        if has >= self.floor {
            return Ok(());
        }
        let message = "the destination is older than the saved state, as after the restore of a backup, and the records between them would \
                       be missing; bring the newer one back, or start over with a full refresh";
        Err(Error::new(ErrorKind::CorruptState, message)
            .during("resume")
            .with("destination", destination)
            .with("group there", has)
            .with("group saved", self.floor))
    }

    /// Destinations that are ahead are so by groups that are known.
    fn check_known<'a>(&self, kept: impl Iterator<Item = &'a Checkpoint>) -> Result<()> {
        let newest = self.saved.begun.last().unwrap_or(&self.saved.safe).group;
        for checkpoint in kept {
            if checkpoint.group > newest {
                let message = "a destination has commit groups that the saved state knows nothing of, as after the restore of \
                               an older copy; restore the newest one";
                return Err(Error::new(ErrorKind::CorruptState, message)
                    .during("resume")
                    .with("key", &self.key)
                    .with("group", checkpoint.group));
            }
        }
        Ok(())
    }

    /// The group in front of this border is about to be committed.
    pub(super) async fn begin(&mut self, border: Border) -> Result<()> {
        let again = self
            .saved
            .begun
            .iter()
            .any(|known| known.group == border.group);
        if Bug::WatermarkBeforeCommit.is_on() && border.ended {
            self.saved.safe.progress = border.progress.clone().map(|progress| progress.next(true));
            self.save().await?;
        }
        self.open.push_back(border.clone());
        if self.saves_borders && !again {
            self.saved.begun.push(border);
            self.save().await?;
        }
        Ok(())
    }

    /// All destinations have everything through this group. Answers with the cursor that is safe now, if it moved.
    pub(super) async fn durable(&mut self, through: u64) -> Result<Option<Cursor>> {
        let mut safe = None;
        while self
            .open
            .front()
            .is_some_and(|border| border.group <= through)
        {
            safe = self.open.pop_front();
        }
        let Some(mut safe) = safe else {
            return Ok(None);
        };
        if let (true, Some(newest)) = (Bug::NewestCursorIsSaved.is_on(), self.open.back()) {
            safe.cursor.clone_from(&newest.cursor);
        }
        if Bug::EndNotSaved.is_on() {
            safe.ended = false;
        }
        self.saved.begun.retain(|border| border.group > safe.group);
        self.saved.safe = safe;
        self.save().await?;
        Ok(self.saved.safe.cursor.clone())
    }

    async fn save(&mut self) -> Result<()> {
        self.put(Expected::Version(self.version.clone())).await
    }

    async fn put(&mut self, expected: Expected) -> Result<()> {
        let bytes = Saved::seal(&self.key, FORMAT, &self.saved)?;
        match self.store.put(&self.key, bytes.clone(), expected).await? {
            Swap::Done(version) => self.version = version,
            Swap::Conflict if Bug::BlindCheckpoint.is_on() => {
                let now = self.store.get(&self.key).await?;
                let now = now.map_or(Expected::Absent, |now| Expected::Version(now.version));
                if let Swap::Done(version) = self.store.put(&self.key, bytes, now).await? {
                    self.version = version;
                }
            }
            // A store that asks again by itself may meet what it did the first time. No other run saves these bytes: they have
            // our claim in them.
            Swap::Conflict => {
                let now = self.store.get(&self.key).await?;
                if let Some(ours) = now.filter(|now| now.bytes == bytes) {
                    self.version = ours.version;
                    return Ok(());
                }
                let message =
                    "another run of the job has taken over its checkpoint; this one must end";
                return Err(Error::new(ErrorKind::Conflict, message)
                    .during("checkpoint")
                    .with("key", &self.key)
                    .with("epoch", self.saved.epoch));
            }
        }
        Ok(())
    }
}

/// What the cursors of a dataset are valid for.
fn lineage(dataset: &DatasetInfo) -> String {
    let columns = serde_json::Value::from(dataset.columns.to_vec());
    format!("{}; columns: {columns}", dataset.lineage)
}

fn decode(key: &StateKey, bytes: &bytes::Bytes) -> Result<Option<SavedCheckpoint>> {
    match Saved::open(key, FORMAT, bytes).and_then(|saved| saved.payload()) {
        Ok(saved) => Ok(Some(saved)),
        Err(_) if Bug::CorruptIsAbsent.is_on() => Ok(None),
        Err(error) => Err(error.during("resume")),
    }
}

#[cfg(test)]
mod tests;
