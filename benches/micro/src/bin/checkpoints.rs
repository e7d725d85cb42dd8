//! What checkpoints cost: the reference job J1 without saved state, with a store in memory and with one in a directory, one after
//! the other, several times.
//!
//! ```text
//! checkpoints [ROWS [TIMES]]      e.g. cargo run --release -p micro --bin checkpoints -- 1000000 5
//! ```

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use syncline::Tenant;
use syncline::file::LocalState;
use syncline::host::{Context, StateStore};
use syncline::job::{CommitPolicy, Job, RunRequest};
use syncline::memory::{MemoryFiles, MemoryRejects, MemoryState};
use syncline::spec::JobSpec;
use syncline::workspace::LocalWorkspace;
use workload::Workload;

const J1: &str = include_str!("../../../jobs/j1.json");

/// Runs J1 on this thread; how long that took, and how many groups were committed.
fn run(
    files: &MemoryFiles,
    commit: CommitPolicy,
    store: Option<Arc<dyn StateStore>>,
) -> (Duration, u64) {
    let spec = JobSpec::from_json(J1).unwrap();
    let workspace = LocalWorkspace::new(Arc::new(files.clone()), Arc::new(MemoryFiles::new()));
    let context = Context::new();
    let job = block_on(workspace.job(&context, &spec)).unwrap();
    let mut request = RunRequest::new(Arc::new(MemoryRejects::new())).with_commit(commit);
    if let Some(store) = store {
        request = request.with_state(Tenant::new("bench").unwrap(), store);
    }
    let began = Instant::now();
    let report = block_on(job.run(&context, request)).unwrap();
    let took = began.elapsed();
    assert!(report.failure.is_none(), "{report}");
    (took, report.destinations[0].groups)
}

fn main() {
    let number = |nth, default| {
        std::env::args()
            .nth(nth)
            .map_or(default, |word| word.parse().unwrap())
    };
    let (rows, times): (u64, u64) = (number(1, 1_000_000), number(2, 5));
    let files = MemoryFiles::new();
    let data = Workload::new(rows);
    let (mut accounts, mut usage) = (Vec::new(), Vec::new());
    data.write_accounts(&mut accounts).unwrap();
    data.write_usage(&mut usage).unwrap();
    files.insert("accounts.csv", accounts);
    files.insert("usage.csv", usage);
    let folder = std::env::temp_dir().join(format!("checkpoints-{}", std::process::id()));
    // As it is by default, and one checkpoint for every ten thousand records.
    for (name, commit) in [
        ("by default", CommitPolicy::default()),
        (
            "each 10,000 records",
            CommitPolicy::default().with_records(10_000),
        ),
    ] {
        let mut least = [Duration::MAX; 3];
        let mut groups = 0;
        for time in 0..times {
            let local = folder.join(format!("{name} {time}"));
            let stores: [Option<Arc<dyn StateStore>>; 3] = [
                None,
                Some(Arc::new(MemoryState::new())),
                Some(Arc::new(LocalState::new(local))),
            ];
            for (least, store) in least.iter_mut().zip(stores) {
                let (took, closed) = run(&files, commit, store);
                (*least, groups) = ((*least).min(took), closed);
            }
        }
        let [without, memory, local] = least.map(|time| time.as_secs_f64());
        println!("{name}: {rows} records, {groups} checkpoints, {without:.3} s without state");
        println!("  memory store: {:+.2} %", (memory / without - 1.0) * 100.0);
        let each = (local - without) * 1_000.0 / groups.max(1) as f64;
        println!("  directory: {each:.2} ms per checkpoint");
    }
    let _ = std::fs::remove_dir_all(folder);
}
