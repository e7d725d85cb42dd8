//! What has which type, and mistakes with their paths.

use super::super::{Filter, Formula, MAX_DEPTH};
use super::{compile, expr, problems, row, schema};
use crate::spec::Expr;

#[test]
fn results_have_the_documented_types() {
    for (json, expected) in [
        (r#"{"add": [{"field": "i"}, {"value": 1}]}"#, "integer"),
        (
            r#"{"multiply": [{"field": "c"}, {"value": 12}]}"#,
            "currency(20,2)",
        ),
        (
            r#"{"multiply": [{"value": "1.10"}, {"field": "c"}]}"#,
            "currency(21,4)",
        ),
        (
            r#"{"multiply": [{"field": "c"}, {"value": 0.5}]}"#,
            "currency(19,3)",
        ),
        (
            r#"{"multiply": [{"field": "c"}, {"field": "i"}]}"#,
            "currency(37,2)",
        ),
        (
            r#"{"multiply": [{"field": "c"}, {"field": "c"}]}"#,
            "decimal(36,4)",
        ),
        (
            r#"{"multiply": [{"field": "c"}, {"field": "p"}]}"#,
            "decimal(27,6)",
        ),
        (
            r#"{"add": [{"field": "c"}, {"field": "c"}]}"#,
            "currency(19,2)",
        ),
        (
            r#"{"add": [{"field": "c"}, {"field": "d"}]}"#,
            "decimal(19,2)",
        ),
        (
            r#"{"subtract": [{"field": "p"}, {"value": 100}]}"#,
            "percent(10,4)",
        ),
        (
            r#"{"add": [{"field": "i"}, {"field": "d"}]}"#,
            "decimal(22,2)",
        ),
        (
            r#"{"add": [{"field": "i"}, {"value": 0.25}]}"#,
            "decimal(22,2)",
        ),
        (
            r#"{"add": [{"value": 1}, {"value": 0.25}]}"#,
            "decimal(4,2)",
        ),
        (
            r#"{"add": [{"field": "w"}, {"field": "w"}]}"#,
            "decimal(38,10)",
        ),
        (r#"{"multiply": [{"field": "f"}, {"value": 2}]}"#, "float"),
        (r#"{"concat": [{"field": "t"}, {"field": "i"}]}"#, "text"),
        (r#"{"utc_day": {"field": "at"}}"#, "date"),
        (r#"{"is_null": {"field": "doc"}}"#, "boolean"),
        (r#"{"value": 12.5}"#, "decimal(3,1)"),
        (r#"{"value": 18446744073709551615}"#, "decimal(20,0)"),
        (r#"{"field": "account"}"#, "lookup(account)"),
    ] {
        assert_eq!(compile(json).field_type().to_string(), expected, "{json}");
    }
}

#[test]
fn every_mistake_is_found_with_its_path() {
    let found = problems(
        r#"{"and": [
            {"eq": [{"field": "nope"}, {"value": 1}]},
            {"gt": [{"field": "day"}, {"value": "yesterday"}]},
            {"not": {"multiply": [{"field": "t"}, {"value": 2}]}},
            {"field": "b"}
        ]}"#,
    );
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "filters[0].and[0].eq[0].field",
            "filters[0].and[1].gt[1].value",
            "filters[0].and[2].not.multiply[1].value",
        ]
    );
    let schema = schema();
    let names: Vec<&str> = (schema.fields().iter())
        .map(|field| field.name.as_str())
        .collect();
    let there_are = format!("there is no field `nope`; there are: {}", names.join(", "));
    assert_eq!(found[0].1, there_are);
}

#[test]
fn each_kind_of_mistake_says_what_would_be_right() {
    for (json, path, words) in [
        (
            r#"{"lt": [{"field": "d"}, {"value": 12345678901234.567}]}"#,
            ".lt[1].value",
            "write it as text",
        ),
        (
            r#"{"lt": [{"field": "at"}, {"field": "local"}]}"#,
            ".lt",
            "`to_local` or `to_instant` names the zone",
        ),
        // What JSON keeps of it is 1e30, beside a number and alone.
        (
            r#"{"lt": [{"field": "w"}, {"value": 1000000000000000000000000000001}]}"#,
            ".lt[1].value",
            "write it as text",
        ),
        (
            r#"{"coalesce": [{"value": 123456789012345678901234567890}]}"#,
            ".coalesce[0].value",
            "write it as text",
        ),
        (
            r#"{"concat": [{"value": 0.300000000000000041}]}"#,
            ".concat[0].value",
            "write it as text",
        ),
        (
            r#"{"add": [{"field": "day"}, {"value": "2024-01-01"}]}"#,
            ".add",
            "`date_add` and `date_diff`",
        ),
        (
            r#"{"multiply": [{"field": "i"}, {"field": "t"}]}"#,
            ".multiply",
            "`convert` what is none",
        ),
        (
            r#"{"convert": {"of": {"field": "day"}, "to": "datetime"}}"#,
            ".convert.to",
            "by the formula `to_instant`",
        ),
        (
            r#"{"eq": [{"field": "at"}, {"field": "day"}]}"#,
            ".eq",
            "utc_day",
        ),
        (
            r#"{"eq": [{"field": "f"}, {"field": "d"}]}"#,
            ".eq",
            "a float is not exact",
        ),
        (
            r#"{"eq": [{"field": "f"}, {"field": "i"}]}"#,
            ".eq",
            "a float is not exact",
        ),
        (
            r#"{"add": [{"field": "f"}, {"field": "d"}]}"#,
            ".add",
            "a float is not exact",
        ),
        (
            r#"{"eq": [{"field": "doc"}, {"field": "doc"}]}"#,
            ".eq",
            "equal documents",
        ),
        (
            r#"{"lt": [{"field": "b"}, {"field": "e"}]}"#,
            ".lt",
            "use `eq`",
        ),
        (
            r#"{"eq": [{"field": "account"}, {"field": "contact"}]}"#,
            ".eq",
            "different objects",
        ),
        (
            r#"{"eq": [{"field": "t"}, {"field": "i"}]}"#,
            ".eq",
            "different families",
        ),
        (
            r#"{"eq": [{"field": "t"}, {"value": 12}]}"#,
            ".eq[1].value",
            "a text",
        ),
        (
            r#"{"eq": [{"value": "x"}, {"field": "i"}]}"#,
            ".eq[0].value",
            "a number",
        ),
        (
            r#"{"eq": [{"field": "stage"}, {"value": "lost"}]}"#,
            ".eq[1].value",
            "one of the field's items",
        ),
        (
            r#"{"eq": [{"field": "mail"}, {"value": "nobody"}]}"#,
            ".eq[1].value",
            "an e-mail address",
        ),
        (
            r#"{"eq": [{"field": "b"}, {"value": 1}]}"#,
            ".eq[1].value",
            "`true` or `false`",
        ),
        (
            r#"{"eq": [{"field": "t"}, {"value": null}]}"#,
            ".eq[1].value",
            "is_null",
        ),
        (r#"{"value": null}"#, ".value", "is_null"),
        (
            r#"{"eq": [{"value": 1}, {"value": "a"}]}"#,
            ".eq[1].value",
            "a number",
        ),
        (
            r#"{"add": [{"field": "t"}, {"field": "i"}]}"#,
            ".add",
            "two numbers",
        ),
        (r#"{"and": [{"field": "i"}]}"#, ".and[0]", "true or false"),
        (r#"{"not": {"field": "t"}}"#, ".not", "true or false"),
        (r#"{"or": []}"#, ".or", "at least one part"),
        (r#"{"concat": []}"#, ".concat", "at least one part"),
        (
            r#"{"utc_day": {"field": "local"}}"#,
            ".utc_day",
            "only a datetime",
        ),
        (
            r#"{"multiply": [{"multiply": [{"field": "w"}, {"field": "w"}]}, {"multiply": [{"field": "w"}, {"field": "w"}]}]}"#,
            ".multiply",
            "40 digits behind the point",
        ),
    ] {
        let found = problems(json);
        assert_eq!(found.len(), 1, "{json}: {found:?}");
        assert_eq!(found[0].0, format!("filters[0]{path}"), "{json}");
        assert!(found[0].1.contains(words), "{json}: {}", found[0].1);
    }
}

#[test]
fn a_filter_is_boolean() {
    let problems = Filter::compile(&expr(r#"{"field": "i"}"#), &schema(), "filter").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, "filter");
    assert!(problems[0].message.contains("true or false"));
}

#[test]
fn nesting_has_a_limit() {
    let nested =
        |levels: usize| (1..levels).fold(Expr::field("b"), |inner, _| Expr::Not(Box::new(inner)));
    let formula = Formula::compile(&nested(MAX_DEPTH), &schema(), "").unwrap();
    formula.evaluate(&row(&[("b", "true")])).unwrap();
    let problems = Formula::compile(&nested(MAX_DEPTH + 1), &schema(), "").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, ".not".repeat(MAX_DEPTH));
    assert!(problems[0].message.contains("64 levels"));
}
