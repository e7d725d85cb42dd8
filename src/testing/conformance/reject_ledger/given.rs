//! What a ledger gives back, and what a mark does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::clause::{Checked, OrBroken as _, same};
use super::{RejectLedgerFixture, columns, plain, reject};
use crate::Result;
use crate::host::{Context, RejectKey, RejectLedger, RejectMarks, RejectSegment};
use crate::record::{Position, RawRecord, Reason, Reject};

/// A record as it is given back.
#[derive(Debug, Clone, PartialEq)]
struct Given {
    columns: Vec<String>,
    version: Option<Arc<str>>,
    /// The text, of which alone it is sure that it is kept.
    position: String,
    reject: Reject,
}

impl Given {
    fn new(columns: &[String], version: Option<&Arc<str>>, reject: &Reject) -> Self {
        let position = reject.position.to_string();
        let mut reject = reject.clone();
        reject.position = Position::new("", 0);
        Given {
            columns: columns.to_vec(),
            version: version.cloned(),
            position,
            reject,
        }
    }

    /// What must be given back of a reject.
    fn of(version: &str, reject: &Reject) -> Self {
        Given::new(&columns(), Some(&version.into()), reject)
    }
}

/// What a ledger gives back of a destination, and the place of each.
async fn given(
    ledger: &dyn RejectLedger,
    destination: Option<&str>,
) -> Result<(Vec<Arc<str>>, Vec<Given>)> {
    let kept = ledger.list(destination).await?;
    let all = kept.iter().flat_map(|kept| {
        let given = |reject| Given::new(&kept.columns, kept.job_version.as_ref(), reject);
        let rejects = kept.rejects.iter();
        rejects.map(move |reject| (Arc::clone(&kept.place), given(reject)))
    });
    Ok(all.unzip())
}

async fn append_of(
    ledger: &dyn RejectLedger,
    destination: Option<&str>,
    group: u64,
    version: &str,
    rejects: &[Reject],
) -> Result<()> {
    let segment = RejectSegment::new(destination.map(Into::into), columns(), rejects.to_vec());
    let segment = segment.with_group(group, 0);
    ledger
        .append(segment.with_job_version(Some(version.into())))
        .await
}

pub(super) async fn given_back(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let person = [plain(3), plain(1).after(4), plain(2).of_delete()];
    let (source, company) = ([plain(5)], [plain(6)]);
    let ledger = fixture.ledger();
    append_of(&*ledger, Some("person"), 1, "v1", &person[..2]).await?;
    append_of(&*ledger, None, 1, "v1", &source).await?;
    append_of(&*ledger, Some("person"), 1, "v2", &person[2..]).await?;
    append_of(&*ledger, Some("company"), 1, "v1", &company).await?;
    ledger.seal().await?;
    let ledger = fixture.ledger();
    let wanted = [
        ("person", Some("person"), &person[..], ["v1", "v1", "v2"]),
        ("company", Some("company"), &company[..], ["v1"; 3]),
        ("in front of all", None, &source[..], ["v1"; 3]),
        ("a destination without any", Some("other"), &[], ["v1"; 3]),
    ];
    for (what, destination, rejects, versions) in wanted {
        let (_, given) = given(&*ledger, destination).await.or_broken("list")?;
        let all = rejects.iter().zip(versions);
        let all: Vec<Given> = all
            .map(|(reject, version)| Given::of(version, reject))
            .collect();
        same(what, &given, &all)?;
    }
    Ok(())
}

