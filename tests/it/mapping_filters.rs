//! Filters and formulas of a mapping: one destination's own, with the same counts however it is run.

use proptest::prelude::*;

use super::support::{How, Ran, look, problems, run, try_run};

const POSITIVE: &str = r#"{"gt": [{"field": "n"}, {"value": 0}]}"#;
const REST: &str =
    r#"{"or": [{"le": [{"field": "n"}, {"value": 0}]}, {"is_null": {"field": "n"}}]}"#;

/// A job over `rows.csv` with these parts of the dataset, and destinations `a`, `b` with these mappings.
fn job(dataset: &str, mappings: &[&str]) -> String {
    let object = |name: &str| {
        format!(
            r#"{{"name": "{name}", "identity": {{"supplied": ["key"]}}, "fields": [
  {{"name": "key", "type": "text"}}, {{"name": "n", "type": "integer"}}, {{"name": "from_a", "type": "integer"}},
  {{"name": "parent", "type": "lookup({name})"}}]}}"#
        )
    };
    let objects: Vec<String> = ["a", "b"].map(object).to_vec();
    let destinations: Vec<String> = (["a", "b"].iter().zip(mappings))
        .map(|(name, mapping)| {
            format!(
                r#"{{"object": "{name}", "mode": {{"upsert": {{"identifiers": [["key"]]}}}}, "mapping": {{{mapping}}}}}"#
            )
        })
        .collect();
    format!(
        r#"{{"version": 1, "name": "parts", "dataset": {{"version": 1, "source": {{"file": {{"name": "rows.csv", "columns": [
  {{"name": "key", "type": "text"}}, {{"name": "n", "type": "integer"}}, {{"name": "up", "type": "text"}}]}}}} {dataset}}},
"objects": [{}], "destinations": [{}]}}"#,
        objects.join(","),
        destinations.join(",")
    )
}

const KEY: &str = r#"{"field": "key", "from": "key"}"#;
const N: &str = r#"{"field": "n", "from": "n"}"#;

fn filtered(filter: &str) -> String {
    format!(r#""filter": {filter}, "fields": [{KEY}, {N}]"#)
}

fn sync(job: &str, rows: &str) -> Ran {
    run(job, &[("rows.csv", &format!("key,n,up\n{rows}"))])
}

fn lines(ran: &Ran, object: &str) -> Vec<String> {
    ran.object(object)
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect()
}

#[test]
fn complementary_filters_partition_the_rows() {
    let job = job("", &[&filtered(POSITIVE), &filtered(REST)]);
    let ran = sync(&job, "p,1,\nq,-1,\nr,,\ns,2,\n");
    assert_eq!(lines(&ran, "a"), ["p,1,,", "s,2,,"]);
    assert_eq!(lines(&ran, "b"), ["q,-1,,", "r,,,"]);
    for destination in &ran.report.destinations {
        assert_eq!(
            (destination.read, destination.inserted, destination.filtered),
            (4, 2, 2)
        );
    }
}

#[test]
fn only_the_mapping_of_that_destination_sees_its_formulas() {
    let formulas = format!(
        r#""formulas": [{{"name": "twice", "value": {{"multiply": [{{"field": "n"}}, {{"value": 2}}]}}}}],
  "fields": [{KEY}, {{"field": "n", "from": "twice"}}]"#
    );
    let ran = sync(&job("", &[&formulas, &filtered(POSITIVE)]), "p,3,\n");
    assert_eq!(lines(&ran, "a"), ["p,6,,"]);
    assert_eq!(lines(&ran, "b"), ["p,3,,"]);
    let stranger = format!(r#""fields": [{KEY}, {{"field": "n", "from": "twice"}}]"#);
    let found = problems(
        &job("", &[&formulas, &stranger]),
        &[("rows.csv", "key,n,up\n")],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "destinations[1].mapping.fields[1].from");
    assert!(
        found[0].1.starts_with("the dataset has no field `twice`"),
        "{found:?}"
    );
}

#[test]
fn a_later_destination_looks_up_only_what_the_filter_of_an_earlier_one_kept() {
    let lookup = format!(
        r#""formulas": [{{"name": "again", "value": {{"concat": [{{"field": "key"}}, {{"value": ""}}]}}}}],
  "fields": [{KEY}, {{"field": "from_a", "lookup": {{"object": "a", "keys": [{{"source": "again", "field": "key"}}],
    "fetch": "n", "no_match": "null"}}}}]"#
    );
    let job = job("", &[&filtered(POSITIVE), &lookup]);
    let ran = sync(&job, "p,1,\nq,-1,\n");
    assert_eq!(lines(&ran, "b"), ["p,,1,", "q,,,"]);
    assert_eq!(ran.report.destinations[0].filtered, 1);
    assert_eq!(ran.report.destinations[1].filtered, 0);
}

#[test]
fn a_held_self_lookup_counts_what_its_filter_dropped() {
    let tree = format!(
        r#""filter": {POSITIVE}, "fields": [{KEY}, {{"field": "parent", "self_lookup": {{"dangling": "reject",
    "keys": [{{"source": "up", "field": "key"}}]}}}}]"#
    );
    let ran = sync(
        &job("", &[&tree]),
        "leaf,1,root\nroot,1,\norphan,1,gone\ngone,0,\n",
    );
    assert_eq!(lines(&ran, "a"), ["leaf,,,root", "root,,,"]);
    let report = &ran.report.destinations[0];
    assert_eq!(
        (
            report.read,
            report.inserted,
            report.filtered,
            report.rejected
        ),
        (4, 2, 1, 1)
    );
    assert_eq!(ran.reasons(), [(2, "no_match")]);
}

