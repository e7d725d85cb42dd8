//! Answers worked out by hand, so that the reference is no judge of itself.

use std::cell::RefCell;

use super::super::{expr, row, texts};
use super::reference::{self, Row};
use super::{Hits, compiled};
use crate::record::Reason;

type Answer = Result<Option<&'static str>, Reason>;

fn check(json: &str, columns: &[(&str, &str)], answer: Answer) {
    let expr = expr(json);
    let field = |name: &str| {
        let text = columns.iter().find(|(field, _)| *field == name);
        reference::field_value(reference::field_type(name), text.map(|(_, text)| *text))
    };
    let hits = Hits::default();
    let reference_row = Row {
        field: &field,
        refusals: RefCell::default(),
        hits: &hits,
    };
    let value = reference::text(&reference::evaluate(&expr, &reference_row));
    let found = match reference_row.refusals.into_inner().first() {
        Some(reason) => Err(*reason),
        None => Ok(value.as_deref()),
    };
    assert_eq!(found, answer, "the reference: {json} {columns:?}");
    if let Some(formula) = compiled(&expr).unwrap() {
        let evaluated = formula.evaluate(&row(columns)).unwrap();
        let value = texts(&evaluated.column).remove(0);
        let found = match evaluated.refused.first() {
            Some((_, refusal)) => Err(refusal.reason),
            None => Ok(value.as_deref()),
        };
        assert_eq!(found, answer, "the formula: {json} {columns:?}");
    }
}