pub(super) async fn marked(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let rejects = [plain(1), plain(2), plain(3), plain(4)];
    let ledger = fixture.ledger();
    append_of(&*ledger, Some("person"), 1, "v1", &rejects).await?;
    append_of(&*ledger, Some("company"), 1, "v1", &rejects).await?;
    ledger.seal().await?;
    let ledger = fixture.ledger();
    let (places, _) = given(&*ledger, Some("person")).await?;
    let mut marks = RejectMarks::new(Some("v2".into()));
    let again = reject(
        3,
        Reason::NoMatch,
        RawRecord::Cells(vec![Some("other".into()), Some("note".into())]),
    );
    let again = again.after(2);
    let fates = [None, Some(None), Some(Some(again.clone())), None];
    for (place, (own, fate)) in places.iter().zip(rejects.iter().zip(fates)) {
        if let Some(fate) = fate {
            marks
                .by_key
                .insert(RejectKey::new(Arc::clone(place), own), fate);
        }
    }
    let left = [
        Given::of("v1", &rejects[0]),
        Given::of("v2", &again),
        Given::of("v1", &rejects[3]),
    ];
    for time in ["once", "twice"] {
        let ledger = fixture.ledger();
        ledger
            .mark(Some("person"), &marks)
            .await
            .or_broken("mark")?;
        let ledger = fixture.ledger();
        let (_, mut found) = given(&*ledger, Some("person")).await?;
        // A ledger may tell one version for all that it keeps together.
        for (found, left) in found.iter_mut().zip(&left) {
            if found.version.as_deref() == Some("v2") {
                found.version.clone_from(&left.version);
            }
        }
        same(&format!("marked {time}"), &found, &left.to_vec())?;
        let (_, others) = given(&*ledger, Some("company")).await?;
        let all: Vec<Given> = rejects
            .iter()
            .map(|reject| Given::of("v1", reject))
            .collect();
        same("of another destination", &others, &all)?;
    }
    Ok(())
}

pub(super) async fn told_apart(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let of = |name: &'static str| {
        let cells = vec![Some(name.into()), None];
        reject(1, Reason::BadValue, RawRecord::Cells(cells))
    };
    let runs = [of("monday"), of("tuesday"), of("wednesday")];
    for (group, run) in (1..).zip(&runs) {
        let ledger = fixture.ledger();
        append_of(
            &*ledger,
            Some("person"),
            group,
            "v1",
            std::slice::from_ref(run),
        )
        .await?;
        ledger.seal().await?;
    }
    let ledger = fixture.ledger();
    let (places, _) = given(&*ledger, Some("person")).await?;
    let distinct: BTreeSet<&Arc<str>> = places.iter().collect();
    same("places of three runs", &distinct.len(), &3)?;
    let mut marks = RejectMarks::new(Some("v1".into()));
    if let Some(place) = places.get(1) {
        let key = RejectKey::new(Arc::clone(place), &runs[1]);
        marks.by_key.insert(key, None);
    }
    ledger.mark(Some("person"), &marks).await?;
    let (_, left) = given(&*fixture.ledger(), Some("person")).await?;
    let others = vec![Given::of("v1", &runs[0]), Given::of("v1", &runs[2])];
    same("those of the other runs", &left, &others)
}

pub(super) async fn handed_on(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let front = [plain(1), plain(2), plain(3), plain(4)];
    let ledger = fixture.ledger();
    append_of(&*ledger, None, 1, "v1", &front).await?;
    append_of(&*ledger, Some("person"), 1, "v1", &[plain(5)]).await?;
    ledger.seal().await?;
    let (places, _) = given(&*fixture.ledger(), None).await?;
    let again = |record: u64| {
        let cells = vec![Some("as it is now".into()), None];
        reject(record, Reason::NoMatch, RawRecord::Cells(cells)).after(2)
    };
    let mut marks = RejectMarks::new(Some("v2".into()));
    for (record, (place, own)) in (1..).zip(places.iter().zip(&front)) {
        let by: &[&str] = match record {
            1 => &["person"],
            2 => &["person", "company"],
            3 => &[],
            _ => continue,
        };
        let key = RejectKey::new(Arc::clone(place), own);
        if by.is_empty() {
            marks.by_key.insert(key, None);
        } else {
            let by = by.iter().map(|name| (Arc::from(*name), again(record)));
            marks.apart.insert(key, by.collect());
        }
    }
    let [one, two] = [1, 2].map(|record| Given::of("v2", &again(record)));
    let wanted = [
        (None, vec![Given::of("v1", &plain(4))]),
        (
            Some("person"),
            vec![Given::of("v1", &plain(5)), one, two.clone()],
        ),
        (Some("company"), vec![two]),
    ];
    for time in ["once", "twice"] {
        let marked = fixture.ledger().mark(None, &marks).await;
        marked.or_broken("mark")?;
        for (destination, wanted) in &wanted {
            let (_, left) = given(&*fixture.ledger(), *destination).await?;
            let what = format!("of {destination:?}, marked {time}");
            same(&what, &left, wanted)?;
        }
    }
    Ok(())
}
