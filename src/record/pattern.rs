//! Patterns of days and times, as in `%d.%m.%Y %H:%M`: compiled once, then read and written by.
//!
//! | field | is | read |
//! |---|---|---|
//! | `%Y` | year | four digits, 0001 to 9999 |
//! | `%y` | year | two digits: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068 |
//! | `%m` `%-m` | month | two digits; with `-` one or two |
//! | `%b` `%B` | month | its English name, short (`Jan`) or in full, in any case |
//! | `%d` `%-d` | day of the month | two digits; with `-` one or two |
//! | `%j` | day of the year | three digits |
//! | `%a` `%A` | day of the week | its English name, short (`Mon`) or in full, in any case; it must be that of the day |
//! | `%H` `%-H` | hour, 0 to 23 | two digits; with `-` one or two |
//! | `%I` `%-I` with `%p` | hour, 1 to 12, and `AM` or `PM` | two digits, with `-` one or two; in any case |
//! | `%M` | minute | two digits |
//! | `%S` | second, 0 to 59 | two digits |
//! | `%f` | fraction of the second | one to six digits, and zeros behind them; written with six |
//! | `%z` | offset from UTC | `+0100`, `+01:00`, `+01` or `Z`; written as `+01:00` |
//! | `%%` | a percent sign | |
//!
//! All else stands for itself, blanks too. A pattern has a whole day (year, month and day, or year and day of the year), each field at
//! most once, minutes only with hours, seconds only with minutes, a fraction only with seconds; what is not there is zero.

use super::format::{civil_from_days, two as digits};
use super::parse::{days_from_civil, days_in_month, fraction_micros, two};

const DAY: i64 = 86_400_000_000;

/// The names of the months.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A compiled pattern.
///
/// ```
/// use syncline::record::pattern::TimePattern;
///
/// let pattern = TimePattern::new("%-d %b %Y")?;
/// assert_eq!(pattern.date(b"2 Jan 1970"), Some(1));
/// assert_eq!(pattern.date(b"30 Feb 1970"), None);
/// assert!(TimePattern::new("%d.%m.").is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct TimePattern {
    text: Box<str>,
    items: Box<[Item]>,
    has_time: bool,
    has_offset: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(Box<[u8]>),
    Field(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    ShortYear,
    Month { short: bool },
    MonthName { short: bool },
    Day { short: bool },
    DayOfYear,
    Weekday { short: bool },
    Hour { short: bool },
    Hour12 { short: bool },
    HalfDay,
    Minute,
    Second,
    Fraction,
    Offset,
}

impl Field {
    fn of(letter: char, short: bool) -> Option<Self> {
        Some(match letter {
            'm' => Field::Month { short },
            'd' => Field::Day { short },
            'H' => Field::Hour { short },
            'I' => Field::Hour12 { short },
            _ if short => return None,
            'Y' => Field::Year,
            'y' => Field::ShortYear,
            'b' => Field::MonthName { short: true },
            'B' => Field::MonthName { short: false },
            'j' => Field::DayOfYear,
            'a' => Field::Weekday { short: true },
            'A' => Field::Weekday { short: false },
            'p' => Field::HalfDay,
            'M' => Field::Minute,
            'S' => Field::Second,
            'f' => Field::Fraction,
            'z' => Field::Offset,
            _ => return None,
        })
    }

    /// What it tells; no pattern tells it twice.
    fn tells(self) -> &'static str {
        match self {
            Field::Year | Field::ShortYear => "year",
            Field::Month { .. } | Field::MonthName { .. } => "month",
            Field::Day { .. } => "day of the month",
            Field::DayOfYear => "day of the year",
            Field::Weekday { .. } => "day of the week",
            Field::Hour { .. } | Field::Hour12 { .. } => "hour",
            Field::HalfDay => "half of the day",
            Field::Minute => "minute",
            Field::Second => "second",
            Field::Fraction => "fraction",
            Field::Offset => "offset",
        }
    }

    /// Whether a digit behind it could be taken for one of its own.
    fn is_open(self) -> bool {
        matches!(
            self,
            Field::Month { short: true }
                | Field::Day { short: true }
                | Field::Hour { short: true }
                | Field::Hour12 { short: true }
                | Field::Fraction
                | Field::Offset
        )
    }

    fn begins_with_digit(self) -> bool {
        !matches!(
            self,
            Field::MonthName { .. } | Field::Weekday { .. } | Field::HalfDay | Field::Offset
        )
    }
}

/// The fields of a text.
#[derive(Debug, Default)]
struct Parts {
    year: u32,
    month: u32,
    day: u32,
    day_of_year: u32,
    weekday: Option<u32>,
    hour: u32,
    half_day: Option<u32>,
    minute: u32,
    second: u32,
    micros: i64,
    offset_minutes: i64,
}

