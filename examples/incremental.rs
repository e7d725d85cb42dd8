//! A job that can be stopped at any moment: started again, it reads on where it was, and nothing is lost or there twice.
//!
//! ```text
//! incremental [FOLDER]                 proves it in an empty folder: starts the job, kills it, starts it again, and looks at the end
//! incremental work FOLDER [RECORDS]    the job itself, with a commit for so many records: FOLDER/orders.csv to FOLDER/out
//! ```
//!
//! Its checkpoints are in `FOLDER/state`, and what it refuses is in `FOLDER/rejects`. Each commit group is a file of its own, so a group that was under way when the
//! process died takes the place of what was left of it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::dataset::Dataset;
use syncline::destination::Destination;
use syncline::file::{DelimitedDataset, FileDestination, LocalFiles, LocalState, RejectFiles};
use syncline::host::{Context, Entropy, FileStore as _, SystemEntropy};
use syncline::job::{CommitPolicy, Guarantee, Job, RunReport, RunRequest, SyncJob};
use syncline::record::{Field, FieldType, Schema};
use syncline::spec::{
    Delimited, DestinationSpec, FieldMapping, FileSource, MappingSpec, WriteMode,
};
use syncline::{Error, ErrorKind, Result, Tenant};

/// A folder of files as a connection with one object.
#[derive(Debug)]
struct Folder {
    info: ConnectionInfo,
    orders: Arc<FileDestination>,
}

#[async_trait]
impl Connection for Folder {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        let orders = ObjectInfo::new("order", self.orders.schema().clone());
        Ok(Catalog::new(vec![orders.without_lookup()]))
    }

    async fn dataset(&self, _: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        let message = "this connection is only written";
        Err(Error::new(ErrorKind::Unsupported, message).with("object", object))
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        Ok(self.orders.clone())
    }
}

/// Runs the job once.
async fn work(folder: &Path, group: u64) -> Result<RunReport> {
    let context = Context::new();
    let files = Arc::new(LocalFiles::new(folder));
    let fields = vec![
        Field::new("id", FieldType::Integer),
        Field::new("item", FieldType::Text),
    ];
    let source = FileSource::new("orders.csv", fields.clone());
    let orders = DelimitedDataset::open(&context, files.clone(), &source).await?;
    let parts = FileDestination::new(
        files.clone(),
        "out/orders.csv",
        "order",
        Schema::new(fields),
        Delimited::csv(),
    );
    let connection = Folder {
        info: ConnectionInfo::new("folder"),
        orders: Arc::new(parts.in_parts()),
    };
    let fields = ["id", "item"].map(|name| FieldMapping::direct(name, name));
    let spec = DestinationSpec::new(
        "order",
        WriteMode::Insert,
        MappingSpec::new(fields.to_vec()),
    );
    let job = SyncJob::new("orders", Arc::new(orders))
        .to(Arc::new(connection), spec)
        .requiring(Guarantee::ExactlyOnce);

    let state = Arc::new(LocalState::new(folder.join("state")));
    // The name tells a run that goes on from the next one, which would read the source anew.
    let request = RunRequest::new(Arc::new(RejectFiles::new(files).in_parts()))
        .with_state(Tenant::new("acme")?, state)
        .with_run("orders of today")
        .with_batch_rows(100)
        .with_commit(CommitPolicy::default().with_records(group));
    job.run(&context, request).await
}

/// All records of the parts, in order: of those that were written, or of those that were refused.
fn kept(folder: &Path, below: &str) -> Result<Vec<String>> {
    let files = LocalFiles::new(folder);
    let names = futures::executor::block_on(files.list(below))?;
    let mut records = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(".csv")) {
        let text = std::fs::read_to_string(folder.join(name))?;
        records.extend(text.lines().skip(1).map(str::to_owned));
    }
    Ok(records)
}

/// Starts the job as a process of its own, and kills it after a while; whether it was done before.
fn start_and_kill(folder: &Path, after: Duration) -> Result<bool> {
    let program = std::env::current_exe()?;
    let mut child = Command::new(program)
        .arg("work")
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()?;
    std::thread::sleep(after);
    if let Some(status) = child.try_wait()? {
        return match status.success() {
            true => Ok(true),
            false => Err(Error::new(
                ErrorKind::Io,
                "the job failed; it says why above",
            )),
        };
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

fn prove(folder: &Path) -> Result<bool> {
    println!("in {}", folder.display());
    std::fs::create_dir_all(folder)?;
    let order = |id: u32| match id % 1_000 {
        // Not every order has a number.
        500 => format!("?,item {}", id % 77),
        _ => format!("{id},item {}", id % 77),
    };
    let all: Vec<String> = (1..=20_000).map(order).collect();
    std::fs::write(
        folder.join("orders.csv"),
        format!("id,item\n{}\n", all.join("\n")),
    )?;
    let (bad, good): (Vec<String>, Vec<String>) =
        all.into_iter().partition(|order| order.starts_with('?'));
    let (mut kills, mut longest) = (0, 20);
    loop {
        let mut chance = [0];
        SystemEntropy.fill(&mut chance);
        let after = Duration::from_millis(longest * u64::from(chance[0]) / 255);
        if start_and_kill(folder, after)? {
            break;
        }
        kills += 1;
        // However slow the machine is, it comes to its end.
        longest += 10;
        println!(
            "killed after {after:?}: {} orders are there",
            kept(folder, "out/")?.len()
        );
    }
    let refused = kept(folder, "rejects/_source")?;
    let refused = refused
        .iter()
        .map(|reject| reject.split(",bad_value,").next());
    let right =
        kept(folder, "out/")? == good && refused.eq(bad.iter().map(|order| Some(order.as_str())));
    println!("killed {kills} times; each order is there once, or among the rejects once: {right}");
    Ok(right && kills > 0)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words[..] {
        ["work", folder, ref more @ ..] => {
            let group = more
                .first()
                .and_then(|group| group.parse().ok())
                .unwrap_or(1_000);
            let report = futures::executor::block_on(work(Path::new(folder), group));
            report.map(|report| {
                print!("{report}");
                report.failure.is_none()
            })
        }
        _ => {
            let default =
                || std::env::temp_dir().join(format!("incremental-{}", std::process::id()));
            prove(&words.first().map_or_else(default, PathBuf::from))
        }
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
