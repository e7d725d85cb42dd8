//! What each kind of schedule does, by example.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};
use syncline::schedule::{
    CompiledSchedule, Happened, Holidays, LastOutcome, NextRun, NoRun, Schedule as _,
    ScheduleRequest,
};
use syncline::spec::ScheduleSpec;

fn compiled(text: &str) -> CompiledSchedule {
    CompiledSchedule::new(&text.parse().unwrap()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The local times of the runs after an instant, with their offsets.
fn runs(text: &str, after: &str, count: usize) -> Vec<String> {
    let runs = compiled(text).preview(instant(after), count);
    runs.iter()
        .map(|run| run.local.format("%m-%d %H:%M %:z").to_string())
        .collect()
}

#[test]
fn clocks_that_are_put_forward_and_back() {
    // From 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October.
    let spring = "2026-03-28T12:00:00Z";
    let autumn = "2026-10-24T12:00:00Z";
    for (text, after, expected) in [
        // A fixed time in the gap: at the first instant behind it.
        (
            "every day at 02:30",
            spring,
            vec!["03-29 03:00 +02:00", "03-30 02:30 +02:00"],
        ),
        (
            r#"cron "30 2 * * *""#,
            spring,
            vec!["03-29 03:00 +02:00", "03-30 02:30 +02:00"],
        ),
        (
            "every Sunday at 02:30",
            spring,
            vec!["03-29 03:00 +02:00", "04-05 02:30 +02:00"],
        ),
        (
            "on the last Sunday of every month at 02:30",
            spring,
            vec!["03-29 03:00 +02:00", "04-26 02:30 +02:00"],
        ),
        (
            "once at 2026-03-29 02:30",
            spring,
            vec!["03-29 03:00 +02:00"],
        ),
        // All times of the gap are one run, also with what is due then anyway.
        (
            "every day at 02:00, 02:30, 03:00",
            spring,
            vec!["03-29 03:00 +02:00", "03-30 02:00 +02:00"],
        ),
        (
            r#"cron "0,30 1-3 * * *""#,
            "2026-03-29T00:45:00Z",
            vec![
                "03-29 03:00 +02:00",
                "03-29 03:30 +02:00",
                "03-30 01:00 +02:00",
            ],
        ),
        // A wildcard and an interval know no gap.
        (
            r#"cron "*/30 * * * *""#,
            "2026-03-29T00:15:00Z",
            vec![
                "03-29 01:30 +01:00",
                "03-29 03:00 +02:00",
                "03-29 03:30 +02:00",
            ],
        ),
        (r#"cron "*/30 2 * * *""#, spring, vec!["03-30 02:00 +02:00"]),
        (
            "every 30 minutes",
            "2026-03-29T00:15:00Z",
            vec!["03-29 01:30 +01:00", "03-29 03:00 +02:00"],
        ),
        // A fixed time in the hour that comes twice: the first time.
        (
            "every day at 02:30",
            autumn,
            vec!["10-25 02:30 +02:00", "10-26 02:30 +01:00"],
        ),
        (
            r#"cron "30 2 * * *""#,
            autumn,
            vec!["10-25 02:30 +02:00", "10-26 02:30 +01:00"],
        ),
        // Asked for in the second of the two hours, it is over.
        (
            "every day at 02:30",
            "2026-10-25T01:10:00Z",
            vec!["10-26 02:30 +01:00"],
        ),
        (
            r#"cron "0 */2 * * *""#,
            "2026-10-24T23:00:00Z",
            vec![
                "10-25 02:00 +02:00",
                "10-25 02:00 +01:00",
                "10-25 04:00 +01:00",
            ],
        ),
        (
            "every hour",
            "2026-10-24T23:30:00Z",
            vec![
                "10-25 02:00 +02:00",
                "10-25 02:00 +01:00",
                "10-25 03:00 +01:00",
            ],
        ),
    ] {
        assert_eq!(
            runs(&format!("{text} Europe/Berlin"), after, expected.len()),
            expected,
            "{text}"
        );
    }
    // A midnight that is never shown, and a gap that ends on the next day: the run of the day before.
    assert_eq!(
        runs(
            "every day at 00:00 America/Sao_Paulo",
            "2018-11-03T12:00:00Z",
            1
        ),
        ["11-04 01:00 -02:00"]
    );
    assert_eq!(
        runs(
            "every Saturday at 23:30 America/Nuuk",
            "2024-03-30T12:00:00Z",
            2
        ),
        ["03-31 00:00 -01:00", "04-06 23:30 -01:00"]
    );
    // A day that Samoa never had.
    assert_eq!(
        runs("every day at 06:30 Pacific/Apia", "2011-12-29T00:00:00Z", 2),
        ["12-29 06:30 -10:00", "12-31 06:30 +14:00"]
    );
    assert_eq!(
        runs(
            "on day 30 of every month at 06:30 Pacific/Apia",
            "2011-12-01T00:00:00Z",
            1
        ),
        ["01-30 06:30 +14:00"]
    );
}

#[test]
fn each_kind_runs_when_it_says() {
    let begin = "2026-01-01T00:00:00Z"; // A Thursday.
    for (text, expected) in [
        (
            "every day at 18:00, 06:30",
            vec!["01-01 06:30", "01-01 18:00", "01-02 06:30"],
        ),
        (
            "every weekday at 06:30",
            vec!["01-01 06:30", "01-02 06:30", "01-05 06:30"],
        ),
        (
            "every Monday, Thursday at 09:00",
            vec!["01-01 09:00", "01-05 09:00", "01-08 09:00"],
        ),
        (
            "on day 31 of every month at 09:00",
            vec!["01-31 09:00", "03-31 09:00", "05-31 09:00"],
        ),
        (
            "on the last day of every month at 09:00",
            vec!["01-31 09:00", "02-28 09:00", "03-31 09:00"],
        ),
        (
            "on the 2nd Tuesday of every month at 09:00",
            vec!["01-13 09:00", "02-10 09:00", "03-10 09:00"],
        ),
        (
            "on the 5th Friday of every month at 09:00",
            vec!["01-30 09:00", "05-29 09:00", "07-31 09:00"],
        ),
        (
            "on day 1, the last Friday of every month at 09:00",
            vec!["01-01 09:00", "01-30 09:00", "02-01 09:00"],
        ),
        (
            "on the last weekday of every month at 09:00",
            vec!["01-30 09:00", "02-27 09:00", "03-31 09:00"],
        ),
        (
            "on day 1 of month 2 of every quarter at 09:00",
            vec!["02-01 09:00", "05-01 09:00", "08-01 09:00"],
        ),
        (
            "on the last day of month 3 of every quarter at 09:00",
            vec!["03-31 09:00", "06-30 09:00", "09-30 09:00"],
        ),
        (
            "on day 15 of March, December at 09:00",
            vec!["03-15 09:00", "12-15 09:00", "03-15 09:00"],
        ),
        (
            r#"cron "0 9 1 * MON""#,
            vec!["01-01 09:00", "01-05 09:00", "01-12 09:00"],
        ),
        (
            r#"cron "0 9 1 * +MON""#,
            vec!["06-01 09:00", "02-01 09:00", "03-01 09:00"],
        ),
        (
            r#"cron "0 9 ? * SAT-SUN""#,
            vec!["01-03 09:00", "01-04 09:00", "01-10 09:00"],
        ),
        (
            r#"cron "0 9 4W * *""#,
            vec!["01-05 09:00", "02-04 09:00", "03-04 09:00"],
        ),
        (
            r#"cron "0 9 L-3 * ?""#,
            vec!["01-28 09:00", "02-25 09:00", "03-28 09:00"],
        ),
        (
            r#"cron "0 9 * * fri#3""#,
            vec!["01-16 09:00", "02-20 09:00", "03-20 09:00"],
        ),
        (
            r#"cron "0 9 * * 7L""#,
            vec!["01-25 09:00", "02-22 09:00", "03-29 09:00"],
        ),
        (
            r#"cron "30 0 12 1 JUL-SEP/2 *""#,
            vec!["07-01 12:00", "09-01 12:00", "07-01 12:00"],
        ),
        (
            r#"cron "@weekly""#,
            vec!["01-04 00:00", "01-11 00:00", "01-18 00:00"],
        ),
        (
            "every 90 minutes from 2026-01-01T00:10:00Z",
            vec!["01-01 00:10", "01-01 01:40", "01-01 03:10"],
        ),
        (
            "every 6 hours after the end",
            vec!["01-01 00:00", "01-01 06:00", "01-01 12:00"],
        ),
        (
            "every day at 06:00 or every 5 hours",
            vec!["01-01 04:00", "01-01 06:00", "01-01 09:00"],
        ),
        (
            "every day at 09:00; from 2026-02-03; until 2026-02-05",
            vec!["02-03 09:00", "02-04 09:00", "02-05 09:00"],
        ),
        (
            "every 8 hours; not 08:00-16:00; except on 2026-01-02",
            vec!["01-01 16:00", "01-03 00:00", "01-03 16:00"],
        ),
        (
            "every 8 hours; not 16:00-07:00 on Thursday, Friday",
            vec!["01-01 08:00", "01-02 08:00", "01-03 08:00"],
        ),
        (
            "every day at 09:00; not 2026-01-01 09:00 to 2026-01-03 09:00",
            vec!["01-03 09:00", "01-04 09:00", "01-05 09:00"],
        ),
        (
            "every day at 09:00; except every Friday, Saturday at 09:00",
            vec!["01-01 09:00", "01-04 09:00", "01-05 09:00"],
        ),
    ] {
        let found = runs(text, begin, 3);
        let found: Vec<&str> = found.iter().map(|run| &run[..11]).collect();
        assert_eq!(found, expected, "{text}");
    }
    let leap = runs(r#"cron "0 9 29 2 +MON" UTC"#, begin, 2);
    assert_eq!(leap, ["02-29 09:00 +00:00"; 2]);
    let at = compiled(r#"cron "0 9 29 2 +MON" UTC"#).preview(instant(begin), 2);
    assert_eq!((at[0].at.year(), at[1].at.year()), (2044, 2072));
}

#[test]
fn an_interval_from_the_end_follows_the_runs() {
    let schedule = compiled("every 2 hours after the end UTC; until 2026-01-31");
    let (noon, one) = (
        instant("2026-01-01T12:00:00Z"),
        instant("2026-01-01T13:00:00Z"),
    );
    let request = ScheduleRequest::new(one);
    assert_eq!(
        schedule.next(&request),
        NextRun::At(one + TimeDelta::seconds(1))
    );
    let runs = request.clone().with_last_start(noon);
    assert_eq!(schedule.next(&runs), NextRun::AfterEnd);
    // The run before that which goes on has ended.
    let again = runs.clone().with_last_end(noon - TimeDelta::hours(1));
    assert_eq!(schedule.next(&again), NextRun::AfterEnd);
    let ended = runs.with_last_end(noon + TimeDelta::minutes(10));
    assert_eq!(
        schedule.next(&ended),
        NextRun::At(instant("2026-01-01T14:10:00Z"))
    );
    // It was due while nobody asked.
    let mut late = ended.clone();
    late.after = one + TimeDelta::days(1);
    assert_eq!(
        schedule.next(&late),
        NextRun::At(late.after + TimeDelta::seconds(1))
    );
    let mut over = ended;
    over.after = one + TimeDelta::days(60);
    assert_eq!(schedule.next(&over), NextRun::Never(NoRun::Over));
}

#[test]
fn events_start_runs_where_runs_may_be() {
    let schedule = compiled(
        r#"on file "in/" or on call "import" or on job "people" success UTC; until 2026-01-31; not 22:00-06:00"#,
    );
    let noon = instant("2026-01-01T12:00:00Z");
    assert_eq!(schedule.next(&ScheduleRequest::new(noon)), NextRun::OnEvent);
    let job = |outcome| Happened::JobEnded {
        job: "people".into(),
        outcome,
    };
    for (happened, at, starts) in [
        (Happened::File("in/a.csv".into()), noon, true),
        (Happened::File("out/a.csv".into()), noon, false),
        (
            Happened::File("in/a.csv".into()),
            noon + TimeDelta::hours(10),
            false,
        ),
        (
            Happened::File("in/a.csv".into()),
            noon + TimeDelta::days(60),
            false,
        ),
        (Happened::Call("import".into()), noon, true),
        (Happened::Call("export".into()), noon, false),
        (job(LastOutcome::Succeeded), noon, true),
        (job(LastOutcome::Failed), noon, false),
    ] {
        assert_eq!(
            schedule.starts_on(&happened, at),
            starts,
            "{happened:?} at {at}"
        );
    }
    let later = ScheduleRequest::new(noon + TimeDelta::days(60));
    assert_eq!(schedule.next(&later), NextRun::Never(NoRun::Over));
    let both = compiled(r#"on file "in/" or every day at 06:30 UTC"#);
    assert_eq!(
        both.next(&ScheduleRequest::new(noon)),
        NextRun::At(instant("2026-01-02T06:30:00Z"))
    );
    let by_hand = compiled("on demand UTC");
    assert_eq!(
        by_hand.next(&ScheduleRequest::new(noon)),
        NextRun::Never(NoRun::OnDemand)
    );
    assert!(!by_hand.starts_on(&Happened::Call(String::new()), noon));
}

/// Weekends, and the first week of May.
#[derive(Debug)]
struct Free;

impl Holidays for Free {
    fn is_holiday(&self, day: NaiveDate) -> bool {
        matches!(day.weekday(), Weekday::Sat | Weekday::Sun) || (day.month() == 5 && day.day() < 8)
    }
}

#[test]
fn holidays_are_skipped_or_moved_away_from() {
    let runs = |text: &str, after: &str, count| {
        let schedule =
            CompiledSchedule::with_holidays(&text.parse().unwrap(), Arc::new(Free)).unwrap();
        let runs = schedule.preview(instant(after), count);
        runs.iter()
            .map(|run| run.local.format("%m-%d %H").to_string())
            .collect::<Vec<_>>()
    };
    let april = "2026-04-30T12:00:00Z";
    assert_eq!(
        runs("every day at 09:00; skip holidays", april, 2),
        ["05-08 09", "05-11 09"]
    );
    assert_eq!(
        runs("every 12 hours; skip holidays", april, 2),
        ["05-08 00", "05-08 12"]
    );
    // Both the first and the third come on the 8th, as one run, and so does what is due then.
    assert_eq!(
        runs(
            "on day 1, day 3, day 8, day 20 of every month at 09:00; move holidays",
            april,
            3
        ),
        ["05-08 09", "05-20 09", "06-01 09"]
    );
    assert_eq!(
        runs("every day at 18:00, 09:00; move holidays", april, 4),
        ["04-30 18", "05-08 09", "05-08 18", "05-11 09"]
    );
    let spec: ScheduleSpec = "every 12 hours; move holidays".parse().unwrap();
    let error = CompiledSchedule::with_holidays(&spec, Arc::new(Free)).unwrap_err();
    assert_eq!(error.problems()[0].path, "recurrence");

    /// A host that never works.
    #[derive(Debug)]
    struct Always;
    impl Holidays for Always {
        fn is_holiday(&self, _: NaiveDate) -> bool {
            true
        }
    }
    let request = ScheduleRequest::new(instant(april));
    for (text, gives_up) in [
        ("every day at 09:00; move holidays", false),
        ("every day at 09:00; skip holidays", true),
    ] {
        let schedule =
            CompiledSchedule::with_holidays(&text.parse().unwrap(), Arc::new(Always)).unwrap();
        let next = schedule.next(&request);
        assert_eq!(
            matches!(next, NextRun::Never(NoRun::NotUntil(_))),
            gives_up,
            "{text}: {next:?}"
        );
        assert_eq!(next.at(), None);
    }
}

#[test]
fn jitter_is_of_the_job_and_the_run_and_reaches_nothing_else() {
    let day = "2026-01-01T00:00:00Z";
    let late = |text: &str, job: &str, count| {
        let request = ScheduleRequest::new(instant(day)).with_job(job);
        compiled(text)
            .preview_for(request, count)
            .iter()
            .map(|run| run.at)
            .collect::<Vec<_>>()
    };
    let plain = late("every day at 06:30 UTC", "a", 200);
    let (a, b) = (
        late("every day at 06:30 UTC; jitter 600 seconds", "a", 200),
        late("every day at 06:30 UTC; jitter 600 seconds", "b", 200),
    );
    let seconds = |late: &[DateTime<Utc>]| {
        late.iter()
            .zip(&plain)
            .map(|(late, at)| (*late - *at).num_seconds())
            .collect::<Vec<_>>()
    };
    let (of_a, of_b) = (seconds(&a), seconds(&b));
    for all in [&of_a, &of_b] {
        assert!(all.iter().all(|late| (0..=600).contains(late)), "{all:?}");
        // Spread over the whole of it.
        assert!(
            all.iter().any(|late| *late < 60) && all.iter().any(|late| *late > 540),
            "{all:?}"
        );
    }
    let same = of_a.iter().zip(&of_b).filter(|(a, b)| a == b).count();
    assert!(
        same < 10,
        "{same} of 200 runs of two jobs are late by the same"
    );
    // Asked from anywhere, the same runs: also between the time of a run and the run.
    let schedule = compiled("every day at 06:30 UTC; jitter 600 seconds");
    for (on_time, run) in plain.iter().zip(&a) {
        for after in [
            *on_time - TimeDelta::seconds(1),
            *on_time,
            *run - TimeDelta::seconds(1),
        ] {
            if after < *run {
                assert_eq!(
                    schedule.next(&ScheduleRequest::new(after).with_job("a")),
                    NextRun::At(*run)
                );
            }
        }
    }
    // Of the first eight bytes of SHA-256 over the seconds since 1970, as eight bytes, and the job; another hash would move every job.
    assert_eq!(of_a[..4], [104, 252, 306, 584]);
    // Neither the next run, nor a blackout, nor another day than the last.
    for (text, bound) in [
        ("every 10 minutes UTC; jitter 1 hours", 600),
        (
            "every day at 06:30 UTC; jitter 1 hours; not 06:35-07:45",
            300,
        ),
        (
            "every day at 23:59 UTC; jitter 1 hours; from 2026-01-01; until 2026-01-01",
            60,
        ),
    ] {
        let (on_time, _) = text.split_once("; jitter").unwrap();
        let all = late(text, "a", 100);
        let times = compiled(on_time).preview(instant(day) - TimeDelta::hours(1), 120);
        // Each is of the last time before it, and of another time than those before.
        let of = all.iter().map(|late| {
            times
                .iter()
                .map(|run| run.at)
                .rfind(|at| at <= late)
                .unwrap()
        });
        let of: Vec<DateTime<Utc>> = of.collect();
        assert!(
            !of.is_empty() && of.windows(2).all(|two| two[0] < two[1]),
            "{text}"
        );
        for (late, at) in all.iter().zip(&of) {
            assert!((*late - *at).num_seconds() < bound, "{text}: {late}");
        }
    }
}