impl TimePattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it and, counted in characters from 1, where.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let items = items(pattern)?;
        let fields: Vec<Field> = (items.iter())
            .filter_map(|item| match item {
                Item::Field(field) => Some(*field),
                Item::Text(_) => None,
            })
            .collect();
        let tells = |what: &str| fields.iter().any(|field| field.tells() == what);
        for (number, field) in fields.iter().enumerate() {
            if fields
                .iter()
                .take(number)
                .any(|other| other.tells() == field.tells())
            {
                return Err(format!("the pattern tells the {} twice", field.tells()));
            }
        }
        let lacks = |message: &str| Err(format!("{message}, so it names no day or time for sure"));
        let month_and_day = tells("month") && tells("day of the month");
        if !tells("year") {
            return lacks("the pattern has no year (`%Y`)");
        }
        if tells("day of the year") && (tells("month") || tells("day of the month")) {
            return Err(
                "the pattern has the day of the year and of a month; keep one of the two".into(),
            );
        }
        if !month_and_day && !tells("day of the year") {
            return lacks("the pattern lacks the month (`%m`) or the day (`%d`)");
        }
        let twelve = fields
            .iter()
            .any(|field| matches!(field, Field::Hour12 { .. }));
        if twelve != tells("half of the day") {
            return Err("`%I` and `%p` go together: of twelve hours each comes twice a day".into());
        }
        for (what, needs) in [
            ("minute", "hour"),
            ("second", "minute"),
            ("fraction", "second"),
            ("offset", "hour"),
        ] {
            if tells(what) && !tells(needs) {
                return Err(format!("the pattern has the {what} and not the {needs}"));
            }
        }
        for pair in items.windows(2) {
            let follows = match pair {
                [Item::Field(first), Item::Field(second)] => {
                    first.is_open() && second.begins_with_digit()
                }
                [Item::Field(first), Item::Text(text)] => {
                    first.is_open() && text.first().is_some_and(u8::is_ascii_digit)
                }
                _ => false,
            };
            if follows {
                return Err("behind a field of a varying number of digits stands no digit; put a mark between them".into());
            }
        }
        Ok(TimePattern {
            text: pattern.into(),
            has_time: tells("hour"),
            has_offset: tells("offset"),
            items: items.into(),
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has an hour.
    pub fn has_time(&self) -> bool {
        self.has_time
    }

    /// Whether it has an offset from UTC.
    pub fn has_offset(&self) -> bool {
        self.has_offset
    }

    /// The day that a text names, as days since 1970-01-01; its time, if it has one, is checked and left out.
    pub fn date(&self, text: &[u8]) -> Option<i32> {
        self.parts(text)?.day()
    }

    /// The day and time that a text names, its offset left out: microseconds since 1970-01-01T00:00:00.
    pub fn local_datetime(&self, text: &[u8]) -> Option<i64> {
        self.parts(text)?.local()
    }

    /// The instant that a text with an offset names: microseconds since 1970-01-01T00:00:00Z, of the years 1 to 9999 in
    /// UTC. `None` also if the pattern has no offset.
    pub fn instant(&self, text: &[u8]) -> Option<i64> {
        if !self.has_offset {
            return None;
        }
        let parts = self.parts(text)?;
        let instant = parts.local()? - parts.offset_minutes * 60_000_000;
        (super::parse::FIRST_MICROS..=super::parse::LAST_MICROS)
            .contains(&instant)
            .then_some(instant)
    }

    /// Appends the text of a day and time, given in microseconds since 1970-01-01T00:00:00 of the clocks that show it, which
    /// are `offset` seconds ahead of UTC. False, and nothing is appended, for what would not be read back: years outside of 1 to
    /// 9999, of two digits outside of 1969 to 2068, and an offset that is no whole minute or 16 hours and more.
    pub fn append(&self, local: i64, offset: i64, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        let written = self.write(local, offset, out);
        if written.is_none() {
            out.truncate(begin);
        }
        written.is_some()
    }

    fn write(&self, local: i64, offset: i64, out: &mut Vec<u8>) -> Option<()> {
        // Microseconds in 64 bits are fewer days than 32 bits hold.
        let days = local.div_euclid(DAY) as i32;
        let (year, month, day) = civil_from_days(days);
        let year = u32::try_from(year)
            .ok()
            .filter(|year| (1..=9999).contains(year))?;
        let micros = local.rem_euclid(DAY);
        let seconds = (micros / 1_000_000) as u32;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        for item in &self.items {
            let field = match item {
                Item::Text(text) => {
                    out.extend_from_slice(text);
                    continue;
                }
                Item::Field(field) => *field,
            };
            match field {
                Field::Year => {
                    out.extend_from_slice(&digits(year / 100));
                    out.extend_from_slice(&digits(year % 100));
                }
                Field::ShortYear if (1969..=2068).contains(&year) => {
                    out.extend_from_slice(&digits(year % 100));
                }
                Field::ShortYear => return None,
                Field::Month { short } => number(month, short, out),
                Field::MonthName { short } => name(&MONTHS, month, short, out),
                Field::Day { short } => number(day, short, out),
                Field::DayOfYear => {
                    let day_of_year = (days - days_from_civil(year, 1, 1)) as u32 + 1;
                    out.push(b'0' + (day_of_year / 100) as u8);
                    out.extend_from_slice(&digits(day_of_year % 100));
                }
                Field::Weekday { short } => name(&WEEKDAYS, weekday(days), short, out),
                Field::Hour { short } => number(hour, short, out),
                Field::Hour12 { short } => number((hour + 11) % 12 + 1, short, out),
                Field::HalfDay => out.extend_from_slice(if hour < 12 { b"AM" } else { b"PM" }),
                Field::Minute => out.extend_from_slice(&digits(minute)),
                Field::Second => out.extend_from_slice(&digits(second)),
                Field::Fraction => {
                    let fraction = (micros % 1_000_000) as u32;
                    for pair in [fraction / 10_000, fraction / 100 % 100, fraction % 100] {
                        out.extend_from_slice(&digits(pair));
                    }
                }
                Field::Offset => {
                    let minutes = u32::try_from(offset.unsigned_abs() / 60).ok()?;
                    if offset % 60 != 0 || minutes >= 16 * 60 {
                        return None;
                    }
                    out.push(if offset < 0 { b'-' } else { b'+' });
                    out.extend_from_slice(&digits(minutes / 60));
                    out.push(b':');
                    out.extend_from_slice(&digits(minutes % 60));
                }
            }
        }
        Some(())
    }

    fn parts(&self, text: &[u8]) -> Option<Parts> {
        let mut parts = Parts::default();
        let mut rest = text;
        for item in &self.items {
            rest = match item {
                Item::Text(text) => rest.strip_prefix(&**text)?,
                Item::Field(field) => parts.read(*field, rest)?,
            };
        }
        rest.is_empty().then_some(parts)
    }
}

impl Parts {
    /// Reads a field; answers with what stands behind it.
    #[inline]
    fn read<'t>(&mut self, field: Field, text: &'t [u8]) -> Option<&'t [u8]> {
        let rest;
        match field {
            Field::Year => {
                let (century, behind) = pair(text)?;
                let (year, behind) = pair(behind)?;
                (self.year, rest) = (century * 100 + year, behind);
            }
            Field::ShortYear => {
                let (year, behind) = pair(text)?;
                let century = if year < 69 { 2000 } else { 1900 };
                (self.year, rest) = (century + year, behind);
            }
            Field::Month { short } => (self.month, rest) = one_or_two(text, short)?,
            Field::MonthName { short } => (self.month, rest) = named(&MONTHS, short, text)?,
            Field::Day { short } => (self.day, rest) = one_or_two(text, short)?,
            Field::DayOfYear => {
                let (&hundreds, behind) = text.split_first()?;
                let (tens, behind) = pair(behind)?;
                let hundreds = hundreds
                    .is_ascii_digit()
                    .then(|| u32::from(hundreds - b'0'))?;
                (self.day_of_year, rest) = (hundreds * 100 + tens, behind);
                if self.day_of_year == 0 {
                    return None;
                }
            }
            Field::Weekday { short } => {
                let (weekday, behind) = named(&WEEKDAYS, short, text)?;
                (self.weekday, rest) = (Some(weekday), behind);
            }
            Field::Hour { short } => {
                (self.hour, rest) = one_or_two(text, short)?;
                if self.hour > 23 {
                    return None;
                }
            }
            Field::Hour12 { short } => {
                (self.hour, rest) = one_or_two(text, short)?;
                if !(1..=12).contains(&self.hour) {
                    return None;
                }
            }
            Field::HalfDay => {
                let (half, behind) = text.split_at_checked(2)?;
                self.half_day = Some(match () {
                    () if half.eq_ignore_ascii_case(b"AM") => 0,
                    () if half.eq_ignore_ascii_case(b"PM") => 12,
                    () => return None,
                });
                rest = behind;
            }
            Field::Minute => {
                (self.minute, rest) = pair(text)?;
                if self.minute > 59 {
                    return None;
                }
            }
            Field::Second => {
                (self.second, rest) = pair(text)?;
                if self.second > 59 {
                    return None;
                }
            }
            Field::Fraction => (self.micros, rest) = fraction_micros(text)?,
            Field::Offset => (self.offset_minutes, rest) = offset(text)?,
        }
        Some(rest)
    }

    fn day(&self) -> Option<i32> {
        if self.year == 0 {
            return None;
        }
        let days = if self.day_of_year > 0 {
            let february = days_in_month(self.year, 2);
            if self.day_of_year > 337 + february {
                return None;
            }
            days_from_civil(self.year, 1, 1) + self.day_of_year as i32 - 1
        } else {
            let is_day = (1..=12).contains(&self.month)
                && self.day >= 1
                && self.day <= days_in_month(self.year, self.month);
            if !is_day {
                return None;
            }
            days_from_civil(self.year, self.month, self.day)
        };
        self.weekday
            .is_none_or(|told| told == weekday(days))
            .then_some(days)
    }

    fn local(&self) -> Option<i64> {
        let hour = match self.half_day {
            Some(half) => self.hour % 12 + half,
            None => self.hour,
        };
        let seconds = i64::from(hour * 3600 + self.minute * 60 + self.second);
        Some(i64::from(self.day()?) * DAY + seconds * 1_000_000 + self.micros)
    }
}