/// A step of the field named first, whose other keys follow.
fn of(step: &str, field: &str, rest: &str) -> String {
    format!(r#"{{"{step}": {{"of": {{"field": "{field}"}}, {rest}}}}}"#)
}

#[test]
fn numbers_lose_digits_as_they_should() {
    for (rounding, answers) in [
        ("half_even", ["0.02", "0.02", "-0.02", "0.04", "0.03"]),
        ("half_away", ["0.02", "0.03", "-0.03", "0.04", "0.03"]),
        ("toward_zero", ["0.01", "0.02", "-0.02", "0.03", "0.02"]),
        ("floor", ["0.01", "0.02", "-0.03", "0.03", "0.02"]),
        ("ceiling", ["0.02", "0.03", "-0.02", "0.04", "0.03"]),
    ] {
        let json = of(
            "round",
            "w",
            &format!(r#""digits": 2, "rounding": "{rounding}""#),
        );
        let values = [
            "0.0150000000",
            "0.0250000000",
            "-0.0250000000",
            "0.0350000000",
            "0.0250000001",
        ];
        for (value, answer) in values.into_iter().zip(answers) {
            check(&json, &[("w", value)], Ok(Some(answer)));
        }
    }
    // By its shortest digits, not by its binary value, which is a little less.
    let cents = of("round", "f", r#""digits": 2, "rounding": "half_even""#);
    for (value, answer) in [("2.675", "2.68"), ("1.005", "1"), ("1e300", "1e300")] {
        check(&cents, &[("f", value)], Ok(Some(answer)));
    }
    let divided = r#"{"divide": {"of": {"field": "d"}, "by": {"field": "i"}, "digits": 3, "rounding": "half_even"}}"#;
    for (d, i, answer) in [
        ("1.00", "3", Ok(Some("0.333"))),
        ("-2.00", "3", Ok(Some("-0.667"))),
        ("0.01", "16", Ok(Some("0.001"))),
        ("0.01", "20", Ok(Some("0.000"))),
        ("0.03", "20", Ok(Some("0.002"))),
        ("1.00", "0", Err(Reason::DivisionByZero)),
    ] {
        check(divided, &[("d", d), ("i", i)], answer);
    }
    let rest = r#"{"modulo": [{"field": "d"}, {"field": "c"}]}"#;
    for (d, c, answer) in [
        ("7.50", "2.00", Ok(Some("1.50"))),
        ("-7.50", "2.00", Ok(Some("-1.50"))),
        ("7.50", "-2.00", Ok(Some("1.50"))),
        ("7.50", "0.00", Err(Reason::DivisionByZero)),
    ] {
        check(rest, &[("d", d), ("c", c)], answer);
    }
    let log = of("log", "f", r#""base": 2"#);
    for (f, answer) in [
        ("8", Ok(Some("3"))),
        ("0", Err(Reason::OutOfRange)),
        ("-1", Err(Reason::OutOfRange)),
    ] {
        check(&log, &[("f", f)], answer);
    }
}

#[test]
fn months_end_on_their_last_day() {
    let add = |field: &str, count: i64, unit: &str| {
        of(
            "date_add",
            field,
            &format!(r#""count": {{"value": {count}}}, "unit": "{unit}""#),
        )
    };
    for (day, count, unit, answer) in [
        ("2024-01-31", 1, "month", Ok(Some("2024-02-29"))),
        ("2024-03-31", -1, "month", Ok(Some("2024-02-29"))),
        ("2024-02-29", 1, "year", Ok(Some("2025-02-28"))),
        ("2024-11-30", 1, "quarter", Ok(Some("2025-02-28"))),
        ("2024-12-30", 1, "week", Ok(Some("2025-01-06"))),
        ("9999-12-31", 1, "day", Err(Reason::Overflow)),
        ("0001-01-01", -1, "day", Err(Reason::Overflow)),
    ] {
        check(&add("day", count, unit), &[("day", day)], answer);
    }
    let local = add("local", -25, "hour");
    check(
        &local,
        &[("local", "2024-03-01T00:30:00")],
        Ok(Some("2024-02-28T23:30:00")),
    );
}

#[test]
fn days_of_a_zone_keep_the_clock() {
    let berlin = |count: i64, unit: &str| {
        let rest =
            format!(r#""count": {{"value": {count}}}, "unit": "{unit}", "zone": "Europe/Berlin""#);
        of("date_add", "at", &rest)
    };
    for (at, count, unit, answer) in [
        // 12:00 on both days, which are 23 hours apart.
        ("2024-03-30T11:00:00Z", 1, "day", "2024-03-31T10:00:00Z"),
        ("2024-03-30T11:00:00Z", 24, "hour", "2024-03-31T11:00:00Z"),
        // 02:30 is not shown on that day: 03:30.
        ("2024-03-30T01:30:00Z", 1, "day", "2024-03-31T01:30:00Z"),
        // 02:30 is shown twice: the first.
        ("2024-10-26T00:30:00Z", 1, "day", "2024-10-27T00:30:00Z"),
        ("2024-09-27T00:30:00Z", 1, "month", "2024-10-27T00:30:00Z"),
        // From the second 02:30.
        ("2024-10-27T01:30:00Z", 1, "day", "2024-10-28T01:30:00Z"),
    ] {
        check(&berlin(count, unit), &[("at", at)], Ok(Some(answer)));
    }
    let apia = of(
        "date_add",
        "at",
        r#""count": {"value": 1}, "unit": "day", "zone": "Pacific/Apia""#,
    );
    // There was no 2011-12-30: a day later than noon of the 29th is noon of the 31st.
    check(
        &apia,
        &[("at", "2011-12-29T22:00:00Z")],
        Ok(Some("2011-12-30T22:00:00Z")),
    );
}

#[test]
fn differences_are_whole_and_towards_zero() {
    let days = |unit: &str| {
        format!(
            r#"{{"date_diff": {{"from": {{"field": "local"}}, "to": {{"to_local": {{"of": {{"field": "at"}}, "zone": "UTC"}}}},
               "unit": "{unit}"}}}}"#
        )
    };
    for (from, to, unit, answer) in [
        ("2024-01-31T00:00:00", "2024-02-29T00:00:00Z", "month", "1"),
        ("2024-02-29T00:00:00", "2024-01-31T00:00:00Z", "month", "0"),
        ("2024-02-29T00:00:00", "2023-02-28T00:00:00Z", "year", "-1"),
        ("2024-01-01T12:00:00", "2024-01-02T11:59:59Z", "day", "0"),
        ("2024-01-02T11:59:59", "2024-01-01T12:00:00Z", "day", "0"),
        ("2024-01-02T12:00:00", "2024-01-01T12:00:00Z", "day", "-1"),
        (
            "2024-01-01T00:00:00",
            "2023-12-31T23:00:00.500000Z",
            "minute",
            "-59",
        ),
    ] {
        check(
            &days(unit),
            &[("local", from), ("at", to)],
            Ok(Some(answer)),
        );
    }
}

#[test]
fn days_of_a_zone_are_counted_on_its_clocks() {
    let days = r#"{"date_diff": {"from": {"value": "2024-03-30T01:30:00Z"}, "to": {"field": "at"}, "unit": "day",
                   "zone": "Europe/Berlin"}}"#;
    for (at, answer) in [
        // 01:59:59; 03:15; 03:30, which a day later is; 02:30 two days later.
        ("2024-03-31T00:59:59Z", "0"),
        ("2024-03-31T01:15:00Z", "1"),
        ("2024-03-31T01:30:00Z", "1"),
        ("2024-04-01T00:30:00Z", "2"),
        ("2024-03-29T01:30:00Z", "-1"),
    ] {
        check(days, &[("at", at)], Ok(Some(answer)));
    }
}

