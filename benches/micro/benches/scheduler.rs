//! What a look of a scheduler costs: with 100 jobs due of 1,000, 10,000 and 100,000; and how long 10,000 that are due at once take, with turns.
//!
//! The store is in memory, so this is the scheduler's own time: real stores add that of their calls. Jobs do nothing, and only looks are timed. Of the 10,000 half
//! belong to one tenant, so turns show by when the last of the others has its first run.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be set up ends the program"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;
use futures::future::join_all;
use peak_alloc::PeakAlloc;
use syncline::host::Context;
use syncline::job::Outcome;
use syncline::memory::{ManualClock, MemoryState};
use syncline::scheduler::{
    JobProvider, JobRun, ProvidedJob, RunLimits, Scheduler, SchedulerConfig, Timetables,
};
use syncline::spec::RunSettings;
use syncline::{Result, Tenant};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Jobs that do nothing: those of one second run each day at that second.
#[derive(Debug)]
struct Idle;

/// The job of a number: `per_second` jobs are due in each second from 06:00:00 on.
fn settings(second: usize) -> RunSettings {
    let at = 6 * 3_600 + second;
    let text = format!(
        "every day at {:02}:{:02}:{:02} UTC",
        at / 3_600,
        at / 60 % 60,
        at % 60
    );
    RunSettings::new(text.parse().unwrap())
}

#[async_trait]
impl JobProvider for Idle {
    async fn job(&self, _: &Context, _: &Tenant, job: &str) -> Result<Option<ProvidedJob>> {
        let second = job.split(' ').next().unwrap().parse().unwrap();
        Ok(Some(ProvidedJob::new(job, settings(second))))
    }

    async fn run(&self, _: &Context, _: &JobRun) -> Result<Outcome> {
        Ok(Outcome::Success)
    }
}

struct World {
    clock: ManualClock,
    context: Context,
    scheduler: Scheduler,
}

/// So many jobs of so many tenants, of which `per_second` are due in each second.
fn world(jobs: usize, tenants: usize, per_second: usize) -> World {
    let begin: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
    let clock = ManualClock::new(begin);
    let context = Context::new().with_clock(Arc::new(clock.clone()));
    let timetables = Timetables::new(Tenant::new("host").unwrap(), Arc::new(MemoryState::new()));
    let names: Vec<Tenant> = (0..tenants)
        .map(|n| Tenant::new(format!("tenant {n:04}")).unwrap())
        .collect();
    for number in 0..jobs {
        let (tenant, second) = (&names[number % tenants], number / per_second);
        let job = format!("{second} {number}");
        let provided = ProvidedJob::new(&job, settings(second));
        block_on(timetables.put(&context, tenant, &job, provided)).unwrap();
    }
    let limits = RunLimits::default().with_at_once(100);
    let config = SchedulerConfig::new("bench", timetables, Arc::new(Idle)).with_limits(limits);
    World {
        clock,
        context,
        scheduler: Scheduler::new(config),
    }
}

fn main() {
    for jobs in [1_000, 10_000, 100_000] {
        let mut world = world(jobs, 1_000.min(jobs / 10), 100);
        // A look before anything is due, and one behind it.
        let mut ticks = Vec::new();
        world
            .clock
            .advance(TimeDelta::hours(6) - TimeDelta::seconds(1));
        let idle = Instant::now();
        let _ = block_on(world.scheduler.tick(&world.context)).unwrap();
        let idle = idle.elapsed();
        for _ in 0..10 {
            world.clock.advance(TimeDelta::seconds(1));
            let began = Instant::now();
            let tick = block_on(world.scheduler.tick(&world.context)).unwrap();
            ticks.push(began.elapsed());
            assert_eq!(tick.started.len(), 100, "100 are due each second");
            block_on(join_all(tick.started));
        }
        ticks.sort();
        println!(
            "{jobs:>7} jobs, 100 due: tick {:.2} ms (median), {:.2} ms (slowest); none due: {:.3} ms",
            milliseconds(ticks[ticks.len() / 2]),
            milliseconds(ticks[ticks.len() - 1]),
            milliseconds(idle)
        );
    }
    for jobs in [2_000, 10_000] {
        drain(jobs);
    }
}

/// So many jobs at one time: half of them of one tenant, the others of as many tenants as have ten each.
fn drain(jobs: usize) {
    let half = jobs / 2;
    let mut world = world(half, half / 10, half);
    let many = Tenant::new("many").unwrap();
    let timetables = Timetables::clone(&world.scheduler.config().timetables);
    for number in 0..half {
        let job = format!("0 {number}");
        block_on(timetables.put(
            &world.context,
            &many,
            &job,
            ProvidedJob::new(&job, settings(0)),
        ))
        .unwrap();
    }
    world.clock.advance(TimeDelta::hours(6));
    let (mut started, mut looks, mut waiting) = (0, 0, 0);
    let mut first: BTreeMap<Tenant, usize> = BTreeMap::new();
    // The timetables themselves stand in the store, which is memory here.
    MEMORY.reset_peak_usage();
    let held = MEMORY.current_usage();
    let began = Instant::now();
    while started < jobs {
        let tick = block_on(world.scheduler.tick(&world.context)).unwrap();
        waiting = waiting.max(tick.waiting);
        for run in &tick.started {
            started += 1;
            first.entry(run.run().tenant.clone()).or_insert(started);
        }
        block_on(join_all(tick.started));
        looks += 1;
        world.clock.advance(TimeDelta::seconds(1));
        assert!(looks < 10_000, "{started} of {jobs} started");
    }
    let last = first.values().max().unwrap();
    println!(
        "{jobs:>7} due at once: {:.2} s in {looks} looks, at most {waiting} known to wait, at most {} KiB more than before; the last tenant's first run is the {last}th of all, at {}",
        began.elapsed().as_secs_f64(),
        MEMORY.peak_usage().saturating_sub(held) / 1_024,
        world.context.clock().now().format("%H:%M:%S")
    );
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
