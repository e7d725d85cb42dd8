//! Prints the coming runs of a schedule, in UTC, one a line:
//!
//! ```text
//! next_runs (--cron EXPR | --text SCHEDULE) [--zone ZONE] [--from RFC3339] [-n N] [--local]
//! ```
//!
//! EXPR is a cron expression of five fields, or six with seconds; SCHEDULE a sentence like `every weekday at 06:30`. The zone is UTC unless
//! it is told, with `--zone` or at the end of the sentence; the runs are those after `--from`, by default now, and ten unless N says otherwise.
//! `--local` shows them by the clocks of the zone, with the offset.
//! Exit code: 0 success, 64 bad usage, or a schedule that is wrong or can never run.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat, Utc};
use syncline::Result;
use syncline::schedule::{CompiledSchedule, PreviewRun};
use syncline::spec::{Recurrence, ScheduleSpec};

struct Arguments {
    schedule: Result<ScheduleSpec>,
    from: DateTime<Utc>,
    count: usize,
    local: bool,
}

fn arguments() -> Option<Arguments> {
    let (mut schedule, mut zone, mut from, mut count, mut local) = (None, None, None, 10, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--cron" => schedule = Some(Ok(ScheduleSpec::new(Recurrence::Cron(words.next()?)))),
            "--text" => schedule = Some(words.next()?.parse()),
            "--zone" => zone = Some(words.next()?),
            "--from" => from = Some(DateTime::parse_from_rfc3339(&words.next()?).ok()?.to_utc()),
            "-n" => count = words.next()?.parse().ok()?,
            "--local" => local = true,
            _ => return None,
        }
    }
    let in_zone = |spec: ScheduleSpec| match zone {
        Some(zone) => spec.with_zone(zone),
        None => spec,
    };
    Some(Arguments {
        schedule: schedule?.map(in_zone),
        from: from.unwrap_or_else(|| std::time::SystemTime::now().into()),
        count,
        local,
    })
}

fn runs(schedule: &ScheduleSpec, from: DateTime<Utc>, count: usize) -> Result<Vec<PreviewRun>> {
    Ok(CompiledSchedule::new(schedule)?.preview(from, count))
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!(
            "usage: next_runs (--cron EXPR | --text SCHEDULE) [--zone ZONE] [--from RFC3339] [-n N] [--local]"
        );
        return ExitCode::from(64);
    };
    let Arguments { from, count, .. } = arguments;
    match arguments
        .schedule
        .and_then(|schedule| runs(&schedule, from, count))
    {
        Ok(runs) => {
            for run in runs {
                match arguments.local {
                    true => println!("{}", run.local.to_rfc3339()),
                    false => println!("{}", run.at.to_rfc3339_opts(SecondsFormat::Secs, true)),
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(64)
        }
    }
}
