//! What the values of a column are.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::guess::Guess;
use super::readings;
use crate::record::{FieldType, parse};
use crate::spec::ValueFormat;

/// A type, and how its values are written if that is not the usual way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub(super) field_type: FieldType,
    pub(super) format: Option<ValueFormat>,
}

impl Reading {
    pub(super) fn usual(field_type: FieldType) -> Self {
        Reading {
            field_type,
            format: None,
        }
    }
}

/// A column's type, and how many values are not of it.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) reading: Guess<Reading>,
    pub(super) unfit: usize,
}

/// One in so many values may be bad: it is the value then that is wrong, not the type.
const UNFIT: usize = 20;

/// The type of values that are not null. Text, surely, is what nothing else fits.
pub(super) fn guess(values: &[&str], delimiter: char) -> Typed {
    let allowed = values.len() / UNFIT;
    let mut fits: Vec<Fit> = Vec::new();
    let mut offer = |reading: Reading, read: &dyn Fn(&str) -> Option<u64>| {
        fits.extend(Fit::of(reading, values, allowed, read));
    };
    if !values.is_empty() {
        readings::offer(values, delimiter, &mut offer);
    }
    // The fewest bad values, then the order above.
    fits.sort_by_key(|fit| fit.unfit);
    // Of one value anything may be said; of many, little.
    let evidence = values.len() as f64 / (values.len() + 1) as f64;
    let mut fits = fits.into_iter();
    let Some(best) = fits.next() else {
        return Typed {
            reading: Guess::among(
                Reading::usual(FieldType::Text),
                Vec::new(),
                text_as(values),
                evidence,
            ),
            unfit: 0,
        };
    };
    let mut seen = vec![best.meaning];
    let (mut rivals, mut others) = (Vec::new(), Vec::new());
    for fit in fits {
        if seen.contains(&fit.meaning) {
            continue;
        }
        seen.push(fit.meaning);
        match fit.kind() == best.kind() && fit.unfit == best.unfit {
            true => rivals.push(fit.reading),
            false => others.push(fit.reading),
        }
    }
    others.push(Reading::usual(FieldType::Text));
    let good = 1.0 - best.unfit as f64 / values.len().max(1) as f64;
    Typed {
        unfit: best.unfit,
        reading: Guess::among(best.reading, rivals, others, evidence * good * good),
    }
}

/// A reading that nearly all values have.
struct Fit {
    reading: Reading,
    unfit: usize,
    /// The same for readings that give the same values.
    meaning: u64,
}

impl Fit {
    /// `None` if more than the allowed number of values have no such reading.
    fn of(
        reading: Reading,
        values: &[&str],
        allowed: usize,
        read: &dyn Fn(&str) -> Option<u64>,
    ) -> Option<Self> {
        let mut meaning = DefaultHasher::new();
        let mut unfit = 0;
        for value in values {
            match read(value) {
                Some(value) => value.hash(&mut meaning),
                None => unfit += 1,
            }
            if unfit > allowed {
                return None;
            }
        }
        let kind = Kind::of(&reading.field_type);
        kind.hash(&mut meaning);
        Some(Fit {
            reading,
            unfit,
            meaning: meaning.finish(),
        })
    }

    fn kind(&self) -> Kind {
        Kind::of(&self.reading.field_type)
    }
}

/// Types whose values can be mistaken for each other's.
#[derive(PartialEq, Eq, Hash)]
enum Kind {
    Boolean,
    Number,
    Time,
    Text,
}

impl Kind {
    fn of(field_type: &FieldType) -> Self {
        use FieldType::{Boolean, Date, DateTime, Decimal, Float, Integer, LocalDateTime};
        match field_type {
            Boolean => Kind::Boolean,
            Integer | Decimal { .. } | Float => Kind::Number,
            Date | DateTime | LocalDateTime => Kind::Time,
            _ => Kind::Text,
        }
    }
}

/// More items are no list to choose from.
const ITEMS: usize = 20;

/// Each item of a list is there so often on average, at least.
const REPEATS: usize = 5;

/// What a text may be besides: an item of a list, or a number for which leading zeros do not matter.
fn text_as(values: &[&str]) -> Vec<Reading> {
    let mut others = Vec::new();
    let mut items = BTreeSet::new();
    for value in values {
        items.insert(*value);
        if items.len() > ITEMS {
            break;
        }
    }
    let is_list = items.len() <= ITEMS && items.len() * REPEATS <= values.len();
    if is_list && !values.is_empty() {
        let items: Arc<[String]> = items.into_iter().map(str::to_owned).collect();
        others.push(Reading::usual(FieldType::Picklist(items)));
    }
    if !values.is_empty()
        && values
            .iter()
            .all(|value| parse::integer(value.as_bytes()).is_some())
    {
        others.push(Reading::usual(FieldType::Integer));
    }
    others
}

/// Cells that mean null in some files.
pub(super) const NULL_TOKENS: [&str; 12] = [
    "\\N", "NULL", "null", "N/A", "n/a", "NA", "#N/A", "NaN", "nil", "None", "-", "?",
];

/// Cells that hardly mean anything else, in a column of texts too.
pub(super) const SURE_TOKENS: [&str; 2] = ["\\N", "NULL"];
