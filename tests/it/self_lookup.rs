//! Self lookups: rows of the same run, any order, chains, cycles, dangling parents.

use proptest::prelude::*;

use super::support::{How, Ran, problems, run, try_run};

/// A job that upserts nodes by code and fills `parent_id`.
fn job(policies: &str) -> String {
    format!(
        r#"{{
  "version": 1, "name": "tree",
  "dataset": {{"version": 1, "source": {{"file": {{"name": "nodes.csv", "columns": [
    {{"name": "code", "type": "text"}}, {{"name": "parent", "type": "text"}}]}}}}}},
  "objects": [{{"name": "node", "identity": {{"supplied": ["code"]}},
    "fields": [{{"name": "code", "type": "text"}}, {{"name": "parent_id", "type": "lookup(node)"}}],
    "preload": {{"file": {{"name": "old.csv", "columns": [
      {{"name": "code", "type": "text"}}, {{"name": "parent", "type": "text"}}]}},
      "fields": {{"code": "code", "parent_id": "parent"}}}}}}],
  "destinations": [{{"object": "node", "mode": {{"upsert": {{"identifiers": [["code"]]}}}}, "mapping": {{"fields": [
    {{"field": "code", "from": "code"}},
    {{"field": "parent_id", "self_lookup": {{"keys": [{{"source": "parent", "field": "code"}}] {policies}}}}}]}}}}]
}}"#
    )
}

const NULLS: &str = r#", "multi_match": "null""#;

fn sync(policies: &str, old: &str, nodes: &str) -> Ran {
    let ran = run(
        &job(policies),
        &[
            ("old.csv", &format!("code,parent\n{old}")),
            ("nodes.csv", &format!("code,parent\n{nodes}")),
        ],
    );
    let report = &ran.report;
    assert!(
        report.failure.is_none() && report.destinations[0].pending == 0,
        "{report}"
    );
    ran
}

fn table(ran: &Ran) -> Vec<String> {
    let mut rows: Vec<String> = ran
        .object("node")
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect();
    rows.sort();
    rows
}

fn counts(ran: &Ran) -> (u64, u64, u64, u64) {
    let counts = &ran.report.destinations[0].lookups["parent_id"];
    (
        counts.resolved,
        counts.unresolved,
        counts.ambiguous,
        counts.empty,
    )
}

#[test]
fn a_child_may_come_before_its_parent() {
    let ran = sync(NULLS, "", "leaf,branch\nbranch,root\nroot,\n");
    assert_eq!(table(&ran), ["branch,root", "leaf,branch", "root,"]);
    assert_eq!(counts(&ran), (2, 0, 0, 1));
}

#[test]
fn a_parent_may_be_there_already() {
    let ran = sync(NULLS, "root,\nother,root\n", "leaf,other\n");
    assert_eq!(table(&ran), ["leaf,other", "other,root", "root,"]);
}

#[test]
fn a_record_that_is_there_already_gets_a_parent() {
    let ran = sync(NULLS, "c,\np,\n", "c,p\n");
    assert_eq!(
        (table(&ran), counts(&ran)),
        (vec!["c,p".to_owned(), "p,".to_owned()], (1, 0, 0, 0))
    );
}

