//! Fields filled from one field of the dataset, or with a constant: what is written, and what becomes of values that do not
//! convert.

use super::support::{problems, run};

/// A job from one column to one field, by a rule.
fn job(column: &str, field: &str, rule: &str) -> String {
    format!(
        r#"{{"version": 1, "name": "direct", "dataset": {{"version": 1, "source": {{"file": {{"name": "rows.csv", "columns": [
  {{"name": "n", "type": "integer"}}, {{"name": "v", "type": {column}}}]}}}}}},
"objects": [{{"name": "thing", "identity": {{"supplied": ["n"]}}, "fields": [
  {{"name": "n", "type": "integer"}}, {{"name": "v", "type": {field}}}]}}],
"destinations": [{{"object": "thing", "mode": {{"upsert": {{"identifiers": [["n"]]}}}}, "mapping": {{"fields": [
  {{"field": "n", "from": "n"}}, {{"field": "v", {rule}}}]}}}}]}}"#
    )
}

#[test]
fn a_constant_is_written_into_every_record_whatever_the_row_holds() {
    for (field, constant, written) in [
        (r#""text""#, r#""web shop""#, "web shop"),
        (r#""text""#, r#""""#, "\"\""),
        (r#""integer""#, "7", "7"),
        (r#""decimal(6,2)""#, "1.5", "1.50"),
        (r#""decimal(6,2)""#, r#""1.50""#, "1.50"),
        (r#""float""#, "0.1", "0.1"),
        (r#""boolean""#, "true", "true"),
        (r#""date""#, r#""2024-02-29""#, "2024-02-29"),
        (
            r#""datetime""#,
            r#""2025-01-31T12:00:00+01:00""#,
            "2025-01-31T11:00:00Z",
        ),
        (r#"{"picklist": ["open", "closed"]}"#, r#""open""#, "open"),
        (
            r#"{"multi_picklist": ["red", "blue"]}"#,
            r#""red;blue""#,
            "red;blue",
        ),
        (r#""integer""#, "null", ""),
    ] {
        let job = job(r#""integer""#, field, &format!(r#""constant": {constant}"#));
        // The column is not mapped, so its values do not matter.
        let ran = run(&job, &[("rows.csv", "n,v\n1,5\n2,many\n3,\n")]);
        let expected = format!("n,v\n1,{written}\n2,{written}\n3,{written}\n");
        assert_eq!(ran.object("thing"), expected, "{field} {constant}");
        assert!(ran.reasons().is_empty());
    }
}

#[test]
fn a_constant_that_is_no_value_of_its_field_is_told_with_its_path() {
    for (field, constant, says) in [
        ("integer", r#""many""#, "a whole number of at most 64 bits"),
        ("integer", "1.5", "a whole number of at most 64 bits"),
        (
            "decimal(4,2)",
            "100",
            "a decimal number within the field's digits",
        ),
        ("date", r#""2025-02-29""#, "a date like 2025-01-31"),
        ("boolean", r#""yes""#, "`true` or `false`"),
    ] {
        let rule = format!(r#""constant": {constant}"#);
        let job = job(r#""text""#, &format!(r#""{field}""#), &rule);
        let found = problems(&job, &[("rows.csv", "n,v\n")]);
        let path = "destinations[0].mapping.fields[1].constant".to_owned();
        let message = format!("the constant must be {says}, as the type is {field}");
        assert_eq!(found, [(path, message)], "{field} {constant}");
    }
}

#[test]
fn a_value_that_does_not_convert_is_a_reject_and_the_others_are_written() {
    let whole = "does not convert to integer: expected a whole number of at most 64 bits";
    for (column, field, good, bad, written, says) in [
        ("text", "integer", "12", "12.5", "12", whole),
        ("decimal(12,2)", "integer", "12.00", "12.50", "12", whole),
        (
            "integer",
            "decimal(4,2)",
            "99",
            "100",
            "99.00",
            "does not convert to decimal(4,2): expected a decimal number within the field's digits",
        ),
        (
            "integer",
            "boolean",
            "1",
            "2",
            "true",
            "does not convert to boolean: expected `true` or `false`",
        ),
        (
            "integer",
            "float",
            "9007199254740992",
            "9007199254740993",
            "9007199254740992",
            "does not convert to float: expected a finite number that a float can hold",
        ),
        (
            "text",
            "date",
            "2024-02-29",
            "2025-02-29",
            "2024-02-29",
            "does not convert to date: expected a date like 2025-01-31",
        ),
        (
            "text",
            "email",
            "a@example.com",
            "a@example",
            "a@example.com",
            "does not convert to email: expected an e-mail address",
        ),
        ("json", "integer", "12", "null", "12", whole),
    ] {
        let job = job(
            &format!(r#""{column}""#),
            &format!(r#""{field}""#),
            r#""from": "v""#,
        );
        let rows = format!("n,v\n1,{good}\n2,{bad}\n3,{good}\n4,\n");
        let ran = run(&job, &[("rows.csv", &rows)]);
        let expected = format!("n,v\n1,{written}\n3,{written}\n4,\n");
        assert_eq!(ran.object("thing"), expected, "{column} to {field}");
        let rejects = ran.rejects.all();
        let [reject] = &rejects[..] else {
            panic!("{rejects:?}")
        };
        assert_eq!(reject.refusal.message, says, "{column} to {field}");
        assert_eq!(reject.refusal.field.as_deref(), Some("v"));
        let place = format!("rows.csv:3 (byte {})", 7 + good.len());
        assert_eq!(reject.position.to_string(), place);
    }
}

#[test]
fn types_that_do_not_convert_are_told_when_the_job_is_made() {
    for (column, field, says) in [
        (
            "boolean",
            "date",
            "boolean does not convert to date, only to text, integer, boolean, picklist, json; change the type of one of \
             the two fields",
        ),
        (
            "date",
            "datetime",
            "date does not convert to datetime: a day is no instant; use a field that holds the instant, make the \
             target a date, or make a local_datetime of it and of that an instant by the formula `to_instant`",
        ),
        (
            "datetime",
            "local_datetime",
            "datetime does not convert to local_datetime: one is an instant, the other a wall clock of no stated \
             zone; give both fields the same of the two types, or name the zone by a formula, `to_local` or `to_instant`",
        ),
        (
            "datetime",
            "date",
            "datetime to date drops the time of day; set `lossy` on the field if that is meant",
        ),
    ] {
        let job = job(
            &format!(r#""{column}""#),
            &format!(r#""{field}""#),
            r#""from": "v""#,
        );
        let found = problems(&job, &[("rows.csv", "n,v\n")]);
        let path = "destinations[0].mapping.fields[1].from".to_owned();
        assert_eq!(found, [(path, says.to_owned())], "{column} to {field}");
    }
    // Asked for, what is lossy is done.
    let job = job(
        r#""datetime""#,
        r#""date""#,
        r#""from": "v", "lossy": true"#,
    );
    let ran = run(&job, &[("rows.csv", "n,v\n1,2025-01-31T23:30:00Z\n")]);
    assert_eq!(ran.object("thing"), "n,v\n1,2025-01-31\n");
}
