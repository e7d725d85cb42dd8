//! The laws of all schedules, over schedules and instants by chance.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use proptest::sample::select;

use super::zone::{DAY, Zone};
use super::*;
use crate::spec::ScheduleSpec;

/// Zones whose clocks were changed in every way there is.
const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Nuuk",
    "America/St_Johns",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Antarctica/Vostok",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
];

fn offset(tz: Tz, at: i64) -> i64 {
    let at = DateTime::from_timestamp(at, 0).unwrap().naive_utc();
    tz.offset_from_utc_datetime(&at)
        .fix()
        .local_minus_utc()
        .into()
}

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// Every stretch of time with one offset is found: none is so short that it lies between two looks.
#[test]
fn clocks_of_all_zones_are_those_of_the_database() {
    for tz in TZ_VARIANTS {
        let zone = Zone::new(tz.name()).unwrap();
        for at in (0..4_102_444_800).step_by(25 * 3_600) {
            assert_eq!(zone.local(at), at + offset(tz, at), "{tz} at {at}");
        }
    }
}

#[test]
fn a_local_time_is_first_shown_when_it_is() {
    for name in ZONES {
        let (zone, tz) = (Zone::new(name).unwrap(), name.parse().unwrap());
        // What the clocks show each half hour; where they were changed, half a minute at a time.
        for hour in (0..2_145_916_800).step_by(21_600) {
            let changed = offset(tz, hour) != offset(tz, hour + 21_600);
            let step = if changed { 30 } else { 7_200 };
            for at in (hour..hour + 21_600).step_by(step) {
                let local = at + offset(tz, at);
                let first = zone.first(local);
                assert!(first <= at && zone.local(first) == local, "{name} at {at}");
                assert!(
                    zone.not_reached(at) > local && zone.first(zone.not_reached(at)) > at,
                    "{name} at {at}"
                );
                assert!(zone.first(zone.not_reached(at) - 1) <= at, "{name} at {at}");
            }
        }
    }
}

fn time() -> impl Strategy<Value = String> {
    (0..24u32, select(vec![0, 1, 15, 30, 59]))
        .prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"))
}

fn weekday() -> impl Strategy<Value = &'static str> {
    select(vec![
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ])
}

fn day_of_month() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..=28u32).prop_map(|date| format!("day {date}")),
        Just("the last day".to_owned()),
        Just("the last weekday".to_owned()),
        (
            select(vec!["1st", "2nd", "3rd", "4th", "5th", "last"]),
            weekday()
        )
            .prop_map(|(nth, day)| format!("the {nth} {day}")),
    ]
}

