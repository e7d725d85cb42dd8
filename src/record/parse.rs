//! From the text of one value to the value: strict, without allocation, `None` for what is no such value.
//!
//! Nothing is trimmed and nothing is guessed; what would lose a digit is refused.

use super::FieldType;

/// A whole number: an optional sign and digits, within 64 bits.
pub fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    // Up to 18 digits cannot overflow; that is nearly every number there is.
    if digits.is_empty() || digits.len() > 18 {
        return i64::try_from(long_integer(negative, digits)?).ok();
    }
    let mut value = 0i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

#[cold]
fn long_integer(negative: bool, digits: &[u8]) -> Option<i128> {
    let mut value = 0i128;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    (!digits.is_empty()).then_some(if negative { -value } else { value })
}

/// An exact decimal: an optional sign, digits, and behind a point no more non-zero digits than
/// `scale`. The result counts units of the last digit: `"1.5"` with scale 2 is 150.
#[inline]
pub fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, text) = sign(text);
    let scale = usize::from(scale);
    // Up to 18 digits in all are summed in 64 bits.
    let value = match text.len() + scale <= 18 {
        true => i128::from(short_decimal(text, scale)?),
        false => long_decimal(text, scale)?,
    };
    let is_in_range = match POWERS_OF_TEN.get(usize::from(precision)) {
        Some(&limit) => value < limit,
        None => true,
    };
    is_in_range.then_some(if negative { -value } else { value })
}

/// 10 to the power of 0 to 38, the last that 128 bits hold.
const POWERS_OF_TEN: [i128; 39] = {
    let mut powers = [1; 39];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// A decimal without sign, of at most 18 bytes and digits behind the point.
#[inline]
fn short_decimal(text: &[u8], scale: usize) -> Option<i64> {
    let mut value = 0i64;
    let mut rest = text.iter();
    let mut digits = 0usize;
    for &byte in rest.by_ref() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            if byte != b'.' {
                return None;
            }
            break;
        }
        digits += 1;
        value = value * 10 + i64::from(digit);
    }
    let fraction = rest.as_slice();
    if digits + fraction.len() == 0 {
        return None;
    }
    let (kept, lost) = fraction.split_at(fraction.len().min(scale));
    for &byte in kept {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    if lost.iter().any(|&byte| byte != b'0') {
        return None;
    }
    Some(match scale - kept.len() {
        0 => value,
        missing => value * 10i64.pow(missing as u32),
    })
}

#[cold]
fn long_decimal(text: &[u8], scale: usize) -> Option<i128> {
    let point = memchr::memchr(b'.', text);
    let (whole, fraction) = match point {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &text[..0]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0i128;
    let kept = fraction.len().min(scale);
    for &byte in whole.iter().chain(&fraction[..kept]) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    if fraction[kept..].iter().any(|&byte| byte != b'0') {
        return None;
    }
    value.checked_mul(10i128.checked_pow((scale - kept) as u32)?)
}

/// A floating-point number in decimal notation, with or without an exponent: the nearest binary value, as
/// the type has it, but neither an infinity nor a zero for what is none. A whole number without point
/// or exponent is exact: it is refused if the value, written out, is another one.
pub fn float(text: &[u8]) -> Option<f64> {
    let value = nearest_float(text)?;
    let (_, digits) = sign(text);
    let is_whole = || digits.iter().all(u8::is_ascii_digit);
    let is_lossy = match value == 0.0 {
        true => {
            let mantissa = text.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
            mantissa.into_iter().any(|byte| matches!(byte, b'1'..=b'9'))
        }
        // Up to 2^53 whole numbers are exact.
        false => value.abs() >= EXACT_FLOATS && is_whole() && !writes_as(value.abs(), digits),
    };
    (!is_lossy).then_some(value)
}

/// 2^53.
const EXACT_FLOATS: f64 = 9_007_199_254_740_992.0;

/// Whether these are the digits of a whole number: all of them, or the fewest that tell it from its neighbours.
#[cold]
fn writes_as(value: f64, digits: &[u8]) -> bool {
    use std::fmt::Write as _;

    /// What is left to be written.
    struct Rest<'a>(&'a [u8]);

    impl std::fmt::Write for Rest<'_> {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = self
                .0
                .strip_prefix(text.as_bytes())
                .ok_or(std::fmt::Error)?;
            Ok(())
        }
    }

    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let digits = digits.get(zeros..).unwrap_or_default();
    let (mut all, mut fewest) = (Rest(digits), Rest(digits));
    (write!(all, "{value:.0}").is_ok() && all.0.is_empty())
        || (write!(fewest, "{value}").is_ok() && fewest.0.is_empty())
}

