//! State in a directory that several processes share, and that outlives any of them.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use syncline::Tenant;
use syncline::file::LocalState;
use syncline::host::{StateKey, StateKind, StateStore};

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
    let counts = lines.map(Result::unwrap).filter_map(|line| {
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
