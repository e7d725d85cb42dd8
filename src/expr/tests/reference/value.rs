//! Values, their order and their canonical texts.

use std::cmp::Ordering;

use arrow_buffer::i256;
use chrono::{NaiveDate, NaiveDateTime};

/// A value, or none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// Units, and the digits behind the point.
    Exact(i256, u32),
    Float(f64),
    Boolean(bool),
    Text(String),
    Date(NaiveDate),
    /// In UTC.
    Instant(NaiveDateTime),
    Local(NaiveDateTime),
}

pub(crate) fn power(exponent: u32) -> i256 {
    (0..exponent).fold(i256::from_i128(1), |power, _| {
        power.checked_mul(i256::from_i128(10)).unwrap()
    })
}

pub(crate) fn at_scale(units: i256, scale: u32, to: u32) -> i256 {
    units.checked_mul(power(to - scale)).unwrap()
}

/// `-12.50` as units and scale.
pub(crate) fn exact(text: &str) -> (i256, u32) {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let units = i256::from_string(&format!("{whole}{fraction}")).unwrap();
    (units, fraction.len() as u32)
}

pub(crate) fn whole(number: i64) -> Value {
    Value::Exact(i256::from_i128(number.into()), 0)
}

/// The digits of an exact number, with those behind its point.
pub(crate) fn plain(units: i256, scale: u32) -> String {
    let digits = units.to_string();
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits.as_str()),
    };
    let digits = format!("{digits:0>width$}", width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

fn clock(at: NaiveDateTime) -> String {
    let whole = at.format("%Y-%m-%dT%H:%M:%S").to_string();
    match at.and_utc().timestamp_subsec_micros() {
        0 => whole,
        micros => format!("{whole}.{micros:06}"),
    }
}

/// The canonical text of a value.
pub(crate) fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Exact(units, scale) => plain(*units, *scale),
        // Plain digits where they are short, an exponent elsewhere.
        Value::Float(value) if *value == 0.0 || (1e-5..1e16).contains(&value.abs()) => {
            format!("{value}")
        }
        Value::Float(value) => format!("{value:e}"),
        Value::Boolean(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::Date(day) => day.format("%Y-%m-%d").to_string(),
        Value::Instant(at) => clock(*at) + "Z",
        Value::Local(at) => clock(*at),
    })
}

/// `None` if one of them is null.
pub(crate) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Exact(a, a_scale), Value::Exact(b, b_scale)) => {
            let scale = *a_scale.max(b_scale);
            Some(at_scale(*a, *a_scale, scale).cmp(&at_scale(*b, *b_scale, scale)))
        }
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Instant(a), Value::Instant(b)) | (Value::Local(a), Value::Local(b)) => {
            Some(a.cmp(b))
        }
        (Value::Null, _) | (_, Value::Null) => None,
        other => panic!("{other:?} have no order"),
    }
}

/// The value with this canonical text.
pub(crate) fn instant(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f").unwrap()
}

pub(crate) fn date(text: &str) -> NaiveDate {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
}
