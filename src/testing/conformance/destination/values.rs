//! What becomes of rows and their values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array as _, RecordBatch, new_null_array};
use arrow_select::concat::concat_batches;

use super::super::clause::{Checked, Finding, must, reached, same};
use super::super::corpus::corpus;
use super::DestinationFixture;
use super::run::{Fate, Row, batch, fates, row, shared};
use crate::destination::WriteField;
use crate::host::Context;
use crate::record::{Field, Reason, Schema, format};
use crate::spec::{DuplicateKeys, Identity, NoMatchOnUpdate, WriteMode, WriteOn};

pub(super) async fn inserts(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture
        .open(context, fixture.request(WriteMode::Insert))
        .await?;
    let rows: Vec<Row> = (0..40).map(|number| row(number, number % 7)).collect();
    let (first, second) = rows.split_at(15);
    for rows in [first, second, &[]] {
        run.writes("of an insert", rows, &vec![Fate::Inserted; rows.len()])
            .await?;
    }
    run.commit(true).await?;
    fixture.holds("behind an insert", &rows).await
}

/// The fields that a job can write.
fn writable(fixture: &DestinationFixture) -> Schema {
    let info = fixture.destination.info();
    let own = |field: &&Field| {
        let generated =
            info.identity == Identity::Generated && field.name == Identity::GENERATED_FIELD;
        !generated && !info.system_fields.names().contains(&field.name.as_str())
    };
    let fields = fixture.destination.schema().fields().iter().filter(own);
    Schema::new(fields.cloned().collect::<Vec<_>>())
}

fn text(records: &RecordBatch, field: &str, row: usize) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let column = records.column_by_name(field)?;
    format::value(column.as_ref(), row, &mut text).then_some(text)
}

/// The corpus of one field, in records that are otherwise empty: what is refused is refused for that value.
fn values_of(
    fixture: &DestinationFixture,
    schema: &Schema,
    at: usize,
) -> Result<RecordBatch, Finding> {
    let Some(tried) = schema.fields().get(at) else {
        return Err(Finding::NotReached("there is no such field".into()));
    };
    let mut values = corpus(&tried.field_type);
    if tried.name == fixture.key {
        values = values.slice(0, values.len() - 1);
    }
    // Other records for each field.
    let numbers: Vec<_> = (0..values.len())
        .map(|row| Some((at * 1_000 + row) as u32))
        .collect();
    let columns = schema.fields().iter().map(|field| match &field.name {
        name if *name == tried.name => Ok(shared(&values)),
        name if *name == fixture.key => fixture.column(name, &numbers),
        _ => Ok(new_null_array(&field.field_type.data_type(), values.len())),
    });
    let columns = columns.collect::<Result<Vec<_>, Finding>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?)
}

pub(super) async fn exact(context: &Context, fixture: &DestinationFixture) -> Checked {
    let schema = writable(fixture);
    let names = schema.fields().iter().map(|field| field.name.as_str());
    let mut request = fixture.request(WriteMode::Insert);
    request.fields = names.clone().map(WriteField::new).collect();
    let mut run = fixture.open(context, request).await?;
    let mut written = Vec::new();
    for at in 0..schema.fields().len() {
        let records = values_of(fixture, &schema, at)?;
        let columns = names.clone().zip(records.columns().iter().map(shared));
        let given = batch(columns.collect(), run.next)?;
        run.next += given.len() as u64;
        let fates = fates(&run.send(given).await?, records.num_rows())?;
        written.push((records, fates));
    }
    run.commit(true).await?;

    let kept = fixture.read().await?;
    let Some(first) = kept.first() else {
        return Err(Finding::Broken("nothing is there".into()));
    };
    let kept = concat_batches(&first.schema(), &kept)?;
    let places = (0..kept.num_rows()).map(|row| (text(&kept, &fixture.key, row), row));
    let places: HashMap<_, _> = places.collect();
    for (tried, (records, fates)) in names.zip(&written) {
        let mut taken = 0;
        for (row, fate) in fates.iter().enumerate() {
            let place = places.get(&text(records, &fixture.key, row));
            if let Fate::Refused(_) = fate {
                must(place.is_none(), || {
                    format!("{tried:?}: row {row} was refused and is there")
                })?;
                continue;
            }
            let missing =
                || Finding::Broken(format!("{tried:?}: row {row} was taken and is not there"));
            let place = *place.ok_or_else(missing)?;
            taken += 1;
            is_kept(&schema, &kept, place, records, row)?;
        }
        // Null is the last.
        reached(taken > 1, || {
            format!("every value of {tried:?} was refused")
        })?;
    }
    Ok(())
}

