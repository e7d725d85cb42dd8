//! Incremental sync: which records a run reads, and how far later runs may count on what it read.
//!
//! A run reads one *window*: from the watermark less the overlap, that value included. The window is fixed when it begins,
//! and so is its upper bound, the source's time; a run that breaks off is gone on with in the same window. The watermark moves
//! when the whole window is safe, to the greatest value that came, and never above the upper bound: a record that could not be
//! read yet when the window began has, by the meaning of the overlap, no value below that. Within a window the source's own
//! cursors say how far the job has come, so no order of its records is asked for.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, ReadBounds};
use crate::error::Problem;
use crate::host::{Bug, Context};
use crate::record::key::KeyColumn;
use crate::record::{Batch, CursorValue, FieldType, Reason, Refusal, Reject, RowOp, Schema};
use crate::spec::{Incremental, NullCursor, Overlap};
use crate::{Error, ErrorKind, Result};

use super::CursorRange;
use super::checkpoint::Checkpoints;
use super::recent::{Recent, Version};
use super::report::WindowReport;

/// The type of a cursor field. Values are counted in its unit: steps, days, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Integer,
    Date,
    DateTime,
}

impl Kind {
    fn of(field_type: &FieldType) -> Option<Self> {
        match field_type {
            FieldType::Integer => Some(Kind::Integer),
            FieldType::Date => Some(Kind::Date),
            FieldType::DateTime => Some(Kind::DateTime),
            _ => None,
        }
    }

    /// `None` beyond what a date can say.
    fn value(self, units: i64) -> Option<CursorValue> {
        match self {
            Kind::Integer => Some(CursorValue::Integer(units)),
            Kind::Date => {
                let epoch = DateTime::UNIX_EPOCH.date_naive();
                let date = epoch.checked_add_signed(TimeDelta::try_days(units)?);
                date.map(CursorValue::Date)
            }
            Kind::DateTime => DateTime::from_timestamp_micros(units).map(CursorValue::DateTime),
        }
    }

    /// `None` for a value of another type.
    fn units(self, value: CursorValue) -> Option<i64> {
        match (self, value) {
            (Kind::Integer, CursorValue::Integer(value)) => Some(value),
            (Kind::Date, CursorValue::Date(value)) => Some(days(value)),
            (Kind::DateTime, CursorValue::DateTime(value)) => Some(value.timestamp_micros()),
            _ => None,
        }
    }

    /// What a clock shows; numbers have none.
    fn now(self, now: DateTime<Utc>) -> Option<i64> {
        match self {
            Kind::Integer => None,
            Kind::Date => Some(days(now.date_naive())),
            Kind::DateTime => Some(now.timestamp_micros()),
        }
    }
}

fn days(date: NaiveDate) -> i64 {
    (date - DateTime::UNIX_EPOCH.date_naive()).num_days()
}

/// What a job knows of its cursor field.
#[derive(Debug)]
pub(super) struct IncrementalPlan {
    spec: Incremental,
    kind: Kind,
    /// In units.
    overlap: i64,
    most: usize,
}

