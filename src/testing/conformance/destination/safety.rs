//! What survives: commits, groups, checkpoints, epochs; and records found and changed by their identity.

use arrow_array::{Array as _, ArrayRef, RecordBatch};

use super::super::clause::{Checked, Finding, OrBroken as _, must, same};
use super::DestinationFixture;
use super::run::{Fate, Found, Run, fates, row};
use crate::destination::{Checkpoint, CommitRequest, Durability, OpenRequest, Patch};
use crate::host::Context;
use crate::lookup::{LookupKeys, LookupRequest, Match};
use crate::record::Cursor;
use crate::spec::WriteMode;
use crate::{ErrorKind, Result};

fn insert(fixture: &DestinationFixture) -> OpenRequest {
    fixture.request(WriteMode::Insert)
}

/// A run of the job whose state is looked at.
fn nightly(fixture: &DestinationFixture, partition: &str, epoch: u64) -> OpenRequest {
    let mut request = insert(fixture).with_epoch(partition, epoch);
    request.job = "nightly".into();
    request
}

pub(super) async fn commits(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture.open(context, insert(fixture)).await?;
    run.write(&[row(1, 1)]).await?;
    let first = run
        .writer
        .commit(context, CommitRequest::new(1))
        .await
        .or_broken("a commit")?;
    run.write(&[row(2, 2)]).await?;
    let last = CommitRequest::new(2).as_last();
    for turn in ["a commit", "a commit that comes again"] {
        let done = run
            .writer
            .commit(context, last.clone())
            .await
            .or_broken(turn)?;
        let through = match done.durability {
            Durability::Durable { through } => through,
            Durability::Accepted => 0,
        };
        same(
            &format!("how far {turn} of the last group is durable"),
            &through,
            &2,
        )?;
        fixture
            .holds(&format!("behind {turn}"), &[row(1, 1), row(2, 2)])
            .await?;
    }
    let ahead = matches!(first.durability, Durability::Durable { through } if through > 1);
    must(!ahead, || format!("group 1 answers {:?}", first.durability))
}

pub(super) async fn dry_run(context: &Context, fixture: &DestinationFixture) -> Checked {
    let request = insert(fixture).with_epoch("", 1);
    let mut run = fixture.open(context, request).await?;
    run.write(&[row(1, 1)]).await?;
    run.commit(true).await?;
    drop(run);
    // It has no epoch.
    let mut dry = fixture
        .open(context, insert(fixture).with_dry_run(true))
        .await?;
    dry.writes(
        "of a dry run",
        &[row(2, 2), row(3, 3)],
        &[Fate::Inserted; 2],
    )
    .await?;
    let commit = CommitRequest::new(1).as_last();
    dry.writer
        .commit(context, commit)
        .await
        .or_broken("the commit of a dry run")?;
    drop(dry);
    fixture.holds("behind a dry run", &[row(1, 1)]).await
}

pub(super) async fn groups(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture.open(context, nightly(fixture, "", 1)).await?;
    run.write(&[row(1, 1)]).await?;
    run.commit(false).await?;
    run.write(&[row(2, 2), row(3, 3)]).await?;
    run.commit(false).await?;
    run.write(&[row(4, 4)]).await?;
    drop(run);
    let committed = [row(1, 1), row(2, 2), row(3, 3)];
    fixture.holds("when a run broke off", &committed).await?;
    // The next knows of the first group only.
    let request = nightly(fixture, "", 2).with_group(2);
    let mut run = fixture.open(context, request).await?;
    run.group = 2;
    run.write(&[row(2, 20), row(5, 5)]).await?;
    run.commit(false).await?;
    fixture
        .holds(
            "when a group came again",
            &[row(1, 1), row(2, 20), row(5, 5)],
        )
        .await?;
    run.write(&[row(6, 6)]).await?;
    run.commit(true).await?;
    let rows = [row(1, 1), row(2, 20), row(5, 5), row(6, 6)];
    fixture.holds("at the end", &rows).await
}