#[test]
fn a_column_that_a_filter_reads_is_not_read_as_text() {
    let tolerant = format!(
        r#""filter": {REST}, "fields": [{KEY}, {{"field": "n", "from": "n", "default": {{"value": 7}}}}]"#
    );
    let ran = sync(&job("", &[&tolerant]), "p,bad,\nq,-1,\n");
    assert_eq!(lines(&ran, "a"), ["q,-1,,"]);
    assert_eq!(ran.reasons(), [(0, "bad_value")]);
}

#[test]
fn mistakes_are_told_with_their_paths() {
    let wrong = format!(
        r#""filter": {{"gt": [{{"field": "none"}}, {{"value": 0}}]}}, "formulas": [
  {{"name": "key", "value": {{"field": "n"}}}}, {{"name": "x", "value": {{"field": "gone"}}}}],
  "fields": [{KEY}, {{"field": "n", "from": "x"}}]"#
    );
    let found = problems(&job("", &[&wrong]), &[("rows.csv", "key,n,up\n")]);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths.len(), 3, "{found:?}");
    assert!(
        paths[0].starts_with("destinations[0].mapping.filter"),
        "{found:?}"
    );
    assert_eq!(paths[1], "destinations[0].mapping.formulas[0].name");
    assert_eq!(
        found[1].1,
        "there is a field `key` already; choose another name"
    );
    assert!(
        paths[2].starts_with("destinations[0].mapping.formulas[1].value"),
        "{found:?}"
    );
}

#[test]
fn a_formula_that_could_not_be_made_is_told_once() {
    let dataset = r#", "formulas": [
  {"name": "x", "value": {"upper": {"field": "n"}}},
  {"name": "y", "value": {"add": [{"field": "x"}, {"field": "none"}]}}]"#;
    let wrong = format!(
        r#""filter": {{"gt": [{{"field": "x"}}, {{"field": "y"}}]}}, "formulas": [
  {{"name": "z", "value": {{"abs": {{"field": "y"}}}}}}, {{"name": "w", "value": {{"field": "z"}}}}],
  "fields": [{KEY}, {{"field": "n", "from": "w"}}, {{"field": "from_a", "from": "x"}}]"#
    );
    let found = problems(&job(dataset, &[&wrong]), &[("rows.csv", "key,n,up\n")]);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "dataset.formulas[0].value.upper",
            "dataset.formulas[1].value.add[1].field"
        ]
    );
    assert_eq!(
        found[1].1,
        "there is no field `none`; there are: key, n, up"
    );
}

