//! Lookups that do not find what they should.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use syncline::Result;
use syncline::connection::DEFAULT_LOOKUP_BYTES;
use syncline::host::Context;
use syncline::lookup::{
    Lookup, LookupIndex, LookupIndexBuilder, LookupInfo, LookupKeys, LookupMatches, LookupRequest,
    Match,
};
use syncline::record::array::{Array as _, ArrayRef, RecordBatch, StringViewArray};
use syncline::record::format;
use syncline::testing::conformance::{LOOKUP, LookupFixture};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    AnswersOnceForAKey,
    FetchesNothing,
    NullIsNoMatch,
    IgnoresCase,
    TakesTheLast,
    OneOfSeveralIsOne,
    MistakesAreNoMatch,
}

#[derive(Debug)]
struct Index {
    flaw: Flaw,
    inner: LookupIndex,
}

fn lower(column: &ArrayRef) -> ArrayRef {
    match column.as_any().downcast_ref::<StringViewArray>() {
        Some(texts) => Arc::new(
            texts
                .iter()
                .map(|text| text.map(str::to_lowercase))
                .collect::<StringViewArray>(),
        ),
        None => Arc::clone(column),
    }
}

fn none(rows: usize) -> LookupMatches {
    let values: ArrayRef = Arc::new(StringViewArray::new_null(rows));
    LookupMatches::new(vec![Match::None; rows], values)
}

#[async_trait]
impl Lookup for Index {
    fn info(&self) -> &LookupInfo {
        self.inner.info()
    }

    async fn resolve(&self, _: &Context, mut keys: LookupKeys) -> Result<LookupMatches> {
        let rows = keys.len();
        if self.flaw == Flaw::IgnoresCase {
            keys.columns = keys.columns.iter().map(lower).collect();
        }
        let found = self.inner.find(&keys);
        if found.is_err() && self.flaw == Flaw::MistakesAreNoMatch {
            return Ok(none(rows));
        }
        let mut found = found?;
        match self.flaw {
            Flaw::AnswersOnceForAKey => {
                let text = |row| {
                    let mut text = Vec::new();
                    for column in &keys.columns {
                        format::value(column, row, &mut text);
                    }
                    text
                };
                let different: HashSet<Vec<u8>> = (0..rows).map(text).collect();
                found.found.truncate(different.len());
                found.values = found.values.slice(0, different.len());
            }
            Flaw::FetchesNothing => found.values = none(rows).values,
            Flaw::NullIsNoMatch | Flaw::OneOfSeveralIsOne => {
                for found in &mut found.found {
                    match *found {
                        Match::Empty if self.flaw == Flaw::NullIsNoMatch => *found = Match::None,
                        Match::Many if self.flaw == Flaw::OneOfSeveralIsOne => *found = Match::One,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(found)
    }
}

fn place(flaw: Flaw) -> LookupFixture {
    let (schema, records) = crate::sources::looked_into();
    let request = LookupRequest::new("thing", vec!["name".into(), "n".into()], "mark");
    let mut index = LookupIndexBuilder::new(&request, &schema, DEFAULT_LOOKUP_BYTES).unwrap();
    let mut names = records.columns().to_vec();
    names[0] = lower(&names[0]);
    match flaw {
        Flaw::IgnoresCase => index
            .push(&RecordBatch::try_new(records.schema(), names).unwrap())
            .unwrap(),
        Flaw::TakesTheLast => {
            for row in (0..records.num_rows()).rev() {
                index.push(&records.slice(row, 1)).unwrap();
            }
        }
        _ => index.push(&records).unwrap(),
    }
    let inner = index.finish().unwrap();
    LookupFixture::new(Arc::new(Index { flaw, inner }), records)
}

pub(super) fn broken_lookups() -> Vec<Broken> {
    let all: [(&str, Flaw, &[&str]); 7] = [
        ("LK-01", Flaw::AnswersOnceForAKey, &[]),
        ("LK-02", Flaw::FetchesNothing, &["LK-05"]),
        ("LK-03", Flaw::NullIsNoMatch, &[]),
        ("LK-04", Flaw::IgnoresCase, &[]),
        ("LK-05", Flaw::TakesTheLast, &[]),
        ("LK-05", Flaw::OneOfSeveralIsOne, &[]),
        ("LK-06", Flaw::MistakesAreNoMatch, &[]),
    ];
    all.into_iter()
        .map(|(clause, flaw, collateral)| {
            broken(&LOOKUP, clause, flaw, collateral, move || place(flaw))
        })
        .collect()
}
