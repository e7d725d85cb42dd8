//! Who hears of the end of a run, before it is saved: who dies in between tells it again, and it is heard once.

use std::time::Duration;

use chrono::SecondsFormat;

use super::JobRun;
use super::listeners::digest;
use super::provider::{JobProvider, RunEnd};
use super::shelf::Shelf;
use super::timetable::{Timetable, Waiting};
use crate::host::{Context, Event, within};
use crate::schedule::{Happened, LastOutcome};
use crate::{ErrorKind, Result, Tenant};

/// The end of a run.
pub(super) struct Ending<'a> {
    pub(super) context: &'a Context,
    pub(super) shelf: &'a Shelf,
    pub(super) provider: &'a dyn JobProvider,
    pub(super) run: &'a JobRun,
    /// The job's name, for those who listen.
    pub(super) name: &'a str,
    /// The jobs whose ends led to the run.
    pub(super) behind: &'a [String],
}

impl Ending<'_> {
    /// Tells the provider, whose troubles do not keep a run from ending: no longer than this.
    pub(super) async fn tell_provider(
        &self,
        ended: &Timetable,
        told: &mut RunEnd,
        no_longer: Duration,
    ) {
        told.again = ended
            .waiting
            .iter()
            .any(|waiting| waiting.run == self.run.run);
        let telling = self.provider.ended(self.context, self.run, told);
        let kind = match within(self.context.clock(), no_longer, telling).await {
            Some(heard) => heard.err().map(|error| error.kind()),
            None => Some(ErrorKind::Timeout),
        };
        if let Some(kind) = kind {
            let what = "notice";
            let observer = self.context.observer();
            observer.observe(&Event::NotKept { what, kind });
        }
    }

    /// Tells those who listen how it ended.
    pub(super) async fn tell_listeners(&self, outcome: LastOutcome) -> Result<()> {
        let happened = Happened::JobEnded {
            job: self.name.to_owned(),
            outcome,
        };
        // Jobs may have one name, and each end of one job has one id, however long a name it comes from.
        let which = digest(&format!("{} {}", self.run.job, self.run.run));
        let due = self.run.due.to_rfc3339_opts(SecondsFormat::Secs, true);
        let id = format!("{} {due} {which}", self.name);
        let behind = [self.behind, std::slice::from_ref(&self.run.job)].concat();
        let told = self.shelf.tell(&self.run.tenant, &happened, &id, &behind);
        (told.await?.problems.iter()).for_each(|error| super::tell(self.context, error));
        Ok(())
    }
}

impl Waiting {
    /// What its provider is told to run.
    pub(super) fn job_run(&self, tenant: &Tenant, job: &str) -> JobRun {
        JobRun {
            tenant: tenant.clone(),
            job: job.to_owned(),
            run: self.run.clone(),
            due: self.due,
            trigger: self.trigger.clone(),
            actor: self.actor.clone(),
            begun: self.begun,
            failed: self.failed,
        }
    }
}