impl IncrementalPlan {
    pub(super) fn compile(
        spec: &Incremental,
        schema: &Schema,
        path: &str,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut problem = |below: &str, message: String| {
            problems.push(Problem::new(format!("{path}.incremental{below}"), message));
        };
        let kind = match schema.field(&spec.field) {
            None => {
                problem(
                    ".field",
                    format!("the dataset has no field `{}`", spec.field),
                );
                None
            }
            Some(field) => {
                let kind = Kind::of(&field.field_type);
                if kind.is_none() {
                    let hint = match field.field_type {
                        FieldType::LocalDateTime => {
                            "; a wall clock goes back each autumn, so read it as `datetime`, with its zone"
                        }
                        _ => "",
                    };
                    let message = format!(
                        "a cursor field is an `integer`, a `date` or a `datetime`, and `{}` is `{}`{hint}",
                        field.name, field.field_type
                    );
                    problem(".field", message);
                }
                kind
            }
        };
        for (i, name) in spec.key.iter().enumerate() {
            if schema.field(name).is_none() {
                problem(
                    &format!(".key[{i}]"),
                    format!("the dataset has no field `{name}`"),
                );
            }
        }
        let overlap = match (kind, spec.overlap) {
            (None, _) | (_, None) => 0,
            (Some(Kind::DateTime), Some(Overlap::Seconds(seconds))) => {
                i64::from(seconds) * 1_000_000
            }
            (Some(Kind::Date), Some(Overlap::Days(days))) => i64::from(days),
            (Some(Kind::Integer), Some(Overlap::Steps(steps))) => i64::from(steps),
            _ => {
                let message = "an overlap is in `seconds` of a `datetime`, `days` of a `date`, `steps` of an `integer`";
                problem(".overlap", message.into());
                0
            }
        };
        match kind.filter(|_| problems.is_empty()) {
            Some(kind) => Ok(IncrementalPlan {
                spec: spec.clone(),
                kind,
                overlap,
                most: spec.remember as usize,
            }),
            None => Err(problems),
        }
    }

    /// Where a window begins behind this watermark.
    fn from(&self, watermark: Option<i64>) -> Option<i64> {
        let overlap = match Bug::OverlapIgnored.is_on() {
            true => 0,
            false => self.overlap,
        };
        watermark.map(|watermark| watermark.saturating_sub(overlap))
    }
}

impl std::fmt::Display for IncrementalPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let spec = &self.spec;
        write!(f, "what is new by `{}`, ", spec.field)?;
        match spec.overlap {
            Some(Overlap::Seconds(count)) => write!(f, "{count} seconds again")?,
            Some(Overlap::Days(count)) => write!(f, "{count} days again")?,
            Some(Overlap::Steps(count)) => write!(f, "{count} steps again")?,
            None => write!(f, "nothing again but the newest value")?,
        }
        match spec.key.is_empty() {
            true => write!(f, ", all of which is written again"),
            false => write!(f, ", known by ({})", spec.key.join(", ")),
        }
    }
}

/// What a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    /// The least value, itself included.
    from: Option<i64>,
    /// The end, itself left out.
    to: Option<i64>,
    /// The source's time when the window began.
    upper: Option<i64>,
}

impl Window {
    /// The least value that is wanted, itself included.
    fn least(self) -> Option<i64> {
        match Bug::OpenLowerBound.is_on() {
            true => self.from.map(|from| from.saturating_add(1)),
            false => self.from,
        }
    }
}

/// What became of records that were not handed on, and which of the others are from the future.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    outside: u64,
    known: u64,
    empty: u64,
    future: u64,
}

/// How far an incremental job has come: a part of its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    field: String,
    kind: Kind,
    /// What the windows before came to.
    watermark: Option<i64>,
    /// The window that is being read, or was.
    window: Option<Window>,
    /// The greatest value in it so far that may become the watermark.
    newest: Option<i64>,
    counts: Counts,
    recent: Recent,
}

impl Progress {
    /// The window is over, read to its end or given up: what the next one begins with.
    pub(super) fn next(mut self, ended: bool) -> Self {
        if ended {
            self.watermark = self.reached();
        } else {
            // What was handed on since is not in it.
            self.recent.clear();
        }
        self.window = None;
        self.newest = None;
        self.counts = Counts::default();
        self
    }

    /// The watermark, if the window ends here. It never goes back.
    fn reached(&self) -> Option<i64> {
        match Bug::WatermarkGoesBack.is_on() {
            true => self.newest,
            false => self.watermark.max(self.newest),
        }
    }

    /// For a destination that keeps it with the rows.
    pub(super) fn to_text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    pub(super) fn from_text(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|_| {
            let message = "the destination's checkpoint does not say how far an incremental sync has come; restore it, or refresh";
            Error::new(ErrorKind::CorruptState, message).during("resume")
        })
    }

    fn value(&self, units: Option<i64>) -> Option<CursorValue> {
        units.and_then(|units| self.kind.value(units))
    }
}

