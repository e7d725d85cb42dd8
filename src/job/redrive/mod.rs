//! Refused records, sent through their job again.

mod again;
mod kept;
mod keys;
mod newer;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::Serialize;

use crate::host::{
    Context, KeptRejects, RejectKey, RejectLedger, RejectMarks, RejectRewind, RejectSegment,
};
use crate::policy::Patience;
use crate::record::{FieldType, Reject, RowOp};
use crate::spec::{
    FieldMapping, MappingSpec, RejectLimit, Rule, SourceDeletes, SyncMode, WriteMode, WriteOn,
};
use crate::{Error, ErrorKind, Result};

use again::{Again, Seen};
use kept::Kept;
use keys::{Key, Keys};
use newer::{Newer, Passed};

use super::{Outcome, RunReport, RunRequest, Start, SyncJob, guarded};

/// What sees to it that a record which was refused some time ago takes the place of no newer one.
///
/// ```
/// use syncline::job::Redrive;
///
/// let by_version = Redrive::newer("updated_at");
/// let from_source = Redrive::read_again(["id"]);
/// assert_ne!(by_version, from_source);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redrive {
    /// The records are sent as they were refused, in the order of this field of the dataset, an `integer` or `datetime` that is mapped to a
    /// field of each object and kept there as it is; and one is skipped if the object has a record of its key with a greater value there.
    /// One with the same value is taken for the same record. (A date tells nothing of two records of one day.)
    Newer {
        /// The field.
        field: String,
    },
    /// The source is read again, and all its records are sent that have the key of a refused one: as they are now.
    ReadAgain {
        /// The fields of the dataset that identify a record.
        key: Vec<String>,
    },
    /// The records are sent as they were refused. Only for jobs that insert: there nothing can be overwritten. A record that was inserted
    /// and could not be marked, as after a crash, is inserted again by the next redrive; what several destinations are to get is left.
    Inserts,
}

impl Redrive {
    /// As they were refused, unless there are newer ones by this field of the dataset.
    pub fn newer(field: impl Into<String>) -> Self {
        Redrive::Newer {
            field: field.into(),
        }
    }

    /// As the source has them now, found by these fields of the dataset.
    pub fn read_again<S: Into<String>>(key: impl IntoIterator<Item = S>) -> Self {
        Redrive::ReadAgain {
            key: key.into_iter().map(Into::into).collect(),
        }
    }
}

/// What became of refused records that were sent through their job again. Each that was found is counted once:
/// `found = resolved + stale + gone + again + left`.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct RedriveReport {
    /// Records in the ledger.
    pub found: u64,
    /// They were written, or filtered, as any record may be.
    pub resolved: u64,
    /// There was a newer record already, so they were skipped. They are resolved.
    pub stale: u64,
    /// The source has no record of their key any more. They are resolved.
    pub gone: u64,
    /// They were refused once more, and stay in the ledger with the new reason and one attempt more.
    pub again: u64,
    /// They cannot be sent, and stay as they are: they could not be split into cells, or have no key, or no value in the field that tells how
    /// new they are, or the object's record has none; they are deletes, which only the source can tell again; the source has no
    /// record of their key, and others whose key could not be read; or all destinations of a job of several inserts are to get
    /// them. So do all those of a run that did not come to its end.
    pub left: u64,
    /// The runs: one for records that no destination had seen, and one for each destination that refused some.
    pub runs: Vec<RunReport>,
}

impl RedriveReport {
    /// Whether each run came to its end.
    pub fn ended(&self) -> bool {
        let ended = |run: &RunReport| match run.outcome {
            Outcome::Success | Outcome::PartialSuccess => true,
            // All were refused once more.
            Outcome::Failed => run.failure.is_none(),
            Outcome::Cancelled | Outcome::Paused { .. } => false,
        };
        self.runs.iter().all(ended)
    }
}

