//! The writer against a model that does one row at a time on a list of records.

use proptest::prelude::*;
use syncline::destination::RowOutcome;
use syncline::lookup::{LookupKeys, LookupRequest, Match};
use syncline::spec::{DuplicateKeys, NoMatchOnUpdate, WriteOn};

use super::*;

/// `k`, `l` and `u` are texts, `n` a number, `x` is required.
const NAMES: [&str; 5] = ["k", "l", "#n", "u", "x"];
type Values = [Cell; 5];

#[derive(Debug, Clone)]
struct Job {
    mode: usize,
    alternatives: Vec<Vec<usize>>,
    /// When each field is written; `None` if it is not mapped.
    on: [Option<WriteOn>; 5],
    skip: bool,
    reject_duplicates: bool,
    rows: Vec<Values>,
    batch: usize,
}

#[derive(Debug, Clone)]
struct Object {
    identity: Option<Vec<usize>>,
    unique: Vec<Vec<usize>>,
}

#[derive(Debug, Clone)]
struct Record {
    values: Values,
    written: Option<u64>,
}

/// What the contract says becomes of a row.
fn model(
    object: &Object,
    job: &Job,
    records: &mut Vec<Record>,
    sequence: u64,
    row: &Values,
) -> (Result<RowOutcome, Reason>, Option<u64>) {
    let mut target = None;
    if job.mode > 0 {
        let mut empty = true;
        for fields in &job.alternatives {
            if fields.iter().any(|&f| row[f].is_none()) {
                continue;
            }
            empty = false;
            let hit = |record: &Record| fields.iter().all(|&f| record.values[f] == row[f]);
            let hits: Vec<usize> = (0..records.len()).filter(|&i| hit(&records[i])).collect();
            match hits[..] {
                [] => continue,
                [one] => target = Some(one),
                _ => return (Err(Reason::MultiMatch), None),
            }
            break;
        }
        match target {
            None if empty => return (Err(Reason::EmptyIdentifier), None),
            None if job.mode == 1 && job.skip => return (Ok(RowOutcome::Skipped), None),
            None if job.mode == 1 => return (Err(Reason::NoMatch), None),
            _ => {}
        }
    }
    let earlier = target.and_then(|i| records[i].written);
    if job.reject_duplicates && earlier.is_some() {
        return (Err(Reason::DuplicateKey), None);
    }
    let now = if target.is_some() {
        WriteOn::Update
    } else {
        WriteOn::Insert
    };
    let mut values = target.map_or([None; 5], |i| records[i].values);
    let old = values;
    for f in 0..5 {
        if job.on[f] == Some(WriteOn::Always) || job.on[f] == Some(now) {
            values[f] = row[f];
        }
    }
    let required = object.identity.iter().flatten().copied().chain([4]);
    if required.into_iter().any(|f| values[f].is_none()) {
        return (Err(Reason::MissingRequired), None);
    }
    for set in object.identity.iter().chain(&object.unique) {
        let same = |other: &Record| {
            set.iter()
                .all(|&f| values[f].is_some() && other.values[f] == values[f])
        };
        let unchanged = target.is_some() && set.iter().all(|&f| old[f] == values[f]);
        if !unchanged && (0..records.len()).any(|i| Some(i) != target && same(&records[i])) {
            return (Err(Reason::NotUnique), None);
        }
    }
    let written = Some(sequence);
    match target {
        None => records.push(Record { values, written }),
        Some(i) => records[i] = Record { values, written },
    }
    let outcome = match (target, earlier) {
        (None, _) => RowOutcome::Inserted,
        (_, None) => RowOutcome::Updated,
        (_, Some(_)) => RowOutcome::Replaced,
    };
    (Ok(outcome), earlier)
}

