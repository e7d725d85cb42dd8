//! State in a directory that several processes share, and that outlives any of them.

use std::collections::HashSet;
use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::executor::block_on;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::dataset::Dataset;
use syncline::destination::Destination;
use syncline::file::{FileDestination, LocalFiles, LocalState};
use syncline::host::{Context, StateKey, StateKind, StateStore};
use syncline::job::{Job as _, LeaseTerms, Outcome, RunLease, RunRequest, SyncJob};
use syncline::memory::{MemoryDataset, MemoryRejects};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{Delimited, DestinationSpec, FieldMapping, MappingSpec, WriteMode};
use syncline::{Error, ErrorKind, Result, Tenant};

use super::contract::count_up;

const FOLDER: &str = "SYNCLINE_TEST_STATE";
const TIMES: &str = "SYNCLINE_TEST_TIMES";

fn counter() -> StateKey {
    StateKey::new(
        &Tenant::new("acme").unwrap(),
        StateKind::Checkpoint,
        ["Counter", "1"],
    )
    .unwrap()
}

fn count(store: &LocalState) -> u64 {
    let stored = block_on(store.get(&counter())).unwrap();
    stored.map_or(0, |stored| {
        std::str::from_utf8(&stored.bytes).unwrap().parse().unwrap()
    })
}

/// What the other tests run in processes of their own.
#[test]
#[ignore = "a process of the other tests here"]
fn counts_up() {
    let store = LocalState::new(env::var_os(FOLDER).expect("run by other tests"));
    let times = env::var(TIMES).unwrap().parse().unwrap();
    count_up(&store, &counter(), times, |count| {
        println!("counted {count}")
    })
    .unwrap();
}

fn counting(folder: &Path, times: usize) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "state::processes::counts_up",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .env(TIMES, times.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The counts that a process has reported. A line is written at once, so none is cut off by a kill.
fn reported(process: &mut Child) -> Vec<u64> {
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let counts = lines.map(|line| line.unwrap()).filter_map(|line| {
        let (_, count) = line.split_once("counted ")?;
        count.parse().ok()
    });
    counts.collect()
}

#[test]
fn processes_that_count_up_one_key_lose_no_count() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes: Vec<Child> = (0..4).map(|_| counting(folder.path(), 50)).collect();
    let mut counts = Vec::new();
    for process in &mut processes {
        counts.extend(reported(process));
        assert!(process.wait().unwrap().success());
    }
    // Each count was reached by one process only.
    counts.sort_unstable();
    assert_eq!(counts, (1..=200).collect::<Vec<u64>>());
    assert_eq!(count(&LocalState::new(folder.path())), 200);
}

#[test]
fn a_process_that_is_killed_leaves_a_store_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalState::new(folder.path());
    let (mut before, mut in_the_middle) = (0, 0);
    for round in 0..25 {
        let mut process = counting(folder.path(), 1_000_000);
        // Later and later, from before the first count on.
        thread::sleep(Duration::from_micros(1_000 * round + 137 * (round % 7)));
        process.kill().unwrap();
        let counts = reported(&mut process);
        process.wait().unwrap();
        let now = count(&store);
        // What was reported is there; one more may have been done that nobody heard of.
        let heard = counts.last().copied().unwrap_or(before);
        assert_eq!(heard, before + counts.len() as u64);
        assert!((heard..=heard + 1).contains(&now), "{now}, {heard} heard");
        in_the_middle += u64::from(now > before);
        // The lock went with the process.
        count_up(&store, &counter(), 1, |_| {}).unwrap();
        assert_eq!(count(&store), now + 1);
        before = now + 1;
    }
    assert!(in_the_middle > 0, "no process came to count");
    let listed = block_on(store.list(counter().tenant(), StateKind::Checkpoint, None, 9)).unwrap();
    assert_eq!(listed, [counter()]);
}

const RUNS: usize = 500;
const BEGAN: &str = "SYNCLINE_TEST_BEGAN";

fn orders() -> MemoryDataset {
    let schema = Schema::new(vec![Field::new("n", FieldType::Integer)]);
    let mut rows = RecordBuilder::new(&schema);
    for n in 0..3 {
        rows.push(&serde_json::json!({"n": n})).unwrap();
    }
    MemoryDataset::new("orders", schema, vec![rows.finish().unwrap()]).unwrap()
}

/// A connection to one folder: an object in parts.
#[derive(Debug)]
struct Folder(ConnectionInfo, Arc<LocalFiles>);

#[async_trait]
impl Connection for Folder {
    fn info(&self) -> &ConnectionInfo {
        &self.0
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        Ok(Catalog::new(vec![
            ObjectInfo::new("order", orders().schema().clone()).without_lookup(),
        ]))
    }

