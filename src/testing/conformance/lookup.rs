//! What is asked of a lookup.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{
    Array as _, ArrayRef, RecordBatch, StringViewArray, UInt32Array, new_null_array,
};
use arrow_schema::DataType;
use arrow_select::take::take;
use async_trait::async_trait;

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, reached, same};
use super::{Capability, Fixture, Suite};
use crate::Result;
use crate::host::Context;
use crate::lookup::{Lookup, LookupKeys, LookupMatches, Match};

/// A lookup, and the records that it looks into.
pub struct LookupFixture {
    lookup: Arc<dyn Lookup>,
    records: RecordBatch,
}

opaque!(LookupFixture);

impl LookupFixture {
    /// `records` have the lookup's key fields and its fetched field by name, in the order in which several matches are
    /// taken. One key at least has one record, and one has several, whose fetched values differ.
    pub fn new(lookup: Arc<dyn Lookup>, records: RecordBatch) -> Self {
        LookupFixture { lookup, records }
    }

    fn column(&self, name: &str) -> std::result::Result<&ArrayRef, Finding> {
        let missing = || Finding::NotReached(format!("the fixture has no column {name:?}"));
        self.records.column_by_name(name).ok_or_else(missing)
    }

    /// The key columns of all records.
    fn keys(&self) -> std::result::Result<Vec<ArrayRef>, Finding> {
        let keys = self.lookup.info().keys.iter();
        keys.map(|field| self.column(&field.name).cloned())
            .collect()
    }

    /// The records that a key hits, by comparing each.
    fn hits(&self, key: &[ArrayRef]) -> std::result::Result<Vec<usize>, Finding> {
        let columns = self.keys()?;
        let hit = |row: &usize| {
            columns
                .iter()
                .zip(key)
                .all(|(column, key)| column.slice(*row, 1).as_ref() == key.as_ref())
        };
        Ok((0..self.records.num_rows()).filter(hit).collect())
    }

    async fn resolve(
        &self,
        context: &Context,
        keys: Vec<ArrayRef>,
    ) -> std::result::Result<LookupMatches, Finding> {
        let asked = keys.first().map_or(0, |column| column.len());
        let matches = self.lookup.resolve(context, LookupKeys::new(keys)).await?;
        reached(
            matches.found.len() == asked && matches.values.len() == asked,
            || format!("{} answers for {asked} keys", matches.found.len()),
        )?;
        Ok(matches)
    }
}

#[async_trait]
impl Fixture for LookupFixture {
    fn subject(&self) -> String {
        format!("{:?}", self.lookup).chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let keys = &self.lookup.info().keys;
        let textual = keys.iter().any(|key| key.field_type.is_textual());
        Ok(textual
            .then_some(Capability::TextKeys)
            .into_iter()
            .collect())
    }
}

/// The contract of a [`Lookup`].
pub static LOOKUP: Suite<LookupFixture> = Suite {
    name: "lookup",
    clauses: &[
        clause!(
            "LK-01",
            None,
            "There is one answer for each key, in order, with a value of the fetched field's type; for no keys there is none.",
            "A link would be set in another record than the one that asked.",
            shape
        ),
        clause!(
            "LK-02",
            None,
            "A key finds exactly the records that have all its values, and fetches the value of the only one.",
            "Links would be missing, or go to a stranger.",
            found
        ),
        clause!(
            "LK-03",
            None,
            "A key with a null in any part is `Empty` and fetches nothing, though a record may have a null there.",
            "All records without a value would be linked to one of them.",
            nulls
        ),
        clause!(
            "LK-04",
            Some(Capability::TextKeys),
            "Texts are compared by their bytes: case, blanks and composed characters count.",
            "Whether two systems mean the same would depend on the collation of one of them.",
            texts
        ),
        clause!(
            "LK-05",
            None,
            "A key of several records is `Many`, and fetches the value of the first of them.",
            "Who takes the first would get another one with each run.",
            several
        ),
        clause!(
            "LK-06",
            None,
            "Keys of another number or type are an error.",
            "A mistake in a mapping would look like records that are not there.",
            wrong_keys
        ),
    ],
};

async fn shape(context: &Context, fixture: &LookupFixture) -> Checked {
    let info = fixture.lookup.info();
    let keys = fixture.keys()?;
    let rows = fixture.records.num_rows() as u32;
    // Each record backwards, and the first again.
    let order = UInt32Array::from_iter_values((0..rows).rev().chain([0, 0]));
    let reordered = keys.iter().map(|column| take(column, &order, None));
    let reordered: Vec<ArrayRef> = reordered.collect::<std::result::Result<_, _>>()?;
    for keys in [
        reordered,
        keys.iter().map(|column| column.slice(0, 0)).collect(),
    ] {
        let asked = keys.first().map_or(0, |column| column.len());
        let answer = fixture.lookup.resolve(context, LookupKeys::new(keys)).await;
        let matches = answer.or_broken("resolve")?;
        same(
            "answers",
            &(matches.found.len(), matches.values.len()),
            &(asked, asked),
        )?;
        same(
            "the type of the values",
            matches.values.data_type(),
            &info.fetch.field_type.data_type(),
        )?;
        for (row, found) in matches.found.iter().enumerate() {
            let has_value = matches.values.is_valid(row);
            let without = matches!(found, Match::Empty | Match::None);
            must(!(without && has_value), || {
                format!("{found:?} with a value")
            })?;
        }
    }
    Ok(())
}

