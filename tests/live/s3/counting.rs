//! Many who count up one key.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use futures::future::join_all;
use syncline::Tenant;
use syncline::host::{Expected, StateKey, StateKind, StateStore, Swap};

use super::server::{server, state};

const ADDRESS: &str = "SYNCLINE_LIVE_ADDRESS";
const TIMES: usize = 40;

fn counter(tenant: &str) -> StateKey {
    let tenant = Tenant::new(tenant).unwrap();
    StateKey::new(&tenant, StateKind::Checkpoint, ["counter"]).unwrap()
}

async fn count(store: &dyn StateStore, key: &StateKey) -> (u64, Expected) {
    match store.get(key).await.unwrap() {
        Some(stored) => {
            let text = std::str::from_utf8(&stored.bytes).unwrap();
            (text.parse().unwrap(), Expected::Version(stored.version))
        }
        None => (0, Expected::Absent),
    }
}

/// Counts up so many times, trying again after each conflict; the counts that were reached, and how many conflicts there were.
async fn count_up(store: &dyn StateStore, key: &StateKey) -> (Vec<u64>, usize) {
    let (mut reached, mut conflicts) = (Vec::new(), 0);
    while reached.len() < TIMES {
        let (before, expected) = count(store, key).await;
        let next = (before + 1).to_string();
        match store.put(key, next.into(), expected).await.unwrap() {
            Swap::Done(_) => reached.push(before + 1),
            Swap::Conflict => conflicts += 1,
        }
        assert!(conflicts < 10_000, "nothing but conflicts");
    }
    (reached, conflicts)
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_tasks_lose_no_count() {
    let key = counter("tasks");
    let tasks = (0..8).map(|_| {
        let key = key.clone();
        tokio::spawn(async move { count_up(&state(&server().address), &key).await })
    });
    let (mut counts, mut conflicts) = (Vec::new(), 0);
    for task in join_all(tasks).await {
        let (reached, failed) = task.unwrap();
        counts.extend(reached);
        conflicts += failed;
    }
    // Each count was reached by one task only.
    counts.sort_unstable();
    assert_eq!(counts, (1..=8 * TIMES as u64).collect::<Vec<_>>());
    assert!(conflicts > 0, "they never met");
    println!("{conflicts} conflicts");
    assert_eq!(
        count(&state(&server().address), &key).await.0,
        8 * TIMES as u64
    );
}

/// What the next test runs in processes of their own.
#[tokio::test]
#[ignore = "a process of the next test"]
async fn counts_up() {
    let store = state(&env::var(ADDRESS).expect("run by the next test"));
    let (reached, _) = count_up(&store, &counter("processes")).await;
    for count in reached {
        println!("counted {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_lose_no_count() {
    let start = |_| -> Child {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "counting::counts_up", "--ignored", "--nocapture"])
            .env(ADDRESS, &server().address)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<Child> = (0..2).map(start).collect();
    let mut counts: Vec<u64> = Vec::new();
    for mut process in processes {
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let reached = lines.filter_map(|line| {
            let line = line.unwrap();
            line.split_once("counted ")?.1.parse().ok()
        });
        counts.extend(reached.collect::<Vec<u64>>());
        assert!(process.wait().unwrap().success());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=2 * TIMES as u64).collect::<Vec<_>>());
}