impl SyncJob {
    /// Sends the refused records of a ledger through the job again, after what was wrong with it, with the source or with what it looks up was
    /// mended; and marks in the ledger what became of each.
    ///
    /// The ledger is the request's. A checkpoint of the job is neither used nor moved. Where the request has a lease, it is held from the
    /// first look into the ledger to the last mark, and it should have one: a redrive beside a run of the job can write an older
    /// record over a newer one, and two at a time send the same records.
    ///
    /// What breaks off is begun anew by the next redrive: marks are made when a run has come to its end, and a record that was
    /// written and not marked is written again: by its key, unless the job inserts. A dry run marks nothing.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if nothing keeps an older record from overwriting a newer one, with what would;
    /// [`Unsupported`](ErrorKind::Unsupported) if the ledger does not give its records back; those of planning the job.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use syncline::host::Context;
    /// use syncline::job::{Job, Redrive, RunRequest, SyncJob};
    /// use syncline::memory::{MemoryConnection, MemoryDataset, MemoryRejects};
    /// use syncline::record::{Field, FieldType, RecordBuilder, Schema};
    /// use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
    ///
    /// let fields = |seats| vec![Field::new("name", FieldType::Text), Field::new("seats", seats)];
    /// let mut rows = RecordBuilder::new(&Schema::new(fields(FieldType::Text)));
    /// rows.push(&serde_json::json!({"name": "Egret", "seats": "12"})).unwrap();
    /// rows.push(&serde_json::json!({"name": "Crane", "seats": "2.5"})).unwrap();
    /// let usage = Arc::new(MemoryDataset::new("usage", Schema::new(fields(FieldType::Text)), vec![rows.finish()?])?);
    /// let job = |home: &MemoryConnection| {
    ///     let mapping = MappingSpec::new(["name", "seats"].map(|name| FieldMapping::direct(name, name)).to_vec());
    ///     let company = DestinationSpec::new("company", WriteMode::upsert(["name"]), mapping);
    ///     SyncJob::new("usage", usage.clone()).to(Arc::new(home.clone()), company)
    /// };
    /// let ledger = Arc::new(MemoryRejects::new());
    /// let whole = MemoryConnection::new("home").with_object(&ObjectSpec::new("company", Identity::Generated, fields(FieldType::Integer)))?;
    /// job(&whole).run(&Context::new(), RunRequest::new(ledger.clone())).await?;
    /// assert_eq!(ledger.all().len(), 1);
    ///
    /// // Somebody sees that there are halves.
    /// let halves = FieldType::Decimal { precision: 9, scale: 1 };
    /// let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("company", Identity::Generated, fields(halves)))?;
    /// let report = job(&home).redrive(&Context::new(), RunRequest::new(ledger.clone()), &Redrive::read_again(["name"])).await?;
    /// assert_eq!((report.found, report.resolved), (1, 1));
    /// assert!(ledger.all().is_empty());
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn redrive(
        &self,
        context: &Context,
        mut request: RunRequest,
        by: &Redrive,
    ) -> Result<RedriveReport> {
        request.job_version = Some(self.version().into());
        request.start = Start::Over;
        request.range = None;
        request.redrives = true;
        let settled = self.settle()?;
        let mut job = settled.job;
        job.sync = SyncMode::Full;
        // Records that were refused before may well be refused again: that is no sign that the source has gone bad.
        job.reject_limit = RejectLimit::none();
        for target in &mut job.targets {
            // It knows only those that are sent.
            if matches!(target.spec.deletes, SourceDeletes::Mirror { .. }) {
                target.spec.deletes = SourceDeletes::Ignore;
            }
        }
        // From the list to the marks: two at a time would send the same records.
        let redriven = guarded::hold(
            &job,
            context,
            request,
            |job, request, patience| async move {
                job.redrive_held(context, &request, by, &patience).await
            },
        );
        redriven.await.map_err(|error| error.during("redrive"))
    }

