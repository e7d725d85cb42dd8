//! A day of a small company's jobs and chains, by a virtual clock in about a second, and drawn as a timeline:
//!
//! ```text
//! scheduler [--out FILE] [--realtime [SECONDS]]
//! ```
//!
//! Prints what ran, how often, and what became of it, and writes the picture (SVG) to FILE, by default in the folder for temporary files. With
//! `--realtime` the day passes so slowly that people can watch it, in a minute unless SECONDS says otherwise, with a bar for each run that goes
//! on. It is the same day each time.
//!
//! | file | is |
//! |---|---|
//! | `main.rs` | a scheduler, and time that passes |
//! | `company.rs` | the workspace: connections, jobs, a chain, and when they run |
//! | `outside.rs` | the systems outside, which are slow and sometimes down |
//! | `diary.rs` | notes beside the runs |
//! | `day.rs`, `timeline.rs` | what became of the day, and its picture |
//! | `screen.rs` | progress bars |
//!
//! Exit code: 0 success, 1 failed, 64 bad usage.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod company;
mod day;
mod diary;
mod outside;
mod screen;
mod timeline;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join;
use syncline::host::{CancelToken, Clock as _, Context, SeededEntropy};
use syncline::memory::ManualClock;
use syncline::scheduler::{RunLimits, Scheduler, SchedulerConfig};
use syncline::{Error, ErrorKind, Result};

use self::day::{End, Row};
use self::diary::Diary;
use self::screen::Screen;
use self::timeline::Timeline;

const USAGE: &str = "usage: scheduler [--out FILE] [--realtime [SECONDS]]";
const MINUTES: u32 = 24 * 60;
/// Midnight in Berlin, where the company is.
const MIDNIGHT: &str = "2026-03-02T00:00:00+01:00";

struct Arguments {
    out: PathBuf,
    /// How long the day takes those who watch it.
    lasts: Option<Duration>,
}

fn arguments() -> Option<Arguments> {
    let mut arguments = Arguments {
        out: std::env::temp_dir().join("syncline-scheduler.svg"),
        lasts: None,
    };
    let mut words = std::env::args().skip(1).peekable();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--out" => arguments.out = words.next()?.into(),
            "--realtime" => {
                let seconds = words.next_if(|word| !word.starts_with('-'));
                let seconds = seconds.map_or(Ok(60), |word| word.parse());
                arguments.lasts = Some(Duration::from_secs(seconds.ok()?));
            }
            _ => return None,
        }
    }
    Some(arguments)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(64);
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let midnight = DateTime::parse_from_rfc3339(MIDNIGHT)
        .map_err(|error| Error::new(ErrorKind::Invalid, "this is no midnight").because(error))?
        .to_utc();
    // Jobs are there a moment before, so that those of midnight run.
    let clock = ManualClock::new(midnight - TimeDelta::seconds(30));
    let rows = clock.drive(day(&clock, midnight, arguments.lasts));
    let stuck = || Error::new(ErrorKind::Contract, "a run waits for nothing that comes");
    let rows = rows.ok_or_else(stuck)??;

    print(&rows);
    let title = "Monday, 2 March 2026, at Nordwind";
    let timeline = Timeline {
        title,
        midnight,
        zone: "Berlin",
        rows: &rows,
    };
    let drawn = timeline.svg();
    let svg = drawn.map_err(|error| Error::new(ErrorKind::Io, "cannot be drawn").because(error))?;
    std::fs::write(&arguments.out, svg).map_err(|error| {
        let error = Error::new(ErrorKind::Io, "the picture cannot be written").because(error);
        error.with("file", arguments.out.display())
    })?;
    println!("\nthe day as a picture: {}", arguments.out.display());
    Ok(())
}

/// A scheduler runs the company's jobs for a day.
async fn day(
    clock: &ManualClock,
    midnight: DateTime<Utc>,
    lasts: Option<Duration>,
) -> Result<Vec<Row>> {
    let context = Context::new()
        .with_clock(Arc::new(clock.clone()))
        .with_entropy(Arc::new(SeededEntropy::new(8)))
        .with_actor("the scheduler");
    let company = company::found(&context, midnight).await?;

    let screen = Screen::new(MINUTES.into(), lasts.is_some());
    let diary = Arc::new(Diary::new(company.jobs.clone(), screen));
    let config = SchedulerConfig::new("example", company.timetables.clone(), diary.clone())
        .with_limits(RunLimits::default().with_of_tenant(Some(3)))
        .with_look_every(Duration::from_secs(30));
    let stop = CancelToken::new();
    let until_stopped = context.clone().with_cancel(stop.clone());
    let mut scheduler = Scheduler::new(config);
    let passing = async {
        pass(clock, midnight, lasts, &diary.screen).await;
        stop.cancel();
    };
    let (ran, ()) = join(scheduler.run(&until_stopped), passing).await;
    ran?;
    diary.screen.clear();
    day::rows(&context, &company, &diary.notes(), midnight).await
}

/// Lets the day pass. Nobody else is on this thread, so whoever sleeps on it holds up the time of all.
async fn pass(
    clock: &ManualClock,
    midnight: DateTime<Utc>,
    lasts: Option<Duration>,
    screen: &Screen,
) {
    let began = Instant::now();
    for minute in 1..=MINUTES {
        clock.sleep(Duration::from_secs(60)).await;
        if let Some(lasts) = lasts {
            let reached = lasts * minute / MINUTES;
            std::thread::sleep(reached.saturating_sub(began.elapsed()));
        }
        let minutes = (clock.now() - midnight).num_minutes();
        screen.pass(format!("{:02}:{:02}", minutes / 60, minutes % 60));
    }
}

fn print(rows: &[Row]) {
    println!(
        "{:<14} {:>5} {:>7} {:>7} {:>7} {:>8} {:>8} {:>8}  when",
        "", "runs", "partly", "failed", "again", "skipped", "records", "rejected"
    );
    for row in rows {
        let name = if row.is_link {
            format!("- {}", row.name)
        } else {
            row.name.clone()
        };
        println!(
            "{name:<14} {:>5} {:>7} {:>7} {:>7} {:>8} {:>8} {:>8}  {}",
            row.bars.len(),
            row.count(|bar| bar.end == End::Partly),
            row.count(|bar| bar.end == End::Failed),
            row.count(|bar| bar.again),
            row.skipped.len(),
            row.records,
            row.rejected,
            row.when,
        );
    }
}
