//! The writer's contract, case by case.

use std::sync::Arc;

use futures::executor::block_on;
use syncline::ErrorKind;
use syncline::destination::{
    CommitRequest, Destination, Durability, OpenRequest, Patch, RowOutcome::*, WriteField,
};
use syncline::host::Context;
use syncline::lookup::{LookupKeys, LookupRequest, Match};
use syncline::memory::{ManualClock, MemoryDestination, MemoryObject};
use syncline::record::Reason;
use syncline::spec::{DuplicateKeys, Identity, NoMatchOnUpdate, SystemFields, WriteMode, WriteOn};

use super::*;

const NAMES: [&str; 3] = ["code", "name", "#size"];

/// Records a, b, and two of code c.
fn things() -> MemoryObject {
    let object = MemoryObject::new(&spec(Identity::None, &NAMES)).unwrap();
    object
        .insert(records(&NAMES, &rows!["a A 1", "b B 2", "c C 3", "c D 4"]))
        .unwrap();
    object
}

fn request(mode: WriteMode) -> OpenRequest {
    OpenRequest::new("job", fields(&NAMES), mode)
}

#[test]
fn every_mode_meets_a_match_no_match_and_many() {
    let new = rows!["a X 9", "n X 9", "c X 9", "- X 9"];
    let old = ["a A 1", "b B 2", "c C 3", "c D 4"];

    let object = things();
    let report = Run::new(&object, &NAMES, request(WriteMode::Insert)).write(&new);
    assert_eq!(fates(&report), [Ok(Inserted); 4]);
    let added = ["a X 9", "n X 9", "c X 9", "- X 9"];
    assert_eq!(table(&object), [&old[..], &added[..]].concat());

    let object = things();
    let report = Run::new(&object, &NAMES, request(WriteMode::upsert(["code"]))).write(&new);
    let refused = [Err(Reason::MultiMatch), Err(Reason::EmptyIdentifier)];
    assert_eq!(
        fates(&report),
        [&[Ok(Updated), Ok(Inserted)], &refused[..]].concat()
    );
    assert_eq!(
        table(&object),
        ["a X 9", "b B 2", "c C 3", "c D 4", "n X 9"]
    );

    let object = things();
    let report = Run::new(&object, &NAMES, request(WriteMode::update(["code"]))).write(&new);
    assert_eq!(
        fates(&report),
        [&[Ok(Updated), Err(Reason::NoMatch)], &refused[..]].concat()
    );
    assert_eq!(table(&object), ["a X 9", "b B 2", "c C 3", "c D 4"]);

    let object = things();
    let skip = request(WriteMode::update(["code"]))
        .with_policies(NoMatchOnUpdate::Skip, DuplicateKeys::LastWins);
    let report = Run::new(&object, &NAMES, skip).write(&new);
    assert_eq!(
        fates(&report),
        [&[Ok(Updated), Ok(Skipped)], &refused[..]].concat()
    );
}

#[test]
fn alternatives_are_tried_in_order_and_all_fields_of_one_must_match() {
    let object = things();
    let mode = identifiers("upsert", &[&["code", "name"], &["size"]]);
    let report = Run::new(&object, &NAMES, request(mode)).write(&rows![
        "c D 7", // code and name are unique together
        "a Q 2", // only the size matches, that of b
        "- B 1", // the first is passed over
        "a - -", // nothing is complete
        "z Z -", // the first is complete and hits nothing
    ]);
    let expected = [
        Ok(Updated),
        Ok(Updated),
        Ok(Updated),
        Err(Reason::EmptyIdentifier),
        Ok(Inserted),
    ];
    assert_eq!(fates(&report), expected);
    assert_eq!(
        table(&object),
        ["- B 1", "a Q 2", "c C 3", "c D 7", "z Z -"]
    );
}

#[test]
fn only_mapped_fields_change_and_a_mapped_null_clears() {
    let object = things();
    let names = ["code", "name"];
    let request = OpenRequest::new("job", fields(&names), WriteMode::upsert(["code"]));
    let report = Run::new(&object, &names, request).write(&rows!["a -", "b BB", "n N"]);
    assert_eq!(fates(&report), [Ok(Updated), Ok(Updated), Ok(Inserted)]);
    assert_eq!(
        table(&object),
        ["a - 1", "b BB 2", "c C 3", "c D 4", "n N -"]
    );
}

