//! Runs a job spec over files in memory.

use std::sync::Arc;

use futures::executor::block_on;
use syncline::Result;
use syncline::host::{Context, Executor, Inline, SeededEntropy, ThreadPool};
use syncline::job::{CommitPolicy, Job, Preview, RunReport, RunRequest};
use syncline::memory::{ManualClock, MemoryFiles, MemoryRejects};
use syncline::record::Reject;
use syncline::spec::JobSpec;
use syncline::workspace::LocalWorkspace;

/// How to run: nothing of this may change what comes out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) threads: usize,
    pub(crate) batch_rows: usize,
    pub(crate) chunk_bytes: usize,
    pub(crate) group_records: u64,
}

impl Default for How {
    fn default() -> Self {
        How {
            threads: 1,
            batch_rows: 8192,
            chunk_bytes: 1 << 20,
            group_records: 1_000_000,
        }
    }
}

/// Everything that came out of a run, in a form that can be compared.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) report: RunReport,
    pub(crate) workspace: LocalWorkspace,
    pub(crate) outputs: Arc<MemoryFiles>,
    pub(crate) rejects: Arc<MemoryRejects>,
}

impl Ran {
    /// An object as delimited text.
    pub(crate) fn object(&self, name: &str) -> String {
        block_on(self.workspace.home().save(&Context::new(), name)).unwrap();
        let bytes = self.outputs.bytes(&format!("{name}.csv")).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// Reason codes with the record numbers, sorted.
    pub(crate) fn reasons(&self) -> Vec<(u64, &'static str)> {
        let mut reasons: Vec<_> = self
            .rejects
            .all()
            .iter()
            .map(|r: &Reject| (r.position.record, r.refusal.reason.code()))
            .collect();
        reasons.sort_unstable();
        reasons
    }

    /// What must be the same however the job was run.
    pub(crate) fn essence(&self) -> String {
        let mut text = format!("{:?}\n", self.report.outcome);
        for destination in &self.report.destinations {
            let mut destination = destination.clone();
            destination.groups = 0;
            text += &format!("{destination:?}\n{}\n", self.object(&destination.name));
        }
        // Each destination has its rejects in source order; how they alternate is the batches' affair.
        for reject in self.rejects.rejects(None) {
            text += &format!("{reject:?}\n");
        }
        for destination in &self.report.destinations {
            for reject in self.rejects.rejects(Some(&destination.name)) {
                text += &format!("{}: {reject:?}\n", destination.name);
            }
        }
        text
    }
}

pub(crate) fn context(threads: usize) -> Context {
    let executor: Arc<dyn Executor> = match threads {
        1 => Arc::new(Inline),
        threads => Arc::new(ThreadPool::new(threads).unwrap()),
    };
    let start = "2025-06-01T00:00:00Z".parse().unwrap();
    Context::new()
        .with_executor(executor)
        .with_entropy(Arc::new(SeededEntropy::new(11)))
        .with_clock(Arc::new(ManualClock::new(start)))
}

pub(crate) fn files(files: &[(&str, &str)], chunk_bytes: usize) -> Arc<MemoryFiles> {
    let store = MemoryFiles::new().with_chunk_bytes(chunk_bytes);
    for (name, text) in files {
        store.insert(*name, text.to_string());
    }
    Arc::new(store)
}

pub(crate) fn try_run(job: &str, inputs: &[(&str, &str)], how: How, dry_run: bool) -> Result<Ran> {
    let context = context(how.threads);
    let outputs = Arc::new(MemoryFiles::new());
    let workspace = LocalWorkspace::new(files(inputs, how.chunk_bytes), outputs.clone());
    let rejects = Arc::new(MemoryRejects::new());
    let report = block_on(async {
        let job = workspace.job(&context, &JobSpec::from_json(job)?).await?;
        let request = RunRequest::new(rejects.clone())
            .with_batch_rows(how.batch_rows)
            .with_commit(CommitPolicy::default().with_records(how.group_records))
            .with_dry_run(dry_run);
        job.run(&context, request).await
    })?;
    Ok(Ran {
        report,
        workspace,
        outputs,
        rejects,
    })
}

pub(crate) fn run(job: &str, inputs: &[(&str, &str)]) -> Ran {
    try_run(job, inputs, How::default(), false).unwrap()
}

/// The paths and messages of everything that is wrong with a job.
pub(crate) fn problems(job: &str, inputs: &[(&str, &str)]) -> Vec<(String, String)> {
    let error = try_run(job, inputs, How::default(), false).unwrap_err();
    assert_eq!(error.kind(), syncline::ErrorKind::Invalid, "{error}");
    error
        .problems()
        .iter()
        .map(|problem| (problem.path.clone(), problem.message.clone()))
        .collect()
}

/// A job's plan in words, and a preview of all its records.
pub(crate) fn look(job: &str, inputs: &[(&str, &str)]) -> (String, Preview) {
    let context = context(1);
    let workspace = LocalWorkspace::new(files(inputs, 1 << 20), Arc::new(MemoryFiles::new()));
    block_on(async {
        let job = JobSpec::from_json(job)?;
        let job = workspace.job(&context, &job).await?;
        let plan = job.plan(&context).await?.to_string();
        Ok::<_, syncline::Error>((plan, job.preview(&context, usize::MAX).await?))
    })
    .unwrap()
}
