//! A job and its source, once they have been compared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mapping::Preparation;
use crate::record::{Field, FieldType, Schema};
use crate::spec::{BuiltOn, DriftMode};
use crate::{Error, ErrorKind, Result};

use super::conform::{Conformed, Discard};
use super::{DriftReport, SyncJob};

/// A job that can run on its source as it is now.
pub(super) struct Settled {
    pub(super) job: SyncJob,
    drift: Option<DriftReport>,
    discarded: Option<Arc<AtomicU64>>,
}

impl Settled {
    /// What has changed, if anything has.
    pub(super) fn report(&self) -> Option<DriftReport> {
        let discarded = self.discarded.as_ref();
        self.drift.clone().map(|drift| DriftReport {
            discarded: discarded.map_or(0, |count| count.load(Ordering::Relaxed)),
            ..drift
        })
    }

    /// What is wrong with the job may come from the change.
    pub(super) fn blame(&self, error: Error) -> Error {
        match &self.drift {
            Some(drift) if error.kind() == ErrorKind::Invalid => {
                let mut problems = drift.all();
                problems.extend(error.problems().iter().cloned());
                drifted("the source has changed since the job was built, and the job cannot run on it; build it anew")
                    .with_problems(problems)
                    .with("job", &self.job.info.name)
            }
            _ => error,
        }
    }
}

fn drifted(message: &'static str) -> Error {
    Error::new(ErrorKind::Drifted, message).during("compare the source")
}

impl SyncJob {
    /// The fields of the source as they are now: what to save as those that the job is [built on](SyncJob::built_on). Columns of a
    /// file that nobody declared are texts.
    pub fn source_fields(&self) -> Vec<Field> {
        let (schema, info) = (self.dataset.schema(), self.dataset.info());
        let mut fields = schema.fields().to_vec();
        let declared = |name: &str| {
            let same = |field: &Field| field.name.trim().eq_ignore_ascii_case(name.trim());
            schema.fields().iter().any(same)
        };
        if info.raw_text {
            let others = info.columns.iter().filter(|name| !declared(name));
            fields.extend(others.map(|name| Field::new(name, FieldType::Text)));
        }
        fields
    }

    /// Compares the source with what the job was built on.
    pub(super) fn settle(&self) -> Result<Settled> {
        let mut job = self.clone();
        let Some(BuiltOn { fields, on_drift }) = job.built_on.take() else {
            return Ok(Settled {
                job,
                drift: None,
                discarded: None,
            });
        };
        let then = Schema::new(fields);
        let now = Schema::new(self.source_fields());
        let drift = DriftReport::between(&then, &now, on_drift);
        let mut settled = Settled {
            job,
            drift: Some(drift).filter(|drift| !drift.changes.is_empty()),
            discarded: None,
        };
        let Some(drift) = &settled.drift else {
            return Ok(settled);
        };
        let (name, job) = (&self.info.name, &mut settled.job);
        if on_drift == DriftMode::Freeze {
            let error = drifted(
                "the source has changed since the job was built; look at the job, and build it anew, or choose what becomes of changes by `on_drift`",
            );
            return Err(error.with_problems(drift.all()).with("job", name));
        }
        let ordered = self.sync.fields().collect();
        let breaking = drift.breaking(&self.used_fields(&then), &ordered);
        if !breaking.is_empty() {
            let error = drifted(
                "the source has changed since the job was built, and lacks what the job uses; build it anew",
            );
            return Err(error.with_problems(breaking).with("job", name));
        }
        let discard = match on_drift {
            DriftMode::Freeze | DriftMode::Evolve => None,
            DriftMode::DiscardRow => Some(Discard::Rows),
            DriftMode::DiscardValue => Some(Discard::Values),
        };
        if let Some(discard) = discard {
            let conformed = Conformed::new(Arc::clone(&job.dataset), &then, &now, discard);
            settled.discarded = Some(conformed.discarded());
            job.dataset = Arc::new(conformed);
        }
        Ok(settled)
    }

    /// The fields of the dataset that anything in the job names.
    fn used_fields(&self, source: &Schema) -> BTreeSet<String> {
        let (preparation, _) =
            Preparation::compile(source, &[], self.filter.as_ref(), &self.formulas, "dataset");
        let mapped = self.mapped_fields().map(|(name, _)| name);
        let used = preparation.fields().chain(mapped).chain(self.sync.fields());
        used.map(str::to_owned).collect()
    }
}
