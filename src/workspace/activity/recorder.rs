//! Writing down a run while it goes on.
//!
//! The record is there before the run begins, so that one whose process dies leaves it. While the run goes on, it is written anew every few
//! seconds, as the run's sign of life. That it could not be written fails no run.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};

use super::super::Workspace;
use super::super::roster::not_found;
use super::log::RunLog;
use super::record::{Came, RunProgress, RunRecord, RunSubject};
use super::{log_key, run_keys};
use crate::Result;
use crate::host::{Context, Event, Observer, StateKey};
use crate::spec::RunCondition;

/// How often a run says that it lives.
const BEAT: Duration = Duration::from_secs(5);

/// Keeps the history of one run.
#[derive(Debug)]
pub(in crate::workspace) struct Recorder<'a> {
    workspace: &'a Workspace,
    context: Context,
    record: RunRecord,
    heard: Arc<Heard>,
    /// What the settings ask of it.
    success: RunCondition,
    /// Whether there is a record to write to.
    kept: bool,
}

/// Hears what happens, and hands it on.
#[derive(Debug)]
struct Heard {
    /// The caller's: its clock, and its observer.
    context: Context,
    /// What runs: of a chain it is the links that tell how far they have come.
    subject: RunSubject,
    so_far: Mutex<SoFar>,
}

#[derive(Debug, Default)]
struct SoFar {
    epoch: u64,
    progress: RunProgress,
    log: RunLog,
    /// Whether the log has grown since it was written.
    fresh: bool,
}

impl Heard {
    /// No panic can leave it half changed.
    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Heard {
    fn observe(&self, event: &Event<'_>) {
        let mut so_far = self.so_far();
        match event {
            Event::Progress { .. } if self.subject == RunSubject::Chain => {}
            Event::Progress {
                records,
                bytes,
                bytes_total,
                rejected,
            } => {
                so_far.progress = RunProgress {
                    records: *records,
                    bytes: *bytes,
                    bytes_total: *bytes_total,
                    rejected: *rejected,
                };
            }
            event => {
                match event {
                    Event::RunStarted { epoch, .. } if self.subject == RunSubject::Job => {
                        so_far.epoch = *epoch;
                    }
                    _ => {}
                }
                so_far.log.add(self.context.clock().now(), event);
                so_far.fresh = true;
            }
        }
        drop(so_far);
        self.context.observer().observe(event);
    }
}

impl<'a> Recorder<'a> {
    /// Writes down that a run begins.
    pub(in crate::workspace) async fn begin(
        workspace: &'a Workspace,
        context: &Context,
        record: RunRecord,
        success: RunCondition,
    ) -> Self {
        let heard = Arc::new(Heard {
            context: context.clone(),
            subject: record.subject,
            so_far: Mutex::default(),
        });
        let mut recorder = Recorder {
            workspace,
            record,
            context: context.clone().with_observer(Arc::clone(&heard) as _),
            heard,
            success,
            kept: true,
        };
        if let Err(error) = recorder.begun().await {
            recorder.not_kept("run", &error);
            recorder.kept = false;
        }
        recorder
    }

    async fn begun(&self) -> Result<()> {
        let documents = self.workspace.documents(&self.heard.context);
        let [run, of_subject] = run_keys(self.workspace, &self.record)?;
        // What leads to nothing is passed over; a record that nothing leads to would be missing among those of its job.
        documents.create(&of_subject, &()).await?;
        documents.create(&run, &self.record).await
    }

    /// The id of its record.
    pub(in crate::workspace) fn id(&self) -> &str {
        &self.record.id
    }

    /// The context for the run.
    pub(in crate::workspace) fn context(&self) -> &Context {
        &self.context
    }

    /// Runs it, and says every few seconds that it lives.
    pub(in crate::workspace) async fn during<T>(&self, run: impl Future<Output = T>) -> T {
        let mut run = pin!(run);
        loop {
            let beat = self.context.clock().sleep(BEAT);
            if let Either::Left((ran, _)) = select(run.as_mut(), beat).await {
                return ran;
            }
            let write = pin!(self.beat());
            if let Either::Left((ran, write)) = select(run.as_mut(), write).await {
                // Or it would write over the end.
                write.await;
                return ran;
            }
        }
    }

    async fn beat(&self) {
        let now = self.context.clock().now();
        self.write(|record| record.seen_at = now).await;
    }

    /// Takes it off the history: it was no run.
    pub(in crate::workspace) async fn forget(&self) {
        let forgotten = self
            .workspace
            .activity()
            .remove(&self.heard.context, &self.record);
        if let Err(error) = forgotten.await {
            self.not_kept("run", &error);
        }
    }

    /// Writes down what came of it.
    pub(in crate::workspace) async fn end(&self, came: &Came<'_>) {
        let now = self.context.clock().now();
        self.write(|record| record.ended(now, came, &self.success))
            .await;
    }

    async fn write(&self, change: impl Fn(&mut RunRecord)) {
        if !self.kept {
            return;
        }
        if let Err(error) = self.write_log().await {
            self.not_kept("log", &error);
        }
        if let Err(error) = self.write_record(change).await {
            self.not_kept("run", &error);
        }
    }

    async fn write_log(&self) -> Result<()> {
        let log = {
            let mut so_far = self.heard.so_far();
            if !std::mem::take(&mut so_far.fresh) {
                return Ok(());
            }
            so_far.log.clone()
        };
        let put = |kept: &mut RunLog| {
            kept.clone_from(&log);
            Ok(())
        };
        let key = log_key(self.workspace, &self.record.id)?;
        let documents = self.workspace.documents(&self.heard.context);
        documents.change(&key, put).await
    }

    async fn write_record(&self, change: impl Fn(&mut RunRecord)) -> Result<()> {
        let (epoch, progress) = {
            let so_far = self.heard.so_far();
            (so_far.epoch, so_far.progress)
        };
        let put = |kept: &mut Option<RunRecord>| {
            // One that was swept away meanwhile does not come back.
            let record = kept.as_mut();
            let record = record.ok_or_else(|| not_found("run", &self.record.id))?;
            (record.epoch, record.progress) = (epoch, progress);
            change(record);
            Ok(())
        };
        let [key, _]: [StateKey; 2] = run_keys(self.workspace, &self.record)?;
        let documents = self.workspace.documents(&self.heard.context);
        documents.change(&key, put).await
    }

    fn not_kept(&self, what: &str, error: &crate::Error) {
        let kind = error.kind();
        self.heard
            .context
            .observer()
            .observe(&Event::NotKept { what, kind });
    }
}