#[test]
fn a_formula_of_a_mapping_refuses_rows_of_that_destination_alone() {
    let strict = format!(
        r#""formulas": [{{"name": "share", "value": {{"divide": {{"of": {{"value": "12"}}, "by": {{"field": "n"}}, "digits": 0, "rounding": "half_even"}}}}}}],
  "fields": [{KEY}, {{"field": "n", "from": "share"}}]"#
    );
    let plain = format!(r#""fields": [{KEY}, {N}]"#);
    let ran = sync(&job("", &[&strict, &plain]), "p,3,\nq,0,\nr,4,\n");
    assert_eq!(lines(&ran, "a"), ["p,4,,", "r,3,,"]);
    assert_eq!(lines(&ran, "b"), ["p,3,,", "q,0,,", "r,4,,"]);
    assert_eq!(ran.rejects.rejects(Some("b")), []);
    let rejects = ran.rejects.rejects(Some("a"));
    assert_eq!(rejects.len(), 1);
    let reject = &rejects[0];
    assert_eq!(reject.refusal.reason.code(), "division_by_zero");
    assert_eq!(reject.refusal.field.as_deref(), Some("share"));
    assert_eq!(reject.position.to_string(), "rows.csv:3 (byte 14)");
    assert!(ran.rejects.rejects(None).is_empty());
}

#[test]
fn a_row_that_a_filter_cannot_judge_is_refused_and_not_dropped() {
    let most = i64::MAX;
    let sum = format!(
        r#"{{"gt": [{{"add": [{{"field": "n"}}, {{"value": {most}}}]}}, {{"value": 0}}]}}"#
    );
    let ran = sync(&job("", &[&filtered(&sum)]), "p,0,\nq,1,\nr,-9,\n");
    assert_eq!(ran.reasons(), [(1, "overflow")]);
    let rejects = ran.rejects.rejects(Some("a"));
    assert!(
        rejects[0].refusal.message.starts_with("the filter: "),
        "{rejects:?}"
    );
    assert_eq!(ran.report.destinations[0].inserted, 2);
}

#[test]
fn a_dry_run_counts_what_a_mapping_filters() {
    let job = job("", &[&filtered(POSITIVE), &filtered(REST)]);
    let dry = |dry_run| {
        let rows = [("rows.csv", "key,n,up\np,1,\nq,-1,\nr,,\n")];
        try_run(&job, &rows, How::default(), dry_run).unwrap()
    };
    let (tried, done) = (dry(true), dry(false));
    for (tried, done) in tried
        .report
        .destinations
        .iter()
        .zip(&done.report.destinations)
    {
        assert_eq!(
            (tried.filtered, tried.inserted),
            (done.filtered, done.inserted)
        );
    }
    assert_eq!(lines(&tried, "a"), Vec::<String>::new());
}

#[test]
fn plan_and_preview_tell_of_a_mapping_s_filter() {
    let (plan, preview) = look(
        &job("", &[&filtered(POSITIVE), &filtered(REST)]),
        &[("rows.csv", "key,n,up\np,1,\nq,-1,\nr,,\ns,bad,\n")],
    );
    assert!(
        plan.contains("a: upsert by (key)\n  filter on n\n"),
        "{plan}"
    );
    assert_eq!((preview.records, preview.filtered), (4, 0));
    assert_eq!(preview.filtered_by_mapping, [2, 1]);
    let rows = |i: usize| -> usize { preview.mapped[i].iter().map(|batch| batch.num_rows()).sum() };
    assert_eq!((rows(0), rows(1)), (1, 2));
    assert_eq!(preview.rejects.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_filter_in_the_mapping_is_the_filter_in_the_dataset(
        rows in prop::collection::vec((0..6u8, prop::option::of(-3..4i64)), 0..40),
        batch_rows in 1..9usize,
        threads in 1..3usize,
    ) {
        let text: String = rows.iter()
            .map(|(key, n)| format!("k{key},{},\n", n.map(|n| n.to_string()).unwrap_or_default()))
            .collect();
        let text = format!("key,n,up\n{text}");
        let plain = format!(r#""fields": [{KEY}, {N}]"#);
        let outside = job(&format!(r#", "filter": {POSITIVE}"#), &[&plain]);
        let inside = job("", &[&filtered(POSITIVE)]);
        let both = job("", &[&filtered(POSITIVE), &filtered(REST)]);
        let how = How { threads, batch_rows, ..How::default() };
        let ran = |job: &str, how| try_run(job, &[("rows.csv", &text)], how, false).unwrap();
        let whole = ran(&outside, How::default()).essence();
        prop_assert_eq!(&ran(&inside, how).essence(), &whole);
        let report = ran(&both, how).report;
        let kept = |i: usize| report.destinations[i].read - report.destinations[i].filtered;
        prop_assert_eq!(kept(0) + kept(1), rows.len() as u64);
    }
}