/// The window of a run.
#[derive(Debug)]
pub(super) struct Reading {
    plan: Arc<IncrementalPlan>,
    progress: Progress,
    window: Window,
    /// A stretch of the past, which has nothing to do with the watermark.
    is_range: bool,
}

impl Reading {
    /// Goes on in the window of a run that broke off, or begins a new one. `None` for a job that reads all of its source.
    pub(super) async fn begin(
        context: &Context,
        dataset: &dyn Dataset,
        plan: Option<&Arc<IncrementalPlan>>,
        range: Option<&CursorRange>,
        checkpoints: Option<&Checkpoints>,
    ) -> Result<Option<Self>> {
        let goes_on = checkpoints.is_some_and(Checkpoints::goes_on);
        let (saved, begun) = checkpoints.map(Checkpoints::progress).unwrap_or_default();
        let window = [saved, begun]
            .into_iter()
            .flatten()
            .find_map(|known| known.window);
        if goes_on && window.is_some() != plan.is_some() {
            let message = "the job's last run broke off in another sync mode; bring that one back, or start over";
            return Err(Error::new(ErrorKind::OtherLineage, message).during("resume"));
        }
        let Some(plan) = plan else {
            return Ok(None);
        };
        let (field, kind) = (&plan.spec.field, plan.kind);
        let other = |known: &&Progress| known.field != *field || known.kind != kind;
        if [saved, begun].iter().flatten().any(other) {
            let message =
                "the saved watermark is of another cursor field; bring that one back, or refresh";
            return Err(Error::new(ErrorKind::OtherLineage, message)
                .during("resume")
                .with("field", field));
        }
        let mut progress = match saved {
            Some(saved) => saved.clone(),
            None => Progress {
                field: field.clone(),
                kind,
                watermark: None,
                window: None,
                newest: None,
                counts: Counts::default(),
                recent: Recent::new(seeds(context)),
            },
        };
        let window = match window.filter(|_| !Bug::WindowAnew.is_on()) {
            Some(window) => window,
            None => match range {
                Some(range) => Window {
                    from: units(kind, range.from, "range")?,
                    to: units(kind, range.to, "range")?,
                    upper: None,
                },
                None => Window {
                    from: plan.from(progress.watermark),
                    to: None,
                    upper: upper(context, dataset, plan).await?,
                },
            },
        };
        progress.window = Some(window);
        Ok(Some(Reading {
            plan: Arc::clone(plan),
            progress,
            window,
            is_range: range.is_some() && !Bug::RangeMovesWatermark.is_on(),
        }))
    }

    /// What the source is asked for.
    pub(super) fn bounds(&self) -> ReadBounds {
        let value = |units: Option<i64>| self.progress.value(units);
        let bounds = ReadBounds::new(&self.plan.spec.field)
            .with_key(&self.plan.spec.key)
            .between(value(self.window.least()), value(self.window.to));
        match self.is_range || self.plan.spec.nulls == NullCursor::Skip {
            true => bounds.without_nulls(),
            false => bounds,
        }
    }

    /// Looks at what the source gives, from here on.
    pub(super) fn admission(&self) -> Admission {
        Admission {
            plan: Arc::clone(&self.plan),
            window: self.window,
            is_range: self.is_range,
            watermark: self.progress.watermark,
            newest: self.progress.newest,
            recent: self.progress.recent.clone(),
        }
    }

    /// The records of a batch were handed on, and will be safe with the group that is open.
    pub(super) fn take(&mut self, seen: &Seen) {
        let Progress { newest, counts, .. } = &mut self.progress;
        *newest = (*newest).max(seen.newest);
        counts.outside += seen.counts.outside;
        counts.known += seen.counts.known;
        counts.empty += seen.counts.empty;
        counts.future += seen.counts.future;
        let floor = self.floor();
        for &version in &seen.versions {
            self.progress.recent.put(version, floor, self.plan.most);
        }
    }

