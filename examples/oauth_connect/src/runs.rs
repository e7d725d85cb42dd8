//! The runs of jobs: how far each has come, and what it came to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use syncline::host::{Clock, Context, Event, Observer, Timeline};
use syncline::job::{CommitPolicy, RunReport, RunRequest};
use syncline::workspace::Workspace;
use syncline::{Error, Result};
use tokio::sync::watch;

use crate::rejects::Rejects;

/// The most runs of a job that are remembered.
const MOST: usize = 50;
/// Records in a commit group: few, so that the progress moves. In earnest the default is right.
const GROUP: u64 = 100;

/// How far a run has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Which run of the job it is for its state, and in the names of its rejects' files; 0 before it has begun.
    pub(crate) epoch: u64,
    pub(crate) read: u64,
    /// Records of groups that are closed: these are safe.
    pub(crate) committed: u64,
    pub(crate) rejected: u64,
    /// What it waits for, if it does.
    pub(crate) waits: Option<&'static str>,
    pub(crate) ended: bool,
}

impl Progress {
    pub(crate) fn json(&self) -> Value {
        json!({
            "read": self.read, "committed": self.committed, "rejected": self.rejected,
            "waits": self.waits, "ended": self.ended,
        })
    }
}

/// One run of a job.
#[derive(Debug)]
pub(crate) struct Run {
    /// Its number among the runs of its job, from 1.
    pub(crate) number: u64,
    pub(crate) began_at: DateTime<Utc>,
    progress: watch::Sender<Progress>,
    timeline: Timeline,
    result: OnceLock<Result<RunReport>>,
}

impl Run {
    /// How far it has come, now and as it goes on.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What happened in it.
    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// What it came to; `None` as long as it goes on.
    pub(crate) fn result(&self) -> Option<&Result<RunReport>> {
        self.result.get()
    }

    async fn ended(&self) {
        // The sender is ours, so this cannot fail.
        let _ = self.progress().wait_for(|progress| progress.ended).await;
    }
}

/// Keeps what happens, and takes the figures that people want to see at once.
impl Observer for Run {
    fn observe(&self, event: &Event<'_>) {
        self.timeline.observe(event);
        self.progress.send_modify(|progress| {
            progress.waits = None;
            match *event {
                Event::RunStarted { epoch, resumed, .. } => {
                    (progress.epoch, progress.committed) = (epoch, resumed);
                }
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

/// All runs, by job. They are gone with the process; a real host keeps them in its database.
#[derive(Debug)]
pub(crate) struct Runs {
    clock: Arc<dyn Clock>,
    all: Mutex<HashMap<String, Vec<Arc<Run>>>>,
}

impl Runs {
    /// None yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Runs {
            clock,
            all: Mutex::default(),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Run>>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of a job, the newest first.
    pub(crate) fn of(&self, job: &str) -> Vec<Arc<Run>> {
        let all = self.all();
        all.get(job).into_iter().flatten().rev().cloned().collect()
    }

    /// One of them.
    pub(crate) fn find(&self, job: &str, number: u64) -> Option<Arc<Run>> {
        self.of(job).into_iter().find(|run| run.number == number)
    }

    /// Forgets those of a job.
    pub(crate) fn forget(&self, job: &str) {
        self.all().remove(job);
    }

    /// Begins a run, or answers with the one that goes on.
    pub(crate) fn begin(
        &self,
        workspace: &Workspace,
        context: &Context,
        job: &str,
        rejects: &Rejects,
    ) -> Arc<Run> {
        let run = {
            let mut all = self.all();
            let runs = all.entry(job.to_owned()).or_default();
            let last = runs.last().cloned();
            if let Some(last) = last.as_ref().filter(|last| last.result().is_none()) {
                return Arc::clone(last);
            }
            let run = Arc::new(Run {
                number: last.map_or(1, |last| last.number + 1),
                began_at: self.clock.now(),
                progress: watch::Sender::default(),
                timeline: Timeline::new(Arc::clone(&self.clock)),
                result: OnceLock::new(),
            });
            runs.push(Arc::clone(&run));
            let too_many = runs.len().saturating_sub(MOST);
            runs.drain(..too_many);
            run
        };
        let observer = Arc::clone(&run) as Arc<dyn Observer>;
        let context = context.clone().with_observer(observer);
        let mut request = RunRequest::new(rejects.ledger(job));
        request.commit = CommitPolicy::default().with_records(GROUP);
        let (workspace, job) = (workspace.clone(), job.to_owned());
        let work = tokio::spawn(async move { workspace.jobs().run(&context, &job, request).await });
        let ended = Arc::clone(&run);
        tokio::spawn(async move {
            let result = work.await.unwrap_or_else(|_| {
                Err(Error::contract("the run broke down; see the host's logs"))
            });
            // It is set once, here.
            let _ = ended.result.set(result);
            ended.progress.send_modify(|progress| {
                (progress.ended, progress.waits) = (true, None);
            });
        });
        run
    }

    /// Waits until none goes on.
    pub(crate) async fn ended(&self) {
        let all: Vec<Arc<Run>> = self.all().values().flatten().cloned().collect();
        for run in all {
            run.ended().await;
        }
    }
}