    /// Does it, with patience and under the lease.
    async fn redrive_held(
        self,
        context: &Context,
        request: &RunRequest,
        by: &Redrive,
        patience: &Patience,
    ) -> Result<RedriveReport> {
        self.plan(context).await?;
        let names = self.check_redrive(context, by).await?;
        let mut stages: Vec<Option<&Arc<str>>> = vec![None];
        for name in &names {
            if !stages.contains(&Some(name)) {
                stages.push(Some(name));
            }
        }
        let mut report = RedriveReport::default();
        // What no destination saw goes to all of them, and as the job does it, before what one alone refused.
        for stage in stages {
            let kept = request.rejects.list(stage.map(|name| &**name)).await?;
            let entries = Entry::all(&kept);
            if entries.is_empty() {
                continue;
            }
            report.found += entries.len() as u64;
            let mut job = self.clone();
            if let Some(stage) = stage {
                let mut name = names.iter();
                job.targets.retain(|_| name.next() == Some(stage));
            } else if *by == Redrive::Inserts && job.targets.len() > 1 {
                // One that only some of them refuse would be inserted into the others again by the next redrive.
                report.left += entries.len() as u64;
                continue;
            }
            let marks = job
                .try_again(context, request, by, &entries, patience, &mut report)
                .await?;
            let Some(marks) = marks else {
                report.left += entries.len() as u64;
                break;
            };
            if !request.dry_run {
                let stage = stage.map(|name| &**name);
                request.rejects.mark(stage, &marks).await?;
            }
        }
        Ok(report)
    }

