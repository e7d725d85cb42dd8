//! What a scheduler ran, noted beside the runs.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use syncline::host::Context;
use syncline::job::Outcome;
use syncline::scheduler::{JobProvider, JobRun, ProvidedJob};
use syncline::workspace::Workspaces;
use syncline::{Result, Tenant};

use super::screen::Screen;

/// The jobs of workspaces, with a note and a bar for each run of a job or a chain: a provider may stand in front of another one.
#[derive(Debug)]
pub(crate) struct Diary {
    jobs: Workspaces,
    notes: Mutex<Vec<Note>>,
    pub(crate) screen: Screen,
}

/// A run, as a scheduler saw it.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    /// The job or chain, by id.
    pub(crate) job: String,
    pub(crate) due: DateTime<Utc>,
    pub(crate) began: DateTime<Utc>,
    pub(crate) ended: DateTime<Utc>,
    pub(crate) outcome: Outcome,
    /// Whether it had begun before.
    pub(crate) again: bool,
}

impl Diary {
    pub(crate) fn new(jobs: Workspaces, screen: Screen) -> Self {
        Diary {
            jobs,
            notes: Mutex::default(),
            screen,
        }
    }

    pub(crate) fn notes(&self) -> Vec<Note> {
        let notes = self.notes.lock();
        notes.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl JobProvider for Diary {
    async fn job(
        &self,
        context: &Context,
        tenant: &Tenant,
        job: &str,
    ) -> Result<Option<ProvidedJob>> {
        self.jobs.job(context, tenant, job).await
    }

    async fn run(&self, context: &Context, run: &JobRun) -> Result<Outcome> {
        let began = context.clock().now();
        let shown = context.clone().with_observer(self.screen.bar());
        let ended = self.jobs.run(&shown, run).await;
        let note = Note {
            job: run.job.clone(),
            due: run.due,
            began,
            ended: context.clock().now(),
            outcome: *ended.as_ref().unwrap_or(&Outcome::Failed),
            again: run.begun > 0,
        };
        let notes = self.notes.lock();
        notes.unwrap_or_else(PoisonError::into_inner).push(note);
        ended
    }
}
