//! The library's cron against the crate `croner`, where both have the same rules.
//!
//! `croner` takes a list or a range of hours or minutes for a wildcard, and the library takes it for times; so expressions have one number, or a
//! wildcard. It reads neither `LW` nor `L-3`. Where clocks are put forward past midnight or by more than an hour it has other rules, and where
//! they are put back it passes over runs of a wildcard in the second of two hours: those are left to the stepper.

use std::str::FromStr as _;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use syncline::schedule::{CompiledSchedule, Schedule as _, ScheduleRequest};
use syncline::spec::{Recurrence, ScheduleSpec};

use super::stepper::Dice;

fn expression(dice: &mut Dice) -> String {
    let time = |dice: &mut Dice, most: u32| match dice.roll(6) {
        0 => "*".to_owned(),
        1 => format!("*/{}", 2 + dice.roll(12)),
        _ => dice.roll(most + 1).to_string(),
    };
    let (minute, hour) = (time(dice, 59), time(dice, 23));
    let names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let (date, weekday) = (1 + dice.roll(31), dice.roll(7));
    let name = dice.one(&names);
    let (from, to) = (dice.roll(7), dice.roll(7));
    let days = match dice.roll(12) {
        0 => format!("L {} *", 1 + dice.roll(12)),
        1 => format!("{date}W * *"),
        2 => format!("* * {weekday}#{}", 1 + dice.roll(5)),
        3 => format!("* FEB-APR {name}#L"),
        4 => format!("{date} * {name}"),
        5 => format!("{date} * +{name}"),
        6 => format!("1-{date}/3 JAN,6,OCT *"),
        7 => format!("* */5 {}-{}", from.min(to), from.max(to)),
        8 => format!("{date},L 2-11/3 {weekday}L"),
        _ => "* * *".into(),
    };
    match dice.roll(4) {
        // With seconds.
        0 => format!("{} {minute} {hour} {days}", time(dice, 59)),
        _ => format!("{minute} {hour} {days}"),
    }
}

/// Whether the clocks are changed near an instant in a way that `croner` is known to go wrong with.
fn is_strange(zone: Tz, at: i64, wildcard: bool) -> bool {
    let local = |at: i64| {
        let utc = DateTime::from_timestamp(at, 0).unwrap().naive_utc();
        at + i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
    };
    let looks = (at - 172_800..at + 172_800).step_by(1_800);
    looks.into_iter().any(|at| {
        let (before, behind) = (local(at), local(at + 1_800));
        let forward = behind - before - 1_800;
        let past_midnight = forward > 0 && before.div_euclid(86_400) != behind.div_euclid(86_400);
        forward > 3_600 || past_midnight || (wildcard && forward < 0)
    })
}

#[test]
fn cron_runs_are_those_of_croner() {
    let mut dice = Dice(0x5EED);
    let (mut compared, mut strange, mut never) = (0, 0, 0);
    for _ in 0..6_000 {
        let (text, zone) = (expression(&mut dice), dice.one(&TZ_VARIANTS));
        let spec = ScheduleSpec::new(Recurrence::Cron(text.clone())).with_zone(zone.name());
        let times: Vec<&str> = text.rsplitn(4, ' ').skip(3).collect();
        let wildcard = times[0].contains('*');
        let oracle = Cron::from_str(&text).unwrap();
        let Ok(schedule) = CompiledSchedule::new(&spec) else {
            // Such as the 31st of months that have none: it searches for years.
            let from = zone.from_utc_datetime(&DateTime::UNIX_EPOCH.naive_utc());
            assert!(
                oracle.find_next_occurrence(&from, false).is_err(),
                "{text} never runs"
            );
            never += 1;
            continue;
        };
        for _ in 0..5 {
            // 1971 to 2037.
            let from = 31_536_000 + i64::from(dice.roll(2_082_758_400));
            let from = DateTime::from_timestamp(from, 0).unwrap();
            let ours = schedule.next(&ScheduleRequest::new(from)).at();
            let theirs =
                oracle.find_next_occurrence(&zone.from_utc_datetime(&from.naive_utc()), false);
            let theirs = theirs.ok().map(|at| at.to_utc());
            if ours != theirs {
                let near = ours.or(theirs).unwrap().timestamp();
                strange += 1;
                assert!(
                    is_strange(zone, near, wildcard),
                    "{text} {zone} after {from}: {ours:?}, croner {theirs:?}"
                );
                continue;
            }
            compared += 1;
        }
    }
    assert!(
        compared > 25_000 && strange < 50,
        "{compared} compared, {strange} strange, {never} never run"
    );
}