    /// What the next window asks for at least.
    fn floor(&self) -> i64 {
        let reached = self.progress.watermark.max(self.progress.newest);
        reached.map_or(i64::MIN, |reached| {
            reached.saturating_sub(self.plan.overlap)
        })
    }

    /// What is saved with the border of a group.
    pub(super) fn progress(&mut self) -> Progress {
        let floor = self.floor();
        self.progress.recent.trim(floor, self.plan.most);
        self.progress.clone()
    }

    /// `ended`: the whole window is safe.
    pub(super) fn report(&self, ended: bool) -> WindowReport {
        let progress = &self.progress;
        let watermark = match ended {
            true => progress.reached(),
            false => progress.watermark,
        };
        let Counts {
            outside,
            known,
            empty,
            future,
        } = progress.counts;
        WindowReport {
            field: progress.field.clone(),
            from: progress.value(self.window.from),
            to: progress.value(self.window.to),
            upper_bound: progress.value(self.window.upper),
            watermark: progress.value(watermark),
            outside,
            known,
            empty,
            future,
        }
    }
}

/// The source's time, or ours less what it may be ahead.
async fn upper(
    context: &Context,
    dataset: &dyn Dataset,
    plan: &IncrementalPlan,
) -> Result<Option<i64>> {
    let told = dataset.upper_bound(context, &plan.spec.field).await?;
    let told = units(plan.kind, told, "upper bound")?;
    let skew = TimeDelta::seconds(i64::from(plan.spec.clock_skew));
    let ours = context.clock().now().checked_sub_signed(skew);
    Ok(told.or_else(|| plan.kind.now(ours.unwrap_or(DateTime::<Utc>::MIN_UTC))))
}

fn units(kind: Kind, value: Option<CursorValue>, what: &'static str) -> Result<Option<i64>> {
    let Some(value) = value else {
        return Ok(None);
    };
    match kind.units(value) {
        Some(units) => Ok(Some(units)),
        None => {
            let message = "a value is not of the cursor field's type";
            Err(Error::new(ErrorKind::Invalid, message).with("value", what))
        }
    }
}

fn seeds(context: &Context) -> (u64, u64) {
    let mut bytes = [[0; 8]; 2];
    bytes
        .iter_mut()
        .for_each(|bytes| context.entropy().fill(bytes));
    let [a, b] = bytes.map(u64::from_le_bytes);
    (a, b)
}

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Seen {
    newest: Option<i64>,
    counts: Counts,
    /// What was handed on.
    versions: Vec<Version>,
}

impl Seen {
    /// How many of its records no destination sees.
    pub(super) fn skipped(&self) -> u64 {
        self.counts.outside + self.counts.known + self.counts.empty
    }
}

/// Looks at batches in source order, ahead of what is safe.
#[derive(Debug)]
pub(super) struct Admission {
    plan: Arc<IncrementalPlan>,
    window: Window,
    is_range: bool,
    watermark: Option<i64>,
    newest: Option<i64>,
    recent: Recent,
}

impl Admission {
    /// Keeps the records that are to be handed on.
    pub(super) fn admit(&mut self, mut batch: Batch) -> Result<(Batch, Seen)> {
        let mut seen = Seen::default();
        let columns = Columns::of(&batch, &self.plan.spec)?;
        let mut kept = Vec::with_capacity(batch.len());
        let mut rejects = Vec::new();
        for row in 0..batch.len() {
            let Some(at) = columns.at(row) else {
                match self.plan.spec.nulls {
                    _ if self.is_range || Bug::NullCursorLost.is_on() => seen.counts.empty += 1,
                    NullCursor::Skip => seen.counts.empty += 1,
                    NullCursor::Always => kept.push(row as u32),
                    NullCursor::Reject => rejects.push(Reject::new(
                        batch.origins.position(row),
                        Refusal::new(Reason::EmptyCursor, NO_VALUE).of(&self.plan.spec.field),
                        batch.origins.raw(row),
                    )),
                }
                continue;
            };
            if !self.is_wanted(at) {
                seen.counts.outside += 1;
                continue;
            }
            if !self.is_range && self.knows(&batch, &columns, row, at, &mut seen) {
                seen.counts.known += 1;
                continue;
            }
            kept.push(row as u32);
        }
        if !rejects.is_empty() {
            batch.rejects.append(&mut rejects);
            batch.rejects.sort_by_key(|reject| reject.position.record);
        }
        if kept.len() != batch.len() {
            batch = batch.take(&kept)?;
        }
        Ok((batch, seen))
    }

