//! What the values of a column are.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, LazyLock};

use super::guess::Guess;
use crate::record::notation::Notation;
use crate::record::pattern::TimePattern;
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
        offer_booleans(values, &mut offer);
        offer_days_without_marks(&mut offer);
        offer_numbers(values, delimiter, &mut offer);
        offer_bits(values, &mut offer);
        offer_times(&mut offer);
        offer_texts(&mut offer);
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

/// Is told of readings, in the order of preference, with a function from a value to what stands for its meaning.
type Offer<'a> = &'a mut dyn FnMut(Reading, &dyn Fn(&str) -> Option<u64>);

/// Words for true and false. Of a pair of letters both must be there.
const WORDS: [(&str, &str); 10] = [
    ("yes", "no"),
    ("y", "n"),
    ("t", "f"),
    ("on", "off"),
    ("ja", "nein"),
    ("oui", "non"),
    ("si", "no"),
    ("sí", "no"),
    ("sim", "não"),
    ("tak", "nie"),
];

fn offer_booleans(values: &[&str], offer: Offer<'_>) {
    offer(Reading::usual(FieldType::Boolean), &|value| {
        parse::boolean(value.as_bytes()).map(u64::from)
    });
    for (yes, no) in WORDS {
        offer_pair(values, yes, no, offer);
    }
}

fn offer_bits(values: &[&str], offer: Offer<'_>) {
    offer_pair(values, "1", "0", offer);
}

fn offer_pair(values: &[&str], yes: &str, no: &str, offer: Offer<'_>) {
    let has = |word: &str| values.iter().any(|value| value.eq_ignore_ascii_case(word));
    if has(yes) && has(no) {
        let format = ValueFormat::Boolean {
            yes: vec![yes.into()],
            no: vec![no.into()],
        };
        offer_format(FieldType::Boolean, format, offer);
    }
}

/// As the reader would read it.
fn offer_format(field_type: FieldType, format: ValueFormat, offer: Offer<'_>) {
    let Ok(notation) = format.notation(&field_type, "") else {
        return;
    };
    let read = |value: &str| read(&notation, value);
    offer(
        Reading {
            field_type: field_type.clone(),
            format: Some(format),
        },
        &read,
    );
}

fn read(notation: &Notation, value: &str) -> Option<u64> {
    let bytes = value.as_bytes();
    match notation.field_type() {
        FieldType::Boolean => notation.boolean(bytes).map(u64::from),
        FieldType::Date => notation.date(bytes).map(|days| days as u64),
        FieldType::DateTime => notation.datetime(bytes).map(|micros| micros as u64),
        FieldType::LocalDateTime => notation.local_datetime(bytes).map(|micros| micros as u64),
        _ => None,
    }
}

/// `20250131`: among numbers a day of our time is no accident.
fn offer_days_without_marks(offer: Offer<'_>) {
    let format = times("%Y%m%d");
    let years = b"19".as_slice()..b"21".as_slice();
    let Ok(notation) = format.notation(&FieldType::Date, "") else {
        return;
    };
    let reading = Reading {
        field_type: FieldType::Date,
        format: Some(format),
    };
    offer(reading, &|value| match value.as_bytes().get(..2) {
        Some(century) if years.contains(&century) => read(&notation, value),
        _ => None,
    });
}

/// Decimal marks and the groupings seen with them; the usual ones first.
const NUMBERS: [(char, Option<char>); 9] = [
    ('.', None),
    (',', None),
    ('.', Some(',')),
    (',', Some('.')),
    (',', Some(' ')),
    (',', Some('\u{a0}')),
    (',', Some('\u{202f}')),
    ('.', Some('\'')),
    ('.', Some('’')),
];

fn offer_numbers(values: &[&str], delimiter: char, offer: Offer<'_>) {
    let mut marks = NUMBERS.to_vec();
    // Where files are split by semicolons, the comma is the decimal mark.
    if delimiter != ';' {
        marks.swap(1, 2);
    }
    for (decimal, grouping) in marks {
        let usual = (decimal, grouping) == ('.', None);
        let has = |mark: char| values.iter().any(|value| value.contains(mark));
        let is_seen = match grouping {
            Some(grouping) => has(grouping),
            None => usual || has(decimal),
        };
        if !is_seen {
            continue;
        }
        let Some(field_type) = number_type(values, decimal, grouping) else {
            continue;
        };
        let format = ValueFormat::Number {
            decimal_mark: decimal,
            grouping,
        };
        let Ok(notation) = format.notation(&field_type, "") else {
            continue;
        };
        let read = |value: &str| {
            let digits = Digits::of(value, decimal, grouping)?;
            let bytes = value.as_bytes();
            let is_one = match field_type {
                FieldType::Integer => notation.integer(bytes).is_some(),
                FieldType::Float => notation.float(bytes).is_some(),
                _ => notation.decimal(bytes).is_some(),
            };
            is_one.then(|| digits.value())
        };
        let format = (!usual).then_some(format);
        offer(
            Reading {
                field_type: field_type.clone(),
                format,
            },
            &read,
        );
    }
}

/// The narrowest type with room for numbers like these: `None` if there are none.
fn number_type(values: &[&str], decimal: char, grouping: Option<char>) -> Option<FieldType> {
    let (mut whole, mut fraction, mut is_float, mut any) = (0, 0, false, false);
    for digits in values
        .iter()
        .filter_map(|value| Digits::of(value, decimal, grouping))
    {
        any = true;
        whole = whole.max(digits.whole);
        fraction = fraction.max(digits.fraction);
        is_float |= digits.has_exponent;
    }
    let field_type = match fraction {
        _ if is_float || whole + fraction > 38 => FieldType::Float,
        // Of 19 digits some are too many.
        0 if whole <= 18 => FieldType::Integer,
        // With room for more digits than the sample shows.
        _ => FieldType::Decimal {
            precision: if whole + fraction <= 16 { 18 } else { 38 },
            scale: fraction as u8,
        },
    };
    any.then_some(field_type)
}

