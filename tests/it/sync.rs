//! Whole jobs: modes, defaults, filters, several destinations, dry runs, previews, cancelling.

use std::sync::Arc;

use futures::FutureExt;
use futures::executor::block_on;
use proptest::prelude::*;
use syncline::host::{CancelToken, Event, Observer};
use syncline::job::{CommitPolicy, Job, Outcome, RunRequest};
use syncline::memory::{MemoryFiles, MemoryRejects};
use syncline::spec::JobSpec;
use syncline::workspace::LocalWorkspace;

use super::support::{How, context, files, problems, run, try_run};

/// A job over `rows.csv` (key, amount, on, note) into one object.
fn job(object: &str, mode: &str, fields: &str, dataset: &str) -> String {
    format!(
        r#"{{
  "version": 1, "name": "rows",
  "dataset": {{"version": 1, "source": {{"file": {{"name": "rows.csv", "columns": [
    {{"name": "key", "type": "text"}}, {{"name": "amount", "type": "decimal(8,2)"}},
    {{"name": "on", "type": "boolean"}}, {{"name": "note", "type": "text"}}]}}}} {dataset}}},
  "objects": [{{"name": "thing", {object}}}],
  "destinations": [{{"object": "thing", "mode": {mode}, "mapping": {{"fields": [{fields}]}}}}]
}}"#
    )
}

const THING: &str = r#""identity": {"supplied": ["key"]}, "fields": [
    {"name": "key", "type": "text"}, {"name": "amount", "type": "decimal(10,2)"}, {"name": "note", "type": "text"}],
  "preload": {"file": {"name": "old.csv", "columns": [
    {"name": "key", "type": "text"}, {"name": "note", "type": "text"}]}, "fields": {"key": "key", "note": "note"}}"#;
const UPSERT: &str = r#"{"upsert": {"identifiers": [["key"]]}}"#;
const KEY_AMOUNT: &str =
    r#"{"field": "key", "from": "key"}, {"field": "amount", "from": "amount"}"#;
const OLD: (&str, &str) = ("old.csv", "key,note\na,kept\nz,there\n");

#[test]
fn an_upsert_changes_only_mapped_fields() {
    let rows = (
        "rows.csv",
        "key,amount,on,note\na,1.50,true,x\nb,2,true,y\n",
    );
    let ran = run(&job(THING, UPSERT, KEY_AMOUNT, ""), &[OLD, rows]);
    assert_eq!(
        ran.object("thing"),
        "key,amount,note\na,1.50,kept\nz,,there\nb,2.00,\n"
    );
    let report = &ran.report.destinations[0];
    assert_eq!((report.read, report.inserted, report.updated), (2, 1, 1));
    assert_eq!(ran.report.outcome, Outcome::Success);
}