#[test]
fn the_last_row_of_a_key_wins_within_and_across_batches() {
    let object = things();
    let mut run = Run::new(&object, &NAMES, request(WriteMode::upsert(["code"])));
    let report = run.write(&rows!["n N1 1", "a A2 1", "n N2 2", "n N3 3"]);
    assert_eq!(
        fates(&report),
        [Ok(Inserted), Ok(Updated), Ok(Replaced), Ok(Replaced)]
    );
    assert_eq!(report.replaced, [(2, 0), (3, 2)]);
    let report = run.write(&rows!["a A3 1", "n N4 4"]);
    assert_eq!(report.replaced, [(0, 1), (1, 3)]);
    assert_eq!(
        table(&object),
        ["a A3 1", "b B 2", "c C 3", "c D 4", "n N4 4"]
    );

    let destination = MemoryDestination::new(things()).without_same_run();
    assert!(!destination.info().capabilities.tells_same_run);
    let mut run = Run::to(&destination, &NAMES, request(WriteMode::upsert(["code"])));
    assert_eq!(fates(&run.write(&rows!["n N 1"])), [Ok(Inserted)]);
    assert_eq!(fates(&run.write(&rows!["n N 2"])), [Ok(Updated)]);
}

#[test]
fn the_first_row_of_a_key_stands_if_duplicates_are_refused() {
    for destination in [
        MemoryDestination::new(things()),
        MemoryDestination::new(things()).without_same_run(),
    ] {
        let request = request(WriteMode::upsert(["code"]))
            .with_policies(NoMatchOnUpdate::Reject, DuplicateKeys::Reject);
        let mut run = Run::to(&destination, &NAMES, request);
        let report = run.write(&rows!["n N1 1", "a A2 1", "n N2 2"]);
        assert_eq!(
            fates(&report),
            [Ok(Inserted), Ok(Updated), Err(Reason::DuplicateKey)]
        );
        assert_eq!(
            fates(&run.write(&rows!["a A3 1"])),
            [Err(Reason::DuplicateKey)]
        );
    }
}

#[test]
fn a_refused_row_supersedes_nothing() {
    let mut spec = spec(supplied("code"), &NAMES);
    spec.unique = vec![vec!["name".into()]];
    let object = MemoryObject::new(&spec).unwrap();
    let mut run = Run::new(&object, &NAMES, request(WriteMode::upsert(["code"])));
    let report = run.write(&rows!["a A 1", "b B 2", "a B 3", "c A 4", "a A 5", "a - 6"]);
    let taken = Err(Reason::NotUnique);
    let expected = [
        Ok(Inserted),
        Ok(Inserted),
        taken,
        taken,
        Ok(Replaced),
        Ok(Replaced),
    ];
    assert_eq!(fates(&report), expected);
    assert_eq!(report.replaced, [(4, 0), (5, 4)]);
    assert_eq!(report.refusals[0].1.field.as_deref(), Some("name"));
    assert_eq!(table(&object), ["a - 6", "b B 2"]);
    // The name that was given up is free.
    assert_eq!(
        fates(&run.write(&rows!["c A 4", "d - 4", "e - 4"])),
        [Ok(Inserted); 3]
    );
}

#[test]
fn required_fields_and_identities_need_a_value() {
    let mut spec = spec(supplied("code"), &NAMES);
    spec.fields[1].required = true;
    let object = MemoryObject::new(&spec).unwrap();
    let report = Run::new(&object, &NAMES, request(WriteMode::Insert))
        .write(&rows!["a A 1", "- B 2", "c - 3"]);
    let missing = Err(Reason::MissingRequired);
    assert_eq!(fates(&report), [Ok(Inserted), missing, missing]);
    let named: Vec<_> = report
        .refusals
        .iter()
        .map(|(_, refusal)| refusal.field.as_deref())
        .collect();
    assert_eq!(named, [Some("code"), Some("name")]);

    let names = ["code", "#size"];
    let upsert = OpenRequest::new("job", fields(&names), WriteMode::upsert(["code"]));
    let report = Run::new(&object, &names, upsert).write(&rows!["a 7", "n 8"]);
    assert_eq!(fates(&report), [Ok(Updated), missing]);
    let report =
        Run::new(&object, &NAMES, request(WriteMode::upsert(["code"]))).write(&rows!["a - 9"]);
    assert_eq!(fates(&report), [missing]);
    assert_eq!(table(&object), ["a A 7"]);
}

