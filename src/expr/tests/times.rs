//! Functions of days and times.

use super::{compile, problems, row, texts};
use crate::record::Reason;

/// The value of `json` over one field, or why there is none.
fn result(json: &str, field: &str, text: &str) -> Result<String, Reason> {
    let json = json.replace("$", &format!(r#"{{"field":"{field}"}}"#));
    let evaluated = compile(&json).evaluate(&row(&[(field, text)])).unwrap();
    match evaluated.refused.first() {
        Some((_, refusal)) => Err(refusal.reason),
        None => Ok(texts(&evaluated.column).remove(0).unwrap()),
    }
}

#[test]
fn a_calendar_is_moved_and_a_clock_kept() {
    for (field, text, count, unit, zone, expected) in [
        ("day", "2025-01-31", "1", "month", "", Ok("2025-02-28")),
        ("day", "2024-02-29", "1", "year", "", Ok("2025-02-28")),
        ("day", "2024-02-29", "-4", "year", "", Ok("2020-02-29")),
        ("day", "2025-11-30", "1", "quarter", "", Ok("2026-02-28")),
        ("day", "2025-01-31", "-5", "week", "", Ok("2024-12-27")),
        ("day", "9999-12-31", "1", "day", "", Err(Reason::Overflow)),
        (
            "day",
            "2025-01-31",
            "9223372036854775807",
            "year",
            "",
            Err(Reason::Overflow),
        ),
        (
            "local",
            "2025-01-31T23:30:00",
            "45",
            "minute",
            "",
            Ok("2025-02-01T00:15:00"),
        ),
        (
            "at",
            "2025-03-29T01:30:00Z",
            "1",
            "day",
            "Europe/Berlin",
            Ok("2025-03-30T01:30:00Z"),
        ),
        (
            "at",
            "2025-03-29T12:00:00Z",
            "1",
            "day",
            "Europe/Berlin",
            Ok("2025-03-30T11:00:00Z"),
        ),
        (
            "at",
            "2025-03-29T12:00:00Z",
            "24",
            "hour",
            "Europe/Berlin",
            Ok("2025-03-30T12:00:00Z"),
        ),
        (
            "at",
            "2025-10-25T00:30:00Z",
            "1",
            "day",
            "Europe/Berlin",
            Ok("2025-10-26T00:30:00Z"),
        ),
        // The second half past two stays it.
        (
            "at",
            "2025-10-26T01:30:00Z",
            "0",
            "day",
            "Europe/Berlin",
            Ok("2025-10-26T01:30:00Z"),
        ),
        (
            "at",
            "2025-01-31T12:00:00Z",
            "1",
            "month",
            "",
            Ok("2025-02-28T12:00:00Z"),
        ),
    ] {
        let zone = if zone.is_empty() {
            String::new()
        } else {
            format!(r#","zone":"{zone}""#)
        };
        let json = format!(
            r#"{{"date_add":{{"of":$,"count":{{"value":{count}}},"unit":"{unit}"{zone}}}}}"#
        );
        assert_eq!(
            result(&json, field, text),
            expected.map(str::to_owned),
            "{json} of {text}"
        );
    }
}

#[test]
fn a_difference_counts_whole_units() {
    for (field, from, to, unit, expected) in [
        ("day", "2025-01-31", "2025-02-28", "month", "1"),
        ("day", "2025-01-31", "2025-02-27", "month", "0"),
        ("day", "2025-02-28", "2025-01-31", "month", "0"),
        ("day", "2025-03-31", "2025-02-28", "month", "-1"),
        ("day", "2024-02-29", "2025-02-28", "year", "1"),
        ("day", "2025-01-01", "2025-12-31", "quarter", "3"),
        ("day", "2025-01-31", "2025-03-01", "day", "29"),
        ("day", "2025-03-01", "2025-01-31", "week", "-4"),
        (
            "local",
            "2025-01-01T12:00:00",
            "2025-01-02T11:59:59",
            "day",
            "0",
        ),
        (
            "local",
            "2025-01-01T12:00:00",
            "2025-01-02T11:59:59",
            "hour",
            "23",
        ),
        (
            "at",
            "2025-01-01T12:00:00Z",
            "2025-01-01T11:58:30Z",
            "minute",
            "-1",
        ),
    ] {
        let json =
            format!(r#"{{"date_diff":{{"from":$,"to":{{"value":"{to}"}},"unit":"{unit}"}}}}"#);
        assert_eq!(
            result(&json, field, from).as_deref(),
            Ok(expected),
            "{from} to {to} in {unit}"
        );
    }
    // A day of 23 hours is a day.
    let json = r#"{"date_diff":{"from":$,"to":{"value":"2025-03-30T22:00:00Z"},"unit":"day","zone":"Europe/Berlin"}}"#;
    assert_eq!(
        result(json, "at", "2025-03-29T23:00:00Z").as_deref(),
        Ok("1")
    );
}

#[test]
fn a_unit_begins_on_the_clocks_of_its_zone() {
    for (field, text, unit, more, expected) in [
        ("day", "2025-08-15", "year", "", Ok("2025-01-01")),
        ("day", "2025-08-15", "quarter", "", Ok("2025-07-01")),
        (
            "day",
            "2025-08-15",
            "year",
            r#","fiscal_start":10"#,
            Ok("2024-10-01"),
        ),
        (
            "day",
            "2025-11-15",
            "quarter",
            r#","fiscal_start":2"#,
            Ok("2025-11-01"),
        ),
        (
            "day",
            "2025-01-15",
            "quarter",
            r#","fiscal_start":2"#,
            Ok("2024-11-01"),
        ),
        (
            "day",
            "0001-01-15",
            "year",
            r#","fiscal_start":2"#,
            Err(Reason::Overflow),
        ),
        ("day", "2025-11-23", "week", "", Ok("2025-11-17")),
        (
            "local",
            "2025-08-15T12:34:56",
            "hour",
            "",
            Ok("2025-08-15T12:00:00"),
        ),
        (
            "at",
            "2025-08-15T23:30:00Z",
            "day",
            r#","zone":"Europe/Berlin""#,
            Ok("2025-08-15T22:00:00Z"),
        ),
        (
            "at",
            "2025-08-15T23:30:00Z",
            "day",
            "",
            Ok("2025-08-15T00:00:00Z"),
        ),
        (
            "at",
            "2025-08-15T23:50:00Z",
            "hour",
            r#","zone":"Asia/Kolkata""#,
            Ok("2025-08-15T23:30:00Z"),
        ),
        // The day began at one o'clock.
        (
            "at",
            "2018-11-04T12:00:00Z",
            "day",
            r#","zone":"America/Sao_Paulo""#,
            Ok("2018-11-04T03:00:00Z"),
        ),
        // The second hour of the two is not cut to the first.
        (
            "at",
            "2025-10-26T01:45:00Z",
            "hour",
            r#","zone":"Europe/Berlin""#,
            Ok("2025-10-26T01:00:00Z"),
        ),
    ] {
        let json = format!(r#"{{"truncate":{{"of":$,"to":"{unit}"{more}}}}}"#);
        assert_eq!(
            result(&json, field, text),
            expected.map(str::to_owned),
            "{json} of {text}"
        );
    }
}

#[test]
fn parts_are_numbers() {
    for (field, text, part, more, expected) in [
        ("day", "2025-12-31", "year", "", "2025"),
        ("day", "2025-12-31", "year", r#","fiscal_start":10"#, "2026"),
        ("day", "2025-09-30", "year", r#","fiscal_start":10"#, "2025"),
        ("day", "2025-12-31", "quarter", r#","fiscal_start":10"#, "1"),
        ("day", "2025-12-31", "quarter", "", "4"),
        ("day", "2024-12-30", "week", "", "1"),
        ("day", "2024-12-30", "week_year", "", "2025"),
        ("day", "2027-01-03", "week", "", "53"),
        ("day", "2027-01-03", "week_year", "", "2026"),
        ("day", "2025-11-23", "weekday", "", "7"),
        ("day", "2024-12-31", "day_of_year", "", "366"),
        (
            "local",
            "2025-08-15T12:34:56.000789",
            "microsecond",
            "",
            "789",
        ),
        (
            "at",
            "2025-08-15T23:30:00Z",
            "hour",
            r#","zone":"Europe/Berlin""#,
            "1",
        ),
        (
            "at",
            "2025-08-15T23:30:00Z",
            "day",
            r#","zone":"Europe/Berlin""#,
            "16",
        ),
    ] {
        let json = format!(r#"{{"part":{{"of":$,"part":"{part}"{more}}}}}"#);
        assert_eq!(
            result(&json, field, text).as_deref(),
            Ok(expected),
            "{json} of {text}"
        );
    }
}

#[test]
fn clocks_of_zones_and_back() {
    let berlin = r#""zone":"Europe/Berlin""#;
    let to_local = format!(r#"{{"to_local":{{"of":$,{berlin}}}}}"#);
    assert_eq!(
        result(&to_local, "at", "2025-10-26T01:30:00Z").as_deref(),
        Ok("2025-10-26T02:30:00")
    );
    assert_eq!(
        result(&to_local, "at", "9999-12-31T23:30:00Z"),
        Err(Reason::Overflow)
    );
    let day = format!(r#"{{"day":{{"of":$,{berlin}}}}}"#);
    assert_eq!(
        result(&day, "at", "2025-08-15T23:30:00Z").as_deref(),
        Ok("2025-08-16")
    );
    assert_eq!(
        result(r#"{"day":{"of":$}}"#, "local", "2025-08-15T23:30:00").as_deref(),
        Ok("2025-08-15")
    );
    for (repeated, text, expected) in [
        ("", "2025-08-15T12:00:00", Ok("2025-08-15T10:00:00Z")),
        ("", "2025-10-26T02:30:00", Err(Reason::BadValue)),
        (
            r#","repeated":"earlier""#,
            "2025-10-26T02:30:00",
            Ok("2025-10-26T00:30:00Z"),
        ),
        (
            r#","repeated":"later""#,
            "2025-10-26T02:30:00",
            Ok("2025-10-26T01:30:00Z"),
        ),
        (
            r#","repeated":"later""#,
            "2025-03-30T02:30:00",
            Err(Reason::BadValue),
        ),
    ] {
        let json = format!(r#"{{"to_instant":{{"of":$,{berlin}{repeated}}}}}"#);
        assert_eq!(
            result(&json, "local", text),
            expected.map(str::to_owned),
            "{json} of {text}"
        );
    }
    let format = r#"{"format":{"of":$,"pattern":"%d.%m.%Y %H:%M %z","zone":"Europe/Berlin"}}"#;
    assert_eq!(
        result(format, "at", "2025-08-15T23:30:00Z").as_deref(),
        Ok("16.08.2025 01:30 +02:00")
    );
    assert_eq!(
        result(format, "at", "1800-01-01T00:00:00Z"),
        Err(Reason::OutOfRange)
    );
    assert_eq!(
        result(
            r#"{"format":{"of":$,"pattern":"%b %Y, day %-d"}}"#,
            "day",
            "2025-08-05"
        )
        .as_deref(),
        Ok("Aug 2025, day 5")
    );
}

#[test]
fn what_has_no_time_or_zone_is_told() {
    for (json, path, message) in [
        (
            r#"{"date_add":{"of":{"field":"day"},"count":{"value":1},"unit":"hour"}}"#,
            ".date_add.unit",
            "no time of day",
        ),
        (
            r#"{"date_add":{"of":{"field":"t"},"count":{"value":1},"unit":"day"}}"#,
            ".date_add.of",
            "`convert` it",
        ),
        (
            r#"{"date_add":{"of":{"field":"day"},"count":{"field":"d"},"unit":"day"}}"#,
            ".date_add.count",
            "must be integer",
        ),
        (
            r#"{"date_add":{"of":{"field":"day"},"count":{"value":1},"unit":"day","zone":"UTC"}}"#,
            ".date_add.zone",
            "leave it out",
        ),
        (
            r#"{"day":{"of":{"field":"at"},"zone":"Mars/Base"}}"#,
            ".day.zone",
            "`Mars/Base`",
        ),
        (r#"{"day":{"of":{"field":"day"}}}"#, ".day.of", "already"),
        (
            r#"{"truncate":{"of":{"field":"day"},"to":"month","fiscal_start":4}}"#,
            ".truncate.fiscal_start",
            "years and quarters",
        ),
        (
            r#"{"part":{"of":{"field":"day"},"part":"year","fiscal_start":13}}"#,
            ".part.fiscal_start",
            "1 to 12",
        ),
        (
            r#"{"part":{"of":{"field":"day"},"part":"hour"}}"#,
            ".part.part",
            "no time of day",
        ),
        (
            r#"{"date_diff":{"from":{"field":"day"},"to":{"field":"at"},"unit":"day"}}"#,
            ".date_diff",
            "no difference",
        ),
        (
            r#"{"format":{"of":{"field":"day"},"pattern":"%Y-%m-%d %H"}}"#,
            ".format.pattern",
            "no time of day",
        ),
        (
            r#"{"format":{"of":{"field":"local"},"pattern":"%Y-%m-%d %H%z"}}"#,
            ".format.pattern",
            "no offset",
        ),
        (
            r#"{"format":{"of":{"field":"day"},"pattern":"%d.%m."}}"#,
            ".format.pattern",
            "no year",
        ),
        (
            r#"{"to_local":{"of":{"field":"local"},"zone":"UTC"}}"#,
            ".to_local.of",
            "must be datetime",
        ),
    ] {
        let found = problems(json);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, format!("filters[0]{path}"), "{found:?}");
        assert!(found[0].1.contains(message), "{found:?}");
    }
}