#[test]
fn an_insert_refuses_what_is_there_and_an_update_what_is_not() {
    let rows = ("rows.csv", "key,amount,on,note\na,1,true,\nb,2,true,\n");
    let ran = run(&job(THING, r#""insert""#, KEY_AMOUNT, ""), &[OLD, rows]);
    assert_eq!(ran.reasons(), [(0, "not_unique")]);
    assert_eq!(ran.report.outcome, Outcome::PartialSuccess);

    let update = r#"{"update": {"identifiers": [["key"]]}}"#;
    let ran = run(&job(THING, update, KEY_AMOUNT, ""), &[OLD, rows]);
    assert_eq!(ran.reasons(), [(1, "no_match")]);

    let skipping =
        job(THING, update, KEY_AMOUNT, "").replace(r#""mode":"#, r#""no_match": "skip", "mode":"#);
    let ran = run(&skipping, &[OLD, rows]);
    assert_eq!(ran.reasons(), []);
    assert_eq!(ran.report.destinations[0].skipped, 1);
    assert_eq!(ran.report.outcome, Outcome::Success);
}

#[test]
fn the_last_row_of_a_key_wins_or_the_first_stands() {
    let rows = (
        "rows.csv",
        "key,amount,on,note\nb,1,true,\nb,2,true,\n,9,true,\nb,3,true,\n",
    );
    let ran = run(&job(THING, UPSERT, KEY_AMOUNT, ""), &[OLD, rows]);
    assert!(ran.object("thing").contains("b,3.00,"));
    assert_eq!(ran.report.destinations[0].superseded, 2);
    assert_eq!(ran.reasons(), [(2, "empty_identifier")]);

    let first = job(THING, UPSERT, KEY_AMOUNT, "")
        .replace(r#""mode":"#, r#""duplicates": "reject", "mode":"#);
    let ran = run(&first, &[OLD, rows]);
    assert!(ran.object("thing").contains("b,1.00,"));
    assert_eq!(
        ran.reasons(),
        [
            (1, "duplicate_key"),
            (2, "empty_identifier"),
            (3, "duplicate_key")
        ]
    );
}

#[test]
fn defaults_stand_in_for_missing_and_invalid_values_each_by_its_own_switch() {
    let rows = (
        "rows.csv",
        "key,amount,on,note\na,,true,\nb,bad,true,\nc,3,true,\n",
    );
    let with = |default: &str| {
        let fields = format!(
            r#"{{"field": "key", "from": "key"}}, {{"field": "amount", "from": "amount" {default}}}"#
        );
        let ran = run(&job(THING, UPSERT, &fields, ""), &[OLD, rows]);
        let reasons = ran.reasons();
        let amounts = |key: &str| {
            let object = ran.object("thing");
            let line = object
                .lines()
                .find(|line| line.starts_with(key))
                .map(str::to_owned);
            line.and_then(|line| line.split(',').nth(1).map(str::to_owned))
        };
        (amounts("a"), amounts("b"), reasons)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(with(""), (some(""), None, vec![(1, "bad_value")]));
    assert_eq!(
        with(r#", "default": {"value": "7.25"}"#),
        (some("7.25"), some("7.25"), vec![])
    );
    assert_eq!(
        with(r#", "default": {"value": 7, "when_missing": false}"#),
        (some(""), some("7.00"), vec![])
    );
    assert_eq!(
        with(r#", "default": {"value": 7, "when_invalid": false}"#),
        (some("7.00"), None, vec![(1, "bad_value")])
    );
}

#[test]
fn a_bad_cell_rejects_if_any_use_of_its_column_needs_the_value() {
    let rows = ("rows.csv", "key,amount,on,note\nb,bad,true,\n");
    let fields = r#"{"field": "key", "from": "key"}, {"field": "amount", "from": "amount", "default": {"value": 1}}"#;
    let filter = r#", "filter": {"gt": [{"field": "amount"}, {"value": 0}]}"#;
    let ran = run(&job(THING, UPSERT, fields, filter), &[OLD, rows]);
    assert_eq!(ran.reasons(), [(0, "bad_value")]);
    assert_eq!(ran.rejects.rejects(None).len(), 1, "no destination saw it");
}

#[test]
fn filters_leave_out_and_formulas_add() {
    let rows = (
        "rows.csv",
        "key,amount,on,note\na,1.50,true,x\nb,2,false,y\nc,3,,z\n",
    );
    let fields = r#"{"field": "key", "from": "key"}, {"field": "amount", "from": "twice"}, {"field": "note", "from": "both"}"#;
    let dataset = r#", "filter": {"eq": [{"field": "on"}, {"value": true}]}, "formulas": [
      {"name": "twice", "value": {"multiply": [{"field": "amount"}, {"value": 2}]}},
      {"name": "both", "value": {"concat": [{"field": "key"}, {"value": "-"}, {"field": "note"}]}}]"#;
    let ran = run(&job(THING, UPSERT, fields, dataset), &[OLD, rows]);
    assert_eq!(
        ran.object("thing"),
        "key,amount,note\na,3.00,a-x\nz,,there\n"
    );
    assert_eq!(ran.report.destinations[0].filtered, 2);
}

#[test]
fn a_dry_run_counts_and_keeps_nothing() {
    let rows = (
        "rows.csv",
        "key,amount,on,note\na,1,true,\nb,x,true,\nc,3,true,\n",
    );
    let wet = run(&job(THING, UPSERT, KEY_AMOUNT, ""), &[OLD, rows]);
    let dry = try_run(
        &job(THING, UPSERT, KEY_AMOUNT, ""),
        &[OLD, rows],
        How::default(),
        true,
    )
    .unwrap();
    assert_eq!(dry.object("thing"), "key,amount,note\na,,kept\nz,,there\n");
    assert_eq!(dry.reasons(), wet.reasons());
    let counts = |ran: &super::support::Ran| {
        (
            ran.report.destinations[0].inserted,
            ran.report.destinations[0].updated,
        )
    };
    assert_eq!(counts(&dry), counts(&wet));
}

const TWO: &str = r#"{
  "version": 1, "name": "two",
  "dataset": {"version": 1, "source": {"file": {"name": "rows.csv", "columns": [
    {"name": "company", "type": "text"}, {"name": "person", "type": "text"}]}}},
  "objects": [
    {"name": "company", "identity": "generated", "fields": [{"name": "name", "type": "text"}]},
    {"name": "person", "identity": "generated", "fields": [
      {"name": "name", "type": "text"}, {"name": "company_id", "type": "lookup(company)"}]}],
  "destinations": [
    {"object": "company", "mode": {"upsert": {"identifiers": [["name"]]}},
     "mapping": {"fields": [{"field": "name", "from": "company"}]}},
    {"object": "person", "mode": {"upsert": {"identifiers": [["name", "company_id"]]}}, "mapping": {"fields": [
      {"field": "name", "from": "person"},
      {"field": "company_id", "lookup": {"object": "company", "fetch": "id", "empty": "reject",
        "keys": [{"source": "company", "field": "name"}]}}]}}]
}"#;

#[test]
fn a_later_destination_sees_what_an_earlier_one_wrote() {
    let rows = (
        "rows.csv",
        "company,person\nHeron,Ada\nMoss,Bo\nHeron,Cy\n,Di\n",
    );
    let ran = run(TWO, &[rows]);
    assert_eq!(ran.report.destinations[1].inserted, 3);
    assert_eq!(ran.report.destinations[1].lookups["company_id"].resolved, 3);
    assert_eq!(ran.rejects.rejects(Some("person")).len(), 1);
    assert_eq!(
        ran.rejects.rejects(Some("company")).len(),
        1,
        "a null identifier"
    );
    let people = ran.object("person");
    let companies = ran.object("company");
    let id = companies.lines().nth(1).unwrap().split(',').next().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(people.matches(id).count(), 2);

    let dry = try_run(TWO, &[rows], How::default(), true).unwrap();
    assert_eq!(
        dry.report.destinations[1].lookups["company_id"].resolved, 3,
        "in a dry run too"
    );
    assert_eq!(dry.object("company"), "id,name\n");
}

#[test]
fn a_preview_maps_the_first_records_and_writes_nothing() {
    let rows = "key,amount,on,note\na,1,true,\nb,x,true,\nc,3,true,\nd,4,true,\n";
    let workspace = LocalWorkspace::new(
        files(&[OLD, ("rows.csv", rows)], 7),
        Arc::new(MemoryFiles::new()),
    );
    let context = context(1);
    let spec = JobSpec::from_json(&job(THING, UPSERT, KEY_AMOUNT, "")).unwrap();
    let preview = block_on(async {
        let job = workspace.job(&context, &spec).await.unwrap();
        job.preview(&context, 3).await.unwrap()
    });
    assert_eq!((preview.records, preview.rejects.len()), (3, 1));
    assert_eq!(
        preview.mapped[0]
            .iter()
            .map(|batch| batch.num_rows())
            .sum::<usize>(),
        2
    );
    assert_eq!(workspace.home().object("thing").unwrap().len(), 2);
}

#[test]
fn a_plan_explains_itself() {
    let workspace = LocalWorkspace::new(
        files(&[OLD, ("rows.csv", "key,amount,on,note\n")], 64),
        Arc::new(MemoryFiles::new()),
    );
    let context = context(1);
    let spec = JobSpec::from_json(&job(THING, UPSERT, KEY_AMOUNT, "")).unwrap();
    let plan = block_on(async {
        workspace
            .job(&context, &spec)
            .await
            .unwrap()
            .plan(&context)
            .await
            .unwrap()
    });
    let text = plan.to_string();
    assert!(text.contains("thing: upsert by (key)"), "{text}");
    assert!(
        text.contains("decimal(8,2) -> decimal(10,2) (exact)"),
        "{text}"
    );
    assert!(text.contains("left alone: note"), "{text}");
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_path() {
    let fields = r#"{"field": "key", "from": "kee"}, {"field": "colour", "from": "note"}, {"field": "amount", "from": "on"},
      {"field": "note", "constant": 5}, {"field": "note", "from": "note"}"#;
    let dataset = r#", "filter": {"eq": [{"field": "on"}, {"field": "amount"}]}"#;
    let found = problems(
        &job(THING, UPSERT, fields, dataset),
        &[OLD, ("rows.csv", "key,amount,on,note\n")],
    );
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert!(
        paths.iter().any(|path| path.starts_with("dataset.filter")),
        "{found:?}"
    );
    for path in [
        "fields[0].from",
        "fields[1].field",
        "fields[2].from",
        "fields[4].field",
    ] {
        let path = format!("destinations[0].mapping.{path}");
        assert!(paths.contains(&path.as_str()), "{path} in {found:?}");
    }
}

#[test]
fn what_is_no_job_is_refused_with_its_path() {
    let wrong = |text: &str| JobSpec::from_json(text).unwrap_err().problems()[0].clone();
    assert!(wrong("{").message.contains("line 1"));
    assert_eq!(wrong(r#"{"version": 2}"#).path, "version");
    let typo =
        job(THING, UPSERT, KEY_AMOUNT, "").replace(r#""from": "amount""#, r#""form": "amount""#);
    let problem = wrong(&typo);
    assert_eq!(problem.path, "destinations[0].mapping.fields[1].form");
    assert!(problem.message.contains("form"), "{problem}");
}

#[test]
fn a_bad_preloaded_record_fails_the_job_before_the_source_is_read() {
    let typed = THING.replace(
        r#"{"name": "note", "type": "text"}]}, "fields""#,
        r#"{"name": "note", "type": "integer"}]}, "fields""#,
    );
    let rows = ("rows.csv", "key,amount,on,note\n");
    let error = try_run(
        &job(&typed, UPSERT, KEY_AMOUNT, ""),
        &[OLD, rows],
        How::default(),
        false,
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("old.csv:2") && text.contains("note"),
        "{text}"
    );
    assert!(!text.contains("kept"), "no value: {text}");
}

#[derive(Debug)]
struct CancelAfter(u64, CancelToken);

impl Observer for CancelAfter {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Progress { records, .. } = event {
            if *records >= self.0 {
                self.1.cancel();
            }
        }
    }
}

#[test]
fn a_cancelled_run_reports_what_it_did() {
    let rows: String = (0..1000).map(|i| format!("k{i},1,true,\n")).collect();
    let rows = format!("key,amount,on,note\n{rows}");
    let token = CancelToken::new();
    let observer = Arc::new(CancelAfter(100, token.clone()));
    let context = context(2).with_cancel(token).with_observer(observer);
    let workspace = LocalWorkspace::new(
        files(&[OLD, ("rows.csv", &rows)], 1 << 20),
        Arc::new(MemoryFiles::new()),
    );
    let spec = JobSpec::from_json(&job(THING, UPSERT, KEY_AMOUNT, "")).unwrap();
    let report = block_on(async {
        let job = workspace.job(&context, &spec).await.unwrap();
        let request = RunRequest::new(Arc::new(MemoryRejects::new())).with_batch_rows(10);
        job.run(&context, request).await.unwrap()
    });
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert_eq!(report.records, 100);
    report.destinations[0].check().unwrap();
    assert_eq!(workspace.home().object("thing").unwrap().len(), 102);
}

#[test]
fn a_dropped_run_leaves_no_file_behind() {
    let rows: String = (0..1000).map(|i| format!("k{i},1,true,\n")).collect();
    let rows = format!("key,amount,on,note\n{rows}");
    let file = r#""identity": "none", "store": "file", "fields": [
        {"name": "key", "type": "text"}, {"name": "amount", "type": "decimal(10,2)"}]"#;
    let context = context(1);
    let outputs = Arc::new(MemoryFiles::new());
    let workspace = LocalWorkspace::new(files(&[("rows.csv", &rows)], 64), outputs.clone());
    let spec = JobSpec::from_json(&job(file, r#""insert""#, KEY_AMOUNT, "")).unwrap();
    let request = RunRequest::new(Arc::new(MemoryRejects::new()))
        .with_batch_rows(3)
        .with_commit(CommitPolicy::default().with_records(9));
    block_on(async {
        let job = workspace.job(&context, &spec).await.unwrap();
        let mut run = job.run(&context, request.clone());
        // Everything in memory is ready at once, so a single poll may run it all: then there is a file.
        let ended = run.as_mut().now_or_never().is_some();
        drop(run);
        assert_eq!(outputs.bytes("thing.csv").is_some(), ended);
        let report = job.run(&context, request).await.unwrap();
        assert_eq!(
            (
                report.destinations[0].inserted,
                report.destinations[0].durable
            ),
            (1000, true)
        );
    });
    assert_eq!(
        outputs
            .bytes("thing.csv")
            .unwrap()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count(),
        1001
    );
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-d]{1,2}",
        1 => Just(String::new()),
        1 => Just("\"\"".to_owned()),
        1 => Just("\"a,\"\"b\"\"\nc\"".to_owned()),
    ]
}

fn amount() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[0-9]{1,4}(\\.[0-9]{1,2})?", 1 => Just("bad".to_owned()), 1 => Just(String::new()), 1 => Just("99999999".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Data, counts and rejects are the same however the bytes come, however many rows a batch has, and
    /// however many threads there are; and they add up.
    #[test]
    fn how_a_job_is_run_changes_nothing(
        rows in proptest::collection::vec((cell(), amount(), "true|false||yes", cell()), 0..60),
        threads in 1usize..4,
        batch_rows in 1usize..20,
        chunk_bytes in 1usize..50,
        group_records in 1u64..30,
    ) {
        let text: String = rows.iter().map(|(key, amount, on, note)| format!("{key},{amount},{on},{note}\n")).collect();
        let rows_file = ("rows.csv", &*format!("key,amount,on,note\n{text}"));
        let fields = r#"{"field": "key", "from": "key"}, {"field": "amount", "from": "twice"}, {"field": "note", "from": "note"}"#;
        let dataset = r#", "filter": {"or": [{"eq": [{"field": "on"}, {"value": true}]}, {"is_null": {"field": "on"}}]}, "formulas": [
          {"name": "twice", "value": {"multiply": [{"field": "amount"}, {"value": 2}]}}]"#;
        let how = How { threads, batch_rows, chunk_bytes, group_records };
        for job in [
            job(THING, UPSERT, fields, dataset),
            job(THING, UPSERT, fields, dataset).replace(r#""mode":"#, r#""duplicates": "reject", "mode":"#),
            job(&THING.replace(r#"{"supplied": ["key"]}"#, r#""generated""#), UPSERT, fields, dataset),
        ] {
            let plain = run(&job, &[OLD, rows_file]);
            let other = try_run(&job, &[OLD, rows_file], how, false).unwrap();
            prop_assert_eq!(plain.essence(), other.essence());
            plain.report.destinations[0].check().unwrap();
            prop_assert_eq!(plain.report.records, rows.len() as u64);
        }
        let companies: String = rows.iter().map(|(key, _, _, note)| format!("{key},{note}\n")).collect();
        let file = ("rows.csv", &*format!("company,person\n{companies}"));
        prop_assert_eq!(run(TWO, &[file]).essence(), try_run(TWO, &[file], how, false).unwrap().essence());
    }
}

#[test]
fn who_a_record_is_does_not_change() {
    let object = r#""identity": {"supplied": ["key"]}, "fields": [
        {"name": "key", "type": "text"}, {"name": "note", "type": "text"}],
      "preload": {"file": {"name": "old.csv", "columns": [
        {"name": "key", "type": "text"}, {"name": "note", "type": "text"}]}, "fields": {"key": "key", "note": "note"}}"#;
    let fields = r#"{"field": "key", "from": "key"}, {"field": "note", "from": "note"}"#;
    let by_note = r#"{"upsert": {"identifiers": [["note"]]}}"#;
    let rows = ("rows.csv", "key,amount,on,note\nNEW,,,kept\nn,,,other\n");
    let ran = run(&job(object, by_note, fields, ""), &[OLD, rows]);
    assert_eq!(ran.object("thing"), "key,note\na,kept\nz,there\nn,other\n");

    let unmapped = job(
        object,
        r#""insert""#,
        r#"{"field": "note", "from": "note"}"#,
        "",
    );
    let found = problems(&unmapped, &[OLD, rows]);
    assert!(found[0].1.contains("`key` is required"), "{found:?}");
}

#[test]
fn an_object_is_written_once_in_a_job() {
    let twice = TWO.replace(
        r#"{"object": "person", "mode": {"upsert": {"identifiers": [["name", "company_id"]]}}"#,
        r#"{"object": "company", "mode": {"upsert": {"identifiers": [["name", "company_id"]]}}"#,
    );
    let found = problems(&twice, &[("rows.csv", "company,person\n")]);
    assert_eq!(found[0].0, "destinations[1].object");
}

#[test]
fn what_is_stored_in_a_file_cannot_be_looked_up() {
    let filed = TWO.replace(r#"{"name": "company", "identity": "generated", "fields": [{"name": "name", "type": "text"}]}"#,
        r#"{"name": "company", "identity": "none", "store": "file", "fields": [{"name": "name", "type": "text"}]}"#)
        .replace(r#"{"object": "company", "mode": {"upsert": {"identifiers": [["name"]]}}"#, r#"{"object": "company", "mode": "insert""#);
    let found = problems(&filed, &[("rows.csv", "company,person\n")]);
    assert_eq!(
        found[0].0,
        "destinations[1].mapping.fields[1].lookup.object"
    );
}

#[test]
fn a_null_that_a_policy_wants_is_not_a_bad_value() {
    // Two companies of one name: the first one's size is no integer that fits, but null is wanted.
    let spec = r#"{
      "version": 1, "name": "sizes",
      "dataset": {"version": 1, "source": {"file": {"name": "rows.csv", "columns": [{"name": "company", "type": "text"}]}}},
      "objects": [
        {"name": "company", "identity": {"supplied": ["id"]}, "fields": [
          {"name": "id", "type": "text"}, {"name": "name", "type": "text"}, {"name": "size", "type": "text"}],
         "preload": {"file": {"name": "companies.csv", "columns": [
           {"name": "id", "type": "text"}, {"name": "name", "type": "text"}, {"name": "size", "type": "text"}]},
           "fields": {"id": "id", "name": "name", "size": "size"}}},
        {"name": "visit", "identity": "generated", "fields": [{"name": "size", "type": "integer"}]}],
      "destinations": [{"object": "visit", "mode": "insert", "mapping": {"fields": [
        {"field": "size", "lookup": {"object": "company", "fetch": "size", "multi_match": "null",
          "keys": [{"source": "company", "field": "name"}]}}]}}]
    }"#;
    let companies = ("companies.csv", "id,name,size\n1,Heron,big\n2,Heron,7\n");
    let ran = run(spec, &[companies, ("rows.csv", "company\nHeron\n")]);
    assert_eq!(ran.reasons(), []);
    assert_eq!(ran.report.destinations[0].inserted, 1);
}

#[test]
fn a_job_of_constants_reads_no_value() {
    let rows = ("rows.csv", "key,amount,on,note\nx,bad,bad,\n");
    let object = r#""identity": "generated", "fields": [{"name": "note", "type": "text"}]"#;
    let spec = job(
        object,
        r#""insert""#,
        r#"{"field": "note", "constant": "same"}"#,
        "",
    )
    .replace(
        r#"{"name": "key", "type": "text"}, {"name": "amount""#,
        r#"{"name": "amount""#,
    );
    let ran = run(&spec, &[rows]);
    assert_eq!(
        (ran.report.destinations[0].inserted, ran.reasons()),
        (1, vec![])
    );
    let written = ran.object("thing");
    assert!(
        written.starts_with("id,note\n") && written.ends_with(",same\n"),
        "{written}"
    );
}

#[test]
fn a_repeated_key_in_a_preload_is_told_with_its_line() {
    let rows = ("rows.csv", "key,amount,on,note\n");
    let old = ("old.csv", "key,note\na,\"x\ny\"\nb,\na,\n");
    let error = try_run(
        &job(THING, UPSERT, KEY_AMOUNT, ""),
        &[old, rows],
        How::default(),
        false,
    )
    .unwrap_err();
    assert!(error.to_string().contains("old.csv:5"), "{error}");
}

#[test]
fn mistakes_in_objects_do_not_hide_those_in_mappings() {
    let object = THING.replace(
        r#"{"supplied": ["key"]}"#,
        r#"{"supplied": ["key"]}, "unique": [["nothing"]]"#,
    );
    let spec = job(&object, UPSERT, KEY_AMOUNT, "").replace(
        r#""objects": ["#,
        r#""objects": [{"name": "other", "identity": "none", "fields": [{"name": "n", "type": "integer"}]},"#,
    );
    let spec = spec.replace(
        r#""destinations": ["#,
        r#""destinations": [{"object": "other", "mode": "insert", "mapping": {"fields": [{"field": "m", "from": "key"}]}},"#,
    );
    let found = problems(&spec, &[OLD, ("rows.csv", "key,amount,on,note\n")]);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths.len(), 2, "{found:?}");
    assert!(paths[0].starts_with("objects[1]"), "{found:?}");
    assert_eq!(paths[1], "destinations[0].mapping.fields[0].field");
}