/// Each record's key, and keys mixed of two records, which may be none's.
fn mixed(fixture: &LookupFixture) -> std::result::Result<Vec<ArrayRef>, Finding> {
    let keys = fixture.keys()?;
    let rows = fixture.records.num_rows() as u32;
    let columns = keys.iter().enumerate().map(|(at, column)| {
        let other = (0..rows).map(|row| (row + at as u32) % rows.max(1));
        let order = UInt32Array::from_iter_values((0..rows).chain(other));
        Ok(take(column, &order, None)?)
    });
    columns.collect()
}

async fn found(context: &Context, fixture: &LookupFixture) -> Checked {
    let keys = mixed(fixture)?;
    let fetched = fixture.column(&fixture.lookup.info().fetch.name)?;
    let matches = fixture.resolve(context, keys.clone()).await?;
    let mut ones = 0;
    for (row, found) in matches.found.iter().enumerate() {
        let key: Vec<ArrayRef> = keys.iter().map(|column| column.slice(row, 1)).collect();
        if key.iter().any(|part| part.is_null(0)) {
            continue;
        }
        let hits = fixture.hits(&key)?;
        match hits[..] {
            [] => same("a key of no record", found, &Match::None)?,
            [hit] => {
                ones += 1;
                same("a key of one record", found, &Match::One)?;
                let right = matches.values.slice(row, 1) == fetched.slice(hit, 1);
                must(right, || "another value than that of the record".into())?;
            }
            _ => must(!matches!(found, Match::None | Match::Empty), || {
                format!("{found:?} for several")
            })?,
        }
    }
    reached(ones > 0, || "no key of the fixture has one record".into())
}

async fn nulls(context: &Context, fixture: &LookupFixture) -> Checked {
    let keys = fixture.keys()?;
    let rows = fixture.records.num_rows();
    for empty in 0..keys.len() {
        let with_null = keys
            .iter()
            .enumerate()
            .map(|(at, column)| match at == empty {
                true => new_null_array(column.data_type(), rows),
                false => Arc::clone(column),
            });
        let matches = fixture.resolve(context, with_null.collect()).await?;
        for (row, found) in matches.found.iter().enumerate() {
            same("a key with a null", found, &Match::Empty)?;
            must(matches.values.is_null(row), || {
                "a key with a null fetches a value".into()
            })?;
        }
    }
    Ok(())
}

async fn texts(context: &Context, fixture: &LookupFixture) -> Checked {
    let keys = fixture.keys()?;
    let mut tried = 0;
    for (at, column) in keys.iter().enumerate() {
        let Some(texts) = column.as_any().downcast_ref::<StringViewArray>() else {
            continue;
        };
        let changes: [fn(&str) -> String; 5] = [
            |text| text.to_uppercase(),
            |text| text.to_lowercase(),
            |text| format!("{text} "),
            |text| format!(" {text}"),
            |text| text.replace("e\u{301}", "é").replace("é", "e\u{301}"),
        ];
        for change in changes {
            let changed: StringViewArray = texts.iter().map(|text| text.map(change)).collect();
            let mut asked = keys.clone();
            if let Some(column) = asked.get_mut(at) {
                *column = Arc::new(changed);
            }
            let matches = fixture.resolve(context, asked.clone()).await?;
            for (row, found) in matches.found.iter().enumerate() {
                let key: Vec<ArrayRef> = asked.iter().map(|column| column.slice(row, 1)).collect();
                if key.iter().any(|part| part.is_null(0)) || !fixture.hits(&key)?.is_empty() {
                    continue;
                }
                tried += 1;
                same(
                    "a text that is nearly that of a record",
                    found,
                    &Match::None,
                )?;
            }
        }
    }
    reached(tried > 0, || "no text of the fixture has a near one".into())
}

async fn several(context: &Context, fixture: &LookupFixture) -> Checked {
    let keys = fixture.keys()?;
    let fetched = fixture.column(&fixture.lookup.info().fetch.name)?;
    let matches = fixture.resolve(context, keys.clone()).await?;
    let mut seen = 0;
    for (row, found) in matches.found.iter().enumerate() {
        let key: Vec<ArrayRef> = keys.iter().map(|column| column.slice(row, 1)).collect();
        let hits = fixture.hits(&key)?;
        let [first, second, ..] = hits[..] else {
            continue;
        };
        if key.iter().any(|part| part.is_null(0)) {
            continue;
        }
        same("a key of several records", found, &Match::Many)?;
        let right = matches.values.slice(row, 1) == fetched.slice(first, 1);
        must(right, || "the value is not that of the first record".into())?;
        seen += usize::from(fetched.slice(first, 1) != fetched.slice(second, 1));
    }
    reached(seen > 0, || {
        "no key of the fixture has several records of different values".into()
    })
}

async fn wrong_keys(context: &Context, fixture: &LookupFixture) -> Checked {
    let keys = fixture.keys()?;
    let Some(first) = keys.first() else {
        return Err(Finding::Broken("a lookup without keys".into()));
    };
    let other = match first.data_type() {
        DataType::Boolean => DataType::Int64,
        _ => DataType::Boolean,
    };
    let mut of_another_type = keys.clone();
    if let Some(column) = of_another_type.first_mut() {
        *column = new_null_array(&other, first.len());
    }
    let one_more = keys.iter().chain([first]).cloned().collect();
    for (what, keys) in [
        ("of another type", of_another_type),
        ("one too many", one_more),
    ] {
        let answer = fixture.lookup.resolve(context, LookupKeys::new(keys)).await;
        must(answer.is_err(), || format!("a key {what} is taken"))?;
    }
    Ok(())
}
