//! What is no schedule, and what is none that can be kept to.

use syncline::ErrorKind;
use syncline::schedule::CompiledSchedule;
use syncline::spec::{Recurrence, ScheduleSpec};

/// Paths and messages of what is wrong.
fn problems(spec: &ScheduleSpec) -> Vec<String> {
    let error = CompiledSchedule::new(spec).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error
        .problems()
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect()
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, expected) in [
        (
            "every day at 06:30 Europe/Berlyn",
            "zone: there is no such zone",
        ),
        (
            "on day 30 of February at 06:30",
            "recurrence.yearly.on[0]: none of these months",
        ),
        (
            "on day 1, day 31 of February, April at 06:30",
            "recurrence.yearly.on[1]: none of these months",
        ),
        (
            "on day 32 of every month at 06:30",
            "recurrence.monthly.on[0].day: a month has the days 1 to 31",
        ),
        (
            "on day 1 of month 4 of every quarter at 06:30",
            "recurrence.quarterly.month: a quarter has the months 1 to 3",
        ),
        (
            "every 0 minutes",
            "recurrence.every.count: an interval of 0",
        ),
        (
            "every day at 06:30; skip holidays",
            "holidays: the host has given no calendar",
        ),
        (
            "every day at 06:30; jitter 2 days",
            "jitter: a run may be late by a day at most",
        ),
        (
            "every day at 06:30; from 2026-02-01; until 2026-01-31",
            "ends: it ends before it starts",
        ),
        (
            "every day at 06:30; from 1869-01-01",
            "starts: a schedule knows the years 1970 to 9999",
        ),
        (
            "once at 2026-01-01 06:30; from 2026-01-02",
            ": it never runs",
        ),
        (
            "every day at 06:30; not 06:00-07:00",
            ": it leaves out the first 10000 runs",
        ),
        (
            "every day at 06:30; not 06:00-06:00",
            "blackouts[0]: it ends when it begins",
        ),
        (
            "every day at 06:30; not 2026-01-02 00:00 to 2026-01-01 00:00",
            "blackouts[0]: it ends when it begins",
        ),
        (
            r#"every day at 06:30; except on file """#,
            "except[0].runs: only runs of a time",
        ),
        (
            r#"every day at 06:30; except cron "0 6 31 6 *""#,
            "except[0].runs.cron: no calendar has a day like this",
        ),
        (
            r#"every day at 06:30 or on demand"#,
            "recurrence.any_of[1]: every job may run on demand",
        ),
        (
            r#"on call """#,
            "recurrence.event.api_call.topic: it is empty",
        ),
        (
            r#"cron "0 0 30 2 *""#,
            "recurrence.cron: no calendar has a day like this",
        ),
        (
            r#"cron "0 0 31 2,4,6,9,11 *""#,
            "recurrence.cron: no calendar has a day like this",
        ),
        (r#"cron "0 0 * *""#, "recurrence.cron: it has 4 fields"),
        (
            r#"cron "0 0 * * * * 2026""#,
            "recurrence.cron: it has 7 fields",
        ),
        (
            r#"cron "60 0 * * *""#,
            "recurrence.cron: `60` in the field minute is out of range; its numbers are 0 to 59",
        ),
        (
            r#"cron "0 24 * * *""#,
            "recurrence.cron: `24` in the field hour is out of range",
        ),
        (
            r#"cron "0 0 0 * *""#,
            "recurrence.cron: `0` in the field day of the month is out of range",
        ),
        (
            r#"cron "0 0 * JAM *""#,
            "recurrence.cron: `JAM` in the field month is no number",
        ),
        (
            r#"cron "0 0 * * 8""#,
            "recurrence.cron: `8` in the field day of the week is out of range",
        ),
        (
            r#"cron "0 22-2 * * *""#,
            "recurrence.cron: `22-2` in the field hour goes backwards",
        ),
        (
            r#"cron "*/0 * * * *""#,
            "recurrence.cron: `*/0` in the field minute has a step of 0",
        ),
        (
            r#"cron "*/90 * * * *""#,
            "recurrence.cron: `*/90` in the field minute has a step that leads out",
        ),
        (
            r#"cron "+1 * * * *""#,
            "recurrence.cron: `+1` in the field minute is no number",
        ),
        (
            r#"cron ", * * * *""#,
            "recurrence.cron: `` in the field minute is no number",
        ),
        (
            r#"cron "0 0 * * 1#6""#,
            "recurrence.cron: `1#6` in the field day of the week is no first to fifth",
        ),
        (
            r#"cron "0 0 L-31 * *""#,
            "recurrence.cron: `L-31` in the field day of the month is more days",
        ),
        (
            r#"cron "0 0 32W * *""#,
            "recurrence.cron: `32W` in the field day of the month is out of range",
        ),
        (
            r#"cron "0 0 * * L""#,
            "recurrence.cron: `L` in the field day of the week is no number",
        ),
        (
            r#"cron "@reboot""#,
            "recurrence.cron: there is no `@REBOOT`",
        ),
    ] {
        let found = problems(&text.parse().unwrap());
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(expected), "{text}: {}", found[0]);
    }
    // All of it at once, also what no text says.
    let json = r#"{"version": 1, "zone": "Asia/Tokyo", "jitter": 90000, "recurrence": {"any_of": [
        {"any_of": []}, "on_demand", {"weekly": {"on": [], "at": []}}, {"yearly": {"months": [13], "on": ["last_day"], "at": ["06:30"]}},
        {"monthly": {"on": [{"nth": {"nth": 6, "weekday": "sunday"}}], "at": ["06:30"]}}, {"once": "2026-01-01T06:30:00.5"}]}}"#;
    let found = problems(&ScheduleSpec::from_json(json).unwrap());
    let paths: Vec<&str> = found
        .iter()
        .map(|problem| problem.split(':').next().unwrap())
        .collect();
    let any_of = |path: &str| format!("recurrence.any_of{path}");
    let expected = [
        "[0]",
        "[1]",
        "[2].weekly.on",
        "[2].weekly.at",
        "[3].yearly.months[0]",
        "[4].monthly.on[0].nth.nth",
        "[5].once",
    ]
    .map(any_of);
    assert_eq!(paths[0], "jitter");
    assert_eq!(paths[1..], expected);
    let empty = ScheduleSpec::new(Recurrence::AnyOf(Vec::new()));
    assert_eq!(problems(&empty).len(), 1);
}