/// A record must be there as it was given, to the last bit.
fn is_kept(
    schema: &Schema,
    kept: &RecordBatch,
    place: usize,
    given: &RecordBatch,
    row: usize,
) -> Checked {
    for (field, column) in schema.fields().iter().zip(given.columns()) {
        let name = &field.name;
        let Some(is) = kept.column_by_name(name) else {
            return Err(Finding::NotReached(format!(
                "`read_back` gives no column {name:?}"
            )));
        };
        same(
            &format!("the type of {name:?}"),
            is.data_type(),
            column.data_type(),
        )?;
        must(
            is.slice(place, 1).as_ref() == column.slice(row, 1).as_ref(),
            || {
                let of = |value: Option<Vec<u8>>| {
                    value.map(|text| String::from_utf8_lossy(&text).into_owned())
                };
                let (is, given) = (of(text(kept, name, place)), of(text(given, name, row)));
                format!(
                    "{name:?} ({}) holds {is:?} instead of {given:?}",
                    field.field_type
                )
            },
        )?;
    }
    Ok(())
}

pub(super) async fn refuses(context: &Context, fixture: &DestinationFixture) -> Checked {
    let Some(bad) = &fixture.refused else {
        return Err(Finding::NotReached("the fixture has no such row".into()));
    };
    let mut run = fixture
        .open(context, fixture.request(WriteMode::Insert))
        .await?;
    let good = run.batch(&[row(1, 1), row(2, 2)])?.records;
    let bad = RecordBatch::try_new(good.schema(), bad.columns().to_vec())?;
    let mixed = concat_batches(&good.schema(), [&good.slice(0, 1), &bad, &good.slice(1, 1)])?;
    let columns = [&fixture.key, &fixture.value].map(String::as_str);
    let columns = columns.into_iter().zip(mixed.columns().iter().map(shared));
    let report = run.send(batch(columns.collect(), 0)?).await?;
    let fates = fates(&report, 3)?;
    let right = matches!(
        fates[..],
        [Fate::Inserted, Fate::Refused(_), Fate::Inserted]
    );
    must(right, || {
        format!("{fates:?} of a row to refuse between two others")
    })?;
    let silent = report
        .refusals
        .iter()
        .any(|(_, refusal)| refusal.message.trim().is_empty());
    must(!silent, || "a refusal says nothing".into())?;
    run.commit(true).await?;
    fixture
        .holds("behind a refusal", &[row(1, 1), row(2, 2)])
        .await
}

pub(super) async fn upserts(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture
        .open(context, fixture.request(fixture.upsert()))
        .await?;
    run.writes(
        "of new records",
        &[row(1, 1), row(2, 2)],
        &[Fate::Inserted; 2],
    )
    .await?;
    run.commit(true).await?;
    let mut run = fixture
        .open(context, fixture.request(fixture.upsert()))
        .await?;
    let expected = [Fate::Updated, Fate::Inserted];
    run.writes(
        "of one that is there and one that is not",
        &[row(1, 11), row(3, 3)],
        &expected,
    )
    .await?;
    let last = run.batch(&[row(1, 12), row(4, 4)])?;
    for turn in ["first", "again"] {
        let fates = fates(&run.send(last.clone()).await?, 2)?;
        let earlier = |fate: &Fate| !matches!(fate, Fate::Replaced(sequence) if *sequence >= 2);
        must(fates.iter().all(earlier), || {
            format!("{turn}: {fates:?}: a row replaced itself or a later one")
        })?;
        let made = fates
            .iter()
            .any(|fate| matches!(fate, Fate::Refused(_) | Fate::Skipped | Fate::Other));
        must(!made, || format!("{turn}: {fates:?}"))?;
    }
    run.commit(true).await?;
    let rows = [row(1, 12), row(2, 2), row(3, 3), row(4, 4)];
    fixture.holds("behind upserts", &rows).await
}

pub(super) async fn updates(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture
        .open(context, fixture.request(fixture.upsert()))
        .await?;
    run.write(&[row(1, 1)]).await?;
    run.commit(true).await?;
    let policies = [
        (NoMatchOnUpdate::Reject, Fate::Refused(Reason::NoMatch)),
        (NoMatchOnUpdate::Skip, Fate::Skipped),
    ];
    for (turn, (no_match, fate)) in (0..).zip(policies) {
        let request = fixture.request(fixture.update());
        let request = request.with_policies(no_match, DuplicateKeys::default());
        let mut run = fixture.open(context, request).await?;
        let rows = [row(1, 10 + turn), row(2, 2)];
        run.writes("of an update", &rows, &[Fate::Updated, fate])
            .await?;
        run.commit(true).await?;
        fixture
            .holds("behind an update", &[row(1, 10 + turn)])
            .await?;
    }
    Ok(())
}

