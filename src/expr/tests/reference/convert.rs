//! Values as other types, by their texts.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::number;
use super::types::{TEXT, Type};
use super::value::{self, Value};
use crate::record::Reason;
use crate::spec::{Repeated, Unfit, ValueFormat};

pub(super) fn convert(
    value: Value,
    from: Type,
    to: Type,
    format: Option<&ValueFormat>,
    invalid: Unfit,
) -> Result<Value, Reason> {
    if value == Value::Null {
        return Ok(Value::Null);
    }
    match (converted(value, from, to, format), invalid) {
        (Some(value), _) => Ok(value),
        (None, Unfit::Null) => Ok(Value::Null),
        (None, Unfit::Reject) => Err(Reason::BadValue),
    }
}

/// `None` if it does not convert.
fn converted(value: Value, from: Type, to: Type, format: Option<&ValueFormat>) -> Option<Value> {
    let written = value::text(&value)?;
    match (value, to) {
        (value, to) if to == from => Some(value),
        (Value::Text(text), to) => read(&text, to, format),
        (_, TEXT) => Some(Value::Text(written)),
        (Value::Exact(..), Type::Integer | Type::Decimal(..)) => exact(&written, to),
        (Value::Exact(..), Type::Float) => {
            let float: f64 = written.parse().ok()?;
            same(&stands_for(float), &written).then_some(Value::Float(float))
        }
        (Value::Float(float), Type::Integer | Type::Decimal(..)) => exact(&stands_for(float), to),
        (Value::Boolean(value), Type::Integer) => Some(value::whole(value.into())),
        (Value::Exact(..), Type::Boolean) => match written.as_str() {
            "0" => Some(Value::Boolean(false)),
            "1" => Some(Value::Boolean(true)),
            _ => None,
        },
        (Value::Date(day), Type::Local) => Some(Value::Local(day.and_time(NaiveTime::MIN))),
        (value, to) => panic!("{value:?} as {to:?}"),
    }
}

/// The number that a float is: from 2^53 on, where floats are whole, that; below its shortest digits.
fn stands_for(float: f64) -> String {
    if float.abs() < 9_007_199_254_740_992.0 {
        float.to_string()
    } else {
        format!("{float:.0}")
    }
}

/// Whether two plain texts are the same number.
fn same(a: &str, b: &str) -> bool {
    let bare = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let number = format!("{whole}.{}", fraction.trim_end_matches('0'));
        if number == "-0." { "0.".into() } else { number }
    };
    bare(a) == bare(b)
}