#[test]
fn an_insert_of_a_known_identity_is_refused() {
    let object = MemoryObject::new(&spec(supplied("code"), &NAMES)).unwrap();
    let mut run = Run::new(&object, &NAMES, request(WriteMode::Insert));
    let report = run.write(&rows!["a A 1", "a B 2"]);
    assert_eq!(fates(&report), [Ok(Inserted), Err(Reason::NotUnique)]);
    assert_eq!(fates(&run.write(&rows!["a C 3"])), [Err(Reason::NotUnique)]);
}

#[test]
fn fields_may_be_written_on_insert_or_on_update_only() {
    let object = things();
    let mut given = fields(&NAMES);
    given[1].on = WriteOn::Insert;
    given[2].on = WriteOn::Update;
    let request = OpenRequest::new("job", given, WriteMode::upsert(["code"]));
    let mut run = Run::new(&object, &NAMES, request);
    run.write(&rows!["a X 9", "n N1 1", "m M 1", "n N2 2"]);
    assert_eq!(
        table(&object),
        ["a A 9", "b B 2", "c C 3", "c D 4", "n N1 2", "m M -"]
    );
    run.write(&rows!["n N3 3", "m - -"]);
    assert_eq!(table(&object)[4..], ["n N1 3", "m M -"]);
}

#[test]
fn generated_ids_do_not_depend_on_the_batch_size() {
    let spec = spec(Identity::Generated, &["code", "name"]);
    let codes = rows!["a A", "b B", "a A2", "- C", "c C", "d D", "b B2", "e E"];
    let run = |batch: usize| {
        let object = MemoryObject::new(&spec).unwrap();
        object.insert(records(&["code"], &rows!["d", "z"])).unwrap();
        let names = ["code", "name"];
        let request =
            OpenRequest::new("job", fields(&names), WriteMode::upsert(["code"])).with_ids(true);
        let mut run = Run::new(&object, &names, request);
        let ids: Vec<String> = codes
            .chunks(batch)
            .flat_map(|rows| cells(&run.write(rows).ids.unwrap()))
            .collect();
        (table(&object), ids)
    };
    let (table, ids) = run(1);
    assert_eq!(run(3), (table.clone(), ids.clone()));
    assert_eq!(run(8), (table.clone(), ids.clone()));
    assert_eq!(ids[3], "-", "a refused row has no id");
    assert_eq!((&ids[0], &ids[1]), (&ids[2], &ids[6]));
    for (row, code) in table
        .iter()
        .zip(["d D", "z -", "a A2", "b B2", "c C", "e E"])
    {
        let (id, values) = row.split_once(' ').unwrap();
        assert_eq!((id.len(), &id[..2], values), (36, "1P", code));
    }
    assert_eq!(
        table
            .iter()
            .map(|row| &row[..36])
            .collect::<std::collections::HashSet<_>>()
            .len(),
        6
    );
}

/// The ids of an object's records.
fn ids(object: &MemoryObject) -> Vec<String> {
    let batches = object.scan().unwrap();
    batches.iter().flat_map(|b| cells(b.column(0))).collect()
}

fn distinct(ids: &[String]) -> usize {
    ids.iter().collect::<std::collections::HashSet<_>>().len()
}

#[test]
fn a_generated_id_is_none_that_a_record_has() {
    let spec = spec(Identity::Generated, &["code", "name"]);
    let rows = rows!["a A", "b B", "c C", "d D", "e E"];
    let make = |steps: &[usize]| {
        let first = MemoryObject::new(&spec).unwrap();
        first.insert(records(&["code", "name"], &rows)).unwrap();
        let exported = first.scan().unwrap().remove(0);
        let object = MemoryObject::new(&spec).unwrap();
        object.insert(exported.slice(1, 3)).unwrap();
        let again = object.insert(exported.slice(3, 2)).unwrap_err();
        let told: Vec<_> = again.context().collect();
        assert_eq!(again.kind(), ErrorKind::Invalid);
        assert!(told.contains(&("row", "0")) && told.contains(&("field", "id")));
        let mut from = 0;
        for &step in steps {
            let rows = &rows[from..from + step];
            object.insert(records(&["code", "name"], rows)).unwrap();
            from += step;
        }
        ids(&object)
    };
    let all = make(&[5]);
    assert_eq!((all.len(), distinct(&all)), (8, 8));
    assert_eq!(make(&[1, 1, 1, 1, 1]), all);
    assert_eq!(make(&[2, 3]), all);
}