    /// Whether nothing older can overwrite anything newer, with the names of the destinations.
    async fn check_redrive(&self, context: &Context, by: &Redrive) -> Result<Vec<Arc<str>>> {
        let wrong = |message: &'static str| {
            Error::new(ErrorKind::Invalid, message).with("job", &self.info.name)
        };
        let reads_again = matches!(by, Redrive::ReadAgain { .. });
        if reads_again && !self.dataset.info().replayable {
            return Err(wrong(
                "the source gives each record once, so it cannot be read again; redrive by `newer`",
            ));
        }
        let mut names: Vec<Arc<str>> = Vec::new();
        for target in &self.targets {
            let inserts = target.spec.mode == WriteMode::Insert;
            let connection = &target.connection;
            let destination = connection.destination(context, &target.spec.object).await?;
            let can = destination.info().capabilities;
            let name: Arc<str> = destination.info().name.as_str().into();
            match by {
                Redrive::Inserts if !inserts => {
                    return Err(wrong(
                        "a destination updates records, and an older one could take the place of a newer one; redrive by `newer` or `read_again`",
                    ));
                }
                Redrive::Inserts if can.dedups_groups => {
                    return Err(wrong(
                        "a destination keeps commit groups by number, and those of a redrive would take the places of others; read its source into another object",
                    ));
                }
                Redrive::Inserts if names.contains(&name) => {
                    return Err(wrong(
                        "two destinations have the same name, and which of them refused a record is not known; give each job one of them",
                    ));
                }
                Redrive::ReadAgain { .. } if inserts => {
                    return Err(wrong(
                        "a destination inserts, and records of the same key that were written would be there twice; redrive by `inserts`",
                    ));
                }
                Redrive::Newer { .. } if inserts => {
                    return Err(wrong(
                        "a destination inserts, so no record of its can be older or newer; redrive by `inserts`",
                    ));
                }
                Redrive::Newer { field } => {
                    let Some(to) = tells_newer(&target.spec.mapping, field) else {
                        return Err(wrong(
                            "the field that tells how new a record is is not mapped to the object, so nothing there tells which one is newer; map it, or redrive by `read_again`",
                        ));
                    };
                    let from = self
                        .dataset
                        .schema()
                        .field(field)
                        .map(|field| &field.field_type);
                    let there = destination.schema().field(&to.field);
                    let ordered = from
                        .zip(there)
                        .is_some_and(|(from, there)| keeps_order(from, &there.field_type));
                    if to.on != WriteOn::Always || to.lossy || !ordered {
                        return Err(wrong(
                            "the field that tells how new a record is must be mapped to an object field that always has all of it: an `integer` to an `integer` or `decimal`, a `datetime` to a `datetime`, written always, and not `lossy`; map it so, or redrive by `read_again`",
                        )
                        .with("field", field));
                    }
                }
                Redrive::ReadAgain { .. } | Redrive::Inserts => {}
            }
            names.push(name);
        }
        Ok(names)
    }

    /// Sends what was refused for one destination, or in front of all, and tells what became of each; `None` if the run did not come to its
    /// end.
    async fn try_again(
        mut self,
        context: &Context,
        request: &RunRequest,
        by: &Redrive,
        entries: &[Entry],
        patience: &Patience,
        report: &mut RedriveReport,
    ) -> Result<Option<RejectMarks>> {
        let source = Arc::clone(&self.dataset);
        let columns = Arc::clone(&source.info().columns);
        let passed = Passed::default();
        let sent = match by {
            Redrive::Newer { field } => {
                let kept = Kept::new(&source, entries, Some(field))?;
                let sent = Sent::AsKept(kept.given());
                self.dataset = Arc::new(kept);
                for target in &mut self.targets {
                    if let Some(to) = tells_newer(&target.spec.mapping, field) {
                        let connection = Arc::clone(&target.connection);
                        let passed = Arc::clone(&passed);
                        target.connection = Arc::new(Newer::new(connection, &to.field, passed));
                    }
                }
                sent
            }
            Redrive::Inserts => {
                let kept = Kept::new(&source, entries, None)?;
                let sent = Sent::AsKept(kept.given());
                self.dataset = Arc::new(kept);
                sent
            }
            Redrive::ReadAgain { key } => {
                let keys = Keys::new(&*source, key)?;
                let of_entries = keys.of_entries(entries)?;
                let again = Again::new(source, keys.clone(), &of_entries);
                let seen = again.seen();
                self.dataset = Arc::new(again);
                Sent::ByKey {
                    keys,
                    of_entries,
                    seen,
                }
            }
        };
        let captured = Arc::new(Captured::default());
        let mut inner = request.clone();
        inner.rejects = Arc::clone(&captured) as _;
        let before = patience.retries();
        let mut ended = guarded::run_once(&self, context, inner).await?;
        ended.retries = patience.retries().saturating_sub(before);
        report.runs.push(ended);
        if !report.ended() {
            return Ok(None);
        }
        let refused = sent.refused(captured.take())?;
        let passed = std::mem::take(&mut *lock(&passed));
        let mut marks = RejectMarks::new(request.job_version.clone());
        for (number, entry) in entries.iter().enumerate() {
            let number = number as u64;
            let fate = match refused.get(&number) {
                Some(_) => Fate::Again,
                None if passed.unknown.contains(&number) => Fate::Left,
                None => match sent.fate(number, entry) {
                    Fate::Resolved if passed.stale.contains(&number) => Fate::Stale,
                    fate => fate,
                },
            };
            let count = match fate {
                Fate::Resolved => &mut report.resolved,
                Fate::Stale => &mut report.stale,
                Fate::Gone => &mut report.gone,
                Fate::Again => &mut report.again,
                Fate::Left => &mut report.left,
            };
            *count += 1;
            if fate != Fate::Left {
                let again = refused
                    .get(&number)
                    .map(|again| entry.once_more(again, &columns));
                marks.by_key.insert(entry.key.clone(), again);
            }
        }
        Ok(Some(marks))
    }
}

/// The rule that carries the field which tells how new a record is.
fn tells_newer<'a>(mapping: &'a MappingSpec, field: &str) -> Option<&'a FieldMapping> {
    let mut rules = mapping.fields.iter();
    rules.find(|to| matches!(&to.rule, Rule::From(from) if from == field))
}

/// Whether of two values the greater one is so at the object too, and no two become one.
fn keeps_order(from: &FieldType, to: &FieldType) -> bool {
    match from {
        FieldType::Integer => matches!(to, FieldType::Integer | FieldType::Decimal { .. }),
        FieldType::DateTime => *to == FieldType::DateTime,
        _ => false,
    }
}

