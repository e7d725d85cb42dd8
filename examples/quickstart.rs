//! Five jobs over a cut of New York's flights in 2013, with no arguments and no network:
//! airlines, airports and planes are upserted, flights look all three up, and the desks of an
//! operations centre find their superiors among themselves.
//!
//! Shows each job's plan, a progress bar, the report, and where the refused records are.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use syncline::Result;
use syncline::file::{LocalFiles, RejectFiles};
use syncline::host::{Context, Event, Observer, ThreadPool};
use syncline::job::{Job, Outcome, RunReport, RunRequest};
use syncline::spec::JobSpec;
use syncline::workspace::LocalWorkspace;

const JOBS: [&str; 5] = ["carriers", "airports", "planes", "flights", "desks"];

/// Shows how far a run is.
#[derive(Debug)]
struct Bar(ProgressBar);

impl Observer for Bar {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::RunStarted { job, .. } => self.0.set_message((*job).to_owned()),
            Event::Progress {
                bytes, bytes_total, ..
            } => {
                self.0.set_length(bytes_total.unwrap_or(*bytes));
                self.0.set_position(*bytes);
            }
            Event::RunFinished { .. } => self.0.finish(),
            _ => {}
        }
    }
}

fn main() -> ExitCode {
    match futures::executor::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/nycflights");
    let out = std::env::temp_dir().join("syncline-quickstart");
    let workspace = LocalWorkspace::new(
        Arc::new(LocalFiles::new(&data)),
        Arc::new(LocalFiles::new(&out)),
    );
    let threads = Arc::new(ThreadPool::new(2)?);

    for name in JOBS {
        let text = std::fs::read_to_string(data.join(format!("{name}.json")))?;
        let spec = JobSpec::from_json(&text)?;
        let style = ProgressStyle::with_template("{msg:10} {bar:40} {bytes}/{total_bytes}");
        let bar =
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(100));
        let context = Context::new()
            .with_executor(threads.clone())
            .with_observer(Arc::new(Bar(bar)));

        let job = workspace.job(&context, &spec).await?;
        println!("{}", job.plan(&context).await?);

        // Each job's rejects in a folder of their own.
        let folder = out.join(name);
        let rejects = RejectFiles::new(Arc::new(LocalFiles::new(&folder)));
        rejects.clear_stale().await?;
        let report = job
            .run(&context, RunRequest::new(Arc::new(rejects)))
            .await?;
        show(&report);
        if report.outcome == Outcome::PartialSuccess {
            println!("  refused records: {}\n", folder.join("rejects").display());
        }
        if let Some(failure) = report.failure {
            return Err(failure);
        }
        for destination in &report.destinations {
            workspace.home().save(&context, &destination.name).await?;
        }
    }
    println!("the objects: {}", out.display());
    Ok(())
}

/// The report as a table.
fn show(report: &RunReport) {
    println!(
        "{:<10} {:>8} {:>9} {:>9} {:>9} {:>11} {:>9}",
        "object", "read", "inserted", "updated", "filtered", "superseded", "rejected"
    );
    for d in &report.destinations {
        println!(
            "{:<10} {:>8} {:>9} {:>9} {:>9} {:>11} {:>9}",
            d.name, d.read, d.inserted, d.updated, d.filtered, d.superseded, d.rejected
        );
        for (field, counts) in &d.lookups {
            println!(
                "  lookup {field}: {} resolved, {} unresolved, {} ambiguous, {} empty",
                counts.resolved, counts.unresolved, counts.ambiguous, counts.empty
            );
        }
        for (reason, count) in &d.rejects {
            println!("  rejected, {}: {count}", reason.code());
        }
    }
    println!();
}