/// The digits of a number.
struct Digits {
    /// With a point and without groups.
    plain: String,
    whole: usize,
    fraction: usize,
    has_exponent: bool,
}

impl Digits {
    /// `None` for what has a leading zero or plus: it may be a postcode or a telephone's number.
    fn of(value: &str, decimal: char, grouping: Option<char>) -> Option<Self> {
        let unsigned = value.strip_prefix('-').unwrap_or(value);
        let mut digits = Digits {
            plain: value.strip_suffix(unsigned)?.to_owned(),
            whole: 0,
            fraction: 0,
            has_exponent: false,
        };
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => unsigned.split_at(at),
            None => (unsigned, ""),
        };
        let mut is_whole = true;
        for character in mantissa.chars() {
            match character {
                '0'..='9' => {
                    *if is_whole {
                        &mut digits.whole
                    } else {
                        &mut digits.fraction
                    } += 1;
                    digits.plain.push(character);
                }
                _ if character == decimal && is_whole => {
                    is_whole = false;
                    digits.plain.push('.');
                }
                _ if Some(character) == grouping && is_whole => {}
                _ => return None,
            }
        }
        let has_zero_in_front = digits.whole > 1 && mantissa.starts_with('0');
        digits.has_exponent = !exponent.is_empty();
        digits.plain.push_str(exponent);
        (digits.whole > 0 && !has_zero_in_front).then_some(digits)
    }

    /// What is the same for the same number.
    fn value(&self) -> u64 {
        let value: Result<f64, _> = self.plain.parse();
        value.map_or(0, f64::to_bits)
    }
}

/// Days as they are written, the usual ones of a kind first. Where day and month could change places both are there.
const DAYS: [&str; 25] = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%-d.%-m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%-d/%-m/%Y",
    "%-m/%-d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d %b %Y",
    "%-d %b %Y",
    "%-d %B %Y",
    "%b %d, %Y",
    "%b %-d, %Y",
    "%B %-d, %Y",
    "%d-%b-%Y",
    "%-d-%b-%Y",
    "%d-%b-%y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%-m/%-d/%y",
    "%a, %d %b %Y",
];

/// Times of day behind a day, with what stands between.
const CLOCKS: [&str; 11] = [
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    "T%H:%M",
    "T%H:%M:%S",
    " %-H:%M",
    " %-I:%M %p",
    " %-I:%M:%S %p",
    ", %H:%M",
    ", %H:%M:%S",
];

/// Offsets behind a time.
const OFFSETS: [&str; 3] = ["", "%z", " %z"];

/// All of them, ready to read.
static TIMES: LazyLock<Vec<(FieldType, TimePattern)>> = LazyLock::new(|| {
    let mut times = Vec::new();
    for day in DAYS {
        for clock in CLOCKS {
            for offset in OFFSETS {
                let field_type = match (clock, offset) {
                    ("", "") => FieldType::Date,
                    ("", _) => continue,
                    (_, "") => FieldType::LocalDateTime,
                    _ => FieldType::DateTime,
                };
                let pattern = TimePattern::new(&format!("{day}{clock}{offset}"));
                times.extend(pattern.map(|pattern| (field_type, pattern)));
            }
        }
    }
    times
});

fn times(pattern: &str) -> ValueFormat {
    ValueFormat::Time {
        patterns: vec![pattern.into()],
        zone: None,
    }
}

fn offer_times(offer: Offer<'_>) {
    offer(Reading::usual(FieldType::Date), &|value| {
        parse::date(value.as_bytes()).map(|days| days as u64)
    });
    offer(Reading::usual(FieldType::DateTime), &|value| {
        parse::datetime(value.as_bytes()).map(|micros| micros as u64)
    });
    offer(Reading::usual(FieldType::LocalDateTime), &|value| {
        parse::local_datetime(value.as_bytes()).map(|micros| micros as u64)
    });
    for (field_type, pattern) in TIMES.iter() {
        let read = |value: &str| match field_type {
            FieldType::Date => pattern.date(value.as_bytes()).map(|days| days as u64),
            FieldType::DateTime => pattern
                .instant(value.as_bytes())
                .map(|micros| micros as u64),
            _ => pattern
                .local_datetime(value.as_bytes())
                .map(|micros| micros as u64),
        };
        offer(
            Reading {
                field_type: field_type.clone(),
                format: Some(times(pattern.as_str())),
            },
            &read,
        );
    }
}

/// Texts of a form: what they mean is what they are.
fn offer_texts(offer: Offer<'_>) {
    let meaning = |value: &str| {
        let mut hash = DefaultHasher::new();
        value.hash(&mut hash);
        hash.finish()
    };
    for field_type in [FieldType::Email, FieldType::Url, FieldType::Json] {
        let is_one = |value: &str| {
            // Of a URL the host, of a document its braces: `mailto:x` and `12` are too little to tell by.
            let has_form = match field_type {
                FieldType::Url => value.contains("://"),
                FieldType::Json => value.starts_with(['{', '[']),
                _ => true,
            };
            (has_form && parse::is_textual(&field_type, value)).then(|| meaning(value))
        };
        offer(Reading::usual(field_type.clone()), &is_one);
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
