//! The workloads: small jobs, each with something of its own that can go wrong.

use std::sync::Arc;

use syncline::memory::Commits;

use super::world::{Parent, Row, Source, Store, Target, Workload, target};

const ONCE: Store = Store::Memory(Commits::WithCheckpoint);
const GROUPS: Store = Store::Memory(Commits::ByGroup);
const KEYED: Store = Store::Memory(Commits::AtOnce);
const PLAIN: Store = Store::Memory(Commits::InsertsOnly);

fn rows(keys: &[&'static str]) -> Vec<Row> {
    keys.iter().map(|key| (Some(*key), None)).collect()
}

fn distinct() -> Vec<Row> {
    rows(&["a", "b", "c", "d", "e", "f", "g", "h"])
}

fn repeated() -> Vec<Row> {
    rows(&["a", "b", "a", "c", "b", "a", "d", "c", "a"])
}

/// Children before and behind their parents, one without.
fn tree() -> Vec<Row> {
    vec![
        (Some("leaf"), Some("twig")),
        (Some("root"), None),
        (Some("twig"), Some("branch")),
        (Some("lost"), Some("nowhere")),
        (Some("branch"), Some("root")),
        (Some("under"), Some("lost")),
        (Some("last"), Some("leaf")),
    ]
}

fn with_nulls() -> Vec<Row> {
    let mut rows = distinct();
    rows[1].0 = None;
    rows[4].0 = None;
    rows
}

/// Each row names itself or an earlier one as its parent.
fn linked() -> Vec<Row> {
    ["a", "a", "b", "a", "d", "c", "zz", "f"]
        .into_iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
        .map(|(parent, key)| (Some(key), Some(parent)))
        .collect()
}

fn workload(name: &str, rows: Vec<Row>, targets: Vec<Target>) -> Workload {
    Workload {
        name: name.into(),
        rows,
        refused: Vec::new(),
        source: Source::Memory,
        targets,
        without: None,
        eager_rejects: false,
        leased: false,
        batch_rows: 2,
        group_records: 3,
    }
}

fn cases() -> Vec<Workload> {
    let with = |mut workload: Workload, change: fn(&mut Workload)| {
        change(&mut workload);
        workload
    };
    let changed = |mut target: Target, change: fn(&mut Target)| {
        change(&mut target);
        target
    };
    let self_null = |store, upsert| {
        changed(target("node", store, upsert), |t| {
            t.parent = Parent::SelfNull
        })
    };
    let self_reject = |store| {
        changed(target("node", store, true), |t| {
            t.parent = Parent::SelfReject
        })
    };
    let all_rejects: fn(&mut Workload) = |w| {
        w.refused = vec![0, 3];
        w.without = Some(2);
    };
    let eager: fn(&mut Workload) = |w| w.eager_rejects = true;
    let leased: fn(&mut Workload) = |w| w.leased = true;
    vec![
        workload("plain inserts", distinct(), vec![target("a", PLAIN, false)]),
        workload("upserts", repeated(), vec![target("a", KEYED, true)]),
        workload(
            "groups are replaced",
            distinct(),
            vec![target("a", GROUPS, false)],
        ),
        workload(
            "with the checkpoint",
            distinct(),
            vec![target("a", ONCE, false)],
        ),
        workload(
            "upserts with the checkpoint",
            repeated(),
            vec![target("a", ONCE, true)],
        ),
        workload(
            "upserts by group",
            repeated(),
            vec![target("a", GROUPS, true)],
        ),
        workload(
            "upserts told late",
            repeated(),
            vec![target("a", Store::Late, true)],
        ),
        workload(
            "three destinations",
            distinct(),
            vec![
                target("a", ONCE, false),
                target("b", KEYED, true),
                target("c", GROUPS, false),
            ],
        ),
        workload(
            "two with the checkpoint",
            distinct(),
            vec![target("a", ONCE, false), target("b", ONCE, false)],
        ),
        workload(
            "one told late beside one with the checkpoint",
            repeated(),
            vec![target("a", ONCE, false), target("b", Store::Late, true)],
        ),
        workload(
            "one told late beside groups",
            repeated(),
            vec![target("a", Store::Late, true), target("b", GROUPS, false)],
        ),
        with(
            workload(
                "rejects at every step",
                with_nulls(),
                vec![target("a", ONCE, false)],
            ),
            all_rejects,
        ),
        with(
            with(
                workload(
                    "rejects that are kept at once",
                    with_nulls(),
                    vec![target("a", KEYED, true), target("b", ONCE, false)],
                ),
                all_rejects,
            ),
            eager,
        ),
        workload(
            "filters",
            distinct(),
            vec![
                changed(target("a", ONCE, false), |t| t.without = Some(1)),
                changed(target("b", KEYED, true), |t| t.without = Some(7)),
            ],
        ),
        workload(
            "the first of a key stays",
            repeated(),
            vec![changed(target("a", KEYED, true), |t| t.keep_first = true)],
        ),
        workload(
            "the first of a key stays, with the checkpoint",
            repeated(),
            vec![changed(target("a", ONCE, true), |t| t.keep_first = true)],
        ),
        workload("self lookups", tree(), vec![self_null(KEYED, true)]),
        workload(
            "self lookups with the checkpoint",
            tree(),
            vec![self_null(ONCE, true)],
        ),
        workload(
            "self lookups by group",
            tree(),
            vec![self_null(GROUPS, false)],
        ),
        with(
            workload("self lookups that reject", tree(), vec![self_reject(KEYED)]),
            eager,
        ),
        workload(
            "self lookups that reject, with the checkpoint",
            tree(),
            vec![self_reject(ONCE)],
        ),
        workload(
            "self lookups beside groups",
            tree(),
            vec![target("a", GROUPS, false), self_null(KEYED, true)],
        ),
        workload(
            "lookups of an earlier destination",
            linked(),
            vec![
                target("a", KEYED, true),
                changed(target("b", KEYED, true), |t| t.parent = Parent::Of("a")),
            ],
        ),
        workload(
            "lookups of an earlier one, with the checkpoint",
            linked(),
            vec![
                target("a", ONCE, true),
                changed(target("b", ONCE, true), |t| t.parent = Parent::Of("a")),
            ],
        ),
        with(
            workload(
                "cursors behind every other batch",
                distinct(),
                vec![target("a", ONCE, false)],
            ),
            |w| w.source = Source::Gappy,
        ),
        with(
            workload(
                "a source without cursors",
                distinct(),
                vec![target("a", ONCE, false)],
            ),
            |w| w.source = Source::WithoutResume,
        ),
        with(
            workload(
                "upserts of a source without cursors",
                repeated(),
                vec![target("a", KEYED, true)],
            ),
            |w| w.source = Source::WithoutResume,
        ),
        with(
            workload(
                "a file",
                with_nulls(),
                vec![target("a", ONCE, false), target("b", KEYED, true)],
            ),
            |w| {
                w.source = Source::File;
                w.refused = vec![2, 7];
            },
        ),
        with(
            workload(
                "a file that is transcoded",
                distinct(),
                vec![target("a", GROUPS, false)],
            ),
            |w| w.source = Source::Utf16,
        ),
        workload(
            "parts of files",
            distinct(),
            vec![target("a", Store::Parts, false)],
        ),
        with(
            workload(
                "parts of a file beside an object",
                distinct(),
                vec![target("a", Store::Parts, false), target("b", ONCE, false)],
            ),
            |w| w.source = Source::File,
        ),
        workload(
            "a whole file",
            distinct(),
            vec![target("a", Store::Whole, false)],
        ),
        workload(
            "a whole file beside parts",
            distinct(),
            vec![
                target("a", Store::Whole, false),
                target("b", Store::Parts, false),
            ],
        ),
        with(
            workload(
                "plain inserts under a lease",
                distinct(),
                vec![target("a", PLAIN, false)],
            ),
            leased,
        ),
        with(
            workload(
                "upserts under a lease",
                with_nulls(),
                vec![target("a", KEYED, true)],
            ),
            leased,
        ),
        with(
            workload(
                "with the checkpoint under a lease",
                distinct(),
                vec![target("a", ONCE, false), target("b", KEYED, true)],
            ),
            leased,
        ),
    ]
}

/// Every case in several shapes of batches and groups, names told apart.
pub(crate) fn workloads() -> Vec<Arc<Workload>> {
    let shapes = [(2, 3), (1, 1), (3, 3), (1, 4), (2, 2), (5, 5)];
    let mut workloads = Vec::new();
    for case in cases() {
        for (batch_rows, group_records) in shapes {
            workloads.push(Arc::new(Workload {
                name: format!("{} ({batch_rows}/{group_records})", case.name),
                batch_rows,
                group_records,
                ..case.clone()
            }));
        }
    }
    workloads
}