fn value(field: usize) -> impl Strategy<Value = Cell> {
    let texts: &[&'static str] = &[
        "a",
        "b",
        "c",
        "",
        "one of more than twelve bytes",
        "one of more bytes, again",
    ];
    let numbers: &[&'static str] = &["0", "1", "-1", "2"];
    let values = if field == 2 { numbers } else { texts }.to_vec();
    prop_oneof![1 => Just(None), 6 => prop::sample::select(values).prop_map(Some)]
}

fn job() -> impl Strategy<Value = Job> {
    let set = || prop::sample::subsequence(vec![0usize, 1, 2, 3], 1..3);
    let on = prop_oneof![
        5 => Just(Some(WriteOn::Always)),
        1 => Just(Some(WriteOn::Insert)),
        1 => Just(Some(WriteOn::Update)),
        2 => Just(None),
    ];
    let row = (value(0), value(1), value(2), value(3), value(4))
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e]);
    let shape = (
        0..3usize,
        prop::collection::vec(set(), 1..3),
        prop::collection::vec(on, 5),
    );
    let rows = prop::collection::vec(row, 1..60);
    (shape, any::<(bool, bool)>(), rows, 1..25usize).prop_map(
        |((mode, alternatives, on), (skip, reject_duplicates), rows, batch)| {
            let mut on: [Option<WriteOn>; 5] = std::array::from_fn(|f| on[f]);
            if mode > 0 {
                for &f in alternatives.iter().flatten() {
                    // Identifiers are always given.
                    on[f] = on[f].or(Some(WriteOn::Always));
                }
            }
            Job {
                mode,
                alternatives,
                on,
                skip,
                reject_duplicates,
                rows,
                batch,
            }
        },
    )
}

fn name(f: usize) -> String {
    NAMES[f].trim_start_matches('#').to_owned()
}

fn open(object: &MemoryObject, job: &Job) -> Run {
    let mapped: Vec<usize> = (0..5).filter(|&f| job.on[f].is_some()).collect();
    let given = mapped
        .iter()
        .map(|&f| WriteField::new(name(f)).on(job.on[f].unwrap()))
        .collect();
    let identifiers: Vec<Vec<String>> = job
        .alternatives
        .iter()
        .map(|fields| fields.iter().map(|&f| name(f)).collect())
        .collect();
    let mode = match job.mode {
        0 => WriteMode::Insert,
        1 => WriteMode::Update { identifiers },
        _ => WriteMode::Upsert { identifiers },
    };
    let no_match = if job.skip {
        NoMatchOnUpdate::Skip
    } else {
        NoMatchOnUpdate::Reject
    };
    let duplicates = if job.reject_duplicates {
        DuplicateKeys::Reject
    } else {
        DuplicateKeys::LastWins
    };
    let request = OpenRequest::new("job", given, mode).with_policies(no_match, duplicates);
    let names: Vec<&'static str> = mapped.iter().map(|&f| NAMES[f]).collect();
    Run::new(object, &names, request)
}