    async fn dataset(&self, _: &Context, _: &str) -> Result<Arc<dyn Dataset>> {
        Ok(Arc::new(orders()))
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        let (files, schema) = (self.1.clone(), orders().schema().clone());
        let order = FileDestination::new(files, "order.csv", "order", schema, Delimited::csv());
        Ok(Arc::new(order.in_parts()))
    }
}

/// What the other test runs in processes of their own: each of the jobs once, unless the other process was first.
#[test]
#[ignore = "a process of the other test here"]
fn contends() {
    let folder = PathBuf::from(env::var_os(FOLDER).expect("run by the other test"));
    let state = Arc::new(LocalState::new(folder.join("state")));
    let millis = Duration::from_millis;
    let terms = LeaseTerms::default()
        .with_ttl(millis(120))
        .with_write_timeout(millis(20))
        .with_margin(millis(10));
    let began: u64 = env::var(BEGAN).unwrap().parse().unwrap();
    for number in 0..RUNS {
        // Both come at the same moment, or one would always be the first.
        let due = UNIX_EPOCH + Duration::from_millis(began + 40 * number as u64);
        thread::sleep(due.duration_since(SystemTime::now()).unwrap_or_default());
        let out = Arc::new(LocalFiles::new(folder.join(format!("out-{number}"))).without_sync());
        let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
        let job = SyncJob::new(format!("orders {number}"), Arc::new(orders())).to(
            Arc::new(Folder(ConnectionInfo::new("folder"), out)),
            DestinationSpec::new("order", WriteMode::Insert, mapping),
        );
        loop {
            let request = RunRequest::new(Arc::new(MemoryRejects::new()))
                .with_state(Tenant::new("acme").unwrap(), state.clone())
                .with_run("the only one")
                .with_lease(RunLease::new("one of two").with_terms(terms));
            match block_on(job.run(&Context::new(), request)) {
                Ok(report) if report.outcome == Outcome::Success => {
                    if report.resumed < 3 {
                        println!("did {number}");
                    }
                    break;
                }
                // It had the lease and lost it, or a call took longer than the lease allows: all may be done, or nothing.
                Ok(report) => {
                    let failure = report.failure.expect("a reason");
                    assert!(in_the_way(&failure), "{failure}");
                    println!("broke off {number}");
                }
                Err(error) => {
                    assert!(in_the_way(&error), "{error}");
                    println!("stood back from {number}");
                }
            }
        }
    }
}

/// Whether the other process, or a machine that is too slow for the terms of the lease, explains an error.
fn in_the_way(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Timeout)
}

#[test]
fn a_thousand_contended_runs_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let began = now.as_millis() + 500;
    let start = || {
        Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "state::processes::contends",
                "--ignored",
                "--nocapture",
            ])
            .env(FOLDER, folder.path())
            .env(BEGAN, began.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes = [start(), start()];
    let (mut did, mut broke_off, mut stood_back) = (Vec::new(), HashSet::new(), 0);
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let said = |what: &str| -> Vec<usize> {
            let numbers = text.lines().filter_map(|line| line.split_once(what));
            numbers.map(|(_, number)| number.parse().unwrap()).collect()
        };
        did.extend(said("did "));
        broke_off.extend(said("broke off "));
        stood_back += said("stood back from ").len();
    }
    assert!(stood_back > RUNS / 20, "they hardly ever met: {stood_back}");
    let state = LocalState::new(folder.path().join("state"));
    let tenant = Tenant::new("acme").unwrap();
    for number in 0..RUNS {
        let mut rows = Vec::new();
        for entry in std::fs::read_dir(folder.path().join(format!("out-{number}"))).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "csv") {
                let text = std::fs::read_to_string(path).unwrap();
                rows.extend(text.lines().skip(1).map(str::to_owned));
            }
        }
        rows.sort_unstable();
        assert_eq!(rows, ["0", "1", "2"], "job {number}");
    }
    let saved = block_on(state.list(&tenant, StateKind::Checkpoint, None, RUNS + 1)).unwrap();
    assert_eq!(saved.len(), RUNS, "one checkpoint for each job");
    // Each was told done once, or by nobody: then its runner had lost the lease when it would have said so.
    did.sort_unstable();
    assert!(did.is_sorted_by(|one, next| one < next), "told done twice");
    let mut untold = (0..RUNS).filter(|number| did.binary_search(number).is_err());
    let lost = untold.find(|number| !broke_off.contains(number));
    assert_eq!(lost, None, "done, and nobody was in the way of saying so");
}
