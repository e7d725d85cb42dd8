//! A good job with one thing wrong: the error has the path and says what to do, and nothing was made or written.

use serde_json::{Value, json};
use syncline::ErrorKind;
use syncline::record::Reason;

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

const VERSION_2: &str = "version 2 is not known here; this release reads version 1: write the spec in that form, or take a \
                         release that knows the other";

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

/// A message without the place in the text, which a change of the job above would move.
fn without_place(message: &str) -> &str {
    let end = message.find(" at line 1 column ");
    &message[..end.unwrap_or(message.len())]
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
            "there is no object `acount` to look up; there are: account, contact",
        ),
        (
            format!("{lookup}/fetch"),
            json!("regoin"),
            "destinations[0].mapping.fields[1].lookup.fetch",
            "the object `account` has no field `regoin`; it has: code, region",
        ),
        (
            format!("{lookup}/keys/0/field"),
            json!("nmae"),
            "destinations[0].mapping.fields[1].lookup.keys[0].field",
            "the object `account` has no field `nmae`; it has: code, region",
        ),
        (
            format!("{lookup}/keys/0/source"),
            json!("acount"),
            "destinations[0].mapping.fields[1].lookup.keys[0].source",
            "the dataset has no field `acount`; it has: email, account, seats, rate, since, double",
        ),
        (
            format!("{lookup}/keys"),
            Value::Array(vec![pair; 7]),
            "destinations[0].mapping.fields[1].lookup.keys",
            "a lookup matches by 1 to 6 pairs; here are 7",
        ),
        (
            format!("{lookup}/keys"),
            json!([]),
            "destinations[0].mapping.fields[1].lookup.keys",
            "a lookup matches by 1 to 6 pairs; here are 0",
        ),
        // What a mapping must not write.
        (
            format!("{fields}/2/field"),
            json!("id"),
            "destinations[0].mapping.fields[2].field",
            "`id` is generated by the object; it can be an identifier, but not written: leave it out",
        ),
        (
            format!("{fields}/2/field"),
            json!("created_at"),
            "destinations[0].mapping.fields[2].field",
            "`created_at` is a system field that the object fills itself; leave it out",
        ),
        (
            format!("{fields}/2"),
            json!({"field": "since", "from": "since"}),
            "destinations[0].mapping.fields[3].field",
            "`since` is mapped twice; keep one of the two",
        ),
        (
            format!("{fields}/2/field"),
            json!("saets"),
            "destinations[0].mapping.fields[2].field",
            "the object `contact` has no field `saets`; it has: id, email, account, seats, since, created_at, created_by, modified_at, modified_by",
        ),
        (
            format!("{fields}/2/from"),
            json!("doubel"),
            "destinations[0].mapping.fields[2].from",
            "the dataset has no field `doubel`; it has: email, account, seats, rate, since, double",
        ),
        (
            format!("{fields}/3/from"),
            json!("seats"),
            "destinations[0].mapping.fields[3].from",
            "integer does not convert to date, only to text, integer, decimal, float, boolean, picklist, currency, percent, json, lookup; change the type of one of the two fields",
        ),
        // Identifiers.
        (
            "/destinations/0/mode".into(),
            json!({"upsert": {"identifiers": []}}),
            "destinations[0].mode.upsert.identifiers",
            "an upsert needs at least one identifier: a list of fields that tell records apart",
        ),
        (
            "/destinations/0/mode".into(),
            json!({"upsert": {"identifiers": [[]]}}),
            "destinations[0].mode.upsert.identifiers[0]",
            "an identifier has at least one field; name one, or leave the identifier out",
        ),
        (
            "/destinations/0/mode".into(),
            json!({"update": {"identifiers": [["mail"]]}}),
            "destinations[0].mode.update.identifiers[0][0]",
            "the object `contact` has no field `mail`; it has: id, email, account, seats, since, created_at, created_by, modified_at, modified_by",
        ),
        // Expressions.
        (
            "/dataset/filter".into(),
            json!({"gt": [{"field": "email"}, {"value": 1}]}),
            "dataset.filter.gt[1].value",
            "the constant must be an e-mail address, as the type is email",
        ),
        (
            "/dataset/filter".into(),
            json!({"add": [{"field": "seats"}, {"value": 1}]}),
            "dataset.filter",
            "a filter is true or false and this is integer; compare it with something",
        ),
        (
            "/dataset/filter".into(),
            json!({"eq": [{"field": "rate"}, {"field": "seats"}]}),
            "dataset.filter.eq",
            "float does not compare with integer: a float is not exact and the other is; give both the same type in the dataset, or `convert` one",
        ),
        (
            "/dataset/filter/gt/0".into(),
            json!({"field": "saets"}),
            "dataset.filter.gt[0].field",
            "there is no field `saets`; there are: email, account, seats, rate, since",
        ),
        (
            "/dataset/filter".into(),
            json!({"and": []}),
            "dataset.filter.and",
            "`and` needs at least one part",
        ),
        (
            "/dataset/formulas/0/value/multiply/1".into(),
            json!({"value": null}),
            "dataset.formulas[0].value.multiply[1].value",
            "null is no constant of an expression: nothing is equal to it; ask with `is_null`",
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
            "the column `email` is there twice; keep one of the two",
        ),
        (
            "/dataset/source/file/columns/0/type".into(),
            json!("decimal(4)x"),
            "dataset.source.file.columns[0].type",
            "unknown type `decimal(4)x`; one of text, integer, decimal(p,s), float, boolean, date, datetime, local_datetime, email, url, picklist, multi_picklist, currency, percent, json, lookup(object), id",
        ),
        // Forms.
        (
            "/version".into(),
            json!(2),
            "version",
            "version 2 is not known here; this release reads version 1: write the spec in that form, or take a release that knows the other",
        ),
        (
            "/dataset/version".into(),
            json!(2),
            "dataset.version",
            "version 2 is not known here; this release reads version 1: write the spec in that form, or take a release that knows the other",
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
            "unknown variant `merge`, expected one of `insert`, `update`, `upsert`",
        ),
    ] {
        let found = support::problems(&with(&pointer, value.clone()).to_string(), &[FILE]);
        let is_it = |(at, message): &(String, String)| at == path && without_place(message) == says;
        if !(found.len() == 1 && found.iter().all(is_it)) {
            wrong.push(format!("{pointer} = {value}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_that_is_missing_is_told_with_its_place_in_the_spec() {
    let fails = |job: &Value, files: &[(&str, &str)]| {
        let ran = support::try_run(&job.to_string(), files, support::How::default(), false);
        let error = ran.unwrap_err();
        (error.kind(), error.to_string())
    };
    let missing = |place: &str| {
        let said = format!("open: no such file; check the name ({place})");
        (ErrorKind::NotFound, said)
    };
    let source = missing("file: contacts.csv, path: dataset.source.file");
    assert_eq!(fails(&good(), &[]), source);

    let mut job = good();
    job["objects"][0]["preload"] = json!({
        "file": {"name": "accounts.csv", "columns": [{"name": "code", "type": "text"}]},
        "fields": {"code": "code"}});
    let preload = missing("file: accounts.csv, object: account, path: objects[0].preload");
    assert_eq!(fails(&job, &[FILE]), preload);
}

#[test]
fn a_spec_of_a_newer_version_is_told_before_what_else_is_new_in_it() {
    for (pointer, path) in [("", "version"), ("/dataset", "dataset.version")] {
        let mut job = good();
        let newer = job.pointer_mut(pointer).unwrap();
        // In front of the version, as a reader meets it.
        *newer = json!({"colour": "red", "source": {"queue": {}}, "version": 2});
        let found = support::problems(&job.to_string(), &[FILE]);
        assert_eq!(found, [(path.to_owned(), VERSION_2.to_owned())]);
    }
}

#[test]
fn a_row_without_identifier_is_a_reject_that_names_it() {
    let rows = "email,account,seats,rate,since\na@example.com,x,1,0.5,\n,x,1,0.5,\nb@example.com,x,1,0.5,\n";
    for (identifiers, field, says) in [
        (json!([["email"]]), Some("email"), "(email)"),
        (
            json!([["email"], ["email", "since"]]),
            None,
            "(email), (email, since)",
        ),
    ] {
        let job = with("/destinations/0/mode/upsert/identifiers", identifiers);
        let ran = support::run(&job.to_string(), &[("contacts.csv", rows)]);
        assert_eq!(ran.report.destinations[0].inserted, 2);
        let rejects = ran.rejects.all();
        assert_eq!(rejects.len(), 1);
        let refusal = &rejects[0].refusal;
        assert_eq!(refusal.reason, Reason::EmptyIdentifier);
        assert_eq!(refusal.field.as_deref(), field);
        assert_eq!(rejects[0].position.to_string(), "contacts.csv:3 (byte 54)");
        let message =
            format!("no identifier has all of its values; fill the fields of one: {says}");
        assert_eq!(refusal.message, message);
    }
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
    assert_eq!(
        message,
        "the expression is nested deeper than 64 levels; lists of `and`, `or` and `concat` can be long instead of deep"
    );
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
    let [(path, message)] = &problems[..] else {
        panic!("{problems:?}")
    };
    assert!(path.starts_with("dataset.filter.not.not"), "{path}");
    assert!(
        message.starts_with("nested too deep at line 1 column ")
            && message
                .ends_with("; make lists long instead, or put a part into a formula of its own"),
        "{message}"
    );
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