#[test]
fn a_text_that_is_no_schedule_says_why() {
    for (text, because) in [
        ("", "one of every, on, once, cron should stand at the end"),
        (
            "never",
            "one of every, on, once, cron should stand in place of `never`",
        ),
        ("every day", "at should stand at the end"),
        ("every day at", "a time like 06:30 should stand at the end"),
        (
            "every day at 6:30",
            "a time like 06:30 should stand in place of `6:30`",
        ),
        (
            "every day at 06:60",
            "a time like 06:30 should stand in place of `06:60`",
        ),
        (
            "every day at 24:00",
            "a time like 06:30 should stand in place of `24:00`",
        ),
        ("every minutes", "`every minutes` has no number"),
        (
            "every 5 fortnights",
            "a weekday, or a number and seconds, minutes, hours or days should stand in place of `fortnights`",
        ),
        (
            "on day 1 of Smarch at 06:30",
            "the name of a month, every month, or month N of every quarter should stand in place of `Smarch`",
        ),
        (
            "on the 6th Friday of every month at 06:30",
            "last, or 1st to 5th, and the name of a weekday should stand in place of `6th`",
        ),
        (
            "cron 0 6 * * *",
            "a text in double quotes should stand in place of `0`",
        ),
        (r#"cron "0 6 * * *"#, "a quote has no end"),
        (r#"cron "\x""#, "behind `\\` stands neither `\"` nor `\\`"),
        (
            "every day at 06:30 UTC UTC",
            "nothing more, or `;` should stand in place of `UTC`",
        ),
        (
            "every day at 06:30; until tomorrow",
            "a date like 2026-03-01 should stand in place of `tomorrow`",
        ),
        (
            "every day at 06:30; until -026-12-31",
            "a date like 2026-03-01 should stand in place of `-026-12-31`",
        ),
        (
            "every day at 06:30; until 2026-02-30",
            "a date like 2026-03-01 should stand in place of `2026-02-30`",
        ),
        (
            "every day at 06:30; until 2026-02-01; until 2026-02-01",
            "`until` is there twice",
        ),
        (
            "every day at 06:30;",
            "one of from, until, not, except, skip, move, jitter should stand at the end",
        ),
        (
            "every hour from 2026-01-01T00:00:00.5Z",
            "an instant like 2026-03-01T00:00:00Z should stand in place of `2026-01-01T00:00:00.5Z`",
        ),
    ] {
        let error = text.parse::<ScheduleSpec>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(
            error.context().find(|(key, _)| *key == "because"),
            Some(("because", because)),
            "{text}"
        );
    }
    // Words in any case, and no zone.
    let spec: ScheduleSpec = "EVERY weekday AT 06:30,18:00".parse().unwrap();
    assert_eq!(spec.to_string(), "every weekday at 06:30, 18:00 UTC");
    // A form of tomorrow.
    let error = ScheduleSpec::from_json(r#"{"version": 2, "cadence": []}"#).unwrap_err();
    assert!(
        error.problems()[0]
            .message
            .contains("version 2 is not known"),
        "{error}"
    );
    let error =
        ScheduleSpec::from_json(r#"{"version": 1, "recurrence": "on_demand", "zones": "UTC"}"#)
            .unwrap_err();
    assert!(
        error.problems()[0]
            .message
            .contains("unknown field `zones`"),
        "{error}"
    );
}

#[test]
fn lists_have_an_end() {
    let hour = ["every hour"; 101].join(" or ");
    let not = "; not 22:00-06:00".repeat(101);
    for (text, path) in [
        (hour, "recurrence.any_of"),
        (format!("every hour{not}"), "blackouts"),
    ] {
        let found = problems(&text.parse().unwrap());
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = format!("{path}: a list may have 100 entries here, and this has 101");
        assert_eq!(found[0], expected);
    }
    let long = format!("cron {:?}", "*".repeat(1_025));
    assert_eq!(
        problems(&long.parse().unwrap()),
        ["recurrence.cron: it has more than 1024 characters"]
    );
    let error = " ".repeat(16 * 1_024).parse::<ScheduleSpec>().unwrap_err();
    assert!(error.to_string().contains("at the end"), "{error}");
    let error = " "
        .repeat(16 * 1_024 + 1)
        .parse::<ScheduleSpec>()
        .unwrap_err();
    assert!(
        error.to_string().contains("more than 16384 bytes"),
        "{error}"
    );
}
