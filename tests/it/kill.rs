//! A real process, killed at random moments: whatever it was doing, the next one ends with exactly the right output.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::examples::example;

const KILLS: usize = 200;
const RECORDS: usize = 1_500;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Starts the job of the example: a file into a part for each 250 records, with its state beside.
fn start(folder: &Path) -> Child {
    let mut command = example("incremental");
    command.arg("work").arg(folder).arg("250");
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// Every hundredth has no number.
fn orders() -> Vec<String> {
    let order = |id| match id % 100 {
        50 => format!("?,item {id}"),
        _ => format!("{id},item {}", id * 7919 % 1_000),
    };
    (1..=RECORDS).map(order).collect()
}

fn is_good(order: &str) -> bool {
    !order.starts_with('?')
}

/// The records that were refused, as they were read.
fn refused(folder: &Path) -> Vec<String> {
    let records = records(&folder.join("rejects")).into_iter();
    let cells = records.filter_map(|record| Some(record.split_once(",bad_value,")?.0.to_owned()));
    cells.collect()
}

/// What is there, part by part.
fn output(folder: &Path) -> Vec<String> {
    records(&folder.join("out"))
}

fn records(folder: &Path) -> Vec<String> {
    let Ok(parts) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = parts.map(|part| part.unwrap().path());
    // A process that dies leaves the file that it was writing, under a name that no reader takes.
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "csv"))
        .collect();
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).unwrap();
        records.extend(text.lines().skip(1).map(str::to_owned));
    }
    records
}

#[test]
fn a_job_that_is_killed_two_hundred_times_ends_right_each_time() {
    let seed = std::env::var("SYNCLINE_SEED").map_or(1, |seed| seed.parse().unwrap());
    let (mut chance, orders) = (Chance(seed), orders());
    let (good, bad): (Vec<String>, Vec<String>) =
        orders.iter().cloned().partition(|order| is_good(order));
    let (mut kills, mut amid, mut whole) = (0, 0, Duration::ZERO);
    while kills < KILLS {
        let folder = TempDir::new().unwrap();
        let text = format!("id,item\n{}\n", orders.join("\n"));
        std::fs::write(folder.path().join("orders.csv"), text).unwrap();
        // The first job shows how long one takes.
        let lives = if whole.is_zero() {
            0
        } else {
            1 + chance.below(4)
        };
        for _ in 0..lives {
            let mut child = start(folder.path());
            std::thread::sleep(whole.mul_f64(chance.below(1_100) as f64 / 1_000.0));
            child.kill().unwrap();
            let alive = !child.wait().unwrap().success();
            kills += usize::from(alive);
            let there = output(folder.path());
            assert!(
                good.starts_with(&there),
                "seed {seed}: {} records",
                there.len()
            );
            amid += usize::from(alive && !there.is_empty() && there.len() < good.len());
        }
        let began = Instant::now();
        assert!(
            start(folder.path()).wait().unwrap().success(),
            "seed {seed}"
        );
        if whole.is_zero() {
            whole = began.elapsed();
        }
        assert!(
            output(folder.path()) == good && refused(folder.path()) == bad,
            "seed {seed}, after {kills} kills"
        );
    }
    // It would prove little if all had died before they began.
    assert!(amid > KILLS / 10, "{amid} of {kills} died amid the work");
}
