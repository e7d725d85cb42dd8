//! A job of your own: checks a whole file before it runs the sync job behind it, and runs that only if the file is good
//! enough.
//!
//! ```text
//! own_job [SHARE]      the share of bad records, in percent, up to which the file is loaded; 0 by default
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use syncline::file::{CheckRequest, check};
use syncline::host::{Context, FileStore};
use syncline::job::{Job, JobInfo, Outcome, RunReport, RunRequest, SyncJob};
use syncline::memory::{MemoryFiles, MemoryRejects};
use syncline::spec::{FileSource, JobSpec, SourceSpec};
use syncline::workspace::LocalWorkspace;
use syncline::{Error, ErrorKind, Result};

/// Runs `inner` if at most `percent` of the file's records are bad.
#[derive(Debug)]
pub struct Guarded {
    info: JobInfo,
    files: Arc<dyn FileStore>,
    source: FileSource,
    percent: u64,
    inner: SyncJob,
}

#[async_trait]
impl Job for Guarded {
    fn info(&self) -> &JobInfo {
        &self.info
    }

    async fn run(&self, context: &Context, request: RunRequest) -> Result<RunReport> {
        let started_at = context.clock().now();
        let files = Arc::clone(&self.files);
        let found = check(context, files, &self.source, CheckRequest::new()).await?;
        for reject in &found.rejects {
            println!(
                "{}: {}: {}",
                reject.position,
                reject.refusal.reason.code(),
                reject.refusal.message
            );
        }
        let mut report = RunReport::new(&self.info.name, started_at, context.clock().now());
        (report.records, report.bytes) = (found.records(), found.bytes);
        if found.cancelled {
            // A job that is asked to stop answers with what it did.
            report.outcome = Outcome::Cancelled;
            return Ok(report);
        }
        if found.rejected * 100 > self.percent * found.records() {
            report.outcome = Outcome::Failed;
            let message = "too many bad records; correct the file, nothing was loaded";
            report.failure = Some(
                Error::new(ErrorKind::Malformed, message)
                    .with("bad", found.rejected)
                    .with("of", found.records()),
            );
            return Ok(report);
        }
        let mut report = self.inner.run(context, request).await?;
        report.job = self.info.name.clone();
        Ok(report)
    }
}

const SPEC: &str = r#"{
  "version": 1,
  "name": "people",
  "dataset": {"version": 1, "source": {"file": {"name": "people.csv", "columns": [
    {"name": "name", "type": "text"},
    {"name": "born", "type": "date", "format": {"time": {"patterns": ["%d.%m.%Y"]}}}]}}},
  "objects": [{"name": "person", "identity": "generated", "fields": [
    {"name": "name", "type": "text", "required": true}, {"name": "born", "type": "date"}]}],
  "destinations": [{"object": "person", "mode": {"upsert": {"identifiers": [["name"]]}}, "mapping": {"fields": [
    {"field": "name", "from": "name"}, {"field": "born", "from": "born"}]}}]
}"#;

const FILE: &str = "name,born\nAda,10.12.1815\nGrace,09.12.1906\nMary,31.02.1897\n";

/// The job, and the workspace whose objects it writes; files of these objects are kept in `files` when they are saved.
pub async fn guarded(percent: u64, files: Arc<MemoryFiles>) -> Result<(Guarded, LocalWorkspace)> {
    files.insert("people.csv", FILE);
    let workspace = LocalWorkspace::new(files.clone(), files.clone());
    let spec = JobSpec::from_json(SPEC)?;
    let SourceSpec::File(source) = &spec.dataset.source else {
        return Err(Error::new(ErrorKind::Invalid, "only a file can be checked"));
    };
    let job = Guarded {
        info: JobInfo::new("people, checked"),
        files,
        source: source.clone(),
        percent,
        inner: workspace.job(&Context::new(), &spec).await?,
    };
    Ok((job, workspace))
}

async fn run(percent: u64) -> Result<Outcome> {
    let (job, _) = guarded(percent, Arc::new(MemoryFiles::new())).await?;
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    let report = job.run(&Context::new(), request).await?;
    println!("{report}");
    Ok(report.outcome)
}

fn main() -> ExitCode {
    let percent = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    match futures::executor::block_on(run(percent)) {
        Ok(Outcome::Success) => ExitCode::SUCCESS,
        Ok(Outcome::PartialSuccess) => ExitCode::from(2),
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