#[test]
fn a_row_that_the_writer_refuses_links_nothing() {
    let spec = job(NULLS).replace(r#""mapping": "#, r#""duplicates": "reject", "mapping": "#);
    let ran = run(
        &spec,
        &[
            ("old.csv", "code,parent\n"),
            ("nodes.csv", "code,parent\np,\nq,\nc,p\nc,q\n"),
        ],
    );
    assert_eq!(
        (table(&ran), ran.reasons().len()),
        (vec!["c,p".to_owned(), "p,".to_owned(), "q,".to_owned()], 1)
    );
    assert_eq!(
        (ran.report.outcome, counts(&ran)),
        (syncline::job::Outcome::PartialSuccess, (1, 0, 0, 2))
    );
}

#[test]
fn a_dangling_parent_is_null_by_default() {
    let ran = sync(NULLS, "", "a,nowhere\nb,a\n");
    assert_eq!(table(&ran), ["a,", "b,a"]);
    assert_eq!(counts(&ran), (1, 1, 0, 0));
    assert_eq!(ran.report.destinations[0].rejected, 0);
}

#[test]
fn an_update_with_a_dangling_parent_clears_the_old_one() {
    let ran = sync(NULLS, "root,\nleaf,root\n", "leaf,nowhere\n");
    assert_eq!(table(&ran), ["leaf,", "root,"]);
}

#[test]
fn a_rejected_parent_takes_the_chain_below_with_it() {
    let ran = sync(
        r#", "dangling": "reject""#,
        "",
        "c,b\nb,a\na,nowhere\nx,y\ny,\n",
    );
    assert_eq!(table(&ran), ["x,y", "y,"]);
    assert_eq!(
        ran.reasons(),
        [(0, "no_match"), (1, "no_match"), (2, "no_match")]
    );
    assert_eq!(ran.report.destinations[0].pending, 0);
}

#[test]
fn a_rejected_row_does_not_supersede() {
    // The later row of `b` dangles, so the earlier one stands.
    let ran = sync(r#", "dangling": "reject""#, "", "a,\nb,a\nb,nowhere\n");
    assert_eq!(table(&ran), ["a,", "b,a"]);
    assert_eq!(ran.reasons(), [(2, "no_match")]);
    assert_eq!(ran.report.destinations[0].superseded, 0);
}

#[test]
fn a_later_row_of_the_same_key_cancels_the_earlier_link() {
    let ran = sync(NULLS, "", "a,\nb,a\nb,\n");
    assert_eq!(table(&ran), ["a,", "b,"]);
    assert_eq!(counts(&ran), (0, 0, 0, 2));
    assert_eq!(ran.report.destinations[0].superseded, 1);
}

#[test]
fn cycles_by_policy() {
    let nodes = "a,b\nb,c\nc,a\nd,a\ne,e\n";
    let ran = sync(NULLS, "", nodes);
    assert_eq!(table(&ran), ["a,b", "b,c", "c,a", "d,a", "e,e"]);

    let ran = sync(r#", "multi_match": "null", "cycles": "null""#, "", nodes);
    assert_eq!(table(&ran), ["a,", "b,", "c,", "d,a", "e,"]);

    let ran = sync(r#", "multi_match": "null", "cycles": "reject""#, "", nodes);
    assert_eq!(
        table(&ran),
        ["d,"],
        "a row below a cycle dangles, and that is null here"
    );
    assert_eq!(
        ran.reasons(),
        [(0, "cycle"), (1, "cycle"), (2, "cycle"), (4, "cycle")]
    );

    let ran = sync(r#", "dangling": "reject", "cycles": "reject""#, "", nodes);
    assert_eq!(table(&ran), Vec::<String>::new());
    assert_eq!(
        ran.reasons(),
        [
            (0, "cycle"),
            (1, "cycle"),
            (2, "cycle"),
            (3, "no_match"),
            (4, "cycle")
        ]
    );
    assert_eq!(
        ran.report.outcome,
        syncline::job::Outcome::Failed,
        "every record was rejected"
    );
}

#[test]
fn a_cycle_may_close_through_a_record_that_the_run_does_not_touch() {
    let ran = sync(
        r#", "multi_match": "null", "cycles": "reject""#,
        "a,b\nb,\n",
        "b,a\n",
    );
    assert_eq!(table(&ran), ["a,b", "b,"]);
    assert_eq!(ran.reasons(), [(0, "cycle")]);

    let ran = sync(
        r#", "multi_match": "null", "cycles": "null""#,
        "a,b\nb,\n",
        "b,a\n",
    );
    assert_eq!(table(&ran), ["a,b", "b,"]);
}

#[test]
fn an_empty_key_by_policy() {
    let ran = sync(
        r#", "multi_match": "null", "empty": "reject""#,
        "",
        "a,\nb,a\n",
    );
    assert_eq!(ran.reasons(), [(0, "empty_key")]);
    assert_eq!(table(&ran), ["b,"]);

    let ran = sync(
        r#", "empty": "no_match", "dangling": "reject""#,
        "",
        "a,\nb,a\n",
    );
    assert_eq!(ran.reasons(), [(0, "no_match"), (1, "no_match")]);

    let ran = sync(
        r#", "multi_match": "null", "empty": "no_match""#,
        "",
        "a,\nb,a\n",
    );
    assert_eq!(counts(&ran), (1, 1, 0, 0));
}

#[test]
fn a_long_dangling_chain_is_judged_at_once() {
    let nodes: String = (0..20_000)
        .rev()
        .map(|i| format!("n{},n{i}\n", i + 1))
        .collect();
    let ran = sync(r#", "dangling": "reject""#, "", &nodes);
    assert_eq!(ran.report.destinations[0].rejected, 20_000);
}

/// Nodes of one key each, with parents among them, among the old ones, or nowhere.
fn nodes() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
    proptest::collection::vec((0u8..24, proptest::option::of(0u8..30)), 0..24).prop_map(
        |mut rows| {
            let mut seen = std::collections::HashSet::new();
            rows.retain(|(code, _)| seen.insert(*code));
            rows
        },
    )
}

fn text(rows: &[(u8, Option<u8>)]) -> String {
    let parent = |parent: &Option<u8>| {
        parent
            .map(|parent| format!("n{parent}"))
            .unwrap_or_default()
    };
    rows.iter()
        .map(|(code, up)| format!("n{code},{}\n", parent(up)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_rows_does_not_matter(
        rows in nodes(),
        old in nodes(),
        policy in 0usize..6,
        seed in any::<u64>(),
        batch_rows in 1usize..9,
    ) {
        let policies = [
            r#", "multi_match": "null""#,
            r#", "multi_match": "null", "cycles": "null""#,
            r#", "multi_match": "null", "cycles": "reject""#,
            r#", "dangling": "reject""#,
            r#", "dangling": "reject", "cycles": "null""#,
            r#", "dangling": "reject", "cycles": "reject""#,
        ][policy];
        let mut shuffled = rows.clone();
        let mut state = seed;
        for i in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(i, (state >> 33) as usize % (i + 1));
        }
        let old = format!("code,parent\n{}", text(&old));
        let how = How { batch_rows, ..How::default() };
        let sync = |rows: &[(u8, Option<u8>)]| {
            let nodes = format!("code,parent\n{}", text(rows));
            try_run(&job(policies), &[("old.csv", &old), ("nodes.csv", &nodes)], how, false).unwrap()
        };
        let (one, other) = (sync(&rows), sync(&shuffled));
        prop_assert_eq!(table(&one), table(&other));
        prop_assert_eq!(counts(&one), counts(&other));
        let reasons = |ran: &Ran, rows: &[(u8, Option<u8>)]| {
            let mut named: Vec<_> = ran.reasons().iter().map(|(row, code)| (rows[*row as usize].0, *code)).collect();
            named.sort_unstable();
            named
        };
        prop_assert_eq!(reasons(&one, &rows), reasons(&other, &shuffled));
    }
}

#[test]
fn a_row_whose_going_does_others_good_goes_first() {
    // By row: code, name, parent. `b` is renamed to Y by a row that must go; then `c` finds X again.
    let job = job(r#", "dangling": "reject""#)
        .replace(r#"{"name": "code", "type": "text"}, {"name": "parent", "type": "text"}]}}}"#,
            r#"{"name": "code", "type": "text"}, {"name": "name", "type": "text"}, {"name": "parent", "type": "text"}]}}}"#)
        .replace(r#""fields": [{"name": "code", "type": "text"}, "#,
            r#""fields": [{"name": "code", "type": "text"}, {"name": "name", "type": "text"}, "#)
        .replace(r#"{"field": "code", "from": "code"},"#,
            r#"{"field": "code", "from": "code"}, {"field": "name", "from": "name"},"#)
        .replace(r#""source": "parent", "field": "code""#, r#""source": "parent", "field": "name""#);
    let nodes = "code,name,parent\nb,X,\nb,Y,nowhere\nc,Z,X\n";
    let ran = run(&job, &[("old.csv", "code,parent\n"), ("nodes.csv", nodes)]);
    assert_eq!(ran.reasons(), [(1, "no_match")]);
    assert_eq!(table(&ran), ["b,X,", "c,Z,b"]);
}

#[test]
fn rows_of_one_key_on_a_cycle_are_judged_at_once() {
    let nodes: String = (0..3000).map(|_| "a,a\n").collect();
    let ran = sync(r#", "multi_match": "null", "cycles": "reject""#, "", &nodes);
    assert_eq!(ran.report.destinations[0].rejected, 3000);
}

#[test]
fn identities_need_not_be_text() {
    let job = job(r#", "multi_match": "null", "cycles": "null""#)
        .replace(
            r#""name": "code", "type": "text""#,
            r#""name": "code", "type": "integer""#,
        )
        .replace(
            r#""name": "parent", "type": "text""#,
            r#""name": "parent", "type": "integer""#,
        );
    let old = "code,parent\n1,\n2,1\n3,2\n4,3\n";
    let ran = run(
        &job,
        &[
            ("old.csv", old),
            ("nodes.csv", "code,parent\n1,4\n5,5\n6,1\n"),
        ],
    );
    assert_eq!(table(&ran), ["1,", "2,1", "3,2", "4,3", "5,", "6,1"]);
}

#[test]
fn what_a_self_lookup_cannot_be_is_refused_with_its_path() {
    let inputs = [("old.csv", "code,parent\n"), ("nodes.csv", "code,parent\n")];
    let path = |job: String| problems(&job, &inputs)[0].0.clone();
    let field = "destinations[0].mapping.fields[1]";
    let late = job("").replace(
        r#""field": "parent_id","#,
        r#""field": "parent_id", "on": "insert","#,
    );
    assert_eq!(path(late), format!("{field}.on"));
    let elsewhere = job("").replace(r#""type": "lookup(node)""#, r#""type": "lookup(other)""#);
    assert_eq!(path(elsewhere), format!("{field}.self_lookup"));
    let itself = job("").replace(r#""field": "code"}] "#, r#""field": "parent_id"}] "#);
    assert_eq!(path(itself), format!("{field}.self_lookup.keys"));
    let unique = job("").replace(
        r#""identity": {"supplied": ["code"]},"#,
        r#""identity": {"supplied": ["code"]}, "unique": [["parent_id"]],"#,
    );
    assert_eq!(path(unique), "destinations[0].mapping");
    let twice = job("").replace(
        r#""field": "code"}] "#,
        r#""field": "code"}, {"source": "code", "field": "code"}] "#,
    );
    assert_eq!(path(twice), format!("{field}.self_lookup.keys[1].field"));
}

#[test]
fn a_cancelled_run_judges_nothing_it_holds_back() {
    use std::sync::Arc;
    use syncline::host::{CancelToken, Event, Observer};
    use syncline::job::{Job, Outcome, RunRequest};
    use syncline::memory::{MemoryFiles, MemoryRejects};

    #[derive(Debug)]
    struct CancelAtOnce(CancelToken);
    impl Observer for CancelAtOnce {
        fn observe(&self, event: &Event<'_>) {
            if matches!(event, Event::Progress { .. }) {
                self.0.cancel();
            }
        }
    }
    let token = CancelToken::new();
    let context = super::support::context(1)
        .with_cancel(token.clone())
        .with_observer(Arc::new(CancelAtOnce(token)));
    let inputs = super::support::files(
        &[
            ("old.csv", "code,parent\n"),
            ("nodes.csv", "code,parent\nc,p\np,\n"),
        ],
        64,
    );
    let workspace = syncline::workspace::LocalWorkspace::new(inputs, Arc::new(MemoryFiles::new()));
    let spec = syncline::spec::JobSpec::from_json(&job(r#", "dangling": "reject""#)).unwrap();
    let rejects = Arc::new(MemoryRejects::new());
    let report = futures::executor::block_on(async {
        let job = workspace.job(&context, &spec).await.unwrap();
        job.run(
            &context,
            RunRequest::new(rejects.clone()).with_batch_rows(1),
        )
        .await
        .unwrap()
    });
    assert_eq!(
        (report.outcome, report.destinations[0].pending),
        (Outcome::Cancelled, 1)
    );
    assert_eq!(rejects.all().len(), 0);
    report.destinations[0].check().unwrap();
}

#[test]
fn rows_that_are_held_back_when_a_run_fails_are_pending() {
    let spec = job(r#", "dangling": "reject", "empty": "reject""#);
    let spec = spec.replace(
        r#""name": "tree","#,
        r#""name": "tree", "reject_limit": {"records": 0},"#,
    );
    let nodes = ("nodes.csv", "code,parent\nc,p\nq,c\np,\n");
    let ran = run(&spec, &[("old.csv", "code,parent\n"), nodes]);
    let counts = &ran.report.destinations[0];
    assert_eq!(
        (counts.read, counts.pending, counts.rejected),
        (3, 2, 1),
        "{}",
        ran.report
    );
    counts.check().unwrap();
}

#[test]
fn a_row_with_several_parents_does_not_hang_on_one_of_them() {
    // Two records of one name: the first one goes, the other one stays a parent.
    let job = job(r#", "dangling": "reject", "multi_match": "any""#)
        .replace(
            r#"{"name": "code", "type": "text"}, {"name": "parent", "type": "text"}]}}}"#,
            r#"{"name": "code", "type": "text"}, {"name": "name", "type": "text"}, {"name": "parent", "type": "text"}]}}}"#,
        )
        .replace(
            r#""fields": [{"name": "code", "type": "text"}, "#,
            r#""fields": [{"name": "code", "type": "text"}, {"name": "name", "type": "text"}, "#,
        )
        .replace(
            r#"{"field": "code", "from": "code"},"#,
            r#"{"field": "code", "from": "code"}, {"field": "name", "from": "name"},"#,
        )
        .replace(r#""source": "parent", "field": "code""#, r#""source": "parent", "field": "name""#);
    let nodes = "code,name,parent\np,X,nowhere\nq,X,\nc,Z,X\n";
    let ran = run(&job, &[("old.csv", "code,parent\n"), ("nodes.csv", nodes)]);
    assert_eq!(ran.reasons(), [(0, "no_match")]);
    assert_eq!(table(&ran), ["c,Z,q", "q,X,"]);
}
