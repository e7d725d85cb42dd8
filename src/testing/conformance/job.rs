//! What is asked of a job.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, reached, same};
use super::{Capability, Fixture, Suite};
use crate::Result;
use crate::host::{CancelToken, Context};
use crate::job::{Job, Outcome, RunReport, RunRequest};
use crate::memory::MemoryRejects;

type Look = Box<dyn Fn() -> BoxFuture<'static, Result<String>> + Send + Sync>;

/// A job, and the world that it changes.
pub struct JobFixture {
    job: Arc<dyn Job>,
    look: Option<Look>,
    dry_run: bool,
}

opaque!(JobFixture);

impl JobFixture {
    /// This job, which comes to its end and rejects a record at least.
    pub fn new(job: impl Job + 'static) -> Self {
        JobFixture {
            job: Arc::new(job),
            look: None,
            dry_run: false,
        }
    }

    /// The same, with a look at all that the job changes, in words: another world is another text. A run that is not dry changes it.
    #[must_use]
    pub fn observed<N>(mut self, look: impl Fn() -> N + Send + Sync + 'static) -> Self
    where
        N: Future<Output = Result<String>> + Send + 'static,
    {
        self.look = Some(Box::new(move || look().boxed()));
        self
    }

    /// The same, which can be run dry.
    #[must_use]
    pub fn with_dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    async fn world(&self) -> std::result::Result<String, Finding> {
        match &self.look {
            Some(look) => Ok(look().await?),
            None => Err(Finding::NotReached(
                "the fixture cannot look at the world".into(),
            )),
        }
    }
}

#[async_trait]
impl Fixture for JobFixture {
    fn subject(&self) -> String {
        self.job.info().name.clone()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let dry = self.dry_run.then_some(Capability::DryRun);
        let observed = self.look.as_ref().map(|_| Capability::Observed);
        Ok(dry.into_iter().chain(observed).collect())
    }
}

/// The contract of a [`Job`].
pub static JOB: Suite<JobFixture> = Suite {
    name: "job",
    clauses: &[
        clause!(
            "JB-01",
            None,
            "A run answers with a report under the job's name, between two moments of the context's clock, whose counts add up.",
            "A host that cannot trust the numbers must count for itself.",
            reports
        ),
        clause!(
            "JB-02",
            None,
            "A run that is asked to stop before it begins answers with a report that says so.",
            "A host that shuts down would wait for the whole job, or lose the report.",
            cancelled
        ),
        clause!(
            "JB-03",
            Some(Capability::Observed),
            "Nothing happens outside of the future of `run`: one that is dropped before it is polled has done nothing.",
            "Whoever drops a run believes that it has stopped.",
            no_effect_before_a_poll
        ),
        clause!(
            "JB-04",
            Some(Capability::DryRun),
            "A dry run says that it is one and changes nothing.",
            "People try out with it what must not happen.",
            dry_run
        ),
        clause!(
            "JB-05",
            None,
            "Each record that is counted as rejected is in the ledger, once, and the ledger is sealed.",
            "A record that is neither written nor kept is lost.",
            rejects_are_kept
        ),
        clause!(
            "JB-06",
            None,
            "A job can be run again, and comes to its end as before.",
            "Jobs run on a schedule.",
            run_again
        ),
    ],
};

async fn run(context: &Context, fixture: &JobFixture) -> Result<(RunReport, Arc<MemoryRejects>)> {
    let ledger = Arc::new(MemoryRejects::new());
    let report = fixture
        .job
        .run(context, RunRequest::new(ledger.clone()))
        .await?;
    Ok((report, ledger))
}

fn goes_well(report: &RunReport) -> bool {
    matches!(report.outcome, Outcome::Success | Outcome::PartialSuccess)
}

async fn reports(context: &Context, fixture: &JobFixture) -> Checked {
    let before = context.clock().now();
    let (report, _) = run(context, fixture).await.or_broken("run")?;
    let after = context.clock().now();
    same(
        "the name in the report",
        &report.job,
        &fixture.job.info().name,
    )?;
    let times = [before, report.started_at, report.finished_at, after];
    must(times.is_sorted(), || {
        format!("times that are out of order: {times:?}")
    })?;
    for destination in &report.destinations {
        destination.check().or_broken("the counts")?;
    }
    must(goes_well(&report) == report.failure.is_none(), || {
        format!("{:?} with failure {:?}", report.outcome, report.failure)
    })
}

async fn cancelled(context: &Context, fixture: &JobFixture) -> Checked {
    let stop = CancelToken::new();
    stop.cancel();
    let (report, _) = run(&context.clone().with_cancel(stop), fixture)
        .await
        .or_broken("run")?;
    same("the outcome", &report.outcome, &Outcome::Cancelled)?;
    for destination in &report.destinations {
        destination.check().or_broken("the counts")?;
    }
    Ok(())
}

async fn no_effect_before_a_poll(context: &Context, fixture: &JobFixture) -> Checked {
    let before = fixture.world().await?;
    drop(
        fixture
            .job
            .run(context, RunRequest::new(Arc::new(MemoryRejects::new()))),
    );
    same("the world", &fixture.world().await?, &before)?;
    // What a run does must be seen, or nothing was seen here.
    run(context, fixture).await?;
    let after = fixture.world().await?;
    reached(after != before, || {
        "a run changes nothing that the fixture sees".into()
    })
}

async fn dry_run(context: &Context, fixture: &JobFixture) -> Checked {
    let before = fixture.world().await?;
    let request = RunRequest::new(Arc::new(MemoryRejects::new())).with_dry_run(true);
    let report = fixture
        .job
        .run(context, request)
        .await
        .or_broken("a dry run")?;
    same("the world", &fixture.world().await?, &before)?;
    same("that the run was dry", &report.dry_run, &true)?;
    run(context, fixture).await?;
    let after = fixture.world().await?;
    reached(after != before, || {
        "a run changes nothing that the fixture sees".into()
    })
}

async fn rejects_are_kept(context: &Context, fixture: &JobFixture) -> Checked {
    let (report, ledger) = run(context, fixture).await?;
    let rejected: u64 = report
        .destinations
        .iter()
        .map(|counts| counts.rejected)
        .sum();
    reached(rejected > 0, || "nothing was rejected".into())?;
    let of_source = ledger.rejects(None).len();
    for counts in &report.destinations {
        let kept = (of_source + ledger.rejects(Some(&counts.name)).len()) as u64;
        same(
            &format!("rejects of {:?} in the ledger", counts.name),
            &kept,
            &counts.rejected,
        )?;
    }
    must(ledger.sealed(), || "the ledger is not sealed".into())
}

async fn run_again(context: &Context, fixture: &JobFixture) -> Checked {
    let (first, _) = run(context, fixture).await?;
    reached(goes_well(&first), || {
        format!("the first run: {:?}", first.outcome)
    })?;
    let (second, _) = run(context, fixture).await.or_broken("the second run")?;
    same(
        "the outcome of the second run",
        &second.outcome,
        &first.outcome,
    )?;
    same(
        "the records of the second run",
        &second.records,
        &first.records,
    )
}
