//! Direct lookups: policies, several pairs, several matches, permutations.

use proptest::prelude::*;

use super::support::{How, Ran, problems, run, try_run};

fn job(lookup: &str, rest: &str) -> String {
    format!(
        r#"{{
  "version": 1, "name": "lookup",
  "dataset": {{"version": 1, "source": {{"file": {{"name": "rows.csv", "columns": [
    {{"name": "n", "type": "integer"}}, {{"name": "first", "type": "text"}}, {{"name": "last", "type": "text"}}]}}}}}},
  "objects": [
    {{"name": "person", "identity": {{"supplied": ["id"]}}, "fields": [
      {{"name": "id", "type": "text"}}, {{"name": "first", "type": "text"}}, {{"name": "last", "type": "text"}},
      {{"name": "rank", "type": "integer"}}],
     "preload": {{"file": {{"name": "people.csv", "columns": [
      {{"name": "id", "type": "text"}}, {{"name": "first", "type": "text"}}, {{"name": "last", "type": "text"}},
      {{"name": "rank", "type": "integer"}}]}},
      "fields": {{"id": "id", "first": "first", "last": "last", "rank": "rank"}}}}}},
    {{"name": "visit", "identity": {{"supplied": ["n"]}}, "fields": [
      {{"name": "n", "type": "integer"}}, {{"name": "person_id", "type": "lookup(person)"}}]}}],
  "destinations": [{{"object": "visit", "mode": {{"upsert": {{"identifiers": [["n"]]}}}}, "mapping": {{"fields": [
    {{"field": "n", "from": "n"}},
    {{"field": "person_id", "lookup": {{"object": "person", "fetch": "id", "keys": [
      {{"source": "first", "field": "first"}}, {{"source": "last", "field": "last"}}] {lookup}}} {rest}}}]}}}}]
}}"#
    )
}

const PEOPLE: &str =
    "id,first,last,rank\np1,Ada,King,5\np2,Ada,Moss,4\np3,Bo,Moss,\np4,Bo,Moss,2\np5,Bo,Moss,3\n";
const ROWS: &str = "n,first,last\n1,Ada,King\n2,Ada,Nobody\n3,Bo,Moss\n4,Ada,\n5,ada,King\n";

fn sync(lookup: &str, rest: &str) -> Ran {
    run(
        &job(lookup, rest),
        &[("people.csv", PEOPLE), ("rows.csv", ROWS)],
    )
}

fn visits(ran: &Ran) -> Vec<String> {
    ran.object("visit")
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_strict_defaults_reject() {
    let ran = sync("", "");
    assert_eq!(visits(&ran), ["1,p1", "4,"]);
    assert_eq!(
        ran.reasons(),
        [(1, "no_match"), (2, "multi_match"), (4, "no_match")]
    );
    let counts = &ran.report.destinations[0].lookups["person_id"];
    assert_eq!(
        (
            counts.resolved,
            counts.unresolved,
            counts.ambiguous,
            counts.empty
        ),
        (1, 0, 0, 1)
    );
}

#[test]
fn every_policy() {
    let ran = sync(
        r#", "no_match": "null", "multi_match": "null", "empty": "null""#,
        "",
    );
    assert_eq!(visits(&ran), ["1,p1", "2,", "3,", "4,", "5,"]);
    let counts = &ran.report.destinations[0].lookups["person_id"];
    assert_eq!(
        (
            counts.resolved,
            counts.unresolved,
            counts.ambiguous,
            counts.empty
        ),
        (1, 2, 1, 1)
    );

    let ran = sync(
        r#", "no_match": "default", "multi_match": "any""#,
        r#", "default": {"value": "nobody"}"#,
    );
    assert_eq!(visits(&ran), ["1,p1", "2,nobody", "3,p3", "4,", "5,nobody"]);

    let ran = sync(
        r#", "no_match": "null", "multi_match": {"first": {"by": "rank"}}"#,
        "",
    );
    assert_eq!(visits(&ran), ["1,p1", "2,", "3,p4", "4,", "5,"]);

    let ran = sync(r#", "empty": "no_match", "multi_match": "any""#, "");
    assert_eq!(
        ran.reasons(),
        [(1, "no_match"), (3, "no_match"), (4, "no_match")]
    );

    let ran = sync(r#", "empty": "reject", "multi_match": "any""#, "");
    assert_eq!(
        ran.reasons(),
        [(1, "no_match"), (3, "empty_key"), (4, "no_match")]
    );
}

#[test]
fn several_records_are_several_even_if_the_value_is_equal() {
    let people = "id,first,last,rank\np1,Ada,King,7\np2,Ada,King,7\n";
    let lookup = job("", "").replace(r#""fetch": "id""#, r#""fetch": "rank""#);
    let lookup = lookup.replace(
        r#""name": "person_id", "type": "lookup(person)""#,
        r#""name": "person_id", "type": "integer""#,
    );
    let ran = run(
        &lookup,
        &[
            ("people.csv", people),
            ("rows.csv", "n,first,last\n1,Ada,King\n"),
        ],
    );
    assert_eq!(ran.reasons(), [(0, "multi_match")]);
}

#[test]
fn six_pairs_are_the_most() {
    let pair = r#"{"source": "first", "field": "first"}, "#;
    let seven = job("", "").replace(
        r#""keys": [
      {"source""#,
        &format!(r#""keys": [{}{{"source""#, pair.repeat(5)),
    );
    let found = problems(&seven, &[("people.csv", PEOPLE), ("rows.csv", ROWS)]);
    assert_eq!(found[0].0, "destinations[0].mapping.fields[1].lookup.keys");
    assert!(found[0].1.contains("1 to 6 pairs"), "{found:?}");
}

#[test]
fn what_is_looked_up_must_exist() {
    let wrong = job("", "")
        .replace(r#""fetch": "id""#, r#""fetch": "ident""#)
        .replace(r#""source": "last""#, r#""source": "surname""#);
    let found = problems(&wrong, &[("people.csv", PEOPLE), ("rows.csv", ROWS)]);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert!(
        paths.contains(&"destinations[0].mapping.fields[1].lookup.fetch"),
        "{found:?}"
    );
    assert!(
        paths.contains(&"destinations[0].mapping.fields[1].lookup.keys[1].source"),
        "{found:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The order of the other object's records decides nothing, save which one `any` takes.
    #[test]
    fn the_order_of_the_other_object_does_not_matter(
        people in proptest::collection::vec((0u8..4, 0u8..4), 0..16),
        rotation in 0usize..16,
        rows in proptest::collection::vec((proptest::option::of(0u8..5), 0u8..5), 1..24),
        batch_rows in 1usize..9,
    ) {
        let people: Vec<String> =
            people.iter().enumerate().map(|(i, (first, last))| format!("p{i},f{first},l{last},{}\n", i % 7)).collect();
        let mut turned = people.clone();
        if !turned.is_empty() {
            let by = rotation % turned.len();
            turned.rotate_left(by);
        }
        let rows: String = rows.iter().enumerate().map(|(n, (first, last))| {
            format!("{n},{},l{last}\n", first.map(|f| format!("f{f}")).unwrap_or_default())
        }).collect();
        let job = job(r#", "no_match": "null""#, "");
        let how = How { batch_rows, ..How::default() };
        let sync = |people: &[String]| {
            let people = format!("id,first,last,rank\n{}", people.concat());
            let rows = format!("n,first,last\n{rows}");
            try_run(&job, &[("people.csv", &people), ("rows.csv", &rows)], how, false).unwrap()
        };
        prop_assert_eq!(sync(&people).essence(), sync(&turned).essence());
    }
}
