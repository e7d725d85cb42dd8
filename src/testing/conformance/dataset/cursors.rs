//! Reads that go on, and that end.

use futures::StreamExt as _;

use super::super::clause::{Checked, Finding, OrBroken as _, must, reached};
use super::DatasetFixture;
use super::read::{read, whole};
use crate::dataset::ReadRequest;
use crate::host::Context;
use crate::record::Cursor;

pub(super) async fn resumes_everywhere(context: &Context, fixture: &DatasetFixture) -> Checked {
    for rows in [1, 2, 3] {
        let whole = whole(context, fixture, rows).await?;
        must(whole.ends_marked, || "the last batch has no cursor".into())?;
        let end = (whole.len(), whole.rejects.len());
        for (nth, (row, reject, cursor)) in whole.marks.iter().enumerate() {
            // The one who goes on may have other batches.
            for batch_rows in [rows, 1_000] {
                let request = ReadRequest::new().with_batch_rows(batch_rows);
                let request = request.between(Some(cursor.clone()), None);
                let what = format!("from cursor {nth} of batches of {rows} on");
                let rest = read(context, &*(fixture.open)(), request)
                    .await
                    .or_broken(&what)?;
                whole.stretch_is(&what, (*row, *reject), end, &rest)?;
            }
        }
    }
    Ok(())
}

pub(super) async fn ends_everywhere(context: &Context, fixture: &DatasetFixture) -> Checked {
    let whole = whole(context, fixture, 2).await?;
    reached(whole.marks.len() >= 2, || "there are no two cursors".into())?;
    for (nth, (row, reject, until)) in whole.marks.iter().enumerate() {
        let fronts = whole.marks.get(..nth).unwrap_or_default();
        let starts = fronts
            .iter()
            .map(|(row, reject, from)| ((*row, *reject), Some(from.clone())));
        for (start, from) in std::iter::once(((0, 0), None)).chain(starts) {
            for batch_rows in [1, 1_000] {
                let request = ReadRequest::new().with_batch_rows(batch_rows);
                let request = request.between(from.clone(), Some(until.clone()));
                let what = format!("from {from:?} up to cursor {nth}");
                let front = read(context, &*(fixture.open)(), request)
                    .await
                    .or_broken(&what)?;
                whole.stretch_is(&what, start, (*row, *reject), &front)?;
            }
        }
    }
    Ok(())
}

pub(super) async fn foreign_cursor(context: &Context, fixture: &DatasetFixture) -> Checked {
    let dataset = (fixture.open)();
    let foreign = Cursor::new("no cursor of any source");
    let request = ReadRequest::new().between(Some(foreign), None);
    match dataset.read(context, request).next().await {
        Some(Err(_)) => Ok(()),
        Some(Ok(_)) => Err(Finding::Broken("it was read on from there".into())),
        None => Err(Finding::Broken(
            "the read ended as if all had been read".into(),
        )),
    }
}

pub(super) async fn acknowledged(context: &Context, fixture: &DatasetFixture) -> Checked {
    let dataset = (fixture.open)();
    let request = || ReadRequest::new().with_batch_rows(2);
    let whole = read(context, &*dataset, request()).await?;
    reached(whole.marks.len() >= 2, || "there are no two cursors".into())?;
    let end = (whole.len(), whole.rejects.len());
    for (nth, (row, reject, cursor)) in whole.marks.iter().enumerate() {
        for _ in 0..2 {
            dataset
                .acknowledge(context, cursor)
                .await
                .or_broken("acknowledge")?;
        }
        let request = request().between(Some(cursor.clone()), None);
        let what = format!("behind acknowledged cursor {nth}");
        let rest = read(context, &*dataset, request).await.or_broken(&what)?;
        whole.stretch_is(&what, (*row, *reject), end, &rest)?;
    }
    Ok(())
}
