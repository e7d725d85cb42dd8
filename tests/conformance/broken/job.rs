//! Jobs that do not run as they should.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::executor::block_on;
use syncline::host::{CancelToken, Context};
use syncline::job::{Job, JobInfo, Outcome, RunReport, RunRequest, SyncJob};
use syncline::memory::MemoryRejects;
use syncline::testing::conformance::{JOB, JobFixture};
use syncline::{Error, Result};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    ReportsForAnother,
    CountsWrong,
    CannotBeStopped,
    BeginsBeforeItIsPolled,
    WritesInADryRun,
    LosesRejects,
    RunsOnce,
}

#[derive(Debug)]
struct Activity {
    flaw: Flaw,
    inner: SyncJob,
    runs: AtomicUsize,
}

impl Activity {
    async fn go(&self, context: &Context, mut request: RunRequest) -> Result<RunReport> {
        let dry_run = request.dry_run;
        let stop = match self.flaw {
            Flaw::CannotBeStopped => CancelToken::new(),
            _ => context.cancel().clone(),
        };
        match self.flaw {
            Flaw::WritesInADryRun => request.dry_run = false,
            Flaw::LosesRejects => request.rejects = Arc::new(MemoryRejects::new()),
            _ => {}
        }
        let mut report = self
            .inner
            .run(&context.clone().with_cancel(stop), request)
            .await?;
        report.dry_run = dry_run;
        match self.flaw {
            Flaw::ReportsForAnother => report.job = "another".into(),
            Flaw::CountsWrong => report.destinations[0].updated += 1,
            Flaw::RunsOnce if self.runs.fetch_add(1, Ordering::Relaxed) > 0 => {
                report.outcome = Outcome::Failed;
                report.failure = Some(Error::contract("it was run before"));
            }
            _ => {}
        }
        Ok(report)
    }
}

/// As `async_trait` writes it, so that something can happen before the future is polled.
impl Job for Activity {
    fn info(&self) -> &JobInfo {
        self.inner.info()
    }

    fn run<'a, 'b, 'c>(
        &'a self,
        context: &'b Context,
        request: RunRequest,
    ) -> Pin<Box<dyn Future<Output = Result<RunReport>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        if self.flaw == Flaw::BeginsBeforeItIsPolled {
            let inner = std::thread::scope(|scope| {
                // An executor does not run within another one.
                scope
                    .spawn(|| block_on(self.go(context, request)))
                    .join()
                    .unwrap()
            });
            return Box::pin(std::future::ready(inner));
        }
        Box::pin(self.go(context, request))
    }
}

pub(super) fn broken_jobs() -> Vec<Broken> {
    let all: [(&str, Flaw, &[&str]); 7] = [
        ("JB-01", Flaw::ReportsForAnother, &[]),
        ("JB-01", Flaw::CountsWrong, &["JB-02"]),
        ("JB-02", Flaw::CannotBeStopped, &[]),
        ("JB-03", Flaw::BeginsBeforeItIsPolled, &[]),
        ("JB-04", Flaw::WritesInADryRun, &[]),
        ("JB-05", Flaw::LosesRejects, &[]),
        ("JB-06", Flaw::RunsOnce, &[]),
    ];
    all.into_iter()
        .map(|(clause, flaw, collateral)| {
            broken(&JOB, clause, flaw, collateral, move || {
                let (inner, home) = crate::sources::people();
                let job = Activity {
                    flaw,
                    inner,
                    runs: AtomicUsize::new(0),
                };
                JobFixture::new(job)
                    .observed(move || std::future::ready(Ok(crate::sources::shown(&home))))
                    .with_dry_run()
            })
        })
        .collect()
}
