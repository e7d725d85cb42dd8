//! A good job with one thing wrong: the error has the path and says what to do, and nothing was made or written.

use serde_json::{Value, json};

use crate::support;

/// A job that runs: contacts of accounts.
fn good() -> Value {
    json!({
        "version": 1,
        "name": "contacts",
        "dataset": {
            "version": 1,
            "source": {"file": {"name": "contacts.csv", "columns": [
                {"name": "email", "type": "email"},
                {"name": "account", "type": "text"},
                {"name": "seats", "type": "integer"},
                {"name": "rate", "type": "float"},
                {"name": "since", "type": "date"}]}},
            "filter": {"gt": [{"field": "seats"}, {"value": 0}]},
            "formulas": [{"name": "double", "value": {"multiply": [{"field": "seats"}, {"value": 2}]}}]
        },
        "objects": [
            {"name": "account", "identity": {"supplied": ["code"]}, "fields": [
                {"name": "code", "type": "text"}, {"name": "region", "type": "text"}]},
            {"name": "contact", "identity": "generated", "system_fields": "standard", "fields": [
                {"name": "email", "type": "email"}, {"name": "account", "type": "lookup(account)"},
                {"name": "seats", "type": "integer"}, {"name": "since", "type": "date"}]}
        ],
        "destinations": [{
            "object": "contact",
            "mode": {"upsert": {"identifiers": [["email"]]}},
            "mapping": {"fields": [
                {"field": "email", "from": "email"},
                {"field": "account", "lookup": {
                    "object": "account", "fetch": "code", "no_match": "null",
                    "keys": [{"source": "account", "field": "code"}]}},
                {"field": "seats", "from": "double"},
                {"field": "since", "from": "since"}]}
        }]
    })
}

const FILE: (&str, &str) = (
    "contacts.csv",
    "email,account,seats,rate,since\na@example.com,x,1,0.5,2025-01-31\n",
);

/// The job with another value at a place.
fn with(pointer: &str, value: Value) -> Value {
    let mut job = good();
    *job.pointer_mut(pointer).expect(pointer) = value;
    job
}