#[test]
fn calendars_of_zones_and_fiscal_years() {
    let truncate = |rest: &str| of("truncate", "at", rest);
    for (at, rest, answer) in [
        (
            "2024-06-15T22:30:00Z",
            r#""to": "day", "zone": "Europe/Berlin""#,
            "2024-06-15T22:00:00Z",
        ),
        (
            "2024-06-15T22:30:00Z",
            r#""to": "day""#,
            "2024-06-15T00:00:00Z",
        ),
        (
            "2024-06-16T12:00:00Z",
            r#""to": "week""#,
            "2024-06-10T00:00:00Z",
        ),
        (
            "2024-06-16T12:00:00Z",
            r#""to": "year", "fiscal_start": 7"#,
            "2023-07-01T00:00:00Z",
        ),
        (
            "2024-06-16T12:00:00Z",
            r#""to": "quarter", "fiscal_start": 2"#,
            "2024-05-01T00:00:00Z",
        ),
        // Midnight was skipped: the day began at 01:00.
        (
            "2018-11-04T12:00:00Z",
            r#""to": "day", "zone": "America/Sao_Paulo""#,
            "2018-11-04T03:00:00Z",
        ),
        (
            "2024-06-15T22:44:00Z",
            r#""to": "hour", "zone": "Asia/Kolkata""#,
            "2024-06-15T22:30:00Z",
        ),
    ] {
        check(&truncate(rest), &[("at", at)], Ok(Some(answer)));
    }
    for (day, rest, answer) in [
        ("2024-06-30", r#""part": "year", "fiscal_start": 7"#, "2024"),
        ("2024-07-01", r#""part": "year", "fiscal_start": 7"#, "2025"),
        ("2024-07-01", r#""part": "quarter", "fiscal_start": 7"#, "1"),
        ("2024-06-30", r#""part": "quarter", "fiscal_start": 2"#, "2"),
        ("2021-01-03", r#""part": "week""#, "53"),
        ("2021-01-03", r#""part": "week_year""#, "2020"),
        ("2021-01-03", r#""part": "weekday""#, "7"),
        ("2024-12-31", r#""part": "day_of_year""#, "366"),
    ] {
        check(&of("part", "day", rest), &[("day", day)], Ok(Some(answer)));
    }
}

#[test]
fn clocks_that_show_a_time_twice_or_never() {
    for (local, repeated, answer) in [
        ("2024-10-27T02:30:00", "reject", Err(Reason::BadValue)),
        (
            "2024-10-27T02:30:00",
            "earlier",
            Ok(Some("2024-10-27T00:30:00Z")),
        ),
        (
            "2024-10-27T02:30:00",
            "later",
            Ok(Some("2024-10-27T01:30:00Z")),
        ),
        ("2024-03-31T02:30:00", "later", Err(Reason::BadValue)),
        (
            "2024-03-31T03:00:00",
            "reject",
            Ok(Some("2024-03-31T01:00:00Z")),
        ),
    ] {
        let json = of(
            "to_instant",
            "local",
            &format!(r#""zone": "Europe/Berlin", "repeated": "{repeated}""#),
        );
        check(&json, &[("local", local)], answer);
    }
}

#[test]
fn a_time_past_the_last_year_has_no_text() {
    let json = of(
        "format",
        "at",
        r#""pattern": "%Y-%m-%d", "zone": "Pacific/Apia""#,
    );
    check(
        &json,
        &[("at", "9999-12-31T23:00:00Z")],
        Err(Reason::Overflow),
    );
    let short = of("format", "day", r#""pattern": "%d.%m.%y""#);
    check(&short, &[("day", "2068-12-31")], Ok(Some("31.12.68")));
    check(&short, &[("day", "2069-01-01")], Err(Reason::OutOfRange));
}

#[test]
fn what_does_not_convert_is_refused() {
    let to =
        |field: &str, to: &str, rest: &str| of("convert", field, &format!(r#""to": "{to}"{rest}"#));
    for (field, text, json, answer) in [
        ("t", "12", to("t", "integer", ""), Ok(Some("12"))),
        ("t", "12 ", to("t", "integer", ""), Err(Reason::BadValue)),
        (
            "t",
            "x",
            to("t", "integer", r#", "invalid": "null""#),
            Ok(None),
        ),
        ("f", "0.1", to("f", "decimal(5,1)", ""), Ok(Some("0.1"))),
        (
            "f",
            "0.15",
            to("f", "decimal(5,1)", ""),
            Err(Reason::BadValue),
        ),
        (
            "i",
            "9007199254740993",
            to("i", "float", ""),
            Err(Reason::BadValue),
        ),
        ("d", "2.00", to("d", "integer", ""), Ok(Some("2"))),
        ("d", "2.50", to("d", "integer", ""), Err(Reason::BadValue)),
        ("i", "2", to("i", "boolean", ""), Err(Reason::BadValue)),
        (
            "day",
            "2024-02-29",
            to("day", "local_datetime", ""),
            Ok(Some("2024-02-29T00:00:00")),
        ),
        (
            "t",
            "2023-02-29",
            to("t", "date", ""),
            Err(Reason::BadValue),
        ),
        (
            "t",
            "1.234.567,5",
            to(
                "t",
                "decimal(12,2)",
                r#", "format": {"number": {"decimal_mark": ",", "grouping": "."}}"#,
            ),
            Ok(Some("1234567.50")),
        ),
        (
            "t",
            "1.2345,5",
            to(
                "t",
                "decimal(12,2)",
                r#", "format": {"number": {"decimal_mark": ",", "grouping": "."}}"#,
            ),
            Err(Reason::BadValue),
        ),
        (
            "t",
            "YES",
            to(
                "t",
                "boolean",
                r#", "format": {"boolean": {"true": ["yes"], "false": ["no"]}}"#,
            ),
            Ok(Some("true")),
        ),
    ] {
        check(&json, &[(field, text)], answer);
    }
}

#[test]
fn a_choice_asks_no_more_than_a_row_needs() {
    let root = r#"{"sqrt": {"field": "f"}}"#;
    let guarded = format!(
        r#"{{"case": {{"when": [{{"if": {{"ge": [{{"field": "f"}}, {{"value": 0}}]}}, "then": {root}}}], "else": {{"value": -1}}}}}}"#
    );
    check(&guarded, &[("f", "-4")], Ok(Some("-1")));
    check(&guarded, &[("f", "4")], Ok(Some("2")));
    check(&guarded, &[], Ok(Some("-1")));
    let first = format!(r#"{{"coalesce": [{{"field": "g"}}, {root}]}}"#);
    check(&first, &[("f", "-4"), ("g", "1")], Ok(Some("1")));
    check(&first, &[("f", "-4")], Err(Reason::OutOfRange));
}
