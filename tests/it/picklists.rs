//! Items that a picklist does not know: refused, replaced, or null, as the field says.

use super::support::{Ran, run};

fn sync(field_type: &str, default: &str, rows: &str) -> Ran {
    let job = format!(
        r#"{{"version": 1, "name": "tickets", "dataset": {{"version": 1, "source": {{"file": {{"name": "tickets.csv", "columns": [
  {{"name": "id", "type": "text"}}, {{"name": "state", "type": "text"}}]}}}}}},
"objects": [{{"name": "ticket", "identity": {{"supplied": ["id"]}}, "fields": [
  {{"name": "id", "type": "text"}}, {{"name": "state", "type": {field_type}}}]}}],
"destinations": [{{"object": "ticket", "mode": {{"upsert": {{"identifiers": [["id"]]}}}}, "mapping": {{"fields": [
  {{"field": "id", "from": "id"}}, {{"field": "state", "from": "state" {default}}}]}}}}]}}"#
    );
    run(&job, &[("tickets.csv", &format!("id,state\n{rows}"))])
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

#[test]
fn several_items_are_all_known_or_the_value_is_not() {
    let ran = sync(
        r#"{"multi_picklist": ["red", "green", "blue"]}"#,
        "",
        "1,red;blue\n2,red;pink\n3,blue;red\n4,\n",
    );
    let written = ran.object("ticket");
    assert!(written.starts_with("id,state\n1,red;blue\n"), "{written}");
    assert_eq!(ran.reasons()[0], (1, "bad_value"));
}