/// The one problem of a job with another value at a place.
fn problem(pointer: &str, value: Value) -> (String, String) {
    let mut found = support::problems(&with(pointer, value).to_string(), &[FILE]);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn the_job_is_good_before_it_is_spoilt() {
    let ran = support::run(&good().to_string(), &[FILE]);
    assert_eq!(ran.report.destinations[0].inserted, 1);
}

#[test]
fn a_mistake_has_its_path_and_advice() {
    let pair = json!({"source": "account", "field": "code"});
    let lookup = "/destinations/0/mapping/fields/1/lookup";
    let fields = "/destinations/0/mapping/fields";
    let mut wrong = Vec::new();
    for (pointer, value, path, says) in [
        // Lookups.
        (
            format!("{lookup}/object"),
            json!("acount"),
            "destinations[0].mapping.fields[1].lookup.object",
            "`acount`",
        ),
        (
            format!("{lookup}/fetch"),
            json!("regoin"),
            "destinations[0].mapping.fields[1].lookup.fetch",
            "`regoin`",
        ),
        (
            format!("{lookup}/keys/0/field"),
            json!("nmae"),
            "destinations[0].mapping.fields[1].lookup.keys[0].field",
            "`nmae`",
        ),
        (
            format!("{lookup}/keys/0/source"),
            json!("acount"),
            "destinations[0].mapping.fields[1].lookup.keys[0].source",
            "`acount`",
        ),
        (
            format!("{lookup}/keys"),
            Value::Array(vec![pair; 7]),
            "destinations[0].mapping.fields[1].lookup.keys",
            "by 1 to 6 pairs; here are 7",
        ),
        (
            format!("{lookup}/keys"),
            json!([]),
            "destinations[0].mapping.fields[1].lookup.keys",
            "by 1 to 6 pairs; here are 0",
        ),
        // What a mapping must not write.
        (
            format!("{fields}/2/field"),
            json!("id"),
            "destinations[0].mapping.fields[2].field",
            "generated",
        ),
        (
            format!("{fields}/2/field"),
            json!("created_at"),
            "destinations[0].mapping.fields[2].field",
            "system field",
        ),
        (
            format!("{fields}/2"),
            json!({"field": "since", "from": "since"}),
            "destinations[0].mapping.fields[3].field",
            "`since`",
        ),
        (
            format!("{fields}/2/field"),
            json!("saets"),
            "destinations[0].mapping.fields[2].field",
            "`saets`",
        ),
        (
            format!("{fields}/2/from"),
            json!("doubel"),
            "destinations[0].mapping.fields[2].from",
            "`doubel`",
        ),
        (
            format!("{fields}/3/from"),
            json!("seats"),
            "destinations[0].mapping.fields[3].from",
            "date",
        ),
        // Identifiers.
        (
            "/destinations/0/mode".into(),
            json!({"upsert": {"identifiers": []}}),
            "destinations[0].mode.upsert.identifiers",
            "identifier",
        ),
        (
            "/destinations/0/mode".into(),
            json!({"upsert": {"identifiers": [[]]}}),
            "destinations[0].mode.upsert.identifiers[0]",
            "field",
        ),
        (
            "/destinations/0/mode".into(),
            json!({"update": {"identifiers": [["mail"]]}}),
            "destinations[0].mode.update.identifiers[0][0]",
            "`mail`",
        ),
        // Expressions.
        (
            "/dataset/filter".into(),
            json!({"gt": [{"field": "email"}, {"value": 1}]}),
            "dataset.filter.gt[1].value",
            "e-mail",
        ),
        (
            "/dataset/filter".into(),
            json!({"add": [{"field": "seats"}, {"value": 1}]}),
            "dataset.filter",
            "true or false",
        ),
        (
            "/dataset/filter".into(),
            json!({"eq": [{"field": "rate"}, {"field": "seats"}]}),
            "dataset.filter.eq",
            "float is not exact",
        ),
        (
            "/dataset/filter/gt/0".into(),
            json!({"field": "saets"}),
            "dataset.filter.gt[0].field",
            "`saets`",
        ),
        (
            "/dataset/filter".into(),
            json!({"and": []}),
            "dataset.filter.and",
            "at least one",
        ),
        (
            "/dataset/formulas/0/value/multiply/1".into(),
            json!({"value": null}),
            "dataset.formulas[0].value.multiply[1].value",
            "is_null",
        ),
        (
            "/dataset/formulas/0/value/multiply/1".into(),
            json!({"value": [12]}),
            "dataset.formulas[0].value.multiply[1].value",
            "a constant is null, true, false, a number or a text",
        ),
        // The source.
        (
            "/dataset/source/file/columns/1/name".into(),
            json!("email"),
            "dataset.source.file.columns[1].name",
            "twice",
        ),
        (
            "/dataset/source/file/columns/0/type".into(),
            json!("decimal(4)x"),
            "dataset.source.file.columns[0].type",
            "unknown type",
        ),
        // Forms.
        (
            "/version".into(),
            json!(2),
            "version",
            "this release reads version 1",
        ),
        (
            "/dataset/version".into(),
            json!(2),
            "dataset.version",
            "this release reads version 1",
        ),
        (
            format!("{lookup}/no_match"),
            json!("ignore"),
            "destinations[0].mapping.fields[1].lookup.no_match",
            "unknown variant `ignore`, expected one of `reject`, `null`, `default`",
        ),
        (
            "/destinations/0/mode".into(),
            json!("merge"),
            "destinations[0].mode",
            "unknown variant `merge`",
        ),
    ] {
        let found = support::problems(&with(&pointer, value.clone()).to_string(), &[FILE]);
        let is_it = |(at, message): &(String, String)| at == path && message.contains(says);
        if !(found.len() == 1 && found.iter().all(is_it)) {
            wrong.push(format!("{pointer} = {value}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    let nested = |depth: usize| {
        let mut expr = json!({"field": "seats"});
        for _ in 0..depth {
            expr = json!({"add": [expr, {"value": 1}]});
        }
        json!({"gt": [expr, {"value": 0}]})
    };
    assert!(
        support::try_run(
            &with("/dataset/filter", nested(50)).to_string(),
            &[FILE],
            support::How::default(),
            true
        )
        .is_ok()
    );
    // Deeper than an expression may be, as a JSON text still is not too deep.
    let mut not = json!({"is_null": {"field": "seats"}});
    for _ in 0..70 {
        not = json!({"not": not});
    }
    let (path, message) = problem("/dataset/filter", not);
    assert!(path.starts_with("dataset.filter.not.not"), "{path}");
    assert!(message.contains("deeper than 64 levels"), "{message}");
    // As text, without ever building it.
    let text = good().to_string().replace(
        r#"{"gt":[{"field":"seats"},{"value":0}]}"#,
        &format!(
            "{}{{}}{}",
            r#"{"not":"#.repeat(100_000),
            "}".repeat(100_000)
        ),
    );
    let problems = support::problems(&text, &[FILE]);
    assert!(problems[0].1.contains("recursion limit"), "{problems:?}");
}

#[test]
fn a_key_nobody_knows_is_refused_where_it_stands() {
    for pointer in [
        "",
        "/dataset",
        "/dataset/source/file",
        "/objects/0",
        "/destinations/0/mapping",
    ] {
        let mut job = good();
        job.pointer_mut(pointer).unwrap()["colour"] = json!("red");
        let problems = support::problems(&job.to_string(), &[FILE]);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].1.contains("unknown field `colour`, expected"),
            "{problems:?}"
        );
        let path = pointer
            .trim_start_matches('/')
            .replace('/', ".")
            .replace(".0", "[0]");
        assert!(problems[0].0.starts_with(&path), "{pointer}: {problems:?}");
    }
}