/// What becomes of a refused record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Resolved,
    Stale,
    Gone,
    Again,
    Left,
}

/// A refused record that is to be sent.
struct Entry {
    key: RejectKey,
    columns: Arc<[String]>,
    reject: Reject,
}

impl Entry {
    fn all(kept: &[KeptRejects]) -> Vec<Entry> {
        let all = kept.iter().flat_map(|kept| {
            kept.rejects.iter().map(|reject| Entry {
                key: RejectKey::new(Arc::clone(&kept.place), reject),
                columns: Arc::clone(&kept.columns),
                reject: reject.clone(),
            })
        });
        all.collect()
    }

    fn is_delete(&self) -> bool {
        self.reject.op == RowOp::Delete
    }

    /// The same record, refused once more for this reason. Its cells are those of now where the ledger has the columns of now.
    fn once_more(&self, again: &Reject, columns: &Arc<[String]>) -> Reject {
        let mut reject = again.clone().after(self.reject.attempts.saturating_add(1));
        reject.position = self.reject.position.clone();
        if self.columns != *columns {
            reject.raw = self.reject.raw.clone();
        }
        reject
    }
}

/// How the entries were sent, by number.
enum Sent {
    /// As they were kept: those with these numbers.
    AsKept(Arc<Mutex<HashSet<u64>>>),
    /// What the source has of their keys.
    ByKey {
        keys: Keys,
        of_entries: Vec<Option<Key>>,
        seen: Arc<Mutex<Seen>>,
    },
}

impl Sent {
    /// What was refused once more. A record that several destinations refused is refused once more if any of them did.
    fn refused(&self, segments: Vec<RejectSegment>) -> Result<HashMap<u64, Reject>> {
        let rejects = segments.into_iter().flat_map(|segment| {
            let columns = segment.columns;
            let rejects = segment.rejects.into_iter();
            rejects.map(move |reject| (Arc::clone(&columns), reject))
        });
        match self {
            Sent::AsKept(_) => Ok(rejects
                .map(|(_, reject)| (reject.position.record, reject))
                .collect()),
            Sent::ByKey {
                keys, of_entries, ..
            } => {
                let mut by_key: HashMap<Key, Reject> = HashMap::new();
                for (columns, reject) in rejects {
                    if let Some(key) = keys.of_reject(&columns, &reject)? {
                        by_key.insert(key, reject);
                    }
                }
                let refused = |(number, key): (usize, &Option<Key>)| {
                    let reject = by_key.get(key.as_ref()?)?;
                    Some((number as u64, reject.clone()))
                };
                Ok(of_entries.iter().enumerate().filter_map(refused).collect())
            }
        }
    }

    /// What became of an entry that was not refused.
    fn fate(&self, number: u64, entry: &Entry) -> Fate {
        match self {
            Sent::AsKept(given) => match lock(given).contains(&number) {
                true => Fate::Resolved,
                false => Fate::Left,
            },
            Sent::ByKey {
                of_entries, seen, ..
            } => {
                let seen = lock(seen);
                match of_entries.get(number as usize) {
                    Some(Some(key)) if seen.keys.contains(key) => Fate::Resolved,
                    // It may be one that could not be read, and a delete is done only if the source tells it again.
                    Some(Some(_)) if !seen.unread && !entry.is_delete() => Fate::Gone,
                    _ => Fate::Left,
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what is refused once more, to compare it with what was.
#[derive(Debug, Default)]
struct Captured(Mutex<Vec<RejectSegment>>);

impl Captured {
    fn take(&self) -> Vec<RejectSegment> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl RejectLedger for Captured {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        let mut segments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        segments.push(segment);
        Ok(())
    }

    async fn seal(&self) -> Result<()> {
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// Nothing was appended yet.
    async fn rewind(&self, _: &RejectRewind) -> Result<()> {
        Ok(())
    }
}