pub(super) async fn batches(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture.open(context, insert(fixture)).await?;
    run.write(&[row(1, 1)]).await?;
    let batch = run.batch(&[row(2, 2), row(3, 3)])?;
    let first = fates(&run.send(batch.clone()).await?, 2)?;
    let again = fates(&run.send(batch).await?, 2)?;
    let fits = |(first, again): (&Fate, &Fate)| first == again || *again == Fate::Updated;
    must(first.iter().zip(&again).all(fits), || {
        format!("{again:?} of what was {first:?}")
    })?;
    // What is alike and does not come again is another one.
    run.writes("of the next batch", &[row(4, 4)], &[Fate::Inserted])
        .await?;
    run.commit(true).await?;
    let rows = [row(1, 1), row(2, 2), row(3, 3), row(4, 4)];
    fixture.holds("when a batch came again", &rows).await
}

fn saved(text: &str, group: u64, epoch: u64) -> Option<Checkpoint> {
    let cursor = Some(Cursor::new(text));
    let checkpoint = Checkpoint::new(cursor, group, epoch).with_lineage("conformance");
    Some(checkpoint.with_state(Some(format!("{{\"at\": \"{text}\"}}"))))
}

async fn commit_with(
    context: &Context,
    run: &mut Run<'_>,
    checkpoint: Option<Checkpoint>,
) -> Result<()> {
    let epoch = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.epoch);
    let request = CommitRequest::new(run.group).with_cursor(epoch, None);
    run.group += 1;
    run.writer
        .commit(context, request.with_checkpoint(checkpoint))
        .await
        .map(drop)
}

pub(super) async fn checkpoint(context: &Context, fixture: &DestinationFixture) -> Checked {
    let open = async |epoch| fixture.open(context, nightly(fixture, "", epoch)).await;
    let mut run = open(1).await?;
    same(
        "the checkpoint of a job that never ran",
        &run.checkpoint,
        &None,
    )?;
    for (number, place) in [(1, "é page 1"), (2, "page 2")] {
        run.write(&[row(number, number)]).await?;
        commit_with(context, &mut run, saved(place, number.into(), 1)).await?;
    }
    run.write(&[row(3, 3)]).await?;
    drop(run);
    fixture
        .holds("when a run broke off", &[row(1, 1), row(2, 2)])
        .await?;
    let run = open(2).await?;
    same(
        "the checkpoint of the next run",
        &run.checkpoint,
        &saved("page 2", 2, 1),
    )?;
    drop(run);
    let mut other = nightly(fixture, "", 2);
    other.job = "another job".into();
    let other = fixture.open(context, other).await?;
    same("the checkpoint of another job", &other.checkpoint, &None)?;
    drop(other);
    let part = fixture.open(context, nightly(fixture, "part", 2)).await?;
    same(
        "the checkpoint of another partition",
        &part.checkpoint,
        &None,
    )
}

pub(super) async fn epochs(context: &Context, fixture: &DestinationFixture) -> Checked {
    let open = async |epoch| fixture.open(context, nightly(fixture, "", epoch)).await;
    let mut old = open(1).await?;
    old.write(&[row(1, 1)]).await?;
    let mut new = open(2).await?;
    // Either of them may be where it notices.
    let batch = old.batch(&[row(2, 2)])?;
    let written = old.writer.write(context, batch).await;
    let committed = commit_with(context, &mut old, saved("old", 1, 1)).await;
    must(written.is_err() || committed.is_err(), || {
        "an older writer goes on".into()
    })?;
    must(committed.is_err(), || "an older writer commits".into())?;
    drop(old);
    let request = nightly(fixture, "", 1);
    let again = fixture.destination.open(context, request).await;
    let kind = again.map_err(|error| error.kind()).err();
    same("to open an older epoch", &kind, &Some(ErrorKind::Conflict))?;
    fixture.holds("behind an older writer", &[]).await?;
    new.write(&[row(3, 3)]).await?;
    commit_with(context, &mut new, saved("new", 1, 2))
        .await
        .or_broken("the newer writer")?;
    fixture.holds("behind the newer writer", &[row(3, 3)]).await
}

/// The identities of rows that were just written.
async fn identified(run: &mut Run<'_>, rows: &[super::run::Row]) -> Found<ArrayRef> {
    let batch = run.batch(rows)?;
    let report = run.send(batch).await?;
    let ids = report
        .ids
        .filter(|ids| ids.len() == rows.len() && ids.null_count() == 0);
    ids.ok_or_else(|| {
        Finding::NotReached("a writer that was asked for identities tells none".into())
    })
}

