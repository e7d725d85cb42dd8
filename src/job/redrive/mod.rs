//! Refused records, sent through their job again.

mod again;
mod kept;
mod keys;
mod newer;
mod sent;

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use crate::host::{Context, RejectMarks};
use crate::policy::Patience;
use crate::record::FieldType;
use crate::spec::{
    FieldMapping, MappingSpec, RejectLimit, Rule, SourceDeletes, SyncMode, WriteMode, WriteOn,
};
use crate::{Error, ErrorKind, Result};

use again::Again;
use kept::Kept;
use keys::Keys;
use newer::{Newer, Passed};
use sent::{Captured, Entry, Fate, Sent, lock};

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
    /// and could not be marked, as after a crash, is inserted again by the next redrive.
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
    /// They were refused once more, and stay in the ledger with the new reason and one attempt more. What was refused in front of all
    /// destinations, and now by some of them alone, is kept for these.
    pub again: u64,
    /// They cannot be sent, and stay as they are: they could not be split into cells, or have no key, or no value in the field that tells how
    /// new they are, or the object's record has none; they are deletes, which only the source can tell again; or the
    /// source has no record of their key, and others whose key could not be read. So do all those of a run that did not come to its end, and
    /// of those behind it.
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
                let sending = Sending {
                    context,
                    request: &request,
                    by,
                    patience: &patience,
                };
                job.redrive_held(&sending).await
            },
        );
        redriven.await.map_err(|error| error.during("redrive"))
    }

    /// Does it, with patience and under the lease.
    async fn redrive_held(self, sending: &Sending<'_>) -> Result<RedriveReport> {
        let Sending {
            context,
            request,
            by,
            ..
        } = *sending;
        self.plan(context).await?;
        let names = self.check_redrive(context, by).await?;
        let mut stages: Vec<Option<&Arc<str>>> = vec![None];
        for name in &names {
            if !stages.contains(&Some(name)) {
                stages.push(Some(name));
            }
        }
        let mut report = RedriveReport::default();
        // All are listed first: what is told apart at the first stage was sent already.
        let mut all: Vec<Vec<Entry>> = Vec::new();
        for stage in &stages {
            let kept = request.rejects.list(stage.map(|name| &**name)).await?;
            let entries = Entry::all(&kept);
            report.found += entries.len() as u64;
            all.push(entries);
        }
        let destinations = names.iter().collect::<HashSet<_>>().len();
        let mut ended = true;
        // What no destination saw goes to all of them, and as the job does it, before what one alone refused.
        for (stage, entries) in stages.into_iter().zip(all) {
            if entries.is_empty() {
                continue;
            }
            if !ended {
                report.left += entries.len() as u64;
                continue;
            }
            let mut job = self.clone();
            if let Some(stage) = stage {
                let mut name = names.iter();
                job.targets.retain(|_| name.next() == Some(stage));
            }
            let sent_to = match stage {
                Some(_) => 1,
                None => destinations,
            };
            let marks = job.try_again(sending, &entries, sent_to, &mut report);
            let marks = marks.await?;
            let Some(marks) = marks else {
                report.left += entries.len() as u64;
                ended = false;
                continue;
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

    /// Sends what was refused for one destination, or in front of all, to so many, and tells what became of each; `None` if the run did not
    /// come to its end.
    async fn try_again(
        mut self,
        sending: &Sending<'_>,
        entries: &[Entry],
        sent_to: usize,
        report: &mut RedriveReport,
    ) -> Result<Option<RejectMarks>> {
        let Sending {
            context,
            request,
            by,
            patience,
        } = *sending;
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
        let mut refused = sent.refused(captured.take())?;
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
            if fate == Fate::Left {
                continue;
            }
            let refused = refused.remove(&number).unwrap_or_default();
            // To be sent to all again is wrong for those that have it now. Where that is not known it is sent under a guard.
            let some_have_it = (1..sent_to).contains(&refused.len())
                && !refused.contains_key(&None)
                && !passed.unknown.contains(&number);
            let mut again = refused
                .into_iter()
                .map(|(by, reject)| (by, entry.once_more(reject, &columns)));
            let key = entry.key.clone();
            if some_have_it {
                let again = again.filter_map(|(by, reject)| Some((by?, reject)));
                marks.apart.insert(key, again.collect());
            } else {
                marks
                    .by_key
                    .insert(key, again.next().map(|(_, reject)| reject));
            }
        }
        Ok(Some(marks))
    }
}

/// What all stages of a redrive have in common.
struct Sending<'a> {
    context: &'a Context,
    request: &'a RunRequest,
    by: &'a Redrive,
    patience: &'a Patience,
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
