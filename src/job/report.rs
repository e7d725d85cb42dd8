//! What a run came to, in numbers that must add up.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::record::{CursorValue, Reason};
use crate::{Error, Result};

use super::DriftReport;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Every record was written, filtered or superseded.
    Success,
    /// Some records were rejected, the rest is written.
    PartialSuccess,
    /// The run broke off, or every record was rejected.
    Failed,
    /// The cancel token was set.
    Cancelled,
    /// An account has no more calls for now, or a [circuit](crate::policy::Breaker) is open. That is no failure: what was done is kept,
    /// and where state is saved the next run goes on with it.
    Paused {
        /// When calls are made again.
        until: DateTime<Utc>,
    },
}

impl Outcome {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::PartialSuccess => "partial_success",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Paused { .. } => "paused",
        }
    }
}

/// What one run of a job did.
///
/// ```
/// use syncline::job::{DestinationReport, Outcome, RunReport};
///
/// # let (began, ended) = ("2025-01-31T06:00:00Z".parse().unwrap(), "2025-01-31T06:00:02Z".parse().unwrap());
/// let mut report = RunReport::new("contacts", began, ended);
/// let mut contacts = DestinationReport::new("contact", []);
/// (contacts.read, contacts.inserted, contacts.updated) = (5, 2, 3);
/// contacts.check()?;                   // 5 = 2 + 3
/// report.destinations.push(contacts);
///
/// let json = serde_json::to_value(&report).unwrap();
/// assert_eq!((&json["outcome"], &json["destinations"][0]["updated"]), (&"success".into(), &3.into()));
/// assert!(report.to_string().starts_with("contacts: success"));
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct RunReport {
    /// The job.
    pub job: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether nothing was kept.
    pub dry_run: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// Records read from the source, rejected ones included.
    pub records: u64,
    /// Those of them that were safe already when the run went on where an earlier one broke off. All counts are over both.
    pub resumed: u64,
    /// Source bytes read; 0 if unknown.
    pub bytes: u64,
    /// How often the run tried a call again that had failed.
    pub retries: u64,
    /// Records that this run read itself, per second.
    pub records_per_second: u64,
    /// Where the time went.
    pub timings: Timings,
    /// Each destination, in order.
    pub destinations: Vec<DestinationReport>,
    /// How the source differed from what the job was [built on](super::SyncJob::built_on).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftReport>,
    /// What an incremental job read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowReport>,
    /// What a run waits for that is paused, and whether nothing of what it read could be kept.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<Error>,
    /// Why the run broke off.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub failure: Option<Error>,
}

impl RunReport {
    /// A successful run that read nothing and has no destination: for jobs that are no [`SyncJob`](super::SyncJob) to fill in.
    pub fn new(
        job: impl Into<String>,
        started_at: DateTime<Utc>,
        finished_at: DateTime<Utc>,
    ) -> Self {
        RunReport {
            job: job.into(),
            outcome: Outcome::Success,
            dry_run: false,
            started_at,
            finished_at,
            records: 0,
            resumed: 0,
            bytes: 0,
            retries: 0,
            records_per_second: 0,
            timings: Timings::default(),
            destinations: Vec::new(),
            drift: None,
            window: None,
            paused_by: None,
            failure: None,
        }
    }
}

/// Which records a run of an incremental job read.
///
/// ```
/// use syncline::job::WindowReport;
/// use syncline::record::CursorValue;
///
/// let mut window = WindowReport::new("version");
/// (window.watermark, window.known) = (Some(CursorValue::Integer(12)), 3);
/// assert!(window.to_string().starts_with("  by version, watermark 12"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WindowReport {
    /// The cursor field.
    pub field: String,
    /// The least value that was asked for, itself included; `None`: there was none.
    pub from: Option<CursorValue>,
    /// The end of a historical range, itself left out.
    pub to: Option<CursorValue>,
    /// The source's time when the window began, if there is a clock for such values.
    pub upper_bound: Option<CursorValue>,
    /// The watermark behind the run.
    pub watermark: Option<CursorValue>,
    /// Records outside the window that the source gave all the same; skipped.
    pub outside: u64,
    /// Records that the destinations were given last as they are; skipped.
    pub known: u64,
    /// Records without a value in the cursor field that were skipped.
    pub empty: u64,
    /// Records above the upper bound. They were handed on, do not move the watermark, and come again.
    pub future: u64,
}