/// The finite binary value nearest to a number in decimal notation, with or without an exponent.
pub fn nearest_float(text: &[u8]) -> Option<f64> {
    // The standard library also reads `inf` and `nan` in any case; those hold other letters than `e`.
    if !text
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
    {
        return None;
    }
    std::str::from_utf8(text)
        .ok()?
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
}

/// `true` or `false`, in any case.
pub fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"true" => Some(true),
        b"false" => Some(false),
        _ if text.eq_ignore_ascii_case(b"true") => Some(true),
        _ if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// `2025-01-31`, as days since 1970-01-01.
pub fn date(text: &[u8]) -> Option<i32> {
    days(text.try_into().ok()?)
}

/// `2025-01-31T12:34:56+01:00`, `2025-01-31 11:34:56.25Z`: microseconds since 1970-01-01 in UTC.
///
/// The offset must be there; without one the text names no instant. In UTC the year is 1 to 9999, as
/// in every other date here, so that each instant has a text that reads back.
pub fn datetime(text: &[u8]) -> Option<i64> {
    let (local, rest) = local_prefix(text)?;
    let offset_minutes = match *rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let (hours, minutes) = (i64::from(two(h1, h2)?), i64::from(two(m1, m2)?));
            // The widest offset that was ever in use is under 16 hours.
            if hours > 15 || minutes > 59 {
                return None;
            }
            let offset = hours * 60 + minutes;
            if sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let instant = local - offset_minutes * 60_000_000;
    is_instant(instant).then_some(instant)
}

/// Whether microseconds since 1970 are in the years that have a text.
pub(crate) fn is_instant(micros: i64) -> bool {
    (FIRST_MICROS..=LAST_MICROS).contains(&micros)
}

/// Whether a day, counted from 1970, is in the years that have a text.
pub(crate) fn is_day(days: i32) -> bool {
    is_instant(i64::from(days) * 86_400_000_000)
}

/// 0001-01-01T00:00:00
pub(crate) const FIRST_MICROS: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999
pub(crate) const LAST_MICROS: i64 = 253_402_300_799_999_999;

/// `2025-01-31T12:34:56`, without an offset: microseconds since 1970-01-01T00:00:00 of the same wall clock.
pub fn local_datetime(text: &[u8]) -> Option<i64> {
    match local_prefix(text)? {
        (local, []) => Some(local),
        _ => None,
    }
}

/// Day, `T` or a blank, time of day and fraction; what stands behind them.
#[inline]
fn local_prefix(text: &[u8]) -> Option<(i64, &[u8])> {
    let (head, mut rest) = text.split_first_chunk::<19>()?;
    let &[.., separator, _, _, c1, _, _, c2, s1, s2] = head;
    if !matches!(separator, b'T' | b't' | b' ') || c1 != b':' || c2 != b':' {
        return None;
    }
    let &[d1, d2, _, h1, h2, c1, m1, m2] = head.get(8..16)?.first_chunk()?;
    // The blank or letter is known to be right.
    let clock = u64::from_le_bytes([d1, d2, b'T', h1, h2, c1, m1, m2]);
    let numbers = pairs(clock, *b"00T00:00")?;
    let (day, hours, minutes) = (number(numbers, 0), number(numbers, 3), number(numbers, 6));
    let seconds = two(s1, s2)?;
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let days = days_of(head.first_chunk()?, day)?;
    let mut micros = 0;
    if let [b'.', fraction @ ..] = rest {
        (micros, rest) = fraction_micros(fraction)?;
    }
    let clock = i64::from(hours * 3600 + minutes * 60 + seconds);
    let seconds = i64::from(days) * 86_400 + clock;
    Some((seconds * 1_000_000 + micros, rest))
}

/// Reads eight characters at once: where `form` has `0` there must be a digit, elsewhere just its
/// character. In the answer a byte holds the [number](number) of two digits that begin there.
#[inline]
fn pairs(text: u64, form: [u8; 8]) -> Option<u64> {
    // What a byte may be over its form's, as the distance from there to 127.
    let room = form.map(|byte| if byte == b'0' { 127 - 9 } else { 127 });
    let over = text ^ u64::from_le_bytes(form);
    // A digit is `0` with none of its own bits set; so the difference is its value, and anything else is over.
    // Where a sum runs into the next byte, the byte in front had its highest bit set and is over itself.
    let sums = over.wrapping_add(u64::from_le_bytes(room));
    if (over | sums) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    Some(over.wrapping_mul(10).wrapping_add(over >> 8))
}