pub(super) async fn matches(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture
        .open(context, fixture.request(fixture.upsert()))
        .await?;
    let before = [row(1, 5), row(2, 5), row(3, 6)];
    run.write(&before).await?;
    let rows = [(None, Some(9)), row(4, 7)];
    let expected = [Fate::Refused(Reason::EmptyIdentifier), Fate::Inserted];
    run.writes("of a row without identifier", &rows, &expected)
        .await?;
    run.commit(true).await?;

    let by_value = WriteMode::update([fixture.value.as_str()]);
    let mut run = fixture.open(context, fixture.request(by_value)).await?;
    let rows = [row(9, 5), row(8, 6)];
    let expected = [Fate::Refused(Reason::MultiMatch), Fate::Updated];
    run.writes("of a row that hits two records", &rows, &expected)
        .await?;
    run.commit(true).await?;
    let rows = [row(1, 5), row(2, 5), row(8, 6), row(4, 7)];
    fixture.holds("behind refused matches", &rows).await
}

pub(super) async fn fields(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture
        .open(context, fixture.request(fixture.upsert()))
        .await?;
    run.write(&[row(1, 1), row(2, 2), row(3, 3)]).await?;
    run.commit(true).await?;
    let step = async |on: WriteOn, rows: &[Row], what: &str, kept: &[Row]| {
        let mut request = fixture.request(fixture.upsert());
        request.fields = vec![
            WriteField::new(&fixture.key),
            WriteField::new(&fixture.value).on(on),
        ];
        let mut run = fixture.open(context, request).await?;
        run.write(rows).await?;
        run.commit(true).await?;
        fixture.holds(what, kept).await
    };
    let kept = [row(1, 1), row(2, 2), row(3, 3), row(4, 40)];
    step(
        WriteOn::Insert,
        &[row(1, 10), row(4, 40)],
        "behind a field written on insert",
        &kept,
    )
    .await?;
    let kept = [
        row(1, 1),
        row(2, 20),
        row(3, 3),
        row(4, 40),
        (Some(5), None),
    ];
    step(
        WriteOn::Update,
        &[row(2, 20), row(5, 50)],
        "behind a field written on update",
        &kept,
    )
    .await?;
    let kept = [
        row(1, 1),
        row(2, 20),
        (Some(3), None),
        row(4, 40),
        (Some(5), None),
    ];
    step(
        WriteOn::Always,
        &[(Some(3), None)],
        "behind a mapped null",
        &kept,
    )
    .await?;
    // A field that is not mapped at all.
    let mut request = fixture.request(fixture.upsert());
    request.fields = vec![WriteField::new(&fixture.key)];
    let mut run = fixture.open(context, request).await?;
    let keys = fixture.column(&fixture.key, &[Some(1), Some(6)])?;
    let report = run.send(batch(vec![(&fixture.key, keys)], 0)?).await?;
    fates(&report, 2)?;
    run.commit(true).await?;
    let kept = kept
        .iter()
        .copied()
        .chain([(Some(6), None)])
        .collect::<Vec<_>>();
    fixture
        .holds("behind a field that is not mapped", &kept)
        .await
}

pub(super) async fn same_run(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture
        .open(context, fixture.request(fixture.upsert()))
        .await?;
    run.write(&[row(9, 9)]).await?;
    run.commit(true).await?;
    let mut run = fixture
        .open(context, fixture.request(fixture.upsert()))
        .await?;
    run.next = 100;
    let rows = [row(1, 1), row(9, 90), row(1, 2), row(2, 3), row(1, 4)];
    let expected = [
        Fate::Inserted,
        Fate::Updated,
        Fate::Replaced(100),
        Fate::Inserted,
        Fate::Replaced(102),
    ];
    run.writes("of rows of one key in a batch", &rows, &expected)
        .await?;
    let expected = [Fate::Replaced(103), Fate::Replaced(101), Fate::Inserted];
    let rows = [row(2, 5), row(9, 91), row(3, 6)];
    run.writes("of keys of an earlier batch", &rows, &expected)
        .await?;
    run.commit(true).await?;
    fixture
        .holds("behind all", &[row(1, 4), row(2, 5), row(3, 6), row(9, 91)])
        .await
}