pub(super) async fn deletes(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture
        .open(context, insert(fixture).with_ids(true))
        .await?;
    let ids = identified(&mut run, &[row(1, 1), row(2, 2), row(3, 3), row(4, 4)]).await?;
    run.commit(true).await?;
    drop(run);
    let mut run = fixture
        .open(context, insert(fixture).with_ids(true))
        .await?;
    let gone = run
        .writer
        .delete(context, ids.slice(1, 2))
        .await
        .or_broken("delete")?;
    same("how many were deleted", &gone, &2)?;
    let gone = run
        .writer
        .delete(context, ids.slice(2, 1))
        .await
        .or_broken("delete again")?;
    same("how many were deleted of what is gone", &gone, &0)?;
    run.writes("of a key that is gone", &[row(2, 20)], &[Fate::Inserted])
        .await?;
    run.commit(true).await?;
    fixture
        .holds("behind a delete", &[row(1, 1), row(4, 4), row(2, 20)])
        .await
}

pub(super) async fn self_lookup(context: &Context, fixture: &DestinationFixture) -> Checked {
    let mut run = fixture
        .open(context, insert(fixture).with_ids(true))
        .await?;
    identified(&mut run, &[row(1, 1)]).await?;
    run.commit(false).await?;
    let ids = identified(&mut run, &[row(2, 2), row(3, 3)]).await?;
    let (name, _) = run.object();
    let identity = fixture
        .destination
        .info()
        .identity
        .single_field()
        .unwrap_or_default();
    let request = LookupRequest::new(name, vec![fixture.key.clone()], identity);
    let lookup = run
        .writer
        .lookup(context, request)
        .await
        .or_broken("a self lookup")?;
    let keys = fixture.column(&fixture.key, &[Some(3), Some(7), Some(1), Some(2)])?;
    let found = lookup
        .resolve(context, LookupKeys::new(vec![keys]))
        .await
        .or_broken("resolve")?;
    let expected = vec![Match::One, Match::None, Match::One, Match::One];
    same("what a writer finds of its own", &found.found, &expected)?;
    let right =
        found.values.slice(0, 1) == ids.slice(1, 1) && found.values.slice(3, 1) == ids.slice(0, 1);
    must(right, || {
        "a self lookup finds other identities than the writer told".into()
    })?;

    let value = fixture.column(&fixture.value, &[Some(30)])?;
    let values = RecordBatch::try_from_iter_with_nullable([(fixture.value.as_str(), value, true)])?;
    let patch = Patch::new(ids.slice(1, 1), values);
    run.writer
        .patch(context, patch)
        .await
        .or_broken("a patch")?;
    run.commit(true).await?;
    fixture
        .holds("behind a patch", &[row(1, 1), row(2, 2), row(3, 30)])
        .await
}

/// Not to be reached is what the clause is about.
fn broken(finding: Finding) -> Finding {
    match finding {
        Finding::NotReached(why) => Finding::Broken(why),
        broken => broken,
    }
}

pub(super) async fn next_writer(context: &Context, fixture: &DestinationFixture) -> Checked {
    for aborted in [true, false] {
        let opened = fixture.open(context, insert(fixture)).await;
        let mut run = opened.map_err(broken)?;
        run.write(&[row(1, 1)]).await?;
        if aborted {
            run.writer.abort(context).await.or_broken("abort")?;
        }
    }
    let opened = fixture.open(context, insert(fixture)).await;
    let mut run = opened.map_err(broken)?;
    run.write(&[row(2, 2), row(3, 3)]).await?;
    let last = CommitRequest::new(1).as_last();
    run.writer
        .commit(context, last)
        .await
        .or_broken("the commit of the next writer")?;
    // What the others wrote may be there or not.
    let records = fixture.read().await?;
    let rows: usize = records.iter().map(RecordBatch::num_rows).sum();
    must((2..=4).contains(&rows), || {
        format!("{rows} records of two writers that broke off and one that did not")
    })?;
    let keys = fixture.column(&fixture.key, &[Some(2), Some(3)])?;
    for key in 0..keys.len() {
        let is = |batch: &RecordBatch| {
            let column = batch.column_by_name(&fixture.key);
            column.is_some_and(|column| {
                (0..column.len()).any(|row| column.slice(row, 1) == keys.slice(key, 1))
            })
        };
        must(records.iter().any(is), || {
            "what the next writer wrote is not there".into()
        })?;
    }
    Ok(())
}
