//! The simulator: jobs that break off at every effect, fail at every call, and go on; what must hold is checked behind each.
//!
//! `SYNCLINE_SEED=7` replays one seed, `SYNCLINE_STEPS=crashes,seeds` does some of it only and asserts nothing, with `SYNCLINE_SEEDS=500` of fewer seeds; a defect is a step by its name, too. The figures are printed, and written to `target/figures/simulation.json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod broken;
mod check;
mod gates;
mod incremental;
mod leases;
mod model;
mod redrives;
mod schedulers;
mod sweep;
mod trials;
mod workloads;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use syncline::testing::Bug;

use broken::Flaw;
use sweep::{
    Figures, Found, by_seed, catch, catch_broken, crash_once, crash_twice, fail_each, hang_each,
    spread, tampered, wake_late,
};
use workloads::workloads;

/// Of lives of jobs, and of histories of ten schedulers.
const SEEDS: u64 = 20_000;

/// Histories of an incremental sync, each with and without disturbances.
const HISTORIES: u64 = 5_000;

/// Shows the first few broken rules of each kind.
fn show(found: &[Found]) {
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    let few = found.iter().filter(|found| {
        let times = shown.entry(found.violation.rule).or_default();
        *times += 1;
        *times <= 3
    });
    for Found {
        workload,
        script,
        violation,
    } in few
    {
        println!(
            "{workload}: {script}: {}: {}",
            violation.rule, violation.how
        );
    }
}