/// The day of the week of a day since 1970-01-01, from 1 for Monday to 7.
pub(crate) fn weekday(days: i32) -> u32 {
    // The first day was a Thursday.
    (i64::from(days) + 3).rem_euclid(7) as u32 + 1
}

fn items(pattern: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut text = String::new();
    let mut characters = (1..).zip(pattern.chars()).peekable();
    while let Some((at, character)) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let mut next = characters.next();
        if let Some((_, '%')) = next {
            text.push('%');
            continue;
        }
        let short = matches!(next, Some((_, '-')));
        if short {
            next = characters.next();
        }
        let field = next.and_then(|(_, letter)| Field::of(letter, short)).ok_or_else(|| {
            format!(
                "at character {at}: `%` begins no field that is known; there are %Y %y %m %-m %b %B %d %-d %j %a %A %H \
                 %-H %I %-I %p %M %S %f %z, and `%%` is a percent sign"
            )
        })?;
        if !text.is_empty() {
            items.push(Item::Text(std::mem::take(&mut text).into_bytes().into()));
        }
        items.push(Item::Field(field));
    }
    if !text.is_empty() {
        items.push(Item::Text(text.into_bytes().into()));
    }
    Ok(items)
}

#[inline]
fn pair(text: &[u8]) -> Option<(u32, &[u8])> {
    match text {
        [tens, ones, rest @ ..] => Some((two(*tens, *ones)?, rest)),
        _ => None,
    }
}