#[test]
fn runs_of_one_entropy_make_different_ids() {
    let spec = spec(Identity::Generated, &["code", "name"]);
    let names = ["code", "name"];
    let make = |batch: usize| {
        let object = MemoryObject::new(&spec).unwrap();
        let all = [
            rows!["a A", "b B", "c C"].to_vec(),
            rows!["d D", "a A2", "e E", "f F", "d D2", "b B2"].to_vec(),
        ];
        for rows in &all {
            let request = OpenRequest::new("job", fields(&names), WriteMode::upsert(["code"]));
            let mut run = Run::new(&object, &names, request);
            for rows in rows.chunks(batch) {
                run.write(rows);
            }
        }
        let mut insert = Run::new(
            &object,
            &names,
            OpenRequest::new("job", fields(&names), WriteMode::Insert),
        );
        insert.write(&all[0]);
        ids(&object)
    };
    let all = make(10);
    assert_eq!((all.len(), distinct(&all)), (9, 9));
    assert_eq!(make(1), all);
    assert_eq!(make(4), all);
}

#[test]
fn a_generated_id_identifies_but_is_never_written() {
    let object = MemoryObject::new(&spec(Identity::Generated, &["code", "name"])).unwrap();
    object
        .insert(records(&["id", "code"], &rows!["ID1 a", "ID2 b"]))
        .unwrap();
    let names = ["id", "code"];
    let open = |mode| {
        let destination = MemoryDestination::new(object.clone());
        block_on(destination.open(&context(), OpenRequest::new("job", fields(&names), mode)))
    };
    assert_eq!(
        open(WriteMode::Insert).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(
        open(WriteMode::upsert(["code"])).unwrap_err().kind(),
        ErrorKind::Invalid
    );

    let by_id = OpenRequest::new(
        "job",
        fields(&names),
        identifiers("upsert", &[&["id"], &["code"]]),
    );
    let mut run = Run::new(&object, &names, by_id.with_ids(true));
    let report = run.write(&rows!["ID1 aa", "ID9 c", "ID9 b", "- d", "- d"]);
    let expected = [
        Ok(Updated),
        Err(Reason::NoMatch),
        Ok(Updated),
        Ok(Inserted),
        Ok(Replaced),
    ];
    assert_eq!(fates(&report), expected);
    let rows = table(&object);
    assert_eq!(rows[..2], ["ID1 aa -", "ID2 b -"]);
    assert_eq!(rows.len(), 3);
    let ids = cells(&report.ids.unwrap());
    assert_eq!(ids[..3], ["ID1", "-", "ID2"]);
    // Its id is known from now on, even though the index over ids was there before.
    let new: &'static str = ids[3].clone().leak();
    assert_eq!(
        fates(&run.write(&[vec![Some(new), Some("dd")]])),
        [Ok(Replaced)]
    );
    assert_eq!(table(&object)[2], format!("{new} dd -"));
}

#[test]
fn system_fields_tell_when_and_by_whom() {
    let mut spec = spec(supplied("code"), &["code", "name"]);
    spec.system_fields = SystemFields::Standard;
    let object = MemoryObject::new(&spec).unwrap();
    let clock = Arc::new(ManualClock::new(chrono::DateTime::UNIX_EPOCH));
    let context = Context::new().with_clock(clock.clone());
    let destination = MemoryDestination::new(object.clone());
    assert_eq!(destination.info().system_fields, SystemFields::Standard);
    let write = |job: &str, rows: &[Vec<Cell>]| {
        let names = ["code", "name"];
        let request = OpenRequest::new(job, fields(&names), WriteMode::upsert(["code"]));
        let writer = block_on(destination.open(&context, request))
            .unwrap()
            .writer;
        let mut run = Run {
            writer,
            names: names.to_vec(),
            next: 0,
        };
        run.write(rows);
    };
    write("first", &rows!["a A", "b B"]);
    clock.advance(chrono::TimeDelta::hours(1));
    write("second job of a long name", &rows!["b BB", "c C", "c CC"]);
    let (then, now) = ("1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z");
    let second = "second job of a long name";
    let expected = [
        format!("a A {then} first {then} first"),
        format!("b BB {then} first {now} {second}"),
        format!("c CC {now} {second} {now} {second}"),
    ];
    assert_eq!(table(&object), expected);
    let request = OpenRequest::new("job", fields(&["code", "created_by"]), WriteMode::Insert);
    assert_eq!(
        block_on(destination.open(&context, request))
            .unwrap_err()
            .kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn a_dry_run_leaves_the_object_alone() {
    let object = things();
    let before = table(&object);
    let mut run = Run::new(
        &object,
        &NAMES,
        request(WriteMode::upsert(["code"])).with_dry_run(true),
    );
    assert_eq!(
        fates(&run.write(&rows!["a X 9", "n N 1"])),
        [Ok(Updated), Ok(Inserted)]
    );
    assert_eq!(fates(&run.write(&rows!["n N 2"])), [Ok(Replaced)]);
    let lookup = LookupRequest::new("thing", vec!["code".into()], "size");
    let lookup = block_on(run.writer.lookup(&context(), lookup)).unwrap();
    let keys = LookupKeys::new(vec![text(&[Some("n")])]);
    let matches = block_on(lookup.resolve(&context(), keys)).unwrap();
    assert_eq!(
        (matches.found[0], &*cells(&matches.values)[0]),
        (Match::One, "2")
    );
    block_on(run.writer.commit(&context(), CommitRequest::new(1))).unwrap();
    assert_eq!(table(&object), before);
}

#[test]
fn a_newer_epoch_shuts_older_writers_out() {
    let object = things();
    let open = |partition: &str, epoch| {
        let request = request(WriteMode::upsert(["code"])).with_epoch(partition, epoch);
        block_on(MemoryDestination::new(object.clone()).open(&context(), request))
    };
    let run = |opened: syncline::destination::Opened| Run {
        writer: opened.writer,
        names: NAMES.to_vec(),
        next: 0,
    };
    let mut old = run(open("", 1).unwrap());
    let mut other = run(open("other", 1).unwrap());
    let mut new = run(open("", 2).unwrap());
    assert_eq!(open("", 1).unwrap_err().kind(), ErrorKind::Conflict);
    let batch = old.batch(&rows!["a X 9"]);
    let refused = block_on(old.writer.write(&context(), batch)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let commit = |run: &mut Run| block_on(run.writer.commit(&context(), CommitRequest::new(3)));
    assert_eq!(commit(&mut old).unwrap_err().kind(), ErrorKind::Conflict);
    for run in [&mut other, &mut new] {
        assert_eq!(fates(&run.write(&rows!["b X 9"])), [Ok(Updated)]);
        for _ in 0..2 {
            assert_eq!(
                commit(run).unwrap().durability,
                Durability::Durable { through: 3 }
            );
        }
    }
    block_on(new.writer.abort(&context())).unwrap();
    let batch = new.batch(&rows!["a X 9"]);
    let refused = block_on(new.writer.write(&context(), batch)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
    assert_eq!(table(&object)[..2], ["a A 1", "b X 9"]);
}

#[test]
fn a_patch_sets_values_by_identity_and_moves_keys() {
    let object = MemoryObject::new(&spec(Identity::Generated, &["code", "parent"])).unwrap();
    let names = ["code", "parent"];
    let request =
        OpenRequest::new("job", fields(&names), WriteMode::upsert(["code"])).with_ids(true);
    let mut run = Run::new(&object, &names, request);
    let report = run.write(&rows!["a -", "b -", "c x"]);
    let lookup = LookupRequest::new("thing", vec!["parent".into()], "code");
    let lookup = block_on(run.writer.lookup(&context(), lookup)).unwrap();
    let find = |parent: &'static str| {
        let keys = LookupKeys::new(vec![text(&[Some(parent)])]);
        let matches = block_on(lookup.resolve(&context(), keys)).unwrap();
        (matches.found[0], cells(&matches.values).remove(0))
    };
    assert_eq!(find("x"), (Match::One, "c".into()));
    let patch = records(&["parent"], &rows!["p", "p", "-"]);
    block_on(
        run.writer
            .patch(&context(), Patch::new(report.ids.unwrap(), patch)),
    )
    .unwrap();
    assert_eq!(find("x"), (Match::None, "-".into()));
    assert_eq!(find("p"), (Match::Many, "a".into()));
    let tails: Vec<String> = table(&object)
        .iter()
        .map(|row| row[37..].to_owned())
        .collect();
    assert_eq!(tails, ["a p", "b p", "c -"]);
    // The key keeps its first outcome.
    assert_eq!(fates(&run.write(&rows!["a q"])), [Ok(Replaced)]);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let kind = |names: &[&str], mode: WriteMode| {
        let destination = MemoryDestination::new(things());
        let request = OpenRequest::new("job", fields(names), mode);
        block_on(destination.open(&context(), request))
            .unwrap_err()
            .kind()
    };
    assert_eq!(kind(&["nothing"], WriteMode::Insert), ErrorKind::NotFound);
    assert_eq!(
        kind(&["code", "code"], WriteMode::Insert),
        ErrorKind::Invalid
    );
    assert_eq!(
        kind(&["name"], WriteMode::upsert(["code"])),
        ErrorKind::Invalid
    );
    assert_eq!(
        kind(&["name"], identifiers("update", &[])),
        ErrorKind::Invalid
    );
    assert_eq!(
        kind(&["name"], identifiers("update", &[&["name"], &[]])),
        ErrorKind::Invalid
    );
    let ids = request(WriteMode::Insert).with_ids(true);
    let opened = block_on(MemoryDestination::new(things()).open(&context(), ids));
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Invalid);

    let mut run = Run::new(&things(), &NAMES, request(WriteMode::Insert));
    run.names = vec!["code", "name"];
    let batch = run.batch(&rows!["a A"]);
    let refused = block_on(run.writer.write(&context(), batch)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Contract);
}

#[test]
fn a_spec_that_cannot_be_made_lists_every_finding() {
    let mut spec = spec(supplied("nothing"), &["code", "code"]);
    spec.unique = vec![vec![], vec!["code".into(), "code".into(), "id".into()]];
    let error = MemoryObject::new(&spec).unwrap_err();
    let paths: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    let expected = [
        "fields",
        "identity.supplied[0]",
        "unique[0]",
        "unique[1][1]",
        "unique[1][2]",
    ];
    assert_eq!(
        (error.kind(), paths),
        (ErrorKind::Invalid, expected.to_vec())
    );
    let twice = super::spec(Identity::Generated, &["id"]);
    assert_eq!(
        MemoryObject::new(&twice).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn records_before_the_run_are_all_taken_or_none() {
    let mut spec = spec(supplied("code"), &NAMES);
    spec.fields[1].required = true;
    let object = MemoryObject::new(&spec).unwrap();
    object.insert(records(&NAMES, &rows!["a A 1"])).unwrap();
    for (bad, field) in [
        (rows!["b B 2", "a secret 3"], "code"),
        (rows!["b B 2", "c - 3"], "name"),
    ] {
        let error = object.insert(records(&NAMES, &bad)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let context: Vec<_> = error.context().collect();
        assert!(
            context.contains(&("row", "1")) && context.contains(&("field", field)),
            "{error}"
        );
        assert!(!error.to_string().contains("secret"));
        assert_eq!(table(&object), ["a A 1"]);
    }
    object.insert(records(&NAMES, &rows!["b B 2"])).unwrap();
    assert_eq!(table(&object), ["a A 1", "b B 2"]);
    let unknown = object
        .insert(records(&["colour"], &rows!["red"]))
        .unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[test]
fn an_unused_field_does_not_hinder() {
    let given = [WriteField::new("size"), WriteField::new("code")];
    let request = OpenRequest::new("job", given.to_vec(), WriteMode::update(["code"]));
    let object = things();
    let report = Run::new(&object, &["#size", "code"], request).write(&rows!["8 a"]);
    assert_eq!(fates(&report), [Ok(Updated)]);
    assert_eq!(table(&object)[0], "a A 8");
}
