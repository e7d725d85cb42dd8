//! Items that a picklist does not know: refused, replaced, or null, as the field says.

use super::support::{Ran, problems, run};

fn job(field_type: &str, default: &str) -> String {
    format!(
        r#"{{"version": 1, "name": "tickets", "dataset": {{"version": 1, "source": {{"file": {{"name": "tickets.csv", "columns": [
  {{"name": "id", "type": "text"}}, {{"name": "state", "type": "text"}}]}}}}}},
"objects": [{{"name": "ticket", "identity": {{"supplied": ["id"]}}, "fields": [
  {{"name": "id", "type": "text"}}, {{"name": "state", "type": {field_type}}}]}}],
"destinations": [{{"object": "ticket", "mode": {{"upsert": {{"identifiers": [["id"]]}}}}, "mapping": {{"fields": [
  {{"field": "id", "from": "id"}}, {{"field": "state", "from": "state" {default}}}]}}}}]}}"#
    )
}

fn sync(field_type: &str, default: &str, rows: &str) -> Ran {
    let rows = format!("id,state\n{rows}");
    run(&job(field_type, default), &[("tickets.csv", &rows)])
}

const ITEMS: &str = r#"{"picklist": ["open", "closed", "other"]}"#;
const ROWS: &str = "1,open\n2,lost\n3,\n4,Closed\n";

#[test]
fn an_unknown_item_is_refused_by_itself() {
    let ran = sync(ITEMS, "", ROWS);
    assert_eq!(ran.object("ticket"), "id,state\n1,open\n3,\n");
    // Case is part of an item.
    assert_eq!(ran.reasons(), [(1, "bad_value"), (3, "bad_value")]);
    let reject = &ran.rejects.all()[0];
    assert_eq!(reject.refusal.field.as_deref(), Some("state"));
    assert_eq!(reject.position.to_string(), "tickets.csv:3 (byte 16)");
    let message = "does not convert to picklist: expected one of the field's items";
    assert_eq!(reject.refusal.message, message);
}

#[test]
fn an_unknown_item_becomes_a_known_one_or_null() {
    for (default, second, third) in [
        (r#", "default": {"value": "other"}"#, "other", "other"),
        (
            r#", "default": {"value": "other", "when_missing": false}"#,
            "other",
            "",
        ),
        (
            r#", "default": {"value": null, "when_missing": false}"#,
            "",
            "",
        ),
    ] {
        let ran = sync(ITEMS, default, ROWS);
        let expected = format!("id,state\n1,open\n2,{second}\n3,{third}\n4,{second}\n");
        assert_eq!(ran.object("ticket"), expected, "{default}");
        assert!(ran.reasons().is_empty());
    }
}

const COLOURS: &str = r#"{"multi_picklist": ["red", "green", "blue"]}"#;
const MIXED: &str = "1,red;blue\n2,red;pink\n3,blue;red\n4,\n5,red;red\n6,green\n";

#[test]
fn several_items_are_all_known_or_the_value_is_not() {
    let ran = sync(COLOURS, "", MIXED);
    assert_eq!(ran.object("ticket"), "id,state\n1,red;blue\n4,\n6,green\n");
    // An item that is unknown, in another order, there twice.
    assert_eq!(
        ran.reasons(),
        [(1, "bad_value"), (2, "bad_value"), (4, "bad_value")]
    );
    let reject = &ran.rejects.all()[0];
    assert_eq!(reject.refusal.field.as_deref(), Some("state"));
    assert_eq!(reject.position.to_string(), "tickets.csv:3 (byte 20)");
    let message = "does not convert to multi_picklist: expected items of the field, each once and in the field's order, \
                   joined by `;`";
    assert_eq!(reject.refusal.message, message);
}

#[test]
fn several_items_of_which_one_is_unknown_become_known_ones_or_null() {
    for (default, second) in [("\"green;blue\"", "green;blue"), ("null", "")] {
        let default = format!(r#", "default": {{"value": {default}, "when_missing": false}}"#);
        let ran = sync(COLOURS, &default, "1,red;blue\n2,red;pink\n3,\n");
        let expected = format!("id,state\n1,red;blue\n2,{second}\n3,\n");
        assert_eq!(ran.object("ticket"), expected, "{default}");
        assert!(ran.reasons().is_empty());
    }
}

#[test]
fn a_default_that_is_no_item_is_told_before_anything_is_read() {
    for (field_type, default, says) in [
        (
            ITEMS,
            "none",
            "the constant must be one of the field's items, as the type is picklist",
        ),
        (
            COLOURS,
            "pink",
            "the constant must be items of the field, each once and in the field's order, joined by `;`, as the type is \
             multi_picklist",
        ),
    ] {
        let job = job(
            field_type,
            &format!(r#", "default": {{"value": "{default}"}}"#),
        );
        let found = problems(&job, &[("tickets.csv", "id,state\n")]);
        let [(path, message)] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(path, "destinations[0].mapping.fields[1].default.value");
        assert_eq!(message, says);
    }
}