/// A plain number, if it has not too many digits.
fn exact(text: &str, to: Type) -> Option<Value> {
    let scale = match to {
        Type::Decimal(_, scale, _) => scale as usize,
        _ => 0,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = whole.trim_start_matches(['-', '0']).len();
    if fraction.len() > scale || digits > 38 {
        return None;
    }
    let (units, scale) = value::exact(&format!("{whole}.{fraction:0<scale$}"));
    number::fitted(Value::Exact(units, scale), to).ok()
}

/// A number as it is written: a sign, digits, a point, digits.
fn is_number(text: &str) -> bool {
    let size = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = size.split_once('.').unwrap_or((size, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

/// A text as a file would be read.
fn read(text: &str, to: Type, format: Option<&ValueFormat>) -> Option<Value> {
    match (to, format) {
        (
            Type::Integer | Type::Decimal(..) | Type::Float,
            Some(ValueFormat::Number {
                decimal_mark,
                grouping,
            }),
        ) => read(&ungrouped(text, *decimal_mark, *grouping)?, to, None),
        (Type::Boolean, Some(ValueFormat::Boolean { yes, no })) => {
            let is_one =
                |words: &[String]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
            match (is_one(yes), is_one(no)) {
                (true, _) => Some(Value::Boolean(true)),
                (_, true) => Some(Value::Boolean(false)),
                _ => None,
            }
        }
        (TEXT, _) => Some(Value::Text(text.into())),
        (Type::Integer, _) => (is_number(text) && !text.contains('.')).then(|| exact(text, to))?,
        (Type::Decimal(..), _) => {
            is_number(text).then(|| exact(text.trim_start_matches('+'), to))?
        }
        (Type::Float, _) => float(text).map(Value::Float),
        (Type::Boolean, _) => match text.to_ascii_lowercase().as_str() {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        },
        (_, Some(ValueFormat::Time { patterns, zone })) => {
            (patterns.iter()).find_map(|pattern| timed(text, pattern, to, zone.as_deref()))
        }
        (Type::Date, _) => day(text).map(Value::Date),
        (Type::Local, _) => clock(text).map(Value::Local),
        (Type::DateTime, _) => instant(text).map(Value::Instant),
        _ => panic!("{text} as {to:?}"),
    }
}

/// Neither infinite, nor a zero of something else, nor another whole number than the text.
fn float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    let size = text.trim_start_matches(['-', '+']);
    let mantissa = size.split(['e', 'E']).next()?;
    if value == 0.0 && mantissa.contains(|digit| ('1'..='9').contains(&digit)) {
        return None;
    }
    let written = [format!("{:.0}", value.abs()), value.abs().to_string()];
    let is_other =
        size.trim_start_matches('0') != written[0] && size.trim_start_matches('0') != written[1];
    let is_whole = size.bytes().all(|byte| byte.is_ascii_digit());
    (!is_whole || value == 0.0 || !is_other).then_some(value)
}

/// Whether a text has the form of another, in which every digit is a 0.
fn has_form(text: &str, form: &str) -> bool {
    let zeros: String = (text.chars())
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    zeros == form
}

fn day(text: &str) -> Option<NaiveDate> {
    let day = has_form(text, "0000-00-00").then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d"));
    day?.ok().filter(|day| day.year() > 0)
}

/// Day, `T` or a blank, time, and at most six digits that say something behind a point.
fn clock(text: &str) -> Option<NaiveDateTime> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (text, "0"),
    };
    let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || fraction.trim_end_matches('0').len() > 6 {
        return None;
    }
    let whole = whole.replacen([' ', 't'], "T", 1);
    if !has_form(&whole, "0000-00-00T00:00:00") || whole.ends_with("60") {
        return None;
    }
    let at = NaiveDateTime::parse_from_str(&whole, "%Y-%m-%dT%H:%M:%S").ok()?;
    let micros = format!("{fraction:0<6}")[..6].parse().ok()?;
    (at.year() > 0).then(|| at + TimeDelta::microseconds(micros))
}

/// A time with an offset.
fn instant(text: &str) -> Option<NaiveDateTime> {
    let (text, minutes) = match text.strip_suffix(['Z', 'z']) {
        Some(text) => (text, 0),
        None => {
            let (text, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            if !has_form(offset, "+00:00") && !has_form(offset, "-00:00") {
                return None;
            }
            let size: i64 =
                offset[1..3].parse::<i64>().ok()? * 60 + offset[4..].parse::<i64>().ok()?;
            (text, if offset.starts_with('-') { -size } else { size })
        }
    };
    let at = clock(text)?.checked_sub_signed(TimeDelta::minutes(minutes))?;
    (1..=9999).contains(&at.year()).then_some(at)
}

/// A text by a pattern of fields of fixed lengths: what is read must be written the same.
fn timed(text: &str, pattern: &str, to: Type, zone: Option<&str>) -> Option<Value> {
    // What a pattern lacks is zero.
    let (mut given, mut all) = (text.to_owned(), pattern.to_owned());
    for (field, zero) in [("%M", " 00"), ("%S", " 00")] {
        if to != Type::Date && !pattern.contains(field) {
            given += zero;
            all = format!("{all} {field}");
        }
    }
    let at = match to {
        Type::Date => {
            let day = NaiveDate::parse_from_str(text, pattern).ok()?;
            day.and_time(NaiveTime::MIN)
        }
        _ => NaiveDateTime::parse_from_str(&given, &all).ok()?,
    };
    // Chrono takes 69 for 2069.
    let at = match at.year() {
        2069 if pattern.contains("%y") => at.with_year(1969)?,
        _ => at,
    };
    let is_same = at.format(pattern).to_string().eq_ignore_ascii_case(text);
    if !is_same || !(1..=9999).contains(&at.year()) {
        return None;
    }
    Some(match to {
        Type::Date => Value::Date(at.date()),
        Type::Local => Value::Local(at),
        _ => {
            Value::Instant(super::time::to_instant(at, zone?.parse().ok()?, Repeated::Reject).ok()?)
        }
    })
}

fn ungrouped(text: &str, mark: char, grouping: Option<char>) -> Option<String> {
    let (sign, size) = text.split_at(usize::from(text.starts_with(['-', '+'])));
    let exponent = size.find(['e', 'E']).unwrap_or(size.len());
    let (mantissa, exponent) = size.split_at(exponent);
    let (whole, fraction) = match mantissa.split_once(mark) {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (mantissa, String::new()),
    };
    let groups: Vec<&str> = match grouping {
        Some(grouping) => whole.split(grouping).collect(),
        None => vec![whole],
    };
    if let [first, rest @ ..] = &groups[..] {
        let first_fits =
            rest.is_empty() || ((1..=3).contains(&first.len()) && !first.starts_with('0'));
        if !first_fits || rest.iter().any(|group| group.len() != 3) {
            return None;
        }
    }
    let digits = groups.concat() + fraction.trim_start_matches('.');
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| format!("{sign}{}{fraction}{exponent}", groups.concat()))
}