    fn is_wanted(&self, at: i64) -> bool {
        let least = self.window.least();
        least.is_none_or(|least| at >= least) && self.window.to.is_none_or(|to| at < to)
    }

    /// Whether the destinations were given the record last as it is; books it in any case.
    fn knows(
        &mut self,
        batch: &Batch,
        columns: &Columns,
        row: usize,
        at: i64,
        seen: &mut Seen,
    ) -> bool {
        let is_future = self.window.upper.is_some_and(|upper| at > upper);
        seen.counts.future += u64::from(is_future);
        if !is_future || Bug::FutureMovesWatermark.is_on() {
            seen.newest = seen.newest.max(Some(at));
            self.newest = self.newest.max(Some(at));
        }
        let op = batch.ops.as_ref().and_then(|ops| ops.get(row));
        let Some(version) = columns.version(row, at, op.copied(), self.recent.seeds) else {
            return false;
        };
        if self.recent.has(version) {
            return true;
        }
        let reached = self.watermark.max(self.newest).unwrap_or(i64::MIN);
        let floor = reached.saturating_sub(self.plan.overlap);
        self.recent.put(version, floor, self.plan.most);
        seen.versions.push(version);
        false
    }
}

const NO_VALUE: &str = "the cursor field has no value, so nobody knows whether the record is new; fill it, or set `nulls` to `always` or `skip`";

/// The columns of a batch, typed.
struct Columns {
    cursor: KeyColumn,
    /// Empty if records are not known again.
    key: Vec<KeyColumn>,
    /// All, if records are known again.
    all: Vec<KeyColumn>,
}

impl Columns {
    fn of(batch: &Batch, spec: &Incremental) -> Result<Self> {
        let column = |name: &String| match batch.records.column_by_name(name) {
            Some(column) => KeyColumn::new(column),
            None => {
                Err(Error::contract("a batch lacks a field that was asked for").with("field", name))
            }
        };
        let key: Vec<KeyColumn> = spec.key.iter().map(column).collect::<Result<_>>()?;
        let all = batch.records.columns().iter().filter(|_| !key.is_empty());
        Ok(Columns {
            cursor: column(&spec.field)?,
            all: all
                .map(|column| KeyColumn::new(column))
                .collect::<Result<_>>()?,
            key,
        })
    }

    /// The value of the cursor field.
    fn at(&self, row: usize) -> Option<i64> {
        match &self.cursor {
            column if column.is_null(row) => None,
            KeyColumn::Integer(array) => Some(array.value(row)),
            KeyColumn::Date(array) => Some(i64::from(array.value(row))),
            KeyColumn::Micros(array) => Some(array.value(row)),
            _ => None,
        }
    }

    /// `None` without a key.
    fn version(
        &self,
        row: usize,
        at: i64,
        op: Option<RowOp>,
        (key, content): (u64, u64),
    ) -> Option<Version> {
        if self.key.is_empty() || self.key.iter().any(|column| column.is_null(row)) {
            return None;
        }
        let hash = |columns: &[KeyColumn], seed: u64| {
            let each = columns.iter();
            each.fold(seed, |hash, column| column.hash_with_null(row, hash))
        };
        let gone = match op {
            Some(RowOp::Delete) => 1 << 32,
            _ => 0,
        };
        // A batch of other columns is of another job.
        let content = (content.wrapping_add(self.all.len() as u64)).wrapping_add(gone);
        Some(Version {
            key: hash(&self.key, key),
            content: hash(&self.all, content),
            at,
        })
    }
}

#[cfg(test)]
mod tests;