impl WindowReport {
    /// A window of everything in which nothing was.
    pub fn new(field: impl Into<String>) -> Self {
        WindowReport {
            field: field.into(),
            from: None,
            to: None,
            upper_bound: None,
            watermark: None,
            outside: 0,
            known: 0,
            empty: 0,
            future: 0,
        }
    }
}

fn as_text<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&error.as_ref().map(ToString::to_string).unwrap_or_default())
}

/// Where a run's time went, in seconds of wall clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Timings {
    /// Checking the job, opening destinations, building lookups.
    pub open: f64,
    /// Waiting for the next mapped batch: reading, decoding, mapping.
    pub read: f64,
    /// Writing batches and rejects.
    pub write: f64,
    /// Resolving self lookups and committing.
    pub finish: f64,
}

/// What a run did to one destination.
///
/// The conservation law holds: `read = inserted + updated + unchanged + deleted + filtered +
/// superseded + skipped + rejected + pending`, and `pending` is 0 at the end of a run that was not cut short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DestinationReport {
    /// The object.
    pub name: String,
    /// Records read from the source.
    pub read: u64,
    /// Records made.
    pub inserted: u64,
    /// Records changed.
    pub updated: u64,
    /// Records that had these values already.
    pub unchanged: u64,
    /// Records deleted.
    pub deleted: u64,
    /// Rows that the dataset's filter or this mapping's own left out.
    pub filtered: u64,
    /// Rows whose place a later row of the same key took.
    pub superseded: u64,
    /// Rows left out by policy: updates and deletes of records that do not exist, ignored deletes, and what an incremental
    /// job [knows already](WindowReport).
    pub skipped: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Rows held back, or of which nobody knows what became when the run broke off.
    pub pending: u64,
    /// Records that a mirror deleted; no row was read for them, so they are not in the law.
    pub removed: u64,
    /// Records that a mirror would have deleted, had no record been rejected.
    pub spared: u64,
    /// The rejected rows by reason.
    #[serde(serialize_with = "by_code")]
    pub rejects: BTreeMap<Reason, u64>,
    /// For each field with a lookup, over the rows that were written, in their final state.
    pub lookups: IndexMap<String, LookupCounts>,
    /// Bytes that the indexes of its lookups hold.
    pub lookup_bytes: u64,
    /// Commit groups closed.
    pub groups: u64,
    /// Whether everything that was written survives a crash.
    pub durable: bool,
}

fn by_code<S: Serializer>(
    rejects: &BTreeMap<Reason, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rejects.iter().map(|(reason, count)| (reason.code(), count)))
}

/// What a lookup came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LookupCounts {
    /// One record matched.
    pub resolved: u64,
    /// None did.
    pub unresolved: u64,
    /// Several did.
    pub ambiguous: u64,
    /// A part of the key is null.
    pub empty: u64,
}

impl DestinationReport {
    /// A destination that has seen nothing yet, with lookups in these fields.
    pub fn new(name: impl Into<String>, lookup_fields: impl IntoIterator<Item = String>) -> Self {
        DestinationReport {
            name: name.into(),
            read: 0,
            inserted: 0,
            updated: 0,
            unchanged: 0,
            deleted: 0,
            filtered: 0,
            superseded: 0,
            skipped: 0,
            rejected: 0,
            pending: 0,
            removed: 0,
            spared: 0,
            rejects: BTreeMap::new(),
            lookups: lookup_fields
                .into_iter()
                .map(|field| (field, LookupCounts::default()))
                .collect(),
            lookup_bytes: 0,
            groups: 0,
            durable: false,
        }
    }

