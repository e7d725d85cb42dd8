//! Runs as they go on, for whoever watches them. What is kept of a run is in the workspace's history; this is quicker, and gone with the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use syncline::host::{Context, Event, Observer};
use syncline::job::Outcome;
use syncline::scheduler::{JobProvider, JobRun, ProvidedJob, RunEnd};
use syncline::workspace::{RunRecord, RunStatus, Workspace, Workspaces};
use syncline::{Result, Tenant};
use tokio::sync::watch;

/// How far a run has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) read: u64,
    /// Records of groups that are closed: these are safe.
    pub(crate) committed: u64,
    pub(crate) rejected: u64,
    /// What it waits for, if it does.
    pub(crate) waits: Option<&'static str>,
    pub(crate) ended: bool,
}

impl Progress {
    /// As the history has it, a few seconds late.
    pub(crate) fn of(record: &RunRecord) -> Self {
        Progress {
            read: record.progress.records,
            committed: 0,
            rejected: record.progress.rejected,
            waits: None,
            ended: record.status != RunStatus::Running,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "read": self.read, "committed": self.committed, "rejected": self.rejected,
            "waits": self.waits, "ended": self.ended,
        })
    }
}

/// The runs of this process that go on, by job and name of the run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live(Arc<Mutex<Watched>>);

type Watched = HashMap<(String, String), watch::Sender<Progress>>;

impl Live {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a run has come, now and as it goes on; `None` if it does not go on here.
    pub(crate) fn of(&self, record: &RunRecord) -> Option<watch::Receiver<Progress>> {
        let key = (record.job.clone(), record.run.clone()?);
        Some(self.watched().get(&key)?.subscribe())
    }

    fn begin(&self, run: &JobRun) -> Watch {
        let (key, sender) = ((run.job.clone(), run.run.clone()), watch::Sender::default());
        self.watched().insert(key.clone(), sender.clone());
        Watch {
            live: self.clone(),
            key,
            sender,
        }
    }
}

/// One run that goes on.
#[derive(Debug)]
struct Watch {
    live: Live,
    key: (String, String),
    sender: watch::Sender<Progress>,
}

/// Takes the figures that people want to see at once.
#[derive(Debug)]
struct Figures(watch::Sender<Progress>);

impl Observer for Figures {
    fn observe(&self, event: &Event<'_>) {
        self.0.send_modify(|progress| {
            progress.waits = None;
            match *event {
                Event::RunStarted { resumed, .. } => progress.committed = resumed,
                Event::Progress {
                    records, rejected, ..
                } => (progress.read, progress.rejected) = (records, rejected),
                Event::Committed { records, .. } => progress.committed += records,
                Event::Retried { .. } => progress.waits = Some("A call failed and is made again."),
                Event::Throttled { .. } => progress.waits = Some("It waits for its turn."),
                _ => {}
            }
        });
    }
}

/// However it ends, whoever watches hears of it.
impl Drop for Watch {
    fn drop(&mut self) {
        self.live.watched().remove(&self.key);
        self.sender.send_modify(|progress| {
            (progress.ended, progress.waits) = (true, None);
        });
    }
}

/// The jobs and chains of the workspace, whose runs can be watched.
#[derive(Debug)]
pub(crate) struct WatchedJobs {
    pub(crate) jobs: Workspaces,
    pub(crate) workspace: Workspace,
    pub(crate) live: Live,
}

#[async_trait]
impl JobProvider for WatchedJobs {
    async fn job(
        &self,
        context: &Context,
        tenant: &Tenant,
        job: &str,
    ) -> Result<Option<ProvidedJob>> {
        self.jobs.job(context, tenant, job).await
    }

    async fn run(&self, context: &Context, run: &JobRun) -> Result<Outcome> {
        // Of a chain, or a job behind another one, the figures of several runs would come together.
        let job = self.workspace.jobs().get(context, &run.job).await;
        if !job.is_ok_and(|job| job.spec.first.is_none()) {
            return self.jobs.run(context, run).await;
        }
        let watch = self.live.begin(run);
        let figures = Arc::new(Figures(watch.sender.clone()));
        self.jobs
            .run(&context.clone().with_observer(figures), run)
            .await
    }

    async fn ended(&self, context: &Context, run: &JobRun, end: &RunEnd) -> Result<()> {
        self.jobs.ended(context, run, end).await
    }
}
