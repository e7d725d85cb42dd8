//! A job whose runs are effects.

use std::sync::Arc;

use async_trait::async_trait;

use super::effects::{EffectKind, Effects, Fate};
use crate::Result;
use crate::host::Context;
use crate::job::{Job, JobInfo, RunReport, RunRequest};

impl Effects {
    /// The job; each run is an effect.
    pub fn job(&self, job: Arc<dyn Job>) -> Arc<dyn Job> {
        Arc::new(FaultyJob::new(self, job))
    }
}

/// A job each run of which is an effect, for tests of who runs jobs: it fails before it begins, its report is lost, it runs twice, it
/// never ends.
#[derive(Debug)]
pub struct FaultyJob {
    effects: Effects,
    job: Arc<dyn Job>,
}

impl FaultyJob {
    /// The job with these effects.
    pub fn new(effects: &Effects, job: Arc<dyn Job>) -> Self {
        FaultyJob {
            effects: effects.clone(),
            job,
        }
    }
}

#[async_trait]
impl Job for FaultyJob {
    fn info(&self) -> &JobInfo {
        self.job.info()
    }

    async fn run(&self, context: &Context, request: RunRequest) -> Result<RunReport> {
        let next = self.effects.next(EffectKind::JobRun, 1);
        let twice = next.1 == Fate::Duplicate;
        let work = async {
            if twice {
                self.job.run(context, request.clone()).await?;
            }
            self.job.run(context, request).await
        };
        self.effects.settle(next, work).await
    }
}