/// A recurrence whose runs depend on nothing but time.
fn recurrence() -> impl Strategy<Value = String> {
    let number = |most: u32| (0..=most).prop_map(|number| number.to_string());
    let field = move |most: u32| {
        prop_oneof![
            3 => number(most),
            1 => Just("*".to_owned()),
            1 => (2..9u32).prop_map(|step| format!("*/{step}")),
            1 => (number(most), number(most)).prop_map(|(a, b)| format!("{a},{b}")),
        ]
    };
    let days = select(vec![
        "* * *",
        "L * *",
        "15W * *",
        "LW * ?",
        "* * MON-FRI",
        "1,L-2 */2 *",
        "? * 5#3",
        "1 * SUN",
        "13 * +FRI",
        "* MAR,OCT SUNL",
    ]);
    let month = select(vec!["January", "March", "October, March", "February"]);
    let times = prop::collection::vec(time(), 1..3)
        .prop_map(|times| times.join(", "))
        .boxed();
    prop_oneof![
        times.clone().prop_map(|at| format!("every day at {at}")),
        times
            .clone()
            .prop_map(|at| format!("every weekday at {at}")),
        (weekday(), weekday(), times.clone())
            .prop_map(|(a, b, at)| format!("every {a}, {b} at {at}")),
        (day_of_month(), day_of_month(), times.clone())
            .prop_map(|(a, b, at)| format!("on {a}, {b} of every month at {at}")),
        (day_of_month(), 1..=3u32, times.clone()).prop_map(|(on, month, at)| format!(
            "on {on} of month {month} of every quarter at {at}"
        )),
        (day_of_month(), month, times)
            .prop_map(|(on, month, at)| format!("on {on} of {month} at {at}")),
        (field(59), field(23), days.clone())
            .prop_map(|(minute, hour, days)| format!(r#"cron "{minute} {hour} {days}""#)),
        (field(59), number(59), field(23), days).prop_map(|(second, minute, hour, days)| format!(
            r#"cron "{second} {minute} {hour} {days}""#
        )),
        (1..100u32, select(vec!["minutes", "hours", "days"]))
            .prop_map(|(count, unit)| format!("every {count} {unit}")),
        (300..9_999u32)
            .prop_map(|count| format!("every {count} seconds from 2001-02-03T04:05:06Z")),
    ]
}

/// A whole schedule, that may leave out what it likes.
fn schedule() -> impl Strategy<Value = String> {
    let clauses = prop_oneof![
        5 => Just(String::new()),
        1 => (time(), time()).prop_filter("is a time", |(a, b)| a != b).prop_map(|(a, b)| format!("; not {a}-{b} on Sunday, Monday")),
        1 => Just("; not 2007-03-01 00:00 to 2009-10-25 02:30; except on 2010-01-01, 2016-02-29".to_owned()),
        1 => recurrence().prop_map(|runs| format!("; except {runs}")),
        1 => Just("; from 2005-03-27; until 2031-10-26".to_owned()),
        2 => (1..=7_200u32).prop_map(|jitter| format!("; jitter {jitter} seconds")),
        1 => (time(), 1..999u32).prop_map(|(a, jitter)| format!("; not 02:30-{a} on Saturday; jitter {jitter} seconds")),
    ];
    let recurrence = prop_oneof![
        4 => recurrence(),
        1 => (recurrence(), recurrence()).prop_map(|(a, b)| format!("{a} or {b}")),
    ];
    (recurrence, select(&ZONES[..]), clauses)
        .prop_map(|(recurrence, zone, clauses)| format!("{recurrence} {zone}{clauses}"))
}

/// All runs from one instant up to another, at most so many.
fn fires(schedule: &CompiledSchedule, from: i64, until: i64, most: usize) -> Vec<i64> {
    let next = |after| {
        let request = ScheduleRequest::new(instant(after)).with_job("job");
        schedule.next(&request).at().map(|at| at.timestamp())
    };
    let runs = std::iter::successors(next(from - 1), |at| next(*at));
    runs.take_while(|at| *at < until).take(most).collect()
}

/// Instants from 1970 to 2037, half of them within days around the changes of clocks in spring and autumn.
fn when() -> impl Strategy<Value = i64> {
    let spring_and_autumn = (0..136i64, -4 * DAY..4 * DAY)
        .prop_map(|(half, near)| (half * 1_577_880 * 10 + 7_430_400 + near).max(1));
    prop_oneof![1..2_145_916_800i64, spring_and_autumn]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    /// I-23: runs of a time are those of its first part and those of its second.
    #[test]
    fn runs_of_a_time_are_those_of_its_parts(text in schedule(), from in when(), days in 0..40 * DAY, part in 0..=1_000i64) {
        let spec: ScheduleSpec = text.parse().unwrap();
        // It may leave out all that it has.
        let Ok(schedule) = CompiledSchedule::new(&spec) else { return Ok(()) };
        let all = fires(&schedule, from, from + days, 400);
        let end = if all.len() < 400 { from + days } else { all[399] + 1 };
        let middle = from + (end - from) * part / 1_000;
        let mut parts = fires(&schedule, from, middle, 400);
        parts.extend(fires(&schedule, middle, end, 400));
        prop_assert_eq!(&all, &parts, "{} from {} by {}", text, from, middle);
        prop_assert!(all.windows(2).all(|two| two[0] < two[1]), "{} {:?}", text, all);
        prop_assert!(all.iter().all(|at| (from..end).contains(at)));
        // And the same for one who compiles it anew, from its own text or its JSON.
        let again: ScheduleSpec = spec.to_string().parse().unwrap();
        prop_assert_eq!(&again, &spec);
        let json = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(&ScheduleSpec::from_json(&json).unwrap(), &spec);
        let again = CompiledSchedule::new(&again).unwrap();
        prop_assert_eq!(fires(&again, from, end, 400), all);
    }

    /// I-24: a fixed time of every day runs once for each day that there is.
    #[test]
    fn a_daily_time_runs_once_a_day(at in time(), name in select(&ZONES[..]), from in when()) {
        let tz: Tz = name.parse().unwrap();
        let schedule = CompiledSchedule::new(&format!("every day at {at} {name}").parse().unwrap()).unwrap();
        let cron = format!(r#"cron "{} {} * * *" {name}"#, &at[3..], &at[..2]);
        let cron = CompiledSchedule::new(&cron.parse().unwrap()).unwrap();
        // Each day that the clocks show some time of, and when they first show this one.
        let (from, until) = (from.max(0), from.max(0) + 30 * DAY);
        let shown = |at: i64| (at + offset(tz, at)).div_euclid(DAY);
        let days: BTreeSet<i64> = (from..until).step_by(900).map(shown).collect();
        let zone = Zone::new(name).unwrap();
        let seconds = i64::from(at.parse::<crate::spec::TimeOfDay>().unwrap().seconds());
        let due = |day: &i64| zone.first(day * DAY + seconds);
        let whole = from + 3 * DAY..until - 3 * DAY;
        let expected: Vec<i64> = days.iter().map(due).filter(|at| whole.contains(at)).collect();
        prop_assert!(expected.len() >= 22, "{}", expected.len());
        prop_assert_eq!(&fires(&schedule, whole.start, whole.end, 400), &expected, "{} {}", at, name);
        prop_assert_eq!(&fires(&cron, whole.start, whole.end, 400), &expected, "{} {}", at, name);
    }
}
