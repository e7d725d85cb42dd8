//! Refused records, sent through their job again.

mod again;
mod kept;
mod keys;
mod newer;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::Serialize;

use crate::host::{Context, KeptRejects, RejectLedger, RejectMarks, RejectRewind, RejectSegment};
use crate::record::Reject;
use crate::spec::{RejectLimit, Rule, SourceDeletes, SyncMode, WriteMode};
use crate::{Error, ErrorKind, Result};

use again::Again;
use kept::Kept;
use keys::{Key, Keys};
use newer::{Newer, Stale};

use super::{Job as _, Outcome, RunReport, RunRequest, Start, SyncJob};

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
    /// The records are sent as they were refused, in the order of this field of the dataset, an `integer`, `date` or `datetime` that is
    /// mapped to a field of each object; and one is skipped if the object has a record of its key with a greater value there.
    Newer {
        /// The field.
        field: String,
    },
    /// The source is read again, and all its records are sent that have the key of a refused one: as they are now.
    ReadAgain {
        /// The fields of the dataset that identify a record.
        key: Vec<String>,
    },
    /// The records are sent as they were refused. Only for jobs that insert: there nothing can be overwritten.
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
    /// They cannot be sent: they could not be split into cells, or have no key, or no value in the field that tells how new they are. They
    /// stay as they are. So do all those of a run that did not come to its end.
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
    /// The ledger is the request's. A checkpoint of the job is neither used nor moved. Where the request has a lease, it is taken, and it
    /// should be: a redrive beside a run of the job can write an older record over a newer one.
    ///
    /// What breaks off is begun anew by the next redrive: marks are made when a run has come to its end, and a record that was
    /// written and not marked is written again, by its key.
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
        request: RunRequest,
        by: &Redrive,
    ) -> Result<RedriveReport> {
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
        job.plan(context)
            .await
            .map_err(|error| error.during("redrive"))?;
        job.check_redrive(context, by).await?;
        let ledger = Arc::clone(&request.rejects);
        let mut report = RedriveReport::default();
        let names: Vec<String> = job.targets.iter().map(|t| t.spec.object.clone()).collect();
        // What no destination saw goes to all of them, and as the job does it, before what one alone refused.
        let stages = [None]
            .into_iter()
            .chain(names.iter().map(|name| Some(name.as_str())));
        for destination in stages {
            let kept = ledger.list(destination).await?;
            if kept.iter().all(|kept| kept.rejects.is_empty()) {
                continue;
            }
            let mut one = job.clone();
            if let Some(name) = destination {
                one.targets.retain(|target| target.spec.object == name);
            }
            let try_again = one.try_again(context, &request, by, destination, &kept, &mut report);
            try_again.await?;
            if !report.ended() {
                break;
            }
        }
        Ok(report)
    }

    /// Whether nothing older can overwrite anything newer.
    async fn check_redrive(&self, context: &Context, by: &Redrive) -> Result<()> {
        let refuse = |message: &'static str| {
            Err(Error::new(ErrorKind::Invalid, message)
                .during("redrive")
                .with("job", &self.info.name))
        };
        let reads_again = matches!(by, Redrive::ReadAgain { .. });
        if reads_again && !self.dataset.info().replayable {
            return refuse(
                "the source gives each record once, so it cannot be read again; redrive by `newer`",
            );
        }
        for target in &self.targets {
            let inserts = target.spec.mode == WriteMode::Insert;
            let connection = &target.connection;
            let destination = connection.destination(context, &target.spec.object).await?;
            let can = destination.info().capabilities;
            match by {
                Redrive::Inserts if !inserts => {
                    return refuse(
                        "a destination updates records, and an older one could take the place of a newer one; redrive by `newer` or `read_again`",
                    );
                }
                Redrive::Inserts if can.dedups_groups => {
                    return refuse(
                        "a destination keeps commit groups by number, and those of a redrive would take the places of others; read its source into another object",
                    );
                }
                Redrive::ReadAgain { .. } if inserts => {
                    return refuse(
                        "a destination inserts, and records of the same key that were written would be there twice; redrive by `inserts`",
                    );
                }
                Redrive::Newer { .. } if inserts => {
                    return refuse(
                        "a destination inserts, so no record of its can be older or newer; redrive by `inserts`",
                    );
                }
                Redrive::Newer { field } => {
                    let mapped = |rule: &Rule| matches!(rule, Rule::From(from) if from == field);
                    if !target.spec.mapping.fields.iter().any(|f| mapped(&f.rule)) {
                        return refuse(
                            "the field that tells how new a record is is not mapped to the object, so nothing there tells which one is newer; map it, or redrive by `read_again`",
                        );
                    }
                }
                Redrive::ReadAgain { .. } | Redrive::Inserts => {}
            }
        }
        Ok(())
    }

    /// Sends what was refused for one destination, or in front of all.
    async fn try_again(
        mut self,
        context: &Context,
        request: &RunRequest,
        by: &Redrive,
        destination: Option<&str>,
        kept: &[KeptRejects],
        report: &mut RedriveReport,
    ) -> Result<()> {
        let version = self.version();
        let source = Arc::clone(&self.dataset);
        let mut seen: Option<Arc<Mutex<HashSet<Key>>>> = None;
        let mut keys = None;
        let stale = Stale::default();
        let mut left: HashSet<String> = HashSet::new();
        match by {
            Redrive::Newer { field } => {
                let sent = Kept::new(&source, kept, Some(field))?;
                left.extend(sent.left().iter().cloned());
                self.dataset = Arc::new(sent);
                for target in &mut self.targets {
                    let mapping = &target.spec.mapping.fields;
                    let to = mapping
                        .iter()
                        .find(|to| matches!(&to.rule, Rule::From(from) if from == field));
                    if let Some(to) = to {
                        let connection = Arc::clone(&target.connection);
                        let stale = Arc::clone(&stale);
                        target.connection = Arc::new(Newer::new(connection, &to.field, stale));
                    }
                }
            }
            Redrive::Inserts => {
                let sent = Kept::new(&source, kept, None)?;
                left.extend(sent.left().iter().cloned());
                self.dataset = Arc::new(sent);
            }
            Redrive::ReadAgain { key } => {
                let by_key = Keys::new(&*source, key)?;
                let found = by_key.of_rejects(kept)?;
                left.extend(found.left.iter().cloned());
                let wanted: HashSet<Key> = found.by_position.values().cloned().collect();
                let again = Again::new(source, by_key.clone(), wanted);
                seen = Some(again.seen());
                self.dataset = Arc::new(again);
                keys = Some((by_key, found.by_position));
            }
        }
        let captured = Arc::new(Captured::default());
        let mut inner = request.clone();
        inner.rejects = Arc::clone(&captured) as _;
        inner.start = Start::Over;
        inner.range = None;
        inner.redrives = true;
        let run = self.run(context, inner).await?;
        report.runs.push(run);
        let found: Vec<&Reject> = kept.iter().flat_map(|kept| &kept.rejects).collect();
        report.found += found.len() as u64;
        if !report.ended() {
            report.left += found.len() as u64;
            return Ok(());
        }
        // A record that several destinations refused is refused once more if any of them did.
        let mut again: HashMap<String, Reject> = HashMap::new();
        let mut again_by_key: HashMap<Key, Reject> = HashMap::new();
        for segment in captured.take() {
            for reject in &segment.rejects {
                if let Some((keys, _)) = &keys {
                    let one =
                        KeptRejects::new(Arc::clone(&segment.columns), None, vec![reject.clone()]);
                    let key = keys.of_rejects(&[one])?.by_position.into_values().next();
                    if let Some(key) = key {
                        again_by_key.insert(key, reject.clone());
                    }
                }
                again.insert(reject.position.to_string(), reject.clone());
            }
        }
        let stale = std::mem::take(&mut *stale.lock().unwrap_or_else(PoisonError::into_inner));
        let mut marks = RejectMarks::new(Some(version.as_str().into()));
        for reject in found {
            let position = reject.position.to_string();
            if left.contains(&position) {
                report.left += 1;
                continue;
            }
            let (refused, is_there) = match &keys {
                None => (again.get(&position), true),
                Some((_, by_position)) => {
                    let key = by_position.get(&position);
                    let is_there = seen.as_ref().zip(key).is_some_and(|(seen, key)| {
                        seen.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .contains(key)
                    });
                    (key.and_then(|key| again_by_key.get(key)), is_there)
                }
            };
            let mark = refused.map(|refused| Reject {
                position: reject.position.clone(),
                ..refused.clone().after(reject.attempts.saturating_add(1))
            });
            match (&mark, is_there) {
                (Some(_), _) => report.again += 1,
                (None, false) => report.gone += 1,
                (None, true) if stale.contains(&position) => report.stale += 1,
                (None, true) => report.resolved += 1,
            }
            marks.by_position.insert(position, mark);
        }
        request.rejects.mark(destination, &marks).await
    }
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