#[test]
fn nothing_is_lost_whatever_effect_is_the_last() {
    let workloads = workloads();
    if let Ok(seed) = std::env::var("SYNCLINE_SEED") {
        let seed = seed.parse().expect("SYNCLINE_SEED is a number");
        let mut found = by_seed(&workloads, seed);
        let histories = [
            incremental::calm(seed),
            incremental::by_seed(seed),
            schedulers::by_seed(seed),
        ];
        found.extend(histories.into_iter().flatten().map(Found::from));
        show(&found);
        assert!(found.is_empty(), "seed {seed}");
        return;
    }
    let mut figures = Figures::default();
    let mut found = Vec::new();
    let only = std::env::var("SYNCLINE_STEPS").ok();
    // Fewer, while something is looked for.
    let seeds = std::env::var("SYNCLINE_SEEDS")
        .ok()
        .filter(|_| only.is_some());
    let seeds = seeds.map_or(SEEDS as usize, |seeds| {
        seeds.parse().expect("SYNCLINE_SEEDS is a number")
    });
    let wanted = |name: &str| {
        only.as_ref()
            .is_none_or(|only| only.split(',').any(|step| step == name))
    };
    let mut step =
        |name: &str, count: usize, work: &(dyn Fn(usize, &mut Figures) -> Vec<Found> + Sync)| {
            if !wanted(name) {
                return;
            }
            let began = Instant::now();
            let done = spread(count, |number| {
                let mut own = Figures::default();
                let found = work(number, &mut own);
                (own, found)
            });
            let before = found.len();
            for (own, broken) in done {
                figures.add(&own);
                found.extend(broken);
            }
            let broken = found.len() - before;
            let took = began.elapsed().as_secs_f64();
            println!("{name}: {took:.1} s, {broken} broken rules, {figures:?}");
            show(&found[before..]);
        };
    step("crashes", workloads.len(), &|i, figures| {
        crash_once(&workloads[i], figures)
    });
    // Those with few effects: batches and groups of five rows.
    let few = [
        "with the checkpoint (5/5)",
        "plain inserts (5/5)",
        "groups are replaced (5/5)",
        "upserts told late (5/5)",
        "parts of files (5/5)",
        "self lookups (5/5)",
        "upserts (5/5)",
    ];
    let few: Vec<_> = workloads
        .iter()
        .filter(|w| few.contains(&&*w.name))
        .collect();
    step("double-crashes", few.len(), &|i, figures| {
        crash_twice(few[i], figures)
    });
    step("failures", workloads.len(), &|i, figures| {
        fail_each(&workloads[i], figures)
    });
    step("silences", workloads.len(), &|i, figures| {
        hang_each(&workloads[i], figures)
    });
    step("zombies", workloads.len(), &|i, figures| {
        wake_late(&workloads[i], figures)
    });
    let under_lease: Vec<_> = workloads.iter().filter(|w| w.leased).collect();
    step("leases", under_lease.len(), &|i, figures| {
        leases::leased(under_lease[i], figures)
    });
    step("tampering", workloads.len(), &|i, figures| {
        tampered(&workloads[i], figures)
    });
    step("seeds", seeds, &|i, figures| {
        figures.seeds += 1;
        by_seed(&workloads, i as u64)
    });

    step("incremental", incremental::crash_cases(), &|i, figures| {
        let found = incremental::crash(i, figures);
        found.into_iter().map(Found::from).collect()
    });
    step("histories", HISTORIES as usize, &|i, figures| {
        figures.histories += 1;
        let broken = incremental::calm(i as u64);
        let broken = broken.or_else(|| incremental::by_seed(i as u64));
        broken.into_iter().map(Found::from).collect()
    });
    step("schedulers", seeds, &|i, figures| {
        figures.scheduler_histories += 1;
        let broken = schedulers::by_seed(i as u64);
        broken.into_iter().map(Found::from).collect()
    });
    let redriven = redrives::cases();
    step("redrives", redriven.len(), &|i, figures| {
        let found = redrives::disturb(redriven[i], figures);
        found.into_iter().map(Found::from).collect()
    });
    step("fixed", 1, &|_, _| {
        incremental::fixed().into_iter().map(Found::from).collect()
    });

    let began = Instant::now();
    let mut bugs = Bug::ALL.to_vec();
    bugs.retain(|bug| {
        let by_name = wanted(&format!("{bug:?}"));
        let incremental = wanted("incremental-defects") && incremental::DEFECTS.contains(bug);
        let of_schedulers = wanted("scheduler-defects") && schedulers::DEFECTS.contains(bug);
        wanted("defects") || incremental || of_schedulers || by_name
    });
    let caught = spread(bugs.len(), |i| {
        let caught = trials::catch(bugs[i]).or_else(|| catch(bugs[i], &workloads));
        if only.is_some() {
            println!("{:?}: {caught:?}", bugs[i]);
        }
        caught
    });
    println!("defects: {:.1} s", began.elapsed().as_secs_f64());

    let flaws: &[Flaw] = if wanted("broken") { &Flaw::ALL } else { &[] };
    let noticed = spread(flaws.len(), |i| catch_broken(flaws[i], &workloads));
    let mut broken_backends = BTreeMap::new();
    for (flaw, noticed) in flaws.iter().zip(&noticed) {
        let by = noticed.as_ref().map(|found| found.violation.rule);
        println!(
            "{:<28} {}",
            format!("{flaw:?}"),
            by.unwrap_or("NOT NOTICED")
        );
        broken_backends.insert(format!("{flaw:?}"), by);
    }
    let mut table = BTreeMap::new();
    for (bug, caught) in bugs.iter().zip(&caught) {
        let by = caught.as_ref().map(|found| found.violation.rule);
        println!("{:<28} {}", format!("{bug:?}"), by.unwrap_or("NOT FOUND"));
        table.insert(format!("{bug:?}"), by);
    }
    let figures = json!({
        "crash_runs": figures.crash_runs,
        "double_crash_pairs": figures.double_crash_pairs,
        "nth_call_runs": figures.nth_call_runs,
        "zombie_runs": figures.zombie_runs,
        "lease_runs": figures.lease_runs,
        "hung_runs": figures.hung_runs,
        "tampered_runs": figures.tampered_runs,
        "redrive_runs": figures.redrive_runs,
        "seeds": figures.seeds,
        "histories": figures.histories,
        "scheduler_histories": figures.scheduler_histories,
        "violations": found.len(),
        "seeded_bugs": Bug::ALL.len(),
        "seeded_bugs_caught": caught.iter().flatten().count(),
        "caught_by": table,
        "broken_backends": flaws.len(),
        "broken_backends_caught": noticed.iter().flatten().count(),
        "noticed_by": broken_backends,
    });
    let text = serde_json::to_string_pretty(&figures).unwrap();
    println!("{text}");
    // Part of it is no figure to keep.
    if only.is_some() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/figures");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("simulation.json"), text).unwrap();
    assert!(found.is_empty(), "{} rules were broken", found.len());
    assert!(
        caught.iter().all(Option::is_some),
        "a seeded defect was not found"
    );
    assert!(
        noticed.iter().all(Option::is_some),
        "a broken backend was not noticed"
    );
    assert!(figures["crash_runs"].as_u64() >= Some(12_000));
    assert!(figures["double_crash_pairs"].as_u64() >= Some(10_000));
    assert!(figures["nth_call_runs"].as_u64() >= Some(15_000));
    assert!(figures["seeds"].as_u64() >= Some(20_000));
    assert!(figures["scheduler_histories"].as_u64() >= Some(SEEDS));
}
