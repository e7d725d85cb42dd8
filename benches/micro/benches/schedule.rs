//! The next run of schedules of every kind, asked for at instants all over the years; and of cron expressions that fit once in decades.
#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up ends the program"
)]

use chrono::{DateTime, TimeDelta};
use divan::Bencher;
use syncline::schedule::{CompiledSchedule, Schedule as _, ScheduleRequest};

fn main() {
    divan::main();
}

/// Asks for the next run, each time 100 hours and a second later, for thirty years.
fn ask(bencher: Bencher, text: &str) {
    let schedule = CompiledSchedule::new(&text.parse().unwrap()).unwrap();
    let begin = DateTime::from_timestamp(1_577_836_800, 0).unwrap();
    let mut request = ScheduleRequest::new(begin).with_job("people");
    bencher.bench_local(|| {
        request.after += TimeDelta::seconds(360_001);
        if request.after > begin + TimeDelta::days(11_000) {
            request.after = begin;
        }
        schedule.next(&request)
    });
}

#[divan::bench(args = [
    "every 15 minutes UTC",
    "every weekday at 06:30 Europe/Berlin",
    "every Monday, Friday at 09:00 America/New_York",
    "on the 2nd Tuesday, the last day of every month at 02:30 Europe/Berlin",
    "on the last weekday of month 1 of every quarter at 02:30 Europe/Berlin",
    "on day 29 of February at 02:30 Europe/Berlin",
    r#"cron "*/5 * * * *" America/Sao_Paulo"#,
    r#"cron "0 6 * * MON-FRI" Europe/Berlin"#,
    "every day at 06:30 or every Monday at 09:00 or every hour Europe/Berlin",
    "every hour Europe/Berlin; not 22:00-06:00 on Monday, Tuesday; except on 2026-12-24; jitter 60 seconds",
    "every second UTC; jitter 1 days",
])]
fn next_run(bencher: Bencher, text: &str) {
    ask(bencher, text);
}

/// 29 February on a Monday comes every 28 years, and every 40 where a century has no leap day.
#[divan::bench(args = [
    r#"cron "0 0 29 2 +MON" Europe/Berlin"#,
    r#"cron "* * 29 2 +MON" Europe/Berlin"#,
    r#"cron "30 2 29 2 +MON#5" Europe/Berlin"#,
])]
fn rare_cron(bencher: Bencher, text: &str) {
    ask(bencher, text);
}

#[divan::bench(args = [
    "every weekday at 06:30 Europe/Berlin",
    r#"cron "0 0 29 2 +MON" Europe/Berlin"#,
])]
fn compile(bencher: Bencher, text: &str) {
    bencher.bench_local(|| CompiledSchedule::new(&text.parse().unwrap()).unwrap());
}