/// A number out of [`pairs`], by the place of its first digit.
#[inline]
fn number(pairs: u64, place: u32) -> u32 {
    (pairs >> (8 * place)) as u8 as u32
}

/// The digits behind a point as millionths, and what stands behind them; `None` if that would lose a digit.
pub(super) fn fraction_micros(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    let (kept, lost) = digits.split_at(length.min(6));
    if digits.is_empty() || lost.iter().any(|&digit| digit != b'0') {
        return None;
    }
    let value = kept
        .iter()
        .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((value * 10i64.pow(6 - kept.len() as u32), rest))
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

#[inline]
pub(super) fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

#[inline]
fn days(text: &[u8; 10]) -> Option<i32> {
    let &[.., d1, d2] = text;
    days_of(text.first_chunk()?, two(d1, d2)?)
}

/// Days since 1970-01-01 of a day of the month in `2025-01-`.
#[inline]
fn days_of(year_and_month: &[u8; 8], day: u32) -> Option<i32> {
    let numbers = pairs(u64::from_le_bytes(*year_and_month), *b"0000-00-")?;
    let year = number(numbers, 0) * 100 + number(numbers, 2);
    let month = number(numbers, 5);
    if year == 0 || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

#[inline]
pub(crate) fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar, of the years 1 to 9999: years that
/// begin in March put the leap day last, so the months before it have fixed lengths.
#[inline]
pub(crate) fn days_from_civil(year: u32, month: u32, day: u32) -> i32 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let before_year = year * 365 + year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    (before_year + day_of_year) as i32 - 719_468
}

/// Whether a text is a value of a textual type.
pub fn is_textual(field_type: &FieldType, text: &str) -> bool {
    match field_type {
        FieldType::Email => email(text),
        FieldType::Url => url(text),
        FieldType::Picklist(items) => items.iter().any(|item| item == text),
        FieldType::MultiPicklist(items) => {
            // Each item once, in the order of the list.
            let mut rest = items.iter();
            text.is_empty() || text.split(';').all(|part| rest.any(|item| item == part))
        }
        FieldType::Json => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        FieldType::Id => {
            text.len() == 36
                && text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        }
        FieldType::Lookup(_) => !text.is_empty(),
        _ => true,
    }
}

/// An absolute URL as it stands: the parser would drop line breaks and tabs, and blanks around it.
fn url(text: &str) -> bool {
    let is_dropped = |byte: u8| byte.is_ascii_control() || byte.is_ascii_whitespace();
    !text.bytes().any(is_dropped) && url::Url::parse(text).is_ok()
}

/// One `@` with something before it and a dotted host behind it, no blanks, at most 254 bytes: enough to
/// catch what is in the wrong column, while only a message sent can prove an address.
fn email(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else {
        return false;
    };
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && part.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= 254
        && !user.is_empty()
        && user.len() <= 64
        && !user.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@')
        && host.contains('.')
        && host.split('.').all(label)
}

/// What a value of the type looks like, for messages.
pub fn expected(field_type: &FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "a text",
        FieldType::Integer => "a whole number of at most 64 bits",
        FieldType::Decimal { .. } | FieldType::Currency { .. } | FieldType::Percent { .. } => {
            "a decimal number within the field's digits"
        }
        FieldType::Float => "a finite number that a float can hold",
        FieldType::Boolean => "`true` or `false`",
        FieldType::Date => "a date like 2025-01-31",
        FieldType::DateTime => "an instant with its offset like 2025-01-31T12:34:56+01:00",
        FieldType::LocalDateTime => "a local time without offset like 2025-01-31T12:34:56",
        FieldType::Email => "an e-mail address",
        FieldType::Url => "an absolute URL without blanks",
        FieldType::Picklist(_) => "one of the field's items",
        FieldType::MultiPicklist(_) => {
            "items of the field, each once and in the field's order, joined by `;`"
        }
        FieldType::Json => "a JSON document",
        FieldType::Lookup(_) => "the identity of a record",
        FieldType::Id => "an id of 36 characters out of 0-9 and A-Z",
    }
}

#[cfg(test)]
mod tests;
