//! Values, nulls and refused rows.

use std::sync::Arc;

use arrow_array::Array;

use super::super::{Filter, Formula, constant};
use super::{batch, compile, expr, row, schema, texts, value};
use crate::ErrorKind;
use crate::record::{Field, FieldType, Reason, Schema};
use crate::spec::Literal;

#[test]
fn literals_take_the_type_of_the_other_side() {
    for (json, columns, expected) in [
        (
            r#"{"lt": [{"field": "day"}, {"value": "2025-02-01"}]}"#,
            [("day", "2025-01-31")],
            "true",
        ),
        // The same instant, in another zone.
        (
            r#"{"eq": [{"value": "2025-01-31T01:00:00+01:00"}, {"field": "at"}]}"#,
            [("at", "2025-01-31T00:00:00Z")],
            "true",
        ),
        (
            r#"{"eq": [{"field": "d"}, {"value": "12.5"}]}"#,
            [("d", "12.50")],
            "true",
        ),
        // More digits than the field has: compared exactly.
        (
            r#"{"lt": [{"field": "d"}, {"value": "12.505"}]}"#,
            [("d", "12.50")],
            "true",
        ),
        (
            r#"{"gt": [{"field": "i"}, {"value": 2.5}]}"#,
            [("i", "3")],
            "true",
        ),
        (
            r#"{"lt": [{"field": "i"}, {"value": "1e30"}]}"#,
            [("i", "9223372036854775807")],
            "true",
        ),
        (
            r#"{"eq": [{"field": "f"}, {"value": 0.1}]}"#,
            [("f", "0.1")],
            "true",
        ),
        (
            r#"{"eq": [{"field": "f"}, {"value": 0}]}"#,
            [("f", "-0.0")],
            "true",
        ),
        (
            r#"{"ne": [{"field": "stage"}, {"value": "won"}]}"#,
            [("stage", "open")],
            "true",
        ),
        (
            r#"{"eq": [{"field": "b"}, {"value": "true"}]}"#,
            [("b", "true")],
            "true",
        ),
        (
            r#"{"eq": [{"value": 1}, {"value": "1.0"}]}"#,
            [("i", "0")],
            "true",
        ),
        (
            r#"{"ne": [{"value": 1}, {"value": 1}]}"#,
            [("i", "0")],
            "false",
        ),
        (
            r#"{"eq": [{"value": true}, {"value": true}]}"#,
            [("i", "0")],
            "true",
        ),
        (
            r#"{"concat": [{"value": "a"}, {"value": 1.5}, {"field": "d"}]}"#,
            [("d", "2")],
            "a1.52.00",
        ),
        (
            r#"{"utc_day": {"field": "at"}}"#,
            [("at", "1969-12-31T23:59:59.5Z")],
            "1969-12-31",
        ),
        (r#"{"value": "constant"}"#, [("i", "0")], "constant"),
    ] {
        assert_eq!(value(json, &columns).as_deref(), Some(expected), "{json}");
    }
}

#[test]
fn a_comparison_with_true_is_the_column_itself() {
    let records = row(&[("b", "true")]);
    let evaluated = compile(r#"{"eq": [{"field": "b"}, {"value": true}]}"#)
        .evaluate(&records)
        .unwrap();
    assert!(Arc::ptr_eq(
        &evaluated.column,
        records.column_by_name("b").unwrap()
    ));
    for (json, expected) in [
        (r#"{"eq": [{"value": false}, {"field": "b"}]}"#, "false"),
        (r#"{"ne": [{"field": "b"}, {"value": false}]}"#, "true"),
        (r#"{"ne": [{"field": "b"}, {"value": true}]}"#, "false"),
    ] {
        assert_eq!(value(json, &[("b", "true")]).as_deref(), Some(expected));
        assert_eq!(value(json, &[]), None);
    }
}

#[test]
fn every_operator_meets_null() {
    let present = [
        ("i", "1"),
        ("d", "1"),
        ("f", "1"),
        ("t", "a"),
        ("b", "true"),
        ("day", "2025-01-31"),
    ];
    for op in ["eq", "ne", "lt", "le", "gt", "ge"] {
        for (known, null) in [
            ("i", "j"),
            ("d", "w"),
            ("f", "g"),
            ("t", "u"),
            ("i", "d"),
            ("day", "day"),
        ] {
            let present: Vec<_> = present
                .into_iter()
                .filter(|(name, _)| *name != null)
                .collect();
            for (left, right) in [(known, null), (null, known), (null, null)] {
                let json =
                    format!(r#"{{"{op}": [{{"field": "{left}"}}, {{"field": "{right}"}}]}}"#);
                assert_eq!(value(&json, &present), None, "{json}");
            }
        }
    }
    for op in ["add", "subtract", "multiply"] {
        for (known, null) in [("i", "j"), ("d", "c"), ("f", "g"), ("i", "p")] {
            for (left, right) in [(known, null), (null, known), (null, null)] {
                let json =
                    format!(r#"{{"{op}": [{{"field": "{left}"}}, {{"field": "{right}"}}]}}"#);
                assert_eq!(value(&json, &present), None, "{json}");
            }
        }
    }
    let b = |text: Option<&'static str>| text.map_or(vec![], |text| vec![("b", text)]);
    let e = |text: Option<&'static str>| text.map_or(vec![], |text| vec![("e", text)]);
    let (yes, no, none) = (Some("true"), Some("false"), None);
    for (left, right, and, or) in [
        (yes, yes, yes, yes),
        (yes, no, no, yes),
        (no, yes, no, yes),
        (no, no, no, no),
        (yes, none, none, yes),
        (none, yes, none, yes),
        (no, none, no, none),
        (none, no, no, none),
        (none, none, none, none),
    ] {
        let columns = [b(left), e(right)].concat();
        let both = r#"[{"field": "b"}, {"field": "e"}]"#;
        assert_eq!(
            value(&format!(r#"{{"and": {both}}}"#), &columns).as_deref(),
            and
        );
        assert_eq!(
            value(&format!(r#"{{"or": {both}}}"#), &columns).as_deref(),
            or
        );
    }
    assert_eq!(value(r#"{"not": {"field": "b"}}"#, &[]), None);
    assert_eq!(
        value(r#"{"is_null": {"field": "b"}}"#, &[]).as_deref(),
        Some("true")
    );
    assert_eq!(
        value(r#"{"is_null": {"field": "b"}}"#, &present).as_deref(),
        Some("false")
    );
    assert_eq!(
        value(r#"{"concat": [{"field": "t"}, {"field": "u"}]}"#, &present),
        None
    );
    assert_eq!(value(r#"{"utc_day": {"field": "at"}}"#, &[]), None);
}

#[test]
fn what_does_not_fit_is_refused_and_never_a_hidden_null() {
    let schema = schema();
    let max = Some(i64::MAX.to_string());
    let records = batch(
        &schema,
        &[("i", vec![Some("1".into()), max.clone(), None, max])],
    );
    let sum = r#"{"add": [{"field": "i"}, {"value": 1}]}"#;
    let evaluated = compile(sum).evaluate(&records).unwrap();
    assert_eq!(
        texts(&evaluated.column),
        [Some("2".into()), None, None, None]
    );
    let rows: Vec<u32> = evaluated.refused.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, [1, 3]);
    let refusal = &evaluated.refused[0].1;
    assert_eq!(refusal.reason, Reason::Overflow);
    assert_eq!(refusal.message, "the result of `add` does not fit integer");

    // In a branch that would not matter, and under `is_null`; each row once.
    for json in [
        format!(r#"{{"or": [{{"value": true}}, {{"gt": [{sum}, {{"value": 0}}]}}]}}"#),
        format!(r#"{{"or": [{{"is_null": {sum}}}, {{"is_null": {sum}}}]}}"#),
    ] {
        let filter = Filter::compile(&expr(&json), &schema, "").unwrap();
        let (keep, refused) = filter.evaluate(&records).unwrap();
        assert_eq!(
            refused.iter().map(|(row, _)| *row).collect::<Vec<_>>(),
            [1, 3]
        );
        assert!(keep.is_null(1) && keep.is_null(3) && keep.is_valid(0) && keep.is_valid(2));
    }
}

#[test]
fn columns_are_found_by_name_and_checked() {
    let formula =
        compile(r#"{"add": [{"field": "j"}, {"add": [{"field": "i"}, {"field": "j"}]}]}"#);
    assert_eq!(formula.fields().collect::<Vec<_>>(), ["j", "i"]);
    let records = row(&[("i", "1"), ("j", "2")]);
    let only = records.project(&[1, 0]).unwrap();
    assert_eq!(
        texts(&formula.evaluate(&only).unwrap().column),
        [Some("5".into())]
    );

    let missing = formula
        .evaluate(&records.project(&[0]).unwrap())
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Contract);
    let other = Schema::new(vec![
        Field::new("i", FieldType::Text),
        Field::new("j", FieldType::Integer),
    ]);
    let wrong = formula
        .evaluate(&batch(&other, &[("i", vec![None])]))
        .unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Contract);
}

#[test]
fn a_batch_without_rows_is_evaluated() {
    let empty = row(&[]).slice(0, 0);
    for json in [
        r#"{"value": 1}"#,
        r#"{"and": [{"value": true}, {"field": "b"}]}"#,
        r#"{"concat": [{"value": "a"}]}"#,
        r#"{"add": [{"value": 1}, {"value": 1.5}]}"#,
    ] {
        assert_eq!(compile(json).evaluate(&empty).unwrap().column.len(), 0);
    }
}

#[test]
fn constants_are_read_as_their_type() {
    let read = |literal: &str, field_type: &str| {
        let literal: Literal = serde_json::from_str(literal).unwrap();
        constant(&literal, &field_type.parse().unwrap()).map(|column| texts(&column).remove(0))
    };
    for (literal, field_type, expected) in [
        ("12", "integer", Some("12")),
        ("12.0", "integer", Some("12")),
        ("\"12\"", "integer", Some("12")),
        ("12.5", "currency(6,2)", Some("12.50")),
        (
            "\"12345678901234567.89\"",
            "decimal(38,2)",
            Some("12345678901234567.89"),
        ),
        (
            "18446744073709551615",
            "decimal(38,0)",
            Some("18446744073709551615"),
        ),
        (
            "1234567890123.45",
            "decimal(38,2)",
            Some("1234567890123.45"),
        ),
        ("0.12345678901234568", "float", Some("0.12345678901234568")),
        ("1e2", "decimal(6,2)", Some("100.00")),
        ("0.1", "float", Some("0.1")),
        ("1e300", "float", Some("1e300")),
        ("true", "boolean", Some("true")),
        ("\"2025-01-31\"", "date", Some("2025-01-31")),
        ("\"A-1\"", "lookup(account)", Some("A-1")),
        ("12.5", "json", Some("12.5")),
        ("true", "json", Some("true")),
        ("\"[1]\"", "json", Some("[1]")),
        ("\"\"", "text", Some("")),
        ("null", "date", None),
    ] {
        assert_eq!(
            read(literal, field_type).unwrap().as_deref(),
            expected,
            "{literal} as {field_type}"
        );
    }
    // These have lost digits when they arrive.
    for (literal, field_type) in [
        ("12345678901234567.89", "decimal(38,2)"),
        ("0.1234567890123456789", "decimal(38,30)"),
        ("18446744073709551616", "decimal(38,0)"),
        ("-9223372036854775809", "decimal(38,0)"),
        ("20000000000000000001", "decimal(38,0)"),
        ("1234567890123456.7", "integer"),
    ] {
        let message = read(literal, field_type).unwrap_err();
        assert!(message.contains("write it as text"), "{literal}: {message}");
    }
    for (literal, field_type) in [
        ("12.5", "integer"),
        ("12.505", "currency(6,2)"),
        ("12345", "currency(6,2)"),
        ("9007199254740993", "float"),
        ("12", "text"),
        ("true", "text"),
        ("1", "boolean"),
        ("12", "date"),
        ("\"\"", "lookup(account)"),
        ("\"{\"", "json"),
    ] {
        let why = read(literal, field_type).unwrap_err();
        assert!(why.contains(field_type), "{why}");
    }
}

#[test]
fn a_sum_that_fits_is_found_where_a_step_to_it_passes_128_bits() {
    let wide = |scale| FieldType::Decimal {
        precision: 38,
        scale,
    };
    let schema = Schema::new(vec![Field::new("x", wide(2)), Field::new("y", wide(10))]);
    // At scale 10 the first is 1.8e38 units: more than 128 bits hold, and than 38 digits.
    let x = Some("18000000000000000000000000000".to_owned());
    let y = |text: &str| Some(text.to_owned());
    let records = batch(
        &schema,
        &[
            ("x", vec![x.clone(), x.clone(), x]),
            (
                "y",
                vec![
                    y("9000000000000000000000000000"),
                    y("8000000000000000000000000000"),
                    None,
                ],
            ),
        ],
    );
    let difference = expr(r#"{"subtract": [{"field": "x"}, {"field": "y"}]}"#);
    let formula = Formula::compile(&difference, &schema, "").unwrap();
    let evaluated = formula.evaluate(&records).unwrap();
    let nine = "9000000000000000000000000000.0000000000";
    assert_eq!(texts(&evaluated.column), [Some(nine.into()), None, None]);
    assert_eq!(evaluated.refused.len(), 1);
    assert_eq!(evaluated.refused[0].0, 1);
    // And compared: no saturation makes the two sides equal.
    let larger = expr(r#"{"gt": [{"field": "x"}, {"field": "y"}]}"#);
    let (larger, _) = Filter::compile(&larger, &schema, "")
        .unwrap()
        .evaluate(&records)
        .unwrap();
    assert_eq!(larger.true_count(), 2);
}