/// Every lookup by `k`, and by `l` and `n`, answers as a search through the list does.
fn check_lookups(object: &MemoryObject, records: &[Record]) {
    for (fields, order) in [(vec![0], None), (vec![1, 2], None), (vec![1], Some(2))] {
        let keys = fields.iter().map(|&f| name(f)).collect();
        let mut request = LookupRequest::new("thing", keys, "x");
        if let Some(order) = order {
            request = request.with_order_by(name(order));
        }
        let destination = MemoryDestination::new(object.clone());
        let open = OpenRequest::new("asks", vec![WriteField::new("x")], WriteMode::Insert);
        let mut writer = block_on(destination.open(&context(), open)).unwrap().writer;
        let lookup = block_on(writer.lookup(&context(), request)).unwrap();
        let columns = fields.iter().map(|&f| {
            let values: Vec<Cell> = records.iter().map(|record| record.values[f]).collect();
            if f == 2 {
                numbers(&values)
            } else {
                text(&values)
            }
        });
        let matches =
            block_on(lookup.resolve(&context(), LookupKeys::new(columns.collect()))).unwrap();
        let values = cells(&matches.values);
        for (i, record) in records.iter().enumerate() {
            let same =
                |other: &&Record| fields.iter().all(|&f| other.values[f] == record.values[f]);
            let mut hits: Vec<&Record> = records.iter().filter(same).collect();
            if fields.iter().any(|&f| record.values[f].is_none()) {
                assert_eq!((matches.found[i], &*values[i]), (Match::Empty, "-"));
                continue;
            }
            if let Some(order) = order {
                let number = |r: &&Record| r.values[order].map_or(i64::MAX, |v| v.parse().unwrap());
                hits.sort_by_key(number);
            }
            assert_eq!(
                matches.found[i],
                if hits.len() == 1 {
                    Match::One
                } else {
                    Match::Many
                }
            );
            assert_eq!(values[i], hits[0].values[4].unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_writer_does_what_the_contract_says(
        identity in prop::sample::select(vec![None, Some(vec![0]), Some(vec![0, 1])]),
        unique in prop::sample::select(vec![vec![], vec![vec![3]], vec![vec![1, 3], vec![2]], vec![vec![0, 1]]]),
        jobs in prop::collection::vec(job(), 1..5),
        ask_first in any::<bool>(),
    ) {
        let model_object = Object { identity, unique };
        let names = |set: &Vec<usize>| set.iter().map(|&f| name(f)).collect::<Vec<_>>();
        let identity = model_object.identity.as_ref().map_or(Identity::None, |set| Identity::Supplied(names(set)));
        let mut spec = spec(identity, &NAMES);
        spec.unique = model_object.unique.iter().map(names).collect();
        spec.fields[4].required = true;
        let object = MemoryObject::new(&spec).unwrap();
        let mut records: Vec<Record> = Vec::new();
        if ask_first {
            // Indexes for lookups are there from the beginning.
            check_lookups(&object, &records);
        }
        for job in &jobs {
            for record in &mut records {
                record.written = None;
            }
            let mut run = open(&object, job);
            let mapped: Vec<usize> = (0..5).filter(|&f| job.on[f].is_some()).collect();
            let mut sequence = 0;
            for batch in job.rows.chunks(job.batch) {
                let rows: Vec<Vec<Cell>> =
                    batch.iter().map(|row| mapped.iter().map(|&f| row[f]).collect()).collect();
                let report = if mapped.is_empty() { return Ok(()) } else { run.write(&rows) };
                let mut expected = Vec::new();
                let mut replaced = Vec::new();
                for (i, row) in batch.iter().enumerate() {
                    let (fate, earlier) = model(&model_object, job, &mut records, sequence, row);
                    if let (Ok(RowOutcome::Replaced), Some(earlier)) = (fate, earlier) {
                        replaced.push((i as u32, earlier));
                    }
                    expected.push(fate);
                    sequence += 1;
                }
                prop_assert_eq!(fates(&report), expected);
                prop_assert_eq!(report.replaced, replaced);
                let row = |record: &Record| record.values.map(|v| v.unwrap_or("-")).join(" ");
                prop_assert_eq!(table(&object), records.iter().map(row).collect::<Vec<_>>());
            }
            check_lookups(&object, &records);
        }
    }
}

#[test]
fn a_compaction_keeps_everything() {
    let object = MemoryObject::new(&spec(supplied("k"), &["k", "#n", "l"])).unwrap();
    let names = ["k", "#n"];
    let text = |i: usize| -> &'static str { format!("the key of record {i:06}").leak() };
    let all: Vec<&'static str> = (0..30_000).map(text).collect();
    let load: Vec<Vec<Cell>> = all
        .iter()
        .map(|k| vec![Some(*k), Some("0"), Some("a kept text of some length")])
        .collect();
    object.insert(records(&["k", "#n", "l"], &load)).unwrap();
    let mut run = Run::new(
        &object,
        &names,
        OpenRequest::new("job", fields(&names), WriteMode::upsert(["k"])),
    );
    // Five versions of each record pass the bounds at which dead versions are let go.
    for round in ["1", "2", "3", "4", "5"] {
        for part in all.chunks(7000) {
            let rows: Vec<Vec<Cell>> = part.iter().map(|k| vec![Some(*k), Some(round)]).collect();
            let expected = if round == "1" {
                RowOutcome::Updated
            } else {
                RowOutcome::Replaced
            };
            assert!(
                run.write(&rows)
                    .outcomes
                    .iter()
                    .all(|outcome| *outcome == expected)
            );
        }
    }
    let expected: Vec<String> = all
        .iter()
        .map(|k| format!("{k} 5 a kept text of some length"))
        .collect();
    assert_eq!(table(&object), expected);
    let report = run.write(&[vec![Some(all[17]), Some("9")], vec![Some("new"), Some("9")]]);
    assert_eq!(
        report.outcomes,
        [RowOutcome::Replaced, RowOutcome::Inserted]
    );
}