#[inline]
fn one_or_two(text: &[u8], short: bool) -> Option<(u32, &[u8])> {
    match (pair(text), text) {
        (Some(found), _) => Some(found),
        (None, [one, rest @ ..]) if short => Some((two(b'0', *one)?, rest)),
        _ => None,
    }
}

/// The number of a name, from 1 on.
fn named<'t>(names: &[&str], short: bool, text: &'t [u8]) -> Option<(u32, &'t [u8])> {
    (1..).zip(names).find_map(|(number, name)| {
        let length = if short { 3 } else { name.len() };
        let (head, rest) = text.split_at_checked(length)?;
        let is_it = head.eq_ignore_ascii_case(name.as_bytes().get(..length)?);
        is_it.then_some((number, rest))
    })
}

/// Minutes ahead of UTC; under 16 hours, as everywhere here.
fn offset(text: &[u8]) -> Option<(i64, &[u8])> {
    let (is_west, text) = match text {
        [b'Z' | b'z', rest @ ..] => return Some((0, rest)),
        [sign @ (b'+' | b'-'), rest @ ..] => (*sign == b'-', rest),
        _ => return None,
    };
    let (hours, text) = pair(text)?;
    let (minutes, rest) = match text {
        [b':', text @ ..] => pair(text)?,
        // Some databases leave out minutes that are zero.
        _ => pair(text).unwrap_or((0, text)),
    };
    if hours > 15 || minutes > 59 {
        return None;
    }
    let ahead = i64::from(hours * 60 + minutes);
    Some((if is_west { -ahead } else { ahead }, rest))
}

fn number(value: u32, short: bool, out: &mut Vec<u8>) {
    match digits(value) {
        [b'0', ones] if short => out.push(ones),
        both => out.extend_from_slice(&both),
    }
}

fn name(names: &[&str], number: u32, short: bool, out: &mut Vec<u8>) {
    let name = names.get(number as usize - 1).copied().unwrap_or_default();
    let length = if short { 3 } else { name.len() };
    out.extend_from_slice(name.as_bytes().get(..length).unwrap_or_default());
}

#[cfg(test)]
mod tests;
