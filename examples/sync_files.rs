//! Runs any job spec over delimited files:
//!
//! ```text
//! sync_files JOB.json --data DIR --out DIR [--threads N] [--report FILE] [--dry-run] [--sync]
//! ```
//!
//! Reads the job's files from `--data` and writes each destination object as `<object>.csv` (the
//! whole object after the run), refused records as `rejects/<object>.csv`, those that no destination
//! saw as `rejects/_source.csv`, and the report as JSON. A dry run writes nothing but the report; a run
//! that breaks off writes no object. With `--sync` it ends when everything is on the disk; without, the
//! operating system writes it there in its own time, as it does for `cp`.
//!
//! Exit code: 0 success, 2 some records rejected, 1 failed, 64 bad usage or bad job.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use syncline::file::{LocalFiles, RejectFiles};
use syncline::host::{Context, Executor, Inline, RejectLedger, ThreadPool};
use syncline::job::{Job, Outcome, RunReport, RunRequest, SyncJob};
use syncline::memory::MemoryRejects;
use syncline::spec::JobSpec;
use syncline::workspace::LocalWorkspace;
use syncline::{Error, ErrorKind, Result};

const USAGE: &str =
    "sync_files JOB.json --data DIR --out DIR [--threads N] [--report FILE] [--dry-run] [--sync]";

struct Arguments {
    job: PathBuf,
    data: PathBuf,
    out: PathBuf,
    threads: usize,
    report: Option<PathBuf>,
    dry_run: bool,
    sync: bool,
}

/// Exit code of a wrong call or a wrong job, by the custom of `sysexits.h`.
const BAD_USAGE: u8 = 64;

fn main() -> ExitCode {
    let prepared =
        arguments().and_then(|arguments| futures::executor::block_on(prepare(arguments)));
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(if error.kind() == ErrorKind::Invalid {
                BAD_USAGE
            } else {
                1
            });
        }
    };
    let ended = futures::executor::block_on(run(&prepared));
    // All is written. The process ends now, which frees its memory faster than it could itself.
    std::mem::forget(prepared);
    match ended {
        Ok(Outcome::Success) => ExitCode::SUCCESS,
        Ok(Outcome::PartialSuccess) => ExitCode::from(2),
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments> {
    let usage = |what: String| Error::new(ErrorKind::Invalid, format!("{what}\nusage: {USAGE}"));
    let (mut job, mut data, mut out, mut report) = (None, None, None, None);
    let (mut threads, mut dry_run, mut sync) = (1, false, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| usage(format!("{word} wants a value")))
        };
        match word.as_str() {
            "--data" => data = Some(value()?.into()),
            "--out" => out = Some(value()?.into()),
            "--report" => report = Some(value()?.into()),
            "--threads" => {
                let count = value()?
                    .parse()
                    .ok()
                    .filter(|count| (1..=256).contains(count));
                threads =
                    count.ok_or_else(|| usage("--threads wants a number from 1 to 256".into()))?;
            }
            "--dry-run" => dry_run = true,
            "--sync" => sync = true,
            flag if flag.starts_with('-') => return Err(usage(format!("there is no {flag}"))),
            file if job.is_none() => job = Some(file.into()),
            _ => return Err(usage("one job at a time".into())),
        }
    }
    let missing = |what: &str| usage(format!("{what} is missing"));
    Ok(Arguments {
        job: job.ok_or_else(|| missing("the job"))?,
        data: data.ok_or_else(|| missing("--data"))?,
        out: out.ok_or_else(|| missing("--out"))?,
        threads,
        report,
        dry_run,
        sync,
    })
}

struct Prepared {
    arguments: Arguments,
    context: Context,
    outputs: Arc<LocalFiles>,
    workspace: LocalWorkspace,
    job: SyncJob,
}

async fn prepare(arguments: Arguments) -> Result<Prepared> {
    let file = arguments.job.display();
    let text = std::fs::read_to_string(&arguments.job).map_err(|error| {
        Error::new(ErrorKind::Invalid, "the job cannot be read")
            .with("file", &file)
            .because(error)
    })?;
    let spec = JobSpec::from_json(&text).map_err(|error| error.with("file", &file))?;
    let executor: Arc<dyn Executor> = match arguments.threads {
        1 => Arc::new(Inline),
        threads => Arc::new(ThreadPool::new(threads)?),
    };
    let context = Context::new().with_executor(executor);
    let outputs = LocalFiles::new(&arguments.out);
    let outputs = Arc::new(match arguments.sync {
        true => outputs,
        false => outputs.without_sync(),
    });
    let workspace =
        LocalWorkspace::new(Arc::new(LocalFiles::new(&arguments.data)), outputs.clone());
    let job = workspace.job(&context, &spec).await?;
    Ok(Prepared {
        arguments,
        context,
        outputs,
        workspace,
        job,
    })
}

async fn run(prepared: &Prepared) -> Result<Outcome> {
    let Prepared {
        arguments,
        context,
        outputs,
        workspace,
        job,
    } = prepared;
    let rejects: Arc<dyn RejectLedger> = if arguments.dry_run {
        Arc::new(MemoryRejects::new())
    } else {
        let files = RejectFiles::new(outputs.clone());
        files.clear_stale().await?;
        Arc::new(files)
    };
    if let Some(path) = &arguments.report {
        // A run that cannot begin must not leave an older one's report.
        let _ = std::fs::remove_file(path);
    }
    let request = RunRequest::new(rejects).with_dry_run(arguments.dry_run);
    let report = job.run(context, request).await?;
    print!("{report}");
    if let Some(path) = &arguments.report {
        write_report(path, &report)?;
    }
    if !arguments.dry_run && report.failure.is_none() {
        for destination in &report.destinations {
            workspace.home().save(context, &destination.name).await?;
        }
    }
    Ok(report.outcome)
}

fn write_report(path: &Path, report: &RunReport) -> Result<()> {
    let json = serde_json::to_string_pretty(report).map_err(std::io::Error::from)?;
    std::fs::write(path, json + "\n")
        .map_err(|error| Error::from(error).with("report", path.display()))
}
