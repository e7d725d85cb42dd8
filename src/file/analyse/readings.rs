//! The ways in which values can be read: types, and how they are written.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use super::types::Reading;
use crate::record::notation::Notation;
use crate::record::pattern::TimePattern;
use crate::record::{FieldType, parse};
use crate::spec::ValueFormat;

/// Is told of readings, in the order of preference, with a function from a value to what stands for its meaning.
pub(super) type Offer<'a> = &'a mut dyn FnMut(Reading, &dyn Fn(&str) -> Option<u64>);

/// All readings that come into question.
pub(super) fn offer(values: &[&str], delimiter: char, offer: Offer<'_>) {
    offer_booleans(values, offer);
    offer_days_without_marks(offer);
    offer_numbers(values, delimiter, offer);
    offer_bits(values, offer);
    offer_times(values, offer);
    offer_texts(offer);
}

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
    let format = times("%Y%m%d", None);
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

/// The narrowest type with room for numbers like these: `None` if there are none, or if they are codes.
fn number_type(values: &[&str], decimal: char, grouping: Option<char>) -> Option<FieldType> {
    let (mut whole, mut fraction, mut is_float, mut any) = (0, 0, false, false);
    for digits in values
        .iter()
        .filter_map(|value| Digits::of(value, decimal, grouping))
    {
        // One is enough: read as a number it would not be refused, but lose what tells it from another.
        if digits.is_code {
            return None;
        }
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
    /// Whether it is written as no program writes numbers, so that it may be a postcode (`02134`), a telephone's number (`+49`) or
    /// an article's (`10E3`).
    is_code: bool,
}

impl Digits {
    fn of(value: &str, decimal: char, grouping: Option<char>) -> Option<Self> {
        let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
        let sign = value.strip_suffix(unsigned)?;
        let mut digits = Digits {
            plain: sign.to_owned(),
            whole: 0,
            fraction: 0,
            has_exponent: false,
            is_code: false,
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
        digits.has_exponent = !exponent.is_empty();
        let power = exponent.get(1..).unwrap_or_default();
        let power_digits = power.strip_prefix(['-', '+']).unwrap_or(power);
        let is_power =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if digits.has_exponent && !is_power(power_digits) {
            return None;
        }
        let is_bare = digits.whole > 1 && digits.fraction == 0 && power_digits == power;
        digits.is_code = sign == "+"
            || (digits.whole > 1 && mantissa.starts_with('0'))
            || (digits.has_exponent && is_bare);
        digits.plain.push_str(exponent);
        (digits.whole + digits.fraction > 0).then_some(digits)
    }

    /// What is the same for the same number.
    fn value(&self) -> u64 {
        let value: Result<f64, _> = self.plain.parse();
        value.map_or(0, f64::to_bits)
    }
}

/// Days as they are written, the usual ones of a kind first. Where day and month could change places both are there; only
/// with points between them the day always comes first.
const DAYS: [&str; 40] = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%-d.%-m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%-d/%-m/%Y",
    "%-m/%-d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%-d-%-m-%Y",
    "%-m-%-d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y-%-m-%-d",
    "%Y/%-m/%-d",
    "%Y.%-m.%-d",
    "%Y年%-m月%-d日",
    "%d %b %Y",
    "%-d %b %Y",
    "%-d %B %Y",
    "%b %d, %Y",
    "%b %-d, %Y",
    "%B %-d, %Y",
    "%d-%b-%Y",
    "%-d-%b-%Y",
    "%d-%b-%y",
    "%-d-%b-%y",
    "%d.%m.%y",
    "%-d.%-m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%-d/%-m/%y",
    "%-m/%-d/%y",
    "%d-%m-%y",
    "%m-%d-%y",
    "%-d-%-m-%y",
    "%-m-%-d-%y",
    "%y-%m-%d",
    "%a, %d %b %Y",
    "%a %b %-d, %Y",
];

/// Times of day behind a day, with what stands between.
const CLOCKS: [&str; 12] = [
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    "T%H:%M",
    "T%H:%M:%S",
    " %-H:%M",
    " %-H:%M:%S",
    " %-I:%M %p",
    " %-I:%M:%S %p",
    ", %H:%M",
    ", %H:%M:%S",
];

/// Offsets behind a time.
const OFFSETS: [&str; 5] = ["", "%z", " %z", " UTC", " GMT"];

/// The clocks of times that end with such a word.
const UTC: &str = "UTC";

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

fn times(pattern: &str, zone: Option<&str>) -> ValueFormat {
    ValueFormat::Time {
        patterns: vec![pattern.into()],
        zone: zone.map(str::to_owned),
    }
}

/// So many values, from all over a column, show whether a pattern comes into question at all.
const PROBES: usize = 8;

fn offer_times(values: &[&str], offer: Offer<'_>) {
    offer(Reading::usual(FieldType::Date), &|value| {
        parse::date(value.as_bytes()).map(|days| days as u64)
    });
    offer(Reading::usual(FieldType::DateTime), &|value| {
        parse::datetime(value.as_bytes()).map(|micros| micros as u64)
    });
    offer(Reading::usual(FieldType::LocalDateTime), &|value| {
        parse::local_datetime(value.as_bytes()).map(|micros| micros as u64)
    });
    let step = values.len().div_ceil(PROBES).max(1);
    for (field_type, pattern) in TIMES.iter() {
        let read = |value: &str| match field_type {
            FieldType::Date => pattern.date(value.as_bytes()).map(|days| days as u64),
            FieldType::DateTime if pattern.has_offset() => pattern
                .instant(value.as_bytes())
                .map(|micros| micros as u64),
            _ => pattern
                .local_datetime(value.as_bytes())
                .map(|micros| micros as u64),
        };
        if !values
            .iter()
            .step_by(step)
            .any(|value| read(value).is_some())
        {
            continue;
        }
        let is_word = *field_type == FieldType::DateTime && !pattern.has_offset();
        offer(
            Reading {
                field_type: field_type.clone(),
                format: Some(times(pattern.as_str(), is_word.then_some(UTC))),
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