    pub(super) fn reject(&mut self, reason: Reason, count: u64) {
        self.rejected += count;
        *self.rejects.entry(reason).or_default() += count;
    }

    /// Records whose fate is known.
    pub(super) fn fates(&self) -> u64 {
        self.inserted
            + self.updated
            + self.unchanged
            + self.deleted
            + self.filtered
            + self.superseded
            + self.skipped
            + self.rejected
            + self.pending
    }

    /// Checks the conservation law.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) with both sides of the equation.
    pub fn check(&self) -> Result<()> {
        let fates = self.fates();
        if self.read == fates && self.rejected == self.rejects.values().sum::<u64>() {
            return Ok(());
        }
        Err(Error::contract(
            "the destination's answers do not account for every record that was read",
        )
        .with("destination", &self.name)
        .with("read", self.read)
        .with("accounted for", fates))
    }

    /// The same; nothing may be pending any more.
    pub(super) fn check_at_end(&self) -> Result<()> {
        if self.pending > 0 {
            return Err(
                Error::contract("rows are still held back at the end of the run")
                    .with("destination", &self.name),
            );
        }
        self.check()
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dry = if self.dry_run { " (dry run)" } else { "" };
        let seconds = (self.finished_at - self.started_at).as_seconds_f64();
        writeln!(
            f,
            "{}{dry}: {}, {} records in {seconds:.2} s ({} per second)",
            self.job,
            self.outcome.word(),
            self.records,
            self.records_per_second
        )?;
        if let Some(window) = &self.window {
            write!(f, "{window}")?;
        }
        for change in self.drift.iter().flat_map(|drift| &drift.changes) {
            writeln!(f, "  the source has changed: {change}")?;
        }
        if let Outcome::Paused { until } = self.outcome {
            writeln!(
                f,
                "  until {}",
                until.to_rfc3339_opts(SecondsFormat::Secs, true)
            )?;
        }
        for destination in &self.destinations {
            write!(f, "{destination}")?;
        }
        if self.retries > 0 {
            writeln!(f, "  tried again {} times", self.retries)?;
        }
        for error in self.paused_by.iter().chain(&self.failure) {
            writeln!(f, "  {error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for WindowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  by {}", self.field)?;
        let ends = [
            ("from", self.from),
            ("to", self.to),
            ("watermark", self.watermark),
        ];
        for (word, value) in ends {
            if let Some(value) = value {
                write!(f, ", {word} {value}")?;
            }
        }
        writeln!(f)?;
        let counts = [
            ("outside", self.outside),
            ("known", self.known),
            ("empty", self.empty),
            ("future", self.future),
        ];
        for (word, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "    {word:<12} {count:>12}")?;
        }
        Ok(())
    }
}

impl fmt::Display for DestinationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}: read {}", self.name, self.read)?;
        let fates = [
            ("inserted", self.inserted),
            ("updated", self.updated),
            ("unchanged", self.unchanged),
            ("deleted", self.deleted),
            ("filtered", self.filtered),
            ("superseded", self.superseded),
            ("skipped", self.skipped),
            ("rejected", self.rejected),
            ("pending", self.pending),
            ("removed", self.removed),
            ("spared", self.spared),
        ];
        for (fate, count) in fates.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "    {fate:<12} {count:>12}")?;
        }
        for (reason, count) in &self.rejects {
            writeln!(f, "      {:<20} {count:>12}", reason.code())?;
        }
        for (field, counts) in &self.lookups {
            let LookupCounts {
                resolved,
                unresolved,
                ambiguous,
                empty,
            } = counts;
            writeln!(
                f,
                "    lookup {field}: {resolved} resolved, {unresolved} unresolved, {ambiguous} ambiguous, {empty} empty"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
